"""Reads: whom to tell, what is due, and what somebody was told."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, func, or_, select, tuple_
from sqlalchemy.orm import Session

from services.notify.domain.delivery import Channel, NoticeState
from services.notify.domain.wording import MAILED, NoticeKind
from services.notify.models import Delivery, Facility, MailChoice, Notice, Organisation, Person, PersonRole
from shared.auth import SYSTEM, RoleName
from shared.mailbox import Inbox

OPERATING = (RoleName.OPERATOR, RoleName.FACILITY_MANAGER)


# --- whom to tell


def operators_of(session: Session, facility_id: UUID) -> Sequence[UUID]:
    """Active people who decide this facility's requests, as far as they are known here."""
    return session.scalars(
        select(Person.id)
        .join(PersonRole, PersonRole.person_id == Person.id)
        .where(PersonRole.scope == str(facility_id), PersonRole.role.in_(OPERATING), Person.active)
        .distinct()
        .order_by(Person.id)
    ).all()


@dataclass(frozen=True, slots=True)
class Cause:
    """The message that is being answered: when its event happened, and who made it happen."""

    time: datetime
    actor_id: UUID


def cause(session: Session, event_id: UUID, *, now: datetime) -> Cause:
    """What is known of the event `event_id`; for one that did not come by mailbox, that it is now."""
    row = session.execute(select(Inbox.time, Inbox.actor).where(Inbox.id == event_id)).one_or_none()
    return Cause(row.time, row.actor) if row else Cause(now, SYSTEM.id)


def is_told(session: Session, event_id: UUID) -> bool:
    """Whether this event has been answered with notices already, whoever its readers would be today."""
    return session.scalar(select(Notice.id).where(Notice.event_id == event_id).limit(1)) is not None


def latest_sequence(session: Session, booking_id: UUID) -> int:
    """Sequence of the latest event of a booking that was told."""
    return session.scalar(select(func.max(Notice.sequence)).where(Notice.booking_id == booking_id)) or 0


def overtaken_for_update(
    session: Session, booking_id: UUID, kinds: Collection[NoticeKind], *, before: int
) -> Sequence[Notice]:
    """Notices of these kinds about earlier events of a booking that are still to be mailed or read."""
    unsaid = or_(
        and_(Notice.channel == Channel.EMAIL, Notice.state == NoticeState.DUE),
        and_(Notice.channel == Channel.IN_APP, Notice.read_at.is_(None)),
    )
    return session.scalars(
        select(Notice)
        .where(Notice.booking_id == booking_id, Notice.sequence < before, Notice.kind.in_(kinds), unsaid)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()


def person(session: Session, person_id: UUID) -> Person | None:
    return session.get(Person, person_id)


def mail_wanted(session: Session, person_id: UUID) -> frozenset[NoticeKind]:
    """Kinds of notices this person also gets by e-mail: all that can be, less what they switched off."""
    choices = session.scalars(select(MailChoice.kind).where(MailChoice.person_id == person_id, ~MailChoice.wanted))
    return frozenset(MAILED) - frozenset(choices)


# --- what is due


def is_due(session: Session, *, now: datetime) -> bool:
    return session.scalar(select(Notice.id).where(Notice.due_at <= now).limit(1)) is not None


def due_for_update(session: Session, *, now: datetime, limit: int) -> Sequence[Notice]:
    """What is to be mailed, or whose readers are to be looked for, longest due first."""
    return session.scalars(
        select(Notice)
        .where(Notice.due_at <= now, Notice.state == NoticeState.DUE)
        .order_by(Notice.due_at, Notice.told_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()


# --- what somebody was told


def notices_of(
    session: Session,
    person_id: UUID,
    *,
    unread: bool = False,
    before: tuple[datetime, UUID] | None = None,
    limit: int,
) -> Sequence[Notice]:
    """What this person was told, newest first; `before` is the place after which to go on."""
    query = select(Notice).where(Notice.recipient_id == person_id, Notice.channel == Channel.IN_APP)
    if unread:
        query = query.where(Notice.read_at.is_(None))
    if before:
        query = query.where(tuple_(Notice.told_at, Notice.id) < before)
    return session.scalars(query.order_by(Notice.told_at.desc(), Notice.id.desc()).limit(limit)).all()


def unread_of(session: Session, person_id: UUID) -> int:
    """How many notices this person has not read."""
    return (
        session.scalar(
            select(func.count())
            .select_from(Notice)
            .where(Notice.recipient_id == person_id, Notice.channel == Channel.IN_APP, Notice.read_at.is_(None))
        )
        or 0
    )


def notice_for_update(session: Session, notice_id: UUID) -> Notice | None:
    return session.scalar(
        select(Notice).where(Notice.id == notice_id).with_for_update().execution_options(populate_existing=True)
    )


def places_of(session: Session, person_id: UUID) -> list[tuple[RoleName, str]]:
    """This person's roles and the names of where they have them, for telling them why they get notices."""
    roles = session.execute(
        select(PersonRole.role, PersonRole.scope)
        .where(PersonRole.person_id == person_id)
        .order_by(PersonRole.role, PersonRole.scope)
    ).all()
    names: dict[str, str] = {}
    for model in (Organisation, Facility):
        ids = [UUID(scope) for role, scope in roles if role in _SCOPED_BY[model]]
        rows = session.execute(select(model.id, model.name).where(model.id.in_(ids)))
        names |= {str(id_): name for id_, name in rows}
    return [(role, names[scope]) for role, scope in roles if scope in names]


_SCOPED_BY: dict[type[Organisation | Facility], tuple[RoleName, ...]] = {
    Organisation: (RoleName.MEMBER, RoleName.ORGANISATION_ADMIN),
    Facility: OPERATING,
}


# --- for the administrator


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt to deliver a mail, and what it was to deliver."""

    delivery: Delivery
    notice: Notice


def deliveries(session: Session, *, before: int | None = None, limit: int) -> list[Attempt]:
    """Attempts to deliver mail, newest first; `before` is the place after which to go on."""
    query = select(Delivery, Notice).join(Notice, Notice.id == Delivery.notice_id)
    if before is not None:
        query = query.where(Delivery.id < before)
    rows = session.execute(query.order_by(Delivery.id.desc()).limit(limit))
    return [Attempt(delivery, notice) for delivery, notice in rows]


def mail_by_state(session: Session) -> dict[NoticeState, int]:
    """How many mails are due, sent, failed, …"""
    rows = session.execute(
        select(Notice.state, func.count()).where(Notice.channel == Channel.EMAIL).group_by(Notice.state)
    )
    return {state: count for state, count in rows}
