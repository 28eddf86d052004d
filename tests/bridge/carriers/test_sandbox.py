"""The sandbox carrier beyond what the suite for all carriers asks."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from bridge.carriers.base import CarrierSettings
from bridge.carriers.sandbox import carrier as module
from bridge.carriers.sandbox.behaviour import Behaviour
from bridge.carriers.sandbox.carrier import Sandbox, SandboxSettings
from bridge.model.errors import ConfigError, InternalError, StoreUnavailable
from bridge.model.message import Outcome, Outgoing, Verdict
from bridge.model.state import State
from bridge.model.text import Encoding
from tests.support.clock import HandClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine
    from pathlib import Path

    from bridge.model.message import Inbound, Report

NUMBER = "+972502345678"
DEADLINE = 10.0
A, D, R, U = Verdict.ACCEPTED, Verdict.DEFERRED, Verdict.REFUSED, Verdict.UNKNOWN


class Ear:
    """A sink that keeps what it hears, after it raised what it was given to raise."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls: asyncio.Queue[Report | Inbound] = asyncio.Queue()
        self.heard: asyncio.Queue[Report | Inbound] = asyncio.Queue()

    async def report(self, report: Report) -> None:
        self._hear(report)

    async def inbound(self, inbound: Inbound) -> None:
        self._hear(inbound)

    def _hear(self, news: Report | Inbound) -> None:
        self.calls.put_nowait(news)
        if self.errors:
            raise self.errors.pop(0)
        self.heard.put_nowait(news)


def text(place: int = 1, **changes: Any) -> Outgoing:
    """Make a text; the same place is the same text."""
    values: dict[str, Any] = {
        "id": f"{place:026x}-0",
        "message_id": f"{place:026x}",
        "number": NUMBER,
        "text": "hello",
        "sender": "ACME",
        "encoding": Encoding.GSM7,
        "parts": 1,
        "attempt": 1,
        "expires_at": datetime(2030, 1, 2, tzinfo=UTC),
    }
    return Outgoing(**values | changes)


def settings(folder: Path, behaviour: str = "accept", **more: Any) -> SandboxSettings:
    """Make settings as bridge.toml does."""
    table = {"kind": "sandbox", "outbox": "outbox.jsonl", "behaviour": behaviour} | more
    return SandboxSettings.model_validate(table).anchored(folder)


@asynccontextmanager
async def opened(
    folder: Path, behaviour: str = "accept", ear: Ear | None = None, clock: HandClock | None = None, **more: Any
) -> AsyncIterator[Sandbox]:
    """Have a sandbox open meanwhile."""
    sandbox = Sandbox("box", settings(folder, behaviour, **more), clock=clock or HandClock())
    await sandbox.open(ear or Ear())
    try:
        yield sandbox
    finally:
        await sandbox.close()


def lines(folder: Path) -> list[dict[str, Any]]:
    """Read the outbox."""
    return [json.loads(line) for line in (folder / "outbox.jsonl").read_bytes().split(b"\n")[:-1]]


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a test's coroutine for a bounded time; nothing of it may be left running."""

    async def bounded() -> None:
        async with asyncio.timeout(DEADLINE):
            await main()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(bounded())


def test_line_is_as_documented(tmp_path: Path) -> None:
    """A line has the keys of the contract in their order, times in UTC to the second, characters as they are."""
    clock = HandClock(datetime(2026, 11, 20, 9, 0, 0, 999_999, tzinfo=timezone(timedelta(hours=2))))

    async def main() -> None:
        async with opened(tmp_path, clock=clock) as sandbox:
            outcome = await sandbox.send(text(text="שלום 😀"))
            assert outcome == Outcome.accepted(f"sandbox-{text().id}", raw="accepted")
            await sandbox.send(text(2, sender=None, parts=3))

    run(main)
    first, second, end = (tmp_path / "outbox.jsonl").read_text(encoding="utf-8").split("\n")
    assert first == (
        '{"id": "00000000000000000000000001-0", "message_id": "00000000000000000000000001", "to": "+972502345678", '
        '"from": "ACME", "text": "שלום 😀", "parts": 1, "at": "2026-11-20T07:00:00Z"}'
    )
    assert (json.loads(second)["from"], json.loads(second)["parts"], end) == (None, 3, "")


