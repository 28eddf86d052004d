"""Every operation, on a real store: what it answers, what it refuses, and what is a Fault."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import pytest
from spyne.model.complex import ComplexModelBase
from spyne.model.primitive import Unicode

from bridge.calls.logins import Password
from bridge.calls.values import Caller
from bridge.model.errors import (
    BridgeError,
    InvalidRequest,
    LoginFailed,
    SpendLimited,
    Stopping,
    StoreUnavailable,
    Trouble,
)
from bridge.model.state import State
from bridge.store.engine import Store
from soap import schema
from soap.operations import sending
from soap.service import OPERATIONS, perform
from tests.soap.house import PASSWORD, USER, House
from tests.support.texts import number

LOCAL = "0502345678"
OTHER = "0502345679"
MANDATORY: dict[str, dict[str, Any]] = {
    "send_sms": {"dest": LOCAL, "message": "Hello"},
    "send_sms_bulk": {"items": [{"dest": LOCAL, "message": "Hello"}]},
    "get_sms_status": {"message_id": "0" * 26},
    "update_sms": {"message_id": "0" * 26, "message": "Hello"},
    "cancel_sms": {"message_id": "0" * 26},
    "preview_sms": {"message": "Hello"},
    "add_sender_text": {"sender": "Shop"},
    "add_contact": {"sms_phone": LOCAL},
    "delete_contact": {"sms_phone": LOCAL},
    "add_group": {"group_name": "Staff"},
    "delete_group": {"group_name": "Staff"},
}
"""What each operation needs, for those that need something."""


def through(house: House, work: Callable[[House], Awaitable[None]]) -> None:
    """Open the service and do ``work`` with it."""
    house.through(work)


def told(answer: Any) -> list[Any]:
    """Return the records of the only list in an answer, beside ``extra``."""
    (name,) = (
        name
        for name, kind in answer.get_flat_type_info(type(answer)).items()
        if issubclass(kind, ComplexModelBase) and name != "extra"
    )
    return listed(getattr(answer, name))


def listed(value: Any) -> list[Any]:
    """Return what is in a list."""
    (element,) = value.get_flat_type_info(type(value))
    return list(getattr(value, element))


def extra(record: Any) -> dict[str, str]:
    """Return the keys and values of ``extra``."""
    return {one.key: one.value for one in record.extra.item}


def complete(record: Any) -> None:
    """See that an answer, and every record in it, has all its strings and lists."""
    for name, kind in record.get_flat_type_info(type(record)).items():
        value = getattr(record, name)
        if issubclass(kind, Unicode):
            assert isinstance(value, str), name
        elif issubclass(kind, ComplexModelBase):
            for each in listed(value):
                if not isinstance(each, str):
                    complete(each)


# --- sending ---


def test_each_recipient_has_a_result_of_its_own(house: House) -> None:
    """The call is taken when one is; what is refused has its status, and no parts and no price."""

    async def work(house: House) -> None:
        answer = await house.ask("send_sms", dest=f"{LOCAL};12,+972 50-234-5679", message="Hello", sender="ACME")
        complete(answer)
        assert (answer.status, answer.status_text, extra(answer)) == (0, "OK", {})
        assert [(one.dest, one.status, one.number, one.parts) for one in told(answer)] == [
            (LOCAL, 0, "+972502345678", 1),
            ("12", 201, "", None),
            ("+972 50-234-5679", 0, "+972502345679", 1),
        ]
        first, wrong, _ = told(answer)
        assert first.recipient_id.startswith(f"{answer.message_id}-")
        assert first.state == State.QUEUED
        assert (wrong.recipient_id, wrong.price, wrong.state) == ("", None, "")
        assert wrong.status_text
        assert str(first.price) == "1.000"
        assert str(answer.credit) == "98.000"

    through(house, work)


def test_when_none_is_taken_the_call_has_the_first_reason(house: House) -> None:
    """The message id is empty, and each recipient still says why."""

    async def work(house: House) -> None:
        answer = await house.ask("send_sms", dest="12;13", message="Hello")
        complete(answer)
        assert (answer.status, answer.message_id) == (201, "")
        assert [one.status for one in told(answer)] == [201, 201]
        assert str(answer.credit) == "100.000"

    through(house, work)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"message": "  \n"}, 301),
        ({"message": "x" * 5000}, 302),
        ({"message": "x" * 200, "max_parts": "1"}, 302),
        ({"message": "Dear {{name"}, 0),
        ({"message": "Dear {{name", "placeholders": "1"}, 304),
        ({"message": "Dear {{name}}", "placeholders": "1"}, 305),
        ({"sender": "Nobody"}, 307),
        ({"sender": "!!"}, 306),
        ({"sendtime": "soon"}, 401),
        ({"sendtime": "20/11/2020 09:30"}, 402),
        ({"callback_url": "ftp://example.com/"}, 102),
        ({"dest": "Nobody I know"}, 204),
        ({"dest": number(1) + ";" + number(1)}, 0),
    ],
    ids=str,
)
def test_what_is_refused_is_a_status(house: House, changes: dict[str, str], status: int) -> None:
    """No Fault, but an answer with the number of the reason; and nothing is kept."""

    async def work(house: House) -> None:
        answer = await house.ask("send_sms", **({"dest": LOCAL, "message": "Hello"} | changes))
        complete(answer)
        assert answer.status == status, answer.status_text
        assert bool(answer.message_id) == (status == 0)
        report = await house.ask("get_sms_report")
        assert bool(told(report)) == (status == 0)

    through(house, work)


def test_credit_that_does_not_cover_a_text_is_a_status(store: Store) -> None:
    """501: the same call may succeed later."""

    async def work(house: House) -> None:
        answer = await house.ask("send_sms", dest=f"{LOCAL},{OTHER}", message="Hello")
        assert [one.status for one in told(answer)] == [0, 501]
        answer = await house.ask("send_sms", dest=OTHER, message="Hello")
        assert (answer.status, answer.message_id) == (501, "")

    through(House(store, credit=1000), work)


ZEROES: tuple[dict[str, str], ...] = (
    {},
    dict.fromkeys(("sendtime", "test", "priority", "lifetime", "max_parts", "placeholders"), "0"),
)
NOTHINGS = (
    dict.fromkeys(("sender", "sendtime", "callback_url", "reference", "test", "priority", "lifetime"), ""),
    dict.fromkeys(("sender", "sendtime", "callback_url", "reference", "test", "fields", "max_parts"), None),
)


@pytest.mark.parametrize("given", [*ZEROES, *NOTHINGS], ids=str)
def test_zero_empty_nil_and_absent_send_now(house: House, given: dict[str, Any]) -> None:
    """The plain text leaves at once, at normal priority, and costs what it costs."""

    async def work(house: House) -> None:
        answer = await house.ask("send_sms", dest=LOCAL, message="Hello", **given)
        (one,) = told(answer)
        assert (one.status, one.state, str(one.price)) == (0, State.QUEUED, "1.000")

    through(house, work)


def test_a_reference_sends_once(house: House) -> None:
    """The same call again has the first ids, says so of the whole and of each, and costs nothing.

    With one recipient more only that one is new, and the whole is no duplicate.
    """

    async def work(house: House) -> None:
        call = {"dest": LOCAL, "message": "Hello", "reference": "order 7"}
        first = await house.ask("send_sms", **call)
        again = await house.ask("send_sms", **call)
        complete(again)
        assert (again.status, again.message_id) == (0, first.message_id)
        assert extra(again) == {"duplicate": "true"}
        ((before,), (after,)) = (told(first), told(again))
        assert after.recipient_id == before.recipient_id
        assert (extra(before), extra(after)) == ({}, {"duplicate": "true"})
        assert (after.parts, after.price) == (None, None)
        assert str(again.credit) == "99.000"
        more = await house.ask("send_sms", **(call | {"dest": f"{LOCAL};{OTHER}"}))
        assert [extra(one) for one in told(more)] == [{"duplicate": "true"}, {}]
        assert extra(more) == {}
        assert more.message_id != first.message_id

    through(house, work)


def test_a_test_sends_and_keeps_nothing(house: House) -> None:
    """It says that it was one, what it would have cost, and what would be refused."""

    async def work(house: House) -> None:
        answer = await house.ask("send_sms", dest=f"{LOCAL};12", message="Hello", test="true")
        complete(answer)
        assert (answer.status, answer.message_id, extra(answer)) == (0, "", {"test": "true"})
        assert [(one.status, one.parts) for one in told(answer)] == [(0, 1), (201, None)]
        assert str(answer.credit) == "100.000"
        assert told(await house.ask("get_sms_report")) == []
        refused = await house.ask("send_sms", dest="12", message="Hello", test="1")
        assert refused.status == 201

    through(house, work)


def test_fields_fill_placeholders_by_themselves(house: House) -> None:
    """Given fields switch placeholders on; the text is what phones will see."""

    async def work(house: House) -> None:
        fields = {"name": "Dana " * 40}
        long = await house.ask("preview_sms", dest=LOCAL, message="Dear {{name}}", fields=fields)
        plain = await house.ask("preview_sms", dest=LOCAL, message="Dear {{name}}")
        assert (long.parts, plain.parts) == (2, 1)
        (taken,) = told(await house.ask("send_sms", dest=LOCAL, message="Dear {{name}}", fields=fields))
        assert taken.parts == 2

    through(house, work)


# --- many ---


def test_each_item_of_a_bulk_has_its_result_in_its_place(house: House) -> None:
    """Whatever is wrong with one stops no other; fields and references are each item's own."""
    items: list[dict[str, Any]] = [
        {"dest": LOCAL, "message": "Dear {{name}}", "fields": {"name": "Dana"}, "reference": "a"},
        {"dest": "", "message": "Hello", "reference": "b"},
        {"dest": "12", "message": "Hello"},
        {"dest": f"{LOCAL};{OTHER}", "message": "Hello", "sendtime": "24/12/2026 09:30"},
        {"dest": LOCAL, "message": "Hello", "sender": "Nobody"},
        {"dest": LOCAL, "message": "Hello", "reference": "a"},
        {"dest": LOCAL, "message": "{{name}}", "fields": [{"value": "x"}]},
    ]

    async def work(house: House) -> None:
        answer = await house.ask("send_sms_bulk", items=items)
        complete(answer)
        results = told(answer)
        assert [one.position for one in results] == [1, 2, 3, 4, 5, 6, 7]
        assert [one.reference for one in results] == ["a", "b", "", "", "", "a", ""]
        assert [one.status for one in results] == [0, 101, 201, 0, 307, 0, 101]
        assert [len(told(one)) for one in results] == [1, 0, 1, 2, 0, 1, 0]
        assert results[1].status_text == "dest is missing"
        assert extra(results[5]) == {"duplicate": "true"}
        assert results[5].message_id == results[0].message_id
        assert {one.state for one in told(results[3])} == {State.SCHEDULED}
        assert (answer.status, extra(answer), str(answer.credit)) == (0, {}, "97.000")

    through(house, work)


