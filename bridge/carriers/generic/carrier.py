"""Any provider with an HTTP API, from configuration alone: ``kind = "http"``.

A text is one request made from templates. What its answer means is said by the status, then by two patterns, then by
a *result* that is looked up in a table, and by the provider's id being there. What none of them knows is *unknown*.
"""

from __future__ import annotations

import json
import re
from datetime import UTC
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, quote_plus
from xml.sax.saxutils import escape

from bridge.carriers.finding import found, short
from bridge.carriers.generic.news import NewsReader
from bridge.carriers.generic.placeholders import Template
from bridge.carriers.generic.settings import GenericSettings
from bridge.carriers.http import HttpCarrier
from bridge.carriers.wire import BadReply, Reply, basic, unrepeated
from bridge.model.errors import ConfigError, InvalidNumber
from bridge.model.message import Outcome, Verdict
from bridge.model.numbers import country_of, to_local
from bridge.model.text import Encoding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from bridge.carriers.base import Call, CarrierSettings, Received, Sink
    from bridge.clock import Clock
    from bridge.model.message import Outgoing

_TYPES: Final[Mapping[str, str]] = {
    "form": "application/x-www-form-urlencoded",
    "json": "application/json",
    "xml": "application/xml; charset={charset}",
    "text": "text/plain; charset={charset}",
}

_JSON: Final = json.JSONEncoder(ensure_ascii=False)


_INTEGER: Final = re.compile(r"\+?[0-9]{1,30}")


class Inexpressible(Exception):
    """The request cannot hold what the text needs. The reason repeats nothing of it."""


class Generic(HttpCarrier):
    """Implements :class:`~bridge.carriers.base.Carrier` and :class:`~bridge.carriers.base.Called` from a table."""

    def __init__(self, name: str, settings: CarrierSettings, *, clock: Clock) -> None:
        """Touch nothing yet."""
        if not isinstance(settings, GenericSettings):
            raise TypeError("a carrier of kind http needs GenericSettings")
        super().__init__(name, settings, clock=clock, urls=[settings.url])
        self.takes_own_id = settings.takes_own_id
        self._settings = settings
        self._verdicts = {status: Verdict(sign) for status, sign in settings.statuses.items()}
        self._fixed = _fixed(settings)
        self._headers = self._own_headers()
        self._fields = _compiled(settings.fields)
        path, mark, query = settings.url.partition("?")
        self._url = (Template.of(path), mark, Template.of(query))
        self._query = {key: Template.of(value) for key, value in settings.query.items()}
        self._body = Template.of(settings.body)
        templates = [*self._url[::2], *self._query.values(), *self._headers.values(), self._body]
        self._wanted = frozenset(
            name for each in (*templates, *_leaves(self._fields)) for name in getattr(each, "names", ())
        )
        # Most headers say the same every time.
        self._still = {
            name: each.fill(self._fixed) for name, each in self._headers.items() if each.names <= self._fixed.keys()
        }
        self._moving = {name: each for name, each in self._headers.items() if name not in self._still}
        signs = ((Verdict.DEFERRED, settings.deferred_pattern), (Verdict.REFUSED, settings.refused_pattern))
        self._signs = [(verdict, re.compile(pattern)) for verdict, pattern in signs if pattern is not None]
        self._news = NewsReader(name, settings, clock=clock)

    async def open(self, sink: Sink) -> None:
        """Get ready. Raises :exc:`ConfigError` when a template needs a URL of ours, and there is none."""
        if self.urls is not None:
            self._fixed |= {"callback_url": self.urls.callback, "inbound_url": self.urls.inbound}
        for name in ("callback_url", "inbound_url"):
            if name in self._wanted and self.urls is None:
                raise ConfigError(f"carriers.{self.name}: {{{{{name}}}}} needs public_url and callback_secret")
        await super().open(sink)

    async def send(self, outgoing: Outgoing) -> Outcome:
        """Send one text; one that the request cannot hold is refused."""
        try:
            return await super().send(outgoing)
        except Inexpressible as error:
            return Outcome.refused(str(error))

    async def submit(self, outgoing: Outgoing) -> Reply:
        """Fill the templates, and make the call."""
        values = self._values(outgoing)
        charset = self._settings.charset
        quoted = partial(_encoded, quote, charset)
        plus = partial(_encoded, quote_plus, charset)
        path, mark, query = self._url
        url = path.fill(values, quoted) + mark + query.fill(values, plus)
        if own := _pairs(self._query, values, plus):
            url += ("&" if mark else "?") + own
        headers = self._still | {
            name: each.fill(values) for name, each in self._moving.items() if not each.lacks(values)
        }
        for value in headers.values():
            if not value.isascii() or not value.isprintable():
                raise Inexpressible("a header would need characters that none can hold")
        return await self.wire.call(self._settings.method, url, headers=headers, content=self._content(values, plus))

    def verdict(self, reply: Reply, outgoing: Outgoing) -> Verdict | None:
        """Return what patterns, or the status alone, say."""
        if self._signs:
            text = unrepeated(reply.text(), outgoing.text)
            for verdict, pattern in self._signs:
                if pattern.search(text):
                    return verdict
        own = self._verdicts.get(reply.status)
        # What is accepted is read all the same: for its id.
        return super().verdict(reply, outgoing) if own is None else None if own is Verdict.ACCEPTED else own

    def reason(self, reply: Reply) -> str:
        """Say the result where there is one, else the status."""
        result = found(reply, self._settings.result)
        return super().reason(reply) if result is None else f"the provider says {short(result)}"

    def read(self, reply: Reply, outgoing: Outgoing) -> Outcome:
        """Look for the result and the id."""
        settings = self._settings
        look = partial(found, reply, but=outgoing.text)
        if settings.answer == "none" or reply.status in self._verdicts:
            return Outcome.accepted(look(settings.id))
        data = None
        if settings.answer == "json":
            data = reply.json(also=settings.answer_types)
        elif not _is_text(reply.media_type) and reply.media_type not in settings.answer_types:
            raise BadReply("the answer is no text by its content type")
        result, carrier_id = look(settings.result, data), look(settings.id, data)
        if settings.result is not None:
            if result is None:
                raise BadReply("the answer has no result")
            sign = settings.results.get(result, settings.results.get("*", "unknown"))
            if sign != "accepted":
                return Outcome(verdict=Verdict(sign), reason=f"the provider says {short(result)}")
        elif carrier_id is None:
            raise BadReply("the answer has no id")
        return Outcome.accepted(carrier_id)

    def receive(self, call: Call) -> Received:
        """Read reports and replies, of one call any number. Raises :exc:`~bridge.carriers.base.Unreadable`."""
        return self._news.read(call)

    def _own_headers(self) -> dict[str, Template]:
        settings = self._settings
        headers = {name.lower(): Template.of(value) for name, value in settings.headers.items()}
        if settings.auth == "basic":
            login = basic(self._fixed["user"], self._fixed["password"])
            self.wire.hide(login.partition(" ")[2])
            headers["authorization"] = Template(parts=(login,))
        elif settings.auth == "bearer":
            headers["authorization"] = Template.of("Bearer {{token}}")
        if settings.encoding in _TYPES:
            written = settings.content_type or _TYPES[settings.encoding].format(charset=settings.charset)
            headers["content-type"] = Template(parts=(written,))
        return headers

    def _values(self, outgoing: Outgoing) -> dict[str, str]:
        values = self._fixed | {
            "to": self._number(outgoing.number),
            "text": outgoing.text,
            "id": outgoing.id,
            "message_id": outgoing.message_id,
            "parts": str(outgoing.parts),
            "unicode": "1" if outgoing.encoding is Encoding.UCS2 else "0",
            "flash": "1" if outgoing.flash else "0",
        }
        if "expires" in self._wanted:
            values["expires"] = outgoing.expires_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        if "ttl" in self._wanted:
            values["ttl"] = str(max(1, int((outgoing.expires_at - self.clock()).total_seconds())))
        sender = outgoing.sender or self._settings.default_sender
        if sender:
            values["sender"] = sender
        return values

    def _number(self, number: str) -> str:
        settings, digits = self._settings, number.removeprefix("+")
        for length in range(len(digits) if settings.number_prefixes else 0, 0, -1):
            if (instead := settings.number_prefixes.get(digits[:length])) is not None:
                return instead + digits[length:]
        match settings.number_form:
            case "e164":
                return number
            case "00":
                return f"00{digits}"
            case "local" if country_of(number) == settings.region:
                try:
                    return to_local(number)
                except InvalidNumber:
                    return digits
        return digits

    def _content(self, values: Mapping[str, str], plus: Callable[[str], str]) -> bytes | None:
        charset = self._settings.charset
        try:
            match self._settings.encoding:
                case "json":
                    return _JSON.encode(_filled(self._fields, values)).encode()
                case "form":
                    return _pairs(self._fields, values, plus).encode("ascii")
                case "xml":
                    # A character that the charset lacks is written by its number.
                    quotes = {'"': "&quot;", "'": "&apos;"}
                    text = self._body.fill(values, lambda value: escape(value, quotes))
                    return text.encode(charset, "xmlcharrefreplace")
                case "text":
                    return self._body.fill(values).encode(charset)
        except UnicodeEncodeError:
            raise Inexpressible(f"the text has characters that {charset} lacks") from None
        return None


