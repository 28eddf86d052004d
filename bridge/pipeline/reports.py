"""News from carriers: reports move a text's state by the table, and texts from phones become events."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from bridge.model.errors import UnmatchedReport
from bridge.model.state import State, may_move
from bridge.pipeline.inbound import Words, keep
from bridge.store import events, reports

if TYPE_CHECKING:
    from bridge.model.message import Inbound, Report
    from bridge.pipeline.commit import Writer
    from bridge.store.engine import Connection, Store
    from bridge.telemetry import Metrics


class News:
    """The :class:`~bridge.carriers.base.Sink` of this process."""

    def __init__(self, *, store: Store, writer: Writer, metrics: Metrics, words: Words | None = None) -> None:
        """Put the parts together; ``words`` close and open numbers."""
        self._store = store
        self._writer = writer
        self._metrics = metrics
        self._words = words or Words()

    async def report(self, report: Report) -> None:
        """Apply a report, and return once that is durable.

        Raises :exc:`~bridge.model.errors.UnmatchedReport` for one that names no text we know of: it may have
        overtaken the answer of its send, so it should come again. Raises a :exc:`~bridge.model.errors.Trouble`.
        """
        moved = await self._writer.run(partial(apply, store=self._store, report=report))
        if moved is None:
            raise UnmatchedReport("the report names no text that is known")
        self._metrics.reports.labels(report.carrier, report.state if moved else "without effect").inc()

    async def inbound(self, inbound: Inbound) -> None:
        """Keep a text from a phone. Raises a :exc:`~bridge.model.errors.Trouble`."""
        await self._writer.run(partial(self._keep, inbound=inbound))

    def _keep(self, connection: Connection, *, inbound: Inbound) -> None:
        keep(connection, inbound=inbound, words=self._words, now=self._store.now(connection))


def apply(connection: Connection, *, store: Store, report: Report) -> bool | None:
    """Move the text that a report names. Returns False when the table of moves does not allow it, None for no text.

    Not allowed are moves that late, double and out-of-order reports ask for; they change nothing. A text that waits
    for another try because its answer was lost counts as unknown: the report says what became of it.
    """
    found = reports.find(connection, report)
    if found is None:
        return None
    before = State.UNKNOWN if found.state is State.QUEUED and found.in_doubt else found.state
    if not may_move(before, report.state):
        return False
    now = store.now(connection)
    reports.move(connection, found, report, now=now)
    data = {"carrier": report.carrier, "at": report.at.isoformat(), "raw": report.raw}
    events.add(connection, [(found.account_id, report.state, found.message_id, found.position, data)], now=now)
    return True
