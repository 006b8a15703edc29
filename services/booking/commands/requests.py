"""Asking for a slot, and what becomes of the request."""

from __future__ import annotations

from datetime import UTC
from uuid import UUID, uuid4

from services.booking import queries
from services.booking.commands.adding import add_booking
from services.booking.commands.transitions import history_row, move, taken_in_hand, tell
from services.booking.domain.references import new_reference
from services.booking.domain.refusals import (
    OrganisationInactive,
    OrganisationUnknown,
    RulesBroken,
    SlotTaken,
    TooEarly,
    TooLate,
)
from services.booking.domain.rules import downtime_faults
from services.booking.domain.states import (
    DECLINE_WORDS,
    AccessMode,
    Act,
    DeclineReason,
    Party,
    State,
    transition,
)
from services.booking.models import Booking
from shared import formats
from shared.calendar import Span
from shared.errors import Fault
from shared.unit_of_work import UnitOfWork

_REQUEST, _APPROVE = transition(Act.REQUEST, None), transition(Act.APPROVE, State.REQUESTED)


def request_slot(
    uow: UnitOfWork,
    *,
    equipment_id: UUID,
    slot: Span,
    organisation_id: UUID,
    purpose: str,
    access_mode: AccessMode = AccessMode.MARKET,
    note: str = "",
) -> Booking:
    """Keep `slot` for the organisation until the facility decides; or give it at once, where rules allow.

    Raises `RulesBroken` naming every broken rule, or `SlotTaken` with the nearest free times.
    """
    uow.actor.must_book_for(organisation_id)
    facts = queries.asked_for_update(uow.session, equipment_id, organisation_id)
    _must_be_known_and_active(facts)
    faults = facts.terms.faults(slot, now=uow.now)
    slot = Span(slot.starts_at.astimezone(UTC), slot.ends_at.astimezone(UTC))
    busy = facts.terms.rules.busy(slot)
    reference = new_reference()
    clashes = queries.clashes(uow.session, equipment_id, busy, reference=reference)
    while clashes.reference_taken:
        reference = new_reference()
        clashes = queries.clashes(uow.session, equipment_id, busy, reference=reference)
    if faults := faults + downtime_faults(slot, clashes.down, facts.terms.zone):
        raise rules_broken(faults)
    unit = clashes.free_unit(facts.terms.units)
    if unit is None:
        raise _slot_taken(uow, facts, slot)

    booking = _new_booking(uow, facts, organisation_id, slot, busy, unit, reference)
    booking.purpose, booking.note, booking.access_mode = purpose, note, access_mode
    history = [history_row(uow, booking, State.REQUESTED, 1, Party.BOOKER)]
    if booking.automatic:
        history.append(history_row(uow, booking, State.APPROVED, 2, Party.SYSTEM))
    add_booking(uow.session, booking, history)
    tell(uow, booking, _REQUEST, Party.BOOKER, sequence=1, answer_due_at=booking.answer_due_at)
    if booking.automatic:
        tell(uow, booking, _APPROVE, Party.SYSTEM, sequence=2, automatic=True)
    return booking


def _new_booking(
    uow: UnitOfWork,
    facts: queries.Asked,
    organisation_id: UUID,
    slot: Span,
    busy: Span,
    unit: int,
    reference: str,
) -> Booking:
    rules = facts.terms.rules
    price = facts.terms.price(slot, facts.organisation_kind)
    automatic = not rules.needs_approval
    return Booking(
        id=uuid4(),
        reference=reference,
        sequence=2 if automatic else 1,
        state=State.APPROVED if automatic else State.REQUESTED,
        equipment_id=facts.equipment_id,
        equipment_name=facts.equipment_name,
        unit=unit,
        facility_id=facts.facility_id,
        facility_name=facts.facility_name,
        region_id=facts.region_id,
        time_zone=facts.terms.time_zone,
        booker_id=uow.actor.id,
        booker_name=uow.actor.name,
        organisation_id=organisation_id,
        organisation_name=facts.organisation_name,
        organisation_kind=facts.organisation_kind,
        size_class=facts.size_class,
        organisation_nuts=facts.organisation_nuts,
        starts_at=slot.starts_at,
        ends_at=slot.ends_at,
        busy_from=busy.starts_at,
        busy_to=busy.ends_at,
        purpose="",
        note="",
        access_mode=AccessMode.MARKET,
        price_cents=price.cents if price else None,
        currency=price.currency if price else "EUR",
        price_rate=price.rate.value if price else None,
        price_hourly_cents=price.hourly_cents if price else None,
        price_charged_minutes=price.charged_minutes if price else None,
        price_set_up_cents=price.set_up_cents if price else None,
        requested_at=uow.now,
        answer_due_at=None if automatic else min(uow.now + rules.answer_within, slot.starts_at),
        automatic=automatic,
        cancel_until=slot.starts_at - rules.cancel_before,
        check_in_from=slot.starts_at - rules.check_in_before,
        check_in_until=min(slot.starts_at + rules.check_in_after, slot.ends_at),
        decided_at=uow.now if automatic else None,
    )


