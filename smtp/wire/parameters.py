"""What MAIL and RCPT say behind the address (RFC 5321, 4.1.1.11): what is in no table is refused.

``AUTH=`` is taken and not believed (RFC 4954, 5). ``BODY=`` says nothing that the mail itself does not.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from smtp.wire.dsn import read_envid, read_notify, read_orcpt, read_ret

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


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

    ``orcpt`` is ``type;address``, the address decoded.
    """

    notify: tuple[str, ...] = ()
    orcpt: str | None = None


NO_MAIL_PARAMETERS: Final = MailParameters()
NO_RECIPIENT_PARAMETERS: Final = RecipientParameters()

UNKNOWN_OF_MAIL: Final = "555 5.5.4 MAIL parameters not recognized"
UNKNOWN_OF_RCPT: Final = "555 5.5.4 RCPT parameters not recognized"
_MOST_DIGITS: Final = 20
"""Of a size (RFC 1870, 3)."""


def read_mail_parameters(given: Mapping[str, str]) -> MailParameters | str:
    """Return the parameters of MAIL, by name in capitals, or the reply that refuses them."""
    found = _read(given, _OF_MAIL, UNKNOWN_OF_MAIL)
    return found if isinstance(found, str) else MailParameters(**found)


def read_recipient_parameters(given: Mapping[str, str]) -> RecipientParameters | str:
    """Return the parameters of RCPT, by name in capitals, or the reply that refuses them."""
    found = _read(given, _OF_RCPT, UNKNOWN_OF_RCPT)
    return found if isinstance(found, str) else RecipientParameters(**found)


def _read(given: Mapping[str, str], table: _Table, unknown: str) -> dict[str, Any] | str:
    """Return the fields of the values, or the reply for the first that is wrong."""
    found: dict[str, Any] = {}
    for name, value in given.items():
        if name not in table:
            return unknown
        field, reader, wrong = table[name]
        read = reader(value)
        if read is None:
            return wrong
        if field:
            found[field] = read
    return found


def _size(value: str) -> int | None:
    if not (value.isascii() and value.isdigit()):
        return None
    return int(value) if len(value) <= _MOST_DIGITS else sys.maxsize


def _body(value: str) -> str | None:
    return value if value.upper() in {"7BIT", "8BITMIME"} else None


def _flag(value: str) -> bool | None:
    return None if value else True


_Table: TypeAlias = "dict[str, tuple[str, Callable[[str], object | None], str]]"
# By name: the field that it is kept in, if it is; what reads it, None for what it cannot be; the reply to that.
_OF_MAIL: Final[_Table] = {
    "SIZE": ("size", _size, "501 5.5.4 SIZE is a number"),
    "BODY": ("", _body, "501 5.5.4 BODY is 7BIT or 8BITMIME"),
    "SMTPUTF8": ("smtputf8", _flag, "501 5.5.4 SMTPUTF8 has no value"),
    "AUTH": ("", str, ""),
    "RET": ("ret", read_ret, "501 5.5.4 RET is FULL or HDRS"),
    "ENVID": ("envid", read_envid, "501 5.5.4 ENVID is xtext of printable ASCII, at most 100 characters"),
}
_OF_RCPT: Final[_Table] = {
    "NOTIFY": ("notify", read_notify, "501 5.5.4 NOTIFY is NEVER, or some of SUCCESS, FAILURE, DELAY"),
    "ORCPT": ("orcpt", read_orcpt, "501 5.5.4 ORCPT is type;address in xtext, at most 500 characters"),
}
