"""Submissions and backlogs made without a door, for measurements below it."""

from __future__ import annotations

from datetime import timedelta
from hashlib import blake2b
from itertools import count, islice
from typing import TYPE_CHECKING

from bench.mails import numbers
from bridge.clock import system_clock
from bridge.model.message import Addressee, Submission
from bridge.pipeline.accept import Plan, Rules, accept
from bridge.pipeline.routing import Route, Router
from bridge.store import submissions
from bridge.store.directory import load_directory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bridge.store.engine import Store

RULES = Rules(router=Router([Route(name="1", carriers=("sandbox",))]), lifetime=timedelta(hours=24))
TEXT = "PROBLEM db-3: /var is 97% full (threshold 90%)."


def plans(store: Store, *, recipients: int = 1, start: int = 0) -> Iterator[Plan]:
    """Yield accepted submissions of one account without end, each with keys as a mail has them.

    Runs on one store take different starts, far apart: the same one would give the same keys.
    """
    with store.read() as connection:
        directory = load_directory(connection)
    (account,) = directory.accounts
    free = numbers(start)
    for serial in count(start):
        addressed = tuple(
            Addressee(number=f"+{number}", key=_key(f"{serial} {number}")) for number in islice(free, recipients)
        )
        submission = Submission(
            account_id=account, door="smtp", origin="monitor@example.com", recipients=addressed, text=TEXT
        )
        yield accept(submission, directory=directory, rules=RULES, now=system_clock())


def _key(said: str) -> str:
    """Return a key as a mail has it: a digest, so that new ones fall anywhere among the old."""
    return blake2b(said.encode(), digest_size=16).hexdigest()


def fill(store: Store, rows: int) -> None:
    """Queue that many texts, as the writer would have."""
    made = plans(store, start=10**9)
    for _ in range(0, rows, 2000):
        batch = list(islice(made, min(2000, rows)))
        with store.write() as connection:
            submissions.insert(connection, [(plan.message, plan.recipients) for plan in batch])
