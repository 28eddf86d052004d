"""openapi.com's SMS, both versions: numbers, senders, bodies, answers, states."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from structlog.testing import capture_logs

from bridge.carriers.openapi.news import moment, own_id
from bridge.carriers.openapi.settings import sender_fault
from bridge.carriers.openapi.v1 import recipient
from bridge.model.errors import InvalidNumber, Trouble
from bridge.model.message import Priority, Verdict
from bridge.model.numbers import split_country_code
from bridge.model.state import State
from tests.support.openapi_client import opened, outgoing, pending, sent
from tests.support.openapi_server import SENDER, GatewayServer, SmsV2Server
from tests.support.upstream import Answer, Wrong


@pytest.mark.parametrize(
    ("e164", "written"),
    [
        ("+12125550123", "+1-2125550123"),
        ("+18765550123", "+1-8765550123"),  # Jamaica: the code is 1 all the same
        ("+79161234567", "+7-9161234567"),
        ("+77011234567", "+7-7011234567"),  # Kazakhstan
        ("+201001234567", "+20-1001234567"),
        ("+393331112222", "+39-3331112222"),
        ("+390612345678", "+39-0612345678"),  # the zero is a part of it
        ("+447400123456", "+44-7400123456"),
        ("+4915112345678", "+49-15112345678"),
        ("+972502345678", "+972-502345678"),
        ("+3725123456", "+372-5123456"),
        ("+4236601234", "+423-6601234"),
        ("+85251234567", "+852-51234567"),
        ("+59899123456", "+598-99123456"),
        ("+8801712345678", "+880-1712345678"),
    ],
)
def test_numbers_are_written_with_a_dash_after_the_country_code(e164: str, written: str) -> None:
    """By the real list of codes, of one to three digits; what follows is the rest as it is."""
    assert recipient(e164) == written
    assert "".join(split_country_code(e164)) == e164[1:]


@pytest.mark.parametrize(
    "number", ["", "+", "0502345678", "972502345678", "+999123456789", "+2105551234", "+1-2125550123"]
)
def test_a_number_without_a_country_code_is_refused_here(number: str) -> None:
    """It cannot be written in their form: they would count it as invalid, and no call goes out."""
    with pytest.raises(InvalidNumber):
        recipient(number)
    server = GatewayServer(called=False)
    outcome = asyncio.run(sent(server, outgoing(number)))
    assert (outcome.verdict, server.seen) == (Verdict.REFUSED, [])


@pytest.mark.parametrize(
    ("sender", "first", "second"),
    [
        ("AB", False, False),
        ("ABC", True, True),
        ("Our Shop 12", True, True),
        ("Our Shop 123", False, False),
        ("12", False, False),
        ("123", True, False),
        ("12345678901234", True, False),
        ("123456789012345", False, False),
        ("972502345678", True, False),
    ],
)
def test_sender_rules(sender: str, *, first: bool, second: bool) -> None:
    """3 to 11 characters; of digits 3 to 14 in version 1, and none in version 2."""
    assert (sender_fault(sender, version=1) is None, sender_fault(sender, version=2) is None) == (first, second)
    for server, good in ((GatewayServer(called=False), first), (SmsV2Server(called=False), second)):
        outcome = asyncio.run(sent(server, outgoing(sender=sender)))
        assert (outcome.verdict is Verdict.ACCEPTED) is good
        assert good or server.seen == []


def test_a_text_of_version_one() -> None:
    """Queued at once, with our id, and with what the settings say; a sender's number has no plus sign."""

    async def main() -> None:
        server = GatewayServer(field="summary")
        settings: dict[str, Any] = {"priorities": {"high": 1.5}, "flash": True, "realtime": True, "test": True}
        async with opened(server, **settings) as carrier:
            text = outgoing(sender="+972502345679", priority=Priority.HIGH)
            assert (await carrier.send(text)).verdict is Verdict.ACCEPTED
            assert carrier.urls is not None
            assert server.seen[0].json == {
                "sender": "972502345679",
                "body": "hello",
                "recipients": "+972-502345678",
                "transaction": False,
                "priority": 1.5,
                "test": True,
                "options": {
                    "custom": text.id,
                    "flash": True,
                    "realtime": True,
                    "callback_url": carrier.urls.callback,
                    "callback_field": "summary",
                },
            }
            assert server.seen[0].target == "/messages/"
            assert server.arrived() == []  # a test
        server = GatewayServer(called=False)
        async with opened(server, priorities={"high": 1.5}) as carrier:
            text = outgoing(sender=None)
            await carrier.send(text)
            assert server.seen[0].json == {
                "sender": SENDER,
                "body": "hello",
                "recipients": "+972-502345678",
                "transaction": False,
                "options": {"custom": text.id},
            }
            await carrier.send(dataclasses.replace(text, flash=True))
            assert server.seen[1].json["options"] == {"custom": text.id, "flash": True}

    asyncio.run(main())


