"""Opening hours, rules and prices."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from marshmallow import Schema, ValidationError, fields, post_load, validate

from services.booking.domain.hours import HolidayCalendar
from services.booking.domain.prices import MOST_CENTS, PriceList
from services.booking.domain.rules import Rules
from services.booking.schemas.clock import Clock
from shared.calendar import MINUTES_A_DAY, Opening
from shared.fields import Cents, Day, Text, Whole


class OpeningSchema(Schema):
    """Open every week on this day; several on one day leave a break between them."""

    weekday = Whole(0, 6, required=True, metadata={"description": "0 is Monday"})
    opens = Clock(required=True)
    closes = Clock(required=True)

    @post_load
    def as_opening(self, data: dict[str, Any], **_: Any) -> Opening:
        if not 0 <= data["opens"] < data["closes"] <= MINUTES_A_DAY:
            raise ValidationError("The end must be after the start.", "closes")
        return Opening(**data)


class HolidaysSchema(Schema):
    """Which public holidays are kept."""

    country = fields.String(required=True, validate=validate.Regexp("^[A-Z]{2}$"))
    subdivision = Text(1, 10, load_default=None, allow_none=True)
    categories = fields.List(
        Text(1, 40), load_default=["public"], validate=validate.Length(1, 10),
        metadata={"description": "public, and what the country has besides: half_day, de_facto, bank, …"},
    )  # fmt: skip

    @post_load
    def as_calendar(self, data: dict[str, Any], **_: Any) -> HolidayCalendar:
        return HolidayCalendar(data["country"], data["subdivision"], tuple(data["categories"]))


class OpeningHoursRequestSchema(Schema):
    """When it is open, from a day on."""

    valid_from = Day(load_default=None, metadata={"description": "today, if not given"})
    weekly = fields.List(fields.Nested(OpeningSchema), required=True, validate=validate.Length(max=70))
    holidays = fields.Nested(HolidaysSchema, load_default=None, allow_none=True)
    closed_days = fields.List(Day(), load_default=list, validate=validate.Length(max=400))
    open_days = fields.List(Day(), load_default=list, validate=validate.Length(max=400))

    @post_load
    def as_arguments(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Arguments of `commands.set_opening_hours`."""
        return data | {"calendar": data.pop("holidays")}


class OpeningHoursSchema(Schema):
    """Opening hours as they hold from a day on, with the days resolved from the holidays."""

    scope = fields.Function(lambda week: week.scope.value, metadata={"type": "string"}, required=True)
    sequence = fields.Integer(required=True)
    valid_from = fields.Date(required=True)
    weekly = fields.Function(
        lambda week: OpeningSchema(many=True).dump(week.openings),
        required=True,
        metadata={"type": "array", "items": {"type": "object"}},
    )
    holidays = fields.Function(
        lambda week: HolidaysSchema().dump(week.calendar) if week.calendar else None,
        required=True,
        metadata={"type": ["object", "null"]},
    )
    closed_days = fields.List(fields.String(), required=True)
    open_days = fields.List(fields.String(), required=True)
    closed_on = fields.Dict(required=True, metadata={"description": "Resolved: each closed day, and why."})
    special_on = fields.Function(
        lambda week: {
            day.isoformat(): OpeningSchema(many=True).dump(openings) for day, openings in week.week.special_on.items()
        },
        required=True,
        metadata={"type": "object", "description": "Resolved: days with other hours than the week says."},
    )
    known_until = fields.Date(required=True)


class OpeningHoursListSchema(Schema):
    items = fields.List(fields.Nested(OpeningHoursSchema), required=True)


class RulesSchema(Schema):
    """What is asked of a slot. Lengths are whole minutes."""

    min_minutes = Whole(1, 44_640, load_default=30)
    max_minutes = Whole(1, 44_640, load_default=480)
    granularity_minutes = Whole(1, 1440, load_default=30)
    lead_minutes = Whole(0, 720_000, load_default=1440)
    horizon_minutes = Whole(1, 720_000, load_default=129_600)
    buffer_before_minutes = Whole(0, 1440, load_default=0)
    buffer_after_minutes = Whole(0, 1440, load_default=0)
    needs_approval = fields.Boolean(load_default=True)
    cancel_minutes = Whole(0, 720_000, load_default=1440)
    check_in_before_minutes = Whole(0, 1440, load_default=15)
    check_in_after_minutes = Whole(1, 1440, load_default=30)
    answer_minutes = Whole(1, 720_000, load_default=2880)
    outside_hours = fields.Boolean(load_default=False)

    @post_load
    def as_rules(self, data: dict[str, Any], **_: Any) -> Rules:
        values: dict[str, Any] = {
            name: timedelta(minutes=data[key]) if key.endswith("_minutes") else data[key]
            for key, name in RULE_NAMES.items()
        }
        return Rules(**values)


RULE_NAMES = {
    "min_minutes": "min_duration",
    "max_minutes": "max_duration",
    "granularity_minutes": "granularity",
    "lead_minutes": "lead_time",
    "horizon_minutes": "horizon",
    "buffer_before_minutes": "buffer_before",
    "buffer_after_minutes": "buffer_after",
    "needs_approval": "needs_approval",
    "cancel_minutes": "cancel_before",
    "check_in_before_minutes": "check_in_before",
    "check_in_after_minutes": "check_in_after",
    "answer_minutes": "answer_within",
    "outside_hours": "outside_hours",
}


def rules_as_sent(rules: Rules) -> dict[str, Any]:
    """Rules as `RulesSchema` dumps them."""
    values = {key: getattr(rules, name) for key, name in RULE_NAMES.items()}
    return {
        key: value // timedelta(minutes=1) if isinstance(value, timedelta) else value for key, value in values.items()
    }


class PricesSchema(Schema):
    """What an hour costs from a day on, without VAT."""

    valid_from = Day(load_default=None, metadata={"description": "today, if not given"})
    currency = fields.String(load_default="EUR", validate=validate.Regexp("^[A-Z]{3}$"))
    market_cents = Cents(0, MOST_CENTS, load_default=None, allow_none=True)
    other_cents = Cents(0, MOST_CENTS, load_default=None, allow_none=True)
    set_up_cents = Cents(0, MOST_CENTS, load_default=0)
    per_minutes = Whole(1, 1440, load_default=30, metadata={"description": "Every started one is charged."})


def price_list(data: Mapping[str, Any], *, today: Any) -> PriceList:
    return PriceList(
        valid_from=data["valid_from"] or today,
        currency=data["currency"],
        market_cents=data["market_cents"],
        other_cents=data["other_cents"],
        set_up_cents=data["set_up_cents"],
        per=timedelta(minutes=data["per_minutes"]),
    )


def prices_as_sent(prices: PriceList) -> dict[str, Any]:
    return {
        "valid_from": prices.valid_from,
        "currency": prices.currency,
        "market_cents": prices.market_cents,
        "other_cents": prices.other_cents,
        "set_up_cents": prices.set_up_cents,
        "per_minutes": prices.per // timedelta(minutes=1),
    }


class PricesListSchema(Schema):
    items = fields.List(fields.Nested(PricesSchema), required=True)
