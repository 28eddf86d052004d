"""openapi.com's SMS: texts whose answer was lost, and calls that nobody should believe."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from structlog.testing import capture_logs

from bridge.carriers.base import Call, Unreadable
from bridge.model.errors import Trouble
from bridge.model.message import Report, Verdict
from bridge.model.state import State
from tests.contract.carriers.case import Told
from tests.contract.test_carriers import Ear
from tests.support.openapi_client import NUMBER, Server, api, made, opened, outgoing, pending
from tests.support.openapi_server import NOW, GatewayServer, SmsV2Server
from tests.support.upstream import Answer, News, Wrong, ring

INVALID = {"valid": {"count": 0}, "invalid": {"total": 1, "list": ["+972-502345678"]}}


@pytest.mark.parametrize("told", [Told.LOSE, Told.LOSE_UNSENT])
@pytest.mark.parametrize("version", [1, 2])
def test_a_lost_answer_is_looked_for_and_never_sent_again(version: int, told: Told) -> None:
    """It is found by our id among those of others, with its id and state; one that is not there stays in doubt."""

    async def main() -> None:
        server: Server = GatewayServer() if version == 1 else SmsV2Server()
        async with opened(server) as carrier:
            assert carrier.takes_own_id is False
            for _ in range(3):
                await carrier.send(outgoing("+393331112222"))
            server.tell(NUMBER, told)
            text = outgoing()
            assert (await carrier.send(text)).verdict is Verdict.UNKNOWN
            server.tell(NUMBER, Told.ACCEPT)
            posted = [call for call in api(server) if call.startswith("POST")]
            reports = await carrier.states_of([pending(text)])
            if told is Told.LOSE_UNSENT:
                assert reports == []
            else:
                carrier_id = list(server.messages)[-1]
                expected = Report(
                    carrier="main",
                    state=State.SENT,
                    at=NOW,
                    carrier_id=carrier_id,
                    recipient_id=text.id,
                    raw="found by our id",
                )
                assert reports == [expected]
                asked = len(server.seen)
                assert await carrier.states_of([pending(text)]) == [expected]
                assert len(server.seen) == asked + 1  # where it is, is known now
            assert [call for call in api(server) if call.startswith("POST")] == posted

    asyncio.run(main())


def test_a_lost_text_that_has_its_end_gets_it_at_once() -> None:
    """What became of it is told with its id; one whose number they did not take never reaches anybody."""

    async def main() -> None:
        server = GatewayServer(called=False)
        async with opened(server) as carrier:
            texts = [outgoing(f"+97250234567{place}") for place in range(3)]
            for text in texts:
                server.tell(text.number, Told.LOSE)
                await carrier.send(text)
            delivered, failed, invalid = list(server.messages)[-3:]
            server.messages[delivered]["word"] = "DELIVERED"
            server.messages[failed]["word"] = "EXPIRED"
            server.messages[invalid]["recipients"] = INVALID
            reports = await carrier.states_of([pending(text) for text in texts])
            assert [(one.state, one.carrier_id, one.recipient_id) for one in reports] == [
                (State.DELIVERED, delivered, texts[0].id),
                (State.EXPIRED, failed, texts[1].id),
                (State.UNDELIVERED, invalid, texts[2].id),
            ]

    # The words that the server has for other states are in no table.
    with capture_logs():
        asyncio.run(main())


def test_a_lost_text_without_a_recipient_stays_in_doubt() -> None:
    """The message is there, and they know nobody whom it is to reach: that is not called sent."""

    async def main() -> None:
        server = GatewayServer(called=False)
        async with opened(server) as carrier:
            text = outgoing()
            server.tell(NUMBER, Told.LOSE)
            await carrier.send(text)
            del server.messages[list(server.messages)[-1]]["number"]
            assert await carrier.states_of([pending(text)]) == []

    asyncio.run(main())


def test_a_look_is_bounded() -> None:
    """Of messages of the time in question alone, fifty in one look, the nearest first, and none twice."""

    async def main() -> None:
        server = GatewayServer(called=False)
        async with opened(server) as carrier:
            text = outgoing()
            server.tell(NUMBER, Told.LOSE)
            await carrier.send(text)
            own = list(server.messages)[-1]
            pattern = server.messages[own]
            server.messages.clear()
            ms = int(NOW.timestamp() * 1000)
            for place in range(80):
                name = f"{place:024x}"
                other = {"id": name, "options": {"custom": "x"}, "timestamp": str(ms + 1000 * place)}
                server.messages[name] = pattern | other
            server.messages["old"] = pattern | {"id": "old", "timestamp": str(ms - 86_400_000)}
            server.messages["late"] = pattern | {"id": "late", "timestamp": str(ms + 86_400_000)}
            server.messages["odd"] = pattern | {"id": "o/d", "timestamp": str(ms)}
            server.messages[own] = pattern | {"timestamp": "no time"}
            server.seen.clear()
            assert await carrier.states_of([pending(text)]) == []
            read = [call.rpartition("/")[2] for call in api(server)[1:]]
            assert read == [f"{place:024x}" for place in range(79, 29, -1)]
            (report,) = await carrier.states_of([pending(text)])
            assert report.carrier_id == own
            again = [call.rpartition("/")[2] for call in api(server)[52:]]
            assert again == [*(f"{place:024x}" for place in range(29, -1, -1)), own, ""]

    asyncio.run(main())


def test_the_list_of_version_two_is_read_by_pages() -> None:
    """As far as it goes; without a URL to be called our id does not go along, and nothing is asked."""

    async def main() -> None:
        server = SmsV2Server(oauth=False)
        async with opened(server) as carrier:
            text = outgoing()
            server.tell(NUMBER, Told.LOSE)
            await carrier.send(text)
            own = list(server.messages)[-1]
            for place in range(150):
                name = f"{place:024x}"
                server.messages[name] = {"id": name, "createdAt": NOW.isoformat(), "callback": None}
            server.seen.clear()
            (report,) = await carrier.states_of([pending(text)])
            assert (report.carrier_id, report.recipient_id) == (own, text.id)
            assert api(server) == [
                "GET /messages?skip=0&limit=100",
                "GET /messages?skip=100&limit=100",
                f"GET /messages/{own}",
            ]
            server.messages[own]["recipient"] = "+393331112222"
            assert await carrier.states_of([pending(text, own)]) == []  # the text of somebody else
            again = outgoing()
            await carrier.send(again)
            server.seen.clear()
            assert len(await carrier.states_of([pending(again)])) == 1
            assert len([call for call in api(server) if "skip" in call]) == 1  # found on the first page
        server = SmsV2Server(oauth=False, called=False)
        async with opened(server) as carrier:
            assert await carrier.states_of([pending(outgoing())]) == []
            assert server.seen == []

    asyncio.run(main())


def test_no_messages_at_all() -> None:
    """Version 1 says 404 then, with its error; without that it is somebody else's 404."""

    async def main() -> None:
        server = GatewayServer(called=False)
        async with opened(server) as carrier:
            server.messages.clear()
            assert await carrier.states_of([pending(outgoing())]) == []
            server.status = Answer.of({"message": "no such page"}, 404)
            with pytest.raises(Trouble):
                await carrier.states_of([pending(outgoing())])
            with pytest.raises(Trouble):
                await carrier.states_of([pending(outgoing(), "5e5e65429f272510fb6adcc0")])

    asyncio.run(main())


