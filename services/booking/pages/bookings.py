"""Bookings of a person or their organisation, and one booking with what can be done about it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Blueprint, current_app, request
from marshmallow import ValidationError
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from services.booking import commands, queries
from services.booking.domain.references import parse_reference
from services.booking.domain.refusals import NoSuchEquipment
from services.booking.domain.states import Act, Party, State, acts_open_to
from services.booking.models import Booking
from services.booking.pages.words import DECLINE_REASONS, happened, mark, reason_words
from services.booking.schemas.calendars import as_calendar
from services.booking.schemas.forms import DeclineForm, ReasonForm
from shared.clock import utc_now
from shared.errors import DomainError
from shared.service import Instance
from shared.unit_of_work import UnitOfWork
from shared.web.app import current_actor, snapshot, work
from shared.web.auth import require_login
from shared.web.pages import form_errors, redirect_to, render

blueprint = Blueprint("bookings_pages", __name__, template_folder="../templates")
blueprint.before_request(require_login)

DONE = {
    "sent": "Request sent. You are told as soon as the lab answers.",
    "approve": "Approved. They are told.",
    "decline": "Declined. They are told, with your reason.",
    "withdraw": "Withdrawn. The time is free again.",
    "cancel": "Cancelled. The time is free again.",
    "check-in": "Checked in.",
    "check-out": "Checked out. What was left of the time is free again.",
    "no-show": "Recorded as not used. What was left of the time is free again.",
}


@blueprint.get("/")
def home() -> Response:
    return redirect_to("/booking/inbox" if current_actor().facilities else "/booking/mine")


@blueprint.get("/mine")
def mine() -> str:
    """What comes next, what waits, what is over; of oneself or, for administrators, of the organisation."""
    actor, now = current_actor(), utc_now()
    whole = bool(actor.administered_organisations) and request.args.get("show") == "all"
    with snapshot() as session:
        ahead = queries.mine(session, actor, whole_organisation=whole, past=False, now=now)
        past = queries.mine(session, actor, whole_organisation=whole, past=True, now=now)
        organisations = queries.organisations_named(session, actor.organisations)
    next_up = next((each for each in ahead if each.state is not State.REQUESTED), None)
    return render(
        "booking/mine.html",
        next_up=next_up,
        waiting=[each for each in ahead if each.state is State.REQUESTED],
        coming=[each for each in ahead if each.state is not State.REQUESTED and each is not next_up],
        past=past,
        organisations=organisations,
        may_see_all=bool(actor.administered_organisations),
        whole=whole,
        mark=lambda booking: mark(booking, for_lab=False),
        now=now,
    )


@blueprint.get("/<reference>")
def one(reference: str) -> str | Response:
    if (tidy := parse_reference(reference)) and tidy != reference:
        return redirect_to(f"/booking/{tidy}")
    with snapshot() as session:
        booking = queries.booking_by_reference(session, current_actor(), tidy)
        return render("booking/booking.html", done=DONE.get(request.args.get("done", "")), **page(session, booking))


@blueprint.get("/<reference>.ics")
def calendar(reference: str) -> Response:
    """The booking as a file for one's own calendar."""
    instance: Instance = current_app.extensions["instance"]
    with snapshot() as session:
        booking = queries.booking_by_reference(session, current_actor(), parse_reference(reference))
    address = f"{instance.config.public_url.rstrip('/')}/booking/{booking.reference}"
    return Response(
        as_calendar(booking, address=address, now=utc_now()),
        content_type="text/calendar; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{booking.reference}.ics"'},
    )


@blueprint.post("/<reference>/<any(approve,decline,withdraw,cancel,'check-in','check-out','no-show'):act>")
def act(reference: str, act: str) -> tuple[str, int] | Response:
    """Do something about a booking; back to where it was done from."""
    with snapshot() as session:
        booking_id = queries.booking_by_reference(session, current_actor(), parse_reference(reference)).id
    try:
        with work() as uow:
            booking = _done(uow, Act(act), booking_id)
    except (ValidationError, DomainError) as refusal:
        errors, status = form_errors(refusal)
        return refused(booking_id, errors=errors, tried=act, typed=request.form), status
    if request.form.get("back") == "inbox":
        return redirect_to(f"/booking/inbox?done={act}")
    return redirect_to(f"/booking/{booking.reference}?done={act}")


def _done(uow: UnitOfWork, act: Act, booking_id: UUID) -> Booking:
    match act:
        case Act.APPROVE:
            return commands.approve(uow, booking_id)
        case Act.DECLINE:
            return commands.decline(uow, booking_id, **DeclineForm().load(request.form))
        case Act.WITHDRAW:
            return commands.withdraw(uow, booking_id)
        case Act.CANCEL:
            return commands.cancel(uow, booking_id, **ReasonForm().load(request.form))
        case Act.CHECK_IN:
            return commands.check_in(uow, booking_id)
        case Act.CHECK_OUT:
            return commands.check_out(uow, booking_id)
        case _:
            return commands.record_no_show(uow, booking_id)


def refused(booking_id: UUID, **said: Any) -> str:
    """The booking as it is now, with why what was tried did not happen."""
    with snapshot() as session:
        booking = queries.booking(session, current_actor(), booking_id)
        return render("booking/booking.html", **said, **page(session, booking))


def page(session: Session, booking: Booking) -> dict[str, Any]:
    """What the page of a booking shows."""
    actor, now = current_actor(), utc_now()
    parties = queries.parties_of(actor, booking)
    for_lab = Party.OPERATOR in parties and Party.BOOKER not in parties
    try:
        slug = queries.equipment(session, booking.equipment_id).slug
    except NoSuchEquipment:
        slug = ""
    return {
        "booking": booking,
        "slug": slug,
        "history": [(line, happened(line, booking)) for line in queries.history_of(session, booking.id)],
        "mark": mark(booking, for_lab=for_lab),
        "for_lab": for_lab,
        "acts": possible(booking, parties, now),
        "check_in_later": _check_in_later(booking, now),
        "late_now": now > booking.cancel_until,
        "decline_reasons": DECLINE_REASONS,
        "reason_words": reason_words(booking),
        "now": now,
    }


def possible(booking: Booking, parties: frozenset[Party], now: Any) -> set[str]:
    """What the reader may do about a booking now; the commands decide again."""
    by_operator = Party.OPERATOR in parties
    open_now = {
        Act.APPROVE: now < booking.ends_at,
        Act.CANCEL: now < (booking.starts_at if Party.BOOKER in parties else booking.ends_at),
        Act.CHECK_IN: booking.check_in_from
        <= now
        < (booking.ends_at if by_operator and Party.BOOKER not in parties else booking.check_in_until),
        Act.NO_SHOW: now >= booking.check_in_until,
    }
    return {act.value for act in acts_open_to(booking.state, parties) if open_now.get(act, True)}


def _check_in_later(booking: Booking, now: Any) -> bool:
    return booking.state is State.APPROVED and now < booking.check_in_from
