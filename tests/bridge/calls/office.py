"""A desk with its writer and its snapshot, over a migrated store, and accounts whose programs come to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from bridge.calls.desk import Desk
from bridge.calls.values import Caller, Order
from bridge.pipeline.commit import Writer
from bridge.pipeline.intake import Intake
from bridge.pipeline.recall import Recalls
from bridge.pipeline.snapshot import Snapshot
from bridge.store.engine import Store
from bridge.telemetry import Metrics
from tests.support.clock import HandClock
from tests.support.desk import Desk as Books

T = TypeVar("T")


class Office(Books):
    """Accounts in a store, and the desk for their programs while :meth:`open` holds.

    Of ``carriers``, those that can are asked to take texts back, for so many ``seconds``.
    """

    def __init__(self, store: Store, clock: HandClock, *, allowed: Sequence[Any] = ()) -> None:
        super().__init__(store, clock)
        self.allowed = allowed
        self.carriers: Mapping[str, Any] = {}
        self.seconds = 10.0
        self.metrics = Metrics()
        self.desk: Desk
        self.writer: Writer
        self.intake: Intake

    def caller(self, account: int = 1, user: str = "erp") -> Caller:
        """Return a program of an account, as it is after its login."""
        return Caller(account_id=account, account=f"account {account}", user=user, proof=f"key {user}")

    def order(self, *to: str, **options: Any) -> Order:
        """Return an order to recipients as they are written."""
        given: dict[str, Any] = {"door": "soap", "text": "Your table is ready"} | options
        return Order(to=to, **given)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Desk]:
        """Open the desk in this event loop. ``rules`` are those of now."""
        self.writer = Writer(self.store)
        self.writer.start()
        self.intake = Intake(
            writer=self.writer,
            snapshot=Snapshot(self.store, max_age=0.0),
            rules=self.rules,
            metrics=self.metrics,
            clock=self.clock,
        )
        await self.intake.snapshot.open()
        self.desk = Desk(
            store=self.store,
            writer=self.writer,
            intake=self.intake,
            allowed=self.allowed,
            recalls=Recalls(store=self.store, writer=self.writer, carriers=self.carriers, seconds=self.seconds),
        )
        try:
            yield self.desk
        finally:
            await self.writer.stop()

    def run(self, work: Callable[[Desk], Awaitable[T]]) -> T:
        """Open the desk, do ``work`` at it, and close it."""

        async def main() -> T:
            async with self.open() as desk:
                return await work(desk)

        return asyncio.run(main())
