"""Reports on texts that nobody knows yet: they overtook the answer of the send, or are of somebody else."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import TextClause, delete, exists, func, select, text

from bridge.model.message import Report
from bridge.model.moment import from_ms, to_ms
from bridge.model.state import State
from bridge.store import batch
from bridge.store.queue import printable
from bridge.store.tables import early_reports, recipients

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection, Row

_COLUMNS = ("carrier", "carrier_id", "recipient_id", "state", "at", "raw", "created_at")
_LONGEST_ID = 255
"""Characters. What is longer is no id of a text that we sent; an index would not take it."""
_LONGEST_RAW = 4_000

_ANY = select(exists(select(early_reports.c.id)))


@dataclass(frozen=True, kw_only=True, slots=True)
class Early:
    """A report that is kept, under the id of its row."""

    id: int
    report: Report


def keep(connection: Connection, brought: Iterable[Report], *, now: int) -> None:
    """Keep reports until somebody knows their texts. One whose id is too long to be any is left out."""
    rows = [
        (
            report.carrier,
            printable(report.carrier_id),
            printable(report.recipient_id),
            report.state,
            to_ms(report.at),
            (printable(report.raw) or "")[:_LONGEST_RAW],
            now,
        )
        for report in brought
        if len(report.carrier_id or "") <= _LONGEST_ID and len(report.recipient_id or "") <= _LONGEST_ID
    ]
    batch.insert(connection, early_reports, _COLUMNS, rows)


def kept(connection: Connection) -> bool:
    """Whether there are any. One look at the end of a table that is nearly always empty."""
    return bool(connection.scalar(_ANY))


def on(connection: Connection, texts: Sequence[tuple[str, str | None, str]]) -> list[Early]:
    """Return what is kept on texts, given as (carrier, the carrier's id, ours), in the order in which it came."""
    if not texts:
        return []
    rows = connection.execute(_on(connection.dialect.name), {"rows": batch.pack(texts)})
    return sorted((_early(row) for row in rows), key=lambda one: one.id)


def known(connection: Connection, *, since: int, limit: int) -> list[Early]:
    """Return reports kept at ``since`` or later whose texts are known by now, in the order in which they came.

    There are some where a report and the answer of its send were written at the same time by two processes.
    """
    same = (recipients.c.carrier == early_reports.c.carrier) & (recipients.c.carrier_id == early_reports.c.carrier_id)
    query = (
        select(early_reports)
        .join(recipients, same)
        .where(early_reports.c.created_at >= since)
        .order_by(early_reports.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True, of=early_reports)
    )
    found = {row.id: row for row in connection.execute(query)}
    return [_early(row) for row in found.values()]


def drop(connection: Connection, ids: Iterable[int]) -> None:
    """Forget reports that were applied."""
    connection.execute(delete(early_reports).where(early_reports.c.id.in_(list(ids))))


def forget(connection: Connection, *, before: int, most: int, limit: int) -> int:
    """Forget reports that came before a time, and the oldest where there are more than ``most``; up to ``limit``.

    Returns how many.
    """
    last = select(func.max(early_reports.c.id)).scalar_subquery()
    old = (early_reports.c.created_at < before) | (early_reports.c.id <= last - most)
    oldest = select(early_reports.c.id).where(old).order_by(early_reports.c.id).limit(limit)
    return connection.execute(delete(early_reports).where(early_reports.c.id.in_(oldest))).rowcount


def _early(row: Row[Any]) -> Early:
    report = Report(
        carrier=row.carrier,
        state=State(row.state),
        at=from_ms(row.at),
        carrier_id=row.carrier_id,
        recipient_id=row.recipient_id,
        raw=row.raw,
    )
    return Early(id=row.id, report=report)


@lru_cache(maxsize=2)
def _on(dialect: str) -> TextClause:
    columns = [early_reports.c.carrier, early_reports.c.carrier_id, early_reports.c.recipient_id]
    lock = " FOR UPDATE OF e SKIP LOCKED" if dialect == "postgresql" else ""
    # Two questions, each with an index of its own; an OR would have neither.
    return text(
        f"SELECT e.* FROM early_reports AS e WHERE e.id IN (SELECT f.id FROM {batch.source(dialect, columns)}"  # noqa: S608
        " JOIN early_reports AS f ON f.carrier = batch.carrier AND f.carrier_id = batch.carrier_id"
        f" UNION SELECT g.id FROM {batch.source(dialect, columns)}"
        f" JOIN early_reports AS g ON g.carrier = batch.carrier AND g.recipient_id = batch.recipient_id){lock}"
    )
