"""Clients that keep an SMTP server's connections: slow, silent, deaf, endless and all too quick ones, in one process.

Each opens a connection, takes its time, and opens another one when the server has ended that. When they end, one line
of JSON says for each kind how many there were and how many the server ended.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import ssl
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from bench.mails import DOMAIN, SENDER
from bridge.app import loop_factory

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_ENVELOPE: Final = (
    f"EHLO slow.example.com\r\nMAIL FROM:<{SENDER}>\r\nRCPT TO:<972502345678@{DOMAIN}>\r\nDATA\r\n".encode()
)
_NO_MAIL: Final = b"EHLO slow.example.com\r\nNOOP\r\nVRFY x\r\nRSET\r\n" * 100
_SLOWLY: Final = 1.0
"""Seconds between two octets."""
_BETWEEN: Final = 0.2
"""Seconds between two connections of a client."""
_SMALL: Final = 4096
"""Octets that the system holds of what a client does not read."""


class Line:
    """One connection. What is said goes out at once; nothing waits for an answer."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.over = asyncio.Event()

    def say(self, octets: bytes) -> None:
        """Send octets, unless those before are still on their way: none pile up here."""
        if not self.writer.transport.get_write_buffer_size():
            self.writer.write(octets)

    async def pause(self, seconds: float) -> bool:
        """Wait; return whether the connection is still there."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.over.wait()
        return not self.over.is_set() and not self.writer.transport.is_closing()

    async def hear(self) -> None:
        """Read all that comes, until the server ends it."""
        with suppress(OSError):
            while await self.reader.read(65_536):
                pass
        self.over.set()


async def _drip_commands(line: Line) -> None:
    for octet in _NO_MAIL:
        line.say(bytes([octet]))
        if not await line.pause(_SLOWLY):
            return


async def _drip_mail(line: Line) -> None:
    line.say(_ENVELOPE)
    while await line.pause(_SLOWLY):
        line.say(b"x")


async def _endless_mail(line: Line) -> None:
    line.say(_ENVELOPE)
    while await line.pause(_SLOWLY):
        line.say((b"x" * 998 + b"\r\n") * 64)


async def _silence(line: Line) -> None:
    await line.pause(3600)


async def _flood(line: Line) -> None:
    line.say(b"EHLO slow.example.com\r\n")
    while await line.pause(2 * _SLOWLY):
        line.say(b"NOOP\r\nRSET\r\n" * 250)


async def _deaf(line: Line) -> None:
    line.say(b"EHLO slow.example.com\r\n")
    while await line.pause(_SLOWLY):
        line.say(b"HELP\r\n" * 100)


async def _half_a_handshake(line: Line) -> None:
    line.say(_hello()[:100])
    await line.pause(3600)


async def _starttls(line: Line) -> None:
    line.say(b"EHLO slow.example.com\r\n")
    await line.pause(_SLOWLY)
    line.say(b"STARTTLS\r\n")
    await line.pause(_SLOWLY)
    line.say(_hello()[:3])
    await line.pause(3600)


def _hello() -> bytes:
    """Return what a TLS client says first."""
    context = ssl.create_default_context()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with suppress(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_hostname="localhost").do_handshake()
    return outgoing.read()


KINDS: Final[dict[str, tuple[Callable[[Line], Awaitable[None]], str, int]]] = {
    "commands, an octet a second": (_drip_commands, "smtp", 40),
    "a mail, an octet a second": (_drip_mail, "smtp", 40),
    "silent behind the greeting": (_silence, "smtp", 30),
    "replies not read": (_deaf, "smtp", 30),
    "half a TLS handshake": (_half_a_handshake, "submissions", 30),
    "STARTTLS, then next to nothing": (_starttls, "submission", 10),
    "500 commands at once, every two seconds": (_flood, "smtp", 10),
    "a mail without an end, 64 KB a second": (_endless_mail, "smtp", 10),
}
"""By name: what one does, the listener it comes to, and how many there are."""


async def _client(name: str, ports: dict[str, int], seen: Counter[tuple[str, str]]) -> None:
    act, listener, _ = KINDS[name]
    while True:
        made = socket.socket()
        made.setblocking(False)  # noqa: FBT003 - the name of the method says it
        if act is _deaf:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL)
        await asyncio.get_running_loop().sock_connect(made, ("127.0.0.1", ports[listener]))
        line = Line(*await asyncio.open_connection(sock=made, limit=_SMALL))
        seen[name, "opened"] += 1
        hears = None if act is _deaf else asyncio.create_task(line.hear())
        try:
            await act(line)
            seen[name, "ended"] += 1
        finally:
            if hears is not None:
                hears.cancel()
            line.writer.transport.abort()
        await asyncio.sleep(_BETWEEN)


async def main(options: argparse.Namespace) -> None:
    """Keep the connections for a time, and say what became of them."""
    ports = {name: getattr(options, name) for name in ("smtp", "submission", "submissions")}
    seen: Counter[tuple[str, str]] = Counter()
    clients = []
    for name, (_, _, count) in KINDS.items():
        for _ in range(count):
            clients.append(asyncio.create_task(_client(name, ports, seen)))
            await asyncio.sleep(_SLOWLY / 200)  # not all in step
    done, _ = await asyncio.wait(clients, timeout=options.seconds, return_when=asyncio.FIRST_EXCEPTION)
    for client in clients:
        client.cancel()
    await asyncio.gather(*clients, return_exceptions=True)
    problems = [repr(client.exception()) for client in done]
    told = {name: [count, seen[name, "opened"], seen[name, "ended"]] for name, (_, _, count) in KINDS.items()}
    print(json.dumps({"kinds": told, "problems": problems[:3]}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--smtp", type=int, required=True)
    parser.add_argument("--submission", type=int, required=True)
    parser.add_argument("--submissions", type=int, required=True)
    parser.add_argument("--seconds", type=float, default=60)
    asyncio.Runner(loop_factory=loop_factory()).run(main(parser.parse_args()))
