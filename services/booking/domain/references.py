"""Short references of bookings, such as `B7K2-9QXM`, that can be read over the telephone."""

from __future__ import annotations

import re
import secrets

# No vowels, so that no words appear, and nothing that looks like something else (0 and O, 1 and I and L).
ALPHABET = "23456789BCDFGHJKMNPQRSTVWXYZ"
_PATTERN = re.compile(f"[{ALPHABET}]{{4}}-[{ALPHABET}]{{4}}")


def new_reference() -> str:
    """A reference chosen by chance; whether it is taken only the database knows."""
    letters = "".join(secrets.choice(ALPHABET) for _ in range(8))
    return f"{letters[:4]}-{letters[4:]}"


def parse_reference(text: str) -> str | None:
    """The reference somebody typed, however they wrote it; None if it cannot be one."""
    letters = re.sub(r"[\s-]", "", text).upper()
    reference = f"{letters[:4]}-{letters[4:]}"
    return reference if _PATTERN.fullmatch(reference) else None
