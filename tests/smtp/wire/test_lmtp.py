"""LMTP: one reply for each recipient (RFC 2033)."""

from __future__ import annotations

import asyncio
import re
import smtplib
from unittest.mock import AsyncMock

import pytest
from structlog.testing import capture_logs

from smtp.wire import protocol
from smtp.wire.client import Service
from smtp.wire.parameters import RecipientParameters
from tests.smtp.talk import LOOPS, Client, Oops, calling, hosting, run, talk, until

pytestmark = pytest.mark.enable_socket

BOTH = pytest.mark.parametrize("loop", sorted(LOOPS))
THREE = ("a@example.com", "b@example.com", "c@example.com")


async def replies(client: Client, times: int) -> list[str]:
    """Return so many replies; and see by a command's own that no more came."""
    found = [await client.reply() for _ in range(times)]
    assert await client.say("VRFY x") == "252 2.5.0 Send a mail to see"
    return found


@BOTH
def test_greeting(loop: str) -> None:
    """LHLO begins; HELO and EHLO are not known, nor is AUTH, and none is offered (RFC 2033, 4.1)."""

    async def main() -> None:
        async with talk(service=Service.LMTP, limit=1000) as (host, client):
            assert (await client.reply())[:3] == "220"
            assert await client.say("MAIL FROM:<>") == "503 5.5.1 Send LHLO first"
            for command in ("EHLO client.example.com", "HELO client.example.com", "AUTH PLAIN AGFubgB4"):
                assert (await client.say(command)).startswith("500 5.5.1 ")
            assert (await client.say("LHLO")).startswith("501 5.5.4 ")
            assert (await client.say("LHLO client.example.com")).split("\n") == [
                *("250-sms.example.com", "250-SIZE 1000", "250-8BITMIME", "250-SMTPUTF8", "250-PIPELINING"),
                *("250-ENHANCEDSTATUSCODES", "250-DSN", "250 HELP"),
            ]
            assert host.double.client.helo == "client.example.com"
            assert host.double.client.service is Service.LMTP
            assert host.double.logins == []

    run(loop, main())


@BOTH
def test_lhlo_is_lmtp_s_alone(loop: str) -> None:
    """On the other services LHLO is a command nobody knows."""

    async def main() -> None:
        for service in (Service.SMTP, Service.SUBMISSION):
            async with talk(service=service) as (_, client):
                assert (await client.reply())[:3] == "220"
                assert (await client.say("LHLO client.example.com")).startswith("500 5.5.1 ")

    run(loop, main())


@BOTH
@pytest.mark.parametrize("size", [3, 100_000])
def test_each_recipient_has_its_reply(loop: str, size: int) -> None:
    """In the order in which they were taken, refused ones left out, each with its own code; then the next mail."""

    async def main() -> None:
        async with talk(service=Service.LMTP) as (host, client):
            host.double.answers |= {
                "content a@example.com": "250 2.0.0 Accepted",
                "content b@example.com": "452 4.2.2 No credit",
                "content c@example.com": "550 5.7.1 Opted out",
            }
            await client.greet("LHLO")
            assert (await client.say("MAIL FROM:<ann@example.com>"))[:3] == "250"
            assert (await client.say("RCPT TO:<c@example.com> ORCPT=rfc822;C@example.org"))[:3] == "250"
            host.double.answers["recipient"] = "550 5.1.1 No"
            assert (await client.say("RCPT TO:<x@example.com>"))[:3] == "550"
            del host.double.answers["recipient"]
            for recipient in ("a", "b", "a"):
                assert (await client.say(f"RCPT TO:<{recipient}@example.com>"))[:3] == "250"
            assert host.double.recipient_parameters[0] == RecipientParameters(orcpt="rfc822;C@example.org")
            assert (await client.say("DATA"))[:3] == "354"
            await client.send(b"hello\r\n.\r\n")
            assert await replies(client, 4) == [
                *("550 5.7.1 Opted out", "250 2.0.0 Accepted", "452 4.2.2 No credit", "250 2.0.0 Accepted"),
            ]
            group = b"MAIL FROM:<>\r\nRCPT TO:<b@example.com>\r\nDATA\r\n.\r\nNOOP\r\n"
            for place in range(0, len(group), size):
                await client.send(group[place : place + size])
            assert [(await client.reply())[:3] for _ in range(5)] == ["250", "250", "354", "452", "250"]
            assert len(host.double.mails) == 2

    run(loop, main())


