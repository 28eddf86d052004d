"""What is decided in a conversation, and when: with a real store, writer and directory, and no socket between."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from ipaddress import ip_network
from typing import Any

import pytest
from prometheus_client import generate_latest
from structlog.testing import capture_logs

from bridge.calls.desk import Desk as BridgeDesk
from bridge.calls.logins import Logins
from bridge.pipeline.accept import Rules
from bridge.pipeline.commit import Writer
from bridge.pipeline.intake import Intake
from bridge.pipeline.routing import Route, Router
from bridge.pipeline.snapshot import Snapshot
from bridge.store import accounts, messages
from bridge.store.engine import Store
from bridge.telemetry import Metrics
from smtp import replies
from smtp.config import DnsSettings, SmtpSettings
from smtp.contacts import resolve
from smtp.house import House
from smtp.places import Places
from smtp.proof.dns import Resolver
from smtp.proof.prove import Prover
from smtp.session import Conversation
from smtp.standing import Senders
from smtp.wire.client import Client, Service
from smtp.wire.networks import is_within
from smtp.wire.parameters import NO_MAIL_PARAMETERS, NO_RECIPIENT_PARAMETERS
from tests.support import texts
from tests.support.clock import HandClock

NO_DNS = DnsSettings(servers=("127.0.0.1:9",))
GOOD = "972502345678@sms.example.com"
MAIL = b"Message-ID: <1@example.com>\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nhello\r\n"


class Desk:
    """An intake on a store with three accounts, and the conversations with it."""

    def __init__(self, store: Store, clock: HandClock) -> None:
        self.store = store
        self.metrics = Metrics()
        self.writer = Writer(store)
        self.skipped = 0.0
        self.intake = Intake(
            writer=self.writer,
            snapshot=Snapshot(store, timer=lambda: time.monotonic() + self.skipped),
            rules=Rules(router=Router((Route(name="1", carriers=("sandbox",)),))),
            metrics=self.metrics,
            clock=clock,
        )
        self.clock = clock
        self.logins = Logins(snapshot=self.intake.snapshot, secret_key=None, metrics=self.metrics, clock=clock)
        self.desk = BridgeDesk(store=store, writer=self.writer, intake=self.intake, region="IL", allowed=())
        self.ids: dict[str, int] = {}
        with store.write() as connection:
            for name, region, patterns in (
                ("acme", "IL", ("ann@example.com", "@shop.example", "@xn--4dbrk0ce.example")),
                ("american", "US", ("us@example.com", "boss@shop.example")),
                ("roaming", None, ("@roaming.example",)),
            ):
                self.ids[name] = accounts.add_account(connection, name, region=region, now=0).id
                for pattern in patterns:
                    accounts.allow_mailbox(connection, self.ids[name], pattern, now=0)
            accounts.allow_mailbox(connection, self.ids["acme"], "device@example.com", now=0)
            accounts.set_mailbox_settings(connection, self.ids["acme"], "device@example.com", {"proof": "network"})

    def conversation(
        self, *, peer: str = "127.0.0.1", client: Client | None = None, region: str | None = "IL", **settings: Any
    ) -> Conversation:
        """Begin a conversation with a client at ``peer``, or another one."""
        told = SmtpSettings.model_validate({"domains": ["sms.example.com", "ישראל.example"]} | settings)
        snapshot = self.intake.snapshot
        # Nothing here may ask the DNS: what would, is asked of nobody.
        prover = Prover(told, hostname="sms.example.com", resolver=Resolver(NO_DNS), clock=self.clock)
        house = House(
            intake=self.intake,
            logins=self.logins,
            senders=Senders(snapshot=snapshot, settings=told, prover=prover, hostname="sms.example.com"),
            settings=told,
            places=Places(told),
            resolve=partial(resolve, self.desk),
            region=region,
        )
        conversation = Conversation(house)
        conversation.connected(client or Client(peer=peer))
        return conversation

    async def send(self, mail: bytes = MAIL, *, sender: str = "ann@example.com", to: tuple[str, ...] = (GOOD,)) -> str:
        """Send a mail whose recipients are all taken; return the last reply."""
        conversation = self.conversation()
        assert await conversation.mail(sender, NO_MAIL_PARAMETERS) == replies.SENDER_OK
        for address in to:
            assert await conversation.recipient(address, NO_RECIPIENT_PARAMETERS) == replies.RECIPIENT_OK
        return (await conversation.content(mail))[0]

    def counted(self, name: str) -> dict[str, float]:
        """Return the values of a counter of the mail door, by reason."""
        lines = generate_latest(self.metrics.registry).decode().splitlines()
        found = {}
        for line in lines:
            if line.startswith(f"smsbridge_{name}_total{{") and 'door="smtp"' in line:
                found[line.partition('reason="')[2].partition('"')[0]] = float(line.rpartition(" ")[2])
        return found


@asynccontextmanager
async def open_desk(store: Store, clock: HandClock) -> AsyncIterator[Desk]:
    """Give a desk that takes mail."""
    desk = Desk(store, clock)
    desk.writer.start()
    try:
        await desk.intake.snapshot.open()
        yield desk
    finally:
        desk.logins.close()
        await desk.writer.stop()


@pytest.fixture
def at_desk(store: Store, clock: HandClock) -> Callable[[Callable[[Desk], Coroutine[Any, Any, None]]], None]:
    """Run a test's coroutine at an open desk."""

    async def main(work: Callable[[Desk], Coroutine[Any, Any, None]]) -> None:
        async with open_desk(store, clock) as desk:
            await work(desk)

    return lambda work: asyncio.run(main(work))


