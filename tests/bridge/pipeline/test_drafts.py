"""Messages that are open: what they take, how they are closed, and how what waits is given another time."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from bridge.model.errors import (
    AccountDisabled,
    BridgeError,
    Conflict,
    InvalidTemplate,
    NoText,
    NotFound,
    PastTime,
    TooManyRecipients,
    UnknownRecipient,
    WrongState,
)
from bridge.model.message import Addressee, Outcome, Priority, Receipt, Result
from bridge.model.state import State
from bridge.pipeline import drafts
from bridge.store import accounts, messages, opt_outs, queue
from bridge.store.directory import load_directory
from bridge.store.engine import Connection, Store
from bridge.store.messages import Kept, Move
from tests.support import texts
from tests.support.clock import START, HandClock
from tests.support.desk import Desk, said
from tests.support.texts import number

A, B, C, D = (number(index) for index in range(1, 5))
MOST = 1_000
HOUR = 3_600_000


class Drafts(Desk):
    """A desk that keeps drafts, each thing done in a transaction of its own."""

    def open(self, *to: str | Addressee, **options: Any) -> str:
        submission = self.submission(*to, **options)
        return self.change(lambda connection: drafts.open_draft(connection, submission, now=self.clock()))

    def add(self, draft: str, *to: str | Addressee, most: int = MOST) -> list[Result]:
        addressed = [one if isinstance(one, Addressee) else Addressee(number=one) for one in to]
        return self.change(lambda connection: drafts.add(connection, draft, addressed, most=most, now=self.clock()))

    def alter(self, draft: str, **changes: Any) -> None:
        self.change(lambda connection: drafts.change(connection, draft, **changes))

    def close(self, draft: str, *, all_or_nothing: bool = False) -> Receipt:
        def do(connection: Connection) -> Receipt:
            return drafts.close(
                connection,
                draft,
                directory=load_directory(connection),
                rules=self.rules,
                all_or_nothing=all_or_nothing,
                now=self.clock(),
            )

        return self.change(do)

    def cancel(self, message: str, position: int | None = None) -> list[Move]:
        return self.change(lambda connection: messages.cancel(connection, message, position, now=self.clock.ms))

    def move(self, message: str | None, position: int | None, due_at: int) -> list[Move]:
        assert message is not None
        return self.change(
            lambda connection: messages.reschedule(connection, message, position, due_at=due_at, now=self.clock.ms)
        )

    def kept(self, message: str) -> Kept:
        return self.read(lambda connection: messages.find(connection, message))

    def rows(self) -> list[tuple[str, str]]:
        """Return number and state of every recipient."""
        return [(row.number, row.state) for row in texts.rows(self.store)]


@pytest.fixture
def desk(any_store: Store, clock: HandClock) -> Drafts:
    """A desk with one account that has ten credits."""
    made = Drafts(any_store, clock)
    made.account(credit=10_000, limit=0)
    return made


# Open.


def test_a_draft_may_be_empty(desk: Drafts) -> None:
    """It has no recipient and no text yet; it is kept, held, costs nothing, and cannot be closed so."""
    draft = desk.open(text="")
    kept = desk.kept(draft)
    assert (kept.state, kept.recipients, kept.text) == (State.HELD, (), "")
    assert [one.id for one in desk.read(lambda connection: messages.newest(connection, limit=5))] == [draft]
    with pytest.raises(UnknownRecipient):
        desk.close(draft)
    desk.add(draft, A)
    with pytest.raises(NoText):
        desk.close(draft)
    desk.alter(draft, text="Now there is one")
    assert said(desk.close(draft)) == ["queued"]


def test_a_draft_takes_recipients_and_is_priced_when_it_is_closed(desk: Drafts) -> None:
    """Nothing of it is claimed, counted or charged before; then it is one message with one entry in the ledger."""
    draft = desk.open(A)
    desk.clock.advance(seconds=3_600 * 48)
    added = desk.add(draft, B, C)
    assert [(one.number, one.recipient_id, one.state) for one in added] == [
        (B, f"{draft}-2", State.HELD),
        (C, f"{draft}-3", State.HELD),
    ]
    assert desk.claim() == []
    assert desk.balance() == 10_000
    assert desk.rows() == [(A, "held"), (B, "held"), (C, "held")]
    receipt = desk.close(draft)
    assert receipt.message_id == draft
    assert said(receipt) == ["queued"] * 3
    assert [one.recipient_id for one in receipt.results] == [f"{draft}-{place}" for place in (1, 2, 3)]
    assert desk.balance() == 7_000
    assert [(entry.amount, entry.message_id) for entry in desk.entries()[1:]] == [(-3_000, draft)]
    # Its lifetime begins with its closing.
    assert {(row.due_at, row.expires_at) for row in texts.rows(desk.store)} == {
        (desk.clock.ms, desk.clock.ms + 24 * HOUR)
    }
    assert [row.number for row in desk.claim()] == [A, B, C]


def test_a_number_is_in_a_draft_once(desk: Drafts) -> None:
    """Added again, at once or later, it is said to be there already, under its first place."""
    draft = desk.open(A, B, A)
    again = desk.add(draft, B, C, C, A)
    assert [(one.duplicate, one.recipient_id) for one in again] == [
        (True, f"{draft}-2"),
        (False, f"{draft}-3"),
        (True, f"{draft}-3"),
        (True, f"{draft}-1"),
    ]
    assert [row.number for row in texts.rows(desk.store)] == [A, B, C]


def test_a_draft_has_a_most(desk: Drafts) -> None:
    """As many recipients as are allowed, duplicates not counted; one more adds none of those that came with it."""
    draft = desk.open(A)
    desk.add(draft, B, A, most=2)
    with pytest.raises(TooManyRecipients):
        desk.add(draft, C, most=2)
    with pytest.raises(TooManyRecipients):
        desk.add(draft, C, D, most=3)
    desk.add(draft, C, most=3)
    assert len(desk.rows()) == 3
    desk.operator(max_recipients=2)
    with pytest.raises(TooManyRecipients):
        desk.close(draft)
    assert desk.rows() == [(A, "held"), (B, "held"), (C, "held")]


def test_what_a_draft_says_can_be_changed(desk: Drafts) -> None:
    """Text, priority and time as they are at its closing are what counts; the rest stays as it was opened."""
    at = desk.clock() + timedelta(hours=3)
    draft = desk.open(A, text="first", reference="r-7", proof="key", lifetime=timedelta(hours=2))
    desk.alter(draft, text="second\r\n", priority=Priority.HIGH, send_at=at)
    desk.alter(draft, text="x" * 161)
    receipt = desk.close(draft)
    kept = desk.kept(draft)
    assert (kept.text, kept.parts, kept.priority) == ("x" * 161, 2, Priority.HIGH)
    assert (kept.reference, kept.proof, kept.door, kept.origin) == ("r-7", "key", "smtp", "ann@example.com")
    (row,) = texts.rows(desk.store)
    assert (row.state, row.priority, row.parts, row.price) == (State.SCHEDULED, Priority.HIGH, 2, 2_000)
    assert (row.due_at, row.expires_at) == (desk.clock.ms + 3 * HOUR, desk.clock.ms + 5 * HOUR)
    assert receipt.results[0].due_at == at


def test_a_time_that_is_over_keeps_the_draft_open(desk: Drafts) -> None:
    """Closed after its time it is refused as a whole; with another time, or none, it goes."""
    draft = desk.open(A, send_at=desk.clock() + timedelta(minutes=5))
    desk.clock.advance(seconds=6 * 60 + 1)
    with pytest.raises(PastTime):
        desk.close(draft)
    desk.alter(draft, send_at=None)
    assert said(desk.close(draft)) == ["queued"]


def test_a_wall_time_is_read_when_the_draft_is_closed(desk: Drafts) -> None:
    """Written without an offset it is meant in the account's zone, as that is then."""
    draft = desk.open(A, send_at="2030-01-01 18:00")
    desk.setting(zone=ZoneInfo("Asia/Jerusalem"))
    (result,) = desk.close(draft).results
    assert result.due_at == datetime.fromisoformat("2030-01-01T16:00:00+00:00")


