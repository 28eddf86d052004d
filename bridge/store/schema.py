"""The schema's version: brought forward by migrations, and refused when it is not the code's own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text, update

from bridge.model.errors import SchemaMismatch
from bridge.store.tables import heartbeat

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from bridge.store.engine import Store

_MIGRATIONS = Path(__file__).with_name("migrations")
_MIGRATING = 0x736D73  # "sms": nodes that start together migrate one after the other


def migrate(store: Store) -> tuple[str | None, str]:
    """Bring the database to the code's version, in one transaction. Returns the versions before and after.

    Raises :exc:`SchemaMismatch` when a newer version of the code made it.
    """
    before = version(store)
    _refuse_newer(before)
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    with store.write() as connection:
        if store.dialect == "postgresql":  # SQLite has one writer anyway
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATING})
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return before, head()


def check(store: Store) -> None:
    """Raise :exc:`SchemaMismatch` unless the database's schema is exactly the code's."""
    found = version(store)
    _refuse_newer(found)
    if found != head():
        state = "is empty" if found is None else f"has schema {found}, this version needs {head()}"
        reason = f"the database {state}; run: smsbridge migrate"
        raise SchemaMismatch(reason)


def version(store: Store) -> str | None:
    """Return the database's version, or None when it is empty."""
    with store.read() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def head() -> str:
    """Return the version this code works with."""
    newest = _scripts().get_current_head()
    if newest is None:  # pragma: no cover - the package holds at least one migration
        reason = "no migrations in the package"
        raise SchemaMismatch(reason)
    return newest


def _refuse_newer(found: str | None) -> None:
    known = {script.revision for script in _scripts().walk_revisions()}
    if found is not None and found not in known:
        reason = f"the database has schema {found}, made by a newer smsbridge; upgrade smsbridge"
        raise SchemaMismatch(reason)


def _scripts() -> ScriptDirectory:
    return ScriptDirectory(str(_MIGRATIONS))


def probe(connection: Connection) -> None:
    """Write one row in the caller's transaction: it commits only where the database takes writes."""
    connection.execute(update(heartbeat).values(beats=heartbeat.c.beats + 1))
