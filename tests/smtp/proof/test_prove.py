"""All proofs of a mail together, and what the door is told of them."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import authres
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.model.errors import DnsUnavailable, SenderRefused
from bridge.model.mail_policy import Proof
from smtp.proof.author import author_of
from tests.smtp.proof.forgeries import RELAY, RELAYS_HOST, SETTINGS
from tests.smtp.proof.signing import NAMES, sealed, signed
from tests.smtp.proof.world import ALL, ANN, MAIL, NUMBER, PEER, header_of, run, world
from tests.support.dns_server import Fault


def test_all_proofs_at_once() -> None:
    """Each proof that holds is found, with its detail; the results are a field that authres reads."""
    relayed = f"Authentication-Results: {RELAY}; dmarc=pass header.from=example.com\r\n".encode()

    async def scene() -> None:
        async with world(**SETTINGS) as at:
            at.dns.put("example.com", "TXT", f"v=spf1 ip4:{RELAYS_HOST} -all")
            raw = relayed + sealed(signed(MAIL), "dkim=pass header.d=example.com")
            found = await at.prove(raw, ALL, peer=RELAYS_HOST)
        assert set(found.found) == ALL
        assert found.reasons == ()
        assert found.recipients == dict.fromkeys((Proof.DKIM, Proof.ARC, Proof.RELAY), frozenset({NUMBER}))
        field = authres.AuthenticationResultsHeader.parse(f"Authentication-Results: {found.results}")
        assert field.authserv_id == "sms.example.net"
        assert [(each.method, each.result) for each in field.results] == [
            ("dkim", "pass"),
            ("spf", "pass"),
            ("arc", "pass"),
            ("x-relay", "pass"),
        ]

    run(scene())


def test_no_proof_at_all() -> None:
    """A plain mail from nowhere: a reason for each proof that was asked for, in ASCII, one line each."""

    async def scene() -> None:
        async with world(**SETTINGS) as at:
            found = await at.prove(MAIL, ALL, peer="203.0.113.9")
        assert not found.found
        assert found.recipients == {}
        assert found.reasons == (
            "no DKIM signature of example.com",
            "SPF of example.com: fail",
            "no ARC seal",
            "the mail came from no relay whose Authentication-Results are believed",
        )
        assert found.results == "sms.example.net; dkim=none; spf=fail smtp.mailfrom=example.com"

    run(scene())


@pytest.mark.parametrize("wanted", [frozenset[Proof](), frozenset({Proof.NETWORK, Proof.LOGIN, Proof.SECRET})])
def test_proofs_of_the_connection_are_not_looked_at(wanted: frozenset[Proof]) -> None:
    """Where only a network, a login or a secret may prove, nothing is looked for and nothing looked up."""

    async def scene() -> None:
        async with world() as at:
            found = await at.prove(signed(MAIL), wanted)
            assert (found.found, found.reasons, found.results) == ({}, (), "sms.example.net; none")
            assert not at.dns.asked

    run(scene())


def test_one_proof_holds_though_another_is_unknown() -> None:
    """DNS may fail for one proof when another holds; it is said in the results."""

    async def scene() -> None:
        async with world() as at:
            at.dns.faults["example.com"] = Fault.SERVFAIL
            found = await at.prove(signed(MAIL), frozenset({Proof.DKIM, Proof.SPF}))
            assert set(found.found) == {Proof.DKIM}
            assert found.results == "sms.example.net; dkim=pass header.d=example.com header.s=s1; spf=temperror"
            with pytest.raises(DnsUnavailable):
                await at.prove(MAIL, frozenset({Proof.DKIM, Proof.SPF}))

    run(scene())


def test_slow_dns_holds_a_mail_no_longer_than_one_answer() -> None:
    """With every server silent, five signatures, a chain and a record wait for one timeout together, not for each."""

    async def scene() -> None:
        async with world(patience=1, **SETTINGS) as at:
            at.dns.faults["*"] = Fault.SILENT
            raw = sealed(MAIL, "dkim=pass header.d=example.com")
            for number in range(5):
                raw = signed(raw, selector=f"s{number}")
            began = asyncio.get_running_loop().time()
            with pytest.raises(DnsUnavailable):
                await at.prove(raw, ALL)
            # The five keys one after the other would take 5 s.
            assert asyncio.get_running_loop().time() - began < 4

    run(scene())


def test_answers_serve_many_mails() -> None:
    """A hundred mails at once, of one domain, ask each name once."""

    async def scene() -> None:
        async with world() as at:
            raw = signed(MAIL)
            found = await asyncio.gather(*(at.prove(raw, frozenset({Proof.DKIM, Proof.SPF})) for _ in range(100)))
            assert all(set(each.found) == {Proof.DKIM, Proof.SPF} for each in found)
            assert at.dns.asked == {("s1._domainkey.example.com", "TXT"): 1, ("example.com", "TXT"): 1}

    run(scene())


def test_age_of_signatures_is_a_setting() -> None:
    """``signature_age`` says how old a signature may be."""

    async def scene() -> None:
        async with world(signature_age=timedelta(hours=1)) as at:
            assert Proof.DKIM in (await at.prove(signed(MAIL))).found
            at.clock.advance(seconds=3600)
            assert (await at.prove(signed(MAIL))).reasons == ("the DKIM signature of example.com is too old",)

    run(scene())


def test_closing() -> None:
    """Closing the prover ends its lookups, and the mail that waits hears so."""

    async def scene() -> None:
        async with world() as at:
            at.dns.faults["*"] = Fault.SILENT
            waiting = asyncio.create_task(at.prove(signed(MAIL)))
            await at.dns.arrived.wait()
            await at.prover.close()
            with pytest.raises(DnsUnavailable):
                await waiting

    run(scene())


_SOUND = [signed(MAIL, names=NAMES), sealed(signed(MAIL), "spf=pass smtp.mailfrom=example.com")]
_SPOILT = [
    b"",
    b";",
    b"=",
    b"\r\n",
    b"\r\n ",
    b"\0",
    b"\xff",
    b'"',
    b"(",
    b":",
    b"b=",
    b"d=",
    b"h=from",
    b"t=9",
    b"l=1",
]
_change = st.tuples(st.integers(0, 2000), st.integers(0, 40), st.sampled_from(_SPOILT) | st.binary(max_size=4))


_mail = st.tuples(st.sampled_from(_SOUND), st.lists(_change, min_size=1, max_size=3))


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(_mail, min_size=5, max_size=5))
def test_changed_mails_raise_nothing_else(batch: list[tuple[bytes, list[tuple[int, int, bytes]]]]) -> None:
    """A good mail, changed anywhere, is proved or not; no error but those of the tree escapes."""

    async def scene() -> None:
        async with world(**SETTINGS) as at:
            for raw, changes in batch:
                for place, length, octets in changes:
                    raw = raw[:place] + octets + raw[place + length :]  # noqa: PLW2901 - it is changed three times
                try:
                    author = author_of(header_of(raw)) or ANN
                except SenderRefused:
                    author = ANN
                found = await at.prove(raw, ALL, author=author, peer=PEER)
                assert found.results.isascii()
                assert all(reason.isascii() and "\n" not in reason for reason in found.reasons)

    run(scene())
