"""Asking for a slot: when it is free, on what terms, what would become of it, and the request itself."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

from flask import Blueprint, request
from marshmallow import ValidationError
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from services.booking import commands, queries
from services.booking.domain.free import SEARCHED_AFTER
from services.booking.domain.prices import Rate
from services.booking.pages.calendar import monday_of, usual_length, week_of
from services.booking.pages.words import ACCESS_MODES
from services.booking.schemas.forms import RequestForm, SlotForm, written_slot
from shared.calendar import Span
from shared.clock import utc_now
from shared.errors import DomainError
from shared.fields import Day
from shared.formats import minutes
from shared.web.app import current_actor, snapshot, work
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
    next_free = _next_free(session, facts, now)
    monday = _monday(typed, facts, chosen or next(iter(next_free), None), now)
    week = week_of(
        session,
        facts,
        monday,
        now=now,
        actor=actor,
        chosen=chosen,
        address=lambda span: _address(equipment_id, span, facts),
    )
    verdict = queries.verdict(session, equipment_id, organisation, chosen, now=now) if chosen and judge else None
    rules, zone = facts.terms.rules, facts.terms.zone
    proposed = chosen or week.first_free or next(iter(next_free), None)
    filled = (_written(proposed, zone) if proposed else {}) | {name: value for name, value in typed.items() if value}
    return {
        "equipment": equipment,
        "facts": facts,
        "zone": facts.terms.time_zone,
        "week": week,
        "skipped": not typed.get("week") and not chosen and monday > monday_of(now.astimezone(zone).date()),
        "slots": [(each, _address(equipment_id, each, facts)) for each in next_free],
        "organisations": [(str(each.id), each.name) for each in organisations],
        "typed": {"access_mode": "market", "organisation_id": str(organisation or "")} | filled,
        "times": _times(week.start, week.end, rules.granularity // timedelta(minutes=1), filled),
        "first_day": (now + rules.lead_time).astimezone(zone).date().isoformat(),
        "last_moment": now + rules.horizon,
        "long": rules.max_duration > timedelta(hours=12),
        "access_modes": ACCESS_MODES,
        "rules": rules.in_words(),
        "prices": _prices(facts, now),
        "organisation_kind": facts.organisation_kind,
        "verdict": verdict,
        "chosen": chosen,
        "here": _address(equipment_id, chosen, facts) if chosen else f"/booking/request/{equipment_id}",
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


def _monday(typed: Mapping[str, str], facts: queries.Asked, first: Span | None, now: datetime) -> date:
    """The week asked for; else that of the first time that matters, so that nobody has to look for it."""
    try:
        return monday_of(Day().deserialize(typed.get("week", "")))
    except ValidationError:
        start = first.starts_at if first else now + facts.terms.rules.lead_time
        return monday_of(start.astimezone(facts.terms.zone).date())


def _written(span: Span, zone: ZoneInfo) -> dict[str, str]:
    """A slot as the form writes it: in the clock of the lab, with a last day only where it runs past midnight."""
    start, end = (moment.astimezone(zone) for moment in (span.starts_at, span.ends_at))
    last, to = end.date(), f"{end:%H:%M}"
    if to == "00:00":
        last, to = last - timedelta(days=1), "24:00"
    later = {"last_day": last.isoformat()} if last > start.date() else {}
    return {"day": start.date().isoformat(), "from": f"{start:%H:%M}", "to": to} | later


def _address(equipment_id: UUID, span: Span, facts: queries.Asked) -> str:
    return f"/booking/request/{equipment_id}?{urlencode(_written(span, facts.terms.zone), safe=':')}#ask"


def _next_free(session: Session, facts: queries.Asked, now: datetime) -> list[Span]:
    """The next free times that keep the rules, as far ahead as the lab takes requests."""
    terms = facts.terms
    rules = terms.rules
    if not (terms.weeks and terms.standing.published and terms.standing.facility_open):
        return []
    for length in dict.fromkeys((usual_length(rules), rules.min_duration)):
        earliest = now + rules.lead_time
        while earliest <= now + rules.horizon:
            wanted = Span(earliest, earliest + length)
            if found := queries.alternatives(session, facts, wanted, now=now, limit=SHOWN_SLOTS):
                return sorted(found)
            earliest += SEARCHED_AFTER
    return []


def _times(start: int, end: int, step: int, filled: Mapping[str, str]) -> list[tuple[str, str]]:
    """Times to choose from; what is filled in is among them, whatever it is."""
    step = max(step, 5)
    steps = {minutes(minute) for minute in range(start // step * step, end + 1, step)}
    kept = {filled[name] for name in ("from", "to") if filled.get(name)}
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
