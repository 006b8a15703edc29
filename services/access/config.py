"""Settings of the access service, beside the common ones."""

from __future__ import annotations

from dataclasses import dataclass

from shared.config import Config


@dataclass(frozen=True, kw_only=True)
class AccessConfig(Config):
    """The first administrator: entered by `migrate` where both are set and the address is new."""

    admin_email: str = ""
    admin_password: str = ""
