"""Which route a text takes, and which carrier comes next."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.model.errors import ConfigError, NoRoute
from bridge.model.message import Priority
from bridge.pipeline.routing import Match, Route, Router, Traits

ROUTE = Route(name="main", carriers=("a", "b", "c"))
ALONE = Route(name="alone", carriers=("a",))
WEIGHED = Route(name="weighed", carriers=("a", "b", "c", "d"), weights={"b": 3, "c": 1})
MOBILE = "+972502345678"
NAMES = [f"{place:026x}-1" for place in range(2_000)]


# Order within a route.


@pytest.mark.parametrize(
    ("route", "carrier", "resting", "following"),
    [
        (ROUTE, "a", (), "b"),
        (ROUTE, "b", (), "c"),
        (ROUTE, "c", (), None),
        (ROUTE, "gone", (), None),
        (ROUTE, "", (), None),
        (ROUTE, "a", ("b",), "c"),
        (ROUTE, "a", ("b", "c"), None),
        (ROUTE, "b", ("a",), "c"),
        (ALONE, "a", (), None),
    ],
)
def test_the_next_carrier(route: Route, carrier: str, resting: tuple[str, ...], following: str | None) -> None:
    """In order, without those that rest; None when all had their turn. One that is gone counts as the last."""
    assert route.after(carrier, NAMES[0], resting) == following


@pytest.mark.parametrize(("attempt", "rounds"), [(1, 1), (2, 1), (3, 1), (4, 1), (5, 1), (6, 2), (9, 3)])
def test_rounds(attempt: int, rounds: int) -> None:
    """A round is one try of every carrier."""
    assert ROUTE.rounds(attempt) == rounds
    assert ALONE.rounds(attempt) == attempt


def test_without_weights_the_order_is_that_of_the_list() -> None:
    """For every text, whatever the carriers' health."""
    assert {ROUTE.order(name, {"a": 0.1}) for name in NAMES} == {("a", "b", "c")}


def test_weights_share_the_first_place() -> None:
    """Three to one, within what chance allows in two thousand; those without a weight come after, in their order."""
    orders = [WEIGHED.order(name) for name in NAMES]
    assert {order[2:] for order in orders} == {("a", "d")}
    first = Counter(order[0] for order in orders)
    assert first.keys() == {"b", "c"}
    assert 1_400 < first["b"] < 1_600


def test_the_order_of_a_text_is_always_the_same() -> None:
    """On every try and every machine: it hangs on the text's id alone."""
    again = Route(name="other", carriers=("d", "c", "b", "a"), weights={"c": 1, "b": 3})
    assert [WEIGHED.order(name)[:2] for name in NAMES] == [again.order(name)[:2] for name in NAMES]
    assert [WEIGHED.order(name)[0] for name in NAMES[:16]] == list("bbbbbbbbbbbbcccc")


def test_a_share_that_falls_moves_only_its_own_texts() -> None:
    """Those that leave are of the carrier that fell; no text moves between the others."""
    route = Route(name="1", carriers=("a", "b", "c"), weights={"a": 1, "b": 1, "c": 1})
    before = {name: route.order(name)[0] for name in NAMES}
    after = {name: route.order(name, {"a": 0.25, "b": 1.0, "c": 1.0})[0] for name in NAMES}
    moved = {name for name in NAMES if before[name] != after[name]}
    assert {before[name] for name in moved} == {"a"}
    assert 0.08 < Counter(after.values())["a"] / len(NAMES) < 0.14


def test_every_carrier_has_its_turn_by_weight_too() -> None:
    """From the first, each next one is asked, until all had their turn."""
    for name in NAMES[:50]:
        order = WEIGHED.order(name)
        assert [WEIGHED.after(carrier, name) for carrier in order] == [*order[1:], None]


