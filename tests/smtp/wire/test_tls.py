"""TLS: by STARTTLS and from the first octet, how it fails, and certificates that change while we run."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from bridge.model.errors import ConfigError
from smtp import replies
from smtp.wire import client as peers
from smtp.wire.client import Service
from smtp.wire.frame import Bounds
from smtp.wire.tls import Certificate
from tests.smtp.talk import LOOPS, Client, Host, Watch, calling, hosting, run, until
from tests.support import certificates

pytestmark = pytest.mark.enable_socket

BOTH = pytest.mark.parametrize("loop", sorted(LOOPS))
HOW = pytest.mark.parametrize("at_once", [False, True], ids=["STARTTLS", "at once"])


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate of 127.0.0.1, and its key."""
    return certificates.made(tmp_path, "127.0.0.1")


def trusting(files: tuple[Path, Path]) -> ssl.SSLContext:
    """Return a client's context that believes the certificate."""
    return ssl.create_default_context(cafile=str(files[0]))


@asynccontextmanager
async def secure_host(
    files: tuple[Path, Path], *, at_once: bool = False, handshake: float = 30, timer: Watch | None = None, **more: Any
) -> AsyncIterator[Host]:
    """Give a server with a certificate."""
    certificate = Certificate(*files, timer=timer or Watch())
    more |= {"certificate": certificate, "tls_at_once": at_once, "bounds": Bounds(handshake=handshake)}
    async with hosting(**more) as host:
        yield host


async def start(client: Client, context: ssl.SSLContext, *, at_once: bool) -> None:
    """Go as far as a greeting or reply behind TLS."""
    if not at_once:
        await client.greet()
        assert await client.say("STARTTLS") == "220 2.0.0 Ready to start TLS"
    await client.secure(context)
    if at_once:
        assert (await client.reply())[:3] == "220"


@BOTH
def test_starttls(loop: str, files: tuple[Path, Path]) -> None:
    """It is offered where there is a certificate, and once; a mail then comes through TLS."""

    async def main() -> None:
        async with secure_host(files) as host, calling(host) as client:
            assert (await client.reply())[:3] == "220"
            assert "250-STARTTLS" in (await client.say("EHLO client.example.com")).split("\n")
            assert host.double.client == peers.Client(peer="127.0.0.1", helo="client.example.com")
            assert await client.say("STARTTLS now") == "501 5.5.4 Syntax: STARTTLS"
            assert await client.say("STARTTLS") == "220 2.0.0 Ready to start TLS"
            await client.secure(trusting(files))
            assert (await client.say("MAIL FROM:<ann@example.com>"))[:3] == "503"
            assert "STARTTLS" not in await client.say("EHLO client.example.com")
            assert host.double.client.tls == "TLSv1.3"
            assert await client.say("STARTTLS") == "503 5.5.1 TLS is on already"
            for command in ("MAIL FROM:<ann@example.com>", "RCPT TO:<bob@example.com>", "DATA"):
                assert (await client.say(command))[:1] in "23"
            assert (await client.say(b"hello\r\n."))[:3] == "250"
            assert host.double.mails == [("ann@example.com", ("bob@example.com",), b"hello\r\n")]
            assert (await client.say("QUIT"))[:3] == "221"
            assert await client.rest() == ""

    run(loop, main())


@BOTH
def test_starttls_forgets_what_was_said(loop: str, files: tuple[Path, Path]) -> None:
    """Greeting, mail and login before TLS are nothing behind it: anybody on the wire could have said them."""

    async def main() -> None:
        async with secure_host(files, service=Service.SUBMISSION) as host, calling(host) as client:
            await client.greet()
            assert (await client.say("AUTH PLAIN AHVzZXIAc2VjcmV0"))[:3] == "235"
            for command in ("MAIL FROM:<ann@example.com>", "RCPT TO:<bob@example.com>"):
                assert (await client.say(command))[:3] == "250"
            assert (await client.say("STARTTLS"))[:3] == "220"
            await client.secure(trusting(files))
            assert (await client.say("NOOP"))[:3] == "250"
            assert (host.double.connects, host.double.sender, host.double.recipients) == (2, None, [])
            assert host.double.client.helo == ""
            for command in ("DATA", "RCPT TO:<bob@example.com>", "MAIL FROM:<ann@example.com>", "AUTH PLAIN"):
                assert (await client.say(command))[:3] == "503", command
            await client.say("EHLO client.example.com")
            assert (await client.say("MAIL FROM:<ann@example.com>")).startswith("530 5.7.0 ")
            assert (await client.say("AUTH PLAIN AHVzZXIAc2VjcmV0"))[:3] == "235"
            assert (await client.say("MAIL FROM:<ann@example.com>"))[:3] == "250"

    run(loop, main())


