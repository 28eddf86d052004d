"""What a call raises has an answer, and keeps nothing of the call."""

from __future__ import annotations

import asyncio
import gc
import weakref

import pytest
from starlette.requests import ClientDisconnect
from structlog.testing import capture_logs

from bridge.model.errors import BridgeError, InternalError, NoText
from soap.faces.unexpected import attempt, known


class Body:
    """What a call came with."""


def test_what_a_call_comes_to() -> None:
    """Its answer is taken as it is, and nothing is put in its place."""

    async def work() -> str:
        return "done"

    def instead(_: Exception) -> str:
        raise AssertionError

    assert asyncio.run(attempt(work, instead)) == "done"


def test_that_the_client_has_gone_is_raised() -> None:
    """There is nobody to answer."""

    async def gone() -> str:
        raise ClientDisconnect

    with pytest.raises(ClientDisconnect):
        asyncio.run(attempt(gone, str))


@pytest.mark.parametrize("kind", [NoText, KeyError])
def test_a_body_is_freed_at_once(kind: type[Exception]) -> None:
    """An exception leads to the frames of its call: nothing keeps it, and the body does not wait for the collector."""
    bodies: list[weakref.ref[Body]] = []

    async def work() -> BridgeError:
        body = Body()
        bodies.append(weakref.ref(body))
        raise kind("hush")

    def instead(error: Exception) -> BridgeError:
        return known(error, visit_id="v1", path="/ws.php") if isinstance(error, KeyError) else NoText("again")

    async def main() -> None:
        gc.disable()
        try:
            await attempt(work, instead)
            assert bodies[0]() is None
        finally:
            gc.enable()

    asyncio.run(main())


def test_an_unexpected_error_is_our_trouble() -> None:
    """The log has where it was raised, and not its text: a driver's may repeat a client's."""
    with capture_logs() as logs:
        told = known(KeyError("hush"), visit_id="v1", path="/ws.php")
    assert isinstance(told, InternalError)
    (line,) = logs
    assert (line["event"], line["id"], line["path"], line["error"]) == ("call failed", "v1", "/ws.php", "KeyError")
    assert "hush" not in str(line)
    assert known(told, visit_id="v1", path="/ws.php") is told
