"""Calendar files: one entry a booking, which a later file updates or removes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self
from uuid import UUID

from icalendar import Calendar, Event, vCalAddress, vText, vUri

from services.notify.domain.mail import clean


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """A slot as calendars have it. The same `booking_id` with a higher `sequence` replaces what was sent."""

    booking_id: UUID
    sequence: int
    starts_at: datetime
    ends_at: datetime
    summary: str
    location: str
    cancelled: bool

    def to_json(self) -> dict[str, Any]:
        return {
            "booking_id": str(self.booking_id),
            "sequence": self.sequence,
            "starts_at": self.starts_at.isoformat(),
            "ends_at": self.ends_at.isoformat(),
            "summary": self.summary,
            "location": self.location,
            "cancelled": self.cancelled,
        }

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> Self:
        moments = {name: datetime.fromisoformat(raw[name]) for name in ("starts_at", "ends_at")}
        return cls(**{**raw, **moments, "booking_id": UUID(raw["booking_id"])})

    def method(self, *, to_booker: bool) -> str:
        """How a calendar should take it.

        The booker's calendar is asked to enter it (REQUEST), already accepted, so that nobody is asked to
        answer; an operator is only informed (PUBLISH); both are told to remove it (CANCEL).
        """
        if self.cancelled:
            return "CANCEL"
        return "REQUEST" if to_booker else "PUBLISH"


def calendar_file(
    invitation: Invitation,
    *,
    to_booker: bool,
    attendee: str,
    organiser: str,
    host: str,
    stamped_at: datetime,
    url: str,
    description: str,
) -> bytes:
    """The iCalendar file of `invitation`. Times are UTC: a zone cannot say which 02:30 in October is meant."""
    entry = Event()
    entry.add("uid", f"booking-{invitation.booking_id}@{host}")
    entry.add("sequence", invitation.sequence)
    entry.add("dtstamp", stamped_at.astimezone(UTC))
    entry.add("dtstart", invitation.starts_at.astimezone(UTC))
    entry.add("dtend", invitation.ends_at.astimezone(UTC))
    entry.add("summary", vText(clean(invitation.summary)))
    entry.add("location", vText(clean(invitation.location)))
    entry.add("description", vText(clean(description, keep_lines=True)))
    entry.add("url", vUri(url))
    entry.add("status", "CANCELLED" if invitation.cancelled else "CONFIRMED")
    entry.add("transp", "OPAQUE")
    owner = vCalAddress(f"mailto:{organiser}")
    owner.params["CN"] = "Infrashare"
    entry.add("organizer", owner)
    if to_booker or invitation.cancelled:
        guest = vCalAddress(f"mailto:{attendee}")
        guest.params["PARTSTAT"] = "ACCEPTED"
        guest.params["RSVP"] = "FALSE"
        entry.add("attendee", guest)

    calendar = Calendar()
    calendar.add("prodid", "-//Infrashare//Bookings//EN")
    calendar.add("version", "2.0")
    calendar.add("method", invitation.method(to_booker=to_booker))
    calendar.add_component(entry)
    content: bytes = calendar.to_ical()
    return content
