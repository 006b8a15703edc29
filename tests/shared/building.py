"""Builds any event of the published language, for tests that hold for all of them."""

from __future__ import annotations

import types
from dataclasses import MISSING, fields, is_dataclass
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from typing import Any, Union, get_args, get_origin, get_type_hints
from uuid import UUID

from hypothesis import strategies as st

from shared.calendar import Opening
from shared.events import Event

moments = st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001
names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)


@st.composite
def openings(draw: st.DrawFn) -> Opening:
    opens = draw(st.integers(0, 1439))
    return Opening(draw(st.integers(0, 6)), opens, draw(st.integers(opens + 1, 1440)))


def events(cls: type[Event]) -> st.SearchStrategy[Event]:
    """Events of this type: any, or with what has a default left out."""
    return st.one_of(_instances(cls, whole=True), _instances(cls, whole=False))


def _instances(cls: Any, *, whole: bool) -> st.SearchStrategy[Any]:
    hints = get_type_hints(cls)
    wanted = [field for field in fields(cls) if whole or field.default is MISSING]
    parts = {field.name: _values(hints[field.name]) for field in wanted}
    if "sequence" in parts:
        parts["sequence"] = st.integers(1, 2**31 - 1)
    return st.builds(cls, **parts)


def _values(hint: Any) -> st.SearchStrategy[Any]:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return st.one_of(*map(_values, arguments))
    if origin is tuple:
        return st.lists(_values(arguments[0]), max_size=3).map(tuple)
    if origin is dict:
        return st.dictionaries(_values(arguments[0]), _values(arguments[1]), max_size=3)
    return _plain(hint)


def _plain(hint: Any) -> st.SearchStrategy[Any]:
    known: dict[Any, st.SearchStrategy[Any]] = {
        type(None): st.none(),
        bool: st.booleans(),
        int: st.integers(-(2**53), 2**53),
        float: st.floats(allow_nan=False, allow_infinity=False),
        str: names,
        UUID: st.uuids(),
        datetime: moments,
        date: st.dates(),
        timedelta: st.integers(-(10**6), 10**6).map(lambda seconds: timedelta(seconds=seconds)),
        Opening: openings(),
        Any: st.none() | st.booleans() | st.integers(-5, 5) | names,
    }
    if hint in known:
        return known[hint]
    if isinstance(hint, type) and issubclass(hint, Enum):
        return st.sampled_from(hint)
    if is_dataclass(hint):
        return _instances(hint, whole=True)
    raise TypeError(f"nobody knows how to build a {hint}: say so here")
