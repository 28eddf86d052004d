"""The protocol: how a mail is read from the wire, and every command of a conversation, octet by octet."""

from __future__ import annotations

import asyncio
import re
import socket
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import pairwise
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from smtp import protocol, replies
from smtp.protocol import Data, Frame, MailProtocol
from tests.smtp.talk import LOOPS, Client, Double, Host, calling, hosting, run, until

pytestmark = pytest.mark.enable_socket

BOTH = pytest.mark.parametrize("loop", sorted(LOOPS))
END = b"\r\n.\r\n"

# Reading a mail.

_line = st.one_of(
    st.sampled_from([b"", b".", b"..", b"...", b".\r", b"\r", b"\r.", b". ", b"\r\r"]),
    st.binary(max_size=12).map(lambda line: line.replace(b"\n", b"")),
)
_mail = st.lists(_line, max_size=12).map(lambda lines: b"".join(line + b"\r\n" for line in lines))
_follows = st.one_of(st.just(b""), st.just(b"QUIT\r\n"), st.just(b".\r\n"), st.binary(max_size=8))


def sent(content: bytes) -> bytes:
    """Return a mail as a client sends it: RFC 5321, 4.5.2, line by line."""
    lines = content.split(b"\r\n")
    return b"\r\n".join(b"." + line if line.startswith(b".") else line for line in lines) + b".\r\n"


def cut(octets: bytes, places: list[int]) -> list[bytes]:
    """Cut octets at the places given."""
    edges = [0, *sorted({place for place in places if 0 < place < len(octets)}), len(octets)]
    return [octets[begin:end] for begin, end in pairwise(edges)]


def read(pieces: list[bytes], *, limit: int = 1_000_000) -> tuple[Data, bytes | None]:
    """Feed pieces until the end is reached; return what follows it, or None when it was not."""
    data = Data(limit)
    for place, piece in enumerate(pieces):
        rest = data.feed(piece)
        if rest is not None:
            return data, rest + b"".join(pieces[place + 1 :])
    return data, None


@given(content=_mail, follows=_follows, places=st.lists(st.integers(0, 200), max_size=20))
def test_a_mail_is_the_same_however_it_is_cut(content: bytes, follows: bytes, places: list[int]) -> None:
    """Content, end, and what follows the end (the next command) do not depend on where the network cuts."""
    data, rest = read(cut(sent(content) + follows, places))
    assert (data.bare_lf, data.too_large) == (False, False)
    assert data.content() == content
    assert rest == follows


@given(content=_mail, follows=_follows)
def test_a_mail_comes_octet_by_octet(content: bytes, follows: bytes) -> None:
    """The same when each octet comes alone, so the end is split at each of its places."""
    wire = sent(content) + follows
    data, rest = read([wire[place : place + 1] for place in range(len(wire))])
    assert not data.bare_lf
    assert (data.content(), rest) == (content, follows)


@pytest.mark.parametrize("place", range(1, 8))
def test_the_end_is_seen_across_pieces(place: int) -> None:
    """Cut before and after each of the five octets of the end."""
    wire = b"a" + END + b"N"
    data, rest = read([wire[:place], wire[place:]] if place < len(wire) else [wire])
    assert (data.content(), rest) == (b"a\r\n", b"N")


@pytest.mark.parametrize(
    ("wire", "content"),
    [
        (b".\r\n", b""),
        (b"\r\n.\r\n", b"\r\n"),
        (b"..\r\n.\r\n", b".\r\n"),
        (b"...\r\n.\r\n", b"..\r\n"),
        (b".a\r\n.\r\n", b"a\r\n"),  # a client that did not double its dot
        (b"a\r\n..b\r\n.\r\n", b"a\r\n.b\r\n"),
        (b"\r\n..\r\n..\r\n.\r\n", b"\r\n.\r\n.\r\n"),
        (b"a.\r\n.\r\n", b"a.\r\n"),
        (b". \r\n.\r\n", b" \r\n"),  # a dot and more is no end
        (b"\x00\xff\r\n.\r\n", b"\x00\xff\r\n"),
    ],
)
def test_dots(wire: bytes, content: bytes) -> None:
    """A dot that begins a line is left out (RFC 5321, 4.5.2); one alone is the end, also as the very first line."""
    data, rest = read([wire])
    assert (data.content(), rest) == (content, b"")


@pytest.mark.parametrize("size", [1, 3, 7, 1000])
@pytest.mark.parametrize("begin", [b"", b".\r\n", b"\r\n.\r\n..\r\n.x\r\n"])
def test_the_limit_is_exact(begin: bytes, size: int) -> None:
    """A mail of as many octets as allowed is taken, one more is not; dots of transparency and the end count nothing."""
    content = begin.ljust(98, b"a") + b"\r\n"
    wire = sent(content)
    pieces = cut(wire, list(range(0, len(wire), size)))
    data, rest = read(pieces, limit=100)
    assert (data.too_large, data.content(), rest) == (False, content, b"")
    data, rest = read(pieces, limit=99)
    assert (data.too_large, rest) == (True, b"")


