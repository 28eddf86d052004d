r"""Templates: what is a placeholder, what is plain text, what is refused and where."""

import re
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.model.errors import InvalidTemplate, MissingField, TextTooLong
from bridge.model.template import LONGEST_NAME, LONGEST_RENDERED, Template

ANN = {"name": "Ann", "city": "Haifa", "time": "19:30", "empty": ""}

RENDERED = {
    "no braces": ("See you at eight", "See you at eight"),
    "nothing at all": ("", ""),
    "one": ("Dear {{name}},", "Dear Ann,"),
    "alone": ("{{name}}", "Ann"),
    "two in a row": ("{{name}}{{city}}", "AnnHaifa"),
    "twice the same": ("{{name}}, {{name}}!", "Ann, Ann!"),
    "spaces inside": ("{{ name }} {{\tcity\u00a0}}", "Ann Haifa"),
    "a line end inside, from a mail that wraps": ("{{\r\nname\n}}", "Ann"),
    "marks of direction inside": ("{{\u200fname\u200e}}", "Ann"),
    "another case": ("{{NAME}} {{City}}", "Ann Haifa"),
    "an empty value": ("[{{empty}}]", "[]"),
    "single braces": ("{name} {", "{name} {"),
    "single braces in a template": ("{x} {{name}} } {", "{x} Ann } {"),
    "a brace after": ("{{name}}}", "Ann}"),
    "two closing braces where nothing opens": ('{"a": {"b": 1}}', '{"a": {"b": 1}}'),
    "plain braces": (r"\{{name\}} is {{name}}", "{{name}} is Ann"),
    "plain braces alone": (r"\{{", "{{"),
    "backslash and placeholder": (r"C:\\{{name}}", "C:\\Ann"),
    "backslash and plain braces": (r"\\\{{name\}}", r"\{{name}}"),
    "four backslashes": (r"\\\\{{name}}", r"\\Ann"),
    "backslashes elsewhere": (r"\ \\ \n {{name}} \{ \\", r"\ \\ \n Ann \{ \\"),
    "backslashes in no template": (r"\\ \} }}", r"\\ \} }}"),
    "backslash after a placeholder": (r"{{name}}\{{", "Ann{{"),
    "a per cent sign": ("100% {{name}} %s", "100% Ann %s"),
}


@pytest.mark.parametrize(("text", "expected"), RENDERED.values(), ids=RENDERED)
def test_rendered(text: str, expected: str) -> None:
    """Placeholders are filled, everything else stays as it stands."""
    assert Template.parse(text).render(ANN) == expected


