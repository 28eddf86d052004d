"""A client that keeps an HTTP server busy: a process of its own, for its work must not be the server's.

Posts a body again and again on connections that stay open; in it ``{number}`` and ``{serial}`` are different each time.
With ``--rate`` requests leave at that pace, whether earlier ones were answered or not, and a request that has to wait
for a free connection has waited: so the times are those of a client that does not slow down with the server. Prints
one line of JSON with what it saw.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections import deque
from itertools import count

from bench.load import tell
from bench.mails import numbers
from bridge.app import loop_factory


class Run:
    """What all connections of a run share."""

    def __init__(self, options: argparse.Namespace, body: str) -> None:
        self.body = body
        self.head = (
            f"POST {options.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {options.type}\r\n"
            'SOAPAction: ""\r\nContent-Length: '
        ).encode()
        self.expected = options.expect.encode()
        self.numbers = numbers(options.start)
        self.serial = count(options.start)
        self.rate = options.rate
        self.until = time.perf_counter() + options.seconds
        self.answered = 0
        self.seconds: deque[float] = deque(maxlen=200_000)
        self.problems: list[str] = []
        self.waiting: deque[float] = deque()
        self.idle: deque[Client] = deque()
        self.open = 0
        self.done = asyncio.Event()

    def more(self) -> bool:
        """Whether another request is to be sent."""
        return not self.problems and time.perf_counter() < self.until

    def request(self) -> bytes:
        """Return the next request."""
        body = self.body.replace("{number}", next(self.numbers)).replace("{serial}", str(next(self.serial))).encode()
        return b"%s%d\r\n\r\n%s" % (self.head, len(body), body)

    async def pace(self) -> None:
        """Hand out requests at the rate asked for."""
        began = time.perf_counter()
        sent = 0
        while self.more():
            due = int((time.perf_counter() - began) * self.rate)
            for _ in range(due - sent):
                now = time.perf_counter()
                if self.idle:
                    self.idle.popleft().send(now)
                else:
                    self.waiting.append(now)
            sent = due
            await asyncio.sleep(0.001)
        for client in self.idle:
            client.transport.close()


class Client(asyncio.Protocol):
    """One connection: an answer brings on the next request."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.buffer = b""
        self.sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]
        self.next()

    def send(self, due: float) -> None:
        """Send one request; ``due`` is when it should have left."""
        self.sent_at = due
        self.transport.write(self.run.request())

    def next(self) -> None:
        """Send what comes next, wait for it, or end."""
        if not self.run.more():
            self.transport.close()
        elif not self.run.rate:
            self.send(time.perf_counter())
        elif self.run.waiting:
            self.send(self.run.waiting.popleft())
        else:
            self.run.idle.append(self)

    def data_received(self, data: bytes) -> None:
        """Take a whole answer, and look whether it is a good one."""
        self.buffer += data
        head, blank, body = self.buffer.partition(b"\r\n\r\n")
        if not blank:
            return
        at = head.lower().find(b"content-length:")
        if len(body) < int(head[at + 15 :].split(b"\r\n", 1)[0]):
            return
        if not head.startswith(b"HTTP/1.1 200") or self.run.expected not in body:
            self.run.problems.append(self.buffer.decode("utf-8", "replace")[:500])
            self.transport.abort()
            return
        self.buffer = b""
        self.run.answered += 1
        self.run.seconds.append(time.perf_counter() - self.sent_at)
        self.next()

    def connection_lost(self, error: Exception | None) -> None:
        """Count down. One that the server broke is a problem."""
        if error is not None:
            self.run.problems.append(repr(error))
        self.run.open -= 1
        if not self.run.open:
            self.run.done.set()


async def main(options: argparse.Namespace, body: str) -> None:
    """Run the load and print what came of it."""
    loop = asyncio.get_running_loop()
    run = Run(options, body)
    began = time.perf_counter()
    run.open = options.connections
    for _ in range(options.connections):
        await loop.create_connection(lambda: Client(run), "127.0.0.1", options.port)
    if run.rate:
        await run.pace()
    await run.done.wait()
    took = time.perf_counter() - began
    tell({"answered": run.answered}, run.answered, took, run.seconds, run.problems)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--path", default="/soap")
    parser.add_argument("--type", default="text/xml; charset=utf-8")
    parser.add_argument("--expect", default="")
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--rate", type=float, default=0)
    parser.add_argument("--start", type=int, default=0)
    asyncio.Runner(loop_factory=loop_factory()).run(main(parser.parse_args(), sys.stdin.read()))
