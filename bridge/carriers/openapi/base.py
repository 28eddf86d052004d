"""What both versions of openapi.com's SMS share: hosts, login, questions, credit, and calls that are never believed.

A call carries no proof but the secret in its path, so all that is taken from it is which text it is about; how that
stands is asked for then (:meth:`OpenApiCarrier.confirm`).

There is no idempotency key. So a text whose answer was lost is never sent again by itself: it is looked for among
those that the provider has, by our id, which went along as ``custom`` (:meth:`OpenApiCarrier.states_of`).
"""

from __future__ import annotations

import asyncio
import dataclasses
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar

from bridge.carriers.base import Forged, Received, Unreadable
from bridge.carriers.http import HttpCarrier
from bridge.carriers.openapi.news import NewsReader, good_id
from bridge.carriers.openapi.oauth import Tokens
from bridge.carriers.openapi.settings import HOSTS, OAUTH_HOST, OpenApiSettings, official, sender_fault
from bridge.carriers.wire import BadReply, NoAnswer, Reply
from bridge.fields import base_url
from bridge.model.errors import ConfigError, Trouble
from bridge.model.message import Outcome, Report
from bridge.model.state import State

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bridge.carriers.base import Call, CarrierSettings, Pending, Sink
    from bridge.clock import Clock
    from bridge.model.message import Outgoing

_T = TypeVar("_T")

_AT_ONCE: Final = 6
"""Questions under way at once: they leave the connections of texts alone."""
_SKEW: Final = timedelta(minutes=10)
"""By which their clock may differ from ours."""
_REMEMBERED: Final = 10_000


