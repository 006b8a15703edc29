"""What is the same in the web side of every service: refusals, headers, who is acting, feeds, probes, documents."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from joserfc.jwk import RSAKey
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR
from werkzeug.exceptions import BadRequest
from werkzeug.test import TestResponse

from shared import mailbox
from shared.database import Database
from shared.events import BATCH_CONTENT_TYPE, Envelope
from shared.service import Instance
from shared.tokens import issue_service_token
from shared.web import security
from shared.web.auth import MARKER_COOKIE, SESSION_COOKIE
from tests.conftest import SERVICE_SECRET, client_for, hear, make_actor, token_for
from tests.shared.sample import LISTENER, TELLER, Counted, Heard
from tests.shared.sample.notes import NOTES, Note

Make = Callable[..., Instance]

API = "/notes/api/v1/notes"
PROBLEM = {"type", "title", "status", "code", "detail", "instance", "correlation_id", "errors"}
on_one_engine = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


@pytest.fixture
def notes(make_instance: Make) -> Instance:
    return make_instance(NOTES)


@pytest.fixture
def client(notes: Instance) -> FlaskClient:
    """Signed in by bearer token."""
    return client_for(notes, make_actor())


@pytest.fixture
def visitor(notes: Instance) -> FlaskClient:
    return client_for(notes)


def problem(response: TestResponse) -> dict[str, Any]:
    """The problem in the answer, which must be one."""
    assert response.content_type == "application/problem+json"
    body: dict[str, Any] = response.get_json()
    assert body.keys() >= PROBLEM
    assert body["status"] == response.status_code
    assert body["type"] == f"urn:infrashare:problem:{body['code']}"
    assert body["instance"] == f"urn:uuid:{body['correlation_id']}"
    assert response.headers["X-Correlation-ID"] == body["correlation_id"]
    for fault in body["errors"]:
        assert fault.keys() >= {"field", "code", "detail"}
    return body


# --- refusals


@on_one_engine
def test_a_refusal_names_its_faults(client: FlaskClient) -> None:
    refused = problem(client.post(API, json={"text": "refuse"}))
    assert (refused["status"], refused["code"], refused["detail"]) == (409, "conflict", "There is such a note.")
    assert refused["title"] == "No longer possible"
    assert refused["held_by"] == "somebody"
    assert refused["errors"] == [
        {"field": "text", "code": "bad-word", "detail": "This word is taken.", "numbers": {"longest": 3}}
    ]


@on_one_engine
@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "text"),
        ({"text": ""}, "text"),
        ({"text": 5}, "text"),
        ({"text": None}, "text"),
        ({"text": "a", "x": 1}, "x"),
    ],
)
def test_what_is_malformed_is_named_field_by_field(client: FlaskClient, body: dict[str, Any], field: str) -> None:
    refused = problem(client.post(API, json=body))
    assert (refused["status"], refused["code"]) == (422, "malformed")
    assert [fault["field"] for fault in refused["errors"]] == [field]


@on_one_engine
def test_lists_and_queries_are_checked_too(client: FlaskClient) -> None:
    assert problem(client.post(API, json=[]))["status"] == 422
    for query in ("limit=0", "limit=201", "limit=1e2", "limit=१", "cursor=%ff"):
        assert problem(client.get(f"{API}?{query}"))["status"] == 422


@on_one_engine
def test_what_is_not_there(client: FlaskClient) -> None:
    for path in (f"{API}/{uuid4()}", f"{API}/not-an-id", f"{API}/{uuid4()}/", "/notes/api/v1/nothing", "/notes/api/"):
        assert problem(client.get(path))["status"] == 404, path
    for path in ("/notes/nothing", "/nothing", "/", "/static/nothing.css", "/notes/%00", "/notes/%ff", "/notes/../etc"):
        answer = client.get(path)
        assert answer.status_code == 404, path
        assert answer.mimetype == "text/html"


@on_one_engine
@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "TRACE"])
def test_what_is_not_done_here(client: FlaskClient, method: str) -> None:
    refused = client.open(API, method=method)
    assert problem(refused)["status"] == 405
    assert set(refused.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS", "POST"}


@on_one_engine
def test_which_methods_there_are(client: FlaskClient) -> None:
    assert set(client.options(API).headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS", "POST"}
    assert client.head(API).status_code == 200


@on_one_engine
def test_pages_refuse_in_pages(client: FlaskClient) -> None:
    answer = client.put("/notes/")
    assert answer.status_code == 405
    assert answer.mimetype == "text/html"
    assert "Allow" in answer.headers
    malformed = client.post("/notes/write", data={"text": ""})
    assert malformed.status_code == 422
    assert b"<h1>Notes</h1>" in malformed.data
    done = client.post("/notes/write", data={"text": "milk"})
    assert (done.status_code, done.headers["Location"]) == (303, "/notes/")


@on_one_engine
@pytest.mark.parametrize("path", [API, "/notes/write"])
def test_too_much_is_refused_unread(client: FlaskClient, path: str) -> None:
    too_much = b'{"text": "' + b"x" * 10_000_000 + b'"}'
    for kind in ("application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        answer = client.post(path, data=too_much, content_type=kind)
        assert answer.status_code in ({413} if "json" in kind or path != API else {413, 422}), kind


@on_one_engine
def test_a_view_that_takes_more_says_so(client: FlaskClient) -> None:
    def send(size: int) -> TestResponse:
        return client.post(f"{API}/imports", data=b'"' + b"x" * (size - 2) + b'"', content_type="application/json")

    assert send(150_000).get_json() == {"bytes": 150_000}
    assert problem(send(200_001))["status"] == 413
    too_much = client.post(API, data=b'"' + b"x" * 150_000 + b'"', content_type="application/json")
    assert problem(too_much)["status"] == 413, "and only that view"


@on_one_engine
def test_a_bug_is_told_by_its_number_only(client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    for answer in (client.post(API, json={"text": "break"}), client.get("/notes/broken")):
        assert answer.status_code == 500
        shown = answer.get_data(as_text=True)
        assert "42" not in re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "", shown.split("<main")[-1].split("</main>")[0])
        assert "Traceback" not in shown
        assert "RuntimeError" not in shown
        assert answer.headers["X-Correlation-ID"] in shown
    assert caplog.text.count("RuntimeError: the secret is 42") == 2, "the log has it whole"


# --- hostile JSON


@on_one_engine
@pytest.mark.parametrize(
    "body",
    [
        b"[" * 30_000 + b"]" * 30_000,
        b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
        b"[" * 33 + b"]" * 33,
        b'{"text": "a", "text": "b"}',
        b'{"text": NaN}',
        b'{"text": Infinity}',
        b'{"text": -Infinity}',
        b'{"text": 1e999}',
        b'{"text": %d}' % 2**70,
        b'{"text": %s}' % (b"9" * 5000),
        b'\xef\xbb\xbf{"text": "a"}',
        '{"text": "a"}'.encode("utf-16"),
        '{"text": "a"}'.encode("utf-32"),
        '{"text": "é"}'.encode("latin-1"),
        b'{"text": "a"',
        b"{'text': 'a'}",
        b'{"text": "a"} {}',
        b'{"text": "\n"}',
        b"\0",
    ],
    ids=lambda body: repr(body[:24]),
)
def test_hostile_json_is_not_read(client: FlaskClient, body: bytes) -> None:
    for kind in ("application/json", "application/merge-patch+json", "application/json; charset=utf-8"):
        assert problem(client.post(API, data=body, content_type=kind))["status"] == 400


@on_one_engine
def test_json_that_looks_hostile_and_is_not(client: FlaskClient) -> None:
    for text in ("[" * 100, '{"' * 40, 'a "quoted\\" [[[', "\\", "NaN", "9" * 100):
        assert client.post(API, json={"text": text}).get_json()["text"] == text
    assert security.read_json(b"[" * 32 + b"]" * 32)
    assert security.read_json(b"[1.5, -2e3, 123456789012345678]") == [1.5, -2000.0, 123456789012345678]


def test_reading_json_takes_no_longer_for_being_hostile() -> None:
    began = time.monotonic()
    for body in (b'"' + b'\\"' * 30_000, b'"' * 60_001, b'\\"' * 30_000, b'"a\\' * 20_000):
        with pytest.raises(BadRequest):
            security.read_json(body)
    assert time.monotonic() - began < 2


@on_one_engine
@pytest.mark.parametrize("text", ["\0", "a\0b", "\ud800", "\u202eevil", "\u200bhidden", "\x1b[31m", "\u2028"])
def test_text_nobody_can_see_is_refused(client: FlaskClient, text: str) -> None:
    assert problem(client.post(API, json={"text": f"a{text}b"}))["errors"][0]["field"] == "text"


@on_one_engine
def test_another_kind_of_body_is_no_json(client: FlaskClient) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/xml"):
        assert problem(client.post(API, data='{"text": "a"}', content_type=kind))["status"] in (415, 422)


# --- headers


@on_one_engine
def test_every_answer_protects_people(notes: Instance, client: FlaskClient, visitor: FlaskClient) -> None:
    answers = [
        client.get(API),
        client.post(API, json={"text": "break"}),
        client.get("/notes/broken"),
        client.post(API, data=b"[", content_type="application/json"),
        client.put(API),
        client.get("/nothing"),
        visitor.get(API),
        visitor.get("/notes/mine"),
        visitor.get("/notes/"),
        visitor.get("/static/tokens.css", buffered=True),
        visitor.get("/static/nothing.css"),
        visitor.get("/notes/healthz"),
        visitor.get("/notes/readyz"),
        visitor.get("/notes/metrics"),
        visitor.get("/notes/api/openapi.json"),
        visitor.post("/notes/write", headers={"Sec-Fetch-Site": "cross-site"}),
        client.post("/notes/write", data={"text": "milk"}),
        client.get(API, headers={"Authorization": "Bearer wrong"}),
    ]
    assert {answer.status_code for answer in answers} == {200, 303, 400, 401, 403, 404, 405, 500}
    for answer in answers:
        name = answer.request.path
        assert UUID(answer.headers["X-Correlation-ID"]), name
        assert answer.headers["X-Content-Type-Options"] == "nosniff", name
        assert answer.headers["Referrer-Policy"] == "same-origin", name
        assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin", name
        assert "camera=()" in answer.headers["Permissions-Policy"], name
        policy = dict(part.split(" ", 1) for part in answer.headers["Content-Security-Policy"].split("; "))
        assert policy["default-src"] == policy["script-src"] == policy["form-action"] == "'self'", name
        assert policy["frame-ancestors"] == policy["base-uri"] == policy["object-src"] == "'none'", name
        assert "Server" not in answer.headers or "Python" not in answer.headers["Server"], name
        assert "Strict-Transport-Security" not in answer.headers, name
        assert "Access-Control-Allow-Origin" not in answer.headers, name
        assert {"Cookie", "HX-Request"} <= set(answer.vary), name


@on_one_engine
def test_over_https_it_stays_https(client: FlaskClient) -> None:
    for path in ("/notes/", "/nothing", API, "/static/tokens.css"):
        answer = client.get(path, headers={"X-Forwarded-Proto": "https"}, buffered=True)
        assert "max-age=31536000" in answer.headers["Strict-Transport-Security"]


@on_one_engine
def test_what_is_personal_is_not_stored_and_what_never_changes_is(client: FlaskClient, visitor: FlaskClient) -> None:
    for path in ("/notes/", API, f"{API}/{uuid4()}"):
        assert client.get(path).headers["Cache-Control"] == "no-store"
    assert "no-store" not in visitor.get("/notes/").headers.get("Cache-Control", "")
    [address] = re.findall(r'/static/tokens\.css\?v=[^"]+', visitor.get("/notes/").get_data(as_text=True))
    for reader in (client, visitor):
        assert "immutable" in reader.get(address, buffered=True).headers["Cache-Control"]
        for other in ("/static/tokens.css", "/static/nothing.css?v=1"):
            assert "immutable" not in reader.get(other, buffered=True).headers.get("Cache-Control", "")


@on_one_engine
def test_a_request_keeps_its_number(notes: Instance, client: FlaskClient) -> None:
    number = str(uuid4())
    answer = client.post(API, json={"text": "milk"}, headers={"X-Correlation-ID": number})
    assert answer.headers["X-Correlation-ID"] == number
    with notes.snapshot() as session:
        assert str(session.scalar(sa.select(mailbox.Outbox.correlation_id))) == number
    for wrong in ("", "a\tb", "5", "x" * 5000):
        assert UUID(client.get(API, headers={"X-Correlation-ID": wrong}).headers["X-Correlation-ID"])


# --- sent from another site


CROSS_SITE = [
    # (headers, by cookie, may pass)
    ({"Sec-Fetch-Site": "same-origin"}, True, True),
    ({"Sec-Fetch-Site": "none"}, True, True),
    ({"Sec-Fetch-Site": "same-site"}, True, False),
    ({"Sec-Fetch-Site": "cross-site"}, True, False),
    ({"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"}, True, False),
    ({"Sec-Fetch-Site": "cross-site"}, False, False),  # signing somebody else in counts too
    ({"Origin": "http://localhost"}, True, True),
    ({"Origin": "http://localhost:81"}, True, False),
    ({"Origin": "https://evil.example"}, True, False),
    ({"Origin": "http://localhost.evil.example"}, True, False),
    ({"Origin": "null"}, True, False),
    ({"Origin": ""}, True, False),
    ({}, True, False),  # a browser of today says one of them
    ({}, False, True),  # no browser: nothing to abuse
]


@on_one_engine
@pytest.mark.parametrize(("headers", "by_cookie", "passes"), CROSS_SITE)
def test_a_change_asked_for_by_another_site(
    notes: Instance, headers: dict[str, str], by_cookie: bool, passes: bool
) -> None:
    client = client_for(notes)
    if by_cookie:
        client.set_cookie(SESSION_COOKIE, token_for(make_actor()))
    for path, body in (("/notes/write", {"data": {"text": "milk"}}), (API, {"json": {"text": "milk"}})):
        answer = client.post(path, headers=headers, **body)
        assert (answer.status_code == 403) is not passes
    with notes.snapshot() as session:
        assert len(session.scalars(sa.select(Note)).all()) == (2 if passes and by_cookie else 0)
    assert client.get("/notes/", headers=headers).status_code == 200, "reading changes nothing"


@on_one_engine
def test_no_browser_sends_a_bearer_token_on_its_own(client: FlaskClient) -> None:
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}, {}):
        assert client.post(API, json={"text": "milk"}, headers=headers).status_code == 201


# --- who is acting


def cookies(notes: Instance, *, session: str | None = None, marker: bool = True) -> FlaskClient:
    client = client_for(notes)
    client.environ_base["HTTP_SEC_FETCH_SITE"] = "same-origin"
    if session is not None:
        client.set_cookie(SESSION_COOKIE, session)
    if marker:
        client.set_cookie(MARKER_COOKIE, "1")
    return client


@on_one_engine
def test_by_token_and_by_cookie(notes: Instance, visitor: FlaskClient) -> None:
    person = make_actor(name="Petra Placeholder")
    for client in (client_for(notes, person), client_for(notes, person, cookie=True)):
        assert client.get(API).status_code == 200
        assert b"Petra Placeholder" in client.get("/notes/").data
    assert problem(visitor.get(API))["status"] == 401
    assert visitor.get(API).headers["WWW-Authenticate"] == "Bearer"
    assert b"Petra Placeholder" not in visitor.get("/notes/").data


@on_one_engine
def test_a_wrong_token_is_refused_and_not_ignored(notes: Instance) -> None:
    person = make_actor()
    stranger = RSAKey.generate_key(2048, {"kid": "tests"})
    for authorization in (
        "Bearer",
        "Bearer ",
        "Bearer x",
        "Bearer a.b.c",
        f"Bearer {token_for(person, lasts=-60)}",
        f"Bearer {token_for(person, key=stranger)}",
        f"Bearer {token_for(person)}x",
        f"Token {token_for(person)}",
        "Basic dXNlcjpwYXNz",
        token_for(person),
    ):
        for path in (API, "/notes/api/v1/hello", "/notes/"):
            answer = client_for(notes).get(path, headers={"Authorization": authorization})
            assert answer.status_code == 401, (authorization[:20], path)
    assert client_for(notes).get(API, headers={"Authorization": f"bearer {token_for(person)}"}).status_code == 200


@on_one_engine
def test_the_header_wins_over_the_cookie(notes: Instance) -> None:
    client = cookies(notes, session=token_for(make_actor(name="Petra Placeholder")))
    other = {"Authorization": f"Bearer {token_for(make_actor(name='Emil Example'))}"}
    assert b"Emil Example" in client.get("/notes/", headers=other).data


@on_one_engine
@pytest.mark.parametrize("session", [None, "expired", "nonsense"])
def test_an_expired_cookie_is_renewed_on_the_way(notes: Instance, session: str | None) -> None:
    token = token_for(make_actor(), lasts=-60) if session == "expired" else session
    client = cookies(notes, session=token)
    html = {"Accept": "text/html,*/*"}
    answer = client.get("/notes/mine?day=2031-05-05&to=/x", headers=html)
    assert answer.status_code == 303
    assert answer.headers["Location"] == "/access/refresh?next=/notes/mine%3Fday%3D2031-05-05%26to%3D/x"
    assert client.get("/notes/", headers=html).status_code == 303, "also where nobody has to be signed in"

    assert client.get("/notes/").status_code == 200, "whoever does not ask for a page is not sent away"
    assert client.get("/notes/", headers=html | {"HX-Request": "true"}).status_code == 200
    assert client.get("/static/tokens.css", headers=html, buffered=True).status_code == 200
    assert client.get(API, headers=html).status_code == 401
    assert client.post("/notes/write", headers=html).status_code == 401
    unmarked = cookies(notes, session=token, marker=False).get("/notes/mine", headers=html)
    assert unmarked.headers["Location"] == "/access/sign-in?next=/notes/mine"


@on_one_engine
def test_nobody_is_sent_round_in_a_circle(notes: Instance) -> None:
    """Pages of access itself renew nothing, or it would never end."""
    client = cookies(notes)
    assert client.get("/access/refresh", headers={"Accept": "text/html"}).status_code == 404
    assert client.get("/access/sign-in", headers={"Accept": "text/html"}).status_code == 404


# --- changes to a version


@on_one_engine
def test_a_change_says_of_which_version_it_is(client: FlaskClient) -> None:
    written = client.post(API, json={"text": "milk"})
    address = written.headers["Location"]
    assert client.get(address).headers["ETag"] == '"1"'

    def change(version: str | None) -> TestResponse:
        headers = {} if version is None else {"If-Match": version}
        return client.put(address, json={"text": "bread"}, headers=headers)

    assert problem(change(None))["status"] == 428
    for stale in ('"0"', '"2"', "1", 'W/"1"', '"x"'):
        assert problem(change(stale))["status"] == 412
    assert problem(change('"0"'))["present"] == 1
    changed = change('"1"')
    assert (changed.status_code, changed.headers["ETag"]) == (200, '"2"')
    assert change("*").headers["ETag"] == '"3"'


@on_one_engine
def test_lists_come_a_page_at_a_time(client: FlaskClient) -> None:
    ids = {client.post(API, json={"text": f"note {number}"}).get_json()["id"] for number in range(7)}
    seen: list[str] = []
    cursor = ""
    while True:
        page = client.get(f"{API}?limit=3" + (f"&cursor={cursor}" if cursor else "")).get_json()
        assert page.keys() == {"items", "next"}
        seen += [item["id"] for item in page["items"]]
        if not (cursor := page["next"]):
            break
    assert seen == sorted(ids)
    for wrong in ("", "x", "!!!!", "W10", "WzEsMl0", "e30"):
        assert problem(client.get(f"{API}?cursor={wrong}&limit=1"))["status"] == 422 if wrong else True


# --- for those who run it


def test_alive_and_ready(notes: Instance, visitor: FlaskClient) -> None:
    assert visitor.get("/notes/healthz").get_json() == {"status": "alive", "service": "notes"}
    client_for(notes, make_actor()).post(API, json={"text": "milk"})
    ready = visitor.get("/notes/readyz")
    assert ready.status_code == 200
    assert ready.get_json()["database"] == "up to date"
    assert ready.get_json()["outbox"]["unpublished"] == 1
    assert ready.get_json()["inbox"] == {"waiting": 0, "parked": 0}


@on_one_engine
def test_not_ready_before_the_tables_are_there(notes: Instance, tmp_path: Any) -> None:
    empty = Instance(notes.service, notes.config, Database(f"sqlite:///{tmp_path}/empty.db"), notes.peers)
    answer = client_for(empty).get("/notes/readyz")
    assert answer.status_code == 503
    assert client_for(empty).get("/notes/healthz").status_code == 200
    empty.database.close()


@on_one_engine
def test_without_a_database_it_says_so_and_lives(notes: Instance) -> None:
    away = Database("postgresql+psycopg://nobody@127.0.0.1:1/none")
    client = client_for(Instance(notes.service, notes.config, away, notes.peers), make_actor())
    assert client.get("/notes/readyz").status_code == 503
    assert client.get("/notes/healthz").status_code == 200
    for answer in (client.get(API), client.post(API, json={"text": "milk"}, headers={"Idempotency-Key": "1"})):
        refused = problem(answer)
        assert (refused["status"], refused["code"]) == (503, "not-ready")
        assert answer.headers["Retry-After"]
        assert "127.0.0.1" not in answer.get_data(as_text=True)
    page = client.post("/notes/write", data={"text": "milk"})
    assert (page.status_code, page.mimetype) == (503, "text/html")
    away.close()


@on_one_engine
def test_figures_for_prometheus(client: FlaskClient, visitor: FlaskClient) -> None:
    client.post(API, json={"text": "milk"})
    client.get(f"{API}/{uuid4()}")
    text = visitor.get("/notes/metrics").get_data(as_text=True)
    assert 'infrashare_outbox_unpublished{service="notes"} 1.0' in text
    assert 'infrashare_inbox_parked{service="notes"} 0.0' in text
    assert re.search(
        r'infrashare_http_requests_total\{method="POST",route="/notes/api/v1/notes",.*status="201"\} \d', text
    )
    assert 'route="/notes/api/v1/notes/<uuid:note_id>"' in text
    assert not re.search(r"[0-9a-f]{8}-[0-9a-f]{4}-", text), "routes, not ids"


# --- the feed


@pytest.fixture
def teller(make_instance: Make) -> Instance:
    instance = make_instance(TELLER)
    with instance.begin() as uow:
        for number in range(1, 8):
            uow.emit(Counted(sequence=number, counter="a"))

    class Nobody:
        def publish(self, batch: Any) -> int:
            return len(batch)

    instance.relay(Nobody())
    return instance


FEED = "/teller/api/v1/events"


def test_the_log_can_be_read_from_any_place(teller: Instance) -> None:
    client = client_for(teller)
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {issue_service_token(SERVICE_SECRET, 'listener')}"
    answer = client.get(FEED)
    assert answer.content_type == BATCH_CONTENT_TYPE
    log = [Envelope.from_dict(each) for each in answer.get_json()]
    assert [envelope.position for envelope in log] == [1, 2, 3, 4, 5, 6, 7]
    assert [each["position"] for each in client.get(f"{FEED}?after=3&limit=2").get_json()] == [4, 5]
    assert client.get(f"{FEED}?after=7").get_json() == []
    for query in ("after=-1", "after=x", "limit=501", "limit=0", f"after={2**63}"):
        assert client.get(f"{FEED}?{query}").status_code == 422


@on_one_engine
def test_who_may_read_a_log(teller: Instance) -> None:
    def ask(authorization: str = "", *, cookie: str = "") -> int:
        client = client_for(teller)
        if cookie:
            client.set_cookie(SESSION_COOKIE, cookie)
        headers = {"Authorization": authorization} if authorization else {}
        return client.get(FEED, headers=headers).status_code

    administrator, person = make_actor("administrator"), make_actor(f"facility_manager@{uuid4()}")
    assert ask(f"Bearer {issue_service_token(SERVICE_SECRET, 'listener')}") == 200
    assert ask(f"Bearer {token_for(administrator)}") == 200
    assert ask(cookie=token_for(administrator)) == 200
    assert ask(f"Bearer {token_for(person)}") == 403
    assert ask(cookie=token_for(person)) == 403
    assert ask() == 401
    assert ask(f"Bearer {issue_service_token('another secret, also long enough', 'listener')}") == 401
    assert ask(f"Bearer {token_for(administrator, lasts=-60)}") == 401
    assert ask("Bearer nonsense") == 401
    assert ask("Basic dXNlcjpwYXNz") == 401
    assert ask(f"Basic {token_for(administrator)}") == 401


@on_one_engine
def test_a_service_token_opens_nothing_else(notes: Instance) -> None:
    client = client_for(notes)
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {issue_service_token(SERVICE_SECRET, 'listener')}"
    assert client.get(API).status_code == 401
    assert client.get("/notes/ops/messages").status_code == 401


# --- messages set aside


def test_messages_set_aside_are_shown_and_sent_again(make_instance: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mailbox, "MAX_ATTEMPTS", 1)
    listener = make_instance(LISTENER)
    hear(listener, Counted(sequence=1, counter="<b>a</b>", fails=True), source="teller")
    administrator = client_for(listener, make_actor("administrator"), cookie=True)
    page = administrator.get("/listener/ops/messages").get_data(as_text=True)
    assert "teller.counted.v1" in page
    assert "this one cannot be handled" in page
    assert "<b>a</b>" not in page
    [address] = re.findall(r'action="(/listener/ops/messages/[^"]+/send-again)"', page)

    for client, status in ((client_for(listener), 401), (client_for(listener, make_actor()), 403)):
        assert client.get("/listener/ops/messages").status_code == status
        assert client.post(address).status_code == status
    assert administrator.post(address, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403

    with listener.database.transaction() as session:
        session.execute(sa.update(mailbox.Inbox).values(data={"sequence": 1, "counter": "a"}))
    assert administrator.post(address).status_code == 303
    while listener.react():
        pass
    with listener.snapshot() as session:
        assert session.scalars(sa.select(Heard.counter)).all() == ["a"]
    assert "No failed deliveries" in administrator.get("/listener/ops/messages").get_data(as_text=True)
    assert administrator.post(address).status_code == 404


# --- documents


@pytest.fixture
def document(visitor: FlaskClient) -> dict[str, Any]:
    answer = visitor.get("/notes/api/openapi.json")
    assert answer.status_code == 200
    loaded: dict[str, Any] = json.loads(answer.data)
    return loaded


def operations(document: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    methods = ("get", "post", "put", "patch", "delete")
    return {
        (method, path): operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in methods
    }


@on_one_engine
def test_the_openapi_document_is_valid(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    assert not [f"{list(error.instance_path)}: {error.message}" for error in OPENAPI_31_VALIDATOR.iter_errors(document)]
    references = re.findall(r'"\$ref": "#/components/(\w+)/(\w+)"', json.dumps(document))
    assert references
    for kind, name in references:
        assert name in document["components"][kind]


@on_one_engine
def test_every_operation_documents_its_problems(document: dict[str, Any]) -> None:
    documented = operations(document)
    assert len(documented) == 9
    for (method, path), operation in documented.items():
        assert operation["summary"], path
        for status in ("400", "401", "403", "404", "409", "413", "415", "422", "429", "500", "503"):
            [kind] = operation["responses"][status]["content"]
            assert kind == "application/problem+json"
            assert operation["responses"][status]["content"][kind]["schema"] == {"$ref": "#/components/schemas/Problem"}
        headers = {each["name"] for each in operation.get("parameters", []) if each["in"] == "header"}
        if method == "get" or path.endswith("/imports"):
            assert not headers
        else:
            assert "Idempotency-Key" in headers
        if method in ("put", "delete"):
            assert {"412", "428"} <= operation["responses"].keys()
            assert "If-Match" in headers
        assert "default" not in operation["responses"]
    problem_schema = document["components"]["schemas"]["Problem"]
    assert set(problem_schema["required"]) == PROBLEM


@on_one_engine
def test_it_says_where_a_token_is_needed(document: dict[str, Any]) -> None:
    needed: list[Any] = [{"token": []}]
    optional: list[Any] = [{"token": []}, {}]
    assert document["security"] == optional
    assert document["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    for (_, path), operation in operations(document).items():
        expected = None if path == "/notes/api/v1/hello" else needed
        assert operation.get("security") == expected, path


@on_one_engine
def test_the_api_is_shown_to_people(visitor: FlaskClient) -> None:
    page = visitor.get("/notes/api/docs")
    assert page.status_code == 200
    text = page.get_data(as_text=True)
    assert "Find the notes of whoever asks" in text
    assert "/notes/api/openapi.json" in text


@on_one_engine
def test_every_address_of_the_api_is_documented(notes: Instance, document: dict[str, Any]) -> None:
    rules = client_for(notes).application.url_map.iter_rules()
    served = {re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule) for rule in rules if "/api/v1/" in rule.rule}
    assert served == document["paths"].keys()
