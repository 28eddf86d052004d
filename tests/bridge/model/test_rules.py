"""The settings of an account: how each is written and read, what is refused, and with which words."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.model.limits import LONGEST_SPAN, Limit
from bridge.model.message import Priority
from bridge.model.numbers import known_region
from bridge.model.rules import AccountRules, change, read, written
from bridge.model.when import HourWindow, Open, Quiet, parse_hours

JERUSALEM = ZoneInfo("Asia/Jerusalem")
UTC_ZONE = ZoneInfo("UTC")
MINUTE = timedelta(minutes=1)
NAMES = [field.name for field in dataclasses.fields(AccountRules)]


def hours(text: str, zone: ZoneInfo = UTC_ZONE) -> Quiet:
    """Make quiet hours."""
    return Quiet(windows=parse_hours(text), zone=zone)


# Setting, as somebody writes it, what it means, and how it is written by us.
FORMS: list[tuple[str, str, Any, str]] = [
    ("zone", "asia/jerusalem", JERUSALEM, "Asia/Jerusalem"),
    ("countries", " il, US ,de", frozenset({"IL", "US", "DE"}), "DE,IL,US"),
    ("countries", "IL,IL", frozenset({"IL"}), "IL"),
    (
        "limits",
        "500/1d, 60/1m",
        (Limit(count=60, span=MINUTE), Limit(count=500, span=timedelta(days=1))),
        "60/1m,500/1d",
    ),
    ("mailbox_limits", "1/60s", (Limit(count=1, span=MINUTE),), "1/1m"),
    ("spend_per_day", "12.5", 12_500, "12.500"),
    ("spend_per_day", "0", 0, "0.000"),
    ("spend_per_day", "0.001", 1, "0.001"),
    ("max_recipients", "1", 1, "1"),
    ("max_recipients", "100000", 100_000, "100000"),
    ("max_parts", "20", 20, "20"),
    ("quiet", "22:00-07:00", hours("22:00-07:00"), "22:00-07:00"),
    ("quiet", "Fri 15:00-24:00;sat", hours("fri 15:00-24:00; sat"), "fri 15:00-24:00; sat"),
    ("quiet_holds", "NO", False, "false"),
    ("quiet_passes", "High", Priority.HIGH, "high"),
    ("quiet_passes", "none", None, "none"),
    (
        "open",
        "mon-thu 08:00-20:00; fri 08:00-13:00",
        Open(windows=parse_hours("mon-thu 08:00-20:00; fri 08:00-13:00"), zone=UTC_ZONE),
        "mon,tue,wed,thu 08:00-20:00; fri 08:00-13:00",
    ),
    ("transactional", "yes", True, "true"),
    ("refund_cancelled", "off", False, "false"),
]


def test_nothing_set_is_nothing_written() -> None:
    """The default settings are no settings, both ways."""
    assert written(AccountRules()) == {}
    assert read({}) == AccountRules()


@pytest.mark.parametrize(("name", "said", "value", "ours"), FORMS)
def test_every_form(name: str, said: str, value: object, ours: str) -> None:
    """A setting is read as it is meant, kept in one spelling, and that is read as the same again."""
    rules = change(AccountRules(), name, f" {said} ")
    assert getattr(rules, name) == value
    assert dataclasses.replace(rules, **{name: getattr(AccountRules(), name)}) == AccountRules()
    assert written(rules) == {name: ours}
    assert read({name: ours}) == rules


def test_every_setting_has_a_form() -> None:
    """The table above leaves none out."""
    assert {name for name, *_ in FORMS} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("empty", ["", "  "])
def test_nothing_sets_the_default(name: str, empty: str) -> None:
    """An empty value takes a setting back, and leaves the others."""
    everything = read({name: ours for name, _, _, ours in FORMS})
    changed = change(everything, name, empty)
    assert getattr(changed, name) == getattr(AccountRules(), name)
    assert written(changed) == {key: value for key, value in written(everything).items() if key != name}


# Setting, a wrong value, and what the refusal says of what is allowed.
WRONG = [
    ("zone", "Mars/Olympus", "no time zone has that name: write an IANA name such as Asia/Jerusalem or UTC"),
    ("zone", "../etc/passwd", "no time zone has that name"),
    ("countries", "IL,XX", "XX is no ISO 3166 country code"),
    ("countries", "Israel", "ISRAEL is no ISO 3166 country code"),
    ("countries", ",", "country codes with commas between them"),
    ("limits", "10", "'10' is no limit; write a number of texts and a span"),
    ("limits", "0/1m", "'0/1m' is no limit"),
    ("limits", "10/32d", "the span is out of range"),
    ("mailbox_limits", "5/1m,6/60s", "are limits of the same span; keep one"),
    ("spend_per_day", "-1", "not below zero"),
    ("spend_per_day", "1.2345", "write 100 or 12.5, with three decimals at most"),
    ("spend_per_day", "much", "write 100 or 12.5"),
    ("max_recipients", "0", "a number from 1 to 100000"),
    ("max_recipients", "100001", "a number from 1 to 100000"),
    ("max_parts", "0", "a number from 1 to 20"),
    ("max_parts", "21", "a number from 1 to 20"),
    ("max_parts", "٣", "a number from 1 to 20"),
    ("max_parts", "+3", "a number from 1 to 20"),
    ("max_parts", "1.5", "a number from 1 to 20"),
    ("quiet", "at night", "days are mon, tue, wed, thu, fri, sat and sun; write"),
    ("quiet", "22-7", "cannot be read as hours: write"),
    ("quiet", "22:00-07:00,sat", "cannot be read as hours: write"),
    ("quiet", "00:00-24:00", "leave no time in the week"),
    ("quiet", "22:00-22:00", "a window that ends where it starts"),
    ("quiet", "22:00-07:60", "minutes 00 to 59"),
    ("quiet_holds", "maybe", "write true or false"),
    ("quiet_passes", "soon", "one of none, bulk, normal, high, urgent"),
    ("quiet_passes", "3", "one of none, bulk, normal, high, urgent"),
    ("open", ";", "no send window: nothing would ever leave"),
    ("transactional", "2", "write true or false"),
    ("refund_cancelled", "-", "write true or false"),
]


@pytest.mark.parametrize(("name", "said", "why"), WRONG)
def test_a_wrong_value_is_refused(name: str, said: str, why: str) -> None:
    """With the setting's name first, and what is allowed; never anything but a ValueError."""
    with pytest.raises(ValueError, match=f"^{name}: ") as told:
        change(AccountRules(), name, said)
    assert why in str(told.value)
    with pytest.raises(ValueError, match=f"^{name}: "):
        read({"refund_cancelled": "no", name: said})


