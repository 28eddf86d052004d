"""Long texts from phones: their parts, in any order and doubled, become one text again. Pure but for its memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from bridge.carriers.smpp.pdu import Tag

if TYPE_CHECKING:
    from collections.abc import Hashable

    from bridge.carriers.smpp.pdu import Delivery

_CONCATENATED_8: Final = 0x00
_CONCATENATED_16: Final = 0x08


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One part of a long text: ``place`` of ``total``, under a reference of its sender."""

    reference: int
    total: int
    place: int
    octets: bytes = field(repr=False)


def part_of(delivery: Delivery) -> Part:
    """Return what a delivery carries; one that is whole is part 1 of 1. A header that cannot be read is dropped."""
    octets = delivery.message
    if delivery.has_header and octets:
        end = 1 + octets[0]
        header, octets = octets[1:end], octets[end:]
        if (found := _concatenated(header)) is not None:
            return Part(reference=found[0], total=found[1], place=found[2], octets=octets)
    tags = (Tag.SAR_MSG_REF_NUM, Tag.SAR_TOTAL_SEGMENTS, Tag.SAR_SEGMENT_SEQNUM)
    values = [int.from_bytes(delivery.tlvs.get(tag, b"")) for tag in tags]
    if _possible(values[1], values[2]):
        return Part(reference=values[0], total=values[1], place=values[2], octets=octets)
    return Part(reference=0, total=1, place=1, octets=octets)


class Joiner:
    """Parts that wait for the others, by what they belong to: whatever tells one long text from another.

    How many may wait is the caller's business.
    """

    def __init__(self) -> None:
        """Begin with none."""
        self._waiting: dict[Hashable, dict[int, bytes]] = {}

    def add(self, key: Hashable, part: Part) -> bytes | None:
        """Keep a part; return the whole once it is there. A double changes nothing."""
        parts = self._waiting.setdefault(key, {})
        parts[part.place] = part.octets
        return _whole(parts) if len(parts) == part.total else None

    def parts(self, key: Hashable) -> dict[int, bytes]:
        """Return what is there of a long text, by place."""
        return dict(self._waiting.get(key, {}))

    def drop(self, key: Hashable, part: Part) -> None:
        """Forget one part: it will come again."""
        self._waiting.get(key, {}).pop(part.place, None)

    def take(self, key: Hashable) -> bytes | None:
        """Forget a long text, and return what was there of it; None when there was nothing."""
        parts = self._waiting.pop(key, None)
        return _whole(parts) if parts else None


def _whole(parts: dict[int, bytes]) -> bytes:
    return b"".join(parts[place] for place in sorted(parts))


def _concatenated(header: bytes) -> tuple[int, int, int] | None:
    """Find reference, total and place among the elements of a header (3GPP TS 23.040, 9.2.3.24)."""
    at = 0
    while at + 2 <= len(header):
        element, length = header[at], header[at + 1]
        data = header[at + 2 : at + 2 + length]
        at += 2 + length
        if element == _CONCATENATED_8 and len(data) == 3 and _possible(data[1], data[2]):
            return data[0], data[1], data[2]
        if element == _CONCATENATED_16 and len(data) == 4 and _possible(data[2], data[3]):
            return int.from_bytes(data[:2]), data[2], data[3]
    return None


def _possible(total: int, place: int) -> bool:
    return 1 <= place <= total
