"""The HTTP door: one port for health, metrics, the console, and what the other doors serve over HTTP."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from bridge import doors
from bridge.fields import join_address
from bridge.model.errors import InternalError
from bridge.telemetry import get_logger
from bridge.web import health
from bridge.web.answers import Guard, on_http_exception
from bridge.web.callbacks import Callbacks
from bridge.web.config import HttpSettings
from bridge.web.console import Console
from bridge.web.metrics import MetricsPage

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator, Sequence

    from pydantic import BaseModel
    from starlette.routing import BaseRoute

    from bridge.doors import Door, Services

_log = get_logger(__name__)

_MOST_AT_ONCE = 500
"""Connections, over which requests are answered 503; bridge.web.connection has the hard bound above it."""

_KEEP_ALIVE = 75
"""Seconds. Longer than the 60 for which nginx keeps a connection: it must not send into one we are closing."""

_CUT_OFF = 1.0
"""Seconds for connections to end that were cut off."""


class HttpDoor:
    """Serves HTTP; see :class:`bridge.doors.Door`."""

    def __init__(self, settings: HttpSettings, services: Services) -> None:
        """Prepare."""
        self._settings = settings
        self._services = services
        self._metrics = MetricsPage(services)
        self._callbacks = Callbacks(carriers=services.carriers, news=services.news, metrics=services.metrics)
        self._console = Console(settings, services) if settings.console else None
        self._server: _Server | None = None
        self._serving: asyncio.Task[None] | None = None
        self.addresses: Sequence[str] = ()

    async def open(self) -> None:
        """Listen, and serve the routes of all doors. Raises :exc:`~bridge.model.errors.ConfigError`."""
        listener = doors.listen(self._settings.listen, setting="http.listen")
        try:
            self._metrics.open()
            self._server = _Server(_app(self._all_routes()))
            self._serving = asyncio.create_task(self._server.serve(sockets=[listener]), name="http server")
            self._serving.add_done_callback(_ended)
            await self._server.wait_up(self._serving)
        except BaseException:
            listener.close()
            raise
        self.addresses = (f"http://{_place(listener)}",)

    async def close(self, *, grace: float) -> None:
        """Take no more; answer what runs, for ``grace`` seconds at most; then close what is left."""
        if self._console is not None:
            # Pages that wait for news would wait for ever.
            self._console.close()
        if self._server is not None and self._serving is not None:
            await self._server.stop(self._serving, grace=grace)
            self._serving = None
        self._metrics.close()

    def routes(self) -> Sequence[BaseRoute]:
        """Return what this door serves itself."""
        console = self._console.routes() if self._console is not None else ()
        return (*health.routes(self._services), *self._metrics.routes(), *self._callbacks.routes(), *console)

    def ended(self) -> str | None:
        """Say that the server's task ended by itself."""
        return "the HTTP server ended" if self._serving is not None and self._serving.done() else None

    def _all_routes(self) -> Sequence[BaseRoute]:
        others = (door.routes() for door in self._services.doors.values() if door is not self)
        # Routes are asked in turn, and programs call more often than people look.
        return [*(route for routes in others for route in routes), *self.routes()]


class HttpDoorKind:
    """How the application makes the HTTP door; see :class:`bridge.doors.DoorKind`."""

    settings: type[BaseModel] = HttpSettings

    def build(self, settings: HttpSettings, services: Services) -> Door:
        """Return the door, not yet open."""
        return HttpDoor(settings, services)


door = HttpDoorKind()


class _Server(uvicorn.Server):
    """uvicorn's server as a part of a program that has an event loop and handlers of signals already."""

    def __init__(self, app: Starlette) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=_connection_class(),
                h11_max_incomplete_event_size=65_536,
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                access_log=False,
                server_header=False,
                # Which proxies are believed is a setting of the door that asks; it needs the peer as it is.
                proxy_headers=False,
                limit_concurrency=_MOST_AT_ONCE,
                timeout_keep_alive=_KEEP_ALIVE,
                backlog=1024,
                workers=1,
            )
        )
        self._up = asyncio.Event()
        self._down = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the application."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and tell."""
        await super().startup(sockets=sockets)
        self._up.set()

    async def main_loop(self) -> None:
        """Keep the Date header right until the stop. The base looks ten times a second, also with nothing to do."""
        while not await self.on_tick(0):
            try:
                async with asyncio.timeout(1):
                    await self._down.wait()
            except TimeoutError:
                continue

    async def wait_up(self, serving: asyncio.Task[None]) -> None:
        """Wait until it accepts connections."""
        up = asyncio.create_task(self._up.wait())
        await asyncio.wait({up, serving}, return_when=asyncio.FIRST_COMPLETED)
        if not up.done():
            up.cancel()
            reason = "the HTTP server did not start"
            raise InternalError(reason) from (None if serving.cancelled() else serving.exception())

    async def stop(self, serving: asyncio.Task[None], *, grace: float) -> None:
        """Stop accepting, close idle connections, let requests end; after ``grace`` seconds cut them off."""
        self.should_exit = True
        self._down.set()
        await asyncio.wait({serving}, timeout=grace)
        if serving.done():
            return
        self.force_exit = True
        for connection in tuple(self.server_state.connections):
            connection.transport.abort()
        for task in tuple(self.server_state.tasks):
            task.cancel()
        await asyncio.wait({serving}, timeout=_CUT_OFF)
        serving.cancel()


def _app(routes: Sequence[BaseRoute]) -> Starlette:
    app = Starlette(
        routes=routes,
        middleware=[Middleware(Guard)],
        exception_handlers={HTTPException: on_http_exception},
    )
    # A redirect to the path without its last slash would be built from the request's Host header.
    app.router.redirect_slashes = False
    return app


def _connection_class() -> type[asyncio.Protocol] | str:
    try:
        from bridge.web.connection import BoundedConnection  # noqa: PLC0415 - httptools does not install everywhere
    except ImportError:  # pragma: no cover - h11 bounds heads by itself
        return "h11"
    return BoundedConnection


def _place(listener: socket.socket) -> str:
    host, port, *_ = listener.getsockname()
    return join_address(host, port)


def _ended(serving: asyncio.Task[None]) -> None:
    if not serving.cancelled() and (error := serving.exception()) is not None:
        _log.error("http server failed", exc_info=error)
