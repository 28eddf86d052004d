"""A connection before and below its commands: who it is from, TLS, how long it may last, and how it ends.

aiosmtpd has a timer that is made anew for every command, a TLS handshake without an end, and no bound on how many
connections there are and on what each may ask. Here

- a connection takes a place at the gate (:mod:`smtp.wire.gate`), or is told 421 and closed;
- from a proxy it begins with a header (:mod:`smtp.wire.proxy`), and where TLS comes at once with that
  (:mod:`smtp.wire.tls`), in this order, and both in a bounded time; only then there is a greeting;
- one timer looks after all bounds in time. It is not moved by commands: when it fires too early, it is set again;
- replies that the client does not read make us stop reading: a few KiB of them are held, and no more;
- construction is cheap: aiosmtpd looks through its own methods by introspection for every connection.
"""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any, cast

from aiosmtpd.smtp import SMTP, syntax

from bridge.telemetry import get_logger
from smtp import replies
from smtp.wire import proxy
from smtp.wire.client import Client
from smtp.wire.input import CHUNK, LONGEST_LINE, Input
from smtp.wire.networks import is_within
from smtp.wire.tls import HANDSHAKE_ERRORS, start_tls

if TYPE_CHECKING:
    from collections.abc import Callable

    from smtp.wire.frame import Frame
    from smtp.wire.protocol import Conversation

_log = get_logger(__name__)

_WRITE_AHEAD = 4096
"""Octets of replies that wait for the client to read them, before it has to."""

_LAST_WORDS = 5.0
"""Seconds for a client to read what was said before the connection closed; and between two looks at our own work."""

_REFUSALS = ("4", "5")

_PROXY = "PROXY header"
_TLS = "TLS handshake"
"""Stages in which nothing may be said."""


