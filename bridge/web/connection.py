"""One HTTP connection, with what uvicorn's own lacks.

*Bounds.* httptools takes a head of any size for any time. Here a head, and all the trailers after a chunked body, are
at most :data:`MOST_HEAD` bytes, and a request has to be there within :data:`REQUEST_SECONDS` of its first byte. How
large a body may be is its route's business.

*Trailers.* What comes after a chunked body is counted, and left out: it would stand among the headers, behind those
that a proxy wrote, and say where the request comes from and who makes it (RFC 9110, 6.5.1).

*Offers to upgrade.* A server may ignore them (RFC 9110, 7.8). httptools takes what follows such a head for another
protocol, so the body of the request would be lost; and Java's HttpClient offers HTTP/2 with every first request. Here
the head is parsed again without the offer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    import asyncio

MOST_HEAD: Final = 65_536
"""Bytes of a head. Reverse proxies and single sign-on make some of 16 KiB."""

MOST_CONNECTIONS: Final = 600
"""Over this a new connection is closed unanswered. Well below the 1,024 files a process usually may open."""

REQUEST_SECONDS: Final = 60.0

_PER_FIELD: Final = 32
"""What a header costs beside its bytes; so that a million empty ones count too."""

_ABOUT_UPGRADES: Final = frozenset({b"upgrade", b"http2-settings"})

_TEXT: Final = b"the head of the request is longer than %d bytes\n" % MOST_HEAD
_TOO_LARGE: Final = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: text/plain; charset=utf-8\r\n"
    b"content-length: %d\r\nconnection: close\r\ncache-control: no-store\r\n\r\n%b" % (len(_TEXT), _TEXT)
)


class BoundedConnection(HttpToolsProtocol):
    """uvicorn's connection, bounded."""

    _deadline: asyncio.TimerHandle | None = None
    _in_head = False
    _between = True
    _offered = False
    _head = 0
    _fields = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, unless there are too many. The first request has to come in time."""
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            transport.abort()
            return
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._waited()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, and see whether a head has grown too large."""
        self._unset_keepalive_if_required()
        if self._between:
            self._wait()
        size = len(data)
        try:
            while data:
                data = self._feed(data)
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")
            return
        if self._in_head:
            self._head += size
            if self._head > MOST_HEAD:
                self._refuse_head()

    def on_message_begin(self) -> None:
        """Note that a head has begun."""
        self._between = self._offered = False
        self._in_head = True
        self._head = self._fields = 0
        self._wait()
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a header or a trailer. Raising makes the parser give up."""
        self._fields += len(name) + len(value) + _PER_FIELD
        if self._fields > MOST_HEAD:
            message = "too many headers"
            raise ValueError(message)
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Begin to answer, unless the head has to be parsed again."""
        self._in_head = False
        self._offered = self.parser.should_upgrade()
        if not self._offered:
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Note that the request has ended."""
        if not self._offered:
            self._between = True
            self._waited()
            super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, or too much of it."""
        if self._fields > MOST_HEAD:
            self._refuse_head()
        else:
            super().send_400_response(msg)

    def _feed(self, data: bytes) -> bytes:
        """Give data to the parser; return what is to be parsed next, in place of what it took for an upgrade."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            method = self.parser.get_method()
            if method == b"CONNECT":  # a proxy's business
                self.send_400_response("Invalid HTTP request received.")
                return b""
            version = self.parser.get_http_version().encode()
            self.parser = httptools.HttpRequestParser(self)
            head = [method + b" " + self.url + b" HTTP/" + version]
            head += [name + b": " + value for name, value in _without_offer(self.headers)]
            return b"\r\n".join(head) + b"\r\n\r\n" + data[upgrade.args[0] :]
        return b""

    def _refuse_head(self) -> None:
        self.transport.write(_TOO_LARGE)
        self.transport.close()

    def _wait(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(REQUEST_SECONDS, self._too_late)

    def _waited(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_late(self) -> None:
        self._deadline = None
        self.transport.abort()


def _without_offer(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    kept = []
    for name, value in headers:
        if name == b"connection":
            options = [option.strip() for option in value.split(b",")]
            kept.append((name, b", ".join(one for one in options if one.lower() not in _ABOUT_UPGRADES)))
        elif name not in _ABOUT_UPGRADES:
            kept.append((name, value))
    return kept
