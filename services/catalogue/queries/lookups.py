"""Records by their keys, and lists of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import ColumnElement, func, select, text
from sqlalchemy.orm import Session

from services.catalogue.domain import records
from services.catalogue.domain.records import EquipmentState
from services.catalogue.models import (
    Equipment,
    EquipmentTechnique,
    Facility,
    Host,
    Import,
    Region,
    SearchDocument,
    SearchFacet,
    SourceRecord,
    Technique,
)

CHUNK = 400  # parameters of one statement; SQLite and PostgreSQL take many more


def _id_or_slug(model: Any, key: UUID | str) -> ColumnElement[bool]:
    try:
        return model.id == (key if isinstance(key, UUID) else UUID(key))  # type: ignore[no-any-return]
    except ValueError:
        return model.slug == key if records.is_code(str(key)) else sa.false()


def equipment(session: Session, key: UUID | str) -> Equipment:
    """By id or slug. Raises `NoSuchEquipment`."""
    found = session.scalar(select(Equipment).where(_id_or_slug(Equipment, key)))
    if found is None:
        raise records.NoSuchEquipment("There is no such equipment.")
    return found


def equipment_for_update(session: Session, key: UUID | str) -> Equipment:
    """Locked until the work ends. Raises `NoSuchEquipment`."""
    found = session.scalar(
        select(Equipment)
        .where(_id_or_slug(Equipment, key))
        .with_for_update(of=Equipment, key_share=True)
        .execution_options(populate_existing=True)
    )
    if found is None:
        raise records.NoSuchEquipment("There is no such equipment.")
    return found


def facility(session: Session, key: UUID | str) -> Facility:
    """By id or slug. Raises `NoSuchFacility`."""
    found = session.scalar(select(Facility).where(_id_or_slug(Facility, key)))
    if found is None:
        raise records.NoSuchFacility("There is no such facility.")
    return found


def facility_for_update(session: Session, key: UUID | str) -> Facility:
    """Locked until the work ends. Raises `NoSuchFacility`."""
    found = session.scalar(
        select(Facility)
        .where(_id_or_slug(Facility, key))
        .with_for_update(of=Facility, key_share=True)
        .execution_options(populate_existing=True)
    )
    if found is None:
        raise records.NoSuchFacility("There is no such facility.")
    return found


def region(session: Session, id: str) -> Region:
    """Raises `NoSuchRegion`."""
    if not records.is_code(id) or (found := session.get(Region, id)) is None:
        raise records.NoSuchRegion("There is no such region.")
    return found


def region_for_update(session: Session, id: str) -> Region:
    """Locked until the work ends. Raises `NoSuchRegion`."""
    region(session, id)
    return session.get_one(Region, id, with_for_update=True, populate_existing=True)


def host(session: Session, id: UUID) -> Host:
    """Raises `NoSuchHost`."""
    if (found := session.get(Host, id)) is None:
        raise records.NoSuchHost("There is no such host.")
    return found


def import_(session: Session, id: UUID) -> Import:
    """Raises `NoSuchImport`."""
    if (found := session.get(Import, id)) is None:
        raise records.NoSuchImport("There is no such import.")
    return found


def lock_names(session: Session) -> None:
    """Be the only one who gives names and slugs until the work ends; on SQLite a writer always is."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(7201)"))


def regions(session: Session) -> Sequence[Region]:
    """Regions by name, those that stand for whole countries last."""
    found = session.scalars(select(Region)).all()
    return sorted(found, key=lambda region: (region.is_country, region.name))


def counts_by_region(session: Session) -> dict[str, int]:
    """How much published equipment each region has."""
    counted = select(SearchFacet.value, func.count()).where(SearchFacet.facet == "region").group_by(SearchFacet.value)
    return {value: count for value, count in session.execute(counted)}


def facilities(
    session: Session, *, region_id: str | None = None, after: tuple[str, UUID] | None = None, limit: int = 50
) -> Sequence[Facility]:
    """Open facilities by name, beginning after a name and id."""
    name = plainly_sorted(session, Facility.name_key)
    wanted = select(Facility).where(Facility.open)
    if region_id:
        wanted = wanted.where(Facility.region_id == region_id)
    if after:
        last_name, last_id = after
        wanted = wanted.where(sa.or_(name > last_name, sa.and_(Facility.name_key == last_name, Facility.id > last_id)))
    return session.scalars(wanted.order_by(name, Facility.id).limit(limit)).all()


def equipment_of(session: Session, facility_id: UUID, *, all_states: bool = False) -> Sequence[Equipment]:
    """What a facility offers, by name; drafts and what was withdrawn only with `all_states`."""
    return session.scalars(_equipment_of(facility_id, all_states=all_states)).all()


def equipment_of_for_update(session: Session, facility_id: UUID) -> Sequence[Equipment]:
    """All that a facility has, locked until the work ends."""
    wanted = _equipment_of(facility_id, all_states=True).with_for_update(of=Equipment, key_share=True)
    return session.scalars(wanted.execution_options(populate_existing=True)).all()


