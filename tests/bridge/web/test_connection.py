"""One connection: what it takes, for how long, and how many there may be."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from bridge.web import connection
from tests.bridge.web.world import DEADLINE, Beside, World, until

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def _echo(request: Request) -> Response:
    body = await request.body()
    offers = sorted(name for name in request.headers if name in {"upgrade", "connection", "http2-settings"})
    return PlainTextResponse(f"{request.method} {body.decode()} {','.join(offers)}")


def _talk(folder: Path, talk: Talk) -> None:
    async def run() -> None:
        route = Route("/echo", _echo, methods=["GET", "POST"])
        async with World(folder, beside=Beside([route])).open() as client, asyncio.timeout(DEADLINE):
            reader, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
            try:
                await talk(reader, writer)
            finally:
                writer.close()

    asyncio.run(run())


async def _answer(reader: asyncio.StreamReader) -> tuple[int, str]:
    head = await reader.readuntil(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    sizes = [int(line.partition(":")[2]) for line in lines if line.lower().startswith("content-length:")]
    return int(status.split()[1]), (await reader.readexactly(sizes[0])).decode()


H2C = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAA\r\n"


@pytest.mark.parametrize("cut", [1, 40, 10_000])
def test_an_offer_to_upgrade_does_not_cost_the_body(tmp_path: Path, cut: int) -> None:
    """As Java's HttpClient asks: the request is answered over HTTP/1.1 with its body, and the connection goes on."""
    request = (
        b"POST /echo HTTP/1.1\r\nHost: a\r\n" + H2C + b"Content-Length: 5\r\n\r\nhello"
        b"POST /echo HTTP/1.1\r\nHost: a\r\n" + H2C + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
        b"GET /echo HTTP/1.1\r\nHost: a\r\nConnection: close, Upgrade\r\nUpgrade: websocket\r\n\r\n"
    )

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for start in range(0, len(request), cut):
            writer.write(request[start : start + cut])
            await writer.drain()
            await asyncio.sleep(0)
        assert await _answer(reader) == (200, "POST hello connection")
        assert await _answer(reader) == (200, "POST abc connection")
        assert await _answer(reader) == (200, "GET  connection")
        assert await reader.read() == b""

    _talk(tmp_path, talk)


def test_trailers_are_no_headers(tmp_path: Path) -> None:
    """Behind the body nobody says any more who he is: the headers were a proxy's to check."""
    seen: list[list[tuple[str, str]]] = []

    async def told(request: Request) -> Response:
        await request.body()
        seen.append(request.headers.items())
        return PlainTextResponse("")

    async def run() -> None:
        route = Route("/told", told, methods=["POST"])
        async with World(tmp_path, beside=Beside([route])).open() as client, asyncio.timeout(DEADLINE):
            reader, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
            for offer in (b"", H2C):
                writer.write(
                    b"POST /told HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.1\r\n" + offer + b"Transfer-Encoding:"
                    b" chunked\r\n\r\n1\r\nx\r\n0\r\nX-Forwarded-For: 10.0.0.1\r\nAuthorization: Bearer x\r\n\r\n"
                )
                assert (await _answer(reader))[0] == 200
            writer.close()

    asyncio.run(run())
    assert len(seen) == 2
    for headers in seen:
        assert [value for name, value in headers if name == "x-forwarded-for"] == ["192.0.2.1"]
        assert "authorization" not in dict(headers)


