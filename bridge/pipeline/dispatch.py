"""From the queue to the carriers.

A *feeder* per lane claims batches under a lease and hands them to the carriers' lines; ``concurrency``
*senders* per carrier call it, with no transaction open; a *recorder* writes outcomes, all that came together
in one transaction. A *keeper* renews our leases and reaps those of processes that died.

What a crash leaves in ``sending`` may have reached the carrier. Where the carrier takes our own id it is
simply sent again; elsewhere it becomes ``unknown``, for sending again could text a person twice. To keep that
set small, no more is claimed for such a carrier than it can begin at once.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from bridge.clock import system_clock
from bridge.model.errors import BridgeError, InternalError
from bridge.model.message import Outcome, Outgoing, Verdict, recipient_id
from bridge.model.moment import from_ms
from bridge.model.state import State, gives_back
from bridge.model.text import Encoding
from bridge.pipeline.retry import Backoff, due
from bridge.pipeline.upkeep import keep_leases, promote_due, sweep
from bridge.store import events, ledger, queue
from bridge.telemetry import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from bridge.carriers.base import Carrier
    from bridge.clock import Clock
    from bridge.pipeline.commit import Writer
    from bridge.pipeline.routing import Route, Router
    from bridge.store.engine import Connection, Store
    from bridge.store.queue import Change, Claimed
    from bridge.telemetry import Metrics

_log = get_logger(__name__)

_TROUBLE_PAUSE = 0.5
_TURN = 10
_LAST_WORDS = 1.0
_SWEEP = 60.0
_LOST = Outcome.unknown("what the carrier answered could not be written")


@dataclass(frozen=True, kw_only=True, slots=True)
class Pace:
    """How the dispatcher works: times in seconds.

    ``batch`` bounds one claim, ``poll`` finds other processes' work and texts whose time has come. Of each ten texts
    claimed, one is that which is due the longest whatever its priority, if it waited for ``patience`` or more.
    """

    lease: float = 30.0
    poll: float = 1.0
    batch: int = 200
    patience: float = 60.0
    backoff: Backoff = field(default_factory=Backoff)


class _Line:
    """A carrier's waiting line in memory, with its senders. Holds rows that are claimed and not begun."""

    def __init__(self, carrier: Carrier, batch: int) -> None:
        self.carrier = carrier
        self.waiting: deque[Claimed] = deque()
        self.arrived = asyncio.Event()
        self.busy = 0
        # Some in hand while the next are on their way keep all senders busy; after a crash these are sent again. No
        # more than the senders take at once: what is in hand is not overtaken by what is more urgent.
        self.spare = min(batch, carrier.concurrency) if carrier.takes_own_id else 0
        self.depth = carrier.concurrency + self.spare

    @property
    def room(self) -> int:
        return self.depth - self.busy - len(self.waiting)


