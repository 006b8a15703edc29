"""What access does about what others tell: it learns the names of regions and facilities."""

from __future__ import annotations

from services.access.commands import places
from shared.contracts.catalogue import FacilityChanged, RegionChanged
from shared.service import Handlers

HANDLERS: Handlers = {
    RegionChanged: places.learn_region,
    FacilityChanged: places.learn_facility,
}