def test_a_mail_that_is_too_large_is_not_held() -> None:
    """Of 20 MB with a limit of 1 MB no more is held than that and a piece, and the end is still found."""
    piece = b"x" * 65_534 + b"\r\n"
    data = Data(1_000_000)
    tracemalloc.start()
    try:
        for _ in range(320):
            assert data.feed(piece) is None
        rest = data.feed(b".\r\nRSET\r\n")
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert rest == b"RSET\r\n"
    assert data.too_large
    assert most < 1_500_000


def test_a_mail_in_tiny_pieces_is_held_once() -> None:
    """A megabyte in pieces of one octet takes about a megabyte: a client cannot multiply what it sends."""
    data = Data(1_000_000)
    tracemalloc.start()
    try:
        for _ in range(500_000):
            data.feed(b"x")
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 1_500_000


@given(before=_mail, line=st.binary(max_size=5), after=st.binary(max_size=9), places=st.lists(st.integers(0, 80)))
def test_a_bare_lf_is_refused_at_once(before: bytes, line: bytes, after: bytes, places: list[int]) -> None:
    """The piece that brings an LF without CR before the end is the last that is read, and nothing follows it."""
    line = line.replace(b"\n", b"").rstrip(b"\r")
    line = b"x" if not line and not before else line
    wire = sent(before)[:-3] + line + (b"" if line or before[-2:] != b"\r\n" else b"x") + b"\n" + after
    found = next(match.end() for match in re.finditer(rb"(?<!\r)\n", wire))
    data = Data(1_000_000)
    taken = 0
    for piece in cut(wire, places):
        taken += len(piece)
        rest = data.feed(piece)
        if taken < found:
            assert (rest, data.bare_lf) == (None, False)
        else:
            assert (rest, data.bare_lf) == (b"", True)
            return
    pytest.fail("an LF without CR was taken")


def test_a_crlf_in_two_pieces_is_whole() -> None:
    """An LF that begins a piece belongs to the CR that ended the one before."""
    data, rest = read([b"a\r", b"\nb\r", b"\n", b".\r", b"\n"])
    assert (data.bare_lf, data.content(), rest) == (False, b"a\r\nb\r\n", b"")


# Conversations.


@asynccontextmanager
async def talk(*, limit: int = 100_000, timeout: float = 60.0) -> AsyncIterator[tuple[Host, Client]]:  # noqa: ASYNC109
    """Give a server and a client that is connected to it."""
    async with hosting(limit=limit, timeout=timeout) as host, calling(host) as client:
        yield host, client


@BOTH
def test_greeting_ehlo_helo(loop: str) -> None:
    """The greeting names us; EHLO lists what we can, and neither STARTTLS nor AUTH; HELO answers in one line."""

    async def main() -> None:
        async with talk(limit=1000) as (host, client):
            assert await client.reply() == "220 sms.example.com smsbridge"
            assert host.double.peer == "127.0.0.1"
            assert await client.say("EHLO client.example.com") == (
                "250-sms.example.com\n250-SIZE 1000\n250-8BITMIME\n250-SMTPUTF8\n250-PIPELINING\n250 HELP"
            )
            assert (await client.say("EHLO"))[:3] == "501"
            assert await client.say("HELO client.example.com") == "250 sms.example.com"
            assert (await client.say("HELO"))[:3] == "501"
            assert (await client.say("STARTTLS"))[:1] in "45"
            assert (await client.say("EHLO [127.0.0.1]"))[:3] == "250"
            assert (await client.say("AUTH PLAIN AGFubgBzZWNyZXQ="))[:1] == "5"
            for command in ("DATA", "EHLO", "HELO", "MAIL", "NOOP", "QUIT", "RCPT", "RSET"):
                assert command in (await client.say("HELP")).split()
                assert (await client.say(f"HELP {command}")).startswith("250 Syntax: ")
            assert await client.say("QUIT") == "221 Bye"
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
                    assert await client.say("RSET") == "250 OK"
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
                assert await client.say(line) == "500 Command line too long"
            for line in (b"", b"\xff\xfe", "שלום".encode()):
                assert (await client.say(line))[:3] == "500"
            assert (await client.say(b"MAIL FROM:<\xff@example.com>")).startswith("553 ")
            assert (await client.say(b"MAIL FROM:<a\0b@example.com>")).startswith("553 ")
            assert (await client.say(b"VRFY \xff"))[:3] == "252"
            assert (await client.say(b"VRFY"))[:3] == "501"
            assert (await client.say(b"HELP \xff\0"))[:3] == "501"
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
        assert dict(protocol._SIZES) == {}, "what strangers send is not remembered"

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
            assert await client.rest() == "221 Bye\r\n"
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
            assert (await client.say("DATA"))[:3] == "503"
            await client.say("MAIL FROM:<ann@example.com>")
            await client.say("RCPT TO:<bob@example.com>")
            await client.say("DATA")
            assert (await client.say(b"x" * 998 + b"\r\n."))[:3] == "250"
            assert len(host.double.mails) == 1

    run(loop, main())


