"""Limits and credit, asked by many at once: 32 threads in each of two processes on one database, and all is exact."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from sqlalchemy import func, select

from bridge.model.limits import parse_limits
from bridge.store import ledger
from bridge.store.engine import Store
from bridge.store.tables import recipients
from tests.support import texts
from tests.support.clock import HandClock
from tests.support.desk import Desk
from tests.support.nodes import run_together
from tests.support.texts import number

PRICE = 700
ROUNDS = 3

# Most threads submit through the process's writer, as doors do; the last ones in transactions of their own, as the
# command line does. A database that is busy for too long is asked again, as any sender would: the keys see to it that
# nothing is taken twice by that. The time stands still, so that no window ends in the middle.
_SUBMIT = """
import asyncio, os, random, threading, time
from bridge.model.errors import StoreUnavailable
from bridge.model.limits import parse_limits
from bridge.model.message import Addressee, Outcome
from bridge.model.price import PriceTable
from bridge.model.state import State
from bridge.pipeline.commit import Writer, take
from bridge.pipeline.claim import Table, claim_batch
from bridge.pipeline.retry import Backoff
from bridge.pipeline.settle import conclude, settle
from bridge.store import messages, tables
from bridge.store.engine import Store
from sqlalchemy import select
from tests.support.clock import HandClock
from tests.support.desk import ROUTE, Desk
from tests.support.texts import number

def broken(failure):  # a thread that ends by an error would be missed by nobody
    sys.excepthook(failure.exc_type, failure.exc_value, failure.exc_traceback)
    sys.stderr.flush()
    os._exit(1)

threading.excepthook = broken
url, node, options = sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3])
clock = HandClock()
store = Store(url, clock=clock)
desk = Desk(store, clock)
desk.operator(
    prices=PriceTable.of({"default": "0.7"}),
    per_number={"smtp": parse_limits(options["per_number"])},
)
writer = Writer(store)
taken, refused, begin = [], [], threading.Event()

def plans(thread, rounds=options["rounds"]):
    order = random.Random(node * 100 + thread)
    for serial in range(rounds):
        chosen = order.sample(range(options["numbers"]), order.randint(1, min(5, options["numbers"])))
        yield desk.plan(
            *(Addressee(number=number(one), key=f"{node} {thread} {serial} {one}") for one in chosen),
            account=order.choice(options["accounts"]),
            origin=f"{order.choice('ab')}@example.com",
            reference=str(node),
            all_or_nothing=rounds > 1 and order.random() < 0.2,
        )

async def one_after_the_other(plans):
    for plan in plans:
        while True:
            try:
                note(plan, await writer.submit(plan))
                break
            except StoreUnavailable:
                pass

def by_itself(plans):
    for plan in plans:
        while True:
            try:
                with store.write() as connection:
                    (receipt,) = take(connection, [plan], now=clock.ms)
                note(plan, receipt)
                break
            except StoreUnavailable:
                pass

def note(plan, receipt):
    for result in receipt.results:
        if result.refusal is None:  # asked again, a text is a duplicate of itself
            taken.append((plan.message.account_id, plan.message.origin, result.number))
        else:
            refused.append(result.refusal.code)

def submit(thread, own):
    begin.wait()
    if thread % 8 == 7:
        by_itself(own)
    else:
        asyncio.run(one_after_the_other(own))

def give_back(connection):
    rows = claim_batch(
        connection, store=store, table=Table(route=ROUTE, known={"a"}), limit=3, owner=str(node), lease=600,
    )
    ends = [
        (row, settle(Outcome.refused("no") if place else Outcome.accepted("c"), row=row, route=ROUTE,
                     takes_own_id=False, backoff=Backoff(), chance=0.0, now=clock.ms))
        for place, row in enumerate(rows)
    ]
    conclude(connection, ends, owner=str(node), now=clock.ms)
    for message in messages.newest(connection, state=State.QUEUED, limit=1):
        messages.cancel(connection, message.id, None, now=clock.ms)
    return len(rows)

async def hinder():
    while not done.is_set():
        try:
            await writer.run(give_back)
        except StoreUnavailable:
            pass
        await asyncio.sleep(0.002)

def meet():  # after the first text of each process, so that both are at work
    by_itself(plans(99, rounds=1))
    for _ in range(6000):
        with store.read() as connection:
            if len(connection.execute(select(tables.messages.c.reference).distinct()).all()) == 2:
                return
        time.sleep(0.005)
    raise AssertionError("the other process does not come")

done = threading.Event()
threads = [threading.Thread(target=submit, args=(place, list(plans(place)))) for place in range(32)]
hindering = [threading.Thread(target=asyncio.run, args=(hinder(),))] if options["hinder"] else []
writer.start()
for thread in threads:
    thread.start()
