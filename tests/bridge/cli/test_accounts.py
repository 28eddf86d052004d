"""Accounts, mailboxes, keys and credit: what is taken, what is refused, what is printed."""

from __future__ import annotations

import hashlib
from pathlib import Path

import argon2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from typer import BadParameter

from bridge.calls.vault import Vault
from bridge.cli.money import format_credit, parse_credit
from bridge.model.price import credit_number
from bridge.store import accounts
from bridge.store.tables import keys
from tests.bridge.cli.conftest import Desk


def test_an_account_is_made_with_its_region_and_credit(desk: Desk) -> None:
    """`account add` keeps the region in capitals and the credit to the thousandth."""
    made = desk.call("account", "add", "acme", "--region", "il", "--credit", "12.345", "--json").json
    assert made == {"name": "acme", "region": "IL", "enabled": True, "credit": 12.345}
    assert desk.call("account", "list", "--json").json == [made]
    settings = {"credit_limit": "0"}
    assert desk.call("account", "show", "acme", "--json").json == made | {
        "mailboxes": [],
        "keys": [],
        "settings": settings,
    }


def test_an_account_needs_no_region_and_no_credit(desk: Desk) -> None:
    """An account without them has no home region, and nothing to spend."""
    desk.call("account", "add", "plain")
    assert desk.call("account", "list", "--json").json == [
        {"name": "plain", "region": None, "enabled": True, "credit": 0}
    ]
    assert desk.call("credit", "show", "plain", "--json").json["entries"] == []


@pytest.mark.parametrize("name", ["", "a b", "a/b", "ä", "x" * 65, "a\nb", "-"[:0]])
def test_a_bad_account_name_is_wrong_usage(desk: Desk, name: str) -> None:
    """Names are 1 to 64 letters, digits, dots, underscores and dashes; others exit with 2, and make nothing."""
    refused = desk.call("account", "add", name)
    assert refused.code == 2
    assert "1 to 64 letters" in refused.err
    assert desk.call("account", "list", "--json").json == []


@pytest.mark.parametrize("name", ["a", "A.b_c-9", "x" * 64])
def test_a_good_account_name_is_taken(desk: Desk, name: str) -> None:
    """The longest and shortest names, and every kind of character."""
    assert desk.call("account", "add", name, "--json").json["name"] == name


def test_an_unknown_region_is_wrong_usage(desk: Desk) -> None:
    """A region has to be one with telephone numbers."""
    assert desk.call("account", "add", "acme", "--region", "XX").code == 2


def test_an_account_is_made_once(acme: Desk) -> None:
    """A second one of the same name is refused, and the first keeps its credit."""
    assert acme.call("account", "add", "acme", "--credit", "5").error == "account acme exists already"
    assert acme.call("account", "list", "--json").json[0]["credit"] == 100


def test_an_account_is_switched_off_and_on(acme: Desk) -> None:
    """`disable` and `enable` show in the list, and are safe to repeat."""
    for verb, enabled in (("disable", False), ("disable", False), ("enable", True)):
        assert acme.call("account", verb, "acme", "--json").json == {"name": "acme", "enabled": enabled}
        assert acme.call("account", "list", "--json").json[0]["enabled"] is enabled


def test_a_mailbox_is_known_by_its_normal_form(acme: Desk) -> None:
    """Capitals and Unicode domains are folded; allowing twice says that it was so before."""
    allowed = acme.call("mailbox", "allow", "acme", "Bob@BÜCHER.example", "--json").json
    assert allowed == {"account": "acme", "pattern": "bob@xn--bcher-kva.example", "new": True}
    assert acme.call("mailbox", "allow", "acme", "bob@bücher.example", "--json").json["new"] is False
    assert acme.call("mailbox", "list", "acme", "--json").json == [
        {"account": "acme", "pattern": "ann@example.com", "settings": {}},
        {"account": "acme", "pattern": "bob@xn--bcher-kva.example", "settings": {}},
    ]


def test_a_whole_domain_is_allowed(acme: Desk) -> None:
    """A pattern may be a domain, in any case of letters."""
    assert acme.call("mailbox", "allow", "acme", "@Example.COM", "--json").json["pattern"] == "@example.com"


