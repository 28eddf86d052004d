"""DKIM: a signature of the author's domain that covers what counts, made lately with a key that holds."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import dkim
import pytest
from dkim.canonicalization import CanonicalizationPolicy
from hypothesis import given
from hypothesis import strategies as st

from bridge.clock import system_clock
from bridge.model.errors import DnsUnavailable
from bridge.model.mail_policy import Proof
from smtp.config import DnsSettings, SmtpSettings
from smtp.proof.case import Envelope
from smtp.proof.dns import Resolver
from smtp.proof.prove import Proved, Prover
from smtp.proof.signature import _ended, relaxed
from tests.smtp.proof.signing import NAMES, NOW, ed25519_pair, field, rsa_pair, signed
from tests.smtp.proof.world import ANN, MAIL, NUMBER, PEER, header_of, run, world
from tests.support.dns_server import DnsServer, Fault

_CC = (*NAMES, b"cc")


def proved(raw: bytes, *, dns: dict[str, list[str]] | None = None) -> Proved:
    """Prove a mail by DKIM, with TXT records besides those of the world."""

    async def scene() -> Proved:
        async with world() as at:
            for name, records in (dns or {}).items():
                at.dns.put(name, "TXT", *records)
            return await at.prove(raw)

    return run(scene())


@pytest.mark.parametrize("canonical", ["simple/simple", "relaxed/simple", "simple/relaxed", "relaxed/relaxed"])
def test_good_signature_proves(canonical: str) -> None:
    """A signature of the author's own domain proves, in each canonical form, and says what it covers."""
    found = proved(signed(MAIL, canonical=canonical))
    assert found.found == {Proof.DKIM: "d=example.com s=s1"}
    assert found.reasons == ()
    assert found.results == "sms.example.net; dkim=pass header.d=example.com header.s=s1"
    assert found.recipients == {Proof.DKIM: frozenset({NUMBER})}


def test_ed25519() -> None:
    """Ed25519 (RFC 8463) proves as RSA does."""
    found = proved(signed(MAIL, pair=ed25519_pair(), selector="ed"))
    assert found.found == {Proof.DKIM: "d=example.com s=ed"}


def test_signature_by_dkimpy_itself_proves() -> None:
    """What dkimpy's own sign makes, with the machine's time, is proved on the machine's time."""

    async def scene() -> Proved:
        async with DnsServer({"s1._domainkey.example.com": {"TXT": [rsa_pair().record]}}) as server:
            dns = DnsSettings(servers=(server.address,))
            prover = Prover(SmtpSettings(dns=dns), hostname="us", resolver=Resolver(dns), clock=system_clock)
            raw = dkim.sign(MAIL, b"s1", b"example.com", rsa_pair().private) + MAIL
            envelope = Envelope(peer=PEER, helo="h", sender=ANN)
            try:
                return await prover.prove(raw, header_of(raw), ANN, envelope, frozenset({Proof.DKIM}))
            finally:
                await prover.close()

    assert run(scene()).found == {Proof.DKIM: "d=example.com s=s1"}


RFC_8463 = """\
DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=brisbane; t=1528637909; h=from : to :
 subject : date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus
 Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==
From: Joe SixPack <joe@football.example.com>
To: Suzie Q <suzie@shopping.example.net>
Subject: Is dinner ready?
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
Message-ID: <20030712040037.46341.5F8J@football.example.com>

Hi.

We lost the game.  Are you hungry yet?

Joe.
""".replace("\n", "\r\n").encode()


def test_known_mail_of_rfc_8463() -> None:
    """The mail that RFC 8463, appendix A.3 prints is proved by the key that its A.2 prints, when it was new."""

    async def scene() -> Proved:
        async with world() as at:
            key = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
            at.dns.put("brisbane._domainkey.football.example.com", "TXT", key)
            at.clock.now = datetime.fromtimestamp(1528637909 + 60, UTC)
            return await at.prove(RFC_8463)

    assert run(scene()).recipients[Proof.DKIM] == frozenset({"suzie@shopping.example.net"})


def test_one_good_signature_of_several_is_enough() -> None:
    """A signature that fails, one of a stranger and one that cannot be read do not spoil the good one."""
    raw = signed(signed(MAIL), domain="stranger.test")
    raw = b"DKIM-Signature: what\r\n" + field(MAIL, tags={"x": "1", "t": None}) + raw
    found = proved(raw)
    assert found.found == {Proof.DKIM: "d=example.com s=s1"}
    assert found.results == (
        "sms.example.net; dkim=fail header.d=example.com header.s=s1; dkim=pass header.d=example.com header.s=s1"
    )


