"""No two bookings overlap: the database refuses it, and races leave one winner."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from services.booking import commands
from services.booking.domain.states import DeclineReason, State
from services.booking.models import Booking, BookingHistory
from shared.auth import Actor
from shared.errors import DomainError
from tests.booking.conftest import Lab, slot
from tests.conftest import client_for, make_actor, told


def copy_of(lab: Lab, booking: Booking, **changes: Any) -> None:
    """Write a row beside all use cases."""
    with lab.instance.begin() as uow:
        row = uow.session.execute(sa.select(Booking.__table__).where(Booking.id == booking.id)).one()
        values = dict(row._mapping) | {"id": uuid4(), "reference": uuid4().hex[:9]} | changes
        uow.session.execute(sa.insert(Booking), values)


def test_the_database_refuses_an_overlap_whatever_the_code_does(lab: Lab) -> None:
    booking = lab.request(slot(9, 12))
    with pytest.raises(IntegrityError):
        copy_of(lab, booking)
    with pytest.raises(IntegrityError):  # one minute of the buffers
        copy_of(
            lab,
            booking,
            busy_from=booking.busy_to - timedelta(minutes=1),
            busy_to=booking.busy_to + timedelta(hours=1),
        )


def test_the_database_lets_spans_touch_units_differ_and_the_dead_lie(lab: Lab) -> None:
    booking = lab.request(slot(9, 12))
    copy_of(lab, booking, busy_from=booking.busy_to, busy_to=booking.busy_to + timedelta(hours=1))
    copy_of(lab, booking, unit=2)
    for state in State:
        if not state.holds_slot:
            copy_of(lab, booking, state=state)


def test_the_database_refuses_an_update_into_an_overlap(lab: Lab) -> None:
    booking = lab.request(slot(9, 12))
    other = lab.request(slot(13, 15))
    with pytest.raises(IntegrityError), lab.instance.begin() as uow:
        uow.session.execute(
            sa.update(Booking).where(Booking.id == other.id).values(busy_from=booking.busy_to - timedelta(minutes=5))
        )
    withdrawn = lab.do(commands.withdraw, other, lab.booker)
    copy_of(lab, other, state=State.REQUESTED)
    with pytest.raises(IntegrityError), lab.instance.begin() as uow:
        uow.session.execute(sa.update(Booking).where(Booking.id == withdrawn.id).values(state=State.APPROVED))


def test_a_row_may_change_in_its_own_place(lab: Lab) -> None:
    booking = lab.request(slot(9, 12))
    with lab.instance.begin() as uow:
        uow.session.execute(
            sa.update(Booking).where(Booking.id == booking.id).values(busy_to=booking.busy_to + timedelta(minutes=5))
        )


def at_once(*deeds: Callable[[], Any]) -> list[Any]:
    """Do all of it at the same moment; what each gave or raised."""
    ready = threading.Barrier(len(deeds))
    results: list[Any] = [None] * len(deeds)

    def run(place: int, deed: Callable[[], Any]) -> None:
        ready.wait()
        try:
            results[place] = deed()
        except DomainError as refusal:
            results[place] = refusal

    threads = [threading.Thread(target=run, args=each) for each in enumerate(deeds)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_of_fifty_who_want_one_slot_one_gets_it(lab: Lab) -> None:
    people: list[Actor] = [make_actor(f"member@{lab.firm}") for _ in range(50)]
    wanted = slot(9, 12)

    def ask(person: Actor) -> Callable[[], Any]:
        return lambda: lab.request(wanted, actor=person)

    results = at_once(*map(ask, people))
    kinds = Counter(type(each).__name__ for each in results)
    assert kinds == {"Booking": 1, "SlotTaken": 49}
    assert [type(event).__name__ for event in told(lab.instance)][2:] == ["BookingRequested"]


def test_fifty_clients_over_http_get_one_201_and_49_conflicts(lab: Lab) -> None:
    clients = [client_for(lab.instance, make_actor(f"member@{lab.firm}")) for _ in range(50)]
    lab.bookable_now()
    body = {"equipment_id": str(lab.microscope), "organisation_id": str(lab.firm), "purpose": "x"} | lab.soon(9, 12)
    results = at_once(*(lambda client=client: client.post("/booking/api/v1/bookings", json=body) for client in clients))
    assert Counter(each.status_code for each in results) == {201: 1, 409: 49}
    assert {each.json["code"] for each in results if each.status_code == 409} == {"slot-taken"}
    assert all(each.json["alternatives"] for each in results if each.status_code == 409)


@pytest.mark.parametrize("round_", range(5))
@pytest.mark.parametrize(
    ("one", "other"), [("approve", "decline"), ("approve", "withdraw"), ("withdraw", "decline"), ("approve", "approve")]
)
def test_of_two_decisions_at_once_one_stands(lab: Lab, one: str, other: str, round_: int) -> None:
    booking = lab.request(slot(9, 12))
    deeds: dict[str, Callable[[], Any]] = {
        "approve": lambda: lab.do(commands.approve, booking, lab.operator),
        "decline": lambda: lab.do(
            commands.decline, booking, lab.operator, reason_code=DeclineReason.OTHER, reason="No."
        ),
        "withdraw": lambda: lab.do(commands.withdraw, booking, lab.booker),
    }
    results = at_once(deeds[one], deeds[other])
    assert Counter(isinstance(each, Booking) for each in results) == {True: 1, False: 1}
    assert [each.code for each in results if isinstance(each, DomainError)] == ["wrong-state"]
    with lab.instance.snapshot() as session:
        assert session.get_one(Booking, booking.id).sequence == 2
        lines = session.scalars(sa.select(BookingHistory).where(BookingHistory.booking_id == booking.id)).all()
    assert len(lines) == 2


def test_units_are_shared_out_without_a_gap_by_many_at_once(lab: Lab) -> None:
    def ask() -> Any:
        return lab.request(slot(9, 12), equipment=lab.chambers)

    results = at_once(*[ask] * 12)
    assert sorted(each.unit for each in results if isinstance(each, Booking)) == [1, 2, 3]
    assert len([each for each in results if isinstance(each, DomainError)]) == 9
