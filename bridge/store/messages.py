"""What was taken, as a person looks at it: lists, one message in full, and the moves only a person makes.

A message has no state of its own here: it is :func:`bridge.model.state.summary` of its recipients' states.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import and_, case, exists, select, update

from bridge.model.errors import Conflict, NotFound
from bridge.model.message import recipient_id
from bridge.model.moment import from_ms
from bridge.model.state import State, gives_back, may_move, summary
from bridge.store import accounts as customers
from bridge.store import drafts, events, ledger
from bridge.store.tables import accounts, messages, recipients

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from sqlalchemy import ColumnElement, Connection, Row, Select

    from bridge.model.rules import AccountRules

RESCHEDULED = "rescheduled"
OPERATOR = "the operator"
"""Who wants a change that no program asked for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Addressed:
    """One recipient of a message; ``text`` is its own one, where it has one.

    Times are milliseconds since 1970; ``raw`` is the carrier's own answer.
    """

    position: int
    number: str
    text: str | None
    state: State
    parts: int
    carrier: str | None
    carrier_id: str | None
    attempts: int
    in_doubt: bool
    reason: str | None
    raw: str | None
    due_at: int
    expires_at: int
    updated_at: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """A message with its recipients, in their order. Times are milliseconds since 1970."""

    id: str
    account_id: int
    account: str
    door: str
    origin: str
    sender: str | None
    text: str
    encoding: str
    parts: int
    priority: int
    reference: str | None
    proof: str
    callback_url: str | None
    flash: bool
    envelope: str | None
    draft: str | None
    created_at: int
    expires_at: int
    recipients: tuple[Addressed, ...]

    @property
    def state(self) -> State:
        """The state of the message: that of its least settled recipient; a draft may have none yet."""
        if not self.recipients:
            return State.CANCELLED if self.draft is None else State.HELD
        return summary([one.state for one in self.recipients])


@dataclass(frozen=True, kw_only=True, slots=True)
class Move:
    """A recipient that a person asked to move: ``before`` and ``after`` are equal where nothing was done."""

    position: int
    number: str
    before: State
    after: State

    @property
    def made(self) -> bool:
        """Whether anything changed."""
        return self.before is not self.after


def newest(
    connection: Connection, *, account_id: int | None = None, state: State | None = None, limit: int
) -> list[Kept]:
    """Return up to ``limit`` messages, the newest first: all, or those of an account, or in a state."""
    page = select(messages).order_by(messages.c.id.desc()).limit(limit)
    if account_id is not None:
        page = page.where(messages.c.account_id == account_id)
    if state is not None:
        # A summary is the least settled state that is present: this one is, and none that comes before it.
        page = page.where(_has([state]))
        if before := [other for other in State if other is not state and summary((other, state)) is other]:
            page = page.where(~_has(before))
    return _kept(connection, page)


def find(connection: Connection, message_id: str) -> Kept:
    """Return one message. Raises :exc:`NotFound`."""
    found = _kept(connection, select(messages).where(messages.c.id == message_id))
    if not found:
        reason = f"no message has the id {message_id}"
        raise NotFound(reason)
    return found[0]


def cancel(
    connection: Connection, message_id: str, position: int | None, *, by: str = OPERATOR, now: int
) -> list[Move]:
    """Cancel what has not left: recipients that are held, scheduled or queued. ``by`` is who wants it.

    With a ``position`` only that recipient; without one a draft is closed by it, and takes no more. Prices are given
    back if the account's setting says so, but not of texts that a carrier may have all the same. Raises
    :exc:`NotFound`, and :exc:`Conflict` when there is nothing to cancel; then it has changed nothing.
    """
    if position is None and _close_draft(connection, message_id):
        return []
    return _move(
        connection,
        message_id,
        position,
        sources=[state for state in State if may_move(state, State.CANCELLED)],
        to=State.CANCELLED,
        reason=f"cancelled by {by}",
        now=now,
    )


def retry(
    connection: Connection, message_id: str, position: int | None, *, now: int, lifetime: int = 86_400_000
) -> list[Move]:
    """Queue again the recipients of which nobody knows whether they got the text.

    They get a new ``lifetime``, in milliseconds. The carrier they were with is asked first, under the same id; that
    another may follow it, and a phone may get the text twice, is what the person decided. Raises as :func:`cancel`.
    """
    return _move(
        connection,
        message_id,
        position,
        sources=[State.UNKNOWN],
        to=State.QUEUED,
        reason="queued again by the operator",
        now=now,
        lifetime=lifetime,
    )


