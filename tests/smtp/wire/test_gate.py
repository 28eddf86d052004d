"""How many connections there may be, in all and from one address, and what one too many is told."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from smtp import replies
from smtp.wire.gate import UNCOUNTED, Gate, key_of
from smtp.wire.tls import Certificate
from tests.smtp.talk import LOOPS, calling, hosting, run, until
from tests.smtp.wire.test_tls import trusting
from tests.support import certificates

BOTH = pytest.mark.parametrize("loop", sorted(LOOPS))


def test_places_in_all() -> None:
    """As many as there are, and one more only when one was given back."""
    gate = Gate(most=2, most_per_address=10)
    assert [gate.enter() for _ in range(3)] == [True, True, False]
    gate.leave(gate.admit("192.0.2.7"))
    assert [gate.enter() for _ in range(2)] == [True, False]


def test_places_of_an_address() -> None:
    """Each address has its own; hosts of the networks that are not counted have no end of them."""
    gate = Gate(most=100, most_per_address=2, uncounted=(ip_network("198.51.100.0/24"), ip_network("2001:db8:1::/48")))
    assert [gate.admit("192.0.2.7") is not None for _ in range(3)] == [True, True, False]
    assert gate.admit("192.0.2.8") is not None
    for trusted in ("198.51.100.9", "::ffff:198.51.100.9", "2001:db8:1::1"):
        assert [gate.admit(trusted) for _ in range(5)] == [UNCOUNTED] * 5
    gate.leave(gate.admit("192.0.2.8"))
    gate.leave(key_of("192.0.2.7"))
    assert [gate.admit("192.0.2.7") is not None for _ in range(2)] == [True, False]


def test_what_is_one_address() -> None:
    """An IPv6 one counts with its /64, an IPv4 one in IPv6 form as IPv4, and what is none with all such."""
    assert key_of("2001:db8::1") == key_of("2001:db8::ffff:0:1") == key_of("2001:DB8:0:0:ffff::%eth0")
    assert key_of("2001:db8::1") != key_of("2001:db8:0:1::1")
    assert key_of("::ffff:192.0.2.7") == key_of("192.0.2.7") != key_of("192.0.2.8")
    assert key_of("unknown") == key_of("") == key_of("client") != UNCOUNTED


@given(st.lists(st.tuples(st.sampled_from(["192.0.2.7", "192.0.2.8", "2001:db8::1", ""]), st.booleans()), max_size=60))
def test_all_places_come_back(steps: list[tuple[str, bool]]) -> None:
    """However they come and go: never more than allowed, and when all are gone nothing is remembered."""
    gate = Gate(most=5, most_per_address=2)
    inside: list[tuple[str, str | None]] = []
    for peer, arrives in steps:
        if arrives and gate.enter():
            inside.append((peer, gate.admit(peer)))
        elif inside:
            gate.leave(inside.pop(0)[1])
        assert gate.taken == len(inside) <= 5
        for address in {peer for peer, _ in inside}:
            assert sum(peer == address and key is not None for peer, key in inside) <= 2
    for _, key in inside:
        gate.leave(key)
    assert (gate.taken, dict(gate._by_key)) == (0, {})


def test_a_flood_is_told_now_and_then() -> None:
    """The first that is turned away at once, the others together after ten seconds."""
    gate = Gate(most=1, most_per_address=1)
    assert [gate.turn_away(now) for now in (100.0, 101.0, 109.9, 110.0, 111.0, 500.0)] == [1, 0, 0, 3, 0, 2]


# On the wire


@pytest.mark.enable_socket
@BOTH
@pytest.mark.parametrize("bound", ["all", "address"])
def test_one_too_many(loop: str, bound: str) -> None:
    """It is told to come again and closed; those before it go on, and when one leaves the next gets in."""

    async def main() -> None:
        gate = Gate(most=3 if bound == "all" else 99, most_per_address=3 if bound == "address" else 99)
        async with hosting(gate=gate) as host:
            async with AsyncExitStack() as stack:
                inside = [await stack.enter_async_context(calling(host)) for _ in range(3)]
                for client in inside:
                    await client.greet()
                with capture_logs() as logs:
                    for _ in range(3):
                        async with calling(host) as client:
                            assert await client.rest() == replies.TOO_MANY + "\r\n"
                assert [(log["event"], log["count"]) for log in logs] == [("connections refused", 1)]
                assert (host.double.connects, gate.taken) == (3, 3)
                assert (await inside[0].say("QUIT"))[:3] == "221"
                await until(lambda: gate.taken == 2)
                async with calling(host) as client:
                    await client.greet()
                for client in inside[1:]:
                    assert (await client.say("NOOP"))[:3] == "250"
            await until(lambda: not host.connections)
            assert (gate.taken, dict(gate._by_key)) == (0, {})

    run(loop, main())


@pytest.mark.enable_socket
@BOTH
def test_a_handshake_takes_a_place(loop: str, tmp_path: Path) -> None:
    """Who is silent in it counts; who is too many there is closed without a word, for TLS would have to carry it."""
    files = certificates.made(tmp_path, "127.0.0.1")

    async def main() -> None:
        gate = Gate(most=1, most_per_address=9)
        async with hosting(gate=gate, certificate=Certificate(*files), tls_at_once=True) as host:
            async with calling(host) as silent, calling(host) as other:
                await until(lambda: host.ended == 1)
                assert await other.rest() == ""
                await silent.secure(trusting(files))
                assert (await silent.reply())[:3] == "220"
            await until(lambda: not host.connections)
            assert gate.taken == 0

    run(loop, main())


@pytest.mark.enable_socket
def test_a_flood_of_connections() -> None:
    """Ninety at once where twenty may be: no more get in, all others are told, and every place comes back."""

    async def main() -> None:
        gate = Gate(most=20, most_per_address=1000)
        async with hosting(gate=gate) as host:

            async def one() -> str:
                async with calling(host) as client:
                    try:
                        return await client.reply()
                    except ConnectionError:
                        return "closed"

            held = [asyncio.create_task(one()) for _ in range(90)]
            said = await asyncio.gather(*held)
            assert set(said) <= {"220 sms.example.com smsbridge", replies.TOO_MANY, "closed"}
            assert gate.taken <= 20
            await until(lambda: not host.connections)
            assert gate.taken == 0

    asyncio.run(main())
