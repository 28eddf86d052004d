"""Moments as the store keeps them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from bridge.model.moment import from_ms, to_ms

_MOMENTS = st.integers(0, 7_258_118_400_000_000).map(lambda us: from_ms(0) + timedelta(microseconds=us))


@given(_MOMENTS, st.integers(0, 10_000_000_000))
def test_a_span_of_whole_milliseconds_keeps_its_length(moment: datetime, span: int) -> None:
    """What lies between two moments is the same once they are kept: a float of seconds loses a millisecond."""
    assert to_ms(moment + timedelta(milliseconds=span)) - to_ms(moment) == span


@given(st.integers(-(10**12), 10**13))
def test_what_is_kept_comes_back(milliseconds: int) -> None:
    """Nothing is lost on the way out and in again."""
    assert to_ms(from_ms(milliseconds)) == milliseconds


def test_the_rest_of_a_millisecond_is_cut_off_in_any_zone() -> None:
    """A moment counts by what it is, not by the zone it is written in."""
    east = timezone(timedelta(hours=5, minutes=30))
    assert to_ms(datetime(1970, 1, 1, 5, 30, 0, 1999, tzinfo=east)) == 1
    assert to_ms(datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)) == -1
