"""``/carriers/<name>/callback/<secret>`` and ``/carriers/<name>/inbound/<secret>``: what upstreams call.

The secret in the path is compared first, and an unknown name is answered as a wrong secret is. Then the carrier reads
the call, and only when all that it says is durable the upstream hears so. For trouble of ours there is a 503: it
comes again. A path is in no log (:class:`bridge.web.answers.Guard` cuts it off), nor is anything of a call.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from typing import TYPE_CHECKING, Final, Protocol

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bridge.carriers.base import Call, Called, Confirmed, Decrypting, Forged, Unreadable
from bridge.model.errors import Trouble
from bridge.telemetry import get_logger
from bridge.web.answers import PLAIN, problem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.routing import BaseRoute
    from starlette.types import Receive, Scope, Send

    from bridge.carriers.base import Carrier
    from bridge.model.message import Inbound, Report
    from bridge.telemetry import Metrics

_log = get_logger(__name__)

MOST_BODY: Final = 1 << 20
"""Bytes. A call of a hundred reports is a hundredth of it."""

_MOST_READ: Final = 16 << 20

_NOBODY: Final = "none"
"""In the metrics, the carrier of calls that named none, or not its secret."""


class News(Protocol):
    """Where calls are applied, each in one piece."""

    async def take(self, brought: Sequence[Report], inbounds: Sequence[Inbound] = ()) -> object:
        """Apply reports and keep texts; durable on return. Raises :exc:`Trouble` where nothing could be kept."""
        ...


class Callbacks:
    """Takes the calls of all carriers that are :class:`~bridge.carriers.base.Called`."""

    def __init__(self, *, carriers: Mapping[str, Carrier], news: News, metrics: Metrics) -> None:
        """Prepare."""
        self._carriers = {name: carrier for name, carrier in carriers.items() if isinstance(carrier, Called)}
        self._news = news
        self._counter = metrics.carrier_calls

    def routes(self) -> Sequence[BaseRoute]:
        """Return the two paths, for every method: some upstreams send PUT, or look first by HEAD."""
        return (
            Route("/carriers/{name}/callback/{secret}", _Path(self, inbound=False)),
            Route("/carriers/{name}/inbound/{secret}", _Path(self, inbound=True)),
        )

    async def answer(self, request: Request, *, inbound: bool) -> Response:
        """Take one call."""
        carrier = self._known(request.path_params["name"], request.path_params["secret"])
        if carrier is None:
            self._count(_NOBODY, "unknown")
            return problem(404)
        name = request.path_params["name"]
        body = await _body(request)
        if body is None:
            self._count(name, "too large")
            _log.warning("callback refused", carrier=name, result="too large")
            return problem(413)
        call = Call(
            method=request.method,
            inbound=inbound,
            query=request.scope["query_string"],
            body=body,
            headers=dict(request.headers),
        )
        return await self._taken(name, carrier, call)

    async def _taken(self, name: str, carrier: Called, call: Call) -> Response:
        """Apply a call, and answer as the carrier says, or why not."""
        try:
            if isinstance(carrier, Decrypting) and carrier.decrypts:
                # A tenth of a second for each text, and after an outage phones bring hundreds at once.
                received = await asyncio.to_thread(carrier.receive, call)
            else:
                received = carrier.receive(call)
            if received.named and isinstance(carrier, Confirmed):
                received = await carrier.confirm(received)
            await self._news.take(received.reports, received.inbounds)
        except (Forged, Unreadable) as error:
            result, status = ("forged", 403) if isinstance(error, Forged) else ("unreadable", 400)
            _log.warning("callback refused", carrier=name, result=result, reason=str(error))
            response: Response = problem(status)
        except Trouble as error:
            result, response = "trouble", problem(503, {"retry-after": "5"}, code=error.code)
        except Exception as error:  # noqa: BLE001 - a bug; what it says may be the text of a call
            result, response = "failed", problem(503)
            _log.error("callback failed", carrier=name, error=type(error).__name__, line=_line(error))
        else:
            result, response = "taken", Response(received.answer, 200, PLAIN, media_type=received.media_type)
        self._count(name, result)
        return response

    def _known(self, name: str, secret: str) -> Called | None:
        """Return the carrier with this name and secret. It takes the same time whatever is wrong with them."""
        carrier = self._carriers.get(name)
        own = carrier.callback_secret if carrier is not None else None
        expected = own.get_secret_value() if own is not None else secrets.token_urlsafe()
        right = hmac.compare_digest(_digest(secret), _digest(expected))
        return carrier if right and own is not None else None

    def _count(self, carrier: str, result: str) -> None:
        self._counter.labels(carrier, result).inc()


class _Path:
    """One of the two paths as an ASGI application: a route of a function would allow GET alone."""

    def __init__(self, callbacks: Callbacks, *, inbound: bool) -> None:
        self._callbacks = callbacks
        self._inbound = inbound

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._callbacks.answer(Request(scope, receive), inbound=self._inbound)
        await response(scope, receive, send)


async def _body(request: Request) -> bytes | None:
    """Return the body, or None for one that is too long: read on a while, or its sender would not hear why."""
    body = bytearray()
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > _MOST_READ:
            return None
        if size <= MOST_BODY:
            body += chunk
    return bytes(body) if size <= MOST_BODY else None


def _digest(secret: str) -> bytes:
    # Of one length, so that a comparison tells nothing of it either.
    return hashlib.sha256(secret.encode(errors="surrogateescape")).digest()


def _line(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace is not None else ""
