"""What a scraper gets."""

import asyncio
from collections import Counter
from pathlib import Path

import httpx
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse

from bridge.clock import system_clock
from bridge.web.metrics import MetricsPage
from tests.bridge.web.world import World
from tests.support import texts
from tests.support.clock import HandClock


def _values(answer: httpx.Response) -> dict[str, float]:
    assert answer.status_code == 200
    families = list(parse(answer.text))
    names = Counter(family.name for family in families)
    assert [name for name, times in names.items() if times > 1] == []
    return {
        f"{sample.name}{sorted(sample.labels.items()) or ''}": sample.value
        for family in families
        for sample in family.samples
    }


def test_counters_and_what_waits(tmp_path: Path) -> None:
    """The counters of the process, the queue in the database and how old it is, the process itself; each once."""

    async def run() -> dict[str, float]:
        world = World(tmp_path)
        old = HandClock(system_clock())
        old.advance(seconds=-90)
        texts.put(world.store, texts.make_plan(old))
        async with world.open() as client:
            await world.submit("+972502345678", "hello")
            return _values(await client.get("/metrics"))

    values = asyncio.run(run())
    assert values["smsbridge_accepted_total[('door', 'smtp')]"] == 1
    assert values["smsbridge_store_up"] == 1
    assert values["smsbridge_queued"] == 2
    assert values["smsbridge_sending"] == 0
    assert 90 <= values["smsbridge_oldest_queued_seconds"] < 100
    assert values["process_resident_memory_bytes"] > 0
    assert any(name.startswith("python_info") for name in values)


def test_an_empty_queue_is_no_seconds_old(tmp_path: Path) -> None:
    """Nothing waits: zeros, not gaps, or an alert could not end."""

    async def run() -> dict[str, float]:
        async with World(tmp_path).open() as client:
            return _values(await client.get("/metrics"))

    values = asyncio.run(run())
    assert values["smsbridge_queued"] == values["smsbridge_oldest_queued_seconds"] == 0


def test_without_a_database_the_counters_still_come(tmp_path: Path) -> None:
    """A database that is away is said by a gauge; its numbers are left out, for they would be wrong."""

    async def run() -> tuple[dict[str, float], dict[str, float]]:
        world = World(tmp_path)
        world.door._metrics = MetricsPage(world, max_age=0)
        async with world.open() as client:
            await world.submit("+972502345678", "hello")
            before = _values(await client.get("/metrics"))
            world.lose_database()
            return before, _values(await client.get("/metrics"))

    before, after = asyncio.run(run())
    assert (before["smsbridge_store_up"], after["smsbridge_store_up"]) == (1, 0)
    assert "smsbridge_queued" in before
    assert not {"smsbridge_queued", "smsbridge_sending", "smsbridge_oldest_queued_seconds"} & after.keys()
    assert after["smsbridge_accepted_total[('door', 'smtp')]"] == 1


def test_many_scrapes_are_one_look(tmp_path: Path) -> None:
    """Within a few seconds the database is asked once, whoever scrapes."""

    async def run() -> tuple[float, float]:
        world = World(tmp_path)
        async with world.open() as client:
            first = _values(await client.get("/metrics"))
            await world.submit("+972502345678", "hello")
            second = _values(await client.get("/metrics"))
        return first["smsbridge_queued"], second["smsbridge_queued"]

    assert asyncio.run(run()) == (0, 0)


def test_a_scraper_that_speaks_openmetrics_gets_it(tmp_path: Path) -> None:
    """The format is the one asked for, and it parses as that."""

    async def run() -> httpx.Response:
        async with World(tmp_path).open() as client:
            return await client.get("/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"})

    answer = asyncio.run(run())
    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert "smsbridge_queued" in {family.name for family in parse_openmetrics(answer.text)}


def test_a_door_leaves_the_registry_as_it_was(tmp_path: Path) -> None:
    """One that is closed and opened again does not find its own metrics in the way."""

    async def run() -> None:
        world = World(tmp_path)
        for _ in range(2):
            await world.door.open()
            await world.door.close(grace=1)
        world.store.close()

    asyncio.run(run())