Run = Callable[[Callable[[Desk], Coroutine[Any, Any, None]]], None]

ORDER = [
    # peer, sender, recipient, reply: each row has what the rows below it are refused for, too.
    ("192.0.2.1", "", "123@example.com", "550 5.7.1 The null sender"),
    ("127.0.0.1", "", "123@example.com", "550 5.7.1 The null sender"),
    ("192.0.2.1", "device@example.com", "123@example.com", "550 5.7.1 192.0.2.1 is in no trusted network"),
    ("127.0.0.1", "no address", "123@example.com", "550 5.7.1 not an email address"),
    ("127.0.0.1", "eve@example.com", "123@example.com", "550 5.7.1 mailbox eve@example.com is not allowed"),
    ("127.0.0.1", "ann@example.com", "123@example.com", "550 5.1.2 "),
    ("127.0.0.1", "ann@example.com", "123@sms.example.com", "550 5.1.1 "),
    ("127.0.0.1", "ann@example.com", "ann@sms.example.com", "550 5.1.1 "),
    ("127.0.0.1", "ann@example.com", "1900123456@sms.example.com", "550 5.1.1 "),
    ("127.0.0.1", "ann@example.com", "+972501345678@sms.example.com", "550 5.1.1 "),
    ("127.0.0.1", "ann@example.com", GOOD, "250 2.1.5 "),
]


def test_each_recipient_has_its_own_reply(at_desk: Run) -> None:
    """Is the host believed, may the mailbox send, is the domain ours, is that a number: asked in this order."""

    async def work(desk: Desk) -> None:
        for peer, sender, recipient, reply in ORDER:
            conversation = desk.conversation(peer=peer)
            assert await conversation.mail(sender, NO_MAIL_PARAMETERS) == replies.SENDER_OK
            told = await conversation.recipient(recipient, NO_RECIPIENT_PARAMETERS)
            assert told.startswith(reply), (told, reply)
        assert desk.counted("refused") == {
            "sender_not_authorised": 4,
            "proof_missing": 1,
            "domain_unknown": 1,
            "number_invalid": 1,
            "recipient_unknown": 1,
            "number_premium": 1,
            "number_unassigned": 1,
        }

    at_desk(work)


