"""Maskyoo's side of its HTTP API, as its public pages have it: send_sms, the bulk service, the webhook of texts.

The pages say neither what send_sms answers nor how it refuses, nor how a callback_url is called. What stands here in
their place is one of many guesses, which a carrier may know from its settings only: ``said`` replaces the answer.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode
from xml.sax.saxutils import escape

from tests.contract.carriers.case import REPLY_TEXT, Arrival, Told
from tests.support.upstream import Answer, News, Upstream

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tests.support.upstream import Seen

TOKEN = "token-0123456789abcdef"
SECRET = "last-part-of-the-path"
LINE = "0722345678"
USERNAME = "ann@example.com"
PASSWORD = "older-accounts-password"

_WORDS = {Told.REFUSE: "Sender not approved", Told.DEFER: "No credit"}
_DEST = re.compile(r"05[0-9]{8}")
_SENDER = re.compile(r"0[0-9]{8,9}|\*[0-9]{4}|[A-Za-z0-9 .-]{1,11}")


class MaskyooServer(Upstream):
    """Takes texts as the provider does: a GET for each, or with ``bulk`` a list of JSON objects."""

    def __init__(self, *, bulk: bool = False) -> None:
        super().__init__()
        self.bulk = bulk
        self.said: Answer | None = None
        self.asked: list[dict[str, str]] = []
        self.callbacks: dict[str, str] = {}

    def table(self) -> dict[str, Any]:
        return {
            "kind": "maskyoo",
            "host": self.url,
            "bulk": self.bulk,
            "token": TOKEN,
            "default_sender": LINE,
            "callback_secret": SECRET,
            "refused_pattern": "not approved",
            "deferred_pattern": "(?i)no credit",
            "callback_state": "dlr",
            "callback_states": {"DELIVRD": "delivered", "UNDELIV": "undelivered", "ENROUTE": "nothing"},
        }

    def answer(self, seen: Seen) -> Answer:
        if self.bulk and seen.path != "/api/ws.php":
            assert (seen.method, seen.target) == ("POST", "/api/ws_json_bulk.php")
            assert seen.headers["content-type"] == "application/json"
            (told,) = seen.json
            assert set(told) <= {"service", "dest", "sender", "message", "sendtime", "callback_url"}
        else:
            assert (seen.method, seen.path, seen.body) == ("GET", "/api/ws.php", b"")
            told = seen.params
        login = (seen.headers.get("authorization"), told.get("username"), told.get("password"))
        assert login in {(f"Bearer {TOKEN}", None, None), (None, USERNAME, PASSWORD)}
        self.asked.append(told)
        if told["service"] == "send_sms":
            assert self.bulk == isinstance(seen.body and seen.json, list)
            answer = self._send(told)
            return self.said or answer
        return self.said or Answer(body=f"<r>{told['service']} done</r>".encode(), media_type="text/xml")

    def _send(self, told: Mapping[str, str]) -> Answer:
        assert _DEST.fullmatch(told["dest"])
        assert _SENDER.fullmatch(told["sender"])
        sender = told["sender"]
        # The line of the account is what a text without a sender comes from.
        own = None if sender == LINE else re.sub("^0", "+972", sender)
        arrival = Arrival(number=f"+972{told['dest'][1:]}", sender=own, text=told["message"])
        carrier_id = str(100_000_000 + len(self.asked))
        if "callback_url" in told:
            self.callbacks[carrier_id] = told["callback_url"]
        doing = self.treat(arrival, carrier_id=carrier_id)
        status = _WORDS.get(doing, "Message in Action")
        if self.bulk:
            said: dict[str, Any] = {"service": "send_sms", "status": status, "message": told["message"]}
            return Answer.of([said | ({} if doing in _WORDS else {"message_id": int(carrier_id)})])
        given = "" if doing in _WORDS else f"<message_id>{carrier_id}</message_id>"
        body = f"<response><status>{status}</status>{given}<message>{escape(told['message'])}</message></response>"
        return Answer(body=body.encode(), media_type="text/xml; charset=utf-8")

    def news(self, told: Told, arrival: Arrival, carrier_id: str) -> Iterable[News]:
        assert self.urls is not None
        if told in {Told.DELIVERED, Told.UNDELIVERED}:
            for state in ("ENROUTE", "DELIVRD" if told is Told.DELIVERED else "UNDELIV"):
                yield News(url=f"{self.callbacks[carrier_id]}&dlr={state}&message_id={carrier_id}", method="GET")
        if told is Told.REPLY:
            home, to = ("0" + number.removeprefix("+972") for number in (arrival.number, arrival.sender or ""))
            time = f"2026-11-20 09:00:{len(self.seen):02}"
            said = urlencode({"from": home, "to": to, "msg": REPLY_TEXT, "time": time})
            yield News(url=f"{self.urls.inbound}?{said}", method="GET")
