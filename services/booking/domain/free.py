"""When units are free, and which free times are nearest to one that is taken."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from services.booking.domain.rules import Rules, past_step
from shared.calendar import Span

SEARCHED_BEFORE = timedelta(days=7)  # how far around a taken slot others are sought
SEARCHED_AFTER = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class Busy:
    """A span in which one unit is busy; `unit` is None where none of them works."""

    span: Span
    unit: int | None


@dataclass(frozen=True, slots=True)
class Stretch:
    """A span through which the same number of units is free or busy."""

    span: Span
    units: int

    @property
    def starts_at(self) -> datetime:
        return self.span.starts_at

    @property
    def ends_at(self) -> datetime:
        return self.span.ends_at


def first_free(units: int, taken: Iterable[int | None]) -> int | None:
    """The lowest unit that is not `taken`; None if there is none."""
    occupied = set(taken)
    return None if None in occupied else next((u for u in range(1, units + 1) if u not in occupied), None)


def stretches(within: Iterable[Span], busy: Iterable[Busy], units: int) -> tuple[list[Stretch], list[Stretch]]:
    """How many of `units` are free, and how many busy, through the parts of `within`.

    Free stretches and busy stretches, each in order; where some units are free and some busy, a
    stretch is in both lists.
    """
    changes: dict[datetime, list[tuple[int | None, int]]] = {}
    for each in busy:
        changes.setdefault(each.span.starts_at, []).append((each.unit, 1))
        changes.setdefault(each.span.ends_at, []).append((each.unit, -1))
    moments = sorted(changes)
    free: list[Stretch] = []
    taken: list[Stretch] = []
    at = 0
    held: dict[int | None, int] = {}

    def pass_(until: datetime) -> None:
        nonlocal at
        while at < len(moments) and moments[at] <= until:
            for unit, step in changes[moments[at]]:
                held[unit] = held.get(unit, 0) + step
            at += 1

    for span in within:
        start = span.starts_at
        pass_(start)
        while start < span.ends_at:
            end = min(moments[at], span.ends_at) if at < len(moments) else span.ends_at
            part, count = Span(start, end), _busy_units(held, units)
            if count < units:
                _append(free, part, units - count)
            if count:
                _append(taken, part, count)
            start = end
            pass_(start)
    return free, taken


def _busy_units(held: dict[int | None, int], units: int) -> int:
    if held.get(None, 0) > 0:
        return units
    return min(units, sum(1 for unit, count in held.items() if unit is not None and count > 0))


def _append(stretches_: list[Stretch], part: Span, units: int) -> None:
    last = stretches_[-1] if stretches_ else None
    if last and last.units == units and last.ends_at == part.starts_at:
        stretches_[-1] = Stretch(Span(last.starts_at, part.ends_at), units)
    else:
        stretches_.append(Stretch(part, units))


def starts_near(
    wanted: Span, *, opening: Sequence[Span], busy: Sequence[Busy], units: int, rules: Rules, zone: ZoneInfo
) -> list[datetime]:
    """Starts of free times as long as `wanted`, nearest first; one for each gap it fits into.

    Only the fit is sure: the caller still has to judge them by the rules.
    """
    found = {
        start
        for unit in range(1, units + 1)
        for earliest, latest in _gaps(
            opening, [each.span for each in busy if each.unit in (unit, None)], wanted.duration, rules
        )
        if (start := _nearest_step(wanted.starts_at, earliest, latest, rules.granularity, zone))
    }
    return sorted(found, key=lambda start: (abs(start - wanted.starts_at), start))


def _gaps(
    opening: Sequence[Span], busy: Sequence[Span], length: timedelta, rules: Rules
) -> Iterator[tuple[datetime, datetime]]:
    """The earliest and the latest start in each gap between what is busy."""
    blocked = sorted((span.starts_at - rules.buffer_after, span.ends_at + rules.buffer_before) for span in busy)
    for span in opening:
        start = span.starts_at
        for from_, until in blocked:
            if until <= start:
                continue
            if from_ >= span.ends_at:
                break
            if from_ - length >= start:
                yield start, from_ - length
            start = max(start, until)
        if span.ends_at - length >= start:
            yield start, span.ends_at - length


def _nearest_step(
    wanted: datetime, earliest: datetime, latest: datetime, step: timedelta, zone: ZoneInfo
) -> datetime | None:
    """The step of the clock between `earliest` and `latest` that is nearest to `wanted`."""
    aim = min(max(wanted, earliest), latest)
    before = aim - past_step(aim, step, zone)
    candidates = [each for each in (before, before + step) if earliest <= each <= latest]
    return min(candidates, key=lambda each: abs(each - wanted), default=None)
