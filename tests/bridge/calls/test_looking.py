"""How texts stand, page by page and by every id; texts from phones, until they are done with."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bridge.calls import looking
from bridge.calls.desk import Desk
from bridge.calls.values import Page
from bridge.model.errors import InvalidRequest
from bridge.model.message import Inbound
from bridge.model.state import State
from bridge.pipeline.inbound import Words, keep
from bridge.pipeline.order import in_order
from bridge.store import messages
from bridge.store.engine import Store
from tests.bridge.calls.office import Office
from tests.support import texts
from tests.support.clock import START, HandClock
from tests.support.texts import number

A, B = number(5678), number(5679)


def test_status_by_every_kind_of_id(office: Office) -> None:
    """A message, a recipient, a reference; in the order asked for, each once, and nothing for what is unknown."""

    async def work(desk: Desk) -> None:
        me = office.caller()
        first = await desk.send(me, office.order(A, B, reference="r"))
        second = await desk.send(me, office.order(B, reference="r"))
        third = await desk.send(me, office.order(A, text="שלום", priority=2))
        one, two = (result.recipient_id for result in first.results)
        ids = [third.message_id, "nope", two, "r", f"{first.message_id}-3", f"{'0' * 26}-1"]
        found = await desk.status(me, [id_ for id_ in ids if id_])
        # The last line is another text to B: it has the reference too, and was taken before under that.
        assert second.results[0].duplicate
        assert [line.recipient_id for line in found] == [third.results[0].recipient_id, two, one]
        line = found[-1]
        assert (line.message_id, line.reference, line.dest, line.sender) == (first.message_id, "r", A, None)
        assert (line.state, line.reason, line.parts, line.price) == (State.QUEUED, None, 1, 1000)
        assert line.created_at == line.due_at == line.updated_at == START
        assert await desk.status(me, []) == []

    office.run(work)


def test_only_the_accounts_own(office: Office) -> None:
    """Another account's ids and references name nothing, for status, report, change and cancel alike."""

    async def work(desk: Desk) -> None:
        taken = await desk.send(office.caller(), office.order(A, reference="r"))
        ids = [taken.message_id or "", taken.results[0].recipient_id or "", "r"]
        assert len(await desk.status(office.caller(), ids)) == 1
        assert await desk.status(office.caller(2), ids) == []
        assert await desk.report(office.caller(2)) == Page(lines=(), next=None)

    office.run(work)


@pytest.mark.parametrize("junk", ["", "\0", "a\0b", "\ud800", "x" * 1000, "'; --", "0" * 26, f"{'f' * 26}-999999999"])
def test_ids_that_are_none(office: Office, junk: str) -> None:
    """Whatever is asked for, there is an answer."""
    assert office.run(lambda desk: desk.status(office.caller(), [junk])) == []


def test_a_reference_that_looks_like_an_id(office: Office) -> None:
    """It finds its text; where there is a message of that id, the id counts."""

    async def work(desk: Desk) -> None:
        me = office.caller()
        first = await desk.send(me, office.order(A, reference="0" * 26))
        second = await desk.send(me, office.order(B, reference=f"{first.message_id}"))
        third = await desk.send(me, office.order(B, reference="000000000000000000000000aa-1"))
        assert [line.dest for line in await desk.status(me, ["0" * 26])] == [A]
        assert [line.dest for line in await desk.status(me, [f"{first.message_id}"])] == [A]
        found = await desk.status(me, ["000000000000000000000000aa-1"])
        assert [line.message_id for line in found] == [third.message_id]
        assert second.message_id not in {first.message_id, third.message_id}

    office.run(work)


