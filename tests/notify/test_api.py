"""The JSON side: one's own notices and choices; deliveries for the administrator."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from flask.testing import FlaskClient

from services.notify.domain.wording import MAILED
from services.notify.jobs import deliver_notices
from shared.contracts.booking import BookingApproved, BookingDeclined
from shared.web.paging import encode_cursor
from tests.conftest import client_for, make_actor
from tests.notify.conftest import BOOKER, FACILITY, OPERATOR, Notify, booking_event


@pytest.fixture
def reader(peopled: Notify) -> FlaskClient:
    peopled.hear(booking_event(BookingDeclined), booking_event(BookingApproved, booking_id=uuid4()))
    return client_for(peopled.instance, make_actor(id=BOOKER))


@pytest.fixture
def administrator(peopled: Notify) -> FlaskClient:
    return client_for(peopled.instance, make_actor("administrator"))


def test_my_notices(reader: FlaskClient) -> None:
    answer = reader.get("/notify/api/v1/notices")
    assert answer.status_code == 200
    assert answer.json is not None
    assert (answer.json["unread"], answer.json["next"], len(answer.json["items"])) == (2, None, 2)
    declined = next(item for item in answer.json["items"] if item["kind"] == "declined")
    assert declined["title"] == "Declined: Nano-CT 225 kV, Mon 12 May 2031, 08:00–12:00 (K7Q4-2M)"
    assert declined["text"].startswith("Imaging Lab of Nowhere declined your request")
    assert {"term": "Reason", "value": "The source is being exchanged."} in declined["facts"]
    assert declined["path"] == "/booking/K7Q4-2M"
    assert declined["read_at"] is None


def test_pages_follow_one_another(reader: FlaskClient) -> None:
    first: Any = reader.get("/notify/api/v1/notices?limit=1").json
    second: Any = reader.get("/notify/api/v1/notices", query_string={"limit": 1, "cursor": first["next"]}).json
    assert second["next"] is None
    assert {first["items"][0]["kind"], second["items"][0]["kind"]} == {"approved", "declined"}


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=201",
        "limit=1e9",
        "limit=１",
        "cursor=xyz",
        "cursor=" + encode_cursor("yesterday", str(uuid4())),
        "cursor=" + encode_cursor("2031-05-05T09:00:00", str(uuid4())),
        "cursor=" + encode_cursor("2031-05-05T09:00:00+00:00", "me"),
        "cursor=" + encode_cursor(1, 2),
        "cursor=%00",
        "unread=perhaps",
    ],
)
def test_queries_nobody_can_answer_are_refused(reader: FlaskClient, query: str) -> None:
    answer = reader.get(f"/notify/api/v1/notices?{query}")
    assert answer.status_code == 422
    assert answer.content_type == "application/problem+json"


def test_reading_one_and_then_all(reader: FlaskClient) -> None:
    items: Any = reader.get("/notify/api/v1/notices").json
    one = items["items"][0]["id"]
    answer = reader.post(f"/notify/api/v1/notices/{one}/read")
    assert answer.status_code == 200
    assert answer.json is not None
    assert answer.json["read_at"] is not None
    unread: Any = reader.get("/notify/api/v1/notices?unread=true").json
    assert [item["id"] for item in unread["items"]] == [items["items"][1]["id"]]
    assert reader.post("/notify/api/v1/notices/read-all").json == {"read": 1}
    assert reader.post("/notify/api/v1/notices/read-all").json == {"read": 0}


def test_a_repeated_key_reads_once(reader: FlaskClient) -> None:
    headers = {"Idempotency-Key": "read-everything"}
    answers = [reader.post("/notify/api/v1/notices/read-all", headers=headers).json for _ in range(2)]
    assert answers == [{"read": 2}, {"read": 2}]


def test_other_peoples_notices_are_not_found(reader: FlaskClient, peopled: Notify) -> None:
    items: Any = reader.get("/notify/api/v1/notices").json
    other = client_for(peopled.instance, make_actor(f"operator@{FACILITY}", "administrator", id=OPERATOR))
    answer = other.post(f"/notify/api/v1/notices/{items['items'][0]['id']}/read")
    assert answer.status_code == 404
    assert answer.json is not None
    assert answer.json["code"] == "no-such-notice"
    assert other.get("/notify/api/v1/notices").json == {"items": [], "next": None, "unread": 0}


def test_choosing_what_comes_by_mail(reader: FlaskClient) -> None:
    address = "/notify/api/v1/preferences"
    assert reader.get(address).json == {"email": sorted(MAILED)}
    assert reader.put(address, json={"email": ["declined", "approved"]}).json == {"email": ["approved", "declined"]}
    assert reader.get(address).json == {"email": ["approved", "declined"]}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"email": "approved"},
        {"email": ["completed"]},
        {"email": [None]},
        {"email": [], "in_app": []},
        [],
        {"email": 1},
    ],
)
def test_choices_there_are_not_are_refused(reader: FlaskClient, body: Any) -> None:
    assert reader.put("/notify/api/v1/preferences", json=body).status_code == 422
    assert reader.get("/notify/api/v1/preferences").json == {"email": sorted(MAILED)}


def test_deliveries_are_for_the_administrator(reader: FlaskClient, administrator: FlaskClient, peopled: Notify) -> None:
    deliver_notices(peopled.instance)
    assert reader.get("/notify/api/v1/deliveries").status_code == 403
    first: Any = administrator.get("/notify/api/v1/deliveries?limit=1").json
    assert first["items"][0]["outcome"] == "sent"
    assert first["items"][0]["state"] == "sent"
    assert first["items"][0]["address"] == "person100@people.example"
    rest: Any = administrator.get("/notify/api/v1/deliveries", query_string={"cursor": first["next"]}).json
    assert len(rest["items"]) == 1
    wrong = administrator.get("/notify/api/v1/deliveries", query_string={"cursor": encode_cursor(True)})
    assert wrong.status_code == 422


@pytest.mark.parametrize("path", ["notices", "preferences", "deliveries"])
def test_visitors_have_to_sign_in(peopled: Notify, path: str) -> None:
    answer = client_for(peopled.instance).get(f"/notify/api/v1/{path}")
    assert answer.status_code == 401
    assert answer.content_type == "application/problem+json"
