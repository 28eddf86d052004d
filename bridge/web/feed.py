"""Tells open pages that what they show has changed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bridge.telemetry import get_logger

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Hashable

_log = get_logger(__name__)


class Feed:
    """Counts changes while somebody listens; with nobody there it asks nothing.

    ``stamp`` gives a value that changes with what is shown. It is asked when ``watch`` says that there is something
    new, and every ``poll`` seconds, for a change made by another process is not told; but at most every ``pause``.
    """

    def __init__(
        self,
        *,
        stamp: Callable[[], Awaitable[Hashable]],
        watch: Callable[[Callable[[], None]], Callable[[], None]],
        poll: float = 1.0,
        pause: float = 0.25,
    ) -> None:
        """Prepare."""
        self._stamp = stamp
        self._watch = watch
        self._poll = poll
        self._pause = pause
        self._version = 0
        self._bell = asyncio.Event()
        self._listening = 0
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def listening(self) -> int:
        """How many listen."""
        return self._listening

    async def changes(self, *, heartbeat: float) -> AsyncIterator[int | None]:
        """Yield the count of changes at once, after each change, and None after ``heartbeat`` seconds without one.

        Ends with :meth:`close`.
        """
        self._join()
        try:
            seen = None
            while not self._closed:
                bell = self._bell
                if seen != self._version:
                    seen = self._version
                    yield seen
                    continue
                try:
                    async with asyncio.timeout(heartbeat):
                        await bell.wait()
                except TimeoutError:
                    yield None
        finally:
            self._leave()

    def close(self) -> None:
        """End all listening, and take no more."""
        self._closed = True
        self._ring()
        if self._task is not None:
            self._task.cancel()

    def _join(self) -> None:
        self._listening += 1
        if not self._closed and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._look(), name="console feed")

    def _leave(self) -> None:
        self._listening -= 1
        if not self._listening and self._task is not None:
            self._task.cancel()
            self._task = None

    def _ring(self) -> None:
        bell, self._bell = self._bell, asyncio.Event()
        bell.set()

    async def _look(self) -> None:
        poked = asyncio.Event()
        forget = self._watch(poked.set)
        last: Hashable = None
        try:
            while True:
                now = await self._stamp()
                if now != last:
                    last = now
                    self._version += 1
                    self._ring()
                await asyncio.sleep(self._pause)
                try:
                    async with asyncio.timeout(self._poll):
                        await poked.wait()
                except TimeoutError:
                    continue
                finally:
                    poked.clear()
        except Exception:  # noqa: BLE001 - pages then learn of changes only when they are loaded again
            _log.exception("console feed failed")
        finally:
            forget()
