"""Using what was booked, and not using it."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from services.booking import queries
from services.booking.commands.transitions import move, taken_in_hand
from services.booking.domain.refusals import EquipmentDown, TooEarly, TooLate
from services.booking.domain.states import Act, Party
from services.booking.models import Booking
from shared import formats
from shared.calendar import Span
from shared.unit_of_work import UnitOfWork

_SHORTEST_USE = timedelta(seconds=1)  # use that begins and ends in one moment is still use


def check_in(uow: UnitOfWork, booking_id: UUID) -> Booking:
    """Begin the use. Bookers within the check-in window; operators until the end of the slot.

    Raises `TooEarly`, `TooLate`, `EquipmentDown`.
    """
    booking, way, party = taken_in_hand(uow, booking_id, Act.CHECK_IN)
    if uow.now < booking.check_in_from:
        raise TooEarly(f"You can check in from {_local(booking, booking.check_in_from)}.")
    if party is Party.BOOKER and uow.now > booking.check_in_until:
        raise TooLate(f"Check-in was open until {_local(booking, booking.check_in_until)}. Ask the lab.")
    if uow.now >= booking.ends_at:
        raise TooLate("This time is over.")
    if _down(uow, booking, Span(uow.now, uow.now + _SHORTEST_USE)):
        raise EquipmentDown("It is not available right now. Ask the lab.")
    booking.used_from = uow.now
    return move(uow, booking, way, party, used_from=uow.now)


def check_out(uow: UnitOfWork, booking_id: UUID) -> Booking:
    """End the use; what is left of the slot is free.

    Where nobody did it, the clock does: the planned end counts, and the booking is marked to be checked.
    """
    booking, way, party = taken_in_hand(uow, booking_id, Act.CHECK_OUT)
    by_clock = party is Party.SYSTEM
    used_from = booking.used_from or booking.starts_at
    booking.used_until = max(booking.ends_at if by_clock else uow.now, used_from + _SHORTEST_USE)
    booking.to_check = by_clock
    _shorten(booking, booking.used_until)
    return move(uow, booking, way, party, used_from=used_from, used_until=booking.used_until, to_check=by_clock)


def record_no_show(uow: UnitOfWork, booking_id: UUID) -> Booking:
    """Nobody came within the check-in window; what is left of the slot is free. Raises `TooEarly`."""
    booking, way, party = taken_in_hand(uow, booking_id, Act.NO_SHOW)
    if uow.now < booking.check_in_until:
        raise TooEarly(f"They can still check in until {_local(booking, booking.check_in_until)}.")
    _shorten(booking, uow.now)
    return move(uow, booking, way, party, released_at=uow.now)


def close_missed(uow: UnitOfWork, booking_id: UUID) -> Booking:
    """What the clock does when nobody checked in: a no-show, unless the equipment was out of order then."""
    booking, way, party = taken_in_hand(uow, booking_id, Act.CANCEL)
    if not _down(uow, booking, Span(booking.starts_at, booking.check_in_until)):
        return record_no_show(uow, booking_id)
    booking.cancelled_by, booking.reason = party, "The equipment was out of order."
    why = booking.reason
    return move(uow, booking, way, party, why=why, reason=why, cancelled_by=party.value, late=False)


def _down(uow: UnitOfWork, booking: Booking, span: Span) -> bool:
    return bool(queries.clashes(uow.session, booking.equipment_id, span).down)


def _shorten(booking: Booking, moment: datetime) -> None:
    booking.busy_to = min(booking.busy_to, max(booking.busy_from, moment))


def _local(booking: Booking, moment: datetime) -> str:
    return formats.moment(moment, ZoneInfo(booking.time_zone))
