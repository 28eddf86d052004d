"""The resolver: what it asks over the wire, what it keeps and how long, and what it makes of a server's failures."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
import uvloop

from bridge.model.errors import ConfigError, DnsUnavailable
from smtp.config import DnsSettings
from smtp.proof.dns import FAILURE_SECONDS, LEAST_SECONDS, Kind, Lookups, Resolver, TooManyLookups
from tests.smtp.proof.world import run
from tests.support.clock import HandClock
from tests.support.dns_server import DnsServer, Fault

ZONE = {
    "example.com": {
        "TXT": ["v=spf1 -all", "x" * 300, ""],
        "A": ["192.0.2.1", "192.0.2.2"],
        "AAAA": ["2001:db8::1"],
        "MX": ["10 mx1.example.com.", "20 mx2.example.com."],
    },
    "1.2.0.192.in-addr.arpa": {"PTR": ["mx1.example.com."]},
    "alias.example.com": {"CNAME": ["example.com."]},
    "large.example.com": {"TXT": ["y" * 4000]},
    "huge.example.com": {"TXT": ["z" * 20_000]},
}


class Desk:
    """A resolver, its server, and its time."""

    def __init__(self, resolver: Resolver, server: DnsServer, clock: HandClock) -> None:
        self.resolver = resolver
        self.server = server
        self.clock = clock

    async def ask(self, name: str, kind: Kind = Kind.TXT) -> tuple[object, ...]:
        return await self.resolver.ask(name, kind)


@asynccontextmanager
async def desk(*, patience: float = 20, cache: int = 100, ttl: int = 300) -> AsyncIterator[Desk]:
    """Serve the zone."""
    async with DnsServer(ZONE, ttl=ttl) as server:
        clock = HandClock()
        settings = DnsSettings(servers=(server.address,), timeout=timedelta(seconds=patience), cache=cache)
        resolver = Resolver(settings, timer=lambda: clock.ms / 1000)
        try:
            yield Desk(resolver, server, clock)
        finally:
            await resolver.close()


def test_records() -> None:
    """Each type comes in its form; strings of TXT are joined; aliases are followed; what is not there is empty."""

    async def scene() -> None:
        async with desk() as at:
            assert set(await at.ask("example.com")) == {b"v=spf1 -all", b"x" * 300, b""}
            assert set(await at.ask("Example.COM.", Kind.A)) == {"192.0.2.1", "192.0.2.2"}
            assert await at.ask("example.com", Kind.AAAA) == ("2001:db8::1",)
            assert set(await at.ask("example.com", Kind.MX)) == {(10, "mx1.example.com"), (20, "mx2.example.com")}
            assert await at.ask("1.2.0.192.in-addr.arpa", Kind.PTR) == ("mx1.example.com",)
            assert len(await at.ask("alias.example.com", Kind.A)) == 2
            assert await at.ask("alias.example.com", Kind.PTR) == ()
            assert await at.ask("nowhere.example.com") == ()
            assert await at.ask("1.2.0.192.in-addr.arpa") == ()

    run(scene())


@pytest.mark.parametrize("name", ["", ".", "a..b", "a" * 64, "x." * 128, "\u05d0.test", ".example.com"])
def test_names_that_cannot_exist_are_not_asked(name: str) -> None:
    """A name that no zone can hold has no records, and no server hears of it."""

    async def scene() -> None:
        async with desk() as at:
            assert await at.ask(name) == ()
            assert not at.server.asked

    run(scene())


def test_odd_names_are_asked_as_they_are() -> None:
    """A macro of SPF may make any name: it goes out label by label, and its escapes mean nothing."""

    async def scene() -> None:
        async with desk() as at:
            at.server.put(r"a\032b.example.com", "TXT", "found")
            assert await at.ask("a b.example.com") == (b"found",)
            assert await at.ask(r"a\.b.example.com") == ()

    run(scene())


def test_large_answers_come_over_tcp() -> None:
    """An answer that is cut short over UDP is fetched over TCP; one that no key or policy can be is none."""

    async def scene() -> None:
        async with desk() as at:
            assert await at.ask("large.example.com") == (b"y" * 4000,)
            assert at.server.over == {"udp": 1, "tcp": 1}
            at.server.faults["example.com"] = Fault.TRUNCATED
            assert await at.ask("example.com", Kind.AAAA) == ("2001:db8::1",)
            assert at.server.over == {"udp": 2, "tcp": 2}
            assert await at.ask("huge.example.com") == ()

    run(scene())


def test_answers_are_kept_as_long_as_they_say() -> None:
    """Within the time of an answer nobody is asked again; at its end somebody is."""

    async def scene() -> None:
        async with desk(ttl=300) as at:
            for seconds, asked in ((0, 1), (299.9, 1), (0.2, 2), (299, 2)):
                at.clock.advance(seconds=seconds)
                await at.ask("example.com")
                assert at.server.asked["example.com", "TXT"] == asked

    run(scene())


@pytest.mark.parametrize(("ttl", "kept"), [(0, LEAST_SECONDS), (10**6, 86_400)])
def test_time_of_answers_is_bounded(ttl: int, kept: float) -> None:
    """No answer is forgotten at once, so that a mail asks once; none is believed for longer than a day."""

    async def scene() -> None:
        async with desk(ttl=ttl) as at:
            await at.ask("example.com")
            at.clock.advance(seconds=kept - 0.1)
            await at.ask("example.com")
            assert at.server.asked.total() == 1
            at.clock.advance(seconds=0.2)
            await at.ask("example.com")
            assert at.server.asked.total() == 2

    run(scene())


def test_absence_is_kept_as_the_zone_says() -> None:
    """That a name or a record is not there is kept for the minimum of the zone's SOA: here a minute."""

    async def scene() -> None:
        async with desk() as at:
            for kind in (Kind.TXT, Kind.PTR):
                for seconds, asked in ((0, 1), (59.9, 1), (0.2, 2)):
                    at.clock.advance(seconds=seconds)
                    await at.ask("example.com" if kind is Kind.PTR else "nowhere.test", kind)
                    assert at.server.asked.total() == asked
                at.server.asked.clear()

    run(scene())


