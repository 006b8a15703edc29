"""Times as sentences say them: in the facility's own time, 24 hours, without the names of zones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from shared.calendar import MINUTES_A_DAY, Span

WEEKDAY_NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def hours_words(spans: Iterable[Span], day: date, zone: ZoneInfo) -> str:
    """`08:00–12:00 and 13:00–17:00`, as these spans of one local day begin and end."""
    return listed(
        [f"{span.starts_at.astimezone(zone):%H:%M}–{_end(span.ends_at.astimezone(zone), day)}" for span in spans]
    )


def _end(local: datetime, day: date) -> str:
    return "24:00" if local.date() > day else f"{local:%H:%M}"


def length_words(length: timedelta) -> str:
    """`4 h`, `1 h 30 min`, `45 min`, `3 days`."""
    minutes = round(length.total_seconds() / 60)
    if minutes and minutes % MINUTES_A_DAY == 0 and minutes > MINUTES_A_DAY:
        return f"{minutes // MINUTES_A_DAY} days"
    hours, rest = divmod(minutes, 60)
    return " ".join([f"{hours} h"] * bool(hours) + [f"{rest} min"] * bool(rest or not hours))


def listed(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join(part for part in (", ".join(words[:-1]), *words[-1:]) if part)
