"""``smsbridge group``: contacts and groups under one name, which is a recipient like any."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bridge.cli.context import Context, command
from bridge.cli.options import AccountName, noun
from bridge.model.contacts import Listing, group_name, split_listing
from bridge.model.errors import Conflict, InvalidNumber, NotFound
from bridge.model.numbers import parse_number
from bridge.store import contacts, groups

if TYPE_CHECKING:
    from bridge.cli.context import Session
    from bridge.model.account import Account

app = noun("Contacts and groups under one name.")


def _name(written: str) -> str:
    try:
        return group_name(written)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


Name = Annotated[str, typer.Argument(metavar="GROUP", parser=_name, help="The group's name.")]
Members = Annotated[
    list[str], typer.Argument(metavar="MEMBER", help="A contact's number or name, or a group: group:NAME.")
]


@command(app)
def add(context: Context, account: AccountName, name: Name) -> None:
    """Make a group."""
    with context.writing() as session:
        groups.add(session.connection, session.account(account).id, name, now=session.now)
    context.show({"account": account, "group": name}, f"group {name} made")


@command(app, "list")
def list_all(context: Context, account: AccountName) -> None:
    """List the groups, with how many contacts and groups each holds itself."""
    with context.reading() as session:
        rows = [
            {"group": group.name, "contacts": group.contacts, "groups": group.groups}
            for group in groups.listed(session.connection, session.account(account).id)
        ]
    context.table(rows, "group", "contacts", "groups", empty="no groups; make one with: smsbridge group add")


@command(app)
def show(
    context: Context,
    account: AccountName,
    name: Name,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="How many contacts at most.")] = 50,
) -> None:
    """Show a group: the groups it holds, and all contacts in it and in those."""
    with context.reading() as session:
        holder = session.account(account)
        group = groups.find(session.connection, holder.id, name)
        inner = groups.within(session.connection, group.id)
        people = contacts.listed(session.connection, holder.id, group_id=group.id, limit=limit)
    rows = [{"number": one.contact.number, "name": one.contact.name} for one in people]
    if context.options.json:
        context.show({"account": account, "group": group.name, "groups": inner, "contacts": rows})
        return
    context.show(None, f"groups  {', '.join(inner) or '-'}")
    context.table(rows, "number", "name", empty="nobody is in it")


@command(app)
def delete(context: Context, account: AccountName, name: Name) -> None:
    """Delete a group. Its contacts stay."""
    with context.writing() as session:
        group = groups.find(session.connection, session.account(account).id, name)
        groups.remove(session.connection, group.id)
    context.show({"account": account, "group": group.name}, f"group {group.name} deleted")


@command(app)
def join(context: Context, account: AccountName, name: Name, members: Members) -> None:
    """Put contacts and groups into a group."""
    settings = context.settings()
    with context.writing() as session:
        holder = session.account(account)
        group = groups.find(session.connection, holder.id, name)
        for written in members:
            listing, place = _member(session, holder, written, holder.region or settings.default_region)
            if listing is Listing.CONTACT:
                groups.join(session.connection, [(group.id, place)])
                continue
            try:
                groups.join_group(session.connection, holder.id, group.id, place)
            except Conflict as error:
                raise Conflict(f"{written}: {error.reason}") from error
    context.show(
        {"account": account, "group": group.name, "joined": members}, f"{', '.join(members)} joined {group.name}"
    )


@command(app)
def leave(context: Context, account: AccountName, name: Name, members: Members) -> None:
    """Take contacts and groups out of a group."""
    settings = context.settings()
    with context.writing() as session:
        holder = session.account(account)
        group = groups.find(session.connection, holder.id, name)
        for written in members:
            listing, place = _member(session, holder, written, holder.region or settings.default_region)
            out = groups.leave if listing is Listing.CONTACT else groups.leave_group
            if not out(session.connection, group.id, place):
                raise NotFound(f"{written} is not in group {group.name} itself")
    context.show({"account": account, "group": group.name, "left": members}, f"{', '.join(members)} left {group.name}")


def _member(session: Session, account: Account, written: str, region: str | None) -> tuple[Listing, int]:
    """Find who is meant. Raises :exc:`NotFound`, and :exc:`Conflict` where it may be several."""
    listing, name = split_listing(written)
    if listing is Listing.GROUP:
        return listing, groups.find(session.connection, account.id, name).id
    if listing is Listing.TAG:
        raise NotFound(f"{written}: a tag is no member; list its contacts with: smsbridge contact list --tag")
    try:
        number = parse_number(name, region)
    except InvalidNumber:
        found = contacts.named(session.connection, account.id, name)
    else:
        return Listing.CONTACT, contacts.find(session.connection, account.id, number).id
    if len(found) > 1:
        raise Conflict(f"{len(found)} contacts are named {name}; write the number")
    if not found:
        raise NotFound(f"no contact has the number or name {name}; a group is written as group:{name}")
    return Listing.CONTACT, found[0].id
