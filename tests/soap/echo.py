"""A small service of its own behind the transport and a real HTTP server, and a client that sends bytes as they are."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal as Number
from ipaddress import ip_network
from pathlib import Path
from typing import Any, NamedTuple, Self

from lxml import etree
from spyne import ComplexModel, DateTime, Decimal, Integer32, Service, Unicode, rpc

from bridge.model.errors import BridgeError, InvalidRequest, LoginFailed, Stopping, StoreUnavailable
from soap.endpoint import Endpoint
from soap.faults import Version
from soap.receiving import Bodies
from soap.transport import Transport
from soap.visit import Visits
from soap.wsdl import Contract
from tests.bridge.web.world import Beside, World

NAMESPACE = "urn:smsbridge:1"
LIMIT = 200_000
DEADLINE = 20.0

SECRET = "correct-horse-7"
"""A password that stands in requests, and must stand nowhere else."""


class Pair(ComplexModel):
    __namespace__ = NAMESPACE
    key = Unicode
    value = Unicode


class PairList(ComplexModel):
    __namespace__ = NAMESPACE
    item = Pair.customize(max_occurs="unbounded")


class EchoAnswer(ComplexModel):
    __namespace__ = NAMESPACE
    status = Integer32
    text = Unicode
    credit = Decimal
    pairs = PairList


class Heard(NamedTuple):
    """A call that reached the service."""

    operation: str
    values: tuple[Any, ...]
    visit: Any


HEARD: list[Heard] = []

ERRORS: dict[str, Exception] = {
    "login": LoginFailed("the login is not right, or not allowed from here"),
    "request": InvalidRequest("dest is missing"),
    "store": StoreUnavailable(f"no database at /srv/{SECRET}"),
    "stopping": Stopping(f"going down with {SECRET}"),
    "bug": ValueError(f"cannot read {SECRET}"),
    "recursion": RecursionError(SECRET),
    "unknown": BridgeError(SECRET),
}


class Echo(Service):
    """Says what it was asked."""

    @rpc(
        Unicode,
        Unicode,
        Unicode,
        Unicode,
        PairList,
        _args=("password", "dest", "message", "sendtime", "fields"),
        _returns=EchoAnswer,
    )
    async def send_sms(ctx: Any, *values: Any) -> Any:  # noqa: N805 - Spyne's first argument is the context
        """Return the message and the fields."""
        HEARD.append(Heard("send_sms", values, ctx.udc))
        await asyncio.sleep(0)
        pairs = values[4].item if values[4] is not None else None
        return EchoAnswer(status=0, text=values[2], credit=Number("1E+3"), pairs=PairList(item=pairs or []))

    @rpc(_returns=EchoAnswer)
    async def ping(ctx: Any) -> Any:  # noqa: N805
        """Answer."""
        HEARD.append(Heard("ping", (), ctx.udc))
        return EchoAnswer(status=0)

    @rpc(Integer32, DateTime, _returns=EchoAnswer)
    async def typed(ctx: Any, count: Any, at: Any) -> Any:  # noqa: N805
        """Take what is no text."""
        HEARD.append(Heard("typed", (count, at), ctx.udc))
        return EchoAnswer(status=count, text=str(at))

    @rpc(Unicode, Unicode, _returns=EchoAnswer)
    async def fail(_ctx: Any, password: str, kind: str) -> Any:  # noqa: N805
        """Raise what is asked for."""
        raise ERRORS[kind]

    @rpc(Integer32, _returns=EchoAnswer)
    async def many(_ctx: Any, count: int) -> Any:  # noqa: N805
        """Return a long list."""
        return EchoAnswer(status=0, pairs=PairList(item=[Pair(key=str(n), value="v") for n in range(count)]))

    @rpc(Unicode, _returns=EchoAnswer)
    async def broken(_ctx: Any, kind: str) -> Any:  # noqa: N805
        """Return what cannot be written, or is easily written wrong."""
        return {
            "text": EchoAnswer(status=0, text="form\x0cfeed, nul\x00, half \ud83d of an emoji \U0001f600"),
            "type": EchoAnswer(status=f"not a number {SECRET}"),
            "number": EchoAnswer(status=0, credit=Number("1E-7")),
        }[kind]


class Answer(NamedTuple):
    """An HTTP response."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def root(self) -> Any:
        """The body, parsed."""
        return etree.fromstring(self.body)

    def value(self, name: str) -> str | None:
        """The text of the first element of that local name."""
        found = next(self.root.iter(f"{{*}}{name}"), None)
        return None if found is None else (found.text or "")

    @property
    def fault(self) -> tuple[str, str]:
        """Code and text of a Fault of either version; of 1.2 the values of Code and Subcodes, joined by spaces."""
        if b"faultcode" in self.body:
            return self.value("faultcode") or "", self.value("faultstring") or ""
        return " ".join(each.text for each in self.root.iter("{*}Value")), self.value("Text") or ""


