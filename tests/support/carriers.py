"""Carriers that do as a test says: real ones by the contract, with a network of memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from bridge.carriers.base import Sink
from bridge.model.message import Outcome, Outgoing

Answer = Callable[[Outgoing], Outcome]


def accepting(outgoing: Outgoing) -> Outcome:
    """Accept a text under an id made of ours."""
    return Outcome.accepted(f"c-{outgoing.id}", raw="OK")


class Scripted:
    """Answers each text by a function, and keeps all that it was asked.

    ``answer`` may raise; it may be exchanged at any time. While ``hold`` is set, sends wait for :meth:`release`.
    ``most`` is how many were ever under way at once.
    """

    def __init__(
        self,
        name: str = "a",
        *,
        takes_own_id: bool = False,
        concurrency: int = 4,
        answer: Answer = accepting,
        hold: bool = False,
    ) -> None:
        self.name = name
        self.takes_own_id = takes_own_id
        self.concurrency = concurrency
        self.answer = answer
        self.asked: list[Outgoing] = []
        self.under_way = 0
        self.most = 0
        self.cancelled = 0
        self._open = asyncio.Event()
        if not hold:
            self._open.set()

    async def open(self, sink: Sink) -> None:
        pass

    async def send(self, outgoing: Outgoing) -> Outcome:
        self.asked.append(outgoing)
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await asyncio.sleep(0)
            await self._open.wait()
            return self.answer(outgoing)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.under_way -= 1

    async def close(self) -> None:
        pass

    def hold(self) -> None:
        """Let every send from now on wait."""
        self._open.clear()

    def release(self) -> None:
        """Let all sends that wait, and all to come, go on."""
        self._open.set()


async def until(condition: Callable[[], bool], *, seconds: float = 20.0) -> None:
    """Wait until a condition holds. Fails when it does not within the time."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - a condition on a database sets no event
            await asyncio.sleep(0.002)
