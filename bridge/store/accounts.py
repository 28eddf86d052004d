"""Accounts, their mailboxes and keys."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from bridge.model import mail_policy
from bridge.model.account import Account, Mailbox
from bridge.model.errors import Conflict, NotFound
from bridge.model.login import KeyKind, Login, read_networks
from bridge.model.rules import AccountRules, read, written
from bridge.store import revision
from bridge.store.tables import accounts, keys, mailboxes
from bridge.telemetry import get_logger

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection, Row

    from bridge.model.login import Network

_log = get_logger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Key:
    """A login of an account, as it is listed: without its secret.

    ``networks`` are those it may come from, ``mailboxes`` what it may send mail as; all, where there is none.
    """

    id: int
    account_id: int
    user: str
    kind: KeyKind
    networks: tuple[Network, ...]
    mailboxes: tuple[str, ...]
    created_at: int
    revoked_at: int | None


def add_account(
    connection: Connection, name: str, *, region: str | None, credit_limit: int | None = None, now: int
) -> Account:
    """Make an account; ``credit_limit`` is how low its credit may come, None for one whose texts are only counted.

    Raises :exc:`Conflict` when the name is taken.
    """
    new = (
        insert(accounts)
        .values(name=name, region=region, enabled=True, credit_limit=credit_limit, created_at=now)
        .returning(accounts.c.id)
    )
    try:
        made = connection.execute(new).scalar_one()
    except IntegrityError as error:
        reason = f"account {name} exists already"
        raise Conflict(reason) from error
    revision.changed(connection)
    return Account(id=made, name=name, region=region)


def find_account(connection: Connection, name: str) -> Account:
    """Return an account by name. Raises :exc:`NotFound`."""
    row = connection.execute(select(accounts).where(accounts.c.name == name)).one_or_none()
    if row is None:
        reason = f"no account is named {name}"
        raise NotFound(reason)
    return _account(row)


def readable_accounts(connection: Connection) -> list[Account]:
    """Return all accounts, by name. One whose settings this version cannot read may send nothing, and is logged."""
    found = []
    for row in connection.execute(select(accounts).order_by(accounts.c.name)):
        try:
            found.append(_account(row))
        except ValueError as error:
            _log.error("account cannot be read", account=row.name, reason=str(error))
            found.append(Account(id=row.id, name=row.name, region=row.region, enabled=False))
    return found


def list_accounts(connection: Connection) -> list[Account]:
    """Return all accounts, by name."""
    rows = connection.execute(select(accounts).order_by(accounts.c.name))
    return [_account(row) for row in rows]


def rules_of(connection: Connection, account_id: int) -> AccountRules:
    """Return an account's settings as they are in this transaction."""
    settings = connection.execute(select(accounts.c.rules).where(accounts.c.id == account_id)).scalar_one()
    return read(json.loads(settings))


def set_rules(connection: Connection, account_id: int, rules: AccountRules) -> None:
    """Replace an account's settings."""
    connection.execute(update(accounts).where(accounts.c.id == account_id).values(rules=json.dumps(written(rules))))
    revision.changed(connection)


def set_urls(connection: Connection, account_id: int, urls: Mapping[str, str | None]) -> None:
    """Set ``report_url``, ``inbound_url`` or both; None for one that is not called any more."""
    if urls:
        connection.execute(update(accounts).where(accounts.c.id == account_id).values(dict(urls)))


def set_enabled(connection: Connection, account_id: int, *, enabled: bool) -> None:
    """Switch an account on or off. What it has queued already still goes out."""
    connection.execute(update(accounts).where(accounts.c.id == account_id).values(enabled=enabled))
    revision.changed(connection)


def allow_mailbox(connection: Connection, account_id: int, pattern: str, *, now: int) -> bool:
    """Let a mailbox (or ``@domain``, in normal form) send for an account.

    Returns False when it could already.

    Raises :exc:`Conflict` when it sends for another account: a mail has to be charged to one.
    """
    holder = connection.execute(
        select(mailboxes.c.account_id, accounts.c.name)
        .join(accounts, accounts.c.id == mailboxes.c.account_id)
        .where(mailboxes.c.pattern == pattern)
    ).one_or_none()
    if holder is not None:
        if holder.account_id != account_id:
            reason = f"{pattern} sends for account {holder.name} already; revoke it there first"
            raise Conflict(reason)
        return False
    connection.execute(insert(mailboxes).values(account_id=account_id, pattern=pattern, created_at=now))
    revision.changed(connection)
    return True


def revoke_mailbox(connection: Connection, account_id: int, pattern: str) -> None:
    """Undo :func:`allow_mailbox`. Raises :exc:`NotFound`."""
    gone = connection.execute(
        delete(mailboxes).where(mailboxes.c.account_id == account_id, mailboxes.c.pattern == pattern)
    )
    if not gone.rowcount:
        reason = f"{pattern} is not among the account's mailboxes"
        raise NotFound(reason)
    revision.changed(connection)


