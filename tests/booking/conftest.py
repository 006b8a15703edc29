"""A facility in Brno with two instruments, two organisations, and the people around them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from flask.testing import FlaskClient

from services.booking import commands
from services.booking.app import SERVICE
from services.booking.domain.hours import HolidayCalendar
from services.booking.domain.prices import PriceList
from services.booking.domain.rules import Rules
from services.booking.models import Booking, Scope
from shared.auth import SYSTEM, Actor
from shared.calendar import Opening, Span
from shared.clock import utc_now
from shared.contracts.access import OrganisationChanged
from shared.contracts.catalogue import EquipmentChanged, FacilityChanged
from shared.service import Instance
from shared.unit_of_work import UnitOfWork
from tests.conftest import MONDAY, client_for, make_actor

PRAGUE = ZoneInfo("Europe/Prague")
OFFICE = tuple(Opening(weekday, 8 * 60, 16 * 60) for weekday in range(5))
NOW = MONDAY  # Monday 5 May 2031, 02:00 in Brno


def at(hour: float, day: int = 2) -> datetime:
    """A local time in Brno, `day` days after the Monday of the tests."""
    local = datetime(2031, 5, 5, tzinfo=PRAGUE) + timedelta(days=day, hours=hour)
    return local.astimezone(UTC)


def slot(start: float, end: float, day: int = 2) -> Span:
    """A slot between two local hours of a day, Wednesday if not said."""
    return Span(at(start, day), at(end, day))


def facility_told(facility_id: UUID, **changes: Any) -> FacilityChanged:
    facts: dict[str, Any] = {
        "sequence": 1,
        "facility_id": facility_id,
        "name": "Example Tomography Lab",
        "host_id": UUID(int=77),
        "host_name": "Example University",
        "region_id": "south-moravia",
        "country": "CZ",
        "time_zone": "Europe/Prague",
        "holiday_subdivision": None,
        "contact_email": "lab@example.org",
        "open": True,
    }
    return FacilityChanged(**facts | changes)


def equipment_told(equipment_id: UUID, facility_id: UUID, **changes: Any) -> EquipmentChanged:
    facts: dict[str, Any] = {
        "sequence": 1,
        "equipment_id": equipment_id,
        "slug": f"instrument-{equipment_id.hex[:6]}",
        "name": "Nano-CT",
        "facility_id": facility_id,
        "facility_name": "Example Tomography Lab",
        "region_id": "south-moravia",
        "country": "CZ",
        "time_zone": "Europe/Prague",
        "kind": "nanoct",
        "techniques": ("tomography",),
        "units": 1,
        "state": "published",
        "commissioned_on": None,
        "decommissioned_on": None,
    }
    return EquipmentChanged(**facts | changes)


def organisation_told(organisation_id: UUID, **changes: Any) -> OrganisationChanged:
    facts: dict[str, Any] = {
        "sequence": 1,
        "organisation_id": organisation_id,
        "name": "Example Instruments OÜ",
        "kind": "company",
        "size_class": "small",
        "country": "EE",
        "nuts_code": "EE008",
        "nuts_version": 2021,
        "active": True,
    }
    return OrganisationChanged(**facts | changes)


class Lab:
    """The booking service with one facility set up, and everybody who acts in the tests."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self._clients: dict[tuple[str, bool], FlaskClient] = {}
        self.facility, self.microscope, self.chambers = uuid4(), uuid4(), uuid4()
        self.firm, self.university = uuid4(), uuid4()
        self.booker = make_actor(f"member@{self.firm}", name="Ada Example")
        self.colleague = make_actor(f"member@{self.firm}", name="Ben Example")
        self.firm_admin = make_actor(f"organisation_admin@{self.firm}", name="Cora Example")
        self.scholar = make_actor(f"member@{self.university}", name="Dora Example")
        self.operator = make_actor(f"operator@{self.facility}", name="Otto Example")
        self.manager = make_actor(f"facility_manager@{self.facility}", name="Mara Example")
        self.stranger = make_actor(f"operator@{uuid4()}", f"member@{uuid4()}", name="Sven Example")
        self.administrator = make_actor("administrator", name="Root Example")

    def client(self, who: str, *, cookie: bool) -> FlaskClient:
        if (who, cookie) not in self._clients:
            actor = getattr(self, who, None)
            self._clients[who, cookie] = client_for(self.instance, actor, cookie=cookie)
        return self._clients[who, cookie]

    def work(self, actor: Actor = SYSTEM, now: datetime = NOW) -> AbstractContextManager[UnitOfWork]:
        return self.instance.begin(actor=actor, now=now)

    def set_up(self) -> None:
        with self.work() as uow:
            commands.learn_facility(uow, facility_told(self.facility))
            commands.learn_equipment(uow, equipment_told(self.microscope, self.facility))
            commands.learn_equipment(uow, equipment_told(self.chambers, self.facility, name="Climate chamber", units=3))
            commands.learn_organisation(uow, organisation_told(self.firm))
            commands.learn_organisation(
                uow,
                organisation_told(self.university, name="Example University", kind="university", size_class=None),
            )
        with self.work(self.manager) as uow:
            commands.set_opening_hours(
                uow,
                scope=Scope.FACILITY,
                scope_id=self.facility,
                weekly=OFFICE,
                calendar=HolidayCalendar("CZ"),
                valid_from=date(2031, 1, 1),
            )
            commands.set_rules(uow, scope=Scope.FACILITY, scope_id=self.facility, rules=RULES)
            commands.set_prices(uow, scope=Scope.FACILITY, scope_id=self.facility, prices=PRICES)

    def set_rules(self, **changes: Any) -> None:
        values = {name: getattr(RULES, name) for name in Rules.__dataclass_fields__}
        with self.work(self.manager) as uow:
            commands.set_rules(uow, scope=Scope.FACILITY, scope_id=self.facility, rules=Rules(**values | changes))

    def request(
        self,
        wanted: Span,
        *,
        actor: Actor | None = None,
        equipment: UUID | None = None,
        organisation: UUID | None = None,
        now: datetime = NOW,
        **more: Any,
    ) -> Booking:
        with self.work(actor or self.booker, now) as uow:
            return commands.request_slot(
                uow,
                equipment_id=equipment or self.microscope,
                slot=wanted,
                organisation_id=organisation or self.firm,
                purpose=more.pop("purpose", "Pores in six housings"),
                **more,
            )

    def do(
        self,
        command: Callable[..., Booking],
        booking: Booking,
        actor: Actor,
        *,
        now: datetime = NOW,
        **more: Any,
    ) -> Booking:
        with self.work(actor, now) as uow:
            return command(uow, booking.id, **more)

    def bookable_now(self, **rules: Any) -> None:
        """Open round the clock from now on, for tests that go by the real clock."""
        self.set_rules(lead_time=timedelta(), **rules)
        with self.work(self.manager, utc_now()) as uow:
            commands.set_opening_hours(
                uow,
                scope=Scope.EQUIPMENT,
                scope_id=self.microscope,
                weekly=[Opening(weekday, 0, 1440) for weekday in range(7)],
                calendar=None,
            )

    @staticmethod
    def soon(start: int, end: int, days: int = 2) -> dict[str, str]:
        """Two hours of the UTC clock, some days from now, as requests write them."""
        day = utc_now().replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=days)
        return {
            "starts_at": (day + timedelta(hours=start)).isoformat(),
            "ends_at": (day + timedelta(hours=end)).isoformat(),
        }

    def approved(self, wanted: Span, **more: Any) -> Booking:
        return self.do(commands.approve, self.request(wanted, **more), self.operator)

    def in_use(self, wanted: Span) -> Booking:
        return self.do(commands.check_in, self.approved(wanted), self.booker, now=wanted.starts_at)


RULES = Rules(
    min_duration=timedelta(hours=1),
    max_duration=timedelta(hours=8),
    granularity=timedelta(minutes=30),
    lead_time=timedelta(hours=24),
    horizon=timedelta(days=60),
    buffer_before=timedelta(minutes=15),
    buffer_after=timedelta(minutes=15),
    cancel_before=timedelta(hours=24),
)
PRICES = PriceList(
    valid_from=date(2031, 1, 1), currency="EUR", market_cents=11_800, other_cents=7_400, set_up_cents=6_000
)


@pytest.fixture
def lab(make_instance: Callable[..., Instance]) -> Lab:
    lab = Lab(make_instance(SERVICE))
    lab.set_up()
    return lab
