"""What load balancers ask."""

import asyncio
from pathlib import Path

import httpx
import pytest

from bridge.doors import Health
from tests.bridge.web.world import World

READY = Health(live=True)
UNREADY = Health(live=True, problems=("database: no space left", "starting or stopping"))
DEAD = Health(live=False, problems=("a part of the bridge has ended",))


@pytest.mark.parametrize(
    ("path", "now", "status"),
    [
        ("/health/live", READY, 200),
        ("/health/live", UNREADY, 200),
        ("/health/live", DEAD, 503),
        ("/health/ready", READY, 200),
        ("/health/ready", UNREADY, 503),
        ("/health/ready", DEAD, 503),
        ("/health", UNREADY, 503),
        ("/health", READY, 200),
    ],
)
def test_health(tmp_path: Path, path: str, now: Health, status: int) -> None:
    """Live until a part has died; ready while there is no problem; the problems are told, and nothing is cached."""

    async def ask() -> httpx.Response:
        world = World(tmp_path)
        async with world.open() as client:
            world.now = now
            return await client.get(path)

    answer = asyncio.run(ask())
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/health+json"
    assert answer.headers["cache-control"] == "no-store"
    if status == 200:
        assert answer.json() == {"status": "pass"}
    else:
        assert answer.json() == {"status": "fail", "problems": list(now.problems)}
