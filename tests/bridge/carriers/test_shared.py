"""What many wait for together: one fetch, one failure."""

from __future__ import annotations

import asyncio

import pytest

from bridge.carriers.shared import Shared
from bridge.carriers.wire import NoAnswer
from bridge.model.message import Verdict
from tests.support.carriers import until


def test_who_waited_for_a_failure_has_it() -> None:
    """A server that hangs is waited for once by all that are there; who comes later tries again."""
    tries: list[asyncio.Event] = []

    async def fetch() -> str:
        tries.append(asyncio.Event())
        await tries[-1].wait()
        raise NoAnswer("no token: no answer in time", Verdict.DEFERRED)

    async def main() -> None:
        shared: Shared[str] = Shared(lambda: None, fetch)
        for count in (1, 2):
            waiting = [asyncio.ensure_future(shared.get()) for _ in range(16)]
            await until(lambda count=count: len(tries) == count)  # type: ignore[misc]
            tries[-1].set()
            ends = await asyncio.gather(*waiting, return_exceptions=True)
            assert {(type(end), str(end)) for end in ends} == {(NoAnswer, "no token: no answer in time")}
            assert len(tries) == count

    asyncio.run(asyncio.wait_for(main(), 20))


def test_one_fetch_serves_all() -> None:
    """Those that wait find what was fetched, and so do those that come later, while it is good."""
    held: list[str] = []

    async def fetch() -> str:
        await asyncio.sleep(0)
        held.append(f"token {len(held)}")
        return held[-1]

    async def main() -> None:
        shared = Shared(lambda: held[-1] if held else None, fetch)
        assert set(await asyncio.gather(*(shared.get() for _ in range(16)))) == {"token 0"}
        assert await shared.get() == "token 0"

    asyncio.run(asyncio.wait_for(main(), 20))


def test_a_cancelled_fetch_hands_the_turn_on() -> None:
    """A text that is given up takes nobody with it."""
    gate = asyncio.Event()
    held: list[str] = []

    async def fetch() -> str:
        await gate.wait()
        held.append("token")
        return "token"

    async def main() -> None:
        shared = Shared(lambda: held[-1] if held else None, fetch)
        first, second = (asyncio.ensure_future(shared.get()) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        gate.set()
        assert await second == "token"
        with pytest.raises(asyncio.CancelledError):
            await first

    asyncio.run(asyncio.wait_for(main(), 20))