def test_no_certificate_no_starttls() -> None:
    """Where none is configured it is not offered, and refused for good."""

    async def main() -> None:
        async with hosting() as host, calling(host) as client:
            assert (await client.reply())[:3] == "220"
            assert "STARTTLS" not in await client.say("EHLO client.example.com")
            assert await client.say("STARTTLS") == "502 5.5.1 STARTTLS is not offered"

    asyncio.run(main())


INJECTED = b"EHLO evil\r\nMAIL FROM:<eve@example.com>\r\nRCPT TO:<bob@example.com>\r\nDATA\r\nevil\r\n.\r\n"


@BOTH
@pytest.mark.parametrize("behind", [INJECTED, b"\r\n", b"N", b"\x16\x03\x01", b"STARTTLS\r\n"])
def test_nothing_can_be_injected_before_the_handshake(loop: str, behind: bytes, files: tuple[Path, Path]) -> None:
    """What comes with STARTTLS, before its reply, is not heard, neither in the clear nor behind TLS: RFC 3207, 6."""

    async def main() -> None:
        async with secure_host(files) as host, calling(host) as client:
            await client.greet()
            with capture_logs() as logs:
                await client.send(b"STARTTLS\r\n" + behind)
                assert await client.rest() == replies.BEHIND_STARTTLS + "\r\n"
            await until(lambda: not host.connections)
            assert (host.double.heard, host.double.mails, host.double.connects) == ([], [], 1)
            assert [(log["event"], log["reply"]) for log in logs] == [("connection ended", replies.BEHIND_STARTTLS)]

    run(loop, main())


@BOTH
def test_nothing_can_be_injected_into_the_handshake(loop: str, files: tuple[Path, Path]) -> None:
    """Plain commands after the 220 are no handshake: the connection ends, and none of them is heard."""

    async def main() -> None:
        async with secure_host(files) as host, calling(host) as client:
            await client.greet()
            await client.say("STARTTLS")
            with capture_logs() as logs:
                with suppress(ConnectionError):
                    await client.send(INJECTED)
                    await client.reader.read()
                await until(lambda: not host.connections)
            assert (host.double.heard, host.double.connects) == ([], 1)
            assert [(log["log_level"], log["stage"]) for log in logs] == [("info", "TLS handshake")]

    run(loop, main())


@BOTH
def test_tls_at_once(loop: str, files: tuple[Path, Path]) -> None:
    """The greeting already comes behind TLS, and who is asked knows of TLS from the start."""

    async def main() -> None:
        async with secure_host(files, at_once=True, service=Service.SUBMISSION) as host, calling(host) as client:
            await client.secure(trusting(files))
            assert (await client.reply())[:3] == "220"
            assert (host.double.connects, host.double.client.tls) == (1, "TLSv1.3")
            greeted = await client.say("EHLO client.example.com")
            assert "STARTTLS" not in greeted
            assert "AUTH PLAIN" in greeted
            assert (await client.say("STARTTLS"))[:3] == "503"

    run(loop, main())


@BOTH
@HOW
def test_a_large_mail_behind_tls(loop: str, files: tuple[Path, Path], *, at_once: bool) -> None:
    """A megabyte, sent with its commands at once and in odd pieces, arrives whole."""

    async def main() -> None:
        async with secure_host(files, at_once=at_once, limit=2_000_000) as host, calling(host) as client:
            await start(client, trusting(files), at_once=at_once)
            body = b"".join(b"%07d %s\r\n" % (line, b"x" * (line % 90)) for line in range(20_000))
            await client.send(b"EHLO x\r\nMAIL FROM:<ann@example.com>\r\nRCPT TO:<bob@example.com>\r\nDATA\r\n")
            for place in range(0, len(body), 33_333):
                await client.send(body[place : place + 33_333])
            await client.send(b".\r\n")
            assert [(await client.reply())[:3] for _ in range(5)] == ["250", "250", "250", "354", "250"]
            assert host.double.mails[0][2] == body

    run(loop, main())


@BOTH
def test_why_a_mail_is_refused_is_heard_behind_tls(loop: str, files: tuple[Path, Path]) -> None:
    """Bare LFs end the connection there, too, and the client gets to read why."""

    async def main() -> None:
        async with secure_host(files, at_once=True) as host, calling(host) as client:
            await client.secure(trusting(files))
            await client.begin()
            await client.send(b"hello\n" + b"x" * 50_000)
            assert (await client.reply())[:9] == "554 5.5.2"
            assert host.double.mails == []

    run(loop, main())


