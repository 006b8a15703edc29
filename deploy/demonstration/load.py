"""Tell the services the demonstration, by their own use cases and with their own events.

Everything has somebody who did it and a moment at which they did it; nothing is written to tables from
here. Each booking is told from its request to its end, so what is refused to visitors is refused here too.
"""

from __future__ import annotations

import json
import logging
import secrets
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from itertools import chain, islice
from pathlib import Path
from typing import TypeVar
from uuid import UUID, uuid4

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from deploy.demonstration import facts as facts_
from deploy.demonstration import story as story_
from deploy.demonstration.facts import Facility, Facts, Piece
from deploy.demonstration.story import Deed, Downtime, Slot, Story
from services.access.commands import organisations as access_organisations
from services.access.commands import people as access_people
from services.access.domain.organisations import Figures, OrganisationKind, Profile, Seat, Sector
from services.booking import commands as booking
from services.booking.domain.prices import PriceList
from services.booking.domain.states import AccessMode, DeclineReason, DowntimeKind
from services.booking.models import Scope
from services.catalogue import commands as catalogue
from services.notify import commands as notify
from services.notify import queries as notify_queries
from services.notify.domain.wording import MAILED
from shared import mailbox
from shared.auth import SYSTEM, Actor, Role, RoleName
from shared.clock import utc_now
from shared.errors import DomainError
from shared.service import Instance
from shared.unit_of_work import UnitOfWork

log = logging.getLogger(__name__)

TOGETHER = 200  # things entered in one transaction
CHAINS_TOGETHER = 60  # bookings, from the request to their end, told in one transaction
CHAINS_BETWEEN_SETTLING = 600  # bookings, until the others have to have heard of them
MANY = 1000
KNOWN_BEFORE = timedelta(days=60)  # how long before the past that is told everybody and everything was entered
OLD_NEWS = timedelta(days=7)  # notices of longer ago have been read
# Letters and digits that nobody confuses; without vowels they make no words, so nobody's name either.
SIGNS = "bcdfghjkmnpqrstvwxz23456789"
KINDS = {
    "enterprise": OrganisationKind.COMPANY,
    "university": OrganisationKind.UNIVERSITY,
    "funder": OrganisationKind.PUBLIC,
}

Settle = Callable[[], None]
Begin = Callable[..., AbstractContextManager[UnitOfWork]]
T = TypeVar("T")


class NotEmpty(Exception):
    """There is something in the catalogue already; the demonstration is for empty ones."""


class NotHandled(Exception):
    """A service could not make sense of what another one told; the text says which and why."""


@dataclass(frozen=True, slots=True)
class Account:
    """How somebody of the demonstration signs in."""

    email: str
    password: str
    role: str
    scope: str
    name: str


class Steps:
    """Says how far the loading is. This one says nothing."""

    def at(self, what: str, share: float) -> None:
        """`what` is being done, and `share` of the whole is behind us."""


def load(
    instances: dict[str, Instance],
    *,
    settle: Settle,
    steps: Steps | None = None,
    now: datetime | None = None,
    facts: Facts | None = None,
    days: int = story_.DAYS,
    pieces: int = story_.BUSY_PIECES,
) -> list[Account]:
    """Tell empty services everything; the accounts that people can sign in with, the most telling first.

    `settle` returns when all that was told has been handled everywhere. Raises `NotEmpty`.
    """
    if not is_empty([instances["catalogue"]]):
        raise NotEmpty("There is something in the catalogue already; the demonstration needs an empty one.")
    now = now or utc_now()
    facts = facts or facts_.read()
    steps = steps or Steps()
    steps.at("Thinking up three months", 0.0)
    story = story_.write(facts, now=now, days=days, pieces=pieces)
    return _Loader(instances, settle, steps, now, facts, story).load()


def is_empty(instances: Iterable[Instance]) -> bool:
    """Whether none of these services has ever told anything."""
    return all(_told_by(instance) == 0 for instance in instances)