def test_every_setting_can_be_wrong() -> None:
    """The table above leaves none out."""
    assert {name for name, *_ in WRONG} == set(NAMES)


@pytest.mark.parametrize("name", ["zones", "", "limit", "_FORMS"])
def test_an_unknown_setting_is_refused(name: str) -> None:
    """With the names of all that there are."""
    with pytest.raises(ValueError, match=f"no setting is named {name}; there is ") as told:
        change(AccountRules(), name, "1")
    assert str(told.value).endswith(", ".join(NAMES))


def test_no_quiet_hours_are_none() -> None:
    """A list of no windows is no rule at all, as if nothing was set."""
    assert change(AccountRules(), "quiet", ";") == AccountRules()


def test_hours_count_in_the_zone_wherever_it_stands() -> None:
    """The order of settings in a store says nothing: the zone is read first."""
    settings = {"open": "08:00-20:00", "quiet": "22:00-07:00", "zone": "Asia/Jerusalem"}
    for names in (list(settings), list(reversed(settings))):
        rules = read({name: settings[name] for name in names})
        assert rules.quiet == hours("22:00-07:00", JERUSALEM)
        assert rules.open == Open(windows=parse_hours("08:00-20:00"), zone=JERUSALEM)


def test_another_zone_moves_the_hours() -> None:
    """22:00 stays 22:00, in the new zone; also back to the default, and with several windows."""
    rules = read({"quiet": "fri 15:00-24:00; 22:00-07:00", "open": "sun-thu; fri 08:00-13:00", "limits": "9/1d"})
    moved = change(rules, "zone", "Asia/Jerusalem")
    assert moved == read(written(rules) | {"zone": "Asia/Jerusalem"})
    assert moved.quiet is not None
    assert moved.open is not None
    evening = datetime(2030, 1, 1, 20, 30, tzinfo=UTC)  # 22:30 in Jerusalem
    assert moved.quiet.is_quiet(evening)
    assert not rules.quiet.is_quiet(evening)  # type: ignore[union-attr]
    assert change(moved, "zone", "") == rules


