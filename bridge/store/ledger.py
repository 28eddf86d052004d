"""Credit: an append-only ledger in whole thousandths, and the balance that is its sum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, insert, select

from bridge.store.tables import ledger

if TYPE_CHECKING:
    from sqlalchemy import Connection


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One line of the ledger: ``amount`` is in thousandths of a credit, negative when it was taken."""

    id: int
    amount: int
    kind: str
    note: str
    created_at: int


def add(connection: Connection, account_id: int, amount: int, *, kind: str, note: str = "", now: int) -> None:
    """Append an entry."""
    connection.execute(
        insert(ledger).values(account_id=account_id, amount=amount, kind=kind, note=note, created_at=now)
    )


def balance(connection: Connection, account_id: int) -> int:
    """Return the account's credit in thousandths."""
    total = select(func.coalesce(func.sum(ledger.c.amount), 0)).where(ledger.c.account_id == account_id)
    return int(connection.execute(total).scalar_one())


def entries(connection: Connection, account_id: int, *, limit: int) -> list[Entry]:
    """Return the newest entries of an account, the last one first."""
    rows = connection.execute(
        select(ledger).where(ledger.c.account_id == account_id).order_by(ledger.c.id.desc()).limit(limit)
    )
    return [
        Entry(id=row.id, amount=row.amount, kind=row.kind, note=row.note, created_at=row.created_at) for row in rows
    ]
