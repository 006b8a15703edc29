"""Wording, mail that cannot be bent, calendar files that calendars read, and when to try again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from icalendar import Calendar

from services.notify.domain import delivery, mail, wording
from services.notify.domain.delivery import RETRIES
from services.notify.domain.invitation import Invitation, calendar_file
from services.notify.domain.mail import Attachment, BadAddress, Letter
from services.notify.domain.wording import MAILED, BookingFacts, NoticeKind, Side, Wording
from shared import formats
from shared.calendar import Span
from tests.notify.conftest import ENDS, NOW, STARTS

PRAGUE = ZoneInfo("Europe/Prague")
WARM = Span(STARTS, ENDS)


def facts(**changes: Any) -> BookingFacts:
    known: dict[str, Any] = {
        "reference": "K7Q4-2M",
        "equipment": "Nano-CT 225 kV",
        "unit": 1,
        "facility": "Imaging Lab of Nowhere",
        "organisation": "Example Works",
        "slot": WARM,
        "zone": PRAGUE,
        "purpose": "Look for pores",
        "price_cents": 26880,
        "currency": "EUR",
    }
    return BookingFacts(**(known | changes))


def letter(words: Wording, **changes: Any) -> Letter:
    known: dict[str, Any] = {
        "notice_id": UUID(int=1),
        "event_id": UUID(int=2),
        "correlation_id": UUID(int=3),
        "recipient_id": UUID(int=4),
        "recipient": "reader@people.example",
        "sender": "bookings@infrashare.example",
        "wording": words,
        "told_at": NOW,
        "public_url": "https://infrashare.example",
    }
    return Letter(**(known | changes))


def sent(words: Wording, **changes: Any) -> Any:
    """The mail as its reader's program reads it from the wire."""
    return message_from_bytes(mail.message(letter(words, **changes)).as_bytes(), policy=default)


EVERYTHING = [
    wording.request_sent(facts(), answer_due_at=NOW),
    wording.request_sent(facts(), answer_due_at=None),
    wording.request_waiting(facts(), answer_due_at=NOW),
    wording.request_waiting(facts(), answer_due_at=None),
    wording.approved(facts()),
    wording.booked(facts()),
    wording.declined(facts(), reason="No capacity"),
    wording.withdrawn_for_booker(facts()),
    wording.withdrawn_for_operators(facts()),
    *(
        say(facts(), by=by, late=late, reason="")
        for say in (wording.cancelled_for_booker, wording.cancelled_for_operators)
        for by in Side
        for late in (True, False)
    ),
    wording.expired_for_booker(facts()),
    wording.expired_for_operators(facts()),
    wording.checked_in(facts(), used_from=STARTS),
    wording.completed(facts(), used_from=STARTS, used_until=ENDS, to_check=True),
    wording.completed(facts(), used_from=STARTS, used_until=STARTS, to_check=False),
    wording.no_show_for_booker(facts(), released_at=STARTS),
    wording.no_show_for_operators(facts(), released_at=STARTS),
]


# --- wording


@pytest.mark.parametrize("words", EVERYTHING, ids=lambda words: words.title[:20])
def test_every_notice_says_what_where_when_and_what_next(words: Wording) -> None:
    assert words.title.endswith("Nano-CT 225 kV, Mon 12 May 2031, 08:00–12:00 (K7Q4-2M)")
    assert words.lead.endswith(".")
    assert words.next.endswith(".")
    assert "None" not in words.lead + words.next
    assert "!" not in words.lead + words.next
    assert words.path == "/booking/K7Q4-2M"
    terms = dict(words.facts)
    assert terms["Time"] == "Mon 12 May 2031, 08:00–12:00 (Europe/Prague)"
    assert terms["Price"] == "€268.80"
    assert terms["Lab"] == "Imaging Lab of Nowhere"


def test_every_kind_is_worded() -> None:
    assert {words.kind for words in EVERYTHING} == set(NoticeKind)
    assert set(MAILED) == set(NoticeKind) - {NoticeKind.CHECKED_IN, NoticeKind.COMPLETED}


