"""Maskyoo's SMS gateway over HTTP: ``kind = "maskyoo"``.

Sources: help.maskyoo.com/developers/api/sms-api/ (send-sms, bulk-sms, receive-sms, contacts). Its public pages say
neither what send_sms answers, nor which errors there are, nor what the callback_url is called with. So HTTP 200 alone
is *accepted*, with the word "unconfirmed"; an id is taken where one stands; and what an operator learns of the rest is
written in settings: patterns of answers, and the names and states of callbacks.

Each text goes with a callback_url of its own, which holds our id: whatever it is called with, the text is known.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from bridge.carriers.finding import short
from bridge.carriers.generic.settings import News, Sign
from bridge.carriers.http import HttpCarrier, UpstreamSettings
from bridge.carriers.maskyoo.news import OWN_ID, NewsReader
from bridge.carriers.wire import BadReply, Reply, unrepeated
from bridge.fields import HttpHost, Pattern, Region, TimeZone, base_url
from bridge.model.errors import ConfigError, InvalidNumber
from bridge.model.message import Outcome, Verdict
from bridge.model.numbers import country_of, to_local

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bridge.carriers.base import Call, CarrierSettings, Received, Sink
    from bridge.clock import Clock
    from bridge.model.message import Outgoing

_PAGE: Final = re.compile(r"\s*<(!doctype html|html)\b", re.IGNORECASE)
_TYPES: Final = ("", "application/json", "application/xml")


class MaskyooSettings(UpstreamSettings):
    """``[carriers.NAME]`` with ``kind = "maskyoo"``."""

    host: HttpHost = Field(default="sms.deals", description="host of the service")
    path: str = Field(default="/api/ws.php", pattern="^/[!-~]*$", description="path of its REST service")
    bulk: bool = Field(default=False, description="send by the bulk service, whose answer is documented")
    bulk_path: str = Field(default="/api/ws_json_bulk.php", pattern="^/[!-~]*$", description="path of that")
    username: str | None = Field(default=None, min_length=1, description="login of older accounts, an address")
    password: SecretStr | None = Field(default=None, min_length=1, description="its password, sent in the URL")
    token: SecretStr | None = Field(default=None, min_length=1, description="token, in place of both")
    default_sender: str = Field(min_length=1, max_length=20, description="sender of texts that have none")
    region: Region = Field(default="IL", description="country whose numbers are written as there")
    number_form: Literal["local", "digits", "e164"] = Field(
        default="local", description="numbers of that country: 05…, 972… or +972…"
    )
    accepted_pattern: Pattern | None = Field(default=None, description="in answers of texts that were taken")
    refused_pattern: Pattern | None = Field(default=None, description="in answers that refuse for good")
    deferred_pattern: Pattern | None = Field(default=None, description="in answers of texts that were not taken now")
    id_pattern: Pattern = Field(
        default=r'message_id"?\s*[:=>]\s*"?([\w-]+)', description="where in answers their id is"
    )
    bulk_states: dict[str, Sign] = Field(
        default={"Message in Action": "accepted"}, description="what status in bulk answers means; * is any other"
    )
    callback_id: str | None = Field(default=None, description="parameter of callbacks with their id")
    callback_states: dict[str, News] = Field(default_factory=dict, description="what states mean; * is any other")
    callback_state: str | None = Field(default=None, description="parameter of callbacks with the state")
    time_zone: TimeZone = Field(default="Asia/Jerusalem", description="of the times of texts from phones")
    credit_service: str | None = Field(default=None, pattern="^[a-z0-9_]+$", description="name of the credit service")

    @field_validator("token")
    @classmethod
    def _one_login(cls, token: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if not {"username", "password", "bulk"} <= info.data.keys():
            return token
        username, password = info.data["username"], info.data["password"]
        if token is not None and (username is not None or password is not None):
            raise ValueError("either token, or username and password, not both")
        if token is None and (username is None or password is None):
            raise ValueError("write token, or username and password")
        if token is None and info.data["bulk"]:
            raise ValueError("bulk takes a token only")
        return token

    @field_validator("callback_state")
    @classmethod
    def _states_of_a_state(cls, state: str | None, info: ValidationInfo) -> str | None:
        if "callback_states" in info.data and bool(info.data["callback_states"]) is not (state is not None):
            raise ValueError("callback_state and callback_states go together: where it is, and what it means")
        return state


class Maskyoo(HttpCarrier):
    """Implements :class:`~bridge.carriers.base.Carrier`; is called, funded, and registers senders and contacts."""

    def __init__(self, name: str, settings: CarrierSettings, *, clock: Clock) -> None:
        """Touch nothing yet."""
        if not isinstance(settings, MaskyooSettings):
            raise TypeError("a maskyoo carrier needs MaskyooSettings")
        base = base_url(settings.host)
        super().__init__(name, settings, clock=clock, urls=[base])
        self._settings = settings
        self._rest = base + settings.path
        self._bulk = base + settings.bulk_path
        self._headers: dict[str, str] = {}
        self._login: dict[str, str] = {}
        if settings.token is not None:
            self._headers["authorization"] = f"Bearer {settings.token.get_secret_value()}"
        elif settings.password is not None:
            self._login = {"username": settings.username or "", "password": settings.password.get_secret_value()}
        self._news = NewsReader(
            name,
            clock=clock,
            region=settings.region,
            time_zone=settings.time_zone,
            id_name=settings.callback_id,
            state_name=settings.callback_state,
            states=settings.callback_states,
        )
        signs = (
            (Verdict.REFUSED, settings.refused_pattern),
            (Verdict.DEFERRED, settings.deferred_pattern),
            (Verdict.ACCEPTED, settings.accepted_pattern),
        )
        self._id = re.compile(settings.id_pattern)
        self._signs = [(verdict, re.compile(pattern)) for verdict, pattern in signs if pattern is not None]

    async def open(self, sink: Sink) -> None:
        """Get ready. Raises :exc:`ConfigError` for a secret of URLs that cannot be made."""
        if self.callback_secret is not None and self.urls is None:
            raise ConfigError(f"carriers.{self.name}: callback_secret needs public_url: together they are the URL")
        await super().open(sink)

    async def submit(self, outgoing: Outgoing) -> Reply:
        """Send one text: by GET, as the service has it, or as a bulk of one."""
        told = {
            "service": "send_sms",
            "dest": self._number(outgoing.number),
            "message": outgoing.text,
            "sender": self._sender(outgoing.sender),
        }
        if self.urls is not None:
            told["callback_url"] = f"{self.urls.callback}?{OWN_ID}={outgoing.id}"
        if self._settings.bulk:
            return await self.wire.call("POST", self._bulk, headers=self._headers, json=[told])
        return await self.wire.call("GET", self._rest, headers=self._headers, params=told | self._login)

    def outcome(self, reply: Reply, outgoing: Outgoing) -> Outcome:
        """Judge an answer by the patterns that refuse, then as all do."""
        sign = self._sign(unrepeated(reply.text(), outgoing.text))
        if sign not in {Verdict.REFUSED, Verdict.DEFERRED}:
            return super().outcome(reply, outgoing)
        raw = self.wire.shown(reply, text=outgoing.text, number=outgoing.number)
        return Outcome(verdict=sign, reason=f"the answer has {sign}_pattern", raw=raw)

    def read(self, reply: Reply, outgoing: Outgoing) -> Outcome:
        """Take the id where there is one; without it, 200 is all that is known."""
        if self._settings.bulk:
            return self._element(reply)
        if reply.status != 200:
            raise BadReply(f"HTTP {reply.status} is not in the service's document")
        if not (reply.media_type.startswith("text/") or reply.media_type in _TYPES):
            raise BadReply("the answer is no text by its content type")
        said = unrepeated(reply.text(), outgoing.text)
        if _PAGE.match(said):
            raise BadReply("the answer is a page")
        sign = self._sign(said)
        if sign is None and self._settings.accepted_pattern is not None:
            raise BadReply("the answer does not have accepted_pattern")
        found = self._id.search(said)
        carrier_id = None if found is None else found[1 if found.re.groups else 0] or None
        if sign is None and carrier_id is None:
            return Outcome(verdict=Verdict.ACCEPTED, reason="unconfirmed: HTTP 200, and no id in the answer")
        return Outcome.accepted(carrier_id)

    def receive(self, call: Call) -> Received:
        """Read reports under any parameters, and texts from phones."""
        return self._news.read(call)

    async def credit(self) -> str:
        """Return what the credit service says, as it says it.

        Raises :exc:`ConfigError` where its name is not set: no public page has it.
        """
        if self._settings.credit_service is None:
            raise ConfigError(f"carriers.{self.name}: set credit_service; its name is on no public page")
        return await self._ask_service(self._settings.credit_service, {})

    async def add_sender(self, sender: str) -> str:
        """Ask for a sender's name to be approved; return the answer, which is not documented."""
        return await self._ask_service("add_sender_text", {"sender": sender})

    async def add_contact(self, number: str, *, email: str, name: str = "") -> str:
        """Make a contact, or change it; return the answer, which is not documented."""
        told = {"sms_phone": self._number(number), "email": email} | ({"name": name} if name else {})
        return await self._ask_service("add_contact", told)

    async def _ask_service(self, service: str, told: Mapping[str, str]) -> str:
        params = {"service": service, **told, **self._login}
        reply = await self.question("GET", self._rest, params=params, headers=self._headers)
        return self.wire.shown(reply).partition(" ")[2] or "nothing"

    def _element(self, reply: Reply) -> Outcome:
        """Read what the bulk service says of its only element."""
        said: Any = reply.json(also=("text/html", "text/plain", ""))
        (element,) = said
        status = str(element["status"])
        sign = self._settings.bulk_states.get(status, self._settings.bulk_states.get("*", "unknown"))
        if sign != "accepted":
            return Outcome(verdict=Verdict(sign), reason=f"the provider says {short(status)}")
        carrier_id = element.get("message_id")
        return Outcome.accepted(None if carrier_id is None else str(carrier_id))

    def _sign(self, said: str) -> Verdict | None:
        return next((verdict for verdict, pattern in self._signs if pattern.search(said)), None)

    def _sender(self, sender: str | None) -> str:
        own = sender or self._settings.default_sender
        return self._number(own) if own.startswith("+") else own

    def _number(self, number: str) -> str:
        form = self._settings.number_form
        if form == "local" and country_of(number) == self._settings.region:
            try:
                return to_local(number)
            except InvalidNumber:
                pass
        return number if form == "e164" else number.removeprefix("+")
