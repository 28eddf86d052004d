"""``smsbridge key``: logins. A secret is shown once, and kept only as a hash."""

from __future__ import annotations

import getpass
import hashlib
import secrets
import sys
from typing import Annotated

import argon2
import typer

from bridge.cli.context import Context, command, iso
from bridge.cli.options import AccountName, noun
from bridge.store import accounts

app = noun("Logins of an account: passwords and tokens.")

_ASK = "-"
_TOKEN_BYTES = 32
_LONGEST_USER = 128
_LONGEST_PASSWORD = 1024


def _user(written: str) -> str:
    if not 1 <= len(written) <= _LONGEST_USER or not written.isprintable() or set(written) & {" ", ":"}:
        message = f"{written!r}: a user name has 1 to {_LONGEST_USER} characters, and no space or colon"
        raise typer.BadParameter(message)
    return written


@command(app)
def create(
    context: Context,
    account: AccountName,
    user: Annotated[str, typer.Option("--user", metavar="U", parser=_user, help="The name of the login.")],
    password: Annotated[
        str | None,
        typer.Option("--password", metavar="P", help="Its password; - asks for it. Without: a random token is made."),
    ] = None,
) -> None:
    """Make a login, and print its password or token. It is shown this once."""
    asked = password == _ASK
    if password is None:
        kind, secret = "token", secrets.token_urlsafe(_TOKEN_BYTES)
        kept = hashlib.sha256(secret.encode()).hexdigest()
    else:
        kind, secret = "password", _ask() if asked else password
        if not 1 <= len(secret) <= _LONGEST_PASSWORD:
            message = f"a password has 1 to {_LONGEST_PASSWORD} characters"
            raise typer.BadParameter(message)
        kept = argon2.PasswordHasher().hash(secret)
    with context.writing() as session:
        holder = session.account(account)
        accounts.add_key(session.connection, holder.id, user=user, kind=kind, secret=kept, now=session.now)
    told = {"account": account, "user": user, "kind": kind}
    # Who typed a password without an echo does not want to see it now.
    shown = {} if asked else {kind: secret}
    context.show(
        told | shown,
        f"user      {user}",
        *(f"{name:<9} {value}" for name, value in shown.items()),
        "Only a hash is kept: what was not noted now is lost." if shown else "password  as entered",
    )


@command(app, "list")
def list_all(context: Context, account: AccountName) -> None:
    """List an account's logins, revoked ones too."""
    with context.reading() as session:
        rows = [
            {
                "user": key.user,
                "kind": key.kind,
                "created_at": iso(key.created_at),
                "revoked_at": iso(key.revoked_at),
            }
            for key in accounts.list_keys(session.connection, session.account(account).id)
        ]
    context.table(rows, "user", "kind", "created_at", "revoked_at", empty=f"{account} has no keys")


@command(app)
def revoke(
    context: Context, account: AccountName, user: Annotated[str, typer.Argument(metavar="U", help="The login.")]
) -> None:
    """End a login for good; its name is not given again."""
    with context.writing() as session:
        accounts.revoke_key(session.connection, session.account(account).id, user, now=session.now)
    context.show({"account": account, "user": user}, f"key of {user} revoked")


def _ask() -> str:
    """Read a password: twice without an echo from a terminal, else the first line that comes."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    first = getpass.getpass("Password: ")
    if first != getpass.getpass("Once more: "):
        message = "the two differ"
        raise typer.BadParameter(message)
    return first
