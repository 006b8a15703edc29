"""A service is run as people run it: migrate, then web, in processes of their own."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from deploy import servers
from shared.tokens import issue_service_token
from tests.conftest import SERVICE_SECRET


class Web:
    """The web process of the notes, with two children."""

    def __init__(self, folder: Path) -> None:
        self.port = servers.free_port()
        self.environment = {
            "PATH": os.environ["PATH"],
            "DATABASE_URL": f"sqlite:///{folder}/notes.db",
            "SERVICE_SECRET": SERVICE_SECRET,
            "PORT": str(self.port),
            "WEB_WORKERS": "2",
        }
        self.log = folder / "web.log"

    def run(self, verb: str) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "tests.shared.sample", "notes", verb]
            return subprocess.Popen(command, env=self.environment, stdout=log, stderr=log)

    def get(self, path: str, **headers: str) -> tuple[int, str]:
        try:
            with urlopen(Request(f"http://127.0.0.1:{self.port}{path}", headers=headers), timeout=5) as answer:
                return answer.status, answer.read().decode()
        except HTTPError as error:
            return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    web = Web(tmp_path)
    process = web.run("web")
    try:
        deadline = time.monotonic() + 30
        while web.get("/notes/healthz")[0] != 200:
            assert process.poll() is None, web.log.read_text()
            assert time.monotonic() < deadline, web.log.read_text()
            time.sleep(0.05)
        assert web.get("/notes/readyz")[0] == 503, "there are no tables yet"
        assert web.run("migrate").wait(30) == 0
        assert web.get("/notes/readyz")[0] == 200
        yield web
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0
        assert time.monotonic() - began < 10
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def test_a_web_process_answers_counts_and_stops(web: Web) -> None:
    asked = 40
    statuses: list[int] = []

    def ask() -> None:
        for _ in range(asked // 4):
            statuses.append(web.get("/notes/api/v1/hello")[0])

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * asked

    status, text = web.get("/notes/metrics")
    assert status == 200
    counted = re.findall(r'infrashare_http_requests_total\{[^}]*route="/notes/api/v1/hello"[^}]*\} ([\d.]+)', text)
    assert sum(map(float, counted)) == asked, "all processes are counted, whichever is asked"

    assert web.get("/notes/api/v1/events")[0] == 401
    token = issue_service_token(SERVICE_SECRET, "listener")
    status, body = web.get("/notes/api/v1/events", Authorization=f"Bearer {token}")
    assert (status, json.loads(body)) == (200, [])

    status, body = web.get("/notes/broken")
    assert status == 500
    lines: list[dict[str, Any]] = [
        json.loads(line) for line in web.log.read_text().splitlines() if line.startswith('{"time"')
    ]
    [bug] = [line for line in lines if line["message"] == "GET /notes/broken failed"]
    assert bug["level"] == "error"
    assert bug["service"] == "notes"
    assert bug["correlation_id"] in body
    assert "RuntimeError: the secret is 42" in bug["error"]


@pytest.mark.parametrize("arguments", [[], ["dance"], ["web", "extra"]])
def test_a_wrong_verb_says_which_there_are(arguments: list[str]) -> None:
    command = [sys.executable, "-m", "tests.shared.sample", "notes", *arguments]
    ended = subprocess.run(command, check=False, capture_output=True, text=True, env={"PATH": os.environ["PATH"]})
    assert ended.returncode == 2
    assert "web" in ended.stderr
    assert "migrate" in ended.stderr
