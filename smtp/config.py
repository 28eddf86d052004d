"""The ``[smtp]`` table of bridge.toml."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import ip_network
from typing import Annotated

from email_validator import EmailNotValidError, validate_email
from pydantic import AfterValidator, Field

from bridge.fields import Address, Listed, Network, Section, Span

_HARD_MOST_PARTS = 20


def _domain(value: str) -> str:
    try:
        known = validate_email(f"x@{value.rstrip('.')}", check_deliverability=False, globally_deliverable=False)
    except EmailNotValidError as error:
        message = f"{value!r} is no mail domain: {error}"
        raise ValueError(message) from error
    return (known.ascii_domain or known.domain).lower()


class SmtpSettings(Section):
    """Where mail comes in, for which domains, and how much of it is taken."""

    listen: Annotated[tuple[Address, ...], Listed] = Field(
        default=("127.0.0.1:8025",), description="addresses to listen on, host:port"
    )
    domains: Annotated[tuple[Annotated[str, AfterValidator(_domain)], ...], Listed] = Field(
        default=(), description="domains whose addresses carry numbers; mail to any other is refused"
    )
    trusted_networks: Annotated[tuple[Network, ...], Listed] = Field(
        default=(ip_network("127.0.0.0/8"), ip_network("::1/128")),
        description="hosts whose word on the sender is believed",
    )
    hostname: str = Field(default="", description="name in the greeting; default is the first domain")
    max_parts: int = Field(default=10, ge=1, le=_HARD_MOST_PARTS, description="parts of one text, at most")
    max_size: int = Field(default=1_048_576, ge=1024, le=104_857_600, description="bytes of one mail, at most")
    max_recipients: int = Field(default=100, ge=1, le=10_000, description="recipients of one mail, at most")
    timeout: Span = Field(
        default=timedelta(minutes=5), gt=timedelta(0), description="a silent connection is closed after this"
    )
