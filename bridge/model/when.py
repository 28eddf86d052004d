"""When a text may leave: the time asked for, quiet hours, send windows, and the time zones they are read in.

What is decided once, for every door and setting:

- A wall time without an offset is meant in the account's zone. One that does not exist (the clock jumps over it
  in spring) is moved forward by the jump: 02:30 in Berlin is then 03:30. One that exists twice (in autumn) is
  the first of the two, or the second when the first is over.
- Quiet hours and send windows follow the wall clock: 22:00-07:00 has nine hours on most nights, eight or ten
  when the clock is moved. Their start belongs to them, their end does not. A window whose end is not after its
  start ends on the next day; its day of the week is the one on which it starts.
- Every answer is in UTC. No clock is read here: whoever asks says what time it is.

Zones are those of IANA, by the machine's own data or the ``tzdata`` package.
"""

from __future__ import annotations

import re
import zoneinfo
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from bridge.model.errors import InvalidTime, PastTime, QuietHours, UnknownZone
from bridge.model.message import require_aware

GRACE: Final = timedelta(seconds=60)
"""A time not longer over than this means now: clocks differ, and requests travel."""

FURTHEST: Final = timedelta(days=366)
"""How far ahead a text may be scheduled, where nothing else is set."""

HORIZON: Final = timedelta(days=15)
"""Rules that leave no common hour within two weeks and a day (a change of the clock included) leave none."""

_LONGEST: Final = 64
_DAY: Final = 1440
_WEEK: Final = 7 * _DAY

# ---- Zones ------------------------------------------------------------------------------------------------------

