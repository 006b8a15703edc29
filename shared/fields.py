"""Fields of what enters from outside. Stricter than marshmallow's own, where those let pass what breaks later."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from marshmallow import ValidationError, fields, validate

from shared.clock import utc_now

_RFC_3339 = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)", re.ASCII
)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
_WHOLE = re.compile(r"-?\d{1,18}", re.ASCII)
_SLUG = r"^[a-z0-9]+(-[a-z0-9]+)*$"
_EMAIL = re.compile(
    r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])",
    re.ASCII | re.IGNORECASE,
)
# Controls, bidi and zero-width marks, surrogates, private, unassigned, and line breaks no field is drawn with.
_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_JOINERS = {"\u200c", "\u200d"}  # some scripts and emoji need them
EARLIEST, LATEST = timedelta(days=366 * 10), timedelta(days=366 * 5)
LARGEST_SUM = 10**13  # cents


def clean(text: str, *, lines: bool = False) -> str:
    """`text` in NFC and without surrounding space. Raises `ValueError` for characters nobody can see."""
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n")).strip()
    allowed = _JOINERS | ({"\n", "\t"} if lines else set())
    if any(unicodedata.category(each) in _INVISIBLE and each not in allowed for each in text):
        raise ValueError("This contains characters that cannot be shown.")
    return text


class Text(fields.String):
    """Text of `minimum` to `maximum` characters, NFC, without control characters; `lines` allows several lines."""

    def __init__(self, minimum: int = 0, maximum: int = 255, *, lines: bool = False, **settings: Any) -> None:
        checks = _also(settings, validate.Length(min=minimum or None, max=maximum))
        super().__init__(validate=checks, **settings)
        self._lines = lines

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        try:
            return clean(text or "", lines=self._lines)
        except ValueError as error:
            raise ValidationError(str(error)) from None


class Moment(fields.AwareDateTime):
    """An instant in RFC 3339 with an offset, from ten years ago to five years ahead; loads as UTC."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> datetime:
        if isinstance(value, datetime) and value.tzinfo is not None:
            moment = value
        elif isinstance(value, str) and _RFC_3339.fullmatch(value):
            moment = self._parsed(value)
        else:
            raise ValidationError("Write a time with its offset, such as 2026-11-26T08:00:00+01:00.")
        now = utc_now()
        try:
            moment = moment.astimezone(UTC)
        except OverflowError:
            raise ValidationError("This is not a time.") from None
        if not now - EARLIEST <= moment <= now + LATEST:
            raise ValidationError("This time is too far away.")
        return moment

    @staticmethod
    def _parsed(value: str) -> datetime:
        try:
            return datetime.fromisoformat(value.upper())
        except ValueError:
            raise ValidationError("This is not a time.") from None


class Day(fields.Date):
    """A date as 2026-11-26, from ten years ago to five years ahead."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> date:
        if not (isinstance(value, str) and _DAY.fullmatch(value)):
            raise ValidationError("Write a date such as 2026-11-26.")
        try:
            day = date.fromisoformat(value)
        except ValueError:
            raise ValidationError("There is no such day.") from None
        today = utc_now().date()
        if not today - EARLIEST <= day <= today + LATEST:
            raise ValidationError("This day is too far away.")
        return day


class Id(fields.UUID):
    """A UUID in its one usual spelling."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> UUID:
        if not (isinstance(value, str) and _UUID.fullmatch(value)):
            raise ValidationError("This is not an id.")
        return UUID(value)


class Whole(fields.Integer):
    """A whole number from `minimum` to `maximum`; ASCII digits where it comes as text."""

    def __init__(self, minimum: int, maximum: int, **settings: Any) -> None:
        checks = _also(settings, validate.Range(minimum, maximum))
        super().__init__(strict=True, validate=checks, **settings)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> int:
        if isinstance(value, bool) or not (
            isinstance(value, int) or (isinstance(value, str) and _WHOLE.fullmatch(value))
        ):
            raise ValidationError("Write a whole number.")
        return int(value)


class Cents(Whole):
    """An amount of money in cents."""

    def __init__(self, minimum: int = 0, maximum: int = LARGEST_SUM, **settings: Any) -> None:
        super().__init__(minimum, maximum, **settings)


class EmailAddress(fields.String):
    """One plain e-mail address, at most 254 characters; loads in lower case."""

    def __init__(self, **settings: Any) -> None:
        settings["metadata"] = {"format": "email"} | settings.get("metadata", {})
        super().__init__(validate=_also(settings, validate.Length(max=254)), **settings)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        text = str(super()._deserialize(value, attr, data, **kwargs)).strip()
        if len(text) > 254 or not _EMAIL.fullmatch(text):
            raise ValidationError("Write an e-mail address, such as name@firm.example.")
        return text.lower()


class Slug(fields.String):
    """A readable id of lower-case letters, digits and hyphens."""

    _WHAT = "Use lower-case letters, digits and hyphens."

    def __init__(self, maximum: int = 80, **settings: Any) -> None:
        pattern = validate.Regexp(_SLUG, error=self._WHAT)
        checks = _also(settings, validate.Length(min=1, max=maximum), pattern)
        super().__init__(validate=checks, **settings)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        slug = str(super()._deserialize(value, attr, data, **kwargs))
        if slug.endswith("\n"):  # which `$` lets pass
            raise ValidationError(self._WHAT)
        return slug


class Choice(fields.Enum[Any]):
    """One of the values of an enumeration."""

    def __init__(self, choices: type[Any], **settings: Any) -> None:
        super().__init__(choices, by_value=True, **settings)


def _also(settings: dict[str, Any], *checks: Any) -> list[Any]:
    extra = settings.pop("validate", ())
    return [*checks, *(extra if isinstance(extra, list | tuple) else (extra,))]
