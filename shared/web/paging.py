"""Lists a page at a time. A cursor says after which row to go on; it costs the same on every page."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any, Generic, NamedTuple, TypeVar

from marshmallow import Schema, fields

from shared.errors import Fault, Invalid
from shared.fields import Text, Whole

LARGEST_PAGE = 200

T = TypeVar("T")


class PageQuery(Schema):
    """How much of a list is wanted."""

    limit = Whole(1, LARGEST_PAGE, load_default=50)
    cursor = Text(maximum=500, load_default=None)


class Page(NamedTuple, Generic[T]):
    """A part of a list, and where the rest begins."""

    items: list[T]
    next: str | None


def page_schema(item: type[Schema], **more: Any) -> type[Schema]:
    """The schema of a page of `item`, with further fields beside the list."""
    name = item.__name__.removesuffix("Schema") + "PageSchema"
    members: dict[str, Any] = {
        "items": fields.List(fields.Nested(item), required=True),
        "next": fields.String(allow_none=True, metadata={"description": "Cursor of the next page, if any."}),
    }
    return type(name, (Schema,), members | more)


def encode_cursor(*key: Any) -> str:
    """A cursor that stands after the row with this sort key."""
    return base64.urlsafe_b64encode(json.dumps(key, default=str).encode()).decode().rstrip("=")


def decode_cursor(cursor: str, length: int) -> list[Any]:
    """The sort key in a cursor, of `length` parts. Raises `Invalid` if it was not made by `encode_cursor`."""
    try:
        key = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError, UnicodeError):
        key = None
    if not (isinstance(key, list) and len(key) == length):
        fault = Fault("bad-cursor", "Take the cursor from the answer before, unchanged.", "cursor")
        raise Invalid("This cursor does not fit.", faults=[fault])
    return key
