"""Passwords: how they are hashed, checked in threads of their own, and remembered for a while.

A check takes a tenth of a second of a processor and 64 MiB, on purpose. So it runs in few threads, with a bounded line
before them: a flood of logins waits or is turned away, and all else goes on. What was found right is remembered in
memory under a keyed hash, so that a program that calls thousands of times a second is checked once in a while.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import time
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import argon2
from argon2.exceptions import VerificationError, VerifyMismatchError

from bridge.model.errors import LoginBlocked, Stopping
from bridge.telemetry import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable

_log = get_logger(__name__)

HASHER = argon2.PasswordHasher(time_cost=3, memory_cost=65_536, parallelism=1, hash_len=32, salt_len=16)
"""RFC 9106, section 4, its choice for little memory, but with one lane: a check then takes one processor, not four."""

_REMEMBERED = 10_000
_REMEMBER_SECONDS = 600.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Room:
    """How much may be checked at once: ``threads`` run, and so many wait.

    Who came in before from the same place may wait where strangers may no more: a flood does not keep them out.
    """

    threads: int = max(1, min(4, (os.cpu_count() or 1) // 2))
    strangers: int = 64
    known: int = 128


class Passwords:
    """Checks passwords against hashes. One for each process; used in the event loop only.

    ``timer`` counts seconds. A password that was found right is remembered for ten minutes, 10,000 of them at most.
    """

    def __init__(
        self,
        *,
        hasher: argon2.PasswordHasher = HASHER,
        room: Room | None = None,
        remembered: int = _REMEMBERED,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start nothing yet; threads begin with the first check."""
        self._hasher = hasher
        self._room = room or Room()
        self._timer = timer
        self._limit = remembered
        self._key = os.urandom(32)
        self._nobody = _unmatched(hasher)
        self._remembered: OrderedDict[bytes, float] = OrderedDict()
        self._running: dict[bytes, asyncio.Future[bool]] = {}
        self._closed = False
        self._threads = ThreadPoolExecutor(self._room.threads, thread_name_prefix="passwords")

    def tag(self, user: str, password: str, kept: str | None) -> bytes:
        """Return what a pair is remembered by; it is of no use outside this process. ``kept`` as in :meth:`check`."""
        told = hashlib.blake2b(key=self._key, digest_size=32)
        for part in (user, password, self._nobody if kept is None else kept):
            encoded = as_bytes(part)
            told.update(len(encoded).to_bytes(8, "big") + encoded)
        return told.digest()

    def remembers(self, tag: bytes) -> bool:
        """Say whether this was found right a short while ago."""
        until = self._remembered.get(tag)
        if until is None:
            return False
        if self._timer() >= until:
            del self._remembered[tag]
            return False
        self._remembered.move_to_end(tag)
        return True

    def checking(self, tag: bytes) -> bool:
        """Say whether the very same is being checked now."""
        return tag in self._running

    async def check(self, tag: bytes, password: str, kept: str | None, *, known: bool) -> bool:
        """Say whether a password is right, with one check for all who ask the same at once.

        ``kept`` is the argon2 hash, or None for a login that there is not: then the answer is no, after the same work.
        Raises :exc:`LoginBlocked` when too many wait already (``known`` ones may wait longer), :exc:`Stopping`.
        """
        running = self._running.get(tag)
        if running is None:
            room = self._room.threads + (self._room.known if known else self._room.strangers)
            if len(self._running) >= room:
                raise LoginBlocked("too many logins at once; try again in a moment")
            if self._closed:
                raise Stopping("the bridge is going down")
            running = asyncio.get_running_loop().run_in_executor(
                self._threads, self._verify, self._nobody if kept is None else kept, password
            )
            self._running[tag] = running
            running.add_done_callback(lambda done: self._ended(tag, done, right=kept is not None))
        try:
            # Whoever hangs up takes nobody's answer away.
            return await asyncio.shield(running) and kept is not None
        except asyncio.CancelledError:
            if running.cancelled():
                raise Stopping("the bridge is going down") from None
            raise

    def close(self) -> None:
        """End the threads; what waits is not checked any more."""
        self._closed = True
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _verify(self, kept: str, password: str) -> bool:
        try:
            return self._hasher.verify(kept, as_bytes(password))
        except VerifyMismatchError:
            return False
        except (VerificationError, ValueError) as error:  # a ValueError: it is no hash of argon2
            _log.error("key cannot be read", reason=type(error).__name__)
            return False

    def _ended(self, tag: bytes, done: asyncio.Future[bool], *, right: bool) -> None:
        del self._running[tag]
        if not done.cancelled() and done.exception() is None and done.result() and right:
            self._remembered[tag] = self._timer() + _REMEMBER_SECONDS
            self._remembered.move_to_end(tag)
            while len(self._remembered) > self._limit:
                self._remembered.popitem(last=False)


def as_bytes(text: str) -> bytes:
    """Return UTF-8 of any text, also of one that is none (a lone surrogate from a broken client)."""
    return text.encode("utf-8", "surrogatepass")


def _unmatched(hasher: argon2.PasswordHasher) -> str:
    """Return a hash that no password has, as costly to check as the hasher's own."""
    salt, answer = (
        base64.b64encode(os.urandom(size)).decode().rstrip("=") for size in (hasher.salt_len, hasher.hash_len)
    )
    cost = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
    return f"$argon2id$v=19${cost}${salt}${answer}"
