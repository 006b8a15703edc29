"""Bookings, as far as the actor may see them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, false, or_, select, true
from sqlalchemy.orm import Session

from services.booking.domain.refusals import NoSuchBooking
from services.booking.domain.states import Party, State
from services.booking.models import HOLDS_SLOT, Booking, BookingHistory
from shared.auth import SYSTEM, Actor
from shared.calendar import Span


def parties_of(actor: Actor, booking: Booking) -> frozenset[Party]:
    """As whom `actor` may act on `booking`; nobody, if they may not even see it."""
    if actor.id == SYSTEM.id:
        return frozenset({Party.SYSTEM})
    parties = set()
    is_theirs = booking.booker_id == actor.id and booking.organisation_id in actor.organisations
    if is_theirs or booking.organisation_id in actor.administered_organisations:
        parties.add(Party.BOOKER)
    if actor.operates(booking.facility_id):
        parties.add(Party.OPERATOR)
    return frozenset(parties)


def visible_to(actor: Actor) -> ColumnElement[bool]:
    """The same as a condition: bookings `actor` may see."""
    if actor.is_administrator:
        return true()
    ways: list[ColumnElement[bool]] = []
    if actor.organisations:
        ways.append(and_(Booking.booker_id == actor.id, Booking.organisation_id.in_(actor.organisations)))
    if actor.administered_organisations:
        ways.append(Booking.organisation_id.in_(actor.administered_organisations))
    if actor.facilities:
        ways.append(Booking.facility_id.in_(actor.facilities))
    return or_(*ways) if ways else false()


def booking(session: Session, actor: Actor, booking_id: UUID) -> Booking:
    """Raises `NoSuchBooking`, also for one that is none of the actor's business."""
    return _seen(actor, session.get(Booking, booking_id))


def booking_by_reference(session: Session, actor: Actor, reference: str | None) -> Booking:
    """The same, by the short reference people use."""
    return _seen(actor, session.scalar(select(Booking).where(Booking.reference == reference)))


def booking_for_update(session: Session, actor: Actor, booking_id: UUID) -> Booking:
    """The booking as it is now, locked until commit. Lock, then look."""
    return _seen(actor, session.get(Booking, booking_id, with_for_update=True, populate_existing=True))


def _seen(actor: Actor, found: Booking | None) -> Booking:
    if found is None or not parties_of(actor, found):
        raise NoSuchBooking("There is no such booking.")
    return found


def history_of(session: Session, booking_id: UUID) -> Sequence[BookingHistory]:
    return session.scalars(
        select(BookingHistory).where(BookingHistory.booking_id == booking_id).order_by(BookingHistory.sequence)
    ).all()


def bookings_page(
    session: Session,
    actor: Actor,
    *,
    states: Collection[State] = (),
    facility: UUID | None = None,
    organisation: UUID | None = None,
    equipment: UUID | None = None,
    from_: datetime | None = None,
    to: datetime | None = None,
    after: tuple[datetime, UUID] | None = None,
    limit: int = 50,
) -> Sequence[Booking]:
    """Bookings the actor may see, latest start first; `after` is where the page before ended."""
    statement = select(Booking).where(visible_to(actor))
    if states:
        statement = statement.where(Booking.state.in_(states))
    if facility:
        statement = statement.where(Booking.facility_id == facility)
    if organisation:
        statement = statement.where(Booking.organisation_id == organisation)
    if equipment:
        statement = statement.where(Booking.equipment_id == equipment)
    if from_:
        statement = statement.where(Booking.ends_at > from_)
    if to:
        statement = statement.where(Booking.starts_at < to)
    if after:
        statement = statement.where(_before(*after))
    return session.scalars(statement.order_by(Booking.starts_at.desc(), Booking.id.desc()).limit(limit)).all()


def _before(starts_at: datetime, booking_id: UUID) -> ColumnElement[bool]:
    return or_(
        Booking.starts_at < starts_at.astimezone(UTC),
        and_(Booking.starts_at == starts_at.astimezone(UTC), Booking.id < booking_id),
    )


