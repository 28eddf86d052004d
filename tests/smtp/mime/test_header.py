"""The header of a mail as text."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtp.mime.entity import Entity
from smtp.mime.header import EMPTY, Header, decode_words

WORDS = {
    "plain": (b"Server down", "Server down"),
    "base64": (b"=?utf-8?B?16nXnNeV150=?=", "שלום"),
    "quoted-printable": (b"=?iso-8859-1?Q?Caf=E9_=3F?= now", "Café ? now"),
    "two words": (b"=?utf-8?Q?a?= =?utf-8?Q?b?=", "ab"),
    "a character cut in two": (b"=?utf-8?B?16k=?= =?utf-8?B?15w=?=", "של"),
    "bytes cut in two": (b"=?utf-8?Q?=D7?=\r\n =?utf-8?Q?=A9?=", "ש"),
    "folded": (b"a\r\n b\r\n\tc", "a b c"),
    "a language": (b"=?utf-8*he?B?16nXnNeV150=?=", "שלום"),
    "raw UTF-8": ("שלום".encode(), "שלום"),
    "raw Hebrew": ("שלום עולם".encode("cp1255"), "שלום עולם"),
    "no word": (b"a =?b? c", "a =?b? c"),
    "an unknown charset": (b"=?x-no?Q?abc?=", "abc"),
    "no base64": (b"=?utf-8?B?!!!?=", ""),
}


@pytest.mark.parametrize(("value", "text"), WORDS.values(), ids=WORDS)
def test_words(value: bytes, text: str) -> None:
    """Encoded words read as what they say, on one line."""
    assert decode_words(value) == text


def test_fields() -> None:
    """Fields are found by name whatever the case, each value unfolded, in their order."""
    raw = b"Subject: a\r\nX-Y : b\r\n c\r\nsubject:\r\n d\r\n\r\nSubject: body\r\n"
    header = Header.of(Entity.of(raw, "text/plain"))
    assert header.all("subject") == [b"a", b"d"]
    assert header.first("x-y") == b"b c"
    assert header.first("none") == b""
    assert header.text("subject") == "a"
    assert EMPTY.all("subject") == []


def test_limits() -> None:
    """A thousand fields are kept, and eight thousand bytes of a value."""
    header = Header.of(Entity.of(b"A: b\n" * 5000 + b"\n", "text/plain"))
    assert len(header.fields) == 1000
    header = Header.of(Entity.of(b"A: " + b"b" * 100_000 + b"\n\n", "text/plain"))
    assert len(header.first("a")) == 8192


EVIL = {
    "words of unknown charsets": b" ".join(b"=?x-%d?Q?=B1=B2=B3=B4?=" % number for number in range(400)),
    "half words": b"=?utf-8?Q?" * 800,
    "high bytes": b"\xb1\xb2\xb3 " * 2000,
}


@pytest.mark.parametrize("value", EVIL.values(), ids=EVIL)
def test_no_value_takes_long(value: bytes) -> None:
    """A value made to take long does not."""
    decode_words(b"=?x?Q?=B1?=")
    begin = time.process_time()
    decode_words(value)
    assert time.process_time() - begin < 0.5


@given(st.binary(max_size=100) | st.text("=?utf8BQbq_ \r\n\tAé", max_size=60).map(str.encode))
def test_any_value(value: bytes) -> None:
    """Whatever the bytes, there is a line of text."""
    text = decode_words(value)
    assert text == " ".join(text.split())
