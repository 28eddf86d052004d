"""Who may send, by what the connection proves and by what has to stand in the mail: envelope and From together."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from structlog.testing import capture_logs

from bridge.calls.passwords import HASHER
from bridge.store import accounts, messages
from bridge.store.engine import Store
from smtp.session import Conversation
from smtp.wire.client import Client, Service
from smtp.wire.parameters import NO_MAIL_PARAMETERS, NO_RECIPIENT_PARAMETERS, MailParameters, RecipientParameters
from tests.smtp.test_session import GOOD, Desk, open_desk
from tests.support.clock import HandClock

OTHER = "972502345679@sms.example.com"
STRANGER = "192.0.2.1"
PASSWORD = "a long enough one"

Work = Callable[[Desk], Coroutine[Any, Any, None]]
Run = Callable[[Work], None]


@pytest.fixture
def at_desk(store: Store, clock: HandClock) -> Run:
    """Run a test's coroutine at an open desk."""

    async def main(work: Work) -> None:
        async with open_desk(store, clock) as desk:
            await work(desk)

    return lambda work: asyncio.run(main(work))


def mail(*, sender: str | None = "ann@example.com", text: str = "hello", **header: str) -> bytes:
    """Return a mail; without a ``sender`` it has no From."""
    fields = {"From": sender, "Message-ID": "<1@example.com>"}
    fields |= {name.replace("_", "-"): value for name, value in header.items()}
    lines = [f"{name}: {value}" for name, value in fields.items() if value is not None]
    return "\r\n".join([*lines, "", text, ""]).encode()


async def begin(conversation: Conversation, sender: str, *to: str) -> list[str]:
    """Say MAIL and RCPT; return the replies to the recipients."""
    conversation.reset()
    assert (await conversation.mail(sender, NO_MAIL_PARAMETERS)).startswith("250")
    return [await conversation.recipient(address, NO_RECIPIENT_PARAMETERS) for address in to]


async def send(conversation: Conversation, sender: str, content: bytes, *to: str) -> str:
    """Send a mail; return the first reply that is not 250, else the last."""
    told = await begin(conversation, sender, *(to or (GOOD,)))
    if refused := [reply for reply in told if not reply.startswith("250")]:
        return refused[0]
    return (await conversation.content(content))[0]


def allow(desk: Desk, pattern: str, *, account: str = "acme", **settings: str) -> None:
    """Allow a mailbox, or change what is set for it."""
    with desk.store.write() as connection:
        accounts.allow_mailbox(connection, desk.ids[account], pattern, now=0)
        accounts.set_mailbox_settings(connection, desk.ids[account], pattern, settings)
    desk.skipped += 10


def key(desk: Desk, user: str, *, account: str = "acme", mailboxes: tuple[str, ...] = ()) -> None:
    """Make a login with a password."""
    with desk.store.write() as connection:
        accounts.add_key(
            connection,
            desk.ids[account],
            user=user,
            kind="password",
            secret=HASHER.hash(PASSWORD),
            mailboxes=mailboxes,
            now=0,
        )
    desk.skipped += 10


def test_a_trusted_network_is_a_proof_for_envelope_and_from(at_desk: Run) -> None:
    """Both have to be mailboxes of one account; a mail without From is told by its envelope alone."""

    async def work(desk: Desk) -> None:
        known = desk.conversation()
        assert (await send(known, "ann@example.com", mail(text="1"))).startswith("250")
        assert (await send(known, "ann@example.com", mail(sender=None, text="2"))).startswith("250")
        assert (await send(known, "ann@example.com", mail(sender="Shop <x@shop.example>", text="3"))).startswith("250")
        for sender, reason in (
            ("eve@example.com", "From: mailbox eve@example.com is not allowed to send"),
            ("us@example.com", "From: us@example.com sends for another account"),
            ("ann@example.com, eve@example.com", ""),
            ("nobody", ""),
        ):
            told = await send(known, "ann@example.com", mail(sender=sender))
            assert told.startswith(f"550 5.7.1 {reason}"), told

    at_desk(work)


