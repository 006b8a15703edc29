"""The pages as people meet them, in a real browser: with and without script, by keyboard, on a phone, in the dark."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urldefrag, urljoin, urlsplit

import pytest
import requests
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect, sync_playwright

from deploy import programs
from deploy.journey import Journey, Person, System, embedded, eventually
from deploy.journey import expect as answered
from tests.conftest import IN_CI

WIDE, PHONE, NARROWEST = {"width": 1440, "height": 900}, {"width": 390, "height": 844}, {"width": 320, "height": 640}
COLOURS = {"runOnly": ["color-contrast"]}  # all that differs in the dark
MOST_TABS = 400


@dataclass(frozen=True)
class Lab:
    """A running system in which a lab has an instrument, and a firm has used it once."""

    system: System
    journey: Journey
    slug: str

    @property
    def administrator(self) -> Person:
        return self.system.administrator

    @property
    def instrument(self) -> str:
        return str(self.journey.equipment["name"])

    @property
    def request_page(self) -> str:
        return f"/booking/request/{self.journey.equipment['id']}"


@dataclass
class Tab:
    """A page of somebody's browser; what the browser complained about is kept."""

    page: Page
    system: System
    complaints: list[str] = field(default_factory=list)

    def go(self, path: str) -> Page:
        """Open a page and wait for the parts it fetches."""
        self.page.goto(self.system.locate(path))
        self.page.locator(".htmx-request").first.wait_for(state="detached")
        return self.page

    def sign_in(self, person: Person) -> None:
        self.page.get_by_label("E-mail address").fill(person.email)
        self.page.get_by_label("Password").fill(person.password)
        self.page.locator("main").get_by_role("button", name="Sign in").click()
        self.page.wait_for_load_state()


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with embedded() as (system, mails):
        journey = Journey(system, mails)
        journey.run()
        equipment = f"/api/v1/equipment/{journey.equipment['id']}"
        rules = {"granularity_minutes": 30, "lead_minutes": 24 * 60, "min_minutes": 60, "max_minutes": 480}
        answered(system.call(journey.operator, "PUT", f"/booking{equipment}/rules", json=rules), 200)
        slug = answered(system.call(None, "GET", f"/catalogue{equipment}"), 200)["slug"]
        yield Lab(system, journey, slug)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    try:
        program = programs.chromium_program()
    except programs.Missing as missing:
        if IN_CI:
            pytest.fail(str(missing))
        pytest.skip(str(missing))
    options = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(program), args=options)
        yield chromium
        chromium.close()


Opener = Callable[..., Tab]


@pytest.fixture
def open_tab(browser: Browser, lab: Lab) -> Iterator[Opener]:
    """A browser of one's own: `open_tab(person, script=False)`. In the end nothing may have gone wrong in any."""
    contexts: list[BrowserContext] = []
    tabs: list[Tab] = []

    def open_(person: Person | None = None, *, script: bool = True, **settings: Any) -> Tab:
        context = browser.new_context(java_script_enabled=script, reduced_motion="reduce", **settings)
        contexts.append(context)
        tab = Tab(context.new_page(), lab.system)
        tabs.append(tab)
        _listen(tab)
        if person is not None:
            tab.go("/access/sign-in")
            tab.sign_in(person)
        return tab

    yield open_
    for context in contexts:
        context.close()
    assert [complaint for tab in tabs for complaint in tab.complaints] == []


def _listen(tab: Tab) -> None:
    """Errors of scripts, breaches of the content policy and answers that failed end up in the complaints."""

    def said(message: Any) -> None:
        if message.type in ("error", "warning"):
            tab.complaints.append(f"{message.text} at {tab.page.url}")

    def failed(response: Any) -> None:
        if response.status >= 400:
            tab.complaints.append(f"{response.status} {response.url}")

    tab.page.on("console", said)
    tab.page.on("response", failed)
    tab.page.on("pageerror", lambda error: tab.complaints.append(str(error)))


# --- the main job


