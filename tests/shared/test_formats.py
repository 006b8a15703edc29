from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from shared import formats

BRNO = "Europe/Prague"


def at(day: int, hour: int, minute: int = 0, *, month: int = 11) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)


def test_moments_are_told_in_the_zone_of_the_place() -> None:
    assert formats.moment(at(26, 7), BRNO) == "Thu 26 Nov 2026, 08:00"
    assert formats.moment(at(26, 23, 30), BRNO) == "Fri 27 Nov 2026, 00:30"
    assert formats.day(date(2026, 3, 1)) == "Sun 1 Mar 2026"
    assert formats.clock(at(26, 7)) == "07:00"


def test_the_hour_that_comes_twice_is_told_apart() -> None:
    assert formats.clock(at(25, 0, 30, month=10), BRNO) == "02:30 (summer time)"
    assert formats.clock(at(25, 1, 30, month=10), BRNO) == "02:30 (winter time)"
    assert formats.clock(at(25, 2, 30, month=10), BRNO) == "03:30"
    assert formats.clock(at(29, 1, 0, month=3), BRNO) == "03:00"


@pytest.mark.parametrize(
    ("start", "end", "text"),
    [
        (at(26, 7), at(26, 11), "Thu 26 Nov 2026, 08:00–12:00"),
        (at(26, 19), at(26, 23), "Thu 26 Nov 2026, 20:00–24:00"),
        (at(26, 21), at(27, 5), "Thu 26 Nov 2026, 22:00 – Fri 27 Nov 2026, 06:00"),
        (at(26, 21), at(27, 23), "Thu 26 Nov 2026, 22:00 – Sat 28 Nov 2026, 00:00"),
    ],
)
def test_spans(start: datetime, end: datetime, text: str) -> None:
    assert formats.span(start, end, BRNO) == text


def test_a_moment_without_offset_is_refused() -> None:
    with pytest.raises(ValueError, match="offset"):
        formats.moment(datetime(2026, 11, 26, 8))  # noqa: DTZ001


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (4 * 3600, "4 h"),
        (timedelta(hours=1, minutes=10), "1 h 10 min"),
        (1500, "25 min"),
        (0, "0 h"),
        (3599, "1 h"),
        (-5400, "−1 h 30 min"),
        (1460 * 3600, "1,460 h"),
    ],
)
def test_lengths(length: float | timedelta, text: str) -> None:
    assert formats.hours(length) == text


@pytest.mark.parametrize(
    ("cents", "currency", "text"),
    [
        (26880, "EUR", "€268.80"),
        (0, "EUR", "€0.00"),
        (-5, "EUR", "−€0.05"),
        (120000, "CZK", "1,200.00 CZK"),
        (123456789, "GBP", "£1,234,567.89"),
    ],
)
def test_money(cents: int, currency: str, text: str) -> None:
    assert formats.money(cents, currency) == text


def test_shares_and_numbers() -> None:
    assert formats.percent(0.61) == "61.0 %"
    assert formats.percent(Decimal("0.12345")) == "12.3 %"
    assert formats.percent(0.1005, 1) == "10.1 %"
    assert formats.percent(None) == "–"
    assert formats.percent(0.5, 0) == "50 %"
    assert formats.number(1460) == "1,460"
    assert formats.number(1460.25, 1) == "1,460.2"
    assert formats.number(None) == "–"
    assert formats.minutes(485) == "08:05"
    assert formats.plural(1, "booking", "bookings") == "1 booking"
    assert formats.plural(1200, "booking", "bookings") == "1,200 bookings"
