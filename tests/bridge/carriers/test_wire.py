"""The wire under a carrier: one call leaves at most once, and its end says whether it left."""

from __future__ import annotations

import asyncio
import datetime as dt
import gzip
import ipaddress
import logging
import ssl
import tracemalloc
from collections.abc import Callable, Coroutine
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bridge.app import loop_factory
from bridge.carriers.wire import _WORDS, MOST_ANSWER, BadReply, NoAnswer, Reply, Wire, basic, judge
from bridge.model.errors import ConfigError
from bridge.model.message import Verdict
from tests.support.carriers import until
from tests.support.upstream import SLOW, TRICKLING, Answer, Seen, Server, Wrong, refusing, unanswering

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

METHODS = ("POST", "GET", "PUT", "DELETE")
PATIENT = 10.0
SHORT = 0.15

# Ends of a connection: after them nobody knows. (What has an answer is the carrier's to judge.)
ENDS = [
    wrong
    for wrong in Wrong
    if wrong not in {Wrong.EMPTY, Wrong.PAGE, Wrong.WRONG_TYPE, Wrong.ELSEWHERE} | SLOW | TRICKLING
]

each_method = pytest.mark.parametrize("method", METHODS)
each_way = pytest.mark.parametrize("before", [0, 1], ids=["fresh", "reused"])


@pytest.fixture(params=["asyncio", "the application's own"])
def run(request: pytest.FixtureRequest) -> Callable[[Coroutine[Any, Any, None]], None]:
    """Runs a coroutine in asyncio's loop and in the one that the application uses."""
    factory = None if request.param == "asyncio" else loop_factory()

    def runs(coroutine: Coroutine[Any, Any, None]) -> None:
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(coroutine)

    return runs


@asynccontextmanager
async def opened(*urls: str, **changes: Any) -> AsyncIterator[Wire]:
    """Give an open wire to these hosts; it is patient, unless a test says otherwise."""
    given = {"connect_timeout": PATIENT, "read_timeout": PATIENT, "total_timeout": 2 * PATIENT, "connections": 4}
    wire = Wire("main", urls=urls, **(given | changes))
    try:
        wire.open()
        yield wire
    finally:
        await wire.close()


async def fails(wire: Wire, method: str, url: str) -> NoAnswer:
    """Make a call that brings no answer."""
    with pytest.raises(NoAnswer) as caught:
        await wire.call(method, url, content=b"the text" if method in {"POST", "PUT"} else None)
    return caught.value


@each_method
@each_way
@pytest.mark.parametrize("wrong", ENDS, ids=str)
def test_a_request_is_seen_once_and_its_end_is_unknown(
    wrong: Wrong, method: str, before: int, run: Callable[[Coroutine[Any, Any, None]], None]
) -> None:
    """Whatever a server does once it is connected to: one try, of every method, and nobody knows what became of it."""

    async def main() -> None:
        async with Server().serving() as server, opened(server.url) as wire:
            for _ in range(before):
                assert (await wire.call(method, server.url)).status == 200
            server.wrong = wrong
            lost = await fails(wire, method, f"{server.url}/send?key=hush")
            assert lost.verdict is Verdict.UNKNOWN
            assert "hush" not in lost.reason
            assert server.tries == before + 1
            assert server.connections == 1
            server.wrong = None
            assert (await wire.call(method, server.url)).status == 200

    run(main())


@pytest.mark.parametrize("method", ["POST", "GET"])
@each_way
@pytest.mark.parametrize("wrong", sorted(SLOW | TRICKLING))
def test_silence_after_the_request_is_unknown(wrong: Wrong, method: str, before: int) -> None:
    """No answer, and one that never ends, are waited for as long as was set; the request was seen once."""

    async def main() -> None:
        async with Server().serving() as server, opened(server.url) as wire:
            for _ in range(before):
                assert (await wire.call(method, server.url)).status == 200
            server.wrong = wrong
            if wrong in TRICKLING:
                wire._total = 3 * SHORT
            else:
                wire._timeouts["read"] = SHORT
            lost = await fails(wire, method, server.url)
            assert lost.verdict is Verdict.UNKNOWN
            assert "in time" in lost.reason
            await until(lambda: len(server.seen) > before)
            assert (len(server.seen), server.connections) == (before + 1, 1)

    asyncio.run(main())


