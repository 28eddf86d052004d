"""Whether a domain that was proved stands for the one in From (RFC 7489, 3.1).

It does when it is the same, or, unless the domain in From asks for more, when both belong to one organisation: the
name one label below a public suffix. Of the record of DMARC nothing else is used: a mail without proof is refused,
whatever the domain would have done with it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from publicsuffixlist import PublicSuffixList

from smtp.proof import tags
from smtp.proof.dns import Lookups
from smtp.proof.tags import Flaw

DKIM_MODE: Final = b"adkim"
SPF_MODE: Final = b"aspf"


class Alignment:
    """Asked for one mail. The record is looked up when it decides, and once."""

    def __init__(self, author_domain: str, lookups: Lookups) -> None:
        self.author_domain = author_domain
        self._lookups = lookups

    def possible(self, domain: str) -> bool:
        """Whether a domain (A-labels, lower case) may be aligned: the same, or of the same organisation."""
        if domain == self.author_domain:
            return True
        organisation = organisation_of(self.author_domain)
        return organisation is not None and organisation == organisation_of(domain)

    async def holds(self, domain: str, mode: bytes) -> bool:
        """Whether a domain is aligned, as the record of the domain in From asks.

        Raises :exc:`DnsUnavailable` where only the record could tell.
        """
        if domain == self.author_domain:
            return True
        return self.possible(domain) and not await self._strict(mode)

    async def _strict(self, mode: bytes) -> bool:
        policy = await self._policy(self.author_domain)
        organisation = organisation_of(self.author_domain)
        if policy is None and organisation is not None and organisation != self.author_domain:
            policy = await self._policy(organisation)
        return policy is not None and policy.get(mode, b"").lower() == b"s"

    async def _policy(self, domain: str) -> dict[bytes, bytes] | None:
        """Return the tags of a domain's record; None when it has none, or several (RFC 7489, 6.6.3)."""
        records = await self._lookups.ask(f"_dmarc.{domain}")
        found = [record for record in records if _is_policy(record)]
        if len(found) != 1:
            return None
        try:
            return tags.read(found[0])
        except Flaw:
            return None


def _is_policy(record: bytes) -> bool:
    name, _, value = record.partition(b";")[0].partition(b"=")
    return name.strip() == b"v" and value.strip() == b"DMARC1"


@lru_cache(maxsize=4096)
def organisation_of(domain: str) -> str | None:
    """Return the organisational domain; None for a public suffix, and for what is no domain (RFC 7489, 3.2)."""
    return _suffixes().privatesuffix(domain)


@lru_cache(maxsize=1)
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList()