# Templates.


def test_a_draft_fills_in_each_recipient_s_fields(desk: Drafts) -> None:
    """Fields wait with their recipient; length and price are those of the text that is sent; then the fields go."""
    draft = desk.open(Addressee(number=A, fields={"name": "Ann"}), template=True, text="Dear {{name}}")
    desk.add(
        draft,
        Addressee(number=B, fields={"name": "b" * 200}),
        Addressee(number=C, fields={"other": "x"}),
        Addressee(number=D, text="Only {{name}}", fields={"name": "שלום"}),
    )
    receipt = desk.close(draft)
    assert said(receipt) == ["queued", "queued", "field_missing", "queued"]
    assert [one.price for one in receipt.results] == [1_000, 2_000, 0, 1_000]
    assert {row.number: (row.text, row.encoding) for row in desk.claim()} == {
        A: ("Dear Ann", "gsm7"),
        B: ("Dear " + "b" * 200, "gsm7"),
        D: ("Only שלום", "ucs2"),
    }
    rows = texts.rows(desk.store)
    assert [row.fields for row in rows] == [None] * 4
    assert rows[2].state == State.REFUSED
    assert "{{name}}" in rows[2].reason


def test_a_template_that_cannot_be_read_keeps_the_draft_open(desk: Drafts) -> None:
    """It may be written in steps; only at its closing it has to be whole."""
    draft = desk.open(Addressee(number=A, fields={"name": "Ann"}), template=True, text="Dear {{name")
    with pytest.raises(InvalidTemplate):
        desk.close(draft)
    desk.alter(draft, text="Dear {{name}}")
    desk.close(draft)
    assert [row.text for row in desk.claim()] == ["Dear Ann"]