def test_what_the_connection_lacks_waits_for_the_mail(at_desk: Run) -> None:
    """A stranger's recipient is taken when a signature may still come, and the mail is refused when none does."""

    async def work(desk: Desk) -> None:
        stranger = desk.conversation(peer=STRANGER)
        (taken,) = await begin(stranger, "ann@example.com", GOOD)
        assert taken.startswith("250")
        (refused,) = await stranger.content(mail())
        assert refused.startswith("550 5.7.1 nothing proves that the mail is from ann@example.com: ")
        (refused,) = await stranger.content(mail(sender=None))
        assert refused.startswith("550 5.7.1 192.0.2.1 is in no trusted network")
        allow(desk, "ann@example.com", proof="network,login")
        await desk.intake.snapshot.renew()
        (refused,) = await begin(stranger, "ann@example.com", GOOD)
        assert refused.startswith("550 5.7.1 192.0.2.1 is in no trusted network, and nobody has logged in")
        assert refused.endswith("needs one of: network, login")
        allow(desk, "ann@example.com", proof="relay,arc")
        await desk.intake.snapshot.renew()
        (refused,) = await begin(stranger, "ann@example.com", GOOD)
        assert refused.startswith("550 5.7.1"), "no relay and no forwarder is configured: neither can come"
        assert desk.counted("refused")["proof_missing"] == 4

    at_desk(work)


def test_a_proof_that_a_mailbox_does_not_take_is_none(at_desk: Run) -> None:
    """A mailbox that wants a login is not believed for its network; nor is its name in From."""

    async def work(desk: Desk) -> None:
        allow(desk, "boss@example.com", proof="login")
        known = desk.conversation()
        told = await send(known, "boss@example.com", mail(sender="boss@example.com"))
        assert told.startswith("550 5.7.1 127.0.0.1 is in a trusted network, which is not enough for boss@example.com")
        told = await send(known, "ann@example.com", mail(sender="boss@example.com"))
        assert told.startswith("550 5.7.1 nothing proves that the mail is from boss@example.com")

    at_desk(work)


def test_a_login_sends_as_its_mailboxes(at_desk: Run) -> None:
    """Those of its account, or the ones it was made for; not any more once it is revoked, and not behind STARTTLS."""

    async def work(desk: Desk) -> None:
        allow(desk, "boss@example.com", proof="login")
        allow(desk, "till@example.com", proof="login")
        key(desk, "all")
        key(desk, "one", mailboxes=("till@example.com", "@till.example"))
        key(desk, "foreign", account="american")
        for user, sender, expected in (
            ("all", "boss@example.com", "250"),
            ("one", "till@example.com", "250"),
            ("one", "boss@example.com", "550 5.7.1 the login one may not send as boss@example.com"),
            ("foreign", "boss@example.com", "550 5.7.1 the login foreign may not send as boss@example.com"),
        ):
            client = Client(peer=STRANGER)
            conversation = desk.conversation(client=client)
            assert (await conversation.login(user, "wrong")) == "535 5.7.8 Authentication credentials invalid"
            assert (await conversation.login(user, PASSWORD)).startswith("235 2.7.0")
            told = await send(conversation, sender, mail(sender=sender, Message_ID=f"<{user}{sender}>"))
            assert told.startswith(expected), (user, sender, told)
        one = desk.conversation(peer=STRANGER)
        await one.login("one", PASSWORD)
        told = await send(one, "till@example.com", mail(sender="boss@example.com"))
        assert told.startswith("550 5.7.1 nothing proves"), "the envelope is its own, From is not"
        client = Client(peer=STRANGER)
        again = desk.conversation(client=client)
        await again.login("all", PASSWORD)
        again.connected(client)
        assert (await begin(again, "boss@example.com", GOOD))[0].startswith("550 5.7.1 192.0.2.1 is in no trusted")
        open_one = desk.conversation(peer=STRANGER)
        await open_one.login("all", PASSWORD)
        with desk.store.write() as connection:
            accounts.revoke_key(connection, desk.ids["acme"], "all", now=1)
        await desk.intake.snapshot.renew()
        desk.skipped += 10
        await desk.intake.snapshot.renew()
        assert (await begin(open_one, "boss@example.com", GOOD))[0].startswith("550 5.7.1 the login all may not")

    at_desk(work)


def test_where_users_log_in_their_network_is_no_proof(at_desk: Run) -> None:
    """A login on a trusted host sends as its own mailboxes, and as no other that the host might."""

    async def work(desk: Desk) -> None:
        key(desk, "one", mailboxes=("@shop.example",))
        for service, expected in ((Service.SUBMISSION, "550 5.7.1"), (Service.SMTP, "250")):
            conversation = desk.conversation(client=Client(peer="127.0.0.1", service=service))
            assert (await conversation.login("one", PASSWORD)).startswith("235")
            told = await send(conversation, "ann@example.com", mail(Message_ID=f"<{service}>"))
            assert told.startswith(expected), told

    at_desk(work)


