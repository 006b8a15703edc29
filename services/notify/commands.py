"""What this service does: learn who there is, write down what is to be told, and note what came of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import CursorResult, Table, delete, insert, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from services.notify import queries
from services.notify.domain import delivery
from services.notify.domain.delivery import Channel, NoticeState, Outcome, RecipientKind
from services.notify.domain.invitation import Invitation, calendar_file
from services.notify.domain.mail import Attachment, Letter, host_of
from services.notify.domain.wording import MAILED, NoticeKind, Wording
from services.notify.models import Base, Delivery, Facility, MailChoice, Notice, Organisation, Person, PersonRole
from shared.auth import Role
from shared.calendar import Span
from shared.errors import NotFound
from shared.unit_of_work import UnitOfWork

BOTH = (Channel.IN_APP, Channel.EMAIL)
OWN_ACTS = {NoticeKind.WITHDRAWN, NoticeKind.CANCELLED, NoticeKind.CHECKED_IN, NoticeKind.COMPLETED}
PASSING = {NoticeKind.REQUEST_SENT, NoticeKind.REQUEST_WAITING}  # true only until the next event
REMARK_LENGTH = 255


class NoSuchNotice(NotFound):
    """Nothing of that id was told to the actor."""

    code = "no-such-notice"


# --- learning who there is


def learn_person(
    uow: UnitOfWork,
    *,
    person_id: UUID,
    name: str,
    email: str,
    language: str,
    active: bool,
    roles: Iterable[str],
    sequence: int,
) -> None:
    """Keep the newest of what is told about a person."""
    news = {"name": name, "email": email, "language": language, "active": active, "sequence": sequence}
    if not _keep_newest(uow.session, Person, id=person_id, **news):
        return
    uow.session.execute(delete(PersonRole).where(PersonRole.person_id == person_id))
    rows = [{"person_id": person_id, "role": role.name, "scope": role.scope} for role in set(_readable(roles))]
    if rows:
        uow.session.execute(insert(PersonRole), rows)


def learn_organisation(uow: UnitOfWork, *, organisation_id: UUID, name: str, sequence: int) -> None:
    """Keep the newest of what is told about an organisation."""
    _keep_newest(uow.session, Organisation, id=organisation_id, name=name, sequence=sequence)


def learn_facility(
    uow: UnitOfWork, *, facility_id: UUID, name: str, time_zone: str, contact_email: str, sequence: int
) -> None:
    """Keep the newest of what is told about a facility."""
    news = {"name": name, "time_zone": time_zone, "contact_email": contact_email, "sequence": sequence}
    _keep_newest(uow.session, Facility, id=facility_id, **news)


def _readable(roles: Iterable[str]) -> Iterator[Role]:
    for text in roles:
        try:
            yield Role.parse(text)
        except ValueError:  # a role of a later release: nothing here depends on it
            continue


def _keep_newest(session: Session, model: type[Base], **values: Any) -> bool:
    """Insert or overwrite, unless what is here is as new; whether anything changed."""
    table = model.__table__
    assert isinstance(table, Table)
    statement = _insert(session, table).values(**values)
    changed = session.scalar(
        statement.on_conflict_do_update(
            index_elements=["id"],
            set_={name: statement.excluded[name] for name in values if name != "id"},
            where=statement.excluded.sequence > table.c.sequence,
        ).returning(table.c.id)
    )
    return changed is not None


def _insert(session: Session, table: Table) -> Any:
    return (sqlite if session.get_bind().dialect.name == "sqlite" else postgresql).insert(table)


# --- telling


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The booking that is spoken of, and whose it is."""

    booking_id: UUID
    booker_id: UUID
    facility_id: UUID
    slot: Span
    sequence: int  # of the event among those of the booking


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What one side is told, by which ways, with which calendar file."""

    wording: Wording
    channels: tuple[Channel, ...] = BOTH
    invitation: Invitation | None = None


def tell(uow: UnitOfWork, subject: Subject, *, to_booker: Message, to_operators: Message | None) -> None:
    """Write down what is to be said because of the event that is being handled; a job says it.

    Whoever is not known yet is told all the same: their notice waits until they are. An event that was
    answered before adds nothing, whoever its readers would be today.
    """
    event_id = uow.causation_id or uow.correlation_id
    if queries.is_told(uow.session, event_id):
        return
    cause = queries.cause(uow.session, event_id, now=uow.now)
    late = delivery.too_late(told_at=cause.time, slot_ends_at=subject.slot.ends_at, now=uow.now)
    telling = _Telling(uow, event_id, subject, cause.time, late)
    own_act = cause.actor_id == subject.booker_id and to_booker.wording.kind in OWN_ACTS
    rows = telling.rows(to_booker, RecipientKind.PERSON, [subject.booker_id], to_booker=True, read=own_act)
    if to_operators:
        operators = queries.operators_of(uow.session, subject.facility_id)
        others = [id_ for id_ in operators if id_ not in (cause.actor_id, subject.booker_id)]
        if operators:
            rows += telling.rows(to_operators, RecipientKind.PERSON, others)
        else:
            rows += telling.rows(to_operators, RecipientKind.FACILITY, [subject.facility_id])
    _put(uow.session, rows)
    _overtake(uow, subject.booking_id)


def _overtake(uow: UnitOfWork, booking_id: UUID) -> None:
    """Once a request is answered, nobody need be told any more that it waits for an answer.

    Where the rules approve at once, both facts arrive together: then one mail is enough.
    """
    latest = queries.latest_sequence(uow.session, booking_id)
    for notice in queries.overtaken_for_update(uow.session, booking_id, PASSING, before=latest):
        if notice.channel is Channel.EMAIL:
            _settle(uow, notice, NoticeState.SUPPRESSED, "Overtaken by what came next.")
        else:
            notice.read_at = uow.now


@dataclass(frozen=True, slots=True)
class _Telling:
    """What the notices of one event have in common."""

    uow: UnitOfWork
    event_id: UUID
    subject: Subject
    told_at: datetime
    too_late: bool

    def rows(
        self,
        message: Message,
        recipient_kind: RecipientKind,
        recipient_ids: Iterable[UUID],
        *,
        to_booker: bool = False,
        read: bool = False,
    ) -> list[dict[str, Any]]:
        wording = message.wording
        words = {
            "kind": wording.kind,
            "title": wording.title,
            "lead": wording.lead,
            "facts": [list(fact) for fact in wording.facts],
            "next": wording.next,
            "path": wording.path,
            "to_booker": to_booker,
            "recipient_kind": recipient_kind,
            "event_id": self.event_id,
            "correlation_id": self.uow.correlation_id,
            "booking_id": self.subject.booking_id,
            "sequence": self.subject.sequence,
            "told_at": self.told_at,
            "read_at": self.told_at if read or self.too_late else None,
            "attempts": 0,
        }
        invitation = message.invitation.to_json() if message.invitation else None
        return [
            words
            | self._progress(recipient_kind, channel)
            | {
                "id": uuid4(),
                "recipient_id": recipient_id,
                "channel": channel,
                "invitation": invitation if channel is Channel.EMAIL else None,
            }
            for recipient_id in recipient_ids
            for channel in message.channels
        ]

    def _progress(self, recipient_kind: RecipientKind, channel: Channel) -> dict[str, Any]:
        """How far the telling is from the start."""
        due, settled, remark = None, None, ""
        if channel is Channel.EMAIL and self.too_late:
            state, settled, remark = NoticeState.SUPPRESSED, self.uow.now, "Heard long after its time was over."
        elif channel is Channel.EMAIL or recipient_kind is RecipientKind.FACILITY:
            state, due = NoticeState.DUE, self.uow.now
        else:
            state = NoticeState.SHOWN
        return {"state": state, "due_at": due, "settled_at": settled, "remark": remark}


def _put(session: Session, rows: list[dict[str, Any]]) -> None:
    table = Notice.__table__
    assert isinstance(table, Table)
    if rows:
        session.execute(_insert(session, table).on_conflict_do_nothing(), rows)


# --- delivering


def take_due(uow: UnitOfWork, *, limit: int, sender: str, public_url: str) -> list[Letter]:
    """The mails that are to be sent now. What needs no mail server is settled on the way:

    notices for a facility become its operators' as soon as they are known, and what nobody wants is
    suppressed. Nothing is marked as sent; `note_attempt` does that.
    """
    letters = []
    for notice in queries.due_for_update(uow.session, now=uow.now, limit=limit):
        recipient = (
            _person_address(uow, notice)
            if notice.recipient_kind is RecipientKind.PERSON
            else _facility_address(uow, notice)
        )
        if recipient:
            letters.append(_letter(notice, recipient=recipient, sender=sender, public_url=public_url))
    return letters


def _person_address(uow: UnitOfWork, notice: Notice) -> str | None:
    """Where to mail this person's notice; None: not, or not yet."""
    person = uow.session.get(Person, notice.recipient_id)
    if person is None:
        _look_again(uow, notice)
    elif not person.active:
        _settle(uow, notice, NoticeState.SUPPRESSED, "The account is closed.")
    elif notice.kind not in queries.mail_wanted(uow.session, person.id):
        _settle(uow, notice, NoticeState.SUPPRESSED, "Not wanted by e-mail.")
    else:
        return person.email
    return None


