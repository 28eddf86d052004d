"""News from carriers: whatever comes, in whatever order, the table of moves decides."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from bridge.model.errors import InternalError
from bridge.model.message import Inbound, Report, recipient_id
from bridge.model.state import State, may_move
from bridge.pipeline import reports
from bridge.pipeline.commit import Writer
from bridge.pipeline.reports import News, Taken
from bridge.pipeline.upkeep import sweep
from bridge.store import conversations, queue
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
            carrier=lambda _name, named, _in_doubt: named or "a",
        )
        if state is not State.SENDING:
            change = Change(message_id=plan.message.id, position=1, state=state, carrier_id=carrier_id)
            queue.record(connection, [change], owner="me", now=clock.ms)
    return plan.message.id


def apply(store: Store, state: State, **fields: Any) -> bool | None:
    """Report on the text, as the carrier ``a`` and by its id where nothing else is said."""
    report = Report(**{"carrier": "a", "state": state, "at": START, "carrier_id": "x-1", **fields})
    with store.write() as connection:
        return reports.apply(connection, [report], now=store.now(connection))[0]


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
    """For every state and every report: a move of the table is made, anything else changes nothing.

    A text that was tried and waits counts as one in doubt for a report that it went out.
    """
    for before in State:
        for reported in REPORTED:
            message = sent(any_store, clock, state=before)
            was, told = texts.row(any_store, message), len(texts.happened(any_store))
            moved = apply(any_store, reported, recipient_id=recipient_id(message, 1), carrier_id=None)
            went_out = before is State.QUEUED and reported in {State.SENT, State.DELIVERED}
            case = f"{before}, then {reported}"
            assert moved is may_move(State.UNKNOWN if went_out else before, reported), case
            row = texts.row(any_store, message)
            # What moves nothing is kept all the same, unless it repeats what is there.
            kept = [] if reported is before else [("report", message, 1)]
            assert texts.happened(any_store)[told:] == ([(reported, message, 1)] if moved else kept), case
            if moved:
                assert (row.state, row.lease_owner, row.lease_until) == (reported, None, None), case
            else:
                assert row == was, case


def test_a_report_ends_the_tries_of_a_text_that_went_out(any_store: Store, clock: HandClock) -> None:
    """Its carrier said "not now", and delivers it all the same: another try would be a second text."""
    message = sent(any_store, clock, state=State.QUEUED, carrier_id=None)
    own_id = recipient_id(message, 1)
    assert not apply(any_store, State.DELIVERED, recipient_id=own_id, carrier_id=None, carrier="b")
    assert not apply(any_store, State.UNDELIVERED, recipient_id=own_id, carrier_id=None)
    assert texts.row(any_store, message).state == "queued"
    assert apply(any_store, State.DELIVERED, recipient_id=own_id, carrier_id=None)
    assert texts.row(any_store, message).state == "delivered"


def test_a_report_on_a_text_that_was_never_tried_sends_nothing_less(any_store: Store, clock: HandClock) -> None:
    """Nobody has it yet, so nobody can know."""
    plan = make_plan(clock)
    put(any_store, plan)
    own_id = recipient_id(plan.message.id, 1)
    assert not apply(any_store, State.DELIVERED, recipient_id=own_id, carrier_id=None)
    assert texts.row(any_store, plan.message.id).state == "queued"


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
    """An id that we do not know, or that another carrier gave, is said to be unknown."""
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
    assert counted == {"delivered": 1, "without effect": 1, "text not known": 1}


def kept(store: Store) -> list[dict[str, Any]]:
    """Return what is kept of reports that moved nothing."""
    with store.read() as connection:
        query = select(events.c.data).where(events.c.kind == "report").order_by(events.c.id)
        return [json.loads(data) for data in connection.execute(query).scalars()]


def test_a_report_that_moves_nothing_is_kept_beside_the_state(any_store: Store, clock: HandClock) -> None:
    """With the carrier's words; not where it only repeats the last one, or another that is kept of the same call."""
    message = sent(any_store, clock)
    assert apply(any_store, State.DELIVERED, raw="DELIVRD")
    assert apply(any_store, State.DELIVERED, raw="DELIVRD") is False
    assert apply(any_store, State.SENT, raw="ENROUTE \ud83d") is False
    assert apply(any_store, State.DELIVERED, raw="DELIVRD again") is False
    assert kept(any_store) == [
        {"carrier": "a", "state": "sent", "at": START.isoformat(), "raw": "ENROUTE \ud83d"},
        {"carrier": "a", "state": "delivered", "at": START.isoformat(), "raw": "DELIVRD again"},
    ]
    assert texts.row(any_store, message).raw == "DELIVRD"


def test_what_is_kept_of_a_text_is_bounded(any_store: Store, clock: HandClock) -> None:
    """Ten reports without effect, each cut to 4,000 characters, however many come, at once or one by one."""
    sent(any_store, clock)
    apply(any_store, State.DELIVERED)
    for place in range(8):
        apply(any_store, State.SENT, raw=f"{place}" + "x" * 5_000)
    with any_store.write() as connection:
        many = [
            Report(carrier="a", state=State.SENT, at=START, carrier_id="x-1", raw=f"more {place}") for place in range(8)
        ]
        assert reports.apply(connection, [*many, *many], now=clock.ms) == [False] * 16
    found = kept(any_store)
    assert [len(one["raw"]) for one in found] == [4_000] * 8 + [6, 6]
    with any_store.write() as connection:
        reports.apply(connection, many, now=clock.ms)
    assert len(kept(any_store)) == 10


