"""How many connections there may be at a time: in all, and from one address.

Every connection takes one of the places, from the moment the system accepted it: a client in its TLS handshake takes
one, too. Places of an address are counted once the address is known, which behind a proxy is after its header. Hosts
that the operator named are not counted by address: their mails come from many people.
"""

from __future__ import annotations

import math
from collections import Counter
from functools import lru_cache
from ipaddress import IPv6Address
from typing import TYPE_CHECKING

from bridge.model.login import read_address
from smtp.wire.networks import is_within

if TYPE_CHECKING:
    from ipaddress import IPv4Network, IPv6Network

_SAY_EVERY = 10.0
"""Seconds between two log lines: a flood of connections is not to be one of lines."""

UNCOUNTED = ""
"""The key of an address that is not counted."""


class Gate:
    """The places of a door; all its listeners share them."""

    def __init__(
        self, *, most: int, most_per_address: int, uncounted: tuple[IPv4Network | IPv6Network, ...] = ()
    ) -> None:
        """Have ``most`` places, of which an address outside the networks ``uncounted`` may take so many."""
        self._most = most
        self._most_per_address = most_per_address
        self._uncounted = uncounted
        self._by_key: Counter[str] = Counter()
        self.taken = 0
        self._turned_away = 0
        self._said_at = -math.inf

    def enter(self) -> bool:
        """Take a place; False where none is left. Who got one calls :meth:`leave` once."""
        if self.taken >= self._most:
            return False
        self.taken += 1
        return True

    def admit(self, peer: str) -> str | None:
        """Count a connection of an address: return the key to give back, None where the address has too many."""
        key = UNCOUNTED if is_within(peer, self._uncounted) else key_of(peer)
        if key is not UNCOUNTED:
            if self._by_key[key] >= self._most_per_address:
                return None
            self._by_key[key] += 1
        return key

    def leave(self, key: str | None) -> None:
        """Give back a place, and what :meth:`admit` counted; ``key`` is None where it counted nothing."""
        self.taken -= 1
        if key:
            self._by_key[key] -= 1
            if not self._by_key[key]:
                del self._by_key[key]

    def turn_away(self, now: float) -> int:
        """Count one that got no place; return how many since that was last told, or 0 when it is too soon to tell."""
        self._turned_away += 1
        if now - self._said_at < _SAY_EVERY:
            return 0
        self._said_at = now
        count, self._turned_away = self._turned_away, 0
        return count


@lru_cache(maxsize=4096)
def key_of(peer: str) -> str:
    """Return what an address is counted under: an IPv6 one under its /64, for one host may have all of that.

    What is no IP address, as a client that a proxy cannot name, is counted as one.
    """
    address = read_address(peer)
    if address is None:
        return "unknown"
    return address.packed[:8].hex() if isinstance(address, IPv6Address) else str(address)
