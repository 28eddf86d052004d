"""A mail connection as a client sees it, octet by octet, and a server whose decisions a test makes."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import pairwise
from typing import Any, TypeVar

import uvloop

from bridge.model.errors import Refusal
from smtp.wire import client as peers
from smtp.wire.frame import Bounds, Frame
from smtp.wire.parameters import MailParameters, RecipientParameters
from smtp.wire.protocol import MailProtocol

T = TypeVar("T")

DEADLINE = 10.0
"""Seconds after which a test gives up on what should come at once."""

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}


def run(kind: str, main: Coroutine[Any, Any, T]) -> T:
    """Run a test's coroutine on a loop of one of the kinds."""
    with asyncio.Runner(loop_factory=LOOPS[kind]) as runner:
        return runner.run(main)


async def until(probe: Callable[[], object]) -> None:
    """Let the loop go on until ``probe`` is true."""
    async with asyncio.timeout(DEADLINE):
        while not probe():  # noqa: ASYNC110 - nothing tells a client what a server has done
            await asyncio.sleep(0.002)


def cut(octets: bytes, places: list[int]) -> list[bytes]:
    """Cut octets at the places given."""
    edges = [0, *sorted({place for place in places if 0 < place < len(octets)}), len(octets)]
    return [octets[begin:end] for begin, end in pairwise(edges)]


class Watch:
    """A clock that a test sets by hand, in seconds; ``asked`` counts how often a connection looked at it."""

    def __init__(self) -> None:
        self.shows = 1000.0
        self.asked = 0

    def __call__(self) -> float:
        self.asked += 1
        return self.shows

    async def seen(self, times: int = 1) -> None:
        """Wait until it was looked at so many times more."""
        wanted = self.asked + times
        await until(lambda: self.asked >= wanted)


class Oops(Exception):
    """What no conversation should raise."""


class Double:
    """Implements :class:`smtp.wire.protocol.Conversation`: takes all, or what ``answers`` says; keeps what it heard.

    An exception among the answers is raised. A step named in ``holds`` says in ``reached`` that it has come, and
    waits for its event.
    """

    def __init__(self) -> None:
        self.client = peers.Client()
        self.connects = 0
        self.mail_parameters: MailParameters | None = None
        self.recipient_parameters: list[RecipientParameters] = []
        self.logins: list[tuple[str, str]] = []
        self.sender: str | None = None
        self.recipients: list[str] = []
        self.mails: list[tuple[str | None, tuple[str, ...], bytes]] = []
        self.heard: list[str] = []
        self.answers: dict[str, str | Exception] = {}
        self.holds: dict[str, asyncio.Event] = {}
        self.reached: set[str] = set()
        self.told: list[Refusal] = []

    def connected(self, client: peers.Client) -> None:
        self.client = client
        self.connects += 1

    async def login(self, user: str, password: str) -> str:
        self.logins.append((user, password))
        return await self._answer("login", "235 2.7.0 Welcome")

    async def mail(self, address: str, parameters: MailParameters) -> str:
        self.heard.append(address)
        self.sender = address
        self.mail_parameters = parameters
        return await self._answer("mail", "250 2.1.0 OK")

    async def recipient(self, address: str, parameters: RecipientParameters) -> str:
        self.heard.append(address)
        answer = await self._answer("recipient", "250 2.1.5 OK")
        if answer.startswith("250"):
            self.recipients.append(address)
            self.recipient_parameters.append(parameters)
        return answer

    def refused(self, error: Refusal) -> None:
        self.told.append(error)

    async def content(self, content: bytes) -> Sequence[str]:
        answer = await self._answer("content", "250 2.0.0 Accepted")
        self.mails.append((self.sender, tuple(self.recipients), content))
        if self.client.service is not peers.Service.LMTP:
            return (answer,)
        return [self._says(f"content {address}", answer) for address in self.recipients]

    def reset(self) -> None:
        self.sender = None
        self.mail_parameters = None
        self.recipients = []
        self.recipient_parameters = []

    async def _answer(self, step: str, usual: str) -> str:
        self.reached.add(step)
        if step in self.holds:
            await self.holds[step].wait()
        return self._says(step, usual)

    def _says(self, step: str, usual: str) -> str:
        answer = self.answers.get(step, usual)
        if isinstance(answer, Exception):
            raise answer
        return answer


