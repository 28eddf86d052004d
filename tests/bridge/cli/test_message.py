"""What was taken, as an operator sees it, and the moves that only a person makes; on each database."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from bridge.model.errors import Conflict
from bridge.model.state import MOVES, State
from bridge.store import events, messages, queue
from bridge.store.engine import Store
from tests.bridge.cli.conftest import Desk
from tests.support.clock import HandClock
from tests.support.texts import add_account, make_plan, number, put, row

_CANCELLABLE = {State.HELD, State.SCHEDULED, State.QUEUED}


@pytest.fixture
def counter(bare_desk: Desk, any_url: str, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A desk on a database of each kind."""
    monkeypatch.setenv("SMSBRIDGE_DATABASE", any_url)
    return bare_desk


def _take(store: Store, clock: HandClock, *states: State, account: int = 1, **columns: Any) -> str:
    """Take a message whose recipients are in these states."""
    plan = make_plan(clock, [(number(index), None) for index in range(len(states))], account_id=account)
    put(store, plan)
    with store.write() as connection:
        changes = [
            queue.Change(message_id=plan.message.id, position=position, state=state, **columns)
            for position, state in enumerate(states, start=1)
        ]
        queue.record(connection, changes, owner=None, now=clock.ms)
    return plan.message.id


def _states(desk: Desk, message_id: str) -> list[str]:
    return [one["state"] for one in desk.call("message", "show", message_id, "--json").json["recipients"]]


def test_the_list_has_the_shape_of_the_contract(counter: Desk, any_store: Store, clock: HandClock) -> None:
    """Newest first, each message with just these keys, its recipients in their order."""
    add_account(any_store)
    first = _take(any_store, clock, State.SENT, carrier="sandbox", carrier_id="c1")
    clock.advance(seconds=1)
    second = _take(any_store, clock, State.QUEUED, State.DELIVERED)
    assert counter.call("message", "list", "--json").json == [
        {
            "id": second,
            "account": "acme",
            "door": "test",
            "state": "queued",
            "created_at": "2030-01-01T12:00:01.000Z",
            "recipients": [
                {"number": number(0), "state": "queued", "parts": 1, "carrier": None, "carrier_id": None},
                {"number": number(1), "state": "delivered", "parts": 1, "carrier": None, "carrier_id": None},
            ],
        },
        {
            "id": first,
            "account": "acme",
            "door": "test",
            "state": "sent",
            "created_at": "2030-01-01T12:00:00.000Z",
            "recipients": [
                {"number": number(0), "state": "sent", "parts": 1, "carrier": "sandbox", "carrier_id": "c1"}
            ],
        },
    ]


def test_the_list_is_filtered_before_it_is_cut(counter: Desk, any_store: Store, clock: HandClock) -> None:
    """--account, --state and --limit together: a limit counts only what fits."""
    acme, other = add_account(any_store), add_account(any_store, "other")
    mine = [_take(any_store, clock, State.SENT, account=acme) for _ in range(3)]
    _take(any_store, clock, State.QUEUED, account=acme)
    _take(any_store, clock, State.SENT, account=other)
    listed = counter.call("message", "list", "--account", "acme", "--state", "sent", "--limit", "2", "--json").json
    assert [message["id"] for message in listed] == [mine[2], mine[1]]
    assert counter.call("message", "list", "--state", "gone").code == 2
    assert counter.call("message", "list", "--limit", "0").code == 2


@pytest.mark.parametrize("state", list(State))
def test_a_state_finds_what_the_list_shows_in_it(store: Store, clock: HandClock, state: State) -> None:
    """For every pair of states of two recipients: --state finds a message exactly if that is its own state."""
    add_account(store)
    for one in State:
        for other in State:
            _take(store, clock, one, other)
    with store.read() as connection:
        every = messages.newest(connection, limit=1000)
        found = messages.newest(connection, state=state, limit=1000)
    assert len(every) == len(State) ** 2
    assert [message.id for message in found] == [message.id for message in every if message.state is state]


def test_a_person_reads_a_table(counter: Desk, any_store: Store, clock: HandClock) -> None:
    """A line for each message; of many recipients only the first are named."""
    add_account(any_store)
    message_id = _take(any_store, clock, *[State.QUEUED] * 5)
    line = counter.call("message", "list").out.splitlines()[1]
    assert line.split() == [
        message_id, "2030-01-01T12:00:00.000Z", "acme", "test", "queued", "1",
        f"{number(0)},", f"{number(1)},", number(2), "and", "2", "more",
    ]  # fmt: skip


def test_a_message_is_shown_with_all_that_happened(counter: Desk, any_store: Store, clock: HandClock) -> None:
    """`show` has the text, the carrier's words and the events, as JSON and as text."""
    add_account(any_store)
    message_id = _take(any_store, clock, State.REFUSED, reason="no such number", raw="E17", carrier="main")
    with any_store.write() as connection:
        data = {"carrier": "main", "attempt": 1, "reason": ""}
        events.add(connection, [(1, "refused", message_id, 1, data)], now=clock.ms)
    shown = counter.call("message", "show", message_id, "--json").json
    assert (shown["text"], shown["origin"], shown["state"]) == ("Your table is ready", "ann@example.com", "refused")
    (one,) = shown["recipients"]
    assert (one["id"], one["reason"], one["raw"]) == (f"{message_id}-1", "no such number", "E17")
    assert shown["events"] == [{"at": "2030-01-01T12:00:00.000Z", "kind": "refused", "recipient": 1, "data": data}]
    told = counter.call("message", "show", message_id).out
    for part in (message_id, "  Your table is ready", "no such number", "carrier=main, attempt=1"):
        assert part in told


