"""Equipment and what is set for it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from services.booking.domain.refusals import NoSuchDowntime, NoSuchEquipment, NoSuchFacility
from services.booking.domain.terms import Terms, terms_from_text
from services.booking.models import (
    BookingRules,
    Downtime,
    Equipment,
    Facility,
    OpeningWeek,
    Organisation,
    PriceSetting,
)

DRAFT = "draft"


@dataclass(frozen=True, slots=True)
class Asked:
    """All that decides about a slot, except who else has one: read in one statement."""

    equipment_id: UUID
    equipment_name: str
    facility_id: UUID
    facility_name: str
    region_id: str
    terms: Terms
    organisation_known: bool
    organisation_name: str
    organisation_kind: str
    organisation_nuts: str
    organisation_active: bool
    size_class: str | None


_E, _O = Equipment.__table__.c, Organisation.__table__.c
_ASKED = (
    select(
        _E.id,
        _E.name,
        _E.facility_id,
        _E.facility_name,
        _E.region_id,
        _E.terms_text,
        _O.id,
        _O.name,
        _O.kind,
        _O.nuts_code,
        _O.active,
        _O.size_class,
    )
    .select_from(Equipment.__table__.outerjoin(Organisation.__table__, _O.id == bindparam("organisation_id")))
    .where(_E.id == bindparam("equipment_id"), _E.state != DRAFT)
)
# Weaker than FOR UPDATE: rows that refer to the equipment may still be added by others.
_ASKED_FOR_UPDATE = _ASKED.with_for_update(of=Equipment.__table__, key_share=True)


def asked(session: Session, equipment_id: UUID, organisation_id: UUID | None) -> Asked:
    """What decides about a slot of this equipment for this organisation. Raises `NoSuchEquipment`."""
    return _asked(session, equipment_id, organisation_id, lock=False)


def asked_for_update(session: Session, equipment_id: UUID, organisation_id: UUID) -> Asked:
    """The same, with the equipment locked: until commit, nobody else gives away its slots."""
    return _asked(session, equipment_id, organisation_id, lock=True)


def _asked(session: Session, equipment_id: UUID, organisation_id: UUID | None, *, lock: bool) -> Asked:
    row = session.execute(
        _ASKED_FOR_UPDATE if lock else _ASKED,
        {"equipment_id": equipment_id, "organisation_id": organisation_id},
    ).first()
    if row is None:
        raise NoSuchEquipment("There is no such equipment.")
    return Asked(
        equipment_id=row[0],
        equipment_name=row[1],
        facility_id=row[2],
        facility_name=row[3],
        region_id=row[4],
        terms=terms_from_text(row[5]),
        organisation_known=row[6] is not None,
        organisation_name=row[7] or "",
        organisation_kind=row[8] or "",
        organisation_nuts=row[9] or "",
        organisation_active=bool(row[10]),
        size_class=row[11],
    )


def equipment(session: Session, equipment_id: UUID) -> Equipment:
    """Published or withdrawn equipment. Raises `NoSuchEquipment`."""
    found = session.get(Equipment, equipment_id)
    if found is None or found.state == DRAFT:
        raise NoSuchEquipment("There is no such equipment.")
    return found


def equipment_for_update(session: Session, equipment_id: UUID) -> Equipment | None:
    return session.get(Equipment, equipment_id, with_for_update=True, populate_existing=True)


def equipment_of(session: Session, facility_ids: Collection[UUID]) -> Sequence[Equipment]:
    """Equipment of these facilities, by name."""
    return session.scalars(
        select(Equipment)
        .where(Equipment.facility_id.in_(facility_ids), Equipment.state != DRAFT)
        .order_by(Equipment.facility_name, Equipment.name)
    ).all()


def equipment_of_for_update(session: Session, facility_id: UUID) -> Sequence[Equipment]:
    """All equipment of a facility, locked in the order that everybody locks in."""
    return session.scalars(
        select(Equipment)
        .where(Equipment.facility_id == facility_id)
        .order_by(Equipment.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()


def facility(session: Session, facility_id: UUID) -> Facility:
    """Raises `NoSuchFacility`."""
    if found := session.get(Facility, facility_id):
        return found
    raise NoSuchFacility("There is no such facility.")


def facility_for_update(session: Session, facility_id: UUID) -> Facility | None:
    return session.get(Facility, facility_id, with_for_update=True, populate_existing=True)


def facilities_named(session: Session, facility_ids: Collection[UUID] | None) -> Sequence[Facility]:
    """These facilities, by name; all of them where None is asked for."""
    statement = select(Facility).order_by(Facility.name)
    if facility_ids is not None:
        statement = statement.where(Facility.id.in_(facility_ids))
    return session.scalars(statement).all()


def organisations_named(session: Session, organisation_ids: Collection[UUID]) -> Sequence[Organisation]:
    return session.scalars(
        select(Organisation).where(Organisation.id.in_(organisation_ids)).order_by(Organisation.name)
    ).all()


def weeks_of(session: Session, *scope_ids: UUID) -> Sequence[OpeningWeek]:
    """Opening hours set for these scopes, in the order in which they come into force."""
    return session.scalars(
        select(OpeningWeek)
        .where(OpeningWeek.scope_id.in_(scope_ids))
        .order_by(OpeningWeek.valid_from)
        .execution_options(populate_existing=True)
    ).all()


def weeks_known_short(session: Session, day: date) -> Sequence[OpeningWeek]:
    """Opening hours whose closed days are known only until before `day`."""
    return session.scalars(select(OpeningWeek).where(OpeningWeek.known_until < day)).all()


def rules_setting(session: Session, scope_id: UUID) -> BookingRules | None:
    return session.get(BookingRules, scope_id, populate_existing=True)


def price_settings(session: Session, scope_id: UUID) -> Sequence[PriceSetting]:
    return session.scalars(
        select(PriceSetting).where(PriceSetting.scope_id == scope_id).order_by(PriceSetting.valid_from)
    ).all()


def downtime_for_update(session: Session, downtime_id: UUID) -> Downtime:
    """Raises `NoSuchDowntime`."""
    found = session.get(Downtime, downtime_id, with_for_update=True, populate_existing=True)
    if found is None:
        raise NoSuchDowntime("There is no such downtime.")
    return found


def downtimes_of(session: Session, equipment_ids: Collection[UUID], *, ending_after: datetime) -> Sequence[Downtime]:
    """Downtime that is going on or to come, earliest first."""
    return session.scalars(
        select(Downtime)
        .where(
            Downtime.equipment_id.in_(equipment_ids),
            ~Downtime.withdrawn,
            (Downtime.ends_at.is_(None)) | (Downtime.ends_at > ending_after),
        )
        .order_by(Downtime.starts_at)
    ).all()
