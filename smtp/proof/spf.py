"""Whether the host may send for the envelope's domain, which stands for that of From (RFC 7208; RFC 7489, 3.1.2).

pyspf evaluates the record. It asks DNS by a callback, with no way to wait: so it runs over the answers that are there,
a question without one ends the run, the answer is awaited, and it runs again. Alignment is looked at first: the records
of domains that prove nothing for this author are never read.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from typing import Any, Final

from bridge.model.errors import DnsUnavailable
from smtp.proof.alignment import SPF_MODE
from smtp.proof.case import Case, Envelope, Verdict
from smtp.proof.dns import Kind, Records

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Python says of pyspf's source, once, that it has an escape that is none
    import spf

_LONGEST_RECORD: Final = 2048
_LONGEST_TERM: Final = 255
_HELO: Final = re.compile(r"[!-~]{1,255}")
_QUESTIONS: Final = frozenset(Kind)

_Question = tuple[str, Kind]


class _Wanted(BaseException):  # noqa: N818, RUF100 - it is no error; and pyspf must not take it for one of its own
    def __init__(self, question: _Question) -> None:
        super().__init__()
        self.question = question


async def check(case: Case) -> Verdict:
    """Ask the record of the envelope's domain; only ``pass`` proves. Raises :exc:`DnsUnavailable`."""
    local, _, domain = case.envelope.sender.rpartition("@")
    said = f"smtp.mailfrom={domain}"
    if not domain or not case.alignment.possible(domain):
        return Verdict(reason=f"the envelope sender is not of {case.domain}, so its SPF proves nothing")
    if not await case.alignment.holds(domain, SPF_MODE):
        return Verdict(
            reason=f"the envelope sender is not of {case.domain} itself, as its DMARC record asks of SPF",
            results=(f"spf=policy {said}",),
        )
    result = await _result(case, local, domain)
    if result == "temperror":
        raise DnsUnavailable(f"DNS gave no answer for the SPF record of {domain}")
    return Verdict(
        detail=f"{domain} names {case.envelope.peer}" if result == "pass" else None,
        reason=f"SPF of {domain}: {result}",
        results=(f"spf={result} {said}",),
    )


async def _result(case: Case, local: str, domain: str) -> str:
    """Evaluate until no question is open. How many there may be is the mail's own limit."""
    answers: dict[_Question, Records | None] = {}
    while True:
        try:
            return _evaluate(case.envelope, local, domain, answers)
        except _Wanted as wanted:
            question = wanted.question
        try:
            answers[question] = await case.lookups.ask(*question)
        except DnsUnavailable:
            answers[question] = None


def _evaluate(envelope: Envelope, local: str, domain: str, answers: Mapping[_Question, Records | None]) -> str:
    """Return the result of RFC 7208, 2.6. Raises :exc:`_Wanted` for an answer that is not there."""
    helo = envelope.helo if _HELO.fullmatch(envelope.helo) else "unknown"
    try:
        query = _Query(envelope.peer.partition("%")[0], local, domain, helo, answers)
        result, _, _ = query.check()
    except Exception:  # noqa: BLE001 - what pyspf raises besides its results, on a record it cannot bear
        return "permerror"
    return str(result)


class _Query(spf.query):  # type: ignore[misc] # pyspf has no types
    """pyspf's evaluation over answers that are there."""

    def __init__(
        self, peer: str, local: str, domain: str, helo: str, answers: Mapping[_Question, Records | None]
    ) -> None:
        super().__init__(peer, f"postmaster@{domain}", helo, strict=True)
        self.l = local or "postmaster"  # pyspf would split a quoted local part at an @ in it
        self.s = f"{self.l}@{domain}"
        self._answers = answers

    def dns_spf(self, domain: str) -> str | None:
        """Refuse records on which pyspf needs long: its checks of macros take the square of a term."""
        record: str | None = super().dns_spf(domain)
        if record and (len(record) > _LONGEST_RECORD or any(len(term) > _LONGEST_TERM for term in record.split(" "))):
            raise spf.PermError("the record is too long")
        return record

    def dns(self, name: str, qtype: str, cnames: object = None, ignore_void: bool = False) -> list[Any]:  # noqa: FBT001, FBT002 - pyspf's own signature
        """Answer from what is there. The resolver followed the aliases."""
        if qtype not in _QUESTIONS:
            return []
        question = (name.rstrip(".").lower(), Kind(qtype))
        if question not in self._answers:
            raise _Wanted(question)
        records = self._answers[question]
        if records is None:
            raise spf.TempError("no answer")
        if not records and not ignore_void:
            self.void_lookups += 1
            if self.void_lookups > spf.MAX_VOID_LOOKUPS:
                raise spf.PermError("too many names that do not exist")
        # pyspf joins the strings of a TXT record itself.
        return [[record] for record in records] if qtype == Kind.TXT else list(records)

    def get_explanation(self, spec: str) -> None:
        """Return nothing: what a domain says about a failure is shown to nobody."""
