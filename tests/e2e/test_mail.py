"""A mail becomes a text: the whole program in a process of its own, driven by real mail clients."""

from __future__ import annotations

import json
import os
import shutil
import smtplib
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from bridge.model.text import measure
from tests.support.served import CONFIG, DOMAIN, MAILBOX, Served, serving, until

pytestmark = [pytest.mark.e2e, pytest.mark.enable_socket]

HEBREW = """\
שלום דנה, התור שלך אצל ד״ר כהן נקבע ליום שלישי, 24 בנובמבר, בשעה 10:30.

לביטול: https://clinic.example/c?id=7&x=1 או בטלפון.
.נקודה בתחילת שורה
תודה! 🙂"""
"""Three parts as UCS-2; with a line that SMTP has to double the dot of, and a character of two units."""

PAGE = f"<html><body><p style='color:red'>{HEBREW}</p><img src='x.png'></body></html>"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One bridge for the tests of this module."""
    with serving(tmp_path_factory.mktemp("mail")) as running:
        yield running


def hebrew(serial: int) -> EmailMessage:
    """Return a mail as people's clients write it: a plain text and a page, both quoted-printable."""
    mail = EmailMessage()
    mail["From"] = f"Ann <{MAILBOX}>"
    mail["To"] = f"972502345678@{DOMAIN}"
    mail["Subject"] = "תזכורת"
    mail["Message-ID"] = f"<{serial}@example.com>"
    mail.set_content(HEBREW, cte="quoted-printable")
    mail.add_alternative(PAGE, subtype="html", cte="quoted-printable")
    return mail


def send(served: Served, mail: EmailMessage, *numbers: str) -> dict[str, tuple[int, bytes]]:
    """Send a mail as relays do; return what was refused."""
    with smtplib.SMTP("127.0.0.1", served.port, timeout=10) as smtp:
        return smtp.send_message(mail, from_addr=MAILBOX, to_addrs=[f"{number}@{DOMAIN}" for number in numbers])


def plain(serial: str, text: str) -> EmailMessage:
    """Return a plain mail."""
    mail = EmailMessage()
    mail["From"] = MAILBOX
    mail["Message-ID"] = f"<{serial}@example.com>"
    mail.set_content(text)
    return mail


def arrived(served: Served, *numbers: str, seconds: float = 15.0) -> list[dict[str, Any]]:
    """Return the texts that came to these numbers, once each has one."""

    def look() -> list[dict[str, Any]] | None:
        found = [text for text in served.texts() if text["to"] in numbers]
        return found if {text["to"] for text in found} == set(numbers) else None

    return until(look, seconds=seconds)


def listed(served: Served, number: str) -> dict[str, Any]:
    """Return the message to a number as ``message list --json`` has it, once it was sent."""

    def look() -> dict[str, Any] | None:
        shown = served.command("message", "list", "--json")
        assert shown.returncode == 0, shown.stderr
        found: list[dict[str, Any]] = [
            one for one in json.loads(shown.stdout) if number in {to["number"] for to in one["recipients"]}
        ]
        return found[0] if found and found[0]["state"] == "sent" else None

    return until(look, seconds=15)


def test_hebrew_from_smtplib(served: Served) -> None:
    """The phone gets the plain text exactly, counted as UCS-2, and the list of messages says the same."""
    assert measure(HEBREW).parts == 3
    assert send(served, hebrew(1), "972502340001", "050-234-0002") == {}
    for text in arrived(served, "+972502340001", "+972502340002"):
        assert (text["text"], text["parts"]) == (HEBREW, 3)
    entry = listed(served, "+972502340001")
    assert (entry["account"], entry["door"]) == ("acme", "smtp")
    assert [
        (to["number"], to["state"], to["parts"], to["carrier"], bool(to["carrier_id"])) for to in entry["recipients"]
    ] == [("+972502340001", "sent", 3, "sandbox", True), ("+972502340002", "sent", 3, "sandbox", True)]


