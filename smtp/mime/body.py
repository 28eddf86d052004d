"""Which part of a mail is its text (RFC 2046, 5.1; RFC 2387; RFC 2183; RFC 1847), and what that part says.

- Of alternatives the plain one, unless the HTML says more; else the first that can be read.
- Of related and signed parts the first; of all others the first with a text. Apple's programs cut a text in pieces
  around its pictures: theirs, known by their boundaries, are put together.
- Never an attachment: what says so, or has a file name. The mail itself is one only if it says so.
- A forwarded mail's own text only if there is nothing else.
- What a list or a server added as a part of its own is no text, above or below.
- A text that is encrypted is refused, whatever else may be read: half of a mail is not what somebody said.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Final, TypeAlias

from bridge.model.errors import MalformedContent, NoText
from smtp.mime import charsets, choice, cms, inline, markup, pgp
from smtp.mime.entity import PLAIN, Entity, Media, is_headless, parts
from smtp.mime.flowed import unflowed
from smtp.mime.header import decode_words
from smtp.mime.unseen import seen

if TYPE_CHECKING:
    from collections.abc import Iterator

_Part: TypeAlias = tuple[Entity, Media]

_TYPE_NAME: Final = re.compile(r"[a-z0-9!#$&^_.+-]{1,60}/[a-z0-9!#$&^_.+-]{1,60}")
_SHOWN: Final = 5
_MOST_NOTES: Final = 20
_LONGEST_NAME: Final = 60
_FOOTER: Final = "a footer in a part of its own ignored"
_MOST_FORWARDED: Final = 4
_WRAPPERS: Final = frozenset({"application/pkcs7-mime", "application/x-pkcs7-mime"})
_ENCRYPTED: Final = frozenset({"multipart/encrypted", "application/pgp-encrypted"})
_SIGNATURES: Final = frozenset(
    {"application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature"}
)
# Of these the first text is all of it: what stands beside belongs to it, or is for machines.
_FIRST_ALONE: Final = frozenset({"multipart/related", "multipart/signed", "multipart/report"})
_FORWARDED: Final = frozenset({"message/rfc822", "message/global"})
# Other names for the two kinds of text, as programs write them.
_KINDS: Final = {
    **dict.fromkeys(("text/plain", "plain/text", "text/text", "text/txt", "text/ascii", "text/utf-8"), "text/plain"),
    **dict.fromkeys(("text/markdown", "text/x-markdown", "application/pgp"), "text/plain"),
    **dict.fromkeys(("text/html", "text/htm", "text/xhtml", "html/text", "application/xhtml+xml"), "text/html"),
}
_CALLED: Final = {
    "text/calendar": "an invitation (text/calendar)",
    "application/ics": "an invitation (application/ics)",
    "application/ms-tnef": "what only Outlook can read, winmail.dat (application/ms-tnef)",
    "application/vnd.ms-tnef": "what only Outlook can read, winmail.dat (application/ms-tnef)",
}

# What nobody sees: white space, joiners, marks of direction, and a mark of byte order.
_INVISIBLE: Final = (
    " \t\r\n\f\v\0\x1c\x1d\x1e\x1f\x85\xa0\xad\u034f\u061c\u115f\u1160\u1680\u180e\u2028\u2029\u202f\u205f"
    "\u2800\u3000\ufeff" + "".join(map(chr, (*range(0x2000, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070))))
)
_CONTROL: Final = re.compile("[\x01-\x08\x0e-\x1f\x7f-\x9f]")


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """How far a mail is looked into."""

    depth: int = 32
    """Parts within parts."""
    parts: int = 256
    html: int = 1_048_576
    """Characters of pages that are laid out, in all."""


class Search:
    """One look through a mail for its text; remembers what else was found."""

    def __init__(self, limits: Limits, *, fallback: str | None, links: bool) -> None:
        self._limits = limits
        self._fallback = fallback
        self._links = links
        self._parts = 0
        self._html = limits.html
        self._packed = cms.LARGEST
        self._found: dict[str, None] = {}
        self._notes: dict[str, None] = {}
        self._unreadable = False
        self._too_deep = False
        self._forwarded: list[Entity] = []
        self.html = False
        """Whether the text last found came from HTML."""

    def text_of(self, mail: Entity, media: Media) -> str:
        """Return the text of a mail. Raises :class:`NoText` or :class:`MalformedContent`."""
        text = self._read(mail, media, 0, root=True)
        if text:
            return text
        for forwarded in self._forwarded:
            text = self._read(forwarded, forwarded.media(), 1, root=True)
            if text:
                self._note("the text is that of the forwarded mail")
                return text
        raise self._refusal()

    @property
    def notes(self) -> tuple[str, ...]:
        """What was ignored, guessed or put right, one line each."""
        return tuple(self._notes)

    def _note(self, note: str) -> None:
        if len(self._notes) < _MOST_NOTES:
            self._notes.setdefault(note)

    def _refusal(self) -> NoText | MalformedContent:
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
        """Return the text of an entity, empty when it has none."""
        kind = media.type
        if kind.startswith("multipart/"):
            return self._multipart(entity, media, depth)
        if text_kind := _KINDS.get(kind):
            if entity.attached(media, root=root):
                kind = f"{kind} (attached)"
            elif root and not entity.value(b"\ncontent-type") and is_headless(entity.body):
                return self._multipart(entity, Media(type="multipart/mixed"), depth)
            else:
                return self._leaf(entity, media, page=text_kind == "text/html")
        elif kind in _WRAPPERS or media.name.lower().endswith(".p7m"):
            text = self._wrapped(entity, depth)
            if text:
                return text
        elif kind in _FORWARDED and len(self._forwarded) < _MOST_FORWARDED:
            self._forwarded.append(Entity.of(entity.decoded(None).lstrip(b"\r\n"), "text/plain"))
        elif kind == "application/octet-stream" and entity.file_name(media).lower() == "winmail.dat":
            kind = "application/ms-tnef"
        elif not _TYPE_NAME.fullmatch(kind):
            kind = "parts of unknown type"
        self._found.setdefault(_CALLED.get(kind, kind))
        return ""

    def _wrapped(self, entity: Entity, depth: int) -> str:
        """Return the text in an S/MIME wrapper. Those of one mail share what may be unpacked."""
        found = cms.unwrap(entity.decoded(None), self._packed) if depth < self._limits.depth else None
        if found is None:
            return ""
        kind, content = found
        if kind is cms.Wrapper.COMPRESSED:
            self._packed -= len(content)
        if kind is cms.Wrapper.ENCRYPTED:
            raise _encrypted("S/MIME")
        if kind is cms.Wrapper.SIGNED:
            self._note("the S/MIME signature is not checked")
        inner = Entity.of(content, "text/plain")
        return self._read(inner, inner.media(), depth + 1, root=True)

    def _leaf(self, entity: Entity, media: Media, *, page: bool) -> str:
        data = entity.decoded(media.charset)
        if not page:
            data = inline.without_files(data, self._file)
        label, fallback = media.charset, self._fallback
        if page and (declared := markup.declared_charset(data)):
            label, fallback = label or declared, declared
        text, guess = charsets.read(data, label, fallback)
        if ("\0" in text or "\ufffd" in text) and _is_junk(text):
            self._unreadable = True
            return ""
        if guess:
            self._note(f"charset guessed: {guess}")
        if not page:
            if "\r" in text:
                text = text.replace("\r\n", "\n").replace("\r", "\n")
            if choice.is_page(text):
                self._note("the plain text is the source of a page")
                page = True
        text = self._page(text) if page else self._plain(text, media)
        if text.strip(_INVISIBLE):
            return text
        if page:
            self._found.setdefault("HTML without text")
        return ""

    def _file(self, name: str) -> None:
        self._found.setdefault("a file written into it")
        self._ignored("file in the text", name)

    def _page(self, source: str) -> str:
        """Return the text of a page. Those of one mail share what may be laid out."""
        if self._html <= 0:
            self._too_deep = True
            return ""
        if len(source) > self._html:
            self._note(f"the HTML beyond {self._limits.html} characters ignored")
        text = markup.to_text(source, links=self._links, longest=self._html)
        self._html -= len(source)
        self.html = True
        return seen(self._opened(text) if pgp.marked(text) else text)

    def _plain(self, text: str, media: Media) -> str:
        if pgp.marked(text):
            text = self._opened(text)
        if media.flowed:
            text = unflowed(text, delsp=media.delsp)
        self.html = False
        return seen(text)

    def _opened(self, text: str) -> str:
        if pgp.is_encrypted(text):
            raise _encrypted("PGP")
        text, notes = pgp.readable(text)
        for note in notes:
            self._note(note)
        return text

    def _multipart(self, entity: Entity, media: Media, depth: int) -> str:
        if media.type in _ENCRYPTED:
            raise _encrypted("PGP" if b"pgp" in entity.value(b"\ncontent-type").lower() else media.type)
        if depth >= self._limits.depth:
            self._too_deep = True
            return ""
        default = "message/rfc822" if media.type == "multipart/digest" else "text/plain"
        children = self._children(entity, media, default)
        first = next(children, None)
        if first is None:
            # A header that promises parts, and none: the body is what there is.
            return "" if self._too_deep else self._leaf(entity, PLAIN, page=False)
        if media.type == "multipart/alternative":
            return self._alternative(first, children, depth + 1)
        return self._series(first, children, media, depth + 1)

    def _children(self, entity: Entity, media: Media, default: str) -> Iterator[_Part]:
        """Yield the parts of a multipart, as far as the limit of all parts allows."""
        for data in parts(entity.body, media.boundary):
            self._parts += 1
            if self._parts > self._limits.parts:
                self._too_deep = True
                return
            part = Entity.of(data, default)
            yield part, part.media()

    def _alternative(self, first: _Part, rest: Iterator[_Part], depth: int) -> str:
        """Return the text of the plain part, or of another if that says more."""
        others: list[_Part] = []
        plain, was_page, empty = "", False, False
        doubt: str | set[str] = ""
        for part, media in chain((first,), rest):
            if plain or media.type != "text/plain":
                others.append((part, media))
            elif plain := self._read(part, media, depth, root=False):
                doubt, was_page = _doubt(plain), self.html
                if not doubt:
                    return plain
            else:
                empty = True
        for part, media in others:
            if isinstance(doubt, set) and not _may_hold_letters(part, media):
                continue
            text = self._read(part, media, depth, root=False)
            if text and not (isinstance(doubt, set) and not choice.lost_letters(doubt, text)):
                why = (
                    "it has ? for its letters" if isinstance(doubt, set) else doubt or ("it is empty" if empty else "")
                )
                if why and self.html:
                    self._note(f"the HTML part counts, not the plain one: {why}")
                return text
        self.html = was_page
        return plain

    def _series(self, first: _Part, rest: Iterator[_Part], of: Media, depth: int) -> str:
        """Return the first text of parts in a row, and what goes on of it."""
        pieces: list[str] = []
        banner, html = "", False
        alone = of.type in _FIRST_ALONE
        goes_on = of.boundary.startswith(b"Apple-Mail")
        for part, media in chain((first,), rest):
            if pieces and not (goes_on and media.type in _KINDS and not part.attached(media, root=False)):
                self._ignore(part, media)
                continue
            if media.type in _ENCRYPTED:
                raise _encrypted("PGP")
            text = self._read(part, media, depth, root=False)
            if not text:
                if not alone and not media.type.startswith("multipart/"):
                    self._ignore(part, media)
            elif pieces and choice.is_footer(text):
                self._note(_FOOTER)
            elif not pieces and not banner and not alone and media.type == "text/plain" and choice.is_banner(text):
                banner = text
            else:
                html = html or self.html
                pieces.append(text.strip("\n") if goes_on else text)
                if alone:
                    break
        if pieces and banner:
            self._note("a banner in a part of its own ignored")
        self.html = html
        return "\n".join(pieces) or banner

    def _ignore(self, part: Entity, media: Media) -> None:
        """Note what of a mail is not sent."""
        kind = media.type
        if kind in _KINDS:
            if part.attached(media, root=False):
                self._ignored("text in attachment", part.file_name(media))
                return
            text = charsets.decode(part.decoded(media.charset), media.charset, "latin-1")
            if text.strip(_INVISIBLE):
                self._note(_FOOTER if choice.is_footer(text) else "a later text ignored")
        elif kind.startswith("multipart/"):
            self._note("a later text ignored")
        elif kind in _FORWARDED:
            self._note("a forwarded mail ignored")
        elif kind not in _SIGNATURES:
            self._ignored("attachment", part.file_name(media))

    def _ignored(self, what: str, name: str) -> None:
        shown = decode_words(name.encode("latin-1", "replace")[: _LONGEST_NAME * 8])
        shown = _CONTROL.sub("", shown).replace('"', "'")[:_LONGEST_NAME]
        self._note(f'{what} "{shown}" ignored' if shown else f"{what} ignored")


def _encrypted(how: str) -> NoText:
    return NoText(f"the mail is encrypted ({how})")


def _doubt(plain: str) -> str | set[str]:
    """Return why an HTML part may say more than the plain one; words with lost letters, if that is why."""
    if choice.is_placeholder(plain):
        return "it only asks for a program that shows HTML"
    if choice.is_source(plain):
        return "it is the source of a page"
    return choice.masked_words(plain)


def _may_hold_letters(part: Entity, media: Media) -> bool:
    """Tell whether it is worth the time to lay out a page for letters that the plain text has not."""
    if media.type != "text/html":
        return True
    data = part.decoded(media.charset)
    return not data.isascii() or b"&" in data or b"\x1b" in data


def _is_junk(text: str) -> bool:
    """Tell bytes of a program from a text with a few wrong ones: those hold controls of every kind."""
    controls = len(_CONTROL.findall(text))
    wrong = controls + text.count("\0") + text.count("\ufffd")
    return wrong * 2 > len(text) - text.count("\n") or (controls >= 4 and controls * 20 > len(text))
