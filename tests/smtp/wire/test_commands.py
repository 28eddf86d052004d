"""The commands around a mail, and the promise of EHLO that every reply has an enhanced code (RFC 2034, 4)."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import smtp
from smtp.wire.client import Service
from smtp.wire.protocol import MailProtocol
from tests.smtp.talk import LOOPS, Client, Oops, calling, hosting, run, talk

pytestmark = pytest.mark.enable_socket

BOTH = pytest.mark.parametrize("loop", sorted(LOOPS))
SERVICES = pytest.mark.parametrize("service", list(Service))

_CODED = re.compile(r"([245])\d\d \1\.\d{1,3}\.\d{1,3} [ -~]+")
"""A reply and its enhanced code, of the same class."""
HELLO = {Service.SMTP: "EHLO", Service.SUBMISSION: "EHLO", Service.LMTP: "LHLO"}


@BOTH
@SERVICES
def test_the_small_ones(loop: str, service: Service) -> None:
    """NOOP, RSET, VRFY, EXPN, HELP and QUIT, with arguments and without, before a greeting and after it."""

    async def main() -> None:
        for greeted in (False, True):
            async with talk(service=service) as (_, client):
                assert (await client.reply())[:3] == "220"
                if greeted:
                    assert (await client.say(f"{HELLO[service]} client.example.com"))[:3] == "250"
                assert await client.say("NOOP") == "250 2.0.0 OK"
                assert await client.say("NOOP with words") == "250 2.0.0 OK"
                assert await client.say("RSET") == "250 2.0.0 OK"
                assert (await client.say("RSET now")).startswith("501 5.5.4 ")
                assert (await client.say("VRFY ann")).startswith("252 2.5.0 ")
                assert (await client.say("VRFY")).startswith("501 5.5.4 ")
                assert (await client.say("EXPN list")).startswith("502 5.5.1 ")
                assert (await client.say("QUIT now")).startswith("501 5.5.4 ")
                assert await client.say("quit") == "221 2.0.0 Bye"
                assert await client.rest() == ""

    run(loop, main())


@BOTH
@SERVICES
def test_help(loop: str, service: Service) -> None:
    """HELP lists what this service knows, each is a command indeed, and HELP with one says how it is written."""

    async def main() -> None:
        async with talk(service=service) as (_, client):
            await client.greet(HELLO[service])
            answer = await client.say("HELP")
            assert answer.startswith("214 2.0.0 ")
            listed = answer.removeprefix("214 2.0.0 Commands: ").split()
            common = {"DATA", "EXPN", "HELP", "MAIL", "NOOP", "QUIT", "RCPT", "RSET", "STARTTLS", "VRFY"}
            own = {"LHLO"} if service is Service.LMTP else {"AUTH", "EHLO", "HELO"}
            assert set(listed) == common | own
            assert listed == sorted(listed)
            for command in listed:
                assert (await client.say(f"HELP {command.lower()}")).startswith(f"214 2.0.0 Syntax: {command}")
            for other in ({"AUTH", "EHLO", "HELO", "LHLO"} - own) | {"BOGUS", "x" * 500}:
                assert (await client.say(f"HELP {other}")).startswith("504 5.5.4 ")

    run(loop, main())


MAIL = ("MAIL FROM:<a@example.com>", "RCPT TO:<b@example.com>", "DATA")
LOGIN = "AUTH PLAIN AGEAYg=="
CONVERSATIONS = (
    ("", "\0", "x" * 5000, "MAIL", "RCPT", "DATA", "AUTH", "{hello}", "{hello} me", "STARTTLS now", "STARTTLS", "NOOP"),
    ("BOGUS", "ETRN x", "BDAT 5", "{other} me", "x" * 500),
    ("{hello} me", "RSET now", "RSET", "NOOP", "HELP", "HELP MAIL", "HELP X", "VRFY", "VRFY a", "EXPN", "EXPN a"),
    ("{hello} me", "AUTH X", "AUTH PLAIN =", "AUTH PLAIN !", "AUTH PLAIN AGEA", "QUIT now", "QUIT"),
    (
        "{hello} me",
        "MAIL",
        LOGIN,
        "MAIL FROM:",
        "MAIL FROM:<",
        "MAIL FROM:<a@example.com> X=1",
        "RCPT TO:<b@c.example>",
    ),
    (
        "{hello} me",
        LOGIN,
        "MAIL FROM:<a@example.com> SIZE=1 SIZE=1",
        "MAIL FROM:<a@example.com> SIZE=999999999",
        "DATA",
    ),
    (
        "{hello} me",
        LOGIN,
        MAIL[0],
        MAIL[0],
        "DATA",
        LOGIN,
        "RCPT",
        "RCPT TO:<>",
        "RCPT TO:<@>",
        "RCPT TO:<b@c.example> X",
    ),
    ("{hello} me", LOGIN, LOGIN, MAIL[0], "RCPT TO:<b@c.example> NOTIFY=NO", MAIL[1], "DATA now", "DATA", "hello\r\n."),
    ("{hello} me", LOGIN, *MAIL, "{large}\r\n.", *MAIL, "bare\n"),
)
"""Everything that can be said, and how it can be wrong."""
EXEMPT = re.compile(r"250[ -](?!\d\.\d)|354 |334 |220 ")
"""The greeting and the answer to the client's, and what asks for more, have none (RFC 2034, 4; RFC 5321, 4.2.1)."""


