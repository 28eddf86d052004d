"""What a named relay wrote into Authentication-Results when it took the mail (RFC 8601, 4, 5)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network
from typing import Final

from smtp.header import Header
from smtp.networks import is_within
from smtp.proof import results
from smtp.proof.case import Case, Verdict
from smtp.proof.mailboxes import listed
from smtp.proof.word import vouched

Networks = tuple[IPv4Network | IPv6Network, ...]

_ADDRESSED: Final = frozenset({"to", "cc"})
_FOLD: Final = re.compile(rb"\r?\n(?=[ \t])")


async def check(header: Header, case: Case, relays: Mapping[str, Networks]) -> Verdict:
    """Believe the topmost field of a relay's name, and no other, on a mail that came from one of its hosts.

    A relay writes on top of what it was given; below stands what anybody may have written. Where it found no more than
    a signature to hold, the recipients are those of To and Cc, which signatures cover as a rule.
    """
    names = {name for name, networks in relays.items() if is_within(case.envelope.peer, networks)}
    if not names:
        return Verdict(reason="the mail came from no relay whose Authentication-Results are believed")
    for name, value in header.fields:
        if name != "authentication-results" or len(value) > results.LONGEST:
            continue
        found = results.read(_FOLD.sub(b"", value).decode("utf-8", "replace").strip())
        if found is None or found.server not in names:
            continue
        finding = await vouched(found, case)
        if finding is None:
            return Verdict(reason=f"{found.server} does not say that a proof of {case.domain} held")
        detail, by_signature = finding
        recipients = listed(value for name, value in header.fields if name in _ADDRESSED) if by_signature else None
        return Verdict(detail=detail, results=(f"x-relay=pass policy.by={found.server}",), recipients=recipients)
    return Verdict(reason=f"no Authentication-Results of {', '.join(sorted(names))}")
