"""What upstreams call: who is let in, what is applied, and what they hear."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from bridge.carriers.base import Call, Forged, Received, Unreadable, Urls
from bridge.carriers.generic.carrier import Generic
from bridge.carriers.generic.settings import GenericSettings
from bridge.clock import system_clock
from bridge.model.errors import StoreUnavailable
from bridge.model.message import Report
from bridge.model.state import State
from bridge.web.answers import shown
from bridge.web.callbacks import MOST_BODY
from tests.bridge.web.world import World
from tests.support.carriers import Scripted

SECRET = "the-last-part-of-the-path"
NUMBER = "+972502345678"


class Hearing(Scripted):
    """A carrier that is called, and reads calls by a function."""

    def __init__(self, name: str, read: Callable[[Call], Received], secret: str | None = SECRET) -> None:
        super().__init__(name)
        self.callback_secret = SecretStr(secret) if secret is not None else None
        self.calls: list[Call] = []
        self._read = read

    def called_at(self, urls: Urls) -> None:
        return

    def receive(self, call: Call) -> Received:
        self.calls.append(call)
        return self._read(call)


def generic(name: str = "main") -> Generic:
    """Make a carrier of kind http that hears reports and replies."""
    table = {
        "kind": "http",
        "url": "https://gateway.example.com/",
        "fields": {"to": "{{to}}", "text": "{{text}}"},
        "id": "/id",
        "callback_secret": SECRET,
        "callback_id": "id",
        "callback_state": "state",
        "callback_states": {"ok": "delivered", "bad": "undelivered"},
        "inbound_from": "from",
        "inbound_text": "text",
    }
    return Generic(name, GenericSettings.model_validate(table), clock=system_clock)


def report(carrier_id: str) -> Report:
    """Make a good report."""
    return Report(carrier="main", state=State.DELIVERED, at=system_clock(), carrier_id=carrier_id)


def counted(world: World) -> dict[tuple[str, str], float]:
    """Return the calls by carrier and result."""
    (family,) = world.metrics.carrier_calls.collect()
    return {
        (sample.labels["carrier"], sample.labels["result"]): sample.value
        for sample in family.samples
        if sample.name.endswith("_total")
    }


async def sent(world: World, *carrier_ids: str) -> None:
    """Have texts that the carrier took, under these ids."""
    for place, carrier_id in enumerate(carrier_ids):
        receipt = await world.submit(NUMBER, f"text {place}")
        with world.store.write() as connection:
            connection.exec_driver_sql(
                "UPDATE recipients SET state = 'sent', carrier = 'main', carrier_id = ? WHERE message_id = ?",
                (carrier_id, receipt.message_id),
            )


def states(world: World) -> dict[str, str]:
    """Return the states of texts by the carrier's id."""
    with world.store.read() as connection:
        rows = connection.exec_driver_sql("SELECT carrier_id, state FROM recipients").all()
    return {row[0]: row[1] for row in rows}


def test_reports_and_replies_are_durable_when_they_are_answered(tmp_path: Path) -> None:
    """A report moves its text, a reply is an event; both by whichever method, on either path."""

    async def main() -> None:
        async with (world := World(tmp_path, carriers={"main": generic()})).open() as client:
            await sent(world, "a", "b")
            path = f"/carriers/main/callback/{SECRET}"
            answer = await client.get(path, params={"id": "a", "state": "ok"})
            assert (answer.status_code, answer.text) == (200, "OK")
            assert answer.headers["content-type"].startswith("text/plain")
            assert (await client.put(path, json=[{"id": "b", "state": "bad"}])).status_code == 200
            assert states(world) == {"a": "delivered", "b": "undelivered"}
            inbound = f"/carriers/main/inbound/{SECRET}"
            assert (await client.post(inbound, data={"from": NUMBER, "text": "שלום"})).status_code == 200
            with world.store.read() as connection:
                kept = connection.exec_driver_sql("SELECT data FROM events WHERE kind = 'inbound'").scalars().all()
            assert [json.loads(data)["text"] if isinstance(data, str) else data["text"] for data in kept] == ["שלום"]
            assert counted(world) == {("main", "taken"): 3}

    asyncio.run(main())


@pytest.mark.parametrize("decrypts", [True, False])
def test_what_takes_long_to_open_stops_nobody(tmp_path: Path, *, decrypts: bool) -> None:
    """A carrier that decrypts has its calls read beside the loop; all others have them read at once."""
    threads: list[threading.Thread] = []

    def read(_call: Call) -> Received:
        threads.append(threading.current_thread())
        raise Forged("no signature")

    async def main() -> None:
        carrier = Hearing("main", read)
        carrier.decrypts = decrypts  # type: ignore[attr-defined]
        async with World(tmp_path, carriers={"main": carrier}).open() as client:
            assert (await client.post(f"/carriers/main/callback/{SECRET}")).status_code == 403

    asyncio.run(main())
    (thread,) = threads
    assert (thread is threading.main_thread()) is not decrypts