def test_the_latest_of_a_reference_that_stands_for_many(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one reference the latest messages are found, the latest last; mails are not found by their Message-ID."""
    monkeypatch.setattr("bridge.store.lines.MOST_OF_ONE", 3)
    from bridge.store import lines  # noqa: PLC0415

    lines._by_reference.cache_clear()

    async def work(desk: Desk) -> None:
        me = office.caller()
        sent = [await desk.send(me, office.order(A, reference="r", key=str(index))) for index in range(5)]
        office.submit(B, reference="<mail@example.com>")
        found = await desk.status(me, ["r", "<mail@example.com>"])
        assert [line.message_id for line in found] == [answer.message_id for answer in sent[2:]]

    try:
        office.run(work)
    finally:
        lines._by_reference.cache_clear()


def test_status_is_bounded(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """More ids, or more texts behind them, than one answer has are refused."""
    monkeypatch.setattr(looking, "MOST", 2)

    async def work(desk: Desk) -> None:
        me = office.caller()
        taken = await desk.send(me, office.order(*map(number, range(3))))
        with pytest.raises(InvalidRequest):
            await desk.status(me, ["a", "b", "c"])
        with pytest.raises(InvalidRequest):
            await desk.status(me, [taken.message_id or ""])
        assert len(await desk.status(me, [f"{taken.message_id}-1", f"{taken.message_id}-3"])) == 2

    office.run(work)


# --- the report ---


async def pages(desk: Desk, office: Office, limit: int, **asked: Any) -> list[str]:
    """Read a report to its end, and return the recipients' ids."""
    seen: list[str] = []
    after = None
    while True:
        page = await desk.report(office.caller(), after=after, limit=limit, **asked)
        assert len(page.lines) <= limit
        seen += [line.recipient_id for line in page.lines]
        if page.next is None:
            return seen
        assert page.next == seen[-1]
        after = page.next


def test_pages_meet(office: Office) -> None:
    """Whatever their size, pages have every text once, in the order of ids; also where one ends within a message."""

    async def work(desk: Desk) -> None:
        for index in range(7):
            await desk.send(office.caller(), office.order(*map(number, range(index % 3 + 1))))
            await desk.send(office.caller(2), office.order(A))
        with office.store.read() as connection:
            kept = messages.newest(connection, account_id=1, limit=100)[::-1]
        every = [f"{one.id}-{recipient.position}" for one in kept for recipient in one.recipients]
        assert len(every) == 13
        for limit in (1, 2, 3, 12, 13, 14, 10_000):
            assert await pages(desk, office, limit) == every
        assert (await desk.report(office.caller(), after=every[-1])) == Page(lines=(), next=None)

    office.run(work)


def test_a_report_from_one_time_to_another(office: Office) -> None:
    """``since`` is in it and ``until`` is not, by the time at which texts were taken."""

    async def work(desk: Desk) -> None:
        sent = []
        for _ in range(4):
            sent.append((await desk.send(office.caller(), office.order(A))).results[0].recipient_id)
            office.clock.advance(seconds=60)
        minute = timedelta(minutes=1)
        for since, until, found in [
            (None, None, sent),
            (START, START + 4 * minute, sent),
            (START + minute, START + 3 * minute, sent[1:3]),
            (START + timedelta(milliseconds=60_001), START + timedelta(milliseconds=120_001), sent[2:3]),
            (START, START, []),
            (datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC), sent),
            (None, START + minute, sent[:1]),
        ]:
            assert await pages(desk, office, 2, since=since, until=until) == found

    office.run(work)


def test_what_no_report_can_be_asked(office: Office) -> None:
    """A limit that is none, and a place that is no recipient's."""

    async def work(desk: Desk) -> None:
        cases: list[dict[str, Any]] = [{"limit": 0}, {"limit": 10_001}, {"after": "x"}, {"after": "0" * 26}]
        for wrong in [*cases, {"after": "\0"}]:
            with pytest.raises(InvalidRequest):
                await desk.report(office.caller(), **wrong)

    office.run(work)


def send_ahead(url: str, seconds: int, *, texts_: int, done: Callable[[], None]) -> None:
    """Take texts of the first account as a node does whose clock is ahead."""
    clock = HandClock()
    clock.advance(seconds=seconds)
    store = Store(url)
    office = Office(store, clock)

    async def work(desk: Desk) -> None:
        for index in range(texts_):
            await desk.send(office.caller(), office.order(number(index), number(index + 1)))

    office.run(work)
    store.close()
    done()


async def follow(desk: Desk, office: Office, ended: list[None]) -> list[str]:
    """Read a report as it grows: on from the last line, until two writers have ended and there is no more."""
    seen: list[str] = []
    last = False
    while True:
        page = await desk.report(office.caller(), after=seen[-1] if seen else None, limit=7)
        seen += [line.recipient_id for line in page.lines]
        if page.next is None:
            if last:
                return seen
            last = len(ended) == 2
            await asyncio.sleep(0)


def test_nothing_is_skipped_while_texts_come_in(any_url: str) -> None:
    """Readers that go on from the last line they saw have every text, and each once, whoever commits meanwhile.

    Two writers take texts of one account at once, on clocks a minute apart: their ids would come in no order.
    """
    store = Store(any_url)
    office = Office(store, HandClock())
    office.account()
    ended: list[None] = []
    writers = [
        threading.Thread(
            target=send_ahead, args=[any_url, ahead], kwargs={"texts_": 30, "done": lambda: ended.append(None)}
        )
        for ahead in (0, 60)
    ]
    for writer in writers:
        writer.start()
    seen = office.run(lambda desk: follow(desk, office, ended))
    for writer in writers:
        writer.join()
    assert seen == [f"{row.message_id}-{row.position}" for row in texts.rows(store)]
    assert len(seen) == 120
    store.close()


def test_an_id_that_would_come_too_late_is_made_anew(office: Office) -> None:
    """A message stands after all that its account has; the others' ids, and those in order, stay as they were."""
    first, second = office.plan(A), office.plan(A, B)
    low, high = sorted([first, second], key=lambda plan: plan.message.id)
    assert office.take(high)[0].message_id == high.message.id
    receipt = office.take(low)[0]
    assert receipt.message_id is not None
    assert receipt.message_id > high.message.id
    assert receipt.message_id[:12] == high.message.id[:12]
    assert [one.recipient_id for one in receipt.results] == [
        f"{receipt.message_id}-{place}" for place in range(1, len(low.recipients) + 1)
    ]
    kept = office.read(lambda connection: messages.find(connection, receipt.message_id or ""))
    assert [one.number for one in kept.recipients] == [one.number for one in low.recipients]
    other = office.plan(A, account=2)
    with office.store.write() as connection:
        assert in_order(connection, [other]) == [other]
        assert in_order(connection, []) == []


