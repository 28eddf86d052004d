"""News from carriers: reports move a text's state by the table, and texts from phones become events."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from bridge.model.state import may_move
from bridge.store import events, reports
from bridge.telemetry import get_logger

if TYPE_CHECKING:
    from bridge.model.message import Inbound, Report
    from bridge.pipeline.commit import Writer
    from bridge.store.engine import Connection, Store
    from bridge.telemetry import Metrics

_log = get_logger(__name__)


class News:
    """The :class:`~bridge.carriers.base.Sink` of this process."""

    def __init__(self, *, store: Store, writer: Writer, metrics: Metrics) -> None:
        """Put the parts together."""
        self._store = store
        self._writer = writer
        self._metrics = metrics

    async def report(self, report: Report) -> None:
        """Apply a report, and return once that is durable. Raises a :exc:`~bridge.model.errors.Trouble`."""
        moved = await self._writer.run(partial(apply, store=self._store, report=report))
        self._metrics.reports.labels(report.carrier, report.state if moved else "without effect").inc()

    async def inbound(self, inbound: Inbound) -> None:
        """Keep a text from a phone. Raises a :exc:`~bridge.model.errors.Trouble`."""
        await self._writer.run(partial(keep, store=self._store, inbound=inbound))


def apply(connection: Connection, *, store: Store, report: Report) -> bool:
    """Move the text that a report names.

    Returns False when it names none, or the table does not allow the move.

    Not allowed are moves that late, double and out-of-order reports ask for; they change nothing.
    """
    found = reports.find(connection, report)
    if found is None:
        _log.warning("report names no text", carrier=report.carrier, state=report.state)
        return False
    if not may_move(found.state, report.state):
        return False
    now = store.now(connection)
    reports.move(connection, found, report, now=now)
    data = {"carrier": report.carrier, "at": report.at.isoformat(), "raw": report.raw}
    events.add(connection, [(found.account_id, report.state, found.message_id, found.position, data)], now=now)
    return True


def keep(connection: Connection, *, store: Store, inbound: Inbound) -> None:
    """Store a text from a phone as an event of the kind ``inbound``."""
    data = {
        "carrier": inbound.carrier,
        "carrier_id": inbound.carrier_id,
        "from": inbound.sender,
        "to": inbound.to,
        "text": inbound.text,
        "at": inbound.at.isoformat(),
    }
    events.add(connection, [(None, "inbound", None, None, data)], now=store.now(connection))
