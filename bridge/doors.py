"""The contract of a door: what the application and a front end know of each other, and nothing else.

A door is found by the entry point group ``smsbridge.doors``; the entry point's name is the name of its table in
bridge.toml, and its object is a :class:`DoorKind`.
"""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from bridge.fields import split_address
from bridge.model.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pydantic import BaseModel
    from starlette.routing import BaseRoute

    from bridge.calls.desk import Desk
    from bridge.calls.logins import Logins
    from bridge.carriers.base import Carrier
    from bridge.clock import Clock
    from bridge.pipeline.intake import Intake
    from bridge.pipeline.reports import News
    from bridge.store.engine import Store
    from bridge.telemetry import Metrics

    Route: TypeAlias = BaseRoute

_GROUP = "smsbridge.doors"
_BACKLOG = 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class Health:
    """How the bridge is. ``problems`` is empty when it can take and send; each entry is one line for a person."""

    live: bool
    problems: tuple[str, ...] = ()

    @property
    def ready(self) -> bool:
        """Whether it can take submissions."""
        return self.live and not self.problems


class Services(Protocol):
    """What the application offers to its doors."""

    intake: Intake
    desk: Desk
    logins: Logins
    news: News
    carriers: Mapping[str, Carrier]
    store: Store
    metrics: Metrics
    clock: Clock
    settings: Any
    doors: Mapping[str, Door]

    def alive(self) -> Health:
        """Say whether every part still runs. Asks nobody, so it answers at once while the database hangs."""
        ...

    async def health(self) -> Health:
        """Look at the parts and write to the database; bounded in time."""
        ...

    def watch(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call ``listener`` in the event loop after every change of texts; returns how to stop that."""
        ...


class Door(Protocol):
    """One front end, while it runs.

    One that listens for more than one service has ``more: Mapping[str, Sequence[str]]`` besides: by their names in the
    ready line, where it listens for the others.
    """

    addresses: Sequence[str]
    """Where it listens, once open: ``host:port``, or a URL. Empty for a door that only adds routes."""

    async def open(self) -> None:
        """Listen. Raises :exc:`~bridge.model.errors.ConfigError` when an address cannot be had."""
        ...

    async def close(self, *, grace: float) -> None:
        """Take no more; let what runs be answered for ``grace`` seconds at most. Safe after a failed :meth:`open`."""
        ...

    def routes(self) -> Sequence[BaseRoute]:
        """Return what it serves over HTTP, on the one port that all doors share. Asked before :meth:`open`, maybe."""
        ...

    def ended(self) -> str | None:
        """Say why it serves no more although nobody closed it, or None while all is well."""
        ...


class DoorKind(Protocol):
    """What an entry point names: the door's settings, and how to make it from them.

    What a kind may have besides: in its settings ``anchored(folder)``, which returns them with relative paths counted
    from there, and ``listeners``, the addresses by setting where they are in more than ``listen``; and
    ``looks(settings)``, which gives what ``check`` looks at, each part with what says how it is, or raises.
    """

    settings: type[BaseModel]

    def build(self, settings: Any, services: Services) -> Door:
        """Return the door, not yet open."""
        ...


def kinds() -> dict[str, DoorKind]:
    """Return the doors that are installed, by name."""
    return {found.name: found.load() for found in sorted(entry_points(group=_GROUP), key=lambda found: found.name)}


def listen(address: str, *, setting: str) -> socket.socket:
    """Return a listening socket. ``setting`` names where the address stands in the configuration.

    Raises :exc:`ConfigError` that says what to do.
    """
    try:
        host, port = split_address(address)
        family, kind, protocol, _, place = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        reason = f"{setting}: {address} is no address of this machine ({error.strerror or error})"
        raise ConfigError(reason) from error
    except ValueError as error:  # not of the form, or a name that no resolver takes
        reason = f"{setting}: {error}"
        raise ConfigError(reason) from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(place)
        listener.listen(_BACKLOG)
        listener.setblocking(False)  # noqa: FBT003 - the socket's own signature
    except OSError as error:
        listener.close()
        raise ConfigError(_why_not(error, address, setting)) from error
    return listener


def _why_not(error: OSError, address: str, setting: str) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return f"{setting}: {address} is in use; stop the program that has it, or choose another port"
        case errno.EACCES:
            return (
                f"{setting}: no permission to listen on {address}; ports below 1024 need root or CAP_NET_BIND_SERVICE"
            )
        case errno.EADDRNOTAVAIL:
            return f"{setting}: {address} is no address of this machine"
    return f"{setting}: cannot listen on {address}: {error.strerror or error}"
