"""What a centre delivers: receipts of our texts, and texts from phones, of which long ones come in parts."""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from bridge.carriers.smpp import content, joining, pdu, receipt
from bridge.model.errors import Trouble
from bridge.model.message import Inbound, Report
from bridge.telemetry import get_logger

if TYPE_CHECKING:
    from collections.abc import Hashable
    from datetime import datetime

    from bridge.carriers.base import Sink
    from bridge.carriers.smpp.content import Alphabet
    from bridge.carriers.smpp.pdu import Address, Delivery, Pdu
    from bridge.carriers.smpp.receipt import Ids
    from bridge.clock import Clock

_log = get_logger(__name__)

TAKEN: Final = 0x00
COME_AGAIN: Final = 0x64
"""ESME_RX_T_APPN: the centre delivers it once more (5.1.3)."""
NOT_WANTED: Final = 0x65
"""ESME_RX_P_APPN: it need not."""

_HOLD: Final = 3.0
"""Seconds for which a part is not answered while the others are on their way: what is not answered comes again after a
crash. Centres send the parts at once; one that waits for each answer gets it after this time."""
_MOST_HELD: Final = 32
"""Parts that are held so at once: the centre is not read on while too many deliveries are worked on."""
_MOST_WAITING: Final = 1000
"""Long texts that are waited for at once. A part of one more has to come again."""
_MOST_UNSURE: Final = 1000
_MOST_JOINED: Final = 10_000


