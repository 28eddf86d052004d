"""The one place where a process is put together, started and stopped."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import socket
import sys
import time
from typing import TYPE_CHECKING, Any

from bridge import doors
from bridge.calls.desk import Desk
from bridge.calls.logins import Logins
from bridge.calls.throttle import Throttle
from bridge.carriers import registry
from bridge.carriers.base import Asked, Fetched
from bridge.clock import Clock, system_clock
from bridge.doors import Health
from bridge.model.errors import BridgeError, InternalError
from bridge.pipeline.commit import Writer
from bridge.pipeline.digests import Digests
from bridge.pipeline.dispatch import Dispatcher, Pace
from bridge.pipeline.inbound import Words
from bridge.pipeline.intake import Intake
from bridge.pipeline.notify import Notifier, Tempo
from bridge.pipeline.polls import Patience, Polls
from bridge.pipeline.recall import Recalls
from bridge.pipeline.reports import News
from bridge.pipeline.retry import Backoff
from bridge.pipeline.snapshot import Snapshot
from bridge.store import schema
from bridge.store.engine import Store
from bridge.telemetry import Metrics, get_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bridge.carriers.base import Carrier
    from bridge.config import BaseSettings
    from bridge.doors import Door
    from bridge.store.engine import Connection

_log = get_logger(__name__)

_GRACE = 2.5
"""Seconds for each of the two long waits of a stop; with the short ones below the ten in which it has to end."""
_LAST_WORDS = 1.0
_PROBE_TIMEOUT = 2.0
_WATCH = 1.0
_SWITCH = 0.001
"""Seconds for which a thread may keep the interpreter from the others. The writer gives it up for each statement, and
with the usual 5 ms waits for the event loop to go through all its clients before it has it back."""
_COLLECT_AT = (10_000, 20, 20)
"""New objects before the youngest are looked through; then how often that happens before older ones are."""
_LEAST_ROOM = 1 << 20


class App:
    """A running bridge: store, pipeline, carriers and doors. Implements :class:`bridge.doors.Services`."""

    def __init__(self, settings: BaseSettings, *, clock: Clock = system_clock) -> None:
        """Build everything; nothing is opened yet. Raises :exc:`~bridge.model.errors.ConfigError`."""
        self.settings = settings
        self.clock = clock
        self.metrics = Metrics()
        self.store = Store(settings.database.get_secret_value())
        self._writer = Writer(self.store)
        rules = settings.rules()
        snapshot = Snapshot(self.store)
        digests = Digests(store=self.store, writer=self._writer, snapshot=snapshot, rules=rules, metrics=self.metrics)
        self.intake = Intake(
            writer=self._writer,
            snapshot=snapshot,
            rules=rules,
            metrics=self.metrics,
            digests=digests,
            clock=clock,
        )
        self.logins = Logins(
            snapshot=self.intake.snapshot,
            secret_key=settings.secret(),
            metrics=self.metrics,
            clock=clock,
            throttle=Throttle(settings.login.patience),
        )
        self.carriers: Mapping[str, Carrier] = registry.build(
            settings.carriers, public_url=settings.public_url, clock=clock
        )
        self.desk = Desk(
            store=self.store,
            writer=self._writer,
            intake=self.intake,
            region=settings.default_region,
            allowed=settings.callbacks.allow_networks,
            recalls=Recalls(store=self.store, writer=self._writer, carriers=self.carriers),
        )
        asked = {
            name: (carrier, Patience(age=table.ask_for, undelivered=table.ask_ends == "undelivered"))
            for name, carrier in self.carriers.items()
            if isinstance(carrier, Asked) and (table := settings.carriers[name]).ask
        }
        self.news = News(
            store=self.store,
            writer=self._writer,
            metrics=self.metrics,
            words=Words.of(settings.opt_out.stop, settings.opt_out.start),
            asked=asked,
        )
        self._polls = Polls(
            store=self.store,
            writer=self._writer,
            news=self.news,
            asked=asked,
            fetched={name: carrier for name, carrier in self.carriers.items() if isinstance(carrier, Fetched)},
        )
        self._dispatcher = Dispatcher(
            store=self.store,
            writer=self._writer,
            router=rules.router,
            carriers=self.carriers,
            owner=f"{socket.gethostname()}:{os.getpid()}:{time.time_ns()}",
            metrics=self.metrics,
            pace=Pace(
                lease=settings.dispatch.lease.total_seconds(),
                batch=settings.dispatch.batch,
                backoff=Backoff(first=settings.dispatch.first_retry, ceiling=settings.dispatch.longest_retry),
            ),
            rates={name: table.rate for name, table in settings.carriers.items() if table.rate is not None},
            asked=asked,
            digests=digests,
            clock=clock,
        )
        self._notifier = Notifier(
            store=self.store,
            writer=self._writer,
            metrics=self.metrics,
            tempo=Tempo(timeout=settings.callbacks.timeout.total_seconds(), lifetime=settings.callbacks.lifetime),
            allowed=settings.callbacks.allow_networks,
        )
        self._listeners: set[Callable[[], None]] = set()
        self._stop = asyncio.Event()
        self._opened = False
        self._keeper: asyncio.Task[None] | None = None
        self.doors: Mapping[str, Door] = {
            name: kind.build(settings.door(name), self) for name, kind in doors.kinds().items()
        }

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT, then stop in order.

        Prints one line of JSON on stdout when every listener is up. Raises :exc:`BridgeError` when it cannot start,
        or when a part of it ends that should not.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        try:
            await self.open()
            settle()
            print(json.dumps(self.ready_line()), flush=True)  # noqa: T201 - the contract of serve
            await self._supervise()
        finally:
            await self.close()

    async def open(self) -> None:
        """Start every part, the doors last."""
        schema.check(self.store)
        loop = asyncio.get_running_loop()
        self._writer.on_commit = lambda: _call_soon(loop, self._changed)
        self._writer.start()
        await self.intake.snapshot.open()
        for carrier in self.carriers.values():
            await carrier.open(self.news)
        self._polls.start()
        if self.settings.dispatch.enabled:
            self._dispatcher.start()
            self._notifier.start()
        self._keeper = asyncio.create_task(self.intake.snapshot.keep(), name="keep directory")
        for door in self.doors.values():
            await door.open()
        self._opened = True

    async def close(self) -> None:
        """Stop every part in order: take no more, finish what runs, give back the rest."""
        self._opened = False
        await asyncio.gather(*(door.close(grace=_GRACE) for door in self.doors.values()))
        if self._keeper is not None:
            self._keeper.cancel()
        self.logins.close()
        await asyncio.gather(
            self._polls.stop(grace=_LAST_WORDS),
            self._dispatcher.stop(grace=_GRACE),
            self._notifier.stop(grace=_GRACE),
        )
        await asyncio.gather(*(_closed(name, carrier) for name, carrier in self.carriers.items()))
        await self._writer.stop(seconds=_LAST_WORDS)
        self.store.close()

    def request_stop(self) -> None:
        """Make :meth:`run` return, as a signal does."""
        self._stop.set()

    def ready_line(self) -> dict[str, Any]:
        """Return what ``serve`` prints when it is ready: the listeners' addresses by door."""
        line: dict[str, Any] = {"event": "ready"}
        for name, door in self.doors.items():
            if door.addresses:
                line[name] = door.addresses[0] if name == "http" else list(door.addresses)
            line |= {service: list(addresses) for service, addresses in getattr(door, "more", {}).items()}
        return line

    def alive(self) -> Health:
        """Say whether every part still runs."""
        broken = self._broken()
        return Health(live=broken is None, problems=(broken,) if broken else ())

    async def health(self) -> Health:
        """Look at the parts, then at the database by writing to it."""
        alive = self.alive()
        if not alive.live:
            return alive
        if not self._opened:
            return Health(live=True, problems=("starting or stopping",))
        problem = await self._probe()
        return Health(live=True, problems=(problem,) if problem else ())

    def watch(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call ``listener`` after every commit that took new texts."""
        self._listeners.add(listener)
        return lambda: self._listeners.discard(listener)

    async def _probe(self) -> str | None:
        """Return what keeps the database from being written, or None. A write is tried, so recovery shows too."""
        try:
            async with asyncio.timeout(_PROBE_TIMEOUT):
                await self._writer.run(_beat)
                room = await asyncio.to_thread(self.store.room)
        except TimeoutError:
            return "database: no answer in time"
        except BridgeError as error:
            return error.reason
        if room is not None and room < _LEAST_ROOM:
            # What a failed write left behind may hold a row more, and no mail.
            return f"database: less than {_LEAST_ROOM >> 20} MiB left on its disk"
        return None

    async def _supervise(self) -> None:
        while not self._stop.is_set():
            if (broken := self._broken()) is not None:
                _log.error("stopping", reason=broken)
                raise InternalError(broken)
            try:
                async with asyncio.timeout(_WATCH):
                    await self._stop.wait()
            except TimeoutError:
                continue

    def _broken(self) -> str | None:
        """Say which part ended by itself, and of what; or None."""
        for task in (self._keeper, self._dispatcher.failed, self._polls.failed, self._notifier.task):
            if self._opened and task is not None and task.done():
                return f"a part of the bridge ended: {task.get_name()}: {task.cancelled() or task.exception()!r}"
        return next((reason for door in self.doors.values() if (reason := door.ended())), None)

    def _changed(self) -> None:
        self._dispatcher.wake()
        for listener in tuple(self._listeners):
            listener()


def _beat(connection: Connection) -> bool:
    """Write, and say so: the writer takes it as a sign that the database is back."""
    schema.probe(connection)
    return True


async def _closed(name: str, carrier: Carrier) -> None:
    """Close a carrier; one that does not is left behind."""
    try:
        async with asyncio.timeout(_LAST_WORDS):
            await carrier.close()
    except TimeoutError:
        _log.warning("carrier does not close", carrier=name)


def serve(settings: BaseSettings) -> None:
    """Run a bridge in this process until it is told to stop. Raises :exc:`BridgeError`."""
    app = App(settings)
    sys.setswitchinterval(_SWITCH)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(app.run())


def settle() -> None:
    """Tell the collector of cycles that what is there now stays, and to come less often.

    A call makes hundreds of objects and no cycles, and with many calls under way their mere number would call it
    thousands of times a minute, each time to look through all of them: a tenth of the processor's time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECT_AT)


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return uvloop's where it is installed: a third less time per mail than asyncio's own."""
    if sys.platform == "win32":  # pragma: no cover
        return None
    try:
        import uvloop  # noqa: PLC0415 - it does not install everywhere
    except ImportError:
        return None
    return uvloop.new_event_loop


def _call_soon(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(call)
