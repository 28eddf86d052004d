"""From the queue to the carriers: carriers of the test's own, a real store, and time moved by hand."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from bridge.model.message import Outcome, Outgoing, Priority, recipient_id
from bridge.model.state import State
from bridge.model.text import Encoding
from bridge.pipeline.claim import Table, claim_batch
from bridge.pipeline.routing import Route
from bridge.pipeline.upkeep import keep_leases
from bridge.store.engine import Store
from bridge.store.tables import recipients
from tests.support import texts
from tests.support.carriers import Answer, Scripted, accepting, until
from tests.support.clock import HandClock
from tests.support.rig import (
    LEASE,
    Failing,
    Rig,
    deferring,
    garbage,
    losing,
    nonsense,
    one_after_the_other,
    raising,
    refusing,
)
from tests.support.texts import make_plan


@pytest.fixture
def failing(sqlite_url: str, clock: HandClock) -> Any:
    """A store that can be away, with one account."""
    opened = Failing(sqlite_url, clock=clock)
    texts.add_account(opened)
    yield opened
    opened.close()


@pytest.fixture
def store(failing: Failing) -> Store:
    """The same: what a test does not send away is there."""
    return failing


# Outcomes.


@pytest.mark.parametrize(
    ("answer", "takes_own_id", "state", "in_doubt", "reason"),
    [
        (accepting, False, State.SENT, False, None),
        (accepting, True, State.SENT, False, None),
        (refusing, False, State.REFUSED, False, "no such number"),
        (deferring, False, State.QUEUED, False, "busy"),
        (losing, False, State.UNKNOWN, False, "the answer was lost"),
        (losing, True, State.QUEUED, True, "the answer was lost"),
        (raising, False, State.UNKNOWN, False, "the carrier's code failed"),
        (raising, True, State.QUEUED, True, "the carrier's code failed"),
        (nonsense, False, State.UNKNOWN, False, "the carrier's code failed"),
        (nonsense, True, State.QUEUED, True, "the carrier's code failed"),
        (garbage, False, State.UNKNOWN, False, "what the carrier answered could not be written"),
        (garbage, True, State.QUEUED, True, "what the carrier answered could not be written"),
    ],
)
def test_every_end_of_a_send_is_recorded(
    store: Store,
    clock: HandClock,
    answer: Answer,
    *,
    takes_own_id: bool,
    state: State,
    in_doubt: bool,
    reason: str | None,
) -> None:
    """Whatever a carrier does with a text, the row says so, its lease ends, and what is final is told."""
    rig = Rig(store, clock, Scripted("a", takes_own_id=takes_own_id, answer=answer))

    async def main() -> None:
        (message,) = rig.queue()
        async with rig.running():
            await until(lambda: rig.row(message).state == state and bool(rig.row(message).attempts))
        row = rig.row(message)
        assert (row.carrier, row.attempts, row.lease_owner, row.lease_until) == ("a", 1, None, None)
        assert (bool(row.in_doubt), row.reason) == (in_doubt, reason)
        assert row.due_at == (clock.ms + 8_000 if state is State.QUEUED else clock.ms)
        if state is State.SENT:
            assert (row.carrier_id, row.raw) == (f"c-{recipient_id(message, 1)}", "OK")
        expected = [] if state is State.QUEUED else [(state, message, 1)]
        assert texts.happened(store) == expected

    asyncio.run(main())


def test_a_carrier_gets_the_whole_text(store: Store, clock: HandClock) -> None:
    """All that it needs, under our own id, which is the same on every try."""
    carrier = Scripted("a", answer=one_after_the_other(deferring, accepting))
    rig = Rig(store, clock, carrier)

    async def main() -> None:
        (message,) = rig.queue(text="שלום", sender="Acme", lifetime=timedelta(minutes=1), priority=Priority.URGENT)
        end = clock() + timedelta(minutes=1)
        async with rig.running():
            await until(lambda: len(carrier.asked) == 1)
            await until(lambda: rig.row(message).state == State.QUEUED)
            clock.advance(seconds=8)
            await rig.settle(State.SENT)
        expected = Outgoing(
            id=recipient_id(message, 1),
            message_id=message,
            number=texts.number(5678),
            text="שלום",
            sender="Acme",
            encoding=Encoding.UCS2,
            parts=1,
            attempt=1,
            expires_at=end,
            priority=Priority.URGENT,
        )
        first, second = carrier.asked
        assert first == expected
        assert (second.id, second.attempt) == (first.id, 2)
        assert first.expires_at.tzinfo is UTC

    asyncio.run(main())


def test_a_bad_answer_among_good_ones(store: Store, clock: HandClock) -> None:
    """One outcome that cannot be written takes no other with it, and is counted once."""

    def answer(outgoing: Outgoing) -> Outcome:
        return (garbage if outgoing.text == "bad" else accepting)(outgoing)

    carrier = Scripted("a", concurrency=5, answer=answer, hold=True)
    rig = Rig(store, clock, carrier)

    async def main() -> None:
        rig.queue(2)
        (bad,) = rig.queue(text="bad")
        rig.queue(2)
        async with rig.running():
            await until(lambda: carrier.under_way == 5)
            carrier.release()
            await rig.settle(State.SENT, State.UNKNOWN)
        assert [row.message_id for row in texts.rows(store) if row.state == State.UNKNOWN] == [bad]
        assert rig.counted("smsbridge_sends_total") == {("a", "accepted"): 4, ("a", "unknown"): 1}

    asyncio.run(main())


# Order, failover, back-off.


def test_failover_goes_round_and_then_waits(store: Store, clock: HandClock) -> None:
    """Each carrier that surely did not send passes the text on at once; after the last one it waits its time."""
    asked: list[tuple[str, int]] = []

    def note(name: str, answer: Answer, outgoing: Outgoing) -> Outcome:
        asked.append((name, outgoing.attempt))
        return answer(outgoing)

    names = ("a", "b", "c")
    carriers = [Scripted(name, answer=partial(note, name, deferring)) for name in names]
    rig = Rig(store, clock, *carriers)

    async def main() -> None:
        (message,) = rig.queue()
        async with rig.running():
            await until(lambda: len(asked) == 3 and rig.row(message).state == State.QUEUED)
            assert rig.row(message).due_at == clock.ms + 8_000
            clock.advance(ms=7_999)
            rig.dispatcher.wake()
            other = rig.queue(lane="1")  # shows that the queue was looked at
            await until(lambda: rig.row(other[0]).attempts == 3)
            assert rig.row(message).attempts == 3
            carriers[1].answer = partial(note, "b", accepting)
            clock.advance(ms=1)
            await until(lambda: rig.row(message).state == State.SENT)
        row = rig.row(message)
        assert (row.carrier, row.attempts) == ("b", 5)

    asyncio.run(main())
    assert [name for name, _ in asked[:3]] == ["a", "b", "c"]


@pytest.mark.parametrize(("asked", "waits"), [(50, 50_000), (6 * 3600, 60_000)])
def test_a_carrier_may_ask_for_more_time(store: Store, clock: HandClock, asked: int, waits: int) -> None:
    """A wait longer than ours is kept to, up to the longest: who asks for hours keeps no text for hours."""

    def slow_down(_outgoing: Outgoing) -> Outcome:
        return Outcome.deferred("slow down", retry_after=timedelta(seconds=asked))

    rig = Rig(store, clock, Scripted("a", answer=slow_down))

    async def main() -> None:
        (message,) = rig.queue()
        async with rig.running():
            await until(lambda: rig.row(message).due_at == clock.ms + waits)
        assert rig.row(message).state == State.QUEUED

    asyncio.run(main())


def test_a_text_in_doubt_stays_with_its_carrier(store: Store, clock: HandClock) -> None:
    """Once a carrier may have the text, no other gets it, not even when that one says that it surely has not."""
    first = Scripted("a", takes_own_id=True, answer=one_after_the_other(losing, deferring, losing, accepting))
    second = Scripted("b", takes_own_id=True)
    rig = Rig(store, clock, first, second)

    async def main() -> None:
        (message,) = rig.queue()
        async with rig.running():
            for tries in (1, 2, 3):
                await rig.waiting_again(message, tries=tries)
                assert bool(rig.row(message).in_doubt)
                assert rig.row(message).carrier == "a"
                clock.advance(seconds=60)
            await rig.settle(State.SENT)
        assert len(first.asked) == 4
        assert len({outgoing.id for outgoing in first.asked}) == 1
        assert second.asked == []

    asyncio.run(main())


def test_urgent_texts_leave_first(store: Store, clock: HandClock) -> None:
    """With one sender, the order is that of priority, and of age within it."""
    carrier = Scripted("a", concurrency=1)
    rig = Rig(store, clock, carrier, batch=1)

    async def main() -> None:
        put_in = []
        for priority in (Priority.BULK, Priority.NORMAL, Priority.URGENT, Priority.HIGH, Priority.NORMAL):
            put_in += rig.queue(priority=priority)
            clock.advance(ms=1)
        async with rig.running():
            await rig.settle(State.SENT)
        assert [outgoing.message_id for outgoing in carrier.asked] == [put_in[place] for place in (2, 3, 1, 4, 0)]

    asyncio.run(main())


@pytest.mark.parametrize("takes_own_id", [False, True])
def test_concurrency_is_reached_and_kept(store: Store, clock: HandClock, *, takes_own_id: bool) -> None:
    """As many sends as the carrier allows are under way, never more; the end of one begins the next without a poll."""
    carrier = Scripted("a", concurrency=3, takes_own_id=takes_own_id, hold=True)
    rig = Rig(store, clock, carrier, poll=60.0)

    async def main() -> None:
        rig.queue(25)
        async with rig.running():
            await until(lambda: carrier.under_way == 3)
            in_hand = rig.states().count(State.SENDING)
            assert in_hand == (6 if takes_own_id else 3)  # what is in hand is not overtaken: never more than twice
            carrier.release()
            await rig.settle(State.SENT)
        assert carrier.most == 3
        assert len(carrier.asked) == 25

    asyncio.run(main())


def test_lanes_that_share_a_carrier_do_not_wait_for_a_poll(store: Store, clock: HandClock) -> None:
    """A lane that found the carrier busy with another lane's texts goes on when one of these ends."""
    carrier = Scripted("a", concurrency=2, hold=True)
    routes = [Route(name="1", carriers=("a",)), Route(name="2", carriers=("a",))]
    rig = Rig(store, clock, carrier, routes=routes, poll=60.0)

    async def main() -> None:
        rig.queue(2, lane="1")
        async with rig.running():
            await until(lambda: carrier.under_way == 2)
            rig.queue(2, lane="2")
            rig.dispatcher.wake()
            carrier.release()
            await rig.settle(State.SENT)

    asyncio.run(main())


