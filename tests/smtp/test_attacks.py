"""What somebody who means harm tries within a conversation, and what must hold all the same."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from bridge.calls.values import Caller, ContactEntry, GroupEntry
from bridge.store import accounts
from bridge.store.engine import Store
from smtp import session
from smtp.reading import Reading, read
from smtp.wire.client import Client, Service
from tests.smtp.test_session import GOOD, Desk, open_desk
from tests.smtp.test_standing import STRANGER, allow, begin, mail, send
from tests.support import texts
from tests.support.clock import HandClock

Work = Callable[[Desk], Coroutine[Any, Any, None]]
Run = Callable[[Work], None]


@pytest.fixture
def at_desk(store: Store, clock: HandClock) -> Run:
    """Run a test's coroutine at an open desk."""

    async def main(work: Work) -> None:
        async with open_desk(store, clock) as desk:
            await work(desk)

    return lambda work: asyncio.run(main(work))


async def seen(desk: Desk) -> None:
    """Let the door see what was changed in the database."""
    desk.skipped += 10
    await desk.intake.snapshot.renew()


@pytest.mark.parametrize("to", [None, "american"])
def test_a_mailbox_that_is_taken_away_sends_no_mail_that_was_begun(to: str | None, at_desk: Run) -> None:
    """Between RCPT and the end of DATA an hour may pass: who may send is asked again."""

    async def work(desk: Desk) -> None:
        open_one = desk.conversation()
        assert (await begin(open_one, "ann@example.com", GOOD))[0].startswith("250 ")
        with desk.store.write() as connection:
            accounts.revoke_mailbox(connection, desk.ids["acme"], "ann@example.com")
            if to is not None:
                accounts.allow_mailbox(connection, desk.ids[to], "ann@example.com", now=1)
        await seen(desk)
        (told,) = await open_one.content(mail())
        assert told.startswith("550 5.7.1 "), told
        assert texts.rows(desk.store) == []

    at_desk(work)


def test_a_mailbox_that_needs_more_since_sends_no_mail_that_was_begun(at_desk: Run) -> None:
    """What counts is what it takes at the end of DATA."""

    async def work(desk: Desk) -> None:
        open_one = desk.conversation()
        assert (await begin(open_one, "ann@example.com", GOOD))[0].startswith("250 ")
        allow(desk, "ann@example.com", proof="login")
        await seen(desk)
        assert (await open_one.content(mail()))[0].startswith("550 5.7.1 ")

    at_desk(work)


@pytest.mark.parametrize("service", [Service.SMTP, Service.LMTP])
def test_who_is_not_proved_learns_no_names(service: Service, at_desk: Run) -> None:
    """A stranger who names a mailbox that may prove itself by the mail is told the same of each contact and group."""

    async def work(desk: Desk) -> None:
        acme = Caller(account_id=desk.ids["acme"], account="acme", user="u", proof="password u")
        await desk.desk.add_contact(acme, ContactEntry(number="+972502345678", name="dana"))
        stranger = desk.conversation(client=Client(peer=STRANGER, service=service))
        known, unknown, group = await begin(
            stranger,
            "ann@example.com",
            "dana@sms.example.com",
            "nobody@sms.example.com",
            "group.nobody@sms.example.com",
        )
        assert known == unknown == group
        assert known.startswith("250 ")
        for told in await stranger.content(mail()):
            assert told.startswith("550 5.7.1 nothing proves that the mail is from ann@example.com"), told
        friend = desk.conversation()
        known, unknown = await begin(friend, "ann@example.com", "dana@sms.example.com", "nobody@sms.example.com")
        assert known.startswith("250 ")
        assert unknown.startswith("550 5.1.1 ")

    at_desk(work)


RELAY: dict[str, Any] = {"relays": {"mx.example.com": [f"{STRANGER}/32"]}}
WORD = {"Authentication-Results": "mx.example.com; auth=pass smtp.auth=ann@example.com"}


