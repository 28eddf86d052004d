"""Finding the texts that carriers' reports are about, and moving them: many at once, each with one statement."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from sqlalchemy import Column, Integer, TextClause, func, select, text

from bridge.model.message import split_recipient_id
from bridge.model.state import State
from bridge.store import batch
from bridge.store.queue import printable
from bridge.store.tables import events, recipients

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from sqlalchemy import Connection

    from bridge.model.message import Report

REPORT = "report"
"""The kind of event that keeps a report which moved nothing."""

_PLACE: Column[int] = Column("place", Integer)


@dataclass(frozen=True, kw_only=True, slots=True)
class Reported:
    """The recipient that a report names, as it stands."""

    message_id: str
    position: int
    account_id: int
    state: State
    in_doubt: bool
    attempts: int
    raw: str | None

    @property
    def key(self) -> tuple[str, int]:
        """Its message and position."""
        return self.message_id, self.position


def find(connection: Connection, brought: Sequence[Report]) -> list[Reported | None]:
    """Return for each report the recipient that it names, or None. All are locked until the transaction ends.

    A report by our own id has to come from the carrier that has the text. Where a carrier gave the same id to several
    texts, the latest is meant.
    """
    own: list[tuple[int, str, str, int]] = []
    theirs: list[tuple[int, str, str | None]] = []
    for place, report in enumerate(brought):
        if report.recipient_id is None:
            theirs.append((place, report.carrier, printable(report.carrier_id)))
            continue
        try:
            own.append((place, report.carrier, *split_recipient_id(report.recipient_id)))
        except ValueError:
            continue
    found: list[Reported | None] = [None] * len(brought)
    for by_own_id, rows in ((True, own), (False, theirs)):
        if not rows:
            continue
        statement = _find(connection.dialect.name, by_own_id=by_own_id)
        for row in connection.execute(statement, {"rows": batch.pack(rows)}):
            found[row.place] = Reported(
                message_id=row.message_id,
                position=row.position,
                account_id=row.account_id,
                state=State(row.state),
                in_doubt=row.in_doubt,
                attempts=row.attempts,
                raw=row.raw,
            )
    return found


def move(connection: Connection, moves: Iterable[tuple[Reported, Report, int | None]], *, now: int) -> None:
    """Write reported states. The caller asked the table of moves, and holds the rows from :func:`find`.

    With each goes when its carrier is asked next, where it is not asked yet; a text that has its end is not asked any
    more. A text without an id of its carrier, for its answer was lost, gets that of the report.
    """
    rows = [
        (*found.key, report.state, printable(report.raw), ask_at, printable(report.carrier_id))
        for found, report, ask_at in moves
    ]
    if rows:
        connection.execute(_move(connection.dialect.name), {"rows": batch.pack(rows), "now": now})


def idle(connection: Connection, message_ids: Collection[str]) -> dict[tuple[str, int], int]:
    """Return how many reports that moved nothing are kept already, by message and position."""
    query = (
        select(events.c.message_id, events.c.position, func.count().label("kept"))
        .where(events.c.message_id.in_(list(message_ids)), events.c.kind == REPORT)
        .group_by(events.c.message_id, events.c.position)
    )
    return {(row.message_id, row.position): row.kept for row in connection.execute(query)}


@lru_cache(maxsize=4)
def _find(dialect: str, *, by_own_id: bool) -> TextClause:
    names = ("carrier", "message_id", "position") if by_own_id else ("carrier", "carrier_id")
    same = " AND ".join(f"r.{name} = batch.{name}" for name in names)
    lock = " FOR UPDATE OF r" if dialect == "postgresql" else ""
    return text(
        "SELECT batch.place, r.message_id, r.position, r.state, r.in_doubt, r.attempts, r.raw, m.account_id"  # noqa: S608
        f" FROM {batch.source(dialect, [_PLACE, *(recipients.c[name] for name in names)])}"
        f" JOIN recipients AS r ON {same} JOIN messages AS m ON m.id = r.message_id"
        # Ids made later sort later: of several with one id the last row wins.
        f" ORDER BY r.message_id, r.position{lock}"
    )


@lru_cache(maxsize=2)
def _move(dialect: str) -> TextClause:
    names = ("message_id", "position", "state", "raw", "ask_at", "carrier_id")
    return text(
        "UPDATE recipients SET state = batch.state, raw = batch.raw, lease_owner = NULL, lease_until = NULL,"  # noqa: S608
        " ask_at = CASE batch.state WHEN 'sent' THEN COALESCE(recipients.ask_at, batch.ask_at) END,"
        " carrier_id = COALESCE(recipients.carrier_id, batch.carrier_id), updated_at = :now"
        f" FROM {batch.source(dialect, [recipients.c[name] for name in names])}"
        " WHERE recipients.message_id = batch.message_id AND recipients.position = batch.position"
    )
