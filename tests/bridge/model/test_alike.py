"""When two texts are alike, and what the one text that is sent for many says."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.model.alike import begins, digest, key_of, shape
from bridge.model.moment import to_ms
from bridge.model.text import Encoding, measure

UTC_ZONE = ZoneInfo("UTC")
NOON = to_ms(datetime(2030, 1, 1, 12, 0, tzinfo=UTC))
MINUTE = 60_000

ALIKE = [
    ("load 3.5", "load 12"),
    ("load -3", "load 3"),
    ("temp +4 °C", "temp \u22127 °C"),
    ("disk 99.5%", "disk 100%"),
    ("1,234,567 packets", "8 packets"),
    ("at 10:02:33", "at 9:59"),
    ("at 9:59 am", "at 10:02 p.m."),
    ("at 9:59AM it", "at 10:02pm it"),
    ("2026-11-20T10:02:33Z", "2026-12-01T23:59:01Z"),
    ("from 10.0.0.1", "from 192.168.17.254"),
    ("id 123e4567-e89b-12d3-a456-426614174000", "id 00000000-aaaa-bbbb-cccc-dddddddddddd"),
    ("at aa:bb:cc:dd:ee:ff", "at 00-1b-44-11-3a-b7"),
    ("build 3f2a9c77", "build 0123456789abcdef0123456789abcdef01234567"),
    ("fault at 0xdeadbeef00", "fault at 0x1"),
    ("CPU High", "cpu high"),
    ("a  b\n\nc", "a b c"),
    ("web1 down", "web22 down"),
    ("٣ أعطال", "١٢ أعطال"),
    ("straße 5", "STRASSE 6"),
]
OTHER = [
    ("disk full", "disk empty"),
    ("web1 down", "web1 up"),
    ("db01 down", "be01 down"),
    ("cafe1 down", "face2 down"),
    ("5 kB free", "5 MB free"),
    ("5 up", "5"),
    ("a-b", "a b"),
    ("level A", "level B"),
    ("x 1 2", "x 1"),
    ("10 am", "10 amps"),
    ("deadbeef", "facefeed"),
]


@pytest.mark.parametrize(("one", "other"), ALIKE)
def test_what_is_counted_makes_no_difference(one: str, other: str) -> None:
    """Numbers, times, addresses and ids may differ, and so may the size of letters and the white space."""
    assert shape(one) == shape(other)
    assert key_of(one) == key_of(other)


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_words_make_a_difference(one: str, other: str) -> None:
    """Other words, units and letters of names are another text."""
    assert shape(one) != shape(other)
    assert key_of(one) != key_of(other)


@given(st.text())
def test_any_text_has_a_shape(text: str) -> None:
    """Any text has one, on one line; the text's own shape is alike it, and its key has 32 hex digits."""
    found = shape(text)
    assert found == " ".join(found.split())
    assert len(key_of(text)) == 32
    assert int(key_of(text), 16) >= 0


def test_a_half_of_a_surrogate_pair_has_a_shape() -> None:
    """What no file can hold breaks nothing here."""
    assert len(key_of("half \ud83d")) == 32


@pytest.mark.parametrize("unit", ["a", "0", "a0", "aaaaaaa-", "fffffff", "-5 ", "ab:", "0x", "1.,", " ", "f\n"])
def test_a_long_text_takes_no_long_time(unit: str) -> None:
    """What counts of a mebibyte of the worst kind is bounded: it takes milliseconds, and the bar is for a busy box."""
    began = time.process_time()
    shape(unit * ((1 << 20) // len(unit)))
    assert time.process_time() - began < 1


def test_phrases_are_beginnings() -> None:
    """A text begins with a phrase whatever the size of its letters, and not when it stands elsewhere in it."""
    assert begins("RECOVERY: web1", ("ok:", "Recovery"))
    assert begins("  \nÜBER", ("über",))
    assert not begins("web1 RECOVERY", ("recovery",))
    assert not begins("anything", ())
    assert not begins("anything", ("",))


@pytest.mark.parametrize(
    ("since", "until", "told"),
    [
        (NOON + 2 * MINUTE, NOON + 11 * MINUTE, "(+12 alike 12:02-12:11)"),
        (NOON, NOON + MINUTE - 1, "(+12 alike 12:00)"),
        (NOON, NOON + 1440 * MINUTE, "(+12 alike 01.01. 12:00-02.01. 12:00)"),
    ],
)
def test_a_digest_says_how_many_and_when(since: int, until: int, told: str) -> None:
    """The latest text, the count, and the times of the first and the last: once where they are the same minute."""
    assert digest("web1 down", 12, since=since, until=until, zone=UTC_ZONE) == f"web1 down {told}"


def test_a_digest_has_the_time_of_the_account() -> None:
    """Clocks are those of the zone, across the midnight there."""
    since, until = (to_ms(datetime(2030, 1, 1, hour, 30, tzinfo=UTC)) for hour in (21, 22))
    assert "(+2 alike 01.01. 23:30-02.01. 00:30)" in digest(
        "x", 2, since=since, until=until, zone=ZoneInfo("Asia/Jerusalem")
    )


@pytest.mark.parametrize("text", ["x" * 160, "x" * 137, "€" * 80, "שלום עולם " * 7, "y" * 306, "🙂" * 35, "ж" * 200])
def test_a_digest_takes_no_more_parts(text: str) -> None:
    """A text that leaves no room is shortened by as little as that takes, and ends in dots."""
    parts = measure(text).parts
    found = digest(text, 999, since=NOON, until=NOON + MINUTE, zone=UTC_ZONE)
    assert measure(found).parts == parts
    assert found.endswith("... (+999 alike 12:00-12:01)")
    kept = found.partition("...")[0]
    assert text.startswith(kept)
    more = f"{text[: len(kept) + 2]}... (+999 alike 12:00-12:01)"
    assert measure(more).parts > parts


@given(st.text(min_size=1, max_size=400), st.integers(1, 10**6))
def test_a_digest_is_never_longer_than_its_text(text: str, count: int) -> None:
    """Whatever the text and the count, it takes no more parts than the text alone does."""
    found = digest(text, count, since=NOON, until=NOON + 30 * 86_400_000, zone=UTC_ZONE)
    assert measure(found).parts <= measure(text).parts


def test_a_digest_adds_nothing_that_changes_the_alphabet() -> None:
    """What is added is in the GSM alphabet: a text in it stays in it."""
    assert measure(digest("x" * 200, 7, since=NOON, until=NOON, zone=UTC_ZONE)).encoding is Encoding.GSM7