class Host:
    """A listening server; all its connections ask the one ``double``."""

    def __init__(self, frame: Frame, double: Double) -> None:
        self.frame = frame
        self.double = double
        self.port = 0
        self.connections: set[MailProtocol] = set()
        self.ended = 0

    def connection(self) -> MailProtocol:
        connection = MailProtocol(self.frame, self.double, closed=self._gone)
        self.connections.add(connection)
        return connection

    def _gone(self, connection: MailProtocol) -> None:
        self.connections.remove(connection)
        self.ended += 1

    @property
    def only(self) -> MailProtocol:
        """The one connection there is."""
        (connection,) = self.connections
        return connection


@asynccontextmanager
async def hosting(
    *,
    limit: int = 100_000,
    timeout: float = 60.0,  # noqa: ASYNC109
    time: Callable[[], float] | None = None,
    service: peers.Service = peers.Service.SMTP,
    **particular: Any,
) -> AsyncIterator[Host]:
    """Give a server. At the end no connection may be left, no task, and nothing that the loop complained of.

    What is ``particular`` goes to its frame.
    """
    loop = asyncio.get_running_loop()
    complaints: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    before = asyncio.all_tasks()
    told = {"bounds": Bounds(timeout=timeout, errors=1000), "time": time, "service": service} | particular
    frame = Frame(hostname="sms.example.com", limit=limit, loop=loop, **told)
    host = Host(frame, Double())
    server = await loop.create_server(host.connection, "127.0.0.1", 0)
    host.port = server.sockets[0].getsockname()[1]
    try:
        yield host
        await until(lambda: not host.connections)
        await until(lambda: asyncio.all_tasks() <= before)
    finally:
        server.close()
        for connection in tuple(host.connections):
            connection.abort()
        await server.wait_closed()
    # A task whose exception nobody fetched says so when it is collected.
    gc.collect()
    await asyncio.sleep(0)
    assert complaints == []


class Client:
    """One connection to a mail server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def reply(self) -> str:
        """Return the next reply, its lines joined by line feeds."""
        lines: list[str] = []
        async with asyncio.timeout(DEADLINE):
            while not lines or lines[-1][3:4] == "-":
                line = await self.reader.readuntil(b"\r\n")
                lines.append(line.decode().removesuffix("\r\n"))
        return "\n".join(lines)

    async def send(self, octets: bytes) -> None:
        """Send octets as they are."""
        self.writer.write(octets)
        async with asyncio.timeout(DEADLINE):
            await self.writer.drain()

    async def say(self, line: str | bytes) -> str:
        """Send a line and return the reply."""
        await self.send((line.encode() if isinstance(line, str) else line) + b"\r\n")
        return await self.reply()

    async def greet(self, hello: str = "EHLO") -> None:
        """Begin: greeting and EHLO."""
        assert (await self.reply()).startswith("220 ")
        assert (await self.say(f"{hello} client.example.com")).startswith("250-")

    async def begin(self, *recipients: str, hello: str = "EHLO") -> None:
        """Go as far as the 354 of DATA."""
        await self.greet(hello)
        assert (await self.say("MAIL FROM:<ann@example.com>"))[:3] == "250"
        for recipient in recipients or ("bob@example.com",):
            assert (await self.say(f"RCPT TO:<{recipient}>"))[:3] == "250"
        assert (await self.say("DATA"))[:3] == "354"

    async def secure(self, context: ssl.SSLContext) -> None:
        """Go on behind TLS. Raises ssl.SSLError and its like."""
        async with asyncio.timeout(DEADLINE):
            await self.writer.start_tls(context, server_hostname="127.0.0.1")

    async def rest(self) -> str:
        """Return all that still comes until the server ends the connection."""
        async with asyncio.timeout(DEADLINE):
            return (await self.reader.read()).decode()

    def reset(self) -> None:
        """Vanish without a word: the connection is reset (RST), not closed (FIN)."""
        made = self.writer.get_extra_info("socket")
        made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


@asynccontextmanager
async def calling(host: Host | int, *, to: str = "127.0.0.1") -> AsyncIterator[Client]:
    """Give a client's connection, closed at the end of the block."""
    port = host if isinstance(host, int) else host.port
    reader, writer = await asyncio.open_connection(to, port)
    try:
        yield Client(reader, writer)
    finally:
        writer.close()
        with suppress(ConnectionError, ssl.SSLError):
            await writer.wait_closed()


@asynccontextmanager
async def talk(
    *,
    limit: int = 100_000,
    timeout: float = 60.0,  # noqa: ASYNC109
    time: Callable[[], float] | None = None,
    service: peers.Service = peers.Service.SMTP,
    **particular: Any,
) -> AsyncIterator[tuple[Host, Client]]:
    """Give a server and a client that is connected to it."""
    wanted = {"limit": limit, "timeout": timeout, "time": time, "service": service} | particular
    async with hosting(**wanted) as host, calling(host) as client:
        yield host, client
