"""S/MIME wrappers: those that can be opened without a key, and all that is none."""

import zlib
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from hypothesis import given
from hypothesis import strategies as st

from smtp.mime.cms import Wrapper, unwrap

KEY = rsa.generate_private_key(65537, 2048)
NAME = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "example.com")])
CERTIFICATE = (
    x509.CertificateBuilder()
    .subject_name(NAME)
    .issuer_name(NAME)
    .public_key(KEY.public_key())
    .serial_number(1)
    .not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
    .not_valid_after(datetime(2036, 1, 1, tzinfo=UTC))
    .sign(KEY, SHA256())
)
TEXT = b"Content-Type: text/plain\r\n\r\nThe vault is open.\r\n" * 20


def signed(*options: pkcs7.PKCS7Options) -> bytes:
    """Sign the text as programs do."""
    builder = pkcs7.PKCS7SignatureBuilder().set_data(TEXT).add_signer(CERTIFICATE, KEY, SHA256())
    return builder.sign(Encoding.DER, [pkcs7.PKCS7Options.Binary, *options])


def test_signed() -> None:
    """Signed text is inside the signature."""
    assert unwrap(signed()) == (Wrapper.SIGNED, TEXT)


def test_signed_elsewhere() -> None:
    """A signature of a text that stands beside it holds none."""
    assert unwrap(signed(pkcs7.PKCS7Options.DetachedSignature)) is None


def test_encrypted() -> None:
    """Encrypted text is told as such."""
    data = pkcs7.PKCS7EnvelopeBuilder().set_data(TEXT).add_recipient(CERTIFICATE).encrypt(Encoding.DER, [])
    assert unwrap(data) == (Wrapper.ENCRYPTED, b"")


def der(tag: int, content: bytes) -> bytes:
    """Write a value with its length before it."""
    size = len(content)
    return bytes([tag]) + (bytes([size]) if size < 128 else b"\x84" + size.to_bytes(4, "big")) + content


def ber(tag: int, content: bytes) -> bytes:
    """Write a value with an end behind it."""
    return bytes([tag, 0x80]) + content + b"\0\0"


def wrapper(kind: str, content: bytes, write: Callable[[int, bytes], bytes] = ber) -> bytes:
    """Write a wrapper, its signers left out."""
    data = der(6, bytes.fromhex("2a864886f70d010701")) + write(0xA0, content)
    inner = der(2, b"\1") + write(0x30, der(6, b"*")) + write(0x30, data)
    return write(0x30, der(6, bytes.fromhex(kind)) + write(0xA0, write(0x30, inner)))


SIGNED = "2a864886f70d010702"
COMPRESSED = "2a864886f70d0109100109"
PIECES = ber(0x24, der(4, b"a") + ber(0x24, der(4, b"b") + der(0x24, der(4, b"c") + der(4, b"d"))) + der(4, b""))


@pytest.mark.parametrize("write", [der, ber])
def test_in_pieces(write: Callable[[int, bytes], bytes]) -> None:
    """Text may come in pieces of pieces, with lengths before them or ends behind them."""
    assert unwrap(wrapper(SIGNED, PIECES, write)) == (Wrapper.SIGNED, b"abcd")


def test_compressed() -> None:
    """Compressed text is read, as far as is reasonable."""
    assert unwrap(wrapper(COMPRESSED, der(4, zlib.compress(TEXT)))) == (Wrapper.COMPRESSED, TEXT)
    bomb = unwrap(wrapper(COMPRESSED, der(4, zlib.compress(bytes(50_000_000)))))
    assert bomb is not None
    assert len(bomb[1]) <= 1 << 22


BAD = {
    "nothing": b"",
    "one byte": b"\x30",
    "no wrapper": b"Content-Type: text/plain",
    "another type": wrapper("2a864886f70d010701", der(4, b"a")),
    "no content": wrapper(SIGNED, b""),
    "no octets": wrapper(SIGNED, der(2, b"a")),
    "octets without end": wrapper(SIGNED, b"\x24\x80" + der(4, b"a"))[:-12],
    "other things among octets": wrapper(SIGNED, ber(0x24, der(2, b"a"))),
    "a length of its own length": b"\x30\x85\x01\x01\x01\x01\x01",
    "longer than all": b"\x30\x84\x7f\xff\xff\xff",
    "a tag of two bytes": b"\x3f\x30\x00",
    "no zlib": wrapper(COMPRESSED, der(4, b"abc")),
}


@pytest.mark.parametrize("data", BAD.values(), ids=BAD)
def test_bad(data: bytes) -> None:
    """What is damaged or something else is no wrapper."""
    assert unwrap(data) is None


@given(st.integers(0, 1500), st.integers(0, 255), st.booleans())
def test_damaged(place: int, byte: int, cut: bool) -> None:  # noqa: FBT001
    """Whatever byte of a wrapper is wrong, or missing, nothing is raised."""
    data = wrapper(SIGNED, PIECES) + signed_once()
    place %= len(data)
    unwrap(data[place:] if cut else data[:place] + bytes([byte]) + data[place + 1 :])
    data = signed_once()
    place %= len(data)
    unwrap(data[:place] if cut else data[:place] + bytes([byte]) + data[place + 1 :])


_ONCE: list[bytes] = []


def signed_once() -> bytes:
    """Sign, but only once."""
    if not _ONCE:
        _ONCE.append(signed())
    return _ONCE[0]


@given(st.binary(max_size=100))
def test_any_bytes(data: bytes) -> None:
    """Nor for anything else."""
    found = unwrap(data)
    assert found is None or isinstance(found[0], Wrapper)
