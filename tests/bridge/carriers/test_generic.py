"""The kind ``http``: what it sends, what it makes of answers, and what it reads from calls."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import re
import tomllib
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from structlog.testing import capture_logs

from bridge.carriers.base import Call, Unreadable, Urls
from bridge.carriers.generic.carrier import Generic
from bridge.carriers.generic.placeholders import NAMES, Template
from bridge.carriers.generic.settings import GenericSettings
from bridge.model.errors import ConfigError
from bridge.model.message import Outcome, Outgoing, Verdict
from bridge.model.state import State
from bridge.model.text import Encoding
from tests.support.upstream import Answer, Seen, Server

NOW = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)
SECRET = "the-last-part-of-the-path"
TEXT = Outgoing(
    id="01a1f7df4a693b96124b9b87c3-1",
    message_id="01a1f7df4a693b96124b9b87c3",
    number="+972502345678",
    text='a&b <c> "d" é',
    sender="ACME",
    encoding=Encoding.GSM7,
    parts=2,
    attempt=1,
    expires_at=NOW + timedelta(hours=1),
)
OK = Answer.of({"id": "i1"})


def table(**changes: Any) -> dict[str, Any]:
    """Make a good table."""
    return {
        "kind": "http",
        "url": "https://gateway.example.com/send",
        "fields": {"to": "{{to}}", "text": "{{text}}"},
        "id": "/id",
    } | changes


def made(**changes: Any) -> Generic:
    """Make a carrier of it."""
    return Generic("main", GenericSettings.model_validate(table(**changes)), clock=lambda: NOW)


def sent(says: Answer = OK, outgoing: Outgoing = TEXT, **changes: Any) -> tuple[Outcome, list[Seen]]:
    """Send a text, and return what came of it and what the provider saw."""

    async def main() -> tuple[Outcome, list[Seen]]:
        async with Server(lambda _: says).serving() as server:
            path = changes.pop("path", "/send")
            carrier = made(url=server.url + path, **changes)
            if carrier.callback_secret is not None:
                carrier.called_at(Urls.under("https://sms.example.com", "main", SECRET))
            await carrier.open(None)  # type: ignore[arg-type]
            try:
                return await carrier.send(outgoing), server.seen
            finally:
                await carrier.close()

    return asyncio.run(main())


def request(text: Outgoing = TEXT, **changes: Any) -> Seen:
    """Return the request that a table makes of a text."""
    outcome, (seen,) = sent(OK, text, **changes)
    assert outcome.verdict is Verdict.ACCEPTED
    return seen


def test_every_placeholder_is_filled() -> None:
    """Each name of the list, in one request; what nobody set stays empty."""
    names = {name: f"{{{{ {name} }}}}" for name in NAMES if name != "password"}
    seen = request(fields=names, token="t0ken", user="ann", callback_secret=SECRET)
    assert seen.json == {
        "to": "+972502345678",
        "text": TEXT.text,
        "sender": "ACME",
        "id": TEXT.id,
        "message_id": TEXT.message_id,
        "parts": "2",
        "unicode": "0",
        "flash": "0",
        "expires": "2026-11-20T08:00:00Z",
        "ttl": "3600",
        "user": "ann",
        "token": "t0ken",
        "callback_url": f"https://sms.example.com/carriers/main/callback/{SECRET}",
        "inbound_url": f"https://sms.example.com/carriers/main/inbound/{SECRET}",
    }
    unicode = dataclasses.replace(TEXT, encoding=Encoding.UCS2, flash=True, expires_at=NOW - timedelta(hours=1))
    fields = {
        "to": "{{to|int}}",
        "u": "{{unicode|int}}",
        "f": "{{flash|int}}",
        "ttl": "{{ttl|int}}",
        "hex": "x{{text|hex}}",
        "t": "{{text|int}}",
    }
    seen = request(unicode, fields=fields, number_form="digits")
    assert seen.json == {
        "to": 972502345678,
        "u": 1,
        "f": 1,
        "ttl": 1,
        "hex": "x" + TEXT.text.encode("utf-16-be").hex().upper(),
    } | {"t": TEXT.text}


def test_secrets_of_any_name() -> None:
    """They are placeholders like the rest, and hidden."""
    carrier = made(secrets={"app_id": "hush-1"}, headers={"X-App": "{{secrets.app_id}}"})
    assert "hush" not in repr(carrier._settings)
    seen = request(secrets={"app_id": "hush-1"}, headers={"X-App": "{{secrets.app_id}}"})
    assert seen.headers["x-app"] == "hush-1"


def test_json_keeps_its_shape() -> None:
    """Lists, objects, numbers and truth values stay; texts are escaped as JSON has it."""
    fields = {"a": [{"to": ["{{to}}"], "n": 1, "on": True}, "x{{text}}y"], "b": {"c": {}}, "d": 1.5}
    seen = request(fields=fields)
    assert seen.json == {"a": [{"to": [TEXT.number], "n": 1, "on": True}, f"x{TEXT.text}y"], "b": {"c": {}}, "d": 1.5}
    assert seen.headers["content-type"] == "application/json"


def test_a_missing_sender_leaves_its_field_out() -> None:
    """A field that is the sender alone is not sent; within another text it is empty. A default takes its place."""
    bare = dataclasses.replace(TEXT, sender=None)
    fields = {"from": "{{sender}}", "l": ["{{sender}}", "{{to}}"], "n": "<{{sender}}>", "text": "{{text}}"}
    assert request(bare, fields=fields).json == {"l": [TEXT.number], "n": "<>", "text": TEXT.text}
    assert request(bare, fields=fields, default_sender="US").json["from"] == "US"
    seen = request(bare, query={"from": "{{sender}}", "x": "1"}, headers={"X-From": "{{sender}}"})
    assert seen.target == "/send?x=1"
    assert "x-from" not in seen.headers


def test_a_form() -> None:
    """In its charset, every character quoted that has a meaning there."""
    seen = request(encoding="form", fields={"to": "{{to}}", "text": "{{text}}", "a b": "&"})
    assert seen.body == b"to=%2B972502345678&text=a%26b+%3Cc%3E+%22d%22+%C3%A9&a+b=%26"
    assert seen.headers["content-type"] == "application/x-www-form-urlencoded"
    seen = request(encoding="form", charset="windows-1252")
    assert seen.body.endswith(b"+%E9")


def test_xml() -> None:
    """Escaped; what the charset lacks is written by its number."""
    body = "<sms to='{{to}}'>{{text}}</sms>"
    text = dataclasses.replace(TEXT, text="<'&\"> é 👍")
    seen = request(text, encoding="xml", fields={}, body=body, charset="iso-8859-1")
    escaped = b"&lt;&apos;&amp;&quot;&gt; \xe9 &#128077;"
    assert seen.body == b"<sms to='+972502345678'>" + escaped + b"</sms>"
    assert seen.headers["content-type"] == "application/xml; charset=iso-8859-1"


def test_plain_text() -> None:
    """As it is, in its charset and type."""
    seen = request(encoding="text", fields={}, body="{{to}}\n{{text}}", content_type="text/x-sms", charset="cp1252")
    assert seen.body == f"{TEXT.number}\n{TEXT.text}".encode("cp1252")
    assert seen.headers["content-type"] == "text/x-sms"


def test_parameters_of_the_url() -> None:
    """In the path, in a query that stands there, and in those under query: each quoted for its place."""
    path = "/v1/{{to}}/send%20it?fixed=a%26b&text={{text}}"
    changes: dict[str, Any] = {"method": "GET", "encoding": "none", "fields": {}, "path": path}
    seen = request(query={"from": "{{sender}}", "t2": "{{text}}"}, **changes)
    text = "a%26b+%3Cc%3E+%22d%22+%C3%A9"
    assert seen.target == f"/v1/%2B972502345678/send%20it?fixed=a%26b&text={text}&from=ACME&t2={text}"
    assert (seen.method, seen.body) == ("GET", b"")
    assert "content-type" not in seen.headers
    text = "a%26b+%3Cc%3E+%22d%22+%E9"
    assert request(charset="latin-1", **changes).target.endswith(f"text={text}")


def test_logins() -> None:
    """Basic and bearer, as RFC 7617 and RFC 6750 have them."""
    seen = request(auth="basic", user="ann", password="pä:ss")
    assert seen.headers["authorization"] == "Basic YW5uOnDDpDpzcw=="
    assert request(auth="bearer", token="t0ken").headers["authorization"] == "Bearer t0ken"


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"encoding": "form", "charset": "ascii"}, "é"),
        ({"encoding": "text", "fields": {}, "body": "{{to}}{{text}}", "charset": "windows-1255"}, "👍"),
        ({"query": {"t": "{{text}}"}, "charset": "windows-1251"}, "שלום"),
        ({"headers": {"X-Text": "{{text}}"}}, "é"),
        ({"headers": {"X-Text": "{{text}}"}}, "a\nb"),
    ],
)
def test_what_the_request_cannot_hold_is_refused(changes: dict[str, Any], text: str) -> None:
    """Aloud, and nothing is sent: a text with question marks in it helps nobody."""
    outcome, seen = sent(OK, dataclasses.replace(TEXT, text=text), **changes)
    assert outcome.verdict is Verdict.REFUSED
    assert "characters" in outcome.reason
    assert text not in outcome.reason
    assert seen == []


@pytest.mark.parametrize(
    ("changes", "number", "written"),
    [
        ({}, "+972502345678", "+972502345678"),
        ({"number_form": "digits"}, "+972502345678", "972502345678"),
        ({"number_form": "00"}, "+972502345678", "00972502345678"),
        ({"number_form": "local", "region": "IL"}, "+972502345678", "0502345678"),
        ({"number_form": "local", "region": "IL"}, "+491711234567", "491711234567"),
        ({"number_prefixes": {"972": "0", "97250": "05x"[:2]}}, "+972502345678", "052345678"),
        ({"number_prefixes": {"972": "0"}, "number_form": "digits"}, "+491711234567", "491711234567"),
        ({"number_prefixes": {"49": "+49"}}, "+491711234567", "+491711234567"),
    ],
)
def test_forms_of_numbers(changes: dict[str, Any], number: str, written: str) -> None:
    """The longest prefix counts; a number of another country keeps its country code."""
    assert request(dataclasses.replace(TEXT, number=number), **changes).json["to"] == written


RESULTS: dict[str, Any] = {
    "result": "/status",
    "results": {"0": "accepted", "true": "accepted", "5": "deferred", "6": "unknown", "*": "refused"},
}


@pytest.mark.parametrize(
    ("answer", "changes", "verdict", "carrier_id"),
    [
        (OK, {}, Verdict.ACCEPTED, "i1"),
        (Answer.of({"id": 17}), {}, Verdict.ACCEPTED, "17"),
        (Answer.of({"id": None}), {}, Verdict.UNKNOWN, None),
        (Answer.of({"status": None, "id": "i1"}), RESULTS, Verdict.UNKNOWN, None),
        (Answer.of({"id": {"a": 1}}), {}, Verdict.UNKNOWN, None),
        (Answer.of({"id": ""}), {}, Verdict.UNKNOWN, None),
        (Answer.of({"error": 7}), {}, Verdict.UNKNOWN, None),
        (Answer.of([{"a/b": {"~": ["", "x"]}}]), {"id": "/0/a~1b/~0/1"}, Verdict.ACCEPTED, "x"),
        (Answer.of({"status": 0, "id": "i1"}), RESULTS, Verdict.ACCEPTED, "i1"),
        (Answer.of({"status": True}), RESULTS, Verdict.ACCEPTED, None),
        (Answer.of({"status": "5"}), RESULTS, Verdict.DEFERRED, None),
        (Answer.of({"status": 6}), RESULTS, Verdict.UNKNOWN, None),
        (Answer.of({"status": 99}), RESULTS, Verdict.REFUSED, None),
        (Answer.of({"id": "i1"}), RESULTS, Verdict.UNKNOWN, None),
        (Answer.of({"status": 99}), RESULTS | {"results": {"0": "accepted"}}, Verdict.UNKNOWN, None),
        (
            Answer(status=201, headers={"Location": "/m/7"}),
            {"id": "header location", "answer": "none"},
            Verdict.ACCEPTED,
            "/m/7",
        ),
        (Answer(status=202), {"id": "header X-Id", "answer": "none"}, Verdict.ACCEPTED, None),
        (Answer(status=204), {"id": None, "answer": "none"}, Verdict.ACCEPTED, None),
        (
            Answer(body=b"OK: 123", media_type="text/plain"),
            {"id": r"pattern OK: (\d+)", "answer": "text"},
            Verdict.ACCEPTED,
            "123",
        ),
        (
            Answer(body=b"123", media_type="text/plain"),
            {"id": r"pattern ^\d+$", "answer": "text"},
            Verdict.ACCEPTED,
            "123",
        ),
        (
            Answer(body=b"OK: 123", media_type="text/html"),
            {"id": r"pattern OK: (\d+)", "answer": "text"},
            Verdict.UNKNOWN,
            None,
        ),
        (
            Answer(body=b"OK: 123", media_type="text/html"),
            {"id": r"pattern OK: (\d+)", "answer": "text", "answer_types": ["text/html"]},
            Verdict.ACCEPTED,
            "123",
        ),
        (Answer(body=b'{"id": 1}', media_type="text/html"), {}, Verdict.UNKNOWN, None),
        (Answer(body=b'{"id": 1}', media_type="text/html"), {"answer_types": "text/html"}, Verdict.ACCEPTED, "1"),
        (Answer(status=409), {"statuses": {"409": "accepted"}}, Verdict.ACCEPTED, None),
        (Answer.of({"id": "i1"}, 409), {"statuses": {"409": "accepted"}}, Verdict.ACCEPTED, "i1"),
        (Answer(status=404), {"statuses": {"404": "refused"}}, Verdict.REFUSED, None),
        (Answer(status=500), {"statuses": {"500": "deferred"}}, Verdict.DEFERRED, None),
        (Answer.of({"id": "i1"}, 202), {"statuses": {"202": "unknown"}}, Verdict.UNKNOWN, None),
        (Answer.of({"e": "no credit"}, 400), {"deferred_pattern": "no credit"}, Verdict.DEFERRED, None),
        (Answer.of({"e": "bad number"}, 500), {"refused_pattern": "(?i)BAD number"}, Verdict.REFUSED, None),
        (Answer.of({"id": "i1", "e": "bad number"}), {"refused_pattern": "bad number"}, Verdict.REFUSED, None),
        (Answer.of({"status": "5"}, 429, retry_after="9"), RESULTS, Verdict.DEFERRED, None),
    ],
)
def test_answers(answer: Answer, changes: dict[str, Any], verdict: Verdict, carrier_id: str | None) -> None:
    """What the table says of an answer, and *unknown* for what it does not know."""
    outcome, _ = sent(answer, **changes)
    assert (outcome.verdict, outcome.carrier_id) == (verdict, carrier_id)
    assert bool(outcome.reason) is (verdict is not Verdict.ACCEPTED)
    if answer.headers.get("retry-after"):
        assert outcome.retry_after == timedelta(seconds=9)


def test_a_reason_holds_the_providers_word_and_no_number() -> None:
    """Its code helps the operator; what may be a number is taken out."""
    outcome, _ = sent(Answer.of({"status": "bad 972502345678\n!"}), **RESULTS)
    assert outcome.reason == "the provider says bad *** !"


@pytest.mark.parametrize(
    ("says", "changes"),
    [
        ('{"id": "i1", "text": "no credit? ERR 3"}', {"deferred_pattern": "no credit"}),
        ('{"id": "i1", "text": "no credit? ERR 3"}', {"refused_pattern": "ERR"}),
        (
            "no credit? ERR 3: OK i1",
            {
                "answer": "text",
                "id": r"pattern OK (\w+)",
                "result": r"pattern OK|ERR \d",
                "results": {"OK": "accepted", "ERR 3": "deferred"},
            },
        ),
        ("no+credit%3F+ERR+3&id=i1", {"answer": "text", "id": "pattern id=(.*)", "deferred_pattern": "credit"}),
    ],
)
def test_the_words_of_a_text_are_not_the_providers(says: str, changes: dict[str, Any]) -> None:
    """An answer that repeats the text is read without it: else a text could have itself sent again."""
    text = dataclasses.replace(TEXT, text="no credit? ERR 3")
    media_type = "text/plain" if "answer" in changes else "application/json"
    outcome, _ = sent(Answer(body=says.encode(), media_type=media_type), text, **changes)
    assert (outcome.verdict, outcome.carrier_id) == (Verdict.ACCEPTED, "i1")


def test_a_reason_does_not_repeat_the_text() -> None:
    """It goes to the log, also where a provider's result is a whole sentence."""
    text = dataclasses.replace(TEXT, text="meet me at nine")
    says = Answer.of({"m": "forbidden: meet me at nine"})
    outcome, _ = sent(says, text, id="/id", result="/m", results={"*": "refused"})
    assert (outcome.verdict, outcome.reason) == (Verdict.REFUSED, "the provider says forbidden: ***")


