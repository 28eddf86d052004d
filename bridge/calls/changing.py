"""Changing and cancelling what has not begun to leave; what carriers have, they are asked for afterwards.

A text is open to change while it is held, scheduled, or queued and never tried. What it comes to is worked out and paid
for before anything is written. Every function runs in the caller's transaction; where a rule or the credit is against
a change, it is raised, and nothing has changed.

A new text follows the rules of a text: cleaned, measured, priced by what it is now. Where recipients had texts of their
own, because the order was a template, the new one is a template too; it is filled in from the contacts, for an order's
own fields are not kept. Opt-outs and limits of texts per time are not asked again: they were, when it was taken. A new
time in hours in which nothing leaves is refused: nobody comes past them by changing what was taken for another time.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from bridge.calls.values import Moved
from bridge.model.errors import (
    Conflict,
    NoCredit,
    NotFound,
    SpendLimited,
    UnknownMessage,
    WrongState,
)
from bridge.model.message import Priority, recipient_id
from bridge.model.moment import from_ms, to_ms
from bridge.model.quota import window
from bridge.model.state import State
from bridge.model.template import Template
from bridge.model.text import check_length, clean, measure
from bridge.model.when import parse_sendtime
from bridge.pipeline import drafts
from bridge.pipeline.hours import check_leave
from bridge.pipeline.recipients import fields_of
from bridge.store import changes, contacts, events, ledger, lines, messages, recalls, usage
from bridge.store.changes import Written
from bridge.store.usage import Window

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from datetime import datetime

    from bridge.model.account import Account, Directory
    from bridge.model.contacts import Contact
    from bridge.pipeline.accept import Rules
    from bridge.store.changes import Open, Waiting
    from bridge.store.engine import Connection
    from bridge.store.recalls import Answered, Away

CHANGED = "changed"
_DAY = timedelta(days=1)
_NO_ANSWER = "no answer"
"""Of a carrier that could not be asked; the operator's log has the reason."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """What a text is to be; None leaves what is. ``by`` is who wants it."""

    by: str
    text: str | None = None
    sender: str | None = None
    send_at: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Edit:
    """What a message is to become; of a draft, ``position`` is the only recipient meant."""

    message: Open
    position: int | None
    columns: Mapping[str, object] = field(default_factory=dict)
    written: Sequence[Written] = ()

    @property
    def changed(self) -> set[int]:
        """The positions of the recipients that change."""
        return {one.position for one in self.written}

    def prices(self) -> Iterator[tuple[int, int, int]]:
        """Yield position, old and new price of each recipient that changes."""
        known = {one.position: one.price for one in self.message.recipients}
        return ((one.position, known[one.position], one.price) for one in self.written)


@dataclass(frozen=True, kw_only=True, slots=True)
class Cancelled:
    """What became of recipients that were to be cancelled; ``away`` are those of them that carriers have."""

    moved: Sequence[Moved]
    away: Sequence[Away] = ()

    def told(self, answers: Sequence[Answered], states: Mapping[tuple[str, int], State]) -> list[Moved] | WrongState:
        """Return what became of all, after carriers were asked, or that nothing came of it.

        Of ``answers`` only those on its own texts count; ``states`` is how texts stand after that, by message and
        position.
        """
        own = {text.id for text in self.away}
        said = {one.text.id: one for one in answers if one.text.id in own}
        told = []
        for one in self.moved:
            if (answer := said.get(one.recipient_id)) is None:
                told.append(one)
                continue
            after = states[answer.text.key]
            changed = answer.done and after is State.UNDELIVERED
            words = answer.words if answer.heard else _NO_ANSWER
            told.append(replace(one, after=after, changed=changed, said="" if changed else words))
        if said and not any(one.changed for one in told):
            there = ", ".join(dict.fromkeys(one.after for one in told))
            why = next(one.said for one in told if one.recipient_id in said)
            return WrongState(f"too late: it is {there}" + (f"; the carrier says: {why}" if why else ""))
        return told


