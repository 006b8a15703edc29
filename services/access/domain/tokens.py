"""Tokens: what is said of a person for a quarter of an hour, and the secret that asks for more."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from secrets import token_urlsafe
from typing import Any
from uuid import UUID, uuid4

from joserfc import jwt
from joserfc.jwk import RSAKey

ALGORITHM = "RS256"  # verified faster than the others, and every verifier speaks it
ISSUER = AUDIENCE = "infrashare"
ACCESS_LIFE = timedelta(minutes=15)
SESSION_LIFE = timedelta(hours=12)
SESSION_IDLE = timedelta(hours=2)
KEY_LIFE = timedelta(days=30)
KEY_AHEAD = timedelta(hours=2)  # a new key is published before it signs, so that nobody meets it unawares
KEY_AFTERLIFE = timedelta(hours=1)  # and an old one for longer than any token it signed


@dataclass(frozen=True, slots=True)
class Tokens:
    """What somebody gets who signs in or renews."""

    access_token: str
    refresh_token: str
    session_id: UUID
    token_type: str = "Bearer"  # noqa: S105 (the name of a scheme)
    expires_in: int = int(ACCESS_LIFE.total_seconds())


def new_refresh_token() -> str:
    return f"ifs_{token_urlsafe(32)}"


def digest(refresh_token: str) -> str:
    """What is kept of a refresh token. It has 256 random bits: nothing slower is needed."""
    return sha256(refresh_token.encode()).hexdigest()


def session_end(*, created_at: datetime, now: datetime) -> datetime:
    """When a session used `now` is over, unless it is used again."""
    return min(created_at + SESSION_LIFE, now + SESSION_IDLE)


def new_key() -> dict[str, Any]:
    """A private JWK with an id."""
    key = RSAKey.generate_key(2048, {"use": "sig", "alg": ALGORITHM}, auto_kid=True)
    return dict(key.as_dict(private=True))


def public(private_jwk: dict[str, Any]) -> dict[str, Any]:
    """What of a key everybody may know."""
    return {name: private_jwk[name] for name in ("kty", "use", "alg", "kid", "n", "e")}


def sign(private_jwk: dict[str, Any], *, now: datetime, session_id: UUID, **claims: Any) -> str:
    """An access token with `claims`, good for `ACCESS_LIFE` from `now`."""
    moment = int(now.timestamp())
    said = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "iat": moment,
        "exp": moment + int(ACCESS_LIFE.total_seconds()),
        "jti": str(uuid4()),
        "sid": str(session_id),
    }
    header = {"alg": ALGORITHM, "kid": private_jwk["kid"]}
    return jwt.encode(header, claims | said, _imported(json.dumps(private_jwk)), algorithms=[ALGORITHM])


def session_id(access_token: str) -> UUID | None:
    """The session that a token is of. Nothing is verified: ask only where the token has proved its person."""
    try:
        payload = access_token.split(".")[1]
        claims = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return UUID(claims["sid"])
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        return None


_BROWSERS = (("Edg/", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari"))
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS", "macOS"),
    ("Linux", "Linux"),
)


def client_name(user_agent: str) -> str:
    """What people call the browser or program that says this of itself: `Firefox on Linux`."""
    browser = next((name for sign, name in _BROWSERS if sign in user_agent), "")
    system = next((name for sign, name in _SYSTEMS if sign in user_agent), "")
    if browser:
        return f"{browser} on {system}" if system else browser
    return user_agent.partition(" ")[0][:40] or "Unknown program"


@lru_cache(maxsize=4)
def _imported(private_jwk: str) -> RSAKey:
    """Checking a private key takes ten times as long as signing with it."""
    return RSAKey.import_key(json.loads(private_jwk))
