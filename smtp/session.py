"""What is decided in one conversation, and when.

At RCPT: may this mailbox send, is the domain ours, where does the address lead? So each bad recipient gets its own
reply and the good ones go on. At the end of DATA: is the mail from whom it says, what does it say, and the one
submission with all recipients. The reply 250 follows the commit.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

from bridge.calls.logins import Password
from bridge.model.errors import (
    BridgeError,
    InternalError,
    InvalidRequest,
    LoginFailed,
    ProofMissing,
    Refusal,
    SenderRefused,
    TextTooLong,
    TooManyRecipients,
    UnknownRecipient,
)
from bridge.telemetry import get_logger
from smtp import options, replies
from smtp.address import domain_of, parse_phone, parse_recipient, redact_address
from smtp.client import Service
from smtp.entity import Entity
from smtp.header import Header
from smtp.reading import charset_for, most_parts, read
from smtp.standing import Held
from smtp.submission import DOOR, collapse_of, submission_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from bridge.calls.logins import Credentials, Logins
    from bridge.calls.values import Caller
    from bridge.model.message import Receipt, Submission
    from bridge.pipeline.intake import Intake
    from smtp.address import Destination
    from smtp.client import Client
    from smtp.config import SmtpSettings
    from smtp.parameters import MailParameters, RecipientParameters
    from smtp.places import Place, Places
    from smtp.standing import Proven, Senders, Standing

_log = get_logger(__name__)

_IN_A_THREAD: Final = 65_536
"""Octets of a mail from which on it is read in a thread: laying out a large page takes longer than others may wait."""

_NO_PHONES: Final = "the mail lists no phones"
_LARGE_AT_ONCE: Final = 2
"""Of them that are read at a time: each takes some tens of MiB, and all wait for one interpreter."""

_TESTED: Final = "250 2.0.0 Tested: it would be accepted; nothing is sent"


class Resolve(Protocol):
    """How the numbers behind a name are found; see :func:`smtp.contacts.resolve`."""

    def __call__(self, account_id: int, meant: Destination, /, *, room: int, most: int) -> Awaitable[tuple[str, ...]]:
        """Return the numbers in E.164."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class House:
    """What all conversations of the door share. ``region`` is where local numbers are dialled that nobody places.

    ``resolve`` returns the numbers behind the name of a contact or a group of an account. Who reads a large mail waits
    for ``large``.
    """

    intake: Intake
    logins: Logins
    senders: Senders
    settings: SmtpSettings
    places: Places
    resolve: Resolve
    region: str | None = None
    large: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_LARGE_AT_ONCE))


@dataclass(frozen=True, kw_only=True, slots=True)
class Taken:
    """A recipient that was taken at RCPT: its address as it was written, and the numbers that it stands for.

    Of one that is ``listed`` the mail itself says the numbers. With a ``refusal`` it stands for none, which its sender
    is told only once it is proved.
    """

    address: str
    numbers: tuple[str, ...]
    listed: bool
    parameters: RecipientParameters
    refusal: Refusal | None = None


