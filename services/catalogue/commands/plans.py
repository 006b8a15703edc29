"""What an import will do, decided row by row before anything is written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.catalogue import queries
from services.catalogue.commands.places import first_free
from services.catalogue.domain import words
from services.catalogue.domain.countries import COUNTRIES
from services.catalogue.domain.files import Refusal
from services.catalogue.domain.mapping import Record, TableMapping, fingerprint
from services.catalogue.domain.words import name_key
from services.catalogue.models import Equipment, Facility, Technique
from shared.errors import Fault
from shared.unit_of_work import UnitOfWork


@dataclass(kw_only=True)
class NewPlace:
    """A facility that the file names and the catalogue has not."""

    slug: str
    region_id: str
    facts: dict[str, Any]


@dataclass(kw_only=True)
class Item:
    """A row that can be taken, and where it belongs."""

    record: Record
    source: str
    facility: Facility | NewPlace
    techniques: list[Technique]
    equipment: Equipment | None = None  # None: to be created
    changes: dict[str, Any] = field(default_factory=dict)

    @property
    def present(self) -> Equipment:
        """The record of the row, once it has one."""
        assert self.equipment is not None
        return self.equipment


class Plan:
    """What an import will do, row by row; it only reads."""

    def __init__(self, uow: UnitOfWork, reading: TableMapping, facility: Facility | None) -> None:
        self._uow, self._reading, self._facility = uow, reading, facility
        self._vocabulary = _by_spelling(queries.techniques(uow.session))
        self._regions = {region.id: region for region in queries.regions(uow.session)}
        self._places: dict[tuple[str, str], Facility | NewPlace] = {}
        self._by_slug: dict[str, Facility] = {}
        self._slugs: set[str] = set()
        self._seen: set[tuple[str, str]] = set()
        self._rows: list[tuple[Record, list[Fault]]] = []
        self._items: list[Item] = []
        self.new_places: dict[str, NewPlace] = {}
        self.rejected: list[Refusal] = []
        self.not_known: set[str] = set()
        self.regions_not_known: set[str] = set()
        self.created: list[Item] = []
        self.updated: list[Item] = []
        self.unchanged: list[Item] = []

    def read(self, record: Record, faults: list[Fault]) -> None:
        """Take note of a row and of what is wrong with it in itself."""
        self._rows.append((record, faults))

    def decide(self) -> None:
        """Decide what happens to each row that was read."""
        if self._facility is None:
            names = {record.place.get("facility", "") for record, _ in self._rows}
            self._by_slug = queries.facilities_by_slug(self._uow.session, names)
            self._places |= queries.facilities_by_key(self._uow.session, map(name_key, names))
            self._slugs = queries.slugs_taken(self._uow.session, Facility, map(words.slug, names))
        for record, faults in self._rows:
            self._place(record, faults)
        self._compare()

    def _place(self, record: Record, faults: list[Fault]) -> None:
        """Decide where a row belongs."""
        facility = self._facility or self._named_facility(record, faults)
        if faults or facility is None:
            self.rejected += [Refusal(record.row, fault.code, fault.detail) for fault in faults]
            return
        source = self._reading.source or f"{self._reading.format}:{facility.slug}"
        key = (source, record.source_id)
        if key in self._seen:
            detail = f"Another row above has the same id, “{record.source_id}”."
            if record.source_id == fingerprint(record.raw):
                detail = "The same row is there above."
            self.rejected.append(Refusal(record.row, "duplicate-id", detail))
            return
        self._seen.add(key)
        if isinstance(facility, NewPlace):
            self.new_places[facility.slug] = facility
        techniques, rest = self._techniques(record.equipment.get("techniques", ()))
        if rest:
            kept = record.equipment.get("keywords", [])
            record.equipment["keywords"] = list(dict.fromkeys([*kept, *rest]))
        self._items.append(Item(record=record, source=source, facility=facility, techniques=techniques))

    def _techniques(self, texts: Iterable[str]) -> tuple[list[Technique], list[str]]:
        found: dict[str, Technique] = {}
        rest = []
        for text in texts:
            if (technique := self._vocabulary.get(name_key(text))) is not None:
                found[technique.code] = technique
            else:
                rest.append(text)
                self.not_known.add(text)
        return list(found.values()), rest

    def _named_facility(self, record: Record, faults: list[Fault]) -> Facility | NewPlace | None:
        name = record.place.get("facility", "")
        if not name:
            faults.append(Fault("facility-missing", "The row does not say which facility it is of."))
            return None
        if name in self._by_slug:
            return self._by_slug[name]
        region_id = self._region_id(record, faults)
        if region_id is None:
            return None
        key = (region_id, name_key(name))
        if key not in self._places:
            self._places[key] = self._new_place(name, region_id, record)
        return self._places[key]

    def _region_id(self, record: Record, faults: list[Fault]) -> str | None:
        """The region a row names; else the one that stands for its country."""
        named, country = str(record.place.get("region", "")), str(record.place.get("country", ""))
        if named in self._regions:
            return named
        if named.upper() in COUNTRIES:
            return named.lower()
        if country in COUNTRIES:
            if named:
                self.regions_not_known.add(named)
            return country.lower()
        if named:
            faults.append(Fault("no-such-region", f"There is no region “{named}”."))
        elif country:
            faults.append(Fault("country-not-known", f"The country “{country}” is not among those known."))
        else:
            faults.append(Fault("place-missing", "The row names neither a region nor a country."))
        return None

    def _new_place(self, name: str, region_id: str, record: Record) -> NewPlace:
        place = record.place
        slug = first_free(words.slug(name), self._slugs)
        self._slugs.add(slug)
        facts = {
            "name": name,
            "host": place.get("host") or name,
            "town": place.get("town", ""),
            "address": place.get("address", ""),
            "latitude": place.get("latitude"),
            "longitude": place.get("longitude"),
            "website": place.get("facility_website", ""),
            "contact_email": place.get("contact_email", ""),
            "time_zone": place.get("time_zone", ""),
        }
        return NewPlace(slug=slug, region_id=region_id, facts=facts)

    def _compare(self) -> None:
        """Find out which rows are new, which change something and which do not."""
        by_source: dict[str, list[str]] = {}
        for item in self._items:
            by_source.setdefault(item.source, []).append(item.record.source_id)
        known = {
            (source, source_id): equipment
            for source, ids in by_source.items()
            for source_id, equipment in queries.equipment_by_source(self._uow.session, source, ids).items()
        }
        for item in self._items:
            equipment = known.get((item.source, item.record.source_id))
            if equipment is None:
                self.created.append(item)
            elif self._facility is not None and equipment.facility_id != self._facility.id:
                detail = "The record with this id belongs to another facility."
                self.rejected.append(Refusal(item.record.row, "another-facility", detail))
            else:
                item.equipment = equipment
                item.changes = _changes(equipment, item)
                (self.updated if item.changes else self.unchanged).append(item)


def _changes(equipment: Equipment, item: Item) -> dict[str, Any]:
    """Fields that the row says differently, but for those that a person has changed."""
    said = {"techniques": [t.code for t in item.techniques]} if "techniques" in item.record.equipment else {}
    said = item.record.equipment | said
    present: dict[str, Any] = {name: getattr(equipment, name) for name in said if name != "techniques"}
    present["techniques"] = [technique.code for technique in equipment.techniques]
    changes: dict[str, Any] = {
        name: value for name, value in said.items() if name not in equipment.edited_fields and present[name] != value
    }
    if isinstance(item.facility, NewPlace) or item.facility.id != equipment.facility_id:
        changes["facility"] = item.facility
    return changes


def _by_spelling(techniques: Sequence[Technique]) -> dict[str, Technique]:
    """The vocabulary by code, label, and the abbreviations that only one technique has."""
    short: dict[str, list[Technique]] = {}
    for technique in techniques:
        for word in technique.synonyms.split():
            if len(word) > 1 and word.isupper():
                short.setdefault(name_key(word), []).append(technique)
    spelt = {key: owners[0] for key, owners in short.items() if len(owners) == 1}
    for technique in techniques:
        spelt[name_key(technique.label)] = technique
    for technique in techniques:
        spelt[name_key(technique.code)] = technique
    return spelt
