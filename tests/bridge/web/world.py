"""What an HTTP door stands in: a real store, a real intake, and a health that a test can set."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
from starlette.routing import BaseRoute

from bridge.calls.desk import Desk
from bridge.calls.logins import Logins
from bridge.carriers.base import Carrier
from bridge.clock import system_clock
from bridge.doors import Door, Health
from bridge.model.message import Addressee, Receipt, Submission
from bridge.model.sender import Verdict, parse_sender
from bridge.pipeline.accept import Rules
from bridge.pipeline.commit import Writer
from bridge.pipeline.intake import Intake
from bridge.pipeline.reports import News
from bridge.pipeline.routing import Route, Router
from bridge.pipeline.snapshot import Snapshot
from bridge.store import accounts, schema, senders
from bridge.store.engine import Store
from bridge.telemetry import Metrics
from bridge.web.config import HttpSettings
from bridge.web.server import HttpDoor, door

DEADLINE = 10.0
"""Seconds after which a test gives up on what should come at once."""


class Beside:
    """Another door, with the routes it is given. ``addresses`` is where it says that it listens."""

    def __init__(self, routes: Sequence[BaseRoute] = (), addresses: Sequence[str] = ()) -> None:
        self.addresses = addresses
        self._routes = routes

    async def open(self) -> None:
        return

    async def close(self, *, grace: float) -> None:
        return

    def routes(self) -> Sequence[BaseRoute]:
        return self._routes

    def ended(self) -> str | None:
        return None


class World:
    """Implements bridge.doors.Services around the migrated store in ``folder``, and holds an HTTP door."""

    def __init__(
        self,
        folder: Path,
        *,
        listen: str = "127.0.0.1:0",
        console: bool = False,
        beside: Beside | None = None,
        domains: Sequence[str] = ("sms.example.com",),
        carriers: Mapping[str, Carrier] | None = None,
    ) -> None:
        self.file = folder / "bridge.db"
        self.store = Store(f"sqlite:///{self.file}")
        schema.check(self.store)
        with self.store.write() as connection:
            self.account = accounts.add_account(connection, "acme", region="IL", now=0)
        self.metrics = Metrics()
        self.clock = system_clock
        self.settings: Any = SimpleNamespace(
            public_url="https://sms.example.com/base", smtp=SimpleNamespace(domains=domains)
        )
        self.writer = Writer(self.store)
        self.intake = Intake(
            writer=self.writer,
            snapshot=Snapshot(self.store),
            rules=Rules(router=Router((Route(name="1", carriers=("sandbox",)),))),
            metrics=self.metrics,
        )
        self.desk = Desk(store=self.store, writer=self.writer, intake=self.intake)
        self.logins = Logins(snapshot=self.intake.snapshot, secret_key=None, metrics=self.metrics)
        self.news = News(store=self.store, writer=self.writer, metrics=self.metrics)
        self.carriers: Mapping[str, Carrier] = carriers or {}
        self.now = Health(live=True)
        self.listeners: set[Callable[[], None]] = set()
        settings = HttpSettings(listen=listen, console=console)
        self.doors: Mapping[str, Door] = {}
        built = door.build(settings, self)
        assert isinstance(built, HttpDoor)
        self.door = built
        self.doors = {"http": self.door, "smtp": beside or Beside()}

    def alive(self) -> Health:
        return Health(live=self.now.live, problems=() if self.now.live else self.now.problems)

    async def health(self) -> Health:
        return self.now

    def watch(self, listener: Callable[[], None]) -> Callable[[], None]:
        self.listeners.add(listener)
        return lambda: self.listeners.discard(listener)

    def changed(self) -> None:
        for listener in tuple(self.listeners):
            listener()

    async def submit(self, number: str, text: str, sender: str | None = None) -> Receipt:
        """Take a text, as a door does."""
        return await self.intake.submit(
            Submission(
                account_id=self.account.id,
                door="smtp",
                origin="ann@example.com",
                recipients=(Addressee(number=number),),
                text=text,
                sender=sender,
            )
        )

    async def approve(self, name: str) -> None:
        """Let the account send under a name, from now on."""
        with self.store.write() as connection:
            senders.settle(connection, self.account.id, parse_sender(name), Verdict.APPROVE, now=0)
        await self.intake.snapshot.open()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[httpx.AsyncClient]:
        """Serve, and give a client."""
        loop = asyncio.get_running_loop()

        def committed() -> None:
            loop.call_soon_threadsafe(self.changed)

        self.writer.on_commit = committed
        self.writer.start()
        await self.intake.snapshot.open()
        try:
            await self.door.open()
            async with httpx.AsyncClient(base_url=self.door.addresses[0], timeout=DEADLINE, trust_env=False) as client:
                yield client
        finally:
            await self.door.close(grace=1.0)
            await self.writer.stop()
            self.store.close()

    def lose_database(self) -> None:
        """Replace the database's file by something that is none, and forget the connections to the old one."""
        self.store.close()
        for file in self.file.parent.glob("bridge.db-*"):
            file.unlink()
        self.file.write_bytes(b"this is no database, whatever its name says" * 100)


async def until(met: Callable[[], bool]) -> None:
    """Wait for a condition that other tasks bring about."""
    async with asyncio.timeout(DEADLINE):
        while not met():  # noqa: ASYNC110 - the condition is another part's, and rings no bell
            await asyncio.sleep(0.005)
