"""Logging in, octet by octet and by real clients; and that a password goes nowhere but to who decides."""

from __future__ import annotations

import asyncio
import logging
import smtplib
import ssl
import traceback
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import EmailMessage
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import aiosmtplib
import pytest
from structlog.testing import capture_logs

from smtp.wire.client import Service
from smtp.wire.commands import _is_loopback
from smtp.wire.tls import Certificate
from tests.smtp.talk import LOOPS, Client, Host, Oops, Watch, calling, hosting, run, talk, until
from tests.support import certificates

pytestmark = pytest.mark.enable_socket

BOTH = pytest.mark.parametrize("loop", sorted(LOOPS))

WELCOME = "235 2.7.0 Welcome"
NO = "535 5.7.8 Authentication credentials invalid"


def b64(told: str) -> str:
    """Return a response as it goes over the wire."""
    return b64encode(told.encode()).decode("ascii")


PLAIN = b64("\0ann\0Sesame!open")


@asynccontextmanager
async def far(**particular: Any) -> AsyncIterator[tuple[Host, Client]]:
    """Give a server and a client of another machine: a proxy's header says so, for tests have loopback alone."""
    async with (
        hosting(proxies=(ip_network("127.0.0.0/8"),), **particular) as host,
        calling(host) as client,
    ):
        await client.send(b"PROXY TCP4 192.0.2.1 192.0.2.25 5000 25\r\n")
        await client.greet()
        yield host, client


@BOTH
@pytest.mark.parametrize("service", [Service.SMTP, Service.SUBMISSION])
def test_every_form(loop: str, service: Service) -> None:
    """PLAIN and LOGIN, in one line or asked for; EHLO offers them, for old programs in their own form too."""

    async def main() -> None:
        async with hosting(service=service) as host:
            for lines, asked in (
                ([f"AUTH PLAIN {PLAIN}"], []),
                (["auth plain", PLAIN], ["334 "]),
                (["AUTH LOGIN", b64("ann"), b64("Sesame!open")], ["334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6"]),
                ([f"AUTH login {b64('ann')}", b64("Sesame!open")], ["334 UGFzc3dvcmQ6"]),
            ):
                async with calling(host) as client:
                    assert (await client.reply())[:3] == "220"
                    offered = (await client.say("EHLO client.example.com")).split("\n")
                    assert {"250-AUTH PLAIN LOGIN", "250-AUTH=PLAIN LOGIN"} <= set(offered)
                    assert [await client.say(line) for line in lines] == [*asked, WELCOME]
                    assert host.double.logins.pop() == ("ann", "Sesame!open")
                    assert await client.say(f"AUTH PLAIN {PLAIN}") == "503 5.5.1 Already authenticated"
                    assert (await client.say("EHLO again.example.com"))[:3] == "250"
                    assert (await client.say("AUTH PLAIN"))[:3] == "503"
                    assert (await client.say("MAIL FROM:<ann@example.com>"))[:3] == "250"
            assert host.double.logins == []

    run(loop, main())


@BOTH
def test_submission_needs_a_login(loop: str) -> None:
    """Where users send, MAIL waits for a login, and one that fails changes nothing (RFC 6409, 4.3)."""

    async def main() -> None:
        async with talk(service=Service.SUBMISSION) as (host, client):
            await client.greet()
            needed = "530 5.7.0 Authentication required"
            assert await client.say("MAIL FROM:<ann@example.com>") == needed
            assert await client.say("RCPT TO:<bob@example.com>") == needed
            assert await client.say("DATA") == needed
            for command in ("NOOP", "RSET", "HELP", "VRFY x"):
                assert (await client.say(command))[:1] == "2"
            host.double.answers["login"] = NO
            assert await client.say(f"AUTH PLAIN {PLAIN}") == NO
            assert await client.say("MAIL FROM:<ann@example.com>") == needed
            host.double.answers["login"] = "450 4.7.1 Too many"
            assert await client.say(f"AUTH PLAIN {PLAIN}") == "450 4.7.1 Too many"
            assert await client.say("MAIL FROM:<ann@example.com>") == needed
            del host.double.answers["login"]
            assert await client.say(f"AUTH PLAIN {PLAIN}") == WELCOME
            assert host.double.heard == []
            for command in ("MAIL FROM:<ann@example.com> AUTH=<>", "RCPT TO:<bob@example.com>"):
                assert (await client.say(command))[:3] == "250"
            assert (await client.say("DATA"))[:3] == "354"
            assert (await client.say("hello\r\n."))[:3] == "250"
            assert (await client.say("MAIL FROM:<ann@example.com>"))[:3] == "250", "it holds for the next mail"

    run(loop, main())


