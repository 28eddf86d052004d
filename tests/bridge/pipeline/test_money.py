"""Credit along a text's life: reserved when it is taken, given back when it surely was not sent, else spent."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from bridge.model.errors import Conflict, NoCredit
from bridge.model.message import Addressee, Outcome, Report
from bridge.model.moment import to_ms
from bridge.model.price import PriceTable
from bridge.model.state import State
from bridge.pipeline import reports
from bridge.pipeline.commit import Writer
from bridge.pipeline.dispatch import Dispatcher, Pace
from bridge.store import ledger, messages
from bridge.store.engine import Store
from bridge.telemetry import Metrics
from tests.support import texts
from tests.support.carriers import Scripted, until
from tests.support.clock import HandClock
from tests.support.desk import Desk, said
from tests.support.texts import number

A, B, C = (number(index) for index in (1, 2, 3))
LONG = "x" * 161
REFUSED, UNKNOWN, ACCEPTED = Outcome.refused("no"), Outcome.unknown("cut"), Outcome.accepted("c-1")


@pytest.fixture
def desk(any_store: Store, clock: HandClock) -> Desk:
    """A desk with one account that has ten credits."""
    made = Desk(any_store, clock)
    made.account(credit=10_000, limit=0)
    return made


def cancel(desk: Desk, message: str | None, position: int | None = None) -> None:
    """Cancel as an operator does."""
    assert message is not None
    desk.change(lambda connection: messages.cancel(connection, message, position, now=desk.clock.ms))


def settle(desk: Desk, message: str | None, state: State) -> None:
    """Settle as an operator does."""
    assert message is not None
    desk.change(lambda connection: messages.settle(connection, message, None, state=state, now=desk.clock.ms))


def report(desk: Desk, carrier_id: str, state: State) -> bool:
    """Let the carrier report."""
    news = Report(carrier="a", state=state, at=desk.clock(), carrier_id=carrier_id)
    return desk.change(lambda connection: reports.apply(connection, [news], now=desk.clock.ms)[0]) is True


def state(desk: Desk) -> str:
    """Return the state of the only text."""
    (row,) = texts.rows(desk.store)
    return str(row.state)


def told(desk: Desk) -> list[tuple[str, int, int | None]]:
    """Return the ledger after its first entry: kind, amount, position."""
    return [(entry.kind, entry.amount, entry.position) for entry in desk.entries()[1:]]


# Reserved.


def test_a_price_is_reserved_when_the_text_is_taken(desk: Desk) -> None:
    """One entry for a submission, of the sum of its recipients' prices, under its id."""
    receipt = desk.submit(A, Addressee(number=B, text=LONG))
    assert desk.balance() == 7_000
    first, entry = desk.entries()
    assert (first.kind, first.amount, first.message_id) == ("credit", 10_000, None)
    assert (entry.kind, entry.amount, entry.message_id, entry.position) == ("reserve", -3_000, receipt.message_id, None)
    assert entry.created_at == desk.clock.ms
    assert [row.price for row in texts.rows(desk.store)] == [1_000, 2_000]


def test_free_texts_leave_no_entry(desk: Desk) -> None:
    """Where a text costs nothing the ledger says nothing, also when it is refused."""
    desk.operator(prices=PriceTable.of({"default": "0"}))
    desk.submit(A)
    (row,) = desk.claim()
    assert desk.end(row, REFUSED)
    assert told(desk) == []


def test_pending_is_what_may_still_come_back(desk: Desk) -> None:
    """The prices of texts on their way, unknown ones too; of what was sent, refused or cancelled nothing is pending."""

    def pending() -> int:
        return desk.read(lambda connection: ledger.pending(connection, 1))

    assert pending() == 0
    desk.account("other", credit=1_000)
    desk.submit(A, account=2)
    later = desk.submit(C, send_at=desk.clock() + timedelta(hours=1))
    desk.submit(A, Addressee(number=B, text=LONG), C, number(4))
    assert pending() == 6_000
    rows = {row.number: row for row in desk.claim() if row.account_id == 1}
    assert pending() == 6_000
    desk.end(rows[A], ACCEPTED)
    assert pending() == 5_000
    desk.end(rows[B], UNKNOWN)
    assert pending() == 5_000
    desk.end(rows[C], REFUSED)
    assert pending() == 4_000
    cancel(desk, later.message_id)
    assert pending() == 3_000
    settle(desk, rows[B].message_id, State.DELIVERED)
    assert pending() == 1_000
    assert desk.balance() == 10_000 - 1_000 - 2_000 - 1_000


