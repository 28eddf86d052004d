"""The bulk service over HTTP: an array in, an array out, and nothing stops the others."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from tests.soap.faces.shop import PASSWORD, POOR, TOKEN, Answer, Shop, query

pytestmark = pytest.mark.e2e

PHONE = "0502345678"
BEARER = {"authorization": f"Bearer {TOKEN}"}

_places = itertools.count(1)


def send(shop: Shop, elements: object, *, path: str = "/ws_json_bulk.php", **fields: object) -> Answer:
    """Post elements, with a token unless there is another login in the query."""
    login = {} if {"token", "username"} & fields.keys() else BEARER
    place = {"x-forwarded-for": f"203.0.113.{next(_places)}"}
    body = elements if isinstance(elements, bytes) else json.dumps(elements).encode()
    kind = {"content-type": "application/json"}
    return shop.ask("POST", f"{path}?{query(fields)}", body=body, headers=kind | login | place)


@pytest.mark.parametrize("path", ["/ws_json_bulk.php", "/api/ws_json_bulk.php"])
def test_an_array_as_old_programs_send_it(shop: Shop, path: str) -> None:
    """Each element is answered in its place, by the five fields of the original and by ours."""
    texts = [f"ראשון {path}", f"second {path}"]
    answer = send(
        shop,
        [
            {"service": "send_sms", "dest": PHONE, "sender": "ACME", "message": texts[0]},
            {"service": "send_sms", "dest": PHONE, "message": texts[1], "sendtime": "24/12/2026 09:30"},
        ],
        path=path,
    )
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json; charset=utf-8")
    assert answer.headers["cache-control"] == "no-store"
    first, second = answer.json
    assert list(first)[:5] == ["service", "status", "message_id", "message", "sender"]
    assert (first["service"], first["status"], first["message"], first["sender"]) == (
        *("send_sms", "Message in Action"),
        *(texts[0], "ACME"),
    )
    assert len(first["message_id"]) == 26
    assert (first["status_code"], first["recipients"][0]["number"]) == (0, "+972502345678")
    assert (second["status"], second["sender"]) == ("Message in Action", None)
    assert second["recipients"][0]["state"] == "scheduled"
    assert shop.arrived(texts[0]) == ["+972502345678"]
    assert (shop.sent(texts[1]), [one["text"] for one in shop.served.texts()].count(texts[1])) == (1, 0)


def test_a_wrong_element_stops_no_other(shop: Shop) -> None:
    """Whatever is wrong with it, it is said in its place."""
    elements: list[Any] = [
        {"dest": PHONE, "message": "among wrong ones 1"},
        {"dest": "12", "message": "x"},
        "no object",
        {"dest": PHONE},
        None,
        {"service": "get_credit", "dest": PHONE, "message": "x"},
        {"dest": PHONE, "message": 5},
        {"dest": {"a": 1}, "message": "x"},
        {"dest": PHONE, "message": ["x"]},
        {"dest": [], "message": "x"},
        {"dest": PHONE, "message": "x", "sendtime": "soon"},
        {"dest": PHONE, "message": "x", "fields": {"a": {"b": None}}},
        {"dest": PHONE, "message": "x", "fields": "a=b"},
        {"dest": PHONE, "message": "x", "reference": "r" * 201},
        {"dest": PHONE, "message": "x", "reference": "\ud800"},
        {},
        [],
        {"dest": [PHONE, 972502345679], "message": "among wrong ones 2"},
    ]
    answer = send(shop, elements)
    assert answer.status == 200
    codes = [one["status_code"] for one in answer.json]
    assert codes == [0, 201, 101, 101, 101, 101, 0, 101, 101, 101, 401, 101, 101, 101, 101, 101, 101, 0]
    assert [one["status"] == "Message in Action" for one in answer.json] == [code == 0 for code in codes]
    assert all((one["message_id"] is None) is bool(one["status_code"]) for one in answer.json)
    assert shop.arrived("among wrong ones 1") == ["+972502345678"]
    assert shop.arrived("among wrong ones 2", 2) == ["+972502345678", "+972502345679"]


def test_references_make_an_array_that_comes_twice_one(shop: Shop) -> None:
    """Each element by its own."""
    elements = [{"dest": PHONE, "message": f"bulk once {n}", "reference": f"bulk-{n}"} for n in range(3)]
    first, second = (send(shop, elements).json for _ in range(2))
    assert [one["message_id"] for one in first] == [one["message_id"] for one in second]
    assert [one["reference"] for one in second] == ["bulk-0", "bulk-1", "bulk-2"]
    assert all(shop.sent(f"bulk once {n}") == 1 for n in range(3))


def test_fields_of_an_element(shop: Shop) -> None:
    """Fill its text."""
    send(shop, [{"dest": PHONE, "message": "{{a}} and {{b}}", "fields": {"a": "One", "b": 2}}])
    assert shop.arrived("One and 2") == ["+972502345678"]


def test_a_test_sends_nothing(shop: Shop) -> None:
    """And says what would be."""
    (told,) = send(shop, [{"dest": PHONE, "message": "only a test"}], test="1").json
    assert (told["status_code"], told["recipients"][0]["parts"]) == (0, 1)
    assert shop.sent("only a test") == 0


@pytest.mark.parametrize(
    ("body", "http", "code"),
    [
        (b"", 400, 101),
        (b"not json", 400, 101),
        (b'{"dest": "0502345678", "message": "x"}', 400, 101),
        (b'"text"', 400, 101),
        (b"null", 400, 101),
        (b"[1,", 400, 101),
        (b"\xff\xfe[", 400, 101),
        (b"[" * 100_000, 400, 101),
        (b"[" + b"9" * 10_000 + b"]", 400, 101),
        (b'[{"dest": "0502345678", "message": NaN}]', 400, 101),
        (b'[{"dest": "0502345678", "message": 1e400}]', 400, 101),
        (b"[" + b",".join([b"{}"] * 1001) + b"]", 413, 504),
        (b" " * ((2 << 20) + 1), 413, 308),
    ],
)
def test_what_is_no_array(shop: Shop, body: bytes, http: int, code: int) -> None:
    """Is refused as a whole, by an object that says why."""
    answer = send(shop, body)
    assert (answer.status, answer.json["status"], answer.json["status_code"]) == (http, "Error", code)
    assert answer.json["status_text"]
    assert len(answer.json["request_id"]) == 16


@pytest.mark.parametrize("login", [{"token": "wrong"}, {"token": ""}, {"username": "till", "password": "wrong"}])
@pytest.mark.parametrize("elements", [[], [{"dest": PHONE, "message": "no login"}], ["wrong"]])
def test_nobody_is_answered_without_a_login(shop: Shop, login: dict[str, str], elements: list[Any]) -> None:
    """Also where there is nothing to send."""
    answer = send(shop, elements, **login)
    assert (answer.status, answer.json["status_code"], answer.headers["www-authenticate"]) == (401, 105, "Bearer")
    assert shop.sent("no login") == 0


def test_every_login(shop: Shop) -> None:
    """A token in the header or the query, and a user with a password."""
    for login in (
        {},
        {"token": TOKEN},
        {"username": "till", "password": PASSWORD},
        {"username": "shop", "password": TOKEN},
    ):
        answer = send(shop, [], **login)
        assert (answer.status, answer.json) == (200, [])


def test_nothing_taken_is_no_200(shop: Shop) -> None:
    """The HTTP status is then that of the first element."""
    answer = send(shop, [{"dest": PHONE, "message": "no money 1"}, {"dest": "12", "message": "x"}], token=POOR)
    assert (answer.status, [one["status_code"] for one in answer.json]) == (402, [501, 201])
    assert send(shop, [{"dest": "12", "message": "x"}]).status == 422
    assert send(shop, [None]).status == 400


def test_a_thousand_texts(shop: Shop) -> None:
    """The most that one call may hold, all taken in one."""
    elements = [{"dest": f"+97250237{n:04d}", "message": f"many {n}", "sendtime": "+60"} for n in range(1000)]
    answer = send(shop, elements)
    assert [one["status_code"] for one in answer.json] == [0] * 1000
    assert [one["message"] for one in answer.json] == [f"many {n}" for n in range(1000)]
    assert len({one["message_id"] for one in answer.json}) == 1000


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT"])
def test_other_methods(shop: Shop, method: str) -> None:
    """Are refused."""
    answer = shop.ask(method, "/ws_json_bulk.php", headers=BEARER)
    assert (answer.status, answer.headers["allow"]) == (405, "POST")
