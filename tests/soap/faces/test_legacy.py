"""The legacy XML API over HTTP: every operation by query and form, every login, and what is refused how."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from soap.schema import REQUESTS
from tests.soap.faces.shop import PASSWORD, POOR, QUIET, RICH, TOKEN, Shop, query

pytestmark = pytest.mark.e2e

PHONE = "0502345678"
E164 = "+972502345678"
BEARER = {"authorization": f"Bearer {TOKEN}"}

_places = itertools.count(1)


def elsewhere() -> dict[str, str]:
    """Return the header of a proxy that tells of another client than before."""
    return {"x-forwarded-for": f"198.51.100.{next(_places)}"}


def call(shop: Shop, service: str, **fields: object) -> Any:
    """Make a call that is taken, with a token; returns the answer's root."""
    answer = shop.post("/ws.php", {"service": service} | fields, headers=BEARER)
    assert answer.status == 200, answer.text
    assert answer.headers["content-type"] == "text/xml; charset=utf-8"
    root = answer.xml
    assert (root.tag, root[0].tag, root[0].text) == ("response", "service", service)
    assert (root.findtext("status"), root.findtext("status_text")) == ("0", "OK")
    return root


@pytest.mark.parametrize("path", ["/ws.php", "/api/ws.php"])
def test_a_text_by_get_as_old_programs_send_it(shop: Shop, path: str) -> None:
    """With everything in the query, the username and the password too."""
    text = f"שלום עולם {path}"
    fields = {"service": "send_sms", "username": "till", "password": PASSWORD, "dest": PHONE, "message": text}
    answer = shop.get(path, fields | {"sender": "ACME"})
    assert answer.status == 200
    assert (answer.headers["cache-control"], answer.headers["referrer-policy"]) == ("no-store", "no-referrer")
    (recipient,) = answer.xml.find("recipients")
    assert [recipient.findtext(name) for name in ("dest", "number", "status", "parts")] == [PHONE, E164, "0", "1"]
    assert recipient.findtext("recipient_id") == answer.xml.findtext("message_id") + "-1"
    assert shop.arrived(text) == [E164]


def test_a_text_by_every_form(shop: Shop) -> None:
    """A form, a form in parts, a form with the rest in the query; fields in any case."""
    fields = {"service": "send_sms", "dest": PHONE, "message": "by form"}
    assert shop.post("/ws.php", fields, headers=BEARER).status == 200
    assert shop.arrived("by form") == [E164]
    parts = b"".join(
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in (fields | {"message": "in parts\r\nand lines"}).items()
    )
    kind = BEARER | {"content-type": "multipart/form-data; boundary=b"}
    assert shop.ask("POST", "/ws.php", body=parts + b"--b--\r\n", headers=kind).status == 200
    assert shop.arrived("in parts\nand lines") == [E164]
    rest = query({"SERVICE": "send_sms", "Dest": PHONE, "token": TOKEN})
    assert shop.post(f"/ws.php?{rest}", {"Message": "half and half"}).status == 200
    assert shop.arrived("half and half") == [E164]


def test_a_reference_makes_two_calls_one_text(shop: Shop) -> None:
    """As a proxy that repeats a GET makes them."""
    fields = {"service": "send_sms", "token": TOKEN, "dest": PHONE, "message": "once", "reference": "r-1"}
    first, second = (shop.get("/ws.php", fields).xml for _ in range(2))
    assert first.findtext("message_id") == second.findtext("message_id")
    assert shop.sent("once") == 1
    status = call(shop, "get_sms_status", reference="r-1")
    assert [one.findtext("reference") for one in status.find("recipients")] == ["r-1"]


def test_every_operation_is_there(shop: Shop) -> None:
    """By its name as ``service``; what it cannot do without is asked for by name."""
    for service, request in REQUESTS.items():
        answer = shop.get("/ws.php", {"service": service}, headers=BEARER)
        assert answer.xml.findtext("service") == service
        if request.required:
            assert (answer.status, answer.xml.findtext("status")) == (400, "101")
            assert any(name in answer.xml.findtext("status_text") for name in request.required), answer.text
        elif service != "get_sms_status":
            assert (answer.status, answer.xml.findtext("status")) == (200, "0"), answer.text


