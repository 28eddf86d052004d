"""The rules that need the database: opt-outs, limits, spend and credit, each at its edge, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from bridge.model.limits import parse_limits
from bridge.model.message import Addressee, Priority, Receipt
from bridge.model.price import PriceTable
from bridge.model.state import State
from bridge.store import opt_outs, usage
from bridge.store.engine import Store
from tests.support import texts
from tests.support.clock import HandClock
from tests.support.desk import MAILBOX, Desk, said
from tests.support.texts import number

A, B, C, D, E = (number(index) for index in range(1, 6))
JERUSALEM = ZoneInfo("Asia/Jerusalem")
TAKEN, LIMITED, SPENT, BROKE, CLOSED = "queued", "rate_limited", "spend_limited", "credit_exhausted", "opted_out"


@pytest.fixture
def desk(any_store: Store, clock: HandClock) -> Desk:
    """A desk without accounts: a test makes its own, the first of which is 1."""
    return Desk(any_store, clock)


def close(desk: Desk, to: str, account: int) -> None:
    """Let a number opt out."""
    desk.change(lambda connection: opt_outs.add(connection, to, account, word="STOP", now=desk.clock.ms))


def to_number(written: str, door: str = "smtp") -> dict[str, Any]:
    """Write limits to one number as the operator's rules have them."""
    return {"per_number": {door: parse_limits(written.split(","))}}


def reason(receipt: Receipt, place: int = 0) -> str:
    """Return what a refused recipient is told."""
    refusal = receipt.results[place].refusal
    assert refusal is not None
    return refusal.reason


# Opt-outs.


def test_an_opt_out_closes_one_account(desk: Desk) -> None:
    """Who opted out of an account gets nothing from it, but texts from another, and others on the list get theirs."""
    desk.account()
    desk.account("other")
    close(desk, B, 1)
    assert said(desk.submit(A, B, C)) == [TAKEN, CLOSED, TAKEN]
    assert said(desk.submit(B, account=2)) == [TAKEN]


def test_an_opt_out_from_all_closes_every_account(desk: Desk) -> None:
    """A number closed to everybody gets nothing from any account."""
    desk.account()
    desk.account("other")
    close(desk, A, opt_outs.EVERYBODY)
    assert said(desk.submit(A)) == said(desk.submit(A, account=2)) == [CLOSED]


@pytest.mark.parametrize("whose", [1, opt_outs.EVERYBODY])
def test_a_transactional_account_passes_opt_outs(desk: Desk, whose: int) -> None:
    """Codes and alarms go out all the same, where the account says that it sends those."""
    desk.account(transactional=True)
    close(desk, A, whose)
    assert said(desk.submit(A)) == [TAKEN]
    desk.setting(transactional=False)
    assert said(desk.submit(A)) == [CLOSED]


def test_an_opt_out_ends(desk: Desk) -> None:
    """A number that is opened again gets texts; closing twice and opening once leaves it open."""
    desk.account()
    close(desk, A, 1)
    close(desk, A, 1)
    assert said(desk.submit(A)) == [CLOSED]
    desk.change(lambda connection: opt_outs.remove(connection, A, 1))
    assert said(desk.submit(A)) == [TAKEN]


def test_two_accounts_of_one_batch_have_their_own_opt_outs(desk: Desk) -> None:
    """What is asked at once for many accounts is answered for each."""
    desk.account()
    desk.account("other")
    close(desk, A, 2)
    close(desk, B, 1)
    receipts = desk.take(desk.plan(A, B), desk.plan(A, B, account=2))
    assert [said(one) for one in receipts] == [[TAKEN, CLOSED], [CLOSED, TAKEN]]


# Limits of an account and of its mailboxes: windows of the clock.


@pytest.mark.parametrize("setting", ["limits", "mailbox_limits"])
def test_the_tenth_passes_and_the_eleventh_not(desk: Desk, setting: str) -> None:
    """A limit of 10 lets ten texts pass in its minute, and the next at the very millisecond at which that is over."""
    settings: dict[str, Any] = {setting: parse_limits(["10/1m"])}
    desk.account(**settings)
    desk.clock.advance(seconds=20)
    for place in range(10):
        assert said(desk.submit(number(place))) == [TAKEN]
    refused = desk.submit(number(10))
    assert said(refused) == [LIMITED]
    assert "10/1m" in reason(refused)
    assert "again in 40 s" in reason(refused)
    desk.clock.advance(seconds=39, ms=999)
    assert said(desk.submit(number(10))) == [LIMITED]
    assert "again in 1 s" in reason(desk.submit(number(10)))
    desk.clock.advance(ms=1)
    assert said(desk.submit(*map(number, range(11)))) == [TAKEN] * 10 + [LIMITED]