def settle(connection: Connection, message_id: str, position: int | None, *, state: State, now: int) -> list[Move]:
    """Write down what became of recipients whose state is unknown. Raises as :func:`cancel` does."""
    return _move(
        connection,
        message_id,
        position,
        sources=[State.UNKNOWN],
        to=state,
        reason="settled by the operator",
        now=now,
    )


def reschedule(connection: Connection, message_id: str, position: int | None, *, due_at: int, now: int) -> list[Move]:
    """Give another time to what has not begun: recipients that are scheduled, or queued and never tried.

    A time that is over means now. What was left between a text's time and the end of its lifetime stays as it is, so
    a later time is no way to outlive it; one whose lifetime is over already expires, and takes no time any more. A
    draft as a whole keeps the time for its closing. Hours are the caller's to ask, by
    :func:`bridge.pipeline.hours.check_leave`: an operator who names a time means it, a program is bound. Returns all
    the recipients asked for, also those that were left alone: what was moved is at ``due_at`` now. Raises
    :exc:`NotFound`, and :exc:`Conflict` when there is nothing to give a time to.
    """
    _lock(connection, message_id)
    message = find(connection, message_id)
    rows = _locked(connection, message_id, position)
    due_at = max(due_at, now)
    to = State.SCHEDULED if due_at > now else State.QUEUED
    if position is None and message.draft is not None:
        written = from_ms(due_at).isoformat() if due_at > now else None
        drafts.change(connection, message_id, {}, {**json.loads(message.draft), "send_at": written})
        return [
            Move(position=row.position, number=row.number, before=State(row.state), after=State(row.state))
            for row in rows
        ]
    given = [row for row in rows if _waits(row) and row.expires_at > now]
    if not given:
        stale = any(map(_waits, rows))
        there = "past its lifetime" if stale else ", ".join(dict.fromkeys(row.state for row in rows))
        raise Conflict(f"{_named(message_id, position)} is {there}; this needs a text that waits and was never tried")
    waiting = recipients.c.state == State.SCHEDULED
    waiting |= and_(recipients.c.state == State.QUEUED, ~recipients.c.in_doubt, recipients.c.attempts == 0)
    # The rows are locked, so these are just the ones that were looked at.
    connection.execute(
        update(recipients)
        .where(_asked(message_id, position), waiting, recipients.c.expires_at > now)
        .values(
            state=to,
            due_at=due_at,
            expires_at=recipients.c.expires_at + due_at - recipients.c.due_at,
            updated_at=now,
        )
    )
    events.add(
        connection,
        [
            (message.account_id, RESCHEDULED, message_id, row.position, {"before": row.due_at, "due_at": due_at})
            for row in given
        ],
        now=now,
    )
    moved = {row.position for row in given}
    return [
        Move(
            position=row.position,
            number=row.number,
            before=State(row.state),
            after=to if row.position in moved else State(row.state),
        )
        for row in rows
    ]


def standing(connection: Connection, message_id: str, position: int | None) -> list[Move]:
    """Return recipients as they stand, moved nowhere. Raises :exc:`NotFound`."""
    return [
        Move(position=row.position, number=row.number, before=State(row.state), after=State(row.state))
        for row in _locked(connection, message_id, position)
    ]


def _move(
    connection: Connection,
    message_id: str,
    position: int | None,
    *,
    sources: Sequence[State],
    to: State,
    reason: str,
    now: int,
    lifetime: int = 0,
) -> list[Move]:
    """Move the recipients in one of ``sources``, with an event for each; in a write transaction."""
    _lock(connection, message_id)
    message = find(connection, message_id)
    # Accounts before recipients, as the writer locks them: then nobody waits in a circle.
    ledger.lock(connection, [message.account_id])
    rows = _locked(connection, message_id, position)
    allowed = [state for state in sources if may_move(state, to)]
    moves = []
    for row in rows:
        before = State(row.state)
        after = to if before in allowed else before
        moves.append(Move(position=row.position, number=row.number, before=before, after=after))
    if not any(move.made for move in moves):
        there = ", ".join(dict.fromkeys(move.before for move in moves))
        reason = f"{_named(message_id, position)} is {there}; this needs {' or '.join(allowed)}"
        raise Conflict(reason)
    values: dict[str, Any] = {"state": to, "reason": reason, "updated_at": now}
    if to is State.QUEUED:
        fresh = now + lifetime
        values |= {
            "due_at": now,
            "in_doubt": False,
            "expires_at": case((recipients.c.expires_at < fresh, fresh), else_=recipients.c.expires_at),
        }
    # The rows are locked, so these are just the ones that were looked at.
    connection.execute(
        update(recipients).where(_asked(message_id, position), recipients.c.state.in_(allowed)).values(values)
    )
    rules = customers.rules_of(connection, message.account_id)
    ledger.refund(
        connection,
        [
            (message.account_id, message_id, row.position, row.price)
            for row, move in zip(rows, moves, strict=True)
            if move.made and _refunded(rules, row, to)
        ],
        now=now,
    )
    events.add(
        connection,
        [
            (message.account_id, to, message_id, move.position, {"before": move.before, "reason": reason})
            for move in moves
            if move.made
        ],
        now=now,
    )
    return moves


