"""Which carrier comes next."""

from __future__ import annotations

import pytest

from bridge.model.errors import ConfigError
from bridge.pipeline.routing import Route, Router

ROUTE = Route(name="main", carriers=("a", "b", "c"))
ALONE = Route(name="alone", carriers=("a",))


@pytest.mark.parametrize(
    ("route", "carrier", "following", "last"),
    [
        (ROUTE, "a", "b", False),
        (ROUTE, "b", "c", False),
        (ROUTE, "c", "a", True),
        (ROUTE, "gone", "a", True),
        (ALONE, "a", "a", True),
    ],
)
def test_the_next_carrier(route: Route, carrier: str, following: str, *, last: bool) -> None:
    """In order, and round again; one that the route has no more counts as the last."""
    assert route.next_after(carrier) == following
    assert route.is_last(carrier) is last


@pytest.mark.parametrize(("attempt", "rounds"), [(1, 1), (2, 1), (3, 1), (4, 1), (5, 1), (6, 2), (9, 3)])
def test_rounds(attempt: int, rounds: int) -> None:
    """A round is one try of every carrier."""
    assert ROUTE.rounds(attempt) == rounds
    assert ALONE.rounds(attempt) == attempt


def test_the_router() -> None:
    """The first route is the default; every one is found by its name."""
    router = Router([ROUTE, ALONE])
    assert router.lanes == ("main", "alone")
    assert router.choose("+972502345678") is ROUTE
    assert router.named("alone") is ALONE


def test_no_way_out() -> None:
    """A bridge without a carrier is a mistake in the configuration, and the reason says what to add."""
    with pytest.raises(ConfigError, match=r"\[carriers.NAME\]"):
        Router([])
