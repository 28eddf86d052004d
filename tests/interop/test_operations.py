"""Real SOAP clients call every operation: what they send arrives, and what they understand is what was said."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from bridge.clock import system_clock
from soap import schema
from tests.interop.conftest import REPLY, Caller
from tests.support.served import until

TEXT = 'שלום 😀 <b>& "it\'s" \\ é€\nnew line'


def arrived(caller: Caller, answer: dict[str, Any]) -> list[tuple[str, str, str | None]]:
    """Return number, text and sender of what the phones received of an answer's recipients, once all have."""
    ids = [one["recipient_id"] for one in answer["recipients"]]

    def texts() -> list[tuple[str, str, str | None]] | None:
        found = {each["id"]: (each["to"], each["text"], each["from"]) for each in caller.served.texts()}
        return [found[each] for each in ids] if found.keys() >= set(ids) else None

    return until(texts, seconds=20)


def sent(caller: Caller) -> int:
    """Return how many texts of this client's numbers have reached a phone."""
    return sum(each["to"].startswith(caller.far(0)[:-3]) for each in caller.served.texts())


def test_the_contract_is_read(caller: Caller) -> None:
    """Over HTTP, with all operations."""
    assert set(caller.client.operations) == set(schema.REQUESTS)


@pytest.mark.parametrize("endings", [(101, 102, 103), (104,)], ids=["three", "one"])
def test_sending(caller: Caller, endings: tuple[int, ...]) -> None:
    """Each recipient is answered for, with its number, parts and price, and the text arrives letter for letter."""
    dest = "; ".join(map(caller.number, endings))
    answer = caller.ask("send_sms", dest=dest, message=TEXT, sender="ACME")
    assert (answer["status"], answer["status_text"], answer["extra"]) == (0, "OK", {})
    assert answer["message_id"]
    assert [(one["dest"], one["number"], one["status"], one["state"]) for one in answer["recipients"]] == [
        (caller.number(ending), caller.far(ending), 0, "queued") for ending in endings
    ]
    assert {(one["parts"], one["price"]) for one in answer["recipients"]} == {(1, Decimal(1))}
    assert arrived(caller, answer) == [(caller.far(ending), TEXT, "ACME") for ending in endings]


def test_sending_to_nobody(caller: Caller) -> None:
    """What is refused is an answer: for the one recipient, or for the whole, with an empty list."""
    answer = caller.ask("send_sms", dest="12", message="Hello")
    assert (answer["status"], answer["message_id"]) == (201, "")
    (one,) = answer["recipients"]
    assert (one["dest"], one["status"], one["recipient_id"]) == ("12", 201, "")
    assert "price" not in one
    answer = caller.ask("send_sms", dest=caller.number(1), message="Hello", sender="Nobody")
    assert (answer["status"], answer["message_id"], answer["recipients"]) == (307, "", [])
    assert answer["status_text"] == "the sender name Nobody is not approved for this account"


def test_a_bulk_of_records_in_records(caller: Caller) -> None:
    """Items with keys and values inside; each has its result in its place, and its own text arrives."""
    fields = [{"key": "name", "value": "דנה & <co>"}, {"key": "sum", "value": "7"}]
    items = [
        {"dest": caller.number(111), "message": "Dear {{name}}: {{sum}}", "reference": "a", "fields": {"item": fields}},
        {"dest": "12", "message": "Hello", "reference": "b"},
        {"dest": f"{caller.number(112)},{caller.number(113)}", "message": TEXT},
        {"dest": caller.number(114), "message": "Only {{name}}", "fields": {"item": fields[:1]}},
    ]
    answer = caller.ask("send_sms_bulk", items={"item": items}, priority="high")
    assert (answer["status"], answer["extra"]) == (0, {})
    results = answer["results"]
    assert [(one["position"], one["reference"], one["status"]) for one in results] == [
        (1, "a", 0),
        (2, "b", 201),
        (3, "", 0),
        (4, "", 0),
    ]
    assert [len(one["recipients"]) for one in results] == [1, 1, 2, 1]
    assert [text for _, text, _ in arrived(caller, results[0])] == ["Dear דנה & <co>: 7"]
    assert arrived(caller, results[2]) == [(caller.far(112), TEXT, None), (caller.far(113), TEXT, None)]
    assert [text for _, text, _ in arrived(caller, results[3])] == ["Only דנה & <co>"]
    (only,) = caller.ask("send_sms_bulk", items={"item": items[1:2]})["results"]
    assert (only["position"], only["status"]) == (1, 201)


