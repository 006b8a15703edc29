"""Mail leaves, whatever the server does; what it does is in the log."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from services.notify import commands, gateways
from services.notify.domain.delivery import RETRIES, NoticeState, Outcome
from services.notify.jobs import TOGETHER, deliver_notices
from services.notify.models import Notice
from shared.contracts.booking import BookingApproved, BookingCancelled, BookingDeclined, BookingRequested
from tests.conftest import make_actor
from tests.notify.conftest import BOOKER, FACILITY, MailServer, Notify, booking_event, facility, free_port, person


@pytest.fixture
def wired(make_notify: Callable[..., Notify], mail_server: MailServer) -> Notify:
    """A service with a real mail server, and one approval to tell."""
    notify = make_notify(smtp_url=mail_server.url)
    notify.hear(person(BOOKER), booking_event(BookingApproved))
    return notify


def state_of(notify: Notify) -> NoticeState:
    (notice,) = notify.mails
    return notice.state


def test_a_mail_reaches_the_server(wired: Notify, mail_server: MailServer) -> None:
    deliver_notices(wired.instance)
    (mail,) = mail_server.taken
    (notice,) = wired.mails
    assert mail_server.recipients == [["person100@people.example"]]
    assert mail["Subject"] == notice.title
    assert mail["From"] == "Infrashare <bookings@infrashare.example>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["X-Correlation-ID"] == str(notice.correlation_id)
    assert mail["Message-ID"].endswith("@infrashare.example>")
    assert mail["Date"].datetime == notice.told_at.replace(microsecond=0)
    body = mail.get_body(("plain",))
    assert body is not None
    text = body.get_content()
    assert "Mon 12 May 2031, 08:00–12:00 (Europe/Prague)" in text
    assert "€268.80" in text
    assert "https://infrashare.example/booking/K7Q4-2M" in text
    html = mail.get_body(("html",))
    assert html is not None
    assert '<a href="https://infrashare.example/booking/K7Q4-2M">' in html.get_content()
    assert notice.state is NoticeState.SENT
    assert [(each.outcome, each.address) for each in wired.deliveries] == [(Outcome.SENT, "person100@people.example")]


def test_nothing_is_sent_twice(wired: Notify, mail_server: MailServer) -> None:
    for _ in range(3):
        deliver_notices(wired.instance)
    assert len(mail_server.taken) == 1


@pytest.mark.parametrize("code", ["421", "451", "452"])
def test_what_the_server_puts_off_is_tried_again(wired: Notify, mail_server: MailServer, code: str) -> None:
    mail_server.mode = code
    now = datetime.now(UTC)
    deliver_notices(wired.instance, now=now)
    (notice,) = wired.mails
    assert (notice.state, notice.attempts, notice.due_at) == (NoticeState.DUE, 1, now + timedelta(minutes=1))
    assert [(each.outcome, each.code) for each in wired.deliveries] == [(Outcome.POSTPONED, int(code))]
    mail_server.mode = "take"
    deliver_notices(wired.instance, now=now + timedelta(seconds=59))
    assert mail_server.taken == []
    deliver_notices(wired.instance, now=now + timedelta(seconds=61))
    assert len(mail_server.taken) == 1
    assert state_of(wired) is NoticeState.SENT


@pytest.mark.parametrize("mode", ["550", "552", "554", "reject-recipient"])
def test_what_the_server_refuses_is_given_up(wired: Notify, mail_server: MailServer, mode: str) -> None:
    mail_server.mode = mode
    deliver_notices(wired.instance)
    (notice,) = wired.mails
    (attempt,) = wired.deliveries
    assert (notice.state, notice.due_at) == (NoticeState.FAILED, None)
    assert (attempt.outcome, attempt.code) == (Outcome.REFUSED, int(mode) if mode.isdigit() else 550)
    mail_server.mode = "take"
    deliver_notices(wired.instance, now=datetime.now(UTC) + timedelta(days=9))
    assert mail_server.taken == []


@pytest.mark.parametrize("mode", ["hang", "drop"])
def test_silence_is_tried_again_with_the_same_message_id(
    wired: Notify, mail_server: MailServer, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateways, "TIMEOUT", 0.5)
    mail_server.mode = mode
    began = time.monotonic()
    deliver_notices(wired.instance)
    assert time.monotonic() - began < 5
    assert state_of(wired) is NoticeState.DUE
    assert [(each.outcome, each.code) for each in wired.deliveries] == [(Outcome.POSTPONED, None)]
    mail_server.mode = "take"
    mail_server.release.set()
    deliver_notices(wired.instance, now=datetime.now(UTC) + timedelta(minutes=2))
    assert state_of(wired) is NoticeState.SENT
    assert len({mail["Message-ID"] for mail in mail_server.taken}) == 1


def test_a_server_that_is_away_loses_nothing(make_notify: Callable[..., Notify]) -> None:
    away = make_notify(smtp_url=f"smtp://127.0.0.1:{free_port()}")
    away.hear(person(BOOKER), facility(), booking_event(BookingRequested))
    deliver_notices(away.instance)
    assert [notice.state for notice in away.mails] == [NoticeState.DUE, NoticeState.DUE]
    assert len(away.deliveries) == 1  # the second would have fared no better
    assert away.deliveries[0].code is None
    assert "refused" in away.deliveries[0].detail


def test_in_the_end_it_is_given_up(wired: Notify, mail_server: MailServer) -> None:
    mail_server.mode = "451"
    now = datetime.now(UTC)
    for pause in (*RETRIES, timedelta()):
        deliver_notices(wired.instance, now=now)
        now += pause
    assert state_of(wired) is NoticeState.FAILED
    assert len(wired.deliveries) == len(RETRIES) + 1
    assert sum(RETRIES, timedelta()) > timedelta(hours=46)


def test_one_bad_mail_does_not_hold_up_the_others(make_notify: Callable[..., Notify], mail_server: MailServer) -> None:
    notify = make_notify(smtp_url=mail_server.url)
    notify.hear(person(BOOKER, email="a@people.example, b@people.example"), facility(), booking_event(BookingRequested))
    deliver_notices(notify.instance)
    assert mail_server.recipients == [["lab@nowhere.example"]]
    failed = [notice for notice in notify.mails if notice.recipient_id == BOOKER]
    assert [(notice.state, notice.remark) for notice in failed] == [
        (NoticeState.FAILED, "This is not an address mail can be sent to.")
    ]


def test_a_batch_goes_over_one_connection(make_notify: Callable[..., Notify], mail_server: MailServer) -> None:
    notify = make_notify(smtp_url=mail_server.url)
    notify.hear(person(BOOKER))
    count = TOGETHER + 3
    notify.hear(*(booking_event(BookingDeclined, booking_id=uuid4()) for _ in range(count)))
    deliver_notices(notify.instance)
    assert len(mail_server.taken) == count
    assert mail_server.connections == 2
    assert len({mail["Message-ID"] for mail in mail_server.taken}) == count


def test_a_crash_between_sending_and_noting_sends_the_same_again(wired: Notify, mail_server: MailServer) -> None:
    deliver_notices(wired.instance)
    with wired.instance.begin() as uow:  # as if the note had never been committed
        for notice in uow.session.query(Notice).filter(Notice.state == NoticeState.SENT):
            notice.state, notice.due_at = NoticeState.DUE, uow.now
    deliver_notices(wired.instance)
    first, second = mail_server.taken
    assert first["Message-ID"] == second["Message-ID"]
    assert first.as_bytes().count(b"BEGIN:VCALENDAR") == second.as_bytes().count(b"BEGIN:VCALENDAR")


def test_kinds_somebody_switched_off_stay_on_their_page(notify: Notify) -> None:
    notify.hear(person(BOOKER))
    with notify.instance.begin(actor=make_actor(id=BOOKER)) as uow:
        commands.choose_mail(uow, kinds=[])
    notify.hear(booking_event(BookingDeclined))
    deliver_notices(notify.instance)
    assert notify.letters() == []
    assert {(each.channel.value, each.state) for each in notify.notices} == {
        ("in_app", NoticeState.SHOWN),
        ("email", NoticeState.SUPPRESSED),
    }


def test_a_recipient_never_heard_of_is_given_up_in_the_end(notify: Notify) -> None:
    notify.hear(booking_event(BookingDeclined))
    now = datetime.now(UTC)
    deliver_notices(notify.instance, now=now + timedelta(days=13))
    assert state_of(notify) is NoticeState.DUE
    deliver_notices(notify.instance, now=now + timedelta(days=15))
    assert state_of(notify) is NoticeState.FAILED
    assert notify.deliveries == []


def test_looking_for_recipients_does_not_use_up_attempts(notify: Notify) -> None:
    notify.hear(booking_event(BookingDeclined))
    now = datetime.now(UTC)
    for minute in range(1, 30):
        deliver_notices(notify.instance, now=now + timedelta(minutes=minute))
    notify.hear(person(BOOKER))
    deliver_notices(notify.instance, now=now + timedelta(minutes=31))
    assert len(notify.letters()) == 1


def test_files_are_kept_that_a_person_can_open(notify: Notify) -> None:
    notify.hear(person(BOOKER), booking_event(BookingApproved), booking_event(BookingCancelled, sequence=2))
    deliver_notices(notify.instance)
    names = sorted(path.name for path in notify.mail.iterdir())
    assert len(names) == 2
    assert all(name.endswith(".eml") for name in names)
    assert any("approved-nano-ct-225-kv" in name for name in names)


def test_an_operator_known_by_contact_address_only_is_not_mailed_again_when_known(notify: Notify) -> None:
    notify.hear(facility(), booking_event(BookingRequested))
    deliver_notices(notify.instance)
    notify.hear(person(BOOKER, f"operator@{FACILITY}"))
    deliver_notices(notify.instance, now=datetime.now(UTC) + timedelta(hours=1))
    assert [letter["To"] for letter in notify.letters()].count("lab@nowhere.example") == 1
