"""One call of a customer's program: a form that is posted to a URL, and what comes of it.

Names are resolved here, each address is judged, and the connection is made to that address: a name that means another
machine a moment later leads nowhere else. No redirect is followed, for the same reason. Host header and TLS are those
of the URL.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import urlencode

import httpx

from bridge.pipeline.callback_url import may_call
from bridge.store.callbacks import INCOMING_FIELDS, REPORT_FIELDS

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from ipaddress import IPv4Network, IPv6Network

    Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

_READ: Final = 4096
"""Octets of an answer that are read: then its connection serves again, or, when there are more, is closed."""

_ADDRESSES: Final = 3
_PORTS: Final = {"http": 80, "https": 443}
_FIELDS: Final = tuple(dict.fromkeys(REPORT_FIELDS + INCOMING_FIELDS))
_AGENT: Final = f"smsbridge/{version('smsbridge')}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Ended:
    """How a call ended: ``reason`` is why it failed, None where it was made; ``answered``: the host said a word."""

    reason: str | None
    answered: bool


async def look_up(host: str, port: int) -> Sequence[str]:
    """Return the addresses of a host as this machine resolves it. Raises OSError.

    Each name has a thread of its own, for nothing ends a look-up: one that hangs keeps neither the others waiting nor
    the process from its end.
    """
    loop = asyncio.get_running_loop()
    found: asyncio.Future[Sequence[str]] = loop.create_future()

    def settle(addresses: Sequence[str] | None, error: OSError | None) -> None:
        if found.done():
            return
        if error is not None:
            found.set_exception(error)
        else:
            found.set_result(addresses or ())

    def work() -> None:
        addresses, error = None, None
        try:
            places = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            addresses = list(dict.fromkeys(str(place[0]) for *_, place in places))
        except (OSError, UnicodeError) as caught:
            error = caught if isinstance(caught, OSError) else OSError("no name of a host")
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, addresses, error)

    threading.Thread(target=work, name=f"resolve {host}", daemon=True).start()
    return await found


class Line:
    """The connections to one host, shared by nobody else: what TLS knows of them is of that host alone."""

    def __init__(
        self,
        *,
        timeout: float,
        width: int,
        allowed: Sequence[IPv4Network | IPv6Network],
        resolve: Resolve = look_up,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        """Prepare; ``width`` connections at once, ``timeout`` seconds for a call from its beginning to its status."""
        self._timeout = timeout
        self._allowed = allowed
        self._resolve = resolve
        self._client = httpx.AsyncClient(
            verify=trust or _usual_trust(),
            trust_env=False,
            timeout=timeout,
            limits=httpx.Limits(max_connections=width, max_keepalive_connections=width),
            headers={"user-agent": _AGENT, "accept": "*/*", "accept-encoding": "identity"},
        )

    async def __aenter__(self) -> Self:
        """Open it."""
        await self._client.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close its connections."""
        await self._client.aclose()

    async def call(self, url: str, fields: Mapping[str, str]) -> Ended:
        """Post a form to a URL. Raises nothing but what cancels it."""
        status: list[int] = []
        reason = ""
        try:
            async with asyncio.timeout(self._timeout):
                reason = await self._post(httpx.URL(url), fields, status)
        except TimeoutError:
            reason = "no answer in time"
        except (httpx.InvalidURL, ValueError) as error:
            return Ended(reason=f"the URL cannot be called: {type(error).__name__}", answered=True)
        except (httpx.HTTPError, OSError) as error:
            reason = type(error).__name__
        finally:
            self._client.cookies.clear()
        if not status:
            return Ended(reason=reason, answered=False)
        # What comes after the status is of no interest, and neither is how it ended.
        return Ended(reason=None if httpx.codes.is_success(status[0]) else f"status {status[0]}", answered=True)

    async def _post(self, url: httpx.URL, fields: Mapping[str, str], status: list[int]) -> str:
        """Post to the first address that takes a connection; its status is put into ``status``."""
        found = await self._resolve(url.host, url.port or _PORTS[url.scheme])
        reason = "the host has no public address"
        for address in [one for one in found if may_call(ip_address(one), self._allowed)][:_ADDRESSES]:
            try:
                async with self._client.stream("POST", url.copy_with(host=address), **_request(url, fields)) as answer:
                    status.append(answer.status_code)
                    await _drain(answer)
                    return ""
            except httpx.ConnectError as error:
                reason = type(error).__name__
        return reason


def _request(url: httpx.URL, fields: Mapping[str, str]) -> dict[str, Any]:
    named = [(name, fields[name]) for name in _FIELDS if name in fields]
    request: dict[str, Any] = {
        "content": urlencode(named).encode("ascii"),
        "headers": {
            "host": url.netloc.decode("ascii"),
            "content-type": "application/x-www-form-urlencoded; charset=utf-8",
        },
    }
    if url.scheme == "https" and not _is_address(url.host):
        request["extensions"] = {"sni_hostname": url.host}
    return request


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


async def _drain(answer: httpx.Response) -> None:
    read = 0
    async for chunk in answer.aiter_raw():
        read += len(chunk)
        if read >= _READ:
            return


@cache
def _usual_trust() -> ssl.SSLContext:
    # It takes tens of milliseconds to make, and is the same for all.
    return httpx.create_ssl_context(trust_env=False)
