"""Who is told what, once, whatever comes in which order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from services.notify.domain.delivery import Channel, NoticeState, RecipientKind
from services.notify.jobs import deliver_notices
from services.notify.models import Facility, Organisation, Person, PersonRole
from shared.contracts.access import OrganisationChanged
from shared.contracts.booking import (
    BookingApproved,
    BookingCancelled,
    BookingCheckedIn,
    BookingCompleted,
    BookingDeclined,
    BookingEvent,
    BookingExpired,
    BookingNoShow,
    BookingRequested,
    BookingWithdrawn,
)
from shared.mailbox import Inbox
from tests.notify.conftest import (
    BOOKER,
    ENDS,
    FACILITY,
    OPERATOR,
    ORGANISATION,
    SECOND_OPERATOR,
    STARTS,
    Notify,
    booking_event,
    facility,
    person,
)

B, O, P = BOOKER.int, OPERATOR.int, SECOND_OPERATOR.int  # noqa: E741
HERE, MAIL = ("in_app",), ("in_app", "email")


def expected(*rows: tuple[int, str, tuple[str, ...]]) -> set[tuple[int, str, str]]:
    return {(who, kind, channel) for who, kind, channels in rows for channel in channels}


@pytest.mark.parametrize(
    ("event", "told"),
    [
        (
            booking_event(BookingRequested),
            [(B, "request_sent", MAIL), (O, "request_waiting", MAIL), (P, "request_waiting", MAIL)],
        ),
        (booking_event(BookingApproved), [(B, "approved", MAIL)]),
        (
            booking_event(BookingApproved, automatic=True),
            [(B, "approved", MAIL), (O, "booked", MAIL), (P, "booked", MAIL)],
        ),
        (booking_event(BookingDeclined), [(B, "declined", MAIL)]),
        (booking_event(BookingWithdrawn), [(B, "withdrawn", HERE), (O, "withdrawn", MAIL), (P, "withdrawn", MAIL)]),
        (
            booking_event(BookingCancelled, cancelled_by="booker"),
            [(B, "cancelled", MAIL), (O, "cancelled", MAIL), (P, "cancelled", MAIL)],
        ),
        (
            booking_event(BookingCancelled, cancelled_by="operator"),
            [(B, "cancelled", MAIL), (O, "cancelled", HERE), (P, "cancelled", HERE)],
        ),
        (
            booking_event(BookingCancelled, cancelled_by="system"),
            [(B, "cancelled", MAIL), (O, "cancelled", MAIL), (P, "cancelled", MAIL)],
        ),
        (booking_event(BookingExpired), [(B, "expired", MAIL), (O, "expired", MAIL), (P, "expired", MAIL)]),
        (booking_event(BookingCheckedIn), [(B, "checked_in", HERE)]),
        (booking_event(BookingCompleted), [(B, "completed", HERE)]),
        (booking_event(BookingNoShow), [(B, "no_show", MAIL), (O, "no_show", MAIL), (P, "no_show", MAIL)]),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BookingEvent) else "",
)
def test_every_transition_is_told(
    peopled: Notify, event: BookingEvent, told: list[tuple[int, str, tuple[str, ...]]]
) -> None:
    peopled.hear(event)
    assert peopled.told() == expected(*told)


def test_the_same_event_again_adds_nothing(peopled: Notify) -> None:
    event = booking_event(BookingRequested)
    ids = peopled.hear(event)
    before = [notice.id for notice in peopled.notices]
    peopled.hear(event, ids=ids)  # at another position: a log read from its beginning
    assert [notice.id for notice in peopled.notices] == before


def test_an_event_replayed_after_a_new_operator_came_is_not_told_to_them(notify: Notify) -> None:
    notify.hear(person(BOOKER), person(OPERATOR, f"operator@{FACILITY}"))
    event_id = uuid4()
    notify.hear(booking_event(BookingRequested), ids=[event_id])
    notify.hear(person(SECOND_OPERATOR, f"operator@{FACILITY}"))
    # What was handled is forgotten after a while; then only the notices know.
    with notify.instance.begin() as uow:
        uow.session.query(Inbox).filter(Inbox.id == event_id).delete()
    notify.hear(booking_event(BookingRequested), ids=[event_id])
    assert {notice.recipient_id for notice in notify.notices} == {BOOKER, OPERATOR}


def test_one_operator_who_does_it_is_not_told_so(peopled: Notify) -> None:
    peopled.hear(booking_event(BookingNoShow, actor_role="operator"), actor=OPERATOR)
    assert {notice.recipient_id for notice in peopled.notices} == {BOOKER, SECOND_OPERATOR}


def test_what_the_booker_did_is_on_their_page_but_not_new(peopled: Notify) -> None:
    peopled.hear(booking_event(BookingWithdrawn), actor=BOOKER)
    mine = [notice for notice in peopled.notices if notice.recipient_id == BOOKER]
    assert [notice.is_read for notice in mine] == [True]
    theirs = [notice for notice in peopled.notices if notice.recipient_id == OPERATOR]
    assert not any(notice.is_read for notice in theirs)


def test_a_booker_who_operates_the_facility_is_told_once(notify: Notify) -> None:
    notify.hear(person(BOOKER, f"operator@{FACILITY}"))
    notify.hear(booking_event(BookingExpired))
    assert notify.told() == expected((B, "expired", MAIL))


def test_bookings_are_told_before_anybody_is_known(notify: Notify) -> None:
    notify.hear(booking_event(BookingRequested))
    kinds = {(notice.recipient_kind, notice.recipient_id) for notice in notify.notices}
    assert kinds == {(RecipientKind.PERSON, BOOKER), (RecipientKind.FACILITY, FACILITY)}


def test_operators_who_become_known_later_are_told(notify: Notify) -> None:
    notify.hear(booking_event(BookingRequested))
    deliver_notices(notify.instance)
    assert notify.letters() == []
    notify.hear(person(OPERATOR, f"operator@{FACILITY}"), person(BOOKER))
    deliver_notices(notify.instance, now=datetime.now(UTC) + timedelta(minutes=5))
    assert {letter["To"] for letter in notify.letters()} == {
        f"person{B}@people.example",
        f"person{O}@people.example",
    }
    shown = [notice for notice in notify.notices if notice.state is NoticeState.SHOWN]
    assert {notice.recipient_id for notice in shown} == {BOOKER, OPERATOR}


def test_where_no_operator_is_known_the_contact_address_is_written_to(notify: Notify) -> None:
    notify.hear(facility(), person(BOOKER), booking_event(BookingRequested))
    deliver_notices(notify.instance)
    assert {letter["To"] for letter in notify.letters()} == {f"person{B}@people.example", "lab@nowhere.example"}


def test_operators_come_before_the_contact_address(peopled: Notify) -> None:
    peopled.hear(booking_event(BookingRequested))
    deliver_notices(peopled.instance)
    assert "lab@nowhere.example" not in {letter["To"] for letter in peopled.letters()}


def test_a_closed_account_gets_no_mail(peopled: Notify) -> None:
    peopled.hear(person(BOOKER, sequence=2, active=False), booking_event(BookingApproved))
    deliver_notices(peopled.instance)
    assert peopled.letters() == []
    assert [notice.state for notice in peopled.mails] == [NoticeState.SUPPRESSED]


def test_an_operator_who_left_is_not_told(peopled: Notify) -> None:
    peopled.hear(person(OPERATOR, sequence=2), booking_event(BookingExpired))
    assert OPERATOR not in {notice.recipient_id for notice in peopled.notices}


def test_old_news_of_times_long_past_fill_no_letter_boxes(peopled: Notify) -> None:
    past = datetime.now(UTC) - timedelta(days=30)
    event = booking_event(BookingApproved, starts_at=past, ends_at=past + timedelta(hours=2))
    peopled.hear(event, time=past - timedelta(days=3))
    deliver_notices(peopled.instance)
    assert peopled.letters() == []
    assert all(notice.is_read for notice in peopled.notices)
    assert {notice.told_at for notice in peopled.notices} == {past - timedelta(days=3)}


def test_old_news_of_a_time_to_come_is_still_mailed(peopled: Notify) -> None:
    peopled.hear(booking_event(BookingApproved), time=datetime.now(UTC) - timedelta(days=30))
    deliver_notices(peopled.instance)
    assert len(peopled.letters()) == 1


def test_replicas_keep_the_newest(notify: Notify) -> None:
    newer = person(BOOKER, f"operator@{FACILITY}", sequence=3, name="New Name", email="new@people.example")
    notify.hear(newer, person(BOOKER, f"member@{ORGANISATION}", sequence=2, name="Old Name"))
    notify.hear(facility(sequence=2, name="New Lab"), facility(sequence=1))
    organisation = OrganisationChanged(
        sequence=1,
        organisation_id=ORGANISATION,
        name="Example Works",
        kind="company",
        size_class="small",
        country="CZ",
        nuts_code="CZ064",
        nuts_version=2024,
        active=True,
    )
    notify.hear(organisation, organisation)
    with notify.instance.snapshot() as session:
        assert session.get_one(Person, BOOKER).name == "New Name"
        assert [(role.role.value, role.scope) for role in session.query(PersonRole)] == [("operator", str(FACILITY))]
        assert session.get_one(Facility, FACILITY).name == "New Lab"
        assert session.get_one(Organisation, ORGANISATION).name == "Example Works"


def test_roles_of_a_later_release_do_not_stop_the_rest(notify: Notify) -> None:
    notify.hear(person(OPERATOR, "astronaut@the-moon", f"operator@{FACILITY}", f"operator@{FACILITY}"))
    notify.hear(booking_event(BookingExpired))
    assert OPERATOR in {notice.recipient_id for notice in notify.notices}


def test_what_is_said_does_not_change_when_the_facility_is_renamed(peopled: Notify) -> None:
    peopled.hear(booking_event(BookingDeclined))
    peopled.hear(facility(sequence=2, name="Another Name"))
    (notice, _) = peopled.notices
    assert "Imaging Lab of Nowhere declined" in notice.lead
    assert ["Reason", "The source is being exchanged."] in notice.facts


def test_names_as_long_as_they_may_be_fit(peopled: Notify) -> None:
    peopled.hear(
        booking_event(
            BookingRequested,
            equipment_name="X" * 255,
            facility_name="Y" * 255,
            organisation_name="Z" * 255,
            purpose="p" * 4000,
            starts_at=STARTS,
            ends_at=ENDS + timedelta(days=3),
        )
    )
    assert all(len(notice.title) <= 255 for notice in peopled.notices)
    assert len(peopled.notices) == 6


def test_a_stranger_to_all_of_this_is_told_nothing(peopled: Notify) -> None:
    stranger = UUID(int=999)
    peopled.hear(person(stranger, f"operator@{uuid4()}", "administrator"), booking_event(BookingRequested))
    assert stranger not in {notice.recipient_id for notice in peopled.notices}


def test_what_the_rules_approve_at_once_is_one_mail_for_each(peopled: Notify) -> None:
    approved = booking_event(BookingApproved, sequence=2, automatic=True)
    peopled.hear(booking_event(BookingRequested), approved)
    deliver_notices(peopled.instance)
    assert sorted(str(letter["Subject"]).partition(":")[0] for letter in peopled.letters()) == [
        "Approved",
        "New booking",
        "New booking",
    ]
    new = {(each.recipient_id, each.kind.value) for each in peopled.notices if not each.is_read}
    assert {kind for _, kind in new if kind.startswith("request")} == {"request_sent", "request_waiting"}
    assert all(
        each.is_read or each.channel is Channel.EMAIL
        for each in peopled.notices
        if each.kind.value.startswith("request")
    )


def test_an_answer_heard_before_its_request_overtakes_it_too(peopled: Notify) -> None:
    peopled.hear(booking_event(BookingApproved, sequence=2), booking_event(BookingRequested))
    deliver_notices(peopled.instance)
    assert [str(letter["Subject"]).partition(":")[0] for letter in peopled.letters()] == ["Approved"]


def test_a_request_that_was_mailed_stays_as_it_is(peopled: Notify) -> None:
    peopled.hear(booking_event(BookingRequested))
    deliver_notices(peopled.instance)
    peopled.hear(booking_event(BookingApproved, sequence=2))
    deliver_notices(peopled.instance)
    assert len(peopled.letters()) == 4
    assert {notice.state for notice in peopled.mails} == {NoticeState.SENT}
