"""Bytes and the name of a charset in, text out, whatever the name is worth.

A name is only a hint: it may be missing, misspelt, unknown to Python, or a plain lie. In this order the first
reading that holds is the text:

1. A byte order mark, or the zero bytes of UTF-16 and UTF-32.
2. For the name of a charset of single bytes: UTF-8, when the bytes are valid UTF-8. Text in such a charset hardly
   ever is by chance, and UTF-8 under an old name is common.
3. What the name says, in the charset itself or in the larger one that programs mean by it.
4. UTF-8; then the name's charset once more, when only a few bytes do not fit (a text cut within a character).
5. The fallback an operator has set; a guess; and last, replacement characters.

Which codecs a name stands for is said in :mod:`smtp.mime.charset_names`.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from typing import Final

from smtp.mime.charset_names import MULTIBYTE, STATEFUL, UTF8, WIDE, codecs_of, common_name

# The four-byte mark of UTF-32 begins like that of UTF-16, so it is asked for first.
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf_8_sig"),
    (codecs.BOM_UTF32_LE, "utf_32"),
    (codecs.BOM_UTF32_BE, "utf_32"),
    (codecs.BOM_UTF16_LE, "utf_16"),
    (codecs.BOM_UTF16_BE, "utf_16"),
)
_MARK_BYTES: Final = tuple(mark for mark, _ in _MARKS)

_NOT_CONTROLS: Final = bytes(sorted({*range(0x20, 0x7F), *range(0x80, 0x100), *b"\t\n\v\f\r\x1b"}))
_SURELY_TEXT: Final = 24

_SAMPLE: Final = 4096
_LETTER: Final = r"[^\W\d_]"
_MARKS_OF_WRITING: Final = "\\0-\x7f\xa0«°»–—‘’“”„…€№₪"


def _script(word: str) -> re.Pattern[str]:
    """Match a text whose words beyond ASCII are all of this form, and at least one of them longer than a letter."""
    bound = rf"(?<!{_LETTER})(?:{word})(?!{_LETTER})"
    longer = rf"(?=.*[^\0-\x7f](?<={_LETTER})[^\0-\x7f](?<={_LETTER}))"
    return re.compile(rf"(?s){longer}(?:{bound}|[{_MARKS_OF_WRITING}])*+")


# Few words are enough to tell these apart, when it takes a page to do so by statistics: five Hebrew letters look
# different at the end of a word, and capitals stand at the beginning.
_CYRILLIC: Final = _script("[А-ЯЁ]?[а-яё]++|[А-ЯЁ]++")
_SCRIPTS: Final = (
    ("cp1255", _script("[אבגדהוזחטיכלמנסעפצקרשת]*[א-ת]")),
    ("cp1251", _CYRILLIC),
    ("koi8_r", _CYRILLIC),
    ("cp1253", _script("[\u0386-\u03ab]?[\u03ac-\u03ce\u0390]++|[\u0386-\u03ab]++")),
    ("cp1256", _script("[\u0621-\u063a\u0641-\u064a\u067e\u0686\u0698\u06af]++")),
)
_LONG_RUN: Final = re.compile(rb"[\x80-\xff]{3}")
_GUESSES: Final = (
    *("gb18030", "big5", "cp932", "euc_jp", "cp949"),
    *("cp1250", "cp1251", "cp1252", "cp1253", "cp1254", "cp1255", "cp1256", "cp874", "koi8_r"),
)


def decode(data: bytes, label: str | None, fallback: str | None = None, *, quick: bool = False) -> str:
    """Return ``data`` as text by the module's rules. ``label`` and ``fallback`` are names of charsets as found.

    ``quick`` guesses by the looks of words alone, in microseconds: for the many short pieces of a header.

    Raises nothing, for any bytes and any names: what cannot be read is U+FFFD. Lone surrogates may come out of
    UTF-7, control characters out of everything. Source: RFC 2046, 4.1.2; RFC 2781, 4.3; RFC 1556.
    """
    return read(data, label, fallback, quick=quick)[0]


def read(data: bytes, label: str | None, fallback: str | None = None, *, quick: bool = False) -> tuple[str, str]:
    """Do as :func:`decode`; also return the name of the charset if it was guessed, else an empty string."""
    names = codecs_of(label) if label else ()
    zeros = 0 in data
    if not zeros and data.isascii() and not (names and _says_more(data, names[0])):
        return data.decode("ascii"), ""
    if not zeros and not data.startswith(_MARK_BYTES) and (not names or names == UTF8):
        # The usual case, without the detours.
        try:
            return data.decode("utf_8"), ""
        except UnicodeDecodeError:
            return _unlabelled(data, UTF8, fallback, quick=quick)
    text = _marked(data) if data.startswith(_MARK_BYTES) else None
    if text is None and (zeros or (names and names[0] in WIDE)):
        text = _wide(data, names)
    if text is None and names and names[0] not in MULTIBYTE:
        text = _strict(data, UTF8)
    if text is None:
        text = _strict(data, (*names, *UTF8))
    return _unlabelled(data, names or UTF8, fallback, quick=quick) if text is None else (text, "")


def _says_more(data: bytes, name: str) -> bool:
    """Tell whether ASCII bytes are something else under this name; Arabic in UTF-16 is, with controls in it."""
    return name in STATEFUL or (name in WIDE and bool(data.translate(None, _NOT_CONTROLS)))


def plausible(data: bytes, label: str | None) -> bool:
    """Tell whether ``data`` may well be text under this name: what a wrong transfer encoding made would not be."""
    names = codecs_of(label) if label else ()
    if names and names[0] in WIDE:
        return True
    if data.translate(None, _NOT_CONTROLS):
        return False
    # In few bytes controls may be missing by chance, but they would not be UTF-8.
    return bool(names and names != UTF8) or len(data) >= _SURELY_TEXT or _strict(data, UTF8) is not None


def _strict(data: bytes, names: Sequence[str]) -> str | None:
    """Return the first reading without an error."""
    for name in names:
        try:
            return data.decode(name)
        except UnicodeError:
            continue
    return None


def _marked(data: bytes) -> str | None:
    name = next(name for mark, name in _MARKS if data.startswith(mark))
    return _strict(data, (name,))


def _wide(data: bytes, names: Sequence[str]) -> str | None:
    """Read UTF-16 or UTF-32 that has no mark, or no such name: None when it is neither.

    High bytes are often zero, and few different ones, low bytes many: that tells the order better than the rule
    (the high one first), which not all programs keep. An odd byte at the end was cut off from the next.
    """
    zeros = data.count(0)
    if names and names[0] in WIDE:
        if names[0] not in {"utf_16", "utf_32"}:
            return _strict(data, names)
        quads = names[0] == "utf_32"
    elif len(data) < 4 or zeros * 5 < len(data):
        return None
    else:
        quads = zeros * 8 >= len(data) * 5
    if quads:
        return _strict(data, ("utf_32_be", "utf_32_le"))
    data = data[: len(data) & ~1]
    first, second = data[::2], data[1::2]
    if not (names and names[0] in WIDE) and min(first.count(0), second.count(0)) * 8 > zeros:
        return None
    if (second.count(0), len(set(first))) > (first.count(0), len(set(second))):
        return _strict(data, ("utf_16_le", "utf_16_be"))
    return _strict(data, ("utf_16_be", "utf_16_le"))


def _unlabelled(data: bytes, names: Sequence[str], fallback: str | None, *, quick: bool) -> tuple[str, str]:
    """Read what is neither UTF-8 nor wholly what its name says; ``names`` are tried with a few errors."""
    mended = data.decode(names[0], "replace")
    wrong = mended.count("\ufffd")
    right = sum(map(len, re.findall("[^\0-\x7f\ufffd]+", mended)))
    if wrong * 5 <= right:
        return mended, ""
    if fallback and (text := _strict(data, codecs_of(fallback))) is not None:
        return text, ""
    if (name := _guess(data, quick=quick)) is not None:
        return data.decode(name, "replace"), common_name(name)
    return mended, ""


def _guess(data: bytes, *, quick: bool) -> str | None:
    """Return the codec which makes the most sense of ``data``, if one does."""
    # Not within a character, when lines are long.
    sample = data[: data.rfind(b"\n", 0, _SAMPLE) + 1 or _SAMPLE]
    for name, form in _SCRIPTS:
        text = _strict(sample, (name,))
        if text is not None and form.fullmatch(text):
            return name
    # In Latin script, letters beyond ASCII stand alone among others.
    if not _LONG_RUN.search(sample) and _strict(sample, ("cp1252",)) is not None:
        return "cp1252"
    if quick:
        return None
    # Rarely needed, and slow to import.
    from charset_normalizer import from_bytes  # noqa: PLC0415 - see above

    best = from_bytes(sample, cp_isolation=list(_GUESSES)).best()
    return best.encoding if best is not None else None