@SERVICES
def test_every_reply_has_its_code(service: Service) -> None:
    """Whatever is said, in any order: reply and enhanced code are of one class, in one line of printable ASCII."""
    hello = HELLO[service]
    words = {"{hello}": hello, "{other}": "EHLO" if hello == "LHLO" else "LHLO", "{large}": "x" * 20_000}

    async def walk(client: Client, lines: tuple[str, ...]) -> None:
        assert (await client.reply()).startswith("220 ")
        for line in lines:
            said = line
            for word, meaning in words.items():
                said = said.replace(word, meaning)
            answer = await client.say(said)
            if EXEMPT.match(answer):
                assert line in {"{hello} me", "DATA"}, (line, answer)
            else:
                assert _CODED.fullmatch(answer), (line, answer)
                assert len(answer) + 2 <= 512

    async def main() -> None:
        async with hosting(service=service, limit=10_000) as host:
            for lines in CONVERSATIONS:
                async with calling(host) as client:
                    await walk(client, lines)

    run("asyncio", main())


@BOTH
def test_names_of_clients(loop: str) -> None:
    """A client's name may have spaces and any letters, but no controls, and 255 characters at most."""

    async def main() -> None:
        async with talk() as (host, client):
            assert (await client.reply())[:3] == "220"
            for name in ("my pc", "[IPv6:2001:db8::1]", "דואר.example", "x" * 255, "_"):
                for command in ("EHLO", "HELO"):
                    assert (await client.say(f"{command} {name}"))[:3] == "250"
                    assert host.double.client.helo == name
            for wrong in (b"a\0b", b"\x1b[2J", b"\xff", b"a\tb", b"x" * 256, "a\u2028b".encode()):
                assert (await client.say(b"EHLO " + wrong)) == "501 5.5.4 Syntax: EHLO hostname"
            assert host.double.client.helo == "_"

    run(loop, main())


@BOTH
def test_trouble_has_its_code(loop: str) -> None:
    """So have the replies to a bug at any step."""

    async def main() -> None:
        async with talk() as (host, client):
            await client.greet()
            host.double.answers |= dict.fromkeys(("login", "mail"), Oops("x"))
            for line in ("AUTH PLAIN AGEAYg==", "MAIL FROM:<a@example.com>"):
                assert _CODED.fullmatch(await client.say(line))

    run(loop, main())


def test_every_reply_in_the_source_has_its_code() -> None:
    """The same for all that stands in the code, asked for by a test or not; none is aiosmtpd's."""
    found = 0
    for module in Path(smtp.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(module.read_text())):
            if not (isinstance(node, ast.Constant) and isinstance(node.value, str)):
                continue
            if re.match(r"[2-5]\d\d[ -]", node.value) and not EXEMPT.match(node.value):
                found += 1
                assert re.match(r"([245])\d\d \1\.\d{1,3}\.\d{1,3}(?: |$)", node.value), (module, node.value)
    assert found > 60
    for name in dir(MailProtocol):
        if name.startswith("smtp_"):
            assert getattr(MailProtocol, name).__module__.startswith("smtp."), name