def test_braces_are_no_placeholders_where_none_are_asked_for(desk: Drafts) -> None:
    """Also of a draft that was opened with a template and is one no more."""
    draft = desk.open(A, template=True, text="{{name}}")
    desk.alter(draft, template=False)
    desk.close(draft)
    assert [row.text for row in desk.claim()] == ["{{name}}"]


# Closing.


def close_to(desk: Desk, to: str) -> None:
    """Let a number opt out."""
    desk.change(lambda connection: opt_outs.add(connection, to, 1, word="STOP", now=desk.clock.ms))


def test_closing_by_recipient(desk: Drafts) -> None:
    """Those refused are final, with their reason and an event; the others go, and only they are charged."""
    close_to(desk, B)
    draft = desk.open(A, B, C)
    receipt = desk.close(draft)
    assert said(receipt) == ["queued", "opted_out", "queued"]
    assert desk.rows() == [(A, "queued"), (B, "refused"), (C, "queued")]
    refusal = receipt.results[1].refusal
    assert refusal is not None
    assert texts.row(desk.store, draft, 2).reason == refusal.reason
    assert texts.happened(desk.store) == [("refused", draft, 2)]
    assert desk.balance() == 8_000


@pytest.mark.parametrize("how", ["one", "all"])
def test_closing_all_or_nothing(desk: Drafts, how: str) -> None:
    """One refused recipient leaves the draft open as it was, and costs nothing; without it, it goes."""
    draft = desk.open(A, B)
    close_to(desk, B)
    if how == "all":
        close_to(desk, A)
    receipt = desk.close(draft, all_or_nothing=True)
    assert said(receipt) == ["opted_out", "opted_out"]
    assert receipt.message_id is None
    assert desk.rows() == [(A, "held"), (B, "held")]
    assert (desk.balance(), texts.happened(desk.store)) == (10_000, [])
    desk.cancel(draft, 2)
    desk.add(draft, C)
    desk.setting(transactional=True)
    assert said(desk.close(draft, all_or_nothing=True)) == ["queued", "queued"]
    assert desk.rows() == [(A, "queued"), (B, "cancelled"), (C, "queued")]
    assert desk.balance() == 8_000


def test_closing_where_every_recipient_is_refused(desk: Drafts) -> None:
    """Then nothing was taken: it stays open, and can be mended."""
    draft = desk.open(A)
    close_to(desk, A)
    receipt = desk.close(draft)
    assert (said(receipt), receipt.message_id) == (["opted_out"], None)
    assert desk.rows() == [(A, "held")]
    desk.add(draft, B)
    assert said(desk.close(draft)) == ["opted_out", "queued"]


def test_closing_up_to_the_credit(desk: Drafts) -> None:
    """A draft of twelve with credit for ten: in their order, as if they were submitted now."""
    draft = desk.open(*map(number, range(12)))
    assert said(desk.close(draft, all_or_nothing=True)) == ["credit_exhausted"] * 12
    assert desk.balance() == 10_000
    assert said(desk.close(draft)) == ["queued"] * 10 + ["credit_exhausted"] * 2
    assert desk.balance() == 0


def test_a_closed_draft_is_closed(desk: Drafts) -> None:
    """It takes nothing more, and is not charged again; one that never was is not found."""
    draft = desk.open(A)
    desk.close(draft)
    for do in (desk.close, lambda draft: desk.add(draft, B), lambda draft: desk.alter(draft, text="x")):
        with pytest.raises(WrongState):
            do(draft)
        with pytest.raises(NotFound):
            do("0" * 26)
    assert desk.balance() == 9_000
    receipt = desk.submit(B)
    assert receipt.message_id is not None
    with pytest.raises(WrongState):
        desk.add(receipt.message_id, C)


