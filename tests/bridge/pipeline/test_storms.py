"""Alike texts to a number become one: what is sent, what is kept, the digest that tells of it. On both databases."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event, func, select

from bridge.model.errors import InternalError
from bridge.model.limits import parse_limits
from bridge.model.message import Addressee, Collapse, Outcome, Priority, Receipt
from bridge.model.price import PriceTable
from bridge.model.state import State
from bridge.model.when import Quiet, parse_hours
from bridge.pipeline import digests, upkeep
from bridge.pipeline.commit import Writer
from bridge.pipeline.digests import Digests, end
from bridge.pipeline.intake import Intake
from bridge.pipeline.snapshot import Snapshot
from bridge.store import accounts, ledger, messages, opt_outs, storms, tables
from bridge.store.directory import load_directory
from bridge.store.engine import Connection, Store
from bridge.telemetry import Metrics
from tests.support import texts
from tests.support.clock import HandClock
from tests.support.desk import MAILBOX, Desk, said
from tests.support.nodes import run_together
from tests.support.texts import number

A, B, C = (number(index) for index in range(1, 4))
WINDOW = timedelta(minutes=10)
MS = 600_000
KEPT, SENT = "cancelled", "queued"
STORM = Collapse(window=WINDOW, passes=("recovery", "OK:"))


class Storm(Desk):
    """A desk whose submissions collapse. ``alert`` and the rest are texts of one shape unless they say otherwise."""

    def alert(self, text: str = "web1 load 5.0", *to: str | Addressee, **options: Any) -> Receipt:
        given: dict[str, Any] = {"text": text, "collapse": STORM} | options
        return self.submit(*(to or (A,)), **given)

    def over(self) -> Counter[str]:
        """Do what is done each second."""
        return self.change(self._over)

    def _over(self, connection: Connection) -> Counter[str]:
        now = self.store.now(connection)
        keys = storms.over(connection, now=now, limit=1000)
        return end(connection, keys, directory=load_directory(connection), rules=self.rules, now=now)

    def sent(self) -> list[tuple[str, str]]:
        """Return what goes out, as (number, text)."""
        with self.store.read() as connection:
            rows = connection.execute(
                select(tables.recipients.c.number, tables.messages.c.text)
                .join(tables.messages)
                .where(tables.recipients.c.state != State.CANCELLED)
                .order_by(tables.recipients.c.message_id)
            )
            return [(row.number, row.text) for row in rows]

    def leave(self) -> None:
        """Let the carrier take all that is queued."""
        for row in self.claim():
            assert self.end(row, Outcome.accepted(row.message_id))

    def windows(self) -> int:
        with self.store.read() as connection:
            return int(connection.scalar(select(func.count()).select_from(tables.storms)) or 0)

    def events(self, kind: str) -> list[tuple[str, int, dict[str, Any]]]:
        with self.store.read() as connection:
            rows = connection.execute(select(tables.events).where(tables.events.c.kind == kind))
            return [(row.message_id, row.position, json.loads(row.data)) for row in rows]


@pytest.fixture
def desk(any_store: Store, clock: HandClock) -> Storm:
    """A desk with one account."""
    made = Storm(any_store, clock)
    made.account()
    return made


def into(receipt: Receipt, place: int = 0) -> str | None:
    """Return the recipient whose text stands for one that was kept."""
    return receipt.results[place].collapsed_into


# What is alike.


def test_the_first_goes_out_and_the_next_is_kept(desk: Storm) -> None:
    """The second is answered with an id of its own, is in the store as cancelled, and names the first."""
    first, second = desk.alert(), desk.alert("WEB1  load 17.25")
    assert (said(first), said(second)) == ([SENT], [KEPT])
    assert second.message_id is not None
    assert into(first) is None
    assert into(second) == first.results[0].recipient_id
    row = texts.row(desk.store, second.message_id)
    assert (row.state, row.price, row.attempts) == (KEPT, 0, 0)
    assert row.reason == f"collapsed into {first.results[0].recipient_id}"
    shown = desk.read(lambda connection: messages.find(connection, second.message_id or ""))
    assert (shown.text, shown.state, shown.recipients[0].reason) == ("WEB1  load 17.25", State.CANCELLED, row.reason)
    assert desk.events("cancelled") == [(second.message_id, 1, {"reason": row.reason, "into": into(second)})]
    assert desk.sent() == [(A, "web1 load 5.0")]


def test_other_words_are_another_text(desk: Storm) -> None:
    """Each shape has a window of its own."""
    assert [said(desk.alert(text)) for text in ("web1 down", "web1 up", "web2 down", "web2 up")] == [
        [SENT],
        [SENT],
        [KEPT],
        [KEPT],
    ]


def test_numbers_mailboxes_and_accounts_have_their_own(desk: Storm) -> None:
    """What went to one number, from one mailbox, of one account says nothing of another."""
    desk.account("other")
    assert said(desk.alert("x 1", A)) == [SENT]
    assert said(desk.alert("x 2", B)) == [SENT]
    assert said(desk.alert("x 3", A, origin="bob@example.com")) == [SENT]
    assert said(desk.alert("x 4", A, account=2)) == [SENT]
    assert said(desk.alert("x 5", A, B, C)) == [KEPT, KEPT, SENT]


def test_without_the_setting_nothing_is_kept(desk: Storm) -> None:
    """A mailbox that does not collapse sends all, and neither opens a window nor looks at one."""
    assert said(desk.submit(A, text="x 1")) == said(desk.submit(A, text="x 2")) == [SENT]
    assert desk.windows() == 0
    desk.alert("x 3")
    assert said(desk.submit(A, text="x 4")) == [SENT]


def test_a_text_with_a_time_is_sent_at_that_time(desk: Storm) -> None:
    """Who names a time for a text wants it then, however alike others are."""
    desk.alert("x 1")
    later = desk.clock() + timedelta(hours=1)
    assert said(desk.alert("x 2", send_at=later)) == ["scheduled"]


def test_parts_of_a_message_may_be_kept(desk: Storm) -> None:
    """Of several recipients of one mail some get it and some had one alike: it is one message."""
    desk.alert("x 1", A)
    receipt = desk.alert("x 2", A, B)
    assert said(receipt) == [KEPT, SENT]
    assert [(row.number, row.state) for row in texts.rows(desk.store) if row.message_id == receipt.message_id] == [
        (A, KEPT),
        (B, SENT),
    ]


def test_a_number_twice_in_a_mail_is_kept_once(desk: Storm) -> None:
    """The second mention is a duplicate as ever, and is no second text that was kept."""
    desk.alert("x 1")
    receipt = desk.alert("x 2", A, A)
    assert said(receipt) == [KEPT, "again"]
    assert into(receipt, 1) is None
    assert receipt.results[0].recipient_id == receipt.results[1].recipient_id


# Windows.


def test_a_window_ends_at_its_end(desk: Storm) -> None:
    """A millisecond before its end a text is kept; at it, with nothing kept, the next goes out and opens another."""
    desk.alert("x 1")
    desk.clock.advance(ms=MS)
    again = desk.alert("x 2")
    assert said(again) == [SENT]
    desk.clock.advance(ms=MS - 1)
    assert into(desk.alert("x 3")) == again.results[0].recipient_id
    desk.leave()
    assert desk.over() == Counter()
    desk.clock.advance(ms=1)
    assert desk.over() == Counter(sent=1)


def test_one_past_the_end(desk: Storm) -> None:
    """One millisecond after the end is as the end."""
    desk.alert("x 1")
    desk.clock.advance(ms=MS + 1)
    assert said(desk.alert("x 2")) == [SENT]


def test_a_window_without_more_leaves_nothing(desk: Storm) -> None:
    """One text and no other: no digest, and no row."""
    desk.alert()
    desk.clock.advance(ms=MS)
    assert desk.over() == Counter()
    assert desk.windows() == 0
    assert len(desk.sent()) == 1


def test_the_digest(desk: Storm) -> None:
    """One text with the latest of those kept, their count and times; it names the storm, and is of the same mailbox."""
    first = desk.alert("web1 load 5", proof="network 127.0.0.1", flash=True)
    for minute, load in ((2, 6), (5, 7)):
        desk.clock.now = datetime(2030, 1, 1, 12, minute, tzinfo=UTC)
        desk.alert(f"web1 load {load}")
    desk.clock.now = datetime(2030, 1, 1, 12, 9, tzinfo=UTC)
    last = desk.alert("web1 load 99", proof="network 127.0.0.1", flash=True, priority=Priority.HIGH)
    desk.leave()
    desk.clock.now = datetime(2030, 1, 1, 12, 10, tzinfo=UTC)
    assert desk.over() == Counter(sent=1)
    assert desk.sent()[1:] == [(A, "web1 load 99 (+3 alike 12:02-12:09)")]
    (message_id, position, data) = desk.events("digest")[0]
    head = first.results[0].recipient_id
    assert (position, data) == (1, {"count": 3, "after": head, "last": last.results[0].recipient_id})
    told = desk.read(lambda connection: messages.find(connection, message_id))
    assert (told.door, told.origin, told.proof, told.reference) == ("smtp", MAILBOX, "network 127.0.0.1", head)
    assert [(row.flash, row.priority) for row in desk.claim()] == [(True, Priority.HIGH)]
    assert desk.over() == Counter()


def test_a_storm_that_goes_on(desk: Storm) -> None:
    """The digest begins the next window: one text each ten minutes, and none once it is quiet."""
    desk.alert("x 0")
    for serial in range(1, 30):
        desk.clock.advance(seconds=60)
        desk.leave()
        desk.over()
        assert said(desk.alert(f"x {serial}")) == [KEPT]
    desk.clock.advance(ms=MS)
    desk.leave()
    desk.over()
    assert [text for _, text in desk.sent()] == [
        "x 0",
        "x 9 (+9 alike 12:01-12:09)",
        "x 19 (+10 alike 12:10-12:19)",
        "x 29 (+10 alike 12:20-12:29)",
    ]
    desk.clock.advance(ms=MS)
    desk.leave()
    assert desk.over() == Counter()
    assert desk.windows() == 0
    assert said(desk.alert("x 30")) == [SENT]


def test_what_comes_between_the_end_and_the_digest(desk: Storm) -> None:
    """A window in which something was kept ends with its digest: what comes before that is in it, not lost between."""
    desk.alert("x 0")
    desk.alert("x 1")
    desk.leave()
    desk.clock.advance(ms=MS + 5_000)
    assert said(desk.alert("x 2")) == [KEPT]
    assert desk.over() == Counter(sent=1)
    assert desk.sent()[1:] == [(A, "x 2 (+2 alike 12:00-12:10)")]


def test_each_number_has_its_digest(desk: Storm) -> None:
    """Windows that end together are told each by its own text."""
    for serial in range(3):
        desk.alert(f"x {serial}", A, B)
        desk.alert(f"x {serial}", C, origin="bob@example.com")
    desk.leave()
    desk.clock.advance(ms=MS)
    assert desk.over() == Counter(sent=3)
    assert sorted(to for to, text in desk.sent() if "alike" in text) == [A, B, C]


def test_the_window_of_the_setting_as_it_is_now(desk: Storm) -> None:
    """A window that is open keeps its end; the next is as long as the setting says by then."""
    desk.alert("x 0")
    desk.alert("x 1", collapse=Collapse(window=timedelta(minutes=1)))
    desk.leave()
    desk.clock.advance(ms=MS - 1)
    assert desk.over() == Counter()
    desk.clock.advance(ms=1)
    assert desk.over() == Counter(sent=1)
    desk.leave()
    desk.clock.advance(seconds=60)
    assert said(desk.alert("x 2")) == [SENT]


# Recoveries.


def test_a_recovery_goes_out_at_once(desk: Storm) -> None:
    """However often it comes, and it begins no window."""
    for serial in range(3):
        assert said(desk.alert(f"RECOVERY web1 load {serial}")) == [SENT]
    assert desk.windows() == 0


def test_after_a_recovery_the_next_goes_out(desk: Storm) -> None:
    """Who was told that all is well is told at once when it is not, whatever it is that fails now."""
    desk.alert("web1 down")
    desk.alert("disk 5 full")
    desk.alert("bob's own", origin="bob@example.com")
    assert said(desk.alert("ok: web1 up")) == [SENT]
    assert said(desk.alert("web1 down")) == said(desk.alert("disk 6 full")) == [SENT]
    assert said(desk.alert("bob's own", origin="bob@example.com")) == [KEPT]


def test_a_recovery_in_the_batch_of_its_alert(desk: Storm) -> None:
    """Submissions of one commit are looked at in their order."""
    plans = [
        desk.plan(A, text=text, collapse=STORM)
        for text in ("web1 down", "web2 down", "recovery of web1", "web3 down", "web4 down")
    ]
    assert [said(one) for one in desk.take(*plans)] == [[SENT], [KEPT], [SENT], [KEPT], [KEPT]]
    plans = [desk.plan(B, text=text, collapse=STORM) for text in ("web1 down", "recovery of web1", "web3 down")]
    assert [said(one) for one in desk.take(*plans)] == [[SENT], [SENT], [SENT]]
    # What was kept before the recovery is told within the second, not at the end of its window.
    desk.leave()
    assert desk.over() == Counter(sent=1)
    assert desk.sent()[-1] == (A, "web4 down (+3 alike 12:00)")


def test_a_recovery_loses_nothing_that_was_kept_before(desk: Storm) -> None:
    """One that comes past the doors' way in leaves what was kept to the look within the second."""
    desk.alert("web1 down")
    desk.alert("web2 down")
    desk.leave()
    assert said(desk.alert("recovery")) == [SENT]
    assert desk.over() == Counter(sent=1)
    assert desk.sent()[-1][1] == "web2 down (+1 alike 12:00)"


