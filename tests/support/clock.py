"""Time, moved by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from bridge.model.moment import to_ms

START = datetime(2030, 1, 1, 12, 0, tzinfo=UTC)


class HandClock:
    """A :class:`bridge.clock.Clock` that stands still until it is moved."""

    def __init__(self, now: datetime = START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    @property
    def ms(self) -> int:
        """The time in milliseconds since 1970, as the store has it."""
        return to_ms(self.now)

    def advance(self, *, seconds: float = 0, ms: int = 0) -> None:
        """Move on (or back, when negative)."""
        self.now += timedelta(seconds=seconds, milliseconds=ms)
