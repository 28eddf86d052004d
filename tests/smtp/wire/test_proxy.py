"""The PROXY header: what is one, and what becomes of a connection that begins with it, or does not."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from contextlib import suppress
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from smtp import replies
from smtp.wire.frame import Bounds
from smtp.wire.gate import Gate
from smtp.wire.proxy import UNKNOWN, V2_MOST, ProxyError, parse
from smtp.wire.tls import Certificate
from tests.smtp.talk import LOOPS, calling, cut, hosting, run, until
from tests.smtp.wire.test_tls import trusting
from tests.support import certificates

pytestmark = pytest.mark.enable_socket

BOTH = pytest.mark.parametrize("loop", sorted(LOOPS))
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
LOOPBACK = (ip_network("127.0.0.0/8"),)


def v2(client: str = "192.0.2.7", *, command: int = 0x21, family: int | None = None, tlvs: bytes = b"") -> bytes:
    """Return a header of version 2: of TCP from an address to another of its kind."""
    address = ip_address(client)
    addresses = address.packed + address.packed + struct.pack("!HH", 50_000, 25)
    family = (0x11 if address.version == 4 else 0x21) if family is None else family
    return SIGNATURE + struct.pack("!BBH", command, family, len(addresses + tlvs)) + addresses + tlvs


TLVS = b"\x01\x00\x04smtp" + b"\x20\x00\x08" + b"\x01" * 8 + b"\x04\x00\x00"
UNIX = b"/run/client".ljust(108, b"\0") + b"/run/server".ljust(108, b"\0")

GOOD: dict[bytes, str | None] = {
    b"PROXY TCP4 192.0.2.7 198.51.100.1 50000 25\r\n": "192.0.2.7",
    b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n": "255.255.255.255",
    b"PROXY TCP6 2001:DB8::7 2001:db8::1 50000 25\r\n": "2001:db8::7",
    b"PROXY TCP6 ::ffff:192.0.2.7 ::ffff:198.51.100.1 1 0\r\n": "192.0.2.7",
    b"PROXY TCP6 " + b"ffff:" * 7 + b"ffff " + b"ffff:" * 7 + b"ffff 65535 65535\r\n": "ffff:" * 7 + "ffff",
    b"PROXY UNKNOWN\r\n": UNKNOWN,
    b"PROXY UNKNOWN " + b"ffff:" * 7 + b"ffff " + b"ffff:" * 7 + b"ffff 65535 65535\r\n": UNKNOWN,
    v2(): "192.0.2.7",
    v2(tlvs=TLVS): "192.0.2.7",
    v2(tlvs=b"\xff" * (V2_MOST - 12)): "192.0.2.7",
    v2("2001:db8::7"): "2001:db8::7",
    v2("2001:db8::7", tlvs=TLVS): "2001:db8::7",
    v2("::ffff:192.0.2.7"): "192.0.2.7",
    v2(command=0x20): None,
    v2(command=0x20, family=0x77): None,
    SIGNATURE + b"\x20\x00\x00\x00": None,
    SIGNATURE + b"\x21\x00\x00\x00": UNKNOWN,
    SIGNATURE + b"\x21\x00\x00\x07" + TLVS[:7]: UNKNOWN,
    SIGNATURE + b"\x21\x31\x00\xd8" + UNIX: UNKNOWN,
}

BAD = (
    b"EHLO client.example.com\r\n",
    b"\x16\x03\x01\x02\x00",
    b"GET / HTTP/1.1\r\n",
    b"\r\nPROXY UNKNOWN\r\n",
    b"proxy TCP4 192.0.2.7 198.51.100.1 50000 25\r\n",
    b"PROXY\r\n",
    b"PROXY \r\n",
    b"PROXY TCP4\r\n",
    b"PROXY TCP4 192.0.2.7 198.51.100.1 50000\r\n",
    b"PROXY TCP4 192.0.2.7 198.51.100.1 50000 25 \r\n",
    b"PROXY TCP4  192.0.2.7 198.51.100.1 50000 25\r\n",
    b"PROXY TCP4 192.0.2.7 198.51.100.1 50000 65536\r\n",
    b"PROXY TCP4 192.0.2.7 198.51.100.1 -1 25\r\n",
    b"PROXY TCP4 192.0.2.7 198.51.100.1 50000 \xd9\xa3\r\n",
    b"PROXY TCP4 192.0.2.7 198.51.100.1 50000 25\n\r\n",
    b"PROXY TCP4 192.0.2.07 198.51.100.1 50000 25\r\n",
    b"PROXY TCP4 192.0.2 198.51.100.1 50000 25\r\n",
    b"PROXY TCP4 2001:db8::7 2001:db8::1 50000 25\r\n",
    b"PROXY TCP6 192.0.2.7 198.51.100.1 50000 25\r\n",
    b"PROXY TCP6 fe80::1%eth0 fe80::2 50000 25\r\n",
    b"PROXY UDP4 192.0.2.7 198.51.100.1 50000 25\r\n",
    b"PROXY TCP4 client.example.com 198.51.100.1 50000 25\r\n",
    b"PROXY UNKNOWN " + b"x" * 92 + b"\r\n",
    b"PROXY " + b"x" * 200,
    v2(command=0x11),
    v2(command=0x31),
    v2(command=0x22),
    v2(family=0x12),
    v2(family=0x10),
    v2(family=0x21),
    v2(family=0x31),
    v2(family=0xFF),
    v2(tlvs=b"\0" * (V2_MOST - 11)),
    SIGNATURE + b"\x20\x00\xff\xff",
    SIGNATURE[:-1] + b"\r" + b"\x21\x11\x00\x0c",
)


@pytest.mark.parametrize("header", GOOD)
def test_a_header_is_read(header: bytes) -> None:
    """Every form of both versions, in full, with what follows left alone; any part of it wants more."""
    for behind in (b"", b"EHLO x\r\n", b"\x16\x03\x01", header):
        named = parse(header + behind)
        assert named is not None
        assert (named.peer, named.length) == (GOOD[header], len(header))
    for length in range(0, len(header), 1 + len(header) // 200):
        assert parse(header[:length]) is None, length


@pytest.mark.parametrize("octets", BAD)
def test_anything_else_is_none(octets: bytes) -> None:
    """It is refused, in pieces too, and not waited for: at the latest when its length or 107 octets are there."""
    with pytest.raises(ProxyError):
        parse(octets)
    refused = [length for length in range(min(len(octets), 150) + 1) if not _waits(octets[:length])]
    assert refused or len(octets) > 150
    assert not any(_waits(octets[:length]) for length in refused)


def _waits(octets: bytes) -> bool:
    try:
        return parse(octets) is None
    except ProxyError:
        return False


@given(st.one_of(st.binary(max_size=300), st.binary(max_size=300).map(lambda rest: SIGNATURE + rest)))
def test_no_octets_raise_another_error(octets: bytes) -> None:
    """Whatever comes is a header, the beginning of one, or none."""
    with suppress(ProxyError):
        named = parse(octets)
        assert named is None or named.length <= len(octets)


@given(st.text(alphabet="TCPUDP46UNKOW 0123456789abcdef:.%\r\n", max_size=120))
def test_no_line_raises_another_error(line: str) -> None:
    """The same for lines that look like version 1."""
    with suppress(ProxyError):
        parse(b"PROXY " + line.encode() + b"\r\n")


# On the wire


@BOTH
@pytest.mark.parametrize("size", [1, 1000])
@pytest.mark.parametrize("header", [header for header, peer in GOOD.items() if len(header) < 300])
def test_a_connection_from_a_proxy(loop: str, header: bytes, size: int) -> None:
    """Nothing is said before the header; then the client is who it names, and what came with it is heard."""

    async def main() -> None:
        async with hosting(proxies=LOOPBACK) as host, calling(host) as client:
            for piece in cut(header + b"EHLO client.example.com\r\n", list(range(0, len(header), size))):
                await client.send(piece)
            assert (await client.reply())[:3] == "220"
            assert (await client.reply())[:3] == "250"
            peer = GOOD[header]
            assert host.double.client.peer == ("127.0.0.1" if peer is None else peer)
            assert host.double.connects == 1

    run(loop, main())


@BOTH
@pytest.mark.parametrize("octets", BAD[:8] + BAD[-14:])
def test_a_connection_without_a_header(loop: str, octets: bytes) -> None:
    """It ends without a greeting, and the log says what came from whom; nothing of it is heard."""

    async def main() -> None:
        async with hosting(proxies=LOOPBACK) as host, calling(host) as client:
            with capture_logs() as logs:
                await client.send(octets + b"\r\nEHLO x\r\nMAIL FROM:<ann@example.com>\r\n")
                with suppress(ConnectionError):
                    assert await client.rest() == ""
                await until(lambda: host.ended == 1)
            assert [(log["event"], log["stage"], log["peer"]) for log in logs] == [
                ("connection not begun", "PROXY header", "127.0.0.1")
            ]
            assert (host.double.connects, host.double.heard) == (0, [])

    run(loop, main())


@BOTH
@pytest.mark.parametrize("sent", [b"", b"PROX", SIGNATURE, v2()[:-1]])
def test_a_header_has_to_come_in_time(loop: str, sent: bytes) -> None:
    """Half a header, or none, ends the connection when its time is over, without a word."""

    async def main() -> None:
        async with hosting(proxies=LOOPBACK, bounds=Bounds(handshake=0.2)) as host, calling(host) as client:
            with capture_logs() as logs:
                await client.send(sent)
                with suppress(ConnectionError):
                    assert await client.rest() == ""
                await until(lambda: host.ended == 1)
            assert [log["reason"] for log in logs] == ["not there in time"]

    run(loop, main())


@BOTH
@pytest.mark.parametrize("how", ["close", "reset", "half", "shut"])
def test_a_connection_ends_before_its_header(loop: str, how: str) -> None:
    """A proxy that only looks whether we are there leaves nothing behind, and no line in the log."""

    async def main() -> None:
        async with hosting(proxies=LOOPBACK) as host, calling(host) as client:
            with capture_logs() as logs:
                await client.send(b"PROXY TC")
                await until(lambda: host.connections)
                match how:
                    case "close":
                        client.writer.close()
                    case "reset":
                        client.reset()
                    case "half":
                        client.writer.write_eof()
                    case _:
                        host.only.shut()
                await until(lambda: host.ended == 1)
            assert logs == []

    run(loop, main())


@BOTH
def test_no_other_host_may_name_a_client(loop: str) -> None:
    """From a host that is no proxy the header is a command that nobody knows, and the address stays its own."""

    async def main() -> None:
        async with hosting(proxies=(ip_network("192.0.2.0/24"),)) as host, calling(host) as client:
            await client.greet()
            assert (await client.say("PROXY TCP4 192.0.2.7 198.51.100.1 50000 25")).startswith("500 5.5.1 ")
            await client.send(v2())
            assert [(await client.reply())[:3] for _ in range(3)] == ["500"] * 3
            assert host.double.client.peer == "127.0.0.1"
        async with hosting() as host, calling(host) as client:
            await client.greet()
            assert (await client.say("PROXY TCP4 192.0.2.7 198.51.100.1 50000 25")).startswith("500 5.5.1 ")

    run(loop, main())


@BOTH
def test_a_second_header_is_none(loop: str) -> None:
    """After the first it is a command that nobody knows."""

    async def main() -> None:
        async with hosting(proxies=LOOPBACK) as host, calling(host) as client:
            await client.send(v2() + b"PROXY TCP4 203.0.113.9 198.51.100.1 50000 25\r\n")
            assert (await client.reply())[:3] == "220"
            assert (await client.reply())[:3] == "500"
            assert host.double.client.peer == "192.0.2.7"

    run(loop, main())


@BOTH
@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("header", [v2(tlvs=TLVS), b"PROXY TCP6 2001:db8::7 2001:db8::1 50000 25\r\n"])
def test_the_header_comes_before_tls(loop: str, header: bytes, tmp_path: Path, *, together: bool) -> None:
    """In one piece with the client's handshake or ahead of it: TLS begins behind it, and the client is named."""
    files = certificates.made(tmp_path, "127.0.0.1")
    context = trusting(files)

    async def main() -> None:
        more: dict[str, Any] = {"certificate": Certificate(*files), "tls_at_once": True}
        async with hosting(proxies=LOOPBACK, **more) as host:
            sending = asyncio.get_running_loop().run_in_executor(
                None, lambda: _speak(host.port, header, context, together=together)
            )
            greeting, replied = await sending
            assert (greeting[:4], replied[:4]) == (b"220 ", b"250-")
            assert host.double.client.tls == "TLSv1.3"
            assert host.double.client.peer in {"192.0.2.7", "2001:db8::7"}

    run(loop, main())


