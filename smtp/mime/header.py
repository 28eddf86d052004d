"""The header of a mail: its fields in their order, and what they say as text (RFC 5322, 2.2; RFC 2047; RFC 6532)."""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass
from typing import Final

from smtp.mime import charsets
from smtp.mime.entity import Entity

_FIELD: Final = re.compile(rb"\n([!-9;-~]++)[ \t]*+:([^\n]*+(?:\n[ \t][^\n]*+)*+)")
_FOLD: Final = re.compile(rb"\r?\n(?=[ \t])")
_WORD: Final = re.compile(r"=\?([!-<>@-~]{1,60}?)\?([bqBQ])\?([^?\s]*)\?=", re.ASCII)
_BETWEEN: Final = re.compile(r"(\?=)[ \t]+(=\?)")
_MOST_FIELDS: Final = 1000
_LONGEST: Final = 8192


@dataclass(frozen=True, slots=True)
class Header:
    """The fields of a mail: name in lower case, and the value as it was written, folding and all."""

    fields: tuple[tuple[str, bytes], ...]

    @classmethod
    def of(cls, mail: Entity) -> Header:
        """Read the header of a mail; of more than a thousand fields the first."""
        found = []
        for match in _FIELD.finditer(mail.header):
            found.append((match[1].lower().decode("ascii"), match[2]))
            if len(found) == _MOST_FIELDS:
                break
        return cls(tuple(found))

    def all(self, name: str) -> list[bytes]:
        """Return the values of all fields of a name (in lower case), unfolded and stripped, in their order."""
        return [_FOLD.sub(b"", value).strip()[:_LONGEST] for known, value in self.fields if known == name]

    def first(self, name: str) -> bytes:
        """Return the value of the first field of a name; empty when there is none."""
        return next((_FOLD.sub(b"", value).strip()[:_LONGEST] for known, value in self.fields if known == name), b"")

    def text(self, name: str) -> str:
        """Return what the first field of a name says: encoded words read, one line, never an error."""
        return decode_words(self.first(name))


EMPTY: Final = Header(())
"""A header without fields."""


def decode_words(value: bytes) -> str:
    """Return a value with its encoded words read (RFC 2047), on one line.

    Bytes beyond ASCII are read as text without a charset is. Words of a character set by set that were cut within a
    character are joined first: programs do that, though they must not.
    """
    line = charsets.decode(value, None, quick=True).replace("\r", "").replace("\n", "")
    if "=?" in line:
        line = _joined(_BETWEEN.sub(r"\1\2", line))
    return " ".join(line.split())


def _joined(line: str) -> str:
    pieces: list[str] = []
    pending: list[bytes] = []
    charset = ""
    at = 0
    for match in _WORD.finditer(line):
        data = _word(match[2].lower(), match[3])
        if match.start() > at or match[1].lower() != charset:
            if pending:
                pieces.append(charsets.decode(b"".join(pending), charset, quick=True))
                pending = []
            pieces.append(line[at : match.start()])
            charset = match[1].lower().partition("*")[0]
        pending.append(data)
        at = match.end()
    if pending:
        pieces.append(charsets.decode(b"".join(pending), charset, quick=True))
    pieces.append(line[at:])
    return "".join(pieces)


def _word(encoding: str, text: str) -> bytes:
    data = text.encode("utf-8", "replace")
    if encoding == "q":
        return binascii.a2b_qp(data, header=True)
    bare = re.sub(rb"[^A-Za-z0-9+/]", b"", data)
    bare = bare[: len(bare) - (len(bare) % 4 == 1)]
    return binascii.a2b_base64(bare + b"=" * (-len(bare) % 4))
