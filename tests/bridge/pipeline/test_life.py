"""A text's life, played at random: whatever nodes, carriers, reports and persons do, the rules of its states hold."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

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

from bridge.model.errors import Conflict, NoCredit
from bridge.model.message import Outcome, Priority, Report, Verdict
from bridge.model.rules import AccountRules
from bridge.model.state import FINAL, MOVES, State
from bridge.pipeline import reports
from bridge.pipeline.claim import Table, claim_batch
from bridge.pipeline.retry import Backoff
from bridge.pipeline.routing import Route, Router
from bridge.pipeline.settle import conclude, settle
from bridge.pipeline.upkeep import keep_leases, promote_due
from bridge.store import accounts, ledger, messages, queue
from bridge.store.engine import Store
from bridge.store.queue import Change, Claimed
from tests.support import texts
from tests.support.clock import HandClock
from tests.support.texts import make_plan, put

LEASE = 30.0
TAKES_OWN_ID = {"a": True, "b": False, "c": False}
ROUTER = Router([Route(name="1", carriers=("a", "b")), Route(name="2", carriers=("b", "c"))])
NODES = st.sampled_from(["one", "two"])
REPORTED = st.sampled_from([State.SENT, State.DELIVERED, State.UNDELIVERED, State.EXPIRED])
SETTLED = st.sampled_from([State.DELIVERED, State.UNDELIVERED, State.EXPIRED, State.REFUSED])
PRICE = 700
CREDIT = 2_000
UNDER_WAY = {State.SCHEDULED, State.QUEUED, State.SENDING, State.SENT, State.UNKNOWN}


class Life(RuleBasedStateMachine):
    """Two nodes on one store.

    ``begun`` are the sends whose end was not recorded, ``written`` the ends that were, both with their node.
    ``maybe_on_the_phone`` names the carriers that may have a text, once for each send that did not surely fail.
    ``credit`` is all that was given to the account, ``paid`` what each text cost, ``refunds`` whose price is back;
    ``told_expired`` are texts of which a carrier or a person says that they expired.
    """

    template: Path

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="smsbridge-life-"))
        shutil.copy(self.template, self.folder / "bridge.db")
        self.clock = HandClock()
        self.store = Store(f"sqlite:///{self.folder}/bridge.db", clock=self.clock)
        self.begun: list[tuple[Claimed, str]] = []
        self.written: list[tuple[Claimed, Change, str]] = []
        self.maybe_on_the_phone: dict[tuple[str, int], list[str]] = {}
        self.seen: dict[tuple[str, int], Any] = {}
        self.by_person: set[tuple[str, int]] = set()
        self.credit = 0
        self.paid: dict[tuple[str, int], int] = {}
        self.refunds: set[tuple[str, int]] = set()
        self.told_expired: set[tuple[str, int]] = set()
        self.gives_back = True

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.folder)

    def change(self, do: Callable[[Any], Any]) -> Any:
        with self.store.write() as connection:
            return do(connection)

    @initialize()
    def begin(self) -> None:
        texts.add_account(self.store, credit_limit=0)
        self.top_up(CREDIT)
        for lane in ("1", "2"):
            self.take(priority=Priority.NORMAL, seconds=86_400, lane=lane, price=PRICE, wait=0)
        self.rules_hold()

    @property
    def balance(self) -> int:
        """What has to be left of the account's credit."""
        return self.credit - sum(price for key, price in self.paid.items() if key not in self.refunds)

    @rule(amount=st.sampled_from([500, -500]))
    def top_up(self, amount: int) -> None:
        """An operator gives credit or takes it, down to the account's limit and no further."""
        affordable = self.balance + amount >= 0
        try:
            self.change(lambda connection: ledger.credit(connection, 1, amount, now=self.clock.ms))
        except NoCredit:
            assert not affordable
            return
        assert affordable
        self.credit += amount

    @rule(refund=st.booleans())
    def setting(self, *, refund: bool) -> None:
        """An operator says whether cancelled texts cost."""
        rules = AccountRules(refund_cancelled=refund)
        self.change(lambda connection: accounts.set_rules(connection, 1, rules))
        self.gives_back = refund

    @precondition(lambda self: len(self.seen) < 4)  # few, so that much happens to each
    @rule(
        priority=st.sampled_from(Priority),
        seconds=st.sampled_from([20, 900]),
        lane=st.sampled_from(["1", "2", "gone"]),
        price=st.sampled_from([0, 1, PRICE]),
        wait=st.sampled_from([0, 0, 25]),
    )
    def take(self, priority: Priority, seconds: int, lane: str, price: int, wait: int) -> None:
        """A text is taken if the credit covers it, and its price reserved with it."""
        plan = make_plan(
            self.clock,
            priority=priority,
            lifetime=timedelta(seconds=seconds),
            lane=lane,
            price=price,
            wait=timedelta(seconds=wait),
        )
        (receipt,) = put(self.store, plan)
        if price > self.balance:
            assert isinstance(receipt.refusal, NoCredit)
        else:
            assert receipt.message_id == plan.message.id
            self.paid[plan.message.id, 1] = price

    @rule()
    def promote(self) -> None:
        """Scheduled texts are queued when their time comes, and not before."""
        early = [key for key, row in self.seen.items() if row.state == State.SCHEDULED and row.due_at > self.clock.ms]
        self.change(lambda connection: promote_due(connection, store=self.store))
        assert all(texts.row(self.store, *key).state == State.SCHEDULED for key in early)

    @rule(seconds=st.sampled_from([8, 30]))
    def wait(self, seconds: int) -> None:
        self.clock.advance(seconds=seconds)

    @rule(node=NODES)
    def claim(self, node: str) -> None:
        for lane in ROUTER.lanes:
            rows = self.change(
                lambda connection, lane=lane: claim_batch(  # type: ignore[misc]
                    connection,
                    store=self.store,
                    table=Table(route=ROUTER.named(lane), known=TAKES_OWN_ID),
                    limit=3,
                    owner=node,
                    lease=LEASE,
                )
            )
            assert len(rows) <= 3
            for row in rows:
                self.begin_sending(row, node)

    def begin_sending(self, row: Claimed, node: str) -> None:
        key = (row.message_id, row.position)
        assert row.carrier is not None
        others = self.maybe_on_the_phone.setdefault(key, [])
        if key not in self.by_person:
            assert all(TAKES_OWN_ID[name] and name == row.carrier for name in others), "it may arrive twice"
        others.append(row.carrier)
        self.begun.append((row, node))

    @precondition(lambda self: self.begun)
    @rule(verdict=st.sampled_from([*Verdict, Verdict.DEFERRED]), which=st.integers(0, 5))
    def answer(self, verdict: Verdict, which: int) -> None:
        """A send ends, perhaps long after its lease."""
        row, node = self.begun.pop(which % len(self.begun))
        assert row.carrier is not None
        change = settle(
            Outcome(verdict=verdict, carrier_id="x", reason=verdict),
            row=row,
            route=ROUTER.named(row.lane),
            takes_own_id=TAKES_OWN_ID[row.carrier],
            backoff=Backoff(),
            chance=0.5,
            now=self.clock.ms,
        )
        self.written.append((row, change, node))
        changed = self.write(row, change, node)
        key = (row.message_id, row.position)
        if key in changed and verdict in {Verdict.DEFERRED, Verdict.REFUSED}:
            self.maybe_on_the_phone[key].remove(row.carrier)
        if key in changed and verdict is Verdict.REFUSED and TAKES_OWN_ID[row.carrier]:
            # Who knows the text by its id speaks of every try.
            others = self.maybe_on_the_phone[key]
            self.maybe_on_the_phone[key] = [name for name in others if name != row.carrier]

    @precondition(lambda self: self.written)
    @rule(which=st.integers(1, 3))
    def answer_again(self, which: int) -> None:
        """What was written is written again, as after a commit whose answer was lost."""
        self.write(*self.written[-min(which, len(self.written))])

    def write(self, row: Claimed, change: Change, node: str) -> set[tuple[str, int]]:
        found: set[tuple[str, int]] = self.change(
            lambda connection: conclude(connection, [(row, change)], owner=node, now=self.clock.ms)
        )
        return found

    @precondition(lambda self: self.begun)
    @rule(which=st.integers(0, 99))
    def give_back(self, which: int) -> None:
        """A node stops before it began a send."""
        row, node = self.begun.pop(which % len(self.begun))
        key = (row.message_id, row.position)
        given = self.change(lambda connection: queue.release(connection, owner=node, keys=[key], now=self.clock.ms))
        if given and row.carrier is not None:
            self.maybe_on_the_phone[key].remove(row.carrier)
        self.begun = [other for other in self.begun if other[0] != row]

    @precondition(lambda self: self.begun)
    @rule(node=NODES, died=st.booleans())
    def lapse(self, node: str, *, died: bool) -> None:
        """A lease's time passes; one node goes on keeping its own, and takes over from the other."""
        self.clock.advance(seconds=LEASE)
        if died:
            self.begun = [(row, owner) for row, owner in self.begun if owner == node]
        self.change(
            lambda connection: keep_leases(
                connection, store=self.store, router=ROUTER, takes_own_id=TAKES_OWN_ID, owner=node, lease=LEASE
            )
        )

    @precondition(lambda self: self.seen)
    @rule(state=REPORTED, which=st.integers(0, 99), carrier=st.sampled_from(["a", "b"]))
    def report(self, state: State, which: int, carrier: str) -> None:
        message, position = sorted(self.seen)[which % len(self.seen)]
        news = Report(carrier=carrier, state=state, at=self.clock(), recipient_id=f"{message}-{position}")
        (moved,) = self.change(lambda connection: reports.apply(connection, [news], now=self.clock.ms))
        if moved is None:
            assert texts.row(self.store, message, position).carrier != carrier
            return
        if moved and state is State.EXPIRED:
            self.told_expired.add((message, position))

    @precondition(lambda self: self.seen)
    @rule(which=st.integers(0, 99), do=st.sampled_from(["cancel", "retry", "settle", "reschedule"]), state=SETTLED)
    def person(self, which: int, do: str, state: State) -> None:
        message, position = sorted(self.seen)[which % len(self.seen)]
        now = self.clock.ms
        with self.store.write() as connection:
            try:
                if do == "cancel":
                    messages.cancel(connection, message, position, now=now)
                elif do == "retry":
                    messages.retry(connection, message, position, now=now)
                    self.by_person.add((message, position))
                elif do == "reschedule":
                    messages.reschedule(connection, message, position, due_at=now + 10_000, now=now)
                else:
                    messages.settle(connection, message, position, state=state, now=now)
                    self.by_person.add((message, position))
                    if state is State.EXPIRED:
                        self.told_expired.add((message, position))
            except Conflict:
                return

    @invariant()
    def rules_hold(self) -> None:
        for row in texts.rows(self.store):
            key, state = (row.message_id, row.position), State(row.state)
            before = self.seen.get(key)
            if before is not None and state is not (was := State(before.state)):
                if was in FINAL:
                    assert state in MOVES[was], f"{was} became {state}"
                else:
                    # One rule may do what a node does in one transaction: claim, and settle at once.
                    through = MOVES[was] | {to for one in MOVES[was] - FINAL for to in MOVES[one]}
                    assert state in through, f"{was} became {state}"
                self.settle_price(key, before, state)
            assert (row.lease_owner is not None) is (row.lease_until is not None) is (state is State.SENDING)
            assert row.attempts >= 0
            assert row.price == self.paid[key]
            assert not (state in UNDER_WAY and key in self.refunds), "it goes out, and nobody pays"
            self.seen[key] = row
        assert self.paid.keys() == self.seen.keys()
        self.credit_holds()

    def settle_price(self, key: tuple[str, int], before: Any, state: State) -> None:
        """Note that a move gives the price back: what surely was not sent, and what was cancelled if that is set."""
        if state is State.CANCELLED:
            given_back = self.gives_back and not before.in_doubt and not before.maybe_sent
        else:
            given_back = state is State.REFUSED or (state is State.EXPIRED and key not in self.told_expired)
            # Once it was unknown, only a person's word that it was refused gives its price back.
            given_back = given_back and (not before.maybe_sent or before.state == "unknown")
        if given_back:
            assert key not in self.refunds
            assert key in self.by_person or not self.maybe_on_the_phone.get(key), "a carrier may have it"
            self.refunds.add(key)

    def credit_holds(self) -> None:
        """The balance is the sum of the entries, and these are what was given, reserved and refunded, each once."""
        with self.store.read() as connection:
            entries = ledger.entries(connection, 1, limit=10_000)
            balance = ledger.balance(connection, 1)
        assert balance == sum(entry.amount for entry in entries) == self.balance >= 0
        of_kind: dict[str, list[tuple[tuple[str | None, int], int]]] = {"reserve": [], "refund": []}
        for entry in entries:
            if entry.kind != "credit":
                of_kind[entry.kind].append(((entry.message_id, entry.position or 1), entry.amount))
        priced = {key: price for key, price in self.paid.items() if price}
        assert sorted(of_kind["reserve"]) == sorted((key, -price) for key, price in priced.items())
        assert sorted(of_kind["refund"]) == sorted((key, price) for key, price in priced.items() if key in self.refunds)


def test_life(sqlite_template: Path) -> None:
    """Two nodes, three carriers and a clumsy operator, at random: the rules of the states hold.

    No move leaves a final state but the documented ones. A lease belongs to what is being sent and to nothing else.
    A text that one carrier may have goes to no other, nor twice to one that would send it twice, unless a person
    asked for that. The balance is the sum of its entries and never below its limit; each text is paid once, and its
    price comes back once, if it surely was not sent: what goes out was paid for.
    """
    Life.template = sqlite_template
    run_state_machine_as_test(
        Life,
        settings=settings(
            derandomize=True,
            max_examples=60,
            stateful_step_count=50,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
