"""What is in hand: a waiting line for each carrier, and a lane for each route that fills them."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from bridge.pipeline.claim import Offer
from bridge.pipeline.health import Health
from bridge.pipeline.rate import Rate

if TYPE_CHECKING:
    from bridge.carriers.base import Carrier
    from bridge.model.limits import Limit
    from bridge.pipeline.health import Endurance
    from bridge.store.queue import Claimed


class Line:
    """One carrier with its senders. ``waiting`` are rows that are claimed and not begun, ``busy`` sends under way.

    ``promised`` is room that claims on their way have been offered.
    """

    def __init__(
        self, carrier: Carrier, *, batch: int, rate: Limit | None = None, endurance: Endurance | None = None
    ) -> None:
        """Begin with nothing in hand."""
        self.carrier = carrier
        self.waiting: deque[Claimed] = deque()
        self.arrived = asyncio.Event()
        self.busy = 0
        self.promised = 0
        self.health = Health(carrier.concurrency, endurance)
        self.rate = None if rate is None else Rate(rate)
        # Some in hand while the next are on their way keep all senders busy; after a crash these are sent again. No
        # more than the senders take at once: what is in hand is not overtaken by what is more urgent.
        self.spare = min(batch, carrier.concurrency) if carrier.takes_own_id else 0

    def offer(self, now: float) -> Offer:
        """Return what it can have; ``now`` is the timer's."""
        allowed = self.health.allowed(now)
        rests = self.health.rests(now)
        coming = len(self.waiting) + self.promised
        room = allowed + (0 if rests else min(self.spare, allowed)) - self.busy - coming
        if self.rate is not None:
            room = min(room, self.rate.free(now) - coming)
        return Offer(room=max(0, room), rests=rests, share=self.health.share(now))

    def is_shut(self, now: float, *, seconds: float) -> bool:
        """Whether nothing is claimed for it: it rests, or its rate is used up for so many seconds or more."""
        return self.health.rests(now) or (self.until(now) or 0.0) >= seconds

    def begin(self, name: str, now: float) -> None:
        """Count a send that begins, of the text of that id."""
        self.busy += 1
        self.health.begin(name)
        if self.rate is not None:
            self.rate.take(now)

    def until(self, now: float) -> float | None:
        """Return in how many seconds it can have more though nothing else happens; None: no such time is known."""
        waits = (self.health.until(now), self.rate.wait(now) if self.rate is not None else None)
        return max((wait for wait in waits if wait is not None), default=None)


class Lane:
    """What a feeder waits for: news of queued texts, or, when ``full``, the end of a send.

    ``in_hand`` are the rows that were claimed and whose outcome is not written yet. The lane is ``unsure`` while the
    store may hold rows under our name that are not in hand: after a claim whose answer was lost, for it may have been
    committed, and when a carrier went down with texts in its line. The next claim gives them back.
    """

    def __init__(self) -> None:
        """Begin with nothing in hand."""
        self.news = asyncio.Event()
        self.full = False
        self.claims = 0
        self.claimed = 0
        self.in_hand: set[tuple[str, int]] = set()
        self.unsure = False

    def forget(self, row: Claimed) -> None:
        """Say that a row is in no hand, though the store has it under our name: the next claim gives it back."""
        self.in_hand.discard((row.message_id, row.position))
        self.unsure = True
        self.news.set()
