"""``smsbridge preview``: what the bridge would make of a mail."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from bridge import doors
from bridge.cli.context import Context, cell, command
from bridge.cli.options import PLAIN
from bridge.model.errors import NotFound
from bridge.store.directory import load_directory

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
    with context.open(settings) as store, store.read() as connection:
        directory = load_directory(connection)
    entries = kind.preview(
        settings.door(_DOOR),
        directory,
        raw,
        sender=sender,
        recipients=to or [],
        region=settings.default_region,
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
    size = f"{entry['encoding']}, {entry['units']} units, {entry['parts']} part{'s' * (entry['parts'] > 1)}"
    return [
        f"to       {cell(entry['to'])}",
        f"number   {entry['number']}",
        f"account  {entry['account']}",
        f"size     {size}",
        "text",
        *(f"  {line}" for line in entry["text"].split("\n")),
        "",
    ]