def test_a_bulk_in_which_all_is_refused_has_the_first_reason(house: House) -> None:
    """And a test of a bulk says of each item that it was one."""

    async def work(house: House) -> None:
        answer = await house.ask("send_sms_bulk", items=[{"dest": "12", "message": "x"}, {"dest": LOCAL}])
        assert (answer.status, [one.status for one in told(answer)]) == (201, [201, 101])
        answer = await house.ask("send_sms_bulk", items=[{"dest": LOCAL, "message": "x"}], test="1")
        assert [extra(one) for one in told(answer)] == [{"test": "true"}]
        assert told(await house.ask("get_sms_report")) == []

    through(house, work)


@pytest.mark.parametrize("items", [None, [], {"item": []}, "text", 7, [7], schema.BulkItemList()], ids=str)
def test_a_bulk_without_items_is_no_call(house: House, items: object) -> None:
    """Nor is one of something else than items."""

    async def work(house: House) -> None:
        with pytest.raises(InvalidRequest, match="items"):
            await house.ask("send_sms_bulk", items=items)

    through(house, work)


def test_a_bulk_has_a_limit(house: House) -> None:
    """1,000 items are read; one more is a status, and nothing of it is taken."""

    async def work(house: House) -> None:
        items = [{"dest": "12", "message": "Hello"}] * (sending.MOST_ITEMS + 1)
        answer = await house.ask("send_sms_bulk", items=items)
        assert (answer.status, told(answer)) == (504, [])
        answer = await house.ask("send_sms_bulk", items=items[1:])
        assert len(told(answer)) == sending.MOST_ITEMS

    through(house, work)


