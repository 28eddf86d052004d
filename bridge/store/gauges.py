"""How much waits, and for how long: what an operator watches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, select, text

from bridge.store.tables import messages, recipients

if TYPE_CHECKING:
    from sqlalchemy import Connection


@dataclass(frozen=True, kw_only=True, slots=True)
class Waiting:
    """Texts (one per recipient) that are not out yet. ``oldest`` is when the oldest queued one was taken, or None.

    Times are milliseconds since 1970.
    """

    queued: int
    sending: int
    oldest: int | None


def waiting(connection: Connection) -> Waiting:
    """Count what waits. Each count reads its own partial index, not the table: it costs what waits, not what was."""
    queued, first = connection.execute(
        # Ids made later sort later, so the least one is the oldest. Asked for together with the count: alone,
        # PostgreSQL would look for it from the beginning of the table.
        select(func.count(), func.min(recipients.c.message_id)).where(recipients.c.state == text("'queued'"))
    ).one()
    sending = connection.scalar(
        select(func.count()).select_from(recipients).where(recipients.c.state == text("'sending'"))
    )
    oldest = connection.scalar(select(messages.c.created_at).where(messages.c.id == first)) if first else None
    return Waiting(queued=queued, sending=sending or 0, oldest=oldest)
