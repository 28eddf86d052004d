"""The rules of an account as an operator sets and sees them: settings, credit and statements, opt-outs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from bridge.model.moment import to_ms
from bridge.model.rules import NAMES, AccountRules, read
from bridge.store import accounts, ledger
from tests.bridge.cli.conftest import Desk

SETTINGS = {
    "zone": "Asia/Jerusalem",
    "countries": "IL,US",
    "limits": "60/1m,1000/1d",
    "mailbox_limits": "5/10s",
    "spend_per_day": "2.500",
    "max_recipients": "2",
    "max_parts": "3",
    "quiet": "22:00-07:00;fri,sat 15:00-24:00",
    "quiet_holds": "false",
    "quiet_passes": "none",
    "open": "mon-fri 08:00-18:00;sat 09:00-12:00",
    "transactional": "true",
    "refund_cancelled": "false",
}
"""Every setting at something else than its default, as it may be written."""


def settings(desk: Desk) -> dict[str, str]:
    """Return what `account show` says that is set, but for the credit limit, which always is."""
    shown: dict[str, str] = desk.call("account", "show", "acme", "--json").json["settings"]
    return {name: value for name, value in shown.items() if name != "credit_limit"}


def credit_of(desk: Desk) -> Any:
    """Return the balance as JSON has it."""
    return desk.call("credit", "show", "acme", "--json").json["credit"]


# --- settings ---


def test_every_setting_is_set_and_shown(acme: Desk) -> None:
    """All at once: each is kept, told by `set` and by `show`, and read back as the same rules."""
    assert set(SETTINGS) == set(NAMES)
    written = [f"{name}={value}" for name, value in SETTINGS.items()]
    told = acme.call("account", "set", "acme", *written, "--json").json
    assert told == {"name": "acme", "settings": {"credit_limit": "0"} | settings(acme)}
    assert told["settings"].keys() == {"credit_limit", *NAMES}
    with acme.store() as store, store.read() as connection:
        kept = accounts.find_account(connection, "acme").rules
    assert kept == read(SETTINGS)
    assert all(getattr(kept, name) != getattr(AccountRules(), name) for name in NAMES)
    lines = dict(line.split(maxsplit=1) for line in acme.call("account", "show", "acme").out.splitlines())
    assert (lines["countries"], lines["spend_per_day"], lines["quiet_passes"]) == ("IL,US", "2.500", "none")


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_value_sets_the_default(acme: Desk, name: str) -> None:
    """The setting is not told any more, and the others stay."""
    other = "max_parts" if name != "max_parts" else "max_recipients"
    acme.call("account", "set", "acme", f"{name}={SETTINGS[name]}", f"{other}=2")
    assert settings(acme).keys() == {name, other}
    assert acme.call("account", "set", "acme", f"{name}=").code == 0
    assert settings(acme) == {other: "2"}


def test_hours_move_with_the_zone(acme: Desk) -> None:
    """Quiet hours are wall time: a new zone, set after them or before, is theirs."""
    acme.call("account", "set", "acme", "quiet=22:00-07:00; fri 15:00-24:00")
    acme.call("account", "set", "acme", "zone=Europe/Berlin", "open=sun-thu")
    with acme.store() as store, store.read() as connection:
        rules = accounts.find_account(connection, "acme").rules
    assert rules.quiet is not None
    assert rules.open is not None
    assert {rules.quiet.zone, rules.open.zone} == {ZoneInfo("Europe/Berlin")}
    assert len(rules.quiet.windows) == 2


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("nope=1", "no setting is named nope; there is credit_limit, zone, countries, "),
        ("=1", "no setting is named ; there is credit_limit, "),
        ("zone", "'zone': write KEY=VALUE"),
        ("zone=Mars/Olympus", "zone: no time zone has that name"),
        ("countries=IL,XX", "countries: XX is no ISO 3166 country code"),
        ("countries=,", "countries: country codes with commas between them"),
        ("limits=0/1m", "limits: '0/1m' is no limit; write a number of texts and a span"),
        ("limits=1/1m,2/60s", "limits of the same span; keep one"),
        ("mailbox_limits=1/32d", "the span is out of range"),
        ("spend_per_day=-1", "spend_per_day: not below zero"),
        ("spend_per_day=1.2345", "is no amount; write 100 or 12.5"),
        ("max_recipients=0", "max_recipients: a number from 1 to 100000"),
        ("max_parts=21", "max_parts: a number from 1 to 20"),
        ("max_parts=x", "max_parts: a number from 1 to 20"),
        ("quiet=22", "quiet: cannot be read as hours"),
        ("quiet=00:00-24:00", "quiet: the quiet hours leave no time in the week to send at"),
        ("open=;", "open: no send window"),
        ("quiet_holds=perhaps", "quiet_holds: write true or false"),
        ("quiet_passes=huge", "quiet_passes: one of none, bulk, normal, high, urgent"),
        ("transactional=2", "transactional: write true or false"),
        (
            "credit_limit=low",
            "credit_limit: 'low' is no amount; write 100 or 12.5, with three decimals at most; or n",
        ),
    ],
)
def test_a_bad_setting_is_wrong_usage(acme: Desk, written: str, said: str) -> None:
    """It is named with what is allowed, and what stood beside it on the line is not set either."""
    refused = acme.call("account", "set", "acme", "credit_limit=-7", "max_parts=5", written)
    assert (refused.code, refused.out) == (2, "")
    assert said in refused.err
    assert "Traceback" not in refused.err
    assert acme.call("account", "show", "acme", "--json").json["settings"] == {"credit_limit": "0"}


def test_the_unknown_key_hears_of_every_known_one(acme: Desk) -> None:
    """No setting is left out."""
    told = acme.call("account", "set", "acme", "nope=1").err
    assert all(name in told for name in ("credit_limit", *NAMES))


def test_settings_need_one(acme: Desk) -> None:
    """`account set` without a KEY=VALUE is wrong usage."""
    assert acme.call("account", "set", "acme").code == 2


def test_a_setting_in_a_process_of_its_own(acme: Desk) -> None:
    """The exit codes and lines are the same there: 0, 1 for no such account, 2 with the reason as its last line."""
    assert acme.run("account", "set", "acme", "limits=1/1h", "--json").json["settings"]["limits"] == "1/1h"
    assert acme.run("account", "set", "nobody", "limits=1/1h").error == "no account is named nobody"
    refused = acme.run("account", "set", "acme", "nope=1")
    assert (refused.code, refused.out) == (2, "")
    assert "no setting is named nope" in refused.err
    assert "Traceback" not in refused.err


# --- credit ---


@pytest.mark.parametrize(
    ("limit", "least"), [("none", None), ("", None), ("-5", -5_000), ("0", 0), ("2.5", 2_500), ("-0.001", -1)]
)
def test_a_credit_limit_is_set(acme: Desk, limit: str, least: int | None) -> None:
    """None for an account that is only counted, an overdraft, zero, or a reserve that is never spent."""
    shown = acme.call("account", "set", "acme", f"credit_limit={limit}", "--json").json["settings"]["credit_limit"]
    assert shown == (limit or "none")
    with acme.store() as store, store.read() as connection:
        assert ledger.limit(connection, accounts.find_account(connection, "acme").id) == least


def test_who_is_made_with_credit_spends_no_more_than_that(desk: Desk) -> None:
    """`account add --credit` sets the limit to zero; without it the account is counted only."""
    desk.call("account", "add", "prepaid", "--credit", "1")
    desk.call("account", "add", "counted")
    limits = [
        desk.call("account", "show", name, "--json").json["settings"]["credit_limit"] for name in ("prepaid", "counted")
    ]
    assert limits == ["0", "none"]


@pytest.mark.parametrize(("limit", "takes"), [("0", "100"), ("-5", "105"), ("99", "1")])
def test_an_operator_takes_no_more_than_there_is(acme: Desk, limit: str, takes: str) -> None:
    """The balance comes to the limit itself; a thousandth more is refused."""
    acme.call("account", "set", "acme", f"credit_limit={limit}")
    assert acme.call("credit", "add", "acme", "--", f"-{takes}.001").error == "the account has not that much credit"
    assert acme.call("credit", "add", "acme", "--json", "--", f"-{takes}").json["credit"] == float(limit)


@pytest.fixture
def booked(desk: Desk) -> Desk:
    """An account in Jerusalem with entries around two midnights there, on 20 and 21 March 2030 (UTC+2)."""
    desk.call("account", "add", "acme")
    desk.call("account", "set", "acme", "zone=Asia/Jerusalem")
    midnight = _ms(2030, 3, 19, 22)
    day = 86_400_000
    with desk.store() as store, store.write() as connection:
        holder = accounts.find_account(connection, "acme").id
        ledger.credit(connection, holder, 10_000, now=midnight - 1)
        ledger.credit(connection, holder, 5_000, now=midnight)
        ledger.reserve(connection, [(holder, "m1", 3_000)], now=midnight + 1)
        ledger.refund(connection, [(holder, "m1", 1, 1_000)], now=midnight + day - 1)
        ledger.reserve(connection, [(holder, "m2", 250)], now=midnight + day)
    return desk


def _ms(*moment: int) -> int:
    return to_ms(datetime(*moment, tzinfo=UTC))  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(
    ("first", "last", "figures"),
    [
        ("2030-03-19", "2030-03-19", (0, 10, 0, 0, 0, 10)),
        ("2030-03-20", "2030-03-20", (10, 5, 3, 1, 2, 13)),
        ("2030-03-21", "2030-03-21", (13, 0, 0.25, 0, 0.25, 12.75)),
        ("2030-03-19", "2030-03-21", (0, 15, 3.25, 1, 2.25, 12.75)),
        ("2030-03-01", "2030-03-18", (0, 0, 0, 0, 0, 0)),
        ("2030-04-01", "2031-04-01", (12.75, 0, 0, 0, 0, 12.75)),
    ],
)
def test_a_statement_counts_whole_days_of_the_accounts_zone(
    booked: Desk, first: str, last: str, figures: tuple[float, ...]
) -> None:
    """From the first midnight there to just before the one after the last day; a day opens as the one before closed."""
    told = booked.call("credit", "statement", "acme", "--from", first, "--to", last, "--json").json
    names = ("opening", "added", "reserved", "refunded", "spent", "closing")
    assert told == {"account": "acme", "from": first, "to": last, "pending": 0} | dict(zip(names, figures, strict=True))
    assert told["opening"] + told["added"] - told["spent"] == told["closing"]


def test_a_statement_for_a_person(booked: Desk) -> None:
    """A line for each figure."""
    told = booked.call("credit", "statement", "acme", "--from", "2030-03-20", "--to", "2030-03-20").out
    assert [line.split() for line in told.splitlines()] == [
        ["opening", "10"], ["added", "5"], ["reserved", "3"], ["refunded", "1"], ["spent", "2"], ["closing", "13"],
        ["pending", "0"],
    ]  # fmt: skip


def test_a_statement_over_a_change_of_the_clock(booked: Desk) -> None:
    """29 March 2030 has 23 hours in Jerusalem: its end is the start of the 30th there, an hour early in UTC."""
    with booked.store() as store, store.write() as connection:
        holder = accounts.find_account(connection, "acme").id
        ledger.credit(connection, holder, 1_000, now=_ms(2030, 3, 29, 21) - 1)
        ledger.credit(connection, holder, 2_000, now=_ms(2030, 3, 29, 21))
    days = [
        booked.call("credit", "statement", "acme", "--from", day, "--to", day, "--json").json["added"]
        for day in ("2030-03-28", "2030-03-29", "2030-03-30")
    ]
    assert days == [0, 1, 2]


@pytest.mark.parametrize(
    ("first", "last", "said"),
    [
        ("2030-03-21", "2030-03-20", "the last day, 2030-03-20, is before the first, 2030-03-21"),
        ("yesterday", "2030-03-20", "'yesterday': write a day as 2026-11-01"),
        ("2030-03-20", "2030-02-30", "'2030-02-30': write a day as 2026-11-01"),
    ],
)
def test_a_bad_period_is_wrong_usage(booked: Desk, first: str, last: str, said: str) -> None:
    """A day that is none, and a period that ends before it begins."""
    refused = booked.call("credit", "statement", "acme", "--from", first, "--to", last)
    assert (refused.code, refused.out) == (2, "")
    assert said in refused.err


def test_a_statement_needs_both_days_and_an_account(booked: Desk) -> None:
    """Wrong usage, and an account that is not there."""
    assert booked.call("credit", "statement", "acme", "--from", "2030-03-20").code == 2
    refused = booked.call("credit", "statement", "nobody", "--from", "2030-03-20", "--to", "2030-03-20")
    assert refused.error == "no account is named nobody"


def test_the_ledger_of_a_text(acme: Desk) -> None:
    """A text is reserved and pending; its cancelling gives the price back, and the ledger has both."""
    acme.call("send", "--account", "acme", "--to", "0502345678", "0502345679", "hello")
    assert credit_of(acme) == 98
    today = datetime.now(UTC).date().isoformat()
    period = ("--from", "2020-01-01", "--to", today[:4] + "-12-31", "--json")
    told = acme.call("credit", "statement", "acme", *period).json
    assert (told["added"], told["reserved"], told["spent"], told["pending"]) == (100, 2, 2, 2)
    (message,) = acme.call("message", "list", "--json").json
    acme.call("message", "cancel", f"{message['id']}-2")
    told = acme.call("credit", "statement", "acme", *period).json
    assert (told["refunded"], told["spent"], told["closing"], told["pending"]) == (1, 1, 99, 1)
    entries = acme.call("credit", "show", "acme", "--json").json["entries"]
    assert [(entry["kind"], entry["amount"]) for entry in entries] == [("refund", 1), ("reserve", -2), ("credit", 100)]


def test_a_cancelled_text_is_paid_where_the_account_says_so(acme: Desk) -> None:
    """With `refund_cancelled=false` nothing comes back."""
    acme.call("account", "set", "acme", "refund_cancelled=false")
    sent = acme.call("send", "--account", "acme", "--to", "0502345678", "hello").out.strip()
    assert acme.call("message", "cancel", sent).code == 0
    assert credit_of(acme) == 99


# --- opt-outs ---


def test_a_number_is_closed_to_one_account_or_to_all(acme: Desk) -> None:
    """Each list has its own entries, the latest first; a local number is read as the account dials it."""
    told = acme.call("optout", "add", "050-234-5678", "--account", "acme", "--json").json
    assert told == {"number": "+972502345678", "account": "acme"}
    assert acme.call("optout", "add", "+972502345679", "--json").json == {"number": "+972502345679", "account": None}
    (own,) = acme.call("optout", "list", "--account", "acme", "--json").json
    assert (own["number"], own["word"]) == ("+972502345678", "operator")
    assert own["since"].endswith("Z")
    (every,) = acme.call("optout", "list", "--json").json
    assert every["number"] == "+972502345679"
    assert acme.call("optout", "list").out.splitlines()[1].split()[:2] == ["+972502345679", "operator"]


def test_a_closed_number_gets_no_texts(acme: Desk) -> None:
    """By the account's list and by that of all; another account's list does not count; opened, it gets them again."""
    acme.call("account", "add", "other", "--region", "IL")
    send = ("send", "--account", "acme", "--to", "0502345678", "hello")
    for whose, closed in ((("--account", "other"), False), (("--account", "acme"), True), ((), True)):
        assert acme.call("optout", "add", "0502345678", *whose).code == 0
        assert acme.call("optout", "add", "0502345678", *whose).code == 0, "once more changes nothing"
        told = acme.call(*send)
        assert (told.err == "smsbridge: the recipient asked for no more texts\n") is closed
        assert told.code == int(closed)
        assert acme.call("optout", "remove", "0502345678", *whose).code == 0
        assert acme.call(*send).code == 0


def test_a_transactional_account_texts_closed_numbers(acme: Desk) -> None:
    """Codes, receipts and alarms go to everybody."""
    acme.call("optout", "add", "0502345678")
    acme.call("account", "set", "acme", "transactional=yes")
    assert acme.call("send", "--account", "acme", "--to", "0502345678", "your code is 4711").code == 0


def test_opt_outs_that_cannot_be(acme: Desk) -> None:
    """What is no number, what did not opt out, and an account that is not there are one line each."""
    assert acme.call("optout", "list").out == "no number is closed\n"
    assert acme.call("optout", "list", "--json").json == []
    assert acme.call("optout", "remove", "0502345678").error == "that number did not opt out there"
    for verb in ("add", "remove"):
        assert acme.call("optout", verb, "123").code == 1
        assert acme.call("optout", verb, "0502345678", "--account", "nobody").error == "no account is named nobody"
    assert acme.call("optout", "list", "--account", "nobody").error == "no account is named nobody"


def test_the_list_of_closed_numbers_is_cut(acme: Desk) -> None:
    """--limit counts the latest."""
    for number in ("0502345670", "0502345671", "0502345672"):
        acme.call("optout", "add", number)
    listed = acme.call("optout", "list", "--limit", "2", "--json").json
    assert [one["number"] for one in listed] == ["+972502345672", "+972502345671"]
    assert acme.call("optout", "list", "--limit", "0").code == 2
