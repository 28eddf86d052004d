"""What sharing a transaction brings: submissions per second by how many share it, and rows in one submission."""

from __future__ import annotations

import time
from itertools import islice
from typing import TYPE_CHECKING

from bench import bridge, table
from bench.rows import plans
from bridge.pipeline.commit import take
from bridge.store.engine import Store

if TYPE_CHECKING:
    import argparse

_SIZES = (1, 10, 100, 1000)


def run(options: argparse.Namespace) -> bool:
    """Print the table; there is no bar."""
    rows = []
    with bridge.folder() as folder:
        store = Store(f"sqlite:///{folder / 'bridge.db'}")
        made = plans(store)
        for size in _SIZES:
            done = 0
            took = 0.0
            while took < options.seconds / 2:
                batch = list(islice(made, size))
                began = time.perf_counter()
                with store.write() as connection:
                    take(connection, batch, now=store.now(connection))
                took += time.perf_counter() - began
                done += size
            rows.append((f"{size:,}", f"{done / took:,.0f}", f"{took / done * size * 1000:.2f}"))
        store.close()
    table.show(
        "Commits on SQLite (WAL, synchronous=FULL), one thread",
        ("submissions in a transaction", "submissions/s", "ms per transaction"),
        rows,
    )
    return True