@pytest.mark.parametrize("pattern", ["@gmail.com", "@GMAIL.com", "@walla.co.il", "@mail.ru"])
def test_a_domain_open_to_anybody_is_refused(acme: Desk, pattern: str) -> None:
    """All of a webmail domain would let strangers send; one mailbox in it may."""
    assert "anybody can get a mailbox there" in acme.call("mailbox", "allow", "acme", pattern).error
    assert acme.call("mailbox", "allow", "acme", f"ann{pattern}").code == 0


@pytest.mark.parametrize("pattern", ["ann", "@", "ann@", "a b@example.com", "*@example.com x"])
def test_what_is_no_address_is_refused(acme: Desk, pattern: str) -> None:
    """The refusal says that it is no address."""
    assert "not an email address" in acme.call("mailbox", "allow", "acme", pattern).error


def test_a_mailbox_sends_for_one_account(acme: Desk) -> None:
    """A mailbox that another account has is refused, until it is revoked there."""
    acme.call("account", "add", "other")
    assert "sends for account acme already" in acme.call("mailbox", "allow", "other", "ann@example.com").error
    assert acme.call("mailbox", "revoke", "acme", "ANN@example.com").code == 0
    assert acme.call("mailbox", "allow", "other", "ann@example.com").code == 0
    assert "not among" in acme.call("mailbox", "revoke", "acme", "ann@example.com").error


def test_a_token_is_shown_once_and_kept_as_its_hash(acme: Desk) -> None:
    """The token has 256 bits; the store has only its SHA-256, in hex."""
    made = acme.call("key", "create", "acme", "--user", "till", "--json").json
    token = made.pop("token")
    assert made == {"account": "acme", "user": "till", "kind": "token", "networks": [], "mailboxes": []}
    assert len(token) == 43
    with acme.store() as store, store.read() as connection:
        kept = connection.execute(select(keys)).one()
    assert (kept.kind, kept.secret) == ("token", hashlib.sha256(token.encode()).hexdigest())
    assert token not in acme.call("key", "list", "acme").out
    assert token not in acme.call("account", "show", "acme", "--json").out


@pytest.mark.parametrize("stdin", [None, "s3cret שלום\n", "s3cret שלום"])
def test_a_password_is_kept_as_its_argon2_hash(acme: Desk, stdin: str | None) -> None:
    """A password from the line is printed once; one that was read from stdin is not."""
    given = "-" if stdin else "s3cret שלום"
    made = acme.call("key", "create", "acme", "--user", "till", "--password", given, "--json", stdin=stdin).json
    assert made.get("password") == (None if stdin else "s3cret שלום")
    with acme.store() as store, store.read() as connection:
        kept = connection.execute(select(keys)).one()
    assert kept.kind == "password"
    assert kept.secret.startswith("$argon2id$")
    assert argon2.PasswordHasher().verify(kept.secret, "s3cret שלום")


def test_no_password_is_no_password(acme: Desk) -> None:
    """An empty one is wrong usage, from the line and from stdin, and makes no key."""
    assert acme.call("key", "create", "acme", "--user", "till", "--password", "").code == 2
    assert acme.call("key", "create", "acme", "--user", "till", "--password", "-", stdin="\n").code == 2
    assert acme.call("key", "create", "acme", "--user", "till", "--password", "x" * 1025).code == 2
    assert acme.call("key", "create", "acme", "--user", "till", "--password", "x\udcff").code == 2
    assert acme.call("key", "list", "acme", "--json").json == []


DIGEST = ("key", "create", "acme", "--user", "till", "--digest")


