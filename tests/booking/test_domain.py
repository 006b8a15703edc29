"""The rules of booking, alone."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import shared.contracts.booking
from services.booking.domain.free import Busy, first_free, starts_near, stretches
from services.booking.domain.hours import (
    HolidayCalendar,
    Timetable,
    Week,
    resolve,
    shortened,
)
from services.booking.domain.prices import PriceList, Rate, price_of, rate_of
from services.booking.domain.references import ALPHABET, new_reference, parse_reference
from services.booking.domain.refusals import WrongState
from services.booking.domain.rules import (
    LONGEST_SLOT,
    Rules,
    Standing,
    as_written,
    downtime_faults,
    faults_of,
    past_step,
)
from services.booking.domain.states import (
    SLOT_HOLDING,
    STATE_WORDS,
    TRANSITIONS,
    Act,
    Party,
    State,
    acting_as,
    acts_open_to,
    transition,
)
from services.booking.domain.terms import Terms, terms_from_text
from services.booking.domain.words import length_words, listed
from shared import formats
from shared.calendar import MINUTES_A_DAY, Opening, OpeningHours, Span, merged, total
from shared.errors import Forbidden, Invalid
from shared.events import REGISTRY

PRAGUE, BRUSSELS, RIGA, TALLINN = map(ZoneInfo, ("Europe/Prague", "Europe/Brussels", "Europe/Riga", "Europe/Tallinn"))
ZONES = st.sampled_from([PRAGUE, BRUSSELS, RIGA, TALLINN, ZoneInfo("Europe/Stockholm"), ZoneInfo("Europe/Rome")])
NOW = datetime(2026, 3, 23, tzinfo=UTC)
OPEN = Standing(published=True)
OFFICE = tuple(Opening(weekday, 8 * 60, 16 * 60) for weekday in range(5))
ALWAYS = tuple(Opening(weekday, 0, MINUTES_A_DAY) for weekday in range(7))
EASY = Rules(
    min_duration=timedelta(minutes=15),
    max_duration=timedelta(hours=12),
    granularity=timedelta(minutes=15),
    lead_time=timedelta(),
    horizon=timedelta(days=365),
)


def week(weekly: tuple[Opening, ...] = OFFICE, valid_from: date = date(2026, 1, 1), **more: object) -> Week:
    facts: dict[str, object] = {"closed_on": {}, "special_on": {}, "known_until": date(2029, 1, 1)}
    return Week(valid_from=valid_from, weekly=weekly, **facts | more)  # type: ignore[arg-type]


def local(zone: ZoneInfo, *moment: int) -> datetime:
    return datetime(*moment, tzinfo=zone).astimezone(UTC)  # type: ignore[misc,arg-type]


def prague(start: tuple[int, ...], end: tuple[int, ...]) -> Span:
    return Span(local(PRAGUE, *start), local(PRAGUE, *end))


def faults(slot: Span, rules: Rules = EASY, *weeks: Week, zone: ZoneInfo = PRAGUE, now: datetime = NOW) -> list[str]:
    timetable = Timetable(zone, weeks or (week(),))
    return [each.code for each in faults_of(slot, rules=rules, timetable=timetable, standing=OPEN, now=now)]


# --- states -----------------------------------------------------------------------------------------


def test_every_transition_is_told_by_an_event_that_exists() -> None:
    assert shared.contracts.booking
    assert all(way.event in REGISTRY for way in TRANSITIONS)


def test_no_two_ways_of_one_act_leave_one_state() -> None:
    assert len({(way.act, way.source) for way in TRANSITIONS}) == len(TRANSITIONS)


def test_every_state_can_be_reached_and_has_words() -> None:
    assert {way.target for way in TRANSITIONS} == set(State) == set(STATE_WORDS)


def test_requested_approved_and_in_use_hold_the_slot() -> None:
    assert {state for state in State if state.holds_slot} == {State.REQUESTED, State.APPROVED, State.IN_USE}
    assert {state for state in State if not state.is_over} == {State(s) for s in SLOT_HOLDING if s in set(State)}


def test_repeating_a_transition_is_a_wrong_state_that_says_so() -> None:
    with pytest.raises(WrongState, match="This booking is already approved"):
        transition(Act.APPROVE, State.APPROVED)
    with pytest.raises(WrongState, match="declined and cannot be approved"):
        transition(Act.APPROVE, State.DECLINED)


def test_whoever_is_both_acts_rather_as_the_booker() -> None:
    assert acting_as(Act.CANCEL, {Party.OPERATOR, Party.BOOKER}) is Party.BOOKER
    assert acting_as(Act.APPROVE, {Party.OPERATOR, Party.BOOKER}) is Party.OPERATOR
    with pytest.raises(Forbidden, match="Only the lab"):
        acting_as(Act.APPROVE, {Party.BOOKER})
    with pytest.raises(Forbidden, match="Only whoever booked"):
        acting_as(Act.WITHDRAW, {Party.OPERATOR})


def test_what_is_open_to_whom() -> None:
    assert set(acts_open_to(State.REQUESTED, {Party.OPERATOR})) == {Act.APPROVE, Act.DECLINE}
    assert set(acts_open_to(State.APPROVED, {Party.BOOKER})) == {Act.CANCEL, Act.CHECK_IN}
    assert acts_open_to(State.COMPLETED, set(Party)) == ()


# --- rules of a slot --------------------------------------------------------------------------------


def test_a_slot_that_keeps_the_rules_has_no_faults() -> None:
    assert faults(prague((2026, 3, 25, 9), (2026, 3, 25, 12))) == []


def test_all_broken_rules_come_back_at_once_with_their_numbers() -> None:
    rules = Rules(
        min_duration=timedelta(hours=1),
        granularity=timedelta(minutes=30),
        lead_time=timedelta(hours=48),
        horizon=timedelta(days=30),
    )
    slot = prague((2026, 3, 24, 6, 10), (2026, 3, 24, 6, 25))
    broken = faults_of(slot, rules=rules, timetable=Timetable(PRAGUE, (week(),)), standing=OPEN, now=NOW)
    assert [each.code for each in broken] == [
        "lead-time",
        "min-duration",
        "granularity",
        "granularity",
        "outside-opening-hours",
    ]
    said = {each.code: each for each in broken}
    assert said["lead-time"].detail == "Ask at least 2 days ahead: the earliest start is now Wed 25 Mar 2026, 01:00."
    assert said["min-duration"].numbers == {"min_minutes": 60.0, "asked_minutes": 15.0}
    assert said["outside-opening-hours"].detail == (
        "On Tue 24 Mar 2026 it is open 08:00–16:00; this asks for 06:10–06:25."
    )
    assert {each.field for each in broken} == {"starts_at", "ends_at"}


@pytest.mark.parametrize(
    ("slot", "rules", "code"),
    [
        (prague((2026, 3, 20, 9), (2026, 3, 20, 10)), EASY, "in-the-past"),
        (prague((2027, 6, 1, 9), (2027, 6, 1, 10)), EASY, "horizon"),
        (
            prague((2026, 3, 24, 8), (2026, 3, 24, 16)),
            Rules(max_duration=timedelta(hours=4), lead_time=timedelta()),
            "max-duration",
        ),
        (prague((2026, 3, 28, 9), (2026, 3, 28, 10)), EASY, "outside-opening-hours"),
        (prague((2026, 3, 24, 15), (2026, 3, 24, 17)), EASY, "outside-opening-hours"),
        (prague((2025, 12, 30, 9), (2025, 12, 30, 10)), EASY, "hours-not-known"),
        (prague((2029, 1, 2, 9), (2029, 1, 2, 10)), EASY, "hours-not-known"),
    ],
)
def test_each_rule(slot: Span, rules: Rules, code: str) -> None:
    assert code in faults(slot, rules)


def test_a_closed_day_says_why() -> None:
    holiday = week(closed_on={date(2026, 3, 25): "Day of Example"})
    broken = faults_of(
        prague((2026, 3, 25, 9), (2026, 3, 25, 12)),
        rules=EASY, timetable=Timetable(PRAGUE, (holiday,)), standing=OPEN, now=NOW,
    )  # fmt: skip
    assert [each.detail for each in broken] == ["Closed on Wed 25 Mar 2026: Day of Example."]


def test_without_a_timetable_nothing_can_be_booked_not_even_outside_hours() -> None:
    slot = prague((2026, 3, 25, 9), (2026, 3, 25, 12))
    for rules in (EASY, Rules(outside_hours=True, lead_time=timedelta())):
        broken = faults_of(slot, rules=rules, timetable=Timetable(PRAGUE, ()), standing=OPEN, now=NOW)
        assert [each.code for each in broken] == ["no-timetable"]


def test_where_allowed_a_slot_may_lie_outside_the_opening_hours() -> None:
    night = prague((2026, 3, 25, 22), (2026, 3, 26, 2))
    assert faults(night, Rules(outside_hours=True, lead_time=timedelta())) == []
    assert "outside-opening-hours" in faults(night)


def test_withdrawn_equipment_closed_labs_and_service_life() -> None:
    standing = Standing(
        published=False, facility_open=False, commissioned_on=date(2026, 4, 1), decommissioned_on=date(2026, 3, 20)
    )
    slot = prague((2026, 3, 25, 9), (2026, 3, 25, 12))
    broken = faults_of(slot, rules=EASY, timetable=Timetable(PRAGUE, (week(),)), standing=standing, now=NOW)
    assert [each.code for each in broken] == [
        "equipment-withdrawn", "facility-closed", "not-in-service", "not-in-service",
    ]  # fmt: skip


def test_a_slot_of_years_is_refused_without_listing_its_days() -> None:
    broken = faults(Span(NOW, NOW + timedelta(days=3000)))
    assert "max-duration" in broken
    assert "outside-opening-hours" not in broken


def test_downtime_that_meets_the_slot_is_a_fault() -> None:
    slot = prague((2026, 3, 25, 9), (2026, 3, 25, 12))
    before, touching = slot.starts_at - timedelta(hours=2), (slot.ends_at, None)
    assert downtime_faults(slot, [(before, slot.starts_at), touching], PRAGUE) == []
    broken = downtime_faults(slot, [(before, None)], PRAGUE)
    assert [each.code for each in broken] == ["downtime"]
    assert "nobody knows until when" in broken[0].detail


@pytest.mark.parametrize(
    ("field", "rules"),
    [
        ("max_duration", Rules(min_duration=timedelta(hours=3), max_duration=timedelta(hours=2))),
        ("granularity", Rules(granularity=timedelta(minutes=7))),
        ("lead_time", Rules(lead_time=timedelta(days=100))),
        ("horizon", Rules(horizon=timedelta(days=501))),
        ("buffer_before", Rules(buffer_before=timedelta(days=2))),
        ("check_in_after", Rules(check_in_after=timedelta())),
    ],
)
def test_rules_that_cannot_be(field: str, rules: Rules) -> None:
    assert field in [each.field for each in rules.faults()]


def test_the_default_rules_can_be_kept_and_are_said_in_words() -> None:
    assert Rules().faults() == []
    assert "Between 30 min and 8 h at a time, in steps of 30 min" in Rules().in_words()
    assert (
        "The lab keeps 10 min before and 20 min after free to set up and clean down"
        in Rules(buffer_before=timedelta(minutes=10), buffer_after=timedelta(minutes=20)).in_words()
    )


@given(
    start=st.integers(0, 343 * 24 * 60).map(lambda minute: NOW + timedelta(minutes=minute)),
    minutes=st.integers(1, 60 * 24 * 40),
    zone=ZONES,
    step=st.sampled_from([5, 15, 30, 60, 120]),
)
def test_whatever_is_asked_faults_are_found_and_never_raised(
    start: datetime, minutes: int, zone: ZoneInfo, step: int
) -> None:
    slot = Span(start, start + timedelta(minutes=minutes))
    rules = Rules(
        min_duration=timedelta(minutes=step),
        max_duration=timedelta(hours=10),
        granularity=timedelta(minutes=step),
        lead_time=timedelta(),
    )
    timetable = Timetable(zone, (week(ALWAYS),))
    broken = faults_of(slot, rules=rules, timetable=timetable, standing=OPEN, now=NOW)
    kept = (
        rules.min_duration <= slot.duration <= rules.max_duration
        and not slot.duration % rules.granularity
        and not past_step(slot.starts_at, rules.granularity, zone)
        and slot.starts_at <= NOW + rules.horizon
    )
    assert (not broken) == kept
    assert all(each.detail[0].isupper() and each.detail.endswith((".", "?")) for each in broken)


# --- clock changes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "day", "minute"),
    [
        (PRAGUE, date(2026, 3, 29), 150),
        (BRUSSELS, date(2027, 3, 28), 150),
        (RIGA, date(2026, 3, 29), 210),
        (TALLINN, date(2027, 3, 28), 200),
    ],
)
def test_a_start_in_the_hour_that_does_not_exist_is_refused_with_a_proposal(
    zone: ZoneInfo, day: date, minute: int
) -> None:
    start = as_written(day, minute, zone)
    slot = Span(start, start + timedelta(hours=2))
    broken = faults_of(slot, rules=EASY, timetable=Timetable(zone, (week(ALWAYS),)), standing=OPEN, now=NOW)
    missing = [each for each in broken if each.code == "no-such-hour"]
    assert [each.field for each in missing] == ["starts_at"]
    assert "the clock is put forward that night. Did you mean" in missing[0].detail


def test_the_same_moment_written_in_another_offset_is_no_mistake() -> None:
    utc = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)  # 03:30 in Prague
    assert "no-such-hour" not in faults(Span(utc, utc + timedelta(hours=1)))
    helsinki = utc.astimezone(ZoneInfo("Europe/Helsinki"))
    assert "no-such-hour" not in faults(Span(helsinki, helsinki + timedelta(hours=1)))


def test_a_time_that_comes_twice_is_its_first() -> None:
    start, end = as_written(date(2026, 10, 25), 90, PRAGUE), as_written(date(2026, 10, 25), 210, PRAGUE)
    assert Span(start, end).duration == timedelta(hours=3)
    twice = as_written(date(2026, 10, 25), 150, PRAGUE)
    assert twice.astimezone(UTC) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_the_midnight_that_ends_a_day_can_be_written() -> None:
    assert as_written(date(2026, 3, 25), 1440, PRAGUE) == local(PRAGUE, 2026, 3, 26)


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 6, 1), 24)])
@pytest.mark.parametrize("zone", [PRAGUE, RIGA])
def test_a_day_has_23_24_or_25_hours(zone: ZoneInfo, day: date, hours: int) -> None:
    assert total(Timetable(zone, (week(ALWAYS),)).on(day)) == timedelta(hours=hours)


def test_office_hours_on_a_clock_change_are_as_long_as_ever() -> None:
    sunday = (Opening(6, 8 * 60, 16 * 60),)
    assert total(Timetable(PRAGUE, (week(sunday),)).on(date(2026, 3, 29))) == timedelta(hours=8)


def test_a_night_shift_over_a_clock_change_is_covered() -> None:
    night = prague((2026, 3, 28, 22), (2026, 3, 29, 6))
    assert night.duration == timedelta(hours=7)
    assert faults(night, EASY, week(ALWAYS)) == []


# --- opening hours ----------------------------------------------------------------------------------


def test_saxony_keeps_the_day_of_repentance() -> None:
    days = resolve(
        weekly=OFFICE, calendar=HolidayCalendar("DE", "SN"), closed_days=(), open_days=(),
        first=date(2026, 1, 1), last=date(2026, 12, 31),
    )  # fmt: skip
    assert "Repentance" in days.closed_on[date(2026, 11, 18)]
    assert date(2026, 10, 31) in days.closed_on


def test_estonia_works_three_hours_less_before_some_holidays() -> None:
    calendar = HolidayCalendar.usual("EE")
    assert calendar is not None
    days = resolve(
        weekly=OFFICE, calendar=calendar, closed_days=(), open_days=(), first=date(2026, 1, 1), last=date(2026, 12, 31)
    )
    assert days.special_on[date(2026, 2, 23)] == (Opening(0, 480, 780),)
    assert date(2026, 2, 24) in days.closed_on
    timetable = Timetable(TALLINN, (week(closed_on=days.closed_on, special_on=days.special_on),))
    assert total(timetable.on(date(2026, 12, 23))) == timedelta(hours=5)


def test_swedish_labs_are_closed_on_midsummer_eve() -> None:
    calendar = HolidayCalendar.usual("SE")
    assert calendar is not None
    days = resolve(
        weekly=OFFICE, calendar=calendar, closed_days=(), open_days=(), first=date(2026, 1, 1), last=date(2026, 12, 31)
    )
    assert {date(2026, 6, 19), date(2026, 12, 24), date(2026, 12, 31)} <= set(days.closed_on)


def test_latvia_moves_working_days_to_saturdays() -> None:
    days = resolve(
        weekly=OFFICE, calendar=HolidayCalendar("LV"), closed_days=(), open_days=(),
        first=date(2026, 1, 1), last=date(2026, 12, 31),
    )  # fmt: skip
    assert date(2026, 6, 22) in days.closed_on
    assert days.special_on == {
        date(2026, 1, 17): (Opening(5, 480, 960),),
        date(2026, 6, 27): (Opening(5, 480, 960),),
    }
    timetable = Timetable(RIGA, (week(closed_on=days.closed_on, special_on=days.special_on),))
    assert timetable.on(date(2026, 6, 22)) == []
    assert total(timetable.on(date(2026, 6, 27))) == timedelta(hours=8)
    assert timetable.on(date(2026, 6, 20)) == []


def test_own_days_go_before_the_calendar() -> None:
    days = resolve(
        weekly=OFFICE, calendar=HolidayCalendar("CZ"), first=date(2026, 1, 1), last=date(2026, 12, 31),
        closed_days=[date(2026, 7, 1), date(2026, 5, 8)], open_days=[date(2026, 5, 1), date(2026, 5, 8)],
    )  # fmt: skip
    assert days.closed_on[date(2026, 7, 1)] == "closed by the lab"
    assert days.closed_on[date(2026, 5, 8)] == "closed by the lab"
    assert date(2026, 5, 1) not in days.closed_on


def test_calendars_that_do_not_exist_are_refused() -> None:
    for calendar in (("XX",), ("DE", "ZZ"), ("CZ", None, ("half_day",))):
        with pytest.raises(Invalid):
            HolidayCalendar(*calendar)
    assert HolidayCalendar.usual("XX") is None


@given(st.integers(0, 600), st.lists(st.tuples(st.integers(0, 1439), st.integers(1, 300)), max_size=3))
def test_a_day_is_shortened_by_no_more_than_asked(minutes: int, raw: list[tuple[int, int]]) -> None:
    openings = [Opening(0, opens, min(opens + length, 1440)) for opens, length in raw]
    openings = [
        each for n, each in enumerate(sorted(openings)) if all(each.opens >= o.closes for o in sorted(openings)[:n])
    ]
    before = sum(each.closes - each.opens for each in openings)
    after = shortened(openings, minutes)
    assert sum(each.closes - each.opens for each in after) == max(0, before - minutes)


def test_hours_are_told_as_weeks_and_a_special_day_as_a_week_of_a_day() -> None:
    special = week(
        closed_on={date(2026, 6, 22): "moved", date(2026, 12, 25): "Christmas Day"},
        special_on={date(2026, 6, 27): (Opening(5, 480, 960),)},
    )
    later = week(ALWAYS, valid_from=date(2026, 9, 1))
    told = Timetable(RIGA, (special, later)).told_from(date.min)
    assert [each.valid_from for each in told] == [
        date(2026, 1, 1), date(2026, 6, 27), date(2026, 6, 28), date(2026, 9, 1),
    ]  # fmt: skip
    assert told[1].weekly == (*OFFICE, Opening(5, 480, 960))
    assert told[2].weekly == told[0].weekly == OFFICE
    from_summer = Timetable(RIGA, (special, later)).told_from(date(2026, 7, 1))
    assert [each.valid_from for each in from_summer] == [date(2026, 7, 1), date(2026, 9, 1)]
    assert from_summer[0].closed_on == (date(2026, 12, 25),)


@given(st.dates(date(2026, 1, 1), date(2026, 12, 31)), st.dates(date(2026, 1, 1), date(2026, 12, 31)))
def test_what_is_told_from_any_day_means_what_we_mean(day: date, looked_at: date) -> None:
    weeks = (
        week(
            closed_on={date(2026, 5, 1): "x"},
            special_on={date(2026, 6, 27): (Opening(5, 480, 960),), date(2026, 6, 28): ()},
        ),
        week(ALWAYS, valid_from=date(2026, 9, 1), special_on={date(2026, 9, 1): (Opening(1, 600, 700),)}),
    )
    timetable = Timetable(RIGA, weeks)
    told = [each for each in timetable.told_from(day) if each.valid_from <= looked_at]
    if looked_at < day:
        return
    last = told[-1]
    openings = OpeningHours(RIGA, last.weekly, frozenset(last.closed_on))
    assert openings.on(looked_at) == timetable.on(looked_at)


def test_terms_survive_being_written_down() -> None:
    terms = Terms(
        time_zone="Europe/Riga", units=2, standing=Standing(published=True, commissioned_on=date(2026, 1, 1)),
        rules=EASY,
        weeks=(week(closed_on={date(2026, 5, 1): "x"}, special_on={date(2026, 6, 27): (Opening(5, 480, 960),)}),),
        prices=(PriceList(valid_from=date(2026, 1, 1), currency="EUR", market_cents=100, other_cents=None),),
    )  # fmt: skip
    assert terms_from_text(terms.to_text()) == terms


# --- prices -----------------------------------------------------------------------------------------

PRICES = PriceList(
    valid_from=date(2026, 1, 1),
    currency="EUR",
    market_cents=10_000,
    other_cents=5_001,
    set_up_cents=600,
    per=timedelta(minutes=15),
)


@pytest.mark.parametrize(("minutes", "charged"), [(1, 15), (14, 15), (15, 15), (16, 30), (60, 60)])
def test_every_started_quarter_is_charged(minutes: int, charged: int) -> None:
    slot = Span(NOW, NOW + timedelta(minutes=minutes))
    price = price_of(slot, [PRICES], Rate.MARKET, PRAGUE)
    assert price is not None
    assert price.charged_minutes == charged
    assert price.cents == 10_000 * charged // 60 + 600


def test_half_a_cent_goes_up_and_all_is_whole() -> None:
    price = price_of(Span(NOW, NOW + timedelta(minutes=30)), [PRICES], Rate.OTHER, PRAGUE)
    assert price is not None
    assert price.cents == 2_501 + 600


def test_the_list_in_force_on_the_local_day_counts() -> None:
    later = PriceList(valid_from=date(2026, 4, 1), currency="EUR", market_cents=20_000, other_cents=None)
    eve = Span(local(PRAGUE, 2026, 3, 31, 23), local(PRAGUE, 2026, 4, 1, 1))
    morning = Span(local(PRAGUE, 2026, 4, 1, 0), local(PRAGUE, 2026, 4, 1, 1))
    assert price_of(eve, [later, PRICES], Rate.MARKET, PRAGUE).hourly_cents == 10_000  # type: ignore[union-attr]
    assert price_of(morning, [later, PRICES], Rate.MARKET, PRAGUE).hourly_cents == 20_000  # type: ignore[union-attr]
    assert price_of(morning, [later, PRICES], Rate.OTHER, PRAGUE) is None
    assert price_of(morning, [], Rate.MARKET, PRAGUE) is None


def test_companies_pay_the_market_price() -> None:
    assert rate_of("company") is Rate.MARKET
    assert {rate_of(kind) for kind in ("university", "research", "public", "other")} == {Rate.OTHER}


def test_prices_that_cannot_be() -> None:
    wrong = PriceList(valid_from=date(2026, 1, 1), currency="euro", market_cents=-1, other_cents=2**70, per=timedelta())
    assert [each.field for each in wrong.faults()] == ["currency", "market_cents", "other_cents", "per"]


# --- free times -------------------------------------------------------------------------------------


def hour(number: float) -> datetime:
    return NOW + timedelta(hours=number)


def test_free_and_busy_stretches_count_units() -> None:
    busy = [Busy(Span(hour(9), hour(11)), 1), Busy(Span(hour(10), hour(12)), 2), Busy(Span(hour(14), hour(15)), None)]
    free, taken = stretches([Span(hour(8), hour(16))], busy, 2)
    assert [((s.starts_at - NOW) / timedelta(hours=1), (s.ends_at - NOW) / timedelta(hours=1), s.units) for s in free] == [
        (8, 9, 2), (9, 10, 1), (11, 12, 1), (12, 14, 2), (15, 16, 2),
    ]  # fmt: skip
    assert [(s.starts_at, s.units) for s in taken] == [(hour(9), 1), (hour(10), 2), (hour(11), 1), (hour(14), 2)]


spans = st.tuples(st.integers(0, 200), st.integers(1, 40)).map(
    lambda each: Span(hour(each[0] / 4), hour((each[0] + each[1]) / 4))
)


@given(
    st.lists(spans, max_size=4),
    st.lists(st.tuples(spans, st.sampled_from([1, 2, 3, None])), max_size=8),
    st.integers(1, 3),
)
def test_every_quarter_of_an_hour_is_counted_as_by_hand(
    opening: list[Span], raw: list[tuple[Span, int | None]], units: int
) -> None:
    busy = [Busy(span, unit) for span, unit in raw if unit is None or unit <= units]
    free, taken = stretches(merged(opening), busy, units)
    for quarter in range(240):
        moment = hour(quarter / 4)
        is_open = any(s.starts_at <= moment < s.ends_at for s in opening)
        here = {b.unit for b in busy if b.span.starts_at <= moment < b.span.ends_at}
        count = units if None in here else len(here)
        assert [s.units for s in free if s.starts_at <= moment < s.ends_at] == (
            [units - count] if is_open and count < units else []
        )
        assert [s.units for s in taken if s.starts_at <= moment < s.ends_at] == ([count] if is_open and count else [])


@given(
    st.lists(st.tuples(spans, st.sampled_from([1, 2, None])), max_size=8),
    spans,
    st.sampled_from([0, 15, 45]),
)
@example([(Span(hour(1), hour(2)), 1)], Span(hour(1), hour(2)), 15)
def test_alternatives_fit_with_their_buffers_and_the_nearest_comes_first(
    raw: list[tuple[Span, int | None]], wanted: Span, buffer: int
) -> None:
    rules = Rules(
        buffer_before=timedelta(minutes=buffer),
        buffer_after=timedelta(minutes=buffer),
        granularity=timedelta(minutes=15),
    )
    busy = [Busy(span, unit) for span, unit in raw]
    opening = [Span(hour(0), hour(24)), Span(hour(30), hour(60))]
    found = starts_near(wanted, opening=opening, busy=busy, units=2, rules=rules, zone=PRAGUE)
    for start in found:
        slot = Span(start, start + wanted.duration)
        assert any(each.covers(slot) for each in opening)
        assert first_free(2, [each.unit for each in busy if each.span.overlaps(rules.busy(slot))]) or any(
            not any(b.span.overlaps(rules.busy(slot)) for b in busy if b.unit in (u, None)) for u in (1, 2)
        )
        assert not past_step(start, rules.granularity, PRAGUE)
    distances = [abs(start - wanted.starts_at) for start in found]
    assert distances == sorted(distances)


def test_the_lowest_free_unit_is_taken() -> None:
    assert first_free(3, [1, 3]) == 2
    assert first_free(2, [1, 2]) is None
    assert first_free(2, [None]) is None


# --- words ------------------------------------------------------------------------------------------


def test_references_can_be_read_aloud_and_typed_in_any_way() -> None:
    reference = new_reference()
    assert re.fullmatch(f"[{ALPHABET}]{{4}}-[{ALPHABET}]{{4}}", reference)
    assert not set(ALPHABET) & set("01OILAEU")
    assert parse_reference(f" {reference.lower().replace('-', '')} ") == reference
    assert parse_reference("B7K2-9QX0") is None
    assert parse_reference("mine") is None


def test_lengths_and_lists_in_words() -> None:
    assert [length_words(timedelta(minutes=m)) for m in (0, 45, 90, 240, 2880, 1440)] == [
        "0 min", "45 min", "1 h 30 min", "4 h", "2 days", "24 h",
    ]  # fmt: skip
    assert [listed(each) for each in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == ["", "a", "a and b", "a, b and c"]
    night = prague((2026, 3, 25, 22), (2026, 3, 26, 2))
    assert formats.span(night.starts_at, night.ends_at, PRAGUE) == ("Wed 25 Mar 2026, 22:00 – Thu 26 Mar 2026, 02:00")


def test_the_longest_slot_is_longer_than_any_rule_allows() -> None:
    assert Rules(max_duration=LONGEST_SLOT + timedelta(minutes=1)).faults() != []
