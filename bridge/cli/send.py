"""``smsbridge send``: a text by hand. It is committed here; a running bridge finds it within a second."""

from __future__ import annotations

import asyncio
import getpass
import re
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from bridge.cli.context import Context, command
from bridge.cli.options import PLAIN
from bridge.model.errors import InvalidNumber
from bridge.model.message import Addressee, Submission
from bridge.model.numbers import parse_number
from bridge.pipeline.accept import Rules
from bridge.pipeline.commit import Writer
from bridge.pipeline.intake import Intake
from bridge.pipeline.routing import Router
from bridge.pipeline.snapshot import Snapshot
from bridge.store import accounts
from bridge.telemetry import Metrics

if TYPE_CHECKING:
    from bridge.config import BaseSettings
    from bridge.model.message import Receipt
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
    context.show(
        {
            "id": receipt.message_id,
            "recipients": [{"number": each.number, "id": each.recipient_id} for each in receipt.results],
        },
        receipt.message_id,
    )


async def _submit(submission: Submission, store: Store, settings: BaseSettings) -> Receipt:
    writer = Writer(store)
    intake = Intake(
        writer=writer,
        snapshot=Snapshot(store),
        rules=Rules(router=Router(settings.ways()), lifetime=settings.dispatch.lifetime),
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
