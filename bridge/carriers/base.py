"""The contract between the dispatcher and a carrier. It knows neither side.

A carrier turns one :class:`~bridge.model.message.Outgoing` into one :class:`~bridge.model.message.Outcome`, and hands
later news to its :class:`Sink`. It reports; the pipeline decides: no carrier retries, sleeps between tries, or asks
the database. (Of a text that is out in part nobody else can send the rest: see :mod:`bridge.carriers.smpp.carrier`.)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Final, Literal, Protocol, Self, runtime_checkable
from urllib.parse import quote

from pydantic import BeforeValidator, Field

from bridge.fields import Section, Span
from bridge.model.limits import Limit, parse_limit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from pydantic import SecretStr

    from bridge.clock import Clock
    from bridge.model.message import Inbound, Outcome, Outgoing, Report


class Sink(Protocol):
    """Where a carrier brings its news. All calls return once the news is durable, and are safe to repeat."""

    async def report(self, report: Report) -> None:
        """Take a report on a text. Late, double and out-of-order ones are harmless."""
        ...

    async def inbound(self, inbound: Inbound) -> None:
        """Take a text from a phone."""
        ...


def _rate(value: object) -> object:
    if value is None or isinstance(value, Limit):
        return value
    limit = parse_limit(str(value))
    if limit.count > _MOST_RATE:
        message = f"{value!r}: at most {_MOST_RATE} texts"
        raise ValueError(message)
    return limit


_MOST_RATE: Final = 100_000
"""Texts in a time of which the times are remembered."""


class CarrierSettings(Section):
    """What every ``[carriers.NAME]`` table may hold; each kind adds its own."""

    kind: str
    concurrency: int = Field(default=16, ge=1, le=1000, description="texts under way at once")
    rate: Annotated[Limit | None, BeforeValidator(_rate)] = Field(
        default=None, description="texts in a time, at most: 30/1s"
    )
    ask: bool = Field(default=True, description="ask what became of texts, where the upstream can be asked")
    ask_for: Span = Field(
        default=timedelta(hours=72),
        ge=timedelta(minutes=1),
        le=timedelta(days=30),
        description="how long after a text was sent",
    )
    ask_ends: Literal["sent", "undelivered"] = Field(
        default="sent", description="state of a text of which nothing was heard by then"
    )

    def anchored(self, folder: Path) -> Self:  # noqa: ARG002 - for kinds that have paths
        """Return the settings with relative paths counted from ``folder``."""
        return self


class Carrier(Protocol):
    """One upstream system, under the name the operator gave it."""

    takes_own_id: bool
    """Whether a text sent twice under the same ``Outgoing.id`` reaches the phone once.

    It decides what becomes of a text whose answer was lost: sent again, or left *unknown* for a report or a person.
    An instance may say it of itself where a setting decides.
    """

    name: str
    concurrency: int

    async def open(self, sink: Sink) -> None:
        """Get ready to send. Raises :exc:`~bridge.model.errors.ConfigError` for settings that cannot work.

        An upstream that is merely down is no error: texts wait.
        """
        ...

    async def send(self, outgoing: Outgoing) -> Outcome:
        """Send one text, once. Called up to ``concurrency`` times at once.

        Every end is an outcome: *deferred* only if the text surely did not leave, *unknown* when that is not sure.
        An exception counts as *unknown*. Cancellation means that the bridge stops and no longer waits: *unknown* too.
        """
        ...

    async def close(self) -> None:
        """Let go of connections. No send is under way any more. Safe after a failed :meth:`open`, and twice."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """What an upstream sent to ``/carriers/<name>/callback/<secret>``, or with ``inbound`` to the URL for replies.

    ``query`` and ``body`` are the bytes as they came: signatures are over them, and the charset is the carrier's
    business. Header names are in lower case.
    """

    method: str
    inbound: bool
    query: bytes
    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Received:
    """What a call says: any number of reports and texts from phones, and what the upstream wants to hear.

    ``named`` are texts, by the carrier's ids, of which it says something that is not believed: see :class:`Confirmed`.
    """

    reports: Sequence[Report] = ()
    inbounds: Sequence[Inbound] = ()
    named: Sequence[str] = ()
    answer: bytes = b"OK"
    media_type: str = "text/plain"


@dataclass(frozen=True, kw_only=True, slots=True)
class Urls:
    """Where the upstream of one carrier reaches the bridge. Both end in its secret: they are for no log."""

    callback: str = field(repr=False)
    inbound: str = field(repr=False)

    @classmethod
    def under(cls, public_url: str, name: str, secret: str) -> Self:
        """Make the URLs of a carrier from the bridge's own and the carrier's secret."""
        base = f"{public_url.rstrip('/')}/carriers/{quote(name, safe='')}"
        return cls(callback=f"{base}/callback/{secret}", inbound=f"{base}/inbound/{secret}")


class Forged(Exception):
    """A call whose proof is wrong, missing or stale. The reason is for the log; it holds no secret."""


class Unreadable(Exception):
    """A call that is no call of this upstream. The reason is for the log; it holds no text and no number."""


@runtime_checkable
class Called(Protocol):
    """A carrier whose upstream calls us. The secret in the path was compared already."""

    callback_secret: SecretStr | None
    """The last part of the URLs that are called; None: none is served."""

    def called_at(self, urls: Urls) -> None:
        """Hear the URLs, before :meth:`Carrier.open`, for those that go with each text. Not where none is known."""
        ...

    def receive(self, call: Call) -> Received:
        """Check a call and read it. Pure: what it says is applied by the caller, and the answer goes out after that.

        A state that the carrier's tables do not know is no report; it is logged. Raises :exc:`Forged` and
        :exc:`Unreadable`.
        """
        ...


@runtime_checkable
class Decrypting(Protocol):
    """A carrier that is called with what takes long to open: its calls are read in a thread."""

    decrypts: bool
    """Whether its settings say so."""


@runtime_checkable
class Confirmed(Protocol):
    """A carrier that is called without proof: what a call names, it asks for before anything is applied."""

    async def confirm(self, received: Received) -> Received:
        """Return what the upstream itself says of the texts that a call named, in place of the call's own word.

        Raises :exc:`Forged` for a text that it does not know, and :exc:`~bridge.model.errors.Trouble` when it cannot
        be asked now: the call should come again.
        """
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Pending:
    """A text that the carrier took and of which it has not said the end. ``id`` is ours, ``number`` in E.164."""

    id: str
    carrier_id: str | None
    number: str
    sent_at: datetime


@runtime_checkable
class Asked(Protocol):
    """A carrier that can be asked what became of texts."""

    most_asked: int
    """Texts in one question, at most."""

    async def states_of(self, texts: Sequence[Pending]) -> Sequence[Report]:
        """Return what is known of them; a text without news is left out.

        Raises :exc:`~bridge.model.errors.Trouble` when the upstream cannot be asked now.
        """
        ...


@runtime_checkable
class Fetched(Protocol):
    """A carrier whose texts from phones are fetched."""

    fetch_every: float
    """Seconds between two questions; 0 where its settings say not to ask."""

    async def fetch(self) -> Sequence[Inbound]:
        """Return what came lately, known ones too: they are told apart by their ids.

        Raises :exc:`~bridge.model.errors.Trouble` when the upstream cannot be asked now.
        """
        ...


@runtime_checkable
class Funded(Protocol):
    """A carrier that tells what is left of the operator's money there."""

    async def credit(self) -> str:
        """Return it as the upstream writes it, with its currency where one is told.

        Raises :exc:`~bridge.model.errors.Trouble` when the upstream cannot be asked now.
        """
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Recall:
    """What an upstream made of the wish to take a text back. ``done``: it said that the text will not be sent.

    ``words`` say why not, for a person and the log; they hold no text and no number.
    """

    done: bool
    words: str = ""


