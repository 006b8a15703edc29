"""Use cases: what they change, what they tell, what they refuse; on both engines."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa

from services.booking import commands, queries
from services.booking.domain.hours import HolidayCalendar
from services.booking.domain.prices import PriceList
from services.booking.domain.refusals import (
    EquipmentDown,
    NoSuchBooking,
    NoSuchDowntime,
    NoSuchEquipment,
    NoSuchFacility,
    OrganisationInactive,
    OrganisationUnknown,
    RulesBroken,
    SlotTaken,
    TooEarly,
    TooLate,
    WrongState,
)
from services.booking.domain.rules import Rules
from services.booking.domain.states import (
    SLOT_HOLDING,
    TRANSITIONS,
    Act,
    DeclineReason,
    DowntimeKind,
    Party,
    State,
    acts_open_to,
)
from services.booking.models import Booking, BookingHistory, Downtime, Equipment, OpeningWeek, Scope
from shared.auth import ANONYMOUS, Actor
from shared.calendar import Opening
from shared.contracts.booking import (
    BookingApproved,
    BookingCancelled,
    BookingCheckedIn,
    BookingCompleted,
    BookingDeclined,
    BookingEvent,
    BookingExpired,
    BookingNoShow,
    BookingRequested,
    BookingWithdrawn,
    DowntimeChanged,
    OpeningHoursChanged,
)
from shared.errors import DomainError, Forbidden, Unauthorised
from shared.events import Event
from tests.booking.conftest import NOW, OFFICE, RULES, Lab, at, equipment_told, organisation_told, slot
from tests.conftest import emitted, make_actor, told


def told_of(lab: Lab, booking: Booking) -> list[BookingEvent]:
    return [each for each in told(lab.instance) if isinstance(each, BookingEvent) and each.booking_id == booking.id]


def stored(lab: Lab, booking: Booking) -> Booking:
    with lab.instance.snapshot() as session:
        return session.get_one(Booking, booking.id)


def history(lab: Lab, booking: Booking) -> list[tuple[int, State, Party, str]]:
    with lab.instance.snapshot() as session:
        return [(h.sequence, h.state, h.actor_role, h.reason) for h in queries.history_of(session, booking.id)]


# --- asking -----------------------------------------------------------------------------------------


def test_a_request_keeps_the_slot_and_all_facts_of_the_moment(lab: Lab) -> None:
    booking = lab.request(slot(9, 12))
    kept = stored(lab, booking)
    assert kept.state is State.REQUESTED
    assert (kept.sequence, kept.unit) == (1, 1)
    assert (kept.busy_from, kept.busy_to) == (at(8.75), at(12.25))
    assert (kept.price_cents, kept.currency, kept.price_rate) == (3 * 11_800 + 6_000, "EUR", "market")
    assert (kept.organisation_name, kept.size_class, kept.organisation_nuts) == (
        "Example Instruments OÜ",
        "small",
        "EE008",
    )
    assert kept.answer_due_at == NOW + RULES.answer_within
    assert kept.cancel_until == at(9) - timedelta(hours=24)
    assert (kept.check_in_from, kept.check_in_until) == (at(8.75), at(9.5))
    assert history(lab, booking) == [(1, State.REQUESTED, Party.BOOKER, "")]
    (event,) = told_of(lab, booking)
    assert isinstance(event, BookingRequested)
    assert (event.sequence, event.state, event.actor_role) == (1, "requested", "booker")
    assert (event.reference, event.price_cents, event.answer_due_at) == (kept.reference, 41_400, kept.answer_due_at)


def test_universities_pay_the_other_rate(lab: Lab) -> None:
    booking = lab.request(slot(9, 10), actor=lab.scholar, organisation=lab.university)
    assert (booking.price_cents, booking.price_rate) == (7_400 + 6_000, "other")


def test_where_no_approval_is_needed_a_request_is_approved_at_once(lab: Lab) -> None:
    lab.set_rules(needs_approval=False)
    booking = lab.request(slot(9, 12))
    assert stored(lab, booking).state is State.APPROVED
    assert stored(lab, booking).automatic
    assert [type(event) for event in told_of(lab, booking)] == [BookingRequested, BookingApproved]
    assert [event.sequence for event in told_of(lab, booking)] == [1, 2]
    assert history(lab, booking) == [(1, State.REQUESTED, Party.BOOKER, ""), (2, State.APPROVED, Party.SYSTEM, "")]


def test_all_broken_rules_are_refused_at_once_and_nothing_is_saved(lab: Lab) -> None:
    with pytest.raises(RulesBroken) as refusal:
        lab.request(slot(6, 6.25, day=0))
    assert [fault.code for fault in refusal.value.faults] == [
        "lead-time", "min-duration", "granularity", "outside-opening-hours",
    ]  # fmt: skip
    with lab.instance.snapshot() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Booking)) == 0


@pytest.mark.parametrize("wanted", [slot(10, 11), slot(8, 9), slot(12, 13), slot(8, 16), slot(11.5, 12.5)])
def test_a_slot_may_not_touch_another_or_its_buffers(lab: Lab, wanted: Any) -> None:
    lab.request(slot(9, 12))
    with pytest.raises(SlotTaken) as refusal:
        lab.request(wanted, actor=lab.scholar, organisation=lab.university)
    assert [fault.code for fault in refusal.value.faults] == ["slot-taken"]


def test_buffers_may_meet(lab: Lab) -> None:
    lab.request(slot(9, 12))
    lab.request(slot(12.5, 14))  # a quarter of an hour after the one, a quarter before the other


def test_a_taken_slot_is_refused_with_the_nearest_free_times_that_keep_the_rules(lab: Lab) -> None:
    lab.request(slot(9, 12, day=1))
    with pytest.raises(SlotTaken) as refusal:
        lab.request(slot(10, 12, day=1))
    others = refusal.value.details["alternatives"]
    assert isinstance(others, list)
    assert [each["starts_at"] for each in others] == [
        at(12.5, day=1).isoformat(), at(8, day=2).isoformat(), at(8, day=4).isoformat(),
    ]  # fmt: skip
    assert "The nearest free time is Tue 6 May 2031, 12:30–14:30." in str(refusal.value)


def test_units_are_given_one_after_the_other(lab: Lab) -> None:
    units = [lab.request(slot(9, 12), equipment=lab.chambers).unit for _ in range(3)]
    assert units == [1, 2, 3]
    with pytest.raises(SlotTaken):
        lab.request(slot(11, 13), equipment=lab.chambers)


def test_who_may_ask_for_whom(lab: Lab) -> None:
    for actor, refusal in [(lab.stranger, Forbidden), (lab.operator, Forbidden), (ANONYMOUS, Unauthorised)]:
        with pytest.raises(refusal):
            lab.request(slot(9, 12), actor=actor)
    lab.request(slot(9, 12), actor=lab.administrator)


def test_an_organisation_that_is_not_known_yet_or_no_longer_active(lab: Lab) -> None:
    newcomer = uuid4()
    actor = make_actor(f"member@{newcomer}")
    with pytest.raises(OrganisationUnknown):
        lab.request(slot(9, 12), actor=actor, organisation=newcomer)
    with lab.work() as uow:
        commands.learn_organisation(uow, organisation_told(newcomer, active=False))
    with pytest.raises(OrganisationInactive):
        lab.request(slot(9, 12), actor=actor, organisation=newcomer)


def test_equipment_that_is_not_there_draft_or_withdrawn(lab: Lab) -> None:
    with pytest.raises(NoSuchEquipment):
        lab.request(slot(9, 12), equipment=uuid4())
    with lab.work() as uow:
        commands.learn_equipment(uow, equipment_told(lab.microscope, lab.facility, sequence=2, state="draft"))
    with pytest.raises(NoSuchEquipment):
        lab.request(slot(9, 12))
    with lab.work() as uow:
        commands.learn_equipment(uow, equipment_told(lab.microscope, lab.facility, sequence=3, state="withdrawn"))
    with pytest.raises(RulesBroken, match="One rule is not met") as refusal:
        lab.request(slot(9, 12))
    assert refusal.value.faults[0].code == "equipment-withdrawn"


def test_a_changed_rule_never_touches_a_booking_already_made(lab: Lab) -> None:
    booking = lab.request(slot(9, 12))
    lab.set_rules(buffer_after=timedelta(hours=2), cancel_before=timedelta(hours=1))
    kept = stored(lab, booking)
    assert (kept.busy_to, kept.cancel_until) == (at(12.25), at(9) - timedelta(hours=24))


def test_a_dry_run_says_what_would_happen_and_saves_nothing(lab: Lab) -> None:
    with lab.instance.snapshot() as session:
        good = queries.verdict(session, lab.microscope, lab.firm, slot(9, 12), now=NOW)
        bad = queries.verdict(session, lab.microscope, lab.firm, slot(6, 6.25, day=0), now=NOW)
    assert good.accepted
    assert good.price is not None
    assert (good.price.cents, good.needs_approval) == (41_400, True)
    assert [fault.code for fault in bad.faults] == ["lead-time", "min-duration", "granularity", "outside-opening-hours"]
    lab.request(slot(9, 12))
    with lab.instance.snapshot() as session:
        taken = queries.verdict(session, lab.microscope, lab.firm, slot(10, 12), now=NOW)
    assert taken.taken
    assert not taken.faults
    assert len(taken.alternatives) == 3


# --- deciding ---------------------------------------------------------------------------------------


def test_an_operator_approves(lab: Lab) -> None:
    booking = lab.request(slot(9, 12))
    lab.do(commands.approve, booking, lab.operator)
    kept = stored(lab, booking)
    assert (kept.state, kept.sequence, kept.decided_by) == (State.APPROVED, 2, lab.operator.id)
    event = told_of(lab, booking)[-1]
    assert isinstance(event, BookingApproved)
    assert (event.automatic, event.actor_role, event.sequence) == (False, "operator", 2)


def test_an_operator_declines_and_the_slot_is_free_again(lab: Lab) -> None:
    booking = lab.request(slot(9, 12))
    lab.do(commands.decline, booking, lab.operator, reason_code=DeclineReason.NO_CAPACITY, reason="Try the week after.")
    event = told_of(lab, booking)[-1]
    assert isinstance(event, BookingDeclined)
    assert (event.reason_code, event.reason) == ("no_capacity", "Try the week after.")
    assert history(lab, booking)[-1] == (2, State.DECLINED, Party.OPERATOR, "Try the week after.")
    lab.request(slot(9, 12))


def test_the_booker_withdraws(lab: Lab) -> None:
    booking = lab.request(slot(9, 12))
    lab.do(commands.withdraw, booking, lab.booker)
    assert isinstance(told_of(lab, booking)[-1], BookingWithdrawn)
    lab.request(slot(9, 12))


@pytest.mark.parametrize("who", ["stranger", "colleague", "scholar"])
def test_others_bookings_are_not_there(lab: Lab, who: str) -> None:
    booking = lab.request(slot(9, 12))
    with pytest.raises(NoSuchBooking):
        lab.do(commands.approve, booking, getattr(lab, who))


def test_whoever_sees_a_booking_may_not_do_everything_with_it(lab: Lab) -> None:
    booking = lab.request(slot(9, 12))
    with pytest.raises(Forbidden):
        lab.do(commands.approve, booking, lab.booker)
    with pytest.raises(Forbidden):
        lab.do(commands.withdraw, booking, lab.operator)
    with pytest.raises(Forbidden):
        lab.do(commands.expire, booking, lab.booker)


def test_an_administrator_of_the_organisation_acts_as_the_booker(lab: Lab) -> None:
    booking = lab.request(slot(9, 12))
    lab.do(commands.withdraw, booking, lab.firm_admin)
    assert history(lab, booking)[-1][2] is Party.BOOKER


def test_repeating_a_transition_is_a_clean_conflict(lab: Lab) -> None:
    booking = lab.approved(slot(9, 12))
    with pytest.raises(WrongState, match="already approved"):
        lab.do(commands.approve, booking, lab.operator)
    assert len(told_of(lab, booking)) == 2


def test_a_request_whose_time_is_over_can_no_longer_be_approved(lab: Lab) -> None:
    booking = lab.request(slot(9, 12))
    with pytest.raises(TooLate):
        lab.do(commands.approve, booking, lab.operator, now=at(12))


@pytest.mark.parametrize(("hours_before", "late"), [(25, False), (24, False), (23, True)])
def test_a_cancellation_after_the_deadline_is_late(lab: Lab, hours_before: int, late: bool) -> None:
    booking = lab.approved(slot(9, 12))
    lab.do(commands.cancel, booking, lab.booker, now=at(9) - timedelta(hours=hours_before))
    event = told_of(lab, booking)[-1]
    assert isinstance(event, BookingCancelled)
    assert (event.late, event.cancelled_by, event.reason) == (late, "booker", "")
    lab.request(slot(9, 12))  # free again


def test_an_operator_must_say_why_and_is_never_late(lab: Lab) -> None:
    booking = lab.approved(slot(9, 12))
    with pytest.raises(RulesBroken) as refusal:
        lab.do(commands.cancel, booking, lab.operator)
    assert refusal.value.faults[0].field == "reason"
    lab.do(commands.cancel, booking, lab.operator, reason="The tube broke.", now=at(8.9))
    event = told_of(lab, booking)[-1]
    assert isinstance(event, BookingCancelled)
    assert (event.late, event.cancelled_by, event.reason) == (False, "operator", "The tube broke.")


def test_a_booking_that_has_begun_can_no_longer_be_cancelled_by_the_booker(lab: Lab) -> None:
    booking = lab.approved(slot(9, 12))
    with pytest.raises(TooLate):
        lab.do(commands.cancel, booking, lab.booker, now=at(9))


# --- using ------------------------------------------------------------------------------------------


def test_check_in_and_out_and_the_rest_is_free(lab: Lab) -> None:
    booking = lab.in_use(slot(9, 12))
    lab.do(commands.check_out, booking, lab.booker, now=at(11))
    kept = stored(lab, booking)
    assert (kept.state, kept.used_from, kept.used_until, kept.busy_to, kept.to_check) == (
        State.COMPLETED, at(9), at(11), at(11), False,
    )  # fmt: skip
    checked_in, completed = told_of(lab, booking)[-2:]
    assert isinstance(checked_in, BookingCheckedIn)
    assert isinstance(completed, BookingCompleted)
    assert (completed.used_from, completed.used_until) == (at(9), at(11))


@pytest.mark.parametrize(
    ("who", "when", "refusal"),
    [
        ("booker", 8.7, TooEarly),
        ("booker", 8.75, None),
        ("booker", 9.5, None),
        ("booker", 9.6, TooLate),
        ("operator", 9.6, None),
        ("operator", 12, TooLate),
    ],
)
def test_the_check_in_window(lab: Lab, who: str, when: float, refusal: type[DomainError] | None) -> None:
    booking = lab.approved(slot(9, 12))
    if refusal:
        with pytest.raises(refusal):
            lab.do(commands.check_in, booking, getattr(lab, who), now=at(when))
    else:
        assert lab.do(commands.check_in, booking, getattr(lab, who), now=at(when)).used_from == at(when)


def test_nobody_checks_in_at_equipment_that_is_down(lab: Lab) -> None:
    booking = lab.approved(slot(9, 12))
    downtime(lab, at(8), None)
    with pytest.raises(EquipmentDown):
        lab.do(commands.check_in, booking, lab.booker, now=at(9))


def test_use_that_begins_and_ends_in_one_moment_is_still_use(lab: Lab) -> None:
    booking = lab.in_use(slot(9, 12))
    done = lab.do(commands.check_out, booking, lab.operator, now=at(9))
    assert done.used_from is not None
    assert done.used_until is not None
    assert done.used_until > done.used_from


def test_a_no_show_frees_the_rest(lab: Lab) -> None:
    booking = lab.approved(slot(9, 12))
    with pytest.raises(TooEarly):
        lab.do(commands.record_no_show, booking, lab.operator, now=at(9.25))
    lab.do(commands.record_no_show, booking, lab.operator, now=at(9.5))
    assert stored(lab, booking).busy_to == at(9.5)
    event = told_of(lab, booking)[-1]
    assert isinstance(event, BookingNoShow)
    assert event.released_at == at(9.5)


# --- downtime ---------------------------------------------------------------------------------------


def downtime(lab: Lab, start: Any, end: Any, **more: Any) -> tuple[Downtime, Any]:
    with lab.work(more.pop("actor", lab.operator), more.pop("now", NOW)) as uow:
        return commands.record_downtime(
            uow,
            equipment_id=lab.microscope,
            kind=DowntimeKind.UNPLANNED,
            starts_at=start,
            ends_at=end,
            reason="Broken",
            **more,
        )


def test_downtime_blocks_and_answers_with_the_bookings_it_hits(lab: Lab) -> None:
    booking = lab.approved(slot(9, 12))
    lab.approved(slot(13, 15))
    recorded, hit = downtime(lab, at(8), at(12))
    assert [each.id for each in hit] == [booking.id]
    with pytest.raises(RulesBroken) as refusal:
        lab.request(slot(8, 9))
    assert [fault.code for fault in refusal.value.faults] == ["downtime"]
    with lab.work(lab.operator) as uow:
        commands.end_downtime(uow, recorded.id, ends_at=at(8.5))
        commands.withdraw_downtime(uow, recorded.id)
        first, second = emitted(uow)
        assert isinstance(first, DowntimeChanged)
        assert isinstance(second, DowntimeChanged)
        assert (first.sequence, first.ends_at, first.withdrawn) == (2, at(8.5), False)
        assert (second.sequence, second.withdrawn) == (3, True)
    with pytest.raises(WrongState), lab.work(lab.operator) as uow:
        commands.end_downtime(uow, recorded.id)


def test_downtime_of_others_and_impossible_times(lab: Lab) -> None:
    with pytest.raises(Forbidden):
        downtime(lab, at(8), at(9), actor=lab.booker)
    with pytest.raises(RulesBroken):
        downtime(lab, at(9), at(9))
    with pytest.raises(NoSuchDowntime), lab.work(lab.operator) as uow:
        commands.end_downtime(uow, uuid4())


# --- opening hours, rules, prices -------------------------------------------------------------------


def hours_told(events: list[Event]) -> list[OpeningHoursChanged]:
    return [each for each in events if isinstance(each, OpeningHoursChanged)]


def test_hours_of_a_facility_hold_for_its_equipment_and_are_told_for_each(lab: Lab) -> None:
    told_hours = hours_told(told(lab.instance))
    assert {each.equipment_id for each in told_hours} == {lab.microscope, lab.chambers}
    for each in told_hours:
        assert (each.sequence, each.valid_from, each.weekly) == (1, date(2031, 1, 1), OFFICE)
        assert date(2031, 5, 8) in each.closed_on
        assert each.closures_known_until >= date(2032, 6, 30)


def test_equipment_with_hours_of_its_own_no_longer_follows_its_facility(lab: Lab) -> None:
    with lab.work(lab.manager) as uow:
        commands.set_opening_hours(
            uow, scope=Scope.EQUIPMENT, scope_id=lab.microscope, weekly=[Opening(2, 0, 1440)], calendar=None,
            valid_from=date(2031, 5, 20),
        )  # fmt: skip
        (event,) = hours_told(emitted(uow))
        assert (event.equipment_id, event.sequence, event.valid_from) == (lab.microscope, 2, date(2031, 5, 20))
    with lab.work(lab.manager) as uow:
        commands.set_opening_hours(
            uow, scope=Scope.FACILITY, scope_id=lab.facility, weekly=[Opening(0, 0, 60)], calendar=None,
            valid_from=date(2031, 6, 1),
        )  # fmt: skip
        assert [each.equipment_id for each in hours_told(emitted(uow))].count(lab.chambers) == 1
    with lab.instance.snapshot() as session:
        timetable = queries.equipment(session, lab.microscope).terms.timetable
    assert [week.valid_from for week in timetable.weeks] == [date(2031, 1, 1), date(2031, 5, 20)]
    lab.request(slot(20, 24, day=23))  # Wednesday 28 May, round the clock


def test_the_past_stays_as_it_was(lab: Lab) -> None:
    with pytest.raises(RulesBroken) as refusal, lab.work(lab.manager) as uow:
        commands.set_opening_hours(
            uow, scope=Scope.FACILITY, scope_id=lab.facility, weekly=OFFICE, calendar=None, valid_from=date(2031, 5, 4)
        )
    assert [fault.code for fault in refusal.value.faults] == ["in-the-past"]
    with pytest.raises(RulesBroken), lab.work(lab.manager) as uow:
        commands.set_prices(
            uow, scope=Scope.FACILITY, scope_id=lab.facility,
            prices=PriceList(valid_from=date(2031, 5, 4), currency="EUR", market_cents=1, other_cents=1),
        )  # fmt: skip


def test_hours_set_for_today_are_replaced_by_setting_them_again(lab: Lab) -> None:
    for weekly in (OFFICE[:3], OFFICE[:4]):
        with lab.work(lab.manager) as uow:
            commands.set_opening_hours(uow, scope=Scope.FACILITY, scope_id=lab.facility, weekly=weekly, calendar=None)
    with lab.instance.snapshot() as session:
        weeks = queries.weeks_of(session, lab.facility)
        assert [(week.valid_from, week.sequence, len(week.weekly)) for week in weeks] == [
            (date(2031, 1, 1), 1, 5), (date(2031, 5, 5), 3, 4),
        ]  # fmt: skip


def test_overlapping_hours_and_impossible_rules_are_refused(lab: Lab) -> None:
    with pytest.raises(RulesBroken) as refusal, lab.work(lab.manager) as uow:
        commands.set_opening_hours(
            uow,
            scope=Scope.FACILITY,
            scope_id=lab.facility,
            weekly=[Opening(0, 60, 120), Opening(0, 100, 180)],
            calendar=None,
        )
    assert refusal.value.faults[0].code == "hours-overlap"
    with pytest.raises(RulesBroken), lab.work(lab.manager) as uow:
        commands.set_rules(
            uow, scope=Scope.FACILITY, scope_id=lab.facility, rules=Rules(max_duration=timedelta(minutes=1))
        )


@pytest.mark.parametrize("who", ["operator", "booker", "stranger"])
def test_only_managers_set_anything(lab: Lab, who: str) -> None:
    with pytest.raises(Forbidden), lab.work(getattr(lab, who)) as uow:
        commands.set_rules(uow, scope=Scope.FACILITY, scope_id=lab.facility, rules=RULES)
    with pytest.raises(Forbidden), lab.work(getattr(lab, who)) as uow:
        commands.set_opening_hours(uow, scope=Scope.EQUIPMENT, scope_id=lab.microscope, weekly=OFFICE, calendar=None)


def test_settings_of_nothing(lab: Lab) -> None:
    with pytest.raises(NoSuchFacility), lab.work(lab.administrator) as uow:
        commands.set_rules(uow, scope=Scope.FACILITY, scope_id=uuid4(), rules=RULES)
    with pytest.raises(NoSuchEquipment), lab.work(lab.administrator) as uow:
        commands.set_rules(uow, scope=Scope.EQUIPMENT, scope_id=uuid4(), rules=RULES)


def test_rules_and_prices_of_equipment_go_before_those_of_its_facility(lab: Lab) -> None:
    with lab.work(lab.manager) as uow:
        commands.set_rules(
            uow,
            scope=Scope.EQUIPMENT,
            scope_id=lab.microscope,
            rules=Rules(needs_approval=False, lead_time=timedelta()),
        )
        commands.set_prices(
            uow, scope=Scope.EQUIPMENT, scope_id=lab.microscope,
            prices=PriceList(valid_from=date(2031, 1, 1), currency="CZK", market_cents=100_000, other_cents=None),
        )  # fmt: skip
    booking = lab.request(slot(9, 10))
    assert (booking.state, booking.price_cents, booking.currency) == (State.APPROVED, 100_000, "CZK")
    other = lab.request(slot(9, 10), equipment=lab.chambers)
    assert (other.state, other.currency) == (State.REQUESTED, "EUR")


def test_closed_days_are_extended_and_those_already_known_stay(lab: Lab) -> None:
    with lab.instance.begin() as uow:
        week = uow.session.scalars(sa.select(OpeningWeek)).one()
        week.closed_on = {"2031-05-08": "as it was known then"}
        week.known_until = date(2031, 12, 31)
    with lab.work() as uow:
        commands.extend_closed_days(uow, scope=Scope.FACILITY, scope_id=lab.facility)
        events = hours_told(emitted(uow))
    with lab.instance.snapshot() as session:
        week = session.scalars(sa.select(OpeningWeek)).one()
        assert week.closed_on["2031-05-08"] == "as it was known then"
        assert "2032-01-01" in week.closed_on
        assert week.known_until > date(2032, 10, 1)
    assert {each.equipment_id for each in events} == {lab.microscope, lab.chambers}
    assert all(each.valid_from == date(2031, 5, 5) for each in events)
    with lab.work() as uow:
        commands.extend_closed_days(uow, scope=Scope.FACILITY, scope_id=lab.facility)
        assert emitted(uow) == []


def test_a_holiday_calendar_that_shortens_days_is_told_as_weeks(lab: Lab) -> None:
    calendar = HolidayCalendar.usual("EE")
    with lab.work(lab.manager) as uow:
        commands.set_opening_hours(
            uow,
            scope=Scope.EQUIPMENT,
            scope_id=lab.microscope,
            weekly=OFFICE,
            calendar=calendar,
            valid_from=date(2031, 12, 1),
        )
        events = hours_told(emitted(uow))
    assert [each.valid_from for each in events][:3] == [date(2031, 12, 1), date(2031, 12, 23), date(2031, 12, 24)]
    assert Opening(1, 480, 780) in events[1].weekly
    assert [each.sequence for each in events] == list(range(2, 2 + len(events)))


# --- the life-cycle, at random ----------------------------------------------------------------------

_COMMANDS: dict[Act, Callable[..., Booking]] = {
    Act.APPROVE: commands.approve,
    Act.DECLINE: lambda uow, id: commands.decline(uow, id, reason_code=DeclineReason.OTHER, reason="No."),
    Act.WITHDRAW: commands.withdraw,
    Act.CANCEL: lambda uow, id: commands.cancel(uow, id, reason="Because."),
    Act.CHECK_IN: commands.check_in,
    Act.CHECK_OUT: commands.check_out,
    Act.NO_SHOW: commands.record_no_show,
    Act.EXPIRE: commands.expire,
}
_EVENTS = {
    State.REQUESTED: BookingRequested,
    State.APPROVED: BookingApproved,
    State.DECLINED: BookingDeclined,
    State.WITHDRAWN: BookingWithdrawn,
    State.CANCELLED: BookingCancelled,
    State.IN_USE: BookingCheckedIn,
    State.COMPLETED: BookingCompleted,
    State.NO_SHOW: BookingNoShow,
    State.EXPIRED: BookingExpired,
}


@pytest.mark.parametrize("seed", range(4))
def test_a_random_walk_keeps_every_promise(lab: Lab, seed: int) -> None:
    chance = random.Random(seed)
    lab.set_rules(
        lead_time=timedelta(), min_duration=timedelta(minutes=30), buffer_before=timedelta(), buffer_after=timedelta()
    )
    now = at(7, day=0)
    actors: list[Actor] = [lab.booker, lab.operator, lab.firm_admin, lab.colleague, lab.stranger]
    bookings: list[Booking] = []
    for _ in range(90):
        now += timedelta(minutes=chance.randrange(0, 40))
        if chance.random() < 0.35:
            start = chance.randrange(16, 32) / 2
            try:
                wanted = slot(start, start + chance.choice([0.5, 1, 2]), day=chance.choice([0, 1, 2]))
                bookings.append(lab.request(wanted, equipment=chance.choice([lab.microscope, lab.chambers]), now=now))
            except (RulesBroken, SlotTaken):
                pass
        elif bookings:
            booking = chance.choice(bookings)
            act, actor = chance.choice(list(_COMMANDS)), chance.choice(actors)
            before = stored(lab, booking)
            parties = queries.parties_of(actor, before)
            try:
                lab.do(_COMMANDS[act], booking, actor, now=now)
            except DomainError:
                assert stored(lab, booking).sequence == before.sequence
            else:
                assert act in acts_open_to(before.state, parties)
                after = stored(lab, booking)
                assert (before.state, after.state) in {(w.source, w.target) for w in TRANSITIONS if w.act is act}
    _check_promises(lab, bookings)
    assert len(bookings) > 5


def _check_promises(lab: Lab, bookings: list[Booking]) -> None:
    with lab.instance.snapshot() as session:
        rows = list(session.scalars(sa.select(Booking)))
        lines = list(session.scalars(sa.select(BookingHistory).order_by(BookingHistory.sequence)))
    assert {row.id for row in rows} == {booking.id for booking in bookings}
    for row in rows:
        mine = [line for line in lines if line.booking_id == row.id]
        events = told_of(lab, row)
        assert (
            [line.sequence for line in mine] == [event.sequence for event in events] == list(range(1, row.sequence + 1))
        )
        assert [type(event) for event in events] == [_EVENTS[line.state] for line in mine]
        assert events[-1].state == mine[-1].state.value == row.state.value
    live = [row for row in rows if row.state.value in SLOT_HOLDING]
    for one in live:
        for other in live:
            if one.id < other.id and (one.equipment_id, one.unit) == (other.equipment_id, other.unit):
                assert one.busy_to <= other.busy_from or other.busy_to <= one.busy_from


def test_equipment_terms_are_settled_for_all_equipment(lab: Lab) -> None:
    with lab.instance.snapshot() as session:
        for equipment in session.scalars(sa.select(Equipment)):
            assert equipment.terms.rules == RULES
            assert equipment.terms.prices
