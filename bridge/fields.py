"""What tables of bridge.toml are made of: the base of every table, and the kinds of values they share."""

from __future__ import annotations

import re
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Final
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict

from bridge.model.duration import parse_duration
from bridge.model.numbers import known_region

_HTTP_HOST: Final = re.compile(
    r"(?:https?://)?(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::(?P<port>\d{1,5}))?", re.ASCII
)


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


def base_url(host: str) -> str:
    """Return the URL of an :data:`HttpHost`, without a slash at its end."""
    return host if "://" in host else f"https://{host}"


def _http_host(value: str) -> str:
    if not (found := _HTTP_HOST.fullmatch(value)) or int(found["port"] or 0) > 65_535:
        raise ValueError("write a host alone, as sms.example.com; with http:// before it there is no TLS")
    return value


def _time_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"no time zone is called {value!r}; write Asia/Jerusalem or UTC") from error
    return value


def pattern(value: str) -> str:
    """Return a regular expression as it is written. Raises ValueError for what is none."""
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"no regular expression: {error}") from error
    return value


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

HttpHost = Annotated[str, AfterValidator(_http_host)]
"""Whom to call: ``sms.example.com``, with a port where it has its own; see :func:`base_url`."""

TimeZone = Annotated[str, AfterValidator(_time_zone)]
"""A time zone by its IANA name."""

Pattern = Annotated[str, AfterValidator(pattern)]
"""A regular expression."""
