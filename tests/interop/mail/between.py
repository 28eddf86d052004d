"""A wire to a mail server: it counts, and breaks just when the server has taken a mail and says so."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final

_TAKEN: Final = b"250 2.0.0 Accepted "


class Wire:
    """Passes on all that is said; of the first ``breaks`` mails the answer gets lost, and so does the connection."""

    def __init__(self, host: str, port: int, *, breaks: int = 0) -> None:
        """Prepare for a server that listens there."""
        self._server = host, port
        self.breaks = breaks
        self.port = 0
        self.connections = 0
        """How many there were so far."""

    async def serve(self, begun: Future[Callable[[], object]]) -> None:
        """Listen on the server's address; ``begun`` is then given what ends it."""
        ended, loop = asyncio.Event(), asyncio.get_running_loop()
        server = await asyncio.start_server(self._connection, self._server[0], 0)
        self.port = server.sockets[0].getsockname()[1]
        begun.set_result(lambda: loop.call_soon_threadsafe(ended.set))
        await ended.wait()
        server.close()

    async def _connection(self, near: asyncio.StreamReader, answers: asyncio.StreamWriter) -> None:
        self.connections += 1
        far, asks = await asyncio.open_connection(*self._server)
        asking = asyncio.ensure_future(self._ask(near, asks))
        try:
            while said := await far.read(65_536):
                if _TAKEN in said and self.breaks > 0:
                    self.breaks -= 1
                    break
                answers.write(said)
                await answers.drain()
        except ConnectionError:
            pass
        finally:
            asking.cancel()
            answers.transport.abort()
            asks.transport.abort()

    @staticmethod
    async def _ask(near: asyncio.StreamReader, asks: asyncio.StreamWriter) -> None:
        while said := await near.read(65_536):
            asks.write(said)
            await asks.drain()
        asks.write_eof()


@contextmanager
def between(host: str, port: int, *, breaks: int = 0) -> Iterator[Wire]:
    """Give such a wire to a server, in a thread of its own."""
    wire = Wire(host, port, breaks=breaks)
    begun: Future[Callable[[], object]] = Future()
    with ThreadPoolExecutor(1, thread_name_prefix="wire") as thread:
        served = thread.submit(lambda: asyncio.run(wire.serve(begun)))
        end = begun.result(30)
        try:
            yield wire
        finally:
            end()
            served.result(30)