@settings(derandomize=True, max_examples=100, deadline=None)
@given(
    weights=st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 1000)),
    shares=st.dictionaries(st.sampled_from("abcdef"), st.floats(0.02, 1.0)),
    name=st.text(max_size=30),
)
def test_an_order_names_every_carrier_once(weights: dict[str, int], shares: dict[str, float], name: str) -> None:
    """Whatever the weights and shares are."""
    order = Route(name="1", carriers=tuple("abcdef"), weights=weights).order(name, shares)
    assert sorted(order) == list("abcdef")


# The choice of a route.

MATCHES = {
    "prefixes": Match(prefixes=("97254", "97250")),
    "countries": Match(countries=frozenset({"IL", "GB"})),
    "accounts": Match(accounts=frozenset({"acme", "other"})),
    "senders": Match(senders=frozenset({"acme ltd"})),
    "priority": Match(priority=Priority.HIGH),
    "all of them": Match(
        prefixes=("97250",),
        countries=frozenset({"IL"}),
        accounts=frozenset({"acme"}),
        senders=frozenset({"acme ltd"}),
        priority=Priority.NORMAL,
    ),
}
FITS = Traits(number=MOBILE, account="acme", sender="Acme LTD", priority=Priority.HIGH)


@pytest.mark.parametrize("which", MATCHES)
def test_a_match_takes_what_it_asks_for(which: str) -> None:
    """One of each list is enough; names of senders count in any case."""
    assert MATCHES[which].fits(FITS)
    assert list(MATCHES[which].against(FITS)) == []


@pytest.mark.parametrize(
    ("which", "traits", "reason"),
    [
        ("prefixes", Traits(number="+972521234567"), "begins with none of 97254, 97250"),
        ("countries", Traits(number="+14165550123"), "of CA, not of GB, IL"),
        ("countries", Traits(number="+80012345678"), "of no single country"),
        ("accounts", Traits(number=MOBILE), "account is not acme or other"),
        ("accounts", Traits(number=MOBILE, account="Acme"), "account is not acme or other"),
        ("senders", Traits(number=MOBILE), "sender is not acme ltd"),
        ("senders", Traits(number=MOBILE, sender="Acme"), "sender is not acme ltd"),
        ("priority", Traits(number=MOBILE), "priority is below high"),
    ],
)
def test_a_match_says_why_not(which: str, traits: Traits, reason: str) -> None:
    """What is asked for and missing is named."""
    (said,) = MATCHES[which].against(traits)
    assert reason in said
    assert not MATCHES[which].fits(traits)


def test_every_reason_is_named() -> None:
    """Not only the first."""
    assert len(list(MATCHES["all of them"].against(Traits(number="+14165550123", priority=Priority.BULK)))) == 5


def test_the_first_route_that_fits_takes_the_text() -> None:
    """In their order; the last one without a condition takes the rest."""
    urgent = Route(name="urgent", carriers=("a",), match=Match(priority=Priority.URGENT))
    israel = Route(name="israel", carriers=("b",), match=Match(countries=frozenset({"IL"})))
    router = Router([urgent, israel, ROUTE])
    assert router.choose(MOBILE, priority=Priority.URGENT) is urgent
    assert router.choose(MOBILE) is israel
    assert router.choose("+442071838750") is ROUTE
    assert router.lanes == ("urgent", "israel", "main")
    assert router.named("israel") is israel


def test_no_route_is_an_error_of_its_own() -> None:
    """Where none has no condition, a text may find none."""
    router = Router([Route(name="1", carriers=("a",), match=Match(accounts=frozenset({"acme"})))])
    assert router.choose(MOBILE, account="acme").name == "1"
    with pytest.raises(NoRoute):
        router.choose(MOBILE, account="other")


def test_one_route_for_all_asks_nothing() -> None:
    """Also for what is no number at all: nobody looks at it."""
    assert Router([ROUTE, ALONE]).choose("") is ROUTE


def test_no_way_out() -> None:
    """A bridge without a carrier is a mistake in the configuration, and the reason says what to add."""
    with pytest.raises(ConfigError, match=r"\[carriers.NAME\]"):
        Router([])
