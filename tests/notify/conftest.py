"""A notify service at work, events for it to hear, and a real mail server with bad days."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from services.notify.app import SERVICE
from services.notify.domain.delivery import Channel
from services.notify.models import Delivery, Notice
from shared import events
from shared.auth import SYSTEM
from shared.contracts.access import PersonChanged
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
from shared.mailbox import Inbox, received_upto
from shared.service import Instance

NOW = datetime(2031, 5, 5, 9, 0, tzinfo=UTC)
STARTS = datetime(2031, 5, 12, 6, 0, tzinfo=UTC)  # 08:00 in Brno
ENDS = STARTS + timedelta(hours=4)

BOOKER, OPERATOR, SECOND_OPERATOR, FACILITY, ORGANISATION = (UUID(int=100 + n) for n in range(5))

EXTRAS: dict[type[BookingEvent], dict[str, Any]] = {
    BookingRequested: {"answer_due_at": NOW + timedelta(days=2)},
    BookingApproved: {"automatic": False},
    BookingDeclined: {"reason_code": "no-capacity", "reason": "The source is being exchanged."},
    BookingWithdrawn: {},
    BookingExpired: {},
    BookingCancelled: {"cancelled_by": "booker", "late": False, "reason": ""},
    BookingCheckedIn: {"used_from": STARTS},
    BookingCompleted: {"used_from": STARTS, "used_until": ENDS, "to_check": False},
    BookingNoShow: {"released_at": STARTS + timedelta(minutes=30)},
}


def booking_event(kind: type[BookingEvent], **changes: Any) -> Any:
    """An event of one and the same invented booking."""
    facts: dict[str, Any] = {
        "sequence": 1,
        "booking_id": UUID(int=77),
        "reference": "K7Q4-2M",
        "state": "requested",
        "equipment_id": UUID(int=88),
        "equipment_name": "Nano-CT 225 kV",
        "unit": 1,
        "facility_id": FACILITY,
        "facility_name": "Imaging Lab of Nowhere",
        "region_id": "south-moravia",
        "time_zone": "Europe/Prague",
        "booker_id": BOOKER,
        "organisation_id": ORGANISATION,
        "organisation_name": "Example Works",
        "organisation_kind": "company",
        "size_class": "small",
        "organisation_nuts": "CZ064",
        "starts_at": STARTS,
        "ends_at": ENDS,
        "requested_at": NOW,
        "purpose": "Look for pores in a printed bracket",
        "access_mode": "market",
        "price_cents": 26880,
        "currency": "EUR",
        "actor_role": "booker",
    }
    return kind(**(facts | EXTRAS[kind] | changes))


def person(person_id: UUID, *roles: str, **changes: Any) -> PersonChanged:
    facts: dict[str, Any] = {
        "sequence": 1,
        "person_id": person_id,
        "name": f"Person {person_id.int}",
        "email": f"person{person_id.int}@people.example",
        "language": "en",
        "active": True,
        "roles": roles,
    }
    return PersonChanged(**(facts | changes))


def facility(**changes: Any) -> FacilityChanged:
    facts: dict[str, Any] = {
        "sequence": 1,
        "facility_id": FACILITY,
        "name": "Imaging Lab of Nowhere",
        "host_id": uuid4(),
        "host_name": "Institute of Nowhere",
        "region_id": "south-moravia",
        "country": "CZ",
        "time_zone": "Europe/Prague",
        "holiday_subdivision": None,
        "contact_email": "lab@nowhere.example",
        "open": True,
    }
    return FacilityChanged(**(facts | changes))


@dataclass
class Notify:
    """The service under test, with the few things tests do to it."""

    instance: Instance
    mail: Path

    def hear(
        self,
        *heard: events.Event,
        actor: UUID = SYSTEM.id,
        time: datetime | None = None,
        ids: list[UUID] | None = None,
    ) -> list[UUID]:
        """Have these events arrive and be handled; their ids."""
        told_at = time or datetime.now(UTC)
        used: list[UUID] = []
        for place, each in enumerate(heard):
            source = each.type.partition(".")[0]
            with self.instance.snapshot() as session:
                position = received_upto(session).get(source, 0) + 1
            envelope = events.Envelope.wrap(
                each, source=source, time=told_at, actor=actor, correlation_id=uuid4(), causation_id=None
            )
            if ids:
                envelope = replace(envelope, id=ids[place])
            used.append(envelope.id)
            self.instance.accept([envelope.at(position)])
            while self.instance.react():
                pass
        with self.instance.snapshot() as session:
            failures = [row.last_error for row in session.query(Inbox) if row.last_error]
        assert not failures
        return used

    @property
    def notices(self) -> list[Notice]:
        with self.instance.snapshot() as session:
            return session.query(Notice).order_by(Notice.told_at, Notice.kind, Notice.channel).all()

    @property
    def mails(self) -> list[Notice]:
        return [notice for notice in self.notices if notice.channel is Channel.EMAIL]

    @property
    def deliveries(self) -> list[Delivery]:
        with self.instance.snapshot() as session:
            return session.query(Delivery).order_by(Delivery.id).all()

    def told(self) -> set[tuple[int, str, str]]:
        """Who was told what by which way."""
        return {(each.recipient_id.int, each.kind.value, each.channel.value) for each in self.notices}

    def letters(self) -> list[EmailMessage]:
        """What the file gateway kept, oldest first."""
        return [parsed(path.read_bytes()) for path in sorted(self.mail.glob("*.eml"))]


def parsed(content: bytes) -> EmailMessage:
    message = message_from_bytes(content, policy=default)
    assert isinstance(message, EmailMessage)
    return message


@pytest.fixture
def make_notify(make_instance: Callable[..., Instance], tmp_path: Path) -> Callable[..., Notify]:
    def make(**settings: Any) -> Notify:
        mail = tmp_path / "mail"
        chosen = {"smtp_url": f"file:{mail}", "public_url": "https://infrashare.example"} | settings
        return Notify(make_instance(SERVICE, **chosen), mail)

    return make


@pytest.fixture
def notify(make_notify: Callable[..., Notify]) -> Notify:
    return make_notify()


@pytest.fixture
def peopled(notify: Notify) -> Notify:
    """The booker, two operators and the facility are known."""
    notify.hear(
        person(BOOKER, f"member@{ORGANISATION}"),
        person(OPERATOR, f"operator@{FACILITY}"),
        person(SECOND_OPERATOR, f"facility_manager@{FACILITY}", f"operator@{FACILITY}"),
        facility(),
    )
    return notify


# --- a mail server with bad days


@dataclass
class MailServer:
    """What it shall do with the next mails, and what it took."""

    port: int = 0
    mode: str = "take"  # take, a code such as "451", "hang", "drop", "reject-recipient"
    taken: list[EmailMessage] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)
    connections: int = 0
    release: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    async def handle_EHLO(
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        self.connections += 1
        session.host_name = hostname
        return responses

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.mode == "reject-recipient":
            return "550 5.1.1 nobody of that name"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.mode.isdigit():
            return f"{self.mode} not today"
        assert isinstance(envelope.content, bytes)
        self.taken.append(parsed(envelope.content))
        self.recipients.append(list(envelope.rcpt_tos))
        if self.mode == "drop":  # it is kept here, but the other side never hears so
            assert isinstance(server.transport, asyncio.WriteTransport)
            server.transport.abort()
        if self.mode == "hang":
            await asyncio.get_running_loop().run_in_executor(None, self.release.wait, 20)
        return "250 taken"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    server = MailServer(port=free_port())
    controller = Controller(server, hostname="127.0.0.1", port=server.port, ready_timeout=10)
    controller.start()
    yield server
    server.release.set()
    controller.stop()
