"""``smsbridge route``: which way a text would take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from bridge.cli.context import Context, cell, command
from bridge.cli.options import noun
from bridge.model.message import Priority
from bridge.model.numbers import country_of, parse_number
from bridge.pipeline.routing import Router, Traits
from bridge.store.directory import load_directory

if TYPE_CHECKING:
    from bridge.config import BaseSettings
    from bridge.pipeline.routing import Route

app = noun("Ways out: which carriers a text may take.")


def _priority(written: str) -> Priority:
    try:
        return Priority[written.upper()]
    except KeyError:
        message = f"{written!r}: write one of {', '.join(each.name.lower() for each in Priority)}"
        raise typer.BadParameter(message) from None


@command(app)
def explain(
    context: Context,
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="Whom the text is to.")],
    account: Annotated[str | None, typer.Option("--account", metavar="A", help="Whose text it is.")] = None,
    sender: Annotated[
        str | None, typer.Option("--sender", metavar="NAME", help="Whom it comes from; else the account's default.")
    ] = None,
    priority: Annotated[
        Priority | None,
        typer.Option("--priority", metavar="P", parser=_priority, help="bulk, normal, high or urgent."),
    ] = None,
) -> None:
    """Say which route a text would take, with its carriers in order, and why the routes before it would not.

    Exit code 1 when no route takes it.
    """
    settings = context.settings()
    traits = _traits(
        context,
        settings,
        number=number,
        account=account,
        sender=sender,
        priority=priority or Priority.NORMAL,
    )
    rows: list[dict[str, Any]] = []
    taken: Route | None = None
    for route in Router(settings.ways()).routes:
        against = [] if taken is not None else list(route.match.against(traits))
        row = {"route": route.name, "takes_it": taken is None and not against, "against": against}
        if taken is not None:
            row["against"] = [f"{taken.name} takes it before"]
        elif not against:
            taken = route
        rows.append(row)
    found: dict[str, Any] = {
        "number": traits.number,
        "country": country_of(traits.number),
        "account": account,
        "sender": traits.sender,
        "priority": traits.priority.name.lower(),
        "route": None if taken is None else taken.name,
        "carriers": [] if taken is None else _carriers(taken),
        "routes": rows,
    }
    context.show(found, *_lines(found))
    if taken is None:
        raise typer.Exit(1)


def _traits(
    context: Context,
    settings: BaseSettings,
    *,
    number: str,
    account: str | None,
    sender: str | None,
    priority: Priority,
) -> Traits:
    """Return what the routes are asked of. An account's number is read as it dials, and its default sender is found."""
    region = settings.default_region
    if account is not None:
        with context.reading() as session:
            holder = session.account(account)
            directory = load_directory(session.connection)
        region = holder.region or region
        sender = directory.sender(holder.id, sender, origin="")
    return Traits(number=parse_number(number, region), account=account or "", sender=sender, priority=priority)


def _carriers(route: Route) -> list[dict[str, Any]]:
    """Return a route's carriers: those with weights first, each with its share of the texts."""
    total = sum(route.weights.values())
    ordered = sorted(route.carriers, key=lambda name: -route.weights.get(name, 0))
    return [
        {
            "carrier": name,
            "weight": route.weights.get(name),
            "share": round(route.weights.get(name, 0) / total, 3) if total else None,
        }
        for name in ordered
    ]


def _lines(found: dict[str, Any]) -> list[str]:
    lines = [f"number   {found['number']} ({found['country'] or 'of no single country'})"]
    lines += [f"{name:<8} {cell(found[name])}" for name in ("account", "sender", "priority") if found[name] is not None]
    lines.append(f"route    {found['route'] or 'none takes it'}")
    for place, carrier in enumerate(found["carriers"], start=1):
        share = "" if not carrier["share"] else f", first for {carrier['share']:.1%} of the texts"
        lines.append(f"  {place}. {cell(carrier['carrier'])}{share}")
    others = [row for row in found["routes"] if not row["takes_it"]]
    if others:
        width = max(len(row["route"]) for row in others)
        lines.append("not by")
        lines += [f"  {row['route']:<{width}}  {'; '.join(map(cell, row['against']))}" for row in others]
    return lines