# One zone for each country that has one, or several which agree from 2026 on, by zone.tab of the IANA data
# (2025b). Of China's and Ukraine's, the one their telephones go by. Countries with more (US, RU, ES, AU …) are not
# here. The prefixes in libphonenumber name zones for countries too, but not for this use: Paris for Algeria, Bucharest
# for Libya, Chicago for Nicaragua, which have no summer time.
_COUNTRIES: Final[Mapping[str, str]] = {
    "Africa": (
        "AO Luanda BF Ouagadougou BI Bujumbura BJ Porto-Novo BW Gaborone CF Bangui CG Brazzaville CI Abidjan "
        "CM Douala DJ Djibouti DZ Algiers EG Cairo EH El_Aaiun ER Asmara ET Addis_Ababa GA Libreville GH Accra "
        "GM Banjul GN Conakry GQ Malabo GW Bissau KE Nairobi LR Monrovia LS Maseru LY Tripoli MA Casablanca "
        "ML Bamako MR Nouakchott MW Blantyre MZ Maputo NA Windhoek NE Niamey NG Lagos RW Kigali SD Khartoum "
        "SL Freetown SN Dakar SO Mogadishu SS Juba ST Sao_Tome SZ Mbabane TD Ndjamena TG Lome TN Tunis "
        "TZ Dar_es_Salaam UG Kampala ZA Johannesburg ZM Lusaka ZW Harare"
    ),
    "America": (
        "AG Antigua AI Anguilla AR Argentina/Buenos_Aires AW Aruba BB Barbados BL St_Barthelemy BO La_Paz "
        "BQ Kralendijk BS Nassau BZ Belize CO Bogota CR Costa_Rica CU Havana CW Curacao DM Dominica DO Santo_Domingo "
        "GD Grenada GF Cayenne GP Guadeloupe GT Guatemala GY Guyana HN Tegucigalpa HT Port-au-Prince JM Jamaica "
        "KN St_Kitts KY Cayman LC St_Lucia MF Marigot MQ Martinique MS Montserrat NI Managua PA Panama PE Lima "
        "PM Miquelon PR Puerto_Rico PY Asuncion SR Paramaribo SV El_Salvador SX Lower_Princes TC Grand_Turk "
        "TT Port_of_Spain UY Montevideo VC St_Vincent VE Caracas VG Tortola VI St_Thomas"
    ),
    "Arctic": "SJ Longyearbyen",
    "Asia": (
        "AE Dubai AF Kabul AM Yerevan AZ Baku BD Dhaka BH Bahrain BN Brunei BT Thimphu CN Shanghai CY Nicosia "
        "GE Tbilisi HK Hong_Kong IL Jerusalem IN Kolkata IQ Baghdad IR Tehran JO Amman JP Tokyo KG Bishkek "
        "KH Phnom_Penh KP Pyongyang KR Seoul KW Kuwait KZ Almaty LA Vientiane LB Beirut LK Colombo MM Yangon "
        "MO Macau MY Kuala_Lumpur NP Kathmandu OM Muscat PH Manila PK Karachi PS Gaza QA Qatar SA Riyadh "
        "SG Singapore SY Damascus TH Bangkok TJ Dushanbe TL Dili TM Ashgabat TW Taipei UZ Tashkent VN Ho_Chi_Minh "
        "YE Aden"
    ),
    "Atlantic": "AC St_Helena BM Bermuda CV Cape_Verde FK Stanley FO Faroe IS Reykjavik SH St_Helena TA St_Helena",
    "Europe": (
        "AD Andorra AL Tirane AT Vienna AX Mariehamn BA Sarajevo BE Brussels BG Sofia BY Minsk CH Zurich CZ Prague "
        "DE Berlin DK Copenhagen EE Tallinn FI Helsinki FR Paris GB London GG Guernsey GI Gibraltar GR Athens "
        "HR Zagreb HU Budapest IE Dublin IM Isle_of_Man IT Rome JE Jersey LI Vaduz LT Vilnius LU Luxembourg LV Riga "
        "MC Monaco MD Chisinau ME Podgorica MK Skopje MT Malta NL Amsterdam NO Oslo PL Warsaw RO Bucharest "
        "RS Belgrade SE Stockholm SI Ljubljana SK Bratislava SM San_Marino TR Istanbul UA Kyiv VA Vatican "
        "XK Belgrade"
    ),
    "Indian": (
        "CC Cocos CX Christmas IO Chagos KM Comoro MG Antananarivo MU Mauritius MV Maldives RE Reunion SC Mahe "
        "YT Mayotte"
    ),
    "Pacific": (
        "AS Pago_Pago CK Rarotonga FJ Fiji GU Guam MH Majuro MP Saipan NC Noumea NF Norfolk NR Nauru NU Niue "
        "PW Palau SB Guadalcanal TK Fakaofo TO Tongatapu TV Funafuti VU Efate WF Wallis WS Apia"
    ),
}
_ZONE_OF: Final[Mapping[str, str]] = {
    region: f"{area}/{city}"
    for area, pairs in _COUNTRIES.items()
    for region, city in zip(pairs.split()[::2], pairs.split()[1::2], strict=True)
}

# In the machine's data, but no places: its own setting, and a placeholder.
_NO_ZONES: Final = frozenset({"localtime", "Factory"})


def parse_zone(name: str) -> ZoneInfo:
    """Return the zone with an IANA name: ``Asia/Jerusalem``, ``UTC``; in any case, with spaces around.

    No two names of IANA differ in case alone; however it is written, the same zone is the same object. Only listed
    names count, so a path that leads elsewhere is none.
    Raises :class:`UnknownZone`; RuntimeError when the machine has no zones at all: that is ours to mend.
    Source: theory.html of the IANA data, on names.
    """
    key = _names().get(name.strip().casefold()) if len(name) <= _LONGEST else None
    if key is None:
        raise UnknownZone("no time zone has that name: write an IANA name such as Asia/Jerusalem or UTC")
    return _zone(key)


def country_zone(region: str) -> ZoneInfo | None:
    """Return the zone of a country (ISO 3166-1 alpha-2, in capitals) which has one, or several that agree.

    None for a country with more, and for what is no country. Raises nothing while the machine has zones.
    """
    key = _ZONE_OF.get(region, "").casefold()
    return _zone(_names()[key]) if key in _names() else None


@lru_cache(maxsize=1)
def _names() -> Mapping[str, str]:
    """List the names of all zones by their case-folded form: 600 files are looked into, once."""
    names = {name.casefold(): name for name in zoneinfo.available_timezones() - _NO_ZONES}
    if not names:
        raise RuntimeError("no time zone data: install the tzdata package")
    return names


