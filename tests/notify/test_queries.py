"""Reads: in order, a page at a time, and only what is one's own."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

from services.notify import queries
from services.notify.domain.delivery import NoticeState
from services.notify.jobs import deliver_notices
from services.notify.models import Notice
from shared.auth import RoleName
from shared.contracts.access import OrganisationChanged
from shared.contracts.booking import BookingDeclined, BookingExpired
from tests.notify.conftest import BOOKER, FACILITY, NOW, OPERATOR, ORGANISATION, Notify, booking_event, person


def test_a_long_list_comes_in_pages_newest_first(peopled: Notify) -> None:
    for number in range(7):
        # Two at a time have the same moment; a page may end between them.
        told_at = NOW + timedelta(minutes=number // 2)
        peopled.hear(booking_event(BookingDeclined, booking_id=uuid4(), reference=f"R{number}"), time=told_at)
    with peopled.instance.snapshot() as session:
        whole = queries.notices_of(session, BOOKER, limit=100)
        pages: list[Notice] = []
        place = None
        while page := queries.notices_of(session, BOOKER, before=place, limit=3):
            pages += page
            place = page[-1].told_at, page[-1].id
        assert [each.id for each in pages] == [each.id for each in whole]
        assert len(whole) == 7
        assert [each.told_at for each in whole] == sorted((each.told_at for each in whole), reverse=True)


def test_operators_are_active_people_of_this_facility(peopled: Notify) -> None:
    elsewhere = person(uuid4(), f"operator@{uuid4()}")
    left = person(uuid4(), f"operator@{FACILITY}", active=False)
    peopled.hear(elsewhere, left)
    with peopled.instance.snapshot() as session:
        operators = queries.operators_of(session, FACILITY)
    assert len(operators) == 2
    assert left.person_id not in operators
    assert elsewhere.person_id not in operators


def test_people_are_told_where_they_belong(peopled: Notify) -> None:
    company = OrganisationChanged(
        sequence=1,
        organisation_id=ORGANISATION,
        name="Example Works",
        kind="company",
        size_class=None,
        country="CZ",
        nuts_code="CZ064",
        nuts_version=2024,
        active=True,
    )
    peopled.hear(
        company, person(OPERATOR, f"member@{ORGANISATION}", f"operator@{FACILITY}", "administrator", sequence=2)
    )
    with peopled.instance.snapshot() as session:
        assert queries.places_of(session, OPERATOR) == [
            (RoleName.MEMBER, "Example Works"),
            (RoleName.OPERATOR, "Imaging Lab of Nowhere"),
        ]
        assert queries.places_of(session, uuid4()) == []


def test_deliveries_come_with_what_they_were_about(peopled: Notify) -> None:
    peopled.hear(booking_event(BookingExpired))
    deliver_notices(peopled.instance)
    with peopled.instance.snapshot() as session:
        found = queries.deliveries(session, limit=2)
        rest = queries.deliveries(session, before=found[-1].delivery.id, limit=2)
        assert all(each.notice.id == each.delivery.notice_id for each in (*found, *rest))
        assert len(rest) == 1
        assert queries.mail_by_state(session) == {NoticeState.SENT: 3}