@BOTH
@pytest.mark.parametrize("service", [Service.SMTP, Service.SUBMISSION])
def test_no_password_over_an_open_wire(loop: str, service: Service, tmp_path: Path) -> None:
    """From another machine AUTH is neither offered nor heard without TLS, whatever comes with it; with TLS it is."""

    async def main() -> None:
        files = certificates.made(tmp_path, "127.0.0.1")
        async with far(service=service, certificate=Certificate(*files)) as (host, client):
            assert host.double.client.peer == "192.0.2.1"
            offered = await client.say("EHLO client.example.com")
            assert "STARTTLS" in offered
            assert "AUTH" not in offered
            for command in ("AUTH PLAIN", f"AUTH PLAIN {PLAIN}", "AUTH LOGIN", "AUTH", "AUTH X"):
                assert await client.say(command) == "538 5.7.11 Encryption required"
            assert host.double.logins == []
            assert (await client.say("STARTTLS"))[:3] == "220"
            await client.secure(ssl.create_default_context(cafile=str(files[0])))
            assert await client.say(f"AUTH PLAIN {PLAIN}") == "503 5.5.1 Send EHLO first"
            assert "250-AUTH PLAIN LOGIN" in (await client.say("EHLO client.example.com")).split("\n")
            assert await client.say(f"AUTH PLAIN {PLAIN}") == WELCOME
            assert host.double.logins == [("ann", "Sesame!open")]

    run(loop, main())


def test_nothing_to_encrypt_with() -> None:
    """Without a certificate a client elsewhere cannot log in at all."""

    async def main() -> None:
        async with far() as (host, client):
            assert await client.say(f"AUTH PLAIN {PLAIN}") == "538 5.7.11 Encryption required"
            assert host.double.logins == []

    run("asyncio", main())


def test_what_is_this_machine() -> None:
    """Loopback in either family, and a Unix socket; nothing else."""
    for near in ("127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", ""):
        assert _is_loopback(near), near
    for away in ("192.0.2.1", "10.0.0.1", "::ffff:192.0.2.1", "2001:db8::1", "::", "fe80::1%lo", "0.0.0.0", "unix"):  # noqa: S104
        assert not _is_loopback(away), away


@BOTH
def test_order(loop: str) -> None:
    """AUTH waits for EHLO, and may not come after HELO or within a mail (RFC 4954, 4)."""

    async def main() -> None:
        async with talk() as (host, client):
            assert (await client.reply())[:3] == "220"
            assert await client.say(f"AUTH PLAIN {PLAIN}") == "503 5.5.1 Send EHLO first"
            await client.say("HELO client.example.com")
            assert await client.say(f"AUTH PLAIN {PLAIN}") == "503 5.5.1 Send EHLO first"
            await client.say("EHLO client.example.com")
            await client.say("MAIL FROM:<ann@example.com>")
            assert (await client.say(f"AUTH PLAIN {PLAIN}")).startswith("503 5.5.1 ")
            assert (await client.say("RCPT TO:<bob@example.com>"))[:3] == "250", "the mail goes on"
            await client.say("RSET")
            assert host.double.logins == []
            assert await client.say(f"AUTH PLAIN {PLAIN}") == WELCOME

    run(loop, main())


@BOTH
def test_what_is_refused(loop: str) -> None:
    """Each wrong exchange has its own reply and asks nobody; after it the conversation goes on."""

    async def main() -> None:
        async with talk() as (host, client):
            await client.greet()
            assert (await client.say("AUTH")).startswith("501 5.5.4 ")
            assert (await client.say("AUTH CRAM-MD5")).startswith("504 5.5.4 ")
            for lines, reply in (
                ((b"*",), "501 5.7.0 "),
                ((b"!!",), "501 5.5.2 "),
                ((b"",), "501 5.5.2 "),
                ((b"YW5u", b"*"), "501 5.7.0 "),
                ((b"\xff",), "501 5.5.2 "),
                ((b"A" * 12_289,), "500 5.5.6 "),
                ((b"YW5u", b"A" * 300_000), "500 5.5.6 "),
            ):
                *before, last = lines
                assert (await client.say("AUTH LOGIN"))[:3] == "334"
                for line in before:
                    assert (await client.say(line))[:3] == "334"
                assert (await client.say(last)).startswith(reply), lines
                assert await client.say("NOOP") == "250 2.0.0 OK"
            assert (await client.say(f"AUTH PLAIN {b64(chr(0) + 'ann')}")).startswith("501 5.5.2 ")
            assert (await client.say(f"AUTH PLAIN {b64('bob' + chr(0) + 'ann' + chr(0) + 'x')}")).startswith(
                "535 5.7.8 "
            )
            assert (await client.say("AUTH PLAIN " + "A" * 5000)).startswith("500 5.5.2 ")
            assert host.double.logins == []
            for password in ("p" * 9000, "\U0001f511" * 1024):
                await client.say("AUTH PLAIN")
                host.double.answers["login"] = NO
                assert await client.say(b64(f"\0ann\0{password}")) == NO
                assert host.double.logins.pop() == ("ann", password)

    run(loop, main())