# --- calls ---


async def heard(ear: Ear) -> list[tuple[State, str | None]]:
    """Return what was applied."""
    return [(one.state, one.carrier_id) for one in (ear.heard.get_nowait() for _ in range(ear.heard.qsize()))]  # type: ignore[union-attr]


@pytest.mark.parametrize("field", [None, "summary"])
@pytest.mark.parametrize("version", [1, 2])
def test_a_call_is_asked_about_before_anything_is_applied(version: int, field: str | None) -> None:
    """Raw or in a form: what counts is how the text stands there, not what the call says of it."""

    async def main() -> None:
        ear = Ear()
        server: Server = GatewayServer(field=field) if version == 1 else SmsV2Server()
        changes: dict[str, Any] = {} if field is None or version == 1 else {"callback_field": field}
        async with opened(server, ear, **changes) as carrier:
            outcome = await carrier.send(outgoing())
            assert outcome.carrier_id is not None
            server.messages[outcome.carrier_id] |= {"word": "PENDING", "state": "PENDING"}
            assert await ring(server.call(outcome.carrier_id)) == 200
            assert await heard(ear) == []
            server.messages[outcome.carrier_id] |= {"word": "DELIVERED", "state": "DELIVERED"}
            assert await ring(server.call(outcome.carrier_id)) == 200
            assert await ring(server.call(outcome.carrier_id)) == 200
            assert await heard(ear) == [(State.DELIVERED, outcome.carrier_id)] * 2

    asyncio.run(main())


