"""Tokens of openapi.com (OAuth v2, OAS 2.1.0): fetched with e-mail and API key, renewed before their end.

The older OAuth (oauth.openapi.it) is deprecated by its provider, and not spoken. A fixed token needs none of this.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from bridge.carriers.shared import Shared
from bridge.carriers.wire import BadReply, NoAnswer, Reply, Wire, basic
from bridge.model.message import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bridge.clock import Clock

_MARGIN: Final = timedelta(minutes=1)
"""Before its end a token counts as old: a call takes time, and clocks differ."""
_ERRORS: Final = {
    70: "scopes are missing",
    80: "scopes are no list",
    90: "a scope is not valid, or the API is not enabled for the account",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Token:
    """A token, when it ends (None: it does not say), and what renews it."""

    value: str = field(repr=False)
    until: datetime | None = None
    renewal: str | None = field(default=None, repr=False)


class Tokens:
    """The token of one carrier: a fixed one, or what a login fetches, one at a time for all that wait."""

    def __init__(self, wire: Wire, *, clock: Clock, fixed: str | None = None) -> None:
        """Take a fixed token; without one, :meth:`log_in_by` comes next."""
        self._wire = wire
        self._clock = clock
        self._fixed = None if fixed is None else Token(value=fixed)
        self._login: dict[str, str] | None = None
        self._url = ""
        self._asked: dict[str, Any] = {}
        self._token: Token | None = None
        self._shared = Shared(self._good, self._next)

    def log_in_by(self, url: str, *, email: str, api_key: str, scopes: Sequence[str], ttl: timedelta) -> None:
        """Hear how tokens are fetched: they are asked for ``scopes``, and no more."""
        self._login = {"authorization": basic(email, api_key)}
        self._wire.hide(self._login["authorization"].partition(" ")[2])
        self._url = url
        self._asked = {"scopes": list(scopes), "name": "smsbridge", "ttl": int(ttl.total_seconds())}

    @property
    def login(self) -> Mapping[str, str] | None:
        """The header with e-mail and API key; None with a fixed token."""
        return self._login

    async def current(self) -> Token:
        """Return a token that is not over. Raises :exc:`NoAnswer`, always *deferred*: no text has left yet."""
        if self._fixed is not None:
            return self._fixed
        return await self._shared.get()

    def refuse(self, token: Token) -> None:
        """Hear that a token was not taken; the next call fetches another. Of many such words only the first counts."""
        if self._token is token:
            self._token = None

    def _good(self) -> Token | None:
        token = self._token
        return token if token and (token.until is None or token.until > self._clock() + _MARGIN) else None

    async def _next(self) -> Token:
        self._token = await self._renewed(self._token) or await self._fetched()
        return self._token

    async def _renewed(self, token: Token | None) -> Token | None:
        """Change a token that ends for the next: the provider removes the old one. None where that does not work."""
        if token is None or token.renewal is None:
            return None
        try:
            return self._read(
                await self._wire.call(
                    "PATCH",
                    f"{self._url}/{quote(token.value, safe='')}",
                    headers={"authorization": f"Bearer {token.renewal}"},
                    json={"ttl": self._asked["ttl"]},
                )
            )
        except (NoAnswer, ValueError, KeyError, TypeError):
            return None

    async def _fetched(self) -> Token:
        try:
            return self._read(await self._wire.call("POST", self._url, headers=self._login, json=self._asked))
        except NoAnswer as lost:
            raise NoAnswer(f"no token: {lost.reason}", Verdict.DEFERRED) from None
        except (ValueError, KeyError, TypeError) as error:
            words = str(error) if isinstance(error, BadReply) else "the answer cannot be read"
            raise NoAnswer(f"no token: {words}", Verdict.DEFERRED) from None

    def _read(self, reply: Reply) -> Token:
        """Read a token's details, at the top of the answer, or as ``data``. Raises ValueError and the like."""
        if not 200 <= reply.status < 300:
            raise BadReply(f"HTTP {reply.status}{_words(reply)}")
        said = reply.json()
        said = said["data"] if "token" not in said else said
        value, renewal = said["token"], said.get("refreshToken")
        if not isinstance(value, str) or not value.isascii() or not value.isprintable() or not value:
            raise BadReply("the answer has no token")
        for secret in (value, renewal):
            if isinstance(secret, str):
                self._wire.hide(secret, passing=True)
        return Token(
            value=value, until=_moment(said.get("expireAt")), renewal=renewal if isinstance(renewal, str) else None
        )


def _words(reply: Reply) -> str:
    try:
        code = reply.json()["error"]
    except (ValueError, KeyError, TypeError):
        return ""
    return f", error {code}: {_ERRORS.get(code, 'not in the list')}" if isinstance(code, int) else ""


def _moment(written: object) -> datetime | None:
    """Return a time in ISO 8601; None for what is none: such a token is used until it is refused."""
    try:
        moment = datetime.fromisoformat(written) if isinstance(written, str) else None
    except ValueError:
        return None
    return moment if moment is None or moment.tzinfo is not None else moment.replace(tzinfo=UTC)
