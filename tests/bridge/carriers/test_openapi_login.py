"""openapi.com's SMS: tokens, credit, recall, and what cannot work."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from bridge.carriers.base import Asked, Called, Confirmed, Funded, Recall, Recalled
from bridge.carriers.http import UpstreamSettings
from bridge.carriers.openapi.carrier import openapi
from bridge.carriers.openapi.settings import OpenApiSettings
from bridge.carriers.openapi.v1 import GatewaySms
from bridge.carriers.openapi.v2 import SmsV2
from bridge.carriers.wire import NoAnswer
from bridge.model.errors import ConfigError, Trouble
from bridge.model.message import Verdict
from tests.contract.carriers.case import Told
from tests.contract.test_carriers import Ear
from tests.support.openapi_client import NUMBER, Time, api, made, opened, outgoing, pending
from tests.support.openapi_server import API_KEY, EMAIL, NOW, SECRET, SENDER, TOKEN, GatewayServer, SmsV2Server
from tests.support.upstream import Answer


def test_one_token_for_many_with_the_least_rights() -> None:
    """It is fetched once for all that wait, and may do what the carrier does, and nothing else."""

    async def main() -> None:
        for server, scopes in (
            (
                GatewayServer(oauth=True, called=False),
                [f"{method}:ws.messaggisms.com/messages" for method in ("POST", "GET", "DELETE")],
            ),
            (
                SmsV2Server(called=False),
                [
                    *(f"POST:sms.openapi.com/{country}-messages" for country in ("IT", "ES", "WW")),
                    "GET:sms.openapi.com/messages",
                ],
            ),
        ):
            async with opened(server, renew_every="2h") as carrier:
                outcomes = await asyncio.gather(*(carrier.send(outgoing()) for _ in range(8)))
            assert {outcome.verdict for outcome in outcomes} == {Verdict.ACCEPTED}
            assert list(server.tokens.values()) == [scopes]
            (asked,) = (seen for seen in server.seen if server.spares(seen))
            assert asked.json == {"scopes": scopes, "name": "smsbridge", "ttl": 7200}

    asyncio.run(main())


def test_a_sandbox_token_is_for_the_sandbox() -> None:
    """One switch turns all hosts: of the API, of the login, and in the scopes."""
    for version, host in ((1, "test.ws.messaggisms.com"), (2, "test.sms.openapi.com")):
        login = {"kind": "openapi", "version": version, "email": EMAIL, "api_key": API_KEY, "default_sender": SENDER}
        for sandbox, prefix in ((True, "test."), (False, "")):
            carrier = made(login | {"sandbox": sandbox})
            assert carrier.base == f"https://{prefix}{host.removeprefix('test.')}"
            assert carrier.tokens._url == f"https://{prefix}oauth.openapi.com/tokens"
            assert all(
                scope.partition(":")[2].partition("/")[0] == carrier.base.removeprefix("https://")
                for scope in carrier.tokens._asked["scopes"]
            )


def test_a_token_is_renewed_before_its_end() -> None:
    """By what came with it; the old one is gone there. Where that fails, a new one is fetched."""

    async def main() -> None:
        time = Time()
        server = SmsV2Server(called=False)
        server.life = timedelta(hours=1)
        async with opened(server, time=time) as carrier:
            await carrier.send(outgoing())
            first = set(server.tokens)
            time.now = NOW + timedelta(minutes=58)
            await carrier.send(outgoing())
            assert set(server.tokens) == first
            time.now = NOW + timedelta(minutes=59)
            server.life = timedelta(hours=3)
            assert (await carrier.send(outgoing())).verdict is Verdict.ACCEPTED
            second = set(server.tokens)
            assert len(second) == 1
            assert second != first
            time.now = NOW + timedelta(hours=4)
            server.life = timedelta(hours=9)
            server.renewals.clear()
            assert (await carrier.send(outgoing())).verdict is Verdict.ACCEPTED
            assert len(server.tokens) == 2
        calls = [seen.method for seen in server.seen if server.spares(seen)]
        assert calls == ["POST", "PATCH", "PATCH", "POST"]

    asyncio.run(main())


def test_a_token_that_is_refused_is_replaced() -> None:
    """After a 401 the text surely did not leave; the next call fetches a token, once for all that were refused."""

    async def main() -> None:
        server = SmsV2Server(called=False)
        async with opened(server) as carrier:
            await carrier.send(outgoing())
            server.tokens.clear()
            outcomes = await asyncio.gather(*(carrier.send(outgoing()) for _ in range(4)))
            assert {outcome.verdict for outcome in outcomes} <= {Verdict.DEFERRED, Verdict.ACCEPTED}
            assert Verdict.DEFERRED in {outcome.verdict for outcome in outcomes}
            assert (await carrier.send(outgoing())).verdict is Verdict.ACCEPTED
            assert len(server.tokens) == 1
            server.tokens.clear()
            with pytest.raises(Trouble, match="the login is refused"):
                await carrier.states_of([pending(outgoing(), "5e5e65429f272510fb6adcc0")])
            assert await carrier.states_of([pending(outgoing(), "5e5e65429f272510fb6adcc0")]) == []

    asyncio.run(main())


def test_of_many_refusals_of_one_token_the_first_counts() -> None:
    """A late one does not throw away the token that was fetched since."""

    async def main() -> None:
        async with opened(SmsV2Server(called=False)) as carrier:
            first = await carrier.tokens.current()
            carrier.tokens.refuse(first)
            second = await carrier.tokens.current()
            carrier.tokens.refuse(first)
            assert await carrier.tokens.current() is second is not first
            assert first.value not in repr(first)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer.of({"message": "Unauthorized"}, 401), "no token: HTTP 401"),
        (
            Answer.of({"error": 90, "success": False}, 422),
            "no token: HTTP 422, error 90: a scope is not valid, or the API is not enabled for the account",
        ),
        (Answer.of({"error": 11}, 422), "no token: HTTP 422, error 11: not in the list"),
        (Answer.of({"data": {}}), "no token: the answer cannot be read"),
        (Answer.of([]), "no token: the answer cannot be read"),
        (Answer.of({"token": 5}), "no token: the answer has no token"),
        (Answer.of({"token": "a\r\nb: c"}), "no token: the answer has no token"),
        (Answer(body=b"<html>", media_type="text/html"), "no token: the answer is not JSON by its content type"),
    ],
)
def test_without_a_token_no_text_leaves(answer: Answer, reason: str) -> None:
    """Whatever the login says: the text is deferred, for nothing of it went out."""

    async def main() -> None:
        server = SmsV2Server(called=False)
        server.token_answer = answer
        async with opened(server) as carrier:
            outcome = await carrier.send(outgoing())
            assert (outcome.verdict, outcome.reason) == (Verdict.DEFERRED, reason)
            assert api(server) == []
            with pytest.raises(Trouble, match="no token"):
                await carrier.states_of([pending(outgoing(), "5e5e65429f272510fb6adcc0")])

    asyncio.run(main())


@pytest.mark.parametrize("until", ["never", None, 5, "2026-11-20T09:00:00"])
def test_a_token_whose_end_cannot_be_read_is_used_until_it_is_refused(until: Any) -> None:
    """It is not fetched anew for each text; a token under ``data`` is one, too."""

    async def main() -> None:
        server = SmsV2Server(called=False)
        server.tokens["t-1"] = ["*"]
        server.token_answer = Answer.of({"data": {"token": "t-1", "expireAt": until}})
        async with opened(server) as carrier:
            for _ in range(2):
                assert (await carrier.send(outgoing())).verdict is Verdict.ACCEPTED
        assert len([seen for seen in server.seen if server.spares(seen)]) == 1

    asyncio.run(main())


def test_a_fixed_token_asks_nobody() -> None:
    """No call goes to the login, and a refused one stays: a person has to mend that."""

    async def main() -> None:
        server = SmsV2Server(oauth=False, called=False)
        async with opened(server, token="another-token-of-theirs") as carrier:
            for _ in range(2):
                assert (await carrier.send(outgoing())).verdict is Verdict.DEFERRED
            with pytest.raises(NoAnswer, match="another host"):
                await carrier.wire.call("GET", "https://oauth.openapi.com/wallet")
        assert [seen.path for seen in server.seen] == ["/WW-messages"] * 2

    asyncio.run(main())


# --- credit, recall, configuration ---


def test_credit() -> None:
    """The wallet's where there is a login; with a token what version 1 says in its list, as text or as a number."""

    async def main() -> None:
        for server in (SmsV2Server(called=False), GatewayServer(oauth=True, called=False)):
            async with opened(server) as carrier:
                good: tuple[Any, ...] = ("125.5", 125.5, 0)
                for credit in good:
                    server.credit = credit
                    assert await carrier.credit() == str(credit)
                bad: tuple[Any, ...] = (None, True, [5])
                for credit in bad:
                    server.credit = credit
                    with pytest.raises(Trouble):
                        await carrier.credit()
            assert {seen.path for seen in server.seen} == {"/wallet"}
        first = GatewayServer(called=False)
        async with opened(first) as carrier:
            assert [await carrier.credit(), await carrier.credit()] == ["12.34", "12.34"]
            first.messages.clear()
            with pytest.raises(Trouble, match="nothing was found"):
                await carrier.credit()
        async with opened(SmsV2Server(oauth=False, called=False)) as carrier:
            with pytest.raises(ConfigError, match="email and api_key"):
                await carrier.credit()

    asyncio.run(main())


