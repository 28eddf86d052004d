"""Accounts with rules and credit, and submissions that are asked of every rule and committed, as a door's are."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, TypeVar

from bridge.model.errors import BridgeError
from bridge.model.message import Addressee, Outcome, Receipt, Result, Submission
from bridge.model.rules import AccountRules
from bridge.pipeline.accept import Plan, Rules, accept
from bridge.pipeline.claim import Table, claim_batch
from bridge.pipeline.commit import take
from bridge.pipeline.retry import Backoff
from bridge.pipeline.routing import Route, Router
from bridge.pipeline.settle import conclude, settle
from bridge.store import accounts, ledger
from bridge.store.directory import load_directory
from bridge.store.engine import Connection, Store
from bridge.store.queue import Claimed
from tests.support.clock import HandClock

T = TypeVar("T")

ROUTE = Route(name="1", carriers=("a",))
MAILBOX = "ann@example.com"


class Desk:
    """Takes submissions of the accounts in a store. ``rules`` are the operator's; change them at any time."""

    def __init__(self, store: Store, clock: HandClock) -> None:
        self.store = store
        self.clock = clock
        self.rules = Rules(router=Router([ROUTE]))

    def operator(self, **changes: Any) -> None:
        """Change the operator's rules."""
        self.rules = dataclasses.replace(self.rules, **changes)

    def change(self, do: Callable[[Connection], T]) -> T:
        """Run ``do`` in a write transaction of its own."""
        with self.store.write() as connection:
            return do(connection)

    def read(self, do: Callable[[Connection], T]) -> T:
        """Run ``do`` in a read transaction."""
        with self.store.read() as connection:
            return do(connection)

    # Accounts.

    def account(self, name: str = "acme", *, credit: int = 0, limit: int | None = None, **rules: Any) -> int:
        """Make an account with credit (thousandths), a least balance and settings; returns its id."""

        def make(connection: Connection) -> int:
            made = accounts.add_account(connection, name, region="IL", credit_limit=limit, now=self.clock.ms)
            accounts.set_rules(connection, made.id, AccountRules(**rules))
            if credit:
                ledger.credit(connection, made.id, credit, now=self.clock.ms)
            return made.id

        return self.change(make)

    def setting(self, account: int = 1, **rules: Any) -> None:
        """Replace an account's settings."""
        self.change(lambda connection: accounts.set_rules(connection, account, AccountRules(**rules)))

    def balance(self, account: int = 1) -> int:
        """Return an account's credit, and see that it is the sum of its ledger."""
        found = self.read(lambda connection: ledger.balance(connection, account))
        assert found == sum(entry.amount for entry in self.entries(account))
        return found

    def entries(self, account: int = 1) -> list[ledger.Entry]:
        """Return an account's whole ledger, the first entry first."""
        with self.store.read() as connection:
            return ledger.entries(connection, account, limit=100_000)[::-1]

    # Submissions.

    def submission(self, *to: str | Addressee, account: int = 1, **options: Any) -> Submission:
        """Make a submission to numbers, or to addressees with more to them."""
        addressed = tuple(one if isinstance(one, Addressee) else Addressee(number=one) for one in to)
        given: dict[str, Any] = {"door": "smtp", "origin": MAILBOX, "text": "Your table is ready"} | options
        return Submission(account_id=account, recipients=addressed, **given)

    def plan(self, *to: str | Addressee, account: int = 1, **options: Any) -> Plan:
        """Return what accept makes of a submission, with the accounts as they are now."""
        directory = self.read(load_directory)
        submission = self.submission(*to, account=account, **options)
        return accept(submission, directory=directory, rules=self.rules, now=self.clock())

    def take(self, *plans: Plan) -> list[Receipt]:
        """Commit plans in one transaction."""
        with self.store.write() as connection:
            return take(connection, plans, now=self.store.now(connection))

    def submit(self, *to: str | Addressee, account: int = 1, **options: Any) -> Receipt:
        """Submit to numbers, or to addressees with more to them."""
        (receipt,) = self.take(self.plan(*to, account=account, **options))
        return receipt

    # Sending.

    def claim(self, limit: int = 100, *, owner: str = "me", lease: float = 30.0, **options: Any) -> list[Claimed]:
        """Claim what is queued, and expire what is stale."""
        with self.store.write() as connection:
            return claim_batch(
                connection,
                store=self.store,
                table=Table(route=ROUTE, known={"a"}),
                limit=limit,
                owner=owner,
                lease=lease,
                **options,
            )

    def end(self, row: Claimed, outcome: Outcome, *, owner: str = "me", takes_own_id: bool = False) -> bool:
        """Write how a send ended; returns whether that changed anything."""
        change = settle(
            outcome,
            row=row,
            route=ROUTE,
            takes_own_id=takes_own_id,
            backoff=Backoff(),
            chance=0.0,
            now=self.clock.ms,
        )
        with self.store.write() as connection:
            return bool(conclude(connection, [(row, change)], owner=owner, now=self.clock.ms))


def said(receipt: Receipt) -> list[str]:
    """Return for each result what became of it: the code of its refusal, ``again`` for a duplicate, or its state."""
    return [_said(one) for one in receipt.results]


def _said(result: Result) -> str:
    if isinstance(result.refusal, BridgeError):
        return result.refusal.code
    return "again" if result.duplicate else str(result.state)
