"""``smsbridge credit``: the ledger of an account."""

from __future__ import annotations

from typing import Annotated

import typer

from bridge.cli.context import Context, command, iso
from bridge.cli.money import format_credit, parse_credit
from bridge.cli.options import AccountName, noun
from bridge.model.price import credit_number
from bridge.store import ledger

app = noun("An account's credit.")


@command(app)
def add(
    context: Context,
    account: AccountName,
    amount: Annotated[
        int,
        typer.Argument(metavar="N", parser=parse_credit, help="How much; -- -N takes it away."),
    ],
    note: Annotated[str, typer.Option("--note", help="Why; it is kept with the entry.")] = "",
) -> None:
    """Give an account credit."""
    if amount == 0:
        message = "the amount is zero"
        raise typer.BadParameter(message)
    with context.writing() as session:
        holder = session.account(account)
        kind = "added" if amount > 0 else "taken"
        ledger.add(session.connection, holder.id, amount, kind=kind, note=note, now=session.now)
        balance = ledger.balance(session.connection, holder.id)
    context.show(
        {"account": account, "added": credit_number(amount), "credit": credit_number(balance)},
        f"{account} has {format_credit(balance)}",
    )


@command(app)
def show(
    context: Context,
    account: AccountName,
    limit: Annotated[int, typer.Option(min=0, max=10_000, help="How many of the last entries.")] = 10,
) -> None:
    """Show an account's credit and the last entries of its ledger, the newest first."""
    with context.reading() as session:
        holder = session.account(account)
        balance = ledger.balance(session.connection, holder.id)
        entries = ledger.entries(session.connection, holder.id, limit=limit)
    rows = [
        {
            "at": iso(entry.created_at),
            "amount": credit_number(entry.amount),
            "kind": entry.kind,
            "note": entry.note,
        }
        for entry in entries
    ]
    if context.options.json:
        context.show({"account": account, "credit": credit_number(balance), "entries": rows})
        return
    context.show(None, f"{account} has {format_credit(balance)}")
    context.table(rows, "at", "amount", "kind", "note", empty="no entries")