def test_refused_is_not_sent(run: Callable[[Coroutine[Any, Any, None]], None]) -> None:
    """Nobody listens: surely not sent, and the reason says so."""

    async def main() -> None:
        with refusing() as port:
            url = f"http://127.0.0.1:{port}/"
            async with opened(url) as wire:
                for method in METHODS:
                    lost = await fails(wire, method, url)
                    assert (lost.verdict, lost.reason) == (Verdict.DEFERRED, "not reached: refused")

    run(main())


def test_a_broken_connection_and_a_closed_port_are_not_taken_for_not_sent() -> None:
    """A GET whose connection broke is not tried on a new one, where a refusal would hide that it went out."""

    async def main() -> None:
        server = Server()

        def vanish(seen: Seen) -> Answer:
            assert server._listener is not None
            server._listener.close()
            server.wrong = Wrong.CLOSE
            return Answer()

        server = Server(vanish)
        async with server.serving(), opened(server.url) as wire:
            assert (await wire.call("GET", server.url)).status == 200
            assert (await fails(wire, "GET", server.url)).verdict is Verdict.UNKNOWN
            assert len(server.seen) == 2

    asyncio.run(main())


def test_no_such_host_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that leads nowhere: surely not sent."""

    async def nowhere(*_: Any, **__: Any) -> Any:
        raise OSError(-2, "Name or service not known")

    monkeypatch.setattr(aiohttp.resolver.ThreadedResolver, "resolve", nowhere)

    async def main() -> None:
        async with opened("http://sms.example.com") as wire:
            lost = await fails(wire, "POST", "http://sms.example.com/?key=hush")
            assert (lost.verdict, lost.reason) == (Verdict.DEFERRED, "not reached: no such host")

    asyncio.run(main())


def test_no_connection_in_time_is_not_sent() -> None:
    """A host that answers no connection: surely not sent."""

    async def main() -> None:
        with unanswering() as port:
            url = f"http://127.0.0.1:{port}/"
            async with opened(url, connect_timeout=SHORT) as wire:
                lost = await fails(wire, "POST", f"{url}?key=hush")
                assert (lost.verdict, lost.reason) == (Verdict.DEFERRED, "not reached in time")

    asyncio.run(main())


def test_no_tls_in_time_is_not_sent() -> None:
    """A host that takes the connection and says nothing of TLS has not seen the request."""

    async def main() -> None:
        async with Server().serving() as server:
            server.wrong = Wrong.SILENT
            url = server.url.replace("http:", "https:")
            async with opened(url, connect_timeout=SHORT) as wire:
                lost = await fails(wire, "POST", url)
                assert (lost.verdict, lost.reason) == (Verdict.DEFERRED, "not reached in time")
            assert server.seen == []

    asyncio.run(main())


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for 127.0.0.1 with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gateway.example.com")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file = tmp_path_factory.mktemp("tls") / "server.pem"
    file.write_bytes(made.public_bytes(pem) + private)
    return file


def test_tls_is_verified(certificate: Path, run: Callable[[Coroutine[Any, Any, None]], None]) -> None:
    """An unknown certificate gets no request: not sent. With its CA file it does."""

    async def main() -> None:
        server = Server()
        server.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.tls.load_cert_chain(certificate)
        async with server.serving():
            async with opened(server.url) as wire:
                lost = await fails(wire, "POST", f"{server.url}/?key=hush")
                assert lost.verdict is Verdict.DEFERRED
                assert lost.reason == "not reached: its certificate is not trusted"
            assert server.seen == []
            async with opened(server.url, ca_file=certificate) as wire:
                assert (await wire.call("POST", server.url)).status == 200

    run(main())


@pytest.mark.parametrize("wrong", [Wrong.CLOSE_AT_ONCE, Wrong.RESET_AT_ONCE, Wrong.NO_HTTP])
def test_no_tls_at_all_is_not_sent(wrong: Wrong, run: Callable[[Coroutine[Any, Any, None]], None]) -> None:
    """A server that closes, or speaks another protocol, where TLS should begin, has not seen the request."""

    async def main() -> None:
        async with Server().serving() as server:
            server.wrong = wrong
            server.greeting = b"SSH-2.0-OpenSSH_9.6\r\n" * (wrong is Wrong.NO_HTTP)
            url = server.url.replace("http:", "https:")
            async with opened(url) as wire:
                lost = await fails(wire, "POST", url)
                assert lost.verdict is Verdict.DEFERRED
                assert lost.reason.startswith("not reached")

    run(main())


@pytest.mark.parametrize("content", [None, "no certificates"])
def test_a_ca_file_that_is_none(content: str | None, tmp_path: Path) -> None:
    """It is a fault of the configuration, named with its place."""
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)

    async def main() -> None:
        with pytest.raises(ConfigError, match=r"carriers\.main\.ca_file: .*ca\.pem: [Nn]o "):
            async with opened("https://127.0.0.1", ca_file=file):
                pass

    asyncio.run(main())


@pytest.mark.parametrize("wrong", [Wrong.ENDLESS, Wrong.ENDLESS_CHUNKED])
def test_a_gigabyte_costs_no_memory(wrong: Wrong) -> None:
    """An answer is read up to its bound and given up."""

    async def main() -> None:
        async with Server().serving() as server, opened(server.url) as wire:
            server.wrong = wrong
            await fails(wire, "POST", server.url)
            tracemalloc.start()
            try:
                lost = await fails(wire, "POST", server.url)
                _, peak = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
            assert "longer than 1024 KiB" in lost.reason
            assert peak < 8 * MOST_ANSWER

    asyncio.run(main())


def test_an_answer_up_to_the_bound_is_whole() -> None:
    """One byte less than too much is an answer."""

    async def main() -> None:
        body = b"x" * MOST_ANSWER
        async with Server(lambda _: Answer(body=body)).serving() as server, opened(server.url) as wire:
            assert (await wire.call("GET", server.url)).body == body

    asyncio.run(main())


def test_a_packed_answer_is_unpacked_up_to_the_bound() -> None:
    """A server that packs although nobody asked for it is understood; a bomb is no answer."""

    async def main() -> None:
        bodies = [b'{"id": 1}', b"\0" * (20 * MOST_ANSWER)]
        answers = [Answer(body=gzip.compress(body), headers={"content-encoding": "gzip"}) for body in bodies]
        server = Server(lambda seen: answers[int(seen.path[1:])])
        async with server.serving(), opened(server.url) as wire:
            assert (await wire.call("GET", f"{server.url}/0")).json() == {"id": 1}
            lost = await fails(wire, "GET", f"{server.url}/1")
            assert (lost.verdict, "longer" in lost.reason) == (Verdict.UNKNOWN, True)
            assert {seen.headers["accept-encoding"] for seen in server.seen} == {"identity"}

    asyncio.run(main())


def test_nothing_leads_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """No redirect, no proxy of the environment, no URL of another host; and no cookie is kept."""

    async def main() -> None:
        async with Server().serving() as other, Server().serving() as server, opened(server.url) as wire:
            for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
                monkeypatch.setenv(name, other.url)
            server.elsewhere = other.url
            server.wrong = Wrong.ELSEWHERE
            for method in METHODS:
                assert (await wire.call(method, server.url)).status == 307
            server.wrong = None
            server.status = Answer(headers={"set-cookie": "session=1"})
            await wire.call("GET", server.url)
            await wire.call("GET", server.url)
            assert "cookie" not in server.seen[-1].headers
            for url in (other.url, f"{server.url}@{other.url[7:]}", f"https{server.url[4:]}"):
                assert (await fails(wire, "GET", url)).verdict is Verdict.DEFERRED
            assert other.connections == 0

    asyncio.run(main())


def test_what_goes_out_is_what_was_given() -> None:
    """The bytes of a query keep their escapes, the headers their values; we say who we are."""

    async def main() -> None:
        async with Server().serving() as server, opened(server.url) as wire:
            query = "text=%CF%F0%E8%E2%E5%F2&plus=a%2Bb&space=a+b&amp=%26%3D%23%3B"
            await wire.call("GET", f"{server.url}/p%2Fq?{query}", headers={"X-Key": "value"})
            await wire.call("POST", server.url, json={"text": "שלום"})
            await wire.call("POST", server.url, form={"a": "b c&ü"})
        got, posted, form = server.seen
        assert got.target == f"/p%2Fq?{query}"
        assert got.headers["x-key"] == "value"
        assert got.headers["user-agent"].startswith("smsbridge/")
        assert posted.json == {"text": "שלום"}
        assert (form.params, form.headers["content-type"]) == ({"a": "b c&ü"}, "application/x-www-form-urlencoded")

    asyncio.run(main())


def test_calls_at_once_have_a_connection_each() -> None:
    """As many as were asked for are under way at once, and the connections are used again."""

    async def main() -> None:
        async with Server().serving() as server, opened(server.url, connections=16) as wire:
            for _ in range(3):
                replies = await asyncio.gather(*(wire.call("POST", server.url) for _ in range(16)))
                assert [reply.status for reply in replies] == [200] * 16
            assert (len(server.seen), server.connections) == (48, 16)

    asyncio.run(main())


def test_a_closed_wire_sends_nothing() -> None:
    """Before open and after close a call surely does not leave; close may come twice."""

    async def main() -> None:
        async with Server().serving() as server:
            async with opened(server.url) as wire:
                pass
            assert (await fails(wire, "GET", server.url)).verdict is Verdict.DEFERRED
            await wire.close()
            assert server.connections == 0

    asyncio.run(main())


def test_nothing_is_logged_and_no_error_holds_the_url(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Neither httpx nor aiohttp write a line, at any level; an error's chain of causes is not shown with it."""
    caplog.set_level(logging.DEBUG)

    async def main() -> None:
        with refusing() as port, unanswering() as full:
            gone, slow = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{full}"
            async with Server().serving() as server, opened(server.url, gone, slow, connect_timeout=SHORT) as wire:
                await wire.call("GET", f"{server.url}/?key=hush", headers={"authorization": "Bearer hush"})
                for wrong in (Wrong.HUGE_HEAD, Wrong.NO_HTTP, Wrong.CLOSE):
                    server.wrong = wrong
                    lost = await fails(wire, "GET", f"{server.url}/?key=hush")
                    assert (lost.__cause__, lost.__suppress_context__) == (None, True)
                for url in (gone, slow):
                    logging.getLogger("bridge").warning("lost", exc_info=await fails(wire, "GET", f"{url}/?key=hush"))

    asyncio.run(main())
    assert "hush" not in caplog.text + "".join(capfd.readouterr())
    assert [record.name for record in caplog.records if record.name.startswith(("httpx", "aiohttp"))] == []


