"""TLS for clients: the certificate that they are shown, and the switch of a connection to it."""

from __future__ import annotations

import asyncio
import os
import ssl
import time
from typing import TYPE_CHECKING, Any, cast

from bridge.model.errors import ConfigError
from bridge.telemetry import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_log = get_logger(__name__)

_LOOK_EVERY = 2.0
"""Seconds between two looks at the files."""

_SHUTDOWN = 5.0
"""Seconds for a client to answer the end of TLS."""

HANDSHAKE_ERRORS = (OSError, RuntimeError, EOFError)
"""What a handshake may end with; ssl.SSLError and a timeout are kinds of OSError."""


class Certificate:
    """A certificate with its key, in files that may be written anew while we run.

    Each handshake asks for :meth:`context`. There the files are looked at, every two seconds at most, and are
    read where they changed. Files that cannot be read, as while only one of the two is there, change nothing: the
    error is logged once, and they are read again when they change again.
    """

    def __init__(self, certificate: Path, key: Path, *, timer: Callable[[], float] = time.monotonic) -> None:
        """Read the files. Raises :exc:`ConfigError` that names the setting which is wrong."""
        self._certificate = certificate
        self._key = key
        self._timer = timer
        self._looked = timer()
        self._seen = self._look()
        self._context = _load(certificate, key)

    def context(self) -> ssl.SSLContext:
        """Return what the next handshake is to use."""
        now = self._timer()
        if now - self._looked >= _LOOK_EVERY:
            self._looked = now
            seen = self._look()
            if seen != self._seen:
                self._seen = seen
                self._read_anew()
        return self._context

    def _read_anew(self) -> None:
        try:
            self._context = _load(self._certificate, self._key)
        except ConfigError as error:
            _log.error("certificate not read", reason=error.reason)
            return
        _log.info("certificate read", file=str(self._certificate))

    def _look(self) -> tuple[object, ...]:
        """Return what tells a file from the one that takes its place."""
        return tuple(_traits(file) for file in (self._certificate, self._key))


def _traits(file: Path) -> tuple[int, int, int] | None:
    try:
        found = os.stat(file)  # noqa: PTH116 - the path follows links, as it should
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _load(certificate: Path, key: Path) -> ssl.SSLContext:
    """Return a server's context with the certificate. Raises :exc:`ConfigError`."""
    for setting, file in (("certificate", certificate), ("key", key)):
        try:
            file.read_bytes()
        except OSError as error:
            reason = f"smtp.tls.{setting}: {file} cannot be read: {error.strerror or error}"
            raise ConfigError(reason) from error
    try:
        # The key's file tells nothing of this; without a look of its own, either may be the one that is wrong.
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(certificate)
    except ssl.SSLError as error:
        reason = f"smtp.tls.certificate: {certificate} is no certificate in PEM"
        raise ConfigError(reason) from error
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    try:
        # Without a password of ours, one would be asked for on the terminal.
        context.load_cert_chain(certificate, key, password="")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            reason = f"smtp.tls.key: {key} is not the key of the certificate"
        else:
            reason = f"smtp.tls.key: {key} is no key in PEM without a passphrase ({error.reason or 'unreadable'})"
        raise ConfigError(reason) from error
    return context


async def start_tls(
    transport: asyncio.Transport,
    protocol: asyncio.Protocol,
    context: ssl.SSLContext,
    *,
    timeout: float,  # noqa: ASYNC109 - the loop's own bound
    ahead: bytes = b"",
) -> asyncio.Transport:
    """Begin TLS as a server; return the transport to use from then on. ``protocol`` is not told of a new connection.

    ``ahead`` was read from the wire already and belongs to the handshake. From the call on, what else comes is TLS's.
    Raises one of :data:`HANDSHAKE_ERRORS`; ``protocol`` may or may not be told that its connection is lost.
    """
    loop = asyncio.get_running_loop()
    if ahead:
        # Runs once the loop has put TLS between transport and protocol, before anything is read.
        loop.call_soon(_feed, transport, ahead)
    secured = await loop.start_tls(
        transport,
        protocol,
        context,
        server_side=True,
        ssl_handshake_timeout=timeout,
        ssl_shutdown_timeout=_SHUTDOWN,
    )
    if secured is None or secured.is_closing():
        raise ConnectionResetError("closed in the handshake")
    return secured


def _feed(transport: asyncio.Transport, octets: bytes) -> None:
    """Give octets to the protocol of a transport as the loop does. Both loops have TLS as a buffered protocol."""
    protocol = cast("asyncio.BufferedProtocol", transport.get_protocol())
    view = memoryview(octets)
    while view:
        room: Any = protocol.get_buffer(len(view))
        size = min(len(room), len(view))
        room[:size] = view[:size]
        protocol.buffer_updated(size)
        view = view[size:]
