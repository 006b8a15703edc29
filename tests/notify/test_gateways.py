"""The doors by which mail leaves: TLS that is checked, passwords that are not shown, files that open."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from services.notify.gateways import NotSent, file_name, open_post
from tests.notify.conftest import MailServer, free_port, parsed


def a_mail(subject: str = "Approved: Nano-CT") -> EmailMessage:
    mail = EmailMessage()
    mail["Subject"] = subject
    mail["From"] = "bookings@infrashare.example"
    mail["To"] = "reader@people.example"
    mail["Date"] = datetime(2031, 5, 5, 9, 0, tzinfo=UTC)
    mail["Message-ID"] = "<7a1c77f0-0000-5000-8000-000000000001@infrashare.example>"
    mail.set_content("It is yours.\n")
    return mail


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of our own for 127.0.0.1, with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a mail server of the tests")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return path


def _login(server: Any, session: Any, envelope: Any, mechanism: str, data: LoginPassword) -> AuthResult:
    return AuthResult(success=(data.login, data.password) == (b"mailer", b"p@ss/word"), handled=False)


class TlsController(Controller):
    """A controller whose trial connection trusts the server's certificate."""

    certificate: Path

    def _trigger_server(self) -> None:
        connection: socket.socket = socket.create_connection((self.hostname, self.port), timeout=10)
        if self.ssl_context:
            trusting = ssl.create_default_context(cafile=self.certificate)
            connection = trusting.wrap_socket(connection, server_hostname=self.hostname)
        with connection:
            connection.recv(1024)


@pytest.fixture(params=["smtp+tls", "smtps"])
def secure_server(request: pytest.FixtureRequest, certificate: Path) -> Iterator[tuple[str, MailServer]]:
    """A server that speaks TLS, and the beginning of its address."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = MailServer(port=free_port())
    settings: dict[str, Any] = {"authenticator": _login, "auth_required": True, "ready_timeout": 10}
    if request.param == "smtps":
        # aiosmtpd does not notice TLS from the first byte, so it would not offer to log in.
        settings |= {"ssl_context": context, "auth_require_tls": False}
    else:
        settings |= {"tls_context": context, "require_starttls": True}
    controller = TlsController(server, hostname="127.0.0.1", port=server.port, **settings)
    controller.certificate = certificate
    controller.start()
    yield request.param, server
    controller.stop()


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
def test_mail_leaves_encrypted_and_logged_in(
    secure_server: tuple[str, MailServer], certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    scheme, server = secure_server
    with open_post(f"{scheme}://mailer:p%40ss%2Fword@127.0.0.1:{server.port}") as post:
        post.send(a_mail())
    assert [mail["Subject"] for mail in server.taken] == ["Approved: Nano-CT"]


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
def test_a_wrong_password_is_our_fault_and_not_the_mails(
    secure_server: tuple[str, MailServer], certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    scheme, server = secure_server
    with (
        open_post(f"{scheme}://mailer:guess@127.0.0.1:{server.port}") as post,
        pytest.raises(NotSent) as refusal,
    ):
        post.send(a_mail())
    assert refusal.value.down
    assert not refusal.value.final
    assert "guess" not in str(refusal.value)
    assert server.taken == []


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
def test_a_certificate_nobody_knows_is_not_trusted(secure_server: tuple[str, MailServer]) -> None:
    scheme, server = secure_server
    with (
        open_post(f"{scheme}://mailer:p%40ss%2Fword@127.0.0.1:{server.port}") as post,
        pytest.raises(NotSent) as refusal,
    ):
        post.send(a_mail())
    assert refusal.value.down
    assert "certificate" in str(refusal.value).lower()


def test_where_tls_is_demanded_nothing_goes_without(mail_server: MailServer) -> None:
    with (
        open_post(f"smtp+tls://127.0.0.1:{mail_server.port}") as post,
        pytest.raises(NotSent, match="STARTTLS") as refusal,
    ):
        post.send(a_mail())
    assert refusal.value.down
    assert mail_server.taken == []


def test_a_password_does_not_travel_in_the_clear() -> None:
    with pytest.raises(ValueError, match="password"):
        open_post("smtp://mailer:secret@127.0.0.1:25")


@pytest.mark.parametrize("url", ["", "smtp://", "http://mail.example", "mail.example:25"])
def test_an_address_that_names_no_way_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="mail leaves by"):
        open_post(url)


def test_after_a_lost_connection_the_next_mail_opens_another(mail_server: MailServer) -> None:
    with open_post(mail_server.url) as post:
        mail_server.mode = "421"
        with pytest.raises(NotSent) as refusal:
            post.send(a_mail())
        assert (refusal.value.code, refusal.value.down, refusal.value.final) == (421, False, False)
        mail_server.mode = "take"
        post.send(a_mail("Second"))
    assert [mail["Subject"] for mail in mail_server.taken] == ["Second"]


def test_after_a_refusal_the_connection_goes_on(mail_server: MailServer) -> None:
    with open_post(mail_server.url) as post:
        mail_server.mode = "550"
        with pytest.raises(NotSent) as refusal:
            post.send(a_mail())
        assert refusal.value.final
        mail_server.mode = "take"
        post.send(a_mail("Second"))
    assert mail_server.connections == 1
    assert len(mail_server.taken) == 1


def test_files_sort_by_time_and_are_the_same_for_the_same_mail(tmp_path: Path) -> None:
    for _ in range(2):
        with open_post(f"file:{tmp_path / 'mail'}") as post:
            post.send(a_mail("Approved: Größe/../µ"))
    (path,) = (tmp_path / "mail").iterdir()
    assert path.name == file_name(a_mail("Approved: Größe/../µ"))
    assert path.name == "2031-05-05T090000Z_approved-gr-e_7a1c77f0-0000.eml"
    assert parsed(path.read_bytes())["Subject"] == "Approved: Größe/../µ"


def test_a_folder_that_cannot_be_written_is_no_fault_of_the_mail(tmp_path: Path) -> None:
    blocked = tmp_path / "blocked"
    with open_post(f"file:{blocked}") as post:
        blocked.rmdir()
        blocked.write_text("a file where the folder should be")
        with pytest.raises(NotSent) as refusal:
            post.send(a_mail())
    assert refusal.value.down
