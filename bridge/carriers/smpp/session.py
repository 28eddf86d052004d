"""One connection to a message centre: bound, kept alive, made again when it breaks.

A request that was written and not answered is in doubt: whoever waits for it hears :exc:`Lost`. One that was not
written hears :exc:`NotBound`, and surely did nothing.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Protocol

from bridge.carriers.smpp.pdu import BadPdu, Command, Inflow, Pdu
from bridge.telemetry import get_logger

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable

_log = get_logger(__name__)

_INVALID_COMMAND: Final = 0x0000_0003
_INVALID_LENGTH: Final = 0x0000_0002
_SYSTEM_ERROR: Final = 0x0000_0008
_UNKNOWN_ERROR: Final = 0x0000_00FF
_HIGHEST_SEQUENCE: Final = 0x7FFF_FFFF
_CHUNK: Final = 65_536
_MOST_DELIVERIES: Final = 64
"""Deliveries that are worked on at once; the centre is not read on meanwhile."""
_LAST_WORDS: Final = 1.0
_PATIENCE: Final = 1.0
"""Seconds for which a request waits for a connection: most breaks are over by then, and no try is used up."""


class NotBound(Exception):
    """There is no bound connection now."""


class Lost(Exception):
    """The request left, and no answer came."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """Where a session leads, and how it is kept. Times are in seconds."""

    host: str
    port: int
    tls: ssl.SSLContext | None
    command: Command
    bind: bytes
    connect_timeout: float
    answer_timeout: float
    enquire_every: float
    first_pause: float
    longest_pause: float


class Answered(Protocol):
    """Hears whether the answer to a delivery left."""

    def __call__(self, unit: Pdu, *, left: bool) -> None:
        """Take note."""
        ...


class Session:
    """A connection that is there again whenever the centre is.

    ``delivered`` is given deliveries, and returns the command_status they are answered with; ``answered`` hears whether
    that answer left.
    """

    def __init__(
        self,
        name: str,
        line: Line,
        *,
        delivered: Callable[[Pdu], Awaitable[int]],
        answered: Answered,
    ) -> None:
        """Prepare; :meth:`open` begins."""
        self._name = name
        self._line = line
        self._delivered = delivered
        self._answered = answered
        self._waiting: dict[int, tuple[int, asyncio.Future[Pdu]]] = {}
        self._sequence = 0
        self._writer: asyncio.StreamWriter | None = None
        self._bound = asyncio.Event()
        self._leaving = False
        self._reading: asyncio.Task[None] | None = None
        self._heard = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._deliveries: set[asyncio.Task[None]] = set()
        self._room = asyncio.Semaphore(_MOST_DELIVERIES)

    def open(self) -> None:
        """Begin to connect, and to go on."""
        self._keeper = asyncio.create_task(self._keep(), name=f"smpp {self._name}")

    async def close(self) -> None:
        """Unbind, and end. What is in doubt by then stays so."""
        keeper, self._keeper = self._keeper, None
        if keeper is None:
            return
        if self._bound.is_set():
            try:
                async with asyncio.timeout(_LAST_WORDS):
                    await self.ask(Command.UNBIND)
            except (NotBound, Lost, TimeoutError):
                pass
        keeper.cancel()
        for delivery in self._deliveries:
            delivery.cancel()
        await asyncio.wait({keeper, *self._deliveries}, timeout=_LAST_WORDS)

    async def ask(self, command: Command, body: bytes = b"") -> Pdu:
        """Send a request, and return its response. A connection that is just being made is waited for.

        Raises :exc:`NotBound`, :exc:`Lost`.
        """
        if not self._bound.is_set():
            try:
                async with asyncio.timeout(_PATIENCE):
                    await self._bound.wait()
            except TimeoutError:
                raise NotBound from None
        return await self._ask(command, body)

    async def _ask(self, command: Command, body: bytes) -> Pdu:
        writer = self._writer
        if writer is None or writer.is_closing():
            raise NotBound
        self._sequence = self._sequence % _HIGHEST_SEQUENCE + 1
        sequence = self._sequence
        request = Pdu(command=command, sequence=sequence, body=body)
        answer: asyncio.Future[Pdu] = asyncio.get_running_loop().create_future()
        self._waiting[sequence] = request.answer().command, answer
        try:
            writer.write(bytes(request))
            async with asyncio.timeout(self._line.answer_timeout):
                await writer.drain()
                return await answer
        except (TimeoutError, OSError) as error:
            raise Lost from error
        finally:
            self._waiting.pop(sequence, None)
            if not answer.done():
                answer.cancel()

    async def _keep(self) -> None:
        pause = self._line.first_pause
        told = ""
        while True:
            try:
                reading = await self._connect()
                pause, told = self._line.first_pause, ""
                _log.info("bound", carrier=self._name, as_=self._line.command.name.lower())
                await self._live(reading)
            except Exception as error:  # noqa: BLE001 - nothing that a centre or a resolver says ends the tries
                reason = str(error) or type(error).__name__
                if reason != told:  # once, and not at every try
                    _log.warning("not bound", carrier=self._name, reason=reason)
                    told = reason
            finally:
                self._let_go()
            await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311 - so that nodes do not come together
            pause = min(pause * 2, self._line.longest_pause)

    async def _connect(self) -> asyncio.Task[None]:
        """Connect and bind. Returns the task that reads, which ends with the connection."""
        line = self._line
        self._leaving = False
        async with asyncio.timeout(line.connect_timeout):
            reader, self._writer = await asyncio.open_connection(
                line.host, line.port, ssl=line.tls, server_hostname=line.host if line.tls else None
            )
        self._reading = reading = asyncio.create_task(self._read(reader), name=f"smpp read {self._name}")
        answer = await _before(reading, self._ask(line.command, line.bind))
        if answer.status:
            raise _Refused(answer.status)
        self._bound.set()
        return reading

    async def _live(self, reading: asyncio.Task[None]) -> None:
        """Ask after the centre whenever it was silent for a while. Returns or raises once the connection is over."""
        while not reading.done():
            self._heard.clear()
            await asyncio.wait({reading}, timeout=self._line.enquire_every)
            if reading.done() or self._leaving:
                break
            if not self._heard.is_set():
                await _before(reading, self._ask(Command.ENQUIRE_LINK, b""))
        if not reading.done():
            return  # it has unbound, and does not close
        reading.result()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        inflow = Inflow()
        while data := await reader.read(_CHUNK):
            self._heard.set()
            for unit in inflow.feed(data):
                if not await self._take(unit):
                    return

    async def _take(self, unit: Pdu) -> bool:
        """Deal with what came; False ends the connection."""
        if unit.is_response:
            self._hear(unit)
            return unit.command != Command.UNBIND | 0x8000_0000 and (not self._leaving or self._owed())
        match unit.command:
            case Command.ENQUIRE_LINK:
                self._answer(unit.answer())
            case Command.DELIVER_SM | Command.DATA_SM:
                await self._room.acquire()
                task = asyncio.create_task(self._deliver(unit, self._writer), name=f"smpp delivery {self._name}")
                self._deliveries.add(task)
                task.add_done_callback(self._delivered_one)
            case Command.UNBIND:
                self._bound.clear()
                self._leaving = True
                self._answer(unit.answer())
                return self._owed()  # answers that are still to come keep texts out of doubt
            case Command.ALERT_NOTIFICATION:
                pass  # has no response (4.12.1)
            case _:
                self._answer(Pdu(command=Command.GENERIC_NACK, sequence=unit.sequence, status=_INVALID_COMMAND))
        return True

    def _hear(self, unit: Pdu) -> None:
        """Give a response to who waits for it. One of another kind answers nothing, whatever its number."""
        wanted, answer = self._waiting.get(unit.sequence, (0, None))
        if answer is None or answer.done():
            return
        if unit.command == Command.GENERIC_NACK:
            # Of a rejection without a status nobody knows more than that it is no acceptance.
            answer.set_result(unit if unit.status else replace(unit, status=_UNKNOWN_ERROR))
        elif unit.command == wanted:
            answer.set_result(unit)

    def _owed(self) -> bool:
        return any(not answer.done() for _, answer in self._waiting.values())

    async def _deliver(self, unit: Pdu, writer: asyncio.StreamWriter | None) -> None:
        try:
            status = await self._delivered(unit)
        except BadPdu:
            status = _INVALID_LENGTH
        except Exception:  # noqa: BLE001 - one delivery that breaks our code stops no other
            _log.exception("delivery failed", carrier=self._name)
            status = _SYSTEM_ERROR
        # On another connection its number would be that of another delivery.
        left = writer is self._writer and self._answer(unit.answer(status=status, body=b"\0"))
        self._answered(unit, left=left)

    def _delivered_one(self, task: asyncio.Task[None]) -> None:
        self._deliveries.discard(task)
        self._room.release()

    def _answer(self, unit: Pdu) -> bool:
        if self._writer is None or self._writer.is_closing():
            return False
        self._writer.write(bytes(unit))
        return True

    def _let_go(self) -> None:
        self._bound.clear()
        if self._reading is not None:
            self._reading.cancel()
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        for _, answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(ConnectionResetError("the connection ended"))


class _Refused(Exception):
    """The centre does not take the bind."""

    def __init__(self, status: int) -> None:
        super().__init__(f"bind refused: command_status 0x{status:08X}")


async def _before(reading: asyncio.Task[None], asking: Awaitable[Pdu]) -> Pdu:
    """Wait for an answer, but not beyond the end of the connection."""
    asked = asyncio.ensure_future(asking)
    try:
        await asyncio.wait({asked, reading}, return_when=asyncio.FIRST_COMPLETED)
        if asked.done():
            return asked.result()
    finally:
        asked.cancel()
    reading.result()
    raise Lost("the connection ended")
