"""How a connection ends: the client vanishes or falls silent, or we stop. Nothing is left behind."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress

import pytest
from structlog.testing import capture_logs

from smtp import replies
from smtp.wire import connection, protocol
from tests.smtp.talk import LOOPS, Client, Oops, Watch, calling, hosting, run, talk, until

pytestmark = pytest.mark.enable_socket

BOTH = pytest.mark.parametrize("loop", sorted(LOOPS))


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
    """Each command and each piece of a mail begins the time anew; once it is over, not before, the connection is."""

    async def main() -> None:
        watch = Watch()
        # The timer runs on the loop's own time, so it looks at the watch again and again.
        async with talk(timeout=0.01, time=watch) as (host, client):
            await client.begin()
            for _ in range(5):
                watch.shows += 0.009
                await client.send(b"hello\r\n")
                await until(lambda: host.only._deadline == watch.shows + 0.01)
                await watch.seen(2)
            assert (await client.say("."))[:3] == "250"
            for _ in range(5):
                watch.shows += 0.009
                assert (await client.say("NOOP"))[:3] == "250"
                await watch.seen(2)
            watch.shows += 0.01
            assert await client.rest() == "421 4.4.2 Timeout; closing\r\n"
            assert len(host.double.mails) == 1

    run(loop, main())


@BOTH
def test_one_timer_for_a_connection(loop: str) -> None:
    """Commands make no new timer; an end that has to come sooner than the timer looks does."""

    async def main() -> None:
        async with talk(timeout=60) as (host, client):
            await client.greet()
            timer = host.only._timeout_handle
            for _ in range(3):
                assert (await client.say("NOOP"))[:3] == "250"
            assert host.only._timeout_handle is timer
            host.only._reset_timeout(0.01)
            assert await client.rest() == "421 4.4.2 Timeout; closing\r\n"

    run(loop, main())


@BOTH
def test_a_client_that_does_not_read_is_cut_off(loop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks and asks and reads no answer cannot keep the connection by that: after the last words it is cut."""
    monkeypatch.setattr(connection, "_LAST_WORDS", 0.1)

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
