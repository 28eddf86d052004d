"""Digests of WS-Security's UsernameToken (OASIS, UsernameToken Profile 1.1.1, section 3): right, fresh, and seen once.

A digest is the SHA-1 of nonce, time of making and password, one behind the other, so whoever hears it cannot read the
password from it; but could send it again. So it is taken for five minutes, and its nonce once for a user in that time.
"""

from __future__ import annotations

import hashlib
import heapq
import re
from collections import Counter
from datetime import UTC, datetime, timedelta

from bridge.calls.passwords import as_bytes
from bridge.model.errors import LoginBlocked

FRESH = timedelta(minutes=5)
"""How far its time may be from ours, on either side: clocks differ."""

_CREATED = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,12}))?(Z|[+-]\d\d:\d\d)?", re.ASCII)
_LONGEST_CREATED = 64
_KEPT = 200_000


def password_digest(nonce: bytes, created: str, password: str) -> bytes:
    """Return the digest that proves the password. ``created`` goes into it as it was written."""
    told = nonce + as_bytes(created) + as_bytes(password)
    return hashlib.sha1(told, usedforsecurity=False).digest()  # the profile knows no other


def read_created(written: str) -> datetime | None:
    """Return the time of an ``xsd:dateTime``, or None for what is none. Without a zone it is in UTC, as all of them."""
    if len(written) > _LONGEST_CREATED or (found := _CREATED.fullmatch(written.strip())) is None:
        return None
    moment, fraction, zone = found.groups()
    try:
        return datetime.fromisoformat(f"{moment}.{(fraction or '0')[:6]:0<6}{zone or 'Z'}").astimezone(UTC)
    except (ValueError, OverflowError):
        return None


class Nonces:
    """The nonces that came lately. One for each process.

    ``limit`` of them are kept, and at most half of those for one user; beyond that no digest is taken, for one that is
    forgotten could come again.
    """

    def __init__(self, limit: int = _KEPT) -> None:
        """Begin with none."""
        self._limit = limit
        self._seen: set[bytes] = set()
        self._ends: list[tuple[datetime, bytes, str]] = []
        self._by_user: Counter[str] = Counter()

    def __len__(self) -> int:
        """Return how many are kept."""
        return len(self._seen)

    def take(self, user: str, nonce: bytes, *, until: datetime, now: datetime) -> bool:
        """Keep a nonce until after a moment; False when it is kept already.

        Raises :exc:`LoginBlocked` when there is no room.
        """
        while self._ends and self._ends[0][0] < now:
            _, gone, whose = heapq.heappop(self._ends)
            self._seen.discard(gone)
            self._by_user[whose] -= 1
            if not self._by_user[whose]:
                del self._by_user[whose]
        mark = hashlib.blake2b(user.encode() + b"\0" + nonce, digest_size=16).digest()
        if mark in self._seen:
            return False
        if len(self._seen) >= self._limit or self._by_user[user] >= self._limit // 2:
            raise LoginBlocked("too many logins by digest; use a token, or try again in some minutes")
        self._seen.add(mark)
        self._by_user[user] += 1
        heapq.heappush(self._ends, (until, mark, user))
        return True
