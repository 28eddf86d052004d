"""Who is at the other end of a connection, as far as the connection tells."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Service(StrEnum):
    """What a listener is for."""

    SMTP = "smtp"
    """Mail from relays, devices and the world (RFC 5321)."""
    SUBMISSION = "submission"
    """Mail of users, who have to log in (RFC 6409)."""
    LMTP = "lmtp"
    """Mail that a mail server delivers here; each recipient is answered by itself (RFC 2033)."""


@dataclass(kw_only=True, slots=True)
class Client:
    """What is known of a client. It changes while the connection goes on: greeting, TLS."""

    service: Service = Service.SMTP
    peer: str = ""
    """Its IP address: that of a PROXY header, where there is one. Empty for a client on a Unix socket."""
    helo: str = ""
    """The name it greeted with; empty before that."""
    tls: str | None = None
    """The version of TLS, ``TLSv1.3``; None on an open wire."""
