"""Credit as it is written on a command's line, and shown to a person."""

from __future__ import annotations

import typer

from bridge.model import price


def parse_credit(written: str) -> int:
    """Return thousandths of ``12``, ``0.5`` or ``-3.125``. Raises :exc:`typer.BadParameter` for anything else."""
    try:
        return price.parse_credit(written)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def format_credit(thousandths: int) -> str:
    """Return the amount as a person writes it: ``12.5``, without zeros at its end."""
    return price.show_credit(thousandths).rstrip("0").rstrip(".")