def test_recall() -> None:
    """Version 1 deletes what waits, found by our id where its own is not known; what is on its way is not recalled."""

    def kept(words: str) -> Recall:
        return Recall(done=False, words=words)

    async def main() -> None:
        server = GatewayServer(called=False)
        async with opened(server) as carrier:
            assert isinstance(carrier, Recalled)
            text = outgoing()
            waiting, gone = await carrier.send(text), await carrier.send(outgoing())
            assert waiting.carrier_id is not None
            server.messages[waiting.carrier_id]["word"] = "WAITING"
            assert await carrier.recall(pending(text, gone.carrier_id)) == kept(
                "error 221: it is on its way already (HTTP 422)"
            )
            assert await carrier.recall(pending(text, waiting.carrier_id)) == Recall(done=True)
            assert await carrier.recall(pending(text, waiting.carrier_id)) == kept(
                "error 219: they know no such text (HTTP 404)"
            )
            lost = outgoing()
            server.tell(NUMBER, Told.LOSE)
            await carrier.send(lost)
            assert await carrier.recall(pending(outgoing())) == kept("no such text was found")
            server.messages[list(server.messages)[-1]]["word"] = "WAITING"
            assert await carrier.recall(pending(lost)) == Recall(done=True)
            server.status = Answer.of({"success": False})
            assert await carrier.recall(pending(text, waiting.carrier_id)) == kept("it was not deleted")
            server.status = Answer(status=500)
            with pytest.raises(Trouble):
                await carrier.recall(pending(text, waiting.carrier_id))

    asyncio.run(main())