def test_what_is_wrong_with_a_bulk_as_a_whole_is_no_item_s(house: House) -> None:
    """A switch or a number for all items that cannot be read: nothing is taken."""

    async def work(house: House) -> None:
        for wrong in ({"test": "perhaps"}, {"priority": "top"}, {"max_parts": "many"}, {"lifetime": "ever"}):
            with pytest.raises(InvalidRequest):
                await house.ask("send_sms_bulk", items=[{"dest": LOCAL, "message": "Hello"}], **wrong)
        assert told(await house.ask("get_sms_report")) == []

    through(house, work)


def test_trouble_with_one_item_is_its_status_and_with_all_a_fault(house: House) -> None:
    """What was taken is told, also when the disk filled up in between; when nothing was, the call should come again."""
    items = [{"dest": LOCAL, "message": "Hello"}, {"dest": OTHER, "message": "Hello"}]

    async def work(house: House) -> None:
        desk = house.visits.desk
        many = desk.send_many

        async def half(caller: Caller, orders: Any) -> Any:
            return [(await many(caller, orders[:1]))[0], StoreUnavailable("secret")]

        async def none(caller: Caller, orders: Any) -> Any:
            return [StoreUnavailable("secret"), Stopping("secret")]

        with patch.object(desk, "send_many", half):
            answer = await house.ask("send_sms_bulk", items=items)
        assert (answer.status, [one.status for one in told(answer)]) == (0, [0, 902])
        assert "secret" not in told(answer)[1].status_text
        with patch.object(desk, "send_many", none), pytest.raises(StoreUnavailable):
            await house.ask("send_sms_bulk", items=items)

    through(house, work)


