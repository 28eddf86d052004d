"""Sender names: what a phone may show as the origin of a text, which forms there are, and who approved them.

A name has one of four kinds, told by its form alone:

- *alphanumeric*: 3 to 11 characters, at least one of them a letter. It travels as packed GSM 7 bit characters in the
  20 semi-octets of an address, hence 11 (3GPP TS 23.040, 9.1.2.5). Of that alphabet only Latin letters, digits, the
  space and ``! & ' + - . / _`` are taken: handsets and networks lose or refuse the rest, and ``@`` is code 0, which
  some read as the end of the name.
- *numeric*: 3 to 14 digits. A leading ``+`` is dropped, so +972502345678 and 972502345678 are one name. Other forms
  are kept as they are: 0502345678 is another name, for it is another one on a phone abroad.
- *short code*: 3 to 6 digits, for accounts that have such codes; for others these digits are an ordinary number.
- *star*: ``*`` and four digits, the Israeli short dialling number.

Names that differ in case alone are one name for approval; what is sent is the spelling that was approved.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from bridge.model.errors import Conflict, NotFound, SenderName, SenderNotApproved

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


class SenderKind(StrEnum):
    """What a name looks like to the network."""

    ALPHANUMERIC = "alphanumeric"
    NUMERIC = "numeric"
    SHORT_CODE = "short_code"
    STAR = "star"


class SenderState(StrEnum):
    """What became of the wish to use a name."""

    REQUESTED = "requested"
    APPROVED = "approved"
    REFUSED = "refused"


class Verdict(StrEnum):
    """What can be done with a name."""

    REQUEST = "request"
    APPROVE = "approve"
    REFUSE = "refuse"
    REVOKE = "revoke"


USUAL: Final = frozenset({SenderKind.ALPHANUMERIC, SenderKind.NUMERIC})
"""The kinds of an account without a setting of its own."""

_LETTERS: Final = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9 !&'+\-./_]{3,11}")
_OUTSIDE: Final = re.compile(r"[^A-Za-z0-9 !&'+\-./_]")
_DIGITS: Final = re.compile(r"[0-9]{3,14}")
_INTERNATIONAL: Final = re.compile(r"\+([1-9][0-9]{6,13})")
_LONGEST_CODE: Final = 6
_STAR: Final = re.compile(r"\*[0-9]{4}")

_FORMS: Final = {
    SenderKind.ALPHANUMERIC: "3 to 11 Latin letters, digits, spaces and ! & ' + - . / _, with a letter among them",
    SenderKind.NUMERIC: "3 to 14 digits",
    SenderKind.SHORT_CODE: "a short code of 3 to 6 digits",
    SenderKind.STAR: "a star and four digits",
}

_ABSENT: Final = None
_MOVES: Final[Mapping[tuple[Verdict, SenderState | None], SenderState]] = {
    (Verdict.REQUEST, _ABSENT): SenderState.REQUESTED,
    (Verdict.REQUEST, SenderState.REQUESTED): SenderState.REQUESTED,
    (Verdict.REQUEST, SenderState.APPROVED): SenderState.APPROVED,
    (Verdict.APPROVE, _ABSENT): SenderState.APPROVED,
    (Verdict.APPROVE, SenderState.REQUESTED): SenderState.APPROVED,
    (Verdict.APPROVE, SenderState.APPROVED): SenderState.APPROVED,
    (Verdict.APPROVE, SenderState.REFUSED): SenderState.APPROVED,
    (Verdict.REFUSE, SenderState.REQUESTED): SenderState.REFUSED,
    (Verdict.REFUSE, SenderState.REFUSED): SenderState.REFUSED,
    (Verdict.REVOKE, SenderState.APPROVED): SenderState.REFUSED,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Sender:
    """A name in its normal form."""

    kind: SenderKind
    name: str

    @property
    def folded(self) -> str:
        """What names that are the same for approval have in common."""
        return fold_sender(self.name)


@dataclass(frozen=True, kw_only=True, slots=True)
class SenderRules:
    """What an account may call itself.

    ``approved`` maps the folded form of each approved name to the name, ``defaults`` a mailbox, a domain
    (``@example.com``) or, under ``""``, the account itself to the name used where a submission gives none.
    """

    kinds: frozenset[SenderKind] = USUAL
    approved: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    defaults: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def choose(self, wanted: str | None, mailbox: str = "") -> str | None:
        """Return the name to send as.

        It is the one ``wanted``, else the default of the mailbox (an address in normal form), of its domain, of the
        account; None where there is none at all: then it is the carrier's own. Raises :exc:`SenderName` for a form
        the account may not use, :exc:`SenderNotApproved` for a name that is not approved.
        """
        if wanted is None:
            return self.defaults.get(mailbox) or self.defaults.get(_domain(mailbox)) or self.defaults.get("")
        # Most texts come under a name that is approved in just this form.
        name = self.approved.get(fold_sender(wanted))
        if name is None or not _has_one_of(name, self.kinds):
            name = self.approved.get(parse_sender(wanted, kinds=self.kinds).folded)
        if name is None:
            raise SenderNotApproved(f"the sender name {wanted} is not approved for this account")
        return name


def parse_sender(raw: str, *, kinds: Collection[SenderKind] = USUAL) -> Sender:
    """Read a sender name in the forms that ``kinds`` allows.

    Raises :exc:`SenderName` that says what is wrong and what is allowed.
    Source: 3GPP TS 23.040, 9.1.2.5; 3GPP TS 23.038, 6.2.1.
    """
    international = _INTERNATIONAL.fullmatch(raw)
    if international is not None:
        raw = international[1]
    kind = _kind(raw, kinds)
    if kind is None:
        raise SenderName(f"not a sender name: {_fault(raw)}; {_allowed(kinds)}")
    if kind not in kinds:
        raise SenderName(f"this account may not send as {_FORMS[kind]}; {_allowed(kinds)}")
    return Sender(kind=kind, name=raw)


def fold_sender(name: str) -> str:
    """Return what names that differ in case alone have in common. Names are ASCII, so lower case is enough."""
    return name.lower()


def decide(verdict: Verdict, state: SenderState | None, name: str) -> SenderState:
    """Return the state a name comes to; ``state`` is None for one that nobody asked for yet.

    A request for a name that is approved leaves it so. Raises :exc:`Conflict` for a request that was refused, and for
    a refusal where there is an approval to be revoked; :exc:`NotFound` where there is nothing to refuse or revoke.
    """
    after = _MOVES.get((verdict, state))
    if after is not None:
        return after
    if verdict is Verdict.REQUEST:
        raise Conflict(f"the sender name {name} was refused; an operator can approve it all the same")
    if state is SenderState.APPROVED:
        raise Conflict(f"the sender name {name} is approved; revoke it instead")
    said = "approved" if verdict is Verdict.REVOKE else "requested"
    raise NotFound(f"the sender name {name} is not {said} for this account")


def _kind(raw: str, kinds: Collection[SenderKind]) -> SenderKind | None:
    if _DIGITS.fullmatch(raw):
        short = len(raw) <= _LONGEST_CODE and SenderKind.SHORT_CODE in kinds
        # The setting may name short codes and no other numbers: then it is they that a number is measured by.
        return SenderKind.SHORT_CODE if short else SenderKind.NUMERIC
    if _STAR.fullmatch(raw):
        return SenderKind.STAR
    if _LETTERS.fullmatch(raw) and raw == " ".join(raw.split()):
        return SenderKind.ALPHANUMERIC
    return None


def _has_one_of(name: str, kinds: Collection[SenderKind]) -> bool:
    return _kind(name, kinds) in kinds


def _fault(raw: str) -> str:
    """Say what keeps ``raw`` from being a name of any kind."""
    outside = _OUTSIDE.search(raw)
    if not raw:
        return "it is empty"
    if raw != " ".join(raw.split()):
        return "a space before, after, or beside another one"
    if raw.startswith("*"):
        return "a star is followed by four digits"
    if outside is not None:
        char = outside[0]
        return f"{char if char.isprintable() else ''} (U+{ord(char):04X}) cannot be shown by every phone".lstrip()
    if not any(map(str.isalpha, raw)):
        return f"{len(raw)} characters without a letter"
    return f"{len(raw)} characters"


def _allowed(kinds: Collection[SenderKind]) -> str:
    forms = [_FORMS[kind] for kind in SenderKind if kind in kinds]
    return f"allowed: {'; or '.join(forms)}" if forms else "this account may use none"


def _domain(mailbox: str) -> str:
    at = mailbox.rfind("@")
    return mailbox[at:] if at >= 0 else ""
