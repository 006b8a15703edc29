"""Maintenance and faults: what is out of order, and whom it hits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from flask import Blueprint, request
from marshmallow import ValidationError
from werkzeug.wrappers import Response

from services.booking import commands, queries
from services.booking.domain.rules import as_written
from services.booking.pages.inbox import must_be_of_a_lab, subnav
from services.booking.pages.words import mark
from services.booking.schemas.forms import DowntimeForm, written_end
from shared.clock import utc_now
from shared.errors import DomainError
from shared.formats import plural
from shared.web.app import current_actor, snapshot, work
from shared.web.auth import require_login
from shared.web.pages import form_errors, redirect_to, render

blueprint = Blueprint("downtime_pages", __name__, template_folder="../templates", url_prefix="/downtime")
blueprint.before_request(require_login)

KINDS = [("planned", "Maintenance"), ("unplanned", "Broken")]
ALIASES = {"starts_at": "from", "ends_at": "to", "slot": "day"}


@blueprint.get("")
def downtimes() -> str:
    return _rendered({}, [])


@blueprint.post("")
def record() -> tuple[str, int] | Response:
    """Block equipment and say whom it hits."""
    try:
        data = DowntimeForm().load(request.form)
        with snapshot() as session:
            zone = queries.equipment(session, data["equipment_id"]).terms.zone
        with work() as uow:
            _, hit = commands.record_downtime(
                uow,
                equipment_id=data["equipment_id"],
                kind=data["kind"],
                starts_at=as_written(data["day"], data["from_"], zone),
                ends_at=written_end(data, zone),
                reason=data["reason"],
            )
    except (ValidationError, DomainError) as refusal:
        errors, status = form_errors(refusal)
        for error in errors:
            error["field"] = ALIASES.get(error["field"], error["field"])
        return _rendered(request.form, errors), status
    return redirect_to(f"/booking/downtime?hit={len(hit)}#list")


@blueprint.post("/<uuid:downtime_id>/end")
def end(downtime_id: UUID) -> Response:
    with work() as uow:
        commands.end_downtime(uow, downtime_id)
    return redirect_to("/booking/downtime?ended=1#list")


@blueprint.post("/<uuid:downtime_id>/withdraw")
def withdraw(downtime_id: UUID) -> Response:
    with work() as uow:
        commands.withdraw_downtime(uow, downtime_id)
    return redirect_to("/booking/downtime?withdrawn=1#list")


def _rendered(typed: Mapping[str, str], errors: list[dict[str, Any]]) -> str:
    actor, now = current_actor(), utc_now()
    must_be_of_a_lab(actor)
    with snapshot() as session:
        facilities = queries.facilities_named(session, None if actor.is_administrator else actor.facilities)
        equipment = queries.equipment_of(session, [each.id for each in facilities])
        named = {each.id: each for each in equipment}
        listed = [
            {
                "downtime": each,
                "equipment": named[each.equipment_id],
                "hit": [
                    (booking, mark(booking, for_lab=True))
                    for booking in queries.bookings_hit_by(session, each.equipment_id, each.starts_at, each.ends_at)
                ],
                "going_on": each.starts_at <= now,
            }
            for each in queries.downtimes_of(session, list(named), ending_after=now)
        ]
        return render(
            "booking/downtime.html",
            subnav_items=subnav(session, actor),
            listed=listed,
            equipment_options=_options(equipment),
            kinds=KINDS,
            typed={"kind": "planned"} | dict(typed.items()) if typed else _proposed(equipment, now),
            errors=errors,
            done=_done(),
            now=now,
        )


def _options(equipment: Any) -> list[tuple[str, list[tuple[str, str]]]]:
    groups: dict[str, list[tuple[str, str]]] = {}
    for each in equipment:
        groups.setdefault(each.facility_name, []).append((str(each.id), each.name))
    return list(groups.items())


def _proposed(equipment: Any, now: Any) -> dict[str, str]:
    """What the empty form begins with: from now on, in the clock of the lab."""
    if not equipment:
        return {}
    local = now.astimezone(equipment[0].terms.zone)
    asked = request.args.get("equipment", "")
    return {
        "kind": "planned",
        "day": local.date().isoformat(),
        "from": f"{local.hour:02d}:{local.minute // 15 * 15:02d}",
        "equipment_id": asked,
    }


def _done() -> str | None:
    if "hit" in request.args:
        count = int(text) if (text := request.args["hit"]).isdecimal() and len(text) < 6 else 0
        if count:
            return f"Blocked. It hits {plural(count, 'booking', 'bookings')}, listed below: cancel or move them."
        return "Blocked. It hits no booking."
    if "ended" in request.args:
        return "Ended. It can be booked again."
    return "Taken back." if "withdrawn" in request.args else None
