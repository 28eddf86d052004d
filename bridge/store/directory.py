"""The snapshot of who may send what, as the rules are asked of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.model.account import Directory
from bridge.store import accounts, revision, senders

if TYPE_CHECKING:
    from sqlalchemy import Connection


def load_directory(connection: Connection) -> Directory:
    """Return a snapshot, in a transaction that sees one state of the database."""
    return Directory.of(
        revision.current(connection),
        accounts.readable_accounts(connection),
        accounts.list_mailboxes(connection),
        senders.rules(connection),
        accounts.logins(connection),
    )
