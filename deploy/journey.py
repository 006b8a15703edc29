"""The main job, played through over HTTP: `python -m deploy.journey` (make demo).

A lab is entered; a visitor finds its instrument, a firm asks for a slot, an operator approves it, both are
told, the instrument is used, and a funder's report shows the hours. Every step prints what was asked, what
was answered and which events flowed, and is checked; the exit code is 0 only if every answer was right.

By default a temporary embedded system is started; `--deployed` starts web and worker processes with a
private PostgreSQL and RabbitMQ; `--at ADDRESS` uses a running installation, whose administrator's
credentials are read from ADMIN_EMAIL and ADMIN_PASSWORD (or ADMIN_PASSWORD_FILE).
"""

from __future__ import annotations

import argparse
import contextlib
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import requests
from rich.console import Console
from rich.table import Table

from deploy.servers import free_port
from deploy.services import SERVICES

PATIENCE = 30.0  # seconds an effect in another service may take to show
SLOT = timedelta(hours=2)
SHOWN = (  # metrics of the report at the end
    "available_hours",
    "booked_hours",
    "booked_ahead_hours",
    "used_hours",
    "bookings_ahead",
    "utilisation",
    "booking_rate",
    "no_show_rate",
    "cancellation_rate",
    "uptime",
)
MOUNTS = [service.mount for service in SERVICES]

T = TypeVar("T")
console = Console(highlight=False)


class WrongAnswer(Exception):
    """A step was not answered as it has to be."""


@dataclass
class Person:
    """Somebody who acts: their name for the screen, and how they are signed in."""

    name: str
    colour: str
    email: str = ""
    password: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    token: str = ""
    id: str = ""


@dataclass
class System:
    """Where each path is answered, and what was seen of the events so far."""

    locate: Callable[[str], str]
    administrator: Person
    seen: dict[str, int] = field(default_factory=dict)

    def call(self, person: Person | None, method: str, path: str, **details: Any) -> requests.Response:
        headers = details.pop("headers", {})
        if person is not None and person.token:
            headers["Authorization"] = f"Bearer {person.token}"
        return requests.request(method, self.locate(path), headers=headers, timeout=30, **details)

    def sign_in(self, person: Person) -> None:
        answer = self.call(
            None, "POST", "/access/api/v1/tokens", json={"email": person.email, "password": person.password}
        )
        person.token = expect(answer, 200)["access_token"]
        person.id = expect(self.call(person, "GET", "/access/api/v1/me"), 200)["person"]["id"]

    def wait_until_published(self) -> None:
        """Wait until every outbox is empty; the steps are shown with the events they led to."""
        for mount in MOUNTS:
            eventually(partial(self._is_published, mount), f"{mount} has published what it told")

    def _is_published(self, mount: str) -> bool:
        outbox = self.call(None, "GET", f"{mount}/readyz").json()["outbox"]
        return bool(outbox["unpublished"] == 0)

    def new_events(self) -> list[dict[str, Any]]:
        """What was told since the last look, in the order of its happening."""
        told: list[dict[str, Any]] = []
        for mount in MOUNTS:
            while True:
                path = f"{mount}/api/v1/events?after={self.seen.get(mount, 0)}&limit=500"
                page = expect(self.call(self.administrator, "GET", path), 200)
                if not page:
                    break
                told += page
                self.seen[mount] = page[-1]["position"]
        return sorted(told, key=lambda event: (event["time"], event["position"]))


def expect(answer: requests.Response, status: int, why: str = "") -> Any:
    """The JSON of an answer that has the right status. Raises `WrongAnswer`."""
    if answer.status_code != status:
        raise WrongAnswer(f"{why or answer.url}: {answer.status_code} instead of {status}\n{answer.text[:2000]}")
    return answer.json() if answer.content else None


def check(holds: bool, what: str) -> None:
    """Print that `what` is so. Raises `WrongAnswer` if it is not."""
    if not holds:
        raise WrongAnswer(f"not so: {what}")
    console.print(f"    [green]✓[/green] {what}")


def eventually(look: Callable[[], T | None], what: str) -> T:
    """What `look` finds, as soon as it finds something. Raises `WrongAnswer` when it takes too long."""
    deadline = time.monotonic() + PATIENCE
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise WrongAnswer(f"did not happen in {PATIENCE:.0f} s: {what}")
        time.sleep(0.1)


