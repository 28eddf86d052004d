"""The header by which a proxy says whose connection it passes on: the PROXY protocol, versions 1 (text) and 2 (binary).

Named hosts must send it, and from no other host is it read: there it is a command that nobody knows. Nothing is said
before it has come. What a header claims:

- the client's IP address, which from then on is the connection's;
- LOCAL (version 2): the proxy calls for itself, to see how we are, and the address is its own;
- UNKNOWN, UNSPEC or a Unix socket: the proxy cannot name the client by an IP address. The connection is then from
  :data:`UNKNOWN`, which is in no network and no loopback, although the proxy itself may be in a trusted one.

A header that is anything else closes the connection. What TLVs tell behind the addresses is passed over.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Final

from bridge.model.login import read_address

if TYPE_CHECKING:
    from collections.abc import Callable

_V1: Final = b"PROXY "
_V1_MOST: Final = 107
"""Octets of a header of version 1 with its CRLF, at most."""

_V2: Final = b"\r\n\r\n\x00\r\nQUIT\n"
_V2_FIXED: Final = struct.Struct("!12sBBH")
V2_MOST: Final = 4096
"""Octets of addresses and TLVs in version 2, at most. Certificates' names are the longest that proxies send."""

_VERSION_2: Final = 0x20
_LOCAL: Final = 0x0
_PROXY: Final = 0x1


UNKNOWN: Final = "unknown"
"""Stands for the address of a client that the proxy cannot name."""


class ProxyError(Exception):
    """There is no header, or not such a one. The text says what is wrong, for the log."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Named:
    """What a header says. ``peer`` is an IP address or :data:`UNKNOWN`, None where it is the proxy's own."""

    peer: str | None
    length: int
    """Octets that the header has; what follows them is the client's."""


def parse(octets: bytes) -> Named | None:
    """Read a header at the beginning of what was sent; None while more has to come. Raises :exc:`ProxyError`."""
    if octets.startswith(_V1):
        return _parse_v1(octets)
    if octets.startswith(_V2):
        return _parse_v2(octets)
    if _V1.startswith(octets) or _V2.startswith(octets):
        return None
    raise ProxyError("no PROXY header")


def _parse_v1(octets: bytes) -> Named | None:
    end = octets.find(b"\r\n", 0, _V1_MOST)
    if end < 0:
        if len(octets) >= _V1_MOST:
            raise ProxyError(f"no end within {_V1_MOST} octets")
        return None
    length = end + 2
    # What stands behind UNKNOWN is not for us.
    if octets[len(_V1) : end].split(b" ", 1)[0] == b"UNKNOWN":
        return Named(peer=UNKNOWN, length=length)
    try:
        family, source, target, *ports = octets[len(_V1) : end].decode("ascii").split(" ")
        kind = _FAMILIES_V1[family]
        peer, _ = kind(source), kind(target)
    except (ValueError, KeyError) as error:
        raise ProxyError("version 1: not two addresses of one family") from error
    if len(ports) != 2 or not all(map(_is_port, ports)) or "%" in source + target:
        raise ProxyError("version 1: not two addresses and two ports")
    return Named(peer=_shown(peer), length=length)


_FAMILIES_V1: Final[dict[str, Callable[[str], IPv4Address | IPv6Address]]] = {"TCP4": IPv4Address, "TCP6": IPv6Address}


def _is_port(written: str) -> bool:
    return written.isascii() and written.isdigit() and len(written) <= 5 and int(written) <= 0xFFFF


def _parse_v2(octets: bytes) -> Named | None:
    if len(octets) < _V2_FIXED.size:
        return None
    _, version_command, family, size = _V2_FIXED.unpack_from(octets)
    command = version_command & 0x0F
    if version_command & 0xF0 != _VERSION_2 or command not in (_LOCAL, _PROXY):
        raise ProxyError(f"version and command 0x{version_command:02x}")
    if size > V2_MOST:
        raise ProxyError(f"{size} octets of addresses and TLVs")
    length = _V2_FIXED.size + size
    if command == _PROXY and family not in _FAMILIES_V2:
        raise ProxyError(f"version 2: family and protocol 0x{family:02x}")
    if command == _PROXY and size < 2 * _FAMILIES_V2[family][0] + _FAMILIES_V2[family][1]:
        raise ProxyError("version 2: too short for its addresses")
    if len(octets) < length:
        return None
    if command == _LOCAL:
        return Named(peer=None, length=length)
    width, _ports, kind = _FAMILIES_V2[family]
    address = octets[_V2_FIXED.size : _V2_FIXED.size + width]
    return Named(peer=_shown(kind(address)) if kind is not None else UNKNOWN, length=length)


_FAMILIES_V2: Final[dict[int, tuple[int, int, Callable[[bytes], IPv4Address | IPv6Address] | None]]] = {
    0x00: (0, 0, None),  # UNSPEC
    0x11: (4, 4, IPv4Address),  # TCP over IPv4
    0x21: (16, 4, IPv6Address),  # TCP over IPv6
    0x31: (108, 0, None),  # a Unix stream
}
"""By family and protocol: octets of an address, of the ports behind both, and how the address is read."""


def _shown(address: IPv4Address | IPv6Address) -> str:
    return str(read_address(str(address)))
