"""Telling open pages that something changed."""

import asyncio
from collections.abc import AsyncIterator, Callable, Hashable

import pytest

from bridge.web.feed import Feed
from tests.bridge.web.world import DEADLINE, until


class Shown:
    """What a feed looks at: a stamp that the test sets, and who watches."""

    def __init__(self) -> None:
        self.stamp: Hashable = 1
        self.asked = 0
        self.listeners: list[Callable[[], None]] = []

    async def ask(self) -> Hashable:
        self.asked += 1
        if isinstance(self.stamp, Exception):
            raise self.stamp
        return self.stamp

    def watch(self, listener: Callable[[], None]) -> Callable[[], None]:
        self.listeners.append(listener)
        return lambda: self.listeners.remove(listener)

    def feed(self, *, poll: float) -> Feed:
        return Feed(stamp=self.ask, watch=self.watch, poll=poll, pause=0.01)


async def _next(changes: AsyncIterator[int | None]) -> int | None:
    return await asyncio.wait_for(anext(changes), DEADLINE)


async def _settled(changes: AsyncIterator[int | None]) -> int:
    """Read what a listener is told when it comes: where the count stands, and again when the first look is done."""
    first = await _next(changes)
    second = await _next(changes)
    assert first is not None
    assert second == first + 1
    return second


@pytest.mark.parametrize("told", [True, False])
def test_a_change_reaches_who_listens(told: bool) -> None:  # noqa: FBT001 - a case
    """At once when the watch tells of it, and by polling when nobody does."""

    async def run() -> None:
        shown = Shown()
        feed = shown.feed(poll=60 if told else 0.01)
        changes = feed.changes(heartbeat=DEADLINE)
        seen = await _settled(changes)
        shown.stamp = 2
        if told:
            shown.listeners[0]()
        assert await _next(changes) == seen + 1
        feed.close()

    asyncio.run(run())


def test_without_a_change_there_is_a_heartbeat_only() -> None:
    """A watch that tells of something else, or a poll, is no change; and a proxy sees that the stream lives."""

    async def run() -> None:
        shown = Shown()
        feed = shown.feed(poll=0.01)
        changes = feed.changes(heartbeat=0.2)
        await _settled(changes)
        shown.listeners[0]()
        asked = shown.asked
        assert await _next(changes) is None
        assert shown.asked > asked
        feed.close()

    asyncio.run(run())


def test_with_nobody_there_it_asks_nothing() -> None:
    """The last one who goes ends the looking, and the next one begins it again."""

    async def run() -> None:
        shown = Shown()
        feed = shown.feed(poll=0.01)
        assert shown.asked == 0
        one, other = feed.changes(heartbeat=DEADLINE), feed.changes(heartbeat=DEADLINE)
        await _next(one)
        await _next(other)
        assert feed.listening == 2
        await one.aclose()  # type: ignore[attr-defined]
        await until(lambda: shown.asked > 2)
        await other.aclose()  # type: ignore[attr-defined]
        assert feed.listening == 0
        await until(lambda: not shown.listeners)
        asked = shown.asked
        await asyncio.sleep(0.05)
        assert shown.asked == asked
        third = feed.changes(heartbeat=DEADLINE)
        await _next(third)
        await until(lambda: shown.asked > asked)
        feed.close()

    asyncio.run(run())


def test_closing_ends_all_who_listen() -> None:
    """Now and later: a stop does not wait for a page."""

    async def run() -> None:
        feed = Shown().feed(poll=60)
        changes = feed.changes(heartbeat=60)
        await _settled(changes)
        waiting = asyncio.ensure_future(_next(changes))
        await asyncio.sleep(0)
        feed.close()
        with pytest.raises(StopAsyncIteration):
            await waiting
        with pytest.raises(StopAsyncIteration):
            await _next(feed.changes(heartbeat=60))

    asyncio.run(run())


def test_a_bug_is_logged_and_ends_no_stream(capfd: pytest.CaptureFixture[str]) -> None:
    """Pages keep what they show; the next one that comes tries again."""

    async def run() -> None:
        shown = Shown()
        shown.stamp = ZeroDivisionError()
        feed = shown.feed(poll=60)
        changes = feed.changes(heartbeat=0.05)
        assert await _next(changes) == 0
        await until(lambda: shown.asked == 1)
        assert await _next(changes) is None
        shown.stamp = 1
        other = feed.changes(heartbeat=DEADLINE)
        assert await _next(other) == 0
        assert await _next(other) == 1
        feed.close()

    asyncio.run(run())
    assert "ZeroDivisionError" in "".join(capfd.readouterr())
