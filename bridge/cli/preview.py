"""``smsbridge preview``: what the bridge would make of a mail."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bridge import doors
from bridge.calls.book import numbers_of
from bridge.cli.context import Context, cell, command
from bridge.cli.options import PLAIN
from bridge.clock import system_clock
from bridge.model.errors import NotFound
from bridge.pipeline.accept import accept
from bridge.pipeline.commit import take
from bridge.store.directory import load_directory

if TYPE_CHECKING:
    from bridge.model.message import Receipt, Submission

app = typer.Typer(**PLAIN)

_DOOR = "smtp"


@command(app)
def preview(
    context: Context,
    file: Annotated[str, typer.Argument(metavar="FILE.eml", help="The mail as it was sent; - reads stdin.")],
    to: Annotated[
        list[str] | None,
        typer.Option("--to", metavar="ADDRESS", help="Its recipient; may be repeated. Else its To header."),
    ] = None,
    sender: Annotated[
        str | None, typer.Option("--from", metavar="ADDRESS", help="Its sender. Else its From header.")
    ] = None,
) -> None:
    """Say what the bridge would make of a mail, and send nothing.

    Exit code 1 when it would refuse any of it.
    """
    raw = _read(file)
    settings = context.settings()
    kind: Any = doors.kinds().get(_DOOR)
    if kind is None:
        reason = "no mail door is installed"
        raise NotFound(reason)
    with context.open(settings) as store, store.write() as connection:
        directory = load_directory(connection)
        rules = settings.rules()

        def ask(submission: Submission) -> Receipt:
            plan = accept(submission, directory=directory, rules=rules, now=system_clock())
            return take(connection, [plan], now=store.now(connection))[0]

        entries = kind.preview(
            settings.door(_DOOR),
            directory,
            raw,
            sender=sender,
            recipients=to or [],
            region=settings.default_region,
            numbers_of=lambda account, names: numbers_of(
                connection, account, names, limit=settings.door(_DOOR).max_recipients
            ),
            ask=ask,
        )
    if not entries:
        reason = f"{file}: the mail names no recipient; name one with --to"
        raise NotFound(reason)
    context.show(entries, *(line for entry in entries for line in _lines(entry)))
    if any("error" in entry for entry in entries):
        raise typer.Exit(1)


def _read(file: str) -> bytes:
    if file == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(file).read_bytes()
    except OSError as error:
        reason = f"{file}: cannot be read: {error.strerror or error}"
        raise NotFound(reason) from error


def _lines(entry: dict[str, Any]) -> list[str]:
    if "error" in entry:
        return [
            f"to       {cell(entry['to'])}",
            f"refused  {cell(entry['error']['reason'])} ({entry['error']['code']})",
            "",
        ]
    state = ""
    if "duplicate_of" in entry:
        state = f"answered from {entry['duplicate_of']}: the same mail was taken before"
    elif "state" in entry:
        state = f"{entry['state']} for {entry['due_at']}, price {entry['price']}"
    size = f"{entry['encoding']}, {entry['units']} units, {entry['parts']} part{'s' * (entry['parts'] > 1)}"
    return [
        f"to       {cell(entry['to'])}",
        f"number   {entry['number']}",
        f"account  {entry['account']}",
        f"proof    one of: {', '.join(entry['proof'])}",
        *(
            [f"options  {' '.join(f'{name}={value}' for name, value in entry['options'].items())}"]
            if "options" in entry
            else []
        ),
        f"size     {size}",
        *([f"state    {state}"] if state else []),
        "text",
        *(f"  {line}" for line in entry["text"].split("\n")),
        *(line for cut in entry["cuts"] for line in _cut(cut)),
        *(f"note     {cell(note)}" for note in entry["notes"]),
        "",
    ]


def _cut(cut: dict[str, str]) -> list[str]:
    return [f"cut      {cut['kind']}", *(f"  {line}" for line in cut["text"].strip("\n").split("\n"))]
