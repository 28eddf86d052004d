"""What may never be: replies that are none, reasons that do not fit into one, secrets where anybody reads them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from bench.mailfuzz.making import PASSWORD
from smtp import replies

if TYPE_CHECKING:
    from bridge.model.errors import BridgeError

_LONGEST: Final = 510
"""Octets of a line of a reply, without its end (RFC 5321, 4.5.3.1.5)."""

_LINE: Final = re.compile(r"([2-5][0-5][0-9])([ -])([\x20-\x7e]*+)")
_ENHANCED: Final = re.compile(r"([245])\.(\d{1,3})\.(\d{1,3})(?: |\Z)")
_WITHOUT: Final = frozenset({"220", "250", "334", "354"})
"""Codes of replies that have no enhanced code: of the greeting, of EHLO, and those of the third kind (RFC 2034, 4)."""

_TYPES: Final = "no text in the mail, only"
"""Behind it stand the types of parts: no place for a key, but a mail that is spoilt may have one there."""


class Wrong(AssertionError):
    """Something that may not be. The text says what."""


def check(holds: object, wrong: str) -> None:
    """Raise :exc:`Wrong` unless something holds."""
    if not holds:
        raise Wrong(wrong)


def weigh_reply(reply: str, *, named: bool = False) -> str:
    """Look at a whole reply, its lines without the last end, and return its code. Raises :exc:`Wrong`.

    ``named``: the client gave the password for somebody's name, so that a reply may repeat it.
    """
    codes = set()
    *before, last = lines = reply.split("\r\n")
    for line in lines:
        found = _LINE.fullmatch(line)
        if found is None:
            raise Wrong(f"no line of a reply: {line!r}")
        check(len(line) <= _LONGEST, f"a reply of {len(line)} octets: {line!r}")
        codes.add(found[1])
        enhanced = _ENHANCED.match(found[3])
        if enhanced is None:
            check(found[1] in _WITHOUT, f"no enhanced code: {line!r}")
        else:
            check(enhanced[1] == found[1][0], f"an enhanced code of another class: {line!r}")
    check(len(codes) == 1, f"several codes in one reply: {reply!r}")
    check(last[3] == " " and all(line[3] == "-" for line in before), f"not the lines of one reply: {reply!r}")
    check(named or PASSWORD not in reply or _TYPES in reply, f"a secret in a reply: {reply!r}")
    return last[:3]


def weigh_wire(said: bytes, *, named: bool = False) -> list[str]:
    """Look at all that a connection was told, and return the codes of the replies. See :func:`weigh_reply`."""
    try:
        lines = said.decode("ascii").split("\r\n")
    except UnicodeDecodeError as error:
        raise Wrong(f"a reply that is not ASCII: {error.object!r}") from error
    check(lines.pop() == "", f"a reply without its end: {lines[-1:]!r}")
    codes: list[str] = []
    begun: list[str] = []
    for line in lines:
        begun.append(line)
        if line[3:4] != "-":
            codes.append(weigh_reply("\r\n".join(begun), named=named))
            begun = []
    check(not begun, f"a reply without its last line: {begun!r}")
    return codes


def weigh_error(error: BridgeError) -> None:
    """Look at why something was refused. Raises :exc:`Wrong`."""
    weigh_reply(replies.reply(error))
    check(PASSWORD not in error.reason or _TYPES in error.reason, f"a secret in a reason: {error.reason!r}")
