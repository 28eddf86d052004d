"""What the SMSC face says, byte for byte, in each of its formats."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from starlette.responses import Response

from bridge.model.errors import (
    BridgeError,
    InternalError,
    InvalidNumber,
    LoginFailed,
    MailTooLarge,
    NoCredit,
    StoreUnavailable,
    UnknownMessage,
    WrongState,
)
from soap.faces.smsc_answers import Answering
from soap.faces.smsc_calls import Found, Phone, Sent
from soap.faces.smsc_terms import Code

AT = datetime(2026, 11, 20, 10, 0, 0, tzinfo=timezone(timedelta(hours=2)))

SENT = Sent(
    id="1234",
    asked=0,
    count=3,
    cost=1400,
    balance=100_500,
    phones=(Phone(phone="972502345678", cost=1400), Phone(phone="12", error=7)),
)
FOUND = Found(
    id="1234",
    phone="972502345678",
    code=Code.DELIVERED,
    at=AT,
    send_at=AT - timedelta(hours=1),
    cost=1400,
    sender="Кафе",
)
MISSING = Found(id="x-1", phone="972502345679", code=Code.NOT_FOUND)


def body(response: Response) -> str:
    """Return what is in an answer, after a look at what every one has."""
    assert response.headers["cache-control"] == "no-store"
    charset = response.headers["content-type"].rpartition("charset=")[2]
    return bytes(response.body).decode(charset).replace("<?xml version='1.0' encoding='WINDOWS-1251'?>\n", "")


def answering(fmt: int, charset: str = "windows-1251") -> Answering:
    """Answer in a format."""
    return Answering(fmt=fmt, charset=charset)


@pytest.mark.parametrize(
    ("fmt", "cost", "told"),
    [
        (0, 0, "OK - 3 SMS, ID - 1234"),
        (0, 1, "1.40 (3 SMS)"),
        (0, 2, "OK - 3 SMS, ID - 1234, COST - 1.40"),
        (0, 3, "OK - 3 SMS, ID - 1234, COST - 1.40, BALANCE - 100.50"),
        (1, 0, "1234,3"),
        (1, 1, "1.40,3"),
        (1, 2, "1234,3,1.40"),
        (1, 3, "1234,3,1.40,100.50"),
        (2, 0, "<result><id>1234</id><cnt>3</cnt></result>"),
        (2, 1, "<result><cost>1.40</cost><cnt>3</cnt></result>"),
        (2, 2, "<result><id>1234</id><cnt>3</cnt><cost>1.40</cost></result>"),
        (2, 3, "<result><id>1234</id><cnt>3</cnt><cost>1.40</cost><balance>100.50</balance></result>"),
        (3, 0, '{"id":1234,"cnt":3}'),
        (3, 1, '{"cost":"1.40","cnt":3}'),
        (3, 2, '{"id":1234,"cnt":3,"cost":"1.40"}'),
        (3, 3, '{"id":1234,"cnt":3,"cost":"1.40","balance":"100.50"}'),
    ],
)
def test_what_was_sent(fmt: int, cost: int, told: str) -> None:
    """In each format, with each amount of detail about money."""
    response = answering(fmt).sent(replace(SENT, asked=cost))
    assert (response.status_code, body(response)) == (200, told)


def test_ids_that_are_no_numbers() -> None:
    """In JSON they are strings; in numbers with commas they stand as they are."""
    named = replace(SENT, id="a-1")
    assert body(answering(3).sent(named)) == '{"id":"a-1","cnt":3}'
    assert body(answering(1).sent(named)) == "a-1,3"


def test_an_id_of_any_length_is_told_again() -> None:
    """What somebody asked for and there is not: no number is made of five thousand digits."""
    missing = Found(id="9" * 5000, phone="1", code=Code.NOT_FOUND)
    told = body(answering(3).status([missing, missing], depth=0, listed=True))
    assert [one["id"] for one in json.loads(told)] == ["9" * 5000] * 2


def test_lists_of_numbers() -> None:
    """``op`` has all numbers, ``err`` those that get nothing; in text and numbers there is no room for either."""
    told = json.loads(body(answering(3).sent(SENT, op=True, err=True)))
    wrong = {"phone": "12", "cost": "0.00", "error": 7}
    assert told["phones"] == [{"phone": "972502345678", "cost": "1.40"}, wrong]
    assert told["errors"] == [wrong]
    assert body(answering(2).sent(SENT, err=True)) == (
        "<result><id>1234</id><cnt>3</cnt>"
        "<errors><phone><phone>12</phone><cost>0.00</cost><error>7</error></phone></errors></result>"
    )
    assert body(answering(1).sent(SENT, op=True, err=True)) == "1234,3"


@pytest.mark.parametrize(
    ("fmt", "depth", "told"),
    [
        (0, 0, "Status = 1, check_time = 20.11.2026 10:00:00"),
        (1, 0, "1,1795161600,0"),
        (1, 1, "1,1795161600,0,1795158000,972502345678,1.40,Кафе,Delivered,"),
        (1, 2, "1,1795161600,0,1795158000,972502345678,1.40,Кафе,Delivered,,,,"),
        (
            2,
            0,
            (
                "<status><status>1</status><last_date>20.11.2026 10:00:00</last_date>"
                "<last_timestamp>1795161600</last_timestamp><err>0</err></status>"
            ),
        ),
        (3, 0, '{"status":1,"last_date":"20.11.2026 10:00:00","last_timestamp":1795161600,"err":0}'),
    ],
)
def test_how_a_text_stands(fmt: int, depth: int, told: str) -> None:
    """In each format; times are those of the account's zone."""
    response = answering(fmt).status([FOUND], depth=depth, listed=False)
    assert (response.status_code, body(response)) == (200, told)


