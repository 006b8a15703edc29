"""The door to the mail server, chosen by the scheme of its address.

smtp://host:port                  as it is, for a server in the same network; no password
smtp+tls://user:password@host     STARTTLS is demanded, the certificate checked
smtps://user:password@host        TLS from the first byte, the certificate checked
file:FOLDER                       nothing leaves: each mail becomes a file that mail programs open
"""

from __future__ import annotations

import re
import smtplib
import ssl
from email.message import EmailMessage
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self
from urllib.parse import SplitResult, unquote, urlsplit

TIMEOUT = 10.0  # seconds, for each answer of the server
PORTS = {"smtp": 25, "smtp+tls": 587, "smtps": 465}


class NotSent(Exception):
    """The server did not take a mail. Answers below 500 and silence may change; the rest will not."""

    def __init__(self, detail: str, *, code: int | None = None, final: bool = False, down: bool = False) -> None:
        super().__init__(detail)
        self.code = code  # of the server; None: it did not answer
        self.final = final  # trying again is of no use
        self.down = down  # it is not about this mail: the next one would fare no better


class Post(Protocol):
    """Takes mails, one after the other, over one connection where there is one."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def send(self, mail: EmailMessage) -> None:
        """Return when the mail is safe on the other side. Raises `NotSent`.

        After a time-out the other side may have it all the same; its Message-ID lets readers see that
        the second copy is one.
        """


def open_post(url: str) -> Post:
    """The way out that `url` names. Raises `ValueError` if it names none."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        return FilePost(Path(unquote(parts.netloc + parts.path)))
    if parts.scheme in PORTS and parts.hostname:
        if parts.password and parts.scheme == "smtp":
            raise ValueError("a password needs smtp+tls:// or smtps://, or everybody could read it")
        return SmtpPost(parts)
    raise ValueError("mail leaves by smtp://, smtp+tls://, smtps:// or file:")


class SmtpPost:
    """One connection for a batch of mails, opened with the first, opened again when it broke."""

    def __init__(self, server: SplitResult) -> None:
        self._server = server
        self._connection: smtplib.SMTP | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._connection:
            try:
                self._connection.quit()
            except (smtplib.SMTPException, OSError):
                self._connection.close()

    def send(self, mail: EmailMessage) -> None:
        try:
            connection = self._connection = self._connection or self._connect()
        except (smtplib.SMTPException, OSError) as error:  # whatever it says: it is not about this mail
            raise NotSent(_said(error), code=_code(error), down=True) from error
        try:
            connection.send_message(mail)
        except (smtplib.SMTPException, OSError) as error:
            code = _code(error)
            if code is None or code == 421:  # silence, or good-bye: this connection is over
                self._drop()
            raise NotSent(_said(error), code=code, final=code is not None and code >= 500, down=code is None) from error

    def _connect(self) -> smtplib.SMTP:
        scheme, host = self._server.scheme, self._server.hostname or ""
        port = self._server.port or PORTS[scheme]
        if scheme == "smtps":
            context = ssl.create_default_context()
            connection: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=TIMEOUT, context=context)
        else:
            connection = smtplib.SMTP(host, port, timeout=TIMEOUT)
        try:
            if scheme == "smtp+tls":
                connection.starttls(context=ssl.create_default_context())
            if self._server.username:
                connection.login(unquote(self._server.username), unquote(self._server.password or ""))
        except (smtplib.SMTPException, OSError):
            connection.close()
            raise
        return connection

    def _drop(self) -> None:
        if self._connection:
            self._connection.close()
            self._connection = None


class FilePost:
    """Keeps each mail as one `.eml` file. The same mail sent again is the same file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing is kept open."""

    def send(self, mail: EmailMessage) -> None:
        path = self._folder / file_name(mail)
        unfinished = path.with_suffix(".part")
        try:
            unfinished.write_bytes(mail.as_bytes())
            unfinished.replace(path)
        except OSError as error:
            raise NotSent(_said(error), down=True) from error


def file_name(mail: EmailMessage) -> str:
    """Sorted by time, readable, and the same for the same mail."""
    moment = mail["Date"].datetime.strftime("%Y-%m-%dT%H%M%SZ")
    words = re.sub(r"[^a-z0-9]+", "-", str(mail["Subject"]).lower()).strip("-")[:60].rstrip("-")
    unique = re.sub(r"[^0-9a-f-]", "", str(mail["Message-ID"]).partition("@")[0])[:13]
    return f"{moment}_{words}_{unique}.eml"


def _code(error: Exception) -> int | None:
    """What the server answered, if it did; 0 and -1 are smtplib's own words for silence."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        code = next((code for code, _ in error.recipients.values()), 0)
    else:
        code = error.smtp_code if isinstance(error, smtplib.SMTPResponseException) else 0
    return code if code >= 400 else None


def _said(error: Exception) -> str:
    """The server's words, or what went wrong, in one line."""
    said: bytes | str
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        said = next((text for _, text in error.recipients.values()), "")
    elif isinstance(error, smtplib.SMTPResponseException):
        said = error.smtp_error
    else:
        said = str(error) or type(error).__name__
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())[:255]