@lru_cache(maxsize=1024)
def _zone(key: str) -> ZoneInfo:
    return ZoneInfo(key)


# ---- The time to send at ----------------------------------------------------------------------------------------


class SendtimeForm(NamedTuple):
    """One way to write a time: an example, what it is, and the pattern, whose groups say what is what."""

    example: str
    meaning: str
    pattern: re.Pattern[str]


_OFFSET: Final = r"[ ]?(?P<offset>[Zz]|[+-]\d\d(?::?\d\d)?)?"
_CLOCK: Final = r"(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d))?"


def _form(example: str, meaning: str, pattern: str) -> SendtimeForm:
    return SendtimeForm(example, meaning, re.compile(pattern, re.ASCII))


SENDTIME_FORMS: Final = (
    _form(
        "2026-12-24T09:30:00+02:00",
        "ISO 8601 and RFC 3339; a space for the T; without seconds; Z or no offset",
        r"(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)[Tt ]"
        rf"(?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,](?P<fraction>\d+))?)?{_OFFSET}",
    ),
    _form(
        "20261224T093000Z",
        "ISO 8601, basic format; without seconds; Z, an offset or none",
        r"(?P<year>\d{4})(?P<month>\d\d)(?P<day>\d\d)[Tt]"
        rf"(?P<hour>\d\d)(?P<minute>\d\d)(?:(?P<second>\d\d)(?:[.,](?P<fraction>\d+))?)?{_OFFSET}",
    ),
    _form(
        "24/12/2026 09:30",
        "Maskyoo: day, month and year (of two or four digits) with slashes, then the hour; seconds if need be",
        rf"(?P<day>\d{{1,2}})/(?P<month>\d{{1,2}})/(?P<year>\d{{4}}|\d\d) +{_CLOCK}",
    ),
    _form(
        "24.12.26 09:30",
        "the same with dots",
        rf"(?P<day>\d{{1,2}})\.(?P<month>\d{{1,2}})\.(?P<year>\d{{4}}|\d\d) +{_CLOCK}",
    ),
    _form(
        "2412260930",
        "SMSC: DDMMYYhhmm",
        r"(?P<day>\d\d)(?P<month>\d\d)(?P<year>\d\d)(?P<hour>\d\d)(?P<minute>\d\d)",
    ),
    _form(
        "01798097400",
        "SMSC: 0 and Unix seconds (without the 0, some would be DDMMYYhhmm)",
        r"0(?P<unix>\d{10})",
    ),
    _form("+90", "SMSC: minutes from now", r"\+(?P<ahead>\d{1,9})"),
)
"""All the forms of a time to send at; no text has two of them. Years of two digits are 2000 to 2099. Wall times
are in the zone given, unless an offset stands behind them. SMSC's ``0`` (now) and ``h1-h2`` (a window of hours)
are no moments: its face knows them."""


def parse_sendtime(written: str, *, zone: tzinfo, now: datetime, furthest: timedelta = FURTHEST) -> datetime:
    """Read a time to send at, in one of :data:`SENDTIME_FORMS`, with spaces around. Returns it in UTC.

    ``zone`` is where wall times without an offset are meant. What has been over for 60 s at most is ``now``. The
    module's docstring tells of wall times that do not exist, or exist twice.

    Raises :class:`PastTime` when it is over for longer; :class:`InvalidTime` when it cannot be read, when there is
    no such day or hour, or when it is further ahead than ``furthest``. Raises ValueError for a naive ``now``.
    Source: ISO 8601, RFC 3339, 5.6 (without leap seconds); the two carriers' own documents.
    """
    require_aware(now, "now")
    text = written.strip() if len(written) <= _LONGEST else ""
    found = next((found for form in SENDTIME_FORMS if (found := form.pattern.fullmatch(text))), None)
    if found is None:
        raise InvalidTime(f"cannot be read as a time: write {_or(form.example for form in SENDTIME_FORMS)}")
    try:
        moment = _moment(found.groupdict(), zone, now)
        when = moment.astimezone(UTC)
        if now - when > GRACE:
            # Where the wall time comes twice, the second one may be still to come.
            when = max(when, moment.replace(fold=1).astimezone(UTC))
    except (ValueError, OverflowError) as error:
        raise InvalidTime("there is no such day, hour or offset") from error
    if now - when > GRACE:
        raise PastTime(f"{when:%Y-%m-%d %H:%M:%S} UTC, as the time was understood, is over")
    if when - now > furthest:
        raise InvalidTime(
            f"{when:%Y-%m-%d %H:%M:%S} UTC, as the time was understood, is more than {furthest.days} days ahead"
        )
    return max(when, now.astimezone(UTC))


