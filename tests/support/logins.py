"""Logins for tests: keys in a real store, cheap hashes that are counted, time moved by hand."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from datetime import timedelta
from typing import Any, Literal

import argon2

from bridge.calls.digests import Nonces
from bridge.calls.logins import Credentials, Logins, Password, Token
from bridge.calls.passwords import Passwords, Room
from bridge.calls.throttle import Patience, Throttle
from bridge.calls.values import Caller
from bridge.calls.vault import Vault
from bridge.model.login import KeyKind, read_networks
from bridge.pipeline.snapshot import Snapshot
from bridge.store import accounts
from bridge.store.engine import Store
from bridge.telemetry import Metrics
from tests.support import texts
from tests.support.clock import HandClock

SECRET = b"a key of the configuration, long enough"
HOME = "192.0.2.7"
AWAY = "198.51.100.9"


class Hasher(argon2.PasswordHasher):
    """Argon2 at its least cost. Counts checks, and can be held in the middle of them."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.checked: list[str] = []
        self.at_once = 0
        self.most_at_once = 0
        self.free = threading.Event()
        self.free.set()
        self._lock = threading.Lock()

    def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:  # noqa: A002 - argon2's own name
        with self._lock:
            self.checked.append(hash if isinstance(hash, str) else hash.decode())
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            assert self.free.wait(60)
            return super().verify(hash, password)
        finally:
            with self._lock:
                self.at_once -= 1


class Timer:
    """Seconds since some moment, moved by hand."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


class Gate:
    """Logins over a store with an account, acme. ``slept`` are the waits of answers, which pass at once."""

    def __init__(
        self,
        store: Store,
        clock: HandClock,
        *,
        secret_key: bytes | None = SECRET,
        patience: Patience | None = None,
        room: Room | None = None,
        remembered: int = 100,
        nonces: int = 100,
        delayed: int = 100,
        sleep: Callable[[float], Coroutine[Any, Any, None]] | None = None,
    ) -> None:
        self.store = store
        self.clock = clock
        self.timer = Timer()
        self.hasher = Hasher()
        self.metrics = Metrics()
        self.slept: list[float] = []
        self.snapshot = Snapshot(store, timer=self.timer)
        self.throttle = Throttle(patience, timer=self.timer, sleep=sleep or self._sleep, delayed=delayed)
        self.passwords = Passwords(hasher=self.hasher, room=room, remembered=remembered, timer=self.timer)
        self.nonces = Nonces(nonces)
        self.logins = Logins(
            snapshot=self.snapshot,
            secret_key=secret_key,
            metrics=self.metrics,
            clock=clock,
            timer=self.timer,
            throttle=self.throttle,
            passwords=self.passwords,
            nonces=self.nonces,
        )
        self.account = texts.add_account(store)

    def add(
        self,
        user: str,
        secret: str,
        kind: KeyKind = KeyKind.PASSWORD,
        *,
        networks: Sequence[str] = (),
        account: int | None = None,
    ) -> None:
        """Make a key, as the command does."""
        kept = self.kept(user, secret, kind)
        with self.store.write() as connection:
            accounts.add_key(
                connection,
                account or self.account,
                user=user,
                kind=kind,
                secret=kept,
                networks=read_networks(networks),
                now=0,
            )

    def kept(self, user: str, secret: str, kind: KeyKind) -> str:
        """Return what the store keeps of a secret."""
        match kind:
            case KeyKind.PASSWORD:
                return self.hasher.hash(secret)
            case KeyKind.TOKEN:
                return hashlib.sha256(secret.encode()).hexdigest()
            case KeyKind.DIGEST:
                return Vault(SECRET).seal(secret, user=user)

    def revoke(self, user: str) -> None:
        """End a key."""
        with self.store.write() as connection:
            accounts.revoke_key(connection, self.account, user, now=1)

    def enable(self, *, enabled: bool) -> None:
        """Switch the account on or off."""
        with self.store.write() as connection:
            accounts.set_enabled(connection, self.account, enabled=enabled)

    async def settle(self) -> None:
        """Let the snapshot become as old as it may, and read it anew."""
        self.pass_time(1)
        await self.snapshot.renew()

    def pass_time(self, seconds: float) -> None:
        """Move all clocks on."""
        self.timer.seconds += seconds
        self.clock.advance(seconds=seconds)

    async def password(self, user: str, password: str, address: str = HOME) -> Caller:
        """Log in with a password."""
        return await self.logins.login(Password(user=user, password=password), address=address)

    async def token(self, token: str, address: str = HOME) -> Caller:
        """Log in with a token."""
        return await self.logins.login(Token(token=token), address=address)

    async def outcome(self, credentials: Credentials | None, address: str = HOME) -> str:
        """Log in, and return whose it is, or the name of the error."""
        try:
            return (await self.logins.login(credentials, address=address)).proof
        except Exception as error:  # noqa: BLE001 - its name is the result
            return type(error).__name__

    def counted(self, result: str) -> float:
        """Return how many logins the metric counts with a result."""
        return self.metrics.registry.get_sample_value("smsbridge_logins_total", {"result": result}) or 0.0

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[Gate]:
        """Load the snapshot; close at the end."""
        await self.snapshot.open()
        try:
            yield self
        finally:
            self.hasher.free.set()
            self.logins.close()


def through(gate: Gate, test: Callable[[Gate], Coroutine[Any, Any, None]]) -> None:
    """Run a test in an event loop, at an open gate."""

    async def main() -> None:
        async with gate.open():
            await test(gate)

    asyncio.run(main())


NO_DELAY = Patience(delay=timedelta(0))