class OpenApiCarrier(HttpCarrier):
    """The shared part; a version says the rest: paths, bodies, and how a text stands."""

    most_asked = 20
    version: ClassVar[int]
    errors: ClassVar[Mapping[int, str]]
    """What their error numbers mean. Numbers are compared, never texts."""
    error_key: ClassVar[str]
    scopes: ClassVar[Sequence[str]]
    """What is done with a token, as ``METHOD:path``: it is asked for no more."""

    def __init__(self, name: str, settings: CarrierSettings, *, clock: Clock) -> None:
        """Touch nothing yet."""
        if not isinstance(settings, OpenApiSettings) or settings.version != self.version:
            raise TypeError(f"an openapi carrier of version {self.version} needs OpenApiSettings of that version")
        api = official(HOSTS[self.version], sandbox=settings.sandbox)
        self.base = base_url(settings.host or api)
        oauth = base_url(settings.oauth_host or official(OAUTH_HOST, sandbox=settings.sandbox))
        # With a fixed token nothing is to leave to the login's host.
        super().__init__(
            name, settings, clock=clock, urls=[self.base] if settings.token is not None else [self.base, oauth]
        )
        self.settings = settings
        fixed = None if settings.token is None else settings.token.get_secret_value()
        self.tokens = Tokens(self.wire, clock=clock, fixed=fixed)
        self._wallet = f"{oauth}/wallet"
        if settings.email is not None and settings.api_key is not None:
            self.tokens.log_in_by(
                f"{oauth}/tokens",
                email=settings.email,
                api_key=settings.api_key.get_secret_value(),
                # A proxy in between changes no rights.
                scopes=[scope.replace(":", f":{api}", 1) for scope in self.scopes],
                ttl=settings.renew_every,
            )
        self.news = NewsReader(name, states=settings.states, field=settings.callback_field, clock=clock)
        self._forbidden = None if settings.forbidden_pattern is None else re.compile(settings.forbidden_pattern)
        self._asking = asyncio.Semaphore(_AT_ONCE)
        self._owners: dict[str, str | None] = {}

    async def open(self, sink: Sink) -> None:
        """Get ready. Raises :exc:`ConfigError` for a secret of URLs that cannot be made."""
        if self.callback_secret is not None and self.urls is None:
            raise ConfigError(f"carriers.{self.name}: callback_secret needs public_url: together they are the URL")
        await super().open(sink)

    async def send(self, outgoing: Outgoing) -> Outcome:
        """Send one text, unless it is one that this provider takes from nobody."""
        fault = self.fault(outgoing)
        return await super().send(outgoing) if fault is None else Outcome.refused(fault)

    def fault(self, outgoing: Outgoing) -> str | None:
        """Say why a text is refused here; None: nothing is wrong that can be known before."""
        if self._forbidden is not None and self._forbidden.search(outgoing.text):
            return "the text has forbidden_pattern"
        sender = self.sender(outgoing)
        return None if sender is None else sender_fault(sender, version=self.version)

    def sender(self, outgoing: Outgoing) -> str | None:
        """Return the sender of a text as it is written here: a number without its plus sign."""
        sender = outgoing.sender or self.settings.default_sender
        return sender.removeprefix("+") if sender else None

    async def post(self, path: str, body: Mapping[str, Any]) -> Reply:
        """Make the call for a text. Raises :exc:`NoAnswer`."""
        return await self._call("POST", path, json=body)

    def reason(self, reply: Reply) -> str:
        """Say what is wrong by the number of their error, where there is one."""
        code = self.error(reply)
        if code is None:
            return super().reason(reply)
        return f"error {code}: {self.errors.get(code, 'not in the list')} (HTTP {reply.status})"

    def error(self, reply: Reply) -> int | None:
        """Return the number of their error, None where the answer has none."""
        try:
            code = reply.json()[self.error_key]
        except (ValueError, KeyError, TypeError):
            return None
        return code if isinstance(code, int) and not isinstance(code, bool) else None

    def receive(self, call: Call) -> Received:
        """Read a call: the id of a text, and nothing else of it is believed. Raises :exc:`Unreadable`."""
        if call.inbound:
            raise Unreadable("they bring no texts from phones")
        return Received(named=(self.news.called_about(call),))

    async def confirm(self, received: Received) -> Received:
        """Ask how the texts of a call stand. Raises :exc:`Forged` for one that they do not know, :exc:`Trouble`."""
        reports = []
        for carrier_id in received.named:
            known, report = await self.state_of(carrier_id)
            if not known:
                raise Forged("the provider knows no such text")
            reports += [] if report is None else [report]
        return Received(reports=reports)

    async def states_of(self, texts: Sequence[Pending]) -> Sequence[Report]:
        """Ask for each text; look for those whose answer was lost. Raises :exc:`Trouble`."""
        ids = await self.ids_of(texts)

        async def one(text: Pending) -> Report | None:
            carrier_id = ids[text.id]
            known, report = await self.state_of(carrier_id, number=text.number)
            if text.carrier_id is not None or not known:
                return report
            # Of a text in doubt it is news that it is there, and under which id.
            there = Report(
                carrier=self.name, state=State.SENT, at=self.clock(), carrier_id=carrier_id, raw="found by our id"
            )
            return dataclasses.replace(report or there, recipient_id=text.id)

        found = await asyncio.gather(*(one(text) for text in texts if text.id in ids), return_exceptions=True)
        reports = []
        for each in found:
            if isinstance(each, BaseException):
                raise each
            reports += [] if each is None else [each]
        return reports

    async def credit(self) -> str:
        """Return what the wallet holds. Raises :exc:`Trouble`, and :exc:`ConfigError` where only a token is set."""
        if self.tokens.login is None:
            raise ConfigError(f"carriers.{self.name}: the wallet wants email and api_key: with a token it is not told")
        reply = await self.question("GET", self._wallet, headers=self.tokens.login)
        return self.reads(reply, lambda said: amount(said["data"]))

    async def state_of(self, carrier_id: str, *, number: str | None = None) -> tuple[bool, Report | None]:
        """Ask how a text stands; whether they know it, and what is news. Raises :exc:`Trouble`.

        Where ``number`` is given, one to another number is no news.
        """
        raise NotImplementedError

    async def look(self, texts: Sequence[Pending]) -> Mapping[str, str]:
        """Look for texts among those that they have; return their ids by ours. Raises :exc:`Trouble`."""
        raise NotImplementedError

    async def ids_of(self, texts: Sequence[Pending]) -> Mapping[str, str]:
        """Return their ids of texts by ours; one that is not found is left out, and proves nothing by that."""
        ids = {text.id: good for text in texts if (good := good_id(text.carrier_id)) is not None}
        lost = {text.id: text for text in texts if text.carrier_id is None}
        ids |= {own: their for their, own in self._owners.items() if own in lost}
        if missing := [text for own, text in lost.items() if own not in ids]:
            ids |= await self.look(missing)
        return ids

    def remember(self, carrier_id: str, own: str | None) -> None:
        """Keep whose text an id is (None: not ours), so that it is not asked for again. The oldest are forgotten."""
        self._owners[carrier_id] = own
        while len(self._owners) > _REMEMBERED:
            del self._owners[next(iter(self._owners))]

    def is_known(self, carrier_id: str) -> bool:
        """Whether it is kept whose text an id is."""
        return carrier_id in self._owners

    async def ask(
        self, method: str, path: str, *, params: Mapping[str, str] | None = None, fine: Sequence[int] = ()
    ) -> Reply:
        """Ask what is no text. Raises :exc:`Trouble` for what is neither 2xx nor ``fine``."""
        async with self._asking:
            try:
                reply = await self._call(method, path, params=params)
            except NoAnswer as lost:
                raise Trouble(f"{self.name}: {lost.reason}") from None
        if not 200 <= reply.status < 300 and reply.status not in fine:
            raise self.trouble(reply)
        return reply

    def trouble(self, reply: Reply) -> Trouble:
        """Make the error of a question that was not answered well."""
        return Trouble(f"{self.name}: {self.reason(reply)}")

    def reads(self, reply: Reply, how: Callable[[Any], _T]) -> _T:
        """Read a good answer to a question. Raises :exc:`Trouble` for one that is not as documented."""
        try:
            return how(reply.json())
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            words = str(error) if isinstance(error, BadReply) else "the answer cannot be read"
            raise Trouble(f"{self.name}: {words}") from None

    async def _call(self, method: str, path: str, **more: Any) -> Reply:
        token = await self.tokens.current()
        headers = {"authorization": f"Bearer {token.value}"}
        reply = await self.wire.call(method, f"{self.base}{path}", headers=headers, **more)
        if reply.status == 401:
            self.tokens.refuse(token)
        return reply


def window(texts: Sequence[Pending]) -> tuple[datetime, datetime]:
    """Return from when to when they can have got texts. Our ids begin with the time when each was taken (12 digits)."""
    first = min(int(text.id[:12], 16) for text in texts) / 1000
    last = max(text.sent_at for text in texts)
    return datetime.fromtimestamp(first, UTC) - _SKEW, last + _SKEW


def amount(said: Mapping[str, Any]) -> str:
    """Return a credit as it is written, as text or as a number. Raises KeyError, TypeError for none."""
    credit = said["credit"]
    if not isinstance(credit, str | int | float) or isinstance(credit, bool):
        raise TypeError("no amount")
    return str(credit)
