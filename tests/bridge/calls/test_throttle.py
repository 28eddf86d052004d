"""Failed logins: counted, slowed and blocked, at the very edges; and whom that must not lock out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest
import structlog

from bridge.calls import throttle as throttling
from bridge.calls.logins import Credentials, Digest, Password, Token
from bridge.calls.throttle import BLOCKED, Attempt, Patience, Throttle
from bridge.model.errors import LoginBlocked
from bridge.model.login import KeyKind
from bridge.store.engine import Store
from tests.support.carriers import until
from tests.support.clock import HandClock
from tests.support.logins import AWAY, HOME, NO_DELAY, Gate, Timer, through

WRONG = Password(user="ann", password="wrong")
RIGHT = Password(user="ann", password="s3cret")


@pytest.fixture
def gate(store: Store, clock: HandClock) -> Gate:
    """Logins without waits; ann has a password, her program a token."""
    gate = Gate(store, clock, patience=NO_DELAY)
    gate.add("ann", "s3cret")
    gate.add("program", "t" * 43, KeyKind.TOKEN)
    return gate


async def fail(gate: Gate, times: int, given: Credentials = WRONG, address: str = HOME) -> None:
    """Fail so many times, each looked at."""
    for _ in range(times):
        assert await gate.outcome(given, address) == "LoginFailed"


def test_ten_failures_of_a_user_from_an_address_block_it_there(gate: Gate) -> None:
    """The tenth is still looked at, the next is not, right or wrong; from elsewhere the user comes in."""

    async def test(gate: Gate) -> None:
        await fail(gate, 9)
        assert await gate.outcome(RIGHT) == "password ann"
        await fail(gate, 1)
        checks = len(gate.hasher.checked)
        for given in (RIGHT, WRONG):
            with pytest.raises(LoginBlocked) as blocked:
                await gate.logins.login(given, address=HOME)
            assert blocked.value.reason == BLOCKED
        assert len(gate.hasher.checked) == checks
        assert gate.counted("blocked") == 2
        assert await gate.outcome(RIGHT, AWAY) == "password ann"

    through(gate, test)


def test_a_user_that_there_is_not_is_blocked_alike(gate: Gate) -> None:
    """Or the block would tell which user names there are."""

    async def test(gate: Gate) -> None:
        await fail(gate, 10, Password(user="nobody", password="x"))
        assert await gate.outcome(Password(user="nobody", password="x")) == "LoginBlocked"

    through(gate, test)


def test_the_window_slides(gate: Gate) -> None:
    """Each failure counts for fifteen minutes, up to that moment and not at it; a block is no failure."""

    async def test(gate: Gate) -> None:
        await fail(gate, 1)
        gate.pass_time(60)
        await fail(gate, 9)
        gate.pass_time(839.5)
        assert await gate.outcome(RIGHT) == "LoginBlocked"
        gate.pass_time(0.5)
        await fail(gate, 1)
        assert await gate.outcome(RIGHT) == "LoginBlocked"
        gate.pass_time(59.5)
        assert await gate.outcome(RIGHT) == "LoginBlocked"
        gate.pass_time(0.5)
        await fail(gate, 9)
        assert await gate.outcome(RIGHT) == "LoginBlocked"

    through(gate, test)


@pytest.mark.parametrize(
    ("places", "other"),
    [
        ([HOME, f"::ffff:{HOME}"], "192.0.2.8"),
        (["2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", "2001:db8::2"], "2001:db8:0:1::1"),
    ],
)
def test_fifty_failures_from_an_address_block_it(gate: Gate, places: Sequence[str], other: str) -> None:
    """Whoever it tried to be; in IPv6 the whole /64. The next address is another one."""

    async def test(gate: Gate) -> None:
        for number in range(50):
            await fail(gate, 1, Password(user=f"user{number % 25}", password="x"), places[number % len(places)])
        for place in places:
            assert await gate.outcome(RIGHT, place) == "LoginBlocked"
        assert await gate.outcome(RIGHT, other) == "password ann"

    through(gate, test)


def test_a_hundred_failures_of_a_user_block_it_where_it_never_came_in(gate: Gate) -> None:
    """From all addresses together; a place where it came in before, however long ago, stays open."""

    async def test(gate: Gate) -> None:
        assert await gate.outcome(RIGHT) == "password ann"
        gate.pass_time(86_400)
        for number in range(100):
            await fail(gate, 1, address=f"198.51.100.{number}")
        assert await gate.outcome(RIGHT, "203.0.113.1") == "LoginBlocked"
        assert await gate.outcome(RIGHT) == "password ann"
        assert await gate.outcome(Token(token="t" * 43), "203.0.113.1") == "token program"
        # And there it may err as everybody.
        await fail(gate, 10)
        assert await gate.outcome(RIGHT) == "LoginBlocked"

    through(gate, test)


def test_a_neighbour_locks_nobody_out(gate: Gate) -> None:
    """An address that failed fifty times still lets in who came in from it before; not who did not."""
    gate.add("bob", "b0b")

    async def test(gate: Gate) -> None:
        assert await gate.outcome(RIGHT) == "password ann"
        for number in range(50):
            await fail(gate, 1, Password(user=f"user{number}", password="x"))
        assert await gate.outcome(RIGHT) == "password ann"
        assert await gate.outcome(Password(user="bob", password="b0b")) == "LoginBlocked"

    through(gate, test)


def test_a_right_login_takes_no_failure_back(gate: Gate) -> None:
    """Or who shares an address with a busy program could guess between its calls without end."""

    async def test(gate: Gate) -> None:
        for _ in range(10):
            assert await gate.outcome(RIGHT) == "password ann"
            await fail(gate, 1)
        assert await gate.outcome(RIGHT) == "LoginBlocked"

    through(gate, test)


def test_a_right_token_is_let_in_in_spite_of_any_block(gate: Gate) -> None:
    """It cannot be guessed. Wrong ones are counted for the address alone, and blocked."""

    async def test(gate: Gate) -> None:
        await fail(gate, 50, Token(token="guess"))
        assert await gate.outcome(Token(token="guess")) == "LoginBlocked"
        assert await gate.outcome(RIGHT) == "LoginBlocked"
        assert await gate.outcome(Token(token="t" * 43)) == "token program"
        assert await gate.outcome(Password(user="program", password="t" * 43)) == "token program"
        assert await gate.outcome(Password(user="program", password="guess")) == "LoginFailed"
        await fail(gate, 9, Password(user="program", password="guess"))
        assert await gate.outcome(Password(user="program", password="guess")) == "LoginBlocked"
        assert await gate.outcome(Password(user="program", password="t" * 43)) == "token program"

    through(gate, test)


def test_digests_are_counted_as_passwords(gate: Gate) -> None:
    """Ten wrong ones from an address block the user there, for its password too."""
    gate.add("dig", "s3cret", KeyKind.DIGEST)

    async def test(gate: Gate) -> None:
        given = Digest(user="dig", nonce=b"n", created="2030-01-01T12:00:00Z", digest=b"\0" * 20)
        await fail(gate, 10, given)
        assert await gate.outcome(given) == "LoginBlocked"
        assert await gate.outcome(Password(user="dig", password="s3cret")) == "LoginBlocked"

    through(gate, test)


def test_who_does_not_log_in_guesses_nothing(gate: Gate) -> None:
    """A call without any credentials is refused, and not counted."""

    async def test(gate: Gate) -> None:
        for _ in range(100):
            assert await gate.outcome(None) == "LoginFailed"
        assert await gate.outcome(RIGHT) == "password ann"

    through(gate, test)


def test_guesses_at_once_are_no_more_than_one_by_one(gate: Gate) -> None:
    """Of thirty passwords tried together ten are looked at."""

    async def test(gate: Gate) -> None:
        gate.hasher.free.clear()
        tries = [
            asyncio.create_task(gate.outcome(Password(user="ann", password=f"guess {number}"))) for number in range(30)
        ]
        await until(lambda: sum(task.done() for task in tries) == 20)
        gate.hasher.free.set()
        assert sorted(await asyncio.gather(*tries)) == ["LoginBlocked"] * 20 + ["LoginFailed"] * 10
        assert len(gate.hasher.checked) == 10

    through(gate, test)


def test_many_logins_of_a_user_at_once_are_one_check(gate: Gate) -> None:
    """None of them is blocked, though they are more than may fail; and wrong ones count each."""

    async def test(gate: Gate) -> None:
        outcomes = await asyncio.gather(*(gate.outcome(RIGHT) for _ in range(200)))
        assert outcomes == ["password ann"] * 200
        assert len(gate.hasher.checked) == 1
        assert await asyncio.gather(*(gate.outcome(WRONG, AWAY) for _ in range(20))) == ["LoginFailed"] * 20
        assert len(gate.hasher.checked) == 2
        assert await gate.outcome(RIGHT, AWAY) == "LoginBlocked"

    through(gate, test)


def test_who_is_blocked_learns_nothing_from_a_check_for_another(gate: Gate) -> None:
    """The same password that is being checked for someone else is not answered at a blocked address."""

    async def test(gate: Gate) -> None:
        await fail(gate, 10, address=AWAY)
        gate.hasher.free.clear()
        mine = asyncio.create_task(gate.outcome(RIGHT))
        await until(lambda: gate.hasher.at_once == 1)
        assert await gate.outcome(RIGHT, AWAY) == "LoginBlocked"
        gate.hasher.free.set()
        assert await mine == "password ann"
        assert await gate.outcome(RIGHT, AWAY) == "LoginBlocked"

    through(gate, test)


def test_the_block_is_logged_once(gate: Gate) -> None:
    """With the failure that brought it, with user and address; those it turns away are counted only."""

    async def test(gate: Gate) -> None:
        with structlog.testing.capture_logs() as lines:
            await fail(gate, 10)
            for _ in range(5):
                assert await gate.outcome(WRONG) == "LoginBlocked"
        assert [line["event"] for line in lines] == ["login failed"] * 10 + ["logins blocked"]
        assert (lines[-1]["log_level"], lines[-1]["user"], lines[-1]["peer"]) == ("warning", "ann", HOME)

    through(gate, test)


# Waits.


def test_each_failure_is_slower_than_the_last(store: Store, clock: HandClock) -> None:
    """The first answer comes at once, then after 1, 2, 4 and 8 seconds; who is right or blocked never waits."""
    gate = Gate(store, clock)
    gate.add("ann", "s3cret")

    async def test(gate: Gate) -> None:
        await fail(gate, 7)
        assert gate.slept == [1, 2, 4, 8, 8, 8]
        assert await gate.outcome(RIGHT) == "password ann"
        await fail(gate, 3)
        assert await gate.outcome(RIGHT) == "LoginBlocked"
        assert len(gate.slept) == 9
        # Of a user from other places, and of other users from the place.
        await fail(gate, 1, address=AWAY)
        await fail(gate, 1, Password(user="bob", password="x"))
        await fail(gate, 1, Token(token="x"), "203.0.113.1")
        assert gate.slept[9:] == [8, 8]

    through(gate, test)


def test_only_so_many_wait(store: Store, clock: HandClock) -> None:
    """Beyond that the answer comes at once: a wait holds a connection, and strangers are not to have them all."""
    waiting = asyncio.Event()
    asleep: list[float] = []

    async def sleep(seconds: float) -> None:
        asleep.append(seconds)
        await waiting.wait()

    gate = Gate(store, clock, delayed=3, sleep=sleep)

    async def test(gate: Gate) -> None:
        tries = [asyncio.create_task(gate.outcome(Token(token=f"guess {number}"))) for number in range(10)]
        await until(lambda: sum(task.done() for task in tries) == 7)
        assert len(asleep) == 3
        tries[-1].cancel()
        waiting.set()
        await asyncio.wait(tries)
        await gate.outcome(Token(token="guess"))
        assert len(asleep) == 4

    through(gate, test)


def test_a_wait_that_is_given_up_makes_room(store: Store, clock: HandClock) -> None:
    """Who hangs up while the answer waits leaves nothing behind."""

    async def sleep(seconds: float) -> None:
        await asyncio.Event().wait()

    gate = Gate(store, clock, delayed=1, sleep=sleep)

    async def test(gate: Gate) -> None:
        await gate.outcome(Token(token="guess"))
        for _ in range(3):
            waits = asyncio.create_task(gate.token("guess"))
            await until(lambda: gate.throttle._delayed == 1)
            waits.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waits
        assert gate.throttle._delayed == 0

    through(gate, test)


# Settings and bounds.


def test_the_settings_say_how_many_in_which_time() -> None:
    """``failures`` and ``window`` hold to the edge, five and ten times as many for an address and for a user."""
    timer = Timer()
    throttle = Throttle(Patience(failures=2, window=timedelta(seconds=10), delay=timedelta(0)), timer=timer)

    def blocked(user: str | None, address: str) -> bool:
        try:
            throttle.check(Attempt.of(user, address))
        except LoginBlocked:
            return True
        return False

    assert not throttle.wrong(Attempt.of("ann", HOME))
    assert not blocked("ann", HOME)
    assert throttle.wrong(Attempt.of("ann", HOME))
    assert (blocked("ann", HOME), blocked("bob", HOME), blocked("ann", AWAY)) == (True, False, False)
    for number in range(8):
        assert not blocked("bob", HOME)
        throttle.wrong(Attempt.of(f"user{number}", HOME))
    assert (blocked("bob", HOME), blocked(None, HOME), blocked("bob", AWAY)) == (True, True, False)
    for number in range(18):
        assert not blocked("ann", AWAY)
        throttle.wrong(Attempt.of("ann", f"203.0.113.{number}"))
    assert blocked("ann", AWAY)
    timer.seconds += 9.75
    assert blocked("ann", HOME)
    timer.seconds += 0.25
    assert not any(blocked(user, place) for user in ("ann", "bob", None) for place in (HOME, AWAY))


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each count, and of known places, the least lately touched are forgotten; moments beyond the limit too."""
    monkeypatch.setattr(throttling, "_KEPT", 5)
    throttle = Throttle(Patience(failures=2), timer=Timer())
    for number in range(100):
        attempt = Attempt.of(f"user{number}", f"198.51.100.{number}")
        throttle.wrong(attempt)
        throttle.wrong(Attempt.of("ann", HOME))
        throttle.right(attempt)
    for counts in (throttle._places, throttle._pairs, throttle._users):
        assert len(counts) == 5
        assert max(len(moments) for moments in counts._failed.values()) == counts.limit
        assert counts._pending == {}
    assert len(throttle._good) == 5
    assert throttle.knows(Attempt.of("user99", "198.51.100.99"))
    assert not throttle.knows(Attempt.of("user94", "198.51.100.94"))
    with pytest.raises(LoginBlocked):
        throttle.check(Attempt.of("ann", HOME))


