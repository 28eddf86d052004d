"""What the rules cost: microseconds a recipient with every one switched on, and one submission of 10,000 recipients."""

from __future__ import annotations

import time
import tracemalloc
from datetime import UTC, datetime
from hashlib import blake2b
from itertools import islice
from statistics import median
from typing import TYPE_CHECKING

from bench import bridge, table
from bench.mails import SENDER, numbers
from bridge.model.limits import parse_limits
from bridge.model.message import Addressee, Priority, Submission
from bridge.model.moment import to_ms
from bridge.model.price import PriceTable
from bridge.model.rules import AccountRules
from bridge.model.sender import Verdict, parse_sender
from bridge.model.when import HourWindow, Open, Quiet, parse_zone
from bridge.pipeline.accept import Rules, accept
from bridge.pipeline.admit import Asked, admit
from bridge.pipeline.commit import take
from bridge.pipeline.routing import Route, Router
from bridge.store import accounts, ledger, opt_outs, senders
from bridge.store.directory import load_directory
from bridge.store.engine import Store

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from bridge.model.account import Directory
    from bridge.pipeline.accept import Plan

_SHAPES = ((100, 1), (1_000, 1), (10, 100), (1, 1_000))
_LARGE = 10_000
_BAR_US = 80.0
_BAR_SECONDS = 1.0
_BAR_MIB = 64.0
_OPT_OUTS = 5_000
_NOON = datetime(2026, 11, 18, 10, 0, tzinfo=UTC)
_JERUSALEM = parse_zone("Asia/Jerusalem")
_NIGHT = HourWindow(start=22 * 60, end=7 * 60)
_TEXT = "Dear {{name}}, your table for {{guests}} is ready at {{time}}."

_RULES = Rules(
    router=Router([Route(name="1", carriers=("sandbox",))]),
    prices=PriceTable.of(
        {"default": "1.5", "972": "0.25", "9725": "0.2", "97250": "0.19", "44": "0.4", "1": "0.1"}, {"high": "1.5"}
    ),
    per_number={"smtp": parse_limits(["10/1m", "30/15m", "60/1h"])},
    quiet={"IL": Quiet(windows=(_NIGHT,), zone=_JERUSALEM)},
)
_ACCOUNT = AccountRules(
    zone=_JERUSALEM,
    countries=frozenset({"IL", "GB", "US"}),
    limits=parse_limits(["100000000/1m", "100000000/1h", "100000000/1d"]),
    mailbox_limits=parse_limits(["100000000/1m", "100000000/1d"]),
    spend_per_day=10**12,
    quiet=Quiet(windows=(_NIGHT,), zone=_JERUSALEM),
    open=Open(windows=(HourWindow(start=6 * 60, end=23 * 60),), zone=_JERUSALEM),
)


def run(options: argparse.Namespace) -> bool:
    """Print the tables; True when every bar is met."""
    with bridge.folder() as folder:
        store = Store(f"sqlite:///{folder / 'bridge.db'}", clock=lambda: _NOON)
        directory = _prepare(store)
        made = _addressees()
        met = _rates(store, directory, made, options) & _one(store, directory, made, options)
        store.close()
    return met