def test_two_who_close_at_once(desk: Drafts) -> None:
    """One of them does it, the other is told that it is closed; it is charged once."""
    draft = desk.open(A, B)
    together = threading.Barrier(2)
    got: list[Any] = []

    def close() -> None:
        together.wait(30)
        try:
            got.append(said(desk.close(draft)))
        except BridgeError as error:
            got.append(error.code)

    threads = [threading.Thread(target=close) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(got, key=str) == [["queued", "queued"], "state_wrong"]
    assert desk.balance() == 8_000


def test_a_disabled_account_closes_nothing(desk: Drafts) -> None:
    """The rules are those of the moment of closing; what was refused as a whole stays open."""
    draft = desk.open(A)
    desk.change(lambda connection: accounts.set_enabled(connection, 1, enabled=False))
    with pytest.raises(AccountDisabled):
        desk.close(draft)
    desk.change(lambda connection: accounts.set_enabled(connection, 1, enabled=True))
    assert said(desk.close(draft)) == ["queued"]


def test_a_draft_survives_its_process(desk: Drafts, any_url: str) -> None:
    """Opened by one, added to by another, closed by a third: all is in the database."""
    draft = desk.open(
        Addressee(number=A, fields={"שם": 'a "b" \\ c'}),
        template=True,
        text="{{שם}}!",
        lifetime=timedelta(minutes=90),
        max_parts=2,
        priority=Priority.URGENT,
    )
    for place, to in enumerate((B, C)):
        store = Store(any_url, clock=desk.clock)
        other = Drafts(store, desk.clock)
        if place == 0:
            other.add(draft, Addressee(number=to, text="of its own"))
        else:
            assert said(other.close(draft)) == ["queued", "queued"]
        store.close()
    assert [(row.number, row.text, row.expires_at) for row in desk.claim()] == [
        (A, 'a "b" \\ c!', desk.clock.ms + 90 * 60_000),
        (B, "of its own", desk.clock.ms + 90 * 60_000),
    ]
    assert {row.priority for row in texts.rows(desk.store)} == {Priority.URGENT}


# Cancelling.


def test_cancelling_a_draft(desk: Drafts) -> None:
    """All its recipients are cancelled, it takes no more, and it costs nothing."""
    draft = desk.open(A, B)
    assert [(move.before, move.after) for move in desk.cancel(draft)] == [(State.HELD, State.CANCELLED)] * 2
    with pytest.raises(WrongState):
        desk.add(draft, C)
    with pytest.raises(WrongState):
        desk.close(draft)
    with pytest.raises(Conflict):
        desk.cancel(draft)
    assert desk.kept(draft).state is State.CANCELLED
    assert desk.balance() == 10_000


def test_cancelling_an_empty_draft(desk: Drafts) -> None:
    """One without recipients, or whose recipients were cancelled one by one, is ended too."""
    empty, emptied = desk.open(), desk.open(A)
    desk.cancel(emptied, 1)
    for draft in (empty, emptied):
        assert desk.cancel(draft) == []
        assert desk.kept(draft).state is State.CANCELLED
        with pytest.raises(WrongState):
            desk.add(draft, B)


def test_a_recipient_cancelled_in_a_draft(desk: Drafts) -> None:
    """It is out, the draft goes on, and the same number can be added again at a new place."""
    draft = desk.open(A, B)
    desk.cancel(draft, 1)
    (again,) = desk.add(draft, A)
    assert (again.duplicate, again.recipient_id) == (False, f"{draft}-3")
    receipt = desk.close(draft)
    assert [(one.number, one.recipient_id) for one in receipt.results] == [(B, f"{draft}-2"), (A, f"{draft}-3")]
    assert desk.rows() == [(A, "cancelled"), (B, "queued"), (A, "queued")]
    assert desk.balance() == 8_000


# Another time.


def test_a_later_time(desk: Drafts) -> None:
    """A queued text is scheduled, a scheduled one moved; what was left of its lifetime moves along."""
    receipt = desk.submit(A, lifetime=timedelta(hours=2))
    for hours in (3, 5, 1):
        (move,) = desk.move(receipt.message_id, None, desk.clock.ms + hours * HOUR)
        (row,) = texts.rows(desk.store)
        assert (move.after, row.state) == (State.SCHEDULED, State.SCHEDULED)
        assert (row.due_at, row.expires_at) == (desk.clock.ms + hours * HOUR, desk.clock.ms + (hours + 2) * HOUR)
        assert desk.claim() == []
    assert [kind for kind, *_ in texts.happened(desk.store)] == ["rescheduled"] * 3
    assert desk.balance() == 9_000
    desk.clock.advance(ms=HOUR)
    assert desk.change(lambda connection: queue.promote(connection, now=desk.clock.ms, limit=9)) == 1
    assert [row.number for row in desk.claim()] == [A]


@pytest.mark.parametrize("early", [0, 1, 7 * HOUR])
def test_now(desk: Drafts, early: int) -> None:
    """A time that is now or over means now: the text is queued, and has its whole lifetime before it."""
    receipt = desk.submit(A, send_at=desk.clock() + timedelta(hours=4), lifetime=timedelta(hours=2))
    desk.clock.advance(ms=5)
    (move,) = desk.move(receipt.message_id, 1, desk.clock.ms - early)
    assert (move.before, move.after, move.made) == (State.SCHEDULED, State.QUEUED, True)
    (row,) = desk.claim()
    assert row.expires_at == desk.clock.ms + 2 * HOUR


def test_only_what_was_never_tried_is_given_a_time(desk: Drafts) -> None:
    """Of four recipients the first is with its carrier, the second deferred, the third in doubt; the fourth moves."""
    receipt = desk.submit(A, B, C, D)
    rows = {row.number: row for row in desk.claim(3)}
    desk.end(rows[B], Outcome.deferred("busy"))
    desk.end(rows[C], Outcome.unknown("cut"), takes_own_id=True)
    later = desk.clock.ms + HOUR
    before = texts.rows(desk.store)
    for position in (1, 2, 3):
        with pytest.raises(Conflict):
            desk.move(receipt.message_id, position, later)
    moves = desk.move(receipt.message_id, None, later)
    assert [move.made for move in moves] == [False, False, False, True]
    after = texts.rows(desk.store)
    assert after[:3] == before[:3]
    assert (after[3].state, after[3].due_at) == (State.SCHEDULED, later)


@pytest.mark.parametrize("end", [Outcome.accepted("1"), Outcome.refused("no"), Outcome.unknown("cut")])
def test_what_is_over_takes_no_time(desk: Drafts, end: Outcome) -> None:
    """Sent, refused, unknown and cancelled texts stay as they are."""
    over = desk.submit(A)
    desk.end(desk.claim()[0], end)
    cancelled = desk.submit(B)
    assert cancelled.message_id is not None
    desk.cancel(cancelled.message_id)
    for receipt in (over, cancelled):
        for position in (1, None):
            with pytest.raises(Conflict):
                desk.move(receipt.message_id, position, desk.clock.ms + HOUR)
    with pytest.raises(NotFound):
        desk.move("0" * 26, None, desk.clock.ms)
    with pytest.raises(NotFound):
        desk.move(over.message_id, 2, desk.clock.ms)


@pytest.mark.parametrize(("late", "moves"), [(-1, True), (0, False)])
def test_a_text_past_its_lifetime_is_not_revived(desk: Drafts, late: int, *, moves: bool) -> None:
    """Up to the last millisecond it can be given another time; from then on it expires, and is given back."""
    receipt = desk.submit(A, lifetime=timedelta(hours=1))
    desk.clock.advance(ms=HOUR + late)
    if moves:
        desk.move(receipt.message_id, None, desk.clock.ms + HOUR)
        assert desk.rows() == [(A, "scheduled")]
        return
    with pytest.raises(Conflict, match="lifetime"):
        desk.move(receipt.message_id, None, desk.clock.ms + HOUR)
    assert desk.claim() == []
    assert (desk.rows(), desk.balance()) == ([(A, "expired")], 10_000)


def test_a_draft_keeps_its_time(desk: Drafts) -> None:
    """As a whole it is given one for its closing, and stays unpriced; its recipients have none of their own."""
    draft = desk.open(A)
    with pytest.raises(Conflict):
        desk.move(draft, 1, desk.clock.ms + HOUR)
    (move,) = desk.move(draft, None, desk.clock.ms + HOUR)
    assert (move.made, desk.rows()) == (False, [(A, "held")])
    desk.add(draft, B)
    receipt = desk.close(draft)
    assert [one.due_at for one in receipt.results] == [START + timedelta(hours=1)] * 2
    now = desk.open(C, send_at=desk.clock() + timedelta(hours=9))
    desk.move(now, None, desk.clock.ms)
    desk.clock.advance(seconds=600)
    assert said(desk.close(now)) == ["queued"]
