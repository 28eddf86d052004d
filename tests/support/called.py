"""The place where upstreams call a carrier: the bridge's own, without the rest of the bridge."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from bridge import doors
from bridge.carriers.base import Called, Urls
from bridge.telemetry import Metrics
from bridge.web.callbacks import Callbacks
from bridge.web.server import _app, _Server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bridge.carriers.base import Carrier
    from bridge.web.callbacks import News


@asynccontextmanager
async def called(carrier: Carrier, news: News) -> AsyncIterator[Urls | None]:
    """Serve the carrier's URLs on loopback, and give them; None for a carrier that nobody calls."""
    if not isinstance(carrier, Called) or carrier.callback_secret is None:
        yield None
        return
    callbacks = Callbacks(carriers={carrier.name: carrier}, news=news, metrics=Metrics())
    listener = doors.listen("127.0.0.1:0", setting="test")
    server = _Server(_app(callbacks.routes()))
    server.config.load()
    # Without uvicorn's own loop around it, which takes a tenth of a second to end.
    make = server.config.http_protocol_class
    serving = await asyncio.get_running_loop().create_server(
        lambda: make(config=server.config, server_state=server.server_state, app_state={}),  # type: ignore[call-arg]
        sock=listener,
    )
    try:
        place = f"http://127.0.0.1:{listener.getsockname()[1]}"
        yield Urls.under(place, carrier.name, carrier.callback_secret.get_secret_value())
    finally:
        serving.close()
        for connection in tuple(server.server_state.connections):
            connection.transport.abort()
        await asyncio.gather(*server.server_state.tasks)
