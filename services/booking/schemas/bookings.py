"""Requests, bookings and what stands in their way."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from marshmallow import Schema, ValidationError, fields, post_load

from services.booking.domain.states import AccessMode, DeclineReason, DowntimeKind, Party, State
from services.booking.schemas.clock import SpanSchema, WrittenMoment
from shared.calendar import Span
from shared.fields import Choice, Id, Moment, Text
from shared.web.paging import PageQuery

LONGEST_PURPOSE = 2000
LONGEST_REASON = 1000


class SlotRequestSchema(Schema):
    """What is asked for."""

    equipment_id = Id(required=True)
    starts_at = WrittenMoment(required=True)
    ends_at = WrittenMoment(required=True)
    organisation_id = Id(required=True)
    purpose = Text(1, LONGEST_PURPOSE, lines=True, required=True)
    access_mode = Choice(AccessMode, load_default=AccessMode.MARKET)
    note = Text(0, LONGEST_PURPOSE, lines=True, load_default="")

    @post_load
    def as_arguments(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Arguments of `commands.request_slot`."""
        return data | {"slot": _span(data.pop("starts_at"), data.pop("ends_at"))}


def _span(starts_at: datetime, ends_at: datetime) -> Span:
    if ends_at <= starts_at:
        raise ValidationError("The end must be after the start.", "ends_at")
    return Span(starts_at, ends_at)


class DryRunQuery(Schema):
    dry_run = fields.Boolean(load_default=False, metadata={"description": "Only say what would become of it."})


class PriceSchema(Schema):
    """How a price comes about; in cents, without VAT."""

    cents = fields.Integer(required=True)
    currency = fields.String(required=True)
    rate = fields.String(required=True, metadata={"description": "market or other"})
    hourly_cents = fields.Integer(required=True)
    charged_minutes = fields.Integer(required=True)
    set_up_cents = fields.Integer(required=True)


class HistorySchema(Schema):
    """One transition."""

    sequence = fields.Integer(required=True)
    state = Choice(State, required=True)
    at = fields.AwareDateTime(required=True)
    actor_role = Choice(Party, required=True)
    reason = fields.String(required=True)
    unit = fields.Integer(required=True)
    starts_at = fields.AwareDateTime(required=True)
    ends_at = fields.AwareDateTime(required=True)


class BookingSchema(Schema):
    """A booking, for both sides."""

    id = fields.UUID(required=True)
    reference = fields.String(required=True)
    state = Choice(State, required=True)
    sequence = fields.Integer(required=True)
    equipment_id = fields.UUID(required=True)
    equipment_name = fields.String(required=True)
    unit = fields.Integer(required=True)
    facility_id = fields.UUID(required=True)
    facility_name = fields.String(required=True)
    region_id = fields.String(required=True)
    time_zone = fields.String(required=True)
    organisation_id = fields.UUID(required=True)
    organisation_name = fields.String(required=True)
    booker_id = fields.UUID(required=True)
    starts_at = fields.AwareDateTime(required=True)
    ends_at = fields.AwareDateTime(required=True)
    purpose = fields.String(required=True)
    note = fields.String(required=True)
    access_mode = Choice(AccessMode, required=True)
    price = fields.Method("price_of", required=True, metadata={
        "type": ["object", "null"], "description": "In cents, without VAT; null where none is published."})  # fmt: skip
    requested_at = fields.AwareDateTime(required=True)
    answer_due_at = fields.AwareDateTime(required=True, allow_none=True)
    decided_at = fields.AwareDateTime(required=True, allow_none=True)
    cancel_until = fields.AwareDateTime(required=True)
    check_in_from = fields.AwareDateTime(required=True)
    check_in_until = fields.AwareDateTime(required=True)
    reason_code = fields.String(required=True)
    reason = fields.String(required=True)
    cancelled_by = Choice(Party, required=True, allow_none=True)
    late = fields.Boolean(required=True)
    used_from = fields.AwareDateTime(required=True, allow_none=True)
    used_until = fields.AwareDateTime(required=True, allow_none=True)
    to_check = fields.Boolean(required=True)

    def price_of(self, booking: Any) -> dict[str, Any] | None:
        if booking.price_cents is None:
            return None
        return {
            "cents": booking.price_cents,
            "currency": booking.currency,
            "rate": booking.price_rate,
            "hourly_cents": booking.price_hourly_cents,
            "charged_minutes": booking.price_charged_minutes,
            "set_up_cents": booking.price_set_up_cents,
        }


