"""Reports that overtake the answer of their send, or are of nobody: kept, and applied when the text is known."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Engine, event, func, select

from bridge.model.message import Outcome, Report, recipient_id
from bridge.model.state import State, may_move
from bridge.pipeline.claim import Table, claim_batch
from bridge.pipeline.commit import Writer
from bridge.pipeline.reports import News, Taken, forget_early, look_again
from bridge.pipeline.retry import Backoff
from bridge.pipeline.routing import Route
from bridge.pipeline.settle import conclude, settle
from bridge.store import early
from bridge.store.engine import Store
from bridge.store.queue import Claimed
from bridge.store.tables import early_reports
from bridge.telemetry import Metrics
from tests.support import texts
from tests.support.clock import START, HandClock

ROUTE = Route(name="1", carriers=("a", "b"))
HOUR = 3_600


class Office:
    """Claims, answers and reports, each in a transaction of its own."""

    def __init__(self, store: Store, clock: HandClock) -> None:
        self.store = store
        self.clock = clock
        self.news = News(store=store, writer=Writer(store), metrics=Metrics())

    def begin(self) -> Claimed:
        """Take a text and give it to its carrier."""
        texts.put(self.store, texts.make_plan(self.clock))
        (row,) = self.claim()
        return row

    def claim(self) -> list[Claimed]:
        with self.store.write() as connection:
            return claim_batch(
                connection, store=self.store, table=Table(route=ROUTE), limit=10, owner="me", lease=600.0
            )

    def answer(self, row: Claimed, outcome: Outcome) -> None:
        """Write how a send ended."""
        change = settle(
            outcome,
            row=row,
            route=ROUTE,
            takes_own_id=False,
            backoff=Backoff(),
            chance=0.0,
            now=self.clock.ms,
        )
        with self.store.write() as connection:
            conclude(connection, [(row, change)], owner="me", now=self.clock.ms)

    def bring(self, *brought: Report) -> Taken:
        """Take reports, as the writer does."""
        with self.store.write() as connection:
            return self.news._write(connection, brought=brought, inbounds=())

    def look(self) -> int:
        """Do what is done each minute."""
        with self.store.write() as connection:
            forget_early(connection, now=self.clock.ms)
            return look_again(connection, now=self.clock.ms)

    def row(self, row: Claimed) -> Any:
        return texts.row(self.store, row.message_id)

    def kept(self) -> int:
        with self.store.read() as connection:
            return connection.scalar(select(func.count()).select_from(early_reports)) or 0


@pytest.fixture
def office(any_store: Store, clock: HandClock) -> Office:
    """An office on a store with one account."""
    texts.add_account(any_store)
    return Office(any_store, clock)


def report(state: State = State.DELIVERED, carrier_id: str | None = "x-1", **fields: Any) -> Report:
    """Make a report of the carrier ``a``, by its own id where no other is given."""
    return Report(**{"carrier": "a", "state": state, "at": START, "carrier_id": carrier_id, "raw": state, **fields})


def test_a_report_that_overtakes_the_answer_waits_for_it(office: Office) -> None:
    """It is applied in the transaction that writes the answer, after it, and then forgotten."""
    row = office.begin()
    assert office.bring(report(raw="DELIVRD \0")) == Taken(early=1, counted={("a", "text not known"): 1})  # type: ignore[arg-type]
    assert (office.row(row).state, office.kept()) == ("sending", 1)
    office.answer(row, Outcome.accepted("x-1", raw="OK"))
    found = office.row(row)
    assert (found.state, found.carrier_id, found.raw) == ("delivered", "x-1", "DELIVRD ")
    assert [kind for kind, _, _ in texts.happened(office.store)] == ["sent", "delivered"]
    assert office.kept() == 0


def test_several_that_wait_are_applied_in_the_order_in_which_they_came(office: Office) -> None:
    """Double and out-of-order ones are harmless, as they are later; what is of another text stays."""
    row = office.begin()
    states = [State.SENT, State.UNDELIVERED, State.DELIVERED, State.DELIVERED, State.EXPIRED]
    for state in states:
        office.bring(report(state))
    office.bring(report(carrier_id="x-2"), report(carrier="b"))
    office.answer(row, Outcome.accepted("x-1"))
    assert office.row(row).state == "delivered"
    moves = [kind for kind, _, _ in texts.happened(office.store) if kind != "report"]
    assert moves == ["sent", "undelivered", "delivered"]
    assert office.kept() == 2


def test_a_lost_answer_is_settled_by_what_came_before_it(office: Office) -> None:
    """By our own id: the report was of a carrier that did not have the text then, and has it now."""
    row = office.begin()
    own = recipient_id(row.message_id, 1)
    office.bring(report(carrier="b", carrier_id=None, recipient_id=own))
    office.answer(row, Outcome.deferred("busy"))
    assert (office.row(row).state, office.kept()) == ("queued", 1)
    (again,) = office.claim()
    assert again.carrier == "b"
    office.answer(again, Outcome.unknown("cut"))
    assert (office.row(row).state, office.kept()) == ("delivered", 0)


@pytest.mark.parametrize(
    "fields",
    [{"carrier_id": None, "recipient_id": "not an id"}, {"carrier_id": "nul \0"}, {"carrier_id": "half \ud83d pair"}],
    ids=repr,
)
def test_a_report_of_nobody_is_kept_for_three_days(office: Office, fields: dict[str, Any]) -> None:
    """To the millisecond; after that it is forgotten."""
    office.bring(report(**fields))
    office.clock.advance(seconds=72 * HOUR)
    office.look()
    assert office.kept() == 1
    office.clock.advance(ms=1)
    office.look()
    assert office.kept() == 0


def test_an_id_that_is_none_is_not_kept(office: Office) -> None:
    """Longer than any column of an index takes."""
    office.bring(report(carrier_id="x" * 100_000), report(carrier_id="x" * 255))
    assert office.kept() == 1


def test_a_flood_of_strange_reports_is_bounded(office: Office) -> None:
    """The oldest are forgotten first."""
    for place in range(30):
        office.bring(report(carrier_id=f"x-{place}"))
    with office.store.write() as connection:
        assert early.forget(connection, before=0, most=10, limit=15) == 15
        assert early.forget(connection, before=0, most=10, limit=15) == 5
        left = connection.execute(select(early_reports.c.carrier_id).order_by(early_reports.c.id)).scalars().all()
    assert left == [f"x-{place}" for place in range(20, 30)]


def test_a_report_that_crossed_the_answer_is_found_a_minute_later(office: Office) -> None:
    """Two processes wrote at the same time, and neither saw the other's: the sweep brings them together."""
    row = office.begin()
    office.answer(row, Outcome.accepted("x-1"))
    with office.store.write() as connection:
        early.keep(connection, [report(), report(carrier_id="x-2")], now=office.clock.ms)
    assert office.look() == 1
    assert (office.row(row).state, office.kept()) == ("delivered", 1)
    assert office.look() == 0


