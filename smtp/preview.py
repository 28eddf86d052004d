"""What the bridge would make of a mail, without taking it."""

from __future__ import annotations

from email.utils import getaddresses, parseaddr
from typing import TYPE_CHECKING, Any

from bridge.model.account import normalise_address
from bridge.model.errors import BridgeError, MailTooLarge, Refusal, UnknownRecipient
from bridge.model.price import credit_number
from bridge.model.text import measure
from smtp import options
from smtp.address import parse_phone, parse_recipient, redact_address
from smtp.contacts import spellings
from smtp.mime.entity import Entity
from smtp.mime.header import Header
from smtp.places import Places
from smtp.proof.author import author_of
from smtp.reading import charset_for, most_parts, read
from smtp.standing import author_rule
from smtp.submission import submission_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bridge.calls.logins import Credentials
    from bridge.model.account import Account, Directory, Mailbox
    from bridge.model.message import Receipt, Result, Submission
    from smtp.address import Destination
    from smtp.config import SmtpSettings
    from smtp.options import Options

    NumbersOf = Callable[[int, Sequence[str]], Sequence[str]]


def preview(
    settings: SmtpSettings,
    directory: Directory,
    raw: bytes,
    *,
    sender: str | None,
    recipients: Sequence[str],
    region: str | None = None,
    numbers_of: NumbersOf | None = None,
    ask: Callable[[Submission], Receipt] | None = None,
) -> list[dict[str, Any]]:
    """Return one entry per number: what would be sent, or ``error`` with its code and reason.

    Without a ``sender`` or ``recipients`` those of the mail's header stand in for the envelope. ``numbers_of`` looks up
    the numbers behind the names of an account. ``ask`` puts a test submission to the rules, which then say state,
    price, and when it would leave; without it the entries say what the mail alone says. What proves the sender is not
    looked at: ``proof`` says what it takes. A key in the mail is hidden, and not tried.
    """
    header = Header.of(Entity.of(raw, "text/plain"))
    sender = sender or parseaddr(header.text("from"))[1]
    named = recipients or [address for _, address in getaddresses([header.text("to")]) if address]
    try:
        origin = normalise_address(sender)
        mailbox = directory.mailbox_for(origin)
        account = directory.account(mailbox.account_id)
        if len(raw) + raw.count(b"\n") - raw.count(b"\r\n") > settings.max_size:  # each line goes out with CRLF
            raise MailTooLarge(f"the mail is larger than {settings.max_size} octets")
        author = author_of(header)
        if author not in {None, origin}:
            author_rule(directory, str(author), mailbox)
        look = _Look(settings, account, mailbox, region, numbers_of)
        return look.entries(raw, named, origin, ask)
    except BridgeError as error:
        return [_error(address, error) for address in named]


class _Look:
    """One look at a mail of a mailbox."""

    def __init__(
        self,
        settings: SmtpSettings,
        account: Account,
        mailbox: Mailbox,
        region: str | None,
        numbers_of: NumbersOf | None,
    ) -> None:
        self._settings = settings
        self._account = account
        self._mailbox = mailbox
        self._places = Places(settings)
        self._region = region
        self._numbers_of = numbers_of

    def entries(
        self, raw: bytes, named: Sequence[str], origin: str, ask: Callable[[Submission], Receipt] | None
    ) -> list[dict[str, Any]]:
        policy = self._mailbox.policy
        most = most_parts(self._settings, policy, self._account.rules)
        # As the session does, by the key of the first address that has one.
        key = next((secret for address in named if (secret := self._key(address)) is not None), None)
        charset = charset_for(self._settings, policy, self._account.region or self._region)
        mail = read(raw, policy, sender=origin, most=most, settings=self._settings, charset=charset, key=key)
        content, composed = mail.sent()
        phones = mail.secret.phones if mail.secret is not None else ()
        entries = [entry for address in named for entry in self._addressed(address, phones)]
        wanted = composed.options if mail.secret is None else options.join(composed.options, mail.secret.options)
        size = measure(composed.text)
        told = {
            "account": self._account.name,
            "proof": sorted(policy.proof),
            "text": composed.text,
            "encoding": str(size.encoding),
            "units": size.units,
            "parts": size.parts,
            "cuts": [{"kind": cut.kind, "text": cut.text} for cut in composed.trimmed.cuts],
            "notes": [*content.notes, *composed.notes],
        }
        shown = []
        for entry in entries:
            asked: Options = entry.pop("options", options.NONE)
            if "error" in entry:
                shown.append(entry)
                continue
            try:
                own = options.join(asked, wanted)
                submission = submission_of(
                    content,
                    text=composed.text,
                    account_id=self._account.id,
                    origin=origin,
                    numbers=[entry["number"]],
                    max_parts=most,
                    options=own,
                    test=True,
                )
                answer = next(iter(ask(submission).results)) if ask is not None else None
            except BridgeError as error:
                shown.append(_error(entry["to"], error))
                continue
            shown.append(_answered(entry | told | _named_options(own), answer))
        return shown

    def _meant(self, address: str) -> Destination:
        return parse_recipient(
            address, places=self._places, region=self._account.region or self._region, policy=self._mailbox.policy
        )

    def _key(self, address: str) -> Credentials | None:
        try:
            return self._meant(address).secret
        except Refusal:
            return None

    def _addressed(self, address: str, phones: Sequence[str]) -> list[dict[str, Any]]:
        """Return an entry for each number of an address."""
        to = redact_address(address)
        try:
            meant = self._meant(address)
            numbers = list(self._numbers(meant))
            if meant.listed:
                place = next(place for place in self._places if place.domain == meant.domain)
                region = place.region or self._account.region or self._region
                for phone in phones:
                    numbers += self._numbers(parse_phone(phone, place=place, region=region))
            if not numbers:
                raise UnknownRecipient("the mail lists no phones")
        except Refusal as error:
            return [_error(to, error)]
        return [{"to": to, "number": number, "options": meant.options} for number in dict.fromkeys(numbers)]

    def _numbers(self, meant: Destination) -> Sequence[str]:
        if meant.number is not None:
            return (meant.number,)
        names = spellings(meant)
        if not names:
            return ()
        if self._numbers_of is None:
            raise UnknownRecipient("nobody of the account has that name")
        return self._numbers_of(self._account.id, names)


def _named_options(wanted: Options) -> dict[str, Any]:
    told: dict[str, Any] = {
        "from": wanted.sender,
        "at": wanted.send_at,
        "flash": wanted.flash or None,
        "test": wanted.test or None,
        "priority": None if wanted.priority is None else wanted.priority.name.lower(),
    }
    told = {name: value for name, value in told.items() if value is not None}
    return {"options": told} if told else {}


def _answered(entry: dict[str, Any], result: Result | None) -> dict[str, Any]:
    if result is None:
        return entry
    if result.refusal is not None:
        return _error(entry["to"], result.refusal)
    if result.duplicate:
        return entry | {"duplicate_of": result.recipient_id}
    due = None if result.due_at is None else result.due_at.isoformat(timespec="seconds")
    return entry | {"state": result.state, "price": credit_number(result.price), "due_at": due}


def _error(address: str, error: BridgeError) -> dict[str, Any]:
    return {"to": redact_address(address), "error": {"code": error.code, "reason": error.reason}}