def test_all_limits_hold_together(desk: Desk) -> None:
    """Of several limits each one holds: the minute's is over when the hour's still is not."""
    desk.account(limits=parse_limits(["2/1m", "3/1h"]))
    assert said(desk.submit(A, B, C)) == [TAKEN, TAKEN, LIMITED]
    desk.clock.advance(seconds=60)
    refused = desk.submit(C, D)
    assert said(refused) == [TAKEN, LIMITED]
    assert "3/1h" in reason(refused, 1)
    desk.clock.advance(seconds=59 * 60)
    assert said(desk.submit(A, B, C)) == [TAKEN, TAKEN, LIMITED]


def test_two_submissions_of_one_batch_share_a_limit(desk: Desk) -> None:
    """What the first of a batch uses is not there for the second."""
    desk.account(limits=parse_limits(["3/1m"]))
    one, two = desk.take(desk.plan(A, B), desk.plan(C, D))
    assert (said(one), said(two)) == ([TAKEN, TAKEN], [TAKEN, LIMITED])
    assert sorted(row.number for row in texts.rows(desk.store)) == [A, B, C]  # made in one moment: in any order


def test_mailboxes_have_their_own_counts(desk: Desk) -> None:
    """A mailbox that has used up its limit keeps no other one from sending; the account's limit is theirs together."""
    desk.account(limits=parse_limits(["3/1m"]), mailbox_limits=parse_limits(["2/1m"]))
    assert said(desk.submit(A, B, C)) == [TAKEN, TAKEN, LIMITED]
    assert "this mailbox" in reason(desk.submit(C))
    bob = desk.submit(C, D, origin="bob@example.com")
    assert said(bob) == [TAKEN, LIMITED]
    assert "this account" in reason(bob, 1)


def test_a_mailbox_may_be_called_as_it_likes(desk: Desk) -> None:
    """Counts of mailboxes are kept apart from those of the account and its spend, whatever an origin is called."""
    desk.account(limits=parse_limits(["9/1d"]), mailbox_limits=parse_limits(["1/1d"]), spend_per_day=50_000)
    for origin in (MAILBOX, "account", "spend"):
        assert said(desk.submit(A, origin=origin)) == [TAKEN], origin
        assert said(desk.submit(A, origin=origin)) == [LIMITED], origin
    assert said(desk.submit(*map(number, range(9)), origin="dan@example.com")) == [TAKEN] + [LIMITED] * 8


def test_accounts_have_their_own_counts(desk: Desk) -> None:
    """Two accounts in one batch, with one limit each, take nothing from each other."""
    for name in ("acme", "other"):
        desk.account(name, limits=parse_limits(["2/1m"]))
    receipts = desk.take(desk.plan(A, B, C), desk.plan(A, B, C, account=2))
    assert [said(one) for one in receipts] == [[TAKEN, TAKEN, LIMITED]] * 2


@pytest.mark.parametrize(
    ("midnight", "hours"),
    [
        (datetime(2030, 3, 29, tzinfo=JERUSALEM), 23),  # the clock is put forward at two
        (datetime(2030, 10, 27, tzinfo=JERUSALEM), 25),  # and back at two
        (datetime(2030, 7, 1, tzinfo=JERUSALEM), 24),
    ],
)
@pytest.mark.parametrize("rule", ["limits", "spend_per_day"])
def test_a_day_is_from_midnight_to_midnight_where_the_account_is(
    desk: Desk, midnight: datetime, hours: int, rule: str
) -> None:
    """Texts and spend of a day begin anew at midnight in the account's zone, also on the days of 23 and 25 hours."""
    settings: dict[str, Any] = {"limits": parse_limits(["1/1d"])} if rule == "limits" else {"spend_per_day": 1000}
    desk.account(zone=JERUSALEM, **settings)
    refused = LIMITED if rule == "limits" else SPENT
    start = midnight.astimezone(UTC)
    desk.clock.now = start - timedelta(milliseconds=1)
    assert said(desk.submit(A, B)) == [TAKEN, refused]
    desk.clock.now = start
    assert said(desk.submit(A, B)) == [TAKEN, refused]
    desk.clock.now = start + timedelta(hours=hours, milliseconds=-1)
    assert said(desk.submit(A)) == [refused]
    desk.clock.now = start + timedelta(hours=hours)
    assert said(desk.submit(A, B)) == [TAKEN, refused]