def test_texts_followed_changed_and_cancelled(shop: Shop) -> None:
    """A text's whole life without an envelope."""
    message_id = call(shop, "send_sms", dest=PHONE, message="first", sendtime="+60").findtext("message_id")
    assert call(shop, "get_sms_status", message_id=message_id)[3][0].findtext("state") == "scheduled"
    changed = call(shop, "update_sms", message_id=message_id, message="second")
    assert changed.find("recipients")[0].findtext("status") == "0"
    assert shop.sent("second") == 1
    ended = call(shop, "cancel_sms", message_id=message_id).find("recipients")[0]
    assert (ended.findtext("state"), ended.findtext("state_before")) == ("cancelled", "scheduled")
    late = shop.get("/ws.php", {"service": "cancel_sms", "message_id": message_id}, headers=BEARER)
    assert (late.status, late.xml.findtext("status")) == (409, "104")
    report = call(shop, "get_sms_report", from_time="2026-01-01")
    assert message_id in {one.findtext("message_id") for one in report.find("recipients")}


def test_a_bulk_by_form(shop: Shop) -> None:
    """Items are a JSON array; each has its own text, fields and reference."""
    items = [
        {"dest": [PHONE, 972502345679], "message": "Dear {{name}}", "fields": {"name": "Ann"}, "reference": "b-1"},
        {"dest": "12", "message": "x", "reference": 5},
    ]
    results = call(shop, "send_sms_bulk", items=json.dumps(items)).find("results")
    assert [(one.findtext("reference"), one.findtext("status")) for one in results] == [("b-1", "0"), ("5", "201")]
    assert shop.arrived("Dear Ann", 2) == [E164, "+972502345679"]


def test_a_template_by_form(shop: Shop) -> None:
    """Its fields are ``fields[name]``."""
    call(shop, "send_sms", dest=PHONE, message="Table {{n}} for {{who}}", **{"fields[n]": "7", "fields[who]": "Ann"})
    assert shop.arrived("Table 7 for Ann") == [E164]


def test_preview_and_credit(shop: Shop) -> None:
    """What a text would take is told, and nothing is sent; credit is there for an account that has some."""
    told = call(shop, "preview_sms", message="ж" * 71)
    assert (told.findtext("parts"), told.findtext("encoding")) == ("2", "ucs2")
    assert call(shop, "get_credit").find("credit") is None
    answer = shop.get("/ws.php", {"service": "get_credit", "token": RICH})
    assert answer.xml.findtext("credit") == "100.000"


def test_senders_contacts_and_groups(shop: Shop) -> None:
    """Made, listed and deleted; a contact's fields in the legacy API's own spelling."""
    assert call(shop, "add_sender_text", sender="NewName").findtext("state") == "requested"
    assert len(call(shop, "get_senders").find("senders")) == 2
    call(shop, "add_contact", sms_phone=PHONE, email="ann@example.com", name="Ann", Mailing_address="1 Main St")
    (contact,) = call(shop, "get_contacts").find("contacts")
    assert contact.findtext("sms_phone") == E164
    assert (contact.findtext("name"), contact.findtext("mailing_address")) == ("Ann", "1 Main St")
    call(shop, "add_group", group_name="staff", dest=f"{PHONE},972502345679")
    (group,) = call(shop, "get_groups").find("groups")
    assert sorted(one.text for one in group.find("numbers")) == [E164, "+972502345679"]
    call(shop, "send_sms", dest="staff", message="to all staff")
    assert shop.arrived("to all staff", 2) == [E164, "+972502345679"]
    call(shop, "delete_group", group_name="staff")
    for number in (PHONE, "972502345679"):
        call(shop, "delete_contact", sms_phone=number)
    gone = shop.get("/ws.php", {"service": "delete_contact", "sms_phone": PHONE}, headers=BEARER)
    assert (gone.status, gone.xml.findtext("status")) == (422, "204")


def test_a_half_good_call_is_taken(shop: Shop) -> None:
    """Each recipient has its own status; the whole is taken, for one of them gets it."""
    root = call(shop, "send_sms", dest=f"{PHONE};12,{QUIET}", message="half good")
    told = {one.findtext("dest"): one.findtext("status") for one in root.find("recipients")}
    assert told == {PHONE: "0", "12": "201", QUIET: "205"}


