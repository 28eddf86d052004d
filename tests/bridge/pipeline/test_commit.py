"""The one writer: group commit, one answer for each, and what it does when the database does not."""

from __future__ import annotations

import asyncio
import dataclasses
import sqlite3
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, func, select
from structlog.testing import capture_logs

from bridge.model.account import Account, Directory
from bridge.model.errors import Conflict, InternalError, OptedOut, Stopping, StoreFull, StoreUnavailable, Trouble
from bridge.model.message import Addressee, Receipt, Submission
from bridge.pipeline.accept import Plan, Rules, accept
from bridge.pipeline.commit import Writer
from bridge.pipeline.routing import Route, Router
from bridge.store import accounts, opt_outs, schema
from bridge.store.engine import Connection, Store
from bridge.store.tables import heartbeat, idempotency_keys, messages
from tests.support import texts
from tests.support.clock import HandClock
from tests.support.nodes import run_together
from tests.support.postgres import Server
from tests.support.texts import make_plan, number

A, B, C = (number(index) for index in (1, 2, 3))


@asynccontextmanager
async def running(store: Store) -> AsyncIterator[Writer]:
    """A writer that is stopped at the end."""
    writer = Writer(store)
    writer.start()
    try:
        yield writer
    finally:
        await writer.stop()


@asynccontextmanager
async def gathered(writer: Writer) -> AsyncIterator[None]:
    """Keep the thread busy, so that all which is put in meanwhile waits together."""
    begun, go = threading.Event(), threading.Event()

    def busy(_connection: Connection) -> None:
        begun.set()
        go.wait(30)

    blocker = writer.run(busy)
    assert await asyncio.to_thread(begun.wait, 30)
    try:
        yield
    finally:
        go.set()
    await blocker


@contextmanager
def counted(store: Store) -> Iterator[list[str]]:
    """Keep how each transaction ended."""
    ends: list[str] = []
    listeners = {name: (lambda _connection, name=name: ends.append(name)) for name in ("commit", "rollback")}
    for name, listener in listeners.items():
        event.listen(store.engine, name, listener)
    try:
        yield ends
    finally:
        for name, listener in listeners.items():
            event.remove(store.engine, name, listener)


def number_of(store: Store, table: Any) -> int:
    """Count the rows of a table."""
    with store.read() as connection:
        return int(connection.scalar(select(func.count()).select_from(table)) or 0)


@pytest.fixture(autouse=True)
def account(request: pytest.FixtureRequest) -> None:
    """Every store of these tests has the account 1."""
    name = "any_store" if "any_store" in request.fixturenames else "store"
    assert texts.add_account(request.getfixturevalue(name)) == 1


# Durable, together.


def test_the_answer_comes_after_the_commit(any_store: Store, clock: HandClock) -> None:
    """When a receipt is there, another connection reads the rows; it names the message and every recipient."""
    plan = make_plan(clock, [(A, "a"), (B, None)])

    async def main() -> Receipt:
        async with running(any_store) as writer:
            receipt = await writer.submit(plan)
            assert len(texts.rows(any_store)) == 2
            return receipt

    receipt = asyncio.run(main())
    assert receipt.message_id == plan.message.id
    assert [(one.number, one.recipient_id, one.duplicate) for one in receipt.results] == [
        (A, f"{plan.message.id}-1", False),
        (B, f"{plan.message.id}-2", False),
    ]
    (row, _) = texts.rows(any_store)
    created = clock.ms
    assert (row.state, row.lane, row.due_at, row.attempts) == ("queued", "1", created, 0)
    assert (row.expires_at, row.updated_at) == (created + 86_400_000, created)


def test_all_that_wait_share_a_commit(any_store: Store, clock: HandClock) -> None:
    """Forty submissions and ten changes that wait together are one transaction."""

    async def main() -> None:
        async with running(any_store) as writer:
            with counted(any_store) as ends:
                async with gathered(writer):
                    answers = [writer.submit(make_plan(clock)) for _ in range(40)]
                    changes = [writer.run(schema.probe) for _ in range(10)]
                await asyncio.gather(*answers, *changes)
            assert ends == ["commit", "commit"]  # the first is that of the one which kept the thread busy

    asyncio.run(main())
    assert len(texts.rows(any_store)) == 40
    with any_store.read() as connection:
        assert connection.scalar(select(heartbeat.c.beats)) == 10


