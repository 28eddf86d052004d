"""PDUs: what is written, read by another implementation; what strangers write, read by ours."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from smpplib import consts, smpp

from bridge.carriers.smpp import pdu
from bridge.carriers.smpp.pdu import Address, BadPdu, Command, Inflow, Pdu, Tag

SUBMIT = {
    "service_type": "CMT",
    "source": Address(value="ACME", ton=5),
    "destination": Address(value="972502345678", ton=1, npi=1),
    "esm_class": 0x40,
    "priority": 2,
    "validity_period": "000001000000000R",
    "registered_delivery": 1,
    "data_coding": 8,
    "message": b"\x05\x00\x03\x07\x02\x01\x05\xe9",
    "tlvs": {},
}


class Numbers:
    """What the other implementation wants of its owner."""

    sequence = 0

    def next_sequence(self) -> int:
        return 0


def delivery(*, command: int = Command.DELIVER_SM, message: bytes = b"hi", tail: bytes = b"", esm: int = 0) -> Pdu:
    """Compose a deliver_sm or data_sm by hand."""
    head = b"\0" + b"\x01\x01" + b"972502345678\0" + b"\x03\x00" + b"1234\0" + bytes([esm])
    if command == Command.DELIVER_SM:
        body = head + b"\0\0" + b"\0" + b"\0" + b"\0\0" + b"\0" + b"\0" + bytes([len(message)]) + message
    else:
        body = head + b"\0" + b"\0"
    return Pdu(command=command, sequence=7, body=body + tail)


def test_a_submit_reads_the_same_elsewhere() -> None:
    """Another implementation finds every field of a submit_sm where the specification has it (4.4.1)."""
    ours = Pdu(command=Command.SUBMIT_SM, sequence=99, body=pdu.submit_sm(**SUBMIT))  # type: ignore[arg-type]
    read = smpp.parse_pdu(bytes(ours), client=Numbers())
    assert (read.command, read.sequence, read.length) == ("submit_sm", 99, len(bytes(ours)))
    assert (read.service_type, read.source_addr, read.destination_addr) == (b"CMT", b"ACME", b"972502345678")
    assert (read.source_addr_ton, read.source_addr_npi, read.dest_addr_ton, read.dest_addr_npi) == (5, 0, 1, 1)
    assert (read.esm_class, read.priority_flag, read.registered_delivery, read.data_coding) == (0x40, 2, 1, 8)
    assert (read.validity_period, read.schedule_delivery_time) == (b"000001000000000R", b"")
    assert read.short_message == SUBMIT["message"]


def test_optional_parameters_read_the_same_elsewhere() -> None:
    """So are those of parts, and a payload (5.3.2)."""
    tlvs = {
        int(Tag.SAR_MSG_REF_NUM): b"\x01\x02",
        int(Tag.SAR_TOTAL_SEGMENTS): b"\x03",
        int(Tag.SAR_SEGMENT_SEQNUM): b"\x02",
        int(Tag.MESSAGE_PAYLOAD): b"x" * 400,
    }
    fields = SUBMIT | {"tlvs": tlvs, "message": b"", "esm_class": 0}
    body = pdu.submit_sm(**fields)  # type: ignore[arg-type]
    read = smpp.parse_pdu(bytes(Pdu(command=Command.SUBMIT_SM, sequence=1, body=body)), client=Numbers())
    assert (read.sar_msg_ref_num, read.sar_total_segments, read.sar_segment_seqnum) == (0x0102, 3, 2)
    assert read.message_payload == b"x" * 400


def test_a_bind_reads_the_same_elsewhere() -> None:
    """A bind has its six fields (4.1.1), for version 3.4."""
    body = pdu.bind(system_id="acme", password="s3cret", system_type="VMA")
    read = smpp.parse_pdu(bytes(Pdu(command=Command.BIND_TRANSCEIVER, sequence=1, body=body)), client=Numbers())
    assert (read.command, read.system_id, read.password) == ("bind_transceiver", b"acme", b"s3cret")
    assert (read.system_type, read.interface_version) == (b"VMA", consts.SMPP_VERSION_34)


@given(st.lists(st.binary(max_size=40), max_size=5), st.integers(1, 60))
def test_a_stream_is_cut_the_same_however_it_arrives(bodies: list[bytes], size: int) -> None:
    """PDUs come out whole and in order, whatever pieces the network makes of them."""
    units = [Pdu(command=Command.ENQUIRE_LINK, sequence=place, body=body) for place, body in enumerate(bodies)]
    stream = b"".join(map(bytes, units))
    inflow = Inflow()
    read = [unit for start in range(0, len(stream), size) for unit in inflow.feed(stream[start : start + size])]
    assert read == units


@pytest.mark.parametrize("length", [0, 15, pdu.MOST + 1, 0xFFFF_FFFF])
def test_an_impossible_length_ends_the_stream(length: int) -> None:
    """A length below the header's or above the bound is no PDU; nothing is waited for or kept."""
    with pytest.raises(BadPdu):
        list(Inflow().feed(struct.pack("!IIII", length, 5, 0, 1)))


