"""Money and prices: whole thousandths of a credit, never a float in between.

A price belongs to a part of a text and to where it goes: the longest prefix of the international number that has a
price counts, else the default. Priority multiplies it. What comes out between two thousandths is rounded up, once for
the whole text to one number, so that no text that costs anything is ever free.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from bridge.model.message import Priority

if TYPE_CHECKING:
    from collections.abc import Mapping

ONE: Final = 1000
"""A credit, and a multiplier that changes nothing, in thousandths."""

DEFAULT: Final = "default"
"""The key of the price of all numbers that no prefix names."""

_AMOUNT: Final = re.compile(r"-?\d{1,12}(?:\.\d{1,3})?", re.ASCII)
_PREFIX: Final = re.compile(r"[1-9][0-9]{0,14}")
_PRICE: Final = re.compile(r"\d{1,12}(?:\.\d{1,12})?", re.ASCII)
_MOST: Final = Decimal(1_000_000)
_STEP: Final = Decimal("0.001")


def parse_credit(written: str) -> int:
    """Return the thousandths of ``12``, ``0.5`` or ``-3.125``. Raises ValueError that says what is allowed."""
    if not _AMOUNT.fullmatch(written):
        message = f"{written!r} is no amount; write 100 or 12.5, with three decimals at most"
        raise ValueError(message)
    return int(Decimal(written).scaleb(3))


def show_credit(thousandths: int) -> str:
    """Return an amount with its three decimals: ``12.500``, ``-0.001``."""
    whole, rest = divmod(abs(thousandths), ONE)
    return f"{'-' if thousandths < 0 else ''}{whole}.{rest:03d}"


def credit_number(thousandths: int) -> int | float:
    """Return an amount as a JSON number. A double holds every amount of fifteen digits to the thousandth."""
    whole, rest = divmod(thousandths, ONE)
    return thousandths / ONE if rest else whole


@dataclass(frozen=True, kw_only=True, slots=True)
class PriceTable:
    """What a part of a text costs, by where it goes.

    ``prefixes`` maps ``+972`` and the like to a price. Prices and multipliers are in thousandths. Make one with
    :meth:`of`, which checks them.
    """

    default: int = ONE
    prefixes: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    multipliers: Mapping[Priority, int] = field(default_factory=lambda: MappingProxyType({}))
    _sizes: tuple[int, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Find the lengths of prefixes that are worth a look, the longest first."""
        object.__setattr__(self, "_sizes", tuple(sorted({len(prefix) for prefix in self.prefixes}, reverse=True)))

    @classmethod
    def of(cls, prices: Mapping[str, object], multipliers: Mapping[str, object] | None = None) -> PriceTable:
        """Make a table of what a configuration says.

        ``prices`` maps prefixes, digits of an international number without ``+``, and ``default`` (1 where it is
        missing) to prices per part: numbers or strings, from 0 up to a million, with three decimals at most.
        ``multipliers`` maps names of priorities to numbers of the same form. Raises ValueError with all the problems.
        """
        problems: list[str] = []
        known: dict[str, int] = {}
        for key, value in prices.items():
            if key != DEFAULT and not _PREFIX.fullmatch(key):
                problems.append(f"{key!r}: write a prefix as 1 to 15 digits of the international number, as 972")
            elif (price := _thousandths(value)) is None:
                problems.append(f"{key}: {_wrong(value)}")
            else:
                known[key] = price
        priorities = {priority.name.lower(): priority for priority in Priority}
        factors: dict[Priority, int] = {}
        for key, value in (multipliers or {}).items():
            if key not in priorities:
                problems.append(f"{key!r}: no priority has that name; there is {', '.join(priorities)}")
            elif (factor := _thousandths(value)) is None:
                problems.append(f"{key}: {_wrong(value)}")
            else:
                factors[priorities[key]] = factor
        if problems:
            raise ValueError("; ".join(problems))
        default = known.pop(DEFAULT, ONE)
        return cls(default=default, prefixes={f"+{key}": price for key, price in known.items()}, multipliers=factors)

    def rate(self, number: str) -> int:
        """Return the price of one part to a number in E.164, at normal priority. Raises nothing."""
        for size in self._sizes:
            price = self.prefixes.get(number[:size])
            if price is not None:
                return price
        return self.default

    def price(self, number: str, *, parts: int, priority: Priority = Priority.NORMAL) -> int:
        """Return what a text of ``parts`` to a number in E.164 costs, rounded up to a thousandth. Raises nothing."""
        return -(-self.rate(number) * parts * self.multipliers.get(priority, ONE) // ONE)


def _thousandths(value: object) -> int | None:
    """Return what a price in a configuration comes to, and None for what is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    if isinstance(value, int) and value > _MOST:
        return None
    written = str(value)
    if isinstance(value, str) and not _PRICE.fullmatch(written):
        return None
    # A float stands for the digits it was written with: 0.1 is a tenth.
    amount = Decimal(written)
    if not amount.is_finite() or amount.is_signed() or amount > _MOST:
        return None
    exact = amount.quantize(_STEP)
    return int(exact.scaleb(3)) if exact == amount else None


def _wrong(value: object) -> str:
    return f"{value!r} is no price; write 1, 0.75 or the like, not below 0, with three decimals at most"
