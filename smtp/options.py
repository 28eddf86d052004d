"""What a sender may ask for besides the text: in the address, behind the number, or in the subject."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.model.message import Priority


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """The same for all recipients of a mail.

    ``sender`` is the name that the text comes from, ``send_at`` in any form of
    :func:`bridge.model.when.parse_sendtime`.
    """

    sender: str | None = None
    send_at: str | None = None
    flash: bool = False
    test: bool = False
    priority: Priority | None = None


NONE = Options()
