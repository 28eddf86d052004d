"""The carrier against a real message centre: binds, breaks, receipts and texts from phones."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
from collections.abc import Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from bridge.carriers.smpp.carrier import Smpp, SmppSettings
from bridge.model.errors import ConfigError, StoreUnavailable
from bridge.model.message import Inbound, Outgoing, Priority, Report, Verdict, recipient_id
from bridge.model.state import State
from bridge.model.text import measure
from tests.support.certificates import made
from tests.support.smpp_centre import Centre, joined

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine

NOW = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)
NUMBER = "+972502345678"
PASSWORD = "s3cret"
LONG = "a" * 320
_serial = itertools.count(1)


class Ear:
    """A sink that keeps what it hears; ``deaf`` times it has trouble first."""

    def __init__(self, deaf: int = 0) -> None:
        self.deaf = deaf
        self.reports: asyncio.Queue[Report] = asyncio.Queue()
        self.texts: asyncio.Queue[Inbound] = asyncio.Queue()

    async def report(self, report: Report) -> None:
        self._listen()
        self.reports.put_nowait(report)

    async def inbound(self, inbound: Inbound) -> None:
        self._listen()
        self.texts.put_nowait(inbound)

    def _listen(self) -> None:
        if self.deaf:
            self.deaf -= 1
            raise StoreUnavailable("the database is away")


@contextmanager
def centre(**options: Any) -> Iterator[Centre]:
    """Run a centre."""
    running = Centre(password=PASSWORD, **options)
    try:
        yield running
    finally:
        running.stop()


@asynccontextmanager
async def carrier(running: Centre, ear: Ear | None = None, **table: Any) -> AsyncIterator[Smpp]:
    """Have a carrier open on a centre."""
    settings = SmppSettings.model_validate(
        {
            "kind": "smpp",
            "host": "127.0.0.1",
            "port": running.port,
            "system_id": "acme",
            "password": PASSWORD,
            "reconnect": 0.02,
            "longest_reconnect": 0.1,
            **table,
        }
    )
    made = Smpp("main", settings, clock=lambda: NOW)
    try:
        await made.open(ear or Ear())
        yield made
    finally:
        await made.close()


def text(
    words: str = "hello",
    *,
    number: str = NUMBER,
    sender: str | None = "ACME",
    priority: Priority = Priority.NORMAL,
) -> Outgoing:
    """Make a text with an id of its own."""
    message_id = f"{next(_serial):026x}"
    size = measure(words)
    return Outgoing(
        id=recipient_id(message_id, 1),
        message_id=message_id,
        number=number,
        text=words,
        sender=sender,
        encoding=size.encoding,
        parts=size.parts,
        attempt=1,
        expires_at=NOW + timedelta(hours=1),
        priority=priority,
    )


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run a test for a bounded time; nothing of it may be left running."""

    async def bounded() -> None:
        async with asyncio.timeout(20):
            await main
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(bounded())


async def accepted(sending: Smpp) -> None:
    """Send until one is accepted: the centre is there again."""
    outcome = await sending.send(text("again"))
    while outcome.verdict is not Verdict.ACCEPTED:  # each try waits for a connection
        outcome = await sending.send(text("again"))


def said(running: Centre) -> Callable[[str], Coroutine[Any, Any, dict[str, Any]]]:
    """Return how to wait for what the centre says, beside the event loop."""
    return lambda event: asyncio.to_thread(running.wait, event)


@pytest.mark.parametrize(
    ("sender", "address"),
    [
        ("ACME", ("ACME", 5, 0)),
        ("12345", ("12345", 3, 0)),
        ("+972501112233", ("972501112233", 1, 1)),
        (None, ("", 0, 0)),
    ],
)
def test_what_a_submit_says(sender: str | None, address: tuple[str, int, int]) -> None:
    """Senders by their form (5.2.5), a receipt asked for, the lifetime that is left, the text as it is."""

    async def main() -> None:
        async with carrier(running) as sending:
            assert (await sending.send(text(sender=sender))).verdict is Verdict.ACCEPTED
        (piece,) = running.submitted()
        assert (piece["sender"], piece["source_ton"], piece["source_npi"]) == address
        assert (piece["number"], piece["text"], piece["registered"]) == ("972502345678", "hello", 1)
        assert piece["data_coding"] == 0

    with centre() as running:
        run(main())


