"""What booking does when it hears of something."""

from __future__ import annotations

from services.booking import commands
from shared.contracts.access import OrganisationChanged
from shared.contracts.catalogue import EquipmentChanged, FacilityChanged
from shared.service import Handlers

HANDLERS: Handlers = {
    FacilityChanged: commands.learn_facility,
    EquipmentChanged: commands.learn_equipment,
    OrganisationChanged: commands.learn_organisation,
}
