"""Events: facts that happened, named in the past tense, frozen and append-only; and the envelope they travel in.

The envelope is a CloudEvents 1.0 message in structured JSON mode. Extension attributes: `position`
(place in the teller's log, without gaps), `sequence` (place among the events of one subject),
`correlationid`, `causationid`, `actor`.
"""

from __future__ import annotations

import json
import types
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from functools import cache
from typing import Any, ClassVar, Self, TypeVar, Union, get_args, get_origin, get_type_hints
from uuid import UUID, uuid4

CONTENT_TYPE = "application/cloudevents+json"
BATCH_CONTENT_TYPE = "application/cloudevents-batch+json"

LONGEST_NAME = 255  # of what the mailboxes keep in a column
LARGEST_SEQUENCE, LARGEST_POSITION = 2**31 - 1, 2**53


class UnknownEvent(Exception):
    """An envelope names an event no contract in this build declares."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """Base of every event. `type` doubles as the routing key, e.g. `booking.approved.v1`."""

    type: ClassVar[str]

    sequence: int  # 1, 2, 3, … within the subject; a replica drops what is older than what it has

    @property
    def subject(self) -> str:
        """Id of the thing the event is about; events of one subject keep their order."""
        raise NotImplementedError(self.type)


E = TypeVar("E", bound=Event)

REGISTRY: dict[str, type[Event]] = {}


def event(type_: str) -> Callable[[type[E]], type[E]]:
    """Declare the class below as the contract of `type_`. Raises `TypeError` if there is one already."""

    def register(cls: type[E]) -> type[E]:
        if type_ in REGISTRY:
            raise TypeError(f"{type_} is already declared by {REGISTRY[type_].__name__}")
        cls.type = type_
        REGISTRY[type_] = cls
        return cls

    return register


def dump(event: Event) -> dict[str, Any]:
    """The event as JSON values: ids and dates as text, durations in seconds, tuples as lists."""
    return {each.name: _dumped(getattr(event, each.name)) for each in fields(event)}


def _dumped(value: Any) -> Any:
    if is_dataclass(value):
        return {each.name: _dumped(getattr(value, each.name)) for each in fields(value)}
    match value:
        case dict():
            return {key: _dumped(item) for key, item in value.items()}
        case tuple() | list():
            return [_dumped(item) for item in value]
        case Enum():
            return value.value
        case UUID():
            return str(value)
        case datetime() | date():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case _:
            return value


def load(type_: str, data: dict[str, Any]) -> Event:
    """Rebuild an event. Unknown keys are ignored, so tellers may add fields freely.

    Raises `UnknownEvent`; `KeyError`, `TypeError` or `ValueError` if `data` does not fit the contract.
    """
    try:
        cls = REGISTRY[type_]
    except KeyError:
        raise UnknownEvent(type_) from None
    loaded: Event = _dataclass_loader(cls)(data)  # type: ignore[arg-type]  # classes are hashable
    return loaded


@cache
def _dataclass_loader(cls: Any) -> Callable[[dict[str, Any]], Any]:
    hints = get_type_hints(cls)
    loaders = [(field.name, _loader(hints[field.name]), field.default is MISSING) for field in fields(cls)]

    def load_fields(data: dict[str, Any]) -> Any:
        return cls(**{name: ld(data[name]) for name, ld, needed in loaders if needed or name in data})

    return load_fields


def _loader(hint: Any) -> Callable[[Any], Any]:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        inner = _loader(next(argument for argument in arguments if argument is not type(None)))
        return lambda value: None if value is None else inner(value)
    if origin is tuple:
        item = _loader(arguments[0])
        return lambda value: tuple(item(each) for each in value)
    if hint is datetime or hint is date:
        return hint.fromisoformat
    if hint is timedelta:
        return lambda value: timedelta(seconds=value)
    if is_dataclass(hint) and isinstance(hint, type):
        return _dataclass_loader(hint)
    if isinstance(hint, type) and (hint is UUID or issubclass(hint, Enum)):
        return hint
    return lambda value: value


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What travels: an event and the facts about its telling."""

    id: UUID
    source: str  # name of the service that tells it
    type: str
    subject: str
    sequence: int
    time: datetime  # when it happened, UTC
    actor: UUID
    correlation_id: UUID  # the request that began it all
    causation_id: UUID | None  # the message this one answers
    data: dict[str, Any]
    position: int | None = None  # given by the relay; None until then

    @classmethod
    def wrap(cls, event: Event, **facts: Any) -> Self:
        return cls(
            id=uuid4(),
            type=event.type,
            subject=event.subject,
            sequence=event.sequence,
            data=dump(event),
            **facts,
        )

    def at(self, position: int) -> Envelope:
        return replace(self, position=position)

    @property
    def event(self) -> Event:
        return load(self.type, self.data)

    def to_dict(self) -> dict[str, Any]:
        """The CloudEvents 1.0 JSON object."""
        message: dict[str, Any] = {
            "specversion": "1.0",
            "id": str(self.id),
            "source": f"/{self.source}",
            "type": self.type,
            "subject": self.subject,
            "time": self.time.isoformat(),
            "datacontenttype": "application/json",
            "sequence": self.sequence,
            "actor": str(self.actor),
            "correlationid": str(self.correlation_id),
            "data": self.data,
        }
        if self.causation_id:
            message["causationid"] = str(self.causation_id)
        if self.position is not None:
            message["position"] = self.position
        return message

    def to_json(self) -> str:
        return json.dumps(self.to_dict(), separators=(",", ":"))

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> Self:
        """Raises `KeyError`, `TypeError` or `ValueError` if `raw` is not such a message.

        What gets through can be stored: whoever stores it must not fail on one message for ever.
        """
        time = datetime.fromisoformat(raw["time"])
        if time.tzinfo is None:
            raise ValueError("the time of an event must have an offset")
        data, position = raw["data"], raw.get("position")
        if not isinstance(data, dict):
            raise TypeError("data must be an object")
        return cls(
            id=_id(raw["id"]),
            source=_name(raw["source"]).removeprefix("/"),
            type=_name(raw["type"]),
            subject=_name(raw["subject"]),
            sequence=_number(raw["sequence"], LARGEST_SEQUENCE),
            time=_utc(time),
            actor=_id(raw["actor"]),
            correlation_id=_id(raw["correlationid"]),
            causation_id=_id(raw["causationid"]) if raw.get("causationid") else None,
            data=data,
            position=None if position is None else _number(position, LARGEST_POSITION),
        )

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Raises as `from_dict` does, and `RecursionError`."""
        raw = json.loads(text, parse_constant=_no_value)
        if not isinstance(raw, dict):
            raise TypeError("an envelope is a JSON object")
        json.dumps(raw, ensure_ascii=False).encode()  # half a surrogate pair cannot be stored
        return cls.from_dict(raw)


def _id(value: Any) -> UUID:
    return UUID(_text(value))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"text is needed, not {value!r:.50}")
    return value


def _name(value: Any) -> str:
    if not 0 < len(_text(value)) <= LONGEST_NAME or "\0" in value:
        raise ValueError(f"not a name: {value!r:.50}")
    return _text(value)


def _number(value: Any, largest: int) -> int:
    if not isinstance(value, int) or not 1 <= value <= largest:
        raise ValueError(f"a number from 1 to {largest} is needed, not {value!r:.50}")
    return value


def _utc(time: datetime) -> datetime:
    try:
        return time.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{time} is beyond all times") from None


def _no_value(name: str) -> None:
    raise ValueError(f"{name} is not a JSON value")
