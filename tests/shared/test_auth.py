"""What roles with their scopes let somebody do."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID, uuid4

import pytest

from shared.auth import ANONYMOUS, SYSTEM, Actor
from shared.errors import DomainError, Forbidden, Unauthorised
from tests.conftest import make_actor

HERE, ELSEWHERE = uuid4(), uuid4()

Check = Callable[[Actor], None]

CHECKS: dict[str, Check] = {
    "operate": lambda actor: actor.must_operate(HERE),
    "manage": lambda actor: actor.must_manage(HERE),
    "book": lambda actor: actor.must_book_for(HERE),
    "administer": lambda actor: actor.must_administer(),
    "sign in": lambda actor: actor.must_be_signed_in(),
}
MAY: dict[str, set[str]] = {
    "": {"sign in"},
    f"member@{HERE}": {"sign in", "book"},
    f"organisation_admin@{HERE}": {"sign in", "book"},
    f"operator@{HERE}": {"sign in", "operate"},
    f"facility_manager@{HERE}": {"sign in", "operate", "manage"},
    f"funder@{HERE}": {"sign in"},
    "administrator": set(CHECKS),
    f"member@{ELSEWHERE}": {"sign in"},
    f"operator@{ELSEWHERE}": {"sign in"},
    f"facility_manager@{ELSEWHERE}": {"sign in"},
}


def refusal(check: Check, actor: Actor) -> type[DomainError] | None:
    try:
        check(actor)
    except DomainError as refused:
        return type(refused)
    return None


@pytest.mark.parametrize("role", MAY)
@pytest.mark.parametrize("what", CHECKS)
def test_who_may_do_what(role: str, what: str) -> None:
    actor = make_actor(*filter(None, [role]))
    assert refusal(CHECKS[what], actor) is (None if what in MAY[role] else Forbidden)


@pytest.mark.parametrize("what", CHECKS)
def test_a_visitor_is_asked_to_sign_in_and_the_system_may_everything(what: str) -> None:
    assert refusal(CHECKS[what], ANONYMOUS) is Unauthorised
    assert refusal(CHECKS[what], SYSTEM) is None


def test_the_scopes_of_several_roles() -> None:
    actor = make_actor(
        f"member@{HERE}", f"organisation_admin@{ELSEWHERE}", f"operator@{HERE}", "funder@south-moravia", "funder@tartu"
    )
    assert actor.organisations == {HERE, ELSEWHERE}
    assert actor.administered_organisations == {ELSEWHERE}
    assert actor.facilities == {HERE}
    assert actor.managed_facilities == frozenset()
    assert actor.regions == {"south-moravia", "tartu"}
    assert actor.signed_in
    assert not actor.is_administrator
    assert ANONYMOUS.organisations == frozenset[UUID]()
