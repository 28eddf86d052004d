"""Who logs in may send, and a mail server hands over by LMTP: the whole program, and Python's own clients."""

from __future__ import annotations

import base64
import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bridge.store import opt_outs
from bridge.store.engine import Store
from tests.support import certificates
from tests.support.served import CONFIG, DOMAIN, Served

pytestmark = [pytest.mark.e2e, pytest.mark.enable_socket]

PASSWORD = "Sesame! open now"
LISTENERS = """\
[smtp]
submission = ["127.0.0.1:0"]
submissions = ["127.0.0.1:0"]
lmtp = ["127.0.0.1:0"]
trusted_networks = ["127.0.0.2"]
tls = {{ certificate = "127.0.0.1.pem", key = "127.0.0.1.key" }}
"""
MAIL = "From: ann@example.com\r\nMessage-ID: <{serial}@example.com>\r\n\r\nhello {serial}\r\n"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One bridge that trusts nobody but 127.0.0.2, with a login and a number that is closed."""
    folder = tmp_path_factory.mktemp("login")
    certificates.made(folder, "127.0.0.1")
    running = Served(folder, config=CONFIG.replace("[smtp]\n", LISTENERS))
    made = running.command(
        *("key", "create", "acme", "--user", "ann", "--password", PASSWORD, "--mailbox", "ann@example.com")
    )
    assert made.returncode == 0, made.stderr
    store = Store(f"sqlite:///{folder / 'bridge.db'}")
    with store.write() as connection:
        opt_outs.add(connection, "+972502345679", opt_outs.EVERYBODY, word="operator", now=0)
    store.close()
    running.start()
    try:
        yield running
    finally:
        if running.process is not None:
            running.kill()


def port(served: Served, service: str) -> int:
    """Return where a service listens."""
    return int(served.ready[service][0].rpartition(":")[2])


@contextmanager
def secured(served: Served, service: str) -> Iterator[smtplib.SMTP]:
    """Give a client of a service, behind TLS."""
    trusting = ssl.create_default_context(cafile=str(served.folder / "127.0.0.1.pem"))
    if service == "submissions":
        with smtplib.SMTP_SSL("127.0.0.1", port(served, service), timeout=20, context=trusting) as client:
            yield client
    else:
        with smtplib.SMTP("127.0.0.1", port(served, service), timeout=20) as client:
            client.starttls(context=trusting)
            yield client


def send(client: smtplib.SMTP, serial: str, sender: str = "ann@example.com") -> None:
    """Send a mail with a text of its own."""
    client.sendmail(sender, [f"972502345678@{DOMAIN}"], MAIL.format(serial=serial))


@pytest.mark.parametrize("service", ["smtp", "submission", "submissions"])
def test_a_login_sends(served: Served, service: str) -> None:
    """With it a mail is a text, on every listener; the mailbox that another has is not its."""
    before = len(served.texts())
    with secured(served, service) as client:
        assert client.login("ann", PASSWORD)[0] == 235
        send(client, f"by {service}")
        with pytest.raises((smtplib.SMTPRecipientsRefused, smtplib.SMTPDataError), match=r"5\.7\.1"):
            send(client, "as another", sender="bob@example.com")
    assert served.await_texts(before + 1)[-1]["text"] == f"hello by {service}"
    assert served.metric("smsbridge_logins_total", result="accepted") > 0


def test_no_login_no_text(served: Served) -> None:
    """Without one, and with a wrong one, MAIL is refused on submission."""
    with secured(served, "submission") as client:
        with pytest.raises(smtplib.SMTPSenderRefused) as none:
            send(client, "without")
        assert none.value.smtp_code == 530
        # Once: login() would try again by the other mechanism, and each failure is slowed more than the one before.
        client.user, client.password = "ann", PASSWORD + " "
        with pytest.raises(smtplib.SMTPAuthenticationError) as wrong:
            client.auth("PLAIN", client.auth_plain)
        assert wrong.value.smtp_code == 535
        with pytest.raises(smtplib.SMTPSenderRefused) as still:
            send(client, "with a wrong one")
        assert still.value.smtp_code == 530


def test_lmtp(served: Served) -> None:
    """Three recipients, one of them closed: each has its reply, and two have a text."""
    before = len(served.texts())
    with smtplib.LMTP("127.0.0.1", port(served, "lmtp"), source_address=("127.0.0.2", 0)) as client:
        client.ehlo("relay.example.com")
        assert client.mail("ann@example.com", ["RET=HDRS", "ENVID=QQ314159"])[0] == 250
        for number in ("972502345678", "972502345679", "972502345670"):
            assert client.rcpt(f"{number}@{DOMAIN}", ["NOTIFY=FAILURE", "ORCPT=rfc822;x@example.org"])[0] == 250
        assert client.rcpt(f"junk@{DOMAIN}")[0] == 550
        assert client.docmd("DATA")[0] == 354
        client.send(MAIL.format(serial="by LMTP").encode() + b".\r\n")
        replies = [client.getreply() for _ in range(3)]
        assert [code for code, _ in replies] == [250, 550, 250]
        assert replies[1][1].startswith(b"5.7.1 ")
        assert client.noop()[0] == 250
    assert {text["to"] for text in served.await_texts(before + 2)[before:]} == {"+972502345678", "+972502345670"}


def test_the_password_is_nowhere(served: Served) -> None:
    """After all of this it stands neither in the log nor in the database, nor does its base64."""
    with secured(served, "submission") as client:
        client.login("ann", PASSWORD)
    forms = {PASSWORD.encode(), base64.b64encode(PASSWORD.encode()), base64.b64encode(f"\0ann\0{PASSWORD}".encode())}
    for file in served.folder.iterdir():
        held = file.read_bytes()
        assert not [form for form in forms if form in held], file.name