def _told_by(instance: Instance) -> int:
    with instance.snapshot() as session:
        load_ = mailbox.load(session, now=utc_now())
        return load_.position + load_.unpublished


@dataclass
class _Loader:
    instances: dict[str, Instance]
    settle: Settle
    steps: Steps
    now: datetime
    facts: Facts
    story: Story
    facilities: dict[str, UUID] = field(default_factory=dict)
    equipment: dict[str, UUID] = field(default_factory=dict)
    organisations: dict[str, UUID] = field(default_factory=dict)
    actors: dict[str, Actor] = field(default_factory=dict)  # by address
    bookings: dict[int, UUID] = field(default_factory=dict)  # by number in the story
    downtimes: dict[int, UUID] = field(default_factory=dict)

    def load(self) -> list[Account]:
        passwords = {person.email: _password() for person in self.facts.people}
        self._enter_administrator(passwords)
        self._enter_regions_and_facilities()
        self._publish_equipment()
        self._settle_all()
        self._set_hours_rules_and_prices()
        self._enter_organisations()
        self._enter_people(passwords)
        self._settle_all()
        self._tell_story()
        self.steps.at("Done", 1.0)
        return self._accounts(passwords)

    @property
    def entered_at(self) -> datetime:
        """When everybody and everything was entered: before anything happened."""
        return self.now - timedelta(days=(self.now.date() - self.story.first_day).days) - KNOWN_BEFORE

    @property
    def administrator(self) -> Actor:
        return next(actor for actor in self.actors.values() if actor.is_administrator)

    def _settle_all(self) -> None:
        """Have everything told handled everywhere. Raises `NotHandled`."""
        self.settle()
        for name, instance in self.instances.items():
            with instance.snapshot() as session:
                if parked := mailbox.parked(session):
                    raise NotHandled(f"{name} could not handle {parked[0].type}: {parked[0].last_error}")

    # --- who and what there is

    def _enter_administrator(self, passwords: dict[str, str]) -> None:
        self.steps.at("Entering people and organisations", 0.02)
        person = next(
            person for person in self.facts.people if any(each.role == "administrator" for each in person.offices)
        )
        roles = (Role(RoleName.ADMINISTRATOR),)
        with self.instances["access"].begin(now=self.entered_at) as uow:
            self._enter_person(uow, person, roles, passwords[person.email])

    def _enter_person(self, uow: UnitOfWork, person: facts_.Person, roles: tuple[Role, ...], password: str) -> None:
        entered = access_people.add_person(
            uow, name=person.name, email=person.email, password=password, language=person.language, roles=roles
        )
        self.actors[person.email] = Actor(entered.id, person.name, frozenset(roles), person.email)

    def _enter_regions_and_facilities(self) -> None:
        self.steps.at("Entering regions and facilities", 0.03)
        with together(self.instances["catalogue"]) as begin:
            for region in self.facts.regions:
                with begin(actor=self.administrator, now=self.entered_at) as uow:
                    catalogue.enter_region(
                        uow,
                        id=region.id,
                        name=region.name,
                        country=region.country,
                        nuts_codes=region.nuts_codes,
                        nuts_version=region.nuts_version,
                        time_zone=region.time_zone,
                        languages=region.languages,
                        holiday_subdivision=region.holiday_subdivision,
                        summary=region.summary,
                    )
            hosts: dict[str, UUID] = {}
            for facility in self.facts.facilities:
                with begin(actor=self.administrator, now=self.entered_at) as uow:
                    if facility.host_slug not in hosts:
                        hosts[facility.host_slug] = self._register_host(uow, facility)
                    self.facilities[facility.slug] = self._open_facility(uow, facility, hosts[facility.host_slug])

    def _register_host(self, uow: UnitOfWork, facility: Facility) -> UUID:
        return catalogue.register_host(
            uow,
            slug=facility.host_slug,
            name=facility.host_name,
            website=facility.host_website,
            country=self.facts.region[facility.region].country,
        ).id

    def _open_facility(self, uow: UnitOfWork, facility: Facility, host_id: UUID) -> UUID:
        return catalogue.open_facility(
            uow,
            slug=facility.slug,
            name=facility.name,
            host_id=host_id,
            region_id=facility.region,
            town=facility.town,
            address=facility.street,
            latitude=facility.latitude,
            longitude=facility.longitude,
            website=facility.website,
            description=facility.description,
            contact_email=facility.contact_email,
        ).id

    def _publish_equipment(self) -> None:
        for done, pieces in _parts(self.facts.equipment, TOGETHER):
            self.steps.at("Publishing equipment", 0.04 + 0.04 * done)
            with together(self.instances["catalogue"]) as begin:
                for piece in pieces:
                    with begin(actor=self.administrator, now=self.entered_at) as uow:
                        self.equipment[piece.slug] = catalogue.publish_equipment(
                            uow,
                            slug=piece.slug,
                            facility_id=self.facilities[piece.facility],
                            name=piece.name,
                            description=piece.description,
                            kind=piece.kind,
                            techniques=piece.techniques,
                            keywords=piece.keywords,
                            units=piece.units,
                            access_types=piece.access_types,
                            access_modes=piece.access_modes,
                            operator_needed=piece.operator_needed,
                            trl_min=piece.trl_min,
                            trl_max=piece.trl_max,
                            drawing=piece.drawing,
                        ).id

    def _set_hours_rules_and_prices(self) -> None:
        """What most of a facility's equipment has in common is its default; the rest has hours of its own.

        All of it is set today, though it holds from the first day of the past that is told: then public
        holidays are known as far ahead as they would be after a real first day.
        """
        for done, pieces in _parts(self.facts.equipment, TOGETHER):
            self.steps.at("Setting prices and rules", 0.1 + 0.02 * done)
            with together(self.instances["booking"]) as begin:
                for piece in pieces:
                    with begin(actor=self.administrator, now=self.now) as uow:
                        self._set_rules_and_prices(uow, piece)
        for done, facilities in _parts(self.facts.facilities, 8):
            self.steps.at("Setting opening hours", 0.12 + 0.06 * done)
            with together(self.instances["booking"]) as begin:
                for facility in facilities:
                    with begin(actor=self.administrator, now=self.now) as uow:
                        self._set_hours(uow, facility)

    def _set_rules_and_prices(self, uow: UnitOfWork, piece: Piece) -> None:
        equipment_id = self.equipment[piece.slug]
        prices = PriceList(
            valid_from=self.story.first_day,
            currency="EUR",
            market_cents=piece.market_cents,
            other_cents=piece.academic_cents,
        )
        booking.set_rules(uow, scope=Scope.EQUIPMENT, scope_id=equipment_id, rules=piece.rules)
        booking.set_prices(uow, scope=Scope.EQUIPMENT, scope_id=equipment_id, prices=prices)

    def _set_hours(self, uow: UnitOfWork, facility: Facility) -> None:
        pieces = [piece for piece in self.facts.equipment if piece.facility == facility.slug]
        usual = Counter(piece.hours for piece in pieces).most_common(1)[0][0]
        own = [(Scope.EQUIPMENT, self.equipment[piece.slug], piece.hours) for piece in pieces if piece.hours != usual]
        for scope, scope_id, name in ((Scope.FACILITY, self.facilities[facility.slug], usual), *own):
            hours = self.facts.hours[name]
            booking.set_opening_hours(
                uow,
                scope=scope,
                scope_id=scope_id,
                weekly=hours.weekly,
                calendar=story_.calendar_of(self.facts.region[facility.region]) if hours.closed_on_holidays else None,
                valid_from=self.story.first_day,
            )

    def _enter_organisations(self) -> None:
        self.steps.at("Entering people and organisations", 0.18)
        with together(self.instances["access"]) as begin:
            for organisation in self.facts.organisations:
                figures = None
                if organisation.accounts:
                    year, staff, turnover, balance = organisation.accounts
                    figures = Figures(year, staff, turnover * 100, balance * 100)
                profile = Profile(
                    name=organisation.name,
                    kind=KINDS[organisation.kind],
                    seat=Seat(organisation.country, organisation.nuts_code, organisation.nuts_version),
                    sector=Sector(organisation.nace_code, organisation.nace_revision),
                    figures=figures,
                )
                with begin(actor=self.administrator, now=self.entered_at) as uow:
                    entered = access_organisations.add_organisation(uow, organisation=profile)
                self.organisations[organisation.slug] = entered.id

    def _enter_people(self, passwords: dict[str, str]) -> None:
        people = [person for person in self.facts.people if person.email not in self.actors]
        for done, some in _parts(people, 8):
            self.steps.at("Entering people and organisations", 0.18 + 0.08 * done)
            with together(self.instances["access"]) as begin:
                for person in some:
                    roles = tuple(self._roles(person))
                    with begin(actor=self.administrator, now=self.entered_at) as uow:
                        self._enter_person(uow, person, roles, passwords[person.email])

    def _roles(self, person: facts_.Person) -> Iterator[Role]:
        if person.organisation:
            scope = str(self.organisations[person.organisation])
            yield Role(RoleName.MEMBER, scope)
            if person.is_organisation_admin:
                yield Role(RoleName.ORGANISATION_ADMIN, scope)
        for office in person.offices:
            for slug in office.scopes:
                yield Role(RoleName(office.role), str(self.facilities.get(slug, slug)))

    # --- what happened

    def _tell_story(self) -> None:
        """Nobody is mailed about what is long over, and nobody has months of unread notices."""
        self._choose_mail(wanted=False)
        told, whole = 0, len(self.story.events)
        for _, chains in _parts(_chains(self.story.events), CHAINS_BETWEEN_SETTLING):
            for _, few in _parts(chains, CHAINS_TOGETHER):
                self.steps.at("Living through three months", 0.26 + 0.73 * told / whole)
                with together(self.instances["booking"]) as begin:
                    for event in chain.from_iterable(few):
                        self._tell_event(begin, event)
                        told += 1
            self.steps.at("Adding up, and writing notices", 0.26 + 0.73 * told / whole)
            self._settle_all()
        self._read_old_notices()
        self._suppress_mail()
        self._choose_mail(wanted=True)

    def _read_old_notices(self) -> None:
        """Notices about what is over are read already; those of bookings to come may be as old."""
        instance, week_ago = self.instances["notify"], self.now - OLD_NEWS
        with together(instance) as begin:
            for actor in self.actors.values():
                with begin(actor=actor, now=week_ago) as uow:
                    unread = notify_queries.notices_of(uow.session, actor.id, unread=True, limit=MANY)
                    for notice in unread:
                        if notice.told_at < week_ago:
                            notify.mark_read(uow, notice.id)

    def _tell_event(self, begin: Begin, event: story_.Event) -> None:
        """Have one thing happen. What the service refuses did not happen: a newcomer shall not be stopped by it."""
        actor = self.actors[event.by.email] if event.by else SYSTEM
        try:
            with begin(actor=actor, now=event.at) as uow:
                if isinstance(event.about, Downtime):
                    self._tell_downtime(uow, event, event.about)
                elif event.deed is Deed.REQUEST:
                    self._request(uow, event.about)
                elif booking_id := self.bookings.get(event.about.number):
                    _move(uow, event, booking_id)
        except DomainError as refusal:
            log.warning("%s at %s was refused: %s", event.deed, event.at, refusal)

    def _request(self, uow: UnitOfWork, slot: Slot) -> None:
        requested = booking.request_slot(
            uow,
            equipment_id=self.equipment[slot.piece.slug],
            slot=slot.span,
            organisation_id=self.organisations[slot.organisation.slug],
            purpose=slot.purpose,
            access_mode=AccessMode(slot.access_mode),
        )
        self.bookings[slot.number] = requested.id

    def _tell_downtime(self, uow: UnitOfWork, event: story_.Event, downtime: Downtime) -> None:
        if event.deed is Deed.END_DOWNTIME:
            booking.end_downtime(uow, self.downtimes[downtime.number])
            return
        recorded, _ = booking.record_downtime(
            uow,
            equipment_id=self.equipment[downtime.piece.slug],
            kind=DowntimeKind.PLANNED if downtime.planned else DowntimeKind.UNPLANNED,
            starts_at=downtime.starts_at,
            ends_at=downtime.ends_at,
            reason=downtime.reason,
        )
        self.downtimes[downtime.number] = recorded.id

    def _choose_mail(self, *, wanted: bool) -> None:
        with together(self.instances["notify"]) as begin:
            for actor in self.actors.values():
                with begin(actor=actor, now=self.now) as uow:
                    notify.choose_mail(uow, kinds=MAILED if wanted else ())

    def _suppress_mail(self) -> None:
        """Have the mails that nobody wants settled; otherwise they would leave once people want mail again."""
        self.steps.at("Tidying up", 0.99)
        instance = self.instances["notify"]
        while True:
            now = utc_now()
            with instance.snapshot() as session:
                if not notify_queries.is_due(session, now=now):
                    return
            with instance.begin(now=now) as uow:
                notify.take_due(uow, limit=1000, sender="", public_url="")

    def _accounts(self, passwords: dict[str, str]) -> list[Account]:
        people = sorted(self.facts.people, key=lambda person: not person.headline)
        return [
            Account(person.email, passwords[person.email], *self._title(person), person.name)
            for person in people
            if self.actors[person.email].roles
        ]

    def _title(self, person: facts_.Person) -> tuple[str, str]:
        """The role somebody is shown with, and what it is for."""
        for office in person.offices:
            names = [
                self.facts.facility[slug].name if slug in self.facts.facility else self.facts.region[slug].name
                for slug in office.scopes
            ]
            return office.role, ", ".join(names)
        organisation = next(each for each in self.facts.organisations if each.slug == person.organisation)
        role = RoleName.ORGANISATION_ADMIN if person.is_organisation_admin else RoleName.MEMBER
        return str(role), organisation.name