def test_a_flash_text_says_so(tmp_path: Path) -> None:
    """A line of another text has no such key."""

    async def main() -> None:
        async with opened(tmp_path) as sandbox:
            await sandbox.send(text(0))
            await sandbox.send(text(1, flash=True))

    run(main)
    assert [line.get("flash") for line in lines(tmp_path)] == [None, True]


def test_half_a_surrogate_is_written_too(tmp_path: Path) -> None:
    """What has no UTF-8 is escaped: a text that should never come here still does no harm."""

    async def main() -> None:
        async with opened(tmp_path) as sandbox:
            assert (await sandbox.send(text(text="\ud83d"))).verdict is A

    run(main)
    assert lines(tmp_path)[0]["text"] == "\ud83d"


@pytest.mark.parametrize(
    ("behaviour", "verdicts", "written"),
    [
        ("accept", [A, A], 1),
        ("refuse", [R, R], 0),
        ("defer", [D, D, D], 0),
        ("defer 2 times", [D, D, A, A], 1),
        ("lose", [U, U], 1),
        ("lose 1 times", [U, A], 1),
        ("lose unsent", [U, U], 0),
        ("lose unsent 2 times", [U, U, A], 1),
    ],
)
def test_answers_of_several_tries(behaviour: str, verdicts: list[Verdict], written: int, tmp_path: Path) -> None:
    """Tries are counted for each text by itself; whatever they end in, a text is written once at most."""

    async def main() -> None:
        async with opened(tmp_path, behaviour) as sandbox:
            for place in (1, 2):
                assert [(await sandbox.send(text(place))).verdict for _ in verdicts] == verdicts
        assert len(lines(tmp_path)) == written * 2

    run(main)


def test_tries_of_interleaved_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries of texts do not mix, and the count that is kept is bounded: the oldest is forgotten."""
    monkeypatch.setattr(module, "_COUNTED", 2)

    async def main() -> None:
        async with opened(tmp_path, "defer 1 times") as sandbox:
            order = (1, 2, 1, 3, 4, 2, 4)
            verdicts = [(await sandbox.send(text(place))).verdict for place in order]
            assert verdicts == [D, D, A, D, D, D, A]

    run(main)


@pytest.mark.parametrize(
    ("behaviour", "verdict"),
    [("refuse", A), ("defer", A), ("defer 2 times", A), ("lose unsent", A), ("lose", U), ("lose 1 times", U)],
)
def test_text_that_is_there_is_never_called_unsent(behaviour: str, verdict: Verdict, tmp_path: Path) -> None:
    """After a restart with another behaviour the answer to a text of before is *accepted*, or lost."""

    async def main() -> None:
        async with opened(tmp_path) as sandbox:
            assert (await sandbox.send(text())).verdict is A
        async with opened(tmp_path, behaviour) as sandbox:
            assert (await sandbox.send(text())).verdict is verdict
        assert len(lines(tmp_path)) == 1

    run(main)


def test_defer_says_when_to_come_again(tmp_path: Path) -> None:
    """The span of ``defer`` goes with the outcome, and nothing else is said there."""

    async def main() -> None:
        async with opened(tmp_path, "defer 30s") as sandbox:
            assert (await sandbox.send(text())).retry_after == timedelta(seconds=30)
        async with opened(tmp_path, "defer") as sandbox:
            assert (await sandbox.send(text())).retry_after is None

    run(main)


@pytest.mark.parametrize(("wait", "written"), [("delay 24h", 1), ("slow 24h", 0)])
def test_what_is_late(wait: str, written: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With ``delay`` the line is there while the answer is awaited, with ``slow`` it is not yet."""
    waits: asyncio.Queue[float] = asyncio.Queue()
    real = asyncio.sleep

    async def sleep(seconds: float) -> None:
        if seconds:
            waits.put_nowait(seconds)
        await real(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)

    async def main() -> None:
        async with opened(tmp_path, wait) as sandbox:
            sending = asyncio.create_task(sandbox.send(text()))
            assert await waits.get() == 24 * 3600
            assert len(lines(tmp_path)) == written
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending

    run(main)


