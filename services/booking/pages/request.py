"""Asking for a slot: when it is free, on what terms, what would become of it, and the request itself."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from flask import Blueprint, request
from marshmallow import ValidationError
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from services.booking import commands, queries
from services.booking.domain.prices import Rate
from services.booking.pages.calendar import monday_of, short_day, week_of
from services.booking.pages.words import ACCESS_MODES
from services.booking.schemas.forms import RequestForm, SlotForm, written_slot
from shared.calendar import Span
from shared.clock import utc_now
from shared.errors import DomainError
from shared.fields import Day
from shared.web.app import current_actor, snapshot, work
from shared.web.formats import minutes
from shared.web.pages import form_errors, redirect_to, render

blueprint = Blueprint("request", __name__, template_folder="../templates", url_prefix="/request")

# What the fields of the form are called where the rules speak of a slot.
ALIASES = {"starts_at": "from", "ends_at": "to", "slot": "day"}
SHOWN_SLOTS = 6


@blueprint.get("/<uuid:equipment_id>")
def show(equipment_id: UUID) -> str:
    with snapshot() as session:
        return render("booking/request.html", **_page(session, equipment_id, request.args, judge=True))


@blueprint.get("/<uuid:equipment_id>/panel")
def panel(equipment_id: UUID) -> str:
    """The form alone, for the page of the equipment in the catalogue."""
    with snapshot() as session:
        return render("booking/_panel.html", embedded=True, **_page(session, equipment_id, request.args, judge=False))


@blueprint.post("/<uuid:equipment_id>")
def send(equipment_id: UUID) -> tuple[str, int] | Response:
    """Check what is asked for, or ask for it."""
    errors: list[dict[str, Any]] = []
    status = 200
    current_actor().must_be_signed_in()
    try:
        with snapshot() as session:
            zone = queries.equipment(session, equipment_id).terms.zone
        data = RequestForm().load(request.form)
        wanted = {name: data[name] for name in ("organisation_id", "purpose", "access_mode", "note")}
        slot = written_slot(data, zone)
        if request.form.get("do") != "check":
            with work() as uow:
                booking = commands.request_slot(uow, equipment_id=equipment_id, slot=slot, **wanted)
            return redirect_to(f"/booking/{booking.reference}?done=sent")
    except (ValidationError, DomainError) as refusal:
        if isinstance(refusal, DomainError) and refusal.code in ("no-such-equipment", "sign-in-needed"):
            raise
        errors, status = form_errors(refusal)
        for error in errors:
            error["field"] = ALIASES.get(error["field"], error["field"])
    with snapshot() as session:
        page = _page(session, equipment_id, request.form, judge=True)
    return render("booking/request.html", errors=errors, **page), status


def _page(session: Session, equipment_id: UUID, typed: Mapping[str, str], *, judge: bool) -> dict[str, Any]:
    """All that the page and the panel show, with what was typed."""
    actor, now = current_actor(), utc_now()
    organisations = queries.organisations_named(session, actor.organisations)
    organisation = _organisation(typed, [each.id for each in organisations])
    facts = queries.asked(session, equipment_id, organisation)
    equipment = queries.equipment(session, equipment_id)
    chosen = _chosen(typed, facts)
    week = week_of(
        session,
        facts,
        _monday(typed, facts, chosen, now),
        now=now,
        actor=actor,
        chosen=chosen,
        address=lambda span: _address(equipment_id, span, facts),
    )
    verdict = queries.verdict(session, equipment_id, organisation, chosen, now=now) if chosen and judge else None
    rules = facts.terms.rules
    return {
        "equipment": equipment,
        "facts": facts,
        "zone": facts.terms.time_zone,
        "week": week,
        "slots": _next_slots(session, facts, now, equipment_id),
        "organisations": [(str(each.id), each.name) for each in organisations],
        "typed": {
            "day": (now + rules.lead_time).astimezone(facts.terms.zone).date().isoformat(),
            "from": minutes(week.start),
            "to": minutes(min(week.start + max(rules.min_duration // timedelta(minutes=1), 60), week.end)),
            "access_mode": "market",
            "organisation_id": str(organisation or ""),
            **{name: value for name, value in typed.items() if value},
        },
        "times": _times(week.start, week.end, rules.granularity // timedelta(minutes=1), typed),
        "long": rules.max_duration > timedelta(hours=12),
        "access_modes": ACCESS_MODES,
        "rules": rules.in_words(),
        "prices": _prices(facts, now),
        "organisation_kind": facts.organisation_kind,
        "verdict": verdict,
        "chosen": chosen,
        "alternatives": [
            (each, _address(equipment_id, each, facts)) for each in (verdict.alternatives if verdict else ())
        ],
        "now": now,
    }


def _organisation(typed: Mapping[str, str], own: list[UUID]) -> UUID | None:
    """The organisation chosen, or the only one there is to choose."""
    return next((each for each in own if str(each) == typed.get("organisation_id")), own[0] if own else None)


def _chosen(typed: Mapping[str, str], facts: queries.Asked) -> Span | None:
    """The slot typed, if it is one."""
    try:
        return written_slot(SlotForm().load(dict(typed)), facts.terms.zone)
    except ValidationError:
        return None


def _monday(typed: Mapping[str, str], facts: queries.Asked, chosen: Span | None, now: datetime) -> date:
    try:
        return monday_of(Day().deserialize(typed.get("week", "")))
    except ValidationError:
        first = chosen.starts_at if chosen else now + facts.terms.rules.lead_time
        return monday_of(first.astimezone(facts.terms.zone).date())


def _address(equipment_id: UUID, span: Span, facts: queries.Asked) -> str:
    start, end = (moment.astimezone(facts.terms.zone) for moment in (span.starts_at, span.ends_at))
    last, to = end.date(), f"{end:%H:%M}"
    if to == "00:00":
        last, to = last - timedelta(days=1), "24:00"
    later = f"&last_day={last.isoformat()}" if last > start.date() else ""
    return f"/booking/request/{equipment_id}?day={start.date().isoformat()}&from={start:%H:%M}&to={to}{later}#ask"


def _next_slots(session: Session, facts: queries.Asked, now: datetime, equipment_id: UUID) -> list[dict[str, str]]:
    """The next free times, for where there is no room for a calendar."""
    rules, zone = facts.terms.rules, facts.terms.zone
    length = min(max(rules.min_duration, timedelta(hours=2)), rules.max_duration)
    earliest = now + rules.lead_time
    wanted = Span(earliest, earliest + length)
    found = queries.alternatives(session, facts, wanted, now=now, limit=SHOWN_SLOTS)
    return [
        {
            "day": short_day(each.starts_at.astimezone(zone).date()),
            "time": f"{each.starts_at.astimezone(zone):%H:%M}–{each.ends_at.astimezone(zone):%H:%M}",
            "href": _address(equipment_id, each, facts),
        }
        for each in sorted(found)
    ]


def _times(start: int, end: int, step: int, typed: Mapping[str, str]) -> list[tuple[str, str]]:
    """Times to choose from; what was typed is among them, whatever it is."""
    step = max(step, 5)
    steps = {minutes(minute) for minute in range(start // step * step, end + 1, step)}
    kept = {typed[name] for name in ("from", "to") if typed.get(name)}
    return [(each, each) for each in sorted(steps | kept)]


def _prices(facts: queries.Asked, now: datetime) -> dict[str, Any] | None:
    today = now.astimezone(facts.terms.zone).date()
    lists = [each for each in facts.terms.prices if each.valid_from <= today]
    if not lists:
        return None
    current = max(lists, key=lambda each: each.valid_from)
    return {
        "currency": current.currency,
        "market": current.hourly(Rate.MARKET),
        "other": current.hourly(Rate.OTHER),
        "set_up": current.set_up_cents,
        "words": current.in_words(),
    }
