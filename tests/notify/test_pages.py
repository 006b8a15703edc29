"""The pages: what is new is said in words, and each notice leads to where to act."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from flask.testing import FlaskClient

from services.notify.jobs import deliver_notices
from shared.contracts.booking import BookingApproved, BookingDeclined, BookingExpired
from tests.conftest import client_for, make_actor
from tests.notify.conftest import BOOKER, FACILITY, OPERATOR, ORGANISATION, Notify, booking_event

MEMBER = make_actor(f"member@{ORGANISATION}", id=BOOKER)


@pytest.fixture
def reader(peopled: Notify) -> FlaskClient:
    return client_for(peopled.instance, MEMBER, cookie=True)


def test_new_notices_are_grouped_by_day_and_lead_to_the_booking(peopled: Notify, reader: FlaskClient) -> None:
    now = datetime.now(UTC)
    peopled.hear(booking_event(BookingDeclined), time=now - timedelta(days=1))
    peopled.hear(booking_event(BookingApproved, booking_id=uuid4()), time=now)
    page = reader.get("/notify/").text
    assert "<title>Notices, 2 new" in page
    assert page.count('class="state state--run">New') == 2
    assert len(re.findall(r'<h2 id="day-\d">', page)) == 2
    assert page.index("is yours on") < page.index("declined your request")
    assert "Reason: The source is being exchanged." in page
    address = re.findall(r'href="(/notify/notices/[^"]+)"', page)[0]
    answer = reader.get(address)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/booking/K7Q4-2M")
    assert "<title>Notices, 1 new" in reader.get("/notify/").text


def test_marking_all_as_read(peopled: Notify, reader: FlaskClient) -> None:
    peopled.hear(booking_event(BookingDeclined))
    assert "Mark all as read" in reader.get("/notify/").text
    answer = reader.post("/notify/read-all")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/notify/")
    page = reader.get("/notify/").text
    assert "Nothing new." in page
    assert "Mark all as read" not in page
    assert "Nothing new" in reader.get("/notify/?unread=true").text


def test_an_empty_page_says_what_would_be_there(peopled: Notify, reader: FlaskClient) -> None:
    assert "When the lab answers a request of yours" in reader.get("/notify/").text
    operator = client_for(peopled.instance, make_actor(f"operator@{FACILITY}", id=OPERATOR), cookie=True)
    assert "Requests to your lab" in operator.get("/notify/").text


def test_long_lists_go_on(peopled: Notify, reader: FlaskClient) -> None:
    peopled.hear(*(booking_event(BookingExpired, booking_id=uuid4()) for _ in range(3)))
    page = reader.get("/notify/?limit=2").text
    earlier = re.findall(r'href="(/notify/\?cursor=[^"]+)"', page)
    assert page.count("<h3") == 2
    assert reader.get(earlier[0]).text.count("<h3") == 1


def test_the_bell_has_its_number(peopled: Notify, reader: FlaskClient) -> None:
    assert reader.get("/notify/count").text.strip() == ""
    peopled.hear(booking_event(BookingDeclined))
    assert '<span class="count">1<span class="vh"> new</span></span>' in reader.get("/notify/count").text


def test_choosing_what_comes_by_mail(peopled: Notify, reader: FlaskClient) -> None:
    page = reader.get("/notify/preferences").text
    assert page.count("checked>") == 6
    assert "person100@people.example" in page
    assert "A request waits for your answer" not in page
    answer = reader.post("/notify/preferences", data={"email": ["declined"]})
    assert answer.status_code == 303
    saved = reader.get(answer.headers["Location"]).text
    assert "Your choice is saved." in saved
    assert re.findall(r'value="(\w+)" checked', saved) == ["declined"]


def test_an_operator_chooses_for_the_lab_too(peopled: Notify) -> None:
    operator = client_for(peopled.instance, make_actor(f"operator@{FACILITY}", id=OPERATOR), cookie=True)
    page = operator.get("/notify/preferences").text
    assert "A request waits for your answer" in page
    assert "operator of Imaging Lab of Nowhere" in page


def test_what_is_not_shown_to_somebody_is_kept_as_it_was(peopled: Notify, reader: FlaskClient) -> None:
    page = reader.get("/notify/preferences").text
    kept = re.findall(r'type="hidden" name="email" value="(\w+)"', page)
    assert sorted(kept) == ["booked", "request_waiting", "withdrawn"]


def test_a_choice_there_is_not_comes_back_with_the_form(reader: FlaskClient) -> None:
    answer = reader.post("/notify/preferences", data={"email": ["declined", "everything"]})
    assert answer.status_code == 422
    assert "<title>Error:" in answer.text
    assert re.findall(r'value="(\w+)" checked', answer.text) == ["declined"]


def test_deliveries_are_for_the_administrator(peopled: Notify, reader: FlaskClient) -> None:
    assert reader.get("/notify/deliveries").status_code == 403
    assert "Deliveries" not in reader.get("/notify/").text
    administrator = client_for(peopled.instance, make_actor("administrator"), cookie=True)
    assert "No attempts yet" in administrator.get("/notify/deliveries").text
    peopled.hear(booking_event(BookingDeclined))
    deliver_notices(peopled.instance)
    page = administrator.get("/notify/deliveries").text
    assert "person100@people.example" in page
    assert "state--ok" in page


@pytest.mark.parametrize("path", ["/notify/", "/notify/preferences", "/notify/deliveries"])
def test_visitors_are_sent_to_sign_in_and_come_back(peopled: Notify, path: str) -> None:
    answer = client_for(peopled.instance).get(path)
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith("/access/sign-in?next=/notify/")


def test_what_others_wrote_is_shown_and_not_obeyed(peopled: Notify, reader: FlaskClient) -> None:
    peopled.hear(booking_event(BookingDeclined, reason="<script>alert(1)</script>", equipment_name="<b>X</b>"))
    page = reader.get("/notify/").text
    assert "<script>alert" not in page
    assert "<b>X" not in page
