"""The directory in memory: how old it may be, and what is never decided on an old one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import structlog
from sqlalchemy import update

from bridge.model.account import Directory
from bridge.model.errors import AccountDisabled, SenderRefused, StoreUnavailable
from bridge.model.login import KeyKind, Login, read_networks
from bridge.model.message import Addressee, Submission
from bridge.pipeline.accept import Rules
from bridge.pipeline.commit import Writer
from bridge.pipeline.intake import Intake
from bridge.pipeline.routing import Route, Router
from bridge.pipeline.snapshot import Snapshot
from bridge.store import accounts
from bridge.store.engine import Store
from bridge.store.tables import keys
from bridge.telemetry import Metrics
from tests.support import texts
from tests.support.carriers import until
from tests.support.clock import HandClock
from tests.support.texts import number


class Timer:
    """Seconds since some moment, moved by hand."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


class Counted(Store):
    """A store that counts how often it was read, and can be away."""

    reads = 0
    away = False

    def read(self) -> Any:
        self.reads += 1
        if self.away:
            # What the engine says of a server that is down, without waiting for one.
            raise StoreUnavailable("database: away")
        return super().read()


@pytest.fixture
def counted(any_url: str, clock: HandClock) -> Any:
    """A store that counts, with one account."""
    store = Counted(any_url, clock=clock)
    texts.add_account(store)
    yield store
    store.close()


def with_snapshot(store: Store, test: Callable[[Snapshot, Timer], Coroutine[Any, Any, None]]) -> None:
    """Run a test on a snapshot that was just loaded."""

    async def main() -> None:
        timer = Timer()
        snapshot = Snapshot(store, max_age=1.0, timer=timer)
        await snapshot.open()
        await test(snapshot, timer)

    asyncio.run(main())


def allow(store: Store, pattern: str) -> None:
    """Let a mailbox send."""
    with store.write() as connection:
        accounts.allow_mailbox(connection, 1, pattern, now=0)


def revoke(store: Store, pattern: str) -> None:
    """Let it send no more."""
    with store.write() as connection:
        accounts.revoke_mailbox(connection, 1, pattern)


def enable(store: Store, *, enabled: bool) -> None:
    """Switch the account on or off."""
    with store.write() as connection:
        accounts.set_enabled(connection, 1, enabled=enabled)


def test_nothing_is_known_before_it_is_opened(counted: Counted) -> None:
    """A question before the first load is trouble of ours, no refusal."""
    with pytest.raises(StoreUnavailable):
        _ = Snapshot(counted).directory


def test_nobody_is_refused_on_an_old_snapshot(counted: Counted) -> None:
    """A mailbox that was allowed a moment ago sends, as soon as the snapshot is older than a tenth of its age."""

    async def test(snapshot: Snapshot, timer: Timer) -> None:
        allow(counted, "ann@example.com")
        timer.seconds += 0.125
        assert (await snapshot.mailbox_for("ann@example.com")).pattern == "ann@example.com"

    with_snapshot(counted, test)


def test_no_account_is_refused_on_an_old_snapshot(counted: Counted) -> None:
    """One that was switched on again a moment ago sends."""
    allow(counted, "ann@example.com")
    enable(counted, enabled=False)

    async def test(snapshot: Snapshot, timer: Timer) -> None:
        with pytest.raises(AccountDisabled):
            await snapshot.mailbox_for("ann@example.com")
        enable(counted, enabled=True)
        timer.seconds += 0.125
        assert (await snapshot.mailbox_for("ann@example.com")).pattern == "ann@example.com"

    with_snapshot(counted, test)


def test_strangers_do_not_wear_out_the_database(counted: Counted) -> None:
    """However many are refused, the database is asked once in a tenth of the age; known ones cost nothing."""
    allow(counted, "ann@example.com")

    async def test(snapshot: Snapshot, timer: Timer) -> None:
        counted.reads = 0
        for _ in range(50):
            timer.seconds += 0.01
            with pytest.raises(SenderRefused):
                await snapshot.mailbox_for("eve@example.com")
            await snapshot.mailbox_for("ann@example.com")
        assert 4 <= counted.reads <= 5

    with_snapshot(counted, test)


def test_an_unchanged_directory_is_not_loaded_again(counted: Counted) -> None:
    """Only the revision is asked for: the snapshot stays the very object."""

    async def test(snapshot: Snapshot, timer: Timer) -> None:
        before = snapshot.directory
        timer.seconds += 10
        await snapshot.renew()
        assert snapshot.directory is before
        allow(counted, "ann@example.com")
        timer.seconds += 10
        await snapshot.renew()
        assert snapshot.directory is not before

    with_snapshot(counted, test)


def test_keep_sees_changes_within_the_age(counted: Counted) -> None:
    """A revoked mailbox is out by itself after max_age: nobody has to ask."""
    allow(counted, "ann@example.com")

    async def main() -> None:
        snapshot = Snapshot(counted, max_age=0.02)
        await snapshot.open()
        assert "ann@example.com" in snapshot.directory.mailboxes
        keeper = asyncio.create_task(snapshot.keep())
        revoke(counted, "ann@example.com")
        await until(lambda: "ann@example.com" not in snapshot.directory.mailboxes)
        keeper.cancel()

    asyncio.run(main())


