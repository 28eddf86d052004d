"""Logins: who is believed, that whoever is not learns nothing about why, and what it costs."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import argon2
import pytest
import structlog

from bridge.calls.digests import password_digest
from bridge.calls.logins import FAILED, Credentials, Digest, Password, Token
from bridge.calls.passwords import HASHER, Passwords
from bridge.calls.throttle import Attempt
from bridge.model.errors import LoginFailed, StoreUnavailable
from bridge.model.login import KeyKind
from bridge.model.moment import to_ms
from bridge.store.engine import Store
from tests.support.carriers import until
from tests.support.clock import HandClock
from tests.support.logins import AWAY, HOME, NO_DELAY, Gate, Timer, through

KINDS = [KeyKind.PASSWORD, KeyKind.TOKEN, KeyKind.DIGEST]


@pytest.fixture
def gate(store: Store, clock: HandClock) -> Gate:
    """Logins without waits."""
    return Gate(store, clock, patience=NO_DELAY)


def digest_of(gate: Gate, user: str, password: str, *, nonce: bytes = b"n-1", created: str | None = None) -> Digest:
    """Return what a client makes of a password now."""
    at = created or gate.clock().isoformat().replace("+00:00", "Z")
    return Digest(user=user, nonce=nonce, created=at, digest=password_digest(nonce, at, password))


def credentials(gate: Gate, kind: KeyKind) -> Credentials:
    """Return what proves ann's key of that kind."""
    match kind:
        case KeyKind.PASSWORD:
            return Password(user="ann", password="s3cret")
        case KeyKind.TOKEN:
            return Token(token="s3cret")
        case KeyKind.DIGEST:
            return digest_of(gate, "ann", "s3cret")


@pytest.mark.parametrize("kind", KINDS)
def test_who_proves_it_is_the_caller(gate: Gate, kind: KeyKind) -> None:
    """The caller has the account's id and name, the user, and how it was proved."""
    gate.add("ann", "s3cret", kind)

    async def test(gate: Gate) -> None:
        caller = await gate.logins.login(credentials(gate, kind), address=HOME)
        assert (caller.account_id, caller.account, caller.user) == (gate.account, "acme", "ann")
        assert caller.proof == f"{kind} ann"
        assert gate.counted("accepted") == 1

    through(gate, test)


def test_no_secret_is_shown() -> None:
    """The representation of what a client gave says whose it is, and no more."""
    given = [
        Password(user="ann", password="s3cret"),
        Token(token="s3cret"),
        Digest(user="ann", nonce=b"n", created="now", digest=b"s3cret"),
    ]
    assert "s3cret" not in repr(given)
    assert repr(given).count("ann") == 2


Breaking = Callable[[Gate], Credentials | None]

REFUSED: dict[str, tuple[KeyKind, Breaking]] = {
    "no credentials": (KeyKind.PASSWORD, lambda gate: None),
    "unknown user": (KeyKind.PASSWORD, lambda gate: Password(user="bob", password="s3cret")),
    "unknown user, digest": (KeyKind.DIGEST, lambda gate: digest_of(gate, "bob", "s3cret")),
    "unknown token": (KeyKind.TOKEN, lambda gate: Token(token="s3cret!")),
    "wrong password": (KeyKind.PASSWORD, lambda gate: Password(user="ann", password="S3cret")),
    "wrong password of a token": (KeyKind.TOKEN, lambda gate: Password(user="ann", password="S3cret")),
    "wrong password of a digest": (KeyKind.DIGEST, lambda gate: Password(user="ann", password="S3cret")),
    "wrong digest": (KeyKind.DIGEST, lambda gate: digest_of(gate, "ann", "S3cret")),
    "no key for digests": (KeyKind.PASSWORD, lambda gate: digest_of(gate, "ann", "s3cret")),
    "no key for digests, token": (KeyKind.TOKEN, lambda gate: digest_of(gate, "ann", "s3cret")),
    "unknown token, a password": (KeyKind.PASSWORD, lambda gate: Token(token="s3cret")),
    "unknown token, the hash": (KeyKind.TOKEN, lambda gate: Token(token=gate.kept("ann", "s3cret", KeyKind.TOKEN))),
    "unknown user, other case": (KeyKind.PASSWORD, lambda gate: Password(user="Ann", password="s3cret")),
    "unknown user, endless": (KeyKind.PASSWORD, lambda gate: Password(user="ann" * 10_000, password="s3cret")),
    "wrong password, endless": (KeyKind.PASSWORD, lambda gate: Password(user="ann", password="s3cret" * 10_000)),
    "wrong password, none": (KeyKind.PASSWORD, lambda gate: Password(user="ann", password="")),
    "wrong password, no text": (KeyKind.PASSWORD, lambda gate: Password(user="ann", password="\ud800")),
    "unknown user, no text": (KeyKind.PASSWORD, lambda gate: Password(user="\ud800", password="s3cret")),
    "digest without a nonce or a time": (KeyKind.DIGEST, lambda gate: digest_of(gate, "ann", "s3cret", nonce=b"")),
    "digest without a nonce or a time: a time": (
        KeyKind.DIGEST,
        lambda gate: digest_of(gate, "ann", "s3cret", created="today"),
    ),
    "stale digest": (KeyKind.DIGEST, lambda gate: digest_of(gate, "ann", "s3cret", created="2030-01-01T11:54:59.9Z")),
}