def swaks(served: Served, number: str, *words: str) -> str:
    """Run swaks; return its transcript."""
    program = shutil.which("swaks")
    if program is None:
        reason = "swaks is not installed; on Debian and Ubuntu: apt-get install swaks"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    done = subprocess.run(
        [program, "--server", f"127.0.0.1:{served.port}", "--from", MAILBOX, "--to", f"{number}@{DOMAIN}", *words],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_hebrew_from_swaks(served: Served, tmp_path: Path) -> None:
    """The same mail by another client: the same text, and its reply names the message that is listed."""
    file = tmp_path / "mail.eml"
    file.write_bytes(hebrew(2).as_bytes())
    told = swaks(served, "972502340003", "--data", f"@{file}")
    (text,) = arrived(served, "+972502340003")
    assert (text["text"], text["parts"]) == (HEBREW, 3)
    assert f"250 2.0.0 Accepted {text['message_id']}" in told
    entry = listed(served, "+972502340003")
    assert (entry["id"], entry["recipients"][0]["parts"]) == (text["message_id"], 3)


def test_a_mail_that_swaks_composes(served: Served, tmp_path: Path) -> None:
    """Text and page as swaks puts them together: base64, no charset named."""
    (tmp_path / "text").write_text(HEBREW, encoding="utf-8")
    (tmp_path / "page").write_text(PAGE, encoding="utf-8")
    words = ["--attach-type", "text/plain", "--attach-body", f"@{tmp_path / 'text'}"]
    words += ["--attach-type", "text/html", "--attach-body", f"@{tmp_path / 'page'}"]
    swaks(served, "972502340004", *words)
    (text,) = arrived(served, "+972502340004")
    assert text["text"] == HEBREW


def test_health_and_metrics(served: Served) -> None:
    """Over HTTP: ready and live; a mail with one good and three bad recipients moves each of its counters."""
    for path in ("/health/ready", "/health/live"):
        assert served.get(path) == (200, '{"status":"pass"}')
    accepted, sends = "smsbridge_accepted_total", "smsbridge_sends_total"
    reasons = ("number_invalid", "number_premium", "number_unassigned")

    def counters() -> list[float]:
        refused = [served.metric("smsbridge_refused_total", door="smtp", reason=reason) for reason in reasons]
        return [
            served.metric(accepted, door="smtp"),
            served.metric(sends, carrier="sandbox", outcome="accepted"),
            *refused,
        ]

    before = counters()
    refused = send(served, plain("metrics", "hello"), "123", "+9721900123456", "972501345678", "972502340005")
    assert {address.partition("@")[0]: code for address, (code, _) in refused.items()} == {
        "123": 550,
        "+9721900123456": 550,
        "972501345678": 550,
    }
    arrived(served, "+972502340005")
    until(lambda: [now - then for now, then in zip(counters(), before, strict=True)] == [1] * 5 or None, seconds=10)
    assert served.metric("smsbridge_store_up") == 1


def test_no_text_and_no_number_is_logged(served: Served) -> None:
    """After good mails and bad ones the log has their ids and reasons, and no text, no whole number, no body."""
    text = "strictly private: the code is 4711"
    send(served, plain("logged", text), "972502340006", "+972501345679")
    arrived(served, "+972502340006")
    for serial, body in (("long", text * 100), ("none", "")):
        with pytest.raises(smtplib.SMTPDataError):
            send(served, plain(serial, body), "972502340006")
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        send(served, plain("bad", text), "private-0502340006")
    log = served.logged()
    assert '"event": "accepted"' in log
    assert {"number_unassigned", "text_too_long", "text_empty", "number_invalid"} <= {
        json.loads(line).get("code") for line in log.splitlines()
    }
    for secret in ("private", "4711", "502340006", "501345679", "Traceback"):
        assert secret not in log


def test_a_stop_loses_nothing(tmp_path: Path) -> None:
    """SIGTERM with idle clients, a mail half-sent, and texts with a slow carrier: exit 0 within ten seconds.

    What was answered 250 arrives once, also what the carrier had and had not answered for; what was not, does not.
    """
    config = CONFIG + 'numbers = {{ "*77" = "slow 60s", "*88" = "delay 60s" }}\n'
    served = Served(tmp_path, config=config)
    served.start()
    try:
        assert send(served, plain("kept", "kept"), "972502341077", "972502341088", "972502341099") == {}
        arrived(served, "+972502341088", "+972502341099")
        with (
            socket.create_connection(("127.0.0.1", served.port), timeout=15) as idle,
            socket.create_connection(("127.0.0.1", served.port), timeout=15) as ends,
            socket.create_connection(("127.0.0.1", served.port), timeout=15) as hangs,
        ):
            _until_line(idle, b"220 ")
            for one, number in ((ends, b"972502342001"), (hangs, b"972502342002")):
                one.sendall(
                    b"EHLO client.example.com\r\nMAIL FROM:<ann@example.com>\r\n"
                    b"RCPT TO:<%s@sms.example.com>\r\nDATA\r\nMessage-ID: <%s@example.com>\r\n\r\nhalf"
                    % (number, number)
                )
                _until_line(one, b"354 ")
            assert served.process is not None
            began = time.monotonic()
            served.process.terminate()
            assert _all(idle).endswith(b"421 4.3.2 Closing; come again later\r\n")
            ends.sendall(b" and whole\r\n.\r\n")
            told = _all(ends)
            assert b"250 2.0.0 Accepted " in told
            assert told.endswith(b"421 4.3.2 Closing; come again later\r\n")
            assert b"250 2.0.0" not in _all(hangs)
            assert served.stop() == 0
            assert time.monotonic() - began < 10
        assert served.printed == b"", "stdout has one line, the ready one"
        served.config.write_text(CONFIG.format(folder=tmp_path), encoding="utf-8")
        served.start()
        assert send(served, plain("after", "after"), "972502342003") == {}
        arrived(served, "+972502341077", "+972502342001", "+972502342003")
        listed(served, "+972502341088")
        assert Counter((text["to"], text["text"]) for text in served.texts()) == {
            ("+972502341077", "kept"): 1,
            ("+972502341088", "kept"): 1,
            ("+972502341099", "kept"): 1,
            ("+972502342001", "half and whole"): 1,
            ("+972502342003", "after"): 1,
        }
        assert served.stop() == 0
        assert served.printed == b""
    finally:
        if served.process is not None:
            served.kill()


def _until_line(connection: socket.socket, beginning: bytes) -> None:
    """Read until a line with this beginning has come."""
    told = b""
    while not any(line.startswith(beginning) for line in told.split(b"\r\n")[:-1]):
        piece = connection.recv(4096)
        assert piece, told
        told += piece


def _all(connection: socket.socket) -> bytes:
    """Read until the other side has closed."""
    told = b""
    try:
        while piece := connection.recv(4096):
            told += piece
    except ConnectionResetError:
        pass
    return told
