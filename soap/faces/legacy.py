"""``/ws.php``: the operations of the contract by query or form, answered in XML.

``service`` names the operation, the other fields are its elements. Names are taken in any case, ``fields[name]`` are
the pairs of ``fields``, and ``items`` is a JSON array. Everything is UTF-8. An answer is ``<response>``, with
``service`` before the elements of the operation's answer; the HTTP status is 200 where the answer's is 0, and only
there.
"""

from __future__ import annotations

import json
import re
from math import isfinite
from typing import TYPE_CHECKING, Any, Final

from lxml import etree
from starlette.responses import Response
from starlette.routing import Route

from bridge.model.errors import InvalidRequest, MalformedContent
from bridge.telemetry import get_logger
from soap.faces.forms import read_fields
from soap.faces.methods import OnlyBy
from soap.faces.records import append, http_status
from soap.faces.unexpected import attempt, known
from soap.results import Result, result
from soap.schema import REQUESTS
from soap.service import perform
from soap.writing import writable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from soap.receiving import Bodies
    from soap.visit import Visit, Visits

_log = get_logger(__name__)

DOOR: Final = "legacy"
PATHS: Final = ("/ws.php", "/api/ws.php")

HEADERS: Final = {"cache-control": "no-store", "x-content-type-options": "nosniff", "referrer-policy": "no-referrer"}
"""Of every answer: credentials may stand in the query, and an answer is about now."""

_FIELD: Final = re.compile(r"fields\[(.{1,64})\]", re.IGNORECASE | re.DOTALL)


class LegacyXml:
    """Serves the calls."""

    def __init__(self, visits: Visits, bodies: Bodies) -> None:
        """Make visits of requests with ``visits``, and take what comes with them by ``bodies``."""
        self._visits = visits
        self._bodies = bodies

    def routes(self) -> Sequence[BaseRoute]:
        """Return the routes."""
        return [Route(path, OnlyBy(self._serve, "GET", "POST")) for path in PATHS]

    async def _serve(self, request: Request) -> Response:
        visit = self._visits.visit(request, door=DOOR)
        root = etree.Element("response")
        told = etree.SubElement(root, "service")

        async def answer() -> int:
            values = read_values(await read_fields(request, self._bodies))
            told.text = writable(str(values.get("service", ""))[:64])
            found = await perform(read_service(values), visit, values)
            append(root, found)
            return int(found.status)

        def refuse(raised: Exception) -> int:
            status, text = refused(raised, visit, request)
            for name, value in (("status", str(status)), ("status_text", text), ("request_id", visit.id)):
                etree.SubElement(root, name).text = writable(value)
            return status

        status = await attempt(answer, refuse)
        return answered(status, etree.tostring(root, encoding="UTF-8", xml_declaration=True), "text/xml")


def refused(raised: Exception, visit: Visit, request: Request) -> Result:
    """Return status and text for what a call raised, and log that it was refused."""
    error = known(raised, visit_id=visit.id, path=request.scope["path"])
    _log.info("call refused", id=visit.id, door=visit.door, code=error.code)
    return result(error)


def answered(status: int, body: bytes, kind: str) -> Response:
    """Return an answer in UTF-8 with the HTTP status for an answer's ``status``."""
    http = http_status(status)
    headers = HEADERS | {"content-type": f"{kind}; charset=utf-8"}
    if http == 401:
        headers["www-authenticate"] = "Bearer"
    elif http == 503:
        headers["retry-after"] = "5"
    return Response(body, http, headers)


def read_values(fields: Mapping[str, bytes]) -> dict[str, Any]:
    """Return the elements of a request, and its service, from the fields of a query and a form.

    Raises :exc:`~bridge.model.errors.MalformedContent` for what is not UTF-8, and
    :exc:`~bridge.model.errors.InvalidRequest`.
    """
    values: dict[str, Any] = {}
    pairs: dict[str, str] = {}
    for written, raw in fields.items():
        try:
            value = raw.decode()
        except UnicodeDecodeError as error:
            raise MalformedContent(f"{written[:64]}: not UTF-8") from error
        if found := _FIELD.fullmatch(written):
            pairs[found[1]] = value
        else:
            values[written.lower()] = value
    if pairs or "fields" in values:
        values["fields"] = pairs
    if "items" in values:
        values["items"] = read_items(values["items"])
    return values


def read_service(values: Mapping[str, Any]) -> str:
    """Return the operation that a request names. Raises :exc:`~bridge.model.errors.InvalidRequest`."""
    service = str(values.get("service", "")).strip()
    if service not in REQUESTS:
        raise InvalidRequest(f"service: write one of {', '.join(REQUESTS)}")
    return service


def read_json(written: str | bytes) -> Any:
    """Return what a JSON text holds; ``NaN``, ``Infinity`` and numbers that become it are none. Raises ValueError."""
    return json.loads(written, parse_constant=_finite, parse_float=_finite)


def _finite(written: str) -> float:
    found = float(written)
    if not isfinite(found):
        message = "no number of JSON"
        raise ValueError(message)
    return found


def read_items(written: str) -> list[dict[str, Any]]:
    """Return the items of a bulk, from a JSON array of objects."""
    try:
        items = read_json(written)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest("items: not JSON") from error
    if not isinstance(items, list) or not all(isinstance(each, dict) for each in items):
        raise InvalidRequest("items: write a JSON array of objects")
    return [item_values(each) for each in items]


def item_values(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return the elements of an item as texts; ``dest`` may be an array of numbers, and ``fields`` is an object.

    Raises :exc:`~bridge.model.errors.InvalidRequest` for anything else that is no text, number or switch.
    """
    return {str(name).lower(): _value(str(name).lower(), value) for name, value in item.items()}


def _value(name: str, value: Any) -> Any:
    match value:
        case None | str():
            return value
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case list() if name == "dest":
            return ",".join(str(_value("", each) or "") for each in value)
        case dict() if name == "fields":
            return {str(key): _value("", each) or "" for key, each in value.items()}
    raise InvalidRequest(f"{name[:64] or 'a value'} is not a text")
