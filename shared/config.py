"""Configuration: one frozen dataclass a service, read from the environment once, at the edge."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, Self, get_type_hints

SHORTEST_SECRET = 16


class ConfigError(Exception):
    """Settings are missing or cannot be read; the process must not start. Names all of them at once."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings common to all services. `BOOKING_DATABASE_URL` sets `database_url` of booking alone.

    A variable ending in `_FILE` names a file that holds the value (as Docker secrets do). An empty value
    counts as none: that is what compose files pass on for what nobody set.
    """

    database_url: str
    broker_url: str = "amqp://guest:guest@localhost:5672/%2F"
    peer_urls: str = ""  # "access=http://access-web:8000,catalogue=http://catalogue-web:8000"
    service_secret: str = ""  # signs the short tokens with which services read one another's events
    public_url: str = "http://localhost:8000"  # the address people use

    @classmethod
    def from_env(cls, prefix: str, env: Mapping[str, str] = os.environ) -> Self:
        """Settings of the service `prefix`. Raises `ConfigError`."""
        hints = get_type_hints(cls)
        settings: dict[str, Any] = {}
        wrong: list[str] = []
        for field in fields(cls):
            try:
                text = _read(env, f"{prefix}_{field.name}".upper(), field.name.upper())
                if text:
                    settings[field.name] = _PARSERS[hints[field.name]](text)
                elif field.default is MISSING:
                    wrong.append(f"{field.name.upper()} is missing")
            except (ValueError, OSError) as error:
                wrong.append(f"{field.name.upper()}: {error}")
        if settings.get("peer_urls") and len(settings.get("service_secret", "")) < SHORTEST_SECRET:
            wrong.append(f"SERVICE_SECRET needs {SHORTEST_SECRET} characters or more where PEER_URLS are given")
        if wrong:
            raise ConfigError(f"{prefix}: " + "; ".join(wrong))
        return cls(**settings)

    @property
    def peers(self) -> dict[str, str]:
        """Base address of each other service, by name."""
        pairs = (pair.partition("=") for pair in self.peer_urls.split(",") if pair.strip())
        return {name.strip(): url.strip().rstrip("/") for name, _, url in pairs}


def _read(env: Mapping[str, str], *names: str) -> str:
    for name in names:
        if path := env.get(f"{name}_FILE"):
            return Path(path).read_text().strip()
        if text := env.get(name):
            return text
    return ""


def _flag(text: str) -> bool:
    if text.lower() not in {"true", "false"}:
        raise ValueError("write true or false")
    return text.lower() == "true"


_PARSERS: Mapping[Any, Any] = {str: str, int: int, float: float, bool: _flag}
