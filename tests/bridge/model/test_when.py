"""Times to send at, quiet hours, send windows: every form, every edge, and the nights when the clock is moved.

Changes of the clock that the tests rely on, all in 2026: Asia/Jerusalem 27 March 02:00 to 03:00 and 25 October
02:00 to 01:00; Europe/Berlin 29 March 02:00 to 03:00 and 25 October 03:00 to 02:00; America/New_York 8 March 02:00 to
03:00 and 1 November 02:00 to 01:00; Australia/Lord_Howe 5 April 02:00 to 01:30 and 4 October 02:00 to 02:30.
"""

import time
import zoneinfo
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.model import when
from bridge.model.errors import InvalidTime, PastTime, QuietHours, UnknownZone
from bridge.model.numbers import known_region
from bridge.model.when import (
    FURTHEST,
    GRACE,
    HORIZON,
    SENDTIME_FORMS,
    HourWindow,
    Open,
    Quiet,
    country_zone,
    parse_hours,
    parse_sendtime,
    parse_zone,
    release,
)

JERUSALEM = ZoneInfo("Asia/Jerusalem")
BERLIN = ZoneInfo("Europe/Berlin")
NEW_YORK = ZoneInfo("America/New_York")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")
CHANGING = (JERUSALEM, BERLIN, NEW_YORK, LORD_HOWE)
NOW = datetime(2026, 11, 20, 7, tzinfo=UTC)
TICK = timedelta(microseconds=1)
MINUTE = timedelta(minutes=1)

Rule: TypeAlias = tuple[tuple[HourWindow, ...], ZoneInfo]


def at(written: str) -> datetime:
    """Read a moment of a test's table: local time, offset and all."""
    moment = datetime.fromisoformat(written)
    assert moment.tzinfo is not None
    return moment


def quiet(written: str, zone: ZoneInfo = JERUSALEM) -> Quiet:
    """Make quiet hours."""
    return Quiet(windows=parse_hours(written), zone=zone)


def opened(written: str, zone: ZoneInfo = JERUSALEM) -> Open:
    """Make send windows."""
    return Open(windows=parse_hours(written), zone=zone)


# ---- Zones ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Asia/Jerusalem", "asia/jerusalem", "ASIA/JERUSALEM", "  Asia/Jerusalem\n"])
def test_a_zone_in_any_case(name: str) -> None:
    """However a zone's name is written, it is the same object under the name IANA gave it."""
    assert parse_zone(name) is JERUSALEM
    assert parse_zone(name).key == "Asia/Jerusalem"


def test_names_differ_in_more_than_case() -> None:
    """Every listed zone is found under its own name: no two of them are one when case is ignored."""
    names = zoneinfo.available_timezones() - {"localtime", "Factory"}
    assert {parse_zone(name).key for name in names} == names


NO_ZONES = {
    "none of that name": "Asia/Atlantis",
    "nothing": "",
    "blank": " ",
    "a folder": "Asia",
    "up and away": "../../etc/passwd",
    "up and back": "Asia/../Asia/Jerusalem",
    "absolute": "/usr/share/zoneinfo/Asia/Jerusalem",
    "from the root": "/Asia/Jerusalem",
    "with a slash behind": "Asia/Jerusalem/",
    "with two slashes": "Asia//Jerusalem",
    "a backslash": "Asia\\Jerusalem",
    "a NUL": "Asia/Jerusalem\0",
    "with leap seconds": "right/Asia/Jerusalem",
    "in a folder of copies": "posix/Asia/Jerusalem",
    "the machine's own": "localtime",
    "the placeholder": "Factory",
    "another file of the data": "zone.tab",
    "a POSIX rule": "IST-2IDT,M3.4.4/26,M10.5.0",
    "an offset": "+02:00",
    "long": "Asia/Jerusalem" + " " * 64,
    "a lone surrogate": "Asia/\ud800",
}


@pytest.mark.parametrize("name", NO_ZONES.values(), ids=NO_ZONES)
def test_no_zone(name: str) -> None:
    """What IANA does not list is no zone, whatever file of that name there may be."""
    with pytest.raises(UnknownZone, match="Asia/Jerusalem"):
        parse_zone(name)


