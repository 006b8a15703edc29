"""Describe every message of the system for programs: `python -m deploy.asyncapi` writes docs/asyncapi.json.

The contracts in `shared/contracts` are the one source: fields and types from the dataclasses, meanings from their
docstrings and from the comment beside a field; who hears what from the services themselves.
"""

from __future__ import annotations

import ast
import inspect
import io
import json
import re
import tokenize
import tomllib
import types
from dataclasses import MISSING, fields, is_dataclass
from datetime import date, datetime, timedelta
from enum import Enum
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, Union, get_args, get_origin, get_type_hints
from uuid import UUID

from deploy.services import SERVICES
from shared.contracts import access, booking, catalogue
from shared.events import CONTENT_TYPE, LARGEST_POSITION, LARGEST_SEQUENCE, LONGEST_NAME, REGISTRY, Event
from shared.transport.rabbit import EXCHANGE

CONTRACTS: tuple[ModuleType, ...] = (access, catalogue, booking)  # importing them fills the registry
ROOT = Path(__file__).parents[1]
TARGET = ROOT / "docs" / "asyncapi.json"

Json = dict[str, Any]

_PLAIN: dict[Any, Json] = {
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    str: {"type": "string"},
    UUID: {"type": "string", "format": "uuid"},
    datetime: {"type": "string", "format": "date-time"},
    date: {"type": "string", "format": "date"},
    timedelta: {"type": "number", "description": "seconds"},
    Any: {},
}

ENVELOPE: Json = {
    "type": "object",
    "title": "Envelope",
    "description": "A CloudEvents 1.0 message in structured JSON mode. Whoever reads it ignores what they do not know.",
    "required": [
        *("specversion", "id", "source", "type", "subject", "time", "datacontenttype"),
        *("sequence", "position", "actor", "correlationid", "data"),
    ],
    "properties": {
        "specversion": {"const": "1.0"},
        "id": {"type": "string", "format": "uuid", "description": "The same message delivered again has the same id."},
        "source": {"type": "string", "pattern": "^/[a-z_]+$", "description": "The service that tells it."},
        "type": {"type": "string", "description": "Also the routing key."},
        "subject": {
            "type": "string",
            "minLength": 1,
            "maxLength": LONGEST_NAME,
            "description": "Id of what it is about; the events of one subject keep their order.",
        },
        "time": {"type": "string", "format": "date-time", "description": "When it happened."},
        "datacontenttype": {"const": "application/json"},
        "sequence": {
            "type": "integer",
            "minimum": 1,
            "maximum": LARGEST_SEQUENCE,
            "description": "Place among the events of the subject.",
        },
        "position": {
            "type": "integer",
            "minimum": 1,
            "maximum": LARGEST_POSITION,
            "description": "Place in the teller's log, without gaps.",
        },
        "actor": {"type": "string", "format": "uuid", "description": "Who did it; all zeros: the system."},
        "correlationid": {"type": "string", "format": "uuid", "description": "The request that began it all."},
        "causationid": {"type": "string", "format": "uuid", "description": "The message this one answers, if any."},
        "data": {"type": "object"},
    },
}


def published() -> dict[str, type[Event]]:
    """The contracts of the published language, by type."""
    modules = {module.__name__ for module in CONTRACTS}
    return {type_: cls for type_, cls in sorted(REGISTRY.items()) if cls.__module__ in modules}


def document() -> Json:
    """The AsyncAPI 3.0 document of the whole system."""
    schemas: Json = {"Envelope": ENVELOPE}
    channels: Json = {}
    messages: Json = {}
    operations: Json = {}
    for type_, cls in published().items():
        teller = type_.partition(".")[0]
        channels[type_] = _channel(type_, cls)
        messages[type_] = _message(type_, cls)
        schemas[cls.__name__] = _object(cls, schemas)
        operations[f"{teller}.tells.{type_}"] = _operation("send", teller, type_)
        for service in SERVICES:
            if type_ in service.heard:
                operations[f"{service.name}.hears.{type_}"] = _operation("receive", service.name, type_)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Infrashare: events",
            "version": tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"],
            "description": "What the services tell one another. Append-only: a field, once published, keeps its name, "
            "type and meaning; whatever cannot be said that way becomes a new type.",
            "license": {"name": "EUPL-1.2"},
        },
        "defaultContentType": CONTENT_TYPE,
        "servers": {
            "broker": {
                "host": "localhost:5672",
                "protocol": "amqp",
                "protocolVersion": "0.9.1",
                "description": "RabbitMQ. Where it is, an installation says in BROKER_URL.",
            }
        },
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages, "schemas": schemas},
    }


