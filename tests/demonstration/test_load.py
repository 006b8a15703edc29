"""The demonstration is told by the services' own use cases, the same on one day, all of it or nothing."""

from __future__ import annotations

import json
import logging
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import Client

from deploy.demonstration import facts, load, story
from deploy.demonstration.__main__ import NoWorkers, wait_for_workers
from deploy.demonstration.story import Deed, Downtime, Event, Slot
from deploy.embedded import Embedded
from services.access.commands import people
from services.booking.domain.rules import Standing
from services.booking.domain.terms import Terms
from services.booking.domain.words import length_words
from shared.auth import SYSTEM

ROOT = Path(__file__).resolve().parents[2]
REGIONS = ("flanders", "south-moravia")
DAYS, PIECES = 35, 18
NOON = timedelta(hours=12)
URL = "http://127.0.0.1:8000"

Rows = list[tuple[Any, ...]]


@dataclass(frozen=True)
class Loaded:
    """A folder with a smaller demonstration, and the services at work on it."""

    folder: Path
    embedded: Embedded
    log: list[str]

    def rows(self, service: str, statement: str) -> Rows:
        """Ask the file of a service, beside the code."""
        return rows_of(self.folder, service, statement)

    @property
    def accounts(self) -> list[dict[str, str]]:
        accounts: list[dict[str, str]] = json.loads((self.folder / "accounts.json").read_text())
        return accounts