def test_a_request_says_by_when_it_is_answered() -> None:
    assert "The lab answers by Mon 5 May 2031, 11:00." in wording.request_sent(facts(), answer_due_at=NOW).next


def test_a_late_cancellation_says_what_it_means() -> None:
    late = wording.cancelled_for_booker(facts(), by=Side.BOOKER, late=True, reason="")
    assert "still counts as booked" in late.next


def test_only_units_beyond_the_first_are_named() -> None:
    assert dict(wording.approved(facts(unit=2)).facts)["Equipment"] == "Nano-CT 225 kV, unit 2"
    assert dict(wording.approved(facts()).facts)["Equipment"] == "Nano-CT 225 kV"


@pytest.mark.parametrize(
    ("cents", "currency", "text"),
    [
        (0, "EUR", "€0.00"),
        (123456789, "EUR", "€1,234,567.89"),
        (120000, "CZK", "1,200.00 CZK"),
        (None, "EUR", "not published, ask the lab"),
    ],
)
def test_prices(cents: int | None, currency: str, text: str) -> None:
    assert wording.price(cents, currency) == text
    if cents is not None:
        assert formats.money(cents, currency) == text


@given(
    st.integers(0, 60 * 24 * 365 * 5).map(
        lambda minutes: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    ),
    st.integers(1, 60 * 24 * 3),
    st.sampled_from(["Europe/Prague", "Europe/Tallinn", "Europe/Brussels", "UTC"]),
)
def test_a_mail_writes_times_as_the_page_does(start: datetime, minutes: int, zone: str) -> None:
    slot = Span(start, start + timedelta(minutes=minutes))
    assert facts(slot=slot, zone=ZoneInfo(zone)).when == formats.span(slot.starts_at, slot.ends_at, zone)


def test_the_hour_that_comes_twice_is_named() -> None:
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    slot = Span(first, first + timedelta(hours=1))
    assert facts(slot=slot, zone=PRAGUE).when == "Sun 25 Oct 2026, 02:30 (summer time)–02:30 (winter time)"


# --- mail


NASTY = [
    "line\r\nBcc: evil@people.example",
    "=?utf-8?q?lab=0D=0ABcc:_evil@people.example?=",
    "===??=?utf-8?b?QmNjOiBldmlsQHBlb3BsZS5leGFtcGxl?=",
    "=\x00?utf-8?q?=0ABcc:_evil@people.example?\u200b=",
    "before\u202eafter\u2066x\u2028Bcc: evil@people.example\x85Bcc: evil@people.example",
    "tab\tand\x0bvertical\x0c and\x1b[31m red",
    "\ud800half",
    "long " * 400,
    "Ünïcödé – µ-CT “größte” 中文 🧪",
]
HEADERS = {
    "subject",
    "from",
    "to",
    "date",
    "message-id",
    "auto-submitted",
    "x-correlation-id",
    "mime-version",
    "content-type",
}


@pytest.mark.parametrize("nasty", NASTY, ids=range(len(NASTY)))
def test_names_cannot_bend_a_mail(nasty: str) -> None:
    named = facts(equipment=nasty, organisation=nasty, facility=nasty, reference="R1", purpose=nasty)
    for words in (wording.request_waiting(named, answer_due_at=None), wording.declined(named, reason=nasty)):
        read = sent(words)
        assert {name.lower() for name in read} == HEADERS
        assert [str(each) for each in read["To"].addresses] == ["reader@people.example"]
        assert len(read["From"].addresses) == 1
        subject = str(read["Subject"])
        assert not any(char in subject for char in "\r\n\x00\u202e\u2066\u2028\x85\u200b")
        raw = mail.message(letter(words)).as_bytes()
        head = raw.partition(b"\r\n\r\n")[0].decode("ascii")
        assert not any(line.lower().startswith("bcc") for line in head.split("\r\n"))
        assert all(len(line) < 998 for line in head.split("\r\n"))


