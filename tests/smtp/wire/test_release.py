"""What a connection held is free when it is over, and not when a collector of cycles comes by."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Awaitable, Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from smtp.wire import protocol
from smtp.wire.data import Data
from smtp.wire.tls import Certificate
from tests.smtp.talk import Client, Host, Watch, calling, hosting, run, until
from tests.support import certificates

pytestmark = pytest.mark.enable_socket

MAIL = b"x" * 998 + b"\r\n"


async def quit_(host: Host, client: Client) -> None:
    """Send a mail, and say goodbye."""
    await client.begin()
    await client.say(MAIL + b".")
    await client.say("QUIT")


async def reset(host: Host, client: Client) -> None:
    """Vanish within a mail."""
    await client.begin()
    await client.send(MAIL * 50)
    client.reset()


async def too_late(host: Host, client: Client) -> None:
    """Take too long for a mail."""
    time: Any = host.frame.time
    await client.begin()
    await client.send(MAIL * 50)
    await time.seen()
    time.shows += 3600
    host.only._timeout_cb()
    assert (await client.reply())[:3] == "421"


async def bare_lf(host: Host, client: Client) -> None:
    """End a line as nobody may."""
    await client.begin()
    await client.send(MAIL * 20 + b"\n" + MAIL * 20)
    assert (await client.reply())[:3] == "554"


async def unread(host: Host, client: Client) -> None:
    """Vanish with replies unread."""
    await client.greet()
    await client.send(b"NOOP\r\n" * 5000)
    client.reset()


async def half_a_handshake(host: Host, client: Client) -> None:
    """Begin TLS, and vanish."""
    await client.greet()
    assert (await client.say("STARTTLS"))[:3] == "220"
    await client.send(b"\x16\x03\x01")


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Leave cycles as they are."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


WITH_A_MAIL = (quit_, reset, too_late, bare_lf)
# What Python's own loop keeps of a broken wire and of TLS goes around in a circle of its own.
ENDS = [*product(("asyncio",), WITH_A_MAIL), *product(("uvloop",), (*WITH_A_MAIL, unread, half_a_handshake))]


@pytest.mark.parametrize(("loop", "end"), ENDS)
def test_nothing_is_left_of_a_connection(
    loop: str,
    end: Callable[[Host, Client], Awaitable[None]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    no_collector: None,
) -> None:
    """However it ends: the connection is free, and so is the mail that was on its way."""
    mails: list[weakref.ref[Data]] = []

    def seen(limit: int) -> Data:
        data = Data(limit)
        mails.append(weakref.ref(data))
        return data

    monkeypatch.setattr(protocol, "Data", seen)

    async def main() -> None:
        certificate = Certificate(*certificates.made(tmp_path, "127.0.0.1"))
        async with hosting(certificate=certificate, time=Watch()) as host:
            async with calling(host) as client:
                await until(lambda: host.connections)
                connection = weakref.ref(host.only)
                await end(host, client)
            await until(lambda: connection() is None)
            assert bool(mails) == (end in WITH_A_MAIL)
            assert all(mail() is None for mail in mails)

    run(loop, main())