def test_new_texts_are_told_after_the_commit(store: Store, clock: HandClock) -> None:
    """on_commit comes once for a group with submissions, when its rows are there, and not for changes or failures."""
    seen: list[int] = []

    async def main() -> None:
        async with running(store) as writer:
            writer.on_commit = lambda: seen.append(len(texts.rows(store)))
            async with gathered(writer):
                pair = [writer.submit(make_plan(clock)) for _ in range(2)]
            await asyncio.gather(*pair)
            await writer.run(schema.probe)
            with pytest.raises(InternalError):
                await writer.submit(make_plan(clock, account_id=404))

    asyncio.run(main())
    assert seen == [2]


def test_a_listener_that_fails_spoils_no_answer(store: Store, clock: HandClock) -> None:
    """What is durable is answered as taken, whatever on_commit does."""

    async def main() -> None:
        async with running(store) as writer:
            writer.on_commit = lambda: 1 // 0  # type: ignore[assignment]
            for _ in range(2):
                await writer.submit(make_plan(clock))

    asyncio.run(main())
    assert len(texts.rows(store)) == 2


# Idempotency.


def submit_each(store: Store, *plans: Plan, together: bool) -> list[Receipt]:
    """Submit plans, one after the other or all in one transaction."""

    async def main() -> list[Receipt]:
        async with running(store) as writer:
            if not together:
                return [await writer.submit(plan) for plan in plans]
            async with gathered(writer):
                answers = [writer.submit(plan) for plan in plans]
            return await asyncio.gather(*answers)

    return asyncio.run(main())


@pytest.mark.parametrize("together", [False, True])
def test_the_same_key_gives_the_first_answer(any_store: Store, clock: HandClock, *, together: bool) -> None:
    """A submission that comes again, later or at the same time, sends nothing and names what the first one made."""
    plans = [make_plan(clock, [(A, "a"), (B, "b")]) for _ in range(3)]
    first, *again = submit_each(any_store, *plans, together=together)
    for receipt in again:
        assert receipt.message_id == first.message_id == plans[0].message.id
        assert [one.recipient_id for one in receipt.results] == [one.recipient_id for one in first.results]
        assert all(one.duplicate for one in receipt.results)
    assert not any(one.duplicate for one in first.results)
    assert [row.message_id for row in texts.rows(any_store)] == [plans[0].message.id] * 2
    assert number_of(any_store, messages) == 1


@pytest.mark.parametrize("together", [False, True])
def test_what_overlaps_sends_the_rest(any_store: Store, clock: HandClock, *, together: bool) -> None:
    """To A and B, then to B and C: C is new under the new message, B stands under its first id.

    The receipt's own id is the new message, for there is one; each result names its own recipient.
    """
    first, second = make_plan(clock, [(A, "a"), (B, "b")]), make_plan(clock, [(B, "b"), (C, "c")])
    _, receipt = submit_each(any_store, first, second, together=together)
    assert receipt.message_id == second.message.id
    assert [(one.number, one.recipient_id, one.duplicate) for one in receipt.results] == [
        (B, f"{first.message.id}-2", True),
        (C, f"{second.message.id}-2", False),
    ]
    assert [row.number for row in texts.rows(any_store)] == [A, B, C]
    third = make_plan(clock, [(C, "c"), (A, "a")])
    (receipt,) = submit_each(any_store, third, together=together)
    assert receipt.message_id == second.message.id
    assert [one.recipient_id for one in receipt.results] == [f"{second.message.id}-2", f"{first.message.id}-1"]
    assert number_of(any_store, messages) == 2


def accepted(clock: HandClock, *addressed: tuple[str, str | None]) -> Plan:
    """Return a plan as the rules make it, of numbers with their keys."""
    submission = Submission(
        account_id=1,
        door="test",
        origin="ann",
        recipients=tuple(Addressee(number=to, key=key) for to, key in addressed),
        text="hello",
    )
    directory = Directory.of(1, [Account(id=1, name="acme", region="IL")], [])
    return accept(
        submission, directory=directory, rules=Rules(router=Router([Route(name="1", carriers=("a",))])), now=clock()
    )


def test_a_number_twice_in_one_submission(any_store: Store, clock: HandClock) -> None:
    """One text; the second mention is answered as a duplicate of the first, again when all of it comes again."""
    plans = [accepted(clock, (A, A), (B, B), (A, A)) for _ in range(2)]
    first, again = submit_each(any_store, *plans, together=False)
    assert [one.duplicate for one in first.results] == [False, False, True]
    assert first.results[2].recipient_id == first.results[0].recipient_id
    assert [one.recipient_id for one in again.results] == [one.recipient_id for one in first.results]
    assert all(one.duplicate for one in again.results)
    assert len(texts.rows(any_store)) == 2