def _move(uow: UnitOfWork, event: story_.Event, booking_id: UUID) -> None:
    match event.deed:
        case Deed.APPROVE:
            booking.approve(uow, booking_id)
        case Deed.DECLINE:
            booking.decline(uow, booking_id, reason_code=DeclineReason(event.reason_code), reason=event.reason)
        case Deed.WITHDRAW:
            booking.withdraw(uow, booking_id)
        case Deed.EXPIRE:
            booking.expire(uow, booking_id)
        case Deed.CANCEL:
            booking.cancel(uow, booking_id, reason=event.reason)
        case Deed.CHECK_IN:
            booking.check_in(uow, booking_id)
        case Deed.CHECK_OUT:
            booking.check_out(uow, booking_id)
        case Deed.NO_SHOW:
            booking.record_no_show(uow, booking_id)


@contextmanager
def together(instance: Instance) -> Iterator[Begin]:
    """Many units of work, each with an actor and a moment of its own, that are committed at once."""
    with instance.database.transaction() as session:

        @contextmanager
        def begin(*, actor: Actor = SYSTEM, now: datetime) -> Iterator[UnitOfWork]:
            uow = UnitOfWork(
                session=session, service=instance.service.name, actor=actor, now=now, correlation_id=uuid4()
            )
            yield uow
            mailbox.post(session, uow.emitted)

        yield begin
    instance.spoke.set()