def test_the_longest_pdu_is_read() -> None:
    """One of just the bound is; the bound holds a payload of 65,535 octets."""
    body = b"\0" * (pdu.MOST - 16)
    assert [len(unit.body) for unit in Inflow().feed(bytes(Pdu(command=5, sequence=1, body=body)))] == [len(body)]


def test_a_delivery_is_read() -> None:
    """Its addresses, class, coding and octets (4.6.1)."""
    read = pdu.read_delivery(delivery(message=b"\x00hi", esm=0x44))
    assert read.source == Address(value="972502345678", ton=1, npi=1)
    assert read.destination == Address(value="1234", ton=3)
    assert (read.message, read.has_header, read.is_receipt) == (b"\x00hi", True, True)


def test_a_payload_stands_for_the_message() -> None:
    """message_payload holds the text of a deliver_sm without one, and of every data_sm (4.7.1)."""
    tail = struct.pack("!HH", Tag.MESSAGE_PAYLOAD, 5) + b"hello"
    assert pdu.read_delivery(delivery(message=b"", tail=tail)).message == b"hello"
    assert pdu.read_delivery(delivery(command=Command.DATA_SM, tail=tail)).message == b"hello"


def test_parameters_of_vendors_are_no_trouble() -> None:
    """What nobody listed, or does not belong there, is skipped."""
    tail = struct.pack("!HH", 0x1400, 3) + b"\xff\x00\x01" + struct.pack("!HH", Tag.MESSAGE_STATE, 1) + b"\x02"
    read = pdu.read_delivery(delivery(tail=tail))
    assert (read.message, read.tlvs[Tag.MESSAGE_STATE]) == (b"hi", b"\x02")


@given(st.binary(max_size=80))
def test_rubbish_is_no_delivery(body: bytes) -> None:
    """Whatever octets come: they are read, or they are a bad PDU; nothing else is raised."""
    for command in (Command.DELIVER_SM, Command.DATA_SM):
        try:
            pdu.read_delivery(Pdu(command=command, sequence=1, body=body))
        except BadPdu:
            continue


@pytest.mark.parametrize(
    ("body", "found"),
    [(b"1A2B\0", "1A2B"), (b"1A2B", "1A2B"), (b"", None), (b"\0", None), (b" 7 \0", "7"), (b"\xe9\0rest", "\u00e9")],
)
def test_message_ids_as_centres_write_them(body: bytes, found: str | None) -> None:
    """With or without the last NUL, in any octets."""
    assert pdu.read_message_id(body) == found


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (0, "000000000000000R"),
        (-5, "000000000000000R"),
        (59.9, "000000000059000R"),
        (3600, "000000010000000R"),
        (86_399, "000000235959000R"),
        (86_400, "000001000000000R"),
        (99 * 86_400 + 86_399, "000099235959000R"),
        (10**9, "000099235959000R"),
    ],
)
def test_validity_as_the_protocol_writes_it(seconds: float, written: str) -> None:
    """A relative time (7.1.1.1), without the months that have no length."""
    assert pdu.relative_period(seconds) == written
    assert len(written) == 16
