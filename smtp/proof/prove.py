"""What proves that a mail is from its author, of what the mailbox may prove itself with."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Final

from bridge.clock import Clock
from bridge.model.errors import DnsUnavailable
from bridge.model.mail_policy import Proof
from smtp.config import SmtpSettings
from smtp.mime.header import Header
from smtp.proof import arc, dkim, relay, spf
from smtp.proof.alignment import Alignment
from smtp.proof.case import Case, Envelope, Verdict
from smtp.proof.dns import Lookups, Resolver, TooManyLookups
from smtp.proof.signed import SignedMail
from smtp.proof.tags import Flaw

MOST_LOOKUPS: Final = 50
"""Names that one mail may ask for. A record of SPF may need more (RFC 7208, 4.6.4); none that is used does."""

_ORDER: Final[tuple[Proof, ...]] = (Proof.DKIM, Proof.SPF, Proof.ARC, Proof.RELAY)
_SIGNED: Final = frozenset({Proof.DKIM, Proof.ARC})


@dataclass(frozen=True, kw_only=True, slots=True)
class Proved:
    """``found``: what holds for the author, each with a detail for the log; ``reasons``: why the others do not.

    ``results`` is the value of an Authentication-Results field of ours (RFC 8601). ``recipients``: the addresses in
    To and Cc, in lower case, that a proof covers which is a signature: whoever has the mail can send that on;
    ``seals``: what of the mail it keeps from being changed.
    """

    found: Mapping[Proof, str]
    reasons: tuple[str, ...]
    results: str
    recipients: Mapping[Proof, frozenset[str]]
    seals: Mapping[Proof, bytes]


class Prover:
    """Looks for proofs in a mail. One for a process; closed at its end."""

    def __init__(self, settings: SmtpSettings, *, hostname: str, resolver: Resolver, clock: Clock) -> None:
        self._settings = settings
        self._hostname = hostname
        self._resolver = resolver
        self._clock = clock

    async def close(self) -> None:
        """End what is looked up."""
        await self._resolver.close()

    async def prove(
        self, raw: bytes, header: Header, author: str, envelope: Envelope, wanted: frozenset[Proof]
    ) -> Proved:
        """Look for the proofs of a mail that are wanted; those of the connection are not looked at here.

        All are tried, side by side: which of them hold decides about more than whether the mail is taken. Raises
        :exc:`DnsUnavailable` when none holds, and one might that DNS gave no answer for.
        """
        lookups = Lookups(self._resolver, most=MOST_LOOKUPS)
        case = Case(
            author=author,
            envelope=envelope,
            alignment=Alignment(author.rpartition("@")[2], lookups),
            lookups=lookups,
            now=self._clock(),
            age=self._settings.signature_age,
        )
        asked = [proof for proof in _ORDER if proof in wanted]
        mail = _signed(raw) if _SIGNED & set(asked) else None
        checks = (_verdict(self._check(proof, raw, mail, header, case)) for proof in asked)
        outcomes = dict(zip(asked, await asyncio.gather(*checks), strict=True))
        verdicts = {proof: outcome for proof, outcome in outcomes.items() if isinstance(outcome, Verdict)}
        found = {proof: verdict.detail for proof, verdict in verdicts.items() if verdict.detail is not None}
        unknown = [outcome for outcome in outcomes.values() if isinstance(outcome, DnsUnavailable)]
        if unknown and not found:
            raise unknown[0]
        covered = {
            proof: verdicts[proof].recipients or frozenset()
            for proof in found
            if proof in _SIGNED or verdicts[proof].recipients is not None
        }
        return Proved(
            found=found,
            reasons=tuple(verdict.reason for verdict in verdicts.values() if verdict.detail is None),
            results="; ".join([self._hostname, *_results(outcomes)]),
            recipients=covered,
            seals={proof: seal for proof in found if (seal := verdicts[proof].seal) is not None},
        )

    async def _check(
        self, proof: Proof, raw: bytes, mail: SignedMail | Flaw | None, header: Header, case: Case
    ) -> Verdict:
        if proof is Proof.SPF:
            return await spf.check(case)
        if proof is Proof.RELAY:
            return await relay.check(raw, header, case, self._settings.relays)
        if not isinstance(mail, SignedMail):
            reason = mail.reason if mail is not None else "the header is not read"
            return Verdict(reason=f"{reason}, so no {proof.upper()} counts", results=(f"{proof}=neutral",))
        if proof is Proof.ARC:
            return await arc.check(mail, case, self._settings.forwarders)
        return await dkim.check(mail, case)


def _signed(raw: bytes) -> SignedMail | Flaw:
    try:
        return SignedMail.of(raw)
    except Flaw as flaw:
        return flaw


async def _verdict(check: Coroutine[Any, Any, Verdict]) -> Verdict | DnsUnavailable:
    try:
        return await check
    except TooManyLookups:
        return Verdict(reason="the mail asks for too many names in DNS")
    except DnsUnavailable as failure:
        return failure


def _results(outcomes: Mapping[Proof, Verdict | DnsUnavailable]) -> list[str]:
    """Return the results of all proofs that were asked for; ``none`` when there is nothing to say."""
    said = [
        each
        for proof, outcome in outcomes.items()
        for each in (outcome.results if isinstance(outcome, Verdict) else (f"{proof}=temperror",))
    ]
    return said or ["none"]
