"""``/console``: a phone per number, with its texts as they arrive.

The page shows texts, so it is there only where the operator asked for it, and answers only under its own names: a
page from elsewhere cannot read it by pointing a name of its own at this address (DNS rebinding).
"""

from __future__ import annotations

import ipaddress
import shlex
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import jinja2
import phonenumbers
from starlette.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from bridge.fields import join_address, split_address
from bridge.model.errors import BridgeError
from bridge.model.moment import from_ms
from bridge.model.numbers import country_of
from bridge.model.state import State
from bridge.store import phones
from bridge.web.answers import PLAIN, problem
from bridge.web.cached import Cached
from bridge.web.feed import Feed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Sequence

    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from bridge.doors import Services
    from bridge.store.phones import Phone
    from bridge.web.config import HttpSettings

_NUMBERS: Final = 50
_EACH: Final = 20
_MOST_PAGES: Final = 32
"""Pages that are told of changes; one more has to be reloaded by hand."""
_HEARTBEAT: Final = 15.0

_HERE = Path(__file__).parent
_STATIC: Final = {
    "console.css": "text/css; charset=utf-8",
    "console.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
_HEADERS: Final = {
    **PLAIN,
    "content-security-policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self';"
    " img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
}

STATES: Final[dict[State, tuple[str, str, str]]] = {
    State.HELD: ("Held", "clock", "wait"),
    State.SCHEDULED: ("Scheduled", "clock", "wait"),
    State.QUEUED: ("Waiting", "clock", "wait"),
    State.SENDING: ("Sending", "clock", "wait"),
    State.SENT: ("Sent", "check", "sent"),
    State.DELIVERED: ("Delivered", "checks", "good"),
    State.UNDELIVERED: ("Not delivered", "cross", "bad"),
    State.EXPIRED: ("Expired", "cross", "bad"),
    State.REFUSED: ("Refused", "cross", "bad"),
    State.UNKNOWN: ("Not known", "question", "doubt"),
    State.CANCELLED: ("Cancelled", "cross", "bad"),
}
"""What a person reads for each state, its icon, and its tone."""


class Console:
    """The page, its parts, and the stream that keeps it up to date."""

    def __init__(self, settings: HttpSettings, services: Services, *, poll: float = 1.0) -> None:
        """Prepare."""
        self._services = services
        self._store = services.store
        self._names = _names(settings.listen, str(getattr(services.settings, "public_url", "")))
        self._any_address = _unspecified(split_address(settings.listen)[0])
        self._phones = Cached(self._read, max_age=0.0)
        self._stamp = Cached(self._read_stamp, max_age=0.0)
        self._feed = Feed(stamp=self._changes, watch=services.watch, poll=poll)
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters.update(number=_international, region=_region, when=_when, iso=_iso)
        self._templates.globals.update(states={str(state): shown for state, shown in STATES.items()})
        self._static = {name: (_HERE / "static" / name).read_bytes() for name in _STATIC}

    def routes(self) -> Sequence[BaseRoute]:
        """Return the page's routes."""
        pages = {
            "/": self._home,
            "/console": self._page,
            "/console/phones": self._fragment,
            "/console/events": self._events,
            "/console/{name}": self._file,
        }
        return [Route(path, self._guarded(page)) for path, page in pages.items()]

    def close(self) -> None:
        """End the streams."""
        self._feed.close()

    def _guarded(self, page: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            if not self._known_host(request.headers.get("host", "")):
                return problem(421)
            return await page(request)

        return answer

    async def _home(self, _request: Request) -> Response:
        return RedirectResponse("/console", headers=_HEADERS)

    async def _page(self, _request: Request) -> Response:
        shown, status = await self._shown()
        return self._html("console.html", status, **shown)

    async def _fragment(self, _request: Request) -> Response:
        shown, status = await self._shown()
        return self._html("phones.html", status, **shown)

    async def _file(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in self._static:
            return problem(404)
        return Response(self._static[name], headers={**_HEADERS, "content-type": _STATIC[name]})

    async def _events(self, request: Request) -> Response:
        headers = {**_HEADERS, "content-type": "text/event-stream; charset=utf-8", "x-accel-buffering": "no"}
        if request.method == "HEAD":
            return Response(headers=headers)
        if self._feed.listening >= _MOST_PAGES:
            return problem(503, {"retry-after": "30"})
        return StreamingResponse(self._stream(), headers=headers)

    async def _stream(self) -> AsyncIterator[str]:
        yield "retry: 2000\n\n"
        async for version in self._feed.changes(heartbeat=_HEARTBEAT):
            if version is None:
                yield ": still here\n\n"
            else:
                yield f"event: change\ndata: {version}\n\n"

    async def _shown(self) -> tuple[dict[str, Any], int]:
        # Who has just sent a text must see it: no read is good enough that began before the question.
        self._phones.invalidate()
        try:
            found = await self._phones.get()
        except (BridgeError, TimeoutError):
            return {"phones": [], "texts": 0, "away": True, "first": None}, 503
        texts = sum(len(phone.texts) for phone in found)
        return {
            "phones": found,
            "texts": texts,
            "away": False,
            "first": None if found else _first_mail(self._services),
        }, 200

    def _html(self, template: str, status: int, **values: object) -> Response:
        content = self._templates.get_template(template).render(**values, most=_NUMBERS, each=_EACH)
        return HTMLResponse(content, status, _HEADERS)

    def _read(self) -> list[Phone]:
        with self._store.read() as connection:
            texts = phones.latest(connection, limit=_NUMBERS * _EACH)
        return phones.group(texts, numbers=_NUMBERS, each=_EACH)

    def _read_stamp(self) -> Hashable:
        with self._store.read() as connection:
            return phones.stamp(connection, limit=_NUMBERS * _EACH)

    async def _changes(self) -> Hashable:
        try:
            return await self._stamp.get()
        except (BridgeError, TimeoutError):
            return "away"

    def _known_host(self, header: str) -> bool:
        host = _host(header)
        return host in self._names or (self._any_address and _is_address(host))


def _first_mail(services: Services) -> dict[str, Any] | None:
    """Return a command that sends a first mail here, and whether somebody may send it; None without a mail door."""
    settings = getattr(services.settings, "smtp", None)
    mail = services.doors.get("smtp")
    if settings is None or mail is None or not mail.addresses or not settings.domains:
        return None
    host, port = split_address(mail.addresses[0])
    if _unspecified(host):
        host = "::1" if ":" in host else "127.0.0.1"
    mailboxes = sorted(services.intake.snapshot.directory.mailboxes, key=lambda one: (one.startswith("@"), one))
    sender = mailboxes[0] if mailboxes else "you@example.com"
    words = {
        "--server": join_address(host, port),
        "--from": f"you{sender}" if sender.startswith("@") else sender,
        "--to": f"972502345678@{settings.domains[0]}",
        "--header": "Subject: Hello",
        "--body": "This mail became a text.",
    }
    command = " ".join(("swaks", *(f"{option} {shlex.quote(value)}" for option, value in words.items())))
    return {"command": command, "allowed": bool(mailboxes), "sender": words["--from"], "to": words["--to"]}


def _names(listen: str, public_url: str) -> frozenset[str]:
    """Return the hosts under which the page is asked for."""
    names = {"localhost", "127.0.0.1", "::1", split_address(listen)[0].lower()}
    if public := urlsplit(public_url).hostname:
        names.add(public)
    return frozenset(names)


def _host(header: str) -> str:
    """Return the host of a Host header, without its port."""
    host = header.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].removesuffix(".")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _unspecified(host: str) -> bool:
    return _is_address(host) and ipaddress.ip_address(host).is_unspecified


def _international(e164: str) -> str:
    try:
        number = phonenumbers.parse(e164)
    except phonenumbers.NumberParseException:
        return e164
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL)


def _region(e164: str) -> str:
    return country_of(e164) or ""


def _moment(milliseconds: int) -> datetime:
    return from_ms(milliseconds)


def _when(milliseconds: int) -> str:
    return f"{_moment(milliseconds):%d %b %H:%M} UTC"


def _iso(milliseconds: int) -> str:
    return _moment(milliseconds).isoformat(timespec="milliseconds")