def _chains(events: Iterable[story_.Event]) -> list[list[story_.Event]]:
    """All that happened to one booking after the other, and to one piece that was out of order after the other.

    What happened to a booking must not be told in parts: in between the services would do by the clock
    what has been due for months. That something broke down comes last: as if it had been known from
    the start, nobody could have asked for the time that was lost.
    """
    by_number: dict[int, list[story_.Event]] = {}
    for event in events:
        by_number.setdefault(event.about.number, []).append(event)
    return sorted(by_number.values(), key=lambda chain_: isinstance(chain_[0].about, Downtime))


def _parts(things: Sequence[T], size: int) -> Iterator[tuple[float, list[T]]]:
    """`things` in lists of `size`, each with the share of all that comes before it."""
    left = iter(things)
    done = 0
    while part := list(islice(left, size)):
        yield done / len(things), part
        done += len(part)


def _password() -> str:
    """Sixteen signs in four groups: nobody guesses it, and everybody can type it."""
    return "-".join("".join(secrets.choice(SIGNS) for _ in range(4)) for _ in range(4))


def accounts_text(accounts: Iterable[Account]) -> str:
    """The accounts as they are written to `accounts.json`."""
    return json.dumps([asdict(account) for account in accounts], indent=2, ensure_ascii=False) + "\n"


