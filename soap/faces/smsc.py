"""The HTTP files of the SMSC face: ``/sys/send.php``, ``/sys/status.php`` and ``/sys/balance.php``.

A program written for smsc.ru changes the host's name and works; docs/legacy-apis.md has what is known of that
interface, and what is ours. Parameters come in the query and in forms, in windows-1251 unless ``charset`` says
otherwise, and answers go out in the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Route

from bridge.model.errors import InvalidRequest
from soap.faces.forms import read_fields
from soap.faces.methods import OnlyBy
from soap.faces.smsc_answers import JSON, TEXT, Answering
from soap.faces.smsc_calls import is_list
from soap.faces.smsc_orders import DOOR, read_choice
from soap.faces.smsc_terms import CHARSETS, DEFAULT_CHARSET, decode, fault
from soap.faces.unexpected import attempt, known, unanswered

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from soap.faces.smsc_calls import Smsc
    from soap.receiving import Bodies
    from soap.visit import Visit, Visits


class SmscFiles:
    """Serves the three files."""

    def __init__(self, visits: Visits, bodies: Bodies, smsc: Smsc) -> None:
        """Stand before ``smsc``."""
        self._visits = visits
        self._bodies = bodies
        self._smsc = smsc

    def routes(self) -> Sequence[BaseRoute]:
        """Return the routes."""
        files = {"send": self._send, "status": self._status, "balance": self._balance}
        return [
            Route(f"/sys/{name}.php", OnlyBy(self._serving(name, file), "GET", "POST")) for name, file in files.items()
        ]

    def _serving(self, name: str, file: _File) -> Callable[[Request], Awaitable[Response]]:
        async def serve(request: Request) -> Response:
            visit = self._visits.visit(request, door=DOOR)
            answering = Answering(fmt=TEXT, charset=DEFAULT_CHARSET)

            async def answer() -> Response:
                # An error is answered in the form that was understood so far.
                nonlocal answering
                raw = await read_fields(request, self._bodies)
                charset = _charset(raw.get("charset", b""))
                answering = Answering(fmt=TEXT, charset=charset)
                answering = Answering(fmt=_format(raw.get("fmt", b"")), charset=charset)
                fields = {key: decode(value, charset) for key, value in raw.items()}
                return await file(visit, fields, answering)

            def fail(raised: Exception) -> Response:
                error = known(raised, visit_id=visit.id, path=request.scope["path"])
                if fault(error) is None:
                    unanswered(error, visit_id=visit.id, path=request.scope["path"])
                return answering.failed(error, status=name == "status")

            return await attempt(answer, fail)

        return serve

    async def _send(self, visit: Visit, fields: dict[str, str], answering: Answering) -> Response:
        op, err = (read_choice(fields, flag, most=1) == 1 for flag in ("op", "err"))
        return answering.sent(await self._smsc.send(visit, fields), op=op, err=err)

    async def _status(self, visit: Visit, fields: dict[str, str], answering: Answering) -> Response:
        depth = read_choice(fields, "all", most=2)
        if read_choice(fields, "del", most=1):
            await self._smsc.delete(visit, fields)
            return answering.deleted()
        return answering.status(await self._smsc.status(visit, fields), depth=depth, listed=is_list(fields))

    async def _balance(self, visit: Visit, fields: dict[str, str], answering: Answering) -> Response:
        currency = read_choice(fields, "cur", most=1) == 1
        return answering.balance(await self._smsc.balance(visit, fields), currency=currency)


if TYPE_CHECKING:
    _File = Callable[[Visit, dict[str, str], Answering], Awaitable[Response]]


def _charset(raw: bytes) -> str:
    named = raw.decode("ascii", "replace").strip().lower()
    if not named:
        return DEFAULT_CHARSET
    if named not in CHARSETS:
        raise InvalidRequest(f"charset: {', '.join(dict.fromkeys(CHARSETS.values()))}")
    return CHARSETS[named]


def _format(raw: bytes) -> int:
    return read_choice({"fmt": raw.decode("ascii", "replace")}, "fmt", most=JSON)
