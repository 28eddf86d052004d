r"""What MAIL and RCPT ask for in delivery reports (RFC 3461, 4): values read, and given back as they were meant.

xtext is undone, and so is ``\x{…}`` in addresses of the type ``utf-8`` (RFC 6533, 3), so that what is kept is what was
encoded. Neither may hold a control character: it will stand in a header one day.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_LONGEST_ENVID: Final = 100
_LONGEST_ORCPT: Final = 500
_REPORTED: Final = ("SUCCESS", "FAILURE", "DELAY")

_XTEXT: Final = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-Fa-f]{2})++")
_XTEXT_OR_MORE: Final = re.compile(r"(?:[!-*,-<>-~]|[^\0-\x7f]|\+[0-9A-Fa-f]{2})++")
_OCTETS: Final = re.compile(r"(?:\+[0-9A-Fa-f]{2})++")
_CODE_POINT: Final = re.compile(r"\\x\{([0-9A-Fa-f]{2,5}|10[0-9A-Fa-f]{4})\}")
_TYPE: Final = re.compile(r"[A-Za-z0-9!#$%&'*/?^_`{|}~-]++")
_UNSEEN: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Unicode's categories of controls, surrogates, and ends of lines and paragraphs."""


def read_ret(value: str) -> str | None:
    """Return FULL or HDRS: how much of the mail a report of failure holds. None for anything else."""
    value = value.upper()
    return value if value in {"FULL", "HDRS"} else None


def read_envid(value: str) -> str | None:
    """Return the sender's own name of the mail, 1 to 100 characters as encoded, in clear; None when it is wrong."""
    return _printable(value) if len(value) <= _LONGEST_ENVID else None


def read_notify(value: str) -> tuple[str, ...] | None:
    """Return of what the sender wants to hear, each once and in capitals; None when it is wrong.

    NEVER stands alone.
    """
    value = value.upper()
    if value == "NEVER":
        return (value,)
    wanted = tuple(dict.fromkeys(value.split(",")))
    return wanted if all(each in _REPORTED for each in wanted) else None


def read_orcpt(value: str) -> str | None:
    """Return ``type;address`` of whom the mail was first for, the address in clear; None when it is wrong.

    At most 500 characters as encoded. The address need not have the form of its type (RFC 3461, 4.2). Postfix writes
    one beyond ASCII as ``rfc822;`` and the octets of its UTF-8; it is returned as what it is, of the type ``utf-8``.
    """
    kind, _, encoded = value.partition(";")
    if len(value) > _LONGEST_ORCPT or not _TYPE.fullmatch(kind):
        return None
    unicode = kind.lower() == "utf-8"
    address = _clear(encoded, _XTEXT_OR_MORE if unicode else _XTEXT)
    if address is None:
        return None
    if unicode:
        address = _CODE_POINT.sub(lambda found: chr(int(found[1], 16)), address)
    elif kind.lower() == "rfc822" and not address.isascii():
        kind = "utf-8"
    return None if any(unicodedata.category(each) in _UNSEEN for each in address) else f"{kind};{address}"


def _printable(encoded: str) -> str | None:
    """Undo xtext (RFC 3461, 4). None when it is none, or stands for something else than ASCII that can be printed."""
    clear = _clear(encoded, _XTEXT)
    return clear if clear is not None and clear.isascii() and clear.isprintable() else None


def _clear(encoded: str, form: re.Pattern[str]) -> str | None:
    """Undo xtext. None where it has another form, or stands for octets that are no UTF-8."""
    if not form.fullmatch(encoded):
        return None
    try:
        return _OCTETS.sub(lambda found: bytes.fromhex(found[0].replace("+", "")).decode(), encoded)
    except UnicodeDecodeError:
        return None
