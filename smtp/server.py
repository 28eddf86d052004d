"""The mail door: its listeners, and the connections they have."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from bridge.doors import listen
from bridge.fields import join_address
from bridge.model.errors import ConfigError
from smtp.config import SmtpSettings
from smtp.contacts import resolve
from smtp.house import House
from smtp.places import Places
from smtp.preview import preview
from smtp.proof.dns import Resolver
from smtp.proof.prove import Prover
from smtp.session import Conversation
from smtp.standing import Senders
from smtp.wire.client import Service
from smtp.wire.frame import Bounds, Frame
from smtp.wire.gate import Gate
from smtp.wire.protocol import MailProtocol
from smtp.wire.tls import Certificate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from bridge.doors import Door, Route, Services

_SERVICES = {
    "listen": (Service.SMTP, False),
    "submission": (Service.SUBMISSION, False),
    "submissions": (Service.SUBMISSION, True),
    "lmtp": (Service.LMTP, False),
}
"""By the setting that has the addresses: what is spoken there, and whether TLS comes before it."""


class MailDoor:
    """Listens for mail; see :class:`bridge.doors.Door`."""

    def __init__(self, settings: SmtpSettings, services: Services) -> None:
        """Prepare. Raises :exc:`ConfigError` when mail would come in for no domain, or a certificate is not one."""
        if any(settings.listeners.values()) and not settings.domains:
            reason = 'smtp.domains: name at least one, as domains = ["sms.example.com"]'
            raise ConfigError(reason)
        self._settings = settings
        self._hostname = settings.hostname or next(iter(settings.domains), "localhost")
        self._prover = Prover(settings, hostname=self._hostname, resolver=Resolver(settings.dns), clock=services.clock)
        self._house = House(
            intake=services.intake,
            logins=services.logins,
            senders=Senders(
                snapshot=services.intake.snapshot, settings=settings, prover=self._prover, hostname=self._hostname
            ),
            settings=settings,
            places=Places(settings),
            resolve=partial(resolve, services.desk),
            region=services.settings.default_region,
        )
        self._certificate = certificate_of(settings)
        self._gate = Gate(
            most=settings.max_connections,
            most_per_address=settings.max_connections_per_address,
            uncounted=(*settings.trusted_networks, *settings.proxy_networks),
        )
        self._servers: list[asyncio.Server] = []
        self._connections: set[MailProtocol] = set()
        self._empty = asyncio.Event()
        self._empty.set()
        self._closing = False
        self.addresses: Sequence[str] = ()
        self.more: Mapping[str, Sequence[str]] = {}

    async def open(self) -> None:
        """Listen on every address. Raises :exc:`ConfigError`."""
        loop = asyncio.get_running_loop()
        for setting, addresses in self._settings.listeners.items():
            service, tls_at_once = _SERVICES[setting]
            frame = self._frame(service, tls_at_once=tls_at_once)
            for address in addresses:
                listener = listen(address, setting=f"smtp.{setting}")
                self._listens(setting, join_address(*listener.getsockname()[:2]))
                self._servers.append(await loop.create_server(partial(self._connection, frame), sock=listener))

    async def close(self, *, grace: float) -> None:
        """Take no more connections; answer the mails under way, for ``grace`` seconds at most; close the others."""
        self._closing = True
        for server in self._servers:
            server.close()
        for connection in tuple(self._connections):
            connection.shut()
        try:
            async with asyncio.timeout(grace):
                await self._empty.wait()
        except TimeoutError:
            for connection in tuple(self._connections):
                connection.abort()
        self._servers.clear()
        await self._prover.close()

    def routes(self) -> Sequence[Route]:
        """Return nothing: mail needs no HTTP."""
        return ()

    def ended(self) -> str | None:
        """Return None: a listener of the event loop ends only with the loop."""
        return None

    def _listens(self, setting: str, address: str) -> None:
        if setting == "listen":
            self.addresses = (*self.addresses, address)
        else:
            self.more = {**self.more, setting: (*self.more.get(setting, ()), address)}

    def _frame(self, service: Service, *, tls_at_once: bool) -> Frame:
        settings = self._settings
        return Frame(
            hostname=self._hostname,
            limit=settings.max_size,
            loop=asyncio.get_running_loop(),
            bounds=Bounds(
                timeout=settings.timeout.total_seconds(),
                handshake=settings.handshake_timeout.total_seconds(),
                data=settings.data_timeout.total_seconds(),
                session=settings.max_session.total_seconds(),
                commands=settings.max_commands,
                errors=settings.max_errors,
            ),
            service=service,
            certificate=self._certificate,
            tls_at_once=tls_at_once,
            proxies=settings.proxy_networks,
            gate=self._gate,
        )

    def _connection(self, frame: Frame) -> MailProtocol:
        connection = MailProtocol(frame, Conversation(self._house), closed=self._gone)
        self._connections.add(connection)
        self._empty.clear()
        if self._closing:  # it was accepted a moment before
            connection.shut()
        return connection

    def _gone(self, connection: MailProtocol) -> None:
        self._connections.discard(connection)
        if not self._connections:
            self._empty.set()


def certificate_of(settings: SmtpSettings) -> Certificate | None:
    """Return the certificate that is configured, None where there is none. Raises :exc:`ConfigError`."""
    if settings.tls.certificate is None or settings.tls.key is None:
        return None
    return Certificate(settings.tls.certificate, settings.tls.key)


class MailDoorKind:
    """How the application makes a mail door; see :class:`bridge.doors.DoorKind`."""

    settings = SmtpSettings
    preview = staticmethod(preview)

    def build(self, settings: SmtpSettings, services: Services) -> Door:
        """Return the door, not yet open."""
        return MailDoor(settings, services)

    def looks(self, settings: SmtpSettings) -> Iterator[tuple[str, Callable[[], str]]]:
        """Give what can be looked at before a start, each with what says how it is, or raises."""
        if settings.tls.certificate is not None:
            yield "certificate", partial(_look, settings)


def _look(settings: SmtpSettings) -> str:
    certificate_of(settings)
    return str(settings.tls.certificate)


door = MailDoorKind()
