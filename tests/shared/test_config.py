"""Settings come from the environment, once, and what is wrong with them is said all at once."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from shared.config import Config, ConfigError


@dataclass(frozen=True, kw_only=True)
class MailConfig(Config):
    port: int = 25
    pause: float = 1.5
    encrypted: bool = True
    sender: str


URL = {"DATABASE_URL": "sqlite:///x.db", "SENDER": "a@b.example"}


def test_names_come_in_upper_case_and_the_services_own_first() -> None:
    env = URL | {"NOTIFY_DATABASE_URL": "sqlite:///own.db", "PORT": "2525", "OTHER_PORT": "1", "PAUSE": "0.25"}
    config = MailConfig.from_env("notify", env)
    assert config.database_url == "sqlite:///own.db"
    assert (config.port, config.pause, config.encrypted) == (2525, 0.25, True)
    assert MailConfig.from_env("other", env).port == 1


def test_what_is_not_set_has_its_default_and_empty_is_not_set() -> None:
    empty = {"PORT": "", "BROKER_URL": "", "ENCRYPTED": "", "NOTIFY_SENDER": "", "PEER_URLS": ""}
    assert MailConfig.from_env("notify", URL | empty) == MailConfig.from_env("notify", URL)
    assert MailConfig.from_env("notify", URL).broker_url.startswith("amqp://")


def test_everything_that_is_wrong_is_said_at_once() -> None:
    env = {"PORT": "many", "PAUSE": "soon", "ENCRYPTED": "yes", "PEER_URLS": "a=http://a", "SERVICE_SECRET": "short"}
    with pytest.raises(ConfigError) as refused:
        MailConfig.from_env("notify", env)
    said = str(refused.value)
    for name in ("DATABASE_URL", "SENDER", "PORT", "PAUSE", "ENCRYPTED", "SERVICE_SECRET"):
        assert name in said
    assert said.startswith("notify: ")


@pytest.mark.parametrize(("text", "flag"), [("true", True), ("False", False), ("TRUE", True)])
def test_yes_and_no(text: str, flag: bool) -> None:
    assert MailConfig.from_env("notify", URL | {"ENCRYPTED": text}).encrypted is flag


def test_a_file_may_hold_the_value(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("a long secret from a file\n")
    config = Config.from_env("booking", URL | {"SERVICE_SECRET_FILE": str(secret), "SERVICE_SECRET": "another"})
    assert config.service_secret == "a long secret from a file"
    own = tmp_path / "own"
    own.write_text("of booking alone")
    env = URL | {"SERVICE_SECRET_FILE": str(secret), "BOOKING_SERVICE_SECRET_FILE": str(own)}
    assert Config.from_env("booking", env).service_secret == "of booking alone"
    assert Config.from_env("access", env).service_secret == "a long secret from a file"


def test_a_file_that_is_not_there_is_a_setting_that_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="DATABASE_URL"):
        Config.from_env("booking", {"DATABASE_URL_FILE": str(tmp_path / "none")})


def test_peers_by_name() -> None:
    urls = " access=http://access-web:8000/ , catalogue=http://catalogue-web:8000,"
    config = Config.from_env("booking", URL | {"PEER_URLS": urls, "SERVICE_SECRET": "x" * 16})
    assert config.peers == {"access": "http://access-web:8000", "catalogue": "http://catalogue-web:8000"}
    assert Config.from_env("booking", URL).peers == {}


@pytest.mark.parametrize("verb", ["worker", "web", "migrate"])
def test_a_process_without_its_settings_does_not_start(verb: str) -> None:
    command = [sys.executable, "-m", "tests.shared.sample", "teller", verb]
    ended = subprocess.run(command, check=False, capture_output=True, text=True, env={"PORT": "1"})
    assert ended.returncode == 78
    assert "DATABASE_URL is missing" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_port_that_is_none_is_said_too() -> None:
    command = [sys.executable, "-m", "tests.shared.sample", "teller", "worker"]
    env = {"DATABASE_URL": "sqlite:///none.db", "WORKER_PORT": "eight"}
    ended = subprocess.run(command, check=False, capture_output=True, text=True, env=env)
    assert ended.returncode == 78
    assert ended.stderr.strip() == "WORKER_PORT must be a number"
