"""A DNS server on loopback, over UDP and TCP, that answers from a table and can misbehave by name.

``async with DnsServer({"example.com": {"TXT": ["v=spf1 -all"]}}) as server:`` serves in the running loop;
:func:`beside` serves from a thread, for a bridge in another process. What is not in the table does not exist.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum, auto
from typing import Any, Self

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset

Zone = Mapping[str, Mapping[str, Sequence[str]]]

_SOA = "ns.test. hostmaster.test. 1 3600 600 86400 60"


class Fault(Enum):
    """What may become of a question. Set in :attr:`DnsServer.faults` for a name, or under ``*`` for all."""

    SILENT = auto()
    """No answer."""
    SERVFAIL = auto()
    REFUSED = auto()
    WRONG_ID = auto()
    """An answer, but to another question: somebody off the path guesses."""
    WRONG_ID_FIRST = auto()
    """A guess, and then the right answer."""
    TRUNCATED = auto()
    """Over UDP an answer cut short, over TCP the whole."""
    GARBAGE = auto()
    HELD = auto()
    """Answered when :meth:`DnsServer.release` is called."""
    LYING = auto()
    """An answer with the record of another name."""


class DnsServer:
    """Serves until the block ends. ``asked`` counts the questions by name and type, ``over`` by transport."""

    def __init__(self, zone: Zone | None = None, *, ttl: int = 300) -> None:
        self.zone: dict[str, dict[str, list[str]]] = {
            name.lower(): {kind: list(records) for kind, records in types.items()}
            for name, types in (zone or {}).items()
        }
        self.ttl = ttl
        self.faults: dict[str, Fault] = {}
        self.asked: Counter[tuple[str, str]] = Counter()
        self.over: Counter[str] = Counter()
        self.address = ""
        self.arrived = asyncio.Event()
        """Set by each question; clear it to wait for the next."""
        self._released = asyncio.Event()

    def put(self, name: str, kind: str, *records: str) -> None:
        """Let a name have these records of a type, in the form of zone files; TXT without its quotes."""
        self.zone.setdefault(name.lower(), {})[kind] = list(records)

    def release(self) -> None:
        """Answer what is held."""
        self._released.set()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._tcp = await asyncio.start_server(self._stream, "127.0.0.1", 0)
        port = self._tcp.sockets[0].getsockname()[1]
        try:
            self._udp, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self), local_addr=("127.0.0.1", port))
        except OSError:  # another program has that port for UDP
            self._tcp.close()
            return await self.__aenter__()
        self._tasks: set[asyncio.Task[None]] = set()
        self.address = f"127.0.0.1:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._udp.close()
        self._tcp.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def datagram(self, wire: bytes, client: tuple[str, int]) -> None:
        """Answer a question over UDP."""
        self._spawn(self._answer(wire, "udp", lambda answer: self._udp.sendto(answer, client)))

    async def _stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                while True:
                    size = int.from_bytes(await reader.readexactly(2))
                    wire = await reader.readexactly(size)
                    await self._answer(wire, "tcp", lambda answer: writer.write(len(answer).to_bytes(2) + answer))
                    await writer.drain()
        finally:
            self._tasks.discard(task)
            writer.close()

    def _spawn(self, answering: Any) -> None:
        task = asyncio.get_running_loop().create_task(answering)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, wire: bytes, transport: str, send: Any) -> None:
        question = dns.message.from_wire(wire)
        asked = question.question[0]
        name = asked.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(asked.rdtype)
        self.asked[name, kind] += 1
        self.over[transport] += 1
        self.arrived.set()
        fault = self.faults.get(name, self.faults.get("*"))
        if fault is Fault.SILENT:
            return
        if fault is Fault.HELD:
            await self._released.wait()
        if fault is Fault.GARBAGE:
            send(wire[:2] + b"\xff" * 20)
            return
        answer = self._made(question, name, kind, fault)
        if fault is Fault.TRUNCATED and transport == "udp":
            answer.flags |= dns.flags.TC
            answer.answer.clear()
        if fault in {Fault.WRONG_ID, Fault.WRONG_ID_FIRST}:
            forged = self._made(question, name, kind, fault)
            forged.id ^= 0x5A5A
            forged.answer = [_rrset(asked.name, asked.rdtype, ["v=spf1 +all"], 300)] if kind == "TXT" else []
            send(forged.to_wire())
            if fault is Fault.WRONG_ID:
                return
        send(_wire(answer, 65535 if transport == "tcp" else 1232))

    def _made(self, question: dns.message.Message, name: str, kind: str, fault: Fault | None) -> dns.message.Message:
        answer = dns.message.make_response(question, recursion_available=True)
        if fault in {Fault.SERVFAIL, Fault.REFUSED}:
            answer.set_rcode(dns.rcode.SERVFAIL if fault is Fault.SERVFAIL else dns.rcode.REFUSED)
            return answer
        if fault is Fault.LYING:
            answer.answer.append(
                _rrset(dns.name.from_text("other.test."), dns.rdatatype.TXT, ["v=spf1 +all"], self.ttl)
            )
            return answer
        owner = question.question[0].name
        types = self.zone.get(name)
        while types is not None and "CNAME" in types and kind != "CNAME":
            answer.answer.append(_rrset(owner, dns.rdatatype.CNAME, types["CNAME"], self.ttl))
            owner = dns.name.from_text(types["CNAME"][0])
            types = self.zone.get(owner.to_text(omit_final_dot=True).lower())
        if types is not None and kind in types:
            answer.answer.append(_rrset(owner, dns.rdatatype.from_text(kind), types[kind], self.ttl))
            return answer
        if types is None:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        answer.authority.append(_rrset(dns.name.root, dns.rdatatype.SOA, [_SOA], 60))
        return answer


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: DnsServer) -> None:
        self._server = server

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._server.datagram(data, addr)


def _wire(answer: dns.message.Message, largest: int) -> bytes:
    """Return an answer as it goes out; one that is too large says so, and to come again over TCP."""
    try:
        return answer.to_wire(max_size=largest)
    except dns.exception.TooBig:
        answer.flags |= dns.flags.TC
        answer.answer.clear()
        return answer.to_wire()


def _rrset(owner: dns.name.Name, kind: dns.rdatatype.RdataType, records: Sequence[str], ttl: int) -> dns.rrset.RRset:
    texts = [_quoted(record) for record in records] if kind == dns.rdatatype.TXT else records
    return dns.rrset.from_rdata_list(owner, ttl, [dns.rdata.from_text(dns.rdataclass.IN, kind, text) for text in texts])


def _quoted(record: str) -> str:
    """Return a TXT record of any length as strings of at most 255 octets."""
    raw = record.encode("utf-8")
    pieces = [raw[at : at + 255] for at in range(0, len(raw), 255)] or [b""]
    return " ".join('"' + "".join(f"\\{octet:03d}" for octet in piece) + '"' for piece in pieces)


@contextlib.contextmanager
def beside(server: DnsServer) -> Iterator[DnsServer]:
    """Serve from a thread until the block ends. The table may be changed meanwhile; events may not be waited for."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="dns")
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result(10)
        try:
            yield server
        finally:
            asyncio.run_coroutine_threadsafe(server.__aexit__(), loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
