"""A carrier without a network: phones are lines of a file (CONTRACT.md, "Sandbox outbox line").

It takes our own id and writes none twice, also not after a restart; ``forgetful`` makes it one that does. What
it answers and reports, a behaviour says (:mod:`bridge.carriers.sandbox.behaviour`): one for all numbers, others by
number. Reports and replies wait in memory, so those still to come end with the process; a text that is sent
again is reported on again. A report names the text by the carrier's id, ``sandbox-`` and ours, and by ours
alone where the answer was lost. *N times* counts the tries of one text that this process saw.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Self

from pydantic import AfterValidator, BeforeValidator, Field, InstanceOf

from bridge.carriers.base import CarrierSettings
from bridge.carriers.sandbox.behaviour import Answer, Behaviour
from bridge.carriers.sandbox.outbox import Fate, Mark, Outbox
from bridge.model.errors import ConfigError, Trouble
from bridge.model.message import Inbound, Outcome, Report
from bridge.telemetry import get_logger

if TYPE_CHECKING:
    from bridge.carriers.base import Sink
    from bridge.carriers.sandbox.behaviour import Later
    from bridge.clock import Clock
    from bridge.model.message import Outgoing
    from bridge.model.state import State

_log = get_logger(__name__)

_PAUSES: Final = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)
"""Seconds before news is brought again that the bridge could not take: a carrier repeats its callback."""

_COUNTED: Final = 100_000
"""Texts whose tries are counted at once; the oldest is forgotten first."""

_PATTERN: Final = re.compile(r"\+[1-9][0-9]{0,14}\*?|\*[0-9]{1,15}", re.ASCII)


def _pattern(written: str) -> str:
    if not _PATTERN.fullmatch(written):
        raise ValueError("write a number as +972502345678, its beginning as +97250*, or its end as *678")
    return written


_Behaviour = Annotated[InstanceOf[Behaviour], BeforeValidator(Behaviour.read)]


class SandboxSettings(CarrierSettings):
    """``[carriers.NAME]`` with ``kind = "sandbox"``."""

    concurrency: int = Field(default=64, ge=1, le=1000, description="texts under way at once")
    outbox: Path = Field(default=Path("outbox.jsonl"), description="file with a line for each text")
    forgetful: bool = Field(default=False, description="a text that is sent twice arrives twice")
    behaviour: _Behaviour = Field(default=Behaviour(), description="what it does with texts: clauses")
    numbers: dict[Annotated[str, AfterValidator(_pattern)], _Behaviour] = Field(
        default_factory=dict,
        description="the same by number, beginning (+97250*) or end (*678); the longest counts",
    )

    def anchored(self, folder: Path) -> Self:
        """Return the settings with the outbox counted from ``folder``."""
        return self.model_copy(update={"outbox": folder / self.outbox})

    def behaviour_for(self, number: str) -> Behaviour:
        """Return what is to be done with texts to an E.164 number. As long a beginning gives way to an end."""
        if (exact := self.numbers.get(number)) is not None:
            return exact
        fits = [
            pattern
            for pattern in self.numbers
            if (pattern.endswith("*") and number.startswith(pattern[:-1]))
            or (pattern.startswith("*") and number.endswith(pattern[1:]))
        ]
        if not fits:
            return self.behaviour
        return self.numbers[max(fits, key=lambda pattern: (len(pattern.strip("+*")), pattern.startswith("*")))]


class Sandbox:
    """Implements :class:`bridge.carriers.base.Carrier` with a file for phones."""

    def __init__(self, name: str, settings: CarrierSettings, *, clock: Clock) -> None:
        """Touch nothing yet."""
        if not isinstance(settings, SandboxSettings):
            raise TypeError("a sandbox needs SandboxSettings")
        self.name = name
        self.concurrency = settings.concurrency
        self.takes_own_id = not settings.forgetful
        self._settings = settings
        self._clock = clock
        self._outbox = Outbox(settings.outbox, remember=self.takes_own_id)
        self._sink: Sink | None = None
        self._worker: ThreadPoolExecutor | None = None
        self._waiting: list[tuple[str, bytes, asyncio.Future[Mark]]] = []
        self._writing: asyncio.Task[None] | None = None
        self._tries: OrderedDict[str, int] = OrderedDict()
        self._news: set[asyncio.Task[None]] = set()

    async def open(self, sink: Sink) -> None:
        """Make or read the outbox. Raises :exc:`ConfigError` when it cannot be had."""
        worker = ThreadPoolExecutor(1, thread_name_prefix=f"outbox {self.name}")
        self._worker = worker
        setting, path = f"carriers.{self.name}.outbox", self._settings.outbox
        try:
            await asyncio.get_running_loop().run_in_executor(worker, self._outbox.open)
        except FileNotFoundError as error:
            reason = f"{setting}: no folder {path.parent}; make it with: mkdir -p {path.parent}"
            raise ConfigError(reason) from error
        except OSError as error:
            raise ConfigError(f"{setting}: cannot write {path}: {error.strerror or error}") from error
        except ValueError as error:
            raise ConfigError(f"{setting}: {path} is no outbox: {error}; name another file") from error
        self._sink = sink

    async def send(self, outgoing: Outgoing) -> Outcome:
        """Do what the number's behaviour says. An accepted text is on the disk."""
        behaviour = self._settings.behaviour_for(outgoing.number)
        if behaviour.slow:
            await asyncio.sleep(behaviour.slow.total_seconds())
        answer = self._answer(behaviour, outgoing.id)
        if answer in {Answer.ACCEPT, Answer.LOSE}:
            outcome = await self._put(outgoing, behaviour, lost=answer is Answer.LOSE)
        elif answer is Answer.REFUSE:
            outcome = Outcome.refused("the sandbox refuses this number", raw=answer)
        elif answer is Answer.DEFER:
            outcome = Outcome.deferred(
                "the sandbox puts this number off", retry_after=behaviour.retry_after, raw=answer
            )
        else:
            outcome = Outcome.unknown("the sandbox lost its answer", raw=answer)
        if behaviour.delay:
            await asyncio.sleep(behaviour.delay.total_seconds())
        return outcome

    async def close(self) -> None:
        """Drop news that is still to come, and let go of the file."""
        self._sink = None
        news = tuple(self._news)
        for task in news:
            task.cancel()
        await asyncio.gather(*news, return_exceptions=True)
        if self._writing is not None:
            await self._writing
        worker, self._worker = self._worker, None
        if worker is not None:
            await asyncio.get_running_loop().run_in_executor(worker, self._outbox.close)
            worker.shutdown()

    def _answer(self, behaviour: Behaviour, name: str) -> Answer:
        """Say how this try is answered: a text that is there already is accepted, or its answer lost, and no more."""
        if behaviour.answer is not Answer.LOSE and self._outbox.knows(name):
            return Answer.ACCEPT
        if behaviour.times is None:
            return behaviour.answer
        tries = self._tries.pop(name, 0) + 1
        self._tries[name] = tries
        if len(self._tries) > _COUNTED:
            self._tries.popitem(last=False)
        return behaviour.answer if tries <= behaviour.times else Answer.ACCEPT

    async def _put(self, outgoing: Outgoing, behaviour: Behaviour, *, lost: bool) -> Outcome:
        """Write the line with all others that wait, and make the outcome of what became of it."""
        if self._sink is None:
            return Outcome.deferred("the sandbox is not open")
        written: asyncio.Future[Mark] = asyncio.get_running_loop().create_future()
        self._waiting.append((outgoing.id, self._line(outgoing), written))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write(), name=f"outbox {self.name}")
        fate, reason = await written
        match fate:
            case Fate.FAILED:
                return Outcome.deferred(f"the sandbox's outbox takes nothing: {reason}")
            case Fate.UNSURE:
                return Outcome.unknown(f"the sandbox's outbox failed: {reason}")
        carrier_id = None if lost else self._carrier_id(outgoing.id)
        for later in behaviour.later:
            if later.state is not None or fate is Fate.WRITTEN:
                self._schedule(outgoing, later, carrier_id)
        if carrier_id is None:
            return Outcome.unknown("the sandbox lost its answer", raw=Answer.LOSE)
        return Outcome.accepted(carrier_id, raw="accepted" if fate is Fate.WRITTEN else "accepted before")

    def _carrier_id(self, name: str) -> str:
        """Return the same for the same text, unless two sends of it are two texts."""
        return f"sandbox-{name}" if self.takes_own_id else f"sandbox-{name}-{secrets.token_hex(4)}"

    async def _write(self) -> None:
        """Write lines as long as any wait, each time all that came meanwhile: one flush for many."""
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                try:
                    marks = await loop.run_in_executor(
                        self._worker, self._outbox.append, [(name, line) for name, line, _ in batch]
                    )
                except Exception:  # noqa: BLE001 - whatever it is, those who wait get an answer
                    _log.exception("outbox failed", carrier=self.name)
                    marks = [Mark(Fate.UNSURE, "a bug; see the log")] * len(batch)
                for (_, _, written), mark in zip(batch, marks, strict=True):
                    if not written.done():
                        written.set_result(mark)
        finally:
            self._writing = None

    def _line(self, outgoing: Outgoing) -> bytes:
        line = {
            "id": outgoing.id,
            "message_id": outgoing.message_id,
            "to": outgoing.number,
            "from": outgoing.sender,
            "text": outgoing.text,
            "parts": outgoing.parts,
            "at": self._clock().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        } | ({"flash": True} if outgoing.flash else {})
        try:
            return json.dumps(line, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            # A lone surrogate has no UTF-8; JSON has an escape for it.
            return json.dumps(line).encode()

    def _schedule(self, outgoing: Outgoing, later: Later, carrier_id: str | None) -> None:
        if self._sink is None:
            return
        task = asyncio.create_task(self._bring(outgoing, later, carrier_id), name=f"news {self.name}")
        self._news.add(task)
        task.add_done_callback(self._news.discard)

    async def _bring(self, outgoing: Outgoing, later: Later, carrier_id: str | None) -> None:
        """Bring a report or a reply when its time has come, again when the bridge has trouble."""
        await asyncio.sleep(later.after.total_seconds())
        news = self._report(outgoing, later.state, carrier_id) if later.state else self._reply(outgoing, later.text)
        for pause in (*_PAUSES, None):
            try:
                await self._hand_over(news)
            except Trouble as error:
                if pause is None:
                    _log.error("news given up", carrier=self.name, id=outgoing.id, reason=error.reason)
                    return
                await asyncio.sleep(pause)
            except Exception:  # noqa: BLE001 - a bug beyond the sink ends this news, no more
                _log.exception("news failed", carrier=self.name, id=outgoing.id)
                return
            else:
                return

    def _report(self, outgoing: Outgoing, state: State, carrier_id: str | None) -> Report:
        """A bridge that never got the carrier's id hears its own."""
        own = outgoing.id if carrier_id is None else None
        return Report(
            carrier=self.name, state=state, at=self._clock(), carrier_id=carrier_id, recipient_id=own, raw=state
        )

    def _reply(self, outgoing: Outgoing, text: str) -> Inbound:
        return Inbound(
            carrier=self.name,
            carrier_id=f"reply-{secrets.token_hex(16)}",
            sender=outgoing.number,
            to=outgoing.sender or "",
            text=text,
            at=self._clock(),
        )

    async def _hand_over(self, news: Report | Inbound) -> None:
        if self._sink is None:
            return
        if isinstance(news, Report):
            await self._sink.report(news)
        else:
            await self._sink.inbound(news)
