"""The floors of SOAP: services that answer at once. Prints its port when it listens.

``spyne`` is the bare Spyne echo: a text in, the text out, read and written by Spyne's own protocols, and awaited in the
event loop behind the same HTTP server. ``transport`` is our own transport, which reads and writes by itself: it takes
what ``send_sms`` takes and gives an answer of the same size, but knows no login, no rule and no database.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import soap.spyne_compat  # noqa: F401  # isort: skip - before any of Spyne
from spyne import Application, MethodContext, ServerBase, Service, rpc
from spyne.model.primitive import Unicode
from spyne.protocol.soap import Soap11
from starlette.routing import Route

from bridge.app import loop_factory, settle
from bridge.doors import listen
from bridge.web.server import _app, _Server
from soap import schema
from soap.receiving import Bodies
from soap.transport import Transport
from soap.visit import Visits

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

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


class _BareEcho(Service):
    """One operation, named so that the same requests call it."""

    @rpc(Unicode, Unicode, Unicode, Unicode, _args=("token", "dest", "message", "reference"), _returns=Unicode)
    async def send_sms(self, token: str, dest: str, message: str, reference: str) -> str:  # noqa: ARG002 - Spyne's way
        return message


class _Bare(ServerBase):
    """Spyne as it is, with its service's coroutine awaited between the halves of its work."""

    transport = "http://schemas.xmlsoap.org/soap/http"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        context = MethodContext(self, MethodContext.SERVER)
        context.in_string = [body]
        (context,) = self.generate_contexts(context, "utf-8")
        self.get_in_object(context)
        self.get_out_object(context)
        context.out_object[0] = await context.out_object[0]
        self.get_out_string(context)
        answer = b"".join(context.out_string)
        context.close()
        length = (b"content-length", b"%d" % len(answer))
        head = [(b"content-type", b"text/xml; charset=utf-8"), length]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": answer})


def _bare() -> ASGIApp:
    protocols = {"in_protocol": Soap11(validator="soft"), "out_protocol": Soap11()}
    bare: ASGIApp = _Bare(Application([_BareEcho], schema.NAMESPACE, **protocols))
    return bare


def _ours() -> ASGIApp:
    nobody: Any = None
    return Transport(
        _Echo, namespace=schema.NAMESPACE, visits=Visits(desk=nobody, logins=nobody), bodies=Bodies(4_194_304)
    )


async def main(kind: str) -> None:
    """Serve until killed."""
    transport = {"spyne": _bare, "transport": _ours}[kind]()
    listener = listen("127.0.0.1:0", setting="floor")
    server = _Server(_app([Route("/soap", transport, methods=["POST"])]))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    await server.wait_up(serving)
    settle()
    print(listener.getsockname()[1], flush=True)
    await serving


if __name__ == "__main__":
    asyncio.Runner(loop_factory=loop_factory()).run(main(sys.argv[1]))
