"""Tokens: people's, signed by `access` and read by all; and those with which services read one another's feeds."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any
from uuid import UUID

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OctKey

from shared.auth import Actor, Role

log = logging.getLogger(__name__)

ISSUER = AUDIENCE = "infrashare"
ALGORITHM = "RS256"  # verifies fastest, and every identity provider speaks it
LEEWAY = 30  # seconds by which two clocks may differ
REFETCH = 60.0  # seconds between two looks for a key nobody knew
REMEMBERED = 10_000  # verified tokens kept, so that a signature is checked once
SERVICE_TOKEN_LIFE = 60  # seconds

_CLAIMS = jwt.JWTClaimsRegistry(
    leeway=LEEWAY,
    iss={"essential": True, "value": ISSUER},
    aud={"essential": True, "value": AUDIENCE},
    sub={"essential": True},
    exp={"essential": True},
)


class Tokens:
    """Reads people's tokens with the public keys of `access`, fetched through `keys` when needed."""

    def __init__(self, keys: Callable[[], dict[str, Any]]) -> None:
        self._fetch = keys
        self._keys: KeySet | None = None
        self._fetched_at = float("-inf")
        self._lock = threading.Lock()
        self._known: OrderedDict[str, tuple[Actor, int]] = OrderedDict()

    def read(self, token: str) -> Actor | None:
        """Who the token says is acting; None if it is expired, forged, or of another installation."""
        now = time.time()
        if known := self._known.get(token):
            actor, expires_at = known
            return actor if now < expires_at + LEEWAY else None
        claims = self._verified(token)
        if claims is None:
            return None
        try:
            roles = frozenset(Role.parse(text) for text in claims.get("roles", ()))
            actor = Actor(
                id=UUID(claims["sub"]),
                name=str(claims.get("name", "")),
                roles=roles,
                email=str(claims.get("email", "")),
            )
        except (ValueError, TypeError, AttributeError):
            return None
        self._remember(token, actor, int(claims["exp"]))
        return actor

    def _remember(self, token: str, actor: Actor, expires_at: int) -> None:
        with self._lock:
            self._known[token] = (actor, expires_at)
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)

    def _verified(self, token: str) -> dict[str, Any] | None:
        for fresh in (False, True):
            keys = self._key_set(fresh=fresh)
            if keys is None:
                continue
            try:
                decoded = jwt.decode(token, keys, algorithms=[ALGORITHM])
                _CLAIMS.validate(decoded.claims)
            except (JoseError, ValueError, TypeError):
                continue  # perhaps signed with a key published since
            return decoded.claims
        return None

    def _key_set(self, *, fresh: bool) -> KeySet | None:
        with self._lock:
            stale = self._keys is None or fresh
            if stale and time.monotonic() - self._fetched_at >= (REFETCH if self._keys else 1.0):
                published = self._fetch()
                self._fetched_at = time.monotonic()  # whoever waited for this does not ask again
                self._keys = _imported(published) or self._keys
            elif fresh:
                return None  # nothing new to try
            return self._keys


def _imported(published: dict[str, Any]) -> KeySet | None:
    try:
        return KeySet.import_key_set(published) if published else None  # type: ignore[arg-type]
    except (JoseError, ValueError, TypeError, KeyError):
        log.exception("the keys of access cannot be read")
        return None


def issue_service_token(secret: str, service: str) -> str:
    """A token with which `service` may read the feeds of the others for a minute."""
    now = int(time.time())
    claims = {"iss": service, "aud": f"{AUDIENCE}-feeds", "iat": now, "exp": now + SERVICE_TOKEN_LIFE}
    return jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(secret))


def is_service_token(secret: str, token: str) -> bool:
    """Whether one of the services of this installation issued the token within the last minute."""
    if not secret:
        return False
    try:
        decoded = jwt.decode(token, OctKey.import_key(secret), algorithms=["HS256"])
        jwt.JWTClaimsRegistry(
            leeway=LEEWAY, aud={"essential": True, "value": f"{AUDIENCE}-feeds"}, exp={"essential": True}
        ).validate(decoded.claims)
    except (JoseError, ValueError, TypeError):
        return False
    return True