def test_news_is_taken_up_at_once(store: Store, clock: HandClock) -> None:
    """A text that is committed while nothing is to be done leaves without waiting for the poll."""
    carrier = Scripted("a")
    rig = Rig(store, clock, carrier, poll=60.0)

    async def main() -> None:
        loop = asyncio.get_running_loop()

        def tell() -> None:
            loop.call_soon_threadsafe(rig.dispatcher.wake)

        rig.writer.on_commit = tell
        async with rig.running():
            for _ in range(5):
                await rig.writer.submit(make_plan(clock))
                await rig.settle(State.SENT)

    asyncio.run(main())


def test_two_nodes_send_each_text_once(store: Store, sqlite_url: str, clock: HandClock) -> None:
    """Two dispatchers on one database share the work."""
    one = Rig(store, clock, Scripted("a", takes_own_id=True), owner="one", batch=5)
    other_store = Store(sqlite_url, clock=clock)
    two = Rig(other_store, clock, Scripted("a", takes_own_id=True), owner="two", batch=5)

    async def main() -> None:
        one.queue(120)
        async with one.running(), two.running():
            await one.settle(State.SENT)

    asyncio.run(main())
    asked = [outgoing.id for rig in (one, two) for outgoing in rig.carriers["a"].asked]
    assert len(asked) == len(set(asked)) == 120
    other_store.close()


