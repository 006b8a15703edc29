"""Opening hours, rules and prices, as the managers of a facility set them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from flask import Blueprint, request
from marshmallow import ValidationError
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from services.booking import commands, queries
from services.booking.domain.hours import HolidayCalendar
from services.booking.domain.prices import PriceList
from services.booking.domain.rules import Rules
from services.booking.domain.words import WEEKDAY_NAMES
from services.booking.models import Equipment, Facility, OpeningWeek, Scope
from services.booking.pages.inbox import must_be_of_a_lab, subnav
from services.booking.schemas.settings_forms import HoursForm, PricesForm, RulesForm
from shared.clock import utc_now
from shared.errors import DomainError
from shared.formats import minutes
from shared.web.app import current_actor, snapshot, work
from shared.web.auth import require_login
from shared.web.pages import form_errors, redirect_to, render

blueprint = Blueprint("terms", __name__, template_folder="../templates", url_prefix="/terms")
blueprint.before_request(require_login)

DONE = {
    "hours": "Opening hours set. Bookings already made stay as they are.",
    "rules": "Rules set. They hold for requests from now on.",
    "prices": "Prices set. Bookings already made keep their price.",
}


@blueprint.get("")
def overview() -> str:
    """Facilities and their equipment, with where the terms of each come from."""
    actor = current_actor()
    must_be_of_a_lab(actor)
    with snapshot() as session:
        facilities = queries.facilities_named(session, None if actor.is_administrator else actor.facilities)
        equipment = queries.equipment_of(session, [each.id for each in facilities])
        return render(
            "booking/terms.html",
            subnav_items=subnav(session, actor),
            facilities=[
                (facility, [each for each in equipment if each.facility_id == facility.id]) for facility in facilities
            ],
        )


@blueprint.get("/<any(facility,equipment):scope>/<uuid:scope_id>")
def show(scope: str, scope_id: UUID) -> str:
    return _rendered(Scope(scope), scope_id, done=DONE.get(request.args.get("done", "")))


@blueprint.post("/<any(facility,equipment):scope>/<uuid:scope_id>/<any(hours,rules,prices):what>")
def change(scope: str, scope_id: UUID, what: str) -> tuple[str, int] | Response:
    """Set one of the three."""
    try:
        with work() as uow:
            place = _place(uow.session, Scope(scope), scope_id)
            if what == "hours":
                wanted = HoursForm().load(request.form)
                calendar = _usual_calendar(uow.session, place) if wanted.pop("holidays") else None
                commands.set_opening_hours(uow, scope=Scope(scope), scope_id=scope_id, calendar=calendar, **wanted)
            elif what == "rules":
                rules = RulesForm().load(request.form)
                commands.set_rules(uow, scope=Scope(scope), scope_id=scope_id, rules=rules)
            else:
                prices = PricesForm().load(request.form)
                commands.set_prices(uow, scope=Scope(scope), scope_id=scope_id, prices=prices)
    except (ValidationError, DomainError) as refusal:
        errors, status = form_errors(refusal)
        return _rendered(Scope(scope), scope_id, what=what, errors=errors, typed=request.form), status
    return redirect_to(f"/booking/terms/{scope}/{scope_id}?done={what}")


def _place(session: Session, scope: Scope, scope_id: UUID) -> Facility | Equipment:
    if scope is Scope.FACILITY:
        return queries.facility(session, scope_id)
    return queries.equipment(session, scope_id)


def _usual_calendar(session: Session, place: Facility | Equipment) -> HolidayCalendar | None:
    facility = place if isinstance(place, Facility) else session.get(Facility, place.facility_id)
    return HolidayCalendar.usual(place.country, facility.holiday_subdivision if facility else None)


def _rendered(
    scope: Scope,
    scope_id: UUID,
    *,
    what: str = "",
    errors: list[dict[str, Any]] | None = None,
    typed: Mapping[str, str] | None = None,
    done: str | None = None,
) -> str:
    actor = current_actor()
    must_be_of_a_lab(actor)
    with snapshot() as session:
        place = _place(session, scope, scope_id)
        facility_id = place.id if isinstance(place, Facility) else place.facility_id
        actor.must_operate(facility_id)
        own_weeks, own_prices = queries.weeks_of(session, scope_id), queries.price_settings(session, scope_id)
        own_rules = queries.rules_setting(session, scope_id)
        default_rules = queries.rules_setting(session, facility_id)
        weeks = own_weeks or queries.weeks_of(session, facility_id)
        prices = own_prices or queries.price_settings(session, facility_id)
        rules = own_rules or default_rules
        today = utc_now().astimezone(ZoneInfo(place.time_zone)).date().isoformat()
        shown: dict[str, dict[str, Any]] = {
            "hours": _hours_typed(weeks[-1] if weeks else None) | {"valid_from": today},
            "rules": _rules_typed(rules.rules if rules else Rules()),
            "prices": _prices_typed(prices[-1].prices if prices else None) | {"valid_from": today},
        }
        if typed is not None and what:
            unticked = {name: "" for name in ("holidays", "needs_approval", "outside_hours")}
            shown[what] = shown[what] | unticked | dict(typed.items())
        return render(
            "booking/terms_of.html",
            subnav_items=subnav(session, actor),
            scope=scope.value,
            place=place,
            may_change=actor.manages(facility_id),
            typed=shown,
            errors=errors or [],
            what=what,
            done=done,
            weekdays=WEEKDAY_NAMES,
            weeks=weeks,
            own={"hours": bool(own_weeks), "rules": bool(own_rules), "prices": bool(own_prices)},
            calendar=_usual_calendar(session, place),
        )


def _hours_typed(week: OpeningWeek | None) -> dict[str, Any]:
    if week is None:
        return {"holidays": "1"} | {f"day{weekday}": "08:00-16:00" for weekday in range(5)}
    days = {
        f"day{weekday}": ", ".join(
            f"{minutes(each.opens)}-{minutes(each.closes)}" for each in week.openings if each.weekday == weekday
        )
        for weekday in range(7)
    }
    return days | {
        "holidays": "1" if week.calendar else "",
        "closed_days": "\n".join(week.closed_days),
        "open_days": "\n".join(week.open_days),
    }


def _rules_typed(rules: Rules) -> dict[str, Any]:
    minute, hour = timedelta(minutes=1), timedelta(hours=1)
    return {
        "min_minutes": rules.min_duration // minute,
        "max_minutes": rules.max_duration // minute,
        "granularity_minutes": rules.granularity // minute,
        "lead_hours": rules.lead_time // hour,
        "horizon_days": rules.horizon.days,
        "buffer_before_minutes": rules.buffer_before // minute,
        "buffer_after_minutes": rules.buffer_after // minute,
        "cancel_hours": rules.cancel_before // hour,
        "check_in_before_minutes": rules.check_in_before // minute,
        "check_in_after_minutes": rules.check_in_after // minute,
        "answer_hours": rules.answer_within // hour,
        "needs_approval": "1" if rules.needs_approval else "",
        "outside_hours": "1" if rules.outside_hours else "",
    }


def _prices_typed(prices: PriceList | None) -> dict[str, Any]:
    if prices is None:
        return {"currency": "EUR", "per_minutes": 30}

    def amount(cents: int | None) -> str:
        return "" if cents is None else f"{cents // 100}.{cents % 100:02d}"

    return {
        "currency": prices.currency,
        "market": amount(prices.market_cents),
        "other": amount(prices.other_cents),
        "set_up": amount(prices.set_up_cents),
        "per_minutes": prices.per // timedelta(minutes=1),
    }
