"""Sending through the desk: each recipient by itself, once per reference, and what is left of the credit."""

from __future__ import annotations

import asyncio
import re
import threading
from contextlib import AbstractContextManager
from typing import Any

import pytest

from bridge.calls.desk import Desk
from bridge.calls.orders import key_of
from bridge.calls.values import Answer, ContactEntry, GroupEntry, Order
from bridge.model.errors import (
    AccountDisabled,
    BridgeError,
    CallbackRefused,
    InvalidNumber,
    InvalidRequest,
    MissingField,
    NoCredit,
    NoText,
    PastTime,
    QuietHours,
    SenderNotApproved,
    TextTooLong,
    TooManyRecipients,
    UnknownRecipient,
)
from bridge.model.message import Priority
from bridge.model.sender import Sender, SenderKind, Verdict
from bridge.model.state import State
from bridge.model.text import Encoding
from bridge.model.when import Quiet, parse_hours
from bridge.pipeline.accept import accept
from bridge.store import accounts, messages, senders
from bridge.store.engine import Connection
from smtp.mime.content import idempotency_key, read_content
from tests.bridge.calls.office import Office
from tests.support import texts
from tests.support.texts import number

A, B, C = number(5678), number(5679), number(5680)
LOCAL = "050-234-5678"


def told(answer: Answer) -> list[str]:
    """Return for each recipient of an answer what became of it."""
    return [one.refusal.code if one.refusal else "again" if one.duplicate else str(one.state) for one in answer.results]


def ids(answer: Answer) -> list[str | None]:
    """Return the ids of an answer's recipients."""
    return [one.recipient_id for one in answer.results]


def contact(to: str, **known: Any) -> ContactEntry:
    """Return a contact to be kept."""
    return ContactEntry(number=to, **known)


def test_a_wrong_recipient_stops_no_other(office: Office) -> None:
    """Each recipient has its result, in the order and the writing of the client; the right ones are taken."""
    order = office.order(LOCAL, "12", A.removeprefix("+"), "nobody", "", C)
    answer = office.run(lambda desk: desk.send(office.caller(), order))
    assert [one.dest for one in answer.results] == [LOCAL, "12", A.removeprefix("+"), "nobody", "", C]
    assert told(answer) == ["queued", "number_invalid", "again", "recipient_unknown", "recipient_unknown", "queued"]
    assert [one.number for one in answer.results] == [A, None, A, None, None, C]
    assert ids(answer)[2] == ids(answer)[0]
    assert [row.number for row in texts.rows(office.store)] == [A, C]
    assert (answer.encoding, answer.refusal, answer.credit) == (Encoding.GSM7, None, None)
    assert answer.message_id is not None
    kept = office.read(lambda connection: messages.find(connection, answer.message_id or ""))
    assert (kept.door, kept.origin, kept.proof) == ("soap", "erp", "key erp")


def test_an_order_with_nobody_to_send_to(office: Office) -> None:
    """It takes nothing and says why: the reason that may pass, before those that stay."""
    metered = office.account("metered", credit=7000, limit=0)
    answer = office.run(lambda desk: desk.send(office.caller(metered), office.order("12", "nobody")))
    assert (answer.message_id, answer.credit) == (None, 7000)
    assert isinstance(answer.refusal, InvalidNumber)
    assert texts.rows(office.store) == []

    poor = office.account("poor", credit=0, limit=0)
    answer = office.run(lambda desk: desk.send(office.caller(poor), office.order("12", A)))
    assert told(answer) == ["number_invalid", "credit_exhausted"]
    assert isinstance(answer.refusal, NoCredit)
    assert (answer.message_id, answer.credit) == (None, 0)


