"""Time spans as people write them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.model.duration import parse_duration


@pytest.mark.parametrize(
    ("written", "span"),
    [
        ("30s", timedelta(seconds=30)),
        ("15m", timedelta(minutes=15)),
        ("24h", timedelta(hours=24)),
        ("2d", timedelta(days=2)),
        ("250ms", timedelta(milliseconds=250)),
        ("1.5h", timedelta(minutes=90)),
        (" 5 m ", timedelta(minutes=5)),
        ("0s", timedelta(0)),
        ("90", timedelta(seconds=90)),
        (90, timedelta(seconds=90)),
        (0.5, timedelta(milliseconds=500)),
        (-1, timedelta(seconds=-1)),
        (timedelta(days=3), timedelta(days=3)),
    ],
)
def test_spans(written: object, span: timedelta) -> None:
    """A number with a unit, a number of seconds, or a span as it is. Whether it is sensible its user decides."""
    assert parse_duration(written) == span


@pytest.mark.parametrize(
    "written",
    [
        "",
        "s",
        "1w",
        "1 year",
        "-5s",
        "1e3s",
        "٣s",
        "5S",
        "1h30m",
        "5s\n5s",
        "9999999999s",
        "999999999d",
        None,
        True,
        [],
        float("nan"),
        float("inf"),
        10**30,
    ],
)
def test_what_is_no_span_says_how_to_write_one(written: object) -> None:
    """Always a ValueError with examples, for whatever a file can hold."""
    with pytest.raises(ValueError, match='write a time span as "30s"'):
        parse_duration(written)


@given(st.integers(0, 100_000), st.sampled_from(["ms", "s", "m", "h"]))
def test_units_are_exact(amount: int, unit: str) -> None:
    """Whole numbers come out to the microsecond."""
    names = {"ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours"}
    assert parse_duration(f"{amount}{unit}") == timedelta(**{names[unit]: amount})
