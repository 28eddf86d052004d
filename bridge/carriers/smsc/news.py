"""What SMSC tells of later, read to reports and texts from phones; by calls and by answers the same."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from bridge.carriers.base import Received
from bridge.carriers.finding import short
from bridge.carriers.smsc import callback
from bridge.carriers.smsc.codes import DETAILS, NOT_FOUND, STATES
from bridge.model.errors import InvalidNumber
from bridge.model.message import Inbound, Report, split_recipient_id
from bridge.model.numbers import parse_number
from bridge.telemetry import get_logger

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bridge.clock import Clock

_log = get_logger(__name__)


class NewsReader:
    """Reads the news of one carrier."""

    def __init__(self, name: str, *, time_zone: str, clock: Clock) -> None:
        """Prepare; ``clock`` is the time of news that has none, ``time_zone`` that of times without one."""
        self.name = name
        self._zone = ZoneInfo(time_zone)
        self.clock = clock

    def called(self, told: Mapping[str, bytes], about: str) -> Received:
        """Read a call whose proof is checked."""
        if about == "waitcall":
            return Received()
        plain = {name: callback.decoded(value, told) for name, value in told.items()}
        at = moment(plain.get("ts"))
        if about == "mes":
            sent = plain.get("sent") or plain.get("time")
            return Received(inbounds=[self.inbound(plain, text=plain["mes"], to=plain["to"], sent=sent, at=at)])
        report = self.report(plain["id"], plain["status"], plain.get("err"), at=at)
        return Received(reports=[] if report is None else [report])

    def report(self, own: str, status: str, detail: str | None, *, at: datetime | None) -> Report | None:
        """Read a status and its detail, of the text of that id; None for one that says nothing of a text."""
        code = number(status)
        state, words = STATES.get(code, (None, "")) if code is not None else (None, "")
        if state is None:
            if code != NOT_FOUND:
                _log.warning("unknown state", carrier=self.name, state=short(status))
            return None
        raw = f"status {code} ({words})"
        if detail is not None and (known := number(detail)) != 0:
            named = DETAILS.get(known, "") if known is not None else ""
            raw += f", err {short(detail)}" + (f" ({named})" if named else "")
        ours = _is_ours(own)
        return Report(
            carrier=self.name,
            state=state,
            at=at or self.clock(),
            carrier_id=None if ours else own,
            recipient_id=own if ours else None,
            raw=raw,
        )

    def inbound(
        self, item: Mapping[str, str], *, text: str, to: str, sent: str | None, at: datetime | None = None
    ) -> Inbound:
        """Read a text from a phone. ``sent`` is when, in their words, unless ``at`` is known."""
        # Whether their id is that of this text, or of the one it answers, nobody says.
        told = "\0".join((item.get("id", ""), item["phone"], to, text, sent or ""))
        return Inbound(
            carrier=self.name,
            carrier_id=hashlib.sha256(told.encode(errors="replace")).hexdigest()[:32],
            sender=_international(item["phone"]),
            to=_international(to),
            text=text,
            at=at or self._local(sent),
        )

    def _local(self, written: str | None) -> datetime:
        """Read a time of theirs without a zone; what cannot be read is now."""
        try:
            local = datetime.strptime(written or "", "%d.%m.%Y %H:%M:%S")  # noqa: DTZ007 - the zone is a setting
        except ValueError:
            return self.clock()
        return local.replace(tzinfo=self._zone)


def number(value: object) -> int | None:
    """Return a number of a table, written as such or as text; None for what is none."""
    return int(value) if isinstance(value, int | str) and re.fullmatch(r"-?[0-9]{1,9}", str(value)) else None


def digits(written: object) -> str:
    """Return a telephone number as they write it."""
    return "".join(re.findall("[0-9]", str(written))) if written else ""


def _is_ours(own: str) -> bool:
    try:
        split_recipient_id(own)
    except ValueError:
        return False
    return True


def _international(number: str) -> str:
    try:
        return parse_number(f"+{digits(number)}", None)
    except InvalidNumber:
        return number


def moment(written: object) -> datetime | None:
    """Read Unix time; None for what is none."""
    seconds = str(written)
    return datetime.fromtimestamp(int(seconds), UTC) if re.fullmatch("[1-9][0-9]{8,10}", seconds) else None