ready()
meet()
begin.set()
for thread in hindering:
    thread.start()
for thread in threads:
    thread.join()
done.set()
for thread in hindering:
    thread.join()
asyncio.run(writer.stop())
answer([taken, refused])
"""


@pytest.fixture
def desk(any_store: Store, clock: HandClock) -> Desk:
    """A desk without accounts."""
    return Desk(any_store, clock)


def submit_at_once(url: str, **options: Any) -> tuple[list[tuple[int, str, str]], Counter[str]]:
    """Let two processes submit.

    Returns account, origin and number of each text that they were told was taken, and how often which refusal came.
    """
    chosen = {"rounds": ROUNDS, "per_number": [], "numbers": 40, "accounts": [1], "hinder": False} | options
    answers = run_together(_SUBMIT, [[url, str(node), json.dumps(chosen)] for node in (1, 2)])
    taken = [tuple(one) for own, _ in answers for one in own]
    assert all(own for own, _ in answers)
    return taken, Counter(code for _, refused in answers for code in refused)


def kept(desk: Desk) -> int:
    """Count the texts that are in the store."""
    with desk.store.read() as connection:
        return int(connection.scalar(select(func.count()).select_from(recipients)) or 0)


def test_credit_is_spent_to_the_last(desk: Desk, any_url: str) -> None:
    """Two accounts: what was taken of each comes to its credit, but for a rest that pays no text; never beyond."""
    credit = {1: 100_300, 2: 49_000}
    for name, (account, amount) in zip(("acme", "other"), credit.items(), strict=True):
        assert desk.account(name, credit=amount, limit=0) == account
    taken, refused = submit_at_once(any_url, accounts=[1, 2])
    by_account = Counter(account for account, *_ in taken)
    for account, amount in credit.items():
        rest = desk.balance(account)
        assert by_account[account] * PRICE + rest == amount
        assert 0 <= rest < PRICE
    assert set(refused) == {"credit_exhausted"}
    assert kept(desk) == len(taken)


def test_an_overdraft_is_a_limit_too(desk: Desk, any_url: str) -> None:
    """Down to the limit below zero, to the last text that fits, and not a thousandth further."""
    desk.account(credit=10_000, limit=-25_000)
    taken, _ = submit_at_once(any_url)
    assert len(taken) == 50
    assert desk.balance() == -25_000


def test_credit_that_comes_back_is_spent_again(desk: Desk, any_url: str) -> None:
    """While carriers refuse and operators cancel, each price goes out and comes back once, and all adds up."""
    desk.account(credit=60_000, limit=0)
    taken, _ = submit_at_once(any_url, hinder=True)
    rows = texts.rows(desk.store)
    assert len(rows) == len(taken)
    ended = Counter(row.state for row in rows)
    assert ended["refused"]
    assert ended["cancelled"]
    paid = len(rows) - ended["refused"] - ended["cancelled"]
    assert desk.balance() == 60_000 - paid * PRICE >= 0
    given = [(entry.message_id, entry.position) for entry in desk.entries() if entry.kind == ledger.Kind.REFUND]
    assert sorted(given) == sorted(
        (row.message_id, row.position) for row in rows if row.state in {"refused", "cancelled"}
    )


def test_limits_of_accounts_and_mailboxes_hold(desk: Desk, any_url: str) -> None:
    """Two mailboxes of 60 and an account of 100; and a day's spend: each is used up, and none is passed."""
    desk.account(limits=parse_limits(["100/1d"]), mailbox_limits=parse_limits(["60/1h"]))
    desk.account("other", spend_per_day=50 * PRICE + PRICE - 1)
    taken, refused = submit_at_once(any_url, accounts=[1, 2])
    by_account = Counter(account for account, *_ in taken)
    assert by_account == {1: 100, 2: 50}
    by_mailbox = Counter(origin for account, origin, _ in taken if account == 1)
    assert max(by_mailbox.values()) <= 60
    assert set(refused) == {"rate_limited", "spend_limited"}
    assert kept(desk) == 150


def test_the_limit_to_a_number_holds(desk: Desk, any_url: str) -> None:
    """Ten to each of six numbers, from each account, whoever of all the threads was first."""
    desk.account()
    desk.account("other")
    taken, refused = submit_at_once(any_url, accounts=[1, 2], numbers=6, per_number=["10/1h"])
    by_number = Counter((account, to) for account, _, to in taken)
    assert by_number == {(account, number(place)): 10 for account in (1, 2) for place in range(6)}
    assert set(refused) == {"rate_limited"}
    assert kept(desk) == 120
