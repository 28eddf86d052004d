"""The last result of a blocking read, so that a page asked for by many costs one read."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Cached(Generic[T]):
    """Runs ``read`` in a thread, one at a time, and remembers its result for ``max_age`` seconds.

    A read that hangs holds one thread and no more: whoever asks meanwhile waits for that one, ``patience`` seconds
    at most.
    """

    def __init__(
        self,
        read: Callable[[], T],
        *,
        max_age: float,
        patience: float = 2.0,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare; nothing is read yet."""
        self._read = read
        self._max_age = max_age
        self._patience = patience
        self._timer = timer
        self._kept: tuple[float, T] | None = None
        self._reading: asyncio.Task[T] | None = None
        self._outdated = False

    async def get(self) -> T:
        """Return a result begun at most ``max_age`` seconds ago, and after the last :meth:`invalidate`.

        Raises what the read raises, or TimeoutError.
        """
        async with asyncio.timeout(self._patience):
            if self._outdated and self._reading is not None:
                # It began before the change that somebody heard of.
                await asyncio.wait({self._reading})
            if self._reading is None:
                kept = self._kept
                if kept is not None and self._timer() - kept[0] < self._max_age and not self._outdated:
                    return kept[1]
                self._reading = asyncio.create_task(self._refresh())
                self._reading.add_done_callback(self._done)
            return await asyncio.shield(self._reading)

    def invalidate(self) -> None:
        """Make the next :meth:`get` read again."""
        self._outdated = True

    async def _refresh(self) -> T:
        began = self._timer()
        self._outdated = False
        result = await asyncio.to_thread(self._read)
        self._kept = (began, result)
        return result

    def _done(self, reading: asyncio.Task[T]) -> None:
        self._reading = None
        if not reading.cancelled():
            reading.exception()  # asked for, so that asyncio does not complain when nobody waits any more