def test_what_is_over_is_forgotten() -> None:
    """Counts of which all moments are out of the window take no room once they are asked for."""
    timer = Timer()
    throttle = Throttle(Patience(), timer=timer)
    attempt = Attempt.of("ann", HOME)
    throttle.wrong(attempt)
    timer.seconds += 900
    throttle.check(attempt)
    assert [len(counts) for counts in (throttle._places, throttle._pairs, throttle._users)] == [0, 0, 0]


def test_a_name_that_is_none_is_counted_for_its_address_only() -> None:
    """Whatever its length, it takes no room."""
    throttle = Throttle(Patience(), timer=Timer())
    for number in range(20):
        throttle.wrong(Attempt.of("x" * 129 + str(number), HOME))
    assert (len(throttle._users), len(throttle._pairs), len(throttle._places)) == (0, 0, 1)
    assert Attempt.of("x" * 128, HOME).user == "x" * 128
    assert len(Attempt.of("ann", "y" * 1000).place) == 128


@pytest.mark.parametrize("ending", [ValueError, asyncio.CancelledError, None])
def test_an_attempt_counts_while_it_lasts(ending: Callable[[], BaseException] | None) -> None:
    """However it ends, it is not under way any more."""
    throttle = Throttle(Patience(failures=1), timer=Timer())
    attempt = Attempt.of("ann", HOME)
    try:
        with throttle.trying(attempt):
            with pytest.raises(LoginBlocked), throttle.trying(attempt):
                raise AssertionError
            throttle.check(attempt)
            if ending is not None:
                raise ending()
    except (ValueError, asyncio.CancelledError):
        pass
    with throttle.trying(attempt):
        pass
