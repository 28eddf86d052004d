"""What has to be looked after beside the sending: leases, times that come, counts that are over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.model.state import State
from bridge.store import conversations, events, queue, usage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bridge.pipeline.routing import Router
    from bridge.store.engine import Connection, Store

_REAP_BATCH = 500
_PROMOTED = 5_000
_REPEATED_FOR = 7 * 86_400_000


def promote_due(connection: Connection, *, store: Store) -> int:
    """Queue the scheduled texts whose time has come. Returns how many."""
    return queue.promote(connection, now=store.now(connection), limit=_PROMOTED)


def sweep(connection: Connection, *, store: Store) -> int:
    """Forget counts of windows that are over, and what no carrier repeats any more. Returns how many counts."""
    now = store.now(connection)
    conversations.forget_inbound(connection, before=now - _REPEATED_FOR)
    return usage.sweep(connection, now=now)


def keep_leases(
    connection: Connection,
    *,
    store: Store,
    router: Router,
    takes_own_id: Mapping[str, bool],
    owner: str,
    lease: float,
) -> int:
    """Renew the owner's leases, reap those that ran out, reroute rows of lanes that are gone.

    Returns how many rows were queued by that. A row of a carrier that is no longer configured counts as one
    whose carrier does not take our id: nobody can say any more what happened to it.
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
    stray = queue.strays(connection, lanes=router.lanes, limit=_REAP_BATCH)
    if stray:
        queue.move_lane(
            connection,
            [(message_id, position, router.choose(number).name) for message_id, position, number in stray],
        )
    return sum(change.state is State.QUEUED for change in changes) + len(stray)
