"""When a text that surely was not sent is tried again, and when a carrier is asked about one that was. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

_MAX_DOUBLINGS = 20
_FIRST_ASK = timedelta(seconds=30)
_LONGEST_ASK = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Backoff:
    """Waits that double from ``first`` up to ``ceiling``, each cut by up to ``jitter`` of itself."""

    first: timedelta = timedelta(seconds=5)
    ceiling: timedelta = timedelta(minutes=15)
    jitter: float = 0.25

    def wait(self, rounds: int, chance: float, asked: timedelta | None = None) -> timedelta:
        """Return the wait after ``rounds`` (from 1) rounds of tries; ``chance`` is uniform in [0, 1).

        A carrier that asked for a longer wait gets it, up to the ceiling: a text may be dead by the day that some
        upstreams name. One that asked for less does not get it.
        """
        doublings: int = 2 ** min(rounds - 1, _MAX_DOUBLINGS)
        # Divided first: a day doubled thirty times is no timedelta any more.
        grown = self.ceiling if self.ceiling / doublings < self.first else min(self.ceiling, self.first * doublings)
        own = grown * (1 - self.jitter * chance)
        return own if asked is None else max(own, min(asked, self.ceiling))


def due(*, now: int, wait: timedelta, expires_at: int) -> int:
    """Return when to try again, in milliseconds.

    Never past the end of the lifetime, where the text expires on time.
    """
    return min(now + int(wait.total_seconds() * 1000), expires_at)


def ask_after(asked: int) -> timedelta:
    """Return how long to wait before a carrier is asked what became of a text, after ``asked`` times in vain."""
    doublings: int = 2 ** min(asked, _MAX_DOUBLINGS)
    return min(_FIRST_ASK * doublings, _LONGEST_ASK)


def first_ask(now: int) -> int:
    """Return when a carrier is first asked what became of a text that it got now, in milliseconds."""
    return now + int(_FIRST_ASK.total_seconds() * 1000)
