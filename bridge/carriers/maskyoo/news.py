"""What Maskyoo calls with: texts from phones as documented, and reports under names that are known to nobody.

The webhook of texts: help.maskyoo.com/developers/api/sms-api/receive-sms. It has no proof but the secret in its path.
"""

from __future__ import annotations

import hashlib
import json
import re
from datetime import datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

from bridge.carriers.base import Received, Unreadable
from bridge.carriers.finding import plain, short
from bridge.model.errors import InvalidNumber
from bridge.model.message import Inbound, Report, split_recipient_id
from bridge.model.numbers import parse_number
from bridge.model.state import State
from bridge.telemetry import get_logger

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bridge.carriers.base import Call
    from bridge.clock import Clock

_log = get_logger(__name__)

OWN_ID: Final = "smsbridge_id"
"""The parameter with our id in each text's callback_url."""

_MOST_PARAMETERS: Final = 200
_MOST_ITEMS: Final = 1000
_LONGEST_RAW: Final = 500
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,30}")
_TEXTS: Final = frozenset({"message", "msg", "text", "body"})
"""Parameters that may repeat the text: it is not kept a second time."""


class NewsReader:
    """Reads the calls to one carrier. ``states`` says what is in the parameter ``state_name``."""

    def __init__(
        self,
        name: str,
        *,
        clock: Clock,
        region: str,
        time_zone: str,
        id_name: str | None,
        state_name: str | None,
        states: Mapping[str, str],
    ) -> None:
        """Prepare; ``clock`` is the time of reports, ``region`` and ``time_zone`` are of texts from phones."""
        self.name = name
        self._clock = clock
        self._region = region
        self._zone = ZoneInfo(time_zone)
        self._id_name = id_name
        self._state_name = state_name
        self._states = states

    def read(self, call: Call) -> Received:
        """Return all that a call says. Raises :exc:`Unreadable`."""
        reports: list[Report] = []
        inbounds: list[Inbound] = []
        items = list(_items(call))
        for item in items:
            if call.inbound or (OWN_ID not in item and {"from", "msg"} <= item.keys()):
                inbounds.append(self._inbound(item))
            elif (report := self._report(item, alone=len(items) == 1)) is not None:
                reports.append(report)
        return Received(reports=reports, inbounds=inbounds)

    def _report(self, item: Mapping[str, str], *, alone: bool) -> Report | None:
        own = item.get(OWN_ID, "") if alone else ""
        carrier_id = item.get(self._id_name) if self._id_name is not None else None
        if not _is_ours(own) and not carrier_id:
            raise Unreadable(f"neither {OWN_ID} nor callback_id, but {_names(item)}")
        state = item.get(self._state_name) if self._state_name is not None else None
        meant = self._states.get(state, self._states.get("*")) if state is not None else None
        if meant == "nothing":
            return None
        if meant is None:
            _log.warning("unknown state", carrier=self.name, state=short(state or f"none in {_names(item)}"))
        return Report(
            carrier=self.name,
            # That it knows the text is certain; what it says is kept for who can read it.
            state=State.SENT if meant is None else State(meant),
            at=self._clock(),
            carrier_id=None if _is_ours(own) else carrier_id,
            recipient_id=own if _is_ours(own) else None,
            raw=_raw(item),
        )

    def _inbound(self, item: Mapping[str, str]) -> Inbound:
        sender, to, text, time = (item.get(name, "") for name in ("from", "to", "msg", "time"))
        if not sender or "msg" not in item:
            raise Unreadable(f"no text from a phone, but {_names(item)}")
        # It has no id: the same words from the same phone at the same time are the same text.
        own = hashlib.sha256(f"{sender}\0{to}\0{text}\0{time}".encode(errors="replace")).hexdigest()[:32]
        return Inbound(
            carrier=self.name,
            carrier_id=own,
            sender=self._international(sender),
            to=self._international(to),
            text=text,
            at=self._time(time),
        )

    def _international(self, number: str) -> str:
        try:
            return parse_number(number.strip(), self._region)
        except InvalidNumber:
            return number

    def _time(self, written: str) -> datetime:
        """Read a time without a zone; what cannot be read is now."""
        try:
            local = datetime.strptime(written, "%Y-%m-%d %H:%M:%S")  # noqa: DTZ007 - the zone is a setting
        except ValueError:
            return self._clock()
        return local.replace(tzinfo=self._zone)


def _items(call: Call) -> Iterator[dict[str, str]]:
    """Give the parameters of each piece of news: of the query with a form, or with each object of a JSON body."""
    # Who adds parameters to a URL without a look at it writes a second question mark.
    query = _parameters(call.query.replace(b"?", b"&"))
    if call.body[:1] not in {b"{", b"["}:
        yield query | _parameters(call.body)
        return
    try:
        data = json.loads(call.body)
    except (ValueError, RecursionError):
        raise Unreadable("neither parameters nor JSON") from None
    items = data if isinstance(data, list) else [data]
    if len(items) > _MOST_ITEMS or not items or not all(isinstance(item, dict) for item in items):
        raise Unreadable("no list of objects, or a very long one")
    for item in items:
        yield query | {name: value for name, each in item.items() if (value := plain(each)) is not None}


def _parameters(written: bytes) -> dict[str, str]:
    try:
        # What is no UTF-8 is not lost for it: the rest can be read.
        return dict(
            parse_qsl(
                written.decode(errors="replace"),
                keep_blank_values=True,
                errors="replace",
                max_num_fields=_MOST_PARAMETERS,
            )
        )
    except ValueError:
        raise Unreadable("too many parameters") from None


def _is_ours(own: str) -> bool:
    try:
        split_recipient_id(own)
    except ValueError:
        return False
    return True


def _names(item: Mapping[str, str]) -> str:
    return ", ".join(name for name in item if _NAME.fullmatch(name))[:200] or "no parameters"


def _raw(item: Mapping[str, str]) -> str:
    told = [
        f"{short(name)}={'…' if name.lower() in _TEXTS else short(value)}"
        for name, value in item.items()
        if name != OWN_ID
    ]
    return "; ".join(told)[:_LONGEST_RAW]