class Journey:
    """The steps, in order; each is a person doing one thing."""

    def __init__(self, system: System, mails: Path | None) -> None:
        self.system = system
        self.mails = mails
        self.mark = secrets.token_hex(3)
        self.visitor = Person("visitor", "cyan")
        self.firm = Person("firm", "blue", email=f"ada-{self.mark}@muster-works.example")
        self.operator = Person("operator", "magenta", email=f"olga-{self.mark}@example-lab.example")
        self.funder = Person("funder", "yellow", email=f"finn-{self.mark}@example-region.example")
        self.equipment: dict[str, Any] = {}
        self.facility: dict[str, Any] = {}
        self.organisation_id = ""
        self.booking: dict[str, Any] = {}
        self.starts_at = datetime.now(UTC)
        self.figures: dict[str, Any] = {}
        self.region = f"journey-{self.mark}"
        self.other_region = f"elsewhere-{self.mark}"

    def run(self) -> None:
        system = self.system
        system.sign_in(system.administrator)
        system.new_events()
        for number, (person, title, step) in enumerate(self.steps(), start=1):
            console.print(f"\n[bold]{number}. [{person.colour}]{person.name}[/]: {title}[/]")
            step()
            self._show_events()
        self._show_report()

    def steps(self) -> list[tuple[Person, str, Callable[[], None]]]:
        administrator = self.system.administrator
        return [
            (administrator, "enters a region, a lab and its people", self.enter_lab),
            (self.operator, "publishes an instrument with hours, rules and a price", self.publish),
            (self.visitor, "searches, and sees when the instrument is free", self.find),
            (self.firm, "registers with its firm", self.register),
            (self.firm, "asks what a slot would cost and whether it keeps the rules", self.dry_run),
            (self.firm, "asks for the slot", self.request),
            (self.firm, "sends the same request again, as after a lost answer", self.repeat),
            (self.firm, "cannot have what is taken", self.clash),
            (self.operator, "is told, finds the request and approves it", self.approve),
            (self.firm, "is told, here and by e-mail with a calendar entry", self.told),
            (self.operator, "lets the firm in at once for a second slot, and out after its work", self.use),
            (self.visitor, "sees that nobody else's booking is shown to him", self.stay_out),
            (self.funder, "reads the figures of the region", self.report),
        ]

    # --- the steps

    def enter_lab(self) -> None:
        admin = self.system.administrator
        call = self.system.call
        region = {
            "id": self.region,
            "name": f"Journey region {self.mark}",
            "country": "CZ",
            "nuts_codes": ["CZ064"],
            "time_zone": "Europe/Prague",
            "languages": ["cs", "en"],
            "summary": "A region entered to try the main job from end to end.",
        }
        for each in (region, region | {"id": self.other_region, "name": f"Elsewhere {self.mark}"}):
            expect(call(admin, "POST", "/catalogue/api/v1/regions", json=each), 201)
        host = expect(
            call(
                admin,
                "POST",
                "/catalogue/api/v1/hosts",
                json={"name": f"Example University {self.mark}", "country": "CZ"},
            ),
            201,
        )
        self.facility = expect(
            call(
                admin,
                "POST",
                "/catalogue/api/v1/facilities",
                json={
                    "name": f"Example Tomography Lab {self.mark}",
                    "host_id": host["id"],
                    "region_id": self.region,
                    "town": "Brno",
                    "description": "Looks into parts without cutting them, for firms of any size.",
                    "contact_email": "booking@example-lab.example",
                },
            ),
            201,
        )
        for person, roles in (
            (self.operator, [("operator", self.facility["id"]), ("facility_manager", self.facility["id"])]),
            (self.funder, [("funder", self.region)]),
        ):
            entered = {"name": f"{person.name.title()} Example", "email": person.email, "password": person.password}
            person.id = expect(call(admin, "POST", "/access/api/v1/people", json=entered), 201)["id"]
            for role, scope in roles:
                granted = call(
                    admin, "POST", f"/access/api/v1/people/{person.id}/roles", json={"role": role, "scope": scope}
                )
                expect(granted, 201)
            self.system.sign_in(person)
        check(True, f"{self.facility['name']} stands in the catalogue")

    def publish(self) -> None:
        call = self.system.call
        self.equipment = expect(
            call(
                self.operator,
                "POST",
                "/catalogue/api/v1/equipment",
                json={
                    "facility_id": self.facility["id"],
                    "name": f"Journey CT scanner {self.mark}",
                    "description": "Shows pores and cracks inside metal and polymer parts.",
                    "kind": "imaging-system",
                    "techniques": ["x-ray-ct"],
                    "access_types": ["physical"],
                    "access_modes": ["market"],
                    "units": 1,
                },
            ),
            201,
        )
        path = f"/booking/api/v1/equipment/{self.equipment['id']}"
        eventually(lambda: call(None, "GET", f"{path}/rules").ok, "booking knows the instrument")
        always = [{"weekday": day, "opens": "00:00", "closes": "24:00"} for day in range(7)]
        expect(call(self.operator, "PUT", f"{path}/opening-hours", json={"weekly": always}), 200)
        rules = {"granularity_minutes": 1, "lead_minutes": 0, "min_minutes": 30, "max_minutes": 480}
        expect(call(self.operator, "PUT", f"{path}/rules", json=rules), 200)
        prices = {"market_cents": 12_000, "other_cents": 6_000, "set_up_cents": 2_500}
        expect(call(self.operator, "PUT", f"{path}/prices", json=prices), 200)
        check(True, "open around the clock, €120.00 per hour, approval needed")

    def find(self) -> None:
        call = self.system.call

        def found() -> dict[str, Any] | None:
            page = expect(call(None, "GET", f"/catalogue/api/v1/equipment?q=pores+{self.mark}"), 200)
            items: list[dict[str, Any]] = page["items"]
            return items[0] if items else None

        hit = eventually(found, "the search finds the instrument")
        check(hit["id"] == self.equipment["id"], f"“pores {self.mark}” finds {hit['name']}")
        self.starts_at = datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(days=1)
        free = self._availability()["free"]
        check(len(free) == 1 and free[0]["units"] == 1, "it is free for the next day, and no account was needed")

    def register(self) -> None:
        body = {
            "name": "Ada Example",
            "email": self.firm.email,
            "password": self.firm.password,
            "organisation_name": f"Muster Works {self.mark} s.r.o.",
            "kind": "company",
            "country": "CZ",
            "nuts_code": "CZ064",
            "size": {
                "year": datetime.now(UTC).year - 1,
                "staff": 12,
                "turnover_cents": 90_000_000,
                "balance_cents": 40_000_000,
            },
        }
        expect(self.system.call(None, "POST", "/access/api/v1/registrations", json=body), 201)
        self.system.sign_in(self.firm)
        me = expect(self.system.call(self.firm, "GET", "/access/api/v1/me"), 200)
        [organisation] = me["organisations"]
        self.organisation_id = organisation["id"]
        check(organisation["size_class"] == "small", "12 people and €900,000 turnover make it a small enterprise")

    def _wanted(self) -> dict[str, Any]:
        return {
            "equipment_id": self.equipment["id"],
            "starts_at": self.starts_at.isoformat(),
            "ends_at": (self.starts_at + SLOT).isoformat(),
            "organisation_id": self.organisation_id,
            "purpose": "Find the pores in six printed housings.",
            "access_mode": "market",
        }

    def dry_run(self) -> None:
        def verdict() -> dict[str, Any] | None:
            path = "/booking/api/v1/bookings?dry_run=true"
            answer = self.system.call(self.firm, "POST", path, json=self._wanted())
            return None if answer.status_code in (404, 409, 503) else expect(answer, 200)

        verdict_ = eventually(verdict, "booking knows the firm")
        check(verdict_["accepted"] and not verdict_["faults"], "no rule is broken, nobody has the slot")
        check(verdict_["price"]["cents"] == 26_500, "2 h at €120.00 and €25.00 set-up: €265.00")
        too_long = self._wanted() | {"ends_at": (self.starts_at + timedelta(hours=9)).isoformat()}
        answer = self.system.call(self.firm, "POST", "/booking/api/v1/bookings?dry_run=true", json=too_long)
        faults = expect(answer, 200)["faults"]
        check(len(faults) == 1, f"nine hours would be refused: “{faults[0]['detail']}”")

    def request(self) -> None:
        self.key = str(uuid4())
        answer = self.system.call(
            self.firm,
            "POST",
            "/booking/api/v1/bookings",
            json=self._wanted(),
            headers={"Idempotency-Key": self.key},
        )
        self.booking = expect(answer, 201)
        check(self.booking["state"] == "requested", f"requested under the reference {self.booking['reference']}")

    def repeat(self) -> None:
        answer = self.system.call(
            self.firm,
            "POST",
            "/booking/api/v1/bookings",
            json=self._wanted(),
            headers={"Idempotency-Key": self.key},
        )
        again = expect(answer, 201)
        check(again["id"] == self.booking["id"], "the same answer, and still one booking")

    def clash(self) -> None:
        answer = self.system.call(self.firm, "POST", "/booking/api/v1/bookings", json=self._wanted())
        problem = expect(answer, 409)
        check(problem["code"] == "slot-taken", f"refused with 409: “{problem['detail']}”")
        check(len(problem["alternatives"]) > 0, "another time is proposed")

    def approve(self) -> None:
        self._notice_of(self.operator, "request_waiting")
        path = f"/booking/api/v1/bookings?state=requested&facility={self.facility['id']}"
        waiting = expect(self.system.call(self.operator, "GET", path), 200)["items"]
        check([each["id"] for each in waiting] == [self.booking["id"]], "one request waits in the lab's inbox")
        answer = self.system.call(self.operator, "POST", f"/booking/api/v1/bookings/{self.booking['id']}/approve")
        check(expect(answer, 200)["state"] == "approved", "approved")

    def told(self) -> None:
        notice = self._notice_of(self.firm, "approved")
        check(True, f"notice: “{notice['title']}”")
        if self.mails is not None:
            mail = eventually(self._mail_with_calendar, "the e-mail is delivered")
            check(True, f"e-mail with a calendar entry: {mail.name}")

    def use(self) -> None:
        start = datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(minutes=2)
        at_once = self._wanted() | {"starts_at": start.isoformat(), "ends_at": (start + SLOT).isoformat()}
        booked = expect(self.system.call(self.firm, "POST", "/booking/api/v1/bookings", json=at_once), 201)
        path = f"/booking/api/v1/bookings/{booked['id']}"
        expect(self.system.call(self.operator, "POST", f"{path}/approve"), 200)
        check(True, f"a second slot, {booked['reference']}, begins in two minutes and is approved")
        check(expect(self.system.call(self.operator, "POST", f"{path}/check-in"), 200)["state"] == "in_use", "in use")
        time.sleep(1.1)
        done = expect(self.system.call(self.operator, "POST", f"{path}/check-out"), 200)
        check(done["state"] == "completed", "completed; the rest of the slot is free for others")
        used = datetime.fromisoformat(done["used_until"]) - datetime.fromisoformat(done["used_from"])
        check(used > timedelta(), f"used for {used.total_seconds():.1f} s")
        history = expect(self.system.call(self.firm, "GET", path), 200)["history"]
        states = [entry["state"] for entry in history]
        check(states == ["requested", "approved", "in_use", "completed"], "the history shows every transition")
        check([entry["sequence"] for entry in history] == [1, 2, 3, 4], "each with the next number")

    def stay_out(self) -> None:
        stranger = Person("stranger", "red", email=f"eve-{self.mark}@other-works.example")
        body = {
            "name": "Eve Example",
            "email": stranger.email,
            "password": stranger.password,
            "organisation_name": f"Other Works {self.mark} OÜ",
            "kind": "company",
            "country": "EE",
            "nuts_code": "EE008",
        }
        expect(self.system.call(None, "POST", "/access/api/v1/registrations", json=body), 201)
        self.system.sign_in(stranger)
        path = f"/booking/api/v1/bookings/{self.booking['id']}"
        expect(self.system.call(None, "GET", path), 401)
        expect(self.system.call(stranger, "GET", path), 404)
        check(True, "a visitor gets 401, another firm 404, as if it did not exist")

    def report(self) -> None:
        first = self.starts_at.date().replace(day=1)
        last = _next_month(first)
        path = f"/stats/api/v1/utilisation?from={first}&to={last}&region={self.region}&group_by=size_class"

        def row() -> dict[str, Any] | None:
            answer = expect(self.system.call(self.funder, "GET", path), 200)
            mine = [each for each in answer["rows"] if each["size_class"] == "small"]
            return mine[0] | {"definitions": answer["definitions"]} if mine and mine[0]["organisations"] == 1 else None

        self.figures = eventually(row, "the report counts what was used")
        check(self.figures["booked_ahead_hours"] == 2.0, "small enterprises have 2.00 h booked from now on")
        check(self.figures["bookings_ahead"] == 1, "in one booking")
        check(self.figures["organisations"] == 1, "and one organisation has used the lab already")
        expect(self.system.call(self.funder, "GET", path.replace(self.region, self.other_region)), 403)
        check(True, "another region's figures are not open to this funder")

    # --- help

    def _availability(self) -> dict[str, Any]:
        begin = self.starts_at
        path = f"/booking/api/v1/equipment/{self.equipment['id']}/availability"
        span = {"from": begin.isoformat(), "to": (begin + timedelta(days=1)).isoformat()}
        availability: dict[str, Any] = expect(self.system.call(None, "GET", path, params=span), 200)
        return availability

    def _notice_of(self, person: Person, what: str) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            items = expect(self.system.call(person, "GET", "/notify/api/v1/notices"), 200)["items"]
            fitting = [each for each in items if each["booking_id"] == self.booking["id"] and each["kind"] == what]
            return fitting[0] if fitting else None

        return eventually(look, f"{person.name} is told: {what}")

    def _mail_with_calendar(self) -> Path | None:
        assert self.mails is not None
        for mail in self.mails.rglob("*.eml"):
            text = mail.read_text(errors="replace")
            if self.firm.email in text and "text/calendar" in text:
                return mail
        return None

    def _show_events(self) -> None:
        self.system.wait_until_published()
        for event in self.system.new_events():
            console.print(f"    [dim]→ {event['type']} · {event['subject'][:8]} · no. {event['sequence']}[/dim]")

    def _show_report(self) -> None:
        table = Table(title=f"Utilisation of {self.region}, small enterprises", title_justify="left")
        table.add_column("Figure")
        table.add_column("Value", justify="right")
        named = {each["id"]: each for each in self.figures["definitions"]}
        for metric in SHOWN:
            value, unit = self.figures[metric], named[metric]["unit"]
            shown = "–" if value is None else f"{value:.2f} h" if unit == "hours" else str(value)
            table.add_row(named[metric]["name"], shown)
        console.print()
        console.print(table)


