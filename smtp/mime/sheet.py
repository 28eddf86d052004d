"""Lines of text as they come off a page: where one ends, where a blank one stands, what is quoted."""

from __future__ import annotations

import re
from enum import IntEnum
from typing import Final

_WHITE: Final = re.compile(r"[ \t\r\n\f\v\xa0]+")
_SPACES: Final = re.compile(r"[ \t\r\f\v\xa0]+")
_MOST_QUOTES: Final = 9
_MOST_LINES: Final = 20_000


class Break(IntEnum):
    """What stands between two pieces of text."""

    NONE = 0
    LINE = 1
    PARAGRAPH = 2


class Sheet:
    """Takes text and breaks in turn. Breaks are remembered, and made when more text comes."""

    def __init__(self) -> None:
        self.pre = 0
        """In how many elements that keep the source's line breaks this is."""
        self.quotes = 0
        """In how many quotes this is."""
        self._lines: list[str] = []
        self._line: list[str] = []
        self._line_quotes = 0
        self._filled = False
        self._pending = Break.NONE
        self._soft = False
        self._spacer = False
        self._cell = False
        self._mark = ""

    @property
    def full(self) -> bool:
        """Whether there are more lines than anybody reads."""
        return len(self._lines) > _MOST_LINES

    def put(self, text: str) -> None:
        """Add text, its entities read."""
        if self.pre and "\n" in text:
            first, *rest = text.split("\n", _MOST_LINES)
            self._add(first)
            for line in rest:
                self.line()
                self._add(line)
        else:
            self._add(text)

    def _add(self, text: str) -> None:
        if not text or text.isspace():
            self._spacer = self._spacer or "\xa0" in text
            if self._filled and self._pending is Break.NONE:
                self._line.append(" ")
            return
        if self._pending is not Break.NONE:
            self._end()
        if not self._filled:
            self._line_quotes = min(self.quotes, _MOST_QUOTES)
            self._filled = True
            self._line.append(self._mark)
            self._mark = ""
        self._line.append(text)
        self._soft = self._spacer = self._cell = False

    def line(self) -> None:
        """End the line, as ``<br>`` does: one that is empty is a blank one."""
        if self._filled and self._pending is Break.NONE:
            self._pending = Break.LINE
        else:
            self._pending = Break.PARAGRAPH
        self._soft = self._spacer = False

    def block(self, kind: Break, *, soft: bool = False) -> None:
        """End the line if there is one. Only a space in it, that does not break, makes a blank line.

        A ``soft`` one does not count at the beginning of a cell or an item, nor at the end of a cell.
        """
        if soft and self._cell:
            return
        if self._spacer and soft:
            kind = Break.PARAGRAPH
        self._spacer = False
        if kind > self._pending:
            self._soft = soft and (self._pending is Break.NONE or self._soft)
            self._pending = kind
        elif not soft:
            self._soft = False

    def cell(self) -> None:
        """Begin a cell of a table: it stands in the line of the one before it."""
        self._spacer = False
        self._cell = True
        if self._soft:
            self._pending, self._soft = Break.NONE, False
        if self._filled:
            self._line.append(" ")

    def item(self, mark: str) -> None:
        """Begin an item of a list; the mark stands before its text, if it has one."""
        self.block(Break.LINE)
        self._cell = True
        self._mark = mark

    def _end(self) -> None:
        blank = self._pending is Break.PARAGRAPH
        self._pending = Break.NONE
        if self._filled:
            self._lines.append(self._finished())
            self._line.clear()
            self._filled = False
        if blank and self._lines and self._lines[-1].strip("> "):
            self._lines.append(">" * min(self._line_quotes, self.quotes))

    def _finished(self) -> str:
        text = _WHITE.sub(" ", "".join(self._line)).strip()
        return f"{'>' * self._line_quotes} {text}" if self._line_quotes else text

    def text(self) -> str:
        """Return the lines, at most one blank one in a row, and none around."""
        lines = [*self._lines, self._finished()] if self._filled else self._lines
        return "\n".join(lines).strip("\n")


def tidy(text: str) -> str:
    """Return text that has its lines already, laid out in the same way."""
    lines = "\n".join([line.strip() for line in _SPACES.sub(" ", text).split("\n")])
    return re.sub(r"\n{3,}", "\n\n", lines).strip("\n")
