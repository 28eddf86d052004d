"""Time spans as people write them: ``30s``, ``15m``, ``24h``, ``2d``."""

from __future__ import annotations

import re
from datetime import timedelta

_FORM = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)\s*(ms|s|m|h|d)?", re.ASCII)
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, None: 1.0}

_LONGEST = 36_500 * _UNITS["d"]
"""A hundred years in seconds: beyond, a time and a span may have no sum."""


def parse_duration(value: object) -> timedelta:
    """Return a span from ``"15m"`` and the like, from a number of seconds, or from a timedelta.

    Raises ValueError that says what is allowed.
    """
    if isinstance(value, timedelta):
        return value
    seconds = None
    if isinstance(value, int | float) and not isinstance(value, bool):
        seconds = value
    elif isinstance(value, str) and (found := _FORM.fullmatch(value.strip())):
        seconds = float(found[1]) * _UNITS[found[2]]
    if seconds is None or not -_LONGEST <= seconds <= _LONGEST:  # nan is in no interval
        message = 'write a time span as "30s", "15m", "24h" or "2d"'
        raise ValueError(message)
    return timedelta(seconds=seconds)