def _must_be_known_and_active(facts: queries.Asked) -> None:
    if not facts.organisation_known:
        raise OrganisationUnknown("This organisation is not known here yet. Try again in a few seconds.")
    if not facts.organisation_active:
        raise OrganisationInactive("This organisation is no longer active, so nothing can be booked for it.")


def rules_broken(faults: list[Fault]) -> RulesBroken:
    met = "One rule is not met." if len(faults) == 1 else f"{len(faults)} rules are not met."
    return RulesBroken(met, faults=faults)


def _slot_taken(uow: UnitOfWork, facts: queries.Asked, slot: Span) -> SlotTaken:
    zone = facts.terms.zone
    others = queries.alternatives(uow.session, facts, slot, now=uow.now)
    said = f"{formats.span(slot.starts_at, slot.ends_at, zone)} is taken."
    nearest = (
        f" The nearest free time is {formats.span(others[0].starts_at, others[0].ends_at, zone)}." if others else ""
    )
    return SlotTaken(
        said + nearest,
        faults=[Fault("slot-taken", said, "starts_at")],
        alternatives=[
            {"starts_at": each.starts_at.isoformat(), "ends_at": each.ends_at.isoformat()} for each in others
        ],
    )


def approve(uow: UnitOfWork, booking_id: UUID) -> Booking:
    """Give a requested slot. Operators of the facility only. Raises `WrongState`, `TooLate`."""
    booking, way, party = taken_in_hand(uow, booking_id, Act.APPROVE)
    if booking.ends_at <= uow.now:
        raise TooLate("This time is over.")
    booking.decided_at, booking.decided_by = uow.now, uow.actor.id
    return move(uow, booking, way, party, automatic=False)


def decline(uow: UnitOfWork, booking_id: UUID, *, reason_code: DeclineReason, reason: str = "") -> Booking:
    """Refuse a requested slot; the reason is shown to the booker and counted in reports."""
    booking, way, party = taken_in_hand(uow, booking_id, Act.DECLINE)
    booking.decided_at, booking.decided_by = uow.now, uow.actor.id
    booking.reason_code, booking.reason = reason_code.value, reason
    said = reason or DECLINE_WORDS[reason_code]
    return move(uow, booking, way, party, why=said, reason_code=reason_code.value, reason=said)


def withdraw(uow: UnitOfWork, booking_id: UUID) -> Booking:
    """Take a request back before it is decided."""
    booking, way, party = taken_in_hand(uow, booking_id, Act.WITHDRAW)
    return move(uow, booking, way, party)


def cancel(uow: UnitOfWork, booking_id: UUID, *, reason: str = "") -> Booking:
    """Give up an approved booking; by the booker after the deadline it counts as late.

    Operators must say why. Raises `TooLate` for a booker once the slot has begun.
    """
    booking, way, party = taken_in_hand(uow, booking_id, Act.CANCEL)
    if party is Party.OPERATOR and not reason:
        fault = Fault("reason-needed", "Say why, so that they can plan again.", "reason")
        raise rules_broken([fault])
    if uow.now >= (booking.starts_at if party is Party.BOOKER else booking.ends_at):
        raise TooLate("This time has begun; it can no longer be cancelled.")
    booking.cancelled_by = party
    booking.late = party is Party.BOOKER and uow.now > booking.cancel_until
    booking.reason = reason
    return move(uow, booking, way, party, why=reason, reason=reason, cancelled_by=party.value, late=booking.late)


def expire(uow: UnitOfWork, booking_id: UUID) -> Booking:
    """Let a request lapse that nobody decided before its slot began."""
    booking, way, party = taken_in_hand(uow, booking_id, Act.EXPIRE)
    if uow.now < booking.starts_at:
        raise TooEarly("The lab can decide until this time begins.")
    return move(uow, booking, way, party)
