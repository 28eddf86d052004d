"""The charset of a file of contacts, found in a sure way or not at all.

In this order: a byte order mark; the zero bytes of UTF-16; UTF-8, when the whole file is valid. Else one of the three
old charsets that still come: windows-1255 when the words beyond ASCII have the form of Hebrew ones (five letters look
different at the end of a word), windows-1251 when they are Cyrillic (capitals stand at the beginning), windows-1252
when they are words of Western Europe (letters beyond ASCII stand alone among others). Lists of names are too short
for statistics: those take Hebrew for Cyrillic. They are asked for one thing, whether Western words may be of Central
Europe. Whatever else it may be is not guessed: wrong names of a million contacts are worse than a question.

A list of a few words of Russian without capitals can have the form of Hebrew; it is the one known way to err.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final

_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    # Begins like the mark of UTF-16, so it comes before.
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_HEAD: Final = 4096
_SAMPLE: Final = 65_536

_WORD: Final = re.compile(r"[^\W\d_]+")
_PUNCTUATION: Final = re.compile("[\0-\x7f\xa0\xab\xb0\xb4\xb7\xbb‘’“”„–—…€№₪\u200e\u200f]|[^\\W\\d_]")
_FORMS: Final = (
    ("windows-1255", re.compile("[אבגדהוזחטיכלמנסעפצקרשת]*[א-ת]")),
    # A vowel, or it may be Greek.
    ("windows-1251", re.compile("(?=.{1,3}$|.*[аеёиоуыэюяієї])[А-ЯЁІЇЄҐ]?[а-яёіїєґ]+|[А-ЯЁІЇЄҐ]+")),
    # õ as in Portuguese alone: elsewhere it would be the Hungarian ő.
    (
        "windows-1252",
        re.compile(
            "(?=.*[A-Za-z]|.$)(?!.*[^A-Za-z]{3})(?!.*õ[^e])(?!.*õ$)"
            "(?:[A-ZŒŠŽŸÀ-ÏÑ-ÖØ-Ü]?[a-zœšžß-ïñ-öø-üÿ]+|[A-ZŒŠŽŸÀ-ÏÑ-ÖØ-Üß]+)"
        ),
    ),
)
_WRONG: Final = 50
"""One word of so many may be of another form: a trade name, or two names without a space between."""


def find_charset(chunks: Iterable[bytes]) -> str | None:
    """Return the charset of a file, given in pieces of any size, None where it is not sure. Raises nothing.

    The name is one that Python knows. A file of ASCII is UTF-8. Holds a piece and a sample of 64 KiB in memory, and
    reads no further than needed.
    """
    pieces = iter(chunks)
    first = b""
    while len(first) < _HEAD and (piece := next(pieces, None)) is not None:
        first += piece
    for mark, name in _MARKS:
        if first.startswith(mark):
            return name
    if b"\0" in first[:_HEAD]:
        return _wide(first[:_HEAD])
    sample = _sample(chain([first], pieces))
    return _by_words(sample) if sample else "utf-8"


def known_charset(name: str) -> str:
    """Return a charset that somebody named, as Python calls it. Raises ValueError for what is none."""
    try:
        "".encode(name)
        return codecs.lookup(name).name
    except (LookupError, ValueError) as error:
        message = (
            f"{name!r}: no such charset; write utf-8, utf-16, windows-1255, windows-1251, windows-1252 or the like"
        )
        raise ValueError(message) from error


def _sample(pieces: Iterable[bytes]) -> bytes:
    """Return lines beyond ASCII, 64 KiB of them at most; nothing when all the file is UTF-8."""
    sample = bytearray()
    decoder = codecs.getincrementaldecoder("utf-8")()
    utf8 = True
    for lines in _whole_lines(pieces):
        utf8 = utf8 and _goes_on(decoder, lines)
        if not lines.isascii() and len(sample) < _SAMPLE:
            sample += b"".join(line for line in lines.splitlines(keepends=True) if not line.isascii())
        if not utf8 and len(sample) >= _SAMPLE:
            break
    utf8 = utf8 and _goes_on(decoder, b"", final=True)
    return b"" if utf8 else bytes(sample[:_SAMPLE])


def _goes_on(decoder: codecs.IncrementalDecoder, lines: bytes, *, final: bool = False) -> bool:
    try:
        decoder.decode(lines, final)
    except UnicodeDecodeError:
        return False
    return True


def _whole_lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Give the bytes in pieces that end with a line, so that no word is cut in two, if lines are not too long."""
    rest = b""
    for piece in pieces:
        end = piece.rfind(b"\n") + 1
        if not end and len(rest) < _SAMPLE:
            rest += piece
            continue
        yield rest + piece[:end]
        rest = piece[end:]
    if rest:
        yield rest


def _wide(first: bytes) -> str | None:
    """Tell the order of UTF-16 without a mark: the high bytes of line ends and digits are zero, the low ones never."""
    first = first[: len(first) & ~1]
    low, high = first[::2].count(0), first[1::2].count(0)
    if not low:
        return "utf-16-le"
    return None if high else "utf-16-be"


def _by_words(sample: bytes) -> str | None:
    for name, form in _FORMS:
        try:
            text = sample.decode(name)
        except UnicodeDecodeError:
            continue
        words = [word for word in _WORD.findall(text) if not word.isascii()]
        wrong = sum(form.fullmatch(word) is None for word in words)
        wrong += len(_PUNCTUATION.sub("", text))
        if words and wrong * _WRONG <= len(words):
            return None if name == "windows-1252" and _central(sample) else name
    return None


def _central(sample: bytes) -> bool:
    """Tell whether the words make more sense as Czech, Polish and so on, whose letters have the same codes."""
    # Rarely needed, and slow to import.
    from charset_normalizer import from_bytes  # noqa: PLC0415 - see above

    found = {match.encoding: match.coherence for match in from_bytes(sample, cp_isolation=["cp1250", "cp1252"])}
    return found.get("cp1250", 0.0) > found.get("cp1252", 0.0)
