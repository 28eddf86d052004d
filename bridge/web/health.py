"""Whether the bridge lives and takes texts, for load balancers and orchestrators."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse
from starlette.routing import Route

from bridge.web.answers import PLAIN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from bridge.doors import Health, Services

_TYPE = "application/health+json"


def routes(services: Services) -> Sequence[BaseRoute]:
    """Return ``/health/live``, ``/health/ready`` and ``/health``, which is the same as ready.

    200 ``{"status": "pass"}``, or 503 ``{"status": "fail", "problems": […]}`` with one line for each problem.
    """

    async def live(_request: Request) -> Response:
        health = services.alive()
        return _answer(health, good=health.live)

    async def ready(_request: Request) -> Response:
        health = await services.health()
        return _answer(health, good=health.ready)

    return (Route("/health/live", live), Route("/health/ready", ready), Route("/health", ready))


def _answer(health: Health, *, good: bool) -> Response:
    content: dict[str, Any] = {"status": "pass" if good else "fail"}
    if not good:
        content["problems"] = list(health.problems)
    return JSONResponse(content, 200 if good else 503, PLAIN, media_type=_TYPE)
