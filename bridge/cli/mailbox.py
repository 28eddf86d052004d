"""``smsbridge mailbox``: who may send by mail, and on whose account."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from bridge.cli.context import Context, command
from bridge.cli.mail_settings import changed
from bridge.cli.options import AccountName, noun
from bridge.model import mail_policy
from bridge.model.account import normalise_pattern
from bridge.model.errors import SenderRefused
from bridge.store import accounts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bridge.model.account import Mailbox

app = noun("Mailboxes and domains that may send for an account.")

_WEBMAIL = frozenset(
    """
    gmail.com googlemail.com
    outlook.com outlook.co.il outlook.de outlook.fr hotmail.com hotmail.co.il hotmail.co.uk hotmail.de hotmail.fr
    hotmail.it hotmail.es live.com live.co.uk live.fr live.nl msn.com passport.com
    yahoo.com yahoo.co.uk yahoo.co.in yahoo.co.jp yahoo.de yahoo.fr yahoo.es yahoo.it yahoo.ca yahoo.com.br ymail.com
    rocketmail.com myyahoo.com aol.com aim.com
    icloud.com me.com mac.com
    proton.me protonmail.com protonmail.ch pm.me tutanota.com tutanota.de tutamail.com tuta.io tuta.com
    gmx.com gmx.net gmx.de gmx.at gmx.ch web.de freenet.de t-online.de mail.com posteo.de mailbox.org fastmail.com
    fastmail.fm hushmail.com zoho.com zohomail.com zohomail.eu hey.com
    mail.ru inbox.ru list.ru bk.ru internet.ru yandex.ru yandex.com ya.ru rambler.ru ukr.net
    walla.com walla.co.il zahav.net.il netvision.net.il bezeqint.net 012.net.il 013.net 013net.net barak.net.il
    orange.fr wanadoo.fr free.fr laposte.net libero.it virgilio.it wp.pl o2.pl onet.pl interia.pl seznam.cz
    btinternet.com comcast.net verizon.net att.net sbcglobal.net cox.net charter.net bigpond.com
    qq.com 163.com 126.com yeah.net sina.com foxmail.com naver.com daum.net hanmail.net rediffmail.com uol.com.br
    bol.com.br terra.com.br
    """.split()  # noqa: SIM905 - a hundred quotes help nobody
)
"""Domains where anybody can get a mailbox: a rule for all of one would let strangers spend the account's credit."""
Pattern = Annotated[
    str, typer.Argument(metavar="PATTERN", help="A mailbox, ann@example.com, or all of a domain, @example.com.")
]


Settings = Annotated[
    list[str], typer.Argument(metavar="KEY=VALUE", help="cut=none, length=ellipsis and the like; KEY= unsets it.")
]


@command(app)
def allow(
    context: Context,
    account: AccountName,
    pattern: Pattern,
    proof: Annotated[
        list[str] | None,
        typer.Option(
            "--proof",
            metavar="PROOF",
            help="How it proves itself; may be repeated, one is enough: " + ", ".join(mail_policy.Proof) + ".",
        ),
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A setting of it; may be repeated.")
    ] = None,
) -> None:
    """Let a mailbox, or all of a domain, send for an account."""
    pattern = normalise_pattern(pattern)
    if pattern.removeprefix("@") in _WEBMAIL:
        reason = f"{pattern}: anybody can get a mailbox there; allow each one by its address"
        raise SenderRefused(reason)
    wanted = [*([f"proof={','.join(proof)}"] if proof else []), *(settings or [])]
    with context.writing() as session:
        holder = session.account(account)
        new = accounts.allow_mailbox(session.connection, holder.id, pattern, now=session.now)
        if wanted:
            own = accounts.mailbox_settings(session.connection, holder.id, pattern)
            accounts.set_mailbox_settings(session.connection, holder.id, pattern, changed(own, wanted))
    context.show(
        {"account": account, "pattern": pattern, "new": new},
        f"{pattern} may send for {account}" if new else f"{pattern} could send for {account} before",
    )


@command(app, "set")
def change(context: Context, account: AccountName, pattern: Pattern, settings: Settings) -> None:
    """Change what becomes of a mailbox's mails; what is not set for it is as for its account."""
    pattern = normalise_pattern(pattern)
    with context.writing() as session:
        holder = session.account(account)
        own = accounts.mailbox_settings(session.connection, holder.id, pattern)
        accounts.set_mailbox_settings(session.connection, holder.id, pattern, changed(own, settings))
        (found,) = _named(accounts.list_mailboxes(session.connection, holder.id), pattern)
    _tell(context, account, found)


@command(app)
def show(context: Context, account: AccountName, pattern: Pattern) -> None:
    """Show how a mailbox proves itself, and what becomes of its mails."""
    pattern = normalise_pattern(pattern)
    with context.reading() as session:
        holder = session.account(account)
        accounts.mailbox_settings(session.connection, holder.id, pattern)
        (found,) = _named(accounts.list_mailboxes(session.connection, holder.id), pattern)
    _tell(context, account, found)


@command(app, "list")
def list_all(
    context: Context,
    account: Annotated[str | None, typer.Argument(metavar="ACCOUNT", help="Only this account's.")] = None,
) -> None:
    """List who may send."""
    with context.reading() as session:
        only = session.account(account).id if account is not None else None
        names = {each.id: each.name for each in accounts.list_accounts(session.connection)}
        rows: list[dict[str, Any]] = [
            {"account": names[mailbox.account_id], "pattern": mailbox.pattern, "settings": dict(mailbox.settings)}
            for mailbox in accounts.list_mailboxes(session.connection, only)
        ]
    empty = "no mailbox may send; let one with: smsbridge mailbox allow"
    if context.options.json:
        context.show(rows)
        return
    context.table(
        [row | {"settings": _line(row["settings"])} for row in rows], "account", "pattern", "settings", empty=empty
    )


@command(app)
def revoke(context: Context, account: AccountName, pattern: Pattern) -> None:
    """Let a mailbox or domain send no more."""
    pattern = normalise_pattern(pattern)
    with context.writing() as session:
        accounts.revoke_mailbox(session.connection, session.account(account).id, pattern)
    context.show({"account": account, "pattern": pattern}, f"{pattern} may send for {account} no more")


def _named(mailboxes: list[Mailbox], pattern: str) -> list[Mailbox]:
    return [mailbox for mailbox in mailboxes if mailbox.pattern == pattern]


def _line(settings: Mapping[str, str]) -> str:
    return " ".join(f"{name}={value}" for name, value in settings.items())


def _tell(context: Context, account: str, mailbox: Mailbox) -> None:
    """Show all settings that hold, those of the account and the usual ones too."""
    holds = mail_policy.all_written(mailbox.policy)
    context.show(
        {"account": account, "pattern": mailbox.pattern, "own": dict(mailbox.settings), "settings": holds},
        f"{mailbox.pattern} sends for {account}",
        *(f"{name:<17} {value}{' *' if name in mailbox.settings else ''}" for name, value in holds.items()),
        *(["* of the mailbox itself"] if mailbox.settings else []),
    )