def test_a_bad_recipient_keeps_no_good_one_back(at_desk: Run) -> None:
    """The mail goes to those that were taken, and to no other."""

    async def work(desk: Desk) -> None:
        conversation = desk.conversation()
        await conversation.mail("ann@example.com", NO_MAIL_PARAMETERS)
        told = [
            (await conversation.recipient(address, NO_RECIPIENT_PARAMETERS))[:3]
            for address in (f"123@{'sms.example.com'}", GOOD, "0502345679@example.com", "0502345679@sms.example.com")
        ]
        assert told == ["550", "250", "550", "250"]
        assert (await conversation.content(MAIL))[0].startswith("250 2.0.0 Accepted ")
        assert [row.number for row in texts.rows(desk.store)] == ["+972502345678", "+972502345679"]

    at_desk(work)


def test_a_hundred_recipients_and_one_more(at_desk: Run) -> None:
    """The 101st is put off with 452 4.5.3, for another mail; the hundred are sent."""

    async def work(desk: Desk) -> None:
        conversation = desk.conversation()
        await conversation.mail("ann@example.com", NO_MAIL_PARAMETERS)
        for index in range(100):
            assert (
                await conversation.recipient(f"97250234{index:04d}@sms.example.com", NO_RECIPIENT_PARAMETERS)
                == replies.RECIPIENT_OK
            )
        for _ in range(2):
            assert (await conversation.recipient(GOOD, NO_RECIPIENT_PARAMETERS)).startswith(
                "452 4.5.3 At most 100 recipients"
            )
        assert (await conversation.content(MAIL))[0].startswith("250 2.0.0 ")
        assert [row.number for row in texts.rows(desk.store)] == [texts.number(index) for index in range(100)]
        conversation.reset()
        await conversation.mail("ann@example.com", NO_MAIL_PARAMETERS)
        assert await conversation.recipient(GOOD, NO_RECIPIENT_PARAMETERS) == replies.RECIPIENT_OK

    at_desk(work)


@pytest.mark.parametrize(
    ("sender", "account"),
    [
        ("ann@example.com", "acme"),
        ("ANN@Example.COM", "acme"),
        ("anybody@shop.example", "acme"),
        ("Any.Body+tag@SHOP.example", "acme"),
        ('"any body"@shop.example', "acme"),
        ("boss@shop.example", "american"),
        ("Boss@Shop.example", "american"),
        ("דנה@ישראל.example", "acme"),
        ("dana@XN--4DBRK0CE.example", "acme"),
        ("x@sub.shop.example", None),
        ("ann@example.com.evil.example", None),
        ("bob@example.com", None),
        ("shop.example", None),
        ("@shop.example", None),
        ("ann@example.com\udcff", None),
        ("\udcff@shop.example", None),
    ],
)
def test_who_may_send(at_desk: Run, sender: str, account: str | None) -> None:
    """A mailbox's own rule goes before its domain's; case and the form of the domain do not count; none is none."""

    async def work(desk: Desk) -> None:
        conversation = desk.conversation()
        await conversation.mail(sender, NO_MAIL_PARAMETERS)
        told = await conversation.recipient("+972502345678@sms.example.com", NO_RECIPIENT_PARAMETERS)
        assert (told == replies.RECIPIENT_OK) == (account is not None), told
        if account is None:
            assert told.startswith("550 5.7.1 ")
            return
        assert (await conversation.content(MAIL))[0].startswith("250 2.0.0 ")
        row = texts.rows(desk.store)[0]
        with desk.store.read() as connection:
            kept = messages.find(connection, row.message_id)
        assert kept.account_id == desk.ids[account]

    at_desk(work)


