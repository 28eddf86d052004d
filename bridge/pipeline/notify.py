"""Calling customers' programs: each call that is due is made until its URL answers with 2xx, or it is too old.

A line per host makes its calls, a few at once; the first one alone, so that a host that does not answer costs one wait
and not many. Such a host then rests, longer each time. What a slow host takes is its own line; the others go on. Where
there are more hosts than lines, the accounts have them by turns, and of an account's hosts who was called last comes
last: nobody keeps others waiting by naming a thousand hosts.

A call is made at least once: after a crash between the answer and the note of it, it is made again. Reports say by
their ``event_id``, and texts from phones by their ``id``, that they are the same.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Final

from bridge.model.errors import BridgeError, Stopping
from bridge.model.message import split_recipient_id
from bridge.pipeline.callbacks import Line, look_up
from bridge.pipeline.retry import Backoff, due
from bridge.store import callbacks, events
from bridge.telemetry import get_logger

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Sequence
    from ipaddress import IPv4Network, IPv6Network

    from bridge.pipeline.callbacks import Ended, Resolve
    from bridge.pipeline.commit import Writer
    from bridge.store.callbacks import Call, Next
    from bridge.store.engine import Connection, Store
    from bridge.telemetry import Metrics

_log = get_logger(__name__)

LOST: Final = "callback_lost"
"""The event of a call that was given up."""

_TROUBLE_PAUSE: Final = 0.5
_SWEEP: Final = 30_000
_SWEPT: Final = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class Tempo:
    """How calls are made. ``timeout`` and ``poll`` are in seconds; a call older than ``lifetime`` is given up.

    ``lines`` bounds the hosts called at once, ``per_host`` the calls of each; a line ends after ``turn`` seconds.
    """

    timeout: float = 10.0
    lifetime: timedelta = timedelta(hours=24)
    poll: float = 0.5
    turn: float = 10.0
    lines: int = 64
    per_host: int = 4
    batch: int = 50
    backoff: Backoff = field(default_factory=lambda: Backoff(first=timedelta(seconds=10), ceiling=timedelta(hours=1)))


@dataclass(frozen=True, slots=True)
class _Rest:
    """A host that did not answer, ``failures`` times in a row, and is left alone until a time in milliseconds."""

    failures: int
    until: int


class Notifier:
    """Makes the calls that are due, until it is stopped."""

    def __init__(
        self,
        *,
        store: Store,
        writer: Writer,
        metrics: Metrics,
        tempo: Tempo | None = None,
        allowed: Sequence[IPv4Network | IPv6Network] = (),
        resolve: Resolve = look_up,
        trust: ssl.SSLContext | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Prepare. Addresses in ``allowed`` are called though they are not public; ``trust`` says whom TLS believes."""
        self._store = store
        self._writer = writer
        self._metrics = metrics
        self._tempo = tempo or Tempo()
        self._open = partial(
            Line,
            timeout=self._tempo.timeout,
            width=self._tempo.per_host,
            allowed=tuple(allowed),
            resolve=resolve,
            trust=trust,
        )
        self._chance = chance
        self._lines: dict[str, asyncio.Task[None]] = {}
        self._lines_of: Counter[int] = Counter()
        self._resting: dict[str, _Rest] = {}
        self._turns: dict[str, int] = {}
        self._turn = count(1)
        self._news = asyncio.Event()
        self._now = 0
        self._swept: int | None = None
        self._stopping = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, in the current event loop."""
        self._task = asyncio.create_task(self._run(), name="call customers' programs")

    @property
    def task(self) -> asyncio.Task[None] | None:
        """The task that must not end by itself; None before the start, and while it is stopped."""
        return None if self._stopping else self._task

    async def stop(self, *, grace: float) -> None:
        """Begin no more calls, let those under way end for ``grace`` seconds; what is cut off is made again later."""
        self._stopping = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        lines = list(self._lines.values())
        if lines:
            _, late = await asyncio.wait(lines, timeout=grace)
            for line in late:
                line.cancel()
            if late:
                await asyncio.wait(late)

    async def _run(self) -> None:
        while True:
            self._news.clear()
            try:
                self._now, hosts = await asyncio.to_thread(self._hosts)
                await self._sweep(self._now)
            except BridgeError as error:
                _log.warning("calls of programs wait for the store", code=error.code)
            else:
                self._begin(self._now, hosts)
            try:
                async with asyncio.timeout(self._tempo.poll):
                    await self._news.wait()
            except TimeoutError:
                pass

    def _begin(self, now: int, hosts: dict[str, Next]) -> None:
        """Open a line to each host that has calls due and does not rest.

        The account with the fewest lines comes first, and of its hosts the one that was called longest ago.
        """
        self._resting = {host: rest for host, rest in self._resting.items() if host in hosts}
        self._turns = {host: turn for host, turn in self._turns.items() if host in hosts}
        waiting: dict[int, deque[str]] = {}
        for host in sorted(hosts, key=lambda host: (self._turns.get(host, 0), hosts[host])):
            rest = self._resting.get(host)
            if hosts[host].due_at <= now and host not in self._lines and (rest is None or rest.until <= now):
                waiting.setdefault(hosts[host].account_id, deque()).append(host)
        while waiting and len(self._lines) < self._tempo.lines:
            account_id = min(waiting, key=lambda one: self._lines_of[one])
            host = waiting[account_id].popleft()
            if not waiting[account_id]:
                del waiting[account_id]
            self._turns[host] = next(self._turn)
            self._lines_of[account_id] += 1
            self._lines[host] = asyncio.create_task(self._line(host, account_id), name=f"call {host}")

    async def _line(self, host: str, account_id: int) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + self._tempo.turn
        try:
            async with self._open() as line:
                more = True
                while more:
                    calls = deque(await asyncio.to_thread(self._due, host))
                    if not calls or not await self._work(line, calls, most=1):
                        break
                    hands = range(min(self._tempo.per_host, len(calls)))
                    ended = await asyncio.gather(*(self._work(line, calls, most=len(calls)) for _ in hands))
                    more = all(ended) and loop.time() < end
        except Stopping:
            pass
        except BridgeError as error:
            _log.warning("calls of programs wait for the store", code=error.code)
            await asyncio.sleep(_TROUBLE_PAUSE)
        except Exception:  # noqa: BLE001 - what breaks one line stops no other
            _log.exception("calls of a program failed", host=host)
            self._let_rest(host, self._now)
        finally:
            del self._lines[host]
            self._lines_of[account_id] -= 1
            if not self._lines_of[account_id]:
                del self._lines_of[account_id]
            self._news.set()

    async def _work(self, line: Line, calls: deque[Call], *, most: int) -> bool:
        """Make calls from the front of a line. Returns False when the host gave no answer, or we are stopping."""
        for _ in range(most):
            if self._stopping:
                return False
            if not calls:
                return True
            call = calls.popleft()
            ended = await line.call(call.url, call.fields)
            await self._note(call, ended)
            if not ended.answered:
                calls.clear()  # the others see it and stop
                return False
            self._resting.pop(call.host, None)
        return True

    async def _note(self, call: Call, ended: Ended) -> None:
        """Write down how a call ended, however long the database takes: it must not be made again and again."""
        self._metrics.callbacks.labels("made" if ended.reason is None else "failed").inc()
        if ended.reason is not None:
            _log.info("program not called", host=call.host, attempt=call.attempts + 1, reason=ended.reason)
        now = None
        while now is None:
            try:
                now = await self._writer.run(partial(self._write, call=call, ended=ended))
            except Stopping:
                raise
            except BridgeError as error:
                _log.warning("calls of programs wait for the store", code=error.code)
                await asyncio.sleep(_TROUBLE_PAUSE)
        if not ended.answered:
            self._let_rest(call.host, now)

    def _let_rest(self, host: str, now: int) -> None:
        known = self._resting.get(host, _Rest(0, 0))
        if known.until <= now:  # else another call of the line has said so
            wait = self._tempo.backoff.wait(known.failures + 1, self._chance())
            self._resting[host] = _Rest(known.failures + 1, now + wait // timedelta(milliseconds=1))

    def _write(self, connection: Connection, *, call: Call, ended: Ended) -> int:
        now = self._store.now(connection)
        if ended.reason is None:
            callbacks.made(connection, call.id)
            return now
        wait = self._tempo.backoff.wait(call.attempts + 1, self._chance())
        end = max(now, call.created_at + self._lifetime)
        callbacks.failed(connection, call.id, reason=ended.reason, due_at=due(now=now, wait=wait, expires_at=end))
        return now

    async def _sweep(self, now: int) -> None:
        """Give up the calls that are too old, now and then."""
        if self._swept is not None and self._swept <= now < self._swept + _SWEEP:
            return
        self._swept = now
        more = True
        while more:
            lost = await self._writer.run(self._give_up)
            more = len(lost) == _SWEPT
            for call, reason in lost:
                self._metrics.callbacks.labels("dropped").inc()
                told = reason or "never tried"
                _log.warning("program given up", host=call.host, attempts=call.attempts, reason=told)

    def _give_up(self, connection: Connection) -> list[tuple[Call, str | None]]:
        now = self._store.now(connection)
        lost = callbacks.overdue(connection, before=now - self._lifetime, limit=_SWEPT)
        events.add(connection, [_event(call, reason) for call, reason in lost], now=now)
        return lost

    @property
    def _lifetime(self) -> int:
        return self._tempo.lifetime // timedelta(milliseconds=1)

    def _hosts(self) -> tuple[int, dict[str, Next]]:
        with self._store.read() as connection:
            return self._store.now(connection), callbacks.waiting_hosts(connection)

    def _due(self, host: str) -> list[Call]:
        with self._store.read() as connection:
            now = self._store.now(connection)
            return callbacks.due(connection, host, now=now, limit=self._tempo.batch)


def _event(call: Call, reason: str | None) -> events.NewEvent:
    message_id, position = None, None
    if call.fields.get("recipient_id"):
        message_id, position = split_recipient_id(call.fields["recipient_id"])
    data = {"host": call.host, "service": call.fields.get("service"), "attempts": call.attempts, "reason": reason}
    return call.account_id, LOST, message_id, position, data