def test_every_error_of_the_client_has_words_and_a_verdict() -> None:
    """Every class of aiohttp's is judged; only those of a connection that never came about are "not sent"."""
    key: Any = None
    sure = set()
    for name in aiohttp.client_exceptions.__all__:
        kind = getattr(aiohttp, name)
        made = kind(key, OSError(113, "No route to host")) if name == "ClientConnectorError" else kind.__new__(kind)
        assert judge(made).reason
        if judge(made).verdict is Verdict.DEFERRED:
            sure.add(name)
    assert sure == {
        "ClientConnectorError",
        "ClientConnectorCertificateError",
        "ClientConnectorDNSError",
        "ClientConnectorSSLError",
        "ClientProxyConnectionError",
        "ClientSSLError",
        "ConnectionTimeoutError",
    }
    assert judge(RuntimeError("secret")).reason == "failed: RuntimeError"
    assert judge(TimeoutError()).verdict is Verdict.UNKNOWN
    assert len({words for _, words in _WORDS}) == len(_WORDS)


def reply(body: bytes, media_type: str = "application/json", **more: Any) -> Reply:
    """Make an answer."""
    return Reply(status=200, headers=None, body=body, media_type=media_type, **more)  # type: ignore[arg-type]


def test_json_is_what_says_that_it_is() -> None:
    """The type has to be JSON's, or one that the carrier takes for it; nesting without end is no JSON."""
    assert reply(b'\xef\xbb\xbf{"a": "\xc3\xbc"}').json() == {"a": "ü"}
    assert reply(b"[1]", "application/problem+json").json() == [1]
    assert reply(b"[1]", "text/html").json(also=["text/html"]) == [1]
    for bad in (reply(b"[1]", "text/html"), reply(b"[1]", ""), reply(b""), reply(b"[" * 100_000), reply(b"\xff")):
        with pytest.raises(BadReply):
            bad.json()