def write_accounts(path: Path, accounts: Iterable[Account]) -> None:
    """Write the accounts so that nobody else on this machine can read them."""
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(accounts_text(accounts))


# --- into a folder of the embedded mode

MARK = "demonstration.json"


def is_loaded(folder: Path) -> bool:
    """Whether the demonstration is in `folder`, all of it."""
    return _state(folder) == "loaded"


def load_into(
    folder: Path,
    *,
    public_url: str,
    now: datetime | None = None,
    facts: Facts | None = None,
    days: int = story_.DAYS,
    pieces: int = story_.BUSY_PIECES,
) -> None:
    """Load the demonstration into a folder without data, saying how far it is.

    What an interrupted loading left behind is cleared first. A folder with data of its own is left as it is.
    """
    from deploy.embedded import Embedded  # which loads the demonstration on its first start

    if _state(folder) == "loading":
        print("The demonstration was not loaded to its end the last time; loading it anew.", flush=True)
        _clear(folder)
    embedded = Embedded.at(folder, public_url=public_url)
    try:
        if not is_empty(embedded.instances.values()):
            print("This folder has data of its own; the demonstration is not loaded into it.", flush=True)
            return
        _mark(folder, "loading")
        began = time.monotonic()
        print("Loading the demonstration into the empty data folder, this once:", flush=True)
        with shown() as steps:
            accounts = load(
                embedded.instances,
                settle=embedded.settle,
                steps=steps,
                now=now,
                facts=facts,
                days=days,
                pieces=pieces,
            )
        write_accounts(folder / "accounts.json", accounts)
        print(f"Loaded in {time.monotonic() - began:.0f} s.", flush=True)
    finally:
        embedded.stop()
    _mark(folder, "loaded")


def _state(folder: Path) -> str:
    path = folder / MARK
    if not path.exists():
        return ""
    try:
        return str(json.loads(path.read_text())["state"])
    except (ValueError, KeyError, TypeError):  # the machine went down while it was written
        return "loading"


def _mark(folder: Path, state: str) -> None:
    (folder / MARK).write_text(json.dumps({"state": state, "at": utc_now().isoformat()}))


def _clear(folder: Path) -> None:
    """Remove what a loading that was interrupted has made; only called where the mark says it was one."""
    from deploy.services import SERVICES

    for service in SERVICES:
        for path in folder.glob(f"{service.name}.db*"):
            path.unlink()
    (folder / "accounts.json").unlink(missing_ok=True)
    shutil.rmtree(folder / "mail", ignore_errors=True)
    (folder / MARK).unlink()


@contextmanager
def shown() -> Iterator[Steps]:
    """A bar on the terminal."""
    columns = (TextColumn("{task.description:<34}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    with Progress(*columns, TimeElapsedColumn()) as progress:
        task = progress.add_task("", total=1.0)

        class Bar(Steps):
            def at(self, what: str, share: float) -> None:
                progress.update(task, description=what, completed=share)

        yield Bar()
