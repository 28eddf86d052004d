"""Delivery receipts: what a centre says later of a text it took, in all the usual spellings. Pure.

SMPP 3.4 leaves the form to the vendor (appendix B): nearly all write ``id:… sub:… dlvrd:… submit date:… done date:…
stat:… err:… text:…``, with other cases, separators and orders. Optional parameters, where there are any, are surer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from bridge.carriers.smpp.pdu import Tag
from bridge.model.state import State

if TYPE_CHECKING:
    from collections.abc import Mapping

STATES: Final[Mapping[str, State]] = {
    # Appendix B, and the spellings seen beside it.
    "ENROUTE": State.SENT,
    "ACCEPTD": State.SENT,
    "ACCEPTED": State.SENT,
    "BUFFERED": State.SENT,
    "DELIVRD": State.DELIVERED,
    "DELIVERED": State.DELIVERED,
    "DELIVRED": State.DELIVERED,
    "EXPIRED": State.EXPIRED,
    "DELETED": State.UNDELIVERED,
    "UNDELIV": State.UNDELIVERED,
    "UNDELIVERED": State.UNDELIVERED,
    "UNDELIVERABLE": State.UNDELIVERED,
    "REJECTD": State.UNDELIVERED,
    "REJECTED": State.UNDELIVERED,
    "FAILED": State.UNDELIVERED,
}
"""By ``stat``. UNKNOWN and what is not listed say nothing."""

MESSAGE_STATES: Final[Mapping[int, State]] = {
    1: State.SENT,
    2: State.DELIVERED,
    3: State.EXPIRED,
    4: State.UNDELIVERED,
    5: State.UNDELIVERED,
    6: State.SENT,
    8: State.UNDELIVERED,
}
"""By the optional parameter message_state (5.2.28). 7 is unknown."""

_NAME: Final = r"(?:id|sub|dlvrd|submit[ _]?date|done[ _]?date|stat(?:us)?|err(?:or)?|text)"
# A value may be missing: then the next name is none.
_FIELD: Final = re.compile(rf"(?:^|[\s;,])({_NAME})\s*[:=]\s*(?!{_NAME}\s*[:=])([^\s;,]*)", re.IGNORECASE)
_TEXT: Final = re.compile(r"[\s;,]text\s*[:=].*", re.IGNORECASE | re.DOTALL)
_LONGEST: Final = 2000


class Ids(StrEnum):
    """How receipts write the id that the answer to the submit_sm gave."""

    SAME = "same"
    DECIMAL = "decimal"
    """The answer has it in hexadecimal digits, the receipt in decimal ones."""
    HEX = "hex"
    """The answer has it in decimal digits, the receipt in hexadecimal ones."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Receipt:
    """What a receipt says. ``state`` is None where it says nothing, ``at`` where it names no time that can be read."""

    id: str | None
    state: State | None
    error: str
    at: datetime | None


def read(text: str, tlvs: Mapping[int, bytes]) -> Receipt:
    """Read a receipt. Never fails: what cannot be read is None."""
    told = {name.lower().replace("_", " "): value for name, value in _FIELD.findall(_TEXT.sub("", text[:_LONGEST]))}
    named = tlvs.get(Tag.RECEIPTED_MESSAGE_ID, b"").partition(b"\0")[0].decode("latin-1").strip()
    coded = tlvs.get(Tag.MESSAGE_STATE, b"")
    state = MESSAGE_STATES.get(coded[0]) if len(coded) == 1 else None
    if state is None:
        state = STATES.get((told.get("stat") or told.get("status") or "").upper())
    return Receipt(
        id=named or told.get("id") or None,
        state=state,
        error=told.get("err") or told.get("error") or "",
        at=_moment(told.get("done date") or told.get("donedate") or ""),
    )


_BASES: Final[Mapping[Ids, tuple[int, int]]] = {Ids.DECIMAL: (16, 10), Ids.HEX: (10, 16)}
"""In what answers and receipts write a number."""


def kept_id(message_id: str, ids: Ids) -> str:
    """Return an id of an answer in the form under which it is kept: numbers are compared as numbers."""
    return message_id if ids is Ids.SAME else _number(message_id, _BASES[ids][0])


def reported_id(message_id: str, ids: Ids) -> str:
    """Return an id of a receipt in the form of :func:`kept_id`."""
    return message_id if ids is Ids.SAME else _number(message_id, _BASES[ids][1])


def _number(written: str, base: int) -> str:
    """Return a number in decimal digits; what is none stays as it is."""
    digits = r"[0-9]{1,40}" if base == 10 else r"(?:0x)?[0-9A-Fa-f]{1,40}"
    return str(int(written, base)) if re.fullmatch(digits, written, re.ASCII) else written


def _moment(written: str) -> datetime | None:
    """Return ``YYMMDDhhmm``, with or without seconds; in UTC, for no zone is told."""
    for form, length in (("%y%m%d%H%M", 10), ("%y%m%d%H%M%S", 12), ("%Y%m%d%H%M%S", 14)):
        if len(written) == length and written.isascii() and written.isdigit():
            try:
                return datetime.strptime(written, form).replace(tzinfo=UTC)
            except ValueError:
                return None
    return None
