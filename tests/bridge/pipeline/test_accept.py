"""The rules between a door and the store, at their edges."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.model.account import Account, Directory
from bridge.model.errors import AccountDisabled, NoText, Refusal, TextTooLong, TooManyRecipients
from bridge.model.message import Addressee, Priority, Submission
from bridge.model.state import State
from bridge.model.text import Encoding
from bridge.pipeline.accept import Plan, Rules, accept
from bridge.pipeline.routing import Route, Router
from tests.support.clock import START
from tests.support.texts import number

ROUTER = Router([Route(name="main", carriers=("a", "b")), Route(name="other", carriers=("c",))])
RULES = Rules(router=ROUTER, max_parts=3, max_recipients=4, lifetime=timedelta(hours=2))
DIRECTORY = Directory.of(
    1, [Account(id=1, name="acme", region="IL"), Account(id=2, name="closed", region=None, enabled=False)], []
)
SUBMISSION = Submission(
    account_id=1,
    door="test",
    origin="ann@example.com",
    recipients=(Addressee(number=number(1), key="k1"),),
    text="hello",
)


def plan(*, rules: Rules = RULES, **changes: Any) -> Plan:
    """Ask the rules, with something changed."""
    return accept(dataclasses.replace(SUBMISSION, **changes), directory=DIRECTORY, rules=rules, now=START)


def to(*numbers: str) -> tuple[Addressee, ...]:
    """Address numbers, each with a key of its own."""
    return tuple(Addressee(number=one, key=f"{place}:{one}") for place, one in enumerate(numbers))


def test_a_plan_is_all_that_is_committed() -> None:
    """The message keeps what the door said; the recipient is queued in the lane of its route."""
    made = plan(sender="Acme", reference="r-1", proof="dkim", priority=Priority.HIGH, text="שלום")
    message, (recipient,), (result,) = made.message, made.recipients, made.results
    assert (message.account_id, message.door, message.origin) == (1, "test", "ann@example.com")
    assert (message.sender, message.reference, message.proof) == ("Acme", "r-1", "dkim")
    assert (message.text, message.encoding, message.parts) == ("שלום", Encoding.UCS2, 1)
    assert (message.priority, message.created_at) == (Priority.HIGH, START)
    assert (recipient.message_id, recipient.position, recipient.number) == (message.id, 1, number(1))
    assert (recipient.key, recipient.state, recipient.lane, recipient.parts) == ("k1", State.QUEUED, "main", 1)
    assert (result.number, result.recipient_id) == (number(1), recipient.id)
    assert not result.duplicate
    assert result.refusal is None


@pytest.mark.parametrize(
    ("length", "own", "parts"),
    [
        (1, None, 1),
        (160, None, 1),
        (161, None, 2),
        (459, None, 3),
        (460, None, None),
        (306, 2, 2),
        (307, 2, None),
        (459, 9, 3),
        (460, 9, None),
        (459, 3, 3),
    ],
)
def test_parts(length: int, own: int | None, parts: int | None) -> None:
    """A text may take as many parts as the operator allows; a door may ask for fewer, never for more."""
    if parts is None:
        with pytest.raises(TextTooLong):
            plan(text="x" * length, max_parts=own)
        return
    made = plan(text="x" * length, max_parts=own)
    assert (made.message.parts, made.recipients[0].parts) == (parts, parts)


@pytest.mark.parametrize("text", ["", " ", "\n\t\r\n", "\u200b\u2060", "\0", "\ufeff"])
def test_no_text(text: str) -> None:
    """A text that shows nothing is refused."""
    with pytest.raises(NoText):
        plan(text=text)


def test_the_text_is_cleaned_before_it_is_measured() -> None:
    """What is kept is what is sent: no controls, one kind of line end, and the length is that of the result."""
    made = plan(text="x" * 160 + "\0\r\n \r\n")
    assert (made.message.text, made.message.parts) == ("x" * 160, 1)
    assert plan(text="half \ud83d pair").message.text == "half \ufffd pair"


@pytest.mark.parametrize(("count", "taken"), [(1, True), (4, True), (5, False)])
def test_recipients(count: int, *, taken: bool) -> None:
    """As many as the operator allows; one more is refused for now, so that the rest can come in another one."""
    recipients = to(*(number(place) for place in range(count)))
    if taken:
        assert len(plan(recipients=recipients).recipients) == count
        return
    with pytest.raises(TooManyRecipients, match="at most 4") as told:
        plan(recipients=recipients)
    assert told.value.temporary


def test_no_recipient() -> None:
    """A submission to nobody is refused: there is nothing to answer."""
    with pytest.raises(Refusal):
        plan(recipients=())


def test_a_number_twice_is_one_text() -> None:
    """The second mention stands under the first one's id, and the first one's key is kept."""
    made = plan(recipients=to(number(1), number(2), number(1), number(1)))
    assert [(one.position, one.number, one.key) for one in made.recipients] == [
        (1, number(1), f"0:{number(1)}"),
        (2, number(2), f"1:{number(2)}"),
    ]
    first, second = (one.id for one in made.recipients)
    assert [(one.recipient_id, one.duplicate) for one in made.results] == [
        (first, False),
        (second, False),
        (first, True),
        (first, True),
    ]


@pytest.mark.parametrize("account_id", [2, 404])
def test_an_account_that_may_not_send(account_id: int) -> None:
    """Closed or gone: refused, before anything else is looked at."""
    with pytest.raises(AccountDisabled):
        plan(account_id=account_id, text="", recipients=())


@pytest.mark.parametrize(
    ("asked", "lives"),
    [
        (None, timedelta(hours=2)),
        (timedelta(minutes=5), timedelta(minutes=5)),
        (timedelta(hours=2), timedelta(hours=2)),
        (timedelta(hours=2, seconds=1), timedelta(hours=2)),
        (timedelta.max, timedelta(hours=2)),
    ],
)
def test_lifetime(asked: timedelta | None, lives: timedelta) -> None:
    """A submission may live shorter than the operator's limit, never longer."""
    assert plan(lifetime=asked).message.expires_at == START + lives


@given(st.lists(st.integers(0, 5), min_size=1, max_size=10))
def test_every_addressee_has_a_result(wanted: list[int]) -> None:
    """In the order of the submission; the texts are as many as the different numbers, numbered from 1."""
    numbers = [number(one) for one in wanted]
    made = plan(recipients=to(*numbers), rules=dataclasses.replace(RULES, max_recipients=10))
    assert [one.number for one in made.results] == numbers
    assert [one.number for one in made.recipients] == list(dict.fromkeys(numbers))
    assert [one.position for one in made.recipients] == list(range(1, len(set(numbers)) + 1))
    assert sum(not one.duplicate for one in made.results) == len(set(numbers))
