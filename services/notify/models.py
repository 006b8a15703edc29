"""Tables: what people are told and how far it got; what this service has heard of people and places."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import JSON, ForeignKey, Index, Text, UniqueConstraint, text
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, mapped_column

from services.notify.domain.delivery import Channel, NoticeState, Outcome, RecipientKind
from services.notify.domain.invitation import Invitation
from services.notify.domain.wording import NoticeKind, Wording
from shared.auth import RoleName
from shared.database import COLUMN_TYPES, Counter, new_metadata


class Base(MappedAsDataclass, DeclarativeBase):
    metadata = new_metadata()
    type_annotation_map = COLUMN_TYPES


class Person(Base, kw_only=True):
    """Replica: somebody who can be told things."""

    __tablename__ = "person"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    email: Mapped[str]
    language: Mapped[str]
    active: Mapped[bool]
    sequence: Mapped[int]


class PersonRole(Base, kw_only=True):
    """Replica: one role of a person, and where; how the operators of a facility are found."""

    __tablename__ = "person_role"
    __table_args__ = (Index("ix_person_role_scope_role", "scope", "role"),)

    person_id: Mapped[UUID] = mapped_column(ForeignKey("person.id"), primary_key=True)
    role: Mapped[RoleName] = mapped_column(primary_key=True)
    scope: Mapped[str] = mapped_column(primary_key=True)


class Organisation(Base, kw_only=True):
    """Replica: who people book for."""

    __tablename__ = "organisation"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    sequence: Mapped[int]


class Facility(Base, kw_only=True):
    """Replica: where things happen, and whom to write to where no operator is known."""

    __tablename__ = "facility"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    time_zone: Mapped[str]
    contact_email: Mapped[str]
    sequence: Mapped[int]


class Notice(Base, kw_only=True):
    """One thing told to one recipient by one way, because of one event; at most once.

    Until a facility's operators are known, a notice may be for whoever they will be.
    """

    __tablename__ = "notice"
    __table_args__ = (
        UniqueConstraint("event_id", "recipient_id", "channel"),
        Index("ix_notice_recipient_id_channel_told_at_id", "recipient_id", "channel", "told_at", "id"),
        Index("ix_notice_booking_id_sequence", "booking_id", "sequence"),
        Index(
            "ix_notice_due_at",
            "due_at",
            sqlite_where=text("due_at IS NOT NULL"),
            postgresql_where=text("due_at IS NOT NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default_factory=uuid4)
    event_id: Mapped[UUID]
    correlation_id: Mapped[UUID]
    booking_id: Mapped[UUID]
    sequence: Mapped[int]  # of the event, among those of the booking
    recipient_kind: Mapped[RecipientKind]
    recipient_id: Mapped[UUID]  # of a person or a facility
    channel: Mapped[Channel]
    kind: Mapped[NoticeKind]
    title: Mapped[str]
    lead: Mapped[str] = mapped_column(Text)
    facts: Mapped[list[list[str]]] = mapped_column(JSON)  # term and value
    next: Mapped[str] = mapped_column(Text)
    path: Mapped[str]
    to_booker: Mapped[bool]
    invitation: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True), default=None)
    told_at: Mapped[datetime]  # when it happened
    read_at: Mapped[datetime | None] = mapped_column(default=None)
    state: Mapped[NoticeState]
    due_at: Mapped[datetime | None] = mapped_column(default=None)  # None: nothing left to do
    attempts: Mapped[int] = mapped_column(default=0)
    settled_at: Mapped[datetime | None] = mapped_column(default=None)
    remark: Mapped[str] = mapped_column(default="")  # why it was not sent, for the administrator

    @property
    def wording(self) -> Wording:
        return Wording(
            kind=self.kind,
            title=self.title,
            lead=self.lead,
            facts=tuple((term, value) for term, value in self.facts),
            next=self.next,
            path=self.path,
        )

    @property
    def named_facts(self) -> list[dict[str, str]]:
        return [{"term": term, "value": value} for term, value in self.facts]

    @property
    def headline(self) -> str:
        """The one word or two that say what happened."""
        return self.title.partition(":")[0]

    @property
    def reference(self) -> str:
        """Of the booking it is about."""
        return self.path.rpartition("/")[2]

    @property
    def calendar_entry(self) -> Invitation | None:
        return Invitation.from_json(self.invitation) if self.invitation else None

    @property
    def is_read(self) -> bool:
        return self.read_at is not None


class Delivery(Base, kw_only=True):
    """One attempt to hand one mail to the mail server, and what it answered. Only ever added."""

    __tablename__ = "delivery"
    __table_args__ = (Index("ix_delivery_notice_id", "notice_id"),)

    id: Mapped[int] = mapped_column(Counter, primary_key=True, init=False, autoincrement=True)
    notice_id: Mapped[UUID] = mapped_column(ForeignKey("notice.id"))
    tried_at: Mapped[datetime]
    address: Mapped[str]
    outcome: Mapped[Outcome]
    code: Mapped[int | None]  # of the mail server; None: it did not answer
    detail: Mapped[str]


class MailChoice(Base, kw_only=True):
    """A person's wish not to have, or to have again, one kind of notice by e-mail too."""

    __tablename__ = "mail_choice"

    person_id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[NoticeKind] = mapped_column(primary_key=True)
    wanted: Mapped[bool]
