"""Who goes first: priority without exception, but for one text in ten that waited too long, and times to the ms."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from sqlalchemy import event

from bridge.model.message import Outcome, Priority
from bridge.model.state import State
from bridge.pipeline.commit import Writer
from bridge.pipeline.dispatch import Dispatcher, Pace
from bridge.pipeline.upkeep import promote_due
from bridge.store import queue
from bridge.store.engine import Connection, Store
from bridge.telemetry import Metrics
from tests.support import texts
from tests.support.carriers import Scripted, until
from tests.support.clock import HandClock
from tests.support.desk import Desk
from tests.support.texts import number

PATIENCE = 60.0
MINUTE = 60_000


class Queue(Desk):
    """A desk whose texts are told apart by their numbers."""

    def put(self, index: int, priority: Priority = Priority.NORMAL, *, send_in: float | None = None) -> str:
        """Queue a text, to leave in so many seconds; returns its number."""
        at = None if send_in is None else self.clock() + timedelta(seconds=send_in)
        self.submit(number(index), priority=priority, send_at=at)
        return number(index)

    def take_out(self, limit: int = 100, *, oldest: int = 0, patience: float = PATIENCE) -> list[str]:
        """Claim, and return the numbers in the order in which they came."""
        return [row.number for row in self.claim(limit, oldest=oldest, patience=patience)]

    def promote(self, limit: int = 100) -> int:
        return self.change(lambda connection: queue.promote(connection, now=self.clock.ms, limit=limit))

    def states(self) -> dict[str, str]:
        return {row.number: row.state for row in texts.rows(self.store)}


@pytest.fixture
def desk(any_store: Store, clock: HandClock) -> Queue:
    """A queue of one account."""
    made = Queue(any_store, clock)
    made.account()
    return made


# Strict.


def test_the_highest_priority_leaves_first(desk: Queue) -> None:
    """Whatever came first, and however much of it: within a priority the one due the longest."""
    order = {}
    for place, priority in enumerate([*Priority] * 3):
        order[desk.put(place, priority)] = (-priority, place)
        desk.clock.advance(ms=1)
    assert desk.take_out() == sorted(order, key=order.__getitem__)


def test_one_that_comes_later_jumps_the_queue(desk: Queue) -> None:
    """Between two claims an urgent text overtakes all that wait, also those that waited for days."""
    waiting = []
    for place in range(3):
        waiting.append(desk.put(place, Priority.HIGH))
        desk.clock.advance(seconds=3_600)
    assert desk.take_out(1) == waiting[:1]
    urgent = desk.put(9, Priority.URGENT)
    assert desk.take_out(1) == [urgent]
    assert desk.take_out(9) == waiting[1:]


def test_a_deferred_text_keeps_its_priority(desk: Queue) -> None:
    """Its wait over, it leaves before what is less urgent and behind its like that are due longer."""
    first = desk.put(1, Priority.HIGH)
    (row,) = desk.claim()
    desk.end(row, Outcome.deferred("busy"))
    bulk, second = desk.put(2, Priority.BULK), desk.put(3, Priority.HIGH)
    assert desk.take_out(1) == [second]
    desk.clock.advance(seconds=3_600)
    assert desk.take_out() == [first, bulk]


# A starved queue still moves.


@pytest.mark.parametrize(("late", "first"), [(-1, "urgent"), (0, "bulk"), (1, "bulk")])
def test_what_waited_for_its_patience_is_taken(desk: Queue, late: int, first: str) -> None:
    """From the very millisecond at which it is due for that long, one of the oldest goes first."""
    bulk = desk.put(1, Priority.BULK)
    desk.clock.advance(ms=MINUTE + late)
    urgent = desk.put(2, Priority.URGENT)
    taken = desk.take_out(1, oldest=1)
    assert taken == [{"urgent": urgent, "bulk": bulk}[first]]
    assert desk.take_out() == [urgent if taken == [bulk] else bulk]


def test_as_many_of_the_oldest_as_were_asked_for(desk: Queue) -> None:
    """The longest due of all priorities, and then by priority as ever; none is taken twice."""
    old = [desk.put(1, Priority.BULK)]
    desk.clock.advance(ms=1)
    old.append(desk.put(2, Priority.HIGH))
    desk.clock.advance(ms=1)
    old.append(desk.put(3, Priority.NORMAL))
    desk.clock.advance(ms=MINUTE)
    new = [desk.put(4, Priority.BULK), desk.put(5, Priority.URGENT)]
    assert desk.take_out(4, oldest=2) == [old[0], old[1], new[1], old[2]]
    assert desk.take_out(4, oldest=2) == [new[0]]


def test_without_any_old_ones_the_order_is_strict(desk: Queue) -> None:
    """Where nothing waited too long, the places kept for it go to the most urgent."""
    bulk, urgent = desk.put(1, Priority.BULK), desk.put(2, Priority.URGENT)
    assert desk.take_out(2, oldest=2) == [urgent, bulk]


def test_a_claim_is_full_though_some_are_old(desk: Queue) -> None:
    """A limit of five with five in the queue takes five, the starved one among them once."""
    numbers = {desk.put(place, Priority.BULK) for place in range(5)}
    desk.clock.advance(ms=MINUTE)
    taken = desk.take_out(5, oldest=1)
    assert (len(taken), set(taken)) == (5, numbers)


@asynccontextmanager
async def dispatching(desk: Queue, carrier: Scripted) -> AsyncIterator[Dispatcher]:
    """Run a dispatcher with one carrier."""
    writer = Writer(desk.store)
    dispatcher = Dispatcher(
        store=desk.store,
        writer=writer,
        router=desk.rules.router,
        carriers={carrier.name: carrier},
        owner="me",
        metrics=Metrics(),
        pace=Pace(poll=0.005, patience=PATIENCE),
        clock=desk.clock,
    )
    writer.start()
    dispatcher.start()
    try:
        yield dispatcher
        assert dispatcher.failed is None
    finally:
        carrier.release()
        await dispatcher.stop(grace=20)
        await writer.stop()


@pytest.mark.parametrize("waited", [59_999, 60_000])
def test_one_in_ten_is_a_starved_one(desk: Queue, waited: int) -> None:
    """A carrier that takes one at a time, and forty urgent texts: every tenth place is one of the two old ones.

    A millisecond less, and they are the last.
    """
    old = {desk.put(place, Priority.BULK) for place in (1, 2)}
    desk.clock.advance(ms=waited)
    for place in range(10, 50):
        desk.put(place, Priority.URGENT)
    carrier = Scripted(concurrency=1)

    async def main() -> None:
        async with dispatching(desk, carrier):
            await until(lambda: len(carrier.asked) == 42)

    asyncio.run(main())
    places = [place for place, outgoing in enumerate(carrier.asked, start=1) if outgoing.number in old]
    assert places == ([41, 42] if waited < MINUTE else [10, 20])


def test_a_flood_of_urgent_texts_starves_nobody(desk: Queue) -> None:
    """While more urgent texts come than leave, the old ones get a tenth of the carrier, and are all gone in the end."""
    old = {desk.put(place, Priority.BULK) for place in range(5)}
    desk.clock.advance(ms=MINUTE)
    carrier = Scripted(concurrency=2)

    async def main() -> None:
        for place in range(100, 120):
            desk.put(place, Priority.URGENT)
        async with dispatching(desk, carrier):
            for more in range(20):
                await until(lambda: len(carrier.asked) >= more * 3)  # noqa: B023 - awaited at once
                for place in range(4):
                    await asyncio.to_thread(desk.put, 200 + more * 4 + place, Priority.URGENT)
                if old <= {outgoing.number for outgoing in carrier.asked}:
                    break
            waiting = list(desk.states().values()).count(State.QUEUED)
        assert old <= {outgoing.number for outgoing in carrier.asked}
        assert waiting, "the flood was over before: this shows nothing"

    asyncio.run(main())


# The time that a text waits for.


def test_a_scheduled_text_is_queued_at_its_millisecond(desk: Queue) -> None:
    """One before it is left alone; at its time and after it is queued, and may be claimed at once."""
    later = desk.put(1, send_in=90)
    desk.clock.advance(ms=89_999)
    assert (desk.promote(), desk.take_out()) == (0, [])
    desk.clock.advance(ms=1)
    assert desk.take_out() == []
    assert desk.promote() == 1
    assert desk.promote() == 0
    assert desk.take_out() == [later]


def test_those_that_are_due_are_queued_in_their_order(desk: Queue) -> None:
    """The earliest first, as many as are asked for; by its own time, not by its place, each then leaves."""
    late, early = desk.put(1, send_in=20), desk.put(2, send_in=10)
    urgent = desk.put(3, Priority.URGENT, send_in=30)
    desk.clock.advance(seconds=30)
    assert desk.promote(1) == 1
    assert desk.states() == {late: "scheduled", early: "queued", urgent: "scheduled"}
    now = desk.put(4)
    assert desk.promote() == 2
    assert desk.take_out() == [urgent, early, late, now]


def test_a_scheduled_text_is_patient_from_its_own_time(desk: Queue) -> None:
    """How long it was scheduled before does not make it an old one."""
    later = desk.put(1, Priority.BULK, send_in=3_600)
    desk.clock.advance(seconds=3_600)
    desk.promote()
    urgent = desk.put(2, Priority.URGENT)
    assert desk.take_out(1, oldest=1) == [urgent]
    desk.clock.advance(ms=MINUTE)
    another = desk.put(3, Priority.URGENT)
    assert desk.take_out(1, oldest=1) == [later]
    assert desk.take_out() == [another]


def test_the_dispatcher_sends_at_the_time_and_not_before(desk: Queue) -> None:
    """It looks for what is due again and again; the clock alone decides."""
    later = desk.put(1, send_in=90)
    desk.clock.advance(ms=89_999)
    carrier = Scripted()
    looks = 0

    def count(_connection: Connection) -> None:
        nonlocal looks
        looks += 1

    async def main() -> None:
        event.listen(desk.store.engine, "commit", count)
        async with dispatching(desk, carrier):
            now = desk.put(2)
            await until(lambda: len(carrier.asked) == 1)
            seen = looks
            await until(lambda: looks >= seen + 20)
            assert [outgoing.number for outgoing in carrier.asked] == [now]
            desk.clock.advance(ms=1)
            await until(lambda: len(carrier.asked) == 2)
            assert carrier.asked[1].number == later

    asyncio.run(main())


def test_promoting_counts_what_it_queued(desk: Queue) -> None:
    """The upkeep says how many texts it queued, by the store's own time, so that somebody is woken for them."""
    for place in range(3):
        desk.put(place, send_in=5 + place)
    desk.clock.advance(seconds=6)
    assert desk.change(lambda connection: promote_due(connection, store=desk.store)) == 2
    assert desk.change(lambda connection: promote_due(connection, store=desk.store)) == 0
