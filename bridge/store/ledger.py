"""Credit: an append-only ledger in whole thousandths, and with each account the balance that is its sum.

A text's price is reserved when it is taken (``reserve``, negative) and given back when it surely was not sent
(``refund``); what is not given back is spent. ``credit`` is what an operator adds or takes.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING

from sqlalchemy import func, select, update

from bridge.model.errors import NoCredit
from bridge.store import batch
from bridge.store.tables import accounts, ledger, messages, recipients

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from sqlalchemy import Connection

_COLUMNS = ("account_id", "amount", "kind", "message_id", "position", "note", "created_at")
_OPEN = ("held", "scheduled", "queued", "sending", "unknown")


class Kind(StrEnum):
    """What an entry is."""

    CREDIT = "credit"
    RESERVE = "reserve"
    REFUND = "refund"


@dataclass(kw_only=True, slots=True)
class Purse:
    """An account's balance, and the least it may come to (None: any), in thousandths, while its row is locked."""

    balance: int
    limit: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One line of the ledger: ``amount`` is in thousandths of a credit, negative when it was taken."""

    id: int
    amount: int
    kind: str
    message_id: str | None
    position: int | None
    note: str
    created_at: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Statement:
    """What happened to an account's credit in a period, in thousandths: ``opening + added - spent == closing``."""

    opening: int
    added: int
    reserved: int
    refunded: int
    closing: int

    @property
    def spent(self) -> int:
        """What texts took in the period, less what they gave back."""
        return self.reserved - self.refunded


def lock(connection: Connection, account_ids: Collection[int]) -> dict[int, Purse]:
    """Lock accounts until the transaction ends, in the order of their ids, and return their purses."""
    packed = batch.pack([account_id] for account_id in account_ids)
    rows = batch.execute(connection, _lock(connection.dialect.name), packed)
    return {row[0]: Purse(balance=row[1], limit=row[2]) for row in rows}


def credit(connection: Connection, account_id: int, amount: int, *, note: str = "", now: int) -> int:
    """Add to an account's credit, or take from it with a negative amount. Returns the new balance.

    Raises :exc:`NoCredit` when it would fall below the account's limit.
    """
    purse = lock(connection, [account_id])[account_id]
    if amount < 0 and purse.limit is not None and purse.balance + amount < purse.limit:
        reason = "the account has not that much credit"
        raise NoCredit(reason)
    _post(connection, [(account_id, amount, Kind.CREDIT, None, None, note, now)])
    return purse.balance + amount


def reserve(connection: Connection, rows: Iterable[tuple[int, str, int]], *, now: int) -> None:
    """Take prices, given as (account, message, thousandths). The caller locked the accounts and asked their limits."""
    _post(connection, [(account, -amount, Kind.RESERVE, message, None, "", now) for account, message, amount in rows])


def refund(connection: Connection, rows: Iterable[tuple[int, str, int, int]], *, now: int) -> None:
    """Give prices back, given as (account, message, position, thousandths)."""
    _post(
        connection,
        [
            (account, amount, Kind.REFUND, message, position, "", now)
            for account, message, position, amount in rows
            if amount
        ],
    )


def balance(connection: Connection, account_id: int) -> int:
    """Return the account's credit in thousandths."""
    return int(connection.execute(select(accounts.c.balance).where(accounts.c.id == account_id)).scalar_one())


def credit_left(connection: Connection, account_id: int) -> int | None:
    """Return the account's credit in thousandths; None where its texts are only counted."""
    row = connection.execute(
        select(accounts.c.balance, accounts.c.credit_limit).where(accounts.c.id == account_id)
    ).one()
    return None if row.credit_limit is None else int(row.balance)


def set_limit(connection: Connection, account_id: int, limit: int | None) -> None:
    """Set how low the balance may come; None for an account whose texts are only counted."""
    connection.execute(update(accounts).where(accounts.c.id == account_id).values(credit_limit=limit))


def limit(connection: Connection, account_id: int) -> int | None:
    """Return how low the balance may come, in thousandths; None for no bound."""
    found = connection.execute(select(accounts.c.credit_limit).where(accounts.c.id == account_id)).scalar_one()
    return None if found is None else int(found)


def pending(connection: Connection, account_id: int) -> int:
    """Return what is reserved for texts that are not settled, in thousandths: a part of what the balance lacks."""
    query = (
        select(func.coalesce(func.sum(recipients.c.price), 0))
        .join(messages, messages.c.id == recipients.c.message_id)
        .where(messages.c.account_id == account_id, recipients.c.state.in_(_OPEN))
    )
    return int(connection.execute(query).scalar_one())


def entries(connection: Connection, account_id: int, *, limit: int) -> list[Entry]:
    """Return the newest entries of an account, the last one first."""
    rows = connection.execute(
        select(ledger).where(ledger.c.account_id == account_id).order_by(ledger.c.id.desc()).limit(limit)
    )
    return [
        Entry(
            id=row.id,
            amount=row.amount,
            kind=row.kind,
            message_id=row.message_id,
            position=row.position,
            note=row.note,
            created_at=row.created_at,
        )
        for row in rows
    ]


def statement(connection: Connection, account_id: int, *, since: int, until: int) -> Statement:
    """Return what happened from ``since`` to before ``until``, in milliseconds since 1970."""
    own = ledger.c.account_id == account_id
    opening = connection.execute(
        select(func.coalesce(func.sum(ledger.c.amount), 0)).where(own, ledger.c.created_at < since)
    ).scalar_one()
    within = connection.execute(
        select(ledger.c.kind, func.sum(ledger.c.amount))
        .where(own, ledger.c.created_at >= since, ledger.c.created_at < until)
        .group_by(ledger.c.kind)
    )
    sums = {row[0]: int(row[1]) for row in within}
    added, reserved, refunded = (sums.get(kind, 0) for kind in (Kind.CREDIT, Kind.RESERVE, Kind.REFUND))
    return Statement(
        opening=int(opening),
        added=added,
        reserved=-reserved,
        refunded=refunded,
        closing=int(opening) + sum(sums.values()),
    )


def _post(connection: Connection, rows: Sequence[tuple[int, int, str, str | None, int | None, str, int]]) -> None:
    """Append entries and bring the balances along."""
    if not rows:
        return
    batch.insert(connection, ledger, _COLUMNS, rows)
    sums: defaultdict[int, int] = defaultdict(int)
    for account, amount, *_ in rows:
        sums[account] += amount
    batch.execute(connection, _settle(connection.dialect.name), batch.pack(sorted(sums.items())))


@lru_cache(maxsize=2)
def _lock(dialect: str) -> str:
    # Rows that only name an account need not wait for this lock. SQLite has locked everything already.
    locked = " FOR NO KEY UPDATE OF a" if dialect == "postgresql" else ""
    return (
        f"SELECT a.id, a.balance, a.credit_limit FROM {batch.source(dialect, [accounts.c.id])}"  # noqa: S608
        f" CROSS JOIN accounts AS a WHERE a.id = batch.id ORDER BY a.id{locked}"
    )


@lru_cache(maxsize=2)
def _settle(dialect: str) -> str:
    return (
        "UPDATE accounts SET balance = accounts.balance + batch.amount"  # noqa: S608 - names of our own columns
        f" FROM {batch.source(dialect, [ledger.c.account_id, ledger.c.amount])}"
        " WHERE accounts.id = batch.account_id"
    )