@pytest.mark.parametrize(
    "text",
    [
        "Hello {{name}}, {{ surname }}",
        "{{opening}}",
        "{{{{{",
        "{{{three}}}",
        "}}{{",
        "{{}} and {{\n}}",
        "{single} and } }",
        'json {"a": {"b": {}}}',
    ],
)
def test_braces_arrive_as_they_are(text: str) -> None:
    """Their placeholders are ours to fill: whatever looks like one is not filled in by them, nor lost."""
    server = GatewayServer(called=False)
    outcome = asyncio.run(sent(server, outgoing(text=text)))
    assert outcome.verdict is Verdict.ACCEPTED
    assert [arrival.text for arrival in server.arrived()] == [text]
    assert isinstance(server.seen[0].json["recipients"], str) is ("{{" not in text)


@pytest.mark.parametrize(
    ("number", "path"),
    [
        ("+393331112222", "IT-messages"),
        ("+34612345678", "ES-messages"),
        ("+972502345678", "WW-messages"),
        ("+12125550123", "WW-messages"),
        ("+3780549123456", "WW-messages"),
    ],
)
def test_a_text_of_version_two(number: str, path: str) -> None:
    """By the path of its country; the number in E.164; a test is a dry run."""

    async def main() -> None:
        server = SmsV2Server()
        async with opened(server, test=True, callback_field="summary") as carrier:
            text = outgoing(number)
            assert (await carrier.send(text)).verdict is Verdict.ACCEPTED
            assert carrier.urls is not None
            assert server.seen[-1].json == {
                "sender": "ACME",
                "recipient": number,
                "message": "hello",
                "options": {"dryRun": True},
                "callback": {
                    "url": carrier.urls.callback,
                    "method": "POST",
                    "field": "summary",
                    "retry": 5,
                    "custom": {"id": text.id},
                },
            }
        assert (server.paths, server.arrived()) == ([path], [])

    asyncio.run(main())


def test_forbidden_words_never_leave() -> None:
    """They can get the account blocked: a text that has forbidden_pattern is refused here."""
    for server in (SmsV2Server(called=False), GatewayServer(called=False)):
        outcome = asyncio.run(sent(server, outgoing(text="Win a CASINO bonus"), forbidden_pattern="(?i)casino"))
        assert (outcome.verdict, outcome.reason) == (Verdict.REFUSED, "the text has forbidden_pattern")
        assert server.seen == []


# --- answers ---


def said_one(**changes: Any) -> dict[str, Any]:
    """Return a good answer of version 1, changed; a value of None takes a key away."""
    message: dict[str, Any] = {
        "id": "5d443a6e9f2725660f3db347",
        "recipients": {"valid": {"count": 1}, "invalid": {"total": 0, "list": []}},
    } | changes
    message = {key: value for key, value in message.items() if value is not None}
    return {"data": [message], "success": True, "message": "Message Queued", "credit": "90.9", "error": None}


NEITHER = {"valid": {"count": 0}, "invalid": {"total": 0, "list": []}}
INVALID = {"valid": {"count": 0}, "invalid": {"total": 1, "list": ["+972-502345678"]}}


@pytest.mark.parametrize(
    ("status", "said", "verdict", "reason"),
    [
        (201, said_one(), Verdict.ACCEPTED, ""),
        (201, said_one() | {"data": said_one()["data"][0]}, Verdict.ACCEPTED, ""),
        (200, said_one(), Verdict.ACCEPTED, ""),
        (201, said_one(recipients=INVALID), Verdict.REFUSED, "they take the number for invalid"),
        (201, said_one(recipients=NEITHER), Verdict.UNKNOWN, "the recipient is neither valid nor invalid"),
        (201, said_one(recipients=None), Verdict.UNKNOWN, "the answer cannot be read"),
        (201, said_one(id=None), Verdict.UNKNOWN, "the answer cannot be read"),
        (201, said_one(id="../../wallet"), Verdict.UNKNOWN, "the answer has no id"),
        (201, said_one() | {"success": False}, Verdict.UNKNOWN, "a good status, and no success"),
        (201, said_one() | {"data": []}, Verdict.UNKNOWN, "the answer cannot be read"),
        (201, [], Verdict.UNKNOWN, "the answer cannot be read"),
        (402, {"error": 201}, Verdict.DEFERRED, "error 201: the credit is not enough (HTTP 402)"),
        (402, {"error": None}, Verdict.DEFERRED, "there is no credit (HTTP 402)"),
        (422, {"error": 302}, Verdict.REFUSED, "error 302: a parameter is missing (HTTP 422)"),
        (422, {"error": 999}, Verdict.REFUSED, "error 999: not in the list (HTTP 422)"),
        (401, {"message": "who?"}, Verdict.DEFERRED, "the login is refused (HTTP 401)"),
        (403, {"message": "no scope"}, Verdict.DEFERRED, "it is forbidden (HTTP 403)"),
        (406, {"error": 202}, Verdict.UNKNOWN, "error 202: they know no such id (HTTP 406)"),
        (500, {"error": True}, Verdict.UNKNOWN, "HTTP 500"),
    ],
)
def test_answers_of_version_one(status: int, said: Any, verdict: Verdict, reason: str) -> None:
    """201 alone is no word on the recipient; numbers of errors are compared, never texts; the rest is unknown."""
    server = GatewayServer(called=False)
    server.status = Answer.of(said, status)
    outcome = asyncio.run(sent(server, outgoing()))
    assert (outcome.verdict, outcome.reason) == (verdict, reason)
    assert outcome.carrier_id == ("5d443a6e9f2725660f3db347" if verdict is Verdict.ACCEPTED else None)
    assert "502345678" not in outcome.raw


