"""Lists by name: where the next page begins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar
from uuid import UUID

from shared.errors import Fault, Invalid
from shared.fields import clean
from shared.web.paging import Page, decode_cursor, encode_cursor


class Named(Protocol):
    """What lists by name hold."""

    @property
    def id(self) -> Any: ...
    @property
    def name(self) -> Any: ...


T = TypeVar("T", bound=Named)


def name_cursor(cursor: str | None) -> tuple[str, UUID] | None:
    """The name and id of the last row of the page before. Raises `Invalid` for a cursor made by others."""
    if cursor is None:
        return None
    name, id_ = decode_cursor(cursor, 2)
    try:
        return clean(name), UUID(id_)
    except (AttributeError, TypeError, ValueError):
        fault = Fault("bad-cursor", "Take the cursor from the answer before, unchanged.", "cursor")
        raise Invalid("This cursor does not fit.", faults=[fault]) from None


def page_of(found: Sequence[T], limit: int) -> Page[T]:
    """A page of at most `limit` of what was found; one more was asked for, to know whether there is more."""
    page = list(found[:limit])
    return Page(page, encode_cursor(page[-1].name, page[-1].id) if len(found) > limit else None)
