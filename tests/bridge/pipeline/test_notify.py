"""Customers' programs are called over real sockets: once where they answer, again where not, and never elsewhere."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from functools import partial
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from bridge.model.errors import StoreUnavailable
from bridge.model.state import State
from bridge.pipeline.callbacks import look_up
from bridge.pipeline.commit import Writer
from bridge.pipeline.notify import LOST, Notifier, Tempo
from bridge.pipeline.retry import Backoff
from bridge.store import callbacks, events
from bridge.store.engine import Store
from bridge.store.tables import callbacks as table
from bridge.telemetry import Metrics
from tests.bridge.pipeline.program import OK, Program, status
from tests.support import certificates
from tests.support.carriers import until
from tests.support.clock import HandClock
from tests.support.desk import Desk
from tests.support.texts import number

LOOPBACK = (ip_network("127.0.0.0/8"),)
WAIT = timedelta(seconds=10)
CALM = Tempo(timeout=20.0, poll=0.01, backoff=Backoff(first=WAIT, ceiling=timedelta(minutes=10), jitter=0.0))


def quick(**changes: Any) -> Tempo:
    """Return a tempo with something else in it."""
    given = {name: getattr(CALM, name) for name in ("timeout", "poll", "backoff")} | changes
    return Tempo(**given)


class Ringing(Desk):
    """A desk whose texts come to their ends, and whose calls are made while :meth:`open` holds."""

    def __init__(self, store: Store, clock: HandClock) -> None:
        super().__init__(store, clock)
        self.metrics = Metrics()
        self.writer: Writer
        self.notifier: Notifier
        self.account()

    @asynccontextmanager
    async def open(self, tempo: Tempo = CALM, **options: Any) -> AsyncIterator[Notifier]:
        """Start a notifier that may call loopback, with a writer of its own."""
        self.writer = Writer(self.store)
        self.writer.start()
        given: dict[str, Any] = {"allowed": LOOPBACK, "chance": lambda: 0.0} | options
        self.notifier = Notifier(
            store=self.store,
            writer=self.writer,
            metrics=self.metrics,
            tempo=tempo,
            **given,
        )
        self.notifier.start()
        try:
            yield self.notifier
        finally:
            await self.notifier.stop(grace=5.0)
            await self.writer.stop()

    def end(  # type: ignore[override]
        self, url: str, *to: str, state: State = State.DELIVERED, account: int = 1
    ) -> str:
        """Take a text with a URL, and let it come to its end at once; returns its message's id."""
        receipt = self.submit(*(to or (number(1),)), callback_url=url, account=account)
        rows: list[events.NewEvent] = [
            (account, state, receipt.message_id, place, {}) for place in range(1, len(receipt.results) + 1)
        ]
        self.change(lambda connection: events.add(connection, rows, now=self.clock.ms))
        return receipt.message_id or ""

    def left(self) -> int:
        """Return how many calls are still to be made."""
        return self.read(callbacks.count)

    def first(self) -> Any:
        """Return the call that was written first."""
        hosts = self.read(callbacks.waiting_hosts)
        found = [call for host in hosts for call in self.of_host(host)]
        return min(found, key=lambda call: call.id)

    def of_host(self, host: str) -> list[callbacks.Call]:
        """Return all calls of a host."""
        return self.read(partial(callbacks.due, host=host, now=1 << 60, limit=1000))

    def why(self) -> str | None:
        """Return why the first of the calls that are left failed last."""
        with self.store.read() as connection:
            return connection.scalar(select(table.c.reason).order_by(table.c.id).limit(1))

    def resting(self) -> int:
        """Return how often in a row the hosts failed to answer."""
        return sum(rest.failures for rest in self.notifier._resting.values())

    def counted(self) -> dict[str, float]:
        """Return how often each outcome was counted."""
        found = {}
        for metric in self.metrics.callbacks.collect():
            for sample in metric.samples:
                if sample.name.endswith("_total"):
                    found[sample.labels["outcome"]] = sample.value
        return found

    def run(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run a test's coroutine, for a bounded time."""

        async def bounded() -> None:
            async with asyncio.timeout(60):
                await work()

        asyncio.run(bounded())


@pytest.fixture
def ringing(store: Store, clock: HandClock) -> Iterator[Ringing]:
    """One account, on SQLite: what the two databases do differently is asked of the queries."""
    return Ringing(store, clock)  # type: ignore[return-value]


def test_a_call_as_it_is_made(any_store: Store, clock: HandClock) -> None:
    """A form in UTF-8 is posted to the URL, by a name of its own, once; then it is forgotten."""
    ringing = Ringing(any_store, clock)
    program = Program()

    async def work() -> None:
        async with program.serve(), ringing.open():
            message_id = ringing.end(program.url("/a/b?c=%20d"))
            await until(lambda: len(program.calls) == 1 and ringing.left() == 0)
            (call,) = program.calls
            assert call.line == "POST /a/b?c=%20d HTTP/1.1"
            assert call.headers["host"] == f"127.0.0.1:{program.port}"
            assert call.headers["content-type"] == "application/x-www-form-urlencoded; charset=utf-8"
            assert call.headers["user-agent"].startswith("smsbridge/")
            assert list(call.fields) == list(callbacks.REPORT_FIELDS)
            assert call.fields["recipient_id"] == f"{message_id}-1"
            assert call.fields["status"] == "delivered"

    ringing.run(work)
    assert len(program.calls) == 1
    assert ringing.counted() == {"made": 1.0}


@pytest.mark.parametrize(
    "answer",
    [
        OK,
        status(204),
        status(299),
        status(200, headers="Set-Cookie: a=b\r\n"),
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n" + b"x" * 100_000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz",
        b"HTTP/1.0 200 OK\r\n\r\nand so on",
        status(200, headers="Content-Encoding: gzip\r\n", body=b"no gzip"),
    ],
)
def test_what_counts_as_made(ringing: Ringing, answer: bytes) -> None:
    """A status from 200 to 299, whatever follows it, however long; and no cookie comes back."""
    program = Program(answer=lambda _: answer, closes=True)

    async def work() -> None:
        async with program.serve(), ringing.open():
            ringing.end(program.url())
            await until(lambda: ringing.left() == 0)
            ringing.end(program.url())
            await until(lambda: ringing.left() == 0)

    ringing.run(work)
    assert len(program.calls) == 2
    assert "cookie" not in program.calls[1].headers
    assert ringing.counted() == {"made": 2.0}


ELSEWHERE = "http://127.0.0.1:9/elsewhere"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (status(500), "status 500"),
        (status(404), "status 404"),
        (status(302, headers=f"Location: {ELSEWHERE}\r\n"), "status 302"),
        (b"", "RemoteProtocolError"),
        (b"220 mail.example.com ESMTP\r\n", "RemoteProtocolError"),
        (b"HTTP/1.1 200", "RemoteProtocolError"),
    ],
)
def test_what_fails_is_called_again(ringing: Ringing, answer: bytes, reason: str) -> None:
    """After the wait, and longer each time, with the same event; no redirect is followed."""
    answers = [answer, answer, OK]
    program = Program(answer=lambda _: answers[len(program.calls) - 1], closes=True)

    async def work() -> None:
        async with program.serve(), ringing.open():
            ringing.end(program.url())
            for attempt, wait in enumerate((10, 20), start=1):
                await until(lambda attempt=attempt: ringing.first().attempts == attempt)  # type: ignore[misc]
                assert ringing.why() == reason
                assert len(program.calls) == attempt
                ringing.clock.advance(ms=wait * 1000 - 1)
                await ringing_round(ringing)
                assert len(program.calls) == attempt
                ringing.clock.advance(ms=1)
            await until(lambda: ringing.left() == 0)

    ringing.run(work)
    assert len(program.calls) == 3
    assert len({call.fields["event_id"] for call in program.calls}) == 1
    assert ringing.counted() == {"failed": 2.0, "made": 1.0}


