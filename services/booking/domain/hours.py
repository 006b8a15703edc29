"""Opening hours: a week, a calendar of public holidays, and the facility's own exceptions.

Holidays are resolved into days once and then kept, so that a past figure does not move when the
calendar of holidays is corrected later. What is resolved is more than closed days: on the eve of some
holidays Estonia works three hours less, and Latvia moves working days to Saturdays.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import cache, cached_property
from typing import Any
from zoneinfo import ZoneInfo

import holidays

from shared.calendar import Opening, OpeningHours, Span, intersected, local_days
from shared.errors import Fault, Invalid

KNOWN_AHEAD = timedelta(days=548)  # how far holidays are resolved: about 18 months
RENEWED_BELOW = timedelta(days=520)  # once less than this is known, the rest is added
HALF_DAY = "half_day"
SHORTENED_BY = 180  # minutes, on a day of that category
FRIDAY, SATURDAY = 4, 5
REMEMBERED_DAYS = 1000  # of each timetable, so that the hours of a day are worked out once

# Where the general categories do not say when laboratories are closed.
USUAL_CATEGORIES = {"SE": ("public", "de_facto"), "EE": ("public", HALF_DAY)}


@dataclass(frozen=True, slots=True)
class HolidayCalendar:
    """Which public holidays apply. Raises `Invalid` if there is no such calendar."""

    country: str  # ISO 3166-1 alpha-2
    subdivision: str | None = None  # of ISO 3166-2
    categories: tuple[str, ...] = ("public",)

    def __post_init__(self) -> None:
        known = supported_calendars().get(self.country)
        if known is None:
            raise Invalid(
                f"There is no calendar of holidays for the country {self.country}.",
                faults=[Fault("unknown-country", "There is no calendar of holidays for it.", "holidays")],
            )
        if self.subdivision and self.subdivision not in known[0]:
            raise Invalid(
                f"{self.country} has no part {self.subdivision} with holidays of its own.",
                faults=[Fault("unknown-subdivision", "There is no such part of the country.", "holidays")],
            )
        if unknown := [category for category in self.categories if category not in known[1]]:
            raise Invalid(
                f"{self.country} has no holidays of the kind {unknown[0]}.",
                faults=[Fault("unknown-category", f"Kinds known: {', '.join(known[1])}.", "holidays")],
            )

    @classmethod
    def usual(cls, country: str, subdivision: str | None = None) -> HolidayCalendar | None:
        """The calendar laboratories of a country usually keep; None where none is known."""
        known = supported_calendars().get(country)
        if known is None:
            return None
        part = subdivision if subdivision in known[0] else None
        return cls(country, part, USUAL_CATEGORIES.get(country, ("public",)))


@cache
def supported_calendars() -> Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    """By country: its parts that differ, and the kinds of holidays it has."""
    return {
        country: (tuple(parts), tuple(_calendar_class(country).supported_categories))
        for country, parts in holidays.list_supported_countries(include_aliases=False).items()
    }


def _calendar_class(country: str) -> Any:
    return getattr(holidays, country)


@dataclass(frozen=True, slots=True)
class ResolvedDays:
    """What a calendar means for the days from one to another."""

    closed_on: Mapping[date, str]  # and why
    special_on: Mapping[date, tuple[Opening, ...]]  # open, but at other hours than the week says


def resolve(
    *,
    weekly: Sequence[Opening],
    calendar: HolidayCalendar | None,
    closed_days: Iterable[date],
    open_days: Iterable[date],
    first: date,
    last: date,
) -> ResolvedDays:
    """The closed and the special days from `first` to `last`.

    The facility's own closed days go before everything; on its own open days it works its usual week,
    whatever the calendar says.
    """
    own = {day: "closed by the lab" for day in closed_days if first <= day <= last}
    kept = set(open_days) | set(own)
    closed, special = _holidays_between(weekly, calendar, first, last) if calendar else ({}, {})
    return ResolvedDays(
        closed_on=dict(sorted(({d: why for d, why in closed.items() if d not in kept} | own).items())),
        special_on={d: hours for d, hours in sorted(special.items()) if d not in kept},
    )


def _holidays_between(
    weekly: Sequence[Opening], calendar: HolidayCalendar, first: date, last: date
) -> tuple[dict[date, str], dict[date, tuple[Opening, ...]]]:
    years = range(first.year, last.year + 1)
    language = "en_US" if "en_US" in _languages(calendar.country) else None
    categories = tuple(category for category in calendar.categories if category != HALF_DAY)

    def days_of(*kinds: str) -> Any:
        return holidays.country_holidays(
            calendar.country, subdiv=calendar.subdivision, years=years, categories=kinds, language=language
        )

    full = days_of(*categories) if categories else {}
    closed = {day: str(full[day]) for day in full if first <= day <= last}
    special: dict[date, tuple[Opening, ...]] = {}
    if HALF_DAY in calendar.categories:
        for day in days_of(HALF_DAY):
            if first <= day <= last and day not in closed and (hours := openings_of(weekly, day.weekday())):
                special[day] = shortened(hours, SHORTENED_BY)
    for day in _moved_working_days(full, first, last):
        # A Saturday that is worked instead of another day is worked as a Friday is.
        if not openings_of(weekly, day.weekday()) and (hours := openings_of(weekly, FRIDAY)):
            special[day] = tuple(Opening(day.weekday(), each.opens, each.closes) for each in hours)
    return closed, special


def _languages(country: str) -> tuple[str, ...]:
    return tuple(_calendar_class(country).supported_languages)


def _moved_working_days(days: Any, first: date, last: date) -> Iterator[date]:
    """Saturdays that are working days."""
    day = first + timedelta(days=(SATURDAY - first.weekday()) % 7)
    while days and day <= last:
        if day not in days and days.is_working_day(day) and days.is_weekend(day):
            yield day
        day += timedelta(days=7)


def openings_of(weekly: Iterable[Opening], weekday: int) -> tuple[Opening, ...]:
    return tuple(opening for opening in weekly if opening.weekday == weekday)


def shortened(openings: Sequence[Opening], minutes: int) -> tuple[Opening, ...]:
    """`openings` of one day, with `minutes` less at its end."""
    left: list[Opening] = []
    for opening in sorted(openings, reverse=True):
        taken = min(minutes, opening.closes - opening.opens)
        minutes -= taken
        if opening.closes - taken > opening.opens:
            left.append(Opening(opening.weekday, opening.opens, opening.closes - taken))
    return tuple(reversed(left))


@dataclass(frozen=True, slots=True)
class Week:
    """Weekly hours from a day on, until those that begin next; the days on which they do not hold."""

    valid_from: date
    weekly: tuple[Opening, ...]
    closed_on: Mapping[date, str]
    special_on: Mapping[date, tuple[Opening, ...]]
    known_until: date  # closed days after it are not known yet

    def on(self, day: date) -> tuple[Opening, ...]:
        if day in self.closed_on:
            return ()
        if day in self.special_on:
            return self.special_on[day]
        return openings_of(self.weekly, day.weekday())


@dataclass(frozen=True, slots=True)
class ToldHours:
    """Hours as the others are told them: a plain week and closed days, from a day on until the next."""

    valid_from: date
    weekly: tuple[Opening, ...]
    closed_on: tuple[date, ...]
    known_until: date


@dataclass(frozen=True)
class Timetable:
    """When equipment is open: weeks in the order in which they come into force."""

    zone: ZoneInfo
    weeks: tuple[Week, ...]
    _days: dict[date, list[Span]] = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def _starts(self) -> list[date]:
        return [week.valid_from for week in self.weeks]

    def in_force(self, day: date) -> Week | None:
        """The week that holds on `day`; None before the first."""
        place = bisect_right(self._starts, day)
        return self.weeks[place - 1] if place else None

    def knows(self, day: date) -> bool:
        """Whether there are hours for `day`, and its holidays are known."""
        week = self.in_force(day)
        return week is not None and day <= week.known_until

    def on(self, day: date) -> list[Span]:
        """The open spans of one local day, in order."""
        if (spans := self._days.get(day)) is None:
            if len(self._days) > REMEMBERED_DAYS:
                self._days.clear()
            week = self.in_force(day)
            openings = week.on(day) if week else ()
            spans = self._days[day] = OpeningHours(self.zone, openings).on(day) if openings else []
        return spans

    def within(self, span: Span) -> list[Span]:
        """The open parts of `span`, in order; hours that meet at midnight are one part."""
        return intersected((each for day in local_days(span, self.zone) for each in self.on(day)), [span])

    def covers(self, span: Span) -> bool:
        return self.within(span) == [span]

    def why_closed(self, day: date) -> str:
        """The holiday or closure that closes `day`; empty if none does."""
        week = self.in_force(day)
        return week.closed_on.get(day, "") if week else ""

    def told_from(self, day: date) -> list[ToldHours]:
        """What holds from `day` on, in the order in which it comes into force.

        Others know only weeks and closed days, so a day with hours of its own is a week that lasts a day.
        """
        told: list[ToldHours] = []
        for place, week in enumerate(self.weeks):
            until = self.weeks[place + 1].valid_from if place + 1 < len(self.weeks) else date.max
            told += [hours for hours in _told(week) if hours.valid_from < until]
        begun = [hours for hours in told if hours.valid_from <= day][-1:]
        return [
            replace(
                hours,
                valid_from=max(hours.valid_from, day),
                closed_on=tuple(each for each in hours.closed_on if each >= day),
            )
            for hours in (*begun, *(hours for hours in told if hours.valid_from > day))
        ]


def _told(week: Week) -> Iterator[ToldHours]:
    def from_day(day: date, weekly: tuple[Opening, ...]) -> ToldHours:
        closed = tuple(sorted(each for each in week.closed_on if each >= day))
        return ToldHours(day, weekly, closed, week.known_until)

    special = {day: hours for day, hours in week.special_on.items() if day >= week.valid_from}
    if week.valid_from not in special:
        yield from_day(week.valid_from, week.weekly)
    for day, hours in sorted(special.items()):
        others = tuple(opening for opening in week.weekly if opening.weekday != day.weekday())
        yield from_day(day, tuple(sorted((*others, *hours))))
        if (after := day + timedelta(days=1)) not in special:
            yield from_day(after, week.weekly)
