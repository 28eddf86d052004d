"""Lists of ``tag=value``, as signatures, keys and policies are written (RFC 6376, 3.2)."""

from __future__ import annotations

import re
from typing import Final

_SPACE: Final = re.compile(rb"[ \t\r\n]+")
_NAME: Final = re.compile(rb"[A-Za-z][A-Za-z0-9_]*")
_BASE64: Final = re.compile(rb"[A-Za-z0-9+/]++={0,2}")
_NUMBER: Final = re.compile(rb"[0-9]{1,12}")


class Flaw(Exception):
    """Why something proves nothing: a few words in ASCII, for the sender and the log."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def read(written: bytes) -> dict[bytes, bytes]:
    """Return the tags, in their order. Raises :exc:`Flaw` for what is no such list, or has a tag twice."""
    tags: dict[bytes, bytes] = {}
    specs = written.split(b";")
    if not specs[-1].strip():
        specs.pop()
    for spec in specs:
        name, equals, value = spec.partition(b"=")
        name = name.strip()
        if not equals or not _NAME.fullmatch(name):
            raise Flaw("is no list of tags")
        if name in tags:
            raise Flaw("has a tag twice")
        tags[name] = value.strip()
    return tags


def packed(value: bytes) -> bytes:
    """Return a value without the white space that folding put into it."""
    return _SPACE.sub(b"", value)


def base64_of(tags: dict[bytes, bytes], name: bytes) -> bytes:
    """Return a value that has to be base64, without white space. Raises :exc:`Flaw`."""
    value = packed(tags.get(name, b""))
    if len(value) % 4 or not _BASE64.fullmatch(value):
        raise Flaw(f"has no base64 in {name.decode('ascii')}=")
    return value


def number_of(tags: dict[bytes, bytes], name: bytes) -> int | None:
    """Return a value that has to be a number; None when there is none. Raises :exc:`Flaw`."""
    if name not in tags:
        return None
    if not _NUMBER.fullmatch(tags[name]):
        raise Flaw(f"has no number in {name.decode('ascii')}=")
    return int(tags[name])
