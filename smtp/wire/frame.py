"""What all connections of a listener have in common."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiosmtpd.smtp import SMTP

from smtp.wire import sasl
from smtp.wire.client import Service
from smtp.wire.gate import Gate

if TYPE_CHECKING:
    from collections.abc import Callable
    from ipaddress import IPv4Network, IPv6Network

    from smtp.wire.tls import Certificate


@dataclass(frozen=True, kw_only=True, slots=True)
class Bounds:
    """How much one connection may take. Times are in seconds."""

    timeout: float = 300
    """Of silence. Not counted while the connection waits for us."""
    handshake: float = 30
    """For a PROXY header and a TLS handshake, together."""
    data: float = 600
    """For a mail, from 354 to its end."""
    session: float = 3600
    """For all, but for the mail that is on its way then."""
    commands: int = 10_000
    errors: int = 20
    """Commands that were refused, since the last mail that was taken; see :meth:`MailProtocol._weigh`."""


class Frame:
    """What all connections of a listener share: aiosmtpd's settings, read from one instance of its class."""

    def __init__(
        self,
        *,
        hostname: str,
        limit: int,
        loop: asyncio.AbstractEventLoop,
        bounds: Bounds | None = None,
        service: Service = Service.SMTP,
        certificate: Certificate | None = None,
        tls_at_once: bool = False,
        proxies: tuple[IPv4Network | IPv6Network, ...] = (),
        gate: Gate | None = None,
        time: Callable[[], float] | None = None,
    ) -> None:
        """Settings: ``limit`` in octets of a mail, bounds in seconds of ``time``, which is the loop's own.

        ``certificate`` lets clients have TLS, and ``tls_at_once`` lets them have nothing else. Connections from
        ``proxies`` begin with a header of theirs. Without a ``gate`` there may be any number of connections.
        """
        self.bounds = bounds or Bounds()
        pattern = SMTP(
            object(),
            data_size_limit=limit,
            enable_SMTPUTF8=True,
            hostname=hostname,
            ident="smsbridge",
            timeout=self.bounds.timeout,
            loop=loop,
        )
        plain = asyncio.StreamReaderProtocol(asyncio.StreamReader(loop=loop), _unused, loop=loop)
        of_a_connection = vars(plain).keys() | {"_smtp_methods", "_auth_methods"}
        self.settings = {name: value for name, value in vars(pattern).items() if name not in of_a_connection}
        self.service = service
        self.limit = limit
        self.certificate = certificate
        self.tls_at_once = tls_at_once
        self.proxies = proxies
        self.gate = gate or Gate(most=sys.maxsize, most_per_address=sys.maxsize)
        self.loop = loop
        self.time = time or loop.time
        self.greeting = f"220 {hostname} smsbridge"
        self._ehlo = {
            (starttls, auth): "\r\n".join(
                [
                    *(f"250-{hostname}", f"250-SIZE {limit}"),
                    *("250-8BITMIME", "250-SMTPUTF8", "250-PIPELINING", "250-ENHANCEDSTATUSCODES", "250-DSN"),
                    *(["250-STARTTLS"] * starttls),
                    # The second form is that of a draft; there are programs that look for no other.
                    *([f"250-AUTH {sasl.MECHANISMS}", f"250-AUTH={sasl.MECHANISMS}"] * auth),
                    "250 HELP",
                ]
            )
            for starttls in (False, True)
            for auth in (False, True)
        }

    def ehlo(self, *, starttls: bool, auth: bool) -> str:
        """Return the reply to EHLO, with what is offered only to some."""
        return self._ehlo[starttls, auth]


def _unused(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Stand where a callback has to be."""
