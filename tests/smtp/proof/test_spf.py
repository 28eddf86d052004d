"""SPF: the host may send for the envelope's domain, and that stands for the author's."""

from __future__ import annotations

import time

import pytest

from bridge.model.errors import DnsUnavailable
from bridge.model.mail_policy import Proof
from smtp.proof.prove import Proved
from tests.smtp.proof.world import MAIL, PEER, run, world
from tests.support.dns_server import Fault

SIX = "2001:db8::25"
_DNS: dict[str, dict[str, list[str]]] = {
    "mx1.example.com": {"A": [PEER], "AAAA": [SIX]},
    "www.example.com": {"CNAME": ["mx1.example.com."]},
    "mail.test": {"MX": ["10 other.test.", "20 mx1.example.com."]},
    "other.test": {"A": ["192.0.2.200"], "AAAA": ["2001:db8::bad"]},
    "_none.test": {"TXT": ["v=spf1 ?all"]},
    "_spf.test": {"TXT": [f"v=spf1 ip4:{PEER} ip6:{SIX} -all"]},
    "1.2.0.192.in-addr.arpa": {"PTR": ["mx1.example.com."]},
    "ann._at.example.com.x.test": {"A": ["127.0.0.2"]},
    "1.2.0.192.in-addr.helo.test.y.test": {"A": ["127.0.0.2"]},
}


def proved(record: str, *, peer: str = PEER, **envelope: str) -> Proved:
    """Prove a mail of Ann's by SPF, with this record."""

    async def scene() -> Proved:
        async with world() as at:
            for name, types in _DNS.items():
                for kind, records in types.items():
                    at.dns.put(name, kind, *records)
            at.dns.put("example.com", "TXT", record)
            return await at.prove(MAIL, Proof.SPF, peer=peer, **envelope)

    return run(scene())


@pytest.mark.parametrize(
    "record",
    [
        f"v=spf1 ip4:{PEER} -all",
        "v=spf1 ip4:192.0.2.0/24 -all",
        "V=SPF1 IP4:192.0.2.1 -ALL",
        "v=spf1   ip4:192.0.2.1   -all ",
        "v=spf1 a:mx1.example.com -all",
        "v=spf1 a:www.example.com -all",
        "v=spf1 a:other.test/24 -all",
        "v=spf1 mx:mail.test -all",
        "v=spf1 include:_spf.test -all",
        "v=spf1 redirect=_spf.test",
        "v=spf1 ptr:example.com -all",
        "v=spf1 exists:%{l}._at.%{d}.x.test -all",
        "v=spf1 exists:%{ir}.%{v}.%{h}.y.test -all",
        "v=spf1 -include:_none.test include:_spf.test -all exp=nowhere.test unknown=x",
        "v=spf1 all",
    ],
)
def test_record_that_names_the_host(record: str) -> None:
    """Every mechanism that RFC 7208 has proves, when it names the host."""
    found = proved(record, helo="helo.test")
    assert found.found == {Proof.SPF: f"example.com names {PEER}"}
    assert found.results == "sms.example.net; spf=pass smtp.mailfrom=example.com"
    assert found.recipients == {}


@pytest.mark.parametrize(
    "record", [f"v=spf1 ip6:{SIX} -all", "v=spf1 ip6:2001:db8::/32 -all", "v=spf1 mx:mail.test//128 -all"]
)
def test_ipv6(record: str) -> None:
    """A host is known by its IPv6 address as well, with a zone or without."""
    assert Proof.SPF in proved(record, peer=SIX).found
    assert Proof.SPF in proved(record, peer=f"{SIX}%eth0").found
    assert proved(record, peer="2001:dead::1").found == {}


def test_ipv4_in_ipv6_form() -> None:
    """A client of a listener for both is the IPv4 host that it is."""
    assert Proof.SPF in proved(f"v=spf1 ip4:{PEER} -all", peer=f"::ffff:{PEER}").found