class Connection(SMTP):
    """One connection. ``closed`` is called once when it is over."""

    line_length_limit = LONGEST_LINE

    _reader: Input
    _wire: asyncio.Transport
    """What is below TLS, or the transport itself."""

    if TYPE_CHECKING:

        def _set_rset_state(self) -> None: ...

    def __init__(self, frame: Frame, conversation: Conversation, *, closed: Callable[[Any], None]) -> None:
        """Make a connection. aiosmtpd's own constructor is not called: ``frame`` holds what it would work out."""
        loop = frame.loop
        reader = Input(loop=loop, limit=self.line_length_limit)
        asyncio.StreamReaderProtocol.__init__(self, reader, client_connected_cb=self._cb_client_connected, loop=loop)
        vars(self).update(frame.settings)
        self._auth_methods = {}
        self._frame = frame
        self._conversation = conversation
        self._client = Client(service=frame.service)
        self._on_closed = closed
        self._entered = False
        self._key: str | None = None
        self._stage = ""
        self._told = False
        self._proxied = False
        self._began = 0.0
        self._ends = math.inf
        self._deadline = 0.0
        self._looks_at = math.inf
        self._unread = False
        self._refusal = False
        self._closing = False
        self._busy = False
        self._deaf = False
        self._lost = False

    def shut(self) -> None:
        """Say goodbye: at once when no mail is under way, else after its answer."""
        self._closing = True
        if not self._busy and self.transport is not None:
            self._say_and_close(replies.CLOSING)

    def abort(self) -> None:
        """Close without a word; a mail under way gets no answer, so its client will come again."""
        if self.transport is not None:
            cast("asyncio.Transport", self.transport).abort()

    # How it begins

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, if there is a place."""
        frame = self._frame
        peer = transport.get_extra_info("peername")
        self._client.peer = peer[0] if isinstance(peer, tuple) else ""
        self._proxied = bool(frame.proxies) and is_within(self._client.peer, frame.proxies)
        self._entered = frame.gate.enter()
        if not self._entered or not (self._proxied or self._admitted()):
            self.transport = transport
            self._turn_away()
            return
        if self._proxied or frame.tls_at_once:
            self._stage = _PROXY if self._proxied else _TLS
        self._began = frame.time()
        self._ends = self._began + (frame.bounds.handshake if self._stage else frame.bounds.session)
        self._wire = cast("asyncio.Transport", transport)
        super().connection_made(transport)
        self._wire.set_write_buffer_limits(_WRITE_AHEAD)
        if self._closing:
            self.shut()

    async def _arrived(self) -> bool:
        """Do what comes before the greeting; False when the connection ends with that."""
        if self._stage:
            if self._proxied and not await self._named():
                return False
            if self._frame.tls_at_once and not await self._secured():
                return False
            self._go_on()
        self._conversation.connected(self._client)
        return True

    def _admitted(self) -> bool:
        self._key = self._frame.gate.admit(self._client.peer)
        return self._key is not None

    def _turn_away(self) -> None:
        """Close for want of a place. Who would have to be told by TLS is told nothing: that costs more than a place."""
        transport = cast("asyncio.Transport", self.transport)
        count = self._frame.gate.turn_away(self._frame.time())
        if count:
            _log.warning("connections refused", peer=self._client.peer, count=count)
        if not self._frame.tls_at_once:
            transport.write(replies.TOO_MANY.encode("ascii") + b"\r\n")
        transport.close()

    async def _named(self) -> bool:
        """Read the proxy's header, and take the client for who it says."""
        held = b""
        try:
            while (named := proxy.parse(held)) is None:
                # At the end of all that comes, aiosmtpd cancels who waits.
                held += await self._reader.read(CHUNK)
        except proxy.ProxyError as error:
            self._failed(str(error))
            self.abort()
            return False
        if len(held) > named.length:
            self._reader.feed_data(held[named.length :])
        if named.peer is not None:
            self._client.peer = named.peer
        if not self._admitted():
            self._turn_away()
            return False
        return True

    # TLS

    @syntax("STARTTLS")
    async def smtp_STARTTLS(self, arg: str | None) -> None:
        """Go on behind TLS, from the beginning (RFC 3207).

        What was sent behind the command before our reply would be taken for said within TLS, and anybody on the wire
        can add it (RFC 3207, 6): who does that is told so and closed, and nothing of it is read.
        """
        if arg:
            await self.push("501 5.5.4 Syntax: STARTTLS")
        elif self._frame.certificate is None:
            await self.push("502 5.5.1 STARTTLS is not offered")
        elif self._client.tls is not None:
            await self.push("503 5.5.1 TLS is on already")
        elif self._reader.ahead or self._writer.transport.get_write_buffer_size() > 0:
            self._give_up(replies.BEHIND_STARTTLS)
        else:
            # Nothing can come between the reply and the handshake: there is no wait between them.
            self._writer.write(b"220 2.0.0 Ready to start TLS\r\n")
            if await self._secured():
                self._go_on()
                self._set_rset_state()
                self._conversation.connected(self._client)

    async def _secured(self) -> bool:
        """Have TLS, and a connection that has forgotten all it heard."""
        frame = self._frame
        if frame.certificate is None or self._wire.is_closing():
            self.abort()
            return False
        if self._stage != _PROXY:
            self._ends = frame.time() + frame.bounds.handshake
        self._stage = _TLS
        self._reset_timeout()
        try:
            transport = await start_tls(
                self._wire, self, frame.certificate.context(), timeout=frame.bounds.handshake, ahead=self._reader.take()
            )
        except HANDSHAKE_ERRORS as error:
            self._failed(getattr(error, "reason", None) or str(error) or type(error).__name__)
            self._wire.abort()
            self.connection_lost(None)  # the loop does not say so of every handshake
            return False
        self.transport = transport
        self._reader.move(transport)
        # A new writer would close the wire when the old one is collected.
        self._writer._transport = transport  # type: ignore[attr-defined]  # noqa: SLF001
        self._transport = transport
        transport.set_write_buffer_limits(_WRITE_AHEAD)
        self._client.tls = transport.get_extra_info("ssl_object").version()
        self._client.helo = ""
        self.session = self._create_session()
        self.session.peer = self._client.peer
        return True

    def _is_over(self) -> bool:
        """Whether there is nobody to hear a reply. TLS says so late, and until then all that was sent is obeyed."""
        return self.transport is None or self.transport.is_closing() or self._wire.is_closing()

    def _failed(self, reason: str) -> None:
        """Log why a stage has no end, once: the loop does not tell it in the same way each time."""
        if not self._told:
            self._told = True
            _log.info("connection not begun", peer=self._client.peer, stage=self._stage, reason=reason)

    def _go_on(self) -> None:
        """Speak again, after a stage in which nothing is said."""
        self._stage = ""
        self._ends = self._began + self._frame.bounds.session
        self._reset_timeout()

    # Replies

    async def push(self, status: str | bytes) -> None:
        """Write a reply; what it repeats of the client's bytes may be no text."""
        writer = self._writer
        if status[:1] in _REFUSALS:
            self._refusal = True
        writer.write((status.encode("utf-8", "replace") if isinstance(status, str) else status) + b"\r\n")
        # Nothing is left to wait for when the whole reply went out at once; a lost connection is drain's to say.
        if writer.transport.is_closing() or writer.transport.get_write_buffer_size():
            await writer.drain()

    def pause_writing(self) -> None:
        """Learn that the client does not read."""
        self._unread = True
        super().pause_writing()

    def resume_writing(self) -> None:
        """Learn that it does."""
        self._unread = False
        super().resume_writing()

    # Time

    def _reset_timeout(self, duration: float | None = None) -> None:
        """Put off the end of a silent connection to ``duration`` seconds from now, or as many as the frame allows.

        The timer stays as it is when it looks early enough: then it will see how long there still is to wait.
        """
        now = self._frame.time()
        self._deadline = min(now + (duration or self._frame.bounds.timeout), self._ends)
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
        elif self.transport is None:
            pass
        elif self.transport.is_closing() or self._stage:
            if self._stage:
                self._failed("not there in time")
            self.abort()
        elif not (self._reader.awaited or self._unread):
            self._deadline = now + _LAST_WORDS  # it is our turn, not the client's
            self._look_later(now)
        elif now >= self._ends:
            self._give_up(replies.TOO_LONG)
        else:
            self._say_and_close(replies.TIMEOUT)

    # How it ends

    def _give_up(self, reply: str) -> None:
        """End a connection that took too much."""
        _log.info("connection ended", peer=self._client.peer, reply=reply)
        self._say_and_close(reply)

    def _say_and_close(self, reply: str) -> None:
        if self.transport is None or self.transport.is_closing():
            return
        if self._stage:
            self.abort()
            return
        if not self._deaf:
            self._writer.write(reply.encode("ascii") + b"\r\n")
        self.transport.close()
        # One who does not read could keep a closing connection for ever.
        self._ends = math.inf
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
        while await self._reader.read(CHUNK):
            pass

    def eof_received(self) -> bool:
        """End: half a connection is none."""
        if self._handler_coroutine is not None:
            self._handler_coroutine.cancel()
        asyncio.StreamReaderProtocol.eof_received(self)
        return self._client.tls is None  # TLS ends as a whole

    def connection_lost(self, error: Exception | None) -> None:
        """End, once."""
        if self._lost:
            return
        self._lost = True
        if self._stage == _TLS:
            self._failed(str(error or "closed"))
        if self._handler_coroutine is not None:
            super().connection_lost(error)
            # What is left of a connection goes around in a circle, and the collector of those comes late: the mail that
            # was on its way, what was not read, and TLS are let go here.
            self._handler_coroutine.add_done_callback(self._forget)
            self._handler_coroutine = None
            self._reader.clear()
        self.transport = None
        if self._entered:
            self._frame.gate.leave(self._key)
        self._on_closed(self)

    def _forget(self, _task: asyncio.Task[None]) -> None:
        """Let go what knows us, once the last command has ended."""
        del self._writer
        self._client_connected_cb = None
        self._smtp_methods.clear()
