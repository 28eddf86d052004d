"""What the numbers of SMSC mean: errors of sending, states of texts, and the details beside those."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from bridge.model.message import Verdict
from bridge.model.state import State

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """What a number in ``error_code`` means; ``wait`` is how long no text goes there."""

    words: str
    verdict: Verdict = Verdict.REFUSED
    wait: timedelta | None = None


ERRORS: Final[Mapping[int, Failure]] = {
    # smscentre.com/api/http/send, "Errors". What is the operator's to mend was not taken; until then others may send.
    1: Failure(words="a parameter is wrong"),
    2: Failure(words="the login is refused, or our address", verdict=Verdict.DEFERRED, wait=timedelta(minutes=5)),
    3: Failure(words="there is no money", verdict=Verdict.DEFERRED, wait=timedelta(minutes=5)),
    4: Failure(
        words="our address is blocked for a time: too many errors", verdict=Verdict.DEFERRED, wait=timedelta(minutes=15)
    ),
    5: Failure(words="the date is wrong"),
    6: Failure(words="the text or its sender is forbidden"),
    7: Failure(words="the number is wrong"),
    8: Failure(words="it cannot be delivered to this number"),
    # The first of the same requests may have been taken.
    9: Failure(words="too many requests, or the same one twice in a minute", verdict=Verdict.UNKNOWN),
}

STATES: Final[Mapping[int, tuple[State | None, str]]] = {
    # smscentre.com/api/http/status_messages/statuses. Not found is no state: it may also be too old.
    -3: (None, "not found"),
    -2: (State.SENT, "stopped"),
    -1: (State.SENT, "waiting"),
    0: (State.SENT, "given to the operator"),
    1: (State.DELIVERED, "delivered"),
    2: (State.DELIVERED, "read"),
    3: (State.EXPIRED, "expired"),
    4: (State.DELIVERED, "link opened"),
    20: (State.UNDELIVERED, "cannot be delivered"),
    22: (State.UNDELIVERED, "wrong number"),
    23: (State.UNDELIVERED, "forbidden"),
    24: (State.UNDELIVERED, "no money"),
    25: (State.UNDELIVERED, "not available"),
}
"""What a status says of a text, and its name. A text of which it says anything was taken."""

DETAILS: Final[Mapping[int, str]] = {
    # The same page, "Errors of statuses".
    1: "no such subscriber",
    6: "out of network",
    11: "no SMS service",
    12: "fault of phone or SIM",
    13: "blocked",
    21: "service not supported",
    200: "virtual sending",
    219: "SIM replaced lately",
    220: "operator's queue is full",
    237: "no answer to the call",
    238: "no template",
    239: "address forbidden",
    240: "line busy",
    241: "conversion failed, or a part is missing",
    242: "answering machine",
    243: "no contract",
    244: "mailings forbidden",
    245: "no status came",
    246: "not at this time",
    247: "too many messages",
    248: "no route",
    249: "form of the number",
    250: "forbidden by own settings",
    251: "too many to one number in a day",
    252: "number forbidden",
    253: "spam filter",
    254: "sender not registered",
    255: "rejected by the operator",
}

NOT_FOUND: Final = -3
WAITING: Final = frozenset({-2, -1})
"""States in which a text has not left."""

NO_MESSAGE: Final = 3
NOT_DELETED: Final = 5
"""What two of the errors mean in the answers of status.php."""
