"""``smsbridge contact``: people by number, with what a text may say of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from bridge.cli import contact_import
from bridge.cli.context import Context, command, iso
from bridge.cli.options import AccountName, noun
from bridge.model.contacts import change, field_name, tag_name
from bridge.model.errors import Conflict, InvalidNumber, NotFound
from bridge.model.numbers import parse_number
from bridge.store import contacts, groups

if TYPE_CHECKING:
    from bridge.cli.context import Session
    from bridge.model.account import Account
    from bridge.store.contacts import Kept

app = noun("People by number, with what a text may say of them.")

Number = Annotated[str, typer.Argument(metavar="NUMBER", help="The telephone number.")]


def _field(written: str) -> tuple[str, str]:
    name, equals, value = written.partition("=")
    if not equals:
        message = f"{written!r}: write NAME=VALUE"
        raise typer.BadParameter(message)
    try:
        return field_name(name), value
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def _tag(written: str) -> str:
    try:
        return tag_name(written)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


@command(app)
def add(
    context: Context,
    *,
    account: AccountName,
    number: Number,
    name: Annotated[str | None, typer.Option("--name", help="Who it is.")] = None,
    email: Annotated[str | None, typer.Option("--email", help="Their mail address.")] = None,
    tag: Annotated[
        list[str] | None, typer.Option("--tag", metavar="TAG", help="A tag; more may follow. All others go.")
    ] = None,
    field: Annotated[
        list[Any] | None,
        typer.Option(
            "--field", parser=_field, metavar="NAME=VALUE", help="For templates; an empty value takes it away."
        ),
    ] = None,
    group: Annotated[
        list[str] | None, typer.Option("--group", metavar="GROUP", help="A group to join; it is made if need be.")
    ] = None,
) -> None:
    """Add a contact, or change the one with this number: what is not given stays."""
    settings = context.settings()
    with context.writing() as session:
        holder = session.account(account)
        e164 = _number(number, holder.region or settings.default_region)
        try:
            wanted = change(e164, name=name, email=email, tags=tag, fields=field or (), groups=group or ())
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error
        written = contacts.put(session.connection, holder.id, [wanted], now=session.now)
        if written.refused:
            raise typer.BadParameter(written.refused[0][1])
        kept = contacts.find(session.connection, holder.id, e164)
    context.show(_row(kept) | {"new": bool(written.added)}, f"{e164} {'added' if written.added else 'changed'}")


@command(app, "list")
def list_all(
    context: Context,
    account: AccountName,
    tag: Annotated[str | None, typer.Option("--tag", parser=_tag, metavar="TAG", help="Only those with it.")] = None,
    group: Annotated[
        str | None, typer.Option("--group", metavar="GROUP", help="Only those in it, or in a group within.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="How many at most.")] = 50,
) -> None:
    """List contacts, by name."""
    with context.reading() as session:
        holder = session.account(account)
        only = groups.find(session.connection, holder.id, group).id if group is not None else None
        found = contacts.listed(session.connection, holder.id, tag=tag, group_id=only, limit=limit)
    rows = [_row(kept) for kept in found]
    if context.options.json:
        context.show(rows)
        return
    context.table(
        [
            row | {"tags": ", ".join(row["tags"]), "groups": ", ".join(row["groups"]), "fields": len(row["fields"])}
            for row in rows
        ],
        "number",
        "name",
        "email",
        "tags",
        "groups",
        "fields",
        empty="no contacts; add one with: smsbridge contact add",
    )


@command(app)
def show(
    context: Context,
    account: AccountName,
    who: Annotated[str, typer.Argument(metavar="NUMBER", help="The number, or the name.")],
) -> None:
    """Show a contact with all that is known of it."""
    settings = context.settings()
    with context.reading() as session:
        holder = session.account(account)
        row = _row(_one(session, holder, who, holder.region or settings.default_region))
    if context.options.json:
        context.show(row)
        return
    told = row | {"tags": ", ".join(row["tags"]), "groups": ", ".join(row["groups"])}
    fields = told.pop("fields")
    rows = [{"field": key, "value": value or None} for key, value in (told | fields).items()]
    context.table(rows, "field", "value", empty="")


@command(app)
def delete(context: Context, account: AccountName, number: Number) -> None:
    """Delete a contact."""
    settings = context.settings()
    with context.writing() as session:
        holder = session.account(account)
        e164 = _number(number, holder.region or settings.default_region)
        contacts.remove(session.connection, holder.id, e164)
    context.show({"account": account, "number": e164}, f"{e164} deleted")


command(app, "import")(contact_import.run)


def _one(session: Session, account: Account, who: str, region: str | None) -> Kept:
    """Find a contact by number or name. Raises :exc:`NotFound`, :exc:`Conflict`."""
    try:
        number = parse_number(who, region)
    except InvalidNumber:
        found = contacts.named(session.connection, account.id, who)
    else:
        return contacts.find(session.connection, account.id, number)
    if len(found) > 1:
        raise Conflict(f"{len(found)} contacts are named {who}: {', '.join(one.contact.number for one in found[:5])}")
    if not found:
        raise NotFound(f"no contact has the number or name {who}")
    return found[0]


def _number(written: str, region: str | None) -> str:
    try:
        return parse_number(written.strip(), region)
    except InvalidNumber as error:
        raise type(error)(f"{written.strip()}: {error.reason}") from error


def _row(kept: Kept) -> dict[str, Any]:
    contact = kept.contact
    return {
        "number": contact.number,
        "name": contact.name,
        "email": contact.email,
        "tags": sorted(contact.tags),
        "groups": list(kept.groups),
        "fields": dict(contact.fields),
        "created_at": iso(kept.created_at),
        "updated_at": iso(kept.updated_at),
    }
