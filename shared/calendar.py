"""Time as labs have it: spans of instants, opening hours in local time, days of 23, 24 or 25 hours.

Booking decides by these rules and usage_stats counts by them; if one of them read opening hours
differently, no figure would agree with any booking. Instants are aware UTC; days and minutes are local.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from shared.errors import Invalid

MINUTES_A_DAY = 24 * 60


class EndsBeforeStart(Invalid):
    """A span must end after it starts."""

    code = "ends-before-start"


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A half-open span of time `[starts_at, ends_at)`, both aware UTC. Raises `EndsBeforeStart`."""

    starts_at: datetime
    ends_at: datetime

    def __post_init__(self) -> None:
        if self.ends_at <= self.starts_at:
            raise EndsBeforeStart("The end must be after the start.")

    @property
    def duration(self) -> timedelta:
        return self.ends_at - self.starts_at

    def overlaps(self, other: Span) -> bool:
        return self.starts_at < other.ends_at and other.starts_at < self.ends_at

    def covers(self, other: Span) -> bool:
        return self.starts_at <= other.starts_at and other.ends_at <= self.ends_at

    def widened(self, before: timedelta, after: timedelta) -> Span:
        """This span with `before` and `after` added to its ends."""
        return Span(self.starts_at - before, self.ends_at + after)

    def clipped(self, other: Span) -> Span | None:
        """The part of this span that lies in `other`, if there is any."""
        starts_at, ends_at = max(self.starts_at, other.starts_at), min(self.ends_at, other.ends_at)
        return Span(starts_at, ends_at) if starts_at < ends_at else None


def merged(spans: Iterable[Span]) -> list[Span]:
    """The union of `spans`, in order; spans that overlap or touch become one."""
    union: list[Span] = []
    for span in sorted(spans):
        if union and span.starts_at <= union[-1].ends_at:
            if span.ends_at > union[-1].ends_at:
                union[-1] = Span(union[-1].starts_at, span.ends_at)
        else:
            union.append(span)
    return union


def intersected(these: Iterable[Span], those: Iterable[Span]) -> list[Span]:
    """What lies in both unions, in order."""
    left, right = merged(these), merged(those)
    common: list[Span] = []
    i = j = 0
    while i < len(left) and j < len(right):
        if part := left[i].clipped(right[j]):
            common.append(part)
        if left[i].ends_at <= right[j].ends_at:
            i += 1
        else:
            j += 1
    return common


def subtracted(these: Iterable[Span], those: Iterable[Span]) -> list[Span]:
    """What lies in `these` and not in `those`, in order."""
    holes = merged(those)
    left: list[Span] = []
    for span in merged(these):
        starts_at = span.starts_at
        for hole in holes:
            if hole.ends_at <= starts_at or hole.starts_at >= span.ends_at:
                continue
            if hole.starts_at > starts_at:
                left.append(Span(starts_at, hole.starts_at))
            starts_at = max(starts_at, hole.ends_at)
        if starts_at < span.ends_at:
            left.append(Span(starts_at, span.ends_at))
    return left


def total(spans: Iterable[Span]) -> timedelta:
    """How long `spans` last together; overlaps are counted as often as they occur."""
    return sum((span.duration for span in spans), timedelta())


def instant(day: date, minute: int, zone: ZoneInfo) -> datetime:
    """The instant of a local wall time, `minute` minutes after the midnight that begins `day`.

    A time that occurs twice is its first occurrence. A time that does not occur is moved forward by
    the gap, as Python's `zoneinfo` does; use `exists` to refuse it instead.
    """
    day += timedelta(days=minute // MINUTES_A_DAY)
    minute %= MINUTES_A_DAY
    return datetime.combine(day, time(minute // 60, minute % 60), zone).astimezone(UTC)


def exists(local: datetime) -> bool:
    """Whether the clock ever shows the aware `local` time; it skips an hour once a year."""
    back = local.astimezone(UTC).astimezone(local.tzinfo)
    return back.replace(tzinfo=None) == local.replace(tzinfo=None)


def _first_from(day: date, minute: int, zone: ZoneInfo) -> datetime:
    """The first instant at which the clock shows this wall time or, where that is skipped, a later one."""
    found = instant(day, minute, zone)
    wanted = datetime.combine(day, time()) + timedelta(minutes=minute)
    if found.astimezone(zone).replace(tzinfo=None) == wanted:
        return found
    step = timedelta(minutes=1)
    while (found - step).astimezone(zone).utcoffset() == found.astimezone(zone).utcoffset():
        found -= step
    return found


def local_day(day: date, zone: ZoneInfo) -> Span:
    """From one local midnight to the next: 23, 24 or 25 hours."""
    return Span(instant(day, 0, zone), instant(day + timedelta(days=1), 0, zone))


def local_days(span: Span, zone: ZoneInfo) -> Iterator[date]:
    """Every local day that `span` touches, in order."""
    day = span.starts_at.astimezone(zone).date()
    last = (span.ends_at - timedelta(microseconds=1)).astimezone(zone).date()
    while day <= last:
        yield day
        day += timedelta(days=1)


@dataclass(frozen=True, slots=True, order=True)
class Opening:
    """Open every week on `weekday` (0 is Monday) between two local times, in minutes since midnight.

    `closes` may be 1440, the midnight that ends the day; a night shift is two openings.
    """

    weekday: int
    opens: int
    closes: int

    def __post_init__(self) -> None:
        if not (0 <= self.weekday <= 6 and 0 <= self.opens < self.closes <= MINUTES_A_DAY):
            raise Invalid("Opening hours need a weekday and an end after their start on one day.")


@dataclass(frozen=True, slots=True)
class OpeningHours:
    """When something is open: weekly hours in its own zone, less the days on which it is closed."""

    zone: ZoneInfo
    weekly: tuple[Opening, ...]
    closed_on: frozenset[date] = frozenset()

    def on(self, day: date) -> list[Span]:
        """The open spans of one local day, in order; none on a closed day."""
        if day in self.closed_on:
            return []
        return merged(
            Span(starts_at, ends_at)
            for opening in self.weekly
            if opening.weekday == day.weekday()
            and (starts_at := _first_from(day, opening.opens, self.zone))
            < (ends_at := _first_from(day, opening.closes, self.zone))
        )

    def within(self, span: Span) -> list[Span]:
        """The open parts of `span`, in order; hours that meet at midnight are one part."""
        days = local_days(span, self.zone)
        return intersected((open_ for day in days for open_ in self.on(day)), [span])

    def cover(self, span: Span) -> bool:
        """Whether the whole of `span` is open."""
        return self.within(span) == [span]