class _Lane:
    """What a feeder waits for: news of queued texts, or, when ``full``, the end of a send.

    ``in_hand`` are the rows that were claimed and whose outcome is not written yet. The lane is ``unsure`` after a
    claim whose answer was lost: it may have been committed, and nobody would send what it took.
    """

    def __init__(self) -> None:
        self.news = asyncio.Event()
        self.full = False
        self.claimed = 0
        self.in_hand: set[tuple[str, int]] = set()
        self.unsure = False


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
        clock: Clock = system_clock,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Prepare; ``owner`` names this process among all that ever share the store."""
        self._store = store
        self._writer = writer
        self._router = router
        self._owner = owner
        self._metrics = metrics
        self._pace = pace or Pace()
        self._clock = clock
        self._chance = chance
        self._lines = {name: _Line(carrier, self._pace.batch) for name, carrier in carriers.items()}
        self._lanes = {lane: _Lane() for lane in router.lanes}
        self._done: deque[tuple[Claimed, Outcome]] = deque()
        self._finished = asyncio.Event()
        self._stopping = False
        self._closing = False
        self._feeders: list[asyncio.Task[None]] = []
        self._senders: list[asyncio.Task[None]] = []
        self._upkeep: list[asyncio.Task[None]] = []
        self._recorder: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin. The tasks run in the current event loop."""
        for lane in self._router.lanes:
            self._feeders.append(asyncio.create_task(self._feed(self._router.named(lane)), name=f"feed {lane}"))
        for line in self._lines.values():
            for _ in range(line.carrier.concurrency):
                self._senders.append(asyncio.create_task(self._send(line), name=f"send {line.carrier.name}"))
        self._upkeep = [
            asyncio.create_task(self._keep(), name="keep leases"),
            asyncio.create_task(self._call(), name="queue what is due"),
        ]
        self._recorder = asyncio.create_task(self._record(), name="record outcomes")

    def wake(self) -> None:
        """Say that new texts are queued. Call it in the event loop."""
        for lane in self._lanes.values():
            lane.news.set()

    @property
    def failed(self) -> asyncio.Task[None] | None:
        """A task that ended although nothing stopped it, or None."""
        if self._stopping:
            return None
        tasks = (*self._feeders, *self._senders, *self._upkeep, self._recorder)
        return next((task for task in tasks if task is not None and task.done()), None)

    async def stop(self, *, grace: float) -> None:
        """Claim no more, let sends under way finish for ``grace`` seconds, record them, give the rest back.

        A store that does not answer is not waited for: what it did not take within ``grace`` for the sends and two
        seconds more is left to its leases.
        """
        self._stopping = True
        if self._recorder is None:
            return  # never started
        for task in self._upkeep:
            task.cancel()
        self.wake()  # a feeder ends by itself: cancelled in the middle of a claim, it would forget the rows
        loop = asyncio.get_running_loop()
        until = loop.time() + grace
        await _end([*self._upkeep, *self._feeders], seconds=grace)
        waiting = [row for line in self._lines.values() for row in line.waiting]
        for line in self._lines.values():
            line.waiting.clear()
            line.arrived.set()
        await _end(self._senders, seconds=max(0.0, until - loop.time()))
        self._closing = True
        self._finished.set()
        await _end([self._recorder], seconds=_LAST_WORDS)
        if waiting:
            await self._give_back([(row.message_id, row.position) for row in waiting])

    async def _give_back(self, keys: list[tuple[str, int]]) -> None:
        try:
            async with asyncio.timeout(_LAST_WORDS):
                await self._writer.run(partial(_release, store=self._store, owner=self._owner, keys=keys))
        except (BridgeError, TimeoutError):
            _log.warning("texts in hand are left to their leases", count=len(keys))

    async def _feed(self, route: Route) -> None:
        lane = self._lanes[route.name]
        lines = [self._lines[name] for name in route.carriers]
        while not self._stopping:
            lane.news.clear()
            free = [line for line in lines if line.room > 0]
            # While texts wait in hand a claim can wait too, until it brings many; senders without work cannot.
            lane.full = all(line.waiting and line.room < line.spare // 2 for line in free)
            if lane.full:
                await _wait(lane.news, self._pace.poll)
                continue
            room = min(self._pace.batch, free[0].room)
            try:
                rows = await self._writer.run(
                    partial(
                        claim_batch,
                        store=self._store,
                        route=route,
                        known=[name for name, line in self._lines.items() if line.carrier.takes_own_id],
                        limit=room,
                        owner=self._owner,
                        lease=self._pace.lease,
                        oldest=(lane.claimed + room) // _TURN - lane.claimed // _TURN,
                        patience=self._pace.patience,
                        only=None if len(free) == len(lines) else _open_to(route, [one.carrier.name for one in free]),
                        held=frozenset(lane.in_hand) if lane.unsure else None,
                    )
                )
            except BridgeError as error:
                _log.warning("claim failed", lane=route.name, code=error.code)
                lane.unsure = True
                await asyncio.sleep(_TROUBLE_PAUSE)
                continue
            lane.unsure = False
            lane.claimed += len(rows)
            for row in rows:
                lane.in_hand.add((row.message_id, row.position))
                line = self._lines[row.carrier or route.carriers[0]]
                line.waiting.append(row)
                line.arrived.set()
            if len(rows) < room and not self._stopping:
                await _wait(lane.news, self._pace.poll)

    async def _send(self, line: _Line) -> None:
        carrier = line.carrier
        while True:
            while not line.waiting:
                if self._stopping:
                    return
                line.arrived.clear()
                await line.arrived.wait()
            row = line.waiting.popleft()
            line.busy += 1
            outcome = Outcome.unknown("the bridge stopped before the answer")
            try:
                outcome = await carrier.send(_outgoing(row))
            except Exception:  # noqa: BLE001 - one text that breaks a carrier's code stops no other
                _log.exception("carrier failed", carrier=carrier.name, id=recipient_id(row.message_id, row.position))
                outcome = Outcome.unknown("the carrier's code failed")
            finally:
                line.busy -= 1
                self._done.append((row, outcome))
                self._finished.set()
                for lane in self._lanes.values():  # any lane may send by this carrier
                    if lane.full:
                        lane.news.set()

    async def _record(self) -> None:
        while self._done or not self._closing:
            await self._finished.wait()
            self._finished.clear()
            batch = list(self._done)
            self._done.clear()
            while batch := await self._unrecorded(batch):  # noqa: ASYNC110 - no event tells when a database is back
                # The carrier has these texts; what it said must not be lost while the database is away.
                await asyncio.sleep(_TROUBLE_PAUSE)

    async def _unrecorded(self, batch: list[tuple[Claimed, Outcome]]) -> list[tuple[Claimed, Outcome]]:
        """Write outcomes. Returns those that the database cannot take now; one that breaks a write is dropped."""
        if not batch:
            return []
        try:
            await self._writer.run(partial(self._write, batch=batch))
        except InternalError:
            if len(batch) > 1:
                return [left for one in batch for left in await self._unrecorded([one])]
            row, outcome = batch[0]
            _log.exception("outcome lost", id=recipient_id(row.message_id, row.position))
            # It must not stay under a lease that we renew for ever.
            if outcome is not _LOST:
                return await self._unrecorded([(row, _LOST)])
            self._let_go(batch)
            return []
        except BridgeError as error:
            _log.warning("outcomes wait for the store", count=len(batch), code=error.code)
            return batch
        self._count(batch)
        self._let_go(batch)
        return []

    def _let_go(self, batch: list[tuple[Claimed, Outcome]]) -> None:
        for row, _ in batch:
            self._lanes[row.lane].in_hand.discard((row.message_id, row.position))

    def _write(self, connection: Connection, batch: list[tuple[Claimed, Outcome]]) -> None:
        now = self._store.now(connection)
        ended = [(row, self._change(row, outcome, now)) for row, outcome in batch]
        conclude(connection, ended, owner=self._owner, now=now)

    def _change(self, row: Claimed, outcome: Outcome, now: int) -> Change:
        line = self._lines.get(row.carrier or "")
        return settle(
            outcome,
            row=row,
            route=self._router.named(row.lane),
            takes_own_id=line is not None and line.carrier.takes_own_id,
            backoff=self._pace.backoff,
            chance=self._chance(),
            now=now,
        )

    def _count(self, batch: list[tuple[Claimed, Outcome]]) -> None:
        now = self._clock().timestamp()
        for row, outcome in batch:
            self._metrics.outcomes.labels(row.carrier, outcome.verdict).inc()
            if outcome.verdict is Verdict.ACCEPTED:
                self._metrics.latency_seconds.labels(row.carrier).observe(max(0.0, now - row.created_at / 1000))
            else:
                _log.info(
                    "not sent",
                    id=recipient_id(row.message_id, row.position),
                    carrier=row.carrier,
                    outcome=outcome.verdict,
                    reason=outcome.reason,
                )

    async def _keep(self) -> None:
        """Renew our leases long before they end, take over those that ran out, empty lanes that are gone."""
        known = {name: line.carrier.takes_own_id for name, line in self._lines.items()}
        upkeep = partial(
            keep_leases,
            store=self._store,
            router=self._router,
            takes_own_id=known,
            owner=self._owner,
            lease=self._pace.lease,
        )
        while True:
            try:
                if await self._writer.run(upkeep):
                    self.wake()
            except BridgeError as error:
                _log.warning("leases not renewed", code=error.code)
            await asyncio.sleep(self._pace.lease / 4)

    async def _call(self) -> None:
        """Queue scheduled texts whose time has come, and sweep away counts of windows that are over."""
        swept = self._clock()
        while True:
            await asyncio.sleep(self._pace.poll)
            try:
                if await self._writer.run(partial(promote_due, store=self._store)):
                    self.wake()
                if (self._clock() - swept).total_seconds() >= _SWEEP:
                    swept = self._clock()
                    await self._writer.run(partial(sweep, store=self._store))
            except BridgeError as error:
                _log.warning("scheduled texts wait for the store", code=error.code)


def claim_batch(
    connection: Connection,
    *,
    store: Store,
    route: Route,
    known: Collection[str],
    limit: int,
    owner: str,
    lease: float,
    oldest: int = 0,
    patience: float = 0.0,
    only: Collection[str | None] | None = None,
    held: Collection[tuple[str, int]] | None = None,
) -> list[Claimed]:
    """Claim rows of a route's lane for ``lease`` seconds, and settle those for which no carrier may be asked.

    Past its lifetime a text expires; if a carrier may have it already, or that carrier is not among the
    ``known``, which take our own id, nobody can say where it is: it becomes unknown. ``only`` is that of
    :func:`bridge.store.queue.claim`. With ``held``, what else the owner claimed in the lane is given back first.
    """
    now = store.now(connection)
    if held is not None:
        lost = [key for key in queue.forgotten(connection, lane=route.name, owner=owner) if key not in held]
        queue.release(connection, owner=owner, keys=lost, now=now)
    rows = queue.claim(
        connection,
        lane=route.name,
        limit=limit,
        owner=owner,
        now=now,
        until=now + int(lease * 1000),
        carrier=lambda named, in_doubt: _choose(route, known, named, in_doubt=in_doubt),
        oldest=oldest,
        patience=int(patience * 1000),
        only=only,
    )
    settled = {(row.message_id, row.position): change for row in rows if (change := _unsendable(row, now))}
    if not settled:
        return rows
    queue.record(connection, list(settled.values()), owner=owner, now=now)
    gone = [row for row in rows if (row.message_id, row.position) in settled]
    _note(connection, [(row, settled[row.message_id, row.position]) for row in gone], now=now)
    return [row for row in rows if (row.message_id, row.position) not in settled]


def conclude(
    connection: Connection, ended: Sequence[tuple[Claimed, Change]], *, owner: str, now: int
) -> set[tuple[str, int]]:
    """Write how sends ended, with what follows for events and credit. Returns the rows that this changed."""
    # Accounts before recipients, as everybody locks them: then nobody waits in a circle.
    refunds = {row.account_id for row, change in ended if gives_back(State.SENDING, change.state)}
    if refunds:
        ledger.lock(connection, refunds)
    changes = {(row.message_id, row.position): change for row, change in ended}
    changed = queue.record(connection, list(changes.values()), owner=owner, now=now)
    moved = {
        key: (row, changes[key])
        for row, _ in ended
        if (key := (row.message_id, row.position)) in changed and changes[key].state is not State.QUEUED
    }
    _note(connection, list(moved.values()), now=now)
    return changed


def settle(
    outcome: Outcome,
    *,
    row: Claimed,
    route: Route,
    takes_own_id: bool,
    backoff: Backoff,
    chance: float,
    now: int,
) -> Change:
    """Return what an outcome makes of a row. Pure.

    A deferred text goes to the route's next carrier at once; after the last one it waits. A lost answer is
    asked for again where the carrier takes our id. From then on the text is in doubt: it stays with that
    carrier.
    """
    state, due_at, carrier, in_doubt = State.QUEUED, now, row.carrier, row.in_doubt
    wait = backoff.wait(route.rounds(row.attempt), chance, outcome.retry_after)
    later = due(now=now, wait=wait, expires_at=row.expires_at)
    match outcome.verdict:
        case Verdict.ACCEPTED:
            state = State.SENT
        case Verdict.REFUSED:
            state = State.REFUSED
        case Verdict.DEFERRED if row.in_doubt:
            due_at = later
        case Verdict.DEFERRED:
            asked = row.carrier or ""
            due_at = later if route.is_last(asked) else now
            carrier = route.next_after(asked)
        case Verdict.UNKNOWN if takes_own_id:
            due_at, in_doubt = later, True
        case Verdict.UNKNOWN:
            state = State.UNKNOWN
    return queue.Change(
        message_id=row.message_id,
        position=row.position,
        state=state,
        attempt=row.attempt,
        due_at=due_at if state is State.QUEUED else None,
        carrier=carrier,
        in_doubt=in_doubt,
        carrier_id=outcome.carrier_id,
        reason=outcome.reason or None,
        raw=outcome.raw or None,
    )


def _open_to(route: Route, free: Sequence[str]) -> list[str | None]:
    """Return the carriers that rows may name to be claimed: those with room, and none yet where the first has room."""
    return [*free, None] if route.carriers[0] in free else list(free)


def _choose(route: Route, known: Collection[str], named: str | None, *, in_doubt: bool) -> str | None:
    if in_doubt:
        return named if named in known else None
    return named if named in route.carriers else route.carriers[0]


def _unsendable(row: Claimed, now: int) -> Change | None:
    if row.in_doubt and (row.carrier is None or row.expires_at <= now):
        state, reason = State.UNKNOWN, "a carrier may have it, and did not answer"
    elif row.expires_at <= now:
        state, reason = State.EXPIRED, "not sent within its lifetime"
    else:
        return None
    return queue.Change(
        message_id=row.message_id, position=row.position, state=state, attempt=row.attempt, reason=reason
    )


def _note(connection: Connection, moved: Sequence[tuple[Claimed, Change]], *, now: int) -> None:
    """Write the events of moves, and give back the prices of texts that surely were not sent."""
    events.add(connection, [_event(row, change) for row, change in moved], now=now)
    unsent = [row for row, change in moved if gives_back(State.SENDING, change.state) and not row.maybe_sent]
    ledger.refund(connection, [(row.account_id, row.message_id, row.position, row.price) for row in unsent], now=now)


def _event(row: Claimed, change: Change) -> events.NewEvent:
    data = {"carrier": row.carrier, "attempt": row.attempt, "reason": change.reason or ""}
    return row.account_id, change.state, row.message_id, row.position, data


def _release(connection: Connection, *, store: Store, owner: str, keys: list[tuple[str, int]]) -> int:
    return queue.release(connection, owner=owner, keys=keys, now=store.now(connection))


def _outgoing(row: Claimed) -> Outgoing:
    return Outgoing(
        id=recipient_id(row.message_id, row.position),
        message_id=row.message_id,
        number=row.number,
        text=row.text,
        sender=row.sender,
        encoding=Encoding(row.encoding),
        parts=row.parts,
        attempt=row.attempt,
        expires_at=from_ms(row.expires_at),
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