@pytest.fixture
def no_zone_data(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Take all zones from the machine."""
    monkeypatch.setattr(zoneinfo, "available_timezones", set)
    when._names.cache_clear()
    yield
    when._names.cache_clear()


def test_a_machine_without_zones(no_zone_data: None) -> None:
    """Where no zone is known at all, that is ours: the sender is not told that the name is wrong."""
    with pytest.raises(RuntimeError, match="tzdata"):
        parse_zone("Asia/Jerusalem")


COUNTRIES = {
    "IL": "Asia/Jerusalem",
    "DE": "Europe/Berlin",  # Busingen has its own name and the same clock
    "GB": "Europe/London",
    "CN": "Asia/Shanghai",
    "UA": "Europe/Kyiv",
    "IN": "Asia/Kolkata",
    "AR": "America/Argentina/Buenos_Aires",
    "DZ": "Africa/Algiers",
    "EE": "Europe/Tallinn",
    "XK": "Europe/Belgrade",
    "HT": "America/Port-au-Prince",
    "US": None,
    "CA": None,
    "RU": None,
    "AU": None,
    "BR": None,
    "ES": None,
    "PT": None,
    "il": None,
    "XX": None,
    "": None,
}


@pytest.mark.parametrize(("region", "name"), COUNTRIES.items())
def test_the_zone_of_a_country(region: str, name: str | None) -> None:
    """A country with one zone, or several that agree, has it; one with more has none, nor has what is no country."""
    zone = country_zone(region)
    assert (zone and zone.key) == name


def test_every_country_listed() -> None:
    """The table has regions with a numbering plan alone, each with a zone this machine knows."""
    assert len(when._ZONE_OF) == 226
    for region, name in when._ZONE_OF.items():
        assert known_region(region), region
        assert country_zone(region) is parse_zone(name), region


# ---- The time to send at ----------------------------------------------------------------------------------------

WRITTEN = {
    "RFC 3339": ("2026-12-24T09:30:00+02:00", "2026-12-24T07:30:00+00:00"),
    "RFC 3339, Z": ("2026-12-24T09:30:00Z", "2026-12-24T09:30:00+00:00"),
    "RFC 3339, small letters": ("2026-12-24t09:30:00z", "2026-12-24T09:30:00+00:00"),
    "RFC 3339, offset not known": ("2026-12-24T09:30:00-00:00", "2026-12-24T09:30:00+00:00"),
    "without seconds": ("2026-12-24T09:30+02:00", "2026-12-24T07:30:00+00:00"),
    "a fraction": ("2026-12-24T09:30:00.25Z", "2026-12-24T09:30:00.250000+00:00"),
    "a fraction of .NET": ("2026-12-24T09:30:00.1234567Z", "2026-12-24T09:30:00.123456+00:00"),
    "a comma": ("2026-12-24T09:30:00,5Z", "2026-12-24T09:30:00.500000+00:00"),
    "in the zone given": ("2026-12-24T09:30:00", "2026-12-24T07:30:00+00:00"),
    "a space": ("2026-12-24 09:30", "2026-12-24T07:30:00+00:00"),
    "a space, seconds and an offset behind another": ("2026-12-24 09:30:59 -05:30", "2026-12-24T15:00:59+00:00"),
    "an offset without minutes": ("2026-12-24T09:30-05", "2026-12-24T14:30:00+00:00"),
    "an offset without colon": ("2026-12-24T09:30+0545", "2026-12-24T03:45:00+00:00"),
    "the largest offset": ("2026-12-24T09:30+23:59", "2026-12-23T09:31:00+00:00"),
    "summer": ("2027-07-01T09:30", "2027-07-01T06:30:00+00:00"),
    "midnight": ("2026-12-24T00:00", "2026-12-23T22:00:00+00:00"),
    "a leap day": ("2028-02-29 12:00", "2028-02-29T10:00:00+00:00"),
    "basic": ("20261224T093000Z", "2026-12-24T09:30:00+00:00"),
    "basic, short": ("20261224T0930", "2026-12-24T07:30:00+00:00"),
    "basic, offset": ("20261224T093000.5+0200", "2026-12-24T07:30:00.500000+00:00"),
    "Maskyoo": ("24/12/2026 09:30", "2026-12-24T07:30:00+00:00"),
    "Maskyoo, day before month": ("01/12/2026 09:30", "2026-12-01T07:30:00+00:00"),
    "Maskyoo, no zeros": ("1/12/26 9:30:05", "2026-12-01T07:30:05+00:00"),
    "dots": ("24.12.26 09:30", "2026-12-24T07:30:00+00:00"),
    "dots, long": ("24.12.2026  09:30:00", "2026-12-24T07:30:00+00:00"),
    "SMSC": ("2412260930", "2026-12-24T07:30:00+00:00"),
    "SMSC, a day with a zero": ("0112260930", "2026-12-01T07:30:00+00:00"),
    "Unix seconds": ("01798097400", "2026-12-24T07:30:00+00:00"),
    "minutes from now": ("+90", "2026-11-20T08:30:00+00:00"),
    "no minutes from now": ("+0", "2026-11-20T07:00:00+00:00"),
    "spaces around": ("  24/12/2026 09:30\r\n", "2026-12-24T07:30:00+00:00"),
}


@pytest.mark.parametrize(("written", "expected"), WRITTEN.values(), ids=WRITTEN)
def test_a_time_in_any_form(written: str, expected: str) -> None:
    """Every form is read as what it means, in the zone given unless it says its own, and comes back in UTC."""
    moment = parse_sendtime(written, zone=JERUSALEM, now=NOW, furthest=timedelta(days=1000))
    assert moment.isoformat() == expected


@pytest.mark.parametrize("form", SENDTIME_FORMS, ids=lambda form: form.example)
def test_the_table_of_forms(form: when.SendtimeForm) -> None:
    """Each example is of its own form alone, is read, and is in the reason given to who wrote another."""
    assert [other.example for other in SENDTIME_FORMS if other.pattern.fullmatch(form.example)] == [form.example]
    assert parse_sendtime(form.example, zone=UTC, now=NOW) > NOW
    with pytest.raises(InvalidTime) as caught:
        parse_sendtime("tomorrow", zone=UTC, now=NOW)
    assert form.example in caught.value.reason


UNREADABLE = {
    "nothing": "",
    "blank": "  ",
    "a word": "tomorrow",
    "now, for SMSC": "0",
    "a window of hours, for SMSC": "10-18",
    "a day alone": "2026-12-24",
    "an hour alone": "09:30",
    "no hour": "2026-12-24T",
    "half an hour": "2026-12-24T09",
    "one digit": "2026-12-24T9:30",
    "Unix seconds without the 0": "17980974000",
    "Unix milliseconds": "1798097400000",
    "nine digits": "241226093",
    "a number": "1798097400.5",
    "back in time": "-90",
    "half a minute": "+1.5",
    "no plus, lost in a URL": " 90",
    "plus lost in a URL": "2026-12-24T09:30:00 02:00",
    "a name for a zone": "2026-12-24T09:30 IST",
    "an offset cut short": "2026-12-24T09:30+2",
    "a week date": "2026-W52-4T09:30",
    "American": "12/24/2026 9:30 AM",
    "of mail": "Thu, 24 Dec 2026 09:30:00 +0200",
    "slashes, year first": "2026/12/24 09:30",
    "other digits": "٢٠٢٦-12-24T09:30",
    "two lines": "2026-12-24\n09:30",
    "two times": "24/12/2026 09:30 24/12/2026 09:30",
    "long": "2026-12-24T09:30:00." + "0" * 100 + "Z",
}


@pytest.mark.parametrize("written", UNREADABLE.values(), ids=UNREADABLE)
def test_a_time_in_no_form(written: str) -> None:
    """What is in no form, or could mean two things, is refused with all the forms there are."""
    with pytest.raises(InvalidTime, match=r"^cannot be read as a time: write .* or \+90$") as caught:
        parse_sendtime(written, zone=JERUSALEM, now=NOW)
    assert type(caught.value) is InvalidTime


IMPOSSIBLE = {
    "a month": "2026-13-24T09:30",
    "a day": "31/11/2026 09:30",
    "no leap year": "29.02.27 09:30",
    "an hour": "2026-12-24T24:00",
    "a minute": "2412260960",
    "a leap second": "2026-12-31T23:59:60Z",
    "an offset's hour": "2026-12-24T09:30+24:00",
    "an offset's minute": "2026-12-24T09:30+02:60",
    "the year 0": "0000-01-01T00:00Z",
    "before the year 1": "0001-01-01T00:00+01:00",
    "after the year 9999": "9999-12-31T23:59-01:00",
}


@pytest.mark.parametrize("written", IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_a_time_that_cannot_be(written: str) -> None:
    """A day or hour there is not is refused, not carried over to the next one."""
    with pytest.raises(InvalidTime, match="no such day, hour or offset") as caught:
        parse_sendtime(written, zone=JERUSALEM, now=NOW)
    assert type(caught.value) is InvalidTime


def test_just_over_is_now() -> None:
    """What has been over for a minute at most is now; a moment longer, and it is past."""
    for late in (timedelta(0), TICK, GRACE):
        assert parse_sendtime((NOW - late).isoformat(), zone=UTC, now=NOW) == NOW
    with pytest.raises(PastTime) as caught:
        parse_sendtime((NOW - GRACE - TICK).isoformat(), zone=UTC, now=NOW)
    assert "2026-11-20 06:58:59 UTC" in caught.value.reason


def test_too_far_ahead() -> None:
    """A year ahead is taken to the moment, and so is what the caller sets; anything beyond is refused."""
    for limit in (FURTHEST, timedelta(days=7)):
        end = NOW + limit
        assert parse_sendtime(end.isoformat(), zone=UTC, now=NOW, furthest=limit) == end
        with pytest.raises(InvalidTime, match=f"more than {limit.days} days ahead"):
            parse_sendtime((end + TICK).isoformat(), zone=UTC, now=NOW, furthest=limit)
    with pytest.raises(InvalidTime, match="ahead"):
        parse_sendtime("+999999999", zone=UTC, now=NOW)


def test_a_past_form_is_past() -> None:
    """A time long over is past in every form that can say it."""
    for written in ("2020-01-01T00:00Z", "01/01/2020 00:00", "0101200000", "01000000000"):
        with pytest.raises(PastTime):
            parse_sendtime(written, zone=JERUSALEM, now=NOW)


def test_a_naive_now() -> None:
    """Nothing can be past or to come for a clock without a zone."""
    with pytest.raises(ValueError, match="no time zone"):
        parse_sendtime("+1", zone=UTC, now=NOW.replace(tzinfo=None))


def test_any_zone_will_do() -> None:
    """A carrier's zone may be an offset alone, and now may be in any zone: the answer is in UTC."""
    moscow = timezone(timedelta(hours=3))
    moment = parse_sendtime("2411260930", zone=moscow, now=NOW.astimezone(LORD_HOWE))
    assert moment.isoformat() == "2026-11-24T06:30:00+00:00"
    assert parse_sendtime("+0", zone=moscow, now=NOW.astimezone(LORD_HOWE)).isoformat() == NOW.isoformat()


CHANGES = {
    "Jerusalem, before the gap": (JERUSALEM, "2026-03-27T01:59", "2026-03-27T01:59+02:00"),
    "Jerusalem, gap": (JERUSALEM, "2026-03-27T02:30", "2026-03-27T03:30+03:00"),
    "Jerusalem, its start": (JERUSALEM, "2026-03-27T02:00", "2026-03-27T03:00+03:00"),
    "Jerusalem, its end": (JERUSALEM, "2026-03-27T03:00", "2026-03-27T03:00+03:00"),
    "Jerusalem, twice": (JERUSALEM, "2026-10-25T01:30", "2026-10-25T01:30+03:00"),
    "Jerusalem, after": (JERUSALEM, "2026-10-25T02:00", "2026-10-25T02:00+02:00"),
    "Berlin, gap": (BERLIN, "2026-03-29T02:30", "2026-03-29T03:30+02:00"),
    "Berlin, twice": (BERLIN, "2026-10-25T02:59:59", "2026-10-25T02:59:59+02:00"),
    "New York, gap": (NEW_YORK, "2026-03-08T02:00", "2026-03-08T03:00-04:00"),
    "New York, twice": (NEW_YORK, "2026-11-01T01:00", "2026-11-01T01:00-04:00"),
    "Lord Howe, gap": (LORD_HOWE, "2026-10-04T02:15", "2026-10-04T02:45+11:00"),
    "Lord Howe, twice": (LORD_HOWE, "2026-04-05T01:45", "2026-04-05T01:45+11:00"),
}


@pytest.mark.parametrize(("zone", "written", "expected"), CHANGES.values(), ids=CHANGES)
def test_the_clock_is_moved(zone: ZoneInfo, written: str, expected: str) -> None:
    """A wall time that is jumped over is moved by the jump; of one that comes twice, the first counts."""
    assert parse_sendtime(written, zone=zone, now=datetime(2026, 3, 1, tzinfo=UTC)) == at(expected)


def test_the_second_when_the_first_is_over() -> None:
    """Asked between the two, a wall time that comes twice is the one to come; asked after both, it is past."""
    between, after = at("2026-10-25T02:45+02:00"), at("2026-10-25T02:45+01:00")
    assert parse_sendtime("2026-10-25 02:30", zone=BERLIN, now=between) == at("2026-10-25T02:30+01:00")
    with pytest.raises(PastTime):
        parse_sendtime("2026-10-25 02:30", zone=BERLIN, now=after)
    with pytest.raises(PastTime):
        parse_sendtime("2026-03-29 02:30", zone=BERLIN, now=at("2026-03-29T03:45+02:00"))


@given(
    st.sampled_from((*CHANGING, UTC)),
    st.datetimes(datetime(2026, 11, 21), datetime(2027, 11, 20)),  # noqa: DTZ001 - wall times
)
def test_all_forms_agree(zone: ZoneInfo, wall: datetime) -> None:
    """A wall time is the same moment in every form; there, the clock shows it, or has jumped over it."""
    wall = wall.replace(second=0, microsecond=0)
    forms = ("%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S", "%Y%m%dT%H%M", "%d/%m/%Y %H:%M", "%d.%m.%y %H:%M", "%d%m%y%H%M")
    moments = {parse_sendtime(wall.strftime(form), zone=zone, now=NOW) for form in forms}
    assert len(moments) == 1
    moment = moments.pop()
    shown = moment.astimezone(zone).replace(tzinfo=None)
    jumped = moment.astimezone(zone).utcoffset() != (moment - timedelta(hours=1)).astimezone(zone).utcoffset()
    assert shown == wall or (jumped and timedelta(0) < shown - wall <= timedelta(hours=1))
    for written in (moment.isoformat(), moment.astimezone(zone).isoformat(" "), f"0{int(moment.timestamp())}"):
        assert parse_sendtime(written, zone=LORD_HOWE, now=NOW) == moment


@given(st.one_of(st.text(), st.text("0123456789-+:./TZ ", max_size=26)))
def test_any_text_is_a_time_or_refused(written: str) -> None:
    """Whatever is written, it is a moment from now on to a year ahead, or refused; at most one form has it."""
    assert sum(form.pattern.fullmatch(written.strip()) is not None for form in SENDTIME_FORMS) <= 1
    try:
        moment = parse_sendtime(written, zone=JERUSALEM, now=NOW)
    except InvalidTime:
        return
    assert moment.tzinfo is UTC
    assert NOW <= moment <= NOW + FURTHEST


# ---- Hours of the week ------------------------------------------------------------------------------------------

WEEK = frozenset(range(7))

HOURS = {
    "a day's": ("09:00-17:30", [HourWindow(start=540, end=1050)]),
    "a night's": ("22:00-07:00", [HourWindow(start=1320, end=420)]),
    "one digit": ("9:00-17:30", [HourWindow(start=540, end=1050)]),
    "spaces": ("  09:00 - 17:30 ", [HourWindow(start=540, end=1050)]),
    "to midnight": ("22:00-24:00", [HourWindow(start=1320, end=1440)]),
    "to midnight, the next day's": ("22:00-00:00", [HourWindow(start=1320, end=0)]),
    "a whole day": ("00:00-24:00", [HourWindow(start=0, end=1440)]),
    "a day": ("sat", [HourWindow(days=frozenset({5}))]),
    "a day's hours": ("fri 15:00-24:00", [HourWindow(days=frozenset({4}), start=900, end=1440)]),
    "long and capital": ("Friday 15:00-24:00", [HourWindow(days=frozenset({4}), start=900, end=1440)]),
    "from day to day": ("mon-fri 22:00-07:00", [HourWindow(days=frozenset(range(5)), start=1320, end=420)]),
    "over the end of the week": ("sun-thu", [HourWindow(days=frozenset({6, 0, 1, 2, 3}))]),
    "all days": ("mon-sun", [HourWindow(days=WEEK)]),
    "all days, from Sunday": ("sun-sat", [HourWindow(days=WEEK)]),
    "one to one": ("wed-wed", [HourWindow(days=frozenset({2}))]),
    "several days": ("mon, wed-thu,sat", [HourWindow(days=frozenset({0, 2, 3, 5}))]),
    "several": (
        "22:00-07:00; fri 15:00-24:00;sat;",
        [HourWindow(start=1320, end=420), HourWindow(days=frozenset({4}), start=900), HourWindow(days=frozenset({5}))],
    ),
    "none": (" ; ", []),
}


@pytest.mark.parametrize(("written", "windows"), HOURS.values(), ids=HOURS)
def test_hours(written: str, windows: list[HourWindow]) -> None:
    """Windows are read as they are written in settings, in one string or in a list of them."""
    assert parse_hours(written) == tuple(windows)
    assert parse_hours(written.split(";")) == tuple(windows)
    assert parse_hours("; ".join(map(str, windows))) == tuple(windows)


NO_HOURS = {
    "a word": ("always", "days are"),
    "an hour": ("22:00", "cannot be read"),
    "no minutes": ("22-7", "cannot be read"),
    "dots": ("22.00-07.00", "cannot be read"),
    "no space": ("fri15:00-24:00", "cannot be read"),
    "hours first": ("15:00-24:00 fri", "cannot be read"),
    "comma for semicolon": ("22:00-07:00, sat", "cannot be read"),
    "a second": ("22:00:00-07:00:00", "cannot be read"),
    "two windows": ("22:00-07:00 09:00-10:00", "cannot be read"),
    "other digits": ("٢٢:00-07:00", "cannot be read"),
    "no such day": ("fru", "days are"),
    "from day to day to day": ("mon-tue-wed", "days are"),
    "a day and nothing": ("mon-", "cannot be read"),
    "nothing and a day": ("-mon", "days are"),
    "a comma too many": ("mon,,tue", "days are"),
    "days without comma": ("mon tue", "days are"),
    "hour 25": ("22:00-25:00", "00:00 to 23:59"),
    "past 24:00": ("22:00-24:01", "00:00 to 23:59"),
    "from 24:00": ("24:00-07:00", "00:00 to 23:59"),
    "minute 60": ("22:60-07:00", "minutes 00 to 59"),
    "no length": ("22:00-22:00", "ends where it starts"),
    "no length at midnight": ("00:00-00:00", "ends where it starts"),
    "among good ones": ("22:00-07:00; sat; noon", "days are"),
}


@pytest.mark.parametrize(("written", "fault"), NO_HOURS.values(), ids=NO_HOURS)
def test_no_hours(written: str, fault: str) -> None:
    """What is no window is refused with what is allowed."""
    with pytest.raises(InvalidTime, match=fault) as caught:
        parse_hours(written)
    assert "24:00" in caught.value.reason


@pytest.mark.parametrize(
    "wrong",
    [
        {"days": frozenset()},
        {"days": frozenset({7})},
        {"days": frozenset({-1})},
        {"start": 1440},
        {"start": -1},
        {"end": 1441},
        {"end": -1},
    ],
)
def test_a_window_out_of_range(wrong: dict[str, Any]) -> None:
    """A window made by hand keeps to the same ranges."""
    with pytest.raises(InvalidTime):
        HourWindow(**wrong)


@st.composite
def hour_windows(draw: st.DrawFn) -> tuple[HourWindow, ...]:
    """Up to four windows, to the minute or on the hour, that may overlap, touch, and go on after Sunday."""
    windows = []
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.one_of(st.integers(0, 1439), st.integers(0, 23).map(lambda hour: hour * 60)))
        end = draw(st.one_of(st.integers(0, 1440), st.integers(0, 24).map(lambda hour: hour * 60)))
        days = draw(st.one_of(st.just(WEEK), st.frozensets(st.integers(0, 6), min_size=1)))
        if start != end:
            windows.append(HourWindow(days=days, start=start, end=end))
    return tuple(windows)


