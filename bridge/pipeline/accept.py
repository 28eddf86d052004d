"""The rules between a door and the store: what is taken, what is refused, and why. Pure.

What can be said of a submission without the database is said here; what needs it (keys, opt-outs, limits, credit) is
said in :mod:`bridge.pipeline.admit`, in the transaction that commits.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

from bridge.model.errors import (
    CountryRefused,
    QuietHours,
    Refusal,
    TextTooLong,
    TooManyRecipients,
    UnknownRecipient,
)
from bridge.model.message import Message, Recipient, Result, new_message_id
from bridge.model.numbers import country_of
from bridge.model.price import PriceTable
from bridge.model.quota import Quota
from bridge.model.state import State
from bridge.model.template import Template
from bridge.model.text import Measure, check_length, clean, measure
from bridge.model.when import Quiet, parse_sendtime
from bridge.pipeline.hours import local_time, may_leave

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from bridge.model.account import Account, Directory
    from bridge.model.limits import Limit
    from bridge.model.message import Addressee, Collapse, Submission
    from bridge.pipeline.routing import Router


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """The operator's settings that bind every submission; a door or an account may be stricter.

    ``per_number`` are limits of texts to one number, by door; ``quiet`` the quiet hours of countries.
    """

    router: Router
    max_parts: int = 20
    max_recipients: int = 10_000
    lifetime: timedelta = timedelta(hours=24)
    prices: PriceTable = field(default_factory=PriceTable)
    per_number: Mapping[str, tuple[Limit, ...]] = field(default_factory=dict)
    quiet: Mapping[str, Quiet] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """A submission that may be committed, if the database has nothing against it.

    ``recipients`` are those that the rules let through, and ``results`` one for every addressee in the order of the
    submission: those of duplicates within it name the recipient that stands for them. ``quota`` and ``zone`` are
    what it counts against. With ``collapse`` texts alike one that went out lately are kept and not sent.
    """

    message: Message
    recipients: tuple[Recipient, ...]
    results: tuple[Result, ...]
    quota: Quota
    zone: ZoneInfo
    test: bool = False
    all_or_nothing: bool = False
    collapse: Collapse | None = None


def accept(
    submission: Submission, *, directory: Directory, rules: Rules, now: datetime, message_id: str | None = None
) -> Plan:
    """Return what is to be committed for a submission, under a new id or under that of the draft that it was.

    Numbers are E.164 already: a door parses them, for it must answer each one by itself. Raises a
    :exc:`~bridge.model.errors.Refusal` for what is wrong with the whole of it; what is wrong with a recipient is in
    its result.
    """
    account = directory.account(submission.account_id)
    limits = account.rules
    most = min(rules.max_recipients, limits.max_recipients or rules.max_recipients)
    if not submission.recipients:
        raise UnknownRecipient("no recipient")
    if len(submission.recipients) > most:
        raise TooManyRecipients(f"at most {most} recipients in one submission")
    sender = directory.sender(account.id, submission.sender, origin=submission.origin)
    desk = _Desk(submission, account, rules, now)
    message = Message(
        id=message_id or new_message_id(now),
        account_id=account.id,
        door=submission.door,
        origin=submission.origin,
        sender=sender,
        text=desk.text,
        encoding=desk.measure.encoding,
        parts=desk.measure.parts,
        priority=submission.priority,
        created_at=now,
        expires_at=desk.expires_at,
        reference=submission.reference,
        proof=submission.proof,
        callback_url=submission.callback_url,
        flash=submission.flash,
        envelope=submission.envelope,
    )
    recipients, results = _sort(submission, message, desk)
    if submission.all_or_nothing and any(one.refusal for one in results):
        recipients, results = (), _nothing(results)
    return Plan(
        message=message,
        recipients=recipients,
        results=results,
        quota=Quota(
            account=limits.limits,
            mailbox=limits.mailbox_limits,
            number=rules.per_number.get(submission.door, ()),
            spend_per_day=limits.spend_per_day,
            transactional=limits.transactional,
        ),
        zone=limits.zone,
        test=submission.test,
        all_or_nothing=submission.all_or_nothing,
        # Who names a time for a text wants it then.
        collapse=submission.collapse if submission.send_at is None else None,
    )


class _Desk:
    """What is the same for all recipients of a submission, and what was worked out for one of them already."""

    def __init__(self, submission: Submission, account: Account, rules: Rules, now: datetime) -> None:
        self._submission = submission
        self._account = account
        self.account = account.name
        self.rules = rules
        self._now = now
        self._most = min(
            submission.max_parts or rules.max_parts, account.rules.max_parts or rules.max_parts, rules.max_parts
        )
        # Cleaning makes one character of four at most; what it may leave out at the ends of lines is not much.
        self._longest = 4 * 160 * self._most
        self._sized: dict[str, Measure] = {}
        self._due: dict[str | None, datetime] = {}
        self._by_country = bool(rules.quiet) or account.rules.countries is not None
        self.text = clean(submission.text)
        self._template = self._parse(self.text)
        # A text with placeholders has its size only when they are filled, and one that nobody gets needs none.
        own = self._template is not None or any(one.text is not None for one in submission.recipients)
        self.measure = measure(self.text) if own else self.size(self.text)
        self.send_at = self._start()
        self.expires_at = self.send_at + min(submission.lifetime or rules.lifetime, rules.lifetime)

    def size(self, text: str) -> Measure:
        """Return the size of a text. Raises NoText or TextTooLong."""
        known = self._sized.get(text)
        if known is None:
            known = self._sized[text] = check_length(text, self._most)
        return known

    def write(self, addressee: Addressee) -> tuple[str | None, Measure]:
        """Return a recipient's own text, None where it is the submission's, and its size."""
        if addressee.text is None:
            template, text = self._template, None
        else:
            text = clean(addressee.text)
            template = self._parse(text)
        if template is not None:
            filled = template.render(addressee.fields)
            if len(filled) > self._longest:
                raise TextTooLong(f"with its fields filled in, the text is longer than {self._most} parts can be")
            text = clean(filled)
        return text, self.size(self.text if text is None else text)

    def due(self, country: str | None) -> datetime:
        """Return when a text to a country may leave. Raises CountryRefused or QuietHours."""
        known = self._due.get(country)
        if known is None:
            known = self._due[country] = self._release(country)
        return known

    def country(self, number: str) -> str | None:
        """Return the country of a number where any rule asks for it, else None."""
        return country_of(number) if self._by_country else None

    def _parse(self, text: str) -> Template | None:
        """Return the template that a text is; None where it stands as it is, or no template is asked for."""
        template = _template(text) if self._submission.template else None
        # One without placeholders may still have braces written as plain ones.
        return None if template is None or template.pieces == (text,) else template

    def _start(self) -> datetime:
        wanted = self._submission.send_at
        if wanted is None:
            return self._now
        written = wanted if isinstance(wanted, str) else wanted.isoformat()
        return parse_sendtime(written, zone=self._account.rules.zone, now=self._now)

    def _release(self, country: str | None) -> datetime:
        own = self._account.rules
        if own.countries is not None and (country is None or country not in own.countries):
            raise CountryRefused(f"the account does not send to {country or 'that country'}")
        due = may_leave(self.send_at, country, self._submission.priority, account=self._account, rules=self.rules)
        if due > self.send_at:
            local = local_time(due, self._account)
            if not own.quiet_holds:
                raise QuietHours(f"nothing is sent now; from {local}")
            if due >= self.expires_at:
                raise QuietHours(f"nothing is sent before {local}, and by then the text is stale")
        return due


@lru_cache(maxsize=128)
def _template(text: str) -> Template:
    # A program that sends to one number at a time sends the same template again and again.
    return Template.parse(text)


def _sort(submission: Submission, message: Message, desk: _Desk) -> tuple[tuple[Recipient, ...], tuple[Result, ...]]:
    """Return the recipients that may have the text, and a result for each addressee."""
    first: dict[str, Result] = {}
    by_key: dict[str, Result] = {}
    recipients = []
    results = []
    for addressee in submission.recipients:
        known = first.get(addressee.number)
        if known is None and addressee.key is not None:
            known = by_key.get(addressee.key)
        if known is not None:
            twin = Result(
                number=addressee.number, recipient_id=known.recipient_id, duplicate=True, refusal=known.refusal
            )
            results.append(twin)
            continue
        made = _recipient(addressee, addressee.position or len(first) + 1, submission, message, desk)
        if isinstance(made, Recipient):
            recipients.append(made)
            known = Result(
                number=made.number,
                recipient_id=made.id,
                state=made.state,
                parts=made.parts,
                price=made.price,
                due_at=made.due_at,
            )
        else:
            known = Result(number=addressee.number, refusal=made)
        first[addressee.number] = known
        if addressee.key is not None:
            by_key[addressee.key] = known
        results.append(known)
    return tuple(recipients), tuple(results)


def _recipient(
    addressee: Addressee, position: int, submission: Submission, message: Message, desk: _Desk
) -> Recipient | Refusal:
    rules = desk.rules
    try:
        text, size = desk.write(addressee)
        due_at = desk.due(desk.country(addressee.number))
        lane = rules.router.choose(
            addressee.number, account=desk.account, sender=message.sender, priority=submission.priority
        ).name
    except Refusal as refusal:
        return refusal
    return Recipient(
        message_id=message.id,
        position=position,
        number=addressee.number,
        key=addressee.key,
        state=State.SCHEDULED if due_at > message.created_at else State.QUEUED,
        lane=lane,
        parts=size.parts,
        due_at=due_at,
        expires_at=desk.expires_at,
        price=rules.prices.price(addressee.number, parts=size.parts, priority=submission.priority),
        text=text,
        encoding=None if text is None else size.encoding,
    )


def _nothing(results: tuple[Result, ...]) -> tuple[Result, ...]:
    """Return the results of a submission that is refused whole, for the first recipient's reason."""
    first = next(one.refusal for one in results if one.refusal)
    return tuple(Result(number=one.number, refusal=one.refusal or first) for one in results)
