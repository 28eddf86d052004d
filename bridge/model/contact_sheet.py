"""Contacts from a table: a file of comma-separated values, as whatever program wrote it.

No two programs write it alike, so the delimiter and the columns are found from the file itself:

- *Delimiter*: comma, semicolon or tab, whichever cuts the first lines into the most columns of one number; a line
  ``sep=;`` says so itself.
- *Columns*: the first line names them. Known names, in any case, are those of :data:`_KNOWN`; every other one is a
  free field; one that begins with ``#`` is passed over. A file of one column needs no such line.

Quotes are those of RFC 4180. A quote that is opened and never closed would swallow the rest of the file: after a few
lines it is refused, and reading goes on behind the line with the quote.
"""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from bridge.model.contacts import MOST_FIELDS, Change, change, field_name, fold, split_several
from bridge.model.errors import InvalidNumber, MalformedContent
from bridge.model.numbers import parse_number

LONGEST_LINE: Final = 65_536
"""Characters of a line; of one that is longer, the rest is passed over."""

DELIMITERS: Final = (",", ";", "\t")

_LONGEST_RECORD: Final = 20
_SNIFFED: Final = 20
_SEPARATOR: Final = re.compile(r"sep=([,;\t])\s*", re.IGNORECASE)

# The first name that a file has counts; the others, and a second number, are fields as any.
_KNOWN: Final = {
    "number": (
        *("number", "sms_phone", "mobile", "mobile number", "mobile phone", "cell", "cellphone", "phone"),
        *("phone number", "phone_number", "telephone", "tel", "msisdn", "נייד", "מספר", "מספר נייד", "טלפון נייד"),
        *("טלפון", "מספר טלפון", "мобильный", "мобильный телефон", "телефон", "номер", "номер телефона"),
    ),
    "name": ("name", "full name", "full_name", "שם", "שם מלא", "имя", "фио"),
    "email": ("email", "e-mail", "mail", "email address", 'דוא"ל', "דואל", "אימייל", "почта", "эл. почта"),
    "tags": ("tags", "tag", "tag_names", "תגיות", "теги"),
    "group": ("group", "groups", "קבוצה", "קבוצות", "группа", "группы"),
}
_NUMBERS: Final = frozenset(map(fold, _KNOWN["number"]))
_PASSED_OVER: Final = "#"


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One record: the line it begins on, from 1, its cells, and what it says; else the fault that refuses it."""

    line: int
    cells: tuple[str, ...]
    change: Change | None = None
    fault: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Columns:
    """Which column holds what; a missing one is None. ``titles`` is the first line, empty where there is none."""

    titles: tuple[str, ...]
    count: int
    number: int
    name: int | None
    email: int | None
    tags: int | None
    group: int | None
    fields: tuple[tuple[int, str], ...]


class Sheet:
    """The records of a file, each read once: iterate.

    ``lines`` have their ends, as a text file opened with ``newline=""`` gives them; ``region`` is the home region of
    the numbers. Raises :exc:`MalformedContent` for a first line that names no column of numbers, or the same column
    twice. Bounded in memory: it holds a few lines at a time.
    """

    def __init__(self, lines: Iterable[str], *, region: str | None, delimiter: str | None = None) -> None:
        """Read the first lines, and find the delimiter and the columns."""
        self._region = region
        self._lines = _Lines(lines)
        first = self._lines.peek(_SNIFFED)
        if first and (told := _SEPARATOR.fullmatch(first[0])):
            self._lines.take()
            delimiter = delimiter or told[1]
            del first[0]
        self.delimiter = delimiter or _sniff(first)
        self.columns = self._header()

    def __iter__(self) -> Iterator[Row]:
        """Give every record that is not blank."""
        replaced = "\ufffd"
        for line, cells, fault in self._records():
            if fault:
                yield Row(line=line, cells=cells, fault=fault)
            elif any(replaced in cell for cell in cells):
                yield Row(line=line, cells=cells, fault="bytes that are not of the file's charset")
            elif any(map(str.strip, cells)):
                yield self._row(line, cells)

    def _row(self, line: int, cells: tuple[str, ...]) -> Row:
        try:
            return Row(line=line, cells=cells, change=self._change(cells))
        except InvalidNumber as error:
            return Row(line=line, cells=cells, fault=error.reason)
        except ValueError as error:
            return Row(line=line, cells=cells, fault=str(error))

    def _change(self, cells: tuple[str, ...]) -> Change:
        columns = self.columns
        if len(cells) != columns.count:
            if len(cells) > columns.count and any(map(str.strip, cells[columns.count :])):
                message = f"{len(cells)} cells, and {columns.count} columns"
                raise ValueError(message)
            cells += ("",) * (columns.count - len(cells))
        written = cells[columns.number].strip()
        if not written:
            message = "no number"
            raise ValueError(message)
        tags = columns.tags
        return change(
            parse_number(written, self._region),
            name=cells[columns.name] if columns.name is not None else None,
            email=cells[columns.email] if columns.email is not None else None,
            tags=split_several(cells[tags]) if tags is not None else None,
            fields=[(name, cells[place]) for place, name in columns.fields],
            groups=split_several(cells[columns.group]) if columns.group is not None else (),
        )

    def _header(self) -> Columns:
        """Read the columns; a line that names none stays to be read as a record."""
        found = next((each for each in self._records() if each[2] or any(map(str.strip, each[1]))), None)
        if found is None:
            raise MalformedContent("the file is empty")
        line, cells, fault = found
        if fault:
            raise MalformedContent(f"line {line}: {fault}")
        titles = tuple(title.strip() for title in cells)
        while titles and not titles[-1]:
            titles = titles[:-1]
        if len(titles) > 1 or fold(titles[0]) in _NUMBERS:
            return _columns(titles)
        self._lines.give_back()
        return Columns(titles=(), count=1, number=0, name=None, email=None, tags=None, group=None, fields=())

    def _records(self) -> Iterator[tuple[int, tuple[str, ...], str]]:
        """Give each record: its first line's number, its cells, and a fault where it cannot be cut into cells."""
        lines = self._lines
        while (line := lines.take()) is not None:
            number = lines.number
            cells = self._cut(line)
            if cells is None and _open(line):
                cells = self._joined(line)
            if cells is None:
                fault = "a quote that is not closed, or text behind the closing one"
                yield number, (line.rstrip("\r\n"),), fault
            elif len(line) > LONGEST_LINE:
                yield number, (line[:100],), f"longer than {LONGEST_LINE} characters"
            else:
                yield number, cells, ""

    def _joined(self, line: str) -> tuple[str, ...] | None:
        """Cut a record whose quotes go on over the next lines; they are taken only where that makes a record."""
        text = line
        for count, more in enumerate(self._lines.peek(_LONGEST_RECORD), start=1):
            text += more
            if not _open(text) and (cells := self._cut(text)) is not None:
                for _ in range(count):
                    self._lines.take()
                return cells
        return None

    def _cut(self, text: str) -> tuple[str, ...] | None:
        """Cut one record into its cells; None when its quotes do not fit."""
        if '"' not in text:
            return tuple(text.rstrip("\r\n").split(self.delimiter))
        try:
            (cells,) = csv.reader([text], delimiter=self.delimiter, strict=True)
        except (csv.Error, ValueError):
            return None
        return tuple(cells)


