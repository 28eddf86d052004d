"""Taking submissions: the statements of one group commit."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING

from bridge.model.moment import to_ms
from bridge.model.state import State
from bridge.store import batch
from bridge.store.tables import idempotency_keys, messages, recipients

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

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
    "flash",
    "envelope",
    "draft",
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
    rows = batch.matching(connection, idempotency_keys, _KEY[:2], wanted, _KEY)
    return {(account, key): (message, position) for account, key, message, position in rows}


def latest(connection: Connection, account_ids: Iterable[int]) -> dict[int, str]:
    """Return the highest id among the messages of each account that has any."""
    packed = batch.pack([account_id] for account_id in account_ids)
    rows = batch.execute(connection, _latest(connection.dialect.name), packed)
    return {row[0]: row[1] for row in rows if row[1] is not None}


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
        created, expires = to_ms(message.created_at), to_ms(message.expires_at)
        priority = int(message.priority)
        message_rows.append(_message_row(message, created, expires))
        for one in addressed:
            # Mostly the message's own moments.
            due = created if one.due_at is message.created_at else to_ms(one.due_at)
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
                    due if now is None or one.state is not State.QUEUED else min(due, now),
                    expires if one.expires_at is message.expires_at else to_ms(one.expires_at),
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


def open_draft(connection: Connection, message: Message, draft: str) -> None:
    """Insert a message without recipients, which is open; ``draft`` is the rest of its submission, in JSON."""
    row = _message_row(message, to_ms(message.created_at), to_ms(message.expires_at), draft)
    batch.insert(connection, messages, _MESSAGE, [row])


def _message_row(message: Message, created: int, expires: int, draft: str | None = None) -> tuple[object, ...]:
    return (
        message.id,
        message.account_id,
        message.door,
        message.origin,
        message.sender,
        message.text,
        message.encoding,
        message.parts,
        int(message.priority),
        message.reference,
        message.proof,
        message.callback_url,
        message.flash,
        message.envelope,
        draft,
        created,
        expires,
    )


@lru_cache(maxsize=2)
def _latest(dialect: str) -> str:
    return (
        "SELECT batch.account_id,"  # noqa: S608 - names of our own columns
        " (SELECT max(m.id) FROM messages AS m WHERE m.account_id = batch.account_id)"
        f" FROM {batch.source(dialect, [messages.c.account_id])}"
    )
