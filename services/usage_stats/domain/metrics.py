"""What the figures people read mean, and how they are made from sums of the figures of days."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum

from shared.errors import NotFound


class NoSuchMetric(NotFound):
    """Nothing is defined under this id."""

    code = "no-such-metric"


class Unit(StrEnum):
    HOURS = "h"
    PERCENT = "%"
    COUNT = ""


class Audience(StrEnum):
    """Who may read a metric of which groups."""

    EVERYBODY = "everybody"  # tells of equipment, not of those who use it
    LARGE_GROUPS = "large_groups"  # everybody, if enough organisations are behind it
    STAFF = "staff"  # funders, operators and administrators


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A figure people read, with all an auditor needs to make it anew.

    Numerator and denominator name figures of a day; one with a minus is taken away.
    """

    id: str
    name: str
    definition: str
    formula: str
    unit: Unit
    numerator: tuple[str, ...]
    denominator: tuple[str, ...] = ()
    audience: Audience = Audience.STAFF


def _hours(
    id_: str, name: str, definition: str, *figures: str, formula: str, audience: Audience = Audience.STAFF
) -> Metric:
    return Metric(
        id=id_,
        name=name,
        definition=definition,
        formula=formula,
        unit=Unit.HOURS,
        numerator=figures,
        audience=audience,
    )


def _count(id_: str, name: str, definition: str, audience: Audience = Audience.STAFF) -> Metric:
    return Metric(
        id=id_,
        name=name,
        definition=definition,
        formula="Number of bookings by the day their slot starts.",
        unit=Unit.COUNT,
        numerator=(id_,),
        audience=audience,
    )


_OPERATIONS = ("open", "used_outside")
_PRODUCTIVE = ("used_inside", "used_outside")

