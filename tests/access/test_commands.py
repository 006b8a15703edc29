"""What the use cases change and tell."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from threading import Barrier, Thread
from uuid import uuid4

import pytest
import sqlalchemy as sa

from services.access import queries
from services.access.app import SERVICE
from services.access.commands import keys, organisations, people, sessions
from services.access.domain import limits, tokens
from services.access.domain.organisations import (
    Figures,
    LastAdministrator,
    NoSuchMember,
    NoSuchOrganisation,
    OrganisationKind,
    OrganisationRefused,
    Profile,
    Seat,
    SizeClass,
    SizeRefused,
)
from services.access.domain.people import (
    EmailTaken,
    NoSuchPerson,
    NoSuchRole,
    NoSuchSession,
    RoleRefused,
    SignIn,
    WeakPassword,
    WrongCredentials,
    WrongPassword,
)
from services.access.domain.tokens import Tokens
from services.access.models import Organisation, Person, RoleGrant, SigningKey, SignInSession
from shared.auth import ANONYMOUS, Role, RoleName
from shared.clock import utc_now
from shared.contracts.access import OrganisationChanged, PersonChanged
from shared.errors import Forbidden, Unauthorised
from shared.service import Instance
from tests.access.conftest import (
    OTHER_PASSWORD,
    OWL_WORKS,
    PASSWORD,
    acting,
    own_organisation,
    register,
)
from tests.conftest import MONDAY, emitted, told

ADDRESS = "192.0.2.1"


def attempt(access: Instance, email: str, password: str, *, later: timedelta = timedelta()) -> Tokens:
    """Sign in as the edges do: count, check, begin a session."""
    with access.begin(actor=ANONYMOUS, now=MONDAY + later) as uow:
        counted = sessions.attempt_sign_in(uow, email=email, address=ADDRESS)
    counted.check(password)
    with access.begin(actor=ANONYMOUS, now=MONDAY + later) as uow:
        return sessions.sign_in(uow, counted, password=password, client="a test")


def renew(access: Instance, token: str, *, later: timedelta, grace: timedelta = timedelta()) -> Tokens | None:
    with access.begin(actor=ANONYMOUS, now=MONDAY + later) as uow:
        return sessions.renew(uow, refresh_token=token, grace=grace)


# Registering


def test_who_registers_becomes_member_and_administrator_and_both_are_told(access: Instance) -> None:
    with access.begin(actor=ANONYMOUS, now=MONDAY) as uow:
        person = organisations.register(
            uow, name="Ada Example", email="Ada@Owl.example", password=PASSWORD, organisation=OWL_WORKS
        )
        organisation, registered = emitted(uow)
    assert isinstance(organisation, OrganisationChanged)
    assert isinstance(registered, PersonChanged)
    scope = str(organisation.organisation_id)
    assert organisation == OrganisationChanged(
        sequence=1,
        organisation_id=organisation.organisation_id,
        name="Owl Works",
        kind="company",
        size_class=None,
        country="EE",
        nuts_code="EE008",
        nuts_version=2021,
        active=True,
    )
    assert registered == PersonChanged(
        sequence=1,
        person_id=person.id,
        name="Ada Example",
        email="ada@owl.example",
        language="en",
        active=True,
        roles=(f"member@{scope}", f"organisation_admin@{scope}"),
    )


def test_a_firm_may_declare_its_size_when_it_registers(access: Instance) -> None:
    figures = Figures(2030, 9, 100, None)
    firm = Profile(name="Fox Works", kind=OrganisationKind.COMPANY, seat=Seat("SE", "SE224", 2021), figures=figures)
    person = register(access, name="Fay Example", email="fay@fox.example", organisation=firm)
    with access.snapshot() as session:
        (organisation,) = queries.organisations_of(session, person.id)
        (declaration,) = queries.declarations_of(session, organisation.id)
    assert organisation.size_class is SizeClass.MICRO
    assert declaration.declared_by == person.id
    assert declaration.figures == figures


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"email": "ada@owl.example"}, EmailTaken),
        ({"password": "too short"}, WeakPassword),
        (
            {"organisation": Profile(name="X", kind=OrganisationKind.OTHER, seat=Seat("EE", "LV008", 2021))},
            OrganisationRefused,
        ),
        (
            {
                "organisation": Profile(
                    name="X",
                    kind=OrganisationKind.UNIVERSITY,
                    seat=Seat("EE", "EE008", 2021),
                    figures=Figures(2030, 1, 1, 1),
                )
            },
            SizeRefused,
        ),
    ],
)
def test_a_refused_registration_leaves_nothing(
    access: Instance, ada: Person, changes: dict[str, object], refusal: type[Exception]
) -> None:
    before = told(access)
    wanted = {"name": "Eve Example", "email": "eve@owl.example", "password": PASSWORD, "organisation": OWL_WORKS}
    with pytest.raises(refusal), access.begin(actor=ANONYMOUS, now=MONDAY) as uow:
        organisations.register(uow, **(wanted | changes))  # type: ignore[arg-type]
    assert told(access) == before
    with access.snapshot() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Organisation)) == 1
        assert session.scalar(sa.select(sa.func.count()).select_from(Person)) == 1


def test_of_many_who_register_one_address_at_once_one_does(access: Instance) -> None:
    barrier, outcomes = Barrier(8), []

    def race(number: int) -> None:
        barrier.wait()
        try:
            register(access, name=f"Twin {number}", email="twin@owl.example")
            outcomes.append("registered")
        except EmailTaken:
            outcomes.append("taken")

    threads = [Thread(target=race, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["registered"] + ["taken"] * 7
    with access.snapshot() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Organisation)) == 1
    assert len(told(access)) == 2


# People and their roles


def test_an_administrator_grants_and_revokes_a_role_and_each_is_told_once(
    access: Instance, root: Person, ben: Person
) -> None:
    role = Role(RoleName.OPERATOR, str(uuid4()))
    with access.begin(actor=acting(access, root), now=MONDAY) as uow:
        people.grant_role(uow, ben.id, role=role)
        people.grant_role(uow, ben.id, role=role)
        (granted,) = emitted(uow)
    with access.begin(actor=acting(access, root), now=MONDAY) as uow:
        people.revoke_role(uow, ben.id, role=role)
        (revoked,) = emitted(uow)
    assert isinstance(granted, PersonChanged)
    assert isinstance(revoked, PersonChanged)
    assert (granted.sequence, granted.roles) == (2, (str(role),))
    assert (revoked.sequence, revoked.roles) == (3, ())
    with access.snapshot() as session:
        grant = session.scalars(sa.select(RoleGrant).where(RoleGrant.person_id == ben.id)).one()
    assert (grant.granted_by, grant.revoked_by) == (root.id, root.id)


def test_a_role_can_be_given_again_after_it_was_taken(access: Instance, ben: Person) -> None:
    role = Role(RoleName.FUNDER, "tartu")
    for _ in range(2):
        with access.begin(now=MONDAY) as uow:
            people.grant_role(uow, ben.id, role=role)
        with access.begin(now=MONDAY) as uow:
            people.revoke_role(uow, ben.id, role=role)
    with access.snapshot() as session:
        assert queries.roles_of(session, ben.id) == []


def test_only_administrators_give_and_take_roles(access: Instance, ada: Person, ben: Person) -> None:
    for change in (people.grant_role, people.revoke_role):
        with pytest.raises(Forbidden), access.begin(actor=acting(access, ada)) as uow:
            change(uow, ada.id, role=Role(RoleName.ADMINISTRATOR))
        with pytest.raises(Unauthorised), access.begin(actor=ANONYMOUS) as uow:
            change(uow, ada.id, role=Role(RoleName.ADMINISTRATOR))


def test_a_role_is_of_something_and_somebody_that_is(access: Instance, ben: Person) -> None:
    with pytest.raises(RoleRefused), access.begin() as uow:
        people.grant_role(uow, ben.id, role=Role(RoleName.MEMBER, str(uuid4())))
    with pytest.raises(NoSuchPerson), access.begin() as uow:
        people.grant_role(uow, uuid4(), role=Role(RoleName.ADMINISTRATOR))
    with pytest.raises(NoSuchRole), access.begin() as uow:
        people.revoke_role(uow, ben.id, role=Role(RoleName.FUNDER, "tartu"))


def test_the_last_administrator_stays(access: Instance, root: Person, ben: Person) -> None:
    with pytest.raises(LastAdministrator), access.begin() as uow:
        people.revoke_role(uow, root.id, role=Role(RoleName.ADMINISTRATOR))
    with pytest.raises(LastAdministrator), access.begin() as uow:
        people.set_active(uow, root.id, active=False)
    with access.begin() as uow:
        people.grant_role(uow, ben.id, role=Role(RoleName.ADMINISTRATOR))
    with access.begin() as uow:
        people.set_active(uow, root.id, active=False)


@pytest.mark.parametrize("how", ["revoke", "lock out", "both"])
def test_of_two_administrators_who_remove_one_another_one_stays(
    access: Instance, root: Person, ben: Person, how: str
) -> None:
    with access.begin() as uow:
        people.grant_role(uow, ben.id, role=Role(RoleName.ADMINISTRATOR))
    barrier, refused = Barrier(2), []

    def remove(person: Person) -> None:
        barrier.wait()
        try:
            with access.begin() as uow:
                if how == "revoke" or (how == "both" and person is ben):
                    people.revoke_role(uow, person.id, role=Role(RoleName.ADMINISTRATOR))
                else:
                    people.set_active(uow, person.id, active=False)
        except LastAdministrator:
            refused.append(person.id)

    threads = [Thread(target=remove, args=(person,)) for person in (root, ben)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 1


def test_who_is_locked_out_is_told_inactive_and_cannot_sign_in_or_go_on(access: Instance, ben: Person) -> None:
    issued = attempt(access, ben.email, PASSWORD)
    with access.begin(now=MONDAY) as uow:
        people.set_active(uow, ben.id, active=False)
        people.set_active(uow, ben.id, active=False)
        (changed,) = emitted(uow)
    assert isinstance(changed, PersonChanged)
    assert not changed.active
    assert renew(access, issued.refresh_token, later=timedelta(minutes=1)) is None
    with pytest.raises(WrongCredentials):
        attempt(access, ben.email, PASSWORD)
    with access.begin(now=MONDAY) as uow:
        people.set_active(uow, ben.id, active=True)
    assert renew(access, issued.refresh_token, later=timedelta(minutes=1)) is None  # sessions stay ended
    attempt(access, ben.email, PASSWORD)


def test_who_changes_their_password_keeps_the_session_they_do_it_in(access: Instance, ben: Person) -> None:
    kept, other = attempt(access, ben.email, PASSWORD), attempt(access, ben.email, PASSWORD)
    with pytest.raises(WrongPassword), access.begin(actor=acting(access, ben)) as uow:
        people.change_password(uow, present=OTHER_PASSWORD, password=OTHER_PASSWORD)
    with pytest.raises(WeakPassword), access.begin(actor=acting(access, ben)) as uow:
        people.change_password(uow, present=PASSWORD, password="ben sample 1234")
    with access.begin(actor=acting(access, ben), now=MONDAY) as uow:
        people.change_password(uow, present=PASSWORD, password=OTHER_PASSWORD, keep_session=kept.session_id)
    assert renew(access, other.refresh_token, later=timedelta(minutes=1)) is None
    assert renew(access, kept.refresh_token, later=timedelta(minutes=1))
    with pytest.raises(WrongCredentials):
        attempt(access, ben.email, PASSWORD)
    attempt(access, ben.email, OTHER_PASSWORD)


def test_nobody_keeps_a_session_of_somebody_else(access: Instance, ben: Person, ada: Person) -> None:
    hers = attempt(access, ada.email, PASSWORD)
    with access.begin(actor=acting(access, ben), now=MONDAY) as uow:
        people.change_password(uow, present=PASSWORD, password=OTHER_PASSWORD, keep_session=hers.session_id)
    assert renew(access, hers.refresh_token, later=timedelta(minutes=1))


def test_the_first_administrator_is_made_once(make_instance: Callable[..., Instance]) -> None:
    access = make_instance(SERVICE, admin_email="First@Installation.example", admin_password=PASSWORD)
    SERVICE.prepare(access)
    (changed,) = told(access)
    assert isinstance(changed, PersonChanged)
    assert (changed.email, changed.roles) == ("first@installation.example", ("administrator",))
    attempt(access, changed.email, PASSWORD)


# Organisations


def test_administrators_of_an_organisation_change_it_and_members_do_not(
    access: Instance, ada: Person, ben: Person
) -> None:
    owl = own_organisation(access, ada)
    with access.begin(actor=acting(access, ada), now=MONDAY) as uow:
        organisations.add_member(uow, owl, email="BEN@person.example")
    with access.begin(actor=acting(access, ada), now=MONDAY) as uow:
        organisations.change_organisation(uow, owl, name="Owl & Sons", country="LV", nuts_code="LV008")
        (changed,) = emitted(uow)
    assert isinstance(changed, OrganisationChanged)
    assert (changed.sequence, changed.name, changed.nuts_code) == (2, "Owl & Sons", "LV008")
    with pytest.raises(Forbidden), access.begin(actor=acting(access, ben)) as uow:
        organisations.change_organisation(uow, owl, name="Ben's")
    with pytest.raises(OrganisationRefused), access.begin(actor=acting(access, ada)) as uow:
        organisations.change_organisation(uow, owl, country="SE")


def test_to_strangers_an_organisation_does_not_exist(access: Instance, ada: Person, ben: Person) -> None:
    owl = own_organisation(access, ada)
    for organisation_id in (owl, uuid4()):
        with pytest.raises(NoSuchOrganisation), access.begin(actor=acting(access, ben)) as uow:
            organisations.change_organisation(uow, organisation_id, name="Mine")
        with pytest.raises(NoSuchOrganisation), access.begin(actor=acting(access, ben)) as uow:
            organisations.declare_size(uow, organisation_id, figures=Figures(2030, 1, 1, 1))
        with pytest.raises(NoSuchOrganisation), access.begin(actor=acting(access, ben)) as uow:
            organisations.remove_member(uow, organisation_id, ben.id)


def test_what_kind_it_is_only_the_installation_changes(access: Instance, ada: Person, root: Person) -> None:
    owl = own_organisation(access, ada)
    with access.begin(actor=acting(access, ada), now=MONDAY) as uow:
        organisations.declare_size(uow, owl, figures=Figures(2030, 9, 100, 100))
    with pytest.raises(Forbidden), access.begin(actor=acting(access, ada)) as uow:
        organisations.change_organisation(uow, owl, kind=OrganisationKind.UNIVERSITY)
    with access.begin(actor=acting(access, root)) as uow:
        changed = organisations.change_organisation(uow, owl, kind=OrganisationKind.UNIVERSITY)
        assert changed.size_class is None
    with access.begin(actor=acting(access, root)) as uow:
        changed = organisations.change_organisation(uow, owl, kind=OrganisationKind.COMPANY)
        assert changed.size_class is SizeClass.MICRO


def test_each_declaration_is_kept_with_the_class_from_then_on(access: Instance, ada: Person) -> None:
    owl = own_organisation(access, ada)
    for year, staff in ((2028, 5), (2029, 20), (2030, 20)):
        with access.begin(actor=acting(access, ada), now=MONDAY + timedelta(days=year)) as uow:
            organisations.declare_size(uow, owl, figures=Figures(year, staff, 100, None))
            (changed,) = emitted(uow)
    assert isinstance(changed, OrganisationChanged)
    assert (changed.sequence, changed.size_class) == (4, "small")
    with access.snapshot() as session:
        declared = queries.declarations_of(session, owl)
    assert [each.size_class for each in declared] == [SizeClass.MICRO, SizeClass.MICRO, SizeClass.SMALL]


def test_members_come_and_go(access: Instance, ada: Person, ben: Person) -> None:
    owl = own_organisation(access, ada)
    with access.begin(actor=acting(access, ada), now=MONDAY) as uow:
        organisations.add_member(uow, owl, email=ben.email, admin=True)
        (joined,) = emitted(uow)
    assert isinstance(joined, PersonChanged)
    assert joined.roles == (f"member@{owl}", f"organisation_admin@{owl}")
    with access.snapshot() as session:
        members = queries.members_of(session, owl)
    assert [(each.name, each.is_admin) for each in members] == [("Ada Example", True), ("Ben Sample", True)]
    with access.begin(actor=acting(access, ben), now=MONDAY) as uow:
        organisations.remove_member(uow, owl, ada.id)
    with pytest.raises(LastAdministrator), access.begin(actor=acting(access, ben)) as uow:
        organisations.remove_member(uow, owl, ben.id)
    with pytest.raises(NoSuchMember), access.begin(actor=acting(access, ben)) as uow:
        organisations.remove_member(uow, owl, ada.id)


def test_a_member_may_leave_and_remove_nobody_else(access: Instance, ada: Person, ben: Person) -> None:
    owl = own_organisation(access, ada)
    with access.begin(actor=acting(access, ada)) as uow:
        organisations.add_member(uow, owl, email=ben.email)
    with pytest.raises(Forbidden), access.begin(actor=acting(access, ben)) as uow:
        organisations.remove_member(uow, owl, ada.id)
    with access.begin(actor=acting(access, ben)) as uow:
        organisations.remove_member(uow, owl, ben.id)
    assert acting(access, ben).organisations == frozenset()


def test_only_who_has_registered_can_be_added(access: Instance, ada: Person) -> None:
    with pytest.raises(NoSuchMember), access.begin(actor=acting(access, ada)) as uow:
        organisations.add_member(uow, own_organisation(access, ada), email="nobody@owl.example")


def test_administrators_enter_and_close_organisations(access: Instance, root: Person, ada: Person) -> None:
    wanted = uuid4()
    with access.begin(actor=acting(access, root)) as uow:
        host = organisations.add_organisation(uow, organisation=OWL_WORKS, organisation_id=wanted)
        assert host.id == wanted
        organisations.set_active(uow, wanted, active=False)
        _, closed = emitted(uow)
    assert isinstance(closed, OrganisationChanged)
    assert (closed.sequence, closed.active) == (2, False)
    with pytest.raises(Forbidden), access.begin(actor=acting(access, ada)) as uow:
        organisations.add_organisation(uow, organisation=OWL_WORKS)


# Signing in and going on


def test_a_token_says_who_somebody_is_and_what_they_may(access: Instance, ada: Person) -> None:
    with access.begin(now=utc_now()) as uow:
        issued = sessions.open_session(uow, queries.person(uow.session, ada.id))
    actor = access.tokens.read(issued.access_token)
    assert actor == acting(access, ada)
    assert issued.expires_in == 900


@pytest.mark.parametrize("password", [OTHER_PASSWORD, "", "\0", "x" * 100_000])
def test_a_wrong_password_is_refused(access: Instance, ben: Person, password: str) -> None:
    with pytest.raises(WrongCredentials):
        attempt(access, ben.email, password)


def test_after_five_failures_an_account_waits_longer_each_time(access: Instance, ben: Person) -> None:
    for _ in range(5):
        with pytest.raises(WrongCredentials):
            attempt(access, ben.email, OTHER_PASSWORD)
    with pytest.raises(limits.TooManyAttempts) as refusal:
        attempt(access, ben.email, PASSWORD)
    assert refusal.value.details["retry_after"] == 30
    with pytest.raises(WrongCredentials):
        attempt(access, ben.email, OTHER_PASSWORD, later=timedelta(seconds=30))
    with pytest.raises(limits.TooManyAttempts):
        attempt(access, ben.email, PASSWORD, later=timedelta(seconds=89))
    attempt(access, ben.email, PASSWORD, later=timedelta(seconds=90))
    with pytest.raises(WrongCredentials):  # signing in begins the count anew
        attempt(access, ben.email, OTHER_PASSWORD, later=timedelta(seconds=91))
    attempt(access, ben.email, PASSWORD, later=timedelta(seconds=92))


def test_an_unknown_address_is_refused_in_the_same_way(access: Instance) -> None:
    for _ in range(5):
        with pytest.raises(WrongCredentials):
            attempt(access, "nobody@owl.example", PASSWORD)
    with pytest.raises(limits.TooManyAttempts):
        attempt(access, "nobody@owl.example", PASSWORD)


def test_a_network_address_that_tries_many_accounts_waits(access: Instance, ben: Person) -> None:
    for number in range(limits.FREE_PER_ADDRESS):
        with pytest.raises(WrongCredentials):
            attempt(access, f"guess{number}@owl.example", PASSWORD)
    with pytest.raises(limits.TooManyAttempts):
        attempt(access, ben.email, PASSWORD)


def test_who_signs_in_often_is_never_made_to_wait(access: Instance, ben: Person) -> None:
    for _ in range(limits.FREE_PER_ADDRESS + 5):
        attempt(access, ben.email, PASSWORD)


def test_attempts_made_side_by_side_are_all_counted(access: Instance, ben: Person) -> None:
    outcomes, barrier = [], Barrier(12)

    def guess() -> None:
        barrier.wait()
        try:
            with access.begin(actor=ANONYMOUS, now=MONDAY) as uow:
                sessions.attempt_sign_in(uow, email=ben.email, address=ADDRESS)
            outcomes.append("counted")
        except limits.TooManyAttempts:
            outcomes.append("refused")

    threads = [Thread(target=guess) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count("counted") == limits.FREE_PER_ACCOUNT


def test_a_password_changed_while_it_was_checked_is_of_no_use(access: Instance, ben: Person) -> None:
    with access.begin(actor=ANONYMOUS, now=MONDAY) as uow:
        counted = sessions.attempt_sign_in(uow, email=ben.email, address=ADDRESS)
    with access.begin(actor=acting(access, ben), now=MONDAY) as uow:
        people.change_password(uow, present=PASSWORD, password=OTHER_PASSWORD)
    with pytest.raises(WrongCredentials), access.begin(actor=ANONYMOUS, now=MONDAY) as uow:
        sessions.sign_in(uow, counted, password=PASSWORD)
    with pytest.raises(WrongCredentials), access.begin(actor=ANONYMOUS, now=MONDAY) as uow:
        sessions.sign_in(uow, SignIn("x@owl.example", ADDRESS, None, None), password=PASSWORD)


def test_a_session_goes_on_with_each_new_token_and_tells_new_roles(access: Instance, ben: Person) -> None:
    issued = attempt(access, ben.email, PASSWORD)
    with access.begin() as uow:
        people.grant_role(uow, ben.id, role=Role(RoleName.FUNDER, "tartu"))
    renewed = renew(access, issued.refresh_token, later=timedelta(minutes=15))
    assert renewed
    assert renewed.session_id == issued.session_id
    assert renewed.refresh_token != issued.refresh_token
    again = renew(access, renewed.refresh_token, later=timedelta(minutes=30))
    assert again
    with access.snapshot() as session:
        (present,) = queries.sessions_of(session, ben.id, MONDAY)
    assert present.last_used_at == MONDAY + timedelta(minutes=30)


def test_a_refresh_token_that_comes_again_ends_its_session(access: Instance, ben: Person) -> None:
    first = attempt(access, ben.email, PASSWORD)
    second = renew(access, first.refresh_token, later=timedelta(minutes=1))
    assert second
    assert renew(access, first.refresh_token, later=timedelta(minutes=2)) is None
    assert renew(access, second.refresh_token, later=timedelta(minutes=3)) is None


def test_two_tabs_may_renew_at_once(access: Instance, ben: Person) -> None:
    first = attempt(access, ben.email, PASSWORD)
    grace = timedelta(seconds=20)
    one = renew(access, first.refresh_token, later=timedelta(minutes=1), grace=grace)
    two = renew(access, first.refresh_token, later=timedelta(minutes=1, seconds=20), grace=grace)
    assert one
    assert two
    assert renew(access, one.refresh_token, later=timedelta(minutes=2), grace=grace)
    assert renew(access, first.refresh_token, later=timedelta(minutes=2), grace=grace) is None


def test_of_many_that_use_one_refresh_token_at_once_one_does(access: Instance, ben: Person) -> None:
    first, barrier, renewed = attempt(access, ben.email, PASSWORD), Barrier(6), []

    def use() -> None:
        barrier.wait()
        renewed.append(renew(access, first.refresh_token, later=timedelta(minutes=1)))

    threads = [Thread(target=use) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([each for each in renewed if each]) == 1
    with access.snapshot() as session:
        assert session.get_one(SignInSession, first.session_id).revoked_at


@pytest.mark.parametrize(
    "later", [tokens.SESSION_IDLE, tokens.SESSION_IDLE + timedelta(days=1)], ids=["idle", "long gone"]
)
def test_a_session_nobody_used_is_over(access: Instance, ben: Person, later: timedelta) -> None:
    issued = attempt(access, ben.email, PASSWORD)
    assert renew(access, issued.refresh_token, later=later) is None


def test_a_session_ends_after_twelve_hours_however_busy(access: Instance, ben: Person) -> None:
    issued: Tokens | None = attempt(access, ben.email, PASSWORD)
    for hour in range(1, 12):
        assert issued
        issued = renew(access, issued.refresh_token, later=timedelta(hours=hour))
    assert issued
    assert renew(access, issued.refresh_token, later=timedelta(hours=12)) is None


@pytest.mark.parametrize("token", ["", "ifs_", "\0", "é" * 500])
def test_what_is_no_refresh_token_renews_nothing(access: Instance, token: str) -> None:
    assert renew(access, token, later=timedelta()) is None


def test_people_end_their_own_sessions_and_no_others(access: Instance, ada: Person, ben: Person) -> None:
    issued = attempt(access, ben.email, PASSWORD)
    for session_id in (issued.session_id, uuid4()):
        with pytest.raises(NoSuchSession), access.begin(actor=acting(access, ada)) as uow:
            sessions.end_session(uow, session_id)
    with access.begin(actor=acting(access, ben)) as uow:
        sessions.end_session(uow, issued.session_id)
    assert renew(access, issued.refresh_token, later=timedelta(minutes=1)) is None


# Keys


def test_of_many_who_find_no_key_one_makes_it(access: Instance) -> None:
    with access.begin() as uow:
        uow.session.execute(sa.delete(SigningKey))
    barrier, found = Barrier(4), []

    def look() -> None:
        barrier.wait()
        with access.begin(now=MONDAY) as uow:
            found.append(keys.signing_key(uow).kid)

    threads = [Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1


def test_only_the_public_half_of_a_key_is_published(access: Instance) -> None:
    with access.snapshot() as session:
        (key,) = queries.public_keys(session)["keys"]
    assert key.keys() == {"kty", "use", "alg", "kid", "n", "e"}
