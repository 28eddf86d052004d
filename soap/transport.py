"""The transport: SOAP over HTTP, with Spyne in the event loop.

Spyne's servers call a service and write down what it returns. Here a service is a coroutine function, and between the
two halves of Spyne's work its answer is awaited, in the loop, with no thread to cross. Only large messages are read and
written in a thread, a few at once.

Whatever a client sends it gets an envelope back, in the version in which it asked; an exception nobody expected is a
Fault too, whose id is in the log with the place where it was raised, but with nothing that the client wrote.
"""

from __future__ import annotations

import asyncio
import re
import traceback
from decimal import Decimal as Number
from functools import partial
from inspect import isawaitable
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from lxml.etree import Element, SubElement
from spyne import Application, ServerBase
from spyne.model.fault import Fault as SpyneFault
from spyne.model.primitive import Decimal, Unicode
from spyne.protocol.soap import Soap11, Soap12
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect

from bridge.model.errors import BridgeError, Trouble
from bridge.telemetry import get_logger
from soap import faults, reading
from soap.envelope import Sent, open_envelope, supposed_version
from soap.faults import Fault, Version
from soap.visit import new_id
from soap.writing import writable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lxml.etree import _Element
    from starlette.types import Receive, Scope, Send

    from soap.envelope import Call
    from soap.receiving import Bodies
    from soap.visit import Visit, Visits

_log = get_logger(__name__)

DOOR: Final = "soap"

LARGE: Final = 65_536
"""Bytes from which on a body is read in a thread."""

_MANY: Final = 500
"""Entries of a list from which on an answer is written in a thread."""

_AT_ONCE: Final = 2
"""Large messages read or written at the same time."""

_CHARSET: Final = re.compile(r""";\s*charset\s*=\s*["']?([^\s;"']+)""", re.IGNORECASE)

_PLAIN_VALUES: Final = frozenset({str, int, Number, type(None)})

_PLAIN: Final = [(b"cache-control", b"no-store")]
_CLOSE: Final = [*_PLAIN, (b"connection", b"close")]


class _Writes:
    """Writes the answer of an operation, numbers without an exponent, and texts without what XML cannot hold."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._to_unicode_handlers[Decimal] = _plain  # type: ignore[attr-defined]
        self._to_unicode_handlers[Unicode] = _clean  # type: ignore[attr-defined]

    def serialize(self, ctx: Any, message: Any) -> None:
        """Set the context's document. Spyne's own way there asks for every header and hook there could be."""
        del message
        kind = ctx.descriptor.out_message
        own, soap = kind.get_namespace(), self.ns_soap_env  # type: ignore[attr-defined]
        ctx.out_document = Element(f"{{{soap}}}Envelope", nsmap={"env": soap, "sms": own})
        body = SubElement(ctx.out_document, f"{{{soap}}}Body")
        wrapper = SubElement(body, f"{{{own}}}{kind.get_type_name()}")
        for (name, member), value in zip(kind.get_flat_type_info(kind).items(), ctx.out_object, strict=True):
            if value is not None:
                self.to_parent(ctx, member, value, wrapper, own, name)  # type: ignore[attr-defined]


def _plain(_kind: Any, value: Any, **_: Any) -> str:
    return format(Number(value), "f")


def _clean(_kind: Any, value: Any, **_: Any) -> str:
    return writable(value)


class _Out11(_Writes, Soap11):
    pass


class _Out12(_Writes, Soap12):
    pass


_PROTOCOLS: Final = MappingProxyType({Version.V11: (Soap11, _Out11), Version.V12: (Soap12, _Out12)})


class _Context:
    """One call, with what Spyne's readers, writers and services ask of it.

    Spyne's own context makes two more for its protocols, all of which refer to each other: a call's documents would
    stay until the collector of cycles comes by.
    """

    inprot_ctx = outprot_ctx = protocol = out_stream = out_document = out_string = None

    def __init__(self, server: _Server, descriptor: Any) -> None:
        self.app = server.app
        self.descriptor = descriptor
        self.function = descriptor.function
        self.in_protocol = server.app.in_protocol
        self.out_protocol = server.app.out_protocol
        self.udc: Visit | None = None
        self.in_object: Any = None
        self.out_object: Any = None

    def dissolve(self) -> None:
        """Let go of everything: what a service keeps of its call keeps no document with it."""
        self.__dict__.clear()


class _Server(ServerBase):
    """Spyne's half of a server, for one version of SOAP."""

    transport = "http://schemas.xmlsoap.org/soap/http"
    """Stands in the WSDL that Spyne makes; with any other name clients find no service in it."""

    def read(self, element: _Element) -> Any:
        """Return the context of a call, with the arguments of the operation. Raises :exc:`Fault`."""
        handles = self.app.interface.service_method_map.get(self._in_own_namespace(str(element.tag)))
        if not handles:
            raise self._unknown(str(element.tag))
        ctx = _Context(self, handles[0])
        leaf = partial(self.app.in_protocol.from_element, ctx)
        ctx.in_object = tuple(vars(reading.read(ctx.descriptor.in_message, element, leaf)).values())
        return ctx

    async def answer(self, ctx: Any) -> None:
        """Call the operation, and wait for what it returns."""
        found = self.app.call_wrapper(ctx)
        if isawaitable(found):
            found = await found
        single = len(ctx.descriptor.out_message.get_flat_type_info(ctx.descriptor.out_message)) <= 1
        ctx.out_object = [found] if single else found

    def write(self, ctx: Any) -> bytes:
        """Return the envelope with the answer."""
        ctx.out_protocol.serialize(ctx, message=ctx.out_protocol.RESPONSE)
        ctx.out_protocol.create_out_string(ctx)
        return b"".join(ctx.out_string)

    def _in_own_namespace(self, tag: str) -> str:
        """Return a tag as Spyne knows operations. Old clients leave the namespace out; a wrong one stays wrong."""
        return tag if tag[:1] == "{" else f"{{{self.app.tns}}}{tag}"

    def _unknown(self, tag: str) -> Fault:
        namespace, _, name = tag.removeprefix("{").rpartition("}")
        own = self.app.tns
        if f"{{{own}}}{name}" in self.app.interface.service_method_map:
            text = f"{name} is in namespace {namespace[:100]}; this service's is {own}"
        else:
            text = f"there is no operation {name[:100]}"
        return Fault(faults.UNKNOWN_OPERATION, text)