def test_what_a_recovery_ends_is_followed_by_no_window(desk: Storm) -> None:
    """The digest that a recovery brings begins none: the next alert goes out."""
    desk.alert("web1 down")
    desk.alert("web2 down")

    def recovered(connection: Connection) -> Counter[str]:
        keys = storms.pending(connection, [storms.Target(1, MAILBOX, A)])
        directory = load_directory(connection)
        return end(connection, keys, directory=directory, rules=desk.rules, now=desk.clock.ms, recovered=True)

    assert desk.change(recovered) == Counter(sent=1)
    assert desk.windows() == 0


def test_what_is_kept_is_told_before_the_recovery(desk: Storm) -> None:
    """By the way in of the doors the digest stands before the recovery, and no window follows it."""
    desk.alert("web1 down")
    desk.alert("web2 down")

    async def main(text: str) -> Receipt:
        writer = Writer(desk.store)
        writer.start()
        snapshot = Snapshot(desk.store)
        await snapshot.open()
        metrics = Metrics()
        whole = Digests(store=desk.store, writer=writer, snapshot=snapshot, rules=desk.rules, metrics=metrics)
        intake = Intake(
            writer=writer, snapshot=snapshot, rules=desk.rules, metrics=metrics, digests=whole, clock=desk.clock
        )
        try:
            return await intake.submit(desk.submission(A, text=text, collapse=STORM))
        finally:
            await writer.stop()

    assert said(asyncio.run(main("recovery"))) == [SENT]
    assert [text for _, text in desk.sent()] == ["web1 down", "web2 down (+1 alike 12:00)", "recovery"]
    assert desk.windows() == 0
    assert said(asyncio.run(main("web3 down"))) == [SENT]
    assert said(asyncio.run(main("web3 down"))) == [KEPT]


