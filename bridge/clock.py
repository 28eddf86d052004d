"""Time, as a thing that is passed in."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Says what time it is. Tests pass one that they move by hand."""

    def __call__(self) -> datetime:
        """Return an aware datetime in UTC."""
        ...


def system_clock() -> datetime:
    """Return the machine's time, in UTC."""
    return datetime.now(tz=UTC)
