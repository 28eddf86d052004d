"""All the ways in of one real process: users behind TLS, a mail server by LMTP, clients behind a proxy."""

from __future__ import annotations

import hashlib
import smtplib
import socket
import ssl
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from bridge.calls.passwords import HASHER
from bridge.model.login import KeyKind
from bridge.store import accounts
from bridge.store.engine import Store
from tests.support import certificates
from tests.support.served import CONFIG, DOMAIN, MAILBOX, Served, until

pytestmark = pytest.mark.enable_socket

_HEAD = 'domains = ["sms.example.com"]\n'
_MORE = """\
submission = ["127.0.0.1:0"]
submissions = ["127.0.0.1:0"]
lmtp = ["127.0.0.1:0"]
trusted_networks = ["192.0.2.0/24"]

[smtp.tls]
certificate = "tls/127.0.0.1.pem"
key = "tls/127.0.0.1.key"
"""
"""Paths count from the file's folder, which is not the one the process runs in."""


def mail(text: str) -> EmailMessage:
    """Compose a mail."""
    composed = EmailMessage()
    composed["From"] = MAILBOX
    composed["Message-ID"] = f"<{hashlib.sha256(text.encode()).hexdigest()}@example.com>"
    composed.set_content(text)
    return composed


def port(served: Served, service: str) -> int:
    """Return a listener's port, as the ready line tells it."""
    return int(served.ready[service][0].rpartition(":")[2])


def begun(served: Served) -> None:
    """Give the account a login, and start."""
    store = Store(f"sqlite:///{served.folder / 'bridge.db'}")
    with store.write() as connection:
        accounts.add_key(
            connection,
            1,
            user="device",
            kind=KeyKind.PASSWORD,
            secret=HASHER.hash("right"),
            mailboxes=("@example.com",),
            now=0,
        )
    store.close()
    served.start()


def shown(served: Served) -> bytes:
    """Return the certificate that a client is shown."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", port(served, "submissions")), timeout=10) as wire,
        context.wrap_socket(wire) as secured,
    ):
        return secured.getpeercert(binary_form=True) or b""


def texts(served: Served) -> list[Any]:
    """Return what phones received."""
    return [text["text"] for text in served.texts()]


def test_users_and_mail_servers(tmp_path: Path) -> None:
    """Smtplib sends by STARTTLS, by TLS at once and by LMTP; each text arrives; a renewed certificate is shown."""
    (tmp_path / "tls").mkdir()
    files = certificates.made(tmp_path / "tls", "127.0.0.1")
    served = Served(tmp_path, config=CONFIG.replace(_HEAD, _HEAD + _MORE))
    begun(served)
    try:
        assert {"submission", "submissions", "lmtp", "smtp", "http"} <= served.ready.keys()
        context = ssl.create_default_context(cafile=str(files[0]))
        to = f"972502345678@{DOMAIN}"
        with smtplib.SMTP("127.0.0.1", port(served, "submission"), timeout=10) as client:
            client.starttls(context=context)
            client.login("device", "right")
            client.send_message(mail("by starttls"), MAILBOX, [to])
        with smtplib.SMTP_SSL("127.0.0.1", port(served, "submissions"), timeout=10, context=context) as client:
            with pytest.raises(smtplib.SMTPSenderRefused, match="530"):
                client.send_message(mail("not at all"), MAILBOX, [to])
            with pytest.raises(smtplib.SMTPAuthenticationError):
                client.login("device", "wrong")
            client.login("device", "right")
            client.send_message(mail("by tls"), MAILBOX, [to])
        until(lambda: sorted(texts(served)) == ["by starttls", "by tls"], seconds=20)
        with smtplib.LMTP("127.0.0.1", port(served, "lmtp"), timeout=10) as client:
            code, said = client.docmd("LHLO", "relay.example.com")
            assert code == 250
            assert b"STARTTLS" in said
        before = shown(served)
        for fresh, file in zip(certificates.made(tmp_path, "127.0.0.1"), files, strict=True):
            fresh.replace(file)
        until(lambda: shown(served) != before, seconds=20)
        assert served.stop() == 0
    finally:
        served.kill()
    assert "right" not in served.logged()


def test_clients_behind_a_proxy(tmp_path: Path) -> None:
    """The proxy's header decides who is trusted; without one there is no greeting."""
    config = CONFIG.replace(
        _HEAD, _HEAD + 'proxy_networks = ["127.0.0.1"]\ntrusted_networks = ["127.0.0.1", "192.0.2.0/24"]\n'
    )
    served = Served(tmp_path, config=config)
    served.start()
    try:
        for peer, taken in (("192.0.2.7", True), ("198.51.100.9", False)):
            with socket.create_connection(("127.0.0.1", served.port), timeout=10) as wire:
                wire.sendall(f"PROXY TCP4 {peer} 127.0.0.1 50000 25\r\n".encode())
                assert spoken(wire, f"972502345678@{DOMAIN}", f"from {peer}").startswith("250 " if taken else "550 ")
        with socket.create_connection(("127.0.0.1", served.port), timeout=10) as wire:
            wire.sendall(b"EHLO client.example.com\r\n")
            assert wire.recv(100) == b""
        until(lambda: texts(served) == ["from 192.0.2.7"], seconds=20)
        assert served.stop() == 0
    finally:
        served.kill()


def spoken(wire: socket.socket, to: str, text: str) -> str:
    """Send a mail over a socket; return the last reply."""
    with wire.makefile("rwb") as file:

        def reply() -> str:
            while True:
                line: str = file.readline().decode()
                if line[3:4] != "-":
                    return line

        answer = reply()
        for command in (
            "EHLO client.example.com",
            f"MAIL FROM:<{MAILBOX}>",
            f"RCPT TO:<{to}>",
            "DATA",
            mail(text).as_string().replace("\n", "\r\n") + ".",
        ):
            file.write(command.encode() + b"\r\n")
            file.flush()
            answer = reply()
        return answer