# The rules.


def test_what_is_refused_opens_no_window(desk: Storm) -> None:
    """A text that a rule refuses stands for none: the next one alike is asked by itself."""
    desk.change(lambda connection: opt_outs.add(connection, A, 1, word="STOP", now=desk.clock.ms))
    assert said(desk.alert("x 1")) == ["opted_out"]
    assert desk.windows() == 0
    desk.change(lambda connection: opt_outs.remove(connection, A, 1))
    assert said(desk.alert("x 2")) == [SENT]


def test_limits_count_what_is_sent(desk: Storm) -> None:
    """Limits per number, of the mailbox and of the account let pass what they would without the texts that are kept."""
    desk.setting(limits=parse_limits(["3/1d"]), mailbox_limits=parse_limits(["3/1d"]))
    desk.operator(per_number={"smtp": parse_limits(["3/1h"])})
    assert said(desk.alert("x 0")) == [SENT]
    assert [said(desk.alert(f"x {serial}")) for serial in range(1, 20)] == [[KEPT]] * 19
    assert said(desk.alert("other")) == [SENT]
    assert said(desk.alert("a third")) == [SENT]
    assert said(desk.alert("a fourth")) == ["rate_limited"]


def test_what_is_kept_costs_nothing(desk: Storm) -> None:
    """Credit is taken for what goes out: for the first and for the digest."""
    desk.account("payer", credit=2_500, limit=0)
    desk.operator(prices=PriceTable.of({"default": "1"}))
    receipt = desk.alert("x 0", account=2)
    assert receipt.credit == 1_500
    for serial in range(5):
        receipt = desk.alert(f"x {serial}", account=2)
        assert (said(receipt), receipt.results[0].price, receipt.credit) == ([KEPT], 0, 1_500)
    assert desk.balance(2) == 1_500
    desk.leave()
    desk.clock.advance(ms=MS)
    assert desk.over() == Counter(sent=1)
    assert desk.balance(2) == 500


