"""The rules of access: passwords, limits, sizes, codes."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest

from services.access.domain import limits, tokens
from services.access.domain.organisations import (
    Figures,
    OrganisationRefused,
    Seat,
    Sector,
    SizeClass,
    SizeRefused,
    check_organisation,
    size_class_of,
)
from services.access.domain.people import (
    WeakPassword,
    check_password,
    email_key,
    hash_password,
    is_outdated,
    proves,
)
from shared.errors import DomainError
from tests.conftest import MONDAY

MILLION = 100_000_000  # cents


def codes(error: DomainError) -> set[str]:
    return {fault.code for fault in error.faults}


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("short", "password-length"),
        ("x" * 201, "password-length"),
        ("password1234", "password-common"),
        ("PassWord1234", "password-common"),
        ("abcdefghijklmno", "password-common"),
        ("987654321098765", "password-common"),
        ("aaaaaaaabbbbbbbb", "password-common"),
        ("my infrashare key", "password-product"),
        ("ＩｎｆｒａＳｈａｒｅ for me", "password-product"),
        ("lovelace was here", "password-own-name"),
        ("the countess of ada.l", "password-own-name"),
    ],
)
def test_a_password_that_is_easy_to_guess_is_refused(password: str, code: str) -> None:
    with pytest.raises(WeakPassword) as refusal:
        check_password(password, name="Ada Lovelace", email="countess@owl.example")
    assert code in codes(refusal.value)


def test_all_reasons_against_a_password_are_named_at_once() -> None:
    with pytest.raises(WeakPassword) as refusal:
        check_password("Infrashare!", name="", email="")
    assert codes(refusal.value) == {"password-length", "password-product"}


@pytest.mark.parametrize(
    "password", ["seven boats on a lake", "кошка на крыше", "🦉🌲🏔️🛶🌊🔭🧪🔬🪵🌧️🐟🧭", "x9$Tq!m2Lw@p"]
)
def test_any_characters_will_do(password: str) -> None:
    check_password(password, name="Al Bo", email="x@owl.example")
    assert proves(password, hash_password(password))


def test_two_spellings_of_one_password_are_one() -> None:
    assert proves("a\u0308pfel und birnen", hash_password("\u00e4pfel und birnen"))


def test_nobody_has_no_password() -> None:
    assert not proves("nobody has this password", None)
    assert not proves("anything at all", "not a hash")


def test_hashes_have_todays_parameters() -> None:
    hashed = hash_password("seven boats on a lake")
    assert "$m=19456,t=2,p=1$" in hashed
    assert not is_outdated(hashed)
    assert is_outdated(hashed.replace("m=19456", "m=8192"))


def test_capitals_make_no_other_address() -> None:
    assert email_key(" Ada@Owl.Example ") == "ada@owl.example"


def test_a_delay_doubles_from_the_fifth_failure_up_to_a_quarter_of_an_hour() -> None:
    account, _ = limits.limits_of(account="a", address="192.0.2.1")
    delays = [account.delay(failures).total_seconds() for failures in range(4, 13)]
    assert delays == [0, 30, 60, 120, 240, 480, 900, 900, 900]
    assert account.delay(10**9) == limits.LONGEST_DELAY


def test_an_account_is_not_kept_in_the_clear() -> None:
    account, _ = limits.limits_of(account="ada@owl.example", address="192.0.2.1")
    assert "ada" not in account.key


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("", "not an address", True),
    ],
)
def test_addresses_of_one_owner_are_counted_together(one: str, other: str, same: bool) -> None:
    keys = [limits.limits_of(account="a", address=address)[1].key for address in (one, other)]
    assert (keys[0] == keys[1]) is same


def test_while_blocked_the_refusal_says_how_long() -> None:
    limits.check_limit(MONDAY, now=MONDAY)
    with pytest.raises(limits.TooManyAttempts) as refusal:
        limits.check_limit(MONDAY + timedelta(seconds=90.5), now=MONDAY)
    assert refusal.value.details == {"retry_after": 91}
    assert "2 minutes" in str(refusal.value)


@pytest.mark.parametrize(
    ("staff", "turnover", "balance", "size"),
    [
        (9, 2 * MILLION, 2 * MILLION, "micro"),
        (9, 2 * MILLION + 1, 2 * MILLION, "micro"),  # one of the two money tests is enough
        (9, 2 * MILLION + 1, 2 * MILLION + 1, "small"),
        (10, 0, 0, "small"),  # the staff test is not
        (49, 10 * MILLION, None, "small"),
        (50, 10 * MILLION, None, "medium"),
        (249, 50 * MILLION, 10**15, "medium"),
        (249, 50 * MILLION + 1, 43 * MILLION, "medium"),
        (249, 50 * MILLION + 1, 43 * MILLION + 1, "small_mid_cap"),
        (250, 0, 0, "small_mid_cap"),
        (749, 150 * MILLION, None, "small_mid_cap"),
        (750, 0, 0, "large"),
        (1, 10**15, None, "large"),
    ],
)
def test_the_class_follows_from_staff_and_one_money_test(
    staff: int, turnover: int | None, balance: int | None, size: str
) -> None:
    assert Figures(2030, staff, turnover, balance).size_class == SizeClass(size)


def year(year: int, staff: int) -> Figures:
    return Figures(year, staff, 0, 0)


@pytest.mark.parametrize(
    ("declared", "size"),
    [
        ([], None),
        ([year(2028, 5)], "micro"),
        ([year(2028, 5), year(2029, 20)], "micro"),  # one year beyond a ceiling changes nothing
        ([year(2028, 5), year(2029, 20), year(2030, 20)], "small"),
        ([year(2028, 5), year(2029, 20), year(2030, 5), year(2031, 20)], "micro"),
        ([year(2028, 5), year(2029, 20), year(2030, 300)], "small"),  # beyond micro twice, beyond small once
        ([year(2028, 300), year(2029, 20), year(2030, 5)], "small"),
        ([year(2028, 300), year(2029, 300), year(2030, 5)], "small_mid_cap"),
        ([year(2028, 5), year(2030, 20)], "small"),  # nothing is known of the year between
        ([year(2029, 20), year(2028, 5)], "micro"),  # the years count, not the order of declaring
        ([year(2029, 20), year(2029, 5)], "micro"),  # a correction
    ],
)
def test_a_class_changes_when_a_ceiling_is_crossed_in_two_years(declared: list[Figures], size: str | None) -> None:
    assert size_class_of(declared) == (SizeClass(size) if size else None)


def test_everything_wrong_with_figures_is_named() -> None:
    with pytest.raises(SizeRefused) as refusal:
        Figures(2032, 1, None, None).check(this_year=2031)
    assert codes(refusal.value) == {"accounts-year", "money-missing"}


@pytest.mark.parametrize("seat", [Seat("EE", "EE008", 2021), Seat("GR", "EL30", 2024), Seat("SE", "SE", 2016)])
def test_a_seat_is_a_country_and_a_region_of_it(seat: Seat) -> None:
    check_organisation(seat, Sector())


@pytest.mark.parametrize(
    ("seat", "sector", "code"),
    [
        (Seat("XX", "XX1", 2021), Sector(), "country-unknown"),
        (Seat("EE", "LV008", 2021), Sector(), "nuts-country"),
        (Seat("GR", "GR30", 2021), Sector(), "nuts-country"),
        (Seat("EE", "EE_08", 2021), Sector(), "nuts-code"),
        (Seat("EE", "ÉÉ008", 2021), Sector(), "nuts-code"),
        (Seat("EE", "EE008", 2022), Sector(), "nuts-version"),
        (Seat("EE", "EE008", 2021), Sector("26.51"), "nace-revision"),
        (Seat("EE", "EE008", 2021), Sector(None, "2"), "nace-code"),
        (Seat("EE", "EE008", 2021), Sector("26.5.1", "2"), "nace-code"),
    ],
)
def test_a_wrong_code_is_named(seat: Seat, sector: Sector, code: str) -> None:
    with pytest.raises(OrganisationRefused) as refusal:
        check_organisation(seat, sector)
    assert code in codes(refusal.value)


@pytest.mark.parametrize("text", ["", "a", "a.b.c", "a.bnVsbA.c", "a.W10.c", "a.eyJzaWQiOjF9.c", "a.é.c"])
def test_what_is_no_token_is_of_no_session(text: str) -> None:
    assert tokens.session_id(text) is None


def test_a_token_names_its_session_and_says_no_more_than_it_must() -> None:
    session_id = uuid4()
    token = tokens.sign(tokens.new_key(), now=MONDAY, session_id=session_id, sub="x", roles=[])
    assert tokens.session_id(token) == session_id


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/140.0 Safari/537.36 Edg/140.0", "Edge on Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/19.0 Safari/604.1", "Safari on iPhone"),
        ("python-requests/2.32.5", "python-requests/2.32.5"),
        ("", "Unknown program"),
    ],
)
def test_a_browser_is_called_what_people_call_it(user_agent: str, name: str) -> None:
    assert tokens.client_name(user_agent) == name
