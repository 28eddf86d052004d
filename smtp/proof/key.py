"""The public key of a signature, as a domain publishes it (RFC 6376, 3.6.1; RFC 8301; RFC 8463)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import dkim

from smtp.proof import tags
from smtp.proof.tags import Flaw

LEAST_BITS: Final = 1024
MOST_BITS: Final = 4096
_MOST_EXPONENT: Final = 2**33
_LONGEST: Final = 4096


@dataclass(frozen=True, kw_only=True, slots=True)
class Key:
    """``kind`` is rsa or ed25519; ``exact`` asks that the identity of a signature is of the domain, not of a subdomain.

    ``public``, ``bits`` and ``kind`` are what dkimpy takes a key for.
    """

    public: Any
    bits: int
    kind: bytes
    exact: bool


def key_of(records: Sequence[bytes]) -> Key:
    """Return the key among the TXT records of a name. Raises :exc:`Flaw`: there is none, or it proves nothing."""
    keys = [record for record in records if b"p=" in record]
    if not keys:
        raise Flaw("has no key in DNS")
    if len(keys) > 1:
        raise Flaw("has several keys in DNS under one name")
    return _read(keys[0])


@lru_cache(maxsize=1024)
def _read(record: bytes) -> Key:
    if len(record) > _LONGEST:
        raise Flaw("has a key that cannot be read")
    try:
        said = tags.read(record)
    except Flaw:
        raise Flaw("has a key that cannot be read") from None
    if said.get(b"v", b"DKIM1") != b"DKIM1":
        raise Flaw("has a key of another version")
    if not tags.packed(said.get(b"p", b"")):
        raise Flaw("has a key that was revoked")
    flags = _listed(said.get(b"t", b""))
    if b"y" in flags:
        raise Flaw("has a key for tests only")
    if not {b"*", b"email"} & _listed(said.get(b"s", b"*")):
        raise Flaw("has a key that is not for mail")
    if b"h" in said and b"sha256" not in _listed(said[b"h"]):
        raise Flaw("has a key that is not for SHA-256")
    kind = said.get(b"k", b"rsa")
    if kind not in {b"rsa", b"ed25519"}:
        raise Flaw("has a key of an unknown kind")
    public, bits = _public(kind, said)
    if kind == b"rsa" and not LEAST_BITS <= bits <= MOST_BITS:
        raise Flaw(f"has a key of {bits} bits")
    return Key(public=public, bits=bits, kind=kind, exact=b"s" in flags)


def _public(kind: bytes, said: dict[bytes, bytes]) -> tuple[Any, int]:
    """Have dkimpy read the key alone: its reading of the other tags swallows what it raises itself."""
    record = b"v=DKIM1; k=" + kind + b"; p=" + tags.base64_of(said, b"p")
    try:
        public, bits, _, _ = dkim.evaluate_pk(b"", record)
    except Exception as error:  # what a library raises on a stranger's octets says one thing
        raise Flaw("has a key that cannot be read") from error
    if kind == b"rsa" and not 3 <= public["publicExponent"] <= _MOST_EXPONENT:
        raise Flaw("has a key with an unusual exponent")
    return public, int(bits)


def _listed(value: bytes) -> set[bytes]:
    return {part.strip() for part in value.split(b":")}
