"""What travels through the pipeline: submission in, message and recipients kept, outcome back."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING

from bridge.model.moment import to_ms
from bridge.model.state import State

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bridge.model.errors import BridgeError
    from bridge.model.text import Encoding


class Priority(IntEnum):
    """Urgency, on the scale of SMPP 3.4, 5.2.14 (priority_flag). A higher one leaves first."""

    BULK = 0
    NORMAL = 1
    HIGH = 2
    URGENT = 3


_RECIPIENT_ID = re.compile(r"([0-9a-f]{26})-([1-9][0-9]{0,8})")


def require_aware(moment: datetime, name: str) -> None:
    """Refuse a naive datetime: a time without a zone means something else on every machine."""
    if moment.tzinfo is None:
        message = f"{name} has no time zone"
        raise ValueError(message)


def new_message_id(now: datetime) -> str:
    """Return 26 lower-case hex digits: 12 of milliseconds since 1970, 14 random.

    Ids made later sort later (to the millisecond), so new rows go to the end of every index.
    """
    return f"{to_ms(now):012x}{secrets.token_hex(7)}"


def recipient_id(message_id: str, position: int) -> str:
    """Return the id of one recipient, at most 36 characters; carriers that take our own id get this one."""
    return f"{message_id}-{position}"


def split_recipient_id(value: str) -> tuple[str, int]:
    """Undo :func:`recipient_id`. Raises ValueError when the value has not that form.

    Strict, for the value comes back through a carrier's callback: what else ``int`` takes names no recipient.
    """
    found = _RECIPIENT_ID.fullmatch(value)
    if found is None:
        reason = f"not a recipient id: {value!r}"
        raise ValueError(reason)
    return found[1], int(found[2])


@dataclass(frozen=True, kw_only=True, slots=True)
class Addressee:
    """One recipient as a door understood it.

    An E.164 number, and the key that makes sending to it idempotent. ``fields`` fill the placeholders of the text;
    ``text`` is its own one, where it does not get the submission's. ``position`` is set for one of a draft, which has
    its place already.
    """

    number: str
    key: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    text: str | None = None
    position: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Collapse:
    """How alike texts to one number become one: within ``window`` of the first, which goes out, the others do not.

    A text that begins with one of ``passes`` goes out at once and ends what is open for its number.
    """

    window: timedelta
    passes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Submission:
    """What a door took from a client, before any rule was asked.

    ``text`` is decoded and already cut by the door's own policy. ``origin`` says who sent it in the door's
    terms (a mailbox, an API user) and ``proof`` how that was believed. ``send_at`` may be written in any form of
    :func:`bridge.model.when.parse_sendtime`. ``callback_url`` is called with reports. A ``flash``
    text is shown at once and not kept by the phone, where the carrier can (3GPP TS 23.038, 4: class 0). ``envelope`` is
    what a mail's envelope says of receipts, as JSON. Placeholders are filled in only
    where it is a ``template``: a mail may hold any braces. A ``test`` is asked of every rule and kept nowhere. With
    ``all_or_nothing`` one refused recipient refuses all. With ``collapse`` alike texts of this origin to one number
    become one, unless it names a time to leave at.
    """

    account_id: int
    door: str
    origin: str
    recipients: tuple[Addressee, ...]
    text: str
    sender: str | None = None
    proof: str = ""
    reference: str | None = None
    callback_url: str | None = None
    flash: bool = False
    envelope: str | None = None
    priority: Priority = Priority.NORMAL
    lifetime: timedelta | None = None
    max_parts: int | None = None
    send_at: str | datetime | None = None
    template: bool = False
    test: bool = False
    all_or_nothing: bool = False
    collapse: Collapse | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """A text that was accepted."""

    id: str
    account_id: int
    door: str
    origin: str
    sender: str | None
    text: str
    encoding: Encoding
    parts: int
    priority: Priority
    created_at: datetime
    expires_at: datetime
    reference: str | None = None
    proof: str = ""
    callback_url: str | None = None
    flash: bool = False
    envelope: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipient:
    """One text to one number: the unit that is queued, priced, sent and reported.

    ``text`` and ``encoding`` are None where they are the message's; ``fields`` are kept only for a draft. ``price``
    is in thousandths of a credit.
    """

    message_id: str
    position: int
    number: str
    key: str | None
    state: State
    lane: str
    parts: int
    due_at: datetime
    expires_at: datetime
    price: int = 0
    text: str | None = None
    encoding: Encoding | None = None
    fields: Mapping[str, str] | None = None

    @property
    def id(self) -> str:
        """The recipient's own id, as in :func:`recipient_id`."""
        return recipient_id(self.message_id, self.position)


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """What became of one addressee: taken under an id, taken before (``duplicate``), or refused.

    ``state``, ``parts``, ``price`` (thousandths of a credit) and ``due_at`` tell of one that was taken now.
    ``collapsed_into`` is the recipient whose text stands for this one, which is kept and not sent.
    """

    number: str
    recipient_id: str | None = None
    duplicate: bool = False
    refusal: BridgeError | None = None
    state: State | None = None
    parts: int = 0
    price: int = 0
    due_at: datetime | None = None
    collapsed_into: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Receipt:
    """The answer to a submission, given only after it is durable.

    ``message_id`` is that of the new message when any of it is new; when everything had been taken before, that
    of the first time; None when every recipient was refused. Each result names its own recipient. ``credit`` is what
    the account has left afterwards, in thousandths; None where its texts are only counted.
    """

    message_id: str | None
    results: tuple[Result, ...]
    credit: int | None = None

    @property
    def refusal(self) -> BridgeError | None:
        """Why nothing was taken: the first reason that may pass, else the first. None when anything was taken."""
        if self.message_id is not None:
            return None
        reasons = [one.refusal for one in self.results if one.refusal is not None]
        return next((reason for reason in reasons if reason.temporary), next(iter(reasons), None))


