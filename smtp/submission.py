"""What a mail asks for: one submission with all its recipients."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from bridge.model.message import Addressee, Collapse, Priority, Submission
from smtp.mime.content import idempotency_key
from smtp.options import NONE, Options

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bridge.model.mail_policy import MailPolicy
    from smtp.mime.content import Content

DOOR = "smtp"


def submission_of(
    mail: Content,
    *,
    text: str,
    account_id: int,
    origin: str,
    numbers: Iterable[str],
    max_parts: int,
    options: Options = NONE,
    collapse: Collapse | None = None,
    envelope: str | None = None,
    reference: str | None = None,
    subject: str = "",
    seal: bytes | None = None,
    proof: str = "",
    test: bool = False,
) -> Submission:
    """Return the submission of a mail from ``origin`` to numbers in E.164; ``text`` is what is sent of it.

    ``proof`` is how its sender was believed; ``reference`` is the sender's own, else the Message-ID stands for it.
    ``subject`` and ``seal`` as in :func:`~smtp.mime.content.idempotency_key`.
    """
    return Submission(
        account_id=account_id,
        door=DOOR,
        origin=origin,
        recipients=tuple(
            [
                Addressee(
                    number=number,
                    key=idempotency_key(mail, sender=origin, number=number, subject=subject, seal=seal),
                )
                for number in numbers
            ]
        ),
        text=text,
        sender=options.sender,
        send_at=options.send_at,
        flash=options.flash,
        priority=Priority.NORMAL if options.priority is None else options.priority,
        proof=proof,
        reference=reference or mail.message_id,
        envelope=envelope,
        max_parts=max_parts,
        collapse=collapse,
        test=test or options.test,
    )


@lru_cache(maxsize=64)
def collapse_of(policy: MailPolicy) -> Collapse | None:
    """Return how a mailbox's alike texts become one, if they do."""
    return None if policy.collapse is None else Collapse(window=policy.collapse, passes=policy.collapse_pass)