def test_counts_of_windows_that_are_over_are_swept(desk: Desk) -> None:
    """The sweep forgets just the windows that ended by now: what still counts goes on counting."""
    desk.account(limits=parse_limits(["1/1m", "2/1h"]))
    desk.submit(A)
    desk.clock.advance(ms=59_999)
    assert desk.change(lambda connection: usage.sweep(connection, now=desk.clock.ms)) == 0
    desk.clock.advance(ms=1)
    assert desk.change(lambda connection: usage.sweep(connection, now=desk.clock.ms)) == 1
    assert said(desk.submit(A)) == [TAKEN]
    desk.clock.advance(seconds=60)
    assert said(desk.submit(A)) == [LIMITED]


# Limits to one number: they look back from each text.


def test_the_tenth_to_a_number_passes_and_the_eleventh_not(desk: Desk) -> None:
    """In any sixty seconds ten, by the millisecond: each that is a minute old makes room for one."""
    desk.account()
    desk.operator(**to_number("10/1m"))
    for _ in range(10):
        assert said(desk.submit(A)) == [TAKEN]
        desk.clock.advance(seconds=1)
    refused = desk.submit(A)
    assert said(refused) == [LIMITED]
    assert "10/1m" in reason(refused)
    assert "again in 50 s" in reason(refused)
    assert said(desk.submit(B)) == [TAKEN]
    desk.clock.advance(seconds=49, ms=999)
    assert said(desk.submit(A)) == [LIMITED]
    desk.clock.advance(ms=1)
    assert said(desk.submit(A)) == [TAKEN]
    assert said(desk.submit(A)) == [LIMITED]
    desk.clock.advance(seconds=1)
    assert said(desk.submit(A)) == [TAKEN]


def test_the_usual_limits_to_a_number(desk: Desk) -> None:
    """Ten in a minute, thirty in a quarter, sixty in an hour: a flood of an hour gets sixty through."""
    desk.account()
    desk.operator(**to_number("10/1m,30/15m,60/1h"))
    through = 0
    for _ in range(60):
        receipts = [desk.submit(A) for _ in range(11)]
        through += sum(said(one) == [TAKEN] for one in receipts)
        desk.clock.advance(seconds=60)
    assert through == 60


def test_what_is_refused_does_not_count(desk: Desk) -> None:
    """Somebody who goes on trying gets the next one through when its time comes."""
    desk.account()
    desk.operator(**to_number("1/1m"))
    assert said(desk.submit(A)) == [TAKEN]
    for _ in range(59):
        desk.clock.advance(seconds=1)
        assert said(desk.submit(A)) == [LIMITED]
    desk.clock.advance(seconds=1)
    assert said(desk.submit(A)) == [TAKEN]


def test_limits_to_a_number_belong_to_an_account_and_a_door(desk: Desk) -> None:
    """Another account may still text it, and so may another door, whose texts do not count and forget no count."""
    desk.account()
    desk.account("other")
    desk.operator(**to_number("2/1h"))
    assert said(desk.submit(A)) == [TAKEN]
    for _ in range(5):
        assert said(desk.submit(A, door="soap")) == [TAKEN]
    assert said(desk.submit(A)) == [TAKEN]
    assert said(desk.submit(A)) == [LIMITED]
    assert said(desk.submit(A, door="soap")) == [TAKEN]
    assert said(desk.submit(A)) == [LIMITED]
    assert said(desk.submit(A, account=2)) == [TAKEN]
    mixed = desk.take(desk.plan(A, door="soap"), desk.plan(A), desk.plan(A, account=2), desk.plan(A, account=2))
    assert [said(one) for one in mixed] == [[TAKEN], [LIMITED], [TAKEN], [LIMITED]]


