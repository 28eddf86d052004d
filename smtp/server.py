"""The mail door: its listeners, and the connections they have."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bridge.doors import listen
from bridge.fields import join_address
from bridge.model.errors import ConfigError
from smtp.config import SmtpSettings
from smtp.preview import preview
from smtp.protocol import Frame, MailProtocol
from smtp.session import Conversation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.doors import Door, Route, Services


class MailDoor:
    """Listens for mail; see :class:`bridge.doors.Door`."""

    def __init__(self, settings: SmtpSettings, services: Services) -> None:
        """Prepare. Raises :exc:`ConfigError` when mail would come in for no domain."""
        if settings.listen and not settings.domains:
            reason = 'smtp.domains: name at least one, as domains = ["sms.example.com"]'
            raise ConfigError(reason)
        self._settings = settings
        self._intake = services.intake
        self._region = services.settings.default_region
        self._servers: list[asyncio.Server] = []
        self._connections: set[MailProtocol] = set()
        self._empty = asyncio.Event()
        self._empty.set()
        self._frame: Frame | None = None
        self._closing = False
        self.addresses: Sequence[str] = ()

    async def open(self) -> None:
        """Listen on every address. Raises :exc:`ConfigError`."""
        loop = asyncio.get_running_loop()
        self._frame = Frame(
            hostname=self._settings.hostname or next(iter(self._settings.domains), "localhost"),
            limit=self._settings.max_size,
            timeout=self._settings.timeout.total_seconds(),
            loop=loop,
        )
        for address in self._settings.listen:
            listener = listen(address, setting="smtp.listen")
            self.addresses = (*self.addresses, join_address(*listener.getsockname()[:2]))
            self._servers.append(await loop.create_server(self._connection, sock=listener))

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

    def routes(self) -> Sequence[Route]:
        """Return nothing: mail needs no HTTP."""
        return ()

    def ended(self) -> str | None:
        """Return None: a listener of the event loop ends only with the loop."""
        return None

    def _connection(self) -> MailProtocol:
        assert self._frame is not None  # noqa: S101 - set before the first listener
        conversation = Conversation(intake=self._intake, settings=self._settings, region=self._region)
        connection = MailProtocol(self._frame, conversation, closed=self._gone)
        self._connections.add(connection)
        self._empty.clear()
        if self._closing:  # it was accepted a moment before
            connection.shut()
        return connection

    def _gone(self, connection: MailProtocol) -> None:
        self._connections.discard(connection)
        if not self._connections:
            self._empty.set()


class MailDoorKind:
    """How the application makes a mail door; see :class:`bridge.doors.DoorKind`."""

    settings = SmtpSettings
    preview = staticmethod(preview)

    def build(self, settings: SmtpSettings, services: Services) -> Door:
        """Return the door, not yet open."""
        return MailDoor(settings, services)


door = MailDoorKind()
