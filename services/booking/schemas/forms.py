"""What people type into forms. Times are those of the facility's clock; empty fields count as not given."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from marshmallow import EXCLUDE, Schema, ValidationError, pre_load

from services.booking.domain.rules import as_written
from services.booking.domain.states import AccessMode, DeclineReason, DowntimeKind
from services.booking.schemas.bookings import LONGEST_PURPOSE, LONGEST_REASON
from services.booking.schemas.clock import Clock
from shared.calendar import Span
from shared.fields import Choice, Day, Id, Text


class Form(Schema):
    """A form: unknown fields are ignored (a button is a field), empty ones left out."""

    class Meta:
        unknown = EXCLUDE

    @pre_load
    def without_empty(self, data: Mapping[str, Any], **_: Any) -> dict[str, Any]:
        return {name: value for name, value in data.items() if not (isinstance(value, str) and not value.strip())}


class SlotForm(Form):
    """A slot as people write it: a day, from, to, and the last day where it runs past midnight."""

    day = Day(required=True)
    from_ = Clock(required=True, data_key="from")
    to = Clock(required=True)
    last_day = Day(load_default=None)


class RequestForm(SlotForm):
    organisation_id = Id(required=True)
    purpose = Text(1, LONGEST_PURPOSE, lines=True, required=True)
    access_mode = Choice(AccessMode, load_default=AccessMode.MARKET)
    note = Text(0, LONGEST_PURPOSE, lines=True, load_default="")


class DeclineForm(Form):
    reason_code = Choice(DeclineReason, required=True)
    reason = Text(1, LONGEST_REASON, lines=True, required=True)


class ReasonForm(Form):
    reason = Text(0, LONGEST_REASON, lines=True, load_default="")


class DowntimeForm(SlotForm):
    equipment_id = Id(required=True)
    kind = Choice(DowntimeKind, required=True)
    reason = Text(1, LONGEST_REASON, lines=True, required=True)
    to = Clock(load_default=None)


def written_slot(data: Mapping[str, Any], zone: ZoneInfo) -> Span:
    """The slot a form asks for, in the facility's zone. Raises `ValidationError`."""
    ends_at = written_end(data, zone)
    starts_at = as_written(data["day"], data["from_"], zone)
    if ends_at is None or ends_at <= starts_at:
        raise ValidationError("The end must be after the start.", "to")
    return Span(starts_at, ends_at)


def written_end(data: Mapping[str, Any], zone: ZoneInfo) -> datetime | None:
    """The end, if the form names one. Raises `ValidationError` for half of one."""
    if data["to"] is None:
        if data["last_day"]:
            raise ValidationError("Say at what time it ends; or leave both empty.", "to")
        return None
    return as_written(data["last_day"] or data["day"], data["to"], zone)
