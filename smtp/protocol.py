"""aiosmtpd's protocol with what it lacks for us: cheap connections, a fast way in for mail, and decided replies.

aiosmtpd keeps the rest of the conversation: HELO, NOOP, RSET, HELP, QUIT, STARTTLS, AUTH. Replaced are

- the loop over commands, and its timer: one for a connection, which is not made anew for every command;
- MAIL and RCPT: parameters that other servers know (AUTH=, RET=, ENVID=, NOTIFY=, ORCPT=) are taken where aiosmtpd
  says 555, and addresses are read by the grammar of SMTP (:mod:`smtp.path`);
- DATA: read in the pieces that the network brings instead of line by line (:mod:`smtp.data`), so lines may have any
  length; what is past the size limit is counted and thrown away, and a line that ends in a bare LF is refused at once
  (RFC 5321, 2.3.8: who takes it lets mail be smuggled; who waits for CRLF hangs), and nothing is heard after it;
- errors: 451 with an id, and the details in the log, where aiosmtpd shows the exception to the client;
- construction: aiosmtpd looks through its own methods by introspection for every connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import secrets
from typing import TYPE_CHECKING, Protocol

from aiosmtpd.smtp import SMTP, syntax

from bridge.model.errors import MailTooLarge, MalformedContent
from bridge.telemetry import get_logger
from smtp import replies
from smtp.data import Data
from smtp.path import parse_path

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiosmtpd.smtp import Session

    from bridge.model.errors import Refusal

_log = get_logger(__name__)

_KNOWN_MAIL = frozenset({"SIZE", "BODY", "SMTPUTF8", "AUTH", "RET", "ENVID"})
_KNOWN_RCPT = frozenset({"NOTIFY", "ORCPT"})
_BODIES = frozenset({"7BIT", "8BITMIME"})
_CHUNK = 1 << 20
"""More than a stream reader ever holds: one read takes all that is there."""

_MOST_UNKNOWN = 5
"""Commands nobody knows in one connection, before it is closed."""

TOO_LARGE = "552 5.3.4 Mail is larger than {limit} octets"
_LAST_WORDS = 5.0
"""Seconds for a client to read what was said before the connection closed."""

BARE_LF = "554 5.5.2 A line ends in LF without CR (RFC 5321, 2.3.8); lines must end in CRLF"


class Conversation(Protocol):
    """What a connection is asked. Every answer is a full reply line; errors of the tree are not raised but answered."""

    def connected(self, peer: str) -> None:
        """Learn the client's IP address."""
        ...

    async def mail(self, address: str) -> str:
        """Begin a mail from an address, empty for the null sender. A reply 250 begins it."""
        ...

    async def recipient(self, address: str) -> str:
        """Take or refuse one recipient. A reply 250 takes it."""
        ...

    async def content(self, content: bytes) -> str:
        """Take or refuse the mail, its lines ending in CRLF."""
        ...

    def reset(self) -> None:
        """Forget the mail that was begun."""
        ...

    def refused(self, error: Refusal) -> None:
        """Learn what was refused without asking, for its size or its form."""
        ...


class Frame:
    """What all connections of a listener share: aiosmtpd's settings, read from one instance of its class."""

    def __init__(
        self,
        *,
        hostname: str,
        limit: int,
        timeout: float,
        loop: asyncio.AbstractEventLoop,
        time: Callable[[], float] | None = None,
    ) -> None:
        """Settings: ``limit`` in octets of a mail, ``timeout`` in seconds of ``time``, which is the loop's own."""
        pattern = SMTP(
            object(),
            data_size_limit=limit,
            enable_SMTPUTF8=True,
            hostname=hostname,
            ident="smsbridge",
            timeout=timeout,
            loop=loop,
        )
        plain = asyncio.StreamReaderProtocol(asyncio.StreamReader(loop=loop), _unused, loop=loop)
        of_a_connection = vars(plain).keys() | {"_smtp_methods", "_auth_methods"}
        self.settings = {name: value for name, value in vars(pattern).items() if name not in of_a_connection}
        self.limit = limit
        self.timeout = timeout
        self.loop = loop
        self.time = time or loop.time
        self.greeting = f"220 {hostname} smsbridge"
        extensions = (f"SIZE {limit}", "8BITMIME", "SMTPUTF8", "PIPELINING", "HELP")
        lines = [hostname, *extensions]
        self.ehlo = "\r\n".join([*(f"250-{line}" for line in lines[:-1]), f"250 {lines[-1]}"])


