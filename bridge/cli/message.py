"""``smsbridge message``: what was taken, and what became of it."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bridge.carriers import registry
from bridge.carriers.base import Recalled
from bridge.cli.check import Refusing
from bridge.cli.context import Context, cell, command, iso
from bridge.cli.options import noun
from bridge.clock import system_clock
from bridge.model.errors import BridgeError, Conflict
from bridge.model.message import recipient_id, split_recipient_id
from bridge.model.moment import from_ms, to_ms
from bridge.model.state import MOVES, State
from bridge.model.when import parse_sendtime
from bridge.pipeline.recall import ask
from bridge.store import accounts, events, messages, recalls
from bridge.store.recalls import Answered

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bridge.config import BaseSettings
    from bridge.store.engine import Connection
    from bridge.store.messages import Addressed, Kept, Move
    from bridge.store.recalls import Away

app = noun("What was taken, and what became of it.")

_SETTLED = sorted(MOVES[State.UNKNOWN] - {State.QUEUED})
_SHOWN_NUMBERS = 3
_LAST = (1 << 31) - 1
_PATIENCE = 300.0
"""Seconds for all questions of one command."""


def _state(written: str) -> State:
    return _one_of(written, list(State))


def _settled(written: str) -> State:
    return _one_of(written, _SETTLED)


def _one_of(written: str, allowed: list[State]) -> State:
    if written not in allowed:
        message = f"{written!r}: write one of {', '.join(allowed)}"
        raise typer.BadParameter(message)
    return State(written)


MessageId = Annotated[str, typer.Argument(metavar="ID", help="The id of a message.")]
Id = Annotated[str, typer.Argument(metavar="ID", help="The id of a message, or of one of its recipients: MESSAGE-1.")]


@command(app, "list")
def list_newest(
    context: Context,
    account: Annotated[str | None, typer.Option("--account", metavar="A", help="Only this account's.")] = None,
    state: Annotated[
        State | None, typer.Option("--state", metavar="S", parser=_state, help="Only those in this state.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="How many at most.")] = 50,
) -> None:
    """List messages, the newest first."""
    with context.reading() as session:
        only = session.account(account).id if account is not None else None
        found = messages.newest(session.connection, account_id=only, state=state, limit=limit)
    if context.options.json:
        context.show([_listed(message) for message in found])
        return
    context.table(
        [_listed(message) | {"to": _numbers(message), "parts": message.parts} for message in found],
        "id",
        "created_at",
        "account",
        "door",
        "state",
        "parts",
        "to",
        empty="no messages",
    )


@command(app)
def show(context: Context, message_id: MessageId) -> None:
    """Show a message with its text, its recipients, and all that happened to them."""
    with context.reading() as session:
        message = messages.find(session.connection, message_id)
        happened = [
            {
                "at": iso(event["created_at"]),
                "kind": event["kind"],
                "recipient": event["position"],
                "data": event["data"],
            }
            for event in events.of_message(session.connection, message_id)
        ]
    told = _listed(message) | {
        "origin": message.origin,
        "sender": message.sender,
        "text": message.text,
        "encoding": message.encoding,
        "parts": message.parts,
        "priority": message.priority,
        "reference": message.reference,
        "proof": message.proof,
        "flash": message.flash,
        "envelope": None if message.envelope is None else json.loads(message.envelope),
        "expires_at": iso(message.expires_at),
    }
    if context.options.json:
        told["recipients"] = [_addressed(message, one) for one in message.recipients]
        context.show(told | {"events": happened})
        return
    names = ("id", "account", "door", "origin", "proof", "sender", "state", "created_at", "expires_at", "encoding")
    context.show(None, *(f"{name.replace('_', ' '):<11} {cell(told[name] or None)}" for name in names))
    context.show(None, f"{'parts':<11} {message.parts}", "", *(f"  {line}" for line in message.text.split("\n")), "")
    context.table(
        [_addressed(message, one) for one in message.recipients],
        "id",
        "number",
        "state",
        "attempts",
        "carrier",
        "carrier_id",
        "reason",
        *(["text"] if any(one.text is not None for one in message.recipients) else []),
        empty="no recipients",
    )
    context.show(None, "")
    context.table(
        [event | {"data": _pairs(event["data"])} for event in happened],
        "at",
        "recipient",
        "kind",
        "data",
        empty="nothing happened to it yet",
    )


@command(app)
def cancel(context: Context, which: Id) -> None:
    """Cancel what has not left yet, and ask the carriers that can to take back what is sent."""
    settings = context.settings()
    late: Conflict | None = None
    with context.open(settings) as store:
        with store.write() as connection:
            message_id, position = _split(connection, which)
            had = recalls.away(connection, message_id, first=position or 1, last=position or _LAST)
            try:
                moves = messages.cancel(connection, message_id, position, now=store.now(connection))
            except Conflict as error:
                late, moves = error, messages.standing(connection, message_id, position)
        answers = asyncio.run(_ask_back(settings, had)) if had else []
        with store.write() as connection:
            states = recalls.conclude(connection, answers, by=messages.OPERATOR, now=store.now(connection))
    said = {one.text.position: one for one in answers}
    if late is not None and not any(one.done for one in answers):
        told = dict.fromkeys(f"{one.text.carrier}: {one.words}" for one in answers)
        raise Conflict("; ".join([late.reason, *told])) from late
    rows = [
        _moved(message_id, replace(move, after=states.get((message_id, move.position), move.after)))
        | {"said": said[move.position].words if move.position in said else ""}
        for move in moves
    ]
    context.table(rows, "id", "number", "before", "state", *(["said"] if answers else []), empty="")


async def _ask_back(settings: BaseSettings, texts: Sequence[Away]) -> list[Answered]:
    """Ask the carriers of texts for them. Those of carriers that cannot give any back are left out."""
    tables = {name: table for name, table in settings.carriers.items() if any(one.carrier == name for one in texts)}
    built = registry.build(tables, public_url=settings.public_url, clock=system_clock)
    able = {name: carrier for name, carrier in built.items() if isinstance(carrier, Recalled)}
    shut: dict[str, str] = {}
    async with AsyncExitStack() as stack:
        for name in able:
            stack.push_async_callback(built[name].close)
            try:
                await built[name].open(Refusing())
            except BridgeError as error:
                shut[name] = error.reason
        wanted = [one for one in texts if one.carrier in able and one.carrier not in shut]
        answers = await ask(able, wanted, seconds=_PATIENCE)
    return answers + [
        Answered(text=one, done=False, words=shut[one.carrier], heard=False) for one in texts if one.carrier in shut
    ]


@command(app)
def reschedule(
    context: Context,
    which: Id,
    at: Annotated[str, typer.Option("--at", metavar="TIME", help="When, in the account's zone: 2026-12-24T09:30.")],
) -> None:
    """Send what has not left at another time."""

    def move(connection: Connection, message_id: str, position: int | None, *, now: int) -> list[Move]:
        owner = messages.find(connection, message_id).account
        zone = accounts.find_account(connection, owner).rules.zone
        due = parse_sendtime(at, zone=zone, now=from_ms(now))
        return messages.reschedule(connection, message_id, position, due_at=to_ms(due), now=now)

    _move(context, which, move)


@command(app)
def retry(context: Context, which: Id) -> None:
    """Send again what is in the state unknown. A phone that got the text already gets it twice."""
    lifetime = int(context.settings().dispatch.lifetime.total_seconds() * 1000)
    _move(context, which, partial(messages.retry, lifetime=lifetime))


@command(app)
def settle(
    context: Context,
    which: Id,
    state: Annotated[State, typer.Option("--state", metavar="S", parser=_settled, help=f"{', '.join(_SETTLED)}.")],
) -> None:
    """Say what became of texts in the state unknown."""
    _move(context, which, partial(messages.settle, state=state))


def _move(context: Context, which: str, change: Callable[..., list[Move]]) -> None:
    with context.writing() as session:
        message_id, position = _split(session.connection, which)
        moves = change(session.connection, message_id, position, now=session.now)
    context.table([_moved(message_id, move) for move in moves], "id", "number", "before", "state", empty="")


def _moved(message_id: str, move: Move) -> dict[str, Any]:
    return {
        "id": recipient_id(message_id, move.position),
        "number": move.number,
        "before": move.before,
        "state": move.after,
    }


def _split(connection: Connection, which: str) -> tuple[str, int | None]:
    """Tell a message's id from that of one of its recipients. Raises :exc:`~bridge.model.errors.NotFound`."""
    try:
        return split_recipient_id(which)
    except ValueError:
        return messages.find(connection, which).id, None


