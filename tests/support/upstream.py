"""An HTTP upstream on loopback, byte by byte: it answers as a provider does, or in any way in which one can fail.

A carrier's case subclasses :class:`Upstream` and says how its provider answers; what can go wrong on the wire is here,
the same for all.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qsl, urlsplit

from bridge.model.message import Verdict
from tests.contract.carriers.case import Arrival, Told

if TYPE_CHECKING:
    import ssl

    from bridge.carriers.base import Urls

GIGABYTE = 1 << 30


class Wrong(StrEnum):
    """What can go wrong once a connection is there. The request is read whole where nothing else is said."""

    RESET_AT_ONCE = "reset before the request"
    CLOSE_AT_ONCE = "closed before the request"
    RESET = "reset after the request"
    CLOSE = "closed after the request"
    SILENT = "no answer"
    HALF_HEAD = "half a head"
    HALF_BODY = "half a body"
    HALF_CHUNK = "half a chunked body"
    STALLED_HEAD = "half a head, and silence"
    STALLED_BODY = "half a body, and silence"
    TRICKLE = "a byte now and then"
    NO_HTTP = "no HTTP"
    HUGE_HEAD = "a head of 1 MB"
    EMPTY = "an empty answer"
    PAGE = "a page in place of the answer"
    WRONG_TYPE = "the answer under a wrong type"
    ENDLESS = "1 GB"
    ENDLESS_CHUNKED = "1 GB in chunks"
    ELSEWHERE = "a redirect to another host"


SLOW = frozenset({Wrong.SILENT, Wrong.STALLED_HEAD, Wrong.STALLED_BODY})
"""What ends by the read timeout."""
TRICKLING = frozenset({Wrong.TRICKLE})
"""What ends by the total timeout."""


@dataclass(frozen=True, kw_only=True)
class News:
    """A call of the provider to the bridge: a report, or a text from a phone."""

    url: str
    method: str = "POST"
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


class HangUp(Exception):
    """Raised in place of an answer: the connection is closed."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A request as it came. ``target`` is path and query; header names are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def params(self) -> dict[str, str]:
        """The query's parameters, and those of a form, in UTF-8."""
        written = self.target.partition("?")[2]
        if self.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            written = f"{written}&{self.body.decode()}"
        return dict(parse_qsl(written, keep_blank_values=True))

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a server says."""

    status: int = 200
    body: bytes = b""
    media_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, data: Any, status: int = 200, **headers: str) -> Self:
        """Make an answer of JSON; an underscore in a header's name is a dash."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return cls(status=status, body=json.dumps(data).encode(), headers=named)

    def bytes(self) -> bytes:
        """Return it as it travels."""
        lines = [f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}"]
        lines += [f"content-length: {len(self.body)}", *(f"{name}: {value}" for name, value in self.headers.items())]
        if self.media_type:
            lines.append(f"content-type: {self.media_type}")
        return "\r\n".join([*lines, "", ""]).encode() + self.body


