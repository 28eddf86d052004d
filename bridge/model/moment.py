"""Moments as they are kept: whole milliseconds since 1970 in UTC, and back.

Counted in integers. A float of seconds times a thousand falls short of the millisecond now and then, and a day that
is measured with it comes out a millisecond longer.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def to_ms(moment: datetime) -> int:
    """Return an aware moment in milliseconds since 1970; what is left of the last one is cut off."""
    return (moment - _EPOCH) // _MILLISECOND


def from_ms(milliseconds: int) -> datetime:
    """Undo :func:`to_ms`: an aware moment in UTC."""
    return _EPOCH + milliseconds * _MILLISECOND