def _find(tab: Tab, lab: Lab) -> None:
    """From the start page to the page of the instrument."""
    page = tab.go("/")
    page.get_by_label("What do you want to find out or do?").fill(f"pores {lab.journey.mark}")
    page.get_by_role("button", name="Find").click()
    expect(page.get_by_role("heading", name="1 instrument")).to_be_visible()
    page.get_by_role("link", name=lab.instrument, exact=True).click()
    expect(page.get_by_role("heading", name=lab.instrument, level=1)).to_be_visible()


def _register(page: Page, lab: Lab, mark: str) -> None:
    page.get_by_label("Your name").fill("Ida Example")
    page.get_by_label("E-mail address").fill(f"ida-{mark}@example-works.example")
    page.get_by_label("Password").fill("a sentence that is long enough")
    page.get_by_label("Name", exact=True).fill(f"Example Works {mark} s.r.o.")
    page.get_by_label("Country").select_option("CZ")
    page.get_by_label("Region code (NUTS)").fill("CZ064")
    page.get_by_role("button", name="Create account").click()
    page.wait_for_load_state()
    assert urlsplit(page.url).path == lab.request_page
    eventually(lambda: _has(page, "#f-purpose"), "booking knows the firm")


def _has(page: Page, selector: str) -> bool:
    """Whether it is on the page now; looks again at the page as it is, where it is not."""
    if page.locator(selector).count():
        return True
    page.reload()
    return False


def _next_week(page: Page) -> None:
    shown = page.locator("[aria-label=Weeks] [aria-current]").inner_text()
    page.get_by_role("link", name="Week after").click()
    expect(page.locator("[aria-label=Weeks] [aria-current]")).not_to_have_text(shown)


def _send(page: Page, purpose: str) -> str:
    """Send what is chosen, and return the reference of the request."""
    page.get_by_label("What do you want to find out?").fill(purpose)
    page.get_by_role("button", name="Send request").click()
    expect(page.get_by_text("Request sent.")).to_be_visible()
    return urlsplit(page.url).path.rpartition("/")[2]


def _read_notice(tab: Tab, reference: str) -> None:
    """The notice of the approval, and where it leads."""
    page = tab.go("/notify/")
    notice = page.locator("li", has=page.get_by_text("Approved")).filter(has_text=reference)
    eventually(lambda: notice.count() or page.reload(), "the firm is told")
    notice.get_by_role("link").click()
    expect(page.get_by_role("heading", name="Approved", level=2)).to_be_visible()
    assert urlsplit(page.url).path == f"/booking/{reference}"


def _read_figures(tab: Tab, at_least: int) -> None:
    """The funder's page counts what is booked from now on."""

    def counted() -> bool:
        page = tab.go("/stats/")
        found = re.search(r"in (\d+) bookings?, and", page.locator("main").inner_text())
        return found is not None and int(found[1]) >= at_least

    eventually(counted, "the figures count the booking")


def test_the_main_job_with_script(lab: Lab, open_tab: Opener) -> None:
    tab = open_tab()
    _find(tab, lab)
    page = tab.page
    expect(page.get_by_role("heading", name="Next free times")).to_be_visible()
    page.get_by_role("link", name="Register").click()
    _register(page, lab, lab.journey.mark)
    page.get_by_label("What do you want to find out?").fill("Kept while choosing")
    _next_week(page)
    page.locator("a.blk--free").first.click()
    expect(page.get_by_text("Checked: all rules are met")).to_be_visible()
    expect(page.locator("#request-sum")).to_contain_text("€265.00")
    expect(page.get_by_label("What do you want to find out?")).to_have_value("Kept while choosing")
    reference = _send(page, "Cracks in a printed bracket")

    operator = open_tab(lab.journey.operator)
    assert urlsplit(operator.page.url).path == "/booking/inbox"
    operator.page.locator(f".req a[href*='{reference}']").click()
    expect(operator.page.get_by_text("Cracks in a printed bracket")).to_be_visible()
    operator.page.get_by_role("button", name="Approve").click()
    expect(operator.page.get_by_text("Approved. They are told.")).to_be_visible()

    _read_notice(tab, reference)
    _read_figures(open_tab(lab.journey.funder), at_least=2)


