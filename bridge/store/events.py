"""The outbox of changes: written in the transaction of the change, drained by whoever tells the world.

Moves that a customer's program is called for become callbacks at the same time (:mod:`bridge.store.callbacks`).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from bridge.store import batch, callbacks
from bridge.store.tables import events

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy import Connection

NewEvent = tuple["int | None", str, "str | None", "int | None", "Mapping[str, Any]"]
"""An event to be: account, kind, message, position, data."""

_COLUMNS = ("account_id", "kind", "message_id", "position", "data", "created_at")


def add(connection: Connection, rows: Iterable[NewEvent], *, now: int) -> None:
    """Append events, and the calls of customers' programs that they ask for.

    Their data is kept in ASCII: no NUL and no half of a surrogate pair can break the write.
    """
    rows = list(rows)
    batch.insert(
        connection,
        events,
        _COLUMNS,
        [
            (account, kind, message, position, json.dumps(dict(data)), now)
            for account, kind, message, position, data in rows
        ],
    )
    callbacks.tell_moves(connection, rows, now=now)


def of_message(connection: Connection, message_id: str) -> list[dict[str, Any]]:
    """Return what happened to a message, in order: ``kind``, ``position``, ``data``, ``created_at``."""
    rows = connection.execute(select(events).where(events.c.message_id == message_id).order_by(events.c.id))
    return [
        {
            "kind": row.kind,
            "position": row.position,
            "data": json.loads(row.data),
            "created_at": row.created_at,
        }
        for row in rows
    ]
