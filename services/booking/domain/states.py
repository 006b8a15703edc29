"""The states of a booking and the one table of the ways between them.

Commands, pages and tests read this table; nothing else in the service decides who may do what when.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from services.booking.domain.refusals import WrongState
from shared.errors import Forbidden


class State(StrEnum):
    REQUESTED = "requested"
    APPROVED = "approved"
    IN_USE = "in_use"
    COMPLETED = "completed"
    NO_SHOW = "no_show"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"
    CANCELLED = "cancelled"
    EXPIRED = "expired"

    @property
    def holds_slot(self) -> bool:
        """Whether nobody else can have the slot."""
        return self in SLOT_HOLDING

    @property
    def is_over(self) -> bool:
        """Whether nothing more can happen to such a booking."""
        return not any(way.source is self for way in TRANSITIONS)


# The database refuses overlaps between these. Those we do not use yet stand here because a constraint
# over years of bookings is not something to rebuild for a new state.
SLOT_HOLDING = (
    "held",
    "requested",
    "info_needed",
    "counter_offered",
    "offered",
    "approved_conditional",
    "approved",
    "in_use",
)


class Party(StrEnum):
    """On whose behalf a transition is made."""

    BOOKER = "booker"  # whoever asked, or an administrator of their organisation
    OPERATOR = "operator"  # of the facility
    SYSTEM = "system"  # the clock


class Act(StrEnum):
    REQUEST = "request"
    APPROVE = "approve"
    DECLINE = "decline"
    WITHDRAW = "withdraw"
    CANCEL = "cancel"
    CHECK_IN = "check-in"
    CHECK_OUT = "check-out"
    NO_SHOW = "no-show"
    EXPIRE = "expire"


@dataclass(frozen=True, slots=True)
class Transition:
    """One way from one state to another."""

    act: Act
    source: State | None  # None: there was no booking before
    target: State
    parties: frozenset[Party]
    event: str  # type of the event that tells of it


def _way(act: Act, source: State | None, target: State, event: str, *parties: Party) -> Transition:
    return Transition(act, source, target, frozenset(parties), f"booking.{event}.v1")


_BOOKER, _OPERATOR, _SYSTEM = Party
TRANSITIONS = (
    _way(Act.REQUEST, None, State.REQUESTED, "requested", _BOOKER),
    _way(Act.APPROVE, State.REQUESTED, State.APPROVED, "approved", _OPERATOR, _SYSTEM),
    _way(Act.DECLINE, State.REQUESTED, State.DECLINED, "declined", _OPERATOR),
    _way(Act.WITHDRAW, State.REQUESTED, State.WITHDRAWN, "withdrawn", _BOOKER),
    _way(Act.EXPIRE, State.REQUESTED, State.EXPIRED, "expired", _SYSTEM),
    _way(Act.CANCEL, State.APPROVED, State.CANCELLED, "cancelled", _BOOKER, _OPERATOR, _SYSTEM),
    _way(Act.CHECK_IN, State.APPROVED, State.IN_USE, "checked_in", _BOOKER, _OPERATOR),
    _way(Act.NO_SHOW, State.APPROVED, State.NO_SHOW, "no_show", _OPERATOR, _SYSTEM),
    _way(Act.CHECK_OUT, State.IN_USE, State.COMPLETED, "completed", _BOOKER, _OPERATOR, _SYSTEM),
)

_DONE = {
    Act.REQUEST: "requested",
    Act.APPROVE: "approved",
    Act.DECLINE: "declined",
    Act.WITHDRAW: "withdrawn",
    Act.CANCEL: "cancelled",
    Act.CHECK_IN: "checked in",
    Act.CHECK_OUT: "checked out",
    Act.NO_SHOW: "recorded as not used",
    Act.EXPIRE: "let lapse",
}

STATE_WORDS = {
    State.REQUESTED: "waiting for the lab",
    State.APPROVED: "approved",
    State.IN_USE: "in use",
    State.COMPLETED: "over",
    State.NO_SHOW: "recorded as not used",
    State.DECLINED: "declined",
    State.WITHDRAWN: "withdrawn",
    State.CANCELLED: "cancelled",
    State.EXPIRED: "lapsed",
}


def transition(act: Act, state: State | None) -> Transition:
    """The way `act` takes from `state`. Raises `WrongState` if there is none."""
    for way in TRANSITIONS:
        if way.act is act and way.source is state:
            return way
    if state is None:
        raise WrongState("There is no such booking yet.")
    already = any(way.act is act and way.target is state for way in TRANSITIONS)
    said = f"already {STATE_WORDS[state]}" if already else f"{STATE_WORDS[state]} and cannot be {_DONE[act]}"
    raise WrongState(f"This booking is {said}.", state=state.value, act=act.value)


def acting_as(act: Act, parties: Iterable[Party]) -> Party:
    """Which of their `parties` somebody does this as: rather as the booker than as the operator.

    Raises `Forbidden` if none of them may, whatever the state.
    """
    allowed = frozenset(party for way in TRANSITIONS if way.act is act for party in way.parties)
    for party in Party:
        if party in allowed and party in parties:
            return party
    who = "the lab" if Party.OPERATOR in allowed else "whoever booked" if Party.BOOKER in allowed else "the clock"
    raise Forbidden(f"Only {who} can do this.")


def acts_open_to(state: State, parties: Iterable[Party]) -> tuple[Act, ...]:
    """What somebody may do with a booking in `state`, as far as state and role go."""
    mine = frozenset(parties)
    return tuple(way.act for way in TRANSITIONS if way.source is state and way.parties & mine)


class AccessMode(StrEnum):
    """On what grounds access is given (European Charter for Access to Research Infrastructures)."""

    MARKET = "market"  # paid at market price
    EXCELLENCE = "excellence"  # for the quality of the proposal
    WIDE = "wide"  # open to all within the facility's mission


class DeclineReason(StrEnum):
    """Why a facility refuses; counted in reports."""

    NO_CAPACITY = "no_capacity"
    NOT_POSSIBLE = "not_possible"
    SAFETY = "safety"
    POLICY = "policy"
    OTHER = "other"


DECLINE_WORDS = {
    DeclineReason.NO_CAPACITY: "No capacity in time",
    DeclineReason.NOT_POSSIBLE: "Not technically possible here",
    DeclineReason.SAFETY: "Safety or materials rule",
    DeclineReason.POLICY: "Outside our access policy",
    DeclineReason.OTHER: "Another reason",
}


class DowntimeKind(StrEnum):
    PLANNED = "planned"  # maintenance, calibration
    UNPLANNED = "unplanned"  # broken
