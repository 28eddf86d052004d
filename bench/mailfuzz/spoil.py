"""Octets spoilt as strangers and broken programs do it, each time in the same way for the same seed."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from bench.mailfuzz.pieces import PIECES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

    Spoil = Callable[["Random", bytes, Sequence[bytes], Sequence[bytes]], bytes]

LONGEST: Final = 1 << 20
"""Octets of an input, at most: the largest mail that the door takes."""

# What stands for each other in mails: one is written for another.
_FAMILIES: Final = tuple(words for name, words in PIECES.items() if name.startswith("kin "))
_OF: Final = {word.lower(): family for family in _FAMILIES for word in family if len(word) > 1}
_MEMBER: Final = re.compile(b"|".join(map(re.escape, sorted(_OF, key=len, reverse=True))), re.IGNORECASE)

_OCTETS: Final = (
    b"\0",
    b"\r",
    b"\n",
    b"\r\n",
    b"\t",
    b"\x0b",
    b"\x0c",
    b"\x1b",
    b"\x7f",
    b"\x80",
    b"\xff",
    b"\xc0",
    b" ",
)
_PAIRS: Final = (
    (b"(", b")"),
    (b"<", b">"),
    (b"[", b"]"),
    (b'"', b'"'),
    (b"<div>", b"</div>"),
    (b"<table><tr><td>", b"</td></tr></table>"),
    (b"<b>", b""),
    (b"--x\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n", b"--x--\r\n"),
    (b"Content-Type: message/rfc822\r\n\r\n", b""),
    (b"=?utf-8?q?", b"?="),
    (b"> ", b"\r\n"),
)


def some(chance: Random, count: int) -> int:
    """Return a number from 0 up to, and without, ``count``; 0 where that is none."""
    return int(chance.random() * count)


def one(chance: Random, choices: Sequence[bytes]) -> bytes:
    """Return one of several, any of them as likely."""
    return choices[int(chance.random() * len(choices))]


def span(chance: Random, octets: bytes) -> tuple[int, int]:
    """Return where a piece of octets begins and ends: mostly a short one."""
    begin = some(chance, len(octets) + 1)
    return begin, min(len(octets), begin + int(2 ** (chance.random() * 9)))


def _flip(chance: Random, octets: bytes, _others: Sequence[bytes], _words: Sequence[bytes]) -> bytes:
    if not octets:
        return b"\0"
    at = some(chance, len(octets))
    return octets[:at] + bytes([octets[at] ^ (1 << some(chance, 8))]) + octets[at + 1 :]


def _set(chance: Random, octets: bytes, _others: Sequence[bytes], _words: Sequence[bytes]) -> bytes:
    at = some(chance, len(octets) + 1)
    return octets[:at] + one(chance, _OCTETS) + octets[at + (chance.random() < 0.5) :]


def _take(chance: Random, octets: bytes, _others: Sequence[bytes], _words: Sequence[bytes]) -> bytes:
    begin, end = span(chance, octets)
    return octets[:begin] + octets[end:]


def _end(chance: Random, octets: bytes, _others: Sequence[bytes], _words: Sequence[bytes]) -> bytes:
    return octets[: some(chance, len(octets) + 1)]


def _double(chance: Random, octets: bytes, _others: Sequence[bytes], _words: Sequence[bytes]) -> bytes:
    begin, end = span(chance, octets)
    return octets[:end] + octets[begin:end] * (1, 1, 2, 3, 40)[some(chance, 5)] + octets[end:]


def _move(chance: Random, octets: bytes, _others: Sequence[bytes], _words: Sequence[bytes]) -> bytes:
    begin, end = span(chance, octets)
    rest = octets[:begin] + octets[end:]
    at = some(chance, len(rest) + 1)
    return rest[:at] + octets[begin:end] + rest[at:]


def _noise(chance: Random, octets: bytes, _others: Sequence[bytes], _words: Sequence[bytes]) -> bytes:
    begin, end = span(chance, octets)
    return octets[:begin] + chance.randbytes(1 + some(chance, 16)) + octets[end:]


def _word(chance: Random, octets: bytes, _others: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    begin, end = span(chance, octets)
    return octets[:begin] + one(chance, words) * (1, 1, 1, 2, 30)[some(chance, 5)] + octets[begin if end % 2 else end :]


def _splice(chance: Random, octets: bytes, others: Sequence[bytes], _words: Sequence[bytes]) -> bytes:
    other = one(chance, others)
    at, behind = some(chance, len(octets) + 1), some(chance, len(other) + 1)
    if chance.random() < 0.5:  # where a line begins, in both
        at, behind = octets.rfind(b"\n", 0, at) + 1, other.rfind(b"\n", 0, behind) + 1
    return octets[:at] + other[behind:]


def _lines(chance: Random, octets: bytes, _others: Sequence[bytes], _words: Sequence[bytes]) -> bytes:
    lines = octets.splitlines(keepends=True)
    if not lines:
        return octets
    first, second = some(chance, len(lines)), some(chance, len(lines))
    match some(chance, 5):
        case 0:
            del lines[first]
        case 1:
            lines.insert(second, lines[first])
        case 2:
            lines[first], lines[second] = lines[second], lines[first]
        case 3:  # folded, or taken for a continuation
            lines[first] = b" " + lines[first]
        case _:
            lines[first] = lines[first].swapcase()
    return b"".join(lines)


def _line_ends(chance: Random, octets: bytes, _others: Sequence[bytes], _words: Sequence[bytes]) -> bytes:
    end = (b"\n", b"\r", b"\r\r\n", b"\n\r", b"\r\n ", b"\r\n\t", b"\r\n.", b"\r\n\r\n")[some(chance, 8)]
    if chance.random() < 0.5:
        return octets.replace(b"\r\n", end)
    at = octets.find(b"\r\n", some(chance, len(octets) + 1))
    return octets if at < 0 else octets[:at] + end + octets[at + 2 :]


def _kin(chance: Random, octets: bytes, _others: Sequence[bytes], _words: Sequence[bytes]) -> bytes:
    found = _MEMBER.search(octets, some(chance, len(octets) + 1)) or _MEMBER.search(octets)
    if found is None:
        return octets
    return octets[: found.start()] + one(chance, _OF[found[0].lower()]) + octets[found.end() :]


_SPOILS: Final[tuple[Spoil, ...]] = (
    *(_flip, _flip, _set, _set, _take, _end, _double, _double, _move, _noise),
    *(_word, _word, _word, _splice, _splice, _lines, _lines, _line_ends, _kin, _kin, _kin),
)


def spoil(chance: Random, octets: bytes, others: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    """Return octets spoilt once or a few times, with words and with pieces of others of their kind."""
    for _ in range((1, 1, 1, 2, 2, 3, 5)[some(chance, 7)]):
        octets = _SPOILS[some(chance, len(_SPOILS))](chance, octets, others, words)
    return octets[:LONGEST]


def hunt(chance: Random, octets: bytes, words: Sequence[bytes], *, longest: int) -> bytes:
    """Return octets with something in them hundreds or a hundred thousand times.

    What takes the square of its input shows itself on these.
    """
    times = int(10 ** chance.uniform(2, 5.3))
    at = some(chance, len(octets) + 1)
    if chance.random() < 0.5:
        at = octets.rfind(b"\n", 0, at) + 1
    if chance.random() < 0.3:
        opening, closing = _PAIRS[some(chance, len(_PAIRS))]
        times = min(times, longest // (len(opening) + len(closing)))
        block = opening * times + (octets[at : at + 50] + closing * times if chance.random() < 0.5 else b"")
    else:
        pieces = [one(chance, words) if chance.random() < 0.7 else _some_of(chance, octets) for _ in range(3)]
        piece = b"".join(pieces[: 1 + some(chance, 3)]) or b" "
        times = max(1, min(times, longest // len(piece)))
        block = piece * times
    return (octets[:at] + block + octets[at:])[:longest]


def _some_of(chance: Random, octets: bytes) -> bytes:
    begin, _ = span(chance, octets)
    return octets[begin : begin + 1 + some(chance, 12)]


def cut(chance: Random, octets: bytes) -> list[bytes]:
    """Cut octets at random places: by the octet, by the line's end, or in a few large pieces; a few hundred at most."""
    if len(octets) <= 300 and chance.random() < 0.2:
        return [octets[at : at + 1] for at in range(len(octets))]
    most = 1 + some(chance, (2, 4, 12, 60)[some(chance, 4)])
    places = {some(chance, len(octets) + 1) for _ in range(most)}
    if chance.random() < 0.5:
        # Within and around the ends of lines, where a reader holds a part of one.
        places = {octets.find(b"\n", place) + (-1, 0, 1, 2, 3)[some(chance, 5)] for place in places}
    edges = [0, *sorted(place for place in places if 0 < place < len(octets)), len(octets)]
    return [octets[begin:end] for begin, end in pairwise(edges)]
