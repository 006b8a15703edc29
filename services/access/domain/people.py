"""People: how they are told apart, what password they may choose, and what proves it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from threading import BoundedSemaphore
from uuid import UUID

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from shared.errors import Conflict, Fault, Forbidden, Invalid, NotFound, Unauthorised

LANGUAGES = ("en", "cs", "de", "et", "fr", "it", "lv", "nl", "sv")
PASSWORD_MIN, PASSWORD_MAX = 12, 200
PRODUCT = "infrashare"
TELLING_PART = 4  # shorter parts of a name say nothing: half of all passwords contain an "Al" or "van"


class NoSuchPerson(NotFound):
    code = "no-such-person"


class EmailTaken(Conflict):
    """Somebody has registered with this address already."""

    code = "email-taken"


class WeakPassword(Invalid):
    code = "weak-password"


class RoleRefused(Invalid):
    code = "role-refused"


class NoSuchRole(NotFound):
    code = "no-such-role"


class WrongCredentials(Unauthorised):
    """Unknown address, wrong password, or not active: which of them is nobody's business."""

    code = "wrong-credentials"


class WrongPassword(Forbidden):
    """Somebody signed in did not repeat their password where it is asked for."""

    code = "wrong-password"


class NoSuchSession(NotFound):
    code = "no-such-session"


class SessionOver(Unauthorised):
    code = "session-over"


def email_key(email: str) -> str:
    """The form in which an address is kept and compared: capital letters make no difference."""
    return unicodedata.normalize("NFC", email.strip()).casefold()


# Of twelve characters and more; anything shorter is refused for its length.
_COMMON = frozenset(
    """
    123456789012 1234567890123 12345678901234 123456789123 123123123123 112233445566 987654321098
    abcdefghijkl abcdefghijklm abcd1234abcd abc123abc123 qwertyuiop12 qwertyuiop123 qwertyuiopas
    qwertyuiopasdfghjkl qwertzuiopasdfghjkl asdfghjkl123 asdfghjklzxc 1qaz2wsx3edc 1qaz2wsx3edc4rfv
    1q2w3e4r5t6y 1q2w3e4r5t6y7u q1w2e3r4t5y6 zaq12wsxcde3 qazwsxedcrfv passwordpassword password1234
    password12345 password123456 password2024 password2025 password2026 mypassword123 thepassword1
    passw0rd1234 p@ssw0rd1234 p@ssword1234 p@ssword123! password123! password1234! welcome12345
    welcome123456 welcome2025! welcome2026! letmein12345 letmein123456 changeme1234 changeme12345
    changemenow! administrator administrator1 administrator123 admin1234567 adminadmin12 adminadminadmin
    iloveyou1234 iloveyou12345 iloveyouforever sunshine1234 princess1234 football1234 baseball1234
    superman1234 dragon123456 monkey123456 michael12345 trustno1trustno1 correcthorsebatterystaple
    laboratory12 laboratory123 laboratory1234 microscope12 microscope123 microscope1234 researchlab1
    university12 university123 university1234 secretsecret secret123456 topsecret123 testtesttest
    test12345678 testing12345 testpassword testpassword1 defaultpassword temporary123 temppassword1
    """.split()  # noqa: SIM905 (a block of words is read and extended more easily than a list)
)


def check_password(password: str, *, name: str, email: str) -> None:
    """Raise `WeakPassword`, naming every reason, unless `password` is good enough for this person."""
    folded = unicodedata.normalize("NFKC", password).casefold()
    faults = []
    if not PASSWORD_MIN <= len(password) <= PASSWORD_MAX:
        detail = f"Use between {PASSWORD_MIN} and {PASSWORD_MAX} characters; a short sentence is easy to keep."
        numbers = {"min": PASSWORD_MIN, "max": PASSWORD_MAX, "asked": len(password)}
        faults.append(Fault("password-length", detail, "password", numbers))
    elif folded in _COMMON or len(set(folded)) < 5 or _is_run(folded):
        detail = "Choose another one: this is among the first that somebody would try."
        faults.append(Fault("password-common", detail, "password"))
    if PRODUCT in folded:
        faults.append(Fault("password-product", "Leave out the name of this system.", "password"))
    if any(part in folded for part in _own_words(name, email)):
        faults.append(Fault("password-own-name", "Leave out your own name and address.", "password"))
    if faults:
        raise WeakPassword("This password is too easy to guess.", faults=faults)


def _is_run(text: str) -> bool:
    """Whether every character follows the one before, as in `abcdefghijkl` or `210987654321`."""
    steps = {ord(after) - ord(before) for before, after in pairwise(text)}
    return steps <= {1, -9} or steps <= {-1, 9}


def _own_words(name: str, email: str) -> Iterable[str]:
    words = re.split(r"[\W_]+", f"{unicodedata.normalize('NFKC', name)} {email.partition('@')[0]}".casefold())
    return (word for word in words if len(word) >= TELLING_PART)


def _spelt(password: str) -> str:
    """One spelling of what looks the same: two keyboards may write an ä differently."""
    return unicodedata.normalize("NFC", password)


_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_AT_ONCE = BoundedSemaphore(2)  # each takes 19 MiB and a core; a rush must not take the machine
_NOBODY = _HASHER.hash("nobody has this password")


def hash_password(password: str) -> str:
    with _AT_ONCE:
        return _HASHER.hash(_spelt(password))


def proves(password: str, password_hash: str | None) -> bool:
    """Whether `password` is the one that was hashed.

    Where there is no hash because there is no such person, it takes as long to say no.
    """
    try:
        with _AT_ONCE:
            return _HASHER.verify(password_hash or _NOBODY, _spelt(password)) and password_hash is not None
    except (VerificationError, InvalidHashError):
        return False


def is_outdated(password_hash: str) -> bool:
    """Whether the hash was made with other parameters than today's."""
    return _HASHER.check_needs_rehash(password_hash)


@dataclass(frozen=True, slots=True)
class SignIn:
    """One attempt to sign in, counted already: who it may be, and what their password must hash to.

    Checking takes a twentieth of a second on purpose, and is therefore done while no transaction is open.
    """

    email: str
    address: str  # of the network
    person_id: UUID | None  # None: nobody, or nobody who may
    password_hash: str | None = field(repr=False)

    def check(self, password: str) -> None:
        """Raise `WrongCredentials` unless `password` is theirs."""
        if not proves(password, self.password_hash):
            raise WrongCredentials("The address or the password is not right.")
