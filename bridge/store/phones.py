"""The latest texts, for the page that shows phones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from bridge.store.tables import messages, recipients

if TYPE_CHECKING:
    from collections.abc import Hashable

    from sqlalchemy import Connection


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """One text to one number. ``created_at`` is in milliseconds since 1970."""

    message_id: str
    position: int
    number: str
    text: str
    sender: str | None
    door: str
    origin: str
    state: str
    reason: str | None
    carrier: str | None
    parts: int
    created_at: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Phone:
    """A number and its latest texts, the newest first."""

    number: str
    texts: tuple[Shown, ...]


def latest(connection: Connection, *, limit: int) -> list[Shown]:
    """Return the newest ``limit`` texts, the newest first: a walk back from the end of the primary key."""
    query = (
        select(
            recipients.c.message_id,
            recipients.c.position,
            recipients.c.number,
            func.coalesce(recipients.c.text, messages.c.text).label("text"),
            messages.c.sender,
            messages.c.door,
            messages.c.origin,
            recipients.c.state,
            recipients.c.reason,
            recipients.c.carrier,
            recipients.c.parts,
            messages.c.created_at,
        )
        .join(messages, messages.c.id == recipients.c.message_id)
        .order_by(recipients.c.message_id.desc(), recipients.c.position.desc())
        .limit(limit)
    )
    return [Shown(**row._mapping) for row in connection.execute(query)]  # noqa: SLF001 - its documented name


def stamp(connection: Connection, *, limit: int) -> Hashable:
    """Return a value that changes whenever one of the newest ``limit`` texts, or their number, does.

    The counts per state are in it because two moves may fall into one millisecond.
    """
    newest = (
        select(recipients.c.message_id, recipients.c.state, recipients.c.updated_at)
        .order_by(recipients.c.message_id.desc(), recipients.c.position.desc())
        .limit(limit)
        .subquery()
    )
    query = (
        select(newest.c.state, func.count(), func.max(newest.c.message_id), func.sum(newest.c.updated_at))
        .group_by(newest.c.state)
        .order_by(newest.c.state)
    )
    return tuple(tuple(row) for row in connection.execute(query))


def group(texts: list[Shown], *, numbers: int, each: int) -> list[Phone]:
    """Group texts, the newest first, by number: the ``numbers`` that got one last, with ``each`` texts at most."""
    by_number: dict[str, list[Shown]] = {}
    for one in texts:
        if one.number not in by_number and len(by_number) == numbers:
            continue
        kept = by_number.setdefault(one.number, [])
        if len(kept) < each:
            kept.append(one)
    return [Phone(number=number, texts=tuple(kept)) for number, kept in by_number.items()]
