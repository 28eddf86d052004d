"""Every error has a status of its own, and the table, the contract and the page of errors say the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.model.errors import BridgeError, OperatorError, Refusal, tree
from soap import results

ROOT = Path(__file__).parent.parent.parent


def test_the_table_is_total_and_no_status_has_two_meanings() -> None:
    """Each class of the tree has its own line, each line its own number; 0 is for what was taken alone."""
    assert set(results.TABLE) == set(tree())
    numbers = [line.status for line in results.TABLE.values()]
    assert len(set(numbers)) == len(numbers)
    assert results.TAKEN.status == 0
    assert all(100 <= number <= 999 for number in numbers)


@pytest.mark.parametrize("kind", tree(), ids=lambda kind: kind.__name__)
def test_the_hundreds_say_whether_to_try_again(kind: type[BridgeError]) -> None:
    """From 500 on the same call may succeed later, below not; what is ours, an operator's mistake too, is 9xx."""
    status = results.TABLE[kind].status
    assert (status >= 500) == (kind.temporary or issubclass(kind, OperatorError))
    assert (status >= 900) == (not issubclass(kind, Refusal))


def test_the_page_of_errors_has_every_status() -> None:
    """The column of docs/errors.md is the table."""
    page = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    told = dict(re.findall(r"^\| `(\w+)` \| \w+ \| `[^`]+` \| (\d+) \|", page, re.MULTILINE))
    assert told == {kind.code: str(line.status) for kind, line in results.TABLE.items()}


def test_the_contract_lists_every_status_that_an_answer_can_have() -> None:
    """The documentation of the WSDL has a line for 0 and for each refusal, with the table's words."""
    contract = (ROOT / "wsdl" / "smsbridge.wsdl").read_text(encoding="utf-8")
    told = re.findall(r"^      (\d{1,3}) (\S.*)$", contract, re.MULTILINE)
    wanted = [results.TAKEN, *(line for kind, line in results.TABLE.items() if issubclass(kind, Refusal))]
    assert told == [
        *((str(line.status), line.text) for line in sorted(wanted)),
        ("900", "to 999 trouble on our side; call again later"),
    ]


def test_an_error_of_a_class_that_the_table_has_not_gets_its_parent_s() -> None:
    """A class made elsewhere is answered as what it is a kind of."""

    class Newer(Refusal):
        code = "newer"

    assert results.result(Newer("because")) == (100, "because")
    assert results.result(None) == results.TAKEN


@given(reason=st.text(max_size=900), kind=st.sampled_from(tree()))
def test_any_reason_makes_one_short_line(reason: str, kind: type[BridgeError]) -> None:
    """One line without control characters; of what is ours nothing is told that the table does not say."""
    status, text = results.result(kind(reason))
    assert status == results.TABLE[kind].status
    assert 0 < len(text) <= 400
    assert text.isprintable()
    if not issubclass(kind, Refusal):
        assert text == results.TABLE[kind].text
