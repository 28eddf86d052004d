"""Files that stand in the middle of a text, as they did before MIME: uuencode and yEnc."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

# A line of uuencode is a length and sixty characters at most, from space to grave accent.
_UUENCODE: Final = re.compile(
    rb"(?m)^begin [0-7]{3,4} ([^\r\n]{1,200}+)\r?\n((?:[ -`]{1,62}+\r?\n)++)(end[ \t]*+\r?(?:\n|\Z))?+"
)
_YENC: Final = re.compile(rb"(?m)^=ybegin (?:part=|line=)[^\r\n]{1,300}+")
_YENC_NAME: Final = re.compile(rb"\bname=([^\r\n]++)")
_YENC_END: Final = re.compile(rb"\n=yend[^\n]*+\n?")


def without_files(data: bytes, found: Callable[[str], None]) -> bytes:
    """Return a text's bytes without the files in it; ``found`` is told each one's name, its bytes as Latin-1.

    What only looks like one stays: the first line of a file in uuencode says how long it is, and is that long. Of a
    file without an end all that can belong to it goes. Raises nothing, in time that grows with the size alone.
    """
    if b"begin" not in data:
        return data

    def taken(match: re.Match[bytes]) -> bytes:
        first = match[2].split(b"\n", 1)[0].rstrip(b"\r")
        expected = (((first[0] - 32) & 63) + 2) // 3 * 4
        if not (0 < expected <= len(first) - 1 <= expected + 2 and (match[3] or first[0] == ord("M"))):
            return match[0]
        found(match[1].strip().decode("latin-1"))
        return b""

    data = _UUENCODE.sub(taken, data)
    return _without_yenc(data, found) if b"=ybegin " in data else data


def _without_yenc(data: bytes, found: Callable[[str], None]) -> bytes:
    kept: list[bytes] = []
    at = 0
    while begin := _YENC.search(data, at):
        name = _YENC_NAME.search(begin[0])
        found(name[1].strip().decode("latin-1") if name else "")
        kept.append(data[at : begin.start()])
        end = _YENC_END.search(data, begin.end())
        at = end.end() if end else len(data)
    return b"".join([*kept, data[at:]])
