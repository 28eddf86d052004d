"""Sender names on the command line."""

from __future__ import annotations

import pytest

from bridge.store import revision, senders
from tests.bridge.cli.conftest import Desk


def test_a_name_is_approved_listed_and_revoked(acme: Desk) -> None:
    """`approve` makes the name, the snapshot's revision moves, and `revoke` takes the approval back."""
    made = acme.call("sender", "approve", "acme", "ACME Ltd", "--json").json
    assert made["created_at"] == made["decided_at"] is not None
    assert {key: made[key] for key in ("account", "name", "kind", "state", "reason")} == {
        "account": "acme",
        "name": "ACME Ltd",
        "kind": "alphanumeric",
        "state": "approved",
        "reason": "",
    }
    assert acme.call("sender", "list", "acme", "--json").json == [made | {"default_of": []}]
    with acme.store() as store, store.read() as connection:
        before = revision.current(connection)
        assert list(senders.approved(connection).values()) == [{"acme ltd": "ACME Ltd"}]
    assert acme.call("sender", "revoke", "acme", "acme ltd").out == "acme may not send as ACME Ltd\n"
    with acme.store() as store, store.read() as connection:
        assert revision.current(connection) == before + 1
        assert senders.approved(connection) == {}
    (listed,) = acme.call("sender", "list", "--json").json
    assert (listed["state"], listed["reason"]) == ("refused", "revoked")
    assert "is not approved" in acme.call("sender", "revoke", "acme", "ACME Ltd").error


def test_a_request_is_refused_with_a_reason(acme: Desk) -> None:
    """The reason is kept; the name cannot be asked for again, but approved."""
    assert acme.call("sender", "request", "acme", "BANK").out == "acme asked for BANK\n"
    assert acme.call("sender", "refuse", "acme", "bank", "--reason", "not yours").code == 0
    (listed,) = acme.call("sender", "list", "acme", "--json").json
    assert (listed["state"], listed["reason"]) == ("refused", "not yours")
    assert "was refused" in acme.call("sender", "request", "acme", "BANK").error
    assert acme.call("sender", "approve", "acme", "Bank", "--json").json["name"] == "Bank"
    assert "revoke it instead" in acme.call("sender", "refuse", "acme", "Bank").error
    assert "is not requested" in acme.call("sender", "refuse", "acme", "Other").error


@pytest.mark.parametrize("name", ["AB", "TwelveLetter", "שלום", "12", "*1234", " ACME", ""])
def test_a_bad_name_is_refused(acme: Desk, name: str) -> None:
    """With what is allowed, and nothing is kept."""
    assert "allowed: 3 to 11 Latin letters" in acme.call("sender", "approve", "acme", name).error
    assert acme.call("sender", "list", "acme", "--json").json == []


def test_kinds_are_the_accounts_setting(acme: Desk) -> None:
    """A star number is approved once the account may have some; without a word the setting is shown."""
    assert acme.call("sender", "kinds", "acme", "--json").json["kinds"] == ["alphanumeric", "numeric"]
    assert acme.call("sender", "kinds", "acme", "star", "short_code", "alphanumeric").code == 0
    assert acme.call("sender", "approve", "acme", "*1234", "--json").json["kind"] == "star"
    assert acme.call("sender", "approve", "acme", "12345", "--json").json["kind"] == "short_code"
    assert "may not send as 3 to 14 digits" in acme.call("sender", "approve", "acme", "0502345678").error
    assert acme.call("sender", "kinds", "acme", "alphanumeric", "numeric").code == 0
    assert acme.call("sender", "revoke", "acme", "*1234").code == 0
    assert acme.call("sender", "kinds", "acme", "word").code == 2


def test_defaults(acme: Desk) -> None:
    """For the account, a mailbox or a domain, in normal form; shown in the list, and taken away by no name."""
    acme.call("sender", "approve", "acme", "ACME")
    assert acme.call("sender", "default", "acme", "acme", "--json").json == {
        "account": "acme",
        "mailbox": None,
        "name": "ACME",
    }
    shown = acme.call("sender", "default", "acme", "ACME", "--mailbox", "@Example.COM").out
    assert shown == "mail from @example.com sends as ACME\n"
    assert acme.call("sender", "list", "--json").json[0]["default_of"] == ["account", "@example.com"]
    assert "account, @example.com" in acme.call("sender", "list").out
    assert acme.call("sender", "default", "acme").out == "acme has no default name\n"
    assert "the account has no default" in acme.call("sender", "default", "acme").error
    assert "is not approved" in acme.call("sender", "default", "acme", "Other").error


@pytest.mark.parametrize(
    "arguments",
    [("request", "x", "ACME"), ("approve", "x", "ACME"), ("list", "x"), ("default", "x", "ACME"), ("kinds", "x")],
)
def test_an_unknown_account_is_named(desk: Desk, arguments: tuple[str, ...]) -> None:
    """As by every command."""
    assert desk.call("sender", *arguments).error == "no account is named x"


def test_an_empty_list_says_so(desk: Desk) -> None:
    """A person reads a sentence."""
    assert desk.call("sender", "list").out == "no sender names; approve one with: smsbridge sender approve\n"
