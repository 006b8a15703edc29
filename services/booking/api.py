"""The JSON API of booking."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, Protocol
from uuid import UUID
from zoneinfo import ZoneInfo

from flask import jsonify, request
from marshmallow import Schema, fields
from werkzeug.wrappers import Response

from services.booking import commands, queries
from services.booking.domain.rules import Rules
from services.booking.models import Booking, Downtime, Scope
from services.booking.schemas.bookings import (
    AvailabilitySchema,
    BookingSchema,
    BookingsQuery,
    BookingWithHistorySchema,
    DeclineSchema,
    DowntimeEndSchema,
    DowntimeRequestSchema,
    DowntimeSchema,
    DowntimeWithBookingsSchema,
    DryRunQuery,
    RangeQuery,
    ReasonSchema,
    SlotRequestSchema,
    VerdictSchema,
)
from services.booking.schemas.settings import (
    OpeningHoursListSchema,
    OpeningHoursRequestSchema,
    OpeningHoursSchema,
    PricesListSchema,
    PricesSchema,
    RulesSchema,
    price_list,
    prices_as_sent,
    rules_as_sent,
)
from shared.clock import utc_now
from shared.errors import Fault, Invalid
from shared.unit_of_work import UnitOfWork
from shared.web.api import Blueprint, etag, located, must_match
from shared.web.app import current_actor, snapshot, work
from shared.web.auth import require_login
from shared.web.paging import Page, decode_cursor, encode_cursor, page_schema

bookings = Blueprint("bookings", __name__, url_prefix="/api/v1/bookings", description="Asking for slots")
bookings.before_request(require_login)
equipment = Blueprint(
    "equipment", __name__, url_prefix="/api/v1/equipment", description="When equipment is free, and on what terms"
)
facilities = Blueprint(
    "facilities", __name__, url_prefix="/api/v1/facilities", description="What holds where equipment has no own terms"
)
downtime = Blueprint("downtime", __name__, url_prefix="/api/v1/downtime", description="Ending and withdrawing downtime")
downtime.before_request(require_login)

BLUEPRINTS = (bookings, equipment, facilities, downtime)


class _Sequenced(Protocol):
    sequence: Any


def _changed(thing: _Sequenced) -> None:
    """Say which version this now is; refuse the change if it was meant for another than the one before."""
    if "If-Match" in request.headers:
        must_match(thing.sequence - 1)
    etag(thing.sequence)


# --- bookings ---------------------------------------------------------------------------------------


@bookings.post("")
@bookings.takes(DryRunQuery, location="query")
@bookings.takes(SlotRequestSchema)
@bookings.alt_response(  # type: ignore[untyped-decorator]
    200, schema=VerdictSchema, description="dry_run=true: what would become of it"
)
@bookings.gives(BookingSchema, 201)
def request_slot(options: dict[str, Any], wanted: dict[str, Any]) -> Booking | Response:
    """Ask for a slot"""
    if options["dry_run"]:
        return _dry_run(wanted)
    with work() as uow:
        booking = commands.request_slot(uow, **wanted)
    located(f"/booking/api/v1/bookings/{booking.id}")
    etag(booking.sequence)
    return booking


def _dry_run(wanted: dict[str, Any]) -> Response:
    current_actor().must_book_for(wanted["organisation_id"])
    with snapshot() as session:
        verdict = queries.verdict(
            session, wanted["equipment_id"], wanted["organisation_id"], wanted["slot"], now=utc_now()
        )
    return jsonify(VerdictSchema().dump(verdict))


@bookings.get("")
@bookings.takes(BookingsQuery, location="query")
@bookings.gives(page_schema(BookingSchema))
def list_bookings(wanted: dict[str, Any]) -> Page[Booking]:
    """Bookings of your own, of organisations you administer and of facilities you operate, latest start first"""
    limit = wanted["limit"]
    with snapshot() as session:
        found = queries.bookings_page(
            session,
            current_actor(),
            states=[wanted["state"]] if wanted["state"] else (),
            facility=wanted["facility"],
            organisation=wanted["organisation"],
            equipment=wanted["equipment"],
            from_=wanted["from_"],
            to=wanted["to"],
            after=_after(wanted["cursor"]),
            limit=limit + 1,
        )
    items = list(found[:limit])
    more = len(found) > limit
    return Page(items, encode_cursor(items[-1].starts_at.isoformat(), items[-1].id) if more else None)


def _after(cursor: str | None) -> tuple[datetime, UUID] | None:
    if cursor is None:
        return None
    starts_at, booking_id = decode_cursor(cursor, 2)
    try:
        moment = datetime.fromisoformat(starts_at)
        return moment.astimezone(UTC), UUID(booking_id)
    except (TypeError, ValueError, AttributeError, OverflowError):
        fault = Fault("bad-cursor", "Take the cursor from the answer before, unchanged.", "cursor")
        raise Invalid("This cursor does not fit.", faults=[fault]) from None


@bookings.get("/<uuid:booking_id>")
@bookings.gives(BookingWithHistorySchema)
def one_booking(booking_id: UUID) -> Any:
    """One booking with all that happened to it"""
    with snapshot() as session:
        booking = queries.booking(session, current_actor(), booking_id)
        history = queries.history_of(session, booking_id)
    etag(booking.sequence)
    return _with(booking, history=history)


def _with(row: Booking | Downtime, **more: Any) -> SimpleNamespace:
    return SimpleNamespace(**{each.key: getattr(row, each.key) for each in row.__table__.columns}, **more)


def _transition(booking_id: UUID, command: Callable[..., Booking], **details: Any) -> Booking:
    with work() as uow:
        booking = command(uow, booking_id, **details)
        _changed(booking)
    return booking


@bookings.post("/<uuid:booking_id>/approve")
@bookings.gives(BookingSchema)
def approve(booking_id: UUID) -> Booking:
    """Give a requested slot (operators)"""
    return _transition(booking_id, commands.approve)


@bookings.post("/<uuid:booking_id>/decline")
@bookings.takes(DeclineSchema)
@bookings.gives(BookingSchema)
def decline(why: dict[str, Any], booking_id: UUID) -> Booking:
    """Refuse a requested slot, and say why (operators)"""
    return _transition(booking_id, commands.decline, **why)


@bookings.post("/<uuid:booking_id>/withdraw")
@bookings.gives(BookingSchema)
def withdraw(booking_id: UUID) -> Booking:
    """Take a request back before it is decided"""
    return _transition(booking_id, commands.withdraw)


@bookings.post("/<uuid:booking_id>/cancel")
@bookings.takes(ReasonSchema)
@bookings.gives(BookingSchema)
def cancel(why: dict[str, Any], booking_id: UUID) -> Booking:
    """Give up an approved booking; operators must say why"""
    return _transition(booking_id, commands.cancel, **why)


@bookings.post("/<uuid:booking_id>/check-in")
@bookings.gives(BookingSchema)
def check_in(booking_id: UUID) -> Booking:
    """Begin the use"""
    return _transition(booking_id, commands.check_in)


@bookings.post("/<uuid:booking_id>/check-out")
@bookings.gives(BookingSchema)
def check_out(booking_id: UUID) -> Booking:
    """End the use; what is left of the slot is free"""
    return _transition(booking_id, commands.check_out)


@bookings.post("/<uuid:booking_id>/no-show")
@bookings.gives(BookingSchema)
def record_no_show(booking_id: UUID) -> Booking:
    """Record that nobody came (operators)"""
    return _transition(booking_id, commands.record_no_show)


# --- availability and downtime ----------------------------------------------------------------------


@equipment.get("/<uuid:equipment_id>/availability")
@equipment.takes(RangeQuery, location="query")
@equipment.gives(AvailabilitySchema)
def availability(wanted: dict[str, Any], equipment_id: UUID) -> queries.Availability:
    """When equipment is free, closed and busy, for at most 92 days; no names"""
    with snapshot() as session:
        return queries.availability(session, equipment_id, wanted["span"])


@equipment.post("/<uuid:equipment_id>/downtime")
@equipment.takes(DowntimeRequestSchema)
@equipment.gives(DowntimeWithBookingsSchema, 201)
def record_downtime(wanted: dict[str, Any], equipment_id: UUID) -> Any:
    """Block equipment; answers with the bookings that this hits (operators)"""
    current_actor().must_be_signed_in()
    with work() as uow:
        recorded, hit = commands.record_downtime(uow, equipment_id=equipment_id, **wanted)
    etag(recorded.sequence)
    return _with(recorded, bookings=hit)


class DowntimeListSchema(Schema):
    items = fields.List(fields.Nested(DowntimeSchema), required=True)


@equipment.get("/<uuid:equipment_id>/downtime")
@equipment.gives(DowntimeListSchema)
def list_downtime(equipment_id: UUID) -> dict[str, Any]:
    """Downtime that is going on or to come (operators)"""
    with snapshot() as session:
        current_actor().must_operate(queries.equipment(session, equipment_id).facility_id)
        return {"items": queries.downtimes_of(session, [equipment_id], ending_after=utc_now())}


@downtime.post("/<uuid:downtime_id>/end")
@downtime.takes(DowntimeEndSchema)
@downtime.gives(DowntimeSchema)
def end_downtime(wanted: dict[str, Any], downtime_id: UUID) -> Downtime:
    """Say when it ended or will end (operators)"""
    with work() as uow:
        ended = commands.end_downtime(uow, downtime_id, **wanted)
        _changed(ended)
    return ended


@downtime.post("/<uuid:downtime_id>/withdraw")
@downtime.gives(DowntimeSchema)
def withdraw_downtime(downtime_id: UUID) -> Downtime:
    """Take back what was entered by mistake (operators)"""
    with work() as uow:
        withdrawn = commands.withdraw_downtime(uow, downtime_id)
        _changed(withdrawn)
    return withdrawn


# --- opening hours, rules, prices -------------------------------------------------------------------


class RulesAnswerSchema(RulesSchema):
    """Rules, where they come from, and what they mean in words."""

    scope = fields.String(required=True, metadata={"description": "equipment, facility or installation"})
    in_words = fields.List(fields.String(), required=True)


def _rules_answer(scope: str, rules: Rules) -> dict[str, Any]:
    return rules_as_sent(rules) | {"scope": scope, "in_words": rules.in_words()}


def _scopes(scope: Scope, scope_id: UUID) -> tuple[UUID, ...]:
    """Where to look, in order. Raises a refusal if there is no such thing."""
    with snapshot() as session:
        if scope is Scope.FACILITY:
            return (queries.facility(session, scope_id).id,)
        return scope_id, queries.equipment(session, scope_id).facility_id


def _opening_hours(scope: Scope, scope_id: UUID) -> dict[str, Any]:
    for each in _scopes(scope, scope_id):
        with snapshot() as session:
            if weeks := queries.weeks_of(session, each):
                etag(max(week.sequence for week in weeks))
                return {"items": weeks}
    return {"items": []}


def _set_opening_hours(scope: Scope, scope_id: UUID, wanted: dict[str, Any]) -> Any:
    current_actor().must_be_signed_in()
    with work() as uow:
        week = commands.set_opening_hours(uow, scope=scope, scope_id=scope_id, **wanted)
        _changed(week)
    return week


def _rules(scope: Scope, scope_id: UUID) -> dict[str, Any]:
    for each in _scopes(scope, scope_id):
        with snapshot() as session:
            if setting := queries.rules_setting(session, each):
                etag(setting.sequence)
                return _rules_answer(setting.scope.value, setting.rules)
    return _rules_answer("installation", Rules())


def _set_rules(scope: Scope, scope_id: UUID, rules: Rules) -> dict[str, Any]:
    current_actor().must_be_signed_in()
    with work() as uow:
        setting = commands.set_rules(uow, scope=scope, scope_id=scope_id, rules=rules)
        _changed(setting)
    return _rules_answer(scope.value, rules)


def _prices(scope: Scope, scope_id: UUID) -> dict[str, Any]:
    for each in _scopes(scope, scope_id):
        with snapshot() as session:
            if settings := queries.price_settings(session, each):
                etag(max(setting.sequence for setting in settings))
                return {"items": [prices_as_sent(setting.prices) for setting in settings]}
    return {"items": []}


def _set_prices(scope: Scope, scope_id: UUID, wanted: dict[str, Any]) -> dict[str, Any]:
    current_actor().must_be_signed_in()
    with work() as uow:
        prices = price_list(wanted, today=_today(uow, scope, scope_id))
        setting = commands.set_prices(uow, scope=scope, scope_id=scope_id, prices=prices)
        _changed(setting)
    return prices_as_sent(prices)


def _today(uow: UnitOfWork, scope: Scope, scope_id: UUID) -> Any:
    place = queries.facility if scope is Scope.FACILITY else queries.equipment
    return uow.now.astimezone(ZoneInfo(place(uow.session, scope_id).time_zone)).date()


@equipment.get("/<uuid:equipment_id>/opening-hours")
@equipment.gives(OpeningHoursListSchema)
def opening_hours(equipment_id: UUID) -> dict[str, Any]:
    """Opening hours that hold for equipment: its own, or else those of its facility"""
    return _opening_hours(Scope.EQUIPMENT, equipment_id)


@equipment.put("/<uuid:equipment_id>/opening-hours")
@equipment.takes(OpeningHoursRequestSchema)
@equipment.gives(OpeningHoursSchema)
def set_opening_hours(wanted: dict[str, Any], equipment_id: UUID) -> Any:
    """Set the opening hours of equipment from a day on (facility managers)"""
    return _set_opening_hours(Scope.EQUIPMENT, equipment_id, wanted)


@facilities.get("/<uuid:facility_id>/opening-hours")
@facilities.gives(OpeningHoursListSchema)
def facility_opening_hours(facility_id: UUID) -> dict[str, Any]:
    """Opening hours of a facility"""
    return _opening_hours(Scope.FACILITY, facility_id)


@facilities.put("/<uuid:facility_id>/opening-hours")
@facilities.takes(OpeningHoursRequestSchema)
@facilities.gives(OpeningHoursSchema)
def set_facility_opening_hours(wanted: dict[str, Any], facility_id: UUID) -> Any:
    """Set the opening hours of a facility from a day on (facility managers)"""
    return _set_opening_hours(Scope.FACILITY, facility_id, wanted)


@equipment.get("/<uuid:equipment_id>/rules")
@equipment.gives(RulesAnswerSchema)
def rules(equipment_id: UUID) -> dict[str, Any]:
    """Rules that hold for equipment: its own, or else those of its facility"""
    return _rules(Scope.EQUIPMENT, equipment_id)


@equipment.put("/<uuid:equipment_id>/rules")
@equipment.takes(RulesSchema)
@equipment.gives(RulesAnswerSchema)
def set_rules(wanted: Rules, equipment_id: UUID) -> dict[str, Any]:
    """Set the rules of equipment; bookings already made are not touched (facility managers)"""
    return _set_rules(Scope.EQUIPMENT, equipment_id, wanted)


@facilities.get("/<uuid:facility_id>/rules")
@facilities.gives(RulesAnswerSchema)
def facility_rules(facility_id: UUID) -> dict[str, Any]:
    """Rules of a facility"""
    return _rules(Scope.FACILITY, facility_id)


@facilities.put("/<uuid:facility_id>/rules")
@facilities.takes(RulesSchema)
@facilities.gives(RulesAnswerSchema)
def set_facility_rules(wanted: Rules, facility_id: UUID) -> dict[str, Any]:
    """Set the rules of a facility (facility managers)"""
    return _set_rules(Scope.FACILITY, facility_id, wanted)


@equipment.get("/<uuid:equipment_id>/prices")
@equipment.gives(PricesListSchema)
def prices(equipment_id: UUID) -> dict[str, Any]:
    """Prices that hold for equipment: its own, or else those of its facility"""
    return _prices(Scope.EQUIPMENT, equipment_id)


@equipment.put("/<uuid:equipment_id>/prices")
@equipment.takes(PricesSchema)
@equipment.gives(PricesSchema)
def set_prices(wanted: dict[str, Any], equipment_id: UUID) -> dict[str, Any]:
    """Set the prices of equipment from a day on (facility managers)"""
    return _set_prices(Scope.EQUIPMENT, equipment_id, wanted)


@facilities.get("/<uuid:facility_id>/prices")
@facilities.gives(PricesListSchema)
def facility_prices(facility_id: UUID) -> dict[str, Any]:
    """Prices of a facility"""
    return _prices(Scope.FACILITY, facility_id)


@facilities.put("/<uuid:facility_id>/prices")
@facilities.takes(PricesSchema)
@facilities.gives(PricesSchema)
def set_facility_prices(wanted: dict[str, Any], facility_id: UUID) -> dict[str, Any]:
    """Set the prices of a facility from a day on (facility managers)"""
    return _set_prices(Scope.FACILITY, facility_id, wanted)
