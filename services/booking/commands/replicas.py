"""What others tell, kept here: facilities, equipment, organisations."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any
from zoneinfo import ZoneInfo

from services.booking import queries
from services.booking.commands.settings import settle, tell_hours_of_newcomer
from services.booking.models import Equipment, Facility, Organisation
from shared.contracts.access import OrganisationChanged
from shared.contracts.catalogue import EquipmentChanged, FacilityChanged
from shared.unit_of_work import UnitOfWork


def learn_facility(uow: UnitOfWork, event: FacilityChanged) -> None:
    known = queries.facility_for_update(uow.session, event.facility_id)
    if known is not None and known.sequence >= event.sequence:
        return
    values = _values(event, Facility)
    if known is None:
        uow.session.add(Facility(id=event.facility_id, **values))
    else:
        _update(known, values)
    uow.session.flush()
    settle(uow, queries.equipment_of_for_update(uow.session, event.facility_id))


def learn_equipment(uow: UnitOfWork, event: EquipmentChanged) -> None:
    """Enter or update equipment, under its lock; tell its opening hours where they are new for it."""
    # Before the equipment: defaults of the facility must not change while they are taken over.
    queries.facility_for_update(uow.session, event.facility_id)
    known = queries.equipment_for_update(uow.session, event.equipment_id)
    if known is not None and known.sequence >= event.sequence:
        return
    values = _values(event, Equipment)
    if known is None:
        equipment = Equipment(id=event.equipment_id, terms_text="", **values)
        uow.session.add(equipment)
        tell_hours_of_newcomer(uow, equipment)
        return
    moved = (known.facility_id, known.time_zone) != (event.facility_id, event.time_zone)
    _update(known, values)
    if moved:
        today = uow.now.astimezone(ZoneInfo(event.time_zone)).date()
        tell_hours_of_newcomer(uow, known, since=today)
    else:
        settle(uow, [known])


def learn_organisation(uow: UnitOfWork, event: OrganisationChanged) -> None:
    known = uow.session.get(Organisation, event.organisation_id, with_for_update=True)
    if known is not None and known.sequence >= event.sequence:
        return
    values = _values(event, Organisation)
    if known is None:
        uow.session.add(Organisation(id=event.organisation_id, **values))
    else:
        _update(known, values)


def _values(event: Any, kept: type[Any]) -> dict[str, Any]:
    """What of `event` has a column of its own."""
    told = asdict(event)
    return {each.key: told[each.key] for each in kept.__table__.columns if each.key in told}


def _update(row: Any, values: dict[str, Any]) -> None:
    for name, value in values.items():
        setattr(row, name, value)
