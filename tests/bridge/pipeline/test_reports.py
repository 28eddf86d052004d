"""News from carriers: whatever comes, in whatever order, the table of moves decides."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from bridge.model.errors import UnmatchedReport
from bridge.model.message import Inbound, Report, recipient_id
from bridge.model.state import State, may_move
from bridge.pipeline import reports
from bridge.pipeline.commit import Writer
from bridge.pipeline.reports import News
from bridge.store import queue
from bridge.store.engine import Store
from bridge.store.queue import Change
from bridge.store.tables import events
from bridge.telemetry import Metrics
from tests.support import texts
from tests.support.clock import START, HandClock
from tests.support.texts import make_plan, put

REPORTED = [State.SENT, State.DELIVERED, State.UNDELIVERED, State.EXPIRED]


def sent(store: Store, clock: HandClock, *, state: State = State.SENT, carrier_id: str | None = "x-1") -> str:
    """Make a text that carrier ``a`` has."""
    plan = make_plan(clock)
    put(store, plan)
    with store.write() as connection:
        queue.claim(
            connection,
            lane="1",
            limit=10,
            owner="me",
            now=clock.ms,
            until=clock.ms + 30_000,
            carrier=lambda named, _: named or "a",
        )
        if state is not State.SENDING:
            change = Change(message_id=plan.message.id, position=1, state=state, carrier_id=carrier_id)
            queue.record(connection, [change], owner="me", now=clock.ms)
    return plan.message.id


def apply(store: Store, state: State, **fields: Any) -> bool | None:
    """Report on the text, as the carrier ``a`` and by its id where nothing else is said."""
    report = Report(**{"carrier": "a", "state": state, "at": START, "carrier_id": "x-1", **fields})
    with store.write() as connection:
        return reports.apply(connection, store=store, report=report)


@pytest.fixture(autouse=True)
def account(any_store: Store) -> None:
    """Every store of these tests has an account."""
    texts.add_account(any_store)


def test_a_report_moves_its_text(any_store: Store, clock: HandClock) -> None:
    """By the carrier's id; the carrier's words and the time are kept, and the change is told."""
    message = sent(any_store, clock)
    clock.advance(ms=5)
    assert apply(any_store, State.DELIVERED, raw="DELIVRD\0", at=START + timedelta(hours=1))
    row = texts.row(any_store, message)
    assert (row.state, row.raw, row.updated_at, row.carrier_id) == ("delivered", "DELIVRD", clock.ms, "x-1")
    assert texts.happened(any_store) == [("delivered", message, 1)]
    with any_store.read() as connection:
        data = json.loads(connection.execute(select(events.c.data)).scalar_one())
    assert data == {"carrier": "a", "at": "2030-01-01T13:00:00+00:00", "raw": "DELIVRD\0"}


def test_the_table_decides(any_store: Store, clock: HandClock) -> None:
    """For every state and every report: a move of the table is made, anything else changes nothing."""
    for before in State:
        for reported in REPORTED:
            message = sent(any_store, clock, state=before)
            was, told = texts.row(any_store, message), len(texts.happened(any_store))
            moved = apply(any_store, reported, recipient_id=recipient_id(message, 1), carrier_id=None)
            case = f"{before}, then {reported}"
            assert moved is may_move(before, reported), case
            row = texts.row(any_store, message)
            assert texts.happened(any_store)[told:] == ([(reported, message, 1)] if moved else []), case
            if moved:
                assert (row.state, row.lease_owner, row.lease_until) == (reported, None, None), case
            else:
                assert row == was, case


def test_a_double_report_is_harmless(any_store: Store, clock: HandClock) -> None:
    """The second one changes nothing and tells nothing."""
    sent(any_store, clock)
    assert [apply(any_store, State.DELIVERED) for _ in range(3)] == [True, False, False]
    assert len(texts.happened(any_store)) == 1


def test_late_truth(any_store: Store, clock: HandClock) -> None:
    """Out of order: undelivered, then delivered after all, then a late expired and sent that change nothing."""
    message = sent(any_store, clock)
    states = [State.UNDELIVERED, State.DELIVERED, State.EXPIRED, State.SENT, State.UNDELIVERED]
    assert [apply(any_store, state) for state in states] == [True, True, False, False, False]
    assert texts.row(any_store, message).state == "delivered"


def test_a_report_that_overtakes_the_answer(any_store: Store, clock: HandClock) -> None:
    """Named by our id it is taken while the send is under way; the answer that follows does not undo it."""
    message = sent(any_store, clock, state=State.SENDING)
    assert apply(any_store, State.DELIVERED, recipient_id=recipient_id(message, 1), carrier_id=None)
    with any_store.write() as connection:
        answer = Change(message_id=message, position=1, state=State.SENT, carrier_id="x-1", attempt=1)
        assert queue.record(connection, [answer], owner="me", now=clock.ms) == set()
    assert texts.row(any_store, message).state == "delivered"


@pytest.mark.parametrize(
    "fields",
    [
        {"carrier_id": "x-2"},
        {"carrier": "b"},
        {"carrier_id": None, "recipient_id": "not an id"},
        {"carrier_id": None, "recipient_id": f"{0xFFFF:026x}-1"},
        {"carrier_id": None, "recipient_id": f"{1:026x}-99999999999999999999"},
        {"carrier_id": "nul \0 inside"},
        {"carrier_id": "half \ud83d pair"},
        {"carrier_id": ""},
    ],
    ids=repr,
)
def test_a_report_on_nothing_changes_nothing(any_store: Store, clock: HandClock, fields: dict[str, Any]) -> None:
    """An id that we do not know, or that another carrier gave, is said to be unknown, so that it may come again."""
    message = sent(any_store, clock)
    assert apply(any_store, State.DELIVERED, **fields) is None
    assert texts.happened(any_store) == []
    assert texts.row(any_store, message).state == "sent"


def test_our_own_id_needs_the_carrier_too(any_store: Store, clock: HandClock) -> None:
    """A carrier speaks for its own texts alone."""
    message = sent(any_store, clock)
    named = recipient_id(message, 1)
    assert apply(any_store, State.DELIVERED, carrier="b", recipient_id=named, carrier_id=None) is None
    assert texts.row(any_store, message).state == "sent"
    assert apply(any_store, State.DELIVERED, recipient_id=named, carrier_id=None)


def test_a_text_without_an_id_is_not_hit(any_store: Store, clock: HandClock) -> None:
    """Texts for which the carrier gave no id are not found by any."""
    message = sent(any_store, clock, carrier_id=None)
    assert apply(any_store, State.DELIVERED, carrier_id="None") is None
    assert texts.row(any_store, message).state == "sent"


def test_the_sink_answers_when_it_is_durable(any_store: Store, clock: HandClock) -> None:
    """Reports and texts from phones come through the writer; the counters tell those without effect apart."""
    message = sent(any_store, clock)
    metrics = Metrics()
    inbound = Inbound(
        carrier="a", carrier_id="in-1", sender="+972502345678", to="2345", text="STOP \ud83d", at=START, raw="raw"
    )

    async def main() -> None:
        writer = Writer(any_store)
        writer.start()
        news = News(store=any_store, writer=writer, metrics=metrics)
        report = Report(carrier="a", state=State.DELIVERED, at=START, carrier_id="x-1")
        await news.report(report)
        assert texts.row(any_store, message).state == "delivered"
        await news.report(report)
        with pytest.raises(UnmatchedReport):
            await news.report(Report(carrier="a", state=State.DELIVERED, at=START, carrier_id="x-2"))
        await news.inbound(inbound)
        await news.inbound(inbound)  # carriers bring a text more than once
        await writer.stop()

    asyncio.run(main())
    assert [kind for kind, _, _ in texts.happened(any_store)] == ["delivered", "inbound"]
    with any_store.read() as connection:
        kept = json.loads(connection.execute(select(events.c.data).where(events.c.kind == "inbound")).scalar_one())
    assert kept == {
        "carrier": "a",
        "carrier_id": "in-1",
        "from": "+972502345678",
        "to": "2345",
        "text": "STOP \ud83d",
        "at": "2030-01-01T12:00:00+00:00",
    }
    counted = {
        sample.labels["state"]: sample.value
        for metric in metrics.registry.collect()
        for sample in metric.samples
        if sample.name == "smsbridge_reports_total"
    }
    assert counted == {"delivered": 1, "without effect": 1}
