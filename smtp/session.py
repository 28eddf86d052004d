"""What is decided in one conversation, and when.

At RCPT: may this mailbox send, is the domain ours, where does the address lead? So each bad recipient gets its own
reply and the good ones go on. At the end of DATA: is the mail from whom it says, what does it say, and the one
submission with all recipients. The reply 250 follows the commit.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Final

from bridge.calls.logins import Password
from bridge.model.errors import BridgeError, InternalError, LoginFailed, ProofMissing, SenderRefused, TextTooLong
from bridge.telemetry import get_logger
from smtp import options, replies
from smtp.address import domain_of, parse_recipient
from smtp.mime.content import open_mail
from smtp.reading import charset_for, most_parts, read
from smtp.recipients import Recipients
from smtp.standing import Held
from smtp.submission import DOOR, collapse_of, submission_of
from smtp.wire.client import Service

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.calls.logins import Credentials
    from bridge.calls.values import Caller
    from bridge.model.message import Receipt, Submission
    from smtp.house import House
    from smtp.standing import Proven, Standing
    from smtp.wire.client import Client
    from smtp.wire.parameters import MailParameters, RecipientParameters

_log = get_logger(__name__)

_IN_A_THREAD: Final = 65_536
"""Octets of a mail from which on it is read in a thread: laying out a large page takes longer than others may wait."""

_TESTED: Final = "250 2.0.0 Tested: it would be accepted; nothing is sent"


class Conversation:
    """The decisions of one connection; see :class:`smtp.wire.protocol.Conversation`."""

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
        self._recipients = Recipients(self._house)

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
                region=self._house.region_of(place, standing),
                policy=standing.mailbox.policy,
            )
            if destination.secret is not None and self._secret is None:
                self._secret = await self._by_secret(destination.secret, standing)
                self._key = destination.secret
            proved = standing.proved or self._secret is not None
            await self._recipients.take(address, destination, standing, parameters, proved=proved)
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
                _, header = open_mail(raw)
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
        recipients = self._recipients
        recipients.check_signed(proven.recipients, standing)
        for refusal in recipients.check_names(standing, each=self._is_lmtp):
            self.refused(refusal)
        content, composed = mail.sent()
        wanted = options.join(recipients.options, composed.options)
        reference = None
        if mail.secret is not None and mail.secret.phones:
            await recipients.list_phones(mail.secret.phones, standing)
            wanted, reference = options.join(wanted, mail.secret.options), mail.secret.id
            options.check_allowed(mail.secret.options, policy.options)
        submission = submission_of(
            content,
            text=composed.text,
            reference=reference,
            account_id=standing.account.id,
            origin=proven.origin,
            numbers=recipients.numbers(),
            max_parts=most,
            options=wanted,
            collapse=collapse_of(policy),
            envelope=recipients.envelope(self._parameters),
            subject=mail.subject,
            seal=proven.seal,
            proof=proven.proof,
        )
        return submission, proven

    def _answers(self, receipt: Receipt, *, test: bool) -> Sequence[str]:
        """Return the replies: one, or on LMTP one for each recipient."""
        accepted = _TESTED if test else f"{replies.ACCEPTED} {receipt.message_id}"
        if self._is_lmtp:
            return self._recipients.answers(receipt, accepted)
        return (accepted if receipt.refusal is None else replies.reply(receipt.refusal),)

    def _all(self, reply: str) -> Sequence[str]:
        return (reply,) * (len(self._recipients) if self._is_lmtp else 1)

    def _note(self, error: BridgeError) -> None:
        # Why a text is too long names some of its characters; the log holds none.
        reason = "" if isinstance(error, TextTooLong) else error.reason
        _log.info("refused", door=DOOR, peer=self._peer, code=error.code, reason=reason)

    def _refused(self, error: BridgeError) -> str:
        self.refused(error)
        return replies.reply(error)