async def ringing_round(ringing: Ringing) -> None:
    """Let the notifier look for calls at least once more."""
    seen = 0
    hosts = ringing.notifier._hosts

    def counting() -> tuple[int, dict[str, callbacks.Next]]:
        nonlocal seen
        found = hosts()
        seen += 1
        return found

    ringing.notifier._hosts = counting  # type: ignore[method-assign]
    await until(lambda: seen >= 2)
    ringing.notifier._hosts = hosts  # type: ignore[method-assign]


# --- hosts that are slow, or dead ---


def test_a_slow_host_holds_up_no_other(ringing: Ringing) -> None:
    """While one host lets all its calls wait, another has all of its own; and never more than its share at once."""
    slow, fast = Program(), Program()

    async def work() -> None:
        slow.hold = asyncio.Event()
        async with slow.serve(), fast.serve(), ringing.open():
            ringing.end(slow.url())
            ringing.end(slow.url(), *map(number, range(20)))
            await until(lambda: slow.under_way == 1)
            ringing.end(fast.url(), *map(number, range(20)))
            await until(lambda: len(fast.calls) == 20)
            assert len(slow.calls) == 1
            first, slow.hold = slow.hold, asyncio.Event()
            first.set()
            await until(lambda: slow.under_way == CALM.per_host)
            await ringing_round(ringing)
            slow.hold.set()
            await until(lambda: ringing.left() == 0)

    ringing.run(work)
    assert len(slow.calls) == 21
    assert slow.most == CALM.per_host
    assert fast.most <= CALM.per_host
    assert fast.connections <= CALM.per_host


