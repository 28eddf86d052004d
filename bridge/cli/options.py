"""What commands have in common on their line: options, before their name or after it.

Cheap to import: ``--help`` needs no more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import typer

ConfigOption = Annotated[
    str | None,
    typer.Option("--config", metavar="FILE", help="Configuration; else $SMSBRIDGE_CONFIG, else ./bridge.toml."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
TraceOption = Annotated[bool, typer.Option("--traceback", hidden=True)]
AccountName = Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account's name.")]

PLAIN: dict[str, Any] = {
    "add_completion": False,
    "rich_markup_mode": None,
    "pretty_exceptions_enable": False,
    "context_settings": {"help_option_names": ["-h", "--help"]},
}
"""How every part of the command tree is made: help and errors as plain text."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """The common options of one call."""

    config: str | None = None
    json: bool = False
    traceback: bool = False

    def over(self, outer: object) -> Options:
        """Return these, and what is not set here from those given further left on the line."""
        if not isinstance(outer, Options):
            return self
        return Options(
            config=self.config or outer.config,
            json=self.json or outer.json,
            traceback=self.traceback or outer.traceback,
        )


def remember(
    ctx: typer.Context,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    with_traceback: TraceOption = False,
) -> None:
    """Keep the common options for the command that follows."""
    ctx.obj = Options(config=config, json=as_json, traceback=with_traceback).over(ctx.obj)


def noun(text: str) -> typer.Typer:
    """Return a group of commands."""
    app = typer.Typer(help=text, no_args_is_help=True, **PLAIN)
    app.callback()(remember)
    return app
