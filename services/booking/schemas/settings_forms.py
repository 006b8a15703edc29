"""What managers type to set opening hours, rules and prices."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from marshmallow import ValidationError, fields, post_load, validate

from services.booking.domain.prices import PriceList
from services.booking.domain.rules import Rules
from services.booking.schemas.forms import Form
from shared.calendar import MINUTES_A_DAY, Opening
from shared.fields import Day, Whole


class Hours(fields.String):
    """The openings of one weekday as people write them: `08:00-12:00, 13:00-17:00`. Loads as minutes."""

    _ONE = re.compile(r"(\d{1,2}):(\d{2})\s*[-–]\s*(\d{1,2}):(\d{2})", re.ASCII)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        openings = []
        for part in str(value).split(","):
            found = self._ONE.fullmatch(part.strip())
            numbers = [int(each) for each in found.groups()] if found else [99, 0, 0, 0]
            opens, closes = numbers[0] * 60 + numbers[1], numbers[2] * 60 + numbers[3]
            if max(numbers[1], numbers[3]) > 59 or not opens < closes <= MINUTES_A_DAY:
                raise ValidationError("Write times such as 08:00-12:00, 13:00-17:00; or nothing for a closed day.")
            openings.append((opens, closes))
        return openings


class Days(fields.String):
    """Days one below the other, or with commas between them."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        words = str(value).replace(",", " ").split()
        if len(words) > 400:
            raise ValidationError("These are too many days.")
        return [Day().deserialize(word) for word in words]


class Money(fields.String):
    """An amount as people write it, `118` or `118.50`. Loads as cents."""

    _AMOUNT = re.compile(r"(\d{1,7})(?:[.,](\d{1,2}))?", re.ASCII)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        found = self._AMOUNT.fullmatch(str(value).strip())
        if found is None:
            raise ValidationError("Write an amount such as 118 or 118.50.")
        return int(found[1]) * 100 + int((found[2] or "").ljust(2, "0"))


class HoursForm(Form):
    valid_from = Day(required=True)
    day0 = Hours(load_default=list)
    day1 = Hours(load_default=list)
    day2 = Hours(load_default=list)
    day3 = Hours(load_default=list)
    day4 = Hours(load_default=list)
    day5 = Hours(load_default=list)
    day6 = Hours(load_default=list)
    holidays = fields.Boolean(load_default=False)
    closed_days = Days(load_default=list)
    open_days = Days(load_default=list)

    @post_load
    def as_arguments(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Arguments of `commands.set_opening_hours`, but for the calendar, which depends on the place."""
        weekly = [
            Opening(weekday, opens, closes) for weekday in range(7) for opens, closes in data.pop(f"day{weekday}")
        ]
        return data | {"weekly": weekly}


class RulesForm(Form):
    min_minutes = Whole(1, 44_640, required=True)
    max_minutes = Whole(1, 44_640, required=True)
    granularity_minutes = Whole(1, 1440, required=True)
    lead_hours = Whole(0, 12_000, required=True)
    horizon_days = Whole(1, 500, required=True)
    buffer_before_minutes = Whole(0, 1440, required=True)
    buffer_after_minutes = Whole(0, 1440, required=True)
    cancel_hours = Whole(0, 12_000, required=True)
    check_in_before_minutes = Whole(0, 1440, required=True)
    check_in_after_minutes = Whole(1, 1440, required=True)
    answer_hours = Whole(1, 12_000, required=True)
    needs_approval = fields.Boolean(load_default=False)
    outside_hours = fields.Boolean(load_default=False)

    @post_load
    def as_rules(self, data: dict[str, Any], **_: Any) -> Rules:
        minute, hour, day = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
        return Rules(
            min_duration=data["min_minutes"] * minute,
            max_duration=data["max_minutes"] * minute,
            granularity=data["granularity_minutes"] * minute,
            lead_time=data["lead_hours"] * hour,
            horizon=data["horizon_days"] * day,
            buffer_before=data["buffer_before_minutes"] * minute,
            buffer_after=data["buffer_after_minutes"] * minute,
            needs_approval=data["needs_approval"],
            cancel_before=data["cancel_hours"] * hour,
            check_in_before=data["check_in_before_minutes"] * minute,
            check_in_after=data["check_in_after_minutes"] * minute,
            answer_within=data["answer_hours"] * hour,
            outside_hours=data["outside_hours"],
        )


class PricesForm(Form):
    valid_from = Day(required=True)
    currency = fields.String(load_default="EUR", validate=validate.Regexp("^[A-Z]{3}$", error="Such as EUR."))
    market = Money(load_default=None)
    other = Money(load_default=None)
    set_up = Money(load_default=0)
    per_minutes = Whole(1, 1440, required=True)

    @post_load
    def as_prices(self, data: dict[str, Any], **_: Any) -> PriceList:
        return PriceList(
            valid_from=data["valid_from"],
            currency=data["currency"],
            market_cents=data["market"],
            other_cents=data["other"],
            set_up_cents=data["set_up"],
            per=timedelta(minutes=data["per_minutes"]),
        )
