"""Who wrote a mail: the one address of From, in all the forms that programs write."""

from __future__ import annotations

import time
from email import policy
from email.parser import BytesHeaderParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.model.account import normalise_address
from bridge.model.errors import SenderRefused
from smtp.proof import mailboxes
from smtp.proof.author import author_of
from tests.smtp.proof.world import ANN, header_of


def author(value: bytes | str, *more: bytes) -> str | None:
    """Return the author of a mail with this From."""
    octets = value.encode() if isinstance(value, str) else value
    return author_of(header_of(b"\r\n".join([b"Subject: x", b"From:" + octets, *more, b"", b"text", b""])))


@pytest.mark.parametrize(
    "value",
    [
        "ann@example.com",
        " ann@example.com ",
        "<ann@example.com>",
        " Ann <ann@example.com>",
        " Ann<ann@example.com>",
        ' "Ann" <ann@example.com>',
        ' "Smith, Ann" <ann@example.com>',
        ' "Ann \\"A\\" Smith" <ann@example.com>',
        " Ann B. Smith <Ann@Example.COM>",
        " ann@example.com <ann@example.com>",
        " Ann@example.com <ann@Example.com>",
        ' "ann@example.com" <ann@example.com>',
        ' "eve@evil.test" <ann@example.com>',
        " ann@example.com (Ann Smith)",
        " ann@example.com (Cron (daily) job)",
        " ann@example.com (ann@example.com)",
        " Nagios (host) <ann@example.com>",
        " (Ann) Ann <ann@example.com> (Ann)",
        " [monitor] Zabbix <ann@example.com>",
        " =?utf-8?B?15DXoNeU?= <ann@example.com>",
        " =?utf-8?q?a=40b.com?= <ann@example.com>",
        " \u05d0\u05e0\u05d4 <ann@example.com>",
        b" \xe0\xf0\xe4 <ann@example.com>",
        b' "\xe0\xf0\xe4" <ann@example.com>',
        b"\r\n Ann\r\n\t<ann@example.com>",
        b" Ann\r\n\t<ann@example.com>",
        b" Ann\n <ann@example.com>",
        ' "ann"@example.com',
        " Ann\t<ann@example.com>",
    ],
)  # fmt: skip
def test_forms_of_one_address(value: bytes | str) -> None:
    """One address is read in every form that leaves no doubt, and in its normal spelling."""
    assert author(value) == ANN


@pytest.mark.parametrize(
    ("value", "address"),
    [
        (" <a+b=c&d'e@example.com>", "a+b=c&d'e@example.com"),
        (" root@localhost", "root@localhost"),
        (" a!b#c$d%e*f/g?h^i`j{k|l}m~n@example.com", "a!b#c$d%e*f/g?h^i`j{k|l}m~n@example.com"),
        (" <ann@b\u00fccher.example>", "ann@xn--bcher-kva.example"),
        (" Ann <\u05d0\u05e0\u05d4@example.com>", "\u05d0\u05e0\u05d4@example.com"),
        (" jose\u0301@example.com", "jos\u00e9@example.com"),
        (' "ann smith"@example.com', '"ann smith"@example.com'),
    ],
)
def test_unusual_addresses(value: str, address: str) -> None:
    """Every letter that may stand in an address does; U-labels become A-labels."""
    assert author(value) == address


def test_no_author() -> None:
    """A mail without From has none, which is for others to judge; with an empty one it is refused."""
    assert author_of(header_of(b"Subject: x\r\nSender: ann@example.com\r\n\r\nFrom: ann@example.com\r\n")) is None
    with pytest.raises(SenderRefused, match="it holds no address"):
        author("")


@pytest.mark.parametrize(
    "value",
    [
        "<>",
        "ann",
        "@example.com",
        "ann@",
        "ann @example.com",
        "ann@ example.com",
        ".ann@example.com",
        "ann..b@example.com",
        "ann.@example.com",
        "ann@example..com",
        "ann@-example.com",
        "ann@[192.0.2.1]",
        "ann@example.com>",
        "<ann@example.com",
        "Ann <ann@example.com> x",
        "Ann <ann@example.com>, ",
        "Smith, Ann <ann@example.com>",
        "Re: Ann <ann@example.com>",
        "Ann <mailto:ann@example.com>",
        ") ann@example.com",
        "ann@example.com)",
        "ann(x)@example.com",
        b"\xe0@example.com",
        b"ann@\xe0.com",
        "ann@example.com\x85",
        b"ann@example.com\x01",
    ],
)  # fmt: skip
def test_forms_with_a_doubt(value: bytes | str) -> None:
    """What is no address, or could be another one for another reader, is refused; the table of forgeries has more."""
    with pytest.raises(SenderRefused):
        author(value)


