"""Content-Transfer-Encoding undone (RFC 2045, 6), as far as what was sent allows.

Senders break every rule of it: soft line breaks with spaces, base64 without padding or with a mailing list's footer
behind it, and plain text under the name of base64. A text that arrives a little damaged is worth more than none.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable
from typing import Final

_SOFT_BREAK: Final = re.compile(rb"=[ \t]{1,80}(?=\r?\n)")
_SPACES: Final = b" \t\r\n\v\f"
_ALPHABET: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
_INNER_SPACE: Final = re.compile(rb"[^ \t\r\n][ \t]++[^ \t\r\n]")
_WHOLE_LINE: Final = re.compile(rb"[A-Za-z0-9+/]+={0,2}")
_CHUNK: Final = re.compile(rb"[^=]+")
_LONGEST_WORD: Final = 24
_SHORTEST_PREFIX: Final = 20
_BEGIN: Final = re.compile(rb"(?m)^begin [0-7]{3,4}(?: .*)?$")


def decode(data: bytes, encoding: str, *, plausible: Callable[[bytes], bool]) -> bytes:
    """Return the bytes behind ``encoding``, a lower-case name; for an unknown one, and 7bit, 8bit, binary, ``data``.

    ``plausible`` tells whether bytes can be what was meant; it is asked only where base64 may be a false name.
    Raises nothing. Source: RFC 2045, 6.7 and 6.8.
    """
    match encoding:
        case "quoted-printable":
            if b"= " in data or b"=\t" in data:
                data = _SOFT_BREAK.sub(b"=", data)
            return binascii.a2b_qp(data)
        case "base64":
            return _base64(data, plausible)
        case "uuencode" | "x-uuencode" | "uue" | "x-uue":
            return _uuencode(data)
    return data


def _base64(data: bytes, plausible: Callable[[bytes], bool]) -> bytes:
    bare = data.translate(None, _SPACES)
    foreign = len(bare.translate(None, _ALPHABET))
    # A space within a line is in no base64, but in every sentence.
    words = b" " in data.strip() and _INNER_SPACE.search(data) is not None
    if not foreign and not words:
        found = _quads(bare)
        # A word or a number may look like base64 and not be; a text of this length would have a space.
        return found if len(bare) >= _LONGEST_WORD or plausible(found) else data
    # Base64 first, then something else: what a mailing list or a scanner adds at the end.
    lines: list[bytes] = []
    for line in data.split(b"\n"):
        stripped = line.strip()
        if not stripped and lines:
            break
        if stripped and not _WHOLE_LINE.fullmatch(stripped):
            break
        lines.append(stripped)
    head = b"".join(lines)
    if len(head) >= _SHORTEST_PREFIX and plausible(found := _quads(head)):
        return found
    if not words and foreign * 10 <= len(bare):
        found = _quads(bare.translate(None, bytes(set(range(256)) - set(_ALPHABET))))
        if plausible(found):
            return found
    return data


def _quads(bare: bytes) -> bytes:
    """Decode base64 that may lack padding, or be several pieces, each with its own padding, in a row."""
    found = []
    bare = bare.rstrip(b"=")
    for chunk in _CHUNK.findall(bare) if b"=" in bare else (bare,):
        # One character alone stands for no byte.
        whole = chunk[:-1] if len(chunk) % 4 == 1 else chunk
        found.append(binascii.a2b_base64(whole + b"=" * (-len(whole) % 4)))
    return b"".join(found)


def _uuencode(data: bytes) -> bytes:
    begin = _BEGIN.search(data.replace(b"\r\n", b"\n"))
    if not begin:
        return data
    found = []
    for line in begin.string[begin.end() + 1 :].split(b"\n"):
        if line.rstrip() in {b"end", b"`"} or not line:
            break
        try:
            found.append(binascii.a2b_uu(line))
        except binascii.Error:
            # Some encoders fill the last group; the length in the first character says how much counts.
            counted = (((line[0] - 32) & 63) * 4 + 5) // 3
            try:
                found.append(binascii.a2b_uu(line[:counted]))
            except binascii.Error:
                break
    return b"".join(found)
