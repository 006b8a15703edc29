"""What booking refuses, beside the rules of a slot."""

from __future__ import annotations

from shared.errors import Conflict, Invalid, NotFound


class NoSuchEquipment(NotFound):
    code = "no-such-equipment"


class NoSuchFacility(NotFound):
    code = "no-such-facility"


class NoSuchBooking(NotFound):
    code = "no-such-booking"


class NoSuchDowntime(NotFound):
    code = "no-such-downtime"


class RulesBroken(Invalid):
    """What was asked breaks rules; `faults` names every one of them."""

    code = "rules-broken"


class SlotTaken(Conflict):
    """Every unit is taken for part of the slot or of its buffers."""

    code = "slot-taken"


class WrongState(Conflict):
    """The booking is not, or no longer, in a state from which this is possible."""

    code = "wrong-state"


class TooEarly(Conflict):
    code = "too-early"


class TooLate(Conflict):
    code = "too-late"


class EquipmentDown(Conflict):
    code = "equipment-down"


class OrganisationUnknown(Conflict):
    """The organisation was registered moments ago and is not known here yet."""

    code = "organisation-not-known-yet"


class OrganisationInactive(Conflict):
    code = "organisation-inactive"