@BOTH
@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_pipelined(loop: str, size: int) -> None:
    """A group that ends in AUTH, and one with all its answers in it, gets its replies in order."""

    async def main() -> None:
        async with talk(service=Service.SUBMISSION) as (host, client):
            group = (
                f"EHLO client.example.com\r\nMAIL FROM:<ann@example.com>\r\nAUTH LOGIN\r\n{b64('ann')}\r\n"
                f"{b64('Sesame!open')}\r\nMAIL FROM:<ann@example.com>\r\nRCPT TO:<bob@example.com>\r\nDATA\r\n"
                "hello\r\n.\r\nQUIT\r\n"
            ).encode()
            for place in range(0, len(group), size):
                await client.send(group[place : place + size])
            answers = [(await client.reply())[:3] for _ in range(11)]
            assert answers == ["220", "250", "530", "334", "334", "235", "250", "250", "354", "250", "221"]
            assert await client.rest() == ""
            assert host.double.logins == [("ann", "Sesame!open")]
            assert len(host.double.mails) == 1

    run(loop, main())


@BOTH
def test_what_comes_during_a_login_waits(loop: str) -> None:
    """A login may take longer than a client may be silent: the connection stays, and what came meanwhile is done."""

    async def main() -> None:
        watch = Watch()
        async with talk(timeout=0.01, time=watch) as (host, client):
            host.double.holds["login"] = asyncio.Event()
            await client.greet()
            await client.send(f"AUTH PLAIN {PLAIN}\r\nNOOP\r\n".encode())
            await until(lambda: "login" in host.double.reached)
            watch.shows += 100
            await until(lambda: host.only._deadline > watch.shows)
            host.double.holds["login"].set()
            assert await client.reply() == WELCOME
            assert await client.reply() == "250 2.0.0 OK"
            watch.shows += 0.02
            assert await client.rest() == "421 4.4.2 Timeout; closing\r\n", "and then silence counts again"

    run(loop, main())


@BOTH
def test_who_is_silent_at_a_challenge(loop: str) -> None:
    """The time for an answer is that of any command."""

    async def main() -> None:
        watch = Watch()
        async with talk(timeout=0.01, time=watch) as (host, client):
            await client.greet()
            assert (await client.say("AUTH LOGIN"))[:3] == "334"
            watch.shows += 0.009
            assert (await client.say(b64("ann")))[:3] == "334"
            await watch.seen(2)
            assert host.connections
            watch.shows += 0.01
            assert await client.rest() == "421 4.4.2 Timeout; closing\r\n"
            assert host.double.logins == []

    run(loop, main())


@BOTH
@pytest.mark.parametrize("where", ["challenge", "login"])
@pytest.mark.parametrize("how", ["close", "reset", "shut", "abort"])
def test_the_end_comes_during_a_login(loop: str, where: str, how: str) -> None:
    """A connection that ends at a challenge, or while the login is decided, leaves nothing behind."""

    async def main() -> None:
        async with hosting() as host:
            host.double.holds["login"] = asyncio.Event()
            async with calling(host) as client:
                await client.greet()
                await client.send(b"AUTH PLAIN\r\n" if where == "challenge" else f"AUTH PLAIN {PLAIN}\r\n".encode())
                if where == "challenge":
                    assert await client.reply() == "334 "
                else:
                    await until(lambda: "login" in host.double.reached)
                if how == "shut":
                    host.only.shut()
                    host.double.holds["login"].set()
                    assert (await client.rest()).startswith("421 4.3.2 ")
                elif how == "abort":
                    host.only.abort()
                elif how == "reset":
                    client.reset()
            await until(lambda: not host.connections)
            assert host.ended == 1

    run(loop, main())


