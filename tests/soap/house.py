"""The real service for tests: an account with credit, a sender and a login, over a real store, behind the transport."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import httpx
from lxml import etree

from bridge.calls.logins import Logins
from bridge.calls.passwords import Passwords
from bridge.calls.throttle import Throttle
from bridge.model.login import KeyKind
from bridge.model.sender import Verdict, parse_sender
from bridge.store import accounts, inbound, senders
from bridge.store.engine import Store
from soap import schema
from soap.receiving import Bodies
from soap.service import SmsBridge, perform
from soap.transport import Transport
from soap.visit import Visit, Visits
from tests.bridge.calls.office import Office
from tests.support.clock import HandClock
from tests.support.logins import NO_DELAY, Hasher

T = TypeVar("T")

USER = "acme"
PASSWORD = "change-me-1"
NOW = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)
HERE = ("192.0.2.7", 40_000)
_SCOPE: dict[str, Any] = {"type": "http", "client": HERE, "headers": []}


class House(Office):
    """An account, acme, in Israel, with 100 credits, the sender ACME, and a login; and the service, while open."""

    def __init__(self, store: Store, *, credit: int = 100_000, limit: int | None = 0) -> None:
        super().__init__(store, HandClock(NOW))
        store._clock = self.clock
        self.id = self.account(credit=credit, limit=limit, zone=ZoneInfo("Asia/Jerusalem"))
        self.hasher = Hasher()
        self.approve("ACME")
        self.change(
            lambda connection: accounts.add_key(
                connection,
                self.id,
                user=USER,
                kind=KeyKind.PASSWORD,
                secret=self.hasher.hash(PASSWORD),
                networks=(),
                now=self.clock.ms,
            )
        )
        self.visits: Visits
        self.http: httpx.AsyncClient

    def approve(self, name: str) -> None:
        """Approve a name that texts may come from."""
        self.change(
            lambda connection: senders.settle(
                connection, self.id, parse_sender(name), Verdict.APPROVE, now=self.clock.ms
            )
        )

    def heard(self, text: str, *, sender: str = "+972502345678", answers: tuple[str, int] | None = None) -> int:
        """Keep a text from a phone, and return its id."""
        return self.change(
            lambda connection: inbound.keep(
                connection,
                account_id=self.id,
                answers=answers,
                carrier="a",
                carrier_id=text,
                sender=sender,
                recipient="+972502345600",
                text=text,
                sent_at=self.clock.ms,
                created_at=self.clock.ms,
            )
        )

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[House]:
        """Open the service in this event loop."""
        async with self.open() as desk:
            logins = Logins(
                snapshot=self.intake.snapshot,
                secret_key=None,
                metrics=self.metrics,
                clock=self.clock,
                throttle=Throttle(NO_DELAY),
                passwords=Passwords(hasher=self.hasher),
            )
            self.visits = Visits(desk=desk, logins=logins)
            transport = Transport(SmsBridge, namespace=schema.NAMESPACE, visits=self.visits, bodies=Bodies(4_000_000))
            try:
                async with httpx.AsyncClient(
                    transport=httpx.ASGITransport(transport, client=HERE), base_url="http://127.0.0.1"
                ) as self.http:
                    yield self
            finally:
                logins.close()

    def through(self, work: Callable[[House], Awaitable[T]]) -> T:
        """Open the service, do ``work`` with it, and close it."""

        async def main() -> T:
            async with self.serve() as house:
                return await work(house)

        return asyncio.run(main())

    def visit(self, **more: Any) -> Visit:
        """Return a visit from somewhere, with no header."""
        return self.visits.of(_SCOPE, **more)

    async def ask(self, operation: str, **values: Any) -> Any:
        """Call an operation with the account's login, as faces do, and return its answer."""
        given = {"username": USER, "password": PASSWORD, **values}
        return await perform(operation, self.visit(), given)

    async def post(self, body: bytes, *, soap12: bool = False) -> tuple[int, Any]:
        """Send an envelope, and return the HTTP status and the envelope that comes back."""
        kind = "application/soap+xml" if soap12 else "text/xml"
        answer = await self.http.post("/soap", content=body, headers={"content-type": f"{kind}; charset=utf-8"})
        assert answer.headers["content-type"] == f"{kind}; charset=utf-8"
        return answer.status_code, etree.fromstring(answer.content)
