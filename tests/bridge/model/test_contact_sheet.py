"""Contacts from comma-separated values, as programs write them: columns, delimiters, quotes, lines in error."""

from __future__ import annotations

import io
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.model.contact_sheet import LONGEST_LINE, Row, Sheet, bounded_lines
from bridge.model.contacts import Change
from bridge.model.errors import MalformedContent

ONE, TWO = "+972502345678", "+972502345679"


def sheet(text: str, delimiter: str | None = None) -> Sheet:
    """Return the sheet of a file."""
    return Sheet(bounded_lines(io.StringIO(text, newline="").readline), region="IL", delimiter=delimiter)


def read(text: str) -> list[Row]:
    """Return all rows of a file."""
    return list(sheet(text))


def changes(text: str) -> list[Change | None]:
    """Return what the rows say, None for a fault."""
    return [row.change for row in read(text)]


def faults(text: str) -> list[tuple[int, str]]:
    """Return lines in error, each with its number."""
    return [(row.line, row.fault) for row in read(text) if row.fault]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_delimiters_and_line_ends(delimiter: str, end: str) -> None:
    """Each is found by itself; the last line may lack its end."""
    lines = [
        delimiter.join(cells) for cells in (["Number", "NAME", "e-mail"], ["050-2345678", "Ann, Lee;x\ty", "a@b.co"])
    ]
    lines[1] = lines[1].replace("Ann, Lee;x\ty", '"Ann, Lee;x\ty"')
    expected = Change(number=ONE, name="Ann, Lee;x y", email="a@b.co")
    assert changes(end.join(lines)) == changes(end.join(lines) + end) == [expected]


def test_all_the_columns() -> None:
    """Known ones in any case and order, every other a field; a cell without a value takes it away."""
    text = (
        "City;TAGS;First Name;number;Group;Name;email\nHaifa;vip;Ann;0502345678;team,staff;Ann Lee;\n;;;0502345679;;;"
    )
    assert changes(text) == [
        Change(
            number=ONE,
            name="Ann Lee",
            email="",
            tags=frozenset({"vip"}),
            fields={"City": "Haifa", "First_Name": "Ann"},
            groups=("team", "staff"),
        ),
        Change(number=TWO, name="", email="", tags=frozenset(), fields={"City": "", "First_Name": ""}),
    ]


@pytest.mark.parametrize(
    "head", ["number", "Phone", "sms_phone", "MOBILE", "טלפון נייד", "\u200fטלפון", "Телефон", " tel ", '"number"']
)
def test_the_column_of_numbers_has_many_names(head: str) -> None:
    """In the languages of those who make such lists."""
    assert changes(f"{head},x\n0502345678,1\n") == [Change(number=ONE, fields={"x": "1"})]


def test_a_second_number_is_a_field() -> None:
    """The legacy contact has sms_phone and phone: the text goes to the first."""
    assert changes("phone,sms_phone\n03-1234567,0502345678\n") == [Change(number=ONE, fields={"phone": "03-1234567"})]


@pytest.mark.parametrize(
    "text", ["0502345678\n0502345679\n", "number\n0502345678\n0502345679", "\n\n0502345678\n\n0502345679"]
)
def test_numbers_alone_need_no_first_line(text: str) -> None:
    """A file of one column is a list of numbers."""
    assert changes(text) == [Change(number=ONE), Change(number=TWO)]


def test_a_line_may_name_the_delimiter() -> None:
    """As some spreadsheet programs write it."""
    assert changes("sep=;\nnumber;a,b,c\n0502345678;1,2,3\n") == [Change(number=ONE, fields={"a_b_c": "1,2,3"})]


def test_a_given_delimiter_counts() -> None:
    """Where the lines would say another."""
    (row,) = sheet("number;a,b,c\n0502345678;1,2,3\n", ";")
    assert row.change == Change(number=ONE, fields={"a_b_c": "1,2,3"})


def test_columns_that_are_passed_over() -> None:
    """Those whose name begins with #, and empty ones at the end."""
    assert changes("#line,#reason,number,,\n7,wrong,0502345678,,\n") == [Change(number=ONE)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the file is empty"),
        ("\n \n\n", "the file is empty"),
        ("name,email\nAnn,a@b.co\n", "no column of numbers: the first line names the columns"),
        ("0502345678,Ann\n", "no column of numbers"),
        ("number,x,X\n0502345678,1,2\n", "two columns are named"),
        ("number,,x\n0502345678,1,2\n", "column 2"),
        ("number,()\n0502345678,1\n", "column 2"),
        ('number,"x\n0502345678,1\n', "line 1: a quote"),
        ("number," + ",".join(f"f{i}" for i in range(51)) + "\n", "51 columns of free fields"),
    ],
)
def test_a_file_without_columns_is_refused(text: str, said: str) -> None:
    """With the reason, before a line of it is taken."""
    with pytest.raises(MalformedContent) as caught:
        read(text)
    assert said in caught.value.reason


