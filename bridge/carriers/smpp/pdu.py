"""Protocol data units of SMPP 3.4: octets to values and back. Sections are of the specification, issue 1.2.

Reading is tolerant of what centres really send: statuses nobody listed, optional parameters nobody expects, ids in
any octets. It is strict about lengths: what does not fit in its PDU is no PDU.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MOST: Final = 70_000
"""Octets of a PDU, at most: a message_payload has up to 65,535 (5.3.2.32), and little stands beside it."""

_HEADER: Final = struct.Struct("!IIII")
_RESPONSE: Final = 0x8000_0000


class Command(IntEnum):
    """command_id (5.1.2.1)."""

    GENERIC_NACK = 0x8000_0000
    BIND_RECEIVER = 0x0000_0001
    BIND_TRANSMITTER = 0x0000_0002
    SUBMIT_SM = 0x0000_0004
    DELIVER_SM = 0x0000_0005
    UNBIND = 0x0000_0006
    BIND_TRANSCEIVER = 0x0000_0009
    ENQUIRE_LINK = 0x0000_0015
    ALERT_NOTIFICATION = 0x0000_0102
    DATA_SM = 0x0000_0103


class Tag(IntEnum):
    """Optional parameters that are used here (5.3.2)."""

    RECEIPTED_MESSAGE_ID = 0x001E
    USER_MESSAGE_REFERENCE = 0x0204
    SAR_MSG_REF_NUM = 0x020C
    SAR_TOTAL_SEGMENTS = 0x020E
    SAR_SEGMENT_SEQNUM = 0x020F
    MESSAGE_PAYLOAD = 0x0424
    MESSAGE_STATE = 0x0427


class BadPdu(ValueError):
    """Octets that are no PDU."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pdu:
    """One unit: its header (5.1) and the body as it came."""

    command: int
    sequence: int
    status: int = 0
    body: bytes = field(default=b"", repr=False)

    @property
    def is_response(self) -> bool:
        """Whether it answers one of ours."""
        return bool(self.command & _RESPONSE)

    def __bytes__(self) -> bytes:
        """Return it as it goes over the wire."""
        return _HEADER.pack(_HEADER.size + len(self.body), self.command, self.status, self.sequence) + self.body

    def answer(self, *, status: int = 0, body: bytes = b"") -> Pdu:
        """Return the response to it."""
        return Pdu(command=self.command | _RESPONSE, sequence=self.sequence, status=status, body=body)


class Inflow:
    """Cuts the octets of a connection into PDUs."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Pdu]:
        """Take octets, give the PDUs that are whole. Raises :exc:`BadPdu`; then the connection cannot go on."""
        self._buffer += data
        while len(self._buffer) >= _HEADER.size:
            length, command, status, sequence = _HEADER.unpack_from(self._buffer)
            if not _HEADER.size <= length <= MOST:
                message = f"a PDU of {length} octets"
                raise BadPdu(message)
            if len(self._buffer) < length:
                return
            body = bytes(self._buffer[_HEADER.size : length])
            del self._buffer[:length]
            yield Pdu(command=command, sequence=sequence, status=status, body=body)


@dataclass(frozen=True, kw_only=True, slots=True)
class Address:
    """A number or name with its type and plan (5.2.5, 5.2.6)."""

    value: str
    ton: int = 0
    npi: int = 0


def bind(
    *, system_id: str, password: str, system_type: str, address_range: str = "", ton: int = 0, npi: int = 0
) -> bytes:
    """Return the body of a bind of any kind (4.1.1). Lengths are the settings' business."""
    return _text(system_id) + _text(password) + _text(system_type) + bytes([0x34, ton, npi]) + _text(address_range)


