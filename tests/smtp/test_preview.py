"""A preview is what the door would do with a mail, and nothing is sent."""

from __future__ import annotations

from collections.abc import Sequence
from email.message import EmailMessage
from typing import Any

import pytest

from bridge.model.account import Account, Directory, Mailbox
from smtp.config import SmtpSettings
from smtp.preview import preview

DIRECTORY = Directory.of(
    1,
    [
        Account(id=1, name="acme", region="IL"),
        Account(id=2, name="roaming", region=None),
        Account(id=3, name="gone", region="IL", enabled=False),
    ],
    [
        Mailbox(pattern="ann@example.com", account_id=1),
        Mailbox(pattern="@roaming.example", account_id=2),
        Mailbox(pattern="@gone.example", account_id=3),
    ],
)
SETTINGS = SmtpSettings(domains=("sms.example.com",), max_parts=2)
TO = "972502345678@sms.example.com"


def look(
    text: str = "hello",
    *,
    sender: str | None = None,
    to: tuple[str, ...] = (),
    region: str | None = None,
    **header: str,
) -> list[dict[str, Any]]:
    """Preview a mail with a header."""
    mail = EmailMessage()
    for name, value in ({"From": "Ann <ann@example.com>", "To": TO} | header).items():
        if value:
            mail[name] = value
    mail.set_content(text)
    return preview(SETTINGS, DIRECTORY, mail.as_bytes(), sender=sender, recipients=to, region=region)


def test_what_would_be_sent() -> None:
    """Number, account, text, and its size as it will be counted."""
    (entry,) = look("שלום €")
    assert entry == {
        "to": TO,
        "number": "+972502345678",
        "account": "acme",
        "text": "שלום €",
        "encoding": "ucs2",
        "units": 6,
        "parts": 1,
        "proof": ["arc", "dkim", "login", "network", "relay"],
        "cuts": [],
        "notes": [],
    }
    (entry,) = look("{" * 100)
    assert (entry["encoding"], entry["units"], entry["parts"]) == ("gsm7", 200, 2)


def test_the_header_stands_in_for_the_envelope() -> None:
    """To names the recipients, From the sender; what is named beside wins, and From has still to be covered."""
    entries = look(To=f"Bob <{TO}>, 0502345679@sms.example.com")
    assert [entry["number"] for entry in entries] == ["+972502345678", "+972502345679"]
    (entry,) = look(From="y@roaming.example", sender="x@roaming.example", to=(TO,), To="bob@example.com")
    assert (entry["account"], entry["number"]) == ("roaming", "+972502345678")
    for other in ("eve@example.com", "ann@example.com"):
        (entry,) = look(From=other, sender="x@roaming.example", to=(TO,))
        assert entry["error"]["code"] == "sender_not_authorised"
    assert look(To="") == []


def test_the_region_is_the_account_s_else_the_default() -> None:
    """A local number is read in the account's region, else in the default one, else not at all."""
    local = ("0502345678@sms.example.com",)
    assert look(to=local, region="US")[0]["number"] == "+972502345678"
    assert look(to=local, From="x@roaming.example", region="IL")[0]["number"] == "+972502345678"
    assert look(to=local, From="x@roaming.example")[0]["error"]["code"] == "number_invalid"


def test_what_is_cut_and_asked_for_is_shown() -> None:
    """Every cut with its text, what was noted, and the options of the address; a group's members each by themselves."""
    text = "Disk full\n-- \nAnn\nACME Ltd"
    (entry,) = look(text, to=("972502345678+flash+from=ACME@sms.example.com",))
    assert entry["text"] == "Disk full"
    assert [(cut["kind"], cut["text"].split("\n")[-1].strip()) for cut in entry["cuts"]] == [("signature", "ACME Ltd")]
    assert entry["options"] == {"from": "ACME", "flash": True}

    def numbers_of(account: int, names: Sequence[str]) -> Sequence[str]:
        assert account == 1
        return ("+972502345678", "+972502345679") if "group:team" in names else ()

    mail = b"From: ann@example.com\n\nhello\n"
    entries = preview(
        SETTINGS, DIRECTORY, mail, sender=None, recipients=("group.team@sms.example.com",), numbers_of=numbers_of
    )
    assert [(entry["to"], entry["number"]) for entry in entries] == [
        ("group.team@sms.example.com", "+972502345678"),
        ("group.team@sms.example.com", "+972502345679"),
    ]


@pytest.mark.parametrize(
    ("told", "code"),
    [
        ({"sender": "eve@example.com"}, "sender_not_authorised"),
        ({"From": ""}, "sender_not_authorised"),
        ({"sender": "no address"}, "sender_not_authorised"),
        ({"sender": "x@gone.example"}, "account_disabled"),
        ({"text": "\n"}, "text_empty"),
        ({"text": "x" * 307}, "text_too_long"),
        ({"text": "x" * SETTINGS.max_size}, "mail_too_large"),
        ({"to": ("972502345678@example.com",)}, "domain_unknown"),
        ({"to": ("123@sms.example.com",)}, "number_invalid"),
    ],
)
def test_what_would_be_refused(told: dict[str, Any], code: str) -> None:
    """The entry names the error's code and its reason, as the reply would."""
    (entry,) = look(**told)
    assert entry["error"]["code"] == code
    assert entry["error"]["reason"]
    assert "number" not in entry


def test_each_recipient_by_itself() -> None:
    """One that would be refused keeps no other from being shown."""
    entries = look(to=(TO, "123@sms.example.com", TO))
    assert ["error" in entry for entry in entries] == [False, True, False]


@pytest.mark.parametrize("raw", [b"", b"\n", b"\xff\xfe\0", b"To: " + TO.encode() + b"\nFrom: \xff\n\nx", b"From\n\n"])
def test_any_bytes(raw: bytes) -> None:
    """A file that is no mail is refused or names nobody; it is never a crash."""
    entries = preview(SETTINGS, DIRECTORY, raw, sender=None, recipients=())
    assert all("error" in entry for entry in entries)
