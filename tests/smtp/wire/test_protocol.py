"""Every command of a conversation, octet by octet, and what of aiosmtpd it rests on."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP
from structlog.testing import capture_logs

from smtp.wire import protocol
from smtp.wire.frame import Bounds, Frame
from smtp.wire.protocol import MailProtocol
from tests.smtp.talk import LOOPS, Double, Oops, cut, run, talk

pytestmark = pytest.mark.enable_socket

BOTH = pytest.mark.parametrize("loop", sorted(LOOPS))


@BOTH
def test_greeting_ehlo_helo(loop: str) -> None:
    """The greeting names us; EHLO lists what we can, HELO answers in one line, and both need a name."""

    async def main() -> None:
        async with talk(limit=1000) as (host, client):
            assert await client.reply() == "220 sms.example.com smsbridge"
            assert host.double.client.peer == "127.0.0.1"
            assert (await client.say("EHLO client.example.com")).split("\n")[:6] == [
                *("250-sms.example.com", "250-SIZE 1000", "250-8BITMIME", "250-SMTPUTF8", "250-PIPELINING"),
                "250-ENHANCEDSTATUSCODES",
            ]
            assert host.double.client.helo == "client.example.com"
            assert (await client.say("EHLO"))[:3] == "501"
            assert await client.say("HELO other.example.com") == "250 sms.example.com"
            assert host.double.client.helo == "other.example.com"
            assert (await client.say("HELO"))[:3] == "501"
            assert (await client.say("STARTTLS"))[:1] in "45"
            assert (await client.say("EHLO [127.0.0.1]"))[:3] == "250"
            assert await client.say("QUIT") == "221 2.0.0 Bye"
            assert await client.rest() == ""

    run(loop, main())


TAKEN = {
    "<ann@example.com>": "ann@example.com",
    " <ann@example.com>": "ann@example.com",
    "<ann@example.com> SIZE=1000": "ann@example.com",
    "<ann@example.com> size=1000 body=8bitmime": "ann@example.com",
    "<ann@example.com> BODY=7BIT SMTPUTF8": "ann@example.com",
    "<ann@example.com> AUTH=<>": "ann@example.com",
    "<ann@example.com> AUTH=ann+40example.com": "ann@example.com",
    "<ann@example.com> RET=HDRS ENVID=QQ314159": "ann@example.com",
    "<>": "",
    "<> SIZE=10": "",
    '<"ann smith"@example.com>': '"ann smith"@example.com',
    '<"a\\"b>@c"@example.com>': '"a\\"b>@c"@example.com',
    "<@relay.example.com,@[192.0.2.1]:ann@example.com>": "ann@example.com",
    "<ann@[192.0.2.1]>": "ann@[192.0.2.1]",
    "<ann@[IPv6:2001:db8::1]>": "ann@[IPv6:2001:db8::1]",
    "<אנה@דוגמה.example> SMTPUTF8": "אנה@דוגמה.example",
    "<root>": "root",
    "ann@example.com": "ann@example.com",
    "ann@example.com SIZE=5": "ann@example.com",
    "<a!#$%&'*+/=?^_`{|}~-.b@example.com>": "a!#$%&'*+/=?^_`{|}~-.b@example.com",
}
MALFORMED = (
    *("<ann@example.com", "ann@example.com>", "<<ann@example.com>>", "<ann smith@example.com>", "<a@b@c>", "<ann@>"),
    *("<@example.com>", '<"ann@example.com>', '<"ann"smith@example.com>', "<ann@exam ple.com>", "< >", "<", ">", '"'),
    *("<ann@[192.0.2.1>", "<ann@[]>", "<(c)ann@example.com>", "<ann@example.com>SIZE=5", "<a@b>,<c@d>", "<@", "<@[\t"),
    *("<ann@example.com\0>", "<\0>", "<@a:>", "<a\\@b>", "\\1@[", "=@[)a@@\r"),
)
REFUSED = {
    "<ann@example.com> SIZE=1001": "552 5.3.4 ",
    "<ann@example.com> SIZE=99999999999999999999999": "552 5.3.4 ",
    "<ann@example.com> SIZE=junk": "501 5.5.4 ",
    "<ann@example.com> SIZE=": "501 5.5.4 ",
    "<ann@example.com> SIZE": "501 5.5.4 ",
    "<ann@example.com> SIZE=-1": "501 5.5.4 ",
    "<ann@example.com> SIZE=٣": "501 5.5.4 ",
    "<ann@example.com> BODY=BINARYMIME": "501 5.5.4 ",
    "<ann@example.com> BODY": "501 5.5.4 ",
    "<ann@example.com> COLOUR=red": "555 5.5.4 ",
    "<ann@example.com> SIZE=1 junk": "555 5.5.4 ",
    "<ann@example.com> <bob@example.com>": "555 5.5.4 ",
    "": "501 5.5.4 ",
    " ": "501 5.5.4 ",
} | dict.fromkeys(MALFORMED, "553 5.1.3 ")


@BOTH
def test_mail(loop: str) -> None:
    """Every form of a sender and its parameters that is in use is taken, and everything else refused for good."""

    async def main() -> None:
        async with talk(limit=1000) as (host, client):
            await client.greet()
            for argument, sender in TAKEN.items():
                for command in ("MAIL FROM:", "mail from:"):
                    assert await client.say(command + argument) == "250 2.1.0 OK", argument
                    assert host.double.heard.pop() == sender
                    assert await client.say("RSET") == "250 2.0.0 OK"
            for argument, reply in REFUSED.items():
                assert (await client.say(f"MAIL FROM:{argument}")).startswith(reply), argument
            for command in ("MAIL", "MAIL FROM", "MAIL TO:<ann@example.com>", "MAIL <ann@example.com>"):
                assert (await client.say(command)).startswith("501 5.5.4 "), command
            assert host.double.heard == []
            assert (await client.say("RCPT TO:<bob@example.com>"))[:3] == "503"

    run(loop, main())


@BOTH
def test_rcpt(loop: str) -> None:
    """The same for recipients; there is no null recipient, and what a bounce should say is taken and not needed."""

    async def main() -> None:
        async with talk() as (host, client):
            await client.greet()
            await client.say("MAIL FROM:<>")
            host.double.heard.clear()
            for parameters in ("", " NOTIFY=NEVER", " NOTIFY=SUCCESS,DELAY ORCPT=rfc822;bob@example.com"):
                assert await client.say(f"RCPT TO:<+972-50.234/5678@sms.example.com>{parameters}") == "250 2.1.5 OK"
                assert host.double.heard.pop() == "+972-50.234/5678@sms.example.com"
            assert await client.say('RCPT TO:<"050 234 5678"@SMS.example.com.>') == "250 2.1.5 OK"
            assert host.double.heard.pop() == '"050 234 5678"@SMS.example.com.'
            for argument in MALFORMED:
                assert (await client.say(f"RCPT TO:{argument}")).startswith("553 5.1.3 "), argument
            for argument in ("", "<>", "<> NOTIFY=NEVER"):
                assert (await client.say(f"RCPT TO:{argument}")).startswith("501 5.5.4 "), argument
            for argument in ("<b@example.com> SIZE=5", "<b@example.com> junk"):
                assert (await client.say(f"RCPT TO:{argument}")).startswith("555 5.5.4 "), argument
            assert (await client.say("RCPT FROM:<b@example.com>")).startswith("501 5.5.4 ")
            assert host.double.heard == []

    run(loop, main())


@BOTH
def test_order(loop: str) -> None:
    """Commands out of order are 503, and what was begun stays as it was; RSET and EHLO begin anew."""

    async def main() -> None:
        async with talk() as (host, client):
            assert (await client.reply())[:3] == "220"
            for command in ("MAIL FROM:<ann@example.com>", "RCPT TO:<bob@example.com>", "DATA"):
                assert (await client.say(command))[:3] == "503", command
            await client.say("EHLO client.example.com")
            for command in ("RCPT TO:<bob@example.com>", "DATA"):
                assert await client.say(command) == "503 5.5.1 MAIL comes first"
            assert (await client.say("MAIL FROM:<ann@example.com>"))[:3] == "250"
            assert (await client.say("MAIL FROM:<eve@example.com>"))[:3] == "503"
            assert await client.say("DATA") == "503 5.5.1 No recipient was taken"
            host.double.answers["recipient"] = "550 5.1.1 No"
            assert await client.say("RCPT TO:<bad@example.com>") == "550 5.1.1 No"
            assert await client.say("DATA") == "503 5.5.1 No recipient was taken"
            del host.double.answers["recipient"]
            assert (await client.say("RCPT TO:<bob@example.com>"))[:3] == "250"
            assert (await client.say("DATA now")).startswith("501 ")
            assert (await client.say("RSET now")).startswith("501 ")
            assert (await client.say("DATA"))[:3] == "354"
            assert await client.say(b"hello\r\n.") == "250 2.0.0 Accepted"
            assert host.double.mails == [("ann@example.com", ("bob@example.com",), b"hello\r\n")]
            for begin in ("RSET", "EHLO again.example.com", "HELO again.example.com"):
                await client.say("MAIL FROM:<ann@example.com>")
                await client.say("RCPT TO:<bob@example.com>")
                assert (await client.say(begin))[:3] == "250"
                assert (await client.say("DATA"))[:3] == "503"
            host.double.answers["mail"] = "550 5.7.1 No"
            assert await client.say("MAIL FROM:<eve@example.com>") == "550 5.7.1 No"
            assert (await client.say("RCPT TO:<bob@example.com>"))[:3] == "503"
            assert len(host.double.mails) == 1

    run(loop, main())


@BOTH
def test_strange_lines(loop: str) -> None:
    """Long, empty, binary and unknown commands are refused one by one, and the conversation goes on."""

    async def main() -> None:
        async with talk() as (host, client):
            await client.greet()
            for line in (b"NOOP " + b"x" * 5000, b"x" * 100_000, b"MAIL FROM:<" + b"a" * 4090 + b"@example.com>"):
                assert await client.say(line) == "500 5.5.2 Command line too long"
            for line in (b"", b"\xff\xfe", "שלום".encode()):
                assert (await client.say(line))[:3] == "500"
            assert (await client.say(b"MAIL FROM:<\xff@example.com>")).startswith("553 ")
            assert (await client.say(b"MAIL FROM:<a\0b@example.com>")).startswith("553 ")
            assert (await client.say(b"VRFY \xff"))[:3] == "252"
            assert (await client.say(b"VRFY"))[:3] == "501"
            assert (await client.say(b"HELP \xff\0"))[:3] == "504"
            assert (await client.say(b"EXPN \xff"))[:3] == "502"
            assert (await client.say(b"NOOP \xff"))[:3] == "250"
            assert (await client.say("MAIL FROM:<" + "a" * 3900 + "@example.com>"))[:3] == "250"
            assert len(host.double.heard) == 1
            assert (await client.say("RCPT TO:<bob@example.com>"))[:3] == "250"
            assert (await client.say("DATA"))[:3] == "354"
            line = b"x" * 99_000
            assert (await client.say(line + b"\r\n."))[:3] == "250"
            assert host.double.mails[0][2] == line + b"\r\n"
            for place in range(5):
                assert (await client.say(f"BOGUS{place}"))[:3] in {"500", "502"}
            assert await client.rest() == ""
        assert dict(MailProtocol.command_size_limits) == {}, "what strangers send is not remembered"

    run(loop, main())


PIPELINED = (
    b"EHLO client.example.com\r\n"
    b"MAIL FROM:<ann@example.com> SIZE=7\r\nRCPT TO:<bob@example.com>\r\nRCPT TO:<eve@example.com>\r\nDATA\r\n"
    b"one\r\n..\r\n.\r\n"
    b"MAIL FROM:<>\r\nRCPT TO:<bob@example.com>\r\nDATA\r\n.\r\nRSET\r\nQUIT\r\n"
)


@BOTH
@pytest.mark.parametrize("size", [1, 5, 40, 10_000])
def test_pipelining(loop: str, size: int) -> None:
    """A whole conversation in one write, or in crumbs: two mails and QUIT, and each command its reply in order."""

    async def main() -> None:
        async with talk() as (host, client):
            for piece in cut(PIPELINED, list(range(0, len(PIPELINED), size))):
                await client.send(piece)
            answers = [await client.reply() for _ in range(12)]
            assert [answer[:3] for answer in answers] == (
                ["220", "250", "250", "250", "250", "354", "250", "250", "250", "354", "250", "250"]
            )
            assert await client.rest() == "221 2.0.0 Bye\r\n"
            assert host.double.mails == [
                ("ann@example.com", ("bob@example.com", "eve@example.com"), b"one\r\n.\r\n"),
                ("", ("bob@example.com",), b""),
            ]

    run(loop, main())


@BOTH
def test_a_mail_too_large(loop: str) -> None:
    """A mail past the limit is 552 after its end, however much comes; the next command and mail are heard."""

    async def main() -> None:
        async with talk(limit=1000) as (host, client):
            await client.begin()
            for _ in range(300):
                await client.send(b"x" * 9_998 + b"\r\n")
            await client.send(b".\r\nNOOP\r\n")
            assert await client.reply() == "552 5.3.4 Mail is larger than 1000 octets"
            assert (await client.reply())[:3] == "250"
            assert host.double.mails == []
            assert [error.code for error in host.double.told] == ["mail_too_large"]
            assert (await client.say("DATA"))[:3] == "503"
            await client.say("MAIL FROM:<ann@example.com>")
            await client.say("RCPT TO:<bob@example.com>")
            await client.say("DATA")
            assert (await client.say(b"x" * 998 + b"\r\n."))[:3] == "250"
            assert len(host.double.mails) == 1

    run(loop, main())


@BOTH
def test_why_is_heard_in_a_long_mail(loop: str) -> None:
    """Who sends bare LFs in a mail of 20 MB gets to read why: the connection is not reset under it."""

    async def main() -> None:
        async with talk() as (host, client):
            await client.begin()
            for _ in range(20):
                await client.send(b"hello\n" + b"x" * 1_000_000)
            await client.send(b"\r\n.\r\n")
            assert await client.rest() == protocol.BARE_LF + "\r\n"
            assert host.double.mails == []
        assert host.ended == 1

    run(loop, main())


# What goes wrong.


@BOTH
@pytest.mark.parametrize("step", ["mail", "recipient", "content"])
def test_a_bug_is_temporary_and_has_an_id(loop: str, step: str) -> None:
    """The reply is 451 with an id that is in the log, and shows nothing of the error; the connection goes on."""

    async def main() -> None:
        async with talk() as (host, client):
            host.double.answers[step] = Oops("secret")
            await client.greet()
            commands = ["MAIL FROM:<ann@example.com>", "RCPT TO:<bob@example.com>", "DATA", "hello\r\n."]
            commands = commands[: ["mail", "recipient", "data", "content"].index(step) + 1]
            answer = ""
            with capture_logs() as logs:
                for command in commands:
                    answer = await client.say(command)
            found = re.fullmatch(r"451 4\.3\.0 [A-Za-z ;]+ \(([0-9a-f]{8})\)", answer)
            assert found, answer
            assert [(log["event"], log["incident"]) for log in logs] == [("session failed", found[1])]
            assert isinstance(logs[0]["exc_info"], Oops)
            del host.double.answers[step]
            assert (await client.say("RSET"))[:3] == "250"
            for command in ["MAIL FROM:<ann@example.com>", "RCPT TO:<bob@example.com>", "DATA", "hello\r\n."]:
                assert (await client.say(command))[:1] in "23"
            assert len(host.double.mails) == 1

    run(loop, main())


# What we take over from aiosmtpd.

OURS = {
    *("_frame", "_conversation", "_client", "_on_closed", "_has_mail", "_recipients", "_closing", "_busy", "_deaf"),
    *("_deadline", "_looks_at", "_unknown", "_entered", "_key", "_stage", "_proxied", "_began", "_ends", "_lost"),
    *("_unread", "_told", "_refusal", "_heard", "_errors", "_bad_recipient"),
}


def test_construction_leaves_what_aiosmtpd_would() -> None:
    """Our constructor skips aiosmtpd's: a version of it that sets another attribute has to be looked at."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        frame = Frame(hostname="sms.example.com", limit=1000, bounds=Bounds(timeout=60), loop=loop)
        ours = vars(MailProtocol(frame, Double(), closed=lambda _: None))
        theirs: dict[str, Any] = vars(
            SMTP(
                object(), hostname="sms.example.com", data_size_limit=1000, enable_SMTPUTF8=True, timeout=60, loop=loop
            )
        )
        assert ours.keys() - theirs.keys() == OURS
        assert theirs.keys() - ours.keys() == set()
        own = {"__ident__", "_auth_methods", "_smtp_methods", "_closed", "_client_connected_cb", "_stream_reader_wr"}
        own |= {"_strong_reader", "event_handler", "_source_traceback"}
        for name in theirs.keys() - own:
            assert ours[name] == theirs[name], name
        assert ours["_smtp_methods"].keys() == theirs["_smtp_methods"].keys()
        kept = {
            name
            for name in dir(SMTP)
            if name.startswith("smtp_") and getattr(MailProtocol, name) is getattr(SMTP, name)
        }
        assert kept <= {"smtp_STARTTLS"}, "every reply is ours"

    asyncio.run(main())
