"""The count of changes of who may send what: a process sees by it at once whether its snapshot is old."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select, update

from bridge.store.tables import directory_revision

if TYPE_CHECKING:
    from sqlalchemy import Connection


def current(connection: Connection) -> int:
    """Return the number of changes so far."""
    return int(connection.execute(select(directory_revision.c.revision)).scalar_one())


def changed(connection: Connection) -> None:
    """Count a change made in this transaction."""
    connection.execute(update(directory_revision).values(revision=directory_revision.c.revision + 1))