def mine(session: Session, actor: Actor, *, whole_organisation: bool, past: bool, now: datetime) -> Sequence[Booking]:
    """Bookings the actor made; or, for administrators of an organisation, all of its bookings.

    Those to come, earliest first; or those that are over, latest first.
    """
    own = and_(Booking.booker_id == actor.id, Booking.organisation_id.in_(actor.organisations))
    scope = Booking.organisation_id.in_(actor.administered_organisations) if whole_organisation else own
    ahead = and_(HOLDS_SLOT, Booking.ends_at > now)
    statement = select(Booking).where(scope)
    if past:
        return session.scalars(statement.where(~ahead).order_by(Booking.starts_at.desc(), Booking.id).limit(50)).all()
    return session.scalars(statement.where(ahead).order_by(Booking.starts_at, Booking.id).limit(200)).all()


def _operated(statement: Select[Booking], actor: Actor, facility: UUID | None) -> Select[Booking]:
    if facility:
        statement = statement.where(Booking.facility_id == facility)
    if not actor.is_administrator:
        statement = statement.where(Booking.facility_id.in_(actor.facilities))
    return statement


def requests_waiting(session: Session, actor: Actor, facility: UUID | None = None) -> Sequence[Booking]:
    """Requests the actor can decide, those that have waited longest first."""
    waiting = select(Booking).where(HOLDS_SLOT, Booking.state == State.REQUESTED)
    return session.scalars(
        _operated(waiting, actor, facility).order_by(Booking.requested_at, Booking.id).limit(200)
    ).all()


def coming_to(session: Session, actor: Actor, *, span: Span, facility: UUID | None = None) -> Sequence[Booking]:
    """Approved and running bookings in the actor's facilities that meet `span`, earliest first."""
    coming = select(Booking).where(
        HOLDS_SLOT,
        Booking.state.in_((State.APPROVED, State.IN_USE)),
        Booking.starts_at < span.ends_at,
        (Booking.ends_at > span.starts_at) | (Booking.state == State.IN_USE),
    )
    return session.scalars(
        _operated(coming, actor, facility).order_by(Booking.starts_at, Booking.equipment_name).limit(200)
    ).all()


def decided_lately(
    session: Session, actor: Actor, *, since: datetime, facility: UUID | None = None
) -> Sequence[Booking]:
    """Requests decided in the actor's facilities since then, latest first."""
    decided = select(Booking).where(Booking.starts_at >= since, Booking.decided_at >= since, ~Booking.automatic)
    return session.scalars(_operated(decided, actor, facility).order_by(Booking.decided_at.desc()).limit(20)).all()


def bookings_hit_by(
    session: Session, equipment_id: UUID, starts_at: datetime, ends_at: datetime | None
) -> Sequence[Booking]:
    """Bookings that hold a slot in this time, earliest first."""
    statement = select(Booking).where(Booking.equipment_id == equipment_id, HOLDS_SLOT, Booking.ends_at > starts_at)
    if ends_at:
        statement = statement.where(Booking.starts_at < ends_at)
    return session.scalars(statement.order_by(Booking.starts_at)).all()


def around(session: Session, equipment_id: UUID, span: Span) -> Sequence[Booking]:
    """Bookings that hold or held a slot in this time, as an operator sees them."""
    kept = Booking.state.in_((State.REQUESTED, State.APPROVED, State.IN_USE, State.COMPLETED))
    return session.scalars(
        select(Booking)
        .where(Booking.equipment_id == equipment_id, kept)
        .where(Booking.starts_at < span.ends_at, Booking.ends_at > span.starts_at)
        .order_by(Booking.starts_at)
    ).all()


def due(session: Session, *, undecided: datetime, missed: datetime, unfinished: datetime, limit: int) -> Sequence[Any]:
    """Ids and states of bookings the clock has something to do with, longest due first.

    Requests that begin by `undecided`, approved ones nobody came to by `missed`, and those in use that
    should have ended by `unfinished`.
    """
    return session.execute(
        select(Booking.id, Booking.state)
        .where(
            HOLDS_SLOT,
            or_(
                and_(Booking.state == State.REQUESTED, Booking.starts_at <= undecided),
                and_(
                    Booking.state == State.APPROVED,
                    Booking.starts_at <= missed,
                    Booking.check_in_until <= missed,
                ),
                and_(
                    Booking.state == State.IN_USE,
                    Booking.starts_at <= unfinished,
                    Booking.ends_at <= unfinished,
                ),
            ),
        )
        .order_by(Booking.starts_at)
        .limit(limit)
    ).all()