class Server:
    """Answers each request by ``answer``, unless something is ``wrong``. One connection takes many requests.

    ``seen`` are the requests that came whole; ``tries`` counts connections that were cut at once, and requests that
    were begun: what a client did, however far it came. ``elsewhere`` is where a redirect leads,
    ``greeting`` what is said before anything came.
    """

    def __init__(self, answer: Callable[[Seen], Answer] | None = None) -> None:
        self.seen: list[Seen] = []
        self.tries = 0
        self.connections = 0
        self.wrong: Wrong | None = None
        self.status: Answer | None = None
        self.elsewhere = ""
        self.greeting = b""
        self.tls: ssl.SSLContext | None = None
        self.port = 0
        self._answer = answer or (lambda _seen: Answer())
        self._listener: asyncio.Server | None = None
        self._talks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._stopped = asyncio.Event()

    @property
    def url(self) -> str:
        """The server's address, without a path."""
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def answer(self, seen: Seen) -> Answer:
        """Answer a request. May raise :class:`HangUp`."""
        return self._answer(seen)

    def spares(self, seen: Seen) -> bool:
        """Whether this request is answered well whatever is wrong: one for a token, say, before the text's own."""
        return False

    async def ponder(self, seen: Seen, *, answered: bool) -> None:
        """Take time before a request is worked on, and again before its answer leaves. Here: none."""

    async def start(self) -> None:
        """Listen; a second time on the same port."""
        self._stopped.clear()
        self._listener = await asyncio.start_server(self._talk, "127.0.0.1", self.port, ssl=self.tls, backlog=256)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Listen no more, and cut all connections: who comes now is refused."""
        self._stopped.set()
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        for writer in tuple(self._writers):
            writer.transport.abort()
        while self._talks:
            await asyncio.gather(*self._talks, return_exceptions=True)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Self]:
        """Serve meanwhile."""
        await self.start()
        try:
            yield self
        finally:
            await self.stop()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._talks.add(task)
        self._writers.add(writer)
        self.connections += 1
        try:
            writer.write(self.greeting)
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, HangUp):
                if self._cut(writer):
                    return
                while True:
                    await self._exchange(reader, writer)
        finally:
            self._talks.discard(task)
            self._writers.discard(writer)
            writer.close()

    def _cut(self, writer: asyncio.StreamWriter) -> bool:
        if self.wrong not in {Wrong.RESET_AT_ONCE, Wrong.CLOSE_AT_ONCE}:
            return False
        self.tries += 1
        if self.wrong is Wrong.RESET_AT_ONCE:
            reset(writer)
        return True

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = await reader.readexactly(1)
        if self._cut(writer):
            raise HangUp
        self.tries += 1
        seen = await _request(first, reader)
        self.seen.append(seen)
        self.tries -= self.spares(seen)
        if self.status is not None and not self.spares(seen):
            writer.write(self.status.bytes())
        elif self.wrong is None or self.spares(seen):
            await self.ponder(seen, answered=False)
            answer = self.answer(seen)
            await self.ponder(seen, answered=True)
            writer.write(answer.bytes())
        else:
            await self._fail(self.wrong, seen, writer)
        await writer.drain()

    async def _fail(self, wrong: Wrong, seen: Seen, writer: asyncio.StreamWriter) -> None:
        """Go wrong, after the request was taken: nobody can know whether the text left."""
        writer.write(_SAID.get(wrong, b""))
        match wrong:
            case Wrong.RESET:
                reset(writer)
            case Wrong.WRONG_TYPE:
                good = self.answer(seen)
                writer.write(Answer(status=good.status, body=good.body, media_type="image/png").bytes())
            case Wrong.ELSEWHERE:
                writer.write(Answer(status=307, headers={"location": f"{self.elsewhere}{seen.target}"}).bytes())
            case Wrong.ENDLESS:
                await _flood(writer, b"x" * 65_536)
            case Wrong.ENDLESS_CHUNKED:
                await _flood(writer, b"10000\r\n" + b"x" * 65_536 + b"\r\n")
            case Wrong.TRICKLE:
                while not self._stopped.is_set():
                    writer.write(b" ")
                    await writer.drain()
                    await asyncio.sleep(0.01)
        await writer.drain()
        if wrong in SLOW:
            await self._stopped.wait()
        if wrong not in _WHOLE:
            raise HangUp


_HALF = b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"id": '
_PAGE = b"<!doctype html><title>Welcome</title><p>Please log in."
_SAID: Mapping[Wrong, bytes] = {
    Wrong.HALF_HEAD: _HALF[:30],
    Wrong.STALLED_HEAD: _HALF[:30],
    Wrong.HALF_BODY: _HALF,
    Wrong.STALLED_BODY: _HALF,
    Wrong.TRICKLE: _HALF,
    Wrong.HALF_CHUNK: b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n20\r\nhalf",
    Wrong.NO_HTTP: b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
    Wrong.HUGE_HEAD: b"HTTP/1.1 200 OK\r\nx-filler: " + b"x" * 1_000_000 + b"\r\n\r\n",
    Wrong.EMPTY: Answer().bytes(),
    Wrong.PAGE: Answer(body=_PAGE, media_type="text/html; charset=utf-8").bytes(),
    Wrong.ENDLESS: f"HTTP/1.1 200 OK\r\ncontent-length: {GIGABYTE}\r\n\r\n".encode(),
    Wrong.ENDLESS_CHUNKED: b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
}
_WHOLE = frozenset({Wrong.EMPTY, Wrong.PAGE, Wrong.WRONG_TYPE, Wrong.ELSEWHERE})
"""Whole answers, after which the connection goes on."""


class Upstream(Server):
    """A provider as the suite of all carriers wants one: subclass it, and say :meth:`table` and :meth:`answer`.

    The usual answer: check the login, read the text, ``told = self.treat(arrival)``, and answer as the provider does
    for ``told``. News (reports, replies) is what :meth:`news` says, brought to the bridge after the answer.
    """

    def __init__(self) -> None:
        super().__init__()
        self.urls: Urls | None = None
        self.refusals: list[int] = []
        """Statuses with which the bridge refused our calls."""
        self._calling: set[asyncio.Task[None]] = set()
        self._told: dict[str, Told] = {}
        self._arrived: list[Arrival] = []
        self._keys: dict[str, str] = {}

    def table(self) -> dict[str, Any]:
        """Return ``[carriers.NAME]``."""
        raise NotImplementedError

    def news(self, told: Told, arrival: Arrival, carrier_id: str) -> Iterable[News]:
        """Return the calls that say it, to ``self.urls``; nobody can be called where that is None."""
        return ()

    def tell(self, number: str, told: Told) -> None:
        self._told[number] = told

    def arrived(self) -> list[Arrival]:
        return list(self._arrived)

    def trouble(self, kind: str) -> None:
        self.wrong = Wrong(kind)

    def mend(self) -> None:
        self.wrong = self.status = None

    def treat(self, arrival: Arrival, *, carrier_id: str, key: str | None = None) -> Told:
        """Do with a text what its number was told, and return that; under a known ``key`` it arrives no more.

        Raises :class:`HangUp` where the answer is to be lost. News follows by itself.
        """
        told = self._told.get(arrival.number, Told.ACCEPT)
        if told not in {Told.REFUSE, Told.DEFER, Told.LOSE_UNSENT, Told.WAIT} and (
            key is None or key not in self._keys
        ):
            self._arrived.append(arrival)
            if key is not None:
                self._keys[key] = carrier_id
        if told in {Told.LOSE, Told.LOSE_UNSENT}:
            raise HangUp
        if self.urls is not None and (calls := list(self.news(told, arrival, carrier_id))):
            talk = asyncio.create_task(self._bring(calls))
            self._talks.add(talk)
            talk.add_done_callback(self._talks.discard)
            self._calling.add(talk)
            talk.add_done_callback(self._calling.discard)
        return told

    async def stop(self) -> None:
        """Listen and call no more: who was called may be gone already, and answers nothing."""
        self._stopped.set()
        for talk in tuple(self._calling):
            talk.cancel()
        await super().stop()

    async def _bring(self, calls: Iterable[News]) -> None:
        """Call the bridge, again while it has trouble, as providers do."""
        for call in calls:
            while not self._stopped.is_set():
                status = await ring(call)
                if status >= 400:
                    self.refusals.append(status)
                if status < 500:
                    break
                await asyncio.sleep(0.01)


class HttpCase:
    """One kind of carrier over HTTP under the suite: a subclass names what is its own."""

    name: str
    kind: str
    makes: Callable[[], Upstream]
    """Makes its upstream."""
    takes_own_id = False
    names_senders = True
    by_wire = True
    """Whether its calls are made by bridge.carriers.wire, which can tell what left from what did not."""
    told = frozenset({Told.ACCEPT, Told.REFUSE, Told.DEFER, Told.LOSE, Told.LOSE_UNSENT})
    broken: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    bad: tuple[tuple[dict[str, Any], str], ...] = ()
    troubles: tuple[str, ...] = tuple(wrong for wrong in Wrong if wrong not in SLOW | TRICKLING)
    statuses: Mapping[int, Verdict] = {}
    """What this carrier makes of statuses, where that is its own."""
    credit: tuple[Mapping[str, Any], str] | None = None
    """What it says is left, where it can be asked, with the changes to a table that this takes."""
    ends: Mapping[Wrong, Verdict] = {}
    """What it makes of what goes wrong, where that is not *unknown*."""

    @asynccontextmanager
    async def upstream(self, folder: Path) -> AsyncIterator[Upstream]:
        async with type(self).makes().serving() as upstream:
            yield upstream


async def ring(call: News) -> int:
    """Make one call, byte by byte: a client of HTTP would log its URL. Returns the status of the answer."""
    url = urlsplit(call.url)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    try:
        target = url.path + (f"?{url.query}" if url.query else "")
        headers = {"host": url.netloc, "content-length": str(len(call.body)), "connection": "close", **call.headers}
        lines = [f"{call.method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        writer.write("\r\n".join(lines).encode() + call.body)
        answer = await reader.read()
        return int(answer.split(b" ", 2)[1])
    finally:
        writer.close()


def reset(writer: asyncio.StreamWriter) -> None:
    """Close a connection by a reset."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@contextlib.contextmanager
def refusing() -> Any:
    """Give a port of loopback that refuses every connection."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@contextlib.contextmanager
def unanswering() -> Any:
    """Give a port of loopback where no connection comes about: its queue is full, and nobody empties it."""
    with socket.socket() as listener, contextlib.ExitStack() as kept:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            sock = kept.enter_context(socket.socket())
            sock.setblocking(False)
            sock.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


async def _request(first: bytes, reader: asyncio.StreamReader) -> Seen:
    head = first + await reader.readuntil(b"\r\n\r\n")
    line, *fields = head.decode("latin-1").split("\r\n")[:-2]
    method, target, _ = line.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (each.partition(":") for each in fields)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Seen(method=method, target=target, headers=headers, body=body)


async def _flood(writer: asyncio.StreamWriter, piece: bytes) -> None:
    for _ in range(GIGABYTE // 65_536):
        writer.write(piece)
        await writer.drain()
