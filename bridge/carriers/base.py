"""The contract between the dispatcher and a carrier. It knows neither side.

A carrier turns one :class:`~bridge.model.message.Outgoing` into one :class:`~bridge.model.message.Outcome`, and hands
later news to its :class:`Sink`. It reports; the pipeline decides: no carrier retries, sleeps between tries, or asks
the database.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self, runtime_checkable

from pydantic import Field

from bridge.fields import Section

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from bridge.clock import Clock
    from bridge.model.message import Inbound, Outcome, Outgoing, Report


class Sink(Protocol):
    """Where a carrier brings its news. Both calls return once the news is durable, and are safe to repeat."""

    async def report(self, report: Report) -> None:
        """Take a report on a text. Late, double and out-of-order ones are harmless."""
        ...

    async def inbound(self, inbound: Inbound) -> None:
        """Take a text from a phone."""
        ...


class CarrierSettings(Section):
    """What every ``[carriers.NAME]`` table may hold; each kind adds its own."""

    kind: str
    concurrency: int = Field(default=16, ge=1, le=1000, description="texts under way at once")

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
    """What a call says: any number of reports and texts from phones, and what the upstream wants to hear."""

    reports: Sequence[Report] = ()
    inbounds: Sequence[Inbound] = ()
    answer: bytes = b"OK"
    media_type: str = "text/plain"


class Forged(Exception):
    """A call whose proof is wrong, missing or stale. The reason is for the log; it holds no secret."""


class Unreadable(Exception):
    """A call that is no call of this upstream. The reason is for the log; it holds no text and no number."""


@runtime_checkable
class Called(Protocol):
    """A carrier whose upstream calls us. The secret in the path was compared already."""

    def receive(self, call: Call) -> Received:
        """Check a call and read it. Pure: what it says is applied by the caller, and the answer goes out after that.

        A state that the carrier's tables do not know is no report; it is logged. Raises :exc:`Forged` and
        :exc:`Unreadable`.
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

    async def ask(self, texts: Sequence[Pending]) -> Sequence[Report]:
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


@runtime_checkable
class Recalled(Protocol):
    """A carrier that may be able to take back a text which has not reached the phone."""

    async def recall(self, text: Pending) -> bool:
        """Return whether the upstream said that it will not be sent.

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


class CarrierFactory(Protocol):
    """Builds a carrier of one kind from its settings; ``clock`` is passed in for times in reports."""

    def __call__(self, name: str, settings: CarrierSettings, *, clock: Clock) -> Carrier:
        """Return the carrier, not yet open."""
        ...
