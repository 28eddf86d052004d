"""Which URLs of customers the bridge calls: public ones, and those in networks that the operator names.

Whoever may name a URL could have the bridge ask the machines beside it. So a URL is read strictly when it is named, and
the addresses that its host name has are judged each time it is called (:mod:`bridge.pipeline.callbacks`).
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, urlsplit

from bridge.model.errors import CallbackRefused

if TYPE_CHECKING:
    from collections.abc import Iterable
    from ipaddress import IPv4Network, IPv6Network

    Network = IPv4Network | IPv6Network

LONGEST: Final = 2000
"""Characters of a URL."""

_PORTS: Final = {"http": 80, "https": 443}
_UNFIT: Final = re.compile("[\0-\x20\x7f-\xa0\\\\\ud800-\udfff\u2028\u2029\ufeff]")
_LABEL: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)
_NUMERIC: Final = re.compile(r"(?:0x[0-9a-f]*|[0-9]+)", re.ASCII)
_LONGEST_HOST: Final = 253
_LOOPBACK: Final = (IPv4Address("127.0.0.1"), IPv6Address("::1"))
_NAT64: Final = ip_network("64:ff9b::/96")
_NOT_PUBLIC: Final = (
    ip_network("192.0.0.0/24"),
    ip_network("192.88.99.0/24"),
    ip_network("fec0::/10"),
    ip_network("3fff::/20"),
)
"""What this or that version of Python takes for global: protocols' own, 6to4 relays, site-local, documentation."""


def read_url(written: str, *, allowed: Iterable[Network] = ()) -> str:
    """Return a URL as it is kept: scheme and host in lower case, the host in ASCII, a path, no fragment.

    Raises :exc:`CallbackRefused` for anything but http and https, without a host, with a user or a password, longer
    than 2000 characters, or at an address that is not called; a host's name is not looked up.
    """
    if len(written) > LONGEST:
        raise CallbackRefused(f"a URL of {len(written)} characters; {LONGEST} are allowed")
    if _UNFIT.search(written):
        raise CallbackRefused("a URL has no spaces, control characters and backslashes")
    try:
        parts = urlsplit(written)
        port = parts.port
    except ValueError as error:
        raise CallbackRefused("not a URL; write https://host/path") from error
    if parts.scheme not in _PORTS or not parts.hostname:
        raise CallbackRefused("not a URL to call; write https://host/path")
    if "@" in parts.netloc:
        raise CallbackRefused("a URL with a user or a password in it")
    if port == 0:
        raise CallbackRefused("port 0 is none")
    host = _host(parts.hostname, tuple(allowed))
    place = host if port in (None, _PORTS[parts.scheme]) else f"{host}:{port}"
    url = SplitResult(parts.scheme, place, parts.path or "/", parts.query, "").geturl()
    if len(url) > LONGEST:
        raise CallbackRefused(f"a URL of {len(url)} characters; {LONGEST} are allowed")
    return url


def may_call(address: IPv4Address | IPv6Address, allowed: Iterable[Network]) -> bool:
    """Whether an address may be called: a public one, or one in a network that is allowed.

    An address that carries another one in it (mapped, NAT64) counts as that one; those of tunnels are none.
    """
    if any(address in network for network in allowed):
        return True
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped
        if inner is None and address in _NAT64:
            inner = IPv4Address(int(address) & 0xFFFF_FFFF)
        if inner is not None:
            return may_call(inner, allowed)
        if address.sixtofour is not None or address.teredo is not None or address.scope_id is not None:
            return False
    if any(address in network for network in _NOT_PUBLIC):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def _host(written: str, allowed: tuple[Network, ...]) -> str:
    """Return a host as it is kept. Raises :exc:`CallbackRefused`."""
    try:
        address = ip_address(written)
    except ValueError:
        return _name(written, allowed)
    if not may_call(address, allowed):
        raise CallbackRefused(f"{address} is no public address")
    return f"[{address}]" if address.version == 6 else str(address)


def _name(written: str, allowed: tuple[Network, ...]) -> str:
    try:
        name = written.encode("idna").decode("ascii").lower() if not written.isascii() else written
    except UnicodeError as error:
        raise CallbackRefused("the host is no name of one") from error
    labels = name.removesuffix(".").split(".")
    if len(name) > _LONGEST_HOST or not all(map(_LABEL.fullmatch, labels)):
        raise CallbackRefused("the host is no name of one")
    # Resolvers read 2130706433, 0x7f.1 and 127.1 as addresses.
    if _NUMERIC.fullmatch(labels[-1]):
        raise CallbackRefused("the host is a number, and no address as it is written")
    if labels[-1] == "localhost" and not any(may_call(address, allowed) for address in _LOOPBACK):
        raise CallbackRefused("localhost is no public address")
    return name
