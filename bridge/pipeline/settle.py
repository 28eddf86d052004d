"""What the end of a send makes of a text: its state, its events, its credit, and who is asked next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.model.message import Verdict, recipient_id
from bridge.model.state import State, gives_back
from bridge.pipeline.reports import catch_up
from bridge.pipeline.retry import due, first_ask
from bridge.store import events, ledger, queue

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from bridge.model.message import Outcome
    from bridge.pipeline.retry import Backoff
    from bridge.pipeline.routing import Route
    from bridge.store.engine import Connection
    from bridge.store.queue import Change, Claimed


def settle(
    outcome: Outcome,
    *,
    row: Claimed,
    route: Route,
    takes_own_id: bool,
    backoff: Backoff,
    chance: float,
    now: int,
    resting: Collection[str] = (),
    asks: bool = False,
) -> Change:
    """Return what an outcome makes of a row. Pure.

    A deferred text goes to the route's next carrier at once; after the last one that does not rest it waits. A lost
    answer is asked for again where the carrier takes our id. From then on the text is in doubt: it stays with that
    carrier. One that ``asks`` is asked later what became of the text.
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
            name = recipient_id(row.message_id, row.position)
            following = route.after(row.carrier or "", name, resting)
            due_at = later if following is None else now
            carrier = following or route.order(name)[0]
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
        ask_at=first_ask(now) if asks and state in {State.SENT, State.UNKNOWN} else None,
    )


def conclude(
    connection: Connection, ended: Sequence[tuple[Claimed, Change]], *, owner: str, now: int
) -> set[tuple[str, int]]:
    """Write how sends ended, with what follows for events and credit. Returns the rows that this changed.

    Reports that overtook the answers are applied.
    """
    # Accounts before recipients, as everybody locks them: then nobody waits in a circle.
    refunds = {row.account_id for row, change in ended if gives_back(State.SENDING, change.state)}
    if refunds:
        ledger.lock(connection, refunds)
    changes = {(row.message_id, row.position): change for row, change in ended}
    changed = queue.record(connection, list(changes.values()), owner=owner, now=now)
    if len(changed) < len(changes):
        # A report by our id may have been here first. The carrier's own id is still news: later reports go by it.
        queue.name(connection, [change for key, change in changes.items() if key not in changed and change.carrier_id])
    moved = {
        key: (row, changes[key])
        for row, _ in ended
        if (key := (row.message_id, row.position)) in changed and changes[key].state is not State.QUEUED
    }
    note(connection, list(moved.values()), now=now)
    catch_up(connection, changes.values(), now=now)
    return changed


def note(connection: Connection, moved: Sequence[tuple[Claimed, Change]], *, now: int) -> None:
    """Write the events of moves, and give back the prices of texts that surely were not sent."""
    events.add(connection, [_event(row, change) for row, change in moved], now=now)
    unsent = [row for row, change in moved if gives_back(State.SENDING, change.state) and not row.maybe_sent]
    ledger.refund(connection, [(row.account_id, row.message_id, row.position, row.price) for row in unsent], now=now)


def _event(row: Claimed, change: Change) -> events.NewEvent:
    data = {"carrier": row.carrier, "attempt": row.attempt, "reason": change.reason or ""}
    return row.account_id, change.state, row.message_id, row.position, data
