"""Mail clients of the world, each told in its own way to send the same mail, and how each says that it ended."""

from __future__ import annotations

import json
import os
import shutil
import smtplib
import ssl
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

HOST: Final = "127.0.0.1"
SUBJECT: Final = "תזכורת"

_DRIVERS: Final = Path(__file__).parent / "drivers"
_PACKAGE: Final = Path(__file__).parents[2] / "node_modules" / "nodemailer"
_NAME: Final = "client.example.com"
_WAIT: Final = 60.0


@dataclass(frozen=True, kw_only=True)
class Order:
    """A mail, and where it goes.

    ``tls`` is ``""``, ``starttls`` or ``implicit``, and ``trust`` the authority that it asks for; ``mechanism`` is that
    of the login, ``""`` for what the client takes by itself. ``folder`` is there for the client's files.
    """

    port: int
    sender: str
    recipients: Sequence[str]
    text: str
    id: str
    folder: Path
    trust: Path
    tls: str = ""
    user: str = ""
    password: str = ""
    mechanism: str = ""
    attached: Path | None = None

    def mail(self) -> EmailMessage:
        """Return the mail, for clients that only carry one."""
        mail = EmailMessage()
        mail["From"] = self.sender
        mail["Subject"] = SUBJECT
        mail["Message-ID"] = self.id
        mail.set_content(self.text)
        if self.attached is not None:
            mail.add_attachment(
                self.attached.read_bytes(), maintype="application", subtype="octet-stream", filename=self.attached.name
            )
        return mail

    def written(self, name: str, content: str) -> Path:
        """Write a file for the client."""
        file = self.folder / name
        file.write_text(content, encoding="utf-8")
        return file


class Said(NamedTuple):
    """How a client ended: its exit code, or the name of its error; 0 is good. ``told`` is all that it printed."""

    ended: int | str
    told: str


def by_smtplib(order: Order, *, mailing: Sequence[str] = (), each: Sequence[str] = ()) -> Said:
    """Send with Python's own client; ``mailing`` and ``each`` are parameters of MAIL and of every RCPT."""
    kind = smtplib.SMTP_SSL if order.tls == "implicit" else smtplib.SMTP
    trust = ssl.create_default_context(cafile=str(order.trust))
    more: dict[str, Any] = {"context": trust} if order.tls == "implicit" else {}
    try:
        with kind(HOST, order.port, timeout=_WAIT, **more) as client:
            if order.tls == "starttls":
                client.starttls(context=trust)
            if order.mechanism:
                client.ehlo()
                client.user, client.password = order.user, order.password
                client.auth(order.mechanism, getattr(client, f"auth_{order.mechanism.lower()}"))
            elif order.user:
                client.login(order.user, order.password)
            refused = client.send_message(order.mail(), order.sender, order.recipients, mailing, each)
    except (smtplib.SMTPException, ssl.SSLError) as error:
        return Said(type(error).__name__, str(error))
    return Said(0, str(refused or ""))


def by_swaks(order: Order, *more: str) -> Said:
    """Send with swaks, which composes the mail; ``more`` are further words of its command."""
    words = [
        *("swaks", "--server", HOST, "--port", str(order.port), "--ehlo", _NAME, "--timeout", f"{_WAIT:.0f}s"),
        *("--from", order.sender, "--to", ",".join(order.recipients), "--h-Subject", SUBJECT),
        *("--add-header", f"Message-ID: {order.id}", "--body", f"@{order.written('body', order.text)}"),
    ]
    if order.attached is not None:
        words += ["--attach", f"@{order.attached}"]
    if order.tls:
        words += ["--tls" if order.tls == "starttls" else "--tls-on-connect"]
        words += ["--tls-verify", "--tls-ca-path", str(order.trust)]
    if order.user:
        words += ["--auth", *filter(None, [order.mechanism])]
        words += ["--auth-user", order.user, "--auth-password", order.password]
    return run([*words, *more])


def by_msmtp(order: Order, *more: str) -> Said:
    """Send with msmtp, which carries the mail as it is."""
    lines = [f"host {HOST}", f"port {order.port}", f"from {order.sender}", f"domain {_NAME}"]
    if order.tls:
        starttls = "on" if order.tls == "starttls" else "off"
        lines += ["tls on", f"tls_starttls {starttls}", f"tls_trust_file {order.trust}"]
    if order.user:
        password = order.written("password", order.password)
        lines += [f"auth {order.mechanism.lower() or 'on'}", f"user {order.user}", f"passwordeval cat {password}"]
    settings = order.written("msmtprc", "\n".join(["defaults", *lines, "account default", ""]))
    settings.chmod(0o600)
    return run(["msmtp", f"--file={settings}", *more, "--", *order.recipients], order.mail().as_bytes())


def by_curl(order: Order, *more: str) -> Said:
    """Send with curl, which composes the mail from parts of a form."""
    scheme = "smtps" if order.tls == "implicit" else "smtp"
    words = [
        *("curl", "--silent", "--show-error", "--verbose", "--max-time", f"{_WAIT:.0f}"),
        *("--url", f"{scheme}://{HOST}:{order.port}/{_NAME}", "--cacert", str(order.trust)),
        *("--mail-from", order.sender, "--mail-auth", order.sender),
        *(word for each in order.recipients for word in ("--mail-rcpt", each)),
        *("--header", f"From: <{order.sender}>", "--header", f"Message-ID: {order.id}"),
        *("--header", f"Subject: {SUBJECT}", *more),
    ]
    text = order.written("body", order.text)
    words += ["--form", f'=<{text};type="text/plain; charset=utf-8";encoder=quoted-printable']
    if order.attached is not None:
        words += ["--form", f"=@{order.attached};encoder=base64"]
    if order.tls == "starttls":
        words += ["--ssl-reqd"]
    if order.user:
        words += ["--user", f"{order.user}:{order.password}"]
        words += ["--login-options", f"AUTH={order.mechanism}"] if order.mechanism else []
    return run(words)


