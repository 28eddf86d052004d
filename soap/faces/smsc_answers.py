"""How the SMSC face answers: a value in one of the four formats, in the charset of the call.

``fmt`` is 0 for a line of text, 1 for numbers with commas, 2 for XML, 3 for JSON. Failures have HTTP status 200 as the
original's: its programs read the body. Where the trouble is ours there is no body at all, and status 503: libraries
take an empty answer as none, and ask again.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from lxml import etree
from starlette.responses import Response

from bridge.model.errors import MailTooLarge, UnknownMessage, WrongState
from soap.faces.smsc_terms import NAMES, NO_MESSAGE, NOT_DELETED, fault, meaning, money
from soap.writing import writable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from bridge.model.errors import BridgeError
    from soap.faces.smsc_calls import Found, Phone, Sent

TEXT: Final = 0
NUMBERS: Final = 1
XML: Final = 2
JSON: Final = 3

_TYPES: Final = {TEXT: "text/plain", NUMBERS: "text/plain", XML: "text/xml", JSON: "application/json"}
HEADERS: Final = {"cache-control": "no-store", "x-content-type-options": "nosniff", "referrer-policy": "no-referrer"}
_CURRENCY: Final = "credits"
_LONGEST_ID: Final = 10
"""Digits of a number that is an id of a client."""


class Answering:
    """Answers one call in its format. ``charset`` is one of :data:`~soap.faces.smsc_terms.CHARSETS`."""

    def __init__(self, *, fmt: int, charset: str) -> None:
        """Fix how to answer."""
        self._fmt = fmt
        self._charset = charset

    def sent(self, sent: Sent, *, op: bool = False, err: bool = False) -> Response:
        """Answer send.php. ``op`` adds a list of all numbers, ``err`` one of those that get nothing (XML and JSON)."""
        cost, balance = money(sent.cost), money(sent.balance)
        if self._fmt == TEXT:
            if sent.asked == 1:
                return self._said(f"{cost} ({sent.count} SMS)")
            told = [f"OK - {sent.count} SMS", f"ID - {sent.id}", f"COST - {cost}", f"BALANCE - {balance}"]
            return self._said(", ".join(told[: _shown(sent)]))
        if self._fmt == NUMBERS:
            if sent.asked == 1:
                return self._said(f"{cost},{sent.count}")
            return self._said(",".join([sent.id, str(sent.count), cost, balance][: _shown(sent)]))
        values: dict[str, Any] = {"id": _number(sent.id), "cnt": sent.count, "cost": cost, "balance": balance}
        kept = ("cost", "cnt") if sent.asked == 1 else tuple(values)[: _shown(sent)]
        told_values = {name: values[name] for name in kept}
        if op:
            told_values["phones"] = [_line(phone) for phone in sent.phones]
        if err:
            told_values["errors"] = [_line(phone) for phone in sent.phones if phone.error]
        return self._values("result", told_values)

    def status(self, found: Sequence[Found], *, depth: int, listed: bool) -> Response:
        """Answer status.php; ``depth`` is its ``all``. What is not there is an error, but in a list a status."""
        if not listed and found[0].at is None:
            return self.failed(UnknownMessage("no such message"), status=True)
        if self._fmt == TEXT:
            return self._said("\n".join(_sentence(one) for one in found))
        if self._fmt == NUMBERS:
            return self._said("\n".join(",".join(_numbers(one, depth)) for one in found))
        records = [status_values(one, depth, named=listed) for one in found]
        if not listed:
            return self._values("status", records[0])
        return self._values("statuses", records)

    def deleted(self) -> Response:
        """Answer status.php with ``del=1``."""
        return self._said("OK") if self._fmt < XML else self._values("result", {"result": "OK"})

    def balance(self, credit: int | None, *, currency: bool) -> Response:
        """Answer balance.php."""
        if self._fmt < XML:
            return self._said(money(credit))
        return self._values("result", {"balance": money(credit)} | ({"currency": _CURRENCY} if currency else {}))

    def failed(self, error: BridgeError, *, status: bool = False) -> Response:
        """Answer with an error; ``status`` is for status.php, where two numbers mean something else."""
        number = fault(error)
        if number is None:
            headers = HEADERS | {"retry-after": "5"}
            return Response(b"", HTTPStatus.SERVICE_UNAVAILABLE, headers, _TYPES[self._fmt])
        code: int = number
        text = meaning(number, error)
        if status and isinstance(error, UnknownMessage):
            code, text = NO_MESSAGE, "no such message"
        elif status and isinstance(error, WrongState):
            code, text = NOT_DELETED, "cannot be deleted"
        # Nobody read that call to its end: what takes part in HTTP alone has to know.
        http = HTTPStatus.REQUEST_ENTITY_TOO_LARGE if isinstance(error, MailTooLarge) else HTTPStatus.OK
        if self._fmt == TEXT:
            return self._said(f"ERROR = {code} ({text})", http=http)
        if self._fmt == NUMBERS:
            return self._said(f"0,-{code}", http=http)
        return self._values("result", {"error": text, "error_code": code}, http=http)

    def _said(self, line: str, *, http: int = 200) -> Response:
        return self._response(line.encode(self._charset, "replace"), http)

    def _values(self, root: str, values: dict[str, Any] | list[dict[str, Any]], *, http: int = 200) -> Response:
        if self._fmt == JSON:
            # In ASCII, which is the same in every charset.
            return self._response(json.dumps(values, separators=(",", ":")).encode("ascii"), http)
        tree = etree.Element(root)
        if isinstance(values, dict):
            _write(tree, values)
        else:
            for each in values:
                _write(etree.SubElement(tree, "status"), each)
        # What the charset has not is written as a reference.
        return self._response(etree.tostring(tree, encoding=self._charset.upper(), xml_declaration=True), http)

    def _response(self, body: bytes, http: int) -> Response:
        kind = f"{_TYPES[self._fmt]}; charset={self._charset}"
        return Response(body, http, HEADERS | {"content-type": kind})


def _shown(sent: Sent) -> int:
    """Return how many of id, count, cost and balance are told."""
    return max(2, sent.asked + 1)


def _number(id_: str) -> int | str:
    # An id that was asked for may be anything; Python makes no number of 4,301 digits.
    return int(id_) if id_.isdecimal() and len(id_) <= _LONGEST_ID else id_


def _line(phone: Phone) -> dict[str, Any]:
    told: dict[str, Any] = {"phone": phone.phone, "cost": money(phone.cost)}
    return told | ({"error": phone.error} if phone.error else {})


def _sentence(one: Found) -> str:
    checked = f", check_time = {_date(one.at)}" if one.at is not None else ""
    return f"Status = {int(one.code)}{checked}"


def _numbers(one: Found, depth: int) -> list[str]:
    """Return the fields of a line: what may hold a comma, the text, would be the last, and is not told."""
    told = [str(int(one.code)), _stamp(one.at), str(one.error)]
    if depth:
        told += [_stamp(one.send_at), one.phone, money(one.cost), one.sender, NAMES[one.code]]
        told += [""] * 3 if depth == 2 else []
        told.append("")
    return told


def status_values(one: Found, depth: int, *, named: bool = False) -> dict[str, Any]:
    """Return what is told of one text; ``depth`` is the ``all`` of the call, and ``named`` adds what it is."""
    told: dict[str, Any] = {"id": _number(one.id), "phone": one.phone} if named else {}
    told["status"] = int(one.code)
    if one.at is None:
        return told
    told |= {"last_date": _date(one.at), "last_timestamp": int(one.at.timestamp()), "err": one.error}
    if depth and one.send_at is not None:
        told |= {
            "send_date": _date(one.send_at),
            "send_timestamp": int(one.send_at.timestamp()),
            "phone": one.phone,
            "cost": money(one.cost),
            "sender_id": one.sender,
            "status_name": NAMES[one.code],
            "message": "",
        }
    if depth == 2:
        told |= {"country": "", "operator": "", "region": ""}
    return told


def _date(moment: datetime) -> str:
    return f"{moment:%d.%m.%Y %H:%M:%S}"


def _stamp(moment: datetime | None) -> str:
    return "0" if moment is None else str(int(moment.timestamp()))


def _write(parent: Any, values: Mapping[str, Any]) -> None:
    """Append an element for each value; a list is an element with one ``phone`` for each of its own."""
    for name, value in values.items():
        child = etree.SubElement(parent, name)
        if isinstance(value, list):
            for each in value:
                _write(etree.SubElement(child, "phone"), each)
        else:
            child.text = writable(str(value))
