"""What travels: ids, values, and what they refuse."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.model import message
from bridge.model.message import (
    Inbound,
    Outcome,
    Priority,
    Report,
    Verdict,
    new_message_id,
    recipient_id,
    split_recipient_id,
)
from bridge.model.state import State

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
ID = "0" * 26


def test_a_message_id_has_its_form() -> None:
    """26 lower-case hex digits, and no two alike."""
    made = [new_message_id(NOW) for _ in range(1_000)]
    assert len(set(made)) == len(made)
    assert all(len(one) == 26 and set(one) <= set("0123456789abcdef") for one in made)


def test_later_ids_sort_later() -> None:
    """To the millisecond, and whatever the zone of the clock."""
    east = timezone(timedelta(hours=9))
    moments = [NOW, (NOW + timedelta(milliseconds=1)).astimezone(east), NOW + timedelta(days=20_000)]
    made = [new_message_id(moment) for moment in moments]
    assert made == sorted(made)
    assert [one[:12] for one in made] == sorted({one[:12] for one in made})


@given(st.text("0123456789abcdef", min_size=26, max_size=26), st.integers(1, 999_999_999))
def test_a_recipient_id_is_undone(message_id: str, position: int) -> None:
    """Splitting gives back what was joined, in at most 36 characters."""
    joined = recipient_id(message_id, position)
    assert split_recipient_id(joined) == (message_id, position)
    assert len(joined) <= 36


@pytest.mark.parametrize(
    "value",
    [
        "",
        "-",
        ID,
        f"{ID}-",
        f"{ID}-0",
        f"{ID}-01",
        f"{ID}-x",
        f"{ID}--1",
        f"{ID}-1-1",
        f"{ID}- 1",
        f"{ID}-1_0",
        f"{ID}-+1",
        f"{ID}-٣",
        f"{ID}-1\n",
        f"{ID}-9999999999",
        f"{ID[1:]}-1",
        f"{'G' * 26}-1",
        f"{'A' * 26}-1",
        "\0" * 26 + "-1",
    ],
)
def test_what_is_no_recipient_id_is_refused(value: str) -> None:
    """It comes from outside: ValueError for all but the exact form, and never another error or a wrong row."""
    with pytest.raises(ValueError, match="not a recipient id"):
        split_recipient_id(value)


@pytest.mark.parametrize("kind", [Report, Inbound])
def test_times_have_a_zone(kind: type) -> None:
    """A time without a zone is refused where it enters."""
    fields = {
        Report: {"carrier": "a", "state": State.SENT, "carrier_id": "1"},
        Inbound: {"carrier": "a", "carrier_id": "1", "sender": "+1", "to": "+2", "text": "x"},
    }[kind]
    assert kind(**fields, at=NOW)
    with pytest.raises(ValueError, match=r"at has no time zone"):
        kind(**fields, at=NOW.replace(tzinfo=None))


@pytest.mark.parametrize("state", State)
def test_a_report_says_what_a_network_can_say(state: State) -> None:
    """Sent, delivered, undelivered, expired; nothing that would queue or cancel a text."""
    if state in {State.SENT, State.DELIVERED, State.UNDELIVERED, State.EXPIRED}:
        assert Report(carrier="a", state=state, at=NOW, carrier_id="1").state is state
    else:
        with pytest.raises(ValueError, match=f"no report says {state}"):
            Report(carrier="a", state=state, at=NOW, carrier_id="1")


def test_a_report_names_a_text() -> None:
    """By either id; one without both would fit every text without one."""
    assert Report(carrier="a", state=State.SENT, at=NOW, recipient_id=recipient_id(ID, 1)).carrier_id is None
    with pytest.raises(ValueError, match="names a text"):
        Report(carrier="a", state=State.SENT, at=NOW)


def test_outcomes() -> None:
    """Each of the four is made by a call of its own, with what belongs to it."""
    assert Outcome.accepted("7", raw="ok") == Outcome(verdict=Verdict.ACCEPTED, carrier_id="7", raw="ok")
    assert Outcome.refused("no such number") == Outcome(verdict=Verdict.REFUSED, reason="no such number")
    wait = timedelta(seconds=3)
    assert Outcome.deferred("busy", retry_after=wait) == Outcome(
        verdict=Verdict.DEFERRED, reason="busy", retry_after=wait
    )
    assert Outcome.unknown("cut", raw="?") == Outcome(verdict=Verdict.UNKNOWN, reason="cut", raw="?")


def test_the_scale_of_priority() -> None:
    """The four steps of SMPP, in their order."""
    assert [int(step) for step in Priority] == [0, 1, 2, 3]
    assert max(Priority) is Priority.URGENT


def test_values_are_frozen_and_named() -> None:
    """Nothing that travels can be changed, or filled by position."""
    kinds = [
        kind
        for kind in vars(message).values()
        if dataclasses.is_dataclass(kind) and isinstance(kind, type) and kind.__module__ == message.__name__
    ]
    assert len(kinds) >= 10
    for kind in kinds:
        assert kind.__dataclass_params__.frozen, kind  # type: ignore[attr-defined]
        assert all(field.kw_only for field in dataclasses.fields(kind)), kind
