"""The JSON API: status, shape, refusal."""

from __future__ import annotations

import time
from typing import Any
from uuid import UUID, uuid4

import pytest
from joserfc.jwk import RSAKey

from services.access import queries
from services.access.commands import sessions
from services.access.domain import tokens as rules
from services.access.models import Person
from shared.clock import utc_now
from shared.service import Instance
from tests.access.conftest import (
    OTHER_PASSWORD,
    PASSWORD,
    acting,
    own_organisation,
    sign_in,
    signed_in,
    visitor,
)
from tests.conftest import token_for

API = "/access/api/v1"
REGISTRATION: dict[str, Any] = {
    "name": "Eve Example",
    "email": "eve@elk.example",
    "password": PASSWORD,
    "organisation_name": "Elk Works",
    "kind": "company",
    "country": "SE",
    "nuts_code": "SE224",
    "nuts_version": 2021,
}


def problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.content_type == "application/problem+json"
    body: dict[str, Any] = answer.json
    assert body["code"] == code
    return body


def fields_at_fault(body: dict[str, Any]) -> set[str]:
    return {fault["field"] for fault in body["errors"]}


@pytest.fixture
def client(access: Instance) -> Any:
    return visitor(access)


# Registering and signing in


def test_somebody_registers_signs_in_and_finds_themselves(client: Any) -> None:
    registered = client.post(f"{API}/registrations", json=REGISTRATION)
    assert registered.status_code == 201, registered.text
    assert "password" not in registered.text
    issued = sign_in(client, "EVE@elk.example")
    assert issued.keys() == {"access_token", "token_type", "expires_in", "refresh_token"}
    assert (issued["token_type"], issued["expires_in"]) == ("Bearer", 900)
    me = client.get(f"{API}/me").json
    (organisation,) = me["organisations"]
    assert me["person"] == {
        "id": registered.json["id"],
        "name": "Eve Example",
        "email": "eve@elk.example",
        "language": "en",
        "active": True,
    }
    assert organisation | {"id": ""} == {
        "id": "",
        "name": "Elk Works",
        "kind": "company",
        "size_class": None,
        "country": "SE",
        "nuts_code": "SE224",
        "nuts_version": 2021,
        "nace_code": None,
        "nace_revision": None,
        "active": True,
    }
    scope = organisation["id"]
    assert me["roles"] == [
        {"role": "member", "scope": scope, "scope_name": "Elk Works"},
        {"role": "organisation_admin", "scope": scope, "scope_name": "Elk Works"},
    ]


def test_a_firm_registers_with_its_size(client: Any) -> None:
    size = {"year": utc_now().year - 1, "staff": 12, "turnover_cents": 90_000_000}
    assert client.post(f"{API}/registrations", json=REGISTRATION | {"size": size}).status_code == 201
    sign_in(client, "eve@elk.example")
    assert client.get(f"{API}/me").json["organisations"][0]["size_class"] == "small"


def test_a_second_registration_of_one_address_is_refused(client: Any) -> None:
    client.post(f"{API}/registrations", json=REGISTRATION)
    again = client.post(f"{API}/registrations", json=REGISTRATION | {"email": "Eve@Elk.example"})
    assert fields_at_fault(problem(again, 409, "email-taken")) == {"email"}


MALFORMED: list[tuple[dict[str, Any], set[str]]] = [
    ({"name": "\ud800"}, {"name"}),
    ({"name": "Eve\0"}, {"name"}),
    ({"name": "Eve\u202e"}, {"name"}),
    ({"name": "x" * 121}, {"name"}),
    ({"name": 7}, {"name"}),
    ({"name": ["Eve"]}, {"name"}),
    ({"name": None}, {"name"}),
    ({"password": "seven boats\ud800 on a lake"}, {"password"}),
    ({"password": "seven boats\0 on a lake"}, {"password"}),
    ({"password": "x" * 201}, {"password"}),
    ({"password": ""}, {"password"}),
    ({"email": "eve"}, {"email"}),
    ({"email": "eve@elk.example, ada@owl.example"}, {"email"}),
    ({"email": "eve\0@elk.example"}, {"email"}),
    ({"email": f"{'e' * 250}@elk.example"}, {"email"}),
    ({"language": "xx"}, {"language"}),
    ({"kind": "guild"}, {"kind"}),
    ({"nuts_version": 2**62}, {"nuts_version"}),
    ({"nuts_version": True}, {"nuts_version"}),
    ({"nuts_version": 2021.5}, {"nuts_version"}),
    ({"country": "\ud800\ud800"}, {"country"}),
    ({"country": "XX"}, {"country", "nuts_code"}),
    ({"nuts_code": "EE008"}, {"nuts_code"}),
    ({"nuts_version": 2022}, {"nuts_version"}),
    ({"nace_code": "26.51", "nace_revision": "3"}, {"nace_revision"}),
    ({"sequence": 9}, {"sequence"}),
    ({"active": False, "roles": ["administrator"], "id": str(UUID(int=5))}, {"active", "roles", "id"}),
    ({"name": "", "email": "", "kind": "", "nuts_code": "x" * 9}, {"name", "email", "kind", "nuts_code"}),
    ({"size": {"year": 2**62, "staff": -1}}, {"size.year", "size.staff"}),
    ({"size": {"year": 2020, "staff": 5, "turnover_cents": 10**15 + 1}}, {"size.turnover_cents"}),
    ({"size": {"year": 2020, "staff": "9\u0660"}}, {"size.staff"}),
    ({"size": {"year": 9999, "staff": 5}}, {"year", "turnover_cents"}),
    ({"size": {"year": 2020, "staff": 5, "guess": 1}}, {"size.guess"}),
    ({"size": 5}, {"size"}),
]