def test_the_main_job_without_script(lab: Lab, open_tab: Opener) -> None:
    tab = open_tab(script=False)
    _find(tab, lab)
    page = tab.page
    page.get_by_role("link", name="See free times and ask for a slot").click()
    _next_week(page)
    page.locator("a.blk--free").last.click()
    page.get_by_role("link", name="Sign in to request").click()
    tab.sign_in(lab.journey.firm)
    assert urlsplit(page.url).path == lab.request_page
    expect(page.get_by_text("Checked: all rules are met")).to_be_visible()  # the time taken before is kept
    reference = _send(page, "Pores in a housing")

    operator = open_tab(lab.journey.operator, script=False)
    operator.page.locator(f".req a[href*='{reference}']").click()
    operator.page.get_by_role("button", name="Approve").click()
    expect(operator.page.get_by_text("Approved. They are told.")).to_be_visible()

    _read_notice(tab, reference)
    _read_figures(open_tab(lab.journey.funder, script=False), at_least=2)
    page.get_by_text("Cancel booking").first.click()
    page.locator("#c-cancel").get_by_role("button", name="Cancel booking").click()
    expect(page.get_by_text("Cancelled. The time is free again.")).to_be_visible()


def test_the_form_begins_with_a_slot_that_keeps_the_rules(lab: Lab, open_tab: Opener) -> None:
    """However long the notice and however short the hours: the first week shown has something to take."""
    call, operator = lab.system.call, lab.journey.operator
    record = {"facility_id": lab.journey.facility["id"], "name": "Kiln of Wednesdays", "kind": "imaging-system"}
    made = answered(call(operator, "POST", "/catalogue/api/v1/equipment", json=record | {"units": 1}), 201)
    path = f"/booking/api/v1/equipment/{made['id']}"
    eventually(lambda: call(None, "GET", f"{path}/rules").ok, "booking knows the instrument")
    weekly = [{"weekday": 2, "opens": "09:00", "closes": "12:00"}]
    answered(call(operator, "PUT", f"{path}/opening-hours", json={"weekly": weekly}), 200)
    rules = {"granularity_minutes": 60, "lead_minutes": 20 * 24 * 60, "min_minutes": 180, "max_minutes": 180}
    answered(call(operator, "PUT", f"{path}/rules", json=rules), 200)

    page = open_tab(lab.journey.firm).go(f"/booking/request/{made['id']}")
    expect(page.get_by_text("The days before are taken, closed or too soon to ask for")).to_be_visible()
    expect(page.locator("a.blk--free")).to_have_count(1)
    expect(page.get_by_label("From")).to_have_value("09:00")
    expect(page.get_by_label("To", exact=True)).to_have_value("12:00")
    page.get_by_label("What do you want to find out?").fill("Shrinking of glazes")
    page.get_by_role("button", name="Check").click()
    expect(page.get_by_text("Checked: all rules are met")).to_be_visible()


def test_a_request_and_its_decision_by_keyboard_alone(lab: Lab, open_tab: Opener) -> None:
    page = open_tab(lab.journey.firm).go(lab.request_page)
    keys = page.keyboard
    _tab_to(page, page.locator("a.blk--free").nth(1))
    keys.press("Enter")
    expect(page.get_by_text("Checked: all rules are met")).to_be_visible()
    expect(page.locator("#request-head")).to_be_focused()
    _tab_to(page, page.locator("#f-purpose"))
    keys.type("Fibres in a pressed part")
    _tab_to(page, page.get_by_role("button", name="Send request"))
    keys.press("Enter")
    expect(page.get_by_text("Request sent.")).to_be_visible()
    reference = urlsplit(page.url).path.rpartition("/")[2]

    page = open_tab(lab.journey.operator).page
    keys = page.keyboard
    _tab_to(page, page.locator(f".req a[href*='{reference}']"))
    keys.press("Enter")
    expect(page.get_by_text("Fibres in a pressed part")).to_be_visible()
    keys.press("d")
    reason = page.locator("#f-reason_code")
    expect(reason).to_be_focused()
    keys.press("ArrowDown")
    keys.press("Tab")
    keys.type("Ask again in spring.")
    _tab_to(page, page.locator("#c-decline dialog").get_by_role("button", name="Decline request"))
    keys.press("Enter")
    expect(page.get_by_text("Declined. They are told, with your reason.")).to_be_visible()