def _speak(port: int, header: bytes, context: ssl.SSLContext, *, together: bool) -> tuple[bytes, bytes]:
    """Speak as a client behind a proxy, by a socket that shows what the handshake sends."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
    with socket.create_connection(("127.0.0.1", port), timeout=10) as wire:

        def go(step: Any) -> Any:
            while True:
                try:
                    return step()
                except ssl.SSLWantReadError:
                    if outgoing.pending:
                        wire.sendall(outgoing.read())
                    incoming.write(wire.recv(65_536))

        if together:
            with suppress(ssl.SSLWantReadError):
                tls.do_handshake()
            wire.sendall(header + outgoing.read())
        else:
            wire.sendall(header)
        go(tls.do_handshake)
        greeting = go(lambda: tls.read(1000))
        tls.write(b"EHLO client.example.com\r\n")
        return greeting, go(lambda: tls.read(1000))


@BOTH
def test_the_named_address_is_counted(loop: str) -> None:
    """Each client has its own share of the places, and the proxy that brings them all has none to keep to."""

    async def main() -> None:
        gate = Gate(most=100, most_per_address=1, uncounted=LOOPBACK)
        async with hosting(proxies=LOOPBACK, gate=gate) as host:
            async with calling(host) as first, calling(host) as second, calling(host) as other:
                for client, address in ((first, "192.0.2.7"), (other, "192.0.2.8"), (second, "192.0.2.7")):
                    await client.send(v2(address))
                    taken = client is not second
                    assert (await client.reply()) == ("220 sms.example.com smsbridge" if taken else replies.TOO_MANY)
                assert await second.rest() == ""
                assert gate.taken == 2
            await until(lambda: not host.connections)
            assert gate.taken == 0
            async with calling(host) as again:
                await again.send(v2("192.0.2.7"))
                assert (await again.reply())[:3] == "220"

    run(loop, main())