def test_what_each_version_can() -> None:
    """Both are called, confirm, are asked and funded; only version 1 recalls."""
    first, second = made(GatewayServer().table() | {"host": "127.0.0.1:9"}), made({"kind": "openapi", "token": TOKEN})
    assert (type(first), type(second)) == (GatewaySms, SmsV2)
    for carrier in (first, second):
        assert isinstance(carrier, Called)
        assert isinstance(carrier, Confirmed)
        assert isinstance(carrier, Asked)
        assert isinstance(carrier, Funded)
    assert (isinstance(first, Recalled), isinstance(second, Recalled)) == (True, False)


def test_a_secret_without_a_url_cannot_work() -> None:
    """callback_secret alone makes no URL: that is told at open. Settings of another kind are a bug."""

    async def main() -> None:
        carrier = made({"kind": "openapi", "token": TOKEN, "callback_secret": SECRET})
        with pytest.raises(ConfigError, match="public_url"):
            await carrier.open(Ear())
        await carrier.close()

    asyncio.run(main())
    with pytest.raises(TypeError):
        openapi("main", UpstreamSettings(kind="openapi"), clock=Time())
    with pytest.raises(TypeError):
        GatewaySms("main", OpenApiSettings.model_validate({"kind": "openapi", "token": TOKEN}), clock=Time())