def test_a_malformed_registration_names_every_field(client: Any) -> None:
    named = []
    for changes, fields in MALFORMED:
        answer = client.post(f"{API}/registrations", json=REGISTRATION | changes)
        named.append((changes, answer.status_code, fields & fields_at_fault(answer.json)))
    assert named == [(changes, 422, fields) for changes, fields in MALFORMED]


def test_what_is_no_proper_json_cannot_be_read(client: Any) -> None:
    bodies = [
        b"{",
        b'{"name": NaN}',
        b'{"nuts_version": 1180591620717411303424}',  # 2^70
        b'{"name": "a", "name": "b"}',
        b"[" * 5000,
        "{}".encode("utf-16"),
        b"\xff\xfe",
    ]
    for path in ("registrations", "tokens", "tokens/refresh"):
        for body in bodies:
            answer = client.post(f"{API}/{path}", data=body, content_type="application/json")
            assert answer.status_code == 400, body


def test_what_is_no_object_is_malformed(client: Any) -> None:
    for body in (b"null", b"7", b"[]", b'"x"', b""):
        answer = client.post(f"{API}/tokens", data=body, content_type="application/json")
        assert answer.status_code == 422, body


def test_a_large_body_is_too_large(client: Any) -> None:
    answer = client.post(f"{API}/registrations", data=b" " * (10 << 20), content_type="application/json")
    assert answer.status_code == 413


@pytest.mark.parametrize(
    "body",
    [
        {"email": "ada@owl.example", "password": OTHER_PASSWORD},
        {"email": "nobody@owl.example", "password": PASSWORD},
    ],
)
def test_who_it_is_not_is_told_the_same(client: Any, ada: Person, body: dict[str, str]) -> None:
    refused = problem(client.post(f"{API}/tokens", json=body), 401, "wrong-credentials")
    assert refused["detail"] == "The address or the password is not right."


def test_an_unknown_address_is_refused_as_slowly_as_a_known_one(client: Any, ada: Person) -> None:
    def fastest(email: str) -> float:
        took = []
        for _ in range(3):
            began = time.thread_time()
            answer = client.post(f"{API}/tokens", json={"email": email, "password": OTHER_PASSWORD})
            took.append(time.thread_time() - began)
            assert answer.status_code == 401
        return min(took)

    assert abs(fastest(ada.email) - fastest("nobody@owl.example")) < 0.02


def test_after_five_failures_the_answer_is_to_wait(client: Any, ada: Person) -> None:
    wrong = {"email": ada.email, "password": OTHER_PASSWORD}
    assert [client.post(f"{API}/tokens", json=wrong).status_code for _ in range(6)] == [401] * 5 + [429]
    answer = client.post(f"{API}/tokens", json=wrong | {"password": PASSWORD}, headers={"Idempotency-Key": "k"})
    assert problem(answer, 429, "too-many-attempts")["retry_after"] <= 30
    assert 0 < int(answer.headers["Retry-After"]) <= 30


def test_a_refresh_token_is_good_once(client: Any, ada: Person) -> None:
    first = sign_in(client, ada.email)
    second = client.post(f"{API}/tokens/refresh", json={"refresh_token": first["refresh_token"]})
    assert second.status_code == 200
    for used in (first, second.json):
        again = client.post(f"{API}/tokens/refresh", json={"refresh_token": used["refresh_token"]})
        problem(again, 401, "session-over")


