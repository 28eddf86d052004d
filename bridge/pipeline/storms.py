"""Alike texts to one number: the first goes out, those that follow within its window are kept and not sent.

A window is of an account, the mailbox it texts from, a number, and a shape (:mod:`bridge.model.alike`). It ends at its
time: at that very millisecond a text goes out again. One in which something was kept ends with its digest alone
(:mod:`bridge.pipeline.digests`), so nothing falls between two windows; until that is sent, what comes is still kept.

Asked in the transaction that commits, under the lock of the account, submission by submission: only a text that the
rules let through opens a window. What is kept has the state *cancelled*, costs nothing and counts in no limit. A text
whose window is held by one that surely never came to the phone goes out in its place.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from bridge.model.alike import begins, key_of
from bridge.model.state import State
from bridge.store import events, storms
from bridge.store.storms import Key, Target, Window

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from bridge.model.message import Message, Recipient
    from bridge.pipeline.accept import Plan
    from bridge.store.engine import Connection

_FAILED: Final = frozenset({State.REFUSED, State.EXPIRED, State.UNDELIVERED, State.CANCELLED})
_MILLISECOND: Final = timedelta(milliseconds=1)


class Storms:
    """The windows that a batch of submissions is about: as the database says, and as the batch changes them."""

    def __init__(self, connection: Connection, texts: Iterable[tuple[Plan, Recipient]], *, now: int) -> None:
        """Read the windows of these texts; the accounts are locked."""
        self._connection = connection
        self._now = now
        self._shapes: dict[str, str] = {}
        self._windows = storms.read(connection, {self._key(plan, one) for plan, one in texts if not _passes(plan, one)})
        self._of_target: defaultdict[Target, set[Key]] = defaultdict(set)
        for key in self._windows:
            self._of_target[key.target].add(key)
        self._changed: set[Key] = set()
        self._ended: set[Target] = set()

    def head(self, plan: Plan, one: Recipient) -> str | None:
        """Return the recipient id of the text that stands for this one; None where this one goes out."""
        if plan.collapse is None or _passes(plan, one):
            return None
        window = self._windows.get(self._key(plan, one))
        if window is None or window.state in _FAILED:
            return None
        return window.head if window.count or self._now < window.ends_at else None

    def note(self, plan: Plan, admitted: Sequence[Recipient], kept: Mapping[int, str]) -> None:
        """Count a submission's texts that were taken; ``kept`` are those not sent, by position."""
        if plan.collapse is None:
            return
        span = plan.collapse.window // _MILLISECOND
        for one in admitted:
            key = self._key(plan, one)
            if one.position in kept:
                self._keep(key, one, span)
            elif _passes(plan, one):
                self._end(key.target)
            else:
                self._open(key, one, span)

    def write(self) -> None:
        """Write what changed."""
        storms.end(self._connection, self._ended, now=self._now)
        storms.write(self._connection, {key: self._windows[key] for key in self._changed})

    def _open(self, key: Key, one: Recipient, span: int) -> None:
        """Let a text that goes out begin a window, or stand in for one that failed."""
        window = self._windows.get(key)
        if window is None or not window.count:
            window = Window(message_id=one.message_id, position=one.position, span=span, ends_at=self._now + span)
        window.message_id, window.position, window.state = one.message_id, one.position, None
        self._windows[key] = window
        self._of_target[key.target].add(key)
        self._changed.add(key)

    def _keep(self, key: Key, one: Recipient, span: int) -> None:
        window = self._windows[key]
        window.count += 1
        window.span = span
        window.first_at = self._now if window.first_at is None else window.first_at
        window.last_at, window.last_id, window.last_position = self._now, one.message_id, one.position
        self._changed.add(key)

    def _end(self, target: Target) -> None:
        for key in self._of_target[target]:
            window = self._windows[key]
            if window.count:
                window.ends_at = self._now
            else:
                del self._windows[key]
                self._changed.discard(key)
        self._of_target[target] = {key for key in self._of_target[target] if key in self._windows}
        self._ended.add(target)

    def _key(self, plan: Plan, one: Recipient) -> Key:
        text = _text(plan, one)
        shape = self._shapes.get(text)
        if shape is None:
            shape = self._shapes[text] = key_of(text)
        return Key(plan.message.account_id, plan.message.origin, one.number, shape)


def tell(connection: Connection, kept: Iterable[tuple[Message, Mapping[int, str]]], *, now: int) -> None:
    """Write of texts that were kept and not sent, by message and position, which one stands for each."""
    rows = [(message, position, head) for message, heads in kept for position, head in heads.items()]
    if not rows:
        return
    storms.mark(connection, [(message.id, position, _reason(head)) for message, position, head in rows])
    told: list[events.NewEvent] = []
    for message, position, head in rows:
        data: dict[str, Any] = {"reason": _reason(head), "into": head}
        told.append((message.account_id, State.CANCELLED, message.id, position, data))
    events.add(connection, told, now=now)


def passing(plan: Plan) -> list[Target]:
    """Return the targets at which a submission's texts pass at once, and end what is open."""
    return [
        Target(plan.message.account_id, plan.message.origin, one.number)
        for one in plan.recipients
        if _passes(plan, one)
    ]


def _passes(plan: Plan, one: Recipient) -> bool:
    return plan.collapse is not None and begins(_text(plan, one), plan.collapse.passes)


def _text(plan: Plan, one: Recipient) -> str:
    return plan.message.text if one.text is None else one.text


def _reason(head: str) -> str:
    return f"collapsed into {head}"
