"""The proofs at the door: over a real socket, with the store, the directory and DNS behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from bridge.calls.desk import Desk
from bridge.calls.logins import Logins
from bridge.model.mail_policy import Proof
from bridge.pipeline.accept import Rules
from bridge.pipeline.commit import Writer
from bridge.pipeline.intake import Intake
from bridge.pipeline.routing import Route, Router
from bridge.pipeline.snapshot import Snapshot
from bridge.store import accounts
from bridge.store.engine import Store
from bridge.telemetry import Metrics
from smtp import server
from smtp.config import SmtpSettings
from smtp.server import MailDoor
from tests.smtp.proof.forgeries import EVES_HOST, RELAY, RELAYS_HOST, SETTINGS, forgeries
from tests.smtp.proof.signing import NAMES, ed25519_pair, rsa_pair, sealed, signed
from tests.smtp.proof.world import ANN, MAIL, NUMBER, PEER, run
from tests.smtp.talk import calling, until
from tests.support import texts
from tests.support.clock import HandClock
from tests.support.dns_server import DnsServer, Fault

pytestmark = pytest.mark.enable_socket

ROWS = forgeries()
OTHER = "972502345679@sms.example.net"


class Bridge:
    """The door, the names it looks up, and the texts behind it."""

    def __init__(self, door: MailDoor, dns: DnsServer, store: Store) -> None:
        self.door = door
        self.dns = dns
        self.store = store

    def names(self, **records: list[str]) -> None:
        """Begin the zone anew, with Ann's names and these TXT records."""
        self.dns.zone.clear()
        common = {
            "s1._domainkey.example.com": [rsa_pair().record],
            "ed._domainkey.example.com": [ed25519_pair().record],
            "a1._domainkey.forwarder.test": [rsa_pair().record],
            "example.com": [f"v=spf1 ip4:{PEER} -all"],
        }
        for name, values in (common | records).items():
            self.dns.put(name, "TXT", *values)

    async def send(self, raw: bytes, *, peer: str = EVES_HOST, sender: str = ANN, to: str = NUMBER) -> str:
        """Send a mail from a host; return the reply that ends it."""
        async with calling(int(self.door.addresses[0].rpartition(":")[2])) as client:
            await client.send(f"PROXY TCP4 {peer} 127.0.0.1 5000 25\r\n".encode())
            await client.greet()
            for line in (f"MAIL FROM:<{sender}>", f"RCPT TO:<{to}>", "DATA"):
                reply = await client.say(line)
                if reply[0] == "5":
                    return reply
            # Dots are doubled on the way (RFC 5321, 4.5.2).
            await client.send(raw.replace(b"\r\n.", b"\r\n..") + b".\r\n")
            return await client.reply()


@asynccontextmanager
async def bridge(store: Store, clock: HandClock, *proofs: Proof, **settings: Any) -> AsyncIterator[Bridge]:
    """Open a door for which each mailbox of the forgeries may send, where it proves itself by one of ``proofs``."""
    allowed = {address for row in ROWS for address in (row.author, row.sender)}
    with store.write() as connection:
        account = accounts.add_account(connection, "acme", region="IL", now=0)
        accounts.set_mail_settings(connection, account.id, {"proof": ",".join(proofs)})
        for address in allowed:
            accounts.allow_mailbox(connection, account.id, address, now=0)
    writer = Writer(store)
    snapshot = Snapshot(store)
    metrics = Metrics()
    rules = Rules(router=Router((Route(name="1", carriers=("sandbox",)),)))
    intake = Intake(writer=writer, snapshot=snapshot, rules=rules, metrics=metrics, clock=clock)
    writer.start()
    await snapshot.open()
    async with DnsServer() as dns:
        told = SmtpSettings.model_validate(
            {
                "listen": ["127.0.0.1:0"],
                "proxy_networks": ["127.0.0.0/8"],
                "trusted_networks": [],
                # No row may live on what another one looked up.
                "dns": {"servers": [dns.address], "cache": 0, "timeout": "20s"},
            }
            | dict(SETTINGS)
            | settings
        )
        services: Any = SimpleNamespace(
            intake=intake,
            clock=clock,
            logins=Logins(snapshot=snapshot, secret_key=None, metrics=metrics, clock=clock),
            desk=Desk(store=store, writer=writer, intake=intake),
            settings=SimpleNamespace(default_region="IL"),
        )
        door = server.door.build(told, services)
        assert isinstance(door, MailDoor)
        await door.open()
        try:
            made = Bridge(door, dns, store)
            made.names()
            yield made
        finally:
            await door.close(grace=0)
            await until(lambda: not door._connections)
            await writer.stop()


