"""From the queue to the carriers.

A *feeder* per lane claims batches under a lease and hands them to the carriers' lines; ``concurrency``
*senders* per carrier call it, with no transaction open; a recorder (:mod:`bridge.pipeline.record`) writes outcomes,
and the upkeep (:mod:`bridge.pipeline.upkeep`) renews our leases and reaps those of processes that died.

A carrier that is down, held or at its rate gets nothing, and nothing is claimed for it: its texts wait in the
store, or take another way.

What a crash leaves in ``sending`` may have reached the carrier. Where the carrier takes our own id it is
simply sent again; elsewhere it becomes ``unknown``, for sending again could text a person twice. To keep that
set small, no more is claimed for such a carrier than it can begin at once.
"""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from bridge.clock import system_clock
from bridge.model.errors import BridgeError
from bridge.model.message import Outcome, Outgoing, recipient_id
from bridge.model.moment import from_ms
from bridge.model.text import Encoding
from bridge.pipeline.claim import Table, claim_batch
from bridge.pipeline.health import Endurance, Turn
from bridge.pipeline.line import Lane, Line
from bridge.pipeline.record import Recorder
from bridge.pipeline.retry import Backoff
from bridge.pipeline.upkeep import SWEEP, Upkeep
from bridge.store import queue
from bridge.telemetry import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from bridge.carriers.base import Carrier
    from bridge.clock import Clock
    from bridge.model.limits import Limit
    from bridge.pipeline.commit import Writer
    from bridge.pipeline.digests import Digests
    from bridge.pipeline.record import End
    from bridge.pipeline.routing import Route, Router
    from bridge.store.engine import Connection, Store
    from bridge.store.queue import Claimed
    from bridge.telemetry import Metrics

_log = get_logger(__name__)