@pytest.mark.parametrize("version", [1, 2])
def test_a_forged_call_changes_nothing(version: int) -> None:
    """One that tells a lie of a text that is there; one of a text that is not: that is counted as forged."""

    async def main() -> None:
        ear = Ear()
        server: Server = GatewayServer() if version == 1 else SmsV2Server()
        async with opened(server, ear) as carrier:
            outcome = await carrier.send(outgoing())
            assert carrier.urls is not None
            assert outcome.carrier_id is not None
            server.messages[outcome.carrier_id] |= {"word": "PENDING", "state": "PENDING"}
            for named, status in ((outcome.carrier_id, 200), ("f" * 24, 403)):
                lie = {"id": named, "state": "DELIVERED", "statistics": {"delivered": 1}}
                assert await ring(News(url=carrier.urls.callback, body=json.dumps(lie).encode())) == status
            with capture_logs() as logs:
                await ring(News(url=carrier.urls.callback, body=b'{"id": "ffffffffffffffffffffffff"}'))
            assert [line["result"] for line in logs] == ["forged"]
            assert await heard(ear) == []

    asyncio.run(main())


def test_a_call_in_their_trouble_comes_again() -> None:
    """What cannot be asked about now is not taken, and not lost."""

    async def main() -> None:
        ear = Ear()
        server = SmsV2Server()
        async with opened(server, ear) as carrier:
            outcome = await carrier.send(outgoing())
            assert outcome.carrier_id is not None
            call = server.call(outcome.carrier_id)
            for wrong in (Wrong.RESET, Wrong.PAGE, Wrong.EMPTY):
                server.wrong = wrong
                assert await ring(call) == 503
            server.mend()
            server.messages[outcome.carrier_id]["state"] = "DELIVERED"
            assert await ring(call) == 200
            assert await heard(ear) == [(State.DELIVERED, outcome.carrier_id)]

    asyncio.run(main())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"5e5e65429f272510fb6adcc0"',
        b"\xff\xfe",
        b"[" * 50_000,
        b'{"id": null}',
        b'{"id": 5}',
        b'{"id": ""}',
        b'{"id": "../wallet"}',
        b'{"id": "a/b"}',
        b'{"id": "%2e%2e"}',
        b'{"id": "' + b"a" * 65 + b'"}',
        b'{"data": {"data": {"data": {"id": "5e5e65429f272510fb6adcc0"}}}}',
        b'[{"id": "5e5e65429f272510fb6adcc0"}, {"id": "5e5e65429f272510fb6adcc1"}]',
        b"other=%7B%22id%22%3A%225e5e65429f272510fb6adcc0%22%7D",
        b"data=%FF",
        b"&".join(b"data=1" for _ in range(50)),
    ],
)
def test_calls_that_are_none(body: bytes) -> None:
    """No id, or one that would lead to another path: it is no call, and nothing is asked."""
    for server in (GatewayServer(), SmsV2Server()):
        carrier = made(server.table())
        with pytest.raises(Unreadable):
            carrier.receive(Call(method="POST", inbound=False, query=b"", body=body, headers={}))


@pytest.mark.parametrize(
    "body",
    [
        b'{"id": "5e5e65429f272510fb6adcc0"}',
        b'\n [{"id": "5e5e65429f272510fb6adcc0", "more": 1}]',
        b'{"data": {"id": "5e5e65429f272510fb6adcc0"}, "custom": {}}',
        b'{"data": [{"id": "5e5e65429f272510fb6adcc0"}]}',
        b"data=%7B%22id%22%3A%225e5e65429f272510fb6adcc0%22%7D",
    ],
)
def test_calls_are_read_with_tolerance(body: bytes) -> None:
    """Their keys are not documented: the id is looked for where it can be. Texts from phones they bring none."""
    carrier = made(GatewayServer().table() | {"host": "127.0.0.1:9"})
    call = Call(method="POST", inbound=False, query=b"", body=body, headers={})
    received = carrier.receive(call)
    assert (list(received.named), received.reports, received.inbounds) == (["5e5e65429f272510fb6adcc0"], (), ())
    with pytest.raises(Unreadable):
        carrier.receive(Call(method="POST", inbound=True, query=b"", body=body, headers={}))
