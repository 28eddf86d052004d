"""``smsbridge send``: a text by hand. It is committed here; a running bridge finds it within a second."""

from __future__ import annotations

import asyncio
import getpass
import re
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bridge.cli.context import Context, command, iso
from bridge.cli.options import PLAIN
from bridge.model.duration import parse_duration
from bridge.model.message import Priority, Submission
from bridge.model.moment import to_ms
from bridge.model.price import credit_number, show_credit
from bridge.pipeline import recipients
from bridge.pipeline.commit import Writer
from bridge.pipeline.intake import Intake
from bridge.pipeline.snapshot import Snapshot
from bridge.store import accounts
from bridge.telemetry import Metrics

if TYPE_CHECKING:
    from bridge.config import BaseSettings
    from bridge.model.message import Receipt, Result
    from bridge.store.engine import Store

app = typer.Typer(**PLAIN)

_DOOR = "cli"


def _priority(written: str) -> Priority:
    try:
        return Priority[written.upper()]
    except KeyError:
        message = f"{written!r}: write one of {', '.join(each.name.lower() for each in Priority)}"
        raise typer.BadParameter(message) from None


def _lifetime(written: str) -> timedelta:
    try:
        return parse_duration(written)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


Text = Annotated[str, typer.Argument(metavar="TEXT", help="What is sent; - reads it from stdin.")]
Sender = Annotated[str | None, typer.Option("--sender", metavar="NAME", help="The approved name it comes from.")]
At = Annotated[
    str | None,
    typer.Option("--at", metavar="TIME", help="When, in the account's zone: 2026-12-24T09:30; +30 is in 30 minutes."),
]
Lifetime = Annotated[
    timedelta | None,
    typer.Option("--lifetime", metavar="SPAN", parser=_lifetime, help="It expires if not sent by then: 2h."),
]
Urgency = Annotated[
    Priority | None,
    typer.Option("--priority", metavar="P", parser=_priority, help="bulk, normal, high or urgent."),
]
Filled = Annotated[bool, typer.Option("--template", help="Fill in {{name}} from each recipient's fields.")]


@command(app)
def send(
    context: Context,
    *,
    account: Annotated[str, typer.Option("--account", metavar="A", help="Who pays.")],
    to: Annotated[
        list[str], typer.Option("--to", metavar="RECIPIENT", help="A number, a contact or a group; more may follow.")
    ],
    more: Annotated[list[str] | None, typer.Argument(metavar="RECIPIENT", help="Who else gets it.")] = None,
    text: Text,
    sender: Sender = None,
    send_at: At = None,
    lifetime: Lifetime = None,
    priority: Urgency = None,
    template: Filled = False,
    test: Annotated[
        bool, typer.Option("--test", help="Ask every rule and say what would happen; send nothing.")
    ] = False,
    together: Annotated[bool, typer.Option("--all", help="All recipients or none.")] = False,
) -> None:
    """Send a text, and print its id. Exit code 1 when a recipient is refused."""
    settings = context.settings()
    written = [part.strip() for each in (*to, *(more or ())) for part in re.split("[,;]", each) if part.strip()]
    with context.open(settings) as store:
        with store.read() as connection:
            payer = accounts.find_account(connection, account)
            addressed = recipients.resolve(
                connection,
                payer.id,
                written,
                region=payer.region or settings.default_region,
                limit=settings.rules().max_recipients,
            )
        submission = Submission(
            account_id=payer.id,
            door=_DOOR,
            origin=user(),
            recipients=tuple(addressed),
            text=sys.stdin.read() if text == "-" else text,
            proof="operator",
            sender=sender,
            send_at=send_at,
            lifetime=lifetime,
            template=template,
            test=test,
            all_or_nothing=together,
            priority=Priority.NORMAL if priority is None else priority,
        )
        receipt = asyncio.run(_submit(submission, store, settings))
    if len(receipt.results) == 1 and receipt.refusal is not None:
        raise receipt.refusal
    lines = [_line(one) for one in receipt.results if test or one.refusal is not None]
    context.show(
        {
            "id": None if test else receipt.message_id,
            "test": test,
            "recipients": [entry(one) for one in receipt.results],
        },
        *([] if test or receipt.message_id is None else [receipt.message_id]),
        *lines,
    )
    if any(one.refusal is not None for one in receipt.results):
        raise typer.Exit(1)


def entry(result: Result) -> dict[str, Any]:
    """Return a recipient's result as commands print it."""
    refusal = result.refusal
    return {
        "number": result.number,
        "id": result.recipient_id,
        "state": result.state,
        "parts": result.parts,
        "price": credit_number(result.price),
        "due_at": None if result.due_at is None else iso(to_ms(result.due_at)),
        "duplicate": result.duplicate,
        "error": None if refusal is None else {"code": refusal.code, "reason": refusal.reason},
    }


def user() -> str:
    """Return who runs the command, as the origin of what it sends."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a user id without a name, as in a container
        return "operator"


def _line(result: Result) -> str:
    if result.refusal is not None:
        return f"{result.number} refused: {result.refusal.reason} ({result.refusal.code})"
    if result.duplicate:
        return f"{result.number} is named twice"
    when = "" if result.due_at is None else f" at {result.due_at.isoformat(timespec='seconds')}"
    parts = f"{result.parts} part{'s' * (result.parts != 1)}"
    return f"{result.number} would be {result.state}{when}: {parts}, {show_credit(result.price)}"


async def _submit(submission: Submission, store: Store, settings: BaseSettings) -> Receipt:
    writer = Writer(store)
    intake = Intake(writer=writer, snapshot=Snapshot(store), rules=settings.rules(), metrics=Metrics())
    await intake.snapshot.open()
    writer.start()
    try:
        return await intake.submit(submission)
    finally:
        await writer.stop()
