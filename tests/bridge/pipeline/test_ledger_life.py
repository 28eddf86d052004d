"""Credit, played at random: whatever is submitted, sent, refused, lost, cancelled or settled, the books are right."""

from __future__ import annotations

import shutil
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select

from bridge.model.errors import Conflict, NoCredit, Refusal
from bridge.model.limits import parse_limits
from bridge.model.message import Addressee, Outcome, Priority, Receipt, Report, Verdict
from bridge.model.price import PriceTable
from bridge.model.quota import window
from bridge.model.state import FINAL, MOVES, State
from bridge.pipeline import drafts, reports
from bridge.pipeline.upkeep import keep_leases, promote_due, sweep
from bridge.store import ledger, messages, opt_outs
from bridge.store.directory import load_directory
from bridge.store.engine import Store
from bridge.store.queue import Claimed
from bridge.store.tables import usage
from tests.support import texts
from tests.support.clock import HandClock
from tests.support.desk import MAILBOX, Desk
from tests.support.postgres import Server
from tests.support.texts import number

Key = tuple[str, int]

LIMIT = -2_500
ZONE = ZoneInfo("Asia/Jerusalem")
PRICES = PriceTable.of({"default": "0.7", "97250234": "1.5", "972502340003": "0"}, {"urgent": "3", "bulk": "0.333"})
RULES: dict[str, Any] = {
    "zone": ZONE,
    "limits": parse_limits(["12/1h", "40/1d"]),
    "mailbox_limits": parse_limits(["30/1d"]),
    "spend_per_day": 60_000,
}
NUMBERS = [*map(number, range(1, 6)), "+447400123456"]
TO = st.lists(st.sampled_from(NUMBERS), min_size=1, max_size=4)
TEXTS = st.sampled_from(["short", "x" * 161, "שלום" * 40])
WHICH = st.integers(0, 99)
UNSENT = {State.SCHEDULED, State.QUEUED, State.SENDING, State.UNKNOWN}


