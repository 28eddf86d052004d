"""From the bytes of a mail to its text, and to what tells whether the same mail came before.

Which part is the text (RFC 2046, 5.1; RFC 2387; RFC 2183):

- of alternatives the plain one, else the first that can be read;
- of related parts the first, of other multiparts the first with a text;
- never an attachment: what says so, or has a file name. The mail itself is one only if it says so;
- a forwarded mail's own text only if there is nothing else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

from bridge.model.errors import MalformedContent, NoText
from smtp import charsets, markup
from smtp.entity import PLAIN, Entity, Media, parts

_DEEPEST: Final = 32
_MOST_PARTS: Final = 256
_MOST_PAGES: Final = 8
_TYPE_NAME: Final = re.compile(r"[a-z0-9!#$&^_.+-]{1,60}/[a-z0-9!#$&^_.+-]{1,60}")
_SHOWN: Final = 5

# What nobody sees: white space, joiners, marks of direction, and a mark of byte order.
_INVISIBLE: Final = (
    " \t\r\n\f\v\0\x1c\x1d\x1e\x1f\x85\xa0\xad\u034f\u061c\u115f\u1160\u1680\u180e\u2028\u2029\u202f\u205f"
    "\u2800\u3000\ufeff" + "".join(map(chr, (*range(0x2000, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070))))
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
    mail = Entity.of(raw, "text/plain")
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


def _digest(mail: Entity) -> bytes:
    body = b"\n".join(map(bytes.rstrip, mail.body.split(b"\n"))).rstrip()
    kind, encoding = mail.value(b"\ncontent-type"), mail.value(b"\ncontent-transfer-encoding")
    return _hash(b" ".join(kind.split()), b" ".join(encoding.lower().split()), body)


def _shown_value(value: bytes) -> str | None:
    # No database keeps a zero byte in a text.
    value = value.replace(b"\0", b"").strip()
    try:
        return value.decode() or None
    except UnicodeDecodeError:
        return value.decode("latin-1")


class _Search:
    """One look through a mail for its text; remembers what else was found."""

    def __init__(self, fallback: str) -> None:
        self._fallback = fallback
        self._parts = 0
        self._pages = 0
        self._found: dict[str, None] = {}
        self._unreadable = False
        self._too_deep = False
        self.forwarded: list[Entity] = []

    def text_of(self, entity: Entity, depth: int, *, root: bool = False) -> str:
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

    def _read(self, entity: Entity, media: Media, depth: int, *, root: bool) -> str:
        kind = media.type
        if kind.startswith("multipart/"):
            return self._multipart(entity, media, depth)
        if kind in {"text/plain", "text/html"}:
            if not entity.attached(media, root=root):
                return self._leaf(entity, media)
            kind = f"{kind} (attached)"
        elif not _TYPE_NAME.fullmatch(kind):
            kind = "parts of unknown type"
        elif kind in {"message/rfc822", "message/global"} and len(self.forwarded) < 4:
            self.forwarded.append(Entity.of(entity.decoded(None).lstrip(b"\r\n"), "text/plain"))
        self._found.setdefault(kind)
        return ""

    def _leaf(self, entity: Entity, media: Media) -> str:
        data = entity.decoded(media.charset)
        label = media.charset
        page = media.type == "text/html"
        if page and label is None:
            label = markup.declared_charset(data)
        text = charsets.decode(data, label, self._fallback)
        if ("\0" in text or "\ufffd" in text) and _is_junk(text):
            self._unreadable = True
            return ""
        if page:
            # Laying a page out takes longer than all the rest together.
            self._pages += 1
            if self._pages > _MOST_PAGES:
                self._too_deep = True
                return ""
            text = markup.to_text(text)
        else:
            if "\r" in text:
                text = text.replace("\r\n", "\n").replace("\r", "\n")
            if media.flowed:
                text = _unflowed(text, delsp=media.delsp)
        return text if text.strip(_INVISIBLE) else ""

    def _multipart(self, entity: Entity, media: Media, depth: int) -> str:
        if depth >= _DEEPEST:
            self._too_deep = True
            return ""
        alternative = media.type == "multipart/alternative"
        default = "message/rfc822" if media.type == "multipart/digest" else "text/plain"
        later: list[tuple[Entity, Media]] = []
        data: bytes | None = None
        for data in parts(entity.body, media.boundary):
            self._parts += 1
            if self._parts > _MOST_PARTS:
                self._too_deep = True
                break
            part = Entity.of(data, default)
            kind = part.media()
            if alternative and kind.type != "text/plain":
                later.append((part, kind))
            elif text := self._read(part, kind, depth + 1, root=False):
                return text
        if data is None:
            # A header that promises parts, and none: the body is what there is.
            return self._leaf(entity, PLAIN)
        for part, kind in later:
            if text := self._read(part, kind, depth + 1, root=False):
                return text
        return ""


def _is_junk(text: str) -> bool:
    """Tell bytes of a program from a text with a few wrong ones: those hold controls of every kind."""
    controls = len(_CONTROL.findall(text))
    wrong = controls + text.count("\0") + text.count("\ufffd")
    return wrong * 2 > len(text) - text.count("\n") or (controls >= 4 and controls * 20 > len(text))


def _unflowed(text: str, *, delsp: bool) -> str:
    """Join the lines of format=flowed to the paragraphs they were (RFC 3676, 4)."""
    paragraphs: list[str] = []
    open_lines: list[str] = []
    open_at = -1
    for line in text.split("\n"):
        bare = line.lstrip(">")
        depth = len(line) - len(bare)
        bare = bare.removeprefix(" ")
        # The line before a signature is text of its own.
        separator = bare == "-- "
        if open_at >= 0 and (open_at != depth or separator):
            paragraphs.append("".join(open_lines))
            open_at = -1
        start = "" if open_at >= 0 or not depth else ">" * depth + " "
        if bare.endswith(" ") and not separator:
            if open_at < 0:
                open_lines = [start]
                open_at = depth
            open_lines.append(bare[:-1] if delsp else bare)
        elif open_at >= 0:
            paragraphs.append("".join([*open_lines, bare]))
            open_at = -1
        else:
            paragraphs.append(start + bare)
    if open_at >= 0:
        paragraphs.append("".join(open_lines))
    return "\n".join(paragraphs)