def list_mailboxes(connection: Connection, account_id: int | None = None) -> list[Mailbox]:
    """Return the mailboxes of one account or of all, by pattern, each with the policy that holds for it.

    One whose settings this version cannot read may not send, and is logged.
    """
    query = (
        select(mailboxes.c.pattern, mailboxes.c.account_id, mailboxes.c.settings, accounts.c.mail)
        .join(accounts, accounts.c.id == mailboxes.c.account_id)
        .order_by(mailboxes.c.pattern)
    )
    if account_id is not None:
        query = query.where(mailboxes.c.account_id == account_id)
    found = []
    for row in connection.execute(query):
        settings = json.loads(row.settings)
        try:
            policy = _policy(row.mail, row.settings)
        except ValueError as error:
            _log.error("mailbox cannot be read", mailbox=row.pattern, reason=str(error))
            continue
        found.append(Mailbox(pattern=row.pattern, account_id=row.account_id, policy=policy, settings=settings))
    return found


@lru_cache(maxsize=256)
def _policy(common: str, own: str) -> mail_policy.MailPolicy:
    """Return a policy as two columns say it: thousands of mailboxes have few different ones."""
    return mail_policy.read(json.loads(common), json.loads(own))


def mailbox_settings(connection: Connection, account_id: int, pattern: str) -> dict[str, str]:
    """Return a mailbox's own settings. Raises :exc:`NotFound`."""
    found = connection.scalar(
        select(mailboxes.c.settings).where(mailboxes.c.account_id == account_id, mailboxes.c.pattern == pattern)
    )
    if found is None:
        reason = f"{pattern} is not among the account's mailboxes"
        raise NotFound(reason)
    return dict(json.loads(found))


def set_mailbox_settings(connection: Connection, account_id: int, pattern: str, settings: Mapping[str, str]) -> None:
    """Replace a mailbox's own settings."""
    connection.execute(
        update(mailboxes)
        .where(mailboxes.c.account_id == account_id, mailboxes.c.pattern == pattern)
        .values(settings=json.dumps(dict(settings)))
    )
    revision.changed(connection)


def mail_settings(connection: Connection, account_id: int) -> dict[str, str]:
    """Return what an account's mailboxes have in common."""
    return dict(json.loads(connection.execute(select(accounts.c.mail).where(accounts.c.id == account_id)).scalar_one()))


def set_mail_settings(connection: Connection, account_id: int, settings: Mapping[str, str]) -> None:
    """Replace what an account's mailboxes have in common."""
    connection.execute(update(accounts).where(accounts.c.id == account_id).values(mail=json.dumps(dict(settings))))
    revision.changed(connection)


def add_key(
    connection: Connection,
    account_id: int,
    *,
    user: str,
    kind: str,
    secret: str,
    networks: Sequence[Network] = (),
    mailboxes: Sequence[str] = (),
    now: int,
) -> Key:
    """Keep a login: ``secret`` is already a hash, or encrypted.

    Raises :exc:`Conflict` when the user name was ever used.
    """
    values = {"account_id": account_id, "user_name": user, "kind": KeyKind(kind), "secret": secret, "created_at": now}
    try:
        made = connection.execute(
            insert(keys)
            .values(
                values
                | {"networks": json.dumps([str(each) for each in networks]), "mailboxes": json.dumps(list(mailboxes))}
            )
            .returning(keys)
        ).one()
    except IntegrityError as error:
        reason = f"user {user} exists already, or was revoked; take another name"
        raise Conflict(reason) from error
    revision.changed(connection)
    return _key(made)


def list_keys(connection: Connection, account_id: int) -> list[Key]:
    """Return the logins of an account, revoked ones too, by user name."""
    rows = connection.execute(select(keys).where(keys.c.account_id == account_id).order_by(keys.c.user_name))
    return [_key(row) for row in rows]


def logins(connection: Connection) -> list[Login]:
    """Return all logins in force, with what is kept of their secrets.

    One that this version cannot read lets nobody in, and is logged.
    """
    found = []
    for row in connection.execute(select(keys).where(keys.c.revoked_at.is_(None))):
        try:
            key = _key(row)
        except ValueError as error:
            _log.error("key cannot be read", user=row.user_name, reason=str(error))
            continue
        found.append(
            Login(
                user=key.user,
                account_id=key.account_id,
                kind=key.kind,
                secret=row.secret,
                networks=key.networks,
                mailboxes=key.mailboxes,
            )
        )
    return found


def revoke_key(connection: Connection, account_id: int, user: str, *, now: int) -> None:
    """End a login for good. Raises :exc:`NotFound` when there is none in force under that name."""
    gone = connection.execute(
        update(keys)
        .where(keys.c.account_id == account_id, keys.c.user_name == user, keys.c.revoked_at.is_(None))
        .values(revoked_at=now)
    )
    if not gone.rowcount:
        reason = f"the account has no key in force for user {user}"
        raise NotFound(reason)
    revision.changed(connection)


def _key(row: Row[Any]) -> Key:
    networks, patterns = json.loads(row.networks), json.loads(row.mailboxes)
    if not isinstance(networks, list) or not isinstance(patterns, list):  # an empty object would read as "all"
        raise ValueError("networks or mailboxes: no list")  # noqa: TRY004 - what cannot be read is one kind of error
    return Key(
        id=row.id,
        account_id=row.account_id,
        user=row.user_name,
        kind=KeyKind(row.kind),
        networks=read_networks(map(str, networks)),
        mailboxes=tuple(map(str, patterns)),
        created_at=row.created_at,
        revoked_at=row.revoked_at,
    )


def _account(row: Row[Any]) -> Account:
    return Account(id=row.id, name=row.name, region=row.region, enabled=row.enabled, rules=read(json.loads(row.rules)))
