"""Texts that carriers have and are to give back: finding them, and writing what became of the wish."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, select, update

from bridge.model.message import recipient_id
from bridge.model.state import State, may_move
from bridge.store import accounts as customers
from bridge.store import changes, events, ledger
from bridge.store.tables import events as event_rows
from bridge.store.tables import messages, recipients

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Connection, Row

    from bridge.model.rules import AccountRules

RECALL: Final = "recall"
"""The kind of event that keeps what a carrier said when it was asked for a text back."""

_HAD: Final = (State.SENT, State.UNKNOWN)
"""The states in which a carrier has a text, or may have it. Not *sending*: then nobody knows what it has."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Away:
    """A text that a carrier has, or may have, and of which no end is known.

    ``since`` is when it came into its state, in milliseconds; ``attempts`` tells this stay of it from a later one.
    """

    message_id: str
    position: int
    account_id: int
    number: str
    state: State
    carrier: str
    carrier_id: str | None
    attempts: int
    since: int

    @property
    def key(self) -> tuple[str, int]:
        """Its message and position."""
        return self.message_id, self.position

    @property
    def id(self) -> str:
        """Its recipient id, under which a carrier may know it."""
        return recipient_id(*self.key)


@dataclass(frozen=True, kw_only=True, slots=True)
class Answered:
    """What a carrier said when it was asked for a text back. ``done``: it will not be sent; else ``words`` say why.

    Of one that was not ``heard`` they say why it could not be asked, and are for the operator.
    """

    text: Away
    done: bool
    words: str
    heard: bool = True


def away(connection: Connection, message_id: str, *, first: int, last: int) -> list[Away]:
    """Return the recipients from ``first`` to ``last`` of a message that carriers have."""
    query = (
        select(recipients, messages.c.account_id)
        .join(messages, messages.c.id == recipients.c.message_id)
        .where(recipients.c.message_id == message_id, recipients.c.position >= first, recipients.c.position <= last)
        .where(recipients.c.state.in_(_HAD), recipients.c.carrier.is_not(None))
        .order_by(recipients.c.position)
    )
    return [
        Away(
            message_id=row.message_id,
            position=row.position,
            account_id=row.account_id,
            number=row.number,
            state=State(row.state),
            carrier=row.carrier,
            carrier_id=row.carrier_id,
            attempts=row.attempts,
            since=row.updated_at,
        )
        for row in connection.execute(query)
    ]


def conclude(connection: Connection, answers: Sequence[Answered], *, by: str, now: int) -> dict[tuple[str, int], State]:
    """Write what carriers said, and return by message and position how the texts stand then.

    A text of which the carrier said that it will not be sent becomes ``undelivered``, and its price is given back as
    that of a cancelled one is; also where the carrier's report of that was here first. What came to an end meanwhile,
    or was sent anew, stays as it is.
    """
    if not answers:
        return {}
    rows = _locked(connection, [one.text for one in answers])
    before = _given_back(connection, {one.text.message_id for one in answers})
    rules = {owner: customers.rules_of(connection, owner) for owner in {one.text.account_id for one in answers}}
    reason = f"taken back by {by}"
    moved: list[Away] = []
    named: list[Away] = []
    for one in answers:
        text, row = one.text, rows[one.text.key]
        if not one.done or (row.carrier, row.attempts) != (text.carrier, text.attempts) or text.key in before:
            continue
        if may_move(state := State(row.state), State.UNDELIVERED):
            moved.append(text)
        elif state is State.UNDELIVERED:
            named.append(text)
    _write(connection, moved, {"state": State.UNDELIVERED, "reason": reason, "ask_at": None, "updated_at": now})
    _write(connection, named, {"reason": reason})
    ledger.refund(
        connection,
        [
            (text.account_id, *text.key, rows[text.key].price)
            for text in (*moved, *named)
            if _refunded(rules[text.account_id], rows[text.key])
        ],
        now=now,
    )
    events.add(
        connection,
        [(one.text.account_id, RECALL, *one.text.key, _said(one, by)) for one in answers]
        + [
            (text.account_id, State.UNDELIVERED, *text.key, {"before": rows[text.key].state, "reason": reason})
            for text in moved
        ],
        now=now,
    )
    gone = {text.key for text in moved}
    return {key: State.UNDELIVERED if key in gone else State(row.state) for key, row in rows.items()}


def _locked(connection: Connection, texts: Sequence[Away]) -> dict[tuple[str, int], Row[Any]]:
    """Lock messages, then accounts, then recipients, as all others do; return the recipients."""
    changes.lock(connection, {text.message_id for text in texts})
    ledger.lock(connection, {text.account_id for text in texts})
    columns = ("message_id", "position", "state", "carrier", "attempts", "price", "maybe_sent", "in_doubt")
    keys = sorted({text.key for text in texts})
    of_one: dict[str, list[int]] = {}
    for message_id, position in keys:
        of_one.setdefault(message_id, []).append(position)
    found: dict[tuple[str, int], Row[Any]] = {}
    for message_id, positions in of_one.items():
        query = (
            select(*(recipients.c[name] for name in columns))
            .where(recipients.c.message_id == message_id)
            .where(recipients.c.position >= positions[0], recipients.c.position <= positions[-1])
            .order_by(recipients.c.position)
            .with_for_update()
        )
        wanted = set(positions)
        rows = connection.execute(query)
        found |= {(row.message_id, row.position): row for row in rows if row.position in wanted}
    return found


def _given_back(connection: Connection, message_ids: Iterable[str]) -> set[tuple[str, int]]:
    """Return the texts that were taken back before: nothing is given back twice."""
    query = select(event_rows).where(event_rows.c.message_id.in_(sorted(message_ids)), event_rows.c.kind == RECALL)
    return {(row.message_id, row.position) for row in connection.execute(query) if json.loads(row.data)["done"]}


def _refunded(rules: AccountRules, row: Row[Any]) -> bool:
    return rules.refund_cancelled and not row.maybe_sent and not row.in_doubt


def _write(connection: Connection, texts: Sequence[Away], values: Mapping[str, Any]) -> None:
    if texts:
        connection.execute(
            update(recipients)
            .where(recipients.c.message_id == bindparam("of"), recipients.c.position == bindparam("at"))
            .values(dict(values)),
            [{"of": message_id, "at": position} for message_id, position in (text.key for text in texts)],
        )


def _said(one: Answered, by: str) -> dict[str, Any]:
    return {"carrier": one.text.carrier, "by": by, "done": one.done, "words": one.words}
