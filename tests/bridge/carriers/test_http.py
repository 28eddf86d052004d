"""The ground of carriers over HTTP: statuses, Retry-After, secrets, questions, settings."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from pydantic import SecretStr, ValidationError

from bridge.carriers.base import Called, CarrierSettings
from bridge.carriers.http import STATUSES, HttpCarrier, UpstreamSettings, retry_after, secrets_of
from bridge.carriers.wire import BadReply, Reply
from bridge.fields import Section
from bridge.model.errors import Trouble
from bridge.model.message import Outcome, Outgoing, Verdict
from bridge.model.text import Encoding
from tests.support.upstream import Answer, Server

if TYPE_CHECKING:
    from collections.abc import Mapping

NOW = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)
TEXT = Outgoing(
    id="01a1f7df4a693b96124b9b87c3-1",
    message_id="01a1f7df4a693b96124b9b87c3",
    number="+972502345678",
    text="hello there",
    sender=None,
    encoding=Encoding.GSM7,
    parts=1,
    attempt=1,
    expires_at=NOW + timedelta(hours=1),
)


class Plain(HttpCarrier):
    """The least there can be: a POST, and an id."""

    statuses: Mapping[int, Verdict] = {409: Verdict.ACCEPTED, 250: Verdict.DEFERRED}  # type: ignore[misc]

    def __init__(self, url: str = "http://127.0.0.1:9", **settings: Any) -> None:
        super().__init__("main", UpstreamSettings(kind="plain", **settings), clock=lambda: NOW, urls=[url])
        self.url = url

    async def submit(self, outgoing: Outgoing) -> Reply:
        return await self.wire.call("POST", self.url, json={"text": outgoing.text})

    def read(self, reply: Reply, outgoing: Outgoing) -> Outcome:
        told = reply.json()
        if told == "strange":
            raise BadReply("it is strange")
        return Outcome.accepted(str(told["id"]), raw="this is replaced")


def reply(status: int, body: bytes = b"", headers: dict[str, str] | None = None, **more: Any) -> Reply:
    """Make an answer."""
    return Reply(status=status, headers=httpx.Headers(headers or {}), body=body, **more)


def good(data: Any, status: int = 200) -> Reply:
    """Make an answer of JSON."""
    return reply(status, json.dumps(data).encode(), media_type="application/json")


@pytest.mark.parametrize(
    ("written", "wait"),
    [
        ("0", timedelta(0)),
        ("7", timedelta(seconds=7)),
        (" 3600 ", timedelta(hours=1)),
        ("9" * 400, timedelta(hours=24)),
        ("Fri, 20 Nov 2026 07:05:00 GMT", timedelta(minutes=5)),
        ("Friday, 20-Nov-26 07:05:00 GMT", timedelta(minutes=5)),
        ("Fri Nov 20 07:05:00 2026", timedelta(minutes=5)),
        ("Fri, 20 Nov 2026 06:00:00 GMT", timedelta(0)),
        ("Wed, 20 Nov 2099 06:00:00 GMT", timedelta(hours=24)),
        ("Fri, 99 Nov 2026 06:00:00 GMT", None),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
    ],
)
def test_retry_after(written: str, wait: timedelta | None) -> None:
    """Seconds, the three forms of a date, never less than nothing nor more than a day; what is none is none."""
    assert retry_after(reply(429, headers={"Retry-After": written}), now=NOW) == wait


def test_a_status_is_a_verdict_and_a_reason() -> None:
    """A carrier's own table counts first; every status has a verdict; no reason has anything of the answer."""
    carrier = Plain()
    for status in range(200, 600):
        outcome = carrier.outcome(reply(status, b"hello there"), TEXT)
        if status in Plain.statuses:
            assert outcome.verdict is Plain.statuses[status]
        elif status < 300:
            assert outcome.verdict is Verdict.UNKNOWN
        else:
            assert outcome.verdict is STATUSES.get(status, Verdict.UNKNOWN)
        assert outcome.raw == f"{status} ***"
        assert bool(outcome.reason) is (outcome.verdict is not Verdict.ACCEPTED)
        assert "hello" not in outcome.reason
    assert not {200, 201, 409, 500, 502, 503, 504} & STATUSES.keys()


