"""Reading and choosing: only one's own, and as often as one likes."""

from __future__ import annotations

from uuid import uuid4

import pytest

from services.notify import commands, queries
from services.notify.commands import NoSuchNotice
from services.notify.domain.delivery import Channel
from services.notify.domain.wording import MAILED, NoticeKind
from services.notify.models import Notice
from shared.auth import ANONYMOUS
from shared.contracts.booking import BookingDeclined, BookingExpired
from shared.errors import Unauthorised
from tests.conftest import make_actor
from tests.notify.conftest import BOOKER, OPERATOR, Notify, booking_event

READER = make_actor(id=BOOKER)


def on_page(notify: Notify, channel: Channel = Channel.IN_APP) -> list[Notice]:
    return [each for each in notify.notices if each.recipient_id == BOOKER and each.channel is channel]


def test_a_notice_is_read_once_and_for_all(peopled: Notify) -> None:
    peopled.hear(booking_event(BookingDeclined))
    (notice,) = on_page(peopled)
    with peopled.instance.begin(actor=READER) as uow:
        first = commands.mark_read(uow, notice.id).read_at
    with peopled.instance.begin(actor=READER) as uow:
        assert commands.mark_read(uow, notice.id).read_at == first
        assert uow.emitted == []


def test_other_peoples_notices_are_not_there(peopled: Notify) -> None:
    peopled.hear(booking_event(BookingDeclined))
    (notice,) = on_page(peopled)
    (mail,) = on_page(peopled, Channel.EMAIL)
    for actor, notice_id in ((make_actor(id=OPERATOR), notice.id), (READER, mail.id), (READER, uuid4())):
        with pytest.raises(NoSuchNotice), peopled.instance.begin(actor=actor) as uow:
            commands.mark_read(uow, notice_id)


def test_reading_all_reads_ones_own(peopled: Notify) -> None:
    peopled.hear(booking_event(BookingDeclined), booking_event(BookingExpired, booking_id=uuid4()))
    with peopled.instance.begin(actor=READER) as uow:
        assert commands.mark_all_read(uow) == 2
        assert commands.mark_all_read(uow) == 0
    with peopled.instance.snapshot() as session:
        assert queries.unread_of(session, BOOKER) == 0
        assert queries.unread_of(session, OPERATOR) == 1


def test_a_visitor_has_nothing_to_read_or_choose(notify: Notify) -> None:
    with notify.instance.begin(actor=ANONYMOUS) as uow:
        for act in (
            lambda: commands.mark_read(uow, uuid4()),
            lambda: commands.mark_all_read(uow),
            lambda: commands.choose_mail(uow, kinds=[]),
        ):
            with pytest.raises(Unauthorised):
                act()


def test_a_choice_replaces_the_one_before(notify: Notify) -> None:
    with notify.instance.begin(actor=READER) as uow:
        assert queries.mail_wanted(uow.session, BOOKER) == frozenset(MAILED)
        commands.choose_mail(uow, kinds=[NoticeKind.DECLINED])
        commands.choose_mail(uow, kinds=[NoticeKind.APPROVED, NoticeKind.COMPLETED])
        assert queries.mail_wanted(uow.session, BOOKER) == {NoticeKind.APPROVED}
        assert queries.mail_wanted(uow.session, OPERATOR) == frozenset(MAILED)