def test_strangers_signatures_are_not_looked_up() -> None:
    """A signature of a domain that is not aligned asks no name in DNS: whoever sends the mail chose it."""

    async def scene() -> None:
        async with world() as at:
            await at.prove(signed(MAIL, domain="stranger.test"))
            assert not at.dns.asked

    run(scene())


def test_signatures_past_the_fifth_are_not_looked_at() -> None:
    """Five bad signatures of the domain hide a good one below: the work for one mail is bounded."""
    bad = field(MAIL, tags={"l": "3"})
    assert Proof.DKIM in proved(bad * 4 + signed(MAIL)).found
    assert proved(bad * 5 + signed(MAIL)).found == {}


@pytest.mark.parametrize(
    ("raw", "covered"),
    [
        (signed(MAIL, names=[name for name in NAMES if name != b"to"]), None),
        (signed(MAIL.replace(b"To:", b"Cc:")), None),
        (signed(MAIL.replace(b"To:", b"Cc:"), names=(*NAMES, b"cc")), frozenset({NUMBER})),
        (
            signed(MAIL.replace(b"Subject:", b"CC: Bob <Bob@Example.ORG>,\r\n <x@sms.test>\r\nSubject:"), names=_CC),
            frozenset({NUMBER, "bob@example.org", "x@sms.test"}),
        ),
        (
            signed(MAIL.replace(b"To: ", b'To: "Pumps": "972502345679"@sms.test, ; ')),
            frozenset({"972502345679@sms.test", NUMBER}),
        ),
        (signed(MAIL.replace(b"To: ", b"To: (")), frozenset()),
    ],
)
def test_recipients_that_a_signature_covers(raw: bytes, covered: frozenset[str] | None) -> None:
    """Addresses count from those of To and Cc that are signed; what cannot be read there names nobody."""
    found = proved(raw)
    assert Proof.DKIM in found.found
    assert found.recipients[Proof.DKIM] == (covered or frozenset())


@pytest.mark.parametrize("t", [None, str(NOW - 3 * 86400 + 1), str(NOW + 599)])
def test_time_of_a_signature(t: str | None) -> None:
    """A signature is good for three days, tells its time by a signed Date if need be, and may be a bit ahead."""
    assert Proof.DKIM in proved(signed(MAIL, tags={"t": t})).found


def test_record_of_dmarc_decides_about_subdomains() -> None:
    """A signature of another domain of the organisation proves, unless the author's record asks for its own."""
    raw = signed(MAIL, domain="mail.example.com")
    keys = {"s1._domainkey.mail.example.com": [rsa_pair().record]}
    assert Proof.DKIM in proved(raw, dns=keys).found
    relaxed = {"_dmarc.example.com": ["v=DMARC1; p=reject; adkim=r; aspf=s"]}
    assert Proof.DKIM in proved(raw, dns={**keys, **relaxed}).found
    strict = proved(raw, dns={**keys, "_dmarc.example.com": ["v=DMARC1; p=none; adkim=s"]})
    assert strict.found == {}
    assert strict.reasons == (
        "the DKIM signature of mail.example.com is not of example.com itself, as its DMARC record asks",
    )


def test_record_of_dmarc_of_the_organisation() -> None:
    """Where the author's own domain has no record, that of its organisation counts; two records count as none."""
    raw = signed(MAIL.replace(b"@example.com>", b"@news.example.com>"), domain="example.com")
    assert Proof.DKIM in proved(raw).found
    strict = ["v=DMARC1; adkim=s"]
    assert proved(raw, dns={"_dmarc.example.com": strict}).found == {}
    assert Proof.DKIM in proved(raw, dns={"_dmarc.example.com": [*strict, "v=DMARC1; p=none; adkim=s"]}).found
    assert Proof.DKIM in proved(raw, dns={"_dmarc.example.com": strict, "_dmarc.news.example.com": ["v=DMARC1"]}).found
    assert Proof.DKIM in proved(raw, dns={"_dmarc.example.com": ["v=DMARC2; adkim=s", "v=DMARC1;;"]}).found


