"""``smsbridge credit``: the ledger of an account."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from bridge.cli.context import Context, command, iso
from bridge.cli.money import format_credit, parse_credit
from bridge.cli.options import AccountName, noun
from bridge.model.moment import to_ms
from bridge.model.price import credit_number
from bridge.store import ledger

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

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
        balance = ledger.credit(session.connection, holder.id, amount, note=note, now=session.now)
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


@command(app)
def statement(
    context: Context,
    account: AccountName,
    since: Annotated[
        str, typer.Option("--from", metavar="DAY", help="First day, as 2026-11-01, in the account's zone.")
    ],
    until: Annotated[str, typer.Option("--to", metavar="DAY", help="Last day; it is counted whole.")],
) -> None:
    """Show what happened to an account's credit from one day to another."""
    with context.reading() as session:
        holder = session.account(account)
        first, last = (_midnight(day, holder.rules.zone) for day in (since, until))
        if last < first:
            message = f"the last day, {until}, is before the first, {since}"
            raise typer.BadParameter(message)
        told = ledger.statement(
            session.connection,
            holder.id,
            since=to_ms(first),
            until=to_ms(last + timedelta(days=1)),
        )
        pending = ledger.pending(session.connection, holder.id)
    figures = {
        "opening": told.opening,
        "added": told.added,
        "reserved": told.reserved,
        "refunded": told.refunded,
        "spent": told.spent,
        "closing": told.closing,
        "pending": pending,
    }
    context.show(
        {"account": account, "from": since, "to": until}
        | {name: credit_number(amount) for name, amount in figures.items()},
        *(f"{name:<9} {format_credit(amount)}" for name, amount in figures.items()),
    )


def _midnight(day: str, zone: ZoneInfo) -> datetime:
    try:
        return datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=zone)
    except ValueError as error:
        message = f"{day!r}: write a day as 2026-11-01"
        raise typer.BadParameter(message) from error
