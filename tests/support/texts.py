"""Texts for tests of the store and the pipeline: plans as accept makes them, and the rows they become."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select

from bridge.model.message import Message, Outgoing, Priority, Receipt, Recipient, Result, recipient_id
from bridge.model.quota import Quota
from bridge.model.state import State
from bridge.model.text import measure
from bridge.pipeline.accept import Plan
from bridge.pipeline.commit import take
from bridge.pipeline.dispatch import outgoing_of
from bridge.store import accounts
from bridge.store.engine import Store
from bridge.store.queue import Claimed
from bridge.store.tables import events, recipients
from tests.support.clock import HandClock

_ids = count(1)
_NO_QUOTA = Quota()
_UTC = ZoneInfo("UTC")


def number(index: int) -> str:
    """Return a valid number, another one for each index below 10,000."""
    return f"+97250234{index:04d}"


def make_plan(
    clock: HandClock,
    addressed: Sequence[tuple[str, str | None]] = ((number(5678), None),),
    *,
    account_id: int = 1,
    text: str = "Your table is ready",
    priority: Priority = Priority.NORMAL,
    lifetime: timedelta = timedelta(hours=24),
    lane: str = "1",
    sender: str | None = None,
    price: int = 0,
    wait: timedelta = timedelta(0),
    quota: Quota = _NO_QUOTA,
    test: bool = False,
    all_or_nothing: bool = False,
) -> Plan:
    """Return what accept makes of a text to numbers, each with its key. Ids made later sort later.

    ``price`` is that of each recipient, in thousandths; one that has to ``wait`` is scheduled, and lives from then.
    """
    size = measure(text)
    due_at = clock() + wait
    message = Message(
        id=f"{next(_ids):026x}",
        account_id=account_id,
        door="test",
        origin="ann@example.com",
        sender=sender,
        text=text,
        encoding=size.encoding,
        parts=size.parts,
        priority=priority,
        created_at=clock(),
        expires_at=due_at + lifetime,
    )
    planned = tuple(
        Recipient(
            message_id=message.id,
            position=position,
            number=to,
            key=key,
            state=State.SCHEDULED if wait else State.QUEUED,
            lane=lane,
            parts=size.parts,
            due_at=due_at,
            expires_at=message.expires_at,
            price=price,
        )
        for position, (to, key) in enumerate(addressed, start=1)
    )
    results = tuple(
        Result(
            number=one.number,
            recipient_id=one.id,
            state=one.state,
            parts=one.parts,
            price=one.price,
            due_at=one.due_at,
        )
        for one in planned
    )
    return Plan(
        message=message,
        recipients=planned,
        results=results,
        quota=quota,
        zone=_UTC,
        test=test,
        all_or_nothing=all_or_nothing,
    )


def outgoing(row: Claimed) -> Outgoing:
    """Return a claimed text as its carrier gets it."""
    return outgoing_of(row, recipient_id(row.message_id, row.position))


def put(store: Store, *plans: Plan) -> list[Receipt]:
    """Commit plans."""
    with store.write() as connection:
        return take(connection, plans, now=store.now(connection))


def add_account(store: Store, name: str = "acme", *, credit_limit: int | None = None) -> int:
    """Make an account and return its id. Its texts are only counted, unless there is a limit to its credit."""
    with store.write() as connection:
        return accounts.add_account(connection, name, region="IL", credit_limit=credit_limit, now=0).id


def rows(store: Store) -> list[Any]:
    """Return all recipients as they are in the store, in the order in which they were taken."""
    with store.read() as connection:
        query = select(recipients).order_by(recipients.c.message_id, recipients.c.position)
        return list(connection.execute(query))


def row(store: Store, message_id: str, position: int = 1) -> Any:
    """Return one recipient as it is in the store."""
    return next(one for one in rows(store) if (one.message_id, one.position) == (message_id, position))


def happened(store: Store) -> list[tuple[str, str | None, int | None]]:
    """Return all events, in order: kind, message and position."""
    with store.read() as connection:
        query = select(events.c.kind, events.c.message_id, events.c.position).order_by(events.c.id)
        return [(one.kind, one.message_id, one.position) for one in connection.execute(query)]
