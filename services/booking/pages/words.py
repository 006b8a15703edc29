"""What pages call states and transitions, for whoever booked and for the lab."""

from __future__ import annotations

from datetime import datetime

from services.booking.domain.states import DECLINE_WORDS, AccessMode, DeclineReason, Party, State
from services.booking.models import Booking, BookingHistory
from shared.formats import clock, day, moment

ACCESS_MODES = [
    (AccessMode.MARKET.value, "Paid, at the published price"),
    (AccessMode.EXCELLENCE.value, "For the quality of our proposal, as agreed with the lab"),
    (AccessMode.WIDE.value, "Open access within the lab’s mission"),
]
DECLINE_REASONS = [(reason.value, words) for reason, words in DECLINE_WORDS.items()]

_KINDS = {
    State.REQUESTED: "wait",
    State.APPROVED: "ok",
    State.IN_USE: "run",
    State.COMPLETED: "done",
    State.NO_SHOW: "stop",
}


def mark(booking: Booking, *, for_lab: bool) -> tuple[str, str]:
    """How the state of a booking looks, and what it is called on this side."""
    state = booking.state
    words = {
        State.REQUESTED: "Waiting for you" if for_lab else "Waiting for the lab",
        State.APPROVED: "Approved",
        State.IN_USE: f"Running until {_end(booking)}",
        State.COMPLETED: "Finished" if for_lab else "Done",
        State.NO_SHOW: "Did not come" if for_lab else "Not used",
        State.DECLINED: "Declined",
        State.WITHDRAWN: "Withdrawn",
        State.CANCELLED: "Cancelled late" if booking.late else "Cancelled",
        State.EXPIRED: "Lapsed",
    }
    return _KINDS.get(state, "done"), words[state]


def _end(booking: Booking) -> str:
    """When it ends; with the day, where that is not the day it began."""
    zone = booking.time_zone
    if day(booking.starts_at, zone) == day(booking.ends_at, zone):
        return clock(booking.ends_at, zone)
    return moment(booking.ends_at, zone)


def happened(line: BookingHistory, booking: Booking) -> str:
    """One line of history as a sentence."""
    by_clock, by_lab = line.actor_role is Party.SYSTEM, line.actor_role is Party.OPERATOR
    who = " by the lab" if by_lab else ""
    cancelled = "because the equipment was down" if by_clock else "by the lab" if by_lab else "by the booker"
    sentences = {
        State.REQUESTED: f"Requested by {booking.booker_name} for {booking.organisation_name}",
        State.APPROVED: "Approved at once: all rules are met" if by_clock else "Approved by the lab",
        State.DECLINED: "Declined by the lab",
        State.WITHDRAWN: "Withdrawn before the lab decided",
        State.EXPIRED: "Lapsed: nobody decided before the time began",
        State.CANCELLED: f"Cancelled {cancelled}" + (", after the deadline" if booking.late else ""),
        State.IN_USE: f"Checked in{who}",
        State.COMPLETED: "Ended at the planned time; nobody checked out" if by_clock else f"Checked out{who}",
        State.NO_SHOW: "Nobody came in time; the rest of the time was given free",
    }
    return sentences[line.state]


def reason_words(booking: Booking) -> str:
    """Why a request was declined, in the words of the short list."""
    try:
        return DECLINE_WORDS[DeclineReason(booking.reason_code)]
    except ValueError:
        return ""


def age(since: datetime, now: datetime) -> str:
    """`6 h`, `2 d`: how long ago, as short as it can be said."""
    hours = int((now - since).total_seconds() // 3600)
    if hours < 1:
        return "just now"
    return f"{hours} h" if hours < 48 else f"{hours // 24} d"
