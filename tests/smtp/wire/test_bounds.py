"""How much one connection may take: commands, errors, time, and memory for what it does not read."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress

import pytest
from structlog.testing import capture_logs

from smtp import replies
from smtp.wire import connection
from smtp.wire.frame import Bounds
from tests.smtp.talk import LOOPS, Watch, calling, hosting, run, talk, until

pytestmark = pytest.mark.enable_socket

BOTH = pytest.mark.parametrize("loop", sorted(LOOPS))
MAIL = (b"MAIL FROM:<ann@example.com>", b"RCPT TO:<bob@example.com>", b"DATA", b"hello\r\n.")


# Commands and errors


@BOTH
def test_too_many_commands(loop: str) -> None:
    """The last that is allowed is answered, the next is told 421 instead, and nothing behind it is done."""

    async def main() -> None:
        async with talk(bounds=Bounds(commands=10)) as (host, client):
            await client.greet()
            with capture_logs() as logs:
                await client.send(b"NOOP\r\n" * 9 + b"\r\n".join(MAIL) + b"\r\n")
                assert await client.rest() == "250 2.0.0 OK\r\n" * 9 + replies.TOO_MANY_COMMANDS + "\r\n"
            assert host.double.heard == []
            assert [(log["event"], log["peer"]) for log in logs] == [("connection ended", "127.0.0.1")]

    run(loop, main())


ERRORS = [b"RCPT TO:<bob@example.com>", b"MAIL FROM:<@>", b"AUTH NONE", b"EXPN list", b"", b"x" * 5000, b"HELP NONE"]


@BOTH
@pytest.mark.parametrize("apart", [False, True])
def test_too_many_errors(loop: str, *, apart: bool) -> None:
    """Each refused command counts, whatever is right between them; after the last one the connection ends."""

    async def main() -> None:
        async with talk(bounds=Bounds(errors=len(ERRORS))) as (host, client):
            await client.greet()
            with capture_logs() as logs:
                if apart:
                    for line in ERRORS:
                        assert (await client.say("NOOP"))[:3] == "250"
                        assert (await client.say(line))[:1] == "5"
                else:
                    await client.send(b"".join(line + b"\r\n" for line in (*ERRORS, *MAIL)))
                    for _ in ERRORS:
                        assert (await client.reply())[:1] == "5"
                assert await client.rest() == replies.TOO_MANY_ERRORS + "\r\n"
            assert host.double.heard == []
            assert [log["reply"] for log in logs] == [replies.TOO_MANY_ERRORS]

    run(loop, main())


@BOTH
def test_a_relay_is_not_cut_off_for_what_it_passes_on(loop: str) -> None:
    """Recipients refused in a mail count as one error, a mail refused for its content as none; one taken clears all."""

    async def main() -> None:
        async with talk(bounds=Bounds(errors=3)) as (host, client):
            await client.greet()
            answers = host.double.answers
            for _ in range(4):
                for _ in range(2):
                    await client.say(MAIL[0])
                    answers["recipient"] = "550 5.1.1 No"
                    for _ in range(30):
                        assert (await client.say(MAIL[1]))[:3] == "550"
                    del answers["recipient"]
                    assert (await client.say(MAIL[1]))[:3] == "250"
                    answers["content"] = "554 5.6.0 No text"
                    assert (await client.say(b"DATA"))[:3] == "354"
                    assert (await client.say(MAIL[3]))[:3] == "554"
                    answers.clear()
                for line in MAIL:
                    assert (await client.say(line))[:1] in "23"
            for _ in range(3):
                assert (await client.say("EXPN x"))[:3] == "502"
            assert await client.rest() == replies.TOO_MANY_ERRORS + "\r\n"

    run(loop, main())


@BOTH
def test_one_connection_does_not_keep_the_others_waiting(loop: str) -> None:
    """A thousand commands in one piece are done by turns with what another client asks."""

    async def main() -> None:
        async with hosting() as host, calling(host) as busy, calling(host) as other:
            await busy.greet()
            await other.greet()
            heard: list[int] = []
            done = host.connections

            async def listen() -> None:
                for _ in range(20):
                    assert (await other.say("NOOP"))[:3] == "250"
                    heard.append(max(each._heard for each in done))

            listening = asyncio.create_task(listen())
            await busy.send(b"NOOP\r\n" * 5000)
            for _ in range(5000):
                await busy.reply()
            await listening
            assert any(1 < count < 5001 for count in heard), heard

    run(loop, main())


# Time


@BOTH
def test_a_session_has_an_end(loop: str) -> None:
    """However busy: at the end of its time it is told so, not a moment before."""

    async def main() -> None:
        watch = Watch()
        bounds = Bounds(timeout=0.01, session=0.1)
        async with talk(bounds=bounds, time=watch) as (_, client):
            await client.greet()
            began = 1000.0
            while watch.shows < began + 0.09:
                watch.shows += 0.009
                assert (await client.say("NOOP"))[:3] == "250"
                await watch.seen(2)
            with capture_logs() as logs:
                watch.shows = began + 0.1
                assert await client.rest() == replies.TOO_LONG + "\r\n"
            assert [log["reply"] for log in logs] == [replies.TOO_LONG]

    run(loop, main())


@BOTH
@pytest.mark.parametrize("drip", [b"x", b"x\r\n", b"y" * 1000])
def test_a_mail_that_drips_has_an_end(loop: str, drip: bytes) -> None:
    """Each piece is a sign of life, but the whole may take no longer than a mail may; what came is thrown away."""

    async def main() -> None:
        watch = Watch()
        async with talk(bounds=Bounds(timeout=0.02, data=0.1), time=watch) as (host, client):
            await client.begin()
            for _ in range(6):
                watch.shows += 0.016
                await client.send(drip)
                await until(lambda: host.only._deadline == min(watch.shows + 0.02, 1000.1))
                await watch.seen(2)
            watch.shows = 1000.1
            assert await client.rest() == replies.TOO_LONG + "\r\n"
            assert host.double.mails == []

    run(loop, main())


@BOTH
def test_a_mail_may_outlast_the_session(loop: str) -> None:
    """One that is on its way when the session's time is over is taken; then the connection ends."""

    async def main() -> None:
        watch = Watch()
        async with talk(bounds=Bounds(session=0.2, data=10), time=watch) as (host, client):
            await client.begin()
            await client.send(b"hello\r\n")
            watch.shows += 5
            await client.send(b"again\r\n")
            await until(lambda: host.only._deadline > 1009)
            await client.send(b".\r\n")
            assert (await client.reply())[:3] == "250"
            assert await client.rest() == replies.TOO_LONG + "\r\n"
            assert len(host.double.mails) == 1

    run(loop, main())


