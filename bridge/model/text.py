"""The text of a short message: what may be sent, how it is counted, where it is cut.

A text travels in one of two encodings, and one character decides for all of it:

- *GSM 7 bit default alphabet* with its extension table (3GPP TS 23.038, 6.2.1 and 6.2.1.1): a character
  takes one septet, one from the extension table takes two (escape and code). 160 septets in a single message,
  153 in each part of a concatenated one: the header with reference, total and index takes seven septets of
  every part (3GPP TS 23.040, 9.2.3.24.1).
- *UCS-2* (3GPP TS 23.038, 6.2.3) as soon as one character is in neither table. It is sent as UTF-16BE, as
  handsets read it: one unit for a character of the Basic Multilingual Plane, two (a surrogate pair) beyond.
  70 units in a single message, 67 in each part.

A part never ends inside an escape pair or a surrogate pair: where a pair would lie across the border, the
part ends one unit early and the pair opens the next. So parts are found by cutting, not by dividing.

The escape code 0x1B is no character: a text that holds U+001B is not GSM 7 bit. Only the default tables are
used; national language tables (TS 23.038, 6.2.1.2) would need a header that few carriers let through.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal, TypeAlias

from bridge.model.errors import NoText, TextTooLong

Form: TypeAlias = Literal["NFC", "NFKC", "NFKD"]
"""Normal forms of Unicode that are used here (UAX #15)."""


class Encoding(StrEnum):
    """How a text goes over the air."""

    GSM7 = "gsm7"
    UCS2 = "ucs2"


@dataclass(frozen=True, kw_only=True, slots=True)
class Measure:
    """The size of a text: its ``units`` (septets or UTF-16 units, without headers), in ``parts`` messages."""

    encoding: Encoding
    units: int
    parts: int


MOST_PARTS: Final = 255
"""The count of parts is one octet (3GPP TS 23.040, 9.2.3.24.1)."""

_SINGLE: Final = {Encoding.GSM7: 160, Encoding.UCS2: 70}
_JOINED: Final = {Encoding.GSM7: 153, Encoding.UCS2: 67}

# TS 23.038, 6.2.1, without the escape at 0x1B, then 6.2.1.1; both in the order of the codes.
GSM7_DEFAULT: Final = (
    "@£$¥èéùìòÇ\nØø\rÅå"
    "Δ_ΦΓΛΩΠΨΣΘΞÆæßÉ"
    " !\"#¤%&'()*+,-./"
    "0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNO"
    "PQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmno"
    "pqrstuvwxyzäöñüà"
)
GSM7_EXTENSION: Final = "\f^{}\\[~]|€"

_OUTSIDE: Final = re.compile(f"[^{re.escape(GSM7_DEFAULT + GSM7_EXTENSION)}]")
_ASCII_ONE: Final = "".join(filter(str.isascii, GSM7_DEFAULT)).encode()
_ASCII_TWO: Final = "".join(filter(str.isascii, GSM7_EXTENSION)).encode()

_ESCAPED: Final = re.compile(f"[{re.escape(GSM7_EXTENSION)}]")
_ASTRAL: Final = re.compile("[\U00010000-\U0010ffff]")
_PAIRED: Final = {Encoding.GSM7: _ESCAPED, Encoding.UCS2: _ASTRAL}

_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_NONCHARACTERS: Final = "\ufdd0-\ufdef" + "".join(
    chr((plane << 16) + low) for plane in range(17) for low in (0xFFFE, 0xFFFF)
)
_UNWANTED: Final = re.compile(f"[\0-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff{_NONCHARACTERS}]")
_INSTEAD: Final = (
    dict.fromkeys(map(chr, (*range(0x20), *range(0x7F, 0xA0), 0xFEFF)), "")
    | dict.fromkeys(("\r", "\v", "\f", "\x85", "\u2028", "\u2029"), "\n")
    | {"\t": " "}
)
_MANY_MARKS: Final = re.compile(r"[^\w\0-\x7f]{31,}+")
"""Where there may be more than thirty combining characters in a row: none is a letter or a digit."""
_MOST_MARKS: Final = 30
"""As in the stream-safe text format (UAX #15, 13): no script needs as many."""
_BLANK: Final = re.compile(r"[\s\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufe00-\ufe0f\ufeff]*")

_REPLACEMENT: Final = "\ufffd"
_SHOWN: Final = 5


def measure(text: str) -> Measure:
    """Count ``text`` exactly as it stands: its encoding, its units, its parts.

    ``parts`` is ``len(split(text))``; the empty text has no units and no parts. Raises nothing.
    Source: 3GPP TS 23.038, 6.2.1 and 6.2.3; 3GPP TS 23.040, 9.2.3.24.1.
    """
    encoding, units = _scan(text)
    return Measure(encoding=encoding, units=units, parts=len(_ends(text, encoding, units)))


def split(text: str) -> tuple[str, ...]:
    """Cut ``text`` into the texts of its parts, in order, each as long as can be; joined they are ``text``.

    One part up to 160 septets or 70 UTF-16 units, else parts of up to 153 or 67, with no escape pair and no
    surrogate pair cut in two. The empty text has no parts. Raises nothing; a limit is :func:`check_length`'s.
    Source: 3GPP TS 23.038, 6.2.1 and 6.2.3; 3GPP TS 23.040, 9.2.3.24.1.
    """
    parts = []
    start = 0
    for end in _ends(text, *_scan(text)):
        parts.append(text[start:end])
        start = end
    return tuple(parts)


def outside_gsm7(text: str) -> tuple[str, ...]:
    """Name the characters which force ``text`` into UCS-2, each once, in their order; none in GSM 7 bit.

    Raises nothing. Source: 3GPP TS 23.038, 6.2.1 and 6.2.1.1.
    """
    return tuple(dict.fromkeys(_OUTSIDE.findall(text)))


def check_length(text: str, max_parts: int) -> Measure:
    """Measure ``text``, and refuse what is not there or takes more than ``max_parts`` messages (at most 255).

    Raises :class:`NoText` when it shows nothing: white space and invisible format characters alone. Raises
    :class:`TextTooLong` with both counts and, in UCS-2, up to five of the characters that made it so.
    Source: 3GPP TS 23.038, 6.2.1 and 6.2.3; 3GPP TS 23.040, 9.2.3.24.1.
    """
    if _BLANK.fullmatch(text):
        raise NoText("the message has no text")
    size = measure(text)
    limit = min(max_parts, MOST_PARTS)
    if size.parts > limit:
        reason = f"the text takes {size.parts} parts, and {limit} may be sent"
        if size.encoding is Encoding.UCS2:
            culprits = outside_gsm7(text)
            shown = ", ".join(map(_name, culprits[:_SHOWN]))
            more = " and others" if len(culprits) > _SHOWN else ""
            reason += f"; a part holds 67 units of UCS-2, not 153 of GSM 7 bit, because of {shown}{more}"
        raise TextTooLong(reason)
    return size


def clean(text: str) -> str:
    r"""Make of ``text`` what may be sent. A clean text comes back as it is; the result may be empty.

    - Line ends of all kinds (CR LF, CR, NEL, VT, FF, U+2028, U+2029) become ``\n``, a tab becomes a space.
    - Other C0 and C1 controls are dropped, NUL, ESC and DEL among them, and so is U+FEFF wherever it stands.
    - The two halves of a surrogate pair are joined. A lone surrogate or a noncharacter becomes U+FFFD: UTF-8
      cannot carry the one, XML 1.0 not all of the other.
    - Unicode NFC: a letter with its accent is one character, and often a GSM one. Of more than thirty combining
      characters in a row the others go.
    - White space at the end of a line goes, and blank lines around the text; blank lines within it stay.

    Marks of direction, joiners, variation selectors and emoji stay. Raises nothing.
    Source: The Unicode Standard, 23.7 (noncharacters); UAX #15 (NFC); XML 1.0, 2.2; 3GPP TS 23.038, 6.2.1.
    """
    if "\r" in text:
        text = text.replace("\r\n", "\n")
    # Nothing unwanted is printable, so most texts need no closer look.
    if not text.replace("\n", "").isprintable():
        if _SURROGATE.search(text):
            text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        text = _UNWANTED.sub(_instead, text)
    # After the controls, not before: one may stand between a letter and its accent.
    text = normalised(text)
    if "\n" not in text:
        return text.rstrip()
    return "\n".join([line.rstrip() for line in text.split("\n")]).strip("\n")


def normalised(text: str, form: Form = "NFC") -> str:
    """Return a stranger's text in a normal form, in time that grows with its length alone.

    Putting combining characters in their order takes the square of how many there are in a row, and hours for a
    megabyte of them: of more than thirty the others go. Raises nothing.
    """
    if not text.isascii() and _MANY_MARKS.search(text):
        text = _MANY_MARKS.sub(_fewer, text)
    return unicodedata.normalize(form, text)


def _fewer(found: re.Match[str]) -> str:
    kept = []
    run = 0
    for char in found[0]:
        run = run + 1 if unicodedata.category(char)[0] == "M" else 0
        if run <= _MOST_MARKS:
            kept.append(char)
    return "".join(kept)


def _scan(text: str) -> tuple[Encoding, int]:
    """Find the encoding and the units."""
    if text.isascii():
        # Two passes in C over bytes: what one septet cannot say, and then what two cannot.
        rest = text.encode().translate(None, _ASCII_ONE)
        if not rest:
            return Encoding.GSM7, len(text)
        if not rest.translate(None, _ASCII_TWO):
            return Encoding.GSM7, len(text) + len(rest)
        return Encoding.UCS2, len(text)
    if _OUTSIDE.search(text):
        return Encoding.UCS2, len(text.encode("utf-16-le", "surrogatepass")) // 2
    return Encoding.GSM7, len(text) + len(_ESCAPED.findall(text))


def _ends(text: str, encoding: Encoding, units: int) -> Sequence[int]:
    """Find the index in ``text`` at which each part ends. The last may lie beyond the end, as a slice may."""
    if units <= _SINGLE[encoding]:
        return (units,) if units else ()
    room = _JOINED[encoding]
    if units == len(text):
        return range(room, units + room, room)
    pairs = [found.start() for found in _PAIRED[encoding].finditer(text)]
    ends = []
    end = taken = 0
    while end < len(text):
        end += room
        # Each pair that fits takes the place of one more character from this part.
        while taken < len(pairs) and pairs[taken] + 2 <= end:
            end -= 1
            taken += 1
        # One that opens on the last unit does not fit: the part ends before it.
        if taken < len(pairs) and pairs[taken] + 1 == end:
            end -= 1
        ends.append(end)
    return ends


def _instead(found: re.Match[str]) -> str:
    """Say what stands in the place of an unwanted character: noncharacters alone are not in the table."""
    return _INSTEAD.get(found[0], _REPLACEMENT)


def _name(char: str) -> str:
    """Show one character, and its code for those a font or a log would not show."""
    code = f"U+{ord(char):04X}"
    return f"{char} ({code})" if char.isprintable() and not unicodedata.combining(char) else code
