"""Who may import whom, as pyproject.toml says it."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from importlinter import cli

ROOT = Path(__file__).parents[2]


def test_the_contracts_between_the_modules_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert cli.lint_imports(no_cache=True) == cli.EXIT_STATUS_SUCCESS, "the output above names the imports"


def test_nothing_is_excepted_from_them() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    assert len(contracts) >= 11
    assert not [contract["id"] for contract in contracts if contract.get("ignore_imports")]