@pytest.mark.parametrize("fault", [Fault.SERVFAIL, Fault.REFUSED, Fault.SILENT, Fault.WRONG_ID, Fault.GARBAGE])
def test_failures(fault: Fault) -> None:
    """Without an answer nothing is known; for seconds it is not tried again, then it is, and works."""

    async def scene() -> None:
        async with desk(patience=0.1 if fault not in {Fault.SERVFAIL, Fault.REFUSED} else 20) as at:
            at.server.faults["example.com"] = fault
            with pytest.raises(DnsUnavailable, match=r"DNS gave no answer for example\.com"):
                await at.ask("example.com")
            asked = at.server.asked.total()
            del at.server.faults["example.com"]
            at.clock.advance(seconds=FAILURE_SECONDS - 0.1)
            with pytest.raises(DnsUnavailable):
                await at.ask("example.com")
            assert at.server.asked.total() == asked
            at.clock.advance(seconds=0.2)
            async with asyncio.timeout(20):
                while True:  # the loop may be too busy for a tenth of a second
                    try:
                        assert len(await at.ask("example.com")) == 3
                        break
                    except DnsUnavailable:
                        at.clock.advance(seconds=FAILURE_SECONDS + 0.1)

    run(scene())


def test_guessed_answers_are_passed_over() -> None:
    """An answer to another question is not believed, and the right one behind it is."""

    async def scene() -> None:
        async with desk() as at:
            at.server.faults["*"] = Fault.WRONG_ID_FIRST
            assert await at.ask("nowhere.example.com") == ()
            at.server.faults["*"] = Fault.LYING
            assert await at.ask("elsewhere.example.com") == ()

    run(scene())