@given(hour_windows())
def test_a_window_as_written(windows: tuple[HourWindow, ...]) -> None:
    """Every window can be written, and is the same when read again."""
    assert parse_hours([str(window) for window in windows]) == windows


@given(st.one_of(st.text(), st.text("mon-fri sat,:;0123456789", max_size=24)))
def test_any_text_is_hours_or_refused(written: str) -> None:
    """Whatever is written, it is windows or refused."""
    try:
        windows = parse_hours(written)
    except InvalidTime:
        return
    assert parse_hours("; ".join(map(str, windows))) == windows


def test_the_worst_hours_take_no_time() -> None:
    """Reading is linear: 100,000 characters made to hurt are refused well within a second."""
    start = time.process_time()
    for written in ("a" * 100_000 + "!", "mon" + " " * 100_000 + "!", "a " * 50_000 + "!", "mon" + ", " * 50_000):
        with pytest.raises(InvalidTime):
            parse_hours(written)
    assert time.process_time() - start < 1


# ---- Quiet hours ------------------------------------------------------------------------------------------------

EDGES = {
    "night": ("22:00-07:00", "2026-11-20T22:00+02:00", "2026-11-21T07:00+02:00"),
    "day": ("13:00-16:00", "2026-11-20T13:00+02:00", "2026-11-20T16:00+02:00"),
    "to midnight": ("22:00-24:00", "2026-11-20T22:00+02:00", "2026-11-21T00:00+02:00"),
    "from midnight": ("00:00-07:00", "2026-11-20T00:00+02:00", "2026-11-20T07:00+02:00"),
    "a Saturday": ("sat", "2026-11-21T00:00+02:00", "2026-11-22T00:00+02:00"),
    "a Sabbath": ("fri 15:00-24:00; sat 00:00-18:30", "2026-11-20T15:00+02:00", "2026-11-21T18:30+02:00"),
    "Friday's night": ("fri 22:00-07:00", "2026-11-20T22:00+02:00", "2026-11-21T07:00+02:00"),
    "Sunday's night, over the end of the week": ("sun 22:00-07:00", "2026-11-22T22:00+02:00", "2026-11-23T07:00+02:00"),
    "Sunday and Monday": ("sun; mon", "2026-11-22T00:00+02:00", "2026-11-24T00:00+02:00"),
    "overlapping": ("fri 12:00-16:00; fri 14:00-18:00", "2026-11-20T12:00+02:00", "2026-11-20T18:00+02:00"),
    "one in another": ("fri 12:00-18:00; fri 14:00-16:00", "2026-11-20T12:00+02:00", "2026-11-20T18:00+02:00"),
    "nights about a Saturday": ("22:00-07:00; sat", "2026-11-20T22:00+02:00", "2026-11-22T07:00+02:00"),
    "all but a minute": ("mon-fri; sat; sun 00:00-23:59", "2026-11-23T00:00+02:00", "2026-11-29T23:59+02:00"),
    "spring in Jerusalem": ("22:00-07:00", "2026-03-26T22:00+02:00", "2026-03-27T07:00+03:00"),
    "autumn in Jerusalem": ("22:00-07:00", "2026-10-24T22:00+03:00", "2026-10-25T07:00+02:00"),
    "spring, the end is jumped over": ("22:00-02:30", "2026-03-26T22:00+02:00", "2026-03-27T03:00+03:00"),
    "spring, the end is the jump": ("22:00-02:00", "2026-03-26T22:00+02:00", "2026-03-27T03:00+03:00"),
    "spring, the end is the jump's end": ("22:00-03:00", "2026-03-26T22:00+02:00", "2026-03-27T03:00+03:00"),
    "spring, the start is jumped over": ("02:30-07:00", "2026-03-27T03:00+03:00", "2026-03-27T07:00+03:00"),
    "autumn, the end comes twice": ("22:00-01:30", "2026-10-24T22:00+03:00", "2026-10-25T01:30+03:00"),
    "autumn, and quiet again": ("22:00-01:30", "2026-10-25T01:00+02:00", "2026-10-25T01:30+02:00"),
    "autumn, the start comes twice": ("01:30-07:00", "2026-10-25T01:30+03:00", "2026-10-25T01:00+02:00"),
    "autumn, and starts again": ("01:30-07:00", "2026-10-25T01:30+02:00", "2026-10-25T07:00+02:00"),
    "autumn, the end is where the clock goes back": ("22:00-02:00", "2026-10-24T22:00+03:00", "2026-10-25T02:00+02:00"),
}
ABROAD = {
    "spring in Berlin": (BERLIN, "22:00-07:00", "2026-03-28T22:00+01:00", "2026-03-29T07:00+02:00"),
    "autumn in Berlin": (BERLIN, "22:00-07:00", "2026-10-24T22:00+02:00", "2026-10-25T07:00+01:00"),
    "Berlin, the end is jumped over": (BERLIN, "sat 22:00-02:15", "2026-03-28T22:00+01:00", "2026-03-29T03:00+02:00"),
    "Berlin, the end comes twice": (BERLIN, "sat 22:00-02:15", "2026-10-24T22:00+02:00", "2026-10-25T02:15+02:00"),
    "Berlin, and quiet again": (BERLIN, "sat 22:00-02:15", "2026-10-25T02:00+01:00", "2026-10-25T02:15+01:00"),
    "spring in New York": (NEW_YORK, "21:00-08:00", "2026-03-07T21:00-05:00", "2026-03-08T08:00-04:00"),
    "autumn in New York": (NEW_YORK, "21:00-08:00", "2026-10-31T21:00-04:00", "2026-11-01T08:00-05:00"),
    "New York, jumped over": (NEW_YORK, "21:00-02:59", "2026-03-07T21:00-05:00", "2026-03-08T03:00-04:00"),
    "New York, quiet again": (NEW_YORK, "21:00-01:01", "2026-11-01T01:00-05:00", "2026-11-01T01:01-05:00"),
    "autumn on Lord Howe": (LORD_HOWE, "22:00-07:00", "2026-04-04T22:00+11:00", "2026-04-05T07:00+10:30"),
    "spring on Lord Howe": (LORD_HOWE, "22:00-07:00", "2026-10-03T22:00+10:30", "2026-10-04T07:00+11:00"),
    "Lord Howe, jumped over": (LORD_HOWE, "22:00-02:15", "2026-10-03T22:00+10:30", "2026-10-04T02:30+11:00"),
    "Lord Howe, comes twice": (LORD_HOWE, "22:00-01:45", "2026-04-04T22:00+11:00", "2026-04-05T01:45+11:00"),
    "Lord Howe, quiet again": (LORD_HOWE, "22:00-01:45", "2026-04-05T01:30+10:30", "2026-04-05T01:45+10:30"),
    "Samoa, a day that was not": (
        ZoneInfo("Pacific/Apia"),
        "thu-fri",
        "2011-12-29T00:00-10:00",
        "2011-12-31T00:00+14:00",
    ),
}


