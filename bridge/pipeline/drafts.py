"""A message that is open: it takes recipients and changes until it is closed, and is priced and queued only then.

A draft is a message whose recipients are ``held``. It is kept, so it survives its process, and it costs nothing.
Closing asks every rule as if it had been submitted at that moment: all of it is taken or none, or each recipient by
itself. All functions run in the caller's write transaction.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from bridge.model.errors import TooManyRecipients
from bridge.model.message import Addressee, Message, Priority, Result, Submission, new_message_id, recipient_id
from bridge.model.moment import to_ms
from bridge.model.state import State
from bridge.model.text import clean, measure
from bridge.pipeline.accept import accept
from bridge.pipeline.admit import Asked, admit
from bridge.pipeline.commit import receipt_of
from bridge.store import drafts, events

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from bridge.model.account import Directory
    from bridge.model.message import Receipt
    from bridge.pipeline.accept import Rules
    from bridge.store.drafts import Draft
    from bridge.store.engine import Connection


def open_draft(connection: Connection, submission: Submission, *, now: datetime) -> str:
    """Keep a submission as a draft, and return its id. It may have no recipient yet, and any text."""
    text = clean(submission.text)
    size = measure(text)
    message = Message(
        id=new_message_id(now),
        account_id=submission.account_id,
        door=submission.door,
        origin=submission.origin,
        sender=submission.sender,
        text=text,
        encoding=size.encoding,
        parts=size.parts,
        priority=submission.priority,
        created_at=now,
        expires_at=now,
        reference=submission.reference,
        proof=submission.proof,
        callback_url=submission.callback_url,
        flash=submission.flash,
    )
    drafts.open_message(connection, message, _options(submission))
    add(connection, message.id, submission.recipients, most=len(submission.recipients), now=now)
    return message.id


def add(
    connection: Connection, draft_id: str, addressees: Iterable[Addressee], *, most: int, now: datetime
) -> list[Result]:
    """Add recipients to a draft, of which it may have ``most``. One that it has already is said to be a duplicate.

    Raises :exc:`~bridge.model.errors.NotFound`, :exc:`~bridge.model.errors.WrongState`,
    :exc:`~bridge.model.errors.TooManyRecipients`.
    """
    draft = drafts.find(connection, draft_id)
    known = {one.number: one.position for one in draft.recipients}
    place = drafts.last_position(connection, draft_id)
    rows = []
    results = []
    for addressee in addressees:
        duplicate = addressee.number in known
        if not duplicate:
            place += 1
            known[addressee.number] = place
            own = None if addressee.text is None else clean(addressee.text)
            rows.append((place, addressee.number, own, addressee.fields))
        results.append(
            Result(
                number=addressee.number,
                recipient_id=recipient_id(draft_id, known[addressee.number]),
                duplicate=duplicate,
                state=State.HELD,
            )
        )
    if len(known) > most:
        raise TooManyRecipients(f"at most {most} recipients in one message")
    drafts.hold(connection, draft_id, rows, now=to_ms(now))
    return results


def change(connection: Connection, draft_id: str, **changes: Any) -> None:
    """Change what a draft says: any of text, sender, priority, and the options of a submission, by their names there.

    Raises :exc:`~bridge.model.errors.NotFound`, :exc:`~bridge.model.errors.WrongState`.
    """
    draft = drafts.find(connection, draft_id)
    columns: dict[str, Any] = {name: changes.pop(name) for name in ("text", "sender", "priority") if name in changes}
    if "text" in columns:
        columns["text"] = clean(columns["text"])
    drafts.change(connection, draft_id, columns, {**draft.options, **_written(changes)})


def close(
    connection: Connection, draft_id: str, *, directory: Directory, rules: Rules, all_or_nothing: bool, now: datetime
) -> Receipt:
    """Price and queue a draft. Returns a result for each recipient.

    With ``all_or_nothing`` a refused recipient leaves it open as it was, and the receipt has no message id. Raises a
    :exc:`~bridge.model.errors.Refusal` for what is wrong with the whole of it; then too it stays open.
    """
    draft = drafts.find(connection, draft_id)
    submission = _submission(draft, all_or_nothing=all_or_nothing)
    plan = accept(submission, directory=directory, rules=rules, now=now, message_id=draft.id)
    moment = to_ms(now)
    (admission,) = admit(connection, [Asked(plan=plan, recipients=plan.recipients)], now=moment)
    receipt = receipt_of(plan, admission)
    if not admission.admitted:
        return receipt
    places = {one.number: one.position for one in draft.recipients}
    refused = {places[one.number]: one.refusal for one in receipt.results if one.refusal is not None}
    drafts.close(
        connection,
        plan.message,
        admission.admitted,
        {position: refusal.reason for position, refusal in refused.items()},
        now=moment,
    )
    events.add(
        connection,
        [
            (draft.account_id, State.REFUSED, draft.id, position, {"code": refusal.code, "reason": refusal.reason})
            for position, refusal in refused.items()
        ],
        now=moment,
    )
    return receipt


def _submission(draft: Draft, *, all_or_nothing: bool) -> Submission:
    options = dict(draft.options)
    lifetime = options.pop("lifetime", None)
    return Submission(
        account_id=draft.account_id,
        door=draft.door,
        origin=draft.origin,
        recipients=tuple(
            Addressee(number=one.number, fields=one.fields, text=one.text, position=one.position)
            for one in draft.recipients
        ),
        text=draft.text,
        sender=draft.sender,
        proof=draft.proof,
        reference=draft.reference,
        priority=Priority(draft.priority),
        lifetime=None if lifetime is None else timedelta(seconds=lifetime),
        all_or_nothing=all_or_nothing,
        **options,
    )


def _options(submission: Submission) -> dict[str, Any]:
    return _written(
        {name: getattr(submission, name) for name in ("send_at", "lifetime", "template", "max_parts", "flash")}
    )


def _written(options: dict[str, Any]) -> dict[str, Any]:
    """Return options as JSON keeps them."""
    kept = dict(options)
    if kept.get("lifetime") is not None:
        kept["lifetime"] = kept["lifetime"].total_seconds()
    if kept.get("send_at") is not None and not isinstance(kept["send_at"], str):
        kept["send_at"] = kept["send_at"].isoformat()
    return kept
