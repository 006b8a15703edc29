"""The page frame and its macros, rendered without any web framework."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import jinja2
import pytest
from markupsafe import Markup

from shared import formats
from shared.web import assets

TEMPLATES = assets.STATIC.with_name("templates")
HOSTILE = "<script>alert(1)</script>\"'&"
ADA = SimpleNamespace(name="Ada Example", signed_in=True)
VISITOR = SimpleNamespace(name="visitor", signed_in=False)
NAV = [
    SimpleNamespace(key="find", label="Find equipment", short="Find", href="/catalogue/find", icon="search", count=0),
    SimpleNamespace(key="inbox", label="Requests", short="", href="/booking/inbox", icon="inbox", count=8),
]


@pytest.fixture(scope="module")
def env() -> jinja2.Environment:
    """Strict: a page that forgets something fails here and not before a reader."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined
    )
    made.globals.update(assets.GLOBALS)
    made.filters.update(formats.FILTERS)
    return made


@pytest.fixture(scope="module")
def ui(env: jinja2.Environment) -> Any:
    return env.get_template("_macros.html").module


def page(env: jinja2.Environment, body: str = "", **context: Any) -> str:
    source = (
        '{% extends "base.html" %}{% block title %}My bookings{% endblock %}{% block main %}' + body + "{% endblock %}"
    )
    return env.from_string(source).render(**{"actor": ADA, "nav": NAV, "area": "inbox", "mount": "/booking"} | context)


def test_a_page_names_itself_and_where_the_reader_is(env: jinja2.Environment) -> None:
    html = page(env, "<h1>My bookings</h1>")
    assert "<title>My bookings – Infrashare</title>" in html
    assert html.count('<a href="/booking/inbox" aria-current="true">') == 2  # above, and in the bar of a phone
    assert '<a href="/booking/api/docs">API</a>' in html
    assert page(env, errors=[{"field": "", "code": "x", "detail": "No."}]).count("<title>Error: My bookings") == 1


def test_somebody_signed_in_can_sign_out_by_a_form(env: jinja2.Environment) -> None:
    html = page(env, unread=3)
    assert '<form method="post" action="/access/sign-out">' in html
    assert "/access/sign-in" not in html
    assert html.count('3<span class="vh"> new</span>') == 2


@pytest.mark.parametrize(
    ("path", "href"),
    [
        ("/booking/mine?state=approved", "/access/sign-in?next=/booking/mine%3Fstate%3Dapproved"),
        ("/catalogue/find?", "/access/sign-in?next=/catalogue/find"),
        ("/access/sign-in?next=/x", "/access/sign-in"),
    ],
)
def test_a_visitor_comes_back_after_signing_in(env: jinja2.Environment, path: str, href: str) -> None:
    request = SimpleNamespace(script_root="", full_path=path)
    html = page(env, actor=VISITOR, request=request)
    assert f'href="{href}"' in html
    assert "/access/sign-out" not in html


def test_a_service_under_a_prefix_counts_it_into_the_way_back(env: jinja2.Environment) -> None:
    request = SimpleNamespace(script_root="/booking", full_path="/mine?")
    assert "next=/booking/mine" in page(env, actor=VISITOR, request=request)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 410, 422, 429, 500, 503])
def test_every_refusal_has_a_page(env: jinja2.Environment, status: int) -> None:
    problem = {
        "status": status,
        "title": f"Refused {HOSTILE}",
        "detail": HOSTILE,
        "code": "refused",
        "correlation_id": "0198",
        "errors": [{"field": "x", "code": "y", "detail": HOSTILE}],
    }
    html = env.get_template("error.html").render(problem=problem)
    assert "<script>alert" not in html
    assert "0198" in html
    assert html.count("btn--go") == 1


def test_a_field_says_its_hint_and_all_its_errors(ui: Any) -> None:
    errors = [
        {"field": "email", "code": "a", "detail": "Say your e-mail address."},
        {"field": "other", "code": "b", "detail": "Not here."},
        {"field": "email", "code": "c", "detail": "It is too long."},
    ]
    html = ui.field("email", "E-mail", type="email", hint="Where the lab answers.", errors=errors, required=True)
    assert 'aria-describedby="f-email-hint f-email-error"' in html
    assert 'aria-invalid="true"' in html
    assert "Say your e-mail address. It is too long." in html
    assert "Not here" not in html
    assert "(optional)" not in html
    assert "(optional)" in ui.field("phone", "Telephone")


def test_error_summary_leads_to_the_fields(ui: Any) -> None:
    errors = [
        {"field": "starts_at", "code": "past", "detail": "The start is in the past."},
        {"field": "", "code": "closed", "detail": "The lab is closed."},
    ]
    html = ui.error_summary(errors, {"starts_at": "from"})
    assert "Two things to correct" in html
    assert '<a href="#f-from">The start is in the past.</a>' in html
    assert "One thing to correct" in ui.error_summary(errors[:1])
    assert ui.error_summary([]).strip() == ""


