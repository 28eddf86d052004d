"""``smsbridge sender``: the names that an account's texts may come from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from bridge.cli.context import Context, command, iso
from bridge.cli.options import AccountName, noun
from bridge.model.account import normalise_pattern
from bridge.model.sender import SenderKind, SenderState, Verdict, parse_sender
from bridge.store import accounts, senders

if TYPE_CHECKING:
    from bridge.store.senders import Known

app = noun("Names that texts may come from.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="The name: letters, a number, a short code or *NNNN.")]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it is kept with the name.")]


def _kind(written: str) -> SenderKind:
    if written not in list(SenderKind):
        message = f"{written!r}: write one of {', '.join(SenderKind)}"
        raise typer.BadParameter(message)
    return SenderKind(written)


@command(app)
def request(context: Context, account: AccountName, name: Name) -> None:
    """Ask for a name. An operator approves or refuses it."""
    _settle(context, account, name, Verdict.REQUEST)


@command(app)
def approve(context: Context, account: AccountName, name: Name) -> None:
    """Let an account send as a name, spelt like this, whether it was asked for or not."""
    _settle(context, account, name, Verdict.APPROVE)


@command(app)
def refuse(context: Context, account: AccountName, name: Name, reason: Reason = "") -> None:
    """Refuse a name that was asked for."""
    _settle(context, account, name, Verdict.REFUSE, reason)


@command(app)
def revoke(context: Context, account: AccountName, name: Name, reason: Reason = "revoked") -> None:
    """Take an approval back. What is queued under the name still goes out."""
    _settle(context, account, name, Verdict.REVOKE, reason)


@command(app, "list")
def list_all(
    context: Context,
    account: Annotated[str | None, typer.Argument(metavar="ACCOUNT", help="Only this account's.")] = None,
) -> None:
    """List the names, with what became of each and where it is the default."""
    with context.reading() as session:
        only = session.account(account).id if account is not None else None
        names = {each.id: each.name for each in accounts.list_accounts(session.connection)}
        usual = senders.defaults(session.connection)
        rows = [
            _row(names[known.account_id], known)
            | {
                "default_of": [
                    at or "account" for at, name in usual.get(known.account_id, {}).items() if name == known.name
                ]
            }
            for known in senders.listed(session.connection, only)
        ]
    if context.options.json:
        context.show(rows)
        return
    context.table(
        [row | {"default_of": ", ".join(row["default_of"]) or None, "reason": row["reason"] or None} for row in rows],
        "account",
        "name",
        "kind",
        "state",
        "reason",
        "default_of",
        empty="no sender names; approve one with: smsbridge sender approve",
    )


@command(app)
def default(
    context: Context,
    account: AccountName,
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="An approved name; without one, the default is taken away.")
    ] = None,
    mailbox: Annotated[
        str | None,
        typer.Option("--mailbox", metavar="PATTERN", help="For mail from here alone: ann@example.com, @example.com."),
    ] = None,
) -> None:
    """Say which name texts come from where they name none."""
    pattern = normalise_pattern(mailbox) if mailbox is not None else ""
    with context.writing() as session:
        holder = session.account(account)
        if name is not None:
            name = parse_sender(name, kinds=frozenset(SenderKind)).name
        senders.set_default(session.connection, holder.id, name, pattern=pattern)
        name = senders.defaults(session.connection).get(holder.id, {}).get(pattern)
    whose = f"mail from {pattern}" if pattern else account
    context.show(
        {"account": account, "mailbox": pattern or None, "name": name},
        f"{whose} sends as {name}" if name else f"{whose} has no default name",
    )


@command(app)
def kinds(
    context: Context,
    account: AccountName,
    kind: Annotated[
        list[SenderKind] | None,
        typer.Argument(metavar="KIND", parser=_kind, help=f"{', '.join(SenderKind)}; none shows what is set."),
    ] = None,
) -> None:
    """Show or say which kinds of names an account may have."""
    if kind:
        with context.writing() as session:
            senders.set_kinds(session.connection, session.account(account).id, frozenset(kind))
    with context.reading() as session:
        allowed = senders.kinds_of(session.connection, session.account(account).id)
    names = [each for each in SenderKind if each in allowed]
    context.show({"account": account, "kinds": names}, f"{account} may have {', '.join(names)}")


def _settle(context: Context, account: str, name: str, verdict: Verdict, reason: str = "") -> None:
    with context.writing() as session:
        holder = session.account(account)
        # What was allowed once can be refused or revoked whatever the setting is now.
        mending = verdict in {Verdict.REFUSE, Verdict.REVOKE}
        allowed = frozenset(SenderKind) if mending else senders.kinds_of(session.connection, holder.id)
        sender = parse_sender(name, kinds=allowed)
        known = senders.settle(session.connection, holder.id, sender, verdict, reason=reason, now=session.now)
    context.show(_row(account, known), _SAID[known.state].format(account=account, name=known.name))


_SAID = {
    SenderState.REQUESTED: "{account} asked for {name}",
    SenderState.APPROVED: "{account} may send as {name}",
    SenderState.REFUSED: "{account} may not send as {name}",
}


def _row(account: str, known: Known) -> dict[str, Any]:
    return {
        "account": account,
        "name": known.name,
        "kind": known.kind,
        "state": known.state,
        "reason": known.reason,
        "created_at": iso(known.created_at),
        "decided_at": iso(known.decided_at),
    }
