"""Texts that a change of the configuration left behind: they find their new route, or wait for one."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bridge.model.message import Priority
from bridge.model.state import State
from bridge.pipeline import upkeep
from bridge.pipeline.claim import Table, claim_batch, expire
from bridge.pipeline.routing import Match, Route, Router
from bridge.pipeline.upkeep import PARKED, Kept, keep_leases
from bridge.store import queue
from bridge.store.engine import Store
from tests.support import texts
from tests.support.clock import HandClock

ACME = Route(name="acme", carriers=("a",), match=Match(accounts=frozenset({"acme"}), priority=Priority.NORMAL))
BULK = Route(name="bulk", carriers=("a",), match=Match(senders=frozenset({"news"})))
REST = Route(name="rest", carriers=("a",))


@pytest.fixture(autouse=True)
def account(any_store: Store) -> None:
    """Every store of these tests has an account."""
    texts.add_account(any_store)


def put(store: Store, clock: HandClock, **options: object) -> str:
    """Queue a text in a lane of an older configuration."""
    plan = texts.make_plan(clock, **{"lane": "old", **options})  # type: ignore[arg-type]
    texts.put(store, plan)
    return plan.message.id


def keep(store: Store, *routes: Route, start: bool = False) -> Kept:
    """Do what the keeper does, at its start or later."""
    with store.write() as connection:
        return keep_leases(
            connection,
            store=store,
            router=Router(routes),
            takes_own_id={},
            owner="me",
            lease=30.0,
            unpark=start,
        )


def lanes(store: Store) -> list[str]:
    """Return the lane of each text."""
    return [row.lane for row in texts.rows(store)]


def test_texts_of_a_lane_that_is_gone_are_routed_anew(any_store: Store, clock: HandClock) -> None:
    """By all that a route is chosen by: number, account, sender, priority. Those of lanes that are there stay."""
    put(any_store, clock)
    put(any_store, clock, priority=Priority.BULK, sender="News")
    put(any_store, clock, priority=Priority.BULK)
    put(any_store, clock, lane="rest")
    assert keep(any_store, ACME, BULK, REST) == Kept(queued=3)
    assert lanes(any_store) == ["acme", "bulk", "rest", "rest"]
    assert keep(any_store, ACME, BULK, REST) == Kept(queued=0)


def test_texts_without_a_route_wait_for_one(any_store: Store, clock: HandClock) -> None:
    """They are parked, once, and tried again at the next start."""
    put(any_store, clock, priority=Priority.BULK)
    put(any_store, clock)
    assert keep(any_store, ACME) == Kept(queued=1, parked=1)
    assert lanes(any_store) == [PARKED, "acme"]
    assert keep(any_store, ACME) == Kept(queued=0)
    assert keep(any_store, ACME, start=True) == Kept(queued=0, parked=1)
    assert keep(any_store, ACME, REST, start=True) == Kept(queued=1)
    assert lanes(any_store) == ["rest", "acme"]


def test_it_says_when_there_are_more(any_store: Store, clock: HandClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long queue is moved in pieces, one after the other."""
    monkeypatch.setattr(upkeep, "_REAP_BATCH", 2)
    for _ in range(5):
        put(any_store, clock)
    assert [keep(any_store, REST) for _ in range(3)] == [
        Kept(queued=2, more=True),
        Kept(queued=2, more=True),
        Kept(queued=1),
    ]
    assert set(lanes(any_store)) == {"rest"}


def test_parked_texts_expire(any_store: Store, clock: HandClock) -> None:
    """On time, to the millisecond: nobody claims them."""
    put(any_store, clock, lane=PARKED, lifetime=timedelta(minutes=1))
    put(any_store, clock, lane=PARKED)

    def stale() -> tuple[bool, int]:
        with any_store.write() as connection:
            found = queue.is_stale(connection, lane=PARKED, now=clock.ms)
            return found, expire(connection, store=any_store, lane=PARKED, owner="me", lease=30.0, limit=10)

    clock.advance(ms=59_999)
    assert stale() == (False, 0)
    clock.advance(ms=1)
    assert stale() == (True, 1)
    assert [row.state for row in texts.rows(any_store)] == [State.EXPIRED, State.QUEUED]
    assert stale() == (False, 0)


def test_a_text_that_changed_its_route_keeps_to_who_may_have_it(any_store: Store, clock: HandClock) -> None:
    """A carrier that another route has may have it: it stays with that one, and the new route's are not asked."""
    message = put(any_store, clock, lane="rest")
    with any_store.write() as connection:
        table = Table(route=Route(name="rest", carriers=("b",)), known={"b", "a"})
        (row,) = claim_batch(connection, store=any_store, table=table, limit=5, owner="me", lease=30.0)
        change = queue.Change(
            message_id=message, position=1, state=State.QUEUED, attempt=1, due_at=clock.ms, in_doubt=True
        )
        queue.record(connection, [change], owner="me", now=clock.ms)
        assert row.carrier == "b"
        table = Table(route=REST, known={"b", "a"})
        (row,) = claim_batch(connection, store=any_store, table=table, limit=5, owner="me", lease=30.0)
        assert (row.carrier, row.in_doubt) == ("b", True)