# --- what became of it ---


def test_texts_are_found_by_message_recipient_and_reference(house: House) -> None:
    """Several ids at once; those that nothing is known of are named, and when none is known the call is refused."""

    async def work(house: House) -> None:
        sent = await house.ask("send_sms", dest=f"{LOCAL},{OTHER}", message="Hello", sender="ACME", reference="no, 7")
        first, second = told(sent)
        answer: Any = None
        for asked, found in (
            ({"message_id": sent.message_id}, [first, second]),
            ({"message_id": second.recipient_id}, [second]),
            ({"message_id": f" {second.recipient_id} ; {first.recipient_id},"}, [second, first]),
            ({"reference": "no, 7"}, [first, second]),
        ):
            answer = await house.ask("get_sms_status", **asked)
            complete(answer)
            assert [one.recipient_id for one in told(answer)] == [one.recipient_id for one in found]
            assert extra(answer) == {}
        line = told(answer)[0]
        assert (line.dest, line.sender, line.reference, line.state) == ("+972502345678", "ACME", "no, 7", "queued")
        assert (line.parts, str(line.price), str(line.created_at)) == (1, "1.000", "2026-11-20T07:00:00Z")
        answer = await house.ask("get_sms_status", message_id=f"{sent.message_id},nonsense", reference="none")
        assert [(one.key, one.value) for one in answer.extra.item] == [("unknown", "nonsense"), ("unknown", "none")]
        answer = await house.ask("get_sms_status", message_id="nonsense")
        complete(answer)
        assert (answer.status, told(answer)) == (103, [])

    through(house, work)


