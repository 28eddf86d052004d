"""What a sandbox does with a text, as an operator writes it. Pure.

A behaviour is clauses joined by commas or semicolons::

    accept                        the line is written, then answered: what holds where nothing else is said
    refuse                        refused for good
    defer [SPAN] [N times]        not sent; with SPAN the carrier says when to come again
    lose [N times]                the line is written, and the answer lost
    lose unsent [N times]         nothing is written, and the answer lost
    delay SPAN                    the answer comes late, after the line: killed then, the text is in doubt
    slow SPAN                     the line comes late, and then the answer
    delivered [after SPAN]        a report, counted from the line; also undelivered, expired; any number
    reply TEXT [after SPAN]       the phone answers; TEXT in double quotes may hold commas and the like

SPAN is ``250ms``, ``2s``, ``5m`` up to ``24h``; without ``after SPAN`` news comes after a second. After
*N times* the text is accepted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final, Self

from bridge.model.duration import parse_duration
from bridge.model.state import State

_LONGEST: Final = timedelta(hours=24)
_SOON: Final = timedelta(seconds=1)
_NOW: Final = timedelta(0)

_SEPARATOR: Final = re.compile(r'[,;](?=(?:[^"]*"[^"]*")*[^"]*$)')
_SPAN: Final = r"(?P<span>[0-9][0-9.]{0,8} ?(?:ms|s|m|h|d))"
_TIMES: Final = r"(?: (?P<times>[1-9][0-9]{0,5}) times?)?"
_FORMS: Final = tuple(
    re.compile(form, re.DOTALL)
    for form in (
        "(?P<answer>accept|refuse)",
        f"(?P<answer>defer)(?: {_SPAN})?{_TIMES}",
        f"(?P<answer>lose(?: unsent)?){_TIMES}",
        f"(?P<wait>delay|slow) {_SPAN}",
        f"(?P<state>delivered|undelivered|expired)(?: after {_SPAN})?",
        f'reply (?:"(?P<quoted>[^"]+)"|(?P<plain>[^"]+?))(?: after {_SPAN})?',
    )
)
_ALLOWED: Final = (
    "accept, refuse, defer [SPAN] [N times], lose [N times], lose unsent [N times], delay SPAN, slow SPAN, "
    "delivered | undelivered | expired [after SPAN], reply TEXT [after SPAN]; joined by commas"
)


class Answer(StrEnum):
    """How a send is answered."""

    ACCEPT = "accept"
    REFUSE = "refuse"
    DEFER = "defer"
    LOSE = "lose"
    LOSE_UNSENT = "lose unsent"


@dataclass(frozen=True, kw_only=True, slots=True)
class Later:
    """What comes after a text reached the phone: a report of ``state``, or else a reply."""

    after: timedelta = _SOON
    state: State | None = None
    text: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Behaviour:
    """What the sandbox does with a text. ``times`` says for how many tries ``answer`` holds; None: for all."""

    answer: Answer = Answer.ACCEPT
    times: int | None = None
    retry_after: timedelta | None = None
    slow: timedelta = _NOW
    delay: timedelta = _NOW
    later: tuple[Later, ...] = ()

    @classmethod
    def read(cls, written: object) -> Self:
        """Read the clauses that the module's docstring lists. Raises ValueError that says what is allowed."""
        if isinstance(written, cls):
            return written
        if not isinstance(written, str):
            raise ValueError(f"write it as a string: {_ALLOWED}")  # noqa: TRY004 - pydantic wants ValueError
        told: dict[str, Any] = {}
        later: list[Later] = []
        for clause in _SEPARATOR.split(written):
            words = re.sub(r"\s+", " ", clause.strip()) if '"' not in clause else clause.strip()
            found = next(filter(None, (form.fullmatch(words) for form in _FORMS)), None)
            if found is None:
                raise ValueError(f"{words!r} is not understood; allowed: {_ALLOWED}")
            parts = {name: value for name, value in found.groupdict().items() if value is not None}
            span = _span(parts["span"]) if "span" in parts else None
            if "answer" in parts:
                news: dict[str, Any] = {"answer": Answer(parts["answer"]), "retry_after": span}
                if "times" in parts:
                    news["times"] = int(parts["times"])
            elif "wait" in parts:
                news = {parts["wait"]: span}
            else:
                state = State(parts["state"]) if "state" in parts else None
                text = parts.get("quoted") or parts.get("plain") or ""
                later.append(Later(after=_SOON if span is None else span, state=state, text=text))
                continue
            if told.keys() & news:
                raise ValueError(f"{words!r} contradicts an earlier clause")
            told |= news
        behaviour = cls(**told, later=tuple(later))
        if later and behaviour.never_arrives:
            raise ValueError(f"nothing is delivered or replied to after {str(behaviour.answer)!r}")
        return behaviour

    @property
    def never_arrives(self) -> bool:
        """Whether no text reaches the phone, however often it is tried."""
        return self.answer not in {Answer.ACCEPT, Answer.LOSE} and self.times is None


def _span(written: str) -> timedelta:
    span = parse_duration(written)
    if span > _LONGEST:
        raise ValueError(f"{written!r} is too long; at most 24h")
    return span