def test_whole_orders_that_are_refused(office: Office) -> None:
    """What is wrong with an order as a whole is raised, and nothing of it is kept."""
    orders: list[tuple[type[BridgeError], Order]] = [
        (NoText, office.order(A, text=" ")),
        (PastTime, office.order(A, send_at="2029-12-31T00:00")),
        (SenderNotApproved, office.order(A, sender="Shop")),
        (CallbackRefused, office.order(A, callback_url="http://127.0.0.1/")),
        (UnknownRecipient, office.order()),
        (InvalidRequest, office.order(A, max_parts=0)),
        (InvalidRequest, office.order(A, reference="r" * 201)),
        (InvalidRequest, office.order(A, reference="a\nb")),
        (InvalidRequest, office.order(A, reference="\ud800")),
        (InvalidRequest, office.order(A, key="\0")),
        (TooManyRecipients, office.order(*[A] * 10_001)),
    ]

    async def work(desk: Desk) -> None:
        for kind, order in orders:
            with pytest.raises(kind):
                await desk.send(office.caller(), order)
        answers = await desk.send_many(office.caller(), [order for _, order in orders])
        assert [type(answer) for answer in answers] == [kind for kind, _ in orders]

    office.run(work)
    assert texts.rows(office.store) == []
    counted = {
        sample.labels["reason"]: sample.value
        for metric in office.metrics.refused.collect()
        for sample in metric.samples
        if sample.name.endswith("_total")
    }
    assert counted["request_invalid"] == 10
    assert counted["callback_url_invalid"] == 2


def test_all_that_an_order_says_is_kept(office: Office) -> None:
    """Sender, time, reference, URL and priority are those of the order; a URL in its normal form."""
    office.change(
        lambda connection: senders.settle(
            connection, 1, Sender(kind=SenderKind.ALPHANUMERIC, name="Shop"), Verdict.APPROVE, now=0
        )
    )
    order = office.order(
        A,
        sender="shop",
        send_at="2030-01-01T15:00",
        callback_url="HTTPS://Example.com:443/a?b=1",
        reference="r" * 200,
        priority=Priority.HIGH,
    )
    answer = office.run(lambda desk: desk.send(office.caller(), order))
    assert told(answer) == ["scheduled"]
    kept = office.read(lambda connection: messages.find(connection, answer.message_id or ""))
    assert (kept.sender, kept.reference, kept.priority) == ("Shop", "r" * 200, Priority.HIGH)
    assert kept.callback_url == "https://example.com/a?b=1"
    assert kept.recipients[0].due_at - office.clock.ms == 3 * 3600 * 1000


def test_contacts_groups_and_tags(office: Office) -> None:
    """A name stands for whom it stands; a group's members have their numbers, and each gets the text once."""

    async def work(desk: Desk) -> Answer:
        me = office.caller()
        await desk.add_contact(me, contact(A, name="Ann", tags=("vip",)))
        await desk.add_contact(me, contact(B, name="Bea"))
        await desk.add_contact(me, contact(C, name="Bea"))
        await desk.add_group(me, GroupEntry(name="Staff", numbers=(A, B)))
        await desk.add_group(office.caller(2), GroupEntry(name="Theirs", numbers=(A,)))
        return await desk.send(me, office.order("ann", "group:staff", "tag:vip", "Bea", "Theirs", C, "A\0", "\ud800x"))

    answer = office.run(work)
    assert [(one.dest, one.number) for one in answer.results] == [
        ("ann", A),
        (A, A),
        (B, B),
        (A, A),
        ("Bea", None),
        ("Theirs", None),
        (C, C),
        ("A\0", None),
        ("\ud800x", None),
    ]
    assert told(answer)[:4] == ["queued", "again", "queued", "again"]
    assert told(answer)[4:] == ["recipient_unknown", "recipient_unknown", "queued", *["recipient_unknown"] * 2]
    assert "2 contacts are named Bea" in str(answer.results[4].refusal)


def test_a_group_that_is_too_large(office: Office) -> None:
    """An order of more recipients than one may have is refused whole; in a call of several, with the rest of it."""
    office.operator(max_recipients=3)

    async def work(desk: Desk) -> None:
        me = office.caller()
        await desk.add_group(me, GroupEntry(name="Four", numbers=tuple(map(number, range(4)))))
        await desk.add_group(me, GroupEntry(name="Two", numbers=tuple(map(number, range(2)))))
        with pytest.raises(TooManyRecipients):
            await desk.send(me, office.order("Four"))
        with pytest.raises(TooManyRecipients):
            await desk.send(me, office.order("Two", A, B))
        assert told(await desk.send(me, office.order("Two", A))) == ["queued"] * 3
        many = await desk.send_many(me, [office.order("Two"), office.order("Two"), office.order(A)])
        assert [type(one) for one in many] == [Answer, TooManyRecipients, Answer]
        with pytest.raises(TooManyRecipients):
            await desk.send_many(me, [office.order(A)] * 4)

    office.run(work)