@pytest.mark.parametrize("fault", [Fault.SILENT, Fault.SERVFAIL, Fault.REFUSED, Fault.WRONG_ID, Fault.GARBAGE])
@pytest.mark.parametrize("name", ["s1._domainkey.mail.example.com", "_dmarc.example.com"])
def test_failure_of_dns_decides_nothing(fault: Fault, name: str) -> None:
    """No key or no policy for want of an answer is neither a yes nor a no: the mail has to come again."""

    async def scene() -> None:
        async with world(patience=0.1 if fault in {Fault.SILENT, Fault.WRONG_ID, Fault.GARBAGE} else 20) as at:
            at.dns.put("s1._domainkey.mail.example.com", "TXT", rsa_pair().record)
            at.dns.faults[name] = fault
            with pytest.raises(DnsUnavailable, match="DNS gave no answer"):
                await at.prove(signed(MAIL, domain="mail.example.com"))

    run(scene())


def test_failure_of_dns_for_one_of_two() -> None:
    """A good signature proves though the key of another did not come; a bad one beside it proves nothing yet."""

    async def scene() -> None:
        async with world() as at:
            at.dns.faults["s2._domainkey.example.com"] = Fault.SERVFAIL
            unknown = field(MAIL, selector="s2")
            assert (await at.prove(unknown + signed(MAIL))).found == {Proof.DKIM: "d=example.com s=s1"}
            with pytest.raises(DnsUnavailable):
                await at.prove(unknown + signed(MAIL) + b"more")

    run(scene())


_line = st.text(alphabet=" \t\r\nab", max_size=30)


@given(_line.map(lambda text: text.replace("\r", "").replace("\n", "\r\n").encode()))
def test_relaxed_body_is_that_of_dkimpy(body: bytes) -> None:
    """The relaxed form of a body, made in linear time, is the one that dkimpy makes."""
    ours = CanonicalizationPolicy.from_c_value(b"relaxed/relaxed").canonicalize_body(relaxed(body))
    assert ours == CanonicalizationPolicy.from_c_value(b"relaxed/relaxed").canonicalize_body(body)


@given(st.text(alphabet="\r\na", max_size=30).map(lambda text: (text.replace("\n", "\r\n") + "\r\n" * 3).encode()))
def test_blank_lines_at_the_end_are_those_of_dkimpy(body: bytes) -> None:
    """Taken off at once, they leave what dkimpy leaves: a bare CR among them is content."""
    policy = CanonicalizationPolicy.from_c_value(b"simple/simple")
    assert policy.canonicalize_body(_ended(body)) == policy.canonicalize_body(body)
    assert not _ended(body).endswith(b"\r\n\r\n")


@pytest.mark.parametrize("body", [b"", b"\r\n", b" \r\n\t\r\n", b"a", b" a \r\n\r\n", b"\ta\t\tb \r\n", b" "])
@pytest.mark.parametrize("canonical", ["relaxed/relaxed", "simple/simple", "relaxed", "relaxed/simple"])
def test_bodies_at_the_edge(body: bytes, canonical: str) -> None:
    """Empty bodies and lines of white space hold as dkimpy signs them."""
    raw = MAIL[: MAIL.index(b"\r\n\r\n") + 4] + body
    assert Proof.DKIM in proved(signed(raw, canonical=canonical)).found


def test_hostile_mails_take_no_time() -> None:
    """A mebibyte of what dkimpy alone needs the square of is looked at in well under a second of this thread's time."""
    long = b"\r\n\t" * 20_000
    sound = signed(MAIL)
    hostile = [
        sound + b" " * 1_000_000 + b"x\r\n",
        sound + b"\t \t" * 300_000,
        sound + b"\r\n" * 500_000,
        *(field(MAIL, canonical=form) * 5 + MAIL + b"\r\n" * 500_000 for form in ("simple/simple", "relaxed/relaxed")),
        b"X: a" + b"\r\n " * 80_000 + b"\r\n" + sound,
        b"DKIM-Signature: v=1; d=example.com; s=s1; b=" + long + b"\r\n" + MAIL,
        b"DKIM-Signature: v=1; d=example.com; s=s1; b" + b"\x0b" * 15_000 + b"\r\n" + MAIL,
        signed(MAIL, tags={"h": ":".join(["from", "subject", *(f"x{n}" for n in range(190))])}) + b"x",
        b"A:\r\n" * 60_000 + sound,
        b"To: " + b"<" * 300_000 + b"\r\n" + sound,
        sound.replace(b"To: ", b"To: " + b"(" * 60_000),
        sound.replace(b"To: ", b"To: " + b"a@b," * 15_000),
    ]

    async def scene() -> None:
        async with world() as at:
            for raw in hostile:
                spent = time.thread_time()
                await at.prove(raw, author=ANN)
                assert time.thread_time() - spent < 1.0, raw[:60]

    run(scene())
