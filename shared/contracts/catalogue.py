"""Events told by the catalogue service: what there is, and where."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from shared.events import Event, event


@event("catalogue.region_changed.v1")
@dataclass(frozen=True, kw_only=True)
class RegionChanged(Event):
    """A region was entered, or anything about it changed. Carries its whole present state."""

    region_id: str  # a readable slug, e.g. "south-moravia"
    name: str
    country: str  # ISO 3166-1 alpha-2
    nuts_codes: tuple[str, ...]  # of mixed levels
    nuts_version: int
    time_zone: str  # IANA

    @property
    def subject(self) -> str:
        return self.region_id


@event("catalogue.facility_changed.v1")
@dataclass(frozen=True, kw_only=True)
class FacilityChanged(Event):
    """A facility was opened, or anything about it changed. Carries its whole present state."""

    facility_id: UUID
    name: str
    host_id: UUID
    host_name: str
    region_id: str
    country: str
    time_zone: str
    holiday_subdivision: str | None  # of ISO 3166-2, where public holidays differ within the country
    contact_email: str
    open: bool  # False: closed for good

    @property
    def subject(self) -> str:
        return str(self.facility_id)


@event("catalogue.equipment_changed.v1")
@dataclass(frozen=True, kw_only=True)
class EquipmentChanged(Event):
    """A piece of equipment was published, or anything about it changed. Carries its whole present state."""

    equipment_id: UUID
    slug: str
    name: str
    facility_id: UUID
    facility_name: str
    region_id: str
    country: str
    time_zone: str  # of the facility; days, months and opening hours are local to it
    kind: str
    techniques: tuple[str, ...]
    units: int  # like pieces that can be booked side by side
    state: str  # draft, published, withdrawn; only published equipment can be booked
    commissioned_on: date | None  # local days; before and after, nothing is available
    decommissioned_on: date | None

    @property
    def subject(self) -> str:
        return str(self.equipment_id)