def _tab_to(page: Page, wanted: Locator) -> None:
    """Press Tab until `wanted` has the focus."""
    wanted.wait_for()
    for _ in range(MOST_TABS):
        page.keyboard.press("Tab")
        if wanted.evaluate("part => part === document.activeElement"):
            return
    pytest.fail(f"{wanted} cannot be reached with the Tab key")


# --- every page of every role


def _pages(lab: Lab) -> dict[str, tuple[Person | None, list[str]]]:
    """Pages to look at, by who looks."""
    journey = lab.journey
    equipment, facility = journey.equipment["id"], journey.facility
    booking = f"/booking/{journey.booking['reference']}"
    instrument = f"/catalogue/equipment/{lab.slug}"
    return {
        "visitor": (
            None,
            [
                "/",
                "/catalogue/find",
                "/catalogue/find?q=nothing+like+this",
                instrument,
                f"/catalogue/facilities/{facility['id']}",
                f"/catalogue/regions/{journey.region}",
                lab.request_page,
                "/access/sign-in",
                "/access/register",
                "/stats/",
                "/stats/definitions",
                "/stats/definitions/utilisation",
                "/accessibility",
                "/privacy",
                "/booking/api/docs",
            ],
        ),
        "firm": (
            journey.firm,
            [
                instrument,
                lab.request_page,
                "/booking/mine",
                booking,
                "/notify/",
                "/notify/preferences",
                f"/access/organisation/{journey.organisation_id}",
                "/access/me",
            ],
        ),
        "operator": (
            journey.operator,
            [
                "/booking/inbox",
                f"/booking/inbox?booking={journey.booking['reference']}",
                booking,
                f"{instrument}/edit",
                "/booking/downtime",
                "/booking/terms",
                f"/booking/terms/equipment/{equipment}",
                f"/booking/terms/facility/{facility['id']}",
                "/stats/",
            ],
        ),
        "funder": (journey.funder, ["/stats/?by=size_class"]),
        "administrator": (
            lab.administrator,
            [
                "/access/people",
                f"/access/people/{journey.operator.id}",
                "/access/organisations",
                "/notify/deliveries",
                "/booking/ops/messages",
            ],
        ),
    }


ROLES = ("visitor", "firm", "operator", "funder", "administrator")


@pytest.mark.parametrize("role", ROLES)
def test_pages_are_for_everybody(lab: Lab, open_tab: Opener, role: str) -> None:
    """No finding of axe, wide and on a phone, light and dark; and nothing to push sideways at 320 pixels."""
    person, paths = _pages(lab)[role]
    tab = open_tab(person, viewport=WIDE)
    tab.page.context.add_init_script(script=Axe().axe_script)
    found: list[str] = []
    for path in paths:
        page = tab.go(path)
        if path == f"/catalogue/equipment/{lab.slug}":
            expect(page.get_by_role("heading", name="Next free times")).to_be_visible()
        for size in (WIDE, PHONE):
            page.set_viewport_size(size)  # type: ignore[arg-type]  # a plain dict is taken
            for scheme, rules in (("light", {}), ("dark", COLOURS)):
                page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # both are schemes
                found += [f"{path} {size['width']} {scheme}: {each}" for each in _violations(page, rules)]
        page.emulate_media(color_scheme="light")
        page.set_viewport_size(NARROWEST)  # type: ignore[arg-type]
        if wider := page.evaluate("document.documentElement.scrollWidth - innerWidth"):
            found.append(f"{path} is {wider} px wider than a screen of 320")
        page.set_viewport_size(WIDE)  # type: ignore[arg-type]
    assert found == []


