"""The kind ``http`` under the suite: a JSON API that takes our id, and an old one by GET that does not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode

from tests.contract.carriers.case import REPLY_TEXT, Arrival, Told
from tests.support.upstream import Answer, HttpCase, News, Upstream

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.support.upstream import Seen

_TOKEN = "open-sesame-1"
_PASSWORD = "simsalabim-2"
_SECRET = "a-secret-of-a-path-3"


class _Modern(Upstream):
    """``POST /messages`` with a bearer token; calls back with JSON."""

    def table(self) -> dict[str, Any]:
        return {
            "kind": "http",
            "url": f"{self.url}/messages",
            "auth": "bearer",
            "token": _TOKEN,
            "callback_secret": _SECRET,
            "fields": {"id": "{{id}}", "from": "{{sender}}", "to": ["{{to}}"], "text": "{{text}}", "tags": [1, True]},
            "takes_own_id": True,
            "id": "/messages/0/id",
            "callback_items": "/events",
            "callback_id": "/message/id",
            "callback_state": "state",
            "callback_states": {"DELIVRD": "delivered", "UNDELIV": "undelivered", "ACCEPTD": "nothing"},
            "callback_error": "error",
            "callback_time": "at",
            "inbound_from": "from",
            "inbound_to": "to",
            "inbound_text": "text",
            "inbound_id": "id",
            "inbound_time": "at",
        }

    def answer(self, seen: Seen) -> Answer:
        assert (seen.method, seen.path, seen.headers["content-type"]) == ("POST", "/messages", "application/json")
        if seen.headers.get("authorization") != f"Bearer {_TOKEN}":
            return Answer.of({"error": "who are you?"}, 401)
        body = seen.json
        assert body["tags"] == [1, True]
        (number,) = body["to"]
        arrival = Arrival(number=number, sender=body.get("from"), text=body["text"])
        carrier_id = f"m-{body['id']}"
        told = self.treat(arrival, carrier_id=carrier_id, key=body["id"])
        if told is Told.REFUSE:
            return Answer.of({"error": f"{number} takes no {body['text']}"}, 422)
        if told is Told.DEFER:
            return Answer.of({"error": f"not now, {_TOKEN}"}, 429, retry_after="7")
        return Answer.of({"messages": [{"id": carrier_id, "text": body["text"]}]}, 201)

    def news(self, told: Told, arrival: Arrival, carrier_id: str) -> Iterable[News]:
        assert self.urls is not None
        states = {Told.DELIVERED: "DELIVRD", Told.UNDELIVERED: "UNDELIV"}
        at = "2026-11-20T09:00:00+02:00"
        json_ = {"content-type": "application/json"}
        if told in states:
            event = {"message": {"id": carrier_id}, "state": states[told], "error": 0, "at": at}
            early = event | {"state": "ACCEPTD"}
            yield News(url=self.urls.callback, body=json.dumps({"events": [early, event]}).encode(), headers=json_)
        if told is Told.REPLY:
            event = {
                "id": f"in-{carrier_id}",
                "from": arrival.number,
                "to": arrival.sender,
                "text": REPLY_TEXT,
                "at": at,
            }
            yield News(url=self.urls.inbound, body=json.dumps({"events": [event]}).encode(), headers=json_)


class _Old(Upstream):
    """``GET /send.php`` in windows-1255, numbers as at home; answers with a line, calls back by GET."""

    def table(self) -> dict[str, Any]:
        return {
            "kind": "http",
            "method": "GET",
            "url": f"{self.url}/send.php?service=send",
            "user": "ann",
            "password": _PASSWORD,
            "callback_secret": _SECRET,
            "query": {
                "login": "{{user}}",
                "psw": "{{password}}",
                "to": "{{to}}",
                "from": "{{sender}}",
                "hex": "{{text|hex}}",
                "dlr": "{{callback_url}}",
            },
            "encoding": "none",
            "region": "IL",
            "number_form": "local",
            "answer": "text",
            "result": r"pattern ^(OK|ERROR \d+)",
            "results": {"OK": "accepted", "ERROR 7": "deferred", "*": "refused"},
            "id": r"pattern ^OK (\w+)",
            "callback_id": "id",
            "callback_state": "st",
            "callback_states": {"1": "delivered", "*": "undelivered"},
            "inbound_from": "phone",
            "inbound_to": "to",
            "inbound_text": "mes",
            "inbound_time": "t",
            "callback_charset": "utf-8",
        }

    def answer(self, seen: Seen) -> Answer:
        params = seen.params
        assert (seen.method, seen.path, params["service"]) == ("GET", "/send.php", "send")
        if (params["login"], params["psw"]) != ("ann", _PASSWORD):
            return Answer(body=b"ERROR 2 login", media_type="text/plain")
        text = bytes.fromhex(params["hex"]).decode("utf-16-be")
        assert params["to"].startswith("05")
        assert parse_qs(seen.target.partition("?")[2])["dlr"]
        arrival = Arrival(number=f"+972{params['to'][1:]}", sender=params.get("from"), text=text)
        carrier_id = f"o{len(self.seen)}x"
        told = self.treat(arrival, carrier_id=carrier_id)
        words = {Told.REFUSE: f"ERROR 8 {params['to']} {params['psw']}", Told.DEFER: "ERROR 7 balance"}
        return Answer(body=words.get(told, f"OK {carrier_id}").encode(), media_type="text/plain; charset=utf-8")

    def news(self, told: Told, arrival: Arrival, carrier_id: str) -> Iterable[News]:
        assert self.urls is not None
        if told in {Told.DELIVERED, Told.UNDELIVERED}:
            written = {"id": carrier_id, "st": "1" if told is Told.DELIVERED else "20"}
            yield News(url=f"{self.urls.callback}?{urlencode(written)}", method="GET")
        if told is Told.REPLY:
            home = "0" + arrival.number.removeprefix("+972")
            written = {"phone": home, "to": arrival.sender or "", "mes": REPLY_TEXT, "t": f"1795158{len(self.seen):03}"}
            yield News(url=f"{self.urls.callback}?{urlencode(written)}", method="GET")


class _ModernCase(HttpCase):
    name = "http, JSON"
    kind = "http"
    makes = _Modern
    takes_own_id = True
    told = frozenset(Told) - {Told.WAIT}
    secrets: tuple[str, ...] = (_TOKEN, _SECRET)
    bad: tuple[tuple[dict[str, Any], str], ...] = (
        ({"url": "ftp://gateway.example.com"}, "url"),
        ({"url": "https://{{user}}.example.com/"}, "url"),
        ({"url": f"https://ann:{_TOKEN}@gateway.example.com/"}, "url"),
        ({"url": "https://gateway.example.com:100000/"}, "url"),
        ({"url": f"https://gateway.example.com/?api_key={_TOKEN}"}, "url"),
        ({"token": 5}, "token"),
        ({"token": ""}, "token"),
        ({"password": _TOKEN}, "auth"),
        ({"auth": "basic"}, "auth"),
        ({"auth": "none"}, "body"),
        ({"auth": "digest"}, "auth"),
        ({"headers": {"X-Api-Key": _TOKEN}}, "headers"),
        ({"headers": {"X-Api-Key": "{{secrets.other}}"}}, "body"),
        ({"headers": {"X": "{{txet}}"}}, "headers"),
        ({"fields": {"text": "{{text|base64}}", "to": "{{to}}"}}, "fields"),
        ({"fields": {"text": "{{text}}", "to": "{{to}}"}}, "takes_own_id"),
        ({"fields": {"text": "{{text}}", "id": "{{id}}"}}, "body"),
        ({"fields": {"text": "{{text"}}, "fields"),
        ({"encoding": "form"}, "fields"),
        ({"method": "GET"}, "encoding"),
        ({"body": "{{text}}"}, "body"),
        ({"charset": "martian"}, "charset"),
        ({"number_form": "local"}, "number_form"),
        ({"number_prefixes": {"+972": "0"}}, "number_prefixes"),
        ({"statuses": {"409": "good"}}, "statuses.409"),
        ({"refused_pattern": "("}, "refused_pattern"),
        ({"id": "messages.id"}, "id"),
        ({"result": "/status"}, "results"),
        ({"results": {"1": "accepted"}}, "results"),
        ({"answer": "none"}, "answer"),
        ({"answer": "text"}, "answer"),
        ({"callback_secret": "short"}, "callback_secret"),
        ({"callback_states": {}}, "callback_state"),
        ({"callback_states": {"1": "read"}}, "callback_states.1"),
        ({"inbound_from": None}, "inbound_text"),
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"total_timeout": "1s"}, "total_timeout"),
        ({"tocken": "x"}, "tocken"),
    )


class _OldCase(HttpCase):
    name = "http, GET"
    kind = "http"
    makes = _Old
    told = frozenset(Told) - {Told.WAIT}
    secrets: tuple[str, ...] = (_PASSWORD, _SECRET)
    bad: tuple[tuple[dict[str, Any], str], ...] = (
        ({"password": None}, "body"),
        ({"query": {"to": "{{to}}", "psw": _PASSWORD}}, "query"),
        ({"auth": "bearer"}, "auth"),
        ({"fields": {"a": "b"}}, "fields"),
        ({"region": "XX"}, "region"),
        ({"result": "pattern ("}, "result"),
        ({"result": None}, "results"),
        ({"id": None, "result": None, "results": {}}, "answer"),
        ({"time_format": "%Q"}, "time_format"),
    )


CASES = (_ModernCase(), _OldCase())
