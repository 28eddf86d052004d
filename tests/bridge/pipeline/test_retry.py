"""When a text is tried again."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.pipeline.retry import Backoff, due

SECOND = timedelta(seconds=1)
BACKOFF = Backoff(first=4 * SECOND, ceiling=60 * SECOND, jitter=0.5)


@pytest.mark.parametrize(
    ("rounds", "chance", "asked", "wait"),
    [
        (1, 0.0, None, 4),
        (2, 0.0, None, 8),
        (4, 0.0, None, 32),
        (5, 0.0, None, 60),
        (1_000_000, 0.0, None, 60),
        (1, 0.5, None, 3),
        (5, 0.5, None, 45),
        (1, 0.0, 3, 4),
        (1, 0.0, 4, 4),
        (1, 0.0, 5, 5),
        (1, 0.5, 3.5, 3.5),
        (1, 0.0, 59, 59),
        (1, 0.0, 3_600, 60),
        (9, 0.5, 3_600, 60),
        (9, 0.0, 86_400, 60),
        (9, 0.0, 0, 60),
        (1, 0.0, -5, 4),
    ],
)
def test_waits(rounds: int, chance: float, asked: float | None, wait: float) -> None:
    """They double up to the ceiling, each cut by chance; a carrier's own longer wish counts, up to it too."""
    wish = None if asked is None else asked * SECOND
    assert BACKOFF.wait(rounds, chance, wish) == wait * SECOND


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_the_jitter_has_its_range(rounds: int, chance: float) -> None:
    """Never more than the full wait, never less than the part that jitter leaves."""
    full = BACKOFF.wait(rounds, 0.0)
    assert full * 0.5 <= BACKOFF.wait(rounds, chance) <= full


@given(
    st.timedeltas(min_value=timedelta(milliseconds=1), max_value=timedelta(days=36_500)),
    st.timedeltas(min_value=timedelta(milliseconds=1), max_value=timedelta(days=36_500)),
    st.integers(1, 10_000),
)
def test_every_setting_works(first: timedelta, ceiling: timedelta, rounds: int) -> None:
    """No first wait and no ceiling that the configuration takes makes the sum overflow."""
    assert timedelta(0) < Backoff(first=first, ceiling=ceiling).wait(rounds, 0.0) <= ceiling


def test_waits_never_shrink() -> None:
    """One more round is never a shorter wait."""
    waits = [Backoff().wait(rounds, 0.0) for rounds in range(1, 50)]
    assert all(one <= other for one, other in pairwise(waits))
    assert waits[-1] == timedelta(minutes=15)


@pytest.mark.parametrize(
    ("wait", "expires_at", "expected"),
    [(999, 2_000, 1_999), (1_000, 2_000, 2_000), (1_001, 2_000, 2_000), (5, 900, 900)],
)
def test_due(wait: int, expires_at: int, expected: int) -> None:
    """At the end of the wait, at the latest when the lifetime ends: there the text expires on time."""
    assert due(now=1_000, wait=timedelta(milliseconds=wait), expires_at=expires_at) == expected
