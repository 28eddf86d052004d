"""``smsbridge optout``: who asked for no more texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bridge.cli.context import Context, command, iso
from bridge.cli.options import noun
from bridge.model.numbers import parse_number
from bridge.store import opt_outs

if TYPE_CHECKING:
    from bridge.cli.context import Session

app = noun("Numbers that get no texts: of one account, or of any.")

Whose = Annotated[
    str | None, typer.Option("--account", metavar="A", help="Whose list; without it, the one of all accounts.")
]
Number = Annotated[str, typer.Argument(metavar="NUMBER", help="The number.")]


@command(app)
def add(context: Context, number: Number, account: Whose = None) -> None:
    """Close a number to an account, or to all."""
    region = context.settings().default_region
    with context.writing() as session:
        whose, closed = _whose(session, account, number, region)
        opt_outs.add(session.connection, closed, whose, word="operator", now=session.now)
    context.show({"number": closed, "account": account}, f"{closed} gets no texts of {account or 'any account'}")


@command(app)
def remove(context: Context, number: Number, account: Whose = None) -> None:
    """Open a number again."""
    region = context.settings().default_region
    with context.writing() as session:
        whose, opened = _whose(session, account, number, region)
        opt_outs.remove(session.connection, opened, whose)
    context.show({"number": opened, "account": account}, f"{opened} gets texts of {account or 'all accounts'} again")


@command(app, "list")
def list_closed(
    context: Context,
    account: Whose = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1_000_000, help="How many at most.")] = 100,
) -> None:
    """List closed numbers, the latest first."""
    with context.reading() as session:
        whose = opt_outs.EVERYBODY if account is None else session.account(account).id
        found = opt_outs.listed(session.connection, whose, limit=limit)
    rows = [{"number": one.number, "word": one.word, "since": iso(one.created_at)} for one in found]
    context.table(rows, "number", "word", "since", empty="no number is closed")


def _whose(session: Session, account: str | None, number: str, region: str | None) -> tuple[int, str]:
    """Return whose list is meant, and the number as it stands there: a local one is read as the account dials."""
    if account is None:
        return opt_outs.EVERYBODY, parse_number(number, region)
    holder = session.account(account)
    return holder.id, parse_number(number, holder.region or region)