def test_one_batch_shares_the_limit_to_a_number(desk: Desk) -> None:
    """Twelve mails to one number that are committed together: ten go."""
    desk.account()
    desk.operator(**to_number("10/1m"))
    receipts = desk.take(*(desk.plan(A, B if place else A) for place in range(12)))
    assert [said(one)[0] for one in receipts] == [TAKEN] * 10 + [LIMITED] * 2
    assert sum(row.number == A for row in texts.rows(desk.store)) == 10
    assert sum(row.number == B for row in texts.rows(desk.store)) == 10


def test_a_longer_limit_switched_on_later_counts_what_is_known(desk: Desk) -> None:
    """Times are kept as long as the longest limit of their day; a shorter list of limits cuts them."""
    desk.account()
    desk.operator(**to_number("5/1m,8/1h"))
    for _ in range(4):
        desk.submit(A)
    desk.clock.advance(seconds=120)
    desk.submit(A)
    desk.operator(**to_number("5/1h"))
    assert said(desk.submit(A)) == [LIMITED]
    desk.operator(per_number={})
    assert said(desk.submit(A)) == [TAKEN]


# Spend.


def test_spend_is_exact_to_the_thousandth(desk: Desk) -> None:
    """A day's spend may come to the limit itself, and not a thousandth beyond; a free text passes."""
    desk.account(spend_per_day=2_001)
    desk.operator(prices=PriceTable.of({"default": "1", "97250234": "0.667", "1": "0", "44": "0.001"}))
    receipt = desk.submit(A, B, C, D)
    assert said(receipt) == [TAKEN, TAKEN, TAKEN, SPENT]
    assert [one.price for one in receipt.results] == [667, 667, 667, 0]
    assert "spend for the day" in reason(receipt, 3)
    assert said(desk.submit("+447400123456")) == [SPENT]
    assert said(desk.submit("+12125550123")) == [TAKEN]
    desk.setting(spend_per_day=2_002)
    assert said(desk.submit("+447400123456", A)) == [TAKEN, SPENT]


def test_a_cheaper_text_passes_where_a_dear_one_does_not(desk: Desk) -> None:
    """One that is refused uses nothing: what is left is there for those behind it."""
    desk.account(spend_per_day=3_000)
    long = "x" * 161  # two parts
    receipt = desk.submit(A, Addressee(number=B, text=long), Addressee(number=C, text=long), D)
    assert said(receipt) == [TAKEN, TAKEN, SPENT, SPENT]
    desk.setting(spend_per_day=4_000)
    assert said(desk.submit(Addressee(number=C, text=long), D)) == [SPENT, TAKEN]


# Credit.


def test_the_last_credit(desk: Desk) -> None:
    """Credit for three lets three pass, to nothing left, and the fourth is refused by its own error."""
    desk.account(credit=3_000, limit=0)
    receipt = desk.submit(A, B, C, D)
    assert said(receipt) == [TAKEN, TAKEN, TAKEN, BROKE]
    assert desk.balance() == 0
    assert said(desk.submit(A)) == [BROKE]


@pytest.mark.parametrize(
    ("credit", "limit", "passes"),
    [
        (1_000, 0, True),
        (999, 0, False),
        (0, -1_000, True),
        (0, -999, False),
        (5_000, 4_000, True),
        (5_000, 4_001, False),
        (0, None, True),
        (-7_000_000, None, True),
    ],
)
def test_at_the_limit_of_credit(desk: Desk, credit: int, limit: int | None, *, passes: bool) -> None:
    """The balance may come to the limit itself: zero, an overdraft, a reserve. Without a limit it is only counted."""
    desk.account(credit=credit, limit=limit)
    assert said(desk.submit(A)) == [TAKEN if passes else BROKE]
    assert desk.balance() == credit - 1_000 * passes


def test_one_batch_shares_the_credit(desk: Desk) -> None:
    """Two submissions in one transaction do not spend the same credit; another account's is not touched."""
    desk.account(credit=3_000, limit=0)
    desk.account("other", credit=1_000, limit=0)
    receipts = desk.take(desk.plan(A, B), desk.plan(A, account=2), desk.plan(C, D), desk.plan(B, account=2))
    assert [said(one) for one in receipts] == [[TAKEN, TAKEN], [TAKEN], [TAKEN, BROKE], [BROKE]]
    assert (desk.balance(1), desk.balance(2)) == (0, 0)