class MailProtocol(SMTP):
    """One connection. ``conversation`` decides; ``closed`` is called once when it is over."""

    line_length_limit = 4096
    """Longest command line that is held (RFC 5321, 4.5.3.1.4, asks for 512, extensions add to it)."""

    def __init__(self, frame: Frame, conversation: Conversation, *, closed: Callable[[MailProtocol], None]) -> None:
        """Make a connection. aiosmtpd's own constructor is not called: ``frame`` holds what it would work out."""
        loop = frame.loop
        reader = asyncio.StreamReader(loop=loop, limit=self.line_length_limit)
        asyncio.StreamReaderProtocol.__init__(self, reader, client_connected_cb=self._cb_client_connected, loop=loop)
        vars(self).update(frame.settings)
        self._smtp_methods = {name: method.__get__(self) for name, method in _COMMANDS}
        self._auth_methods = {}
        self._frame = frame
        self._conversation = conversation
        self._on_closed = closed
        self._deadline = 0.0
        self._looks_at = math.inf
        self._unknown = 0
        self._has_mail = False
        self._recipients = 0
        self._closing = False
        self._busy = False
        self._deaf = False

    def shut(self) -> None:
        """Say goodbye: at once when no mail is under way, else after its answer."""
        self._closing = True
        if not self._busy and self.transport is not None:
            self._say_and_close(replies.CLOSING)

    def abort(self) -> None:
        """Close without a word; a mail under way gets no answer, so its client will come again."""
        if self.transport is not None:
            self.transport.abort()  # type: ignore[attr-defined]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, or begin again behind TLS."""
        super().connection_made(transport)
        peer = transport.get_extra_info("peername")
        self._conversation.connected(peer[0] if isinstance(peer, tuple) else "")
        if self._closing:
            self.shut()

    def connection_lost(self, error: Exception | None) -> None:
        """End."""
        super().connection_lost(error)
        self._on_closed(self)

    @syntax("EHLO hostname")
    async def smtp_EHLO(self, hostname: str) -> None:
        """Answer with all extensions in one write."""
        if not hostname:
            await self.push("501 5.5.4 Syntax: EHLO hostname")
            return
        self._set_rset_state()
        self._session.extended_smtp = True
        self._session.host_name = hostname
        await self.push(self._frame.ehlo)

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
        address, parameters = parsed
        refusal = self._refuse_mail(parameters) if parameters else None
        if refusal is None:
            answer = await self._conversation.mail(address)
            self._has_mail = answer.startswith("250")
            await self.push(answer)
        else:
            await self.push(refusal)

    async def smtp_VRFY(self, arg: str | None) -> None:
        """Tell nobody which addresses there are (RFC 5321, 7.3)."""
        await self.push("252 2.5.0 Send a mail to see" if arg else "501 5.5.4 Syntax: VRFY address")

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
        address, parameters = parsed
        if parameters and not parameters.keys() <= _KNOWN_RCPT:
            await self.push("555 5.5.4 RCPT parameters not recognized")
            return
        answer = await self._conversation.recipient(address)
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
        try:
            await self.push("354 End data with <CR><LF>.<CR><LF>")
            data = await self._read_data()
            if data.bare_lf:
                self._conversation.refused(MalformedContent("a line ends in LF without CR"))
                await self._end_deaf(BARE_LF)
                return
            if data.too_large:
                answer = self._too_large()
            else:
                answer = await self._conversation.content(data.content())
            await self.push(answer)
        finally:
            self._busy = False
            self._set_rset_state()
        if self._closing:
            self._say_and_close(replies.CLOSING)

    async def handle_exception(self, error: Exception) -> str:
        """Answer an unexpected error: temporary, with an id that finds it in the log, and nothing of its kind."""
        incident = secrets.token_hex(4)
        with contextlib.suppress(Exception):  # or aiosmtpd would answer 500 for a log that fails
            _log.error("session failed", incident=incident, exc_info=error)
        if self._closing:
            self.loop.call_soon(self.shut)  # after the reply
        return f"{replies.TROUBLE} ({incident})"

    async def push(self, status: str | bytes) -> None:
        """Write a reply; what it repeats of the client's bytes may be no text."""
        writer = self._writer
        writer.write((status.encode("utf-8", "replace") if isinstance(status, str) else status) + b"\r\n")
        # Nothing is left to wait for when the whole reply went out at once; a lost connection is drain's to say.
        if writer.transport.is_closing() or writer.transport.get_write_buffer_size():
            await writer.drain()

    @property
    def _session(self) -> Session:
        if self.session is None:  # pragma: no cover - set by connection_made, before any command
            message = "not connected"
            raise RuntimeError(message)
        return self.session

    async def _handle_client(self) -> None:
        """Greet, and do what is asked until the connection ends.

        aiosmtpd's own looks into each command for a password that its log must not show, and logs it.
        """
        await self.push(self._frame.greeting)
        while self.transport is not None and self._unknown < _MOST_UNKNOWN:
            try:
                await self._obey(await self._next_line())
            except (asyncio.CancelledError, ConnectionResetError):
                self._writer.close()
                raise
            except Exception as error:  # noqa: BLE001 - whatever it is, its client is told to come again
                await self.push(await self.handle_exception(error))

    async def _next_line(self) -> bytes | None:
        """Return a command as it was sent; None for one that is longer than we hold."""
        too_long = False
        while True:
            try:
                line = await self._reader.readuntil()
            except asyncio.LimitOverrunError as error:
                await self._reader.read(error.consumed)
                too_long = True
            else:
                return None if too_long else line

    async def _obey(self, line: bytes | None) -> None:
        """Do what a line asks."""
        session = self._session
        line = line if line is None else line.rstrip(b"\r\n")
        if line is None or len(line) > (self.line_length_limit if session.extended_smtp else self.command_size_limit):
            await self.push("500 Command line too long")
            return
        command, _, argument = line.partition(b" ")
        if not line or not command.isascii():
            await self.push("500 Error: bad syntax")
            return
        name = command.decode("ascii").upper()
        method = self._smtp_methods.get(name)
        if method is None:
            await self._refuse_unknown(name)
            return
        self._reset_timeout()
        # What is no UTF-8 stays as it is, and a command says what it thinks of it.
        await method(argument.strip().decode("utf-8", "surrogateescape") if argument else None)

    async def _refuse_unknown(self, name: str) -> None:
        self._unknown += 1
        if self._unknown < _MOST_UNKNOWN:
            await self.push(f'500 Error: command "{name}" not recognized')
            return
        await self.push("502 5.5.1 Too many unrecognized commands, goodbye.")
        self._writer.close()

    async def _out_of_order(self, command: str) -> bool:
        """Refuse what has to wait for EHLO or for AUTH."""
        if not self._session.host_name:
            return await self.check_helo_needed()
        return self._auth_required and await self.check_auth_needed(command)

    async def _read_data(self) -> Data:
        data = Data(self._frame.limit)
        rest = None
        while rest is None:
            piece = await self._reader.read(_CHUNK)
            if not piece:
                raise asyncio.CancelledError  # the client is gone; aiosmtpd ends the connection on this
            self._reset_timeout()
            rest = data.feed(piece)
        if rest and not data.bare_lf:
            self._reader.feed_data(rest)
        return data

    def _refuse_mail(self, parameters: dict[str, str]) -> str | None:
        """Return the reply that refuses parameters of MAIL, or None."""
        if not parameters.keys() <= _KNOWN_MAIL:
            return "555 5.5.4 MAIL parameters not recognized"
        if parameters.get("BODY", "7BIT").upper() not in _BODIES:
            return "501 5.5.4 BODY is 7BIT or 8BITMIME"
        size = parameters.get("SIZE", "0")
        if not (size.isascii() and size.isdigit()):
            return "501 5.5.4 SIZE is a number"
        if int(size[:20]) > self._frame.limit:
            return self._too_large()
        return None

    def _too_large(self) -> str:
        self._conversation.refused(MailTooLarge(f"larger than {self._frame.limit} octets"))
        return TOO_LARGE.format(limit=self._frame.limit)

    def _set_rset_state(self) -> None:
        if self.envelope is None:
            # Our mails are elsewhere: one serves for all that aiosmtpd wants with it.
            super()._set_rset_state()  # type: ignore[no-untyped-call]
        self._has_mail = False
        self._recipients = 0
        self._conversation.reset()

    def _reset_timeout(self, duration: float | None = None) -> None:
        """Put off the end of a silent connection to ``duration`` seconds from now, or as many as the frame allows.

        The timer stays as it is when it looks early enough: then it will see how long there still is to wait.
        """
        now = self._frame.time()
        self._deadline = now + (duration or self._frame.timeout)
        if self._deadline < self._looks_at:
            self._look_later(now)

    def _look_later(self, now: float) -> None:
        if self._timeout_handle is not None:
            self._timeout_handle.cancel()
        self._looks_at = self._deadline
        self._timeout_handle = self.loop.call_later(self._deadline - now, self._timeout_cb)

    def _timeout_cb(self) -> None:
        self._looks_at = math.inf
        now = self._frame.time()
        if now < self._deadline:
            self._look_later(now)
            return
        if self.transport is not None and self.transport.is_closing():
            self.abort()
        else:
            self._say_and_close(replies.TIMEOUT)

    def _say_and_close(self, reply: str) -> None:
        if self.transport is None or self.transport.is_closing():
            return
        if not self._deaf:
            self._writer.write(reply.encode("ascii") + b"\r\n")
        self.transport.close()
        # One who does not read could keep a closing connection for ever.
        self._reset_timeout(_LAST_WORDS)

    async def _end_deaf(self, reply: str) -> None:
        """Say a last reply, and take no notice of what still comes.

        Closed at once, the connection would be reset under a client that still sends, and the reply lost to it.
        """
        await self.push(reply)
        self._busy = False
        self._deaf = True
        if not self._writer.can_write_eof() or self._closing:
            self._say_and_close(reply)
            return
        self._writer.write_eof()
        while await self._reader.read(_CHUNK):
            pass


def _unused(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Stand where a callback has to be."""


_COMMANDS = tuple(
    (name.removeprefix("smtp_"), getattr(MailProtocol, name)) for name in dir(MailProtocol) if name.startswith("smtp_")
)