def test_client_without_an_address() -> None:
    """SPF proves nothing of a client on a socket of this machine."""
    assert proved("v=spf1 +all", peer="").reasons == ("SPF of example.com: permerror",)


@pytest.mark.parametrize("helo", ["", "x" * 300, "a b", "\u05d0", "%{i}", "[192.0.2.1]", "a..b"])
def test_odd_greetings(helo: str) -> None:
    """Whatever a client calls itself, the record is evaluated."""
    assert proved("v=spf1 exists:%{h}.nowhere.test ?all", helo=helo).reasons == ("SPF of example.com: neutral",)


def test_subdomain_of_the_author() -> None:
    """An envelope of another domain of the organisation proves, where the author's record does not ask for its own."""

    async def scene() -> None:
        async with world() as at:
            at.dns.put("bounces.example.com", "TXT", "v=spf1 +all")
            found = await at.prove(MAIL, Proof.SPF, sender="x@bounces.example.com")
            assert found.found == {Proof.SPF: f"bounces.example.com names {PEER}"}

    run(scene())


@pytest.mark.parametrize("fault", [Fault.SERVFAIL, Fault.SILENT])
@pytest.mark.parametrize("name", ["example.com", "_spf.test", "mail.test", "mx1.example.com"])
def test_failure_of_dns(fault: Fault, name: str) -> None:
    """Where any name that the record needs gave no answer, the mail has to come again."""

    async def scene() -> None:
        async with world(patience=0.2 if fault is Fault.SILENT else 20) as at:
            for known, types in _DNS.items():
                for kind, records in types.items():
                    at.dns.put(known, kind, *records)
            at.dns.put("_spf.test", "TXT", "v=spf1 -all")
            at.dns.put("example.com", "TXT", "v=spf1 include:_spf.test mx:mail.test -all")
            at.dns.faults[name] = fault
            with pytest.raises(DnsUnavailable, match="DNS gave no answer"):
                await at.prove(MAIL, Proof.SPF)

    run(scene())


def test_failure_behind_the_decision_does_not_matter() -> None:
    """A name that is not needed any more may fail."""

    async def scene() -> None:
        async with world() as at:
            at.dns.put("example.com", "TXT", f"v=spf1 ip4:{PEER} include:bad.test -all exp=bad.test")
            at.dns.faults["bad.test"] = Fault.SERVFAIL
            assert Proof.SPF in (await at.prove(MAIL, Proof.SPF)).found
            assert set(at.dns.asked) == {("example.com", "TXT")}

    run(scene())


def test_lookups_of_a_record_are_bounded() -> None:
    """Nine MX with ten hosts each are within RFC 7208; but no mail may ask for over fifty names."""

    async def scene() -> None:
        async with world() as at:
            at.dns.put("example.com", "TXT", "v=spf1 " + " ".join(f"mx:m{n}.test" for n in range(9)) + " all")
            for domain in range(9):
                at.dns.put(f"m{domain}.test", "MX", *(f"10 h{host}.m{domain}.test." for host in range(10)))
                for host in range(10):
                    at.dns.put(f"h{host}.m{domain}.test", "A", "203.0.113.1")
            found = await at.prove(MAIL, Proof.SPF)
            assert found.reasons == ("the mail asks for too many names in DNS",)
            assert at.dns.asked.total() == 50

    run(scene())


def test_hostile_records_take_no_time() -> None:
    """The worst records of all the names that one mail may read cost less than a second of this thread."""

    async def scene() -> None:
        async with world() as at:
            terms = " ".join(["ip4:10.0.0.1"] * 130)
            at.dns.put(
                "example.com", "TXT", "v=spf1 " + " ".join(f"include:i{n}.test" for n in range(10)) + " " + terms
            )
            for number in range(10):
                at.dns.put(f"i{number}.test", "TXT", f"v=spf1 {terms} a:{'%%.' * 80}test ?all")
            spent = time.thread_time()
            await at.prove(MAIL, Proof.SPF)
            assert time.thread_time() - spent < 1

    run(scene())
