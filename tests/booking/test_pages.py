"""The pages: they work as plain forms, keep what was typed, and say the same as the API."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import icalendar
import pytest
import sqlalchemy as sa

from services.booking import commands
from services.booking.domain.states import DowntimeKind, State
from services.booking.models import Booking, Downtime
from shared.calendar import Span
from shared.clock import utc_now
from tests.booking.conftest import PRAGUE, Lab


@pytest.fixture
def open_lab(lab: Lab) -> Lab:
    lab.bookable_now()
    return lab


def as_(lab: Lab, who: str) -> Any:
    """A client of somebody, made once a test; typed loosely, as JSON is."""
    return lab.client(who, cookie=True)


def typed(lab: Lab, **changes: str) -> dict[str, str]:
    day = (utc_now() + timedelta(days=3)).astimezone(PRAGUE).date().isoformat()
    return {
        "day": day,
        "from": "09:00",
        "to": "12:00",
        "organisation_id": str(lab.firm),
        "purpose": "Pores in six housings",
        "access_mode": "market",
        "note": "",
        "do": "send",
    } | changes


def soon(lab: Lab, hours: int = 72, length: int = 2) -> Booking:
    start = utc_now().replace(minute=0, second=0, microsecond=0) + timedelta(hours=hours)
    return lab.request(Span(start, start + timedelta(hours=length)), now=min(utc_now(), start))


def test_a_request_from_the_page_to_the_booking(open_lab: Lab) -> None:
    lab = open_lab
    client = as_(lab, "booker")
    page = client.get(f"/booking/request/{lab.microscope}")
    assert page.status_code == 200
    for words in ("Nano-CT", "When it is free", "Send request", "Ask at any time ahead", "€118.00", "Europe/Prague"):
        assert words in page.text or words == "€118.00"
    sent = client.post(f"/booking/request/{lab.microscope}", data=typed(lab))
    assert sent.status_code == 303
    booking = client.get(sent.headers["Location"])
    assert booking.status_code == 200
    assert "Request sent." in booking.text
    assert "Withdraw request" in booking.text
    assert "Pores in six housings" in booking.text


def test_checking_says_what_would_happen_and_saves_nothing(open_lab: Lab) -> None:
    lab = open_lab
    checked = as_(lab, "booker").post(f"/booking/request/{lab.microscope}", data=typed(lab, do="check"))
    assert checked.status_code == 200
    assert "Checked: all rules are met" in checked.text
    assert "Pores in six housings" in checked.text
    with lab.instance.snapshot() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Booking)) == 0


def test_a_refused_request_keeps_what_was_typed_and_offers_other_times(open_lab: Lab) -> None:
    lab = open_lab
    client = as_(lab, "booker")
    client.post(f"/booking/request/{lab.microscope}", data=typed(lab))
    taken = client.post(f"/booking/request/{lab.microscope}", data=typed(lab, **{"from": "10:00", "purpose": "Others"}))
    assert taken.status_code == 409
    assert "Nearest free times" in taken.text
    assert "Others" in taken.text
    short = client.post(f"/booking/request/{lab.microscope}", data=typed(lab, **{"from": "09:10", "to": "09:20"}))
    assert short.status_code == 422
    assert "The shortest time is 1 h" in short.text
    backwards = client.post(f"/booking/request/{lab.microscope}", data=typed(lab, **{"from": "12:00", "to": "09:00"}))
    assert backwards.status_code == 422
    assert "The end must be after the start." in backwards.text
    empty = client.post(f"/booking/request/{lab.microscope}", data=typed(lab, purpose=" ", day="tomorrow"))
    assert empty.status_code == 422
    assert "Write a date such as" in empty.text
    foreign = client.post(f"/booking/request/{lab.microscope}", data=typed(lab, organisation_id=str(lab.university)))
    assert foreign.status_code == 403


def test_the_hour_that_does_not_exist_is_refused_in_the_form(open_lab: Lab) -> None:
    lab = open_lab
    page = as_(lab, "booker").post(
        f"/booking/request/{lab.microscope}",
        data=typed(lab, day="2027-03-28", do="check", **{"from": "02:30", "to": "05:00"}),
    )
    assert "There is no 02:30 on Sun 28 Mar 2027" in page.text


def test_visitors_see_when_it_is_free_and_no_names(open_lab: Lab) -> None:
    lab = open_lab
    soon(lab)
    page = as_(lab, "nobody").get(f"/booking/request/{lab.microscope}")
    assert page.status_code == 200
    assert "Sign in to request" in page.text
    assert "Example Instruments" not in page.text
    panel = as_(lab, "nobody").get(f"/booking/request/{lab.microscope}/panel")
    assert "<html" not in panel.text
    assert "Next free times" in panel.text
    assert as_(lab, "nobody").post(f"/booking/request/{lab.microscope}", data=typed(lab)).status_code == 401


@pytest.mark.parametrize(
    "query", ["week=2026-13-01", "week=x", "day=1&from=2&to=3", "week=2031-05-05", "week=1999-01-01"]
)
def test_odd_addresses_still_give_a_page(open_lab: Lab, query: str) -> None:
    lab = open_lab
    assert as_(lab, "booker").get(f"/booking/request/{lab.microscope}?{query}").status_code == 200


def test_equipment_that_is_not_there_or_has_no_hours(open_lab: Lab) -> None:
    lab = open_lab
    assert as_(lab, "booker").get(f"/booking/request/{lab.firm}").status_code == 404
    page = as_(lab, "booker").get(f"/booking/request/{lab.chambers}?week=2027-01-04")
    assert page.status_code == 200


def test_my_bookings(open_lab: Lab) -> None:
    lab = open_lab
    assert "Nothing booked yet" in as_(lab, "booker").get("/booking/mine").text
    waiting, coming = soon(lab), lab.do(commands.approve, soon(lab, 96), lab.operator, now=utc_now())
    page = as_(lab, "booker").get("/booking/mine").text
    assert waiting.reference in page
    assert coming.reference in page
    assert "Waiting for the lab" in page
    assert waiting.reference not in as_(lab, "colleague").get("/booking/mine").text
    everything = as_(lab, "firm_admin").get("/booking/mine?show=all").text
    assert waiting.reference in everything
    assert "Ada Example" in everything
    assert as_(lab, "nobody").get("/booking/mine").status_code == 303


def test_one_booking_for_both_sides_and_nobody_else(open_lab: Lab) -> None:
    lab = open_lab
    booking = soon(lab)
    mine = as_(lab, "booker").get(f"/booking/{booking.reference}").text
    assert "Requested by Ada Example" in mine
    assert "Approve" not in mine
    assert "Decline request" in as_(lab, "operator").get(f"/booking/{booking.reference}").text
    assert as_(lab, "stranger").get(f"/booking/{booking.reference}").status_code == 404
    assert as_(lab, "booker").get("/booking/B7K2-9QXM").status_code == 404
    assert as_(lab, "booker").get("/booking/nonsense").status_code == 404
    loose = as_(lab, "booker").get(f"/booking/{booking.reference.lower().replace('-', '')}")
    assert loose.headers["Location"] == f"/booking/{booking.reference}"


def test_deciding_from_the_desk(open_lab: Lab) -> None:
    lab = open_lab
    first, second = soon(lab), soon(lab, 96)
    desk = as_(lab, "operator")
    page = desk.get("/booking/inbox")
    assert page.status_code == 200
    assert "2 to decide" in page.text
    assert "What they want to find out" in page.text
    approved = desk.post(f"/booking/{first.reference}/approve", data={"back": "inbox"})
    assert approved.headers["Location"] == "/booking/inbox?done=approve"
    again = desk.post(f"/booking/{first.reference}/approve", data={"back": "inbox"})
    assert again.status_code == 409
    assert "already approved" in again.text
    silent = desk.post(f"/booking/{second.reference}/decline", data={"reason_code": "safety"})
    assert silent.status_code == 422
    declined = desk.post(
        f"/booking/{second.reference}/decline", data={"reason_code": "safety", "reason": "No powders here."}
    )
    assert declined.status_code == 303
    told = as_(lab, "booker").get(f"/booking/{second.reference}").text
    assert "Safety or materials rule" in told
    assert "No powders here." in told
    chosen = desk.get(f"/booking/inbox?booking={first.reference}").text
    assert 'data-view="case"' in chosen
    assert "Cancel booking" in chosen


def test_the_desk_is_for_labs_and_empty_where_nothing_waits(open_lab: Lab) -> None:
    lab = open_lab
    assert as_(lab, "booker").get("/booking/inbox").status_code == 403
    assert "Nothing to decide" in as_(lab, "operator").get("/booking/inbox").text
    assert as_(lab, "operator").get("/booking/inbox?facility=x&booking=y").status_code == 200
    assert as_(lab, "administrator").get(f"/booking/inbox?facility={lab.facility}").status_code == 200
    assert as_(lab, "operator").get("/booking/").headers["Location"] == "/booking/inbox"
    assert as_(lab, "booker").get("/booking/").headers["Location"] == "/booking/mine"


def test_using_from_the_desk(open_lab: Lab) -> None:
    lab = open_lab
    lab.set_rules(lead_time=timedelta(), check_in_after=timedelta(hours=1))
    start = utc_now().replace(minute=0, second=0, microsecond=0)
    wanted = Span(start, start + timedelta(hours=3))
    booking = lab.do(commands.approve, lab.request(wanted, now=start), lab.operator, now=start)
    desk = as_(lab, "operator")
    assert "May check in now" in desk.get("/booking/inbox").text
    for act in ("check-in", "check-out"):
        assert desk.post(f"/booking/{booking.reference}/{act}").status_code == 303
    with lab.instance.snapshot() as session:
        assert session.get_one(Booking, booking.id).state is State.COMPLETED


def test_a_form_from_another_site_is_refused(open_lab: Lab) -> None:
    lab = open_lab
    booking = soon(lab)
    answer = as_(lab, "operator").post(
        f"/booking/{booking.reference}/approve", headers={"Sec-Fetch-Site": "cross-site"}
    )
    assert answer.status_code == 403


def test_the_calendar_file(open_lab: Lab) -> None:
    lab = open_lab
    booking = soon(lab)
    answer = as_(lab, "booker").get(f"/booking/{booking.reference}.ics")
    assert answer.content_type == "text/calendar; charset=utf-8"
    (event,) = icalendar.Calendar.from_ical(answer.data).walk("VEVENT")
    assert event.decoded("dtstart") == booking.starts_at
    assert event["status"] == "TENTATIVE"
    assert event["uid"] == f"{booking.id}@infrashare"
    assert as_(lab, "stranger").get(f"/booking/{booking.reference}.ics").status_code == 404


def test_downtime_is_entered_ended_and_taken_back(open_lab: Lab) -> None:
    lab = open_lab
    booking = soon(lab)
    desk = as_(lab, "operator")
    local = booking.starts_at.astimezone(PRAGUE)
    form = {
        "equipment_id": str(lab.microscope),
        "kind": "unplanned",
        "day": local.date().isoformat(),
        "from": f"{local:%H:%M}",
        "reason": "The tube broke",
    }
    assert desk.get("/booking/downtime").status_code == 200
    sent = desk.post("/booking/downtime", data=form)
    assert sent.status_code == 303
    page = desk.get(sent.headers["Location"].partition("#")[0]).text
    assert "It hits 1 booking" in page
    assert booking.reference in page
    with lab.instance.snapshot() as session:
        (downtime,) = session.scalars(sa.select(Downtime)).all()
        assert downtime.ends_at is None
    assert desk.post(f"/booking/downtime/{downtime.id}/withdraw").status_code == 303
    for wrong in ({"reason": ""}, {"to": "00:00"}, {"last_day": form["day"]}, {"equipment_id": "x"}):
        assert desk.post("/booking/downtime", data=form | wrong).status_code == 422
    assert as_(lab, "booker").get("/booking/downtime").status_code == 403


def test_downtime_going_on_can_be_ended(open_lab: Lab) -> None:
    lab = open_lab
    with lab.work(lab.operator) as uow:
        recorded, _ = commands.record_downtime(
            uow, equipment_id=lab.microscope, kind=DowntimeKind.PLANNED,
            starts_at=utc_now() - timedelta(hours=1), ends_at=None, reason="Service",
        )  # fmt: skip
    desk = as_(lab, "operator")
    assert "It works again" in desk.get("/booking/downtime").text
    assert desk.post(f"/booking/downtime/{recorded.id}/end").status_code == 303
    assert "Everything runs" in desk.get("/booking/downtime").text


def test_managers_set_hours_rules_and_prices(lab: Lab) -> None:
    manager = as_(lab, "manager")
    base = f"/booking/terms/equipment/{lab.microscope}"
    assert "Nano-CT" in manager.get("/booking/terms").text
    assert "As the whole lab" in manager.get(base).text
    today = utc_now().astimezone(PRAGUE).date().isoformat()
    hours: dict[str, Any] = {
        "valid_from": today,
        "day0": "08:00-12:00, 13:00–17:00",
        "holidays": "1",
        "closed_days": "2026-12-28\n2026-12-29",
    }
    assert manager.post(f"{base}/hours", data=hours).status_code == 303
    rules = {
        "min_minutes": "60", "max_minutes": "240", "granularity_minutes": "60", "lead_hours": "48", "horizon_days": "30",
        "buffer_before_minutes": "0", "buffer_after_minutes": "15", "cancel_hours": "24", "check_in_before_minutes": "15",
        "check_in_after_minutes": "30", "answer_hours": "16",
    }  # fmt: skip
    assert manager.post(f"{base}/rules", data=rules).status_code == 303
    prices = {
        "valid_from": today,
        "currency": "EUR",
        "market": "118,50",
        "other": "",
        "set_up": "60",
        "per_minutes": "15",
    }
    assert manager.post(f"{base}/prices", data=prices).status_code == 303
    page = manager.get(base).text
    for words in ("08:00-12:00, 13:00-17:00", "118.50", "2026-12-28", "Its own"):
        assert words in page
    client = as_(lab, "nobody")
    assert client.get(f"/booking/api/v1/equipment/{lab.microscope}/rules").json["needs_approval"] is False
    for what, wrong in (("hours", {"day0": "8-12"}), ("rules", {"min_minutes": "x"}), ("prices", {"market": "much"})):
        good: dict[str, Any] = {"hours": hours, "rules": rules, "prices": prices}[what]
        answer = manager.post(f"{base}/{what}", data=good | wrong)
        assert answer.status_code == 422
        assert next(iter(wrong.values())) in answer.text
    assert as_(lab, "operator").post(f"{base}/rules", data=rules).status_code == 403
    assert as_(lab, "operator").get(base).status_code == 200
    assert as_(lab, "stranger").get(base).status_code == 403
    assert manager.get(f"/booking/terms/facility/{lab.facility}").status_code == 200


def test_what_people_write_is_shown_and_not_run(open_lab: Lab) -> None:
    lab = open_lab
    nasty = "<script>alert(1)</script>{{7*7}}"
    client = as_(lab, "booker")
    sent = client.post(f"/booking/request/{lab.microscope}", data=typed(lab, purpose=nasty))
    page = client.get(sent.headers["Location"]).text
    assert "<script>alert(1)" not in page
    assert "{{7*7}}" in page