class Books(RuleBasedStateMachine):
    """One account and one carrier, which takes our own id or not as a rule says.

    The model knows what was put in (``added``), which texts have to be given back (``refunded``), which a carrier
    took (``sent``), and what was used in each window (``used``); all else is read from the store.
    """

    urls: ClassVar[Iterator[str]]

    def __init__(self) -> None:
        super().__init__()
        self.clock = HandClock()
        self.store = Store(next(self.urls), clock=self.clock)
        self.desk = Desk(self.store, self.clock)
        self.desk.operator(prices=PRICES, per_number={"smtp": parse_limits(["4/1h"])}, lifetime=timedelta(hours=2))
        self.added = 0
        self.used: defaultdict[tuple[str, int, int], int] = defaultdict(int)
        self.seen: dict[Key, Any] = {}
        self.refunded: set[Key] = set()
        self.sent: set[Key] = set()
        self.begun: list[tuple[Claimed, str]] = []
        self.written: list[tuple[Claimed, Outcome, str]] = []
        self.open: list[str] = []
        self.refunds_cancelled = True
        self.reporting = False
        self.doubtful = False

    def teardown(self) -> None:
        self.store.close()

    @initialize(credit=st.sampled_from([0, 9_000, 30_000]))
    def begin(self, credit: int) -> None:
        self.desk.account(credit=credit, limit=LIMIT, **RULES)
        self.added = credit
        self.count(self.desk.submit(*NUMBERS[:4]))
        self.the_books_are_right()

    def tick(self) -> None:
        """Let time pass before an id is made: ids sort by their milliseconds, so a game can be played again."""
        self.clock.advance(ms=1)

    # What comes in.

    def count(self, receipt: Receipt, *, test: bool = False) -> None:
        """Note what a receipt says was taken."""
        taken = [one for one in receipt.results if one.refusal is None and not one.duplicate]
        if test or not taken:
            return
        spent = sum(one.price for one in taken)
        for subject, span, amount in (
            ("account", timedelta(hours=1), len(taken)),
            ("account", timedelta(days=1), len(taken)),
            (f"from {MAILBOX}", timedelta(days=1), len(taken)),
            ("spend", timedelta(days=1), spent),
        ):
            self.used[(subject, *window(self.clock(), span, ZONE))] += amount

    @rule(
        to=TO,
        text=TEXTS,
        priority=st.sampled_from(Priority),
        send_in=st.sampled_from([None, None, 600, 86_400]),
        whole=st.booleans(),
        test=st.sampled_from([False, False, False, True]),
    )
    def submit(
        self, to: list[str], text: str, priority: Priority, send_in: int | None, *, whole: bool, test: bool
    ) -> None:
        self.tick()
        at = None if send_in is None else self.clock() + timedelta(seconds=send_in)
        before = self.desk.balance()
        receipt = self.desk.submit(*to, text=text, priority=priority, send_at=at, all_or_nothing=whole, test=test)
        self.count(receipt, test=test)
        refused = [one.refusal for one in receipt.results if one.refusal is not None]
        assert not (whole and refused) or len(refused) == len(to)
        charged = sum(one.price for one in receipt.results if not one.duplicate)
        assert self.desk.balance() == before - (0 if test else charged)

    @rule(to=TO, more=TO, key=st.sampled_from("ab"))
    def submit_together(self, to: list[str], more: list[str], key: str) -> None:
        """Two mails, perhaps the same one, in one transaction."""
        mails = [[Addressee(number=one, key=f"{key} {one}") for one in numbers] for numbers in (to, more)]
        plans = []
        for mail in mails:
            self.tick()
            plans.append(self.desk.plan(*mail))
        for receipt in self.desk.take(*plans):
            self.count(receipt)

    @rule(to=st.sampled_from(NUMBERS), back=st.booleans())
    def opt_out(self, to: str, *, back: bool) -> None:
        if back and (to, 1) in self.desk.read(lambda connection: opt_outs.among(connection, [(to, 1)])):
            self.desk.change(lambda connection: opt_outs.remove(connection, to, 1))
        elif not back:
            self.desk.change(lambda connection: opt_outs.add(connection, to, 1, word="", now=0))

    # Drafts.

    @precondition(lambda self: len(self.open) < 3)
    @rule(to=st.lists(st.sampled_from(NUMBERS), max_size=3), text=TEXTS)
    def open_draft(self, to: list[str], text: str) -> None:
        self.tick()
        submission = self.desk.submission(*to, text=text)
        self.open.append(
            self.desk.change(lambda connection: drafts.open_draft(connection, submission, now=self.clock()))
        )

    @precondition(lambda self: self.open)
    @rule(to=TO, which=WHICH)
    def add_to_draft(self, to: list[str], which: int) -> None:
        draft = self.open[which % len(self.open)]
        addressed = [Addressee(number=one) for one in to]
        self.desk.change(lambda connection: drafts.add(connection, draft, addressed, most=9, now=self.clock()))

    @precondition(lambda self: self.open)
    @rule(which=WHICH, whole=st.booleans())
    def close_draft(self, which: int, *, whole: bool) -> None:
        draft = self.open[which % len(self.open)]
        try:
            with self.store.write() as connection:
                receipt = drafts.close(
                    connection,
                    draft,
                    directory=load_directory(connection),
                    rules=self.desk.rules,
                    all_or_nothing=whole,
                    now=self.clock(),
                )
        except Refusal:
            return
        self.count(receipt)
        if receipt.message_id is not None:
            self.open.remove(draft)

    # Sending.

    @rule(node=st.sampled_from(["one", "two"]), limit=st.integers(1, 4), oldest=st.integers(0, 1))
    def claim(self, node: str, limit: int, oldest: int) -> None:
        for row in self.desk.claim(limit, owner=node, oldest=oldest, patience=60.0):
            key = (row.message_id, row.position)
            assert key not in self.refunded, "given back, and sent all the same"
            self.begun.append((row, node))

    @rule(verdict=st.sampled_from(Verdict), which=WHICH, own_id=st.booleans())
    def answer(self, verdict: Verdict, which: int, *, own_id: bool) -> None:
        """A send ends, perhaps long after its lease."""
        if not self.begun:
            self.claim(node="one", limit=2, oldest=0)
        if not self.begun:
            return
        row, node = self.begun.pop(which % len(self.begun))
        outcome = Outcome(verdict=verdict, carrier_id=f"c-{row.message_id}-{row.position}", reason=verdict)
        self.written.append((row, outcome, node))
        self.doubtful = row.maybe_sent
        changed = self.desk.end(row, outcome, owner=node, takes_own_id=own_id)
        if changed and verdict is Verdict.ACCEPTED:
            self.sent.add((row.message_id, row.position))

    @precondition(lambda self: self.written)
    @rule(which=st.integers(1, 4))
    def answer_again(self, which: int) -> None:
        """What was written is written again, as after a commit whose answer was lost."""
        row, outcome, node = self.written[-min(which, len(self.written))]
        self.doubtful = row.maybe_sent
        if self.desk.end(row, outcome, owner=node) and outcome.verdict is Verdict.ACCEPTED:
            self.sent.add((row.message_id, row.position))

    @rule(seconds=st.sampled_from([10, 10, 31, 31, 700, 3_600, 7_200, 40_000]))
    def wait(self, seconds: int) -> None:
        self.clock.advance(seconds=seconds)
        self.desk.change(lambda connection: promote_due(connection, store=self.store))

    @rule(node=st.sampled_from(["one", "two"]), own_id=st.booleans())
    def keep(self, node: str, *, own_id: bool) -> None:
        """A node renews its leases, and reaps those of the other that ran out."""
        self.desk.change(
            lambda connection: keep_leases(
                connection,
                store=self.store,
                router=self.desk.rules.router,
                takes_own_id={"a": own_id},
                owner=node,
                lease=30.0,
            )
        )

    @rule()
    def sweep(self) -> None:
        self.desk.change(lambda connection: sweep(connection, store=self.store))
        self.used = defaultdict(int, {key: amount for key, amount in self.used.items() if key[2] > self.clock.ms})

    @precondition(lambda self: self.seen)
    @rule(state=st.sampled_from([State.SENT, State.DELIVERED, State.UNDELIVERED, State.EXPIRED]), which=WHICH)
    def report(self, state: State, which: int) -> None:
        """A carrier reports on a text that it may have: of one that it surely never had it knows nothing."""
        message, position = sorted(self.seen)[which % len(self.seen)]
        if (message, position) in self.refunded:
            return
        news = Report(carrier="a", state=state, at=self.clock(), recipient_id=f"{message}-{position}")
        self.reporting = True
        (moved,) = self.desk.change(lambda connection: reports.apply(connection, [news], now=self.clock.ms))
        assert (moved is None) is (self.seen[message, position].carrier is None)
        if moved:
            self.sent.add((message, position))

    # Persons.

    @precondition(lambda self: self.seen)
    @rule(which=WHICH, alone=st.booleans(), later=st.sampled_from([None, None, 0, 60_000]))
    def cancel(self, which: int, later: int | None, *, alone: bool) -> None:
        """Cancel, or give another time."""
        keys = sorted(self.seen, key=lambda key: (not self.seen[key].in_doubt, key))
        message, position = keys[which % len(keys)]
        one = position if alone else None
        now = self.clock.ms
        try:
            with self.store.write() as connection:
                if later is None:
                    messages.cancel(connection, message, one, now=now)
                else:
                    messages.reschedule(connection, message, one, due_at=now + later, now=now)
        except Conflict:
            return
        if later is None and one is None and message in self.open:
            self.open.remove(message)

    @precondition(lambda self: self.unknown())
    @rule(which=WHICH, state=st.sampled_from([State.REFUSED, State.DELIVERED, State.EXPIRED]))
    def settle(self, which: int, state: State) -> None:
        """Say what became of a text of which nobody knew."""
        keys = self.unknown()
        message, position = keys[which % len(keys)]
        self.reporting = True
        self.desk.change(
            lambda connection: messages.settle(connection, message, position, state=state, now=self.clock.ms)
        )
        if state is State.DELIVERED:
            self.sent.add((message, position))

    def unknown(self) -> list[Key]:
        return sorted(key for key, row in self.seen.items() if row.state == State.UNKNOWN)

    @rule(amount=st.sampled_from([1, 5_000, -1, -700, -9_000]))
    def operator_s_credit(self, amount: int) -> None:
        before = self.desk.balance()
        try:
            self.desk.change(lambda connection: ledger.credit(connection, 1, amount, now=self.clock.ms))
        except NoCredit:
            assert before + amount < LIMIT
            return
        self.added += amount

    @rule(refunds=st.booleans())
    def setting(self, *, refunds: bool) -> None:
        self.refunds_cancelled = refunds
        self.desk.setting(refund_cancelled=refunds, **RULES)

    # What has to hold after each.

    def is_given_back(self, before: Any, after: Any) -> bool:
        """Tell by the rules whether a move gives a text's price back: it surely was not sent, on no try."""
        was, state = State(before.state), State(after.state)
        if was is state or was not in UNSENT:
            return False
        if state is State.CANCELLED:
            return self.refunds_cancelled and not before.maybe_sent and not before.in_doubt
        if state is State.EXPIRED:
            return not self.reporting and not before.maybe_sent
        return state is State.REFUSED and not self.doubtful

    @invariant()
    def the_books_are_right(self) -> None:
        rows = texts.rows(self.store)
        for row in rows:
            key = (row.message_id, row.position)
            before = self.seen.get(key)
            if before is not None:
                self.states_move_by_the_table(State(before.state), State(row.state))
                if before.state != State.HELD:
                    assert row.price == before.price, "what a text costs is settled when it is taken"
                if self.is_given_back(before, row):
                    assert key not in self.sent
                    self.refunded.add(key)
            self.seen[key] = row
        self.reporting = self.doubtful = False
        self.the_ledger_adds_up(rows)
        self.usage_is_what_was_taken()

    def states_move_by_the_table(self, was: State, state: State) -> None:
        if was is state:
            return
        if was in FINAL:
            assert state in MOVES[was], f"{was} became {state}"
        else:
            # One rule may do what a node does in one transaction: claim, and settle at once.
            through = MOVES[was] | {to for one in MOVES[was] - FINAL for to in MOVES[one]}
            assert state in through, f"{was} became {state}"

    def the_ledger_adds_up(self, rows: list[Any]) -> None:
        entries = self.desk.entries()
        prices = {(row.message_id, row.position): row.price for row in rows}
        reserved, refunded = sum(prices.values()), sum(prices[key] for key in self.refunded)
        balance = self.desk.balance()
        assert balance == sum(entry.amount for entry in entries)
        assert balance == self.added - reserved + refunded
        assert balance >= LIMIT
        by_message: Counter[str] = Counter()
        for (message, _), price in prices.items():
            by_message[message] += price
        taken = {entry.message_id: -entry.amount for entry in entries if entry.kind == ledger.Kind.RESERVE}
        assert taken == {message: price for message, price in by_message.items() if price}
        given = [
            ((entry.message_id, entry.position), entry.amount) for entry in entries if entry.kind == ledger.Kind.REFUND
        ]
        assert sorted(given) == sorted((key, prices[key]) for key in self.refunded if prices[key])
        assert not self.sent & self.refunded
        assert sum(prices[key] for key in self.sent) <= reserved - refunded
        assert {row.price for row in rows if row.state == State.HELD} <= {0}
        pending = sum(row.price for row in rows if State(row.state) in UNSENT)
        assert self.desk.read(lambda connection: ledger.pending(connection, 1)) == pending

    def usage_is_what_was_taken(self) -> None:
        with self.store.read() as connection:
            kept = {(row.subject, row.start, row.ends): row.amount for row in connection.execute(select(usage))}
        assert kept == {key: amount for key, amount in self.used.items() if amount}
        for limit in RULES["limits"]:
            start, ends = window(self.clock(), limit.span, ZONE)
            assert kept.get(("account", start, ends), 0) <= limit.count
        assert all(amount <= 60_000 for (subject, *_), amount in kept.items() if subject == "spend")