def test_a_zone_that_is_refused_changes_nothing() -> None:
    """The rules are values: a failed change leaves what was there."""
    rules = read({"zone": "Asia/Jerusalem", "quiet": "22:00-07:00"})
    with pytest.raises(ValueError, match="zone: "):
        change(rules, "zone", "nowhere")
    assert rules.zone is JERUSALEM


_LIMITS = st.lists(
    st.builds(
        Limit,
        count=st.integers(1, 999_999_999),
        span=st.integers(1, int(LONGEST_SPAN.total_seconds())).map(lambda seconds: timedelta(seconds=seconds)),
    ),
    unique_by=lambda limit: limit.span,
    max_size=4,
).map(lambda limits: tuple(sorted(limits, key=lambda limit: limit.span)))
_WINDOWS = st.lists(
    st.builds(
        lambda days, start, length: HourWindow(days=days, start=start, end=(start + length) % 1440 or 1440),
        days=st.frozensets(st.integers(0, 5), min_size=1),  # Sunday stays free: some time has to be left
        start=st.integers(0, 1439),
        length=st.integers(1, 1439),
    ).filter(lambda window: window.start != window.end),
    min_size=1,
    max_size=4,
).map(tuple)
_CODES = [code for code in ("IL", "US", "DE", "GB", "FR", "RU", "UA", "EE") if known_region(code)]


@st.composite
def account_rules(draw: st.DrawFn) -> AccountRules:
    """Any settings of an account."""
    zone = draw(st.sampled_from([ZoneInfo(name) for name in ("UTC", "Asia/Jerusalem", "America/Sao_Paulo")]))
    optional = st.none() | st.integers(1, 20)
    return AccountRules(
        zone=zone,
        countries=draw(st.none() | st.frozensets(st.sampled_from(_CODES), min_size=1)),
        limits=draw(_LIMITS),
        mailbox_limits=draw(_LIMITS),
        spend_per_day=draw(st.none() | st.integers(0, 10**15 - 1)),
        max_recipients=draw(optional),
        max_parts=draw(optional),
        quiet=draw(st.none() | _WINDOWS.map(lambda windows: Quiet(windows=windows, zone=zone))),
        quiet_holds=draw(st.booleans()),
        quiet_passes=draw(st.none() | st.sampled_from(Priority)),
        open=draw(st.none() | _WINDOWS.map(lambda windows: Open(windows=windows, zone=zone))),
        transactional=draw(st.booleans()),
        refund_cancelled=draw(st.booleans()),
    )


@given(account_rules())
def test_what_is_written_is_read(rules: AccountRules) -> None:
    """Any settings, through the JSON in which they are kept, come back as the same ones."""
    kept = json.loads(json.dumps(written(rules)))
    assert read(kept) == rules
    assert all(isinstance(value, str) and value for value in kept.values())


@given(account_rules(), st.sampled_from(NAMES))
def test_each_setting_can_be_given_alone(rules: AccountRules, name: str) -> None:
    """What is written of one setting brings just that one to another account in the same zone."""
    start = AccountRules(zone=rules.zone)
    alone = change(start, name, written(rules).get(name, ""))
    default = getattr(AccountRules(), name)
    assert getattr(alone, name) == (getattr(rules, name) if name in written(rules) else default)