@pytest.mark.parametrize(
    ("zone", "written", "start", "end"),
    [*((JERUSALEM, *case) for case in EDGES.values()), *ABROAD.values()],
    ids=[*EDGES, *ABROAD],
)
def test_the_edges_of_quiet_hours(zone: ZoneInfo, written: str, start: str, end: str) -> None:
    """The start is quiet and the moment before is not; the end is not and the moment before is, on any night."""
    rule = quiet(written, zone)
    first, last = at(start).astimezone(UTC), at(end).astimezone(UTC)
    assert not rule.is_quiet(first - TICK)
    assert rule.is_quiet(first)
    assert rule.is_quiet(last - TICK)
    assert not rule.is_quiet(last)
    middle = first + (last - first) / 2
    for asked in (first, first + TICK, middle, last - TICK, last, middle.astimezone(LORD_HOWE)):
        found = rule.ends(asked)
        assert found == last
        assert found.tzinfo is UTC
    assert rule.ends(first - TICK) == first - TICK


def test_send_windows_are_the_other_way_round() -> None:
    """A text leaves in a window, its start included; out of all of them, at the start of the next."""
    rule = opened("sun-thu 08:00-20:00; fri 08:00-13:00")
    for open_ in ("2026-11-20T08:00+02:00", "2026-11-20T12:59:59.999999+02:00", "2026-11-22T19:59+02:00"):
        assert rule.is_open(at(open_))
        assert rule.next_open(at(open_)) == at(open_)
    for closed, then in (
        ("2026-11-20T13:00+02:00", "2026-11-22T08:00+02:00"),
        ("2026-11-22T07:59:59.999999+02:00", "2026-11-22T08:00+02:00"),
        ("2026-11-26T20:00+02:00", "2026-11-27T08:00+02:00"),
    ):
        assert not rule.is_open(at(closed))
        assert rule.next_open(at(closed)) == at(then)
        assert rule.next_open(at(closed)).tzinfo is UTC


