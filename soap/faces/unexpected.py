"""Whatever a call raises, its face has an answer: an error by its table, an unexpected one as our trouble."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, TypeVar

from starlette.requests import ClientDisconnect

from bridge.model.errors import BridgeError, InternalError
from bridge.telemetry import get_logger

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")

_log = get_logger(__name__)


async def attempt(work: Callable[[], Awaitable[T]], instead: Callable[[Exception], T]) -> T:
    """Return what ``work`` comes to, or what ``instead`` makes of whatever it raises.

    Raised is only that the client has gone: then nobody is there to be answered. Nothing keeps the exception after
    that: it leads to the frames of the call, and to its body, and only the collector of cycles would free them.
    """
    try:
        return await work()
    except ClientDisconnect:
        raise
    except Exception as raised:  # noqa: BLE001 - whatever it is, there is an answer for it
        return instead(raised)


def known(error: Exception, *, visit_id: str, path: str) -> BridgeError:
    """Return an error of the tree as it is, and for any other one of ours.

    The log then has the place where it was raised, under the id, but not its text: a driver's may repeat a client's.
    """
    if isinstance(error, BridgeError):
        return error
    stack = "".join(traceback.format_tb(error.__traceback__))
    _log.error("call failed", id=visit_id, path=path, error=type(error).__name__, stack=stack)
    return InternalError("internal error")


def unanswered(error: BridgeError, *, visit_id: str, path: str) -> None:
    """Log that a call has no answer of its own: the client will come again with it."""
    _log.warning("call not answered", id=visit_id, path=path, code=error.code)
