"""Serves the frozen contract, ``wsdl/smsbridge.wsdl``, with only the address put in at which the service is reached.

The address comes from ``public_url``. Where there is none it is what a believed proxy says (``X-Forwarded-Host`` and
those beside it), else the address that the connection was made to; never what a client writes into ``Host``, for
whoever takes the contract from there sends its passwords to that address. With a proxy that says nothing, or behind a
translation of addresses, ``public_url`` has to be set.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl
from xml.sax.saxutils import quoteattr

from lxml import etree
from starlette.datastructures import Headers

from bridge.fields import join_address
from soap.visit import from_proxy

if TYPE_CHECKING:
    from starlette.types import Scope

    from bridge.model.login import Network

PATH: Final = "/soap"
FILE: Final = "smsbridge.wsdl"

_PLACES: Final = (Path(__file__).parent / "contracts", Path(__file__).parent.parent / "wsdl")
"""Where the files are: in an installed package, and in a checkout."""

_ADDRESS: Final = re.compile(r'(<[\w.-]+:address\s+location=)"[^"]*"')
_SCHEMA: Final = "{http://www.w3.org/2001/XMLSchema}schema"

_HOST: Final = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252})|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?")
_PREFIX: Final = re.compile(r"(?:/[\w.~-]+)*", re.ASCII)


class Contract:
    """A contract as it is served."""

    def __init__(self, text: str) -> None:
        """Take the file's text."""
        self._text = text
        self.at = lru_cache(maxsize=32)(self._at)
        self.schema = _schema(text)

    @classmethod
    def load(cls, file: str = FILE) -> Contract:
        """Read a contract by the name of its file. Raises FileNotFoundError for one that was not installed."""
        found = next((place / file for place in _PLACES if (place / file).is_file()), None)
        if found is None:
            message = f"{file} is in none of {', '.join(map(str, _PLACES))}"
            raise FileNotFoundError(message)
        return cls(found.read_text(encoding="utf-8"))

    def _at(self, url: str) -> bytes:
        """Return the contract with ``url`` as the address of every port."""
        return _ADDRESS.sub(lambda found: found[1] + quoteattr(url), self._text).encode()


def _schema(text: str) -> bytes:
    """Return the schema of a contract, as a document of its own."""
    found = next(etree.fromstring(text.encode()).iter(_SCHEMA))
    alone = etree.fromstring(etree.tostring(found, with_tail=False))
    etree.cleanup_namespaces(alone, keep_ns_prefixes=["tns"])
    return etree.tostring(alone, encoding="UTF-8", xml_declaration=True)


def asked(query: bytes) -> str | None:
    """Return what a GET of the service asks for: ``wsdl``, ``xsd``, or None. How it is written is the client's habit.

    The one schema is number 1; there is no other.
    """
    for name, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
        match name.lower():
            case "wsdl" | "singlewsdl":
                return "wsdl"
            case "xsd" if value in {"", "1", "xsd0", "0"}:
                return "xsd"
    return None


def service_url(scope: Scope, public_url: str, trusted: tuple[Network, ...], path: str = PATH) -> str:
    """Return where the service is reached, for the one who asks by ``scope``."""
    base = public_url.rstrip("/")
    if not base and from_proxy(scope, trusted):
        base = _forwarded(Headers(scope=scope))
    return (base or _listening(scope)) + path


def _forwarded(headers: Headers) -> str:
    """Return what a proxy says of the address that its client used; nothing if it does not, or not clearly."""
    host = _last(headers, "x-forwarded-host")
    scheme = _last(headers, "x-forwarded-proto").lower() or "http"
    prefix = _last(headers, "x-forwarded-prefix").rstrip("/")
    if not _HOST.fullmatch(host) or scheme not in {"http", "https"} or not _PREFIX.fullmatch(prefix):
        return ""
    port = _last(headers, "x-forwarded-port")
    named = re.search(r":\d+$", host) is not None
    if port.isascii() and port.isdigit() and not named and port != {"http": "80", "https": "443"}[scheme]:
        host = f"{host}:{port}"
    return f"{scheme}://{host}{prefix}"


def _last(headers: Headers, name: str) -> str:
    """Return what the nearest proxy wrote; what stands before it may be anybody's."""
    return ",".join(headers.getlist(name)).rpartition(",")[2].strip()


def _listening(scope: Scope) -> str:
    host, port = scope.get("server") or ("127.0.0.1", 80)
    return f"http://{join_address(str(host), int(port))}"
