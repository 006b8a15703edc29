"""Reads: who sees what, in which order, a page at a time."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.booking import commands, queries
from services.booking.domain.states import DowntimeKind, Party, State
from shared.auth import SYSTEM
from shared.calendar import Span
from shared.errors import Invalid
from tests.booking.conftest import NOW, Lab, at, slot
from tests.conftest import make_actor


def seen_by(lab: Lab, who: str) -> set[str]:
    with lab.instance.snapshot() as session:
        return {each.reference for each in queries.bookings_page(session, getattr(lab, who))}


def test_everybody_sees_what_their_roles_give_them_and_nothing_else(lab: Lab) -> None:
    firms = lab.request(slot(9, 10)).reference
    universitys = lab.request(slot(11, 12), actor=lab.scholar, organisation=lab.university).reference
    assert seen_by(lab, "booker") == {firms}
    assert seen_by(lab, "colleague") == set()
    assert seen_by(lab, "firm_admin") == {firms}
    assert seen_by(lab, "scholar") == {universitys}
    assert seen_by(lab, "operator") == seen_by(lab, "manager") == seen_by(lab, "administrator") == {firms, universitys}
    assert seen_by(lab, "stranger") == set()


def test_parties_and_visibility_say_the_same(lab: Lab) -> None:
    booking = lab.request(slot(9, 10))
    for who in ("booker", "colleague", "firm_admin", "scholar", "operator", "manager", "stranger", "administrator"):
        actor = getattr(lab, who)
        assert bool(queries.parties_of(actor, booking)) == (booking.reference in seen_by(lab, who))
    assert queries.parties_of(SYSTEM, booking) == {Party.SYSTEM}


def test_who_left_the_organisation_no_longer_sees_its_bookings(lab: Lab) -> None:
    booking = lab.request(slot(9, 10))
    assert queries.parties_of(make_actor(id=lab.booker.id), booking) == set()


def test_lists_are_filtered_and_paged_without_a_gap(lab: Lab) -> None:
    made = [lab.request(slot(9, 12), equipment=lab.chambers) for _ in range(3)]
    made += [lab.request(slot(13, 14, day=day)) for day in (1, 2, 4)]
    lab.do(commands.approve, made[0], lab.operator)
    with lab.instance.snapshot() as session:
        everything = queries.bookings_page(session, lab.operator)
        paged, after = [], None
        while page := queries.bookings_page(session, lab.operator, after=after, limit=2):
            paged += list(page)
            after = (page[-1].starts_at, page[-1].id)
        assert [each.id for each in paged] == [each.id for each in everything]
        approved = queries.bookings_page(session, lab.operator, states=[State.APPROVED])
        assert [each.id for each in approved] == [made[0].id]
        on_wednesday = queries.bookings_page(session, lab.operator, from_=at(12), to=at(24), equipment=lab.microscope)
        assert [each.id for each in on_wednesday] == [made[4].id]
        assert queries.bookings_page(session, lab.operator, organisation=lab.university) == []
        assert len(queries.bookings_page(session, lab.operator, facility=lab.facility)) == 6


def test_the_desk_lists_requests_by_waiting_time_and_what_comes(lab: Lab) -> None:
    later = lab.request(slot(9, 10), now=NOW + timedelta(hours=2))
    first = lab.request(slot(11, 12), now=NOW)
    coming = lab.approved(slot(13, 14))
    with lab.instance.snapshot() as session:
        assert [each.id for each in queries.requests_waiting(session, lab.operator)] == [first.id, later.id]
        assert queries.requests_waiting(session, lab.stranger) == []
        week = Span(NOW, NOW + timedelta(days=7))
        assert [each.id for each in queries.coming_to(session, lab.operator, span=week)] == [coming.id]
        decided = queries.decided_lately(session, lab.operator, since=NOW)
        assert [each.id for each in decided] == [coming.id]


def test_my_bookings_ahead_and_over(lab: Lab) -> None:
    ahead, over = lab.approved(slot(9, 10)), lab.request(slot(11, 12))
    lab.do(commands.withdraw, over, lab.booker)
    with lab.instance.snapshot() as session:

        def mine(past: bool, whole: bool, who: str) -> list[object]:
            rows = queries.mine(session, getattr(lab, who), whole_organisation=whole, past=past, now=NOW)
            return [each.id for each in rows]

        assert mine(False, False, "booker") == [ahead.id]
        assert mine(True, False, "booker") == [over.id]
        assert mine(False, True, "firm_admin") == [ahead.id]
        assert mine(False, False, "firm_admin") == []


def test_availability_says_when_but_not_whose(lab: Lab) -> None:
    for _ in range(3):
        lab.request(slot(9, 12), equipment=lab.chambers)
    with lab.work(lab.operator) as uow:
        commands.record_downtime(
            uow, equipment_id=lab.chambers, kind=DowntimeKind.PLANNED, starts_at=at(14), ends_at=None, reason="Service"
        )
    with lab.instance.snapshot() as session:
        found = queries.availability(session, lab.chambers, Span(at(0), at(24)))
    assert (found.time_zone, found.units) == ("Europe/Prague", 3)
    assert [(each.starts_at, each.ends_at, each.units) for each in found.free] == [
        (at(8), at(8.75), 3), (at(12.25), at(14), 3),
    ]  # fmt: skip
    assert [(each.starts_at, each.ends_at, each.units) for each in found.busy] == [
        (at(8.75), at(12.25), 3), (at(14), at(16), 3),
    ]  # fmt: skip
    assert found.closed == [Span(at(0), at(8)), Span(at(16), at(24))]


def test_availability_is_asked_for_at_most_92_days(lab: Lab) -> None:
    with lab.instance.snapshot() as session:
        queries.availability(session, lab.microscope, Span(NOW, NOW + timedelta(days=92)))
        with pytest.raises(Invalid, match="too long"):
            queries.availability(session, lab.microscope, Span(NOW, NOW + timedelta(days=92, seconds=1)))


def test_alternatives_are_none_for_a_length_no_rule_allows(lab: Lab) -> None:
    with lab.instance.snapshot() as session:
        facts = queries.asked(session, lab.microscope, lab.firm)
        assert queries.alternatives(session, facts, Span(at(9), at(9) + timedelta(days=300)), now=NOW) == []
