"""What openapi.com says of texts, in the forms of both versions: states, times, our id, its calls. Pure.

Sources: the OAS of Gateway SMS 1.0.0 and of SMS v2 1.2.7. Of v1 the states of recipients but ``DELIVERED`` are not
documented, nor is what its calls hold: both are read with tolerance, and ``states`` of the settings adds what shows.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs

from bridge.carriers.base import Unreadable
from bridge.carriers.finding import plain, short
from bridge.model.message import Report, split_recipient_id
from bridge.model.state import State
from bridge.telemetry import get_logger

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bridge.carriers.base import Call
    from bridge.carriers.generic.settings import News
    from bridge.clock import Clock

_log = get_logger(__name__)

STATES: Final[Mapping[str, News]] = {
    # v2, 8. The same words are what v1's reports hold as groupName, which is inferred: it documents DELIVERED alone.
    "NEW": "nothing",
    "PENDING": "nothing",
    "DELIVERED": "delivered",
    "UNDELIVERABLE": "undelivered",
    "EXPIRED": "expired",
    "REJECTED": "undelivered",
}

_ID: Final = re.compile(r"[0-9A-Za-z_-]{1,64}")
"""It becomes a part of a path. Documented are 24 hexadecimal digits."""
_FIELD: Final = "data"
"""The form field of calls where none is set (v2)."""
_MILLISECONDS: Final = 100_000_000_000
_MOST_FIELDS: Final = 20


class NewsReader:
    """Reads what one carrier's provider says. ``states`` of the settings count before the table."""

    def __init__(self, name: str, *, states: Mapping[str, News], field: str | None, clock: Clock) -> None:
        """Prepare; ``field`` is the form field of calls, ``clock`` the time of news that has none."""
        self._name = name
        self._states: Mapping[str, News] = {**STATES, **states}
        self._field = field or _FIELD
        self._clock = clock

    def called_about(self, call: Call) -> str:
        """Return the id of the text that a call is about: all of it that counts. Raises :exc:`Unreadable`."""
        try:
            said = json.loads(self._json_of(call))
        except (ValueError, RecursionError) as error:
            raise Unreadable("no JSON") from error
        carrier_id = _id(said)
        if carrier_id is None:
            raise Unreadable("no id of a text")
        return carrier_id

    def report(
        self,
        words: Sequence[object],
        *,
        more: Sequence[object] = (),
        at: datetime | None,
        carrier_id: str,
    ) -> Report | None:
        """Return what a state means: of ``words`` the first in the table counts. None: no news.

        ``more`` is kept beside it. A state in no table is logged, and is no news.
        """
        said = [word for word in words if isinstance(word, str) and word]
        meant = next((self._states[word] for word in said if word in self._states), self._states.get("*"))
        if meant is None:
            _log.warning("unknown state", carrier=self._name, state=short(" ".join(said) or "none"))
        if meant in {None, "nothing"}:
            return None
        kept = dict.fromkeys([*said, *(word for word in more if isinstance(word, str) and word)])
        return Report(
            carrier=self._name,
            state=State(meant),
            at=at or self._clock(),
            carrier_id=carrier_id,
            raw=short(" ".join(kept)),
        )

    def _json_of(self, call: Call) -> str:
        """Return the JSON of a call, raw or from its form field. Raises UnicodeDecodeError, which is a ValueError."""
        body = call.body.decode("utf-8").lstrip()
        if body.startswith(("{", "[")):
            return body
        fields = parse_qs(body, max_num_fields=_MOST_FIELDS, errors="strict")
        return fields.get(self._field, [""])[-1]


def found(said: Any) -> Any:
    """Return ``data`` of an answer, or its only element: v1 has objects and lists there. Raises KeyError and the like.

    A list of another length raises ValueError.
    """
    data = said["data"]
    if isinstance(data, list):
        (data,) = data
    if not isinstance(data, dict):
        raise TypeError("no object")
    return data


def good_id(value: object) -> str | None:
    """Return an id that may stand in a path; None for what is none."""
    return value if isinstance(value, str) and _ID.fullmatch(value) else None


def own_id(custom: object) -> str | None:
    """Return our id from ``custom``, as text, as an object, or as the JSON of one; None for what is not ours."""
    if isinstance(custom, str) and custom.startswith(("{", '"')):
        try:
            custom = json.loads(custom)
        except (ValueError, RecursionError):
            return None
    if isinstance(custom, dict):
        custom = custom.get("id")
    try:
        split_recipient_id(str(custom))
    except ValueError:
        return None
    return str(custom)


def moment(written: object) -> datetime | None:
    """Return a time: ISO 8601, or milliseconds as text, number, or ``{"$date": {"$numberLong": …}}`` (v1, 4)."""
    for name in ("$date", "$numberLong"):
        if isinstance(written, dict) and name in written:
            written = written[name]
    said = plain(written) or ""
    try:
        if re.fullmatch(r"\d{1,15}", said, re.ASCII):
            number = int(said)
            return datetime.fromtimestamp(number / 1000 if number >= _MILLISECONDS else number, UTC)
        at = datetime.fromisoformat(said)
    except (ValueError, OverflowError, OSError):
        return None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def _id(said: Any) -> str | None:
    """Find the id in a summary: at its top, or a floor deeper in ``data``, or in a list of one."""
    for _ in range(3):
        if isinstance(said, list) and len(said) == 1:
            said = said[0]
        if not isinstance(said, dict):
            return None
        if "id" in said:
            return good_id(said["id"])
        said = said.get("data")
    return None