def test_how_a_text_stands(caller: Caller) -> None:
    """By ids and by reference, with times that have a zone; unknown ids stand in extra."""
    before = system_clock() - timedelta(seconds=2)
    answer = caller.ask("send_sms", dest=caller.number(121), message="Hello", reference="order 7 <é>")
    arrived(caller, answer)

    def settled() -> dict[str, Any] | None:
        status = caller.ask("get_sms_status", message_id=f"{answer['message_id']};nothing-1")
        return status if status["recipients"][0]["state"] == "sent" else None

    status = until(settled, seconds=20)
    assert (status["status"], status["extra"]) == (0, {"unknown": "nothing-1"})
    (one,) = status["recipients"]
    assert (one["dest"], one["reference"], one["parts"]) == (caller.far(121), "order 7 <é>", 1)
    assert before < one["created_at"] <= one["updated_at"] < before + timedelta(minutes=5)
    by_reference = caller.ask("get_sms_status", reference="order 7 <é>")
    assert by_reference["recipients"] == [one]
    assert caller.ask("get_sms_status", message_id="nothing-2")["status"] == 103


def test_changing_and_cancelling(caller: Caller) -> None:
    """A text for later gets another wording, and is then called off; what is on its way cannot be."""
    later = caller.ask("send_sms", dest=f"{caller.number(131)};{caller.number(132)}", message="Hello", sendtime="+600")
    assert {one["state"] for one in later["recipients"]} == {"scheduled"}
    changed = caller.ask("update_sms", message_id=later["message_id"], message=TEXT * 10, sendtime="+700")
    assert [(one["status"], one["state"], one["state_before"]) for one in changed["recipients"]] == [
        (0, "scheduled", "scheduled")
    ] * 2
    one, other = caller.ask("get_sms_status", message_id=later["message_id"])["recipients"]
    assert one["parts"] > 1
    assert timedelta(minutes=90) < one["due_at"] - one["created_at"] < timedelta(minutes=100 * 60)
    for message_id, endings in ((other["recipient_id"], [132]), (later["message_id"], [131, 132])):
        gone = caller.ask("cancel_sms", message_id=message_id)
        assert [each["dest"] for each in gone["recipients"]] == [caller.far(ending) for ending in endings]
    states = [each["state"] for each in caller.ask("get_sms_status", message_id=later["message_id"])["recipients"]]
    assert states == ["cancelled", "cancelled"]
    now = caller.ask("send_sms", dest=caller.number(133), message="Hello")
    arrived(caller, now)
    assert caller.ask("cancel_sms", message_id=now["message_id"])["status"] == 104


def test_reports_come_page_by_page(caller: Caller) -> None:
    """Each page goes on where the one before it ended, and the last one says so."""
    dest = ",".join(caller.number(140 + n) for n in range(5))
    answer = caller.ask("send_sms", dest=dest, message="Hello", sendtime="+600")
    wanted = [one["recipient_id"] for one in answer["recipients"]]
    after, pages = wanted[0], []
    while after:
        page = caller.ask("get_sms_report", after_id=after, limit="3")
        pages.append([one["recipient_id"] for one in page["recipients"]])
        after = page["next_id"]
    assert pages == [wanted[1:4], wanted[4:]]
    assert caller.ask("get_sms_report", from_time="2026-01-01", to_time="2026-01-02")["recipients"] == []


