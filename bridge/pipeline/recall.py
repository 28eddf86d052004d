"""Taking back texts that carriers have.

What has not left is cancelled in the store alone. A text that is *sent*, or in doubt, only its carrier can take back,
where it is one that can: it is asked with no transaction open, and what it said is written after that. Nothing is asked
for a text that is being sent: nobody knows yet what the carrier has.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from bridge.carriers.base import Pending, Recalled
from bridge.model.errors import BridgeError
from bridge.model.moment import from_ms
from bridge.store import recalls
from bridge.store.recalls import Answered
from bridge.telemetry import get_logger

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from bridge.carriers.base import Carrier
    from bridge.model.state import State
    from bridge.pipeline.commit import Writer
    from bridge.store.engine import Connection, Store
    from bridge.store.recalls import Away

_log = get_logger(__name__)

_AT_ONCE: Final = 8
_LONGEST: Final = 15.0
"""Seconds in all: a program waits for the answer."""

CANNOT: Final = "this carrier takes no text back"
NOT_IN_TIME: Final = "no answer in time"


class Recalls:
    """Asks the carriers of this process, and writes what they say."""

    def __init__(
        self, *, store: Store, writer: Writer, carriers: Mapping[str, Carrier], seconds: float = _LONGEST
    ) -> None:
        """Put the parts together; the carriers by name, whatever each can do."""
        self._store = store
        self._writer = writer
        self._carriers: Mapping[str, Recalled] = {
            name: carrier for name, carrier in carriers.items() if isinstance(carrier, Recalled)
        }
        self._seconds = seconds
        self._working: set[asyncio.Task[Any]] = set()

    @property
    def able(self) -> Collection[str]:
        """The carriers that may take texts back."""
        return self._carriers.keys()

    async def take_back(self, texts: Sequence[Away], *, by: str) -> tuple[list[Answered], dict[tuple[str, int], State]]:
        """Ask for texts back, and return what was said of each, and by message and position how they stand then."""
        work = asyncio.create_task(self._take_back(texts, by), name="take texts back")
        self._working.add(work)
        work.add_done_callback(self._working.discard)
        # Whoever wants it may go meanwhile; what a carrier did is written down all the same.
        return await asyncio.shield(work)

    async def _take_back(self, texts: Sequence[Away], by: str) -> tuple[list[Answered], dict[tuple[str, int], State]]:
        answers = await ask(self._carriers, texts, seconds=self._seconds)
        return answers, await self._writer.run(partial(self._write, answers=answers, by=by))

    def _write(self, connection: Connection, *, answers: Sequence[Answered], by: str) -> dict[tuple[str, int], State]:
        return recalls.conclude(connection, answers, by=by, now=self._store.now(connection))


async def ask(carriers: Mapping[str, Recalled], texts: Sequence[Away], *, seconds: float = _LONGEST) -> list[Answered]:
    """Ask carriers for texts back, a few at once and for so many seconds in all; return what was said of each.

    Of a carrier that cannot be asked now, no more is asked.
    """
    hands = asyncio.Semaphore(_AT_ONCE)
    troubles: dict[str, str] = {}
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds

    async def one(text: Away) -> Answered:
        carrier = carriers.get(text.carrier)
        if carrier is None:
            return Answered(text=text, done=False, words=CANNOT)
        async with hands:
            if text.carrier in troubles:
                return Answered(text=text, done=False, words=troubles[text.carrier], heard=False)
            try:
                async with asyncio.timeout_at(end):
                    said = await carrier.recall(_pending(text))
            except TimeoutError:
                words = NOT_IN_TIME
            except BridgeError as error:
                words = error.reason.removeprefix(f"{text.carrier}: ")
            except Exception:  # noqa: BLE001 - a carrier's bug is no answer, and stops no other
                _log.exception("carrier failed", carrier=text.carrier, id=text.id)
                words = "the carrier's code failed"
            else:
                if said.done:
                    _log.info("text taken back", id=text.id, carrier=text.carrier)
                else:
                    _log.info("text not taken back", id=text.id, carrier=text.carrier, reason=said.words)
                return Answered(text=text, done=said.done, words=said.words)
            troubles.setdefault(text.carrier, words)
            _log.warning("carrier not asked", carrier=text.carrier, what="text back", reason=words)
            return Answered(text=text, done=False, words=words, heard=False)

    return list(await asyncio.gather(*map(one, texts)))


def _pending(text: Away) -> Pending:
    return Pending(id=text.id, carrier_id=text.carrier_id, number=text.number, sent_at=from_ms(text.since))
