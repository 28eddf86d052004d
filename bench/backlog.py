"""What a backlog costs: accept and claim with 200,000 queued texts against an empty queue, and the memory it takes."""

from __future__ import annotations

import time
from itertools import islice
from statistics import median
from typing import TYPE_CHECKING

from bench import bridge, table
from bench.rows import RULES, fill, plans
from bridge.model.state import State
from bridge.pipeline.commit import take
from bridge.pipeline.dispatch import claim_batch
from bridge.store import queue
from bridge.store.engine import Store

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from bridge.pipeline.accept import Plan

_BACKLOG = 200_000
_BAR = 0.90
_BATCH = 50
_CLAIM = 100
_MEMORY_BAR = 1.10


def run(options: argparse.Namespace) -> bool:
    """Print the table; True when both bars are met."""
    with bridge.folder() as small, bridge.folder() as large:
        stores = {
            "empty queue": Store(f"sqlite:///{small / 'bridge.db'}"),
            "backlog": Store(f"sqlite:///{large / 'bridge.db'}"),
        }
        fill(stores["backlog"], _BACKLOG)
        accepted, claimed = _rates(stores, seconds=options.seconds * options.rounds)
        resident = {}
        for name, folder in (("empty queue", small), ("backlog", large)):
            stores[name].close()
            with bridge.serve(folder, dispatch=False) as ours:
                bridge.load(ours.port, mails=3000, mail="alert", run=name.replace(" ", ""), seconds=60)
                resident[name] = ours.resident()
    rows = []
    met = True
    for what, figures in (("accept, submissions/s", accepted), ("claim, texts/s", claimed)):
        ratio = figures["backlog"] / figures["empty queue"]
        verdict = table.verdict(ratio, bar=_BAR)
        met &= verdict == "met"
        rows.append(
            (
                what,
                f"{figures['empty queue']:,.0f}",
                f"{figures['backlog']:,.0f}",
                f"{ratio:.2f}",
                f"≥ {_BAR:.2f}",
                verdict,
            )
        )
    ratio = resident["backlog"] / resident["empty queue"]
    verdict = table.verdict(ratio, bar=_MEMORY_BAR, at_least=False)
    met &= verdict == "met"
    rows.append(
        (
            "memory of serve, MiB",
            f"{resident['empty queue'] / 2**20:.0f}",
            f"{resident['backlog'] / 2**20:.0f}",
            f"{ratio:.2f}",
            f"≤ {_MEMORY_BAR:.2f}",
            verdict,
        )
    )
    head = ("", "empty queue", f"{_BACKLOG:,} queued", "ratio", "bar", "")
    table.show("A backlog (SQLite)", head, rows)
    return met


def _rates(stores: dict[str, Store], *, seconds: float) -> tuple[dict[str, float], dict[str, float]]:
    """Return accept and claim rates: medians over many short turns, so that both stores see the same machine."""
    made: dict[str, Iterator[Plan]] = {name: plans(store) for name, store in stores.items()}
    taking: dict[str, list[float]] = {name: [] for name in stores}
    claiming: dict[str, list[float]] = {name: [] for name in stores}
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        for name, store in stores.items():
            batches = [list(islice(made[name], _BATCH)) for _ in range(_CLAIM // _BATCH)]
            began = time.perf_counter()
            for batch in batches:
                with store.write() as connection:
                    take(connection, batch)
            taking[name].append(_CLAIM / (time.perf_counter() - began))
            claiming[name].append(_claim(store))
    return (
        {name: median(rates) for name, rates in taking.items()},
        {name: median(rates) for name, rates in claiming.items()},
    )


def _claim(store: Store) -> float:
    """Claim as many as were just taken, so that a backlog stays as it is. Returns texts per second."""
    began = time.perf_counter()
    with store.write() as connection:
        rows = claim_batch(
            connection,
            store=store,
            route=RULES.router.named("1"),
            known={"sandbox"},
            limit=_CLAIM,
            owner="bench",
            lease=600,
        )
    took = time.perf_counter() - began
    assert len(rows) == _CLAIM
    # Out of the way, as if sent: what is left in "sending" would be the bench's own backlog.
    with store.write() as connection:
        queue.record(
            connection,
            [queue.Change(message_id=row.message_id, position=row.position, state=State.SENT) for row in rows],
            owner="bench",
            now=store.now(connection),
        )
    return _CLAIM / took
