"""The number in a mail's recipient: ``972502345678@sms.example.com``."""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache
from typing import Final

from bridge.model.account import normalise_address
from bridge.model.errors import InvalidNumber, SenderRefused, UnknownDomain
from bridge.model.numbers import parse_number

_PAIR: Final = re.compile(r"\\(.)", re.DOTALL)


def parse_recipient(address: str, *, domains: Collection[str], region: str | None) -> str:
    r"""Return the E.164 number a recipient's address stands for.

    ``address`` is that of RCPT without angle brackets: ``local@domain``, the local part perhaps quoted, perhaps with a
    source route before it, which is left out (RFC 5321, 4.1.2 and appendix C). ``domains`` are those the bridge
    serves; upper case, a dot at the end, and U-labels for A-labels make no difference on either side. ``region`` is
    the home region of local numbers, see :func:`~bridge.model.numbers.parse_number`.

    Raises :class:`UnknownDomain`, asked first, or :class:`InvalidNumber` and its children. No reason repeats
    the address.
    """
    if address.startswith("@"):
        address = address.partition(":")[2]
    local, _, domain = address.rpartition("@")
    if domain not in domains and not _is_ours(domain, frozenset(domains)):
        raise UnknownDomain("this bridge takes no mail for that domain" if domain else "the address has no domain")
    if local.startswith('"') and len(local) > 1 and local.endswith('"'):
        local = _PAIR.sub(r"\1", local[1:-1])
    if not local:
        raise InvalidNumber("the address has no number before the @")
    return parse_number(local, region)


def _is_ours(domain: str, domains: frozenset[str]) -> bool:
    """Compare in the one form names are looked up in."""
    name = _lookup_form(domain)
    return bool(name) and name in _lookup_forms(domains)


@lru_cache(maxsize=16)
def _lookup_forms(domains: frozenset[str]) -> frozenset[str]:
    return frozenset(map(_lookup_form, domains))


@lru_cache(maxsize=1024)
def _lookup_form(domain: str) -> str:
    """Lower case, A-labels, no dot at the end (RFC 5891, 5; RFC 1034, 3.1). Empty for what is no domain's name."""
    name = domain.lower().removesuffix(".")
    if name.isascii():
        return name
    try:
        return normalise_address(f"x@{name}").partition("@")[2]
    except (SenderRefused, UnicodeError):
        return ""
