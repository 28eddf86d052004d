"""The order of an account's messages: their ids grow from commit to commit.

An id is made when a submission is accepted, and others may be committed before it is: of the same millisecond, or by a
machine whose clock is ahead. A program that reads a report page by page, each after the last id of the one before,
would never see a message that comes to stand before its place. So what would do that gets its id anew, under the lock
of its account.
"""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import TYPE_CHECKING

from bridge.model.message import recipient_id, split_recipient_id
from bridge.store import ledger, submissions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.pipeline.accept import Plan
    from bridge.store.engine import Connection

_STEP = 1 << 40
"""Of the 2 to the 56 places in a millisecond: many steps stay in it, and two accounts' never meet."""


def in_order(connection: Connection, plans: Sequence[Plan]) -> list[Plan]:
    """Return the plans with ids that stand after all that their accounts have committed; the accounts are locked."""
    account_ids = {plan.message.account_id for plan in plans}
    if connection.dialect.name == "postgresql":  # SQLite has locked everything already
        ledger.lock(connection, account_ids)
    latest = submissions.latest(connection, account_ids)
    return [
        plan if plan.message.id > (last := latest.get(plan.message.account_id, "")) else _after(plan, last)
        for plan in plans
    ]


def _after(plan: Plan, last: str) -> Plan:
    own = f"{int(last, 16) + 1 + secrets.randbelow(_STEP):026x}"
    return replace(
        plan,
        message=replace(plan.message, id=own),
        recipients=tuple(replace(one, message_id=own) for one in plan.recipients),
        results=tuple(
            one
            if one.recipient_id is None
            else replace(one, recipient_id=recipient_id(own, split_recipient_id(one.recipient_id)[1]))
            for one in plan.results
        ),
    )
