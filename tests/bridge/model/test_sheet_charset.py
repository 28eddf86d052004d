"""The charset of a file of contacts: found where it is sure, not guessed where it is not."""

from __future__ import annotations

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.model.sheet_charset import find_charset, known_charset

HEAD = "number;name\r\n0502345678;"
HEBREW = "שרה כהן\r\n0502345679;משה לוי"
RUSSIAN = "Иван Петров\r\n0502345679;Анна ООО"
FRENCH = "René Lefèvre\r\n0502345679;François L’Hôte"
GERMAN = "Jürgen Müller\r\n0502345679;Björn GROß"


@pytest.mark.parametrize(
    ("names", "charset"),
    [
        (HEBREW, "windows-1255"),
        ("דן", "windows-1255"),
        ('צה"ל – ירושלים', "windows-1255"),
        (RUSSIAN, "windows-1251"),
        ("иван петров\r\n0502345679;марина", "windows-1251"),
        ("Ганна Їжак", "windows-1251"),
        (FRENCH, "windows-1252"),
        (GERMAN, "windows-1252"),
        ("São João\r\n0502345679;Camões", "windows-1252"),
        ("Ángel Núñez", "windows-1252"),
        ("Søren Ærø", "windows-1252"),
    ],
)
def test_old_charsets_are_told_by_their_words(names: str, charset: str) -> None:
    """A few names are enough, whatever the pieces they come in."""
    data = (HEAD + names).encode(charset)
    assert find_charset([data]) == charset
    assert find_charset(data[place : place + 1] for place in range(len(data))) == charset


@pytest.mark.parametrize("names", [HEBREW, RUSSIAN, FRENCH, "plain", "田中", "🙂"])
@pytest.mark.parametrize("charset", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_unicode_is_told_by_itself(names: str, charset: str) -> None:
    """By its mark, by its zeros, or because it is valid; what is found reads the file without the mark."""
    data = (HEAD + names).encode(charset)
    found = find_charset([data])
    assert found is not None
    assert data.decode(found) == HEAD + names


def test_utf_16_big_endian_with_a_mark() -> None:
    """The mark says the order."""
    data = codecs.BOM_UTF16_BE + (HEAD + HEBREW).encode("utf-16-be")
    found = find_charset([data])
    assert found is not None
    assert data.decode(found) == HEAD + HEBREW


@pytest.mark.parametrize(
    ("names", "charset"),
    [
        ("Antonín Dvořák\r\n0502345679;Božena Němcová\r\n0502345679;Jiří Černý", "cp1250"),
        ("Łukasz Gołąb\r\n0502345679;Małgorzata Woźniak", "cp1250"),
        ("Erdős Pál\r\n0502345679;Nagy Győző", "cp1250"),
        ("Γιώργος Παπαδόπουλος", "cp1253"),
        ("محمد علي\r\n0502345679;أحمد", "cp1256"),
        ("Yiğit Şahin\r\n0502345679;Çağlar Işık", "cp1254"),
        (RUSSIAN, "koi8-r"),
        (HEBREW, "cp862"),
        ("René", "mac_roman"),
        ("田中 太郎", "shift-jis"),
        ("王伟\r\n0502345679;李娜", "gbk"),
        ("\x80\x81\x82", "latin-1"),
    ],
)
def test_others_are_not_guessed(names: str, charset: str) -> None:
    """A file in another charset is not read as one of the three."""
    assert find_charset([(HEAD + names).encode(charset)]) is None


def test_two_charsets_in_one_file_are_not_sure() -> None:
    """As when two lists were put one behind the other."""
    assert find_charset([f"{HEBREW}\n".encode(), f"{HEBREW}\n".encode("cp1255")]) is None
    assert find_charset([f"{FRENCH}\n".encode("cp1252"), f"{HEBREW}\n".encode("cp1255")]) is None


def test_the_first_line_beyond_ascii_may_be_far_down() -> None:
    """Not only the beginning of the file is looked at."""
    plain = [b"0502345678;plain\n" * 10_000] * 20
    assert find_charset([*plain, f"0502345678;{HEBREW}\n".encode("cp1255")]) == "windows-1255"
    assert find_charset(plain) == "utf-8"


@pytest.mark.parametrize("charset", ["utf-8", "windows-1255"])
def test_a_file_without_line_feeds(charset: str) -> None:
    """However long, and wherever it is cut: old Macintosh programs end lines with CR alone."""
    data = (f"0502345678;{HEBREW}".replace("\r\n", "\r") + "\r").encode(charset) * 4000
    assert find_charset(data[place : place + 10_001] for place in range(0, len(data), 10_001)) == charset


def test_one_odd_word_among_many_changes_nothing() -> None:
    """Two names without a space between, in a list of hundreds."""
    names = "Иван Петров\n" * 100 + "АннаМария\n"
    assert find_charset([names.encode("cp1251")]) == "windows-1251"


def test_only_so_much_is_kept_and_read() -> None:
    """Once the sample is full and UTF-8 is ruled out, the rest of the file is not asked for."""

    def endless() -> object:
        while True:
            yield (HEBREW + "\n").encode("cp1255") * 100

    assert find_charset(endless()) == "windows-1255"  # type: ignore[arg-type]


@given(st.lists(st.binary(max_size=40), max_size=6))
def test_any_bytes_have_an_answer(pieces: list[bytes]) -> None:
    """A charset that Python knows, or None; how the file was cut makes no difference."""
    found = find_charset(pieces)
    assert found == find_charset([b"".join(pieces)])
    if found is not None:
        codecs.lookup(found)


@pytest.mark.parametrize(
    ("name", "known"), [("windows-1255", "cp1255"), ("UTF-8", "utf-8"), ("latin1", "iso8859-1"), ("cp862", "cp862")]
)
def test_charsets_have_many_names(name: str, known: str) -> None:
    """All that Python knows."""
    assert known_charset(name) == known


@pytest.mark.parametrize("name", ["", "nonsense", "base64", "zip", "a\0b", "hex", "עברית"])
def test_what_is_no_charset_is_refused(name: str) -> None:
    """Python's codecs that are no charsets among them."""
    with pytest.raises(ValueError, match="no such charset; write utf-8"):
        known_charset(name)
