"""The contract between the dispatcher and a carrier. It knows neither side.

A carrier turns one :class:`~bridge.model.message.Outgoing` into one :class:`~bridge.model.message.Outcome`, and hands
later news to its :class:`Sink`. It reports; the pipeline decides: no carrier retries, sleeps between tries, or asks
the database.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, Self

from pydantic import Field

from bridge.fields import Section

if TYPE_CHECKING:
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


class CarrierFactory(Protocol):
    """Builds a carrier of one kind from its settings; ``clock`` is passed in for times in reports."""

    def __call__(self, name: str, settings: CarrierSettings, *, clock: Clock) -> Carrier:
        """Return the carrier, not yet open."""
        ...