def test_a_key_twice_in_one_submission(any_store: Store, clock: HandClock) -> None:
    """The rule is the same within a submission: one key, one text, and the second is told so."""
    plans = [accepted(clock, (A, "same"), (B, "same")) for _ in range(2)]
    first, again = submit_each(any_store, *plans, together=False)
    assert [one.duplicate for one in first.results] == [False, True]
    assert [one.duplicate for one in again.results] == [True, True]
    assert {one.recipient_id for receipt in (first, again) for one in receipt.results} == {f"{plans[0].message.id}-1"}
    assert [row.number for row in texts.rows(any_store)] == [A]


def test_a_copy_is_judged_after_the_first(any_store: Store, clock: HandClock) -> None:
    """Copies that wait together: a refused one stands for none, so the next is taken, and answers for the rest."""
    with any_store.write() as connection:
        opt_outs.add(connection, B, 1, word="stop", now=clock.ms)
    refused = make_plan(clock, [(A, "a"), (B, "b")], all_or_nothing=True)
    copies = [make_plan(clock, [(A, "a")]) for _ in range(3)]
    with counted(any_store) as ends:
        first, taken, *again = submit_each(any_store, refused, *copies, together=True)
    assert "rollback" not in ends, "no copy breaks the transaction of the others"
    assert first.message_id is None
    assert all(isinstance(one.refusal, OptedOut) for one in first.results)
    assert (taken.message_id, taken.results[0].duplicate) == (copies[0].message.id, False)
    assert [(one.message_id, one.results[0].duplicate) for one in again] == [(copies[0].message.id, True)] * 2
    assert [(row.message_id, row.number) for row in texts.rows(any_store)] == [(copies[0].message.id, A)]


def test_copies_in_a_chain_are_all_answered(any_store: Store, clock: HandClock) -> None:
    """Each overlaps the one before it, in whatever order they wait: every number gets one text."""
    chain = [
        make_plan(clock, [(number(place), f"k{place}"), (number(place + 1), f"k{place + 1}")]) for place in range(9)
    ]
    with counted(any_store) as ends:
        receipts = submit_each(any_store, *chain[::2], *chain[1::2], together=True)
    assert "rollback" not in ends, "no copy breaks the transaction of the others"
    assert sum(not one.duplicate for receipt in receipts for one in receipt.results) == 10
    assert sorted(row.number for row in texts.rows(any_store)) == [number(place) for place in range(10)]
    known = {f"{row.message_id}-{row.position}": row.number for row in texts.rows(any_store)}
    assert all(known[one.recipient_id or ""] == one.number for receipt in receipts for one in receipt.results)


def test_keys_belong_to_an_account(any_store: Store, clock: HandClock) -> None:
    """The same key of two accounts is two texts; no key is never the same."""
    other = texts.add_account(any_store, "other")
    plans = [
        make_plan(clock, [(A, "a")]),
        make_plan(clock, [(A, "a")], account_id=other),
        make_plan(clock, [(A, None), (A, None)]),
        make_plan(clock, [(A, None)]),
    ]
    submit_each(any_store, *plans, together=True)
    assert len(texts.rows(any_store)) == 5


_SAME = """
import asyncio, random
from bridge.pipeline.commit import Writer
from bridge.store.engine import Store
from tests.support import texts
from tests.support.clock import HandClock
store, clock, node = Store(sys.argv[1]), HandClock(), int(sys.argv[2])
texts._ids = iter(range(node * 1000 + 1, node * 1000 + 1000))
keys = [f"k{place}" for place in range(40)]
order = random.Random(node)
async def main():
    writer = Writer(store)
    writer.start()
    ready()
    got = {}
    def note(receipt):
        for place, result in enumerate(receipt.results):
            got.setdefault(result.number, []).append([result.recipient_id, result.duplicate])
    def plan(chosen):
        return texts.make_plan(clock, [(texts.number(keys.index(key)), key) for key in chosen])
    for key in order.sample(keys[:20], 20):     # one after the other
        note(await writer.submit(plan([key])))
    for receipt in await asyncio.gather(*(      # and all at once, two numbers each
        writer.submit(plan(order.sample(keys[20:], 2))) for _ in range(20)
    )):
        note(receipt)
    await writer.stop()
    return got
answer(asyncio.run(main()))
"""