def _moment(parts: Mapping[str, str | None], zone: tzinfo, now: datetime) -> datetime:
    """Make an aware datetime of what a form's pattern found. Raises ValueError or OverflowError."""
    if ahead := parts.get("ahead"):
        return now.astimezone(UTC) + timedelta(minutes=int(ahead))
    if unix := parts.get("unix"):
        return datetime.fromtimestamp(int(unix), UTC)
    year, month, day, hour, minute, second = (
        int(parts.get(name) or 0) for name in ("year", "month", "day", "hour", "minute", "second")
    )
    if len(parts["year"] or "") == 2:
        year += 2000
    offset = parts.get("offset")
    fraction = (parts.get("fraction") or "")[:6].ljust(6, "0")
    place = _fixed(offset) if offset else zone
    return datetime(year, month, day, hour, minute, second, int(fraction), tzinfo=place)


def _fixed(offset: str) -> tzinfo:
    """Read ``Z``, ``+02``, ``+0200`` or ``+02:00``."""
    digits = offset[1:].replace(":", "")
    hours, minutes = int(digits[:2] or 0), int(digits[2:] or 0)
    if hours > 23 or minutes > 59:
        raise ValueError("no such offset")
    span = timedelta(hours=hours, minutes=minutes)
    return timezone(-span if offset[0] == "-" else span)