def test_answers_after_delay_and_slow(tmp_path: Path) -> None:
    """Both waits pass, and the answer is that of the behaviour."""

    async def main() -> None:
        async with opened(tmp_path, "slow 1ms, delay 1ms") as sandbox:
            assert (await sandbox.send(text())).verdict is A
        async with opened(tmp_path, "slow 1ms, delay 1ms, refuse") as sandbox:
            assert (await sandbox.send(text(2))).verdict is R

    run(main)


NUMBERS = {
    "+972502345678": "refuse",
    "+972*": "defer",
    "+97250*": "lose",
    "*99": "lose unsent",
    "*78": "defer 5s",
    "*2345679": "delay 1s",
    "+9725023*": "delay 2s",
}


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("+972502345678", "refuse"),
        ("+972522345677", "defer"),
        ("+972502445677", "lose"),
        ("+972522345699", "defer"),
        ("+12025550199", "lose unsent"),
        ("+972502345699", "delay 2s"),
        ("+972502345679", "delay 1s"),
        ("+12025550123", "accept"),
        ("+12025550178", "defer 5s"),
    ],
)
def test_longest_pattern_counts(number: str, expected: str, tmp_path: Path) -> None:
    """The number itself, then the pattern with most digits, an end before a beginning; else the general behaviour."""
    assert settings(tmp_path, numbers=NUMBERS).behaviour_for(number) == Behaviour.read(expected)


@pytest.mark.parametrize("pattern", ["", "*", "+*", "972*", "+0*", "*+9", "*9*", "+97 250", "+1234567890123456", "+٩*"])
def test_bad_patterns_are_refused(pattern: str, tmp_path: Path) -> None:
    """What can match no E.164 number, or all of them, is no pattern."""
    with pytest.raises(ValueError, match="its beginning as"):
        settings(tmp_path, numbers={pattern: "accept"})


def test_number_decides(tmp_path: Path) -> None:
    """Texts to numbers with a behaviour of their own are treated by it, others by the general one."""

    async def main() -> None:
        async with opened(tmp_path, "refuse", numbers={"*79": "accept"}) as sandbox:
            assert (await sandbox.send(text())).verdict is R
            assert (await sandbox.send(text(number="+972502345679"))).verdict is A

    run(main)


def test_outbox_counts_from_the_configuration(tmp_path: Path) -> None:
    """A relative file is in the folder given, an absolute one where it says."""
    assert settings(tmp_path, outbox="sub/o").outbox == tmp_path / "sub" / "o"
    assert settings(tmp_path, outbox="/var/o").outbox.as_posix() == "/var/o"


def test_open_says_what_to_do(tmp_path: Path) -> None:
    """A missing folder is named with the command that makes it, a strange file with what is wrong."""

    async def reason(**more: Any) -> str:
        with pytest.raises(ConfigError) as caught:
            async with opened(tmp_path, **more):
                pass
        return caught.value.reason

    async def main() -> None:
        told = await reason(outbox="no/outbox.jsonl")
        assert told == f"carriers.box.outbox: no folder {tmp_path}/no; make it with: mkdir -p {tmp_path}/no"
        (tmp_path / "strange").write_text("hello\n")
        assert "strange is no outbox: it has a line that no sandbox wrote" in await reason(outbox="strange")
        assert "Is a directory" in await reason(outbox=".")
        assert "not a regular file" in await reason(outbox="/dev/null")

    run(main)


def test_needs_its_own_settings() -> None:
    """Settings of another kind are a bug of the caller."""
    with pytest.raises(TypeError, match="SandboxSettings"):
        Sandbox("box", CarrierSettings(kind="other"), clock=HandClock())


