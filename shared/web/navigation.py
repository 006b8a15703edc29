"""The main navigation: what a person with these roles finds where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import request

from shared.auth import ANONYMOUS, Actor
from shared.service import Instance


@dataclass(frozen=True, slots=True)
class Item:
    """One entry of the navigation."""

    key: str
    label: str
    href: str
    icon: str
    short: str = ""
    count: int = 0


FIND = Item("find", "Find equipment", "/catalogue/find", "search", "Find")
MINE = Item("mine", "My bookings", "/booking/mine", "calendar-check", "Bookings")
ORGANISATION = Item("organisation", "Company", "/access/organisation", "building-2", "Company")
INBOX = Item("inbox", "Operate", "/booking/inbox", "inbox", "Operate")
STATS = Item("stats", "Insights", "/stats/", "chart-column", "Insights")
ADMIN = Item("admin", "Admin", "/access/people", "settings", "Admin")

# Which item a page belongs to; the longest address that fits wins.
_AREAS = {
    "/": "find",
    "/catalogue": "find",
    "/booking/request": "find",
    "/booking": "mine",
    "/booking/inbox": "inbox",
    "/booking/downtime": "inbox",
    "/booking/terms": "inbox",
    "/access/organisation": "organisation",
    "/access/people": "admin",
    "/access/organisations": "admin",
    "/access": "",
    "/notify": "notices",
    "/notify/deliveries": "admin",
    "/stats": "stats",
} | {f"/{mount}/ops": "admin" for mount in ("access", "catalogue", "booking", "notify", "stats")}


def items(actor: Actor) -> list[Item]:
    """What `actor` sees, in the order of their work."""
    shown: list[Item] = []
    if actor.facilities:
        shown.append(INBOX)
    shown.append(FIND)
    if actor.organisations:
        shown += [MINE, ORGANISATION]
    shown.append(STATS)
    if actor.is_administrator:
        shown.append(ADMIN)
    return shown


def context(instance: Instance, actor: Actor | None) -> dict[str, Any]:
    """What every template may use."""
    actor = actor or ANONYMOUS
    fitting = [path for path in _AREAS if request.path == path or request.path.startswith(path.rstrip("/") + "/")]
    return {
        "actor": actor,
        "nav": items(actor),
        "area": _AREAS[max(fitting, key=len)] if fitting else "",
        "service": instance.service.name,
        "mount": instance.service.mount,
    }