def test_a_report_goes_on_page_by_page(house: House) -> None:
    """Each text once, in order; the last page has no next_id; days and times bound it."""

    async def work(house: House) -> None:
        sent = []
        for index in range(5):
            answer = await house.ask("send_sms", dest=number(index), message="Hello")
            sent.append(told(answer)[0].recipient_id)
            house.clock.advance(seconds=3600)
        seen: list[str] = []
        after = ""
        for count in (2, 2, 1):
            page = await house.ask("get_sms_report", after_id=after, limit="2")
            complete(page)
            assert len(told(page)) == count
            seen += [one.recipient_id for one in told(page)]
            after = page.next_id
        assert (seen, after) == (sent, "")
        for bounds, found in (
            ({"from_time": "2026-11-20 09:00"}, sent[2:]),
            ({"to_time": "2026-11-20T11:00:00+02:00"}, sent[:2]),
            ({"from_time": "20/11/2026", "to_time": "21/11/2026"}, sent),
            ({"from_time": "2026-11-21"}, []),
            ({"limit": "999999"}, sent),
        ):
            page = await house.ask("get_sms_report", **bounds)
            assert [one.recipient_id for one in told(page)] == found, bounds
        assert (await house.ask("get_sms_report", from_time="some day")).status == 401

    through(house, work)


def test_what_has_not_begun_to_leave_can_be_changed(house: House) -> None:
    """A later time, a new text, another sender; each recipient says what it was and what it is."""
    house.approve("Shop")

    async def work(house: House) -> None:
        sent = await house.ask("send_sms", dest=f"{LOCAL},{OTHER}", message="Hello")
        answer = await house.ask(
            "update_sms", message_id=sent.message_id, message="x" * 200, sender="Shop", sendtime="24/12/2026 09:30"
        )
        complete(answer)
        assert answer.status == 0, answer.status_text
        assert [(one.status, one.state_before, one.state) for one in told(answer)] == [(0, "queued", "scheduled")] * 2
        for line in told(await house.ask("get_sms_status", message_id=sent.message_id)):
            assert (line.parts, line.sender, str(line.due_at)) == (2, "Shop", "2026-12-24T07:30:00Z")
        assert (await house.ask("update_sms", message_id="nonsense", message="x")).status == 103
        assert (await house.ask("update_sms", message_id=sent.message_id, sendtime="soon")).status == 401
        with pytest.raises(InvalidRequest, match="nothing to change"):
            await house.ask("update_sms", message_id=sent.message_id, sendtime="0")

    through(house, work)


def test_what_is_over_cannot_be_cancelled_again(house: House) -> None:
    """One of two, then the rest, then none: 104 of a recipient, and of the whole when it holds for all."""

    async def work(house: House) -> None:
        sent = await house.ask("send_sms", dest=f"{LOCAL},{OTHER}", message="Hello")
        one = await house.ask("cancel_sms", message_id=told(sent)[0].recipient_id)
        complete(one)
        assert [(each.dest, each.status, each.state) for each in told(one)] == [("+972502345678", 0, "cancelled")]
        rest = await house.ask("cancel_sms", message_id=sent.message_id)
        assert rest.status == 0
        assert [each.status for each in told(rest)] == [104, 0]
        none = await house.ask("cancel_sms", message_id=sent.message_id)
        complete(none)
        assert none.status == 104
        assert (await house.ask("cancel_sms", message_id="nonsense")).status == 103
        assert str((await house.ask("get_credit")).credit) == "100.000"

    through(house, work)


def test_texts_from_phones_come_until_they_are_done_with(house: House) -> None:
    """In order, from after an id; what is acknowledged does not come again; an empty answer keeps the place."""

    async def work(house: House) -> None:
        sent = await house.ask("send_sms", dest=LOCAL, message="Hello")
        ids = [house.heard(f"answer {index}", answers=(sent.message_id, 1)) for index in range(3)]
        answer = await house.ask("get_incoming_sms", limit="2")
        complete(answer)
        assert [one.incoming_id for one in told(answer)] == [str(id_) for id_ in ids[:2]]
        first = told(answer)[0]
        assert (first.sender, first.dest, first.message) == ("+972502345678", "+972502345600", "answer 0")
        assert (first.recipient_id, str(first.received_at)) == (f"{sent.message_id}-1", "2026-11-20T07:00:00Z")
        assert answer.last_id == str(ids[1])
        answer = await house.ask("get_incoming_sms", acknowledge_id=answer.last_id)
        assert [one.message for one in told(answer)] == ["answer 2"]
        answer = await house.ask("get_incoming_sms", after_id=answer.last_id)
        complete(answer)
        assert (told(answer), answer.last_id) == ([], str(ids[2]))

    through(house, work)


