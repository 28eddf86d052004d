"""A carrier of kind ``openapi`` on its server, open for a test, and texts for it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from bridge.carriers.base import Pending
from bridge.carriers.openapi.carrier import openapi
from bridge.carriers.openapi.settings import OpenApiSettings
from bridge.model.message import Outcome, Outgoing, new_message_id, recipient_id
from bridge.model.text import Encoding
from tests.contract.test_carriers import Ear
from tests.support.called import called
from tests.support.openapi_server import NOW, GatewayServer, SmsV2Server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    from bridge.carriers.openapi.base import OpenApiCarrier

NUMBER = "+972502345678"
Server = GatewayServer | SmsV2Server


class Time:
    """A clock that a test sets."""

    now = NOW

    def __call__(self) -> datetime:
        return self.now


def outgoing(number: str = NUMBER, text: str = "hello", sender: str | None = "ACME", **more: Any) -> Outgoing:
    """Make a text that was taken at NOW."""
    message_id = new_message_id(NOW)
    return Outgoing(
        id=recipient_id(message_id, 1),
        message_id=message_id,
        number=number,
        text=text,
        sender=sender,
        encoding=Encoding.GSM7,
        parts=1,
        attempt=1,
        expires_at=NOW + timedelta(hours=1),
        **more,
    )


def pending(text: Outgoing, carrier_id: str | None = None) -> Pending:
    """Make the question about a text."""
    return Pending(id=text.id, carrier_id=carrier_id, number=text.number, sent_at=NOW)


def made(table: dict[str, Any], time: Time | None = None) -> OpenApiCarrier:
    """Build a carrier from its table."""
    return openapi("main", OpenApiSettings.model_validate(table), clock=time or Time())


@asynccontextmanager
async def opened(
    server: Server, ear: Ear | None = None, *, time: Time | None = None, **changes: Any
) -> AsyncIterator[OpenApiCarrier]:
    """Serve, and have a carrier open meanwhile, which the server can call."""
    async with server.serving():
        carrier = made(server.table() | changes, time)
        async with called(carrier, ear or Ear()) as urls:
            if urls is not None:
                carrier.called_at(urls)
                server.urls = urls
            try:
                await carrier.open(Ear())
                yield carrier
            finally:
                await carrier.close()


async def sent(server: Server, text: Outgoing, **changes: Any) -> Outcome:
    """Send one text."""
    async with opened(server, **changes) as carrier:
        return await carrier.send(text)


def api(server: Server) -> list[str]:
    """Return the calls of the API, without those for tokens."""
    return [f"{seen.method} {seen.target}" for seen in server.seen if not server.spares(seen)]