METRICS: tuple[Metric, ...] = (
    _hours(
        "calendar_hours",
        "Calendar hours",
        "All hours of the period, from one local midnight to the next, for every unit. A day on which the "
        "clock changes has 23 or 25.",
        "calendar",
        formula="length of the period × units",
        audience=Audience.EVERYBODY,
    ),
    _hours(
        "open_hours",
        "Opening hours",
        "Hours in which the lab offers the equipment, by the opening hours, holidays and closures that held "
        "on each day, from commissioning to decommissioning.",
        "open",
        formula="opening hours × units",
        audience=Audience.EVERYBODY,
    ),
    _hours(
        "planned_downtime_hours",
        "Planned downtime",
        "Opening hours lost to planned maintenance. Use recorded during maintenance counts as use, and a "
        "breakdown during maintenance as a breakdown.",
        "planned_downtime",
        formula="opening hours under maintenance − use − unplanned downtime",
        audience=Audience.EVERYBODY,
    ),
    _hours(
        "unplanned_downtime_hours",
        "Unplanned downtime",
        "Opening hours in which the equipment was out of order. It cannot be down while the lab is closed.",
        "unplanned_downtime",
        formula="opening hours out of order",
        audience=Audience.EVERYBODY,
    ),
    _hours(
        "available_hours",
        "Available hours",
        "Opening hours in which the equipment worked and could be used.",
        "available",
        formula="opening hours − planned downtime − unplanned downtime",
        audience=Audience.EVERYBODY,
    ),
    _hours(
        "booked_hours",
        "Booked hours",
        "Opening hours held by approved bookings that were not cancelled in time. Late cancellations and "
        "no-shows count, because they kept the slot from others; a slot booked again counts once.",
        "booked_inside",
        formula="union of the slots of approved bookings not cancelled in time, within opening hours",
        audience=Audience.LARGE_GROUPS,
    ),
    _hours(
        "booked_slot_hours",
        "Booked hours, whole slots",
        "As booked hours, with the parts of slots outside opening hours.",
        "booked_whole",
        formula="union of the slots of approved bookings not cancelled in time",
        audience=Audience.LARGE_GROUPS,
    ),
    _hours(
        "used_hours",
        "Used hours",
        "Opening hours in which the equipment was really in use, from check-in to check-out. Use recorded "
        "while the equipment was out of order is not counted.",
        "used_inside",
        formula="union of use within opening hours − unplanned downtime",
        audience=Audience.LARGE_GROUPS,
    ),
    _hours(
        "used_out_of_hours",
        "Used out of hours",
        "Use outside opening hours.",
        "used_outside",
        formula="union of use − opening hours",
        audience=Audience.LARGE_GROUPS,
    ),
    _hours(
        "productive_hours",
        "Productive hours",
        "All use, in and out of opening hours (the productive state of SEMI E10).",
        *_PRODUCTIVE,
        formula="used hours + used out of hours",
        audience=Audience.LARGE_GROUPS,
    ),
    _hours(
        "occupied_hours",
        "Occupied hours",
        "Opening hours in which at least one unit was in use, however many there are.",
        "occupied",
        formula="union of use over all units, within opening hours − unplanned downtime",
    ),
    _hours(
        "booked_unused_hours",
        "Booked, not used",
        "Available hours that were booked and in which nobody used the equipment.",
        "booked_unused",
        formula="(booked hours ∩ available hours) − use",
        audience=Audience.LARGE_GROUPS,
    ),
    _hours(
        "free_hours",
        "Free hours",
        "Available hours that were neither booked nor used.",
        "available",
        "-used_inside",
        "-booked_unused",
        formula="available hours − used hours − booked, not used",
        audience=Audience.LARGE_GROUPS,
    ),
    _hours(
        "lost_to_downtime_hours",
        "Lost to downtime",
        "Booked hours that fell into downtime.",
        "lost_to_downtime",
        formula="booked hours ∩ (planned downtime + unplanned downtime)",
    ),
    _hours(
        "no_show_hours",
        "No-show hours",
        "Opening hours held by bookings to which nobody came.",
        "no_show",
        formula="union of the slots of no-shows, within opening hours",
    ),
    _hours(
        "cancelled_hours",
        "Cancelled hours",
        "Opening hours of approved bookings that were cancelled, by whomever and whenever.",
        "cancelled",
        formula="union of the slots of cancelled bookings, within opening hours",
    ),
    _hours(
        "overrun_hours",
        "Overrun",
        "Use that went on after the slot had ended.",
        "overrun",
        formula="sum of use after the end of its slot",
    ),
    _hours(
        "early_release_hours",
        "Released early",
        "Ends of slots handed back unused, of 15 minutes and more.",
        "early_release",
        formula="sum of the rest of the slot after check-out, if 15 minutes or more",
    ),
    _hours(
        "used_while_down_hours",
        "Use recorded while down",
        "Use recorded in opening hours while the equipment was out of order. It counts as downtime; somebody "
        "should look at these records.",
        "used_while_down",
        formula="use ∩ unplanned downtime",
    ),
    _hours(
        "booked_ahead_hours",
        "Booked ahead",
        "Hours of approved bookings that have not begun: the part of the period that is still to come. They "
        "are in no other figure.",
        "booked_ahead",
        formula="sum of the slots of approved bookings after now",
    ),
    _count("requests", "Requests", "Bookings asked for, whatever became of them.", Audience.LARGE_GROUPS),
    _count(
        "approved",
        "Approved",
        "Bookings that were approved at some time, by a person or by the rules.",
        Audience.LARGE_GROUPS,
    ),
    _count("declined", "Declined", "Requests the lab refused."),
    _count("withdrawn", "Withdrawn", "Requests taken back before the lab decided."),
    _count("expired", "Expired", "Requests nobody decided before the slot began."),
    _count("cancelled_in_time", "Cancelled in time", "Approved bookings the booker cancelled before the deadline."),
    _count("cancelled_late", "Cancelled late", "Approved bookings the booker cancelled after the deadline."),
    _count(
        "cancelled_by_operator",
        "Cancelled by the lab",
        "Approved bookings the lab cancelled. They are not counted against the booker.",
    ),
    _count("no_shows", "No-shows", "Approved bookings to which nobody came in time."),
    _count("completed", "Completed", "Bookings that were used and ended."),
    _count("bookings_ahead", "Bookings ahead", "Approved bookings that have not begun."),
    _count("requests_ahead", "Requests waiting", "Requests for slots to come that the lab has not decided."),
    Metric(
        id="booking_rate",
        name="Booking rate",
        definition="Share of the available hours that was booked. Booked hours lost to downtime are left out.",
        formula="(booked hours − lost to downtime) ÷ available hours",
        unit=Unit.PERCENT,
        numerator=("booked_inside", "-lost_to_downtime"),
        denominator=("available",),
        audience=Audience.LARGE_GROUPS,
    ),
    Metric(
        id="utilisation",
        name="Utilisation",
        definition="Share of the available hours in which the equipment was really in use. By size class: "
        "the share that organisations of this class used.",
        formula="used hours ÷ available hours",
        unit=Unit.PERCENT,
        numerator=("used_inside",),
        denominator=("available",),
        audience=Audience.LARGE_GROUPS,
    ),
    Metric(
        id="realised_share",
        name="Realised share",
        definition="Share of the booked slots, also outside opening hours, in which they were used.",
        formula="use within its own slot ÷ booked hours of whole slots",
        unit=Unit.PERCENT,
        numerator=("realised",),
        denominator=("booked_whole",),
        audience=Audience.LARGE_GROUPS,
    ),
    Metric(
        id="no_show_rate",
        name="No-show rate",
        definition="Share of the bookings that stood when their slot began to which nobody came.",
        formula="no-shows ÷ (approved − cancelled in time − cancelled by the lab)",
        unit=Unit.PERCENT,
        numerator=("no_shows",),
        denominator=("approved", "-cancelled_in_time", "-cancelled_by_operator"),
        audience=Audience.LARGE_GROUPS,
    ),
    Metric(
        id="cancellation_rate",
        name="Cancellation rate",
        definition="Share of the approved bookings that the booker cancelled, in time or late. Requests "
        "declined or withdrawn before approval are not cancellations.",
        formula="(cancelled in time + cancelled late) ÷ approved",
        unit=Unit.PERCENT,
        numerator=("cancelled_in_time", "cancelled_late"),
        denominator=("approved",),
        audience=Audience.LARGE_GROUPS,
    ),
    Metric(
        id="late_cancellation_rate",
        name="Late cancellation rate",
        definition="Share of the approved bookings that the booker cancelled after the deadline of the equipment.",
        formula="cancelled late ÷ approved",
        unit=Unit.PERCENT,
        numerator=("cancelled_late",),
        denominator=("approved",),
    ),
    Metric(
        id="lab_cancellation_rate",
        name="Cancellation rate of the lab",
        definition="Share of the approved bookings that the lab cancelled.",
        formula="cancelled by the lab ÷ approved",
        unit=Unit.PERCENT,
        numerator=("cancelled_by_operator",),
        denominator=("approved",),
    ),
    Metric(
        id="approval_rate",
        name="Approval rate",
        definition="Share of the decided requests that was approved. Requests that were withdrawn or expired "
        "were not decided.",
        formula="approved ÷ (approved + declined)",
        unit=Unit.PERCENT,
        numerator=("approved",),
        denominator=("approved", "declined"),
        audience=Audience.LARGE_GROUPS,
    ),
    Metric(
        id="uptime",
        name="Uptime of opening hours",
        definition="Share of the opening hours in which the equipment worked.",
        formula="available hours ÷ opening hours",
        unit=Unit.PERCENT,
        numerator=("available",),
        denominator=("open",),
        audience=Audience.EVERYBODY,
    ),
    Metric(
        id="operational_uptime",
        name="Operational uptime (SEMI E10)",
        definition="Share of the operations time in which the equipment worked. Operations time is the opening "
        "hours and the use outside them.",
        formula="(operations time − downtime) ÷ operations time",
        unit=Unit.PERCENT,
        numerator=("available", "used_outside"),
        denominator=_OPERATIONS,
        audience=Audience.LARGE_GROUPS,
    ),
    Metric(
        id="operational_utilisation",
        name="Operational utilisation (SEMI E10)",
        definition="Share of the operations time in which the equipment was in use.",
        formula="productive hours ÷ operations time",
        unit=Unit.PERCENT,
        numerator=_PRODUCTIVE,
        denominator=_OPERATIONS,
        audience=Audience.LARGE_GROUPS,
    ),
    Metric(
        id="total_utilisation",
        name="Total utilisation (SEMI E10)",
        definition="Share of all calendar hours in which the equipment was in use.",
        formula="productive hours ÷ calendar hours",
        unit=Unit.PERCENT,
        numerator=_PRODUCTIVE,
        denominator=("calendar",),
        audience=Audience.LARGE_GROUPS,
    ),
)

