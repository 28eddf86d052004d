"""Credit as people write it and as the ledger keeps it: whole thousandths, never a float in between."""

from __future__ import annotations

import re
from decimal import Decimal

import typer

_FORM = re.compile(r"-?\d{1,12}(?:\.\d{1,3})?", re.ASCII)


def parse_credit(written: str) -> int:
    """Return thousandths of ``12``, ``0.5`` or ``-3.125``. Raises :exc:`typer.BadParameter` for anything else."""
    if not _FORM.fullmatch(written):
        message = f"{written!r} is no amount; write 100 or 12.5, with three decimals at most"
        raise typer.BadParameter(message)
    return int(Decimal(written).scaleb(3))


def format_credit(thousandths: int) -> str:
    """Return the amount as it is written: ``12.5``, without zeros at its end."""
    sign = "-" if thousandths < 0 else ""
    whole, rest = divmod(abs(thousandths), 1000)
    return f"{sign}{whole}.{rest:03d}".rstrip("0").rstrip(".")


def as_number(thousandths: int) -> int | float:
    """Return the amount as a JSON number. A double holds every amount of fifteen digits to the thousandth."""
    whole, rest = divmod(thousandths, 1000)
    return thousandths / 1000 if rest else whole
