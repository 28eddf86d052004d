"""The HTTP server as a part of the program: where it listens, what it answers, how it stops."""

import asyncio
import json
import logging
import signal
import socket
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from bridge.app import loop_factory
from bridge.model.errors import ConfigError
from tests.bridge.web.world import DEADLINE, Beside, World, until


class Slow:
    """A route that is answered when the test says so."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.go_on = asyncio.Event()
        self.cut_off = False

    async def __call__(self, _request: Request) -> Response:
        self.begun.set()
        try:
            await self.go_on.wait()
        except asyncio.CancelledError:
            self.cut_off = True
            raise
        return PlainTextResponse("done")

    def routes(self) -> list[Route]:
        async def slow(request: Request) -> Response:
            return await self(request)

        return [Route("/slow", slow)]


@pytest.fixture(params=["asyncio", "the application's own"])
def run(request: pytest.FixtureRequest) -> Callable[[Coroutine[Any, Any, None]], None]:
    """Runs a coroutine in asyncio's loop and in the one that the application uses."""
    factory = None if request.param == "asyncio" else loop_factory()

    def runs(coroutine: Coroutine[Any, Any, None]) -> None:
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(coroutine)

    return runs


def test_port_0_shows_the_port_it_got(tmp_path: Path) -> None:
    """The address is the URL under which it answers."""

    async def ask() -> None:
        world = World(tmp_path)
        assert list(world.door.addresses) == []
        async with world.open() as client:
            (url,) = world.door.addresses
            assert url.startswith("http://127.0.0.1:")
            assert not url.endswith(":0")
            assert (await client.get("/health/live")).status_code == 200

    asyncio.run(ask())


def test_an_ipv6_address(tmp_path: Path) -> None:
    """It is written as URLs have it."""

    async def ask() -> None:
        world = World(tmp_path, listen="[::1]:0")
        async with world.open() as client:
            assert world.door.addresses[0].startswith("http://[::1]:")
            assert (await client.get("/health/live")).status_code == 200

    asyncio.run(ask())


def test_a_port_in_use_is_one_line_that_says_what_to_do(tmp_path: Path) -> None:
    """It names the setting and the address; closing after that is safe, and a later start works."""

    async def ask() -> str:
        with socket.create_server(("127.0.0.1", 0)) as other:
            world = World(tmp_path, listen=f"127.0.0.1:{other.getsockname()[1]}")
            with pytest.raises(ConfigError) as caught:
                await world.door.open()
            await world.door.close(grace=1)
        async with world.open() as client:
            assert (await client.get("/health/live")).status_code == 200
        return caught.value.reason

    reason = asyncio.run(ask())
    assert reason.startswith("http.listen: 127.0.0.1:")
    assert "in use" in reason
    assert "\n" not in reason


def test_routes_of_all_doors_on_one_port(tmp_path: Path) -> None:
    """What another door serves over HTTP is there, and the console is not, unless it was switched on."""

    async def hello(_request: Request) -> Response:
        return PlainTextResponse("hello from next door")

    async def ask() -> None:
        async with World(tmp_path, beside=Beside([Route("/soap", hello)])).open() as client:
            assert (await client.get("/soap")).text == "hello from next door"
            for path in ("/console", "/console/phones", "/console/events", "/"):
                assert (await client.get(path)).status_code == 404

    asyncio.run(ask())


def test_refusals_are_short_json(tmp_path: Path) -> None:
    """404 and 405 say no more than that; a slash too many is no redirect to where the Host header says."""

    async def ask() -> None:
        async with World(tmp_path).open() as client:
            for path in ("/nothing", "/health/live/", "/..%2f..%2fetc/passwd"):
                answer = await client.get(path, headers={"host": "elsewhere.example"})
                assert (answer.status_code, answer.json()) == (404, {"error": "not found"})
            answer = await client.post("/metrics", content=b"x")
            assert (answer.status_code, answer.json()) == (405, {"error": "method not allowed"})
            assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD"}
            assert answer.headers["cache-control"] == "no-store"
            assert "server" not in answer.headers

    asyncio.run(ask())


