"""Taking back what a carrier has: asked of a real one over a socket, and written as it was said."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from structlog.testing import capture_logs

from bridge.calls.desk import Desk
from bridge.calls.values import Answer
from bridge.carriers.base import Pending, Recall
from bridge.carriers.smsc.carrier import Smsc, SmscSettings
from bridge.model.errors import InternalError, Trouble, WrongState
from bridge.model.message import Outcome, Report
from bridge.model.state import State
from bridge.pipeline import reports
from bridge.store import messages
from tests.bridge.calls.office import Office
from tests.bridge.calls.test_changing import happened, kept, states
from tests.contract.carriers.case import Told
from tests.contract.test_carriers import Ear
from tests.support import texts
from tests.support.carriers import Scripted
from tests.support.smsc_server import SmscServer
from tests.support.texts import number

A, B, C = number(5678), number(5679), number(5680)


class Giving(Scripted):
    """A carrier that is asked for texts back, and does ``back`` with each."""

    def __init__(self, back: Callable[[Pending], Awaitable[Recall]]) -> None:
        super().__init__("a")
        self.back = back
        self.wanted: list[Pending] = []

    async def recall(self, text: Pending) -> Recall:
        self.wanted.append(text)
        return await self.back(text)


async def yes(_: Pending) -> Recall:
    """Take anything back."""
    return Recall(done=True)


@asynccontextmanager
async def connected(office: Office) -> AsyncIterator[tuple[SmscServer, Smsc]]:
    """Give a server of SMSC, and the carrier ``a`` that leads to it."""
    async with SmscServer(apikey=True).serving() as server:
        table = SmscSettings.model_validate(server.table())
        made = Smsc("a", table, clock=office.clock)
        await made.open(Ear())
        office.carriers = {"a": made}
        try:
            yield server, made
        finally:
            await made.close()


async def send(office: Office, carrier: Any, *to: str, account: int = 1) -> Answer:
    """Take an order, and send all of it by a carrier."""
    answer = await office.desk.send(office.caller(account), office.order(*to))
    for row in office.claim():
        outgoing = texts.outgoing(row)
        assert office.end(row, await carrier.send(outgoing))
    return answer


def lost(office: Office) -> None:
    """Send what is queued; nobody hears what becomes of it."""
    for row in office.claim():
        office.end(row, Outcome.unknown("the answer was lost"))


def sent(office: Office) -> None:
    """Send what is queued."""
    for row in office.claim():
        office.end(row, Outcome.accepted(f"c{row.position}"))


def test_what_waits_at_its_carrier_is_taken_back(office: Office) -> None:
    """It is undelivered then, given back as a cancelled one is, and the store says who wanted it; once."""
    metered = office.account("metered", credit=10_000, limit=0)

    async def main() -> None:
        async with connected(office) as (server, carrier), office.open() as desk:
            for one in (A, B, C):
                server.tell(one, Told.WAIT)
            me = office.caller(metered)
            answer = await send(office, carrier, A, B, account=metered)
            assert office.balance(metered) == 8000
            first, second = (one.recipient_id or "" for one in answer.results)
            moved = await desk.cancel(me, first)
            assert states(moved) == [(A, "sent", "undelivered", True)]
            assert [(one.id, one.phone) for one in server.texts] == [(second, B[1:])]
            assert office.balance(metered) == 9000
            assert kept(office, answer).recipients[0].reason == "taken back by erp"
            assert happened(office, answer)[-2:] == [
                ("recall", 1, {"carrier": "a", "by": "erp", "done": True, "words": ""}),
                ("undelivered", 1, {"before": "sent", "reason": "taken back by erp"}),
            ]
            with pytest.raises(WrongState):
                await desk.cancel(me, first)
            moved = await desk.cancel(me, answer.message_id or "")
            assert states(moved) == [(A, "undelivered", "undelivered", False), (B, "sent", "undelivered", True)]
            assert office.balance(metered) == 10_000
            assert server.arrived() == []

    asyncio.run(main())


def test_what_is_on_its_way_stays_with_the_carriers_words(office: Office) -> None:
    """The program hears them, the store keeps them, and nothing is given back."""
    metered = office.account("metered", credit=10_000, limit=0)

    async def main() -> None:
        async with connected(office) as (server, carrier), office.open() as desk:
            answer = await send(office, carrier, A, account=metered)
            with pytest.raises(WrongState) as late:
                await desk.cancel(office.caller(metered), answer.message_id or "")
            words = "status 0: given to the operator"
            assert late.value.reason == f"too late: it is sent; the carrier says: {words}"
            assert happened(office, answer)[-1] == (
                "recall", 1, {"carrier": "a", "by": "erp", "done": False, "words": words}
            )  # fmt: skip
            assert kept(office, answer).recipients[0].state is State.SENT
            assert len(server.texts) == 1

    asyncio.run(main())
    assert office.balance(metered) == 9000


def test_each_recipient_by_itself(office: Office) -> None:
    """Of one message one is cancelled here, one is taken back there, and one stays: each with its own answer."""

    async def main() -> None:
        async with connected(office) as (server, carrier), office.open() as desk:
            server.tell(B, Told.WAIT)
            me = office.caller()
            answer = await desk.send(me, office.order(A, B, C))
            for row in office.claim(2):
                office.end(row, await carrier.send(texts.outgoing(row)))
            moved = await desk.cancel(me, answer.message_id or "")
            assert states(moved) == [
                (A, "sent", "sent", False),
                (B, "sent", "undelivered", True),
                (C, "queued", "cancelled", True),
            ]
            assert [one.said for one in moved] == ["status 0: given to the operator", "", ""]

    asyncio.run(main())


def test_many_ids_are_asked_for_together(office: Office) -> None:
    """Each id has its own answer, and a wrong one stops no other."""

    async def main() -> None:
        async with connected(office) as (server, carrier), office.open() as desk:
            server.tell(B, Told.WAIT)
            answer = await send(office, carrier, A, B)
            ids = [*(one.recipient_id or "" for one in answer.results), "nope"]
            told = await desk.cancel_many(office.caller(), ids)
            assert [type(one).__name__ for one in told] == ["WrongState", "list", "UnknownMessage"]

    asyncio.run(main())
    assert [row.state for row in texts.rows(office.store)] == [State.SENT, State.UNDELIVERED]


def test_a_lost_text_is_found_by_our_id(office: Office) -> None:
    """What is in doubt may be taken back too; its price is not given back, for another carrier may have had it."""
    metered = office.account("metered", credit=10_000, limit=0)

    async def main() -> None:
        async with connected(office) as (server, carrier), office.open() as desk:
            server.tell(A, Told.WAIT)
            answer = await desk.send(office.caller(metered), office.order(A))
            (row,) = office.claim()
            await carrier.send(texts.outgoing(row))
            office.end(row, Outcome.unknown("the answer was lost"))
            moved = await desk.cancel(office.caller(metered), answer.message_id or "")
            assert states(moved) == [(A, "unknown", "undelivered", True)]
            assert server.texts == []

    asyncio.run(main())
    assert office.balance(metered) == 9000


@pytest.mark.parametrize("able", [True, False])
def test_nobody_is_asked_for_what_is_being_sent(office: Office, *, able: bool) -> None:
    """Nobody knows yet what the carrier has; nor is one asked that cannot, or a carrier that is gone."""
    carrier = Giving(yes)
    office.carriers = {"a": carrier} if able else {"a": Scripted("a"), "b": carrier}

    async def work(desk: Desk) -> None:
        answer = await desk.send(office.caller(), office.order(A))
        (row,) = office.claim()
        if not able:
            office.end(row, Outcome.accepted("c1"))
        with pytest.raises(WrongState, match="this needs held or scheduled or queued"):
            await desk.cancel(office.caller(), answer.message_id or "")
        assert [kind for kind, _, _ in happened(office, answer)].count("recall") == 0

    office.run(work)
    assert carrier.wanted == []


def test_a_text_that_its_account_pays_for(office: Office) -> None:
    """The setting on refunds of cancelled texts holds for those that are taken back."""
    metered = office.account("metered", credit=10_000, limit=0, refund_cancelled=False)
    office.carriers = {"a": Giving(yes)}

    async def work(desk: Desk) -> None:
        answer = await desk.send(office.caller(metered), office.order(A))
        sent(office)
        await desk.cancel(office.caller(metered), answer.message_id or "")

    office.run(work)
    assert office.balance(metered) == 9000


def report(office: Office, state: State) -> None:
    """Let the carrier report on its first text."""
    said = Report(carrier="a", state=state, at=office.clock(), carrier_id="c1", raw="its word")
    office.change(lambda connection: reports.apply(connection, [said], now=office.clock.ms))


def test_a_report_that_is_here_first(office: Office) -> None:
    """The carrier's own report of the end changes neither the answer nor what is given back; that happens once."""
    metered = office.account("metered", credit=10_000, limit=0)

    both_asked = asyncio.Barrier(2)

    async def gone(_: Pending) -> Recall:
        await both_asked.wait()
        await asyncio.to_thread(report, office, State.UNDELIVERED)
        return Recall(done=True)

    office.carriers = {"a": Giving(gone)}

    async def work(desk: Desk) -> None:
        answer = await desk.send(office.caller(metered), office.order(A))
        sent(office)
        twice = [desk.cancel(office.caller(metered), answer.message_id or "") for _ in range(2)]
        both = await asyncio.gather(*twice)
        assert [states(moved) for moved in both] == [[(A, "sent", "undelivered", True)]] * 2
        assert kept(office, answer).recipients[0].reason == "taken back by erp"
        assert [kind for kind, _, _ in happened(office, answer)] == ["sent", "undelivered", "recall", "recall"]

    office.run(work)
    assert office.balance(metered) == 10_000
    assert [entry.kind for entry in office.entries(metered)] == ["credit", "reserve", "refund"]


