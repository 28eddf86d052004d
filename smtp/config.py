"""The ``[smtp]`` table of bridge.toml."""

from __future__ import annotations

import codecs
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Self

from email_validator import EmailNotValidError, validate_email
from pydantic import AfterValidator, Field, model_validator

from bridge.fields import Address, Listed, Network, Region, Section, Span

_HARD_MOST_PARTS = 20


def _domain(value: str) -> str:
    try:
        known = validate_email(f"x@{value.rstrip('.')}", check_deliverability=False, globally_deliverable=False)
    except EmailNotValidError as error:
        message = f"{value!r} is no mail domain: {error}"
        raise ValueError(message) from error
    return (known.ascii_domain or known.domain).lower()


_Domain = Annotated[str, AfterValidator(_domain)]


def _charset(value: str) -> str:
    try:
        return codecs.lookup(value).name
    except LookupError as error:
        message = f"{value!r} is no charset; write windows-1255"
        raise ValueError(message) from error


Charset = Annotated[str, AfterValidator(_charset)]


class DomainSettings(Section):
    """What is particular about one of the domains."""

    account: str | None = Field(default=None, description="the account for which alone mail to it is taken")
    region: Region | None = Field(
        default=None, description="country of numbers written without one; before the account's"
    )
    digits: int | None = Field(
        default=None, ge=4, le=15, description="digits that a number of it has, none of another country: 10 in the US"
    )


class TlsSettings(Section):
    """The certificate that clients are shown. Both files are read anew when they change."""

    certificate: Path | None = Field(default=None, description="PEM file: the certificate, then those above it")
    key: Path | None = Field(default=None, description="PEM file of its private key, without a passphrase")

    def anchored(self, folder: Path) -> Self:
        """Return the settings with relative paths counted from ``folder``."""
        files = {"certificate": self.certificate, "key": self.key}
        return self.model_copy(update={name: folder / file for name, file in files.items() if file is not None})

    @model_validator(mode="after")
    def _both(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key go together")
        return self


class DnsSettings(Section):
    """How names are looked up, for signatures and for SPF."""

    servers: Annotated[tuple[Address, ...], Listed] = Field(
        default=(), description="resolvers, host:port; default is the machine's own"
    )
    timeout: Span = Field(
        default=timedelta(seconds=5),
        ge=timedelta(milliseconds=100),
        le=timedelta(minutes=1),
        description="an answer that takes longer is none: the mail has to come again",
    )
    cache: int = Field(default=10_000, ge=0, le=1_000_000, description="answers that are kept, for as long as they say")


class SmtpSettings(Section):
    """Where mail comes in, for which domains, and how much of it is taken."""

    listen: Annotated[tuple[Address, ...], Listed] = Field(
        default=("127.0.0.1:8025",), description="addresses to listen on, host:port"
    )
    submission: Annotated[tuple[Address, ...], Listed] = Field(
        default=(), description="addresses for users who log in, as port 587"
    )
    submissions: Annotated[tuple[Address, ...], Listed] = Field(
        default=(), description="the same with TLS from the first byte, as port 465"
    )
    lmtp: Annotated[tuple[Address, ...], Listed] = Field(
        default=(), description="addresses for a mail server on this machine that speaks LMTP"
    )
    domains: Annotated[tuple[_Domain, ...], Listed] = Field(
        default=(), description="domains whose addresses carry numbers; mail to any other is refused"
    )
    domain: dict[_Domain, DomainSettings] = Field(
        default_factory=dict, description="[smtp.domain.NAME]: what is particular about one of them"
    )
    carrier_domains: bool = Field(
        default=False,
        description="whether the domains of retired mail gateways count as ours: txt.att.net, vtext.com …",
    )
    trusted_networks: Annotated[tuple[Network, ...], Listed] = Field(
        default=(ip_network("127.0.0.0/8"), ip_network("::1/128")),
        description="hosts whose word on the sender is believed",
    )
    relays: dict[_Domain, Annotated[tuple[Network, ...], Listed]] = Field(
        default_factory=dict,
        description="servers whose Authentication-Results are believed: the name they sign with, and their networks",
    )
    forwarders: Annotated[tuple[_Domain, ...], Listed] = Field(
        default=(), description="domains whose ARC seals are believed"
    )
    signature_age: Span = Field(
        default=timedelta(days=3), gt=timedelta(0), description="a mail whose signature alone proves it may be that old"
    )
    proxy_networks: Annotated[tuple[Network, ...], Listed] = Field(
        default=(), description="hosts that must begin with a PROXY header, which names the client"
    )
    tls: TlsSettings = TlsSettings()
    dns: DnsSettings = DnsSettings()
    hostname: str = Field(default="", description="name in the greeting; default is the first domain")
    max_parts: int = Field(default=10, ge=1, le=_HARD_MOST_PARTS, description="parts of one text, at most")
    max_size: int = Field(default=1_048_576, ge=1024, le=104_857_600, description="bytes of one mail, at most")
    max_recipients: int = Field(default=100, ge=1, le=10_000, description="recipients of one mail, at most")
    max_connections: int = Field(default=1000, ge=1, le=100_000, description="connections at a time, at most")
    max_connections_per_address: int = Field(
        default=100, ge=1, le=100_000, description="the same from one address; trusted networks are not counted"
    )
    max_commands: int = Field(default=10_000, ge=10, description="commands in one connection, at most")
    max_errors: int = Field(default=20, ge=1, description="refused commands in one connection, at most")
    max_session: Span = Field(
        default=timedelta(hours=1), gt=timedelta(0), description="length of a connection, at most"
    )
    max_depth: int = Field(default=32, ge=1, le=100, description="parts within parts of a mail, at most")
    max_mail_parts: int = Field(default=256, ge=1, le=10_000, description="parts of a mail that are looked at")
    max_html: int = Field(default=1_048_576, ge=1024, description="bytes of an HTML part that is laid out, at most")
    timeout: Span = Field(
        default=timedelta(minutes=5), gt=timedelta(0), description="a silent connection is closed after this"
    )
    handshake_timeout: Span = Field(
        default=timedelta(seconds=30), gt=timedelta(0), description="a TLS handshake or PROXY header may take that long"
    )
    data_timeout: Span = Field(
        default=timedelta(minutes=10), gt=timedelta(0), description="a mail may take that long to come, however slowly"
    )
    charset: Charset | None = Field(
        default=None, description="charset of text that names none, where no account says; default is a guess"
    )
    charsets: dict[Region, Charset] = Field(
        default_factory=dict, description="the same by the account's region: { IL = 'windows-1255' }"
    )

    def anchored(self, folder: Path) -> Self:
        """Return the settings with relative paths counted from ``folder``."""
        return self.model_copy(update={"tls": self.tls.anchored(folder)})

    @property
    def listeners(self) -> dict[str, tuple[str, ...]]:
        """The addresses to listen on, by the setting that has them."""
        return {
            "listen": self.listen,
            "submission": self.submission,
            "submissions": self.submissions,
            "lmtp": self.lmtp,
        }

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.submissions or self.submission) and self.tls.certificate is None:
            raise ValueError("tls: submission and submissions need a certificate: passwords go over no open wire")
        if strange := [name for name in self.domain if name not in self.domains]:
            message = f"domain: {', '.join(map(repr, strange))} not among the domains"
            raise ValueError(message)
        return self