@pytest.mark.parametrize(
    ("status", "said", "verdict", "reason"),
    [
        (201, {"data": {"id": "633aabe3e4a9a0e69811ad7f"}}, Verdict.ACCEPTED, ""),
        (
            201,
            {"data": {"id": "633aabe3e4a9a0e69811ad7f", "blocklisted": True}},
            Verdict.REFUSED,
            "they forbid a word of the text or of the sender",
        ),
        (201, {"data": {"id": 5}}, Verdict.UNKNOWN, "the answer has no id"),
        (201, {"id": "633aabe3e4a9a0e69811ad7f"}, Verdict.UNKNOWN, "the answer cannot be read"),
        (
            403,
            {"code": 2020},
            Verdict.DEFERRED,
            "error 2020: the account is blocked: write to their support (HTTP 403)",
        ),
        (422, {"code": 2011}, Verdict.REFUSED, "error 2011: they take the number for invalid (HTTP 422)"),
        (422, {"code": 2013}, Verdict.REFUSED, "error 2013: the number is not of the country of the path (HTTP 422)"),
        (422, {"code": 2021}, Verdict.REFUSED, "error 2021: the sender has not 3 to 11 characters (HTTP 422)"),
        (422, {"code": 2024}, Verdict.REFUSED, "error 2024: the sender is a number (HTTP 422)"),
        (
            422,
            {"code": 2044},
            Verdict.REFUSED,
            "error 2044: they forbid a word of the text or of the sender (HTTP 422)",
        ),
        (
            422,
            {"code": 2050},
            Verdict.REFUSED,
            "error 2050: they forbid a word of the text or of the sender (HTTP 422)",
        ),
        (422, {"error": 302}, Verdict.REFUSED, "HTTP 422"),
    ],
)
def test_answers_of_version_two(status: int, said: Any, verdict: Verdict, reason: str) -> None:
    """Its errors have another key, and other numbers."""
    server = SmsV2Server(called=False, oauth=False)
    server.status = Answer.of(said, status)
    outcome = asyncio.run(sent(server, outgoing()))
    assert (outcome.verdict, outcome.reason) == (verdict, reason)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("1583244663000", datetime(2020, 3, 3, 14, 11, 3, tzinfo=UTC)),
        (1583244663000, datetime(2020, 3, 3, 14, 11, 3, tzinfo=UTC)),
        ({"$date": {"$numberLong": "1583244663000"}}, datetime(2020, 3, 3, 14, 11, 3, tzinfo=UTC)),
        ({"$date": 1583244663000}, datetime(2020, 3, 3, 14, 11, 3, tzinfo=UTC)),
        ({"$date": "2020-03-03T14:11:03Z"}, datetime(2020, 3, 3, 14, 11, 3, tzinfo=UTC)),
        ("2020-03-03T15:11:03.000+0100", datetime(2020, 3, 3, 14, 11, 3, tzinfo=UTC)),
        ("2020-03-03T14:11:03", datetime(2020, 3, 3, 14, 11, 3, tzinfo=UTC)),
        (None, None),
        ("", None),
        ("soon", None),
        ("9" * 15, None),
        ("9" * 400, None),
        ({"$date": None}, None),
        ([1583244663000], None),
        ({}, None),
    ],
)
def test_times_in_every_form(written: Any, read: datetime | None) -> None:
    """Text, number and the nested form of the examples; what is none is none."""
    assert moment(written) == read
    assert read is None or str(moment(written).utcoffset()) in {"0:00:00", "1:00:00"}  # type: ignore[union-attr]


