"""Drafts: messages whose recipients are held, and which take recipients and changes until they are closed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import TextClause, func, select, text, update

from bridge.model.errors import NotFound, WrongState
from bridge.model.moment import to_ms
from bridge.model.state import State
from bridge.store import batch, submissions
from bridge.store.tables import messages, recipients

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from bridge.model.message import Message, Recipient

_SETTLED = (
    "message_id",
    "position",
    "state",
    "lane",
    "text",
    "encoding",
    "parts",
    "price",
    "due_at",
    "expires_at",
    "reason",
)
_HELD = (
    "message_id",
    "position",
    "number",
    "text",
    "fields",
    "state",
    "lane",
    "priority",
    "parts",
    "due_at",
    "expires_at",
    "attempts",
    "updated_at",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Held:
    """A recipient of a draft."""

    position: int
    number: str
    text: str | None
    fields: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Draft:
    """An open message. ``options`` are what of a submission has no column of its own."""

    id: str
    account_id: int
    door: str
    origin: str
    sender: str | None
    text: str
    priority: int
    reference: str | None
    proof: str
    options: Mapping[str, Any]
    recipients: tuple[Held, ...]


def find(connection: Connection, draft_id: str) -> Draft:
    """Return a draft, its message locked. Raises :exc:`NotFound`, :exc:`WrongState` for one that was closed."""
    row = connection.execute(select(messages).where(messages.c.id == draft_id).with_for_update()).one_or_none()
    if row is None:
        raise NotFound(f"no message has the id {draft_id}")
    held = connection.execute(
        select(recipients.c.position, recipients.c.number, recipients.c.text, recipients.c.fields)
        .where(recipients.c.message_id == draft_id, recipients.c.state == State.HELD)
        .order_by(recipients.c.position)
    ).all()
    if row.draft is None:
        raise WrongState(f"message {draft_id} is not open any more")
    return Draft(
        id=row.id,
        account_id=row.account_id,
        door=row.door,
        origin=row.origin,
        sender=row.sender,
        text=row.text,
        priority=row.priority,
        reference=row.reference,
        proof=row.proof,
        options=json.loads(row.draft),
        recipients=tuple(
            Held(
                position=one.position,
                number=one.number,
                text=one.text,
                fields=json.loads(one.fields) if one.fields else {},
            )
            for one in held
        ),
    )


def open_message(connection: Connection, message: Message, options: Mapping[str, Any]) -> None:
    """Insert a message as a draft."""
    submissions.open_draft(connection, message, json.dumps(dict(options)))


def hold(
    connection: Connection, draft_id: str, rows: Sequence[tuple[int, str, str | None, Mapping[str, str]]], *, now: int
) -> None:
    """Add recipients, given as (position, number, own text, fields)."""
    batch.insert(
        connection,
        recipients,
        _HELD,
        [
            (draft_id, position, number, own, json.dumps(dict(fields)), State.HELD, "", 0, 0, now, now, 0, now)
            for position, number, own, fields in rows
        ],
    )


def last_position(connection: Connection, draft_id: str) -> int:
    """Return the highest position of a message's recipients, 0 when it has none."""
    found = connection.scalar(select(func.max(recipients.c.position)).where(recipients.c.message_id == draft_id))
    return int(found or 0)


def change(connection: Connection, draft_id: str, values: Mapping[str, Any], options: Mapping[str, Any]) -> None:
    """Change an open message's columns and options."""
    connection.execute(
        update(messages).where(messages.c.id == draft_id).values(**values, draft=json.dumps(dict(options)))
    )


def close(
    connection: Connection,
    message: Message,
    admitted: Sequence[Recipient],
    refused: Mapping[int, str],
    *,
    now: int,
) -> None:
    """Turn a draft into what was taken of it: recipients move on, those refused (by position) for a reason."""
    connection.execute(
        update(messages)
        .where(messages.c.id == message.id)
        .values(
            sender=message.sender,
            text=message.text,
            encoding=message.encoding,
            parts=message.parts,
            flash=message.flash,
            expires_at=to_ms(message.expires_at),
            draft=None,
        )
    )
    rows: list[tuple[Any, ...]] = [
        (
            message.id,
            one.position,
            one.state,
            one.lane,
            one.text,
            one.encoding,
            one.parts,
            one.price,
            to_ms(one.due_at),
            to_ms(one.expires_at),
            None,
        )
        for one in admitted
    ]
    rows += [
        (message.id, position, State.REFUSED, "", None, None, 0, 0, now, now, reason)
        for position, reason in refused.items()
    ]
    connection.execute(
        _settle(connection.dialect.name), {"rows": batch.pack(rows), "priority": int(message.priority), "now": now}
    )


@lru_cache(maxsize=2)
def _settle(dialect: str) -> TextClause:
    moved = ", ".join(f"{name} = batch.{name}" for name in _SETTLED[2:])
    return text(
        f"UPDATE recipients SET {moved}, priority = :priority, fields = NULL, updated_at = :now"  # noqa: S608
        f" FROM {batch.source(dialect, [recipients.c[name] for name in _SETTLED])}"
        " WHERE recipients.message_id = batch.message_id AND recipients.position = batch.position"
        " AND recipients.state = 'held'"
    )
