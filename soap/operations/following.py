"""What becomes of texts: how they stand, changing and cancelling them, and what phones answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bridge.model.errors import InvalidRequest, UnknownMessage, WrongState
from soap import schema
from soap.operations.call import said
from soap.results import TAKEN, Result, result
from soap.schema import Moment, amount

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.calls.values import Incoming, Moved, Status
    from soap.operations.call import Call

MOST_IDS: Final = 1000
"""Ids in one get_sms_status."""

UNKNOWN: Final = "unknown"


async def get_sms_status(call: Call) -> Any:
    """Say how texts stand, by ids of messages or recipients, or by a reference."""
    reference = call.asked.word("reference")
    ids = [*call.asked.several("message_id"), *([reference] if reference else ())]
    if not ids:
        raise InvalidRequest("message_id and reference are missing; one of them is needed")
    if len(ids) > MOST_IDS:
        raise InvalidRequest(f"message_id: at most {MOST_IDS} in one call")
    lines = await call.desk.status(call.caller, ids)
    if not lines:
        raise UnknownMessage("no message, recipient or reference of the account has that id")
    known = {name for one in lines for name in (one.recipient_id, one.message_id, one.reference)}
    unknown = [(UNKNOWN, id_) for id_ in dict.fromkeys(ids) if id_ not in known]
    return said(schema.StatusAnswer, TAKEN, recipients=map(_status, lines), extra=schema.pairs(unknown))


async def get_sms_report(call: Call) -> Any:
    """Say how texts stand, page by page, in the order in which they were taken."""
    page = await call.desk.report(
        call.caller,
        after=call.asked.word("after_id"),
        since=call.asked.moment("from_time"),
        until=call.asked.moment("to_time"),
        limit=call.limit,
    )
    return said(schema.ReportAnswer, TAKEN, recipients=map(_status, page.lines), next_id=page.next)


async def update_sms(call: Call) -> Any:
    """Change the text, the sender or the time of what has not begun to leave."""
    id_ = call.asked.required_word("message_id")
    text, sender, send_at = call.asked.text("message"), call.asked.word("sender"), call.asked.option("sendtime")
    if text is None and sender is None and send_at is None:
        raise InvalidRequest("nothing to change: message, sender and sendtime are missing")
    return _changed(await call.desk.update(call.caller, id_, text=text, sender=sender, send_at=send_at))


async def cancel_sms(call: Call) -> Any:
    """Cancel what has not begun to leave, and ask carriers for what they have."""
    return _changed(await call.desk.cancel(call.caller, call.asked.required_word("message_id")))


async def get_incoming_sms(call: Call) -> Any:
    """Return texts from phones, the oldest first; those up to ``acknowledge_id`` are done with."""
    after = call.asked.number("after_id") or 0
    found = await call.desk.incoming(
        call.caller, after=after, limit=call.limit, acknowledge=call.asked.number("acknowledge_id")
    )
    last = found[-1].id if found else after
    return said(schema.IncomingAnswer, TAKEN, texts=map(_incoming, found), last_id=str(last))


def _status(one: Status) -> Any:
    return schema.fill(
        schema.RecipientStatus,
        recipient_id=one.recipient_id,
        message_id=one.message_id,
        reference=one.reference,
        dest=one.dest,
        sender=one.sender,
        state=one.state,
        reason=one.reason,
        parts=one.parts,
        price=amount(one.price),
        created_at=Moment.of(one.created_at),
        due_at=Moment.of(one.due_at),
        updated_at=Moment.of(one.updated_at),
    )


def _changed(moves: Sequence[Moved]) -> Any:
    """Return what became of each recipient; when none could be changed, that is said of the whole too."""
    told = [_moved(one) for one in moves]
    whole = TAKEN if any(one.changed for one in moves) or not told else Result(told[0].status, told[0].status_text)
    return said(schema.ChangeAnswer, whole, recipients=told)


def _moved(one: Moved) -> Any:
    why = f"; the carrier says: {one.said}" if one.said else ""
    late = None if one.changed else WrongState(f"too late: it is {one.after}{why}")
    return said(
        schema.ChangedRecipient,
        result(late),
        recipient_id=one.recipient_id,
        dest=one.dest,
        state=one.after,
        state_before=one.before,
    )


def _incoming(one: Incoming) -> Any:
    return schema.fill(
        schema.IncomingText,
        incoming_id=str(one.id),
        sender=one.sender,
        dest=one.to,
        message=one.text,
        sent_at=Moment.of(one.sent_at),
        received_at=Moment.of(one.received_at),
        recipient_id=one.answers,
    )
