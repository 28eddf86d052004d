"""A dispatcher with all it needs: a real store and writer, carriers of the test's own, and time moved by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from bridge.model.errors import StoreUnavailable
from bridge.model.limits import Limit
from bridge.model.message import Outcome, Outgoing
from bridge.model.state import State
from bridge.pipeline.commit import Writer
from bridge.pipeline.dispatch import Dispatcher, Pace
from bridge.pipeline.health import Endurance
from bridge.pipeline.retry import Backoff
from bridge.pipeline.routing import Route, Router
from bridge.store.engine import Store
from bridge.telemetry import Metrics
from tests.support import texts
from tests.support.carriers import Answer, Scripted, until
from tests.support.clock import HandClock
from tests.support.texts import make_plan, put

LEASE = 30.0
BACKOFF = Backoff(first=timedelta(seconds=8), ceiling=timedelta(minutes=1), jitter=0.5)


class Failing(Store):
    """A store that can be away for a while."""

    away = False
    refused = 0

    def write(self) -> Any:
        if self.away:
            self.refused += 1
            # What the engine says of a server that is down, without waiting for one.
            raise StoreUnavailable("database: away")
        return super().write()


class Rig:
    """A dispatcher with all it needs. ``carriers`` are in the order of the route, if no routes are given.

    ``timer`` are the seconds that carriers' rests and rates count in. No carrier falls unless ``endurance`` is given.
    """

    def __init__(
        self,
        store: Store,
        clock: HandClock,
        *carriers: Scripted,
        routes: Sequence[Route] = (),
        poll: float = 0.005,
        batch: int = 200,
        owner: str = "me",
        rates: Mapping[str, Limit] | None = None,
        endurance: Endurance | None = None,
    ) -> None:
        self.store = store
        self.clock = clock
        self.timer = 1_000.0
        self.carriers = {carrier.name: carrier for carrier in carriers}
        self.router = Router(routes or [Route(name="1", carriers=tuple(self.carriers))])
        self.metrics = Metrics()
        self.writer = Writer(store)
        self.dispatcher = Dispatcher(
            store=store,
            writer=self.writer,
            router=self.router,
            carriers=self.carriers,
            owner=owner,
            metrics=self.metrics,
            pace=Pace(
                lease=LEASE,
                poll=poll,
                batch=batch,
                trouble=0.005,
                backoff=BACKOFF,
                endurance=endurance or Endurance(burst=1_000_000),
            ),
            rates=rates,
            timer=lambda: self.timer,
            clock=clock,
            chance=lambda: 0.0,
        )
        self.writer.start()

    @asynccontextmanager
    async def running(self, *, grace: float = 20.0) -> AsyncIterator[None]:
        self.dispatcher.start()
        try:
            yield
            assert self.dispatcher.failed is None
        finally:
            for carrier in self.carriers.values():
                carrier.release()
            await self.dispatcher.stop(grace=grace)
            await self.writer.stop()

    def queue(self, count: int = 1, **options: Any) -> list[str]:
        plans = [make_plan(self.clock, **options) for _ in range(count)]
        put(self.store, *plans)
        return [plan.message.id for plan in plans]

    def row(self, message_id: str) -> Any:
        return texts.row(self.store, message_id)

    def states(self) -> list[str]:
        return [row.state for row in texts.rows(self.store)]

    async def waiting_again(self, message_id: str, *, tries: int) -> None:
        """Wait until a text is queued after so many tries."""

        def waits() -> bool:
            row = self.row(message_id)  # read once: it may be claimed between two looks
            return (row.state, row.attempts) == (State.QUEUED, tries)

        await until(waits)

    async def later(self, seconds: float) -> None:
        """Move the timer on, and have the lanes look."""
        self.timer += seconds
        self.dispatcher.wake()

    async def settle(self, *states: State) -> None:
        """Wait until every text is in one of the states."""
        await until(lambda: all(state in states for state in self.states()))

    def counted(self, name: str) -> dict[tuple[str, ...], float]:
        return {
            tuple(sample.labels.values()): sample.value
            for metric in self.metrics.registry.collect()
            for sample in metric.samples
            if sample.name == name
        }


def raising(_outgoing: Outgoing) -> Outcome:
    """Break, as code with a bug does."""
    raise ZeroDivisionError


def nonsense(_outgoing: Outgoing) -> Any:
    """Answer with something that is no outcome."""
    return "250 ok"


def garbage(_outgoing: Outgoing) -> Outcome:
    """Answer with an outcome that no column holds."""
    odd: Any = object()
    return Outcome.accepted(odd)


def deferring(_outgoing: Outgoing) -> Outcome:
    """Say that it surely did not leave."""
    return Outcome.deferred("busy")


def losing(_outgoing: Outgoing) -> Outcome:
    """Lose the answer."""
    return Outcome.unknown("the answer was lost", raw="cut")


def refusing(_outgoing: Outgoing) -> Outcome:
    """Refuse for good."""
    return Outcome.refused("no such number", raw="ERR 4")


def one_after_the_other(*answers: Answer) -> Answer:
    """Answer with each in turn, then with the last."""
    left = list(answers)

    def answer(outgoing: Outgoing) -> Outcome:
        return (left.pop(0) if len(left) > 1 else left[0])(outgoing)

    return answer