def test_a_text_that_arrived_meanwhile(office: Office) -> None:
    """What the network says counts more: it is delivered, and paid for."""
    metered = office.account("metered", credit=10_000, limit=0)

    async def late(_: Pending) -> Recall:
        await asyncio.to_thread(report, office, State.DELIVERED)
        return Recall(done=True)

    office.carriers = {"a": Giving(late)}

    async def work(desk: Desk) -> None:
        answer = await desk.send(office.caller(metered), office.order(A))
        sent(office)
        with pytest.raises(WrongState, match=r"too late: it is delivered$"):
            await desk.cancel(office.caller(metered), answer.message_id or "")

    office.run(work)
    assert office.balance(metered) == 9000


def test_a_text_that_arrives_all_the_same(office: Office) -> None:
    """A late truth counts after it was taken back, too."""
    office.carriers = {"a": Giving(yes)}

    async def work(desk: Desk) -> None:
        answer = await desk.send(office.caller(), office.order(A))
        sent(office)
        await desk.cancel(office.caller(), answer.message_id or "")
        await asyncio.to_thread(report, office, State.DELIVERED)
        assert kept(office, answer).recipients[0].state is State.DELIVERED

    office.run(work)


def test_a_text_that_is_sent_anew_meanwhile(office: Office) -> None:
    """The answer was about its stay before: what a person sends again is left alone."""

    async def again(text: Pending) -> Recall:
        def retry() -> None:
            office.change(
                lambda connection: messages.retry(connection, text.id.partition("-")[0], None, now=office.clock.ms)
            )
            sent(office)

        await asyncio.to_thread(retry)
        return Recall(done=True)

    office.carriers = {"a": Giving(again)}

    async def work(desk: Desk) -> None:
        answer = await desk.send(office.caller(), office.order(A))
        lost(office)
        with pytest.raises(WrongState, match="it is sent"):
            await desk.cancel(office.caller(), answer.message_id or "")
        assert kept(office, answer).recipients[0].state is State.SENT

    office.run(work)


