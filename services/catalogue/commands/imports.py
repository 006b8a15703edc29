"""Taking in a file: first everything is read and decided, then, unless it was a dry run, all of it is done."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import delete

from services.catalogue import queries
from services.catalogue.commands import documents
from services.catalogue.commands.places import add_facility, add_host, enter_region, first_free
from services.catalogue.commands.plans import Item, NewPlace, Plan
from services.catalogue.commands.telling import tell_equipment
from services.catalogue.domain import words
from services.catalogue.domain.countries import COUNTRIES
from services.catalogue.domain.files import FileRefused, read_table
from services.catalogue.domain.formats import INFRASHARE_CSV, MAPPED, infrashare_csv, parse_mapping, uniquip
from services.catalogue.domain.imports import ImportReport
from services.catalogue.domain.mapping import TableMapping, fingerprint
from services.catalogue.domain.words import name_key
from services.catalogue.models import (
    Equipment,
    EquipmentTechnique,
    Facility,
    Host,
    Import,
    Region,
    SourceRecord,
    Technique,
)
from shared.errors import Fault
from shared.unit_of_work import UnitOfWork

MAX_REFUSALS_KEPT = 1000  # with the import; the report has them all

Progress = Callable[[int, int], None]  # rows done, of how many


def import_records(
    uow: UnitOfWork,
    *,
    content: bytes,
    format: str = INFRASHARE_CSV,
    mapping: str = "",
    facility_id: UUID | str | None = None,
    file_name: str = "",
    dry_run: bool = False,
    progress: Progress = lambda done, of: None,
) -> ImportReport:
    """Create and update equipment from the rows of a file; rows that break a rule are left out and reported.

    `mapping`, a TOML document, says what the columns of any other table mean; it replaces `format`. With
    `facility_id` all rows belong to that facility; otherwise they name their own, which is opened where it
    is not there. The same file again changes nothing, and fields that a person has changed are left alone.

    Raises `FileRefused` or `MappingBroken` when nothing can be read, `NoSuchFacility`, `Forbidden`.
    """
    facility = None
    if facility_id is not None:
        facility = queries.facility(uow.session, facility_id)
        uow.actor.must_manage(facility.id)
    else:
        uow.actor.must_administer()
    foreign = parse_mapping(mapping) if mapping.strip() else None
    table = read_table(
        content,
        encoding=foreign.encoding if foreign else "",
        delimiter=foreign.delimiter if foreign else "",
    )
    reading = foreign or (infrashare_csv(table.columns) if format == INFRASHARE_CSV else uniquip())
    if missing := reading.fits(table):
        raise FileRefused("The file lacks columns that are needed.", faults=missing)
    if reading.format not in (INFRASHARE_CSV, MAPPED) and facility is None:
        fault = Fault("facility-needed", "Say which facility the file is of.", "facility")
        raise FileRefused("Rows of this format do not say where the equipment is.", faults=[fault])

    queries.lock_names(uow.session)
    plan = Plan(uow, reading, facility)
    plan.rejected += table.torn
    for done, row in enumerate(table.rows, start=1):
        plan.read(*reading.record(row))
        if done % 50 == 0:
            progress(done // 2, len(table.rows))
    plan.decide()
    file_hash = hashlib.sha256(content).hexdigest()
    import_id = None
    if not dry_run:
        import_id = _carry_out(uow, plan, _Origin(reading, file_name, file_hash, table.encoding), progress)
    return ImportReport(
        created=len(plan.created),
        updated=len(plan.updated),
        unchanged=len(plan.unchanged),
        rejected=tuple(sorted(plan.rejected, key=lambda refusal: refusal.row)),
        rows=len(table.rows) + len(table.torn),
        encoding=table.encoding,
        delimiter=table.delimiter,
        dry_run=dry_run,
        facilities_created=len(plan.new_places),
        columns_not_read=tuple(column for column in table.columns if column and column.casefold() not in reading.reads),
        regions_not_known=tuple(sorted(plan.regions_not_known)),
        techniques_not_known=tuple(sorted(plan.not_known)),
        import_id=import_id,
    )


@dataclass(frozen=True, slots=True)
class _Origin:
    """Where the rows of an import came from."""

    reading: TableMapping
    file_name: str
    file_hash: str
    encoding: str


def _carry_out(uow: UnitOfWork, plan: Plan, origin: _Origin, progress: Progress) -> UUID:
    """Write the plan down, all of it in this work."""
    session = uow.session
    opened = _open_places(uow, list(plan.new_places.values()))
    kept = Import(
        actor_id=uow.actor.id,
        imported_at=uow.now,
        format=origin.reading.format,
        source=origin.reading.source,
        file_name=origin.file_name[:255],
        file_hash=origin.file_hash,
        encoding=origin.encoding,
        created=len(plan.created),
        updated=len(plan.updated),
        unchanged=len(plan.unchanged),
        rejected=[
            {"row": refusal.row, "code": refusal.code, "detail": refusal.detail}
            for refusal in plan.rejected[:MAX_REFUSALS_KEPT]
        ],
    )
    session.add(kept)
    session.flush()
    changed = [*plan.created, *plan.updated]
    slugs = _Slugs(uow, [item.record.equipment["name"] for item in plan.created])
    for item in plan.created:
        item.equipment = _new_equipment(uow, item, opened, slugs)
        session.add(item.equipment)
    session.flush()
    for item in plan.updated:
        _apply(uow, item, opened)
    session.flush()
    _link(uow, changed)
    entries = [(item.present, _facility_of(item, opened), _techniques_now(item)) for item in changed]
    _keep_rows(uow, plan, kept, origin)
    documents.index(session, entries)
    total = len(changed)
    for done, entry in enumerate(entries, start=1):
        tell_equipment(uow, *entry)
        if done % 50 == 0:
            progress((total + done) // 2, total)
    return kept.id


def _open_places(uow: UnitOfWork, places: Sequence[NewPlace]) -> dict[str, Facility]:
    """Open the facilities that are new, with the hosts and the countries they need."""
    session = uow.session
    regions: dict[str, Region] = {region.id: region for region in queries.regions(session)}
    hosts = queries.hosts_by_key(session, [name_key(place.facts["host"]) for place in places])
    taken = queries.slugs_taken(session, Host, [words.slug(place.facts["host"]) for place in places])
    for place in places:
        name = place.facts["host"]
        if place.region_id not in regions:
            regions[place.region_id] = _enter_country(uow, place.region_id)
        if name_key(name) not in hosts:
            slug = first_free(words.slug(name), taken)
            taken.add(slug)
            country = regions[place.region_id].country
            hosts[name_key(name)] = add_host(uow, name=name, slug=slug, country=country)
    session.flush()
    opened = {}
    for place in places:
        facts = {name: value for name, value in place.facts.items() if name != "host"}
        host = hosts[name_key(place.facts["host"])]
        opened[place.slug] = add_facility(uow, host, regions[place.region_id], slug=place.slug, **facts)
    session.flush()
    return opened


def _enter_country(uow: UnitOfWork, region_id: str) -> Region:
    country = COUNTRIES[region_id.upper()]
    return enter_region(
        uow,
        id=region_id,
        name=country.name,
        country=country.code,
        nuts_codes=[country.code],
        time_zone=country.time_zone,
        languages=country.languages,
    )


class _Slugs:
    """Gives slugs to many names at once."""

    def __init__(self, uow: UnitOfWork, names: Iterable[str]) -> None:
        self._taken = queries.slugs_taken(uow.session, Equipment, map(words.slug, names))

    def give(self, name: str) -> str:
        slug = first_free(words.slug(name), self._taken)
        self._taken.add(slug)
        return slug


def _new_equipment(uow: UnitOfWork, item: Item, opened: dict[str, Facility], slugs: _Slugs) -> Equipment:
    facts = {name: value for name, value in item.record.equipment.items() if name != "techniques"}
    return Equipment(
        slug=slugs.give(facts["name"]),
        facility_id=_facility_of(item, opened).id,
        source=item.source,
        source_id=item.record.source_id,
        changed_at=uow.now,
        **_plain(facts),
    )


def _plain(facts: dict[str, Any]) -> dict[str, Any]:
    """Values as the table keeps them."""
    lists = ("access_types", "access_modes", "keywords")
    return {name: [str(each) for each in value] if name in lists else value for name, value in facts.items()}


def _apply(uow: UnitOfWork, item: Item, opened: dict[str, Facility]) -> None:
    equipment = item.present
    changes = _plain({n: v for n, v in item.changes.items() if n not in ("techniques", "facility")})
    for name, value in changes.items():
        setattr(equipment, name, value)
    if "facility" in item.changes:
        equipment.facility_id = _facility_of(item, opened).id
    equipment.sequence += 1
    equipment.changed_at = uow.now


def _facility_of(item: Item, opened: dict[str, Facility]) -> Facility:
    return item.facility if isinstance(item.facility, Facility) else opened[item.facility.slug]


def _link(uow: UnitOfWork, items: Sequence[Item]) -> None:
    """Write down the techniques of equipment that is new or whose row says others than before."""
    given = [item for item in items if not item.changes or "techniques" in item.changes]
    replaced = [item.present.id for item in given if item.changes]
    if replaced:
        uow.session.execute(delete(EquipmentTechnique).where(EquipmentTechnique.equipment_id.in_(replaced)))
    uow.session.add_all(
        EquipmentTechnique(equipment_id=item.present.id, technique_code=technique.code, place=place)
        for item in given
        for place, technique in enumerate(item.techniques)
    )
    uow.session.flush()


def _techniques_now(item: Item) -> Sequence[Technique]:
    if item.changes and "techniques" not in item.changes:  # the row has no say, or a person had the last one
        return item.present.techniques
    return item.techniques


def _keep_rows(uow: UnitOfWork, plan: Plan, kept: Import, origin: _Origin) -> None:
    """Keep each row, untouched, beside the record that was made of it."""
    session = uow.session
    known = queries.source_records(session, [item.present.id for item in [*plan.updated, *plan.unchanged]])
    for item in [*plan.created, *plan.updated, *plan.unchanged]:
        facts: dict[str, Any] = {
            "import_id": kept.id,
            "row": item.record.raw,
            "row_hash": fingerprint(item.record.raw),
            "file_hash": origin.file_hash,
            "imported_at": uow.now,
        }
        row = known.get(item.present.id)
        if row is None:
            session.add(
                SourceRecord(
                    equipment_id=item.present.id,
                    source=item.source,
                    source_id=item.record.source_id,
                    confirmed_at=uow.now,
                    **facts,
                )
            )
        else:
            row.confirmed_at = uow.now
            if row.row_hash != facts["row_hash"]:
                for name, value in facts.items():
                    setattr(row, name, value)
    session.flush()
