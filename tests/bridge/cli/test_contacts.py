"""Contacts and groups on the command line, and contacts from files."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
import threading
from typing import Any

import pytest

from tests.bridge.cli.conftest import Desk

ONE, TWO, THREE = "+972502345678", "+972502345679", "+972502345670"


def names(desk: Desk, *arguments: str) -> list[str]:
    """Return the names of the contacts that are listed."""
    return [row["name"] for row in desk.call("contact", "list", "acme", *arguments, "--json").json]


def imported(desk: Desk, data: str | bytes, *arguments: str) -> dict[str, Any]:
    """Import a file and return the report."""
    file = desk.folder / "list.csv"
    file.write_bytes(data.encode() if isinstance(data, str) else data)
    told: dict[str, Any] = desk.call("contact", "import", "acme", "list.csv", *arguments, "--json").json
    return told


def counts(told: dict[str, Any]) -> tuple[int, int, int, int]:
    """Return the counts of a report: added, updated, repeated, refused."""
    return told["added"], told["updated"], told["repeated"], told["refused"]


def test_a_contact_is_added_and_changed(acme: Desk) -> None:
    """The number is read as dialled in the account's region; what is not given stays."""
    added = acme.call(
        *("contact", "add", "acme", "050-2345678", "--name", "שרה Lee", "--email", "S@Example.com", "--tag", "VIP"),
        *("--tag", "b", "--field", "First name=שרה", "--field", "x=1=2", "--group", "Team", "--json"),
    ).json
    assert added["new"] is True
    assert {key: added[key] for key in ("number", "name", "email", "tags", "groups", "fields")} == {
        "number": ONE,
        "name": "שרה Lee",
        "email": "s@example.com",
        "tags": ["b", "vip"],
        "groups": ["Team"],
        "fields": {"First_name": "שרה", "x": "1=2"},
    }
    changed = acme.call("contact", "add", "acme", ONE, "--email", "", "--field", "x=", "--json").json
    assert (changed["new"], changed["name"], changed["email"]) == (False, "שרה Lee", "")
    assert (changed["tags"], changed["fields"]) == (["b", "vip"], {"First_name": "שרה"})
    del changed["new"]
    for who in (ONE, "0502345678", "שרה  lee"):
        assert acme.call("contact", "show", "acme", who, "--json").json == changed
    assert acme.call("contact", "add", "acme", ONE).out == f"{ONE} changed\n"


def test_a_contact_is_shown_to_a_person(acme: Desk) -> None:
    """One line for each thing known, its own fields last."""
    acme.call("contact", "add", "acme", ONE, "--name", "Ann", "--tag", "b", "--tag", "a", "--field", "city=Haifa\x1b")
    lines = acme.call("contact", "show", "acme", "ann").out.splitlines()
    told = {words[0]: " ".join(words[1:]) for line in lines[1:] if (words := line.split())}
    assert (told["number"], told["name"], told["tags"], told["email"], told["city"]) == (
        ONE,
        "Ann",
        "a, b",
        "-",
        "Haifa",
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("--field", "x"),
        ("--field", "name=x"),
        ("--field", "=x"),
        ("--name", "n" * 101),
        ("--email", "ann"),
        ("--tag", ""),
        ("--group", "5"),
    ],
)
def test_a_bad_value_is_wrong_usage(acme: Desk, arguments: tuple[str, ...]) -> None:
    """And makes no contact."""
    assert acme.call("contact", "add", "acme", ONE, *arguments).code == 2
    assert acme.call("contact", "list", "acme", "--json").json == []


def test_a_bad_number_is_refused(acme: Desk) -> None:
    """With the number and the reason."""
    assert acme.call("contact", "add", "acme", "12").error == "12: too short for a number"


