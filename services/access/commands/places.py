"""What the catalogue tells of regions and facilities, kept for their names."""

from __future__ import annotations

from services.access.models import KnownFacility, KnownRegion
from shared.contracts.catalogue import FacilityChanged, RegionChanged
from shared.unit_of_work import UnitOfWork


def learn_region(uow: UnitOfWork, event: RegionChanged) -> None:
    """Keep what was told, unless something newer is known."""
    known = uow.session.get(KnownRegion, event.region_id, with_for_update=True)
    if known and known.sequence >= event.sequence:
        return
    uow.session.merge(
        KnownRegion(
            id=event.region_id,
            name=event.name,
            country=event.country,
            nuts_codes=list(event.nuts_codes),
            nuts_version=event.nuts_version,
            sequence=event.sequence,
        )
    )


def learn_facility(uow: UnitOfWork, event: FacilityChanged) -> None:
    """Keep what was told, unless something newer is known."""
    known = uow.session.get(KnownFacility, event.facility_id, with_for_update=True)
    if known and known.sequence >= event.sequence:
        return
    uow.session.merge(KnownFacility(id=event.facility_id, name=event.name, sequence=event.sequence))