def test_a_call_of_many_reports_is_one_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred reports in one call are applied in one transaction."""

    async def main() -> None:
        ids = [f"c{place}" for place in range(100)]
        async with (world := World(tmp_path, carriers={"main": generic()})).open() as client:
            await sent(world, *ids)
            jobs = 0
            run = world.writer.run

            async def counting(job: Any) -> Any:
                nonlocal jobs
                jobs += 1
                return await run(job)

            monkeypatch.setattr(world.writer, "run", counting)
            body = [{"id": each, "state": "ok"} for each in ids]
            assert (await client.post(f"/carriers/main/callback/{SECRET}", json=body)).status_code == 200
            assert jobs == 1
            assert set(states(world).values()) == {"delivered"}

    asyncio.run(main())


def test_a_double_and_an_unknown_report_are_harmless(tmp_path: Path) -> None:
    """They are answered like the others: the upstream need not come again."""

    async def main() -> None:
        async with (world := World(tmp_path, carriers={"main": generic()})).open() as client:
            await sent(world, "a")
            for params in ({"id": "a", "state": "ok"}, {"id": "a", "state": "ok"}, {"id": "zzz", "state": "ok"}):
                answer = await client.get(f"/carriers/main/callback/{SECRET}", params=params)
                assert answer.status_code == 200
            assert (await client.get(f"/carriers/main/callback/{SECRET}?id=a&state=read")).status_code == 200
            assert states(world) == {"a": "delivered"}

    asyncio.run(main())


STRANGE = (
    f"/carriers/other/callback/{SECRET}",
    f"/carriers/silent/callback/{SECRET}",
    f"/carriers/plain/callback/{SECRET}",
    f"/carriers/main/callback/{SECRET}x",
    f"/carriers/main/callback/{SECRET[:-1]}",
    f"/carriers/main/callback/{SECRET.upper()}",
    "/carriers/main/callback/%ff%00",
    "/carriers/main/inbound/none",
    f"/carriers/main/elsewhere/{SECRET}",
    f"/carriers/main/callback/{SECRET}/more",
    "/carriers/main/callback/",
)


def test_who_has_not_the_secret_finds_nothing(tmp_path: Path) -> None:
    """An unknown name, one that takes no calls, and a wrong secret have the same answer, and the carrier no call."""

    async def main() -> None:
        carriers = {
            "main": Hearing("main", lambda _: Received()),
            "silent": Hearing("silent", lambda _: Received(), secret=None),
            "plain": Scripted("plain"),
        }
        async with (world := World(tmp_path, carriers=carriers)).open() as client:
            for method in ("GET", "POST"):
                nothing = await client.request(method, "/nothing")
                for path in STRANGE:
                    answer = await client.request(method, path, content=b"x" * 10)
                    assert (answer.status_code, answer.content) == (404, nothing.content), path
                    assert answer.headers.keys() == nothing.headers.keys()
            assert carriers["main"].calls == []  # type: ignore[attr-defined]
            assert counted(world) == {("none", "unknown"): 2 * 8}

    asyncio.run(main())


def test_the_carrier_hears_the_call_as_it_came(tmp_path: Path) -> None:
    """Bytes of query and body, header names in lower case, which of the two paths: signatures are over them."""

    async def main() -> None:
        carrier = Hearing("my carrier", lambda _: Received(answer=b"<ok/>", media_type="text/xml"))
        async with World(tmp_path, carriers={"my carrier": carrier}).open() as client:
            answer = await client.request(
                "PATCH",
                f"/carriers/my%20carrier/inbound/{SECRET}?a=%CF%F0&b=+1",
                content=b"\xcf\xf0\x00",
                headers={"X-Signature": "Abc"},
            )
            assert (answer.status_code, answer.content) == (200, b"<ok/>")
            assert answer.headers["content-type"].startswith("text/xml")
        (call,) = carrier.calls
        assert (call.method, call.inbound) == ("PATCH", True)
        assert (call.query, call.body) == (b"a=%CF%F0&b=+1", b"\xcf\xf0\x00")
        assert call.headers["x-signature"] == "Abc"

    asyncio.run(main())


@pytest.mark.parametrize(
    ("error", "status", "result"),
    [
        (Forged("the signature is wrong"), 403, "forged"),
        (Unreadable("no JSON"), 400, "unreadable"),
        (StoreUnavailable("the database is away"), 503, "trouble"),
        (ValueError(f"bad text from {NUMBER}: classified"), 503, "failed"),
    ],
)
def test_what_is_not_taken_is_told_and_counted(
    error: Exception, status: int, result: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """4xx for what is wrong with the call, 5xx for what is ours: then the upstream comes again."""

    def read(_call: Call) -> Received:
        raise error

    async def main() -> None:
        async with (world := World(tmp_path, carriers={"main": Hearing("main", read)})).open() as client:
            answer = await client.post(f"/carriers/main/callback/{SECRET}", content=b"classified")
            assert answer.status_code == status
            assert "classified" not in answer.text
            assert counted(world) == {("main", result): 1}

    with capture_logs() as logs:
        asyncio.run(main())
    told = [line for line in logs if line.get("carrier") == "main"]
    assert len(told) == (0 if result == "trouble" else 1)
    assert "classified" not in str(logs) + "".join(capfd.readouterr())


def test_trouble_with_the_database_brings_the_upstream_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What could not be kept is answered 503; the same call is taken once the database is back."""

    async def main() -> None:
        async with (world := World(tmp_path, carriers={"main": generic()})).open() as client:
            await sent(world, "a")
            take = world.news.take
            away = True

            async def taking(*news: Any) -> Any:
                if away:
                    raise StoreUnavailable("the database is away")
                return await take(*news)

            monkeypatch.setattr(world.news, "take", taking)
            path = f"/carriers/main/callback/{SECRET}?id=a&state=ok"
            answer = await client.get(path)
            assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable")
            assert int(answer.headers["retry-after"]) > 0
            away = False
            assert (await client.get(path)).status_code == 200
            assert states(world) == {"a": "delivered"}

    asyncio.run(main())


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_is_bounded(chunked: bool, tmp_path: Path) -> None:  # noqa: FBT001
    """1 MiB is taken, a byte more is answered 413, also where the length is not told; the carrier does not see it."""

    async def main() -> None:
        carrier = Hearing("main", lambda _: Received())
        async with (world := World(tmp_path, carriers={"main": carrier})).open() as client:

            async def chunks(size: int) -> Any:
                for _ in range(size // MOST_BODY):
                    yield b"x" * MOST_BODY
                yield b"x" * (size % MOST_BODY)

            async def post(size: int) -> httpx.Response:
                content = chunks(size) if chunked else b"x" * size
                return await client.post(f"/carriers/main/callback/{SECRET}", content=content)

            assert (await post(MOST_BODY)).status_code == 200
            for size in (MOST_BODY + 1, 10_000_000):
                assert (await post(size)).status_code == 413
            assert [len(call.body) for call in carrier.calls] == [MOST_BODY]
            assert counted(world) == {("main", "taken"): 1, ("main", "too large"): 2}

    asyncio.run(main())


def test_the_secret_is_in_no_log(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Whatever becomes of a call, also of one that is cut off when the bridge stops."""
    caplog.set_level(logging.DEBUG, logger="uvicorn")
    begun = asyncio.Event()

    def read(call: Call) -> Received:
        if call.method == "DELETE":
            raise RuntimeError(SECRET)
        return Received(reports=[report("a")], inbounds=[])

    async def main() -> None:
        world = World(tmp_path, carriers={"main": Hearing("main", read)})
        async with world.open() as client:
            path = f"/carriers/main/callback/{SECRET}"
            await client.get(path)
            await client.delete(path)

            async def never(*_: Any) -> Any:
                begun.set()
                await asyncio.Event().wait()

            monkeypatch.setattr(world.news, "take", never)
            hanging = asyncio.create_task(client.get(path))
            await begun.wait()
            await world.door.close(grace=0.05)
            with pytest.raises(httpx.TransportError):
                await hanging

    with capture_logs() as logs:
        asyncio.run(main())
    assert {line["event"] for line in logs} == {"callback failed", "request cut off"}
    assert SECRET not in str(logs) + caplog.text + "".join(capfd.readouterr())


@pytest.mark.parametrize(
    ("path", "logged"),
    [
        ("/carriers/main/callback/hush", "/carriers/main/callback/..."),
        ("//carriers/main//inbound/hush/hush", "//carriers/main//inbound/..."),
        ("/carriers/main/callback/", "/carriers/main/callback/..."),
        ("/carriers/a\nb/callback/hush", "/carriers/a\nb/callback/..."),
        ("/health/live", "/health/live"),
    ],
)
def test_paths_in_logs(path: str, logged: str) -> None:
    """Only those that end in a secret are cut."""
    assert shown(path) == logged


def test_urls_are_under_the_public_one() -> None:
    """The name is quoted, and a repr hides the secret."""
    urls = Urls.under("https://sms.example.com/base/", "my carrier", "hush")
    assert urls.callback == "https://sms.example.com/base/carriers/my%20carrier/callback/hush"
    assert "hush" not in repr(urls)
