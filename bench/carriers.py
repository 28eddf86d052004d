"""A queue that empties into a provider over HTTP, beside a bare loop on the same transport; and callbacks meanwhile."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from bench import bridge, table
from bench.rows import fill
from bridge.store import gauges
from bridge.store.engine import Store
from bridge.store.tables import recipients

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

_BAR = 0.75
_QUEUED = 20_000
_CONCURRENCY = 32

_CALLS = 10_000
"""Callbacks in a minute."""
_SECONDS = 60.0
_SENT = 250
"""Texts sent each second meanwhile: more than are reported, so that each report is on a text that was sent."""
_AHEAD = 2_000
_SECRET = "a-secret-of-a-path-0"  # noqa: S105 - of a bench

_CARRIER = """\
[carriers.main]
kind = "http"
url = "http://127.0.0.1:{port}/messages"
auth = "bearer"
token = "0123456789abcdef"
takes_own_id = true
concurrency = {concurrency}
fields = {{ ref = "{{{{id}}}}", to = "{{{{to}}}}", text = "{{{{text}}}}" }}
id = "/id"
callback_secret = "{secret}"
callback_id = "id"
callback_state = "status"
callback_states = {{ DELIVRD = "delivered", UNDELIV = "undelivered" }}
"""


class Provider:
    """The provider's process."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bench.provider"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    def seen(self) -> dict[str, Any]:
        """Return what came since the last time."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        seen: dict[str, Any] = json.loads(self.process.stdout.readline())
        return seen


@contextmanager
def provider() -> Iterator[Provider]:
    """Run a provider."""
    running = Provider()
    try:
        yield running
    finally:
        running.process.terminate()
        running.process.wait(timeout=15)
        for pipe in (running.process.stdin, running.process.stdout):
            if pipe is not None:
                pipe.close()


def run(options: argparse.Namespace) -> bool:
    """Print the tables; True when every bar is met."""
    figures: dict[str, list[tuple[float, float]]] = {"wire": [], "client": [], "ours": []}
    for _ in range(options.rounds):
        with provider() as there:
            figures["wire"].append(_floor(there))
            figures["client"].append(_floor(there, "--client"))
            figures["ours"].append(_drain(there))
    drained = _drained(figures)
    called = _called()
    return drained and called


def _drained(figures: dict[str, list[tuple[float, float]]]) -> bool:
    rates = {name: [rate for rate, _ in seen] for name, seen in figures.items()}
    costs = {name: median(cost for _, cost in seen) * 1e6 for name, seen in figures.items()}
    ratios = {
        name: median(ours / floor for ours, floor in zip(rates["ours"], rates[name], strict=True))
        for name in ("wire", "client")
    }
    met = table.verdict(ratios["client"], bar=_BAR)
    names = {
        "client": "bare loop, httpx's client on the transport",
        "wire": "bare loop, the carriers' own calls",
        "ours": "smsbridge",
    }
    rows = [
        (
            names[name],
            f"{median(rates[name]):,.0f}",
            f"{costs[name]:,.0f}",
            f"{ratios[name]:.2f}" if name in ratios else "",
            f"{_BAR:.2f}" if name == "client" else "",
            met if name == "client" else "",
        )
        for name in ("client", "wire", "ours")
    ]
    head = ("", "texts/s", "processor, µs a text", "smsbridge to it", "bar", "")
    table.show(f"A queue of {_QUEUED:,} texts into a provider over HTTP ({_CONCURRENCY} at once)", head, rows)
    return met == "met"


def _floor(there: Provider, *how: str) -> tuple[float, float]:
    """Return texts in a second, and seconds of the processor for one."""
    there.seen()
    command = [sys.executable, "-m", "bench.carrier_floor", f"http://127.0.0.1:{there.port}/messages", *how]
    command += ["--texts", str(_QUEUED), "--concurrency", str(_CONCURRENCY)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seen = there.seen()
    assert seen["texts"] == _QUEUED, seen
    return _QUEUED / (seen["last"] - seen["first"]), json.loads(done.stdout)["cpu"] / _QUEUED


def _drain(there: Provider) -> tuple[float, float]:
    """Return the same of a bridge, until the end of every text is written."""
    there.seen()
    with bridge.folder() as folder:
        store = Store(f"sqlite:///{folder / 'bridge.db'}")
        fill(store, _QUEUED)
        with bridge.serve(folder, dispatch=True, carrier=_table(there)) as ours:
            before = _processor(ours)
            while left := _left(store):
                time.sleep(0.2 if left > _QUEUED // 10 else 0.01)
            ended, cost = time.perf_counter(), _processor(ours) - before
        seen = there.seen()
        assert seen["texts"] == _QUEUED, seen
        assert _count(store, "sent") == _QUEUED
        store.close()
    return _QUEUED / (ended - seen["first"]), cost / _QUEUED


def _called() -> bool:
    """Have reports brought while texts are sent; True when all were taken in time."""
    with provider() as there, bridge.folder() as folder:
        store = Store(f"sqlite:///{folder / 'bridge.db'}")
        fill(store, _AHEAD + int(_SENT * _SECONDS * 1.2))
        carrier = _table(there).replace("concurrency", f'rate = "{_SENT}/1s"\nconcurrency')
        with bridge.serve(folder, dispatch=True, carrier=carrier) as ours:
            while _count(store, "sent") < _AHEAD:
                time.sleep(0.05)
            before, cost = _count(store, "sent"), _processor(ours)
            began = time.perf_counter()
            calls = _call(ours)
            took = time.perf_counter() - began
            sent = _sent(store) - before
            cost = _processor(ours) - cost
            delivered = _count(store, "delivered")
        store.close()
    assert delivered == calls["answered"], (delivered, calls)
    rate, p99 = calls["answered"] / calls["seconds"] * 60, calls["p99"] * 1000
    # A client at a pace ends after its time and a last wait for answers.
    met = table.verdict(calls["answered"], bar=_CALLS)
    rows = [
        ("callbacks taken, each its own report", f"{calls['answered']:,}", f"{_CALLS:,}", met),
        ("callbacks a minute", f"{rate:,.0f}", "", ""),
        ("time to the answer, ms p50 / p99", f"{calls['p50'] * 1000:.1f} / {p99:.1f}", "", ""),
        ("texts sent meanwhile, /s", f"{sent / took:,.0f}", "", ""),
        ("processor, of one core", f"{cost / took:.0%}", "", ""),
    ]
    table.show(f"Reports by callback for {_SECONDS:.0f} s, while texts are sent", ("", "", "bar", ""), rows)
    return met == "met"


def _call(ours: bridge.Running) -> dict[str, Any]:
    """Bring reports on the first texts that were sent, at an even pace."""
    port = ours.http.rpartition(":")[2]
    command = [sys.executable, "-m", "bench.http_load", port, "--path", f"/carriers/main/callback/{_SECRET}"]
    command += ["--type", "application/json", "--connections", "16", "--seconds", str(_SECONDS)]
    # A little more than the bar: at the end of its time the client has sent all that was due by then, and no more.
    command += ["--rate", str(_CALLS / _SECONDS * 1.005)]
    body = '{"id":"m{serial}","status":"DELIVRD"}'
    done = subprocess.run(command, input=body, capture_output=True, text=True, check=True)
    seen: dict[str, Any] = json.loads(done.stdout)
    assert not seen["problems"], seen["problems"]
    return seen


def _table(there: Provider) -> str:
    return _CARRIER.format(port=there.port, concurrency=_CONCURRENCY, secret=_SECRET)


def _left(store: Store) -> int:
    with store.read() as connection:
        found = gauges.waiting(connection)
    return found.queued + found.sending


def _count(store: Store, state: str) -> int:
    with store.read() as connection:
        query = select(func.count()).select_from(recipients).where(recipients.c.state == state)
        return connection.scalar(query) or 0


def _sent(store: Store) -> int:
    """Return how many texts the provider took, whatever it reported on them."""
    return _count(store, "sent") + _count(store, "delivered")


def _processor(ours: bridge.Running) -> float:
    """Return the seconds of the processor that a process has used."""
    fields = Path(f"/proc/{ours.process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
