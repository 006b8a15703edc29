"""What one service may ask another directly: its event log, and access for its public keys. Nothing else.

Never inside a transaction, never on the path of a booking, never from an event handler.
"""

from __future__ import annotations

import logging
import threading
from typing import Any, Protocol

import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from shared.events import Envelope
from shared.tokens import issue_service_token

log = logging.getLogger(__name__)

TIMEOUT = (1.0, 5.0)  # seconds to connect, and to wait for an answer
MOUNTS = {"usage_stats": "stats"}  # where a service is not mounted under its own name


class Peers(Protocol):
    """How a service reaches the others."""

    def feed(self, source: str, *, after: int) -> list[Envelope]:
        """What `source` told after a position of its log; empty when there is nothing or it is away."""

    def keys(self) -> dict[str, Any]:
        """The public keys of access as a JWK set; empty when it is away."""


class HttpPeers:
    """The deployed mode: peers are reached over HTTP, with a short token signed by a common secret."""

    def __init__(self, service: str, urls: dict[str, str], secret: str) -> None:
        self._service, self._urls, self._secret = service, urls, secret
        self._local = threading.local()  # a requests session is for one thread

    def feed(self, source: str, *, after: int) -> list[Envelope]:
        token = issue_service_token(self._secret, self._service)
        path = f"/{MOUNTS.get(source, source)}/api/v1/events?after={after}&limit=500"
        answer = self._get(source, path, {"Authorization": f"Bearer {token}"})
        try:
            return [Envelope.from_dict(each) for each in answer or []]
        except (KeyError, TypeError, ValueError):
            log.exception("the log of %s cannot be read", source)
            return []

    def keys(self) -> dict[str, Any]:
        keys: dict[str, Any] = self._get("access", "/access/.well-known/jwks.json", {}) or {}
        return keys

    def _get(self, peer: str, path: str, headers: dict[str, str]) -> Any:
        if peer not in self._urls:
            return None
        try:
            response = self._session().get(self._urls[peer] + path, headers=headers, timeout=TIMEOUT)
            response.raise_for_status()
            return response.json()
        except requests.RequestException as error:
            log.warning("%s does not answer: %s", peer, error)
            return None

    def _session(self) -> requests.Session:
        if not hasattr(self._local, "session"):
            session = requests.Session()
            session.trust_env = False  # peers are inside the network: no proxy of the environment
            retry = Retry(total=2, backoff_factor=0.1, status_forcelist=(502, 503, 504))
            session.mount("http://", HTTPAdapter(max_retries=retry))
            session.mount("https://", HTTPAdapter(max_retries=retry))
            self._local.session = session
        session_: requests.Session = self._local.session
        return session_