def test_a_proxy_request_is_refused(tmp_path: Path) -> None:
    """CONNECT is not for us, and what follows it is no request."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\nGET / HTTP/1.1\r\n\r\n")
        assert (await _answer(reader))[0] == 400
        assert await reader.read() == b""

    _talk(tmp_path, talk)


def test_what_is_no_http_is_refused_quietly(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Scanners must not fill the log."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
        assert (await _answer(reader))[0] == 400
        assert await reader.read() == b""

    with caplog.at_level(logging.WARNING):
        _talk(tmp_path, talk)
    assert caplog.records == []


_LINE = b"X-Filler: " + b"x" * 1000 + b"\r\n"


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"GET /echo HTTP/1.1\r\nHost: a\r\nX-Long: " + b"x" * 200_000, id="one line"),
        pytest.param(b"GET /echo HTTP/1.1\r\nHost: a\r\n" + _LINE * 200, id="many lines"),
        pytest.param(b"GET /echo HTTP/1.1\r\nHost: a\r\n" + b"a:\r\n" * 3000 + b"\r\n", id="many small ones"),
        pytest.param(b"GET /echo?" + b"x" * 200_000, id="the URL"),
        pytest.param(
            b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n" + _LINE * 200,
            id="trailers",
        ),
    ],
)
def test_a_head_has_a_size(tmp_path: Path, head: bytes) -> None:
    """More than 64 KiB of it are refused, however they come, and the connection is closed."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            for start in range(0, len(head), 4096):
                writer.write(head[start : start + 4096])
                await writer.drain()
            said = await reader.read()
        except ConnectionError:
            return  # it was closed while we were still writing
        assert said.startswith(b"HTTP/1.1 431 ")

    _talk(tmp_path, talk)


def test_a_large_head_within_the_bound_is_taken(tmp_path: Path) -> None:
    """Proxies add much."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"GET /echo HTTP/1.1\r\nHost: a\r\n" + _LINE * 40 + b"\r\n")
        assert (await _answer(reader))[0] == 200

    _talk(tmp_path, talk)


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"GET /echo HTTP/1.1\r\nHost:",
        b"\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf",
        b"GET /echo HTTP/1.1\r\nHost: a\r\n\r\nGET /echo",
    ],
)
def test_a_request_has_a_time(tmp_path: Path, begun: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection on which a request does not end in time is closed, also the second one on it."""
    monkeypatch.setattr(connection, "REQUEST_SECONDS", 0.1)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(begun)
        with contextlib.suppress(ConnectionResetError):
            await reader.read()  # ends, or the deadline does

    _talk(tmp_path, talk)


def test_an_answer_may_take_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time is the client's for asking, not ours for answering; nor does an idle connection have so little."""
    monkeypatch.setattr(connection, "REQUEST_SECONDS", 0.05)
    waited = asyncio.Event()

    async def late(_request: Request) -> Response:
        await waited.wait()
        return PlainTextResponse("late")

    async def run() -> None:
        async with World(tmp_path, beside=Beside([Route("/late", late)])).open() as client:
            for _ in range(2):
                asked = asyncio.create_task(client.get("/late"))
                asyncio.get_running_loop().call_later(0.2, waited.set)
                assert (await asked).text == "late"
            assert len(seen) == 1

    seen: set[object] = set()
    made = connection.BoundedConnection.connection_made

    def noting(self: connection.BoundedConnection, transport: asyncio.Transport) -> None:
        seen.add(self)
        made(self, transport)

    monkeypatch.setattr(connection.BoundedConnection, "connection_made", noting)
    asyncio.run(run())


def test_connections_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more than there may be is closed unanswered; when one goes, there is room again."""
    monkeypatch.setattr(connection, "MOST_CONNECTIONS", 2)

    async def run() -> None:
        world = World(tmp_path)
        async with world.open() as client, asyncio.timeout(DEADLINE):
            assert world.door._server is not None
            state = world.door._server.server_state
            opened = [await asyncio.open_connection(client.base_url.host, client.base_url.port) for _ in range(2)]
            await until(lambda: len(state.connections) == 2)
            reader, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
            with contextlib.suppress(ConnectionResetError):
                assert await reader.read() == b""
            writer.close()
            opened[0][1].close()
            await until(lambda: len(state.connections) == 1)
            assert (await client.get("/health/live")).status_code == 200
            opened[1][1].close()

    asyncio.run(run())