def _next_month(day: date) -> date:
    return (day.replace(day=28) + timedelta(days=4)).replace(day=1)


# --- the three systems it can be played on


@contextlib.contextmanager
def embedded() -> Iterator[tuple[System, Path]]:
    """A temporary installation in one process."""
    with tempfile.TemporaryDirectory(prefix="infrashare-demo-") as folder:
        port = free_port()
        administrator = _administrator()
        environment = os.environ | {
            "PORT": str(port),
            "INFRASHARE_DATA": folder,
            "INFRASHARE_DEMO": "no",
            "ADMIN_EMAIL": administrator.email,
            "ADMIN_PASSWORD": administrator.password,
        }
        log = Path(folder) / "log"
        with log.open("wb") as output:
            process = subprocess.Popen([sys.executable, "-m", "deploy.embedded"], env=environment, stdout=output)
        try:
            while b"ready http" not in log.read_bytes():
                if process.poll() is not None:
                    raise WrongAnswer("the embedded system ended before it was ready")
                time.sleep(0.05)
            yield System(lambda path: f"http://127.0.0.1:{port}{path}", administrator), Path(folder) / "mail"
        finally:
            process.terminate()
            process.wait(20)


@contextlib.contextmanager
def deployed_here() -> Iterator[tuple[System, Path]]:
    """Processes of their own with a private PostgreSQL and RabbitMQ."""
    from deploy.deployed import deployed

    administrator = _administrator()
    settings = {"ADMIN_EMAIL": administrator.email, "ADMIN_PASSWORD": administrator.password}
    with tempfile.TemporaryDirectory(prefix="infrashare-demo-") as name, deployed(Path(name), **settings) as system:
        yield System(system.url, administrator), Path(name) / "mail"


