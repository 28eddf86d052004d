"""What MAIL and RCPT name: a path and parameters (RFC 5321, 4.1.1.2 and 4.1.1.3).

aiosmtpd reads addresses with its parser of mail headers, which takes a tenth of a mail's time, and fails on some that
are none; and it says 555 to parameters that other servers know.
"""

from __future__ import annotations

import re
from typing import Final

_ATOM: Final = r'[^\x00-\x20\x7f"(),:;<>@\[\\\]\ud800-\udfff]+'
_LOCAL: Final = rf'(?:{_ATOM}|"(?:[^\x00-\x1f\x7f"\\\ud800-\udfff]|\\[\x20-\x7e])*")'
_DOMAIN: Final = rf"(?:{_ATOM}|\[{_ATOM}(?::[0-9A-Fa-f:.]*)?\])"
_ADDRESS: Final = rf"{_LOCAL}(?:@{_DOMAIN})?"
_PATH: Final = re.compile(
    rf"(?:<(?:(?:@{_DOMAIN}(?:,@{_DOMAIN})*:)?({_ADDRESS}))?>|({_ADDRESS}))(?:[ \t]+(\S.*))?", re.DOTALL
)
"""A path and parameters (RFC 5321, 4.1.2; RFC 6531, 3.3), the domain and the angle brackets perhaps left out.

A source route is passed over (RFC 5321, appendix C).
"""

_SYNTAX: Final = {
    "FROM:": "501 5.5.4 Syntax: MAIL FROM:<address>",
    "TO:": "501 5.5.4 Syntax: RCPT TO:<address>",
}
MALFORMED: Final = "553 5.1.3 Malformed address"
TWICE: Final = "501 5.5.4 A parameter stands there twice"


def parse_path(argument: str | None, keyword: str) -> tuple[str, dict[str, str]] | str:
    """Return address and parameters of a command, or the reply that refuses it.

    ``keyword`` is ``FROM:`` or ``TO:``. The address is empty for the null sender; there is no null recipient.
    Parameters are by name, in capitals, none twice; the value is empty where there is none.
    """
    if argument is None or argument[: len(keyword)].upper() != keyword:
        return _SYNTAX[keyword]
    argument = argument[len(keyword) :].strip()
    if not argument:
        return _SYNTAX[keyword]
    found = _PATH.fullmatch(argument)
    if found is None:
        return MALFORMED
    routed, bare, rest = found.groups()
    address = routed or bare or ""
    if not address and keyword == "TO:":
        return _SYNTAX[keyword]
    parameters: dict[str, str] = {}
    if rest:
        for word in rest.split():
            name, _, value = word.partition("=")
            name = name.upper()
            if name in parameters:
                return TWICE
            parameters[name] = value
    return address, parameters
