"""The health of a carrier, told from how its sends end: a machine of pure steps, with time moved by hand."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.model.message import Outcome, Verdict
from bridge.pipeline.health import Endurance, Health, Turn

RULES = Endurance(burst=5, first_rest=5.0, longest_rest=40.0, longest_hold=600.0)
GOOD = Outcome.accepted("1")
REFUSED = Outcome.refused("no such number")
BAD = Outcome.deferred("busy")
LOST = Outcome.unknown("cut")


def wait(seconds: float) -> Outcome:
    """Make an outcome of a carrier that says when to come again."""
    return Outcome.deferred("slow down", retry_after=timedelta(seconds=seconds))


def health(most: int = 16) -> Health:
    """Make the health of a carrier that is well."""
    return Health(most, RULES)


def fell(*, at: float = 100.0, most: int = 16) -> Health:
    """Make one that has just gone down."""
    found = health(most)
    assert [found.note(f"text {place}", BAD, at) for place in range(5)] == [None] * 4 + [Turn.DOWN]
    return found


def probe(found: Health, outcome: Outcome, *, at: float, name: str = "probe") -> Turn | None:
    """Send one text, as a dispatcher does that was allowed one."""
    assert found.allowed(at) == 1
    found.begin(name)
    return found.note(name, outcome, at)


def test_one_that_is_well_is_given_all_it_takes() -> None:
    """Nothing is held back, nothing is waited for, and nobody hears of it."""
    found = health()
    assert [found.note(str(place), GOOD, place) for place in range(100)] == [None] * 100
    assert (found.up, found.allowed(100), found.rests(100), found.until(100), found.share(100)) == (
        True,
        16,
        False,
        None,
        1.0,
    )


@pytest.mark.parametrize("bad", [BAD, LOST])
def test_a_burst_of_bad_ends_takes_it_down(bad: Outcome) -> None:
    """As many texts as are borne, one after the other; told once, with nothing under way until the rest is over."""
    found = health()
    assert [found.note(str(place), bad, 100.0) for place in range(5)] == [None] * 4 + [Turn.DOWN]
    assert (found.up, found.allowed(100.0), found.rests(100.0), found.until(100.0)) == (False, 0, True, 5.0)
    assert [found.note(f"late {place}", bad, 101.0) for place in range(20)] == [None] * 20
    assert found.until(101.0) == 4.0


@pytest.mark.parametrize("good", [GOOD, REFUSED])
def test_a_good_end_forgives(good: Outcome) -> None:
    """Who refuses a text has read it: four bad ends, a good one, and four more are no burst."""
    found = health()
    for place in range(30):
        assert found.note(str(place), good if place % 5 == 4 else BAD, 100.0) is None
    assert found.up
    assert found.allowed(100.0) == 16


def test_refused_texts_are_no_illness() -> None:
    """Any number of them."""
    found = health()
    assert [found.note(str(place), REFUSED, 100.0) for place in range(100)] == [None] * 100
    assert found.share(100.0) == 1.0


def test_one_number_that_is_put_off_again_and_again_is_no_illness() -> None:
    """A burst is of different texts."""
    found = health()
    assert [found.note("the same", BAD, float(place)) for place in range(50)] == [None] * 50
    assert found.up


def test_after_the_rest_one_text_is_tried() -> None:
    """At its very end, not before; what it says decides."""
    found = fell(at=100.0)
    assert [found.allowed(at) for at in (104.999, 105.0)] == [0, 1]
    assert found.rests(105.0)
    assert probe(found, GOOD, at=105.0) is Turn.UP
    assert (found.up, found.rests(105.0), found.until(105.0)) == (True, False, None)


def test_rests_double_until_it_is_well() -> None:
    """Each failed try, up to the longest; and from the first again when it was well in between."""
    found = fell(at=0.0)
    now, rests = 0.0, []
    for _ in range(5):
        rest = found.until(now)
        assert rest is not None
        rests.append(rest)
        now += rest
        assert probe(found, LOST, at=now) is None
    assert rests == [5.0, 10.0, 20.0, 40.0, 40.0]
    now += found.until(now) or 0.0
    assert probe(found, GOOD, at=now) is Turn.UP
    for place in range(100):
        assert found.note(f"fine {place}", GOOD, now) is None
    assert [found.note(str(place), BAD, now) for place in range(5)][-1] is Turn.DOWN
    assert found.until(now) == 5.0


def test_of_one_that_was_down_less_is_borne() -> None:
    """Three bad ends before it is well again, and the next rest is the longer one."""
    found = fell(at=0.0)
    assert probe(found, GOOD, at=5.0) is Turn.UP
    assert [found.note(str(place), BAD, 5.0) for place in range(3)] == [None, None, Turn.DOWN]
    assert found.until(5.0) == 10.0


def test_it_gets_more_with_each_good_end() -> None:
    """One text is under way after the try, and one more for each good end, up to all."""
    found = fell(at=0.0, most=8)
    assert probe(found, GOOD, at=5.0) is Turn.UP
    allowed = []
    for place in range(8):
        allowed.append(found.allowed(5.0))
        found.note(str(place), GOOD, 5.0)
    assert allowed == [2, 3, 4, 5, 6, 7, 8, 8]


def test_what_was_under_way_when_it_fell_decides_nothing() -> None:
    """Only the text that is tried does: neither a late success nor a late failure."""
    found = fell(at=0.0)
    assert found.note("early", GOOD, 1.0) is None
    assert not found.up
    found.begin("probe")
    assert found.note("early", BAD, 5.0) is None
    assert found.allowed(5.0) == 1
    assert found.note("probe", GOOD, 6.0) is Turn.UP


# Carriers that say when to come again.


def test_a_carrier_that_asks_for_time_is_held() -> None:
    """It gets nothing until then, is not down for it, and goes on with half as many texts."""
    found = health(16)
    assert found.note("1", wait(30), 100.0) is None
    assert (found.up, found.allowed(129.999), found.rests(129.999), found.until(100.0)) == (True, 0, True, 30.0)
    assert (found.allowed(130.0), found.rests(130.0), found.until(130.0)) == (8, False, None)


def test_one_wish_counts_once() -> None:
    """All that was under way brings the same word: the longest wait holds, and texts are halved once."""
    found = health(16)
    for place, seconds in enumerate((10, 30, 20, 10, 10, 10, 10)):
        assert found.note(str(place), wait(seconds), 100.0) is None
    assert found.until(100.0) == 30.0
    assert found.allowed(130.0) == 8


def test_it_comes_back_slowly() -> None:
    """One text more under way for each round of good ends."""
    found = health(4)
    found.note("1", wait(1), 0.0)
    assert found.allowed(1.0) == 2
    for place in range(3):
        found.note(str(place), GOOD, 1.0)
    assert found.allowed(1.0) == 3
    for place in range(10):
        found.note(str(place), GOOD, 1.0)
    assert found.allowed(1.0) == 4


def test_who_only_ever_asks_for_time_is_down() -> None:
    """After as many times as are borne, for nothing got through."""
    found = health()
    turns = [found.note(str(place), wait(10), place * 10.0) for place in range(5)]
    assert turns == [None] * 4 + [Turn.DOWN]


@pytest.mark.parametrize("seconds", [10**9, 86_400, 601])
def test_no_word_holds_it_for_ever(seconds: int) -> None:
    """A carrier that asks for a week is asked again after ten minutes."""
    found = health()
    found.note("1", wait(seconds), 0.0)
    assert found.until(0.0) == 600.0


def test_no_time_is_no_wait() -> None:
    """Zero and less hold nothing."""
    found = health()
    found.note("1", wait(0), 0.0)
    found.note("1", wait(-5), 0.0)
    assert found.allowed(0.0) == 16


def test_the_share_falls_with_bad_ends_and_heals_with_time() -> None:
    """Half of what was lost is back after a minute in which nothing happens; it never falls to nothing."""
    found = health()
    for place in range(4):
        found.note(str(place), BAD, 0.0)
    low = found.share(0.0)
    assert low == pytest.approx(0.9**4)
    assert found.share(60.0) == pytest.approx(1 - (1 - low) / 2)
    assert found.share(3_600.0) > 0.999
    for place in range(1_000):
        found.note(str(place), BAD if place % 4 else GOOD, 0.0)
    assert 0 < found.share(0.0) < 0.5


ENDS = st.sampled_from([GOOD, REFUSED, BAD, LOST, wait(3)])


@settings(derandomize=True, max_examples=200, deadline=None)
@given(st.lists(st.tuples(ENDS, st.sampled_from([0.0, 0.5, 4.0, 100.0])), max_size=60), st.integers(1, 20))
def test_whatever_happens(steps: list[tuple[Outcome, float]], most: int) -> None:
    """Never more than all, nothing while it rests, one while it is tried; it always comes back; turns alternate."""
    found, now, turns = health(most), 0.0, []
    for place, (outcome, passed) in enumerate(steps):
        now += passed
        allowed = found.allowed(now)
        assert 0 <= allowed <= most
        assert (allowed == 0) == (found.until(now) is not None)
        if not found.up:
            assert allowed <= 1
        if allowed:
            found.begin(str(place))
        turn = found.note(str(place), outcome, now)
        if turn is not None:
            turns.append(turn)
        assert 0 < found.share(now) <= 1
    assert turns == [Turn.DOWN, Turn.UP] * (len(turns) // 2) + [Turn.DOWN] * (len(turns) % 2)
    for _ in range(most * most + 10):
        now += found.until(now) or 0.0
        found.begin("last")
        found.note("last", GOOD, now)
    assert (found.up, found.allowed(now)) == (True, most)


def test_every_verdict_is_good_or_bad() -> None:
    """A new way for a send to end has to be sorted."""
    for verdict in Verdict:
        found = health()
        turns = [found.note(str(place), Outcome(verdict=verdict), 0.0) for place in range(5)]
        assert (turns[-1] is Turn.DOWN) == (verdict in {Verdict.DEFERRED, Verdict.UNKNOWN})
