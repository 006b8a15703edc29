"""The published language: one sample of every event ever told, and the document made from the contracts."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from deploy import asyncapi
from deploy.services import SERVICES
from shared.events import Envelope, dump
from tests.shared.building import events

CONTRACTS = asyncapi.published()
SAMPLES = {path.stem: path for path in sorted((Path(__file__).parent / "samples").glob("*.json"))}
COMMITTED: dict[str, Any] = json.loads(asyncapi.TARGET.read_text("utf-8"))

Json = dict[str, Any]


def sample(type_: str) -> Json:
    loaded: Json = json.loads(SAMPLES[type_].read_text("utf-8"))
    return loaded


# --- one sample of each


def test_every_contract_has_a_sample_and_every_sample_a_contract() -> None:
    """A type that was told once can be told no differently: its sample stays, and so does its contract."""
    assert sorted(SAMPLES) == sorted(CONTRACTS)


def test_samples_differ_in_what_must_differ() -> None:
    samples = [sample(type_) for type_ in SAMPLES]
    assert len({each["id"] for each in samples}) == len(samples)
    assert len({(each["source"], each["position"]) for each in samples}) == len(samples)


@pytest.mark.parametrize("type_", SAMPLES)
def test_a_sample_is_read_and_written_as_it_is(type_: str) -> None:
    raw = sample(type_)
    envelope = Envelope.from_dict(raw)
    assert envelope.to_dict() == raw
    assert Envelope.from_json(SAMPLES[type_].read_bytes()) == envelope
    event = envelope.event
    assert event.type == envelope.type == type_
    assert event.subject == envelope.subject
    assert event.sequence == envelope.sequence
    assert envelope.source == type_.partition(".")[0]

    written = dump(event)
    later = {field.name for field in dataclasses.fields(event) if field.default is not dataclasses.MISSING}
    assert {name: value for name, value in written.items() if name in raw["data"]} == raw["data"]
    assert written.keys() - raw["data"].keys() <= later, "what was added since has a default"


@pytest.mark.parametrize("type_", SAMPLES)
def test_a_later_teller_may_say_more(type_: str) -> None:
    raw = sample(type_)
    more = raw | {"traceparent": "00-1-2-3", "data": raw["data"] | {"added_later": {"a": [1, None]}}}
    assert Envelope.from_dict(more).event == Envelope.from_dict(raw).event


@pytest.mark.parametrize("type_", SAMPLES)
def test_an_older_teller_said_less(type_: str) -> None:
    raw = sample(type_)
    cls = CONTRACTS[type_]
    for field in dataclasses.fields(cls):
        less = {name: value for name, value in raw["data"].items() if name != field.name}
        if field.default is dataclasses.MISSING:
            with pytest.raises(KeyError):
                Envelope.from_dict(raw | {"data": less}).event  # noqa: B018
        else:
            assert getattr(Envelope.from_dict(raw | {"data": less}).event, field.name) == field.default


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_what_a_service_hears_is_published_by_another(service: Any) -> None:
    assert service.heard <= CONTRACTS.keys()
    assert service.hears <= {other.name for other in SERVICES} - {service.name}


def test_only_services_that_are_there_tell_anything() -> None:
    assert {type_.partition(".")[0] for type_ in CONTRACTS} <= {service.name for service in SERVICES}


# --- the document


def test_the_document_is_current() -> None:
    assert asyncapi.TARGET.read_text("utf-8") == asyncapi.written(), "run `python -m deploy.asyncapi`"


def test_the_document_has_the_shape_of_asyncapi_3() -> None:
    assert COMMITTED["asyncapi"] == "3.0.0"
    assert COMMITTED["info"].keys() >= {"title", "version"}
    assert COMMITTED["channels"].keys() == CONTRACTS.keys() == COMMITTED["components"]["messages"].keys()
    for server in COMMITTED["servers"].values():
        assert server.keys() >= {"host", "protocol"}
    for operation in COMMITTED["operations"].values():
        assert operation["action"] in ("send", "receive")
        channel = resolved(operation["channel"]["$ref"])
        for message in operation["messages"]:
            assert resolved(message["$ref"]) in channel["messages"].values(), (
                "an operation's messages are its channel's"
            )
    names = [*COMMITTED["operations"], *COMMITTED["components"]["messages"], *COMMITTED["components"]["schemas"]]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+", name) for name in names)


def test_every_reference_leads_somewhere() -> None:
    references = list(found_references(COMMITTED))
    assert len(references) > 3 * len(CONTRACTS)
    for reference in references:
        assert resolved(reference), reference


def test_who_tells_and_who_hears() -> None:
    for type_ in CONTRACTS:
        teller = type_.partition(".")[0]
        assert COMMITTED["operations"][f"{teller}.tells.{type_}"]["action"] == "send"
    for service in SERVICES:
        said = {
            name.partition(".hears.")[2]
            for name in COMMITTED["operations"]
            if name.startswith(f"{service.name}.hears.")
        }
        assert said == service.heard


@pytest.mark.parametrize("type_", CONTRACTS)
def test_it_describes_what_is_told(type_: str) -> None:
    message = COMMITTED["components"]["messages"][type_]
    assert message["summary"]
    validator = Draft202012Validator(
        message["payload"] | {"components": COMMITTED["components"]}, format_checker=Draft202012Validator.FORMAT_CHECKER
    )
    Draft202012Validator.check_schema(validator.schema)
    raw = sample(type_)
    assert not [error.message for error in validator.iter_errors(raw)]
    assert validator.is_valid(raw | {"data": raw["data"] | {"added_later": 1}})
    assert not validator.is_valid(raw | {"type": "another.type.v1"})
    assert not validator.is_valid(raw | {"id": 5})
    for needed in COMMITTED["components"]["schemas"][CONTRACTS[type_].__name__]["required"]:
        less = {name: value for name, value in raw["data"].items() if name != needed}
        assert not validator.is_valid(raw | {"data": less})


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@pytest.mark.parametrize("type_", CONTRACTS)
@given(data=st.data())
def test_it_describes_whatever_may_be_told(type_: str, data: st.DataObject) -> None:
    schema = {"$ref": f"#/components/schemas/{CONTRACTS[type_].__name__}", "components": COMMITTED["components"]}
    told = dump(data.draw(events(CONTRACTS[type_])))
    assert not [error.message for error in Draft202012Validator(schema).iter_errors(told)]


def resolved(reference: str) -> Any:
    found: Any = COMMITTED
    for step in reference.removeprefix("#/").split("/"):
        found = found[step.replace("~1", "/").replace("~0", "~")]
    return found


def found_references(value: Any) -> Any:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from found_references(each)
