"""Answers are filled as the contract wants them, and written as Spyne would write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from soap import schema
from soap.schema import Moment, amount, fill
from soap.service import SmsBridge
from soap.writing import writable

# isort: split
# Spyne comes after soap, which makes it fit for newer Pythons.
from spyne import Application, MethodContext, ServerBase
from spyne.model.complex import ComplexModelBase
from spyne.model.primitive import Boolean, DateTime, Integer32, Unicode
from spyne.model.primitive import Decimal as Money
from spyne.protocol.soap import Soap11

NOW = datetime(2026, 11, 20, 7, 0, 1, 999_999, tzinfo=UTC)


def full(kind: Any) -> Any:
    """Return an instance of a type with something in each element, two in each list."""
    values: dict[str, Any] = {}
    for name, member in kind.get_flat_type_info(kind).items():
        if issubclass(member, ComplexModelBase):
            ((_, inner),) = member.get_flat_type_info(member).items()
            values[name] = [full(inner), full(inner)] if issubclass(inner, ComplexModelBase) else ["a", "<&>\n"]
        else:
            values[name] = {
                Unicode: f"{name} <&>\"' שלום 😀\n",
                Integer32: -7,
                Money: amount(12_500),
                DateTime: Moment.of(NOW),
                Boolean: True,
            }[next(base for base in member.__mro__ if base in {Unicode, Integer32, Money, DateTime, Boolean})]
    return fill(kind, **values)


def written(operation: str, answer: Any) -> bytes:
    """Return the envelope that Spyne's stock protocol makes of an answer."""
    application = Application(
        [SmsBridge], tns=schema.NAMESPACE, name="SmsBridge", in_protocol=Soap11(), out_protocol=Soap11()
    )
    server = ServerBase(application)
    context = MethodContext(server, MethodContext.SERVER)
    context.in_string = [
        f'<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body><{operation} '
        f'xmlns="{schema.NAMESPACE}"/></e:Body></e:Envelope>'.encode()
    ]
    (context,) = server.generate_contexts(context)
    server.get_in_object(context)
    assert context.in_error is None
    context.out_object = [answer]
    server.get_out_string(context)
    return b"".join(context.out_string)


def kinds(kind: Any) -> set[Any]:
    """Return a type and all types in it."""
    inner = [each for each in kind.get_flat_type_info(kind).values() if issubclass(each, ComplexModelBase)]
    return {kind, *inner, *(found for each in inner for found in kinds(each))}


@pytest.mark.parametrize("operation", schema.REQUESTS)
def test_answers_are_written_as_spyne_writes_them(operation: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Full and empty answers of each operation, element by element; the empty ones have all strings and lists."""
    kind = schema.REQUESTS[operation].answer
    answers = [full(kind), fill(kind, status=0)]
    ours = [written(operation, answer) for answer in answers]
    for each in kinds(kind):
        monkeypatch.setattr(each.Attributes, "prot", None)
    theirs = [written(operation, answer) for answer in answers]
    assert [canonical(each) for each in ours] == [canonical(each) for each in theirs]
    present = {etree.QName(one).localname for one in etree.fromstring(ours[1]).iter()}
    members = kind.get_flat_type_info(kind)
    assert present >= {name for name, one in members.items() if issubclass(one, ComplexModelBase | Unicode)}
    assert present & {name for name, one in members.items() if issubclass(one, Integer32 | Money)} == {"status"}


def canonical(document: bytes) -> bytes:
    """Return a document in its one canonical form."""
    return bytes(etree.tostring(etree.fromstring(document), method="c14n"))


def test_what_xml_cannot_hold_becomes_a_space() -> None:
    """A form feed of GSM 03.38, NUL, half of an emoji: the rest of the text arrives."""
    answer = fill(schema.PlainAnswer, status=0, status_text="a\x0cb\x00c\ud83dd\uffffe")
    (text,) = etree.fromstring(written("ping", answer)).iter("{*}status_text")
    assert text.text == "a b c d e"


@given(st.text())
def test_any_text_can_be_written(text: str) -> None:
    """Whatever it is, lxml takes it afterwards; what it would have taken anyway is as it was."""
    element = etree.Element("x")
    element.text = writable(text)
    try:
        element.text = text
    except ValueError:
        assert writable(text) != text
    else:
        assert writable(text) == text


@given(st.integers(min_value=-(10**15), max_value=10**15))
def test_money_is_plain(thousandths: int) -> None:
    """Three digits behind the point, no exponent, whatever the amount."""
    made = amount(thousandths)
    assert made is not None
    assert made == Decimal(thousandths) / 1000
    assert "e" not in str(made).lower()
    assert len(str(made).partition(".")[2]) == 3


def test_times_are_in_utc_and_say_so() -> None:
    """A Z at the end, from whatever offset; fractions are cut off."""
    made = Moment.of(NOW.astimezone(timezone(timedelta(hours=2))))
    assert made.isoformat() == str(made) == "2026-11-20T07:00:01Z"


def test_fill_refuses_what_the_type_has_not() -> None:
    """A misspelt element is a bug here, not an element that is lost."""
    with pytest.raises(TypeError, match="PlainAnswer has no staus"):
        fill(schema.PlainAnswer, staus=0)