def test_metrics(store: Store, clock: HandClock) -> None:
    """Sends are counted by carrier and outcome, the latency of the accepted ones measured from their acceptance."""
    carrier = Scripted("a", concurrency=1, answer=one_after_the_other(refusing, accepting), hold=True)
    rig = Rig(store, clock, carrier)

    async def main() -> None:
        rig.queue(3)
        async with rig.running():
            await until(lambda: carrier.under_way == 1)
            clock.advance(seconds=2)
            carrier.release()
            await rig.settle(State.SENT, State.REFUSED)

    asyncio.run(main())
    assert rig.counted("smsbridge_sends_total") == {("a", "accepted"): 2, ("a", "refused"): 1}
    assert rig.counted("smsbridge_latency_seconds_sum") == {("a",): 4.0}


# What is not sent.


@pytest.mark.parametrize(("left", "state"), [(1, State.SENT), (0, State.EXPIRED), (-1, State.EXPIRED)])
def test_a_text_expires_at_its_time(store: Store, clock: HandClock, left: int, state: State) -> None:
    """At the end of its lifetime, to the millisecond, a text that never left is given up, and no carrier is asked."""
    carrier = Scripted("a")
    rig = Rig(store, clock, carrier)

    async def main() -> None:
        (message,) = rig.queue(lifetime=timedelta(seconds=5))
        clock.advance(ms=5_000 - left)
        async with rig.running():
            await rig.settle(State.SENT, State.EXPIRED)
        assert rig.row(message).state == state
        assert len(carrier.asked) == (state is State.SENT)
        assert texts.happened(store) == [(state, message, 1)]

    asyncio.run(main())


