"""The queue: claim, renew, release, reap, and record what became of a text.

A row is *eligible* when its state is ``queued``, its lane is the one asked for, and its ``due_at`` is not
later than the database's time. A claim moves it to ``sending`` under a lease: ``lease_owner`` may act on it
until ``lease_until``, to the millisecond; at that time and after it anybody may reap it. Only the owner's
word is recorded while the lease stands, so a process that was away too long changes nothing that another one
took over.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import TextClause, and_, bindparam, not_, or_, select, text, tuple_, update

from bridge.model.message import Priority, recipient_id
from bridge.model.state import State
from bridge.store import batch
from bridge.store.tables import messages, recipients

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlalchemy import ColumnElement, Connection, Result, Row, Select


@dataclass(frozen=True, kw_only=True, slots=True)
class Claimed:
    """A row under our lease, with all that a carrier needs. ``attempt`` counts this try: the first is 1.

    ``carrier`` is None when no carrier may be asked: the one that may have the text is not there any more.
    """

    message_id: str
    position: int
    account_id: int
    number: str
    text: str
    encoding: str
    sender: str | None
    parts: int
    attempt: int
    carrier: str | None
    in_doubt: bool
    maybe_sent: bool = False
    lane: str
    price: int
    created_at: int
    expires_at: int
    priority: Priority = Priority.NORMAL
    flash: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """A move of one recipient. Fields left at None keep what the row has, but for the lease, which ends.

    ``attempt`` says of which try this is the end: a row that went on to another one is left alone. So what is written
    twice, or comes too late, never ends a send that is under way. ``ask_at`` is when the carrier is first asked what
    became of it; None: never.
    """

    message_id: str
    position: int
    state: State
    attempt: int | None = None
    due_at: int | None = None
    carrier: str | None = None
    in_doubt: bool | None = None
    carrier_id: str | None = None
    reason: str | None = None
    raw: str | None = None
    ask_at: int | None = None


class Leave(Enum):
    """Says of a row that it stays where it is."""

    LEAVE = "leave"


LEAVE: Final = Leave.LEAVE


@dataclass(frozen=True, kw_only=True, slots=True)
class Barred:
    """Rows that a claim does not look at, for their carrier takes nothing now.

    Those that name one of ``full``; those in doubt that name one of ``resting``; and those that name none, where
    ``fresh``.
    """

    full: frozenset[str] = frozenset()
    resting: frozenset[str] = frozenset()
    fresh: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Stale:
    """A row whose lease ran out."""

    message_id: str
    position: int
    account_id: int
    carrier: str | None


def claim(
    connection: Connection,
    *,
    lane: str,
    limit: int,
    owner: str,
    now: int,
    until: int,
    carrier: Callable[[str, str | None, bool], str | Leave | None],
    oldest: int = 0,
    patience: int = 0,
    barred: Barred | None = None,
    stale: bool = False,
) -> list[Claimed]:
    """Take up to ``limit`` eligible rows of a lane, the highest priority first, then the longest due.

    Up to ``oldest`` of them are those that are due the longest whatever their priority, if that is ``patience``
    milliseconds or more: so a queue that is never first still moves.

    ``barred`` rows are not looked at, with ``stale`` only those that are past their lifetime. ``carrier`` names the
    carrier to ask, given the recipient's id, the carrier that the row names and whether it is in doubt; what it says
    to :data:`LEAVE` stays queued. Rows past their lifetime are taken too: the caller expires them. No two callers get
    the same row: SQLite has one writer, PostgreSQL skips rows that another has locked.
    """
    taken: dict[tuple[str, int], Row[Any]] = {}
    conditions = () if barred is None else tuple(_outside(barred))
    if stale:
        conditions = (*conditions, recipients.c.expires_at <= now)
    if oldest:
        starved = [
            row
            for priority in Priority
            for row in _eligible(connection, lane, priority, conditions, before=now - patience, limit=oldest)
        ]
        for row in sorted(starved, key=lambda row: row.due_at)[:oldest]:
            taken[row.message_id, row.position] = row
    for priority in sorted(Priority, reverse=True):
        if len(taken) >= limit:
            break
        for row in _eligible(connection, lane, priority, conditions, before=now, limit=limit):
            if len(taken) < limit:
                taken.setdefault((row.message_id, row.position), row)
    named = {
        key: chosen
        for key, row in taken.items()
        if (chosen := row.carrier if row.expires_at <= now else carrier(recipient_id(*key), row.carrier, row.in_doubt))
        is not LEAVE
    }
    if not named:
        return []
    rows = [(*key, chosen) for key, chosen in named.items()]
    found = connection.execute(
        _claim(connection.dialect.name),
        {"rows": batch.pack(rows), "owner": owner, "until": until, "now": now},
    ).all()
    texts = {
        row.id: row
        for row in connection.execute(
            select(
                messages.c.id,
                messages.c.account_id,
                messages.c.text,
                messages.c.encoding,
                messages.c.sender,
                messages.c.flash,
                messages.c.created_at,
            ).where(messages.c.id.in_(list({message_id for message_id, _ in named})))
        )
    }
    by_key = {(row.message_id, row.position): row for row in found}
    claimed = []
    for key, chosen in named.items():
        row = by_key[key]
        message = texts[row.message_id]
        claimed.append(
            Claimed(
                message_id=row.message_id,
                position=row.position,
                account_id=message.account_id,
                number=row.number,
                text=row.text or message.text,
                encoding=row.encoding or message.encoding,
                sender=message.sender,
                parts=row.parts,
                attempt=row.attempts,
                carrier=chosen,
                in_doubt=row.in_doubt,
                maybe_sent=row.maybe_sent,
                lane=lane,
                price=row.price,
                created_at=message.created_at,
                expires_at=row.expires_at,
                priority=Priority(row.priority),
                flash=message.flash,
            )
        )
    return claimed


def _eligible(
    connection: Connection,
    lane: str,
    priority: Priority,
    conditions: Sequence[ColumnElement[bool]],
    *,
    before: int,
    limit: int,
    lock: bool = True,
) -> Result[Any]:
    query = _first_due(lock=lock).where(*conditions) if conditions else _first_due(lock=lock)
    return connection.execute(query, {"lane": lane, "priority": int(priority), "before": before, "most": limit})


@lru_cache(maxsize=2)
def _first_due(*, lock: bool) -> Select[Any]:
    """Return the query of what is due, kept: to make one anew takes longer than to run it."""
    query = (
        select(
            recipients.c.message_id,
            recipients.c.position,
            recipients.c.carrier,
            recipients.c.in_doubt,
            recipients.c.due_at,
            recipients.c.expires_at,
        )
        .where(
            recipients.c.state == text("'queued'"),
            recipients.c.lane == bindparam("lane"),
            recipients.c.priority == bindparam("priority"),
            recipients.c.due_at <= bindparam("before"),
        )
        .order_by(recipients.c.due_at)
        .limit(bindparam("most"))
    )
    return query.with_for_update(skip_locked=True) if lock else query


def _outside(barred: Barred) -> Iterator[ColumnElement[bool]]:
    column = recipients.c.carrier
    if barred.fresh:
        yield column.is_not(None)
    if barred.full:
        yield or_(column.is_(None), column.not_in(sorted(barred.full)))
    if barred.resting:
        yield or_(column.is_(None), not_(and_(recipients.c.in_doubt, column.in_(sorted(barred.resting)))))


def is_stale(connection: Connection, *, lane: str, now: int) -> bool:
    """Whether a lane holds queued rows that are past their lifetime. Looks at all of them when it holds none."""
    stale = (recipients.c.expires_at <= now,)
    return any(
        # What is past its lifetime is past the time at which it was due.
        _eligible(connection, lane, priority, stale, before=now, limit=1, lock=False).first() is not None
        for priority in Priority
    )


def forgotten(connection: Connection, *, lane: str, owner: str) -> list[tuple[str, int]]:
    """Return the rows of a lane under an owner's lease, as (message, position)."""
    query = select(recipients.c.message_id, recipients.c.position).where(
        recipients.c.state == text("'sending'"), recipients.c.lease_owner == owner, recipients.c.lane == lane
    )
    return [(row.message_id, row.position) for row in connection.execute(query)]


