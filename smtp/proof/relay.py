"""What a named relay wrote into Authentication-Results when it took the mail (RFC 8601, 4, 5)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256
from ipaddress import IPv4Network, IPv6Network
from typing import Final

from smtp.mime.entity import Entity
from smtp.mime.header import Header
from smtp.proof import results
from smtp.proof.case import Case, Verdict
from smtp.proof.mailboxes import listed
from smtp.proof.signature import relaxed
from smtp.proof.word import vouched
from smtp.wire.networks import is_within

Networks = tuple[IPv4Network | IPv6Network, ...]

_ADDRESSED: Final = frozenset({"to", "cc"})
_FOLD: Final = re.compile(rb"\r?\n(?=[ \t])")


async def check(raw: bytes, header: Header, case: Case, relays: Mapping[str, Networks]) -> Verdict:
    """Believe the topmost field of a relay's name, and no other, on a mail that came from one of its hosts.

    A relay writes on top of what it was given; below stands what anybody may have written. Where it found no more than
    a signature to hold, the recipients are those of To and Cc, which signatures cover as a rule, as they do Message-ID.
    Above it other servers' fields may stand, but none that cannot be read: whose that is nobody knows.
    """
    names = {name for name, networks in relays.items() if is_within(case.envelope.peer, networks)}
    if not names:
        return Verdict(reason="the mail came from no relay whose Authentication-Results are believed")
    for name, value in header.fields:
        if name != "authentication-results":
            continue
        found = results.read(_FOLD.sub(b"", value).decode("utf-8", "replace").strip())
        if found is None:
            break
        if found.server not in names:
            continue
        finding = await vouched(found, case)
        if finding is None:
            return Verdict(reason=f"{found.server} does not say that a proof of {case.domain} held")
        detail, by_signature = finding
        recipients = listed(value for name, value in header.fields if name in _ADDRESSED) if by_signature else None
        told = (f"x-relay=pass policy.by={found.server}",)
        return Verdict(detail=detail, results=told, recipients=recipients, seal=_seal(raw) if by_signature else None)
    return Verdict(reason=f"no Authentication-Results of {', '.join(sorted(names))}, or one above it cannot be read")


def _seal(raw: bytes) -> bytes:
    """Return what a signature keeps from being changed, as far as that is known here: Message-ID and body."""
    mail = Entity.of(raw, "text/plain")
    return b" ".join(mail.value(b"\nmessage-id").split()) + b" " + sha256(relaxed(mail.body).rstrip()).digest()