def installation(address: str) -> System:
    """One that is running already. Raises `SystemExit` when the administrator's credentials are not set."""
    password = os.environ.get("ADMIN_PASSWORD")
    if path := os.environ.get("ADMIN_PASSWORD_FILE"):
        password = Path(path).read_text().strip()
    email = os.environ.get("ADMIN_EMAIL")
    if not (email and password):
        sys.exit("ADMIN_EMAIL and ADMIN_PASSWORD (or ADMIN_PASSWORD_FILE) are needed")
    return System(lambda path: address.rstrip("/") + path, Person("administrator", "white", email, password))


def _administrator() -> Person:
    return Person("administrator", "white", email="admin@infrashare.example")


def main() -> int:
    """Play the journey; 0 if every answer was right."""
    parser = argparse.ArgumentParser(description="Play the main job through and check every answer.")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--deployed", action="store_true", help="on PostgreSQL and RabbitMQ, in processes of their own")
    where.add_argument("--at", metavar="ADDRESS", help="on a running installation")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        mails: Path | None = None
        if options.at:
            system = installation(options.at)
        else:
            console.print("Starting the system …")
            system, mails = stack.enter_context(deployed_here() if options.deployed else embedded())
        began = time.monotonic()
        try:
            Journey(system, mails).run()
        except WrongAnswer as error:
            console.print(f"\n[bold red]✗ {error}[/]")
            return 1
        console.print(f"\n[bold green]Every step was answered right[/] in {time.monotonic() - began:.1f} s.")
        return 0


if __name__ == "__main__":
    sys.exit(main())
