"""What a facility asks of a slot, and the one judgement that form, dry run and request share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

from services.booking.domain.hours import Timetable
from services.booking.domain.words import (
    hours_words,
    length_words,
    listed,
)
from shared import formats
from shared.calendar import Span, exists, local_day, local_days
from shared.errors import Fault

LONGEST_SLOT = timedelta(days=31)
LONGEST_BUFFER = timedelta(days=1)
FURTHEST_AHEAD = timedelta(days=500)  # holidays are known for longer than that
GRACE = timedelta(hours=1)  # after its end, a booking nobody checked out of is completed by the clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a facility asks of a slot. The defaults hold where it has said nothing."""

    min_duration: timedelta = timedelta(minutes=30)
    max_duration: timedelta = timedelta(hours=8)
    granularity: timedelta = timedelta(minutes=30)  # of start and length
    lead_time: timedelta = timedelta(hours=24)  # at least so long before the start
    horizon: timedelta = timedelta(days=90)  # at most so long before the start
    buffer_before: timedelta = timedelta()  # kept free for setting up
    buffer_after: timedelta = timedelta()  # kept free for cleaning down
    needs_approval: bool = True
    cancel_before: timedelta = timedelta(hours=24)  # later cancellations count as late
    check_in_before: timedelta = timedelta(minutes=15)
    check_in_after: timedelta = timedelta(minutes=30)  # then it is a no-show
    answer_within: timedelta = timedelta(hours=48)  # what the facility promises
    outside_hours: bool = False  # True: slots outside the opening hours are allowed

    def faults(self) -> list[Fault]:
        """What is wrong with the rules themselves."""
        minute, none = timedelta(minutes=1), timedelta()
        checks = (
            ("min_duration", minute <= self.min_duration <= LONGEST_SLOT, "between 1 minute and 31 days"),
            (
                "max_duration",
                self.min_duration <= self.max_duration <= LONGEST_SLOT,
                "between the shortest time and 31 days",
            ),
            (
                "granularity",
                minute <= self.granularity <= timedelta(days=1) and timedelta(days=1) % self.granularity == none,
                "a part of a day without rest, such as 15, 30 or 60 minutes",
            ),
            ("lead_time", none <= self.lead_time <= self.horizon, "between none and the horizon"),
            ("horizon", none < self.horizon <= FURTHEST_AHEAD, "between 1 and 500 days"),
            ("buffer_before", none <= self.buffer_before <= LONGEST_BUFFER, "between none and one day"),
            ("buffer_after", none <= self.buffer_after <= LONGEST_BUFFER, "between none and one day"),
            ("cancel_before", none <= self.cancel_before <= FURTHEST_AHEAD, "between none and 500 days"),
            ("check_in_before", none <= self.check_in_before <= LONGEST_BUFFER, "between none and one day"),
            ("check_in_after", minute <= self.check_in_after <= LONGEST_BUFFER, "between 1 minute and one day"),
            ("answer_within", minute <= self.answer_within <= FURTHEST_AHEAD, "between 1 minute and 500 days"),
        )
        return [Fault("out-of-range", f"It must be {said}.", name) for name, good, said in checks if not good]

    def busy(self, slot: Span) -> Span:
        """`slot` with the time kept free around it."""
        return slot.widened(self.buffer_before, self.buffer_after)

    def in_words(self) -> list[str]:
        """The rules as sentences for whoever is about to ask."""
        words = [
            f"Between {length_words(self.min_duration)} and {length_words(self.max_duration)} at a time, "
            f"in steps of {length_words(self.granularity)}",
            f"Ask at least {length_words(self.lead_time)} ahead" if self.lead_time else "Ask at any time ahead",
            f"Ask at most {length_words(self.horizon)} ahead",
            "The lab decides; it promises an answer within " + length_words(self.answer_within)
            if self.needs_approval
            else "Approved at once when all rules are met",
            f"Cancel until {length_words(self.cancel_before)} before the start; later counts as late"
            if self.cancel_before
            else "Cancel at any time before the start",
            f"Check in from {length_words(self.check_in_before)} before to "
            f"{length_words(self.check_in_after)} after the start; then the time is given free",
        ]
        if self.buffer_before or self.buffer_after:
            kept = [
                f"{length_words(length)} {where}"
                for length, where in ((self.buffer_before, "before"), (self.buffer_after, "after"))
                if length
            ]
            words.append(f"The lab keeps {listed(kept)} free to set up and clean down")
        if self.outside_hours:
            words.append("Times outside the opening hours are possible")
        return words


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Whether equipment can be booked at all, and from when to when."""

    published: bool
    facility_open: bool = True
    commissioned_on: date | None = None
    decommissioned_on: date | None = None


def faults_of(slot: Span, *, rules: Rules, timetable: Timetable, standing: Standing, now: datetime) -> list[Fault]:
    """Every rule that `slot`, asked for at `now`, breaks; each with its numbers and a plain sentence.

    Whether the slot is free, or the equipment out of order then, is not known here.
    """
    return [
        *_standing_faults(slot, standing, timetable.zone),
        *_skipped_hour_faults(slot, timetable.zone),
        *_moment_faults(slot, rules, timetable.zone, now),
        *_length_faults(slot, rules, timetable.zone),
        *([] if rules.outside_hours and timetable.weeks else _hours_faults(slot, timetable)),
    ]


def _standing_faults(slot: Span, standing: Standing, zone: ZoneInfo) -> Iterator[Fault]:
    if not standing.published:
        yield Fault("equipment-withdrawn", "This equipment can no longer be booked.", "equipment_id")
    if not standing.facility_open:
        yield Fault("facility-closed", "This lab has closed for good.", "equipment_id")
    first, last = standing.commissioned_on, standing.decommissioned_on
    start, end = slot.starts_at.astimezone(zone).date(), slot.ends_at.astimezone(zone).date()
    if first and start < first:
        numbers = {"commissioned_on": first.isoformat()}
        yield Fault("not-in-service", f"It is in service from {formats.day(first)}.", "starts_at", numbers)
    if last and end > last:
        numbers = {"decommissioned_on": last.isoformat()}
        yield Fault("not-in-service", f"It is in service until {formats.day(last)}.", "ends_at", numbers)


def as_written(day: date, minute: int, zone: ZoneInfo) -> datetime:
    """A time somebody wrote as a local day and minutes since its midnight, with the offset they had in mind.

    Of a time that comes twice, the first. One that never comes is kept as written, for `faults_of` to refuse.
    """
    wall = datetime.combine(day, time(), zone) + timedelta(minutes=minute)
    return wall.replace(tzinfo=timezone(wall.utcoffset() or timedelta()))


def _skipped_hour_faults(slot: Span, zone: ZoneInfo) -> Iterator[Fault]:
    """A wall time in the hour the clock skips in spring, written with the offset of that place."""
    for field, written in (("starts_at", slot.starts_at), ("ends_at", slot.ends_at)):
        wall = written.replace(tzinfo=zone)
        offsets = {wall.replace(fold=fold).utcoffset() for fold in (0, 1)}
        if written.utcoffset() and written.utcoffset() in offsets and not exists(wall):
            meant = written.astimezone(zone)
            yield Fault(
                "no-such-hour",
                f"There is no {wall:%H:%M} on {formats.day(wall.date())}: the clock is put forward that night. "
                f"Did you mean {meant:%H:%M}?",
                field,
                {"written": written.isoformat(), "meant": meant.isoformat()},
            )


def _moment_faults(slot: Span, rules: Rules, zone: ZoneInfo, now: datetime) -> Iterator[Fault]:
    asked = {"asked": slot.starts_at.isoformat()}
    earliest, latest = now + rules.lead_time, now + rules.horizon
    if slot.starts_at < now:
        yield Fault("in-the-past", f"{formats.moment(slot.starts_at, zone)} is over.", "starts_at", asked)
    elif slot.starts_at < earliest:
        yield Fault(
            "lead-time",
            f"Ask at least {length_words(rules.lead_time)} ahead: the earliest start is now "
            f"{formats.moment(earliest, zone)}.",
            "starts_at",
            {"lead_hours": rules.lead_time / timedelta(hours=1), "earliest": earliest.isoformat()} | asked,
        )
    if slot.starts_at > latest:
        yield Fault(
            "horizon",
            f"Ask at most {length_words(rules.horizon)} ahead: the latest start is now {formats.moment(latest, zone)}.",
            "starts_at",
            {"horizon_days": rules.horizon / timedelta(days=1), "latest": latest.isoformat()} | asked,
        )


def _length_faults(slot: Span, rules: Rules, zone: ZoneInfo) -> Iterator[Fault]:
    asked = {"asked_minutes": slot.duration / timedelta(minutes=1)}
    if slot.duration < rules.min_duration:
        yield Fault(
            "min-duration",
            f"The shortest time is {length_words(rules.min_duration)}; this asks for {length_words(slot.duration)}.",
            "ends_at",
            {"min_minutes": rules.min_duration / timedelta(minutes=1)} | asked,
        )
    if slot.duration > rules.max_duration:
        yield Fault(
            "max-duration",
            f"The longest time is {length_words(rules.max_duration)}; this asks for {length_words(slot.duration)}.",
            "ends_at",
            {"max_minutes": rules.max_duration / timedelta(minutes=1)} | asked,
        )
    step = {"granularity_minutes": rules.granularity / timedelta(minutes=1)}
    if past_step(slot.starts_at, rules.granularity, zone):
        yield Fault(
            "granularity",
            f"Times go in steps of {length_words(rules.granularity)} from midnight; "
            f"{slot.starts_at.astimezone(zone):%H:%M} is between two steps.",
            "starts_at",
            step | {"asked": slot.starts_at.isoformat()},
        )
    if slot.duration % rules.granularity:
        yield Fault(
            "granularity",
            f"The length goes in steps of {length_words(rules.granularity)}; "
            f"this asks for {length_words(slot.duration)}.",
            "ends_at",
            step | asked,
        )


def past_step(when: datetime, granularity: timedelta, zone: ZoneInfo) -> timedelta:
    """How long before `when` the last step lies, counted on the local clock from midnight."""
    local = when.astimezone(zone)
    since_midnight = timedelta(
        hours=local.hour, minutes=local.minute, seconds=local.second, microseconds=local.microsecond
    )
    return since_midnight % granularity


def _hours_faults(slot: Span, timetable: Timetable) -> Iterator[Fault]:
    zone = timetable.zone
    if not timetable.weeks:
        yield Fault("no-timetable", "The lab has not said yet when this equipment is open.", "starts_at")
        return
    if slot.duration > LONGEST_SLOT:
        return  # it breaks other rules; its days need not be listed
    last = (slot.ends_at - timedelta(microseconds=1)).astimezone(zone).date()
    if timetable.knows(last) and timetable.covers(slot):
        return
    for day in local_days(slot, zone):
        part = Span(slot.starts_at, slot.ends_at).clipped(local_day(day, zone))
        if part is None or (timetable.knows(day) and timetable.covers(part)):
            continue
        field = "starts_at" if part.starts_at == slot.starts_at else "ends_at"
        opening = timetable.on(day)
        numbers: dict[str, Any] = {
            "day": day.isoformat(),
            "open": [[each.starts_at.isoformat(), each.ends_at.isoformat()] for each in opening],
        }
        if not timetable.knows(day):
            yield Fault(
                "hours-not-known", f"The opening hours of {formats.day(day)} are not known yet.", field, numbers
            )
        elif why := timetable.why_closed(day):
            yield Fault("closed-day", f"Closed on {formats.day(day)}: {why}.", field, numbers)
        elif not opening:
            yield Fault("outside-opening-hours", f"Closed on {formats.day(day)}.", field, numbers)
        else:
            yield Fault(
                "outside-opening-hours",
                f"On {formats.day(day)} it is open {hours_words(opening, day, zone)}; "
                f"this asks for {hours_words([part], day, zone)}.",
                field,
                numbers,
            )


def downtime_faults(slot: Span, downtimes: Iterable[tuple[datetime, datetime | None]], zone: ZoneInfo) -> list[Fault]:
    """One fault for each time out of order that meets `slot`; one without end is still going on."""
    faults = []
    for starts_at, ends_at in downtimes:
        if starts_at < slot.ends_at and (ends_at is None or slot.starts_at < ends_at):
            until = f"until {formats.moment(ends_at, zone)}" if ends_at else "and nobody knows until when"
            faults.append(
                Fault(
                    "downtime",
                    f"It is not available from {formats.moment(starts_at, zone)} {until}.",
                    "starts_at",
                    {"starts_at": starts_at.isoformat(), "ends_at": ends_at.isoformat() if ends_at else None},
                )
            )
    return faults
