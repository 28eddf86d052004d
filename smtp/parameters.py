"""What MAIL and RCPT say behind the address (RFC 5321, 4.1.1.11; RFC 3461, 4)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class MailParameters:
    """Of MAIL. ``ret`` is FULL or HDRS, ``envid`` decoded from xtext; None where nothing was said."""

    size: int = 0
    ret: str | None = None
    envid: str | None = None
    smtputf8: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class RecipientParameters:
    """Of RCPT. ``notify`` as written, in capitals: NEVER, or some of SUCCESS, FAILURE, DELAY.

    ``orcpt`` is ``type;address``, decoded from xtext.
    """

    notify: tuple[str, ...] = ()
    orcpt: str | None = None


NO_MAIL_PARAMETERS = MailParameters()
NO_RECIPIENT_PARAMETERS = RecipientParameters()