class BookingWithHistorySchema(BookingSchema):
    history = fields.List(fields.Nested(HistorySchema), required=True)


class BrokenRuleSchema(Schema):
    code = fields.String(required=True)
    detail = fields.String(required=True)
    field = fields.String(required=True)
    numbers = fields.Dict(allow_none=True)


class VerdictSchema(Schema):
    """What would become of a request."""

    accepted = fields.Boolean(required=True)
    faults = fields.List(fields.Nested(BrokenRuleSchema), required=True)
    taken = fields.Boolean(required=True)
    alternatives = fields.List(fields.Nested(SpanSchema), required=True)
    price = fields.Nested(PriceSchema, required=True, allow_none=True)
    approval = fields.Function(
        lambda verdict: "operator" if verdict.needs_approval else "automatic",
        required=True,
        metadata={"type": "string", "description": "operator: a person decides; automatic: at once"},
    )
    answer_due_at = fields.AwareDateTime(required=True, allow_none=True)


class BookingsQuery(PageQuery):
    """Which bookings are wanted."""

    state = Choice(State, load_default=None)
    facility = Id(load_default=None)
    organisation = Id(load_default=None)
    equipment = Id(load_default=None)
    from_ = Moment(data_key="from", load_default=None)
    to = Moment(load_default=None)


class DeclineSchema(Schema):
    reason_code = Choice(DeclineReason, load_default=DeclineReason.OTHER)
    reason = Text(1, LONGEST_REASON, lines=True, required=True)


class ReasonSchema(Schema):
    reason = Text(0, LONGEST_REASON, lines=True, load_default="")


class RangeQuery(Schema):
    from_ = Moment(data_key="from", required=True)
    to = Moment(required=True)

    @post_load
    def as_span(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        if data["to"] <= data["from_"]:
            raise ValidationError("The end must be after the start.", "to")
        return {"span": Span(data["from_"], data["to"])}


class StretchSchema(SpanSchema):
    units = fields.Integer(required=True, metadata={"description": "How many of the units."})


class AvailabilitySchema(Schema):
    """When equipment is free, closed and busy. No names."""

    time_zone = fields.String(required=True)
    units = fields.Integer(required=True)
    free = fields.List(fields.Nested(StretchSchema), required=True)
    closed = fields.List(fields.Nested(SpanSchema), required=True)
    busy = fields.List(fields.Nested(StretchSchema), required=True)


class DowntimeRequestSchema(Schema):
    kind = Choice(DowntimeKind, required=True)
    starts_at = Moment(required=True)
    ends_at = Moment(load_default=None, allow_none=True, metadata={"description": "null: not known yet"})
    reason = Text(1, LONGEST_REASON, lines=True, required=True)


class DowntimeSchema(Schema):
    id = fields.UUID(required=True)
    sequence = fields.Integer(required=True)
    equipment_id = fields.UUID(required=True)
    kind = Choice(DowntimeKind, required=True)
    starts_at = fields.AwareDateTime(required=True)
    ends_at = fields.AwareDateTime(required=True, allow_none=True)
    reason = fields.String(required=True)
    withdrawn = fields.Boolean(required=True)


class DowntimeWithBookingsSchema(DowntimeSchema):
    bookings = fields.List(fields.Nested(BookingSchema), required=True)


class DowntimeEndSchema(Schema):
    ends_at = Moment(load_default=None, allow_none=True, metadata={"description": "null: now"})
