"""No mail within a mail: what some servers take for the end of a mail is none here.

The forms are those by which servers were found to differ in 2023 (CVE-2023-51764, -51765, -51766) and their kin.
"""

from __future__ import annotations

import pytest

from smtp.wire import protocol
from tests.smtp.talk import LOOPS, cut, run, talk

pytestmark = pytest.mark.enable_socket

BOTH = pytest.mark.parametrize("loop", sorted(LOOPS))

EVIL = b"MAIL FROM:<eve@example.com>\r\nRCPT TO:<victim@example.com>\r\nDATA\r\nsmuggled\r\n.\r\n"

REFUSED = (
    *(b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\n.\r", b"\r.\n", b"\n\n.\r\n", b"\r\n\n.\n", b"\n", b"\n\r.\r\n"),
    *(b"\n.\r\r\n", b"\n\0.\r\n", b"\n.\0\r\n", b"\r\n.\r\r\n.\n", b"\r\n\0.\n"),
)
"""With an LF that no CR precedes."""

TAKEN = (
    *(b"\r.\r", b"\r\n.\r", b"\r.\r\n", b"\r\n.\r\r\n", b"\r\r\n.\r\r\n", b"\r\r.\r\r\n"),
    *(b"\r\n.\0\r\n", b"\r\n\0.\r\n", b"\0.\r\n", b"\0\r\n\0.\0\r\n", b"\r\n. \r\n", b"\r\n .\r\n", b"\r\n..\r\n"),
    *(b"\x0b.\x0b", b"\x0c.\x0c", b"\x85.\x85", b"\r\n\xe2\x80\xa8.\r\n", b"\xe2\x80\xa8.\xe2\x80\xa8", b"\x1e.\x1e"),
    *(b"=0D=0A.=0D=0A", b"\\r\\n.\\r\\n", b"\r\n\xff.\r\n"),
)
"""With none: all of this is content, as it is to every server that goes by RFC 5321, 4.1.1.4."""


@BOTH
@pytest.mark.parametrize("form", REFUSED)
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
            assert [error.code for error in host.double.told] == ["content_malformed"]

    run(loop, main())


@BOTH
@pytest.mark.parametrize("form", TAKEN)
@pytest.mark.parametrize("size", [1, 10_000])
def test_no_mail_is_smuggled_otherwise(loop: str, form: bytes, size: int) -> None:
    """What has no LF alone is content, and the mail goes on to its end, in whatever pieces it comes."""

    async def main() -> None:
        async with talk() as (host, client):
            await client.begin()
            wire = b"hello" + form + b"x\r\n" + EVIL[:-5] + b"\r\n.\r\n"
            for piece in cut(wire, list(range(0, len(wire), size))):
                await client.send(piece)
            assert (await client.reply())[:3] == "250"
            assert host.double.heard == ["ann@example.com", "bob@example.com"]
            ((_, recipients, content),) = host.double.mails
            assert recipients == ("bob@example.com",)
            assert b"MAIL FROM:<eve@example.com>" in content
            assert content.startswith(b"hello" + form.replace(b"\r\n.", b"\r\n"))
            assert (await client.say("RSET"))[:3] == "250"

    run(loop, main())


@BOTH
def test_a_bare_cr_stays_where_it_is(loop: str) -> None:
    """It is content like any octet: the mail is neither refused nor changed, nor are its lines other ones."""

    async def main() -> None:
        async with talk() as (host, client):
            await client.begin()
            body = b"Subject: a\rb\r\n\r\none\rtwo\r\r\nthree\r.\r\r\n\r"
            assert (await client.say(body + b"x\r\n."))[:3] == "250"
            assert host.double.mails[0][2] == body + b"x\r\n"

    run(loop, main())


@BOTH
@pytest.mark.parametrize("behind", ["refused", "unknown", "large"])
def test_a_refused_mail_leaves_no_commands(loop: str, behind: str) -> None:
    """Where DATA was refused, or has not come, lines of a mail are commands that nobody knows, and end the connection.

    Where it was too large, all of it is passed over.
    """

    async def main() -> None:
        async with talk(limit=1000) as (host, client):
            await client.greet()
            if behind == "refused":
                host.double.answers["recipient"] = "550 5.1.1 No"
            await client.say("MAIL FROM:<ann@example.com>")
            await client.say("RCPT TO:<bob@example.com>")
            lines = b"".join(b"line %d of a mail\r\n" % line for line in range(10))
            body = {"large": b"x" * 2000 + b"\r\n", "refused": lines, "unknown": lines}[behind]
            host.double.heard.clear()
            await client.send((b"DATA\r\n" if behind != "unknown" else b"BDAT 200 LAST\r\n") + body + EVIL)
            if behind == "large":
                assert [(await client.reply())[:3] for _ in range(2)] == ["354", "552"]
            else:
                assert "502 5.5.1 Too many unrecognized commands" in await client.rest()
            assert (host.double.heard, host.double.mails) == ([], [])

    run(loop, main())
