"""The carrier against a centre that does what no message centre should: each octet is of the test's own."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bridge.carriers.smpp.carrier import Smpp, SmppSettings
from bridge.carriers.smpp.pdu import Command, Inflow, Pdu
from bridge.model.errors import StoreUnavailable
from bridge.model.message import Inbound, Outgoing, Report, Verdict
from bridge.model.text import Encoding

NOW = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)
TEXT = Outgoing(
    id=f"{7:026x}-1",
    message_id=f"{7:026x}",
    number="+972502345678",
    text="hello",
    sender="ACME",
    encoding=Encoding.GSM7,
    parts=1,
    attempt=1,
    expires_at=NOW + timedelta(hours=1),
)
_RESPONSE = 0x8000_0000

Submitted = Callable[["Centre", Pdu], Awaitable[None]]


class Ear:
    """Keeps what it hears, after it was ``deaf`` so many times."""

    def __init__(self, deaf: int = 0) -> None:
        self.deaf = deaf
        self.texts: asyncio.Queue[Inbound] = asyncio.Queue()

    async def report(self, report: Report) -> None:
        pass

    async def inbound(self, inbound: Inbound) -> None:
        if self.deaf:
            self.deaf -= 1
            raise StoreUnavailable("the database is away")
        self.texts.put_nowait(inbound)


class Centre:
    """Binds whoever comes, and leaves each submit_sm to the test. ``answers`` are the responses to its deliveries."""

    def __init__(self, submitted: Submitted | None = None) -> None:
        self.submitted = submitted
        self.submits = 0
        self.binds = 0
        self.port = 0
        self.writer: asyncio.StreamWriter | None = None
        self.answers: dict[int, int] = {}
        self.answered = asyncio.Event()

    def say(self, unit: Pdu) -> None:
        """Write a unit to the latest connection."""
        assert self.writer is not None
        self.writer.write(bytes(unit))

    def deliver(self, sequence: int, octets: bytes, *, source: int = 972502345678, header: bool = True) -> None:
        """Deliver a text from a phone."""
        head = b"\0\1\1" + str(source).encode() + b"\0\1\1972502340000\0"
        tail = bytes([0x40 if header else 0, 0, 0, 0, 0, 0, 0, 0, 0, len(octets)])
        self.say(Pdu(command=Command.DELIVER_SM, sequence=sequence, body=head + tail + octets))

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        inflow = Inflow()
        try:
            while data := await reader.read(65_536):
                for unit in inflow.feed(data):
                    await self._take(unit)
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def _take(self, unit: Pdu) -> None:
        match unit.command:
            case Command.BIND_TRANSCEIVER:
                self.binds += 1
                self.say(unit.answer(body=b"odd\0"))
            case Command.SUBMIT_SM:
                self.submits += 1
                if self.submitted is not None:
                    await self.submitted(self, unit)
            case Command.ENQUIRE_LINK | Command.UNBIND:
                self.say(unit.answer())
            case _ if unit.command == Command.DELIVER_SM | _RESPONSE:
                self.answers[unit.sequence] = unit.status
                self.answered.set()


@asynccontextmanager
async def bound(centre: Centre, ear: Ear | None = None, **table: Any) -> AsyncIterator[Smpp]:
    """Have a carrier bound to a centre."""
    server = await asyncio.start_server(centre.talk, "127.0.0.1", 0)
    table = {"host": "127.0.0.1", "port": server.sockets[0].getsockname()[1], "reconnect": 0.02} | table
    settings = SmppSettings.model_validate({"kind": "smpp", "system_id": "acme", "longest_reconnect": 0.1} | table)
    carrier = Smpp("main", settings, clock=lambda: NOW)
    await carrier.open(ear or Ear())
    try:
        yield carrier
    finally:
        await carrier.close()
        server.close()
        if centre.writer is not None:
            centre.writer.transport.abort()


async def until(centre: Centre, condition: Callable[[], bool]) -> None:
    """Wait until what the centre was answered is enough."""
    while not condition():
        centre.answered.clear()
        await centre.answered.wait()


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run a test for a bounded time."""

    async def bounded() -> None:
        async with asyncio.timeout(20):
            await main

    asyncio.run(bounded())


@pytest.mark.parametrize("command", [Command.GENERIC_NACK, Command.ENQUIRE_LINK | _RESPONSE])
def test_only_its_own_response_accepts_a_text(command: int) -> None:
    """A rejection without a status, and the response to something else, leave a text in doubt."""

    async def odd(centre: Centre, unit: Pdu) -> None:
        centre.say(Pdu(command=command, sequence=unit.sequence))

    async def main() -> None:
        async with bound(Centre(odd), answer_timeout=0.2) as carrier:
            assert (await carrier.send(TEXT)).verdict is Verdict.UNKNOWN

    run(main())


def test_answers_that_follow_an_unbind_are_heard() -> None:
    """A centre that goes down for maintenance answers what it took: those texts are in no doubt."""

    async def leaving(centre: Centre, unit: Pdu) -> None:
        centre.say(Pdu(command=Command.UNBIND, sequence=9))
        centre.say(Pdu(command=Command.ENQUIRE_LINK, sequence=10))
        centre.say(unit.answer(body=b"id-1\0"))

    async def main() -> None:
        centre = Centre(leaving)
        async with bound(centre) as carrier:
            outcome = await carrier.send(TEXT)
            assert (outcome.verdict, outcome.carrier_id) == (Verdict.ACCEPTED, "id-1")
            again = await carrier.send(TEXT)
            assert (again.verdict, centre.binds, centre.submits) == (Verdict.ACCEPTED, 2, 2)

    run(main())


