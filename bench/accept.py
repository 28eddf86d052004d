"""Mails per second that are accepted durably, against a bare aiosmtpd that throws them away."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from itertools import count
from statistics import median
from typing import TYPE_CHECKING

from bench import bridge, table
from bench.mails import KINDS

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

BARS = {False: 0.65, True: 0.55}
"""The least ratio to the floor, by reuse of connections."""

_CONNECTIONS = 64
_serial = count()


@contextmanager
def floor() -> Iterator[int]:
    """Run the bare server; gives its port."""
    process = subprocess.Popen([sys.executable, "-m", "bench.floor"], stdout=subprocess.PIPE, text=True)
    try:
        yield int(process.stdout.readline())  # type: ignore[union-attr]
    finally:
        process.terminate()
        process.wait(timeout=15)


def run(options: argparse.Namespace) -> bool:
    """Print the table; True when every bar is met."""
    rows = []
    met = True
    with floor() as bare, bridge.folder() as folder, bridge.serve(folder, dispatch=False) as ours:
        for mail in KINDS:
            for reuse in (False, True):
                figures = _by_turns(options, {"floor": bare, "ours": ours.port}, mail=mail, reuse=reuse)
                ratio = median(ours / floor for ours, floor in zip(figures["ours"], figures["floor"], strict=True))
                verdict = table.verdict(ratio, bar=BARS[reuse])
                met &= verdict == "met"
                rows.append(
                    (
                        mail,
                        "reused" if reuse else "new each mail",
                        f"{median(figures['floor']):,.0f}",
                        f"{median(figures['ours']):,.0f}",
                        f"{ratio:.2f}",
                        f"{BARS[reuse]:.2f}",
                        verdict,
                    )
                )
    head = ("mail", "connection", "bare aiosmtpd /s", "smsbridge, durable /s", "ratio", "bar", "")
    table.show(f"Accepting mail ({_CONNECTIONS} connections, dispatch off)", head, rows)
    return met


def _by_turns(options: argparse.Namespace, ports: dict[str, int], *, mail: str, reuse: bool) -> dict[str, list[float]]:
    figures: dict[str, list[float]] = {name: [] for name in ports}
    for _ in range(options.rounds):
        for name, port in ports.items():
            serial = next(_serial)
            seen = bridge.load(
                port,
                seconds=options.seconds,
                connections=_CONNECTIONS,
                mail=mail,
                reuse=reuse,
                run=serial,
                start=serial * 100_000,
            )
            figures[name].append(seen["rate"])
    return figures