def test_contacts_are_listed_and_deleted(acme: Desk) -> None:
    """By name; those with a tag, those in a group; as many as asked for."""
    for number, name, tag in ((ONE, "c", "x"), (TWO, "A", "y"), (THREE, "b", "x")):
        acme.call("contact", "add", "acme", number, "--name", name, "--tag", tag, "--group", f"g{tag}")
    assert names(acme) == ["A", "b", "c"]
    assert names(acme, "--limit", "1") == ["A"]
    assert names(acme, "--tag", "X") == names(acme, "--group", "GX") == ["b", "c"]
    assert acme.call("contact", "list", "acme", "--group", "no").error == "no group is named no"
    assert len(acme.call("contact", "list", "acme").out.splitlines()) == 4
    assert acme.call("contact", "delete", "acme", "0502345678").out == f"{ONE} deleted\n"
    assert acme.call("contact", "delete", "acme", ONE).error == f"no contact has the number {ONE}"
    assert names(acme) == ["A", "b"]


def test_who_is_meant_has_to_be_clear(acme: Desk) -> None:
    """Two of one name are told by their numbers."""
    for number in (ONE, TWO):
        acme.call("contact", "add", "acme", number, "--name", "Dan")
    assert acme.call("contact", "show", "acme", "dan").error == f"2 contacts are named dan: {ONE}, {TWO}"
    assert "no contact has the number or name Eve" in acme.call("contact", "show", "acme", "Eve").error
    assert "2 contacts are named Dan" in acme.call("contact", "show", "acme", "Dan").error


def test_groups(acme: Desk) -> None:
    """Contacts join by number or name, groups by group:NAME; what is shown is all who are reached."""
    acme.call("contact", "add", "acme", ONE, "--name", "Ann")
    acme.call("contact", "add", "acme", TWO, "--name", "Bob")
    for name in ("inner", "outer"):
        assert acme.call("group", "add", "acme", name).out == f"group {name} made\n"
    assert acme.call("group", "add", "acme", "OUTER").error == "group OUTER exists already"
    assert acme.call("group", "join", "acme", "inner", "050-2345678").code == 0
    assert acme.call("group", "join", "acme", "outer", "bob", "group:inner").code == 0
    assert acme.call("group", "list", "acme", "--json").json == [
        {"group": "inner", "contacts": 1, "groups": 0},
        {"group": "outer", "contacts": 1, "groups": 1},
    ]
    shown = acme.call("group", "show", "acme", "Outer", "--json").json
    assert shown == {
        "account": "acme",
        "group": "outer",
        "groups": ["inner"],
        "contacts": [{"number": ONE, "name": "Ann"}, {"number": TWO, "name": "Bob"}],
    }
    assert acme.call("group", "show", "acme", "outer").out.startswith("groups  inner\n")
    assert acme.call("group", "leave", "acme", "outer", "group:inner", TWO).code == 0
    assert "is not in group outer itself" in acme.call("group", "leave", "acme", "outer", "Ann").error
    assert acme.call("group", "delete", "acme", "inner").code == 0
    assert [row["group"] for row in acme.call("group", "list", "acme", "--json").json] == ["outer"]
    assert names(acme) == ["Ann", "Bob"]


def test_a_group_in_itself_is_refused(acme: Desk) -> None:
    """Directly and through another; nobody who was named beside it has joined then."""
    acme.call("contact", "add", "acme", ONE, "--name", "Ann")
    for name in ("a", "b"):
        acme.call("group", "add", "acme", name)
    acme.call("group", "join", "acme", "a", "group:b")
    said = "a group cannot hold itself, directly or through others"
    assert acme.call("group", "join", "acme", "a", "group:a").error == f"group:a: {said}"
    assert acme.call("group", "join", "acme", "b", "Ann", "group:a").error == f"group:a: {said}"
    assert acme.call("group", "show", "acme", "b", "--json").json["contacts"] == []


@pytest.mark.parametrize(
    ("member", "said"),
    [
        ("group:no", "no group is named no"),
        ("tag:vip", "a tag is no member"),
        ("Eve", "no contact has the number or name Eve; a group is written as group:Eve"),
        (ONE, f"no contact has the number {ONE}"),
    ],
)
def test_an_unknown_member_is_named(acme: Desk, member: str, said: str) -> None:
    """By what it was called."""
    acme.call("group", "add", "acme", "team")
    assert said in acme.call("group", "join", "acme", "team", member).error