class Transport:
    """Answers calls by POST, as an ASGI application."""

    def __init__(self, service: Any, *, namespace: str, visits: Visits, bodies: Bodies) -> None:
        """Serve ``service``, a Spyne service of coroutine functions whose results have one element, in both versions.

        Its functions find the call's :class:`~soap.visit.Visit` in ``ctx.udc``.
        """
        self._servers: Mapping[Version, _Server] = {
            version: _Server(
                Application(
                    [service],
                    namespace,
                    name=service.get_service_name(),
                    in_protocol=reader(validator="soft"),
                    out_protocol=writer(),
                )
            )
            for version, (reader, writer) in _PROTOCOLS.items()
        }
        self._visits = visits
        self._bodies = bodies
        self._large = asyncio.Semaphore(_AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. Raises only when the client has gone."""
        visit_id = new_id()
        ctx = None
        headers = Headers(scope=scope)
        media_type, charset = _content_type(headers.get("content-type", ""))
        version = supposed_version(media_type)
        try:
            async with self._bodies.receive(headers, receive) as body:
                coding = headers.get("content-encoding", "")
                call, ctx = await self._opened(Sent(body=body, media_type=media_type, charset=charset, coding=coding))
                del body
            version, header = call.version, call.header
            del call  # and with it the document, which is larger than what was read from it: a login may take seconds
            ctx.udc = self._visits.of(scope, door=DOOR, header=header, visit_id=visit_id)
            server = self._servers[version]
            await server.answer(ctx)
            answer, status, more = await self._written(server, ctx), 200, _PLAIN
        except ClientDisconnect:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the client gets a Fault
            fault = _fault(error, visit_id, scope["path"])
            version = fault.version or version
            answer, status = faults.render(fault, version, visit_id), 500
            # Who waits to be told to go on was perhaps not told, and may send the body or not.
            more = _CLOSE if "expect" in headers else _PLAIN
            del fault  # it leads to this frame, and to the body: kept here, only the collector would free them
        finally:
            if ctx is not None:
                ctx.dissolve()
        head = [
            (b"content-type", version.content_type.encode()),
            (b"content-length", b"%d" % len(answer)),
            *more,
        ]
        await send({"type": "http.response.start", "status": status, "headers": head})
        await send({"type": "http.response.body", "body": answer})

    async def _opened(self, sent: Sent) -> tuple[Call, Any]:
        if len(sent.body) <= LARGE and not sent.coding:
            return self._open(sent)
        async with self._large:
            return await asyncio.to_thread(self._open, sent)

    def _open(self, sent: Sent) -> tuple[Call, Any]:
        call = open_envelope(sent, limit=self._bodies.limit)
        try:
            return call, self._servers[call.version].read(call.element)
        except Fault as fault:
            fault.version = call.version
            raise

    async def _written(self, server: _Server, ctx: Any) -> bytes:
        if not _is_long(ctx.out_object):
            return server.write(ctx)
        async with self._large:
            return await asyncio.to_thread(server.write, ctx)


def _is_long(found: Any, depth: int = 4) -> bool:
    """Say whether a list of many entries is in an answer. Of each list only the first entry is looked into."""
    if isinstance(found, list | tuple):
        return len(found) >= _MANY or (bool(found) and _is_long(found[0], depth))
    if depth:
        for each in getattr(found, "__dict__", {}).values():
            # Nearly all are texts and numbers.
            if type(each) not in _PLAIN_VALUES and _is_long(each, depth - 1):
                return True
    return False


def _content_type(header: str) -> tuple[str, str | None]:
    """Return media type, in lower case, and charset of a Content-Type header."""
    charset = _CHARSET.search(header)
    return header.partition(";")[0].strip().lower(), charset[1] if charset else None


def _fault(error: Exception, visit_id: str, path: str) -> Fault:
    """Return what the client is told of an error, and log what it is not told."""
    match error:
        case Fault():
            found = error
        case SpyneFault() if error.faultcode.startswith("Client"):
            found = Fault(faults.INVALID_REQUEST, error.faultstring)
        case BridgeError():
            found = faults.of(error)
        case _:
            found = Fault(faults.INTERNAL, faults.TROUBLE)
    if found.code == faults.INTERNAL:
        # Its text may hold what the client wrote.
        stack = "".join(traceback.format_tb(error.__traceback__))
        _log.error("call failed", id=visit_id, path=path, error=type(error).__name__, stack=stack)
    elif isinstance(error, Trouble):
        _log.warning("call not answered", id=visit_id, path=path, code=error.code)
    else:
        _log.info("call refused", id=visit_id, door=DOOR, code=found.code)
    return found
