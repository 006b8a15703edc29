"""The formats an import may have: the two that are built in, and those that people write as mappings."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.catalogue.domain import records
from services.catalogue.domain.mapping import TARGETS, Rule, TableMapping
from shared.errors import Fault, Invalid

INFRASHARE_CSV, UNIQUIP, MAPPED = "infrashare-csv", "uniquip", "mapped"
BUILT_IN = (INFRASHARE_CSV, UNIQUIP)


class MappingBroken(Invalid):
    """The mapping itself cannot be used; `faults` names every mistake."""

    code = "mapping-broken"


@dataclass(frozen=True, kw_only=True)
class _OwnColumns(TableMapping):
    """A format whose columns may be left out, but for those that `must` be there."""

    must: tuple[str, ...] = ("name",)

    @property
    def needed(self) -> Mapping[str, Rule]:
        return {name: rule for name, rule in self.rules.items() if name in self.must}


def infrashare_csv(columns: Sequence[str]) -> TableMapping:
    """Our own format: the columns are called like the fields; only those that are there are read."""
    there = {column.casefold() for column in columns}
    rules = {name: Rule(columns=(name,)) for name in TARGETS if name in there or name == "name"}
    return _OwnColumns(format=INFRASHARE_CSV, source="", rules=rules)


def uniquip() -> TableMapping:
    """The table of equipment that British universities publish (UNIQUIP, 2013)."""
    return _OwnColumns(
        format=UNIQUIP,
        source="",
        rules={
            "id": Rule(columns=("ID",)),
            "name": Rule(columns=("Name", "Description"), longest=120),
            "description": Rule(columns=("Description",)),
            "kind": Rule(columns=("Type",)),
            "techniques": Rule(columns=("Technique",), separators="|;,", before=":"),  # "Raman:N8"
            "keywords": Rule(text="{Technique}|{Department}|{Site Location}|{Building}", separators="|;"),
            "website": Rule(columns=("Web Address", "Contact URL")),
        },
        check=_uniquip_row,
        must=("kind",),
    )


def _uniquip_row(cells: Mapping[str, str]) -> list[Fault]:
    """What the specification asks of each row, apart from what we ask ourselves."""
    faults = []
    if not cells.get("type", "").strip():
        faults.append(Fault("type-missing", "Type has to be equipment or facility.", "Type"))
    contacts = ("contact telephone", "contact url", "contact email")
    if not any(cells.get(name, "").strip() for name in contacts):
        faults.append(Fault("contact-missing", "Give a telephone number, an address or an e-mail.", "Contact Email"))
    return faults


def parse_mapping(text: str) -> TableMapping:
    """The mapping in a TOML document. Raises `MappingBroken`, naming every mistake."""
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise MappingBroken(f"The mapping is not TOML: {error}") from None
    faults = _document_faults(document)
    fields = document.get("fields")
    rules: dict[str, Rule] = {}
    for name, written in (fields if isinstance(fields, dict) else {}).items():
        if name not in TARGETS:
            faults.append(Fault("not-known", f"There is no field “{name}”.", f"fields.{name}"))
            continue
        rule, wrong = _rule(name, written)
        rules[name] = rule
        faults += wrong
    if faults:
        raise MappingBroken("The mapping cannot be used.", faults=faults)
    return TableMapping(
        format=MAPPED,
        source=document["source"],
        rules=rules,
        encoding=document.get("encoding", ""),
        delimiter=document.get("delimiter", ""),
    )


def _document_faults(document: Mapping[str, Any]) -> list[Fault]:
    """What is wrong with a mapping apart from the rules of its fields."""
    faults: list[Fault] = []
    source = document.get("source")
    if not (isinstance(source, str) and records.is_code(source) and len(source) <= 80):
        faults.append(Fault("source-missing", "Name the source in lower-case letters and hyphens.", "source"))
    fields = document.get("fields")
    if not isinstance(fields, dict) or "name" not in fields:
        faults.append(Fault("fields-missing", "Say under [fields] at least where the name comes from.", "fields"))
    for name in document:
        if name not in ("source", "fields", "encoding", "delimiter"):
            faults.append(Fault("not-known", f"A mapping has no setting “{name}”.", name))
    for name in ("encoding", "delimiter"):
        if not isinstance(document.get(name, ""), str):
            faults.append(Fault("not-text", f"“{name}” has to be text.", name))
    if len(str(document.get("delimiter", ""))) > 1:
        faults.append(Fault("not-one-sign", "A delimiter is one sign.", "delimiter"))
    return faults


_SETTINGS: Mapping[str, type] = {
    "value": str,
    "text": str,
    "separators": str,
    "before": str,
    "only_if_found": bool,
    "part": int,
    "longest": int,
    "otherwise": str,
    "default": str,
}


def _rule(name: str, written: Any) -> tuple[Rule, list[Fault]]:
    """The rule of one field as written: the name of a column, or a table of settings."""
    where = f"fields.{name}"
    if isinstance(written, str):
        return Rule(columns=(written,)), []
    if not isinstance(written, dict):
        return Rule(), [Fault("not-a-rule", f"Write a column or settings for “{name}”.", where)]
    faults: list[Fault] = []
    settings: dict[str, Any] = {}
    for key, value in written.items():
        if key in _SETTINGS and type(value) is _SETTINGS[key]:
            settings[key] = value
        elif key == "column" and (columns := _texts(value)):
            settings["columns"] = columns
        elif key == "blank" and (blank := _texts(value)):
            settings["blank"] = blank
        elif key == "values" and _is_table(value, str):
            settings["values"] = {theirs.casefold(): ours for theirs, ours in value.items()}
        elif key == "when" and isinstance(value, dict) and all(_texts(allowed) for allowed in value.values()):
            settings["when"] = {column: _texts(allowed) for column, allowed in value.items()}
        else:
            faults.append(Fault("not-known", f"“{key}” is not a setting, or not of the right kind.", f"{where}.{key}"))
    rule = Rule(**settings)
    if not (rule.columns or rule.value or rule.text or rule.default):
        faults.append(Fault("nothing-to-read", f"“{name}” names no column, value, text or default.", where))
    return rule, faults


def _texts(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return tuple(value)
    return ()


def _is_table(value: Any, of: type) -> bool:
    return isinstance(value, dict) and all(isinstance(each, of) for each in value.values())
