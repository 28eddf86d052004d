"""Carriers on the command line: what there is, and what can be asked of it."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from bridge.carriers import registry
from bridge.carriers.http import HttpCarrier, UpstreamSettings
from bridge.clock import Clock
from bridge.model.errors import Trouble
from tests.bridge.cli.conftest import Desk
from tests.support.upstream import Answer, Server

PUBLIC_URL = "https://sms.example.com/"
SECRET = "the-last-part-of-the-path"
TABLES = f"""
[carriers.main]
kind = "http"
url = "https://gateway.example.com/send"
auth = "bearer"
token = "hush-hush"
fields = {{ to = "{{{{to}}}}", text = "{{{{text}}}}", report = "{{{{callback_url}}}}" }}
id = "/id"
callback_secret = "{SECRET}"
"""


@pytest.fixture
def two(desk: Desk) -> Desk:
    """A desk with a carrier of kind http beside the sandbox."""
    text = desk.file.read_text(encoding="utf-8")
    text, count = re.subn("^public_url = .*$", f'public_url = "{PUBLIC_URL}"', text, flags=re.MULTILINE)
    assert count == 1
    desk.file.write_text(text + TABLES, encoding="utf-8")
    return desk


def test_list_names_the_carriers_and_what_they_can(two: Desk) -> None:
    """In the order of the file; without a secret in the URL nobody calls."""
    rows = two.call("carrier", "list", "--json").json
    assert {row["name"]: (row["kind"], row["takes_own_id"], row["can"]) for row in rows} == {
        "sandbox": ("sandbox", True, ""),
        "main": ("http", False, "called"),
    }
    assert "gateway" not in two.call("carrier", "list").out


def test_show_hides_secrets_and_shows_urls(two: Desk) -> None:
    """What is set, as it is set; the secret part of the URLs only where it is asked for."""
    shown = two.call("carrier", "show", "main").out
    assert "https://gateway.example.com/send" in shown
    assert "https://sms.example.com/carriers/main/callback/…" in shown
    assert "time_format" not in shown
    assert "hush" not in shown + two.call("carrier", "show", "main", "--json").out
    assert SECRET not in shown
    told = two.call("carrier", "show", "main", "--secrets", "--json").json
    assert told["callback_url"] == f"https://sms.example.com/carriers/main/callback/{SECRET}"
    assert told["inbound_url"] == f"https://sms.example.com/carriers/main/inbound/{SECRET}"
    assert (told["method"], told["token"]) == ("POST", "**********")
    assert "callback_url" not in two.call("carrier", "show", "sandbox", "--json").json


def test_what_a_kind_cannot_is_said(two: Desk) -> None:
    """With the place and the kind; a name that there is not, with those that there are."""
    assert two.call("carrier", "setup", "main").error.startswith(
        "carriers.main: a carrier of kind 'http' cannot be told"
    )
    assert (
        two.call("carrier", "credit", "sandbox").error
        == "carriers.sandbox: a carrier of kind 'sandbox' tells no credit"
    )
    for command in ("show", "setup", "credit"):
        assert two.call("carrier", command, "other").error == "no carrier is called 'other'; there is sandbox, main"


def test_check_knows_the_urls_of_a_carrier(two: Desk) -> None:
    """A carrier that sends its own URL opens where public_url is set, and says what is missing where it is not."""
    assert {row["part"]: row["ok"] for row in two.call("check", "--json").json}["carrier main"] is True
    text = two.file.read_text(encoding="utf-8").replace(f'"{PUBLIC_URL}"', '""')
    two.file.write_text(text, encoding="utf-8")
    checked = two.call("check")
    assert checked.code == 1
    assert "{{callback_url}} needs public_url and callback_secret" in checked.out


class Able(HttpCarrier):
    """A kind that can be set up, and tells its credit."""

    def __init__(self, name: str, settings: UpstreamSettings, *, clock: Clock) -> None:
        super().__init__(name, settings, clock=clock, urls=[URL[0]])

    async def credit(self) -> str:
        return str((await self.question("GET", URL[0])).json()["left"])

    def receive(self, call: object) -> None:
        raise NotImplementedError

    async def set_up(self, *, callback_url: str, inbound_url: str) -> Sequence[str]:
        if self.urls is None:
            raise Trouble("no URLs")
        assert (self.urls.callback, self.urls.inbound) == (callback_url, inbound_url)
        return [f"reports go to {callback_url.rpartition('/')[0]}", f"replies to {inbound_url.rpartition('/')[0]}"]


URL = [""]


@contextmanager
def served(answer: Answer) -> Iterator[str]:
    """Serve an answer from a thread of its own: a command has an event loop of its own."""
    up, done = threading.Event(), threading.Event()
    server = Server(lambda _: answer)

    async def main() -> None:
        async with server.serving():
            up.set()
            await asyncio.to_thread(done.wait)

    thread = threading.Thread(target=asyncio.run, args=(main(),))
    thread.start()
    assert up.wait(10)
    try:
        yield server.url
    finally:
        done.set()
        thread.join()


def test_setup_and_credit_of_a_kind_that_can(two: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each line of what was done is shown; an upstream that does not answer is one line of reason."""
    monkeypatch.setattr(registry, "KINDS", {**registry.KINDS, "able": (UpstreamSettings, Able)})
    monkeypatch.setattr("bridge.config.KINDS", registry.KINDS)
    settings = two.file.read_text(encoding="utf-8")
    two.file.write_text(f'{settings}\n[carriers.able]\nkind = "able"\n', encoding="utf-8")
    URL[0] = "http://127.0.0.1:9/"
    assert "set public_url and callback_secret first" in two.call("carrier", "setup", "able").error
    two.file.write_text(f'{settings}\n[carriers.able]\nkind = "able"\ncallback_secret = "{SECRET}"\n', encoding="utf-8")
    base = "https://sms.example.com/carriers/able"
    done = [f"reports go to {base}/callback", f"replies to {base}/inbound"]
    assert two.call("carrier", "setup", "able").out.splitlines() == done
    assert two.call("carrier", "setup", "able", "--json").json == {"carrier": "able", "done": done}
    (row,) = [row for row in two.call("carrier", "list", "--json").json if row["name"] == "able"]
    assert row["can"] == "called, credit, setup"
    assert two.call("carrier", "credit", "able").error.startswith("able: not reached")


def test_credit_is_what_the_upstream_says(two: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it writes it."""
    monkeypatch.setattr(registry, "KINDS", {**registry.KINDS, "able": (UpstreamSettings, Able)})
    monkeypatch.setattr("bridge.config.KINDS", registry.KINDS)
    settings = two.file.read_text(encoding="utf-8")
    two.file.write_text(f'{settings}\n[carriers.able]\nkind = "able"\n', encoding="utf-8")
    with served(Answer.of({"left": "12.50 EUR"})) as url:
        URL[0] = url
        assert two.call("carrier", "credit", "able").out == "able has 12.50 EUR\n"
        assert two.call("carrier", "credit", "able", "--json").json == {"carrier": "able", "credit": "12.50 EUR"}
