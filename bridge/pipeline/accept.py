"""The rules between a door and the store: what is taken, what is refused, and why. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from bridge.model.errors import NoText, TooManyRecipients
from bridge.model.message import Message, Recipient, Result, new_message_id
from bridge.model.state import State
from bridge.model.text import check_length, clean

if TYPE_CHECKING:
    from datetime import datetime

    from bridge.model.account import Directory
    from bridge.model.message import Submission
    from bridge.pipeline.routing import Router


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """The operator's settings that bind every submission; a door or an account may be stricter."""

    router: Router
    max_parts: int = 20
    max_recipients: int = 10_000
    lifetime: timedelta = timedelta(hours=24)


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """A submission that may be committed.

    Its rows, and a result for every addressee in the order of the submission.

    The results of duplicates within the submission name the recipient that stands for them.
    """

    message: Message
    recipients: tuple[Recipient, ...]
    results: tuple[Result, ...]


def accept(submission: Submission, *, directory: Directory, rules: Rules, now: datetime) -> Plan:
    """Return what is to be committed for a submission.

    Numbers are E.164 already: a door parses them, for it must answer each one by itself. Raises a
    :exc:`~bridge.model.errors.Refusal` when nothing of the submission may be sent.
    """
    account = directory.account(submission.account_id)
    if not submission.recipients:
        reason = "no recipient"
        raise NoText(reason)
    if len(submission.recipients) > rules.max_recipients:
        reason = f"at most {rules.max_recipients} recipients in one submission"
        raise TooManyRecipients(reason)
    text = clean(submission.text)
    measure = check_length(text, min(submission.max_parts or rules.max_parts, rules.max_parts))
    message = Message(
        id=new_message_id(now),
        account_id=account.id,
        door=submission.door,
        origin=submission.origin,
        sender=submission.sender,
        text=text,
        encoding=measure.encoding,
        parts=measure.parts,
        priority=submission.priority,
        created_at=now,
        expires_at=now + min(submission.lifetime or rules.lifetime, rules.lifetime),
        reference=submission.reference,
        proof=submission.proof,
    )
    first: dict[str, Recipient] = {}
    results = []
    for addressee in submission.recipients:
        known = first.get(addressee.number)
        if known is None:
            known = first[addressee.number] = Recipient(
                message_id=message.id,
                position=len(first) + 1,
                number=addressee.number,
                key=addressee.key,
                state=State.QUEUED,
                lane=rules.router.choose(addressee.number).name,
                parts=measure.parts,
            )
            results.append(Result(number=known.number, recipient_id=known.id))
        else:
            results.append(Result(number=known.number, recipient_id=known.id, duplicate=True))
    return Plan(message=message, recipients=tuple(first.values()), results=tuple(results))
