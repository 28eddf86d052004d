"""One blocking read for many who ask."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from bridge.web.cached import Cached


class Reads:
    """Counts reads; ``gate`` holds them up while it is closed."""

    def __init__(self) -> None:
        self.count = 0
        self.gate = threading.Event()
        self.gate.set()
        self.begun = threading.Event()

    def __call__(self) -> int:
        self.count += 1
        mine = self.count
        self.begun.set()
        assert self.gate.wait(10)
        return mine


def test_a_result_is_good_for_its_age() -> None:
    """Before max_age the kept one is given, at it a new one is read."""

    async def run() -> list[int]:
        now = 0.0
        reads = Reads()
        cached = Cached(reads, max_age=5, timer=lambda: now)
        got = [await cached.get()]
        now = 4.999
        got.append(await cached.get())
        now = 5.0
        got.append(await cached.get())
        return got

    assert asyncio.run(run()) == [1, 1, 2]


def test_those_who_ask_at_once_share_a_read() -> None:
    """A crowd costs one read."""

    async def run() -> tuple[list[int], int]:
        reads = Reads()
        cached = Cached(reads, max_age=0)
        return await asyncio.gather(*(cached.get() for _ in range(20))), reads.count

    assert asyncio.run(run()) == ([1] * 20, 1)


def test_what_was_read_before_a_change_is_not_given_after_it() -> None:
    """Who asks after invalidate gets a read that began after it, also when one was under way."""

    async def run() -> tuple[int, int]:
        reads = Reads()
        reads.gate.clear()
        cached = Cached(reads, max_age=60)
        early = asyncio.create_task(cached.get())
        await asyncio.to_thread(reads.begun.wait, 10)
        cached.invalidate()
        late = asyncio.create_task(cached.get())
        reads.gate.set()
        return await early, await late

    assert asyncio.run(run()) == (1, 2)


def test_a_read_that_hangs_holds_one_thread() -> None:
    """Whoever asks is told in time, and starts no second one."""

    async def run() -> int:
        reads = Reads()
        reads.gate.clear()
        cached = Cached(reads, max_age=0, patience=0.05)
        for _ in range(3):
            with pytest.raises(TimeoutError):
                await cached.get()
        reads.gate.set()
        return reads.count

    assert asyncio.run(run()) == 1


def test_a_failed_read_is_told_and_tried_again() -> None:
    """Its error reaches who asked; the next one reads anew."""
    answers: Iterator[Exception | int] = iter([ValueError("away"), 7])

    def read() -> int:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def run() -> int:
        cached = Cached(read, max_age=60)
        with pytest.raises(ValueError, match="away"):
            await cached.get()
        return await cached.get()

    assert asyncio.run(run()) == 7
