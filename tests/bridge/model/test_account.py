"""Who may send: spellings of addresses, rules, and the snapshot that is asked."""

from __future__ import annotations

import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import example, given
from hypothesis import strategies as st

from bridge.model import account
from bridge.model.account import Account, Directory, Mailbox, normalise_address, normalise_pattern
from bridge.model.errors import AccountDisabled, SenderRefused


@pytest.mark.parametrize(
    ("raw", "known_as"),
    [
        ("ann@example.com", "ann@example.com"),
        ("Ann.Lee+SMS@Example.COM", "ann.lee+sms@example.com"),
        ("root@localhost", "root@localhost"),
        ("nagios@monitor.local", "nagios@monitor.local"),
        ("x@printer.test", "x@printer.test"),
        ("ann@münchen.example", "ann@xn--mnchen-3ya.example"),
        ("ann@MÜNCHEN.example", "ann@xn--mnchen-3ya.example"),
        ("ann@xn--mnchen-3ya.example", "ann@xn--mnchen-3ya.example"),
        ("אבי@example.com", "אבי@example.com"),
        ("o'brien=x@example.com", "o'brien=x@example.com"),
        ('"ann lee"@example.com', '"ann lee"@example.com'),
        ("a" * 64 + "@example.com", "a" * 64 + "@example.com"),
        ("K@example.com", "k@example.com"),  # the Kelvin sign is the letter K by Unicode itself
    ],
)
def test_one_spelling(raw: str, known_as: str) -> None:
    """However an address is written, its mailbox has one name; that name is its own normal form."""
    assert normalise_address(raw) == known_as
    assert normalise_address(known_as) == known_as


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "ann",
        "@example.com",
        "ann@",
        "ann@@example.com",
        "ann lee@example.com",
        "ann@exa mple.com",
        ".ann@example.com",
        "ann.@example.com",
        "a..b@example.com",
        "ann@-example.com",
        "ann@example-.com",
        "ann@.example.com",
        "ann@example..com",
        "a" * 250 + "@example.com",
        "ann@" + "a" * 64 + ".com",
        "ann@" + "a." * 130 + "com",
        "<ann@example.com>",
        "ann@example.com\n",
        "ann@example.com\r\nRCPT TO:<x@y>",
        "ann\0@example.com",
        "half\ud83d@example.com",
        "ann@half\ud83d.com",
    ],
)
def test_what_is_no_address_is_refused(raw: str) -> None:
    """With SenderRefused, whatever it is."""
    with pytest.raises(SenderRefused, match="not an email address"):
        normalise_address(raw)


@given(st.text("ab0.-_+'=&@", max_size=30) | st.emails())
@example("a@b.co")
@example("a-b@c-d.co")
@example("-a@b.co")
@example("a@b--c.co")
@example("a@1.2.co")
def test_the_short_way_is_the_long_way(raw: str) -> None:
    """What the pattern takes without asking, the validator takes too, and leaves as it is."""
    folded = raw.lower()
    if len(folded) > 254 or "--" in folded or not account._PLAIN_ADDRESS.fullmatch(folded):
        return
    if folded.find("@") > 64:
        return
    parsed = validate_email(folded, check_deliverability=False, globally_deliverable=False)
    assert parsed.normalized == folded == normalise_address(raw)


@given(st.text(max_size=40) | st.emails())
def test_normal_forms_are_stable(raw: str) -> None:
    """Normalising twice is normalising once, and only SenderRefused ever comes out of it."""
    try:
        once = normalise_address(raw)
    except SenderRefused:
        return
    assert normalise_address(once) == once
    assert once == once.lower()


def test_special_names_are_the_operators_affair() -> None:
    """Devices send as root@localhost: the validator reserves no name."""
    with pytest.raises(EmailNotValidError):
        validate_email("no address", check_deliverability=False)
    assert normalise_address("alarm@device.invalid") == "alarm@device.invalid"


@pytest.mark.parametrize(
    ("raw", "rule"),
    [
        ("Ann@Example.com", "ann@example.com"),
        ("@Example.COM", "@example.com"),
        ("@münchen.example", "@xn--mnchen-3ya.example"),
        ("@localhost", "@localhost"),
    ],
)
def test_rules(raw: str, rule: str) -> None:
    """A rule is a mailbox or a whole domain, in normal form."""
    assert normalise_pattern(raw) == rule


@pytest.mark.parametrize("raw", ["", "@", "*@example.com@", "@exa mple.com", "example.com", "@a@b.com", "@.com"])
def test_what_is_no_rule_is_refused(raw: str) -> None:
    """With SenderRefused."""
    with pytest.raises(SenderRefused):
        normalise_pattern(raw)


ACME = Account(id=1, name="acme", region="IL")
CLOSED = Account(id=2, name="closed", region=None, enabled=False)
DIRECTORY = Directory.of(
    7,
    [ACME, CLOSED],
    [
        Mailbox(pattern="@example.com", account_id=1),
        Mailbox(pattern="bob@example.com", account_id=2),
        Mailbox(pattern="ann@example.org", account_id=1),
        Mailbox(pattern="gone@example.org", account_id=3),
    ],
)


@pytest.mark.parametrize("address", ["ann@example.org", "ann@example.com", '"a@b"@example.com'])
def test_a_mailbox_sends_for_its_account(address: str) -> None:
    """By its own rule, or by its domain's."""
    assert DIRECTORY.account_for(address) is ACME


def test_the_own_rule_comes_before_the_domains() -> None:
    """A mailbox whose own rule names a closed account is not helped by the open one of its domain."""
    with pytest.raises(AccountDisabled):
        DIRECTORY.account_for("bob@example.com")


@pytest.mark.parametrize(
    "address", ["eve@example.org", "ann@sub.example.com", "ann@badexample.com", "@example.org", ""]
)
def test_others_are_refused(address: str) -> None:
    """No rule, no text; a domain's rule is not one for those below it or beside it."""
    with pytest.raises(SenderRefused, match="is not allowed to send"):
        DIRECTORY.account_for(address)


def test_accounts_by_id() -> None:
    """An account that is closed or gone does not send."""
    assert DIRECTORY.account(1) is ACME
    for account_id in (2, 3):
        with pytest.raises(AccountDisabled):
            DIRECTORY.account(account_id)
    with pytest.raises(AccountDisabled):
        DIRECTORY.account_for("gone@example.org")