def test_a_window_that_is_jumped_over() -> None:
    """A send window that the clock jumps over opens when it comes again."""
    assert opened("02:00-03:00", BERLIN).next_open(at("2026-03-28T12:00+01:00")) == at("2026-03-30T02:00+02:00")
    assert opened("sun 02:00-03:00", BERLIN).next_open(at("2026-03-28T12:00+01:00")) == at("2026-04-05T02:00+02:00")
    assert opened("02:30-04:00", BERLIN).next_open(at("2026-03-28T12:00+01:00")) == at("2026-03-29T03:00+02:00")


def test_no_quiet_hours_and_always_open() -> None:
    """Without windows nothing is quiet; with all of them it is always open."""
    assert not quiet("").is_quiet(NOW)
    assert quiet("").ends(NOW) == NOW
    assert opened("00:00-24:00").is_open(NOW)
    assert opened("mon-sun").next_open(NOW) == NOW


@pytest.mark.parametrize(
    "written", ["mon-sun", "00:00-24:00", "09:00-21:00; 21:00-09:00", "mon-fri; sat,sun 00:00-24:00"]
)
def test_always_quiet(written: str) -> None:
    """Quiet hours without end, and send windows without any, are refused when they are set."""
    with pytest.raises(InvalidTime, match="no time in the week"):
        quiet(written)
    with pytest.raises(InvalidTime, match="no send window"):
        opened("")


