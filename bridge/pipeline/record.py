"""Writing how sends ended: all that came together in one transaction, and none lost while the database is away."""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from typing import TYPE_CHECKING

from bridge.clock import system_clock
from bridge.model.errors import BridgeError, InternalError
from bridge.model.message import Outcome, Verdict, recipient_id
from bridge.pipeline.settle import conclude, settle
from bridge.telemetry import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from bridge.clock import Clock
    from bridge.pipeline.commit import Writer
    from bridge.pipeline.line import Line
    from bridge.pipeline.retry import Backoff
    from bridge.pipeline.routing import Router
    from bridge.store.engine import Connection, Store
    from bridge.store.queue import Change, Claimed
    from bridge.telemetry import Metrics

_log = get_logger(__name__)

_LOST = Outcome.unknown("what the carrier answered could not be written")

End = tuple["Claimed", Outcome]
"""A row under our lease, and how its send ended."""


class Recorder:
    """Takes the ends of sends, and writes them until it is closed.

    ``written`` is called with those that are written or given up: their rows are ours no more.
    """

    def __init__(
        self,
        *,
        store: Store,
        writer: Writer,
        router: Router,
        lines: Mapping[str, Line],
        asked: Collection[str],
        owner: str,
        metrics: Metrics,
        backoff: Backoff,
        trouble: float,
        chance: Callable[[], float],
        timer: Callable[[], float],
        written: Callable[[Sequence[End]], None],
        clock: Clock = system_clock,
    ) -> None:
        """Prepare; ``asked`` are carriers that are asked about their texts, ``trouble`` the seconds to wait in it."""
        self._store = store
        self._writer = writer
        self._router = router
        self._lines = lines
        self._asked = frozenset(asked)
        self._owner = owner
        self._metrics = metrics
        self._backoff = backoff
        self._trouble = trouble
        self._chance = chance
        self._timer = timer
        self._written = written
        self._clock = clock
        self._done: deque[End] = deque()
        self._finished = asyncio.Event()
        self._closing = False

    def put(self, row: Claimed, outcome: Outcome) -> None:
        """Take the end of a send."""
        self._done.append((row, outcome))
        self._finished.set()

    def close(self) -> None:
        """Let :meth:`run` return when all is written. Nothing is put any more."""
        self._closing = True
        self._finished.set()

    async def run(self) -> None:
        """Write what is put; a task of the dispatcher."""
        while self._done or not self._closing:
            await self._finished.wait()
            self._finished.clear()
            batch = list(self._done)
            self._done.clear()
            while batch := await self._unrecorded(batch):  # noqa: ASYNC110 - no event tells when a database is back
                # The carrier has these texts; what it said must not be lost while the database is away.
                await asyncio.sleep(self._trouble)

    async def _unrecorded(self, batch: list[End]) -> list[End]:
        """Write ends. Returns those that the database cannot take now; one that breaks a write is dropped."""
        if not batch:
            return []
        now = self._timer()
        resting = frozenset(name for name, line in self._lines.items() if line.health.rests(now))
        try:
            await self._writer.run(partial(self._write, batch=batch, resting=resting))
        except InternalError:
            if len(batch) > 1:
                return [left for one in batch for left in await self._unrecorded([one])]
            row, outcome = batch[0]
            _log.exception("outcome lost", id=recipient_id(row.message_id, row.position))
            # It must not stay under a lease that we renew for ever.
            if outcome is not _LOST:
                return await self._unrecorded([(row, _LOST)])
            self._written(batch)
            return []
        except BridgeError as error:
            _log.warning("outcomes wait for the store", count=len(batch), code=error.code)
            return batch
        self._count(batch)
        self._written(batch)
        return []

    def _write(self, connection: Connection, *, batch: list[End], resting: Collection[str]) -> None:
        now = self._store.now(connection)
        ended = [(row, self._change(row, outcome, now, resting)) for row, outcome in batch]
        conclude(connection, ended, owner=self._owner, now=now)

    def _change(self, row: Claimed, outcome: Outcome, now: int, resting: Collection[str]) -> Change:
        line = self._lines.get(row.carrier or "")
        return settle(
            outcome,
            row=row,
            route=self._router.named(row.lane),
            takes_own_id=line is not None and line.carrier.takes_own_id,
            backoff=self._backoff,
            chance=self._chance(),
            now=now,
            resting=resting,
            asks=row.carrier in self._asked,
        )

    def _count(self, batch: Sequence[End]) -> None:
        now = self._clock().timestamp()
        for row, outcome in batch:
            self._metrics.outcomes.labels(row.carrier, outcome.verdict).inc()
            if outcome.verdict is Verdict.ACCEPTED:
                self._metrics.latency_seconds.labels(row.carrier).observe(max(0.0, now - row.created_at / 1000))
            elif outcome.verdict is not Verdict.DEFERRED or self._is_up(row.carrier):
                _log.info(
                    "not sent",
                    id=recipient_id(row.message_id, row.position),
                    carrier=row.carrier,
                    outcome=outcome.verdict,
                    reason=outcome.reason,
                )

    def _is_up(self, carrier: str | None) -> bool:
        """Whether a line for each text says more than the one that told of the carrier's fall."""
        line = self._lines.get(carrier or "")
        return line is None or line.health.up
