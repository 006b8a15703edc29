"""The facts figures are made of, as far as the figures need them: bookings, outages, timetables, machines."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from shared.calendar import OpeningHours, Span, local_days

# States in which a booking has been approved at some time; all others never held the slot for good.
CONFIRMED = frozenset({"approved", "in_use", "completed", "no_show", "cancelled"})
UNDECIDED_ENDS = frozenset({"declined", "withdrawn", "expired"})


def whole_second(moment: datetime) -> datetime:
    """`moment` without its fraction, so that parts of a day add up to the day."""
    return moment.replace(microsecond=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A booking: what was asked for, what became of it, and when it was really used."""

    booking_id: UUID
    organisation_id: UUID
    size_class: str
    unit: int
    state: str
    starts_at: datetime
    ends_at: datetime
    used_from: datetime | None = None
    used_until: datetime | None = None  # None with `used_from`: still in use
    by_booker: bool = True  # if cancelled: by whom
    late: bool = False  # if cancelled: too late, the slot counts as booked

    @property
    def slot(self) -> Span | None:
        """The slot; None where the record cannot be true."""
        return Span(self.starts_at, self.ends_at) if self.starts_at < self.ends_at else None

    @property
    def confirmed(self) -> bool:
        return self.state in CONFIRMED

    @property
    def blocks(self) -> bool:
        """Whether the slot counts as booked: it was approved and not given up in time."""
        return self.confirmed and (self.state != "cancelled" or self.late)

    @property
    def in_use(self) -> bool:
        return self.used_from is not None and self.used_until is None

    def use(self, now: datetime) -> Span | None:
        """When it was used; use that has not ended ends at `now`."""
        if self.used_from is None:
            return None
        until = self.used_until or now
        return Span(self.used_from, until) if self.used_from < until else None

    def days(self, zone: ZoneInfo, now: datetime) -> set[date]:
        """The local days whose figures this booking can change, to come or past."""
        spans = [span for span in (self.slot, self.use(now)) if span]
        return {self.starts_at.astimezone(zone).date()}.union(*(local_days(span, zone) for span in spans))

    @property
    def holds_unit(self) -> bool:
        """Whether the unit it names must have existed."""
        return self.blocks or self.used_from is not None

    @property
    def set_aside(self) -> bool:
        """Whether part of the record cannot be true and counts for nothing."""
        backwards = self.used_from and self.used_until and self.used_until < self.used_from
        return self.slot is None or bool(backwards)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """Time in which equipment could not be used."""

    planned: bool
    starts_at: datetime
    ends_at: datetime | None  # None: not over

    def span(self, now: datetime) -> Span | None:
        ends_at = self.ends_at or now
        return Span(self.starts_at, ends_at) if self.starts_at < ends_at else None

    def days(self, zone: ZoneInfo, now: datetime) -> set[date]:
        span = self.span(now)
        return set(local_days(span, zone)) if span else set()


@dataclass(frozen=True, slots=True, kw_only=True)
class Timetable:
    """The opening hours that hold from a day on, until a later version says otherwise."""

    sequence: int
    valid_from: date
    hours: OpeningHours
    closures_known_until: date


def timetable_on(timetables: Iterable[Timetable], day: date) -> Timetable | None:
    """The version that holds on `day`: the newest of those that had come into force."""
    in_force = (timetable for timetable in timetables if timetable.valid_from <= day)
    return max(in_force, key=lambda timetable: timetable.sequence, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Equipment with everything that decides how its days are counted."""

    zone: ZoneInfo
    units: int
    commissioned_on: date | None
    decommissioned_on: date | None
    timetables: tuple[Timetable, ...]

    @property
    def first_day(self) -> date | None:
        """The day its figures begin: before the first timetable nothing is known of it."""
        return min((timetable.valid_from for timetable in self.timetables), default=None)

    def today(self, now: datetime) -> date:
        return now.astimezone(self.zone).date()

    def life(self, now: datetime) -> set[date]:
        """Every day up to `now` that has figures whether or not anything happened."""
        return self.days_from(self.first_day, now) if self.first_day else set()

    def days_from(self, day: date, now: datetime) -> set[date]:
        """Every day of its life from `day` to `now`."""
        if self.first_day is None:
            return set()
        day = max(day, self.first_day)
        return {day + timedelta(days=n) for n in range((self.today(now) - day).days + 1)}

    def in_service(self, day: date) -> bool:
        return (self.commissioned_on or day) <= day <= (self.decommissioned_on or day)

    def open_on(self, day: date) -> list[Span]:
        timetable = timetable_on(self.timetables, day)
        return timetable.hours.on(day) if timetable and self.in_service(day) else []

    def closures_known(self, day: date) -> bool:
        timetable = timetable_on(self.timetables, day)
        return timetable is None or day <= timetable.closures_known_until
