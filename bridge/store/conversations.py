"""The last word with a number: when an account texted it lately, and with which message.

Limits per number are asked of the times; a reply from the phone finds by it the message that it answers.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sqlalchemy import delete, select

from bridge.store import batch
from bridge.store.tables import conversations, inbound_taken

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection

_COLUMNS = ("number", "account_id", "last_at", "message_id", "position", "times")
_REPLACE = (
    "ON CONFLICT (number, account_id) DO UPDATE SET last_at = excluded.last_at, message_id = excluded.message_id,"
    " position = excluded.position,"
    " times = CASE excluded.times WHEN '[]' THEN conversations.times ELSE excluded.times END"
)


def times(connection: Connection, wanted: Iterable[tuple[str, int]]) -> dict[tuple[str, int], list[int]]:
    """Return when each (number, account) was texted lately, in milliseconds, oldest first. The caller holds locks."""
    whose = ("number", "account_id")
    rows = batch.matching(connection, conversations, whose, wanted, (*whose, "times"))
    return {(number, account): json.loads(known) for number, account, known in rows}


def note(connection: Connection, rows: Sequence[tuple[str, int, int, str, int, Sequence[int]]]) -> None:
    """Keep texts as (number, account, at, message, position, lately): the last word with each number.

    Where ``lately`` is empty the text is none that counts, and the times stay as they are.
    """
    batch.insert(
        connection,
        conversations,
        _COLUMNS,
        [(*row[:5], json.dumps(row[5], separators=(",", ":"))) for row in rows],
        then=_REPLACE,
    )


def last(connection: Connection, number: str) -> tuple[int, str, int] | None:
    """Return account, message and position of the latest text to a number, or None."""
    row = connection.execute(
        select(conversations.c.account_id, conversations.c.message_id, conversations.c.position)
        .where(conversations.c.number == number)
        .order_by(conversations.c.last_at.desc(), conversations.c.message_id.desc())
        .limit(1)
    ).one_or_none()
    return None if row is None else (row.account_id, row.message_id, row.position)


def first_time(connection: Connection, carrier: str, carrier_id: str, *, now: int) -> bool:
    """Note that a carrier brought a text from a phone. Returns False when it had brought it before."""
    known = select(inbound_taken.c.carrier_id).where(
        inbound_taken.c.carrier == carrier, inbound_taken.c.carrier_id == carrier_id
    )
    if connection.scalar(known) is not None:
        return False
    connection.execute(inbound_taken.insert().values(carrier=carrier, carrier_id=carrier_id, created_at=now))
    return True


def forget_inbound(connection: Connection, *, before: int) -> None:
    """Forget which texts from phones were brought before a time: no carrier repeats one for that long."""
    connection.execute(delete(inbound_taken).where(inbound_taken.c.created_at < before))
