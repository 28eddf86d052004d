"""Receipts, as centres spell them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.carriers.smpp import receipt
from bridge.carriers.smpp.pdu import Tag
from bridge.carriers.smpp.receipt import Ids, Receipt
from bridge.model.state import State

SPELLINGS = {
    "appendix B": "id:1A2B3C sub:001 dlvrd:001 submit date:2611200900 done date:2611200901 stat:DELIVRD err:000 text:",
    "capitals": "ID:1A2B3C SUB:001 DLVRD:001 SUBMIT DATE:2611200900 DONE DATE:2611200901 STAT:DELIVRD ERR:000 TEXT:",
    "other order": "stat:DELIVRD err:000 id:1A2B3C done date:2611200901 submit date:2611200900 text:",
    "spaces": "id: 1A2B3C sub: 001 submit date: 2611200900 done date: 2611200901 stat: DELIVRD err: 000 text:",
    "equals": "id=1A2B3C;sub=001;dlvrd=001;submit_date=2611200900;done_date=2611200901;stat=DELIVRD;err=000;text=Hi",
    "seconds": "id:1A2B3C sub:001 dlvrd:001 submit date:261120090000 done date:261120090100 stat:DELIVRD err:000 Text:",
    "in full": "id:1A2B3C submitdate:2611200900 donedate:20261120090100 status:DELIVERED error:000 text:",
    "no text": "id:1A2B3C sub:001 dlvrd:001 submit date:2611200900 done date:2611200901 stat:DELIVRD err:000",
    "a text that speaks": "id:1A2B3C done date:2611200901 stat:DELIVRD err:000 text: id:9 stat:EXPIRED err:7",
}


@pytest.mark.parametrize("written", SPELLINGS.values(), ids=SPELLINGS)
def test_the_usual_spellings_say_the_same(written: str) -> None:
    """Case, order, separators and forms of dates vary; what the text of the message says counts for nothing."""
    assert receipt.read(written, {}) == Receipt(
        id="1A2B3C", state=State.DELIVERED, error="000", at=datetime(2026, 11, 20, 9, 1, tzinfo=UTC)
    )


@pytest.mark.parametrize(("stat", "state"), [*receipt.STATES.items(), ("UNKNOWN", None), ("SKIPPED", None), ("", None)])
def test_states_by_their_word(stat: str, state: State | None) -> None:
    """Each word of the table in any case; one that is not there says nothing."""
    for written in (stat, stat.lower(), stat.capitalize()):
        assert receipt.read(f"id:7 stat:{written} err:0", {}).state is state


@pytest.mark.parametrize("code", range(10))
def test_optional_parameters_are_surer(code: int) -> None:
    """message_state and receipted_message_id stand above the text; where they say nothing the text does."""
    tlvs = {int(Tag.RECEIPTED_MESSAGE_ID): b"77\0", int(Tag.MESSAGE_STATE): bytes([code])}
    read = receipt.read("id:8 stat:EXPIRED", tlvs)
    assert read.id == "77"
    assert read.state is receipt.MESSAGE_STATES.get(code, State.EXPIRED)


@pytest.mark.parametrize(
    ("ids", "answered", "reported"),
    [
        (Ids.SAME, "00A7", "00A7"),
        (Ids.SAME, "no number", "no number"),
        (Ids.DECIMAL, "1A2B3C", "1715004"),
        (Ids.DECIMAL, "00001a2b3c", "1715004"),
        (Ids.DECIMAL, "0x1A2B3C", "0001715004"),
        (Ids.HEX, "1715004", "1A2B3C"),
        (Ids.HEX, "0001715004", "1a2b3c"),
        (Ids.HEX, "f3-77", "f3-77"),
    ],
)
def test_ids_meet(ids: Ids, answered: str, reported: str) -> None:
    """The id of an answer and that of its receipt are one, in whichever base each is written."""
    assert receipt.kept_id(answered, ids) == receipt.reported_id(reported, ids)


def test_ids_of_two_texts_do_not_meet() -> None:
    """With ids as they are, case and zeros tell."""
    assert receipt.kept_id("0a", Ids.SAME) != receipt.reported_id("a", Ids.SAME)
    assert receipt.kept_id("10", Ids.DECIMAL) != receipt.reported_id("10", Ids.DECIMAL)


@given(st.text(max_size=200), st.dictionaries(st.sampled_from([0x1E, 0x427]), st.binary(max_size=5)))
def test_nothing_breaks_it(text: str, tlvs: dict[int, bytes]) -> None:
    """Any text, any parameters: a receipt that may say nothing."""
    read = receipt.read(f"id:1 {text}", tlvs)
    assert read.state is None or read.state in State


@pytest.mark.parametrize("date", ["9999999999", "2613200900", "26112009", "", "26112x0900"])
def test_a_date_that_is_none_is_none(date: str) -> None:
    """The rest is read all the same."""
    read = receipt.read(f"id:1 done date:{date} stat:DELIVRD", {})
    assert (read.at, read.state) == (None, State.DELIVERED)
