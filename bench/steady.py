"""A client that sends mails at a pace, whether the server keeps up or not: a process of its own.

A mail's time begins when it should have left, so one that has to wait for a free connection has waited; it ends with
the reply to its last dot. Connections are renewed as relays do it, after so many mails. Every window prints one line of
JSON, and the last one says it of the whole run.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections import deque
from itertools import count
from typing import TYPE_CHECKING, Final

from bench.mails import DOMAIN, SENDER, maker, numbers
from bridge.app import loop_factory

if TYPE_CHECKING:
    from collections.abc import Sequence

_MAILS: Final = 50
"""Mails on one connection."""
_OVERDUE: Final = 20.0
"""Seconds behind its pace that a run is given up at."""


class Run:
    """What all connections share."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.port = options.port
        self.rate = options.rate
        self.window = options.window
        self.make = maker(options.mail, options.run)
        self.numbers = numbers(options.start)
        self.serial = count()
        self.began = time.perf_counter()
        self.until = self.began + options.seconds
        self.waiting: deque[float] = deque()
        self.idle: deque[Client] = deque()
        self.under_way = 0
        self.answered = asyncio.Event()
        self.times: list[float] = []
        self.told = 0
        self.problems: list[str] = []

    def due(self, now: float) -> None:
        """Send a mail, or line it up."""
        self.under_way += 1
        self.answered.clear()
        if self.idle:
            self.idle.popleft().send(now)
        else:
            self.waiting.append(now)

    def done(self, seconds: float) -> None:
        """Count a mail that was accepted."""
        self.under_way -= 1
        if not self.under_way:
            self.answered.set()
        self.times.append(seconds)

    async def pace(self) -> None:
        """Hand out mails at the rate, and say every window what came of them."""
        sent, windows = 0, 1
        while (now := time.perf_counter()) < self.until and not self.problems:
            due = int((now - self.began) * self.rate)
            for _ in range(due - sent):
                self.due(now)
            sent = due
            if now - self.began >= windows * self.window:
                tell({"seconds": windows * self.window}, self.times[self.told :], self.problems)
                self.told, windows = len(self.times), windows + 1
            if self.waiting and now - self.waiting[0] > _OVERDUE:
                self.problems.append(f"{len(self.waiting)} mails are overdue")
            await asyncio.sleep(0.001)

    async def finish(self) -> None:
        """Wait for the mails that are under way."""
        try:
            async with asyncio.timeout(_OVERDUE):
                if self.under_way:
                    await self.answered.wait()
        except TimeoutError:
            self.problems.append(f"{self.under_way} mails have no answer")
        tell({"seconds": time.perf_counter() - self.began}, self.times, self.problems)


class Client(asyncio.Protocol):
    """One connection, and the next one in its place."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.buffer = b""
        self.steps: deque[tuple[bytes, bytes]] = deque()
        self.mails = 0
        self.due: float | None = None
        self.expected = b"220"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the greeting."""
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]
        self.steps.append((b"EHLO steady.example.com\r\n", b"250"))

    def send(self, due: float) -> None:
        """Send a mail that should have left at a time."""
        self.due = due
        self.mails += 1
        number = next(self.run.numbers)
        content = self.run.make(number, next(self.run.serial))
        self.steps.extend(
            (
                (f"MAIL FROM:<{SENDER}> SIZE={len(content)}\r\n".encode(), b"250"),
                (f"RCPT TO:<{number}@{DOMAIN}>\r\n".encode(), b"250"),
                (b"DATA\r\n", b"354"),
                (content + b".\r\n", b"250"),
            )
        )
        self._step()

    def _step(self) -> None:
        line, self.expected = self.steps.popleft()
        self.transport.write(line)

    def data_received(self, data: bytes) -> None:
        """Take a whole reply, and go on."""
        self.buffer += data
        if not self.buffer.endswith(b"\r\n"):
            return
        last = self.buffer[self.buffer.rfind(b"\r\n", 0, -2) + 2 if self.buffer.count(b"\r\n") > 1 else 0 :]
        if last[3:4] == b"-":
            return
        self.buffer = b""
        if not last.startswith(self.expected):
            self.run.problems.append(last.decode("ascii", "replace").strip())
            self.transport.abort()
        elif self.steps:
            self._step()
        elif self.expected == b"221":
            self.transport.close()
        else:
            self._next()

    def _next(self) -> None:
        """Be ready for the next mail, or leave the place to another connection."""
        if self.due is not None:
            self.run.done(time.perf_counter() - self.due)
            self.due = None
        if self.mails >= _MAILS:
            self.steps.append((b"QUIT\r\n", b"221"))
            self._step()
        elif self.run.waiting:
            self.send(self.run.waiting.popleft())
        else:
            self.run.idle.append(self)

    def connection_lost(self, error: Exception | None) -> None:
        """Open the next one. A connection that the server ended within a mail, or with an error, is a problem."""
        if self in self.run.idle:
            self.run.idle.remove(self)
        if error is not None or self.due is not None:
            self.run.problems.append(f"a connection ended: {error!r}")
        elif time.perf_counter() < self.run.until:
            asyncio.get_running_loop().create_task(connect(self.run)).add_done_callback(lambda task: task.result())


async def connect(run: Run) -> None:
    """Open a connection."""
    await asyncio.get_running_loop().create_connection(lambda: Client(run), "127.0.0.1", run.port)


def tell(told: dict[str, float], times: Sequence[float], problems: list[str]) -> None:
    """Print one line of what came."""
    ordered = sorted(times)
    said = {
        **told,
        "mails": len(ordered),
        "p50": ordered[len(ordered) // 2] if ordered else None,
        "p99": ordered[int(len(ordered) * 0.99)] if ordered else None,
        "most": ordered[-1] if ordered else None,
        "problems": problems[:3],
    }
    print(json.dumps(said), flush=True)


async def main(options: argparse.Namespace) -> None:
    """Send, and say what came of it."""
    run = Run(options)
    for _ in range(options.connections):
        await connect(run)
    await run.pace()
    await run.finish()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--window", type=float, default=10)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--mail", default="hebrew")
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--run", default="steady")
    asyncio.Runner(loop_factory=loop_factory()).run(main(parser.parse_args()))
