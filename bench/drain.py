"""How fast a queue empties into the sandbox, and how long a text takes from the end of DATA to the carrier."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from sqlalchemy import select

from bench import bridge, table
from bench.rows import fill
from bridge.store import gauges
from bridge.store.engine import Store
from bridge.store.tables import messages, recipients

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

_QUEUED = 20_000
_CLIENTS = {"one client": 1, "8 clients": 8, "32 clients": 32}


def run(options: argparse.Namespace) -> bool:
    """Print the tables; there is no bar."""
    with bridge.folder() as folder:
        store = Store(f"sqlite:///{folder / 'bridge.db'}")
        fill(store, _QUEUED)
        with bridge.serve(folder, dispatch=True):
            began, left = time.perf_counter(), _left(store)
            drained = left
            while left:
                time.sleep(0.01)
                left = _left(store)
            rate = drained / (time.perf_counter() - began)
        store.close()
    rows = []
    for name, connections in _CLIENTS.items():
        with bridge.folder() as folder, bridge.serve(folder, dispatch=True) as ours:
            seen = bridge.load(ours.port, seconds=options.seconds, connections=connections, mail="hebrew", reuse=True)
            store = Store(f"sqlite:///{folder / 'bridge.db'}")
            while _left(store):
                time.sleep(0.01)
            store.close()
            to_carrier = _latencies(folder)
        rows.append(
            (
                name,
                f"{seen['rate']:,.0f}",
                f"{seen['p50'] * 1000:.1f} / {seen['p99'] * 1000:.1f}",
                f"{to_carrier[len(to_carrier) // 2]} / {to_carrier[int(len(to_carrier) * 0.99)]}",
            )
        )
    table.show(
        f"Accepting and sending at once, at full speed (drain of a queue alone: {rate:,.0f} texts/s)",
        ("", "mails/s", "end of DATA to 250, ms p50 / p99", "end of DATA to sent, ms p50 / p99"),
        rows,
    )
    return True


def _left(store: Store) -> int:
    with store.read() as connection:
        found = gauges.waiting(connection)
    return found.queued + found.sending


def _latencies(folder: Path) -> list[int]:
    """Return for each text the milliseconds from its acceptance until it was recorded that the carrier has it."""
    store = Store(f"sqlite:///{folder / 'bridge.db'}")
    with store.read() as connection:
        query = select(recipients.c.updated_at - messages.c.created_at).join(
            messages, messages.c.id == recipients.c.message_id
        )
        found = sorted(connection.scalars(query))
    store.close()
    return found
