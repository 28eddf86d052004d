"""What the console and the gauges ask of the store, on every database."""

from dataclasses import replace

from sqlalchemy import update

from bridge.model.moment import to_ms
from bridge.model.state import State
from bridge.store import gauges, phones
from bridge.store.engine import Store
from bridge.store.tables import recipients
from tests.support import texts
from tests.support.clock import HandClock


def _set(store: Store, message_id: str, state: State, at: int) -> None:
    with store.write() as connection:
        connection.execute(
            update(recipients).where(recipients.c.message_id == message_id).values(state=state, updated_at=at)
        )


def test_waiting(any_store: Store) -> None:
    """Queued and sending are counted, and the oldest queued one is found, whatever its lane and priority."""
    account = texts.add_account(any_store)
    clock = HandClock()
    with any_store.read() as connection:
        assert gauges.waiting(connection) == gauges.Waiting(queued=0, sending=0, oldest=None)
    plans = []
    for lane in ("1", "2", "1", "2"):
        addressed = ((texts.number(1), None), (texts.number(2), None))
        plans.append(texts.make_plan(clock, addressed, account_id=account, lane=lane))
        clock.advance(seconds=1)
    texts.put(any_store, *plans)
    _set(any_store, plans[0].message.id, State.SENT, 1)
    _set(any_store, plans[2].message.id, State.SENDING, 1)
    with any_store.read() as connection:
        found = gauges.waiting(connection)
    assert found == gauges.Waiting(queued=4, sending=2, oldest=to_ms(plans[1].message.created_at))


def test_latest(any_store: Store) -> None:
    """The newest texts come first, as many as asked for, with all that is shown of them."""
    account = texts.add_account(any_store)
    clock = HandClock()
    first = texts.make_plan(clock, account_id=account, text="שלום\nעולם", sender="ACME")
    second = texts.make_plan(
        clock, ((texts.number(1), None), (texts.number(2), None)), account_id=account, text="x" * 200
    )
    texts.put(any_store, first, second)
    with any_store.read() as connection:
        assert [(one.message_id, one.position) for one in phones.latest(connection, limit=2)] == [
            (second.message.id, 2),
            (second.message.id, 1),
        ]
        found = phones.latest(connection, limit=10)[-1]
    assert found == phones.Shown(
        message_id=first.message.id,
        position=1,
        number=texts.number(5678),
        text="שלום\nעולם",
        sender="ACME",
        door="test",
        origin="ann@example.com",
        state="queued",
        reason=None,
        carrier=None,
        parts=1,
        created_at=clock.ms,
    )


def test_the_stamp_changes_with_what_is_shown(any_store: Store) -> None:
    """A new text and a move change it, also a move within one millisecond; what is too old to show does not."""
    account = texts.add_account(any_store)
    plans = [texts.make_plan(HandClock(), account_id=account) for _ in range(3)]

    def stamp() -> object:
        with any_store.read() as connection:
            return phones.stamp(connection, limit=2)

    seen = [stamp()]
    for plan in plans[:2]:
        texts.put(any_store, plan)
        seen.append(stamp())
    _set(any_store, plans[0].message.id, State.SENDING, 5)
    seen.append(stamp())
    _set(any_store, plans[0].message.id, State.SENT, 5)
    seen.append(stamp())
    assert len(set(seen)) == len(seen)
    assert stamp() == seen[-1]
    texts.put(any_store, plans[2])
    before = stamp()
    _set(any_store, plans[0].message.id, State.DELIVERED, 6)
    assert stamp() == before


def test_grouping() -> None:
    """The numbers that got a text last, each with its newest ones; neither more numbers nor more texts than asked."""
    sample = phones.Shown(
        message_id="",
        position=1,
        number="",
        text="",
        sender=None,
        door="test",
        origin="",
        state="sent",
        reason=None,
        carrier=None,
        parts=1,
        created_at=0,
    )
    newest_first = [replace(sample, number=to, message_id=str(index)) for index, to in enumerate("abacabbd")]
    grouped = phones.group(newest_first, numbers=3, each=2)
    assert [(one.number, [text.message_id for text in one.texts]) for one in grouped] == [
        ("a", ["0", "2"]),
        ("b", ["1", "5"]),
        ("c", ["3"]),
    ]