def test_refusals_are_for_everybody_too(lab: Lab, open_tab: Opener) -> None:
    """What is wrong is said at the top and at the field, the focus is there, and what was typed stays."""
    tab = open_tab(viewport=PHONE)
    page = tab.page
    page.context.add_init_script(script=Axe().axe_script)
    found: list[str] = []
    tab.go("/nothing/is/here")
    expect(page.get_by_text("There is no page at this address.")).to_be_visible()
    found += _violations(page, {})
    tab.go(f"/access/sign-in?next={lab.request_page}")
    page.locator("main").get_by_role("button", name="Sign in").click()
    expect(page.locator("#errors")).to_be_focused()
    found += _violations(page, {})
    tab.sign_in(lab.journey.firm)
    page.get_by_label("A note to the lab").fill("Typed before it was refused")
    page.get_by_role("button", name="Send request").click()
    expect(page.locator("#errors")).to_be_focused()
    expect(page.locator("#f-purpose-error")).to_have_text("Fill in: purpose.")
    expect(page.get_by_label("A note to the lab")).to_have_value("Typed before it was refused")
    found += _violations(page, {})
    assert found == []
    tab.complaints[:] = [each for each in tab.complaints if "404" not in each and "422" not in each]


def _violations(page: Page, rules: dict[str, Any]) -> list[str]:
    """What axe finds, each with where."""
    script = """async options => (await axe.run(document, {...options, resultTypes: ['violations']})).violations
        .map(each => `${each.id} at ${each.nodes.map(node => node.target.join(' ')).join(', ')}`)"""
    violations: list[str] = page.evaluate(script, rules)
    return violations


class _Links(HTMLParser):
    """Addresses that a page links to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.inline: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        if tag in ("a", "link", "script", "img") and (address := named.get("href") or named.get("src")):
            self.found.add(address)
        if tag == "style" or (tag == "script" and not named.get("src")) or any(name.startswith("on") for name in named):
            self.inline.append(self.get_starttag_text() or tag)


@pytest.mark.parametrize("role", ROLES)
def test_links_lead_somewhere_and_looking_changes_nothing(lab: Lab, role: str) -> None:
    """Two steps from each page, every address of this site answers; and no service has told anything new."""
    person, paths = _pages(lab)[role]
    lab.system.wait_until_published()
    lab.system.new_events()
    with _visiting(lab, person) as get:
        seen: dict[str, str] = {}
        ahead = [lab.system.locate(path) for path in paths]
        for _ in range(3):
            ahead = [link for address in ahead if address not in seen for link in _visited(get, address, seen)]
        broken = [f"{address}: {what}" for address, what in seen.items() if what]
    assert broken == []
    assert lab.system.new_events() == []


@contextlib.contextmanager
def _visiting(lab: Lab, person: Person | None) -> Iterator[Callable[[str], requests.Response]]:
    """A way to ask for pages as somebody who is signed in."""
    with requests.Session() as session:
        if person is not None:
            typed = {"email": person.email, "password": person.password}
            headers = {"Sec-Fetch-Site": "same-origin"}
            session.post(lab.system.locate("/access/sign-in"), data=typed, headers=headers, timeout=30)
            assert "infrashare_session" in session.cookies
        yield lambda address: session.get(address, timeout=30)


def _visited(get: Callable[[str], requests.Response], address: str, seen: dict[str, str]) -> list[str]:
    """Look at an address once, note what is wrong with it, and return where it links to on this site."""
    if address in seen:
        return []
    answer = get(address)
    seen[address] = "" if answer.status_code < 400 else str(answer.status_code)
    if not answer.headers.get("Content-Type", "").startswith("text/html"):
        return []
    links = _Links(answer.text)
    if links.inline:
        seen[address] += f"inline script or style: {links.inline[0]}"
    found = (urldefrag(urljoin(answer.url, link)).url for link in links.found)
    return sorted({each for each in found if urlsplit(each).netloc == urlsplit(address).netloc})
