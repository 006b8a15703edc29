"""The JSON side: what the caller was told, what comes by e-mail, and how deliveries go."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from services.notify import commands, queries
from services.notify.domain.wording import NoticeKind
from services.notify.models import Notice
from services.notify.schemas import (
    DeliveryPageSchema,
    NoticePageSchema,
    NoticeSchema,
    NoticesQuery,
    PreferencesSchema,
    ReadSchema,
    delivery_place,
    notice_cursor,
    notice_place,
)
from shared.web.api import Blueprint
from shared.web.app import current_actor, snapshot, work
from shared.web.auth import require_login
from shared.web.paging import PageQuery, encode_cursor

notices = Blueprint("notices", __name__, url_prefix="/api/v1/notices", description="What you were told")
preferences = Blueprint(
    "preferences", __name__, url_prefix="/api/v1/preferences", description="What also comes by e-mail"
)
deliveries = Blueprint(
    "deliveries", __name__, url_prefix="/api/v1/deliveries", description="How the mail goes; administrators"
)
for _blueprint in (notices, preferences, deliveries):
    _blueprint.before_request(require_login)


@notices.get("")
@notices.takes(NoticesQuery, location="query")
@notices.gives(NoticePageSchema)
def mine(wanted: dict[str, Any]) -> dict[str, Any]:
    """List my notices, newest first"""
    actor, limit = current_actor(), wanted["limit"]
    with snapshot() as session:
        found = queries.notices_of(
            session,
            actor.id,
            unread=wanted["unread"],
            before=notice_place(wanted["cursor"]),
            limit=limit + 1,
        )
        unread = queries.unread_of(session, actor.id)
    items = found[:limit]
    following = notice_cursor(items[-1].told_at, items[-1].id) if len(found) > limit else None
    return {"items": items, "next": following, "unread": unread}


@notices.post("/<uuid:notice_id>/read")
@notices.gives(NoticeSchema)
def read(notice_id: UUID) -> Notice:
    """Mark one of my notices as read"""
    with work() as uow:
        return commands.mark_read(uow, notice_id)


@notices.post("/read-all")
@notices.gives(ReadSchema)
def read_all() -> dict[str, int]:
    """Mark all my notices as read"""
    with work() as uow:
        return {"read": commands.mark_all_read(uow)}


@preferences.get("")
@preferences.gives(PreferencesSchema)
def chosen() -> dict[str, list[NoticeKind]]:
    """Read which notices also come to me by e-mail"""
    with snapshot() as session:
        return {"email": sorted(queries.mail_wanted(session, current_actor().id))}


@preferences.put("")
@preferences.takes(PreferencesSchema)
@preferences.gives(PreferencesSchema)
def choose(wanted: dict[str, Any]) -> dict[str, list[NoticeKind]]:
    """Choose which notices also come to me by e-mail; the others stay on my page"""
    with work() as uow:
        kinds = commands.choose_mail(uow, kinds=[NoticeKind(kind) for kind in wanted["email"]])
    return {"email": sorted(kinds)}


@deliveries.get("")
@deliveries.takes(PageQuery, location="query")
@deliveries.gives(DeliveryPageSchema)
def attempts(wanted: dict[str, Any]) -> dict[str, Any]:
    """List attempts to deliver mail, newest first"""
    current_actor().must_administer()
    limit = wanted["limit"]
    with snapshot() as session:
        found = queries.deliveries(session, before=delivery_place(wanted["cursor"]), limit=limit + 1)
    items = found[:limit]
    return {"items": items, "next": encode_cursor(items[-1].delivery.id) if len(found) > limit else None}
