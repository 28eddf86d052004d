"""``smsbridge wsdl``: the contract of the SOAP service, for the address at which clients reach it."""

from __future__ import annotations

from typing import Any

import typer

from bridge import doors
from bridge.cli.context import Context, command
from bridge.cli.options import PLAIN
from bridge.model.errors import NotFound

app = typer.Typer(**PLAIN)

_DOOR = "soap"


@command(app)
def wsdl(context: Context) -> None:
    """Print the contract of the SOAP service, with the address that public_url gives it."""
    kind: Any = doors.kinds().get(_DOOR)
    if kind is None:
        reason = "no SOAP door is installed"
        raise NotFound(reason)
    address, contract = kind.contract(context.settings())
    context.show({"address": address, "wsdl": contract}, contract.rstrip("\n"))
