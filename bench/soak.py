"""How mail fares beside clients that only keep connections: ``python -m bench.soak --minutes 5``.

A served bridge takes mails at half the rate that it can, and two hundred slow clients of several kinds hold it up. The
times of the mails have a bar, and so has what the bridge holds in memory at the end beside what it held before.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
from itertools import count
from statistics import median
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

from bench import bridge, table
from bench.slow_clients import KINDS
from tests.support import certificates

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bench.bridge import Running

_BAR_MS: Final = 200.0
"""Milliseconds from when a mail should leave to the reply to it, p99 of the whole run."""
_FLAT: Final = 1.10
_SHARE: Final = 0.5
_CARRIER = """\
[carriers.sandbox]
kind = "sandbox"
outbox = "outbox.jsonl"
forgetful = true
"""
"""A sandbox that takes our ids remembers them all, which is 70 octets a text: this measures the bridge, not that."""
_MINUTES: Final = 0.5
_CALM: Final = 5.0
"""Seconds in which the rate is measured, and again those in which mails come alone."""
_LOOK: Final = 0.5
"""Seconds between two looks at the memory."""

# So short that each slow client is closed, and comes again, many times.
_SETTINGS: Final = {
    "SMSBRIDGE_SMTP__SUBMISSION": "127.0.0.1:0",
    "SMSBRIDGE_SMTP__SUBMISSIONS": "127.0.0.1:0",
    "SMSBRIDGE_SMTP__TIMEOUT": "10s",
    "SMSBRIDGE_SMTP__DATA_TIMEOUT": "15s",
    "SMSBRIDGE_SMTP__HANDSHAKE_TIMEOUT": "5s",
    "SMSBRIDGE_SMTP__MAX_SESSION": "1m",
}
_serial = count(1)


class Memory:
    """Looks at what a bridge holds, again and again, until it is closed."""

    def __init__(self, running: Running) -> None:
        self.seen: list[int] = []
        self._running = running
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, name="memory")
        self._thread.start()

    def _look(self) -> None:
        while not self._over.wait(_LOOK):
            self.seen.append(self._running.resident())

    def close(self) -> None:
        """Look no more."""
        self._over.set()
        self._thread.join()

    def between(self, begin: float, end: float) -> float:
        """Return the median of a span, in seconds from the beginning, in MiB."""
        return median(self.seen[int(begin / _LOOK) : max(int(end / _LOOK), int(begin / _LOOK) + 1)]) / 2**20


def run(options: argparse.Namespace) -> bool:
    """Print the tables; True when both bars are met."""
    seconds = 60.0 * getattr(options, "minutes", _MINUTES)
    with (
        bridge.folder() as folder,
        patch.dict(os.environ, _secured(folder)),
        bridge.serve(folder, dispatch=True, carrier=_CARRIER) as running,
    ):
        able = bridge.load(running.port, seconds=_CALM, connections=32, reuse=True, run="able")["rate"]
        rate = _SHARE * able
        calm = _steady(running.port, rate, _CALM)[-1]
        memory = Memory(running)
        slow = _slow(running, seconds)
        try:
            lines = _steady(running.port, rate, seconds)
            told, _ = slow.communicate(timeout=60)
        finally:
            memory.close()
            slow.kill()
            slow.wait()
    return _show(lines, calm, json.loads(told), memory, rate=rate, able=able, seconds=seconds)


def _secured(folder: Path) -> dict[str, str]:
    certificate, key = certificates.made(folder, "127.0.0.1")
    files = {"SMSBRIDGE_SMTP__TLS__CERTIFICATE": str(certificate), "SMSBRIDGE_SMTP__TLS__KEY": str(key)}
    return _SETTINGS | files


def _slow(running: Running, seconds: float) -> subprocess.Popen[str]:
    """Begin the slow clients."""
    command = [sys.executable, "-m", "bench.slow_clients", "--seconds", str(seconds)]
    for name in ("smtp", "submission", "submissions"):
        command += [f"--{name}", running.ready[name][0].rpartition(":")[2]]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _steady(port: int, rate: float, seconds: float) -> list[dict[str, Any]]:
    """Send mails at a pace; return what came in each window, and then of all."""
    serial = next(_serial)
    command = [sys.executable, "-m", "bench.steady", str(port), "--rate", f"{rate:.1f}", "--seconds", str(seconds)]
    command += ["--run", f"steady{serial}", "--start", str(serial * 300_000)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    lines: list[dict[str, Any]] = [json.loads(line) for line in done.stdout.splitlines()]
    assert not lines[-1]["problems"], lines[-1]["problems"]
    return lines


def _show(
    lines: Sequence[dict[str, Any]],
    calm: dict[str, Any],
    slow: dict[str, Any],
    memory: Memory,
    *,
    rate: float,
    able: float,
    seconds: float,
) -> bool:
    assert not slow["problems"], slow["problems"]
    *windows, whole = lines
    rows = [_row("alone, before", calm)]
    begun = 0.0
    for window in windows:
        held = f"{memory.between(begun, window['seconds']):,.0f}"
        rows.append((*_row(f"{begun:.0f} to {window['seconds']:.0f} s", window)[:-1], held))
        begun = window["seconds"]
    rows.append(_row("all of it", whole))
    title = f"Mails at {rate:,.0f}/s of {able:,.0f}/s beside {sum(each for *_, each in KINDS.values())} slow clients"
    table.show(title, ("", "mails", "p50, ms", "p99, ms", "slowest, ms", "memory, MiB"), rows)
    kinds = [(name, *map(str, figures)) for name, figures in slow["kinds"].items()]
    table.show("The slow clients", ("what they do", "at once", "connections", "ended by the bridge"), kinds)
    return _verdicts(whole, memory, seconds)


def _row(name: str, seen: dict[str, Any]) -> tuple[str, str, str, str, str, str]:
    times = [f"{1000 * (seen[key] or 0):,.1f}" for key in ("p50", "p99", "most")]
    return name, f"{seen['mails']:,}", times[0], times[1], times[2], ""


def _verdicts(whole: dict[str, Any], memory: Memory, seconds: float) -> bool:
    """Hold both figures against their bars: memory of the last minute, and of the second; of a short run thirds."""
    span = min(60.0, seconds / 3)
    before, after = memory.between(span, 2 * span), memory.between(seconds - span, seconds)
    late = table.verdict(1000 * whole["p99"], bar=_BAR_MS, at_least=False)
    flat = table.verdict(after / before, bar=_FLAT, at_least=False)
    rows = [
        ("p99 of the mails, ms", f"{1000 * whole['p99']:,.1f}", f"< {_BAR_MS:.0f}", late),
        (f"memory: {before:,.0f} MiB, then {after:,.0f} MiB", f"{after / before:.2f}", f"≤ {_FLAT:.2f}", flat),
    ]
    table.show(f"In {seconds / 60:g} minutes", ("", "", "bar", ""), rows)
    return late == flat == "met"


def main() -> int:
    """Run it alone, and as long as asked; exit 1 when a figure misses its bar."""
    parser = argparse.ArgumentParser(prog="bench.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    return 0 if run(parser.parse_args()) else 1


if __name__ == "__main__":
    sys.exit(main())