def test_a_preview_tells_parts_and_price(house: House) -> None:
    """For each recipient and in all; without one the text is counted; nothing is kept and nothing is paid."""

    async def work(house: House) -> None:
        answer = await house.ask("preview_sms", dest=f"{LOCAL};{OTHER};12", message="ש" * 80)
        complete(answer)
        assert (answer.status, answer.parts, answer.encoding) == (0, 2, "ucs2")
        assert (str(answer.price), str(answer.credit)) == ("4.000", "100.000")
        assert [(one.status, one.parts) for one in told(answer)] == [(0, 2), (0, 2), (201, None)]
        counted = await house.ask("preview_sms", message="x" * 161)
        complete(counted)
        assert (counted.status, counted.parts, counted.encoding, counted.price) == (0, 2, "gsm7", None)
        none = await house.ask("preview_sms", dest="12", message="x")
        assert (none.status, none.parts, none.price) == (201, None, None)
        assert told(await house.ask("get_sms_report")) == []

    through(house, work)


# --- the account ---


def test_credit_and_its_absence(house: House) -> None:
    """A decimal; nothing for an account whose texts are only counted."""

    async def work(house: House) -> None:
        answer = await house.ask("get_credit")
        complete(answer)
        assert (answer.status, str(answer.credit)) == (0, "100.000")

    through(house, work)


def test_an_account_that_is_only_counted_has_no_credit(store: Store) -> None:
    """Left out, not zero."""

    async def work(house: House) -> None:
        assert (await house.ask("get_credit")).credit is None
        assert (await house.ask("send_sms", dest=LOCAL, message="Hello")).credit is None

    through(House(store, credit=0, limit=None), work)


def test_senders_are_asked_for_and_listed(house: House) -> None:
    """A new one is requested, one that is there stays as it is, one of no form is refused."""

    async def work(house: House) -> None:
        answer = await house.ask("add_sender_text", sender=" Shop ")
        complete(answer)
        assert (answer.status, answer.sender, answer.state) == (0, "Shop", "requested")
        assert (await house.ask("add_sender_text", sender="acme")).state == "approved"
        assert (await house.ask("add_sender_text", sender="far too long a name")).status == 306
        answer = await house.ask("get_senders")
        complete(answer)
        assert {(one.name, one.state, one.is_default) for one in told(answer)} == {
            ("ACME", "approved", False),
            ("Shop", "requested", False),
        }

    through(house, work)


def test_a_contact_is_kept_changed_and_forgotten(house: House) -> None:
    """What is empty stays; fields of the contract come back in their places, the others as pairs."""

    async def work(house: House) -> None:
        made = await house.ask(
            "add_contact",
            sms_phone=LOCAL,
            name="Dana",
            email="dana@example.com",
            company="Example Ltd",
            user_field3="three",
            tag_names="vip; news",
            fields={"table": "12"},
        )
        complete(made)
        assert (made.status, made.sms_phone) == (0, "+972502345678"), made.status_text
        assert (await house.ask("add_contact", sms_phone=LOCAL, company="Other Ltd", name="")).status == 0
        answer = await house.ask("get_contacts")
        complete(answer)
        (one,) = told(answer)
        assert (one.sms_phone, one.name, one.email) == ("+972502345678", "Dana", "dana@example.com")
        assert (one.company, one.user_field3, one.fax) == ("Other Ltd", "three", "")
        assert set(one.tag_names.split(";")) == {"vip", "news"}
        assert [(pair.key, pair.value) for pair in one.fields.item] == [("table", "12")]
        moved = await house.ask("add_contact", sms_phone=LOCAL, new_mobile_number=OTHER)
        assert (moved.status, moved.sms_phone) == (0, "+972502345679"), moved.status_text
        assert [each.name for each in told(await house.ask("get_contacts"))] == ["Dana"]
        sent = await house.ask("send_sms", dest="Dana", message="{{company}}", placeholders="1")
        assert [each.number for each in told(sent)] == ["+972502345679"]
        assert (await house.ask("delete_contact", sms_phone=OTHER)).status == 0
        assert (await house.ask("delete_contact", sms_phone=OTHER)).status == 204
        assert told(await house.ask("get_contacts")) == []
        assert (await house.ask("add_contact", sms_phone="12")).status == 201

    through(house, work)