@pytest.mark.parametrize(
    ("sender", "region", "number"),
    [
        ("ann@example.com", "US", "+972502345678"),
        ("x@roaming.example", "IL", "+972502345678"),
        ("x@roaming.example", None, None),
        ("us@example.com", "IL", None),
    ],
)
def test_where_a_local_number_is_dialled(at_desk: Run, sender: str, region: str | None, number: str | None) -> None:
    """In the account's region, else in the default one; without either a local number is refused."""

    async def work(desk: Desk) -> None:
        conversation = desk.conversation(region=region)
        await conversation.mail(sender, NO_MAIL_PARAMETERS)
        told = await conversation.recipient("050-234-5678@sms.example.com", NO_RECIPIENT_PARAMETERS)
        if number is None:
            assert told.startswith("550 5.1.1 ")
            return
        assert told == replies.RECIPIENT_OK
        assert (await conversation.content(MAIL))[0].startswith("250 ")
        assert [row.number for row in texts.rows(desk.store)] == [number]

    at_desk(work)


def test_a_mail_is_kept_as_it_was_sent(at_desk: Run) -> None:
    """Account, mailbox, proof, Message-ID and text are with the message; the id is in the reply."""

    async def work(desk: Desk) -> None:
        reply = await desk.send(sender="Ann@Example.com")
        with desk.store.read() as connection:
            kept = messages.find(connection, reply.rpartition(" ")[2])
        assert (kept.account, kept.door, kept.origin, kept.text) == ("acme", "smtp", "ann@example.com", "hello")
        assert (kept.proof, kept.reference) == ("network 127.0.0.1", "<1@example.com>")

    at_desk(work)


def test_the_same_mail_again(at_desk: Run) -> None:
    """A relay that did not hear our 250 comes again: it gets the first id, and nobody a second text."""

    async def work(desk: Desk) -> None:
        first = await desk.send()
        assert await desk.send() == first
        assert await desk.send(sender="ANN@example.com") == first
        assert len(texts.rows(desk.store)) == 1
        assert desk.counted("accepted") == {"": 1}
        assert desk.counted("duplicates") == {"": 2}

    at_desk(work)


def test_the_same_mail_to_one_more(at_desk: Run) -> None:
    """Only the number that is new gets a text."""

    async def work(desk: Desk) -> None:
        first = await desk.send()
        more = await desk.send(to=(GOOD, "972502345679@sms.example.com"))
        assert more.startswith("250 2.0.0 ")
        assert more != first
        assert sorted(row.number for row in texts.rows(desk.store)) == ["+972502345678", "+972502345679"]
        assert await desk.send() == first

    at_desk(work)


def test_one_number_twice_in_a_mail(at_desk: Run) -> None:
    """However it is written, a number gets a mail once."""

    async def work(desk: Desk) -> None:
        reply = await desk.send(to=(GOOD, "050-2345678@sms.example.com", '"+972 50 2345678"@SMS.example.com'))
        assert reply.startswith("250 ")
        assert len(texts.rows(desk.store)) == 1

    at_desk(work)


def test_a_mail_that_lists_no_phones_by_lmtp(at_desk: Run) -> None:
    """Who stands for the phones that a mail lists is refused where it lists none; the others have it."""

    async def work(desk: Desk) -> None:
        with desk.store.write() as connection:
            accounts.set_mailbox_settings(connection, desk.ids["acme"], "ann@example.com", {"secrets": "line"})
        await desk.intake.snapshot.open()
        conversation = desk.conversation(client=Client(peer="127.0.0.1", service=Service.LMTP))
        await conversation.mail("ann@example.com", NO_MAIL_PARAMETERS)
        for address in ("send@sms.example.com", GOOD):
            assert await conversation.recipient(address, NO_RECIPIENT_PARAMETERS) == replies.RECIPIENT_OK
        refused, accepted = await conversation.content(MAIL)
        assert refused == "550 5.1.1 the mail lists no phones"
        assert accepted.startswith(replies.ACCEPTED)
        assert [row.number for row in texts.rows(desk.store)] == ["+972502345678"]

    at_desk(work)


