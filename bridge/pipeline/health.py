"""How a carrier is, told from how its sends end. Pure: a state machine; times are seconds of any steady clock.

::

           a burst of bad ends                rest over
    up ───────────────────────▶ down, rests ───────────▶ one text is tried
    ▲                               ▲                        │      │
    │                               └── bad: twice as long ──┘      │ good
    └───────────────────────────────────────────────────────────────┘

A bad end is *deferred* or *unknown*. *Accepted* and *refused* are good: who refuses a text has read it. Bad ends count
as a burst by the texts that had one since the last good end, so one number that is put off again and again is no
illness. After a rest as few texts as one are under way, and one more for each good end.

A carrier that says when to come again is held until then: it gets nothing, whatever the text. It is not down for that,
but goes on with half as many texts under way.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from bridge.model.message import Verdict

if TYPE_CHECKING:
    from bridge.model.message import Outcome

_GOOD = frozenset({Verdict.ACCEPTED, Verdict.REFUSED})
_MEMORY = 0.1
"""What the last end weighs in the share."""
_FORGIVEN = 60.0
"""Seconds in which half of what the share has lost comes back by itself."""
_LEAST_SHARE = 0.02


@dataclass(frozen=True, kw_only=True, slots=True)
class Endurance:
    """What is borne. ``burst`` are texts, times are seconds.

    A rest is ``first_rest`` long and doubles up to ``longest_rest`` until the carrier is well again. No word of a
    carrier holds it for more than ``longest_hold``: who asks for a week is asked what it meant.
    """

    burst: int = 5
    first_rest: float = 5.0
    longest_rest: float = 300.0
    longest_hold: float = 600.0


class Turn(StrEnum):
    """A change that an operator should hear of."""

    DOWN = "down"
    UP = "up"


class Health:
    """The health of one carrier, as one process sees it."""

    def __init__(self, concurrency: int, endurance: Endurance | None = None) -> None:
        """Begin up and well; ``concurrency`` is how many texts may be under way then."""
        self._most = concurrency
        self._endurance = endurance or Endurance()
        self._limit = float(concurrency)
        self._slow_start = False
        self._bad: set[str] = set()
        self._good = self._endurance.burst
        self._rest = self._endurance.first_rest
        self._down_until: float | None = None
        self._probe: str | None = None
        self._held_until = 0.0
        self._lost = 0.0
        self._noted = 0.0

    @property
    def up(self) -> bool:
        """Whether it is not down. One that is held is up."""
        return self._down_until is None

    def allowed(self, now: float) -> int:
        """Return how many texts may be under way: none while it is held or rests, then one to try, else its limit."""
        if now < self._held_until:
            return 0
        if self._down_until is not None:
            return int(now >= self._down_until)
        return int(self._limit)

    def rests(self, now: float) -> bool:
        """Whether texts that are surely not with it should take another carrier: it is down, or held."""
        return self._down_until is not None or now < self._held_until

    def until(self, now: float) -> float | None:
        """Return in how many seconds it may be asked again, None when that is now."""
        wait = max(self._held_until, self._down_until or 0.0) - now
        return wait if wait > 0 else None

    def share(self, now: float) -> float:
        """Return what is left of its weight, from 1 down to nearly nothing. Falls with bad ends, heals with time."""
        if not self._lost:
            return 1.0
        return max(_LEAST_SHARE, 1.0 - self._faded(now))

    def begin(self, name: str) -> None:
        """Say that a text is being sent; of one that is down, the text is the probe."""
        if self._down_until is not None and self._probe is None:
            self._probe = name

    def note(self, name: str, outcome: Outcome, now: float) -> Turn | None:
        """Take the end of a send of the text of that id; return what an operator should hear, if anything."""
        good = outcome.verdict in _GOOD
        if good and not self._bad and not self._lost and self._limit >= self._most and self._down_until is None:
            self._good += 1
            return None  # all is well, as nearly always
        held = now < self._held_until
        self._weigh(good=good, now=now)
        if outcome.verdict is Verdict.DEFERRED and outcome.retry_after is not None:
            self._hold(outcome.retry_after.total_seconds(), now)
        if self._down_until is not None:
            return self._tried(name, good=good, now=now)
        if good:
            self._heal()
            return None
        if held:
            return None  # was under way when it asked for time: the same word again
        self._good = 0
        self._bad.add(name)
        # Of one that was down a moment ago less is borne.
        if len(self._bad) >= (self._endurance.burst if self._well else min(3, self._endurance.burst)):
            self._fall(now)
            return Turn.DOWN
        return None

    @property
    def _well(self) -> bool:
        return self._rest <= self._endurance.first_rest

    def _faded(self, now: float) -> float:
        return float(self._lost * 0.5 ** (max(0.0, now - self._noted) / _FORGIVEN))

    def _weigh(self, *, good: bool, now: float) -> None:
        lost = self._faded(now)
        lost += _MEMORY * ((0.0 if good else 1.0) - lost)
        self._lost = lost if lost > _LEAST_SHARE / 2 else 0.0
        self._noted = now

    def _hold(self, seconds: float, now: float) -> None:
        if seconds <= 0:
            return
        if now >= self._held_until:
            self._limit = max(1.0, self._limit / 2)
            self._slow_start = False
        self._held_until = max(self._held_until, now + min(seconds, self._endurance.longest_hold))

    def _tried(self, name: str, *, good: bool, now: float) -> Turn | None:
        if name != self._probe:
            return None  # it was sent before the fall, and says nothing new
        self._probe = None
        if not good:
            self._fall(now)
            return None
        self._down_until = None
        self._bad.clear()
        self._limit, self._slow_start = 1.0, True
        self._good = 0
        self._heal()
        return Turn.UP

    def _fall(self, now: float) -> None:
        self._down_until = now + self._rest
        self._rest = min(self._rest * 2, self._endurance.longest_rest)
        self._bad.clear()
        self._probe = None

    def _heal(self) -> None:
        self._bad.clear()
        self._good += 1
        # One more for each good end doubles in each round; after it asked for time, one more in each round.
        self._limit = min(float(self._most), self._limit + (1.0 if self._slow_start else 1.0 / self._limit))
        if self._limit >= self._most and self._good >= self._endurance.burst:
            self._rest = self._endurance.first_rest
            self._slow_start = False
