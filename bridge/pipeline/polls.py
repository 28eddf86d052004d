"""Asking carriers that do not call: what became of texts, and what phones sent.

A text that a carrier took is asked about after half a minute, then after waits that double up to an hour, in batches
as large as the carrier likes them. It ends with the text: by an answer, by a callback, or at an age. The times stand in
the store, so a restart forgets none; they are moved on before the carrier is asked, so no two processes ask at once.
An upstream that cannot be asked costs one line in the log, and is left alone for longer each time.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from bridge.carriers.base import Pending
from bridge.model.errors import BridgeError
from bridge.model.message import recipient_id
from bridge.model.moment import from_ms
from bridge.model.state import State
from bridge.pipeline.retry import Backoff, ask_after
from bridge.store import asks, events
from bridge.telemetry import get_logger

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from bridge.carriers.base import Asked, Fetched
    from bridge.pipeline.commit import Writer
    from bridge.pipeline.reports import News
    from bridge.store.asks import Open
    from bridge.store.engine import Connection, Store

_log = get_logger(__name__)

_OPEN = frozenset({State.SENT, State.UNKNOWN})
_LONGEST_ANSWER = 60.0
"""Seconds for an answer. Carriers have limits of their own; this one holds when they fail."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Patience:
    """For how long a carrier is asked about a text, and whether it is ``undelivered`` then, or stays as it is."""

    age: timedelta = timedelta(hours=72)
    undelivered: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Rhythm:
    """How often is looked, in seconds: for texts that are due, and after an upstream that could not be asked."""

    look: float = 5.0
    trouble: Backoff = field(
        default_factory=partial(Backoff, first=timedelta(seconds=30), ceiling=timedelta(minutes=30), jitter=0.0)
    )


class Polls:
    """The tasks that ask, one for each carrier and kind of question."""

    def __init__(
        self,
        *,
        store: Store,
        writer: Writer,
        news: News,
        asked: Mapping[str, tuple[Asked, Patience]],
        fetched: Mapping[str, Fetched],
        rhythm: Rhythm | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Prepare; the carriers by name, those that are asked each with the patience for it."""
        self._store = store
        self._writer = writer
        self._news = news
        self._asked = asked
        self._fetched = fetched
        self._rhythm = rhythm or Rhythm()
        self._sleep = sleep
        self._stopping = False
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin, when the carriers are open. The tasks run in the current event loop."""
        for name, (carrier, patience) in self._asked.items():
            turn = partial(self._ask, name, carrier, patience)
            self._tasks.append(asyncio.create_task(self._repeat(name, "reports", turn), name=f"ask {name}"))
        for name, source in self._fetched.items():
            if source.fetch_every > 0:
                turn = partial(self._fetch, source)
                self._tasks.append(asyncio.create_task(self._repeat(name, "texts", turn), name=f"fetch {name}"))

    @property
    def failed(self) -> asyncio.Task[None] | None:
        """A task that ended although nothing stopped it, or None."""
        return None if self._stopping else next((task for task in self._tasks if task.done()), None)

    async def stop(self, *, grace: float) -> None:
        """End at once. What a question under way would have told is asked again after the next start."""
        self._stopping = True
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace)

    async def _repeat(self, name: str, what: str, turn: Callable[[], Awaitable[float]]) -> None:
        """Take turns for ever; each says after how many seconds comes the next. One that fails backs off."""
        failures = 0
        while True:
            try:
                wait = await turn()
            except Exception as error:  # noqa: BLE001 - a carrier's bug ends no task, and no other question
                failures += 1
                wait = self._rhythm.trouble.wait(failures, 0.0).total_seconds()
                if failures == 1:
                    reason = error.reason if isinstance(error, BridgeError) else type(error).__name__
                    if not isinstance(error, BridgeError | TimeoutError):
                        _log.exception("carrier failed", carrier=name)
                    _log.warning("carrier not asked", carrier=name, what=what, reason=reason)
            else:
                if failures:
                    _log.info("carrier asked again", carrier=name, what=what)
                failures = 0
            await self._sleep(wait)

    async def _ask(self, name: str, carrier: Asked, patience: Patience) -> float:
        """Ask about the texts that are due, once; return when to look again: at once where there are more."""
        most = max(1, carrier.most_asked)
        texts = await self._writer.run(partial(take_due, store=self._store, carrier=name, most=most, patience=patience))
        if not texts:
            return self._rhythm.look
        try:
            async with asyncio.timeout(_LONGEST_ANSWER):
                reports = await carrier.states_of([_pending(one) for one in texts])
        except Exception:
            await self._writer.run(partial(put_back, store=self._store, texts=texts))
            raise
        await self._news.take(list(reports))
        return 0.0 if len(texts) == most else self._rhythm.look

    async def _fetch(self, source: Fetched) -> float:
        async with asyncio.timeout(_LONGEST_ANSWER):
            inbounds = await source.fetch()
        await self._news.take((), list(inbounds))
        return source.fetch_every


def take_due(connection: Connection, *, store: Store, carrier: str, most: int, patience: Patience) -> list[Open]:
    """Return up to ``most`` texts that a carrier is to be asked about now, and set when each is asked about again.

    What has its end, or got one otherwise, is asked about no more. At the age that patience allows, a text ends.
    """
    now = store.now(connection)
    oldest = now - int(patience.age.total_seconds() * 1000)
    wanted: list[Open] = []
    given_up: list[Open] = []
    times: list[tuple[str, int, int | None, int]] = []
    for one in asks.due(connection, carrier=carrier, now=now, limit=most):
        again = None
        if one.state in _OPEN and one.since > oldest:
            wanted.append(one)
            again = now + int(ask_after(one.asked + 1).total_seconds() * 1000)
        elif one.state is State.SENT and patience.undelivered:
            given_up.append(one)
        times.append((one.message_id, one.position, again, one.asked + 1))
    asks.put(connection, times)
    asks.end(connection, [(one.message_id, one.position) for one in given_up], State.UNDELIVERED, now=now)
    data = {"carrier": carrier, "reason": "nothing was heard of it"}
    events.add(
        connection,
        [(one.account_id, State.UNDELIVERED, one.message_id, one.position, data) for one in given_up],
        now=now,
    )
    return wanted


def put_back(connection: Connection, *, store: Store, texts: Sequence[Open]) -> None:
    """Let a question that was not answered not count: its texts are due again, and as often asked about as before."""
    now = store.now(connection)
    asks.put(connection, [(one.message_id, one.position, now, one.asked) for one in texts])


def _pending(one: Open) -> Pending:
    return Pending(
        id=recipient_id(one.message_id, one.position),
        carrier_id=one.carrier_id,
        number=one.number,
        sent_at=from_ms(one.since),
    )
