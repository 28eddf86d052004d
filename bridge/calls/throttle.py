"""Failed logins: counted, slowed, and after too many of them not looked at any more.

Counted for a user name from a place, for a place, and for a user name from anywhere, in a window that slides. A place
is an address, or a /64 of IPv6. The last two counts do not hold where a login of that user came right before: a place
that is known to be a customer's is closed to him by failures under his own name from there, and by no stranger's.
All of it is in memory and bounded: what was not touched for longest is forgotten first.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from bridge.model.errors import LoginBlocked
from bridge.model.login import LONGEST_USER, place_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

BLOCKED = "too many logins failed; try again later"

_PLACE = 5
_USER = 10
"""How many times the failures of a user from one place a place may have, and a user."""
_LONGEST_DELAY = 8
_KEPT = 20_000
_DELAYED = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Patience:
    """What is borne: ``failures`` of a user from a place in a ``window``, each but the first answered after a delay.

    The second waits ``delay``, each further one twice as long, up to eight times ``delay``.
    """

    failures: int = 10
    window: timedelta = timedelta(minutes=15)
    delay: timedelta = timedelta(seconds=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """Who tries to come in, and from where. ``user`` is None where none is named, as with a token."""

    user: str | None
    place: str

    @classmethod
    def of(cls, user: str | None, address: str) -> Attempt:
        """Return what is counted for a login. A user name that is too long to be one is counted for its place only."""
        known = user is not None and len(user) <= LONGEST_USER
        return cls(user=user if known else None, place=place_of(address))


class _Counts:
    """Moments of failures by key, the oldest first; and how many are under way."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._failed: OrderedDict[object, list[float]] = OrderedDict()
        self._pending: dict[object, int] = {}

    def failed(self, key: object, since: float) -> int:
        moments = self._failed.get(key)
        if moments is None:
            return 0
        moments[:] = [moment for moment in moments if moment > since]
        if not moments:
            del self._failed[key]
        return len(moments)

    def pending(self, key: object) -> int:
        return self._pending.get(key, 0)

    def begin(self, key: object) -> None:
        self._pending[key] = self.pending(key) + 1

    def end(self, key: object) -> None:
        left = self._pending.pop(key) - 1
        if left:
            self._pending[key] = left

    def add(self, key: object, now: float) -> None:
        moments = self._failed.setdefault(key, [])
        moments.append(now)
        del moments[: -self.limit]
        self._failed.move_to_end(key)
        while len(self._failed) > _KEPT:
            self._failed.popitem(last=False)

    def __len__(self) -> int:
        return len(self._failed)


class Throttle:
    """Counts failed logins. One for each process; used in the event loop only. ``timer`` counts seconds."""

    def __init__(
        self,
        patience: Patience | None = None,
        *,
        timer: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        delayed: int = _DELAYED,
    ) -> None:
        """Begin with no failures. At most ``delayed`` logins are slowed at once; others are answered without a wait."""
        self._patience = patience or Patience()
        self._timer = timer
        self._sleep = sleep
        self._window = self._patience.window.total_seconds()
        self._pairs = _Counts(self._patience.failures)
        self._places = _Counts(self._patience.failures * _PLACE)
        self._users = _Counts(self._patience.failures * _USER)
        self._good: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._delayed = 0
        self._most_delayed = delayed

    def check(self, attempt: Attempt) -> None:
        """Raise :exc:`LoginBlocked` when too many failed."""
        if self._full(attempt, under_way=False):
            raise LoginBlocked(BLOCKED)

    @contextmanager
    def trying(self, attempt: Attempt) -> Iterator[None]:
        """Count an attempt as failed for as long as it takes: many at once are not more guesses than one by one.

        Raises :exc:`LoginBlocked` when there would be too many.
        """
        if self._full(attempt, under_way=True):
            raise LoginBlocked(BLOCKED)
        counted = list(self._counted(attempt))
        for counts, key in counted:
            counts.begin(key)
        try:
            yield
        finally:
            for counts, key in counted:
                counts.end(key)

    def knows(self, attempt: Attempt) -> bool:
        """Say whether this user came in from that place before."""
        return attempt.user is not None and (attempt.user, attempt.place) in self._good

    def right(self, attempt: Attempt) -> None:
        """Note that a login was right: that place is known to be the user's."""
        if attempt.user is not None:
            self._good[attempt.user, attempt.place] = None
            self._good.move_to_end((attempt.user, attempt.place))
            while len(self._good) > _KEPT:
                self._good.popitem(last=False)

    def wrong(self, attempt: Attempt) -> bool:
        """Count a failure. Returns True when with it the attempts of that kind are blocked."""
        now = self._timer()
        before = self._full(attempt, under_way=False)
        for counts, key in self._counted(attempt):
            counts.add(key, now)
        return not before and self._full(attempt, under_way=False)

    async def slow(self, attempt: Attempt) -> None:
        """Wait, the longer the more failed. When too many wait already, not at all: they hold a connection each."""
        since = self._timer() - self._window
        failed = max(counts.failed(key, since) for counts, key in self._counted(attempt))
        if failed <= 1 or self._delayed >= self._most_delayed or not self._patience.delay:
            return
        factor: int = min(2 ** min(failed - 2, 8), _LONGEST_DELAY)
        self._delayed += 1
        try:
            await self._sleep(self._patience.delay.total_seconds() * factor)
        finally:
            self._delayed -= 1

    def _full(self, attempt: Attempt, *, under_way: bool) -> bool:
        since = self._timer() - self._window
        known = self.knows(attempt)
        return any(
            counts.failed(key, since) + (counts.pending(key) if under_way else 0) >= counts.limit
            for counts, key in self._counted(attempt)
            if counts is self._pairs or not known
        )

    def _counted(self, attempt: Attempt) -> Iterator[tuple[_Counts, object]]:
        yield self._places, attempt.place
        if attempt.user is not None:
            yield self._pairs, (attempt.user, attempt.place)
            yield self._users, attempt.user
