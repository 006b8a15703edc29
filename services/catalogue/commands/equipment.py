"""Use cases about equipment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import delete

from services.catalogue import queries
from services.catalogue.commands import documents
from services.catalogue.commands.places import free_slug
from services.catalogue.commands.telling import tell_equipment
from services.catalogue.domain import records
from services.catalogue.domain.records import AccessMode, AccessType, EquipmentState, Kind
from services.catalogue.models import Equipment, EquipmentTechnique, Technique
from shared.errors import Fault
from shared.unit_of_work import UnitOfWork


def publish_equipment(
    uow: UnitOfWork,
    *,
    facility_id: UUID,
    name: str,
    description: str = "",
    kind: Kind | str = Kind.EQUIPMENT,
    techniques: Sequence[str] = (),
    keywords: Sequence[str] = (),
    units: int = 1,
    access_types: Sequence[str] = (AccessType.PHYSICAL,),
    access_modes: Sequence[str] = (AccessMode.MARKET,),
    operator_needed: bool = False,
    trl_min: int | None = None,
    trl_max: int | None = None,
    drawing: str = "",
    website: str = "",
    manufacturer: str = "",
    model: str = "",
    state: EquipmentState | str = EquipmentState.PUBLISHED,
    commissioned_on: date | None = None,
    decommissioned_on: date | None = None,
    slug: str = "",
) -> Equipment:
    """Add a piece of equipment to a facility; with another `state` it is not shown yet.

    Raises `NoSuchFacility`, or `BrokenRecord` naming everything that is wrong.
    """
    queries.lock_names(uow.session)
    facility = queries.facility(uow.session, facility_id)
    uow.actor.must_manage(facility.id)
    values: dict[str, Any] = {
        "name": name.strip(),
        "description": description.strip(),
        "kind": Kind(kind),
        "keywords": list(keywords),
        "units": units,
        "access_types": [str(value) for value in access_types],
        "access_modes": [str(value) for value in access_modes],
        "operator_needed": operator_needed,
        "trl_min": trl_min,
        "trl_max": trl_max,
        "drawing": drawing,
        "website": website,
        "manufacturer": manufacturer,
        "model": model,
        "state": EquipmentState(state),
        "commissioned_on": commissioned_on,
        "decommissioned_on": decommissioned_on,
    }
    found, faults = _techniques(uow, techniques)
    records.must_hold("This cannot be published as it is.", records.equipment_faults(values) + faults)
    equipment = Equipment(
        slug=slug or free_slug(uow, Equipment, name),
        facility_id=facility.id,
        changed_at=uow.now,
        **values,
    )
    uow.session.add(equipment)
    uow.session.flush()
    _link(uow, equipment, found)
    uow.session.refresh(equipment)
    documents.index(uow.session, [(equipment, facility, found)])
    tell_equipment(uow, equipment, facility, found)
    return equipment


def change_equipment(uow: UnitOfWork, equipment_id: UUID, changes: Mapping[str, Any]) -> Equipment:
    """Change fields of a piece of equipment, which imports will then leave as they are.

    Raises `NoSuchEquipment`, or `BrokenRecord` naming everything that is wrong.
    """
    equipment = queries.equipment_for_update(uow.session, equipment_id)
    _must_change(uow, equipment)
    given, faults = _techniques(uow, changes.get("techniques", ()))
    present = {name: getattr(equipment, name) for name in records.EDITABLE} | {
        "techniques": [technique.code for technique in equipment.techniques]
    }
    asked = dict(changes)
    if "techniques" in asked:
        asked["techniques"] = [technique.code for technique in given]
    changed = {name: value for name, value in asked.items() if present[name] != value}
    faults += records.equipment_faults(present | changed)
    records.must_hold("This cannot be changed so.", faults)
    if not changed:
        return equipment
    equipment.edited_fields = sorted({*equipment.edited_fields, *changed})
    if "techniques" in changed:
        del changed["techniques"]
        _link(uow, equipment, given)
    for name, value in changed.items():
        setattr(equipment, name, value)
    _told(uow, equipment)
    return equipment


def withdraw_equipment(uow: UnitOfWork, equipment_id: UUID) -> Equipment:
    """Take a piece of equipment out of the catalogue; its page stays. Raises `NoSuchEquipment`."""
    return change_equipment(uow, equipment_id, {"state": EquipmentState.WITHDRAWN})


def _must_change(uow: UnitOfWork, equipment: Equipment) -> None:
    """A draft of somebody else's is not there at all."""
    if equipment.state is EquipmentState.DRAFT and not uow.actor.manages(equipment.facility_id):
        raise records.NoSuchEquipment("There is no such equipment.")
    uow.actor.must_manage(equipment.facility_id)


def _techniques(uow: UnitOfWork, codes: Iterable[str]) -> tuple[list[Technique], list[Fault]]:
    """Entries of the vocabulary, and a fault for each code that has none."""
    found, faults = [], []
    for code in dict.fromkeys(codes):
        technique = uow.session.get(Technique, code)
        if technique is None:
            faults.append(Fault("no-such-technique", f"There is no technique “{code}”.", "techniques"))
        else:
            found.append(technique)
    return found, faults


def _link(uow: UnitOfWork, equipment: Equipment, techniques: Sequence[Technique]) -> None:
    uow.session.execute(delete(EquipmentTechnique).where(EquipmentTechnique.equipment_id == equipment.id))
    uow.session.add_all(
        EquipmentTechnique(equipment_id=equipment.id, technique_code=technique.code, place=place)
        for place, technique in enumerate(techniques)
    )
    uow.session.flush()


def _told(uow: UnitOfWork, equipment: Equipment) -> None:
    """Bump, index and tell a piece of equipment that was changed."""
    equipment.sequence += 1
    equipment.changed_at = uow.now
    uow.session.flush()
    uow.session.expire(equipment, ["uses"])
    uow.session.refresh(equipment)
    documents.index(uow.session, [(equipment, equipment.facility, equipment.techniques)])
    tell_equipment(uow, equipment, equipment.facility, equipment.techniques)
