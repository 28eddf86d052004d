"""A client that keeps an SMTP server busy: a process of its own, for its work must not be the server's.

Speaks as most programs do: each command waits for its reply. Prints one line of JSON with what it saw.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections import deque
from itertools import count
from typing import TYPE_CHECKING

from bench.mails import DOMAIN, SENDER, maker, numbers
from bridge.app import loop_factory

if TYPE_CHECKING:
    from collections.abc import Iterable


class Run:
    """What all connections of a run share."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.make = maker(options.mail, options.run)
        self.numbers = numbers(options.start)
        self.serial = count()
        self.until = time.perf_counter() + options.seconds
        self.most = options.mails
        self.reuse = options.reuse
        self.accepted = 0
        self.seconds: deque[float] = deque(maxlen=100_000)
        self.problems: list[str] = []
        self.done = asyncio.Event()
        self.open = 0

    def more(self) -> bool:
        """Whether another mail is to be sent."""
        return not self.problems and time.perf_counter() < self.until and next(self.serial) < self.most


class Client(asyncio.Protocol):
    """One connection: the replies drive it through its steps."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.buffer = b""
        self.steps: deque[tuple[bytes, bytes]] = deque()
        self.sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the greeting, then go through a mail."""
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]
        self.expected = b"220"
        self.steps.append((b"EHLO bench.example.com\r\n", b"250"))
        self.add_mail()

    def add_mail(self) -> None:
        """Line up the commands of one mail."""
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

    def data_received(self, data: bytes) -> None:
        """Check a full reply and send what comes next."""
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
            return
        if not self.steps:
            if self.expected == b"221":
                self.transport.close()
                return
            self.run.accepted += 1
            self.run.seconds.append(time.perf_counter() - self.sent_at)
            if self.run.reuse and self.run.more():
                self.add_mail()
            else:
                self.steps.append((b"QUIT\r\n", b"221"))
        line, self.expected = self.steps.popleft()
        if len(self.steps) == 0 and self.expected == b"250":
            self.sent_at = time.perf_counter()
        self.transport.write(line)

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Begin the next connection, or end."""
        if self.run.more():
            asyncio.get_running_loop().create_task(connect(self.run)).add_done_callback(lambda task: task.result())
            return
        self.run.open -= 1
        if not self.run.open:
            self.run.done.set()


ADDRESS = ("127.0.0.1", 0)


async def connect(run: Run) -> None:
    """Open one more connection."""
    await asyncio.get_running_loop().create_connection(lambda: Client(run), *ADDRESS)


async def main(options: argparse.Namespace) -> None:
    """Run the load and print what came of it."""
    run = Run(options)
    began = time.perf_counter()
    run.open = options.connections
    for _ in range(options.connections):
        await connect(run)
    await run.done.wait()
    took = time.perf_counter() - began
    tell({"mails": run.accepted}, run.accepted, took, run.seconds, run.problems)


def tell(seen: dict[str, int], count: int, took: float, times: Iterable[float], problems: list[str]) -> None:
    """Print one line of JSON: what was seen, the rate, and the times of the middle and of the slowest hundredth."""
    ordered = sorted(times)
    told = {
        **seen,
        "seconds": took,
        "rate": count / took,
        "p50": ordered[len(ordered) // 2] if ordered else None,
        "p99": ordered[int(len(ordered) * 0.99)] if ordered else None,
        "problems": problems[:3],
    }
    print(json.dumps(told))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--mails", type=int, default=10**9)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--reuse", action="store_true")
    parser.add_argument("--mail", default="hebrew")
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--run", default="0")
    chosen = parser.parse_args()
    ADDRESS = ("127.0.0.1", chosen.port)
    asyncio.Runner(loop_factory=loop_factory()).run(main(chosen))
