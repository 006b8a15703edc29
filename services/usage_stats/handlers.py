"""What is done when another service tells something: keep it, and count anew what it changes."""

from __future__ import annotations

from services.usage_stats.commands import (
    learn_booking,
    learn_downtime,
    learn_equipment,
    learn_facility,
    learn_region,
    learn_timetable,
)
from shared.contracts.booking import (
    BookingApproved,
    BookingCancelled,
    BookingCheckedIn,
    BookingCompleted,
    BookingDeclined,
    BookingExpired,
    BookingNoShow,
    BookingRequested,
    BookingWithdrawn,
    DowntimeChanged,
    OpeningHoursChanged,
)
from shared.contracts.catalogue import EquipmentChanged, FacilityChanged, RegionChanged
from shared.service import Handlers

HANDLERS: Handlers = {
    RegionChanged: learn_region,
    FacilityChanged: learn_facility,
    EquipmentChanged: learn_equipment,
    OpeningHoursChanged: learn_timetable,
    DowntimeChanged: learn_downtime,
    BookingRequested: learn_booking,
    BookingApproved: learn_booking,
    BookingDeclined: learn_booking,
    BookingWithdrawn: learn_booking,
    BookingExpired: learn_booking,
    BookingCancelled: learn_booking,
    BookingCheckedIn: learn_booking,
    BookingCompleted: learn_booking,
    BookingNoShow: learn_booking,
}