def test_a_digest_that_costs_too_much_waits(desk: Storm) -> None:
    """Without credit it is held, with all that comes meanwhile, and goes out when there is some."""
    desk.account("payer", credit=1_000, limit=0)
    desk.operator(prices=PriceTable.of({"default": "1"}))
    desk.alert("x 0", account=2)
    desk.alert("x 1", account=2)
    desk.leave()
    desk.clock.advance(ms=MS)
    assert desk.over() == Counter(held=1)
    assert desk.over() == Counter(), "not asked again each second"
    assert said(desk.alert("x 2", account=2)) == [KEPT]
    desk.clock.advance(seconds=60)
    assert desk.over() == Counter(held=1)
    desk.change(lambda connection: ledger.credit(connection, 2, 1_000, now=desk.clock.ms))
    desk.clock.advance(seconds=60)
    assert desk.over() == Counter(sent=1)
    assert desk.sent()[-1][1] == "x 2 (+2 alike 12:00-12:10)"


def test_a_digest_over_a_limit_waits(desk: Storm) -> None:
    """It counts in the limits as any text does, and is held while one is reached."""
    desk.operator(per_number={"smtp": parse_limits(["2/1h"])})
    for text in ("x 0", "x 1", "other", "third"):
        desk.alert(text)
    desk.leave()
    desk.clock.advance(ms=MS)
    assert desk.over() == Counter(held=1)
    desk.clock.advance(seconds=50 * 60)
    assert desk.over() == Counter(sent=1)