def test_an_answer_that_cannot_be_read_is_unknown() -> None:
    """Whatever is missing in it; the carrier's own words are the reason, a Python error's are not."""
    carrier = Plain()
    assert carrier.outcome(good({"id": 7}), TEXT) == Outcome.accepted("7", raw='200 {"id": 7}')
    strange: tuple[Any, ...] = ({}, [], None, 5, "strange", {"id": "x" * 256})
    reasons = {str(data): carrier.outcome(good(data), TEXT).reason for data in strange}
    assert reasons == {
        "{}": "the answer cannot be read",
        "[]": "the answer cannot be read",
        "None": "the answer cannot be read",
        "5": "the answer cannot be read",
        "strange": "it is strange",
        str({"id": "x" * 256}): "the id in the answer is too long for one",
    }


def test_a_carrier_that_reads_no_calls_is_not_called() -> None:
    """The base has the secret and the URLs; what makes a carrier Called is that it receives."""

    class Hearing(Plain):
        def receive(self, call: Any) -> Any:
            raise NotImplementedError

    assert not isinstance(Plain(), Called)
    assert isinstance(Hearing(), Called)


def test_secrets_are_found_wherever_they_are() -> None:
    """In tables within tables and in lists."""

    class Inner(Section):
        key: SecretStr = SecretStr("one")

    class Settings(Section):
        open: str = "nothing"
        inner: Inner = Inner()
        table: dict[str, SecretStr]
        listed: tuple[SecretStr, ...] = (SecretStr("three"),)
        absent: SecretStr | None = None

    assert sorted(secrets_of(Settings(table={"a": SecretStr("two")}))) == ["one", "three", "two"]


def test_a_question_is_answered_or_trouble() -> None:
    """A good answer is returned, anything else is a Trouble with a reason that names the carrier."""

    async def main() -> None:
        async with Server(lambda _: Answer.of({"credit": 5})).serving() as server:
            carrier = Plain(server.url)
            with pytest.raises(Trouble, match="main: the carrier is not open"):
                await carrier.question("GET", server.url)
            await carrier.open(None)  # type: ignore[arg-type]
            assert (await carrier.question("GET", server.url, params={"a": "b"})).json() == {"credit": 5}
            assert server.seen[-1].params == {"a": "b"}
            server.status = Answer(status=402)
            with pytest.raises(Trouble, match=r"main: there is no credit \(HTTP 402\)"):
                await carrier.question("GET", server.url)
            await server.stop()
            with pytest.raises(Trouble, match="main: not reached") as caught:
                await carrier.question("GET", server.url)
            assert caught.value.__cause__ is None
            await carrier.close()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("bad", "place"),
    [
        ({"total_timeout": "5s"}, "total_timeout"),
        ({"connect_timeout": "40s"}, "total_timeout"),
        ({"read_timeout": 0}, "read_timeout"),
        ({"connect_timeout": "soon"}, "connect_timeout"),
        ({"callback_secret": "x" * 15}, "callback_secret"),
        ({"callback_secret": "with/a/slash/in/it"}, "callback_secret"),
        ({"callback_secret": "x" * 201}, "callback_secret"),
    ],
)
def test_bad_settings(bad: dict[str, Any], place: str) -> None:
    """A limit that would hide what surely was not sent, and a secret that is no part of a URL, are refused."""
    with pytest.raises(ValidationError) as caught:
        UpstreamSettings(kind="plain", **bad)
    assert [error["loc"] for error in caught.value.errors()] == [(place,)]


def test_a_ca_file_counts_from_the_folder_of_the_configuration() -> None:
    """As all paths do; without one nothing changes."""
    bare = UpstreamSettings(kind="plain")
    assert bare.anchored(Path("/etc/smsbridge")) is bare
    named = UpstreamSettings(kind="plain", ca_file=Path("ca.pem"))
    assert named.anchored(Path("/etc/smsbridge")).ca_file == Path("/etc/smsbridge/ca.pem")
    assert issubclass(UpstreamSettings, CarrierSettings)
