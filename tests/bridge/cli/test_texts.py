"""Texts by hand: send, and preview, which sends nothing."""

from __future__ import annotations

import json

import pytest

from tests.bridge.cli.conftest import Desk

_MAIL = """\
From: Ann <ann@example.com>
To: 0502345678@sms.example.com, 123@sms.example.com
Subject: Reminder
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

=D7=A9=D7=9C=D7=95=D7=9D
"""


def test_a_preview_says_what_would_be_sent(acme: Desk) -> None:
    """To whom, for whom, what and how long; nothing is kept and no carrier is asked."""
    (acme.folder / "a.eml").write_text(_MAIL)
    (entry,) = acme.call("preview", "a.eml", "--to", "972502345678@sms.example.com", "--json").json
    assert entry["text"].endswith("שלום")
    assert {key: entry[key] for key in ("to", "number", "account", "encoding", "parts")} == {
        "to": "972502345678@sms.example.com",
        "number": "+972502345678",
        "account": "acme",
        "encoding": "ucs2",
        "parts": 1,
    }
    told = acme.call("preview", "a.eml", "--to", "972502345678@sms.example.com").out
    for part in ("+972502345678", "acme", "ucs2", "1 part", "  שלום"):
        assert part in told
    assert acme.call("message", "list", "--json").json == []
    assert not (acme.folder / "outbox.jsonl").exists()


def test_a_preview_tells_each_refusal(acme: Desk) -> None:
    """One recipient of the header is good and one is not: both are told, and the exit code is 1."""
    shown = acme.call("preview", "-", "--json", stdin=_MAIL)
    good, bad = json.loads(shown.out)
    assert (shown.code, good["number"]) == (1, "+972502345678")
    assert bad["error"]["code"].startswith("number_")
    told = acme.call("preview", "-", stdin=_MAIL)
    assert told.code == 1
    assert f"refused  {bad['error']['reason']} ({bad['error']['code']})" in told.out
    refused = acme.call("preview", "-", "--from", "eve@example.com", "--json", stdin=_MAIL)
    assert {entry["error"]["code"] for entry in json.loads(refused.out)} == {"sender_not_authorised"}


def test_a_preview_needs_a_mail_with_a_recipient(acme: Desk) -> None:
    """A file that is not there, and a mail to nobody, fail with their name."""
    assert acme.call("preview", "none.eml").error.startswith("none.eml: cannot be read: ")
    assert "names no recipient" in acme.call("preview", "-", stdin="From: ann@example.com\n\nhello\n").error


def test_send_takes_numbers_as_people_write_them(acme: Desk) -> None:
    """Several after one --to, several --to, lists with commas; local ones in the account's region; each once."""
    sent = acme.call(
        "send", "--account", "acme", "--to", "050-234-5678", "+972502345679", "--to", "0502345680; 0502345678",
        "hello", "--json",
    ).json  # fmt: skip
    numbers = ["+972502345678", "+972502345680", "+972502345679"]
    assert list(dict.fromkeys(each["number"] for each in sent["recipients"])) == numbers
    (kept,) = acme.call("message", "list", "--json").json
    assert (kept["id"], kept["door"], kept["state"]) == (sent["id"], "cli", "queued")
    assert [one["number"] for one in kept["recipients"]] == numbers


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--to", "0502345678", "hello", "world"), "no contact, group or tag is named hello"),
        (("--to", "123", "hello"), "123: "),
        (("--to", "0502345678", ""), "no text"),
        (("--to", "0502345678", "x" * 4000), "parts"),
    ],
)
def test_send_refuses_what_cannot_be_addressed_or_sent(acme: Desk, arguments: tuple[str, ...], said: str) -> None:
    """A number that is none is named, as is a text that cannot be sent; then nobody gets anything."""
    assert said in acme.call("send", "--account", "acme", *arguments).error
    assert acme.call("message", "list", "--json").json == []


def test_send_reads_a_text_from_stdin(acme: Desk) -> None:
    """A dash stands for stdin."""
    sent = acme.call("send", "--account", "acme", "--to", "0502345678", "-", stdin="שלום\nעולם\n")
    assert acme.call("message", "show", sent.out.strip(), "--json").json["text"] == "שלום\nעולם"


def test_send_is_refused_to_a_disabled_account(acme: Desk) -> None:
    """What a door refuses is refused here."""
    acme.call("account", "disable", "acme")
    told = acme.call("send", "--account", "acme", "--to", "0502345678", "hello").error
    assert told == "the account is disabled"