_BY_ID = {metric.id: metric for metric in METRICS}


def metric(metric_id: str) -> Metric:
    """Raises `NoSuchMetric`."""
    try:
        return _BY_ID[metric_id]
    except KeyError:
        raise NoSuchMetric("There is no such definition.") from None


Sums = Mapping[str, int]
Value = float | int | None

_CENT, _TENTH, _HOUR = Decimal("0.01"), Decimal("0.1"), Decimal(3600)
_COUNTED = frozenset(figure for each in METRICS if each.unit is Unit.COUNT for figure in each.numerator)


def _sum(figures: Iterable[str], sums: Sums, *, published: bool) -> Decimal:
    """In seconds or bookings, or, if `published`, in hours as they are shown."""
    result = Decimal(0)
    for figure in figures:
        name = figure.removeprefix("-")
        amount = Decimal(sums.get(name, 0))
        if published and name not in _COUNTED:
            amount = (amount / _HOUR).quantize(_CENT, ROUND_HALF_UP)
        result += -amount if figure.startswith("-") else amount
    return result


def measure(wanted: Metric, sums: Sums, *, published: bool = False) -> Value:
    """The metric from sums of figures, rounded for reading; None where it does not apply.

    Rates are ratios of sums, so equipment that was open longer weighs more. Those of a table that is
    `published` are made from its rounded hours, so that any reader can make them again.
    """
    if wanted.unit is Unit.COUNT:
        return int(_sum(wanted.numerator, sums, published=False))
    if wanted.unit is Unit.HOURS:
        hours = _sum(wanted.numerator, sums, published=False) / _HOUR
        return float(hours.quantize(_CENT, ROUND_HALF_UP))
    below = _sum(wanted.denominator, sums, published=published)
    if below <= 0:
        return None
    ratio = _sum(wanted.numerator, sums, published=published) / below
    return float((ratio * 100).quantize(_TENTH, ROUND_HALF_UP))


def measures(sums: Sums) -> dict[str, Value]:
    """Every metric of a group by its id."""
    return {each.id: measure(each, sums) for each in METRICS}


PUBLISHED = tuple(each for each in METRICS if each.audience is not Audience.STAFF)


def published_measures(sums: Sums, *, suppressed: bool) -> dict[str, Value]:
    """What the public reads of a group; of one that is `suppressed` only what tells nothing of use."""
    return {
        each.id: None if suppressed and each.audience is not Audience.EVERYBODY else measure(each, sums, published=True)
        for each in PUBLISHED
    }
