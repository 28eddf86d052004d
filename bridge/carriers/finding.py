"""Where things are in what a provider says: by JSON pointer, pattern or header. Pure."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from bridge.carriers.wire import unrepeated

if TYPE_CHECKING:
    from bridge.carriers.wire import Reply


def found(reply: Reply, place: str | None, data: Any = None, *, but: str = "") -> str | None:
    """Return what stands at a place of an answer, or None for nothing there; ``data`` is its JSON, if read already.

    A place is ``/a/b/0`` (JSON pointer), ``header NAME``, or ``pattern REGEX`` (its first group, or all of it). No
    pattern is looked for in what an answer repeats of the text ``but``.
    """
    if place is None:
        return None
    if place.startswith("header "):
        return reply.headers.get(place.removeprefix("header ").strip()) or None
    if place.startswith("pattern "):
        match = re.search(place.removeprefix("pattern "), unrepeated(reply.text(), but))
        return None if match is None else match[1 if match.re.groups else 0] or None
    try:
        return plain(at(json.loads(reply.body) if data is None else data, place)) or None
    except (ValueError, LookupError, RecursionError):
        return None


def at(data: Any, pointer: str) -> Any:
    """Return what a JSON pointer (RFC 6901) leads to. Raises LookupError."""
    for step in pointer.split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        if isinstance(data, list) and key.isascii() and key.isdigit():
            data = data[int(key)]
        elif isinstance(data, dict):
            data = data[key]
        else:
            raise LookupError(pointer)
    return data


def plain(value: object) -> str | None:
    """Return a single value of JSON as text, ``true`` as JSON has it; None for null, a list and an object."""
    match value:
        case bool():
            return json.dumps(value)
        case str() | int() | float():
            return str(value)
    return None


def short(foreign: str) -> str:
    """Return a provider's word as it may be shown: one line, not long, and no run of digits that may be a number."""
    line = "".join(char if char.isprintable() else " " for char in foreign)
    return re.sub(r"\+?\d{7,}", "***", line)[:100]
