"""Answers of the contract without its envelope: as XML elements of no namespace, and as JSON.

Names, order and what is left out are those of the contract: strings and lists always, numbers and times only where
there are some.
"""

from __future__ import annotations

from decimal import Decimal
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from lxml import etree
from spyne.model.complex import ComplexModelBase

from soap.results import TAKEN
from soap.writing import writable

if TYPE_CHECKING:
    from collections.abc import Mapping

_BY_STATUS: Final[Mapping[int, int]] = MappingProxyType(
    {103: 404, 104: 409, 105: 401, 106: 403, 107: 403, 308: 413, 501: 402, 504: 413}
)
_BY_HUNDRED: Final[Mapping[int, int]] = MappingProxyType({1: 400, 2: 422, 3: 422, 4: 422, 5: 429, 9: 503})
"""The HTTP status for all statuses that begin so, where the table above has none."""


def http_status(status: int) -> int:
    """Return the HTTP status that goes with an answer's status: 200 for 0 alone.

    Old programs of these services took 200 for success and looked no further: they must not hear it of a text that
    was refused.
    """
    if status == TAKEN.status:
        return 200
    return _BY_STATUS.get(status) or _BY_HUNDRED[status // 100]


def append(parent: Any, record: Any) -> None:
    """Append the elements of an answer, or of a record in it, to an lxml element."""
    for name, many, nested in _plan(record):
        value = getattr(record, name)
        if value is None:
            continue
        for each in value if many else (value,):
            child = etree.SubElement(parent, name)
            if nested:
                append(child, each)
            else:
                child.text = writable(_text(each))


def plain(record: Any) -> dict[str, Any]:
    """Return an answer, or a record in it, as JSON has it: a list is an array."""
    told: dict[str, Any] = {}
    for name, _, nested in _plan(record):
        value = getattr(record, name)
        if value is None:
            continue
        if nested:
            ((element, _, records),) = _plan(value)
            told[name] = [plain(each) if records else _json(each) for each in getattr(value, element) or ()]
        else:
            told[name] = _json(value)
    return told


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def _json(value: Any) -> Any:
    if isinstance(value, bool | int):
        return value
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return str(value)


def _plan(record: Any) -> tuple[tuple[str, bool, bool], ...]:
    """For each member of a record: its name, whether it is repeated, and whether it has members of its own."""
    kind: Any = type(record)
    return _plan_of(kind)


@cache
def _plan_of(kind: Any) -> tuple[tuple[str, bool, bool], ...]:
    return tuple(
        (name, member.Attributes.max_occurs > 1, issubclass(member, ComplexModelBase))
        for name, member in kind.get_flat_type_info(kind).items()
    )