NAMES = {
    "letters": "first",
    "digits alone": "1",
    "signs": "_a-b.c",
    "signs alone": "-",
    "Hebrew": "שם_פרטי",
    "Hebrew with points": "שֵׁם",
    "Cyrillic": "Имя",
    "Arabic-Indic digits": "ع٣",
    "Devanagari, with vowel signs": "नाम",
    "Persian, with a joiner": "نام\u200cخانوادگی",
    "Chinese": "姓名",
    "beyond the first plane": "𝐚",
    "a letter with its accent apart": "e\u0301",
    "the longest": "n" * LONGEST_NAME,
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_names(name: str) -> None:
    """A name is made of letters, their marks and digits of any script, and three signs."""
    template = Template.parse(f"<{{{{ {name} }}}}>")
    assert template.fields == (name,)
    assert template.render({name: "x"}) == "<x>"


REFUSED = {
    "open at the end": ("Dear {{", 6, "not closed"),
    "open": ("{{name", 1, "not closed"),
    "open, and one brace": ("{{name}", 1, "not closed"),
    "the second one open": ("{{name}} {{city", 10, "not closed"),
    "nested": ("{{a{{b}}}}", 4, "a brace within"),
    "nested deeper": ("{{{{a}}}}", 3, "a brace within"),
    "three braces": ("{{{name}}}", 3, "a brace within"),
    "open before another": ("{{name {{city}}", 8, "a brace within"),
    "a closing brace within": ("{{na}me}}", 5, "a brace within"),
    "closes nothing": ("{{name}} }}", 10, "closes nothing"),
    "closes too much": ("{{name}}}}", 9, "closes nothing"),
    "closes before it opens": ("}} {{name}}", 1, "closes nothing"),
    "empty": ("Dear {{}}", 6, "without a name"),
    "blank": ("{{ \t}}", 1, "without a name"),
    "marks of direction alone": ("{{\u200f}}", 1, "without a name"),
    "a filter": ("{{a|b}}", 4, "| (U+007C)"),
    "a section": ("{{#a}}", 3, "# (U+0023)"),
    "a call": ("{{ a() }}", 5, "( (U+0028)"),
    "two words": ("{{first name}}", 8, "U+0020"),
    "a quote": ('{{"a"}}', 3, '" (U+0022)'),
    "a backslash": (r"{{a\}}", 4, "\\ (U+005C)"),
    "a control character": ("{{a\0b}}", 4, "U+0000"),
    "a superscript digit": ("{{a²}}", 4, "² (U+00B2)"),
    "an emoji": ("{{😀}}", 3, "😀 (U+1F600)"),
    "a mark without its letter": ("{{\u0301a}}", 3, "U+0301"),
    "a lone surrogate": ("{{a\ud800}}", 4, "U+D800"),
    "too long": ("{{" + "n" * (LONGEST_NAME + 1) + "}}", 3, "longer than 64"),
    "after plain braces": (r"\{{a\}} {{b", 9, "not closed"),
    "plain braces, and none to close": (r"\{{a}}", 5, "closes nothing"),
}


@pytest.mark.parametrize(("text", "place", "fault"), REFUSED.values(), ids=REFUSED)
def test_refused(text: str, place: int, fault: str) -> None:
    """What is no placeholder is refused with its place, the fault, and what may be written."""
    with pytest.raises(InvalidTemplate) as caught:
        Template.parse(text)
    assert type(caught.value) is InvalidTemplate
    assert caught.value.reason.startswith(f"character {place}: ")
    assert fault in caught.value.reason
    assert caught.value.reason.endswith(r"; write {{name}}, or \{{ and \}} for plain braces")
    assert caught.value.reason.encode()


def test_fields() -> None:
    """The fields are named once each, in their order, as written first."""
    template = Template.parse("{{City}} {{name}} {{city}} {{NAME}} {{ time }}")
    assert template.fields == ("City", "name", "time")
    assert Template.parse("none").fields == ()


FOUND = {
    "just as written": ({"Name": "A", "name": "B", "NAME": "C"}, "A"),
    "another case": ({"nAME": "A"}, "A"),
    "white space around": ({" name\ufeff": "A"}, "A"),
    "empty": ({"name": ""}, ""),
}


@pytest.mark.parametrize(("fields", "expected"), FOUND.values(), ids=FOUND)
def test_which_key_is_the_field(fields: dict[str, str], expected: str) -> None:
    """The key as the template writes it comes first, then the only one that is the same name."""
    assert Template.parse("{{Name}}").render(fields) == expected


@pytest.mark.parametrize(
    ("written", "key"),
    [("Straße", "STRASSE"), ("ΣΊΓΜΑΣ", "σίγμας"), ("é", "E\u0301"), ("e\u0301", "É"), ("ǆ", "Ǆ"), ("שֵׁם", "שׁ\u05b5ם")],
)
def test_the_same_name_in_any_script(written: str, key: str) -> None:
    """Case and normal form are those of Unicode, not of ASCII."""
    assert Template.parse(f"{{{{{written}}}}}").render({key: "x"}) == "x"


def test_a_name_as_long_as_can_be_has_a_longer_key() -> None:
    """A key is not too long for being in another normal form than the name."""
    name = "ᾂ" * LONGEST_NAME
    assert Template.parse(f"{{{{{name}}}}}").render({unicodedata.normalize("NFD", name): "x"}) == "x"


def test_the_key_as_written_comes_first_whatever_else_is_looked_for() -> None:
    """That another field's key is in another case makes no key as written doubtful."""
    fields = {"NAME": "B", "Name": "A", "name": "C", "CITY": "Haifa"}
    assert Template.parse("{{Name}} in {{city}}").render(fields) == "A in Haifa"


MISSING = {
    "none at all": ({}, "{{name}}, {{City}}"),
    "one": ({"name": "Ann"}, "{{City}}"),
    "two keys, neither as written": (
        {"city": "Haifa", "CITY": "Haifa", "name": "Ann"},
        "{{City}} (several are alike)",
    ),
    "a key far too long": ({"name" * 1000: "x", "city": "Haifa"}, "{{name}}"),
}


@pytest.mark.parametrize(("fields", "named"), MISSING.values(), ids=MISSING)
def test_a_missing_field(fields: dict[str, str], named: str) -> None:
    """A recipient who lacks fields is refused, and all of them are named, once."""
    with pytest.raises(MissingField) as caught:
        Template.parse("{{name}} in {{City}}, {{ NAME }}, {{City}}").render(fields)
    assert caught.value.reason.endswith(f"for {named}")


def test_many_missing_fields() -> None:
    """Of more than five, five are named and the others counted."""
    text = " ".join(f"{{{{f{index}}}}}" for index in range(8))
    with pytest.raises(MissingField) as caught:
        Template.parse(text).render({})
    assert caught.value.reason.endswith("for {{f0}}, {{f1}}, {{f2}}, {{f3}}, {{f4}} and 3 others")


def test_values_are_not_looked_at() -> None:
    """Braces, backslashes and placeholders in a value arrive as they are."""
    values = {"a": "{{b}}", "b": r"\{{ }} {{a"}
    assert Template.parse("{{a}}|{{b}}").render(values) == r"{{b}}|\{{ }} {{a"


def test_a_value_that_is_no_text() -> None:
    """A number or nothing is no value: it would arrive as somebody's idea of how to write it."""
    for value in (None, 7):
        with pytest.raises(TypeError):
            Template.parse("{{a}}").render({"a": value})  # type: ignore[dict-item]


def test_a_rendered_text_has_an_end() -> None:
    """One long value in many places is refused before it fills the memory; just the limit is not."""
    template = Template.parse("{{a}}" * 100)
    fits = "x" * (LONGEST_RENDERED // 100)
    assert len(template.render({"a": fits})) == LONGEST_RENDERED
    with pytest.raises(TextTooLong, match="100,000"):
        template.render({"a": fits + "x"})


def test_placeholders_are_bounded() -> None:
    """Each recipient has them all filled in: a thousand are taken, one more is not."""
    assert len(Template.parse("{{a}}" * 1000).pieces) == 2001
    with pytest.raises(InvalidTemplate, match="1,000 placeholders"):
        Template.parse("{{a}}" * 1001)


@pytest.mark.parametrize("text", ["\\" * 200_000 + "{{a", "{{a}}" * 40_000 + "}}", "{{" + " " * 200_000, "{" * 200_001])
def test_the_worst_text_takes_no_time(text: str) -> None:
    """Parsing is linear: 200,000 characters made to hurt are refused well within a second."""
    start = time.process_time()
    with pytest.raises(InvalidTemplate):
        Template.parse(text)
    assert time.process_time() - start < 1


PLAIN = st.text().filter(lambda text: "{" not in text and "}" not in text and "\\" not in text)
NAME = st.text("abcXYZ019_-.שםИ", min_size=1, max_size=8)


@given(st.text(st.sampled_from("{}\\a ")))
def test_any_text_can_be_written(text: str) -> None:
    """In a template too, any text can be written so that it arrives as it is, backslashes before braces and all."""
    escaped = re.sub(r"(\\*)(\{\{|\}\})", r"\1\1\\\2", text)
    assert Template.parse(r"\{{" + escaped).render({}) == "{{" + text


@given(st.lists(st.tuples(PLAIN, NAME)), PLAIN, st.data())
def test_pieces_go_together_again(pairs: list[tuple[str, str]], end: str, data: st.DataObject) -> None:
    """Text and values stand in the order written, whatever they are."""
    names = sorted({name.casefold() for _, name in pairs})
    values = {name: data.draw(st.text(), label=name) for name in names}
    text = "".join(f"{plain}{{{{{name}}}}}" for plain, name in pairs) + end
    expected = "".join(plain + values[name.casefold()] for plain, name in pairs) + end
    template = Template.parse(text)
    assert template.render(values) == expected
    assert len(template.fields) == len(names)


@given(st.text(st.sampled_from("{}\\ab |\u200f"), max_size=24))
def test_nothing_but_a_template_or_a_refusal(text: str) -> None:
    """Any mess of braces is a template or refused; what is no template is left alone."""
    try:
        template = Template.parse(text)
    except InvalidTemplate as error:
        assert "{{" in text
        place = int(error.reason.removeprefix("character ").partition(":")[0])
        assert 1 <= place <= len(text)
    else:
        rendered = template.render(dict.fromkeys(template.fields, "v"))
        assert rendered == text or "{{" in text
