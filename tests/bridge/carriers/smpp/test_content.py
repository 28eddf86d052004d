"""Texts as submit_sm carries them, and as phones send them."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.carriers.smpp import alphabet, content
from bridge.carriers.smpp.content import Alphabet, Joining, Piece, pieces
from bridge.carriers.smpp.joining import part_of
from bridge.carriers.smpp.pdu import Address, Delivery, Tag
from bridge.model.text import GSM7_DEFAULT, GSM7_EXTENSION, measure, split

GSM = st.text(st.sampled_from(GSM7_DEFAULT + GSM7_EXTENSION), max_size=700)
ANY = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=300)


def cut(text: str, joining: Joining = Joining.UDH, written: Alphabet = Alphabet.GSM) -> tuple[Piece, ...]:
    """Cut a text as the carrier does."""
    return pieces(text, measure(text).encoding, joining=joining, written=written, reference=7)


def delivered(piece: Piece) -> Delivery:
    """Turn a piece into a delivery, as a centre that echoes."""
    return Delivery(
        source=Address(value="1"),
        destination=Address(value="2"),
        esm_class=piece.esm_class,
        data_coding=piece.data_coding,
        message=piece.tlvs.get(Tag.MESSAGE_PAYLOAD, b"") or piece.message,
        tlvs=piece.tlvs,
    )


@given(GSM)
def test_the_default_alphabet_there_and_back(text: str) -> None:
    """Every character of both tables survives, an octet for each septet."""
    assert alphabet.decode(alphabet.encode(text)) == text
    assert len(alphabet.encode(text)) == measure(text).units


def test_codes_of_the_default_alphabet() -> None:
    """Those that are easily wrong (3GPP TS 23.038, 6.2.1): the escape leaves a gap, and pairs begin with it."""
    assert alphabet.encode("@ÉÆ àΔ€[") == b"\x00\x1f\x1c\x20\x7f\x10\x1b\x65\x1b\x3c"
    assert alphabet.decode(b"\x1b\x41\x80\x1b") == "A\ufffd"


@pytest.mark.parametrize("joining", Joining)
@given(text=ANY)
def test_a_text_arrives_whole(joining: Joining, text: str) -> None:
    """Cut, carried and joined again it is the same, however its parts find each other."""
    parts = []
    for place, piece in enumerate(found := cut(text, joining), start=1):
        part = part_of(delivered(piece))
        assert (part.place, part.total) == (place, len(found))
        parts.append(content.read(part.octets, piece.data_coding, Alphabet.GSM))
    assert "".join(map(str, parts)) == text
    assert len(found) == (1 if joining is Joining.PAYLOAD else len(split(text)))


@pytest.mark.parametrize(
    ("text", "lengths"),
    [("a" * 160, [160]), ("a" * 161, [159, 14]), ("א" * 70, [140]), ("א" * 71, [140, 14]), ("[" * 81, [158, 16])],
)
def test_parts_at_their_limits(text: str, lengths: list[int]) -> None:
    """A single message is filled; a header of six octets stands in each part of a longer one."""
    found = cut(text)
    assert [len(piece.message) for piece in found] == lengths
    assert {piece.esm_class for piece in found} == ({0x40} if len(found) > 1 else {0})


@pytest.mark.parametrize(
    ("text", "coding", "sizes"),
    [
        ("é" * 140, content.LATIN1, [140]),
        ("é" * 141, content.LATIN1, [140, 13]),
        ("plain", content.LATIN1, [5]),
        ("€5", content.UCS2, [4]),
        ("Δ" * 71, content.UCS2, [140, 14]),
        ("א", content.UCS2, [2]),
    ],
)
def test_latin_1(text: str, coding: int, sizes: list[int]) -> None:
    """What ISO 8859-1 has goes in it, 140 octets or 134 to a part; what it lacks in UCS-2."""
    found = cut(text, written=Alphabet.LATIN1)
    assert {piece.data_coding for piece in found} == {coding}
    assert [len(piece.message) for piece in found] == sizes


@pytest.mark.parametrize("joining", Joining)
@pytest.mark.parametrize(
    ("text", "written", "coding"),
    [
        ("a" * 200, Alphabet.GSM, 0x10),
        ("hello", Alphabet.GSM, 0x10),
        ("א" * 100, Alphabet.GSM, 0x18),
        ("Δ", Alphabet.LATIN1, 0x18),
        ("é", Alphabet.LATIN1, content.LATIN1),
    ],
)
def test_flash(text: str, written: Alphabet, coding: int, joining: Joining) -> None:
    """Message class 0 beside the alphabet in every part (3GPP TS 23.038, 4), where it has one; all else stays."""
    encoding = measure(text).encoding
    usual = pieces(text, encoding, joining=joining, written=written, reference=7)
    flash = pieces(text, encoding, joining=joining, written=written, reference=7, flash=True)
    assert {piece.data_coding for piece in flash} == {coding}
    assert [dataclasses.replace(piece, data_coding=0) for piece in flash] == [
        dataclasses.replace(piece, data_coding=0) for piece in usual
    ]


@pytest.mark.parametrize(
    ("octets", "coding", "written", "text"),
    [
        (b"\x00\x11", 0, Alphabet.GSM, "@_"),
        (b"\xe9", 0, Alphabet.LATIN1, "é"),
        (b"A\xff", 1, Alphabet.GSM, "A\ufffd"),
        (b"\xe9", 3, Alphabet.GSM, "é"),
        (b"\xbf", 6, Alphabet.GSM, "П"),
        (b"\xe0", 7, Alphabet.GSM, "א"),
        ("😀".encode("utf-16-be"), 8, Alphabet.GSM, "😀"),
        (b"\x05\xd0\x05", 8, Alphabet.GSM, "א\ufffd"),
        (b"\x00", 0xF1, Alphabet.GSM, "@"),
        (b"\x01\x02", 0xF5, Alphabet.GSM, None),
        (b"\x01\x02", 4, Alphabet.GSM, None),
        (b"\x01\x02", 2, Alphabet.GSM, None),
    ],
)
def test_what_phones_write(octets: bytes, coding: int, written: Alphabet, text: str | None) -> None:
    """By data_coding (5.2.19); binary ones are no text."""
    assert content.read(octets, coding, written) == text