def _rates(store: Store, directory: Directory, made: Iterator[Addressee], options: argparse.Namespace) -> bool:
    """Print microseconds a recipient, by how many submissions of how many recipients share a transaction."""
    rows = []
    met = True
    for submissions, recipients in _SHAPES:
        figures: list[tuple[float, float, float]] = []
        until = time.perf_counter() + options.seconds
        while time.perf_counter() < until or len(figures) < options.rounds:
            figures.append(_turn(store, directory, [_submission(made, recipients) for _ in range(submissions)]))
        # An absolute bar: of the turns, those that the machine's other work disturbed least.
        accepting, admitting, whole = (sorted(column)[len(column) // 4] for column in zip(*figures, strict=True))
        verdict = table.verdict(accepting + admitting, bar=_BAR_US, at_least=False)
        met &= verdict == "met"
        rows.append(
            (
                f"{submissions:,} of {recipients:,}",
                f"{accepting:.1f}",
                f"{admitting:.1f}",
                f"{accepting + admitting:.1f}",
                f"≤ {_BAR_US:.0f}",
                verdict,
                f"{whole:.1f}",
            )
        )
    head = ("submissions of recipients", "accept", "admit", "rules together", "bar", "", "accepted and durable")
    table.show("Every rule switched on (SQLite), microseconds a recipient", head, rows)
    return met


def _turn(store: Store, directory: Directory, submissions: list[Submission]) -> tuple[float, float, float]:
    """Return what accept, admit, and all of it up to the commit cost for a recipient, in microseconds."""
    count_all = sum(len(submission.recipients) for submission in submissions)
    began = time.perf_counter()
    plans = [_accept(each, directory) for each in submissions]
    accepted = time.perf_counter()
    admitting = _admitting(store, plans)
    again = time.perf_counter()
    _take(store, plans)
    done = time.perf_counter()
    each = 1e6 / count_all
    return (accepted - began) * each, admitting * each, (accepted - began + done - again) * each


def _admitting(store: Store, plans: list[Plan]) -> float:
    """Return the seconds that the rules take which need the database; nothing of it stays."""
    with store.engine.connect() as connection, connection.begin() as transaction:
        now = store.now(connection)
        began = time.perf_counter()
        admissions = admit(connection, [Asked(plan=plan, recipients=plan.recipients) for plan in plans], now=now)
        took = time.perf_counter() - began
        transaction.rollback()
    assert sum(len(one.refused) for one in admissions) == 0
    return took


def _one(store: Store, directory: Directory, made: Iterator[Addressee], options: argparse.Namespace) -> bool:
    """Print what one large submission takes, until it is durable: time, and memory at its peak."""
    seconds = []
    for _ in range(max(3, options.rounds)):
        submission = _submission(made, _LARGE)
        began = time.perf_counter()
        _take(store, [_accept(submission, directory)])
        seconds.append(time.perf_counter() - began)
    submission = _submission(made, _LARGE)
    tracemalloc.start()
    _take(store, [_accept(submission, directory)])
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    lines = [
        (
            "accepted and durable, s",
            f"{median(seconds):.2f}",
            f"≤ {_BAR_SECONDS:.1f}",
            table.verdict(median(seconds), bar=_BAR_SECONDS, at_least=False),
        ),
        (
            "memory at its peak, MiB",
            f"{peak:.1f}",
            f"≤ {_BAR_MIB:.0f}",
            table.verdict(peak, bar=_BAR_MIB, at_least=False),
        ),
    ]
    table.show(f"One submission of {_LARGE:,} recipients (SQLite)", ("", "", "bar", ""), lines)
    return all("MISSED" not in line for line in lines)


def _accept(submission: Submission, directory: Directory) -> Plan:
    plan = accept(submission, directory=directory, rules=_RULES, now=_NOON)
    assert len(plan.recipients) == len(submission.recipients)
    return plan


def _take(store: Store, plans: list[Plan]) -> None:
    with store.write() as connection:
        receipts = take(connection, plans, now=store.now(connection))
    assert all(one.refusal is None for receipt in receipts for one in receipt.results)


def _prepare(store: Store) -> Directory:
    """Give the bench's account every setting there is; return the snapshot of it."""
    now = to_ms(_NOON)
    with store.write() as connection:
        (account,) = accounts.list_accounts(connection)
        accounts.set_rules(connection, account.id, _ACCOUNT)
        ledger.set_limit(connection, account.id, 0)
        ledger.credit(connection, account.id, 10**14, now=now)
        senders.settle(connection, account.id, parse_sender("Tables"), Verdict.APPROVE, now=now)
        for place in range(_OPT_OUTS):
            opt_outs.add(connection, f"+44740{place:07d}", place % 2 * account.id, word="STOP", now=now)
    with store.read() as connection:
        return load_directory(connection)


def _addressees() -> Iterator[Addressee]:
    """Yield addressees without end, each with a key as a mail has it, and the fields of the template."""
    for serial, number in enumerate(numbers()):
        yield Addressee(
            number=f"+{number}",
            key=blake2b(f"{serial} {number}".encode(), digest_size=16).hexdigest(),
            fields={"name": f"Ann {serial}", "guests": "4", "time": "19:30"},
        )


def _submission(made: Iterator[Addressee], recipients: int) -> Submission:
    return Submission(
        account_id=1,
        door="smtp",
        origin=SENDER,
        recipients=tuple(islice(made, recipients)),
        text=_TEXT,
        sender="Tables",
        template=True,
        priority=Priority.HIGH,
    )