@BOTH
def test_a_command_that_drips_is_silence(loop: str) -> None:
    """Octets without an end of line put nothing off."""

    async def main() -> None:
        watch = Watch()
        async with talk(bounds=Bounds(timeout=0.1), time=watch) as (_, client):
            await client.greet()
            await watch.seen(1)
            for _ in range(5):
                watch.shows += 0.019
                await client.send(b"N")
                await watch.seen(1)
            watch.shows += 0.006
            assert await client.rest() == replies.TIMEOUT + "\r\n"

    run(loop, main())


@BOTH
@pytest.mark.parametrize("step", ["mail", "recipient", "content", "login"])
def test_our_own_time_is_not_the_clients(loop: str, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it waits for us a client is not silent, however long; once it is answered its time begins anew."""
    monkeypatch.setattr(connection, "_LAST_WORDS", 0.01)

    async def main() -> None:
        watch = Watch()
        async with talk(bounds=Bounds(timeout=0.05, data=0.05), time=watch) as (host, client):
            host.double.holds[step] = asyncio.Event()
            await client.greet()
            lines = [b"AUTH PLAIN AHVzZXIAc2VjcmV0", *MAIL]
            place = ["login", "mail", "recipient", "data", "content"].index(step)
            for line in lines[:place]:
                assert (await client.say(line))[:1] in "23"
            await client.send(lines[place] + b"\r\n")
            await until(lambda: step in host.double.reached)
            watch.shows += 1000
            await watch.seen(5)
            host.double.holds[step].set()
            assert (await client.reply())[:1] == "2"
            await watch.seen(2)
            watch.shows += 0.03
            assert (await client.say("NOOP"))[:3] == "250"
            watch.shows += 0.051
            assert await client.rest() == replies.TIMEOUT + "\r\n"

    run(loop, main())


# Memory


@BOTH
def test_replies_that_nobody_reads_are_few(loop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks a million times and reads nothing makes us hold some KiB of replies and one piece of commands."""
    monkeypatch.setattr(connection, "_LAST_WORDS", 0.05)

    async def main() -> None:
        async with hosting(bounds=Bounds(timeout=0.5, commands=10_000_000)) as host:
            with socket.socket() as made:
                for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
                    made.setsockopt(socket.SOL_SOCKET, option, 4096)
                made.setblocking(False)
                running = asyncio.get_running_loop()
                await running.sock_connect(made, ("127.0.0.1", host.port))
                sending = asyncio.create_task(running.sock_sendall(made, b"HELP\r\n" * 1_000_000))
                await until(lambda: host.connections and host.only._unread)
                written = host.only._writer.transport
                for _ in range(20):
                    await asyncio.sleep(0)
                    assert written.get_write_buffer_size() < 3 * connection._WRITE_AHEAD
                    assert len(host.only._reader._buffer) < 300_000
                    assert not sending.done()
                await until(lambda: host.ended == 1)
                with suppress(ConnectionError):
                    await sending

    run(loop, main())


@BOTH
def test_a_mail_is_all_that_is_held(loop: str) -> None:
    """Of a mail past the limit nothing is held, nor of lines without an end."""

    async def main() -> None:
        async with talk(limit=10_000) as (host, client):
            await client.begin()
            for _ in range(20):
                await client.send(b"x" * 100_000)
            assert len(host.only._reader._buffer) < 300_000
            await client.send(b"\r\n.\r\n")
            assert (await client.reply())[:3] == "552"
            for _ in range(20):
                await client.send(b"NOOP " + b"x" * 100_000)
            await client.send(b"\r\n")
            assert await client.reply() == "500 5.5.2 Command line too long"

    run(loop, main())