# Given back, once.


def test_refused_by_the_carrier_is_given_back(desk: Desk) -> None:
    """The price of that recipient alone, once, however often the outcome is written."""
    receipt = desk.submit(A, Addressee(number=B, text=LONG))
    one, two = desk.claim()
    assert desk.end(two, REFUSED)
    assert told(desk) == [("reserve", -3_000, None), ("refund", 2_000, 2)]
    assert desk.entries()[-1].message_id == receipt.message_id
    assert not desk.end(two, REFUSED)
    assert not desk.end(two, ACCEPTED)
    assert desk.end(one, ACCEPTED)
    assert desk.balance() == 9_000


def test_what_waits_for_another_try_stays_reserved(desk: Desk) -> None:
    """A deferred text is on its way still; refused at last it is given back, to the full."""
    desk.submit(A)
    for _ in range(3):
        (row,) = desk.claim()
        assert desk.end(row, Outcome.deferred("busy"))
        assert desk.balance() == 9_000
        desk.clock.advance(seconds=3600)
    (row,) = desk.claim()
    desk.end(row, REFUSED)
    assert desk.balance() == 10_000


@pytest.mark.parametrize(("late", "back"), [(-1, 0), (0, 1_000)])
def test_expired_in_the_queue_is_given_back(desk: Desk, late: int, back: int) -> None:
    """From the millisecond in which its lifetime ends a text is not sent, and costs nothing."""
    desk.submit(A, lifetime=timedelta(minutes=5))
    desk.clock.advance(seconds=300, ms=late)
    assert len(desk.claim()) == (0 if back else 1)
    assert desk.balance() == 9_000 + back
    assert state(desk) == (State.EXPIRED if back else State.SENDING)


def test_a_text_that_a_carrier_may_have_does_not_expire(desk: Desk) -> None:
    """In doubt to its end it is unknown, and paid for until somebody says that it never left."""
    desk.submit(A, lifetime=timedelta(minutes=5))
    (row,) = desk.claim()
    desk.end(row, UNKNOWN, takes_own_id=True)
    assert state(desk) == State.QUEUED
    desk.clock.advance(seconds=300)
    assert desk.claim() == []
    assert (state(desk), desk.balance()) == (State.UNKNOWN, 9_000)
    settle(desk, row.message_id, State.REFUSED)
    assert desk.balance() == 10_000


@pytest.mark.parametrize("refunds", [True, False])
@pytest.mark.parametrize("waiting", ["queued", "scheduled", "deferred"])
def test_cancelled_is_given_back_by_the_account_s_setting(desk: Desk, waiting: str, *, refunds: bool) -> None:
    """A text that surely has not left: its price comes back, or stays taken, as the account has it now."""
    desk.setting(refund_cancelled=not refunds)
    later = desk.clock() + timedelta(hours=1) if waiting == "scheduled" else None
    receipt = desk.submit(Addressee(number=A, text=LONG), send_at=later)
    if waiting == "deferred":
        (row,) = desk.claim()
        desk.end(row, Outcome.deferred("busy"))
    desk.setting(refund_cancelled=refunds)
    cancel(desk, receipt.message_id)
    assert state(desk) == State.CANCELLED
    assert desk.balance() == (10_000 if refunds else 8_000)
    assert told(desk)[1:] == ([("refund", 2_000, 1)] if refunds else [])
    with pytest.raises(Conflict):
        cancel(desk, receipt.message_id)
    assert desk.balance() == (10_000 if refunds else 8_000)


def test_cancelling_gives_back_what_was_cancelled(desk: Desk) -> None:
    """Of a message that is partly sent only the rest; one recipient by itself, then those that are left."""
    receipt = desk.submit(A, B, C)
    (row,) = desk.claim(1)
    desk.end(row, ACCEPTED)
    cancel(desk, receipt.message_id, 2)
    assert desk.balance() == 8_000
    cancel(desk, receipt.message_id)
    assert desk.balance() == 9_000
    assert [one.state for one in texts.rows(desk.store)] == [State.SENT, State.CANCELLED, State.CANCELLED]


