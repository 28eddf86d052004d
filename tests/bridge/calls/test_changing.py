"""Changing and cancelling: what has not begun to leave, priced anew, all of it or nothing."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from bridge.calls.desk import Desk
from bridge.calls.values import Answer, ContactEntry, Moved
from bridge.model.errors import (
    BridgeError,
    InvalidRequest,
    InvalidTemplate,
    InvalidTime,
    MissingField,
    NoCredit,
    NoText,
    PastTime,
    QuietHours,
    SenderNotApproved,
    SpendLimited,
    TextTooLong,
    UnknownMessage,
    WrongState,
)
from bridge.model.message import Outcome, Priority
from bridge.model.price import PriceTable
from bridge.model.sender import Sender, SenderKind, Verdict
from bridge.model.state import State
from bridge.model.when import Quiet, parse_hours
from bridge.pipeline import drafts
from bridge.store import events, messages, senders
from bridge.store.directory import load_directory
from bridge.store.messages import Kept
from tests.bridge.calls.office import Office
from tests.support import texts
from tests.support.texts import number

A, B, C = number(5678), number(5679), number(5680)
LONG = "x" * 161
HELD = "2030-01-01T15:00"


def approve(office: Office, *names: str) -> None:
    """Let the first account send as names."""
    for name in names:
        sender = Sender(kind=SenderKind.ALPHANUMERIC, name=name)
        office.change(partial(senders.settle, account_id=1, sender=sender, verdict=Verdict.APPROVE, now=0))


def kept(office: Office, answer: Answer) -> Kept:
    """Return the message of an answer as it is in the store."""
    return office.read(lambda connection: messages.find(connection, answer.message_id or ""))


def happened(office: Office, answer: Answer) -> list[tuple[str, int | None, dict[str, Any]]]:
    """Return what happened to the message of an answer."""
    found = office.read(lambda connection: events.of_message(connection, answer.message_id or ""))
    return [(one["kind"], one["position"], one["data"]) for one in found]


def states(moved: list[Moved]) -> list[tuple[str, str, str, bool]]:
    """Return what became of recipients: number, before, after, and whether anything changed."""
    return [(one.dest, str(one.before), str(one.after), one.changed) for one in moved]


# --- cancelling ---


def test_cancel_what_has_not_left(office: Office) -> None:
    """Of a message that is under way, what waits is cancelled and given back; the reason says by whom."""
    metered = office.account("metered", credit=10_000, limit=0)

    async def work(desk: Desk) -> None:
        me = office.caller(metered)
        sent = await desk.send(me, office.order(A, B))
        (row,) = office.claim(1)
        office.end(row, Outcome.accepted("c1"))
        moved = await desk.cancel(me, sent.message_id or "")
        assert states(moved) == [(A, "sent", "sent", False), (B, "queued", "cancelled", True)]
        assert [one.recipient_id for one in moved] == [one.recipient_id for one in sent.results]
        assert office.balance(metered) == 9000
        assert kept(office, sent).recipients[1].reason == "cancelled by erp"
        for again in (sent.message_id, sent.results[0].recipient_id, sent.results[1].recipient_id):
            with pytest.raises(WrongState):
                await desk.cancel(me, again or "")

    office.run(work)


def test_cancel_one_recipient_and_by_reference(office: Office) -> None:
    """A recipient's id means it alone; a reference all messages that have it."""

    async def work(desk: Desk) -> None:
        me = office.caller()
        first = await desk.send(me, office.order(A, B, reference="r", send_at=HELD))
        await desk.send(me, office.order(C, reference="r"))
        moved = await desk.cancel(me, first.results[1].recipient_id or "")
        assert states(moved) == [(B, "scheduled", "cancelled", True)]
        moved = await desk.cancel(me, "r")
        assert states(moved) == [
            (A, "scheduled", "cancelled", True),
            (B, "cancelled", "cancelled", False),
            (C, "queued", "cancelled", True),
        ]
        with pytest.raises(WrongState):
            await desk.cancel(me, "r")

    office.run(work)
    assert {row.state for row in texts.rows(office.store)} == {State.CANCELLED}


def test_a_cancelled_text_is_paid_for_where_the_account_says_so(office: Office) -> None:
    """The setting on refunds of cancelled texts holds for programs as for the operator."""
    metered = office.account("metered", credit=10_000, limit=0, refund_cancelled=False)

    async def work(desk: Desk) -> None:
        sent = await desk.send(office.caller(metered), office.order(A))
        await desk.cancel(office.caller(metered), sent.message_id or "")

    office.run(work)
    assert office.balance(metered) == 9000


