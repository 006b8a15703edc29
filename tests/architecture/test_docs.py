"""What is written for people is whole, and leads somewhere."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from deploy import asyncapi
from deploy.services import SERVICES

ROOT = Path(__file__).parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
WRITTEN = "\n".join(page.read_text("utf-8") for page in PAGES)
SETTINGS = WRITTEN + (ROOT / "deploy" / ".env.example").read_text("utf-8")


def settings() -> list[str]:
    """Names of all settings: of every service's configuration, and what is read from the environment beside them."""
    names = {field.name.upper() for service in SERVICES for field in fields(service.config)}
    for path in [*(ROOT / "shared").rglob("*.py"), *(ROOT / "services").rglob("*.py"), ROOT / "deploy" / "embedded.py"]:
        asked = r"(?:os\.environ(?:\.get\(|\[)|_number\()\"([A-Z][A-Z_]+)\""
        names |= set(re.findall(asked, path.read_text("utf-8")))
    return sorted(names - {"PROMETHEUS_MULTIPROC_DIR", "CATALOGUE_DATABASE_URL"})  # set, not asked for


@pytest.mark.parametrize("type_", asyncapi.published())
def test_every_event_is_in_the_documents(type_: str) -> None:
    assert f"`{type_}`" in WRITTEN


@pytest.mark.parametrize("name", settings())
def test_every_setting_is_in_the_documents(name: str) -> None:
    assert re.search(rf"\b{name}\b", SETTINGS), f"{name} is described nowhere"


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_every_service_is_in_the_documents(service: object) -> None:
    assert re.search(rf"\b{service.name}\b", WRITTEN)  # type: ignore[attr-defined]


def test_which_event_is_heard_by_whom_is_written_as_it_is() -> None:
    page = (ROOT / "docs" / "events.md").read_text("utf-8")
    for section in page.split("### Told by ")[1:]:
        teller = section.split()[0]
        [said] = re.findall(r"^Heard by ([a-z_, ]+)", section, re.MULTILINE)
        hearing = {service.name for service in SERVICES if teller in service.hears}
        assert set(re.split(", and |, | and ", said)) == hearing, teller


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_what_is_there(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        path, _, anchor = target.partition("#")
        if re.match(r"[a-z]+:|/", target):
            continue  # elsewhere, or an address of the running system
        aim = (page.parent / path).resolve() if path else page
        assert aim.exists(), f"{page.name} leads to {target}"
        if anchor and aim.suffix == ".md":
            assert anchor in anchors_of(aim), f"{page.name} leads to {target}"


def anchors_of(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_command_that_is_named_is_there() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z-]+)", WRITTEN)) <= targets
    for module in set(re.findall(r"python -m ((?:deploy|services|tools)[a-z_.]*)", WRITTEN)):
        if module != "services.":  # `python -m services.NAME`
            path = ROOT.joinpath(*module.rstrip(".").split("."))
            assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), module
