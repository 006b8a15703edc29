"""How one service reads another's log: what comes back when all is well, and when it is not."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from deploy import servers
from shared.events import Envelope
from shared.peers import HttpPeers
from shared.service import Instance
from shared.web.app import build_app
from tests.conftest import SERVICE_SECRET
from tests.shared.sample import TELLER, Counted

on_one_engine = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


@contextmanager
def serving(app: Any) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def peers_at(url: str, *, secret: str = SERVICE_SECRET) -> HttpPeers:
    return HttpPeers("listener", {"teller": url, "access": url}, secret)


@on_one_engine
def test_a_log_is_read_over_http(make_instance: Callable[..., Instance]) -> None:
    teller = make_instance(TELLER)
    with teller.begin() as uow:
        for number in range(1, 4):
            uow.emit(Counted(sequence=number, counter="a"))

    class Nobody:
        def publish(self, batch: Any) -> int:
            return 0

    teller.relay(Nobody())
    with serving(build_app(teller)) as url:
        log = peers_at(url).feed("teller", after=1)
        assert [(envelope.position, envelope.event) for envelope in log] == [
            (2, Counted(sequence=2, counter="a")),
            (3, Counted(sequence=3, counter="a")),
        ]
        assert peers_at(url).feed("teller", after=3) == []
        assert peers_at(url, secret="a wrong secret, long enough").feed("teller", after=0) == []
        assert peers_at(url).feed("stranger", after=0) == []


ANSWERS: dict[str, Callable[[], Response]] = {
    "an error": lambda: Response("broken", 500),
    "away behind a proxy": lambda: Response("bad gateway", 502),
    "another page": lambda: Response("<html>sign in</html>", content_type="text/html"),
    "half an answer": lambda: Response('[{"id": ', content_type="application/json"),
    "another shape": lambda: Response('{"error": "no"}', content_type="application/json"),
    "what is no envelope": lambda: Response('[{"id": 5}, 7]', content_type="application/json"),
    "a number": lambda: Response("7", content_type="application/json"),
    "nothing": lambda: Response("", content_type="application/json"),
    "not to be found": lambda: Response("", 404),
}


@pytest.mark.parametrize("kind", ANSWERS)
def test_a_log_that_cannot_be_read_is_empty(kind: str) -> None:
    with serving(Request.application(lambda _: ANSWERS[kind]())) as url:
        assert peers_at(url).feed("teller", after=0) == []


def test_nobody_at_that_address() -> None:
    assert peers_at(f"http://127.0.0.1:{servers.free_port()}").feed("teller", after=0) == []
    assert peers_at("http://no-such-host.invalid").keys() == {}


def test_a_peer_that_never_answers_is_not_waited_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.peers.TIMEOUT", (0.3, 0.3))
    released = threading.Event()

    @Request.application
    def hang(_: Request) -> Response:
        released.wait(10)
        return Response("[]")

    with serving(hang) as url:
        began = time.monotonic()
        assert peers_at(url).feed("teller", after=0) == []
        assert time.monotonic() - began < 3
        released.set()


def test_what_is_asked_and_how() -> None:
    seen: list[tuple[str, dict[str, str], str]] = []

    @Request.application
    def answer(request: Request) -> Response:
        seen.append((request.path, request.args.to_dict(), request.headers.get("Authorization", "")))
        return Response(json.dumps({"keys": []}) if "jwks" in request.path else "[]", content_type="application/json")

    with serving(answer) as url:
        peers = HttpPeers("booking", {"usage_stats": url, "access": url}, SERVICE_SECRET)
        peers.feed("usage_stats", after=41)
        assert peers.keys() == {"keys": []}
    [(feed, query, authorization), (keys, _, nothing)] = seen
    assert (feed, keys) == ("/stats/api/v1/events", "/access/.well-known/jwks.json")
    assert query["after"] == "41"
    assert authorization.startswith("Bearer ")
    assert nothing == ""


def test_what_a_passing_fault_hides_is_asked_for_again() -> None:
    answers = iter([Response("", 503), Response("[]")])
    asked: list[str] = []

    @Request.application
    def answer(request: Request) -> Response:
        asked.append(request.path)
        return next(answers)

    with serving(answer) as url:
        found: list[Envelope] = peers_at(url).feed("teller", after=0)
    assert found == []
    assert len(asked) == 2
