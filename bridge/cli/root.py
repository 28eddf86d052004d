"""The tree of commands. Only the module of the command that was called is loaded."""

from __future__ import annotations

import os
import sys
from importlib import import_module, metadata
from typing import TYPE_CHECKING, Annotated

import typer

from bridge.cli.options import PLAIN, ConfigOption, JsonOption, TraceOption, remember

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS = {
    "init": "Write a configuration and make its database.",
    "serve": "Run the bridge until it is told to stop.",
    "demo": "Run a bridge on a sandbox, and send one mail through it.",
    "check": "Say what is wrong before a start: configuration, database, ports, carriers.",
    "migrate": "Bring the database to this version's schema.",
    "account": "Customers: their home region, and whether they may send.",
    "mailbox": "Mailboxes and domains that may send for an account.",
    "key": "Logins of an account: passwords and tokens.",
    "credit": "An account's credit.",
    "sender": "Names that texts may come from.",
    "contact": "People by number, with what a text may say of them.",
    "group": "Contacts and groups under one name.",
    "message": "What was taken, and what became of it.",
    "preview": "Say what the bridge would make of a mail, and send nothing.",
    "send": "Send a text.",
    "draft": "Messages that take recipients and changes until they are closed.",
    "optout": "Numbers that get no texts.",
    "carrier": "The upstream systems: what they are, and what can be asked of them.",
    "route": "Ways out: which carriers a text may take.",
    "wsdl": "Print the contract of the SOAP service.",
}
"""The commands and groups, in the order of --help; each is the module of its name."""


def build(arguments: Sequence[str]) -> typer.Typer:
    """Return the program. What the arguments cannot call is there by name alone."""
    root = typer.Typer(no_args_is_help=True, help="smsbridge: mail and SOAP in, SMS out, through any carrier.", **PLAIN)
    root.callback()(_root)
    for name, text in COMMANDS.items():
        if name not in arguments:
            root.command(name, help=text)(_unloaded)
            continue
        app = import_module(f"bridge.cli.{name}").app
        root.add_typer(app, name=name if app.registered_callback else None, help=text)
    return root


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, and return its exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    code = 0
    try:
        build(arguments)(args=list(arguments), prog_name="smsbridge")
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except KeyboardInterrupt:
        code = 130
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read has gone; the interpreter would complain of it once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = code or 1
    return code


def _version(asked: bool) -> None:
    if asked:
        print(f"smsbridge {metadata.version('smsbridge')}")
        raise typer.Exit


def _root(
    ctx: typer.Context,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    with_traceback: TraceOption = False,
    version: Annotated[  # noqa: ARG001 - its callback did it
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    remember(ctx, config, as_json, with_traceback)


def _unloaded() -> None:
    """Stand for a command that was not called."""