@pytest.mark.parametrize("case", REFUSED)
def test_whatever_is_wrong_has_one_answer(gate: Gate, case: str) -> None:
    """The log alone says why, with user and address; no line holds what was given."""
    kind, given = REFUSED[case]
    gate.add("ann", "s3cret", kind)

    async def test(gate: Gate) -> None:
        with structlog.testing.capture_logs() as lines, pytest.raises(LoginFailed) as refused:
            await gate.logins.login(given(gate), address=HOME)
        assert refused.value.reason == FAILED
        assert refused.value.__cause__ is None
        assert refused.value.__suppress_context__ or refused.value.__context__ is None
        (line,) = lines
        assert (line["event"], line["peer"]) == ("login failed", HOME)
        assert case.startswith(line["reason"])
        assert len(str(line["user"])) <= 128
        assert "s3cret" not in str(line).lower()
        assert gate.counted("failed") == 1

    through(gate, test)


def _revoked(gate: Gate) -> None:
    gate.revoke("ann")


def _disabled(gate: Gate) -> None:
    gate.enable(enabled=False)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("end", [_revoked, _disabled])
def test_a_key_ends_within_the_age_of_the_snapshot(gate: Gate, kind: KeyKind, end: Callable[[Gate], None]) -> None:
    """Revoked, or its account disabled: it is refused as any wrong one, though it was right and is remembered."""
    gate.add("ann", "s3cret", kind)

    async def test(gate: Gate) -> None:
        assert await gate.outcome(credentials(gate, kind)) == f"{kind} ann"
        end(gate)
        await gate.settle()
        assert await gate.outcome(credentials(gate, kind)) == "LoginFailed"
        assert await gate.outcome(Password(user="ann", password="s3cret")) == "LoginFailed"

    through(gate, test)


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_just_made_works_at_once(gate: Gate, kind: KeyKind) -> None:
    """Nobody is refused on an old snapshot: one that is older than a tenth of its age is renewed first."""

    async def test(gate: Gate) -> None:
        gate.add("ann", "s3cret", kind)
        gate.pass_time(0.125)
        assert await gate.outcome(credentials(gate, kind)) == f"{kind} ann"

    through(gate, test)


def test_an_account_enabled_again_is_let_in_at_once(gate: Gate) -> None:
    """The same for an account that the snapshot has as disabled."""
    gate.add("ann", "s3cret", KeyKind.TOKEN)
    gate.enable(enabled=False)

    async def test(gate: Gate) -> None:
        assert await gate.outcome(Token(token="s3cret")) == "LoginFailed"
        gate.enable(enabled=True)
        gate.pass_time(0.125)
        assert await gate.outcome(Token(token="s3cret")) == "token ann"

    through(gate, test)


