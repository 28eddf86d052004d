"""``smsbridge route explain``: which way a text would take, and why not another."""

from __future__ import annotations

from typing import Any

import pytest

from tests.bridge.cli.conftest import Desk

ROUTES = """
[carriers.main]
kind = "sandbox"
[carriers.spare]
kind = "sandbox"
[[routes]]
name = "alarms"
priority = "high"
carriers = ["spare"]
[[routes]]
name = "home"
countries = ["IL"]
accounts = ["acme"]
carriers = ["spare", "main", "sandbox"]
weights = { main = 3, sandbox = 1 }
[[routes]]
name = "britain"
prefixes = ["+44"]
carriers = ["main"]
"""


@pytest.fixture
def routed(acme: Desk) -> Desk:
    """A desk with an account and some routes."""
    acme.file.write_text(acme.file.read_text(encoding="utf-8") + ROUTES, encoding="utf-8")
    return acme


def explained(desk: Desk, *arguments: str) -> Any:
    """Return what is said as JSON."""
    return desk.call("route", "explain", *arguments, "--json").json


def test_the_route_with_its_carriers(routed: Desk) -> None:
    """A local number is read as the account dials; carriers stand in the order in which they are asked."""
    told = explained(routed, "0502345678", "--account", "acme")
    assert (told["number"], told["country"], told["account"]) == ("+972502345678", "IL", "acme")
    assert (told["sender"], told["priority"], told["route"]) == (None, "normal", "home")
    assert told["carriers"] == [
        {"carrier": "main", "weight": 3, "share": 0.75},
        {"carrier": "sandbox", "weight": 1, "share": 0.25},
        {"carrier": "spare", "weight": None, "share": 0.0},
    ]
    assert told["routes"] == [
        {"route": "alarms", "takes_it": False, "against": ["the priority is below high"]},
        {"route": "home", "takes_it": True, "against": []},
        {"route": "britain", "takes_it": False, "against": ["home takes it before"]},
    ]


def test_a_person_reads_the_same(routed: Desk) -> None:
    """On lines."""
    said = routed.call("route", "explain", "0502345678", "--account", "acme")
    assert said.code == 0
    assert [line.rstrip() for line in said.out.splitlines()] == [
        "number   +972502345678 (IL)",
        "account  acme",
        "priority normal",
        "route    home",
        "  1. main, first for 75.0% of the texts",
        "  2. sandbox, first for 25.0% of the texts",
        "  3. spare",
        "not by",
        "  alarms   the priority is below high",
        "  britain  home takes it before",
    ]


def test_priority_comes_first(routed: Desk) -> None:
    """In any case; what follows says who was before."""
    told = explained(routed, "+442071838750", "--priority", "HIGH")
    assert told["route"] == "alarms"
    assert told["carriers"] == [{"carrier": "spare", "weight": None, "share": None}]


def test_no_route(routed: Desk) -> None:
    """Every reason is named, and the exit code is 1."""
    said = routed.call("route", "explain", "+33612345678")
    assert said.code == 1
    assert "route    none takes it" in said.out
    assert "the number is of FR, not of IL; the account is not acme" in said.out


def test_a_sender_that_is_not_approved_is_refused(routed: Desk) -> None:
    """As a text from it would be."""
    said = routed.call("route", "explain", "0502345678", "--account", "acme", "--sender", "Nobody")
    assert (said.code, said.out) == (1, "")
    assert "Nobody" in said.error or "approved" in said.error


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["12"], 1), (["0502345678", "--account", "nobody"], 1), (["0502345678", "--priority", "x"], 2)],
)
def test_what_cannot_be_explained(routed: Desk, arguments: list[str], code: int) -> None:
    """No number, no such account, no such priority."""
    said = routed.call("route", "explain", *arguments)
    assert (said.code, said.out) == (code, "")
