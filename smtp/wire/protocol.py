"""Mails as they come: the commands of one, what ends it, and the loop over all commands.

Of aiosmtpd are replaced, besides the connection (:mod:`smtp.wire.connection`) and the commands around a mail
(:mod:`smtp.wire.commands`),

- the loop over commands: it logs none of them, and counts them;
- MAIL and RCPT: parameters that other servers know (:mod:`smtp.wire.parameters`) are taken where aiosmtpd says 555, and
  addresses are read by the grammar of SMTP (:mod:`smtp.wire.path`);
- DATA: read in the pieces that the network brings, not line by line (:mod:`smtp.wire.data`), so lines may have any
  length; what is past the size limit is counted and thrown away, and a line that ends in a bare LF is refused at once
  (RFC 5321, 2.3.8: who takes it lets mail be smuggled; who waits for CRLF hangs), and nothing is heard after it;
- errors: 451 with an id, and the details in the log, where aiosmtpd shows the exception to the client.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from typing import TYPE_CHECKING, Protocol

from aiosmtpd.smtp import syntax

from bridge.model.errors import MailTooLarge, MalformedContent
from bridge.telemetry import get_logger
from smtp import replies
from smtp.wire.client import Service
from smtp.wire.commands import Commands, commands_of
from smtp.wire.data import Data
from smtp.wire.input import CHUNK, LONGEST_LINE
from smtp.wire.parameters import (
    NO_MAIL_PARAMETERS,
    NO_RECIPIENT_PARAMETERS,
    read_mail_parameters,
    read_recipient_parameters,
)
from smtp.wire.path import parse_path

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bridge.model.errors import Refusal
    from smtp.wire.client import Client
    from smtp.wire.frame import Frame
    from smtp.wire.parameters import MailParameters, RecipientParameters

_log = get_logger(__name__)

_BY_TURNS = 64
"""Commands of one connection, at most, until the others are heard: it may have sent a thousand at once."""

_MOST_UNKNOWN = 5
"""Commands nobody knows in one connection, before it is closed."""

TOO_LARGE = "552 5.3.4 Mail is larger than {limit} octets"
BARE_LF = "554 5.5.2 A line ends in LF without CR (RFC 5321, 2.3.8); lines must end in CRLF"


class Conversation(Protocol):
    """What a connection is asked. Every answer is a full reply line; errors of the tree are not raised but answered."""

    def connected(self, client: Client) -> None:
        """Learn who is there. The object is the connection's own and changes with it: greeting, TLS.

        Told again after STARTTLS: nothing that was said before holds then, a login least of all (RFC 3207, 4.2).
        """
        ...

    async def mail(self, address: str, parameters: MailParameters) -> str:
        """Begin a mail from an address, empty for the null sender. A reply 250 begins it."""
        ...

    async def recipient(self, address: str, parameters: RecipientParameters) -> str:
        """Take or refuse one recipient. A reply 250 takes it."""
        ...

    async def content(self, content: bytes) -> Sequence[str]:
        """Take or refuse the mail, its lines ending in CRLF.

        One reply; to a client that speaks LMTP one for each recipient that was taken, in their order.
        """
        ...

    async def login(self, user: str, password: str) -> str:
        """Say whether that is the user's password. A reply 235 logs in, until the connection ends."""
        ...

    def reset(self) -> None:
        """Forget the mail that was begun."""
        ...

    def refused(self, error: Refusal) -> None:
        """Learn what was refused without asking, for its size or its form."""
        ...


