"""How often somebody may try to sign in: five failures, then a delay that doubles."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from ipaddress import IPv6Address, ip_address
from math import ceil

from shared.errors import TooMany

FREE_PER_ACCOUNT = 5
FREE_PER_ADDRESS = 20  # a whole institute may sit behind one address
FIRST_DELAY = timedelta(seconds=30)
LONGEST_DELAY = timedelta(minutes=15)  # no stranger can shut somebody out for longer
FORGOTTEN_AFTER = timedelta(days=1)


class TooManyAttempts(TooMany):
    code = "too-many-attempts"


@dataclass(frozen=True, slots=True)
class Limit:
    """One thing that attempts are counted by: the account tried, or the address it is tried from."""

    key: str
    free: int

    def delay(self, failures: int) -> timedelta:
        """How long to wait after so many failures: nothing at first, then 30 s, 1 min, … 15 min."""
        if failures < self.free:
            return timedelta()
        doublings = min(failures - self.free, 10)  # beyond that it is the longest delay anyway
        return min(FIRST_DELAY * (1 << doublings), LONGEST_DELAY)


def limits_of(*, account: str, address: str) -> tuple[Limit, Limit]:
    """The limits of one attempt, in the order in which they are to be locked.

    Accounts are kept as a digest: people type passwords into the wrong field.
    """
    digest = sha256(account.encode()).hexdigest()[:32]
    return Limit(f"account:{digest}", FREE_PER_ACCOUNT), Limit(f"address:{_network(address)}", FREE_PER_ADDRESS)


def _network(address: str) -> str:
    """An IPv6 user owns a /64 and can try from all of it."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(parsed, IPv6Address) and not parsed.ipv4_mapped:
        return f"{IPv6Address(int(parsed) >> 64 << 64)}/64"
    return str(getattr(parsed, "ipv4_mapped", None) or parsed)


def check_limit(blocked_until: datetime | None, *, now: datetime) -> None:
    """Raise `TooManyAttempts`, with the seconds to wait, while attempts are blocked."""
    if blocked_until and blocked_until > now:
        seconds = ceil((blocked_until - now).total_seconds())
        raise TooManyAttempts(f"Too many attempts. Try again in {_in_words(seconds)}.", retry_after=seconds)


def _in_words(seconds: int) -> str:
    if seconds < 90:
        return f"{seconds} seconds" if seconds > 1 else "one second"
    return f"{ceil(seconds / 60)} minutes"
