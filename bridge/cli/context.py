"""What every command gets: the settings, the store, one way to print, and one way to fail.

A command is a function whose first parameter is a :class:`Context`; :func:`command` adds the common options. Exit
codes: 0 done, 1 failed, 2 wrong usage. A failure is one line on stderr, ``smsbridge: reason``, and below it the
problems of a configuration; with ``--json`` an object ``{"error": {"code", "reason", "problems"}}``. Stdout is
empty then.
"""

from __future__ import annotations

import functools
import inspect
import json
import sys
import traceback
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bridge import config as configuration
from bridge import telemetry
from bridge.cli.options import ConfigOption, JsonOption, Options, TraceOption
from bridge.model.errors import BridgeError, ConfigError, InternalError, StoreUnavailable
from bridge.model.moment import from_ms
from bridge.store import accounts, schema
from bridge.store.engine import Store, is_race

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from bridge.config import BaseSettings
    from bridge.model.account import Account
    from bridge.store.engine import Connection

_PIPE_WIDTH = 100_000
"""What reads a pipe reads lines: there is no width to fold them at."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """A transaction on the store, and the time in it. It ends with the block that opened it."""

    connection: Connection
    now: int

    def account(self, name: str) -> Account:
        """Return an account by name. Raises :exc:`~bridge.model.errors.NotFound`."""
        return accounts.find_account(self.connection, name)


class Context:
    """One call of a command: its common options, and what follows from them."""

    def __init__(self, options: Options) -> None:
        """Keep the options; nothing is read yet."""
        self.options = options

    def file(self) -> Path | None:
        """Return the configuration file, or None for the environment alone. Raises :exc:`ConfigError`."""
        return configuration.find_file(self.options.config)

    def settings(self) -> BaseSettings:
        """Load the settings. Raises :exc:`ConfigError`."""
        return configuration.load(self.file())

    @contextmanager
    def open(self, settings: BaseSettings | None = None) -> Iterator[Store]:
        """Give the store, with a schema that is the code's. Raises :exc:`BridgeError`."""
        store = Store((settings or self.settings()).database.get_secret_value())
        try:
            schema.check(store)
            yield store
        finally:
            store.close()

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Give a transaction that sees one state of the store. Raises :exc:`BridgeError`."""
        with self.open() as store, store.read() as connection:
            yield Session(connection=connection, now=store.now(connection))

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """Give a transaction that is durable once the block has ended without an error. Raises as the others."""
        with self.open() as store, store.write() as connection:
            yield Session(connection=connection, now=store.now(connection))

    def show(self, value: object, *lines: str) -> None:
        """Print a result: ``value`` as JSON where that was asked for, else the lines."""
        if self.options.json:
            _print_json(value, sys.stdout)
        else:
            for line in lines:
                print(line)

    def table(self, rows: Sequence[dict[str, Any]], *columns: str, empty: str) -> None:
        """Print rows: as JSON with all their keys, or the named columns; ``empty`` is said where there is none."""
        if self.options.json or not rows:
            self.show(list(rows), empty)
        else:
            _print_table([[cell(row[column]) for column in columns] for row in rows], columns)

    @contextmanager
    def failing(self) -> Iterator[None]:
        """Turn an error of the block into a line on stderr and the exit code 1."""
        try:
            yield
        except (typer.Exit, typer.Abort, typer.BadParameter, BrokenPipeError):
            raise
        except BridgeError as error:
            self._tell(error)
            raise typer.Exit(1) from error
        except Exception as error:
            if is_race(error):
                self._tell(StoreUnavailable("the database was busy with the same rows; run the command again"))
                raise typer.Exit(1) from error
            self._tell(InternalError("internal error; run the command again with --traceback to see where"))
            raise typer.Exit(1) from error

    def _tell(self, error: BridgeError) -> None:
        if self.options.traceback:
            traceback.print_exc()
        problems = error.problems if isinstance(error, ConfigError) else ()
        reason = " ".join(error.reason.split())
        if self.options.json:
            told = {"code": error.code, "reason": reason, "problems": list(problems)}
            _print_json({"error": told}, sys.stderr)
        else:
            print(f"smsbridge: {reason}", *(f"  {each}" for each in problems), sep="\n", file=sys.stderr)


def command(app: typer.Typer, name: str | None = None) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a function as a command of ``app``, under its own name or another."""

    def register(function: Callable[..., None]) -> Callable[..., None]:
        own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]

        def run(
            *, ctx: typer.Context, config: str | None, as_json: bool, with_traceback: bool, **arguments: object
        ) -> None:
            given = Options(config=config, json=as_json, traceback=with_traceback)
            context = Context(given.over(ctx.obj))
            telemetry.configure_logging("warning", "text")
            with context.failing():
                function(context, **arguments)

        keyword = inspect.Parameter.KEYWORD_ONLY
        parameters = [
            inspect.Parameter("ctx", keyword, annotation=typer.Context),
            *(parameter.replace(kind=keyword) for parameter in own),
            inspect.Parameter("config", keyword, default=None, annotation=ConfigOption),
            inspect.Parameter("as_json", keyword, default=False, annotation=JsonOption),
            inspect.Parameter("with_traceback", keyword, default=False, annotation=TraceOption),
        ]
        # Typer reads a command's parameters from these.
        functools.update_wrapper(run, function)
        del run.__wrapped__  # type: ignore[attr-defined]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        app.command(name)(run)
        return function

    return register


def iso(moment: int | None) -> str | None:
    """Return a time in milliseconds since 1970 as ISO 8601 in UTC, and None for None."""
    if moment is None:
        return None
    at = from_ms(moment)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def cell(value: object) -> str:
    """Return a value as a person reads it, on one line.

    What a stranger or a carrier wrote may hold codes that a terminal obeys: they are escaped.
    """
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in str(value))


def _print_json(value: object, stream: TextIO) -> None:
    unicode = (stream.encoding or "").lower().replace("-", "") == "utf8"
    print(json.dumps(value, ensure_ascii=not unicode, indent=2), file=stream)


def _print_table(rows: Sequence[Sequence[str]], columns: Sequence[str]) -> None:
    console = Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH, no_color=True)
    table = Table(*(column.replace("_", " ") for column in columns), box=None, pad_edge=False)
    for row in rows:
        table.add_row(*map(Text, row))
    console.print(table)