@given(st.text(max_size=80), st.text(max_size=80))
def test_no_text_at_all_bends_a_mail(equipment: str, organisation: str) -> None:
    words = wording.booked(facts(equipment=equipment, organisation=organisation))
    read = sent(words)
    assert {name.lower() for name in read} == HEADERS
    assert str(read["Subject"]) == mail.header(words.title)
    assert read.get_body(("plain",)).get_content()


@given(st.text())
def test_a_header_is_one_clean_line(text: str) -> None:
    value = mail.header(text)
    assert "=?" not in value
    assert value.isprintable() or value == ""
    assert mail.header(value) == value


def test_markup_is_shown_and_not_obeyed() -> None:
    words = wording.declined(facts(), reason="<script>alert(1)</script>\n{{7*7}} & so on")
    html = sent(words).get_body(("html",)).get_content()
    assert "<script>" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;<br>{{7*7}} &amp; so on" in html
    assert "http" not in html.replace("https://infrashare.example/", "")


def test_several_lines_of_a_reason_stay_in_their_column() -> None:
    text = sent(wording.declined(facts(), reason="First\nSecond")).get_body(("plain",)).get_content()
    text = text.replace("\r\n", "\n")
    assert "Reason:    First\n           Second\n" in text


@pytest.mark.parametrize(
    "address",
    [
        "a@b.example, c@d.example",
        "a@b@c.example",
        "a@b.example\n",
        "a@b.example\r\nBcc: c@d.example",
        "Name <a@b.example>",
        '"x\\"@a"@b.example',
        "a@b",
        "a@b..example",
        "a@-b.example",
        ".a@b.example",
        "a@b.example.",
        "",
        "@b.example",
        "a@",
        "=?utf-8?q?a?=@b.example",
        "a\x00@b.example",
        "a\u202e@b.example",
        "a b@c.example",
        "a" * 65 + "@b.example",
        "a@" + "b" * 300 + ".example",
        "ä@b.example",
    ],
)
def test_what_is_not_one_plain_address_is_not_written_to(address: str) -> None:
    with pytest.raises(BadAddress):
        mail.address(address)


@pytest.mark.parametrize(
    ("address", "written"),
    [
        ("a.b+c@d-e.example", "a.b+c@d-e.example"),
        ("A@B.Example", "A@B.Example"),
        ("post@bücher.example", "post@xn--bcher-kva.example"),
    ],
)
def test_plain_addresses_are_written_to(address: str, written: str) -> None:
    assert mail.address(address) == written


def test_the_same_telling_has_the_same_message_id() -> None:
    words = wording.approved(facts())
    first, again = sent(words), sent(words, notice_id=UUID(int=9), told_at=NOW + timedelta(days=1))
    assert first["Message-ID"] == again["Message-ID"]
    others = [sent(words, event_id=UUID(int=8)), sent(words, recipient_id=UUID(int=8))]
    assert len({first["Message-ID"], *(other["Message-ID"] for other in others)}) == 3


# --- calendar files


def calendar(**changes: Any) -> Any:
    entry: dict[str, Any] = {
        "booking_id": UUID(int=77),
        "sequence": 2,
        "starts_at": STARTS,
        "ends_at": ENDS,
        "summary": "Nano-CT 225 kV (K7Q4-2M)",
        "location": "Imaging Lab of Nowhere",
        "cancelled": False,
    }
    to_booker = changes.pop("to_booker", True)
    invitation = Invitation(**(entry | changes))
    content = calendar_file(
        Invitation.from_json(invitation.to_json()),
        to_booker=to_booker,
        attendee="reader@people.example",
        organiser="bookings@infrashare.example",
        host="infrashare.example",
        stamped_at=NOW,
        url="https://infrashare.example/booking/K7Q4-2M",
        description="What; and, why\nand how",
    )
    assert all(len(line) <= 75 for line in content.split(b"\r\n"))
    return Calendar.from_ical(content)