def test_a_bug_is_answered_with_an_id_and_logged_under_it(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """The client learns nothing but the id; the log has the rest; the connection and the server go on."""

    async def bug(_request: Request) -> Response:
        raise RuntimeError("the password is hunter2")

    async def ask() -> httpx.Response:
        async with World(tmp_path, beside=Beside([Route("/bug", bug)])).open() as client:
            answer = await client.get("/bug")
            assert (await client.get("/health/live")).status_code == 200
            return answer

    with caplog.at_level(logging.WARNING):
        answer = asyncio.run(ask())
    assert answer.status_code == 500
    content = answer.json()
    assert content.keys() == {"error", "id"}
    assert content["error"] == "internal server error"
    out, err = capfd.readouterr()
    assert content["id"] in out + err
    assert "RuntimeError" in out + err
    assert "hunter2" not in answer.text
    assert caplog.records == []  # once is enough: uvicorn does not log it again


def test_a_bug_in_the_middle_of_an_answer_ends_the_connection(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A client must not take half an answer for a whole one."""

    class Half(Response):
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"half", "more_body": True})
            raise RuntimeError

    async def half(_request: Request) -> Response:
        return Half()

    async def ask() -> None:
        async with World(tmp_path, beside=Beside([Route("/half", half)])).open() as client:
            with pytest.raises(httpx.RemoteProtocolError):
                await client.get("/half")

    asyncio.run(ask())
    assert "request failed" in "".join(capfd.readouterr())


def test_stopping_lets_a_request_end(tmp_path: Path, run: Callable[[Coroutine[Any, Any, None]], None]) -> None:
    """What runs is answered; idle connections are closed, and new ones are refused."""

    async def stop() -> None:
        slow = Slow()
        world = World(tmp_path, beside=Beside(slow.routes()))
        async with world.open() as client:
            host, port = client.base_url.host, client.base_url.port
            idle, idle_writer = await asyncio.open_connection(host, port)
            asked = asyncio.create_task(client.get("/slow"))
            await slow.begun.wait()
            closing = asyncio.create_task(world.door.close(grace=DEADLINE))
            assert await asyncio.wait_for(idle.read(), DEADLINE) == b""
            idle_writer.close()
            assert not closing.done()
            with pytest.raises(OSError):  # noqa: PT011 - refused or reset: both are no
                await asyncio.open_connection(host, port)
            slow.go_on.set()
            assert (await asked).text == "done"
            await asyncio.wait_for(closing, DEADLINE)

    run(stop())


def test_stopping_cuts_off_what_does_not_end(
    tmp_path: Path,
    run: Callable[[Coroutine[Any, Any, None]], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """After the grace the request is cancelled and its connection closed, in about that time, without a traceback."""

    async def stop() -> None:
        slow = Slow()
        world = World(tmp_path, beside=Beside(slow.routes()))
        async with world.open() as client:
            asked = asyncio.create_task(client.get("/slow"))
            await slow.begun.wait()
            began = time.monotonic()
            await world.door.close(grace=0.2)
            assert time.monotonic() - began < 1.5
            with pytest.raises(httpx.TransportError):
                await asked
            await until(lambda: slow.cut_off)

    with caplog.at_level(logging.WARNING):
        run(stop())
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_a_client_that_never_ends_its_request_does_not_hold_the_stop_up(
    tmp_path: Path, run: Callable[[Coroutine[Any, Any, None]], None]
) -> None:
    """Half a head is nothing to wait for."""

    async def stop() -> None:
        world = World(tmp_path)
        async with world.open() as client:
            reader, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
            writer.write(b"GET /health/live HTTP/1.1\r\nHost: half")
            await writer.drain()
            await client.get("/health/live")
            began = time.monotonic()
            await world.door.close(grace=DEADLINE)
            assert time.monotonic() - began < 1.5
            assert await reader.read() == b""
            writer.close()

    run(stop())


def test_signals_stay_with_the_application(tmp_path: Path) -> None:
    """The server neither takes them nor sends them again."""

    async def serve() -> None:
        heard = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, heard.set)
        async with World(tmp_path).open() as client:
            signal.raise_signal(signal.SIGTERM)
            await asyncio.wait_for(heard.wait(), DEADLINE)
            assert (await client.get("/health/live")).status_code == 200

    asyncio.run(serve())


def test_a_head_request_gets_no_body(tmp_path: Path) -> None:
    """Load balancers ask so."""

    async def ask() -> None:
        async with World(tmp_path).open() as client:
            answer = await client.head("/health/live")
            assert (answer.status_code, answer.content) == (200, b"")
            assert int(answer.headers["content-length"]) == len(json.dumps({"status": "pass"}, separators=(",", ":")))

    asyncio.run(ask())
