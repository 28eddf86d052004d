"""Who wrote a mail: the one mailbox in From (RFC 5322, 3.6.2; RFC 7489, 6.6.1)."""

from __future__ import annotations

import re
from typing import Final

from bridge.model.account import normalise_address
from bridge.model.errors import SenderRefused
from smtp.mime.header import Header
from smtp.proof import mailboxes

# What nearly all mails have: an address, or one in angle brackets behind a plain or a quoted name.
_WORD: Final = rb"[^\x00-\x20\x7f-\xff\"(),:;<>@\[\\\]]++"
_USUAL: Final = re.compile(
    rb"(?:(?:\"[^\"\\\x00-\x1f\x7f]*+\"|[^\x00-\x1f\x7f\"(),:;<>@\[\\\]]*+)[ \t]*+<(" + _WORD + rb"@" + _WORD + rb")>"
    rb"|(" + _WORD + rb"@" + _WORD + rb"))"
)
_FOLD: Final = re.compile(rb"\r?\n(?=[ \t])")
_BLANK_LINE: Final = re.compile(rb"\n[ \t]*+\r?(?:\n|\Z)")


def author_of(header: Header) -> str | None:
    """Return the author's address in the form of :func:`normalise_address`; None when there is no From at all.

    Sender and the Resent fields name others than the author and are not looked at. Raises :exc:`SenderRefused` when
    there are several From fields or several addresses, or when the address cannot be read without doubt.
    """
    values = [value for name, value in header.fields if name == "from"]
    if not values:
        return None
    if len(values) > 1:
        raise SenderRefused("The mail has several From fields")
    raw = values[0].strip(b" \t\r\n")
    usual = _USUAL.fullmatch(raw)
    address = (usual[1] or usual[2]) if usual else b""
    if address and b"=?" not in address:
        return normalise_address(address.decode("ascii"))
    try:
        return normalise_address(mailboxes.one(_unfolded(raw)))
    except mailboxes.Unreadable as error:
        reason = f"The From field is not read: {error}"
        raise SenderRefused(reason) from error


def _unfolded(raw: bytes) -> str:
    """Return the field on one line. Bytes that are not UTF-8 stay as such and match in no address."""
    if len(raw) > 4 * mailboxes.LONGEST:
        raise mailboxes.Unreadable("it is too long")
    if _BLANK_LINE.search(raw):
        raise mailboxes.Unreadable("a line of it is blank")
    return _FOLD.sub(b"", raw).decode("utf-8", "surrogateescape")
