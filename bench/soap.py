"""Calls of ``send_sms`` that are answered durably, against the bare Spyne echo in the same event loop.

Beside it stands our own transport with an answer at once: what Spyne's reading and writing took is mostly gone from it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from itertools import count
from statistics import median
from typing import TYPE_CHECKING, Any

from bench import bridge, table
from bench.mails import numbers

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

BAR = 0.6
_LARGE_BAR = 1.5
"""Seconds for one call with 10,000 recipients."""
_P99_BAR = 25.0
"""Milliseconds at half load."""

_GOOD = {"spyne": "send_smsResult>", "transport": "status>0</", "ours": "status>0</"}
"""What stands in a good answer."""

_CONNECTIONS = 128
_LARGE = 10_000
_serial = count()

_ENVELOPE = (
    '<?xml version="1.0" encoding="utf-8"?><soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/">'
    '<soap:Body><send_sms xmlns="urn:smsbridge:1"><token>{token}</token><dest>{dest}</dest>'
    "<message>{message}</message>{more}</send_sms></soap:Body></soap:Envelope>"
)
_TEXT = "Your parcel 4711 arrives today between 09:00 and 12:00."


@contextmanager
def floor(kind: str) -> Iterator[int]:
    """Run a floor; gives its port."""
    process = subprocess.Popen([sys.executable, "-m", "bench.soap_floor", kind], stdout=subprocess.PIPE, text=True)
    try:
        yield int(process.stdout.readline())  # type: ignore[union-attr]
    finally:
        process.terminate()
        process.wait(timeout=15)


def run(options: argparse.Namespace) -> bool:
    """Print the tables; True when every bar is met."""
    with floor("spyne") as bare, floor("transport") as empty, bridge.folder() as folder:
        token = bridge.key(folder)
        with bridge.serve(folder, dispatch=False) as ours:
            port = int(ours.http.rpartition(":")[2])
            body = _ENVELOPE.format(token=token, dest="{number}", message=_TEXT, more="<reference>{serial}</reference>")
            rates: dict[str, list[float]] = {"spyne": [], "transport": [], "ours": []}
            for _ in range(options.rounds):
                for name, where in (("spyne", bare), ("transport", empty), ("ours", port)):
                    rates[name].append(load(where, body, seconds=options.seconds, expect=_GOOD[name])["rate"])
            ratio, own = (
                median(ours / floor for ours, floor in zip(rates["ours"], rates[name], strict=True))
                for name in ("spyne", "transport")
            )
            half = load(port, body, seconds=options.seconds, expect=_GOOD["ours"], rate=median(rates["ours"]) / 2)
            large = min(_large(ours.http, token) for _ in range(options.rounds))
    p99 = half["p99"] * 1000
    rows = [
        (
            "send_sms, calls/s",
            f"{median(rates['spyne']):,.0f}",
            f"{median(rates['ours']):,.0f}",
            f"{ratio:.2f}",
            f"{BAR:.2f}",
            table.verdict(ratio, bar=BAR),
        ),
        (
            "the same, against our transport alone",
            f"{median(rates['transport']):,.0f}",
            f"{median(rates['ours']):,.0f}",
            f"{own:.2f}",
            "",
            "",
        ),
        (
            f"p50 / p99 at half load ({half['rate']:,.0f} calls/s), ms",
            "",
            f"{half['p50'] * 1000:.1f} / {p99:.1f}",
            "",
            f"< {_P99_BAR:.0f}",
            table.verdict(p99, bar=_P99_BAR, at_least=False),
        ),
        (
            f"one call with {_LARGE:,} recipients, s",
            "",
            f"{large:.2f}",
            "",
            f"< {_LARGE_BAR}",
            table.verdict(large, bar=_LARGE_BAR, at_least=False),
        ),
    ]
    head = ("", "floor: bare Spyne echo", "smsbridge, durable", "ratio", "bar", "")
    table.show(f"SOAP ({_CONNECTIONS} connections, dispatch off)", head, rows)
    return all(row[-1] in {"met", ""} for row in rows)


def load(port: int, body: str, *, seconds: float, expect: str, rate: float = 0) -> dict[str, Any]:
    """Run the load client and return what it saw. Stops the bench when a call was refused."""
    command = [sys.executable, "-m", "bench.http_load", str(port), "--seconds", str(seconds), "--rate", str(rate)]
    command += ["--connections", str(_CONNECTIONS), "--start", str(next(_serial) * 100_000)]
    command += ["--expect", expect]
    done = subprocess.run(command, input=body, capture_output=True, text=True, check=True)
    seen: dict[str, Any] = json.loads(done.stdout)
    assert not seen["problems"], seen["problems"]
    return seen


def _large(http: str, token: str) -> float:
    """Return the seconds of one call with many recipients."""
    start = next(_serial) * 100_000
    found = numbers(start)
    dest = ",".join(next(found) for _ in range(_LARGE))
    body = _ENVELOPE.format(token=token, dest=dest, message=_TEXT, more="").encode()
    request = urllib.request.Request(f"{http}/soap", body, {"content-type": "text/xml; charset=utf-8"})  # noqa: S310 - our own
    began = time.perf_counter()
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - our own address
        said = answer.read()
    took = time.perf_counter() - began
    assert said.count(b"status>0</") >= _LARGE, said[:500]
    return took