def test_a_centre_that_unbinds_and_stays_silent_is_left() -> None:
    """The connection is not kept for answers that never come."""

    async def leaving(centre: Centre, _unit: Pdu) -> None:
        centre.submitted = None
        centre.say(Pdu(command=Command.UNBIND, sequence=9))

    async def main() -> None:
        centre = Centre(leaving)
        async with bound(centre, answer_timeout=0.5, enquire_every=0.05) as carrier:
            assert (await carrier.send(TEXT)).verdict is Verdict.UNKNOWN
            assert (await carrier.send(TEXT)).verdict is Verdict.UNKNOWN
            assert (centre.binds, centre.submits) == (2, 2)

    run(main())


def test_a_host_that_can_be_no_name_ends_nothing() -> None:
    """What the resolver cannot even look up is tried again and again, and texts are deferred."""

    async def main() -> None:
        async with bound(Centre(), host="a..b") as carrier:
            assert (await carrier.send(TEXT)).verdict is Verdict.DEFERRED
            assert carrier._sending is not None
            keeper = carrier._sending._keeper
            assert keeper is not None
            assert not keeper.done()

    run(main())


def test_an_answer_does_not_go_to_another_connection() -> None:
    """There its number may be that of another delivery, which would count as taken."""

    async def main() -> None:
        ear = Ear()
        gate = asyncio.Event()

        async def slowly(inbound: Inbound) -> None:
            if inbound.text == "first":
                await gate.wait()
            ear.texts.put_nowait(inbound)

        ear.inbound = slowly  # type: ignore[method-assign]
        centre = Centre(_accepting)
        async with bound(centre, ear) as carrier:
            await carrier.send(TEXT)
            centre.deliver(5, b"first", header=False)
            centre.deliver(6, b"second", header=False)
            await until(centre, lambda: 6 in centre.answers)
            assert centre.writer is not None
            centre.writer.transport.abort()
            while centre.binds < 2:
                await carrier.send(TEXT)
            gate.set()
            assert [(await ear.texts.get()).text for _ in range(2)] == ["second", "first"]
            centre.deliver(7, b"third", header=False)
            await until(centre, lambda: 7 in centre.answers)
            assert 5 not in centre.answers

    run(main())


def test_first_parts_alone_stop_nothing() -> None:
    """Parts whose others never come keep no text waiting, and are bounded: one too many has to come again."""

    async def main() -> None:
        centre = Centre(_accepting)
        ear = Ear()
        async with bound(centre, ear) as carrier:
            await carrier.send(TEXT)
            for index in range(1100):
                centre.deliver(100 + index, bytes([5, 0, 3, 1, 2, 1]) + b"half", source=972_502_340_000 + index)
            assert (await carrier.send(TEXT)).verdict is Verdict.ACCEPTED
            await until(centre, lambda: len(centre.answers) == 1100)
            assert list(centre.answers.values()).count(0x64) == 100
            # Who has a part there already is not kept out.
            centre.deliver(5000, bytes([5, 0, 3, 1, 2, 2]) + b" a text", source=972_502_340_000)
            assert (await ear.texts.get()).text == "half a text"

    run(main())


def test_another_text_under_the_same_reference_is_another_text() -> None:
    """Phones have 256 references. A part that comes twice is the same one only if it says the same."""

    async def main() -> None:
        centre, ear = Centre(_accepting), Ear()
        async with bound(centre, ear) as carrier:
            await carrier.send(TEXT)
            for sequence, words in enumerate([b"one ", b"two", b"two", b"six ", b"ten"], start=1):
                place = 1 if words.endswith(b" ") else 2
                centre.deliver(sequence, bytes([5, 0, 3, 1, 2, place]) + words)
                await until(centre, lambda: len(centre.answers) >= sequence - (sequence in {1, 4}))  # noqa: B023
            assert [(await ear.texts.get()).text for _ in range(2)] == ["one two", "six ten"]
            assert ear.texts.empty()

    run(main())


def test_parts_that_were_answered_outlast_trouble() -> None:
    """They do not come again, so what there is of them is kept as soon as it can be."""

    async def main() -> None:
        centre, ear = Centre(_accepting), Ear(deaf=2)
        async with bound(centre, ear, join_wait=0.05) as carrier:
            await carrier.send(TEXT)
            centre.deliver(1, bytes([5, 0, 3, 1, 2, 1]) + b"half a text")
            assert (await ear.texts.get()).text == "half a text"
            assert ear.deaf == 0

    run(main())


@pytest.mark.parametrize(("throttled", "verdict"), [(3, Verdict.ACCEPTED), (1000, Verdict.UNKNOWN)])
def test_a_later_part_that_comes_too_fast_comes_again(throttled: int, verdict: Verdict) -> None:
    """The first part is out, so nobody else could send the rest; a centre that is never ready leaves it in doubt."""
    taken: list[bytes] = []

    async def slow(centre: Centre, unit: Pdu) -> None:
        busy = bool(taken) and centre.submits <= 1 + throttled
        if not busy:
            taken.append(unit.body)
        centre.say(unit.answer(status=0x58 if busy else 0, body=b"id\0"))

    async def main() -> None:
        centre = Centre(slow)
        async with bound(centre, throttle_pause=0.01) as carrier:
            outcome = await carrier.send(dataclasses.replace(TEXT, text="a" * 300, parts=2))
            assert outcome.verdict is verdict
            assert len(taken) == (2 if verdict is Verdict.ACCEPTED else 1)
            assert centre.submits == min(2 + throttled, 7)

    run(main())


async def _accepting(centre: Centre, unit: Pdu) -> None:
    centre.say(unit.answer(body=b"id\0"))
