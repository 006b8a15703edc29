"""Pages: my notices, what also comes by e-mail, and the administrator's list of deliveries."""

from __future__ import annotations

from itertools import groupby
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from flask import Blueprint, current_app, request
from marshmallow import EXCLUDE, ValidationError
from werkzeug.wrappers import Response

from services.notify import commands, queries
from services.notify.config import NotifyConfig
from services.notify.domain.wording import MAILED, NoticeKind
from services.notify.models import Notice
from services.notify.schemas import (
    NoticesQuery,
    PreferencesSchema,
    delivery_place,
    notice_cursor,
    notice_place,
)
from shared.auth import RoleName
from shared.formats import day
from shared.web.app import current_actor, snapshot, work
from shared.web.auth import require_login
from shared.web.pages import form_errors, redirect_to, render
from shared.web.paging import PageQuery, encode_cursor

blueprint = Blueprint("pages", __name__, template_folder="templates")
blueprint.before_request(require_login)

LOOKS = {  # the shape and colour beside a notice's words
    NoticeKind.REQUEST_SENT: "wait",
    NoticeKind.REQUEST_WAITING: "wait",
    NoticeKind.APPROVED: "ok",
    NoticeKind.BOOKED: "ok",
    NoticeKind.DECLINED: "stop",
    NoticeKind.WITHDRAWN: "done",
    NoticeKind.CANCELLED: "stop",
    NoticeKind.EXPIRED: "stop",
    NoticeKind.CHECKED_IN: "run",
    NoticeKind.COMPLETED: "done",
    NoticeKind.NO_SHOW: "stop",
}
OPERATORS_KINDS = frozenset({NoticeKind.REQUEST_WAITING, NoticeKind.BOOKED, NoticeKind.WITHDRAWN})
ROLE_WORDS = {
    RoleName.MEMBER: "a member of",
    RoleName.ORGANISATION_ADMIN: "an administrator of",
    RoleName.OPERATOR: "an operator of",
    RoleName.FACILITY_MANAGER: "a manager of",
}


@blueprint.context_processor
def _bell() -> dict[str, int]:
    """The number beside the bell; not known on the pages of other services."""
    with snapshot() as session:
        return {"unread": queries.unread_of(session, current_actor().id)}


@blueprint.get("/")
def mine() -> str:
    wanted = NoticesQuery(unknown=EXCLUDE).load(request.args)
    limit, unread = wanted["limit"], wanted["unread"]
    with snapshot() as session:
        found = queries.notices_of(
            session,
            current_actor().id,
            unread=unread,
            before=notice_place(wanted["cursor"]),
            limit=limit + 1,
        )
    shown = found[:limit]
    zone = _zone()
    days = [(name, list(group)) for name, group in groupby(shown, lambda notice: day(notice.told_at, zone))]
    return render(
        "notify/mine.html",
        days=days,
        looks=LOOKS,
        zone=zone.key,
        only_unread=unread,
        earlier=notice_cursor(shown[-1].told_at, shown[-1].id) if len(found) > limit else "",
        is_first=wanted["cursor"] is None,
    )


@blueprint.get("/notices/<uuid:notice_id>")
def open_notice(notice_id: UUID) -> Response:
    """Go to where the notice leads; whoever went there has read it."""
    with work() as uow:
        notice: Notice = commands.mark_read(uow, notice_id)
    return redirect_to(notice.path)


@blueprint.post("/read-all")
def read_all() -> Response:
    with work() as uow:
        commands.mark_all_read(uow)
    return redirect_to("/notify/")


@blueprint.get("/count")
def count() -> str:
    """The number for the bell of any page, as a fragment; nothing when there is nothing new."""
    return render("notify/_count.html")


@blueprint.get("/preferences")
def preferences() -> str:
    with snapshot() as session:
        wanted = queries.mail_wanted(session, current_actor().id)
    return _preferences(wanted, saved="saved" in request.args)


@blueprint.post("/preferences")
def choose() -> Response | tuple[str, int]:
    try:
        form = PreferencesSchema(unknown=EXCLUDE).load({"email": request.form.getlist("email")})
    except ValidationError as error:
        errors, status = form_errors(error)
        typed = frozenset(kind for kind in MAILED if kind in request.form.getlist("email"))
        return _preferences(typed, errors=errors), status
    with work() as uow:
        commands.choose_mail(uow, kinds=[NoticeKind(kind) for kind in form["email"]])
    return redirect_to("/notify/preferences?saved=1")


def _preferences(wanted: frozenset[NoticeKind], **more: Any) -> str:
    with snapshot() as session:
        places = queries.places_of(session, current_actor().id)
        person = queries.person(session, current_actor().id)
    return render(
        "notify/preferences.html",
        groups=[
            ("Your requests and bookings", _choices(frozenset(MAILED) - OPERATORS_KINDS)),
            ("Your lab", _choices(OPERATORS_KINDS)),
        ]
        if current_actor().facilities
        else [("Your requests and bookings", _choices(frozenset(MAILED) - OPERATORS_KINDS))],
        hidden_kinds=() if current_actor().facilities else sorted(wanted & OPERATORS_KINDS),
        wanted=wanted,
        address=person.email if person else current_actor().email,
        places=", ".join(f"{ROLE_WORDS[role]} {name}" for role, name in places),
        **more,
    )


def _choices(kinds: frozenset[NoticeKind]) -> list[tuple[NoticeKind, str]]:
    return [(kind, words) for kind, words in MAILED.items() if kind in kinds]


@blueprint.get("/deliveries")
def deliveries() -> str:
    current_actor().must_administer()
    wanted = PageQuery(unknown=EXCLUDE).load(request.args)
    limit = wanted["limit"]
    with snapshot() as session:
        found = queries.deliveries(session, before=delivery_place(wanted["cursor"]), limit=limit + 1)
        by_state = queries.mail_by_state(session)
    return render(
        "notify/deliveries.html",
        attempts=found[:limit],
        by_state=by_state,
        zone=_zone().key,
        earlier=encode_cursor(found[limit - 1].delivery.id) if len(found) > limit else "",
        is_first=wanted["cursor"] is None,
    )


def _zone() -> ZoneInfo:
    config = current_app.extensions["instance"].config
    assert isinstance(config, NotifyConfig)
    return ZoneInfo(config.time_zone)