def test_price_is_by_part_prefix_and_priority(desk: Desk) -> None:
    """What is reserved is what the result says: parts times the price of the longest prefix times the factor."""
    desk.account(credit=20_000, limit=0)
    desk.operator(prices=PriceTable.of({"default": "1", "972": "0.5", "9725": "0.3"}, {"urgent": "2.5"}))
    receipt = desk.submit(A, "+97236123456", "+447400123456", text="x" * 161, priority=Priority.URGENT)
    assert [one.price for one in receipt.results] == [1_500, 2_500, 5_000]
    assert desk.balance() == 11_000
    assert [entry.amount for entry in desk.entries()] == [20_000, -9_000]


# What is taken of a submission, and in which order.


def test_partial_acceptance_goes_in_order(desk: Desk) -> None:
    """Recipients are asked in their order; each has its own answer, and only those taken are kept and counted."""
    desk.account(credit=2_000, limit=0, limits=parse_limits(["9/1d"]), spend_per_day=9_000)
    close(desk, B, 1)
    receipt = desk.submit(A, B, C, A, D)
    assert said(receipt) == [TAKEN, CLOSED, TAKEN, "again", BROKE]
    assert receipt.message_id is not None
    ids = [one.recipient_id for one in receipt.results]
    assert ids == [f"{receipt.message_id}-1", None, f"{receipt.message_id}-3", f"{receipt.message_id}-1", None]
    assert [(row.position, row.number, row.price) for row in texts.rows(desk.store)] == [(1, A, 1000), (3, C, 1000)]
    assert desk.balance() == 0


def test_a_limit_is_crossed_in_the_middle(desk: Desk) -> None:
    """Of a submission that crosses a limit the first ones go, and the number's limit leaves room for others."""
    desk.account(limits=parse_limits(["4/1h"]))
    desk.operator(**to_number("1/1m"))
    assert said(desk.submit(B)) == [TAKEN]
    assert said(desk.submit(A, B, C, D, E)) == [TAKEN, LIMITED, TAKEN, TAKEN, LIMITED]


def test_a_submission_of_which_nothing_is_taken(desk: Desk) -> None:
    """It has no message, and nothing is kept or counted; of the reasons the receipt gives one that may pass."""
    desk.account(credit=500, limit=0, limits=parse_limits(["2/1d"]))
    close(desk, A, 1)
    receipt = desk.submit(A, B)
    assert said(receipt) == [CLOSED, BROKE]
    assert (receipt.message_id, receipt.refusal) == (None, receipt.results[1].refusal)
    assert texts.rows(desk.store) == []
    assert desk.balance() == 500
    desk.setting(transactional=True, limits=parse_limits(["2/1d"]))
    desk.operator(prices=PriceTable.of({"default": "0.25"}))
    assert said(desk.submit(A, B)) == [TAKEN, TAKEN]


@pytest.mark.parametrize("by", [CLOSED, BROKE, LIMITED, "to number"])
def test_all_or_nothing(desk: Desk, by: str) -> None:
    """One refused recipient refuses all, each with a reason, and nothing at all is used up by the others."""
    desk.account(credit=3_000 if by != BROKE else 2_999, limit=0, limits=parse_limits(["3/1d"]))
    if by == CLOSED:
        close(desk, B, 1)
    if by == LIMITED:
        desk.setting(limits=parse_limits(["2/1d"]))
    if by == "to number":
        desk.operator(**to_number("1/1m"))
        desk.submit(B)
        desk.setting(limits=parse_limits(["3/1h"]))
    before = desk.balance()
    receipt = desk.submit(A, B, C, all_or_nothing=True)
    expected = {LIMITED: LIMITED, "to number": LIMITED}.get(by, by)
    assert said(receipt) == [expected] * 3
    assert receipt.message_id is None
    assert desk.balance() == before
    assert said(desk.submit(A, C, all_or_nothing=True)) == [TAKEN, TAKEN]


def test_all_or_nothing_that_is_refused_leaves_the_rest_of_its_batch_alone(desk: Desk) -> None:
    """What it would have used is there for the next submission of the same transaction."""
    desk.account(credit=2_000, limit=0)
    whole, part = desk.take(desk.plan(A, B, C, all_or_nothing=True), desk.plan(D, E))
    assert (said(whole), said(part)) == ([BROKE] * 3, [TAKEN] * 2)