def test_mails_without_an_id(at_desk: Run) -> None:
    """Without Message-ID the date tells mails apart; without both each mail is a text of its own."""

    async def work(desk: Desk) -> None:
        dated = b"Date: Tue, 1 Jan 2030 12:00:00 +0000\r\n\r\nhello\r\n"
        assert await desk.send(dated) == await desk.send(dated)
        assert await desk.send(dated) != await desk.send(dated.replace(b"12:00:00", b"12:00:01"))
        assert await desk.send(b"\r\nhello\r\n") != await desk.send(b"\r\nhello\r\n")
        assert len(texts.rows(desk.store)) == 4

    at_desk(work)


@pytest.mark.parametrize(
    ("mail", "reply", "reason"),
    [
        (b"", "554 5.6.0 ", "text_empty"),
        (b"Subject: hello\r\n\r\n", "554 5.6.0 ", "text_empty"),
        (b"Content-Type: image/png\r\n\r\nx\r\n", "554 5.6.0 ", "text_empty"),
        (b"\r\n" + bytes(range(256)), "554 5.6.0 ", "content_malformed"),
        (b"\r\n" + b"x" * 1531, "552 5.3.4 ", "text_too_long"),
    ],
)
def test_a_text_that_cannot_be_sent(at_desk: Run, mail: bytes, reply: str, reason: str) -> None:
    """Refused for good, with the reason, and counted; nothing is kept."""

    async def work(desk: Desk) -> None:
        told = await desk.send(mail)
        assert told.startswith(reply), told
        assert len(told) > len(reply)
        assert desk.counted("refused") == {reason: 1}
        assert texts.rows(desk.store) == []

    at_desk(work)


def test_the_door_s_own_limit_of_parts(at_desk: Run) -> None:
    """``max_parts`` of the door holds: a text of as many parts is taken, one of more is not."""

    async def work(desk: Desk) -> None:
        conversation = desk.conversation(max_parts=2)
        for text, reply in ((b"x" * 306, "250"), (b"x" * 307, "552")):
            await conversation.mail("ann@example.com", NO_MAIL_PARAMETERS)
            await conversation.recipient(GOOD, NO_RECIPIENT_PARAMETERS)
            assert (await conversation.content(b"\r\n" + text))[0][:3] == reply
            conversation.reset()

    at_desk(work)


def test_a_disabled_account(at_desk: Run) -> None:
    """It is refused at RCPT; one that is switched off between RCPT and the end of the mail, at that end."""

    async def work(desk: Desk) -> None:
        conversation = desk.conversation()
        await conversation.mail("ann@example.com", NO_MAIL_PARAMETERS)
        assert await conversation.recipient(GOOD, NO_RECIPIENT_PARAMETERS) == replies.RECIPIENT_OK
        with desk.store.write() as connection:
            accounts.set_enabled(connection, desk.ids["acme"], enabled=False)
        desk.skipped += 1
        await desk.intake.snapshot.renew()
        assert (await conversation.content(MAIL))[0].startswith("550 5.7.1 ")
        await conversation.mail("ann@example.com", NO_MAIL_PARAMETERS)
        assert (await conversation.recipient(GOOD, NO_RECIPIENT_PARAMETERS)).startswith(
            "550 5.7.1 the account is disabled"
        )
        assert texts.rows(desk.store) == []

    at_desk(work)


def test_a_mailbox_revoked_and_allowed(at_desk: Run) -> None:
    """What another process changes holds within about a second: a right that is gone, and, at once, a new one."""

    async def work(desk: Desk) -> None:
        keeper = asyncio.create_task(desk.intake.snapshot.keep())
        conversation = desk.conversation()

        async def ask() -> str:
            conversation.reset()
            await conversation.mail("ann@example.com", NO_MAIL_PARAMETERS)
            return await conversation.recipient(GOOD, NO_RECIPIENT_PARAMETERS)

        assert await ask() == replies.RECIPIENT_OK
        with desk.store.write() as connection:
            accounts.revoke_mailbox(connection, desk.ids["acme"], "ann@example.com")
        began = time.monotonic()
        async with asyncio.timeout(3):
            while await ask() == replies.RECIPIENT_OK:  # noqa: ASYNC110 - the change is another process's
                await asyncio.sleep(0.02)
        assert time.monotonic() - began < 1.5
        keeper.cancel()
        with desk.store.write() as connection:
            accounts.allow_mailbox(connection, desk.ids["acme"], "ann@example.com", now=0)
        began = time.monotonic()
        async with asyncio.timeout(3):
            while await ask() != replies.RECIPIENT_OK:  # noqa: ASYNC110 - the same
                await asyncio.sleep(0.02)
        assert time.monotonic() - began < 0.5

    at_desk(work)


