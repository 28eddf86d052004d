"""Drafts on the command line: a message that takes recipients and changes until it is closed."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.bridge.cli.conftest import Desk

A, B, C = "+972502345678", "+972502345679", "+972502345680"
ABROAD = "+442071838750"


def opened(desk: Desk, *options: str, text: str = "hello") -> str:
    """Open a draft of acme, and return its id."""
    return str(desk.call("draft", "open", "--account", "acme", text, *options, "--json").json["id"])


def states(desk: Desk, draft: str) -> dict[str, str]:
    """Return the states of a message's recipients by number."""
    shown = desk.call("message", "show", draft, "--json").json
    return {one["number"]: one["state"] for one in shown["recipients"]}


def closed(desk: Desk, draft: str, *options: str) -> tuple[int, list[dict[str, Any]]]:
    """Close a draft: exit code, and each recipient's result."""
    done = desk.call("draft", "close", draft, *options, "--json")
    assert done.err == ""
    return done.code, json.loads(done.out)


def credit_of(desk: Desk) -> Any:
    """Return the balance as JSON has it."""
    return desk.call("credit", "show", "acme", "--json").json["credit"]


def test_a_draft_from_open_to_close(acme: Desk) -> None:
    """It is held and costs nothing until it is closed; then it is priced and queued at once."""
    draft = opened(acme)
    added = acme.call("draft", "add", draft, "050-234-5678", B, A, "--json").json
    assert added == [
        {"number": A, "id": f"{draft}-1", "duplicate": False},
        {"number": B, "id": f"{draft}-2", "duplicate": False},
        {"number": A, "id": f"{draft}-1", "duplicate": True},
    ]
    assert states(acme, draft) == {A: "held", B: "held"}
    assert credit_of(acme) == 100
    code, results = closed(acme, draft)
    assert code == 0
    assert [(one["number"], one["id"], one["state"], one["parts"], one["price"]) for one in results] == [
        (A, f"{draft}-1", "queued", 1, 1),
        (B, f"{draft}-2", "queued", 1, 1),
    ]
    assert states(acme, draft) == {A: "queued", B: "queued"}
    assert credit_of(acme) == 98


def test_a_draft_is_shown(acme: Desk) -> None:
    """All that it says and to whom, as JSON and to a person."""
    acme.call("contact", "add", "acme", B, "--name", "Noa", "--field", "hour=10:30")
    draft = opened(
        acme, "--template", "--at", "+60", "--lifetime", "2h", "--priority", "high", "--sender", "ACME",
        text="{{name}}: {{hour}}",
    )  # fmt: skip
    acme.call("draft", "add", draft, "Noa")
    assert acme.call("draft", "show", draft, "--json").json == {
        "id": draft,
        "sender": "ACME",
        "priority": "high",
        "text": "{{name}}: {{hour}}",
        "options": {"send_at": "+60", "lifetime": 7200.0, "template": True, "max_parts": None, "flash": False},
        "recipients": [{"number": B, "fields": {"name": "Noa", "email": "", "hour": "10:30"}}],
    }
    told = {tuple(line.split(maxsplit=1)) for line in acme.call("draft", "show", draft).out.splitlines()}
    assert {("id", draft), ("sender", "ACME"), ("priority", "high"), ("send_at", "+60"), ("to", B)} <= told


def test_what_a_draft_says_is_changed(acme: Desk) -> None:
    """What is named changes, the rest stays; - reads the text from stdin; it is counted when it is closed."""
    acme.call("sender", "approve", "acme", "ACME")
    draft = opened(acme, text="old")
    acme.call("draft", "add", draft, A)
    changed = acme.call("draft", "set", draft, "--sender", "ACME", "--priority", "urgent", "--json").json
    assert changed == {"id": draft, "changed": ["priority", "sender"]}
    acme.call("draft", "set", draft, "--text", "-", stdin=f"{'x' * 160}\nnew\n")
    acme.call("draft", "set", draft, "--at", "+90", "--lifetime", "30m")
    code, (one,) = closed(acme, draft)
    assert (code, one["state"], one["parts"], one["price"]) == (0, "scheduled", 2, 2)
    shown = acme.call("message", "show", draft, "--json").json
    assert (shown["text"], shown["sender"], shown["priority"], shown["parts"]) == (f"{'x' * 160}\nnew", "ACME", 3, 2)
    (kept,) = shown["recipients"]
    due, expires = (datetime.fromisoformat(kept[name]) for name in ("due_at", "expires_at"))
    assert expires - due == timedelta(minutes=30)