def test_a_template_is_filled_in(office: Office) -> None:
    """The order's own fields come first, then what the contact has; who lacks one gets nothing, and says which."""

    async def work(desk: Desk) -> Answer:
        me = office.caller()
        await desk.add_contact(me, contact(A, name="Ann", fields={"city": "Haifa"}))
        await desk.add_contact(me, contact(B, name="Bea"))
        text = "{{name}} in {{city}} at {{time}}"
        return await desk.send(
            me, office.order(LOCAL, "Bea", text=text, template=True, fields={"time": "8", "name": "You"})
        )

    answer = office.run(work)
    assert told(answer) == ["queued", "field_missing"]
    assert isinstance(answer.results[1].refusal, MissingField)
    assert [row.text for row in texts.rows(office.store)] == ["You in Haifa at 8"]


def test_braces_without_a_template_stay(office: Office) -> None:
    """A text is no template unless the order says so."""
    answer = office.run(lambda desk: desk.send(office.caller(), office.order(A, text="{{name}}")))
    assert told(answer) == ["queued"]
    assert texts.rows(office.store)[0].text is None


def test_a_plain_order_reads_nothing_before_its_commit(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers alone cost no question to the database; a name costs one."""
    read = office.store.read
    asked: list[None] = []

    def counting() -> AbstractContextManager[Connection]:
        asked.append(None)
        return read()

    async def work(desk: Desk) -> None:
        monkeypatch.setattr(office.store, "read", counting)
        await desk.send(office.caller(), office.order(A, reference="1"))
        await desk.send(office.caller(), office.order(A, B, reference="1", text="{{name}}"))
        await desk.send_many(office.caller(), [office.order(A), office.order(C, template=True)])
        assert asked == []
        await desk.send_many(office.caller(), [office.order("Ann"), office.order("Bea")])
        assert len(asked) == 2  # whom they mean, and the credit that no commit has told
        monkeypatch.undo()

    office.run(work)


# --- once per reference ---


def test_the_same_reference_again_sends_nothing(office: Office) -> None:
    """It is answered with the first ids, whoever of the account asks and whatever the text says now."""

    async def work(desk: Desk) -> tuple[Answer, Answer, Answer]:
        first = await desk.send(office.caller(), office.order(A, B, reference="order 7"))
        again = await desk.send(office.caller(user="crm"), office.order(B, A, C, reference="order 7", text="else"))
        other = await desk.send(office.caller(2), office.order(A, reference="order 7"))
        return first, again, other

    first, again, other = office.run(work)
    assert told(first) == ["queued", "queued"]
    assert told(again) == ["again", "again", "queued"]
    assert ids(again)[:2] == ids(first)[::-1]
    assert again.message_id != first.message_id
    assert told(other) == ["queued"]
    assert len(texts.rows(office.store)) == 4


def test_the_whole_order_again_has_the_first_answer(office: Office) -> None:
    """Also when the first one's answer was lost: its client hung up before."""

    async def work(desk: Desk) -> None:
        order = office.order(A, B, reference="once")
        lost = asyncio.ensure_future(desk.send(office.caller(), order))
        await asyncio.sleep(0)
        lost.cancel()
        again = await desk.send(office.caller(), order)
        assert told(again) == ["again", "again"]
        assert again.refusal is None
        assert [row.message_id for row in texts.rows(office.store)] == [again.message_id] * 2

    office.run(work)


def test_two_at_once_send_once(office: Office) -> None:
    """Twenty calls with one reference at the same moment make one text."""

    async def work(desk: Desk) -> list[Answer]:
        order = office.order(A, reference="x")
        return list(await asyncio.gather(*(desk.send(office.caller(), order) for _ in range(20))))

    answers = office.run(work)
    assert sorted(told(answer)[0] for answer in answers) == ["again"] * 19 + ["queued"]
    assert len({ids(answer)[0] for answer in answers}) == 1
    assert len(texts.rows(office.store)) == 1


def test_what_was_refused_may_come_again(office: Office) -> None:
    """A reference is used up by a text that was taken, and by nothing else: not by a refusal, not by a test."""
    poor = office.account("poor", credit=0, limit=0)

    async def work(desk: Desk) -> None:
        me = office.caller(poor)
        order = office.order(A, reference="x")
        assert told(await desk.send(me, order)) == ["credit_exhausted"]
        assert told(await desk.send(me, office.order(A, reference="x", test=True))) == ["credit_exhausted"]
        await office.writer.run(lambda connection: office_credit(connection, poor))
        trial = await desk.send(me, office.order(A, reference="x", test=True))
        assert (told(trial), trial.message_id, ids(trial), trial.refusal) == (["queued"], None, [None], None)
        assert (trial.results[0].parts, trial.results[0].price, trial.credit) == (1, 1000, 5000)
        assert told(await desk.send(me, order)) == ["queued"]
        trial = await desk.send(me, office.order(A, reference="x", test=True))
        assert told(trial) == ["again"]
        assert ids(trial) == [f"{texts.rows(office.store)[0].message_id}-1"]

    office.run(work)
    assert len(texts.rows(office.store)) == 1


def office_credit(connection: Connection, account: int) -> None:
    """Give an account five credits."""
    from bridge.store import ledger  # noqa: PLC0415

    ledger.credit(connection, account, 5000, now=0)


def test_a_later_refusal_hides_no_first_answer(office: Office) -> None:
    """A time that is over, quiet hours, a sender that was revoked: what was taken once is still said to be taken."""
    shop = Sender(kind=SenderKind.ALPHANUMERIC, name="Shop")
    office.change(lambda connection: senders.settle(connection, 1, shop, Verdict.APPROVE, now=0))
    zone = office.read(lambda connection: accounts.rules_of(connection, 1)).zone

    async def work(desk: Desk) -> None:
        me = office.caller()
        timed = office.order(A, reference="timed", send_at="2030-01-01T12:10")
        signed = office.order(A, reference="signed", sender="Shop")
        quiet = office.order(A, reference="quiet")
        first = await desk.send_many(me, [timed, signed, quiet])
        office.clock.advance(seconds=3600)
        office.change(lambda connection: senders.settle(connection, 1, shop, Verdict.REVOKE, now=0))
        hours = Quiet(windows=parse_hours("13:00-14:00"), zone=zone)
        office.setting(1, quiet=hours, quiet_holds=False)
        await office.intake.snapshot.renew()
        again = await desk.send_many(me, [timed, signed, quiet])
        for one, two in zip(first, again, strict=True):
            assert isinstance(one, Answer)
            assert isinstance(two, Answer)
            assert told(two) == ["again"]
            assert (ids(two), two.message_id) == (ids(one), one.message_id)
        with pytest.raises(PastTime):
            await desk.send(me, office.order(B, reference="timed", send_at="2030-01-01T12:10"))
        mixed = await desk.send(me, office.order(A, B, reference="timed", send_at="2030-01-01T12:10"))
        assert told(mixed) == ["again", "sendtime_past"]
        mixed = await desk.send(me, office.order(A, B, reference="quiet"))
        assert told(mixed) == ["again", "quiet_hours"]
        assert isinstance(mixed.results[1].refusal, QuietHours)

    office.run(work)
    assert len(texts.rows(office.store)) == 3


def test_a_key_stands_in_for_the_reference(office: Office) -> None:
    """Where an order has a key, texts of one reference are several, and the key alone guards them."""

    async def work(desk: Desk) -> None:
        me = office.caller()
        first = await desk.send(me, office.order(A, reference="r", key="k1"))
        second = await desk.send(me, office.order(A, reference="r", key="k2"))
        again = await desk.send(me, office.order(A, reference="other", key="k1"))
        plain = await desk.send(me, office.order(A, reference="k1"))
        assert [told(one) for one in (first, second, again, plain)] == [["queued"], ["queued"], ["again"], ["queued"]]
        assert ids(again) == ids(first)
        assert len(await desk.status(me, ["r"])) == 2

    office.run(work)


def test_keys_are_never_those_of_mails() -> None:
    """The two doors' keys have other forms; and no two pairs of reference and number share one."""
    mail = read_content(b"Message-ID: <a@example.com>\r\nFrom: ann@example.com\r\n\r\nHello\r\n")
    assert re.fullmatch("[0-9a-f]{32}", idempotency_key(mail, sender="ann@example.com", number=A) or "")
    keys = {key_of(reference, to) for reference in ("", "1", "11", "é", "x" * 200) for to in (A, B)}
    assert len(keys) == 10
    assert not any(re.fullmatch("[0-9a-f]*", key) for key in keys)
    assert key_of("1", A) != key_of("1", A, kind="key")


# --- credit ---


def test_the_credit_that_is_left(office: Office) -> None:
    """Each answer has the balance after its own commit; texts that are only counted have none."""
    metered = office.account("metered", credit=10_000, limit=0)

    async def work(desk: Desk) -> None:
        me = office.caller(metered)
        assert (await desk.send(me, office.order(A, B))).credit == 8000
        answers = await asyncio.gather(*(desk.send(me, office.order(number(index))) for index in range(6)))
        assert sorted(answer.credit or 0 for answer in answers) == [2000, 3000, 4000, 5000, 6000, 7000]
        assert (await desk.send(me, office.order(A, test=True))).credit == 2000
        assert (await desk.send(me, office.order(A, reference="x"))).credit == 1000
        assert (await desk.send(me, office.order(A, reference="x"))).credit == 1000
        assert await desk.credit(me) == 1000
        assert await desk.credit(office.caller()) is None

    office.run(work)
    assert office.balance(metered) == 1000


# --- several orders ---


def test_several_orders_each_by_itself(office: Office) -> None:
    """One that is refused stops no other, answers come in the orders' order, and one reference sends once."""

    async def work(desk: Desk) -> list[Answer | BridgeError]:
        return await desk.send_many(
            office.caller(),
            [
                office.order(A, reference="1", text="one"),
                office.order("12"),
                office.order(B, text=""),
                office.order(A, reference="1", text="two"),
                office.order(A, B, reference="2", text="three"),
            ],
        )

    first, second, third, fourth, fifth = office.run(work)
    assert isinstance(third, NoText)
    assert [told(one) for one in (first, second, fourth, fifth) if isinstance(one, Answer)] == [
        ["queued"],
        ["number_invalid"],
        ["again"],
        ["queued", "queued"],
    ]
    kept = office.read(lambda connection: messages.newest(connection, limit=10))
    assert sorted(one.text for one in kept) == ["one", "three"]


def test_a_thousand_orders_take_few_commits(office: Office) -> None:
    """They share their waits for the disk, and all are there when the call returns."""

    async def work(desk: Desk) -> None:
        orders = [office.order(number(index), reference=str(index)) for index in range(1000)]
        commits: list[None] = []
        office.writer.on_commit = lambda: commits.append(None)
        answers = await desk.send_many(office.caller(), orders)
        assert {told(one)[0] for one in answers if isinstance(one, Answer)} == {"queued"}
        assert len(texts.rows(office.store)) == 1000
        assert len(commits) < 100
        again = await desk.send_many(office.caller(), orders)
        assert [ids(one) for one in again if isinstance(one, Answer)] == [
            ids(one) for one in answers if isinstance(one, Answer)
        ]

    office.run(work)
    assert len(texts.rows(office.store)) == 1000


def test_an_account_that_is_switched_off(office: Office) -> None:
    """Its programs send nothing more; one that is switched on again sends at once, whatever the snapshot says."""

    async def work(desk: Desk) -> None:
        office.change(lambda connection: accounts.set_enabled(connection, 1, enabled=False))
        await office.intake.snapshot.renew()
        with pytest.raises(AccountDisabled):
            await desk.send(office.caller(), office.order(A))
        office.change(lambda connection: accounts.set_enabled(connection, 1, enabled=True))
        assert told(await desk.send(office.caller(), office.order(A))) == [State.QUEUED]

    office.run(work)


def test_a_text_of_megabytes_is_not_looked_at(office: Office) -> None:
    """Neither to send it, nor in place of another: looking alone would hold up all others."""
    text = "ש" * 100_001

    async def work(desk: Desk) -> None:
        taken = await desk.send(office.caller(), office.order(A, send_at="+60"))
        with pytest.raises(TextTooLong, match="100,000"):
            await desk.send(office.caller(), office.order(A, text=text))
        with pytest.raises(TextTooLong, match="100,000"):
            await desk.update(office.caller(), str(taken.message_id), text=text)

    office.run(work)


def test_rules_are_asked_for_many_in_a_thread(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """While they are, the event loop answers others; for a few it is quicker to ask at once."""
    asked: list[bool] = []

    def watched(*args: Any, **named: Any) -> Any:
        asked.append(threading.current_thread() is threading.main_thread())
        return accept(*args, **named)

    monkeypatch.setattr("bridge.pipeline.intake.accept", watched)
    for count in (999, 1000):
        given = office.order(*map(number, range(count)), test=True)
        answer = office.run(lambda desk, order=given: desk.send(office.caller(), order))  # type: ignore[misc]
        assert len(answer.results) == count
    assert asked == [True, False]
