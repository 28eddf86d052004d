"""Taking submissions: the statements of one group commit."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING

from sqlalchemy import TextClause, bindparam, text

from bridge.model.moment import to_ms
from bridge.model.state import State
from bridge.store import batch
from bridge.store.tables import idempotency_keys, messages, recipients

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from bridge.model.message import Message, Recipient

_MESSAGE = (
    "id",
    "account_id",
    "door",
    "origin",
    "sender",
    "text",
    "encoding",
    "parts",
    "priority",
    "reference",
    "proof",
    "callback_url",
    "created_at",
    "expires_at",
)
_RECIPIENT = (
    "message_id",
    "position",
    "number",
    "text",
    "encoding",
    "fields",
    "price",
    "state",
    "lane",
    "priority",
    "parts",
    "due_at",
    "expires_at",
    "attempts",
    "updated_at",
)
_KEY = ("account_id", "key", "message_id", "position")


def taken(connection: Connection, wanted: Iterable[tuple[int, str]]) -> dict[tuple[int, str], tuple[str, int]]:
    """Return those of the wanted (account, key) pairs that were taken before.

    Each with its message and position.
    """
    packed = batch.pack(wanted)
    if packed == "[]":
        return {}
    rows = connection.execute(_taken(connection.dialect.name), {"rows": packed})
    return {(row[0], row[1]): (row[2], row[3]) for row in rows}


def insert(
    connection: Connection, accepted: Sequence[tuple[Message, Sequence[Recipient]]], *, now: int | None = None
) -> None:
    """Insert messages, their recipients, and the recipients' keys.

    ``now`` is the database's time: what is queued is due by then, also where this machine's clock runs ahead.

    Raises sqlalchemy's IntegrityError when another process took one of the keys since :func:`taken` was
    asked.
    """
    message_rows = []
    recipient_rows = []
    key_rows = []
    for message, addressed in accepted:
        created = _milliseconds(message.created_at)
        priority = int(message.priority)
        message_rows.append(
            (
                message.id,
                message.account_id,
                message.door,
                message.origin,
                message.sender,
                message.text,
                message.encoding,
                message.parts,
                priority,
                message.reference,
                message.proof,
                message.callback_url,
                created,
                _milliseconds(message.expires_at),
            )
        )
        for one in addressed:
            recipient_rows.append(
                (
                    message.id,
                    one.position,
                    one.number,
                    one.text,
                    one.encoding,
                    None if one.fields is None else json.dumps(dict(one.fields), ensure_ascii=False),
                    one.price,
                    one.state,
                    one.lane,
                    priority,
                    one.parts,
                    _due(one, now),
                    _milliseconds(one.expires_at),
                    0,
                    created,
                )
            )
            if one.key is not None:
                key_rows.append((message.account_id, one.key, message.id, one.position))
    batch.insert(connection, messages, _MESSAGE, message_rows)
    batch.insert(connection, recipients, _RECIPIENT, recipient_rows)
    # In one order everywhere: two processes that take the same keys wait for each other, and never in a circle.
    batch.insert(connection, idempotency_keys, _KEY, sorted(key_rows))


def _due(one: Recipient, now: int | None) -> int:
    due = _milliseconds(one.due_at)
    return due if now is None or one.state is not State.QUEUED else min(due, now)


@lru_cache(maxsize=1024)
def _milliseconds(moment: datetime) -> int:
    # A submission's recipients nearly always share their times: ten thousand of them, two or three moments.
    return to_ms(moment)


@lru_cache(maxsize=2)
def _taken(dialect: str) -> TextClause:
    columns = [idempotency_keys.c.account_id, idempotency_keys.c.key]
    return text(
        "SELECT k.account_id, k.key, k.message_id, k.position"  # noqa: S608 - names of our own columns
        f" FROM {batch.source(dialect, columns)}"
        " JOIN idempotency_keys AS k ON k.account_id = batch.account_id AND k.key = batch.key"
    ).bindparams(bindparam("rows"))
