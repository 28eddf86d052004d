"""What all carriers over HTTP share: settings, one call for a text, and what its status means.

A carrier is a subclass that says how a text is asked for (:meth:`HttpCarrier.submit`) and what a good answer says
(:meth:`HttpCarrier.read`). Statuses that mean something else at its upstream stand in its own ``statuses``.
"""

from __future__ import annotations

import dataclasses
import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Final, Self

from pydantic import AfterValidator, BaseModel, Field, SecretStr, ValidationInfo, field_validator

from bridge.carriers.base import CarrierSettings
from bridge.carriers.wire import BadReply, NoAnswer, Reply, Wire
from bridge.fields import Span
from bridge.model.errors import Trouble
from bridge.model.message import Outcome, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from bridge.carriers.base import Sink, Urls
    from bridge.clock import Clock
    from bridge.model.message import Outgoing

STATUSES: Final[Mapping[int, Verdict]] = {
    # Nothing is wrong with the text, and it was not taken: login, money, rights and the address are the operator's to
    # mend, and until then another carrier may send it.
    401: Verdict.DEFERRED,
    402: Verdict.DEFERRED,
    403: Verdict.DEFERRED,
    404: Verdict.DEFERRED,
    405: Verdict.DEFERRED,
    407: Verdict.DEFERRED,
    410: Verdict.DEFERRED,
    # RFC 6585, 4 and RFC 8470, 5.2: said before the request was worked on.
    425: Verdict.DEFERRED,
    429: Verdict.DEFERRED,
    # RFC 9110, 15.4: the same request should go to another address. (After 302 and 303 it may have been done.)
    301: Verdict.DEFERRED,
    307: Verdict.DEFERRED,
    308: Verdict.DEFERRED,
    # The text, its number or its sender.
    400: Verdict.REFUSED,
    411: Verdict.REFUSED,
    413: Verdict.REFUSED,
    414: Verdict.REFUSED,
    415: Verdict.REFUSED,
    422: Verdict.REFUSED,
    431: Verdict.REFUSED,
    # All others are *unknown*: 409 may mean that the text is there already; 408, 500, 502 and 504 come from what stands
    # in between, too, after the upstream took the text.
}
"""What statuses other than 2xx say of a text. A 503 is *deferred* with a Retry-After, else *unknown*: proxies say it
of a connection that broke after the request was passed on (Envoy does), but they do not say when to come again."""

LONGEST_RETRY_AFTER: Final = timedelta(hours=24)

_REASONS: Final[Mapping[int, str]] = {
    401: "the login is refused (HTTP 401)",
    402: "there is no credit (HTTP 402)",
    403: "it is forbidden (HTTP 403)",
    404: "there is nothing at the URL (HTTP 404)",
    429: "too many texts (HTTP 429)",
}
_SECRET: Final = re.compile(r"[A-Za-z0-9_.~-]{16,200}")
_BAD_ANSWER: Final = (BadReply, ValueError, KeyError, IndexError, TypeError, AttributeError)
_LONGEST_ID: Final = 255


def _path_secret(secret: SecretStr) -> SecretStr:
    if not _SECRET.fullmatch(secret.get_secret_value()):
        raise ValueError("16 to 200 letters, digits and -._~: it is a part of a URL")
    return secret


class UpstreamSettings(CarrierSettings):
    """What every ``[carriers.NAME]`` over HTTP may hold; each kind adds its own."""

    callback_secret: Annotated[SecretStr, AfterValidator(_path_secret)] | None = Field(
        default=None, description="last part of the URLs that the upstream calls; without it none is served"
    )
    connect_timeout: Span = Field(
        default=timedelta(seconds=5), gt=timedelta(0), description="longest wait for a connection, TLS included"
    )
    read_timeout: Span = Field(
        default=timedelta(seconds=20), gt=timedelta(0), description="longest silence of the upstream while it answers"
    )
    total_timeout: Span = Field(
        default=timedelta(seconds=30), gt=timedelta(0), description="longest time for a whole call"
    )
    ca_file: Path | None = Field(default=None, description="certificates (PEM) to be trusted besides the public ones")

    @field_validator("total_timeout")
    @classmethod
    def _longest(cls, total: timedelta, info: ValidationInfo) -> timedelta:
        connect = info.data.get("connect_timeout")
        if connect is not None and total <= connect:
            # Else a connection that is not made in time would look like a text in doubt.
            raise ValueError("has to be longer than connect_timeout")
        return total

    def anchored(self, folder: Path) -> Self:
        """Return the settings with the CA file counted from ``folder``."""
        return self if self.ca_file is None else self.model_copy(update={"ca_file": folder / self.ca_file})


