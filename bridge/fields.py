"""What tables of bridge.toml are made of: the base of every table, and the kinds of values they share."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict

from bridge.model.duration import parse_duration
from bridge.model.numbers import known_region


class Section(BaseModel):
    """A table: frozen, no unknown keys, and values never repeated in an error, for they may be secrets."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, validate_default=True)


def split_address(address: str) -> tuple[str, int]:
    """Return host and port of ``host:port`` or ``[v6]:port``. Raises ValueError saying what is wrong."""
    host, colon, port = address.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        message = f"{address!r}: write an IPv6 address as [::1]:8025"
        raise ValueError(message)
    if not colon or not host or not (port.isascii() and port.isdigit()) or int(port) > 65_535:
        message = f"{address!r}: write host:port, with a port from 0 (any free one) to 65535"
        raise ValueError(message)
    return host, int(port)


def join_address(host: str, port: int) -> str:
    """Return ``host:port``, with brackets around an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _address(value: str) -> str:
    split_address(value)
    return value


def _listed(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _network(value: object) -> IPv4Network | IPv6Network:
    try:
        return ip_network(str(value), strict=False)
    except ValueError as error:
        message = f"{value!r} is no network; write 192.0.2.0/24, 2001:db8::/32 or one address"
        raise ValueError(message) from error


def _region(value: str) -> str:
    if not known_region(value.upper()):
        message = f"{value!r} is no ISO 3166 country code; write IL or US"
        raise ValueError(message)
    return value.upper()


Span = Annotated[timedelta, BeforeValidator(parse_duration)]
"""A time span: ``"30s"``, ``"15m"``, ``"24h"``, ``"2d"``, or a number of seconds."""

Address = Annotated[str, AfterValidator(_address)]
"""Where to listen: ``host:port``."""

Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(_network)]
"""A network in CIDR notation, or one address."""

Region = Annotated[str, AfterValidator(_region)]
"""An ISO 3166 country code."""

Listed = BeforeValidator(_listed)
"""Lets a list be written as one string with commas, as is easier in the environment."""
