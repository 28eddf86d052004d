"""``smsbridge account``: customers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bridge.cli.context import Context, command, iso
from bridge.cli.mail_settings import changed
from bridge.cli.money import format_credit, parse_credit
from bridge.cli.options import AccountName, noun
from bridge.model import price
from bridge.model.numbers import known_region
from bridge.model.price import credit_number
from bridge.model.rules import NAMES, written
from bridge.model.rules import change as rewritten
from bridge.store import accounts, ledger

if TYPE_CHECKING:
    from bridge.cli.context import Session
    from bridge.model.account import Account

app = noun("Customers: whether they may send, and by which rules.")

_MAIL = "mail."
"""Before the settings that its mailboxes have in common."""
_SETTINGS = ("credit_limit", *NAMES)
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)


def _name(written: str) -> str:
    if not _NAME.fullmatch(written):
        message = f"{written!r}: a name has 1 to 64 letters, digits, dots, underscores or dashes"
        raise typer.BadParameter(message)
    return written


def _region(written: str) -> str:
    if not known_region(written.upper()):
        message = f"{written!r} is no ISO 3166 country code; write IL or US"
        raise typer.BadParameter(message)
    return written.upper()


@command(app)
def add(
    context: Context,
    name: Annotated[str, typer.Argument(metavar="NAME", parser=_name, help="Letters, digits, dot, underscore, dash.")],
    region: Annotated[
        str | None,
        typer.Option(parser=_region, metavar="CODE", help="Country whose local numbers it dials, as IL."),
    ] = None,
    amount: Annotated[
        int | None, typer.Option("--credit", parser=parse_credit, metavar="N", help="Credit to begin with.")
    ] = None,
) -> None:
    """Make an account."""
    with context.writing() as session:
        # Who is given credit may spend no more than that; texts of the others are counted only.
        least = None if amount is None else 0
        account = accounts.add_account(session.connection, name, region=region, credit_limit=least, now=session.now)
        if amount:
            ledger.credit(session.connection, account.id, amount, now=session.now)
        made = _summary(session, account)
    context.show(made, f"account {name} made{_of(made)}")


@command(app, "list")
def list_all(context: Context) -> None:
    """List the accounts."""
    with context.reading() as session:
        rows = [_summary(session, account) for account in accounts.list_accounts(session.connection)]
    context.table(
        rows, "name", "region", "enabled", "credit", empty="no accounts; make one with: smsbridge account add"
    )


@command(app)
def show(context: Context, name: AccountName) -> None:
    """Show an account, with its mailboxes and logins."""
    with context.reading() as session:
        account = session.account(name)
        mailboxes = [mailbox.pattern for mailbox in accounts.list_mailboxes(session.connection, account.id)]
        keys = [
            {"user": key.user, "kind": key.kind, "revoked_at": iso(key.revoked_at)}
            for key in accounts.list_keys(session.connection, account.id)
        ]
        settings = _settings(session, account)
        told = _summary(session, account) | {"mailboxes": mailboxes, "keys": keys, "settings": settings}
        credit = format_credit(ledger.balance(session.connection, account.id))
    users = [str(key["user"]) for key in keys if key["revoked_at"] is None]
    context.show(
        told,
        f"name       {account.name}",
        f"region     {account.region or '-'}",
        f"enabled    {'yes' if account.enabled else 'no'}",
        f"credit     {credit}",
        f"mailboxes  {', '.join(mailboxes) or '-'}",
        f"keys       {', '.join(users) or '-'}",
        *(f"{key:<17} {value}" for key, value in settings.items()),
    )


@command(app, "set")
def change(
    context: Context,
    name: AccountName,
    settings: Annotated[
        list[str], typer.Argument(metavar="KEY=VALUE", help="limits=60/1m,1000/1d and the like; KEY= sets the default.")
    ],
) -> None:
    """Change an account's settings."""
    with context.writing() as session:
        account = session.account(name)
        rules = account.rules
        mail = accounts.mail_settings(session.connection, account.id)
        for setting in settings:
            key, equals, value = setting.partition("=")
            if not equals:
                message = f"{setting!r}: write KEY=VALUE"
                raise typer.BadParameter(message)
            if key.startswith(_MAIL):
                mail = changed(mail, [setting.removeprefix(_MAIL)])
                continue
            if key not in _SETTINGS:
                message = f"no setting is named {key}; there is {', '.join(_SETTINGS)}, and {_MAIL}KEY for its mails"
                raise typer.BadParameter(message)
            if key == "credit_limit":
                ledger.set_limit(session.connection, account.id, _least(value))
                continue
            try:
                rules = rewritten(rules, key, value)
            except ValueError as error:
                raise typer.BadParameter(str(error)) from error
        accounts.set_rules(session.connection, account.id, rules)
        accounts.set_mail_settings(session.connection, account.id, mail)
        told = _settings(session, session.account(name))
    context.show({"name": name, "settings": told}, *(f"{key:<17} {value}" for key, value in told.items()))


@command(app)
def disable(context: Context, name: AccountName) -> None:
    """Let an account send no more. What it has queued still goes out."""
    _switch(context, name, enabled=False)


@command(app)
def enable(context: Context, name: AccountName) -> None:
    """Let an account send again."""
    _switch(context, name, enabled=True)


def _switch(context: Context, name: str, *, enabled: bool) -> None:
    with context.writing() as session:
        account = session.account(name)
        accounts.set_enabled(session.connection, account.id, enabled=enabled)
    context.show({"name": name, "enabled": enabled}, f"account {name} {'enabled' if enabled else 'disabled'}")


def _least(value: str) -> int | None:
    """Return how low a balance may come, in thousandths; None for as low as it goes."""
    if value in {"", "none"}:
        return None
    try:
        return price.parse_credit(value)
    except ValueError as error:
        message = f"credit_limit: {error}; or none"
        raise typer.BadParameter(message) from error


def _settings(session: Session, account: Account) -> dict[str, str]:
    least = ledger.limit(session.connection, account.id)
    mail = accounts.mail_settings(session.connection, account.id)
    return {
        "credit_limit": "none" if least is None else format_credit(least),
        **written(account.rules),
        **{f"{_MAIL}{name}": value for name, value in mail.items()},
    }


def _summary(session: Session, account: Account) -> dict[str, Any]:
    return {
        "name": account.name,
        "region": account.region,
        "enabled": account.enabled,
        "credit": credit_number(ledger.balance(session.connection, account.id)),
    }


def _of(made: dict[str, Any]) -> str:
    said = [f"{key} {made[key]}" for key in ("region", "credit") if made[key]]
    return f", {', '.join(said)}" if said else ""