def _facility_address(uow: UnitOfWork, notice: Notice) -> str | None:
    """Where to mail what is for a facility; None: its operators are told instead, or nobody is known yet."""
    if operators := queries.operators_of(uow.session, notice.recipient_id):
        _pass_on(uow, notice, operators)
        return None
    facility = uow.session.get(Facility, notice.recipient_id)
    if facility and facility.contact_email and notice.channel is Channel.EMAIL:
        return facility.contact_email
    _look_again(uow, notice)
    return None


def _pass_on(uow: UnitOfWork, notice: Notice, operators: Iterable[UUID]) -> None:
    """Make a facility's notice one of each of its operators."""
    told = {column.key: getattr(notice, column.key) for column in Notice.__table__.c}
    mailed = notice.channel is Channel.EMAIL
    progress = {
        "recipient_kind": RecipientKind.PERSON,
        "state": NoticeState.DUE if mailed else NoticeState.SHOWN,
        "due_at": uow.now if mailed else None,
    }
    _put(
        uow.session,
        [told | progress | {"id": uuid4(), "recipient_id": person_id} for person_id in operators],
    )
    _settle(uow, notice, NoticeState.PASSED_ON, "")


def _look_again(uow: UnitOfWork, notice: Notice) -> None:
    again = delivery.next_look(notice.told_at, now=uow.now)
    if again is None:
        _settle(uow, notice, NoticeState.FAILED, "Nothing was ever heard of its recipient.")
    else:
        notice.due_at = again


