"""Calls that customers' programs have still to get, written with the change they tell of."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import event

from bridge.model.message import Inbound, Outcome, Report
from bridge.model.state import FINAL, State
from bridge.pipeline import reports
from bridge.pipeline.inbound import Words, keep
from bridge.store import accounts, callbacks, events, messages
from bridge.store.callbacks import INCOMING_FIELDS, REPORT_FIELDS, Call, host_of
from bridge.store.engine import Store
from bridge.store.events import NewEvent
from tests.support.clock import START, HandClock
from tests.support.desk import Desk
from tests.support.texts import number

A, B = number(5678), number(5679)
URL = "https://example.com:8443/reports?x=1"


class Office(Desk):
    """A desk that looks at what is to be called."""

    def urls(self, account: int = 1, **urls: str | None) -> None:
        """Name an account's URLs."""
        self.change(partial(accounts.set_urls, account_id=account, urls=urls))

    def waiting(self) -> list[Call]:
        """Return all calls, in the order in which they were written."""

        def look(connection: Any) -> list[Call]:
            hosts = callbacks.waiting_hosts(connection)
            found = [call for host in hosts for call in callbacks.due(connection, host, now=self.clock.ms, limit=1000)]
            assert len(found) == callbacks.count(connection)
            return sorted(found, key=lambda call: call.id)

        return self.read(look)

    def told(self) -> list[tuple[str, str]]:
        """Return recipient and status of each call."""
        return [(call.fields["dest"], call.fields["status"]) for call in self.waiting()]

    def move(self, message_id: str | None, position: int, kind: str, **data: Any) -> None:
        """Write the event of a move."""
        row = (1, kind, message_id, position, data)
        self.change(lambda connection: events.add(connection, [row], now=self.clock.ms))


@pytest.fixture
def office(any_store: Store, clock: HandClock) -> Office:
    """Two accounts without a URL."""
    made = Office(any_store, clock)
    made.account()
    made.account("other")
    return made


def test_a_report(office: Office) -> None:
    """It has all its fields, as strings, and goes to the message's own URL."""
    receipt = office.submit(A, B, callback_url=URL, reference="order 7 – ש", text="x" * 161)
    (row, _) = office.claim()
    office.end(row, Outcome.accepted("c1"))
    assert office.waiting() == []
    office.clock.advance(ms=1500)
    office.move(receipt.message_id, 1, State.UNDELIVERED, reason="switched\0 off \ud800")
    (call,) = office.waiting()
    assert tuple(name for name in REPORT_FIELDS if name in call.fields) == REPORT_FIELDS
    assert call.fields == {
        "service": "sms_report",
        "message_id": receipt.message_id,
        "recipient_id": f"{receipt.message_id}-1",
        "reference": "order 7 – ש",
        "dest": A,
        "status": "undelivered",
        "reason": "switched off ?",
        "parts": "2",
        "time": "2030-01-01T12:00:01Z",
        "event_id": f"{receipt.message_id}-1-undelivered-{office.clock.ms}",
    }
    assert (call.url, call.host, call.attempts, call.created_at) == (URL, "example.com:8443", 0, office.clock.ms)


@pytest.mark.parametrize("state", list(State))
def test_which_moves_are_told(office: Office, state: State) -> None:
    """Every end of a text, and nothing on the way there."""
    receipt = office.submit(A, callback_url=URL)
    office.move(receipt.message_id, 1, state)
    assert office.told() == ([(A, str(state))] if state in FINAL else [])


def test_whose_url_is_called(office: Office) -> None:
    """The message's own before the account's; where there is neither nobody is called, nor for another account."""
    office.urls(2, report_url="https://other.example/")
    plain = office.submit(A)
    office.move(plain.message_id, 1, State.DELIVERED)
    assert office.waiting() == []
    office.urls(1, report_url="https://account.example/", inbound_url="https://in.example/")
    own = office.submit(A, callback_url=URL)
    for receipt in (plain, own):
        office.move(receipt.message_id, 1, State.DELIVERED)
    assert [(call.host, call.account_id) for call in office.waiting()] == [
        ("account.example", 1),
        ("example.com:8443", 1),
    ]


def test_each_way_a_text_comes_to_its_end(office: Office) -> None:
    """The carrier's refusal, its report, a lifetime that is over, a lost answer, a person's hand: each is told once."""
    office.urls(1, report_url=URL)
    refused, lost, sent, stale, held = (office.submit(number(index), lifetime=timedelta(hours=1)) for index in range(5))
    office.change(lambda connection: messages.cancel(connection, held.message_id or "", None, now=office.clock.ms))
    rows = {row.message_id: row for row in office.claim(3)}
    office.end(rows[refused.message_id or ""], Outcome.refused("no such number"))
    office.end(rows[lost.message_id or ""], Outcome.unknown("hung up"))
    office.end(rows[sent.message_id or ""], Outcome.accepted("c1"))
    said = Report(carrier="a", carrier_id="c1", state=State.DELIVERED, at=START)
    for _ in range(2):  # a carrier says it twice
        office.change(lambda connection: reports.apply(connection, [said], now=office.clock.ms))
    office.clock.advance(seconds=3600)
    assert office.claim() == []
    told = [(one.fields["dest"], one.fields["status"], one.fields["reason"]) for one in office.waiting()]
    assert told == [
        (number(4), "cancelled", "cancelled by the operator"),
        (number(0), "refused", "no such number"),
        (number(1), "unknown", "hung up"),
        (number(2), "delivered", ""),
        (number(3), "expired", "not sent within its lifetime"),
    ]
    assert stale.message_id is not None
    assert len({one.fields["event_id"] for one in office.waiting()}) == 5


