"""Texts of which carriers are asked what became of them: who is next, and when again."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from sqlalchemy import TextClause, select, text

from bridge.model.state import State
from bridge.store import batch
from bridge.store.tables import messages, recipients

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection


@dataclass(frozen=True, kw_only=True, slots=True)
class Open:
    """A text whose time to be asked about has come, asked about ``asked`` times before.

    ``since`` is when it came into its state, in milliseconds.
    """

    message_id: str
    position: int
    account_id: int
    number: str
    state: State
    carrier_id: str | None
    asked: int
    since: int


def due(connection: Connection, *, carrier: str, now: int, limit: int) -> list[Open]:
    """Return texts that a carrier is to be asked about, the longest due first, locked until the transaction ends."""
    query = (
        select(
            recipients.c.message_id,
            recipients.c.position,
            recipients.c.number,
            recipients.c.state,
            recipients.c.carrier_id,
            recipients.c.asked,
            recipients.c.updated_at,
            messages.c.account_id,
        )
        .join(messages, messages.c.id == recipients.c.message_id)
        .where(recipients.c.carrier == carrier, recipients.c.ask_at <= now)
        .order_by(recipients.c.ask_at)
        .limit(limit)
        .with_for_update(skip_locked=True, of=recipients)
    )
    return [
        Open(
            message_id=row.message_id,
            position=row.position,
            account_id=row.account_id,
            number=row.number,
            state=State(row.state),
            carrier_id=row.carrier_id,
            asked=row.asked,
            since=row.updated_at,
        )
        for row in connection.execute(query)
    ]


def put(connection: Connection, times: Iterable[tuple[str, int, int | None, int]]) -> None:
    """Set when texts are asked about, and how often they were, as (message, position, when, asked). None: no more.

    A text that is asked about no more in the store stays so.
    """
    rows = list(times)
    if rows:
        connection.execute(_put(connection.dialect.name), {"rows": batch.pack(rows)})


def end(connection: Connection, keys: Iterable[tuple[str, int]], state: State, *, now: int) -> None:
    """Give texts their end without a word of the carrier. The caller holds them from :func:`due`."""
    rows = [(*key, state) for key in keys]
    if rows:
        connection.execute(_end(connection.dialect.name), {"rows": batch.pack(rows), "now": now})


@lru_cache(maxsize=2)
def _put(dialect: str) -> TextClause:
    names = ("message_id", "position", "ask_at", "asked")
    return text(
        "UPDATE recipients SET ask_at = batch.ask_at, asked = batch.asked"  # noqa: S608
        f" FROM {batch.source(dialect, [recipients.c[name] for name in names])}"
        " WHERE recipients.message_id = batch.message_id AND recipients.position = batch.position"
        " AND recipients.ask_at IS NOT NULL"
    )


@lru_cache(maxsize=2)
def _end(dialect: str) -> TextClause:
    names = ("message_id", "position", "state")
    return text(
        "UPDATE recipients SET state = batch.state, ask_at = NULL, updated_at = :now"  # noqa: S608
        f" FROM {batch.source(dialect, [recipients.c[name] for name in names])}"
        " WHERE recipients.message_id = batch.message_id AND recipients.position = batch.position"
    )