def test_signing_out_ends_the_session(client: Any, ada: Person) -> None:
    issued = sign_in(client, ada.email)
    assert client.delete(f"{API}/tokens/current").status_code == 204
    again = client.post(f"{API}/tokens/refresh", json={"refresh_token": issued["refresh_token"]})
    problem(again, 401, "session-over")
    problem(visitor_delete(client), 401, "sign-in-needed")


def visitor_delete(client: Any) -> Any:
    client.environ_base.pop("HTTP_AUTHORIZATION")
    return client.delete(f"{API}/tokens/current")


# Tokens that are not good


def test_tokens_of_others_and_of_yesterday_are_refused(access: Instance, ada: Person, client: Any) -> None:
    with access.begin() as uow:
        issued = sessions.open_session(uow, queries.person(uow.session, ada.id))
        own_key = queries.signing_keys(uow.session)[0].private_jwk
    header, claims, signature = issued.access_token.split(".")
    stranger = RSAKey.generate_key(2048, {"kid": own_key["kid"]})
    actor, own = acting(access, ada), RSAKey.import_key(own_key)
    good = {"Authorization": f"Bearer {token_for(actor, key=own)}"}
    assert client.get(f"{API}/me", headers=good).status_code == 200
    for bad in (
        "",
        "x",
        f"{header}.{claims}.",
        f"{header}.{claims}.{signature[::-1]}",
        f"eyJhbGciOiJub25lIn0.{claims}.",
        token_for(actor, key=stranger),
        token_for(actor),  # the key of another installation
        token_for(actor, key=own, lasts=-60),
        token_for(actor, key=own, aud="elsewhere"),
        token_for(actor, key=own, iss="elsewhere"),
        token_for(actor, key=own, roles=["king@everywhere"]),
        token_for(actor, key=own, sub="nobody"),
    ):
        answer = client.get(f"{API}/me", headers={"Authorization": f"Bearer {bad}"})
        problem(answer, 401, "sign-in-needed")


def test_the_public_keys_are_for_everybody(client: Any) -> None:
    answer = client.get("/access/.well-known/jwks.json")
    assert answer.status_code == 200
    assert [key["alg"] for key in answer.json["keys"]] == ["RS256"]
    assert "no-store" not in answer.headers.get("Cache-Control", "")


def test_a_visitor_is_asked_to_sign_in(client: Any) -> None:
    for path in ("me", "me/sessions", "organisations", f"organisations/{uuid4()}", "people"):
        answer = client.get(f"{API}/{path}")
        problem(answer, 401, "sign-in-needed")
        assert answer.headers["WWW-Authenticate"] == "Bearer"


# Oneself


def test_people_change_their_name_if_nobody_did_meanwhile(access: Instance, ada: Person) -> None:
    client = signed_in(access, ada)
    version = client.get(f"{API}/me").headers["ETag"]
    problem(client.patch(f"{API}/me", json={"name": "Ada New"}), 428, "if-match-needed")
    changed = client.patch(f"{API}/me", json={"name": "Ada New", "language": "et"}, headers={"If-Match": version})
    assert changed.json["name"] == "Ada New"
    stale = client.patch(f"{API}/me", json={"name": "Ada Old"}, headers={"If-Match": version})
    problem(stale, 412, "changed-meanwhile")
    unknown = client.patch(f"{API}/me", json={"roles": []}, headers={"If-Match": "*"})
    assert fields_at_fault(problem(unknown, 422, "malformed")) == {"roles"}


def test_people_see_and_end_their_sessions(access: Instance, ada: Person) -> None:
    here, there = signed_in(access, ada), visitor(access)
    issued = sign_in(there, ada.email)
    sid = rules.session_id(issued["access_token"])
    listed = here.get(f"{API}/me/sessions").json
    assert {each["id"] for each in listed} > {str(sid)}
    assert here.delete(f"{API}/me/sessions/{sid}").status_code == 204
    problem(here.delete(f"{API}/me/sessions/{uuid4()}"), 404, "no-such-session")
    refused = there.post(f"{API}/tokens/refresh", json={"refresh_token": issued["refresh_token"]})
    problem(refused, 401, "session-over")


def test_people_change_their_password(access: Instance, ada: Person) -> None:
    client = signed_in(access, ada)
    wrong = client.post(f"{API}/me/password", json={"present_password": OTHER_PASSWORD, "password": OTHER_PASSWORD})
    problem(wrong, 403, "wrong-password")
    right = client.post(f"{API}/me/password", json={"present_password": PASSWORD, "password": OTHER_PASSWORD})
    assert right.status_code == 204
    assert len(client.get(f"{API}/me/sessions").json) == 1
    sign_in(visitor(access), ada.email, OTHER_PASSWORD)