@BOTH
def test_no_recipient(loop: str) -> None:
    """Without one that was taken, DATA is 503 (RFC 2033, 4.2)."""

    async def main() -> None:
        async with talk(service=Service.LMTP) as (host, client):
            await client.greet("LHLO")
            await client.say("MAIL FROM:<ann@example.com>")
            assert (await client.say("DATA")).startswith("503 5.5.1 ")
            host.double.answers["recipient"] = "550 5.1.1 No"
            await client.say("RCPT TO:<a@example.com>")
            assert (await client.say("DATA")).startswith("503 5.5.1 ")
            assert host.double.mails == []

    run(loop, main())


@BOTH
def test_trouble_is_told_to_each(loop: str) -> None:
    """A bug is 451 for every recipient, with one id that is in the log once."""

    async def main() -> None:
        async with talk(service=Service.LMTP) as (host, client):
            host.double.answers["content"] = Oops("secret")
            await client.begin(*THREE, hello="LHLO")
            with capture_logs() as logs:
                await client.send(b"hello\r\n.\r\n")
                found = await replies(client, 3)
            assert len(set(found)) == 1
            assert re.fullmatch(r"451 4\.3\.0 .*\([0-9a-f]{8}\)", found[0])
            assert [log["event"] for log in logs] == ["session failed"]

    run(loop, main())


@BOTH
@pytest.mark.parametrize(
    ("service", "given"),
    [(Service.LMTP, 2), (Service.LMTP, 4), (Service.LMTP, 0), (Service.SMTP, 3), (Service.SMTP, 0)],
)
def test_a_wrong_count_is_trouble(loop: str, service: Service, given: int) -> None:
    """When we have fewer or more answers than are due, none is told: a client could take it for another's."""

    async def main() -> None:
        async with talk(service=service) as (host, client):
            answers = ["250 2.0.0 Accepted"] * given
            host.double.content = AsyncMock(return_value=answers)  # type: ignore[method-assign]
            await client.begin(*THREE, hello="LHLO" if service is Service.LMTP else "EHLO")
            await client.send(b"hello\r\n.\r\n")
            found = await replies(client, 3 if service is Service.LMTP else 1)
            assert {answer[:9] for answer in found} == {"451 4.3.0"}

    run(loop, main())


@BOTH
def test_a_mail_too_large(loop: str) -> None:
    """Each recipient hears of it, and it is counted once."""

    async def main() -> None:
        async with talk(service=Service.LMTP, limit=1000) as (host, client):
            await client.begin(*THREE, hello="LHLO")
            await client.send(b"x" * 2000 + b"\r\n.\r\n")
            assert await replies(client, 3) == ["552 5.3.4 Mail is larger than 1000 octets"] * 3
            assert [error.code for error in host.double.told] == ["mail_too_large"]
            assert (await client.say("MAIL FROM:<> SIZE=1001")).startswith("552 5.3.4 ")

    run(loop, main())


@BOTH
def test_a_bare_lf(loop: str) -> None:
    """Each recipient hears why, and then the connection ends."""

    async def main() -> None:
        async with talk(service=Service.LMTP) as (host, client):
            await client.begin(*THREE, hello="LHLO")
            await client.send(b"hello\nworld\r\n.\r\n")
            assert await client.rest() == f"{protocol.BARE_LF}\r\n" * 3
            assert host.double.mails == []
            assert len(host.double.told) == 1

    run(loop, main())


@BOTH
@pytest.mark.parametrize("how", ["close", "reset"])
def test_an_end_within_the_mail_answers_nobody(loop: str, how: str) -> None:
    """A mail that is not whole is none."""

    async def main() -> None:
        async with hosting(service=Service.LMTP) as host:
            async with calling(host) as client:
                await client.begin(*THREE, hello="LHLO")
                await client.send(b"hello\r\n")
                if how == "reset":
                    client.reset()
            await until(lambda: not host.connections)
            assert host.double.mails == []

    run(loop, main())


def test_smtplib_delivers() -> None:
    """Python's LMTP client delivers, and hears of the recipients that were refused at RCPT."""

    def send(port: int) -> dict[str, tuple[int, bytes]]:
        with smtplib.LMTP("127.0.0.1", port) as client:
            return client.sendmail("ann@example.com", ["a@example.com"], "hello", ["BODY=8BITMIME"], ["NOTIFY=NEVER"])

    async def main() -> None:
        async with hosting(service=Service.LMTP) as host:
            assert await asyncio.to_thread(send, host.port) == {}
            assert host.double.mails == [("ann@example.com", ("a@example.com",), b"hello\r\n")]

    run("asyncio", main())