@pytest.mark.parametrize("wrong", ["", "nope", "0" * 26, f"{'0' * 26}-1", "\0", "\ud800", "FIRST-9", "THEIRS"])
def test_what_is_not_there(office: Office, wrong: str) -> None:
    """An unknown id, one of no recipient, and one of another account are all the same: unknown."""

    async def work(desk: Desk) -> None:
        first = await desk.send(office.caller(), office.order(A))
        theirs = await desk.send(office.caller(2), office.order(A))
        asked = wrong.replace("FIRST", first.message_id or "").replace("THEIRS", theirs.message_id or "")
        with pytest.raises(UnknownMessage):
            await desk.cancel(office.caller(), asked)
        with pytest.raises(UnknownMessage):
            await desk.update(office.caller(), asked, text="new")

    office.run(work)
    assert {row.state for row in texts.rows(office.store)} == {State.QUEUED}


def test_a_refusal_undoes_nobody_elses_work(office: Office) -> None:
    """What is wrong with one change leaves the transaction whole that it shares with others."""

    async def work(desk: Desk) -> None:
        me = office.caller()
        commits: list[None] = []
        office.writer.on_commit = lambda: commits.append(None)
        answers = await asyncio.gather(
            desk.send(me, office.order(A)),
            desk.cancel(me, "nope"),
            desk.delete_contact(me, A),
            desk.send(me, office.order(B)),
            return_exceptions=True,
        )
        assert [type(one).__name__ for one in answers] == ["Answer", "UnknownMessage", "UnknownRecipient", "Answer"]
        assert len(commits) == 1

    office.run(work)


# --- changing ---


def test_a_new_text_is_priced_anew(office: Office) -> None:
    """The ledger has the difference, either way; text, encoding, parts and price are those of the new text."""
    metered = office.account("metered", credit=10_000, limit=0)

    async def work(desk: Desk) -> None:
        me = office.caller(metered)
        sent = await desk.send(me, office.order(A, B, send_at=HELD))
        assert office.balance(metered) == 8000
        moved = await desk.update(me, sent.message_id or "", text=LONG)
        assert states(moved) == [(A, "scheduled", "scheduled", True), (B, "scheduled", "scheduled", True)]
        assert office.balance(metered) == 6000
        message = kept(office, sent)
        assert (message.text, message.parts) == (LONG, 2)
        assert [(one.text, one.parts) for one in message.recipients] == [(None, 2)] * 2
        assert [row.price for row in texts.rows(office.store)] == [2000, 2000]
        await desk.update(me, sent.message_id or "", text="  שלום  ")
        assert office.balance(metered) == 8000
        assert (kept(office, sent).text, kept(office, sent).encoding) == ("  שלום", "ucs2")
        told = [data for kind, _, data in happened(office, sent) if kind == "changed"]
        assert told[0] == {"by": "erp", "text": True, "sender": None, "parts": 2, "price": 2000}
        assert len(told) == 4
        assert "שלום" not in json.dumps(told, ensure_ascii=False)
        await desk.cancel(me, sent.message_id or "")
        assert office.balance(metered) == 10_000

    office.run(work)


def test_one_recipients_text_of_its_own(office: Office) -> None:
    """A change of one recipient leaves the others with the message's text, and what leaves is what it was."""

    async def work(desk: Desk) -> None:
        me = office.caller()
        sent = await desk.send(me, office.order(A, B))
        await desk.update(me, sent.results[1].recipient_id or "", text="only you")
        message = kept(office, sent)
        assert [one.text for one in message.recipients] == [None, "only you"]
        assert message.text == "Your table is ready"
        assert [row.text for row in office.claim(2)] == ["Your table is ready", "only you"]

    office.run(work)


def test_a_new_time_is_no_way_past_the_hours(office: Office) -> None:
    """Where nothing may leave, a text that was taken for another time may not either, unless its priority may."""
    hours = Quiet(windows=parse_hours("22:00-07:00"), zone=ZoneInfo("UTC"))
    office.setting(1, quiet=hours, quiet_passes=Priority.HIGH)

    async def work(desk: Desk) -> None:
        me = office.caller()
        sent = await desk.send(me, office.order(A, send_at="2030-01-02T12:00Z"))
        for refused in ("2030-01-02T22:00Z", "2030-01-03T06:59Z"):
            with pytest.raises(QuietHours, match="07:00"):
                await desk.update(me, sent.message_id or "", send_at=refused, text="new")
        assert kept(office, sent).text == "Your table is ready"
        assert states(await desk.update(me, sent.message_id or "", send_at="2030-01-03T07:00Z"))[0][3]
        urgent = await desk.send(me, office.order(B, send_at="2030-01-02T12:00Z", priority=Priority.HIGH))
        assert states(await desk.update(me, urgent.message_id or "", send_at="2030-01-02T23:00Z"))[0][3]

    office.run(work)


