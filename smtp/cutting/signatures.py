"""Where a signature begins: the line of two dashes above it (RFC 3676, 4.3).

``-- `` with its space is the mark of a signature wherever it stands. Many programs and relays lose the space: two
dashes alone count where a text stands above them, few lines below, and no other such line is there, which would make
them lines of a table.
"""

from __future__ import annotations

from typing import Final

from smtp.cutting.lines import EDGES, first_shown, is_blank

_MARK: Final = "-- "
_LONGEST_MARK: Final = 8
_MOST_LINES: Final = 10
"""Lines below a mark that lost its space."""


def signature(lines: list[str], start: int, stop: int, *, below_quote: bool = False) -> int:
    """Return where the signature of a part begins, its mark included; ``stop`` when there is none.

    Below what is quoted no text has to stand above the mark.
    """
    marks = [at for at in range(start, stop) if lines[at][:2] == "--" and len(lines[at]) <= _LONGEST_MARK]
    exact = next((at for at in marks if lines[at].rstrip("\r") == _MARK), None)
    if exact is not None:
        return exact
    bare_marks = [at for at in marks if lines[at].strip(EDGES) == "--"]
    if len(bare_marks) != 1:
        return stop
    mark = bare_marks[0]
    shown = sum(not is_blank(line) for line in lines[mark + 1 : stop])
    above = below_quote or first_shown(lines, start, mark) < mark
    return mark if above and shown <= _MOST_LINES else stop