EVIL = b"MAIL FROM:<eve@example.com>\r\nRCPT TO:<victim@example.com>\r\nDATA\r\nsmuggled\r\n.\r\n"


@BOTH
@pytest.mark.parametrize(
    "form", [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\n.\r", b"\r.\n", b"\n\n.\r\n", b"\r\n\n.\n", b"\n"]
)
@pytest.mark.parametrize("apart", [False, True])
def test_no_mail_is_smuggled_by_lf(loop: str, form: bytes, *, apart: bool) -> None:
    """A false end with a bare LF is refused, the reason said, and of all that follows not one command is heard."""

    async def main() -> None:
        async with talk() as (host, client):
            await client.begin()
            for piece in [b"hello" + form, EVIL + b"NOOP\r\n"] if apart else [b"hello" + form + EVIL + b"NOOP\r\n"]:
                await client.send(piece)
            assert await client.rest() == protocol.BARE_LF + "\r\n"
            assert host.double.mails == []
            assert host.double.heard == ["ann@example.com", "bob@example.com"]

    run(loop, main())


@BOTH
@pytest.mark.parametrize(
    "form", [b"\r.\r", b"\r\n.\r", b"\r\n.\0\r\n", b"\r\n\0.\r\n", b"\r\n. \r\n", b"\r.\r\n", b"\0.\r\n"]
)
def test_no_mail_is_smuggled_otherwise(loop: str, form: bytes) -> None:
    """What looks like an end without an LF alone is content: the mail ends where RFC 5321, 4.1.1.4, says."""

    async def main() -> None:
        async with talk() as (host, client):
            await client.begin()
            assert (await client.say(b"hello" + form + b"x\r\n" + EVIL[:-5] + b"\r\n."))[:3] == "250"
            assert host.double.heard == ["ann@example.com", "bob@example.com"]
            assert len(host.double.mails) == 1
            assert b"MAIL FROM:<eve@example.com>" in host.double.mails[0][2]
            assert (await client.say("RSET")) == "250 OK"

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


class Oops(Exception):
    """What no conversation should raise."""


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


async def _vanish(client: Client, how: str) -> None:
    if how == "reset":
        client.reset()
    elif how == "half":
        client.writer.write_eof()
    else:
        client.writer.close()


@BOTH
@pytest.mark.parametrize("how", ["close", "reset", "half"])
@pytest.mark.parametrize("step", ["connect", "greeting", "mail", "recipient", "354", "mid", "content", "answered"])
def test_a_client_vanishes(loop: str, step: str, how: str) -> None:
    """At any step, in any way, and while its mail is being committed: no task, no connection, no complaint is left."""

    async def main() -> None:
        async with hosting() as host:
            if step in {"mail", "recipient", "content"}:
                host.double.holds[step] = asyncio.Event()
            async with calling(host) as client:
                if step != "connect":
                    await client.greet()
                if step not in {"connect", "greeting"}:
                    await client.send(b"MAIL FROM:<ann@example.com>\r\nRCPT TO:<bob@example.com>\r\nDATA\r\n")
                if step in {"mid", "content", "answered"}:
                    await client.send(b"hello\r\n" if step == "mid" else b"hello\r\n.\r\n")
                if step in host.double.holds:
                    await until(lambda: step in host.double.reached)
                if step == "answered":
                    await until(lambda: host.double.mails)
                await _vanish(client, how)
                await until(lambda: host.ended == 1 and not host.connections)
            assert len(host.double.mails) == (step == "answered")

    run(loop, main())


@BOTH
@pytest.mark.parametrize("where", ["greeted", "354", "mid"])
def test_silence_ends(loop: str, where: str) -> None:
    """A connection that is silent for as long as allowed is told so and closed, in the middle of a mail, too."""

    async def main() -> None:
        async with talk(timeout=0.2) as (host, client):
            await (client.greet() if where == "greeted" else client.begin())
            if where == "mid":
                await client.send(b"hello\r\n")
            assert await client.rest() == "421 4.4.2 Timeout; closing\r\n"
            assert host.double.mails == []

    run(loop, main())


@BOTH
def test_a_slow_mail_is_not_silence(loop: str) -> None:
    """Each piece of a mail begins the time anew: a slow line may take longer than a silent one."""

    async def main() -> None:
        async with talk(timeout=60) as (host, client):
            await client.begin()
            seen = {host.only._timeout_handle}
            for _ in range(3):
                await client.send(b"hello\r\n")
                await until(lambda: host.only._timeout_handle not in seen)
                seen.add(host.only._timeout_handle)
            assert (await client.say("."))[:3] == "250"

    run(loop, main())


@BOTH
def test_a_client_that_does_not_read_is_cut_off(loop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks and asks and reads no answer cannot keep the connection by that: after the last words it is cut."""
    monkeypatch.setattr(protocol, "_LAST_WORDS", 0.1)

    async def main() -> None:
        async with hosting(timeout=0.3) as host:
            with socket.socket() as made:
                made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                made.setblocking(False)
                await asyncio.get_running_loop().sock_connect(made, ("127.0.0.1", host.port))
                await until(lambda: host.connections)
                sending = asyncio.create_task(
                    asyncio.get_running_loop().sock_sendall(made, b"EHLO x\r\n" + b"HELP\r\n" * 2_000_000)
                )
                await until(lambda: host.ended == 1)
                with pytest.raises(ConnectionError):
                    await sending

    run(loop, main())


# Stopping.


@BOTH
def test_shut_says_goodbye(loop: str) -> None:
    """An idle connection is told 421 and closed at once, also between MAIL and DATA."""

    async def main() -> None:
        async with hosting() as host:
            for commands in ([], ["MAIL FROM:<ann@example.com>", "RCPT TO:<bob@example.com>"]):
                async with calling(host) as client:
                    await client.greet()
                    for command in commands:
                        await client.say(command)
                    host.only.shut()
                    assert await client.rest() == replies.CLOSING + "\r\n"

    run(loop, main())


@BOTH
@pytest.mark.parametrize("when", ["354", "mid", "content"])
def test_shut_lets_a_mail_be_answered(loop: str, when: str) -> None:
    """A mail under way is taken and answered, then the client told 421; a second one that waits is not begun."""

    async def main() -> None:
        async with talk() as (host, client):
            host.double.holds["content"] = asyncio.Event()
            await client.begin()
            if when == "mid":
                await client.send(b"hel")
            if when == "content":
                await client.send(b"hello\r\n.\r\nMAIL FROM:<ann@example.com>\r\n")
                await until(lambda: "content" in host.double.reached)
            host.only.shut()
            if when != "content":
                await client.send(b"lo\r\n.\r\n" if when == "mid" else b"hello\r\n.\r\n")
            host.double.holds["content"].set()
            assert await client.reply() == "250 2.0.0 Accepted"
            assert await client.rest() == replies.CLOSING + "\r\n"
            assert [mail[2] for mail in host.double.mails] == [b"hello\r\n"]

    run(loop, main())


@BOTH
def test_shut_after_a_bug(loop: str) -> None:
    """A mail under way that fails is answered 451, and then the client told 421."""

    async def main() -> None:
        async with talk() as (host, client):
            host.double.holds["content"] = asyncio.Event()
            host.double.answers["content"] = Oops("secret")
            await client.begin()
            await client.send(b"hello\r\n.\r\n")
            await until(lambda: "content" in host.double.reached)
            host.only.shut()
            with capture_logs():
                host.double.holds["content"].set()
                assert (await client.reply()).startswith("451 4.3.0 ")
            assert await client.rest() == replies.CLOSING + "\r\n"

    run(loop, main())


@BOTH
def test_shut_ends_a_refused_mail(loop: str) -> None:
    """A client that goes on with a mail which was refused in the middle does not hold up a stop."""

    async def main() -> None:
        async with talk() as (host, client):
            await client.begin()
            await client.send(b"hello\n")
            assert await client.reply() == protocol.BARE_LF
            host.only.shut()
            assert await client.rest() == ""
            await until(lambda: host.ended == 1)

    run(loop, main())


@BOTH
def test_abort(loop: str) -> None:
    """An aborted connection ends without a word, whatever it does; its mail has no answer."""

    async def main() -> None:
        async with talk() as (host, client):
            host.double.holds["content"] = asyncio.Event()
            await client.begin()
            await client.send(b"hello\r\n.\r\n")
            await until(lambda: "content" in host.double.reached)
            host.only.abort()
            with suppress(ConnectionResetError):
                assert await client.rest() == ""
            assert host.double.mails == []

    run(loop, main())


# What we take over from aiosmtpd.

OURS = {
    *("_frame", "_conversation", "_on_closed", "_has_mail", "_recipients", "_closing", "_busy", "_deaf"),
    "command_size_limits",
}


def test_construction_leaves_what_aiosmtpd_would() -> None:
    """Our constructor skips aiosmtpd's: a version of it that sets another attribute has to be looked at."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        frame = Frame(hostname="sms.example.com", limit=1000, timeout=60, loop=loop)
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

    asyncio.run(main())
