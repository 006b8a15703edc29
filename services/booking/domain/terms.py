"""All that decides about a slot on one piece of equipment, as one text kept beside it.

Opening hours, rules and prices are edited in their own tables and change rarely; slots are judged all
the time. So the effect of those tables is written down once per change, and read back once per text.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from functools import cached_property, lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from services.booking.domain.hours import Timetable, Week
from services.booking.domain.prices import Price, PriceList, price_of, rate_of
from services.booking.domain.rules import Rules, Standing, faults_of
from shared.calendar import Opening, Span
from shared.errors import Fault


@dataclass(frozen=True)
class Terms:
    """What holds for one piece of equipment."""

    time_zone: str
    units: int
    standing: Standing
    rules: Rules
    weeks: tuple[Week, ...]
    prices: tuple[PriceList, ...]

    @cached_property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    @cached_property
    def timetable(self) -> Timetable:
        return Timetable(self.zone, self.weeks)

    def faults(self, slot: Span, *, now: datetime) -> list[Fault]:
        return faults_of(slot, rules=self.rules, timetable=self.timetable, standing=self.standing, now=now)

    def price(self, slot: Span, organisation_kind: str) -> Price | None:
        return price_of(slot, self.prices, rate_of(organisation_kind), self.zone)

    def open_within(self, span: Span) -> list[Span]:
        """When it can be booked, as far as hours go."""
        return [span] if self.rules.outside_hours and self.weeks else self.timetable.within(span)

    def to_text(self) -> str:
        return json.dumps(
            {
                "time_zone": self.time_zone,
                "units": self.units,
                "standing": {key: _plain(value) for key, value in asdict(self.standing).items()},
                "rules": {key: _plain(value) for key, value in asdict(self.rules).items()},
                "weeks": [_week_to_json(week) for week in self.weeks],
                "prices": [{key: _plain(value) for key, value in asdict(each).items()} for each in self.prices],
            },
            separators=(",", ":"),
            ensure_ascii=False,
        )


@lru_cache(maxsize=4096)
def terms_from_text(text: str) -> Terms:
    raw = json.loads(text)
    return Terms(
        time_zone=raw["time_zone"],
        units=raw["units"],
        standing=Standing(
            published=raw["standing"]["published"],
            facility_open=raw["standing"]["facility_open"],
            commissioned_on=_day(raw["standing"]["commissioned_on"]),
            decommissioned_on=_day(raw["standing"]["decommissioned_on"]),
        ),
        rules=_rules_from_json(raw["rules"]),
        weeks=tuple(_week_from_json(week) for week in raw["weeks"]),
        prices=tuple(
            PriceList(
                **each | {"valid_from": date.fromisoformat(each["valid_from"]), "per": timedelta(seconds=each["per"])}
            )
            for each in raw["prices"]
        ),
    )


def _rules_from_json(raw: dict[str, Any]) -> Rules:
    # A rule added since the text was written is not in it; its default holds until then.
    values: dict[str, Any] = {
        name: value if isinstance(value, bool) else timedelta(seconds=value) for name, value in raw.items()
    }
    return Rules(**values)


def openings_to_json(openings: Iterable[Opening]) -> list[list[int]]:
    return [[each.weekday, each.opens, each.closes] for each in openings]


def openings_from_json(raw: Iterable[list[int]]) -> tuple[Opening, ...]:
    return tuple(Opening(*each) for each in raw)


def days_to_json(days: Iterable[date]) -> list[str]:
    return [day.isoformat() for day in sorted(days)]


def days_from_json(raw: Iterable[str]) -> tuple[date, ...]:
    return tuple(map(date.fromisoformat, raw))


def _week_to_json(week: Week) -> dict[str, Any]:
    return {
        "valid_from": week.valid_from.isoformat(),
        "weekly": openings_to_json(week.weekly),
        "closed_on": {day.isoformat(): why for day, why in week.closed_on.items()},
        "special_on": {day.isoformat(): openings_to_json(each) for day, each in week.special_on.items()},
        "known_until": week.known_until.isoformat(),
    }


def _week_from_json(raw: dict[str, Any]) -> Week:
    return Week(
        valid_from=date.fromisoformat(raw["valid_from"]),
        weekly=openings_from_json(raw["weekly"]),
        closed_on={date.fromisoformat(day): why for day, why in raw["closed_on"].items()},
        special_on={date.fromisoformat(day): openings_from_json(each) for day, each in raw["special_on"].items()},
        known_until=date.fromisoformat(raw["known_until"]),
    )


def _plain(value: Any) -> Any:
    match value:
        case timedelta():
            return int(value.total_seconds())
        case date():
            return value.isoformat()
        case _:
            return value


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None