_SPECIALS = ["<", ">", '"', "\\", "(", ")", ",", ":", ";", " ", "\t", "\r\n ", ".", "@", "[", "]", "\x00", "\r"]
_WORDS = ["ann@example.com", "eve@evil.test", "Ann", "=?utf-8?q?x?=", "\u05d0", "\uff20", "\x80"]
_piece = st.sampled_from(_SPECIALS + _WORDS)


@given(st.one_of(st.lists(_piece, max_size=12).map("".join).map(str.encode), st.binary(max_size=60)))
def test_no_other_error_escapes(value: bytes) -> None:
    """Whatever stands in From, it is an address in its normal spelling or a refusal of the tree."""
    try:
        found = author(value)
    except SenderRefused:
        return
    assert found is None or found == normalise_address(found)


@given(st.lists(_piece, max_size=8).map("".join).filter(lambda value: "\x00" not in value and "\r" not in value))
def test_the_standard_parser_reads_no_other_address(value: str) -> None:
    """Where we read an address without doubt, the parser of the standard library reads the same one and no other."""
    try:
        found = author(" " + value)
    except SenderRefused:
        return
    parsed = BytesHeaderParser(policy=policy.default).parsebytes(b"From: " + value.encode() + b"\r\n\r\n")
    addresses = [address.addr_spec for address in parsed["From"].addresses]
    assert [normalise_address(address) for address in addresses if address] == [found]


@pytest.mark.parametrize("value", ["(", "a@b ", '"', "\\", "<", "a.", "((a)", " ", "\u05d0", "=?", "a<"])
@pytest.mark.parametrize("times", [3_000, 250_000])
def test_long_fields_take_no_time(value: str, times: int) -> None:
    """From of any length is read, or refused, in time that grows with it."""
    spent = time.thread_time()
    with pytest.raises(SenderRefused):
        author(value * times)
    assert time.thread_time() - spent < 0.5


@pytest.mark.parametrize(
    ("value", "addresses"),
    [
        ("", []),
        ("a@b.c", ["a@b.c"]),
        ("A <a@b.c>, d@e.f", ["a@b.c", "d@e.f"]),
        ("Friends: a@b.c, D <d@e.f>; g@h.i", ["a@b.c", "d@e.f", "g@h.i"]),
        ("undisclosed-recipients:;", []),
        ("\"972502345678\"@x.y, '972502345678' <+972502345678@x.y>", ['"972502345678"@x.y', "+972502345678@x.y"]),
        ("junk, <a@b.c, d@e.f", ["d@e.f"]),
        ('"open, a@b.c', []),
        ("a@b.c, (open", ["a@b.c"]),
        ("a b@c.d, e@f.g", ["e@f.g"]),
        ("number+from=ACME+flash@x.y", ["number+from=ACME+flash@x.y"]),
    ],
)
def test_lists_of_addresses(value: str, addresses: list[str]) -> None:
    """Of To and Cc what can be read counts, groups and all; what cannot names nobody."""
    assert mailboxes.several(value, 100) == addresses


def test_lists_are_bounded() -> None:
    """Of more addresses than asked for the first are returned."""
    assert mailboxes.several("a@b.c," * 1000, 3) == ["a@b.c"] * 3


@pytest.mark.parametrize(
    ("address", "plain"),
    [
        ("Ann@Example.COM", "ann@example.com"),
        ('"972502345678"@X.y', "972502345678@x.y"),
        ('"97250 2345678"@x.y', '"97250 2345678"@x.y'),
        ("ann@b\u00fccher.example", "ann@xn--bcher-kva.example"),
        ("\u0661@\u0661", "\u0661@\u0661"),
    ],
)
def test_addresses_to_compare(address: str, plain: str) -> None:
    """Addresses of a list are compared in one spelling, as far as they have one."""
    assert mailboxes.plain(address) == plain