def test_the_carriers_id_is_kept_where_a_report_by_ours_was_first(office: Office) -> None:
    """It says sent before the answer does: the answer's id is written all the same, and the next report goes by it."""
    row = office.begin()
    office.bring(report(State.SENT, carrier_id=None, recipient_id=recipient_id(row.message_id, 1)))
    office.answer(row, Outcome.accepted("x-1"))
    assert (office.row(row).state, office.row(row).carrier_id) == ("sent", "x-1")
    office.bring(report())
    assert office.row(row).state == "delivered"


def test_a_late_answer_names_no_other_try(office: Office) -> None:
    """The text went on to another carrier: the id that the first one gave says nothing of it."""
    row = office.begin()
    office.answer(row, Outcome.deferred("busy"))
    (again,) = office.claim()
    office.answer(again, Outcome.accepted("b-1"))
    office.answer(row, Outcome.accepted("a-1"))
    assert (office.row(row).carrier, office.row(row).carrier_id) == ("b", "b-1")


@contextmanager
def statements(engine: Engine) -> Iterator[list[str]]:
    """Collect the statements that are executed."""
    sent: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        sent.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(engine, "before_cursor_execute", note)


def test_it_costs_one_look_where_nothing_waits(office: Office) -> None:
    """An empty table is asked once, whatever the number of answers."""
    row = office.begin()
    with statements(office.store.engine) as sent:
        office.answer(row, Outcome.accepted("x-1"))
    assert len([statement for statement in sent if "early_reports" in statement]) == 1


# Played at random.


STATES = st.sampled_from([State.SENT, State.DELIVERED, State.UNDELIVERED, State.EXPIRED])
TEXTS = 3


class Early(RuleBasedStateMachine):
    """Three texts with one carrier. ``said`` is what was reported of each by the carrier's id, in order.

    Whenever a report comes, before its answer or after it, the text ends as if all had come after the answer.
    """

    template: Path

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="smsbridge-early-"))
        shutil.copy(self.template, self.folder / "bridge.db")
        self.store = Store(f"sqlite:///{self.folder}/bridge.db", clock=HandClock())
        texts.add_account(self.store)
        self.office = Office(self.store, HandClock())
        self.rows: list[Claimed] = []
        self.answered: set[int] = set()
        self.said: dict[int, list[State]] = {place: [] for place in range(TEXTS)}

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.folder)

    @initialize()
    def start(self) -> None:
        self.rows = [self.office.begin() for _ in range(TEXTS)]

    @rule(news=st.lists(st.tuples(st.integers(0, TEXTS - 1), STATES), min_size=1, max_size=4))
    def reports_come(self, news: list[tuple[int, State]]) -> None:
        self.office.bring(*(report(state, carrier_id=f"x-{which}") for which, state in news))
        for which, state in news:
            self.said[which].append(state)

    @precondition(lambda self: len(self.answered) < TEXTS)
    @rule(which=st.integers(0, TEXTS - 1))
    def the_answer_comes(self, which: int) -> None:
        if which not in self.answered:
            self.office.answer(self.rows[which], Outcome.accepted(f"x-{which}"))
            self.answered.add(which)

    @rule()
    def a_minute_passes(self) -> None:
        self.office.look()

    @invariant()
    def all_is_as_if_in_order(self) -> None:
        for which, row in enumerate(self.rows):
            found = self.office.row(row)
            if which not in self.answered:
                assert found.state == State.SENDING
                continue
            state = State.SENT
            for said in self.said[which]:
                state = said if may_move(state, said) else state
            assert found.state == state
        waiting = sum(len(said) for which, said in self.said.items() if which not in self.answered)
        assert self.office.kept() == waiting


def test_early_or_late_makes_no_difference(sqlite_template: Path) -> None:
    """The machine above, the same runs each time."""
    Early.template = sqlite_template
    run_state_machine_as_test(
        Early,
        settings=settings(
            derandomize=True,
            max_examples=25,
            stateful_step_count=15,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
