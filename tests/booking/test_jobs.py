"""What happens by the clock: late, twice and never are all harmless."""

from __future__ import annotations

from datetime import date, timedelta

import sqlalchemy as sa

from services.booking import commands, jobs
from services.booking.domain.states import DowntimeKind, Party, State
from services.booking.models import Booking, OpeningWeek
from shared.contracts.booking import BookingCancelled, BookingCompleted, BookingExpired, BookingNoShow
from tests.booking.conftest import NOW, Lab, at, slot
from tests.conftest import told


def state_of(lab: Lab, booking: Booking) -> State:
    with lab.instance.snapshot() as session:
        return session.get_one(Booking, booking.id).state


def test_requests_lapse_when_their_time_begins(lab: Lab) -> None:
    booking = lab.request(slot(9, 12))
    jobs.close_what_is_due(lab.instance, now=at(8.9))
    assert state_of(lab, booking) is State.REQUESTED
    jobs.close_what_is_due(lab.instance, now=at(9))
    jobs.close_what_is_due(lab.instance, now=at(9.1))
    assert state_of(lab, booking) is State.EXPIRED
    event = told(lab.instance)[-1]
    assert isinstance(event, BookingExpired)
    assert (event.sequence, event.actor_role) == (2, "system")


def test_whoever_does_not_come_in_time_is_a_no_show(lab: Lab) -> None:
    booking = lab.approved(slot(9, 12))
    jobs.close_what_is_due(lab.instance, now=at(9.4))
    assert state_of(lab, booking) is State.APPROVED
    jobs.close_what_is_due(lab.instance, now=at(9.5))
    event = told(lab.instance)[-1]
    assert isinstance(event, BookingNoShow)
    assert event.released_at == at(9.5)


def test_after_a_breakdown_nobody_is_a_no_show(lab: Lab) -> None:
    booking = lab.approved(slot(9, 12))
    with lab.work(lab.operator) as uow:
        commands.record_downtime(
            uow,
            equipment_id=lab.microscope,
            kind=DowntimeKind.UNPLANNED,
            starts_at=at(8),
            ends_at=None,
            reason="Broken",
        )
    jobs.close_what_is_due(lab.instance, now=at(9.6))
    assert state_of(lab, booking) is State.CANCELLED
    event = told(lab.instance)[-1]
    assert isinstance(event, BookingCancelled)
    assert (event.cancelled_by, event.late) == ("system", False)
    with lab.instance.snapshot() as session:
        assert session.get_one(Booking, booking.id).cancelled_by is Party.SYSTEM


def test_use_nobody_ended_ends_at_its_planned_end_and_is_marked(lab: Lab) -> None:
    booking = lab.in_use(slot(9, 12))
    jobs.close_what_is_due(lab.instance, now=at(12.9))
    assert state_of(lab, booking) is State.IN_USE
    jobs.close_what_is_due(lab.instance, now=at(13))
    event = told(lab.instance)[-1]
    assert isinstance(event, BookingCompleted)
    assert (event.used_until, event.to_check) == (at(12), True)


def test_many_are_closed_and_the_rest_is_left_alone(lab: Lab) -> None:
    lapsed = [lab.request(slot(9, 12), equipment=lab.chambers) for _ in range(3)]
    later = lab.request(slot(14, 15))
    jobs.close_what_is_due(lab.instance, now=at(12))
    assert {state_of(lab, booking) for booking in lapsed} == {State.EXPIRED}
    assert state_of(lab, later) is State.REQUESTED


def test_holidays_that_come_within_reach_are_resolved(lab: Lab) -> None:
    before = len(told(lab.instance))
    jobs.extend_closed_days(lab.instance, now=NOW)
    assert len(told(lab.instance)) == before
    jobs.extend_closed_days(lab.instance, now=NOW + timedelta(days=365))
    with lab.instance.snapshot() as session:
        week = session.scalars(sa.select(OpeningWeek)).one()
    assert week.known_until > date(2033, 9, 1)
    assert "2033-01-01" in week.closed_on
    assert len(told(lab.instance)) == before + 2
