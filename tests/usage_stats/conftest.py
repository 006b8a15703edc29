"""A lab with one instrument, and words for what happens to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from services.usage_stats.app import SERVICE
from services.usage_stats.models import EquipmentDay, OrganisationDay
from shared.calendar import Opening
from shared.contracts import booking as told
from shared.contracts.booking import BookingEvent, DowntimeChanged, OpeningHoursChanged
from shared.contracts.catalogue import EquipmentChanged, FacilityChanged, RegionChanged
from shared.events import Event
from shared.service import Instance

NOW = datetime(2026, 5, 1, tzinfo=UTC)
WORKDAYS = tuple(Opening(day, 9 * 60, 17 * 60) for day in range(5))
FIRM = UUID(int=100)

Rows = list[tuple[Any, ...]]


@dataclass
class Lab:
    """Makes the events the others tell of one instrument in one facility of one region."""

    region: str = "vidzeme"
    zone: str = "Europe/Riga"
    name: str = "Nano-CT"
    equipment_id: UUID = field(default_factory=uuid4)
    facility_id: UUID = field(default_factory=uuid4)

    def region_told(self, sequence: int = 1) -> RegionChanged:
        return RegionChanged(
            sequence=sequence,
            region_id=self.region,
            name=self.region.replace("-", " ").title(),
            country="LV",
            nuts_codes=("LV008",),
            nuts_version=2021,
            time_zone=self.zone,
        )

    def facility_told(self, sequence: int = 1) -> FacilityChanged:
        return FacilityChanged(
            sequence=sequence,
            facility_id=self.facility_id,
            name=f"Lab of the {self.name}",
            host_id=UUID(int=5),
            host_name="Example University",
            region_id=self.region,
            country="LV",
            time_zone=self.zone,
            holiday_subdivision=None,
            contact_email="lab@university.example",
            open=True,
        )

    def equipment_told(self, sequence: int = 1, **changed: Any) -> EquipmentChanged:
        facts: dict[str, Any] = {
            "sequence": sequence,
            "equipment_id": self.equipment_id,
            "slug": "nano-ct",
            "name": self.name,
            "facility_id": self.facility_id,
            "facility_name": f"Lab of the {self.name}",
            "region_id": self.region,
            "country": "LV",
            "time_zone": self.zone,
            "kind": "nanoct",
            "techniques": ("tomography",),
            "units": 1,
            "state": "published",
            "commissioned_on": None,
            "decommissioned_on": None,
        }
        return EquipmentChanged(**facts | changed)

    def hours_told(
        self,
        sequence: int = 1,
        weekly: tuple[Opening, ...] = WORKDAYS,
        *,
        valid_from: date = date(2026, 3, 1),
        closed_on: tuple[date, ...] = (),
    ) -> OpeningHoursChanged:
        return OpeningHoursChanged(
            sequence=sequence,
            equipment_id=self.equipment_id,
            facility_id=self.facility_id,
            region_id=self.region,
            time_zone=self.zone,
            valid_from=valid_from,
            weekly=weekly,
            closed_on=closed_on,
            closures_known_until=date(2032, 1, 1),
        )

    def down(
        self,
        starts_at: datetime,
        ends_at: datetime | None,
        *,
        kind: str = "unplanned",
        sequence: int = 1,
        downtime_id: UUID | None = None,
        withdrawn: bool = False,
    ) -> DowntimeChanged:
        return DowntimeChanged(
            sequence=sequence,
            downtime_id=downtime_id or uuid4(),
            equipment_id=self.equipment_id,
            facility_id=self.facility_id,
            region_id=self.region,
            kind=kind,
            starts_at=starts_at,
            ends_at=ends_at,
            reason="leak",
            withdrawn=withdrawn,
        )

    def booking(
        self,
        starts_at: datetime,
        hours: float,
        *,
        unit: int = 1,
        organisation_id: UUID = FIRM,
        size_class: str | None = "small",
    ) -> BookingStory:
        return BookingStory(
            {
                "booking_id": uuid4(),
                "reference": "TEST-1",
                "equipment_id": self.equipment_id,
                "equipment_name": self.name,
                "unit": unit,
                "facility_id": self.facility_id,
                "facility_name": f"Lab of the {self.name}",
                "region_id": self.region,
                "time_zone": self.zone,
                "booker_id": UUID(int=9),
                "organisation_id": organisation_id,
                "organisation_name": "Example Works",
                "organisation_kind": "company",
                "size_class": size_class,
                "organisation_nuts": "LV008",
                "starts_at": starts_at,
                "ends_at": starts_at + timedelta(hours=hours),
                "requested_at": starts_at - timedelta(days=10),
                "purpose": "a secret part",
                "access_mode": "market",
                "price_cents": None,
                "currency": "EUR",
                "actor_role": "booker",
            }
        )


@dataclass
class BookingStory:
    """Tells what becomes of one booking, event after event."""

    facts: dict[str, Any]
    events: list[BookingEvent] = field(default_factory=list)

    def _tell(self, kind: type[BookingEvent], state: str, **more: Any) -> BookingStory:
        event = kind(**self.facts, sequence=len(self.events) + 1, state=state, **more)
        return BookingStory(self.facts, [*self.events, event])

    def requested(self) -> BookingStory:
        return self._tell(told.BookingRequested, "requested")

    def approved(self) -> BookingStory:
        asked = self if self.events else self.requested()
        return asked._tell(told.BookingApproved, "approved", automatic=False)

    def declined(self) -> BookingStory:
        return self.requested()._tell(told.BookingDeclined, "declined", reason_code="capacity", reason="Full.")

    def withdrawn(self) -> BookingStory:
        return self.requested()._tell(told.BookingWithdrawn, "withdrawn")

    def expired(self) -> BookingStory:
        return self.requested()._tell(told.BookingExpired, "expired")

    def cancelled(self, *, by: str = "booker", late: bool = False) -> BookingStory:
        return self.approved()._tell(told.BookingCancelled, "cancelled", cancelled_by=by, late=late, reason="")

    def no_show(self) -> BookingStory:
        released_at = self.facts["starts_at"] + timedelta(minutes=30)
        return self.approved()._tell(told.BookingNoShow, "no_show", released_at=released_at)

    def checked_in(self, used_from: datetime | None = None) -> BookingStory:
        used_from = used_from or self.facts["starts_at"]
        return self.approved()._tell(told.BookingCheckedIn, "in_use", used_from=used_from)

    def used(self, used_from: datetime | None = None, used_until: datetime | None = None) -> BookingStory:
        used_from = used_from or self.facts["starts_at"]
        used_until = used_until or self.facts["ends_at"]
        return self.checked_in(used_from)._tell(
            told.BookingCompleted, "completed", used_from=used_from, used_until=used_until, to_check=False
        )


@pytest.fixture
def lab() -> Lab:
    return Lab()


@pytest.fixture
def stats(make_instance: Callable[..., Instance]) -> Instance:
    return make_instance(SERVICE)


def tell(stats: Instance, *events: Event, now: datetime = NOW) -> None:
    """Handle `events` one by one, as if it were `now`."""
    for event in events:
        with stats.begin(now=now) as uow:
            SERVICE.handlers[type(event)](uow, event)


def rows(stats: Instance) -> tuple[Rows, Rows]:
    """Everything that is counted."""
    with stats.snapshot() as session:
        return (
            [tuple(row) for row in session.execute(_all(EquipmentDay))],
            [tuple(row) for row in session.execute(_all(OrganisationDay))],
        )


def _all(model: Any) -> sa.Select[Any]:
    return sa.select(*model.__table__.columns).order_by(*model.__table__.primary_key.columns)