def test_a_text_in_doubt_ends_as_unknown(store: Store, clock: HandClock) -> None:
    """When its lifetime ends a carrier may have it: expired would be a guess."""
    rig = Rig(store, clock, Scripted("a", takes_own_id=True, answer=losing))

    async def main() -> None:
        (message,) = rig.queue(lifetime=timedelta(seconds=5))
        async with rig.running():
            await until(lambda: bool(rig.row(message).in_doubt))
            clock.advance(seconds=5)
            await rig.settle(State.UNKNOWN)
        assert texts.happened(store) == [(State.UNKNOWN, message, 1)]

    asyncio.run(main())


@pytest.mark.parametrize(("in_doubt", "state"), [(True, State.UNKNOWN), (False, State.SENT)])
def test_a_carrier_that_is_gone(store: Store, clock: HandClock, *, in_doubt: bool, state: State) -> None:
    """What it may have is unknown; what it surely has not, another one sends."""
    carrier = Scripted("a")
    rig = Rig(store, clock, carrier)

    async def main() -> None:
        (message,) = rig.queue()
        with store.write() as connection:
            connection.execute(recipients.update().values(carrier="gone", in_doubt=in_doubt, attempts=1))
        async with rig.running():
            await rig.settle(State.UNKNOWN, State.SENT)
        row = rig.row(message)
        assert (row.state, row.carrier) == (state, "gone" if in_doubt else "a")
        assert len(carrier.asked) == (not in_doubt)
        assert texts.happened(store) == [(state, message, 1)]

    asyncio.run(main())


# Leases.


def keep(rig: Rig, *, owner: str, takes_own_id: bool = False) -> int:
    """What another node's keeper does."""
    with rig.store.write() as connection:
        known = dict.fromkeys(rig.carriers, takes_own_id)
        kept = keep_leases(connection, store=rig.store, router=rig.router, takes_own_id=known, owner=owner, lease=LEASE)
        return kept.queued


