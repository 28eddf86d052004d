"""What a provider tells of later, read as ``kind = "http"`` was told: reports, and texts from phones."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

from bridge.carriers.base import Received, Unreadable
from bridge.carriers.finding import at, plain, short
from bridge.model.errors import InvalidNumber
from bridge.model.message import Inbound, Report
from bridge.model.numbers import parse_number
from bridge.model.state import State
from bridge.telemetry import get_logger

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bridge.carriers.base import Call
    from bridge.carriers.generic.settings import GenericSettings
    from bridge.clock import Clock

_log = get_logger(__name__)

_MOST_PARAMETERS: Final = 1000
_MOST_ITEMS: Final = 1000
"""Pieces of news in one call. They are written in one transaction, and everybody else waits for it."""
_MILLISECONDS: Final = 100_000_000_000
"""A number of seconds as great as this is in the year 5138: it is one of milliseconds."""


class NewsReader:
    """Reads the calls of one carrier's provider."""

    def __init__(self, name: str, settings: GenericSettings, *, clock: Clock) -> None:
        """Prepare; ``clock`` is the time of news that has none."""
        self.name = name
        self.clock = clock
        self._settings = settings

    def read(self, call: Call) -> Received:
        """Return all that a call says. Raises :exc:`Unreadable`."""
        reports: list[Report] = []
        inbounds: list[Inbound] = []
        for item in self._items(call):
            if self._is_inbound(item, call):
                inbounds.append(self._inbound(item))
            elif (report := self._report(item)) is not None:
                reports.append(report)
        return Received(reports=reports, inbounds=inbounds, answer=self._settings.callback_answer.encode())

    def _items(self, call: Call) -> Iterator[Any]:
        """Give the parameters of each piece of news: of the query and a form, or of a JSON body."""
        charset = self._settings.callback_charset
        try:
            query = dict(_parameters(call.query, charset))
            if call.headers.get("content-type", "").partition(";")[0].endswith("json") or call.body[:1] in {b"{", b"["}:
                data = json.loads(call.body)
                data = at(data, self._settings.callback_items) if self._settings.callback_items else data
                items = data if isinstance(data, list) else [data]
                if len(items) > _MOST_ITEMS:
                    raise Unreadable(f"more than {_MOST_ITEMS} pieces of news in one call")
                yield from ((query, item) for item in items)
            else:
                yield query | dict(_parameters(call.body, charset)), None
        except (ValueError, LookupError, TypeError, RecursionError) as error:
            raise Unreadable(f"neither parameters nor JSON: {type(error).__name__}") from None

    def _is_inbound(self, item: Any, call: Call) -> bool:
        text, state = self._settings.inbound_text, self._settings.callback_state
        return text is not None and _said(item, text) is not None and (call.inbound or _said(item, state) is None)

    def _report(self, item: Any) -> Report | None:
        settings = self._settings
        state = _said(item, settings.callback_state)
        carrier_id, own_id = _said(item, settings.callback_id), _said(item, settings.callback_own_id)
        if state is None or not (carrier_id or own_id):
            raise Unreadable("no state, or no id")
        meant = settings.callback_states.get(state, settings.callback_states.get("*"))
        if meant is None:
            _log.warning("unknown state", carrier=self.name, state=short(state))
        if meant in {None, "nothing"}:
            return None
        return Report(
            carrier=self.name,
            state=State(meant),
            at=self._time(_said(item, settings.callback_time)),
            carrier_id=carrier_id or None,
            recipient_id=own_id or None,
            raw=short(" ".join(filter(None, (state, _said(item, settings.callback_error))))),
        )

    def _inbound(self, item: Any) -> Inbound:
        settings = self._settings
        names = (settings.inbound_from, settings.inbound_to, settings.inbound_text, settings.inbound_time)
        sender, to, text, time = (_said(item, name) or "" for name in names)
        if not sender:
            raise Unreadable("no number that it comes from")
        # Without an id the same words from the same phone at the same time are the same text.
        own = hashlib.sha256(f"{sender}\0{to}\0{text}\0{time}".encode(errors="replace")).hexdigest()[:32]
        return Inbound(
            carrier=self.name,
            carrier_id=_said(item, settings.inbound_id) or own,
            sender=self._international(sender),
            to=to,
            text=text,
            at=self._time(time),
        )

    def _international(self, sender: str) -> str:
        """Return a phone's number as the pipeline reads it, where this provider writes it in its own way."""
        settings = self._settings
        digits = sender.removeprefix("+")
        if not digits.isdigit() or not digits.isascii():
            return sender
        for prefix, instead in settings.number_prefixes.items():
            if instead and digits.startswith(instead):
                return f"+{prefix}{digits.removeprefix(instead)}"
        if digits.startswith("00"):
            return f"+{digits[2:]}"
        if settings.region is not None and digits.startswith("0"):
            try:
                return parse_number(digits, settings.region)
            except InvalidNumber:
                return digits
        return f"+{digits}"

    def _time(self, written: str | None) -> datetime:
        """Read a time; what cannot be read is now."""
        zone = ZoneInfo(self._settings.time_zone)
        try:
            if self._settings.time_format is not None:
                moment = datetime.strptime(written or "", self._settings.time_format)  # noqa: DTZ007 - see below
            elif (written or "").replace(".", "", 1).isdigit():
                seconds = float(written or "")
                moment = datetime.fromtimestamp(seconds / 1000 if seconds >= _MILLISECONDS else seconds, UTC)
            else:
                moment = datetime.fromisoformat(written or "")
        except (ValueError, OverflowError, OSError):
            return self.clock()
        return moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)


def _said(item: Any, name: str | None) -> str | None:
    """Return a parameter of a call, by its name or a JSON pointer; None where there is none."""
    query, data = item
    if name is None:
        return None
    try:
        if data is None:
            return query.get(name.removeprefix("/"))  # type: ignore[no-any-return]
        value = at(data, name if name.startswith("/") else f"/{name}")
    except LookupError:
        return query.get(name)  # type: ignore[no-any-return]
    return plain(value)


def _parameters(written: bytes, charset: str) -> list[tuple[str, str]]:
    return parse_qsl(
        written.decode(charset),
        keep_blank_values=True,
        encoding=charset,
        errors="strict",
        max_num_fields=_MOST_PARAMETERS,
    )
