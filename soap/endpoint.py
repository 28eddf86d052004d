"""``/soap``: calls by POST, the contract by GET, and for everything else what would be right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from soap.receiving import Bodies
from soap.schema import NAMESPACE
from soap.service import SmsBridge
from soap.transport import Transport
from soap.visit import new_id
from soap.wsdl import PATH, Contract, asked, service_url

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.types import ASGIApp, Receive, Scope, Send

    from bridge.doors import Services
    from bridge.model.login import Network
    from soap.config import SoapSettings
    from soap.visit import Visits

ALLOWED: Final = "GET, HEAD, POST"
_XML: Final = "text/xml; charset=utf-8"
_HEADERS: Final = {"cache-control": "no-cache", "x-content-type-options": "nosniff"}


class Endpoint:
    """Serves the service at one path, and its contract there and at another."""

    def __init__(
        self, calls: ASGIApp, contract: Contract, *, public_url: str, trusted: tuple[Network, ...], path: str = PATH
    ) -> None:
        """Serve ``calls``, an ASGI application that takes POST."""
        self._calls = calls
        self._contract = contract
        self._public_url = public_url
        self._trusted = trusted
        self._path = path

    @classmethod
    def of(cls, settings: SoapSettings, services: Services, visits: Visits) -> Endpoint:
        """Make the one of the service SmsBridge."""
        calls = Transport(SmsBridge, namespace=NAMESPACE, visits=visits, bodies=Bodies(settings.max_body))
        return cls(calls, Contract.load(), public_url=services.settings.public_url, trusted=settings.trusted_proxies)

    def routes(self) -> Sequence[Route]:
        """Return the routes. Who types the address may end it with a slash."""
        return [Route(self._path, self), Route(f"{self._path}/", self), Route(f"{self._path}.wsdl", self)]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        file = scope["path"].endswith(".wsdl")
        if scope["method"] == "POST" and not file:
            await self._calls(scope, receive, send)
        else:
            await self._described(scope, file=file)(scope, receive, send)

    def _described(self, scope: Scope, *, file: bool) -> Response:
        url = service_url(scope, self._public_url, self._trusted, self._path)
        if scope["method"] in {"GET", "HEAD"}:
            match "wsdl" if file else asked(scope["query_string"]):
                case "wsdl":
                    return Response(self._contract.at(url), 200, _HEADERS, _XML)
                case "xsd":
                    return Response(self._contract.schema, 200, _HEADERS, _XML)
        allowed = "GET, HEAD" if file else ALLOWED
        text = f"calls are made by POST; the contract is at {url}?wsdl (id {new_id()})\n"
        return PlainTextResponse(text, 405, _HEADERS | {"allow": allowed})