def test_text_is_read_in_its_charset() -> None:
    """What the answer names, else UTF-8; a charset that nobody knows is no error."""
    assert reply("Принято".encode("cp1251"), charset="windows-1251").text() == "Принято"
    assert reply("Принято".encode("cp1251")).text("cp1251") == "Принято"
    assert reply("Принято".encode(), charset="martian").text() == "Принято"
    assert reply(b"a\xffb").text() == "a\ufffdb"


def test_what_is_kept_of_an_answer_has_no_secret_no_text_and_no_number() -> None:
    """In none of the forms in which they travel; and it is one line of bounded length."""
    secret, text, number = 'p/ss"w&rd+ü', "line one\nline <two> & 'שלום'", "+972502345678"
    wire = Wire(
        "main", urls=["http://h"], connect_timeout=1, read_timeout=1, total_timeout=1, connections=1, secrets=[secret]
    )
    wire.hide(basic("ann", secret))
    wire.hide("")
    forms = [
        '{"p": "p\\/ss\\"w&rd+\\u00fc"} {"p": "p/ss\\"w&rd+ü"} p%2fss%22w%26rd%2b%c3%bc',
        "p%2Fss%22w%26rd%2B%C3%BC <p>p/ss&quot;w&amp;rd+ü</p>",
        basic("ann", secret),
        "you sent \"line one\\nline <two> & '\\u05e9\\u05dc\\u05d5\\u05dd'\" or line one\nline <two> & 'שלום'",
        "to 972502345678, %2B972502345678, 0502345678",
    ]
    shown = wire.shown(reply("\n".join(forms).encode()), text=text, number=number)
    for hidden in ("ss", "line", "שלום", "05e9", "2345678", basic("ann", secret)[6:]):
        assert hidden not in shown
    assert shown.isprintable()
    assert wire.shown(reply(b'{"status": 1}'), text="1", number=number) == '200 {"status": 1}'
    assert len(wire.shown(reply(b"x" * 100_000))) < 520


def test_a_secret_at_the_cut_is_hidden() -> None:
    """What is cut off is cut off after secrets are taken out."""
    wire = Wire(
        "m", urls=["http://h"], connect_timeout=1, read_timeout=1, total_timeout=1, connections=1, secrets=["hushhush"]
    )
    assert "hush" not in wire.shown(reply(b"x" * 496 + b"hushhush"))


@pytest.mark.parametrize(
    ("header", "media_type", "charset"),
    [
        ("Application/JSON; Charset=UTF-8", "application/json", "utf-8"),
        ('text/plain; charset="windows-1251"', "text/plain", "windows-1251"),
        ("", "", ""),
        ("nonsense", "", ""),
        ("text/plain; charset", "text/plain", ""),
    ],
)
def test_content_types(header: str, media_type: str, charset: str) -> None:
    """Type and charset are told in lower case; what is no type is none."""

    async def main() -> None:
        answer = Answer(media_type=header, body=b"x")
        async with Server(lambda _: answer).serving() as server, opened(server.url) as wire:
            got = await wire.call("GET", server.url)
            assert (got.media_type, got.charset) == (media_type, charset)

    asyncio.run(main())
