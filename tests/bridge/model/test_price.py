"""Money in thousandths, and what a text costs."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.model.message import Priority
from bridge.model.price import PriceTable, credit_number, parse_credit, show_credit


@pytest.mark.parametrize(
    ("written", "thousandths", "shown"),
    [
        ("12.5", 12_500, "12.500"),
        ("0", 0, "0.000"),
        ("0.001", 1, "0.001"),
        ("-0.001", -1, "-0.001"),
        ("-3.125", -3125, "-3.125"),
        ("999999999999.999", 999_999_999_999_999, "999999999999.999"),
    ],
)
def test_amounts(written: str, thousandths: int, shown: str) -> None:
    """Read exactly, shown with three decimals, and read again."""
    assert parse_credit(written) == thousandths
    assert show_credit(thousandths) == shown
    assert parse_credit(shown) == thousandths


@pytest.mark.parametrize("written", ["", "x", "1,5", "1.2345", "1e3", "NaN", "٣", "1" * 13, "+1", ".5", "1.", " 1"])
def test_what_is_no_amount_is_refused(written: str) -> None:
    """With what is allowed."""
    with pytest.raises(ValueError, match=r"write 100 or 12\.5"):
        parse_credit(written)


@given(st.integers(min_value=-(10**15) + 1, max_value=10**15 - 1))
def test_amounts_survive_being_shown(thousandths: int) -> None:
    """As text and as a JSON number."""
    assert parse_credit(show_credit(thousandths)) == thousandths
    assert round(credit_number(thousandths) * 1000) == thousandths


TABLE = PriceTable.of(
    {"default": 1, "972": "0.5", "97259": 2, "1": 0.75, "1416": "0.7", "44": Decimal("1.001"), "7": 0},
    {"urgent": "1.5", "bulk": 0.333},
)


@pytest.mark.parametrize(
    ("number", "rate"),
    [
        ("+972502345678", 500),
        ("+972592345678", 2000),
        ("+14165550123", 700),
        ("+12125550123", 750),
        ("+442071234567", 1001),
        ("+79161234567", 0),
        ("+861012345678", 1000),
        ("+9", 1000),
    ],
)
def test_the_longest_prefix_counts(number: str, rate: int) -> None:
    """Else the default."""
    assert TABLE.rate(number) == rate


@pytest.mark.parametrize(
    ("number", "parts", "priority", "price"),
    [
        ("+972502345678", 1, Priority.NORMAL, 500),
        ("+972502345678", 3, Priority.NORMAL, 1500),
        ("+972502345678", 1, Priority.HIGH, 500),  # no multiplier is one
        ("+972502345678", 1, Priority.URGENT, 750),
        ("+442071234567", 1, Priority.URGENT, 1502),  # 1501.5, rounded up
        ("+442071234567", 2, Priority.URGENT, 3003),  # exact: rounded once, not part by part
        ("+972502345678", 1, Priority.BULK, 167),  # 166.5
        ("+79161234567", 10, Priority.URGENT, 0),
    ],
)
def test_prices(number: str, parts: int, priority: Priority, price: int) -> None:
    """Parts and priority multiply; between two thousandths the higher counts, once for the text."""
    assert TABLE.price(number, parts=parts, priority=priority) == price


@given(st.integers(0, 10**6), st.integers(1, 255), st.integers(0, 10**5))
def test_prices_are_exact(base: int, parts: int, factor: int) -> None:
    """The price is the ceiling of the rational product, and nothing that costs is free."""
    table = PriceTable(default=base, multipliers={Priority.HIGH: factor})
    price = table.price("+972502345678", parts=parts, priority=Priority.HIGH)
    assert price == ceil(Fraction(base * parts * factor, 1000))
    assert (price > 0) == (base > 0 and factor > 0)


def test_an_empty_table_costs_one_a_part() -> None:
    """One credit."""
    assert PriceTable.of({}).price("+972502345678", parts=2) == 2000
    assert PriceTable.of({}) == PriceTable()


@pytest.mark.parametrize("value", [-1, "-1", "-0.5", "0.0001", 0.0001, "1e3", "x", "", " 1", None, True, [1], "NaN"])
@pytest.mark.parametrize("key", ["default", "972"])
def test_bad_prices_are_refused(key: str, value: object) -> None:
    """Below zero, finer than a thousandth, or no number; the message names the key and what is allowed."""
    with pytest.raises(ValueError, match=rf"^{key}: .* is no price; write 1, 0.75"):
        PriceTable.of({key: value})


@pytest.mark.parametrize("value", [float("inf"), float("nan"), -0.0, 10**6 + 1, 10**30, "1000000.001"])
def test_extreme_prices_are_refused(value: object) -> None:
    """Without an error of another kind."""
    with pytest.raises(ValueError, match=r"^7: "):
        PriceTable.of({"7": value})
    assert PriceTable.of({"7": 10**6}).rate("+7") == 10**9


@pytest.mark.parametrize("prefix", ["+972", "0972", "", "IL", "97 2", "1" * 16, "Default", "٩٧٢", "-1"])
def test_bad_prefixes_are_refused(prefix: str) -> None:
    """A prefix is digits of an international number, without a plus sign."""
    with pytest.raises(ValueError, match="write a prefix as 1 to 15 digits"):
        PriceTable.of({prefix: 1})


def test_all_the_problems_come_at_once() -> None:
    """Of prices and of multipliers."""
    with pytest.raises(ValueError, match=r"^default: .*; '\+1': .*; 'slow': no priority .* bulk, normal, .*; high: "):
        PriceTable.of({"default": -1, "+1": 1, "44": 1}, {"slow": 1, "high": "x"})