@pytest.mark.parametrize("service", [Service.SMTP, Service.LMTP])
def test_names_are_said_to_be_nobodys_once_the_mail_is_proved(service: Service, at_desk: Run) -> None:
    """A mail with such a name is refused whole, where one reply is for all; in LMTP the others get their text."""

    async def work(desk: Desk) -> None:
        acme = Caller(account_id=desk.ids["acme"], account="acme", user="u", proof="password u")
        await desk.desk.add_contact(acme, ContactEntry(number="+972502345679", name="dana"))
        proved = desk.conversation(client=Client(peer=STRANGER, service=service), **RELAY)
        to = ("dana@sms.example.com", "nobody@sms.example.com", GOOD)
        for replies in (await begin(proved, "ann@example.com", *to), await begin(proved, "ann@example.com", *to)):
            assert [reply[:3] for reply in replies] == ["250"] * 3
        told = [reply[:9] for reply in await proved.content(mail(**WORD))]
        if service is Service.SMTP:
            assert told == ["550 5.1.1"]
            assert texts.rows(desk.store) == []
        else:
            assert told == ["250 2.0.0", "550 5.1.1", "250 2.0.0"]
            assert {row.number for row in texts.rows(desk.store)} == {"+972502345678", "+972502345679"}
        assert desk.counted("refused")["recipient_unknown"] == 1

    at_desk(work)


def test_how_many_a_group_has_is_said_once_the_mail_is_proved(at_desk: Run) -> None:
    """A group that leaves no room for the others is refused for good: no other time would make it smaller."""

    async def work(desk: Desk) -> None:
        acme = Caller(account_id=desk.ids["acme"], account="acme", user="u", proof="password u")
        numbers = tuple(texts.number(index) for index in range(5600, 5604))
        await desk.desk.add_group(acme, GroupEntry(name="all", numbers=numbers))
        proved = desk.conversation(peer=STRANGER, max_recipients=4, **RELAY)
        replies = await begin(proved, "ann@example.com", "group.all@sms.example.com", GOOD)
        assert [reply[:3] for reply in replies] == ["250", "250"]
        (told,) = await proved.content(mail(**WORD))
        assert told.startswith("550 5.1.3 its names stand for more than 4 numbers"), told
        assert (await begin(proved, "ann@example.com", "group.all@sms.example.com"))[0].startswith("250 ")
        assert (await proved.content(mail(**WORD)))[0].startswith("250 ")
        assert len(texts.rows(desk.store)) == 4

    at_desk(work)


def test_two_subjects_are_two_texts(at_desk: Run) -> None:
    """Where the subject is what is sent, two alerts of one second that differ in nothing else are two texts."""

    async def work(desk: Desk) -> None:
        for use in ("only", "prefix"):
            allow(desk, "ann@example.com", subject=use)
            await seen(desk)
            for subject in ("CPU high", "disk full"):
                alert = mail(Message_ID=None, Date="Fri, 20 Nov 2026 07:00:00 +0000", Subject=subject, text=use)  # type: ignore[arg-type]
                assert (await send(desk.conversation(), "ann@example.com", alert)).startswith("250 ")
                assert (await send(desk.conversation(), "ann@example.com", alert)).startswith("250 ")
        assert len(texts.rows(desk.store)) == 4

    at_desk(work)


def test_a_large_mail_of_nobody_is_not_read(at_desk: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes seconds is done for those who are proved: a stranger's is refused before."""
    looked: list[int] = []

    def spied(raw: bytes, *args: Any, **kwargs: Any) -> Reading:
        looked.append(len(raw))
        return read(raw, *args, **kwargs)

    monkeypatch.setattr(session, "read", spied)

    async def work(desk: Desk) -> None:
        large = mail(text="x\r\n" * 30_000)
        stranger = desk.conversation(peer=STRANGER)
        assert (await send(stranger, "ann@example.com", large)).startswith("550 5.7.1 nothing proves")
        assert looked == []
        assert (await send(desk.conversation(), "ann@example.com", large)).startswith("552 5.3.4 ")
        assert looked == [len(large)]

    at_desk(work)
