"""A customer's program: a server on loopback that is called, and answers as a test says, byte by byte."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    import ssl

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK"


def status(code: int, *, headers: str = "", body: bytes = b"") -> bytes:
    """Return an answer with a status."""
    return f"HTTP/1.1 {code} Whatever\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body


@dataclass(frozen=True, kw_only=True)
class Called:
    """A call as it came."""

    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def fields(self) -> dict[str, str]:
        """What was posted."""
        return dict(parse_qsl(self.body.decode("ascii"), keep_blank_values=True, strict_parsing=True))


@dataclass
class Program:
    """Answers each call by a function; one that returns None never answers. ``most`` is how many ran at once.

    One that ``closes`` does so after each answer.
    """

    answer: Callable[[Called], bytes | None] = lambda _: OK
    calls: list[Called] = field(default_factory=list)
    connections: int = 0
    under_way: int = 0
    most: int = 0
    port: int = 0
    closes: bool = False
    hold: asyncio.Event | None = None
    names: list[str | None] = field(default_factory=list)
    _handlers: set[asyncio.Task[Any]] = field(default_factory=set)

    def url(self, path: str = "/", *, host: str = "127.0.0.1", scheme: str = "http") -> str:
        """Return the URL of a path."""
        return f"{scheme}://{host}:{self.port}{path}"

    @asynccontextmanager
    async def serve(self, *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> AsyncIterator[Program]:
        """Listen while this holds; again on the same port where it did before."""
        if tls is not None:
            tls.sni_callback = lambda _socket, name, _context: self.names.append(name)
        server = await asyncio.start_server(self._serve, host, self.port, ssl=tls)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for handler in self._handlers:
                handler.cancel()
            await asyncio.gather(*self._handlers, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._handlers.add(task)
        self.connections += 1
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while True:
                await self._one(reader, writer)
        self._handlers.discard(task)
        writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        line, *rest = head.rstrip().split("\r\n")
        headers = {name.lower(): value for name, _, value in (each.partition(": ") for each in rest)}
        body = await reader.readexactly(int(headers["content-length"]))
        called = Called(line=line, headers=headers, body=body)
        self.calls.append(called)
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            if self.hold is not None:
                await self.hold.wait()
            answer = self.answer(called)
            if answer is None:
                await asyncio.Event().wait()
            writer.write(answer or b"")
            await writer.drain()
            if self.closes:
                raise ConnectionResetError
        finally:
            self.under_way -= 1