class Verdict(StrEnum):
    """How a send ended (the four outcomes)."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    DEFERRED = "deferred"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What a carrier made of one text to one number.

    *accepted*: the carrier has it, under ``carrier_id`` where it gives one. *refused*: for good, with the
    reason. *deferred*: surely not sent; try later, after ``retry_after`` when the carrier said so. *unknown*:
    the request went out and the answer was lost; the text may be on the phone. ``raw`` keeps the carrier's
    own words.
    """

    verdict: Verdict
    carrier_id: str | None = None
    reason: str = ""
    retry_after: timedelta | None = None
    raw: str = ""

    @classmethod
    def accepted(cls, carrier_id: str | None, *, raw: str = "") -> Outcome:
        """Make the outcome of a text that the carrier took."""
        return cls(verdict=Verdict.ACCEPTED, carrier_id=carrier_id, raw=raw)

    @classmethod
    def refused(cls, reason: str, *, raw: str = "") -> Outcome:
        """Make the outcome of a text that the carrier will never take."""
        return cls(verdict=Verdict.REFUSED, reason=reason, raw=raw)

    @classmethod
    def deferred(cls, reason: str, *, retry_after: timedelta | None = None, raw: str = "") -> Outcome:
        """Make the outcome of a text that surely did not leave."""
        return cls(verdict=Verdict.DEFERRED, reason=reason, retry_after=retry_after, raw=raw)

    @classmethod
    def unknown(cls, reason: str, *, raw: str = "") -> Outcome:
        """Make the outcome of a text that may or may not have left."""
        return cls(verdict=Verdict.UNKNOWN, reason=reason, raw=raw)


@dataclass(frozen=True, kw_only=True, slots=True)
class Outgoing:
    """One text to one number, as a carrier gets it.

    ``id`` is ours: the same on every try of the same text.
    """

    id: str
    message_id: str
    number: str
    text: str
    sender: str | None
    encoding: Encoding
    parts: int
    attempt: int
    expires_at: datetime
    priority: Priority = Priority.NORMAL
    flash: bool = False


_REPORTED = frozenset({State.SENT, State.DELIVERED, State.UNDELIVERED, State.EXPIRED})


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """A carrier's later word on a text it accepted.

    ``state`` is one of sent, delivered, undelivered, expired: a report never queues a text again. It names the
    text by the carrier's id, or by ours where the carrier knows that one.
    """

    carrier: str
    state: State
    at: datetime
    carrier_id: str | None = None
    recipient_id: str | None = None
    raw: str = ""

    def __post_init__(self) -> None:
        """Check that the time has a zone, that it reports an end, and that it names a text."""
        require_aware(self.at, "Report.at")
        if self.state not in _REPORTED:
            message = f"no report says {self.state}"
            raise ValueError(message)
        if self.carrier_id is None and self.recipient_id is None:
            message = "a report names a text by the carrier's id or by ours"
            raise ValueError(message)


@dataclass(frozen=True, kw_only=True, slots=True)
class Inbound:
    """A text that a phone sent to one of the operator's numbers.

    ``carrier_id`` is unique for it at that carrier.
    """

    carrier: str
    carrier_id: str
    sender: str
    to: str
    text: str
    at: datetime
    raw: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        """Check that the time has a zone."""
        require_aware(self.at, "Inbound.at")