class HttpCarrier:
    """The dull part of a :class:`~bridge.carriers.base.Carrier` over HTTP; a kind subclasses it."""

    takes_own_id: bool = False
    statuses: ClassVar[Mapping[int, Verdict]] = {}
    """What this upstream means by statuses, 2xx included, where it differs from :data:`STATUSES`."""

    def __init__(self, name: str, settings: UpstreamSettings, *, clock: Clock, urls: Iterable[str]) -> None:
        """Touch nothing yet. Calls go to the hosts of ``urls`` only; no secret of the settings is shown."""
        self.name = name
        self.concurrency = settings.concurrency
        self.callback_secret = settings.callback_secret
        self.clock = clock
        self.wire = Wire(
            name,
            urls=urls,
            connect_timeout=settings.connect_timeout.total_seconds(),
            read_timeout=settings.read_timeout.total_seconds(),
            total_timeout=settings.total_timeout.total_seconds(),
            connections=settings.concurrency,
            ca_file=settings.ca_file,
            secrets=secrets_of(settings),
        )
        self.urls: Urls | None = None

    def called_at(self, urls: Urls) -> None:
        """Hear where the upstream can call; before :meth:`open`."""
        self.urls = urls

    async def open(self, sink: Sink) -> None:  # noqa: ARG002 - what the upstream calls about comes by receive
        """Get ready; it connects at the first call. Raises :exc:`~bridge.model.errors.ConfigError`."""
        self.wire.open()

    async def close(self) -> None:
        """Let go of the connections."""
        await self.wire.close()

    async def send(self, outgoing: Outgoing) -> Outcome:
        """Send one text, by one call."""
        if not self.wire.is_open:
            return Outcome.deferred("the carrier is not open")
        try:
            reply = await self.submit(outgoing)
        except NoAnswer as lost:
            return lost.outcome
        return self.outcome(reply, outgoing)

    async def submit(self, outgoing: Outgoing) -> Reply:
        """Make the call for a text, with ``self.wire.call``. Raises :exc:`NoAnswer`."""
        raise NotImplementedError

    def read(self, reply: Reply, outgoing: Outgoing) -> Outcome:
        """Say what an answer of status 2xx means. Any KeyError or the like is *unknown*: it cannot be read."""
        raise NotImplementedError

    def reason(self, reply: Reply) -> str:
        """Say in a few words why a status was not a good one. It holds no text and no number."""
        return _REASONS.get(reply.status, f"HTTP {reply.status}")

    def outcome(self, reply: Reply, outgoing: Outgoing) -> Outcome:
        """Judge an answer by its status, and by :meth:`read`. The raw answer is kept without text and number."""
        verdict = self.verdict(reply, outgoing)
        if verdict is Verdict.DEFERRED:
            outcome = Outcome.deferred(self.reason(reply), retry_after=retry_after(reply, now=self.clock()))
        elif verdict is not None:
            outcome = Outcome(verdict=verdict, reason="" if verdict is Verdict.ACCEPTED else self.reason(reply))
        else:
            try:
                outcome = self.read(reply, outgoing)
            except _BAD_ANSWER as error:
                words = str(error) if isinstance(error, BadReply) else "the answer cannot be read"
                outcome = Outcome.unknown(words)
        if outcome.carrier_id is not None and len(outcome.carrier_id) > _LONGEST_ID:
            outcome = Outcome.unknown("the id in the answer is too long for one")
        # A reason goes to the log, and a provider's words in it may hold what it was sent.
        return dataclasses.replace(
            outcome,
            reason=outcome.reason and self.wire.cleaned(outcome.reason, text=outgoing.text, number=outgoing.number),
            raw=self.wire.shown(reply, text=outgoing.text, number=outgoing.number),
        )

    def verdict(self, reply: Reply, outgoing: Outgoing) -> Verdict | None:  # noqa: ARG002 - for kinds that look at both
        """Return what the status alone says, or None where the answer has to be read."""
        own = self.statuses.get(reply.status)
        if own is not None:
            return own
        if 200 <= reply.status < 300:
            return None
        if reply.status == 503 and retry_after(reply, now=self.clock()) is not None:
            return Verdict.DEFERRED
        return STATUSES.get(reply.status, Verdict.UNKNOWN)

    async def question(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Ask what is no text: a state, a credit. Raises :exc:`Trouble` for anything but an answer of status 2xx."""
        try:
            reply = await self.wire.call(method, url, params=params, headers=headers)
        except NoAnswer as lost:
            raise Trouble(f"{self.name}: {lost.reason}") from None
        if not 200 <= reply.status < 300:
            raise Trouble(f"{self.name}: {self.reason(reply)}")
        return reply


def retry_after(reply: Reply, *, now: datetime) -> timedelta | None:
    """Return what Retry-After asks for, in seconds or as a date (RFC 9110, 10.2.3); None where there is none.

    A date counts from ``now``; one that is over is no wait. At most :data:`LONGEST_RETRY_AFTER`.
    """
    written = reply.headers.get("retry-after", "").strip()
    if written.isascii() and written.isdigit():
        wait = timedelta(seconds=min(int(written[:9]), LONGEST_RETRY_AFTER.total_seconds()))
    else:
        try:
            until = parsedate_to_datetime(written)
        except ValueError:
            return None
        wait = (until if until.tzinfo else until.replace(tzinfo=UTC)) - now
    return min(max(wait, timedelta(0)), LONGEST_RETRY_AFTER)


def secrets_of(settings: BaseModel) -> Iterator[str]:
    """Give every secret of a table, however deep."""
    for value in dict(settings).values():
        yield from _secrets(value)


def _secrets(value: object) -> Iterator[str]:
    match value:
        case SecretStr():
            yield value.get_secret_value()
        case BaseModel():
            yield from secrets_of(value)
        case dict():
            for each in value.values():
                yield from _secrets(each)
        case tuple() | list() | set() | frozenset():
            for each in value:
                yield from _secrets(each)