@pytest.mark.parametrize(
    ("raised", "words"),
    [
        (Trouble("a: not reached: refused"), "not reached: refused"),
        (InternalError("internal error"), "internal error"),
        (RuntimeError("hush"), "the carrier's code failed"),
    ],
)
def test_a_carrier_that_cannot_be_asked(office: Office, raised: Exception, words: str) -> None:
    """It is left alone after the first question; programs hear no more than that, the store and the log have why."""

    async def broken(_: Pending) -> Recall:
        raise raised

    carrier = Giving(broken)
    office.carriers = {"a": carrier}
    many = [number(place) for place in range(5600, 5640)]

    async def work(desk: Desk) -> None:
        answer = await desk.send(office.caller(), office.order(*many))
        sent(office)
        with capture_logs() as logs, pytest.raises(WrongState, match=r"it is sent; the carrier says: no answer$"):
            await desk.cancel(office.caller(), answer.message_id or "")
        assert len(carrier.wanted) <= 8
        assert [data["words"] for kind, _, data in happened(office, answer) if kind == "recall"] == [words] * 40
        told = [line for line in logs if line["event"] == "carrier not asked"]
        assert {line["reason"] for line in told} == {words}
        assert "hush" not in str(told)

    office.run(work)


def test_a_carrier_that_does_not_answer(office: Office) -> None:
    """The wait is bounded for all texts together."""
    office.seconds = 0.05

    async def silent(_: Pending) -> Recall:
        await asyncio.Event().wait()
        raise AssertionError

    office.carriers = {"a": Giving(silent)}

    async def work(desk: Desk) -> None:
        answer = await desk.send(office.caller(), office.order(*(number(place) for place in range(5600, 5630))))
        sent(office)
        with pytest.raises(WrongState, match="no answer"):
            await desk.cancel(office.caller(), answer.message_id or "")
        assert {data["words"] for kind, _, data in happened(office, answer) if kind == "recall"} == {
            "no answer in time"
        }

    office.run(work)


def test_who_asked_may_go(office: Office) -> None:
    """A program that hangs up changes nothing about what the carrier did: it is written down."""
    asked, go = asyncio.Event(), asyncio.Event()

    async def slow(_: Pending) -> Recall:
        asked.set()
        await go.wait()
        return Recall(done=True)

    office.carriers = {"a": Giving(slow)}

    async def work(desk: Desk) -> None:
        answer = await desk.send(office.caller(), office.order(A))
        sent(office)
        call = asyncio.create_task(desk.cancel(office.caller(), answer.message_id or ""))
        await asked.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        go.set()
        async with asyncio.timeout(10):
            while texts.row(office.store, answer.message_id or "").state != State.UNDELIVERED:  # noqa: ASYNC110
                await asyncio.sleep(0.002)

    office.run(work)
