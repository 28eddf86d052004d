"""``smsbridge serve``: the bridge itself."""

from __future__ import annotations

import typer

from bridge import app as application
from bridge import telemetry
from bridge.cli.context import Context, command
from bridge.cli.options import PLAIN

app = typer.Typer(**PLAIN)


@command(app)
def serve(context: Context) -> None:
    """Run the bridge until SIGTERM or Ctrl-C.

    Prints one line of JSON when every listener is up; logs go to stderr.
    """
    settings = context.settings()
    telemetry.configure_logging(settings.log.level, settings.log.form)
    application.serve(settings)