def test_a_key_revoked_during_its_check_lets_nobody_in(gate: Gate) -> None:
    """What was revoked while its password waited to be checked is refused."""
    gate.add("ann", "s3cret")

    async def test(gate: Gate) -> None:
        gate.hasher.free.clear()
        login = asyncio.create_task(gate.outcome(Password(user="ann", password="s3cret")))
        await until(lambda: gate.hasher.at_once == 1)
        gate.revoke("ann")
        await gate.settle()
        gate.hasher.free.set()
        assert await login == "LoginFailed"

    through(gate, test)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("networks", "address", "let_in"),
    [
        (["192.0.2.0/25"], "192.0.2.0", True),
        (["192.0.2.0/25"], "192.0.2.127", True),
        (["192.0.2.0/25"], "192.0.2.128", False),
        (["192.0.2.0/25"], "::ffff:192.0.2.127", True),
        (["192.0.2.0/25"], "::ffff:c000:280", False),
        (["::ffff:192.0.2.0/121"], "192.0.2.127", True),
        (["192.0.2.0/25", "2001:db8:7::/48"], "2001:db8:7:ffff::1", True),
        (["192.0.2.0/25", "2001:db8:7::/48"], "2001:db8:8::1", False),
        (["2001:db8:7::1"], "[2001:db8:7::1]", True),
        (["fe80::/10"], "fe80::1%eth0", True),
        (["::/0"], "192.0.2.1", False),
        (["0.0.0.0/0"], "2001:db8::1", False),
        (["0.0.0.0/0", "::/0"], "a client behind a socket file", False),
        ([], "a client behind a socket file", True),
    ],
)
def test_networks(gate: Gate, kind: KeyKind, networks: list[str], address: str, *, let_in: bool) -> None:
    """A key is taken from its networks to their last address, and IPv4 inside IPv6 counts as IPv4."""
    gate.add("ann", "s3cret", kind, networks=networks)

    async def test(gate: Gate) -> None:
        assert await gate.outcome(credentials(gate, kind), address) == (f"{kind} ann" if let_in else "LoginFailed")

    through(gate, test)


def test_a_remembered_password_is_no_way_round_the_network(gate: Gate) -> None:
    """From elsewhere the right password costs the work of a wrong one: that it is right does not show in time."""
    gate.add("ann", "s3cret", networks=["192.0.2.0/24"])

    async def test(gate: Gate) -> None:
        await gate.password("ann", "s3cret")
        before = len(gate.hasher.checked)
        for _ in range(3):
            assert await gate.outcome(Password(user="ann", password="s3cret"), AWAY) == "LoginFailed"
        assert len(gate.hasher.checked) == before + 3

    through(gate, test)


def test_a_remembered_token_is_no_way_round_the_network(gate: Gate) -> None:
    """However often it was right at home, from elsewhere it is as wrong as the first time; and then right at home."""
    gate.add("ann", "s3cret", KeyKind.TOKEN, networks=["192.0.2.0/24"])

    async def test(gate: Gate) -> None:
        for _ in range(3):
            assert await gate.outcome(Token(token="s3cret"), HOME) == "token ann"
            assert await gate.outcome(Token(token="s3cret"), AWAY) == "LoginFailed"
        assert (gate.counted("accepted"), gate.counted("failed")) == (3, 3)

    through(gate, test)


