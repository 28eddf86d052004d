"""What a named forwarder saw before it sent the mail on, under its seal (RFC 8617).

A forwarder changes the envelope, and often the mail, so that SPF and DKIM hold no more. It seals what it found. Three
fields make a set, numbered from 1; each seal covers all sets up to its own, and the newest signature covers the mail.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from smtp.proof import results
from smtp.proof.case import Case, Verdict
from smtp.proof.key import Key, key_of
from smtp.proof.signature import Signature
from smtp.proof.signed import SignedMail
from smtp.proof.tags import Flaw
from smtp.proof.word import vouched

MOST_SETS: Final = 10

_RESULTS: Final = b"arc-authentication-results"
_MESSAGE: Final = b"arc-message-signature"
_SEAL: Final = b"arc-seal"
_INSTANCE: Final = re.compile(rb"[ \t]*+i[ \t]*+=[ \t]*+([1-9][0-9]?)[ \t]*+;")
_FOLD: Final = re.compile(rb"\r\n(?=[ \t])")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Set:
    """``saw`` is the field of the results as written, ``said`` its value behind the number."""

    saw: tuple[bytes, bytes]
    said: str
    message: Signature
    seal: Signature


async def check(mail: SignedMail, case: Case, forwarders: Collection[str]) -> Verdict:
    """Believe an unbroken chain whose newest seal is a named forwarder's, and what forwarders in a row found.

    Nothing is looked up before the newest set names such a forwarder. Raises :exc:`DnsUnavailable`.
    """
    try:
        sets = _sets(mail)
    except Flaw as flaw:
        return Verdict(reason=f"the ARC chain {flaw.reason}", results=("arc=fail",))
    if not sets:
        return Verdict(reason="no ARC seal")
    newest = sets[-1]
    said = f"header.d={newest.seal.domain} header.s={newest.seal.selector}"
    if newest.seal.domain not in forwarders:
        return Verdict(
            reason=f"the ARC seal of {newest.seal.domain} is not believed here", results=(f"arc=none {said}",)
        )
    try:
        await _check_chain(sets, mail, case)
    except Flaw as flaw:
        return Verdict(reason=f"the ARC chain {flaw.reason}", results=(f"arc=fail {said}",))
    finding = await _finding(sets, case, forwarders)
    if finding is None:
        reason = f"{newest.seal.domain} does not say that a proof of {case.domain} held"
        return Verdict(reason=reason, results=(f"arc=pass {said}",))
    return Verdict(
        detail=f"d={newest.seal.domain} i={len(sets)} {finding}",
        results=(f"arc=pass {said}",),
        recipients=mail.recipients(newest.message.names),
        seal=newest.message.seal(mail),
    )


async def _finding(sets: list[_Set], case: Case, forwarders: Collection[str]) -> str | None:
    """Return what the newest forwarder found, or those before it, down to the first that is not named."""
    for each in reversed(sets):
        if each.seal.domain not in forwarders:
            return None
        found = results.read(each.said)
        finding = await vouched(found, case) if found is not None else None
        if finding is not None:
            return finding[0]
    return None


def _sets(mail: SignedMail) -> list[_Set]:
    """Return the sets by number (RFC 8617, 5.2, 1 to 3). Raises :exc:`Flaw` unless each is whole, and none too many."""
    saw = {_number(value): (name, value) for name, value in mail.values(_RESULTS)}
    messages = [_signature(field) for field in mail.values(_MESSAGE)]
    seals = [_signature(field) for field in mail.values(_SEAL)]
    count = mail.counts[_RESULTS]
    if count > MOST_SETS:
        raise Flaw("is too long")
    by_message = {_instance(signature): signature for signature in messages}
    by_seal = {_instance(signature): signature for signature in seals}
    whole = set(range(1, count + 1))
    if not (whole == saw.keys() == by_message.keys() == by_seal.keys() and len(messages) == len(seals) == count):
        raise Flaw("is not whole")
    return [
        _Set(
            saw=saw[number],
            said=_INSTANCE.sub(b"", _unfolded(saw[number][1]), count=1).decode("utf-8", "replace").strip(),
            message=by_message[number],
            seal=by_seal[number],
        )
        for number in sorted(whole)
    ]


async def _check_chain(sets: list[_Set], mail: SignedMail, case: Case) -> None:
    """Raise :exc:`Flaw` unless the newest signature and all the seals hold (RFC 8617, 5.2, 4 to 6)."""
    for number, each in enumerate(sets, 1):
        if each.seal.tags.get(b"cv") != (b"none" if number == 1 else b"pass"):
            raise Flaw("was broken when it was sealed")
        if {b"h", b"bh", b"l"} & each.seal.tags.keys():
            raise Flaw("has a seal over something else")
        each.seal.check_algorithm()
    message = sets[-1].message
    if message.domain != sets[-1].seal.domain:
        raise Flaw("has a signature of another domain than its seal")
    if _SEAL in message.names:
        raise Flaw("has a signature over a seal")
    message.check(mail, case.now, case.age)
    message.verify(await _key(message, case), mail.fields, mail.body, message.names)
    # The newest first: only what a named forwarder did seal makes the keys of others worth a look.
    for number in range(len(sets), 0, -1):
        seal = sets[number - 1].seal
        seal.verify(await _key(seal, case), *_sealed(sets[:number]))


async def _key(signature: Signature, case: Case) -> Key:
    return key_of(await case.lookups.ask(signature.key_name))


def _sealed(sets: list[_Set]) -> tuple[tuple[tuple[bytes, bytes], ...], bytes, tuple[bytes, ...]]:
    """Return fields, body and names that a seal covers: all sets in order, its own field apart (RFC 8617, 5.1.1).

    Fields are taken from the bottom up, so the first stands last.
    """
    fields = [field for each in sets for field in (each.saw, each.message.field, each.seal.field)][:-1]
    return tuple(reversed(fields)), b"", tuple(name.lower() for name, _ in fields)


def _signature(field: tuple[bytes, bytes]) -> Signature:
    signature = Signature.of(field)
    signature.tags.setdefault(b"c", b"relaxed/relaxed")  # a seal does not say it; there is no other (RFC 8617, 4.1.3)
    return signature


def _number(value: bytes) -> int:
    match = _INSTANCE.match(_unfolded(value))
    return int(match[1]) if match else 0


def _instance(signature: Signature) -> int:
    number = signature.tags.get(b"i", b"")
    return int(number) if number.isdigit() and len(number) <= 2 else 0


def _unfolded(value: bytes) -> bytes:
    return _FOLD.sub(b"", value)