def _or(words: Iterable[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} or {last}"


# ---- Hours of the week ------------------------------------------------------------------------------------------

_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_LONG_DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAY_OF: Final = {name: day for names in (_DAYS, _LONG_DAYS) for day, name in enumerate(names)}
_ALL_DAYS: Final = frozenset(range(7))
_HOURS: Final = re.compile(r"(?:(?P<days>[a-z, -]*[a-z])(?: +|$))?(?:(\d{1,2}):(\d\d) ?- ?(\d{1,2}):(\d\d))?", re.ASCII)
_HOURS_ALLOWED: Final = 'write "22:00-07:00", "fri 15:00-24:00", "mon-fri 22:00-07:00" or "sat,sun", joined by ";"'


@dataclass(frozen=True, kw_only=True, slots=True)
class HourWindow:
    """Hours that come again every week: on each of ``days`` (Monday is 0), from ``start`` to ``end``.

    Both are minutes of the day, ``start`` 0 to 1439 and ``end`` 0 to 1440. An ``end`` that is not after the start
    is on the next day; the two must not be equal. ``str`` writes it as :func:`parse_hours` reads it.
    Raises :class:`InvalidTime` for anything else.
    """

    days: frozenset[int] = _ALL_DAYS
    start: int = 0
    end: int = _DAY

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not self.days or not self.days <= _ALL_DAYS:
            raise InvalidTime("a window of hours needs days from Monday (0) to Sunday (6)")
        if not (0 <= self.start < _DAY and 0 <= self.end <= _DAY):
            raise InvalidTime(f"hours go from 00:00 to 23:59, and to 24:00 as the end; {_HOURS_ALLOWED}")
        if self.start == self.end:
            raise InvalidTime("a window that ends where it starts: write 00:00-24:00 for a whole day")

    @property
    def spans(self) -> tuple[tuple[int, int], ...]:
        """From and to in minutes of the week, Monday 00:00 being 0; what goes on beyond Sunday does so here too."""
        length = (self.end - self.start) % _DAY or _DAY
        return tuple((day * _DAY + self.start, day * _DAY + self.start + length) for day in sorted(self.days))

    def __str__(self) -> str:
        hours = "{:02}:{:02}-{:02}:{:02}".format(*divmod(self.start, 60), *divmod(self.end, 60))
        if self.days == _ALL_DAYS:
            return hours
        days = ",".join(_DAYS[day] for day in sorted(self.days))
        return days if hours == "00:00-24:00" else f"{days} {hours}"


def parse_hours(written: str | Iterable[str]) -> tuple[HourWindow, ...]:
    """Read windows as settings have them: one or several strings, each with one or several windows behind ``;``.

    A window is days, hours or both. Hours are ``22:00-07:00``. Days are ``mon`` or ``monday`` in any case, from-to
    (``sun-thu`` and over the end of the week), or several of these with commas. Without days it is every day,
    without hours the whole day. Nothing at all is no window. Raises :class:`InvalidTime` with what is allowed.
    """
    texts = (written,) if isinstance(written, str) else written
    return tuple(_window(part.strip()) for text in texts for part in text.split(";") if part.strip())


def _window(text: str) -> HourWindow:
    found = _HOURS.fullmatch(text.lower())
    if found is None:
        raise InvalidTime(f"cannot be read as hours: {_HOURS_ALLOWED}")
    days = _days(found["days"]) if found["days"] else _ALL_DAYS
    if found[2] is None:
        return HourWindow(days=days)
    hour, minute, last_hour, last_minute = map(int, found.groups()[1:])
    if minute > 59 or last_minute > 59:
        raise InvalidTime(f"an hour has minutes 00 to 59; {_HOURS_ALLOWED}")
    return HourWindow(days=days, start=hour * 60 + minute, end=last_hour * 60 + last_minute)


def _days(text: str) -> frozenset[int]:
    """Read ``fri``, ``sun-thu`` or ``mon-wed,sat``."""
    days: set[int] = set()
    for part in text.split(","):
        ends = [_DAY_OF.get(name.strip()) for name in part.split("-")]
        match ends:
            case [int(day)]:
                days.add(day)
            case [int(first), int(last)]:
                days.update((first + step) % 7 for step in range((last - first) % 7 + 1))
            case _:
                raise InvalidTime(f"days are mon, tue, wed, thu, fri, sat and sun; {_HOURS_ALLOWED}")
    return frozenset(days)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Hours:
    """Windows on the wall clock of a zone."""

    windows: tuple[HourWindow, ...]
    zone: ZoneInfo
    # Minutes of the week at which it turns from outside to inside and back, by turns; the first turns inside.
    _edges: tuple[int, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Join the windows."""
        object.__setattr__(self, "_edges", _joined(self.windows))

    def _covers(self, moment: datetime) -> bool:
        """Tell whether the wall clock is inside of a window at ``moment``."""
        require_aware(moment, "moment")
        wall = moment.astimezone(self.zone)
        # An odd number of edges are past: it turned inside last.
        return bisect_right(self._edges, wall.weekday() * _DAY + wall.hour * 60 + wall.minute) % 2 == 1

    def _first(self, moment: datetime, *, inside: bool) -> datetime:
        """Find the first moment from ``moment`` on that is inside, or outside. There has to be one in the week."""
        require_aware(moment, "moment")
        at = moment.astimezone(UTC)
        while self._covers(at) is not inside:
            wall = at.astimezone(self.zone)
            minute = wall.weekday() * _DAY + wall.hour * 60 + wall.minute
            place = bisect_right(self._edges, minute)
            edge = self._edges[place] if place < len(self._edges) else _WEEK
            left = timedelta(minutes=edge - minute, seconds=-wall.second, microseconds=-wall.microsecond)
            # Up to the edge by this offset, but no further than the wall clock runs evenly.
            at = _even(at, at + left, self.zone)
        return at


@dataclass(frozen=True, kw_only=True, slots=True)
class Quiet(_Hours):
    """Quiet hours: ``windows`` on the wall clock of ``zone`` in which nothing is sent. None is no quiet hours.

    Raises :class:`InvalidTime` when no minute of the week is left.
    """

    def __post_init__(self) -> None:
        """Refuse a week that is quiet throughout: what is held would never leave."""
        _Hours.__post_init__(self)  # super() does not know the class that slots=True made of this one
        if self._edges == (0, _WEEK):
            raise InvalidTime("the quiet hours leave no time in the week to send at")

    def is_quiet(self, moment: datetime) -> bool:
        """Tell whether ``moment`` is quiet: the start of a window is, its end is not. Raises ValueError if naive."""
        return self._covers(moment)

    def ends(self, moment: datetime) -> datetime:
        """Return the first moment from ``moment`` on, in UTC, that is not quiet: itself if it is not.

        Windows that touch are one. Exact to the microsecond, also when the clock is moved: where the end is jumped
        over, it is the moment of the jump. Raises ValueError if naive.
        """
        return self._first(moment, inside=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Open(_Hours):
    """Send windows: texts leave only in ``windows`` on the wall clock of ``zone``.

    Raises :class:`InvalidTime` without any window: nothing would ever leave.
    """

    def __post_init__(self) -> None:
        """Refuse a week that is closed throughout."""
        _Hours.__post_init__(self)
        if not self._edges:
            raise InvalidTime(f"no send window: nothing would ever leave; {_HOURS_ALLOWED}")

    def is_open(self, moment: datetime) -> bool:
        """Tell whether texts may leave at ``moment``: from the start of a window to just before its end."""
        return self._covers(moment)

    def next_open(self, moment: datetime) -> datetime:
        """Return the first moment from ``moment`` on, in UTC, at which texts may leave: itself if they may."""
        return self._first(moment, inside=True)


def release(
    moment: datetime, *, quiet: Sequence[Quiet] = (), windows: Sequence[Open] = (), passes: bool = False
) -> datetime:
    """Return the first moment from ``moment`` on, in UTC, that is in no quiet hours and in all of ``windows``.

    ``passes`` is for a text urgent enough for quiet hours; send windows, which are asked for, hold for it too.
    Whether a text waits until then or is refused is the caller's matter.

    Raises :class:`QuietHours` when the rules leave no common hour within 15 days, ValueError for a naive moment.
    """
    require_aware(moment, "moment")
    at = moment.astimezone(UTC)
    end = at + HORIZON
    while at <= end:
        # Each rule alone says the first moment it allows: none before the last of these is allowed by all.
        later = at
        for window in windows:
            later = window.next_open(later)
        if not passes:
            for hours in quiet:
                later = hours.ends(later)
        if later == at:
            return at
        at = later
    raise QuietHours(f"the quiet hours and send windows leave no common hour within {HORIZON.days} days")


def _joined(windows: Iterable[HourWindow]) -> tuple[int, ...]:
    """Join windows that overlap or touch within the week: the edges of what is left, from and to by turns."""
    spans: list[tuple[int, int]] = []
    for start, end in (span for window in windows for span in window.spans):
        spans.append((start, min(end, _WEEK)))
        if end > _WEEK:
            spans.append((0, end - _WEEK))
    edges: list[int] = []
    for start, end in sorted(spans):
        if edges and start <= edges[-1]:
            edges[-1] = max(edges[-1], end)
        else:
            edges += (start, end)
    return tuple(edges)


def _even(start: datetime, end: datetime, zone: ZoneInfo) -> datetime:
    """Return the first moment after ``start`` at which the clocks of ``zone`` are moved, or ``end`` if none is.

    Both are in UTC, at most a week apart; clocks are moved at whole seconds, and not there and back in a week.
    """
    before = start.astimezone(zone).utcoffset()
    if end.astimezone(zone).utcoffset() == before:
        return end
    whole = start.replace(microsecond=0)

    def moved(passed: int) -> bool:
        return (whole + timedelta(seconds=passed)).astimezone(zone).utcoffset() != before

    seconds = range(int((end - whole).total_seconds()) + 1)
    return whole + timedelta(seconds=bisect_left(seconds, 1, key=moved))
