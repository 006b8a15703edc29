"""The main job from end to end: in one process, and in processes of their own."""

from __future__ import annotations

import subprocess
import sys

import pytest

from deploy import programs
from tests.conftest import IN_CI


def play(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "deploy.journey", *options], capture_output=True, text=True, timeout=300, check=False
    )


def test_the_main_job_in_one_process() -> None:
    played = play()
    assert played.returncode == 0, played.stdout + played.stderr
    assert "Every step was answered right" in played.stdout


def test_the_main_job_on_postgresql_and_rabbitmq() -> None:
    if missing := programs.missing(["postgresql", "rabbitmq-server"]):
        if IN_CI:
            pytest.fail(f"missing: {', '.join(missing)}")
        pytest.skip(f"missing: {', '.join(missing)}")
    played = play("--deployed")
    assert played.returncode == 0, played.stdout + played.stderr
    assert "Every step was answered right" in played.stdout
