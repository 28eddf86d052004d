"""The parameters of send.php as orders. Pure: the clock and the account's zone come as values.

Every function raises :exc:`~bridge.model.errors.InvalidRequest` for what cannot be read, and for what the original
would do and we cannot (calls, pictures, messengers): a text that arrives as something else helps nobody.
"""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import TYPE_CHECKING, Final

from bridge.calls.values import Order
from bridge.model.errors import InvalidRequest, InvalidTime, PastTime
from bridge.model.when import parse_sendtime
from soap.faces.smsc_terms import transliterate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DOOR: Final = "smsc"

KINDS: Final = (
    *("flash", "bin", "push", "hlr", "ping", "mms", "mail", "soc", "viber", "whatsapp", "tg", "bot", "call"),
    *("tinyurl", "period", "freq", "smsreq"),
)
"""Parameters that ask for something else than a plain text now or at one time; ``0`` and nothing at all do not."""

_OWN_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,40}")
_LARGEST_ID: Final = 2**31 - 1
_PHONES: Final = re.compile(r"[,;\r\n]")
_HOURS: Final = re.compile(r"(\d{1,2})-(\d{1,2})", re.ASCII)
_ZONE: Final = re.compile(r"[+-]?\d{1,2}(?:\.\d{1,2})?", re.ASCII)
_VALID: Final = re.compile(r"(\d{1,2})(?::(\d\d))?", re.ASCII)
_MOSCOW: Final = timedelta(hours=3)
_DAY: Final = timedelta(hours=24)
_MINUTE: Final = timedelta(minutes=1)
_REMEMBERED: Final = 10_000
_MAKING: Final = ("phones", "mes", "list", "id", "sender", "time", "tz", "valid", "translit", "maxsms")


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What a call of send.php asks for. ``id`` is the client's own or one that is given; ``cost`` is 0 to 3."""

    orders: tuple[Order, ...]
    id: str
    cost: int


class Repeats:
    """Tells the same call again within a minute, as the original does, so that a lost answer costs no second text.

    What is told is a mark, which changes with the minute: it goes into the key of the order, and so holds for other
    processes, and after a crash, until the minute of the clock ends. In this process it holds for the whole minute.
    """

    def __init__(self) -> None:
        """Remember nothing yet."""
        self._seen: OrderedDict[str, tuple[datetime, str]] = OrderedDict()

    def mark(self, account_id: int, fields: Mapping[str, str], *, now: datetime) -> str:
        """Return the mark of a call: that of an equal one in the last minute, or a new one."""
        told = hashlib.sha256(str(account_id).encode())
        for name in _MAKING:
            value = fields.get(name, "").encode("utf-8", "surrogatepass")
            told.update(len(value).to_bytes(8, "big") + value)
        digest = told.hexdigest()
        while self._seen and (len(self._seen) > _REMEMBERED or now - next(iter(self._seen.values()))[0] >= _MINUTE):
            self._seen.popitem(last=False)
        at, mark = self._seen.get(digest, (now, ""))
        if not mark or not timedelta(0) <= now - at < _MINUTE:
            mark = hashlib.sha256(f"{digest}:{int(now.timestamp()) // 60}".encode()).hexdigest()
            self._seen[digest] = (now, mark)
            self._seen.move_to_end(digest)
        return mark


def read_orders(fields: Mapping[str, str], *, mark: str, now: datetime, zone: tzinfo) -> Asked:
    """Return what the parameters of send.php ask for, in their order. ``zone`` is the account's."""
    for kind in KINDS:
        if fields.get(kind, "") not in {"", "0"}:
            raise InvalidRequest(f"{kind}: not served here; only plain texts are")
    cost = read_choice(fields, "cost", most=3)
    own = read_id(fields.get("id", "")) or str(int(mark[:8], 16) % _LARGEST_ID + 1)
    translit = read_choice(fields, "translit", most=2) > 0
    given = fields.get("tz", "").strip()
    place = _zone(given) if given else zone
    orders = tuple(
        Order(
            door=DOOR,
            to=phones,
            text=transliterate(text) if translit else text,
            sender=_sender(fields.get("sender", "")),
            send_at=read_time(fields.get("time", ""), now=now, zone=place),
            reference=own,
            key=f"smsc:{mark}:{place_in_list}",
            lifetime=read_valid(fields.get("valid", "")),
            max_parts=_count(fields.get("maxsms", ""), "maxsms"),
            test=cost == 1,
        )
        for place_in_list, (text, phones) in enumerate(_texts(fields).items())
    )
    return Asked(orders=orders, id=own, cost=cost)


