"""What another server found: the value of an Authentication-Results field (RFC 8601, 2.2).

The servers whose word is believed put words of strangers into it: names, addresses, reasons. So it is read to the
letter, and of a field that is not written to the letter nothing is believed. One liberty is taken, for Microsoft
writes it: a property may lack its type (``action=none``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from smtp.proof import mailboxes

LONGEST: Final = 8192

_TOKEN: Final = re.compile(
    r"""(?P<space>[ \t]++)|"(?P<quoted>(?:[^"\\]|\\.)*+)"|(?P<word>[^\x00-\x20\x7f"();\\]++)|(?P<end>;)"""
)
_ESCAPED: Final = re.compile(r"\\(.)")
_METHOD: Final = re.compile(r"([a-z0-9][a-z0-9-]*)(?:/[0-9]+)?", re.IGNORECASE)
_NAME: Final = re.compile(r"[a-z][a-z0-9._-]*", re.IGNORECASE)
_KEYWORD: Final = re.compile(r"[a-z][a-z0-9-]*", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """``dkim=pass header.d=example.com``: names in lower case, values as written."""

    method: str
    result: str
    properties: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Results:
    """``server`` is the name of who checked (authserv-id), in lower case."""

    server: str
    results: tuple[Result, ...]


def read(value: str) -> Results | None:
    """Read an unfolded value; None for what is not written to the letter."""
    if len(value) > LONGEST:
        return None
    parts = _parts(value)
    if parts is None:
        return None
    server = [word.text for word in parts[0] if not word.quoted and "=" not in word.text]
    if len(server) != len(parts[0]) or len(server) not in {1, 2} or server[1:] not in ([], ["1"]):  # 1: the format
        return None
    found = []
    for part in parts[1:]:
        if not part or [word.text.lower() for word in part] == ["none"]:
            continue  # a semicolon at the end, or nothing was checked
        result = _result(part)
        if result is None:
            return None
        found.append(result)
    return Results(server=server[0].lower(), results=tuple(found))


class _Word(NamedTuple):
    """What stands between white space, comments and semicolons. ``quoted``: it begins with a quoted string."""

    text: str
    quoted: bool


def _parts(value: str) -> list[list[_Word]] | None:
    """Return the words between semicolons, without comments. A quoted string is one word with what it touches."""
    parts: list[list[_Word]] = [[]]
    at, touching = 0, False
    while at < len(value):
        if value[at] == "(":
            try:
                at = mailboxes.end_of_comment(value, at)
            except mailboxes.Unreadable:
                return None
            touching = False
            continue
        match = _TOKEN.match(value, at)
        if match is None:
            return None
        at = match.end()
        quoted = match["quoted"]
        text = match["word"] if quoted is None else _ESCAPED.sub(r"\1", quoted)
        if match["end"]:
            parts.append([])
        elif text is not None and touching:
            parts[-1][-1] = parts[-1][-1]._replace(text=parts[-1][-1].text + text)
        elif text is not None:
            parts[-1].append(_Word(text, quoted is not None))
        touching = text is not None
    return parts


def _result(part: list[_Word]) -> Result | None:
    pairs = _pairs(part)
    if not pairs:
        return None
    method, outcome = _METHOD.fullmatch(pairs[0][0]), pairs[0][1]
    if method is None or not _KEYWORD.fullmatch(outcome):
        return None
    properties: dict[str, str] = {}
    for name, value in pairs[1:]:
        if not _NAME.fullmatch(name) or name.lower() in properties:
            return None
        properties[name.lower()] = value
    return Result(method=method[1].lower(), result=outcome.lower(), properties=properties)


def _pairs(part: list[_Word]) -> list[tuple[str, str]] | None:
    """Return name and value of ``name=value …``; None where it is something else.

    White space may stand around the sign. A value may hold further ones: addresses do, and base64.
    """
    pairs: list[tuple[str, str]] = []
    words = iter(part)
    for word in words:
        if word.quoted:
            return None
        name, sign, value = word.text.partition("=")
        if not sign:
            following = next(words, None)
            if following is None or following.quoted or not following.text.startswith("="):
                return None
            value = following.text[1:]
        if not value:
            after = next(words, None)
            if after is None or (not after.quoted and "=" in after.text and _METHOD.match(after.text)):
                return None
            value = after.text
        pairs.append((name, value))
    return pairs
