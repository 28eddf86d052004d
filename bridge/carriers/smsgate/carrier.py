"""SMS Gate: Android phones as carriers, through its cloud, a server of one's own, or a phone on the same network.

It takes our own id, and answers 409 to one that it has: so a text whose answer was lost is simply sent again. The
server forgets numbers after a minute (it keeps hashes); ours are in our own tables, and reports name our id.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Final

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from bridge.carriers.base import Recall
from bridge.carriers.http import HttpCarrier, UpstreamSettings
from bridge.carriers.shared import Shared
from bridge.carriers.smsgate.calls import EVENTS, RECEIVED, PhoneCalls
from bridge.carriers.smsgate.cipher import encrypt
from bridge.carriers.wire import BadReply, NoAnswer, Reply, basic
from bridge.fields import Span
from bridge.model.errors import ConfigError, Trouble
from bridge.model.message import Outcome, Priority, Report, Verdict
from bridge.model.state import State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bridge.carriers.base import Call, CarrierSettings, Pending, Received, Sink
    from bridge.clock import Clock
    from bridge.model.message import Inbound, Outgoing

CLOUD: Final = "https://api.sms-gate.app/3rdparty/v1"

STATES: Final[Mapping[str, State]] = {
    # "Sent" may be the last word: not every network reports.
    "Sent": State.SENT,
    "Delivered": State.DELIVERED,
    "Failed": State.UNDELIVERED,
    "Cancelled": State.UNDELIVERED,
}
"""Pending, Processed, Cancelling and what newer servers say are no news."""

SCOPES: Final = (
    "messages:send",
    "messages:read",
    "messages:cancel",
    "webhooks:list",
    "webhooks:write",
    "webhooks:delete",
    "inbox:refresh",
)
"""What a token is asked for: no more than is done with it."""

_PRIORITIES: Final[Mapping[Priority, int]] = {
    Priority.BULK: -50,
    Priority.NORMAL: 0,
    Priority.HIGH: 50,
    Priority.URGENT: 100,  # from 100 on, limits, delays and working hours of the phone do not hold
}
_KEPT: Final[Mapping[int, str]] = {
    404: "the server knows no such text",
    405: "this server takes no text back",
    409: "a phone has the text already",
}
"""Why a text is not taken back, by the status of the answer."""
_LONGEST_TTL: Final = 86_400 * 7
_LONGEST_RAW: Final = 200
_TOKEN_MARGIN: Final = timedelta(seconds=30)


class SmsGateSettings(UpstreamSettings):
    """``[carriers.NAME]`` with ``kind = "smsgate"``."""

    url: str = Field(default=CLOUD, pattern=r"^https?://[^\s?#]+$", description="the API, without a slash at its end")
    user: str = Field(min_length=1, description="user name that the app shows")
    password: SecretStr = Field(description="its password")
    jwt: bool = Field(default=False, description="on: log in for short-lived tokens with the least rights")
    device: str | None = Field(default=None, max_length=21, description="id of the one phone that sends; default: any")
    sim: int | None = Field(default=None, ge=1, le=3, description="SIM card; default: the phone's own choice")
    active_within: int = Field(default=0, ge=0, le=8760, description="hours since a phone was last seen; 0: any phone")
    delivery_reports: bool = Field(default=True, description="ask the network for delivery reports")
    check_numbers: bool = Field(default=False, description="let the server refuse numbers that it takes for invalid")
    passphrase: SecretStr | None = Field(default=None, description="encrypts text and number for the phone")
    signing_keys: dict[str, SecretStr] = Field(
        default_factory=dict, description='keys by device id, "any" for all others: calls must be signed then'
    )
    signature_window: Span = Field(
        default=timedelta(minutes=5),
        gt=timedelta(0),
        le=timedelta(hours=1),
        description="age of a signed call, at most",
    )
    refresh_every: Span | None = Field(
        default=None,
        ge=timedelta(minutes=1),
        le=timedelta(days=1),
        description="pause between requests to phones to report stored texts again; without it none is made",
    )

    @field_validator("url")
    @classmethod
    def _no_slash(cls, url: str) -> str:
        return url.rstrip("/")

    @field_validator("signing_keys")
    @classmethod
    def _called(cls, keys: dict[str, SecretStr], info: ValidationInfo) -> dict[str, SecretStr]:
        if keys and info.data.get("callback_secret", "") is None:
            raise ValueError("needs callback_secret, the last part of the URL that is called")
        if any(not key.get_secret_value() for key in keys.values()):
            raise ValueError("a key is empty")
        return keys


class SmsGate(HttpCarrier):
    """Implements :class:`~bridge.carriers.base.Carrier`; is called, asked, fetched from, recalled and set up."""

    takes_own_id = True
    most_asked = 20
    statuses: ClassVar[Mapping[int, Verdict]] = {
        # The document: the id exists already. It is ours alone, so the text is there.
        409: Verdict.ACCEPTED,
        # No phone; a wrong field. The phone may come back, a text with a wrong number will not: the body tells.
        503: Verdict.DEFERRED,
    }

    def __init__(self, name: str, settings: CarrierSettings, *, clock: Clock) -> None:
        """Touch nothing yet."""
        if not isinstance(settings, SmsGateSettings):
            raise TypeError("an smsgate carrier needs SmsGateSettings")
        super().__init__(name, settings, clock=clock, urls=[settings.url])
        self._settings = settings
        self._login = basic(settings.user, settings.password.get_secret_value())
        self.wire.hide(self._login.partition(" ")[2])
        self._passphrase = None if settings.passphrase is None else settings.passphrase.get_secret_value()
        self.decrypts = self._passphrase is not None
        self._token: tuple[str, datetime] | None = None
        self._tokens = Shared(self._good_token, self._log_in)
        self._calls = PhoneCalls(
            name,
            keys={
                "" if device == "any" else device: key.get_secret_value()
                for device, key in settings.signing_keys.items()
            },
            window=settings.signature_window.total_seconds(),
            passphrase=self._passphrase,
            clock=clock,
        )
        every = settings.refresh_every
        self.fetch_every = 0.0 if every is None else every.total_seconds()

    async def open(self, sink: Sink) -> None:
        """Get ready. Raises :exc:`~bridge.model.errors.ConfigError`."""
        self._token = None
        await super().open(sink)

    async def submit(self, outgoing: Outgoing) -> Reply:
        """Post one text."""
        settings = self._settings
        text, number = outgoing.text, outgoing.number
        body: dict[str, Any] = {"id": outgoing.id, "withDeliveryReport": settings.delivery_reports}
        if self._passphrase is not None:
            text, number = await asyncio.to_thread(self._sealed, text, number)
            body["isEncrypted"] = True
        left = int((outgoing.expires_at - self.clock()).total_seconds())
        body |= {
            "phoneNumbers": [number],
            "textMessage": {"text": text},
            "ttl": min(max(left, 5), _LONGEST_TTL),
            "priority": _PRIORITIES[outgoing.priority],
        }
        if settings.device is not None:
            body["deviceId"] = settings.device
        if settings.sim is not None:
            body["simNumber"] = settings.sim
        params = {} if settings.check_numbers else {"skipPhoneValidation": "true"}
        if settings.active_within:
            params["deviceActiveWithin"] = str(settings.active_within)
        return await self._call("POST", "/messages", params=params, body=body)

    def read(self, reply: Reply, outgoing: Outgoing) -> Outcome:
        """Read what a good answer says: the state of the message, under our id."""
        said = reply.json()
        if not isinstance(said, dict) or "state" not in said:
            raise BadReply("the answer is no state of a message")
        return Outcome.accepted(str(said.get("id") or outgoing.id))

    def outcome(self, reply: Reply, outgoing: Outgoing) -> Outcome:
        """Judge an answer. One by 409 has our own id, and a page of somebody in between is no word of the server."""
        outcome = super().outcome(reply, outgoing)
        if reply.status in {400, 409, 503} and _message(reply) is None:
            return Outcome.unknown(self.reason(reply), raw=outcome.raw)
        if reply.status == 409:
            return Outcome.accepted(outgoing.id, raw=outcome.raw)
        if reply.status == 400 and "device" in str(_message(reply)).lower():
            return Outcome.deferred("no phone (HTTP 400)", raw=outcome.raw)
        return outcome

    def receive(self, call: Call) -> Received:
        """Read a call of a phone."""
        return self._calls.read(call)

    async def states_of(self, texts: Sequence[Pending]) -> Sequence[Report]:
        """Ask for each text. Raises :exc:`~bridge.model.errors.Trouble`."""
        found = await asyncio.gather(*(self._state_of(text) for text in texts))
        return [report for report in found if report is not None]

    async def fetch(self) -> Sequence[Inbound]:
        """Let phones call with the texts that they have stored lately. They come as calls, and known ones are known."""
        now = self.clock()
        body: dict[str, Any] = {
            "since": _written(now - timedelta(seconds=3 * self.fetch_every)),
            "until": _written(now),
            "messageTypes": ["SMS"],
            "webhookDelivery": "Individual",
            "triggerWebhooks": True,
        }
        if self._settings.device is not None:
            body["deviceId"] = self._settings.device
        await self._request("POST", "/inbox/refresh", body=body)
        return []

    async def recall(self, text: Pending) -> Recall:
        """Cancel a text that no phone has fetched yet. Raises :exc:`~bridge.model.errors.Trouble`."""
        reply = await self._request("DELETE", f"/messages/{text.id}", fine=tuple(_KEPT))
        return Recall(done=reply.status not in _KEPT, words=_KEPT.get(reply.status, ""))

    async def set_up(self, *, callback_url: str, inbound_url: str) -> Sequence[str]:
        """Register a webhook for each event, under an id of its own, so that a second time changes nothing.

        Raises :exc:`~bridge.model.errors.ConfigError`, :exc:`~bridge.model.errors.Trouble`.
        """
        if not callback_url.startswith(("https://", "http://127.0.0.1")):
            raise ConfigError("SMS Gate calls https URLs only: set public_url to one")
        done, registered = [], 0
        for event in (*EVENTS, RECEIVED):
            hook: dict[str, Any] = {
                "id": self._hook_id(event),
                "url": inbound_url if event == RECEIVED else callback_url,
                "event": event,
            }
            if self._settings.device is not None:
                hook["deviceId"] = self._settings.device
            reply = await self._request("POST", "/webhooks", body=hook, fine=(400, 422))
            known = 200 <= reply.status < 300
            registered += known
            done.append(f"{event}: registered" if known else f"{event}: not registered: {self.wire.shown(reply)}")
        if not registered:
            raise Trouble(f"{self.name}: {done[-1]}")
        return done

    def _hook_id(self, event: str) -> str:
        """Return the same id every time, of 36 characters at most: carriers with one login keep out of each other."""
        whose = hashlib.sha256(f"{self._settings.user}\x00{self.name}".encode()).hexdigest()[:12]
        return f"smsbridge-{event.replace(':', '-')}-{whose}"

    def _sealed(self, text: str, number: str) -> tuple[str, str]:
        assert self._passphrase is not None  # noqa: S101 - asked before
        return encrypt(text, self._passphrase), encrypt(number, self._passphrase)

    async def _state_of(self, text: Pending) -> Report | None:
        reply = await self._request("GET", f"/messages/{text.id}", fine=(404,))
        if reply.status == 404:
            return None
        try:
            said = reply.json()
        except BadReply as error:
            raise Trouble(f"{self.name}: {error}") from None
        state = STATES.get(str(said.get("state"))) if isinstance(said, dict) else None
        if state is None:
            return None
        recipients = said.get("recipients")
        errors = [
            str(one["error"])
            for one in (recipients if isinstance(recipients, list) else ())
            if isinstance(one, dict) and one.get("error")
        ]
        raw = " ".join([str(said["state"]), *errors])[:_LONGEST_RAW]
        return Report(carrier=self.name, state=state, at=self.clock(), recipient_id=text.id, raw=raw)

    async def _request(self, method: str, path: str, *, body: Any = None, fine: Sequence[int] = ()) -> Reply:
        """Ask what is no text. Raises :exc:`Trouble` for what is neither 2xx nor ``fine``."""
        try:
            reply = await self._call(method, path, body=body)
        except NoAnswer as lost:
            raise Trouble(f"{self.name}: {lost.reason}") from None
        if not 200 <= reply.status < 300 and reply.status not in fine:
            raise Trouble(f"{self.name}: {self.reason(reply)}")
        return reply

    async def _call(
        self, method: str, path: str, *, params: Mapping[str, str] | None = None, body: Any = None
    ) -> Reply:
        """Make a call with the login. Raises :exc:`NoAnswer`."""
        login, token = self._login, None
        if self._settings.jwt:
            token, _ = await self._tokens.get()
            login = f"Bearer {token}"
        reply = await self.wire.call(
            method, f"{self._settings.url}{path}", params=params, headers={"authorization": login}, json=body
        )
        if reply.status == 401 and self._token is not None and self._token[0] == token:
            self._token = None  # the next call logs in anew
        return reply

    def _good_token(self) -> tuple[str, datetime] | None:
        """Return the token that is there, if it holds for a while."""
        token = self._token
        return token if token is not None and token[1] > self.clock() + _TOKEN_MARGIN else None

    async def _log_in(self) -> tuple[str, datetime]:
        """Fetch a token with its end. Raises :exc:`NoAnswer`, *deferred*: no text has left yet."""
        try:
            reply = await self.wire.call(
                "POST",
                f"{self._settings.url}/auth/token",
                headers={"authorization": self._login},
                json={"scopes": list(SCOPES)},
            )
            if reply.status != 201:
                raise BadReply(self.reason(reply))
            said = reply.json()
            token, until = said["access_token"], datetime.fromisoformat(said["expires_at"])
            if not isinstance(token, str):
                raise BadReply("the token is none")
        except NoAnswer as lost:
            raise NoAnswer(f"no token: {lost.reason}", Verdict.DEFERRED) from None
        except (ValueError, KeyError, TypeError) as error:
            words = str(error) if isinstance(error, BadReply) else "the answer cannot be read"
            raise NoAnswer(f"no token: {words}", Verdict.DEFERRED) from None
        self.wire.hide(token, passing=True)
        self._token = token, until if until.tzinfo is not None else until.replace(tzinfo=UTC)
        return self._token


def _message(reply: Reply) -> object:
    """Return what the server says is wrong; None where it is not the server that says it.

    Its code says ``message``. A page of its document shows ``error`` in its place, but so do proxies.
    """
    try:
        said = json.loads(reply.body)
    except (ValueError, RecursionError):
        return None
    return said.get("message") if isinstance(said, dict) else None


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