def test_one_question_at_a_time() -> None:
    """Whoever asks what is already under way waits for that answer; one who gives up does not end it for the rest."""

    async def scene() -> None:
        async with desk() as at:
            at.server.faults["example.com"] = Fault.HELD
            many = [asyncio.create_task(at.ask("example.com", Kind.A)) for _ in range(20)]
            await at.server.arrived.wait()
            many[0].cancel()
            with pytest.raises(DnsUnavailable, match="in time"):
                await at.resolver.ask("example.com", Kind.A, patience=0)
            at.server.release()
            answers = await asyncio.gather(*many[1:])
            assert {len(answer) for answer in answers} == {2}
            assert at.server.asked == {("example.com", "A"): 1}

    run(scene())


def test_cache_is_bounded() -> None:
    """Of more names than the cache holds those go that were not asked for longest; a cache of none keeps none."""

    async def scene() -> None:
        async with desk(cache=2) as at:
            for name in ("a.test", "b.test", "a.test", "c.test", "a.test", "b.test"):
                await at.ask(name)
            assert at.server.asked == {("a.test", "TXT"): 1, ("b.test", "TXT"): 2, ("c.test", "TXT"): 1}
        async with desk(cache=0) as at:
            for _ in range(2):
                await at.ask("example.com")
            assert at.server.asked.total() == 2

    run(scene())


def test_second_server_answers_for_the_first() -> None:
    """Where the first server refuses, the second is asked."""

    async def scene() -> None:
        async with DnsServer() as bad, DnsServer(ZONE) as good:
            bad.faults["*"] = Fault.SERVFAIL
            resolver = Resolver(DnsSettings(servers=(bad.address, good.address)))
            try:
                assert len(await resolver.ask("example.com", Kind.A)) == 2
                assert bad.asked == good.asked
            finally:
                await resolver.close()

    run(scene())


def test_closing_ends_what_is_under_way() -> None:
    """Who waits when the resolver closes hears that there is no answer."""

    async def scene() -> None:
        async with desk() as at:
            at.server.faults["*"] = Fault.SILENT
            waiting = asyncio.create_task(at.ask("example.com"))
            await at.server.arrived.wait()
            await at.resolver.close()
            with pytest.raises(DnsUnavailable):
                await waiting

    run(scene())


def test_under_uvloop() -> None:
    """The same over uvloop, which the bridge runs on: UDP, TCP and a silent server."""

    async def scene() -> None:
        async with desk(patience=0.3) as at:
            assert len(await at.ask("example.com", Kind.A)) == 2
            assert await at.ask("large.example.com") == (b"y" * 4000,)
            at.server.faults["*"] = Fault.SILENT
            with pytest.raises(DnsUnavailable):
                await at.ask("silent.test")

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(scene())


def test_share_of_a_mail() -> None:
    """A mail asks so many names, the same one once, and no more; a failure stays a failure for it."""

    async def scene() -> None:
        async with desk() as at:
            lookups = Lookups(at.resolver, most=3)
            at.server.faults["bad.test"] = Fault.SERVFAIL
            for _ in range(2):
                assert await lookups.ask("a.test") == ()
                assert len(await lookups.ask("example.com", Kind.A)) == 2
                with pytest.raises(DnsUnavailable):
                    await lookups.ask("bad.test")
            with pytest.raises(TooManyLookups):
                await lookups.ask("b.test")
            assert at.server.asked.total() == 3

    run(scene())


def test_time_of_a_mail() -> None:
    """All the questions of a mail together take no longer than one may: when it is over none is waited for."""

    async def scene() -> None:
        async with desk(patience=0.1) as at:
            at.server.faults["*"] = Fault.SILENT
            lookups = Lookups(at.resolver, most=100)
            began = asyncio.get_running_loop().time()
            failed = 0
            for number in range(100):
                with pytest.raises(DnsUnavailable):
                    await lookups.ask(f"n{number}.test")
                failed += 1
            assert failed == 100
            # Each alone would take a tenth of a second, all of them ten.
            assert asyncio.get_running_loop().time() - began < 5

    run(scene())


def test_servers_are_addresses() -> None:
    """A server that is named, not numbered, is refused before anything is asked."""
    with pytest.raises(ConfigError, match="no IP address"):
        Resolver(DnsSettings(servers=("resolver.example.com:53",)))
    Resolver(DnsSettings(servers=("[::1]:53", "127.0.0.1:53")))
    Resolver(DnsSettings())