def test_the_same_key_in_two_processes_at_once(any_store: Store, any_url: str) -> None:
    """Two processes that take the same keys at the same moment make one text of each, and both name that one."""
    one, two = run_together(_SAME, [[any_url, "1"], [any_url, "2"]])
    assert set(one) & set(two)
    for to in set(one) | set(two):
        answers = one.get(to, []) + two.get(to, [])
        assert len({recipient for recipient, _ in answers}) == 1, to
        assert sum(not duplicate for _, duplicate in answers) == 1, to
    rows = texts.rows(any_store)
    assert sorted(row.number for row in rows) == sorted(set(one) | set(two))
    assert number_of(any_store, idempotency_keys) == len(rows)


# One that fails.


def broken(clock: HandClock, kind: str) -> Plan:
    """A plan that the database cannot take."""
    plan = make_plan(clock, [(A, "broken")])
    changes: dict[str, dict[str, Any]] = {
        "no such account": {"account_id": 404},
        "half a surrogate pair": {"origin": "half \ud83d pair"},
        "nothing where something must be": {"door": None},
    }
    return dataclasses.replace(plan, message=dataclasses.replace(plan.message, **changes[kind]))


@pytest.mark.parametrize("kind", ["no such account", "half a surrogate pair", "nothing where something must be"])
def test_a_bad_one_fails_alone(any_store: Store, clock: HandClock, kind: str) -> None:
    """Among many, the one that breaks the transaction is refused as a bug of ours; all others are taken."""
    bad, good = broken(clock, kind), [make_plan(clock, [(number(place), f"k{place}")]) for place in range(8)]

    async def main() -> list[Any]:
        async with running(any_store) as writer:
            async with gathered(writer):
                answers = [writer.submit(plan) for plan in [*good[:4], bad, *good[4:]]]
            return await asyncio.gather(*answers, return_exceptions=True)

    results = asyncio.run(main())
    assert isinstance(results.pop(4), InternalError)
    assert [receipt.message_id for receipt in results] == [plan.message.id for plan in good]
    assert [row.message_id for row in texts.rows(any_store)] == [plan.message.id for plan in good]
    assert number_of(any_store, idempotency_keys) == len(good)


SECRETS = ("private", "4711", A.removeprefix("+"), "the-key")


@pytest.mark.parametrize("kind", ["no such account", "half a surrogate pair", "nothing where something must be"])
def test_what_fails_is_logged_without_its_text(any_store: Store, clock: HandClock, kind: str) -> None:
    """The log says what kind of error it was, and where; of the rows it holds no text, no number, no key."""
    secret = make_plan(clock, [(A, "the-key")], text="private: 4711")
    bad = dataclasses.replace(secret, message=dataclasses.replace(broken(clock, kind).message, text="private: 4711"))

    async def main() -> InternalError:
        async with running(any_store) as writer:
            with pytest.raises(InternalError) as told:
                await writer.submit(bad)
            return told.value

    with capture_logs() as logs:
        told = asyncio.run(main())
    (line,) = [log for log in logs if log["event"] == "transaction failed"]
    assert line["error"]
    assert "in _transaction" in line["stack"]
    assert not [secret for secret in SECRETS if secret in repr(logs) or secret in told.reason]


@pytest.mark.postgres
def test_a_value_that_no_column_holds_fails_alone(postgres_url: str, clock: HandClock) -> None:
    """NUL, which SQLite keeps and PostgreSQL does not: no trouble of the database, and none for the others."""
    store = Store(postgres_url, clock=clock)
    texts.add_account(store)
    bad = make_plan(clock)
    bad = dataclasses.replace(bad, message=dataclasses.replace(bad.message, origin="nul \0 inside"))

    async def main() -> list[Any]:
        async with running(store) as writer:
            async with gathered(writer):
                answers = [writer.submit(plan) for plan in (make_plan(clock), bad, make_plan(clock))]
            results = await asyncio.gather(*answers, return_exceptions=True)
            assert writer.trouble is None
            return results

    before, failed, after = asyncio.run(main())
    store.close()
    assert isinstance(failed, InternalError)
    assert isinstance(before, Receipt)
    assert isinstance(after, Receipt)