@pytest.mark.parametrize(("after", "state"), [(LEASE * 1_000 - 1, State.SENDING), (LEASE * 1_000, State.UNKNOWN)])
def test_a_dead_nodes_texts_are_taken_over_on_time(store: Store, clock: HandClock, after: float, state: State) -> None:
    """Exactly when the lease ends, to the millisecond, and told once."""
    rig = Rig(store, clock, Scripted("a"))

    async def main() -> None:
        (message,) = rig.queue()
        claim_for(rig, "dead")
        clock.advance(ms=int(after))
        assert keep(rig, owner="other") == 0
        keep(rig, owner="other")
        assert rig.row(message).state == state
        assert texts.happened(store) == ([(state, message, 1)] if state is State.UNKNOWN else [])
        await rig.writer.stop()

    asyncio.run(main())


def claim_for(rig: Rig, owner: str) -> list[str]:
    """Claim all for a node that does no more."""
    with rig.store.write() as connection:
        rows = claim_batch(
            connection,
            store=rig.store,
            table=Table(route=rig.router.named("1"), known=tuple(rig.carriers)),
            limit=100,
            owner=owner,
            lease=LEASE,
        )
        return [row.message_id for row in rows]


def test_a_carrier_that_knows_our_id_is_asked_again(store: Store, clock: HandClock) -> None:
    """What a dead node left with such a carrier is queued again at once, in doubt, and sent under the same id."""
    carrier, other = Scripted("a", takes_own_id=True), Scripted("b", takes_own_id=True)
    rig = Rig(store, clock, carrier, other)

    async def main() -> None:
        (message,) = rig.queue()
        claim_for(rig, "dead")
        clock.advance(seconds=LEASE)
        async with rig.running():  # its keeper looks at once
            await rig.settle(State.SENT)
        assert rig.row(message).attempts == 2
        assert [outgoing.id for outgoing in carrier.asked] == [recipient_id(message, 1)]
        assert other.asked == []

    asyncio.run(main())


def test_own_leases_are_renewed(store: Store, clock: HandClock) -> None:
    """A node that lives keeps what it has, however long a carrier takes."""
    carrier = Scripted("a", hold=True)
    rig = Rig(store, clock, carrier)

    async def main() -> None:
        (message,) = rig.queue()
        async with rig.running():
            await until(lambda: carrier.under_way == 1)
            clock.advance(ms=int(LEASE * 1_000) - 1)
            keep(rig, owner="me")
            assert rig.row(message).lease_until == clock.ms + LEASE * 1_000
            clock.advance(ms=int(LEASE * 1_000) - 1)
            keep(rig, owner="other")
            assert rig.row(message).state == State.SENDING
            carrier.release()
            await rig.settle(State.SENT)

    asyncio.run(main())


def test_a_late_answer_settles_what_was_given_up(store: Store, clock: HandClock) -> None:
    """A node that was away too long lost its lease, and its text is unknown: the answer is still the truth."""
    carrier = Scripted("a", hold=True)
    rig = Rig(store, clock, carrier)

    async def main() -> None:
        (message,) = rig.queue()
        async with rig.running():
            await until(lambda: carrier.under_way == 1)
            clock.advance(seconds=LEASE)
            keep(rig, owner="other")
            assert rig.row(message).state == State.UNKNOWN
            carrier.release()
            await rig.settle(State.SENT)
        assert texts.happened(store) == [(State.UNKNOWN, message, 1), (State.SENT, message, 1)]

    asyncio.run(main())


