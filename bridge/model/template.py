r"""Texts with a place for each recipient's own words: ``Dear {{name}}, your table is ready at {{time}}``.

The whole syntax:

- ``{{name}}`` is a placeholder. White space and marks of direction may stand around the name.
- A name has 1 to 64 characters: letters and digits of any script, the marks that belong to them, ``_``, ``-``
  and ``.``. Case and Unicode normal form make no other name: ``{{Name}}`` asks for the field ``name``.
- ``\{{`` and ``\}}`` are two braces as they stand. Backslashes count right before two braces alone, where two of
  them are one: ``\\{{name}}`` is a backslash and a placeholder.
- A text has 1,000 placeholders at most.
- Single braces are plain text. A text without any ``{{`` is no template: it stays as it is, ``}}`` and all.

What else stands in or around two braces is refused with its place, never guessed at: a telephone that has shown
``{{nmae|Ann}}`` keeps it. Values are put in once and not looked at: braces in them are plain text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Self

from bridge.model.errors import InvalidTemplate, MissingField, TextTooLong

LONGEST_NAME: Final = 64
"""Characters in the name of a field."""

MOST_PLACES: Final = 1000
"""Placeholders in one text. Each of ten thousand recipients has them filled in by itself."""

LONGEST_RENDERED: Final = 100_000
"""Characters of a rendered text. 255 parts hold 39,015; the limit keeps one long value, asked for again and again
in one template, from filling the memory."""

_OPEN: Final = "{{"
_CLOSE: Final = "}}"
_BRACES: Final = re.compile(r"\{\{|\}\}")
_BRACE: Final = re.compile("[{}]")

_AROUND: Final = (
    " \t\n\v\f\r\x85\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f"
    "\u205f\u3000\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"
)
# The two joiners are part of how Persian and Indic words are written.
_SIGNS: Final = frozenset("_-.\u200c\u200d")
_LONGEST_KEY: Final = 4 * LONGEST_NAME  # A character comes apart into four at most (UAX #15).
_SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class Template:
    """A text cut at its placeholders; :meth:`parse` makes one.

    ``pieces`` are plain text and names by turns, text first and last: ``("Dear ", "name", "!")``.
    """

    pieces: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``text`` by the module's rules, in time linear in its length.

        Raises :class:`InvalidTemplate`, with the place (the first character is 1) and what is allowed, for two
        braces that nothing closes or opens, for braces within a placeholder, for one that names no field, and
        for a name too long or with other characters.
        """
        if _OPEN not in text:
            return cls((text,))
        return cls(tuple(_pieces(text)))

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields it asks for: each once, in their order, as written first."""
        first: dict[str, str] = {}
        for name in self.pieces[1::2]:
            first.setdefault(_same(name), name)
        return tuple(first.values())

    def render(self, fields: Mapping[str, str]) -> str:
        """Put in the values of one recipient; a value may be empty. The text is not cleaned.

        A field's key is the name just as the template writes it. Where there is no such key, it is the only one
        that makes the same name, with white space around it too, as heads of tables have.

        Raises :class:`MissingField` naming all the fields that the recipient lacks (or up to five of them), and
        :class:`TextTooLong` beyond 100,000 characters. Raises TypeError for a value that is no string.
        """
        pieces = self.pieces
        if len(pieces) == 1:
            return pieces[0]
        filled = list(pieces)
        try:
            filled[1::2] = [fields[name] for name in pieces[1::2]]
        except KeyError:
            filled[1::2] = [fields[key] for key in _keys(pieces[1::2], tuple(fields))]
        if sum(map(len, filled)) > LONGEST_RENDERED:
            raise TextTooLong(f"with its fields filled in, the text is longer than {LONGEST_RENDERED:,} characters")
        return "".join(filled)


def _pieces(text: str) -> Iterator[str]:
    """Cut a template into plain text and names by turns, text first and last."""
    plain: list[str] = []
    at = places = 0
    while found := _BRACES.search(text, at):
        before = text[at : found.start()]
        bare = before.rstrip("\\")
        slashes = len(before) - len(bare)
        plain += (bare, "\\" * (slashes // 2))
        at = found.end()
        if slashes % 2:
            plain.append(found[0])
        elif found[0] == _CLOSE:
            raise _invalid(found.start(), "}} closes nothing")
        else:
            yield "".join(plain)
            plain.clear()
            close = text.find(_CLOSE, at)
            if close < 0:
                raise _invalid(found.start(), "{{ is not closed")
            places += 1
            if places > MOST_PLACES:
                raise InvalidTemplate(f"more than {MOST_PLACES:,} placeholders in one text")
            yield _name(text[at:close], at)
            at = close + len(_CLOSE)
    plain.append(text[at:])
    yield "".join(plain)


def _name(body: str, at: int) -> str:
    """Check what stands between two pairs of braces, the first of which ends at index ``at``."""
    if brace := _BRACE.search(body):
        raise _invalid(at + brace.start(), "a brace within a placeholder")
    name = body.strip(_AROUND)
    if not name:
        raise _invalid(at - len(_OPEN), "a placeholder without a name")
    start = at + body.index(name)
    if len(name) > LONGEST_NAME:
        raise _invalid(start, f"a name longer than {LONGEST_NAME} characters")
    for index, char in enumerate(name):
        category = unicodedata.category(char)
        # A mark belongs to the letter before it.
        if not (category[0] == "L" or category == "Nd" or char in _SIGNS or (category[0] == "M" and index)):
            shown = f"{char} (U+{ord(char):04X})" if char.isprintable() and category[0] != "M" else f"U+{ord(char):04X}"
            raise _invalid(start + index, f"{shown} in a name, which has letters, digits, _, - and . alone")
    return name


def _invalid(index: int, fault: str) -> InvalidTemplate:
    return InvalidTemplate(rf"character {index + 1}: {fault}; write {{{{name}}}}, or \{{{{ and \}}}} for plain braces")


@lru_cache(maxsize=32)
def _keys(names: tuple[str, ...], keys: tuple[str, ...]) -> tuple[str, ...]:
    """Find the keys of ``names``. Recipients of one list have the same keys, so this is asked for again and again."""
    alike: dict[str, list[str]] = {}
    for key in keys:
        if len(key) <= _LONGEST_KEY:
            alike.setdefault(_same(key), []).append(key)
    found = []
    lacking: dict[str, str] = {}
    for name in names:
        same = _same(name)
        match alike.get(same, []):
            case several if name in several:
                found.append(name)
            case [one]:
                found.append(one)
            case none_or_many:
                lacking.setdefault(same, f"{{{{{name}}}}}{' (several are alike)' if none_or_many else ''}")
    if lacking:
        shown = list(lacking.values())
        more = f" and {len(shown) - _SHOWN} others" if len(shown) > _SHOWN else ""
        raise MissingField(f"the recipient has no field for {', '.join(shown[:_SHOWN])}{more}")
    return tuple(found)


@lru_cache(maxsize=4096)
def _same(name: str) -> str:
    """Make one of all the ways to write a name: no case, normal form C, nothing around (Unicode 3.13, D145)."""
    decomposed = unicodedata.normalize("NFD", name.strip(_AROUND))
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", decomposed.casefold()))
