"""What a call asks is read the same from every face: absent, empty, nil and 0 are one, and what is wrong is named."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.model.errors import InvalidRequest, InvalidTime, PastTime, TooManyRecipients
from bridge.model.message import Priority
from soap import schema
from soap.asked import _MOST_PARTS, Asked

NOT_GIVEN: tuple[dict[str, Any], ...] = (
    {},
    {"x": None},
    {"x": ""},
    {"x": "   "},
    {"x": "0"},
    {"x": " 0 "},
    {"x": "00"},
    {"x": "0.0"},
)


@pytest.mark.parametrize("values", NOT_GIVEN, ids=str)
def test_absent_nil_empty_and_zero_are_the_same(values: dict[str, Any]) -> None:
    """No number, switch, span or time is read out of nothing, nor out of a zero."""
    asked = Asked(values)
    assert asked.option("x") is None
    assert asked.number("x") is None
    assert asked.flag("x") is False
    assert asked.span("x") is None
    assert asked.moment("x") is None
    assert asked.priority("x") is Priority.NORMAL


def test_a_zero_is_a_text_where_a_text_is_asked_for() -> None:
    """Somebody may text "0"; spaces of a text stay, those around a word go."""
    asked = Asked({"x": " 0 ", "y": ""})
    assert (asked.text("x"), asked.word("x"), asked.required("x")) == (" 0 ", "0", " 0 ")
    assert (asked.text("y"), asked.word("y"), asked.several("y")) == (None, None, ())


@pytest.mark.parametrize("value", [None, "", " ", " ,; ;,"])
def test_what_is_missing_is_named(value: str | None) -> None:
    """A list of separators alone is missing too."""
    with pytest.raises(InvalidRequest, match="dest is missing"):
        Asked({"dest": value}).required_several("dest")
    if not (value or "").strip():
        with pytest.raises(InvalidRequest, match="dest is missing"):
            Asked({"dest": value}).required_word("dest")
    if not value:
        with pytest.raises(InvalidRequest, match="dest is missing"):
            Asked({"dest": value}).required("dest")


@given(parts=st.lists(st.text(alphabet="059+- ab", max_size=5)), gap=st.sampled_from([",", ";", ";;", " , ", ",\n;"]))
def test_lists_of_words(parts: list[str], gap: str) -> None:
    """Commas and semicolons divide; spaces, line ends and separators in a row count nothing."""
    assert Asked({"x": gap.join(parts)}).several("x") == tuple(word for part in parts if (word := part.strip()))


@pytest.mark.parametrize(
    ("method", "good"),
    [
        ("number", {"7": 7, " 12 ": 12, "0012": 12}),
        ("flag", {"1": True, "true": True, "TRUE": True, "Yes": True, "false": False, "no": False}),
        ("priority", {"bulk": Priority.BULK, "High": Priority.HIGH, "urgent": Priority.URGENT}),
        ("span", {"30m": timedelta(minutes=30), "2d": timedelta(days=2), "90": timedelta(seconds=90)}),
        (
            "moment",
            {
                "2026-11-20": datetime(2026, 11, 20, tzinfo=UTC),
                "20/11/2026": datetime(2026, 11, 20, tzinfo=UTC),
                "20.11.26": datetime(2026, 11, 20, tzinfo=UTC),
                "2026-11-20 09:30": datetime(2026, 11, 20, 9, 30, tzinfo=UTC),
                "2026-11-20T09:30:00+02:00": datetime(2026, 11, 20, 7, 30, tzinfo=UTC),
                "1999-12-31T23:59:59Z": datetime(1999, 12, 31, 23, 59, 59, tzinfo=UTC),
            },
        ),
    ],
)
def test_what_can_be_read(method: str, good: dict[str, object]) -> None:
    """Each form, with spaces around."""
    for written, value in good.items():
        assert getattr(Asked({"x": f" {written}\n"}), method)("x") == value, written


@pytest.mark.parametrize(
    ("method", "bad"),
    [
        ("number", ["-1", "1.5", "12a", "١٢", "9" * 19]),
        ("flag", ["2", "on?", "ja"]),
        ("priority", ["2", "highest", "normal high"]),
        ("span", ["-5m", "3 weeks", "366d", "m"]),
        ("moment", ["+90", "+0"]),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(method: str, bad: list[str]) -> None:
    """The element is named, and what may be written."""
    for written in bad:
        with pytest.raises(InvalidRequest, match=r"^x: "):
            getattr(Asked({"x": written}), method)("x")


def test_a_moment_that_is_none() -> None:
    """What cannot be read as a time is a wrong time; so is one before the epoch."""
    for written in ("yesterday", "2026-13-01", "32/01/2026", "2026-11-20 25:00"):
        with pytest.raises(InvalidTime):
            Asked({"x": written}).moment("x")
    with pytest.raises(PastTime):
        Asked({"x": "1950-01-01"}).moment("x")


def pair(key: str | None, value: str | None) -> Any:
    """Return a pair as Spyne makes it."""
    return schema.KeyValue(key=key, value=value)


def test_fields_come_as_records_as_objects_and_as_a_mapping() -> None:
    """Of two with one key the last holds; nil is empty; a pair without a key is refused."""
    wanted = {"name": "Dana", "note": ""}
    records = schema.KeyValueList(item=[pair("name", "Ann"), pair(" name ", "Dana"), None, pair("note", None)])
    objects = [{"key": "name", "value": "Dana"}, {"key": "note"}]
    for each in (records, objects, {"name": "Dana", "note": None}):
        assert Asked({"fields": each}).fields("fields") == wanted
    empty: tuple[Any, ...] = (None, schema.KeyValueList(), schema.KeyValueList(item=[]), [], {}, "")
    for nothing in empty:
        assert Asked({"fields": nothing}).fields("fields") == {}
    for keyless in (schema.KeyValueList(item=[pair(None, "x")]), [{"value": "x"}], [{"key": " "}]):
        with pytest.raises(InvalidRequest, match="key is missing"):
            Asked({"fields": keyless}).fields("fields")


@pytest.mark.parametrize(
    "given", ["text", 5, [5], ["text"], [["key"]], {"name": 5}, [{"key": 5}], SimpleNamespace(item=5)]
)
def test_a_list_of_something_else_is_refused(given: object) -> None:
    """JSON may hold anything; none of it ends in an exception that nobody expects."""
    with pytest.raises(InvalidRequest):
        Asked({"fields": given}).fields("fields")


@pytest.mark.parametrize("given", [5, True, ["x"], {"x": "y"}])
def test_a_value_that_is_no_text_is_refused(given: object) -> None:
    """The same of a single element."""
    with pytest.raises(InvalidRequest, match="x is not a text"):
        Asked({"x": given}).text("x")


def test_a_list_is_bounded() -> None:
    """A list of as many as any setting allows is read; one more is refused before it is taken apart."""
    most = _MOST_PARTS
    assert len(Asked({"dest": ",".join(["1"] * most)}).several("dest")) == most
    with pytest.raises(TooManyRecipients, match="100,000"):
        Asked({"dest": ",".join(["1"] * (most + 1))}).several("dest")
