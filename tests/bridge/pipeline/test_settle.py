"""What an outcome makes of a row: one table, over everything that it depends on."""

from __future__ import annotations

from datetime import timedelta
from itertools import product
from typing import Any

import pytest

from bridge.model.message import Outcome, Verdict
from bridge.model.state import State, may_move
from bridge.pipeline.retry import Backoff
from bridge.pipeline.routing import Route
from bridge.pipeline.settle import settle
from bridge.store.queue import Change, Claimed

NOW = 1_000_000
EXPIRES = NOW + 3_600_000
ROUTE = Route(name="1", carriers=("a", "b"))
BACKOFF = Backoff(first=timedelta(seconds=8), ceiling=timedelta(minutes=1), jitter=0.5)
LATER = NOW + 8_000

# verdict, takes own id, in doubt, carrier is the last: the state, and for queued rows when, with whom, in doubt or not.
TABLE = {
    **{
        ("accepted", *rest): (State.SENT, None, None, None)
        for rest in product((False, True), (False, True), (False, True))
    },
    **{
        ("refused", *rest): (State.REFUSED, None, None, None)
        for rest in product((False, True), (False, True), (False, True))
    },
    ("deferred", False, False, False): (State.QUEUED, NOW, "b", False),
    ("deferred", False, False, True): (State.QUEUED, LATER, "a", False),
    ("deferred", False, True, False): (State.QUEUED, LATER, "a", True),
    ("deferred", False, True, True): (State.QUEUED, LATER, "b", True),
    ("deferred", True, False, False): (State.QUEUED, NOW, "b", False),
    ("deferred", True, False, True): (State.QUEUED, LATER, "a", False),
    ("deferred", True, True, False): (State.QUEUED, LATER, "a", True),
    ("deferred", True, True, True): (State.QUEUED, LATER, "b", True),
    ("unknown", False, False, False): (State.UNKNOWN, None, None, None),
    ("unknown", False, False, True): (State.UNKNOWN, None, None, None),
    ("unknown", False, True, False): (State.UNKNOWN, None, None, None),
    ("unknown", False, True, True): (State.UNKNOWN, None, None, None),
    ("unknown", True, False, False): (State.QUEUED, LATER, "a", True),
    ("unknown", True, False, True): (State.QUEUED, LATER, "b", True),
    ("unknown", True, True, False): (State.QUEUED, LATER, "a", True),
    ("unknown", True, True, True): (State.QUEUED, LATER, "b", True),
}


def claimed(
    *, carrier: str | None = "a", in_doubt: bool = False, attempt: int = 1, expires_at: int = EXPIRES
) -> Claimed:
    """Make a row that a carrier was asked with."""
    return Claimed(
        message_id="m",
        position=2,
        account_id=1,
        number="+972502345678",
        text="hello",
        encoding="gsm7",
        sender=None,
        parts=1,
        attempt=attempt,
        carrier=carrier,
        in_doubt=in_doubt,
        lane="1",
        price=500,
        created_at=0,
        expires_at=expires_at,
    )


def settled(outcome: Outcome, row: Claimed, *, takes_own_id: bool = False, route: Route = ROUTE) -> Change:
    """Ask the table."""
    return settle(outcome, row=row, route=route, takes_own_id=takes_own_id, backoff=BACKOFF, chance=0.0, now=NOW)


def test_the_table_is_total() -> None:
    """Every verdict, whatever else holds, has a line."""
    assert set(TABLE) == set(product(Verdict, (False, True), (False, True), (False, True)))


@pytest.mark.parametrize("case", TABLE, ids=lambda case: "-".join(map(str, case)))
def test_settle(case: tuple[str, bool, bool, bool]) -> None:
    """The state; and for what is queued again, when and with whom."""
    verdict, takes_own_id, in_doubt, last = case
    row = claimed(carrier="b" if last else "a", in_doubt=in_doubt)
    change = settled(Outcome(verdict=Verdict(verdict)), row, takes_own_id=takes_own_id)
    state, due_at, carrier, doubt = TABLE[case]
    assert may_move(State.SENDING, change.state)
    assert (change.state, change.due_at, change.attempt) == (state, due_at, 1)
    assert (change.message_id, change.position) == ("m", 2)
    if state is State.QUEUED:
        assert (change.carrier, change.in_doubt) == (carrier, doubt)
    else:
        assert change.carrier == row.carrier