def test_a_calendar_file_says_when_in_utc() -> None:
    read = calendar()
    (event,) = read.walk("VEVENT")
    assert read["METHOD"] == "REQUEST"
    assert event["UID"] == "booking-00000000-0000-0000-0000-00000000004d@infrashare.example"
    assert event["SEQUENCE"] == 2
    assert (event.decoded("DTSTART"), event.decoded("DTEND")) == (STARTS, ENDS)
    assert event["DTSTART"].to_ical() == b"20310512T060000Z"
    assert event["STATUS"] == "CONFIRMED"
    assert event["ATTENDEE"] == "mailto:reader@people.example"
    assert event["ATTENDEE"].params["PARTSTAT"] == "ACCEPTED"
    assert event["ORGANIZER"] == "mailto:bookings@infrashare.example"


@pytest.mark.parametrize("fold", [0, 1])
def test_both_half_past_twos_of_the_october_sunday_survive(fold: int) -> None:
    start = datetime(2026, 10, 25, 2, 30, tzinfo=PRAGUE, fold=fold).astimezone(UTC)
    (event,) = calendar(starts_at=start, ends_at=start + timedelta(minutes=30)).walk("VEVENT")
    assert event.decoded("DTSTART") == start
    assert event.decoded("DTEND") - event.decoded("DTSTART") == timedelta(minutes=30)
    assert start.hour == fold


def test_a_cancellation_takes_the_same_entry_away() -> None:
    read = calendar(cancelled=True, sequence=3)
    (event,) = read.walk("VEVENT")
    (before,) = calendar().walk("VEVENT")
    assert (read["METHOD"], event["STATUS"]) == ("CANCEL", "CANCELLED")
    assert event["UID"] == before["UID"]
    assert event["SEQUENCE"] > before["SEQUENCE"]


def test_operators_are_informed_and_asked_nothing() -> None:
    read = calendar(to_booker=False)
    assert read["METHOD"] == "PUBLISH"
    assert "ATTENDEE" not in read.walk("VEVENT")[0]


@given(st.text(max_size=200), st.text(max_size=200))
def test_no_text_bends_a_calendar_file(summary: str, location: str) -> None:
    read = calendar(summary=summary, location=location)
    (event,) = read.walk("VEVENT")
    assert event["SUMMARY"] == mail.clean(summary)
    assert event["LOCATION"] == mail.clean(location)


def test_the_file_travels_whole() -> None:
    content = b"BEGIN:VCALENDAR\r\nX-LONG:" + "ž".encode() * 300 + b"\r\nEND:VCALENDAR\r\n"
    attachment = Attachment(name="booking-K7Q4-2M.ics", method="REQUEST", content=content)
    (part,) = sent(wording.approved(facts()), attachment=attachment).iter_attachments()
    assert part.get_content_type() == "text/calendar"
    assert part.get_param("method") == "REQUEST"
    assert part.get_filename() == "booking-K7Q4-2M.ics"
    assert part.get_payload(decode=True) == content


# --- trying again


def test_pauses_grow_and_end() -> None:
    assert delivery.next_try(1, now=NOW) == NOW + timedelta(minutes=1)
    assert delivery.next_try(len(RETRIES), now=NOW) == NOW + timedelta(hours=24)
    assert delivery.next_try(len(RETRIES) + 1, now=NOW) is None
    assert list(RETRIES) == sorted(RETRIES)


def test_news_are_too_late_only_when_old_and_over() -> None:
    old, over = NOW - timedelta(days=8), NOW - timedelta(hours=1)
    assert delivery.too_late(told_at=old, slot_ends_at=over, now=NOW)
    assert not delivery.too_late(told_at=old, slot_ends_at=NOW + timedelta(hours=1), now=NOW)
    assert not delivery.too_late(told_at=NOW - timedelta(days=2), slot_ends_at=over, now=NOW)