def test_a_digest_that_is_refused_for_good(desk: Storm) -> None:
    """The window ends, and an event on the last text says why: nothing vanishes silently."""
    desk.alert("x 0")
    last = desk.alert("x 1")
    desk.leave()
    desk.change(lambda connection: opt_outs.add(connection, A, 1, word="STOP", now=desk.clock.ms))
    desk.clock.advance(ms=MS)
    assert desk.over() == Counter(refused=1)
    (message_id, position, data) = desk.events("digest")[0]
    assert (message_id, position) == (last.message_id, 1)
    assert (data["count"], data["code"]) == (1, "opted_out")
    assert desk.windows() == 0
    assert len(desk.sent()) == 1


def test_a_disabled_account_has_no_digest(desk: Storm) -> None:
    """It may send nothing, and this is something."""
    desk.alert("x 0")
    desk.alert("x 1")
    desk.leave()
    desk.change(lambda connection: accounts.set_enabled(connection, 1, enabled=False))
    desk.clock.advance(ms=MS)
    assert desk.over() == Counter(refused=1)
    assert desk.events("digest")[0][2]["code"] == "account_disabled"


def test_one_digest_for_a_quiet_night(desk: Storm) -> None:
    """Hours that hold texts hold the digest: in the morning there is one with the count of the night, not fifty."""
    hours = Quiet(windows=parse_hours(["12:00-18:00"]), zone=desk.plan(A).zone)
    desk.setting(quiet=hours, quiet_holds=True)
    assert said(desk.alert("x 0")) == ["scheduled"]
    for serial in range(1, 300):
        desk.clock.advance(seconds=60)
        desk.over()
        assert said(desk.alert(f"x {serial}")) == [KEPT]
    assert [text for _, text in desk.sent()] == ["x 0"]
    desk.clock.now = datetime(2030, 1, 1, 18, 0, tzinfo=UTC)
    assert desk.change(lambda connection: upkeep.promote_due(connection, store=desk.store)) == 1
    desk.leave()
    desk.clock.advance(seconds=60)
    assert desk.over() == Counter(sent=1)
    assert [text for _, text in desk.sent()][1:] == ["x 299 (+299 alike 12:01-16:59)"]


def test_hours_that_began_in_the_window_hold_the_digest(desk: Storm) -> None:
    """The first went out before them; the digest leaves after them, and is no scheduled text that others follow."""
    desk.setting(quiet=Quiet(windows=parse_hours(["12:05-18:00"]), zone=desk.plan(A).zone), quiet_holds=True)
    desk.alert("x 0")
    desk.alert("x 1")
    desk.leave()
    desk.clock.advance(ms=MS)
    assert desk.over() == Counter(held=1)
    assert len(desk.sent()) == 1
    desk.clock.now = datetime(2030, 1, 1, 18, 0, tzinfo=UTC)
    assert desk.over() == Counter(sent=1)


