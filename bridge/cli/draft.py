"""``smsbridge draft``: a message that is open until it is closed."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bridge.cli.context import Context, cell, command
from bridge.cli.options import noun
from bridge.cli.send import At, Filled, Lifetime, Sender, Text, Urgency, entry, user
from bridge.model.message import Priority, Submission
from bridge.model.moment import from_ms
from bridge.pipeline import drafts, recipients
from bridge.store import accounts
from bridge.store import drafts as kept
from bridge.store.directory import load_directory

if TYPE_CHECKING:
    from bridge.cli.context import Session
    from bridge.config import BaseSettings
    from bridge.model.message import Addressee

app = noun("Messages that take recipients and changes until they are closed.")

DraftId = Annotated[str, typer.Argument(metavar="ID", help="The id of the draft.")]
_DOOR = "cli"


@command(app, "open")
def open_draft(
    context: Context,
    *,
    account: Annotated[str, typer.Option("--account", metavar="A", help="Who pays.")],
    text: Text,
    sender: Sender = None,
    send_at: At = None,
    lifetime: Lifetime = None,
    priority: Urgency = None,
    template: Filled = False,
) -> None:
    """Open a message without recipients, and print its id."""
    with context.writing() as session:
        submission = Submission(
            account_id=session.account(account).id,
            door=_DOOR,
            origin=user(),
            recipients=(),
            text=sys.stdin.read() if text == "-" else text,
            proof="operator",
            sender=sender,
            send_at=send_at,
            lifetime=lifetime,
            template=template,
            priority=Priority.NORMAL if priority is None else priority,
        )
        draft_id = drafts.open_draft(session.connection, submission, now=_moment(session))
    context.show({"id": draft_id}, draft_id)


@command(app)
def add(
    context: Context,
    draft_id: DraftId,
    to: Annotated[list[str], typer.Argument(metavar="RECIPIENT", help="A number, or a contact's or group's name.")],
) -> None:
    """Add recipients."""
    settings = context.settings()
    with context.writing() as session:
        added = drafts.add(
            session.connection,
            draft_id,
            _resolved(session, settings, draft_id, to),
            most=settings.rules().max_recipients,
            now=_moment(session),
        )
    rows = [{"number": one.number, "id": one.recipient_id, "duplicate": one.duplicate} for one in added]
    context.table(rows, "id", "number", "duplicate", empty="nobody")


@command(app, "set")
def change(
    context: Context,
    draft_id: DraftId,
    *,
    text: Annotated[
        str | None, typer.Option("--text", metavar="TEXT", help="What it says; - reads it from stdin.")
    ] = None,
    sender: Sender = None,
    send_at: At = None,
    lifetime: Lifetime = None,
    priority: Urgency = None,
) -> None:
    """Change what an open message says. What is not given stays."""
    asked: dict[str, Any] = {
        "text": sys.stdin.read() if text == "-" else text,
        "sender": sender,
        "send_at": send_at,
        "lifetime": lifetime,
        "priority": None if priority is None else int(priority),
    }
    changes = {name: value for name, value in asked.items() if value is not None}
    if not changes:
        message = "name something to change, as --text"
        raise typer.BadParameter(message)
    with context.writing() as session:
        drafts.change(session.connection, draft_id, **changes)
    context.show({"id": draft_id, "changed": sorted(changes)}, f"{draft_id}: {', '.join(sorted(changes))} changed")


@command(app)
def close(
    context: Context,
    draft_id: DraftId,
    together: Annotated[
        bool, typer.Option("--all", help="All recipients or none: one that is refused leaves the message open.")
    ] = False,
) -> None:
    """Price and queue a message. Exit code 1 when a recipient is refused."""
    settings = context.settings()
    with context.writing() as session:
        receipt = drafts.close(
            session.connection,
            draft_id,
            directory=load_directory(session.connection),
            rules=settings.rules(),
            all_or_nothing=together,
            now=_moment(session),
        )
    rows = [entry(one) for one in receipt.results]
    if not context.options.json:
        for row, one in zip(rows, receipt.results, strict=True):
            row["error"] = None if one.refusal is None else f"{one.refusal.reason} ({one.refusal.code})"
    context.table(
        rows,
        "number",
        "id",
        "state",
        "parts",
        "price",
        "error",
        empty="nobody",
    )
    if any(one.refusal is not None for one in receipt.results):
        raise typer.Exit(1)


@command(app)
def show(context: Context, draft_id: DraftId) -> None:
    """Show an open message."""
    with context.reading() as session:
        draft = kept.find(session.connection, draft_id)
    told = {
        "id": draft.id,
        "sender": draft.sender,
        "priority": Priority(draft.priority).name.lower(),
        "text": draft.text,
        "options": dict(draft.options),
        "recipients": [{"number": one.number, "fields": dict(one.fields)} for one in draft.recipients],
    }
    lines = [f"{name:<11} {cell(told[name])}" for name in ("id", "sender", "priority", "text")]
    lines += [f"{name:<11} {cell(value)}" for name, value in draft.options.items() if value not in {None, False}]
    context.show(told, *lines, *(f"{'to':<11} {one.number}" for one in draft.recipients))


def _resolved(session: Session, settings: BaseSettings, draft_id: str, to: list[str]) -> list[Addressee]:
    owner = kept.find(session.connection, draft_id).account_id
    region = next(one.region for one in accounts.list_accounts(session.connection) if one.id == owner)
    return recipients.resolve(
        session.connection,
        owner,
        to,
        region=region or settings.default_region,
        limit=settings.rules().max_recipients,
    )


def _moment(session: Session) -> datetime:
    return from_ms(session.now)
