"""One upstream's connections: a call goes out at most once, and every way to fail says whether it went out at all.

httpx on aiohttp's transport, read in httpx-aiohttp 0.2.0 and aiohttp 3.14. What they do that would send a text twice,
or lose one, is undone here:

- aiohttp repeats a GET, PUT or DELETE whose connection broke, on fresh connections too (``ClientSession._request``).
  A middleware turns such an end into an error that it does not repeat.
- httpx-aiohttp gives a refused connection and a request that was taken without an answer the same class. So an error
  is judged by its cause: only while the connection was being made (:data:`_NOT_SENT`) nothing has left; after that
  nobody knows.
- httpx's client logs URLs, and follows what is in the environment: the transport is used without it. So there are no
  redirects, no cookies, no proxies, and no lines in a log.
- An idle connection is dropped after :data:`_KEEP_ALIVE` seconds: servers close theirs from five seconds on, and a
  request that meets such a close is one of which nobody knows.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import ssl
from collections import deque
from dataclasses import dataclass, field
from email.message import Message
from functools import lru_cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, quote_plus, urlencode
from xml.sax.saxutils import escape

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from bridge.model.errors import ConfigError
from bridge.model.message import Outcome, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from aiohttp import ClientHandlerType, ClientRequest, ClientResponse

MOST_ANSWER: Final = 1 << 20
"""Bytes of an answer that are read. None of a text is near it; what is longer is no answer."""

_KEEP_ALIVE: Final = 4.0
_SPARE: Final = 8
"""Connections beside those of texts: for questions, and those that are being closed."""

_SHOWN: Final = 500
"""Characters of an answer that are kept beside the state."""

_PASSING: Final = 4
"""Short-lived secrets that are remembered: the one in use, and those that a late answer may still repeat."""

_SHORTEST_TEXT: Final = 4
"""Characters. A text of fewer is in every answer by chance."""
_WORD: Final = re.compile("[A-Za-z0-9]+")
_NATIONAL: Final = 8
"""Digits in which all ways to write a number end."""

_HEADERS: Final = {
    "user-agent": f"smsbridge/{version('smsbridge')}",
    "accept": "*/*",
    # An answer of a few bytes has nothing to gain, and a small one cannot unpack to a large one.
    "accept-encoding": "identity",
}

_NOT_SENT: Final = (
    # The first is raised for a connection that cannot be made: refused, no such name, no TLS. The second comes around
    # the making of it alone (ClientSession._connect_and_send_request), and is no child of the first.
    aiohttp.ClientConnectorError,
    aiohttp.ConnectionTimeoutError,
)

_WORDS: Final[tuple[tuple[type[BaseException], str], ...]] = (
    # The first that fits counts.
    (aiohttp.ClientConnectorDNSError, "not reached: no such host"),
    (aiohttp.ClientConnectorCertificateError, "not reached: its certificate is not trusted"),
    (aiohttp.ClientConnectorSSLError, "not reached: TLS failed"),
    (aiohttp.ClientConnectorError, "not reached"),
    (aiohttp.ConnectionTimeoutError, "not reached in time"),
    (aiohttp.SocketTimeoutError, "no answer in time"),
    (TimeoutError, "no whole answer in time"),
    (aiohttp.ServerDisconnectedError, "the connection was closed without an answer"),
    (aiohttp.ClientConnectionError, "the connection broke"),
    (aiohttp.ClientPayloadError, "half an answer"),
    (aiohttp.ClientResponseError, "the answer is no HTTP"),
)


_JSON: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


class NoAnswer(Exception):
    """A call that brought no answer. ``verdict`` is *deferred* if it surely did not leave, else *unknown*."""

    def __init__(self, reason: str, verdict: Verdict) -> None:
        """Keep a reason without URL, text or secret."""
        super().__init__(reason)
        self.reason = reason
        self.verdict = verdict

    @property
    def outcome(self) -> Outcome:
        """What a send comes to that ended so."""
        return Outcome(verdict=self.verdict, reason=self.reason)


class BadReply(ValueError):
    """An answer that is not what the upstream's document says. The reason repeats nothing of it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """A whole answer. ``media_type`` and ``charset`` are in lower case, and empty where it names none."""

    status: int
    headers: httpx.Headers = field(repr=False)
    body: bytes = field(repr=False)
    media_type: str = ""
    charset: str = ""

    def text(self, charset: str | None = None) -> str:
        """Return the body in ``charset``, or in its own, or in UTF-8. What that lacks is U+FFFD."""
        body = self.body.removeprefix(b"\xef\xbb\xbf")
        try:
            return body.decode(charset or self.charset or "utf-8", "replace")
        except LookupError:
            return body.decode("utf-8", "replace")

    def json(self, *, also: Iterable[str] = ()) -> Any:
        """Return what the body says as JSON; ``also`` are media types besides JSON's own. Raises :exc:`BadReply`."""
        own = self.media_type in {"application/json", "text/json"} or self.media_type.endswith("+json")
        if not own and self.media_type not in also:
            raise BadReply("the answer is not JSON by its content type")
        try:
            return json.loads(self.text("utf-8"))
        except (ValueError, RecursionError) as error:
            raise BadReply("the answer is no JSON") from error