def test_each_recipient_alone_or_all(acme: Desk) -> None:
    """With --all one refused leaves the draft open as it was; without it the good ones go, the bad are refused."""
    acme.call("account", "set", "acme", "countries=IL")
    draft = opened(acme)
    acme.call("draft", "add", draft, A, ABROAD, B)
    code, results = closed(acme, draft, "--all")
    assert (code, {one["error"]["code"] for one in results}) == (1, {"country_not_allowed"})
    assert set(states(acme, draft).values()) == {"held"}
    assert credit_of(acme) == 100
    told = acme.call("draft", "close", draft)
    assert (told.code, told.err) == (1, "")
    assert told.out.splitlines()[2].split(maxsplit=5)[5] == "the account does not send to GB (country_not_allowed)"
    assert states(acme, draft) == {A: "queued", ABROAD: "refused", B: "queued"}
    assert credit_of(acme) == 98
    shown = acme.call("message", "show", draft, "--json").json
    assert shown["recipients"][1]["reason"] == "the account does not send to GB"
    assert [(event["kind"], event["data"]["code"]) for event in shown["events"]] == [("refused", "country_not_allowed")]


def test_a_draft_of_which_nobody_is_left_stays_open(acme: Desk) -> None:
    """So it can be mended, and closed again."""
    draft = opened(acme)
    acme.call("draft", "add", draft, A)
    acme.call("optout", "add", A)
    assert closed(acme, draft)[0] == 1
    assert states(acme, draft) == {A: "held"}
    acme.call("draft", "add", draft, B)
    assert closed(acme, draft)[0] == 1
    assert states(acme, draft) == {A: "refused", B: "queued"}


def test_what_is_wrong_with_the_whole_of_it(acme: Desk) -> None:
    """A draft without recipients, without text, or under a name that is not approved: one line, and it stays open."""
    empty, unnamed, untitled = opened(acme), opened(acme, "--sender", "ACME"), opened(acme, text=" ")
    assert acme.call("draft", "close", empty).error == "no recipient"
    for draft in (unnamed, untitled):
        acme.call("draft", "add", draft, A)
    assert acme.call("draft", "close", unnamed).error == "the sender name ACME is not approved for this account"
    assert "text" in acme.call("draft", "close", untitled).error
    acme.call("draft", "set", untitled, "--text", "now there is one")
    acme.call("sender", "approve", "acme", "ACME")
    assert [closed(acme, draft)[0] for draft in (unnamed, untitled)] == [0, 0]


def test_the_last_credit_of_a_draft(acme: Desk) -> None:
    """Those are sent for whom it lasts, in their order."""
    acme.call("credit", "add", "acme", "--", "-98")
    draft = opened(acme)
    acme.call("draft", "add", draft, A, B, C)
    code, results = closed(acme, draft)
    assert (code, [one["state"] for one in results]) == (1, ["queued", "queued", None])
    assert results[2]["error"]["code"] == "credit_exhausted"
    assert credit_of(acme) == 0


def test_a_draft_is_cancelled(acme: Desk) -> None:
    """One recipient or all; after that it takes no more."""
    draft = opened(acme)
    acme.call("draft", "add", draft, A, B)
    acme.call("message", "cancel", f"{draft}-1")
    assert states(acme, draft) == {A: "cancelled", B: "held"}
    code, results = closed(acme, draft)
    assert (code, [one["number"] for one in results]) == (0, [B])
    assert states(acme, draft) == {A: "cancelled", B: "queued"}
    assert credit_of(acme) == 99


@pytest.mark.parametrize("verb", [("add", A), ("set", "--text", "x"), ("close",), ("show",)])
def test_a_draft_that_is_closed_or_not_there(acme: Desk, verb: tuple[str, ...]) -> None:
    """Each command says so in one line; the code of a closed one is its own."""
    name, *arguments = verb
    assert acme.call("draft", name, "0" * 26, *arguments).error == f"no message has the id {'0' * 26}"
    draft = opened(acme)
    acme.call("draft", "add", draft, B)
    closed(acme, draft)
    assert acme.call("draft", name, draft, *arguments).error == f"message {draft} is not open any more"
    refused = acme.call("draft", name, draft, *arguments, "--json")
    assert json.loads(refused.err)["error"]["code"] == "state_wrong"


def test_wrong_usage(acme: Desk) -> None:
    """Nothing to change, nobody to add, no account; a number that is none is named, and adds nobody."""
    draft = opened(acme)
    told = acme.call("draft", "set", draft)
    assert (told.code, told.out) == (2, "")
    assert "name something to change, as --text" in told.err
    assert acme.call("draft", "add", draft).code == 2
    assert acme.call("draft", "open", "hello").code == 2
    assert acme.call("draft", "open", "--account", "nobody", "hello").error == "no account is named nobody"
    assert acme.call("draft", "add", draft, A, "123").error.startswith("123: ")
    assert states(acme, draft) == {}


def test_a_draft_across_processes(acme: Desk) -> None:
    """It is kept in the database: each step may be a process of its own."""
    draft = acme.run("draft", "open", "--account", "acme", "-", stdin="שלום").out.strip()
    assert acme.run("draft", "add", draft, "0502345678").code == 0
    (one,) = acme.run("draft", "close", draft, "--json").json
    assert (one["number"], one["state"]) == (A, "queued")
    assert acme.run("draft", "close", draft).error == f"message {draft} is not open any more"
