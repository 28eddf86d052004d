"""How a mail is read from the wire: Data, fed in pieces."""

from __future__ import annotations

import re
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtp.wire.data import Data
from tests.smtp.talk import cut

END = b"\r\n.\r\n"

_line = st.one_of(
    st.sampled_from([b"", b".", b"..", b"...", b".\r", b"\r", b"\r.", b". ", b"\r\r"]),
    st.binary(max_size=12).map(lambda line: line.replace(b"\n", b"")),
)
_mail = st.lists(_line, max_size=12).map(lambda lines: b"".join(line + b"\r\n" for line in lines))
_follows = st.one_of(st.just(b""), st.just(b"QUIT\r\n"), st.just(b".\r\n"), st.binary(max_size=8))


def sent(content: bytes) -> bytes:
    """Return a mail as a client sends it: RFC 5321, 4.5.2, line by line."""
    lines = content.split(b"\r\n")
    return b"\r\n".join(b"." + line if line.startswith(b".") else line for line in lines) + b".\r\n"


def read(pieces: list[bytes], *, limit: int = 1_000_000) -> tuple[Data, bytes | None]:
    """Feed pieces until the end is reached; return what follows it, or None when it was not."""
    data = Data(limit)
    for place, piece in enumerate(pieces):
        rest = data.feed(piece)
        if rest is not None:
            return data, rest + b"".join(pieces[place + 1 :])
    return data, None


@given(content=_mail, follows=_follows, places=st.lists(st.integers(0, 200), max_size=20))
def test_a_mail_is_the_same_however_it_is_cut(content: bytes, follows: bytes, places: list[int]) -> None:
    """Content, end, and what follows the end (the next command) do not depend on where the network cuts."""
    data, rest = read(cut(sent(content) + follows, places))
    assert (data.bare_lf, data.too_large) == (False, False)
    assert data.content() == content
    assert rest == follows


@given(content=_mail, follows=_follows)
def test_a_mail_comes_octet_by_octet(content: bytes, follows: bytes) -> None:
    """The same when each octet comes alone, so the end is split at each of its places."""
    wire = sent(content) + follows
    data, rest = read([wire[place : place + 1] for place in range(len(wire))])
    assert not data.bare_lf
    assert (data.content(), rest) == (content, follows)


@pytest.mark.parametrize("place", range(1, 8))
def test_the_end_is_seen_across_pieces(place: int) -> None:
    """Cut before and after each of the five octets of the end."""
    wire = b"a" + END + b"N"
    data, rest = read([wire[:place], wire[place:]] if place < len(wire) else [wire])
    assert (data.content(), rest) == (b"a\r\n", b"N")


@pytest.mark.parametrize(
    ("wire", "content"),
    [
        (b".\r\n", b""),
        (b"\r\n.\r\n", b"\r\n"),
        (b"..\r\n.\r\n", b".\r\n"),
        (b"...\r\n.\r\n", b"..\r\n"),
        (b".a\r\n.\r\n", b"a\r\n"),  # a client that did not double its dot
        (b"a\r\n..b\r\n.\r\n", b"a\r\n.b\r\n"),
        (b"\r\n..\r\n..\r\n.\r\n", b"\r\n.\r\n.\r\n"),
        (b"a.\r\n.\r\n", b"a.\r\n"),
        (b". \r\n.\r\n", b" \r\n"),  # a dot and more is no end
        (b"\x00\xff\r\n.\r\n", b"\x00\xff\r\n"),
    ],
)
def test_dots(wire: bytes, content: bytes) -> None:
    """A dot that begins a line is left out (RFC 5321, 4.5.2); one alone is the end, also as the very first line."""
    data, rest = read([wire])
    assert (data.content(), rest) == (content, b"")


@pytest.mark.parametrize("size", [1, 3, 7, 1000])
@pytest.mark.parametrize("begin", [b"", b".\r\n", b"\r\n.\r\n..\r\n.x\r\n"])
def test_the_limit_is_exact(begin: bytes, size: int) -> None:
    """A mail of as many octets as allowed is taken, one more is not; dots of transparency and the end count nothing."""
    content = begin.ljust(98, b"a") + b"\r\n"
    wire = sent(content)
    pieces = cut(wire, list(range(0, len(wire), size)))
    data, rest = read(pieces, limit=100)
    assert (data.too_large, data.content(), rest) == (False, content, b"")
    data, rest = read(pieces, limit=99)
    assert (data.too_large, rest) == (True, b"")


def test_a_mail_that_is_too_large_is_not_held() -> None:
    """Of 20 MB with a limit of 1 MB no more is held than that and a piece, and the end is still found."""
    piece = b"x" * 65_534 + b"\r\n"
    data = Data(1_000_000)
    tracemalloc.start()
    try:
        for _ in range(320):
            assert data.feed(piece) is None
        rest = data.feed(b".\r\nRSET\r\n")
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert rest == b"RSET\r\n"
    assert data.too_large
    assert most < 1_500_000


def test_a_mail_in_tiny_pieces_is_held_once() -> None:
    """A megabyte in pieces of one octet takes about a megabyte: a client cannot multiply what it sends."""
    data = Data(1_000_000)
    tracemalloc.start()
    try:
        for _ in range(500_000):
            data.feed(b"x")
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 1_500_000


@given(before=_mail, line=st.binary(max_size=5), after=st.binary(max_size=9), places=st.lists(st.integers(0, 80)))
def test_a_bare_lf_is_refused_at_once(before: bytes, line: bytes, after: bytes, places: list[int]) -> None:
    """The piece that brings an LF without CR before the end is the last that is read, and nothing follows it."""
    line = line.replace(b"\n", b"").rstrip(b"\r")
    line = b"x" if not line and not before else line
    wire = sent(before)[:-3] + line + (b"" if line or before[-2:] != b"\r\n" else b"x") + b"\n" + after
    found = next(match.end() for match in re.finditer(rb"(?<!\r)\n", wire))
    data = Data(1_000_000)
    taken = 0
    for piece in cut(wire, places):
        taken += len(piece)
        rest = data.feed(piece)
        if taken < found:
            assert (rest, data.bare_lf) == (None, False)
        else:
            assert (rest, data.bare_lf) == (b"", True)
            return
    pytest.fail("an LF without CR was taken")


def test_a_crlf_in_two_pieces_is_whole() -> None:
    """An LF that begins a piece belongs to the CR that ended the one before."""
    data, rest = read([b"a\r", b"\nb\r", b"\n", b".\r", b"\n"])
    assert (data.bare_lf, data.content(), rest) == (False, b"a\r\nb\r\n", b"")
