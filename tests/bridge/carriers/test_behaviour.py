"""Behaviours are read as documented, or refused with what is allowed."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.carriers.sandbox import behaviour
from bridge.carriers.sandbox.behaviour import Answer, Behaviour, Later
from bridge.model.state import State

SECOND = timedelta(seconds=1)

READ = {
    "accept": Behaviour(),
    " accept ": Behaviour(),
    "refuse": Behaviour(answer=Answer.REFUSE),
    "defer": Behaviour(answer=Answer.DEFER),
    "defer 30s": Behaviour(answer=Answer.DEFER, retry_after=30 * SECOND),
    "defer 2 times": Behaviour(answer=Answer.DEFER, times=2),
    "defer 1.5m 1 time": Behaviour(answer=Answer.DEFER, times=1, retry_after=90 * SECOND),
    "lose": Behaviour(answer=Answer.LOSE),
    "lose 1 times": Behaviour(answer=Answer.LOSE, times=1),
    "lose unsent": Behaviour(answer=Answer.LOSE_UNSENT),
    "lose  unsent 3 times": Behaviour(answer=Answer.LOSE_UNSENT, times=3),
    "delay 100ms": Behaviour(delay=SECOND / 10),
    "slow 2 s; delay 1s": Behaviour(slow=2 * SECOND, delay=SECOND),
    "slow 24h": Behaviour(slow=timedelta(hours=24)),
    "delivered": Behaviour(later=(Later(after=SECOND, state=State.DELIVERED),)),
    "undelivered after 0s,delivered after 5m": Behaviour(
        later=(
            Later(after=timedelta(0), state=State.UNDELIVERED),
            Later(after=300 * SECOND, state=State.DELIVERED),
        )
    ),
    "lose 1 times, expired after 2s": Behaviour(
        answer=Answer.LOSE, times=1, later=(Later(after=2 * SECOND, state=State.EXPIRED),)
    ),
    "defer 1 times, delivered": Behaviour(
        answer=Answer.DEFER, times=1, later=(Later(after=SECOND, state=State.DELIVERED),)
    ),
    "reply Thanks! after 2s": Behaviour(later=(Later(after=2 * SECOND, text="Thanks!"),)),
    "reply see you after lunch": Behaviour(later=(Later(after=SECOND, text="see you after lunch"),)),
    'reply "No, not; after 1s" after 3s, delay 1s': Behaviour(
        delay=SECOND, later=(Later(after=3 * SECOND, text="No, not; after 1s"),)
    ),
    'reply "two\nlines"': Behaviour(later=(Later(after=SECOND, text="two\nlines"),)),
}

REFUSED = {
    "": "is not understood",
    "dance": "is not understood",
    "Accept": "is not understood",
    "accept,": "is not understood",
    "refuse 2 times": "is not understood",
    "defer 0 times": "is not understood",
    "delay": "is not understood",
    "delay 2": "is not understood",
    "delay -1s": "is not understood",
    "delay 1y": "is not understood",
    "delay 1..5s": "time span",
    "delay 25h": "at most 24h",
    "defer 2d": "at most 24h",
    "defer 99999999d": "at most|span",
    'reply "': "is not understood",
    'reply ""': "is not understood",
    "reply": "is not understood",
    "accept, refuse": "contradicts",
    "lose; lose": "contradicts",
    "delay 1s, delay 2s": "contradicts",
    "refuse, delivered": "after 'refuse'",
    "defer, reply hi": "after 'defer'",
    "lose unsent, undelivered": "after 'lose unsent'",
}


@pytest.mark.parametrize("written", READ)
def test_reads_clauses(written: str) -> None:
    """Every form of a clause, alone and with others, means what the module's docstring says."""
    assert Behaviour.read(written) == READ[written]


@pytest.mark.parametrize("written", REFUSED)
def test_refuses_the_rest(written: str) -> None:
    """What is no clause, or contradicts another, is refused with a reason."""
    with pytest.raises(ValueError, match=REFUSED[written]):
        Behaviour.read(written)


def test_says_what_is_allowed() -> None:
    """A refusal names every clause that the module's docstring lists."""
    with pytest.raises(ValueError, match="allowed") as caught:
        Behaviour.read("dance")
    documented = re.findall(r"^    ([a-z]+)", behaviour.__doc__ or "", re.MULTILINE)
    assert {"accept", "reply"} <= set(documented)
    assert [word for word in documented if word not in str(caught.value)] == []


@given(st.one_of(st.text(), st.from_regex(r"(defer|delay|lose|reply|delivered) [0-9a-z.]{0,12}( after [0-9]+[a-z]+)?")))
def test_any_string_is_read_or_refused(written: str) -> None:
    """No string makes it fail in another way than ValueError."""
    try:
        assert isinstance(Behaviour.read(written), Behaviour)
    except ValueError as error:
        assert str(error)  # noqa: PT017 - both ends are right


@pytest.mark.parametrize("value", [None, 5, True, ["accept"], {"accept": 1}])
def test_refuses_other_types(value: object) -> None:
    """Only a string is a behaviour."""
    with pytest.raises(ValueError, match="as a string"):
        Behaviour.read(value)
