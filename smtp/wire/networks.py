"""Whether an address is in one of the networks that a setting names."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from bridge.model.login import read_address

if TYPE_CHECKING:
    from ipaddress import IPv4Network, IPv6Network


@lru_cache(maxsize=4096)
def is_within(peer: str, networks: tuple[IPv4Network | IPv6Network, ...]) -> bool:
    """Whether an IP address, as it is written, is in one of the networks; in IPv6 form an IPv4 one counts as that."""
    address = read_address(peer)
    return address is not None and any(address in network for network in networks)
