"""The private servers: they keep what they confirmed, can be broken on purpose, and leave nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from deploy.servers import Missing, PostgreSQL, new_database, plain_url

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSQL]:
    try:
        with PostgreSQL() as running:
            yield running
    except Missing as missing:
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(str(missing))
        pytest.skip(str(missing))


def test_a_database_survives_a_crash_on_the_same_address(server: PostgreSQL) -> None:
    url = plain_url(new_database(server.url, "kept"))
    with psycopg.connect(url) as connection:
        connection.execute("CREATE EXTENSION btree_gist")
        connection.execute("CREATE TABLE said (word text)")
        connection.execute("INSERT INTO said VALUES ('yes')")
    server.kill()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url, connect_timeout=2)
    server.start()
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT word FROM said").fetchall() == [("yes",)]


def test_a_paused_server_answers_again_after_it(server: PostgreSQL) -> None:
    server.pause()
    with pytest.raises(psycopg.OperationalError, match="timeout"):
        psycopg.connect(plain_url(server.url), connect_timeout=2)
    server.resume()
    psycopg.connect(plain_url(server.url)).close()


def test_a_database_can_be_copied_from_a_template(server: PostgreSQL) -> None:
    url = new_database(server.url, "model")
    with psycopg.connect(plain_url(url)) as connection:
        connection.execute("CREATE TABLE shape (id int)")
    copy = new_database(server.url, "copy", template="model")
    with psycopg.connect(plain_url(copy)) as connection:
        assert connection.execute("SELECT count(*) FROM shape").fetchone() == (0,)
    with pytest.raises(ValueError, match="plain database name"):
        new_database(server.url, 'x"; DROP')


@pytest.mark.usefixtures("server")  # or a reason why there is none
def test_nothing_stays_when_the_one_that_started_it_is_killed() -> None:
    program = (
        "from deploy.servers import PostgreSQL; import time\n"
        "with PostgreSQL() as s: print(s.pid, s.directory, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        pid, directory = owner.stdout.readline().split()
        owner.send_signal(signal.SIGKILL)
    _wait_until(lambda: not Path(directory).exists() and not _runs(int(pid)))


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)
