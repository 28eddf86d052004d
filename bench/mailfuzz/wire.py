"""A connection without a network: what the client says comes in pieces, and what it is told is kept."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from smtp.wire.protocol import MailProtocol

if TYPE_CHECKING:
    from collections.abc import Iterable

    from smtp.wire.frame import Frame
    from smtp.wire.protocol import Conversation

_AT_ONCE: Final = 200
"""Turns of the loop that are waited without a pause: what takes longer waits for a thread."""
_PAUSE: Final = 0.0005
_HIGH: Final = 4096


class Watched(MailProtocol):
    """A connection that tells which errors it answered as trouble of ours."""

    def __init__(self, frame: Frame, conversation: Conversation) -> None:
        """Make a connection."""
        super().__init__(frame, conversation, closed=self._over)
        self.troubles: list[Exception] = []
        self.told = b""
        self.ended = asyncio.Event()

    def _over(self, _connection: MailProtocol) -> None:
        self.ended.set()

    @property
    def waits(self) -> bool:
        """Whether it wants to hear more."""
        return self._reader.awaited

    async def handle_exception(self, error: Exception) -> str:
        """Keep the error, and answer as always."""
        self.troubles.append(error)
        return await super().handle_exception(error)


class Wire(asyncio.Transport):
    """The transport of such a connection. ``lazy``: the client reads only when it has nothing more to say."""

    def __init__(self, connection: MailProtocol, peer: str, *, lazy: bool) -> None:
        """Lead to a client at an address; empty for a Unix socket."""
        super().__init__({"peername": (peer, 4000) if peer else ""})
        self._connection = connection
        self._lazy = lazy
        self._unread = 0
        self._stopped = False
        self.told = bytearray()
        self.closed = False
        self.paused = False

    def write(self, data: Any) -> None:
        """Keep what the client is told."""
        if self.closed:
            return
        self.told += data
        if self._lazy:
            self._unread += len(data)
            if self._unread > _HIGH and not self._stopped:
                self._stopped = True
                self._connection.pause_writing()

    def drain(self) -> None:
        """Let the client read all."""
        self._unread = 0
        if self._stopped:
            self._stopped = False
            self._connection.resume_writing()

    def get_write_buffer_size(self) -> int:
        """Return what the client has not read."""
        return self._unread

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Have the one limit."""

    def close(self) -> None:
        """End, in the next turn of the loop."""
        if not self.closed:
            self.closed = True
            asyncio.get_running_loop().call_soon(self._connection.connection_lost, None)

    abort = close

    def is_closing(self) -> bool:
        """Whether it has ended."""
        return self.closed

    def pause_reading(self) -> None:
        """Hold back what the client says."""
        self.paused = True

    def resume_reading(self) -> None:
        """Let it come again."""
        self.paused = False

    def can_write_eof(self) -> bool:
        """Say that half of it may end."""
        return True

    def write_eof(self) -> None:
        """End the half that the client hears."""


async def talk(connection: Watched, wire: Wire, pieces: Iterable[bytes], *, hasty: bool) -> None:
    """Say all pieces and hang up. A client in haste says more before it was answered."""
    connection.connection_made(wire)
    for place, piece in enumerate(pieces):
        if not hasty or place % 3 == 0 or wire.paused:
            await _heard_out(connection, wire)
        if wire.closed:
            break
        connection.data_received(piece)
        if hasty:
            await asyncio.sleep(0)
    await _heard_out(connection, wire)
    if not wire.closed and not connection.eof_received():
        wire.close()
    await connection.ended.wait()


async def _heard_out(connection: Watched, wire: Wire) -> None:
    """Wait until a connection wants to hear more, or is over."""
    for turn in count():
        if wire.closed or (connection.waits and not wire.paused):
            return
        await asyncio.sleep(0 if turn < _AT_ONCE else _PAUSE)
        wire.drain()