def test_cancelling_what_a_carrier_may_have_gives_nothing_back(desk: Desk) -> None:
    """It is queued to be asked for again under the same id: cancelled it is, but surely unsent it is not."""
    receipt = desk.submit(A)
    (row,) = desk.claim()
    desk.end(row, UNKNOWN, takes_own_id=True)
    cancel(desk, receipt.message_id)
    assert (state(desk), desk.balance()) == (State.CANCELLED, 9_000)


@pytest.mark.parametrize("said_at_last", [State.SENT, State.DELIVERED, State.UNDELIVERED, State.EXPIRED, State.REFUSED])
def test_settled_as_refused_is_given_back(desk: Desk, said_at_last: State) -> None:
    """Of all that a person may say of an unknown text only one means that it never left."""
    receipt = desk.submit(A)
    (row,) = desk.claim()
    desk.end(row, UNKNOWN)
    settle(desk, receipt.message_id, said_at_last)
    assert desk.balance() == (10_000 if said_at_last is State.REFUSED else 9_000)
    assert not desk.end(row, REFUSED), "a late answer changes nothing that a person settled"
    assert desk.balance() == (10_000 if said_at_last is State.REFUSED else 9_000)


def test_a_late_answer_after_the_lease_gives_back_once(desk: Desk) -> None:
    """Reaped to unknown by another node, the refusal that comes after all is the truth: one refund."""
    receipt = desk.submit(A)
    (row,) = desk.claim()
    texts_unknown = Outcome.unknown("the lease ran out")
    assert desk.end(row, texts_unknown)
    assert desk.end(row, REFUSED)
    assert not desk.end(row, REFUSED)
    with pytest.raises(Conflict):
        settle(desk, receipt.message_id, State.REFUSED)
    assert told(desk)[1:] == [("refund", 1_000, 1)]


@pytest.mark.parametrize("news", [State.UNDELIVERED, State.EXPIRED, State.DELIVERED])
def test_what_left_is_spent(desk: Desk, news: State) -> None:
    """The network did its work: a text that was sent and not delivered, or too late, costs what it cost."""
    desk.submit(A)
    (row,) = desk.claim()
    desk.end(row, ACCEPTED)
    assert report(desk, "c-1", news)
    assert not report(desk, "c-1", news)
    assert (state(desk), desk.balance()) == (news, 9_000)


def test_an_end_that_is_reported_before_the_answer_is_spent(desk: Desk) -> None:
    """A report that says the text ended at the network, while the send is under way, gives nothing back."""
    receipt = desk.submit(A)
    (row,) = desk.claim()
    news = Report(carrier="a", state=State.EXPIRED, at=desk.clock(), recipient_id=f"{receipt.message_id}-1")
    assert desk.change(lambda connection: reports.apply(connection, [news], now=desk.clock.ms)[0])
    assert not desk.end(row, REFUSED)
    assert desk.balance() == 9_000


def test_what_is_given_back_can_be_spent(desk: Desk) -> None:
    """Credit that was used up by texts that never left sends others."""
    desk.submit(*map(number, range(10)))
    assert said(desk.submit(A)) == ["credit_exhausted"]
    desk.end(desk.claim(1)[0], REFUSED)
    assert said(desk.submit(A, B)) == ["queued", "credit_exhausted"]
    assert desk.balance() == 0


def test_the_dispatcher_gives_back(desk: Desk) -> None:
    """With a carrier that refuses one, takes one and loses the answer of one, and one text that is stale."""
    desk.submit(number(9), lifetime=timedelta(seconds=1))
    desk.clock.advance(seconds=1)
    desk.submit(A, B, C)
    answers = {A: REFUSED, B: ACCEPTED, C: UNKNOWN}
    carrier = Scripted(answer=lambda outgoing: answers[outgoing.number])

    async def main() -> None:
        writer = Writer(desk.store)
        dispatcher = Dispatcher(
            store=desk.store,
            writer=writer,
            router=desk.rules.router,
            carriers={"a": carrier},
            owner="me",
            metrics=Metrics(),
            pace=Pace(poll=0.005),
            clock=desk.clock,
        )
        writer.start()
        dispatcher.start()
        ended = {State.REFUSED, State.SENT, State.UNKNOWN, State.EXPIRED}
        await until(lambda: {row.state for row in texts.rows(desk.store)} == ended)
        await dispatcher.stop(grace=10)
        await writer.stop()

    asyncio.run(main())
    assert len(carrier.asked) == 3
    assert desk.balance() == 8_000


