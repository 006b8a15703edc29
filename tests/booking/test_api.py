"""The JSON API: statuses, shapes, refusals; by the real clock."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from services.booking.models import Booking
from shared.clock import utc_now
from tests.booking.conftest import Lab
from tests.conftest import told

API = "/booking/api/v1"


@pytest.fixture
def open_lab(lab: Lab) -> Lab:
    lab.bookable_now()
    return lab


def asked(lab: Lab, start: int = 9, end: int = 12, **more: Any) -> dict[str, Any]:
    days = more.pop("days", 2)
    return {
        "equipment_id": str(lab.microscope),
        "organisation_id": str(lab.firm),
        "purpose": "Pores in six housings",
        "access_mode": "market",
        **lab.soon(start, end, days),
        **more,
    }


def as_(lab: Lab, who: str) -> Any:
    """A client of somebody, made once a test; typed loosely, as JSON is."""
    return lab.client(who, cookie=False)


def requested(lab: Lab, **more: Any) -> dict[str, Any]:
    answer = as_(lab, "booker").post(f"{API}/bookings", json=asked(lab, **more))
    assert answer.status_code == 201, answer.json
    body: dict[str, Any] = answer.json
    return body


def test_the_main_job(open_lab: Lab) -> None:
    lab = open_lab
    answer = as_(lab, "booker").post(f"{API}/bookings", json=asked(lab))
    assert answer.status_code == 201
    booking = answer.json
    assert (booking["state"], booking["unit"], booking["price"]) == ("requested", 1, None)  # prices begin in 2031
    assert answer.headers["Location"] == f"{API}/bookings/{booking['id']}"
    assert answer.headers["ETag"] == '"1"'
    one = f"{API}/bookings/{booking['id']}"
    assert as_(lab, "operator").post(f"{one}/approve").json["state"] == "approved"
    read = as_(lab, "booker").get(one)
    assert read.headers["ETag"] == '"2"'
    assert [(line["sequence"], line["state"], line["actor_role"]) for line in read.json["history"]] == [
        (1, "requested", "booker"), (2, "approved", "operator"),
    ]  # fmt: skip
    again = as_(lab, "operator").post(f"{one}/approve")
    assert (again.status_code, again.json["code"]) == (409, "wrong-state")
    late = as_(lab, "booker").post(f"{one}/check-in")
    assert (late.status_code, late.json["code"]) == (409, "too-early")
    cancelled = as_(lab, "booker").post(f"{one}/cancel", json={"reason": "The samples are late"})
    assert (cancelled.json["state"], cancelled.json["late"]) == ("cancelled", False)


def test_every_broken_rule_comes_back_at_once(open_lab: Lab) -> None:
    lab = open_lab
    body = asked(lab, 9, 12, days=-1)
    body["ends_at"] = body["starts_at"][:14] + "10" + body["starts_at"][16:]
    answer = as_(lab, "booker").post(f"{API}/bookings", json=body)
    assert answer.status_code == 422
    assert answer.content_type == "application/problem+json"
    assert answer.json["code"] == "rules-broken"
    assert {error["code"] for error in answer.json["errors"]} >= {"in-the-past", "min-duration", "granularity"}
    assert all(error["detail"] for error in answer.json["errors"])


def test_a_taken_slot_comes_back_with_alternatives(open_lab: Lab) -> None:
    lab = open_lab
    requested(lab)
    answer = as_(lab, "booker").post(f"{API}/bookings", json=asked(lab, 10, 11))
    assert (answer.status_code, answer.json["code"]) == (409, "slot-taken")
    assert 1 <= len(answer.json["alternatives"]) <= 3


def test_a_dry_run_saves_nothing(open_lab: Lab) -> None:
    lab = open_lab
    before = len(told(lab.instance))
    answer = as_(lab, "booker").post(f"{API}/bookings?dry_run=true", json=asked(lab))
    assert answer.status_code == 200
    verdict = answer.json
    assert (verdict["accepted"], verdict["approval"], verdict["faults"], verdict["taken"]) == (
        True,
        "operator",
        [],
        False,
    )
    broken = as_(lab, "booker").post(f"{API}/bookings?dry_run=true", json=asked(lab, days=-1))
    assert broken.status_code == 200
    assert next(fault["code"] for fault in broken.json["faults"]) == "in-the-past"
    assert len(told(lab.instance)) == before
    assert as_(lab, "stranger").post(f"{API}/bookings?dry_run=true", json=asked(lab)).status_code == 403


def test_the_same_key_again_has_one_effect_and_the_same_answer(open_lab: Lab) -> None:
    lab = open_lab
    client, headers = as_(lab, "booker"), {"Idempotency-Key": "a-key"}
    first = client.post(f"{API}/bookings", json=asked(lab), headers=headers)
    second = client.post(f"{API}/bookings", json=asked(lab), headers=headers)
    assert first.status_code == second.status_code == 201
    assert first.json == second.json
    assert len([event for event in told(lab.instance) if event.type == "booking.requested.v1"]) == 1


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"starts_at": "2026-12-01T09:00:00"}, "starts_at"),
        ({"starts_at": "0001-01-01T00:00:00+14:00"}, "starts_at"),
        ({"ends_at": "9999-12-31T23:59:59-12:00"}, "ends_at"),
        ({"starts_at": 2**60}, "starts_at"),
        ({"equipment_id": "{1234}"}, "equipment_id"),
        ({"purpose": ""}, "purpose"),
        ({"purpose": "a\x00b"}, "purpose"),
        ({"purpose": "\ud800"}, "purpose"),
        ({"purpose": "x" * 2001}, "purpose"),
        ({"access_mode": "free"}, "access_mode"),
        ({"organisation_id": None}, "organisation_id"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_bad_input_is_named_and_nothing_is_saved(open_lab: Lab, changes: dict[str, Any], field: str) -> None:
    lab = open_lab
    before = len(told(lab.instance))
    answer = as_(lab, "booker").post(f"{API}/bookings", json=asked(lab) | changes)
    assert answer.status_code == 422
    assert field in [error["field"] for error in answer.json["errors"]]
    assert len(told(lab.instance)) == before


def test_the_end_before_the_start_and_the_hour_that_does_not_exist(open_lab: Lab) -> None:
    lab = open_lab
    body = asked(lab)
    body["starts_at"], body["ends_at"] = body["ends_at"], body["starts_at"]
    answer = as_(lab, "booker").post(f"{API}/bookings", json=body)
    assert answer.json["errors"][0]["field"] == "ends_at"
    year = utc_now().year + 1
    gap = {2027: "2027-03-28", 2028: "2028-03-26", 2029: "2029-03-25"}.get(year, "2027-03-28")
    body = asked(lab) | {"starts_at": f"{gap}T02:30:00+01:00", "ends_at": f"{gap}T05:00:00+02:00"}
    answer = as_(lab, "booker").post(f"{API}/bookings?dry_run=true", json=body)
    assert "no-such-hour" in [fault["code"] for fault in answer.json["faults"]]


def test_others_bookings_are_not_found(open_lab: Lab) -> None:
    lab = open_lab
    booking = requested(lab)
    for who in ("stranger", "colleague", "scholar"):
        assert as_(lab, who).get(f"{API}/bookings/{booking['id']}").status_code == 404
        assert as_(lab, who).post(f"{API}/bookings/{booking['id']}/withdraw").status_code == 404
        assert as_(lab, who).get(f"{API}/bookings").json["items"] == []
    assert as_(lab, "booker").post(f"{API}/bookings/{booking['id']}/approve").status_code == 403
    assert as_(lab, "booker").get(f"{API}/bookings/{uuid4()}").status_code == 404
    assert as_(lab, "nobody").get(f"{API}/bookings").status_code == 401
    assert as_(lab, "nobody").post(f"{API}/bookings", json=asked(lab)).status_code == 401


def test_lists_are_paged_by_cursor_and_filtered(open_lab: Lab) -> None:
    lab = open_lab
    made = {requested(lab, days=days)["id"] for days in (2, 3, 4)}
    client = as_(lab, "operator")
    seen: list[str] = []
    address: str | None = f"{API}/bookings?limit=2"
    while address:
        page = client.get(address).json
        seen += [each["id"] for each in page["items"]]
        address = f"{API}/bookings?limit=2&cursor={page['next']}" if page["next"] else None
    assert set(seen) == made
    assert len(seen) == 3
    assert client.get(f"{API}/bookings?state=approved").json["items"] == []
    assert len(client.get(f"{API}/bookings?facility={lab.facility}&organisation={lab.firm}").json["items"]) == 3
    for wrong in ("limit=201", "limit=0", "cursor=%%%", "cursor=WzEsMl0", "state=gone", "from=yesterday", "facility=x"):
        assert client.get(f"{API}/bookings?{wrong}").status_code == 422, wrong


def test_declining_needs_a_reason(open_lab: Lab) -> None:
    lab = open_lab
    one = f"{API}/bookings/{requested(lab)['id']}"
    assert as_(lab, "operator").post(f"{one}/decline", json={}).status_code == 422
    answer = as_(lab, "operator").post(f"{one}/decline", json={"reason_code": "safety", "reason": "No powders."})
    assert (answer.json["state"], answer.json["reason_code"], answer.json["reason"]) == (
        "declined",
        "safety",
        "No powders.",
    )


def test_a_change_can_be_bound_to_a_version(open_lab: Lab) -> None:
    lab = open_lab
    one = f"{API}/bookings/{requested(lab)['id']}"
    stale = as_(lab, "operator").post(f"{one}/approve", headers={"If-Match": '"7"'})
    assert stale.status_code == 412
    assert as_(lab, "operator").get(one).json["state"] == "requested"
    assert as_(lab, "operator").post(f"{one}/approve", headers={"If-Match": '"1"'}).status_code == 200


def test_availability_is_open_to_everybody_and_names_nobody(open_lab: Lab) -> None:
    lab = open_lab
    booking = requested(lab)
    day = booking["starts_at"][:10]
    address = f"{API}/equipment/{lab.microscope}/availability"
    answer = as_(lab, "nobody").get(f"{address}?from={day}T00:00:00Z&to={day}T23:00:00Z")
    assert answer.status_code == 200
    assert set(answer.json) == {"time_zone", "units", "free", "closed", "busy"}
    assert len(answer.json["busy"]) == 1
    assert "Example Instruments" not in answer.text
    for wrong in (
        "",
        "?from=x&to=y",
        f"?from={day}T00:00:00Z&to={day}T00:00:00Z",
        f"?from={day}T00:00:00Z&to=2029-01-01T00:00:00Z",
    ):
        assert as_(lab, "nobody").get(address + wrong).status_code == 422
    assert (
        as_(lab, "nobody")
        .get(f"{API}/equipment/{uuid4()}/availability?from={day}T00:00:00Z&to={day}T01:00:00Z")
        .status_code
        == 404
    )


def test_downtime_answers_with_the_bookings_it_hits(open_lab: Lab) -> None:
    lab = open_lab
    booking = requested(lab)
    address = f"{API}/equipment/{lab.microscope}/downtime"
    body = {"starts_at": booking["starts_at"], "ends_at": None, "kind": "unplanned", "reason": "The tube broke"}
    answer = as_(lab, "operator").post(address, json=body)
    assert answer.status_code == 201
    assert [each["id"] for each in answer.json["bookings"]] == [booking["id"]]
    assert as_(lab, "booker").post(address, json=body).status_code == 403
    assert as_(lab, "nobody").post(address, json=body).status_code == 401
    assert len(as_(lab, "operator").get(address).json["items"]) == 1
    assert as_(lab, "booker").get(address).status_code == 403
    one = f"{API}/downtime/{answer.json['id']}"
    ends_at = booking["ends_at"]
    assert as_(lab, "operator").post(f"{one}/end", json={"ends_at": ends_at}).json["ends_at"] == ends_at
    assert as_(lab, "operator").post(f"{one}/withdraw").json["withdrawn"]
    assert as_(lab, "operator").post(f"{one}/withdraw").status_code == 409
    assert as_(lab, "operator").post(f"{API}/downtime/{uuid4()}/withdraw").status_code == 404


@pytest.mark.parametrize("place", ["equipment", "facilities"])
def test_hours_rules_and_prices_are_read_by_all_and_set_by_managers(open_lab: Lab, place: str) -> None:
    lab = open_lab
    base = f"{API}/{place}/{lab.chambers if place == 'equipment' else lab.facility}"
    manager = as_(lab, "manager")
    hours = {
        "weekly": [
            {"weekday": 0, "opens": "08:00", "closes": "12:00"},
            {"weekday": 6, "opens": "20:00", "closes": "24:00"},
        ],
        "holidays": {"country": "DE", "subdivision": "SN"},
        "closed_days": ["2027-08-02"],
        "open_days": [],
    }
    body = hours if place == "equipment" else hours | {"valid_from": "2031-06-02"}
    answer = manager.put(f"{base}/opening-hours", json=body)
    assert answer.status_code == 200, answer.json
    assert answer.json["weekly"][1] == {"weekday": 6, "opens": "20:00", "closes": "24:00"}
    assert answer.json["holidays"]["subdivision"] == "SN"
    read = as_(lab, "nobody").get(f"{base}/opening-hours")
    assert answer.json in read.json["items"]
    assert read.headers["ETag"] == answer.headers["ETag"]
    rules = {"min_minutes": 60, "max_minutes": 240, "granularity_minutes": 60, "needs_approval": False}
    set_ = manager.put(f"{base}/rules", json=rules)
    assert set_.status_code == 200
    assert as_(lab, "nobody").get(f"{base}/rules").json == set_.json
    assert "Approved at once when all rules are met" in set_.json["in_words"]
    assert manager.put(f"{base}/rules", json=rules, headers={"If-Match": '"99"'}).status_code == 412
    prices = {"market_cents": 12_000, "other_cents": None, "currency": "SEK", "valid_from": "2031-07-01"}
    assert manager.put(f"{base}/prices", json=prices).status_code == 200
    assert as_(lab, "nobody").get(f"{base}/prices").json["items"][-1]["currency"] == "SEK"
    for what, good in (("opening-hours", body), ("rules", rules), ("prices", prices)):
        assert as_(lab, "operator").put(f"{base}/{what}", json=good).status_code == 403
        assert as_(lab, "nobody").put(f"{base}/{what}", json=good).status_code == 401
        assert manager.put(f"{base}/{what}", json=good | {"surprise": 1}).status_code == 422


@pytest.mark.parametrize(
    ("what", "body"),
    [
        ("opening-hours", {"weekly": [{"weekday": 7, "opens": "08:00", "closes": "12:00"}]}),
        ("opening-hours", {"weekly": [{"weekday": 1, "opens": "12:00", "closes": "08:00"}]}),
        ("opening-hours", {"weekly": [{"weekday": 1, "opens": "8", "closes": "25:00"}]}),
        ("opening-hours", {"weekly": [], "holidays": {"country": "XX"}}),
        ("opening-hours", {"weekly": [], "holidays": {"country": "CZ", "categories": ["half_day"]}}),
        ("opening-hours", {"weekly": [], "closed_days": ["2027-02-30"]}),
        ("rules", {"min_minutes": 2**60}),
        ("rules", {"min_minutes": "１２"}),
        ("rules", {"granularity_minutes": 7}),
        ("prices", {"market_cents": -1}),
        ("prices", {"market_cents": 1.5}),
        ("prices", {"currency": "euro"}),
    ],
)
def test_settings_that_cannot_be_are_refused(lab: Lab, what: str, body: dict[str, Any]) -> None:
    answer = as_(lab, "manager").put(f"{API}/equipment/{lab.microscope}/{what}", json=body)
    assert answer.status_code == 422, answer.json
    assert answer.json["errors"] or answer.json["detail"]


def test_terms_of_equipment_without_its_own_are_those_of_its_facility(lab: Lab) -> None:
    client = as_(lab, "nobody")
    assert client.get(f"{API}/equipment/{lab.microscope}/rules").json["scope"] == "facility"
    assert client.get(f"{API}/equipment/{lab.microscope}/opening-hours").json["items"][0]["scope"] == "facility"
    assert client.get(f"{API}/equipment/{lab.microscope}/prices").json["items"][0]["market_cents"] == 11_800
    for what in ("rules", "opening-hours", "prices"):
        assert client.get(f"{API}/equipment/{uuid4()}/{what}").status_code == 404
        assert client.get(f"{API}/facilities/{uuid4()}/{what}").status_code == 404


def test_check_in_and_out_and_no_show(open_lab: Lab) -> None:
    lab = open_lab
    now = utc_now().replace(second=0, microsecond=0)
    start = now - timedelta(minutes=now.minute % 30)
    from services.booking import commands
    from shared.calendar import Span

    def approved(offset: int) -> Booking:
        wanted = Span(start + timedelta(hours=offset), start + timedelta(hours=offset + 1))
        booking = lab.request(wanted, now=wanted.starts_at - timedelta(minutes=1))
        return lab.do(commands.approve, booking, lab.operator, now=wanted.starts_at)

    lab.set_rules(
        lead_time=timedelta(), check_in_after=timedelta(minutes=31), buffer_before=timedelta(), buffer_after=timedelta()
    )
    running, missed = approved(0), approved(-2)
    assert as_(lab, "booker").post(f"{API}/bookings/{running.id}/check-in").json["state"] == "in_use"
    done = as_(lab, "operator").post(f"{API}/bookings/{running.id}/check-out")
    assert done.json["state"] == "completed"
    assert done.json["used_until"] > done.json["used_from"]
    assert as_(lab, "operator").post(f"{API}/bookings/{missed.id}/no-show").json["state"] == "no_show"


def test_the_document_of_the_api_lists_every_call(lab: Lab) -> None:
    document = as_(lab, "nobody").get("/booking/api/openapi.json").json
    paths = set(document["paths"])
    for act in ("approve", "decline", "withdraw", "cancel", "check-in", "check-out", "no-show"):
        assert any(path.endswith(f"/bookings/{{booking_id}}/{act}") for path in paths)
    for path in ("/availability", "/downtime", "/opening-hours", "/rules", "/prices"):
        assert any(each.endswith(f"/equipment/{{equipment_id}}{path}") for each in paths)
    assert {"200", "201"} <= set(document["paths"][f"{API}/bookings"]["post"]["responses"])
