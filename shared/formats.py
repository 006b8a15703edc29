"""How moments, durations, money and shares are written for people; templates use the functions as filters.

A moment is an aware `datetime`; the zone is that of the place where the work is done, an IANA name or a `tzinfo`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from zoneinfo import ZoneInfo

# Written out instead of strftime: a page must not change with the locale of the server.
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
SIGNS = {"EUR": "€", "GBP": "£"}
NOTHING = "–"


def day(when: datetime | date, zone: str | tzinfo = UTC) -> str:
    """`Thu 26 Nov 2026`: the day on which this moment falls at the place."""
    local = _local(when, zone) if isinstance(when, datetime) else when
    return f"{WEEKDAYS[local.weekday()]} {local.day} {MONTHS[local.month - 1]} {local.year}"


def clock(when: datetime, zone: str | tzinfo = UTC) -> str:
    """`08:00`; in the hour that comes twice in autumn `02:30 (summer time)` or `02:30 (winter time)`."""
    local = _local(when, zone)
    text = f"{local.hour:02d}:{local.minute:02d}"
    earlier, later = local.replace(fold=0), local.replace(fold=1)
    # In the hour that does not exist in spring the offsets differ as well, but no instant falls into it.
    if earlier.utcoffset() != later.utcoffset():
        text += " (winter time)" if local.fold else " (summer time)"
    return text


def moment(when: datetime, zone: str | tzinfo = UTC) -> str:
    """`Thu 26 Nov 2026, 08:00`."""
    return f"{day(when, zone)}, {clock(when, zone)}"


def span(start: datetime, end: datetime, zone: str | tzinfo = UTC) -> str:
    """`Thu 26 Nov 2026, 08:00–12:00`, or both days in full when it runs past midnight."""
    first, last = _local(start, zone), _local(end, zone)
    if first.date() == last.date():
        return f"{moment(start, zone)}–{clock(end, zone)}"
    until_midnight = (last.hour, last.minute) == (0, 0) and first.date() + timedelta(days=1) == last.date()
    if until_midnight:
        return f"{moment(start, zone)}–24:00"
    return f"{moment(start, zone)} – {moment(end, zone)}"


def hours(length: float | timedelta) -> str:
    """A length of time, given in seconds or as a `timedelta`: `4 h`, `1 h 10 min`, `25 min`."""
    seconds = length.total_seconds() if isinstance(length, timedelta) else length
    whole, rest = divmod(round(abs(seconds) / 60), 60)
    parts = [f"{whole:,} h"] * bool(whole) + [f"{rest} min"] * bool(rest)
    text = " ".join(parts) or "0 h"
    return f"−{text}" if seconds < 0 and parts else text


def minutes(since_midnight: int) -> str:
    """Minutes since midnight as a clock shows them: 480 is `08:00`."""
    return f"{since_midnight // 60:02d}:{since_midnight % 60:02d}"


def money(cents: int, currency: str = "EUR") -> str:
    """`€268.80`, and `1,200.00 CZK` where the sign is not known to everybody."""
    whole, rest = divmod(abs(cents), 100)
    amount = f"{whole:,}.{rest:02d}"
    minus = "−" if cents < 0 else ""
    sign = SIGNS.get(currency)
    return f"{minus}{sign}{amount}" if sign else f"{minus}{amount} {currency}"


def percent(ratio: float | Decimal | None, digits: int = 1) -> str:
    """A ratio of 0.61 as `61.0 %`; a ratio that has no meaning, such as a share of nothing, as a dash."""
    if ratio is None:
        return NOTHING
    # Halves go up, as people expect of a figure they check by hand; formatting a float would not.
    exact = Decimal(str(ratio)) * 100
    return f"{exact.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP):,} %"


def number(value: float | Decimal | None, digits: int = 0) -> str:
    """`1,460`; a figure that is not known is a dash."""
    return NOTHING if value is None else f"{value:,.{digits}f}"


def plural(count: int, one: str, many: str) -> str:
    """`1 booking`, `3 bookings`."""
    return f"{count:,} {one if count == 1 else many}"


def _local(when: datetime, zone: str | tzinfo) -> datetime:
    if when.tzinfo is None:
        raise ValueError(f"a moment needs its offset: {when.isoformat()}")
    return when.astimezone(ZoneInfo(zone) if isinstance(zone, str) else zone)


FILTERS: dict[str, Callable[..., Any]] = {
    "day": day,
    "clock": clock,
    "moment": moment,
    "span": span,
    "hours": hours,
    "minutes": minutes,
    "money": money,
    "percent": percent,
    "number": number,
    "plural": plural,
}