class Wire:
    """The connections of one carrier. They lead to the hosts of ``urls``, and nowhere else."""

    def __init__(
        self,
        name: str,
        *,
        urls: Iterable[str],
        connect_timeout: float,
        read_timeout: float,
        total_timeout: float,
        connections: int,
        ca_file: Path | None = None,
        secrets: Iterable[str] = (),
    ) -> None:
        """Touch nothing yet. Times are in seconds; ``secrets`` are taken out of all that is shown."""
        self._name = name
        self._origins = frozenset(_origin(httpx.URL(url)) for url in urls)
        # Waiting for a place, looking up the name, connecting and TLS: all of it before a byte of the request.
        self._timeouts = {"connect": connect_timeout, "pool": connect_timeout, "read": read_timeout}
        self._total = total_timeout
        self._connections = connections
        self._ca_file = ca_file
        self._hidden: tuple[str, ...] = ()
        self._kept: frozenset[str] = frozenset()
        self._passing: deque[str] = deque(maxlen=_PASSING)
        for secret in secrets:
            self.hide(secret)
        self._transport: AiohttpTransport | None = None
        self._headers: tuple[tuple[tuple[str, str], ...], httpx.Headers] | None = None

    @property
    def is_open(self) -> bool:
        """Whether calls can be made."""
        return self._transport is not None

    def open(self) -> None:
        """Get ready; it connects at the first call. Raises :exc:`ConfigError` for a CA file that is none."""
        tls: ssl.SSLContext | bool = True
        if any(scheme == "https" for scheme, _, _ in self._origins):
            tls = httpx.create_ssl_context(trust_env=False)
            if self._ca_file is not None:
                try:
                    tls.load_verify_locations(self._ca_file)
                except OSError as error:  # ssl.SSLError is one
                    why = "no certificates in it" if isinstance(error, ssl.SSLError) else error.strerror
                    raise ConfigError(f"carriers.{self._name}.ca_file: {self._ca_file}: {why}") from error
        connector = aiohttp.TCPConnector(
            limit=self._connections + _SPARE,
            keepalive_timeout=_KEEP_ALIVE,
            ssl=tls,
        )
        session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            middlewares=(_once,),
            trust_env=False,
        )
        # The session's connector does the TLS; without this the transport would load a store of its own.
        self._transport = AiohttpTransport(client=session, verify=False, trust_env=False)

    async def close(self) -> None:
        """Let go of all connections."""
        transport, self._transport = self._transport, None
        if transport is not None:
            await transport.aclose()

    async def call(
        self,
        method: str,
        url: str | httpx.URL,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        json: Any = None,
        form: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> Reply:
        """Make one call, once, and return the whole answer, of whatever status. Raises :exc:`NoAnswer`."""
        if self._transport is None:
            raise NoAnswer("the carrier is not open", Verdict.DEFERRED)
        if json is not None:
            content = _JSON.encode(json).encode()
            headers = {"content-type": "application/json", **(headers or {})}
        elif form is not None:
            content = urlencode(form).encode()
            headers = {"content-type": "application/x-www-form-urlencoded", **(headers or {})}
        # With a stream of our own httpx works out no headers: aiohttp does, host and length.
        request = httpx.Request(
            method,
            _parsed(url) if isinstance(url, str) else url,
            params=params,
            headers=self._written(headers or {}),
            stream=httpx.ByteStream(content or b""),
            extensions={"timeout": self._timeouts},
        )
        request.read()
        if _origin(request.url) not in self._origins:
            raise NoAnswer("not sent: the URL leads to another host than the configured one", Verdict.DEFERRED)
        try:
            async with asyncio.timeout(self._total):
                response = await self._transport.handle_async_request(request)
                try:
                    body = await _body(response)
                finally:
                    await response.aclose()
        except NoAnswer:
            raise
        except Exception as error:  # noqa: BLE001 - whatever ends a call, it is judged, and nothing of it is shown
            # The causes hold URLs, and those may hold secrets: none of them goes on.
            raise judge(error) from None
        media_type, charset = _content_type(response.headers.get("content-type", ""))
        return Reply(
            status=response.status_code, headers=response.headers, body=body, media_type=media_type, charset=charset
        )

    def _written(self, own: Mapping[str, str]) -> httpx.Headers:
        """Return the headers of a call. Most calls have those of the one before."""
        key = tuple(own.items())
        if self._headers is None or self._headers[0] != key:
            named = _HEADERS | {name.lower(): value for name, value in own.items()}
            self._headers = key, httpx.Headers(named)
        return self._headers[1]

    def hide(self, secret: str, *, passing: bool = False) -> None:
        """Take a secret out of what is shown from now on, in every form in which it travels.

        Of those that pass, like tokens of some minutes, the last few are kept: else they would be ever more.
        """
        if not secret:
            return
        if passing:
            self._passing.append(secret)
        else:
            self._kept |= _forms(secret)
        # The longest first: one may be a part of another.
        forms = self._kept.union(*map(_forms, self._passing))
        self._hidden = tuple(sorted(forms, key=len, reverse=True))

    def shown(self, reply: Reply, *, text: str = "", number: str = "") -> str:
        """Return an answer as it may be kept: status and beginning, on one line.

        Without secrets, and without what it repeats of ``text`` and ``number`` (in E.164, and what local forms share).
        """
        # Cut off only after that: half a secret would not be found.
        said = self.cleaned(reply.text()[: _SHOWN * 8], text=text, number=number)
        if not said.isprintable():
            said = "".join(char if char.isprintable() else " " for char in said)
        return f"{reply.status} {said.strip()[:_SHOWN]}".strip()

    def cleaned(self, said: str, *, text: str = "", number: str = "") -> str:
        """Return words without secrets, and without what they repeat of a text and its number."""
        said = unrepeated(said, text, instead="***")
        for each in self._hidden:
            said = said.replace(each, "***")
        if number:
            digits = number.removeprefix("+")
            said = said.replace(digits, "***").replace(digits[-_NATIONAL:], "***")
        return said


def unrepeated(said: str, text: str, *, instead: str = " ") -> str:
    """Return an answer without the text that it may repeat: nobody's words are to count as the provider's."""
    if _may_hold(said, text):
        for each in sorted(_forms(text), key=len, reverse=True):
            said = said.replace(each, instead)
    return said


def judge(error: BaseException) -> NoAnswer:
    """Say whether the call that ended with ``error`` may have left. The reason holds nothing of its words."""
    cause = error
    while isinstance(cause, httpx.HTTPError | _Lost) and cause.__cause__ is not None:
        cause = cause.__cause__
    reason = next((words for kind, words in _WORDS if isinstance(cause, kind)), f"failed: {type(cause).__name__}")
    if isinstance(cause, aiohttp.ClientConnectorError) and type(cause) is aiohttp.ClientConnectorError:
        reason = f"{reason}: {_why(cause.os_error)}"
    return NoAnswer(reason, Verdict.DEFERRED if isinstance(cause, _NOT_SENT) else Verdict.UNKNOWN)


def basic(user: str, password: str) -> str:
    """Return an Authorization header's value (RFC 7617), in UTF-8."""
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


class _Lost(aiohttp.ClientPayloadError):
    """The connection broke after it was there. Of a class that aiohttp does not repeat a request for."""


async def _once(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    try:
        return await handler(request)
    except _NOT_SENT:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _Lost from error


async def _body(response: httpx.Response) -> bytes:
    # httpx's own loop over a body costs a tenth of a call; it is for what the server packed without being asked.
    packed = "content-encoding" in response.headers
    assert isinstance(response.stream, httpx.AsyncByteStream)  # noqa: S101 - an asynchronous transport's
    body = bytearray()
    async for chunk in response.aiter_bytes() if packed else response.stream:
        body += chunk
        if len(body) > MOST_ANSWER:
            raise NoAnswer(f"the answer is longer than {MOST_ANSWER >> 10} KiB", Verdict.UNKNOWN)
    return bytes(body)


def _origin(url: httpx.URL) -> tuple[str, str, int]:
    return url.scheme, url.host, url.port or (443 if url.scheme == "https" else 80)


@lru_cache(maxsize=64)
def _parsed(url: str) -> httpx.URL:
    return httpx.URL(url)


@lru_cache(maxsize=64)
def _content_type(value: str) -> tuple[str, str]:
    message = Message()
    message["content-type"] = "".join(char for char in value if char.isprintable())
    charset = message.get_param("charset", "")
    written = "/" in value.partition(";")[0]
    return message.get_content_type() if written else "", charset.lower() if isinstance(charset, str) else ""


def _why(error: OSError) -> str:
    return "refused" if isinstance(error, ConnectionRefusedError) else (error.strerror or type(error).__name__)


def _may_hold(said: str, text: str) -> bool:
    """Whether an answer may repeat a text. Every form of it has its longest word of ASCII letters and digits as is."""
    if not _SHORTEST_TEXT <= len(text) <= len(said):
        return False
    word = max(_WORD.findall(text), key=len, default="")
    return word in said


def _forms(secret: str) -> set[str]:
    """Return a secret as it stands in a URL, in JSON, in XML and in a Basic login's end of the line."""
    escaped = json.dumps(secret)[1:-1]
    forms = {secret, quote(secret, safe=""), quote(secret), quote_plus(secret), escaped, escaped.replace("/", "\\/")}
    forms |= {json.dumps(secret, ensure_ascii=False)[1:-1], escape(secret), escape(secret, {'"': "&quot;"})}
    return forms | {re.sub("%[0-9A-F]{2}", lambda found: found[0].lower(), form) for form in forms}