def _channel(type_: str, cls: type[Event]) -> Json:
    return {
        "address": type_,
        "title": cls.__name__,
        "messages": {cls.__name__: {"$ref": f"#/components/messages/{type_}"}},
        "bindings": {
            "amqp": {
                "is": "routingKey",
                "exchange": {"name": EXCHANGE, "type": "topic", "durable": True, "autoDelete": False},
            }
        },
    }


def _message(type_: str, cls: type[Event]) -> Json:
    summary, details = _said_of(cls)
    teller = type_.partition(".")[0]
    facts = {
        "type": {"const": type_},
        "source": {"const": f"/{teller}"},
        "data": {"$ref": f"#/components/schemas/{cls.__name__}"},
    }
    message = {
        "name": type_,
        "title": cls.__name__,
        "summary": summary,
        "contentType": CONTENT_TYPE,
        "correlationId": {"location": "$message.payload#/correlationid"},
        "tags": [{"name": teller}],
        "payload": {"allOf": [{"$ref": "#/components/schemas/Envelope"}, {"properties": facts}]},
    }
    return message | ({"description": details} if details else {})


def _operation(action: str, service: str, type_: str) -> Json:
    channel = f"#/channels/{type_.replace('~', '~0').replace('/', '~1')}"
    return {
        "action": action,
        "channel": {"$ref": channel},
        "messages": [{"$ref": f"{channel}/messages/{published()[type_].__name__}"}],
        "tags": [{"name": service}],
    }


def _object(cls: Any, schemas: Json) -> Json:
    """The JSON Schema of a dataclass; those of dataclasses inside it go to `schemas`."""
    hints, comments = get_type_hints(cls), _comments(cls)
    properties: Json = {}
    for field in fields(cls):
        schema = dict(_schema(hints[field.name], schemas))
        if comment := comments.get(field.name):
            schema["description"] = _in_json(comment)
        if field.default is not MISSING:
            schema["default"] = field.default
        properties[field.name] = schema
    return {
        "type": "object",
        "title": cls.__name__,
        "description": "\n\n".join(filter(None, _said_of(cls))),
        "required": [field.name for field in fields(cls) if field.default is MISSING],
        "properties": properties,
    }


def _schema(hint: Any, schemas: Json) -> Json:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        [inner] = [argument for argument in arguments if argument is not types.NoneType]
        schema = _schema(inner, schemas)
        if "type" in schema:
            return schema | {"type": [schema["type"], "null"]}
        return {"oneOf": [schema, {"type": "null"}]}
    if origin is tuple:
        return {"type": "array", "items": _schema(arguments[0], schemas)}
    if origin is dict:
        return {"type": "object", "additionalProperties": _schema(arguments[1], schemas)}
    if hint in _PLAIN:
        return _PLAIN[hint]
    if isinstance(hint, type) and issubclass(hint, Enum):
        return {"type": "string", "examples": [member.value for member in hint]}  # open: readers expect others
    if is_dataclass(hint) and isinstance(hint, type):
        schemas[hint.__name__] = _object(hint, schemas)
        return {"$ref": f"#/components/schemas/{hint.__name__}"}
    raise TypeError(f"a contract cannot have a field of {hint}")


def _in_json(comment: str) -> str:
    for python, json_ in (("None", "null"), ("True", "true"), ("False", "false")):
        comment = re.sub(rf"\b{python}\b", json_, comment)
    return comment


def _said_of(cls: type[Any]) -> tuple[str, str]:
    """The first sentence of the docstring, and the rest."""
    summary, _, details = inspect.cleandoc(cls.__doc__ or "").partition("\n\n")
    return " ".join(summary.split()), details


def _comments(cls: type[Any]) -> dict[str, str]:
    """What the source says beside each field, of the class and of those it inherits from."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__[:-1]):
        found |= _comments_of_module(base.__module__, inspect.getfile(base)).get(base.__name__, {})
    return found


@cache
def _comments_of_module(name: str, path: str) -> dict[str, dict[str, str]]:
    source = Path(path).read_text("utf-8")
    at_line = {
        token.start[0]: token.string.lstrip("# ")
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    return {
        node.name: {
            part.target.id: at_line[part.lineno]
            for part in node.body
            if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name) and part.lineno in at_line
        }
        for node in ast.parse(source).body
        if isinstance(node, ast.ClassDef)
    }


def written() -> str:
    """The document as it is kept in the repository."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    TARGET.write_text(written(), "utf-8")