def test_a_flash_text_has_message_class_0() -> None:
    """In data_coding, beside the alphabet; the centre reads the text as ever."""

    async def main() -> None:
        async with carrier(running) as sending:
            for words in ("hello", "שלום"):
                flash = dataclasses.replace(text(words), flash=True)
                assert (await sending.send(flash)).verdict is Verdict.ACCEPTED
        assert [(piece["data_coding"], piece["text"]) for piece in running.submitted()] == [
            (0x10, "hello"),
            (0x18, "שלום"),
        ]

    with centre() as running:
        run(main())


def test_only_what_is_urgent_has_a_priority() -> None:
    """What is not above normal asks for nothing that a centre may charge for (5.2.14)."""

    async def main() -> None:
        async with carrier(running) as sending:
            for each in Priority:
                assert (await sending.send(text(priority=each))).verdict is Verdict.ACCEPTED
        assert [piece["priority"] for piece in running.submitted()] == [0, 0, 1, 2]

    with centre() as running:
        run(main())


@pytest.mark.parametrize("joining", ["udh", "sar", "payload"])
def test_long_texts_arrive_whole(joining: str) -> None:
    """However their parts are joined, in either encoding, with pairs that lie across borders."""
    texts = ["[" * 400, "שלום 👍" * 40, "x" * 1600]

    async def main() -> None:
        async with carrier(running, long_texts=joining) as sending:
            for words in texts:
                assert (await sending.send(text(words))).verdict is Verdict.ACCEPTED
        pieces = running.submitted()
        assert [words for _, _, words in joined(pieces)] == texts
        assert (len(pieces) == len(texts)) == (joining == "payload")

    with centre() as running:
        run(main())


def test_only_the_last_part_asks_for_a_receipt() -> None:
    """A long text has one receipt, that of its last part, whose id is the text's."""

    async def main() -> None:
        ear = Ear()
        async with carrier(running, ear) as sending:
            outcome = await sending.send(text(LONG))
            report = await ear.reports.get()
        pieces = running.submitted()
        assert [piece["registered"] for piece in pieces] == [0, 0, 1]
        assert outcome.carrier_id == pieces[-1]["id"] == report.carrier_id
        assert report.state is State.DELIVERED

    with centre() as running:
        running.tell(NUMBER, "delivered")
        run(main())


def test_receipts_in_the_other_base() -> None:
    """Answers with hexadecimal ids and receipts with decimal ones meet, if the settings say so."""

    async def main() -> None:
        ear = Ear()
        async with carrier(running, ear, receipt_ids="decimal") as sending:
            outcome = await sending.send(text())
            assert (await ear.reports.get()).carrier_id == outcome.carrier_id

    with centre() as running:
        running.tell(NUMBER, "decimal")
        run(main())


@pytest.mark.parametrize(
    ("treated", "verdict", "pause"),
    [
        ("throttle", Verdict.DEFERRED, 3),
        ("full", Verdict.DEFERRED, 3),
        ("system", Verdict.DEFERRED, None),
        ("temporary", Verdict.DEFERRED, None),
        ("refuse", Verdict.REFUSED, None),
        ("vendor", Verdict.UNKNOWN, None),
        ("break", Verdict.UNKNOWN, None),
    ],
)
def test_statuses(treated: str, verdict: Verdict, pause: int | None) -> None:
    """Each by the table; one that nobody listed is in doubt, and so is a connection that breaks."""

    async def main() -> None:
        async with carrier(running, throttle_pause=3) as sending:
            outcome = await sending.send(text())
            assert outcome.verdict is verdict
            assert outcome.retry_after == (None if pause is None else timedelta(seconds=pause))
            assert outcome.reason

    with centre() as running:
        running.tell(NUMBER, treated)
        run(main())


