"""What many texts wait for together, fetched once for all of them: a token, say."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar

from bridge.carriers.wire import NoAnswer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_T = TypeVar("_T")


class Shared(Generic[_T]):
    """Fetches one at a time. Who waited for a fetch that failed has its failure, and does not try by himself.

    Else a server that hangs would be waited for as often as texts are under way, one after the other.
    """

    def __init__(self, held: Callable[[], _T | None], fetch: Callable[[], Awaitable[_T]]) -> None:
        """Prepare; ``held`` gives what is there and still good, ``fetch`` raises :exc:`NoAnswer`."""
        self._held = held
        self._fetch = fetch
        self._fetching = asyncio.Lock()
        self._failure: NoAnswer | None = None

    async def get(self) -> _T:
        """Return it. Raises :exc:`NoAnswer`."""
        before = self._failure
        async with self._fetching:
            if (held := self._held()) is not None:
                return held
            if self._failure is not None and self._failure is not before:
                raise NoAnswer(self._failure.reason, self._failure.verdict)
            try:
                return await self._fetch()
            except NoAnswer as failure:
                self._failure = failure
                raise