def test_a_host_that_does_not_answer_rests(ringing: Ringing) -> None:
    """One call finds it out, all others wait; it is asked again after each wait, and then has them all."""
    program = Program()
    tempo = quick(timeout=0.2)

    async def work() -> None:
        program.hold = asyncio.Event()
        async with program.serve(), ringing.open(tempo):
            ringing.end(program.url(), *map(number, range(10)))
            await until(lambda: len(program.calls) == 1 and ringing.resting() == 1)
            assert ringing.why() == "no answer in time"
            await ringing_round(ringing)
            assert len(program.calls) == 1
            ringing.clock.advance(seconds=10)
            await until(lambda: len(program.calls) == 2 and ringing.resting() == 2)
            ringing.clock.advance(seconds=19)
            await ringing_round(ringing)
            assert len(program.calls) == 2
            program.hold.set()
            ringing.clock.advance(seconds=1)
            await until(lambda: ringing.left() == 0)

    ringing.run(work)
    assert len(program.calls) == 12


def test_a_host_that_is_not_there(ringing: Ringing) -> None:
    """A refused connection is one failed call; the next ones come when it listens."""
    program = Program()

    async def work() -> None:
        async with program.serve():
            url = program.url()
        async with ringing.open():
            ringing.end(url, number(1), number(2))
            await until(lambda: ringing.left() == 2 and ringing.first().attempts == 1)
            assert ringing.why() == "ConnectError"
            async with program.serve():
                ringing.clock.advance(seconds=10)
                await until(lambda: ringing.left() == 0)

    ringing.run(work)
    assert len(program.calls) == 2


def test_more_hosts_than_lines(ringing: Ringing) -> None:
    """Where all lines are busy, the host that was called longest ago comes first: nobody waits for a long queue."""
    first, second, third = programs = [Program() for _ in range(3)]
    so_far: list[int] = []

    def answer(_: object) -> bytes:
        so_far.append(len(first.calls))
        return OK

    second.answer = third.answer = answer

    async def work() -> None:
        async with AsyncExitStack() as stack:
            for program in programs:
                await stack.enter_async_context(program.serve())
            ringing.end(first.url(), *map(number, range(60)))
            for program in (second, third):
                ringing.end(program.url())
            await stack.enter_async_context(ringing.open(quick(lines=1, per_host=1, turn=0.0, batch=10)))
            await until(lambda: ringing.left() == 0)

    ringing.run(work)
    assert len(so_far) == 2
    assert all(calls <= 20 for calls in so_far)


def test_an_account_of_many_hosts_holds_up_no_other(ringing: Ringing) -> None:
    """One that names more slow hosts than there are lines, and was first, does not have all the lines."""
    held = asyncio.Event()
    slow, fast = [Program(hold=held) for _ in range(5)], Program()
    other = ringing.account("other")

    async def work() -> None:
        async with AsyncExitStack() as stack:
            for program in (*slow, fast):
                await stack.enter_async_context(program.serve())
            for program in slow:
                ringing.end(program.url())
                ringing.clock.advance(ms=1)
            ringing.end(fast.url(), *map(number, range(20)), account=other)
            await stack.enter_async_context(ringing.open(quick(lines=2)))
            await until(lambda: len(fast.calls) == 20)
            assert len([program for program in slow if program.calls]) == 1
            await until(lambda: len([program for program in slow if program.calls]) == 2)
            held.set()
            await until(lambda: ringing.left() == 0)

    ringing.run(work)


# --- where it leads ---


