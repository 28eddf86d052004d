"""A prover whose DNS is a server of the test, and the mail that Ann sends through it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, TypeVar

from bridge.model.mail_policy import Proof
from smtp.config import DnsSettings, SmtpSettings
from smtp.mime.entity import Entity
from smtp.mime.header import Header
from smtp.proof.author import author_of
from smtp.proof.case import Envelope
from smtp.proof.dns import Resolver
from smtp.proof.prove import Proved, Prover
from tests.smtp.proof.signing import ed25519_pair, rsa_pair
from tests.support.clock import START, HandClock
from tests.support.dns_server import DnsServer

T = TypeVar("T")

ANN = "ann@example.com"
PEER = "192.0.2.1"
NUMBER = "972502345678@sms.example.net"
ALL = frozenset({Proof.DKIM, Proof.SPF, Proof.ARC, Proof.RELAY})
DATE = START.strftime("%a, %d %b %Y %H:%M:%S +0000").encode()

MAIL = b"\r\n".join([
    b"From: Ann <ann@example.com>",
    b"To: " + NUMBER.encode(),
    b"Subject: water",
    b"Date: " + DATE,
    b"Message-ID: <1@example.com>",
    b"MIME-Version: 1.0",
    b"Content-Type: text/plain; charset=utf-8",
    b"",
    b"The  pump has stopped.",
    b"",
])  # fmt: skip


class World:
    """What a test asks and changes: the server of names, the clock, the prover."""

    def __init__(self, server: DnsServer, clock: HandClock, prover: Prover, resolver: Resolver) -> None:
        self.dns = server
        self.clock = clock
        self.prover = prover
        self.resolver = resolver

    async def prove(
        self,
        raw: bytes,
        wanted: Proof | frozenset[Proof] = Proof.DKIM,
        *,
        author: str | None = None,
        peer: str = PEER,
        helo: str = "mail.example.com",
        sender: str = ANN,
    ) -> Proved:
        """Prove a mail, whose author is read from it unless one is given."""
        header = header_of(raw)
        author = author or author_of(header)
        assert author is not None
        asked = frozenset({wanted}) if isinstance(wanted, Proof) else wanted
        return await self.prover.prove(raw, header, author, Envelope(peer=peer, helo=helo, sender=sender), asked)


def header_of(raw: bytes) -> Header:
    """Read a mail's header as the door does."""
    return Header.of(Entity.of(raw, "text/plain"))


@asynccontextmanager
async def world(*, patience: float = 20, **settings: Any) -> AsyncIterator[World]:
    """Serve names, those of Ann's domain among them; ``settings`` are of ``[smtp]``."""
    async with DnsServer() as server:
        server.put("s1._domainkey.example.com", "TXT", rsa_pair().record)
        server.put("ed._domainkey.example.com", "TXT", ed25519_pair().record)
        server.put("example.com", "TXT", f"v=spf1 ip4:{PEER} -all")
        server.put("a1._domainkey.forwarder.test", "TXT", rsa_pair().record)
        clock = HandClock()
        dns = DnsSettings(servers=(server.address,), timeout=timedelta(seconds=patience))
        resolver = Resolver(dns, timer=lambda: clock.ms / 1000)
        prover = Prover(SmtpSettings(dns=dns, **settings), hostname="sms.example.net", resolver=resolver, clock=clock)
        try:
            yield World(server, clock, prover, resolver)
        finally:
            await prover.close()


def run(test: Coroutine[Any, Any, T]) -> T:
    """Run a test in a loop of its own."""
    return asyncio.run(test)