def test_a_naive_moment() -> None:
    """A moment without a zone is neither quiet nor open."""
    naive = NOW.replace(tzinfo=None)
    for ask in (quiet("sat").is_quiet, quiet("sat").ends, opened("sat").is_open, opened("sat").next_open):
        with pytest.raises(ValueError, match="no time zone"):
            ask(naive)
    with pytest.raises(ValueError, match="no time zone"):
        release(naive)


def test_equal_rules_are_equal() -> None:
    """Rules are values: equal and usable as keys when windows and zone are."""
    assert quiet("sat") == quiet("sat")
    assert {quiet("sat"), quiet("SAT")} == {quiet("sat 00:00-24:00")}
    assert quiet("sat") != quiet("sat", BERLIN)


def shows(windows: Sequence[HourWindow], wall: datetime) -> bool:
    """Tell whether a wall clock is in one of the windows, as plainly as can be."""
    minute = wall.hour * 60 + wall.minute
    for window in windows:
        over = window.end <= window.start
        if wall.weekday() in window.days and window.start <= minute and (over or minute < window.end):
            return True
        if over and (wall.weekday() - 1) % 7 in window.days and minute < window.end:
            return True
    return False


def scan(moment: datetime, *, days: int, allowed: Callable[[datetime], bool]) -> datetime | None:
    """Find the first allowed moment by looking at every minute: edges and changes of the clock are at full ones."""
    if allowed(moment):
        return moment
    minute = moment.replace(second=0, microsecond=0)
    for _ in range(days * 1440):
        minute += MINUTE
        if allowed(minute):
            return minute
    return None


