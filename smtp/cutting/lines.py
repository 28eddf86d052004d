"""Lines of a text as the cutters look at them. A part of a text is ``lines[start:stop]``."""

from __future__ import annotations

import re
from typing import Final

# White space, and marks that are not seen: of direction, of byte order, of width nought.
EDGES: Final = " \t\r\v\f\xa0\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"
_MARKS: Final = dict.fromkeys(map(ord, EDGES[7:])) | {0xA0: " ", 0x202F: " ", 0x2009: " "}
_RULE: Final = re.compile(r"([-_=*#~+\u2014\u2500])\1{2,}|\u2014")
_DRAWN: Final = frozenset("-_=*#~+\u2014\u2500" + EDGES)
_DEEPEST: Final = re.compile(r"[ \t]*>[ \t]?")


def bare(line: str) -> str:
    """Return a line without what is not seen; white space within it stays, as plain spaces."""
    line = line.strip(EDGES)
    return line if line.isascii() else line.translate(_MARKS)


def is_blank(line: str) -> bool:
    """Tell whether a line shows nothing."""
    return not line or not line.strip(EDGES)


def is_rule(line: str) -> bool:
    """Tell whether a line is drawn across the text: three or more of one character, or one long dash."""
    return _RULE.fullmatch(line.strip(EDGES)) is not None


def unquoted(line: str) -> str:
    """Return a line without its first mark of quotation."""
    return line[found.end() :] if (found := _DEEPEST.match(line)) else line


def last_shown(lines: list[str], start: int, stop: int) -> int:
    """Return the end of a part without the blank lines at its end; ``start`` when all are blank."""
    while stop > start and is_blank(lines[stop - 1]):
        stop -= 1
    return stop


def first_shown(lines: list[str], start: int, stop: int) -> int:
    """Return the beginning of a part without the blank lines at its beginning; ``stop`` when all are blank."""
    while start < stop and is_blank(lines[start]):
        start += 1
    return start


def written(lines: list[str], start: int, stop: int) -> str:
    """Return a part as it stood, without the blank lines around it."""
    return "\n".join(lines[first_shown(lines, start, stop) : last_shown(lines, start, stop)])


def paragraphs(lines: list[str], start: int, stop: int) -> list[int]:
    """Return where the paragraphs below the first line of a part begin: below blank lines, or a line drawn across."""
    found = []
    apart = False
    for at in range(first_shown(lines, start, stop), stop):
        line = lines[at]
        if not line or line.isspace() or is_blank(line):
            apart = True
            continue
        if apart:
            found.append(at)
        apart = line[0] in _DRAWN and is_rule(line)
    return found