def test_sends_share_a_flush(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes while the disk is busy waits in memory, not in the loop, and is flushed together afterwards."""
    busy, go = threading.Event(), threading.Event()
    flushes = 0
    real = os.fsync

    def fsync(file: int) -> None:
        nonlocal flushes
        flushes += 1
        busy.set()
        assert go.wait(DEADLINE)
        real(file)

    async def main() -> None:
        async with opened(tmp_path) as sandbox:
            monkeypatch.setattr(os, "fsync", fsync)
            first = asyncio.create_task(sandbox.send(text(1)))
            assert await asyncio.to_thread(busy.wait, DEADLINE)
            rest = [asyncio.create_task(sandbox.send(text(place))) for place in range(2, 52)]
            for _ in range(10):
                await asyncio.sleep(0)
            assert not first.done()
            assert not any(task.done() for task in rest)
            go.set()
            outcomes = await asyncio.gather(first, *rest)
            assert {outcome.verdict for outcome in outcomes} == {A}
        assert flushes == 2
        assert len(lines(tmp_path)) == 51

    run(main)


def test_bug_in_the_outbox_leaves_texts_in_doubt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error nobody thought of is logged, and no send waits for ever or raises."""

    async def main() -> None:
        async with opened(tmp_path) as sandbox:

            def broken(batch: object) -> None:
                raise RuntimeError("a bug")

            monkeypatch.setattr(sandbox._outbox, "append", broken)
            with capture_logs() as logs:
                outcomes = await asyncio.gather(sandbox.send(text(1)), sandbox.send(text(2)))
            assert [outcome.verdict for outcome in outcomes] == [U, U]
            assert [(log["event"], log["carrier"]) for log in logs] == [("outbox failed", "box")]
            monkeypatch.undo()
            assert (await sandbox.send(text(1))).verdict is A

    run(main)


def test_failed_flush_defers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fails defers the text with the disk's own words; if the line cannot be cut off, it is in doubt."""

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    async def main() -> None:
        async with opened(tmp_path) as sandbox:
            with monkeypatch.context() as patch:
                patch.setattr(os, "fsync", fail)
                outcome = await sandbox.send(text())
                assert (outcome.verdict, lines(tmp_path)) == (D, [])
                assert "No space left on device" in outcome.reason
                patch.setattr(os, "ftruncate", fail)
                outcome = await sandbox.send(text())
                assert outcome.verdict is U
                assert "No space left on device" in outcome.reason
            assert (await sandbox.send(text())).verdict is A
            assert len(lines(tmp_path)) == 1

    run(main)


def test_reports_name_the_text(tmp_path: Path) -> None:
    """An answered text is reported under the carrier's id, one whose answer was lost under ours."""

    async def main() -> None:
        ear, clock = Ear(), HandClock()
        async with opened(tmp_path, "lose 1 times, delivered after 0s", ear, clock) as sandbox:
            await sandbox.send(text())
            lost: Any = await ear.heard.get()
            assert (lost.carrier, lost.carrier_id, lost.recipient_id) == ("box", None, text().id)
            assert (lost.state, lost.at, lost.raw) == (State.DELIVERED, clock(), "delivered")
            outcome = await sandbox.send(text())
            found: Any = await ear.heard.get()
            assert (found.carrier_id, found.recipient_id) == (outcome.carrier_id, None)

    run(main)


def test_several_reports(tmp_path: Path) -> None:
    """Each clause is a report of its own, in the order of their times."""

    async def main() -> None:
        ear = Ear()
        async with opened(tmp_path, "delivered after 20ms, undelivered after 0s, expired after 10ms", ear) as sandbox:
            await sandbox.send(text())
            states = [getattr(await ear.heard.get(), "state", None) for _ in range(3)]
            assert states == [State.UNDELIVERED, State.EXPIRED, State.DELIVERED]

    run(main)


@pytest.mark.parametrize("behaviour", ["refuse", "defer 9 times, delivered after 0s", "lose unsent 9 times, delivered"])
def test_no_news_of_what_did_not_arrive(behaviour: str, tmp_path: Path) -> None:
    """A text that reached no phone is not reported on."""

    async def main() -> None:
        async with opened(tmp_path, behaviour) as sandbox:
            await sandbox.send(text())
            assert not sandbox._news

    run(main)


def test_repeated_text_is_reported_again_and_replied_to_once(tmp_path: Path) -> None:
    """The carrier's news may have been lost with a process, so it comes again; the phone got one text."""

    async def main() -> None:
        first, second = Ear(), Ear()
        behaviour = "reply hi after 0s, delivered after 0s"
        async with opened(tmp_path, behaviour, first) as sandbox:
            await sandbox.send(text())
            kinds = {type(await first.heard.get()).__name__ for _ in range(2)}
            assert kinds == {"Report", "Inbound"}
        async with opened(tmp_path, behaviour, second) as sandbox:
            assert (await sandbox.send(text())).raw == "accepted before"
            await asyncio.gather(*sandbox._news)
            assert [getattr(second.heard.get_nowait(), "state", None)] == [State.DELIVERED]
            assert second.heard.empty()

    run(main)


def test_reply(tmp_path: Path) -> None:
    """A reply comes from the phone to whoever it saw as the sender."""

    async def main() -> None:
        ear, clock = Ear(), HandClock()
        async with opened(tmp_path, 'reply "Yes, please; 2" after 0s', ear, clock) as sandbox:
            await sandbox.send(text(sender=None))
            news: Any = await ear.heard.get()
            assert (news.carrier, news.sender, news.to, news.text) == ("box", NUMBER, "", "Yes, please; 2")
            assert news.at == clock()
            assert news.carrier_id

    run(main)


@pytest.mark.parametrize("behaviour", ["delivered after 0s", "reply hi after 0s"])
def test_news_comes_again_after_trouble(behaviour: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bridge that cannot take news now gets the very same again."""
    monkeypatch.setattr(module, "_PAUSES", (0.0, 0.0, 0.0))

    async def main() -> None:
        ear = Ear(StoreUnavailable("away"), InternalError("a bug"))
        async with opened(tmp_path, behaviour, ear) as sandbox:
            await sandbox.send(text())
            heard = await ear.heard.get()
            assert [ear.calls.get_nowait() for _ in range(3)] == [heard] * 3
            assert ear.calls.empty()

    run(main)


@pytest.mark.parametrize(
    ("errors", "calls", "event"),
    [([StoreUnavailable("away")] * 9, 4, "news given up"), ([RuntimeError("a bug")], 1, "news failed")],
)
def test_news_is_given_up(
    errors: list[Exception], calls: int, event: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the last pause, and at once after what is no trouble, news is dropped with a line in the log."""
    monkeypatch.setattr(module, "_PAUSES", (0.0, 0.0, 0.0))

    async def main() -> None:
        ear = Ear(*errors)
        async with opened(tmp_path, "delivered after 0s", ear) as sandbox:
            with capture_logs() as logs:
                await sandbox.send(text())
                await asyncio.gather(*sandbox._news)
            assert ear.calls.qsize() == calls
            assert ear.heard.empty()
            assert [(log["event"], log["carrier"], log["id"]) for log in logs] == [(event, "box", text().id)]

    run(main)


def test_close_drops_what_is_still_to_come(tmp_path: Path) -> None:
    """Pending news ends with the carrier, also while it waits to come again; a new one may be opened on the file."""

    async def main() -> None:
        ear = Ear(*[StoreUnavailable("away")] * 9)
        async with opened(tmp_path, "delivered after 0s, delivered after 24h, reply hi after 24h", ear) as sandbox:
            await sandbox.send(text())
            await ear.calls.get()
            assert len(sandbox._news) == 3
        assert not sandbox._news
        assert ear.heard.empty()
        async with opened(tmp_path) as sandbox:
            assert (await sandbox.send(text())).raw == "accepted before"

    run(main)


def test_close_waits_for_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sends that nobody waits for any more are written before the file is let go, and nothing is left behind."""
    busy, go = threading.Event(), threading.Event()
    real = os.fsync

    def fsync(file: int) -> None:
        busy.set()
        assert go.wait(DEADLINE)
        real(file)

    async def main() -> None:
        async with opened(tmp_path, "delivered after 0s") as sandbox:
            monkeypatch.setattr(os, "fsync", fsync)
            sends = [asyncio.create_task(sandbox.send(text(place))) for place in (1, 2)]
            assert await asyncio.to_thread(busy.wait, DEADLINE)
            sends[0].cancel()
            closing = asyncio.create_task(sandbox.close())
            await asyncio.sleep(0)
            go.set()
            await closing
            ends = await asyncio.gather(*sends, return_exceptions=True)
            assert isinstance(ends[0], asyncio.CancelledError)
            assert getattr(ends[1], "verdict", None) is A
            assert not sandbox._news
        assert len(lines(tmp_path)) == 2

    run(main)


def test_settings_have_defaults() -> None:
    """Two keys make a sandbox: the rest is as documented."""
    plain = SandboxSettings.model_validate({"kind": "sandbox"})
    assert (plain.outbox.as_posix(), plain.forgetful, plain.concurrency) == ("outbox.jsonl", False, 64)
    assert (plain.behaviour, plain.numbers) == (Behaviour(), {})
