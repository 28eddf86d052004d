"""Carriers that do not call: asked about texts, and for what phones sent, in waits that a test ends by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update
from structlog.testing import capture_logs

from bridge.carriers.base import Asked, Fetched, Pending
from bridge.model.errors import StoreUnavailable
from bridge.model.message import Inbound, Outcome, Report, recipient_id
from bridge.model.state import State
from bridge.pipeline.claim import Table, claim_batch
from bridge.pipeline.commit import Writer
from bridge.pipeline.polls import Patience, Polls, put_back, take_due
from bridge.pipeline.reports import News
from bridge.pipeline.retry import Backoff, ask_after
from bridge.pipeline.routing import Route
from bridge.pipeline.settle import conclude, settle
from bridge.store.asks import Open
from bridge.store.engine import Store
from bridge.store.tables import recipients
from bridge.telemetry import Metrics
from tests.support import texts
from tests.support.clock import START, HandClock

ROUTE = Route(name="1", carriers=("a",))
PATIENCE = Patience(age=timedelta(hours=72))
GIVES_UP = Patience(age=timedelta(hours=72), undelivered=True)


@pytest.fixture(autouse=True)
def account(any_store: Store) -> None:
    """Every store of these tests has an account."""
    texts.add_account(any_store)


def send(store: Store, clock: HandClock, *outcomes: Outcome, asks: bool = True) -> list[str]:
    """Send a text for each outcome; returns the messages."""
    plans = [texts.make_plan(clock) for _ in outcomes]
    texts.put(store, *plans)
    with store.write() as connection:
        rows = claim_batch(connection, store=store, table=Table(route=ROUTE), limit=100, owner="me", lease=60.0)
        by_id = {row.message_id: row for row in rows}
        ended = [
            (
                by_id[plan.message.id],
                settle(
                    outcome,
                    row=by_id[plan.message.id],
                    route=ROUTE,
                    takes_own_id=False,
                    backoff=Backoff(),
                    chance=0.0,
                    now=clock.ms,
                    asks=asks,
                ),
            )
            for plan, outcome in zip(plans, outcomes, strict=True)
        ]
        conclude(connection, ended, owner="me", now=clock.ms)
    return [plan.message.id for plan in plans]


def due(store: Store, *, most: int = 10, patience: Patience = PATIENCE) -> list[Open]:
    """Take the texts that are due now."""
    with store.write() as connection:
        return take_due(connection, store=store, carrier="a", most=most, patience=patience)


def ids(found: Sequence[Open]) -> list[str]:
    """Return the messages of texts."""
    return [one.message_id for one in found]


# Which texts, and when.


def test_what_a_carrier_has_is_asked_about(any_store: Store, clock: HandClock) -> None:
    """After half a minute, to the millisecond: what it took, and what it may have. Not what it refused or put off."""
    sent, unknown, _, _ = send(
        any_store,
        clock,
        Outcome.accepted("x-1"),
        Outcome.unknown("cut"),
        Outcome.refused("no"),
        Outcome.deferred("busy"),
    )
    clock.advance(ms=29_999)
    assert due(any_store) == []
    clock.advance(ms=1)
    found = due(any_store)
    assert [(one.message_id, one.carrier_id, one.state) for one in found] == [
        (sent, "x-1", State.SENT),
        (unknown, None, State.UNKNOWN),
    ]
    assert {(one.number, one.since, one.asked) for one in found} == {(texts.number(5678), clock.ms - 30_000, 0)}


def test_one_that_is_not_asked_has_no_texts(any_store: Store, clock: HandClock) -> None:
    """Whether it cannot be or the operator does not want it."""
    send(any_store, clock, Outcome.accepted("x-1"), asks=False)
    clock.advance(seconds=86_400)
    assert due(any_store) == []


def test_waits_grow_to_an_hour(any_store: Store, clock: HandClock) -> None:
    """30 s, then a minute, then twice as long each time."""
    send(any_store, clock, Outcome.accepted("x-1"))
    waits = []
    for _ in range(9):
        waited = 0
        while not due(any_store):
            clock.advance(seconds=30)
            waited += 30
        waits.append(waited)
    assert waits == [30, 60, 120, 240, 480, 960, 1_920, 3_600, 3_600]
    assert ask_after(10_000) == timedelta(hours=1)


def test_batches_take_the_longest_due(any_store: Store, clock: HandClock) -> None:
    """No more than the carrier likes at once, the next ones after them, and none twice."""
    messages = []
    for place in range(5):
        messages += send(any_store, clock, Outcome.accepted(f"x-{place}"))
        clock.advance(ms=1)
    clock.advance(seconds=30)
    assert [ids(due(any_store, most=2)) for _ in range(4)] == [messages[:2], messages[2:4], messages[4:], []]


@pytest.mark.parametrize("state", [State.DELIVERED, State.UNDELIVERED, State.EXPIRED])
def test_an_end_ends_the_asking(any_store: Store, clock: HandClock, state: State) -> None:
    """Also where a callback brought it."""
    (message,) = send(any_store, clock, Outcome.accepted("x-1"))
    news = News(store=any_store, writer=Writer(any_store), metrics=Metrics(), asked={"a"})
    with any_store.write() as connection:
        news._write(connection, brought=[Report(carrier="a", state=state, at=START, carrier_id="x-1")], inbounds=())
    assert texts.row(any_store, message).ask_at is None
    clock.advance(seconds=86_400)
    assert due(any_store) == []


def test_what_turns_out_to_be_with_the_carrier_is_asked_about(any_store: Store, clock: HandClock) -> None:
    """A report says that a text whose answer was lost is there: from then on its end is asked for."""
    (message,) = send(any_store, clock, Outcome.unknown("cut"), asks=False)
    own = recipient_id(message, 1)
    news = News(store=any_store, writer=Writer(any_store), metrics=Metrics(), asked={"a"})
    with any_store.write() as connection:
        report = Report(carrier="a", state=State.SENT, at=START, recipient_id=own)
        assert news._write(connection, brought=[report], inbounds=()).moved == 1
    clock.advance(seconds=30)
    assert ids(due(any_store)) == [message]


def test_what_a_person_settled_is_asked_about_no_more(any_store: Store, clock: HandClock) -> None:
    """The next look finds it in another state, and lets it go."""
    (message,) = send(any_store, clock, Outcome.unknown("cut"))
    with any_store.write() as connection:
        connection.execute(update(recipients).values(state=State.DELIVERED))
    clock.advance(seconds=30)
    assert due(any_store) == []
    assert texts.row(any_store, message).ask_at is None


@pytest.mark.parametrize(
    ("outcome", "patience", "state"),
    [
        (Outcome.accepted("x-1"), PATIENCE, State.SENT),
        (Outcome.accepted("x-1"), GIVES_UP, State.UNDELIVERED),
        (Outcome.unknown("cut"), GIVES_UP, State.UNKNOWN),
    ],
)
def test_at_an_age_it_ends(
    any_store: Store, clock: HandClock, outcome: Outcome, patience: Patience, state: State
) -> None:
    """Not before; then it is asked about no more, and undelivered where the operator says so. A late word counts."""
    (message,) = send(any_store, clock, outcome)
    clock.advance(seconds=72 * 3_600, ms=-1)
    assert ids(due(any_store, patience=patience)) == [message]
    clock.advance(seconds=3_600)
    assert due(any_store, patience=patience) == []
    row = texts.row(any_store, message)
    assert (row.state, row.ask_at) == (state, None)
    assert [kind for kind, _, _ in texts.happened(any_store)][1:] == ([state] if state is State.UNDELIVERED else [])


def test_a_question_without_an_answer_does_not_count(any_store: Store, clock: HandClock) -> None:
    """Its texts are due at once, after as many questions as before; one that ended meanwhile stays ended."""
    first, second = send(any_store, clock, Outcome.accepted("x-1"), Outcome.accepted("x-2"))
    clock.advance(seconds=30)
    asked = due(any_store)
    with any_store.write() as connection:
        ended = update(recipients).where(recipients.c.message_id == second)
        connection.execute(ended.values(state=State.DELIVERED, ask_at=None))
        put_back(connection, store=any_store, texts=asked)
    (again,) = due(any_store)
    assert (again.message_id, again.asked) == (first, 0)


# The tasks.


class Upstream:
    """A carrier that is asked and fetched from; ``answer`` and ``inbox`` may raise."""

    most_asked = 2
    fetch_every = 60.0

    def __init__(self) -> None:
        self.asked: list[list[Pending]] = []
        self.answer: Callable[[Sequence[Pending]], Sequence[Report]] = lambda _: []
        self.inbox: Callable[[], Sequence[Inbound]] = list
        self.fetched = 0

    async def states_of(self, texts: Sequence[Pending]) -> Sequence[Report]:
        self.asked.append(list(texts))
        await asyncio.sleep(0)
        return self.answer(texts)

    async def fetch(self) -> Sequence[Inbound]:
        self.fetched += 1
        await asyncio.sleep(0)
        return self.inbox()


class Waits:
    """Stands for sleep: every wait lasts until the test ends it."""

    def __init__(self) -> None:
        self._asked: asyncio.Queue[tuple[float, asyncio.Event]] = asyncio.Queue()
        self._lasts = asyncio.Event()

    async def __call__(self, seconds: float) -> None:
        over = asyncio.Event()
        await self._asked.put((seconds, over))
        await over.wait()

    async def next(self) -> float:
        """End the wait that lasts, if any; return how long the next one is. It lasts then, and nothing else happens."""
        self._lasts.set()
        async with asyncio.timeout(20):
            seconds, self._lasts = await self._asked.get()
        return seconds


@asynccontextmanager
async def polling(
    store: Store, upstream: Upstream, *, asks: bool = True, fetches: bool = False
) -> AsyncIterator[Waits]:
    """Run the tasks of one carrier."""
    writer = Writer(store)
    writer.start()
    waits = Waits()
    polls = Polls(
        store=store,
        writer=writer,
        news=News(store=store, writer=writer, metrics=Metrics()),
        asked={"a": (upstream, PATIENCE)} if asks else {},
        fetched={"a": upstream} if fetches else {},
        sleep=waits,
    )
    polls.start()
    try:
        yield waits
        assert polls.failed is None
    finally:
        await polls.stop(grace=20)
        assert all(task.done() for task in polls._tasks)
        await writer.stop()


def told(texts_asked: Sequence[Pending]) -> list[Report]:
    """Say of every text that the phone has it."""
    return [
        Report(carrier="a", state=State.DELIVERED, at=START, carrier_id=one.carrier_id, raw="d") for one in texts_asked
    ]


def test_the_contract_is_told_by_its_parts() -> None:
    """A carrier that has them is asked and fetched from."""
    assert isinstance(Upstream(), Asked)
    assert isinstance(Upstream(), Fetched)


def test_texts_are_asked_about_in_batches_until_none_is_due(any_store: Store, clock: HandClock) -> None:
    """Full batches follow each other at once; the answers are applied; then it looks every few seconds."""
    messages = send(any_store, clock, *(Outcome.accepted(f"x-{place}") for place in range(5)))
    upstream = Upstream()
    upstream.answer = told

    async def main() -> None:
        async with polling(any_store, upstream) as waits:
            assert await waits.next() == 5.0
            clock.advance(seconds=30)
            assert [await waits.next() for _ in range(4)] == [0.0, 0.0, 5.0, 5.0]

    asyncio.run(main())
    assert [len(batch) for batch in upstream.asked] == [2, 2, 1]
    assert {row.state for row in texts.rows(any_store)} == {"delivered"}
    first = upstream.asked[0][0]
    assert (first.id, first.number, first.sent_at) == (recipient_id(messages[0], 1), texts.number(5678), START)


@pytest.mark.parametrize("error", [StoreUnavailable("503"), TimeoutError(), ZeroDivisionError()], ids=repr)
def test_an_upstream_that_cannot_be_asked(any_store: Store, clock: HandClock, error: Exception) -> None:
    """It is left alone for longer each time, with one line in the log; its texts lose nothing, and nothing stops."""
    send(any_store, clock, Outcome.accepted("x-1"))
    upstream = Upstream()

    def fail(_texts: Sequence[Pending]) -> Any:
        raise error

    upstream.answer = fail

    async def main() -> None:
        clock.advance(seconds=30)
        async with polling(any_store, upstream) as waits:
            assert [await waits.next() for _ in range(8)] == [30, 60, 120, 240, 480, 960, 1_800, 1_800]
            upstream.answer = told
            assert await waits.next() == 5.0

    with capture_logs() as logs:
        asyncio.run(main())
    said = [(entry["event"], entry["log_level"]) for entry in logs if entry["event"].startswith("carrier ")]
    assert said[-2:] == [("carrier not asked", "warning"), ("carrier asked again", "info")]
    assert len(said) == (3 if isinstance(error, ZeroDivisionError) else 2)
    assert {row.state for row in texts.rows(any_store)} == {"delivered"}


def test_an_answer_with_nonsense_in_it_stops_nothing(any_store: Store, clock: HandClock) -> None:
    """A report that cannot be written is left out; the text is asked about again."""
    send(any_store, clock, Outcome.accepted("x-1"))
    upstream = Upstream()
    odd: Any = object()
    upstream.answer = lambda _: [Report(carrier="a", state=State.DELIVERED, at=START, carrier_id="x-1", raw=odd)]

    async def main() -> None:
        clock.advance(seconds=30)
        async with polling(any_store, upstream) as waits:
            assert await waits.next() == 5.0
            upstream.answer = told
            clock.advance(seconds=60)
            assert await waits.next() == 5.0

    asyncio.run(main())
    assert {row.state for row in texts.rows(any_store)} == {"delivered"}


def test_texts_from_phones_are_fetched(any_store: Store) -> None:
    """At once, and then in the carrier's own rhythm; what was there before is kept once. Trouble backs off."""
    upstream = Upstream()
    inbound = Inbound(carrier="a", carrier_id="in-1", sender="+972502345678", to="", text="yes", at=START)
    upstream.inbox = lambda: [inbound]

    def fail() -> Any:
        raise StoreUnavailable("503")

    async def main() -> None:
        async with polling(any_store, upstream, asks=False, fetches=True) as waits:
            assert [await waits.next() for _ in range(2)] == [60.0, 60.0]
            upstream.inbox = fail
            assert [await waits.next() for _ in range(3)] == [30.0, 60.0, 120.0]

    asyncio.run(main())
    assert [kind for kind, _, _ in texts.happened(any_store)] == ["inbound"]


def test_a_carrier_that_is_not_to_be_fetched_from_is_not(any_store: Store) -> None:
    """Its settings say so with 0."""
    upstream = Upstream()
    upstream.fetch_every = 0

    async def main() -> None:
        async with polling(any_store, upstream, asks=False, fetches=True):
            for _ in range(5):
                await asyncio.sleep(0)

    asyncio.run(main())
    assert upstream.fetched == 0


def test_it_stops_in_the_middle_of_a_question(any_store: Store, clock: HandClock) -> None:
    """What hangs is not waited for; the texts are asked about after the next start."""
    (message,) = send(any_store, clock, Outcome.accepted("x-1"))
    upstream = Upstream()
    hung = asyncio.Event()

    async def hang(_texts: Sequence[Pending]) -> Sequence[Report]:
        hung.set()
        await asyncio.Event().wait()
        return []

    hanging: Any = hang
    upstream.states_of = hanging  # type: ignore[method-assign]

    async def main() -> None:
        clock.advance(seconds=30)
        async with polling(any_store, upstream):
            await asyncio.wait_for(hung.wait(), 20)

    asyncio.run(main())
    clock.advance(seconds=60)
    assert ids(due(any_store)) == [message]
