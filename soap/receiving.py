"""The body of a request as it comes in: bounded in length, in time, and in how much of all requests is held at once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from starlette.requests import ClientDisconnect

from soap.faults import BUSY, TOO_LARGE, TOO_SLOW, Fault

if TYPE_CHECKING:
    from starlette.datastructures import Headers
    from starlette.types import Message, Receive

BODY_SECONDS: Final = 30.0
"""Within these the whole body of a request has to be here."""

_WHOLE_BODIES: Final = 16
"""How many bodies of the greatest length there is room for."""


class Bodies:
    """Takes bodies in. ``limit`` is the greatest length of one in bytes, ``patience`` its time in seconds."""

    def __init__(self, limit: int, *, patience: float = BODY_SECONDS) -> None:
        """Make room."""
        self.limit = limit
        self._patience = patience
        self._room = _WHOLE_BODIES * limit

    def receive(self, headers: Headers, receive: Receive) -> _Receiving:
        """Give a body, in an ``async with``, and keep its place until the block ends.

        One that says that it is too long is not read at all. Raises :exc:`Fault`, and :exc:`ClientDisconnect` when the
        client goes before the end.
        """
        return _Receiving(self, headers, receive)

    async def take(self, headers: Headers, receive: Receive, held: _Held) -> bytes:
        """Take a whole body in."""
        if _announced(headers) > self.limit:
            raise self._too_large()
        try:
            async with asyncio.timeout(self._patience):
                while self._take(await receive(), held):
                    pass
        except TimeoutError:
            raise Fault(TOO_SLOW, f"the body did not come within {self._patience:g} seconds") from None
        return held.whole()

    def leave(self, held: _Held) -> None:
        """Give the place of a body back."""
        self._room += held.length

    def _take(self, message: Message, held: _Held) -> bool:
        """Keep a part of a body, and return whether more is to come."""
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk = message.get("body", b"")
        held.chunks.append(chunk)
        held.length += len(chunk)
        self._room -= len(chunk)
        if held.length > self.limit:
            raise self._too_large()
        if self._room < 0:
            raise Fault(BUSY, "too many large requests at once; call again later")
        return bool(message.get("more_body", False))

    def _too_large(self) -> Fault:
        return Fault(TOO_LARGE, f"the body is longer than {self.limit} bytes")


class _Receiving:
    """One body on its way in. A class, for a generator takes twice as long to begin and to end."""

    __slots__ = ("_bodies", "_headers", "_held", "_receive")

    def __init__(self, bodies: Bodies, headers: Headers, receive: Receive) -> None:
        self._bodies = bodies
        self._headers = headers
        self._receive = receive
        self._held = _Held()

    async def __aenter__(self) -> bytes:
        try:
            return await self._bodies.take(self._headers, self._receive, self._held)
        except BaseException:
            self._bodies.leave(self._held)
            raise

    async def __aexit__(self, *_error: object) -> None:
        self._bodies.leave(self._held)


class _Held:
    """What is there of a body."""

    __slots__ = ("chunks", "length")

    def __init__(self) -> None:
        self.chunks: list[bytes] = []
        self.length = 0

    def whole(self) -> bytes:
        """Return it in one piece, and keep no other."""
        if len(self.chunks) > 1:
            self.chunks = [b"".join(self.chunks)]
        return self.chunks.pop()


def _announced(headers: Headers) -> int:
    length = headers.get("content-length", "")
    return int(length) if length.isascii() and length.isdigit() else 0
