"""SASL over SMTP: what a client sends, and what it means."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtp.wire import sasl
from smtp.wire.sasl import LONGEST, Challenge, Credentials, Exchange, Refusal, Step


def encoded(told: str | bytes) -> str:
    """Return what stands on the wire for a response."""
    return b64encode(told if isinstance(told, bytes) else told.encode()).decode("ascii")


def steps(argument: str, *lines: bytes | None) -> list[Step]:
    """Return every step of an exchange."""
    exchange = Exchange()
    return [exchange.begin(argument), *(exchange.answered(line) for line in lines)]


def last(argument: str, *lines: str | bytes) -> Step:
    """Return how an exchange ends in which each line is asked for."""
    *before, end = steps(argument, *(encoded(line).encode() for line in lines))
    assert all(isinstance(step, Challenge) for step in before)
    return end


ANN = Credentials(user="ann", password="secret word")
PLAIN = "\0ann\0secret word"


def test_plain() -> None:
    """PLAIN comes in one line or, after an empty challenge, in two; the mechanism in any case (RFC 4616, 2)."""
    assert last(f"PLAIN {encoded(PLAIN)}") == ANN
    assert last(f"plain   {encoded(PLAIN)} ") == ANN
    assert steps("PLAIN") == [Challenge(reply="334 ")]
    assert last("PLAIN", PLAIN) == ANN


def test_login() -> None:
    """LOGIN asks for the name and the password; the name may come with the command."""
    assert steps("LOGIN", encoded("ann").encode()) == [
        Challenge(reply="334 VXNlcm5hbWU6"),
        Challenge(reply="334 UGFzc3dvcmQ6"),
    ]
    assert last("LOGIN", "ann", "secret word") == ANN
    assert last(f"LOGIN {encoded('ann')}", "secret word") == ANN


def test_lines_with_their_ends() -> None:
    """The end of a line is no part of it, nor are spaces around."""
    assert steps("PLAIN", f" {encoded(PLAIN)} \r\n".encode())[-1] == ANN


def test_for_whom() -> None:
    """Whom to act for is the user or nobody: nothing else could be granted (RFC 4616, 2)."""
    assert last("PLAIN", "ann\0ann\0secret word") == ANN
    for other in ("bob", "Ann", "ann "):
        assert last("PLAIN", f"{other}\0ann\0secret word") == Refusal(reply=sasl.FOR_ANOTHER)


@pytest.mark.parametrize(
    ("user", "password", "meant"),
    [
        ("דנה", "סוד", ("דנה", "סוד")),
        ("rene\u0301", "e\u0301", ("ren\u00e9", "\u00e9")),
        ("a:b", " leading and trailing ", ("a:b", " leading and trailing ")),
        ("ANN", "\u00a0", ("ANN", "\u00a0")),
        ("x" * 128, "\U0001f511" * 1024, ("x" * 128, "\U0001f511" * 1024)),
    ],
)
def test_any_letters(user: str, password: str, meant: tuple[str, str]) -> None:
    """UTF-8 is taken in NFC, with its case and spaces; the longest user and password there are fit in a response."""
    wanted = Credentials(user=meant[0], password=meant[1])
    assert last("PLAIN", f"\0{user}\0{password}") == wanted
    assert last("LOGIN", user, password) == wanted


@pytest.mark.parametrize(
    "told",
    [
        *("", "\0", "\0\0", "ann", "ann\0secret", "\0ann\0", "\0\0secret", "\0ann\0sec\0ret", "\0ann\0secret\0"),
        *(b"\0ann\0\xff", b"\0\xe9\0secret", b"\xc0\x80ann\0secret", b"\0ann\0\xed\xa0\x80"),
    ],
)
def test_wrong_plain(told: str | bytes) -> None:
    """Anything but three strings, the last two not empty, all UTF-8, is refused."""
    assert last("PLAIN", told) == Refusal(reply=sasl.NO_CREDENTIALS)
    assert last(f"PLAIN {encoded(told) or '='}") == Refusal(reply=sasl.NO_CREDENTIALS)


@pytest.mark.parametrize("told", ["", "an\0n", "\0", b"\xff", b"ann\x80"])
def test_wrong_login(told: str | bytes) -> None:
    """Neither string of LOGIN is empty, holds NUL, or is something else than UTF-8."""
    assert last("LOGIN", told) == Refusal(reply=sasl.NO_CREDENTIALS)
    assert last(f"LOGIN {encoded(told) or '='}") == Refusal(reply=sasl.NO_CREDENTIALS)
    assert last("LOGIN", "ann", told) == Refusal(reply=sasl.NO_CREDENTIALS)


@pytest.mark.parametrize(
    "word", ["hello!", "YQ", "YQ=", "YQ===", "=YQ=", "YQ==YQ==", "Y Q==", "YQ==\0", "שלום", "\ud800"]
)
def test_what_is_no_base64(word: str) -> None:
    """Base64 has its padding and nothing else in it (RFC 4954, 4)."""
    assert steps(f"PLAIN {word}") == [Refusal(reply=sasl.NO_BASE64)]
    assert steps("LOGIN", word.encode("utf-8", "surrogatepass"))[-1] == Refusal(reply=sasl.NO_BASE64)


def test_cancelled() -> None:
    """A star ends the exchange at any challenge; as a first response it is no base64 (RFC 4954, 4)."""
    cancelled = Refusal(reply=sasl.CANCELLED)
    assert steps("PLAIN", b"*\r\n")[-1] == cancelled
    assert steps("LOGIN", b"*")[-1] == cancelled
    assert steps("LOGIN", encoded("ann").encode(), b"*")[-1] == cancelled
    assert steps("PLAIN *") == [Refusal(reply=sasl.NO_BASE64)]


def test_too_long() -> None:
    """A line of 12,288 octets is looked at, a longer one is not (RFC 4954, 4)."""
    fits = encoded("\0a\0" + "b" * (LONGEST // 4 * 3 - 3)).encode()
    assert len(fits) == LONGEST
    assert isinstance(steps("PLAIN", fits)[-1], Credentials)
    assert steps("PLAIN", b"A" * (LONGEST + 1))[-1] == Refusal(reply=sasl.TOO_LONG)
    assert steps("PLAIN", None)[-1] == Refusal(reply=sasl.TOO_LONG)


@pytest.mark.parametrize("argument", ["CRAM-MD5", "XOAUTH2 YQ==", "PLAINER", "LOG", "", " ", "334", "\0", "שלום"])
def test_unknown_mechanisms(argument: str) -> None:
    """Only the two that are offered."""
    assert steps(argument) == [Refusal(reply=sasl.UNKNOWN)]


def test_nothing_shows_the_password() -> None:
    """Not what is printed of the credentials, nor of the exchange, its steps and its replies."""
    exchange = Exchange()
    exchange.begin(f"LOGIN {encoded('ann')}")
    shown = repr(exchange.answered(encoded("secret word").encode())) + repr(exchange) + str(exchange)
    assert "ann" in shown
    assert "secret" not in shown
    assert encoded("secret word") not in shown


_CRUMBS = st.one_of(
    st.binary(max_size=40),
    st.sampled_from([b"*", b"", b"=", b"\0ann\0pw", b"ann"]),
    st.binary(max_size=40).map(b64encode),
    st.lists(st.binary(max_size=8), max_size=5).map(lambda parts: b64encode(b"\0".join(parts))),
)


@given(
    argument=st.one_of(
        st.text(max_size=40),
        st.tuples(st.sampled_from(["PLAIN", "LOGIN", "login"]), _CRUMBS).map(
            lambda pair: f"{pair[0]} {pair[1].decode('utf-8', 'surrogateescape')}"
        ),
        st.sampled_from(["PLAIN", "LOGIN"]),
    ),
    lines=st.lists(st.one_of(st.none(), _CRUMBS), max_size=4),
)
def test_any_octets(argument: str, lines: Sequence[bytes | None]) -> None:
    """Whatever is sent, an exchange ends after two challenges at most, in a refusal or with both strings."""
    exchange = Exchange()
    step = exchange.begin(argument)
    asked = 0
    for line in lines:
        if not isinstance(step, Challenge):
            break
        asked += 1
        step = exchange.answered(line)
    assert asked <= 2
    if isinstance(step, Credentials):
        assert step.user
        assert step.password
        assert "\0" not in step.user + step.password
        (step.user + step.password).encode("utf-8")
    elif isinstance(step, Refusal):
        assert step.reply[0] == "5"
    else:
        assert step.reply.startswith("334 ")