class Conversation:
    """The decisions of one connection; see :class:`smtp.protocol.Conversation`."""

    def __init__(self, house: House) -> None:
        """Begin."""
        self._house = house
        self._intake = house.intake
        self._settings = house.settings
        self._client: Client | None = None
        self._held = Held()
        self.reset()

    def connected(self, client: Client) -> None:
        """Learn who is there. Hosts of the trusted networks are believed; an earlier login counts no more."""
        self._client = client
        self._held = Held.of(client, self._settings.trusted_networks)

    def reset(self) -> None:
        """Forget the mail that was begun."""
        self._sender = ""
        self._parameters: MailParameters | None = None
        self._standing: Standing | None = None
        self._secret: Caller | None = None
        self._key: Credentials | None = None
        self._options = options.NONE
        self._taken: list[Taken] = []
        self._count = 0

    async def login(self, user: str, password: str) -> str:
        """Say whether that is the user's password."""
        try:
            caller = await self._house.logins.login(Password(user=user, password=password), address=self._peer)
        except LoginFailed:
            return replies.LOGIN_FAILED
        except BridgeError as error:
            self._note(error)
            return replies.LOGIN_LATER
        self._held = self._held.logged_in(caller)
        return replies.LOGGED_IN

    async def mail(self, address: str, parameters: MailParameters) -> str:
        """Note the sender. Whether it may send is said at RCPT, where clients expect it."""
        self._sender = address
        self._parameters = parameters
        self._standing = None
        return replies.SENDER_OK

    async def recipient(self, address: str, parameters: RecipientParameters) -> str:
        """Take or refuse one recipient."""
        try:
            standing = self._standing or await self._stand()
            place = domain_of(address, self._house.places)
            if place.account is not None and place.account != standing.account.name:
                raise SenderRefused(f"mail to {place.domain} is for another account than that of {standing.sender}")
            destination = parse_recipient(
                address,
                places=self._house.places,
                region=self._region_of(place, standing),
                policy=standing.mailbox.policy,
            )
            await self._take(address, destination, standing, parameters)
        except BridgeError as error:
            return self._refused(error)
        return replies.RECIPIENT_OK

    async def content(self, content: bytes) -> Sequence[str]:
        """Take the mail: prove its sender, read its text and submit it to all recipients."""
        try:
            submission, proven = await self._submission(content)
        except BridgeError as error:
            return self._all(self._refused(error))
        try:
            receipt = await self._intake.submit(submission, authentication_results=proven.results)
        except BridgeError as error:  # counted by the intake
            self._note(error)
            return self._all(replies.reply(error))
        return self._answers(receipt, test=submission.test)

    def refused(self, error: BridgeError) -> None:
        """Count and log what was refused."""
        self._intake.refused(DOOR, error)
        self._note(error)

    @property
    def _is_lmtp(self) -> bool:
        return self._client is not None and self._client.service is Service.LMTP

    @property
    def _peer(self) -> str:
        return self._client.peer if self._client is not None else ""

    async def _stand(self) -> Standing:
        assert self._client is not None  # noqa: S101 - a connection begins with it
        self._standing = await self._house.senders.standing(self._sender, self._client, self._held)
        return self._standing

    async def _take(
        self, address: str, destination: Destination, standing: Standing, parameters: RecipientParameters
    ) -> None:
        if destination.secret is not None and self._secret is None:
            self._secret = await self._by_secret(destination.secret, standing)
            self._key = destination.secret
        if self._taken and destination.options != self._options:
            raise TooManyRecipients("Its options differ from those of the one before; send it in another mail")
        named = destination.number is None and not destination.listed
        # Who is in the account's book is for its own people: one who is none yet hears the same of all names.
        hidden = named and not standing.proved and self._secret is None
        numbers: tuple[str, ...] = ()
        refusal = None
        try:
            numbers = await self._numbers(destination, standing, hidden=hidden)
        except Refusal as error:
            if not hidden or isinstance(error, TooManyRecipients):
                raise
            refusal = error
        self._options = destination.options
        self._count += 1 if hidden else len(numbers)
        self._taken.append(
            Taken(address=address, numbers=numbers, listed=destination.listed, parameters=parameters, refusal=refusal)
        )

    async def _numbers(self, destination: Destination, standing: Standing, *, hidden: bool = False) -> tuple[str, ...]:
        """Return the numbers of a destination. Raises TooManyRecipients when there is no room for them.

        How many are behind a name that is ``hidden`` is not looked at.
        """
        most = self._most(standing)
        room = most - self._count
        if hidden and room > 0:
            return await self._house.resolve(standing.account.id, destination, room=most, most=most)
        if destination.number is None and not destination.listed:
            return await self._house.resolve(standing.account.id, destination, room=room, most=most)
        if room < 1:
            raise TooManyRecipients(f"At most {most} recipients in one mail; send the rest in another")
        return () if destination.number is None else (destination.number,)

    def _most(self, standing: Standing) -> int:
        own = self._settings.max_recipients
        return min(own, standing.account.rules.max_recipients or own)

    async def _listed(self, phones: Sequence[str], standing: Standing) -> None:
        """Put the phones that the mail itself lists in the place of the address that says so."""
        address = next((taken.address for taken in self._taken if taken.listed), self._taken[0].address)
        place = domain_of(address, self._house.places)
        region = self._region_of(place, standing)
        numbers: dict[str, None] = {}
        for phone in phones:
            found = await self._numbers(parse_phone(phone, place=place, region=region), standing)
            self._count += len(found)
            numbers |= dict.fromkeys(found)
        self._taken = [replace(taken, numbers=tuple(numbers)) if taken.listed else taken for taken in self._taken]

    def _region_of(self, place: Place, standing: Standing) -> str | None:
        return place.region or standing.account.region or self._house.region

    async def _by_secret(self, secret: Credentials, standing: Standing) -> Caller:
        """Return whose key stands in a mail. Raises LoginFailed, LoginBlocked."""
        caller = await self._house.logins.login(secret, address=self._peer)
        if caller.account_id != standing.account.id:
            raise ProofMissing("the key in the mail is of another account")
        return caller

    async def _submission(self, raw: bytes) -> tuple[Submission, Proven]:
        """Prove and read a mail. Raises what it is refused for, the proof first."""
        standing, client = self._standing, self._client
        if standing is None or client is None:  # pragma: no cover - a recipient was taken before
            raise InternalError("no sender")
        policy = standing.mailbox.policy
        most = most_parts(self._settings, policy, standing.account.rules)
        ask = partial(
            read,
            raw,
            policy,
            sender=standing.sender,
            most=most,
            settings=self._settings,
            charset=charset_for(self._settings, policy, standing.account.region or self._house.region),
            key=self._key,
        )
        proven = None
        if len(raw) <= _IN_A_THREAD:
            mail = ask()
        else:
            if not policy.secrets:  # what takes long is done for nobody who is not proved
                header = Header.of(Entity.of(raw, "text/plain"))
                proven = await self._house.senders.prove(standing, raw, header, client, self._held)
            async with self._house.large:
                mail = await asyncio.to_thread(ask)
        held = self._held
        if mail.secret is not None:
            held = held.vouched(await self._by_secret(mail.secret.credentials, standing))
        elif self._secret is not None:
            held = held.vouched(self._secret)
        if proven is None:
            proven = await self._house.senders.prove(standing, raw, mail.header, client, held)
        self._check_signed(proven, standing)
        self._check_names(standing)
        content, composed = mail.sent()
        wanted = options.join(self._options, composed.options)
        reference = None
        if mail.secret is not None and mail.secret.phones:
            await self._listed(mail.secret.phones, standing)
            wanted, reference = options.join(wanted, mail.secret.options), mail.secret.id
            options.check_allowed(mail.secret.options, policy.options)
        if not any(taken.numbers for taken in self._taken):
            raise UnknownRecipient(_NO_PHONES)
        submission = submission_of(
            content,
            text=composed.text,
            reference=reference,
            account_id=standing.account.id,
            origin=proven.origin,
            numbers=[number for taken in self._taken for number in taken.numbers],
            max_parts=most,
            options=wanted,
            collapse=collapse_of(policy),
            envelope=self._envelope(),
            subject=mail.subject,
            seal=proven.seal,
            proof=proven.proof,
        )
        return submission, proven

    def _check_signed(self, proven: Proven, standing: Standing) -> None:
        """Refuse a signed mail that is sent to whom its signed To and Cc do not name. Raises ProofMissing.

        The options of an address belong to it.
        """
        if proven.recipients is None:
            return
        signed = {address.lower() for address in proven.recipients}
        named = {self._named(address, standing) for address in signed}
        for taken in self._taken:
            if taken.address.lower() not in signed and not named.issuperset(
                (number, self._options) for number in taken.numbers
            ):
                raise ProofMissing(
                    "its signature is the only proof, and no To or Cc that it covers names this recipient"
                )

    def _named(self, address: str, standing: Standing) -> tuple[str | None, options.Options]:
        """Return the number that an address is of, and its options; no number for any other address."""
        try:
            place = domain_of(address, self._house.places)
            meant = parse_recipient(
                address,
                places=self._house.places,
                region=self._region_of(place, standing),
                policy=standing.mailbox.policy,
            )
        except BridgeError:
            return None, options.NONE
        return meant.number, meant.options

    def _check_names(self, standing: Standing) -> None:
        """Refuse a mail with a name that stands for nobody. In LMTP the others may go on."""
        refusals = [taken.refusal for taken in self._taken if taken.refusal is not None]
        if refusals and (not self._is_lmtp or len(refusals) == len(self._taken)):
            raise refusals[0]
        for refusal in refusals:
            self.refused(refusal)
        most = self._most(standing)
        if sum(len(taken.numbers) for taken in self._taken) > most:
            raise InvalidRequest(f"its names stand for more than {most} numbers, and one mail has no more recipients")

    def _envelope(self) -> str | None:
        """Return what the envelope says of receipts, as JSON; None when it says nothing."""
        parameters = self._parameters
        told: dict[str, Any] = {}
        if parameters is not None:
            told = {name: value for name in ("ret", "envid") if (value := getattr(parameters, name)) is not None}
        recipients = {
            number: {"notify": list(taken.parameters.notify), "orcpt": _shown(taken.parameters.orcpt)}
            for taken in self._taken
            if taken.parameters.notify or taken.parameters.orcpt is not None
            for number in taken.numbers
        }
        if recipients:
            told["recipients"] = recipients
        return json.dumps(told) if told else None

    def _answers(self, receipt: Receipt, *, test: bool) -> Sequence[str]:
        """Return the replies: one, or on LMTP one for each recipient by what became of its numbers."""
        accepted = _TESTED if test else f"{replies.ACCEPTED} {receipt.message_id}"
        if not self._is_lmtp:
            return (accepted if receipt.refusal is None else replies.reply(receipt.refusal),)
        refusals = {result.number: result.refusal for result in reversed(receipt.results)}
        told = []
        for taken in self._taken:
            own = [taken.refusal] if taken.refusal is not None else [refusals.get(number) for number in taken.numbers]
            # Who stands for many is answered as a mail to many is: good when it goes to any. One for whom the mail
            # should have listed phones, and lists none, stands for nobody.
            refusal = next(filter(None, own), UnknownRecipient(_NO_PHONES))
            told.append(accepted if None in own else replies.reply(refusal))
        return tuple(told)

    def _all(self, reply: str) -> Sequence[str]:
        return (reply,) * (len(self._taken) if self._is_lmtp else 1)

    def _note(self, error: BridgeError) -> None:
        # Why a text is too long names some of its characters; the log holds none.
        reason = "" if isinstance(error, TextTooLong) else error.reason
        _log.info("refused", door=DOOR, peer=self._peer, code=error.code, reason=reason)

    def _refused(self, error: BridgeError) -> str:
        self.refused(error)
        return replies.reply(error)


def _shown(orcpt: str | None) -> str | None:
    """Return an original recipient as it may be kept: a key in the address is hidden."""
    return None if orcpt is None else redact_address(orcpt)