def test_our_id_in_every_form() -> None:
    """As it went, as an object, as the JSON of one; what others wrote there is not ours."""
    own = outgoing().id
    assert {own_id(form) for form in (own, {"id": own}, json.dumps({"id": own}), json.dumps(own))} == {own}
    foreign = (None, "", "m-17", {"ref": own}, {"id": 5}, [own], "{", '{"id": [', "[" * 9000, f"{own} ", {"test": 123})
    assert {own_id(form) for form in foreign} == {None}


# --- states ---


def recipients(**item: Any) -> Answer:
    """Return an answer with one recipient."""
    return Answer.of({"data": [{"number": "+972-502345678"} | item], "success": True, "credit": 90.2})


@pytest.mark.parametrize(
    ("item", "states", "state", "raw"),
    [
        ({"state": "DELIVERED"}, {}, State.DELIVERED, "DELIVERED"),
        (
            {"state": "DELIVERED", "state_description": "DELIVERED_TO_HANDSET"},
            {},
            State.DELIVERED,
            "DELIVERED DELIVERED_TO_HANDSET",
        ),
        ({"state": "GONE", "report": {"status": {"groupName": "EXPIRED"}}}, {}, State.EXPIRED, "GONE EXPIRED"),
        (
            {
                "report": {
                    "status": {"groupName": "UNDELIVERABLE", "name": "UNDELIVERABLE_NOT_SENT"},
                    "error": {"name": "EC_ABSENT_SUBSCRIBER"},
                }
            },
            {},
            State.UNDELIVERED,
            "UNDELIVERABLE UNDELIVERABLE_NOT_SENT EC_ABSENT_SUBSCRIBER",
        ),
        ({"state": "REJECTED"}, {}, State.UNDELIVERED, "REJECTED"),
        ({"state": "PENDING"}, {}, None, ""),
        ({"state": "SENT", "report": []}, {"SENT": "sent"}, State.SENT, "SENT"),
        ({"state": "PENDING"}, {"PENDING": "sent"}, State.SENT, "PENDING"),
        ({"state": "WHAT"}, {"*": "undelivered"}, State.UNDELIVERED, "WHAT"),
        ({"state": "WHAT"}, {"*": "nothing"}, None, ""),
        ({"state": "DELIVERED", "number": "+972-502345679"}, {}, None, ""),
    ],
)
def test_states_of_recipients(item: dict[str, Any], states: dict[str, str], state: State | None, raw: str) -> None:
    """By the table, and by the settings before it; the words are kept; another number's are no news."""

    async def main() -> None:
        server = GatewayServer(called=False)
        async with opened(server, states=states) as carrier:
            server.status = recipients(**item)
            reports = await carrier.states_of([pending(outgoing(), "5e5e65429f272510fb6adcc0")])
            assert [(one.state, one.raw, one.carrier_id, one.recipient_id) for one in reports] == (
                [] if state is None else [(state, raw, "5e5e65429f272510fb6adcc0", None)]
            )

    asyncio.run(main())


@pytest.mark.parametrize("item", [{"state": "SENT_TO_MOON"}, {"state": 7}, {"state": None, "report": None}, {}])
def test_an_unknown_state_is_logged_and_no_news(item: dict[str, Any]) -> None:
    """What no table has is shown to the operator, and changes nothing."""

    async def main() -> None:
        server = GatewayServer(called=False)
        async with opened(server) as carrier:
            server.status = recipients(**item)
            assert await carrier.states_of([pending(outgoing(), "5e5e65429f272510fb6adcc0")]) == []

    with capture_logs() as logs:
        asyncio.run(main())
    word = item.get("state")
    assert [(line["event"], line["state"]) for line in logs] == [
        ("unknown state", word if isinstance(word, str) else "none")
    ]


@pytest.mark.parametrize("said", [{}, {"data": None}, {"data": "x"}, {"data": ["x"]}, [], "x"])
def test_a_strange_answer_to_a_question_is_trouble(said: Any) -> None:
    """It is asked again later; and so is one that something in between answered."""

    async def main() -> None:
        for server in (GatewayServer(called=False), SmsV2Server(called=False, oauth=False)):
            async with opened(server) as carrier:
                ask = [pending(outgoing(), "5e5e65429f272510fb6adcc0")]
                server.status = Answer.of(said)
                with pytest.raises(Trouble):
                    await carrier.states_of(ask)
                server.status = Answer(status=502)
                with pytest.raises(Trouble, match="HTTP 502"):
                    await carrier.states_of(ask)
                server.status, server.wrong = None, Wrong.PAGE
                with pytest.raises(Trouble):
                    await carrier.states_of(ask)

    asyncio.run(main())
