"""Logins of programs: what one is checked against, and from where it may come."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

LONGEST_USER = 128
LONGEST_PASSWORD = 1024

_LONGEST_ADDRESS = 64
"""Characters. Longer ones, with a zone or made up, are not kept in memory."""

_MAPPED = ip_network("::ffff:0:0/96")
_SITE = 64
"""Bits of an IPv6 address that say whose it is: who has one, has all that begin so (RFC 6177)."""


class KeyKind(StrEnum):
    """What a login is proved with."""

    PASSWORD = "password"  # noqa: S105 - the name of a kind
    TOKEN = "token"  # noqa: S105 - the name of a kind
    DIGEST = "digest"
    """A password that can also be proved by a digest of it, for which the bridge has to know it in clear."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Login:
    """A login that is in force.

    ``secret`` is what the store keeps of it: an argon2id hash, the SHA-256 of a token in hex, or an encrypted
    password, by ``kind``. No ``networks``: it may come from anywhere. No ``mailboxes``: it may send mail as every
    mailbox of its account; a pattern is one in normal form, or ``@domain``.
    """

    user: str
    account_id: int
    kind: KeyKind
    secret: str = field(repr=False)
    networks: tuple[Network, ...] = ()
    mailboxes: tuple[str, ...] = ()

    def sends_as(self, mailbox: str) -> bool:
        """Say whether it may send mail as a mailbox of its account, given in normal form."""
        return not self.mailboxes or mailbox in self.mailboxes or mailbox[mailbox.rfind("@") :] in self.mailboxes

    def allows(self, address: Address | None) -> bool:
        """Say whether it may come from there; None is an address that cannot be told."""
        return not self.networks or any(
            address is not None and address.version == network.version and address in network
            for network in self.networks
        )


def read_address(written: str) -> Address | None:
    """Return an address, an IPv4-mapped one as IPv4 (RFC 4291, 2.5.5.2), or None for what is none."""
    return _remembered(written) if len(written) <= _LONGEST_ADDRESS else _read(written)


def _read(written: str) -> Address | None:
    try:
        address = ip_address(written.strip().removeprefix("[").removesuffix("]").partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


# Each call is asked for its place several times, and comes from where the last ones came.
_remembered = lru_cache(maxsize=4096)(_read)


def read_network(written: str) -> Network:
    """Return a network in CIDR notation or of one address; an IPv4-mapped one as IPv4.

    Raises ValueError for anything else, and where bits are set behind the prefix: one of the two is a mistake.
    """
    try:
        network = ip_network(written.strip())
    except ValueError as error:
        message = f"{written!r} is no network: {error}; write 192.0.2.0/24, 2001:db8::/32 or one address"
        raise ValueError(message) from error
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):  # type: ignore[arg-type]
        mapped = network.network_address.ipv4_mapped
        return ip_network(f"{mapped}/{network.prefixlen - 96}")
    return network


def read_networks(written: Iterable[str]) -> tuple[Network, ...]:
    """Return networks, each once, in their order. Raises ValueError as :func:`read_network`."""
    return tuple(dict.fromkeys(map(read_network, written)))


def place_of(written: str) -> str:
    """Return under what an address is counted: itself, or its /64 in IPv6. What is no address stands for itself."""
    address = read_address(written)
    if address is None:
        return written[:LONGEST_USER]
    if isinstance(address, IPv6Address):
        return str(ip_network((address, _SITE), strict=False))
    return str(address)
