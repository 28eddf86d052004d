"""How many texts a carrier gets in a time: ``30/1s`` is thirty in any second. Pure; times are seconds of any clock.

Counted from the times of the last texts, not with a bucket that fills: one that holds thirty and fills by thirty a
second gives sixty in its first second, and a provider that counts refuses half of these.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bridge.model.limits import Limit


class Rate:
    """The texts that one carrier got lately."""

    def __init__(self, limit: Limit) -> None:
        """Begin with none."""
        self._count = limit.count
        self._span = limit.span.total_seconds()
        self._times: deque[float] = deque()

    def free(self, now: float) -> int:
        """Return how many texts it may get now."""
        while self._times and self._times[0] <= now - self._span:
            self._times.popleft()
        return max(0, self._count - len(self._times))

    def take(self, now: float) -> None:
        """Count a text that is given to it now."""
        self._times.append(now)

    def wait(self, now: float) -> float | None:
        """Return in how many seconds it may get one, None when that is now."""
        return None if self.free(now) else self._times[-self._count] + self._span - now