def test_our_urls_need_a_public_one() -> None:
    """A template that asks for them is refused at open, with what to set."""
    fields = {"to": "{{to}}", "text": "{{text}}", "deep": [{"cb": "{{inbound_url}}"}]}

    async def main() -> None:
        carrier = made(fields=fields)
        with pytest.raises(ConfigError, match=r"carriers\.main: \{\{inbound_url\}\} needs public_url and callback_sec"):
            await carrier.open(None)  # type: ignore[arg-type]
        await carrier.close()

    asyncio.run(main())


def test_all_faults_of_a_table_at_once() -> None:
    """Each under its key, and no value is repeated: it may be a secret."""
    bad = {
        "url": "gateway",
        "token": "hush",
        "password": "hush",
        "method": "SEND",
        "charset": "x",
        "id": "id",
        "more": 1,
    }
    with pytest.raises(ValidationError) as caught:
        made(**bad)
    places = [".".join(map(str, error["loc"])) for error in caught.value.errors()]
    assert places == ["auth", "method", "url", "charset", "id", "more"]
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("written", ["{{text", "text}}", "{{ te xt }}", "{{text||hex}}", "{{}}", "{{Text}}"])
def test_a_broken_placeholder_is_told(written: str) -> None:
    """It is never sent as it stands."""
    with pytest.raises(ValueError, match="placeholder"):
        Template.of(written)