def read_choice(fields: Mapping[str, str], name: str, *, most: int) -> int:
    """Return a parameter that is a number from 0 to ``most``; 0 where there is none."""
    written = fields.get(name, "").strip()
    if not written:
        return 0
    if not (written.isascii() and written.isdecimal() and len(written) < 10) or int(written) > most:
        raise InvalidRequest(f"{name}: 0 to {most}")
    return int(written)


def read_id(written: str) -> str | None:
    """Return the client's own id; None for 0 and for nothing, which libraries send where they have none."""
    own = written.strip()
    if own in {"", "0"}:
        return None
    if not _OWN_ID.fullmatch(own) or (own.isdecimal() and int(own) > _LARGEST_ID):
        raise InvalidRequest(f"id: a number from 1 to {_LARGEST_ID}, or up to 40 of A-Z, a-z, 0-9, '.', '-' and '_'")
    return own


def read_phones(written: str) -> tuple[str, ...]:
    """Return the numbers of a list with commas or semicolons."""
    return tuple(phone for part in _PHONES.split(written) if (phone := part.strip()))


def read_time(written: str, *, now: datetime, zone: tzinfo) -> datetime | None:
    """Return when to send, in UTC; None for at once, which a time that is over means too.

    Raises :exc:`~bridge.model.errors.InvalidTime`.
    """
    text = written.strip()
    if text in {"", "0"}:
        return None
    if hours := _HOURS.fullmatch(text):
        return _window(int(hours[1]), int(hours[2]), now.astimezone(zone))
    try:
        moment = parse_sendtime(text, zone=zone, now=now)
    except PastTime:
        return None
    return moment if moment > now else None


def read_valid(written: str) -> timedelta | None:
    """Return how long a text may be on its way: hours from 1 to 24, or ``hh:mm`` from 00:01 to 24:00."""
    text = written.strip()
    if text in {"", "0"}:
        return None
    found = _VALID.fullmatch(text)
    span = timedelta(hours=int(found[1]), minutes=int(found[2] or 0)) if found else timedelta(0)
    if found is None or int(found[2] or 0) > 59 or not _MINUTE <= span <= _DAY:
        raise InvalidRequest("valid: hours from 1 to 24, or hh:mm from 00:01 to 24:00")
    return span


def _texts(fields: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Return the numbers for each text, in the order of the first mention."""
    if not fields.get("list"):
        phones = read_phones(fields.get("phones", ""))
        if not phones:
            raise InvalidRequest("phones: missing")
        return {fields.get("mes", ""): phones}
    found: dict[str, tuple[str, ...]] = {}
    for phones, text in _lines(fields["list"]):
        found[text] = (*found.get(text, ()), *phones)
    return found


def _lines(listed: str) -> Iterator[tuple[tuple[str, ...], str]]:
    lines = [line for line in listed.replace("\r\n", "\n").split("\n") if line.strip()]
    if not lines:
        raise InvalidRequest("list: empty")
    for place, line in enumerate(lines, start=1):
        before, colon, text = line.partition(":")
        phones = read_phones(before)
        if not colon or not phones:
            raise InvalidRequest(f"list: line {place} is not phones:text")
        yield phones, text


def _sender(written: str) -> str | None:
    # The original shows the operator's own name then; ours is the account's.
    name = written.strip()
    return None if name in {"", "."} else name


def _count(written: str, name: str) -> int | None:
    text = written.strip()
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= 4):
        raise InvalidRequest(f"{name}: a number")
    return int(text) or None


def _zone(written: str) -> tzinfo:
    """Return the zone that is so many hours from Moscow's."""
    if not _ZONE.fullmatch(written):
        raise InvalidRequest("tz: hours from Moscow's time, as -1 or 3")
    offset = _MOSCOW + timedelta(hours=float(written))
    if not timedelta(hours=-12) <= offset <= timedelta(hours=14):
        raise InvalidRequest("tz: no place is so far from Moscow's time")
    return timezone(offset)


def _window(first: int, last: int, wall: datetime) -> datetime | None:
    """Return when a window of hours opens next; None when it is open now. Over midnight it goes on."""
    if first > 23 or last > 24 or first == last % 24:
        raise InvalidTime("time: a window is h1-h2, two different hours of the day")
    inside = first <= wall.hour < last if first < last else wall.hour >= first or wall.hour < last
    if inside:
        return None
    opens = wall.replace(hour=first, minute=0, second=0, microsecond=0)
    return (opens if opens > wall else opens + timedelta(days=1)).astimezone(UTC)
