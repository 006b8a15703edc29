"""What each OpenAPI document says is what the service does: no 5xx, and no answer it does not announce."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from deploy.journey import Journey, System, embedded
from deploy.services import SERVICES

EXAMPLES = 15  # of each operation
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
# What would end the run itself: the session the requests are made with.
LEFT_ALONE = {("DELETE", "/access/api/v1/tokens/current"), ("POST", "/access/api/v1/me/password")}


@pytest.fixture(scope="module")
def played() -> Iterator[System]:
    """A running system in which the main job was played once, so that there is something to ask for."""
    with embedded() as (system, mails):
        Journey(system, mails).run()
        yield system


@pytest.mark.parametrize("mount", [service.mount for service in SERVICES])
def test_answers_are_as_documented(played: System, mount: str) -> None:
    schema = schemathesis.openapi.from_url(played.locate(f"{mount}/api/openapi.json"))
    headers = {"Authorization": f"Bearer {played.administrator.token}"}
    tried = 0
    for found in schema.get_all_operations():
        operation = found.ok()  # type: ignore[union-attr]  # an invalid one raises
        if (operation.method.upper(), operation.path) in LEFT_ALONE:
            continue

        @given(case=operation.as_strategy())
        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        def ask(case: schemathesis.Case[Any]) -> None:
            response = case.call(headers=headers)
            case.validate_response(response, checks=CHECKS)

        ask()
        tried += 1
    assert tried > 3
