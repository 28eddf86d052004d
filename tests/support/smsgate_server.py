"""An SMS Gate server with one phone, written from the reference: tokens, messages, webhooks, and signed calls."""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import b64decode
from typing import TYPE_CHECKING, Any, Final

from bridge.carriers.smsgate.cipher import decrypt, is_encrypted
from tests.contract.carriers.case import REPLY_TEXT, Arrival, Told
from tests.support.upstream import Answer, News, Upstream

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.support.upstream import Seen

USER: Final = "phone-1"
PASSWORD: Final = "sesame-7-open"
KEY: Final = "abcd1234-key-of-the-phone"
PASSPHRASE: Final = "between us and the phone"
SECRET: Final = "a-secret-of-a-path-7"
DEVICE: Final = "AbCdEfGhIjKlMnOpQrStU"
NOW: Final = 1_795_158_000
"""2026-11-20 07:00 UTC, the clock of the suite."""


class SmsGateServer(Upstream):
    """Answers as the server does. ``jwt`` wants tokens; what is encrypted the phone opens with the passphrase."""

    def __init__(self, *, jwt: bool = False, encrypted: bool = False) -> None:
        super().__init__()
        self.jwt = jwt
        self.encrypted = encrypted
        self.tokens: set[str] = set()
        self.logins = 0
        self.expires_at = "2026-11-20T07:15:00Z"
        self.scopes: list[str] = []
        self.states: dict[str, dict[str, Any]] = {}
        self.webhooks: dict[str, dict[str, Any]] = {}
        self.refreshed: list[dict[str, Any]] = []
        self.senders: dict[str, str] = {}
        self.has_phone = True

    def table(self) -> dict[str, Any]:
        table: dict[str, Any] = {
            "kind": "smsgate",
            "url": f"{self.url}/3rdparty/v1",
            "user": USER,
            "password": PASSWORD,
            "jwt": self.jwt,
            "callback_secret": SECRET,
            "signing_keys": {DEVICE: KEY},
        }
        return table | ({"passphrase": PASSPHRASE} if self.encrypted else {})

    def spares(self, seen: Seen) -> bool:
        return seen.path.endswith("/auth/token")

    def answer(self, seen: Seen) -> Answer:
        assert seen.path.startswith("/3rdparty/v1/")
        path = seen.path.removeprefix("/3rdparty/v1")
        if path == "/auth/token":
            return self._token(seen)
        if not self._may(seen):
            return Answer.of({"message": "unauthorized"}, 401)
        route = {
            ("POST", "messages"): self._send,
            ("GET", "messages"): self._state,
            ("DELETE", "messages"): self._cancel,
            ("POST", "webhooks"): self._hook,
            ("POST", "inbox"): self._refresh,
        }.get((seen.method, path.split("/")[1]))
        return Answer.of({"message": "not found"}, 404) if route is None else route(seen)

    def call(self, event: str, payload: dict[str, Any], *, call_id: str = "c1", inbound: bool = False) -> News:
        """Make a signed call of the phone."""
        assert self.urls is not None
        said = {"deviceId": DEVICE, "event": event, "id": call_id, "webhookId": "w1", "payload": payload}
        body = json.dumps(said).encode()
        return News(url=self.urls.inbound if inbound else self.urls.callback, body=body, headers=signed(body, at=NOW))

    def news(self, told: Told, arrival: Arrival, carrier_id: str) -> Iterable[News]:
        events = {Told.DELIVERED: ("sms:delivered", "deliveredAt"), Told.UNDELIVERED: ("sms:failed", "failedAt")}
        if told in events:
            event, at = events[told]
            yield self.call(
                event, {"messageId": carrier_id, "recipient": arrival.number, at: "2026-11-20T09:00:00.000+02:00"}
            )
        if told is Told.REPLY:
            payload: dict[str, Any] = {
                "messageId": "a1b2",
                "sender": arrival.number,
                # A phone does not know under which name its text went out: what it tells is the SIM card's own number.
                "recipient": arrival.sender,
                "message": REPLY_TEXT,
                "receivedAt": f"2026-11-20T09:00:{len(self.states):02}.000+02:00",
            }
            yield self.call("sms:received", payload, inbound=True)

    def _state(self, seen: Seen) -> Answer:
        state = self.states.get(seen.path.rpartition("/")[2])
        return Answer.of({"message": "not found"}, 404) if state is None else Answer.of(state)

    def _cancel(self, seen: Seen) -> Answer:
        state = self.states.get(seen.path.rpartition("/")[2])
        if state is None:
            return Answer.of({"message": "not found"}, 404)
        if state["state"] != "Pending":
            return Answer.of({"message": "not pending"}, 409)
        state["state"] = "Cancelled"
        return Answer(status=204, media_type="")

    def _hook(self, seen: Seen) -> Answer:
        hook = seen.json
        assert len(hook["id"]) <= 36
        self.webhooks[hook["id"]] = hook
        return Answer.of(hook, 201)

    def _refresh(self, seen: Seen) -> Answer:
        self.refreshed.append(seen.json)
        return Answer.of({}, 202)

    def _token(self, seen: Seen) -> Answer:
        if b64decode(seen.headers["authorization"].partition(" ")[2]).decode() != f"{USER}:{PASSWORD}":
            return Answer.of({"message": "unauthorized"}, 401)
        self.scopes = seen.json["scopes"]
        self.logins += 1
        token = f"token-of-the-server-{self.logins}"
        self.tokens.add(token)
        return Answer.of(
            {"id": "j1", "token_type": "Bearer", "access_token": token, "expires_at": self.expires_at}, 201
        )

    def _may(self, seen: Seen) -> bool:
        scheme, _, value = seen.headers.get("authorization", "").partition(" ")
        if self.jwt:
            return scheme == "Bearer" and value in self.tokens
        return scheme == "Basic" and b64decode(value).decode() == f"{USER}:{PASSWORD}"

    def _send(self, seen: Seen) -> Answer:
        body = seen.json
        (number,), text = body["phoneNumbers"], body["textMessage"]["text"]
        assert is_encrypted(text) == is_encrypted(number) == bool(body.get("isEncrypted")) == self.encrypted
        if self.encrypted:
            number, text = decrypt(number, PASSPHRASE), decrypt(text, PASSPHRASE)
        assert body["ttl"] >= 5
        assert len(body["id"]) <= 36
        if not self.has_phone:
            return Answer.of({"message": "no active devices found"}, 400)
        if body["id"] in self.states:
            return Answer.of({"message": "message already exists"}, 409)
        hidden = hashlib.sha256(number.encode()).hexdigest()[:16]
        state = {
            "id": body["id"],
            "deviceId": DEVICE,
            "state": "Pending",
            "isHashed": True,
            "isEncrypted": self.encrypted,
            "recipients": [{"phoneNumber": hidden, "state": "Pending"}],
            "states": {},
        }
        told = self._told.get(number, Told.ACCEPT)
        if told is Told.REFUSE:
            return Answer.of({"message": f"invalid phone number {number}"}, 400)
        if told is Told.DEFER:
            return Answer.of({"message": "too many pending messages"}, 503)
        if told is not Told.LOSE_UNSENT:
            self.states[body["id"]] = state
        answer = Answer.of(state, 202, location=f"/3rdparty/v1/messages/{body['id']}")
        if told is not Told.WAIT:
            state["state"] = "Processed"  # the phone has fetched it
        # The name is the phone's: none travels.
        self.treat(Arrival(number=number, sender=self.senders.get(number), text=text), carrier_id=body["id"])
        return answer


def signed(body: bytes, *, at: int, key: str = KEY) -> dict[str, str]:
    """Return the headers of a signed call."""
    signature = hmac.new(key.encode(), body + str(at).encode(), hashlib.sha256).hexdigest()
    return {"content-type": "application/json", "x-timestamp": str(at), "x-signature": signature}