@pytest.mark.parametrize(
    ("fields", "http", "status"),
    [
        ({"dest": "12"}, 422, "201"),
        ({"dest": QUIET}, 422, "205"),
        ({"dest": "nobody"}, 422, "204"),
        ({"dest": ""}, 400, "101"),
        ({"message": ""}, 400, "101"),
        ({"message": "x" * 5000}, 422, "302"),
        ({"message": b"\xff"}, 422, "303"),
        ({"sender": "NOBODY"}, 422, "307"),
        ({"sendtime": "soon"}, 422, "401"),
        ({"sendtime": "24/12/2020 09:30"}, 422, "402"),
        ({"callback_url": "file:///etc/passwd"}, 400, "102"),
        ({"reference": "x" * 201}, 400, "101"),
        ({"service": "sendsms"}, 400, "101"),
        ({"service": ""}, 400, "101"),
        ({"test": "perhaps"}, 400, "101"),
        ({"items": "[1"}, 400, "101"),
        ({"token": POOR}, 402, "501"),
        ({"token": "wrong"}, 401, "105"),
        ({"username": "shop", "password": "wrong", "token": ""}, 401, "105"),
        ({"token": ""}, 401, "105"),
    ],
)
def test_refusals(shop: Shop, fields: dict[str, object], http: int, status: str) -> None:
    """A program that looks at the HTTP status alone does not take a refused text for sent."""
    given = {"service": "send_sms", "token": TOKEN, "dest": PHONE, "message": "refused"} | fields
    for answer in (shop.get("/ws.php", given, headers=elsewhere()), shop.post("/ws.php", given, headers=elsewhere())):
        assert (answer.status, answer.xml.findtext("status")) == (http, status), answer.text
        assert answer.xml.findtext("status_text")
        assert ("www-authenticate" in answer.headers) is (http == 401)
    assert shop.sent("refused") == 0


def test_the_id_of_a_refused_call_is_in_the_log(shop: Shop) -> None:
    """So that a complaint can be looked up."""
    answer = shop.get("/ws.php", {"service": "nothing"})
    request_id = answer.xml.findtext("request_id")
    assert len(request_id) == 16
    assert f'"id": "{request_id}"' in shop.served.logged()


def test_after_too_many_failures(shop: Shop) -> None:
    """429, in time for others to come in."""
    place = elsewhere()
    fields = {"service": "ping", "username": "till", "password": "wrong"}
    told = [shop.get("/ws.php", fields, headers=place) for _ in range(4)]
    assert [answer.status for answer in told] == [401, 401, 401, 429]
    assert told[3].xml.findtext("status") == "505"


@pytest.mark.parametrize("method", ["HEAD", "PUT", "DELETE", "OPTIONS"])
def test_other_methods_send_nothing(shop: Shop, method: str) -> None:
    """HEAD too: a program that checks links must not send texts."""
    fields = query({"service": "send_sms", "token": TOKEN, "dest": PHONE, "message": f"by {method}"})
    answer = shop.ask(method, f"/ws.php?{fields}")
    assert (answer.status, answer.headers["allow"]) == (405, "GET, POST")
    assert shop.sent(f"by {method}") == 0


def test_bodies_that_are_no_forms(shop: Shop) -> None:
    """JSON and XML belong elsewhere; what is too long is not read."""
    for kind in ("application/json", "text/xml"):
        answer = shop.ask("POST", "/ws.php?service=ping", body=b"{}", headers={"content-type": kind})
        assert (answer.status, answer.xml.findtext("status")) == (400, "101")
    long = shop.ask("POST", "/ws.php?service=ping", body=b"x" * ((2 << 20) + 1), headers=BEARER)
    assert (long.status, long.xml.findtext("status")) == (413, "308")
    assert shop.ask("POST", "/ws.php?service=ping", body=b"x=" + b"x" * ((2 << 20) - 2)).status == 200


def test_what_is_written_back_is_xml(shop: Shop) -> None:
    """Whatever a client writes, the answer can be parsed."""
    for name in ("<b>&amp;</b>", "a\x00b", "\x0c\x1b", "]]>", "<!DOCTYPE x>", "\ud7ff\ufffe"):
        root = shop.get("/ws.php", {"service": name, "dest": name}).xml
        assert root.findtext("status") == "101"
        answer = shop.get("/ws.php", {"service": "send_sms", "dest": name, "message": name, "token": TOKEN})
        assert answer.xml.findtext("service") == "send_sms"