class Client:
    """One connection that sends bytes as they are."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=DEADLINE)
        self._read = b""

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def head(self) -> tuple[int, dict[str, str]]:
        """Read the head of a response."""
        while b"\r\n\r\n" not in self._read:
            self._more()
        head, _, self._read = self._read.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        named = (line.partition(":") for line in lines)
        return int(first.split()[1]), {name.lower(): value.strip() for name, _, value in named}

    def answer(self, *, head_only: bool = False) -> Answer:
        """Read a response."""
        status, headers = self.head()
        length = 0 if head_only else int(headers.get("content-length", 0))
        while len(self._read) < length:
            self._more()
        body, self._read = self._read[:length], self._read[length:]
        return Answer(status, headers, body)

    def closed(self) -> bool:
        """Wait for the other side to close, and say that it did."""
        return not self._read and self.socket.recv(1) == b""

    def _more(self) -> None:
        data = self.socket.recv(65_536)
        if not data:
            message = f"closed after {self._read[:200]!r}"
            raise AssertionError(message)
        self._read += data

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()


class EchoServer:
    """The service on a port."""

    def __init__(self, port: int) -> None:
        self.port = port

    def connect(self) -> Client:
        return Client(self.port)

    def post(self, body: bytes, content_type: str = "text/xml; charset=utf-8", **headers: str) -> Answer:
        """Send a body in one request, and return the response. Header names have _ for -."""
        with self.connect() as client:
            client.send(request(body, content_type, **headers))
            return client.answer()

    def get(self, path: str, method: str = "GET", **headers: str) -> Answer:
        """Return the response to a request without a body."""
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        with self.connect() as client:
            client.send(f"{method} {path} HTTP/1.1\r\nHost: evil.example.net\r\n{lines}\r\n".encode())
            return client.answer(head_only=method == "HEAD")


def request(body: bytes, content_type: str = "text/xml; charset=utf-8", path: str = "/soap", **headers: str) -> bytes:
    """Return a POST as bytes."""
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
    return f"{head}{lines}\r\n".encode() + body


def envelope(inner: str, *, version: Version = Version.V11, header: str = "") -> bytes:
    """Return an envelope around what stands in its Body."""
    head = f"<soap:Header>{header}</soap:Header>" if header else ""
    return (
        f'<?xml version="1.0" encoding="utf-8"?><soap:Envelope xmlns:soap="{version.namespace}">'
        f"{head}<soap:Body>{inner}</soap:Body></soap:Envelope>"
    ).encode()


def send_sms(message: str = "hello", more: str = "") -> str:
    """Return a call of send_sms, with a password in it."""
    return (
        f'<send_sms xmlns="{NAMESPACE}"><password>{SECRET}</password><dest>0502345678</dest>'
        f"<message>{message}</message>{more}</send_sms>"
    )


PING = f'<ping xmlns="{NAMESPACE}"/>'

ID = re.compile(r" \(id ([0-9a-f]{16})\)$")


@contextmanager
def serving(
    folder: Path, *, public_url: str = "", trusted: tuple[str, ...] = (), patience: float = DEADLINE
) -> Iterator[EchoServer]:
    """Run the service behind the project's own HTTP door; ``folder`` has a migrated bridge.db."""
    up, down = threading.Event(), threading.Event()
    port = 0
    failed: list[BaseException] = []

    async def main() -> None:
        nonlocal port
        networks = tuple(map(ip_network, trusted))
        visits = Visits(desk=None, logins=None, trusted=networks)  # type: ignore[arg-type]
        transport = Transport(Echo, namespace=NAMESPACE, visits=visits, bodies=Bodies(LIMIT, patience=patience))
        endpoint = Endpoint(transport, Contract.load(), public_url=public_url, trusted=networks)
        world = World(folder, beside=Beside(endpoint.routes()))
        async with world.open():
            port = int(world.door.addresses[0].rpartition(":")[2])
            up.set()
            await asyncio.to_thread(down.wait)

    def run() -> None:
        try:
            asyncio.run(main())
        except BaseException as error:
            failed.append(error)
            raise
        finally:
            up.set()

    thread = threading.Thread(target=run, name="echo")
    thread.start()
    try:
        assert up.wait(DEADLINE)
        assert not failed
        yield EchoServer(port)
    finally:
        down.set()
        thread.join(DEADLINE)
