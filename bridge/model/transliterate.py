"""Writing a text with the letters of GSM 7 bit alone (3GPP TS 23.038, 6.2.1), so that a part holds 153 of them, not 67.

By script:

- *Latin*: a letter loses the accents that the alphabet has not (í is i, ğ is g, ç is c; é, ñ, ü and their like stay),
  or becomes two letters (œ is oe, þ is th).
- *Greek*: capitals without accents, as handsets have written it since the alphabet has only these; those that look like
  Latin letters are these. It stays Greek: Καλημέρα is KAΛHMEPA.
- *Cyrillic*: Latin letters, by anyascii.
- *Signs*: typographic quotes, dashes, dots and spaces, arrows, fractions and boxes are what is on a keyboard; emoji are
  named (``:fire:``). Marks of direction, joiners and soft hyphens go.
- *All others* (Hebrew, Arabic, Chinese, Japanese, Korean, Thai …) would be a riddle in Latin letters. A text that holds
  one of them comes back as it was, for it saves nothing to change the rest.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from anyascii import anyascii

from bridge.model.text import GSM7_DEFAULT, GSM7_EXTENSION, normalised

_ALPHABET: Final = frozenset(GSM7_DEFAULT + GSM7_EXTENSION)

# What the rules below would not do, or do worse.
_WRITTEN: Final = {
    "`": "'", "´": "'", "‘": "'", "’": "'", "‚": "'", "‛": "'", "′": "'", "‹": "'", "›": "'", "ʼ": "'", "ʻ": "'",
    "“": '"', "”": '"', "„": '"', "‟": '"', "″": '"', "«": '"', "»": '"',
    "‐": "-", "‑": "-", "‒": "-", "–": "-", "—": "-", "―": "-", "−": "-", "⁃": "-", "…": "...", "‥": "..",
    "•": "*", "·": "*", "‣": "*", "●": "*", "○": "o", "▪": "*", "▫": "*", "■": "*", "□": "*", "◦": "*", "◆": "*",
    "✓": "v", "✔": "v", "✗": "x", "✘": "x",
    "→": "->", "←": "<-", "↔": "<->", "⇒": "=>", "⇐": "<=", "⇔": "<=>", "↑": "^", "↓": "v", "➜": "->", "➔": "->",
    "°": "deg", "º": "o", "ª": "a", "µ": "u", "×": "x", "÷": "/", "±": "+-", "≠": "!=", "≈": "~", "∞": "inf",
    "©": "(c)", "®": "(R)", "™": "TM", "№": "No", "₪": "NIS", "₽": "RUB", "₹": "INR", "₴": "UAH", "₩": "KRW", "¢": "c",
    "¦": "|", "¬": "-", "¶": "", "¨": "", "¸": "", "¯": "-",
    "đ": "d", "Đ": "D", "ð": "d", "Ð": "D", "ł": "l", "Ł": "L", "ı": "i", "ŋ": "n", "Ŋ": "N", "þ": "th", "Þ": "Th",
    "œ": "oe", "Œ": "OE", "ħ": "h", "Ħ": "H", "ŧ": "t", "Ŧ": "T", "ĸ": "k", "ſ": "s", "ẞ": "ß", "ƒ": "f", "ə": "e",
    "ő": "ö", "Ő": "Ö", "ű": "ü", "Ű": "Ü", "ĳ": "ij", "Ĳ": "IJ",
    "ь": "", "Ь": "", "ъ": "", "Ъ": "",
}  # fmt: skip
_GREEK: Final = dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ABEZHIKMNOPTYX", strict=True))

_DROPPED: Final = re.compile(r"[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufe00-\ufe0f\ufeff]")
_SPACES: Final = re.compile(r"[\t\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
_MICRO: Final = re.compile(r"(?<![\u0370-\u03ff\u1f00-\u1fff])μ(?![\u0370-\u03ff\u1f00-\u1fff])")

# The ranges whose characters are written with others: Latin, Greek and Cyrillic letters, their accents, and signs.
_READ: Final = (
    *((0x20, 0x24F), (0x250, 0x2FF), (0x300, 0x36F), (0x370, 0x3FF), (0x400, 0x52F), (0x1C80, 0x1C8F)),
    *((0x1D00, 0x1DBF), (0x1E00, 0x1FFF), (0x2010, 0x2027), (0x2030, 0x205E), (0x2070, 0x209F), (0x20A0, 0x20CF)),
    *((0x20D0, 0x20F0), (0x2100, 0x23FF), (0x2460, 0x27BF), (0x27F0, 0x27FF), (0x2900, 0x297F), (0x2B00, 0x2BFF)),
    *((0x2C60, 0x2C7F), (0x2DE0, 0x2DFF), (0xA640, 0xA69F), (0xA720, 0xA7FF), (0xFB00, 0xFB06), (0xFF01, 0xFF5E)),
    *((0xFFE0, 0xFFE6), (0x1F000, 0x1FAFF)),
)


def to_gsm7(text: str) -> str:
    """Return ``text`` in GSM 7 bit; as it was when it is so already, or holds a letter that is not written with others.

    What is returned is either the same text or one of which :func:`bridge.model.text.outside_gsm7` names nothing.
    Raises nothing. The rules stand above.
    """
    if _ALPHABET.issuperset(text):
        return text
    plain = _SPACES.sub(" ", _DROPPED.sub("", normalised(text)))
    plain = _MICRO.sub("u", plain)
    table = {}
    for char in set(plain) - _ALPHABET:
        instead = _write(char)
        if instead is None:
            return text
        table[ord(char)] = instead
    return plain.translate(table)


def _write(char: str) -> str | None:
    """Return what stands for a character; None when nothing does."""
    if char in _WRITTEN:
        return _WRITTEN[char]
    code = ord(char)
    if not any(first <= code <= last for first, last in _READ):
        return None
    if unicodedata.combining(char) or (unicodedata.category(char) in {"Mn", "Me", "Sk"} and code > 0x7F):
        return ""
    if 0x370 <= code <= 0x3FF or 0x1F00 <= code <= 0x1FFF:
        return _greek(char)
    return _plain(char)


def _greek(char: str) -> str | None:
    bare = "".join(part for part in unicodedata.normalize("NFD", char) if not unicodedata.combining(part))
    written = "".join(_GREEK.get(part, part) for part in bare.upper())
    return written if written and _ALPHABET.issuperset(written) else _plain(char)


def _plain(char: str) -> str | None:
    """Take one accent off after the other, as long as the alphabet has not got the letter; else ask anyascii."""
    letter = char
    while letter not in _ALPHABET:
        parts = unicodedata.decomposition(letter).split()
        if len(parts) != 2 or parts[0].startswith("<") or not unicodedata.combining(chr(int(parts[1], 16))):
            break
        letter = chr(int(parts[0], 16))
    if letter in _ALPHABET:
        return letter
    if letter in _WRITTEN:
        return _WRITTEN[letter]
    written = anyascii(letter).replace("`", "'")
    return written if written and _ALPHABET.issuperset(written) else None
