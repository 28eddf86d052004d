"""What a mail asks for: one submission with all its recipients."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.model.message import Addressee, Submission
from smtp.content import idempotency_key

if TYPE_CHECKING:
    from collections.abc import Iterable

    from smtp.content import Content

DOOR = "smtp"


def submission_of(
    mail: Content,
    *,
    account_id: int,
    origin: str,
    numbers: Iterable[str],
    max_parts: int,
    proof: str = "",
    test: bool = False,
) -> Submission:
    """Return the submission of a mail from ``origin`` to numbers in E.164; ``proof`` is how its sender was believed."""
    return Submission(
        account_id=account_id,
        door=DOOR,
        origin=origin,
        recipients=tuple(
            [Addressee(number=number, key=idempotency_key(mail, sender=origin, number=number)) for number in numbers]
        ),
        text=mail.text,
        proof=proof,
        reference=mail.message_id,
        max_parts=max_parts,
        test=test,
    )
