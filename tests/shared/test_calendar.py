"""Spans, opening hours and local days, through the clock changes of eight countries."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.calendar import (
    EndsBeforeStart,
    Opening,
    OpeningHours,
    Span,
    exists,
    instant,
    intersected,
    local_day,
    local_days,
    merged,
    subtracted,
    total,
)
from shared.errors import Invalid

ZONES = {
    "BE": ZoneInfo("Europe/Brussels"),
    "DE": ZoneInfo("Europe/Berlin"),
    "EE": ZoneInfo("Europe/Tallinn"),
    "IT": ZoneInfo("Europe/Rome"),
    "LV": ZoneInfo("Europe/Riga"),
    "NL": ZoneInfo("Europe/Amsterdam"),
    "CZ": ZoneInfo("Europe/Prague"),
    "SE": ZoneInfo("Europe/Stockholm"),
}
EASTERN = {"EE", "LV"}
SPRING, AUTUMN = date(2027, 3, 28), date(2026, 10, 25)
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)

zones = st.sampled_from(list(ZONES.values()))
days = st.dates(date(2025, 1, 1), date(2031, 12, 31)) | st.sampled_from(
    [day + timedelta(days=shift) for day in (SPRING, AUTUMN) for shift in (-1, 0, 1)]
)
minutes = st.integers(0, 60 * 24 * 3)


@st.composite
def spans(draw: st.DrawFn, *, longest: int = 60 * 24) -> Span:
    start = draw(minutes)
    length = draw(st.integers(1, longest))
    return Span(EPOCH + start * MINUTE, EPOCH + (start + length) * MINUTE)


def minutes_of(spans: list[Span]) -> set[int]:
    """The same, said minute by minute: slow and plainly right."""
    return {
        minute
        for span in spans
        for minute in range(int((span.starts_at - EPOCH) / MINUTE), int((span.ends_at - EPOCH) / MINUTE))
    }


def in_order_and_apart(spans: list[Span]) -> bool:
    return all(earlier.ends_at < later.starts_at for earlier, later in pairwise(spans))


# --- spans


def test_a_span_ends_after_it_starts() -> None:
    for ends_at in (EPOCH, EPOCH - MINUTE):
        with pytest.raises(EndsBeforeStart):
            Span(EPOCH, ends_at)


@given(spans(), spans())
def test_two_spans(one: Span, other: Span) -> None:
    common = minutes_of([one]) & minutes_of([other])
    assert one.overlaps(other) == other.overlaps(one) == bool(common)
    clipped = one.clipped(other)
    assert (minutes_of([clipped]) if clipped else set()) == common
    assert one.covers(other) == (minutes_of([other]) <= minutes_of([one]))
    assert one.widened(HOUR, MINUTE).duration == one.duration + HOUR + MINUTE


def test_spans_that_touch_do_not_overlap() -> None:
    first, second = Span(EPOCH, EPOCH + HOUR), Span(EPOCH + HOUR, EPOCH + 2 * HOUR)
    assert not first.overlaps(second)
    assert first.clipped(second) is None
    assert merged([second, first]) == [Span(EPOCH, EPOCH + 2 * HOUR)]


@given(st.lists(spans(), max_size=8), st.lists(spans(), max_size=8))
def test_unions_intersections_and_differences(these: list[Span], those: list[Span]) -> None:
    left, right = minutes_of(these), minutes_of(those)
    for found, expected in (
        (merged(these), left),
        (merged(these + those), left | right),
        (intersected(these, those), left & right),
        (subtracted(these, those), left - right),
    ):
        assert minutes_of(found) == expected
        assert in_order_and_apart(found)
        assert total(found) == len(expected) * MINUTE


# --- local days


@pytest.mark.parametrize("country", ZONES)
def test_a_day_has_23_24_or_25_hours(country: str) -> None:
    zone = ZONES[country]
    assert local_day(SPRING, zone).duration == 23 * HOUR
    assert local_day(AUTUMN, zone).duration == 25 * HOUR
    for day in (SPRING, AUTUMN):
        for neighbour in (-1, 1):
            assert local_day(day + timedelta(days=neighbour), zone).duration == 24 * HOUR


@given(days, zones)
def test_days_follow_one_another_without_a_gap(day: date, zone: ZoneInfo) -> None:
    today, tomorrow = local_day(day, zone), local_day(day + timedelta(days=1), zone)
    assert today.ends_at == tomorrow.starts_at
    assert today.starts_at.astimezone(zone).date() == day
    assert list(local_days(today, zone)) == [day]


@given(days, days, zones)
def test_the_days_a_span_touches(one: date, other: date, zone: ZoneInfo) -> None:
    first, last = sorted((one, other))
    whole = Span(local_day(first, zone).starts_at, local_day(last, zone).ends_at)
    touched = list(local_days(whole, zone))
    assert touched == [first + timedelta(days=shift) for shift in range((last - first).days + 1)]
    assert total(local_day(day, zone) for day in touched) == whole.duration


def test_the_days_of_one_year() -> None:
    for zone in ZONES.values():
        year = Span(instant(date(2026, 1, 1), 0, zone), instant(date(2027, 1, 1), 0, zone))
        assert len(list(local_days(year, zone))) == 365
        assert year.duration == timedelta(days=365)
    leap = Span(instant(date(2028, 1, 1), 0, ZONES["EE"]), instant(date(2029, 1, 1), 0, ZONES["EE"]))
    assert len(list(local_days(leap, ZONES["EE"]))) == 366


def test_the_lab_decides_which_day_it_is() -> None:
    half_past_eleven = Span(
        instant(date(2026, 12, 31), 23 * 60 + 30, ZONES["BE"]), instant(date(2027, 1, 1), 0, ZONES["BE"])
    )
    assert list(local_days(half_past_eleven, ZONES["BE"])) == [date(2026, 12, 31)]
    assert list(local_days(half_past_eleven, ZONES["EE"])) == [date(2027, 1, 1)]


# --- times that do not occur, or twice


@pytest.mark.parametrize("country", ZONES)
def test_the_hour_that_is_skipped(country: str) -> None:
    zone, hour = ZONES[country], 3 if country in EASTERN else 2
    skipped = datetime(2027, 3, 28, hour, 30, tzinfo=zone)
    assert not exists(skipped)
    assert exists(skipped - HOUR)
    assert exists(skipped + HOUR)
    assert exists(datetime(2027, 3, 28, 4 - hour + 1, 30, tzinfo=zone)), "skipped elsewhere, not here"
    assert instant(SPRING, hour * 60 + 30, zone) == datetime(2027, 3, 28, 1, 30, tzinfo=UTC)


@pytest.mark.parametrize("country", ZONES)
def test_the_hour_that_comes_twice(country: str) -> None:
    zone, hour = ZONES[country], 3 if country in EASTERN else 2
    for fold in (0, 1):
        assert exists(datetime(2026, 10, 25, hour, 30, tzinfo=zone, fold=fold))
    assert instant(AUTUMN, hour * 60 + 30, zone) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC), "the first of the two"
    assert instant(AUTUMN, hour * 60 + 60, zone) == datetime(2026, 10, 25, 2, 0, tzinfo=UTC)


@given(days, st.integers(0, 1440), zones)
def test_an_instant_is_the_wall_time_it_names(day: date, minute: int, zone: ZoneInfo) -> None:
    found = instant(day, minute, zone)
    assert found.tzinfo is UTC
    wanted = datetime(day.year, day.month, day.day) + minute * MINUTE  # noqa: DTZ001
    if exists(wanted.replace(tzinfo=zone)):
        assert found.astimezone(zone).replace(tzinfo=None) == wanted
    else:
        assert found.astimezone(zone).replace(tzinfo=None) == wanted + HOUR


# --- opening hours


@st.composite
def openings(draw: st.DrawFn) -> Opening:
    opens = draw(st.integers(0, 1439))
    return Opening(draw(st.integers(0, 6)), opens, draw(st.integers(opens + 1, 1440)))


def test_openings_that_are_none() -> None:
    for weekday, opens, closes in ((7, 0, 60), (-1, 0, 60), (0, 60, 60), (0, 60, 0), (0, -1, 60), (0, 0, 1441)):
        with pytest.raises(Invalid):
            Opening(weekday, opens, closes)


ROUND_THE_CLOCK = tuple(Opening(weekday, 0, 1440) for weekday in range(7))
WORKDAYS = tuple(Opening(weekday, 8 * 60, 18 * 60) for weekday in range(5))


@pytest.mark.parametrize("country", ZONES)
def test_open_round_the_clock_is_open_all_the_year(country: str) -> None:
    hours = OpeningHours(ZONES[country], ROUND_THE_CLOCK)
    year = Span(datetime(2026, 1, 1, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC))
    assert hours.within(year) == [year]
    assert hours.cover(year)


@pytest.mark.parametrize("country", ZONES)
def test_a_working_day_has_ten_hours_also_where_the_clock_changes(country: str) -> None:
    hours = OpeningHours(ZONES[country], tuple(Opening(weekday, 8 * 60, 18 * 60) for weekday in range(7)))
    for day in (SPRING, AUTUMN, date(2026, 7, 1)):
        [open_] = hours.on(day)
        assert open_.duration == 10 * HOUR
        assert open_.starts_at.astimezone(ZONES[country]).hour == 8


@pytest.mark.parametrize("country", ZONES)
def test_a_night_shift_in_the_nights_of_the_change(country: str) -> None:
    night = tuple(Opening(weekday, 0, 6 * 60) for weekday in range(7))
    hours = OpeningHours(ZONES[country], night)
    assert [total(hours.on(day)) for day in (SPRING, AUTUMN)] == [5 * HOUR, 7 * HOUR]


def test_an_opening_inside_the_skipped_hour_is_none() -> None:
    hours = OpeningHours(ZONES["BE"], (Opening(6, 2 * 60, 3 * 60), Opening(6, 2 * 60 + 15, 2 * 60 + 45)))
    assert hours.on(SPRING) == []
    assert total(hours.on(AUTUMN)) == 2 * HOUR
    assert total(hours.on(date(2026, 10, 18))) == HOUR


def test_opening_or_closing_in_the_skipped_hour_is_when_the_clock_jumps() -> None:
    jump = datetime(2027, 3, 28, 1, 0, tzinfo=UTC)
    late = OpeningHours(ZONES["BE"], (Opening(6, 2 * 60 + 30, 6 * 60),))
    assert late.on(SPRING) == [Span(jump, jump + 3 * HOUR)]
    early = OpeningHours(ZONES["EE"], (Opening(6, 0, 3 * 60 + 30),))
    assert early.on(SPRING) == [Span(jump - 3 * HOUR, jump)]


def test_a_closed_day_is_closed() -> None:
    holiday = date(2026, 12, 25)
    hours = OpeningHours(ZONES["IT"], WORKDAYS, frozenset({holiday}))
    assert hours.on(holiday) == []
    assert hours.on(holiday - timedelta(days=1))
    week = Span(instant(date(2026, 12, 21), 0, ZONES["IT"]), instant(date(2026, 12, 28), 0, ZONES["IT"]))
    assert total(hours.within(week)) == 40 * HOUR


def test_what_lies_within_and_what_is_covered() -> None:
    hours = OpeningHours(ZONES["CZ"], WORKDAYS)
    monday = date(2026, 11, 23)
    opens, closes = instant(monday, 8 * 60, ZONES["CZ"]), instant(monday, 18 * 60, ZONES["CZ"])
    assert hours.cover(Span(opens, closes))
    assert hours.cover(Span(opens + HOUR, closes - HOUR))
    assert not hours.cover(Span(opens - MINUTE, closes))
    assert not hours.cover(Span(opens, closes + MINUTE))
    assert hours.within(Span(opens - HOUR, opens + HOUR)) == [Span(opens, opens + HOUR)]
    assert hours.within(Span(closes, closes + HOUR)) == []


@settings(deadline=None)
@given(zones, st.lists(openings(), max_size=6), st.sets(days, max_size=3), days, st.integers(1, 60 * 24 * 3))
def test_opening_hours_minute_by_minute(
    zone: ZoneInfo, weekly: list[Opening], closed: set[date], day: date, length: int
) -> None:
    """As somebody with a clock on the wall would say it, for every full quarter of an hour."""
    hours = OpeningHours(zone, tuple(weekly), frozenset(closed))
    span = Span(instant(day, 0, zone), instant(day, 0, zone) + length * MINUTE)
    open_ = hours.within(span)
    assert in_order_and_apart(open_)
    assert all(span.covers(part) for part in open_)
    for quarter in range(0, length, 15):
        moment = span.starts_at + quarter * MINUTE
        wall = moment.astimezone(zone)
        minute = wall.hour * 60 + wall.minute
        by_the_clock = wall.date() not in closed and any(
            opening.weekday == wall.weekday() and opening.opens <= minute < opening.closes for opening in weekly
        )
        counted = any(part.starts_at <= moment < part.ends_at for part in open_)
        before, after = ((moment + shift).astimezone(zone).utcoffset() for shift in (-2 * HOUR, 2 * HOUR))
        if before is None or after is None or before <= after:  # an hour that comes twice is open from its first time
            assert counted == by_the_clock
