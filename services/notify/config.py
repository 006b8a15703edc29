"""Settings of the notify service, beside the common ones."""

from __future__ import annotations

from dataclasses import dataclass

from shared.config import Config


@dataclass(frozen=True, kw_only=True)
class NotifyConfig(Config):
    """How mail leaves, and in whose name."""

    # smtp://host:port | smtp+tls://user:password@host:port | smtps://user:password@host:port | file:FOLDER
    smtp_url: str = "smtp://localhost:1025"
    mail_sender: str = "bookings@infrashare.example"
    time_zone: str = "Europe/Brussels"  # of dates that belong to no facility, such as when a notice came
