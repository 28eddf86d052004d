"""Limits per time: how they are written, and which text is the first that is too many."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.model.limits import Limit, exceeded, most, parse_limit, parse_limits

MINUTE = 60_000
NOW = 1_800_000_000_000


@pytest.mark.parametrize(
    ("written", "count", "span"),
    [
        ("10/1m", 10, timedelta(minutes=1)),
        (" 30 / 15m ", 30, timedelta(minutes=15)),
        ("1/1s", 1, timedelta(seconds=1)),
        ("100/1h", 100, timedelta(hours=1)),
        ("999999999/31d", 999_999_999, timedelta(days=31)),
        ("5/90s", 5, timedelta(seconds=90)),
    ],
)
def test_limits_are_read(written: str, count: int, span: timedelta) -> None:
    """And written again so that they are read as the same."""
    limit = parse_limit(written)
    assert limit == Limit(count=count, span=span)
    assert parse_limit(str(limit)) == limit


def test_limits_are_written_shortly() -> None:
    """In the largest unit that divides the span."""
    assert [str(parse_limit(written)) for written in ("1/60s", "2/1440m", "3/90m", "4/25h")] == [
        "1/1m",
        "2/1d",
        "3/90m",
        "4/25h",
    ]


@pytest.mark.parametrize(
    "written",
    [
        *("", "10", "10/m", "/1m", "10/1", "10/1w", "10/500ms", "10/1.5m", "0/1m", "-1/1m", "10/0s", "10/32d"),
        *("10/2678401s", "x/1m", "10 per 1m", "10/1m 5/1s", "10/1M", "1e3/1m", "٣/1m", "1234567890/1m"),
    ],
)
def test_what_is_no_limit_is_refused(written: str) -> None:
    """With what is allowed."""
    with pytest.raises(ValueError, match="write a number of texts and a span of 1s to 31d"):
        parse_limit(written)


def test_a_list_is_sorted_and_has_each_span_once() -> None:
    """None is no limit; two of one span, however it is written, are a slip."""
    assert parse_limits([]) == ()
    assert list(map(str, parse_limits(["60/1h", "10/1m", "30/15m"]))) == ["10/1m", "30/15m", "60/1h"]
    with pytest.raises(ValueError, match="10/1m and 20/1m are limits of the same span"):
        parse_limits(["10/1m", "20/60s"])


def test_the_tenth_passes_and_the_eleventh_does_not() -> None:
    """Exactly at the limit."""
    (limit,) = limits = parse_limits(["10/1m"])
    assert exceeded([], limits, NOW) is None
    assert exceeded([NOW] * 9, limits, NOW) is None
    over = exceeded([NOW] * 10, limits, NOW)
    assert over is not None
    assert (over.limit, over.free_at, over.wait_seconds) == (limit, NOW + MINUTE, 60)


def test_the_window_ends_at_the_millisecond() -> None:
    """A text that is a span old does not count; one millisecond younger it does, and the wait is rounded up."""
    limits = parse_limits(["2/1m"])
    times = [NOW - MINUTE, NOW - 1]
    assert exceeded(times, limits, NOW) is None
    over = exceeded(times, limits, NOW - 1)
    assert over is not None
    assert (over.free_at, over.wait_seconds) == (NOW, 1)


def test_the_limit_that_holds_longest_is_told() -> None:
    """Of several that are reached, wherever they stand."""
    limits = parse_limits(["1/1m", "3/1h", "100/1d"])
    for order in (limits, limits[::-1]):
        over = exceeded([NOW - 3, NOW - 2, NOW - 1], order, NOW)
        assert over is not None
        assert (str(over.limit), over.free_at) == ("3/1h", NOW - 3 + 60 * MINUTE)


def test_several_at_once() -> None:
    """They pass together or not at all; more than the limit itself never do."""
    limits = parse_limits(["10/1m"])
    assert exceeded([NOW - 2, NOW - 1], limits, NOW, texts=8) is None
    over = exceeded([NOW - 2, NOW - 1], limits, NOW, texts=9)
    assert over is not None
    assert over.free_at == NOW - 2 + MINUTE
    assert exceeded([], limits, NOW, texts=10) is None
    never = exceeded([], limits, NOW, texts=11)
    assert never is not None
    assert (never.free_at, never.wait_seconds) == (None, None)


def test_without_limits_everything_passes() -> None:
    """No limit looks back at nothing."""
    assert exceeded([NOW] * 1000, (), NOW) is None
    assert most(()) == 0


LIMITS = st.lists(
    st.builds(Limit, count=st.integers(1, 6), span=st.integers(1, 20).map(lambda seconds: timedelta(seconds=seconds))),
    max_size=3,
)


@given(st.lists(st.integers(0, 30_000), max_size=20).map(sorted), LIMITS, st.integers(0, 31_000), st.integers(1, 4))
def test_it_is_the_count_in_the_window(times: list[int], limits: list[Limit], now: int, texts: int) -> None:
    """The answer is that of counting all times after now - span; the last ``most`` times alone give the same one.

    At ``free_at`` the texts pass, and a millisecond earlier they do not.
    """

    def passes(at: int) -> bool:
        return all(
            sum(time > at - limit.span // timedelta(milliseconds=1) for time in times) + texts <= limit.count
            for limit in limits
        )

    over = exceeded(times, limits, now, texts=texts)
    assert (over is None) == passes(now)
    assert exceeded(times[-most(limits) :] if limits else [], limits, now, texts=texts) == over
    if over is not None and over.free_at is not None and over.wait_seconds is not None:
        assert passes(over.free_at)
        assert not passes(over.free_at - 1)
        assert 0 <= over.wait_seconds * 1000 - (over.free_at - now) < 1000
