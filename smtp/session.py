"""What is decided in one SMTP conversation, and when.

At RCPT: is the domain ours, may this mailbox send from where it is, is that a number? So each bad recipient gets its
own reply and the good ones go on. At the end of DATA: the text, and the one submission with all recipients. The reply
250 follows the commit.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING

from bridge.model.account import normalise_address
from bridge.model.errors import BridgeError, InternalError, SenderRefused, TextTooLong, TooManyRecipients
from bridge.telemetry import get_logger
from smtp import replies
from smtp.address import parse_recipient
from smtp.content import read_content
from smtp.submission import DOOR, submission_of

if TYPE_CHECKING:
    from ipaddress import IPv4Network, IPv6Network

    from bridge.model.account import Account
    from bridge.model.message import Submission
    from bridge.pipeline.intake import Intake
    from smtp.config import SmtpSettings

_log = get_logger(__name__)


class Conversation:
    """The decisions of one connection; see :class:`smtp.protocol.Conversation`."""

    def __init__(self, *, intake: Intake, settings: SmtpSettings, region: str | None) -> None:
        """Begin; ``region`` is where local numbers of accounts without one are dialled."""
        self._intake = intake
        self._settings = settings
        self._region = region
        self._peer = ""
        self._trusted = False
        self.reset()

    def connected(self, peer: str) -> None:
        """Learn the client's address: hosts of the trusted networks are believed."""
        self._peer = peer
        self._trusted = is_trusted(peer, self._settings.trusted_networks)

    def reset(self) -> None:
        """Forget the mail that was begun."""
        self._sender = ""
        self._account: Account | None = None
        self._numbers: list[str] = []

    async def mail(self, address: str) -> str:
        """Note the sender. Whether it may send is said at RCPT, where clients expect it."""
        self._sender = address
        self._account = None
        return replies.SENDER_OK

    async def recipient(self, address: str) -> str:
        """Take or refuse one recipient."""
        try:
            account = self._account or await self._authorise()
            most = min(self._settings.max_recipients, account.rules.max_recipients or self._settings.max_recipients)
            if len(self._numbers) >= most:
                reason = f"At most {most} recipients in one mail; send the rest in another"
                raise TooManyRecipients(reason)
            number = parse_recipient(address, domains=self._settings.domains, region=account.region or self._region)
        except BridgeError as error:
            return self._refused(error)
        self._numbers.append(number)
        return replies.RECIPIENT_OK

    async def content(self, content: bytes) -> str:
        """Take the mail: read its text and submit it to all recipients."""
        try:
            submission = self._submission(content)
        except BridgeError as error:
            return self._refused(error)
        try:
            receipt = await self._intake.submit(submission)
        except BridgeError as error:  # counted by the intake
            self._note(error)
            return replies.reply(error)
        if receipt.refusal is not None:
            return replies.reply(receipt.refusal)
        return f"{replies.ACCEPTED} {receipt.message_id}"

    async def _authorise(self) -> Account:
        """Return the account of the mail's sender. Raises :exc:`SenderRefused` and its kind."""
        if not self._sender:
            reason = "The null sender sends no texts"
            raise SenderRefused(reason)
        if not self._trusted:
            reason = f"{self._peer} is in no trusted network, and the mailbox has no other proof"
            raise SenderRefused(reason)
        self._sender = normalise_address(self._sender)
        self._account = await self._intake.snapshot.account_for(self._sender)
        return self._account

    def _submission(self, content: bytes) -> Submission:
        if self._account is None:  # pragma: no cover - a recipient was taken, so its sender was authorised
            reason = "no account"
            raise InternalError(reason)
        return submission_of(
            read_content(content),
            account_id=self._account.id,
            origin=self._sender,
            numbers=self._numbers,
            max_parts=self._settings.max_parts,
            proof=f"network {self._peer}",
        )

    def refused(self, error: BridgeError) -> None:
        """Count and log what was refused."""
        self._intake.refused(DOOR, error)
        self._note(error)

    def _note(self, error: BridgeError) -> None:
        # Why a text is too long names some of its characters; the log holds none.
        reason = "" if isinstance(error, TextTooLong) else error.reason
        _log.info("refused", door=DOOR, peer=self._peer, code=error.code, reason=reason)

    def _refused(self, error: BridgeError) -> str:
        self.refused(error)
        return replies.reply(error)


@lru_cache(maxsize=4096)
def is_trusted(peer: str, networks: tuple[IPv4Network | IPv6Network, ...]) -> bool:
    """Whether an IP address is in one of the networks; an IPv4 address in IPv6 form counts as the IPv4 one."""
    try:
        address = ip_address(peer.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address in network for network in networks)