def cancel(
    connection: Connection, account_id: int, id_: str, *, by: str, now: int, recall: Collection[str] = ()
) -> Cancelled:
    """Cancel what an id means, so far as it has not begun to leave.

    ``recall`` are carriers that may be asked for what they have. Raises :exc:`UnknownMessage`, and :exc:`WrongState`
    where all of it has left and nobody can be asked.
    """
    places = _places(connection, account_id, id_)
    changes.lock(connection, [message_id for message_id, _, _ in places])
    moved: list[Moved] = []
    away: list[Away] = []
    refused: WrongState | None = None
    for message_id, first, last in places:
        position = first if first == last else None
        had = [one for one in recalls.away(connection, message_id, first=first, last=last) if one.carrier in recall]
        try:
            moves = messages.cancel(connection, message_id, position, by=by, now=now)
        except NotFound as error:
            raise _unknown() from error
        except Conflict as error:
            if not had:
                refused = refused or WrongState(error.reason)
                continue
            moves = messages.standing(connection, message_id, position)
        away += had
        moved += [
            Moved(
                recipient_id=recipient_id(message_id, move.position),
                dest=move.number,
                before=move.before,
                after=move.after,
                changed=move.made,
            )
            for move in moves
        ]
    if refused is not None and not moved:
        raise refused
    return Cancelled(moved=moved, away=away)


def update(
    connection: Connection, account_id: int, id_: str, wish: Wish, *, directory: Directory, rules: Rules, now: int
) -> list[Moved]:
    """Change what an id means, so far as it has not begun to leave: all of that, or nothing.

    Raises :exc:`UnknownMessage`, :exc:`WrongState`, and whatever a rule has against a text, a sender or a time.
    """
    places = _places(connection, account_id, id_)
    # Messages before their account before recipients, as others lock them: then nobody waits in a circle.
    changes.lock(connection, [message_id for message_id, _, _ in places])
    purse = ledger.lock(connection, [account_id])[account_id]
    found = [changes.find(connection, one, first=first, last=last, now=now) for one, first, last in places]
    if not any(one.recipients or one.draft for one in found):
        raise _unknown()
    account = directory.account(account_id)
    due_at = None if wish.send_at is None else _due(wish.send_at, account, now)
    editor = _Editor(connection, account, directory, rules, wish)
    edits = [
        editor.edit(message, first if first == last else None)
        for message, (_, first, last) in zip(found, places, strict=True)
    ]
    if not any(edit.written or edit.message.draft for edit in edits):
        there = ", ".join(dict.fromkeys(one.state for message in found for one in message.recipients))
        raise WrongState(f"{id_} is {there}; this needs a text that waits and was never tried")
    more = sum(new - old for edit in edits for _, old, new in edit.prices())
    if more > 0 and purse.limit is not None and purse.balance - more < purse.limit:
        raise NoCredit("the account's credit does not cover the new text")
    if due_at is not None:
        at = max(due_at, from_ms(now))
        for edit in edits:  # drafts are asked when they are closed
            moving = [known.number for known in edit.message.recipients if known.position in edit.changed]
            check_leave(at, moving, Priority(edit.message.priority), account=account, rules=rules)
    usage.add(connection, _spend(connection, account, more, now))
    for edit in edits:
        _write(connection, edit, wish, due_at, now)
    return [moved for edit in edits for moved in _finish(connection, edit, due_at, now)]


class _Editor:
    """Works out what messages become."""

    def __init__(
        self, connection: Connection, account: Account, directory: Directory, rules: Rules, wish: Wish
    ) -> None:
        self._connection = connection
        self._account = account
        self._directory = directory
        self._rules = rules
        self._wish = wish
        self._text = None if wish.text is None else clean(wish.text)
        self._most = min(rules.max_parts, account.rules.max_parts or rules.max_parts)

    def edit(self, message: Open, position: int | None) -> _Edit:
        """Return what a message becomes. Raises a :exc:`~bridge.model.errors.Refusal`."""
        sender = message.sender
        if self._wish.sender is not None:
            sender = self._directory.sender(self._account.id, self._wish.sender, origin=message.origin)
        columns: dict[str, object] = {"sender": sender} if sender != message.sender else {}
        if message.draft:
            if position is not None and (columns or self._wish.send_at is not None):
                raise WrongState("a draft has one sender and one time for all: name the message")
            return _Edit(message=message, position=position, columns=columns)
        waiting = [one for one in message.recipients if one.waits]
        whole = len(waiting) == message.size
        if waiting and columns and not whole:
            raise WrongState("all texts of a message have one sender, and not all of these wait still")
        filled = self._text is not None and any(one.text is not None for one in waiting)
        if self._text is not None and whole:
            size = measure(self._text)
            columns |= {"text": self._text, "encoding": size.encoding, "parts": size.parts}
        template = Template.parse(self._text) if filled and self._text is not None else None
        if template is not None and template.pieces == (self._text,):
            template = None
        known: Mapping[str, Contact] = {}
        if template is not None:
            known = contacts.among(self._connection, self._account.id, [one.number for one in waiting])
        written = []
        for one in waiting:
            text = self._text
            if template is not None:
                fields = fields_of(known[one.number]) if one.number in known else {}
                text = clean(template.render(fields))
            written.append(self._written(message, one, text, sender, shared=whole and template is None))
        return _Edit(message=message, position=position, columns=columns if waiting else {}, written=written)

    def _written(self, message: Open, one: Waiting, text: str | None, sender: str | None, *, shared: bool) -> Written:
        """Return what a recipient becomes; its text is ``shared`` where the message has it."""
        priority = Priority(message.priority)
        lane = one.lane
        if sender != message.sender:
            router = self._rules.router
            lane = router.choose(one.number, account=self._account.name, sender=sender, priority=priority).name
        if text is None:
            return Written(
                position=one.position,
                text=one.text,
                encoding=one.encoding,
                parts=one.parts,
                price=one.price,
                lane=lane,
            )
        size = check_length(text, self._most)
        return Written(
            position=one.position,
            text=None if shared else text,
            encoding=None if shared else size.encoding,
            parts=size.parts,
            price=self._rules.prices.price(one.number, parts=size.parts, priority=priority),
            lane=lane,
        )


