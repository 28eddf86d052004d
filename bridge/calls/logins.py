"""Who calls: a login is believed, or not, and whoever is not learns nothing about why.

A login that is unknown, revoked, wrong, switched off or from the wrong place has the same answer after the same work:
the account is read anew, and a password is checked, if only against a hash that none has. Only the log tells them
apart. Failures are counted and slowed by :mod:`bridge.calls.throttle`; what a right password costs is borne by
:mod:`bridge.calls.passwords`.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections import OrderedDict
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from bridge.calls.digests import FRESH, Nonces, password_digest, read_created
from bridge.calls.passwords import Passwords, as_bytes
from bridge.calls.throttle import Attempt, Throttle
from bridge.calls.values import Caller
from bridge.calls.vault import Vault
from bridge.clock import system_clock
from bridge.model.errors import BridgeError, LoginBlocked, LoginFailed, StoreUnavailable
from bridge.model.login import LONGEST_PASSWORD, LONGEST_USER, KeyKind, read_address
from bridge.telemetry import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.clock import Clock
    from bridge.model.account import Directory
    from bridge.model.login import Login
    from bridge.pipeline.snapshot import Snapshot
    from bridge.telemetry import Metrics

_log = get_logger(__name__)

_KEPT = 10_000
"""Tokens, each from an address, whose caller is remembered."""

FAILED = "the login is not right, or not allowed from here"


@dataclass(frozen=True, kw_only=True, slots=True)
class Password:
    """A user name and a password; or the token that belongs to the name, where there is room for nothing else.

    ``md5``: in place of the password its MD5 in hexadecimal may stand, for keys of kind digest, the only ones whose
    password is known well enough to tell.
    """

    user: str
    password: str = field(repr=False)
    md5: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Token:
    """A token: it says by itself whose it is."""

    token: str = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Digest:
    """A digest of WS-Security: ``digest`` is SHA-1 of nonce, ``created`` as it was written, and the password."""

    user: str
    nonce: bytes
    created: str
    digest: bytes = field(repr=False)


Credentials: TypeAlias = Password | Token | Digest


class _Wrong(Exception):
    """It is not to be believed. ``reason`` is for the log."""

    def __init__(self, reason: str, trouble: StoreUnavailable | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.trouble = trouble


class Logins:
    """Believes logins. One for each process; used in the event loop only.

    ``secret_key`` is what passwords of kind digest are encrypted under; without it no digest is right.
    """

    def __init__(
        self,
        *,
        snapshot: Snapshot,
        secret_key: bytes | None,
        metrics: Metrics,
        clock: Clock = system_clock,
        timer: Callable[[], float] = time.monotonic,
        throttle: Throttle | None = None,
        passwords: Passwords | None = None,
        nonces: Nonces | None = None,
    ) -> None:
        """Put the parts together; ``timer`` counts seconds."""
        self._snapshot = snapshot
        self._vault = Vault(secret_key) if secret_key is not None else None
        self._nobody = self._vault.seal("nobody's", user="") if self._vault is not None else ""
        self._metrics = metrics
        self._clock = clock
        self._throttle = throttle if throttle is not None else Throttle(timer=timer)
        self._passwords = passwords if passwords is not None else Passwords(timer=timer)
        self._nonces = nonces if nonces is not None else Nonces()
        self._let_in: OrderedDict[tuple[bytes, str], tuple[Caller, Attempt]] = OrderedDict()
        self._let_in_by: Directory | None = None
        self._accepted = metrics.logins.labels("accepted")

    async def login(self, credentials: Credentials | None, *, address: str) -> Caller:
        """Return who calls. ``address`` is where the call comes from, without a port.

        Raises :exc:`LoginFailed` with one text for all that may be wrong, :exc:`LoginBlocked` after too many failures
        or in a flood of logins, :exc:`StoreUnavailable` when it is not right but the database cannot be asked whether
        it has become so, :exc:`~bridge.model.errors.Stopping`.
        """
        if isinstance(credentials, Token) and (caller := self._again(credentials, address)) is not None:
            return caller
        try:
            caller = await self._believe(credentials, address)
        except BridgeError as error:
            self._metrics.logins.labels(_RESULTS.get(type(error), "unavailable")).inc()
            raise
        self._accepted.inc()
        return caller

    def close(self) -> None:
        """End what checks passwords."""
        self._passwords.close()

    def _again(self, token: Token, address: str) -> Caller | None:
        """Return the caller of a token that was right before, from the same address; None when it has to be proved.

        The answer is the same for as long as the accounts are.
        """
        if self._let_in_by is not self._snapshot.directory:
            return None
        key = _token_digest(token.token), address
        known = self._let_in.get(key)
        if known is None:
            return None
        caller, attempt = known
        self._let_in.move_to_end(key)
        self._throttle.right(attempt)
        self._accepted.inc()
        return caller

    def _remember(self, token: Token, address: str, directory: Directory, known: tuple[Caller, Attempt]) -> None:
        if self._let_in_by is not directory:
            self._let_in.clear()
            self._let_in_by = directory
        self._let_in[_token_digest(token.token), address] = known
        while len(self._let_in) > _KEPT:
            self._let_in.popitem(last=False)

    async def _believe(self, credentials: Credentials | None, address: str) -> Caller:
        if credentials is None:
            # A program that did not know that it has to log in guesses nothing: it is not counted.
            _log.info("login failed", user=None, peer=address, reason="no credentials")
            raise LoginFailed(FAILED)
        user = None if isinstance(credentials, Token) else credentials.user
        attempt = Attempt.of(user, address)
        try:
            login = await self._proved(credentials, attempt, address)
        except _Wrong as wrong:
            told = {"user": user[:LONGEST_USER] if user is not None else None, "peer": address}
            _log.info("login failed", **told, reason=wrong.reason)
            if self._throttle.wrong(attempt):
                _log.warning("logins blocked", **told)
            await self._throttle.slow(attempt)
            raise (wrong.trouble or LoginFailed(FAILED)) from None
        attempt = attempt if user is not None else Attempt.of(login.user, address)
        self._throttle.right(attempt)
        directory = self._snapshot.directory
        account = directory.accounts[login.account_id]
        proof = "token" if login.kind is KeyKind.TOKEN else "digest" if isinstance(credentials, Digest) else "password"
        caller = Caller(account_id=account.id, account=account.name, user=login.user, proof=f"{proof} {login.user}")
        if isinstance(credentials, Token):
            self._remember(credentials, address, directory, (caller, attempt))
        return caller

    async def _proved(self, credentials: Credentials, attempt: Attempt, address: str) -> Login:
        match credentials:
            case Password():
                return await self._password(credentials, attempt, address)
            case Token():
                return await self._token(credentials, attempt, address)
            case Digest():
                return await self._digest(credentials, attempt, address)

    async def _password(self, given: Password, attempt: Attempt, address: str) -> Login:
        login, _ = self._find(given.user, address)
        if login is not None and login.kind is KeyKind.TOKEN and _is_token(login, given.password):
            return login
        self._throttle.check(attempt)
        if login is not None:
            if self._is_clear(login, given):
                return login
            if self._passwords.remembers(self._passwords.tag(given.user, given.password, _hash(login))):
                return login
        trouble = await self._renew()
        login, reason = self._find(given.user, address)
        if login is not None and (_is_token(login, given.password) or self._is_clear(login, given)):
            return login
        kept = _hash(login) if len(given.password) <= LONGEST_PASSWORD else None
        tag = self._passwords.tag(given.user, given.password, kept)
        self._throttle.check(attempt)
        # Whoever asks what is being asked already guesses nothing more.
        joins = self._passwords.checking(tag)
        with nullcontext() if joins else self._throttle.trying(attempt):
            right = await self._passwords.check(tag, given.password, kept, known=self._throttle.knows(attempt))
        if not right:
            raise _Wrong(reason or "wrong password", trouble)
        now, reason = self._find(given.user, address)
        if now is None or now != login:
            raise _Wrong(reason or "revoked", trouble)
        return now

    async def _token(self, given: Token, attempt: Attempt, address: str) -> Login:
        # Nobody guesses 256 bits: a right token is let in whatever failed before it, a wrong one only costs us.
        kept = _token_hash(given.token)
        login, _ = self._allowed(self._snapshot.directory.tokens.get(kept), address)
        if login is not None:
            return login
        self._throttle.check(attempt)
        trouble = await self._renew()
        login, reason = self._allowed(self._snapshot.directory.tokens.get(kept), address)
        if login is None:
            raise _Wrong("unknown token" if reason == _UNKNOWN else reason, trouble)
        return login

    async def _digest(self, given: Digest, attempt: Attempt, address: str) -> Login:
        self._throttle.check(attempt)
        try:
            return self._digested(given, address)
        except _Wrong:
            trouble = await self._renew()
        self._throttle.check(attempt)
        try:
            return self._digested(given, address)
        except _Wrong as wrong:
            wrong.trouble = trouble
            raise

    def _digested(self, given: Digest, address: str) -> Login:
        """Return the login that a digest is of. Raises :exc:`_Wrong`, :exc:`LoginBlocked`."""
        login, reason = self._find(given.user, address)
        clear = self._clear(login)
        right = hmac.compare_digest(password_digest(given.nonce, given.created, clear or ""), given.digest)
        if login is None:
            raise _Wrong(reason)
        if clear is None:
            raise _Wrong(self._why_not_clear(login))
        if not right:
            raise _Wrong("wrong digest")
        now, created = self._clock(), read_created(given.created)
        if not given.nonce or created is None:
            raise _Wrong("digest without a nonce or a time")
        if abs(now - created) > FRESH:
            raise _Wrong("stale digest")
        if not self._nonces.take(given.user, given.nonce, until=created + FRESH, now=now):
            raise _Wrong("replayed digest")
        return login

    def _find(self, user: str, address: str) -> tuple[Login | None, str]:
        return self._allowed(self._snapshot.directory.logins.get(user), address)

    def _allowed(self, login: Login | None, address: str) -> tuple[Login | None, str]:
        """Return the login if it may come in from there once it is proved; else None, and why not."""
        if login is None:
            return None, _UNKNOWN
        account = self._snapshot.directory.accounts.get(login.account_id)
        if account is None or not account.enabled:
            return None, "account disabled"
        if login.networks and not login.allows(read_address(address)):
            return None, "wrong network"
        return login, ""

    def _is_clear(self, login: Login, given: Password) -> bool:
        if login.kind is not KeyKind.DIGEST:
            return False
        clear = self._clear(login)
        if clear is None:
            return False
        if hmac.compare_digest(as_bytes(clear), as_bytes(given.password)):
            return True
        if not given.md5:
            return False
        hashed = hashlib.md5(as_bytes(clear), usedforsecurity=False).hexdigest()  # what old interfaces ask for
        return hmac.compare_digest(hashed.encode(), as_bytes(given.password.lower()))

    def _clear(self, login: Login | None) -> str | None:
        """Return the password of a login for digests, or None after the same work."""
        if self._vault is None:
            return None
        if login is None or login.kind is not KeyKind.DIGEST:
            self._vault.open(self._nobody, user="")
            return None
        return self._vault.open(login.secret, user=login.user)

    def _why_not_clear(self, login: Login) -> str:
        if login.kind is not KeyKind.DIGEST:
            return "no key for digests"
        return "no secret_key is configured" if self._vault is None else "made under another secret_key"

    async def _renew(self) -> StoreUnavailable | None:
        """Read the accounts anew. Returns why that failed: what is right is let in all the same."""
        try:
            await self._snapshot.renew()
        except StoreUnavailable as error:
            return error
        return None


_RESULTS: dict[type[BridgeError], str] = {LoginFailed: "failed", LoginBlocked: "blocked"}
_UNKNOWN = "unknown user"


def _hash(login: Login | None) -> str | None:
    return login.secret if login is not None and login.kind is KeyKind.PASSWORD else None


def _token_hash(token: str) -> str:
    return _token_digest(token).hex()


def _token_digest(token: str) -> bytes:
    return hashlib.sha256(as_bytes(token)).digest()


def _is_token(login: Login, given: str) -> bool:
    return login.kind is KeyKind.TOKEN and hmac.compare_digest(_token_hash(given).encode(), login.secret.encode())