def _listed(message: Kept) -> dict[str, Any]:
    return {
        "id": message.id,
        "account": message.account,
        "door": message.door,
        "state": message.state,
        "created_at": iso(message.created_at),
        "recipients": [
            {
                "number": one.number,
                "state": one.state,
                "parts": one.parts,
                "carrier": one.carrier,
                "carrier_id": one.carrier_id,
            }
            for one in message.recipients
        ],
    }


def _addressed(message: Kept, one: Addressed) -> dict[str, Any]:
    return {
        "id": recipient_id(message.id, one.position),
        "number": one.number,
        "text": one.text,
        "state": one.state,
        "parts": one.parts,
        "carrier": one.carrier,
        "carrier_id": one.carrier_id,
        "attempts": one.attempts,
        "in_doubt": one.in_doubt,
        "reason": one.reason,
        "raw": one.raw,
        "due_at": iso(one.due_at),
        "expires_at": iso(one.expires_at),
        "updated_at": iso(one.updated_at),
    }


def _numbers(message: Kept) -> str:
    shown = ", ".join(one.number for one in message.recipients[:_SHOWN_NUMBERS])
    rest = len(message.recipients) - _SHOWN_NUMBERS
    return f"{shown} and {rest} more" if rest > 0 else shown


def _pairs(data: dict[str, Any]) -> str:
    return ", ".join(f"{key}={value}" for key, value in data.items() if value is not None and value != "")
