"""Tokens: whose are taken, for how long, and what forgers try."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet, OctKey, RSAKey

from shared import tokens
from shared.auth import Actor, Role
from shared.tokens import LEEWAY, Tokens, is_service_token, issue_service_token
from tests.conftest import OwnKeys, make_actor, token_for

SECRET = "one secret of the tests"


class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def forward(self, seconds: float) -> None:
        self._ahead += seconds

    def time(self) -> float:
        return time.time() + self._ahead

    def monotonic(self) -> float:
        return time.monotonic() + self._ahead


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(tokens, "time", clock)
    return clock


class Published:
    """The keys that access shows, and how often somebody looked."""

    def __init__(self, *keys: RSAKey) -> None:
        self.keys, self.looks, self.away = list(keys), 0, False

    def __call__(self) -> dict[str, Any]:
        self.looks += 1
        return {} if self.away else dict(KeySet(list(self.keys)).as_dict(private=False))


@pytest.fixture(scope="module")
def keys() -> list[RSAKey]:
    return [RSAKey.generate_key(2048, {"kid": f"key-{number}", "alg": "RS256", "use": "sig"}) for number in range(3)]


@pytest.fixture
def reader() -> Tokens:
    return Tokens(OwnKeys().keys)


@pytest.fixture
def person() -> Actor:
    return make_actor("administrator", f"member@{uuid4()}", "funder@south-moravia")


def test_a_token_says_who_is_acting(reader: Tokens, person: Actor) -> None:
    assert reader.read(token_for(person)) == person


def test_an_expired_token_says_nothing(reader: Tokens, person: Actor) -> None:
    assert reader.read(token_for(person, lasts=-LEEWAY - 2)) is None
    assert reader.read(token_for(person, lasts=-LEEWAY + 5)) == person, "clocks differ a little"


def test_a_token_known_already_expires_all_the_same(reader: Tokens, person: Actor, clock: Clock) -> None:
    token = token_for(person, lasts=600)
    assert reader.read(token) == person
    clock.forward(600 + LEEWAY - 5)
    assert reader.read(token) == person
    clock.forward(10)
    assert reader.read(token) is None


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "another"},
        {"aud": "infrashare-feeds"},
        {"iss": "another"},
        {"sub": "not an id"},
        {"sub": None},
        {"exp": None},
        {"exp": "tomorrow"},
        {"roles": ["emperor"]},
        {"roles": ["administrator@somewhere"]},
        {"roles": ["operator"]},
        {"roles": 5},
        {"roles": [5]},
        {"nbf": int(time.time()) + 3600},
    ],
    ids=str,
)
def test_a_token_with_other_claims_says_nothing(reader: Tokens, person: Actor, claims: dict[str, Any]) -> None:
    assert reader.read(token_for(person, **claims)) is None


def test_what_is_missing_says_nothing_either() -> None:
    now = int(time.time())
    whole = {"iss": "infrashare", "aud": "infrashare", "sub": str(uuid4()), "exp": now + 60}
    key = RSAKey.generate_key(2048, {"kid": "own"})
    reader = Tokens(Published(key))

    def read(claims: dict[str, Any]) -> Actor | None:
        return reader.read(jwt.encode({"alg": "RS256", "kid": "own"}, claims, key))

    assert read(whole) is not None
    for name in whole:
        assert read({key: value for key, value in whole.items() if key != name}) is None


def test_the_key_of_another_installation(reader: Tokens, person: Actor) -> None:
    same_name = RSAKey.generate_key(2048, {"kid": "tests"})
    assert reader.read(token_for(person, key=same_name)) is None


def encoded(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def test_what_forgers_try(person: Actor, keys: list[RSAKey]) -> None:
    published = Published(keys[0])
    reader = Tokens(published)
    header, claims, signature = token_for(person, key=keys[0]).split(".")
    good_claims = json.loads(base64.urlsafe_b64decode(claims + "=="))
    public_pem = keys[0].as_pem(private=False)
    public_json = json.dumps(keys[0].as_dict(private=False)).encode()
    by_public_key = [
        jwt.encode(
            {"alg": "HS256", "kid": "key-0"}, good_claims, OctKey.import_key(public.strip()), algorithms=["HS256"]
        )
        for public in (base64.b64encode(public_pem), public_json)
    ]
    forged = [
        *by_public_key,
        f"{encoded({'alg': 'none', 'kid': 'key-0'})}.{claims}.",
        f"{encoded({'alg': 'None'})}.{claims}.{signature}",
        f"{header}.{encoded(good_claims | {'roles': ['administrator']})}.{signature}",
        f"{header}.{claims}.",
        f"{header}.{claims}",
        f"{header}.{claims}.{signature[:-4]}AAAA",
        f"{encoded({'alg': 'RS256', 'kid': '../../etc/passwd'})}.{claims}.{signature}",
        f"{encoded({'alg': 'RS256', 'kid': 5})}.{claims}.{signature}",
        f"{encoded({'alg': 'RS256', 'jwk': keys[1].as_dict(private=False)})}.{claims}.{signature}",
        f"{encoded({'alg': 'RS256', 'kid': 'key-0', 'crit': ['exp']})}.{claims}.{signature}",
        f"{encoded({'alg': 'RS512', 'kid': 'key-0'})}.{claims}.{signature}",
        f"{encoded([])}.{claims}.{signature}",
        f"{encoded(b'not JSON')}.{claims}.{signature}",
        f"{header}.{encoded([])}.{signature}",
        "..",
        "",
        " ",
        "ä.ö.ü",
        "\0",
        "a" * 100_000,
        "." * 10_000,
    ]
    assert reader.read(f"{header}.{claims}.{signature}") == person
    for token in forged:
        assert reader.read(token) is None, token[:60]


def test_a_new_key_is_looked_for_and_not_too_often(person: Actor, keys: list[RSAKey], clock: Clock) -> None:
    published = Published(keys[0])
    reader = Tokens(published)
    assert reader.read(token_for(person, key=keys[0])) == person
    assert published.looks == 1
    published.keys.append(keys[1])
    for _ in range(50):
        assert reader.read(token_for(person, key=keys[2])) is None
    assert published.looks == 1, "nobody can make us look as often as they like"
    clock.forward(tokens.REFETCH + 1)
    assert reader.read(token_for(person, key=keys[1])) == person
    assert reader.read(token_for(person, key=keys[0])) == person
    assert published.looks == 2


def test_keys_that_cannot_be_fetched_are_asked_for_again(person: Actor, keys: list[RSAKey], clock: Clock) -> None:
    published = Published(keys[0])
    published.away = True
    reader = Tokens(published)
    token = token_for(person, key=keys[0])
    for _ in range(20):
        assert reader.read(token) is None
    assert published.looks <= 2
    published.away = False
    clock.forward(1.5)
    assert reader.read(token) == person
    published.away = True
    clock.forward(tokens.REFETCH * 10)
    assert reader.read(token_for(person, key=keys[0], lasts=10_000)) == person, "old keys are kept while access is away"


def test_keys_that_are_none_do_no_harm(person: Actor, keys: list[RSAKey], clock: Clock) -> None:
    answers: Iterator[dict[str, Any]] = iter([{"keys": "none"}, {"keys": [{"kty": "??"}]}, {"error": "no"}])

    def fetch() -> dict[str, Any]:
        return next(answers, Published(keys[0])())

    reader = Tokens(fetch)
    token = token_for(person, key=keys[0])
    found = []
    for _ in range(5):
        found.append(reader.read(token))
        clock.forward(1.5)
    assert found == [None, None, None, person, person]


def test_a_slow_access_holds_up_few(person: Actor, keys: list[RSAKey]) -> None:
    """It takes long to say nothing: not everybody waits for that, one after the other."""

    def fetch() -> dict[str, Any]:
        time.sleep(1.2)
        return {}

    reader = Tokens(fetch)
    token = token_for(person, key=keys[0])
    threads = [threading.Thread(target=reader.read, args=(token,)) for _ in range(8)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - began < 2.3


def test_no_more_tokens_are_remembered_than_there_is_room_for(
    reader: Tokens, person: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "REMEMBERED", 3)
    issued = [token_for(person) for _ in range(6)]
    assert [reader.read(token) for token in issued * 2] == [person] * 12
    assert len(reader._known) == 3


# --- between services


def test_services_know_one_another() -> None:
    token = issue_service_token(SECRET, "listener")
    assert is_service_token(SECRET, token)
    assert not is_service_token("another secret of the tests", token)
    assert not is_service_token("", token)
    for wrong in ("", "x", token[:-3], f"{token}x", f"{encoded({'alg': 'none'})}.{token.split('.')[1]}."):
        assert not is_service_token(SECRET, wrong)


def test_a_service_token_lasts_a_minute(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    clock.forward(-tokens.SERVICE_TOKEN_LIFE - LEEWAY - 2)
    assert not is_service_token(SECRET, issue_service_token(SECRET, "listener"))
    clock.forward(5)
    assert is_service_token(SECRET, issue_service_token(SECRET, "listener"))


def test_a_persons_token_is_no_service_token_and_the_other_way_round(reader: Tokens, person: Actor) -> None:
    assert not is_service_token(SECRET, token_for(person))
    assert reader.read(issue_service_token(SECRET, "listener")) is None
    now = int(time.time())
    for_people = {"iss": "infrashare", "aud": "infrashare", "sub": str(person.id), "exp": now + 60}
    assert reader.read(jwt.encode({"alg": "HS256"}, for_people, OctKey.import_key(SECRET))) is None
    for_nobody = {"iss": "listener", "aud": "infrashare-feeds"}
    assert not is_service_token(SECRET, jwt.encode({"alg": "HS256"}, for_nobody, OctKey.import_key(SECRET)))


def test_a_role_is_written_with_its_scope() -> None:
    for text in ("administrator", "operator@x", "funder@south-moravia"):
        assert str(Role.parse(text)) == text
    for wrong in ("", "emperor", "operator", "operator@", "administrator@x", "@x", "Operator@x"):
        with pytest.raises(ValueError):
            Role.parse(wrong)
