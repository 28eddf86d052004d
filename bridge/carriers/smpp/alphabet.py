"""The GSM 7 bit default alphabet as octets, one septet in each: what ``data_coding`` 0 usually means (5.2.19)."""

from __future__ import annotations

from typing import Final

from bridge.model.text import GSM7_DEFAULT, GSM7_EXTENSION

_ESCAPE: Final = 0x1B
_EXTENSION_CODES: Final = (0x0A, 0x14, 0x28, 0x29, 0x2F, 0x3C, 0x3D, 0x3E, 0x40, 0x65)
_SINGLE: Final = {char: code + (code >= _ESCAPE) for code, char in enumerate(GSM7_DEFAULT)}
_PAIRS: Final = dict(zip(GSM7_EXTENSION, _EXTENSION_CODES, strict=True))
_OCTETS: Final = {char: bytes([code]) for char, code in _SINGLE.items()} | {
    char: bytes([_ESCAPE, code]) for char, code in _PAIRS.items()
}
_CHARS: Final = {code: char for char, code in _SINGLE.items()}
_EXTENDED: Final = {code: char for char, code in _PAIRS.items()}


def encode(text: str) -> bytes:
    """Return a text in the default alphabet. Raises KeyError for a character that it lacks."""
    return b"".join([_OCTETS[char] for char in text])


def decode(octets: bytes) -> str:
    """Return the text that octets mean. Never fails: what has no meaning is U+FFFD.

    An unknown code after an escape stands for the character of the default table (3GPP TS 23.038, 6.2.1.1).
    """
    chars = []
    escaped = False
    for octet in octets:
        if octet == _ESCAPE and not escaped:
            escaped = True
            continue
        known = _EXTENDED.get(octet) if escaped else None
        chars.append(known or _CHARS.get(octet, "\ufffd"))
        escaped = False
    return "".join(chars)