def bounded_lines(read: Callable[[int], str]) -> Iterator[str]:
    """Give the lines of a text file by its ``readline``; of one that is too long, no more than shows that it is."""
    room = LONGEST_LINE + 1
    whole = True
    while line := read(room):
        if whole:
            yield line
        # The rest of a line that was cut comes in further pieces.
        whole = len(line) < room or line.endswith(("\n", "\r"))


class _Lines:
    """Lines with their number, and a look at those to come."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._source = iter(lines)
        self._ahead: deque[str] = deque()
        self._last = ""
        self.number = 0

    def peek(self, count: int) -> list[str]:
        """Return up to ``count`` of the lines to come."""
        while len(self._ahead) < count and (line := next(self._source, None)) is not None:
            self._ahead.append(line)
        return [line for line, _ in zip(self._ahead, range(count), strict=False)]

    def take(self) -> str | None:
        """Return the next line, None after the last."""
        line = self._ahead.popleft() if self._ahead else next(self._source, None)
        if line is not None:
            self.number += 1
            self._last = line
        return line

    def give_back(self) -> None:
        """Let the line that was taken last be taken again."""
        self._ahead.appendleft(self._last)
        self.number -= 1


def _columns(titles: tuple[str, ...]) -> Columns:
    """Find what the columns hold. Raises :exc:`MalformedContent`."""
    folded = [fold(title) for title in titles]
    places = {
        what: next((folded.index(name) for name in names if name in folded), None) for what, names in _KNOWN.items()
    }
    number = places["number"]
    if number is None:
        shown = ", ".join(titles[:5])
        reason = (
            f"no column of numbers: the first line names the columns, as number,name,email,tags,group; it says {shown}"
        )
        raise MalformedContent(reason[:300])
    fields = []
    for place, title in enumerate(titles):
        if folded.count(folded[place]) > 1:
            raise MalformedContent(f"two columns are named {title!r:.80}")
        if place in places.values() or title.startswith(_PASSED_OVER):
            continue
        try:
            fields.append((place, field_name(title)))
        except ValueError as error:
            raise MalformedContent(f"column {place + 1}: {error}") from error
    if len(fields) > MOST_FIELDS:
        raise MalformedContent(f"{len(fields)} columns of free fields; a contact has {MOST_FIELDS} at most")
    return Columns(
        titles=titles,
        count=len(titles),
        number=number,
        name=places["name"],
        email=places["email"],
        tags=places["tags"],
        group=places["group"],
        fields=tuple(fields),
    )


def _sniff(lines: Sequence[str]) -> str:
    """Return the delimiter that cuts most of the lines into as many cells as the first, and into the most."""
    lines = [line for line in lines if line.strip()]

    def score(delimiter: str) -> tuple[int, int]:
        counts = [len(cells) for cells in csv.reader(lines, delimiter=delimiter)]
        cells = counts[0] if counts else 1
        return (counts.count(cells) if cells > 1 else 0, cells)

    try:
        return max(DELIMITERS, key=score)
    except csv.Error:
        return max(DELIMITERS, key=lines[0].count)


def _open(text: str) -> bool:
    """Tell whether a quote in ``text`` may go on behind it."""
    return text.count('"') % 2 == 1
