"""What a backlog costs: accept and claim with 200,000 queued texts against an empty queue, and the memory it takes."""

from __future__ import annotations

import time
from itertools import islice
from statistics import median
from typing import TYPE_CHECKING

from bench import bridge, table
from bench.rows import RULES, fill, plans
from bridge.model.state import State
from bridge.pipeline.claim import Table, claim_batch
from bridge.pipeline.commit import take
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
    """Print the table; True when every bar is met."""
    with bridge.folder() as small, bridge.folder() as large:
        folders = {"empty queue": small, "backlog": large}
        stores = {name: Store(f"sqlite:///{folder / 'bridge.db'}") for name, folder in folders.items()}
        fill(stores["backlog"], _BACKLOG)
        with bridge.serve(small, dispatch=False) as empty, bridge.serve(large, dispatch=False) as full:
            running = {"empty queue": empty, "backlog": full}
            mails = _mails(running, options)
            resident = {name: served.resident() / 2**20 for name, served in running.items()}
        commits, claims = _rates(stores, seconds=options.seconds * options.rounds)
        for store in stores.values():
            store.close()
    head = ("", "empty queue", f"{_BACKLOG:,} queued", "ratio", "bar", "")
    lines = [
        _row("mails accepted /s", mails, at_least=_BAR),
        _row("claimed, texts/s", claims, at_least=_BAR),
        _row("memory of serve, MiB", resident, at_most=_MEMORY_BAR),
        _row("committed without a door, submissions/s", commits),
    ]
    table.show("A backlog (SQLite)", head, lines)
    return all("MISSED" not in line for line in lines)


def _row(
    what: str, figures: dict[str, float], *, at_least: float | None = None, at_most: float | None = None
) -> tuple[str, ...]:
    ratio = figures["backlog"] / figures["empty queue"]
    bar, verdict = "", ""
    if at_least is not None:
        bar, verdict = f"≥ {at_least:.2f}", table.verdict(ratio, bar=at_least)
    elif at_most is not None:
        bar, verdict = f"≤ {at_most:.2f}", table.verdict(ratio, bar=at_most, at_least=False)
    return what, f"{figures['empty queue']:,.0f}", f"{figures['backlog']:,.0f}", f"{ratio:.2f}", bar, verdict


def _mails(running: dict[str, bridge.Running], options: argparse.Namespace) -> dict[str, float]:
    """Return mails accepted per second at the door: medians over turns."""
    rates: dict[str, list[float]] = {name: [] for name in running}
    for turn in range(options.rounds + 1):
        for name, served in running.items():
            seen = bridge.load(
                served.port, seconds=options.seconds, mail="alert", reuse=True, run=f"b{turn}", start=turn * 100_000
            )
            if turn:  # the first warms both up
                rates[name].append(seen["rate"])
    return {name: median(found) for name, found in rates.items()}


def _rates(stores: dict[str, Store], *, seconds: float) -> tuple[dict[str, float], dict[str, float]]:
    """Return commit and claim rates: medians over many short turns, so that both stores see the same machine."""
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
                    take(connection, batch, now=store.now(connection))
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
            table=Table(route=RULES.router.named("1"), known={"sandbox"}),
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