def test_a_digest_key_is_kept_encrypted(acme: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its password, given or random, can be had back with secret_key alone, for its user alone."""
    monkeypatch.setenv("SMSBRIDGE_SECRET_KEY", "k" * 32)
    made = acme.call(*DIGEST, "--json").json
    assert (made["kind"], len(made["password"])) == ("digest", 43)
    given = acme.call("key", "create", "acme", "--user", "shop", "--digest", "--password", "s3cret שלום")
    assert "s3cret שלום" in given.out
    assert "encrypted" in given.out
    with acme.store() as store, store.read() as connection:
        kept = {row.user_name: row.secret for row in connection.execute(select(keys))}
    vault = Vault(b"k" * 32)
    assert vault.open(kept["till"], user="till") == made["password"]
    assert vault.open(kept["shop"], user="shop") == "s3cret שלום"
    assert vault.open(kept["shop"], user="till") is None
    assert Vault(b"K" * 32).open(kept["shop"], user="shop") is None
    assert "s3cret" not in acme.call("key", "list", "acme").out


def test_a_digest_key_needs_a_secret_key(acme: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without one the refusal says what to write where, and no key is made; a short one is no configuration."""
    assert "needs secret_key in bridge.toml: 32 random characters" in acme.call(*DIGEST).error
    assert acme.call("key", "list", "acme", "--json").json == []
    monkeypatch.setenv("SMSBRIDGE_SECRET_KEY", "k" * 31)
    refused = acme.call(*DIGEST)
    assert (refused.code, refused.out) == (1, "")
    assert "secret_key" in refused.err
    assert "at least 32" in refused.err
    assert "kkk" not in refused.err


def test_a_key_is_made_for_networks(acme: Desk) -> None:
    """They are listed as they hold: IPv4-mapped ones as IPv4, each once; without any it says nothing of them."""
    wanted = ["--from", "192.0.2.0/24", "--from", "::ffff:198.51.100.7", "--from", "2001:db8::/32"]
    made = acme.call("key", "create", "acme", "--user", "till", *wanted, "--from", "192.0.2.0/24", "--json").json
    told = ["192.0.2.0/24", "198.51.100.7/32", "2001:db8::/32"]
    assert made["networks"] == told
    acme.call("key", "create", "acme", "--user", "zoo")
    listed = acme.call("key", "list", "acme", "--json").json
    assert [(key["user"], key["kind"], key["networks"]) for key in listed] == [
        ("till", "token", told),
        ("zoo", "token", []),
    ]
    _, till, zoo = acme.call("key", "list", "acme").out.splitlines()
    assert till.split()[:5] == ["till", "token", *(each + "," for each in told[:2]), told[2]]
    assert zoo.split()[:3] == ["zoo", "token", "-"]
    assert "from      192.0.2.0/24" in acme.call("key", "create", "acme", "--user", "a", *wanted).out


@pytest.mark.parametrize(
    "network", ["", "192.0.2.0/33", "192.0.2.10/24", "example.com", "10.0.0.0/8,192.0.2.1", "2001:db8::1/64"]
)
def test_what_is_no_network_is_wrong_usage(acme: Desk, network: str) -> None:
    """Also an address with a prefix that it does not begin: one of the two is a mistake."""
    refused = acme.call("key", "create", "acme", "--user", "till", "--from", network)
    assert refused.code == 2
    assert "--from" in refused.err
    assert acme.call("key", "list", "acme", "--json").json == []


@pytest.mark.parametrize("user", ["", "a b", "a:b", "x" * 129, "a\tb"])
def test_a_bad_user_name_is_wrong_usage(acme: Desk, user: str) -> None:
    """A colon would end the name in HTTP Basic (RFC 7617, 2)."""
    assert acme.call("key", "create", "acme", "--user", user).code == 2


def test_a_key_is_revoked_for_good(acme: Desk) -> None:
    """A revoked key stays in the list with its time; its name is not given again, nor revoked twice."""
    acme.call("key", "create", "acme", "--user", "till")
    assert acme.call("key", "revoke", "acme", "till").code == 0
    (listed,) = acme.call("key", "list", "acme", "--json").json
    assert (listed["user"], listed["kind"]) == ("till", "token")
    assert listed["revoked_at"] >= listed["created_at"]
    assert "take another name" in acme.call("key", "create", "acme", "--user", "till").error
    assert "no key in force" in acme.call("key", "revoke", "acme", "till").error


def test_credit_is_added_taken_and_shown(acme: Desk) -> None:
    """The balance is the sum of the entries, of which the newest come first."""
    added = acme.call("credit", "add", "acme", "0.125", "--note", "invoice 7", "--json").json
    assert added == {"account": "acme", "added": 0.125, "credit": 100.125}
    acme.call("credit", "add", "acme", "--", "-50")
    shown = acme.call("credit", "show", "acme", "--limit", "2", "--json").json
    assert (shown["account"], shown["credit"]) == ("acme", 50.125)
    assert [(entry["amount"], entry["kind"], entry["note"]) for entry in shown["entries"]] == [
        (-50, "credit", ""),
        (0.125, "credit", "invoice 7"),
    ]


@pytest.mark.parametrize(
    "written", ["0", "0.000", "", "x", "1,5", "1.2345", "1e3", "NaN", "inf", "٣", "1" * 13, "+1", ".5", "1."]
)
def test_what_is_no_amount_is_wrong_usage(acme: Desk, written: str) -> None:
    """Amounts are digits with up to three decimals, and not zero; the balance stays."""
    assert acme.call("credit", "add", "acme", "--", written).code == 2
    assert acme.call("credit", "show", "acme", "--json").json["credit"] == 100


@given(st.integers(min_value=-(10**15) + 1, max_value=10**15 - 1))
def test_amounts_survive_being_written(thousandths: int) -> None:
    """What is printed, as text and as JSON, is read back as the same amount."""
    assert parse_credit(format_credit(thousandths)) == thousandths
    assert round(credit_number(thousandths) * 1000) == thousandths


def test_amounts_are_never_rounded() -> None:
    """A fourth decimal is refused, not cut off."""
    with pytest.raises(BadParameter):
        parse_credit("0.0001")


@pytest.mark.parametrize(
    "arguments",
    [
        ("account", "show", "nobody"),
        ("account", "disable", "nobody"),
        ("account", "enable", "nobody"),
        ("mailbox", "allow", "nobody", "ann@example.com"),
        ("mailbox", "list", "nobody"),
        ("mailbox", "revoke", "nobody", "ann@example.com"),
        ("key", "create", "nobody", "--user", "till"),
        ("key", "list", "nobody"),
        ("key", "revoke", "nobody", "till"),
        ("credit", "add", "nobody", "1"),
        ("credit", "show", "nobody"),
        ("credit", "statement", "nobody", "--from", "2026-11-01", "--to", "2026-11-30"),
        ("account", "set", "nobody", "zone=UTC"),
        ("draft", "open", "--account", "nobody", "hello"),
        ("optout", "list", "--account", "nobody"),
        ("message", "list", "--account", "nobody"),
        ("send", "--account", "nobody", "--to", "0502345678", "hello"),
    ],
)
def test_an_unknown_account_is_named(acme: Desk, arguments: tuple[str, ...]) -> None:
    """Every command that takes an account says that there is none of that name."""
    assert acme.call(*arguments).error == "no account is named nobody"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("account", "list"), "no accounts; make one with: smsbridge account add"),
        (("mailbox", "list"), "no mailbox may send; let one with: smsbridge mailbox allow"),
        (("message", "list"), "no messages"),
    ],
)
def test_an_empty_list_says_so(desk: Desk, arguments: tuple[str, ...], said: str) -> None:
    """A person reads a sentence, a program an empty array."""
    assert desk.call(*arguments).out == f"{said}\n"
    assert desk.call(*arguments, "--json").json == []


