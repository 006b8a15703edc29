"""The OpenAPI document of every service: valid, whole, and honest about who may ask."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR

from deploy.services import SERVICES
from shared.service import Instance, Service
from shared.web.auth import require_login
from tests.conftest import client_for

METHODS = ("get", "post", "put", "patch", "delete")

pytestmark = [
    pytest.mark.parametrize("engine", ["sqlite"], indirect=True),
    pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name),
]


@pytest.fixture
def app(service: Service, make_instance: Callable[..., Instance]) -> Flask:
    return client_for(make_instance(service)).application


@pytest.fixture
def document(app: Flask, service: Service) -> dict[str, Any]:
    loaded: dict[str, Any] = app.test_client().get(f"{service.mount}/api/openapi.json").get_json()
    return loaded


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        f"{method.upper()} {path}": operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    }


def as_documented(rule: str) -> str:
    """`/notes/<uuid:note_id>` as OpenAPI writes it."""
    return re.sub(r"<(?:[^:<>]+:)?(\w+)>", r"{\1}", rule)


def test_it_is_valid(document: dict[str, Any]) -> None:
    assert [f"{error.instance_path}: {error.message}" for error in OPENAPI_31_VALIDATOR.iter_errors(document)] == []
    for kind, name in re.findall(r"'\$ref': '#/components/(\w+)/(\w+)'", str(document)):
        assert name in document["components"][kind]


def test_every_address_of_the_api_is_in_it(app: Flask, document: dict[str, Any]) -> None:
    served = {
        f"{method} {as_documented(rule.rule)}"
        for rule in app.url_map.iter_rules()
        if "/api/v" in rule.rule
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert served == operations(document).keys()


def test_every_operation_says_what_it_does_and_what_may_go_wrong(document: dict[str, Any]) -> None:
    for name, operation in operations(document).items():
        assert operation.get("summary"), name
        assert not operation["summary"].endswith("."), name
        assert any(status.startswith(("2", "3")) for status in operation["responses"]), name
        for status in ("400", "401", "403", "404", "409", "422", "500", "503"):
            assert "application/problem+json" in operation["responses"][status]["content"], name
        bodies = operation.get("requestBody", {}).get("content", {})
        for body in bodies.values():
            assert body["schema"], name


def test_it_says_where_a_token_is_needed(app: Flask, document: dict[str, Any]) -> None:
    said = operations(document)
    for rule in app.url_map.iter_rules():
        if "/api/v" not in rule.rule:
            continue
        path = as_documented(rule.rule)
        guarded = require_login in app.before_request_funcs.get(rule.endpoint.rpartition(".")[0], [])
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            if guarded:
                assert said[f"{method} {path}"]["security"] == [{"token": []}], path


def test_whoever_is_not_signed_in_is_kept_out_of_what_needs_a_token(app: Flask, document: dict[str, Any]) -> None:
    client = app.test_client()
    some_id = "6f1c2b34-0c5b-4f0e-9d0a-1b2c3d4e5f60"
    for name, operation in operations(document).items():
        if operation.get("security") == [{"token": []}]:
            method, path = name.split(" ")
            answer = client.open(re.sub(r"{\w+}", some_id, path), method=method)
            assert answer.status_code == 401, name


def test_it_is_shown_to_people(app: Flask, service: Service, document: dict[str, Any]) -> None:
    page = app.test_client().get(f"{service.mount}/api/docs")
    assert page.status_code == 200
    text = page.get_data(as_text=True)
    for path in document["paths"]:
        assert path.replace("&", "&amp;") in text
