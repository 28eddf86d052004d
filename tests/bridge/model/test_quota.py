"""Windows of limits: where they begin and end, above all where the days of a zone are not all alike.

Changes of the clock that the tests rely on: Asia/Jerusalem 2026-03-27 02:00 to 03:00 and 2026-10-25 02:00 to 01:00;
America/Sao_Paulo 2018-11-04 00:00 to 01:00 and 2018-02-18 00:00 to 23:00 of the day before; Asia/Beirut 2022-03-27
00:00 to 01:00 and 2022-10-30 00:00 to 23:00 of the day before; America/Havana 2026-11-01 01:00 to 00:00;
Pacific/Apia had no 2011-12-30.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.model.limits import LONGEST_SPAN
from bridge.model.moment import from_ms, to_ms
from bridge.model.quota import window

DAY = timedelta(days=1)
TICK = timedelta(milliseconds=1)
UTC_ZONE = ZoneInfo("UTC")
ZONES = [
    ZoneInfo(name)
    for name in (
        "UTC",
        "Asia/Jerusalem",
        "America/Sao_Paulo",
        "Asia/Beirut",
        "America/Havana",
        "Pacific/Apia",
        "Australia/Lord_Howe",
        "Asia/Kathmandu",
    )
]


def at(written: str) -> datetime:
    """Read a moment of a table, with its offset."""
    moment = datetime.fromisoformat(written)
    assert moment.tzinfo is not None
    return moment


def bounds(moment: datetime, span: timedelta, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Return the window as moments."""
    start, end = window(moment, span, zone)
    return from_ms(start), from_ms(end)


@pytest.mark.parametrize(
    ("span", "moment", "start", "end"),
    [
        ("1s", "2030-01-01T12:00:00.999+00:00", "2030-01-01T12:00:00+00:00", "2030-01-01T12:00:01+00:00"),
        ("1m", "2030-01-01T12:00:00+00:00", "2030-01-01T12:00:00+00:00", "2030-01-01T12:01:00+00:00"),
        ("1m", "2030-01-01T12:00:59.999+00:00", "2030-01-01T12:00:00+00:00", "2030-01-01T12:01:00+00:00"),
        ("1h", "2030-01-01T12:59:59+00:00", "2030-01-01T12:00:00+00:00", "2030-01-01T13:00:00+00:00"),
        ("7m", "1970-01-01T00:07:00+00:00", "1970-01-01T00:07:00+00:00", "1970-01-01T00:14:00+00:00"),
        ("36h", "1970-01-02T12:00:00+00:00", "1970-01-02T12:00:00+00:00", "1970-01-04T00:00:00+00:00"),
    ],
)
@pytest.mark.parametrize("zone", ZONES, ids=str)
def test_spans_that_are_no_days(span: str, moment: str, start: str, end: str, zone: ZoneInfo) -> None:
    """They divide the time since 1970 evenly, whatever the zone; the start belongs to a window, its end does not."""
    size = timedelta(**{{"s": "seconds", "m": "minutes", "h": "hours"}[span[-1]]: int(span[:-1])})
    assert bounds(at(moment), size, zone) == (at(start), at(end))