def _is_text(media_type: str) -> bool:
    # A page is what a proxy or a portal in between says.
    return media_type.startswith("text/") and media_type != "text/html"


def _fixed(settings: GenericSettings) -> dict[str, str]:
    given = {"user": settings.user, **{name: getattr(settings, name) for name in ("password", "token")}}
    given |= {f"secrets.{name}": secret for name, secret in settings.secrets.items()}
    return {
        name: value if isinstance(value, str) else value.get_secret_value()
        for name, value in given.items()
        if value is not None
    }


def _compiled(tree: Any) -> Any:
    match tree:
        case str():
            return Template.of(tree)
        case dict():
            return {name: _compiled(each) for name, each in tree.items()}
        case list():
            return [_compiled(each) for each in tree]
    return tree


def _leaves(tree: Any) -> Iterator[Any]:
    match tree:
        case dict():
            for each in tree.values():
                yield from _leaves(each)
        case list():
            for each in tree:
                yield from _leaves(each)
        case _:
            yield tree


def _filled(tree: Any, values: Mapping[str, str]) -> Any:
    match tree:
        case Template():
            text = tree.fill(values)
            return int(text) if tree.alone and tree.alone.filter == "int" and _INTEGER.fullmatch(text) else text
        case dict():
            return {name: _filled(each, values) for name, each in tree.items() if not _lacks(each, values)}
        case list():
            return [_filled(each, values) for each in tree if not _lacks(each, values)]
    return tree


def _lacks(each: Any, values: Mapping[str, str]) -> bool:
    return isinstance(each, Template) and each.lacks(values)


def _pairs(fields: Mapping[str, Template], values: Mapping[str, str], plus: Callable[[str], str]) -> str:
    return "&".join(
        f"{plus(name)}={plus(each.fill(values))}" for name, each in fields.items() if not each.lacks(values)
    )


def _encoded(how: Callable[..., str], charset: str, value: str) -> str:
    try:
        return how(value, safe="", encoding=charset, errors="strict")
    except UnicodeEncodeError:
        raise Inexpressible(f"the text has characters that {charset} lacks") from None
