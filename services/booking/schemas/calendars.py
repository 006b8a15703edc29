"""A booking as an appointment that calendars take in (iCalendar, RFC 5545)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from icalendar import Calendar, Event

from services.booking.domain.states import State

_STATUS = {
    State.REQUESTED: "TENTATIVE",
    State.APPROVED: "CONFIRMED",
    State.IN_USE: "CONFIRMED",
    State.COMPLETED: "CONFIRMED",
}


def as_calendar(booking: Any, *, address: str, now: datetime) -> bytes:
    """The booking as a calendar of one appointment, times in UTC; `address` is the page of the booking."""
    event = Event()
    event.add("uid", f"{booking.id}@infrashare")
    event.add("sequence", booking.sequence)
    event.add("dtstamp", now)
    event.add("dtstart", booking.starts_at)
    event.add("dtend", booking.ends_at)
    event.add("summary", f"{booking.equipment_name}, {booking.facility_name}")
    event.add("location", booking.facility_name)
    event.add("description", f"Booking {booking.reference}: {booking.purpose}\n{address}")
    event.add("url", address)
    event.add("status", _STATUS.get(booking.state, "CANCELLED"))
    calendar = Calendar()
    calendar.add("prodid", "-//Infrashare//Bookings//EN")
    calendar.add("version", "2.0")
    calendar.add_component(event)
    text: bytes = calendar.to_ical()
    return text