def test_what_has_begun_to_leave_stays(office: Office) -> None:
    """Sent, tried once, or on its way: such a text is not changed; those beside it are."""

    async def work(desk: Desk) -> None:
        me = office.caller()
        sent = await desk.send(me, office.order(A, B, C))
        first, second = office.claim(2)
        office.end(first, Outcome.accepted("c1"))
        office.end(second, Outcome.deferred("later"))
        moved = await desk.update(me, sent.message_id or "", text="new")
        assert states(moved) == [
            (A, "sent", "sent", False),
            (B, "queued", "queued", False),
            (C, "queued", "queued", True),
        ]
        assert [one.text for one in kept(office, sent).recipients] == [None, None, "new"]
        assert kept(office, sent).text == "Your table is ready"
        with pytest.raises(WrongState):
            await desk.update(me, sent.results[0].recipient_id or "", text="new")
        with pytest.raises(WrongState):
            await desk.update(me, sent.results[1].recipient_id or "", send_at="+30")
        approve(office, "Shop")
        await office.intake.snapshot.renew()
        with pytest.raises(WrongState):
            await desk.update(me, sent.message_id or "", sender="Shop")

    office.run(work)


def test_credit_may_refuse_a_longer_text(office: Office) -> None:
    """Exactly the last credit is enough; one thousandth more is not, and then nothing at all has changed."""
    metered = office.account("metered", credit=3000, limit=0)
    office.operator(prices=PriceTable(default=1000))

    async def work(desk: Desk) -> None:
        me = office.caller(metered)
        sent = await desk.send(me, office.order(A, send_at=HELD))
        before = texts.rows(office.store)
        told = happened(office, sent)
        with pytest.raises(NoCredit):
            await desk.update(me, sent.message_id or "", text="x" * 460, send_at="+90")
        assert (texts.rows(office.store), happened(office, sent)) == (before, told)
        assert office.balance(metered) == 2000
        await desk.update(me, sent.message_id or "", text="x" * 459)
        assert office.balance(metered) == 0
        await desk.update(me, sent.message_id or "", text="short")
        assert office.balance(metered) == 2000

    office.run(work)


def test_the_spend_for_a_day_may_refuse_it(office: Office) -> None:
    """What a change costs counts for the day, and no more than the day has is spent."""
    office.setting(1, spend_per_day=3000)

    async def work(desk: Desk) -> None:
        me = office.caller()
        sent = await desk.send(me, office.order(A, send_at=HELD))
        await desk.update(me, sent.message_id or "", text=LONG)
        with pytest.raises(SpendLimited):
            await desk.update(me, sent.message_id or "", text="x" * 460)
        await desk.update(me, sent.message_id or "", text="x" * 459)
        answer = await desk.send(me, office.order(B))
        assert isinstance(answer.refusal, SpendLimited)

    office.run(work)


def test_a_template_is_filled_in_anew(office: Office) -> None:
    """Where recipients had texts of their own the new one is a template; who lacks a field stops all of it."""

    async def work(desk: Desk) -> None:
        me = office.caller()
        for to, name in ((A, "Ann"), (B, "Bea")):
            await desk.add_contact(me, ContactEntry(number=to, name=name))
        sent = await desk.send(me, office.order(A, B, text="Hello {{name}}", template=True, send_at=HELD))
        await desk.update(me, sent.message_id or "", text="Goodbye {{ Name }}")
        assert [one.text for one in kept(office, sent).recipients] == ["Goodbye Ann", "Goodbye Bea"]
        before = texts.rows(office.store)
        for wrong, error in (("{{city}}", MissingField), ("{{", InvalidTemplate)):
            with pytest.raises(error):
                await desk.update(me, sent.message_id or "", text=wrong)
        assert texts.rows(office.store) == before
        await desk.update(me, sent.results[0].recipient_id or "", text="{{name}} alone")
        assert [one.text for one in kept(office, sent).recipients] == ["Ann alone", "Goodbye Bea"]
        await desk.update(me, sent.message_id or "", text="All the same")
        assert [one.text for one in kept(office, sent).recipients] == [None, None]
        await desk.update(me, sent.message_id or "", text="{{name}} as it stands")
        assert (kept(office, sent).text, kept(office, sent).recipients[0].text) == ("{{name}} as it stands", None)

    office.run(work)


def test_another_sender(office: Office) -> None:
    """An approved one, in its spelling, for all texts of the message."""
    approve(office, "Shop")

    async def work(desk: Desk) -> None:
        me = office.caller()
        sent = await desk.send(me, office.order(A, B))
        with pytest.raises(SenderNotApproved):
            await desk.update(me, sent.message_id or "", sender="Bank")
        with pytest.raises(WrongState):
            await desk.update(me, sent.results[0].recipient_id or "", sender="shop")
        await desk.update(me, sent.message_id or "", sender="shop")
        assert kept(office, sent).sender == "Shop"
        assert {row.sender for row in office.claim(2)} == {"Shop"}
        alone = await desk.send(me, office.order(C))
        await desk.update(me, alone.results[0].recipient_id or "", sender="shop")
        assert kept(office, alone).sender == "Shop"

    office.run(work)


