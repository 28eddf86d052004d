"""Names looked up, for what proves a sender: a stub resolver with a cache, and the share of it that one mail has.

An answer is kept as long as it says, within bounds; that there is no such name, as long as the zone's SOA says
(RFC 2308, 5), but for minutes at most; that no server answered, for seconds. A question that is under way is not asked
twice. What gave no answer raises :exc:`DnsUnavailable`: nothing can be concluded from it.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address
from typing import Any, Final

import dns.asyncbackend
import dns.asyncresolver
import dns.exception
import dns.message
import dns.name
import dns.nameserver
import dns.rdata
import dns.rdatatype
import dns.resolver

from bridge.fields import split_address
from bridge.model.errors import ConfigError, DnsUnavailable
from smtp.config import DnsSettings

Records = tuple[Any, ...]
"""What a name has of a type: bytes of TXT, an address of A and AAAA, (preference, name) of MX, a name of PTR."""

LEAST_SECONDS: Final = 5.0
MOST_SECONDS: Final = 86_400.0
MOST_NEGATIVE_SECONDS: Final = 900.0
FAILURE_SECONDS: Final = 5.0
LARGEST: Final = 16_384
"""Octets of the records of one answer. What is larger is no key and no policy, and is taken as none."""

_TRIES: Final = 2.5
_UDP_PAYLOAD: Final = 1232  # what arrives unfragmented, as the DNS flag day of 2020 has it


class Kind(StrEnum):
    """Types of records that are asked for."""

    TXT = "TXT"
    A = "A"
    AAAA = "AAAA"
    MX = "MX"
    PTR = "PTR"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Kept:
    until: float
    records: Records | None
    """None when no server answered."""


class Resolver:
    """Asks the servers of the settings, or the machine's own. One for a process; closed at its end.

    ``timer`` says what time it is for the cache, in seconds that never go back. Raises :exc:`ConfigError` for a server
    that is no IP address.
    """

    def __init__(self, settings: DnsSettings, *, timer: Callable[[], float] = time.monotonic) -> None:
        self.timeout = settings.timeout.total_seconds()
        self._timer = timer
        self._most = settings.cache
        self._kept: OrderedDict[tuple[str, Kind], _Kept] = OrderedDict()
        self._running: dict[tuple[str, Kind], asyncio.Task[_Kept]] = {}
        self._stub = _stub(settings)
        # Named, or dnspython looks on each question which of the libraries for asynchronous work runs.
        self._backend = dns.asyncbackend.get_backend("asyncio")

    async def ask(self, name: str, kind: Kind, *, patience: float | None = None) -> Records:
        """Return the records of a name, empty when there are none. Raises :exc:`DnsUnavailable`.

        ``patience``: seconds after which the answer comes too late for who asks. It is kept for the next one.
        """
        name = name.rstrip(".").lower()
        key = (name, kind)
        kept = self._kept.get(key)
        if kept is not None and self._timer() < kept.until:
            self._kept.move_to_end(key)
            return _records(kept, name)
        wire = _wire_name(name)
        if wire is None:
            return ()
        running = self._running.get(key)
        if running is None:
            running = self._running[key] = asyncio.create_task(self._ask(wire, kind))
            running.add_done_callback(lambda _: self._running.pop(key, None))
        await asyncio.wait({running}, timeout=patience)
        if not running.done() or running.cancelled():
            raise DnsUnavailable(f"DNS gave no answer in time for {_shown(name)}")
        kept = running.result()
        self._keep(key, kept)
        return _records(kept, name)

    async def close(self) -> None:
        """End what is under way; who waits for it gets :exc:`DnsUnavailable`."""
        running = list(self._running.values())
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)

    def _keep(self, key: tuple[str, Kind], kept: _Kept) -> None:
        self._kept[key] = kept
        self._kept.move_to_end(key)
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)

    async def _ask(self, name: dns.name.Name, kind: Kind) -> _Kept:
        rdtype = dns.rdatatype.from_text(kind)
        try:
            try:
                answer = await self._stub.resolve(
                    name, rdtype, raise_on_no_answer=False, search=False, backend=self._backend
                )
                response = answer.response
            except dns.resolver.NXDOMAIN as absent:
                response = absent.response(name)  # type: ignore[no-untyped-call]
            chain = response.resolve_chaining()
        except (dns.exception.DNSException, OSError, EOFError):
            return _Kept(until=self._timer() + FAILURE_SECONDS, records=None)
        found = tuple(_value(record, kind) for record in chain.answer or ())
        if sum(len(each) for each in found) > LARGEST:
            found = ()
        most = MOST_SECONDS if found else MOST_NEGATIVE_SECONDS
        return _Kept(until=self._timer() + min(max(chain.minimum_ttl, LEAST_SECONDS), most), records=found)


class TooManyLookups(Exception):
    """A mail asks for more names than one may."""


class Lookups:
    """What one mail may ask: so many names, in so much time. It gets the same answer to the same question."""

    def __init__(self, resolver: Resolver, *, most: int) -> None:
        self._resolver = resolver
        self._left = most
        self._deadline = asyncio.get_running_loop().time() + resolver.timeout
        self._known: dict[tuple[str, Kind], Records | DnsUnavailable] = {}

    async def ask(self, name: str, kind: Kind = Kind.TXT) -> Records:
        """Return the records of a name. Raises :exc:`DnsUnavailable`, :exc:`TooManyLookups`."""
        known = self._known.get((name, kind))
        if known is None:
            if self._left <= 0:
                raise TooManyLookups
            self._left -= 1
            patience = max(self._deadline - asyncio.get_running_loop().time(), 0.0)
            try:
                known = await self._resolver.ask(name, kind, patience=patience)
            except DnsUnavailable as failure:
                known = failure
            self._known[name, kind] = known
        if isinstance(known, DnsUnavailable):
            raise DnsUnavailable(known.reason)
        return known


def _stub(settings: DnsSettings) -> dns.asyncresolver.Resolver:
    stub = dns.asyncresolver.Resolver(configure=False)
    if settings.servers:
        stub.nameservers = [_server(address) for address in settings.servers]
    else:
        with contextlib.suppress(dns.exception.DNSException, OSError):  # no servers: every question goes unanswered
            stub.read_resolv_conf("/etc/resolv.conf")
    stub.lifetime = settings.timeout.total_seconds()
    stub.timeout = stub.lifetime / _TRIES
    stub.use_edns(0, 0, _UDP_PAYLOAD)
    return stub


def _server(address: str) -> dns.nameserver.Nameserver:
    host, port = split_address(address)
    try:
        return dns.nameserver.Do53Nameserver(str(ip_address(host)), port)
    except ValueError as error:
        message = f"smtp.dns.servers: {host!r} is no IP address; a resolver is not found by its name"
        raise ConfigError(message, (message,)) from error


def _wire_name(name: str) -> dns.name.Name | None:
    """Return a name as the wire has it, label by label, with no escapes; None for one that cannot exist."""
    try:
        labels = [label.encode("ascii") for label in name.split(".")]
        return None if b"" in labels else dns.name.Name([*labels, b""])
    except (UnicodeEncodeError, dns.exception.DNSException):
        return None


def _value(record: dns.rdata.Rdata, kind: Kind) -> Any:
    """Return what a record says, in the form that :data:`Records` names."""
    held: Any = record  # dnspython makes the class of a type at run time
    match kind:
        case Kind.TXT:
            return b"".join(held.strings)
        case Kind.A | Kind.AAAA:
            return str(held.address)
        case Kind.MX:
            return (int(held.preference), held.exchange.to_text(omit_final_dot=True))
        case Kind.PTR:
            return held.target.to_text(omit_final_dot=True)


def _records(kept: _Kept, name: str) -> Records:
    if kept.records is None:
        raise DnsUnavailable(f"DNS gave no answer for {_shown(name)}")
    return kept.records


def _shown(name: str) -> str:
    """Return a name for a reply: a stranger may have made it."""
    return "".join(character if "!" <= character <= "~" else "?" for character in name[:100])
