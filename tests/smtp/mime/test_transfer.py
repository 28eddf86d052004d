"""Transfer encodings undone, the broken ones too."""

import base64
import binascii
import quopri
from email import message_from_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtp.mime.transfer import decode

LONG = b"The quick brown fox jumps over the lazy dog."


def text_only(data: bytes) -> bool:
    """Stand for a charset of ASCII."""
    return data.isascii() and data.decode().isprintable()


def uuencoded(data: bytes) -> bytes:
    """Encode as uuencode did."""
    lines = [binascii.b2a_uu(data[start : start + 45]) for start in range(0, len(data), 45)]
    return b"begin 644 a b.txt\n" + b"".join(lines) + b"`\nend\n"


CASES = {
    "nothing to do": ("8bit", b"a=3D", b"a=3D"),
    "unknown": ("x-own", b"a=3D", b"a=3D"),
    "quoted-printable": ("quoted-printable", b"caf=C3=A9=\r\n, 1=3D1\r\n", "café, 1=1\r\n".encode()),
    "soft break with spaces": ("quoted-printable", b"one= \t\r\n two=  \n three", b"one two three"),
    "equals that says nothing": ("quoted-printable", b"a=b =zz 5==5 end=", b"a=b =zz 5=5 end"),
    "base64": ("base64", base64.encodebytes(LONG), LONG),
    "base64 without padding": ("base64", base64.b64encode(LONG).rstrip(b"="), LONG),
    "base64 with too much padding": ("base64", base64.b64encode(LONG) + b"===", LONG),
    "base64 with one character more": ("base64", base64.b64encode(LONG[:42]) + b"A", LONG[:42]),
    "base64 with padding before its end": ("base64", base64.b64encode(LONG[:42]) + b"=Q", LONG[:42]),
    "base64 in pieces": ("base64", base64.b64encode(LONG) + b"\r\n" + base64.b64encode(LONG), LONG * 2),
    "base64 with junk within": ("base64", base64.b64encode(LONG)[:20] + b"\0!\xff" + base64.b64encode(LONG)[20:], LONG),
    "base64 and a footer": ("base64", base64.encodebytes(LONG) + b"\n-- \nA list, https://example.com\n", LONG),
    "base64 and a footer at once": ("base64", base64.encodebytes(LONG) + b"Sent by a scanner.\n", LONG),
    "base64 of nothing": ("base64", b"\r\n", b""),
    "text called base64": ("base64", b"Pump 2 stopped.\r\n", b"Pump 2 stopped.\r\n"),
    "words called base64": ("base64", b"Pump two stopped", b"Pump two stopped"),
    "a word called base64": ("base64", b"Fire\r\n", b"Fire\r\n"),
    "a number called base64": ("base64", b"0502345678", b"0502345678"),
    "lines called base64": ("base64", b"Hello\r\nPump 2 stopped.", b"Hello\r\nPump 2 stopped."),
    "uuencode": ("x-uuencode", uuencoded(LONG * 3), LONG * 3),
    "uuencode by its other name": ("uue", uuencoded(LONG).replace(b"\n", b"\r\n"), LONG),
    "uuencode after words": ("uuencode", b"see:\n" + uuencoded(LONG), LONG),
    "uuencode without end": ("uuencode", uuencoded(LONG)[:-6], LONG),
    "uuencode with a filled group": ("uuencode", b"begin 644 a\n" + binascii.b2a_uu(b"ab")[:-1] + b"xyz\nend\n", b"ab"),
    "text called uuencode": ("uuencode", b"Pump 2 stopped.", b"Pump 2 stopped."),
}


@pytest.mark.parametrize(("encoding", "data", "expected"), CASES.values(), ids=CASES)
def test_decode(encoding: str, data: bytes, expected: bytes) -> None:
    """Encoded bytes come out as they went in; what is not encoded stays."""
    assert decode(data, encoding, plausible=text_only) == expected


@given(st.binary(max_size=300))
def test_round_trip(data: bytes) -> None:
    """What was encoded by the rules is decoded, as the email package does it."""
    quoted = quopri.encodestring(data)
    message = message_from_bytes(b"Content-Transfer-Encoding: quoted-printable\n\n" + quoted)
    assert decode(quoted, "quoted-printable", plausible=text_only) == message.get_payload(decode=True)
    assert decode(base64.encodebytes(data), "base64", plausible=lambda _: True) == data
    assert decode(uuencoded(data), "uuencode", plausible=text_only) == data


@given(st.binary(max_size=200), st.sampled_from(["base64", "quoted-printable", "uuencode"]), st.booleans())
def test_any_bytes(data: bytes, encoding: str, answer: bool) -> None:  # noqa: FBT001
    """Whatever the bytes, there is an answer."""
    assert isinstance(decode(data, encoding, plausible=lambda _: answer), bytes)
    assert isinstance(decode(b"begin 644 a\n" + data, encoding, plausible=lambda _: answer), bytes)
