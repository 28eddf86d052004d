"""The floor of a carrier: a loop that posts texts on the transport that carriers use, and does nothing else.

``--client`` puts httpx's own client around the transport, as a program would that uses it as it is.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from itertools import islice
from typing import TYPE_CHECKING

import httpx
from httpx_aiohttp import AiohttpTransport

from bench.mails import numbers
from bench.rows import TEXT
from bridge.app import loop_factory
from bridge.carriers.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEADERS = {"authorization": "Bearer 0123456789abcdef"}


def _bodies(texts: int) -> Iterator[dict[str, str]]:
    for serial, number in enumerate(islice(numbers(0), texts)):
        yield {"ref": f"{serial:026x}-1", "to": number, "text": TEXT}


async def on_wire(url: str, texts: int, concurrency: int) -> None:
    """Post on the carriers' own."""
    wire = Wire(
        "floor", urls=[url], connect_timeout=5, read_timeout=20, total_timeout=30, connections=concurrency, secrets=()
    )
    wire.open()
    bodies = _bodies(texts)

    async def post() -> None:
        for body in bodies:
            reply = await wire.call("POST", url, headers=_HEADERS, json=body)
            assert reply.status == 201

    await asyncio.gather(*(post() for _ in range(concurrency)))
    await wire.close()


async def by_client(url: str, texts: int, concurrency: int) -> None:
    """Post with httpx's client."""
    bodies = _bodies(texts)
    async with httpx.AsyncClient(transport=AiohttpTransport()) as client:

        async def post() -> None:
            for body in bodies:
                answer = await client.post(url, headers=_HEADERS, json=body)
                assert answer.status_code == 201

        await asyncio.gather(*(post() for _ in range(concurrency)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--texts", type=int, required=True)
    parser.add_argument("--concurrency", type=int, required=True)
    parser.add_argument("--client", action="store_true")
    options = parser.parse_args()
    how = by_client if options.client else on_wire
    began = time.process_time()
    asyncio.Runner(loop_factory=loop_factory()).run(how(options.url, options.texts, options.concurrency))
    print(json.dumps({"cpu": time.process_time() - began}))
