"""Whether a signature of the author's domain holds (RFC 6376)."""

from __future__ import annotations

from bridge.model.errors import DnsUnavailable
from smtp.proof.alignment import DKIM_MODE
from smtp.proof.case import Case, Verdict
from smtp.proof.key import key_of
from smtp.proof.signature import MOST_TO_LOOK_AT, Signature
from smtp.proof.signed import SignedMail
from smtp.proof.tags import Flaw


async def check(mail: SignedMail, case: Case) -> Verdict:
    """Look for one good signature of an aligned domain; one is enough.

    Signatures of other domains cost no look into DNS. Raises :exc:`DnsUnavailable` when none holds, and one might.
    """
    reason = f"no DKIM signature of {case.domain}"
    results: list[str] = []
    unknown: DnsUnavailable | None = None
    for signature in _candidates(mail, case):
        said = f"header.d={signature.domain} header.s={signature.selector}"
        try:
            await _check_one(signature, mail, case)
        except Flaw as flaw:
            reason = f"the DKIM signature of {signature.domain} {flaw.reason}"
            results.append(f"dkim=fail {said}")
        except DnsUnavailable as failure:
            unknown = failure
            results.append(f"dkim=temperror {said}")
        else:
            return Verdict(
                detail=f"d={signature.domain} s={signature.selector}",
                results=(*results, f"dkim=pass {said}"),
                recipients=mail.recipients(signature.names),
                seal=signature.seal(mail),
            )
    if unknown is not None:
        raise unknown
    return Verdict(reason=reason, results=tuple(results) or ("dkim=none",))


def _candidates(mail: SignedMail, case: Case) -> list[Signature]:
    """Return the signatures that may be aligned, of many the first."""
    found: list[Signature] = []
    for field in mail.values(b"dkim-signature"):
        try:
            signature = Signature.of(field)
        except Flaw:
            continue
        if case.alignment.possible(signature.domain):
            found.append(signature)
        if len(found) == MOST_TO_LOOK_AT:
            break
    return found


async def _check_one(signature: Signature, mail: SignedMail, case: Case) -> None:
    if signature.tags.get(b"v") != b"1":
        raise Flaw("is of another version")
    signature.check(mail, case.now, case.age)
    signature.check_identity()
    if not await case.alignment.holds(signature.domain, DKIM_MODE):
        raise Flaw(f"is not of {case.domain} itself, as its DMARC record asks")
    key = key_of(await case.lookups.ask(signature.key_name))
    signature.verify(key, mail.fields, mail.body, signature.names)
