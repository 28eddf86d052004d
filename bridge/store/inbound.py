"""Texts from phones, as an account's programs read them: on from the last one seen, until they are done with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select, update

from bridge.model.message import recipient_id
from bridge.store.queue import printable
from bridge.store.tables import inbound

if TYPE_CHECKING:
    from sqlalchemy import Connection


@dataclass(frozen=True, kw_only=True, slots=True)
class Heard:
    """A text from a phone. ``answers`` is the recipient id of the text that it answers, where one is known.

    Times are in milliseconds since 1970.
    """

    id: int
    sender: str
    recipient: str
    text: str
    answers: str | None
    sent_at: int
    created_at: int


def keep(connection: Connection, *, account_id: int | None, answers: tuple[str, int] | None, **heard: Any) -> int:
    """Keep a text, and return its id.

    The caller holds the account's lock, so that ids of one account are committed in their order. ``heard`` are the
    other columns.
    """
    message_id, position = answers or (None, None)
    values = {name: printable(value) if isinstance(value, str) else value for name, value in heard.items()}
    new = insert(inbound).values(account_id=account_id, message_id=message_id, position=position, **values)
    return int(connection.execute(new.returning(inbound.c.id)).scalar_one())


def listed(connection: Connection, account_id: int, *, after: int, limit: int) -> list[Heard]:
    """Return texts of an account with ids above ``after`` that are not done with, in the order of their ids."""
    rows = connection.execute(
        select(inbound)
        .where(inbound.c.account_id == account_id, inbound.c.id > after, inbound.c.acknowledged_at.is_(None))
        .order_by(inbound.c.id)
        .limit(limit)
    )
    return [
        Heard(
            id=row.id,
            sender=row.sender,
            recipient=row.recipient,
            text=row.text,
            answers=None if row.message_id is None else recipient_id(row.message_id, row.position),
            sent_at=row.sent_at,
            created_at=row.created_at,
        )
        for row in rows
    ]


def acknowledge(connection: Connection, account_id: int, *, upto: int, now: int) -> int:
    """Mark an account's texts with ids up to one as done with. Returns how many were not yet."""
    done = connection.execute(
        update(inbound)
        .where(inbound.c.account_id == account_id, inbound.c.id <= upto, inbound.c.acknowledged_at.is_(None))
        .values(acknowledged_at=now)
    )
    return done.rowcount
