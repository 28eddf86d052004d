"""How much an account used in a window of time: counters that the limits are asked of."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import delete

from bridge.store import batch
from bridge.store.tables import usage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy import Connection


class Window(NamedTuple):
    """What is counted, and when: ``subject`` is ``account``, ``spend``, or ``from`` an origin.

    Times are in milliseconds. A window is named by its end, so that what is over can be swept away by one comparison.
    """

    account_id: int
    subject: str
    start: int
    ends: int


_COLUMNS = ("account_id", "subject", "start", "ends", "amount")
_ADD = "ON CONFLICT (account_id, subject, start, ends) DO UPDATE SET amount = usage.amount + excluded.amount"


def read(connection: Connection, windows: Iterable[Window]) -> dict[Window, int]:
    """Return the count of each window that has one. The caller holds the accounts' locks."""
    rows = batch.matching(connection, usage, Window._fields, windows, _COLUMNS)
    return {Window(*window): amount for *window, amount in rows}


def add(connection: Connection, amounts: Mapping[Window, int]) -> None:
    """Add to the counts."""
    batch.insert(
        connection, usage, _COLUMNS, [(*window, amount) for window, amount in amounts.items() if amount], then=_ADD
    )


def sweep(connection: Connection, *, now: int) -> int:
    """Forget windows that are over. Returns how many."""
    return connection.execute(delete(usage).where(usage.c.ends <= now)).rowcount