def test_a_remembered_token_keeps_its_place_known(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each time it is right, that place is known to be the user's, as with one that is looked up."""
    gate.add("ann", "s3cret", KeyKind.TOKEN)
    noted: list[Attempt] = []
    monkeypatch.setattr(gate.throttle, "right", noted.append)

    async def test(gate: Gate) -> None:
        first = await gate.logins.login(Token(token="s3cret"), address=HOME)
        again = await gate.logins.login(Token(token="s3cret"), address=HOME)
        assert first == again
        assert noted == [Attempt.of("ann", HOME)] * 2

    through(gate, test)


def test_remembered_tokens_are_bounded(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    """From each address anew; what was not used for longest is forgotten first, and let in all the same."""
    gate.add("ann", "s3cret", KeyKind.TOKEN)
    monkeypatch.setattr("bridge.calls.logins._KEPT", 2)

    async def test(gate: Gate) -> None:
        for last in (1, 2, 1, 3, 2, 1):
            assert await gate.outcome(Token(token="s3cret"), f"192.0.2.{last}") == "token ann"
            assert len(gate.logins._let_in) <= 2
        assert [address for _, address in gate.logins._let_in] == ["192.0.2.2", "192.0.2.1"]
        assert not any(b"s3cret" in digest for digest, _ in gate.logins._let_in)

    through(gate, test)


def test_a_token_is_a_password_of_its_own_user_alone(gate: Gate) -> None:
    """HTTP Basic has no other place for it; for another name, or for none, it is a wrong password."""
    gate.add("ann", "t" * 43, KeyKind.TOKEN)
    gate.add("bob", "b" * 43, KeyKind.TOKEN)

    async def test(gate: Gate) -> None:
        assert await gate.outcome(Password(user="ann", password="t" * 43)) == "token ann"
        for user in ("bob", "", "eve"):
            assert await gate.outcome(Password(user=user, password="t" * 43)) == "LoginFailed"

    through(gate, test)


def test_a_digest_key_takes_its_password_too(gate: Gate) -> None:
    """Without a check by argon2, for the password is at hand."""
    gate.add("ann", "s3cret", KeyKind.DIGEST)

    async def test(gate: Gate) -> None:
        assert await gate.outcome(Password(user="ann", password="s3cret")) == "password ann"
        assert gate.hasher.checked == []

    through(gate, test)


@pytest.mark.parametrize("kind", KINDS)
def test_an_md5_is_taken_where_it_is_asked_for(gate: Gate, kind: KeyKind) -> None:
    """Of a digest key's password, which is known well enough, in either case; of no other, and never unasked."""
    gate.add("ann", "s3cret", kind)
    hashed = hashlib.md5(b"s3cret").hexdigest()  # noqa: S324 - what old clients send
    taken = "password ann" if kind is KeyKind.DIGEST else "LoginFailed"

    async def test(gate: Gate) -> None:
        assert await gate.outcome(Password(user="ann", password=hashed, md5=True)) == taken
        assert await gate.outcome(Password(user="ann", password=hashed.upper(), md5=True)) == taken
        assert await gate.outcome(Password(user="ann", password=hashed)) == "LoginFailed"
        assert await gate.outcome(Password(user="ann", password=hashed[::-1], md5=True)) == "LoginFailed"
        assert (await gate.password("ann", "s3cret")).user == "ann"

    through(gate, test)


# What it costs, and what its time tells.


WRONG: dict[str, tuple[KeyKind, str, str, list[str]]] = {
    "wrong password": (KeyKind.PASSWORD, "ann", "wrong", []),
    "unknown user": (KeyKind.PASSWORD, "bob", "wrong", []),
    "token": (KeyKind.TOKEN, "ann", "wrong", []),
    "digest": (KeyKind.DIGEST, "ann", "wrong", []),
    "wrong network": (KeyKind.PASSWORD, "ann", "s3cret", ["203.0.113.0/24"]),
    "wrong network, token": (KeyKind.TOKEN, "ann", "s3cret", ["203.0.113.0/24"]),
    "wrong network, digest": (KeyKind.DIGEST, "ann", "s3cret", ["203.0.113.0/24"]),
    "too long": (KeyKind.PASSWORD, "ann", "s" * 1025, []),
    "name too long": (KeyKind.PASSWORD, "a" * 129, "wrong", []),
}


class _Counted(Store):
    """A store that counts how often it is read, and can be away."""

    def __init__(self, like: Store) -> None:
        super().__init__(like.url, clock=like._clock)
        self.reads = 0
        self.away = False

    def read(self) -> Any:
        self.reads += 1
        if self.away:
            raise StoreUnavailable("database: away")
        return super().read()


@pytest.fixture
def counted(store: Store) -> Iterator[_Counted]:
    """The same database, by a handle that counts."""
    made = _Counted(store)
    yield made
    made.close()


@pytest.mark.parametrize("case", WRONG)
def test_each_wrong_password_costs_the_same_work(counted: _Counted, clock: HandClock, case: str) -> None:
    """One look at the database and one check of the same cost, whatever is wrong: the time tells nothing."""
    gate = Gate(counted, clock, patience=NO_DELAY)
    kind, user, password, networks = WRONG[case]
    gate.add("ann", "s3cret", kind, networks=networks)

    async def test(gate: Gate) -> None:
        for count in (1, 2, 3):
            gate.pass_time(1)
            counted.reads = 0
            assert await gate.outcome(Password(user=user, password=password)) == "LoginFailed"
            assert counted.reads == 1
            assert len(gate.hasher.checked) == count
        for checked in gate.hasher.checked:
            assert argon2.extract_parameters(checked) == argon2.extract_parameters(gate.hasher.hash("x"))

    through(gate, test)


def test_what_nobody_has_costs_what_a_password_does() -> None:
    """The hash that stands for unknown users has the parameters of those that are made, and no password is right."""
    passwords = Passwords()
    assert argon2.extract_parameters(passwords._nobody) == argon2.extract_parameters(HASHER.hash("s3cret"))
    assert not passwords._verify(passwords._nobody, "s3cret")
    assert passwords._nobody != Passwords()._nobody
    passwords.close()


def test_a_right_password_is_checked_once_in_ten_minutes(gate: Gate) -> None:
    """Up to that moment it is remembered, at it no more; also when it was used all the time."""
    gate.add("ann", "s3cret")

    async def test(gate: Gate) -> None:
        for _ in range(100):
            await gate.password("ann", "s3cret")
            await gate.password("ann", "s3cret", AWAY)
        assert len(gate.hasher.checked) == 1
        gate.timer.seconds += 599.5
        await gate.password("ann", "s3cret")
        assert len(gate.hasher.checked) == 1
        gate.timer.seconds += 0.5
        await gate.password("ann", "s3cret")
        assert len(gate.hasher.checked) == 2

    through(gate, test)


def test_a_wrong_password_is_never_remembered_as_right(gate: Gate) -> None:
    """Neither that of a user nor that of nobody; and a right one of another user opens nothing."""
    gate.add("ann", "s3cret")
    gate.add("bob", "b0b")

    async def test(gate: Gate) -> None:
        assert await gate.outcome(Password(user="ann", password="s3cret")) == "password ann"
        for _ in range(2):
            assert await gate.outcome(Password(user="bob", password="s3cret")) == "LoginFailed"
            assert await gate.outcome(Password(user="eve", password="s3cret")) == "LoginFailed"
        # The parts of a pair do not run into one another.
        assert await gate.outcome(Password(user="anns", password="3cret")) == "LoginFailed"
        assert len(gate.passwords._remembered) == 1

    through(gate, test)


def test_what_is_remembered_is_bounded_and_no_password(store: Store, clock: HandClock) -> None:
    """The least lately used is forgotten first; what is kept is a hash under a key that no other process has."""
    gate = Gate(store, clock, remembered=3)
    for user in "abcd":
        gate.add(user, "s3cret")

    async def test(gate: Gate) -> None:
        for user in "abcadc":
            await gate.password(user, "s3cret")
        assert len(gate.hasher.checked) == 4  # a, b, c, d: then b is the one that went
        assert len(gate.passwords._remembered) == 3
        await gate.password("a", "s3cret")
        assert len(gate.hasher.checked) == 4
        await gate.password("b", "s3cret")
        assert len(gate.hasher.checked) == 5
        assert all(len(tag) == 32 for tag in gate.passwords._remembered)
        other = Passwords()
        assert other.tag("a", "s3cret", None) != gate.passwords.tag("a", "s3cret", None)
        other.close()

    through(gate, test)


def test_strangers_do_not_wear_out_the_database(counted: _Counted, clock: HandClock) -> None:
    """However many guess from however many places, it is read once in a tenth of the snapshot's age."""
    gate = Gate(counted, clock, patience=NO_DELAY)

    async def test(gate: Gate) -> None:
        counted.reads = 0
        for place in range(100):
            gate.pass_time(0.01)
            assert await gate.outcome(Token(token="guess"), f"198.51.100.{place}") == "LoginFailed"
        assert 9 <= counted.reads <= 10

    through(gate, test)


def test_while_the_database_is_away_who_is_right_comes_in(counted: _Counted, clock: HandClock) -> None:
    """Who is wrong is told to come again: nobody is refused on an old snapshot. It counts as a failure all the same."""
    gate = Gate(counted, clock, patience=NO_DELAY)
    for kind in KINDS:
        gate.add(kind, "s3cret" + kind, kind)

    async def test(gate: Gate) -> None:
        counted.away = True
        gate.pass_time(60)
        assert await gate.outcome(Password(user="password", password="s3cretpassword")) == "password password"
        assert await gate.outcome(Token(token="s3crettoken")) == "token token"
        assert await gate.outcome(digest_of(gate, "digest", "s3cretdigest")) == "digest digest"
        wrong: list[Credentials] = [
            Password(user="password", password="wrong"),
            Password(user="nobody", password="wrong"),
            Token(token="wrong"),
            digest_of(gate, "digest", "wrong"),
        ]
        for given in wrong:
            assert await gate.outcome(given) == "StoreUnavailable"
        assert gate.counted("unavailable") == len(wrong)
        for _ in range(9):
            await gate.outcome(wrong[0])
        assert await gate.outcome(wrong[0]) == "LoginBlocked"

    through(gate, test)


# Digests.


def test_the_digest_of_the_profile() -> None:
    """SHA-1 over nonce, created and password, one behind the other (the figures are openssl's)."""
    made = password_digest(b"nonce-of-16-bytes", "2026-11-20T07:00:00Z", "שלום s3cret")
    assert base64.b64encode(made) == b"pcWHUULATg2ncNHwHLmjgi8+x64="
    assert made == hashlib.sha1("nonce-of-16-bytes2026-11-20T07:00:00Zשלום s3cret".encode()).digest()  # noqa: S324


def test_a_digest_is_taken_once(gate: Gate) -> None:
    """Its nonce is refused when it comes again, with another time too; another user may have the same."""
    gate.add("ann", "s3cret", KeyKind.DIGEST)
    gate.add("bob", "s3cret", KeyKind.DIGEST)

    async def test(gate: Gate) -> None:
        first = digest_of(gate, "ann", "s3cret")
        assert await gate.outcome(first) == "digest ann"
        with structlog.testing.capture_logs() as lines:
            assert await gate.outcome(first) == "LoginFailed"
        assert lines[0]["reason"] == "replayed digest"
        gate.pass_time(1)
        assert await gate.outcome(digest_of(gate, "ann", "s3cret")) == "LoginFailed"
        assert await gate.outcome(digest_of(gate, "ann", "s3cret", nonce=b"n-2")) == "digest ann"
        assert await gate.outcome(digest_of(gate, "bob", "s3cret")) == "digest bob"

    through(gate, test)


def test_of_many_that_replay_at_once_one_comes_in(gate: Gate) -> None:
    """Whoever is first has it, however many come together."""
    gate.add("ann", "s3cret", KeyKind.DIGEST)

    async def test(gate: Gate) -> None:
        same = digest_of(gate, "ann", "s3cret")
        outcomes = await asyncio.gather(*(gate.outcome(same) for _ in range(5)))
        assert sorted(outcomes) == ["LoginFailed"] * 4 + ["digest ann"]

    through(gate, test)


@pytest.mark.parametrize(
    ("created", "taken"),
    [
        ("2030-01-01T12:00:00Z", True),
        ("2030-01-01T12:00:00+00:00", True),
        ("2030-01-01T12:00:00", True),
        ("2030-01-01T12:00:00.5Z", True),
        ("2030-01-01T12:00:00.123456789Z", True),
        ("2030-01-01T14:00:00+02:00", True),
        (" 2030-01-01T12:00:00Z\n", True),
        ("2030-01-01T11:55:00Z", True),
        ("2030-01-01T11:54:59.999Z", False),
        ("2030-01-01T12:05:00Z", True),
        ("2030-01-01T12:05:00.000001Z", False),
        ("2030-01-01T12:00:00+02:00", False),
        ("2029-01-01T12:00:00Z", False),
        ("2030-01-01", False),
        ("2030-01-01 12:00:00", False),
        ("20300101T120000Z", False),
        ("2030-13-01T12:00:00Z", False),
        ("9999-12-31T23:59:59-14:00", False),
        ("٢٠٣٠-01-01T12:00:00Z", False),
        ("2030-01-01T12:00:00Z" + " " * 100, False),
        ("", False),
    ],
)
def test_the_time_of_a_digest(gate: Gate, created: str, *, taken: bool) -> None:
    """Five minutes on either side, the last moment included; in each form of xsd:dateTime, and in no other."""
    gate.add("ann", "s3cret", KeyKind.DIGEST)

    async def test(gate: Gate) -> None:
        given = digest_of(gate, "ann", "s3cret")
        given = Digest(user="ann", nonce=b"n", created=created, digest=password_digest(b"n", created, "s3cret"))
        assert await gate.outcome(given) == ("digest ann" if taken else "LoginFailed")

    through(gate, test)


def test_a_nonce_is_kept_for_as_long_as_its_digest_is_fresh(gate: Gate) -> None:
    """To the last moment at which it could come again; then it makes room. A time ahead of ours is kept longer."""
    gate.add("ann", "s3cret", KeyKind.DIGEST)

    async def test(gate: Gate) -> None:
        now = gate.clock()
        ahead = digest_of(gate, "ann", "s3cret", created=(now + timedelta(minutes=5)).isoformat())
        assert await gate.outcome(ahead) == "digest ann"
        gate.pass_time(600)
        assert await gate.outcome(ahead) == "LoginFailed"
        assert len(gate.nonces) == 1
        gate.clock.advance(ms=1)
        assert await gate.outcome(digest_of(gate, "ann", "s3cret", nonce=b"n-2")) == "digest ann"
        assert len(gate.nonces) == 1
        assert to_ms(gate.clock()) > to_ms(now) + 600_000

    through(gate, test)


def test_nonces_are_bounded_and_never_forgotten_for_another(store: Store, clock: HandClock) -> None:
    """When there is no room, a right digest is answered as blocked; half the room at most is one user's."""
    gate = Gate(store, clock, nonces=6)
    for user in ("ann", "bob", "eve"):
        gate.add(user, "s3cret", KeyKind.DIGEST)

    async def test(gate: Gate) -> None:
        first = digest_of(gate, "ann", "s3cret", nonce=b"0")
        assert await gate.outcome(first) == "digest ann"
        for user, wanted in (
            ("ann", ["digest ann"] * 2 + ["LoginBlocked"]),
            ("bob", ["digest bob"] * 3 + ["LoginBlocked"]),
            ("eve", ["LoginBlocked"]),
        ):
            given = [digest_of(gate, user, "s3cret", nonce=f"n-{index}".encode()) for index in range(len(wanted))]
            assert [await gate.outcome(each) for each in given] == wanted
        assert await gate.outcome(first) == "LoginFailed"
        assert len(gate.nonces) == 6
        gate.pass_time(300.001)
        assert await gate.outcome(digest_of(gate, "ann", "s3cret")) == "digest ann"
        assert len(gate.nonces) == 1

    through(gate, test)


def test_a_wrong_digest_takes_no_room(gate: Gate) -> None:
    """Strangers cannot fill the memory of nonces, nor use up one that they overheard."""
    gate.add("ann", "s3cret", KeyKind.DIGEST)

    async def test(gate: Gate) -> None:
        right = digest_of(gate, "ann", "s3cret")
        forged = Digest(user="ann", nonce=right.nonce, created=right.created, digest=b"\0" * 20)
        for _ in range(3):
            assert await gate.outcome(forged) == "LoginFailed"
        assert len(gate.nonces) == 0
        assert await gate.outcome(right) == "digest ann"

    through(gate, test)


@pytest.mark.parametrize(
    ("secret_key", "reason"), [(None, "no secret_key is configured"), (b"x" * 32, "made under another secret_key")]
)
def test_without_the_secret_key_digests_fail(
    store: Store, clock: HandClock, secret_key: bytes | None, reason: str
) -> None:
    """The log says which of both it is; other logins go on."""
    gate = Gate(store, clock, patience=NO_DELAY, secret_key=secret_key)
    gate.add("ann", "s3cret", KeyKind.DIGEST)
    gate.add("bob", "s3cret")

    async def test(gate: Gate) -> None:
        with structlog.testing.capture_logs() as lines:
            assert await gate.outcome(digest_of(gate, "ann", "s3cret")) == "LoginFailed"
            # What cannot be decrypted has no digest, that of an empty password neither.
            assert await gate.outcome(digest_of(gate, "ann", "")) == "LoginFailed"
            assert await gate.outcome(Password(user="ann", password="s3cret")) == "LoginFailed"
            assert await gate.outcome(Password(user="ann", password="")) == "LoginFailed"
        assert [line["reason"] for line in lines[:2]] == [reason] * 2
        assert await gate.outcome(Password(user="bob", password="s3cret")) == "password bob"

    through(gate, test)


def test_the_timer_is_moved_by_hand() -> None:
    """No test here waits: the clocks of a gate stand still by themselves."""
    timer = Timer()
    assert timer() == timer()
