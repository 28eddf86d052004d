"""Checks of passwords: in few threads, with a bounded line before them, and no answer lost."""

from __future__ import annotations

import asyncio

import pytest
import structlog
from sqlalchemy import update

from bridge.calls.logins import Password, Token
from bridge.calls.passwords import HASHER, Passwords, Room
from bridge.model.errors import Stopping
from bridge.model.login import KeyKind
from bridge.store.engine import Store
from bridge.store.tables import keys
from tests.support.carriers import until
from tests.support.clock import HandClock
from tests.support.logins import AWAY, NO_DELAY, Gate, through


@pytest.fixture
def gate(store: Store, clock: HandClock) -> Gate:
    """Two threads, three may wait, and five who are known. ann has a password, bob too, a program a token."""
    gate = Gate(store, clock, patience=NO_DELAY, room=Room(threads=2, strangers=3, known=5))
    gate.add("ann", "s3cret")
    gate.add("bob", "b0b")
    gate.add("program", "t" * 43, KeyKind.TOKEN)
    return gate


def flood(gate: Gate, count: int) -> list[asyncio.Task[str]]:
    """Begin logins of strangers, each from a place of its own."""
    return [
        asyncio.create_task(gate.outcome(Password(user=f"user{number}", password="x"), f"203.0.113.{number}"))
        for number in range(count)
    ]


def test_a_flood_takes_its_threads_and_its_line_and_no_more(gate: Gate) -> None:
    """Two are checked at once, three wait, the rest is turned away; tokens and remembered passwords go on."""

    async def test(gate: Gate) -> None:
        assert await gate.outcome(Password(user="ann", password="s3cret")) == "password ann"
        before = len(gate.hasher.checked)
        gate.hasher.free.clear()
        strangers = flood(gate, 20)
        await until(lambda: sum(task.done() for task in strangers) == 15)
        await until(lambda: gate.hasher.at_once == 2)
        assert await gate.outcome(Token(token="t" * 43)) == "token program"
        assert await gate.outcome(Password(user="ann", password="s3cret")) == "password ann"
        assert await gate.outcome(Password(user="bob", password="b0b")) == "LoginBlocked"
        gate.hasher.free.set()
        assert sorted(await asyncio.gather(*strangers)) == ["LoginBlocked"] * 15 + ["LoginFailed"] * 5
        assert len(gate.hasher.checked) == before + 5
        assert gate.hasher.most_at_once == 2
        # Who was turned away failed in nothing, and comes in now.
        assert await gate.outcome(Password(user="bob", password="b0b")) == "password bob"

    through(gate, test)


def test_who_came_in_before_may_wait_where_a_stranger_may_not(gate: Gate) -> None:
    """From the same place; a flood does not keep customers out whose passwords are not remembered any more."""

    async def test(gate: Gate) -> None:
        assert await gate.outcome(Password(user="ann", password="s3cret")) == "password ann"
        gate.pass_time(3600)
        gate.hasher.free.clear()
        strangers = flood(gate, 5)
        await until(lambda: len(gate.passwords._running) == 5)
        assert await gate.outcome(Password(user="ann", password="s3cret"), AWAY) == "LoginBlocked"
        known = asyncio.create_task(gate.outcome(Password(user="ann", password="s3cret")))
        await until(lambda: len(gate.passwords._running) == 6)
        # Whoever asks the same joins, wherever from: it takes no room.
        joining = asyncio.create_task(gate.outcome(Password(user="ann", password="s3cret"), AWAY))
        gate.hasher.free.set()
        assert (await known, await joining) == ("password ann", "password ann")
        assert await asyncio.gather(*strangers) == ["LoginFailed"] * 5

    through(gate, test)


def test_who_hangs_up_takes_nobodys_answer_away(gate: Gate) -> None:
    """The first of those who ask the same leaves; the others come in with the one check that was begun."""

    async def test(gate: Gate) -> None:
        gate.hasher.free.clear()
        given = Password(user="ann", password="s3cret")
        first = asyncio.create_task(gate.logins.login(given, address=AWAY))
        await until(lambda: gate.hasher.at_once == 1)
        others = [asyncio.create_task(gate.outcome(given)) for _ in range(3)]
        await asyncio.sleep(0)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        gate.hasher.free.set()
        assert await asyncio.gather(*others) == ["password ann"] * 3
        assert len(gate.hasher.checked) == 1
        assert gate.passwords._running == {}

    through(gate, test)


def test_a_check_that_nobody_waits_for_is_remembered_all_the_same(gate: Gate) -> None:
    """A client that gives up too early and comes again does not begin from nothing each time."""

    async def test(gate: Gate) -> None:
        gate.hasher.free.clear()
        first = asyncio.create_task(gate.password("ann", "s3cret"))
        await until(lambda: gate.hasher.at_once == 1)
        first.cancel()
        gate.hasher.free.set()
        await until(lambda: not gate.passwords._running)
        assert await gate.outcome(Password(user="ann", password="s3cret")) == "password ann"
        assert len(gate.hasher.checked) == 1

    through(gate, test)


def test_a_stop_answers_those_who_wait(gate: Gate) -> None:
    """What runs ends; what waits for it, and what comes later, is told that the bridge stops."""

    async def test(gate: Gate) -> None:
        gate.hasher.free.clear()
        waiting = flood(gate, 5)
        await until(lambda: len(gate.passwords._running) == 5 and gate.hasher.at_once == 2)
        gate.logins.close()
        await until(lambda: sum(task.done() for task in waiting) == 3)
        gate.hasher.free.set()
        assert sorted(await asyncio.gather(*waiting)) == ["LoginFailed"] * 2 + ["Stopping"] * 3
        with pytest.raises(Stopping):
            await gate.password("ann", "s3cret")

    through(gate, test)


@pytest.mark.parametrize("secret", ["", "hash", "$argon2id$v=19$m=8,t=1,p=1$AAAA$AAAA", "$2b$12$" + "a" * 53, "ünter"])
def test_a_damaged_hash_lets_nobody_in(gate: Gate, secret: str) -> None:
    """It is as a wrong password to the client, and an error in the log."""
    with gate.store.write() as connection:
        connection.execute(update(keys).where(keys.c.user_name == "ann").values(secret=secret))

    async def test(gate: Gate) -> None:
        with structlog.testing.capture_logs() as lines:
            assert await gate.outcome(Password(user="ann", password="s3cret")) == "LoginFailed"
        assert [line["event"] for line in lines] == ["key cannot be read", "login failed"]

    through(gate, test)


def test_with_its_real_cost() -> None:
    """A password hashed as the command does is right, another is not; and what argon2 made elsewhere is read too."""

    async def main() -> None:
        passwords = Passwords()
        kept = HASHER.hash("s3cret שלום")
        for given, right in (("s3cret שלום", True), ("s3cret", False)):
            assert await passwords.check(passwords.tag("ann", given, kept), given, kept, known=False) is right
        assert not await passwords.check(passwords.tag("bob", "x", None), "x", None, known=False)
        assert passwords.remembers(passwords.tag("ann", "s3cret שלום", kept))
        assert not passwords.remembers(passwords.tag("bob", "x", None))
        passwords.close()

    asyncio.run(main())
