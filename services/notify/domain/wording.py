"""What is said at each turn of a booking, in words a person reads once.

Everything here is worded when it happens and kept: what somebody was told does not change afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from shared import formats
from shared.calendar import Span

TITLE_LENGTH = 200


class NoticeKind(StrEnum):
    """What a notice is about; people choose by kind what also comes by e-mail."""

    REQUEST_SENT = "request_sent"  # to the booker: we have it
    REQUEST_WAITING = "request_waiting"  # to operators: decide
    APPROVED = "approved"
    BOOKED = "booked"  # to operators: approved by the rules, nobody decided
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    CHECKED_IN = "checked_in"
    COMPLETED = "completed"
    NO_SHOW = "no_show"


MAILED = {
    NoticeKind.REQUEST_SENT: "Your request was sent",
    NoticeKind.APPROVED: "Your request was approved",
    NoticeKind.DECLINED: "Your request was declined",
    NoticeKind.REQUEST_WAITING: "A request waits for your answer",
    NoticeKind.BOOKED: "Your lab was booked without a request",
    NoticeKind.WITHDRAWN: "A request to your lab was withdrawn",
    NoticeKind.CANCELLED: "A booking was cancelled",
    NoticeKind.EXPIRED: "A request lapsed, nobody decided",
    NoticeKind.NO_SHOW: "Booked time was not used",
}  # the kinds that also go by e-mail, as the preferences call them


class Side(StrEnum):
    """Who made a transition."""

    BOOKER = "booker"
    OPERATOR = "operator"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True, kw_only=True)
class BookingFacts:
    """What wording needs to know of a booking."""

    reference: str
    equipment: str
    unit: int
    facility: str
    organisation: str
    slot: Span
    zone: ZoneInfo
    purpose: str
    price_cents: int | None  # None: no price is published
    currency: str

    @property
    def path(self) -> str:
        return f"/booking/{self.reference}"

    @property
    def when(self) -> str:
        return formats.span(self.slot.starts_at, self.slot.ends_at, self.zone)

    def at(self, when: datetime) -> str:
        return formats.moment(when, self.zone)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """What one notice says: a title, what happened, the facts, and what happens next."""

    kind: NoticeKind
    title: str
    lead: str
    facts: tuple[tuple[str, str], ...]
    next: str
    path: str  # where the reader can look or act


# --- to the booker


def request_sent(booking: BookingFacts, *, answer_due_at: datetime | None) -> Wording:
    answer = f"The lab answers by {booking.at(answer_due_at)}." if answer_due_at else "The lab will answer."
    return _wording(
        booking,
        NoticeKind.REQUEST_SENT,
        "Request sent",
        lead=f"Your request for {booking.equipment} on {booking.when} is with {booking.facility}.",
        next=f"{answer} Until then the time is kept for you. You can take the request back at any moment.",
    )


def approved(booking: BookingFacts) -> Wording:
    return _wording(
        booking,
        NoticeKind.APPROVED,
        "Approved",
        lead=f"{booking.equipment} at {booking.facility} is yours on {booking.when}.",
        next="If you cannot come, cancel as early as you can, so that somebody else can have the time.",
    )


def declined(booking: BookingFacts, *, reason: str) -> Wording:
    return _wording(
        booking,
        NoticeKind.DECLINED,
        "Declined",
        lead=f"{booking.facility} declined your request for {booking.equipment} on {booking.when}.",
        facts=_reason(reason),
        next="You can ask for another time, or look for similar equipment in another lab.",
    )


def withdrawn_for_booker(booking: BookingFacts) -> Wording:
    return _wording(
        booking,
        NoticeKind.WITHDRAWN,
        "Withdrawn",
        lead=f"Your request for {booking.equipment} on {booking.when} was taken back.",
        next="The time is free again. Nothing is charged.",
    )


def cancelled_for_booker(booking: BookingFacts, *, by: Side, late: bool, reason: str) -> Wording:
    done = {
        Side.BOOKER: f"Your booking of {booking.equipment} on {booking.when} was cancelled from your side.",
        Side.OPERATOR: f"{booking.facility} cancelled your booking of {booking.equipment} on {booking.when}.",
        Side.SYSTEM: f"Your booking of {booking.equipment} on {booking.when} was cancelled automatically.",
    }[by]
    if late:
        next_ = "It was cancelled after the lab's deadline, so the time still counts as booked."
    elif by is Side.BOOKER:
        next_ = "The time is free again."
    else:
        next_ = "You can ask for another time, or look for similar equipment in another lab."
    return _wording(booking, NoticeKind.CANCELLED, "Cancelled", lead=done, facts=_reason(reason), next=next_)


def expired_for_booker(booking: BookingFacts) -> Wording:
    return _wording(
        booking,
        NoticeKind.EXPIRED,
        "Lapsed",
        lead=f"{booking.facility} did not decide about {booking.equipment} before your time on {booking.when} began.",
        next="Nothing is charged. You can ask for another time, or look for similar equipment elsewhere.",
    )


def checked_in(booking: BookingFacts, *, used_from: datetime) -> Wording:
    return _wording(
        booking,
        NoticeKind.CHECKED_IN,
        "Checked in",
        lead=f"You are checked in on {booking.equipment} since {booking.at(used_from)}.",
        next="Check out when you are done, so that the time that is left is free for others.",
    )


def completed(booking: BookingFacts, *, used_from: datetime, used_until: datetime, to_check: bool) -> Wording:
    # Whoever checks in and out within a moment has used nothing.
    used = formats.span(used_from, used_until, booking.zone) if used_until > used_from else booking.at(used_from)
    return _wording(
        booking,
        NoticeKind.COMPLETED,
        "Done",
        lead=f"You used {booking.equipment} on {used}.",
        facts=(("Used", used),),
        next="Nobody checked out, so the end was set automatically. Tell the lab if it is wrong."
        if to_check
        else "There is nothing left to do.",
    )


def no_show_for_booker(booking: BookingFacts, *, released_at: datetime) -> Wording:
    return _wording(
        booking,
        NoticeKind.NO_SHOW,
        "Not used",
        lead=f"Nobody checked in on {booking.equipment} for your time on {booking.when}.",
        next=f"What was left of it was released at {booking.at(released_at)}. If you were there, tell the lab.",
    )


# --- to the operators of the facility


def request_waiting(booking: BookingFacts, *, answer_due_at: datetime | None) -> Wording:
    due = f"Answer by {booking.at(answer_due_at)}. " if answer_due_at else ""
    return _wording(
        booking,
        NoticeKind.REQUEST_WAITING,
        "Request to decide",
        lead=f"{booking.organisation} asks for {booking.equipment} on {booking.when}.",
        facts=_purpose(booking),
        next=f"{due}A request that nobody has decided when its time begins lapses.",
    )


def booked(booking: BookingFacts) -> Wording:
    return _wording(
        booking,
        NoticeKind.BOOKED,
        "New booking",
        lead=f"{booking.organisation} has booked {booking.equipment} on {booking.when}.",
        facts=_purpose(booking),
        next="Your rules approved it, so there is nothing to decide.",
    )


def withdrawn_for_operators(booking: BookingFacts) -> Wording:
    return _wording(
        booking,
        NoticeKind.WITHDRAWN,
        "Withdrawn",
        lead=f"{booking.organisation} took back its request for {booking.equipment} on {booking.when}.",
        next="The time is free again. There is nothing left to decide.",
    )


def cancelled_for_operators(booking: BookingFacts, *, by: Side, late: bool, reason: str) -> Wording:
    what = f"{booking.equipment} on {booking.when}"
    done = {
        Side.BOOKER: f"{booking.organisation} cancelled its booking of {what}.",
        Side.OPERATOR: f"A colleague cancelled the booking of {what} by {booking.organisation}.",
        Side.SYSTEM: f"The booking of {what} by {booking.organisation} was cancelled automatically.",
    }[by]
    return _wording(
        booking,
        NoticeKind.CANCELLED,
        "Cancelled",
        lead=done,
        facts=_reason(reason),
        next="It came after your deadline, so the time counts as booked; it is free for others all the same."
        if late
        else "The time is free again.",
    )


def expired_for_operators(booking: BookingFacts) -> Wording:
    return _wording(
        booking,
        NoticeKind.EXPIRED,
        "Lapsed",
        lead=f"Nobody decided the request of {booking.organisation} for {booking.equipment} on {booking.when} "
        "before its time began.",
        next="The time is free again. It counts as a request your lab did not answer.",
    )


def no_show_for_operators(booking: BookingFacts, *, released_at: datetime) -> Wording:
    return _wording(
        booking,
        NoticeKind.NO_SHOW,
        "Not used",
        lead=f"{booking.organisation} did not come for {booking.equipment} on {booking.when}.",
        next=f"What was left of the time was released at {booking.at(released_at)}.",
    )


def _wording(
    booking: BookingFacts,
    kind: NoticeKind,
    headline: str,
    *,
    lead: str,
    facts: tuple[tuple[str, str], ...] = (),
    next: str,
) -> Wording:
    title = f"{headline}: {booking.equipment}, {booking.when} ({booking.reference})"
    if len(title) > TITLE_LENGTH:
        room = TITLE_LENGTH - (len(title) - len(booking.equipment))
        short = replace(booking, equipment=booking.equipment[: max(room - 1, 1)].rstrip() + "…")
        title = f"{headline}: {short.equipment}, {booking.when} ({booking.reference})"
    unit = f", unit {booking.unit}" if booking.unit > 1 else ""
    common = (
        ("Reference", booking.reference),
        ("Equipment", booking.equipment + unit),
        ("Lab", booking.facility),
        ("Time", f"{booking.when} ({booking.zone.key.replace('_', ' ')})"),
        ("For", booking.organisation),
        ("Price", price(booking.price_cents, booking.currency)),
    )
    return Wording(kind=kind, title=title, lead=lead, facts=common + facts, next=next, path=booking.path)


def _reason(reason: str) -> tuple[tuple[str, str], ...]:
    return (("Reason", reason),) if reason.strip() else ()


def _purpose(booking: BookingFacts) -> tuple[tuple[str, str], ...]:
    return (("Purpose", booking.purpose),) if booking.purpose.strip() else ()


def price(cents: int | None, currency: str) -> str:
    """`€268.80`, `1,200.00 CZK`, or that there is none."""
    if cents is None:
        return "not published, ask the lab"
    return formats.money(cents, currency)
