"""What SMSC calls a handler with: its signature, and what the parameters say. Pure.

Source: smscentre.com/api/http/miscellaneous/callback. The strings under the hashes of texts from phones and of calls,
and the names of most parameters, are known from clients only.
"""

from __future__ import annotations

import hashlib
import hmac
import zlib
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import unquote_to_bytes

from bridge.carriers.base import Forged, Unreadable

if TYPE_CHECKING:
    from collections.abc import Mapping

Algorithm = Literal["md5", "sha1", "crc32"]

_MOST_FIELDS: Final = 200
_CHARSETS: Final[Mapping[str, str]] = {
    "windows-1251": "cp1251",
    "cp1251": "cp1251",
    "koi8-r": "koi8-r",
    "utf-8": "utf-8",
    "utf8": "utf-8",
}
_SIGNED: Final[Mapping[str, tuple[str, ...]]] = {
    "waitcall": ("phone", "ts"),
    "mes": ("phone", "mes", "to"),
    "status": ("id", "phone", "status"),
}
"""What is under the hash, by the parameter that tells the kind of call; before each of them come those above."""


def fields(body: bytes) -> dict[str, bytes]:
    """Return the parameters of a form, percent-decoded and no more: the hash is over these bytes.

    Raises :exc:`Unreadable`, also for a parameter that is there twice: it could be signed as one and read as the other.
    """
    if body[:1] in {b"{", b"[", b"<"}:
        raise Unreadable("no form: the URL at the provider is to have no fmt")
    found: dict[str, bytes] = {}
    pieces = body.split(b"&", _MOST_FIELDS)
    if len(pieces) > _MOST_FIELDS:
        raise Unreadable("too many parameters")
    for piece in pieces:
        name, equals, value = piece.replace(b"+", b" ").partition(b"=")
        if not equals:
            continue
        key = unquote_to_bytes(name).decode("latin-1")
        if key in found:
            raise Unreadable("a parameter is there twice")
        found[key] = unquote_to_bytes(value)
    return found


def kind(told: Mapping[str, bytes]) -> str:
    """Return what a call is about: ``waitcall``, ``mes`` or ``status``. Raises :exc:`Unreadable`."""
    found = next((name for name in _SIGNED if name in told), None)
    if found is None or any(name not in told for name in _SIGNED[found]):
        raise Unreadable("neither a status, nor a text from a phone, nor a call")
    return found


def verify(told: Mapping[str, bytes], *, about: str, algorithm: Algorithm, key: str) -> None:
    """Check the hash of a call. Raises :exc:`Forged` for a wrong one, and for none."""
    given = told.get(algorithm, b"").strip().lower()
    if not given:
        raise Forged(f"no {algorithm}")
    signed = b":".join([*(told[name] for name in _SIGNED[about]), key.encode()])
    if not sum(hmac.compare_digest(given, form.encode()) for form in digests(signed, algorithm)):
        raise Forged(f"wrong {algorithm}")


def digests(signed: bytes, algorithm: Algorithm) -> tuple[str, ...]:
    """Return a hash in each form in which it may be written. Nobody says which one is that of crc32."""
    if algorithm == "crc32":
        value = zlib.crc32(signed)
        return str(value), str(value - (1 << 32) if value >> 31 else value), f"{value:x}", f"{value:08x}"
    return (hashlib.new(algorithm, signed, usedforsecurity=False).hexdigest(),)


def decoded(value: bytes, told: Mapping[str, bytes]) -> str:
    """Return a text in the charset that the call names, or windows-1251. One that it is not in is not lost."""
    named = told.get("charset", b"windows-1251").decode("latin-1").strip().lower()
    for charset in (_CHARSETS.get(named, "utf-8"), "utf-8"):
        try:
            return value.decode(charset)
        except UnicodeDecodeError:
            continue
    return value.decode("cp1251", "replace")
