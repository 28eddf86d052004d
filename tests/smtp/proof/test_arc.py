"""ARC: what a named forwarder found before it sent the mail on."""

from __future__ import annotations

import pytest

from bridge.model.errors import DnsUnavailable
from bridge.model.mail_policy import Proof
from smtp.proof.prove import Proved
from tests.smtp.proof.signing import rsa_pair, sealed
from tests.smtp.proof.world import MAIL, NUMBER, run, world
from tests.support.dns_server import Fault

PASSED = "dkim=pass header.d=example.com"


def proved(raw: bytes, *forwarders: str, dns: dict[str, str] | None = None) -> Proved:
    """Prove a mail by ARC, with forwarder.test named and others."""

    async def scene() -> Proved:
        async with world(forwarders=("forwarder.test", *forwarders)) as at:
            for name, record in (dns or {}).items():
                at.dns.put(name, "TXT", record)
            return await at.prove(raw, Proof.ARC)

    return run(scene())


@pytest.mark.parametrize(
    "found",
    [
        PASSED,
        "dkim=pass header.i=@example.com header.s=20230601 header.b=abc/+==",
        "spf=pass (192.0.2.1 is permitted) smtp.mailfrom=ann@example.com",
        "spf=softfail smtp.mailfrom=example.com; dkim=pass (signature was verified) header.d=mail.example.com",
        "dmarc=pass (p=none sp=none pct=100) action=none header.from=example.com; dkim=none; arc=none",
    ],
)
def test_forwarder_saw_a_proof(found: str) -> None:
    """What the forwarder found proves the author, in the words that large providers use; its signature covers To."""
    proof = proved(sealed(MAIL, found))
    method = found.partition("=")[0] if "softfail" not in found else "dkim"
    assert proof.found == {Proof.ARC: f"d=forwarder.test i=1 {method}=pass by mx.forwarder.test"}
    assert proof.results == "sms.example.net; arc=pass header.d=forwarder.test header.s=a1"
    assert proof.recipients[Proof.ARC] == frozenset({NUMBER})


def test_forwarders_in_a_row() -> None:
    """A list that spoils the signature, and a provider behind it: the word of the first counts when both are named."""
    raw = sealed(sealed(MAIL, PASSED, domain="lists.test"), "dkim=fail header.d=example.com; arc=pass")
    keys = {"a1._domainkey.lists.test": rsa_pair().record}
    assert proved(raw, "lists.test", dns=keys).found == {Proof.ARC: "d=forwarder.test i=2 dkim=pass by mx.lists.test"}
    assert proved(raw, dns=keys).found == {}


def test_stranger_before_the_forwarder() -> None:
    """Who sealed before the forwarder need not be known, as long as the chain holds."""
    raw = sealed(sealed(MAIL, "dkim=none", domain="stranger.test"), f"arc=pass; {PASSED}")
    assert Proof.ARC in proved(raw, dns={"a1._domainkey.stranger.test": rsa_pair().record}).found
    assert proved(raw).reasons == ("the ARC chain has no key in DNS",)


def test_strangers_seal_is_not_looked_up() -> None:
    """Where the newest seal is of nobody who is named, DNS is not asked."""

    async def scene() -> None:
        async with world(forwarders=("forwarder.test",)) as at:
            await at.prove(sealed(MAIL, PASSED, domain="stranger.test"), Proof.ARC)
            assert not at.dns.asked

    run(scene())


def test_no_forwarder_is_named() -> None:
    """Without the setting no seal proves anything."""

    async def scene() -> None:
        async with world() as at:
            found = await at.prove(sealed(MAIL, PASSED), Proof.ARC)
            assert found.reasons == ("the ARC seal of forwarder.test is not believed here",)

    run(scene())


@pytest.mark.parametrize("name", ["a1._domainkey.forwarder.test", "a1._domainkey.stranger.test", "_dmarc.example.com"])
def test_failure_of_dns(name: str) -> None:
    """Where a key of the chain or the author's policy gave no answer, the mail has to come again."""

    async def scene() -> None:
        async with world(forwarders=("forwarder.test",)) as at:
            at.dns.put("a1._domainkey.stranger.test", "TXT", rsa_pair().record)
            raw = sealed(MAIL, "dkim=none", domain="stranger.test")
            raw = sealed(raw, "arc=pass; dkim=pass header.d=lists.example.com")
            assert Proof.ARC in (await at.prove(raw, Proof.ARC)).found
            at.clock.advance(seconds=4000)
            at.dns.faults[name] = Fault.SERVFAIL
            with pytest.raises(DnsUnavailable, match="DNS gave no answer"):
                await at.prove(raw, Proof.ARC)

    run(scene())