def test_contacts_go_on_page_by_page(house: House) -> None:
    """In the order of their numbers; at the end there is no next_id."""

    async def work(house: House) -> None:
        for index in (3, 1, 2):
            assert (await house.ask("add_contact", sms_phone=number(index))).status == 0
        first = await house.ask("get_contacts", limit="2")
        assert [one.sms_phone for one in told(first)] == [number(1), number(2)]
        assert first.next_id == number(2)
        second = await house.ask("get_contacts", after_id=first.next_id, limit="2")
        assert ([one.sms_phone for one in told(second)], second.next_id) == ([number(3)], "")

    through(house, work)


def test_groups_are_made_filled_listed_and_forgotten(house: House) -> None:
    """Members become contacts; a group can be sent to, and be in another."""

    async def work(house: House) -> None:
        made = await house.ask("add_group", group_name="Staff", dest=f"{LOCAL}; {OTHER}")
        complete(made)
        assert (made.status, made.group_name, made.members) == (0, "Staff", 2), made.status_text
        assert (await house.ask("add_group", group_name="All", group_names="Staff", dest=number(1))).status == 0
        answer = await house.ask("get_groups")
        complete(answer)
        assert [(one.group_name, sorted(listed(one.numbers)), one.group_names) for one in told(answer)] == [
            ("All", [number(1)], "Staff"),
            ("Staff", ["+972502345678", "+972502345679"], ""),
        ]
        sent = await house.ask("send_sms", dest="All", message="Hello")
        assert len(told(sent)) == 3
        assert (await house.ask("delete_group", group_name="Staff")).status == 0
        assert (await house.ask("delete_group", group_name="Staff")).status == 204
        assert len(told(await house.ask("get_contacts"))) == 3
        assert (await house.ask("add_group", group_name="X1", dest="12")).status == 201

    through(house, work)


def test_a_callback_is_for_one_kind_or_both(house: House) -> None:
    """Whatever else is asked for is no kind; a URL that leads where the bridge does not call is refused."""

    async def work(house: House) -> None:
        asked: list[tuple[str | None, bool, bool]] = []
        real = house.visits.desk.set_callback

        async def spy(caller: Caller, url: str | None, *, reports: bool = True, incoming: bool = True) -> None:
            asked.append((url, reports, incoming))
            await real(caller, url, reports=reports, incoming=incoming)

        url = "https://erp.example.com/sms"
        with patch.object(house.visits.desk, "set_callback", spy):
            for kind in ("", "report", "Incoming"):
                answer = await house.ask("set_callback", callback_url=url, kind=kind)
                complete(answer)
                assert answer.status == 0, answer.status_text
            assert (await house.ask("set_callback")).status == 0
        assert asked == [(url, True, True), (url, True, False), (url, False, True), (None, True, True)]
        with pytest.raises(InvalidRequest, match="kind"):
            await house.ask("set_callback", callback_url=url, kind="all")
        assert (await house.ask("set_callback", callback_url="file:///etc/passwd")).status == 102

    through(house, work)


# --- logins, faults, and what holds for all ---