def test_texts_from_phones(caller: Caller) -> None:
    """A reply comes with the text it answers, is there until it is acknowledged, and one and several and none read."""

    def texts(count: int) -> list[dict[str, Any]]:
        return until(
            lambda: found if len(found := caller.ask("get_incoming_sms")["texts"]) >= count else None, seconds=20
        )

    assert caller.ask("get_incoming_sms")["texts"] == []
    first = caller.ask("send_sms", dest=caller.number(9), message="Hello?", sender="ACME")
    (one,) = texts(1)
    assert (one["sender"], one["message"]) == (caller.far(9), REPLY)
    assert one["recipient_id"] == first["recipients"][0]["recipient_id"]
    assert one["received_at"] <= system_clock() + timedelta(seconds=2)
    caller.ask("send_sms", dest=f"{caller.number(19)},{caller.number(29)}", message="Hello?")
    every = texts(3)
    assert every[0] == one
    assert {each["sender"] for each in every[1:]} == {caller.far(19), caller.far(29)}
    page = caller.ask("get_incoming_sms", limit="2")
    assert ([each["incoming_id"] for each in page["texts"]], page["last_id"]) == (
        [each["incoming_id"] for each in every[:2]],
        every[1]["incoming_id"],
    )
    rest = caller.ask("get_incoming_sms", acknowledge_id=page["last_id"])
    assert rest["texts"] == every[2:]
    assert caller.ask("get_incoming_sms", acknowledge_id=rest["last_id"])["texts"] == []


def test_what_a_text_would_take(caller: Caller) -> None:
    """Parts, alphabet and price, with and without recipients; nothing is sent."""
    before = sent(caller)
    counted = caller.ask("preview_sms", message="x" * 161)
    assert (counted["parts"], counted["encoding"], counted["recipients"]) == (2, "gsm7", [])
    priced = caller.ask("preview_sms", dest=f"{caller.number(151)};12", message="ש" * 71)
    assert (priced["parts"], priced["encoding"], priced["price"]) == (2, "ucs2", Decimal(2))
    assert [one["status"] for one in priced["recipients"]] == [0, 201]
    tried = caller.ask("send_sms", dest=caller.number(151), message="Hello", test="1")
    assert (tried["status"], tried["message_id"], tried["extra"]) == (0, "", {"test": "true"})
    assert sent(caller) == before


def test_credit(caller: Caller) -> None:
    """A decimal, which a text costs one of."""
    before = caller.ask("get_credit")
    assert before["status"] == 0
    assert caller.ask("send_sms", dest=caller.number(161), message="Hello")["credit"] == before["credit"] - 1


def test_senders(caller: Caller) -> None:
    """The approved one is there from the start; one that is asked for waits for a person."""
    asked = caller.ask("add_sender_text", sender="Shop 7")
    assert (asked["status"], asked["sender"], asked["state"]) == (0, "Shop 7", "requested")
    found = caller.ask("get_senders")["senders"]
    assert [(one["name"], one["state"]) for one in found] == [("ACME", "approved"), ("Shop 7", "requested")]
    assert {type(one["is_default"]) for one in found} == {bool}
    assert caller.ask("add_sender_text", sender="!!")["status"] == 306


def test_contacts_and_groups(caller: Caller) -> None:
    """Kept, found page by page, sent to by name, with values of their own, and forgotten."""
    assert caller.ask("get_contacts")["contacts"] == []
    assert caller.ask("get_groups")["groups"] == []
    fields = {"item": [{"key": "table", "value": "7 <&>"}]}
    made = caller.ask(
        "add_contact",
        sms_phone=caller.number(171),
        name="דנה",
        email="dana@example.com",
        tag_names="vip",
        fields=fields,
    )
    assert (made["status"], made["sms_phone"]) == (0, caller.far(171))
    (one,) = caller.ask("get_contacts")["contacts"]
    assert (one["name"], one["email"], one["tag_names"], one["fax"]) == ("דנה", "dana@example.com", "vip", "")
    assert one["fields"] == {"table": "7 <&>"}
    grown = caller.ask("add_group", group_name="Staff", dest=f"{caller.number(171)},{caller.number(172)}")
    assert (grown["status"], grown["group_name"], grown["members"]) == (0, "Staff", 2)
    (group,) = caller.ask("get_groups")["groups"]
    assert (group["group_name"], sorted(group["numbers"])) == ("Staff", [caller.far(171), caller.far(172)])
    page = caller.ask("get_contacts", limit="1")
    assert [each["sms_phone"] for each in page["contacts"]] == [caller.far(171)]
    rest = caller.ask("get_contacts", after_id=page["next_id"])
    assert ([each["sms_phone"] for each in rest["contacts"]], rest["next_id"]) == ([caller.far(172)], "")
    answer = caller.ask("send_sms", dest="Staff", message="{{name}}", placeholders="1", fields={"item": []})
    assert [one["status"] for one in answer["recipients"]] == [0, 301], "one of them has no name"
    assert [text for _, text, _ in arrived(caller, {"recipients": answer["recipients"][:1]})] == ["דנה"]
    assert caller.ask("delete_group", group_name="Staff")["status"] == 0
    for ending in (171, 172):
        assert caller.ask("delete_contact", sms_phone=caller.far(ending))["status"] == 0
    assert caller.ask("delete_contact", sms_phone=caller.far(171))["status"] != 0
    assert caller.ask("get_contacts")["contacts"] == caller.ask("get_groups")["groups"] == []


