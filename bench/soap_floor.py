"""The floor of SOAP: the same transport with a service that answers at once. Prints its port when it listens.

It takes what ``send_sms`` takes and gives an answer of the same size, but knows no login, no rule and no database.
"""

from __future__ import annotations

import asyncio
from typing import Any

import soap.spyne_compat  # noqa: F401  # isort: skip - before any of Spyne
from spyne import Service, rpc
from starlette.routing import Route

from bridge.app import loop_factory, settle
from bridge.doors import listen
from bridge.web.server import _app, _Server
from soap import schema
from soap.receiving import Bodies
from soap.transport import Transport
from soap.visit import Visits

_REQUEST = schema.REQUESTS["send_sms"]


async def _echo(context: Any, *values: Any) -> Any:  # noqa: ARG001 - the service's signature
    said = dict(zip(_REQUEST.names, values, strict=True))
    one = schema.fill(
        schema.Recipient,
        dest=said["dest"],
        status=0,
        status_text="OK",
        recipient_id="00000000000000000000000000-1",
        parts=1,
        number=said["dest"],
        state="queued",
        extra=schema.pairs(()),
    )
    return schema.fill(
        schema.SendAnswer,
        status=0,
        status_text="OK",
        message_id="00000000000000000000000000",
        recipients=[one],
        extra=schema.pairs(()),
    )


_echo.__name__ = "send_sms"
_Echo = type(
    "SmsBridge", (Service,), {"send_sms": rpc(*_REQUEST.types, _args=_REQUEST.names, _returns=_REQUEST.answer)(_echo)}
)


async def main() -> None:
    """Serve until killed."""
    nobody: Any = None
    transport = Transport(
        _Echo, namespace=schema.NAMESPACE, visits=Visits(desk=nobody, logins=nobody), bodies=Bodies(4_194_304)
    )
    listener = listen("127.0.0.1:0", setting="floor")
    server = _Server(_app([Route("/soap", transport, methods=["POST"])]))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    await server.wait_up(serving)
    settle()
    print(listener.getsockname()[1], flush=True)
    await serving


if __name__ == "__main__":
    asyncio.Runner(loop_factory=loop_factory()).run(main())
