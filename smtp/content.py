"""From the bytes of a mail to its text, and to what tells whether the same mail came before.

A reader of its own, not the email package: that one takes 50 µs and more for the mails we get most, recurses once
per level of nesting, and compares every line with every boundary around it. This one finds what it needs with a
few searches of the whole, in time that grows with the size alone, on the event loop for each mail. It follows the
package in what is a header and what is a part; tests compare the two.

Which part is the text (RFC 2046, 5.1; RFC 2387; RFC 2183):

- of alternatives the plain one, else the first that can be read;
- of related parts the first, of other multiparts the first with a text;
- never an attachment: what says so, or has a file name. The mail itself is one only if it says so;
- a forwarded mail's own text only if there is nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Final
from urllib.parse import unquote_to_bytes

from bridge.model.errors import MalformedContent, NoText
from smtp import charsets, markup, transfer

_DEEPEST: Final = 32
_MOST_PARTS: Final = 256
_LONGEST_VALUE: Final = 8192

# The lines of a header: name and colon, or a continuation. The first other line ends it, blank or not.
_HEADER: Final = re.compile(rb"(?![ \t])(?:>?From [^\n]*+\n)?+(?:(?:[!-9;-~]++[ \t]*+:|[ \t])[^\n]*+(?:\n|\Z))*+")
_FOLD: Final = re.compile(rb"\r?\n")
_PARAMETER: Final = re.compile(
    r"""(?<![^;\s])([^\s=;"'()]++)\s*+=\s*+(?:"((?:[^"\\]|\\.)*+)(?:"|\Z)|([^;\s]*))""", re.DOTALL
)
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)
_TYPE_NAME: Final = re.compile(r"[a-z0-9!#$&^_.+-]{1,60}/[a-z0-9!#$&^_.+-]{1,60}")
_FIRST_BOUNDARY: Final = re.compile(rb"(?m)^--([^\s][^\r\n]{0,199}+)\r?\n(?i:content-)")
_SHOWN: Final = 5

# What nobody sees: white space, joiners, marks of direction, and a mark of byte order.
_INVISIBLE: Final = (
    " \t\r\n\f\v\0\x1c\x1d\x1e\x1f\x85\xa0\xad\u034f\u061c\u115f\u1160\u1680\u180e\u2028\u2029\u202f\u205f\u2800\u3000\ufeff"
    + "".join(map(chr, (*range(0x2000, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070))))
)
_CONTROL: Final = re.compile("[\x01-\x08\x0e-\x1f\x7f-\x9f]")


@dataclass(frozen=True, kw_only=True, slots=True)
class Content:
    """What the door needs of a mail."""

    text: str
    """The text a person wrote, lines ending in a line feed; neither cleaned nor counted, never blank."""

    message_id: str | None
    """The value of Message-ID, unfolded; None when there is none."""

    date: str | None
    """The value of Date, unfolded and unread; None when there is none."""

    digest: bytes
    """16 bytes over the body and the headers that say how to read it; relays that change line ends change nothing."""


def read_content(raw: bytes, *, fallback_charset: str = "utf-8") -> Content:
    """Read a mail. ``fallback_charset`` is for text that names no charset, or a wrong one, and is not UTF-8.

    Raises :class:`NoText` that says what was found instead, :class:`MalformedContent` when there is a text but
    none that can be read; nothing else, whatever the bytes. Source: RFC 5322; RFC 2045 to 2047; RFC 3676.
    """
    if b"\n" not in raw:
        raw = raw.replace(b"\r", b"\n")
    mail = _Entity.of(raw, "text/plain")
    search = _Search(fallback_charset)
    text = search.text_of(mail, 0, root=True)
    if not text:
        for forwarded in search.forwarded:
            text = search.text_of(forwarded, 1, root=True)
            if text:
                break
        else:
            raise search.refusal()
    return Content(
        text=text,
        message_id=_shown_value(mail.value(b"\nmessage-id")),
        date=_shown_value(mail.value(b"\ndate")),
        digest=_digest(mail),
    )


def idempotency_key(content: Content, *, sender: str, number: str) -> str | None:
    """Return the key under which this mail sends to ``number`` once: 32 hex digits, the same when it comes again.

    The date stands in where there is no Message-ID. None when both are missing: two equal alerts are two texts.
    """
    if content.message_id is not None:
        kind, mark = b"message-id", content.message_id
    elif content.date is not None:
        kind, mark = b"date", content.date
    else:
        return None
    texts = [each.encode("utf-8", "surrogatepass") for each in (mark, sender, number)]
    return _hash(kind, *texts, content.digest).hex()


def _hash(*pieces: bytes) -> bytes:
    """Hash pieces so that no two lists of them are the same to it: each with its length before it."""
    return blake2b(b"".join([b"%d:%b" % (len(piece), piece) for piece in pieces]), digest_size=16).digest()


def _digest(mail: _Entity) -> bytes:
    body = mail.body.replace(b"\r\n", b"\n").rstrip()
    if b" \n" in body or b"\t\n" in body or b"\r\n" in body:
        body = b"\n".join([line.rstrip() for line in body.split(b"\n")])
    kind, encoding = mail.value(b"\ncontent-type"), mail.value(b"\ncontent-transfer-encoding")
    return _hash(b" ".join(kind.split()), b" ".join(encoding.lower().split()), body)


def _shown_value(value: bytes) -> str | None:
    if not value:
        return None
    value = value.replace(b"\0", b"")
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Media:
    """A Content-Type: ``type/subtype`` in lower case, and the parameters that matter."""

    type: str
    charset: str | None = None
    boundary: bytes = b""
    flowed: bool = False
    delsp: bool = False
    named: bool = False


_PLAIN: Final = _Media(type="text/plain")


@dataclass(slots=True)
class _Entity:
    """A mail or a part of one: header and body (RFC 2045, 2.4). ``lower`` is the header to search in."""

    header: bytes
    lower: bytes
    body: bytes
    default: str

    @classmethod
    def of(cls, data: bytes, default: str) -> _Entity:
        """Split data at the end of the header. ``default`` is the type when the header has none."""
        found = _HEADER.match(data)
        end = found.end() if found else 0
        # The blank line belongs to neither; a body that begins without one is still a body.
        start = end + 2 if data.startswith(b"\r\n", end) else end + 1 if data.startswith(b"\n", end) else end
        header = b"\n" + data[:end]
        return cls(header, header.lower(), data[start:], default)

    def value(self, name: bytes) -> bytes:
        """Return the first value of a header, unfolded; empty when missing. ``name`` is ``\\nname`` in lower case."""
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

    def media(self) -> _Media:
        """Return what the body is."""
        value = self.value(b"\ncontent-type")
        if not value:
            return _Media(type=self.default)
        # Boundaries differ from mail to mail, so remembering those would only push out the others.
        return _single(value) if len(value) <= 200 and b"oundary" not in value else _media(value)

    def decoded(self, label: str | None) -> bytes:
        """Return the body with its transfer encoding undone; ``label`` is the charset of its text."""
        value = self.value(b"\ncontent-transfer-encoding")
        if not value:
            return self.body
        encoding = value.split(None, 1)[0].strip(b"\"';").lower().decode("latin-1")
        return transfer.decode(self.body, encoding, plausible=lambda data: charsets.plausible(data, label))

    def attached(self, media: _Media, *, root: bool) -> bool:
        """Tell whether this is a file that came along, not what the mail says."""
        value = self.value(b"\ncontent-disposition")
        if not value:
            return media.named and not root
        disposition = value.lower()
        if disposition.startswith(b"attachment"):
            return True
        return not root and (media.named or b"filename" in disposition)


def _media(value: bytes) -> _Media:
    """Read a Content-Type (RFC 2045, 5.1; RFC 2231). One without a slash is text (RFC 2045, 5.2)."""
    line = value.decode("latin-1")
    kind = re.split(r"[;\s]", line, maxsplit=1)[0].strip("\"'").lower()
    parameters = _parameters(line[len(kind) :])
    charset = parameters.get("charset")
    return _Media(
        type=kind if "/" in kind else "text/plain",
        charset=charset or None,
        boundary=parameters.get("boundary", "").rstrip().encode("latin-1", "replace"),
        flowed=parameters.get("format", "").strip().lower() == "flowed",
        delsp=parameters.get("delsp", "").strip().lower() == "yes",
        named=any(name in parameters for name in ("name", "filename")),
    )


_single = lru_cache(maxsize=1024)(_media)


def _parameters(line: str) -> dict[str, str]:
    """Return the parameters by lower-case name, the first of each; those in pieces are joined (RFC 2231, 3 and 4)."""
    found: dict[str, str] = {}
    pieces: dict[str, list[tuple[int, str]]] = {}
    for match in _PARAMETER.finditer(line):
        name, quoted, bare = match[1].lower(), match[2], match[3]
        if quoted is None:
            value = bare
        else:
            value = _ESCAPED.sub(r"\1", quoted) if "\\" in quoted else quoted
        base, star, place = name.partition("*")
        if not star:
            found.setdefault(name, value)
            continue
        index = place.rstrip("*")
        if not index or place.endswith("*"):
            if index in {"", "0"}:
                value = value.split("'", 2)[-1]
            value = unquote_to_bytes(value).decode("latin-1")
        pieces.setdefault(base, []).append((int(index) if index.isascii() and index.isdigit() and len(index) < 5 else 0, value))
    for base, parts in pieces.items():
        found.setdefault(base, "".join([value for _, value in sorted(parts, key=lambda part: part[0])]))
    return found


class _Search:
    """One look through a mail for its text; remembers what else was found."""

    def __init__(self, fallback: str) -> None:
        self._fallback = fallback
        self._parts = 0
        self._found: dict[str, None] = {}
        self._unreadable = False
        self._too_deep = False
        self.forwarded: list[_Entity] = []

    def text_of(self, entity: _Entity, depth: int, *, root: bool = False) -> str:
        """Return the text of an entity, empty when it has none."""
        return self._read(entity, entity.media(), depth, root=root)

    def refusal(self) -> NoText | MalformedContent:
        """Say why there is no text."""
        if self._unreadable:
            return MalformedContent("the mail's text cannot be read: it holds bytes that are no text")
        if self._too_deep:
            return NoText("no text in the mail's first parts: it has too many, or they are nested too deep")
        if not self._found:
            return NoText("the mail is empty")
        kinds = list(self._found)
        more = " and others" if len(kinds) > _SHOWN else ""
        return NoText(f"no text in the mail, only {', '.join(kinds[:_SHOWN])}{more}")

    def _read(self, entity: _Entity, media: _Media, depth: int, *, root: bool) -> str:
        kind = media.type
        if kind.startswith("multipart/"):
            return self._multipart(entity, media, depth)
        if kind in {"text/plain", "text/html"} and not entity.attached(media, root=root):
            return self._leaf(entity, media)
        if kind in {"message/rfc822", "message/global"} and len(self.forwarded) < 4:
            self.forwarded.append(_Entity.of(entity.decoded(None).lstrip(b"\r\n"), "text/plain"))
        self._note(kind)
        return ""

    def _note(self, kind: str) -> None:
        self._found.setdefault(kind if _TYPE_NAME.fullmatch(kind) else "parts of unknown type")

    def _leaf(self, entity: _Entity, media: _Media) -> str:
        data = entity.decoded(media.charset)
        label = media.charset
        page = media.type == "text/html"
        if page and label is None:
            label = markup.declared_charset(data)
        text = charsets.decode(data, label, self._fallback)
        if "\0" in text or "\ufffd" in text:
            if _is_junk(text):
                self._unreadable = True
                return ""
        if page:
            text = markup.to_text(text)
        else:
            if "\r" in text:
                text = text.replace("\r\n", "\n").replace("\r", "\n")
            if media.flowed:
                text = _unflowed(text, delsp=media.delsp)
        return text if text.strip(_INVISIBLE) else ""

    def _multipart(self, entity: _Entity, media: _Media, depth: int) -> str:
        if depth >= _DEEPEST:
            self._too_deep = True
            return ""
        alternative = media.type == "multipart/alternative"
        default = "message/rfc822" if media.type == "multipart/digest" else "text/plain"
        later: list[tuple[_Entity, _Media]] = []
        data: bytes | None = None
        for data in _parts(entity.body, media.boundary):
            self._parts += 1
            if self._parts > _MOST_PARTS:
                self._too_deep = True
                break
            part = _Entity.of(data, default)
            kind = part.media()
            if alternative and kind.type != "text/plain":
                later.append((part, kind))
            elif text := self._read(part, kind, depth + 1, root=False):
                return text
        if data is None:
            # A header that promises parts, and none: the body is what there is.
            return self._leaf(entity, _PLAIN)
        for part, kind in later:
            if text := self._read(part, kind, depth + 1, root=False):
                return text
        return ""


def _parts(body: bytes, boundary: bytes) -> Iterator[bytes]:
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


def _is_junk(text: str) -> bool:
    """Tell bytes of a program from a text with a few wrong ones: those hold controls of every kind."""
    controls = len(_CONTROL.findall(text))
    wrong = controls + text.count("\0") + text.count("\ufffd")
    return wrong * 2 > len(text) - text.count("\n") or (controls >= 4 and controls * 20 > len(text))


def _unflowed(text: str, *, delsp: bool) -> str:
    """Join the lines of format=flowed to the paragraphs they were (RFC 3676, 4)."""
    paragraphs: list[list[str]] = []
    open_at = -1
    for line in text.split("\n"):
        bare = line.lstrip(">")
        depth = len(line) - len(bare)
        bare = bare.removeprefix(" ")
        # The line before a signature is text of its own.
        flows = bare.endswith(" ") and bare != "-- "
        if open_at == depth and bare != "-- ":
            paragraphs[-1].append(bare)
        else:
            paragraphs.append([">" * depth + " " if depth else "", bare])
        if flows and delsp:
            paragraphs[-1][-1] = bare[:-1]
        open_at = depth if flows else -1
    return "\n".join(["".join(each) for each in paragraphs])
