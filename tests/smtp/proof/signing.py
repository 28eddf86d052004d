"""Keys made for the run, and mails signed with them by dkimpy's own signer, each tag as the test wants it."""

from __future__ import annotations

import base64
import random
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import dkim
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from dkim.canonicalization import CanonicalizationPolicy
from dkim.crypto import HASH_ALGORITHMS, parse_pem_private_key
from nacl.encoding import Base64Encoder
from nacl.signing import SigningKey

from tests.support.clock import START

NOW = int(START.timestamp())
NAMES = (b"from", b"to", b"subject", b"date", b"message-id", b"mime-version", b"content-type")


class Pair:
    """A private key as dkimpy takes it, and the record that its domain publishes."""

    def __init__(self, private: Any, record: str, kind: str) -> None:
        self.private = private
        self.record = record
        self.kind = kind


@lru_cache
def rsa_pair(bits: int = 1024, number: int = 0) -> Pair:
    """A key of RSA; 1,024 bits are the least that counts, and made in no time."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return Pair(private, f"v=DKIM1; k=rsa; p={base64.b64encode(public).decode()}", "rsa")


@lru_cache
def short_pair(bits: int = 512) -> Pair:
    """A key of RSA that is too short, which no library makes any more: two primes found by Fermat's test."""
    chance = random.Random(bits)

    def prime() -> int:
        while True:
            number = chance.getrandbits(bits // 2) | 1 | 3 << (bits // 2 - 2)
            if pow(2, number - 1, number) == pow(3, number - 1, number) == 1 and (number - 1) % 65537:
                return number

    def whole(number: int) -> bytes:
        octets = number.to_bytes(number.bit_length() // 8 + 1)
        return b"\x02" + bytes([len(octets)]) + octets

    p, q = prime(), prime()
    d = pow(65537, -1, (p - 1) * (q - 1))
    private = {
        "modulus": p * q,
        "prime1": p,
        "prime2": q,
        "exponent1": d % (p - 1),
        "exponent2": d % (q - 1),
        "coefficient": pow(q, -1, p),
    }
    numbers = whole(p * q) + whole(65537)
    public = base64.b64encode(b"\x30" + bytes([len(numbers)]) + numbers).decode()
    return Pair(private, f"v=DKIM1; k=rsa; p={public}", "rsa")


@lru_cache
def ed25519_pair() -> Pair:
    """A key of Ed25519."""
    key = SigningKey.generate()
    public = key.verify_key.encode(encoder=Base64Encoder).decode()
    return Pair(key.encode(encoder=Base64Encoder), f"v=DKIM1; k=ed25519; p={public}", "ed25519")


def field(
    mail: bytes,
    *,
    domain: str = "example.com",
    selector: str = "s1",
    pair: Pair | None = None,
    names: Sequence[bytes] = NAMES,
    canonical: str = "relaxed/relaxed",
    algorithm: str | None = None,
    tags: Mapping[str, str | None] | None = None,
) -> bytes:
    """Return a DKIM-Signature field over a mail, with its CRLF. ``tags``: what is set besides, None takes away."""
    pair = pair or rsa_pair()
    algorithm = algorithm or f"{pair.kind}-sha256"
    signer = dkim.DKIM(mail, signature_algorithm=algorithm.encode())
    policy = CanonicalizationPolicy.from_c_value(canonical.encode())
    signer.hasher = HASH_ALGORITHMS[algorithm.encode()]
    body = policy.canonicalize_body(signer.body)
    if tags and tags.get("l") is not None:
        body = body[: int(tags["l"] or 0)]
    said: dict[str, str | None] = {
        "v": "1",
        "a": algorithm,
        "c": canonical,
        "d": domain,
        "s": selector,
        "t": str(NOW - 60),
        "h": ":".join(name.decode() for name in names),
        "bh": base64.b64encode(signer.hasher(body).digest()).decode(),
        **(tags or {}),
        "b": "0" * 60,
    }
    if pair.kind == "ed25519":
        key: Any = SigningKey(pair.private, encoder=Base64Encoder)
    else:
        key = pair.private if isinstance(pair.private, dict) else parse_pem_private_key(pair.private)
    fields = [(name.encode(), value.encode()) for name, value in said.items() if value is not None]
    value: bytes = signer.gen_header(fields, [name.lower() for name in names], policy, b"DKIM-Signature", key)
    return b"DKIM-Signature: " + value


def signed(mail: bytes, **how: Any) -> bytes:
    """Return a mail with a signature of :func:`field` on top."""
    return field(mail, **how) + mail


def sealed(
    mail: bytes,
    found: str,
    *,
    domain: str = "forwarder.test",
    selector: str = "a1",
    pair: Pair | None = None,
    names: Sequence[bytes] = (*NAMES, b"from"),
    at: int = NOW - 60,
) -> bytes:
    """Return a mail as a forwarder sends it on, with a set of ARC that says ``found`` of it."""
    server = f"mx.{domain}"
    received = f"Authentication-Results: {server}; {found}\r\n".encode() + mail
    present = {line.partition(b":")[0].lower() for line in mail.partition(b"\r\n\r\n")[0].split(b"\r\n")}
    fields = dkim.arc_sign(
        received, selector.encode(), domain.encode(), (pair or rsa_pair()).private, server.encode(),
        include_headers=[name for name in names if name in present], timestamp=at,
    )  # fmt: skip
    assert fields
    return b"".join(fields) + received