_TURN = 10
_LAST_WORDS = 1.0
_SHORTEST_NAP = 0.02
"""Seconds. A carrier with a rate gets what has become free in such a time together."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pace:
    """How the dispatcher works: times in seconds.

    ``batch`` bounds one claim, ``poll`` finds other processes' work and texts whose time has come. Of each ten texts
    claimed, one is that which is due the longest whatever its priority, if it waited for ``patience`` or more.
    ``trouble`` is waited before a database that failed is asked again.
    """

    lease: float = 30.0
    poll: float = 1.0
    batch: int = 200
    patience: float = 60.0
    trouble: float = 0.5
    backoff: Backoff = field(default_factory=Backoff)
    endurance: Endurance = field(default_factory=Endurance)


class Dispatcher:
    """Moves texts from the store to the carriers until it is stopped."""

    def __init__(
        self,
        *,
        store: Store,
        writer: Writer,
        router: Router,
        carriers: Mapping[str, Carrier],
        owner: str,
        metrics: Metrics,
        pace: Pace | None = None,
        rates: Mapping[str, Limit] | None = None,
        asked: Collection[str] = (),
        digests: Digests | None = None,
        clock: Clock = system_clock,
        timer: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Prepare; ``owner`` names this process among all that ever share the store.

        ``rates`` bound the texts that carriers get in a time, ``asked`` are those that are asked about theirs.
        ``digests`` end the windows of storms.
        """
        self._store = store
        self._writer = writer
        self._router = router
        self._owner = owner
        self._metrics = metrics
        self._pace = pace or Pace()
        self._timer = timer
        self._lines = {
            name: Line(carrier, batch=self._pace.batch, rate=(rates or {}).get(name), endurance=self._pace.endurance)
            for name, carrier in carriers.items()
        }
        self._known = tuple(name for name, carrier in carriers.items() if carrier.takes_own_id)
        self._lanes = {lane: Lane() for lane in router.lanes}
        self._recorder = Recorder(
            store=store,
            writer=writer,
            router=router,
            lines=self._lines,
            asked=asked,
            owner=owner,
            metrics=metrics,
            backoff=self._pace.backoff,
            trouble=self._pace.trouble,
            chance=chance,
            timer=timer,
            written=self._let_go,
            clock=clock,
        )
        self._upkeep = Upkeep(
            store=store,
            writer=writer,
            router=router,
            takes_own_id={name: carrier.takes_own_id for name, carrier in carriers.items()},
            asked=asked,
            owner=owner,
            lease=self._pace.lease,
            poll=self._pace.poll,
            timer=timer,
            shut=self._shut,
            woken=self.wake,
            digests=digests,
        )
        self._stopping = False
        self._feeders: list[asyncio.Task[None]] = []
        self._senders: list[asyncio.Task[None]] = []
        self._keepers: list[asyncio.Task[None]] = []
        self._recording: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin. The tasks run in the current event loop."""
        for lane in self._router.lanes:
            self._feeders.append(asyncio.create_task(self._feed(self._router.named(lane)), name=f"feed {lane}"))
        for name, line in self._lines.items():
            self._metrics.carrier_up.labels(name).set(1)
            for _ in range(line.carrier.concurrency):
                self._senders.append(asyncio.create_task(self._send(line), name=f"send {name}"))
        self._keepers = [
            asyncio.create_task(self._upkeep.keep(), name="keep leases"),
            asyncio.create_task(self._upkeep.call(), name="queue what is due"),
        ]
        self._recording = asyncio.create_task(self._recorder.run(), name="record outcomes")

    def wake(self) -> None:
        """Say that new texts are queued. Call it in the event loop."""
        for lane in self._lanes.values():
            lane.news.set()

    @property
    def failed(self) -> asyncio.Task[None] | None:
        """A task that ended although nothing stopped it, or None."""
        if self._stopping:
            return None
        tasks = (*self._feeders, *self._senders, *self._keepers, self._recording)
        return next((task for task in tasks if task is not None and task.done()), None)

    async def stop(self, *, grace: float) -> None:
        """Claim no more, let sends under way finish for ``grace`` seconds, record them, give the rest back.

        A store that does not answer is not waited for: what it did not take within ``grace`` for the sends and two
        seconds more is left to its leases.
        """
        self._stopping = True
        if self._recording is None:
            return  # never started
        for task in self._keepers:
            task.cancel()
        self.wake()  # a feeder ends by itself: cancelled in the middle of a claim, it would forget the rows
        loop = asyncio.get_running_loop()
        until = loop.time() + grace
        await _end([*self._keepers, *self._feeders], seconds=grace)
        waiting = [row for line in self._lines.values() for row in line.waiting]
        for line in self._lines.values():
            line.waiting.clear()
            line.arrived.set()
        await _end(self._senders, seconds=max(0.0, until - loop.time()))
        self._recorder.close()
        await _end([self._recording], seconds=_LAST_WORDS)
        unsure = {name: frozenset(lane.in_hand) for name, lane in self._lanes.items() if lane.unsure}
        if waiting or unsure:
            await self._give_back([(row.message_id, row.position) for row in waiting], unsure)

    async def _give_back(self, keys: list[tuple[str, int]], unsure: Mapping[str, Collection[tuple[str, int]]]) -> None:
        """Release rows, and in lanes that are ``unsure`` all but those in hand, of which the end is not written."""
        release = partial(_release, store=self._store, owner=self._owner, keys=keys, unsure=unsure)
        try:
            async with asyncio.timeout(_LAST_WORDS):
                await self._writer.run(release)
        except (BridgeError, TimeoutError):
            _log.warning("texts in hand are left to their leases", count=len(keys))

    async def _feed(self, route: Route) -> None:
        lane = self._lanes[route.name]
        lines = {name: self._lines[name] for name in route.carriers}
        while not self._stopping:
            lane.news.clear()
            now = self._timer()
            table = Table(
                route=route, known=self._known, offers={name: line.offer(now) for name, line in self._lines.items()}
            )
            free = [(line, table.offers[name].room) for name, line in lines.items() if table.offers[name].room]
            # While texts wait in hand a claim can wait too, until it brings many; senders without work cannot.
            lane.full = all(line.waiting and room < line.spare // 2 for line, room in free)
            if lane.full and not lane.unsure:
                await _wait(lane.news, self._nap(lines.values(), now))
                continue
            limit = min(self._pace.batch, table.limit())
            rows = await self._claim(lane, table, limit)
            if rows is None:
                await asyncio.sleep(self._pace.trouble)
                continue
            self._hand_out(lane, rows, now=self._timer())
            # Where a line was filled before the claim was, other texts may be behind those that it had no place for.
            filled = any(not line.offer(now).room for line, _ in free)
            if len(rows) < limit and not filled and not self._stopping:
                await _wait(lane.news, self._nap(lines.values(), now))

    async def _claim(self, lane: Lane, table: Table, limit: int) -> list[Claimed] | None:
        """Claim up to ``limit`` rows; None where the store failed. Meanwhile other lanes leave the room alone."""
        held = frozenset(lane.in_hand) if lane.unsure else None
        lane.unsure = False
        for name in table.route.carriers:
            self._lines[name].promised += table.offers[name].room
        try:
            rows = await self._writer.run(
                partial(
                    claim_batch,
                    store=self._store,
                    table=table,
                    limit=limit,
                    owner=self._owner,
                    lease=self._pace.lease,
                    oldest=(lane.claimed + limit) // _TURN - lane.claimed // _TURN,
                    patience=self._pace.patience,
                    held=held,
                )
            )
        except BridgeError as error:
            _log.warning("claim failed", lane=table.route.name, code=error.code)
            lane.unsure = True
            return None
        finally:
            for name in table.route.carriers:
                self._lines[name].promised -= table.offers[name].room
            lane.claims += 1
            self._freed()
        lane.claimed += len(rows)
        return rows

    def _hand_out(self, lane: Lane, rows: Sequence[Claimed], *, now: float) -> None:
        for row in rows:
            line = self._lines[row.carrier or ""]
            if not line.health.allowed(now):
                lane.forget(row)  # it went down meanwhile
                continue
            lane.in_hand.add((row.message_id, row.position))
            line.waiting.append(row)
            line.arrived.set()

    async def _send(self, line: Line) -> None:
        carrier = line.carrier
        while True:
            while not line.waiting:
                if self._stopping:
                    return
                line.arrived.clear()
                await line.arrived.wait()
            row = line.waiting.popleft()
            name = recipient_id(row.message_id, row.position)
            line.begin(name, self._timer())
            outcome = Outcome.unknown("the bridge stopped before the answer")
            try:
                outcome = await carrier.send(outgoing_of(row, name))
                if not isinstance(outcome, Outcome):
                    raise TypeError("no outcome")  # noqa: TRY301 - what follows holds for it
            except Exception:  # noqa: BLE001 - one text that breaks a carrier's code stops no other
                _log.exception("carrier failed", carrier=carrier.name, id=name)
                outcome = Outcome.unknown("the carrier's code failed")
            finally:
                line.busy -= 1
                self._recorder.put(row, outcome)
                if not self._stopping:
                    self._heed(line, name, outcome)
                    self._freed()

    def _heed(self, line: Line, name: str, outcome: Outcome) -> None:
        """Learn from the end of a send how the carrier is; say so where that changed."""
        now = self._timer()
        carrier = line.carrier.name
        match line.health.note(name, outcome, now):
            case Turn.DOWN:
                self._metrics.carrier_up.labels(carrier).set(0)
                _log.error("carrier down", carrier=carrier, reason=outcome.reason)
            case Turn.UP:
                self._metrics.carrier_up.labels(carrier).set(1)
                _log.info("carrier up", carrier=carrier)
                self.wake()
        if line.waiting and not line.health.allowed(now):
            for row in line.waiting:
                self._lanes[row.lane].forget(row)
            line.waiting.clear()

    def _freed(self) -> None:
        """Wake the lanes that wait for room, the one that has claimed least first: any may use any carrier."""
        for lane in sorted((lane for lane in self._lanes.values() if lane.full), key=lambda lane: lane.claims):
            lane.news.set()

    def _let_go(self, batch: Sequence[End]) -> None:
        for row, _ in batch:
            self._lanes[row.lane].in_hand.discard((row.message_id, row.position))

    def _nap(self, lines: Iterable[Line], now: float) -> float:
        """Return the seconds until a lane looks again by itself: other processes' work, a rest or a wait that ends."""
        waits = [wait for line in lines if (wait := line.until(now)) is not None]
        return min([self._pace.poll, *(max(wait, _SHORTEST_NAP) for wait in waits)])

    def _shut(self) -> list[str]:
        """Return the lanes whose carriers all take nothing for a while, so that nobody looks at their texts."""
        now = self._timer()
        return [
            route.name
            for route in self._router.routes
            if all(self._lines[name].is_shut(now, seconds=SWEEP) for name in route.carriers)
        ]


