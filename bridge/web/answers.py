"""What a client is told when there is nothing better to say: short JSON, without details."""

from __future__ import annotations

import asyncio
import re
import secrets
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse

from bridge.telemetry import get_logger

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_log = get_logger(__name__)

PLAIN = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
"""Headers of every answer that is about now."""

_SECRET: Final = re.compile(r"^(/+carriers/+[^/]*/+[^/]*/+).*", re.DOTALL)


def problem(status: int, /, headers: Mapping[str, str] | None = None, **more: object) -> JSONResponse:
    """Return an answer that says no more than its status, and what ``more`` holds."""
    content = {"error": HTTPStatus(status).phrase.lower(), **more}
    return JSONResponse(content, status, {**PLAIN, **(headers or {})})


def shown(path: str) -> str:
    """Return a path as a log may have it: those that upstreams call end in a secret."""
    return _SECRET.sub(r"\1...", path)


async def on_http_exception(_request: Request, error: Exception) -> JSONResponse:
    """Answer what the routing refuses: 404, and 405 with its Allow header."""
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for it alone
    return problem(error.status_code, error.headers)


class Guard:
    """Answers a bug in any route with 500 and an id; under the same id the log has the details."""

    def __init__(self, app: ASGIApp) -> None:
        """Stand around ``app``."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request. Nothing is raised: an answer that was begun ends with its connection."""
        begun = False

        async def noting(message: Message) -> None:
            nonlocal begun
            begun = begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except ClientDisconnect:
            return
        except asyncio.CancelledError:
            # Only a stop cancels a request: after its grace, and with the connection closed already.
            _log.warning("request cut off", path=shown(scope["path"]))
        except Exception:  # noqa: BLE001 - a bug in one route must not show, nor stop anything
            ident = secrets.token_hex(8)
            _log.exception("request failed", error_id=ident, method=scope["method"], path=shown(scope["path"]))
            if not begun:
                await problem(500, id=ident)(scope, receive, send)
