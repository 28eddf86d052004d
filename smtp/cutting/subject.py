"""What becomes of a mail's subject.

- ``ignore``: nothing.
- ``prefix``: it is the first line of the text, unless the text begins with it.
- ``only``: it is the text, and the body is not sent.
- ``options``: it holds options, and is no part of the text::

    subject = option *( ";" option )
    option  = name [ ( ":" / "=" ) value ]

  as in ``from: ACME; at: 2026-12-24 09:30; flash; priority: high``; names and values are those of
  :mod:`smtp.options`. A subject whose first name is no option is an ordinary one, and ignored: people write to such
  mailboxes too. Once the first is one, all have to be.

Where a subject is sent, what mail programs put before it goes (Re:, Fwd:, AW:, …), and so do marks that a mail comes
from outside (``[EXTERNAL]``), where banners are cut; other tags stay, for they are the sender's.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from bridge.model.errors import InvalidRequest, NoText
from bridge.model.mail_policy import Cut, Option, SubjectUse
from smtp.cutting.banners import TAG
from smtp.cutting.lines import bare
from smtp.options import NONE, Options, read_options

if TYPE_CHECKING:
    from bridge.model.mail_policy import MailPolicy

_LONGEST: Final = 1000
_MOST_OPTIONS: Final = 20
_NAMES: Final = frozenset(Option)
_SIGN: Final = re.compile("[:=：]")
# No single letters, as one program writes them: "R: is full" may be said of a disk.
_ANSWER: Final = re.compile(
    r"(?:re|fwd?|fw|aw|wg|antw|antwort|doorst|sv|vs|vb|vl|tr|rv|res|enc|rif|odp|pd|ynt|ilt|vá|отв|отг|пересл|"
    r"πρθ|απ|σχετ|השב|תגובה|הועבר|رد|إعادة توجيه|回复|答复|转发|轉寄|回覆|답장|전달)"
    r"(?:\[\d{1,3}\]|\(\d{1,3}\)|\^\d{1,3})?[ ]?[:：][ \t]*+",
    re.IGNORECASE,
)


def use_subject(text: str, subject: str, policy: MailPolicy) -> tuple[str, Options]:
    """Return the text with what ``policy`` makes of the subject, one line, and the options in it.

    Raises :exc:`InvalidRequest` or :exc:`InvalidTime` for options that cannot be read or are not allowed, and
    :exc:`NoText` where the subject alone is sent and there is none.
    """
    use = policy.subject
    if use is SubjectUse.IGNORE:
        return text, NONE
    said = _said(subject, policy)
    if use is SubjectUse.OPTIONS:
        return text, _options(said, policy)
    if use is SubjectUse.ONLY:
        if not said:
            raise NoText("the mail has no subject, and of this mailbox nothing else is sent")
        return said, NONE
    if not said or _begins_with(text, said):
        return text, NONE
    return f"{said}\n{text}", NONE


def _said(subject: str, policy: MailPolicy) -> str:
    """Return a subject without what programs and servers put before it."""
    said = bare(" ".join(subject[:_LONGEST].split()))
    before = None
    while said != before:
        before = said
        if found := _ANSWER.match(said):
            said = said[found.end() :]
        if Cut.BANNER in policy.cut and (found := TAG.match(said)):
            said = said[found.end() :]
    return said


def _begins_with(text: str, said: str) -> bool:
    first = text.lstrip()[: len(said) + 1]
    return first.startswith(said) and not first[len(said) :].isalnum()


def _options(said: str, policy: MailPolicy) -> Options:
    written = [_option(part) for part in said.split(";", _MOST_OPTIONS) if part.strip()]
    if not written or written[0][0].lower() not in _NAMES:
        return NONE
    if len(written) > _MOST_OPTIONS:
        raise InvalidRequest(f"more than {_MOST_OPTIONS} options")
    return read_options(written, allowed=policy.options)


def _option(part: str) -> tuple[str, str | None]:
    name, *value = _SIGN.split(part, maxsplit=1)
    return name.strip(), value[0].strip() if value else None