def _release(
    connection: Connection,
    *,
    store: Store,
    owner: str,
    keys: list[tuple[str, int]],
    unsure: Mapping[str, Collection[tuple[str, int]]],
) -> int:
    lost = [
        key
        for lane, held in unsure.items()
        for key in queue.forgotten(connection, lane=lane, owner=owner)
        if key not in held
    ]
    return queue.release(connection, owner=owner, keys=[*keys, *lost], now=store.now(connection))


def outgoing_of(row: Claimed, name: str) -> Outgoing:
    """Return a row as its carrier gets it; ``name`` is its recipient id."""
    return Outgoing(
        id=name,
        message_id=row.message_id,
        number=row.number,
        text=row.text,
        sender=row.sender,
        encoding=Encoding(row.encoding),
        parts=row.parts,
        attempt=row.attempt,
        expires_at=from_ms(row.expires_at),
        priority=row.priority,
        flash=row.flash,
    )


async def _end(tasks: Sequence[asyncio.Task[None]], *, seconds: float) -> None:
    """Wait for tasks to end, then make them."""
    if not tasks:
        return
    _, late = await asyncio.wait(tasks, timeout=seconds)
    for task in late:
        task.cancel()
    if late:
        # One that swallows its cancellation is left behind: the process ends anyway.
        await asyncio.wait(late, timeout=_LAST_WORDS)


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass
