"""Orders: what is read of one before it is asked for, and the answer that is made of its receipt. No I/O.

A client's reference is its guard against sending twice: each number of an account has the text once per reference. It
is kept as a key of the recipient (:func:`key_of`), so that the same order again is answered with the first one's ids.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from bridge.calls.values import Answer, Taken
from bridge.model.contacts import Contact
from bridge.model.errors import (
    BridgeError,
    InvalidRequest,
    NoCredit,
    OptedOut,
    RateLimited,
    Refusal,
    TextTooLong,
    TooManyRecipients,
    UnknownRecipient,
)
from bridge.model.message import Addressee, Receipt, Result, Submission, recipient_id
from bridge.model.template import LONGEST_RENDERED
from bridge.pipeline.recipients import Known, Written, fields_of
from bridge.store.lines import LONGEST_REFERENCE, is_reference

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bridge.calls.values import Caller, Order

    Outcome = Receipt | BridgeError

_MARK: Final = "r"
"""No digit of a hexadecimal number: the keys of mails are those."""

# Asked in the commit, after the keys: who has one of these was not taken before.
_FRESH: Final = (NoCredit, OptedOut, RateLimited)


@dataclass(frozen=True, kw_only=True, slots=True)
class Draft:
    """An order that was read: its recipients as they are written, its URL in the normal form."""

    caller: Caller
    order: Order
    written: Sequence[Written]
    callback_url: str | None
    key: bytes | None

    def names(self) -> Iterator[str]:
        """Return what has to be looked up by name."""
        return (one.dest for one in self.written if one.number is None and one.refusal is None)

    def filled_in(self) -> Iterator[str]:
        """Return the numbers whose contacts' fields the text may need."""
        template = self.order.template and "{{" in self.order.text
        return (one.number for one in self.written if template and one.number is not None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Ready:
    """A submission that may be asked for; ``shown`` are all its recipients, each with what is wrong with it already."""

    draft: Draft
    submission: Submission
    shown: Sequence[tuple[str, Refusal | None]]


def check(order: Order) -> None:
    """Refuse what no order may say.

    Raises :exc:`InvalidRequest`, :exc:`UnknownRecipient`, :exc:`~bridge.model.errors.TextTooLong`.
    """
    for name, value in (("reference", order.reference), ("key", order.key)):
        if value and not is_reference(value):
            raise InvalidRequest(f"{name}: up to {LONGEST_REFERENCE} characters, none of them a control character")
    check_text(order.text)
    if order.lifetime is not None and order.lifetime <= timedelta(0):
        raise InvalidRequest("lifetime: longer than nothing")
    if order.max_parts is not None and order.max_parts < 1:
        raise InvalidRequest("max_parts: one or more")
    if not order.to:
        raise UnknownRecipient("no recipient")


def check_text(text: str) -> None:
    """Refuse a text that is too long to look at: no 255 parts hold it, whatever becomes of it. Raises TextTooLong."""
    if len(text) > LONGEST_RENDERED:
        raise TextTooLong(f"the text is longer than {LONGEST_RENDERED:,} characters")


def address(draft: Draft, known: Known, *, room: int) -> Ready:
    """Give an order its recipients. Raises :exc:`TooManyRecipients` beyond ``room`` of them."""
    shown: list[tuple[str, Refusal | None]] = []
    addressed: list[Addressee] = []
    for dest, meant, fields in _meant(draft, known):
        if isinstance(meant, Refusal):
            shown.append((dest, meant))
        else:
            shown.append((dest, None))
            addressed.append(Addressee(number=meant, key=_key(draft.key, meant), fields=fields))
        if len(shown) > room:  # a name may be there often, and stand for many
            raise TooManyRecipients("more recipients than one call may have")
    return Ready(draft=draft, submission=_submission(draft, tuple(addressed)), shown=shown)


def _meant(draft: Draft, known: Known) -> Iterator[tuple[str, str | Refusal, Mapping[str, str]]]:
    """Yield whom an order means, each as it is shown, with its number or what is wrong with it, and its fields."""
    own = draft.order.fields
    for dest, number, refusal in draft.written:
        if refusal is not None:
            yield dest, refusal, own
            continue
        if number is not None:
            contact = known.people.get(number)
            yield dest, number, own if contact is None else {**fields_of(contact), **own}
            continue
        meant = known.named[dest]
        if isinstance(meant, TooManyRecipients):
            raise meant
        if isinstance(meant, Refusal):
            yield dest, meant, own
        elif isinstance(meant, Contact):
            yield dest, meant.number, {**fields_of(meant), **own}
        else:
            for member in meant:
                yield member.number, member.number, {**fields_of(member), **own}


def _submission(draft: Draft, recipients: tuple[Addressee, ...]) -> Submission:
    order = draft.order
    return Submission(
        account_id=draft.caller.account_id,
        door=order.door,
        origin=draft.caller.user,
        recipients=recipients,
        text=order.text,
        sender=order.sender,
        proof=draft.caller.proof,
        reference=order.reference or None,
        callback_url=draft.callback_url,
        priority=order.priority,
        lifetime=order.lifetime,
        max_parts=order.max_parts,
        send_at=order.send_at,
        template=order.template,
        test=order.test,
    )


def key_of(reference: str, number: str, *, kind: str = "reference") -> str:
    """Return the key under which a number gets what a reference stands for once.

    Keys of one reference stand beside each other, so that an order of ten thousand writes few pages of their index.
    """
    seed = blake2b(f"{kind}:{reference}".encode(), digest_size=12).digest()
    return str(_key(seed, number))


def seed_of(order: Order) -> bytes | None:
    """Return what the keys of an order's recipients have in common; None where nothing guards it."""
    kind, value = ("key", order.key) if order.key else ("reference", order.reference)
    return blake2b(f"{kind}:{value}".encode(), digest_size=12).digest() if value else None


def _key(seed: bytes | None, number: str) -> str | None:
    return None if seed is None else f"{_MARK}{seed.hex()}{number}"


def doubtful(ready: Ready, outcome: Outcome) -> list[str]:
    """Return the keys of recipients that were refused now, but may have been taken before."""
    if ready.draft.key is None or ready.submission.test:
        return []
    addressed = ready.submission.recipients
    if isinstance(outcome, BridgeError):
        found = addressed if isinstance(outcome, Refusal) else ()
        return [one.key for one in found if one.key is not None]
    pairs = zip(addressed, outcome.results, strict=True) if outcome.results else ()
    return [
        one.key
        for one, result in pairs
        if one.key is not None and result.refusal is not None and not isinstance(result.refusal, _FRESH)
    ]


def answer(
    ready: Ready, outcome: Outcome, before: Mapping[str, tuple[str, int]], credit: int | None
) -> Answer | BridgeError:
    """Put an answer together; ``before`` has by key what was taken by an earlier call."""
    order = ready.draft.order
    if isinstance(outcome, BridgeError):
        if not before:
            return outcome
        results = [Result(number=one.number, refusal=outcome) for one in ready.submission.recipients]
        message_id = None
    else:
        results = list(outcome.results)
        message_id = None if order.test else outcome.message_id
        credit = outcome.credit if results else credit
    if before:
        for place, one in enumerate(ready.submission.recipients):
            known = before.get(one.key or "")
            if known is not None and results[place].refusal is not None:
                results[place] = Result(number=one.number, recipient_id=recipient_id(*known), duplicate=True)
                message_id = message_id or known[0]
    each = iter(results)
    taken = tuple(
        _taken(dest, next(each), test=order.test) if refusal is None else Taken(dest=dest, refusal=refusal)
        for dest, refusal in ready.shown
    )
    return Answer(
        message_id=message_id,
        results=taken,
        credit=credit,
        text=order.text,
        refusal=_reason(taken) if message_id is None else None,
    )


def _taken(dest: str, result: Result, *, test: bool) -> Taken:
    return Taken(
        dest=dest,
        number=result.number,
        recipient_id=None if test and not result.duplicate else result.recipient_id,
        duplicate=result.duplicate,
        refusal=result.refusal,
        state=result.state,
        parts=result.parts,
        price=result.price,
    )


def _reason(taken: Sequence[Taken]) -> BridgeError | None:
    """Say why nothing was taken: the first reason that may pass, else the first. None where a test would be."""
    reasons = [one.refusal for one in taken if one.refusal is not None]
    if len(reasons) < len(taken):
        return None
    return next((reason for reason in reasons if reason.temporary), reasons[0])