# About the eight changes of 2026, and anywhere in the year.
MOMENT = st.one_of(
    st.builds(
        lambda start, seconds: start + timedelta(seconds=seconds),
        st.sampled_from(
            [
                datetime(2026, month, day, tzinfo=UTC)
                for month, day in ((3, 7), (3, 26), (3, 28), (4, 4), (10, 3), (10, 24), (10, 31))
            ]
        ),
        st.integers(-86_400, 2 * 86_400),
    ),
    st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001 - hypothesis adds it
)
ZONE = st.sampled_from(CHANGING)


@settings(deadline=None)  # a look at 20,000 minutes takes as long as the machine is busy
@given(hour_windows(), ZONE, MOMENT)
def test_quiet_hours_by_every_minute(windows: tuple[HourWindow, ...], zone: ZoneInfo, moment: datetime) -> None:
    """Whatever the windows, the zone and the moment, a look at every minute finds the same end."""
    try:
        rule = Quiet(windows=windows, zone=zone)
    except InvalidTime:
        assert all(shows(windows, datetime(2026, 1, 5, tzinfo=UTC) + minute * MINUTE) for minute in range(7 * 1440))
        return
    assert rule.is_quiet(moment) is shows(windows, moment.astimezone(zone))
    assert rule.ends(moment) == scan(
        moment, days=15, allowed=lambda minute: not shows(windows, minute.astimezone(zone))
    )