def promote(connection: Connection, *, now: int, limit: int) -> int:
    """Queue scheduled rows whose time has come, at most ``limit``, the earliest first. Returns how many."""
    due = (
        select(recipients.c.message_id, recipients.c.position)
        .where(recipients.c.state == text("'scheduled'"), recipients.c.due_at <= now)
        .order_by(recipients.c.due_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    done = connection.execute(
        update(recipients)
        .where(tuple_(recipients.c.message_id, recipients.c.position).in_(due))
        .values(state=State.QUEUED, updated_at=now)
    )
    return done.rowcount


def renew(connection: Connection, *, owner: str, until: int) -> int:
    """Move the end of every lease of this owner to ``until``. Returns how many it holds."""
    done = connection.execute(
        update(recipients)
        .where(recipients.c.state == text("'sending'"), recipients.c.lease_owner == owner)
        .values(lease_until=until)
    )
    return done.rowcount


def release(connection: Connection, *, owner: str, keys: Sequence[tuple[str, int]], now: int) -> int:
    """Give back rows that were claimed and never begun: queued again, the try uncounted. Returns how many."""
    if not keys:
        return 0
    done = connection.execute(_release(connection.dialect.name), {"rows": batch.pack(keys), "owner": owner, "now": now})
    return done.rowcount


def overdue(connection: Connection, *, now: int, limit: int) -> list[Stale]:
    """Return rows in ``sending`` whose lease has run out: ``lease_until`` is now or earlier."""
    query = (
        select(recipients.c.message_id, recipients.c.position, messages.c.account_id, recipients.c.carrier)
        .join(messages, messages.c.id == recipients.c.message_id)
        .where(recipients.c.state == text("'sending'"), recipients.c.lease_until <= now)
        .limit(limit)
        .with_for_update(skip_locked=True, of=recipients)
    )
    return [
        Stale(message_id=row.message_id, position=row.position, account_id=row.account_id, carrier=row.carrier)
        for row in connection.execute(query)
    ]


def record(connection: Connection, changes: Sequence[Change], *, owner: str | None, now: int) -> set[tuple[str, int]]:
    """Write what became of texts. Returns the (message, position) of those that were changed.

    Rows of another try than the change is about stay as they are. With an ``owner``, only rows in ``sending`` under
    its lease change, and rows that were meanwhile reaped to ``unknown``, for which a late answer is the truth.
    Without one the caller holds the rows by another right (it reaped them in this transaction).
    """
    if not changes:
        return set()
    rows = [
        (
            change.message_id,
            change.position,
            change.state,
            change.due_at,
            change.carrier,
            change.in_doubt,
            printable(change.carrier_id),
            printable(change.reason),
            printable(change.raw),
            change.attempt,
            change.ask_at,
        )
        for change in changes
    ]
    statement = _record(connection.dialect.name, owned=owner is not None)
    parameters = {"rows": batch.pack(rows), "now": now}
    if owner is not None:
        parameters["owner"] = owner
    return {(row.message_id, row.position) for row in connection.execute(statement, parameters)}


def name(connection: Connection, changes: Sequence[Change]) -> None:
    """Keep the carrier's ids of texts that a report settled before the answer of their send came.

    Only where the row has none yet, is with that carrier, and is still in that try.
    """
    rows = [
        (change.message_id, change.position, change.carrier, printable(change.carrier_id), change.attempt)
        for change in changes
    ]
    if rows:
        connection.execute(_name(connection.dialect.name), {"rows": batch.pack(rows)})


def printable(foreign: str | None) -> str | None:
    """Return what a carrier said without what a text column cannot hold: NUL, and halves of surrogate pairs."""
    if not foreign or (foreign.isascii() and "\0" not in foreign):
        return foreign
    return foreign.replace("\0", "").encode(errors="replace").decode()


@lru_cache(maxsize=2)
def _claim(dialect: str) -> TextClause:
    columns = [recipients.c.message_id, recipients.c.position, recipients.c.carrier]
    return text(
        "UPDATE recipients SET state = 'sending', attempts = recipients.attempts + 1,"  # noqa: S608
        " carrier = COALESCE(batch.carrier, recipients.carrier),"
        " lease_owner = :owner, lease_until = :until, updated_at = :now"
        f" FROM {batch.source(dialect, columns)}"
        " WHERE recipients.message_id = batch.message_id AND recipients.position = batch.position"
        " RETURNING recipients.message_id, recipients.position, recipients.number, recipients.parts,"
        " recipients.attempts, recipients.in_doubt, recipients.expires_at, recipients.text, recipients.encoding,"
        " recipients.price, recipients.maybe_sent, recipients.priority"
    )


@lru_cache(maxsize=2)
def _release(dialect: str) -> TextClause:
    return text(
        "UPDATE recipients SET state = 'queued', attempts = recipients.attempts - 1, lease_owner = NULL,"  # noqa: S608
        " lease_until = NULL, updated_at = :now"
        f" FROM {batch.source(dialect, [recipients.c.message_id, recipients.c.position])}"
        " WHERE recipients.message_id = batch.message_id AND recipients.position = batch.position"
        " AND recipients.state = 'sending' AND recipients.lease_owner = :owner"
    )


@lru_cache(maxsize=4)
def _record(dialect: str, *, owned: bool) -> TextClause:
    names = (
        "message_id",
        "position",
        "state",
        "due_at",
        "carrier",
        "in_doubt",
        "carrier_id",
        "reason",
        "raw",
        "attempts",
        "ask_at",
    )
    ours = " AND ((recipients.state = 'sending' AND recipients.lease_owner = :owner) OR recipients.state = 'unknown')"
    return text(
        "UPDATE recipients SET state = batch.state, due_at = COALESCE(batch.due_at, recipients.due_at),"  # noqa: S608
        " carrier = COALESCE(batch.carrier, recipients.carrier),"
        " in_doubt = COALESCE(batch.in_doubt, recipients.in_doubt),"
        " maybe_sent = recipients.maybe_sent OR batch.state = 'unknown',"
        " carrier_id = COALESCE(batch.carrier_id, recipients.carrier_id),"
        " reason = COALESCE(batch.reason, recipients.reason), raw = COALESCE(batch.raw, recipients.raw),"
        " ask_at = batch.ask_at, asked = 0, lease_owner = NULL, lease_until = NULL, updated_at = :now"
        f" FROM {batch.source(dialect, [recipients.c[name] for name in names])}"
        " WHERE recipients.message_id = batch.message_id AND recipients.position = batch.position"
        " AND recipients.attempts = COALESCE(batch.attempts, recipients.attempts)"
        f"{ours if owned else ''}"
        " RETURNING recipients.message_id, recipients.position"
    )


@lru_cache(maxsize=2)
def _name(dialect: str) -> TextClause:
    names = ("message_id", "position", "carrier", "carrier_id", "attempts")
    return text(
        "UPDATE recipients SET carrier_id = batch.carrier_id"  # noqa: S608
        f" FROM {batch.source(dialect, [recipients.c[name] for name in names])}"
        " WHERE recipients.message_id = batch.message_id AND recipients.position = batch.position"
        " AND recipients.attempts = batch.attempts AND recipients.carrier = batch.carrier"
        " AND recipients.carrier_id IS NULL AND recipients.state IN ('sent', 'delivered', 'undelivered', 'expired')"
    )