def _settle(uow: UnitOfWork, notice: Notice, state: NoticeState, remark: str) -> None:
    notice.state, notice.remark = state, remark[:REMARK_LENGTH]
    notice.due_at, notice.settled_at = None, uow.now


def _letter(notice: Notice, *, recipient: str, sender: str, public_url: str) -> Letter:
    attachment = None
    if entry := notice.calendar_entry:
        attachment = Attachment(
            name=f"booking-{notice.reference}.ics",
            method=entry.method(to_booker=notice.to_booker),
            content=calendar_file(
                entry,
                to_booker=notice.to_booker,
                attendee=recipient,
                organiser=sender,
                host=host_of(public_url),
                stamped_at=notice.told_at,
                url=public_url.rstrip("/") + notice.path,
                description=f"{notice.lead}\n{notice.next}",
            ),
        )
    return Letter(
        notice_id=notice.id,
        event_id=notice.event_id,
        correlation_id=notice.correlation_id,
        recipient_id=notice.recipient_id,
        recipient=recipient,
        sender=sender,
        wording=notice.wording,
        told_at=notice.told_at,
        public_url=public_url,
        attachment=attachment,
    )


def note_attempt(
    uow: UnitOfWork, letter: Letter, *, outcome: Outcome, code: int | None = None, detail: str = ""
) -> None:
    """Write down what came of handing over one mail, and when to try again if it is worth it."""
    uow.session.add(
        Delivery(
            notice_id=letter.notice_id,
            tried_at=uow.now,
            address=letter.recipient,
            outcome=outcome,
            code=code,
            detail=detail[:REMARK_LENGTH],
        )
    )
    notice = queries.notice_for_update(uow.session, letter.notice_id)
    if notice is None or notice.state is not NoticeState.DUE:
        return
    notice.attempts += 1
    again = delivery.next_try(notice.attempts, now=uow.now)
    match outcome:
        case Outcome.SENT:
            _settle(uow, notice, NoticeState.SENT, "")
        case Outcome.POSTPONED if again:
            notice.due_at, notice.remark = again, detail[:REMARK_LENGTH]
        case _:
            _settle(uow, notice, NoticeState.FAILED, detail)


# --- reading and choosing


def mark_read(uow: UnitOfWork, notice_id: UUID) -> Notice:
    """Note that the actor has read this. Raises `NoSuchNotice`, also for somebody else's."""
    uow.actor.must_be_signed_in()
    notice = queries.notice_for_update(uow.session, notice_id)
    if notice is None or notice.recipient_id != uow.actor.id or notice.channel is not Channel.IN_APP:
        raise NoSuchNotice("There is no such notice.")
    notice.read_at = notice.read_at or uow.now
    return notice


def mark_all_read(uow: UnitOfWork) -> int:
    """Note that the actor has read everything there is now; how much was new."""
    uow.actor.must_be_signed_in()
    result = uow.session.execute(
        update(Notice)
        .where(Notice.recipient_id == uow.actor.id, Notice.channel == Channel.IN_APP)
        .where(Notice.read_at.is_(None))
        .values(read_at=uow.now)
    )
    assert isinstance(result, CursorResult)
    return result.rowcount


def choose_mail(uow: UnitOfWork, *, kinds: Iterable[NoticeKind]) -> frozenset[NoticeKind]:
    """From now on the actor gets exactly these kinds by e-mail; on their page they see all, always."""
    uow.actor.must_be_signed_in()
    wanted = frozenset(kinds)
    table = MailChoice.__table__
    assert isinstance(table, Table)
    statement = _insert(uow.session, table)
    uow.session.execute(
        statement.on_conflict_do_update(
            index_elements=["person_id", "kind"], set_={"wanted": statement.excluded.wanted}
        ),
        [{"person_id": uow.actor.id, "kind": kind, "wanted": kind in wanted} for kind in MAILED],
    )
    return wanted & frozenset(MAILED)
