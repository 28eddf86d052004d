"""What makes two texts alike, and the one text that is sent for many. Pure.

Alerts of a storm differ in what is counted and measured: times, values, ids. So that is masked, and what is left of a
text is its *shape*; texts of one shape are alike. Words make a difference, letters within a host's name among them:
``db01`` and ``db02`` are alike, ``db01`` and ``be01`` are not.
"""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from bridge.model.moment import from_ms
from bridge.model.text import measure

if TYPE_CHECKING:
    from collections.abc import Sequence
    from zoneinfo import ZoneInfo

_MASK: Final = "0"
# In this order, for the first that fits counts; a text is folded before. Each is tried once a place, and takes all it
# can without a way back: the time grows with the text alone.
_COUNTED: Final = re.compile(
    r"""
    (?<![0-9a-z]) [0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12} (?![0-9a-z])  # a UUID
  | (?<![0-9a-z:.-]) (?:[0-9a-f]{2}[:-]){5}[0-9a-f]{2} (?![0-9a-z])         # a hardware address
  | (?<![0-9a-z]) 0x[0-9a-f]++ (?![0-9a-z])
  | (?<![0-9a-z]) (?=[a-f]{0,40}+[0-9]) [0-9a-f]{8,}+ (?![0-9a-z])          # an id in hex: shorter ones may be names
  | (?:(?<=\s)|\A) [-+\u2212] (?=\d)                                        # a sign before a value
  | \d++ (?:[.,:]\d++)*+                                                    # values, times of day, addresses
    (?:[ ]?[ap]\.?m\b\.?)?+                                                 # before and after noon
    """,
    re.VERBOSE,
)
_SIGNS: Final = frozenset("-+\u2212")
_LONGEST: Final = 8_192
"""Characters that count: a text has some three thousand."""

_ELLIPSIS: Final = "..."


def shape(text: str) -> str:
    """Return what a text has in common with those alike: one line in small letters, with what is counted masked.

    Masked are numbers of all scripts with their points, commas, colons and signs, ``am`` and ``pm`` behind them, ids of
    eight hex digits and more, UUIDs, hardware addresses. Names of days and months stay.
    """
    return " ".join(_COUNTED.sub(_masked, text[:_LONGEST].casefold()).split())


def key_of(text: str) -> str:
    """Return 32 hex digits that are the same for texts of one shape."""
    return blake2b(shape(text).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def begins(text: str, phrases: Sequence[str]) -> bool:
    """Whether a text begins with one of the phrases, in large letters or small."""
    if not phrases:
        return False
    folded = text.lstrip().casefold()
    return any(phrase and folded.startswith(phrase.casefold()) for phrase in phrases)


def digest(text: str, count: int, *, since: int, until: int, zone: ZoneInfo) -> str:
    """Return the text for ``count`` alike ones, of which ``text`` is the latest: ``… (+12 alike 10:02-10:11)``.

    ``since`` and ``until`` (milliseconds since 1970) are when the first and the last of them came. The text gives way
    so that the whole takes no more parts than the text alone; one without room for the count stays as it is.
    """
    first, last = (from_ms(moment).astimezone(zone) for moment in (since, until))
    if first.date() != last.date():
        span = f"{first:%d.%m. %H:%M}-{last:%d.%m. %H:%M}"
    elif (first.hour, first.minute) != (last.hour, last.minute):
        span = f"{first:%H:%M}-{last:%H:%M}"
    else:
        span = f"{first:%H:%M}"
    told = f" (+{count} alike {span})"
    parts = measure(text).parts
    whole = text + told
    if measure(whole).parts <= parts:
        return whole
    # Cutting may take away the one letter that makes a text UCS-2, so less text never takes more parts.
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if measure(_shortened(text, middle) + told).parts <= parts:
            low = middle
        else:
            high = middle - 1
    return _shortened(text, low) + told if low else text


def _shortened(text: str, length: int) -> str:
    return text[:length].rstrip() + _ELLIPSIS


def _masked(found: re.Match[str]) -> str:
    return "" if found[0] in _SIGNS else _MASK