def _write(connection: Connection, edit: _Edit, wish: Wish, due_at: datetime | None, now: int) -> None:
    message = edit.message
    account_id = message.account_id
    told = {"by": wish.by, "text": wish.text is not None, "sender": edit.columns.get("sender")}
    if message.draft:
        _write_draft(connection, edit, wish, due_at, now)
        events.add(connection, [(account_id, CHANGED, message.id, edit.position, told)], now=now)
        return
    if wish.text is None and not edit.columns:
        return
    changes.write_message(connection, message.id, **edit.columns)
    changes.write(connection, message.id, edit.written)
    prices = list(edit.prices())
    taken = sum(max(0, new - old) for _, old, new in prices)
    ledger.reserve(connection, [(account_id, message.id, taken)] if taken else [], now=now)
    given = [(account_id, message.id, position, old - new) for position, old, new in prices if new < old]
    ledger.refund(connection, given, now=now)
    events.add(
        connection,
        [
            (account_id, CHANGED, message.id, one.position, told | {"parts": one.parts, "price": one.price})
            for one in edit.written
        ],
        now=now,
    )


def _write_draft(connection: Connection, edit: _Edit, wish: Wish, due_at: datetime | None, now: int) -> None:
    message = edit.message
    if edit.position is not None:
        if wish.text is not None:
            changes.hold(connection, message.id, edit.position, clean(wish.text))
        return
    wanted: dict[str, object] = dict(edit.columns)
    if wish.text is not None:
        wanted["text"] = wish.text
    if due_at is not None:
        wanted["send_at"] = due_at if to_ms(due_at) > now else None
    drafts.change(connection, message.id, **wanted)


def _finish(connection: Connection, edit: _Edit, due_at: datetime | None, now: int) -> Iterator[Moved]:
    """Give what waits its new time, and yield what became of each recipient asked for."""
    message = edit.message
    after: dict[int, State] = {}
    if due_at is not None and edit.written:
        moves = messages.reschedule(connection, message.id, edit.position, due_at=to_ms(due_at), now=now)
        after = {move.position: move.after for move in moves}
    changed = edit.changed
    for one in message.recipients:
        yield Moved(
            recipient_id=recipient_id(message.id, one.position),
            dest=one.number,
            before=one.state,
            after=after.get(one.position, one.state),
            changed=one.position in changed or (message.draft and one.state is State.HELD),
        )


def _due(written: str, account: Account, now: int) -> datetime:
    return parse_sendtime(written, zone=account.rules.zone, now=from_ms(now))


def _spend(connection: Connection, account: Account, more: int, now: int) -> dict[Window, int]:
    """Return what is to be counted for the day. Raises :exc:`SpendLimited`. The caller holds the account's lock."""
    most = account.rules.spend_per_day
    if most is None or more <= 0:
        return {}
    today = Window(account.id, "spend", *window(from_ms(now), _DAY, account.rules.zone))
    if usage.read(connection, [today]).get(today, 0) + more > most:
        raise SpendLimited("the account's spend for the day does not cover the new text")
    return {today: more}


def _places(connection: Connection, account_id: int, id_: str) -> list[tuple[str, int, int]]:
    places = lines.places_of(connection, account_id, [id_]).get(id_)
    if places is None:
        raise _unknown()
    return places


def _unknown() -> UnknownMessage:
    return UnknownMessage("no message, recipient or reference of the account has that id")
