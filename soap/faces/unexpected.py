"""What a face says of an exception that nobody expected: no more than of our other troubles."""

from __future__ import annotations

import traceback

from bridge.model.errors import BridgeError, InternalError
from bridge.telemetry import get_logger

_log = get_logger(__name__)


def known(error: Exception, *, visit_id: str, path: str) -> BridgeError:
    """Return an error of the tree as it is, and for any other one of ours.

    The log then has the place where it was raised, under the id, but not its text: a driver's may repeat a client's.
    """
    if isinstance(error, BridgeError):
        return error
    stack = "".join(traceback.format_tb(error.__traceback__))
    _log.error("call failed", id=visit_id, path=path, error=type(error).__name__, stack=stack)
    return InternalError("internal error")
