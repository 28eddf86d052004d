"""Keys in mails: the right one lets a mail in, and none is ever seen again, right, wrong or where it may not be."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.served import DOMAIN, Served, serving, until

pytestmark = [pytest.mark.e2e, pytest.mark.enable_socket]

RIGHT = "correct-horse-battery"
WRONG = "staple-zebra-lantern"
LEGACY = "erp@legacy.example"
PLAIN = "ann@example.com"

MAILS: dict[str, tuple[str, str, str, str]] = {
    # recipient, subject, body; what the phone shows
    "subject": ("972502345601", "erp:{key} Backup", "Subject said it", "Subject said it"),
    "subject, with spaces": ("972502345602", "#erp:{key}# Backup", "Subject said it", "Subject said it"),
    "body": ("972502345603", "Backup", "erp:{key}\nBody said it", "Body said it"),
    "body, and once more below": ("972502345604", "{key}", "erp:{key}\nUse {key} here", "Use *** here"),
    "two lines": ("972502345605", "Backup", "user: erp\npassword: {key}\n\nBody said it", "Body said it"),
    "address": ("972502345606+key=erp.{key}", "Backup", "Address said it", "Address said it"),
    "address, and the text": ("972502345607+key=erp.{key}", "Re: {key}", "erp:{key}, I said", "***, I said"),
    "line": ("send", "sms", "erp:{key}:0:0,0:0,0:972502345608:Line said it", "Line said it"),
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Give a bridge with one mailbox that may write its key into mails, and one that may not."""
    with serving(tmp_path_factory.mktemp("secrets")) as running:
        for command in (
            ("key", "create", "acme", "--user", "erp", "--password", RIGHT),
            ("mailbox", "allow", "acme", LEGACY, "--proof", "secret", "--set", "secrets=subject,address,body,line"),
        ):
            done = running.command(*command)
            assert done.returncode == 0, done.stderr
        yield running
        assert running.process is not None
        assert running.stop() == 0
        assert "Traceback" not in running.logged()


def mail(served: Served, sender: str, to: str, subject: str, body: str) -> tuple[int, str]:
    """Send a mail; return the reply to its recipient, if that is none of 250, or to its end."""
    content = f"From: {sender}\r\nSubject: {subject}\r\n\r\n" + body.replace("\n", "\r\n") + "\r\n"
    with smtplib.SMTP("127.0.0.1", served.port, timeout=30) as smtp:
        smtp.ehlo()
        smtp.mail(sender)
        code, told = smtp.rcpt(f"{to}@{DOMAIN}")
        if code == 250:
            code, told = smtp.data(content.encode())
        return code, told.decode()


def seen(served: Served, folder: Path) -> bytes:
    """Return all that is kept or told: log, outbox, database, metrics, and what commands show."""
    kept = [path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()]
    told = served.command("message", "list", "--json").stdout + served.get("/metrics")[1]
    return b"\0".join([*kept, told.encode()])


@pytest.mark.parametrize("name", MAILS)
def test_a_right_key(served: Served, name: str) -> None:
    """The mail is taken, its text arrives without the key, and the key is nowhere."""
    to, subject, body, text = (part.format(key=RIGHT) for part in MAILS[name])
    code, told = mail(served, LEGACY, to, subject, body)
    assert (code, told[:5]) == (250, "2.0.0"), told
    number = "+972502345608" if to == "send" else f"+{to[:12]}"
    found = until(lambda: [each["text"] for each in served.texts() if each["to"] == number], seconds=20)
    assert found == [text]
    assert RIGHT.encode() not in seen(served, served.folder)
    assert RIGHT not in told


@pytest.mark.parametrize("name", MAILS)
def test_a_wrong_key(served: Served, name: str) -> None:
    """The mail is refused as every wrong login is, and what was tried is nowhere."""
    to, subject, body, _ = (part.format(key=WRONG) for part in MAILS[name])
    code, told = mail(served, LEGACY, to, subject, body)
    assert code in {450, 550}
    assert told[:6] in {"5.7.1 ", "4.7.1 "}
    assert WRONG not in told
    assert WRONG.encode() not in seen(served, served.folder)


@pytest.mark.parametrize(
    "to", [f"972502345609+key=erp.{WRONG}", f"oren+key=erp.{WRONG}", f"972502345609+k=erp.{WRONG}"]
)
def test_a_key_where_none_may_be(served: Served, to: str) -> None:
    """A mailbox that may write none into an address is refused, and the key is nowhere."""
    code, told = mail(served, PLAIN, to, "Backup", "Hello")
    assert (code, told[:6]) == (550, "5.1.3 ")
    assert WRONG not in told
    assert WRONG.encode() not in seen(served, served.folder)


def test_preview_shows_no_key(served: Served, tmp_path: Path) -> None:
    """What a mail would become is shown without the key that stands in it."""
    for name, (to, subject, body, _) in MAILS.items():
        path = tmp_path / f"{name.split(',')[0].replace(' ', '-')}.eml"
        path.write_text(f"From: {LEGACY}\nSubject: {subject}\n\n{body}\n".format(key=RIGHT), encoding="utf-8")
        shown = served.command("preview", str(path), "--to", f"{to.format(key=RIGHT)}@{DOMAIN}", "--json")
        assert RIGHT not in shown.stdout + shown.stderr, name