def test_the_proof_is_kept_and_told_in_the_log(at_desk: Run) -> None:
    """With the message stands what its sender was believed for; the log has it as Authentication-Results."""

    async def work(desk: Desk) -> None:
        key(desk, "ann")
        with capture_logs() as logs:
            known = await send(desk.conversation(), "ann@example.com", mail(text="1"))
            conversation = desk.conversation(peer=STRANGER)
            await conversation.login("ann", PASSWORD)
            logged_in = await send(conversation, "ann@example.com", mail(text="2"))
        told = [line["authentication_results"] for line in logs if line["event"] == "accepted"]
        assert told == [
            "sms.example.com; auth=none; x-network=pass (127.0.0.1)",
            "sms.example.com; auth=pass smtp.auth=ann",
        ]
        with desk.store.read() as connection:
            kept = [messages.find(connection, reply.rpartition(" ")[2]).proof for reply in (known, logged_in)]
        assert kept == ["network 127.0.0.1", "login ann"]
        assert PASSWORD not in repr(logs)

    at_desk(work)


def test_a_domain_may_belong_to_one_account_and_have_its_own_region(at_desk: Run) -> None:
    """Mail to it is taken from that account's mailboxes only, and local numbers are dialled there."""

    async def work(desk: Desk) -> None:
        told: dict[str, Any] = {
            "domains": ["sms.example.com", "us.example.com"],
            "domain": {"us.example.com": {"account": "acme", "region": "US", "digits": 10}},
        }
        conversation = desk.conversation(**told)
        (foreign,) = await begin(conversation, "us@example.com", "2125551234@us.example.com")
        assert foreign.startswith("550 5.7.1 mail to us.example.com is for another account")
        taken, short, abroad = await begin(
            conversation,
            "ann@example.com",
            *("2125551234@us.example.com", "5551234@us.example.com", "972502345678@us.example.com"),
        )
        assert taken.startswith("250")
        assert short.startswith("550 5.1.1")
        assert abroad.startswith("550 5.1.1")

    at_desk(work)


def test_recipients_of_one_mail_ask_for_the_same(at_desk: Run) -> None:
    """One mail is one message: who asks for something else goes in another, and its sender is told so for now."""

    async def work(desk: Desk) -> None:
        conversation = desk.conversation()
        first, same, other, plain = await begin(
            conversation,
            "ann@example.com",
            "972502345678+flash+priority=high@sms.example.com",
            "972502345679+priority=high+flash@sms.example.com",
            "972502345670+flash@sms.example.com",
            "972502345671@sms.example.com",
        )
        assert first.startswith("250")
        assert same.startswith("250")
        assert other.startswith("452 4.5.3 Its options differ")
        assert plain.startswith("452 4.5.3 Its options differ")
        (told,) = await conversation.content(mail())
        with desk.store.read() as connection:
            kept = messages.find(connection, told.rpartition(" ")[2])
        assert (kept.flash, kept.priority, len(kept.recipients)) == (True, 2, 2)

    at_desk(work)


def test_a_test_sends_nothing(at_desk: Run) -> None:
    """Every rule is asked and the reply says what it would be; nothing is kept."""

    async def work(desk: Desk) -> None:
        conversation = desk.conversation()
        (taken,) = await begin(conversation, "ann@example.com", "972502345678+test@sms.example.com")
        assert taken.startswith("250")
        (told,) = await conversation.content(mail())
        assert told == "250 2.0.0 Tested: it would be accepted; nothing is sent"
        with desk.store.read() as connection:
            assert messages.newest(connection, limit=5) == []

    at_desk(work)


def test_lmtp_answers_for_each_recipient(at_desk: Run) -> None:
    """In their order: those that a rule refuses after DATA have their own reply, the others the message's id."""

    async def work(desk: Desk) -> None:
        client = Client(peer="127.0.0.1", service=Service.LMTP)
        conversation = desk.conversation(client=client)
        await begin(conversation, "ann@example.com", GOOD, OTHER, GOOD)
        told = await conversation.content(mail(text="1"))
        assert [reply[:9] for reply in told] == ["250 2.0.0"] * 3
        await begin(conversation, "ann@example.com", GOOD, OTHER)
        told = await conversation.content(mail(text=" "))
        assert [reply[:9] for reply in told] == ["554 5.6.0"] * 2

    at_desk(work)


