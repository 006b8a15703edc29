"""Which column of a foreign table becomes which field of ours, and how; said as data.

A mapping names, for every field it fills, a column and what is done to its text on the way. What a
mapping cannot say (patterns, code) it is not meant to say: it may come from anybody who may import.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from services.catalogue.domain import files, records
from services.catalogue.domain.files import Row, Table
from services.catalogue.domain.records import AccessMode, AccessType, EquipmentState, Kind
from shared.errors import Fault

LONGEST_SOURCE_ID = 120
_TRUE = {"yes", "y", "true", "t", "1", "x"}
_FALSE = {"no", "n", "false", "f", "0", ""}
_PLACEHOLDER = re.compile(r"\{([^{}]+)\}")


class _Unreadable(ValueError):
    """A cell does not hold what its field needs."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


# ---------------------------------------------------------------- how the text of a field becomes its value


def _whole(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise _Unreadable("not-a-number", f"“{text[:40]}” is not a whole number.")
    return int(text)


def _degrees(text: str) -> float | None:
    if not text:
        return None
    if not re.fullmatch(r"[+-]?[0-9]{1,3}(?:[.,][0-9]{1,12})?", text):
        raise _Unreadable("not-a-number", f"“{text[:40]}” is not a coordinate in degrees.")
    return float(text.replace(",", "."))


def _yes(text: str) -> bool:
    if text.casefold() in _TRUE:
        return True
    if text.casefold() in _FALSE:
        return False
    raise _Unreadable("not-yes-or-no", f"“{text[:40]}” is neither yes nor no.")


_DATES = (
    (re.compile(r"(?P<y>\d{4})-(?P<m>\d{1,2})-(?P<d>\d{1,2})(?:[ T].*)?", re.ASCII), False),
    (re.compile(r"(?P<d>\d{1,2})\.\s?(?P<m>\d{1,2})\.\s?(?P<y>\d{4})", re.ASCII), False),
    (re.compile(r"(?P<y>\d{4})", re.ASCII), True),
)


def _day(text: str, *, at_end: bool) -> date | None:
    if not text:
        return None
    for pattern, year_only in _DATES:
        if found := pattern.fullmatch(text):
            parts = {name: int(value) for name, value in found.groupdict().items()}
            month, day = (12, 31) if at_end else (1, 1)
            if not year_only:
                month, day = parts["m"], parts["d"]
            try:
                return date(parts["y"], month, day)
            except ValueError:
                break
    raise _Unreadable("not-a-date", f"“{text[:40]}” is not a date; write 2026-11-26, or a year.")


def _one_of(members: Any, names: Mapping[str, str] | None = None) -> Callable[[str], Any]:
    known = {str(member): member for member in members}

    def read(text: str) -> Any:
        value = text.casefold().replace(" ", "-").replace("_", "-")
        value = (names or {}).get(value, value)
        if not value:
            return None
        if value not in known:
            raise _Unreadable("not-known", f"“{text[:40]}” is none of {', '.join(known)}.")
        return known[value]

    return read


_OF_KIND = _one_of(Kind, {"instrument": "equipment"})
_OF_STATE = _one_of(EquipmentState)
_OF_ACCESS_TYPE = _one_of(AccessType, {"mail": "mail-in", "samples": "mail-in", "on-site": "physical"})
_OF_ACCESS_MODE = _one_of(AccessMode, {"paid": "market", "free": "wide", "peer-reviewed": "excellence"})


def _country(text: str) -> str:
    if text and not re.fullmatch(r"[A-Za-z]{2}", text):
        raise _Unreadable("not-a-country", f"“{text[:40]}” is not a country code of two letters.")
    return {"UK": "GB", "EL": "GR"}.get(text.upper(), text.upper())


def _email(text: str) -> str:
    if text and not re.fullmatch(r"[^\s@<>,;]{1,64}@[^\s@<>,;]{1,180}\.[A-Za-z]{2,}", text):
        raise _Unreadable("not-an-address", f"“{text[:60]}” is not an e-mail address.")
    return text.lower()


def _web(text: str) -> str:
    address = text if not text or "://" in text else f"https://{text}"
    if address and not records.is_web_address(address):
        raise _Unreadable("not-a-web-address", f"“{text[:60]}” is not a web address.")
    return address


def _short(text: str) -> str:
    if len(text) > records.MAX_NAME:
        limit = records.MAX_NAME
        raise _Unreadable("too-long", f"This has {len(text)} characters; there is room for {limit}.")
    return text


@dataclass(frozen=True, slots=True)
class _Target:
    """A field of ours: how one text is read, and whether it takes several."""

    read: Callable[[str], Any]
    several: bool = False
    lines: bool = False
    separators: str = "|;"
    default: Any = ""  # of equipment, when the cell is empty


_EQUIPMENT: Mapping[str, _Target] = {
    "name": _Target(str),
    "description": _Target(str, lines=True),
    "kind": _Target(_OF_KIND, default=Kind.EQUIPMENT),
    "techniques": _Target(_short, several=True),
    "keywords": _Target(str, several=True, separators="|;,"),
    "units": _Target(_whole, default=1),
    "access_types": _Target(_OF_ACCESS_TYPE, several=True, separators="|;,", default=(AccessType.PHYSICAL,)),
    "access_modes": _Target(_OF_ACCESS_MODE, several=True, separators="|;,", default=(AccessMode.MARKET,)),
    "operator_needed": _Target(_yes, default=False),
    "trl_min": _Target(_whole, default=None),
    "trl_max": _Target(_whole, default=None),
    "drawing": _Target(_short),
    "website": _Target(_web),
    "manufacturer": _Target(_short),
    "model": _Target(_short),
    "state": _Target(_OF_STATE, default=EquipmentState.PUBLISHED),
    "commissioned_on": _Target(lambda text: _day(text, at_end=False), default=None),
    "decommissioned_on": _Target(lambda text: _day(text, at_end=True), default=None),
}
_PLACE: Mapping[str, _Target] = {
    "facility": _Target(_short),
    "host": _Target(_short),
    "region": _Target(_short),
    "country": _Target(_country),
    "town": _Target(_short),
    "address": _Target(_short),
    "latitude": _Target(_degrees, default=None),
    "longitude": _Target(_degrees, default=None),
    "facility_website": _Target(_web),
    "contact_email": _Target(_email),
    "time_zone": _Target(_short),
}
TARGETS: Mapping[str, _Target] = {"id": _Target(str), **_EQUIPMENT, **_PLACE}


# ---------------------------------------------------------------- how a field is found in a row


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Where the text of one field comes from."""

    columns: tuple[str, ...] = ()  # the first that is not empty
    value: str = ""  # the same for every row
    text: str = ""  # "{class}, {description}": columns put together
    separators: str = ""  # how several values in one cell are told apart
    before: str = ""  # only what stands before the first of these signs
    only_if_found: bool = False  # nothing, where `before` does not occur
    longest: int = 0  # what is longer ends in …; 0 keeps it
    part: int = 0  # which piece between commas: 1 the first, -1 the last; 0 all
    blank: tuple[str, ...] = ()  # texts that mean nothing
    values: Mapping[str, str] = field(default_factory=dict)  # their words to ours
    otherwise: str | None = None  # for words that `values` does not have; None keeps them
    when: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # only where a column says this
    default: str = ""  # where nothing was found

    @property
    def reads(self) -> tuple[str, ...]:
        """Every column this rule looks at."""
        return (*self.columns, *_PLACEHOLDER.findall(self.text), *self.when)

    def texts(self, cells: Mapping[str, str], target: _Target) -> list[str]:
        """The text or texts of the field in a row, still as text."""
        found = self._found(cells, target)
        if not target.several:
            return [self._translated(found) or self.default]
        pieces = re.split(f"[{re.escape(self.separators or target.separators)}]", found)
        translated = (self._translated(self._cut(" ".join(piece.split()))) for piece in pieces)
        return [text for text in dict.fromkeys(translated) if text] or ([self.default] if self.default else [])

    def _found(self, cells: Mapping[str, str], target: _Target) -> str:
        for column, allowed in self.when.items():
            if files.tidy(cells.get(column.casefold(), "")) not in allowed:
                return ""
        if self.value:
            return self.value
        if self.text:
            return files.tidy(
                _PLACEHOLDER.sub(lambda name: cells.get(name[1].casefold(), ""), self.text), lines=target.lines
            )
        for column in self.columns:
            text = files.tidy(cells.get(column.casefold(), ""), lines=target.lines)
            text = text if target.several else self._cut(text)
            if text and text not in self.blank:
                return text
        return ""

    def _cut(self, text: str) -> str:
        if self.before:
            head, sign, _ = text.partition(self.before)
            text = head.strip() if sign or not self.only_if_found else ""
        if self.part:
            pieces = [piece.strip() for piece in text.split(",")]
            index = self.part - 1 if self.part > 0 else self.part
            text = pieces[index] if -len(pieces) <= index < len(pieces) else ""
        if self.longest and len(text) > self.longest:
            text = text[: self.longest].rpartition(" ")[0] + " …"
        return text

    def _translated(self, text: str) -> str:
        if not self.values and self.otherwise is None:
            return text
        known = self.values.get(text.casefold())
        if known is not None:
            return known
        return text if self.otherwise is None else self.otherwise


@dataclass(frozen=True, kw_only=True)
class Record:
    """One row, read: what it says of the equipment and of the place where it is."""

    row: int
    source_id: str
    equipment: dict[str, Any]
    place: dict[str, Any]
    raw: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class TableMapping:
    """How the rows of one kind of table become records."""

    format: str
    source: str  # first half of the natural key; "" when each facility is a source of its own
    rules: Mapping[str, Rule]
    encoding: str = ""
    delimiter: str = ""
    check: Callable[[Mapping[str, str]], list[Fault]] = lambda _: []  # what a format asks of a row

    @property
    def reads(self) -> frozenset[str]:
        """Names of all columns looked at, case-folded."""
        return frozenset(name.casefold() for rule in self.rules.values() for name in rule.reads)

    def fits(self, table: Table) -> list[Fault]:
        """What is missing from the header of `table` for this mapping; names every column."""
        there = {column.casefold() for column in table.columns}
        missing = sorted({name for rule in self.needed.values() for name in rule.reads if name.casefold() not in there})
        return [Fault("column-missing", f"There is no column “{name}”.", name) for name in missing]

    @property
    def needed(self) -> Mapping[str, Rule]:
        """The rules whose columns must be there."""
        return self.rules

    def record(self, row: Row) -> tuple[Record, list[Fault]]:
        """The record in `row`, and everything that is wrong with it."""
        cells = {name.casefold(): text for name, text in row.cells.items()}
        faults = list(self.check(cells))
        equipment: dict[str, Any] = {}
        place: dict[str, Any] = {}
        source_id = ""
        for name, rule in self.rules.items():
            target = TARGETS[name]
            try:
                value = _value(rule.texts(cells, target), target)
            except _Unreadable as unreadable:
                faults.append(Fault(unreadable.code, str(unreadable), name))
                continue
            if name == "id":
                source_id = value
            elif name in _EQUIPMENT:
                equipment[name] = value
            else:
                place[name] = value
        if len(source_id) > LONGEST_SOURCE_ID:
            faults.append(Fault("too-long", f"An id may have {LONGEST_SOURCE_ID} characters.", "id"))
        faults += records.equipment_faults({"name": ""} | equipment) if "name" not in _of(faults) else []
        faults += records.place_faults({k: v for k, v in place.items() if k in ("latitude", "longitude", "time_zone")})
        raw = dict(row.cells)
        return Record(
            row=row.number,
            source_id=source_id or fingerprint(raw),
            equipment=equipment,
            place=place,
            raw=raw,
        ), faults


def _of(faults: Sequence[Fault]) -> set[str]:
    return {fault.field for fault in faults}


def _value(texts: list[str], target: _Target) -> Any:
    if target.several:
        values = [target.read(text) for text in texts]
        return list(dict.fromkeys(values)) or list(target.default)
    value = target.read(texts[0])
    return target.default if value is None or value == "" else value


def fingerprint(raw: Mapping[str, str]) -> str:
    """Stands for the id of a row that has none: any change makes it another row."""
    return hashlib.sha256(json.dumps(raw, sort_keys=True).encode()).hexdigest()[:40]