def test_a_text_that_went_out_in_part_is_in_doubt() -> None:
    """When a later part is turned away the text is unknown, not deferred: its first part would come twice."""

    async def main() -> None:
        async with carrier(running, answer_timeout=0.3) as sending:
            sent = asyncio.create_task(sending.send(text(LONG)))
            await said(running)("submitted")
            running.freeze()
            outcome = await sent
            running.thaw()
        assert outcome.verdict in {Verdict.UNKNOWN, Verdict.ACCEPTED}
        if outcome.verdict is Verdict.UNKNOWN:
            assert "no answer" in outcome.reason

    with centre() as running:
        run(main())


def test_a_wrong_password_defers_and_is_told_once() -> None:
    """Texts wait; the log has one line, without the password, however often it is tried."""

    async def main() -> None:
        with capture_logs() as logs:
            async with carrier(running, password="wr0ng") as sending:
                for _ in range(3):
                    await said(running)("refused")
                assert (await sending.send(text())).verdict is Verdict.DEFERRED
        lines = [line for line in logs if line["event"] == "not bound"]
        assert [line["reason"] for line in lines] == ["bind refused: command_status 0x0000000E"]
        assert "wr0ng" not in str(logs)

    with centre() as running:
        run(main())


def test_a_centre_that_comes_back() -> None:
    """Killed and started again in mid-run, it is bound again, and texts go on."""

    async def main() -> None:
        async with carrier(running) as sending:
            await accepted(sending)
            running.kill()
            assert (await sending.send(text("meanwhile"))).verdict in {Verdict.DEFERRED, Verdict.UNKNOWN}
            await asyncio.to_thread(running.start)
            await accepted(sending)
        assert "meanwhile" not in [piece["text"] for piece in running.submitted()]

    with centre() as running:
        run(main())


def test_a_centre_that_falls_silent() -> None:
    """One that answers no enquire_link is left, and bound to again."""

    async def main() -> None:
        async with carrier(running, enquire_every=0.05, answer_timeout=0.2) as sending:
            await accepted(sending)
            running.tell("enquire_link", "silent")
            await said(running)("enquired")
            await said(running)("bound")
            running.tell("enquire_link", "accept")
            await accepted(sending)

    with centre() as running:
        run(main())


def test_unbind_at_the_end() -> None:
    """A carrier that closes says so."""

    async def main() -> None:
        async with carrier(running) as sending:
            await accepted(sending)
        await said(running)("unbound")

    with centre() as running:
        run(main())


def test_two_connections() -> None:
    """As transmitter and receiver: texts leave by the one, receipts come by the other."""

    async def main() -> None:
        ear = Ear()
        async with carrier(running, ear, bind="transmitter+receiver") as sending:
            modes = {(await said(running)("bound"))["mode"] for _ in range(2)}
            assert modes == {"transmitter", "receiver"}
            outcome = await sending.send(text())
            assert (await ear.reports.get()).carrier_id == outcome.carrier_id

    with centre() as running:
        running.tell(NUMBER, "undelivered")
        run(main())


def test_tls(tmp_path: Path) -> None:
    """Encrypted, the centre's certificate is checked: a trusted one serves, to any other nothing is said."""
    certificate, key = made(tmp_path, "127.0.0.1")

    async def main() -> None:
        async with carrier(running, tls=True, ca_file=certificate) as sending:
            await accepted(sending)
        with capture_logs() as logs:
            async with carrier(running, tls=True) as sending:
                assert (await sending.send(text())).verdict is Verdict.DEFERRED
        assert "certificate" in str([line["reason"] for line in logs if line["event"] == "not bound"])

    with centre(certificate=(certificate, key)) as running:
        run(main())