def test_many_at_once_are_applied_in_their_order(any_store: Store, clock: HandClock) -> None:
    """Several on one text in one call, by either id, count one after the other; those on other texts are in between."""
    one, other = sent(any_store, clock), sent(any_store, clock, carrier_id="x-2")

    def report(state: State, **named: Any) -> Report:
        return Report(**{"carrier": "a", "state": state, "at": START, "raw": state, **named})

    brought = [
        report(State.SENT, carrier_id="x-1"),
        report(State.UNDELIVERED, carrier_id="x-1"),
        report(State.DELIVERED, carrier_id="x-2"),
        report(State.DELIVERED, recipient_id=recipient_id(one, 1)),
        report(State.EXPIRED, carrier_id="x-1"),
        report(State.DELIVERED, carrier_id="nobody's"),
    ]
    with any_store.write() as connection:
        assert reports.apply(connection, brought, now=clock.ms) == [False, True, True, True, False, None]
    assert (texts.row(any_store, one).state, texts.row(any_store, other).state) == ("delivered", "delivered")
    assert texts.happened(any_store) == [
        ("undelivered", one, 1),
        ("delivered", other, 1),
        ("delivered", one, 1),
        ("report", one, 1),
        ("report", one, 1),
    ]


def test_of_texts_with_one_id_the_latest_is_meant(any_store: Store, clock: HandClock) -> None:
    """Carriers begin their numbers again."""
    old, new = sent(any_store, clock), sent(any_store, clock)
    assert apply(any_store, State.DELIVERED)
    assert (texts.row(any_store, old).state, texts.row(any_store, new).state) == ("sent", "delivered")


def test_a_report_that_breaks_stops_no_other(any_store: Store, clock: HandClock) -> None:
    """A hundred in one call, one of which no column holds: the others are applied, and it is counted and told of."""
    message = sent(any_store, clock)
    odd: Any = object()

    async def main() -> None:
        writer = Writer(any_store)
        writer.start()
        news = News(store=any_store, writer=writer, metrics=Metrics())
        good = Report(carrier="a", state=State.DELIVERED, at=START, carrier_id="x-1")
        bad = Report(carrier="a", state=State.DELIVERED, at=START, carrier_id="x-1", raw=odd)
        inbound = Inbound(carrier="a", carrier_id="in-1", sender="+972502345678", to="", text="hi", at=START)
        strange = Inbound(carrier="a", carrier_id="in-2", sender="+972502345678", to="", text="hi", at=START, raw="")
        taken = await news.take([bad, good, bad, good], [inbound, inbound, strange])
        assert (taken.moved, taken.idle, taken.early, taken.inbound, taken.broken) == (1, 1, 0, 3, 2)
        assert await news.take([]) == Taken()
        with pytest.raises(InternalError):
            await news.report(bad)
        await writer.stop()

    asyncio.run(main())
    assert texts.row(any_store, message).state == "delivered"
    assert [kind for kind, _, _ in texts.happened(any_store)].count("inbound") == 2


def test_texts_from_phones_are_kept_once(any_store: Store, clock: HandClock) -> None:
    """However often a carrier brings one: twice in a call, again in the next, and in that of another process."""
    inbound = Inbound(carrier="a", carrier_id="in-1", sender="+972502345678", to="", text="yes", at=START)
    same_id_elsewhere = dataclasses.replace(inbound, carrier="b")

    async def main() -> None:
        for _ in range(2):
            writer = Writer(any_store)
            writer.start()
            news = News(store=any_store, writer=writer, metrics=Metrics())
            await news.take((), [inbound, same_id_elsewhere, inbound])
            await news.inbound(inbound)
            await writer.stop()
        clock.advance(seconds=6 * 86_400)
        with any_store.write() as connection:
            sweep(connection, store=any_store)
            assert not conversations.first_time(connection, "a", "in-1", now=clock.ms)

    asyncio.run(main())
    assert [kind for kind, _, _ in texts.happened(any_store)] == ["inbound", "inbound"]


def test_a_report_names_the_text_whose_answer_was_lost(any_store: Store, clock: HandClock) -> None:
    """Found by our id, it gets the carrier's, so that later reports by that one find it; a known id stays."""
    message = sent(any_store, clock, state=State.UNKNOWN, carrier_id=None)
    assert apply(any_store, State.DELIVERED, carrier_id="x-9") is None
    assert apply(any_store, State.SENT, recipient_id=recipient_id(message, 1), carrier_id="x-9")
    assert (texts.row(any_store, message).state, texts.row(any_store, message).carrier_id) == ("sent", "x-9")
    assert apply(any_store, State.UNDELIVERED, recipient_id=recipient_id(message, 1), carrier_id="x-7")
    assert texts.row(any_store, message).carrier_id == "x-9"
    assert apply(any_store, State.DELIVERED, carrier_id="x-9")