def test_details_of_a_text_in_json() -> None:
    """``all`` adds the fields of the original; what we do not tell is empty, and not left out."""
    told = json.loads(body(answering(3).status([FOUND], depth=1, listed=False)))
    assert told["send_date"] == "20.11.2026 09:00:00"
    assert told["send_timestamp"] == 1795158000
    assert (told["phone"], told["cost"], told["sender_id"]) == ("972502345678", "1.40", "Кафе")
    assert (told["status_name"], told["message"]) == ("Delivered", "")
    more = json.loads(body(answering(3).status([FOUND], depth=2, listed=False)))
    assert more.keys() - told.keys() == {"country", "operator", "region"}


def test_how_several_texts_stand() -> None:
    """Each in its place; one that is not there has a status of its own."""
    pair = [FOUND, MISSING]
    assert body(answering(0).status(pair, depth=0, listed=True)) == (
        "Status = 1, check_time = 20.11.2026 10:00:00\nStatus = -3"
    )
    assert body(answering(1).status(pair, depth=0, listed=True)) == "1,1795161600,0\n-3,0,0"
    told = json.loads(body(answering(3).status(pair, depth=0, listed=True)))
    assert (told[0]["id"], told[0]["phone"], told[0]["status"]) == (1234, "972502345678", 1)
    assert told[1] == {"id": "x-1", "phone": "972502345679", "status": -3}
    assert body(answering(2).status([MISSING], depth=0, listed=True)) == (
        "<statuses><status><id>x-1</id><phone>972502345679</phone><status>-3</status></status></statuses>"
    )


@pytest.mark.parametrize(
    ("error", "status", "numbers", "text"),
    [
        (InvalidNumber("too short"), False, "0,-7", "ERROR = 7 (invalid number: too short)"),
        (LoginFailed("of no matter"), False, "0,-2", "ERROR = 2 (invalid login or password)"),
        (NoCredit("3 needed"), False, "0,-3", "ERROR = 3 (no money: 3 needed)"),
        (UnknownMessage("none"), True, "0,-3", "ERROR = 3 (no such message)"),
        (WrongState("sent"), True, "0,-5", "ERROR = 5 (cannot be deleted)"),
        (WrongState("sent"), False, "0,-1", "ERROR = 1 (parameters error: sent)"),
    ],
)
def test_failures(*, error: BridgeError, status: bool, numbers: str, text: str) -> None:
    """With HTTP status 200, for the programs of this interface read the body."""
    for fmt, told in ((0, text), (1, numbers)):
        response = answering(fmt).failed(error, status=status)
        assert (response.status_code, body(response)) == (200, told)
    number = numbers.removeprefix("0,-")
    why = text.partition("(")[2].removesuffix(")")
    assert body(answering(2).failed(error, status=status)) == (
        f"<result><error>{why}</error><error_code>{number}</error_code></result>"
    )
    assert json.loads(body(answering(3).failed(error, status=status))) == {"error": why, "error_code": int(number)}


@pytest.mark.parametrize("fmt", range(4))
@pytest.mark.parametrize("error", [StoreUnavailable("x"), InternalError("x")])
def test_our_trouble_is_no_answer(fmt: int, error: BridgeError) -> None:
    """Nothing in the body, so that libraries ask again, and 503 for what reads HTTP."""
    response = answering(fmt).failed(error)
    assert (response.status_code, response.body, response.headers["retry-after"]) == (503, b"", "5")


def test_a_call_that_was_not_read_to_its_end() -> None:
    """Has an answer in the format, and says 413."""
    response = answering(1).failed(MailTooLarge("too large"))
    assert (response.status_code, response.body) == (413, b"0,-1")


def test_charsets() -> None:
    """The answer is in the charset of the call; what it has not is replaced in text, and referred to in XML."""
    error = InvalidNumber("שלום Ж")
    assert bytes(answering(0).failed(error).body).endswith(b"(invalid number: ???? \xc6)")
    assert bytes(answering(0, "koi8-r").failed(error).body).endswith(b"(invalid number: ???? \xf6)")
    assert "שלום Ж" in bytes(answering(0, "utf-8").failed(error).body).decode()
    xml = bytes(answering(2).failed(error).body)
    assert xml.startswith(b"<?xml version='1.0' encoding='WINDOWS-1251'?>")
    assert b"&#1513;" in xml
    assert b"\xc6" in xml
    assert bytes(answering(3).failed(error).body).isascii()


@pytest.mark.parametrize(
    ("fmt", "told"),
    [(0, "7.50"), (1, "7.50"), (2, "<result><balance>7.50</balance></result>"), (3, '{"balance":"7.50"}')],
)
def test_balances(fmt: int, told: str) -> None:
    """A bare number, or one with a name; with its currency where there is room for one."""
    assert body(answering(fmt).balance(7500, currency=False)) == told
    assert body(answering(3).balance(None, currency=True)) == '{"balance":"1000000.00","currency":"credits"}'


@pytest.mark.parametrize(
    ("fmt", "told"), [(0, "OK"), (1, "OK"), (2, "<result><result>OK</result></result>"), (3, '{"result":"OK"}')]
)
def test_deletions(fmt: int, told: str) -> None:
    """Say that it is done."""
    assert body(answering(fmt).deleted()) == told
