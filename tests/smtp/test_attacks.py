"""What somebody who means harm tries within a conversation, and what must hold all the same."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from bridge.calls.values import Caller, ContactEntry
from bridge.store import accounts
from bridge.store.engine import Store
from smtp.client import Client, Service
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
