"""Reads what a call asks, whatever face it came by: absent, empty and 0 are the same, and what is wrong is named.

Every element is a string, or a list of keys and values. Whoever calls by XML, by a query or by JSON gives the same
mapping of names to values.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from bridge.model.duration import parse_duration
from bridge.model.errors import InvalidRequest, TooManyRecipients
from bridge.model.message import Priority
from bridge.model.when import parse_sendtime

if TYPE_CHECKING:
    from collections.abc import Mapping

_SEPARATORS: Final = re.compile(r"[,;\r\n]+")
_MOST_PARTS: Final = 100_000
_ZERO: Final = re.compile(r"[0.]*", re.ASCII)
_NUMBER: Final = re.compile(r"\d{1,18}", re.ASCII)
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d|\d{1,2}[/.]\d{1,2}[/.](?:\d{4}|\d\d)", re.ASCII)
_FLAGS: Final = {"1": True, "true": True, "yes": True, "false": False, "no": False}
_PRIORITIES: Final = {priority.name.lower(): priority for priority in Priority}
_LONGEST: Final = timedelta(days=365)

# A moment to report from is read as one to send at is, by somebody for whom all times are still to come.
_BEFORE_ALL: Final = datetime(1970, 1, 1, tzinfo=UTC)
_WHENEVER: Final = timedelta(days=365 * 200)


class Asked:
    """The elements of one request, by name."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, Any]) -> None:
        """Take the values as they came; None is as good as absent."""
        self._values = values

    def text(self, name: str) -> str | None:
        """Return an element as it was written, spaces and all; None when it is absent or empty."""
        value = self._values.get(name)
        if value is not None and not isinstance(value, str):
            raise InvalidRequest(f"{name} is not a text")
        return value or None

    def word(self, name: str) -> str | None:
        """Return an element without the spaces around it; None when nothing is left."""
        if self._values.get(name) is None:  # most are absent
            return None
        return (self.text(name) or "").strip() or None

    def required(self, name: str) -> str:
        """Return an element that the call cannot do without, as it was written.

        Raises :exc:`~bridge.model.errors.InvalidRequest`.
        """
        value = self.text(name)
        if value is None:
            raise _missing(name)
        return value

    def required_word(self, name: str) -> str:
        """Return an element that the call cannot do without, without the spaces around it."""
        value = self.word(name)
        if value is None:
            raise _missing(name)
        return value

    def option(self, name: str) -> str | None:
        """Return an element for which 0 means that it is not given: a number, a time, a switch."""
        value = self.word(name)
        return None if value is None or _ZERO.fullmatch(value) else value

    def several(self, name: str) -> tuple[str, ...]:
        """Return the parts of a list written as one text, joined by commas or semicolons; empty parts count nothing.

        Raises :exc:`~bridge.model.errors.TooManyRecipients` for one that no setting allows.
        """
        written = self.text(name) or ""
        parts = _SEPARATORS.split(written, _MOST_PARTS)
        if len(parts) > _MOST_PARTS:
            raise TooManyRecipients(f"{name}: at most {_MOST_PARTS:,} in one list")
        return tuple(part for each in parts if (part := each.strip()))

    def required_several(self, name: str) -> tuple[str, ...]:
        """Return the parts of a list that has to have one at least."""
        parts = self.several(name)
        if not parts:
            raise _missing(name)
        return parts

    def number(self, name: str) -> int | None:
        """Return a whole number above 0; None when it is not given."""
        value = self.option(name)
        if value is None:
            return None
        if not _NUMBER.fullmatch(value):
            raise InvalidRequest(f"{name}: write a whole number")
        return int(value)

    def flag(self, name: str) -> bool:
        """Return a switch: ``1``, ``true`` or ``yes``; off when it is not given."""
        value = self.option(name)
        if value is None:
            return False
        found = _FLAGS.get(value.lower())
        if found is None:
            raise InvalidRequest(f"{name}: write 1 or 0, true or false")
        return found

    def priority(self, name: str) -> Priority:
        """Return a priority by its name; normal when it is not given."""
        value = self.option(name)
        if value is None:
            return Priority.NORMAL
        found = _PRIORITIES.get(value.lower())
        if found is None:
            raise InvalidRequest(f"{name}: write {', '.join(_PRIORITIES)}")
        return found

    def span(self, name: str) -> timedelta | None:
        """Return a span of time: ``30m``, ``24h``, ``2d``, or seconds; None when it is not given."""
        value = self.option(name)
        if value is None:
            return None
        try:
            found = parse_duration(value)
        except ValueError as error:
            raise InvalidRequest(f"{name}: {error}") from error
        if not timedelta(0) < found <= _LONGEST:
            raise InvalidRequest(f"{name}: at most {_LONGEST.days} days")
        return found

    def moment(self, name: str) -> datetime | None:
        """Return a moment, over or to come, in any form of a sendtime, or a day, which is its beginning.

        Without an offset it is meant in UTC. Raises :exc:`~bridge.model.errors.InvalidTime`.
        """
        value = self.option(name)
        if value is None:
            return None
        if _DAY.fullmatch(value):
            value += " 00:00"
        if value.startswith("+"):
            raise InvalidRequest(f"{name}: write a day or a time, not minutes from now")
        return parse_sendtime(value, zone=UTC, now=_BEFORE_ALL, furthest=_WHENEVER)

    def items(self, name: str) -> tuple[Asked, ...]:
        """Return the records of a list, in order; those that are nil count nothing."""
        value = self._values.get(name)
        found = getattr(value, "item", value) or ()
        if not isinstance(found, list | tuple):
            raise InvalidRequest(f"{name} is not a list")
        return tuple(Asked(_elements(name, each)) for each in found if each is not None)

    def fields(self, name: str) -> dict[str, str]:
        """Return keys and values; an item without a key is refused, and of two alike the last holds."""
        value = self._values.get(name)
        if value is None:
            return {}
        if isinstance(value, dict):
            given = Asked(value)
            return {key: given.text(key) or "" for key in value}
        return {each.required_word("key"): each.text("value") or "" for each in self.items(name)}


def _elements(name: str, item: Any) -> Mapping[str, Any]:
    """Return the elements of a record: one of Spyne's, or what another face made of it."""
    if isinstance(item, dict):
        return item
    try:
        elements: Mapping[str, Any] = vars(item)
        return elements
    except TypeError as error:
        raise InvalidRequest(f"{name} is not a list of records") from error


def _missing(name: str) -> InvalidRequest:
    return InvalidRequest(f"{name} is missing")