# --- texts from phones ---


def hear(office: Office, text: str, *, sender: str = A, to: str = "1234") -> None:
    """Let a phone text."""
    own = str(next(IDS))
    inbound = Inbound(carrier="a", carrier_id=own, sender=sender, to=to, text=text, at=START - timedelta(seconds=5))
    office.change(lambda connection: keep(connection, inbound=inbound, words=Words(), now=office.clock.ms))


IDS = iter(range(1, 10_000))


def test_texts_from_phones(office: Office) -> None:
    """An account reads what came for it, on from the last one seen, with the text that each answers."""

    async def work(desk: Desk) -> None:
        me = office.caller()
        sent = await desk.send(me, office.order(A))
        await desk.send(office.caller(2), office.order(B))
        office.clock.advance(seconds=10)
        hear(office, "yes\0 \ud83d please")
        hear(office, "for the other", sender=B)
        hear(office, "nobody's", sender=number(1))
        hear(office, "again")
        found = await desk.incoming(me)
        assert [(one.text, one.sender, one.to) for one in found] == [
            ("yes ? please", A, "1234"),
            ("again", A, "1234"),
        ]
        assert [one.answers for one in found] == [sent.results[0].recipient_id] * 2
        assert found[0].sent_at == START - timedelta(seconds=5)
        assert found[0].received_at == START + timedelta(seconds=10)
        assert found[0].id < found[1].id
        assert await desk.incoming(me, after=found[0].id) == found[1:]
        assert await desk.incoming(me, limit=1) == found[:1]
        (other,) = await desk.incoming(office.caller(2))
        assert other.text == "for the other"

    office.run(work)


def test_what_is_done_with_is_not_shown_again(office: Office) -> None:
    """Texts up to one are acknowledged, of the caller's account alone; later ones stay."""

    async def work(desk: Desk) -> None:
        me = office.caller()
        await desk.send(me, office.order(A))
        await desk.send(office.caller(2), office.order(B))
        for text in "abc":
            hear(office, text)
            hear(office, text, sender=B)
        first, second, third = await desk.incoming(me)
        assert await desk.incoming(me, acknowledge=second.id) == [third]
        assert await desk.incoming(me, acknowledge=second.id) == [third]
        assert await desk.incoming(me, after=first.id) == [third]
        assert len(await desk.incoming(office.caller(2))) == 3
        assert await desk.incoming(me, acknowledge=(1 << 63) - 1) == []
        hear(office, "d")
        assert [one.text for one in await desk.incoming(me)] == ["d"]
        for wrong in ({"after": -1}, {"after": 1 << 63}, {"acknowledge": -1}, {"limit": 0}):
            with pytest.raises(InvalidRequest):
                await desk.incoming(me, **wrong)

    office.run(work)


def test_a_text_brought_twice_is_kept_once(office: Office) -> None:
    """A carrier's second delivery of the same text makes no second one."""
    office.submit(A)
    inbound = Inbound(carrier="a", carrier_id="7", sender=A, to="1", text="x", at=START)
    for _ in range(2):
        office.change(lambda connection: keep(connection, inbound=inbound, words=Words(), now=office.clock.ms))
    assert len(office.run(lambda desk: desk.incoming(office.caller()))) == 1


def test_no_text_is_passed_by(any_url: str) -> None:
    """A reader that goes on from the last id has every text, whichever node kept it first."""
    store = Store(any_url)
    office = Office(store, HandClock())
    office.account()
    office.submit(A)
    most = 30
    done = threading.Event()
    ended: list[int] = []

    def listen(node: int) -> None:
        other = Store(any_url)
        for index in range(most):
            inbound = Inbound(
                carrier="a", carrier_id=f"{node}-{index}", sender=A, to="1", text=f"{node} {index}", at=START
            )
            with other.write() as connection:
                keep(connection, inbound=inbound, words=Words(), now=0)
        other.close()
        ended.append(node)
        if len(ended) == 2:
            done.set()

    nodes = [threading.Thread(target=listen, args=[node]) for node in range(2)]

    async def read(desk: Desk) -> list[str]:
        seen: list[str] = []
        after = 0
        last = False
        while True:
            found = await desk.incoming(office.caller(), after=after, limit=5)
            seen += [one.text for one in found]
            after = found[-1].id if found else after
            if not found:
                if last:
                    return seen
                last = done.is_set()

    for node in nodes:
        node.start()
    seen = office.run(read)
    for node in nodes:
        node.join()
    assert sorted(seen) == sorted(f"{node} {index}" for node in range(2) for index in range(most))
    store.close()
