"""``smsbridge send``: a text by hand. It is committed here; a running bridge finds it within a second."""

from __future__ import annotations

import asyncio
import getpass
import re
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bridge.cli.context import Context, command
from bridge.cli.options import PLAIN
from bridge.model.errors import InvalidNumber
from bridge.model.message import Addressee, Submission
from bridge.model.numbers import parse_number
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


@command(app)
def send(
    context: Context,
    *,
    account: Annotated[str, typer.Option("--account", metavar="A", help="Who pays.")],
    to: Annotated[list[str], typer.Option("--to", metavar="NUMBER", help="Who gets it; more may follow.")],
    more: Annotated[list[str] | None, typer.Argument(metavar="NUMBER", help="Who else gets it.")] = None,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What is sent; - reads it from stdin.")],
) -> None:
    """Send a text, and print its id."""
    settings = context.settings()
    numbers = [number for each in (*to, *(more or ())) for number in re.split("[,;]", each) if number.strip()]
    with context.open(settings) as store:
        with store.read() as connection:
            payer = accounts.find_account(connection, account)
        submission = Submission(
            account_id=payer.id,
            door=_DOOR,
            origin=_user(),
            recipients=tuple(
                Addressee(number=_number(number, payer.region or settings.default_region)) for number in numbers
            ),
            text=sys.stdin.read() if text == "-" else text,
            proof="operator",
        )
        receipt = asyncio.run(_submit(submission, store, settings))
    if receipt.message_id is None and receipt.refusal is not None:
        raise receipt.refusal
    refused = [each for each in receipt.results if each.refusal is not None]
    context.show(
        {
            "id": receipt.message_id,
            "recipients": [_entry(each) for each in receipt.results],
        },
        str(receipt.message_id),
        *(f"{each.number} refused: {each.refusal.reason}" for each in refused if each.refusal),
    )
    if refused:
        raise typer.Exit(1)


def _entry(result: Result) -> dict[str, Any]:
    entry: dict[str, Any] = {"number": result.number, "id": result.recipient_id}
    if result.refusal is not None:
        entry["error"] = {"code": result.refusal.code, "reason": result.refusal.reason}
    return entry


async def _submit(submission: Submission, store: Store, settings: BaseSettings) -> Receipt:
    writer = Writer(store)
    intake = Intake(
        writer=writer,
        snapshot=Snapshot(store),
        rules=settings.rules(),
        metrics=Metrics(),
    )
    await intake.snapshot.open()
    writer.start()
    try:
        return await intake.submit(submission)
    finally:
        await writer.stop()


def _number(written: str, region: str | None) -> str:
    try:
        return parse_number(written.strip(), region)
    except InvalidNumber as error:
        reason = f"{written.strip()}: {error.reason}"
        raise type(error)(reason) from error


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a user id without a name, as in a container
        return "operator"
