"""Senders and contacts that are kept at a carrier's provider, added by command."""

from __future__ import annotations

import pytest

from tests.bridge.cli.conftest import Desk
from tests.bridge.cli.test_carrier import served
from tests.support.upstream import Answer

TABLE = """
[carriers.main]
kind = "maskyoo"
host = "{host}"
token = "token-0123456789abcdef"
default_sender = "ACME"
"""


@pytest.fixture
def settings(desk: Desk) -> str:
    """The desk's own settings."""
    return desk.file.read_text(encoding="utf-8")


def test_a_provider_is_asked_for_a_sender_and_a_contact(desk: Desk, settings: str) -> None:
    """What it answers is shown as it is."""
    with served(Answer(body=b"<r>noted</r>", media_type="text/xml")) as host:
        desk.file.write_text(settings + TABLE.format(host=host), encoding="utf-8")
        assert desk.call("carrier", "sender", "main", "ACME").out == "main says: <r>noted</r>\n"
        told = desk.call("carrier", "contact", "main", "050-234-5678", "ann@example.com", "--name", "Ann", "--json")
        assert told.json == {"carrier": "main", "number": "+972502345678", "answer": "<r>noted</r>"}
        assert "letters" in desk.call("carrier", "contact", "main", "nobody", "ann@example.com").error
        (row,) = [row for row in desk.call("carrier", "list", "--json").json if row["name"] == "main"]
        assert row["can"] == "credit, register"
        error = desk.call("carrier", "credit", "main").error
        assert error == "carriers.main: set credit_service; its name is on no public page"


def test_what_keeps_neither_says_so(desk: Desk) -> None:
    """With the place and the kind."""
    for words in (("sender", "sandbox", "ACME"), ("contact", "sandbox", "0502345678", "ann@example.com")):
        assert desk.call("carrier", *words).error.startswith("carriers.sandbox: a carrier of kind 'sandbox' keeps no")
    assert "no carrier is called 'other'" in desk.call("carrier", "sender", "other", "ACME").error
