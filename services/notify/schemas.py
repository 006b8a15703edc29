"""Shapes of notices, choices and deliveries, as they enter and leave."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from marshmallow import Schema, fields

from services.notify.domain.delivery import NoticeState, Outcome
from services.notify.domain.wording import MAILED, NoticeKind
from shared.errors import Fault, Invalid
from shared.fields import Choice
from shared.web.paging import PageQuery, decode_cursor, encode_cursor, page_schema

MailKind = StrEnum("MailKind", {kind.name: kind.value for kind in MAILED})  # type: ignore[misc]


class NoticesQuery(PageQuery):
    """Which of the caller's notices are wanted."""

    unread = fields.Boolean(load_default=False, metadata={"description": "Only those not read yet."})


class FactSchema(Schema):
    """One fact of a notice, such as when or why."""

    term = fields.String(required=True)
    value = fields.String(required=True)


class NoticeSchema(Schema):
    """One thing the caller was told."""

    id = fields.UUID(required=True)
    kind = fields.Enum(NoticeKind, by_value=True, required=True)
    title = fields.String(required=True)
    text = fields.String(attribute="lead", required=True, metadata={"description": "What happened."})
    next = fields.String(required=True, metadata={"description": "What happens next, or what to do."})
    facts = fields.List(fields.Nested(FactSchema), attribute="named_facts", required=True)
    booking_id = fields.UUID(required=True)
    path = fields.String(required=True, metadata={"description": "The page where to look or act."})
    told_at = fields.AwareDateTime(required=True)
    read_at = fields.AwareDateTime(required=True, allow_none=True)


NoticePageSchema = page_schema(NoticeSchema, unread=fields.Integer(required=True))


class ReadSchema(Schema):
    """How much was marked as read."""

    read = fields.Integer(required=True)


class PreferencesSchema(Schema):
    """The kinds of notices that also come by e-mail. The caller's page shows all kinds, always."""

    email = fields.List(Choice(MailKind), required=True)


class DeliverySchema(Schema):
    """One attempt to hand a mail to the mail server."""

    id = fields.Integer(attribute="delivery.id", required=True)
    notice_id = fields.UUID(attribute="notice.id", required=True)
    title = fields.String(attribute="notice.title", required=True)
    address = fields.String(attribute="delivery.address", required=True)
    tried_at = fields.AwareDateTime(attribute="delivery.tried_at", required=True)
    outcome = fields.Enum(Outcome, by_value=True, attribute="delivery.outcome", required=True)
    code = fields.Integer(
        attribute="delivery.code",
        required=True,
        allow_none=True,
        metadata={"description": "Of the mail server."},
    )
    detail = fields.String(attribute="delivery.detail", required=True)
    state = fields.Enum(
        NoticeState,
        by_value=True,
        attribute="notice.state",
        required=True,
        metadata={"description": "As it is now."},
    )
    next_try_at = fields.AwareDateTime(attribute="notice.due_at", required=True, allow_none=True)


DeliveryPageSchema = page_schema(DeliverySchema)


def notice_cursor(told_at: datetime, notice_id: UUID) -> str:
    return encode_cursor(told_at.isoformat(), str(notice_id))


def notice_place(cursor: str | None) -> tuple[datetime, UUID] | None:
    """Where a page of notices goes on. Raises `Invalid` for a cursor that was not given out."""
    if cursor is None:
        return None
    told_at, notice_id = decode_cursor(cursor, 2)
    try:
        place = datetime.fromisoformat(told_at), UUID(notice_id)
    except (TypeError, ValueError, AttributeError):
        raise _does_not_fit() from None
    if place[0].tzinfo is None:
        raise _does_not_fit()
    return place


def delivery_place(cursor: str | None) -> int | None:
    """Where a page of deliveries goes on. Raises `Invalid` for a cursor that was not given out."""
    if cursor is None:
        return None
    (delivery_id,) = decode_cursor(cursor, 1)
    if type(delivery_id) is not int or not 0 <= delivery_id < 2**63:
        raise _does_not_fit()
    return delivery_id


def _does_not_fit() -> Invalid:
    fault = Fault("bad-cursor", "Take the cursor from the answer before, unchanged.", "cursor")
    return Invalid("This cursor does not fit.", faults=[fault])
