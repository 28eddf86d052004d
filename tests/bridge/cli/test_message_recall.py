"""`message cancel` of what a carrier has: the command asks it by itself, from a process beside the bridge."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bridge.model.state import State
from bridge.store.engine import Store
from tests.bridge.cli.conftest import Desk
from tests.bridge.cli.test_message import _states, _take
from tests.support.clock import HandClock
from tests.support.hosted import hosted, toml
from tests.support.smsc_server import SmscServer, Text
from tests.support.texts import add_account, number


@pytest.fixture
def upstream() -> Iterator[SmscServer]:
    """SMSC, in a thread of its own: the command has an event loop of its own."""
    server = SmscServer(apikey=True)
    with hosted(server):
        yield server


@pytest.fixture
def counter(desk: Desk, upstream: SmscServer, any_url: str, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A desk on a database of each kind, with the carrier ``main`` beside the sandbox."""
    monkeypatch.setenv("SMSBRIDGE_DATABASE", any_url)
    text = desk.file.read_text(encoding="utf-8")
    desk.file.write_text(f"{text}\n[carriers.main]\n{toml(upstream.table())}", encoding="utf-8")
    return desk


def has(upstream: SmscServer, message_id: str, *statuses: int) -> None:
    """Let the provider have the texts of a message, each with a status."""
    for position, status in enumerate(statuses, start=1):
        upstream.texts.append(Text(id=f"{message_id}-{position}", phone=number(position - 1)[1:], status=status))


def test_a_text_is_taken_back(counter: Desk, upstream: SmscServer, any_store: Store, clock: HandClock) -> None:
    """What waits there ends here, what is on its way stays with the provider's words, what never left is cancelled."""
    add_account(any_store)
    message_id = _take(any_store, clock, State.SENT, State.SENT, State.QUEUED, carrier="main")
    has(upstream, message_id, -1, 0)
    shown = counter.call("message", "cancel", message_id, "--json").json
    assert [(one["before"], one["state"], one["said"]) for one in shown] == [
        ("sent", "undelivered", ""),
        ("sent", "sent", "status 0: given to the operator"),
        ("queued", "cancelled", ""),
    ]
    assert _states(counter, message_id) == ["undelivered", "sent", "cancelled"]
    assert [text.id for text in upstream.texts] == [f"{message_id}-2"]
    told = counter.call("message", "show", message_id, "--json").json
    assert told["recipients"][0]["reason"] == "taken back by the operator"
    assert [(event["kind"], event["recipient"]) for event in told["events"]] == [
        ("cancelled", 3),
        ("recall", 1),
        ("recall", 2),
        ("undelivered", 1),
    ]


def test_a_table_has_the_providers_words(
    counter: Desk, upstream: SmscServer, any_store: Store, clock: HandClock
) -> None:
    """A person sees in one line why a text stays."""
    add_account(any_store)
    message_id = _take(any_store, clock, State.SENT, State.SENT, carrier="main")
    has(upstream, message_id, -1, 0)
    lines = counter.call("message", "cancel", message_id).out.splitlines()
    assert lines[0].split() == ["id", "number", "before", "state", "said"]
    assert lines[2].split(maxsplit=4) == [
        f"{message_id}-2", number(1), "sent", "sent", "status 0: given to the operator"
    ]  # fmt: skip


def test_where_nothing_comes_of_it(counter: Desk, upstream: SmscServer, any_store: Store, clock: HandClock) -> None:
    """The one line says how the text stands, and what each carrier said."""
    add_account(any_store)
    message_id = _take(any_store, clock, State.SENT, State.UNKNOWN, carrier="main")
    has(upstream, message_id, 1)
    assert counter.call("message", "cancel", message_id).error == (
        f"{message_id} is sent, unknown; this needs held or scheduled or queued;"
        " main: status 1: delivered; main: there is no such text"
    )
    assert _states(counter, message_id) == ["sent", "unknown"]


def test_a_provider_that_is_away(counter: Desk, upstream: SmscServer, any_store: Store, clock: HandClock) -> None:
    """What never left is cancelled all the same; of the other one the reason is told, and the store has it."""
    add_account(any_store)
    message_id = _take(any_store, clock, State.SENT, State.QUEUED, carrier="main")
    upstream.said = b""
    shown = counter.call("message", "cancel", message_id, "--json").json
    assert [(one["state"], one["said"]) for one in shown] == [("sent", "the answer is empty"), ("cancelled", "")]
    assert counter.call("message", "cancel", f"{message_id}-1").error.endswith("; main: the answer is empty")
    events = counter.call("message", "show", message_id, "--json").json["events"]
    assert [event["data"]["done"] for event in events if event["kind"] == "recall"] == [False, False]


@pytest.mark.parametrize("carrier", ["sandbox", "gone"])
def test_carriers_that_are_not_asked(
    counter: Desk, upstream: SmscServer, any_store: Store, clock: HandClock, carrier: str
) -> None:
    """One that takes no text back, and one that is not configured any more, are as if there were none."""
    add_account(any_store)
    message_id = _take(any_store, clock, State.SENT, carrier=carrier)
    told = counter.call("message", "cancel", message_id).error
    assert told == f"{message_id} is sent; this needs held or scheduled or queued"
    assert upstream.calls_seen == []


def test_a_carrier_that_does_not_open(counter: Desk, upstream: SmscServer, any_store: Store, clock: HandClock) -> None:
    """Its reason is told; what never left is cancelled before."""
    add_account(any_store)
    message_id = _take(any_store, clock, State.SENT, State.QUEUED, carrier="main")
    text = counter.file.read_text(encoding="utf-8").partition("[carriers.main]")[0]
    text = text.replace('public_url = "http://127.0.0.1:8080"', 'public_url = ""')
    table = {"kind": "openapi", "version": 1, "default_sender": "ACME", "token": "x"}
    table["callback_secret"] = "a-secret-of-a-path-7"
    counter.file.write_text(f"{text}[carriers.main]\n{toml(table)}", encoding="utf-8")
    first, second = counter.call("message", "cancel", message_id, "--json").json
    assert second["state"] == "cancelled"
    assert first["said"] == "carriers.main: callback_secret needs public_url: together they are the URL"