def test_a_late_answer_does_not_touch_what_another_node_has(store: Store, clock: HandClock) -> None:
    """The text was taken over and is being sent: only the new owner's word counts."""
    carrier = Scripted("a", takes_own_id=True, hold=True)
    rig = Rig(store, clock, carrier)

    async def main() -> None:
        (message,) = rig.queue()
        async with rig.running():
            await until(lambda: carrier.under_way == 1)
            clock.advance(seconds=LEASE)
            assert keep(rig, owner="other", takes_own_id=True) == 1
            assert claim_for(rig, "other") == [message]
            carrier.answer = refusing
            carrier.release()
            await until(lambda: rig.counted("smsbridge_sends_total") == {("a", "refused"): 1})
            row = rig.row(message)
            assert (row.state, row.lease_owner, row.attempts) == (State.SENDING, "other", 2)

    asyncio.run(main())


def test_texts_of_a_route_that_is_gone_find_another(store: Store, clock: HandClock) -> None:
    """Queued rows in a lane that the configuration no longer has move to the route of their number."""
    rig = Rig(store, clock, Scripted("a"))

    async def main() -> None:
        rig.queue(3, lane="old name")
        async with rig.running():
            await rig.settle(State.SENT)
        assert {row.lane for row in texts.rows(store)} == {"1"}

    asyncio.run(main())


# Stopping.


def test_stopping_gives_back_what_is_in_hand(store: Store, clock: HandClock) -> None:
    """Sends under way get their time and are recorded; what was claimed and not begun is queued as it was."""
    carrier = Scripted("a", concurrency=2, takes_own_id=True, hold=True)
    rig = Rig(store, clock, carrier)

    async def main() -> None:
        rig.queue(10)
        rig.dispatcher.start()
        await until(lambda: carrier.under_way == 2 and rig.states().count(State.SENDING) == 4)
        stopping = asyncio.create_task(rig.dispatcher.stop(grace=20))
        await until(lambda: not rig.dispatcher._lines["a"].waiting)
        carrier.release()
        await stopping
        await rig.writer.stop()
        rows = texts.rows(store)
        assert [(row.state, row.attempts, row.lease_owner) for row in rows] == [
            *[(State.SENT, 1, None)] * 2,
            *[(State.QUEUED, 0, None)] * 8,
        ]
        assert len(carrier.asked) == 2
        assert rig.dispatcher.failed is None

    asyncio.run(main())


@pytest.mark.parametrize(("takes_own_id", "state"), [(False, State.UNKNOWN), (True, State.QUEUED)])
def test_stopping_does_not_wait_for_ever(store: Store, clock: HandClock, *, takes_own_id: bool, state: State) -> None:
    """A send that outlasts its grace is cancelled; what became of it is unknown, or asked again under our id."""
    carrier = Scripted("a", concurrency=2, takes_own_id=takes_own_id, hold=True)
    rig = Rig(store, clock, carrier)

    async def main() -> None:
        rig.queue(2)
        rig.dispatcher.start()
        await until(lambda: carrier.under_way == 2)
        await rig.dispatcher.stop(grace=0.01)
        await rig.writer.stop()
        assert carrier.cancelled == 2
        for row in texts.rows(store):
            assert (row.state, bool(row.in_doubt), row.lease_owner) == (state, takes_own_id, None)
            assert row.reason == "the bridge stopped before the answer"

    asyncio.run(main())


def test_stopping_in_the_middle_of_a_claim_forgets_nothing(store: Store, clock: HandClock) -> None:
    """Whenever a stop comes, afterwards no row is left in sending."""

    async def main() -> None:
        for turns in range(0, 60, 3):
            rig = Rig(store, clock, Scripted("a", concurrency=3, takes_own_id=True), batch=10, owner=f"node {turns}")
            rig.queue(20)
            rig.dispatcher.start()
            for _ in range(turns):
                await asyncio.sleep(0)
            await rig.dispatcher.stop(grace=20)
            await rig.writer.stop()
            assert State.SENDING not in rig.states()
            asked = [outgoing.id for outgoing in rig.carriers["a"].asked]
            assert len(asked) == len(set(asked))

    asyncio.run(main())


