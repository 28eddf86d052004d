"""A provider in a thread beside the test, for a bridge in a process of its own; and its table as that one reads it."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from tests.support.upstream import Upstream

Do = Callable[[Callable[[], Coroutine[Any, Any, Any]]], Any]
"""Does something with the provider, in its thread."""


@contextmanager
def hosted(upstream: Upstream) -> Iterator[Do]:
    """Serve until the block ends."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="provider")
    thread.start()

    def do(what: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        return asyncio.run_coroutine_threadsafe(what(), loop).result(10)

    try:
        do(upstream.start)
        try:
            yield do
        finally:
            do(upstream.stop)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def toml(table: dict[str, Any]) -> str:
    """Write a table of single values and JSON-like ones as TOML does."""

    def value(each: Any) -> str:
        if isinstance(each, dict):
            return "{" + ", ".join(f"{json.dumps(key)} = {value(inner)}" for key, inner in each.items()) + "}"
        return "[" + ", ".join(map(value, each)) + "]" if isinstance(each, list) else json.dumps(each)

    return "".join(f"{key} = {value(each)}\n" for key, each in table.items())
