"""What is said when something is heard: the table at the foot says which event leads to which words."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from services.notify import commands
from services.notify.commands import Message, Subject
from services.notify.domain import wording
from services.notify.domain.delivery import Channel
from services.notify.domain.invitation import Invitation
from services.notify.domain.wording import BookingFacts, Side
from shared.calendar import Span
from shared.contracts.access import OrganisationChanged, PersonChanged
from shared.contracts.booking import (
    BookingApproved,
    BookingCancelled,
    BookingCheckedIn,
    BookingCompleted,
    BookingDeclined,
    BookingEvent,
    BookingExpired,
    BookingNoShow,
    BookingRequested,
    BookingWithdrawn,
)
from shared.contracts.catalogue import FacilityChanged
from shared.service import Handlers
from shared.unit_of_work import UnitOfWork

IN_APP_ONLY = (Channel.IN_APP,)


def learn_person(uow: UnitOfWork, event: PersonChanged) -> None:
    commands.learn_person(
        uow,
        person_id=event.person_id,
        name=event.name,
        email=event.email,
        language=event.language,
        active=event.active,
        roles=event.roles,
        sequence=event.sequence,
    )


def learn_organisation(uow: UnitOfWork, event: OrganisationChanged) -> None:
    commands.learn_organisation(uow, organisation_id=event.organisation_id, name=event.name, sequence=event.sequence)


def learn_facility(uow: UnitOfWork, event: FacilityChanged) -> None:
    commands.learn_facility(
        uow,
        facility_id=event.facility_id,
        name=event.name,
        time_zone=event.time_zone,
        contact_email=event.contact_email,
        sequence=event.sequence,
    )


def tell_of_request(uow: UnitOfWork, event: BookingRequested) -> None:
    facts = _facts(event)
    commands.tell(
        uow,
        _subject(event),
        to_booker=Message(wording=wording.request_sent(facts, answer_due_at=event.answer_due_at)),
        to_operators=Message(wording=wording.request_waiting(facts, answer_due_at=event.answer_due_at)),
    )


def tell_of_approval(uow: UnitOfWork, event: BookingApproved) -> None:
    facts, invitation = _facts(event), _invitation(event, cancelled=False)
    commands.tell(
        uow,
        _subject(event),
        to_booker=Message(wording=wording.approved(facts), invitation=invitation),
        to_operators=Message(wording=wording.booked(facts), invitation=invitation) if event.automatic else None,
    )


def tell_of_refusal(uow: UnitOfWork, event: BookingDeclined) -> None:
    commands.tell(
        uow,
        _subject(event),
        to_booker=Message(wording=wording.declined(_facts(event), reason=event.reason)),
        to_operators=None,
    )


def tell_of_withdrawal(uow: UnitOfWork, event: BookingWithdrawn) -> None:
    facts = _facts(event)
    commands.tell(
        uow,
        _subject(event),
        to_booker=Message(wording=wording.withdrawn_for_booker(facts), channels=IN_APP_ONLY),
        to_operators=Message(wording=wording.withdrawn_for_operators(facts)),
    )


def tell_of_cancellation(uow: UnitOfWork, event: BookingCancelled) -> None:
    """The booker is mailed even when they did it: the file takes the entry out of their calendar."""
    facts, invitation, by = _facts(event), _invitation(event, cancelled=True), Side(event.cancelled_by)
    commands.tell(
        uow,
        _subject(event),
        to_booker=Message(
            wording=wording.cancelled_for_booker(facts, by=by, late=event.late, reason=event.reason),
            invitation=invitation,
        ),
        to_operators=Message(
            wording=wording.cancelled_for_operators(facts, by=by, late=event.late, reason=event.reason),
            invitation=invitation,
            channels=IN_APP_ONLY if by is Side.OPERATOR else commands.BOTH,
        ),
    )


def tell_of_lapse(uow: UnitOfWork, event: BookingExpired) -> None:
    facts = _facts(event)
    commands.tell(
        uow,
        _subject(event),
        to_booker=Message(wording=wording.expired_for_booker(facts)),
        to_operators=Message(wording=wording.expired_for_operators(facts)),
    )


def tell_of_check_in(uow: UnitOfWork, event: BookingCheckedIn) -> None:
    words = wording.checked_in(_facts(event), used_from=event.used_from)
    commands.tell(uow, _subject(event), to_booker=Message(wording=words, channels=IN_APP_ONLY), to_operators=None)


def tell_of_completion(uow: UnitOfWork, event: BookingCompleted) -> None:
    words = wording.completed(
        _facts(event), used_from=event.used_from, used_until=event.used_until, to_check=event.to_check
    )
    commands.tell(uow, _subject(event), to_booker=Message(wording=words, channels=IN_APP_ONLY), to_operators=None)


def tell_of_no_show(uow: UnitOfWork, event: BookingNoShow) -> None:
    facts = _facts(event)
    commands.tell(
        uow,
        _subject(event),
        to_booker=Message(wording=wording.no_show_for_booker(facts, released_at=event.released_at)),
        to_operators=Message(wording=wording.no_show_for_operators(facts, released_at=event.released_at)),
    )


def _subject(event: BookingEvent) -> Subject:
    return Subject(
        booking_id=event.booking_id,
        booker_id=event.booker_id,
        facility_id=event.facility_id,
        slot=Span(event.starts_at, event.ends_at),
        sequence=event.sequence,
    )


def _facts(event: BookingEvent) -> BookingFacts:
    return BookingFacts(
        reference=event.reference,
        equipment=event.equipment_name,
        unit=event.unit,
        facility=event.facility_name,
        organisation=event.organisation_name,
        slot=Span(event.starts_at, event.ends_at),
        zone=ZoneInfo(event.time_zone),
        purpose=event.purpose,
        price_cents=event.price_cents,
        currency=event.currency,
    )


def _invitation(event: BookingEvent, *, cancelled: bool) -> Invitation:
    return Invitation(
        booking_id=event.booking_id,
        sequence=event.sequence,
        starts_at=event.starts_at,
        ends_at=event.ends_at,
        summary=f"{event.equipment_name} ({event.reference})",
        location=event.facility_name,
        cancelled=cancelled,
    )


HANDLERS: Handlers = {
    PersonChanged: learn_person,
    OrganisationChanged: learn_organisation,
    FacilityChanged: learn_facility,
    BookingRequested: tell_of_request,
    BookingApproved: tell_of_approval,
    BookingDeclined: tell_of_refusal,
    BookingWithdrawn: tell_of_withdrawal,
    BookingCancelled: tell_of_cancellation,
    BookingExpired: tell_of_lapse,
    BookingCheckedIn: tell_of_check_in,
    BookingCompleted: tell_of_completion,
    BookingNoShow: tell_of_no_show,
}