def example(number: int, url: str) -> Generic:
    """Make the carrier of an example of the page on carriers, at another host."""
    page = (Path(__file__).parents[3] / "docs" / "carriers.md").read_text(encoding="utf-8")
    tables = [tomllib.loads(block) for block in re.findall(r"^```toml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)]
    found = [each for told in tables for each in told["carriers"].values() if each["kind"] == "http"][number]
    found["url"] = re.sub(r"https://[^/]+", url, found["url"])
    carrier = Generic("main", GenericSettings.model_validate(found), clock=lambda: NOW)
    carrier.called_at(Urls.under("https://sms.example.com", "main", SECRET))
    return carrier


def test_the_examples_of_the_page_do_as_it_says() -> None:
    """Both send what their providers want, understand the answers, and hear the reports."""
    answers = {
        "/v2/messages": Answer.of({"messages": [{"id": "m1"}]}),
        "/send.php": Answer(body=b"OK 4711\n", media_type="text/html"),
    }

    async def main() -> None:
        async with Server(lambda seen: answers[seen.path]).serving() as server:
            modern, old = example(0, server.url), example(1, server.url)
            text = dataclasses.replace(TEXT, text="שלום")
            outcomes = []
            for carrier in (modern, old):
                await carrier.open(None)  # type: ignore[arg-type]
                outcomes.append(await carrier.send(text))
                await carrier.close()
            assert [outcome.carrier_id for outcome in outcomes] == ["m1", "4711"]
            assert [seen.headers.get("authorization") for seen in server.seen] == ["Bearer 0123456789abcdef", None]
            assert server.seen[0].json == {
                "ref": TEXT.id,
                "from": "ACME",
                "to": ["972502345678"],
                "text": "שלום",
                "report_to": f"https://sms.example.com/carriers/main/callback/{SECRET}",
            }
            query = "type=text&login=bridge&psw=0123456789abcdef&phone=0502345678&from=ACME&mes=%F9%EC%E5%ED"
            assert server.seen[1].target == f"/send.php?{query}"
            answers["/send.php"] = Answer(body=b"ERR 3", media_type="text/plain")
            await old.open(None)  # type: ignore[arg-type]
            assert (await old.send(text)).verdict is Verdict.DEFERRED
            await old.close()
        events = b'{"events": [{"message_id": "m1", "status": "DELIVRD"}, {"msisdn": "972502345678", "text": "hi"}]}'
        received = modern.receive(call(b"", events))
        assert ([one.state for one in received.reports], [one.text for one in received.inbounds]) == (
            [State.DELIVERED],
            ["hi"],
        )
        (report,) = old.receive(call(b"id=4711&status=20&time=20.11.2026+09:00:00")).reports
        assert (report.state, report.carrier_id, report.at) == (State.UNDELIVERED, "4711", NOW)

    asyncio.run(main())


# --- calls ---

HEARS: dict[str, Any] = {
    "callback_secret": SECRET,
    "callback_id": "id",
    "callback_own_id": "ref",
    "callback_states": {"1": "delivered", "2": "undelivered", "3": "expired", "0": "nothing", "4": "sent"},
    "callback_state": "st",
    "callback_error": "err",
    "callback_time": "ts",
    "inbound_from": "from",
    "inbound_to": "to",
    "inbound_text": "text",
    "inbound_id": "mid",
    "inbound_time": "ts",
}


def call(query: bytes = b"", body: bytes = b"", media_type: str = "", *, inbound: bool = False) -> Call:
    """Make a call."""
    headers = {"content-type": media_type} if media_type else {}
    return Call(method="POST", inbound=inbound, query=query, body=body, headers=headers)


def test_a_report_in_a_query_a_form_and_json() -> None:
    """Wherever the parameters are, the same report comes of it."""
    carrier = made(**HEARS)
    calls = (
        call(b"id=a%20b&st=2&err=77&ts=1795158000"),
        call(b"", b"id=a+b&st=2&err=77&ts=1795158000", "application/x-www-form-urlencoded"),
        call(b"err=77", b"id=a+b&st=2&ts=1795158000000"),
        call(b"", b'{"id": "a b", "st": 2, "err": 77, "ts": 1795158000}', "application/json; charset=utf-8"),
        call(b"", b'[{"id": "a b", "st": "2", "err": "77", "ts": "2026-11-20T07:00:00Z"}]'),
        call(b"st=2&id=none", b'{"id": "a b", "err": 77, "ts": "1795158000.0"}', "application/vnd.sms+json"),
    )
    for one in calls:
        (report,) = carrier.receive(one).reports
        assert (report.carrier, report.state, report.carrier_id, report.recipient_id, report.raw) == (
            ("main", State.UNDELIVERED, "a b", None, "2 77")
        )
        assert report.at == datetime.fromtimestamp(1795158000, UTC)


def test_many_pieces_of_news_in_one_call() -> None:
    """A list where the table says it is, deep names, reports and replies beside each other."""
    names = HEARS | {"callback_items": "/data/list", "callback_id": "/m/id", "inbound_from": "/m/from"}
    body = b"""{"data": {"list": [
        {"m": {"id": 1}, "st": 1}, {"m": {"id": 2}, "st": 0}, {"m": {"from": "+972502345678"}, "text": "hi", "mid": 5},
        {"m": {}, "ref": "our-id", "st": 3}, {"m": {"id": 6}, "st": 4}]}}"""
    received = made(**names).receive(call(b"", body))
    assert [(report.carrier_id, report.recipient_id, report.state) for report in received.reports] == [
        ("1", None, State.DELIVERED),
        (None, "our-id", State.EXPIRED),
        ("6", None, State.SENT),
    ]
    assert [(inbound.carrier_id, inbound.text) for inbound in received.inbounds] == [("5", "hi")]


def test_a_call_with_very_many_pieces_is_none() -> None:
    """They would be written in one transaction, for which every other one waits."""
    news = {
        "callback_secret": SECRET,
        "callback_id": "id",
        "callback_state": "s",
        "callback_states": {"d": "delivered"},
    }
    carrier = made(**news)
    pieces = [{"id": str(index), "s": "d"} for index in range(1001)]
    assert len(carrier.receive(call(body=json.dumps(pieces[1:]).encode())).reports) == 1000
    with pytest.raises(Unreadable, match="more than 1000"):
        carrier.receive(call(body=json.dumps(pieces).encode()))


def test_a_state_that_the_table_lacks_is_logged() -> None:
    """It is no report, and no error either; with * it has a meaning."""
    with capture_logs() as logs:
        received = made(**HEARS).receive(call(b"id=1&st=972502345678%0Aread"))
    assert (received.reports, received.answer) == ([], b"OK")
    assert [(line["event"], line["carrier"], line["state"]) for line in logs] == [("unknown state", "main", "*** read")]
    table = HEARS | {"callback_states": {"*": "undelivered"}, "callback_answer": "<ok/>"}
    received = made(**table).receive(call(b"id=1&st=read"))
    assert ([report.state for report in received.reports], received.answer) == ([State.UNDELIVERED], b"<ok/>")


@pytest.mark.parametrize(
    ("changes", "written", "number"),
    [
        ({}, "%2B972502345678", "+972502345678"),
        ({}, "972502345678", "+972502345678"),
        ({}, "00972502345678", "+972502345678"),
        ({"region": "IL", "number_form": "local"}, "0502345678", "+972502345678"),
        ({"region": "IL", "number_form": "local"}, "0123", "0123"),
        ({"number_prefixes": {"972": "0"}}, "0502345678", "+972502345678"),
        ({"number_prefixes": {"49": ""}}, "972502345678", "+972502345678"),
        ({}, "ACME", "ACME"),
    ],
)
def test_a_reply_comes_from_the_number_in_e164(changes: dict[str, Any], written: str, number: str) -> None:
    """However the provider writes it: as it wants numbers written itself."""
    (inbound,) = made(**HEARS, **changes).receive(call(f"from={written}&to=1234&text=hi&mid=7".encode())).inbounds
    assert (inbound.sender, inbound.to, inbound.text, inbound.carrier_id) == (number, "1234", "hi", "7")


def test_a_reply_without_an_id_gets_one_of_its_content() -> None:
    """The same call again is the same text; another one is not."""
    carrier = made(**(HEARS | {"inbound_id": None}))
    ids = [
        carrier.receive(call(query)).inbounds[0].carrier_id
        for query in (
            b"from=1&text=hi&ts=1",
            b"from=1&text=hi&ts=1",
            b"from=1&text=hi&ts=2",
            b"from=1&text=h&to=i&ts=1",
        )
    ]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3


def test_one_url_for_both() -> None:
    """A text is a reply where no state is beside it; on the URL for replies always."""
    both = b"from=972502345678&text=hi&st=1&id=3"
    carrier = made(**HEARS)
    assert carrier.receive(call(both)).reports
    assert carrier.receive(call(both, inbound=True)).inbounds
    assert carrier.receive(call(b"from=972502345678&text=")).inbounds[0].text == ""


def test_charsets_of_calls() -> None:
    """As it was told, quoted or raw; what does not fit is no call."""
    carrier = made(**HEARS, callback_charset="windows-1251")
    raw = "from=1&text=Привет".encode("cp1251")
    for one in (call(b"from=1&text=%CF%F0%E8%E2%E5%F2"), call(b"", raw, "application/x-www-form-urlencoded")):
        assert carrier.receive(one).inbounds[0].text == "Привет"
    with pytest.raises(Unreadable):
        made(**HEARS).receive(call(b"from=1&text=%CF%F0"))


@pytest.mark.parametrize(
    ("changes", "written", "at"),
    [
        ({}, "2026-11-20T09:00:00%2B02:00", NOW),
        ({}, "2026-11-20 07:00:00", NOW),
        ({"time_zone": "Asia/Jerusalem"}, "2026-11-20 09:00:00", NOW),
        ({"time_format": "%d/%m/%Y %H:%M", "time_zone": "Asia/Jerusalem"}, "20/11/2026 09:00", NOW),
        ({"time_format": "%Y%m%d%H%M%S%z"}, "20261120080000%2B0100", NOW),
        ({}, "1", datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)),
        ({}, "yesterday", NOW),
        ({}, "9" * 30, NOW),
        ({}, "", NOW),
        ({"time_format": "%H"}, "99", NOW),
    ],
)
def test_times_of_calls(changes: dict[str, Any], written: str, at: datetime) -> None:
    """Epochs, ISO 8601, or as it was told; what cannot be read is now, for the news counts all the same."""
    (report,) = made(**HEARS, **changes).receive(call(f"id=1&st=1&ts={written}".encode())).reports
    assert report.at == at
    assert report.at.astimezone(timezone(timedelta(hours=2))).utcoffset() == timedelta(hours=2)


@pytest.mark.parametrize(
    "one",
    [
        call(),
        call(b"id=1"),
        call(b"st=1"),
        call(b"id=&st=1"),
        call(b"text=hi"),
        call(b"from=&text=hi"),
        call(b"&".join(b"a%d=1" % place for place in range(2000))),
        call(b"", b"{", "application/json"),
        call(b"", b'{"data": 1}', "application/json"),
        call(b"", b"[[1]]"),
        call(b"", b"\xff\xfe"),
        call(b"", b"[" * 100_000),
    ],
)
def test_what_is_no_call(one: Call) -> None:
    """It is refused with a reason that repeats nothing of it."""
    with pytest.raises(Unreadable) as caught:
        made(**HEARS).receive(one)
    assert len(str(caught.value)) < 60
