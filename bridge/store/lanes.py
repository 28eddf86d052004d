"""The lanes that texts queue in: finding those that a configuration left behind, and moving their texts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from sqlalchemy import TextClause, select, text, update

from bridge.model.message import Priority
from bridge.store import batch
from bridge.store.tables import accounts, messages, recipients

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from sqlalchemy import Connection


@dataclass(frozen=True, kw_only=True, slots=True)
class Stray:
    """A queued row in a lane that no longer exists, with all that a route is chosen by."""

    message_id: str
    position: int
    number: str
    account: str
    sender: str | None
    priority: Priority


def strays(connection: Connection, *, known: Collection[str], limit: int) -> list[Stray]:
    """Return queued rows in lanes other than those known and the one without a name."""
    found: list[Stray] = []
    for lane in _lanes(connection):
        if lane not in known and len(found) < limit:
            rows = connection.execute(
                select(
                    recipients.c.message_id,
                    recipients.c.position,
                    recipients.c.number,
                    recipients.c.priority,
                    messages.c.sender,
                    accounts.c.name,
                )
                .join(messages, messages.c.id == recipients.c.message_id)
                .join(accounts, accounts.c.id == messages.c.account_id)
                .where(recipients.c.state == text("'queued'"), recipients.c.lane == lane)
                .limit(limit - len(found))
            )
            found.extend(
                Stray(
                    message_id=row.message_id,
                    position=row.position,
                    number=row.number,
                    account=row.name,
                    sender=row.sender,
                    priority=Priority(row.priority),
                )
                for row in rows
            )
    return found


def move(connection: Connection, rows: Sequence[tuple[str, int, str]]) -> None:
    """Move queued rows, given as (message, position, lane), to other lanes."""
    if rows:
        connection.execute(_move(connection.dialect.name), {"rows": batch.pack(rows)})


def rename(connection: Connection, old: str, new: str) -> None:
    """Move all queued rows of a lane to another one."""
    connection.execute(
        update(recipients).where(recipients.c.state == text("'queued'"), recipients.c.lane == old).values(lane=new)
    )


def _lanes(connection: Connection) -> Iterator[str]:
    """Yield the lanes that have queued rows: one look into the queue's index for each, not one for each row."""
    lane: str | None = ""
    while lane is not None:
        after = recipients.c.lane > lane
        lane = connection.scalar(
            select(recipients.c.lane)
            .where(recipients.c.state == text("'queued'"), after)
            .order_by(recipients.c.lane)
            .limit(1)
        )
        if lane is not None:
            yield lane


@lru_cache(maxsize=2)
def _move(dialect: str) -> TextClause:
    names = ("message_id", "position", "lane")
    return text(
        "UPDATE recipients SET lane = batch.lane"  # noqa: S608
        f" FROM {batch.source(dialect, [recipients.c[name] for name in names])}"
        " WHERE recipients.message_id = batch.message_id AND recipients.position = batch.position"
        " AND recipients.state = 'queued'"
    )