def test_what_the_envelope_says_of_receipts_is_kept(at_desk: Run) -> None:
    """RET, ENVID, NOTIFY and ORCPT stand with the message, by number; a key in the address is hidden."""

    async def work(desk: Desk) -> None:
        conversation = desk.conversation()
        conversation.reset()
        await conversation.mail("ann@example.com", MailParameters(ret="HDRS", envid="QQ314159"))
        orcpt = RecipientParameters(notify=("SUCCESS", "FAILURE"), orcpt=f"rfc822;{GOOD}")
        assert (await conversation.recipient(GOOD, orcpt)).startswith("250")
        secret = RecipientParameters(orcpt="rfc822;972502345679+key=ann.hunter2@sms.example.com")
        assert (await conversation.recipient(OTHER, secret)).startswith("250")
        (told,) = await conversation.content(mail())
        with desk.store.read() as connection:
            envelope = messages.find(connection, told.rpartition(" ")[2]).envelope
        assert json.loads(envelope or "") == {
            "ret": "HDRS",
            "envid": "QQ314159",
            "recipients": {
                "+972502345678": {"notify": ["SUCCESS", "FAILURE"], "orcpt": f"rfc822;{GOOD}"},
                "+972502345679": {"notify": [], "orcpt": "rfc822;972502345679+key=***@sms.example.com"},
            },
        }

    at_desk(work)


def test_a_few_letters_are_in_the_charset_of_the_region(at_desk: Run) -> None:
    """Two bytes tell no charset: what is set for the mailbox counts, then for the account's region, then for all."""

    async def work(desk: Desk) -> None:
        told: dict[str, Any] = {"charsets": {"IL": "windows-1255"}, "charset": "koi8-r"}

        async def text_of(sender: str, **settings: Any) -> str:
            raw = mail(sender=sender, Message_ID=f"<{sender}{len(settings)}>").replace(b"hello", b"\xf9\xec")
            reply = await send(desk.conversation(region=None, **settings), sender, raw)
            with desk.store.read() as connection:
                return messages.find(connection, reply.rpartition(" ")[2]).text

        assert await text_of("ann@example.com", **told) == "של"
        assert await text_of("x@roaming.example", **told) == "ЫЛ"
        assert await text_of("x@roaming.example") == "של", "a guess, where nobody says"
        allow(desk, "@roaming.example", account="roaming", charset="windows-1251")
        await desk.intake.snapshot.renew()
        assert await text_of("y@roaming.example", **told) == "щм"

    at_desk(work)


def test_nothing_of_a_mail_is_left_for_the_next(at_desk: Run) -> None:
    """Options, sender, recipients and a key of one mail say nothing of the mail behind it on the same connection."""

    async def work(desk: Desk) -> None:
        allow(desk, "old@example.com", proof="secret", secrets="address")
        key(desk, "old")
        conversation = desk.conversation(peer=STRANGER)
        word = PASSWORD.replace(" ", "%20")
        (taken,) = await begin(conversation, "old@example.com", f"972502345678+key=old.{word}@sms.example.com")
        assert taken.startswith("250"), taken
        (told,) = await conversation.content(mail(sender="old@example.com"))
        assert told.startswith("250"), told
        (taken,) = await begin(conversation, "old@example.com", GOOD)
        (told,) = await conversation.content(mail(sender="old@example.com", text="again"))
        assert told.startswith("550 5.7.1"), told

    at_desk(work)


def test_a_key_in_the_mail_proves_it_where_that_is_allowed(at_desk: Run) -> None:
    """A right one is cut out and the text goes; a wrong one, or another account's, and the mail is refused."""

    async def work(desk: Desk) -> None:
        allow(desk, "erp@example.com", proof="secret", secrets="subject,body,line")
        key(desk, "erp")
        key(desk, "foreign", account="american")
        conversation = desk.conversation(peer=STRANGER)
        with capture_logs() as logs:
            good = await send(
                conversation, "erp@example.com", mail(sender="erp@example.com", Subject=f"#erp:{PASSWORD}# hi")
            )
            wrong = await send(
                conversation, "erp@example.com", mail(sender="erp@example.com", Subject="#erp:nothing like it# hi")
            )
            foreign = await send(
                conversation, "erp@example.com", mail(sender="erp@example.com", text=f"#foreign:{PASSWORD}#\r\nhi")
            )
            listed = await send(
                conversation,
                "erp@example.com",
                mail(sender="erp@example.com", text=f"erp:{PASSWORD}:7:0:0,1:972502345678,0502345679:disk full"),
                "send@sms.example.com",
            )
        assert good.startswith("250"), good
        assert wrong.startswith("550 5.7.1"), wrong
        assert foreign.startswith("550 5.7.1"), foreign
        assert listed.startswith("250"), listed
        with desk.store.read() as connection:
            kept = messages.find(connection, listed.rpartition(" ")[2])
            first = messages.find(connection, good.rpartition(" ")[2])
        assert (kept.text, kept.reference, kept.flash) == ("disk full", "7", True)
        assert [one.number for one in kept.recipients] == ["+972502345678", "+972502345679"]
        assert (first.text, first.proof) == ("hello", "secret erp")
        assert PASSWORD not in repr(logs)

    at_desk(work)
