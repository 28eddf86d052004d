"""How many texts a carrier gets in a time."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.model.limits import parse_limit
from bridge.pipeline.rate import Rate


def test_as_many_as_the_limit_in_any_span() -> None:
    """The next one is free at the very moment at which the oldest is a span old."""
    rate = Rate(parse_limit("3/1s"))
    for now in (10.0, 10.2, 10.4):
        assert rate.wait(now) is None
        rate.take(now)
    assert (rate.free(10.9), rate.free(11.0), rate.free(11.2), rate.free(20.0)) == (0, 1, 2, 3)


def test_the_wait_is_until_one_is_free() -> None:
    """To the moment, also where more were taken than the limit allows."""
    rate = Rate(parse_limit("2/1m"))
    for now in (0.0, 10.0, 20.0):
        rate.take(now)
    assert rate.wait(20.0) == 50.0
    assert (rate.free(69.9), rate.free(70.0)) == (0, 1)
    assert rate.wait(70.0) is None


@settings(derandomize=True, max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 900), max_size=80))
def test_no_window_ever_holds_more(gaps: list[int]) -> None:
    """Whenever texts are taken, no second has more than five."""
    rate, now, taken = Rate(parse_limit("5/1s")), 0, []
    for gap in gaps:
        now += gap
        if rate.free(now / 1000):
            rate.take(now / 1000)
            taken.append(now)
    for first in taken:
        assert sum(first <= other < first + 1000 for other in taken) <= 5