# Organisations


def test_foreign_organisations_are_not_there(access: Instance, ada: Person, ben: Person) -> None:
    owl = own_organisation(access, ada)
    client = signed_in(access, ben)
    assert client.get(f"{API}/organisations").json == {"items": [], "next": None}
    for method, path, body in (
        ("get", "", None),
        ("patch", "", {"name": "Mine"}),
        ("get", "/size-declarations", None),
        ("post", "/size-declarations", {"year": 2020, "staff": 1, "turnover_cents": 1}),
        ("get", "/members", None),
        ("post", "/members", {"email": "ben@person.example"}),
        ("delete", f"/members/{ada.id}", None),
    ):
        for organisation_id in (owl, uuid4()):
            answer = client.open(
                f"{API}/organisations/{organisation_id}{path}",
                method=method.upper(),
                json=body,
                headers={"If-Match": "*"},
            )
            problem(answer, 404, "no-such-organisation")


def test_an_organisation_is_read_and_changed_by_its_administrator(access: Instance, ada: Person) -> None:
    client = signed_in(access, ada)
    (listed,) = client.get(f"{API}/organisations").json["items"]
    path = f"{API}/organisations/{listed['id']}"
    version = client.get(path).headers["ETag"]
    changed = client.patch(
        path,
        json={"name": "Owl & Sons", "nace_code": "26.51", "nace_revision": "2.1"},
        headers={"If-Match": version},
    )
    assert changed.status_code == 200
    assert changed.json | {"name": "", "nace_code": "", "nace_revision": ""} == listed | {
        "name": "",
        "nace_code": "",
        "nace_revision": "",
    }
    assert client.get(path).json == changed.json
    refused = client.patch(path, json={"country": "LV"}, headers={"If-Match": "*"})
    assert fields_at_fault(problem(refused, 422, "organisation-refused")) == {"nuts_code"}


def test_a_size_is_declared_and_listed(access: Instance, ada: Person) -> None:
    client = signed_in(access, ada)
    path = f"{API}/organisations/{own_organisation(access, ada)}/size-declarations"
    figures = {"year": utc_now().year - 1, "staff": 49, "turnover_cents": 1_000_000_000}
    declared = client.post(path, json=figures, headers={"Idempotency-Key": "once"})
    repeated = client.post(path, json=figures, headers={"Idempotency-Key": "once"})
    assert declared.status_code == repeated.status_code == 201
    assert declared.json == repeated.json
    assert client.get(path).json == [declared.json]
    assert declared.json["size_class"] == "small"
    refused = client.post(path, json={"year": 9999, "staff": 1})
    assert fields_at_fault(problem(refused, 422, "size-refused")) == {"year", "turnover_cents"}


def test_members_are_added_listed_and_removed(access: Instance, ada: Person, ben: Person) -> None:
    client = signed_in(access, ada)
    path = f"{API}/organisations/{own_organisation(access, ada)}/members"
    added = client.post(path, json={"email": ben.email})
    assert added.status_code == 201
    assert (added.json["name"], added.json["is_admin"]) == ("Ben Sample", False)
    assert [each["name"] for each in client.get(path).json] == ["Ada Example", "Ben Sample"]
    assert client.delete(f"{path}/{ben.id}").status_code == 204
    problem(client.delete(f"{path}/{ben.id}"), 404, "no-such-member")
    problem(client.delete(f"{path}/{ada.id}"), 409, "last-administrator")
    problem(client.post(path, json={"email": "nobody@owl.example"}), 404, "no-such-member")


# Administrators


FOR_ADMINISTRATORS = (
    ("get", "people"),
    ("post", "people"),
    ("get", "people/{ben}"),
    ("post", "people/{ben}/roles"),
    ("delete", "people/{ben}/roles/administrator"),
    ("delete", "people/{ben}/roles/king@everywhere"),
    ("post", "people/{ben}/deactivate"),
    ("post", "people/{ben}/reactivate"),
    ("post", "organisations"),
    ("post", "organisations/{owl}/deactivate"),
)


