"""HTTP methods of faces that act on GET, as the services did whose programs call them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.requests import Request

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.responses import Response
    from starlette.types import Receive, Scope, Send

    Serve = Callable[[Request], Awaitable[Response]]


class OnlyBy:
    """Serves by the methods that are named, and no other.

    A plain route would take HEAD wherever it takes GET: who only looks must not send a text.
    """

    def __init__(self, serve: Serve, *methods: str) -> None:
        """Stand before ``serve``."""
        self._serve = serve
        self._methods = methods

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["method"] not in self._methods:
            raise HTTPException(405, headers={"allow": ", ".join(self._methods)})
        response = await self._serve(Request(scope, receive))
        await response(scope, receive, send)