@runtime_checkable
class Recalled(Protocol):
    """A carrier that may be able to take back a text which has not reached the phone."""

    async def recall(self, text: Pending) -> Recall:
        """Ask for it once. That it is unknown there, or too far on its way, is an answer too.

        Raises :exc:`~bridge.model.errors.Trouble` when the upstream cannot be asked now.
        """
        ...


@runtime_checkable
class SetUp(Protocol):
    """A carrier that can enter our URLs at its upstream by itself: ``smsbridge carrier setup NAME``."""

    async def set_up(self, *, callback_url: str, inbound_url: str) -> Sequence[str]:
        """Do it, safe to repeat; return what was done, a line each.

        Raises :exc:`~bridge.model.errors.ConfigError`, or a :exc:`~bridge.model.errors.Trouble` to be tried again.
        """
        ...


@runtime_checkable
class Registers(Protocol):
    """A carrier whose upstream keeps senders and contacts: ``smsbridge carrier sender`` and ``carrier contact``.

    Both return what the upstream said, for a person to read. They raise :exc:`~bridge.model.errors.Trouble` when it
    cannot be told now.
    """

    async def add_sender(self, sender: str) -> str:
        """Ask for a sender to be approved there."""
        ...

    async def add_contact(self, number: str, *, email: str, name: str = "") -> str:
        """Make a contact of a number in E.164, or change it."""
        ...


class CarrierFactory(Protocol):
    """Builds a carrier of one kind from its settings; ``clock`` is passed in for times in reports."""

    def __call__(self, name: str, settings: CarrierSettings, *, clock: Clock) -> Carrier:
        """Return the carrier, not yet open."""
        ...
