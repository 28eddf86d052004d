"""``smsbridge key``: logins. A secret is shown once, and kept as a hash, or encrypted where a digest needs it."""

from __future__ import annotations

import getpass
import hashlib
import secrets
import sys
from typing import Annotated, Any

import typer

from bridge.calls.passwords import HASHER
from bridge.calls.vault import Vault
from bridge.cli.context import Context, command, iso
from bridge.cli.options import AccountName, noun
from bridge.model.account import normalise_pattern
from bridge.model.errors import ConfigError
from bridge.model.login import LONGEST_PASSWORD, LONGEST_USER, KeyKind, Network, read_networks
from bridge.store import accounts

app = noun("Logins of an account: passwords and tokens.")

_ASK = "-"
_TOKEN_BYTES = 32


def _user(written: str) -> str:
    if not 1 <= len(written) <= LONGEST_USER or not written.isprintable() or set(written) & {" ", ":"}:
        message = f"{written!r}: a user name has 1 to {LONGEST_USER} characters, and no space or colon"
        raise typer.BadParameter(message)
    return written


@command(app)
def create(
    context: Context,
    account: AccountName,
    *,
    user: Annotated[str, typer.Option("--user", metavar="U", parser=_user, help="The name of the login.")],
    password: Annotated[
        str | None,
        typer.Option("--password", metavar="P", help="Its password; - asks for it. Without: a random token is made."),
    ] = None,
    digest: Annotated[
        bool,
        typer.Option(
            "--digest",
            help="A password that WS-Security digests can be made of. Without --password: a random one.",
        ),
    ] = False,
    networks: Annotated[
        list[str] | None,
        typer.Option(
            "--from", metavar="NETWORK", help="Where it may come from: 192.0.2.0/24 or an address. May be repeated."
        ),
    ] = None,
    mailboxes: Annotated[
        list[str] | None,
        typer.Option(
            "--mailbox",
            metavar="PATTERN",
            help="What it may send mail as, as ann@example.com; may be repeated. Without: all of the account.",
        ),
    ] = None,
) -> None:
    """Make a login, and print its password or token. It is shown this once."""
    allowed = _networks(networks or [])
    patterns = tuple(normalise_pattern(pattern) for pattern in mailboxes or [])
    vault = _vault(context) if digest else None
    asked = password == _ASK
    secret = secrets.token_urlsafe(_TOKEN_BYTES) if password is None else _checked(_ask() if asked else password)
    if vault is not None:
        kind, kept = KeyKind.DIGEST, vault.seal(secret, user=user)
    elif password is not None:
        kind, kept = KeyKind.PASSWORD, HASHER.hash(secret)
    else:
        kind, kept = KeyKind.TOKEN, hashlib.sha256(secret.encode()).hexdigest()
    with context.writing() as session:
        holder = session.account(account)
        accounts.add_key(
            session.connection,
            holder.id,
            user=user,
            kind=kind,
            secret=kept,
            networks=allowed,
            mailboxes=patterns,
            now=session.now,
        )
    told = {
        "account": account,
        "user": user,
        "kind": kind,
        "networks": [str(network) for network in allowed],
        "mailboxes": list(patterns),
    }
    # Who typed a password without an echo does not want to see it now.
    shown = {} if asked else {"token" if kind is KeyKind.TOKEN else "password": secret}
    how = "It is kept encrypted" if vault is not None else "Only a hash is kept"
    context.show(
        told | shown,
        f"user      {user}",
        *([f"from      {', '.join(map(str, allowed))}"] if allowed else []),
        *([f"mailbox   {', '.join(patterns)}"] if patterns else []),
        *(f"{name:<9} {value}" for name, value in shown.items()),
        f"{how}: what was not noted now is lost." if shown else "password  as entered",
    )


@command(app, "list")
def list_all(context: Context, account: AccountName) -> None:
    """List an account's logins, revoked ones too."""
    with context.reading() as session:
        rows: list[dict[str, Any]] = [
            {
                "user": key.user,
                "kind": key.kind,
                "networks": [str(network) for network in key.networks],
                "mailboxes": list(key.mailboxes),
                "created_at": iso(key.created_at),
                "revoked_at": iso(key.revoked_at),
            }
            for key in accounts.list_keys(session.connection, session.account(account).id)
        ]
    if context.options.json:
        context.show(rows)
        return
    context.table(
        [
            row | {"from": ", ".join(row["networks"]) or None, "mailbox": ", ".join(row["mailboxes"]) or None}
            for row in rows
        ],
        "user",
        "kind",
        "from",
        "mailbox",
        "created_at",
        "revoked_at",
        empty=f"{account} has no keys",
    )


@command(app)
def revoke(
    context: Context, account: AccountName, user: Annotated[str, typer.Argument(metavar="U", help="The login.")]
) -> None:
    """End a login for good; its name is not given again."""
    with context.writing() as session:
        accounts.revoke_key(session.connection, session.account(account).id, user, now=session.now)
    context.show({"account": account, "user": user}, f"key of {user} revoked")


def _checked(password: str) -> str:
    if not 1 <= len(password) <= LONGEST_PASSWORD:
        message = f"a password has 1 to {LONGEST_PASSWORD} characters"
        raise typer.BadParameter(message)
    try:
        password.encode()
    except UnicodeEncodeError as error:
        message = "the password is not UTF-8"
        raise typer.BadParameter(message) from error
    return password


def _networks(written: list[str]) -> tuple[Network, ...]:
    try:
        return read_networks(written)
    except ValueError as error:
        raise typer.BadParameter(f"--from: {error}") from error


def _vault(context: Context) -> Vault:
    key = context.settings().secret()
    if key is None:
        raise ConfigError(
            'a login for digests needs secret_key in bridge.toml: 32 random characters or more, as from "openssl rand '
            '-hex 32"; the bridge has to be started anew with it'
        )
    return Vault(key)


def _ask() -> str:
    """Read a password: twice without an echo from a terminal, else the first line that comes."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    first = getpass.getpass("Password: ")
    if first != getpass.getpass("Once more: "):
        message = "the two differ"
        raise typer.BadParameter(message)
    return first
