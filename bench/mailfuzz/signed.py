"""Mails with signatures that hold, the same each time: their keys come from fixed numbers, and are worth nothing."""

from __future__ import annotations

import base64
import hashlib
from functools import lru_cache
from itertools import product
from typing import Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from nacl.encoding import Base64Encoder
from nacl.signing import SigningKey

from bench.mailfuzz.making import ANN
from smtp.config import DnsSettings
from smtp.proof.dns import Kind, Records, Resolver
from tests.smtp.proof.signing import NAMES, Pair, field, sealed, short_pair, signed

HOST: Final = "192.0.2.1"
"""That may send for Ann's domain."""
TO: Final = b"972502345678@sms.example.com"

_TEXTS: Final = (
    (b"text/plain; charset=utf-8", b"7bit", b"The  pump has stopped.\r\n\r\n"),
    (b"text/plain; charset=utf-8", b"quoted-printable", b"=D7=A9=D7=9C=D7=95=D7=9D=20\r\nline  two \r\n"),
    (b"text/html; charset=utf-8", b"base64", b"PHA+VGhlIHB1bXAgaGFzIHN0b3BwZWQ8L3A+\r\n"),
    (
        b'multipart/alternative; boundary="x"',
        b"8bit",
        b"--x\r\n\r\nplain words\r\n--x\r\nContent-Type: text/html\r\n\r\n<p>other words</p>\r\n--x--\r\n",
    ),
)


def _mail(kind: bytes, encoding: bytes, body: bytes) -> bytes:
    return b"\r\n".join([
        b"From: Ann <" + ANN.encode() + b">",
        b"To: " + TO,
        b"Subject: water",
        b"Date: Tue, 01 Jan 2030 11:59:00 +0000",
        b"Message-ID: <1@example.com>",
        b"MIME-Version: 1.0",
        b"Content-Type: " + kind,
        b"Content-Transfer-Encoding: " + encoding,
        b"",
        body,
    ])  # fmt: skip


@lru_cache(maxsize=1)
def rsa_of_a_number() -> Pair:
    """Return a key of RSA of 1,024 bits, in the form that dkimpy's signer of ARC reads."""
    made = short_pair(1024).private
    key = rsa.RSAPrivateNumbers(
        p=made["prime1"],
        q=made["prime2"],
        d=pow(65537, -1, (made["prime1"] - 1) * (made["prime2"] - 1)),
        dmp1=made["exponent1"],
        dmq1=made["exponent2"],
        iqmp=made["coefficient"],
        public_numbers=rsa.RSAPublicNumbers(65537, made["modulus"]),
    ).private_key()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return Pair(private, f"v=DKIM1; k=rsa; p={base64.b64encode(public).decode()}", "rsa")


@lru_cache(maxsize=1)
def ed25519_of_a_number() -> Pair:
    """Return a key of Ed25519."""
    key = SigningKey(hashlib.sha256(b"a key that is worth nothing").digest())
    public = key.verify_key.encode(encoder=Base64Encoder).decode()
    return Pair(key.encode(encoder=Base64Encoder), f"v=DKIM1; k=ed25519; p={public}", "ed25519")


@lru_cache(maxsize=1)
def mails() -> tuple[bytes, ...]:
    """Return mails that are signed, in all forms, and such that a forwarder sealed."""
    found = []
    names = (*NAMES, b"content-transfer-encoding")
    pairs = {"s1": rsa_of_a_number(), "ed": ed25519_of_a_number()}
    # With spaces, or the line is folded within a name.
    listed: dict[str, str | None] = {"h": " : ".join(name.decode() for name in names)}
    forms = ("relaxed/relaxed", "simple/simple", "relaxed/simple", "simple/relaxed")
    for parts, form, (selector, pair) in product(_TEXTS, forms, pairs.items()):
        found.append(signed(_mail(*parts), canonical=form, pair=pair, selector=selector, names=names, tags=listed))
    for parts in _TEXTS:
        plain = _mail(*parts)
        second = field(plain, pair=pairs["ed"], selector="ed", names=names, tags=listed)
        said = "dkim=pass header.d=example.com; spf=none"
        found += [
            field(plain, pair=pairs["s1"], names=names, tags=listed) + second + plain,
            sealed(plain, said, pair=pairs["s1"], names=(*names, b"from", b"subject")),
        ]
    return tuple(found)


class Names(Resolver):
    """Answers from a table, and asks nobody. A name without an answer in ``records`` does not exist."""

    def __init__(self) -> None:
        """Hold the records of Ann's domain and of the forwarder's."""
        super().__init__(DnsSettings(servers=("127.0.0.1:9",)))
        self.records: dict[tuple[str, Kind], Records] = {
            ("s1._domainkey.example.com", Kind.TXT): (rsa_of_a_number().record.encode(),),
            ("a1._domainkey.forwarder.test", Kind.TXT): (rsa_of_a_number().record.encode(),),
            ("ed._domainkey.example.com", Kind.TXT): (ed25519_of_a_number().record.encode(),),
            ("example.com", Kind.TXT): (f"v=spf1 ip4:{HOST} -all".encode(),),
        }

    async def ask(self, name: str, kind: Kind, *, patience: float | None = None) -> Records:  # noqa: ARG002 - the base's
        """Return the records of a name."""
        return self.records.get((name.rstrip(".").lower(), kind), ())