def test_callbacks_and_ping(caller: Caller) -> None:
    """A URL is kept, one that is none is refused, an empty one ends it; ping needs no login, and tries one it gets."""
    assert caller.ask("set_callback", callback_url="https://hooks.example.com/a?b=1&c=2", kind="report")["status"] == 0
    assert caller.ask("set_callback", callback_url="ftp://hooks.example.com")["status"] == 102
    assert caller.ask("set_callback", callback_url="")["status"] == 0
    said = caller.client.say("ping", {})
    assert int(said["answer"]["status"]) == 0
    assert caller.ask("ping")["extra"] == {"account": caller.variant.name}


OPTIONAL = ("token", "sender", "sendtime", "callback_url", "reference", "test", "priority", "lifetime", "max_parts")


@pytest.mark.parametrize("nothing", [None, "", "0"], ids=["null", "empty", "zero"])
def test_nothing_is_sent_in_every_form(caller: Caller, nothing: str | None) -> None:
    """However a client writes what is not given, the text leaves now, as if it were absent."""
    names = OPTIONAL[2:3] + OPTIONAL[5:] if nothing == "0" else OPTIONAL
    more: dict[str, Any] = dict.fromkeys(names, nothing)
    if nothing is None:
        more["fields"] = None
    answer = caller.ask("send_sms", dest=caller.number(181), message="Hello", **more)
    assert (answer["status"], answer["extra"]) == (0, {})
    assert arrived(caller, answer) == [(caller.far(181), "Hello", None)]


def test_a_reference_sends_once(caller: Caller) -> None:
    """The second call has the ids of the first, says that it is one, and one text arrives."""
    call = {"dest": caller.number(191), "message": "Hello", "reference": "invoice-7"}
    first, again = (caller.ask("send_sms", **call) for _ in range(2))
    assert (again["status"], again["message_id"]) == (0, first["message_id"])
    assert (first["extra"], again["extra"]) == ({}, {"duplicate": "true"})
    assert again["recipients"][0]["recipient_id"] == first["recipients"][0]["recipient_id"]
    other = caller.ask("send_sms", dest=caller.number(191), message="Another")
    arrived(caller, other)
    texts = [each["text"] for each in caller.served.texts() if each["to"] == caller.far(191)]
    assert texts == ["Hello", "Another"]


def test_a_wrong_password_is_a_fault(caller: Caller) -> None:
    """The client shows its code, and its text with the id of the log."""
    said = caller.say("get_credit", password="change-me-3")
    code = "env:Client.Authentication"
    if caller.variant.version == "1.2":
        # PHP shows the code alone, and zeep the subcode's whole name.
        code = {"php": "env:Sender", "zeep": "env:Sender/{urn:smsbridge:1}Authentication"}.get(
            caller.variant.client, "env:Sender/sms:Authentication"
        )
    assert said["fault"]["code"] == code
    text, _, visit = said["fault"]["text"].partition(" (id ")
    assert text == "the login is not right, or not allowed from here"
    assert f'"id": "{visit.rstrip(")")}"' in caller.served.logged()


def test_what_a_call_cannot_do_without(caller: Caller) -> None:
    """An empty value is a Fault that names it; what is left out the client may refuse to send by itself."""
    before = sent(caller)
    said = caller.say("send_sms", dest=caller.number(1), message="")
    assert said["fault"]["text"].startswith("message is missing (id ")
    said = caller.say("send_sms", dest=caller.number(1))
    told = said.get("error") or said["fault"]["text"]
    assert "message" in told
    assert sent(caller) == before
