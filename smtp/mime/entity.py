"""A mail or a part of one: its header, its body, and the parts in it (RFC 5322; RFC 2045; RFC 2046, 5.1).

A reader of its own, not the email package: that one takes 30 to 90 µs for the mails we get most, recurses once per
level of nesting, and compares every line with every boundary around it. This one finds what it needs with a few
searches of the whole, in time that grows with the size alone; it runs on the event loop for each mail. What is a
header, a value, a part is what the package says; tests compare the two.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import unquote_to_bytes

from smtp.mime import charsets, transfer

# The lines of a header: name and colon, or a continuation. The first other line ends it, blank or not.
_HEADER: Final = re.compile(rb"(?![ \t])(?:>?From [^\n]*+\n)?+(?:(?:[!-9;-~]++[ \t]*+:|[ \t])[^\n]*+(?:\n|\Z))*+")
_FOLD: Final = re.compile(rb"\r?\n")
_LONGEST_VALUE: Final = 8192

_PARAMETER: Final = re.compile(
    r"""(?<![^;\s])([^\s=;"'()]++)\s*+=\s*+(?:"((?:[^"\\]|\\.)*+)(?:"|\Z)|([^;\s]*))""", re.DOTALL
)
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)
_FIRST_BOUNDARY: Final = re.compile(rb"(?m)^--([^\s][^\r\n]{0,199}+)\r?\n(?i:content-)")
_PREAMBLE: Final = re.compile(rb"(?i)\s*+(?:This is a[^\n]{0,60}\b(?:multi-?part|mime)\b[^\n]*+\s*+)?+")
_LONGEST_PREAMBLE: Final = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class Media:
    """A Content-Type: ``type/subtype`` in lower case, and the parameters that matter."""

    type: str
    charset: str | None = None
    boundary: bytes = b""
    flowed: bool = False
    delsp: bool = False
    named: bool = False
    name: str = ""
    """The name of the file it would be, as it stands in the header."""
    report: str = ""
    """What kind of report it is, in lower case (RFC 6522)."""


PLAIN: Final = Media(type="text/plain")


@dataclass(slots=True)
class Entity:
    """A mail or a part of one: header and body (RFC 2045, 2.4). ``lower`` is the header to search in."""

    header: bytes
    lower: bytes
    body: bytes
    default: str

    @classmethod
    def of(cls, data: bytes, default: str) -> Entity:
        """Split data at the end of the header. ``default`` is the type when the header has none."""
        found = _HEADER.match(data)
        end = found.end() if found else 0
        # The blank line belongs to neither; a body that begins without one is still a body.
        start = end + 2 if data.startswith(b"\r\n", end) else end + 1 if data.startswith(b"\n", end) else end
        header = b"\n" + data[:end]
        return cls(header, header.lower(), data[start:], default)

    def value(self, name: bytes) -> bytes:
        """Return the first value of a header, unfolded; empty when missing. ``name``: line feed, lower-case name."""
        at = self.lower.find(name)
        while at >= 0:
            colon = at + len(name)
            rest = self.lower[colon : colon + 1]
            if rest and rest in b" \t":
                rest = self.lower[colon : colon + 80].lstrip(b" \t")[:1]
                colon = self.lower.find(b":", colon)
            if rest == b":":
                return self._unfolded(colon + 1)
            at = self.lower.find(name, at + 1)
        return b""

    def _unfolded(self, start: int) -> bytes:
        header = self.header
        end = header.find(b"\n", start)
        if end >= 0 and header[end + 1 : end + 2] in (b" ", b"\t"):
            while end >= 0 and header[end + 1 : end + 2] in (b" ", b"\t") and end - start < _LONGEST_VALUE:
                end = header.find(b"\n", end + 1)
            value = _FOLD.sub(b"", header[start : end if end >= 0 else len(header)])
        else:
            value = header[start : end if end >= 0 else len(header)]
        return value.strip()[:_LONGEST_VALUE]

    def media(self) -> Media:
        """Return what the body is."""
        value = self.value(b"\ncontent-type")
        if not value:
            return Media(type=self.default)
        # Boundaries differ from mail to mail, so remembering those would only push out the others.
        return _single(value) if len(value) <= 200 and b"oundary" not in value else _media(value)

    def decoded(self, label: str | None) -> bytes:
        """Return the body with its transfer encoding undone; ``label`` is the charset of its text."""
        value = self.value(b"\ncontent-transfer-encoding")
        if not value:
            return self.body
        encoding = value.split(None, 1)[0].strip(b"\"';").lower().decode("latin-1")
        return transfer.decode(self.body, encoding, plausible=lambda data: charsets.plausible(data, label))

    def attached(self, media: Media, *, root: bool) -> bool:
        """Tell whether this is a file that came along, not what the mail says."""
        value = self.value(b"\ncontent-disposition")
        if not value:
            return media.named and not root
        disposition = value.lower()
        if disposition.startswith(b"attachment"):
            return True
        return not root and (media.named or b"filename" in disposition)

    def file_name(self, media: Media) -> str:
        """Return the name of the file it would be, as it stands in the header; empty when it has none."""
        value = self.value(b"\ncontent-disposition").decode("latin-1")
        return (_parameters(value.partition(";")[2]).get("filename") if ";" in value else None) or media.name


def _media(value: bytes) -> Media:
    """Read a Content-Type (RFC 2045, 5.1; RFC 2231). One without a slash is text (RFC 2045, 5.2)."""
    line = value.decode("latin-1")
    kind = re.split(r"[;\s]", line, maxsplit=1)[0].strip("\"'").lower()
    parameters = _parameters(line[len(kind) :])
    charset = parameters.get("charset")
    return Media(
        type=kind if "/" in kind else "text/plain",
        charset=charset or None,
        boundary=parameters.get("boundary", "").rstrip().encode("latin-1", "replace"),
        flowed=parameters.get("format", "").strip().lower() == "flowed",
        delsp=parameters.get("delsp", "").strip().lower() == "yes",
        named=any(name in parameters for name in ("name", "filename")),
        name=parameters.get("name") or parameters.get("filename") or "",
        report=parameters.get("report-type", "").strip().lower(),
    )


_single = lru_cache(maxsize=1024)(_media)


def _parameters(line: str) -> dict[str, str]:
    """Return the parameters by lower-case name, the first of each; those in pieces are joined (RFC 2231, 3 and 4)."""
    found: dict[str, str] = {}
    pieces: dict[str, list[tuple[int, str]]] = {}
    for match in _PARAMETER.finditer(line):
        name, quoted, bare = match[1].lower(), match[2], match[3]
        value = bare if quoted is None else quoted
        if "\\" in value:
            value = _ESCAPED.sub(r"\1", value)
        base, star, place = name.partition("*")
        if not star:
            found.setdefault(name, value)
            continue
        index = place.rstrip("*")
        if not index or place.endswith("*"):
            if index in {"", "0"}:
                value = value.split("'", 2)[-1]
            value = unquote_to_bytes(value).decode("latin-1")
        pieces.setdefault(base, []).append(
            (int(index) if index.isascii() and index.isdigit() and len(index) < 5 else 0, value)
        )
    for base, parts in pieces.items():
        found.setdefault(base, "".join([value for _, value in sorted(parts, key=lambda part: part[0])]))
    return found


def parts(body: bytes, boundary: bytes) -> Iterator[bytes]:
    """Yield the parts of a multipart body; without a boundary, or with one that is not there, by the first that is."""
    if boundary:
        none = True
        for part in _between(body, b"--" + boundary):
            none = False
            yield part
        if not none:
            return
    first = _FIRST_BOUNDARY.search(body)
    if first:
        yield from _between(body, b"--" + first[1].rstrip())


def is_headless(body: bytes) -> bool:
    """Tell whether this is the body of a multipart whose header is lost: parts, and nothing said before them."""
    if not body.lstrip(b"\r\n").startswith(b"--") and b"\n--" not in body:
        return False
    first = _FIRST_BOUNDARY.search(body)
    return first is not None and (
        first.start() < _LONGEST_PREAMBLE and _PREAMBLE.fullmatch(body, 0, first.start()) is not None
    )


def _between(body: bytes, mark: bytes) -> Iterator[bytes]:
    """Yield what stands between lines of ``mark``, without the line end before each; the last may lack its own."""
    start = -1
    at = body.find(mark)
    while at >= 0:
        after = at + len(mark)
        if at == 0 or body[at - 1] == 10:
            end = body.find(b"\n", after)
            rest = body[after : end if end >= 0 else len(body)]
            closing = rest.startswith(b"--")
            if not rest or rest == b"\r" or not rest.removeprefix(b"--").strip():
                if start >= 0:
                    stop = at - 2 if body[at - 2 : at] == b"\r\n" else at - 1
                    yield body[start:stop] if stop > start else b""
                if closing:
                    return
                start = end + 1 if end >= 0 else len(body)
        at = body.find(mark, after)
    if start >= 0:
        yield body[start:]
