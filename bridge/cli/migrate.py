"""``smsbridge migrate``: the database's schema."""

from __future__ import annotations

import typer

from bridge.cli.context import Context, command
from bridge.cli.options import PLAIN
from bridge.store import schema
from bridge.store.engine import Store

app = typer.Typer(**PLAIN)


@command(app)
def migrate(context: Context) -> None:
    """Bring the database to this version's schema."""
    store = Store(context.settings().database.get_secret_value())
    try:
        before, after = schema.migrate(store)
    finally:
        store.close()
    same = f"schema {after}: nothing to do"
    context.show({"from": before, "to": after}, same if before == after else f"schema {before or 'empty'} -> {after}")
