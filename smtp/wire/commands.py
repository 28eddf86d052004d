"""The commands around a mail: greeting, login, and the small ones.

aiosmtpd has most of them, with replies that lack the enhanced codes which EHLO promises (RFC 2034, 4), with AUTH for
handlers that answer at once, and without LMTP.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from aiosmtpd.smtp import syntax

from bridge.model.login import read_address
from smtp.wire import sasl
from smtp.wire.client import Service
from smtp.wire.connection import Connection

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiosmtpd.smtp import Session

_SMTP: Final = (Service.SMTP, Service.SUBMISSION)
_ONLY: Final = {"LHLO": (Service.LMTP,), "HELO": _SMTP, "EHLO": _SMTP, "AUTH": _SMTP}
"""Commands that not every service has: by LHLO a client shows that it speaks LMTP (RFC 2033, 4.1)."""

_LONGEST_NAME: Final = 255
"""Of a client (RFC 5321, 4.5.3.1.2)."""


class LoginError(Exception):
    """A login that failed in a way nobody foresaw. What the error said is left out: it may hold the password."""


class Commands(Connection):
    """What of a connection needs no mail; :class:`smtp.wire.protocol.MailProtocol` has the rest."""

    _has_mail: bool

    if TYPE_CHECKING:

        async def _next_line(self, limit: int = ...) -> bytes | None: ...

    @property
    def _session(self) -> Session:
        if self.session is None:  # pragma: no cover - set by connection_made, before any command
            message = "not connected"
            raise RuntimeError(message)
        return self.session

    # Greeting

    @syntax("EHLO hostname")
    async def smtp_EHLO(self, hostname: str) -> None:
        """Answer with all extensions in one write."""
        await self._greeted("EHLO", hostname, extended=True)

    @syntax("HELO hostname")
    async def smtp_HELO(self, hostname: str) -> None:
        """Begin without extensions (RFC 5321, 4.1.1.1)."""
        await self._greeted("HELO", hostname, extended=False)

    @syntax("LHLO hostname")
    async def smtp_LHLO(self, hostname: str) -> None:
        """Begin as EHLO does, in LMTP (RFC 2033, 4.1)."""
        await self._greeted("LHLO", hostname, extended=True)

    async def _greeted(self, command: str, hostname: str | None, *, extended: bool) -> None:
        # A name with spaces in it is that of a Windows machine; controls would be written to logs and headers.
        if not hostname or len(hostname) > _LONGEST_NAME or not hostname.isprintable():
            await self.push(f"501 5.5.4 Syntax: {command} hostname")
            return
        self._set_rset_state()
        self._session.extended_smtp = extended
        self._session.host_name = hostname
        self._client.helo = hostname
        await self.push(self._extensions() if extended else f"250 {self.hostname}")

    def _extensions(self) -> str:
        return self._frame.ehlo(starttls=self._offers_starttls(), auth=self._offers_auth())

    def _offers_starttls(self) -> bool:
        return self._frame.certificate is not None and self._client.tls is None

    def _offers_auth(self) -> bool:
        return self._client.service is not Service.LMTP and (
            self._client.tls is not None or _is_loopback(self._client.peer)
        )

    async def check_helo_needed(self, helo: str = "EHLO") -> bool:
        """Refuse what has to wait for a greeting; say whether it was refused."""
        if self._session.host_name:
            return False
        await self.push(f"503 5.5.1 Send {'LHLO' if self._client.service is Service.LMTP else helo} first")
        return True

    async def check_auth_needed(self, caller_method: str) -> bool:
        """Refuse what has to wait for a login; say whether it was refused."""
        if self._client.service is not Service.SUBMISSION or self._session.authenticated:
            return False
        await self.push("530 5.7.0 Authentication required")
        return True

    # Login

    @syntax("AUTH mechanism", extended=" [initial-response]")
    async def smtp_AUTH(self, arg: str | None) -> None:
        """Log in (RFC 4954, 4). It holds until the connection ends, or STARTTLS begins it anew."""
        refusal = self._refuse_auth()
        if refusal is not None:
            await self.push(refusal)
            return
        if not arg:
            await self.push("501 5.5.4 Syntax: AUTH mechanism")
            return
        exchange = sasl.Exchange()
        step = exchange.begin(arg)
        while isinstance(step, sasl.Challenge):
            await self.push(step.reply)
            step = exchange.answered(await self._next_line(sasl.LONGEST))
            self._reset_timeout()
        if isinstance(step, sasl.Refusal):
            await self.push(step.reply)
            return
        answer = await self._decide(step)
        if not self._closing:
            self._reset_timeout()
        self._session.authenticated = answer.startswith("235")
        await self.push(answer)

    def _refuse_auth(self) -> str | None:
        if not self._session.extended_smtp:
            return "503 5.5.1 Send EHLO first"
        if not self._offers_auth():
            return "538 5.7.11 Encryption required"
        if self._session.authenticated:
            return "503 5.5.1 Already authenticated"
        if self._has_mail:
            return "503 5.5.1 Not within a mail; RSET first"
        return None

    async def _decide(self, given: sasl.Credentials) -> str:
        """Ask for the login's reply. It may take a second, for which the client is not to blame.

        Raises :exc:`LoginError`, without the error behind it, for whatever is raised.
        """
        try:
            return await self._conversation.login(given.user, given.password)
        except Exception as error:  # noqa: BLE001 - see above
            failure = LoginError(type(error).__name__).with_traceback(error.__traceback__)
        try:
            raise failure
        finally:
            del failure  # or it would hold its own traceback, and that this frame

    # The small ones

    @syntax("NOOP")
    async def smtp_NOOP(self, arg: str | None) -> None:
        """Do nothing."""
        await self.push("250 2.0.0 OK")

    @syntax("RSET")
    async def smtp_RSET(self, arg: str | None) -> None:
        """Forget the mail that was begun."""
        if arg:
            await self.push("501 5.5.4 Syntax: RSET")
            return
        self._set_rset_state()
        await self.push("250 2.0.0 OK")

    @syntax("VRFY address")
    async def smtp_VRFY(self, arg: str | None) -> None:
        """Tell nobody which addresses there are (RFC 5321, 7.3)."""
        await self.push("252 2.5.0 Send a mail to see" if arg else "501 5.5.4 Syntax: VRFY address")

    @syntax("EXPN list")
    async def smtp_EXPN(self, arg: str | None) -> None:
        """Tell nobody who is in a group either."""
        await self.push("502 5.5.1 EXPN is not implemented")

    @syntax("HELP", extended=" [command]")
    async def smtp_HELP(self, arg: str | None) -> None:
        """Name the commands there are, or how one is written."""
        if not arg:
            await self.push(f"214 2.0.0 Commands: {' '.join(sorted(self._smtp_methods))}")
            return
        method = self._smtp_methods.get(arg.upper())
        if method is None:
            await self.push("504 5.5.4 No such command")
            return
        await self.push(f"214 2.0.0 Syntax: {method.__smtp_syntax__}{method.__smtp_syntax_extended__ or ''}")

    @syntax("QUIT")
    async def smtp_QUIT(self, arg: str | None) -> None:
        """Say goodbye and close."""
        if arg:
            await self.push("501 5.5.4 Syntax: QUIT")
            return
        await self.push("221 2.0.0 Bye")
        # As aiosmtpd: the connection's task ends where it waits next.
        if self._handler_coroutine is not None:
            self._handler_coroutine.cancel()
        if self.transport is not None:
            self.transport.close()


@lru_cache(maxsize=1024)
def _is_loopback(peer: str) -> bool:
    """Whether a peer is on this machine; one on a Unix socket has no address and is."""
    address = read_address(peer)
    return not peer or (address is not None and address.is_loopback)


def commands_of(service: Service, kind: type[Commands]) -> dict[str, Callable[..., Awaitable[None]]]:
    """Return the commands of a service by name, as functions of a connection."""
    names = [name.removeprefix("smtp_") for name in dir(kind) if name.startswith("smtp_")]
    return {name: getattr(kind, f"smtp_{name}") for name in names if service in _ONLY.get(name, Service)}
