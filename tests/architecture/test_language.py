"""What the code says, and what it does not."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def modules(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


PRODUCT = modules("services", "shared", "deploy")
SERVING = modules("services", "shared")
TEMPLATES = [path for folder in ("services", "shared") for path in sorted((ROOT / folder).rglob("templates/**/*.html"))]
TREES = {path: ast.parse(path.read_text("utf-8")) for path in PRODUCT}


def where(path: Path, node: ast.AST | None = None) -> str:
    return f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', '')}"


def calls(path: Path) -> Iterator[tuple[str, ast.Call]]:
    """Each call of a module, by the dotted name it is called by."""
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def test_nothing_is_printed_but_by_commands() -> None:
    assert not [
        where(path, call)
        for path in SERVING
        if path.stem not in ("__main__", "cli")
        for name, call in calls(path)
        if name in ("print", "pprint", "pprint.pprint", "sys.stdout.write")
    ]


def test_no_time_is_without_its_zone() -> None:
    naive = re.compile(r"(^|\.)(datetime\.(utcnow|utcfromtimestamp|today)|date\.today)$")
    zoned = re.compile(r"(^|\.)datetime\.(now|fromtimestamp)$")
    for path in PRODUCT:
        for name, call in calls(path):
            assert not naive.search(name), where(path, call)
            if zoned.search(name):
                needed = 1 if name.endswith("now") else 2
                assert len(call.args) + len(call.keywords) >= needed, where(path, call)


def test_now_is_asked_for_in_one_place() -> None:
    """So that a service can be told the time."""
    asking = {
        path.relative_to(ROOT).as_posix() for path in SERVING for name, _ in calls(path) if name == "datetime.now"
    }
    assert asking == {"shared/clock.py"}


def test_nothing_is_run_that_came_as_data() -> None:
    forbidden = re.compile(
        r"^(eval|exec|__import__|pickle\.\w+|marshal\.\w+|yaml\.load|os\.system|(flask\.)?render_template_string)$"
    )
    for path in PRODUCT:
        for name, call in calls(path):
            assert not forbidden.search(name), where(path, call)
            assert not any(keyword.arg == "shell" for keyword in call.keywords), where(path, call)


@pytest.mark.parametrize("path", PRODUCT, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_module_says_what_it_is_for(path: Path) -> None:
    if TREES[path].body and path.stem != "__main__":
        assert ast.get_docstring(TREES[path])


def test_nothing_is_left_for_later() -> None:
    unfinished = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
    for path in [*PRODUCT, *TEMPLATES, *modules("tests")]:
        if path != Path(__file__):
            assert not unfinished.search(path.read_text("utf-8")), where(path)


def test_tests_use_the_real_parts() -> None:
    for path in modules("tests"):
        if path != Path(__file__):
            assert "unittest.mock" not in path.read_text("utf-8"), where(path)


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_templates_hold_nothing_that_browsers_are_told_to_refuse(path: Path) -> None:
    text = path.read_text("utf-8")
    assert not re.search(r"<script(?![^>]*\bsrc=)", text), "inline script"
    assert not re.search(r"<style\b", text), "inline style"
    assert not re.search(r"\son[a-z]+\s*=\s*[\"']", text), "inline handler"
    assert "javascript:" not in text
    assert not re.search(r"\|\s*safe\b", text), "what people wrote is escaped"
    assert "autoescape false" not in text