def submit_sm(
    *,
    service_type: str,
    source: Address,
    destination: Address,
    esm_class: int,
    priority: int,
    validity_period: str,
    registered_delivery: int,
    data_coding: int,
    message: bytes,
    tlvs: Mapping[int, bytes],
) -> bytes:
    """Return the body of a submit_sm (4.4.1). ``message`` has at most 254 octets; a longer one is a payload."""
    return b"".join(
        (
            _text(service_type),
            _address(source),
            _address(destination),
            bytes([esm_class, 0, priority]),
            b"\0",  # schedule_delivery_time: at once
            _text(validity_period),
            bytes([registered_delivery, 0, data_coding, 0, len(message)]),
            message,
            *(struct.pack("!HH", tag, len(value)) + value for tag, value in tlvs.items()),
        )
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """A deliver_sm (4.6.1) or data_sm (4.7.1): a text from a phone, or a receipt. ``message`` has its header yet."""

    source: Address
    destination: Address
    esm_class: int
    data_coding: int
    message: bytes = field(repr=False)
    tlvs: Mapping[int, bytes] = field(repr=False)

    @property
    def is_receipt(self) -> bool:
        """Whether it tells of a text that we sent (5.2.12: bits 5 to 2, 0001 or 1000)."""
        return self.esm_class >> 2 & 0xF in {0b0001, 0b1000} or Tag.RECEIPTED_MESSAGE_ID in self.tlvs

    @property
    def has_header(self) -> bool:
        """Whether the message begins with a user data header (5.2.12: bit 6)."""
        return bool(self.esm_class & 0x40)


def read_delivery(pdu: Pdu) -> Delivery:
    """Read a deliver_sm or data_sm. Raises :exc:`BadPdu`."""
    reader = _Reader(pdu.body)
    reader.text()  # service_type
    source, destination = reader.address(), reader.address()
    esm_class = reader.octet()
    if pdu.command == Command.DELIVER_SM:
        reader.skip(2)
        reader.text()
        reader.text()
        reader.skip(2)
        data_coding = reader.octet()
        reader.skip(1)
        message = reader.take(reader.octet())
    else:
        reader.skip(1)
        data_coding = reader.octet()
        message = b""
    tlvs = dict(reader.tlvs())
    return Delivery(
        source=source,
        destination=destination,
        esm_class=esm_class,
        data_coding=data_coding,
        message=tlvs.get(Tag.MESSAGE_PAYLOAD, b"") or message,
        tlvs=tlvs,
    )


def read_message_id(body: bytes) -> str | None:
    """Return the message_id of a submit_sm_resp (4.4.2), also one without its last NUL; None where there is none."""
    return body.partition(b"\0")[0].decode("latin-1").strip() or None


def relative_period(seconds: float) -> str:
    """Return a time from now as the protocol writes it: ``YYMMDDhhmmss000R`` (7.1.1.1). At most 99 days are asked for.

    Months and years have no fixed length, so only days are used.
    """
    days, rest = divmod(max(0, min(int(seconds), 99 * 86_400 + 86_399)), 86_400)
    hours, rest = divmod(rest, 3600)
    return f"0000{days:02d}{hours:02d}{rest // 60:02d}{rest % 60:02d}000R"


class _Reader:
    """Reads the fields of a body one after the other."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._at = 0

    def take(self, count: int) -> bytes:
        taken = self._body[self._at : self._at + count]
        if len(taken) < count:
            raise BadPdu("a field is longer than its PDU")
        self._at += count
        return taken

    def skip(self, count: int) -> None:
        self.take(count)

    def octet(self) -> int:
        return self.take(1)[0]

    def text(self) -> str:
        end = self._body.find(b"\0", self._at)
        if end < 0:
            raise BadPdu("a string has no end")
        value = self._body[self._at : end].decode("latin-1")
        self._at = end + 1
        return value

    def address(self) -> Address:
        ton, npi = self.octet(), self.octet()
        return Address(value=self.text(), ton=ton, npi=npi)

    def tlvs(self) -> Iterator[tuple[int, bytes]]:
        while self._at < len(self._body):
            tag, length = struct.unpack("!HH", self.take(4))
            yield tag, self.take(length)


def _text(value: str) -> bytes:
    return value.encode("latin-1") + b"\0"


def _address(address: Address) -> bytes:
    return bytes([address.ton, address.npi]) + _text(address.value)