class Inbox:
    """Reads deliveries and brings them to the sink. Says by a command_status what became of each."""

    def __init__(self, name: str, *, sink: Sink, clock: Clock, alphabet: Alphabet, ids: Ids, join_wait: float) -> None:
        """Begin empty; ``join_wait`` is how many seconds parts wait for the others."""
        self._name = name
        self._sink = sink
        self._clock = clock
        self._alphabet = alphabet
        self._ids = ids
        self._join_wait = join_wait
        self._joiner = joining.Joiner()
        self._wholes: dict[Hashable, asyncio.Event] = {}
        self._late: set[asyncio.Task[None]] = set()
        self._held = 0
        self._joined: OrderedDict[tuple[Hashable, int, bytes], datetime] = OrderedDict()
        self._given: dict[Pdu, tuple[tuple[str, str, str], str]] = {}
        self._unsure: OrderedDict[tuple[str, str, str], str] = OrderedDict()

    async def take(self, unit: Pdu) -> int:
        """Take a delivery; returns once it is durable. Raises :exc:`~bridge.carriers.smpp.pdu.BadPdu`."""
        delivery = pdu.read_delivery(unit)
        try:
            if delivery.is_receipt:
                return await self._receipt(delivery)
            part = joining.part_of(delivery)
            if part.total > 1:
                return await self._part(unit, delivery, part)
            return await self._text(unit, delivery, part.octets)
        except Trouble as trouble:
            _log.warning("delivery not taken", carrier=self._name, code=trouble.code)
            self.answered(unit, left=False)
            return COME_AGAIN

    def answered(self, unit: Pdu, *, left: bool) -> None:
        """Hear whether the answer to a delivery left. Where it did not, the text comes again: it keeps its id."""
        given = self._given.pop(unit, None)
        if given is not None and not left:
            said, known = given
            self._unsure[said] = known
            if len(self._unsure) > _MOST_UNSURE:
                self._unsure.popitem(last=False)

    async def close(self) -> None:
        """Hand on what there is of long texts."""
        for task in tuple(self._late):
            task.cancel()
        if self._late:
            await asyncio.wait(self._late, timeout=1.0)

    async def _receipt(self, delivery: Delivery) -> int:
        said = receipt.read(joining.part_of(delivery).octets.decode("latin-1"), delivery.tlvs)
        if said.id is None or said.state is None:
            _log.info("receipt says nothing", carrier=self._name)
            return TAKEN
        await self._sink.report(
            Report(
                carrier=self._name,
                state=said.state,
                at=said.at or self._clock(),
                carrier_id=receipt.reported_id(said.id, self._ids),
                raw=f"err {said.error}" if said.error else "",
            )
        )
        return TAKEN

    async def _part(self, unit: Pdu, delivery: Delivery, part: joining.Part) -> int:
        key = (delivery.source, delivery.destination, part.reference, part.total)
        if self._was_joined(key, part):
            return TAKEN
        event = self._wholes.get(key)
        if event is None:
            if len(self._late) >= _MOST_WAITING:
                return COME_AGAIN
            event = self._wholes[key] = asyncio.Event()
            task = asyncio.create_task(self._give_up(unit, delivery, key), name=f"smpp parts {self._name}")
            self._late.add(task)
            task.add_done_callback(self._late.discard)
        whole = self._joiner.add(key, part)
        if whole is None:
            await self._hold(event)
            return TAKEN
        try:
            status = await self._text(unit, delivery, whole)
        except Trouble:
            self._joiner.drop(key, part)
            raise
        now = self._clock()
        self._joined |= {(key, place, octets): now for place, octets in self._joiner.parts(key).items()}
        self._joiner.take(key)
        self._wholes.pop(key, None)
        event.set()
        return status

    async def _hold(self, event: asyncio.Event) -> None:
        if self._held >= _MOST_HELD:
            return
        self._held += 1
        try:
            async with asyncio.timeout(_HOLD):
                await event.wait()
        except TimeoutError:
            pass
        finally:
            self._held -= 1

    def _was_joined(self, key: Hashable, part: joining.Part) -> bool:
        """Whether a part is of a text that was joined a moment ago: its answer was lost, so it came once more.

        Phones use the same reference for another text at times: then the part itself is another one.
        """
        oldest = self._clock() - timedelta(seconds=self._join_wait)
        while self._joined and (len(self._joined) > _MOST_JOINED or next(iter(self._joined.values())) < oldest):
            self._joined.popitem(last=False)
        return (key, part.place, part.octets) in self._joined

    async def _give_up(self, unit: Pdu, delivery: Delivery, key: Hashable) -> None:
        """Hand on what there is of a long text once its other parts are too late, or the bridge stops.

        Its parts were answered, so they do not come again: while they cannot be kept, it is tried until they can.
        """
        event = self._wholes[key]
        stops = not await self._passes(event)
        if event.is_set():
            return
        rest = self._joiner.take(key) or b""
        self._wholes.pop(key, None)
        event.set()
        _log.warning("parts missing", carrier=self._name)
        while True:
            try:
                await self._text(unit, delivery, rest)
                break
            except Trouble as trouble:
                _log.warning("delivery not taken", carrier=self._name, code=trouble.code)
            finally:
                self._given.pop(unit, None)
            if stops:
                break
            stops = not await self._passes(asyncio.Event())

    async def _passes(self, event: asyncio.Event) -> bool:
        """Wait for an event, or as long as parts wait. False: the bridge stops."""
        try:
            async with asyncio.timeout(self._join_wait):
                await event.wait()
        except TimeoutError:
            pass
        except asyncio.CancelledError:
            return False
        return True

    async def _text(self, unit: Pdu, delivery: Delivery, octets: bytes) -> int:
        text = content.read(octets, delivery.data_coding, self._alphabet)
        if text is None:
            _log.info("delivery is no text", carrier=self._name, data_coding=delivery.data_coding)
            return NOT_WANTED
        said = (_number(delivery.source), _number(delivery.destination), text)
        sender, to, _ = said
        known = self._unsure.pop(said, None) or secrets.token_hex(16)
        # Noted first: what was handed on, but not in time for its answer, comes again under the same id.
        self._given[unit] = (said, known)
        await self._sink.inbound(
            Inbound(carrier=self._name, carrier_id=known, sender=sender, to=to, text=text, at=self._clock())
        )
        return TAKEN


def _number(address: Address) -> str:
    return f"+{address.value}" if address.ton == 1 and address.value.isdigit() else address.value
