"""What an account may use in a time: limits of texts, and of spend. Pure.

Limits of an account and of a mailbox count in fixed windows: ``1000/1d`` is a thousand from midnight to midnight in
the account's zone, ``60/1m`` sixty within a minute of the clock. They are cheap to keep however large the number.
Limits to one number look back from each text instead (see :mod:`bridge.model.limits`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from bridge.model.moment import to_ms

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from bridge.model.limits import Limit

_DAY = timedelta(days=1)
_EPOCH_DAY = datetime(1970, 1, 1).toordinal()  # noqa: DTZ001 - a day of the calendar, in no zone


@dataclass(frozen=True, kw_only=True, slots=True)
class Quota:
    """The limits that hold for one submission. ``spend_per_day`` is in thousandths of a credit."""

    account: tuple[Limit, ...] = ()
    mailbox: tuple[Limit, ...] = ()
    number: tuple[Limit, ...] = ()
    spend_per_day: int | None = None
    transactional: bool = False


def window(moment: datetime, span: timedelta, zone: ZoneInfo) -> tuple[int, int]:
    """Return start and end of the window of a span that a moment is in, in milliseconds since 1970.

    Spans of whole days run from midnight to midnight in the zone, so the days on which clocks change are 23 or 25
    hours long; shorter spans divide the time since 1970 evenly.
    """
    if span % _DAY:
        length = int(span.total_seconds() * 1000)
        start = to_ms(moment) // length * length
        return start, start + length
    days = span // _DAY
    today = moment.astimezone(zone).date().toordinal()
    first = today - (today - _EPOCH_DAY) % days
    return _midnight(first, zone), _midnight(first + days, zone)


def _midnight(day: int, zone: ZoneInfo) -> int:
    # Where clocks change at midnight there may be none: the first moment of that day is taken then.
    date = datetime.fromordinal(day).replace(tzinfo=zone)
    return to_ms(date)