def test_a_change_that_raises_fails_alone(any_store: Store, clock: HandClock) -> None:
    """What it wrote is gone, its own error comes back, and what shared the transaction is kept once."""

    def refuse(connection: Connection) -> None:
        accounts.add_account(connection, "half done", region=None, now=0)
        reason = "no"
        raise Conflict(reason)

    def stumble(connection: Connection) -> None:
        accounts.add_account(connection, "half done too", region=None, now=0)
        raise ZeroDivisionError

    async def main() -> list[Any]:
        async with running(any_store) as writer:
            async with gathered(writer):
                answers: list[asyncio.Future[Any]] = [
                    writer.run(schema.probe),
                    writer.run(refuse),
                    writer.submit(make_plan(clock)),
                    writer.run(stumble),
                    writer.run(lambda _: "fine"),
                ]
            return await asyncio.gather(*answers, return_exceptions=True)

    probed, refused, receipt, stumbled, fine = asyncio.run(main())
    assert probed is None
    assert isinstance(refused, Conflict)
    assert isinstance(receipt, Receipt)
    assert isinstance(stumbled, InternalError)
    assert isinstance(stumbled.__cause__, ZeroDivisionError)
    assert stumbled.reason == "internal error"
    assert fine == "fine"
    with any_store.read() as connection:
        assert [one.name for one in accounts.list_accounts(connection)] == ["acme"]
        assert connection.scalar(select(heartbeat.c.beats)) == 1
    assert len(texts.rows(any_store)) == 1


def test_a_change_that_ran_twice_has_its_effect_once(any_store: Store) -> None:
    """The first run was rolled back with its neighbour's mistake: its result is that of the second."""
    runs: list[int] = []

    def count(connection: Connection) -> int:
        schema.probe(connection)
        runs.append(1)
        return int(connection.scalar(select(heartbeat.c.beats)) or 0)

    async def main() -> list[Any]:
        async with running(any_store) as writer:
            async with gathered(writer):
                answers = [writer.run(count), writer.run(lambda _: 1 // 0), writer.run(count)]
            return await asyncio.gather(*answers, return_exceptions=True)

    first, failed, second = asyncio.run(main())
    assert isinstance(failed, InternalError)
    assert (first, second) == (1, 2)
    assert len(runs) == 3
    with any_store.read() as connection:
        assert connection.scalar(select(heartbeat.c.beats)) == 2


# The database fails.


def test_a_full_disk_is_told_to_all_and_passes(store: Store, clock: HandClock) -> None:
    """StoreFull for every one that waits, with nothing kept; when there is space again, all goes on by itself."""
    pages: list[str] = []

    @event.listens_for(store.engine, "checkout")
    def _limit(connection: sqlite3.Connection, *_: Any) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages[0] if pages else 1}").close()

    async def main() -> None:
        async with running(store) as writer:
            async with gathered(writer):
                answers = [writer.submit(make_plan(clock, [(A, "a")], text="x" * 300_000)) for _ in range(3)]
            for error in await asyncio.gather(*answers, return_exceptions=True):
                assert isinstance(error, StoreFull)
            assert isinstance(writer.trouble, StoreFull)
            assert texts.rows(store) == []
            pages.append("1073741823")
            receipt = await writer.submit(make_plan(clock, [(A, "a")]))
            assert not receipt.results[0].duplicate
            assert writer.trouble is None

    asyncio.run(main())


def test_a_lock_that_stays_is_told_and_passes(store: Store, sqlite_url: str, clock: HandClock) -> None:
    """Another process that holds the file too long is StoreUnavailable; afterwards all goes on by itself."""

    @event.listens_for(store.engine, "checkout")
    def _short(connection: sqlite3.Connection, *_: Any) -> None:
        connection.execute("PRAGMA busy_timeout = 20").close()

    other = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)

    async def main() -> None:
        async with running(store) as writer:
            other.execute("BEGIN EXCLUSIVE")
            for _ in range(2):
                with pytest.raises(StoreUnavailable) as told:
                    await writer.submit(make_plan(clock, [(A, "a")]))
                assert told.value.temporary
                assert writer.trouble is told.value
            other.execute("ROLLBACK")
            await writer.submit(make_plan(clock, [(A, "a")]))
            assert writer.trouble is None

    asyncio.run(main())
    other.close()
    assert len(texts.rows(store)) == 1