@settings(deadline=None)  # a look at 20,000 minutes takes as long as the machine is busy
@given(hour_windows(), ZONE, MOMENT)
def test_send_windows_by_every_minute(windows: tuple[HourWindow, ...], zone: ZoneInfo, moment: datetime) -> None:
    """The same for send windows, which are the other way round."""
    if not windows:
        return
    rule = Open(windows=windows, zone=zone)
    assert rule.is_open(moment) is shows(windows, moment.astimezone(zone))
    assert rule.next_open(moment) == scan(
        moment, days=15, allowed=lambda minute: shows(windows, minute.astimezone(zone))
    )


# ---- All rules together -----------------------------------------------------------------------------------------


def test_release_without_rules() -> None:
    """Where nothing forbids, it is the moment itself, in UTC."""
    moment = NOW.astimezone(LORD_HOWE)
    assert release(moment).isoformat() == NOW.isoformat()
    assert release(moment, quiet=[quiet("22:00-07:00")], windows=[opened("08:00-20:00")]).isoformat() == NOW.isoformat()


def test_release_waits_for_all() -> None:
    """What the account's hours would let go, the recipient's country may still hold, and the other way round."""
    account = quiet("22:00-07:00; fri 15:00-24:00; sat")
    country = quiet("21:00-08:00", NEW_YORK)
    friday = at("2026-11-20T16:00+02:00")
    assert release(friday, quiet=[account]) == at("2026-11-22T07:00+02:00")
    # 07:00 in Jerusalem is midnight in New York: eight there is three in the afternoon here.
    assert release(friday, quiet=[account, country]) == at("2026-11-22T08:00-05:00")
    assert release(friday, quiet=[country, account]) == at("2026-11-22T08:00-05:00")
    window = opened("mon-thu 10:00-16:00")
    assert release(friday, quiet=[account, country], windows=[window]) == at("2026-11-23T15:00+02:00")


def test_release_of_what_is_urgent() -> None:
    """An urgent text passes quiet hours; the window that was asked for holds for it too."""
    night = at("2026-11-20T23:00+02:00")
    assert release(night, quiet=[quiet("22:00-07:00")], passes=True) == night
    assert release(night, quiet=[quiet("22:00-10:00")], windows=[opened("08:00-20:00")], passes=True) == at(
        "2026-11-21T08:00+02:00"
    )


def test_release_at_the_edge() -> None:
    """The moment quiet hours end is free, the moment before is not, on the night the clock is moved too."""
    rule = quiet("22:00-07:00")
    for end in (at("2026-03-27T07:00+03:00"), at("2026-10-25T07:00+02:00")):
        assert release(end, quiet=[rule]) == end
        assert release(end - TICK, quiet=[rule]) == end


def test_no_common_hour() -> None:
    """Rules that together leave no hour are refused, in bounded time, and not held for ever."""
    for rules in (
        {"quiet": [quiet("00:00-12:00"), quiet("12:00-24:00")]},
        {"windows": [opened("mon"), opened("tue")]},
        {"quiet": [quiet("06:00-24:00")], "windows": [opened("08:00-20:00")]},
    ):
        with pytest.raises(QuietHours, match="15 days"):
            release(NOW, **rules)
    assert release(NOW, quiet=[quiet("06:00-24:00")], windows=[opened("08:00-20:00")], passes=True) == NOW


def test_an_hour_that_a_jump_takes_away() -> None:
    """The one common hour of a week may be jumped over: it is found in the next."""
    rules = [quiet("mon-sat; sun 00:00-02:00; sun 03:00-24:00", BERLIN)]
    assert release(at("2026-03-22T03:00+01:00"), quiet=rules) == at("2026-04-05T02:00+02:00")


RULE = st.tuples(hour_windows(), ZONE)


@settings(deadline=None)  # a look at 20,000 minutes takes as long as the machine is busy
@given(RULE, RULE, RULE, MOMENT)
def test_release_by_every_minute(first: Rule, second: Rule, third: Rule, moment: datetime) -> None:
    """Three rules in three zones: a look at every minute finds the same moment, or none."""
    try:
        rules = [Quiet(windows=windows, zone=zone) for windows, zone in (first, second)]
        windows = [Open(windows=third[0], zone=third[1])]
    except InvalidTime:
        return

    def allowed(minute: datetime) -> bool:
        forbidden = [shows(windows, minute.astimezone(zone)) for windows, zone in (first, second)]
        return not any(forbidden) and shows(third[0], minute.astimezone(third[1]))

    expected = scan(moment, days=HORIZON.days, allowed=allowed)
    if expected is None:
        with pytest.raises(QuietHours):
            release(moment, quiet=rules, windows=windows)
    else:
        assert release(moment, quiet=rules, windows=windows) == expected