ALL = (Proof.DKIM, Proof.SPF, Proof.ARC, Proof.RELAY)


def test_no_forgery_becomes_a_text(store: Store, clock: HandClock) -> None:
    """Each row of the table is refused for good, for its own reason, though any of the four proofs would do."""

    async def scene() -> None:
        async with bridge(store, clock, *ALL) as at:
            wrong = []
            for row in ROWS:
                at.names(**row.records)
                reply = await at.send(row.raw, peer=row.peer, sender=row.sender, to=row.recipient)
                if not reply.startswith("550 5.7.1 ") or row.why not in reply:
                    wrong.append((row.name, row.why, reply))
            assert wrong == []
            assert texts.rows(store) == []

    run(scene())


@pytest.mark.parametrize(
    ("proof", "raw", "peer"),
    [
        (Proof.DKIM, signed(MAIL), EVES_HOST),
        (Proof.DKIM, signed(MAIL, names=(*NAMES, b"from", b"subject"), canonical="simple/simple"), EVES_HOST),
        (Proof.DKIM, signed(MAIL, pair=ed25519_pair(), selector="ed"), EVES_HOST),
        (Proof.SPF, MAIL, PEER),
        (Proof.ARC, sealed(MAIL, "dkim=pass header.d=example.com"), EVES_HOST),
        (Proof.RELAY, f"Authentication-Results: {RELAY}; auth=pass smtp.auth={ANN}\r\n".encode() + MAIL, RELAYS_HOST),
    ],
)  # fmt: skip
def test_good_mail_becomes_a_text(proof: Proof, raw: bytes, peer: str, store: Store, clock: HandClock) -> None:
    """What each proof is good for: the same mail, proved, is taken, and how it was proved is kept with it."""

    async def scene() -> None:
        async with bridge(store, clock, proof) as at:
            assert (await at.send(raw, peer=peer)).startswith("250 2.0.0 ")
            (row,) = texts.rows(store)
            assert row.number == "+972502345678"

    run(scene())


def test_only_what_the_mailbox_may_prove_itself_by(store: Store, clock: HandClock) -> None:
    """A proof that the mailbox is not set to is none."""

    async def scene() -> None:
        async with bridge(store, clock, Proof.SPF) as at:
            reply = await at.send(signed(MAIL))
            assert reply.startswith("550 5.7.1 ")
            assert "SPF of example.com: fail" in reply

    run(scene())


@pytest.mark.parametrize("fault", [Fault.SERVFAIL, Fault.REFUSED])
def test_failure_of_dns_is_temporary(fault: Fault, store: Store, clock: HandClock) -> None:
    """Without an answer the mail has to come again, and then it is taken."""

    async def scene() -> None:
        async with bridge(store, clock, *ALL) as at:
            at.dns.faults["s1._domainkey.example.com"] = fault
            assert (await at.send(signed(MAIL))).startswith("451 4.4.3 ")
            at.dns.faults.clear()
            assert (await at.send(signed(MAIL))).startswith("250 2.0.0 ")

    run(scene())