@pytest.mark.postgres
def test_a_cut_connection_is_told_and_passes(postgres: Server, postgres_url: str, clock: HandClock) -> None:
    """When PostgreSQL drops us in a transaction its waiters get a Trouble, nothing is kept, and the next is taken."""
    store = Store(postgres_url, clock=clock)
    texts.add_account(store)

    def cut(connection: Connection) -> None:
        schema.probe(connection)
        postgres.disconnect_all(postgres_url)
        schema.probe(connection)

    async def main() -> None:
        async with running(store) as writer:
            async with gathered(writer):
                answers: list[asyncio.Future[Any]] = [writer.submit(make_plan(clock, [(A, "a")])), writer.run(cut)]
            for error in await asyncio.gather(*answers, return_exceptions=True):
                assert isinstance(error, Trouble)
            assert writer.trouble is not None
            receipt = await writer.submit(make_plan(clock, [(A, "a")]))
            assert not receipt.results[0].duplicate
            assert writer.trouble is None

    asyncio.run(main())
    assert len(texts.rows(store)) == 1
    store.close()


# Waiters and the end.


def test_a_waiter_that_left_disturbs_nobody(store: Store, clock: HandClock) -> None:
    """A client that hung up: its submission is kept, for it was under way, and its neighbours get their answers."""
    plans = [make_plan(clock) for _ in range(3)]

    async def main() -> None:
        async with running(store) as writer:
            async with gathered(writer):
                answers = [writer.submit(plan) for plan in plans]
                answers[1].cancel()
            first, gone, last = await asyncio.gather(*answers, return_exceptions=True)
            assert isinstance(gone, asyncio.CancelledError)
            assert isinstance(first, Receipt)
            assert isinstance(last, Receipt)

    asyncio.run(main())
    assert len(texts.rows(store)) == 3


def test_a_loop_that_ended_disturbs_nobody(store: Store, clock: HandClock) -> None:
    """Answers for an event loop that is closed are dropped; the thread goes on for others."""
    writer = Writer(store)
    writer.start()
    begun, go = threading.Event(), threading.Event()

    def busy(_connection: Connection) -> None:
        begun.set()
        go.wait(30)

    async def leave() -> None:
        writer.run(busy)
        await asyncio.to_thread(begun.wait, 30)
        writer.submit(make_plan(clock))

    asyncio.run(leave())
    go.set()

    async def others() -> Receipt:
        receipt = await writer.submit(make_plan(clock))
        await writer.stop()
        return receipt

    assert asyncio.run(others()).message_id
    assert len(texts.rows(store)) == 2


def test_stopping_finishes_what_waits_and_refuses_the_rest(store: Store, clock: HandClock) -> None:
    """All that was put in before stop is answered; what comes after it is Stopping, at once."""

    async def main() -> None:
        writer = Writer(store)
        writer.start()
        answers = [writer.submit(make_plan(clock)) for _ in range(20)]
        stopping = asyncio.create_task(writer.stop())
        await asyncio.sleep(0)
        for late in (lambda: writer.submit(make_plan(clock)), lambda: writer.run(schema.probe)):
            with pytest.raises(Stopping):
                await late()
        await stopping
        assert all(isinstance(receipt, Receipt) for receipt in await asyncio.gather(*answers))
        await writer.stop()  # twice is harmless

    asyncio.run(main())
    assert len(texts.rows(store)) == 20


def test_stopping_does_not_wait_for_a_lock_that_stays(store: Store, sqlite_url: str, clock: HandClock) -> None:
    """A database that somebody else holds keeps nobody from stopping; what then still succeeds is durable."""
    other = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)

    async def main() -> None:
        writer = Writer(store)
        writer.start()
        await writer.run(schema.probe)
        other.execute("BEGIN IMMEDIATE")
        answer = writer.submit(make_plan(clock, [(A, "a")]))
        await writer.stop(seconds=0.05)
        assert not answer.done()
        other.execute("ROLLBACK")
        assert (await answer).message_id
        await writer.stop()

    asyncio.run(main())
    other.close()
    assert len(texts.rows(store)) == 1


def test_a_writer_that_never_started_stops(store: Store) -> None:
    """A start that failed elsewhere closes what it had not begun."""
    asyncio.run(Writer(store).stop())


def test_the_lifetime_is_kept(store: Store, clock: HandClock) -> None:
    """Rows expire when their message does, to the millisecond."""
    submit_each(store, make_plan(clock, lifetime=timedelta(milliseconds=1_500)), together=False)
    assert texts.rows(store)[0].expires_at == clock.ms + 1_500
