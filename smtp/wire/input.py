"""What was read of a connection and nobody has asked for yet."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

CHUNK = 1 << 20
"""More than a stream reader ever holds: one read takes all that is there."""

LONGEST_LINE = 4096
"""Octets of a command line that are held (RFC 5321, 4.5.3.1.4, asks for 512, extensions add to it)."""


class Input(asyncio.StreamReader):
    """A stream reader that shows what it holds, gives it up for TLS, and goes on behind it."""

    if TYPE_CHECKING:
        _buffer: bytearray
        _paused: bool
        _transport: asyncio.Transport
        _waiter: asyncio.Future[None] | None

        def _maybe_resume_transport(self) -> None: ...

    @property
    def ahead(self) -> bool:
        """Whether there is anything."""
        return bool(self._buffer)

    @property
    def awaited(self) -> bool:
        """Whether somebody waits for more."""
        return self._waiter is not None

    def take(self) -> bytes:
        """Return all there is, and go on without it."""
        taken = bytes(self._buffer)
        self._buffer.clear()
        self._maybe_resume_transport()
        return taken

    def clear(self) -> None:
        """Drop what nobody will ask for any more."""
        self._buffer.clear()

    def move(self, transport: asyncio.Transport) -> None:
        """Pause and resume another transport from now on."""
        if self._paused:  # by what came right behind the handshake
            self._transport.resume_reading()
            transport.pause_reading()
        self._transport = transport
