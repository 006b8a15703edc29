"""What happened in the last three months and what is about to happen: drawn by lot, and the same for the same day.

Nothing here knows how a booking is kept. The answer is a list of things that people did, in the order
in which they did them; the loader tells them to the services.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from deploy.demonstration.facts import Facts, Organisation, Person, Piece, Region, Wish
from services.booking.domain.hours import HolidayCalendar, Timetable, Week, resolve
from shared.calendar import Span, instant, local_day, merged

DAYS = 92
BUSY_PIECES = 64
AHEAD = timedelta(days=11)  # beyond today, slots are drawn for so long
AT_WORK = (8 * 60, 17 * 60)  # when people ask and decide, on the clock of the facility
LONG_DAY = timedelta(hours=18)
SHORTEST_OF_LONGEST = 2  # nobody travels for a small part of what could be booked at once
MINUTE = timedelta(minutes=1)
SATURDAY = 5
FORGOTTEN_CLOSED = timedelta(hours=1)  # when the clock ends what nobody checked out of
BY_BOOKER = 0.7  # share of check-ins and check-outs


class Outcome(StrEnum):
    """How a booking ends, or would end if the day had come."""

    COMPLETED = "completed"
    NO_SHOW = "no_show"
    CANCELLED_LATE = "cancelled_late"
    CANCELLED_IN_TIME = "cancelled_in_time"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


NEVER_APPROVED = (Outcome.DECLINED, Outcome.WITHDRAWN, Outcome.EXPIRED)


class Deed(StrEnum):
    """What somebody did."""

    REQUEST = "request"
    APPROVE = "approve"
    DECLINE = "decline"
    WITHDRAW = "withdraw"
    EXPIRE = "expire"
    CANCEL = "cancel"
    CHECK_IN = "check in"
    CHECK_OUT = "check out"
    NO_SHOW = "no-show"
    REPORT_DOWNTIME = "report downtime"
    END_DOWNTIME = "end downtime"


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A slot that somebody asked for, and all that was said about it."""

    number: int
    piece: Piece
    span: Span
    organisation: Organisation
    booker: Person
    access_mode: str
    purpose: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Downtime:
    """Time in which a piece could not be used; without an end it is still going on."""

    number: int
    piece: Piece
    planned: bool
    starts_at: datetime
    ends_at: datetime | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing done at one moment; `by` nobody means by the clock."""

    at: datetime
    deed: Deed
    about: Slot | Downtime
    by: Person | None
    reason_code: str = ""
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Story:
    """What to tell, oldest first."""

    first_day: date  # of the past that is told
    events: tuple[Event, ...]


def is_for(purpose: Mapping[str, Any], piece: Piece) -> bool:
    """Whether somebody would book `piece` for this purpose: it is about what the piece is mainly for."""
    return piece.techniques[0] in purpose["techniques"]


def calendar_of(region: Region) -> HolidayCalendar:
    """The public holidays of a region."""
    return HolidayCalendar(region.holiday_country, region.holiday_subdivision, region.holiday_categories)


def write(facts: Facts, *, now: datetime, days: int = DAYS, pieces: int = BUSY_PIECES) -> Story:
    """The story as it has to be told at `now`: `days` of past on about `pieces` pieces of equipment."""
    return _Writer(facts, now, days, pieces).write()


@dataclass
class _Writer:
    facts: Facts
    now: datetime
    days: int
    pieces: int
    events: list[Event] = field(default_factory=list)
    numbers: int = 0

    def __post_init__(self) -> None:
        self.today = self.now.astimezone(UTC).date()
        self.first_day = self.today - timedelta(days=self.days)
        self.past: dict[str, Any] = self.facts.story["past"]
        self.lot = self._lot("all")
        self.taken: dict[str, list[Span]] = {}  # of a piece, any of its units, with buffers
        self.timetables: dict[tuple[str, str], Timetable] = {}
        self.used: dict[str, list[tuple[Slot, Event]]] = {}  # by piece: slots that were used, with their check-out

    def write(self) -> Story:
        self._tell_wishes()
        busy = self._busy_pieces()
        self._plan_maintenance(busy)
        slots = [slot for piece in busy for slot in self._slots_of(piece)]
        for slot, outcome in self._with_outcomes(slots):
            self._tell_booking(slot, outcome)
        self._break_things(busy)
        self._break_idle_things(busy)
        told = sorted((event for event in self.events if event.at <= self.now), key=lambda event: event.at)
        return Story(first_day=self.first_day, events=tuple(told))

    def _lot(self, what: str) -> Random:
        """Chance, but the same for the same day and `what`; more or fewer pieces change nothing for the others."""
        return Random(f"{self.facts.story['seed']} {self.today} {what}")

    def _number(self) -> int:
        self.numbers += 1
        return self.numbers

    # --- when things are open

    def _timetable(self, piece: Piece) -> Timetable:
        region, hours = self.facts.region_of(piece), self.facts.hours[piece.hours]
        key = (region.id, hours.name)
        if key not in self.timetables:
            last = self.today + timedelta(days=60)
            resolved = resolve(
                weekly=hours.weekly,
                calendar=calendar_of(region) if hours.closed_on_holidays else None,
                closed_days=(),
                open_days=(),
                first=self.first_day,
                last=last,
            )
            week = Week(self.first_day, hours.weekly, resolved.closed_on, resolved.special_on, last)
            self.timetables[key] = Timetable(ZoneInfo(region.time_zone), (week,))
        return self.timetables[key]

    def _zone(self, piece: Piece) -> ZoneInfo:
        return ZoneInfo(self.facts.region_of(piece).time_zone)

    def _is_free(self, piece: Piece, span: Span) -> bool:
        return not any(span.overlaps(other) for other in self.taken.get(piece.slug, ()))

    def _take(self, piece: Piece, span: Span) -> None:
        self.taken.setdefault(piece.slug, []).append(span)

    # --- what is told in the files

    def _tell_wishes(self) -> None:
        for wish in self.facts.open_requests:
            self._tell_wish(wish, approved=False)
        for wish in self.facts.upcoming:
            self._tell_wish(wish, approved=True)

    def _tell_wish(self, wish: Wish, *, approved: bool) -> None:
        piece, lot = self.facts.piece[wish.equipment], self._lot(f"{wish.equipment} {wish.organisation}")
        zone, timetable = self._zone(piece), self._timetable(piece)
        length = timedelta(minutes=wish.minutes)
        day = self.today + timedelta(days=wish.in_days)
        while True:
            start = instant(day, wish.at, zone)
            span = Span(start, start + length)
            if timetable.covers(span) and self._is_free(piece, piece.rules.busy(span)):
                break
            day += timedelta(days=1)
        self._take(piece, piece.rules.busy(span))
        organisation = next(each for each in self.facts.organisations if each.slug == wish.organisation)
        slot = Slot(
            number=self._number(),
            piece=piece,
            span=span,
            organisation=organisation,
            booker=lot.choice(self.facts.members_of(organisation.slug)),
            access_mode=wish.access_mode,
            purpose=wish.purpose,
        )
        hours_ago = lot.uniform(30, 110) if approved else lot.uniform(2, 40)
        asked = _back_to_work(self.now - timedelta(hours=hours_ago), zone)
        self._tell(asked, Deed.REQUEST, slot, slot.booker)
        if approved and piece.rules.needs_approval:
            decided = min(_on_to_work(asked + _hours(lot.uniform(1, 20)), zone), self.now - MINUTE)
            self._tell(decided, Deed.APPROVE, slot, self.facts.operator_of(piece.facility))

    # --- which pieces are busy, and when

    def _busy_pieces(self) -> list[Piece]:
        """Those spoken of in the files, one of every other facility, and more until there are enough."""
        named = {wish.equipment for wish in (*self.facts.open_requests, *self.facts.upcoming)}
        shuffled = self.lot.sample(self.facts.equipment, len(self.facts.equipment))
        # First those for long stays: few bookings fill them, and many make the loading slow.
        others = sorted(shuffled, key=lambda piece: (piece.units, -piece.rules.max_duration))
        busy = [piece for piece in self.facts.equipment if piece.slug in named]
        for piece in others:
            if piece.facility not in {each.facility for each in busy}:
                busy.append(piece)
        busy += [piece for piece in others if piece not in busy]
        return busy[: self.pieces]

    def _slots_of(self, piece: Piece) -> Iterator[Slot]:
        """Slots on one unit of a piece, none touching another, as full as this piece happens to be."""
        lot = self._lot(piece.slug)
        least, most = self.past["booked_share"]
        share = least + (most - least) * lot.random() ** self.past["booked_share_skew"]
        for span in self._spans(piece, share, merged(self.taken.get(piece.slug, ())), lot):
            yield self._slot(piece, span, lot)

    def _spans(self, piece: Piece, share: float, blocked: Sequence[Span], lot: Random) -> Iterator[Span]:
        zone, timetable, rules = self._zone(piece), self._timetable(piece), piece.rules
        step = rules.granularity // MINUTE

        def fits(busy: Span) -> bool:
            return timetable.covers(busy) and not any(busy.overlaps(other) for other in blocked)

        free_from = local_day(self.first_day, zone).starts_at
        day, last = self.first_day, self.today + AHEAD
        while day <= last:
            for opening in timetable.on(day):
                first, last_start = opening.starts_at + rules.buffer_before, opening.ends_at
                if opening.duration > LONG_DAY:  # open by night as well, but people come on working days
                    if not _is_working_day(day):
                        break
                    first, last_start = (instant(day, minute, zone) for minute in AT_WORK)
                free_from = max(free_from, first)  # the last one may still be going on
                while lot.random() < share and free_from < last_start:
                    begins = _stepped_up(free_from + MINUTE * (step * lot.choice((0, 0, 0, 1, 2))), step, zone)
                    length = self._length(piece, lot)
                    shorter = (Span(begins, begins + MINUTE * minutes) for minutes in _shorter(length, piece))
                    found = next((span for span in shorter if fits(rules.busy(span))), None)
                    if found is None:
                        break
                    yield found
                    free_from = found.ends_at + rules.buffer_after + rules.buffer_before
            day += timedelta(days=1)

    def _length(self, piece: Piece, lot: Random) -> int:
        least = max(piece.rules.min_duration, piece.rules.max_duration / SHORTEST_OF_LONGEST)
        fitting = [row for row in self.past["length"] if least <= MINUTE * row["minutes"] <= piece.rules.max_duration]
        if not fitting:
            return piece.rules.max_duration // MINUTE
        chosen: int = _weighted(fitting, lot)["minutes"]
        return chosen

    def _slot(self, piece: Piece, span: Span, lot: Random) -> Slot:
        organisation = self._organisation(piece, lot)
        academic = organisation.kind == "university"
        return Slot(
            number=self._number(),
            piece=piece,
            span=span,
            organisation=organisation,
            booker=lot.choice(self.facts.members_of(organisation.slug)),
            access_mode="excellence" if academic and "excellence" in piece.access_modes else "market",
            purpose=lot.choice([row["text"] for row in self.facts.story["purpose"] if is_for(row, piece)]),
        )

    def _organisation(self, piece: Piece, lot: Random) -> Organisation:
        region = self.facts.region_of(piece).id
        chance = lot.random()
        booking = [each for each in self.facts.organisations if each.kind != "funder"]
        if chance < self.past["academic_share"]:
            choice = [each for each in booking if each.kind == "university"]
        elif chance < self.past["academic_share"] + self.past["own_region_share"]:
            choice = [each for each in booking if each.kind == "enterprise" and each.region == region]
        else:
            choice = [each for each in booking if each.kind == "enterprise" and each.region != region]
        return lot.choice(choice or booking)

    # --- how it went

    def _with_outcomes(self, slots: Sequence[Slot]) -> Iterator[tuple[Slot, Outcome]]:
        """Each outcome as often as the shares say; what has yet to come goes well as far as anybody knows."""
        midnight = instant(self.today, 0, ZoneInfo("UTC"))
        begun = [slot for slot in slots if slot.span.starts_at < midnight]
        yield from ((slot, Outcome.COMPLETED) for slot in slots if slot.span.starts_at >= midnight)
        wanted = {outcome: max(1, round(self.past["outcomes"][outcome] * len(begun))) for outcome in reversed(Outcome)}
        left = self.lot.sample(begun, len(begun))
        for outcome, number in wanted.items():
            if outcome is Outcome.COMPLETED:
                continue
            if outcome in NEVER_APPROVED:  # where nobody has to approve, nobody can decline
                left.sort(key=lambda slot: slot.piece.rules.needs_approval, reverse=True)
            chosen, left = left[:number], self.lot.sample(left[number:], max(0, len(left) - number))
            yield from ((slot, outcome) for slot in chosen)
        yield from ((slot, Outcome.COMPLETED) for slot in left)

    def _tell(
        self, at: datetime, deed: Deed, about: Slot | Downtime, by: Person | None, code: str = "", reason: str = ""
    ) -> Event:
        event = Event(at=at, deed=deed, about=about, by=by, reason_code=code, reason=reason)
        self.events.append(event)
        return event

    def _tell_booking(self, slot: Slot, outcome: Outcome) -> None:
        lot = self._lot(f"{slot.piece.slug} {slot.span.starts_at}")
        asked = self._asked_at(slot, lot)
        self._tell(asked, Deed.REQUEST, slot, slot.booker)
        decided = self._decided_at(slot, asked, lot)
        operator = self.facts.operator_of(slot.piece.facility)
        match outcome:
            case Outcome.DECLINED:
                row = _weighted(self.facts.story["decline_reason"], lot)
                self._tell(decided, Deed.DECLINE, slot, operator, row["code"], row["text"])
                return
            case Outcome.WITHDRAWN:
                self._tell(asked + (decided - asked) * lot.uniform(0.2, 0.9), Deed.WITHDRAW, slot, slot.booker)
                return
            case Outcome.EXPIRED:
                self._tell(slot.span.starts_at + _seconds(lot.uniform(5, 55)), Deed.EXPIRE, slot, None)
                return
        if slot.piece.rules.needs_approval:
            self._tell(decided, Deed.APPROVE, slot, operator)
        else:
            decided = asked
        match outcome:
            case Outcome.CANCELLED_LATE | Outcome.CANCELLED_IN_TIME:
                self._tell_cancellation(slot, outcome, decided, lot)
            case Outcome.NO_SHOW:
                self._tell(slot.span.starts_at + timedelta(minutes=31), Deed.NO_SHOW, slot, None)
            case _:
                self._tell_use(slot, operator, lot)

    def _asked_at(self, slot: Slot, lot: Random) -> datetime:
        zone, rules, wanted = self._zone(slot.piece), slot.piece.rules, self.past["asked_ahead_days"]
        days = min(max(_around(wanted["median"], 0.55, lot), wanted["shortest"]), wanted["longest"])
        most = rules.horizon - timedelta(days=5)  # going back to the last working hour must not cross the horizon
        least = rules.lead_time + timedelta(hours=2)
        ahead = min(max(timedelta(days=days), least), most)
        return min(_back_to_work(slot.span.starts_at - ahead, zone), slot.span.starts_at - least)

    def _decided_at(self, slot: Slot, asked: datetime, lot: Random) -> datetime:
        """When the lab answered: in its own working hours, and before it was too late."""
        hours = min(_around(self.past["decision_hours_median"], 0.9, lot), self.past["decision_hours_longest"])
        decided = _on_to_work(asked + _hours(hours), self._zone(slot.piece))
        latest = slot.span.starts_at - (slot.span.starts_at - asked) * 0.2
        return min(decided, latest)

    def _tell_cancellation(self, slot: Slot, outcome: Outcome, decided: datetime, lot: Random) -> None:
        past = self.past["cancel"]
        by_operator = outcome is Outcome.CANCELLED_IN_TIME and lot.random() < past["by_operator_share"]
        late = outcome is Outcome.CANCELLED_LATE
        at = slot.span.starts_at - _hours(lot.uniform(*(past["late_hours"] if late else past["in_time_hours"])))
        earliest = decided + _hours(0.2)
        if at < earliest:
            limit = slot.span.starts_at - timedelta(hours=1 if late else 25)
            at = min(earliest + (slot.span.starts_at - earliest) * lot.uniform(0.05, 0.3), max(limit, earliest))
        by = "operator" if by_operator else "booker"
        row = _weighted([row for row in self.facts.story["cancel_reason"] if row["by"] == by], lot)
        who = self.facts.operator_of(slot.piece.facility) if by_operator else slot.booker
        self._tell(at, Deed.CANCEL, slot, who, reason=row["text"])

    def _tell_use(self, slot: Slot, operator: Person, lot: Random) -> None:
        use, span = self.past["use"], slot.span
        late = lot.random() < use["late_start_share"]
        began = span.starts_at + MINUTE * (lot.uniform(*use["late_start_minutes"]) if late else lot.uniform(-9, 6))
        chance = lot.random()
        if chance < use["early_end_share"]:
            ended = span.ends_at - MINUTE * lot.uniform(*use["early_end_minutes"])
        elif chance < use["early_end_share"] + use["overrun_share"]:
            ended = span.ends_at + MINUTE * min(lot.uniform(*use["overrun_minutes"]), FORGOTTEN_CLOSED / MINUTE - 2)
        else:
            ended = span.ends_at + MINUTE * lot.uniform(-8, 3)
        ended = max(ended, began + span.duration * 0.3)

        def someone() -> Person:
            return slot.booker if lot.random() < BY_BOOKER else operator

        self._tell(began, Deed.CHECK_IN, slot, someone())
        if lot.random() < use["forgotten_check_out_share"]:
            self._tell(span.ends_at + FORGOTTEN_CLOSED + _seconds(lot.uniform(3, 50)), Deed.CHECK_OUT, slot, None)
        else:
            out = self._tell(ended, Deed.CHECK_OUT, slot, someone())
            self.used.setdefault(slot.piece.slug, []).append((slot, out))
        self._take(slot.piece, slot.piece.rules.busy(span))

    # --- what was out of order

    def _plan_maintenance(self, busy: Sequence[Piece]) -> None:
        told = self.facts.story["downtime"]
        number = round(told["equipment_share"] * told["planned_share"] * len(self.facts.equipment) * self.days / DAYS)
        rows = [row for row in told["event"] if row["kind"] == "planned"]
        for count in range(number):
            piece = self.lot.choice(busy if count % 2 else self.facts.equipment)
            day = self.first_day + timedelta(days=self.lot.randrange(14, max(15, self.days - 1)))
            self._maintain(piece, day, _weighted(rows, self.lot), self.lot)

    def _maintain(self, piece: Piece, day: date, row: dict[str, Any], lot: Random) -> bool:
        """Maintenance from the opening of `day` on; False if that is not free."""
        opening = next(iter(self._timetable(piece).on(day)), None)
        if opening is None:
            return False
        zone = self._zone(piece)
        starts_at = max(opening.starts_at, instant(day, AT_WORK[0], zone))
        span = Span(starts_at, starts_at + MINUTE * row["minutes"])
        if not self._is_free(piece, span):
            return False
        self._take(piece, span)
        downtime = Downtime(
            number=self._number(),
            piece=piece,
            planned=True,
            starts_at=span.starts_at,
            ends_at=span.ends_at,
            reason=row["reason"],
        )
        reported = _back_to_work(min(starts_at - timedelta(days=lot.uniform(5, 18)), self.now - _hours(3)), zone)
        self._tell(reported, Deed.REPORT_DOWNTIME, downtime, self.facts.operator_of(piece.facility))
        return True

    def _break_things(self, busy: Sequence[Piece]) -> None:
        """Pieces that broke while they were used: the use ends there, and what was left of the slot is lost."""
        told = self.facts.story["downtime"]
        share = told["equipment_share"] * (1 - told["planned_share"])
        number = round(share * len(self.facts.equipment) * self.days / DAYS)
        rows = [row for row in told["event"] if row["kind"] == "unplanned"]
        for _ in range(number):
            piece = self.lot.choice(busy)
            before = [use for use in self.used.get(piece.slug, ()) if use[1].at < self.now - timedelta(days=3)]
            if before:
                self._break(piece, *self.lot.choice(before), _weighted(rows, self.lot))

    def _break(self, piece: Piece, slot: Slot, check_out: Event, row: dict[str, Any]) -> None:
        starts_at = slot.span.starts_at + slot.span.duration * self.lot.uniform(0.4, 0.8)
        # Others' use that is going on, or begins, on another unit sets the limit; so does the next slot.
        ahead = [
            other.starts_at
            for other in self.taken[piece.slug]
            if other.ends_at > starts_at and other != piece.rules.busy(slot.span)
        ]
        ends_at = min([starts_at + MINUTE * row["minutes"], *(other - _hours(1) for other in ahead)])
        if ends_at < starts_at + timedelta(minutes=45) or check_out.at < starts_at:
            return
        operator = self.facts.operator_of(piece.facility)
        ended = starts_at + (ends_at - starts_at) * self.lot.uniform(0.7, 1.0)
        downtime = Downtime(
            number=self._number(),
            piece=piece,
            planned=False,
            starts_at=starts_at,
            ends_at=ends_at,
            reason=row["reason"],
        )
        self.events.remove(check_out)
        self.used[piece.slug].remove((slot, check_out))
        self._take(piece, Span(starts_at, ends_at))
        self._tell(starts_at, Deed.CHECK_OUT, slot, operator)
        self._tell(starts_at + MINUTE * 4, Deed.REPORT_DOWNTIME, downtime, operator)
        self._tell(ended, Deed.END_DOWNTIME, downtime, operator)

    def _break_idle_things(self, busy: Sequence[Piece]) -> None:
        """Pieces that are out of order now, and in every region one that will be maintained next week.

        They are first of all where those look who are shown first.
        """
        told = self.facts.story["downtime"]
        unplanned = [row for row in told["event"] if row["kind"] == "unplanned"]
        planned = [row for row in told["event"] if row["kind"] == "planned"]
        shown = {
            scope for person in self.facts.people if person.headline for each in person.offices for scope in each.scopes
        }
        idle = [piece for piece in self.facts.equipment if piece not in busy and piece.slug not in self.taken]
        idle = sorted(self.lot.sample(idle, len(idle)), key=lambda piece: piece.facility not in shown)
        running: set[str] = set()  # regions
        coming: set[str] = set()
        for piece in idle:
            region = self.facts.region_of(piece).id
            if len(running) < told["running_now"] and region not in running:
                running.add(region)
                starts_at = _back_to_work(self.now - _hours(self.lot.uniform(3, 30)), self._zone(piece))
                downtime = Downtime(
                    number=self._number(),
                    piece=piece,
                    planned=False,
                    starts_at=starts_at,
                    ends_at=None,
                    reason=_weighted(unplanned, self.lot)["reason"],
                )
                self._tell(starts_at, Deed.REPORT_DOWNTIME, downtime, self.facts.operator_of(piece.facility))
            elif region not in coming:
                day = self.today + timedelta(days=self.lot.randrange(2, 9))
                if self._maintain(piece, day, _weighted(planned, self.lot), self.lot):
                    coming.add(region)


def _hours(number: float) -> timedelta:
    return timedelta(seconds=round(number * 3600))


def _seconds(number: float) -> timedelta:
    return timedelta(seconds=round(number))


def _around(median: float, spread: float, lot: Random) -> float:
    """Mostly near `median`, sometimes much more, never less than nothing."""
    return median * math.exp(lot.gauss(0, spread))


def _weighted(rows: Sequence[dict[str, Any]], lot: Random) -> dict[str, Any]:
    return lot.choices(rows, weights=[row["weight"] for row in rows])[0]


def _shorter(length: int, piece: Piece) -> Iterable[int]:
    """`length`, and what could be asked for instead where it does not fit, in steps of the equipment."""
    step, least = piece.rules.granularity // MINUTE, piece.rules.min_duration // MINUTE
    yield from range(length - length % step, least - 1, -step * max(1, 60 // step))


def _stepped_up(moment: datetime, step: int, zone: ZoneInfo) -> datetime:
    """`moment`, or the next one on a step of the local clock."""
    local = moment.astimezone(zone)
    minute = local.hour * 60 + local.minute + (local.second > 0)
    return instant(local.date(), -(-minute // step) * step, zone)


def _is_working_day(day: date) -> bool:
    return day.weekday() < SATURDAY


def _back_to_work(moment: datetime, zone: ZoneInfo) -> datetime:
    """`moment`, or as far back as somebody was at their desk."""
    local = moment.astimezone(zone)
    day, minute = local.date(), local.hour * 60 + local.minute
    if _is_working_day(day) and AT_WORK[0] <= minute < AT_WORK[1]:
        return moment
    if minute < AT_WORK[0] or not _is_working_day(day):
        day -= timedelta(days=1)
    while not _is_working_day(day):
        day -= timedelta(days=1)
    # The minutes past the hour keep many from asking at the very same moment.
    return instant(day, AT_WORK[1] - 60 + minute % 60, zone)


def _on_to_work(moment: datetime, zone: ZoneInfo) -> datetime:
    """`moment`, or when somebody is next at their desk."""
    local = moment.astimezone(zone)
    day, minute = local.date(), local.hour * 60 + local.minute
    if _is_working_day(day) and AT_WORK[0] <= minute < AT_WORK[1]:
        return moment
    if minute >= AT_WORK[1] or not _is_working_day(day):
        day += timedelta(days=1)
    while not _is_working_day(day):
        day += timedelta(days=1)
    return instant(day, AT_WORK[0] + 5 + minute % 60, zone)
