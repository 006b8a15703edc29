"""What the other services are told: the whole present state, once for each change."""

from __future__ import annotations

from collections.abc import Sequence

from services.catalogue.models import Equipment, Facility, Host, Region, Technique
from shared.contracts.catalogue import EquipmentChanged, FacilityChanged, RegionChanged
from shared.unit_of_work import UnitOfWork


def tell_region(uow: UnitOfWork, region: Region) -> None:
    uow.emit(
        RegionChanged(
            sequence=region.sequence,
            region_id=region.id,
            name=region.name,
            country=region.country,
            nuts_codes=tuple(region.nuts_codes),
            nuts_version=region.nuts_version,
            time_zone=region.time_zone,
        )
    )


def tell_facility(uow: UnitOfWork, facility: Facility, host: Host, region: Region) -> None:
    uow.emit(
        FacilityChanged(
            sequence=facility.sequence,
            facility_id=facility.id,
            name=facility.name,
            host_id=facility.host_id,
            host_name=host.name,
            region_id=facility.region_id,
            country=region.country,
            time_zone=facility.time_zone,
            holiday_subdivision=facility.holiday_subdivision,
            contact_email=facility.contact_email,
            open=facility.open,
        )
    )


def tell_equipment(uow: UnitOfWork, equipment: Equipment, facility: Facility, techniques: Sequence[Technique]) -> None:
    uow.emit(
        EquipmentChanged(
            sequence=equipment.sequence,
            equipment_id=equipment.id,
            slug=equipment.slug,
            name=equipment.name,
            facility_id=facility.id,
            facility_name=facility.name,
            region_id=facility.region_id,
            country=facility.region.country,
            time_zone=facility.time_zone,
            kind=str(equipment.kind),
            techniques=tuple(technique.code for technique in techniques),
            units=equipment.units,
            state=str(equipment.state),
            commissioned_on=equipment.commissioned_on,
            decommissioned_on=equipment.decommissioned_on,
        )
    )