# Zone, a moment in it, and from when to when its day is, in local time; the hours are what the day has.
DAYS = [
    ("Asia/Jerusalem", "2026-01-15T23:59:59.999+02:00", "2026-01-15T00:00+02:00", "2026-01-16T00:00+02:00", 24),
    ("Asia/Jerusalem", "2026-01-16T00:00+02:00", "2026-01-16T00:00+02:00", "2026-01-17T00:00+02:00", 24),
    # The clock goes forward at two, and back at two.
    ("Asia/Jerusalem", "2026-03-27T01:59+02:00", "2026-03-27T00:00+02:00", "2026-03-28T00:00+03:00", 23),
    ("Asia/Jerusalem", "2026-03-27T03:00+03:00", "2026-03-27T00:00+02:00", "2026-03-28T00:00+03:00", 23),
    ("Asia/Jerusalem", "2026-03-27T23:59:59+03:00", "2026-03-27T00:00+02:00", "2026-03-28T00:00+03:00", 23),
    ("Asia/Jerusalem", "2026-10-25T01:30+03:00", "2026-10-25T00:00+03:00", "2026-10-26T00:00+02:00", 25),
    ("Asia/Jerusalem", "2026-10-25T01:30+02:00", "2026-10-25T00:00+03:00", "2026-10-26T00:00+02:00", 25),
    ("Asia/Jerusalem", "2026-10-25T23:59:59+02:00", "2026-10-25T00:00+03:00", "2026-10-26T00:00+02:00", 25),
    # No midnight: the day begins at one, which is the moment at which the one before is over.
    ("America/Sao_Paulo", "2018-11-03T23:59:59.999-03:00", "2018-11-03T00:00-03:00", "2018-11-04T01:00-02:00", 24),
    ("America/Sao_Paulo", "2018-11-04T01:00-02:00", "2018-11-04T01:00-02:00", "2018-11-05T00:00-02:00", 23),
    ("Asia/Beirut", "2022-03-26T23:59:59.999+02:00", "2022-03-26T00:00+02:00", "2022-03-27T01:00+03:00", 24),
    ("Asia/Beirut", "2022-03-27T12:00+03:00", "2022-03-27T01:00+03:00", "2022-03-28T00:00+03:00", 23),
    # The last hour of the day comes twice.
    ("America/Sao_Paulo", "2018-02-17T23:30-02:00", "2018-02-17T00:00-02:00", "2018-02-18T00:00-03:00", 25),
    ("America/Sao_Paulo", "2018-02-17T23:30-03:00", "2018-02-17T00:00-02:00", "2018-02-18T00:00-03:00", 25),
    ("America/Sao_Paulo", "2018-02-18T00:00-03:00", "2018-02-18T00:00-03:00", "2018-02-19T00:00-03:00", 24),
    ("Asia/Beirut", "2022-10-29T23:59:59+02:00", "2022-10-29T00:00+03:00", "2022-10-30T00:00+02:00", 25),
    # Midnight comes twice: the first one counts.
    ("America/Havana", "2026-11-01T00:00-04:00", "2026-11-01T00:00-04:00", "2026-11-02T00:00-05:00", 25),
    ("America/Havana", "2026-11-01T00:00-05:00", "2026-11-01T00:00-04:00", "2026-11-02T00:00-05:00", 25),
    # A day that never was.
    ("Pacific/Apia", "2011-12-29T23:59:59-10:00", "2011-12-29T00:00-10:00", "2011-12-31T00:00+14:00", 24),
    ("Pacific/Apia", "2011-12-31T00:00+14:00", "2011-12-31T00:00+14:00", "2012-01-01T00:00+14:00", 24),
]


@pytest.mark.parametrize(("zone", "moment", "start", "end", "hours"), DAYS)
def test_days(zone: str, moment: str, start: str, end: str, hours: int) -> None:
    """From midnight to midnight on the wall clock, however long that is."""
    found = bounds(at(moment), DAY, ZoneInfo(zone))
    assert found == (at(start), at(end))
    assert found[1] - found[0] == timedelta(hours=hours)


@pytest.mark.parametrize("zone", ["UTC", "Asia/Jerusalem"])
@pytest.mark.parametrize("days", [2, 7, 31])
def test_several_days(zone: str, days: int) -> None:
    """Windows of several days begin at a midnight too, follow each other without a gap, and never move."""
    place = ZoneInfo(zone)
    moments = [datetime(2026, 1, 1, 12, tzinfo=place) + timedelta(days=day) for day in range(400)]
    windows = list(dict.fromkeys(bounds(moment, timedelta(days=days), place) for moment in moments))
    assert 400 // days <= len(windows) <= 400 // days + 2
    assert all(one[1] == other[0] for one, other in pairwise(windows))
    for start, end in windows:
        local = [moment.astimezone(place) for moment in (start, end)]
        assert all((moment.hour, moment.minute, moment.second) == (0, 0, 0) for moment in local)
        assert (local[1].date() - local[0].date()).days == days


def test_a_week() -> None:
    """Seven days count from 1970-01-01, a Thursday: in the week the clock goes forward it is an hour shorter."""
    place = ZoneInfo("Asia/Jerusalem")
    start, end = bounds(at("2026-03-27T12:00+03:00"), timedelta(days=7), place)
    assert (start, end) == (at("2026-03-26T00:00+02:00"), at("2026-04-02T00:00+03:00"))
    assert end - start == timedelta(days=7) - timedelta(hours=1)
    assert bounds(end, timedelta(days=7), place)[0] == end
    assert bounds(end - TICK, timedelta(days=7), place) == (start, end)


@given(
    st.integers(631_152_000_000, 2_840_140_800_000).map(from_ms),
    st.sampled_from(ZONES),
    st.integers(1, 31).map(lambda days: timedelta(days=days))
    | st.integers(1, int(LONGEST_SPAN.total_seconds())).map(lambda seconds: timedelta(seconds=seconds)),
)
def test_a_window_holds_its_moment_and_touches_the_next(moment: datetime, zone: ZoneInfo, span: timedelta) -> None:
    """From 1990 to 2060: first and last moment of a window are in it alone, and the next begins where it ends."""
    start, end = window(moment, span, zone)
    assert start <= to_ms(moment) < end
    first, last, beyond = (from_ms(ms) for ms in (start, end - 1, end))
    assert window(first, span, zone) == window(last, span, zone) == (start, end)
    assert window(beyond, span, zone)[0] == end
    if span % DAY:
        assert end - start == span // TICK
    else:
        assert abs((end - start) - span // TICK) <= DAY // TICK
