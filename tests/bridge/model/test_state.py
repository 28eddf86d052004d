"""The states and their moves."""

from __future__ import annotations

from itertools import combinations

import pytest

from bridge.model.state import FINAL, MOVES, State, may_move, summary

LATE_TRUTH = {
    State.UNKNOWN: {State.QUEUED, State.SENT, State.DELIVERED, State.UNDELIVERED, State.EXPIRED, State.REFUSED},
    State.UNDELIVERED: {State.DELIVERED},
    State.EXPIRED: {State.DELIVERED},
}
"""The three doors out of a final state: a person or a report settles unknown, and the network delivers after all."""


def test_every_state_has_its_moves() -> None:
    """The table is total, and names no state that is not one."""
    assert set(MOVES) == set(State)
    assert set().union(*MOVES.values()) <= set(State)


def test_no_state_moves_to_itself() -> None:
    """A move is a change: double reports are none."""
    assert not any(may_move(state, state) for state in State)


def test_nothing_leaves_a_final_state_but_late_truth() -> None:
    """Of the final states only three have a way out, and those are the documented ones."""
    assert {state: set(MOVES[state]) for state in FINAL if MOVES[state]} == LATE_TRUTH


def test_every_other_state_goes_on() -> None:
    """What is not final can still come to an end."""
    for state in set(State) - FINAL:
        reached, before = {state}, set[State]()
        while reached != before:
            before = set(reached)
            reached |= {to for one in before for to in MOVES[one]}
        assert reached & FINAL, state


def test_no_move_begins_anew() -> None:
    """Nothing becomes held again, and only what is surely not out, or what nobody knows of, is queued again."""
    assert not any(State.HELD in moves for moves in MOVES.values())
    assert {state for state in State if State.QUEUED in MOVES[state]} == {
        State.HELD,
        State.SCHEDULED,
        State.SENDING,
        State.UNKNOWN,
    }


def test_cancelling_is_for_what_has_not_left() -> None:
    """What a carrier may have cannot be cancelled."""
    assert {state for state in State if State.CANCELLED in MOVES[state]} == {State.HELD, State.SCHEDULED, State.QUEUED}


def test_a_summary_is_total() -> None:
    """Every mixture of states has a summary, one of them, whatever their order and number."""
    states = list(State)
    for size in range(1, len(states) + 1):
        for chosen in combinations(states, size):
            found = summary(chosen)
            assert found in chosen
            assert summary([*reversed(chosen), *chosen]) is found


def test_a_summary_is_the_least_settled() -> None:
    """A message is final only when all of it is; delivered only when all of it was delivered."""
    states = list(State)
    for one in states:
        for other in states:
            found = summary((one, other))
            if (one in FINAL) is not (other in FINAL) and State.UNKNOWN not in {one, other}:
                assert found not in FINAL
            if found is State.DELIVERED:
                assert one is other is State.DELIVERED


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ([State.DELIVERED, State.REFUSED], State.REFUSED),
        ([State.SENT, State.DELIVERED, State.UNDELIVERED], State.SENT),
        ([State.UNKNOWN, State.SENT], State.UNKNOWN),
        ([State.QUEUED, State.UNKNOWN], State.QUEUED),
        ([State.CANCELLED, State.DELIVERED], State.CANCELLED),
    ],
)
def test_summaries(states: list[State], expected: State) -> None:
    """Open work comes first, then what a person has to look at, then the worst news."""
    assert summary(states) is expected
