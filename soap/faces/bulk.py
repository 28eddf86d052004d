"""``/ws_json_bulk.php``: a JSON array of texts in, one of what became of them out, in the same order.

Each element is an object with ``service`` (``send_sms``), ``dest``, ``message`` and, where wanted, ``sender``,
``sendtime``, ``callback_url``, ``reference`` and ``fields``. Each is answered by ``service``, ``status``,
``message_id``, ``message`` and ``sender``, as the original does, and by what is ours: ``status_code``, ``status_text``,
``reference``, ``recipients``. An element that is wrong stops no other.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from starlette.routing import Route

from bridge.model.errors import InvalidRequest, TooManyRecipients
from soap.faces.forms import parse_fields, read_body
from soap.faces.legacy import answered, item_values, read_json, read_values, refused
from soap.faces.methods import OnlyBy
from soap.faces.records import plain
from soap.faces.unexpected import attempt
from soap.operations.sending import MOST_ITEMS
from soap.results import TAKEN, Result, result
from soap.service import perform

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from soap.receiving import Bodies
    from soap.visit import Visit, Visits

DOOR: Final = "bulk"
PATHS: Final = ("/ws_json_bulk.php", "/api/ws_json_bulk.php")
ACTION: Final = "Message in Action"
REFUSED: Final = "Error"
_SERVICE: Final = "send_sms"
_OF_THE_CALL: Final[tuple[str, ...]] = ("username", "password", "token", "test")


class BulkJson:
    """Serves the calls."""

    def __init__(self, visits: Visits, bodies: Bodies) -> None:
        """Make visits of requests with ``visits``, and take what comes with them by ``bodies``."""
        self._visits = visits
        self._bodies = bodies

    def routes(self) -> Sequence[BaseRoute]:
        """Return the routes."""
        return [Route(path, OnlyBy(self._serve, "POST")) for path in PATHS]

    async def _serve(self, request: Request) -> Response:
        visit = self._visits.visit(request, door=DOOR)

        async def answer() -> tuple[int, Any]:
            query = read_values(parse_fields(request.scope["query_string"]))
            elements = read_elements(await read_body(request, self._bodies))
            login = {name: query[name] for name in _OF_THE_CALL if name in query}
            return await _send(visit, elements, login)

        def refuse(raised: Exception) -> tuple[int, Any]:
            status, text = refused(raised, visit, request)
            told = {"status": REFUSED, "status_code": status, "status_text": text, "request_id": visit.id}
            return status, told

        status, told = await attempt(answer, refuse)
        return answered(status, json.dumps(told, ensure_ascii=False).encode("utf-8", "replace"), "application/json")


def read_elements(body: bytes) -> list[Any]:
    """Return the elements of the array that a body holds. Raises :exc:`~bridge.model.errors.InvalidRequest`."""
    try:
        elements = read_json(body)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest("the body is not JSON in UTF-8") from error
    if not isinstance(elements, list):
        raise InvalidRequest("the body is no JSON array")
    if len(elements) > MOST_ITEMS:
        raise TooManyRecipients(f"at most {MOST_ITEMS} elements in one call")
    return elements


async def _send(visit: Visit, elements: Sequence[Any], login: dict[str, Any]) -> tuple[int, list[dict[str, Any]]]:
    """Return the status of the whole, and the answer for each element."""
    wrong: dict[int, Result] = {}
    items = []
    for place, element in enumerate(elements):
        try:
            items.append(_item(element))
        except InvalidRequest as error:
            wrong[place] = result(error)
    if items:
        answer = await perform("send_sms_bulk", visit, login | {"items": items})
        if not answer.results.result:
            # The call as a whole was refused, so each of its elements was.
            whole = Result(answer.status, answer.status_text)
            return whole.status, [_told(element, whole) for element in elements]
        records = iter(answer.results.result)
    else:
        await perform("get_credit", visit, login)  # nobody gets an answer without a login
        records = iter(())
    told = [
        _told(element, wrong[place]) if place in wrong else _record(element, next(records))
        for place, element in enumerate(elements)
    ]
    first = next((each["status_code"] for each in told if each["status_code"] != TAKEN.status), TAKEN.status)
    return (TAKEN.status if any(each["status"] == ACTION for each in told) else first), told


def _item(element: Any) -> dict[str, Any]:
    """Return an element as an item of a bulk. Raises :exc:`~bridge.model.errors.InvalidRequest`."""
    if not isinstance(element, dict):
        raise InvalidRequest("an element is no object")
    values = item_values(element)
    if values.pop("service", None) not in {None, _SERVICE}:
        raise InvalidRequest(f"service: only {_SERVICE} comes in bulk")
    return values


def _record(element: Any, record: Any) -> dict[str, Any]:
    told = plain(record)
    whole = Result(told.pop("status"), told.pop("status_text"))
    own = {name: told[name] for name in ("reference", "recipients", "extra") if name in told}
    return _told(element, whole, message_id=told.get("message_id") or None) | own


def _told(element: Any, whole: Result, *, message_id: str | None = None) -> dict[str, Any]:
    given = element if isinstance(element, dict) else {}
    return {
        "service": _SERVICE,
        "status": ACTION if whole.status == TAKEN.status else REFUSED,
        "message_id": message_id,
        "message": given.get("message"),
        "sender": given.get("sender"),
        "status_code": whole.status,
        "status_text": whole.text,
    }
