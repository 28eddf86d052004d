"""What every database must do for the queue: who gets which row, until when, and whose word is recorded."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, Text, cast, event, select, text, update

from bridge.model.message import Priority, Report
from bridge.model.state import State
from bridge.store import asks, early, lanes, queue, reports, submissions
from bridge.store.engine import Store
from bridge.store.lanes import Stray
from bridge.store.queue import Change, Claimed
from bridge.store.tables import recipients
from tests.support import texts
from tests.support.clock import START, HandClock
from tests.support.nodes import run_together

LEASE = 30_000


@pytest.fixture
def clerk(any_store: Store, clock: HandClock) -> Clerk:
    """The queue of a store with one account."""
    texts.add_account(any_store)
    return Clerk(any_store, clock)


class Clerk:
    """Calls the queue in transactions of its own, with the store's time."""

    def __init__(self, store: Store, clock: HandClock) -> None:
        self.store = store
        self.clock = clock

    def put(self, **options: Any) -> str:
        """Queue a text to one number; returns the message's id."""
        plan = texts.make_plan(self.clock, **options)
        texts.put(self.store, plan)
        return plan.message.id

    def claim(
        self,
        limit: int = 10,
        *,
        owner: str = "me",
        lane: str = "1",
        carrier: Callable[[str, str | None, bool], str | None] = lambda _name, named, _in_doubt: named or "a",
    ) -> list[Claimed]:
        with self.store.write() as connection:
            now = self.store.now(connection)
            return queue.claim(
                connection, lane=lane, limit=limit, owner=owner, now=now, until=now + LEASE, carrier=carrier
            )

    def ids(self, limit: int = 10, **options: Any) -> list[str]:
        return [row.message_id for row in self.claim(limit, **options)]

    def record(self, *changes: Change, owner: str | None = "me") -> set[tuple[str, int]]:
        with self.store.write() as connection:
            return queue.record(connection, changes, owner=owner, now=self.store.now(connection))

    def overdue(self, limit: int = 10) -> list[str]:
        with self.store.write() as connection:
            found = queue.overdue(connection, now=self.store.now(connection), limit=limit)
            return [one.message_id for one in found]

    def alter(self, message_id: str, **values: Any) -> None:
        """Set columns of a text's row."""
        with self.store.write() as connection:
            connection.execute(update(recipients).where(recipients.c.message_id == message_id).values(values))

    def row(self, message_id: str) -> Any:
        return texts.row(self.store, message_id)


# Claiming.


def test_a_claim_gives_all_that_a_carrier_needs(clerk: Clerk) -> None:
    """The claimed row holds the text, and its place in the store says who has it until when."""
    message = clerk.put(
        text="שלום", sender="Acme", price=750, priority=Priority.HIGH, addressed=[(texts.number(1), "k")]
    )
    created = clerk.clock.ms
    clerk.clock.advance(ms=5)
    (claimed,) = clerk.claim(owner="me")
    assert claimed == Claimed(
        message_id=message,
        position=1,
        account_id=1,
        number=texts.number(1),
        text="שלום",
        encoding="ucs2",
        sender="Acme",
        parts=1,
        attempt=1,
        carrier="a",
        in_doubt=False,
        lane="1",
        price=750,
        created_at=created,
        expires_at=created + 86_400_000,
        priority=Priority.HIGH,
    )
    row = clerk.row(message)
    assert (row.state, row.lease_owner, row.lease_until, row.attempts) == ("sending", "me", clerk.clock.ms + LEASE, 1)
    assert (row.carrier, row.updated_at) == ("a", clerk.clock.ms)


@pytest.mark.parametrize(("late_by", "claimed"), [(-1, False), (0, True), (1, True)])
def test_a_row_is_eligible_from_its_time(clerk: Clerk, late_by: int, *, claimed: bool) -> None:
    """A row that is due now is eligible, one that is due in a millisecond is not."""
    message = clerk.put()
    clerk.alter(message, due_at=clerk.clock.ms - late_by)
    assert clerk.ids() == ([message] if claimed else [])


