"""Certificates for servers on loopback: signed by themselves, or by an authority as those of the world are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from pathlib import Path

_USAGES = (
    *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
    *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
)


def made(folder: Path, host: str, *, days: int = 1) -> tuple[Path, Path]:
    """Write a certificate and its key for a name or address; return both files."""
    key = ec.generate_private_key(ec.SECP256R1())
    own = _signed(host, key, by=host, with_key=key, below=0, days=days)
    return _written(folder, host, [own], key)


def issued(folder: Path, host: str) -> Path:
    """Write what a server shows that an authority vouches for: its certificate and the one between, and the key.

    Returns the file of the authority's own, which is all that clients know.
    """
    top, middle, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
    root = _signed("Example root", top, by="Example root", with_key=top, below=1)
    between = _signed("Example issuer", middle, by="Example root", with_key=top, below=0)
    own = _signed(host, key, by="Example issuer", with_key=middle)
    _written(folder, host, [own, between], key)
    return _written(folder, "root", [root], top)[0]


def _signed(
    host: str,
    key: ec.EllipticCurvePrivateKey,
    *,
    by: str,
    with_key: ec.EllipticCurvePrivateKey,
    below: int | None = None,
    days: int = 1,
) -> x509.Certificate:
    """Return a certificate as the strictest clients want it; an authority has ``below`` others under it."""
    try:
        subject: x509.GeneralName = x509.IPAddress(ip_address(host))
    except ValueError:
        subject = x509.DNSName(host.replace(" ", "-"))
    usage = dict.fromkeys(_USAGES, False) | {"digital_signature": True, "key_cert_sign": below is not None}
    now = datetime.now(tz=UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(host))
        .issuer_name(_name(by))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=2))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([subject]), critical=False)
        .add_extension(x509.BasicConstraints(ca=below is not None, path_length=below), critical=True)
        .add_extension(x509.KeyUsage(**usage), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(with_key.public_key()), critical=False)
        .sign(with_key, hashes.SHA256())
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _written(
    folder: Path, host: str, chain: list[x509.Certificate], key: ec.EllipticCurvePrivateKey
) -> tuple[Path, Path]:
    public, private = folder / f"{host}.pem", folder / f"{host}.key"
    public.write_bytes(b"".join(each.public_bytes(serialization.Encoding.PEM) for each in chain))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return public, private
