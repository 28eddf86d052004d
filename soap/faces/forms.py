"""What a client wrote in a query and a form, as bytes: the charset is told by one of the fields.

A name that comes twice counts as it did the last time, and the body's counts before the query's. Everything is
bounded before it is looked at. Raises :exc:`~bridge.model.errors.InvalidRequest` and
:exc:`~bridge.model.errors.MailTooLarge`, which here says that the body is too large.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_to_bytes

from bridge.model.errors import BridgeError, InvalidRequest, MailTooLarge, Trouble
from soap.faults import BUSY, TOO_LARGE, Fault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.requests import Request

    from soap.receiving import Bodies

MOST_BYTES: Final = 2 << 20
"""Bytes of a body: ten thousand numbers and their texts are less."""

_ERRORS: Final[dict[str, type[BridgeError]]] = {TOO_LARGE: MailTooLarge, BUSY: Trouble}

_MOST_FIELDS: Final = 200
_FORM: Final = "application/x-www-form-urlencoded"
_MULTIPART: Final = "multipart/form-data"
_BOUNDARY: Final = re.compile(r'boundary=(?:"([^"\r\n]{1,70})"|([^\s;,"]{1,70}))', re.IGNORECASE)
_NAME: Final = re.compile(rb'content-disposition:[^\r\n]*?[;\s]name="?([^"\r\n;]{1,64})"?', re.IGNORECASE)


async def read_body(request: Request, bodies: Bodies) -> bytes:
    """Return the body of a request.

    Raises :exc:`~bridge.model.errors.MailTooLarge`, :exc:`~bridge.model.errors.InvalidRequest` for one that does not
    come to its end, and :exc:`~bridge.model.errors.Trouble` while there is no room for it.
    """
    try:
        async with bodies.receive(request.headers, request.receive) as body:
            return body
    except Fault as fault:
        raise _ERRORS.get(fault.code, InvalidRequest)(fault.text) from fault


async def read_fields(request: Request, bodies: Bodies) -> dict[str, bytes]:
    """Return the fields of a request's query and of its form, by name."""
    body = await read_body(request, bodies)
    return parse_fields(request.scope["query_string"], body, request.headers.get("content-type", ""))


def parse_fields(query: bytes, body: bytes = b"", content_type: str = "") -> dict[str, bytes]:
    """Return the fields of a query and of a form (HTML 4.01, 17.13.4; RFC 7578), by name."""
    fields = dict(_pairs(query))
    kind = content_type.partition(";")[0].strip().lower()
    if kind == _MULTIPART:
        fields.update(_parts(body, content_type))
    elif kind in {_FORM, ""}:
        fields.update(_pairs(body.strip(b"\r\n")))
    elif body:
        raise InvalidRequest(f"a form is {_FORM} or {_MULTIPART}")
    return fields


def _pairs(raw: bytes) -> Iterator[tuple[str, bytes]]:
    pairs = raw.split(b"&", _MOST_FIELDS) if raw else []
    if len(pairs) > _MOST_FIELDS:
        raise InvalidRequest(f"more than {_MOST_FIELDS} fields")
    for pair in pairs:
        name, _, value = pair.replace(b"+", b" ").partition(b"=")
        if name:
            yield unquote_to_bytes(name).decode("utf-8", "replace"), unquote_to_bytes(value)


def _parts(body: bytes, content_type: str) -> Iterator[tuple[str, bytes]]:
    found = _BOUNDARY.search(content_type)
    if found is None:
        raise InvalidRequest("a multipart form without its boundary")
    boundary = (found[1] or found[2]).encode("latin-1", "replace")
    _, *parts = (b"\r\n" + body).split(b"\r\n--" + boundary, _MOST_FIELDS + 1)
    if not parts or len(parts) > _MOST_FIELDS or not parts.pop().startswith(b"--"):
        raise InvalidRequest(f"a multipart form of other parts than it says, or of more than {_MOST_FIELDS}")
    for part in parts:
        head, blank, value = part.partition(b"\r\n\r\n")
        name = _NAME.search(head)
        if not blank or name is None:
            raise InvalidRequest("a part of a form without its name")
        yield name[1].decode("utf-8", "replace"), value