def test_what_is_for_administrators_is_for_nobody_else(access: Instance, ada: Person, ben: Person) -> None:
    bodies = {
        "people": {"name": "New Sample", "email": "new@person.example", "password": PASSWORD},
        "people/{ben}/roles": {"role": "administrator"},
        "organisations": {"name": "X", "kind": "other", "country": "EE", "nuts_code": "EE008"},
    }
    owl = own_organisation(access, ada)
    for client, status in ((signed_in(access, ada), 403), (visitor(access), 401)):
        for method, path in FOR_ADMINISTRATORS:
            filled = f"{API}/{path.format(ben=ben.id, owl=owl)}"
            answer = client.open(filled, method=method.upper(), json=bodies.get(path))
            assert answer.status_code == status, (method, path)


def test_an_administrator_finds_people_a_page_at_a_time(
    access: Instance, root: Person, ada: Person, ben: Person
) -> None:
    client = signed_in(access, root)
    names, cursor = [], ""
    while True:
        page = client.get(f"{API}/people?limit=1{cursor}").json
        names += [each["name"] for each in page["items"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert names == ["Ada Example", "Ben Sample", "Root Invented"]
    found = client.get(f"{API}/people?q=OWL.example").json["items"]
    assert [each["email"] for each in found] == ["ada@owl.example"]
    assert client.get(f"{API}/people?q=%25").json["items"] == []


MALFORMED_QUERIES = (
    "limit=0",
    "limit=201",
    "limit=1180591620717411303424",
    "limit=１",
    "cursor=x",
    "cursor=WyJhIiwgImIiXQ",  # ["a", "b"]
    "cursor=WyJcdTAwMDAiLCAiMDAwMDAwMDAtMDAwMC0wMDAwLTAwMDAtMDAwMDAwMDAwMDAwIl0",  # NUL
    "cursor=WyJcdWQ4MDAiLCAiMDAwMDAwMDAtMDAwMC0wMDAwLTAwMDAtMDAwMDAwMDAwMDAwIl0",  # a lone surrogate
    "q=%00",
)


def test_a_malformed_question_is_refused(access: Instance, root: Person) -> None:
    client = signed_in(access, root)
    for path in ("people", "organisations"):
        for query in MALFORMED_QUERIES:
            assert client.get(f"{API}/{path}?{query}").status_code == 422, query


def test_an_administrator_adds_a_person_and_gives_and_takes_roles(access: Instance, root: Person) -> None:
    client = signed_in(access, root)
    added = client.post(f"{API}/people", json={"name": "Cy Sample", "email": "cy@lab.example", "password": PASSWORD})
    assert added.status_code == 201
    path, facility = added.headers["Location"], uuid4()
    for role, scope in (("operator", str(facility)), ("funder", "south-moravia"), ("administrator", "")):
        granted = client.post(f"{path}/roles", json={"role": role, "scope": scope})
        assert granted.status_code == 201, granted.text
    assert client.get(path).json["roles"] == ["administrator", "funder@south-moravia", f"operator@{facility}"]
    assert client.delete(f"{path}/roles/operator@{facility}").status_code == 204
    problem(client.delete(f"{path}/roles/operator@{facility}"), 404, "no-such-role")
    problem(client.delete(f"{path}/roles/nothing"), 404, "no-such-role")
    assert client.post(f"{path}/deactivate").json["active"] is False
    assert client.post(f"{path}/reactivate").json["active"] is True


IMPOSSIBLE_ROLES: tuple[dict[str, Any], ...] = (
    {"role": "king"},
    {"role": "administrator", "scope": "everywhere"},
    {"role": "operator"},
    {"role": "operator", "scope": "owl-lab"},
    {"role": "member", "scope": "\ud800"},
    {"role": "funder"},
    {"role": "funder", "scope": "South Moravia"},
    {"role": "member", "scope": str(UUID(int=7))},
    {"role": 2**62},
    {},
)


def test_a_role_nobody_can_have_is_refused(access: Instance, root: Person, ben: Person) -> None:
    client = signed_in(access, root)
    for body in IMPOSSIBLE_ROLES:
        answer = client.post(f"{API}/people/{ben.id}/roles", json=body)
        assert answer.status_code == 422, body
        assert fields_at_fault(answer.json) <= {"role", "scope"}


def test_an_administrator_enters_an_organisation(access: Instance, root: Person) -> None:
    client = signed_in(access, root)
    body = {"name": "Host", "kind": "research", "country": "lv", "nuts_code": "lv008", "nuts_version": 2021}
    added = client.post(f"{API}/organisations", json=body)
    assert added.status_code == 201
    assert client.get(added.headers["Location"]).json["nuts_code"] == "LV008"
    assert client.get(f"{API}/organisations?q=hOs").json["items"] == [added.json]
    assert client.post(f"{added.headers['Location']}/deactivate").json["active"] is False
    assert client.post(f"{added.headers['Location']}/reactivate").json["active"] is True
