"""Bytes and the name of a charset in, text out, whatever the name is worth.

A name is only a hint: it may be missing, misspelt, unknown to Python, or a plain lie. In this order the first
reading that holds is the text:

1. A byte order mark, or the zero bytes of UTF-16 and UTF-32.
2. For the name of a charset of single bytes: UTF-8, when the bytes are valid UTF-8. Text in such a charset hardly
   ever is by chance, and UTF-8 under an old name is common.
3. What the name says, in the charset itself or in the larger one that programs mean by it.
4. UTF-8; then the name's charset once more, when only a few bytes do not fit (a text cut within a character).
5. The fallback an operator has set; a guess; and last, replacement characters.

Only codecs of this module's table are ever used: the name comes from a stranger, and Python would as well look up
compression, escapes and its own file names.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from encodings.aliases import aliases
from functools import lru_cache
from typing import Final

_UTF8: Final = ("utf_8",)
_WIDE: Final = frozenset({"utf_16", "utf_16_be", "utf_16_le", "utf_32", "utf_32_be", "utf_32_le"})
_STATEFUL: Final = frozenset(
    {"utf_7", "hz", "iso2022_jp", "iso2022_jp_1", "iso2022_jp_2", "iso2022_jp_2004", "iso2022_jp_3"}
    | {"iso2022_jp_ext", "iso2022_kr"}
)
"""Codecs in which ASCII bytes say something else than ASCII. (EBCDIC and UTF-16 text is never all ASCII bytes.)"""

_MULTIBYTE: Final = (
    _WIDE
    | _STATEFUL
    | {"utf_8", "utf_8_sig", "gb2312", "gbk", "gb18030", "big5", "big5hkscs", "cp932", "cp949", "cp950"}
    | {"euc_jp", "euc_jis_2004", "euc_jisx0213", "euc_kr", "johab"}
    | {"shift_jis", "shift_jis_2004", "shift_jisx0213"}
)

_NO_CHARSETS: Final = {
    *("base64_codec", "bz2_codec", "charmap", "hex_codec", "idna", "mbcs", "oem", "palmos", "punycode"),
    *("quopri_codec", "raw_unicode_escape", "rot_13", "undefined", "unicode_escape", "unicode_internal"),
    *("uu_codec", "zlib_codec"),
}
# Python lists codecs by their other names; these have none.
_WITHOUT_ALIAS: Final = {
    *("cp720", "cp737", "cp856", "cp874", "cp875", "cp1006", "iso8859_1", "koi8_t", "koi8_u"),
    *("mac_arabic", "mac_croatian", "mac_farsi", "mac_romanian", "utf_8_sig"),
}
_KNOWN: Final = (frozenset(aliases.values()) | _WITHOUT_ALIAS) - _NO_CHARSETS

_ALIASES: Final = {
    "ansi": "cp1252",
    "chinese": "gb18030",
    "cn_big5": "big5",
    "cn_gb": "gb18030",
    "csiso88598e": "iso8859_8",
    "csiso88598i": "iso8859_8",
    "cp50220": "iso2022_jp_ext",
    "cp50221": "iso2022_jp_ext",
    "cp50222": "iso2022_jp_ext",
    "cp51932": "euc_jp",
    "dos_862": "cp862",
    "dos862": "cp862",
    "eucjp_ms": "euc_jp",
    "eucjp_win": "euc_jp",
    "gb_2312": "gb18030",
    "gb_2312_80": "gb18030",
    "iso_10646_ucs_2": "utf_16",
    "iso_10646_ucs_4": "utf_32",
    "iso_2022_jp_ms": "iso2022_jp_ext",
    "logical": "iso8859_8",
    "mac": "mac_roman",
    "ms949": "cp949",
    "sjis_win": "cp932",
    "ucs_2": "utf_16",
    "ucs2": "utf_16",
    "unicode_1_1_utf_7": "utf_7",
    "unicode_1_1_utf_8": "utf_8",
    "unicode_2_0_utf_7": "utf_7",
    "utf": "utf_8",
    "utf_8_mac": "utf_8",
    "utf_8mb4": "utf_8",
    "utf8mb3": "utf_8",
    "utf8mb4": "utf_8",
    "visual": "iso8859_8",
    "windows_31j": "cp932",
    "x_big5": "big5",
}
_CODE_PAGE: Final = re.compile(r"(?:windows|win|ibm|ms|cp)?_?0*(\d{3,5})")
_LABEL: Final = re.compile(r"[^a-z0-9]*([a-z0-9][a-z0-9._:+ -]{0,59})")
_DIRECTION: Final = re.compile(r"(iso_?8859_[68])_[ie]")

# What programs put on the wire under a name: the superset first, then the charset itself.
_MEANT: Final = {
    "ascii": (),
    "big5": ("cp950", "big5hkscs"),
    "euc_kr": ("cp949",),
    "gb2312": ("gb18030",),
    "gbk": ("gb18030",),
    "iso2022_jp": ("iso2022_jp", "iso2022_jp_ext"),
    "iso8859_1": ("cp1252", "latin_1"),
    "iso8859_8": ("cp1255", "iso8859_8"),
    "iso8859_9": ("cp1254", "iso8859_9"),
    "iso8859_11": ("cp874", "iso8859_11"),
    "latin_1": ("cp1252", "latin_1"),
    "shift_jis": ("cp932", "shift_jis_2004"),
    "tis_620": ("cp874", "tis_620"),
    "utf_8_sig": _UTF8,
}

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


def decode(data: bytes, label: str | None, fallback: str = "utf-8") -> str:
    """Return ``data`` as text by the module's rules. ``label`` and ``fallback`` are names of charsets as found.

    Raises nothing, for any bytes and any names: what cannot be read is U+FFFD. Lone surrogates may come out of
    UTF-7, control characters out of everything. Source: RFC 2046, 4.1.2; RFC 2781, 4.3; RFC 1556.
    """
    names = _codecs(label) if label else ()
    zeros = 0 in data
    if not zeros and data.isascii() and (not names or names[0] not in _STATEFUL):
        return data.decode("ascii")
    if not zeros and not data.startswith(_MARK_BYTES) and (not names or names == _UTF8):
        # The usual case, without the detours.
        try:
            return data.decode("utf_8")
        except UnicodeDecodeError:
            return _unlabelled(data, _UTF8, fallback)
    text = _marked(data) if data.startswith(_MARK_BYTES) else None
    if text is None and (zeros or (names and names[0] in _WIDE)):
        text = _wide(data, names)
    if text is None and names and names[0] not in _MULTIBYTE:
        text = _strict(data, _UTF8)
    if text is None:
        text = _strict(data, (*names, *_UTF8))
    return _unlabelled(data, names or _UTF8, fallback) if text is None else text


def plausible(data: bytes, label: str | None) -> bool:
    """Tell whether ``data`` may well be text under this name: what a wrong transfer encoding made would not be."""
    names = _codecs(label) if label else ()
    if names and names[0] in _WIDE:
        return True
    if data.translate(None, _NOT_CONTROLS):
        return False
    # In few bytes controls may be missing by chance, but they would not be UTF-8.
    return bool(names and names != _UTF8) or len(data) >= _SURELY_TEXT or _strict(data, _UTF8) is not None


@lru_cache(maxsize=1024)
def _codecs(label: str) -> tuple[str, ...]:
    """Return Python's codecs for a name, the first to be tried first; none for ASCII and for unknown names.

    Names go no further than this table: Python would remember every unknown one for ever.
    """
    found = _LABEL.match(label[:200].lower().removeprefix("charset="))
    if not found:
        return ()
    name = re.sub("[^a-z0-9]+", "_", found[1]).strip("_")
    for each in (name, name.removeprefix("x_"), _DIRECTION.sub(r"\1", name)):
        codec = _ALIASES.get(each) or aliases.get(each, each)
        if codec not in _KNOWN and (page := _CODE_PAGE.fullmatch(each)):
            codec = aliases.get(page[1], f"cp{page[1]}")
        if codec in _KNOWN:
            return _MEANT.get(codec, (codec,))
    return ()


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
    if names and names[0] in _WIDE:
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
    if not (names and names[0] in _WIDE) and min(first.count(0), second.count(0)) * 8 > zeros:
        return None
    if (second.count(0), len(set(first))) > (first.count(0), len(set(second))):
        return _strict(data, ("utf_16_le", "utf_16_be"))
    return _strict(data, ("utf_16_be", "utf_16_le"))


def _unlabelled(data: bytes, names: Sequence[str], fallback: str) -> str:
    """Read what is neither UTF-8 nor wholly what its name says; ``names`` are tried with a few errors."""
    mended = data.decode(names[0], "replace")
    wrong = mended.count("\ufffd")
    right = sum(map(len, re.findall("[^\0-\x7f\ufffd]+", mended)))
    if wrong * 5 <= right:
        return mended
    text = _strict(data, _codecs(fallback))
    if text is None and (name := _guess(data)) is not None:
        text = data.decode(name, "replace")
    return mended if text is None else text


def _guess(data: bytes) -> str | None:
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
    # Rarely needed, and slow to import.
    from charset_normalizer import from_bytes  # noqa: PLC0415 - see above

    best = from_bytes(sample, cp_isolation=list(_GUESSES)).best()
    return best.encoding if best is not None else None