def test_a_table_has_one_line_for_each_row(acme: Desk) -> None:
    """In a pipe no cell is folded or cut, however long; nothing in it is markup, or a code for the terminal."""
    note = "[red]" + "x" * 500 + "שלום\x1b[2J\n\u202e"
    acme.call("credit", "add", "acme", "1", "--note", note)
    header, first, _ = acme.call("credit", "show", "acme").out.splitlines()[1:]
    assert header.split() == ["at", "amount", "kind", "note"]
    assert first.split()[1:] == ["1", "credit", "[red]" + "x" * 500 + "שלום\\x1b[2J\\n\\u202e"]


def test_the_options_hold_before_and_after_the_command(
    acme: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """--config and --json hold wherever they stand; the file's folder is where its paths count from."""
    monkeypatch.chdir(tmp_path)
    file = str(acme.file)
    for arguments in (
        ("--config", file, "--json", "account", "list"),
        ("account", "--config", file, "--json", "list"),
        ("account", "list", "--config", file, "--json"),
        # The one that is nearest to the end counts.
        ("--config", "none.toml", "account", "list", "--config", file, "--json"),
    ):
        assert [account["name"] for account in acme.call(*arguments).json] == ["acme"]
    assert acme.call("account", "list").code == 1
    monkeypatch.setenv("SMSBRIDGE_CONFIG", file)
    assert len(acme.call("account", "list", "--json").json) == 1
    assert acme.call("--config", "none.toml", "account", "list").code == 1


def test_a_bug_tells_nothing_but_that_there_is_one(acme: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception nobody expected is one line without its class or text; --traceback shows it."""

    def broken(*_: object) -> None:
        raise RuntimeError("s3cret")

    monkeypatch.setattr(accounts, "list_accounts", broken)
    told = acme.call("account", "list").error
    assert told == "internal error; run the command again with --traceback to see where"
    assert "RuntimeError: s3cret" in acme.call("account", "list", "--traceback").err
    assert "--traceback" not in acme.call("account", "list", "--help").out


def test_a_mailbox_has_settings(acme: Desk) -> None:
    """They are set where it is allowed or later, one by one, and taken back; those of the account stand behind them."""
    allowed = acme.call(
        "mailbox", "allow", "acme", "nagios@example.com", "--proof", "login", "--proof", "dkim", "--set", "cut=none"
    )
    assert allowed.code == 0
    assert acme.call("account", "set", "acme", "mail.length=word", "mail.cut=quotes").code == 0
    told = acme.call("mailbox", "show", "acme", "NAGIOS@example.com", "--json").json
    assert told["own"] == {"proof": "dkim,login", "cut": "none"}
    assert (told["settings"]["cut"], told["settings"]["length"], told["settings"]["links"]) == ("none", "word", "false")
    changed = acme.call("mailbox", "set", "acme", "nagios@example.com", "cut=", "links=yes", "--json").json
    assert changed["own"] == {"proof": "dkim,login", "links": "true"}
    assert changed["settings"]["cut"] == "quotes"
    shown = acme.call("account", "show", "acme", "--json").json["settings"]
    assert shown["mail.length"] == "word"
    assert acme.call("account", "set", "acme", "mail.length=").code == 0
    assert acme.call("mailbox", "show", "acme", "nagios@example.com", "--json").json["settings"]["length"] == "refuse"


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (("mailbox", "set", "acme", "nobody@example.com", "cut=none"), "not among the account's mailboxes"),
        (("mailbox", "set", "acme", "ann@example.com", "cut"), "write KEY=VALUE"),
        (("mailbox", "set", "acme", "ann@example.com", "cute=none"), "no setting is named cute"),
        (("mailbox", "set", "acme", "ann@example.com", "cute="), "no setting is named cute"),
        (("mailbox", "allow", "acme", "ann@example.com", "--proof", "vouch"), "none, or some of"),
        (("mailbox", "show", "acme", "nobody@example.com"), "not among the account's mailboxes"),
        (("account", "set", "acme", "mail.length=short"), "one of refuse, ellipsis, word"),
    ],
)
def test_a_setting_that_is_none_is_refused(acme: Desk, command: tuple[str, ...], reason: str) -> None:
    """The error says what is allowed, and nothing is changed."""
    acme.call("mailbox", "allow", "acme", "ann@example.com")
    refused = acme.call(*command)
    assert refused.code in {1, 2}
    assert reason in " ".join(refused.err.split())
    assert acme.call("mailbox", "show", "acme", "ann@example.com", "--json").json["own"] == {}


def test_a_key_may_send_as_some_mailboxes_only(acme: Desk) -> None:
    """The patterns are kept in normal form and listed."""
    made = acme.call("key", "create", "acme", "--user", "m1", "--mailbox", "Ann@Example.com", "--json").json
    assert made["mailboxes"] == ["ann@example.com"]
    listed = acme.call("key", "list", "acme", "--json").json
    assert [(key["user"], key["mailboxes"]) for key in listed] == [("m1", ["ann@example.com"])]