def named(*addresses: str) -> Callable[[str, int], Coroutine[Any, Any, Sequence[str]]]:
    """Return a resolver that knows one answer after the other, the last one for ever."""
    left = [addresses[:1], addresses[1:]] if len(addresses) > 1 else [addresses]

    async def resolve(_host: str, _port: int) -> Sequence[str]:
        return left.pop(0) if len(left) > 1 else left[0]

    return resolve


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "::1", "10.0.0.1", "169.254.169.254", "192.168.0.1", "::", "::ffff:127.0.0.1", "fe80::1%lo"],
)
def test_a_name_that_means_a_machine_beside_us(ringing: Ringing, address: str) -> None:
    """What a public name resolves to is judged when it is called: no connection is made to what is not public."""
    program = Program()

    async def work() -> None:
        async with program.serve(), ringing.open(allowed=(), resolve=named(address)):
            ringing.end(program.url(host="program.example.com"))
            await until(lambda: ringing.left() == 1 and ringing.first().attempts == 1)
            assert ringing.why() == "the host has no public address"

    ringing.run(work)
    assert program.connections == 0


def test_a_name_that_changes_its_mind(ringing: Ringing) -> None:
    """The connection is made to the address that was judged, and the next call judges anew."""
    program = Program(closes=True)
    seen: list[str] = []

    async def resolve(host: str, _port: int) -> Sequence[str]:
        seen.append(host)
        return ["127.0.0.1"] if len(seen) == 1 else ["127.0.0.2"]

    async def work() -> None:
        allowed = (ip_network("127.0.0.1"),)
        async with program.serve(), ringing.open(allowed=allowed, resolve=resolve):
            ringing.end(program.url(host="program.example.com"))
            await until(lambda: ringing.left() == 0)
            ringing.end(program.url(host="program.example.com"))
            await until(lambda: ringing.left() == 1 and ringing.first().attempts == 1)

    ringing.run(work)
    assert program.calls[0].headers["host"] == f"program.example.com:{program.port}"
    assert len(program.calls) == 1
    assert seen == ["program.example.com"] * 2


def test_addresses_that_may_be_called_are_tried_in_turn(ringing: Ringing) -> None:
    """One that is not public is passed over, and one where nobody listens is followed by the next."""
    program = Program()

    async def work() -> None:
        async with program.serve():

            async def resolve(_host: str, _port: int) -> Sequence[str]:
                return ["10.0.0.1", "127.0.0.9", "127.0.0.1"]

            async with ringing.open(resolve=resolve):
                ringing.end(program.url(host="program.example.com"))
                await until(lambda: ringing.left() == 0)

    ringing.run(work)
    assert len(program.calls) == 1


def test_a_name_that_nobody_knows(ringing: Ringing) -> None:
    """It is one failed call, by this machine's own resolver; a name that it knows is called."""
    program = Program()

    async def unknown(_host: str, _port: int) -> Sequence[str]:
        raise OSError("no such name")

    async def work() -> None:
        async with ringing.open(resolve=unknown):
            ringing.end("http://nowhere.example.com/")
            await until(lambda: ringing.left() == 1 and ringing.first().attempts == 1)
        assert "127.0.0.1" in await look_up("localhost", 80)
        with pytest.raises(OSError, match=r"."):
            await look_up("a..b", 80)
        ringing.clock.advance(seconds=3600)
        async with program.serve(), ringing.open(allowed=(*LOOPBACK, ip_network("::1"))):
            ringing.end(program.url(host="localhost"))
            await until(lambda: len(program.calls) == 1)

    ringing.run(work)


def test_ipv6(ringing: Ringing) -> None:
    """A URL with an IPv6 address is called as any other."""
    program = Program()

    async def work() -> None:
        async with program.serve(host="::1"), ringing.open(allowed=(ip_network("::1"),)):
            ringing.end(program.url(host="[::1]"))
            await until(lambda: ringing.left() == 0)

    ringing.run(work)
    assert program.calls[0].headers["host"] == f"[::1]:{program.port}"


def test_tls_is_that_of_the_name(ringing: Ringing, tmp_path: Path) -> None:
    """The certificate is checked against the URL's name, which the server is told; another name's is refused."""
    public, private = certificates.made(tmp_path, "program.example.com")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(public, private)
    trust = ssl.create_default_context(cafile=str(public))
    program = Program()

    async def work() -> None:
        async with program.serve(tls=tls), ringing.open(resolve=named("127.0.0.1"), trust=trust):
            ringing.end(program.url(host="program.example.com", scheme="https"))
            await until(lambda: ringing.left() == 0)
            ringing.end(program.url(host="other.example.com", scheme="https"))
            await until(lambda: ringing.left() == 1 and ringing.first().attempts == 1)
        async with program.serve(tls=tls), ringing.open(resolve=named("127.0.0.1")):
            ringing.end(program.url(host="program.example.com", scheme="https"))
            await until(lambda: ringing.counted().get("failed") == 2.0)

    ringing.run(work)
    assert len(program.calls) == 1
    assert program.names == ["program.example.com", "other.example.com", "program.example.com"]


