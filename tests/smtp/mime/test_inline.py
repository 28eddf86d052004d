"""Files in the middle of a text."""

import binascii

import pytest

from smtp.mime.inline import without_files


def uuencoded(data: bytes, name: bytes = b"a.bin", end: bytes = b"`\nend\n") -> bytes:
    """Write a file as uuencode does."""
    lines = [binascii.b2a_uu(data[at : at + 45], backtick=True) for at in range(0, len(data), 45)]
    return b"begin 644 " + name + b"\n" + b"".join(lines) + end


FILES = {
    "a file": (b"a\n" + uuencoded(bytes(range(200))) + b"b", b"a\nb", ["a.bin"]),
    "with line ends of mails": (uuencoded(bytes(99)).replace(b"\n", b"\r\n") + b"b\r\n", b"b\r\n", ["a.bin"]),
    "two files": (uuencoded(b"x", b"1") + b"a\n" + uuencoded(b"y", b"a b"), b"a\n", ["1", "a b"]),
    "a long file without its end": (b"a\n" + uuencoded(bytes(99), end=b""), b"a\n", ["a.bin"]),
    "words that begin so": (b"begin 644 times, then\nSTOP\nit", b"begin 644 times, then\nSTOP\nit", []),
    "a short one without its end": (b"begin 644 a\n#0V%T\nhello", b"begin 644 a\n#0V%T\nhello", []),
    "in a line": (b"we begin 644 a\n#0V%T\n`\nend", b"we begin 644 a\n#0V%T\n`\nend", []),
    "quoted": (b"> begin 644 a\n> #0V%T\n> end", b"> begin 644 a\n> #0V%T\n> end", []),
    "yEnc": (b"a\r\n=ybegin line=128 size=3 name=x y.jpg\r\n\x8b\xff\x01\r\n=yend size=3\r\nb", b"a\r\nb", ["x y.jpg"]),
    "a part of one": (b"=ybegin part=1 line=128 size=3 name=x\n=ypart begin=1 end=3\nabc\n=yend\n", b"", ["x"]),
    "yEnc without its end": (b"a\n=ybegin line=128 size=3 name=x\nabc", b"a\n", ["x"]),
    "yEnc without a name": (b"=ybegin line=128 size=3\nabc\n=yend", b"", [""]),
    "no yEnc": (b"=ybegin of it\nabc", b"=ybegin of it\nabc", []),
}


@pytest.mark.parametrize(("data", "rest", "names"), FILES.values(), ids=FILES)
def test_files(data: bytes, rest: bytes, names: list[str]) -> None:
    """Files go, each name is told, and what only looks like one stays."""
    found: list[str] = []
    assert without_files(data, found.append) == rest
    assert found == names