@BOTH
@HOW
@pytest.mark.parametrize("how", ["garbage", "mistrust", "close", "reset", "half", "nothing"])
def test_a_handshake_fails(loop: str, how: str, files: tuple[Path, Path], *, at_once: bool) -> None:
    """However it does, the connection ends, one line of information is logged, and nothing is left behind."""

    async def main() -> None:
        async with secure_host(files, at_once=at_once, handshake=0.2 if how == "nothing" else 30) as host:
            with capture_logs() as logs:
                async with calling(host) as client:
                    if not at_once:
                        await client.greet()
                        await client.say("STARTTLS")
                    else:
                        await until(lambda: host.connections)
                    await _fail(client, how)
                    await until(lambda: host.ended == 1)
            assert [(log["event"], log["log_level"], log["stage"]) for log in logs] == [
                ("connection not begun", "info", "TLS handshake")
            ]
            assert host.double.connects == (0 if at_once else 1)

    run(loop, main())


async def _fail(client: Client, how: str) -> None:
    hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"  # the beginning of a ClientHello
    match how:
        case "garbage":
            await client.send(b"GET / HTTP/1.1\r\n\r\n")
        case "mistrust":
            with pytest.raises(ssl.SSLCertVerificationError):
                await client.secure(ssl.create_default_context())
        case "half":
            await client.send(hello)
            client.writer.write_eof()
        case "nothing":
            assert await client.reader.read() == b""
        case _:
            await client.send(hello)
            if how == "reset":
                client.reset()
            else:
                client.writer.close()


@BOTH
@HOW
def test_a_stop_waits_for_no_handshake(loop: str, files: tuple[Path, Path], *, at_once: bool) -> None:
    """A connection that is in its handshake when we stop ends at once, without a word."""

    async def main() -> None:
        async with secure_host(files, at_once=at_once) as host, calling(host) as client:
            if not at_once:
                await client.greet()
                await client.say("STARTTLS")
            await until(lambda: host.connections and host.only._stage)
            host.only.shut()
            await until(lambda: host.ended == 1)
            with suppress(ConnectionError):
                assert await client.reader.read() == b""

    run(loop, main())


@BOTH
@pytest.mark.parametrize("how", ["close", "reset", "cut"])
@pytest.mark.parametrize("step", ["greeting", "mid", "content"])
def test_a_client_vanishes_behind_tls(loop: str, step: str, how: str, files: tuple[Path, Path]) -> None:
    """At any step, in any way: no task, no connection, no complaint is left."""

    async def main() -> None:
        async with secure_host(files, at_once=True) as host:
            if step == "content":
                host.double.holds[step] = asyncio.Event()
            async with calling(host) as client:
                await client.secure(trusting(files))
                await (client.begin() if step != "greeting" else client.greet())
                if step != "greeting":
                    await client.send(b"hello\r\n" if step == "mid" else b"hello\r\n.\r\n")
                if step == "content":
                    await until(lambda: step in host.double.reached)
                match how:
                    case "reset":
                        client.reset()
                    case "cut":  # the wire ends without the end of TLS
                        with socket.socket(fileno=os.dup(client.writer.get_extra_info("socket").fileno())) as wire:
                            wire.shutdown(socket.SHUT_WR)
                    case _:
                        client.writer.close()
                await until(lambda: host.ended == 1)
            assert host.double.mails == []

    run(loop, main())


def test_old_versions_are_refused(files: tuple[Path, Path]) -> None:
    """TLS 1.1 gets no handshake, 1.2 does."""

    async def main() -> None:
        async with secure_host(files, at_once=True) as host:
            for version, taken in ((ssl.TLSVersion.TLSv1_1, False), (ssl.TLSVersion.TLSv1_2, True)):
                context = trusting(files)
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", DeprecationWarning)
                    context.minimum_version = context.maximum_version = version
                context.set_ciphers("ALL:@SECLEVEL=0")
                async with calling(host) as client:
                    if taken:
                        await client.secure(context)
                        assert (await client.reply())[:3] == "220"
                        assert host.double.client.tls == "TLSv1.2"
                    else:
                        with pytest.raises((ssl.SSLError, ConnectionError)):
                            await client.secure(context)
                await until(lambda: not host.connections)

    asyncio.run(main())


# Certificates


def shown(context: ssl.SSLContext) -> bytes:
    """Return the certificate that a context shows in a handshake: in memory, without a socket."""
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = context.wrap_bio(there, back, server_side=True)
    strange = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    strange.check_hostname, strange.verify_mode = False, ssl.CERT_NONE
    client = strange.wrap_bio(back, there)
    for _ in range(5):
        for side in (client, server):
            with suppress(ssl.SSLWantReadError):
                side.do_handshake()
    certificate = client.getpeercert(binary_form=True)
    assert certificate is not None
    return certificate


