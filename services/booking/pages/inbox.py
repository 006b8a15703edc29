"""The operator's desk: requests to decide, longest waiting first; then what comes today and in the next days."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from flask import Blueprint, request
from sqlalchemy.orm import Session

from services.booking import queries
from services.booking.domain.references import parse_reference
from services.booking.domain.states import State
from services.booking.models import Booking
from services.booking.pages import bookings
from services.booking.pages.calendar import minutes_on
from services.booking.pages.words import age, mark
from shared import formats
from shared.auth import Actor
from shared.calendar import Span, instant
from shared.clock import utc_now
from shared.errors import Forbidden
from shared.web.app import current_actor, snapshot
from shared.web.auth import require_login
from shared.web.pages import render

blueprint = Blueprint("inbox", __name__, template_folder="../templates", url_prefix="/inbox")
blueprint.before_request(require_login)

AHEAD = timedelta(days=7)


def must_be_of_a_lab(actor: Actor) -> None:
    """The desk is for those who operate a facility."""
    if not (actor.facilities or actor.is_administrator):
        raise Forbidden("This page is for those who run equipment.")


def subnav(session: Session, actor: Actor) -> list[tuple[str, str, str, int]]:
    """The second bar of the pages of a lab."""
    waiting = len(queries.requests_waiting(session, actor))
    return [
        ("inbox", "Inbox", "/booking/inbox", waiting),
        ("downtime", "Maintenance", "/booking/downtime", 0),
        ("terms", "Hours, rules and prices", "/booking/terms", 0),
    ]


@blueprint.get("")
def inbox() -> str:
    actor, now = current_actor(), utc_now()
    must_be_of_a_lab(actor)
    with snapshot() as session:
        facility = _facility(request.args.get("facility", ""))
        waiting = queries.requests_waiting(session, actor, facility)
        coming = queries.coming_to(session, actor, span=Span(now - timedelta(hours=12), now + AHEAD), facility=facility)
        decided = queries.decided_lately(session, actor, since=now - timedelta(days=1), facility=facility)
        chosen = _chosen(session, actor, request.args.get("booking", ""), [*waiting, *coming])
        groups = [
            ("To decide", [_row(each, now) for each in waiting]),
            ("Today", [_row(each, now) for each in coming if _is_today(each, now)]),
            ("Next days", [_row(each, now) for each in coming if not _is_today(each, now)]),
            ("Decided since yesterday", [_row(each, now) for each in decided if each not in coming]),
        ]
        return render(
            "booking/inbox.html",
            fragment="booking/_case.html",
            subnav_items=subnav(session, actor),
            groups=[(title, rows) for title, rows in groups if rows],
            waiting=len(waiting),
            facilities=queries.facilities_named(session, None if actor.is_administrator else actor.facilities),
            facility=str(facility or ""),
            picked=bool(request.args.get("booking")),
            done=bookings.DONE.get(request.args.get("done", "")),
            **(_case(session, chosen, now) if chosen else {"booking": None}),
        )


def _facility(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _chosen(session: Session, actor: Actor, text: str, listed: list[Booking]) -> Booking | None:
    if reference := parse_reference(text):
        return queries.booking_by_reference(session, actor, reference)
    return listed[0] if listed else None


def _is_today(booking: Booking, now: datetime) -> bool:
    zone = ZoneInfo(booking.time_zone)
    return booking.state is State.IN_USE or booking.starts_at.astimezone(zone).date() <= now.astimezone(zone).date()


def _row(booking: Booking, now: datetime) -> dict[str, Any]:
    """One line of the list, with the one remark that matters."""
    late = booking.state is State.REQUESTED and booking.answer_due_at is not None and now > booking.answer_due_at
    if booking.state is State.REQUESTED:
        flag = ("stop", "Answer overdue") if late else ("pass", "Kept free for them")
    elif booking.state is State.APPROVED and booking.check_in_from <= now < booking.check_in_until:
        flag = ("pass", "May check in now")
    elif booking.state is State.APPROVED and now >= booking.check_in_until:
        flag = ("wait", "Has not checked in")
    elif booking.state is State.IN_USE and now > booking.ends_at:
        flag = ("wait", "Over time")
    else:
        flag = ("", mark(booking, for_lab=True)[1])
    return {
        "booking": booking,
        "age": age(booking.requested_at, now) if booking.state is State.REQUESTED else "",
        "late": late,
        "flag": flag,
    }


def _case(session: Session, booking: Booking, now: datetime) -> dict[str, Any]:
    """The request in its schedule, and all that is on its page."""
    zone = ZoneInfo(booking.time_zone)
    first = booking.starts_at.astimezone(zone).date() - timedelta(days=1)
    last = booking.ends_at.astimezone(zone).date() + timedelta(days=1)
    days = [first + timedelta(days=offset) for offset in range(min((last - first).days + 1, 10))]
    span = Span(instant(days[0], 0, zone), instant(days[-1] + timedelta(days=1), 0, zone))
    others = queries.around(session, booking.equipment_id, span)
    down = [
        part
        for each in queries.downtimes_of(session, [booking.equipment_id], ending_after=span.starts_at)
        if each.starts_at < span.ends_at and (part := Span(each.starts_at, each.ends_at or span.ends_at).clipped(span))
    ]
    rows: list[dict[str, Any]] = []
    for day in days:
        blocks = [
            {"s": at[0], "e": at[1], **_block(each, booking)}
            for each in others
            if each.unit == booking.unit and (at := minutes_on(day, each.slot, zone))
        ]
        blocks += [{"s": at[0], "e": at[1], "kind": "down"} for each in down if (at := minutes_on(day, each, zone))]
        rows.append({"name": f"{formats.WEEKDAYS[day.weekday()]} {day.day}", "blocks": blocks})
    drawn = [(block["s"], block["e"]) for row in rows for block in row["blocks"]]
    return {
        "rows": rows,
        "month": f"{formats.MONTHS[days[0].month - 1]} {days[0].year}",
        "start": min([7 * 60, *(s for s, _ in drawn)]),
        "end": max([19 * 60, *(e for _, e in drawn)]),
        **bookings.page(session, booking),
    }


def _block(each: Booking, booking: Booking) -> dict[str, Any]:
    if each.id == booking.id:
        kind = "wait" if booking.state is State.REQUESTED else "run" if booking.state is State.IN_USE else "sel"
        return {"kind": kind, "title": "This request" if booking.state is State.REQUESTED else "This booking"}
    kind = {State.REQUESTED: "wait", State.IN_USE: "run", State.COMPLETED: "done"}.get(each.state, "ok")
    return {"kind": kind, "title": each.organisation_name, "href": f"/booking/inbox?booking={each.reference}"}