def test_what_the_carrier_said_is_kept() -> None:
    """Id, reason and raw answer go to the row; what was not said overwrites nothing."""
    said = settled(Outcome(verdict=Verdict.ACCEPTED, carrier_id="7", reason="fine", raw="OK 7"), claimed())
    assert (said.carrier_id, said.reason, said.raw) == ("7", "fine", "OK 7")
    silent = settled(Outcome.accepted(None), claimed())
    assert (silent.carrier_id, silent.reason, silent.raw) == (None, None, None)


@pytest.mark.parametrize(
    ("attempt", "asked", "waits"),
    [(2, None, 8), (3, None, 8), (4, None, 16), (8, None, 60), (2, 5, 8), (2, 30, 30), (2, 90, 60), (400, None, 60)],
)
def test_waits_grow_with_the_rounds(attempt: int, asked: int | None, waits: int) -> None:
    """After the last carrier of each round; a longer wait that the carrier asked for counts, up to the longest."""
    wish = None if asked is None else timedelta(seconds=asked)
    change = settled(Outcome.deferred("busy", retry_after=wish), claimed(carrier="b", attempt=attempt))
    assert change.due_at == NOW + waits * 1_000


@pytest.mark.parametrize("outcome", [Outcome.deferred("busy"), Outcome.unknown("cut")])
def test_no_wait_beyond_the_lifetime(outcome: Outcome) -> None:
    """A text that would be tried after its end comes back at its end, to expire on time."""
    row = claimed(carrier="b", expires_at=NOW + 10)
    assert settled(outcome, row, takes_own_id=True).due_at == NOW + 10


@pytest.mark.parametrize("carrier", ["gone", None])
def test_a_carrier_that_left_the_route_counts_as_the_last(carrier: str | None) -> None:
    """What it deferred waits, and begins with the first one."""
    change = settled(Outcome.deferred("busy"), claimed(carrier=carrier))
    assert (change.due_at, change.carrier) == (LATER, "a")


def test_one_that_rests_is_not_the_next() -> None:
    """It would send the text back at once, try after try: a text waits as after the last one."""

    def after(*resting: str) -> tuple[int | None, str | None]:
        change = settle(
            Outcome.deferred("busy"),
            row=claimed(),
            route=Route(name="1", carriers=("a", "b", "c")),
            takes_own_id=False,
            backoff=BACKOFF,
            chance=0.0,
            now=NOW,
            resting=resting,
        )
        return change.due_at, change.carrier

    assert after("b") == (NOW, "c")
    assert after("b", "c") == (LATER, "a")
    assert after("a") == (NOW, "b")


@pytest.mark.parametrize(
    ("outcome", "takes_own_id", "ask_at"),
    [
        (Outcome.accepted("1"), False, NOW + 30_000),
        (Outcome.unknown("cut"), False, NOW + 30_000),
        (Outcome.unknown("cut"), True, None),
        (Outcome.refused("no"), False, None),
        (Outcome.deferred("busy"), False, None),
    ],
)
def test_what_is_asked_about_later(outcome: Outcome, ask_at: int | None, *, takes_own_id: bool) -> None:
    """What the carrier has or may have, and is not sent again; only of a carrier that is asked."""
    more: dict[str, Any] = {"row": claimed(), "route": ROUTE, "backoff": BACKOFF, "chance": 0.0, "now": NOW}
    assert settle(outcome, takes_own_id=takes_own_id, asks=True, **more).ask_at == ask_at
    assert settle(outcome, takes_own_id=takes_own_id, **more).ask_at is None


def test_one_carrier_is_asked_again_after_a_wait() -> None:
    """With nobody else to ask, each try is a round."""
    change = settled(Outcome.deferred("busy"), claimed(attempt=2), route=Route(name="1", carriers=("a",)))
    assert (change.due_at, change.carrier) == (NOW + 16_000, "a")
