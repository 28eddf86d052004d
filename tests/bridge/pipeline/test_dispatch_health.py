"""What the dispatcher does when carriers are down, held, slow or at their rate: texts wait, or take another way."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update
from structlog.testing import capture_logs

from bridge.model.errors import StoreUnavailable
from bridge.model.limits import parse_limit
from bridge.model.message import Outcome, Outgoing, Report
from bridge.model.state import State
from bridge.pipeline.health import Endurance
from bridge.pipeline.routing import Route
from bridge.store import early
from bridge.store.engine import Store
from bridge.store.tables import early_reports, recipients
from tests.support import texts
from tests.support.carriers import Scripted, accepting, until
from tests.support.clock import HandClock
from tests.support.rig import Rig, deferring, losing

ENDURANCE = Endurance(burst=3, first_rest=5.0)


@pytest.fixture
def store(store: Store) -> Store:
    """A store with one account."""
    texts.add_account(store)
    return store


def holding(_outgoing: Outgoing) -> Outcome:
    """Say when to come again."""
    return Outcome.deferred("slow down", retry_after=timedelta(seconds=20))


def tries(rig: Rig) -> list[int]:
    """Return how often each text was tried, in order."""
    return [row.attempts for row in texts.rows(rig.store)]


def carriers_of(rig: Rig) -> Counter[str]:
    """Count the texts that each carrier has."""
    return Counter(row.carrier for row in texts.rows(rig.store))


async def claims_go_on(rig: Rig, count: int = 3) -> None:
    """Wait until the first lane has looked at its texts a few times more."""
    lane = rig.dispatcher._lanes["1"]
    seen = lane.news
    for _ in range(count):
        seen.set()
        await until(lambda: not seen.is_set())
        await asyncio.sleep(0)


def test_a_carrier_that_is_down_stops_quietly(store: Store, clock: HandClock) -> None:
    """No text is tried but those that showed it, nothing is logged for each, one line says so; one text tries it."""
    carrier = Scripted("a", concurrency=3, answer=deferring)
    rig = Rig(store, clock, carrier, endurance=ENDURANCE)

    async def main() -> None:
        rig.queue(30)
        async with rig.running():
            await until(lambda: rig.counted("smsbridge_carrier_up") == {("a",): 0})
            await until(lambda: State.SENDING not in rig.states())
            asked = len(carrier.asked)
            assert asked <= 5  # three that showed it, and what was begun meanwhile
            clock.advance(seconds=60)
            await claims_go_on(rig)
            assert len(carrier.asked) == asked
            assert sum(tries(rig)) == asked
            await rig.later(5)
            await until(lambda: len(carrier.asked) == asked + 1)
            await until(lambda: State.SENDING not in rig.states())
            await claims_go_on(rig)
            assert len(carrier.asked) == asked + 1
            carrier.answer = accepting
            clock.advance(seconds=600)
            await rig.later(10)
            await rig.settle(State.SENT)
            assert rig.counted("smsbridge_carrier_up") == {("a",): 1}

    with capture_logs() as logs:
        asyncio.run(main())
    told = [(entry["event"], entry["log_level"]) for entry in logs if entry["event"].startswith("carrier")]
    assert told == [("carrier down", "error"), ("carrier up", "info")]
    assert len([entry for entry in logs if entry["event"] == "not sent"]) <= 3


def test_the_next_carrier_takes_over_at_once(store: Store, clock: HandClock) -> None:
    """While the first is down, texts go to the second without a try of the first; later they come back."""
    first, second = Scripted("a", concurrency=3, answer=deferring), Scripted("b")
    rig = Rig(store, clock, first, second, endurance=ENDURANCE)

    async def main() -> None:
        async with rig.running():
            rig.queue(10)
            rig.dispatcher.wake()
            await rig.settle(State.SENT)
            asked = len(first.asked)
            rig.queue(40)
            rig.dispatcher.wake()
            await rig.settle(State.SENT)
            assert len(first.asked) == asked
            assert tries(rig)[10:] == [1] * 40
            first.answer = accepting
            await rig.later(5)
            rig.queue(40)
            rig.dispatcher.wake()
            await rig.settle(State.SENT)
            assert carriers_of(rig)["a"] > 1

    asyncio.run(main())


def test_what_is_in_doubt_waits_for_its_carrier(store: Store, clock: HandClock) -> None:
    """A carrier that is down may have it: no other gets it, however long that lasts."""
    first, second = Scripted("a", takes_own_id=True, concurrency=3, answer=losing), Scripted("b")
    rig = Rig(store, clock, first, second, endurance=ENDURANCE)

    async def main() -> None:
        rig.queue(3)
        async with rig.running():
            await until(lambda: rig.counted("smsbridge_carrier_up")["a",] == 0)
            await until(lambda: [bool(row.in_doubt) for row in texts.rows(store)] == [True] * 3)
            clock.advance(seconds=600)
            rig.queue(5)
            rig.dispatcher.wake()
            await until(lambda: rig.states()[3:] == [State.SENT] * 5)
            assert rig.states()[:3] == [State.QUEUED] * 3
            first.answer = accepting
            await rig.later(5)
            await rig.settle(State.SENT)
        assert carriers_of(rig) == {"a": 3, "b": 5}
        assert len(second.asked) == 5

    asyncio.run(main())


def test_many_in_doubt_hide_no_other_text(store: Store, clock: HandClock) -> None:
    """More than a claim looks at, all due before the others: they wait, and the others leave."""
    first, second = Scripted("a", takes_own_id=True, concurrency=8, answer=losing), Scripted("b", concurrency=2)
    rig = Rig(store, clock, first, second, batch=4, endurance=ENDURANCE)

    async def main() -> None:
        rig.queue(8)
        with store.write() as connection:
            connection.execute(update(recipients).values(in_doubt=True, carrier="a", attempts=1))
        async with rig.running():
            await until(lambda: rig.counted("smsbridge_carrier_up")["a",] == 0)
            await until(lambda: State.SENDING not in rig.states())
            clock.advance(seconds=60)
            fresh = rig.queue(10)
            rig.dispatcher.wake()
            await until(lambda: all(rig.row(one).state == State.SENT for one in fresh))
            assert rig.states()[:8] == [State.QUEUED] * 8

    asyncio.run(main())
    assert len(second.asked) == 10


def test_no_text_ever_is_in_doubt_with_two_carriers(store: Store, clock: HandClock) -> None:
    """Both lose answers, fall and come back: each text was only ever asked of one after it was in doubt."""
    both = [Scripted(name, takes_own_id=True, concurrency=4, answer=losing) for name in ("a", "b")]
    rig = Rig(store, clock, *both, endurance=ENDURANCE)

    async def main() -> None:
        rig.queue(20)
        async with rig.running():
            for _ in range(6):
                clock.advance(seconds=70)
                await rig.later(400)
                await claims_go_on(rig)
            for carrier in both:
                carrier.answer = accepting
            for _ in range(12):
                clock.advance(seconds=70)
                await rig.later(400)
                await claims_go_on(rig)
                if set(rig.states()) == {State.SENT}:
                    break
            await rig.settle(State.SENT)

    asyncio.run(main())
    asked = [{outgoing.id for outgoing in carrier.asked} for carrier in both]
    assert not asked[0] & asked[1]
    assert len(asked[0] | asked[1]) == 20


def test_a_carrier_that_asks_for_time_is_held_for_all_its_texts(store: Store, clock: HandClock) -> None:
    """Not only the text that heard it waits; when the time is over the others go on, without an alert."""
    carrier = Scripted("a", concurrency=2, answer=holding)
    rig = Rig(store, clock, carrier, endurance=ENDURANCE)

    async def main() -> None:
        rig.queue(10)
        async with rig.running():
            await until(lambda: rig.dispatcher._lines["a"].health.rests(rig.timer))
            await until(lambda: State.SENDING not in rig.states())
            await claims_go_on(rig)
            asked = len(carrier.asked)
            assert asked <= 2
            carrier.answer = accepting
            await rig.later(20)
            await until(lambda: rig.states().count(State.SENT) >= 10 - asked)
            clock.advance(seconds=60)
            rig.dispatcher.wake()
            await rig.settle(State.SENT)
        assert rig.counted("smsbridge_carrier_up") == {("a",): 1}

    asyncio.run(main())


def test_a_rate_is_kept(store: Store, clock: HandClock) -> None:
    """As many texts as the rate allows, whatever the concurrency; what it does not allow is not even claimed."""
    carrier = Scripted("a", concurrency=50, takes_own_id=True)
    rig = Rig(store, clock, carrier, rates={"a": parse_limit("4/1s")})

    async def main() -> None:
        rig.queue(10)
        async with rig.running():
            for done in (4, 8, 10):
                await until(lambda done=done: rig.states().count(State.SENT) == done)  # type: ignore[misc]
                await claims_go_on(rig)
                assert len(carrier.asked) == done
                assert Counter(rig.states()) == Counter({State.SENT: done, State.QUEUED: 10 - done})
                await rig.later(1)

    asyncio.run(main())


def test_lanes_that_share_a_carrier_share_its_rate(store: Store, clock: HandClock) -> None:
    """Two claims at once are not given the same room twice."""
    carrier = Scripted("a", concurrency=50)
    routes = [Route(name=name, carriers=("a",)) for name in ("1", "2")]
    rig = Rig(store, clock, carrier, routes=routes, rates={"a": parse_limit("5/1s")})

    async def main() -> None:
        rig.queue(20, lane="1")
        rig.queue(20, lane="2")
        async with rig.running():
            for turn in range(1, 9):
                await until(lambda turn=turn: rig.states().count(State.SENT) == 5 * turn)  # type: ignore[misc]
                await claims_go_on(rig)
                assert len(carrier.asked) == 5 * turn
                await rig.later(1)

    asyncio.run(main())


def test_lanes_that_share_a_busy_carrier_take_turns(store: Store, clock: HandClock) -> None:
    """A lane with many texts does not keep another one from the carrier that both have."""
    carrier = Scripted("a", concurrency=2)
    routes = [Route(name=name, carriers=("a",)) for name in ("1", "2")]
    rig = Rig(store, clock, carrier, routes=routes)

    async def main() -> None:
        many = rig.queue(100, lane="1")
        few = rig.queue(10, lane="2")
        async with rig.running():
            await rig.settle(State.SENT)
        places = [outgoing.message_id for outgoing in carrier.asked]
        assert max(places.index(one) for one in few) < places.index(many[-1])

    asyncio.run(main())


def test_what_was_in_hand_of_a_carrier_that_falls_is_given_back(store: Store, clock: HandClock) -> None:
    """Claimed and not begun: queued as it was, its try uncounted, and sent by the other carrier."""
    first = Scripted("a", concurrency=3, takes_own_id=True, hold=True, answer=deferring)
    second = Scripted("b")
    rig = Rig(store, clock, first, second, endurance=ENDURANCE)

    async def main() -> None:
        rig.queue(6)
        async with rig.running():
            await until(lambda: first.under_way == 3 and len(rig.dispatcher._lines["a"].waiting) == 3)
            first.release()
            await rig.settle(State.SENT)
        assert len(first.asked) < 6
        assert sum(tries(rig)) == len(first.asked) + 6

    asyncio.run(main())


def test_what_a_fallen_carrier_left_is_given_back_by_a_stop(store: Store, clock: HandClock) -> None:
    """A stop that comes before the next claim leaves nothing under a lease that looks as if it might be sent."""
    carrier = Scripted("a", concurrency=3, takes_own_id=True, hold=True)
    rig = Rig(store, clock, carrier)

    async def main() -> None:
        rig.queue(6)
        rig.dispatcher.start()
        line = rig.dispatcher._lines["a"]
        await until(lambda: carrier.under_way == 3 and len(line.waiting) == 3)
        for row in line.waiting:
            rig.dispatcher._lanes[row.lane].forget(row)
        line.waiting.clear()
        stopping = asyncio.create_task(rig.dispatcher.stop(grace=20))
        await asyncio.sleep(0)
        carrier.release()
        await stopping
        await rig.writer.stop()

    asyncio.run(main())
    assert sorted((row.state, row.attempts) for row in texts.rows(store)) == [("queued", 0)] * 3 + [("sent", 1)] * 3


def test_a_hung_second_carrier_stops_nobody(store: Store, clock: HandClock) -> None:
    """Texts that fail over fill it up and wait for it; all others go on by the first."""

    def by_text(outgoing: Outgoing) -> Outcome:
        return (deferring if outgoing.text == "over" else accepting)(outgoing)

    first, second = Scripted("a", concurrency=2, answer=by_text), Scripted("b", concurrency=1, hold=True)
    rig = Rig(store, clock, first, second, batch=4)

    async def main() -> None:
        rig.queue(8, text="over")
        clock.advance(ms=1)
        fine = rig.queue(30)
        async with rig.running():
            await until(lambda: all(rig.row(one).state == State.SENT for one in fine))
            assert second.under_way == 1
            second.release()
            await rig.settle(State.SENT)

    asyncio.run(main())
    assert carriers_of(rig) == {"a": 30, "b": 8}


def test_weights_share_the_texts(store: Store, clock: HandClock) -> None:
    """Three of four go to the heavier one, each by its own id; what that one has no room for the other takes."""
    carriers = [Scripted(name, concurrency=200) for name in ("a", "b", "c")]
    route = Route(name="1", carriers=("a", "b", "c"), weights={"a": 3, "b": 1})
    rig = Rig(store, clock, *carriers, routes=[route])

    async def main() -> None:
        rig.queue(200)
        async with rig.running():
            await rig.settle(State.SENT)

    asyncio.run(main())
    assert 125 < len(carriers[0].asked) < 175
    assert carriers[2].asked == []
    for carrier in carriers[:2]:
        assert all(route.order(outgoing.id)[0] == carrier.name for outgoing in carrier.asked)


def test_a_slow_carrier_with_a_weight_holds_nobody_up(store: Store, clock: HandClock) -> None:
    """Texts that it has no room for go to the others with weights."""
    slow, quick = Scripted("a", concurrency=1, hold=True), Scripted("b", concurrency=2)
    route = Route(name="1", carriers=("a", "b"), weights={"a": 9, "b": 1})
    rig = Rig(store, clock, slow, quick, routes=[route])

    async def main() -> None:
        rig.queue(30)
        async with rig.running():
            await until(lambda: rig.states().count(State.SENT) == 29)
            slow.release()
            await rig.settle(State.SENT)

    asyncio.run(main())
    assert carriers_of(rig) == {"a": 1, "b": 29}


def test_a_text_behind_many_that_are_over_is_the_probe(store: Store, clock: HandClock) -> None:
    """A carrier that comes back is tried at once, however many texts have expired before it: they take no room."""
    carrier = Scripted("a", answer=deferring)
    rig = Rig(store, clock, carrier, endurance=Endurance(burst=1, first_rest=5.0), poll=3_600.0)

    async def main() -> None:
        (first,) = rig.queue(1, lifetime=timedelta(minutes=1))
        async with rig.running():
            await until(lambda: rig.counted("smsbridge_carrier_up")["a",] == 0)
            rig.queue(500, lifetime=timedelta(minutes=5))
            clock.advance(seconds=600)
            (fresh,) = rig.queue(1)
            carrier.answer = accepting
            await rig.later(5)
            await until(lambda: rig.row(fresh).state == State.SENT)
            await rig.later(0)
            await rig.settle(State.SENT, State.EXPIRED)
            assert rig.row(first).state == State.EXPIRED

    asyncio.run(main())


def test_texts_expire_while_a_rate_is_used_up(store: Store, clock: HandClock) -> None:
    """Nobody claims for a carrier that has had all for an hour; what is over is told of within a minute, all of it."""
    carrier = Scripted("a")
    rig = Rig(store, clock, carrier, rates={"a": parse_limit("1/1h")})

    async def main() -> None:
        rig.queue(1)
        async with rig.running():
            await rig.settle(State.SENT)
            rig.queue(1_100, lifetime=timedelta(minutes=5))
            clock.advance(seconds=300)
            await rig.dispatcher._upkeep.sweep()
            assert rig.states() == [State.SENT, *[State.EXPIRED] * 1_100]

    asyncio.run(main())


def test_a_flood_of_old_reports_is_forgotten_in_one_sweep(store: Store, clock: HandClock) -> None:
    """However many they are, and in batches: nobody who writes waits for all of them."""
    rig = Rig(store, clock, Scripted("a"))
    report = Report(carrier="a", state=State.DELIVERED, at=clock(), carrier_id="strange")

    async def main() -> None:
        with store.write() as connection:
            early.keep(connection, [report] * 4_500, now=clock.ms)
        clock.advance(seconds=73 * 3_600)
        with store.write() as connection:
            early.keep(connection, [report], now=clock.ms)
        async with rig.running():
            await rig.dispatcher._upkeep.sweep()
        with store.read() as connection:
            assert connection.scalar(select(func.count()).select_from(early_reports)) == 1

    asyncio.run(main())


def test_texts_expire_while_every_carrier_rests(store: Store, clock: HandClock) -> None:
    """On time, and are told of, although nobody claims; those that a carrier may have become unknown."""
    carrier = Scripted("a", concurrency=3, takes_own_id=True, answer=deferring)
    rig = Rig(store, clock, carrier, endurance=ENDURANCE)

    async def main() -> None:
        rig.queue(3, lifetime=timedelta(days=2))
        short = rig.queue(4, lifetime=timedelta(minutes=5), wait=timedelta(0))
        with store.write() as connection:
            doubt = update(recipients).where(recipients.c.message_id == short[0])
            connection.execute(doubt.values(in_doubt=True, carrier="a", attempts=1, due_at=clock.ms + 1_000))
            late = update(recipients).where(recipients.c.message_id.in_(short[1:]))
            connection.execute(late.values(due_at=clock.ms + 1_000))
        async with rig.running():
            await until(lambda: rig.counted("smsbridge_carrier_up")["a",] == 0)
            await until(lambda: State.SENDING not in rig.states())
            clock.advance(seconds=299)
            await rig.dispatcher._upkeep.sweep()
            assert set(rig.states()) == {State.QUEUED}
            clock.advance(seconds=1)
            await rig.dispatcher._upkeep.sweep()
            assert rig.states() == [*[State.QUEUED] * 3, State.UNKNOWN, *[State.EXPIRED] * 3]
        assert [kind for kind, _, _ in texts.happened(store)] == [State.UNKNOWN, *[State.EXPIRED] * 3]

    asyncio.run(main())


# Claims whose answer was lost.


class Losing(Store):
    """A store that commits and then fails to say so, for the next writes that ``wanted`` picks."""

    wanted: Callable[[list[Any]], bool] | None = None
    lost = 0

    def write(self) -> Any:
        return _Committed(self, super().write())


class _Committed:
    """A write transaction of :class:`Losing`."""

    def __init__(self, store: Losing, inner: Any) -> None:
        self._store = store
        self._inner = inner

    def __enter__(self) -> Any:
        return self._inner.__enter__()

    def __exit__(self, *error: object) -> Any:
        done = self._inner.__exit__(*error)
        if error[0] is None and self._store.wanted is not None and self._store.wanted(texts.rows(self._store)):
            self._store.wanted = None
            self._store.lost += 1
            raise StoreUnavailable("database: the connection broke after the commit")
        return done


def test_rows_of_a_claim_whose_answer_was_lost_are_given_back(sqlite_url: str, clock: HandClock) -> None:
    """Nobody would send what it took, under a lease that is renewed for ever: the next claim gives them back first."""
    losing_store = Losing(sqlite_url, clock=clock)
    texts.add_account(losing_store)
    carrier = Scripted("a", concurrency=2, hold=True)
    rig = Rig(losing_store, clock, carrier)

    async def main() -> None:
        rig.queue(2)
        async with rig.running():
            await until(lambda: carrier.under_way == 2)  # these are in hand, and are not given back
            rig.queue(3)
            losing_store.wanted = lambda rows: [row.state for row in rows].count(State.SENDING) > 2
            carrier.concurrency = 5
            rig.dispatcher._lines["a"].health = type(rig.dispatcher._lines["a"].health)(5, Endurance(burst=99))
            rig.dispatcher.wake()
            await until(lambda: losing_store.lost == 1)
            carrier.release()
            await rig.settle(State.SENT)
        assert tries(rig) == [1] * 5
        assert len({outgoing.id for outgoing in carrier.asked}) == len(carrier.asked) == 5

    asyncio.run(main())
    losing_store.close()