@pytest.mark.parametrize("name", ["5", "a,b", "tag:x"])
def test_a_bad_group_is_wrong_usage(acme: Desk, name: str) -> None:
    """Its name would be read as something else."""
    assert acme.call("group", "add", "acme", name).code == 2


LIST = "number;name;tags;City\r\n050-2345678;שרה כהן;vip,b;חיפה\r\n0502345679;Иванов;;\r\n"


@pytest.mark.parametrize("charset", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_a_file_is_imported_in_any_unicode(acme: Desk, charset: str) -> None:
    """With a mark or without."""
    assert counts(imported(acme, LIST.encode(charset))) == (2, 0, 0, 0)
    assert names(acme) == ["Иванов", "שרה כהן"]
    assert acme.call("contact", "show", "acme", ONE, "--json").json["fields"] == {"City": "חיפה"}


@pytest.mark.parametrize(
    ("charset", "name"), [("windows-1255", "שרה כהן"), ("windows-1251", "Иван Петров"), ("windows-1252", "René Müller")]
)
def test_a_file_in_an_old_charset(acme: Desk, charset: str, name: str) -> None:
    """It is found by its words, and the report says which it is."""
    assert imported(acme, f"number,name\n0502345678,{name}\n".encode(charset))["charset"] == charset
    assert names(acme) == [name]


def test_a_charset_that_is_not_sure_has_to_be_named(acme: Desk) -> None:
    """Nothing is taken until it is; then every line is."""
    data = "number,name\n0502345678,Łukasz Gołąb\n".encode("cp1250")
    (acme.folder / "list.csv").write_bytes(data)
    assert acme.call("contact", "import", "acme", "list.csv").error.endswith("name it, as: --charset windows-1255")
    assert names(acme) == []
    assert imported(acme, data, "--charset", "windows-1250")["added"] == 1
    assert names(acme) == ["Łukasz Gołąb"]
    assert acme.call("contact", "import", "acme", "list.csv", "--charset", "klingon").code == 2
    told = imported(acme, data, "--charset", "utf-8")
    assert told["lines"] == [{"line": 2, "reason": "bytes that are not of the file's charset"}]


def test_a_line_in_error_stops_nothing(acme: Desk) -> None:
    """It is counted and told; the file of refused lines is mended and imported as it is."""
    told = imported(acme, f'{LIST}12;bad;;\r\n;none;;\r\n0502345670;"open;;\r\n', "--refused", "refused.csv")
    assert counts(told) == (2, 0, 0, 3)
    assert [line["line"] for line in told["lines"]] == [4, 5, 6]
    assert told["lines"][0]["reason"] == "too short for a number"
    refused = (acme.folder / "refused.csv").read_bytes()
    assert refused.startswith(
        b"\xef\xbb\xbf#line;#reason;number;name;tags;City\r\n4;too short for a number;12;bad;;\r\n"
    )
    lines = refused.decode("utf-8-sig").splitlines()
    mended = "\r\n".join(
        [lines[0], lines[1].replace(";12;", ";0502345671;"), lines[2].replace(";;none", f";{THREE};none")]
    )
    assert counts(imported(acme, mended)) == (2, 0, 0, 0)
    assert names(acme) == ["bad", "none", "Иванов", "שרה כהן"]


def test_a_file_that_is_there_is_not_written_over(acme: Desk) -> None:
    """Refused lines go to a new file."""
    (acme.folder / "list.csv").write_text("number\n1\n")
    assert (
        "cannot be written: File exists"
        in acme.call("contact", "import", "acme", "list.csv", "--refused", "list.csv").error
    )


def test_the_last_line_of_a_number_counts(acme: Desk) -> None:
    """The report says so, over batches too; a second import changes what is there."""
    lines = "".join(f"05023{place:05d},{place}\n" for place in range(40_000, 42_500))
    text = f"number,name\n0502345678,first\n{lines}0502345678,last\n"
    assert counts(imported(acme, text)) == (2501, 0, 1, 0)
    assert acme.call("contact", "show", "acme", ONE, "--json").json["name"] == "last"
    (acme.folder / "list.csv").write_text(text)
    out = acme.call("contact", "import", "acme", "list.csv").out.splitlines()
    assert out[0] == "0 added, 2501 updated, 0 refused; read as utf-8"
    assert out[1] == "1 more with the number of a line before: of such lines the last counts"


def test_the_report_for_a_person(acme: Desk) -> None:
    """The counts, the fields, and the first refused lines; how many more there are, and where to find them."""
    (acme.folder / "list.csv").write_text("number,City\n" + "12,x\n" * 25)
    out = acme.call("contact", "import", "acme", "list.csv").out.splitlines()
    assert out[:3] == [
        "0 added, 0 updated, 25 refused; read as utf-8",
        "fields: City",
        "line 2: too short for a number",
    ]
    assert out[-1] == "and 5 more; --refused OUT writes them all"
    assert len(out) == 23


def test_a_list_of_numbers_from_stdin_into_a_group(acme: Desk) -> None:
    """No first line is needed, and all of them join."""
    done = acme.run("contact", "import", "acme", "-", "--group", "Team", "--json", stdin="0502345678\n0502345679\n")
    assert counts(done.json) == (2, 0, 0, 0)
    assert len(acme.call("group", "show", "acme", "team", "--json").json["contacts"]) == 2


def test_a_delimiter_may_be_given(acme: Desk) -> None:
    """Where the lines would say another."""
    assert imported(acme, "number;a,b,c\n0502345678;1,2,3\n", "--delimiter", ";")["fields"] == ["a_b_c"]
    assert acme.call("contact", "import", "acme", "list.csv", "--delimiter", "x").code == 2


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "the file is empty"),
        (b"name,email\nAnn,\n", "no column of numbers"),
        (None, "cannot be read: No such file"),
    ],
)
def test_a_file_without_contacts_is_refused(acme: Desk, data: bytes | None, said: str) -> None:
    """And leaves no file of refused lines."""
    if data is not None:
        (acme.folder / "list.csv").write_bytes(data)
    assert said in acme.call("contact", "import", "acme", "list.csv", "--refused", "refused.csv").error
    assert not (acme.folder / "refused.csv").exists()


