"""Who knows one service knows them all: the same shelves in each, and each declared in the same way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from deploy.services import SERVICES
from shared.config import Config
from shared.web.api import Blueprint

ROOT = Path(__file__).parents[2]

SHELVES = {
    *("__init__", "__main__", "app", "api", "pages", "handlers", "jobs"),
    *("commands", "queries", "models", "schemas", "domain", "migrations", "templates"),
}
WHERE_NEEDED = {"gateways", "config"}

each_service = pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)


def folder_of(service: Any) -> Path:
    return ROOT.joinpath(*service.import_name.split("."))


def test_the_services_are_those_in_the_folder() -> None:
    folders = {path.name for path in (ROOT / "services").iterdir() if (path / "__init__.py").exists()}
    assert folders == {service.name for service in SERVICES}
    assert len(SERVICES) == len({service.mount for service in SERVICES}) == 5


@each_service
def test_a_service_has_all_shelves_and_no_other(service: Any) -> None:
    shelves = {path.stem for path in folder_of(service).iterdir() if path.name not in ("__pycache__", "py.typed")}
    assert shelves - WHERE_NEEDED == SHELVES


@each_service
def test_a_shelf_is_a_module_or_a_package_and_not_both(service: Any) -> None:
    names = [path.stem for path in folder_of(service).iterdir() if path.name != "__pycache__"]
    assert len(names) == len(set(names))
    for path in folder_of(service).iterdir():
        if path.is_dir() and path.name not in ("migrations", "templates", "__pycache__"):
            assert (path / "__init__.py").exists(), f"{path.name} is no package"


@each_service
def test_migrations_and_templates_are_where_they_are_looked_for(service: Any) -> None:
    folder = folder_of(service)
    history = folder / "migrations" / "versions"
    assert list(history.glob("0001_*.py"))
    assert not (history / "__init__.py").exists(), "revisions are found by their folder, not imported"
    assert service.histories["schema"] == history
    assert [path.name for path in (folder / "templates").iterdir()] == [service.name]


@each_service
def test_a_service_is_declared_in_the_same_way(service: Any) -> None:
    assert service.import_name == f"services.{service.name}"
    assert service.mount in (f"/{service.name}", "/stats")
    assert issubclass(service.config, Config)
    assert service.title[0].isupper()
    assert callable(__import__(f"{service.import_name}.app", fromlist=["create_app"]).create_app)
    names = [blueprint.name for blueprint in service.blueprints]
    assert len(names) == len(set(names))
    assert any(isinstance(blueprint, Blueprint) for blueprint in service.blueprints)
    jobs = [job.run.__name__ for job in service.jobs]
    assert len(jobs) == len(set(jobs)), "jobs are told apart by their names"


@each_service
def test_each_has_tests_of_the_same_names(service: Any) -> None:
    assert (ROOT / "tests" / service.name).is_dir()
