"""The tables of the SMSC face: total, and told as they are."""

from __future__ import annotations

import pytest

from bridge.model import errors
from bridge.model.errors import InvalidNumber, LoginFailed, NoCredit, OperatorError, StoreFull, Trouble
from bridge.model.state import FINAL, State
from soap.faces.smsc_terms import CHARSETS, FAULTS, NAMES, STATUS, Code, Fault, decode, fault, meaning, money

_FINAL_CODES = {Code.DELIVERED, Code.EXPIRED, Code.IMPOSSIBLE}


@pytest.mark.parametrize("kind", errors.tree())
def test_every_error_has_a_number_or_none_where_it_is_ours(kind: type[errors.BridgeError]) -> None:
    """What the client can mend has a number; our trouble has none, and 9 is never said."""
    ours = issubclass(kind, Trouble | OperatorError) or kind is errors.BridgeError
    number = fault(kind("why"))
    assert (number is None) is ours
    assert number in {None, *range(1, 9)}


def test_the_table_of_errors_has_no_row_that_says_nothing() -> None:
    """A row that its class would have without it may go."""
    for kind, number in FAULTS.items():
        above = [FAULTS[each] for each in kind.__mro__[1:] if each in FAULTS]
        assert not above or above[0] != number or kind in {Trouble, OperatorError}, kind


@pytest.mark.parametrize("state", State)
def test_every_state_has_a_status(state: State) -> None:
    """A program that asks until the end comes to an end with every text, but for the one nobody knows of."""
    code, error = STATUS[state]
    assert (code in _FINAL_CODES) is (state in FINAL - {State.UNKNOWN})
    assert (error in {0, 245, 255}, code in NAMES) == (True, True)


def test_a_reason_is_one_line_of_bounded_length() -> None:
    """And of a login that failed there is none."""
    told = meaning(Fault.NUMBER, InvalidNumber("bad\nnumber\x07 " + "x" * 500))
    assert told.startswith("invalid number: bad number x")
    assert len(told) == 216
    assert meaning(Fault.LOGIN, LoginFailed("wrong password")) == "invalid login or password"
    assert meaning(Fault.MONEY, NoCredit("3 needed")) == "no money: 3 needed"
    assert fault(StoreFull("disk")) is None


@pytest.mark.parametrize(
    ("thousandths", "shown"),
    [(0, "0.00"), (1400, "1.40"), (1405, "1.405"), (100_000, "100.00"), (-500, "-0.50"), (None, "1000000.00")],
)
def test_money(thousandths: int | None, shown: str) -> None:
    """Two decimals, and a third where it is needed."""
    assert money(thousandths) == shown


@pytest.mark.parametrize(("name", "codec"), CHARSETS.items())
def test_charsets(name: str, codec: str) -> None:
    """Each is one of Python's."""
    assert decode("Привет, №5".encode(codec, "ignore"), codec).startswith("Привет, ")
    assert codec in {"windows-1251", "utf-8", "koi8-r"}


@pytest.mark.parametrize(("raw", "charset"), [(b"\x98", "windows-1251"), (b"\xcf\xf0", "utf-8")])
def test_bytes_of_no_charset(raw: bytes, charset: str) -> None:
    """They are refused: a text with replacement characters is none that anybody wrote."""
    with pytest.raises(errors.InvalidRequest):
        decode(raw, charset)
