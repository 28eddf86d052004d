"""Who asked for no more texts: of one account, or of all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import delete, select

from bridge.model.errors import NotFound
from bridge.store import batch
from bridge.store.tables import opt_outs

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection

EVERYBODY = 0
"""The account id under which a number is closed to all accounts."""

_COLUMNS = ("number", "account_id", "word", "created_at")


@dataclass(frozen=True, kw_only=True, slots=True)
class OptOut:
    """A number that gets no texts of an account (of none where ``account_id`` is 0), by which word, since when."""

    number: str
    account_id: int
    word: str
    created_at: int


def add(connection: Connection, number: str, account_id: int, *, word: str, now: int) -> None:
    """Close a number. Once more changes nothing."""
    batch.insert(
        connection,
        opt_outs,
        _COLUMNS,
        [(number, account_id, word, now)],
        then="ON CONFLICT (number, account_id) DO NOTHING",
    )


def remove(connection: Connection, number: str, account_id: int) -> None:
    """Open a number again. Raises :exc:`NotFound`."""
    gone = connection.execute(delete(opt_outs).where(opt_outs.c.number == number, opt_outs.c.account_id == account_id))
    if not gone.rowcount:
        reason = "that number did not opt out there"
        raise NotFound(reason)


def listed(connection: Connection, account_id: int, *, limit: int) -> list[OptOut]:
    """Return the numbers closed to an account by itself, the latest first."""
    rows = connection.execute(
        select(opt_outs)
        .where(opt_outs.c.account_id == account_id)
        .order_by(opt_outs.c.created_at.desc(), opt_outs.c.number)
        .limit(limit)
    )
    return [
        OptOut(number=row.number, account_id=row.account_id, word=row.word, created_at=row.created_at) for row in rows
    ]


def among(connection: Connection, wanted: Iterable[tuple[str, int]]) -> set[tuple[str, int]]:
    """Return those of the (number, account) pairs that are closed, by the account's list or by everybody's."""
    pairs = set(wanted)
    numbers = {(number,) for number, _ in pairs}
    closed = {
        tuple(row) for row in batch.matching(connection, opt_outs, ("number",), numbers, ("number", "account_id"))
    }
    return {pair for pair in pairs if pair in closed or (pair[0], EVERYBODY) in closed} if closed else set()