def test_while_the_first_waits_so_does_the_digest(desk: Storm) -> None:
    """With the carrier away the queue holds one text of a storm, not one for each window."""
    desk.alert("x 0")
    desk.alert("x 1")
    for _ in range(5):
        desk.clock.advance(ms=MS)
        assert desk.over() == Counter(held=1)
    desk.leave()
    desk.clock.advance(seconds=60)
    assert desk.over() == Counter(sent=1)


@pytest.mark.parametrize("kept", [False, True])
def test_a_text_that_failed_stands_for_none(desk: Storm, *, kept: bool) -> None:
    """Once the carrier refused it, the next one alike goes out; what was kept before is told at the end as ever."""
    desk.alert("x 0")
    if kept:
        desk.alert("x 1")
    (row,) = desk.claim()
    assert desk.end(row, Outcome.refused("no"))
    second = desk.alert("x 2")
    assert said(second) == [SENT]
    third = desk.alert("x 3")
    assert into(third) == second.results[0].recipient_id
    desk.leave()
    desk.clock.advance(ms=MS)
    assert desk.over() == Counter(sent=1)
    assert desk.sent()[-1][1].startswith(f"x 3 (+{1 + kept} alike")


def test_a_test_changes_nothing(desk: Storm) -> None:
    """It is told what would become of it, opens no window and is counted in none."""
    assert said(desk.alert("x 0", test=True)) == [SENT]
    assert desk.windows() == 0
    desk.alert("x 1")
    assert said(desk.alert("x 2", test=True)) == [KEPT]
    assert desk.events("cancelled") == []
    desk.clock.advance(ms=MS)
    assert desk.over() == Counter()


def test_all_or_nothing(desk: Storm) -> None:
    """One refused recipient refuses all: nothing is kept and no window opened."""
    desk.alert("x 0", A)
    desk.change(lambda connection: opt_outs.add(connection, B, 1, word="STOP", now=desk.clock.ms))
    assert said(desk.alert("x 1", A, B, C, all_or_nothing=True)) == ["opted_out"] * 3
    assert desk.events("cancelled") == []
    desk.clock.advance(ms=MS)
    assert desk.over() == Counter()
    assert said(desk.alert("x 2", C)) == [SENT]


# Idempotency.


def test_a_kept_text_that_comes_again(desk: Storm) -> None:
    """The relay had no answer and sends it again, in the window or after it: the first answer, and nothing counted."""
    desk.alert("x 0", Addressee(number=A, key="zero"))
    first = desk.alert("x 1", Addressee(number=A, key="one"))
    again = desk.alert("x 1", Addressee(number=A, key="one"))
    assert said(again) == ["again"]
    assert (again.message_id, again.results[0].recipient_id) == (first.message_id, first.results[0].recipient_id)
    desk.leave()
    desk.clock.advance(ms=MS)
    assert desk.over() == Counter(sent=1)
    assert "(+1 alike" in desk.sent()[-1][1]
    assert said(desk.alert("x 1", Addressee(number=A, key="one"))) == ["again"]
    assert said(desk.alert("x 0", Addressee(number=A, key="zero"))) == ["again"]


def test_the_first_that_comes_again_is_not_kept(desk: Storm) -> None:
    """It is answered as what it was: sent."""
    first = desk.alert("x 0", Addressee(number=A, key="zero"))
    again = desk.alert("x 0", Addressee(number=A, key="zero"))
    assert (said(again), again.message_id) == (["again"], first.message_id)
    desk.clock.advance(ms=MS)
    assert desk.over() == Counter()


# Many.


