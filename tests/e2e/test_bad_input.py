"""What nobody should send or configure: a clear reply or one line of error, nothing lost, and all goes on."""

from __future__ import annotations

import json
import os
import smtplib
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path

import psutil
import pytest

from tests.support.served import CONFIG, DOMAIN, MAILBOX, Served, serving, until

pytestmark = [pytest.mark.e2e, pytest.mark.enable_socket]

_serial = count(1)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One bridge for the tests of this module; it must outlive them all."""
    with serving(tmp_path_factory.mktemp("bad")) as running:
        yield running
        assert running.process is not None
        assert running.process.poll() is None
        assert running.stop() == 0
        assert "Traceback" not in running.logged()


@pytest.fixture
def afterwards(served: Served) -> Iterator[None]:
    """Whatever came before: a good mail arrives."""
    yield
    number = f"97250235{next(_serial):04d}"
    assert mail(served, b"\r\nafterwards\r\n", number)[0] == 250
    until(lambda: [text for text in served.texts() if text["to"] == f"+{number}"], seconds=10)


def mail(served: Served, content: bytes, number: str) -> tuple[int, str]:
    """Send octets to a number; return the reply to them."""
    with smtplib.SMTP("127.0.0.1", served.port, timeout=30) as smtp:
        assert smtp.ehlo()[0] == 250
        assert smtp.mail(MAILBOX)[0] == 250
        assert smtp.rcpt(f"{number}@{DOMAIN}")[0] == 250
        code, told = smtp.data(content)
        return code, told.decode()


def nested(depth: int) -> bytes:
    """Return a mail of multiparts, one in the other, and a text in the last."""
    opened = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(depth))
    closed = b"".join(b"\r\n--b%d--\r\n" % n for n in reversed(range(depth)))
    return opened + b"Content-Type: text/plain\r\n\r\ndeep\r\n" + closed


PARTS = b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n'
MAILS = {
    "nothing at all": (b"", "554 5.6.0 "),
    "an empty body": (b"Subject: hello\r\n\r\n\r\n \r\n", "554 5.6.0 "),
    "a picture alone": (b"Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA\r\n", "554 5.6.0 "),
    "a program called text": (b"Content-Type: text/plain\r\n\r\n" + bytes({*range(256)} - {10}) * 4, "554 5.6.0 "),
    "five levels": (nested(5), "250 deep"),
    "a thousand levels": (nested(1000), "554 5.6.0 "),
    "a hundred thousand parts": (PARTS + b"--b\r\n\r\n" * 100_000, "554 5.6.0 "),
    "parts that never end": (PARTS + b"--b\r\nContent-Type: text/plain\r\n\r\nopen end\r\n", "250 open end"),
    "parts without a boundary": (b"Content-Type: multipart/mixed\r\n\r\nno parts\r\n", "250 no parts"),
    "parts with another boundary": (PARTS + b"--c\r\nContent-Type: text/plain\r\n\r\nother\r\n--c--\r\n", "250 other"),
    "broken base64": (b"Content-Transfer-Encoding: base64\r\n\r\naGVsbG8\r\n", "250 hello"),
    "broken quoted-printable": (b"Content-Transfer-Encoding: quoted-printable\r\n\r\na=zz=\r\nb\r\n", "250 a=zzb"),
    "an unknown encoding": (b"Content-Transfer-Encoding: x-magic\r\n\r\nhello\r\n", "250 hello"),
    "an unknown charset": (b"Content-Type: text/plain; charset=x-klingon\r\n\r\nhello\r\n", "250 hello"),
    "a wrong charset": ("Content-Type: text/plain; charset=us-ascii\r\n\r\nשלום\r\n".encode(), "250 שלום"),
    "NUL in the body": (b"\r\nhel\0lo\r\n", "250 hello"),
    "NUL in the header": (b"Message-ID: <a\0b@example.com>\r\nSub\0ject: x\r\n\r\nhello\r\n", "250 "),
    "no header": (b"hello\r\n", "250 hello"),
    "a header of a megabyte": (b"X: " + b"x" * 1_000_000 + b"\r\n\r\nhello\r\n", "250 hello"),
    "one line of a megabyte": (b"\r\n" + b"x" * 1_000_000, "552 5.3.4 "),
    "a text too long": (b"\r\n" + b"x" * 1531, "552 5.3.4 "),
}


@pytest.mark.usefixtures("afterwards")
@pytest.mark.parametrize("name", MAILS)
def test_mails(served: Served, name: str) -> None:
    """Each is refused for good with a reason, or taken with the text a person would read in it."""
    content, expected = MAILS[name]
    number = f"97250236{next(_serial):04d}"
    code, told = mail(served, content, number)
    if not expected.startswith("250 "):
        assert f"{code} {told}".startswith(expected)
        assert len(told) > len("5.6.0 ") + 10
        return
    assert (code, told.partition(" ")[0]) == (250, "2.0.0"), told
    (text,) = until(lambda: [one for one in served.texts() if one["to"] == f"+{number}"], seconds=10)
    assert expected.removeprefix("250 ") in text["text"]


@pytest.mark.usefixtures("afterwards")
@pytest.mark.parametrize(
    ("address", "reply"),
    [
        ("972502345678@example.com", "550 5.1.2 "),
        ("972502345678", "550 5.1.2 "),
        ("123@sms.example.com", "550 5.1.1 "),
        ("dana@sms.example.com", "550 5.1.1 "),
        ("972501345678@sms.example.com", "550 5.1.1 "),
        ("+9721900123456@sms.example.com", "550 5.1.1 "),
        ("9" * 3000 + "@sms.example.com", "550 5.1.1 "),
        ('"drop table messages; --"@sms.example.com', "550 5.1.1 "),
        ("<>", "501 5.5.4 "),
    ],
)
def test_addresses(served: Served, address: str, reply: str) -> None:
    """Each is refused by its own reply; the good one beside it is taken."""
    with smtplib.SMTP("127.0.0.1", served.port, timeout=10) as smtp:
        smtp.ehlo()
        smtp.mail(MAILBOX)
        code, told = smtp.docmd(f"RCPT TO:<{address.strip('<>')}>")
        assert f"{code} {told.decode()}".startswith(reply)
        assert smtp.rcpt(f"972502345678@{DOMAIN}")[0] == 250


@pytest.mark.usefixtures("afterwards")
def test_a_thousand_recipients(served: Served) -> None:
    """A hundred are taken and get the text; the others are put off with 452, so a relay sends them in other mails."""
    before = len(served.texts())
    with smtplib.SMTP("127.0.0.1", served.port, timeout=10) as smtp:
        smtp.ehlo()
        smtp.mail(MAILBOX)
        replies = [smtp.rcpt(f"97250237{index:04d}@{DOMAIN}") for index in range(1000)]
        assert [code for code, _ in replies] == [250] * 100 + [452] * 900
        assert replies[-1][1].startswith(b"4.5.3 ")
        assert smtp.data(b"\r\nto many\r\n")[0] == 250
    served.await_texts(before + 100)
    assert [text["to"] for text in served.texts()[before:]].count("+972502370099") == 1
    assert {text["to"] for text in served.texts()[before:]} == {f"+97250237{index:04d}" for index in range(100)}


@pytest.mark.usefixtures("afterwards")
def test_twenty_megabytes(served: Served) -> None:
    """A mail that says its size is refused before it is sent; one that does not, at its end, and is never held."""
    assert served.process is not None
    memory = psutil.Process(served.process.pid)
    content = (b"x" * 998 + b"\r\n") * 20_000
    with smtplib.SMTP("127.0.0.1", served.port, timeout=30) as smtp:
        smtp.ehlo()
        code, told = smtp.mail(MAILBOX, [f"SIZE={len(content)}"])
        assert (code, told[:6]) == (552, b"5.3.4 ")
        before = memory.memory_info().rss
        assert smtp.mail(MAILBOX)[0] == 250
        smtp.rcpt(f"972502345678@{DOMAIN}")
        code, told = smtp.data(content)
        assert (code, told) == (552, b"5.3.4 Mail is larger than 1048576 octets")
        assert memory.memory_info().rss - before < 10_000_000


@pytest.mark.usefixtures("afterwards")
def test_noise(served: Served) -> None:
    """Connections that speak anything but SMTP, or stop anywhere, disturb nobody."""
    for noise in (
        b"",
        b"GET / HTTP/1.1\r\nHost: sms.example.com\r\n\r\n",
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + os.urandom(500),
        os.urandom(100_000),
        b"\r\n" * 1000,
        b"EHLO \xff\r\nMAIL FROM:<\0@\xff>\r\nVRFY \xff\r\nAUTH PLAIN \0\r\nSTARTTLS\r\n" + b"x" * 100_000 + b"\r\n",
        b"EHLO x\r\nMAIL FROM:<ann@example.com>\r\nRCPT TO:<972502345678@sms.example.com>\r\nDATA\r\nhal",
    ):
        with socket.create_connection(("127.0.0.1", served.port), timeout=10) as connection:
            connection.sendall(noise)


# Starting.

GOOD = CONFIG.replace("127.0.0.1:0", "{listen}")


def start(folder: Path, config: str, *, listen: str = "127.0.0.1:0") -> list[str]:
    """Run ``serve`` where it cannot start; return what it said on stderr."""
    file = folder / "bridge.toml"
    file.write_text(config.format(folder=folder, listen=listen), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "bridge", "serve", "--config", str(file)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "Traceback" not in done.stderr
    lines = done.stderr.splitlines()
    assert lines[0].startswith("smsbridge: ")
    return lines


def test_a_bad_configuration(tmp_path: Path) -> None:
    """All that is wrong at once, a line for each, with its place and what is allowed."""
    config = """
        databse = "sqlite:///bridge.db"
        default_region = "ZZ"
        [smtp]
        listen = ["8025"]
        domains = ["sms example"]
        max_parts = 99
        trusted_network = ["127.0.0.0/8"]
        [carriers.main]
        kind = "pigeon"
        [[routes]]
        carriers = ["main", "spare"]
    """
    first, *problems = start(tmp_path, config)
    assert first.endswith("8 problems in the configuration")
    for place, says in {
        "databse": "did you mean database?",
        "default_region": "ISO 3166",
        "smtp.listen.0": "write host:port",
        "smtp.domains.0": "is no mail domain",
        "smtp.max_parts": "less than or equal to 20",
        "smtp.trusted_network": "did you mean trusted_networks?",
        "carriers.main.kind": "one of",
        "routes.0.carriers": "'spare' is not configured",
    }.items():
        (told,) = [line for line in problems if line.strip().startswith(f"{place}: ")]
        assert says in told
    assert len(problems) == 8


@pytest.mark.parametrize(
    ("config", "says"),
    [
        (GOOD.replace("bridge.db", "missing/bridge.db"), "missing does not exist; create it"),
        (GOOD, "the database is empty; run: smsbridge migrate"),
        (GOOD.replace("sqlite:///{folder}/bridge.db", "mysql://localhost/x"), "is not supported"),
        ("smtp = [", "not TOML"),
    ],
)
def test_no_database(tmp_path: Path, config: str, says: str) -> None:
    """A folder that is not there, a database that was never migrated, one of another make, and a file of nonsense."""
    (line,) = start(tmp_path, config)
    assert says in line


def test_a_database_that_does_not_fit(tmp_path: Path) -> None:
    """One made by a newer version, one that is none, and one on which nothing may be written."""
    Served(tmp_path)
    with closing(sqlite3.connect(tmp_path / "bridge.db")) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    (line,) = start(tmp_path, GOOD)
    assert "has schema 9999, made by a newer smsbridge; upgrade smsbridge" in line
    for file in tmp_path.glob("bridge.db*"):
        file.unlink()
    (tmp_path / "bridge.db").write_bytes(b"no database at all" * 1000)
    (line,) = start(tmp_path, GOOD)
    assert "file is not a database" in line


def test_a_port_in_use(tmp_path: Path) -> None:
    """The line names the setting, the address, and what to do; the database is left as it was."""
    Served(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        for setting in ("smtp", "http"):
            config = CONFIG.replace("127.0.0.1:0", "{listen}", 2 if setting == "http" else 1)
            if setting == "http":
                config = config.replace('["{listen}"]', '["127.0.0.1:0"]')
            (line,) = start(tmp_path, config, listen=address)
            advice = "stop the program that has it, or choose another port"
            assert line == f"smsbridge: {setting}.listen: {address} is in use; {advice}"


def test_an_outbox_that_cannot_be(tmp_path: Path) -> None:
    """A carrier that cannot work is found at the start."""
    Served(tmp_path)
    (line,) = start(tmp_path, GOOD.replace("outbox.jsonl", "none/outbox.jsonl"))
    assert "carriers.sandbox.outbox: no folder" in line


def test_errors_as_json(tmp_path: Path) -> None:
    """With --json the error is an object on stderr, for programs that start us."""
    file = tmp_path / "bridge.toml"
    file.write_text("smtp = 1\nx = 2", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "bridge", "serve", "--json", "--config", str(file)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    error = json.loads(done.stderr)["error"]
    assert error["code"] == "config_invalid"
    assert len(error["problems"]) == 2