def test_only_queued_rows_are_claimed(clerk: Clerk) -> None:
    """A row in any other state is left alone."""
    messages = {state: clerk.put() for state in State}
    for state, message in messages.items():
        clerk.alter(message, state=state)
    assert clerk.ids(100) == [messages[State.QUEUED]]
    assert {state for state, message in messages.items() if clerk.row(message).state != state} == {State.QUEUED}


def test_a_lane_is_claimed_alone(clerk: Clerk) -> None:
    """Rows of other lanes stay."""
    here, there = clerk.put(lane="1"), clerk.put(lane="2")
    assert clerk.ids(lane="1") == [here]
    assert clerk.ids(lane="3") == []
    assert clerk.ids(lane="2") == [there]


def test_the_most_urgent_goes_first_then_the_longest_due(clerk: Clerk) -> None:
    """Priority decides; among equals the one that is due for longest, however late it was put in."""
    late = clerk.put(priority=Priority.NORMAL)
    bulk = clerk.put(priority=Priority.BULK)
    urgent = clerk.put(priority=Priority.URGENT)
    early = clerk.put(priority=Priority.NORMAL)
    high = clerk.put(priority=Priority.HIGH)
    clerk.alter(early, due_at=clerk.clock.ms - 2)
    clerk.alter(late, due_at=clerk.clock.ms - 1)
    clerk.alter(bulk, due_at=clerk.clock.ms - 999)
    assert clerk.ids(2) == [urgent, high]
    assert clerk.ids(2) == [early, late]
    assert clerk.ids(2) == [bulk]


def test_a_claim_is_as_large_as_asked(clerk: Clerk) -> None:
    """A claim brings at most its limit, over all priorities together."""
    for priority in (Priority.HIGH, Priority.NORMAL, Priority.BULK):
        for _ in range(2):
            clerk.put(priority=priority)
    assert [len(clerk.claim(limit)) for limit in (3, 2, 10)] == [3, 2, 1]


def test_recipients_of_one_message_are_claimed_each(clerk: Clerk) -> None:
    """A message to three numbers is three rows; each comes once."""
    clerk.put(addressed=[(texts.number(index), None) for index in range(3)])
    first = clerk.claim(2)
    assert sorted((row.position, row.number) for row in first + clerk.claim(2)) == [
        (1, texts.number(0)),
        (2, texts.number(1)),
        (3, texts.number(2)),
    ]


def test_the_carrier_is_chosen_from_what_the_row_knows(clerk: Clerk) -> None:
    """The choice is asked with our id, the row's carrier and doubt; no choice keeps the carrier that the row names."""
    message = clerk.put()
    clerk.alter(message, carrier="b", in_doubt=True)
    asked: list[tuple[str, str | None, bool]] = []

    def nobody(*known: Any) -> None:
        asked.append(known)

    (claimed,) = clerk.claim(carrier=nobody)
    assert asked == [(f"{message}-1", "b", True)]
    assert (claimed.carrier, claimed.in_doubt) == (None, True)
    assert clerk.row(message).carrier == "b"


