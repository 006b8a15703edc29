"""A week of equipment as blocks for the calendar macros: minutes since local midnight, drawn by the server."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from services.booking import queries
from services.booking.domain.free import Busy, starts_near, stretches
from services.booking.domain.rules import Rules
from services.booking.domain.states import State
from services.booking.models import Booking
from services.booking.queries import Asked
from shared.auth import Actor
from shared.calendar import MINUTES_A_DAY, Span, instant, local_day, subtracted, total
from shared.formats import MONTHS, WEEKDAYS, hours

DAYS = 7
DEFAULT_HOURS = (8 * 60, 18 * 60)
USUAL_LENGTH = timedelta(hours=2)
Block = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Week:
    """What the calendar macro draws, and where its neighbours are."""

    days: list[dict[str, Any]]
    start: int
    end: int
    zone: str
    label: str
    monday: date
    free: timedelta
    first_free: Span | None

    @property
    def before(self) -> date:
        return self.monday - timedelta(days=7)

    @property
    def after(self) -> date:
        return self.monday + timedelta(days=7)


def monday_of(day: date) -> date:
    return day - timedelta(days=day.weekday())


def usual_length(rules: Rules) -> timedelta:
    """How long the slots are that nobody has given a length yet: two hours, where the rules allow it."""
    steps = -(-max(rules.min_duration, USUAL_LENGTH) // rules.granularity)
    return min(steps * rules.granularity, rules.max_duration)


def short_day(day: date) -> str:
    """`Thu 26 Nov`."""
    return f"{WEEKDAYS[day.weekday()]} {day.day} {MONTHS[day.month - 1]}"


def minutes_on(day: date, span: Span, zone: ZoneInfo) -> tuple[int, int] | None:
    """Where the part of `span` on this local day begins and ends, as its clock shows it."""
    part = span.clipped(local_day(day, zone))
    if part is None:
        return None
    start, end = part.starts_at.astimezone(zone), part.ends_at.astimezone(zone)
    until = MINUTES_A_DAY if end.date() > day else end.hour * 60 + end.minute
    return start.hour * 60 + start.minute, until


def week_of(
    session: Session,
    facts: Asked,
    monday: date,
    *,
    now: datetime,
    actor: Actor,
    chosen: Span | None,
    address: Callable[[Span], str],
) -> Week:
    """The week from `monday` on: free times that can be asked for are links made by `address`."""
    terms, zone = facts.terms, facts.terms.zone
    span = Span(instant(monday, 0, zone), instant(monday + timedelta(days=DAYS), 0, zone))
    opening = terms.open_within(span)
    busy = queries.busy_within(session, facts.equipment_id, span)
    free, taken = stretches(opening, busy, terms.units)
    askable = _askable(facts, span, now)
    mine = [
        booking
        for booking in queries.bookings_page(
            session, actor, equipment=facts.equipment_id, from_=span.starts_at, to=span.ends_at, limit=200
        )
        if booking.state.holds_slot and terms.units == 1
    ]
    full = [each.span for each in taken if each.units == terms.units]
    around_mine = [Span(booking.busy_from, booking.busy_to) for booking in mine]
    blocks: list[tuple[Span, Block]] = [
        *((each, {"kind": "closed"}) for each in subtracted([span], [*opening, *(b.slot for b in mine)])),
        *((each, {"kind": "taken"}) for each in subtracted(full, around_mine)),
        *((each, {"kind": "closed"}) for each in subtracted(around_mine, [booking.slot for booking in mine])),
        *((booking.slot, _own(booking, actor)) for booking in mine),
    ]
    free_askable: list[Span] = []
    offered: list[Span] = []
    for each in free:
        early = subtracted([each.span], [askable] if askable else [])
        blocks += [(part, {"kind": "closed"}) for part in early]  # too soon or too far ahead to ask for
        for part in subtracted([each.span], early):
            first = _first_slot(facts, part, busy, chosen, now)
            if first is None:
                blocks.append((part, {"kind": "closed"}))  # no slot that keeps the rules fits
                continue
            free_askable.append(part)
            offered.append(first)
            text = f"{each.units} of {terms.units} free" if terms.units > 1 else ""
            blocks.append((part, {"kind": "free", "href": address(first), "text": text}))
    if chosen:
        blocks = [(part, block) for whole, block in blocks for part in subtracted([whole], [chosen])]
        blocks.append((chosen, {"kind": "sel", "text": hours(chosen.duration)}))
    return _drawn(facts, monday, blocks, opening, free_askable, now, first_free=min(offered, default=None))


def _askable(facts: Asked, span: Span, now: datetime) -> Span | None:
    """The part of `span` in which a slot may begin, as far as notice and horizon go."""
    rules, standing = facts.terms.rules, facts.terms.standing
    if not (standing.published and standing.facility_open):
        return None
    return Span(now + rules.lead_time, now + rules.horizon + rules.max_duration).clipped(span)


def _first_slot(facts: Asked, part: Span, busy: Sequence[Busy], chosen: Span | None, now: datetime) -> Span | None:
    """The first slot that fits into free time and keeps the rules, as long as the chosen one if that does."""
    rules, terms = facts.terms.rules, facts.terms
    for length in (chosen.duration if chosen else usual_length(rules), rules.min_duration):
        wanted = Span(part.starts_at, part.starts_at + length)
        starts = starts_near(wanted, opening=[part], busy=busy, units=terms.units, rules=rules, zone=terms.zone)
        if starts and not terms.faults(slot := Span(starts[0], starts[0] + length), now=now):
            return slot
    return None


def _own(booking: Booking, actor: Actor) -> Block:
    kind = {State.REQUESTED: "wait", State.IN_USE: "run"}.get(booking.state, "ok")
    own = booking.booker_id == actor.id
    title = "Your booking" if own else booking.organisation_name
    if own and booking.state is State.REQUESTED:
        title = "Your request"
    return {
        "kind": kind if not own or kind != "ok" else "mine",
        "title": title,
        "href": f"/booking/{booking.reference}",
    }


def _drawn(
    facts: Asked,
    monday: date,
    blocks: list[tuple[Span, Block]],
    opening: list[Span],
    free: list[Span],
    now: datetime,
    *,
    first_free: Span | None,
) -> Week:
    zone = facts.terms.zone
    days: list[dict[str, Any]] = []
    shown: list[tuple[int, int]] = []
    for offset in range(DAYS):
        day = monday + timedelta(days=offset)
        here = [
            {"s": at[0], "e": at[1], **block}
            for span, block in sorted(blocks, key=lambda each: each[0])
            if (at := minutes_on(day, span, zone))
        ]
        drawn = [block for block in here if block["kind"] != "closed"]
        if not drawn and offset >= 5:
            continue  # a closed weekend needs no column
        shown += [(block["s"], block["e"]) for block in drawn]
        open_here = [each for span in opening if (each := span.clipped(local_day(day, zone)))]
        free_here = [each for span in free if (each := span.clipped(local_day(day, zone)))]
        days.append(
            {
                "date": day.isoformat(),
                "name": short_day(day),
                "note": _note(facts, day, open_here, free_here),
                "today": day == now.astimezone(zone).date(),
                "blocks": here,
            }
        )
    start = min((s for s, _ in shown), default=DEFAULT_HOURS[0])
    end = max((e for _, e in shown), default=DEFAULT_HOURS[1])
    last = monday + timedelta(days=len(days) - 1)
    return Week(
        days=days,
        start=start,
        end=max(end, start + 60),
        zone=f"{instant(monday, 720, zone).astimezone(zone):%Z}",
        label=f"{monday.day} {MONTHS[monday.month - 1]} – {last.day} {MONTHS[last.month - 1]} {last.year}",
        monday=monday,
        free=total(free),
        first_free=first_free,
    )


def _note(facts: Asked, day: date, opening: list[Span], free: list[Span]) -> str:
    if not opening:
        return facts.terms.timetable.why_closed(day).split(";")[0][:40] or "Closed"
    return f"{hours(total(free))} free" if free else "Nothing free"
