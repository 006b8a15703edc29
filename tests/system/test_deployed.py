"""The deployed system under hands that kill: real processes, PostgreSQL, RabbitMQ. Nothing lost, nothing twice."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from sqlalchemy import create_engine

from deploy import servers
from deploy.check import violations
from deploy.deployed import Deployed, deployed
from deploy.journey import Journey, Person, System
from tests.conftest import IN_CI, make_actor, token_for

CLIENTS = 50


class Lab:
    """A deployed system with a lab that is always open, and a firm that may book there."""

    def __init__(self, system: Deployed, administrator: Person) -> None:
        self.system = system
        self.journey = Journey(System(system.url, administrator), None)
        self.journey.system.sign_in(administrator)
        self.journey.enter_lab()
        self.journey.publish()
        self.journey.register()
        self.first = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(hours=2)
        self._slots = iter(range(10_000))
        self.journey.starts_at = self.first
        self.journey.dry_run()  # waits until booking knows the firm

    def next_slot(self) -> dict[str, Any]:
        start = self.first + timedelta(minutes=30 * next(self._slots))
        return self.wanted(start)

    def wanted(self, start: datetime) -> dict[str, Any]:
        return self.journey._wanted() | {
            "starts_at": start.isoformat(),
            "ends_at": (start + timedelta(minutes=30)).isoformat(),
        }

    def ask(self, wanted: dict[str, Any], *, key: str | None = None) -> requests.Response:
        headers = {"Idempotency-Key": key} if key else {}
        return self.journey.system.call(
            self.journey.firm, "POST", "/booking/api/v1/bookings", json=wanted, headers=headers
        )

    def approve(self, booking_id: str) -> requests.Response:
        path = f"/booking/api/v1/bookings/{booking_id}/approve"
        return self.journey.system.call(self.journey.operator, "POST", path)

    def bookings(self) -> set[str]:
        found: set[str] = set()
        cursor = ""
        while True:
            path = f"/booking/api/v1/bookings?limit=200&organisation={self.journey.organisation_id}{cursor}"
            page = self.journey.system.call(self.journey.firm, "GET", path).json()
            found |= {each["id"] for each in page["items"]}
            if not page["next"]:
                return found
            cursor = f"&cursor={page['next']}"

    def check(self) -> None:
        """Everything promised holds, once nothing is under way."""
        self.system.wait_until_settled(within=90)
        engines = {name: create_engine(url) for name, url in self.system.databases.items()}
        try:
            assert list(violations(engines)) == []
        finally:
            for engine in engines.values():
                engine.dispose()


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    administrator = Person("administrator", "white", email="admin@infrashare.example")
    folder: Path = tmp_path_factory.mktemp("deployed")
    settings = {"ADMIN_EMAIL": administrator.email, "ADMIN_PASSWORD": administrator.password}
    try:
        with deployed(folder, **settings) as system:
            yield Lab(system, administrator)
    except servers.Missing as missing:
        if IN_CI:
            pytest.fail(str(missing))
        pytest.skip(str(missing))


def test_of_fifty_who_want_one_slot_one_gets_it(lab: Lab) -> None:
    wanted = lab.next_slot()
    ready = threading.Barrier(CLIENTS)

    def ask(_: int) -> int:
        ready.wait()
        return lab.ask(wanted).status_code

    with ThreadPoolExecutor(CLIENTS) as clients:
        answers = Counter(clients.map(ask, range(CLIENTS)))
    assert answers == {201: 1, 409: CLIENTS - 1}
    lab.check()


def test_a_request_does_not_wait_for_a_broker_that_is_away(lab: Lab) -> None:
    lab.system.rabbitmq.kill()
    began = time.monotonic()
    answers = [lab.ask(lab.next_slot()) for _ in range(10)]
    took = time.monotonic() - began
    lab.system.rabbitmq.start()
    assert [answer.status_code for answer in answers] == [201] * 10
    assert took < 10, f"ten requests took {took:.1f} s"
    lab.check()


def test_workers_that_are_killed_again_and_again_lose_nothing(lab: Lab) -> None:
    stop = threading.Event()
    asked: list[str] = []

    def keep_asking() -> None:
        while not stop.is_set():
            answer = lab.ask(lab.next_slot())
            if answer.status_code == 201:
                asked.append(answer.json()["id"])
                lab.approve(asked[-1])

    asking = threading.Thread(target=keep_asking)
    asking.start()
    chance = random.Random(11)
    names = [name for name in lab.system.workers if name != "catalogue"]
    for _ in range(12):
        time.sleep(chance.uniform(0.2, 1.2))
        worker = lab.system.workers[chance.choice(names)]
        worker.kill()
        worker.start()
    stop.set()
    asking.join()
    lab.system.wait_until_ready()
    assert len(asked) > 20
    assert set(asked) <= lab.bookings()
    lab.check()


def test_what_a_killed_web_process_acknowledged_is_there(lab: Lab) -> None:
    acknowledged: list[str] = []
    stop = threading.Event()

    def keep_asking() -> None:
        while not stop.is_set():
            try:
                answer = lab.ask(lab.next_slot())
            except requests.RequestException:
                time.sleep(0.05)
                continue
            if answer.status_code == 201:
                acknowledged.append(answer.json()["id"])

    askers = [threading.Thread(target=keep_asking) for _ in range(4)]
    for asker in askers:
        asker.start()
    web = lab.system.webs["booking"]
    for _ in range(3):
        time.sleep(1.0)
        web.kill()
        web.start()
        lab.system.wait_until_ready()
    stop.set()
    for asker in askers:
        asker.join()
    assert len(acknowledged) > 10
    assert set(acknowledged) <= lab.bookings()
    lab.check()


def test_the_same_key_has_one_effect_however_often_it_is_sent(lab: Lab) -> None:
    wanted = lab.next_slot()
    with ThreadPoolExecutor(8) as clients:
        answers = list(clients.map(lambda _: lab.ask(wanted, key="a-key-of-this-test"), range(8)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    other = lab.ask(lab.next_slot(), key="a-key-of-this-test")
    assert other.status_code == 422
    assert other.json()["code"] == "idempotency-key-reused"
    lab.check()


def test_a_token_of_another_installation_is_refused(lab: Lab) -> None:
    stranger = token_for(make_actor("administrator"))
    answer = requests.get(
        lab.system.url("/booking/api/v1/bookings"), headers={"Authorization": f"Bearer {stranger}"}, timeout=10
    )
    assert answer.status_code == 401


def test_workers_stop_when_they_are_asked_to(lab: Lab) -> None:
    for worker in lab.system.workers.values():
        assert worker.stop() == 0, worker.name
    for worker in lab.system.workers.values():
        worker.start()
    lab.system.wait_until_ready()
    lab.check()