def test_a_ca_file_that_is_none(tmp_path: Path) -> None:
    """It is told at start, under the carrier's name."""
    file = tmp_path / "ca.pem"
    file.write_text("no certificate")

    async def main() -> None:
        with pytest.raises(ConfigError, match=r"carriers\.main\.ca_file"):
            async with carrier(running, tls=True, ca_file=file):
                pass

    with centre() as running:
        run(main())


PARTS = [bytes([5, 0, 3, 9, 3, place]) + words for place, words in enumerate((b"one ", b"two ", b"three"), start=1)]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 1, 0, 2)])
def test_a_long_text_from_a_phone(order: tuple[int, ...]) -> None:
    """Its parts become one text, in any order and doubled; each is answered once that is durable."""

    async def main() -> None:
        ear = Ear()
        async with carrier(running, ear) as sending:
            await accepted(sending)
            for place in order:
                running.send_delivery(
                    source_addr="972502345678",
                    source_addr_ton=1,
                    destination_addr="1234",
                    esm_class=0x40,
                    short_message=PARTS[place],
                )
            inbound = await ear.texts.get()
            for _ in order:
                assert (await said(running)("answered"))["status"] == 0
            assert ear.texts.empty()
        assert (inbound.sender, inbound.to, inbound.text) == (NUMBER, "1234", "one two three")

    with centre() as running:
        run(main())


def test_parts_that_never_come() -> None:
    """What there is of a long text is handed on when the rest is too late."""

    async def main() -> None:
        ear = Ear()
        async with carrier(running, ear, join_wait=0.1) as sending:
            await accepted(sending)
            for place in (2, 0):
                running.send_delivery(
                    source_addr="972502345678", destination_addr="1", esm_class=0x40, short_message=PARTS[place]
                )
            assert (await ear.texts.get()).text == "one three"

    with centre() as running:
        run(main())


def test_news_that_cannot_be_kept_comes_again() -> None:
    """While the bridge has trouble deliveries are answered so that the centre repeats them, parts and receipts too."""

    async def main() -> None:
        ear = Ear(deaf=2)
        async with carrier(running, ear) as sending:
            await accepted(sending)
            fields = {"source_addr": "972502345678", "destination_addr": "1"}
            plain = {**fields, "short_message": b"hi"}
            assert (await asyncio.to_thread(running.deliver, **plain))["status"] == 0x64
            receipt = {**fields, "esm_class": 4, "short_message": b"id:77 stat:DELIVRD err:000"}
            assert (await asyncio.to_thread(running.deliver, **receipt))["status"] == 0x64
            assert (await asyncio.to_thread(running.deliver, **plain))["status"] == 0
            assert (await asyncio.to_thread(running.deliver, **receipt))["status"] == 0
            assert (await ear.texts.get()).text == "hi"
            assert (await ear.reports.get()).carrier_id == "77"

    with centre() as running:
        run(main())


def test_the_same_words_twice_are_two_texts() -> None:
    """A person may say the same again: two deliveries that were answered have ids of their own."""

    async def main() -> None:
        ear = Ear()
        async with carrier(running, ear) as sending:
            await accepted(sending)
            for _ in range(2):
                await asyncio.to_thread(running.deliver, source_addr="1", destination_addr="2", short_message=b"yes")
            first, second = await ear.texts.get(), await ear.texts.get()
        assert first.carrier_id != second.carrier_id

    with centre() as running:
        run(main())


def test_what_is_no_text_is_turned_away() -> None:
    """Binary messages are refused for good, and a receipt that says nothing is taken."""

    async def main() -> None:
        async with carrier(running) as sending:
            await accepted(sending)
            binary = {"source_addr": "1", "destination_addr": "2", "data_coding": 4, "short_message": b"\x01\x02"}
            assert (await asyncio.to_thread(running.deliver, **binary))["status"] == 0x65
            vague = {"source_addr": "1", "destination_addr": "2", "esm_class": 4, "short_message": b"hello"}
            assert (await asyncio.to_thread(running.deliver, **vague))["status"] == 0

    with centre() as running:
        run(main())