def rows_of(folder: Path, service: str, statement: str) -> Rows:
    with closing(sqlite3.connect(f"file:{folder / service}.db?mode=ro", uri=True)) as connection:
        return connection.execute(statement).fetchall()


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loaded]:
    folder = tmp_path_factory.mktemp("demonstration")
    told: list[str] = []

    class Listening(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told.append(record.getMessage())

    handler = Listening(logging.WARNING)
    logging.getLogger().addHandler(handler)
    try:
        load.load_into(folder, public_url=URL, facts=facts.read().only(REGIONS), days=DAYS, pieces=PIECES)
    finally:
        logging.getLogger().removeHandler(handler)
    embedded = Embedded.at(folder, public_url=URL)
    yield Loaded(folder, embedded, told)
    embedded.stop()


# --- what is told


@pytest.mark.parametrize(
    "now",
    [
        datetime(2026, 1, 9, 23, 50, tzinfo=UTC),  # the past begins in summer time
        datetime(2026, 4, 6, 3, 0, tzinfo=UTC),  # Easter Monday
        datetime(2026, 11, 25, 10, 5, tzinfo=UTC),
        datetime(2028, 2, 29, 12, 0, tzinfo=UTC),
    ],
    ids=lambda now: f"{now:%Y-%m-%d}",
)
def test_on_any_day_the_story_keeps_the_rules(now: datetime) -> None:
    writer = story._Writer(facts.read(), now, story.DAYS, 30)
    states: dict[int, str] = {}
    for event in writer.write().events:
        assert event.at <= now
        if isinstance(event.about, Slot):
            keeps_the_rules(writer, event, event.about, states)
        elif event.deed is Deed.END_DOWNTIME:
            assert event.about.starts_at < event.at
    assert Counter(states.values())["requested"] >= 10, "somebody has to wait for an answer"


def keeps_the_rules(writer: story._Writer, event: Event, slot: Slot, states: dict[int, str]) -> None:
    before, rules, at = states.get(slot.number), slot.piece.rules, event.at
    match event.deed:
        case Deed.REQUEST:
            timetable = writer._timetable(slot.piece)
            terms = Terms(str(timetable.zone), 1, Standing(published=True), rules, timetable.weeks, ())
            assert [fault.detail for fault in terms.faults(slot.span, now=at)] == []
            assert before is None
        case Deed.APPROVE | Deed.DECLINE | Deed.WITHDRAW:
            assert before == "requested"
            assert at < slot.span.starts_at
        case Deed.EXPIRE:
            assert before == "requested"
            assert at >= slot.span.starts_at
        case Deed.CANCEL:
            assert before == "approved"
            assert at < slot.span.starts_at
        case Deed.CHECK_IN:
            assert before == "approved"
            assert -rules.check_in_before <= at - slot.span.starts_at <= rules.check_in_after
        case Deed.CHECK_OUT:
            assert before == "in use"
        case Deed.NO_SHOW:
            assert before == "approved"
            assert at - slot.span.starts_at >= rules.check_in_after, length_words(at - slot.span.starts_at)
    after = {Deed.REQUEST: "requested" if rules.needs_approval else "approved", Deed.APPROVE: "approved"}
    states[slot.number] = (after | {Deed.CHECK_IN: "in use"}).get(event.deed, "over")


def test_the_story_is_the_same_for_the_same_day_and_another_on_the_next() -> None:
    here = facts.read().only(REGIONS)
    now = datetime(2026, 11, 25, 10, 5, tzinfo=UTC)

    def slots(now: datetime, *, until: date) -> set[tuple[Any, ...]]:
        told = story.write(here, now=now, days=DAYS, pieces=PIECES).events
        return {
            (event.deed, event.at, slot.piece.slug, slot.span, slot.booker.email, slot.purpose)
            for event in told
            if isinstance(slot := event.about, Slot) and slot.span.ends_at.date() < until
        }

    assert story.write(here, now=now, days=DAYS, pieces=PIECES) == story.write(here, now=now, days=DAYS, pieces=PIECES)
    assert slots(now, until=now.date()) == slots(now + NOON, until=now.date())
    assert slots(now, until=now.date()) != slots(now + timedelta(days=1), until=now.date())


def test_downtime_goes_on_somewhere_and_comes_everywhere() -> None:
    now = datetime(2026, 11, 25, 10, 5, tzinfo=UTC)
    all_facts = facts.read()
    told = story.write(all_facts, now=now).events
    downtimes = {event.about.number: event.about for event in told if isinstance(event.about, Downtime)}
    endless = [each for each in downtimes.values() if each.ends_at is None]
    assert len(endless) == all_facts.story["downtime"]["running_now"]
    coming = {all_facts.region_of(each.piece).id for each in downtimes.values() if each.starts_at > now}
    assert coming == set(all_facts.region)
    assert {each.planned for each in downtimes.values() if each.starts_at < now} == {True, False}


# --- what is there after loading


def test_everything_in_the_files_is_there(loaded: Loaded) -> None:
    here = facts.read().only(REGIONS)
    for service, table, number in (
        ("catalogue", "region", len(REGIONS)),
        ("catalogue", "facility", len(here.facilities)),
        ("catalogue", "equipment", len(here.equipment)),
        ("booking", "equipment", len(here.equipment)),
        ("booking", "price_setting", len(here.equipment)),
        ("booking", "booking_rules", len(here.equipment)),
        ("access", "organisation", len(here.organisations)),
        ("booking", "organisation", len(here.organisations)),
        ("access", "person", len(here.people)),
        ("notify", "person", len(here.people)),
        ("usage_stats", "equipment", len(here.equipment)),
    ):
        assert loaded.rows(service, f"SELECT count(*) FROM {table}") == [(number,)], f"{service} {table}"
    without_hours = "SELECT slug FROM equipment WHERE terms_text LIKE '%\"weeks\":[]%'"
    assert loaded.rows("booking", without_hours) == []


def test_nothing_was_refused_or_left_unhandled(loaded: Loaded) -> None:
    assert loaded.log == []
    for service in loaded.embedded.instances:
        assert loaded.rows(service, "SELECT type, last_error FROM inbox WHERE state <> 'done'") == []
        assert loaded.rows(service, "SELECT count(*) FROM outbox WHERE position IS NULL") == [(0,)]


def test_every_way_a_booking_can_go_is_there(loaded: Loaded) -> None:
    rows = loaded.rows("booking", "SELECT state, cancelled_by, late, count(*) FROM booking GROUP BY 1, 2, 3")
    states = Counter[str]()
    for state, _, _, number in rows:
        states[state] += number
    assert set(states) - {"in_use"} == {  # on a holiday at night nobody may be at work
        "requested", "approved", "completed", "no_show", "declined", "withdrawn", "cancelled", "expired",
    }  # fmt: skip
    assert sum(states.values()) > 100
    assert states["completed"] > sum(states.values()) / 3
    assert {(by, bool(late)) for state, by, late, _ in rows if state == "cancelled"} >= {
        ("booker", False),
        ("booker", True),
    }
    assert loaded.rows("booking", "SELECT count(*) FROM booking WHERE to_check")[0][0] > 0
    asked = "SELECT count(*) FROM booking WHERE requested_at > datetime('now') OR decided_at > datetime('now')"
    assert loaded.rows("booking", asked) == [(0,)]


def test_nobody_has_what_somebody_else_has(loaded: Loaded) -> None:
    """Each claim holds its unit, buffers included, until it was given up: swept over, not asked of the service."""
    claims = loaded.rows(
        "booking",
        """SELECT equipment_id, unit, busy_from, busy_to, reference FROM booking
           WHERE state IN ('requested', 'approved', 'in_use', 'completed', 'no_show') AND busy_from < busy_to
           ORDER BY equipment_id, unit, busy_from""",
    )
    assert len(claims) > 80
    for one, following in pairwise(claims):
        if one[:2] == following[:2]:
            assert one[3] <= following[2], f"{one[4]} and {following[4]} overlap"


def test_figures_are_plausible(loaded: Loaded) -> None:
    rows = loaded.rows(
        "usage_stats",
        """SELECT sum(used_inside), sum(available), sum(booked_inside), sum(planned_downtime), sum(set_aside)
           FROM equipment_day GROUP BY equipment_id""",
    )
    used = [row for row in rows if row[0]]
    assert len(used) >= PIECES - 3
    for used_inside, available, booked, _, set_aside in used:
        assert 0 < used_inside < available
        assert used_inside <= booked * 1.3
        assert set_aside == 0
    total = sum(row[0] for row in used) / sum(row[1] for row in used)
    assert 0.05 < total < 0.7
    assert sum(row[3] for row in rows) > 0
    lasts = loaded.rows("usage_stats", "SELECT min(day), max(day) FROM equipment_day")[0]
    first, last = map(date.fromisoformat, lasts)
    assert DAYS <= (last - first).days <= DAYS + 1


def test_notices_of_the_past_are_read_and_nobody_is_mailed(loaded: Loaded) -> None:
    states = loaded.rows("notify", "SELECT DISTINCT state FROM notice WHERE channel = 'email'")
    assert states == [("suppressed",)]
    assert list((loaded.folder / "mail").iterdir()) == []
    unread = """SELECT max(number) FROM (SELECT count(*) AS number FROM notice
                WHERE channel = 'in_app' AND read_at IS NULL GROUP BY recipient_id)"""
    assert 0 < loaded.rows("notify", unread)[0][0] < 40
    week_ago = (datetime.now(UTC) - load.OLD_NEWS - timedelta(hours=1)).strftime("%Y-%m-%d %H:%M:%S")
    old = f"SELECT count(*) FROM notice WHERE channel = 'in_app' AND read_at IS NULL AND told_at < '{week_ago}'"
    assert loaded.rows("notify", old) == [(0,)]
    assert loaded.rows("notify", "SELECT count(*) FROM mail_choice WHERE NOT wanted") == [(0,)]


def test_accounts_are_for_the_owner_of_the_folder_and_cover_every_role(loaded: Loaded) -> None:
    path = loaded.folder / "accounts.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    accounts = loaded.accounts
    assert all(set(account) == {"email", "password", "role", "scope", "name"} for account in accounts)
    roles = Counter(account["role"] for account in accounts)
    assert set(roles) == {
        "administrator", "operator", "facility_manager", "funder", "member", "organisation_admin",
    }  # fmt: skip
    assert roles["operator"] == len(REGIONS)
    assert len({account["password"] for account in accounts}) == len(accounts)
    assert all(account["scope"] for account in accounts if account["role"] != "administrator")
    assert [accounts[0]["role"], accounts[1]["role"]] == ["administrator", "operator"]


def test_people_can_sign_in_and_find_their_work(loaded: Loaded) -> None:
    client = Client(loaded.embedded.wsgi())
    first: dict[str, dict[str, str]] = {}
    for account in loaded.accounts:
        first.setdefault(account["role"], account)
    for role, account in first.items():
        login = {"email": account["email"], "password": account["password"]}
        answer = client.post("/access/api/v1/tokens", json=login)
        assert answer.status_code == 200, (role, answer.text)
        headers = {"Authorization": f"Bearer {answer.json['access_token']}"}  # type: ignore[index]
        me = client.get("/access/api/v1/me", headers=headers)
        assert me.status_code == 200
        assert role in me.text
        bookings = client.get("/booking/api/v1/bookings", headers=headers)
        assert bookings.status_code == 200
        if role != "member":  # the first one is of another region, and may have booked nothing in these
            assert bool(bookings.json["items"]) is (role != "funder"), role  # type: ignore[index]
    wrong = client.post("/access/api/v1/tokens", json={"email": first["funder"]["email"], "password": "not this one"})
    assert wrong.status_code == 401


# --- all of it or nothing

TINY = "facts=facts.read().only(['vidzeme']), days=20, pieces=6"


def load_tiny(folder: Path) -> None:
    load.load_into(folder, public_url=URL, facts=facts.read().only(["vidzeme"]), days=20, pieces=6)


def test_a_loading_that_was_interrupted_is_done_anew(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = (
        "import sys; from pathlib import Path; from deploy.demonstration import facts, load; "
        f"load.load_into(Path(sys.argv[1]), public_url='{URL}', {TINY})"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    try:
        deadline = time.monotonic() + 60
        while not _has_bookings(tmp_path):
            assert process.poll() is None, "it ended before it could be interrupted"
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not load.is_loaded(tmp_path)
    (tmp_path / "notes.txt").write_text("not the loader's")

    load_tiny(tmp_path)

    assert "anew" in capsys.readouterr().out
    assert load.is_loaded(tmp_path)
    assert (tmp_path / "notes.txt").exists()
    equipment = len(facts.read().only(["vidzeme"]).equipment)
    assert rows_of(tmp_path, "catalogue", "SELECT count(*) FROM equipment") == [(equipment,)]
    assert (tmp_path / "accounts.json").exists()


def _has_bookings(folder: Path) -> bool:
    try:
        return bool(rows_of(folder, "booking", "SELECT 1 FROM booking LIMIT 1"))
    except sqlite3.Error:
        return False


def test_a_folder_with_data_of_its_own_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    embedded = Embedded.at(tmp_path, public_url=URL)
    with embedded.instances["access"].begin(actor=SYSTEM) as uow:
        people.add_person(uow, name="Own Person", email="own@person.example", password="a long sentence of mine")
    embedded.stop()

    load_tiny(tmp_path)

    assert "data of its own" in capsys.readouterr().out
    assert not load.is_loaded(tmp_path)
    assert not (tmp_path / "accounts.json").exists()
    assert rows_of(tmp_path, "access", "SELECT email FROM person") == [("own@person.example",)]
    assert rows_of(tmp_path, "catalogue", "SELECT count(*) FROM region") == [(0,)]


def test_a_catalogue_with_something_in_it_is_refused(loaded: Loaded) -> None:
    with pytest.raises(load.NotEmpty):
        load.load(loaded.embedded.instances, settle=loaded.embedded.settle)


def test_workers_are_waited_for_and_missed_when_they_do_not_run(tmp_path: Path) -> None:
    embedded = Embedded.at(tmp_path, public_url=URL)
    try:
        wait_for_workers(embedded.instances)  # nothing was told: nothing to wait for
        with embedded.instances["access"].begin(actor=SYSTEM) as uow:
            people.add_person(uow, name="Some Person", email="some@person.example", password="a long sentence here")
        with pytest.raises(NoWorkers, match="access"):
            wait_for_workers(embedded.instances, standstill=0.3)
        embedded.settle()
        wait_for_workers(embedded.instances)
    finally:
        embedded.stop()
