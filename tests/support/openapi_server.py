"""openapi.com's side of its SMS interfaces, from their OAS: Gateway SMS (v1), SMS v2, and the login for both.

What the documents leave open is chosen so that nobody can rely on it: the summary that v1 calls with says no state,
its credit is text in one answer and a number in the next, and the list of messages has those of others, too.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from tests.contract.carriers.case import Arrival, Told
from tests.support.upstream import Answer, HangUp, News, Upstream

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.support.upstream import Seen

EMAIL: Final = "shop@example.com"
API_KEY: Final = "an-api-key-9-of-the-shop"
TOKEN: Final = "a-fixed-token-9-of-the-shop"
SECRET: Final = "a-secret-of-a-path-9"
SENDER: Final = "Our Shop"
NOW: Final = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)
"""The clock of the suite."""
STATES: Final = {Told.DELIVERED: "DELIVERED", Told.UNDELIVERED: "UNDELIVERABLE"}

_V1_NUMBER: Final = re.compile(r"\+(1|7|20|27|3[0-469]|4[0-9]|972)-([0-9]{4,13})")
"""Their prefixes, as far as the suite has numbers."""


class _Login(Upstream):
    """The part that both versions share: tokens, the wallet, and who may do what."""

    host: str
    """The name under which its scopes are known."""

    def __init__(self, *, oauth: bool, called: bool = True) -> None:
        super().__init__()
        self.oauth = oauth
        self.called = called
        self.tokens: dict[str, list[str]] = {}
        self.renewals: dict[str, str] = {}
        self.life = timedelta(hours=24)
        self.credit: Any = "12.34"
        self.token_answer: Answer | None = None
        """What is said to every login."""
        self.messages: dict[str, dict[str, Any]] = {}
        self._serial = count(1)

    def table(self) -> dict[str, Any]:
        login = {"email": EMAIL, "api_key": API_KEY, "oauth_host": self.url} if self.oauth else {"token": TOKEN}
        called = {"callback_secret": SECRET} if self.called else {}
        return {"kind": "openapi", "host": self.url} | login | called

    def spares(self, seen: Seen) -> bool:
        return seen.path.startswith("/tokens")

    def answer(self, seen: Seen) -> Answer:
        if seen.path == "/tokens" and seen.method == "POST":
            return self._token(seen) if self._is_login(seen) else Answer.of({"message": "Unauthorized"}, 401)
        if seen.path.startswith("/tokens/") and seen.method == "PATCH":
            return self._renewal(seen)
        if seen.path == "/wallet":
            wallet = {"credit": self.credit, "createdAt": "2025-01-15T10:00:00+00:00"}
            return Answer.of({"data": wallet}) if self._is_login(seen) else Answer.of({"message": "Unauthorized"}, 401)
        scheme, _, token = seen.headers.get("authorization", "").partition(" ")
        scopes = self.tokens.get(token) if self.oauth else ["*"] if token == TOKEN else None
        if scheme != "Bearer" or scopes is None:
            return Answer.of({"message": "Unauthorized"}, 401)
        wanted = f"{seen.method}:{self.host}{seen.path}"
        if scopes != ["*"] and not any(wanted.startswith(scope) for scope in scopes):
            return Answer.of({"message": "Forbidden"}, 403)
        return self.api(seen)

    def api(self, seen: Seen) -> Answer:
        """Answer a call with a good token."""
        raise NotImplementedError

    def new_id(self) -> str:
        """Return 24 hexadecimal digits, as their ids are."""
        return f"{0x5D443A6E9F27256600000000 + next(self._serial):024x}"

    def _is_login(self, seen: Seen) -> bool:
        scheme, _, value = seen.headers.get("authorization", "").partition(" ")
        return scheme == "Basic" and b64decode(value).decode() == f"{EMAIL}:{API_KEY}"

    def _token(self, seen: Seen) -> Answer:
        if self.token_answer is not None:
            return self.token_answer
        scopes = seen.json["scopes"]
        assert isinstance(seen.json["ttl"], int)
        if not scopes or not all(re.fullmatch(r"[A-Z]+:[a-z.]+/\S+", scope) for scope in scopes):
            words = "Invalid scopes specified or API not enabled"
            return Answer.of({"success": False, "message": words, "error": 90, "data": None}, 422)
        return self._made(scopes)

    def _renewal(self, seen: Seen) -> Answer:
        token = seen.path.rpartition("/")[2]
        renewal = seen.headers["authorization"].removeprefix("Bearer ")
        if self.renewals.get(renewal) != token or token not in self.tokens:
            return Answer.of({"success": False, "message": "Unauthorized", "error": 130, "data": None}, 401)
        del self.renewals[renewal]
        return self._made(self.tokens.pop(token))

    def _made(self, scopes: list[str]) -> Answer:
        token, renewal = f"token-{self.new_id()}", f"renewal-{self.new_id()}"
        self.tokens[token] = scopes
        self.renewals[renewal] = token
        until = (NOW + self.life).isoformat().replace("+00:00", "Z")
        return Answer.of({"token": token, "expireAt": until, "refreshToken": renewal, "scopes": scopes})


class GatewayServer(_Login):
    """Version 1. ``field`` is the form field of its calls; without it they are raw JSON."""

    host = "ws.messaggisms.com"

    def __init__(self, *, oauth: bool = False, called: bool = True, field: str | None = None) -> None:
        super().__init__(oauth=oauth, called=called)
        self.field = field
        self.credits = ["12.34", 12.34]
        # Of somebody else on the same account.
        self.messages["5d3f05c29f2725610c2b4e60"] = self._message(
            {"sender": "alberto", "body": "x", "options": {"custom": {"test": 123}}}, valid=1
        ) | {"id": "5d3f05c29f2725610c2b4e60"}

    def table(self) -> dict[str, Any]:
        own = {} if self.field is None else {"callback_field": self.field}
        return super().table() | {"version": 1, "default_sender": SENDER} | own

    def api(self, seen: Seen) -> Answer:
        steps = seen.path.strip("/").split("/")
        assert steps[0] == "messages"
        match seen.method, steps[1:]:
            case "POST", []:
                return self._send(seen.json)
            case "GET", []:
                return self._list()
            case "GET", [name]:
                message = self.messages.get(name)
                return self._said([message], "1 Result") if message else self._error(406, 202, "Invalid Message ID")
            case "GET", [name, "recipients"]:
                return self._recipients(name)
            case "DELETE", [name]:
                return self._delete(name)
        return Answer(status=405)

    def news(self, told: Told, arrival: Arrival, carrier_id: str) -> Iterable[News]:
        if told in STATES:
            yield self.call(carrier_id)

    def call(self, carrier_id: str) -> News:
        """Make the call about a message as it stands: a summary, of which no key is documented."""
        message = self.messages[carrier_id]
        url = message["options"]["callback_url"]
        said = json.dumps({key: message[key] for key in ("id", "sender", "statistics", "options")})
        field = message["options"].get("callback_field")
        if field is None:
            return News(url=url, body=said.encode(), headers={"content-type": "application/json"})
        form = {"content-type": "application/x-www-form-urlencoded"}
        return News(url=url, body=urlencode({field: said}).encode(), headers=form)

    def _send(self, body: dict[str, Any]) -> Answer:
        for name in ("sender", "body", "recipients"):
            if not body.get(name):
                return self._error(422, 302, f"missing '{name}' parameter")
        assert body.get("transaction", False) is False
        assert body.get("priority", 1) >= 1
        assert body["options"].get("callback_field") == self.field
        recipient = body["recipients"]
        written, fields = (recipient, {}) if isinstance(recipient, str) else (recipient["number"], recipient["fields"])
        number = _V1_NUMBER.fullmatch(written)
        e164 = f"+{number[1]}{number[2]}" if number else written
        told = self._told.get(e164, Told.ACCEPT)
        if told is Told.DEFER:
            return self._error(402, 201, "Current User credit is not enough. 0.3 needed 0.1 € available")
        valid = int(number is not None and told is not Told.REFUSE)
        message = self._message(body, valid=valid) | {"number": written}
        if not valid:
            message["recipients"]["invalid"] = {"total": 1, "list": [written]}
        carrier_id = message["id"]
        if told is not Told.LOSE_UNSENT:
            self.messages[carrier_id] = message
        if valid and not body.get("test"):
            text = re.sub(r"\{\{(.*?)\}\}", lambda found: str(fields.get(found[1].strip(), "")), body["body"])
            message["word"] = "WAITING" if told is Told.WAIT else STATES.get(told, "SENT_TO_NETWORK")
            sender = None if body["sender"] == SENDER else body["sender"]
            sender = f"+{sender}" if sender is not None and sender.isdigit() else sender
            self.treat(Arrival(number=e164, sender=sender, text=text), carrier_id=carrier_id)
        return self._said([_public(message)], "Message Queued", status=201)

    def _message(self, body: dict[str, Any], *, valid: int) -> dict[str, Any]:
        stamp = str(int(NOW.timestamp() * 1000))
        return {
            "id": self.new_id(),
            "test": bool(body.get("test")),
            "sender": body["sender"],
            "body": body["body"],
            "recipients": {"valid": {"count": valid}, "invalid": {"total": 0, "list": []}},
            "options": body["options"],
            "transaction": False,
            "statistics": {"error": 0, "sent": 0, "delivered": 0, "total": 1, "sms_total": 1},
            "price": 0.03,
            "priority": body.get("priority", 1),
            "timestamp": stamp,
            "last_update": stamp,
            "state": 0,
        }

    def _list(self) -> Answer:
        if not self.messages:
            return self._error(404, 203, "No message found")
        items = [{key: one[key] for key in ("sender", "timestamp", "id")} for one in self.messages.values()]
        return self._said(items[::-1], f"{len(items)} Results")

    def _recipients(self, name: str) -> Answer:
        message = self.messages.get(name)
        if message is None:
            return self._error(406, 202, "Invalid Message ID")
        if "number" not in message or not message["recipients"]["valid"]["count"]:
            return self._error(404, 203, "No message found")
        word = message.get("word", "WAITING")
        ends = word in STATES.values()
        item = {
            "number": message["number"],
            "send_id": f"{name}_0",
            "state": word,
            "state_description": f"{word}_BY_OPERATOR" if ends else "",
            "message_id": name,
            "fields": [],
            "i": 0,
            "timestamp_sent": {"$date": {"$numberLong": str(int(NOW.timestamp() * 1000))}},
        }
        if ends:
            error = {"id": 0 if word == "DELIVERED" else 1, "name": "NO_ERROR" if word == "DELIVERED" else "EC_ABSENT"}
            item["report"] = {
                "status": {"id": 5, "groupId": 3, "groupName": word, "name": f"{word}_BY_OPERATOR"},
                "error": error,
                "doneAt": "2026-11-20T08:00:03.168+0100",
            }
        return self._said([item], "1 Result")

    def _delete(self, name: str) -> Answer:
        message = self.messages.get(name)
        if message is None:
            return self._error(404, 219, "No message found")
        if message.get("word") != "WAITING":
            return self._error(422, 221, "message already scheduled for sending")
        del self.messages[name]
        return Answer.of({"data": [], "message": f"{name} Deleted", "success": True, "error": None})

    def _said(self, data: list[Any], message: str, *, status: int = 200) -> Answer:
        self.credits.reverse()
        said = {"data": data, "message": message, "credit": self.credits[0], "success": True, "error": None}
        return Answer.of(said, status)

    def _error(self, status: int, error: int, words: str) -> Answer:
        return Answer.of({"success": False, "message": words, "error": error, "data": None}, status)


class SmsV2Server(_Login):
    """Version 2. Its calls come as JSON with the message under ``data``, or in a form."""

    host = "sms.openapi.com"

    def __init__(self, *, oauth: bool = True, called: bool = True) -> None:
        super().__init__(oauth=oauth, called=called)
        self.page = 100
        self.paths: list[str] = []

    def table(self) -> dict[str, Any]:
        return super().table() | {"version": 2}

    def api(self, seen: Seen) -> Answer:
        match seen.method, seen.path.strip("/").split("/"):
            case "POST", ["IT-messages" | "ES-messages" | "WW-messages" as path]:
                self.paths.append(path)
                return self._send(path, seen.json)
            case "GET", ["messages"]:
                skip, limit = int(seen.params.get("skip", 0)), int(seen.params.get("limit", 100))
                items = list(self.messages.values())[::-1]
                return Answer.of({"data": items[skip : skip + min(limit, self.page)]})
            case "GET", ["messages", name]:
                message = self.messages.get(name)
                return Answer.of({"data": message}) if message else Answer.of({"message": "Not Found"}, 404)
        return Answer(status=405)

    def news(self, told: Told, arrival: Arrival, carrier_id: str) -> Iterable[News]:
        if told in STATES:
            yield self.call(carrier_id)

    def call(self, carrier_id: str) -> News:
        """Make the call about a message as it stands."""
        message = self.messages[carrier_id]
        callback = message["callback"]
        said = json.dumps({"data": message, "custom": callback["custom"]})
        if callback["method"] == "JSON":
            return News(url=callback["url"], body=said.encode(), headers={"content-type": "application/json"})
        form = {"content-type": "application/x-www-form-urlencoded"}
        return News(url=callback["url"], body=urlencode({callback["field"]: said}).encode(), headers=form)

    def _send(self, path: str, body: dict[str, Any]) -> Answer:
        sender, number = body.get("sender"), body["recipient"]
        if not re.fullmatch(r"\+[1-9][0-9]{6,14}", number) or self._told.get(number) is Told.REFUSE:
            return Answer.of({"code": 2011, "message": "Invalid mobile phone number. Use E.164 format."}, 422)
        if sender is not None and not 3 <= len(sender) <= 11:
            return Answer.of({"code": 2021, "message": "Sender alias must be between 3 and 11 characters."}, 422)
        if sender is not None and sender.isdigit():
            return Answer.of({"code": 2024, "message": "Sender alias cannot be purely numeric."}, 422)
        country = {"+39": "IT", "+34": "ES"}.get(number[:3], "WW")
        if path[:2] not in {country, "WW"}:
            return Answer.of({"code": 2013, "message": "The recipient number does not belong to the country."}, 422)
        if self._told.get(number) is Told.DEFER:
            return Answer.of({"code": 2020, "message": "The user is blocklisted."}, 403)
        if (callback := body.get("callback")) is not None:
            assert callback["url"].startswith("http")
            assert isinstance(callback["custom"], dict)
            assert 0 <= callback["retry"] <= 5
        told = self._told.get(number, Told.ACCEPT)
        carrier_id = self.new_id()
        message = {
            "id": carrier_id,
            "state": STATES.get(told, "NEW"),
            "sender": sender or "Openapi",
            "recipient": number,
            "message": body["message"],
            "options": body["options"],
            "blocklisted": False,
            "createdAt": NOW.isoformat(),
            "updatedAt": NOW.isoformat(),
            "deliveredAt": NOW.isoformat() if told is Told.DELIVERED else None,
        } | ({} if callback is None else {"callback": callback})
        if told is not Told.LOSE_UNSENT:
            self.messages[carrier_id] = message
        if not body["options"]["dryRun"]:
            self.treat(Arrival(number=number, sender=sender, text=body["message"]), carrier_id=carrier_id)
        elif told is Told.LOSE:
            raise HangUp
        return Answer.of({"data": {**message, "state": "NEW"}}, 201)


def _public(message: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in message.items() if key not in {"number", "word"}}
