"""What every transition of a booking does: the new state, a line of history, one event."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from services.booking import queries
from services.booking.domain.states import Act, Party, State, Transition, acting_as, transition
from services.booking.models import Booking, BookingHistory
from shared.events import REGISTRY
from shared.unit_of_work import UnitOfWork


def taken_in_hand(uow: UnitOfWork, booking_id: UUID, act: Act) -> tuple[Booking, Transition, Party]:
    """The booking, locked; the way `act` takes from its state; and as whom the actor takes it.

    Raises `NoSuchBooking`, `Forbidden` or `WrongState`, in this order.
    """
    booking = queries.booking_for_update(uow.session, uow.actor, booking_id)
    parties = queries.parties_of(uow.actor, booking)
    party = acting_as(act, parties)
    return booking, transition(act, booking.state), party


def move(uow: UnitOfWork, booking: Booking, way: Transition, party: Party, *, why: str = "", **told: Any) -> Booking:
    """Take `way`; `told` is what the event says beside the facts every event of a booking has."""
    booking.state = way.target
    booking.sequence += 1
    uow.session.add(BookingHistory(**history_row(uow, booking, way.target, booking.sequence, party, why)))
    uow.session.flush()
    tell(uow, booking, way, party, **told)
    return booking


def history_row(
    uow: UnitOfWork, booking: Booking, state: State, sequence: int, party: Party, why: str = ""
) -> dict[str, Any]:
    return {
        "booking_id": booking.id,
        "sequence": sequence,
        "state": state,
        "at": uow.now,
        "actor_id": uow.actor.id,
        "actor_role": party,
        "reason": why,
        "unit": booking.unit,
        "starts_at": booking.starts_at,
        "ends_at": booking.ends_at,
    }


def tell(
    uow: UnitOfWork,
    booking: Booking,
    way: Transition,
    party: Party,
    *,
    sequence: int | None = None,
    **told: Any,
) -> None:
    facts: dict[str, Any] = {name: getattr(booking, name) for name in _TOLD}
    facts |= {
        "sequence": sequence or booking.sequence,
        "booking_id": booking.id,
        "state": way.target.value,
        "access_mode": booking.access_mode.value,
        "actor_role": party.value,
    }
    uow.emit(REGISTRY[way.event](**facts, **told))


_TOLD = (
    "reference",
    "equipment_id",
    "equipment_name",
    "unit",
    "facility_id",
    "facility_name",
    "region_id",
    "time_zone",
    "booker_id",
    "organisation_id",
    "organisation_name",
    "organisation_kind",
    "size_class",
    "organisation_nuts",
    "starts_at",
    "ends_at",
    "requested_at",
    "purpose",
    "price_cents",
    "currency",
)