class Leak(Exception):
    """What a careless backend might raise."""


@BOTH
def test_a_crash_tells_no_password(loop: str, caplog: pytest.LogCaptureFixture) -> None:
    """A login that fails by a bug is 451 with an id; its log has the place and not what the error said."""

    async def main() -> None:
        async with talk(service=Service.SUBMISSION) as (host, client):
            await client.greet()
            for kind in (Oops, Leak, ConnectionResetError, ValueError, TimeoutError):
                error = kind("no user ann with Sesame!open")
                error.__cause__ = Leak("Sesame!open")
                host.double.answers["login"] = error
                with capture_logs() as logs, caplog.at_level(logging.DEBUG):
                    answer = await client.say(f"AUTH PLAIN {PLAIN}")
                assert answer.startswith("451 4.3.0 ")
                assert [log["event"] for log in logs] == ["session failed"]
                assert logs[0]["incident"] in answer
                told = repr(logs) + caplog.text
                raised = logs[0]["exc_info"]
                told += "".join(traceback.format_exception(raised)) + repr(vars(raised)) + repr(raised.__context__)
                assert kind.__name__ in told
                assert "_says" in told, "the frames are there"
                assert "Sesame" not in told
                assert PLAIN not in told
                assert await client.say("MAIL FROM:<ann@example.com>") == "530 5.7.0 Authentication required"
            del host.double.answers["login"]
            assert await client.say(f"AUTH PLAIN {PLAIN}") == WELCOME

    run(loop, main())


@BOTH
def test_nothing_is_logged_of_an_exchange(loop: str, caplog: pytest.LogCaptureFixture) -> None:
    """Neither our log nor the libraries' has the password or its base64, with all that they could say."""

    async def main() -> None:
        async with talk() as (host, client):
            host.double.answers["login"] = NO
            with capture_logs() as logs, caplog.at_level(logging.DEBUG):
                await client.greet()
                await client.say(f"AUTH PLAIN {PLAIN}")
                for line in ("AUTH LOGIN", b64("ann"), b64("Sesame!open")):
                    await client.say(line)
                await client.say("AUTH LOGIN")
                await client.say("Sesame!open")
            assert len(host.double.logins) == 2
            told = repr(logs) + caplog.text
            assert "Sesame" not in told
            assert PLAIN not in told
            assert b64("Sesame!open") not in told

    run(loop, main())


@pytest.mark.parametrize("mechanism", ["plain", "login"])
def test_smtplib_logs_in(mechanism: str) -> None:
    """Python's own client, each mechanism by itself, sends a mail after it logged in."""

    def send(port: int) -> None:
        mail = EmailMessage()
        mail["From"], mail["To"] = "ann@example.com", "bob@example.com"
        mail.set_content("hello")
        with smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
            client.ehlo()
            client.user, client.password = "ann", "Sesame!open"
            client.auth(mechanism.upper(), getattr(client, f"auth_{mechanism}"))
            client.send_message(mail)

    async def main() -> None:
        async with hosting(service=Service.SUBMISSION) as host:
            await asyncio.to_thread(send, host.port)
            assert host.double.logins == [("ann", "Sesame!open")]
            assert len(host.double.mails) == 1

    run("asyncio", main())


def test_smtplib_is_refused() -> None:
    """A wrong password is an authentication error for it, with our words."""

    def login(port: int) -> str:
        with (
            smtplib.SMTP("127.0.0.1", port, timeout=10) as client,
            pytest.raises(smtplib.SMTPAuthenticationError) as no,
        ):
            client.login("ann", "wrong")
        return f"{no.value.smtp_code} {no.value.smtp_error!r}"

    async def main() -> None:
        async with hosting() as host:
            host.double.answers["login"] = NO
            assert await asyncio.to_thread(login, host.port) == f"535 {NO[4:].encode()!r}"

    run("asyncio", main())


def test_aiosmtplib_logs_in() -> None:
    """An asynchronous client chooses among what EHLO offers and logs in."""

    async def main() -> None:
        async with hosting(service=Service.SUBMISSION) as host:
            client = aiosmtplib.SMTP(hostname="127.0.0.1", port=host.port, start_tls=False, timeout=10)
            async with client:
                await client.login("דנה", "סוד")
                await client.sendmail("ann@example.com", ["bob@example.com"], b"hello\r\n")
            assert host.double.logins == [("דנה", "סוד")]
            assert len(host.double.mails) == 1

    run("asyncio", main())
