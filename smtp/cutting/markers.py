"""What else ends or shortens a text: a mark of its sender's, blank lines, a number of lines."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from smtp.cutting.lines import EDGES, is_blank

if TYPE_CHECKING:
    from collections.abc import Sequence

_SPACE: Final = re.escape(EDGES)
_BLANK_RUN: Final = re.compile(rf"\n(?:[{_SPACE}]*+\n){{2,}}")


def end_marker(lines: list[str], markers: Sequence[str]) -> tuple[int, int] | None:
    """Return line and column of the first marker that stands alone on a line, or behind a space at the end of one.

    Lines that begin with ``>`` are not looked at. In any case of letters; None when there is none.
    """
    folded = [(len(marker), marker.casefold()) for marker in markers if marker]
    for at, line in enumerate(lines):
        text = line.rstrip(EDGES)
        for length, marker in folded:
            if text[-length:].casefold() != marker or text.startswith(">"):
                continue
            column = len(text) - length
            if column == 0 or text[column - 1] in EDGES:
                return at, column if text[:column].strip(EDGES) else 0
    return None


def fold_blank(text: str) -> tuple[str, int]:
    """Return a text in which several blank lines are one, and how many lines went."""
    folded = _BLANK_RUN.sub("\n\n", text)
    return folded, text.count("\n") - folded.count("\n")


def first_lines(text: str, most: int) -> tuple[str, str]:
    """Return the first lines of a text that show something, and what is behind them."""
    lines = text.split("\n")
    seen = 0
    for at, line in enumerate(lines):
        if is_blank(line):
            continue
        if seen == most:
            return "\n".join(lines[:at]).rstrip("\n"), "\n".join(lines[at:])
        seen += 1
    return text, ""
