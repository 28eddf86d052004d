"""What stands in an S/MIME wrapper: application/pkcs7-mime (RFC 8551, 3; RFC 5652; RFC 3274).

A mail may be signed in such a way that its text is inside the signature's own structure, in BER. It can be read
without a key. Nothing is verified here: who may send is decided elsewhere.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

_SEQUENCE: Final = 0x30
_OCTETS: Final = 0x04
_OBJECT: Final = 0x06
_EXPLICIT: Final = 0xA0
_CONSTRUCTED: Final = 0x20
_INDEFINITE: Final = -1
LARGEST: Final = 1 << 20
"""Octets that compressed content may have, where nothing else is said: a thousandth of it is enough to write it."""


class Wrapper(Enum):
    """Kinds of wrappers."""

    SIGNED = auto()
    COMPRESSED = auto()
    ENCRYPTED = auto()


_KINDS: Final = {
    bytes.fromhex("2a864886f70d010702"): Wrapper.SIGNED,
    bytes.fromhex("2a864886f70d010703"): Wrapper.ENCRYPTED,
    bytes.fromhex("2a864886f70d010704"): Wrapper.ENCRYPTED,
    bytes.fromhex("2a864886f70d010706"): Wrapper.ENCRYPTED,
    bytes.fromhex("2a864886f70d0109100117"): Wrapper.ENCRYPTED,
    bytes.fromhex("2a864886f70d0109100109"): Wrapper.COMPRESSED,
}


def unwrap(data: bytes, longest: int = LARGEST) -> tuple[Wrapper, bytes] | None:
    """Return what kind of wrapper this is, and what is in it: a MIME entity; nothing of an encrypted one.

    Of compressed content the first ``longest`` octets, and one where that is none. None for what is no such wrapper, is
    damaged, or holds no content, as a list of certificates. Raises nothing.
    """
    try:
        reader = _Reader(data)
        at = reader.enter(0, _SEQUENCE)
        kind = _KINDS.get(reader.value(at, _OBJECT))
        if kind is None or kind is Wrapper.ENCRYPTED:
            return kind and (kind, b"")
        # SignedData and CompressedData begin alike: version, algorithms, content.
        at = reader.enter(reader.enter(reader.after(at), _EXPLICIT), _SEQUENCE)
        at = reader.enter(reader.after(reader.after(at)), _SEQUENCE)
        content = reader.octets(reader.enter(reader.after(at), _EXPLICIT))
        if kind is Wrapper.COMPRESSED:
            content = zlib.decompressobj().decompress(content, max(longest, 1))
    except (_BerError, zlib.error):
        return None
    return kind, content


class _BerError(Exception):
    """The bytes are not what was expected of them."""


@dataclass(frozen=True, slots=True)
class _Reader:
    """BER values by where they begin (X.690, 8.1): tag, length, content."""

    data: bytes

    def _head(self, at: int) -> tuple[int, int, int]:
        """Return tag, where the content begins, and its length; the length may be indefinite (X.690, 8.1.3.6)."""
        data = self.data
        if at + 2 > len(data) or data[at] & 0x1F == 0x1F:
            raise _BerError
        tag, length, start = data[at], data[at + 1], at + 2
        if length == 0x80:
            if not tag & _CONSTRUCTED:
                raise _BerError
            return tag, start, _INDEFINITE
        if length > 0x80:
            size = length - 0x80
            if size > 4:
                raise _BerError
            length = int.from_bytes(data[start : start + size])
            start += size
        if start + length > len(data):
            raise _BerError
        return tag, start, length

    def enter(self, at: int, tag: int) -> int:
        """Return where the first value within this one begins."""
        found, start, _ = self._head(at)
        if found != tag:
            raise _BerError
        return start

    def value(self, at: int, tag: int) -> bytes:
        """Return the content of a value that holds no others."""
        found, start, length = self._head(at)
        if found != tag:
            raise _BerError
        return self.data[start : start + length]

    def after(self, at: int) -> int:
        """Return where the value after this one begins."""
        depth = 0
        while True:
            tag, start, length = self._head(at)
            if length == _INDEFINITE:
                depth += 1
                at = start
                continue
            at = start + length
            if tag == 0 and length == 0:
                depth -= 1
            if depth <= 0:
                return at

    def octets(self, at: int) -> bytes:
        """Return an octet string, which may be in pieces, and those in pieces again (X.690, 8.7)."""
        pieces: list[bytes] = []
        ends: list[int] = []
        while True:
            tag, start, length = self._head(at)
            if tag == _OCTETS:
                pieces.append(self.data[start : start + length])
                at = start + length
            elif tag == _OCTETS | _CONSTRUCTED:
                ends.append(length if length == _INDEFINITE else start + length)
                at = start
            elif tag == 0 and length == 0 and ends and ends[-1] == _INDEFINITE:
                ends.pop()
                at = start
            else:
                raise _BerError
            while ends and ends[-1] == at:
                ends.pop()
            if not ends:
                return b"".join(pieces)