def copies(template: Path, folder: Path) -> Iterator[str]:
    """Give fresh SQLite databases; the one before is deleted."""
    path = folder / "bridge.db"
    while True:
        for old in folder.iterdir():
            old.unlink()
        shutil.copy(template, path)
        yield f"sqlite:///{path}"


@contextmanager
def created(server: Server, template: str) -> Iterator[Iterator[str]]:
    """Give fresh PostgreSQL databases; all are dropped at the end."""
    made: list[str] = []

    def each() -> Iterator[str]:
        while True:
            made.append(server.create_database(like=template))
            yield made[-1]

    try:
        yield each()
    finally:
        for url in made:
            server.drop_database(url)


def play(urls: Iterator[str], *, examples: int, steps: int) -> None:
    """Play so many games."""
    Books.urls = urls
    run_state_machine_as_test(
        Books,
        settings=settings(
            derandomize=True,
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
        ),
    )


def test_the_books(sqlite_template: Path, tmp_path: Path) -> None:
    """Submissions, drafts, sends, reports, persons and time, at random: the books are right after each.

    The balance is the sum of the ledger, and what was put in less what was reserved and not given back; it is never
    under its limit. What was sent is paid for, and nothing is given back twice, or that was sent. No text leaves a
    final state but by the documented moves. The counters of the limits are the texts that were taken.
    """
    play(copies(sqlite_template, tmp_path), examples=60, steps=40)


@pytest.mark.postgres
def test_the_books_on_postgresql(postgres: Server, postgres_template: str) -> None:
    """The same holds there."""
    with created(postgres, postgres_template) as urls:
        play(urls, examples=8, steps=30)
