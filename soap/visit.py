"""What a service gets of the request it answers: who calls, the desk to ask, and the id to name in a complaint."""

from __future__ import annotations

import base64
import binascii
import secrets
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from starlette.datastructures import Headers

from bridge.calls.logins import Password, Token
from bridge.model.login import read_address

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection
    from starlette.types import Scope

    from bridge.calls.desk import Desk
    from bridge.calls.logins import Credentials, Logins
    from bridge.calls.values import Caller
    from bridge.model.login import Address, Network


@dataclass(frozen=True, kw_only=True, slots=True)
class Visit:
    """One call from outside. ``id`` stands in what the client is told and in the log; ``door`` names the way in."""

    id: str
    desk: Desk
    door: str
    logins: Logins = field(repr=False)
    scope: Scope = field(repr=False)
    trusted: tuple[Network, ...] = field(repr=False)
    header: Credentials | None = field(default=None, repr=False)

    async def caller(
        self, username: str | None = None, password: str | None = None, token: str | None = None
    ) -> Caller:
        """Return who calls: by the arguments of the call; without them by its header; without that by HTTP's own.

        ``""`` is as good as None. Raises what :meth:`bridge.calls.logins.Logins.login` does, also when there is no
        login at all.
        """
        return await self.logins.login(self._credentials(username, password, token), address=self.address)

    @property
    def brings_login(self) -> bool:
        """Whether the envelope's header or HTTP's own holds a login, right or wrong."""
        return self.header is not None or "authorization" in Headers(scope=self.scope)

    @property
    def address(self) -> str:
        """The client's IP address: the peer's, or what proxies that are believed say; empty where nobody knows."""
        return client_address(self.scope, self.trusted)

    def _credentials(self, username: str | None, password: str | None, token: str | None) -> Credentials | None:
        if username and password:
            return Password(user=username, password=password)
        if token:
            return Token(token=token)
        found = self.header or http_credentials(Headers(scope=self.scope).get("authorization", ""))
        if found is None and (username or password):
            return Password(user=username or "", password=password or "")  # half a login is a wrong one
        return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Visits:
    """Makes visits out of requests, for every face of the door. ``trusted`` are the proxies that are believed."""

    desk: Desk
    logins: Logins
    trusted: tuple[Network, ...] = ()

    def visit(self, request: HTTPConnection, *, door: str = "soap") -> Visit:
        """Return the visit of a request."""
        return self.of(request.scope, door=door)

    def of(
        self, scope: Scope, *, door: str = "soap", header: Credentials | None = None, visit_id: str | None = None
    ) -> Visit:
        """Return the visit of a request by its ASGI scope. ``header`` is the login that its envelope's header holds."""
        return Visit(
            id=visit_id or new_id(),
            desk=self.desk,
            door=door,
            logins=self.logins,
            scope=scope,
            trusted=self.trusted,
            header=header,
        )


def new_id() -> str:
    """Return an id for a request: 16 hexadecimal digits."""
    return secrets.token_hex(8)


def http_credentials(authorization: str) -> Credentials | None:
    """Return what an ``Authorization`` header holds: Basic (RFC 7617) or Bearer (RFC 6750); None for all else."""
    scheme, _, value = authorization.strip().partition(" ")
    value = value.strip()
    match scheme.lower():
        case "bearer" if value:
            return Token(token=value)
        case "basic":
            return _basic(value)
    return None


def _basic(value: str) -> Password | None:
    try:
        # suds writes the alphabet of URLs.
        plain = base64.b64decode(value.replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError):
        return None
    try:
        pair = plain.decode()
    except UnicodeDecodeError:
        pair = plain.decode("latin-1")
    user, colon, password = pair.partition(":")
    return Password(user=user, password=password) if colon else None


def client_address(scope: Scope, trusted: tuple[Network, ...]) -> str:
    """Return the IP address of the client, in its one spelling, or nothing where it cannot be told.

    It is the peer's; where the peer is a proxy that is believed, the last address of ``X-Forwarded-For`` that is no
    such proxy's. That header of anybody else says nothing.
    """
    client = scope.get("client")
    if not client:
        return ""
    address, spelt, believed = _known(client[0], trusted)
    if not believed:
        return spelt
    named = [part for line in Headers(scope=scope).getlist("x-forwarded-for") for part in line.split(",")]
    if not named:
        return spelt
    for each in reversed(named):
        before = read_address(_without_port(each.strip()))
        if before is None:  # a proxy that does not know or hides it; what stands before is anybody's word
            break
        address = before
        if not _within(address, trusted):
            break
    return _spelt(address)


def from_proxy(scope: Scope, trusted: tuple[Network, ...]) -> bool:
    """Return whether the peer is a proxy that is believed."""
    return _within(_peer(scope), trusted)


def _peer(scope: Scope) -> Address | None:
    client = scope.get("client")
    return read_address(client[0]) if client else None


@lru_cache(maxsize=4096)
def _known(written: str, trusted: tuple[Network, ...]) -> tuple[Address | None, str, bool]:
    """Return the address of a peer, its one spelling, and whether it is a proxy that is believed."""
    address = read_address(written)
    return address, _spelt(address), _within(address, trusted)


def _within(address: Address | None, networks: tuple[Network, ...]) -> bool:
    return address is not None and any(
        address.version == network.version and address in network for network in networks
    )


def _spelt(address: Address | None) -> str:
    return "" if address is None else str(address)


def _without_port(written: str) -> str:
    """Return the address of ``192.0.2.1:80``, ``[2001:db8::1]:80``, or either without a port."""
    if written.startswith("["):
        return written[1:].partition("]")[0]
    return written.partition(":")[0] if written.count(":") == 1 else written