def test_a_signed_mail_is_one_text_whatever_is_done_to_it(store: Store, clock: HandClock) -> None:
    """Who has such a mail can send it again with all changed that the signature does not cover: nothing comes of it."""
    bare = MAIL.replace(b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n", b"")
    raw = signed(bare, names=(b"from", b"to", b"subject", b"date", b"message-id"))
    timed = signed(bare.replace(b"water", b"heat"), names=(b"from", b"to", b"subject", b"date"))

    async def scene() -> None:
        async with bridge(store, clock, Proof.DKIM) as at:
            for again in (
                raw,
                b"Content-Transfer-Encoding: 8bit\r\n" + raw,
                b"Content-Type: text/plain; charset=us-ascii\r\n" + raw,
                raw.replace(b"Message-ID: <1@example.com>", b"Message-ID:   <1@example.com> "),
                raw.replace(b"has stopped.", b"has   stopped.  \r\n\r\n"),
                timed,
                timed.replace(b"<1@", b"<2@"),
            ):
                assert (await at.send(again)).startswith("250 ")
            assert len(texts.rows(store)) == 2

    run(scene())


@pytest.mark.parametrize("found", ["dkim=pass header.d=example.com", "dmarc=pass header.from=example.com"])
def test_a_mail_of_a_relay_is_one_text_whatever_is_done_to_it(found: str, store: Store, clock: HandClock) -> None:
    """The same holds for a mail that a relay says was signed."""
    word = f"Authentication-Results: {RELAY}; {found}\r\n".encode()

    async def scene() -> None:
        async with bridge(store, clock, Proof.RELAY) as at:
            for again in (
                MAIL,
                b"Content-Transfer-Encoding: 8bit\r\n" + MAIL,
                MAIL.replace(b"charset=utf-8", b"charset=us-ascii"),
                MAIL.replace(b"has stopped.", b"has   stopped.  \r\n\r\n"),
            ):
                assert (await at.send(word + again, peer=RELAYS_HOST)).startswith("250 ")
            assert len(texts.rows(store)) == 1

    run(scene())


def test_a_relays_field_below_one_that_cannot_be_read_counts_for_nothing(store: Store, clock: HandClock) -> None:
    """Else who makes the relay write what cannot be read would be believed for the field below, which he wrote."""
    forged = f"Authentication-Results: {RELAY}; auth=pass smtp.auth={ANN}\r\n".encode() + MAIL
    broken = f"Authentication-Results: {RELAY}; spf=fail smtp.mailfrom=".encode()

    async def scene() -> None:
        async with bridge(store, clock, Proof.RELAY) as at:
            for above in (broken + b'"a\r\n', broken + b"a" * 9000 + b"\r\n"):
                assert (await at.send(above + forged, peer=RELAYS_HOST)).startswith("550 5.7.1 ")
            assert texts.rows(store) == []

    run(scene())


def test_a_signature_says_what_is_asked_of_a_number(store: Store, clock: HandClock) -> None:
    """Who has a signed mail cannot send it under another name, at another time, or as anything it does not say."""
    flash = NUMBER.replace("@", "+flash@")

    async def scene() -> None:
        async with bridge(store, clock, Proof.DKIM) as at:
            assert "this recipient" in await at.send(signed(MAIL), to=NUMBER.replace("@", "+from=Bank@"))
            assert "this recipient" in await at.send(signed(MAIL), to=flash)
            asked = MAIL.replace(NUMBER.encode(), flash.encode())
            assert "this recipient" in await at.send(signed(asked))
            assert (await at.send(signed(asked), to=f"+{flash}")).startswith("250 ")

    run(scene())


def test_signature_names_its_recipients(store: Store, clock: HandClock) -> None:
    """A signed mail goes to whom its signed To names, and is sent on to nobody else."""

    async def scene() -> None:
        async with bridge(store, clock, Proof.DKIM) as at:
            raw = signed(MAIL)
            assert "this recipient" in await at.send(raw, to=OTHER)
            assert (await at.send(raw)).startswith("250 ")
            both = signed(MAIL.replace(b"To: ", f"To: {OTHER}, ".encode()).replace(b"<1@", b"<2@"))
            assert (await at.send(both, to=OTHER)).startswith("250 ")

    run(scene())
