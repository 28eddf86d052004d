"""The SOAP door: the routes of the service, of its contract, and of the same calls without an envelope."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bridge.fields import join_address, split_address
from bridge.model.errors import ConfigError
from soap.config import SoapSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.config import BaseSettings
    from bridge.doors import Door, Route, Services


class SoapDoor:
    """Adds its routes to the HTTP door, and listens nowhere itself; see :class:`bridge.doors.Door`."""

    addresses: Sequence[str] = ()

    def __init__(self, settings: SoapSettings, services: Services) -> None:
        """Prepare."""
        self._routes: Sequence[Route] = _routes(settings, services) if settings.enabled else ()

    async def open(self) -> None:
        """Do nothing: the HTTP door serves the routes."""

    async def close(self, *, grace: float) -> None:
        """Do nothing: the HTTP door lets requests end."""

    def routes(self) -> Sequence[Route]:
        """Return what is served."""
        return self._routes

    def ended(self) -> str | None:
        """Return None: nothing of it runs by itself."""
        return None


class SoapDoorKind:
    """How the application makes the SOAP door; see :class:`bridge.doors.DoorKind`."""

    settings = SoapSettings

    def build(self, settings: SoapSettings, services: Services) -> Door:
        """Return the door, not yet open."""
        return SoapDoor(settings, services)

    def contract(self, settings: BaseSettings) -> tuple[str, str]:
        """Return the address of the service as clients reach it by the settings, and its contract with that address.

        Raises :exc:`~bridge.model.errors.ConfigError` where the settings do not tell it.
        """
        from soap.wsdl import PATH, Contract  # noqa: PLC0415 - commands that need no SOAP do not wait for its libraries

        address = settings.public_url.rstrip("/") or f"http://{_reachable(settings.door('http').listen)}"
        return address + PATH, Contract.load().at(address + PATH).decode()


door = SoapDoorKind()


def _routes(settings: SoapSettings, services: Services) -> Sequence[Route]:
    # Only a bridge that serves needs these; commands that need no SOAP do not wait for its libraries.
    from soap.endpoint import Endpoint  # noqa: PLC0415
    from soap.faces.routes import routes as faces  # noqa: PLC0415
    from soap.visit import Visits  # noqa: PLC0415

    visits = Visits(desk=services.desk, logins=services.logins, trusted=settings.trusted_proxies)
    endpoint: Any = Endpoint.of(settings, services, visits)
    return [*endpoint.routes(), *faces(visits, services)]


def _reachable(listen: str) -> str:
    """Return an address to connect to, for one to listen on."""
    host, port = split_address(listen)
    if not port:
        reason = "http.listen takes any free port: set public_url to where clients reach it"
        raise ConfigError(reason)
    return join_address({"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), port)  # noqa: S104 - not listened on
