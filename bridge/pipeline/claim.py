"""Taking texts from the queue, each for a carrier that can have it now."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bridge.model.state import State
from bridge.pipeline.settle import note
from bridge.store import queue

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from bridge.pipeline.routing import Route
    from bridge.store.engine import Connection, Store
    from bridge.store.queue import Claimed

_LOOKS = 8
_WIDEST = 400
"""Rows. A claim for one text that meets many that are over looks at more each time, to get past them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Offer:
    """What a carrier can take now: ``room`` texts. One that ``rests`` leaves the others to the rest of the route.

    ``share`` is what is left of its weight.
    """

    room: int
    rests: bool = False
    share: float = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """Who may be given what in one claim: the offers of carriers, and those that take our own id (``known``).

    Without ``offers`` every carrier takes all that is there.
    """

    route: Route
    known: Collection[str] = ()
    offers: Mapping[str, Offer] = field(default_factory=dict)

    def limit(self) -> int:
        """Return how many texts a claim can place: 0 when no carrier of the route takes any."""
        total = 0
        for name in self.route.carriers:
            offer = self.offers[name]
            total += offer.room
            # In an order, the first that is well is whom the texts are for; what fails over shares its place.
            if offer.room and not offer.rests and not self.route.weights:
                break
        return total

    def barred(self) -> queue.Barred | None:
        """Return which rows need not be looked at, None when all may be placed."""
        shut = {name: offer for name, offer in self.offers.items() if offer.room <= 0}
        if not shut:
            return None
        turn = next((name for name in self.route.carriers if not self.offers[name].rests), None)
        return queue.Barred(
            full=frozenset(name for name, offer in shut.items() if not offer.rests),
            resting=frozenset(name for name, offer in shut.items() if offer.rests),
            # With weights a text goes on to one that has room; in an order it waits for the first that is well. One
            # before it that rests may still have room, to be tried with one text.
            fresh=not self.route.weights
            and turn in shut
            and not any(self.offers[name].room > 0 for name in self._before(turn)),
        )

    def _before(self, carrier: str | None) -> tuple[str, ...]:
        carriers = self.route.carriers
        return carriers if carrier is None else carriers[: carriers.index(carrier)]


class _Hand:
    """Places texts one after the other, each where its turn is and room is left."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._room = {name: offer.room for name, offer in table.offers.items()}
        self._share = {name: offer.share for name, offer in table.offers.items()}

    def place(self, name: str, carrier: str | None, in_doubt: bool) -> str | queue.Leave | None:  # noqa: FBT001 - the queue's signature
        """Return the carrier for a text, given the one that its row names; None when nobody may be asked.

        A text in doubt stays with its carrier. Of the others one takes the carrier whose turn it is; when that rests,
        or has no room for a text that draws by weight, the next one that has.
        """
        route = self._table.route
        if in_doubt:
            if carrier not in self._table.known or carrier is None:
                return None
            return carrier if self._take(carrier) else queue.LEAVE
        order = route.order(name, self._share)
        if carrier in order:
            place = order.index(carrier)
            order = (*order[place:], *order[:place])
        turn = order[0]
        if self._take(turn):
            return turn
        if self._table.offers[turn].rests or (route.weights and carrier is None):
            return next((one for one in order[1:] if self._take(one)), queue.LEAVE)
        return queue.LEAVE

    def _take(self, carrier: str) -> bool:
        if not self._room:
            return True
        if self._room[carrier] <= 0:
            return False
        self._room[carrier] -= 1
        return True


def claim_batch(
    connection: Connection,
    *,
    store: Store,
    table: Table,
    limit: int,
    owner: str,
    lease: float,
    oldest: int = 0,
    patience: float = 0.0,
    held: Collection[tuple[str, int]] | None = None,
) -> list[Claimed]:
    """Claim rows of a route's lane for ``lease`` seconds, and settle those for which no carrier may be asked.

    Past its lifetime a text expires; if a carrier may have it already, or that carrier is not among the known ones,
    nobody can say where it is: it becomes unknown. Such rows take nobody's room: behind them is looked for others.
    With ``held``, what else the owner claimed in the lane is given back first.
    """
    now = store.now(connection)
    lane = table.route.name
    if held is not None:
        lost = [key for key in queue.forgotten(connection, lane=lane, owner=owner) if key not in held]
        queue.release(connection, owner=owner, keys=lost, now=now)
    # A hand of its own for each time this runs: a transaction may be tried twice.
    hand = _Hand(table)
    kept: list[Claimed] = []
    for look in range(_LOOKS):
        rows = queue.claim(
            connection,
            lane=lane,
            limit=min(limit << 2 * look, max(limit, _WIDEST)),
            owner=owner,
            now=now,
            until=now + int(lease * 1000),
            carrier=hand.place,
            oldest=oldest,
            patience=int(patience * 1000),
            barred=table.barred(),
        )
        fresh = _settle(connection, rows, owner=owner, now=now)
        kept += fresh
        if len(fresh) == len(rows) or len(kept) >= limit:
            break
    return kept


def expire(connection: Connection, *, store: Store, lane: str, owner: str, lease: float, limit: int) -> int:
    """Settle rows of a lane that are past their lifetime, as a claim would, where nobody claims. Returns how many."""
    now = store.now(connection)
    rows = queue.claim(
        connection,
        lane=lane,
        limit=limit,
        owner=owner,
        now=now,
        until=now + int(lease * 1000),
        carrier=lambda _name, _carrier, _in_doubt: None,
        stale=True,
    )
    _settle(connection, rows, owner=owner, now=now)
    return len(rows)


def _settle(connection: Connection, rows: list[Claimed], *, owner: str, now: int) -> list[Claimed]:
    """Write the end of those rows which no carrier may be asked with, and return the others."""
    settled = {(row.message_id, row.position): change for row in rows if (change := unsendable(row, now))}
    if not settled:
        return rows
    queue.record(connection, list(settled.values()), owner=owner, now=now)
    gone = [row for row in rows if (row.message_id, row.position) in settled]
    note(connection, [(row, settled[row.message_id, row.position]) for row in gone], now=now)
    return [row for row in rows if (row.message_id, row.position) not in settled]


def unsendable(row: Claimed, now: int) -> queue.Change | None:
    """Return what becomes of a row that no carrier may be asked with, None for one that may be sent."""
    if row.in_doubt and (row.carrier is None or row.expires_at <= now):
        state, reason = State.UNKNOWN, "a carrier may have it, and did not answer"
    elif row.expires_at <= now:
        state, reason = State.EXPIRED, "not sent within its lifetime"
    else:
        return None
    return queue.Change(
        message_id=row.message_id, position=row.position, state=state, attempt=row.attempt, reason=reason
    )
