"""Contacts: the forms of what is known of a number, and what a change makes of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.model.contacts import (
    Change,
    Contact,
    Listing,
    change,
    contact_name,
    field_name,
    fold,
    group_name,
    merge,
    split_listing,
    split_several,
    tag_name,
)
from bridge.model.template import Template

NUMBER = "+972502345678"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ann Lee", "ann  lee "),
        ("ANN", "\uff21\uff2e\uff2e"),
        ("Stra\xdfe", "STRASSE"),
        ("Rene\u0301", "REN\xc9"),
        ("שרה כהן", "\u200fשרה\xa0כהן\u200e"),
        ("İzmir", "i̇zmir"),
    ],
)
def test_spellings_of_one_name(one: str, other: str) -> None:
    """Case, width, accents' composition, spaces and marks of direction make no other name."""
    assert fold(one) == fold(other)


@given(st.text(max_size=30))
def test_folding_is_stable(name: str) -> None:
    """Folding twice is folding once, and the result has no space around."""
    assert fold(fold(name)) == fold(name) == fold(name).strip()


def test_a_change_is_brought_into_normal_form() -> None:
    """Every value is clean, tags are folded, and groups come once."""
    assert change(
        NUMBER,
        name="  \u202bשרה\n כהן\u202c\x07 ",
        email=" Ann@Example.COM ",
        tags=["VIP", "vip", "\uff21"],
        fields=[("city", " Tel\r\nAviv \x1b"), ("gone", "")],
        groups=["Team", "Team"],
    ) == Change(
        number=NUMBER,
        name="שרה כהן",
        email="ann@example.com",
        tags=frozenset({"vip", "a"}),
        fields={"city": "Tel\nAviv", "gone": ""},
        groups=("Team",),
    )
    assert change(NUMBER) == Change(number=NUMBER)


def test_limits_hold_at_the_edge() -> None:
    """The longest of each is taken, and one more character or one more tag is refused."""
    longest = change(
        NUMBER, name="n" * 100, tags=[f"{i:050d}" for i in range(50)], fields=[("f", "v" * 500)], groups=["g" * 64]
    )
    assert longest.name == "n" * 100
    assert field_name("f" * 64) == "f" * 64
    for name, wrong in {
        "a name of 101": lambda: change(NUMBER, name="n" * 101),
        "a tag of 51": lambda: change(NUMBER, tags=["t" * 51]),
        "51 tags": lambda: change(NUMBER, tags=[str(i) for i in range(51)]),
        "f: 501 characters": lambda: change(NUMBER, fields=[("f", "v" * 501)]),
        "the name of a group of 65": lambda: change(NUMBER, groups=["g" * 65]),
        "the name of a field of 65": lambda: field_name("f" * 65),
        "not an email address": lambda: change(NUMBER, email="ann"),
    }.items():
        with pytest.raises(ValueError, match=name):
            wrong()


@pytest.mark.parametrize("name", ["", "5", "0502345678", "a;b", "a,b", "tag:x", "Group: x", "contact:", " ", "!!"])
def test_what_is_no_group_is_refused(name: str) -> None:
    """It would be read as a number, as several names, or as something else."""
    with pytest.raises(ValueError, match="the name of a group has a letter"):
        group_name(name)
    assert group_name("Team: north 5") == "Team: north 5"


@pytest.mark.parametrize("tag", ["", " ", "a;b", "a,b", "\u200f"])
def test_what_is_no_tag_is_refused(tag: str) -> None:
    """A tag stands among others, with semicolons or commas between."""
    with pytest.raises(ValueError, match="a tag is not empty"):
        tag_name(tag)


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ("city", "city"),
        ("First name", "First_name"),
        ("Company (HQ)", "Company_HQ"),
        (" שם  פרטי ", "שם_פרטי"),
        ("{{x}}", "x"),
        ("नाम", "नाम"),
        ("a.b-c_d", "a.b-c_d"),
        ("user\xb2", "user"),
    ],
)
def test_a_field_has_a_name_that_a_template_can_say(raw: str, name: str) -> None:
    """Whatever the head of a column was."""
    assert field_name(raw) == name
    assert Template.parse(f"{{{{{name}}}}}").render({name: "value"}) == "value"


@given(st.text(max_size=70))
def test_every_field_can_be_said(raw: str) -> None:
    """What is taken as a field's name is its own normal form, and a placeholder of it is filled."""
    try:
        name = field_name(raw)
    except ValueError:
        return
    assert field_name(name) == name
    assert Template.parse(f"{{{{{name}}}}}").render({name: "value"}) == "value"


@pytest.mark.parametrize("raw", ["", "()", "name", "NUMBER", "e-mail"[:1] + "mail", "Tags", "group"])
def test_what_every_contact_has_is_no_field(raw: str) -> None:
    """Nor is what no letter stands for."""
    with pytest.raises(ValueError, match="field"):
        field_name(raw)


def test_merging() -> None:
    """None leaves a value, an empty one takes it away; tags are replaced; fields change one by one."""
    known = merge(None, change(NUMBER, name="Ann", email="a@example.com", tags=["x"], fields=[("a", "1"), ("b", "2")]))
    assert known == Contact(
        number=NUMBER, name="Ann", email="a@example.com", tags=frozenset({"x"}), fields={"a": "1", "b": "2"}
    )
    assert merge(known, Change(number=NUMBER)) == known
    assert merge(known, change(NUMBER, name="", email="", tags=[], fields=[("a", ""), ("c", "3")])) == Contact(
        number=NUMBER, fields={"b": "2", "c": "3"}
    )


def test_fields_are_counted_after_the_change() -> None:
    """Fifty may be there; one may go as another comes."""
    full = merge(None, change(NUMBER, fields=[(f"f{i}", "x") for i in range(50)]))
    assert len(merge(full, change(NUMBER, fields=[("f0", ""), ("g", "x")])).fields) == 50
    with pytest.raises(ValueError, match="51 fields"):
        merge(full, change(NUMBER, fields=[("g", "x")]))


@pytest.mark.parametrize(
    ("written", "listing", "name"),
    [
        ("Ann", None, "Ann"),
        ("tag:vip", Listing.TAG, "vip"),
        (" Group : Team: north ", Listing.GROUP, "Team: north"),
        ("CONTACT:Ann", Listing.CONTACT, "Ann"),
        ("team:x", None, "team:x"),
        ("tag", None, "tag"),
        (":x", None, ":x"),
    ],
)
def test_what_a_name_stands_for(written: str, listing: Listing | None, name: str) -> None:
    """The word before the first colon says so, where it is one of three."""
    assert split_listing(written) == (listing, name)


def test_several_in_one_cell() -> None:
    """Semicolons or commas part them; empty ones are nothing."""
    assert split_several(" a; b c,,;d ") == ["a", "b c", "d"]
    assert split_several("") == []


@given(st.text(max_size=120))
def test_names_are_one_clean_line(raw: str) -> None:
    """Whatever comes in, what is kept can be written to UTF-8, is one line, and is its own normal form."""
    try:
        name = contact_name(raw)
    except ValueError:
        return
    name.encode()
    assert not name or len(name.splitlines()) == 1
    assert contact_name(name) == name
