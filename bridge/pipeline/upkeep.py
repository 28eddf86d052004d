"""What has to be looked after beside the sending: leases, times that come, counts that are over, texts left behind."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from bridge.model.errors import BridgeError, NoRoute
from bridge.model.state import State
from bridge.pipeline.claim import expire
from bridge.pipeline.reports import forget_early, look_again
from bridge.pipeline.retry import first_ask
from bridge.store import conversations, events, lanes, queue, usage
from bridge.telemetry import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from bridge.pipeline.commit import Writer
    from bridge.pipeline.digests import Digests
    from bridge.pipeline.routing import Router
    from bridge.store.engine import Connection, Store

_log = get_logger(__name__)

_REAP_BATCH = 500
_PROMOTED = 5_000
SWEEP = 60.0
"""Seconds between looks at what is over."""
_REPEATED_FOR = 7 * 86_400_000

PARKED = ""
"""The lane of texts for which the configuration has no route: nobody feeds it, and it is before all others."""
_UNPARKED = "?"
"""No route can have this name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """What the keeping of leases did: rows ``queued``, rows ``parked`` without a route, and whether there are more."""

    queued: int
    parked: int = 0
    more: bool = False


class Upkeep:
    """The tasks of one process that look after what it shares with others."""

    def __init__(
        self,
        *,
        store: Store,
        writer: Writer,
        router: Router,
        takes_own_id: Mapping[str, bool],
        asked: Collection[str],
        owner: str,
        lease: float,
        poll: float,
        timer: Callable[[], float],
        shut: Callable[[], Collection[str]],
        woken: Callable[[], None],
        digests: Digests | None = None,
    ) -> None:
        """Prepare; ``shut`` names lanes that nobody looks at now, ``woken`` is called when texts were queued."""
        self._store = store
        self._writer = writer
        self._router = router
        self._takes_own_id = takes_own_id
        self._asked = frozenset(asked)
        self._owner = owner
        self._lease = lease
        self._poll = poll
        self._timer = timer
        self._shut = shut
        self._woken = woken
        self._digests = digests

    async def keep(self) -> None:
        """Renew our leases long before they end, take over those that ran out, empty lanes that are gone."""
        first = True
        while True:
            more = False
            try:
                kept = await self._writer.run(
                    partial(
                        keep_leases,
                        store=self._store,
                        router=self._router,
                        takes_own_id=self._takes_own_id,
                        owner=self._owner,
                        lease=self._lease,
                        asked=self._asked,
                        unpark=first,
                    )
                )
                first, more = False, kept.more
                if kept.queued:
                    self._woken()
                if kept.parked:
                    _log.warning("texts without a route", count=kept.parked)
            except BridgeError as error:
                _log.warning("leases not renewed", code=error.code)
            if not more:
                await asyncio.sleep(self._lease / 4)

    async def call(self) -> None:
        """Queue scheduled texts whose time has come and digests of storms, and sweep away what is over."""
        swept = self._timer()
        while True:
            await asyncio.sleep(self._poll)
            try:
                if await self._writer.run(partial(promote_due, store=self._store)):
                    self._woken()
                if self._digests is not None and await self._digests.end_over():
                    self._woken()
                if self._timer() - swept >= SWEEP:
                    swept = self._timer()
                    await self.sweep()
            except BridgeError as error:
                _log.warning("scheduled texts wait for the store", code=error.code)

    async def sweep(self) -> None:
        """Do once what is done each minute. Raises a :exc:`~bridge.model.errors.Trouble`."""
        await self._writer.run(partial(sweep, store=self._store))
        while await self._writer.run(partial(sweep_early, store=self._store)):
            pass  # a batch at a time: others write between them
        for lane in await asyncio.to_thread(self._stale, [*self._shut(), PARKED]):
            over = partial(
                expire, store=self._store, lane=lane, owner=self._owner, lease=self._lease, limit=_REAP_BATCH
            )
            while await self._writer.run(over) == _REAP_BATCH:
                pass  # and so is this

    def _stale(self, unfed: Collection[str]) -> list[str]:
        """Return those of the lanes which hold texts past their lifetime. Reads only: it may have to look at all."""
        with self._store.read() as connection:
            now = self._store.now(connection)
            return [lane for lane in unfed if queue.is_stale(connection, lane=lane, now=now)]


def promote_due(connection: Connection, *, store: Store) -> int:
    """Queue the scheduled texts whose time has come. Returns how many."""
    return queue.promote(connection, now=store.now(connection), limit=_PROMOTED)


def sweep(connection: Connection, *, store: Store) -> int:
    """Forget counts of windows that are over, and news that nobody needs any more. Returns how many counts."""
    now = store.now(connection)
    conversations.forget_inbound(connection, before=now - _REPEATED_FOR)
    look_again(connection, now=now)
    return usage.sweep(connection, now=now)


def sweep_early(connection: Connection, *, store: Store) -> bool:
    """Forget a batch of reports that nobody waits for any more. Says whether there may be more of them."""
    return forget_early(connection, now=store.now(connection))


def keep_leases(
    connection: Connection,
    *,
    store: Store,
    router: Router,
    takes_own_id: Mapping[str, bool],
    owner: str,
    lease: float,
    asked: Collection[str] = (),
    unpark: bool = False,
) -> Kept:
    """Renew the owner's leases, reap those that ran out, reroute rows of lanes that are gone.

    A row of a carrier that is no longer configured counts as one whose carrier does not take our id: nobody can say
    any more what happened to it. ``asked`` are carriers that are asked about texts. Rows for which there is no route
    are parked; with ``unpark`` those that were are tried again, for the configuration may be another one.
    """
    now = store.now(connection)
    queue.renew(connection, owner=owner, until=now + int(lease * 1000))
    lost = queue.overdue(connection, now=now, limit=_REAP_BATCH)
    changes = []
    for row in lost:
        again = takes_own_id.get(row.carrier or "", False)
        changes.append(
            queue.Change(
                message_id=row.message_id,
                position=row.position,
                state=State.QUEUED if again else State.UNKNOWN,
                due_at=now if again else None,
                in_doubt=True,
                reason=None if again else "the process that sent it died before the answer",
                ask_at=first_ask(now) if not again and row.carrier in asked else None,
            )
        )
    queue.record(connection, changes, owner=None, now=now)
    events.add(
        connection,
        [
            (row.account_id, State.UNKNOWN, row.message_id, row.position, {"carrier": row.carrier})
            for row, change in zip(lost, changes, strict=True)
            if change.state is State.UNKNOWN
        ],
        now=now,
    )
    if unpark:
        lanes.rename(connection, PARKED, _UNPARKED)
    stray = lanes.strays(connection, known=router.lanes, limit=_REAP_BATCH)
    moves = [(row.message_id, row.position, _lane(router, row)) for row in stray]
    lanes.move(connection, moves)
    parked = sum(lane == PARKED for _, _, lane in moves)
    saved = sum(change.state is State.QUEUED for change in changes)
    return Kept(queued=saved + len(moves) - parked, parked=parked, more=len(stray) == _REAP_BATCH)


def _lane(router: Router, row: lanes.Stray) -> str:
    try:
        return router.choose(row.number, account=row.account, sender=row.sender, priority=row.priority).name
    except NoRoute:
        return PARKED