def renew(files: tuple[Path, Path], *, only: int | None = None) -> None:
    """Put other files in the place of both or one, as a client of a certificate authority does."""
    fresh = files[0].parent / "fresh"
    fresh.mkdir(exist_ok=True)
    for place, file in enumerate(certificates.made(fresh, "127.0.0.1")):
        if only in (None, place):
            file.replace(files[place])


def test_a_certificate_is_read_anew(files: tuple[Path, Path]) -> None:
    """A handshake shows the new one once two seconds have passed; before that the files are not even looked at."""
    timer = Watch()
    certificate = Certificate(*files, timer=timer)
    first = shown(certificate.context())
    with capture_logs() as logs:
        renew(files)
        timer.shows += 1.9
        assert shown(certificate.context()) == first
        timer.shows += 0.2
        second = shown(certificate.context())
        assert second != first
        assert certificate.context() is certificate.context()
    assert [(log["event"], log["log_level"]) for log in logs] == [("certificate read", "info")]


@pytest.mark.parametrize("how", ["gone", "empty", "half", "strange"])
def test_files_that_cannot_be_read_change_nothing(how: str, files: tuple[Path, Path]) -> None:
    """The old certificate is shown, the error is logged once, and when the files are good again they are read."""
    timer = Watch()
    certificate = Certificate(*files, timer=timer)
    first = shown(certificate.context())
    match how:
        case "gone":
            files[1].unlink()
        case "empty":
            files[0].write_bytes(b"")
        case "half":
            renew(files, only=0)
        case "strange":
            files[1].write_bytes(files[0].read_bytes())
    with capture_logs() as logs:
        for _ in range(5):
            timer.shows += 3
            assert shown(certificate.context()) == first
    assert [(log["event"], log["log_level"]) for log in logs] == [("certificate not read", "error")]
    assert "smtp.tls." in logs[0]["reason"]
    renew(files)
    timer.shows += 3
    assert shown(certificate.context()) != first


@BOTH
def test_connections_live_through_a_change(loop: str, files: tuple[Path, Path]) -> None:
    """A client that is connected stays so, the next one sees the new certificate."""

    async def main() -> None:
        timer = Watch()
        async with secure_host(files, at_once=True, timer=timer) as host, calling(host) as old:
            await old.secure(trusting(files))
            await old.greet()
            before = trusting(files)
            renew(files)
            timer.shows += 3
            async with calling(host) as client:
                with pytest.raises(ssl.SSLCertVerificationError):
                    await client.secure(before)
            async with calling(host) as client:
                await client.secure(trusting(files))
                await client.greet()
            assert (await old.say("NOOP"))[:3] == "250"

    run(loop, main())


def broken(files: tuple[Path, Path]) -> dict[str, Callable[[], object]]:
    """Return what may be wrong with the files at a start, by what the error says of it."""
    certificate, key = files
    return {
        r"smtp\.tls\.certificate: .*127\.0\.0\.1\.pem cannot be read: No such file": certificate.unlink,
        r"smtp\.tls\.key: .*127\.0\.0\.1\.key cannot be read: No such file": key.unlink,
        r"smtp\.tls\.certificate: .*127\.0\.0\.1\.pem is no certificate": lambda: key.replace(certificate),
        r"smtp\.tls\.key: .*127\.0\.0\.1\.key is no key": lambda: key.write_bytes(b"hello"),
        r"smtp\.tls\.key: .*127\.0\.0\.1\.key is not the key of the certificate": lambda: renew(files, only=1),
        r"smtp\.tls\.key: .*is no key in PEM without a passphrase": lambda: key.write_bytes(LOCKED),
    }


LOCKED = b"""-----BEGIN EC PRIVATE KEY-----
Proc-Type: 4,ENCRYPTED
DEK-Info: AES-256-CBC,00112233445566778899AABBCCDDEEFF

AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
-----END EC PRIVATE KEY-----
"""


@pytest.mark.parametrize("number", range(6))
def test_a_certificate_that_is_none_is_told_at_the_start(number: int, files: tuple[Path, Path]) -> None:
    """With the setting that names it, and what is wrong; nobody is asked for a passphrase."""
    says, spoil = list(broken(files).items())[number]
    spoil()
    if number == 2:
        files[1].write_bytes(b"any")
    with pytest.raises(ConfigError, match=says):
        Certificate(*files)
