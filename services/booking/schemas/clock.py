"""Times as they come and go."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from marshmallow import Schema, ValidationError, fields

from shared.fields import Moment


class WrittenMoment(Moment):
    """An instant that keeps the offset it was written with: it tells which hour of the clock was meant."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> datetime:
        moment = super()._deserialize(value, attr, data, **kwargs)
        written = value if isinstance(value, datetime) else datetime.fromisoformat(value.upper())
        return moment.astimezone(written.tzinfo)


class Clock(fields.String):
    """A time of day as 08:00; 24:00 is the midnight that ends the day. Loads as minutes since midnight."""

    _PATTERN = re.compile(r"([01]\d|2[0-3]):[0-5]\d|24:00", re.ASCII)

    def __init__(self, **settings: Any) -> None:
        settings["metadata"] = {"pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$"} | settings.get("metadata", {})
        super().__init__(**settings)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> int:  # type: ignore[override]
        if not (isinstance(value, str) and self._PATTERN.fullmatch(value)):
            raise ValidationError("Write a time such as 08:00.")
        return int(value[:2]) * 60 + int(value[3:])

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> str:
        return f"{value // 60:02d}:{value % 60:02d}"


class SpanSchema(Schema):
    starts_at = fields.AwareDateTime(required=True)
    ends_at = fields.AwareDateTime(required=True)
