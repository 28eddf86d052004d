"""What programs ask and what they are told, in no protocol's words. Money is in thousandths of a credit."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bridge.model.message import Priority
from bridge.model.text import clean, measure

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, timedelta

    from bridge.model.errors import BridgeError
    from bridge.model.state import State
    from bridge.model.text import Encoding


@dataclass(frozen=True, kw_only=True, slots=True)
class Caller:
    """Who asks: a login of an account, after it was believed. ``proof`` says how, as it is kept with a message."""

    account_id: int
    account: str
    user: str
    proof: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """Texts to be sent. ``to`` holds numbers in any form, and the names of contacts, groups and tags.

    ``reference`` is the client's own, by which the same order is never sent twice: each number of an account once per
    reference. Where a client's references promise no such thing (one may stand for many texts), ``key`` does that in
    their place, and the reference is only kept. ``send_at`` is in any form of
    :func:`bridge.model.when.parse_sendtime`. ``fields`` fill placeholders, where it is a ``template``; what a contact
    has of them comes after. A ``test`` goes through every rule and sends nothing.
    """

    door: str
    to: tuple[str, ...]
    text: str
    sender: str | None = None
    send_at: str | datetime | None = None
    callback_url: str | None = None
    reference: str | None = None
    key: str | None = None
    priority: Priority = Priority.NORMAL
    lifetime: timedelta | None = None
    max_parts: int | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    template: bool = False
    test: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Taken:
    """What became of one recipient of an order. ``dest`` is as the client wrote it, or a group's member's number.

    Either ``refusal`` says why not, or ``recipient_id`` names it. ``duplicate``: it was taken before, under that id.
    """

    dest: str
    number: str | None = None
    recipient_id: str | None = None
    duplicate: bool = False
    refusal: BridgeError | None = None
    state: State | None = None
    parts: int = 0
    price: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """The answer to an order, given only after it is durable.

    ``message_id`` is None when nothing was taken; then ``refusal`` says why. ``credit`` is what is left afterwards;
    None for an account whose texts are only counted. ``text`` is the order's.
    """

    message_id: str | None
    results: tuple[Taken, ...]
    credit: int | None
    text: str = field(repr=False)
    refusal: BridgeError | None = None

    @property
    def encoding(self) -> Encoding:
        """The encoding that the text of the order takes."""
        return measure(clean(self.text)).encoding


@dataclass(frozen=True, kw_only=True, slots=True)
class Status:
    """One recipient's text, as it stands. ``dest`` is in E.164; ``updated_at`` is when it came into its state."""

    recipient_id: str
    message_id: str
    reference: str | None
    dest: str
    sender: str | None
    state: State
    reason: str | None
    parts: int
    price: int
    created_at: datetime
    due_at: datetime
    updated_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """Part of a report, the oldest first. ``next`` is what to ask for after it; None at the end."""

    lines: tuple[Status, ...]
    next: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Moved:
    """What became of one recipient that was to be cancelled or changed.

    ``said`` is why its carrier did not give it back, where it was asked.
    """

    recipient_id: str
    dest: str
    before: State
    after: State
    changed: bool
    said: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Incoming:
    """A text from a phone. ``id`` grows; ``answers`` is the recipient id of the text that it answers, where known."""

    id: int
    sender: str
    to: str
    text: str
    sent_at: datetime
    received_at: datetime
    answers: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class SenderName:
    """A name that texts may come from. ``state`` is requested, approved or refused."""

    name: str
    state: str
    reason: str
    default: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class ContactEntry:
    """A contact, as it is written and read. ``number`` is in any form when written, in E.164 when read."""

    number: str
    name: str = ""
    email: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupEntry:
    """A group with the numbers of its own members, and the names of the groups in it."""

    name: str
    numbers: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