def test_what_is_rolled_back_calls_nobody(office: Office) -> None:
    """A call is written in the transaction of its change, and goes with it."""
    receipt = office.submit(A, callback_url=URL)
    with pytest.raises(RuntimeError), office.store.write() as connection:  # noqa: PT012 - the transaction is the point
        events.add(connection, [(1, State.DELIVERED, receipt.message_id, 1, {})], now=0)
        raise RuntimeError
    assert office.waiting() == []


def counted(office: Office, work: Callable[[], None]) -> int:
    """Return how many statements a piece of work takes."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    event.listen(office.store.engine, "before_cursor_execute", note)
    work()
    event.remove(office.store.engine, "before_cursor_execute", note)
    return sum("callbacks" in statement for statement in seen)


def test_one_statement_for_many_moves(office: Office) -> None:
    """However many texts end at once; and none where none does."""
    receipt = office.submit(*map(number, range(50)), callback_url=URL)
    rows: list[NewEvent] = [(1, State.DELIVERED, receipt.message_id, place, {}) for place in range(1, 51)]
    assert counted(office, lambda: office.change(lambda connection: events.add(connection, rows, now=0))) == 1
    assert len(office.waiting()) == 50
    on_the_way: list[NewEvent] = [
        (1, State.SENT, receipt.message_id, 1, {}),
        (1, State.REFUSED, receipt.message_id, None, {}),
    ]
    assert counted(office, lambda: office.change(lambda connection: events.add(connection, on_the_way, now=0))) == 0


def test_a_text_from_a_phone(office: Office) -> None:
    """It is told to the account that texted the phone last, where that names a URL for these."""
    texts = iter(range(100))

    def hear(sender: str, text: str) -> None:
        own = str(next(texts))
        inbound = Inbound(carrier="a", carrier_id=own, sender=sender, to="1234", text=text, at=START)
        office.change(lambda connection: keep(connection, inbound=inbound, words=Words(), now=office.clock.ms))

    receipt = office.submit(A)
    hear(A, "nobody is called")
    office.urls(1, inbound_url="http://example.com/in")
    hear(A, "כן & more=1")
    hear(B, "of no account")
    (call,) = office.waiting()
    assert tuple(name for name in INCOMING_FIELDS if name in call.fields) == INCOMING_FIELDS
    assert call.fields == {
        "service": "sms_receive",
        "id": "2",
        "from": A,
        "to": "1234",
        "msg": "כן & more=1",
        "time": "2030-01-01T12:00:00Z",
        "message_id": receipt.message_id,
        "recipient_id": f"{receipt.message_id}-1",
    }
    assert (call.host, call.url) == ("example.com", "http://example.com/in")


def test_hosts_and_what_is_due(office: Office) -> None:
    """Each host has the time of its next call; calls come in the order of their times."""
    for host in ("b.example", "a.example:81", "a.example"):
        receipt = office.submit(A, B, callback_url=f"https://{host}/")
        office.move(receipt.message_id, 1, State.DELIVERED)
        office.clock.advance(ms=10)
        office.move(receipt.message_id, 2, State.DELIVERED)
    now = office.clock.ms

    def look(connection: Any) -> None:
        hosts = callbacks.waiting_hosts(connection)
        assert {host: each.due_at for host, each in hosts.items()} == {
            "b.example": now - 30,
            "a.example:81": now - 20,
            "a.example": now - 10,
        }
        assert {each.account_id for each in hosts.values()} == {1}
        assert len(callbacks.due(connection, "a.example", now=now, limit=5)) == 2
        assert len(callbacks.due(connection, "a.example", now=now, limit=1)) == 1
        assert len(callbacks.due(connection, "a.example", now=now - 1, limit=5)) == 1

    office.read(look)
    first = office.waiting()[0]
    office.change(lambda connection: callbacks.failed(connection, first.id, reason="busy", due_at=now + 1))
    assert office.read(callbacks.waiting_hosts)["b.example"].due_at == now - 20
    office.change(lambda connection: callbacks.made(connection, first.id))
    assert office.read(callbacks.count) == 5


def test_what_is_too_old(office: Office) -> None:
    """At the limit a call is given up, with why it failed last; a moment before it is not."""
    receipt = office.submit(A, B, callback_url=URL)
    office.move(receipt.message_id, 1, State.DELIVERED)
    (call,) = office.waiting()
    office.change(lambda connection: callbacks.failed(connection, call.id, reason="busy", due_at=0))
    office.clock.advance(ms=1)
    office.move(receipt.message_id, 2, State.DELIVERED)
    at = call.created_at
    give_up = partial(callbacks.overdue, limit=10)
    assert office.change(lambda connection: give_up(connection, before=at - 1)) == []
    ((lost, reason),) = office.change(lambda connection: give_up(connection, before=at))
    assert (lost.id, lost.attempts, reason) == (call.id, 1, "busy")
    assert office.told() == [(B, "delivered")]


@pytest.mark.parametrize(
    "url", ["https://example.com/", "http://example.com:81/a//b", "http://[2001:4860:4860::8888]:1/"]
)
def test_the_host_of_a_url(office: Office, url: str) -> None:
    """The database takes it out of a URL as the program does."""
    receipt = office.submit(A, callback_url=url)
    office.move(receipt.message_id, 1, State.DELIVERED)
    assert office.waiting()[0].host == host_of(url)
