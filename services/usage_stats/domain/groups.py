"""How figures are grouped, who may read which of them, and what the public is not shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from shared.errors import Fault, Forbidden, Invalid, NotFound

MINIMUM_ORGANISATIONS = 3  # fewer in a cell, and the public could tell whose work it shows
NOT_A_FIRM = "not_a_firm"  # the size class of organisations that have none


class NoSuchGroup(NotFound):
    """There is no such region, facility or equipment, or its figures are not the reader's."""

    code = "no-such-group"


class TooFine(Forbidden):
    """Figures this fine are not for the public: they could tell what one organisation does."""

    code = "too-fine-for-the-public"


class NotYourRegion(Forbidden):
    """The exact figures of a region are read by those who fund it."""

    code = "not-your-region"


class Grouping(StrEnum):
    """By what figures can be told apart."""

    EQUIPMENT = "equipment"
    FACILITY = "facility"
    REGION = "region"
    MONTH = "month"
    SIZE_CLASS = "size_class"


PUBLIC_GROUPINGS = frozenset({Grouping.REGION, Grouping.MONTH})


class Period(NamedTuple):
    """Local days `[first, end)`."""

    first: date
    end: date

    @classmethod
    def between(cls, first: date, end: date) -> Period:
        """Raises `Invalid` unless there is a day in it."""
        if first >= end:
            fault = Fault("period-ends-before-start", "The day after the last must come after the first.", "to")
            raise Invalid("This period has no day in it.", faults=[fault])
        return cls(first, end)

    @property
    def last_day(self) -> date:
        return self.end - timedelta(days=1)

    @classmethod
    def last_twelve_months(cls, today: date) -> Period:
        """This month with the eleven before it."""
        return cls(months_later(today, -11), months_later(today, 1))

    def whole_months_before(self, today: date) -> Period:
        """The whole months of the period that are over; maybe none, then it ends where it begins."""
        first = self.first if self.first.day == 1 else months_later(self.first, 1)
        end = min(month_of(self.end), month_of(today))
        return Period(first, max(first, end))


def month_of(day: date) -> date:
    """The first day of its month."""
    return day.replace(day=1)


def months_later(month: date, count: int) -> date:
    """The first day of the month `count` months after (or before) that of `month`."""
    years, index = divmod(month.year * 12 + month.month - 1 + count, 12)
    return date(years, index + 1, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Whose exact figures somebody may read. One who may read none reads what is published."""

    everything: bool = False
    regions: frozenset[str] = frozenset()
    facilities: frozenset[UUID] = frozenset()

    @property
    def is_public(self) -> bool:
        return not (self.everything or self.regions or self.facilities)

    def reads(self, *, facility_id: UUID, region_id: str) -> bool:
        return self.everything or facility_id in self.facilities or region_id in self.regions


PUBLIC = Reader()


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Of what figures are wanted; None: of all."""

    region: str | None = None
    facility: UUID | None = None
    equipment: UUID | None = None


def must_be_coarse(groupings: Iterable[Grouping], filters: Filters) -> None:
    """Raise `TooFine`, naming all that is, unless the public may read figures of this grain."""
    faults = [
        Fault("too-fine", f"Public figures are not told apart by {each.value.replace('_', ' ')}.", "group_by")
        for each in groupings
        if each not in PUBLIC_GROUPINGS
    ]
    faults += [
        Fault("too-fine", f"Public figures are not for one {name} alone.", name)
        for name, wanted in (("facility", filters.facility), ("equipment", filters.equipment))
        if wanted
    ]
    if faults:
        message = "Without a role for them you can read figures by region and month. Sign in to read finer ones."
        raise TooFine(message, faults=faults)


Key = tuple[str | date | UUID, ...]  # a value for each grouping asked for, in that order


@dataclass(slots=True, kw_only=True)
class Cell:
    """The sums of one group."""

    key: Key
    sums: dict[str, int] = field(default_factory=dict)
    organisations: int | None = 0  # that used something; None: not known of a sum of cells
    contributors: tuple[int, ...] = ()  # organisations that asked, that booked, that used
    provisional: bool = False
    counted_until: datetime | None = None
    suppressed: bool = False
    left_out: int = 0  # cells of regions and months too small to be part of the sums

    @property
    def is_small(self) -> bool:
        """Whether so few organisations are behind it that it would tell what one of them does."""
        return any(0 < count < MINIMUM_ORGANISATIONS for count in self.contributors)


def folded(cells: Sequence[Cell], positions: Sequence[int]) -> list[Cell]:
    """What the public reads: cells of region and month, summed over all but the key's `positions`.

    Small cells enter no sum. Whatever is published is therefore a sum of cells that are published too,
    and nothing left out can be found by subtraction.
    """
    groups: dict[Key, list[Cell]] = {}
    for cell in cells:
        groups.setdefault(tuple(cell.key[i] for i in positions), []).append(cell)
    return [_folded(key, group) for key, group in groups.items()]


def _folded(key: Key, cells: Sequence[Cell]) -> Cell:
    shown = [cell for cell in cells if not cell.is_small]
    moments = [cell.counted_until for cell in cells if cell.counted_until]
    return Cell(
        key=key,
        sums=added(cell.sums for cell in shown or cells),
        organisations=None,
        provisional=any(cell.provisional for cell in cells),
        counted_until=max(moments, default=None),
        suppressed=not shown,
        left_out=len(cells) - len(shown),
    )


def added(many: Iterable[dict[str, int]]) -> dict[str, int]:
    """Sums of sums."""
    result: dict[str, int] = {}
    for sums in many:
        for name, amount in sums.items():
            result[name] = result.get(name, 0) + amount
    return result


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Figures as somebody may read them."""

    period: Period
    groupings: tuple[Grouping, ...]
    filters: Filters
    published: bool  # what the public reads: whole months, large groups
    cells: list[Cell]
    whole: Cell
    names: dict[Any, str]  # what people call the parts of the keys