def test_a_line_in_error_stops_nothing() -> None:
    """Each is told with its number, whatever is wrong in it, and the lines around it are taken."""
    text = (
        "number,name,email,tags\n0502345678,a,,\n12,b,,\n,c,,\n0502345679,d,nobody,\n0502345678,e,,f,g\n1900123456,,,\n"
    )
    text += f"0502345678,{'x' * 101},,\n0502345678,x,,{'t' * 51}\n0502345678,\ufffd,,\n0502345679,z,,\n"
    rows = read(text)
    assert [row.line for row in rows if row.change] == [2, 11]
    assert [row.change.name for row in rows if row.change] == ["a", "z"]
    assert [(row.line, row.fault[:28]) for row in rows if row.fault] == [
        (3, "too short for a number"),
        (4, "no number"),
        (5, "not an email address: An ema"),
        (6, "5 cells, and 4 columns"),
        (7, rows[5].fault[:28]),
        (8, "a name of 101 characters; 10"),
        (9, "a tag of 51 characters; 50 a"),
        (10, "bytes that are not of the fi"),
    ]
    assert rows[1].cells == ("12", "b", "", "")


def test_short_and_blank_lines() -> None:
    """Missing cells are empty, extra ones are let pass while they are; a blank line is nothing."""
    text = "number,name,x\n0502345678\n\n , ,\n0502345679,b,c,,\n"
    assert changes(text) == [
        Change(number=ONE, name="", fields={"x": ""}),
        Change(number=TWO, name="b", fields={"x": "c"}),
    ]


def test_quotes() -> None:
    """Delimiters, doubled quotes and line ends within; a quote within a word is a character."""
    text = 'number;name;x\n"0502345678";"a ""b"" c";"1;\r\n\r\n2"\n0502345679;5" pipe;o"x\n'
    assert changes(text) == [
        Change(number=ONE, name='a "b" c', fields={"x": "1;\n\n2"}),
        Change(number=TWO, name='5" pipe', fields={"x": 'o"x'}),
    ]
    assert [row.line for row in read(text)] == [2, 5]


def test_a_quote_that_is_never_closed_swallows_nothing() -> None:
    """The line with it is refused, and every other one is taken, in a file of any length."""
    text = 'number;name\n0502345678;"open\n' + "0502345679;next\n" * 100
    assert faults(text) == [(2, "a quote that is not closed, or text behind the closing one")]
    assert len(changes(text)) == 101
    assert faults('number;name\n0502345678;"a"b\n0502345679;c\n') == [
        (2, "a quote that is not closed, or text behind the closing one")
    ]


def test_two_open_quotes_far_apart() -> None:
    """They are not taken for the two ends of one value."""
    text = 'number;name\n0502345678;"open\n' + "0502345679;next\n" * 30 + '0502345678;"open\n'
    assert [line for line, _ in faults(text)] == [2, 33]


def test_a_line_without_end_is_refused() -> None:
    """Its rest is passed over, and the next line is taken; the longest that is allowed is read."""
    longest = f"0502345678,{'x' * (LONGEST_LINE - 12)}\n"
    text = f"number,x\n{longest}0502345678,{'y' * LONGEST_LINE * 3}\n0502345679,1\n"
    assert [(row.line, row.fault) for row in read(text)] == [
        (2, f"x: {LONGEST_LINE - 12} characters; a field has 500 at most"),
        (3, f"longer than {LONGEST_LINE} characters"),
        (4, ""),
    ]
    assert all(len(row.cells[0]) <= 100 for row in read(text) if row.line == 3)


def test_rows_are_read_as_they_are_asked_for() -> None:
    """A file without end is no trouble."""

    def lines() -> object:
        yield "number,name\n"
        while True:
            yield "0502345678,Ann\n"

    rows = Sheet(lines(), region="IL")  # type: ignore[arg-type]
    assert [row.line for row in islice(rows, 3)] == [2, 3, 4]


def test_local_numbers_need_a_region() -> None:
    """Without one, international forms are read alone."""
    rows = list(Sheet(["number\n", "0502345678\n", "+972502345678\n"], region=None))
    assert [row.change.number if row.change else None for row in rows] == [None, ONE]


@given(st.text(alphabet='0123456789+",;\t\r\n ab#=', max_size=200))
def test_any_text_is_read_to_its_end(text: str) -> None:
    """Or refused as a file; every row has a line of the file, in order, and either a change or a fault."""
    try:
        rows = read(text)
    except MalformedContent:
        return
    lines = len(list(io.StringIO(text, newline="")))
    assert all((row.change is None) == bool(row.fault) for row in rows)
    numbers = [row.line for row in rows]
    assert numbers == sorted(set(numbers))
    assert all(1 <= number <= lines for number in numbers)