class MailProtocol(Commands):
    """One connection. ``conversation`` decides; ``closed`` is called once when it is over."""

    def __init__(self, frame: Frame, conversation: Conversation, *, closed: Callable[[MailProtocol], None]) -> None:
        """Make a connection."""
        super().__init__(frame, conversation, closed=closed)
        self._smtp_methods = {name: method.__get__(self) for name, method in _COMMANDS[frame.service]}
        self._unknown = 0
        self._heard = 0
        self._errors = 0
        self._bad_recipient = False
        self._has_mail = False
        self._recipients = 0

    @syntax("MAIL FROM:<address>", extended=" [SP <mail-parameters>]")
    async def smtp_MAIL(self, arg: str | None) -> None:
        """Begin a mail: ``FROM:<address>`` and parameters (RFC 5321, 4.1.1.2)."""
        if await self._out_of_order("MAIL"):
            return
        if self._has_mail:
            await self.push("503 5.5.1 A mail is begun already; RSET first")
            return
        parsed = parse_path(arg, "FROM:")
        if isinstance(parsed, str):
            await self.push(parsed)
            return
        address, given = parsed
        parameters = read_mail_parameters(given) if given else NO_MAIL_PARAMETERS
        if isinstance(parameters, str):
            await self.push(parameters)
        elif parameters.size > self._frame.limit:
            await self.push(self._too_large())
        else:
            answer = await self._conversation.mail(address, parameters)
            self._has_mail = answer.startswith("250")
            await self.push(answer)

    @syntax("RCPT TO:<address>", extended=" [SP <rcpt-parameters>]")
    async def smtp_RCPT(self, arg: str | None) -> None:
        """Take a recipient: ``TO:<address>`` and parameters (RFC 5321, 4.1.1.3)."""
        if await self._out_of_order("RCPT"):
            return
        if not self._has_mail:
            await self.push("503 5.5.1 MAIL comes first")
            return
        parsed = parse_path(arg, "TO:")
        if isinstance(parsed, str):
            await self.push(parsed)
            return
        address, given = parsed
        parameters = read_recipient_parameters(given) if given else NO_RECIPIENT_PARAMETERS
        if isinstance(parameters, str):
            await self.push(parameters)
            return
        answer = await self._conversation.recipient(address, parameters)
        self._recipients += answer.startswith("250")
        await self.push(answer)

    @syntax("DATA")
    async def smtp_DATA(self, arg: str | None) -> None:
        """Take the mail itself (RFC 5321, 4.1.1.4)."""
        if await self._out_of_order("DATA"):
            return
        if not self._recipients:
            await self.push("503 5.5.1 No recipient was taken" if self._has_mail else "503 5.5.1 MAIL comes first")
            return
        if arg:
            await self.push("501 5.5.4 Syntax: DATA")
            return
        self._busy = True
        self._ends = self._frame.time() + self._frame.bounds.data
        self._reset_timeout()
        try:
            await self.push("354 End data with <CR><LF>.<CR><LF>")
            data = await self._read_data()
            if data.bare_lf:
                self._conversation.refused(MalformedContent("a line ends in LF without CR"))
                await self._end_deaf(self._for_each(BARE_LF))
                return
            await self.push(self._for_each(self._too_large()) if data.too_large else await self._answered(data))
        finally:
            self._busy = False
            self._ends = self._began + self._frame.bounds.session
            self._set_rset_state()
        if self._closing:
            self._say_and_close(replies.CLOSING)

    async def _answered(self, data: Data) -> str:
        """Return what the conversation says of a mail, or that there is trouble."""
        try:
            answers = await self._conversation.content(data.content())
        except Exception as error:  # noqa: BLE001 - whatever it is, its client is told to come again
            return self._for_each(await self.handle_exception(error))
        if len(answers) != self._owed:
            wrong = RuntimeError(f"{len(answers)} replies where {self._owed} are due")
            return self._for_each(await self.handle_exception(wrong))
        return "\r\n".join(answers)

    @property
    def _owed(self) -> int:
        """Replies due to a mail: in LMTP one for each recipient that was taken (RFC 2033, 4.2)."""
        return self._recipients if self._client.service is Service.LMTP else 1

    def _for_each(self, reply: str) -> str:
        return "\r\n".join([reply] * self._owed)

    async def handle_exception(self, error: Exception) -> str:
        """Answer an unexpected error: temporary, with an id that finds it in the log, and nothing of its kind."""
        incident = secrets.token_hex(4)
        with contextlib.suppress(Exception):  # or aiosmtpd would answer 500 for a log that fails
            _log.error("session failed", incident=incident, exc_info=error)
        if self._closing:
            self.loop.call_soon(self.shut)  # after the reply
        return f"{replies.TROUBLE} ({incident})"

    async def _handle_client(self) -> None:
        """Greet, and do what is asked until the connection ends.

        aiosmtpd's own looks into each command for a password that its log must not show, and logs it.
        """
        try:
            if await self._arrived():
                await self.push(self._frame.greeting)
                while not self._is_over():
                    await self._serve()
        except asyncio.CancelledError:
            self._writer.close()
            raise
        except ConnectionError:
            self._writer.close()

    async def _serve(self) -> None:
        """Wait for a command, and do it, if there may be one more."""
        self._reset_timeout()
        try:
            line = await self._next_line()
            self._heard += 1
            if self._heard > self._frame.bounds.commands:
                self._give_up(replies.TOO_MANY_COMMANDS)
                return
            if not self._heard % _BY_TURNS:
                await asyncio.sleep(0)
            self._refusal = False
            name = await self._obey(line)
            if self._refusal or name == "DATA":
                self._weigh(name)
        except (asyncio.CancelledError, ConnectionError):
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, its client is told to come again
            await self.push(await self.handle_exception(error))

    async def _next_line(self, limit: int = LONGEST_LINE) -> bytes | None:
        """Return a line as it was sent; None for one that is longer than ``limit``, which we do not hold."""
        held = b""
        too_long = False
        while True:
            try:
                line = await self._reader.readuntil()
            except asyncio.LimitOverrunError as error:
                # As much as is there without an end of line; the rest comes later.
                piece = await self._reader.read(error.consumed)
                too_long = too_long or len(held) + len(piece) > limit
                held = b"" if too_long else held + piece
            else:
                return None if too_long else held + line

    async def _obey(self, line: bytes | None) -> str:
        """Do what a line asks; return the command, empty for what is none."""
        session = self._session
        line = line if line is None else line.rstrip(b"\r\n")
        if line is None or len(line) > (LONGEST_LINE if session.extended_smtp else self.command_size_limit):
            await self.push("500 5.5.2 Command line too long")
            return ""
        command, _, argument = line.partition(b" ")
        if not line or not command.isascii():
            await self.push("500 5.5.2 That is no command")
            return ""
        name = command.decode("ascii").upper()
        method = self._smtp_methods.get(name)
        if method is None:
            await self._refuse_unknown()
            return ""
        # What is no UTF-8 stays as it is, and a command says what it thinks of it.
        await method(argument.strip().decode("utf-8", "surrogateescape") if argument else None)
        return name

    def _weigh(self, name: str) -> None:
        """Count a command that was refused, and end a connection that has too many.

        A mail that is taken clears the count. One that is refused for what it says does not raise it, and all the
        recipients that are refused in a mail raise it by one: a relay passes on what others have written, and would
        come again and again to where it is cut off.
        """
        if name == "DATA":
            self._errors = self._errors if self._refusal else 0
            return
        if name == "RCPT" and self._has_mail:
            if self._bad_recipient:
                return
            self._bad_recipient = True
        self._errors += 1
        if self._errors >= self._frame.bounds.errors:
            self._give_up(replies.TOO_MANY_ERRORS)

    async def _refuse_unknown(self) -> None:
        self._unknown += 1
        if self._unknown < _MOST_UNKNOWN:
            await self.push("500 5.5.1 Command not recognized")
            return
        await self.push("502 5.5.1 Too many unrecognized commands, goodbye.")
        self._writer.close()

    async def _out_of_order(self, command: str) -> bool:
        """Refuse what has to wait for a greeting or a login."""
        return await self.check_helo_needed() or await self.check_auth_needed(command)

    async def _read_data(self) -> Data:
        data = Data(self._frame.limit)
        rest = None
        while rest is None:
            piece = await self._reader.read(CHUNK)
            if not piece:
                raise asyncio.CancelledError  # the client is gone; aiosmtpd ends the connection on this
            self._reset_timeout()
            rest = data.feed(piece)
        if rest and not data.bare_lf:
            self._reader.feed_data(rest)
        return data

    def _too_large(self) -> str:
        self._conversation.refused(MailTooLarge(f"larger than {self._frame.limit} octets"))
        return TOO_LARGE.format(limit=self._frame.limit)

    def _set_rset_state(self) -> None:
        if self.envelope is None:
            # Our mails are elsewhere: one serves for all that aiosmtpd wants with it.
            super()._set_rset_state()
        self._has_mail = False
        self._recipients = 0
        self._bad_recipient = False
        self._conversation.reset()


_COMMANDS = {service: tuple(commands_of(service, MailProtocol).items()) for service in Service}
