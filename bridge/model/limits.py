"""Limits of texts per time: ``10/1m`` lets ten texts pass in any sixty seconds.

The window slides: at a time ``now`` the texts after ``now - span`` count. A text at exactly ``now - span`` does no
longer, so the next one passes at the very millisecond at which the oldest has become a span old.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from bridge.model.duration import parse_duration

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

LONGEST_SPAN: Final = timedelta(days=31)

_FORM: Final = re.compile(r"\s*([0-9]{1,9})\s*/\s*([0-9]{1,9}[smhd])\s*")
_ALLOWED: Final = "write a number of texts and a span of 1s to 31d, as 10/1m, 30/15m, 100/1h or 500/1d"


@dataclass(frozen=True, kw_only=True, slots=True)
class Limit:
    """At most ``count`` texts in any ``span``."""

    count: int
    span: timedelta

    def __str__(self) -> str:
        """Write it as it is read: 10/1m."""
        seconds = int(self.span.total_seconds())
        size, unit = next((size, unit) for size, unit in _UNITS if seconds % size == 0)
        return f"{self.count}/{seconds // size}{unit}"


_UNITS: Final = ((86_400, "d"), (3600, "h"), (60, "m"), (1, "s"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Exceeded:
    """A limit that is reached.

    ``free_at`` is when it lets the texts pass if no other comes between, in milliseconds since 1970; None when they
    are more than it ever lets pass together. ``wait_seconds`` is the time until then, rounded up.
    """

    limit: Limit
    free_at: int | None
    wait_seconds: int | None


def parse_limit(written: str) -> Limit:
    """Read ``10/1m``: one text or more, and a span of 1s to 31d in s, m, h or d.

    Raises ValueError that says what is allowed. What is switched off is left out, not written as zero.
    """
    found = _FORM.fullmatch(written)
    if not found or not int(found[1]):
        message = f"{written!r} is no limit; {_ALLOWED}"
        raise ValueError(message)
    span = parse_duration(found[2])
    if not timedelta(seconds=1) <= span <= LONGEST_SPAN:
        message = f"{written!r}: the span is out of range; {_ALLOWED}"
        raise ValueError(message)
    return Limit(count=int(found[1]), span=span)


def parse_limits(written: Iterable[str]) -> tuple[Limit, ...]:
    """Read limits that hold together, the shortest span first; none is no limit.

    Raises ValueError for one that :func:`parse_limit` refuses, and for two of one span: only the lower would count.
    """
    limits = sorted(map(parse_limit, written), key=lambda limit: limit.span)
    for one, other in pairwise(limits):
        if one.span == other.span:
            message = f"{one} and {other} are limits of the same span; keep one"
            raise ValueError(message)
    return tuple(limits)


def most(limits: Iterable[Limit]) -> int:
    """Return how many of the latest times :func:`exceeded` has to be given: no limit looks further back."""
    return max((limit.count for limit in limits), default=0)


def exceeded(times: Sequence[int], limits: Iterable[Limit], now: int, *, texts: int = 1) -> Exceeded | None:
    """Return the limit which keeps ``texts`` more from passing at ``now`` for the longest, None when they may pass.

    ``times`` are those of the texts that passed, in milliseconds since 1970, the oldest first; the last
    :func:`most` of them are enough. Times after ``now`` (another node's clock) count as well. A limit of 10 lets the
    tenth pass and keeps the eleventh. Raises nothing.
    """
    worst: Exceeded | None = None
    for limit in limits:
        # So many of the latest must be over before the new ones and all younger ones fit.
        place = limit.count - texts + 1
        if place <= 0:
            return Exceeded(limit=limit, free_at=None, wait_seconds=None)
        if len(times) < place:
            continue
        free_at = times[-place] + limit.span // timedelta(milliseconds=1)
        if free_at > now and (worst is None or worst.free_at is None or free_at > worst.free_at):
            worst = Exceeded(limit=limit, free_at=free_at, wait_seconds=-((now - free_at) // 1000))
    return worst