def test_a_test_send_is_asked_and_uses_nothing(desk: Desk) -> None:
    """It says what would have happened, price and all, and leaves no row, no count, no entry, no key."""
    desk.account(credit=2_000, limit=0, limits=parse_limits(["2/1d"]), spend_per_day=2_000)
    desk.operator(**to_number("1/1m"))
    close(desk, E, 1)
    for _ in range(3):
        receipt = desk.submit(Addressee(number=A, key="k"), B, E, C, test=True)
        assert said(receipt) == [TAKEN, TAKEN, CLOSED, LIMITED]
        assert [one.price for one in receipt.results] == [1_000, 1_000, 0, 0]
    assert texts.rows(desk.store) == []
    assert (desk.balance(), len(desk.entries())) == (2_000, 1)
    one, two, three = desk.take(desk.plan(A, B, test=True), desk.plan(A, B), desk.plan(A, test=True))
    assert (said(one), said(two), said(three)) == ([TAKEN, TAKEN], [TAKEN, TAKEN], [LIMITED])
    assert said(desk.submit(Addressee(number=A, key="k"))) == [LIMITED]


# Keys.


def keyed(*numbers: str, key: str = "mail") -> list[Addressee]:
    """Address numbers as a mail does, each with its key."""
    return [Addressee(number=one, key=f"{key} {one}") for one in numbers]


def test_the_same_mail_twice_where_the_first_is_refused(desk: Desk) -> None:
    """In one batch the second is asked by itself: it was not sent before, so it is no duplicate."""
    desk.account(credit=500, limit=0)
    one, two = desk.take(desk.plan(*keyed(A)), desk.plan(*keyed(A)))
    assert (said(one), said(two)) == ([BROKE], [BROKE])
    assert texts.rows(desk.store) == []
    # Where a cheaper text stands between, the batch itself decides what the second one meets.
    desk.account("other", credit=1_000, limit=0)
    long, short = desk.take(
        desk.plan(*keyed(A), account=2, text="x" * 161), desk.plan(*keyed(A), account=2, text="short")
    )
    assert (said(long), said(short)) == ([BROKE], [TAKEN])


def test_the_same_mail_twice_is_charged_and_counted_once(desk: Desk) -> None:
    """In one batch or later, the second costs nothing and uses no limit, even where nothing is left."""
    desk.account(credit=1_000, limit=0, limits=parse_limits(["1/1d"]), spend_per_day=1_000)
    desk.operator(**to_number("1/1h"))
    one, two = desk.take(desk.plan(*keyed(A)), desk.plan(*keyed(A)))
    three = desk.submit(*keyed(A))
    assert (said(one), said(two), said(three)) == ([TAKEN], ["again"], ["again"])
    assert {receipt.message_id for receipt in (one, two, three)} == {one.message_id}
    assert (desk.balance(), len(texts.rows(desk.store))) == (0, 1)


def test_the_same_mail_to_one_more_number(desk: Desk) -> None:
    """What was taken before is answered so, and the rest is asked: the refused one may come again."""
    desk.account(credit=1_000, limit=0)
    first = desk.submit(*keyed(A, B))
    assert said(first) == [TAKEN, BROKE]
    desk.operator(prices=PriceTable.of({"default": "0"}))
    again = desk.submit(*keyed(A, B))
    assert said(again) == ["again", TAKEN]
    assert again.results[0].recipient_id == first.results[0].recipient_id


def test_all_or_nothing_with_a_part_that_was_taken_before(desk: Desk) -> None:
    """What was sent is sent; the new ones stand or fall together."""
    desk.account(credit=1_000, limit=0)
    desk.submit(*keyed(A))
    receipt = desk.submit(*keyed(A, B, C), all_or_nothing=True)
    assert said(receipt) == ["again", BROKE, BROKE]
    assert len(texts.rows(desk.store)) == 1


def test_the_state_that_is_told_is_the_state_that_is_kept(desk: Desk) -> None:
    """A receipt tells of each recipient what the store has: state, parts, price and time."""
    desk.account()
    at = desk.clock() + timedelta(hours=1)
    receipt = desk.submit(A, Addressee(number=B, text="x" * 300), send_at=at)
    for result, row in zip(receipt.results, texts.rows(desk.store), strict=True):
        assert (result.state, result.parts, result.price) == (State(row.state), row.parts, row.price)
        assert result.due_at == at
        assert row.due_at == desk.clock.ms + 3_600_000
        assert row.state == State.SCHEDULED
