"""Whether another server's findings, where it is believed, stand for the author (RFC 8601, 2.7)."""

from __future__ import annotations

from smtp.proof.alignment import DKIM_MODE, SPF_MODE
from smtp.proof.case import Case
from smtp.proof.results import Result, Results

_OF_THE_HOST = frozenset({"auth", "spf"})
"""Methods that say of the host or the login that it is the author's: nobody else can use them again."""


async def vouched(results: Results, case: Case) -> tuple[str, bool] | None:
    """Return the finding that proves the author, and whether a signature alone is behind it; None when there is none.

    One that is of the host or of a login counts first. A server that says that DMARC failed for the author's domain
    vouches for nothing. Raises :exc:`DnsUnavailable` where a domain's record of DMARC decides about alignment.
    """
    for result in results.results:
        if result.method == "dmarc" and _domain(result, "header.from") == case.domain and result.result != "pass":
            return None
    for result in sorted(results.results, key=lambda result: result.method not in _OF_THE_HOST):
        if result.result == "pass" and await _proves(result, case):
            return f"{result.method}=pass by {results.server}", result.method not in _OF_THE_HOST
    return None


async def _proves(result: Result, case: Case) -> bool:
    match result.method:
        case "dmarc":
            return _domain(result, "header.from") == case.domain
        case "dkim":
            domain = _domain(result, "header.d") or _domain(result, "header.i")
            return await case.alignment.holds(domain, DKIM_MODE)
        case "spf":
            return await case.alignment.holds(_domain(result, "smtp.mailfrom"), SPF_MODE)
        case "auth":
            return result.properties.get("smtp.auth", "").lower() == case.author
        case _:
            return False


def _domain(result: Result, name: str) -> str:
    return result.properties.get(name, "").rpartition("@")[2].rstrip(".").lower()