def test_two_threads_never_get_the_same_row(any_url: str, clerk: Clerk) -> None:
    """Four claimers with connections of their own share 300 rows: each row goes to one, and none is left."""
    texts.put(clerk.store, *(texts.make_plan(clerk.clock) for _ in range(300)))
    got: list[list[str]] = [[] for _ in range(4)]
    start = threading.Barrier(len(got))

    def work(place: int) -> None:
        own = Clerk(Store(any_url, clock=clerk.clock), clerk.clock)
        start.wait(10)
        while claimed := own.ids(7, owner=str(place)):
            got[place] += claimed
        own.store.close()

    threads = [threading.Thread(target=work, args=(place,)) for place in range(len(got))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    everything = [one for own in got for one in own]
    assert len(everything) == len(set(everything)) == 300


_CLAIM = """
from bridge.store import gauges, queue
from bridge.store.engine import Store
store = Store(sys.argv[1])
got = []
ready()
while True:
    with store.write() as connection:
        now = store.now(connection)
        rows = queue.claim(connection, lane="1", limit=7, owner=sys.argv[2], now=now, until=now + 30_000,
                           carrier=lambda name, named, in_doubt: "a")
    if not rows:
        break
    got += [row.message_id for row in rows]
    for _ in range(5):  # what a node does between two claims lets the other one in
        with store.read() as connection:
            gauges.waiting(connection)
answer(got)
"""


def test_two_processes_never_get_the_same_row(any_url: str, clerk: Clerk) -> None:
    """The same between two real processes, on the database's own clock."""
    clerk.clock.advance(seconds=-10 * 365 * 86_400)  # due for all who have the real time
    texts.put(clerk.store, *(texts.make_plan(clerk.clock) for _ in range(700)))
    got = run_together(_CLAIM, [[any_url, "one"], [any_url, "two"]])
    assert all(got), "one process was done before the other began"
    assert len(got[0] + got[1]) == len(set(got[0] + got[1])) == 700


@pytest.mark.postgres
def test_a_locked_row_is_passed_over(postgres_url: str, clock: HandClock) -> None:
    """On PostgreSQL a claim does not wait for a row that another transaction has: it takes the next."""
    store = Store(postgres_url, clock=clock)
    texts.add_account(store)
    clerk = Clerk(store, clock)
    first, second = clerk.put(), clerk.put()
    with store.write() as connection:
        connection.execute(select(recipients).where(recipients.c.message_id == first).with_for_update())
        assert clerk.ids() == [second]
    assert clerk.ids() == [first]
    store.close()


# Leases.


@pytest.mark.parametrize(("after", "reaped"), [(LEASE - 1, False), (LEASE, True), (LEASE + 1, True)])
def test_a_lease_ends_to_the_millisecond(clerk: Clerk, after: int, *, reaped: bool) -> None:
    """A row may be reaped exactly when its lease ends, and not one millisecond before."""
    message = clerk.put()
    clerk.claim()
    clerk.clock.advance(ms=after)
    assert clerk.overdue() == ([message] if reaped else [])


def test_renewal_moves_the_end_of_all_own_leases(clerk: Clerk) -> None:
    """Renewing counts and moves the owner's leases, and nobody else's."""
    for _ in range(3):
        clerk.put()
    clerk.claim(2, owner="me")
    (theirs,) = clerk.ids(1, owner="they")
    clerk.clock.advance(ms=LEASE - 1)
    with clerk.store.write() as connection:
        assert queue.renew(connection, owner="me", until=clerk.clock.ms + LEASE) == 2
    clerk.clock.advance(ms=1)
    assert clerk.overdue() == [theirs]
    clerk.clock.advance(ms=LEASE - 2)
    assert clerk.overdue() == [theirs]
    clerk.clock.advance(ms=1)
    assert len(clerk.overdue()) == 3


def test_overdue_is_bounded_and_names_the_carrier(clerk: Clerk) -> None:
    """Reaping goes by batches, each row with what the choice of its next state needs."""
    for _ in range(3):
        clerk.put()
    clerk.claim()
    clerk.clock.advance(ms=LEASE)
    assert len(clerk.overdue(limit=2)) == 2
    with clerk.store.write() as connection:
        found = queue.overdue(connection, now=clerk.clock.ms, limit=1)
    assert [(one.position, one.account_id, one.carrier) for one in found] == [(1, 1, "a")]


def test_release_gives_a_row_back_untried(clerk: Clerk) -> None:
    """A released row is queued as before: no try counted, no lease, due at once."""
    message = clerk.put()
    clerk.claim()
    assert _release(clerk, [(message, 1)]) == 1
    row = clerk.row(message)
    assert (row.state, row.attempts, row.lease_owner, row.lease_until) == ("queued", 0, None, None)
    assert clerk.claim()[0].attempt == 1


def test_release_needs_the_lease(clerk: Clerk) -> None:
    """Nobody releases what another owner holds, what is not in hand, or what does not exist."""
    message, waiting = clerk.put(), clerk.put()
    clerk.claim(1, owner="they")
    assert _release(clerk, [(message, 1), (waiting, 1), (message, 2)]) == 0
    assert _release(clerk, []) == 0
    assert clerk.row(message).lease_owner == "they"
    assert clerk.row(waiting).attempts == 0


def _release(clerk: Clerk, keys: Sequence[tuple[str, int]]) -> int:
    with clerk.store.write() as connection:
        return queue.release(connection, owner="me", keys=keys, now=clerk.clock.ms)


# Recording.


def test_a_record_writes_what_is_given_and_keeps_the_rest(clerk: Clerk) -> None:
    """A change sets its fields and ends the lease; what it leaves at None stays as it was."""
    message = clerk.put()
    clerk.claim()
    clerk.clock.advance(ms=3)
    change = Change(
        message_id=message,
        position=1,
        state=State.SENT,
        carrier="b",
        in_doubt=True,
        carrier_id="x-1",
        reason="because",
        raw='{"ok": true}',
        due_at=5,
    )
    assert clerk.record(change) == {(message, 1)}
    row = clerk.row(message)
    assert (row.state, row.carrier, row.in_doubt, row.carrier_id) == ("sent", "b", True, "x-1")
    assert (row.reason, row.raw, row.due_at, row.updated_at) == ("because", '{"ok": true}', 5, clerk.clock.ms)
    assert (row.lease_owner, row.lease_until) == (None, None)
    assert clerk.record(Change(message_id=message, position=1, state=State.DELIVERED), owner=None) == {(message, 1)}
    row = clerk.row(message)
    assert (row.state, row.carrier, row.in_doubt, row.carrier_id) == ("delivered", "b", True, "x-1")
    assert (row.reason, row.raw, row.due_at) == ("because", '{"ok": true}', 5)


def test_doubt_can_end(clerk: Clerk) -> None:
    """False is written, where None keeps."""
    message = clerk.put()
    clerk.alter(message, in_doubt=True)
    clerk.claim()
    clerk.record(Change(message_id=message, position=1, state=State.QUEUED, in_doubt=False))
    assert clerk.row(message).in_doubt is False


def test_only_the_owner_of_the_lease_is_believed(clerk: Clerk) -> None:
    """A process whose row another one took over changes nothing."""
    message = clerk.put()
    clerk.claim(owner="they")
    change = Change(message_id=message, position=1, state=State.REFUSED)
    assert clerk.record(change, owner="me") == set()
    assert clerk.row(message).state == "sending"
    assert clerk.record(change, owner="they") == {(message, 1)}


def test_a_row_that_moved_on_is_not_recorded(clerk: Clerk) -> None:
    """What a report, a person or another process has settled meanwhile stands."""
    messages = {state: clerk.put() for state in State}
    clerk.claim(100)
    for state, message in messages.items():
        clerk.alter(message, state=state)
    refused = [Change(message_id=message, position=1, state=State.REFUSED) for message in messages.values()]
    open_ones = {State.SENDING, State.UNKNOWN}
    assert clerk.record(*refused) == {(messages[state], 1) for state in open_ones}
    for state, message in messages.items():
        assert clerk.row(message).state == (State.REFUSED if state in open_ones else state)


def test_a_late_answer_for_a_row_reaped_to_unknown_is_taken(clerk: Clerk) -> None:
    """Unknown means that nobody knows; whoever comes with the answer does."""
    message = clerk.put()
    clerk.claim()
    clerk.alter(message, state=State.UNKNOWN, lease_owner=None, lease_until=None)
    late = Change(message_id=message, position=1, state=State.SENT, carrier_id="x", attempt=1)
    assert clerk.record(late) == {(message, 1)}
    assert (clerk.row(message).state, clerk.row(message).carrier_id) == ("sent", "x")


def test_the_end_of_one_try_never_ends_another(clerk: Clerk) -> None:
    """An outcome that is written a second time, after its row was claimed again by the same owner, changes nothing."""
    message = clerk.put()
    clerk.claim()
    first = Change(message_id=message, position=1, state=State.QUEUED, due_at=clerk.clock.ms, attempt=1)
    assert clerk.record(first) == {(message, 1)}
    assert clerk.claim()[0].attempt == 2
    assert clerk.record(first) == set()
    row = clerk.row(message)
    assert (row.state, row.lease_owner) == ("sending", "me")


@pytest.mark.parametrize("words", ["nul \0 inside", "half \ud83d pair", 'שלום \\u0000 ✓ "', ""])
def test_a_carriers_words_never_break_a_record(clerk: Clerk, words: str) -> None:
    """Whatever a carrier answered, its outcome is written, and so is the next one beside it."""
    strange, plain = clerk.put(), clerk.put()
    clerk.claim()
    changed = clerk.record(
        Change(message_id=strange, position=1, state=State.SENT, carrier_id=words, reason=words, raw=words),
        Change(message_id=plain, position=1, state=State.SENT),
    )
    assert changed == {(strange, 1), (plain, 1)}
    kept = clerk.row(strange).raw
    assert "\0" not in kept
    assert kept == words.replace("\0", "").replace("\ud83d", "?")


def test_nothing_to_record(clerk: Clerk) -> None:
    """No changes are no statement."""
    assert clerk.record() == set()


# Lanes and counts.


def test_strays_are_found_and_moved(clerk: Clerk) -> None:
    """Queued rows of lanes that no longer exist are listed and can be moved; rows in hand are not."""
    kept, held = clerk.put(lane="1"), clerk.put(lane="old")
    gone = clerk.put(lane="old", sender="Acme", priority=Priority.HIGH)
    clerk.alter(held, state=State.SENDING)
    with clerk.store.write() as connection:
        assert lanes.strays(connection, known=["1", "2"], limit=10) == [
            Stray(
                message_id=gone,
                position=1,
                number=texts.number(5678),
                account="acme",
                sender="Acme",
                priority=Priority.HIGH,
            )
        ]
        lanes.move(connection, [(gone, 1, "1"), (held, 1, "1")])
    assert [clerk.row(one).lane for one in (kept, gone, held)] == ["1", "1", "old"]
    with clerk.store.write() as connection:
        assert lanes.strays(connection, known=["1"], limit=10) == []


# The statements find their rows by index, however long the queue is.


@contextmanager
def _statements(engine: Engine) -> Iterator[list[tuple[str, Any]]]:
    """Collect what is sent to the database."""
    sent: list[tuple[str, Any]] = []

    def keep(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        sent.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", keep)
    try:
        yield sent
    finally:
        event.remove(engine, "before_cursor_execute", keep)


def _plans(store: Store, sent: Sequence[tuple[str, Any]]) -> list[str]:
    """Ask the database how it does each statement."""
    explain = {"sqlite": "EXPLAIN QUERY PLAN ", "postgresql": "EXPLAIN "}[store.dialect]
    plans = []
    with store.read() as connection:
        for statement, parameters in sent:
            if statement.startswith(("SELECT", "UPDATE", "INSERT")):
                lines = connection.exec_driver_sql(explain + statement, parameters)
                plans.append("\n".join(str(line[-1]) for line in lines))
    return plans


@pytest.fixture
def crowded(clerk: Clerk) -> Clerk:
    """A queue of 20,000 rows, each with a key, and statistics."""
    plans = [
        texts.make_plan(clerk.clock, [(texts.number(place % 10_000), f"{block}-{place}") for place in range(1_000)])
        for block in range(20)
    ]
    texts.put(clerk.store, *plans)
    with clerk.store.engine.connect() as connection:
        connection.exec_driver_sql("ANALYZE")
        connection.commit()
    return clerk


def test_no_statement_of_the_queue_reads_the_whole_table(crowded: Clerk) -> None:
    """With 20,000 rows queued, claim, record, release and the look for keys go by index and primary key alone.

    On SQLite the outer loop is the batch (json_each), and the claim needs no sorting.
    """
    store, now = crowded.store, crowded.clock.ms
    with _statements(store.engine) as sent, store.write() as connection:
        claimed = queue.claim(
            connection, lane="1", limit=100, owner="me", now=now, until=now + LEASE, carrier=lambda *_: "a"
        )
        keys = [(row.message_id, row.position) for row in claimed]
        changes = [Change(message_id=key[0], position=key[1], state=State.SENT, attempt=1) for key in keys[:50]]
        assert len(queue.record(connection, changes, owner="me", now=now)) == 50
        assert queue.release(connection, owner="me", keys=keys[50:], now=now) == 50
        assert len(submissions.taken(connection, [(1, f"3-{place}") for place in range(100)])) == 100
        queue.overdue(connection, now=now, limit=500)
        queue.is_stale(connection, lane="2", now=now)
        queue.renew(connection, owner="me", until=now + LEASE)
    plans = _plans(store, sent)
    assert len(plans) >= 8
    everything = "\n".join(plans)
    if store.dialect == "sqlite":
        for plan in plans:
            for line in plan.splitlines():
                assert not line.startswith(("SCAN recipients", "SCAN k", "SCAN messages")) or "INDEX" in line, plan
            if "json_each" in plan:
                assert plan.splitlines()[0].startswith("SCAN json_each"), plan
                assert "SEARCH" in plan.splitlines()[1], plan
        assert "TEMP B-TREE" not in everything
        assert "ix_recipients_queue (lane=? AND priority=? AND due_at<?)" in everything
        assert "ix_recipients_lease (lease_until<?)" in everything
        assert "PRIMARY KEY (message_id=? AND position=?)" in everything
    else:
        assert "Seq Scan on recipients" not in everything
        assert "Seq Scan on idempotency_keys" not in everything
        assert "Index Scan using ix_recipients_queue" in everything
        assert "Index Scan using pk_recipients" in everything
        assert "ix_recipients_lease" in everything


def test_no_statement_of_news_reads_the_whole_table(crowded: Clerk) -> None:
    """Among 20,000 texts, reports find theirs by index, by either id; so do early ones, and the texts to ask about."""
    store, now = crowded.store, crowded.clock.ms
    message = texts.rows(store)[0].message_id
    with store.write() as connection:
        connection.execute(
            update(recipients)
            .where(recipients.c.message_id == message)
            .values(state="sent", carrier="a", carrier_id="x-" + cast(recipients.c.position, Text), ask_at=now)
        )
        early.keep(connection, [_report(carrier_id=f"y-{place}") for place in range(2_000)], now=now)
    with store.engine.connect() as connection:
        connection.exec_driver_sql("ANALYZE")
        connection.commit()
    with _statements(store.engine) as sent, store.write() as connection:
        brought = [_report(carrier_id=f"x-{place}") for place in range(1, 51)]
        brought += [_report(recipient_id=f"{message}-{place}") for place in range(51, 101)]
        found = [one for one in reports.find(connection, brought) if one is not None]
        assert len(found) == 100
        reports.move(connection, [(one, report, None) for one, report in zip(found, brought, strict=True)], now=now)
        assert len(early.on(connection, [("a", f"y-{place}", f"z-{place}") for place in range(100)])) == 100
        assert len(asks.due(connection, carrier="a", now=now, limit=50)) == 50
        asks.put(connection, [(message, place, now + 1, 1) for place in range(101, 201)])
        asks.end(connection, [(message, 300)], State.UNDELIVERED, now=now)
    everything = "\n".join(_plans(store, sent))
    assert "ix_recipients_carrier_id" in everything
    assert "ix_recipients_ask_at" in everything
    # PostgreSQL reads a table of so few early ones as it is.
    assert store.dialect == "postgresql" or "ix_early_reports_carrier_id" in everything
    assert "SCAN r" not in everything.replace("SCAN recipients USING INDEX", "")
    assert "SCAN e\n" not in everything
    assert "Seq Scan on recipients" not in everything


def _report(**named: Any) -> Report:
    return Report(**{"carrier": "a", "state": State.DELIVERED, "at": START, "raw": "d", **named})


def test_a_claim_stays_quick_in_a_crowd(crowded: Clerk) -> None:
    """The pages a claim reads do not grow with the queue: rows that are not due are not looked at."""
    with crowded.store.write() as connection:
        connection.execute(text("UPDATE recipients SET due_at = due_at + 1"))
    message = crowded.put()
    assert crowded.ids(100) == [message]
