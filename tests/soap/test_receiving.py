"""The body of a request as it comes in: its bounds of length, of time, and of all together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect

from soap import receiving
from soap.faults import Fault
from soap.receiving import Bodies

NONE = Headers({})


def part(body: bytes, *, more: bool = False) -> dict[str, Any]:
    """Return a message of the server's."""
    return {"type": "http.request", "body": body, "more_body": more}


GONE = {"type": "http.disconnect"}


def coming(*messages: dict[str, Any]) -> Callable[[], Coroutine[Any, Any, dict[str, Any]]]:
    """Return what gives the messages, and then nothing for ever."""
    left = list(messages)

    async def receive() -> dict[str, Any]:
        if left:
            return left.pop(0)
        await asyncio.Event().wait()
        raise AssertionError

    return receive


async def whole(bodies: Bodies, *messages: dict[str, Any], headers: Headers = NONE) -> bytes:
    """Return a body that came in."""
    async with bodies.receive(headers, coming(*messages)) as body:
        return body


def test_a_body_in_parts() -> None:
    """They are put together; exactly at the limit it passes."""
    for messages in (
        [part(b"0123456789")],
        [part(b"0123", more=True), part(b"", more=True), part(b"456789", more=True), part(b"")],
    ):
        assert asyncio.run(whole(Bodies(10), *messages)) == b"0123456789"
    assert asyncio.run(whole(Bodies(10), {"type": "http.request"})) == b""


@pytest.mark.parametrize("messages", [[part(b"x" * 11)], [part(b"x" * 10, more=True), part(b"x", more=True)]])
def test_one_byte_too_many(messages: list[dict[str, Any]]) -> None:
    """It is refused as soon as it is known; the rest is not waited for."""
    with pytest.raises(Fault, match="longer than 10 bytes"):
        asyncio.run(whole(Bodies(10), *messages))


@pytest.mark.parametrize(
    ("length", "refused"), [("10", False), ("11", True), ("1" * 30, True), ("x", False), ("", False)]
)
def test_the_announced_length(length: str, *, refused: bool) -> None:
    """It is enough to refuse, and never enough to believe."""
    coming_in = whole(Bodies(10), part(b"short"), headers=Headers({"content-length": length}))
    if refused:
        with pytest.raises(Fault) as caught:
            asyncio.run(whole(Bodies(10), headers=Headers({"content-length": length})))
        coming_in.close()
        assert caught.value.code == "Client.TooLarge"
    else:
        assert asyncio.run(coming_in) == b"short"


def test_a_client_that_goes() -> None:
    """Nobody is left to be told."""
    with pytest.raises(ClientDisconnect):
        asyncio.run(whole(Bodies(10), part(b"x", more=True), GONE))


def test_time() -> None:
    """It ends, however far the body has come."""
    with pytest.raises(Fault, match=r"within 0\.01 seconds") as caught:
        asyncio.run(whole(Bodies(10, patience=0.01), part(b"x", more=True)))
    assert caught.value.code == "Client.TooSlow"


def test_all_bodies_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """While there is room for two more would have to wait: they are told to come again, and room comes back."""
    monkeypatch.setattr(receiving, "_WHOLE_BODIES", 2)

    async def main() -> None:
        bodies = Bodies(10)
        async with bodies.receive(NONE, coming(part(b"x" * 10))), bodies.receive(NONE, coming(part(b"x" * 10))):
            with pytest.raises(Fault) as caught:
                await whole(bodies, part(b"x"))
            assert caught.value.code == "Server.Busy"
        for _ in range(3):
            with pytest.raises(Fault):
                await whole(bodies, part(b"x" * 11))
        async with bodies.receive(NONE, coming(part(b"x" * 10))), bodies.receive(NONE, coming(part(b"x" * 10))) as body:
            assert body == b"x" * 10

    asyncio.run(main())