def test_stopping_without_a_store(failing: Failing, clock: HandClock) -> None:
    """When the store is away, stop comes back all the same; the rows are left to their leases."""
    carrier = Scripted("a", concurrency=1, takes_own_id=True, hold=True)
    rig = Rig(failing, clock, carrier)

    async def main() -> None:
        rig.queue(3)
        rig.dispatcher.start()
        await until(lambda: carrier.under_way == 1)
        failing.away = True
        carrier.release()
        await asyncio.wait_for(rig.dispatcher.stop(grace=0.05), 20)
        await rig.writer.stop()
        assert rig.states() == [State.SENDING] * 2 + [State.QUEUED]

    asyncio.run(main())


def test_stopping_what_never_started(store: Store, clock: HandClock) -> None:
    """A start that failed before the dispatcher stops it all the same, and asks whether a part of it died."""
    rig = Rig(store, clock, Scripted("a"))

    async def main() -> None:
        assert rig.dispatcher.failed is None
        await rig.dispatcher.stop(grace=1)
        await rig.writer.stop()

    asyncio.run(main())


def test_a_dead_part_is_noticed(store: Store, clock: HandClock) -> None:
    """Any task that ends although nobody stopped it shows in ``failed``."""
    rig = Rig(store, clock, Scripted("a"))

    async def main() -> None:
        rig.dispatcher.start()
        inner = rig.dispatcher
        parts = [*inner._feeders, *inner._senders, *inner._keepers, inner._recording]
        for part in parts:
            assert part is not None
        victim = rig.dispatcher._senders[0]
        assert rig.dispatcher.failed is None
        await asyncio.sleep(0)
        victim.cancel()
        await until(lambda: rig.dispatcher.failed is victim)
        await rig.dispatcher.stop(grace=1)
        assert rig.dispatcher.failed is None
        await rig.writer.stop()

    asyncio.run(main())


# The store is away.


def test_no_outcome_is_lost_while_the_store_is_away(failing: Failing, clock: HandClock) -> None:
    """What carriers answered meanwhile is written when it is back: each once, and nothing is sent again."""
    carrier = Scripted("a", concurrency=5, hold=True)
    rig = Rig(failing, clock, carrier)

    async def main() -> None:
        messages = rig.queue(5)
        async with rig.running():
            await until(lambda: carrier.under_way == 5)
            failing.away = True
            carrier.release()
            await until(lambda: carrier.under_way == 0 and failing.refused > 5)
            assert rig.states() == [State.SENDING] * 5
            failing.away = False
            await rig.settle(State.SENT)
        assert len(carrier.asked) == 5
        assert sorted(texts.happened(failing)) == sorted((State.SENT, message, 1) for message in messages)
        assert rig.counted("smsbridge_sends_total") == {("a", "accepted"): 5}

    asyncio.run(main())


def test_work_goes_on_when_the_store_is_back(failing: Failing, clock: HandClock) -> None:
    """Feeders and keeper outlast the trouble."""
    carrier = Scripted("a")
    rig = Rig(failing, clock, carrier)

    async def main() -> None:
        rig.queue(3)
        failing.away = True
        async with rig.running():
            await until(lambda: failing.refused > 5)
            assert carrier.asked == []
            assert rig.dispatcher.failed is None
            failing.away = False
            await rig.settle(State.SENT)

    asyncio.run(main())


def test_times_of_the_store_and_the_carrier_agree(store: Store, clock: HandClock) -> None:
    """The end of a text's life, kept in milliseconds, is the same moment for the carrier."""
    carrier = Scripted("a")
    rig = Rig(store, clock, carrier)

    async def main() -> None:
        (message,) = rig.queue(lifetime=timedelta(milliseconds=1_234))
        async with rig.running():
            await rig.settle(State.SENT)
        expected = datetime.fromtimestamp(rig.row(message).expires_at / 1000, tz=UTC)
        assert carrier.asked[0].expires_at == expected == clock() + timedelta(milliseconds=1_234)

    asyncio.run(main())
