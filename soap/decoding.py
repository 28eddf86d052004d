"""From the bytes of a request to UTF-8: compression undone within a bound, and the right encoding found.

Old clients send gzip and deflate, byte order marks, UTF-16, windows-125x, and declarations that are not true. What the
bytes say of themselves goes before what the XML declaration says, and that before the charset of the HTTP header; when
two of them differ and one is UTF-8, bytes that are UTF-8 are taken as that, for no other encoding looks like it.
"""

from __future__ import annotations

import codecs
import re
import zlib
from typing import Final

from soap.faults import ENCODING, TOO_LARGE, Fault

_GZIP_OR_ZLIB: Final = 47
_RAW: Final = -15
_COMPRESSED: Final = {"gzip", "x-gzip", "deflate"}
_UTF8: Final = "utf-8"
_PLAIN: Final = {"", "identity"}
_MOST_MEMBERS: Final = 100
"""Of one compressed body. What is behind a member is copied for the next."""

_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

_DECLARED: Final = re.compile(rb"""\s*<\?xml[^>]{0,100}?\sencoding\s*=\s*["']([A-Za-z0-9._:-]{1,40})["']""")
_DECLARATION: Final = re.compile(rb"<\?xml\s[^>]*\?>")

_SINGLE_BYTES: Final = re.compile(r"cp(125\d|437|737|775|8\d\d)|iso8859-\d+|koi8-[rut]|mac-\w+|tis-620")
_OTHERS: Final = {
    "ascii",
    "utf-8",
    "gb18030",
    "gbk",
    "gb2312",
    "big5",
    "shift_jis",
    "cp932",
    "euc_jp",
    "euc_kr",
    "cp949",
}
_ALSO_CALLED: Final = {"iso-8859-8-i": "iso8859-8", "iso-8859-8-e": "iso8859-8", "utf8": "utf-8", "unicode": "utf-16"}


def inflate(body: bytes, coding: str, *, limit: int) -> bytes:
    """Undo a ``Content-Encoding``, if there is one.

    Raises :exc:`Fault` for a coding that is not known, for data that is broken, and as soon as there is more than
    ``limit`` bytes of it.
    """
    coding = coding.strip().lower()
    if coding in _PLAIN:
        return body
    if coding not in _COMPRESSED:
        raise Fault(ENCODING, f"content encoding {coding[:40]!r} is not known; send gzip, deflate or plain")
    try:
        return _inflate(body, _GZIP_OR_ZLIB, limit)
    except zlib.error:
        if coding != "deflate":
            raise Fault(ENCODING, f"the body is not {coding}") from None
    try:
        return _inflate(body, _RAW, limit)  # what some take deflate for (RFC 9110, 8.4.1.2)
    except zlib.error:
        raise Fault(ENCODING, "the body is not deflate") from None


def _inflate(body: bytes, window: int, limit: int) -> bytes:
    found = b""
    for _ in range(_MOST_MEMBERS):
        decoder = zlib.decompressobj(window)
        found += decoder.decompress(body, limit + 1 - len(found))
        if len(found) > limit:
            raise Fault(TOO_LARGE, f"the body is longer than {limit} bytes when decompressed")
        if not decoder.eof:
            raise Fault(ENCODING, "the compressed body ends too early")
        body = decoder.unused_data
        if not body:
            return found
    raise Fault(ENCODING, f"the compressed body has more than {_MOST_MEMBERS} parts")


def as_utf8(body: bytes, charset: str | None) -> bytes:
    """Return the document in UTF-8, without byte order mark, XML declaration, and NULs and spaces around it.

    ``charset`` is that of the HTTP header, if it names one. What claims to be UTF-8 and nothing else is returned as it
    is: the parser looks at it anyway. Raises :exc:`Fault`.
    """
    found = _decoded(body, charset).removeprefix(codecs.BOM_UTF8).strip(b"\0 \t\r\n")
    declaration = _DECLARATION.match(found)
    return found[declaration.end() :].lstrip() if declaration else found


def check_utf8(body: bytes) -> None:
    """Raise :exc:`Fault` for what is not UTF-8, with the place where it ends to be."""
    _strictly(body, ["utf-8"])


def _decoded(body: bytes, charset: str | None) -> bytes:
    if body.startswith(codecs.BOM_UTF8):
        return body
    for mark, name in _MARKS:
        if body.startswith(mark):
            return _strictly(body[len(mark) :], [name])
    if 0 in body[:4]:
        # Without a mark a document in UTF-16 still begins with "<", or a line break, and so with a NUL beside it.
        return _strictly(body, ["utf-16-be" if body[:1] == b"\0" else "utf-16-le"])
    declared = _DECLARED.match(body)
    named = [declared[1].decode("ascii")] if declared else []
    named += [charset] if charset else []
    # Bytes that look like ASCII are no UTF-16, whoever says so.
    names = {name: None for name in map(_codec, named) if not name.startswith(("utf-16", "utf-32"))}
    if not names.keys() - {_UTF8}:
        return body
    return _strictly(body, sorted(names, key=lambda name: name != _UTF8))


def _strictly(body: bytes, names: list[str]) -> bytes:
    wrong = 0
    for name in names:
        try:
            return body.decode(name).encode()
        except UnicodeDecodeError as error:
            wrong = wrong or error.start
    raise Fault(ENCODING, f"the body is not {names[0].upper()} (byte {wrong})")


def _codec(name: str) -> str:
    """Return Python's name of an encoding in which XML comes. Raises :exc:`Fault` for all others."""
    written = name.strip().strip("\"'").lower()
    try:
        known = codecs.lookup(_ALSO_CALLED.get(written, written)).name
    except (LookupError, ValueError):
        known = ""
    if known == "ascii":
        return _UTF8
    if known == "iso8859-1":
        return "cp1252"  # what is meant by it, as the web has it too
    if known in _OTHERS or known.startswith(("utf-16", "utf-32")) or _SINGLE_BYTES.fullmatch(known):
        return known
    raise Fault(ENCODING, f"encoding {name[:40]!r} is not known; send UTF-8")
