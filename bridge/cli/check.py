"""``smsbridge check``: what would keep a bridge from starting, all at once."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

import typer

from bridge import doors
from bridge.carriers import registry
from bridge.cli.context import Context, command
from bridge.cli.options import PLAIN
from bridge.clock import system_clock
from bridge.model.errors import BridgeError, Stopping
from bridge.pipeline.routing import Router
from bridge.store import schema
from bridge.store.engine import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bridge.carriers.base import Carrier
    from bridge.config import BaseSettings
    from bridge.model.message import Inbound, Report

app = typer.Typer(**PLAIN)


@command(app)
def check(context: Context) -> None:
    """Say what is wrong before a start: configuration, database, ports, carriers.

    A bridge that runs already has its ports, and they are told as in use. Exit code 1 when anything is wrong.
    """
    file = context.file()
    settings = context.settings()
    rows = [{"part": "configuration", "ok": True, "detail": str(file or "the environment")}]
    for part, look in _looks(settings):
        try:
            rows.append({"part": part, "ok": True, "detail": look()})
        except BridgeError as error:
            rows.append({"part": part, "ok": False, "detail": error.reason})
    width = max(len(str(row["part"])) for row in rows)
    context.show(
        rows,
        *(f"{'ok' if row['ok'] else 'problem':<7}  {row['part']:<{width}}  {row['detail']}" for row in rows),
    )
    if not all(row["ok"] for row in rows):
        raise typer.Exit(1)


def _looks(settings: BaseSettings) -> Iterator[tuple[str, Callable[[], str]]]:
    """Give the parts in the order in which they start, each with a look at it: it says how it is, or raises."""
    yield "database", partial(_database, settings)
    yield "routes", partial(_routes, settings)
    for name in settings.carriers:
        yield f"carrier {name}", partial(_carrier, settings, name)
    for door, kind in doors.kinds().items():
        for part, look in getattr(kind, "looks", lambda _: ())(settings.door(door)):
            yield f"{door} {part}", look
    for setting, address in _addresses(settings):
        yield f"{setting.partition('.')[0]} door", partial(_free, setting, address)


def _database(settings: BaseSettings) -> str:
    store = Store(settings.database.get_secret_value())
    try:
        schema.check(store)
        with store.write() as connection:
            schema.probe(connection)
        return f"{store.dialect}, schema {schema.head()}, takes writes"
    finally:
        store.close()


def _routes(settings: BaseSettings) -> str:
    router = Router(settings.ways())
    return "; ".join(f"{lane}: {', '.join(router.named(lane).carriers)}" for lane in router.lanes)


def _carrier(settings: BaseSettings, name: str) -> str:
    table = settings.carriers[name]
    asyncio.run(_try(registry.build({name: table}, public_url=settings.public_url, clock=system_clock)[name]))
    return str(table.kind)


async def _try(carrier: Carrier) -> None:
    try:
        await carrier.open(Refusing())
    finally:
        await carrier.close()


def _addresses(settings: BaseSettings) -> Iterator[tuple[str, str]]:
    """Give where it would listen, each address with its setting."""
    for door in doors.kinds():
        table = settings.door(door)
        listen: Any = getattr(table, "listen", ())
        listeners = getattr(table, "listeners", {"listen": (listen,) if isinstance(listen, str) else listen})
        for setting, addresses in listeners.items():
            for address in addresses:
                yield f"{door}.{setting}", address


def _free(setting: str, address: str) -> str:
    doors.listen(address, setting=setting).close()
    return f"{address} is free"


class Refusing:
    """A :class:`~bridge.carriers.base.Sink` that keeps nothing: whoever brings news will come again."""

    async def report(self, report: Report) -> None:  # noqa: ARG002 - a sink's signature
        """Refuse."""
        raise Stopping("only a look")

    async def inbound(self, inbound: Inbound) -> None:  # noqa: ARG002 - the same
        """Refuse."""
        raise Stopping("only a look")
