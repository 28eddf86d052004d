"""``/sys/soap.php``: the SOAP service of the SMSC face, whose contract is ``wsdl/smsc.wsdl``.

Its style is document/literal *bare*, every value is a string, and all operations have one SOAPAction: so an operation
is told by the element in the Body, by its name in whatever namespace. What is wrong with a call is a number in
``error``; a Fault is for envelopes that cannot be read, and for our own trouble.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from lxml import etree
from starlette.datastructures import Headers
from starlette.responses import Response

from bridge.model.errors import BridgeError, InvalidRequest, UnknownMessage, WrongState
from soap import faults
from soap.envelope import Sent, open_envelope, supposed_version
from soap.faces.forms import parse_fields
from soap.faces.smsc_answers import HEADERS, status_values
from soap.faces.smsc_calls import is_list
from soap.faces.smsc_orders import DOOR, read_choice
from soap.faces.smsc_terms import NO_MESSAGE, NOT_DELETED, decode, fault, money
from soap.faces.unexpected import attempt, known, unanswered
from soap.faults import Fault
from soap.security import split_name
from soap.visit import new_id
from soap.writing import writable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lxml.etree import _Element
    from starlette.types import Receive, Scope, Send

    from soap.faces.smsc_calls import Smsc
    from soap.faults import Version
    from soap.receiving import Bodies
    from soap.visit import Visit, Visits

NAMESPACE: Final = "https://smsc.ru/sys/soap.php"
PATH: Final = "/sys/soap.php"

_CHARSET: Final = re.compile(r"""charset\s*=\s*["']?([^\s"';]{1,40})""", re.IGNORECASE)
_OF_STATUS: Final[Mapping[type[BridgeError], int]] = {UnknownMessage: NO_MESSAGE, WrongState: NOT_DELETED}
_STATUS: Final = (
    *("status", "last_date", "last_timestamp", "err", "send_date", "send_timestamp", "phone", "cost"),
    *("sender_id", "status_name", "message", "operator", "region"),
)
"""What a ``statusresult`` may hold, in its order."""


class Operation(NamedTuple):
    """An operation: what it is called, the elements of its request, and the two outer ones of its answer."""

    name: str
    fields: tuple[str, ...]
    response: str
    result: str


_LOGIN: Final = ("login", "psw")

OPERATIONS: Final[Mapping[str, Operation]] = {
    "balance": Operation("get_balance", _LOGIN, "BalanceResponse", "balanceresult"),
    "send": Operation("send_sms", (*_LOGIN, "phones", "mes", "id", "sender", "time"), "SendResponse", "sendresult"),
    "send2": Operation(
        "send_sms2", (*_LOGIN, "phones", "mes", "id", "sender", "time", "query"), "Send2Response", "sendresult"
    ),
    "cost": Operation("get_sms_cost", (*_LOGIN, "phones", "mes"), "CostResponse", "costresult"),
    "cost2": Operation("get_sms_cost2", (*_LOGIN, "phones", "mes", "query"), "Cost2Response", "costresult"),
    "status": Operation("get_status", (*_LOGIN, "phone", "id", "all"), "StatusResponse", "statusresult"),
    "status2": Operation("get_status2", (*_LOGIN, "phone", "id", "all", "query"), "Status2Response", "statusresult"),
}
"""By the element in the Body."""


class SmscSoap:
    """Answers calls by POST, as an ASGI application."""

    def __init__(self, visits: Visits, bodies: Bodies, smsc: Smsc) -> None:
        """Stand before ``smsc``."""
        self._visits = visits
        self._bodies = bodies
        self._smsc = smsc

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. Nothing is raised but when the client has gone."""
        headers = Headers(scope=scope)
        kind, charset = _content_type(headers.get("content-type", ""))
        coding = headers.get("content-encoding", "")
        version = supposed_version(kind)
        visit_id = new_id()

        async def answer() -> tuple[bytes, int]:
            nonlocal version
            async with self._bodies.receive(headers, receive) as body:
                sent = Sent(body=body, media_type=kind, charset=charset, coding=coding)
                call = open_envelope(sent, limit=self._bodies.limit)
            version = call.version
            visit = self._visits.of(scope, door=DOOR, header=call.header, visit_id=visit_id)
            return _enveloped(await self._answer(visit, call.element), version), 200

        def fail(raised: Exception) -> tuple[bytes, int]:
            nonlocal version
            told = _fault(raised, visit_id)
            version = told.version or version
            return faults.render(told, version, visit_id), 500

        body, status = await attempt(answer, fail)
        await Response(body, status, HEADERS | {"content-type": version.content_type})(scope, receive, send)

    async def _answer(self, visit: Visit, element: _Element) -> _Element:
        """Return the element that answers a call. Raises :exc:`Fault`, and what is our own trouble."""
        name = split_name(element)[1]
        operation = OPERATIONS.get(name)
        if operation is None:
            raise Fault(faults.UNKNOWN_OPERATION, f"{name[:64]}: the Body holds one of {', '.join(OPERATIONS)}")
        try:
            values = await self._perform(operation, visit, _fields(element, operation))
        except BridgeError as error:
            number = fault(error)
            if number is None:
                raise
            code = _OF_STATUS.get(type(error), number) if operation.result == "statusresult" else number
            values = {"error": code}
        answer = etree.Element(f"{{{NAMESPACE}}}{operation.response}", nsmap={None: NAMESPACE})
        _append(etree.SubElement(answer, f"{{{NAMESPACE}}}{operation.result}"), values)
        return answer

    async def _perform(self, operation: Operation, visit: Visit, fields: dict[str, str]) -> dict[str, Any]:
        match operation.result:
            case "balanceresult":
                return {"balance": money(await self._smsc.balance(visit, fields))}
            case "statusresult":
                return await self._status(visit, fields)
            case "costresult":
                sent = await self._smsc.send(visit, fields | {"cost": "1"})
                return {"cost": money(sent.cost), "cnt": sent.count}
        sent = await self._smsc.send(visit, fields | {"cost": "3"})
        told = {"id": sent.id, "balance": money(sent.balance), "cost": money(sent.cost), "cnt": sent.count}
        wrong = [{"phone": one.phone, "status": one.error} for one in sent.phones if one.error]
        return told | ({"errors": wrong} if "query" in operation.fields else {})

    async def _status(self, visit: Visit, fields: dict[str, str]) -> dict[str, Any]:
        if is_list(fields):
            raise InvalidRequest("one id and one phone in a call")
        depth = read_choice(fields, "all", most=2)
        if read_choice(fields, "del", most=1):
            await self._smsc.delete(visit, fields)
        (found,) = await self._smsc.status(visit, fields)
        if found.at is None:
            raise UnknownMessage("no such message")
        told = status_values(found, depth)
        return {name: told[name] for name in _STATUS if name in told}


def _fault(error: Exception, visit_id: str) -> Fault:
    if isinstance(error, Fault):
        return error
    trouble = known(error, visit_id=visit_id, path=PATH)
    unanswered(trouble, visit_id=visit_id, path=PATH)
    return faults.of(trouble)


def _fields(element: _Element, operation: Operation) -> dict[str, str]:
    """Return what a call says; what its ``query`` adds never replaces what stands in an element of its own."""
    own = {}
    for child in element.iterchildren("*"):
        name = split_name(child)[1]
        if len(child):
            raise Fault(faults.MALFORMED, f"{name[:64]} is a text, and has no elements")
        if name in operation.fields:
            own[name] = child.text or ""
    query = own.pop("query", "")
    try:
        added = {name: decode(raw, "utf-8") for name, raw in parse_fields(query.encode()).items()}
    except UnicodeEncodeError:  # pragma: no cover - XML holds no surrogate
        added = {}
    return added | {name: value for name, value in own.items() if value}


def _append(parent: _Element, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        for each in value if isinstance(value, list) else (value,):
            child = etree.SubElement(parent, f"{{{NAMESPACE}}}{name}")
            if isinstance(each, dict):
                _append(child, each)
            else:
                child.text = writable(str(each))


def _enveloped(answer: _Element, version: Version) -> bytes:
    envelope = etree.Element(f"{{{version.namespace}}}Envelope", nsmap={"soap": version.namespace})
    etree.SubElement(envelope, f"{{{version.namespace}}}Body").append(answer)
    return etree.tostring(envelope, encoding="UTF-8", xml_declaration=True)


def _content_type(header: str) -> tuple[str, str | None]:
    """Return the media type of a Content-Type, and the charset that it names, if any."""
    kind, _, rest = header.partition(";")
    found = _CHARSET.search(rest)
    return kind.strip().lower(), found[1] if found else None