def test_the_database_is_away(at_desk: Run) -> None:
    """What only the database can say is 451, at RCPT and at the end of the mail; the sender is told no more."""

    async def work(desk: Desk) -> None:
        conversation = desk.conversation()
        await conversation.mail("ann@example.com", NO_MAIL_PARAMETERS)
        assert await conversation.recipient(GOOD, NO_RECIPIENT_PARAMETERS) == replies.RECIPIENT_OK
        with desk.store.write() as connection:
            connection.exec_driver_sql("ALTER TABLE messages RENAME TO elsewhere")
            connection.exec_driver_sql("ALTER TABLE mailboxes RENAME TO nowhere")
            connection.exec_driver_sql("UPDATE directory_revision SET revision = revision + 1")
        assert list(await conversation.content(MAIL)) == [replies.TROUBLE]
        desk.skipped += 1
        await conversation.mail("eve@example.com", NO_MAIL_PARAMETERS)
        assert await conversation.recipient(GOOD, NO_RECIPIENT_PARAMETERS) == replies.TROUBLE
        assert set(desk.counted("refused")) == {"store_unavailable"}

    at_desk(work)


def test_the_log_names_nobody(at_desk: Run) -> None:
    """Reasons are in the log; the text and the whole number are not."""

    async def work(desk: Desk) -> None:
        with capture_logs() as logs:
            conversation = desk.conversation()
            await conversation.mail("ann@example.com", NO_MAIL_PARAMETERS)
            await conversation.recipient("972501345678@sms.example.com", NO_RECIPIENT_PARAMETERS)
            await conversation.recipient("secret-local-part@sms.example.com", NO_RECIPIENT_PARAMETERS)
            await conversation.recipient("972502345678@example.com", NO_RECIPIENT_PARAMETERS)
            await conversation.recipient(GOOD, NO_RECIPIENT_PARAMETERS)
            await conversation.content(MAIL.replace(b"hello", b"secret text"))
            await conversation.content(MAIL.replace(b"hello", b"secret text " * 200))
        assert [log["event"] for log in logs] == ["refused"] * 3 + ["accepted", "refused"]
        written = repr(logs)
        for secret in ("secret", "72501345678", "2502345678", "0502345678"):
            assert secret not in written

    at_desk(work)


NETWORKS = tuple(map(ip_network, ("192.0.2.0/24", "127.0.0.0/8", "2001:db8:1::/48", "fe80::/10", "::1/128")))


@pytest.mark.parametrize(
    ("peer", "trusted"),
    [
        ("192.0.2.0", True),
        ("192.0.2.255", True),
        ("192.0.3.0", False),
        ("127.0.0.1", True),
        ("::1", True),
        ("::2", False),
        ("2001:db8:1::25", True),
        ("2001:db8:2::25", False),
        ("fe80::1%eth0", True),
        ("::ffff:192.0.2.7", True),
        ("::ffff:c000:207", True),
        ("::ffff:192.0.3.7", False),
        ("::192.0.2.7", False),
        ("", False),
        ("localhost", False),
        ("192.0.2.7:25", False),
        ("/run/socket", False),
    ],
)
def test_which_hosts_are_believed(peer: str, *, trusted: bool) -> None:
    """Those in a network that is named; an IPv4 address that came over an IPv6 socket is the IPv4 one."""
    assert is_within(peer, NETWORKS) is trusted
    assert not is_within(peer, ())
