"""What an operation works on, and what several of them say in the same way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from soap import schema

if TYPE_CHECKING:
    from bridge.calls.desk import Desk
    from bridge.calls.values import Caller
    from soap.asked import Asked
    from soap.results import Result

MOST_LINES: Final = 1000
"""Lines in one answer of a list that goes on in the next."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """One call of an operation: who asks what, of which desk, and by which door."""

    desk: Desk
    caller: Caller
    asked: Asked
    door: str

    @property
    def limit(self) -> int:
        """How many lines are wanted: 1,000 unless fewer are."""
        return min(self.asked.number("limit") or MOST_LINES, MOST_LINES)


def said(kind: Any, result: Result, /, **values: Any) -> Any:
    """Return an answer, or a record of one, with a status and its text."""
    return schema.fill(kind, status=result.status, status_text=result.text, **values)
