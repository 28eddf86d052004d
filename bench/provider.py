"""A provider that takes every text at once: a process of its own. Prints its port when it listens.

A line on stdin asks how it went: the number of texts since the last time, and when the first and the last of them came
(``time.perf_counter``, which all processes of a machine share). Texts are named ``m0``, ``m1``, … in the order in which
they came.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from itertools import count

from bridge.app import loop_factory


class Seen:
    """What came since it was asked last."""

    def __init__(self) -> None:
        self.names = count()
        self.clear()

    def clear(self) -> None:
        """Begin anew; names go on."""
        self.texts = 0
        self.first = self.last = 0.0


class Connection(asyncio.Protocol):
    """One connection, with requests one after the other."""

    def __init__(self, seen: Seen) -> None:
        self.seen = seen
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        """Answer each request that is whole."""
        self.buffer += data
        while True:
            head, blank, rest = self.buffer.partition(b"\r\n\r\n")
            if not blank:
                return
            at = head.lower().find(b"content-length:")
            size = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(rest) < size:
                return
            self.buffer = rest[size:]
            self.answer()

    def answer(self) -> None:
        """Take a text."""
        seen = self.seen
        seen.last = time.perf_counter()
        if not seen.texts:
            seen.first = seen.last
        seen.texts += 1
        body = b'{"id":"m%d","status":"queued"}' % next(seen.names)
        head = b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        self.transport.write(head % len(body) + body)


async def main() -> None:
    """Serve until stdin ends."""
    loop = asyncio.get_running_loop()
    seen = Seen()
    server = await loop.create_server(lambda: Connection(seen), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps({"texts": seen.texts, "first": seen.first, "last": seen.last}), flush=True)
        seen.clear()


if __name__ == "__main__":
    asyncio.Runner(loop_factory=loop_factory()).run(main())