# --- how long ---


def alive(notifier: Notifier) -> bool:
    """Tell whether the notifier's task runs, and should."""
    return notifier.task is not None and not notifier.task.done()


def test_a_call_that_is_given_up(ringing: Ringing) -> None:
    """What fails for its lifetime is dropped, with an event of its text; what was never tried too."""
    program = Program(answer=lambda _: status(503))
    tempo = quick(lifetime=timedelta(minutes=1))

    async def work() -> None:
        async with program.serve(), ringing.open(tempo):
            message_id = ringing.end(program.url())
            await until(lambda: ringing.first().attempts == 1)
            ringing.clock.advance(ms=59_999)
            await until(lambda: ringing.first().attempts == 2)
            await ringing_round(ringing)
            assert ringing.left() == 1
            ringing.clock.advance(ms=1 + 30_000)
            await until(lambda: "dropped" in ringing.counted())
            assert ringing.left() == 0
            found = ringing.read(partial(events.of_message, message_id=message_id))
            assert [(one["kind"], one["position"]) for one in found] == [("delivered", 1), (LOST, 1)]
            assert found[1]["data"] == {
                "host": f"127.0.0.1:{program.port}",
                "service": "sms_report",
                "attempts": 2,
                "reason": "status 503",
            }

    ringing.run(work)
    assert ringing.counted() == {"failed": 2.0, "dropped": 1.0}


def test_stopping_lets_calls_end(ringing: Ringing) -> None:
    """What is under way gets its answer and is not made again; nothing more is begun."""
    program = Program()

    async def work() -> None:
        program.hold = asyncio.Event()
        async with program.serve():
            async with ringing.open() as notifier:
                ringing.end(program.url(), number(1), number(2))
                await until(lambda: program.under_way == 1)
                assert alive(notifier)
                stopping = asyncio.create_task(notifier.stop(grace=20.0))
                await asyncio.sleep(0)
                program.hold.set()
                await stopping
                assert not alive(notifier)
            assert ringing.left() == 1

    ringing.run(work)
    assert len(program.calls) == 1


def test_stopping_waits_for_nobody_for_ever(ringing: Ringing) -> None:
    """A call that has no answer when the grace is over is cut off, and made again by the next process."""
    program = Program()

    async def work() -> None:
        program.hold = asyncio.Event()
        async with program.serve():
            async with ringing.open() as notifier:
                ringing.end(program.url())
                await until(lambda: program.under_way == 1)
                await notifier.stop(grace=0.0)
            assert (ringing.left(), ringing.first().attempts) == (1, 0)
            program.hold.set()
            async with ringing.open():
                await until(lambda: ringing.left() == 0)

    ringing.run(work)
    assert [call.fields["event_id"] for call in program.calls] == [program.calls[0].fields["event_id"]] * 2


def test_a_store_that_is_away(ringing: Ringing, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call whose end cannot be written is not made again meanwhile; when the store is back all goes on."""
    program = Program()
    monkeypatch.setattr("bridge.pipeline.notify._TROUBLE_PAUSE", 0.01)
    away = [True]
    tried: list[None] = []
    write = Notifier._write

    def failing(self: Notifier, *args: Any, **options: Any) -> int:
        if away:
            tried.append(None)
            raise StoreUnavailable("away")
        return write(self, *args, **options)

    monkeypatch.setattr(Notifier, "_write", failing)

    async def work() -> None:
        async with program.serve(), ringing.open():
            ringing.end(program.url(), number(1), number(2))
            await until(lambda: len(tried) >= 3)
            await ringing_round(ringing)
            assert len(program.calls) == 1
            away.clear()
            await until(lambda: ringing.left() == 0)

    ringing.run(work)
    assert len(program.calls) == 2


def test_one_line_that_breaks_stops_no_other(ringing: Ringing, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row that cannot be read is a line in the log; other hosts are called, and the task lives on."""
    program = Program()

    async def work() -> None:
        async with program.serve(), ringing.open() as notifier:
            ringing.end("http://127.0.0.2:9/")
            with ringing.store.write() as connection:
                connection.execute(table.update().values(fields="no JSON"))
            ringing.end(program.url())
            await until(lambda: len(program.calls) == 1)
            assert alive(notifier)

    ringing.run(work)