def _equipment_of(facility_id: UUID, *, all_states: bool) -> sa.Select[Equipment]:
    wanted = select(Equipment).where(Equipment.facility_id == facility_id).order_by(Equipment.name, Equipment.id)
    if not all_states:
        wanted = wanted.where(Equipment.state == EquipmentState.PUBLISHED)
    return wanted


def alternatives(session: Session, to: Equipment, *, limit: int = 4) -> Sequence[Equipment]:
    """Published equipment that shares a technique with `to`, that of the same region first."""
    codes = [technique.code for technique in to.techniques]
    if not codes:
        return []
    shares = select(EquipmentTechnique.equipment_id).where(EquipmentTechnique.technique_code.in_(codes))
    elsewhere = sa.case((Facility.region_id == to.facility.region_id, 0), else_=1)
    return session.scalars(
        select(Equipment)
        .join(Facility, Facility.id == Equipment.facility_id)
        .where(Equipment.id.in_(shares), Equipment.id != to.id, Equipment.state == EquipmentState.PUBLISHED)
        .order_by(elsewhere, Equipment.name, Equipment.id)
        .limit(limit)
    ).all()


def techniques(session: Session) -> Sequence[Technique]:
    """The vocabulary, by group and label."""
    return session.scalars(select(Technique).order_by(Technique.group, Technique.label)).all()


def hosts_by_key(session: Session, keys: Iterable[str]) -> dict[str, Host]:
    found = _in_chunks(session, lambda part: select(Host).where(Host.name_key.in_(part)), keys)
    return {host.name_key: host for host in found}


def facilities_by_key(session: Session, keys: Iterable[str]) -> dict[tuple[str, str], Facility]:
    """Facilities of these names, by region and name."""
    found = _in_chunks(session, lambda part: select(Facility).where(Facility.name_key.in_(part)), keys)
    return {(facility.region_id, facility.name_key): facility for facility in found}


def facilities_by_slug(session: Session, slugs: Iterable[str]) -> dict[str, Facility]:
    found = _in_chunks(session, lambda part: select(Facility).where(Facility.slug.in_(part)), slugs)
    return {facility.slug: facility for facility in found}


def as_facility_slugs(session: Session, keys: Iterable[str]) -> tuple[str, ...]:
    """Slugs for ids or slugs of facilities; what is neither stays as it is."""
    ids: dict[UUID, str] = {}
    for key in keys:
        try:
            ids[UUID(key)] = key
        except ValueError:
            continue
    rows = session.execute(select(Facility.id, Facility.slug).where(Facility.id.in_(ids))) if ids else ()
    found = {ids[id]: slug for id, slug in rows}
    return tuple(found.get(key, key) for key in keys)


def slugs_taken(session: Session, model: Any, wanted: Iterable[str]) -> set[str]:
    """Slugs of `model` that are one of `wanted`; of those, also the ones with a number behind them."""
    taken = set(_in_chunks(session, lambda part: select(model.slug).where(model.slug.in_(part)), wanted))
    for slug in list(taken):
        taken.update(session.scalars(select(model.slug).where(model.slug.like(f"{slug}-%"))))
    return taken


def equipment_by_source(session: Session, source: str, source_ids: Iterable[str]) -> dict[str, Equipment]:
    """Records of a source by their id there, locked."""
    found = _in_chunks(
        session,
        lambda part: (
            select(Equipment)
            .where(Equipment.source == source, Equipment.source_id.in_(part))
            .order_by(Equipment.id)
            .with_for_update(of=Equipment, key_share=True)
        ),
        source_ids,
    )
    return {str(equipment.source_id): equipment for equipment in found}


def source_records(session: Session, equipment_ids: Iterable[UUID]) -> dict[UUID, SourceRecord]:
    """The rows that equipment was made of, by its id."""
    found = _in_chunks(
        session, lambda part: select(SourceRecord).where(SourceRecord.equipment_id.in_(part)), equipment_ids
    )
    return {record.equipment_id: record for record in found}


def documents_of(session: Session, equipment_ids: Iterable[UUID]) -> dict[UUID, SearchDocument]:
    found = _in_chunks(
        session, lambda part: select(SearchDocument).where(SearchDocument.equipment_id.in_(part)), equipment_ids
    )
    return {document.equipment_id: document for document in found}


def _in_chunks(session: Session, statement: Any, keys: Iterable[Any]) -> list[Any]:
    return [row for part in _chunks(list(set(keys)), CHUNK) for row in session.scalars(statement(part))]


def _chunks(items: list[Any], size: int) -> Iterable[list[Any]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def plainly_sorted(session: Session, column: Any) -> Any:
    """`column` in the order of its bytes, so that both databases list alike."""
    return column.collate("C") if session.get_bind().dialect.name == "postgresql" else column