def composed_by_nodemailer(order: Order) -> dict[str, Any]:
    """Return a mail in Nodemailer's terms."""
    mail: dict[str, Any] = {"from": order.sender, "to": order.recipients, "subject": SUBJECT, "text": order.text}
    mail["messageId"] = order.id
    if order.attached is not None:
        mail["attachments"] = [{"path": str(order.attached)}]
    return mail


def nodemailer(order: Order, *mails: dict[str, Any], **transport: Any) -> list[dict[str, Any]]:
    """Have Nodemailer send mails by one transport, and return what it says of each."""
    options: dict[str, Any] = {"host": HOST, "port": order.port, "name": _NAME, "secure": order.tls == "implicit"}
    options |= {"requireTLS": order.tls == "starttls", "ignoreTLS": not order.tls}
    if order.user:
        options["auth"] = {"user": order.user, "pass": order.password}
        options |= {"authMethod": order.mechanism} if order.mechanism else {}
    told = {"transport": options | transport, "ca": str(order.trust), "mails": mails}
    # Its package is found from where the driver stands.
    done = run(["node", str(_DRIVERS / "nodemailer.js")], json.dumps(told).encode())
    assert done.ended == 0, done.told
    return [json.loads(line) for line in done.told.splitlines()]


def _by_nodemailer(order: Order) -> Said:
    (told,) = nodemailer(order, composed_by_nodemailer(order))
    if "accepted" in told:
        return Said(0, json.dumps(told, ensure_ascii=False))
    return Said(told["code"], told["message"])


def _by_php(order: Order) -> Said:
    told = {
        "host": HOST,
        "port": order.port,
        "tls": order.tls,
        "ca": str(order.trust),
        "mechanism": order.mechanism,
        "user": order.user,
        "password": order.password,
        "sender": order.sender,
        "recipients": order.recipients,
        "text": order.text,
        "subject": SUBJECT,
        "id": order.id,
        "file": None if order.attached is None else str(order.attached),
    }
    return run(["php", str(_DRIVERS / "php.php")], json.dumps(told).encode())


def run(words: Sequence[str], given: bytes = b"") -> Said:
    """Run a client without what the machine or its user has set for it."""
    kept = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
    done = subprocess.run(
        words,
        input=given,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=_WAIT + 10,
        check=False,
        env=kept | {"LC_ALL": "C.UTF-8", "CURL_HOME": "/nonexistent", "HOME": "/nonexistent"},
    )
    return Said(done.returncode, done.stdout.decode(errors="replace"))


def _there(program: str, *words: str) -> bool:
    return shutil.which(program) is not None and (not words or run([program, *words]).ended == 0)


class Client(NamedTuple):
    """How it is told to send, how to see whether it is here, what has to be installed where it is not, and how it ends.

    ``endings``: ``distrust`` of the server's certificate, a wrong ``password``, a ``sender`` that may not send, ``one``
    bad recipient of two, a mail too ``large``. ``partial`` says whether the good one of the two has its text.
    """

    send: Callable[[Order], Said]
    here: Callable[[], bool]
    needs: str
    endings: dict[str, int | str]
    partial: bool


CLIENTS: Final = {
    "smtplib": Client(
        send=by_smtplib,
        here=lambda: True,
        needs="",
        endings={
            "distrust": "SSLCertVerificationError",
            "password": "SMTPAuthenticationError",
            "sender": "SMTPRecipientsRefused",
            "one": 0,
            "large": "SMTPSenderRefused",
        },
        partial=True,
    ),
    "swaks": Client(
        send=by_swaks,
        # It speaks TLS only where Perl can.
        here=lambda: _there("swaks", "--version") and _there("perl", "-MNet::SSLeay", "-e1"),
        needs="swaks: apt-get install swaks libnet-ssleay-perl",
        endings={"distrust": 29, "password": 28, "sender": 24, "one": 0, "large": 26},
        partial=True,
    ),
    "msmtp": Client(
        send=by_msmtp,
        here=lambda: _there("msmtp", "--version"),
        needs="msmtp: apt-get install msmtp",
        endings={"distrust": 69, "password": 77, "sender": 65, "one": 65, "large": 69},
        partial=False,
    ),
    "curl": Client(
        send=by_curl,
        here=lambda: _there("curl", "--version"),
        needs="curl: apt-get install curl",
        endings={"distrust": 60, "password": 67, "sender": 55, "one": 55, "large": 8},
        partial=False,
    ),
    "nodemailer": Client(
        send=_by_nodemailer,
        here=lambda: _there("node", "-e", f"require({json.dumps(str(_PACKAGE))})"),
        needs="Nodemailer: install node, and then npm ci --prefix tests",
        endings={"distrust": "ESOCKET", "password": "EAUTH", "sender": "EENVELOPE", "one": 0, "large": "EMESSAGE"},
        partial=True,
    ),
    "php": Client(
        send=_by_php,
        here=lambda: _there("php", "-r", "exit(extension_loaded('openssl') ? 0 : 1);"),
        needs="PHP: apt-get install php-cli",
        endings={"distrust": 1, "password": 1, "sender": 1, "one": 1, "large": 1},
        partial=True,
    ),
}


@cache
def _here(name: str) -> bool:
    return CLIENTS[name].here()


def needed(name: str) -> Client:
    """Return a client; skips where it is not installed."""
    if not _here(name):
        pytest.skip(f"not installed: {CLIENTS[name].needs}")
    return CLIENTS[name]