@contextmanager
def statements(store: Store) -> Iterator[list[str]]:
    """Keep the statements that a store runs."""
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        seen.append(statement)

    event.listen(store.engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(store.engine, "before_cursor_execute", note)


def test_a_thousand_in_one_batch(desk: Storm) -> None:
    """One goes out and 999 are kept, in as many statements as two take; without the setting windows are not asked."""
    few = [desk.plan(B, text=f"y {serial}", collapse=STORM) for serial in range(2)]
    with statements(desk.store) as for_few:
        desk.take(*few)
    plans = [desk.plan(A, text=f"x {serial}", collapse=STORM) for serial in range(1000)]
    with statements(desk.store) as for_many:
        receipts = desk.take(*plans)
    assert Counter(said(one)[0] for one in receipts) == Counter({KEPT: 999, SENT: 1})
    assert said(receipts[0]) == [SENT]
    assert len(for_many) == len(for_few)
    with statements(desk.store) as without:
        desk.take(desk.plan(C, text="z"), desk.plan(C, text="z"))
    assert not [one for one in without if "storms" in one]
    desk.leave()
    desk.clock.advance(ms=MS)
    assert desk.over() == Counter(sent=2)
    assert sorted(desk.sent()[-2:]) == [(A, "x 999 (+999 alike 12:00)"), (B, "y 1 (+1 alike 12:00)")]


def test_windows_are_found_by_their_keys(store: Store) -> None:
    """No statement of a commit or of the look each second walks through all windows (SQLite says how it goes)."""
    dialect = "sqlite"
    with store.read() as connection:
        found = (storms._read(dialect), storms._forget(dialect), *storms._end(dialect), storms._pending(dialect))
        for statement in found:
            plan = [row[-1] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", {"rows": "[]"})]
            assert not [step for step in plan if step.startswith(("SCAN s", "SCAN storms"))], (statement, plan)
        over = "EXPLAIN QUERY PLAN SELECT shape FROM storms WHERE ends_at <= 5 ORDER BY ends_at"
        assert "ix_storms_ends_at" in connection.exec_driver_sql(over).one()[-1]


# Restarts, and several processes.


def test_a_restart_changes_nothing(desk: Storm, any_url: str) -> None:
    """All that is known of a storm is in the database: another process goes on with it."""
    desk.alert("x 0")
    desk.alert("x 1")
    desk.leave()
    desk.store.close()
    other = Storm(Store(any_url, clock=desk.clock), desk.clock)
    assert said(other.alert("x 2")) == [KEPT]
    desk.clock.advance(ms=MS)
    assert other.over() == Counter(sent=1)
    assert other.sent()[-1][1] == "x 2 (+2 alike 12:00)"
    other.store.close()


def test_what_is_rolled_back_is_told_again(desk: Storm) -> None:
    """A process that dies between the digest and its commit leaves the window as it was: one digest goes out, later."""
    desk.alert("x 0")
    desk.alert("x 1")
    desk.leave()
    desk.clock.advance(ms=MS)

    def dies(connection: Connection) -> None:
        assert desk._over(connection) == Counter(sent=1)
        raise InternalError("killed")

    with pytest.raises(InternalError):
        desk.change(dies)
    assert len(desk.sent()) == 1
    assert desk.over() == Counter(sent=1)
    assert len(desk.sent()) == 2


def test_who_comes_second_sends_nothing(desk: Storm) -> None:
    """Two processes see that a window is over; the one that waited for the other looks again, and leaves it."""
    desk.alert("x 0")
    desk.alert("x 1")
    desk.leave()
    desk.clock.advance(ms=MS)
    seen = desk.read(lambda connection: storms.over(connection, now=desk.clock.ms, limit=10))
    assert desk.over() == Counter(sent=1)
    desk.alert("x 2")
    desk.leave()

    def second(connection: Connection) -> Counter[str]:
        directory = load_directory(connection)
        return end(connection, seen, directory=directory, rules=desk.rules, now=desk.clock.ms)

    assert desk.change(second) == Counter()
    assert len(desk.sent()) == 2


_TOGETHER = """
import asyncio
from datetime import timedelta
from bridge.model.errors import StoreUnavailable
from bridge.model.message import Collapse
from bridge.pipeline.commit import Writer
from bridge.pipeline.digests import Digests
from bridge.pipeline.snapshot import Snapshot
from bridge.store.engine import Store
from bridge.telemetry import Metrics, configure_logging
from bridge.model.message import Outcome
from tests.support.clock import HandClock
from tests.support.desk import Desk
from tests.support.texts import number

configure_logging()
clock = HandClock()
store = Store(sys.argv[1], clock=clock)
desk = Desk(store, clock)
node = int(sys.argv[2])
storm = Collapse(window=timedelta(minutes=10))

async def again(make):
    while True:
        try:
            return await make()
        except StoreUnavailable:
            pass

async def main():
    writer = Writer(store)
    writer.start()
    snapshot = Snapshot(store)
    await snapshot.open()
    digests = Digests(store=store, writer=writer, snapshot=snapshot, rules=desk.rules, metrics=Metrics())
    plans = [desk.plan(number(1), number(2), text=f"x {node}{serial}", collapse=storm) for serial in range(60)]
    ready()
    receipts = []
    for start in range(0, 60, 10):
        receipts += await asyncio.gather(
            *(again(lambda plan=plan: writer.submit(plan)) for plan in plans[start:start + 10])
        )
    for row in desk.claim():
        desk.end(row, Outcome.accepted(row.message_id))
    clock.advance(seconds=1200)
    sent = sum([await again(digests.end_over) for _ in range(3)])
    await writer.stop()
    return [sum(one.collapsed_into is None for receipt in receipts for one in receipt.results), sent]

answer(asyncio.run(main()))
"""


def test_two_processes_at_once(desk: Storm, any_url: str) -> None:
    """Sixty mails to two numbers from each of two processes, then both look for what is over: all is exact.

    One text goes out to each number, or two, where a process was through its hour when the other one began; all that
    was not sent was kept, and the digests tell of each once.
    """
    run_together(_TOGETHER, [[any_url, "1"], [any_url, "2"]])
    desk.clock.advance(seconds=3_600)
    desk.leave()
    while desk.over():
        desk.leave()
        desk.clock.advance(ms=MS)
    rows = texts.rows(desk.store)
    kept = [row for row in rows if row.state == KEPT]
    told = [data["count"] for _, _, data in desk.events("digest")]
    assert sum(told) == len(kept)
    assert len(rows) - len(told) == 240, "every text is there, and each digest once"
    assert len(rows) - len(kept) - len(told) <= 4
    assert desk.windows() == 0


def test_a_clock_that_is_set_in_summer_changes_nothing(desk: Storm) -> None:
    """Windows are of so many milliseconds, also over the night in which clocks are set."""
    desk.clock.now = datetime(2030, 10, 26, 22, 55, tzinfo=UTC)  # five minutes before it is two o'clock again
    desk.alert("x 0")
    desk.clock.advance(ms=MS - 1)
    assert said(desk.alert("x 1")) == [KEPT]
    desk.leave()
    assert desk.over() == Counter()
    desk.clock.advance(ms=1)
    assert desk.over() == Counter(sent=1)


# The tasks.


def test_the_metrics_of_a_storm(store: Store, clock: HandClock) -> None:
    """What was kept is counted apart from what was taken, by door; digests by what became of them."""
    desk = Storm(store, clock)
    desk.account()
    metrics = Metrics()

    async def main() -> None:
        writer = Writer(store)
        writer.start()
        snapshot = Snapshot(store)
        await snapshot.open()
        whole = Digests(store=store, writer=writer, snapshot=snapshot, rules=desk.rules, metrics=metrics)
        intake = Intake(writer=writer, snapshot=snapshot, rules=desk.rules, metrics=metrics, digests=whole, clock=clock)
        for serial in range(4):
            await intake.submit(desk.submission(A, text=f"x {serial}", collapse=STORM))
        desk.leave()
        clock.advance(ms=MS)
        assert await whole.end_over() == 1
        assert await whole.end_over() == 0
        await writer.stop()

    asyncio.run(main())
    value = metrics.registry.get_sample_value
    assert value("smsbridge_accepted_total", {"door": "smtp"}) == 1
    assert value("smsbridge_collapsed_total", {"door": "smtp"}) == 3
    assert value("smsbridge_digests_total", {"outcome": "sent"}) == 1


def test_many_windows_end_in_pieces(desk: Storm, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand that are over at once are ended some at a time, until none is left."""
    monkeypatch.setattr(digests, "_AT_ONCE", 3)
    for serial in range(2):
        desk.alert(f"x {serial}", *(number(place) for place in range(10)))
    desk.leave()
    desk.clock.advance(ms=MS)

    async def main() -> int:
        writer = Writer(desk.store)
        writer.start()
        snapshot = Snapshot(desk.store)
        await snapshot.open()
        whole = Digests(store=desk.store, writer=writer, snapshot=snapshot, rules=desk.rules, metrics=Metrics())
        sent = await whole.end_over()
        await writer.stop()
        return sent

    assert asyncio.run(main()) == 10
