"""The access service at work on an empty database, and people who registered with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from services.access import queries
from services.access.app import SERVICE, WithOwnKeys
from services.access.commands import organisations, people
from services.access.domain.organisations import OrganisationKind, Profile, Seat
from services.access.domain.tokens import new_key
from services.access.models import Person, SigningKey
from shared.auth import Actor, Role
from shared.service import Instance
from shared.web.app import build_app
from tests.conftest import MONDAY

PASSWORD = "seven boats on a lake"
OTHER_PASSWORD = "a kettle of green tea"
_KEY = new_key()
OWL_WORKS = Profile(name="Owl Works", kind=OrganisationKind.COMPANY, seat=Seat("EE", "EE008", 2021))


@pytest.fixture
def access(make_instance: Callable[..., Instance]) -> Instance:
    """Verifies tokens with its own keys, as it does when it serves; the key is the same in all tests."""
    instance = make_instance(replace(SERVICE, prepare=lambda _: None))
    with instance.begin() as uow:
        uow.session.add(
            SigningKey(
                generation=1,
                kid=_KEY["kid"],
                private_jwk=_KEY,
                created_at=uow.now,
                signs_from=uow.now,
            )
        )
    return replace(instance, peers=WithOwnKeys(instance))


@pytest.fixture
def ada(access: Instance) -> Person:
    """Registered with Owl Works, which she administers."""
    return register(access, name="Ada Example", email="ada@owl.example")


@pytest.fixture
def ben(access: Instance) -> Person:
    """Has an account, and no role."""
    return add_person(access, name="Ben Sample", email="ben@person.example")


@pytest.fixture
def root(access: Instance) -> Person:
    """Administers the installation."""
    return add_person(access, "administrator", name="Root Invented", email="root@installation.example")


def register(access: Instance, *, name: str, email: str, organisation: Profile = OWL_WORKS) -> Person:
    with access.begin(now=MONDAY) as uow:
        return organisations.register(uow, name=name, email=email, password=PASSWORD, organisation=organisation)


def add_person(access: Instance, *roles: str, name: str, email: str) -> Person:
    with access.begin(now=MONDAY) as uow:
        return people.add_person(uow, name=name, email=email, password=PASSWORD, roles=tuple(map(Role.parse, roles)))


def acting(access: Instance, person: Person) -> Actor:
    """The actor that a token of the person's would be."""

    with access.snapshot() as session:
        return Actor(person.id, person.name, frozenset(queries.roles_of(session, person.id)), person.email)


def own_organisation(access: Instance, person: Person) -> UUID:
    (organisation_id,) = acting(access, person).organisations
    return organisation_id


def visitor(access: Instance) -> Any:
    """A client of nobody yet."""
    return build_app(access).test_client()


def sign_in(client: Any, email: str, password: str = PASSWORD) -> dict[str, Any]:
    """Sign in through the API; the client then sends the token, and the answer is returned."""
    answer = client.post("/access/api/v1/tokens", json={"email": email, "password": password})
    assert answer.status_code == 200, answer.text
    tokens: dict[str, Any] = answer.json
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {tokens['access_token']}"
    return tokens


def signed_in(access: Instance, person: Person) -> Any:
    client = visitor(access)
    sign_in(client, person.email)
    return client


def browser(access: Instance, person: Person | None = None) -> Any:
    """A client that behaves like a browser: cookies, and headers that say where a form comes from."""
    client = visitor(access)
    client.environ_base["HTTP_SEC_FETCH_SITE"] = "same-origin"
    client.environ_base["HTTP_ACCEPT"] = "text/html"
    if person:
        answer = client.post("/access/sign-in", data={"email": person.email, "password": PASSWORD})
        assert answer.status_code == 303, answer.text
    return client