def _refunded(rules: AccountRules, row: Row[Any], to: State) -> bool:
    """Tell whether a move that a person made gives the text's price back."""
    if to is State.CANCELLED:
        return rules.refund_cancelled and not row.maybe_sent and not row.in_doubt
    # That an unknown one was refused is the person's word, who asked the carrier.
    return gives_back(State(row.state), to)


def _close_draft(connection: Connection, message_id: str) -> bool:
    """Let a message that is open take no more. Returns whether that is all there was to do."""
    closed = connection.execute(
        update(messages).where(messages.c.id == message_id, messages.c.draft.is_not(None)).values(draft=None)
    )
    held = exists().where(recipients.c.message_id == message_id, recipients.c.state == State.HELD)
    return bool(closed.rowcount) and not connection.scalar(select(held))


def _waits(row: Row[Any]) -> bool:
    """Tell whether a recipient was never tried, and no carrier may have it."""
    return row.state == State.SCHEDULED or (row.state == State.QUEUED and not row.in_doubt and not row.attempts)


def _lock(connection: Connection, message_id: str) -> None:
    """Lock a message before its recipients, as the closing of a draft does."""
    connection.execute(select(messages.c.id).where(messages.c.id == message_id).with_for_update())


def _locked(connection: Connection, message_id: str, position: int | None) -> Sequence[Row[Any]]:
    """Return the recipients asked for, locked, in their order. Raises :exc:`NotFound`."""
    columns = ("position", "number", "state", "price", "in_doubt", "maybe_sent", "attempts", "due_at", "expires_at")
    query = (
        select(*(recipients.c[name] for name in columns))
        .where(_asked(message_id, position))
        .order_by(recipients.c.position)
        .with_for_update()
    )
    rows = connection.execute(query).all()
    if position is not None and not rows:
        raise NotFound(f"message {message_id} has no recipient {position}")
    return rows


def _asked(message_id: str, position: int | None) -> ColumnElement[bool]:
    asked = recipients.c.message_id == message_id
    return asked if position is None else and_(asked, recipients.c.position == position)


def _named(message_id: str, position: int | None) -> str:
    return message_id if position is None else recipient_id(message_id, position)


def _has(states: Sequence[State]) -> ColumnElement[bool]:
    return exists().where(recipients.c.message_id == messages.c.id, recipients.c.state.in_(states))


def _kept(connection: Connection, query: Select[Any]) -> list[Kept]:
    found = connection.execute(query.add_columns(accounts.c.name.label("account")).join(accounts)).all()
    addressed: dict[str, list[Addressed]] = {row.id: [] for row in found}
    for row in connection.execute(
        select(recipients)
        .where(recipients.c.message_id.in_(list(addressed)))
        .order_by(recipients.c.message_id, recipients.c.position)
    ):
        addressed[row.message_id].append(
            Addressed(
                position=row.position,
                number=row.number,
                text=row.text,
                state=State(row.state),
                parts=row.parts,
                carrier=row.carrier,
                carrier_id=row.carrier_id,
                attempts=row.attempts,
                in_doubt=row.in_doubt,
                reason=row.reason,
                raw=row.raw,
                due_at=row.due_at,
                expires_at=row.expires_at,
                updated_at=row.updated_at,
            )
        )
    return [Kept(**row._mapping, recipients=tuple(addressed[row.id])) for row in found]  # noqa: SLF001 - public by its documentation