@pytest.mark.parametrize("verb", [("show",), ("cancel",), ("retry",), ("settle", "--state", "sent")])
def test_a_message_that_is_not_there(counter: Desk, any_store: Store, clock: HandClock, verb: tuple[str, ...]) -> None:
    """An id of nothing, of a message or of a recipient, is named."""
    assert counter.call("message", *verb, "0" * 26).error == f"no message has the id {'0' * 26}"
    if verb != ("show",):
        add_account(any_store)
        message_id = _take(any_store, clock, State.UNKNOWN)
        assert counter.call("message", *verb, f"{message_id}-2").error.endswith("has no recipient 2")
        assert counter.call("message", *verb, "x-y").error == "no message has the id x-y"


@pytest.mark.parametrize("state", list(State))
def test_only_what_has_not_left_is_cancelled(store: Store, clock: HandClock, state: State) -> None:
    """Held, scheduled and queued recipients; any other state stays, and the refusal says which it is."""
    add_account(store)
    message_id = _take(store, clock, state)
    with store.write() as connection:
        cancel = partial(messages.cancel, connection, message_id, None, now=clock.ms)
        _tries(cancel, allowed=state in _CANCELLABLE, state=state)
    assert row(store, message_id).state == (State.CANCELLED if state in _CANCELLABLE else state)


@pytest.mark.parametrize("state", list(State))
def test_only_what_is_unknown_is_sent_again(store: Store, clock: HandClock, state: State) -> None:
    """In any other state a carrier has it now, or it is settled."""
    add_account(store)
    message_id = _take(store, clock, state)
    with store.write() as connection:
        retry = partial(messages.retry, connection, message_id, None, now=clock.ms)
        _tries(retry, allowed=state is State.UNKNOWN, state=state)
    assert row(store, message_id).state == (State.QUEUED if state is State.UNKNOWN else state)


@pytest.mark.parametrize("to", list(State))
def test_what_is_unknown_is_settled_as_the_table_allows(
    counter: Desk, any_store: Store, clock: HandClock, to: State
) -> None:
    """A person says where it is; that it is queued is for `retry`, and what the table has not is wrong usage."""
    add_account(any_store)
    message_id = _take(any_store, clock, State.UNKNOWN)
    settled = counter.call("message", "settle", message_id, "--state", to, "--json")
    if to in MOVES[State.UNKNOWN] - {State.QUEUED}:
        assert settled.json == [{"id": f"{message_id}-1", "number": number(0), "before": "unknown", "state": to}]
        assert _states(counter, message_id) == [to]
        assert "this needs unknown" in counter.call("message", "settle", message_id, "--state", "sent").error
    else:
        assert settled.code == 2
        assert _states(counter, message_id) == ["unknown"]


def test_a_move_leaves_the_other_recipients(counter: Desk, any_store: Store, clock: HandClock) -> None:
    """A message is moved as far as it may be, one recipient alone by its own id; each move is an event."""
    add_account(any_store)
    message_id = _take(any_store, clock, State.QUEUED, State.SENT, State.QUEUED)
    assert counter.call("message", "cancel", f"{message_id}-3").code == 0
    assert _states(counter, message_id) == ["queued", "sent", "cancelled"]
    moved = counter.call("message", "cancel", message_id, "--json").json
    assert [(one["before"], one["state"]) for one in moved] == [
        ("queued", "cancelled"),
        ("sent", "sent"),
        ("cancelled", "cancelled"),
    ]
    told = counter.call("message", "cancel", message_id).error
    assert told == f"{message_id} is cancelled, sent; this needs held or scheduled or queued"
    shown = counter.call("message", "show", message_id, "--json").json["events"]
    assert [(event["kind"], event["recipient"], event["data"]["before"]) for event in shown] == [
        ("cancelled", 3, "queued"),
        ("cancelled", 1, "queued"),
    ]


def test_what_is_sent_again_can_be_sent(any_store: Store, clock: HandClock) -> None:
    """A day later it is due at once for a whole lifetime, no longer bound to one carrier, but with it first."""
    add_account(any_store)
    message_id = _take(any_store, clock, State.UNKNOWN, carrier="main", in_doubt=True)
    clock.advance(seconds=3 * 86_400)
    with any_store.write() as connection:
        messages.retry(connection, message_id, None, now=clock.ms)
    asked: list[tuple[str | None, bool]] = []

    def choose(_name: str, named: str | None, in_doubt: bool) -> str | None:  # noqa: FBT001 - the queue's signature
        asked.append((named, in_doubt))
        return named

    with any_store.write() as connection:
        (claimed,) = queue.claim(
            connection, lane="1", limit=10, owner="me", now=clock.ms, until=clock.ms + 1000, carrier=choose
        )
    assert asked == [("main", False)]
    assert (claimed.message_id, claimed.position) == (message_id, 1)
    assert claimed.expires_at == clock.ms + 86_400_000


def test_a_longer_lifetime_is_not_cut(store: Store, clock: HandClock) -> None:
    """Sending again never brings the end of a text nearer."""
    add_account(store)
    message_id = _take(store, clock, State.UNKNOWN)
    before = row(store, message_id).expires_at
    with store.write() as connection:
        messages.retry(connection, message_id, None, now=clock.ms - 5000)
    assert row(store, message_id).expires_at == before


def _tries(move: partial[list[messages.Move]], *, allowed: bool, state: State) -> None:
    if allowed:
        assert all(one.made for one in move())
    else:
        with pytest.raises(Conflict, match=f"is {state}; this needs"):
            move()
