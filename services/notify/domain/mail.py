"""Mail that is safe to send: one address, clean headers, text first, plain HTML beside it."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from email.header import Header
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import EmailPolicy
from html import escape
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid5

from services.notify.domain.wording import Wording
from shared.errors import Invalid

HEADER_LENGTH = 250
_UNWANTED = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}  # controls, bidi and zero width, halves, unassigned
_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")


class BadAddress(Invalid):
    """No mail can be sent to this address."""

    code = "bad-address"


def clean(text: str, *, keep_lines: bool = False) -> str:
    """`text` without what could hide, reorder or end it; line ends are kept only where asked."""
    spaced = [
        char
        if (keep_lines and char == "\n") or unicodedata.category(char) not in _UNWANTED
        else " "
        if char in "\t\r\n\v\f\x85\u2028\u2029"
        else ""
        for char in text.replace("\r\n", "\n")
    ]
    lines = "".join(spaced).split("\n")
    return "\n".join(" ".join(line.split()) for line in lines)


def header(text: str) -> str:
    """`text` as the value of one header. `=?` is broken up: decoders would read a hidden text out of it."""
    value = clean(text)[:HEADER_LENGTH].strip()
    while "=?" in value:
        value = value.replace("=?", "= ?")
    return value


def address(text: str) -> str:
    """The one plain address in `text`, its domain in ASCII. Raises `BadAddress`."""
    local, at, domain = text.partition("@")
    try:
        ascii_domain = domain.encode("idna").decode("ascii")
    except UnicodeError:
        ascii_domain = ""
    labels = ascii_domain.split(".")
    if not (
        at
        and len(local) <= 64
        and len(local) + len(ascii_domain) < 254
        and _LOCAL.fullmatch(local)
        and "=?" not in local
        and len(labels) > 1
        and all(_LABEL.fullmatch(label) for label in labels)
    ):
        raise BadAddress("This is not an address mail can be sent to.")
    return f"{local}@{ascii_domain}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A calendar file beside the text."""

    name: str
    method: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """Everything one mail is made of."""

    notice_id: UUID
    event_id: UUID
    correlation_id: UUID
    recipient_id: UUID
    recipient: str
    sender: str
    wording: Wording
    told_at: datetime
    public_url: str
    attachment: Attachment | None = None


def host_of(public_url: str) -> str:
    """The name under which ids in mails and calendars are unique; stable as long as the address is."""
    return urlsplit(public_url).hostname or "localhost"


def message_id(*, event_id: UUID, recipient_id: UUID, host: str) -> str:
    """The same for every attempt to tell the same thing to the same person."""
    return f"<{uuid5(event_id, f'{recipient_id}/email')}@{host}>"


class _WholeSubject(EmailPolicy):
    """Encodes a subject that is not ASCII as a whole.

    Left to itself the library encodes it word by word where a line ends, and may lose or double the
    space between two words.
    """

    def fold(self, name: str, value: Any) -> str:
        if name == "Subject" and not value.isascii():
            encoded = Header(str(value), "utf-8", header_name=name).encode(linesep=self.linesep)
            return f"{name}: {encoded}{self.linesep}"
        folded: str = super().fold(name, value)
        return folded

    def fold_binary(self, name: str, value: Any) -> bytes:
        if name == "Subject":
            return self.fold(name, value).encode("ascii")
        return super().fold_binary(name, value)


POLICY = _WholeSubject(linesep="\r\n")


def message(letter: Letter) -> EmailMessage:
    """The mail to send. Raises `BadAddress`."""
    recipient, sender = address(letter.recipient), address(letter.sender)
    link = letter.public_url.rstrip("/") + letter.wording.path
    host = host_of(letter.public_url)
    mail = EmailMessage(policy=POLICY)
    mail["Subject"] = header(letter.wording.title)
    mail["From"] = Address("Infrashare", addr_spec=sender)
    mail["To"] = Address(addr_spec=recipient)
    mail["Date"] = letter.told_at
    mail["Message-ID"] = message_id(event_id=letter.event_id, recipient_id=letter.recipient_id, host=host)
    mail["Auto-Submitted"] = "auto-generated"  # no out-of-office answers, please
    mail["X-Correlation-ID"] = str(letter.correlation_id)
    mail.set_content(text_part(letter.wording, link=link, public_url=letter.public_url))
    mail.add_alternative(html_part(letter.wording, link=link, public_url=letter.public_url), subtype="html")
    if letter.attachment:
        mail.add_attachment(
            letter.attachment.content,
            maintype="text",
            subtype="calendar",
            cte="base64",
            filename=header(letter.attachment.name),
            params={"method": letter.attachment.method, "charset": "utf-8"},
        )
    return mail


def text_part(wording: Wording, *, link: str, public_url: str) -> str:
    width = max(len(term) for term, _ in wording.facts) + 2
    facts = "\n".join(
        f"{term + ':':<{width}}{clean(value, keep_lines=True)}".replace("\n", "\n" + " " * width)
        for term, value in wording.facts
    )
    return (
        f"{clean(wording.lead)}\n\n{facts}\n\n{clean(wording.next)}\n\n{link}\n\n"
        f"-- \nInfrashare. Choose what comes by e-mail: {public_url.rstrip('/')}/notify/preferences\n"
    )


def html_part(wording: Wording, *, link: str, public_url: str) -> str:
    """The same words as a table: no pictures, nothing fetched, nothing that tells us it was read."""
    cell = 'style="padding:3px 12px 3px 0;vertical-align:top;text-align:left;font-weight:normal'
    rows = "".join(
        f'<tr><th scope="row" {cell};color:#555">{escape(term)}</th><td {cell}">{_lines(value)}</td></tr>'
        for term, value in wording.facts
    )
    preferences = escape(f"{public_url.rstrip('/')}/notify/preferences")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(clean(wording.title))}</title></head>"
        '<body style="font-family:sans-serif;font-size:16px;line-height:1.5;max-width:40em">'
        f"<p>{escape(clean(wording.lead))}</p><table>{rows}</table><p>{escape(clean(wording.next))}</p>"
        f'<p><a href="{escape(link)}">Open this booking</a></p>'
        '<p style="font-size:13px;color:#555">Infrashare. '
        f'<a href="{preferences}">Choose what comes by e-mail</a></p></body></html>\n'
    )


def _lines(value: str) -> str:
    return escape(clean(value, keep_lines=True)).replace("\n", "<br>")
