"""The kind ``apprise`` under the suite: a service for any JSON API, and an SMS gateway that judges its answers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.contract.carriers.case import Arrival, Told
from tests.support.upstream import Answer, HttpCase, Upstream, Wrong

if TYPE_CHECKING:
    from tests.support.upstream import Seen

_PASSWORD = "simsalabim-4"
_TOKEN = "open-sesame-5"
_HOUSE = "House"
"""What a text comes from that has no sender."""


class JsonService(Upstream):
    """``json://``: a POST of JSON. Each HTTP status of success is a yes."""

    def table(self) -> dict[str, Any]:
        url = f"json://acme:{_PASSWORD}@127.0.0.1:{self.port}/sms?:to={{to}}&:from={{sender}}"
        return {"kind": "apprise", "url": url, "default_sender": _HOUSE}

    def answer(self, seen: Seen) -> Answer:
        assert (seen.method, seen.path) == ("POST", "/sms")
        assert seen.headers["authorization"].startswith("Basic ")
        body = json.loads(seen.body)
        assert (body["title"], body["attachments"]) == ("", [])
        sender = None if body["from"] == _HOUSE else body["from"]
        self.treat(Arrival(number=body["to"], sender=sender, text=body["message"]), carrier_id="")
        return Answer.of({})


class SmsEagle(Upstream):
    """``smseagle://``: a gateway that apprise knows, and whose answer says ``ok``."""

    def table(self) -> dict[str, Any]:
        url = f"smseagle://{_TOKEN}@127.0.0.1:{self.port}/{{to}}"
        return {"kind": "apprise", "url": url, "max_chars": 2000}

    def answer(self, seen: Seen) -> Answer:
        body = json.loads(seen.body)
        assert body["method"] == "sms.send_sms"
        params = body["params"]
        assert params["access_token"] == _TOKEN
        self.treat(Arrival(number=params["to"], sender=None, text=params["message"]), carrier_id="")
        return Answer.of({"result": {"message_id": "748", "status": "ok"}})


_UNJUDGED = {Wrong.EMPTY, Wrong.PAGE, Wrong.WRONG_TYPE, Wrong.HALF_HEAD}
"""What ``json://`` takes for a yes: it looks at the status alone, and of these that is 200."""
_ENDLESS = {Wrong.ENDLESS, Wrong.ENDLESS_CHUNKED}
"""What requests would read to the end."""
_LATE = {Wrong.SILENT, Wrong.STALLED_HEAD, Wrong.STALLED_BODY, Wrong.TRICKLE}


class _Case(HttpCase):
    kind = "apprise"
    by_wire = False
    gives_ids = False
    # Of a refusal and of "later" apprise tells nothing that could be told from a lost answer.
    told = frozenset({Told.ACCEPT, Told.LOSE, Told.LOSE_UNSENT})


class _Json(_Case):
    name = "apprise, JSON"
    makes = JsonService
    troubles: tuple[str, ...] = tuple(wrong for wrong in Wrong if wrong not in _UNJUDGED | _ENDLESS | _LATE)
    secrets: tuple[str, ...] = (_PASSWORD,)
    bad: tuple[tuple[dict[str, Any], str], ...] = (
        ({"url": None}, "url"),
        ({"url": f"json://acme:{_PASSWORD}@sms.example.com/"}, "url"),
        ({"url": "sms.example.com/{to}"}, "url"),
        ({"url": "json://sms.example.com/{to}"}, "default_sender"),
        ({"default_sender": None}, "default_sender"),
        ({"default_sender": "A&B"}, "default_sender"),
        ({"number_form": "local"}, "number_form"),
        ({"max_chars": 0}, "max_chars"),
        ({"total_timeout": "0s"}, "total_timeout"),
        ({"ulr": "x"}, "ulr"),
    )


class _Eagle(_Case):
    name = "apprise, SMSEagle"
    makes = SmsEagle
    names_senders = False
    troubles: tuple[str, ...] = tuple(wrong for wrong in Wrong if wrong not in {Wrong.WRONG_TYPE} | _ENDLESS | _LATE)
    secrets: tuple[str, ...] = (_TOKEN,)
    bad: tuple[tuple[dict[str, Any], str], ...] = (({"default_sender": _HOUSE}, "default_sender"),)


CASES = (_Json(), _Eagle())
