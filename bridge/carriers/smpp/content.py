"""A text as submit_sm carries it: octets, data_coding, and for a long one the way in which its parts are joined."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from bridge.carriers.smpp import alphabet
from bridge.carriers.smpp.pdu import Tag
from bridge.model.text import Encoding, split

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT: Final = 0
"""data_coding of the centre's default alphabet (5.2.19)."""
LATIN1: Final = 3
UCS2: Final = 8

FLASH: Final = 0x10
"""Added to the data_coding of the default alphabet and of UCS-2: message class 0 (3GPP TS 23.038, 4)."""

_CHARSETS: Final = {1: "ascii", LATIN1: "latin-1", 6: "iso8859-5", 7: "iso8859-8", UCS2: "utf-16-be"}

_UDHI: Final = 0x40
_LATIN1_SINGLE: Final = 140
_LATIN1_JOINED: Final = 134
"""Octets of a part in an 8-bit alphabet, alone and with a header (3GPP TS 23.040, 9.2.3.24.1)."""


class Joining(StrEnum):
    """How the parts of a long text find each other."""

    UDH = "udh"
    """A user data header in each part (3GPP TS 23.040, 9.2.3.24.1)."""
    SAR = "sar"
    """The optional parameters sar_* in each part (5.3.2.22 to 5.3.2.24)."""
    PAYLOAD = "payload"
    """One PDU with message_payload (5.3.2.32); the centre cuts it."""


class Alphabet(StrEnum):
    """What a text of GSM 7 bit characters is written in."""

    GSM = "gsm"
    """The default alphabet, an octet for each septet, as data_coding 0."""
    LATIN1 = "latin1"
    """ISO 8859-1 as data_coding 3, where it has all the characters."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """What one submit_sm carries of a text."""

    message: bytes = field(repr=False)
    data_coding: int
    esm_class: int = 0
    tlvs: Mapping[int, bytes] = field(default_factory=dict, repr=False)


def pieces(
    text: str, encoding: Encoding, *, joining: Joining, written: Alphabet, reference: int, flash: bool = False
) -> tuple[Piece, ...]:
    """Return what has to be submitted for a text, in order. ``reference`` (0 to 255) tells long texts apart.

    A ``flash`` text has message class 0, but not one in Latin-1: no class goes with that alphabet.
    """
    coding, parts = _cut(text, encoding, written)
    if flash and coding in {DEFAULT, UCS2}:
        coding |= FLASH
    if len(parts) == 1:
        return (Piece(message=parts[0], data_coding=coding),)
    match joining:
        case Joining.PAYLOAD:
            whole = {int(Tag.MESSAGE_PAYLOAD): b"".join(parts)}
            return (Piece(message=b"", data_coding=coding, tlvs=whole),)
        case Joining.SAR:
            return tuple(
                Piece(message=part, data_coding=coding, tlvs=_sar(reference, len(parts), place))
                for place, part in enumerate(parts, start=1)
            )
        case Joining.UDH:
            return tuple(
                Piece(
                    message=bytes([5, 0, 3, reference, len(parts), place]) + part, data_coding=coding, esm_class=_UDHI
                )
                for place, part in enumerate(parts, start=1)
            )


def read(octets: bytes, data_coding: int, written: Alphabet) -> str | None:
    """Return what a phone wrote, by its data_coding (5.2.19); None for what is no text. Never fails."""
    if data_coding in _CHARSETS:
        return octets.decode(_CHARSETS[data_coding], "replace")
    # 3GPP TS 23.038, 4: in this group bit 2 tells 8-bit data.
    if data_coding == DEFAULT or (data_coding >> 4 == 0xF and not data_coding & 0x04):
        return alphabet.decode(octets) if written is Alphabet.GSM else octets.decode("latin-1")
    return None


def _cut(text: str, encoding: Encoding, written: Alphabet) -> tuple[int, list[bytes]]:
    if encoding is Encoding.UCS2:
        return UCS2, [part.encode("utf-16-be", "surrogatepass") for part in split(text)]
    if written is Alphabet.LATIN1:
        try:
            octets = text.encode("latin-1")
        except UnicodeEncodeError:  # Δ, €: only the GSM tables and UCS-2 have them
            return UCS2, _utf16(text)
        room = _LATIN1_SINGLE if len(octets) <= _LATIN1_SINGLE else _LATIN1_JOINED
        return LATIN1, [octets[start : start + room] for start in range(0, len(octets), room)]
    return DEFAULT, [alphabet.encode(part) for part in split(text)]


def _utf16(text: str) -> list[bytes]:
    """Return a text of GSM characters in UCS-2: none of them takes two units."""
    room = 70 if len(text) <= 70 else 67
    return [text[start : start + room].encode("utf-16-be") for start in range(0, len(text), room)]


def _sar(reference: int, total: int, place: int) -> dict[int, bytes]:
    return {
        int(Tag.SAR_MSG_REF_NUM): reference.to_bytes(2, "big"),
        int(Tag.SAR_TOTAL_SEGMENTS): bytes([total]),
        int(Tag.SAR_SEGMENT_SEQNUM): bytes([place]),
    }
