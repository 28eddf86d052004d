"""``smsbridge contact import``: contacts from a file, a thousand in each transaction.

A line in error stops nothing: it is counted, told with its number and reason, and written to a file where one is
named; that file has the columns of the one that was read, so it can be mended and imported as it is. Whatever ends an
import half-way, it can be run again: lines that were taken are changed to what they are.
"""

from __future__ import annotations

import csv
import io
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from bridge.cli.context import Context
from bridge.cli.options import AccountName
from bridge.model.contact_sheet import DELIMITERS, Row, Sheet, bounded_lines
from bridge.model.contacts import group_name
from bridge.model.errors import MalformedContent, NotFound
from bridge.model.sheet_charset import find_charset, known_charset
from bridge.store import accounts, contacts

if TYPE_CHECKING:
    from bridge.model.contacts import Change
    from bridge.store.engine import Store

_BATCH = 1_000
_PIECE = 1 << 20
_SHOWN = 20
_LISTED = 1_000
_ADDED = ("#line", "#reason")
"""Columns of the file of refused lines. An import passes over columns of such names."""


def _charset(written: str) -> str:
    try:
        return known_charset(written)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def _delimiter(written: str) -> str:
    delimiter = "\t" if written == "tab" else written
    if delimiter not in DELIMITERS:
        message = f"{written!r}: write one of , ; tab"
        raise typer.BadParameter(message)
    return delimiter


def _group(written: str) -> str:
    try:
        return group_name(written)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


@dataclass(slots=True)
class _Report:
    """What became of the lines: each is in one of the four counts. Of the refused ones the first are kept."""

    added: int = 0
    updated: int = 0
    repeated: int = 0
    refused: int = 0
    lines: list[dict[str, Any]] = field(default_factory=list)


def run(
    context: Context,
    *,
    account: AccountName,
    file: Annotated[str, typer.Argument(metavar="FILE", help="Comma-separated values; - reads stdin.")],
    charset: Annotated[
        str | None,
        typer.Option("--charset", parser=_charset, metavar="NAME", help="As windows-1255; else it is found out."),
    ] = None,
    delimiter: Annotated[
        str | None,
        typer.Option("--delimiter", parser=_delimiter, metavar="D", help="One of , ; tab; else it is found out."),
    ] = None,
    group: Annotated[
        str | None, typer.Option("--group", parser=_group, metavar="GROUP", help="A group that all of them join.")
    ] = None,
    refused: Annotated[
        str | None, typer.Option("--refused", metavar="OUT", help="A new file for the lines that were refused.")
    ] = None,
) -> None:
    """Add and change contacts from a file, whose first line names the columns: number, name, email, tags, group."""
    settings = context.settings()
    with context.open(settings) as store, _source(file) as source:
        with store.read() as connection:
            holder = accounts.find_account(connection, account)
        if charset is None:
            charset = find_charset(iter(partial(source.read, _PIECE), b""))
        if charset is None:
            reason = f"{file}: it is not sure which charset this is; name it, as: --charset windows-1255"
            raise MalformedContent(reason)
        source.seek(0)
        text = io.TextIOWrapper(source, encoding=charset, errors="replace", newline="")
        sheet = Sheet(
            bounded_lines(text.readline), region=holder.region or settings.default_region, delimiter=delimiter
        )
        with _refusals(refused, sheet) as keep, _progress(source, shown=not context.options.json) as advance:
            report = _import(store, holder.id, sheet, groups=(group,) if group else (), keep=keep, advance=advance)
    told = {"charset": charset, "added": report.added, "updated": report.updated, "repeated": report.repeated}
    names = [name for _, name in sheet.columns.fields]
    context.show(
        {"account": account, **told, "refused": report.refused, "fields": names, "lines": report.lines},
        f"{report.added} added, {report.updated} updated, {report.refused} refused; read as {charset}",
        *(
            [f"{report.repeated} more with the number of a line before: of such lines the last counts"]
            * bool(report.repeated)
        ),
        *([f"fields: {', '.join(names)}"] * bool(names)),
        *(f"line {line['line']}: {line['reason']}" for line in report.lines[:_SHOWN]),
        *([f"and {report.refused - _SHOWN} more; --refused OUT writes them all"] * (report.refused > _SHOWN)),
    )


def _import(
    store: Store,
    account_id: int,
    sheet: Sheet,
    *,
    groups: tuple[str, ...],
    keep: Callable[[Row, str], None],
    advance: Callable[[], None],
) -> _Report:
    """Write what the sheet says, batch by batch."""
    report = _Report()

    def refuse(row: Row, reason: str) -> None:
        report.refused += 1
        if len(report.lines) < _LISTED:
            report.lines.append({"line": row.line, "reason": reason})
        keep(row, reason)

    with store.read() as connection:
        now = store.now(connection)
    rows = iter(sheet)
    while batch := list(islice(rows, _BATCH)):
        taken: list[tuple[Row, Change]] = []
        for row in batch:
            if row.change is None:
                refuse(row, row.fault)
            else:
                taken.append((row, replace(row.change, groups=row.change.groups + groups) if groups else row.change))
        with store.write() as connection:
            written = contacts.put(connection, account_id, [wanted for _, wanted in taken], now=now)
        report.added += written.added
        report.updated += written.updated
        report.repeated += written.repeated
        for place, reason in written.refused:
            refuse(taken[place][0], reason)
        advance()
    return report


@contextmanager
def _source(file: str) -> Iterator[IO[bytes]]:
    """Open what is imported. It is read twice, so what comes from a pipe is kept in a file of its own meanwhile."""
    if file == "-":
        with tempfile.TemporaryFile() as kept:
            shutil.copyfileobj(sys.stdin.buffer, kept)
            kept.seek(0)
            yield kept
        return
    with _opened(file, "rb", "read") as opened:
        if not opened.seekable():
            with tempfile.TemporaryFile() as kept:
                shutil.copyfileobj(opened, kept)
                kept.seek(0)
                yield kept
            return
        yield opened


@contextmanager
def _refusals(file: str | None, sheet: Sheet) -> Iterator[Callable[[Row, str], None]]:
    """Give what keeps a refused line: in the file, if one is named, with the columns of the sheet."""
    if file is None:
        yield lambda _row, _reason: None
        return
    # Excel knows UTF-8 by its mark alone.
    with _opened(file, "x", "written", encoding="utf-8-sig", newline="") as out:
        table = csv.writer(out, delimiter=sheet.delimiter)
        table.writerow((*_ADDED, *(sheet.columns.titles or ("number",))))
        yield lambda row, reason: table.writerow((str(row.line), reason, *row.cells))


def _opened(file: str, mode: str, done: str, **how: str) -> IO[Any]:
    """Open a file. Raises :exc:`NotFound`, with the system's reason."""
    try:
        return open(file, mode, **how)  # type: ignore[call-overload,no-any-return]  # noqa: PTH123
    except OSError as error:
        raise NotFound(f"{file}: cannot be {done}: {error.strerror or error}") from error


@contextmanager
def _progress(source: IO[bytes], *, shown: bool) -> Iterator[Callable[[], None]]:
    """Give what moves the bar on: it stands on stderr, when that is a terminal."""
    if not shown or not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console  # noqa: PLC0415 - only a terminal needs them
    from rich.progress import Progress  # noqa: PLC0415

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("contacts", total=os.fstat(source.fileno()).st_size)
        yield lambda: bar.update(task, completed=source.tell())