def test_another_time(office: Office) -> None:
    """A later time holds the text, and its lifetime counts from then; one that is over is refused."""

    async def work(desk: Desk) -> None:
        me = office.caller()
        sent = await desk.send(me, office.order(A, B, lifetime=timedelta(hours=2)))
        moved = await desk.update(me, sent.message_id or "", send_at="01/01/2030 15:00")
        assert states(moved) == [(A, "queued", "scheduled", True), (B, "queued", "scheduled", True)]
        one = kept(office, sent).recipients[0]
        assert one.due_at - office.clock.ms == 3 * 3_600_000
        assert one.expires_at - one.due_at == 2 * 3_600_000
        moved = await desk.update(me, sent.results[1].recipient_id or "", send_at="2030-01-01T12:00")
        assert states(moved) == [(B, "scheduled", "queued", True)]
        for wrong, error in (
            ("2029-01-01T00:00", PastTime),
            ("tomorrow", InvalidTime),
            ("2040-01-01T00:00", InvalidTime),
        ):
            with pytest.raises(error):
                await desk.update(me, sent.message_id or "", send_at=wrong)
        assert "rescheduled" in [kind for kind, _, _ in happened(office, sent)]

    office.run(work)


def test_all_at_once(office: Office) -> None:
    """Text, sender and time in one call; what is wrong with one of them changes none."""
    approve(office, "Shop")

    async def work(desk: Desk) -> None:
        me = office.caller()
        sent = await desk.send(me, office.order(A))
        before = texts.rows(office.store)
        wrong: list[tuple[type[BridgeError], dict[str, str]]] = [
            (InvalidRequest, {}),
            (NoText, {"text": " ", "send_at": "+30"}),
            (TextTooLong, {"text": "x" * 4000, "sender": "Shop"}),
            (SenderNotApproved, {"text": "new", "sender": "Bank", "send_at": "+30"}),
            (PastTime, {"text": "new", "sender": "Shop", "send_at": "2029-01-01T00:00"}),
        ]
        for error, wish in wrong:
            with pytest.raises(error):
                await desk.update(me, sent.message_id or "", **wish)
        assert texts.rows(office.store) == before
        moved = await desk.update(me, sent.message_id or "", text="new", sender="Shop", send_at="+30")
        assert states(moved) == [(A, "queued", "scheduled", True)]
        message = kept(office, sent)
        assert (message.text, message.sender, message.state) == ("new", "Shop", State.SCHEDULED)

    office.run(work)


def test_what_is_past_its_lifetime_takes_no_change(office: Office) -> None:
    """It expires; no text, sender or time keeps it alive."""

    async def work(desk: Desk) -> None:
        me = office.caller()
        sent = await desk.send(me, office.order(A, lifetime=timedelta(minutes=1)))
        office.clock.advance(seconds=59)
        await desk.update(me, sent.message_id or "", text="in time")
        office.clock.advance(seconds=1)
        with pytest.raises(WrongState):
            await desk.update(me, sent.message_id or "", text="too late")

    office.run(work)


def test_a_draft(office: Office) -> None:
    """A draft takes a text, a sender and a time as a whole, a text for one of its recipients, and costs nothing."""
    approve(office, "Shop")
    draft = office.change(
        lambda connection: drafts.open_draft(connection, office.submission(A, B, reference="d"), now=office.clock())
    )

    async def work(desk: Desk) -> None:
        me = office.caller()
        moved = await desk.update(me, draft, text="new", sender="Shop", send_at="+30")
        assert states(moved) == [(A, "held", "held", True), (B, "held", "held", True)]
        assert states(await desk.update(me, f"{draft}-2", text="own")) == [(B, "held", "held", True)]
        with pytest.raises(WrongState):
            await desk.update(me, f"{draft}-2", send_at="+30")

    office.run(work)
    directory = office.read(load_directory)
    receipt = office.change(
        lambda connection: drafts.close(
            connection,
            draft,
            directory=directory,
            rules=office.rules,
            all_or_nothing=True,
            now=office.clock(),
        )
    )
    assert [str(one.state) for one in receipt.results] == ["scheduled", "scheduled"]
    found = office.read(lambda connection: messages.find(connection, draft))
    assert (found.text, found.sender, [one.text for one in found.recipients]) == ("new", "Shop", [None, "own"])
