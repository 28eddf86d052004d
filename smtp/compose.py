"""From what a mail says to what is sent: cuts, subject, length; by the policy of its mailbox."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bridge.model.errors import NoText
from bridge.model.mail_policy import SubjectUse
from bridge.model.text import clean
from smtp.cutting.cut import Trimmed, cut, why_empty
from smtp.cutting.length import fit
from smtp.cutting.subject import use_subject
from smtp.options import NONE

if TYPE_CHECKING:
    from bridge.model.mail_policy import MailPolicy
    from smtp.options import Options


@dataclass(frozen=True, kw_only=True, slots=True)
class Composed:
    """``text`` is cleaned and fits. ``options`` are those of the subject; ``notes`` say in lines what was changed."""

    text: str
    options: Options
    trimmed: Trimmed
    notes: tuple[str, ...]


def compose(text: str, subject: str, policy: MailPolicy, *, most: int) -> Composed:
    """Return what is sent of a text, in ``most`` parts at most.

    Raises :exc:`NoText` when nothing is left, :exc:`~bridge.model.errors.TextTooLong`,
    :exc:`~bridge.model.errors.InvalidRequest` for options that cannot be read.
    """
    trimmed = cut(text, policy)
    text = clean(trimmed.text)
    options = NONE
    if policy.subject is not SubjectUse.IGNORE:
        text, options = use_subject(text, subject, policy)
        text = clean(text)
    if not text and trimmed.cuts:
        raise NoText(why_empty(trimmed))
    fitted = fit(text, most=most, policy=policy)
    return Composed(text=fitted.text, options=options, trimmed=trimmed, notes=fitted.notes)
