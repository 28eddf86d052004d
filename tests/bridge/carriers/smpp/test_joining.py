"""Parts of long texts from phones."""

from __future__ import annotations

import itertools
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.carriers.smpp.joining import Joiner, Part, part_of
from bridge.carriers.smpp.pdu import Address, Delivery


def delivery(message: bytes, *, header: bool = False, tlvs: dict[int, bytes] | None = None) -> Delivery:
    """Make one."""
    return Delivery(
        source=Address(value="1"),
        destination=Address(value="2"),
        esm_class=0x40 if header else 0,
        data_coding=0,
        message=message,
        tlvs=tlvs or {},
    )


@pytest.mark.parametrize(
    ("message", "found"),
    [
        (b"\x05\x00\x03\x2a\x03\x02rest", (42, 3, 2, b"rest")),
        (b"\x06\x08\x04\x01\x02\x03\x03rest", (0x0102, 3, 3, b"rest")),
        # another element before it: ports (3GPP TS 23.040, 9.2.3.24.3)
        (b"\x0b\x05\x04\x0b\x84\x23\xf0\x00\x03\x07\x02\x01rest", (7, 2, 1, b"rest")),
        # no concatenation, places that cannot be, and headers that end too soon
        (b"\x04\x24\x02\x01\x02rest", (0, 1, 1, b"rest")),
        (b"\x05\x00\x03\x2a\x03\x04rest", (0, 1, 1, b"rest")),
        (b"\x05\x00\x03\x2a\x03\x00rest", (0, 1, 1, b"rest")),
        (b"\x05\x00\x03\x2a\x00\x00rest", (0, 1, 1, b"rest")),
        (b"\x01\x00rest", (0, 1, 1, b"rest")),
        (b"\xffrest", (0, 1, 1, b"")),
        (b"\x00rest", (0, 1, 1, b"rest")),
        (b"", (0, 1, 1, b"")),
    ],
)
def test_user_data_headers(message: bytes, found: tuple[int, int, int, bytes]) -> None:
    """References of 8 and 16 bits, wherever they stand among other elements; nonsense is a text that is whole."""
    part = part_of(delivery(message, header=True))
    assert (part.reference, part.total, part.place, part.octets) == found


def test_sar_parameters() -> None:
    """The optional parameters say the same without a header; impossible ones say nothing."""
    tlvs = {0x020C: b"\x01\x00", 0x020E: b"\x02", 0x020F: b"\x02"}
    assert part_of(delivery(b"x", tlvs=tlvs)) == Part(reference=256, total=2, place=2, octets=b"x")
    assert part_of(delivery(b"x", tlvs=tlvs | {0x020F: b"\x03"})).total == 1


@given(st.binary(max_size=30), st.dictionaries(st.sampled_from([0x20C, 0x20E, 0x20F]), st.binary(max_size=3)))
def test_nothing_breaks_it(message: bytes, tlvs: dict[int, bytes]) -> None:
    """Any octets are a part of something, in a place that there is."""
    part = part_of(delivery(message, header=True, tlvs=tlvs))
    assert 1 <= part.place <= part.total


@pytest.mark.parametrize("order", list(itertools.permutations((1, 2, 3))))
def test_any_order_and_doubles(order: tuple[int, ...]) -> None:
    """Parts are joined by their place once all are there; one that comes twice is there once."""
    joiner = Joiner()
    parts = {place: Part(reference=1, total=3, place=place, octets=str(place).encode()) for place in (1, 2, 3)}
    for place in order[:-1]:
        assert joiner.add("k", parts[place]) is None
        assert joiner.add("k", parts[place]) is None
    assert joiner.add("k", parts[order[-1]]) == b"123"
    assert joiner.take("k") == b"123"
    assert joiner.take("k") is None


def test_what_is_there_of_it() -> None:
    """Given up, a text is the parts that came, in their order; a part that is to come again does not count."""
    joiner = Joiner()
    for place in (3, 1, 2):
        joiner.add("k", Part(reference=1, total=9, place=place, octets=struct.pack("B", place)))
    joiner.drop("k", Part(reference=1, total=9, place=2, octets=b""))
    joiner.add("other", Part(reference=1, total=2, place=1, octets=b"x"))
    assert joiner.take("k") == b"\x01\x03"
