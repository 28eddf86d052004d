"""``smsbridge carrier``: the upstream systems of the configuration, and what can be asked of them from here."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bridge.carriers import registry
from bridge.carriers.base import Asked, Called, Fetched, Funded, Recalled, Registers, SetUp, Urls
from bridge.cli.check import Refusing
from bridge.cli.context import Context, command
from bridge.cli.options import noun
from bridge.clock import system_clock
from bridge.model.errors import ConfigError, NotFound
from bridge.model.numbers import parse_number

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bridge.carriers.base import Carrier
    from bridge.config import BaseSettings

app = noun("Upstream systems.")

_ABILITIES: dict[str, type[Any]] = {
    "called": Called,
    "asked": Asked,
    "fetched": Fetched,
    "credit": Funded,
    "recall": Recalled,
    "setup": SetUp,
    "register": Registers,
}
"""What a carrier can do beside sending, in the words of the list."""

CarrierName = Annotated[str, typer.Argument(metavar="NAME", help="The carrier's name in the configuration.")]


@command(app, "list")
def show_all(context: Context) -> None:
    """List the carriers of the configuration, and what each can do beside sending."""
    settings = context.settings()
    rows = [
        {
            "name": name,
            "kind": settings.carriers[name].kind,
            "concurrency": carrier.concurrency,
            "takes_own_id": carrier.takes_own_id,
            "can": ", ".join(_can(carrier)),
        }
        for name, carrier in _built(settings).items()
    ]
    context.table(rows, "name", "kind", "concurrency", "takes_own_id", "can", empty="no carriers are configured")


@command(app)
def show(
    context: Context,
    name: CarrierName,
    secrets: Annotated[
        bool, typer.Option("--secrets", help="Show the URLs whole, with the secret they end in.")
    ] = False,
) -> None:
    """Show a carrier's settings, without secrets, and the URLs that its upstream is to call."""
    settings = context.settings()
    urls = _urls(settings, _one(settings, name))
    table = settings.carriers[name]
    own = {} if urls is None else {"callback_url": urls.callback, "inbound_url": urls.inbound}
    if not secrets:
        own = {key: f"{url.rpartition('/')[0]}/…" for key, url in own.items()}
    if context.options.json:
        context.show({"name": name} | table.model_dump(mode="json") | own)
        return
    # What was not written is as the page on settings says.
    written = table.model_dump(mode="json", include=table.model_fields_set) | own
    rows = [
        {"setting": key, "value": value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}
        for key, value in written.items()
    ]
    context.table(rows, "setting", "value", empty="")


@command(app)
def setup(context: Context, name: CarrierName) -> None:
    """Enter our URLs at the carrier's upstream, where it can be told by itself. Safe to repeat."""
    settings = context.settings()
    carrier = _one(settings, name)
    if not isinstance(carrier, SetUp):
        raise _cannot(settings, name, "cannot be told our URLs; enter at the upstream what carrier show --secrets says")
    urls = _urls(settings, carrier)
    if urls is None:
        raise ConfigError(f"carriers.{name}: set public_url and callback_secret first: they make up the URLs")

    async def enter() -> list[str]:
        return list(await carrier.set_up(callback_url=urls.callback, inbound_url=urls.inbound))

    done = _asked(carrier, enter)
    context.show({"carrier": name, "done": done}, *(done or ["nothing was to do"]))


@command(app)
def credit(context: Context, name: CarrierName) -> None:
    """Ask what is left of the operator's money at a carrier."""
    settings = context.settings()
    carrier = _one(settings, name)
    if not isinstance(carrier, Funded):
        raise _cannot(settings, name, "tells no credit")
    left = _asked(carrier, carrier.credit)
    context.show({"carrier": name, "credit": left}, f"{name} has {left}")


@command(app)
def sender(
    context: Context,
    name: CarrierName,
    wanted: Annotated[str, typer.Argument(metavar="SENDER", help="The sender's name or number.")],
) -> None:
    """Ask a carrier's provider to approve a sender, where it takes that from here."""
    settings = context.settings()
    carrier = _registering(settings, name)
    said = _asked(carrier, lambda: carrier.add_sender(wanted))
    context.show({"carrier": name, "sender": wanted, "answer": said}, f"{name} says: {said}")


@command(app)
def contact(
    context: Context,
    name: CarrierName,
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="The contact's number.")],
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="The contact's address.")],
    called: Annotated[str, typer.Option("--name", help="What the contact is called.")] = "",
) -> None:
    """Add a contact at a carrier's provider, or change it. The bridge's own ones are another matter: contact add."""
    settings = context.settings()
    carrier = _registering(settings, name)
    e164 = parse_number(number, settings.default_region)
    said = _asked(carrier, lambda: carrier.add_contact(e164, email=email, name=called))
    context.show({"carrier": name, "number": e164, "answer": said}, f"{name} says: {said}")


def _registering(settings: BaseSettings, name: str) -> Any:
    carrier = _one(settings, name)
    if not isinstance(carrier, Registers):
        raise _cannot(settings, name, "keeps no senders and contacts that could be added from here")
    return carrier


def _built(settings: BaseSettings) -> dict[str, Carrier]:
    return registry.build(settings.carriers, public_url=settings.public_url, clock=system_clock)


def _one(settings: BaseSettings, name: str) -> Any:
    carriers = _built(settings)
    if name not in carriers:
        raise NotFound(f"no carrier is called {name!r}; there is {', '.join(carriers) or 'none'}")
    return carriers[name]


def _can(carrier: Carrier) -> list[str]:
    can = [word for word, protocol in _ABILITIES.items() if isinstance(carrier, protocol)]
    # Without a secret nobody calls, whatever the kind can do.
    return [word for word in can if word != "called" or carrier.callback_secret is not None]  # type: ignore[attr-defined]


def _cannot(settings: BaseSettings, name: str, what: str) -> ConfigError:
    return ConfigError(f"carriers.{name}: a carrier of kind {settings.carriers[name].kind!r} {what}")


def _urls(settings: BaseSettings, carrier: Any) -> Urls | None:
    if not isinstance(carrier, Called) or carrier.callback_secret is None or not settings.public_url:
        return None
    name: str = carrier.name  # type: ignore[attr-defined]
    return Urls.under(settings.public_url, name, carrier.callback_secret.get_secret_value())


def _asked(carrier: Any, question: Callable[[], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        try:
            await carrier.open(Refusing())
            return await question()
        finally:
            await carrier.close()

    return asyncio.run(main())