def test_progress_is_shown_on_a_terminal_alone(acme: Desk) -> None:
    """On stderr; stdout has the report and nothing else."""
    (acme.folder / "list.csv").write_text("number\n" + "0502345678\n" * 5000)
    terminal, other = pty.openpty()
    shown = io.BytesIO()

    def watch() -> None:
        try:
            while piece := os.read(terminal, 4096):
                shown.write(piece)
        except OSError:  # the other end was closed
            pass

    reader = threading.Thread(target=watch)
    reader.start()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "bridge", "contact", "import", "acme", "list.csv"],
            cwd=acme.folder,
            env=os.environ | {"TERM": "xterm"},
            stdout=subprocess.PIPE,
            stderr=other,
            timeout=60,
            check=True,
        )
    finally:
        os.close(other)
        reader.join(60)
        os.close(terminal)
    assert b"contacts" in shown.getvalue()
    assert b"%" in shown.getvalue()
    assert done.stdout.splitlines()[0] == b"1 added, 0 updated, 0 refused; read as utf-8"
    assert acme.run("contact", "import", "acme", "list.csv").err == ""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_file(acme: Desk) -> None:
    """Sixty thousand lines take hardly more than six thousand: every line is refused, the dearest case to keep."""

    def peak(lines: int) -> int:
        (acme.folder / "list.csv").write_text("number,x\n" + f"12,{'x' * 400}\n" * lines)
        code = (
            "import resource, subprocess, sys;"
            "subprocess.run([sys.executable, '-m', 'bridge', 'contact', 'import', 'acme', 'list.csv'],"
            " check=True, stdout=subprocess.DEVNULL);"
            "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=acme.folder, capture_output=True, timeout=100, check=True
        )
        return int(done.stdout)

    small, large = peak(6_000), peak(60_000)
    assert large < small + 8 * 1024  # KiB; the file itself has 24 MB
