"""Use cases about regions, hosts, facilities and the vocabulary."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy.dialects import postgresql, sqlite

from services.catalogue import queries
from services.catalogue.commands import documents
from services.catalogue.commands.telling import tell_equipment, tell_facility, tell_region
from services.catalogue.domain import records, words
from services.catalogue.domain.records import AlreadyThere
from services.catalogue.domain.vocabulary import OTHER, TechniqueTerm
from services.catalogue.domain.words import name_key
from services.catalogue.models import Facility, Host, Region, Technique
from shared.unit_of_work import UnitOfWork

NUTS_VERSION = 2021


def enter_region(
    uow: UnitOfWork,
    *,
    id: str,
    name: str,
    country: str,
    nuts_codes: Sequence[str],
    time_zone: str,
    nuts_version: int = NUTS_VERSION,
    languages: Sequence[str] = (),
    holiday_subdivision: str | None = None,
    summary: str = "",
) -> Region:
    """Add a region. Raises `BrokenRecord`, or `AlreadyThere` if there is one of this id."""
    uow.actor.must_administer()
    values: dict[str, Any] = {
        "id": id,
        "name": name,
        "country": country,
        "nuts_codes": list(nuts_codes),
        "time_zone": time_zone,
    }
    records.must_hold("This region cannot be entered.", records.region_faults(values))
    queries.lock_names(uow.session)
    if uow.session.get(Region, id) is not None:
        raise AlreadyThere(f"There is a region “{id}” already.")
    region = Region(
        **values,
        nuts_version=nuts_version,
        languages=list(languages),
        holiday_subdivision=holiday_subdivision or None,
        summary=summary.strip(),
    )
    uow.session.add(region)
    uow.session.flush()
    tell_region(uow, region)
    return region


def change_region(uow: UnitOfWork, region_id: str, changes: Mapping[str, Any]) -> Region:
    """Change fields of a region. Raises `NoSuchRegion` or `BrokenRecord`."""
    uow.actor.must_administer()
    region = queries.region_for_update(uow.session, region_id)
    changes = {name: value for name, value in changes.items() if getattr(region, name) != value}
    records.must_hold("This region cannot be changed so.", records.region_faults(changes))
    if not changes:
        return region
    for name, value in changes.items():
        setattr(region, name, value)
    region.sequence += 1
    tell_region(uow, region)
    if "name" in changes:
        for facility in queries.facilities(uow.session, region_id=region_id, limit=10_000):
            _index_all(uow, facility)
    return region


def register_host(
    uow: UnitOfWork, *, name: str, country: str = "", website: str = "", ror: str = "", slug: str = ""
) -> Host:
    """Add an organisation that owns facilities. Raises `BrokenRecord` or `AlreadyThere`."""
    uow.actor.must_administer()
    faults = records.place_faults({"name": name, "website": website})
    records.must_hold("This host cannot be registered.", faults)
    queries.lock_names(uow.session)
    if queries.hosts_by_key(uow.session, [name_key(name)]):
        raise AlreadyThere(f"“{name}” is registered already.")
    host = add_host(uow, name=name, country=country, website=website, ror=ror, slug=slug)
    uow.session.flush()
    return host


def add_host(uow: UnitOfWork, *, name: str, slug: str = "", **facts: Any) -> Host:
    """The row of a host that is known not to be there; the caller writes it out."""
    host = Host(name=name, name_key=name_key(name), slug=slug or free_slug(uow, Host, name), **facts)
    uow.session.add(host)
    return host


def open_facility(
    uow: UnitOfWork,
    *,
    name: str,
    host_id: UUID,
    region_id: str,
    slug: str = "",
    time_zone: str = "",
    holiday_subdivision: str | None = None,
    town: str = "",
    address: str = "",
    latitude: float | None = None,
    longitude: float | None = None,
    website: str = "",
    description: str = "",
    contact_email: str = "",
) -> Facility:
    """Add a facility. What is not said of its clock and its holidays is taken from its region.

    Raises `NoSuchHost`, `NoSuchRegion`, `BrokenRecord`, or `AlreadyThere` if the region has one of this name.
    """
    uow.actor.must_administer()
    queries.lock_names(uow.session)
    host = queries.host(uow.session, host_id)
    region = queries.region(uow.session, region_id)
    values: dict[str, Any] = {
        "name": name,
        "website": website,
        "latitude": latitude,
        "longitude": longitude,
        "time_zone": time_zone,
    }
    records.must_hold("This facility cannot be opened.", records.place_faults(values))
    if (region_id, name_key(name)) in queries.facilities_by_key(uow.session, [name_key(name)]):
        raise AlreadyThere(f"{region.name} has a facility “{name}” already.")
    facility = add_facility(
        uow,
        host,
        region,
        **values,
        slug=slug,
        holiday_subdivision=holiday_subdivision,
        town=town,
        address=address,
        description=description.strip(),
        contact_email=contact_email,
    )
    uow.session.flush()
    uow.session.refresh(facility)  # with its host and its region
    return facility


def add_facility(
    uow: UnitOfWork,
    host: Host,
    region: Region,
    *,
    name: str,
    slug: str = "",
    time_zone: str = "",
    holiday_subdivision: str | None = None,
    **facts: Any,
) -> Facility:
    """The row of a facility that is known not to be there, told; the caller writes it out."""
    facility = Facility(
        slug=slug or free_slug(uow, Facility, name),
        name=name,
        name_key=name_key(name),
        host_id=host.id,
        region_id=region.id,
        time_zone=time_zone or region.time_zone,
        holiday_subdivision=holiday_subdivision or region.holiday_subdivision,
        **facts,
    )
    uow.session.add(facility)
    tell_facility(uow, facility, host, region)
    return facility


def change_facility(uow: UnitOfWork, facility_id: UUID, changes: Mapping[str, Any]) -> Facility:
    """Change fields of a facility; what its equipment says of it is told anew.

    Only an administrator moves it to another region or host, or closes it. Raises `NoSuchFacility` or
    `BrokenRecord`.
    """
    queries.lock_names(uow.session)
    facility = queries.facility_for_update(uow.session, facility_id)
    uow.actor.must_manage(facility.id)
    changes = {name: value for name, value in changes.items() if getattr(facility, name) != value}
    if {"region_id", "host_id", "open"} & changes.keys():
        uow.actor.must_administer()
    records.must_hold("This facility cannot be changed so.", records.place_faults(changes))
    if not changes:
        return facility
    if "region_id" in changes:
        queries.region(uow.session, changes["region_id"])
    if "host_id" in changes:
        queries.host(uow.session, changes["host_id"])
    _keep_name_unique(uow, facility, changes)
    for name, value in changes.items():
        setattr(facility, name, value)
    facility.name_key = name_key(facility.name)
    facility.sequence += 1
    uow.session.flush()
    uow.session.refresh(facility)  # host and region may be others now
    tell_facility(uow, facility, facility.host, facility.region)
    if {"name", "region_id", "time_zone"} & changes.keys():
        for equipment in queries.equipment_of_for_update(uow.session, facility.id):
            equipment.sequence += 1
            equipment.changed_at = uow.now
            tell_equipment(uow, equipment, facility, equipment.techniques)
    _index_all(uow, facility)
    return facility


def _keep_name_unique(uow: UnitOfWork, facility: Facility, changes: Mapping[str, Any]) -> None:
    key = (changes.get("region_id", facility.region_id), name_key(changes.get("name", facility.name)))
    if key == (facility.region_id, facility.name_key):
        return
    if key in queries.facilities_by_key(uow.session, [key[1]]):
        raise AlreadyThere("The region has a facility of this name already.")


def _index_all(uow: UnitOfWork, facility: Facility) -> None:
    there = queries.equipment_of_for_update(uow.session, facility.id)
    documents.index(uow.session, [(each, facility, each.techniques) for each in there])


def enter_techniques(uow: UnitOfWork, terms: Iterable[TechniqueTerm]) -> int:
    """Add entries to the vocabulary; those that are there stay as they are. How many are new."""
    uow.actor.must_administer()
    rows = [
        {
            "code": term.code,
            "label": term.label,
            "group": term.group or OTHER,
            "drawing": term.drawing or "plain",
            "synonyms": term.synonyms,
        }
        for term in terms
    ]
    wrong = [row["code"] for row in rows if not records.is_code(row["code"])]
    if wrong:
        raise records.BrokenRecord(f"These are not codes of techniques: {', '.join(wrong)}.")
    on_sqlite = uow.session.get_bind().dialect.name == "sqlite"
    insert = sqlite.insert if on_sqlite else postgresql.insert
    entered = uow.session.scalars(insert(Technique).on_conflict_do_nothing().returning(Technique.code), rows).all()
    return len(entered)


def free_slug(uow: UnitOfWork, model: Any, name: str, *, taken: set[str] | None = None) -> str:
    """A slug for `name` that nothing of its kind has; `taken` holds those given in this work and not yet kept."""
    wanted = words.slug(name)
    used = queries.slugs_taken(uow.session, model, [wanted]) | (taken or set())
    return first_free(wanted, used)


def first_free(wanted: str, used: set[str]) -> str:
    """`wanted`, or with the first number behind it that is not used."""
    if wanted not in used:
        return wanted
    number = 2
    while f"{wanted}-{number}" in used:
        number += 1
    return f"{wanted}-{number}"