def test_while_the_database_is_away_the_old_one_holds(counted: Counted) -> None:
    """Known mailboxes go on sending; an unknown one is told to come again, not refused; and keeping goes on."""
    allow(counted, "ann@example.com")

    async def main() -> None:
        timer = Timer()
        snapshot = Snapshot(counted, max_age=0.01, timer=timer)
        await snapshot.open()
        counted.away = True
        keeper = asyncio.create_task(snapshot.keep())
        timer.seconds += 60
        asked = counted.reads
        await until(lambda: counted.reads > asked + 2)
        assert (await snapshot.mailbox_for("ann@example.com")).pattern == "ann@example.com"
        with pytest.raises(StoreUnavailable):
            await snapshot.mailbox_for("new@example.com")
        counted.away = False
        allow(counted, "new@example.com")
        timer.seconds += 0.001
        assert (await snapshot.mailbox_for("new@example.com")).pattern == "new@example.com"
        assert not keeper.done()
        keeper.cancel()

    asyncio.run(main())


def test_strangers_do_not_wait_in_line_for_a_database_that_is_away(counted: Counted) -> None:
    """What it just did not answer is not asked again for a tenth of the age, by however many; then it is."""

    async def test(snapshot: Snapshot, timer: Timer) -> None:
        counted.away, counted.reads = True, 0
        timer.seconds += 10
        asked = [snapshot.mailbox_for("eve@example.com") for _ in range(20)]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert [type(answer) for answer in answers] == [StoreUnavailable] * 20
        assert counted.reads == 1
        timer.seconds += 0.125
        with pytest.raises(StoreUnavailable):
            await snapshot.mailbox_for("eve@example.com")
        assert counted.reads == 2
        counted.away = False
        timer.seconds += 0.125
        with pytest.raises(SenderRefused):
            await snapshot.mailbox_for("eve@example.com")

    with_snapshot(counted, test)


def test_a_key_counts_as_a_change(counted: Counted) -> None:
    """A key that was just made is in the next snapshot with its networks, and one that was revoked is not."""

    async def test(snapshot: Snapshot, timer: Timer) -> None:
        networks = read_networks(["192.0.2.0/24", "::ffff:198.51.100.7"])
        for user, kind, secret in (("till", "password", "hash"), ("erp", "token", "ab" * 32)):
            with counted.write() as connection:
                accounts.add_key(connection, 1, user=user, kind=kind, secret=secret, networks=networks, now=0)
        timer.seconds += 1
        await snapshot.renew()
        made = Login(user="till", account_id=1, kind=KeyKind.PASSWORD, secret="hash", networks=networks)
        assert snapshot.directory.logins["till"] == made
        assert "hash" not in repr(snapshot.directory)
        assert list(snapshot.directory.tokens) == ["ab" * 32]
        assert [str(network) for network in made.networks] == ["192.0.2.0/24", "198.51.100.7/32"]
        with counted.write() as connection:
            accounts.revoke_key(connection, 1, "erp", now=1)
        timer.seconds += 1
        await snapshot.renew()
        assert (list(snapshot.directory.logins), snapshot.directory.tokens) == (["till"], {})

    with_snapshot(counted, test)


@pytest.mark.parametrize("networks", ["{}", '["nowhere"]', '"::/0"', "[7]", "null"])
def test_a_key_that_cannot_be_read_lets_nobody_in(counted: Counted, networks: str) -> None:
    """It is left out, and the others stay; never is it taken for one that may come from anywhere."""
    for user in ("till", "shop"):
        with counted.write() as connection:
            accounts.add_key(connection, 1, user=user, kind="password", secret=user, now=0)
    with counted.write() as connection:
        connection.execute(update(keys).where(keys.c.user_name == "till").values(networks=networks))

    async def test(snapshot: Snapshot, timer: Timer) -> None:
        assert list(snapshot.directory.logins) == ["shop"]

    with structlog.testing.capture_logs() as lines:
        with_snapshot(counted, test)
    assert [(line["event"], line["user"]) for line in lines] == [("key cannot be read", "till")]


def test_an_opening_without_a_database_says_so(counted: Counted) -> None:
    """The first load has no old one to fall back on."""
    counted.away = True
    with pytest.raises(StoreUnavailable):
        asyncio.run(Snapshot(counted).open())


def test_a_new_account_may_submit_at_once(counted: Counted) -> None:
    """The intake asks the database again before it refuses an account that its snapshot does not know."""

    async def main() -> None:
        timer, writer = Timer(), Writer(counted)
        writer.start()
        snapshot = Snapshot(counted, timer=timer)
        intake = Intake(
            writer=writer,
            snapshot=snapshot,
            rules=Rules(router=Router([Route(name="1", carriers=("a",))])),
            metrics=Metrics(),
        )
        await snapshot.open()
        timer.seconds += 0.5
        new = texts.add_account(counted, "new")
        recipients = (Addressee(number=number(1)),)
        submission = Submission(account_id=new, door="test", origin="api", recipients=recipients, text="hi")
        receipt = await intake.submit(submission)
        assert not receipt.results[0].duplicate
        assert isinstance(snapshot.directory, Directory)
        await writer.stop()

    asyncio.run(main())
