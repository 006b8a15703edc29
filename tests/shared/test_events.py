"""Events and envelopes: what travels arrives as it was told."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from importlib import import_module
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.calendar import Opening
from shared.events import REGISTRY, Envelope, Event, UnknownEvent, dump, event, load
from tests.shared.building import events, moments, names

for _module in ("access", "booking", "catalogue"):
    import_module(f"shared.contracts.{_module}")


class Shade(StrEnum):
    LIGHT = "light"
    DARK = "dark"


@dataclass(frozen=True, slots=True)
class Part:
    """A thing inside an event."""

    name: str
    shade: Shade | None


@event("tests.everything.v1")
@dataclass(frozen=True, kw_only=True)
class Everything(Event):
    """One field of each kind an event may have."""

    key: UUID
    text: str
    number: int
    flag: bool
    moment: datetime
    day: date
    lasts: timedelta
    shade: Shade
    perhaps: UUID | None
    parts: tuple[Part, ...]
    days: tuple[date, ...]
    weekly: tuple[Opening, ...] = ()
    later: str = "a default"

    @property
    def subject(self) -> str:
        return str(self.key)


CONTRACTS = sorted(REGISTRY)


@settings(max_examples=25)
@pytest.mark.parametrize("type_", CONTRACTS)
@given(data=st.data())
def test_what_is_told_is_what_is_heard(type_: str, data: st.DataObject) -> None:
    told = data.draw(events(REGISTRY[type_]))
    over_the_wire = json.loads(json.dumps(dump(told)))
    heard = load(type_, over_the_wire)
    assert heard == told
    assert type(heard) is type(told)
    assert heard.subject == told.subject
    assert hash(heard) == hash(told), "frozen all the way down"


@settings(max_examples=10)
@pytest.mark.parametrize("type_", CONTRACTS)
@given(data=st.data())
def test_tellers_may_add_fields(type_: str, data: st.DataObject) -> None:
    told = data.draw(events(REGISTRY[type_]))
    assert load(type_, dump(told) | {"added_later": {"a": [1]}, "x": None}) == told


@pytest.mark.parametrize("type_", CONTRACTS)
def test_contracts_keep_the_rules_of_the_language(type_: str) -> None:
    cls = REGISTRY[type_]
    service, name, version = type_.split(".")
    assert cls.type == type_
    assert service.isidentifier()
    assert name == name.lower()
    assert version.startswith("v")
    assert version[1:].isdigit()
    assert cls.__doc__, "what it means, for those who hear it"
    assert dataclasses.fields(cls)
    assert cls.__dataclass_params__.frozen  # type: ignore[attr-defined]


def test_an_older_telling_without_a_later_field() -> None:
    told = Everything(
        sequence=1,
        key=uuid4(),
        text="a",
        number=1,
        flag=True,
        moment=datetime(2031, 5, 5, tzinfo=UTC),
        day=date(2031, 5, 5),
        lasts=timedelta(minutes=5),
        shade=Shade.DARK,
        perhaps=None,
        parts=(Part("a", Shade.LIGHT), Part("b", None)),
        days=(),
        weekly=(Opening(0, 0, 60),),
    )
    old = dump(told)
    del old["later"], old["weekly"]
    assert load("tests.everything.v1", old) == dataclasses.replace(told, weekly=())
    for needed in ("key", "parts", "sequence"):
        with pytest.raises(KeyError):
            load("tests.everything.v1", {name: value for name, value in old.items() if name != needed})


def test_an_event_nobody_declared() -> None:
    with pytest.raises(UnknownEvent):
        load("nobody.knows.v1", {})


def test_a_type_is_declared_once() -> None:
    with pytest.raises(TypeError):
        event("tests.everything.v1")(Everything)


# --- envelopes


envelopes = st.builds(
    Envelope,
    id=st.uuids(),
    source=st.sampled_from(["access", "usage_stats"]),
    type=st.sampled_from(CONTRACTS),
    subject=names.filter(bool),
    sequence=st.integers(1, 2**31 - 1),
    time=moments,
    actor=st.uuids(),
    correlation_id=st.uuids(),
    causation_id=st.none() | st.uuids(),
    data=st.dictionaries(names, st.none() | st.integers() | names | st.lists(names, max_size=2), max_size=3),
    position=st.none() | st.integers(1, 2**53),
)


@given(envelopes)
def test_an_envelope_arrives_as_it_was_sent(sent: Envelope) -> None:
    assert Envelope.from_json(sent.to_json()) == sent
    assert Envelope.from_json(sent.to_json().encode()) == sent
    assert Envelope.from_dict(sent.to_dict()) == sent


def good() -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": str(uuid4()),
        "source": "/teller",
        "type": "teller.counted.v1",
        "subject": "a",
        "time": "2031-05-05T08:00:00+02:00",
        "datacontenttype": "application/json",
        "sequence": 1,
        "actor": str(uuid4()),
        "correlationid": str(uuid4()),
        "data": {"sequence": 1, "counter": "a"},
        "position": 1,
    }


def test_an_envelope_is_a_cloud_event() -> None:
    envelope = Envelope.from_dict(good())
    assert envelope.time == datetime(2031, 5, 5, 6, tzinfo=UTC)
    assert envelope.time.utcoffset() == timedelta()
    written = envelope.to_dict()
    assert written.keys() >= {"specversion", "id", "source", "type", "subject", "time", "datacontenttype", "data"}
    assert all(name.isalnum() and name.islower() for name in written), "as CloudEvents wants attribute names"
    assert written["source"] == "/teller"
    assert "causationid" not in written
    assert Envelope.from_dict(good() | {"traceparent": "00-1", "unknown": []}), "others may add attributes"


@pytest.mark.parametrize(
    "name", ["id", "source", "type", "subject", "time", "sequence", "actor", "correlationid", "data"]
)
def test_what_is_missing_makes_no_envelope(name: str) -> None:
    message = good()
    del message[name]
    with pytest.raises((KeyError, TypeError, ValueError)):
        Envelope.from_dict(message)


values = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers(), max_size=2)


@given(name=st.sampled_from(sorted(good())), value=values | st.dictionaries(st.text(), values, max_size=2))
def test_a_spoilt_envelope_is_refused_in_one_of_three_ways_or_is_none_the_worse(name: str, value: Any) -> None:
    message = good() | {name: value}
    try:
        envelope = Envelope.from_dict(message)
    except (KeyError, TypeError, ValueError):
        return
    assert Envelope.from_dict(envelope.to_dict()) == envelope
    assert 1 <= envelope.sequence < 2**31
    assert envelope.position is None or 1 <= envelope.position <= 2**53
    assert all(0 < len(text) <= 255 and "\0" not in text for text in (envelope.type, envelope.subject))


@given(st.binary(max_size=60) | st.text().map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_bytes_are_refused_in_one_of_three_ways(body: bytes) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        Envelope.from_json(body)


def test_what_no_database_can_keep_is_no_envelope() -> None:
    text = json.dumps(good())
    for wrong in (
        text.replace('"counter": "a"', '"counter": NaN'),
        text.replace('"counter": "a"', '"counter": "\\ud800"'),
    ):
        assert wrong != text
        with pytest.raises(ValueError):
            Envelope.from_json(wrong)


def test_an_event_tells_its_envelope_what_it_is_about() -> None:
    told = Everything(
        sequence=7,
        key=UUID(int=5),
        text="",
        number=0,
        flag=False,
        moment=datetime(2031, 5, 5, tzinfo=UTC),
        day=date(2031, 5, 5),
        lasts=timedelta(),
        shade=Shade.LIGHT,
        perhaps=None,
        parts=(),
        days=(),
    )
    envelope = Envelope.wrap(
        told, source="tests", time=told.moment, actor=uuid4(), correlation_id=uuid4(), causation_id=None
    )
    assert (envelope.type, envelope.subject, envelope.sequence) == ("tests.everything.v1", str(UUID(int=5)), 7)
    assert envelope.position is None
    assert envelope.at(3).position == 3
    assert envelope.event == told