def test_ping_asks_for_no_login_but_tries_one(house: House) -> None:
    """Without one it answers, with one it names the account; a wrong one, in the header too, fails."""

    async def work(house: House) -> None:
        answer = await perform("ping", house.visit(), {})
        complete(answer)
        assert (answer.status, extra(answer)) == (0, {})
        account = (await house.visit().caller(USER, PASSWORD)).account
        assert extra(await house.ask("ping")) == {"account": account}
        header = Password(user=USER, password=PASSWORD)
        assert extra(await perform("ping", house.visit(header=header), {})) == {"account": account}
        for visit, values in (
            (house.visit(), {"username": USER}),
            (house.visit(), {"token": "wrong"}),
            (house.visit(header=Password(user=USER, password="wrong")), {}),
        ):
            with pytest.raises(LoginFailed):
                await perform("ping", visit, values)

    through(house, work)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_nobody_does_anything_without_a_login(house: House, operation: str) -> None:
    """None, and a wrong one, before anything else is looked at."""

    async def work(house: House) -> None:
        for login in ({}, {"username": USER, "password": "wrong"}, {"token": "wrong"}):
            with pytest.raises(LoginFailed):
                await perform(operation, house.visit(), login)

    through(house, work)


@pytest.mark.parametrize(
    ("operation", "element"),
    [(operation, element) for operation, request in schema.REQUESTS.items() for element in sorted(request.required)],
)
def test_what_is_required_and_missing_is_a_fault(house: House, operation: str, element: str) -> None:
    """Absent, nil or empty: the element is named, and nothing is done."""

    async def work(house: House) -> None:
        for nothing in (None, ""):
            with pytest.raises(InvalidRequest, match=rf"^{element} is missing"):
                await house.ask(operation, **{**MANDATORY[operation], element: nothing})

    through(house, work)


def test_the_table_of_what_is_needed_is_the_contract_s() -> None:
    """The examples above give just what each operation requires, and get_sms_status one of its two."""
    given = {name: set(values) for name, values in MANDATORY.items()}
    assert given.pop("get_sms_status") == {"message_id"}
    assert given.pop("update_sms") == {"message_id", "message"}
    wanted = {name: set(request.required) for name, request in schema.REQUESTS.items() if request.required}
    assert wanted.pop("update_sms") == {"message_id"}
    assert given == wanted
    assert set(OPERATIONS) | {"ping"} == set(schema.REQUESTS)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_refusal_is_a_complete_answer_and_every_trouble_a_fault(house: House, operation: str) -> None:
    """Strings and lists are there whatever happened; what is ours is raised, for the transport to say."""
    values = MANDATORY.get(operation, {}) | ({"dest": LOCAL} if operation == "preview_sms" else {})

    async def work(house: House) -> None:
        desk = house.visits.desk
        with _failing(desk, SpendLimited("enough for today")):
            answer = await house.ask(operation, **values)
        complete(answer)
        assert (answer.status, answer.status_text) == (503, "enough for today")
        with _failing(desk, StoreUnavailable("secret")), pytest.raises(StoreUnavailable):
            await house.ask(operation, **values)

    through(house, work)


@contextmanager
def _failing(desk: Any, error: BridgeError) -> Iterator[None]:
    """Let the desk raise an error whatever it is asked."""

    async def fail(*_: object, **__: object) -> None:
        raise error

    with ExitStack() as stack:
        for name in dir(desk):
            if not name.startswith("_"):
                stack.enter_context(patch.object(desk, name, fail))
        yield


def test_other_accounts_things_are_not_there(house: House) -> None:
    """Their ids are unknown, their contacts and groups too."""
    stranger = Caller(account_id=house.account("other"), account="other", user="them", proof="key them")

    async def work(house: House) -> None:
        desk = house.visits.desk
        sent = await desk.send(stranger, house.order(LOCAL, reference="theirs"))
        assert sent.message_id is not None
        for operation in ("get_sms_status", "cancel_sms"):
            assert (await house.ask(operation, message_id=sent.message_id)).status == 103
        assert (await house.ask("update_sms", message_id=sent.message_id, message="x")).status == 103
        assert (await house.ask("get_sms_status", reference="theirs")).status == 103
        assert told(await house.ask("get_sms_report")) == []

    through(house, work)


def test_what_stops_while_it_is_asked_is_a_fault(house: House) -> None:
    """A bridge that goes down takes nothing, and says so in a way that makes clients come again."""

    async def work(house: House) -> None:
        await house.writer.stop()
        with pytest.raises(Trouble):
            await house.ask("send_sms", dest=LOCAL, message="Hello")

    through(house, work)