def test_choices_keep_what_was_chosen(ui: Any) -> None:
    html = ui.select("size", "Size", [("Small", [(1, "one"), (2, "two")]), (3, "three")], value="2", blank="Choose")
    assert re.findall(r"<option value=\"(\w*)\"( selected)?>", html) == [
        ("", ""),
        ("1", ""),
        ("2", " selected"),
        ("3", ""),
    ]
    html = ui.pick("mode", "Who runs it?", [("op", "An operator", "€35"), ("self", "We do")], value="self")
    assert re.findall(r'value="(\w+)"[^>]*(checked)', html) == [("self", "checked")]
    assert "checked" in ui.check("terms", "I accept", True)
    # the first line break after the tag is not part of the text
    assert ">\n\nPores" in ui.textarea("purpose", "Purpose", "\nPores")


def test_calendars_cut_blocks_to_what_is_shown(ui: Any) -> None:
    blocks = [
        {"s": 0, "e": 480, "kind": "closed"},
        {"s": 480, "e": 720, "kind": "free", "href": "/booking/request/1?from=480"},
        {"s": 1100, "e": 1440, "kind": "taken"},
        {"s": 1260, "e": 1440, "kind": "ok", "title": "Out of sight"},
    ]
    days = [{"date": "2026-11-26", "name": "Thu 26 Nov", "blocks": blocks}]
    grid, _, on_phones = ui.week(days, 430, 1140, zone="UTC+1").partition("week-list")
    assert "--a:420;--z:1140" in grid
    assert "--s:420;--e:480" in grid
    assert "--s:1100;--e:1140" in grid
    assert "Out of sight" not in grid
    assert 'href="/booking/request/1?from=480"' in grid
    assert "Thu 26 Nov Taken, 18:20 to 24:00" in grid
    assert "08:00–12:00" in on_phones
    timeline = ui.timeline([{"name": "Nano-CT", "blocks": blocks}], now=600)
    assert timeline.count('class="now"') == 2
    assert "Nano-CT Free, 08:00 to 12:00" in timeline


def test_words_are_told(ui: Any) -> None:
    start, end = datetime(2026, 11, 26, 7, tzinfo=UTC), datetime(2026, 11, 26, 11, tzinfo=UTC)
    html = ui.when(start, end, "Europe/Prague", "in Brno")
    assert html == (
        '<time class="num" datetime="2026-11-26T07:00:00+00:00">Thu 26 Nov 2026, 08:00–12:00</time> in Brno'
    )
    assert "€268.80" in ui.money(26880)
    assert "<svg" in ui.plate("sem")
    assert ui.plate("no such kind") == ui.plate("plain")


def test_asking_before_acting_works_as_a_plain_form(ui: Any) -> None:
    html = ui.confirm(
        "cancel",
        "Cancel booking EX-1?",
        "It frees the slot.",
        "/booking/EX-1/cancel",
        "Cancel booking",
        fields={"a": 1},
    )
    assert html.strip().startswith("<details")
    assert '<form method="post" action="/booking/EX-1/cancel">' in html
    assert '<input type="hidden" name="a" value="1">' in html


def test_every_macro_escapes_its_words(ui: Any) -> None:
    h = HOSTILE
    block = {"s": 480, "e": 720, "kind": "ok", "title": h, "text": h, "href": h}
    made = [
        ui.region(h, h),
        ui.state("ok", h),
        ui.subnav(h, [(h, h, h, 1)], h, h),
        ui.crumbs([(h, h), (h, "")]),
        ui.steps([h, h], 1),
        ui.pager(h, h, h, h, h),
        ui.note(h, "wait", h),
        ui.empty(h, h, h, h),
        ui.error_summary([{"field": h, "code": h, "detail": h}]),
        ui.field(h, h, h, h, h, h, attrs={"min": h}),
        ui.textarea(h, h, h, h, h),
        ui.select(h, h, [(h, h), (h, [(h, h)])], h, h, h),
        ui.check(h, h, True, h, h, h, count=h),
        ui.pick(h, h, [(h, h, h, h)], h, h, h),
        ui.hidden(h, h),
        ui.post_button(h, h, fields={h: h}, hint=h),
        ui.confirm("x", h, h, h, h, opener=h),
        ui.facts([(h, h)]),
        ui.table(h, [h], [[h, h]]),
        ui.figure("x", h, h, Markup("<svg></svg>"), Markup("<table></table>"), h),
        ui.reads([(h, h, h, h)]),
        ui.gauge(h, h, 10, 20, h),
        ui.legend([("ok", h)]),
        ui.week([{"name": h, "note": h, "blocks": [block]}]),
        ui.timeline([{"name": h, "href": h, "group": h, "state": ("ok", h), "blocks": [block]}], name=h, label=h),
    ]
    for html in made:
        assert "<script" not in html
        assert isinstance(html, Markup)