# Credit by hand, and what happened.


def test_credit_is_added_and_taken(desk: Desk) -> None:
    """An operator's entries have a note; no more can be taken than is there above the limit, to the thousandth."""

    def credit(amount: int, note: str = "") -> int:
        return desk.change(lambda connection: ledger.credit(connection, 1, amount, note=note, now=desk.clock.ms))

    assert credit(500, "invoice 7") == 10_500
    assert credit(-500) == 10_000
    with pytest.raises(NoCredit):
        credit(-10_001)
    assert credit(-10_000) == 0
    desk.change(lambda connection: ledger.set_limit(connection, 1, None))
    assert credit(-1) == -1
    desk.change(lambda connection: ledger.set_limit(connection, 1, -5))
    assert desk.read(lambda connection: ledger.limit(connection, 1)) == -5
    assert credit(-4) == desk.balance() == -5
    with pytest.raises(NoCredit):
        credit(-1)
    # Adding is always possible, also to a balance that is under its limit.
    desk.change(lambda connection: ledger.set_limit(connection, 1, 100))
    assert credit(10) == desk.balance() == 5
    assert [entry.note for entry in desk.entries()[1:3]] == ["invoice 7", ""]


def test_the_newest_entries_come_first(desk: Desk) -> None:
    """The ledger is shown from its end, as many entries as are asked for."""
    for amount in range(1, 6):
        desk.change(lambda connection, amount=amount: ledger.credit(connection, 1, amount, now=desk.clock.ms))  # type: ignore[misc]
    found = desk.read(lambda connection: ledger.entries(connection, 1, limit=3))
    assert [entry.amount for entry in found] == [5, 4, 3]


def test_a_statement_of_a_period(desk: Desk) -> None:
    """From its first millisecond to just before its end: periods that touch add up, each opens as the last closed."""
    start = desk.clock.ms
    edges = [start, start + 1_000, start + 2_000, start + 3_000]
    desk.clock.advance(ms=999)
    desk.submit(A, B)
    desk.clock.advance(ms=1)
    desk.end(desk.claim(1)[0], REFUSED)
    desk.change(lambda connection: ledger.credit(connection, 1, 250, now=desk.clock.ms))
    desk.clock.advance(ms=1_000)
    desk.submit(C)
    desk.change(lambda connection: ledger.credit(connection, 1, -50, now=desk.clock.ms))

    def statement(since: int, until: int) -> ledger.Statement:
        return desk.read(lambda connection: ledger.statement(connection, 1, since=since, until=until))

    found = [statement(since, until) for since, until in pairwise(edges)]
    assert [_figures(one) for one in found] == [
        {"opening": 0, "added": 10_000, "reserved": 2_000, "refunded": 0, "closing": 8_000},
        {"opening": 8_000, "added": 250, "reserved": 0, "refunded": 1_000, "closing": 9_250},
        {"opening": 9_250, "added": -50, "reserved": 1_000, "refunded": 0, "closing": 8_200},
    ]
    assert all(one.opening + one.added - one.spent == one.closing for one in found)
    whole = statement(edges[0], edges[-1])
    assert _figures(whole) == {"opening": 0, "added": 10_200, "reserved": 3_000, "refunded": 1_000, "closing": 8_200}
    assert whole.closing == desk.balance()
    assert _figures(statement(edges[-1], edges[-1] + 1)) == {
        "opening": 8_200,
        "added": 0,
        "reserved": 0,
        "refunded": 0,
        "closing": 8_200,
    }


def test_statements_are_each_account_s_own(desk: Desk) -> None:
    """What another account does is in no other one's statement."""
    desk.account("other", credit=700)
    desk.submit(A, account=2)
    day = datetime(2030, 1, 1, tzinfo=UTC)
    since, until = (to_ms(day + timedelta(days=days)) for days in (0, 1))
    found = [
        desk.read(lambda connection, who=who: ledger.statement(connection, who, since=since, until=until))  # type: ignore[misc]
        for who in (1, 2)
    ]
    assert [one.closing for one in found] == [10_000, -300]


def _figures(one: ledger.Statement) -> dict[str, Any]:
    return {name: getattr(one, name) for name in ("opening", "added", "reserved", "refunded", "closing")}
